"""The two published cases: totals that tie, a hand calculation, and the same bytes from the generator."""

from __future__ import annotations

import csv
import runpy
import shutil
from pathlib import Path

import pytest

from conftest import EXAMPLES, ROOT, TODAY
from estate_funds import Books, load_case
from estate_funds.assess import Outcome
from estate_funds.funds import Account

DONGHU_HOUSEHOLDS, DEZHOU_HOUSEHOLDS = 1885, 35_305


def test_donghu_by_hand() -> None:
    case = load_case(EXAMPLES / "donghu")
    assert case.registry.totals == {
        "estates": 2,
        "buildings": 60,
        "households": 1885,
        "floor_area_centi_m2": 16_430_000,
    }
    yuanyi = [960 * rate * 12 * 100 for rate in (18, 18, 18, 12, 6, 0)]
    yuaner = [925 * rate * 12 * 100 for rate in (18, 18, 0, 12, 6)]  # the third year was failed
    assert [c.amount_fen for c in case.claims.of("yuanyi")] == yuanyi
    assert [c.amount_fen for c in case.claims.of("yuaner")] == yuaner
    assert case.claims.amount_fen == 142_884_000 == DONGHU_HOUSEHOLDS * 86_400 - 925 * 18 * 12 * 100
    assert case.claims.shares == {"city": 71_442_000, "district": 71_442_000}
    failed = case.claims["yuaner", 3].lines[0]
    assert failed.outcome is Outcome.FAILED
    assert "assessment failed on 2024-07-10" in failed.reason


def test_dezhou_by_hand() -> None:
    case = load_case(EXAMPLES / "dezhou")
    assert case.registry.totals == {
        "estates": 313,
        "buildings": 1164,
        "households": 35_305,
        "floor_area_centi_m2": 377_720_000,
    }
    by_year = {n: sum(c.amount_fen for c in case.claims if c.number == n) for n in range(1, 6)}
    assert by_year == {n: DEZHOU_HOUSEHOLDS * rate * 12 * 100 for n, rate in enumerate((18, 18, 18, 12, 6), 1)}
    assert by_year[1] == 762_588_000
    assert case.claims.amount_fen == 3_050_352_000 == DEZHOU_HOUSEHOLDS * 86_400
    assert case.claims.shares == {"city": 1_525_176_000, "district": 1_525_176_000}
    with (EXAMPLES / "dezhou" / "dezhou-2022-plan.csv").open(encoding="utf-8") as file:
        plan = {row["county"]: int(row["households"]) for row in csv.DictReader(file)}
    for county, households in plan.items():
        claims = [c for c in case.claims if c.subject.units["district"] == county]
        assert sum(c.amount_fen for c in claims) == households * 86_400
        assert sum(c.shares.get("district", 0) for c in claims) == households * 43_200


@pytest.mark.parametrize(("name", "entries"), [("donghu", 76), ("dezhou", 4778)])
def test_each_case_runs_audits_and_runs_again(name: str, entries: int, tmp_path: Path) -> None:
    case = load_case(EXAMPLES / name)
    with Books.open("memory", recorded_on=TODAY, evidence=tmp_path / "evidence") as books:
        assert len(books.run(case).entries) == entries
        report = books.audit(case)
        assert report.findings == ()
        assert (
            report.verdict
            == "no finding in what was covered; not covered: nothing cut off or rewritten since a head that was kept, "
            "bank statements matched"
        )
        again = books.run(case)
        assert (len(again.entries), len(books)) == (0, entries)
        ledger = books.ledger
        paid = dict.fromkeys(("city", "district"), 0)
        for (fund, account, _), fen in ledger.balances.items():
            if account == Account.TRANSFER_OUT and fund.startswith("award-budget/"):
                paid[fund.split("/")[1]] += fen
        assert paid == case.claims.shares


def test_the_unspent_award_is_carried_forward() -> None:
    case = load_case(EXAMPLES / "donghu")
    with Books.open("memory", recorded_on=TODAY) as books:
        books.run(case)
        fund = "community-shortfall/community/院一社区"
        ledger = books.ledger
        assert ledger.available(fund) == ledger.balance(fund, Account.UNENCUMBERED, "2026") == 67_507_950
        assert str(ledger.closed_through) == "2025-12-31"


def test_what_was_tried_elsewhere_is_refused() -> None:
    case = load_case(EXAMPLES / "donghu")
    with Books.open("memory", recorded_on=TODAY) as books:
        books.run(case)
        answers = [type(books.check(step.draft)).__name__ for step in case.attempts()]
        assert answers == ["OutsideFence", "EvidenceMissing", "OutsideFence"]
        assert len(books) == 76


def test_the_generator_makes_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "donghu").mkdir()
    (tmp_path / "dezhou").mkdir()
    shutil.copy(EXAMPLES / "dezhou" / "dezhou-2022-plan.csv", tmp_path / "dezhou")
    runpy.run_path(str(EXAMPLES / "generate.py"))["main"](tmp_path)
    for made in tmp_path.rglob("*.csv"):
        assert made.read_bytes() == (EXAMPLES / made.relative_to(tmp_path)).read_bytes(), made.name
    from pyarrow import parquet

    made, shipped = (parquet.read_table(root / "dezhou" / "households.parquet") for root in (tmp_path, EXAMPLES))
    assert made.equals(shipped)


def test_the_published_plan_is_the_published_plan() -> None:
    source = ROOT.parent / "shared" / "data" / "dezhou-2022-plan.csv"
    if not source.is_file():
        pytest.skip("the published figures are not beside the checkout")
    assert (EXAMPLES / "dezhou" / "dezhou-2022-plan.csv").read_bytes() == source.read_bytes()


def test_the_quotations_stand_in_the_document() -> None:
    source = ROOT.parent / "shared" / "sources" / "donghu-2021-17.txt"
    if not source.is_file():
        pytest.skip("the documents are not beside the checkout")
    from estate_funds import load_document

    text = "".join(source.read_text(encoding="utf-8").split())
    for clause, quotation in load_document("donghu-2021-17").clauses.items():
        for part in quotation.split("……"):
            assert part in text, f"{clause}: {part}"
