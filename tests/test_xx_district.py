"""The invented district: two funds under one heading, what each pays, what each refuses, and what the audit finds."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from conftest import EXAMPLES, HANDS, ROOT, TODAY
from estate_funds import Books, load_case, load_document
from estate_funds.assess import Status
from estate_funds.duties import stage_on
from estate_funds.errors import CeilingExceeded, EvidenceMissing, OutsideFence
from estate_funds.funds import Account
from estate_funds.journal import Draft, Evidence
from estate_funds.vouchers import transfer

Edit = Callable[[Path, str, str], None]
BUDGET, REWARDS = "emergency-budget/district/示例区", "reward-pool/district/示例区"
EAST, WEST = "street-emergency/street/东里街道", "street-emergency/street/西河街道"
ENTRIES = 43


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the case that a test may spoil."""
    return Path(shutil.copytree(EXAMPLES / "xx-district", tmp_path / "xx-district"))


@pytest.fixture
def booked(folder: Path) -> Path:
    with Books.open(str(folder / "books.db"), recorded_on=TODAY) as books:
        books.run(load_case(folder))
    return folder


def findings(folder: Path) -> list[str]:
    with Books.open(str(folder / "books.db"), create=False, recorded_on=TODAY) as books:
        return sorted({finding.rule for finding in books.audit(load_case(folder)).findings})


def test_what_is_owed_by_hand() -> None:
    claims = load_case(EXAMPLES / "xx-district").claims
    due = {c.subject.subject_id + (f" {c.part}" if c.part else ""): c.amount_fen for c in claims}
    # class A: half of 200,000.00 over weight x marks, 1,189.92 in all: 4 x 91, 4 x 60.5, 2 x 94, 2 x 90.46, 2 x 60.5, 94
    marks = {"a-dongli": 364_00, "a-xihe": 242_00, "a-dongli-community": 188_00, "a-dongyuan-community": 180_92}
    marks |= {"a-xihe-community": 121_00, "a-grid-1": 94_00}
    down = {name: 100_000_00 * mark // 1189_92 for name, mark in marks.items()}
    assert (sum(marks.values()), sum(down.values())) == (1189_92, 99_999_99)
    down["a-dongyuan-community"] += 1  # 0.35 of a fen, the largest remainder
    assert {name: due[name] for name in marks} == down
    assert due["a-building-7"] == 0
    # class B: a fifth, 40,000.00 by scores of 90, 60 and 50
    assert [due[n] for n in ("b-hepan", "b-xinyuan", "b-xiangyang")] == [18_000_00, 12_000_00, 10_000_00]
    # class C: three tenths, 60,000.00 over m2 x marks: 20,000 x 80, 1,920 x 85 and 8,000 x 75, in all 2,363,200
    assert (due["hongda"], due["anda"]) == (40_622_89 + 4_143_53, 15_233_58)
    # repairs: the audited, the invoiced, both alike; an advance of 60,000 is cut to half of the estimate
    assert (due["i-1"], due["i-2 advance"], due["i-2"]) == (37_200_51, 50_000_00, 42_000_01 - 50_000_00)
    assert (due["i-3 advance"], due["i-3"]) == (10_000_00, 18_888_88)
    assert (due["i-4"], claims["i-5"].status) == (0, Status.PENDING)
    assert claims.amount_fen == 200_000_00 + 108_089_40


def test_it_runs_audits_and_runs_again() -> None:
    case = load_case(EXAMPLES / "xx-district")
    with Books.open("memory", recorded_on=TODAY) as books:
        assert len(books.run(case).entries) == ENTRIES
        assert books.audit(case).findings == ()
        assert (len(books.run(case).entries), len(books)) == (0, ENTRIES)
        left = {fund: books.ledger.available(fund) for fund in (REWARDS, BUDGET, EAST, WEST)}
        assert left == {REWARDS: 0, BUDGET: 150_000_00 - 108_089_40, EAST: 0, WEST: 0}
        assert books.ledger.balance(REWARDS, Account.EXPENDITURE, "reward") == 200_000_00


def test_an_advance_first_and_its_settlement_later(folder: Path, edit: Edit) -> None:
    full = (folder / "facts.csv").read_text(encoding="utf-8")
    known = [line for line in full.splitlines() if not line.startswith(("i-2,accepted", "i-2,invoiced", "i-2,audited"))]
    (folder / "facts.csv").write_text("\n".join(known) + "\n", encoding="utf-8")
    with Books.open(str(folder / "books.db"), recorded_on=date(2024, 9, 30)) as books:
        books.run(load_case(folder))
        assert books.ledger.available(WEST) == 50_000_00
        assert books.audit(load_case(folder)).findings == ()
    (folder / "facts.csv").write_text(full, encoding="utf-8")
    with Books.open(str(folder / "books.db"), recorded_on=TODAY) as books:
        books.run(load_case(folder))
        assert (books.ledger.available(WEST), len(books)) == (0, ENTRIES)
    assert findings(folder) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [
        ("assessments.csv", "a-grid-1,2024,pass", "a-grid-1,2024,fail", ["failed-assessment", "wrong-amount"]),
        ("assessments.csv", "a-grid-1,2024,pass,2025-01-20,\n", "", ["unassessed"]),
        ("assessments.csv", "2025-01-21,60", "2025-01-21,61", ["wrong-amount"]),
        ("facts.csv", '"37,200.51"', '"37,200.50"', ["wrong-amount"]),
        ("facts.csv", "i-1,cause,,roof-leakage", "i-1,cause,,lift-repair", ["ineligible"]),
        ("facts.csv", '"42,000.01"', '"42,000.02"', ["wrong-amount"]),
        (
            "ballots.csv",
            "hongxing-03,80.00,electronic,2024-10-12,yes",
            "hongxing-03,80.00,electronic,2024-10-12,no",
            [],
        ),
        ("facts-votes.csv", "160,13400.00,121", "159,13400.00,121", ["vote-short", "wrong-amount"]),
        ("facts-estates.csv", "committee,yes,yes,6,3", "committee,yes,yes,6,2", ["wrong-amount"]),
        ("estates.csv", "2004-12-31", "2024-08-31", []),
        ("spending.csv", '"28,888.88"', '"28,888.87"', ["booked-otherwise"]),
        ("evidence/i-2-photos.txt", "before and after", "before", ["booked-otherwise"]),
        ("case.toml", 'amount = "150,000.00"', 'amount = "150,000.01"', ["booked-otherwise"]),
    ],
)
def test_a_fact_changed_after_posting_is_found(
    booked: Path, edit: Edit, file: str, old: str, new: str, found: list[str]
) -> None:
    edit(booked / file, old, new)
    assert findings(booked) == found


