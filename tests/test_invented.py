"""A city nobody has seen is a TOML file: its worked cases hold, and a whole case of it runs, audits, and is refused rightly."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest

from conftest import TODAY
from estate_funds import Books, load_case
from estate_funds.assess import Status
from estate_funds.case import Case
from estate_funds.load import load_document
from estate_funds.testing.worked_cases import WorkedCase, check_worked_case, read_worked_cases
from estate_funds.vouchers import reverse

INVENTED = Path(__file__).parent / "invented"
DOCUMENTS = sorted(p for p in INVENTED.glob("*.toml") if not p.name.endswith(".cases.toml"))


def worked() -> list[tuple[Path, WorkedCase]]:
    found = []
    for path in DOCUMENTS:
        cases = path.with_name(f"{path.stem}.cases.toml")
        found += [(path, c) for c in read_worked_cases(cases.read_text(encoding="utf-8"), source=cases.name)]
    return found


@pytest.mark.parametrize(("path", "case"), worked(), ids=lambda v: v.stem if isinstance(v, Path) else v.name)
def test_worked_cases_of_invented_cities(path: Path, case: WorkedCase) -> None:
    assert check_worked_case(load_document(str(path)), case) == []


def write(path: Path, header: str, rows: Iterable[str]) -> None:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


CASE = """format = 1
id = "wanghai"
title = "an invented year"
documents = ["{document}"]
claims = ["wanghai-2025/upkeep", "wanghai-2025/works", "wanghai-2025/centres", "wanghai-2025/pool"]
close_through = "2025-12"
periods = {{ first = "2025-01", last = "2025-12" }}
people = {{ maker = "A", approver = "B" }}
payment = {{ days_after_decision = 5 }}
payees = {{ firm = {{ name = "firm", payee_class = "enterprise" }} }}
settings.wanghai-2025 = {{ pool = "60000.00" }}

[[appropriations]]
id = "city"
on = 2025-01-02
fund = "city-money/city/望海市"
source = "treasury"
amount = "500,000.00"

