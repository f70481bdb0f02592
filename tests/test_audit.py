"""Each finding of the audit is provoked, and stays silent where all is well."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from conftest import EXAMPLES, HANDS, TODAY
from desk import CITY, Desk
from estate_funds import Books, FindingsError, load_case
from estate_funds.audit import Severity, audit
from estate_funds.audit.journal import Kept
from estate_funds.errors import CaseError, DamagedEntry, InputError, KeyConflict
from estate_funds.journal import Posting
from estate_funds.ledger import BalanceKey, Ledger
from estate_funds.store import Stored
from estate_funds.vouchers import amend_fund, appropriate, reverse

Edit = Callable[[Path, str, str], None]


@pytest.fixture
def booked(donghu: Path) -> Path:
    with Books.open(str(donghu / "books.db"), recorded_on=TODAY) as books:
        books.run(load_case(donghu))
    return donghu


def tamper(folder: Path, statement: str) -> None:
    """Change an entry as somebody who holds the file can."""
    connection = sqlite3.connect(folder / "books.db")
    connection.execute("DROP TRIGGER estate_funds_entry_no_update")
    connection.execute(statement)
    connection.commit()
    connection.close()


def rules(folder: Path, **options: int) -> list[str]:
    with Books.open(str(folder / "books.db"), create=False) as books:
        return sorted({finding.rule for finding in books.audit(load_case(folder), **options).findings})


def test_snapshots_are_compared_when_the_replay_comes_to_them() -> None:
    journal, ledger, read, asked = Desk(), Ledger(), [0], list[tuple[int, int]]()
    taken = (1, 3, 6)

    def stored() -> Iterator[Stored]:
        for entry in journal.entries:
            read.append(entry.seq)
            ledger.tree.append(entry.leaf)
            yield Stored(entry, entry.leaf, ledger.tree.root)

    def snapshots() -> Iterator[tuple[int, dict[BalanceKey, int]]]:
        for seq in (0, *taken, 9):
            asked.append((seq, read[-1]))
            yield seq, {}

    journal.fund(CITY, 5)
    kept = Kept(7, snapshots=snapshots(), due=lambda ledger, since: ledger.seq in taken)
    report = audit(stored(), kept=kept, rules=())
    assert asked == [(0, 0), (1, 1), (3, 1), (6, 3), (9, 6)]  # none before the one ahead of it was compared
    assert [(f.rule, f.what) for f in report.findings] == [
        ("snapshot", f"a snapshot of balances after entry {seq}, which is not there") for seq in (0, 9)
    ]
    (drawn,) = (c for c in report.coverage if "snapshots" in c.what)
    assert (drawn.checked, drawn.of) == (3, 5)


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [("estates.csv", ",960\n", ",\n", []), ("assessments.csv", "yuanyi,1,pass", "yuanyi,1,fail", ["failed-assessment"]),
     ("assessments.csv", "yuanyi,1,pass,2022-01-10,88\n", "", ["unassessed"]),
     ("assessments.csv", "yuaner,3,fail", "yuaner,3,pass", ["withheld"]),
     ("assessments.csv", "yuanyi,1,pass,2022-01-10", "yuanyi,1,pass,2021-12-10", ["date-order", "late"]),
     ("spending.csv", '"96,000.00"', '"96,000.01"', ["booked-otherwise"]),
     ("spending.csv", "宏达", "宏达", []), ("incomes.csv", "i-2022-01,", "i-2022-09,", ["no-source", "not-booked"]),
     ("case.toml", 'amount = "67,860.00"', 'amount = "67,860.01"', ["booked-otherwise"]),
     ("case.toml", '"facility-upkeep", "repair"]', '"facility-upkeep", "repair", "banquet"]', ["booked-otherwise"]),
     ("evidence/s-2022-01.txt", "96,000.00", "69,000.00", ["booked-otherwise"])],
)  # fmt: skip
def test_findings_against_the_case(booked: Path, edit: Edit, file: str, old: str, new: str, found: list[str]) -> None:
    if old not in (booked / file).read_text(encoding="utf-8"):
        old = new = ""
    edit(booked / file, old, new)
    assert rules(booked) == found


def test_a_changed_register_gives_another_amount(booked: Path, edit: Edit) -> None:
    text = (booked / "households.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (booked / "households.csv").write_text("".join(text[:1] + text[2:]), encoding="utf-8")
    edit(booked / "estates.csv", ",960\n", ",959\n")
    edit(booked / "case.toml", "households = 1885", "households = 1884")
    with Books.open(str(booked / "books.db"), create=False) as books:
        report = books.audit(load_case(booked))
    wrong = [finding for finding in report.findings if finding.rule == "wrong-amount"]
    assert [finding.amount_fen for finding in wrong] == [21_600, 21_600, 21_600, 14_400, 7_200]
    assert "were booked from an earlier state" in report.to_text()
    assert wrong[0].clause == "donghu-2021-17 五(六)1"


def test_a_payment_reversed_is_withheld_again(booked: Path) -> None:
    with Books.open(str(booked / "books.db"), recorded_on=TODAY) as books:
        paid = next(e for e in books.entries() if e.draft.key == "disbursement/donghu-2021-17/award/yuaner/5")
        books.post(reverse(paid, on=date(2026, 8, 1), hands=HANDS, narrative="paid by mistake"))
        (finding,) = books.audit(load_case(booked)).findings
    assert (finding.rule, finding.amount_fen, finding.severity) == ("withheld", 6_660_000, Severity.ERROR)
    with Books.open(str(booked / "books.db"), recorded_on=TODAY) as books:
        claim = load_case(booked).claims["yuaner", 5]
        again = books.post(claim, on=date(2026, 8, 3), maker="a", approver="b")
        assert [entry.draft.key for entry in again.entries] == [paid.draft.key + "/2"]
        assert books.post(claim, on=date(2026, 8, 3), maker="a", approver="b").repeated == 2
        assert books.audit(load_case(booked)).findings == ()


def test_a_spending_reversed_while_its_row_stays(booked: Path, edit: Edit) -> None:
    with Books.open(str(booked / "books.db"), recorded_on=TODAY) as books:
        spent = next(e for e in books.entries() if e.draft.key == "spending/donghu/s-2025-01")
        books.post(reverse(spent, on=date(2026, 8, 1), hands=HANDS, narrative="booked by mistake"))
        (finding,) = books.audit(load_case(booked)).findings
    assert finding.rule == "not-booked"
    assert "and reversed" in finding.what
    text = (booked / "spending.csv").read_text(encoding="utf-8")
    last = text.splitlines(keepends=True)[-1]
    edit(booked / "spending.csv", last, "")
    assert rules(booked) == []


def test_what_nobody_asked_for_has_no_source(booked: Path) -> None:
    with Books.open(str(booked / "books.db"), recorded_on=TODAY) as books:
        fund = load_case(booked).funds["award-budget/city/南昌市"]
        books.post(appropriate(fund, "city", 5, on=date(2026, 8, 1), key="gift", hands=HANDS))
    assert rules(booked) == ["no-source"]


def test_a_payment_for_a_claim_that_the_case_does_not_know(booked: Path, edit: Edit) -> None:
    edit(booked / "case.toml", 'last = "2026-06"', 'last = "2025-06"')
    edit(booked / "case.toml", 'first = "2021-01"', 'first = "2021-07"')
    assert rules(booked) == ["no-claim"]


def test_one_year_alone_says_that_it_is_partial() -> None:
    case = load_case(EXAMPLES / "donghu")
    claims = case.assess(year=2023)
    with Books.open("memory", recorded_on=TODAY) as books:
        books.post(case.opening())
        books.post(claims, on=date(2024, 1, 15), maker="a", approver="b")
        report = books.audit(case, year=2023, rules=())
        assert report.findings == ()
        assert "facts of the case booked as they stand, bank statements matched" in report.verdict
        everything = books.audit(case, rules=())
        assert {f.rule for f in everything.findings} == {"withheld", "not-booked"}
        with pytest.raises(FindingsError, match="the audit found something") as caught:
            everything.raise_for_findings()
        assert caught.value.findings == everything.findings
        assert caught.value.exit_status == 1


def test_late_by_a_day() -> None:
    case = load_case(EXAMPLES / "donghu")
    claim = case.claims["yuanyi", 3]
    assert case.latest_pay_day(claim) == date(2024, 2, 9)
    for day, found in ((date(2024, 2, 9), []), (date(2024, 2, 10), ["late"])):
        with Books.open("memory", recorded_on=TODAY) as books:
            books.post(case.opening())
            books.post(claim, on=day, maker="a", approver="b")
            findings = books.audit(case, year=2023, rules=()).findings
            assert [f.rule for f in findings] == found
            assert all(f.severity is Severity.WARNING and "四(二)" in f.clause for f in findings)


def test_without_a_case_the_verdict_is_partial(booked: Path) -> None:
    with Books.open(str(booked / "books.db"), create=False) as books:
        report = books.audit()
    assert report.findings == ()
    assert "claims re-assessed, facts of the case" in report.verdict
    again = json.loads(json.dumps(report.to_json(), ensure_ascii=False))
    assert again["entries"] == 76
    complete = [c["complete"] for c in again["coverage"] if not c["rule"]]
    assert complete == [True, True, False, True, True, False, False, False]


def test_a_corrected_case_is_run_again_after_both_entries_are_reversed(booked: Path, edit: Edit) -> None:
    with Books.open(str(booked / "books.db"), recorded_on=TODAY) as books:
        claim = "donghu-2021-17/award/yuaner/5"
        made = {e.draft.key: e for e in books.entries()}
        books.post(reverse(made[f"disbursement/{claim}"], on=date(2026, 8, 1), hands=HANDS, narrative="one too many"))
        assert len(books.run(load_case(booked)).entries) == 1  # still due: paid again, today
        again = max(books.entries(), key=lambda e: e.seq)
        assert (again.draft.key, again.draft.effective) == (f"disbursement/{claim}/2", TODAY)
        assert len(books.run(load_case(booked)).entries) == 0
        assert books.audit(load_case(booked)).findings[0].rule == "late"
        for entry in (again, made[f"encumbrance/{claim}"]):
            books.post(reverse(entry, on=TODAY, hands=HANDS, narrative="the register was wrong"))
        text = (booked / "households.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        last = text[-1].replace(",\n", ",2025-06-30\n")
        (booked / "households.csv").write_text("".join(text[:-1]) + last, encoding="utf-8")
        case = load_case(booked)
        assert case.claims["yuaner", 5].amount_fen == 924 * 6 * 12 * 100
        assert [e.draft.key for e in books.run(case).entries] == [f"encumbrance/{claim}/2", f"disbursement/{claim}/3"]
        assert {f.rule for f in books.audit(case).findings} == {"late"}


def test_an_empty_or_cut_ledger_is_not_clean() -> None:
    case = load_case(EXAMPLES / "donghu")
    with Books.open("memory", recorded_on=TODAY) as books:
        assert {f.rule for f in books.audit(case).findings} == {"withheld", "not-booked"}
        books.run(case)
        head = books.audit(case).head
        stored = list(books._store.read())
        assert books.audit(kept_heads=[head]).findings == ()
        (cut,) = audit(stored[:70], kept_heads=[head]).findings
        assert (cut.rule, cut.got, cut.wanted) == ("cut-off", "70 entries", head)
        (rewritten,) = audit(stored, kept_heads=[f"70:{head.partition(':')[2]}"]).findings
        assert (rewritten.rule, rewritten.got.partition(":")[0]) == ("cut-off", "70")
        assert audit(stored[:70]).findings == ()
        assert "not covered: nothing cut off or rewritten" in audit(stored[:70]).verdict
        with pytest.raises(InputError, match="not the head of a journal"):
            audit(stored, kept_heads=["c0ffee"])
        cut = audit(stored[:18], case, as_of=TODAY)
        assert {"withheld", "not-booked"} == {f.rule for f in cut.findings}


def test_a_damaged_row_leaves_the_coverage_partial(booked: Path) -> None:
    tamper(booked, "UPDATE estate_funds_entry SET effective = '2021-02-30' WHERE seq = 17")
    with Books.open(str(booked / "books.db"), create=False, recorded_on=TODAY) as books:
        report = books.audit()
        assert [f.rule for f in report.findings] == ["unreadable", "unguarded"]
        assert (report.coverage[0].checked, report.coverage[0].of, report.coverage[0].complete) == (16, 76, False)
        with pytest.raises(DamagedEntry):
            books.run(load_case(booked))


def test_a_tampered_ledger_takes_no_more_entries(booked: Path) -> None:
    tamper(booked, "UPDATE estate_funds_entry SET narrative = 'x' WHERE seq = 17")
    with Books.open(str(booked / "books.db"), recorded_on=TODAY) as books, pytest.raises(DamagedEntry, match="behind"):
        books.run(load_case(booked))


def test_payments_that_say_something_else_than_the_claim() -> None:
    case = load_case(EXAMPLES / "donghu")
    with Books.open("memory", recorded_on=TODAY) as books:
        books.run(case)
        drafts = [e.draft for e in books.entries()]
    spoiled = [replace(d, clause="九九", registry="") if d.kind == "disbursement" else d for d in drafts]
    with Books.open("memory", recorded_on=TODAY) as books:
        books.post(spoiled)
        findings = books.audit(case).findings
    assert {f.rule for f in findings} == {"wrong-entry"}
    assert len(findings) == 9


def test_paid_before_the_decision() -> None:
    case = load_case(EXAMPLES / "donghu")
    with Books.open("memory", recorded_on=TODAY) as books:
        books.post(case.opening())
        books.post(case.claims["yuanyi", 3], on=date(2024, 1, 9), maker="a", approver="b")
        assert [f.rule for f in books.audit(case, year=2023, rules=()).findings] == ["early"]


def test_a_promise_for_no_claim(booked: Path) -> None:
    with Books.open(str(booked / "books.db"), recorded_on=TODAY) as books:
        fund = load_case(booked).funds["award-budget/city/南昌市"]
        books.post(appropriate(fund, "city", 500, on=date(2026, 8, 1), key="more", hands=HANDS))
        made = next(e.draft for e in books.entries() if e.draft.kind == "encumbrance")
        postings = (
            Posting(fund.fund_id, "unencumbered", "2026", "D", 500),
            Posting(fund.fund_id, "encumbered", "no/such/claim", "C", 500),
        )
        books.post(replace(made, key="p", reference="no/such/claim", effective=date(2026, 8, 1), postings=postings))
    assert rules(booked) == ["no-claim", "no-source"]


def test_new_people_and_names_do_not_stop_a_second_run(booked: Path, edit: Edit) -> None:
    edit(booked / "case.toml", "王敏 (preparer)", "another preparer")
    edit(booked / "estates.csv", "yuanyi,院一,", "yuanyi,一号院,")
    with Books.open(str(booked / "books.db"), recorded_on=TODAY) as books:
        case = load_case(booked)
        assert len(books.run(case).entries) == 0
        assert books.audit(case).findings == ()


def test_a_fence_is_amended_with_the_case_and_not_behind_its_back(booked: Path, edit: Edit) -> None:
    fund = "community-shortfall/community/院一社区"
    with Books.open(str(booked / "books.db"), recorded_on=TODAY) as books:
        text = (booked / "case.toml").read_text(encoding="utf-8")
        (booked / "case.toml").write_text(text.replace('"repair"]', '"repair", "heating"]'), encoding="utf-8")
        wider = load_case(booked)
        with pytest.raises(KeyConflict) as caught:
            books.run(wider)
        assert "heating" in str(caught.value.got)
        for name in (fund, fund.replace("院一", "院二")):
            books.post(amend_fund(wider.funds[name], on=TODAY, key=f"amend/{name}", hands=HANDS))
        assert len(books.run(wider).entries) == 0
        assert books.audit(wider).findings == ()
        (booked / "case.toml").write_text(text, encoding="utf-8")
        findings = books.audit(load_case(booked)).findings
    assert [f.rule for f in findings] == ["booked-otherwise"] * 2


def test_one_case_a_ledger(booked: Path, edit: Edit) -> None:
    edit(booked / "case.toml", 'id = "donghu"', 'id = "other"')
    with Books.open(str(booked / "books.db")) as books, pytest.raises(CaseError, match="books of the case 'donghu'"):
        books.run(load_case(booked))


def test_posting_claims_and_then_running_the_case(donghu: Path) -> None:
    with Books.open(str(donghu / "books.db"), recorded_on=TODAY) as books:
        case = load_case(donghu)
        books.post(case.opening())
        books.post(case.assess(year=2023), on=date(2024, 1, 15), maker="a", approver="b")
        assert len(books.run(case).entries) == 76 - 18 - 2
        again = books.post(case.assess(year=2023), on=date(2024, 1, 16), maker="a", approver="b")
        assert (len(again.entries), again.repeated) == (0, 2)
        assert books.audit(case).findings == ()


def test_a_ledger_on_a_read_only_medium_can_be_audited(booked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    with Books.open(str(booked / "books.db")):
        pass
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with Books.open(str(booked / "books.db"), create=False) as books:
        assert len(books) == 76
        assert books.audit(load_case(booked)).findings == ()