def test_a_wrong_amount_in_the_ledger_is_found(booked: Path) -> None:
    connection = sqlite3.connect(booked / "books.db")
    connection.execute("DROP TRIGGER estate_funds_posting_no_update")
    connection.execute("UPDATE estate_funds_posting SET amount_fen = 5000001 WHERE amount_fen = 5000000")
    connection.commit()
    connection.close()
    assert "tampered" in findings(booked)


def test_each_fence_refuses() -> None:
    case = load_case(EXAMPLES / "xx-district")
    with Books.open("memory", recorded_on=TODAY) as books:
        books.run(case)
        refusals = [books.check(step.draft) for step in case.attempts()]
        assert [(type(r).__name__, r.got) for r in refusals if r is not None] == [
            ("OutsideFence", "for the purpose 'pipe-repair'"),
            ("OutsideFence", "for the purpose 'reward'"),
            ("OutsideFence", "for the purpose 'reward'"),
            ("OutsideFence", "for the purpose 'lift-repair'"),
            ("EvidenceMissing", "invoice, photos"),
            ("OutsideFence", "to the payee class 'professional'"),
        ]
        assert len(books) == ENTRIES


def reallocation(giver: str, taker: str, *, purpose: str = "reallocation", document: bool) -> Draft:
    case = load_case(EXAMPLES / "xx-district")
    evidence = [Evidence("approved-reallocation", "0" * 64)] if document else []
    return transfer(
        case.funds[giver], case.funds[taker], 10_000_00, purpose=purpose, on=date(2025, 2, 10), key="reallocation",
        hands=HANDS, clause="七(四)", narrative="moved", evidence=evidence,
    )  # fmt: skip


def test_between_the_two_funds_only_an_approved_reallocation() -> None:
    case = load_case(EXAMPLES / "xx-district")
    with Books.open("memory", recorded_on=TODAY) as books:
        books.run(case)
        assert isinstance(books.check(reallocation(BUDGET, REWARDS, document=False)), EvidenceMissing)
        assert isinstance(books.check(reallocation(BUDGET, REWARDS, purpose="reward", document=True)), OutsideFence)
        assert isinstance(books.check(reallocation(EAST, REWARDS, document=True)), OutsideFence)
        assert isinstance(books.check(reallocation(REWARDS, EAST, document=True)), OutsideFence)
        assert books.check(reallocation(BUDGET, REWARDS, document=True)) is None


@pytest.mark.parametrize(("yuan", "exceeds"), [("2,929,110.60", False), ("2,929,110.61", True)])
def test_the_ceiling_of_a_year(folder: Path, edit: Edit, yuan: str, exceeds: bool) -> None:
    """3,000,000.00 less what i-2 and i-3 come to, 70,888.89, and i-5 does, 0.51."""
    edit(folder / "facts.csv", '"38,500.55"', f'"{yuan}"')
    edit(folder / "facts.csv", '"37,200.51"', f'"{yuan}"')
    edit(
        folder / "facts.csv",
        "i-5,invoiced",
        "i-5,accepted,,yes,2024-12-30,\ni-5,audited,,0.51,2024-12-30,\ni-5,invoiced",
    )
    if exceeds:
        with pytest.raises(CeilingExceeded, match=r"3,000,000\.01"):
            load_case(folder)
    else:
        assert load_case(folder).claims.where(status=Status.DUE)["i-1"].amount_fen == 2_929_110_60


@pytest.mark.parametrize(
    ("day", "stage"),
    [
        (date(2024, 7, 15), "宣传引导"),
        (date(2024, 7, 16), "具体实施"),
        (date(2024, 11, 30), "具体实施"),
        (date(2024, 12, 1), "全部覆盖"),
        (date(2024, 12, 31), "全部覆盖"),
        (date(2025, 1, 1), ""),
    ],
)
def test_stages_end_with_their_last_day(day: date, stage: str) -> None:
    found = stage_on(load_document("xx-district-2024"), day)
    assert (found.title.split()[0] if found else "") == stage


def test_the_quotations_stand_in_the_document() -> None:
    source = ROOT.parent / "shared" / "sources" / "xx-district-2024.txt"
    if not source.is_file():
        pytest.skip("the documents are not beside the checkout")
    text = "".join(source.read_text(encoding="utf-8").split())
    for clause, quotation in load_document("xx-district-2024").clauses.items():
        for part in quotation.split("……"):
            assert "".join(part.split()) in text, f"{clause}: {part}"


def test_every_rule_of_the_document_is_answered() -> None:
    written = (ROOT / "src/estate_funds/policies/xx-district-2024.toml").read_text(encoding="utf-8")
    assert [n for n in range(1, 15) if f'"A{n:02d}"' not in written] == []