[[appropriations]]
id = "district"
on = 2025-01-02
fund = "city-money/district/滨海区"
source = "treasury"
amount = "500,000.00"
"""


@pytest.fixture
def wanghai(tmp_path: Path) -> Path:
    folder = tmp_path / "wanghai"
    folder.mkdir()
    (folder / "case.toml").write_text(CASE.format(document=INVENTED / "wanghai-2025.toml"), encoding="utf-8")
    write(
        folder / "estates.csv",
        "estate_id,name,city,district,street,community,buildings,floor_area_m2,completed_on,service_start,households",
        [
            "a,甲,望海市,滨海区,东街,东一,4,8000,1990-01-01,2024-01-01,100",
            "b,乙,望海市,滨海区,西街,西一,4,6000,1990-01-01,2024-01-01,80",
        ],
    )
    write(
        folder / "subjects.csv",
        "subject_id,kind,name,place,on",
        ["w1,works,roof,a,2025-04-01", "w2,works,facade,b,2025-05-02", "c1,centre,centre,street/东街,2025-02-01"],
    )
    write(
        folder / "facts.csv",
        "subject_id,fact,period,value,known_on",
        [
            "a,lift,,yes,2025-01-05", "a,fee_received,2025,70.00,2026-01-10", "a,fee_receivable,2025,100.00,2026-01-10",
            "a,district_paid,2025,\"8,000.00\",2026-01-12",
            "b,lift,,no,2025-01-05", "b,fee_received,2025,69.99,2026-01-10", "b,fee_receivable,2025,100.00,2026-01-10",
            "b,district_paid,2025,0.00,2026-01-12",
            "w1,audited_cost,,\"50,000.01\",2025-12-01", "w1,treated_m2,,1000,2025-12-01", "w1,applied_on,,2025-06-30,",
            "w1,estimated_cost,,\"120,000.00\",2025-04-10", "w1,advance_asked,,\"50,000.00\",2025-04-12",
            "w2,audited_cost,,\"90,000.00\",2025-12-01", "w2,treated_m2,,100,2025-12-01", "w2,applied_on,,2025-05-30,",
            "c1,centre_m2,,3000,2025-02-03",
            "street/东街,order_score,,90,2026-01-10", "street/东街,clean_score,,80,2026-01-10",
            "street/西街,order_score,,45,2026-01-10", "street/西街,clean_score,,40,2026-01-10",
        ],
    )  # fmt: skip
    write(
        folder / "assessments.csv",
        "subject_id,period,result,result_on",
        ["street/东街,2025,good,2026-01-15", "street/西街,2025,good,2026-01-15"],
    )
    return folder


def run(folder: Path, ledger: Path) -> Case:
    case = load_case(folder)
    with Books.open(str(ledger), recorded_on=TODAY) as books:
        books.run(case)
        report = books.audit(case)
        assert report.findings == (), report.to_text()
    return case


def test_a_whole_case_of_a_city_nobody_has_seen(wanghai: Path, tmp_path: Path) -> None:
    case = run(wanghai, tmp_path / "books.db")
    due = {c.claim_id.removeprefix("wanghai-2025/"): c.amount_fen for c in case.claims}
    assert due == {
        "upkeep/a/2025": 2_400_000,
        "upkeep/b/2025": 0,
        "works/w1/once/advance": 3_600_000,
        "works/w1/once": 2_500_001 - 3_600_000,
        "works/w2/once": 4_500_000,
        "centres/c1/once": 8_000_000,
        "pool/street/东街/2025": 4_000_000,  # 86 of 129 marks: 40 000 of 60 000, its cap
        "pool/street/西街/2025": 2_000_000,
    }
    owners = case.claims["w2"].shares
    assert owners == {"city": 1_500_000, "district": 1_500_000, "owners": 1_500_000}


def test_a_refund_is_booked_back_into_the_funds_that_paid(wanghai: Path, tmp_path: Path) -> None:
    run(wanghai, tmp_path / "books.db")
    with Books.open(str(tmp_path / "books.db"), recorded_on=TODAY) as books:
        back = [e for e in books.entries() if e.draft.purpose == "refund"]
        assert [(e.draft.payee_class, e.draft.effective) for e in back] == [
            ("city", date(2025, 12, 6)),
            ("district", date(2025, 12, 6)),
        ]
        paid = {b.fund: b.available_fen for b in books.balances()}
        assert paid["estate-money/estate/a"] == 2_500_001 + 2_400_000


def test_a_refund_reversed_is_booked_again_and_counted_once(wanghai: Path, tmp_path: Path) -> None:
    path = wanghai / "case.toml"
    only = re.sub("(?m)^claims = .*", 'claims = ["wanghai-2025/works"]', path.read_text(encoding="utf-8"))
    path.write_text(only.replace('close_through = "2025-12"\n', ""), encoding="utf-8")
    case = run(wanghai, tmp_path / "books.db")
    with Books.open(str(tmp_path / "books.db"), recorded_on=TODAY) as books:
        back = next(e for e in books.entries() if e.draft.purpose == "refund")
        books.post(reverse(back, on=date(2025, 12, 20), hands=case.hands, narrative="wrong account"))
        assert [f.rule for f in books.audit(case).findings] == ["wrong-amount"]
        books.post(next(c for c in case.claims.of("w1") if not c.part), on=date(2025, 12, 21), maker="A", approver="B")
        assert books.audit(case).findings == ()


def test_what_others_match_and_has_not_come_is_told(wanghai: Path, tmp_path: Path) -> None:
    path = wanghai / "facts.csv"
    path.write_text(path.read_text(encoding="utf-8").replace('2025,"8,000.00"', '2025,"6,000.00"'), encoding="utf-8")
    case = load_case(wanghai)
    assert case.claims["a", 2025].shares == {"city": 1_200_000, "district": 800_000}
    with Books.open(str(tmp_path / "books.db"), recorded_on=TODAY) as books:
        books.post(case.opening())
        (missing,) = [f for f in books.audit(case).findings if f.rule == "matching-missing"]
        told = (missing.where, missing.amount_fen, missing.clause, missing.subject)
        assert told == ("wanghai-2025/upkeep/a/2025", 200_000, "wanghai-2025 8", "a")
        books.run(case)
        assert books.audit(case).findings == ()  # the district's whole share is paid from these books


def test_a_changed_fact_after_posting_is_found(wanghai: Path, tmp_path: Path) -> None:
    run(wanghai, tmp_path / "books.db")
    path = wanghai / "facts.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("50,000.01", "60,000.00"), encoding="utf-8")
    case = load_case(wanghai)
    with Books.open(str(tmp_path / "books.db"), recorded_on=TODAY) as books:
        report = books.audit(case)
        assert [f.rule for f in report.findings] == ["wrong-amount"]
        assert books.run(case).entries == ()  # what was paid is left alone, until somebody reverses it


def test_a_missing_fact_waits_and_says_for_what(wanghai: Path) -> None:
    path = wanghai / "facts.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    write(path, lines[0], [line for line in lines[1:] if not line.startswith("c1,centre_m2")])
    claim = load_case(wanghai).claims["c1"]
    assert claim.status is Status.PENDING
    assert "centre_m2" in claim.lines[0].reason
