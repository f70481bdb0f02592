"""The contract of an exporter: this library's exports keep it, and those with a planted bug are found, in a few steps."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from estate_funds.assess import Claims
from estate_funds.audit import AuditReport
from estate_funds.checkpoint import Checkpoint
from estate_funds.columns import Columns
from estate_funds.exchange.bundle import Bundle, write_bundle
from estate_funds.funds import NORMAL_SIDE, Account
from estate_funds.journal import Entry, Kind
from estate_funds.ledger import replay
from estate_funds.report.balances import fund_balances
from estate_funds.report.files import write_results
from estate_funds.report.vouchers import number_vouchers
from estate_funds.testing.exporters import (
    balances_of,
    by_account,
    check_exporter,
    debits_above_zero,
    exporter_test,
    with_postings,
)
from estate_funds.testing.hard_journals import TEXTS, Happening, Journal, Opening, journals, story

FAST = settings(
    max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
Key = tuple[str, str, str]


# --- the exports of this library --------------------------------------------------------------------------------------


def bundle_in(folder: Path) -> Callable[[Sequence[Entry]], Path]:
    def export(entries: Sequence[Entry]) -> Path:
        ledger = replay(entries)
        note = Checkpoint("example.org/books", ledger.seq, ledger.tree.root).body
        return write_bundle(folder / "books.zip", entries, checkpoint=note, balances=ledger.balances)

    return export


def told_by_bundle(path: Path) -> dict[Key, int]:
    with Bundle(path) as bundle:
        return bundle.balances()


def folded_from_bundle(path: Path) -> Mapping[Key, int]:
    with Bundle(path) as bundle:
        return replay(bundle.entries()).balances


def entries_of_bundle(path: Path) -> int:
    with Bundle(path) as bundle:
        return sum(1 for _ in bundle.entries())


def test_a_bundle_keeps_the_contract(tmp_path: Path) -> None:
    export = bundle_in(tmp_path)
    FAST(exporter_test(export, told_by_bundle, number=entries_of_bundle))()
    FAST(exporter_test(export, folded_from_bundle))()


def tables_in(folder: Path) -> Callable[[Sequence[Entry]], Path]:
    def export(entries: Sequence[Entry]) -> Path:
        ledger = replay(entries)
        vouchers, balances = list(number_vouchers(entries)), fund_balances(ledger)
        report = AuditReport((), (), ledger.seq, ledger.head)
        write_results(folder, claims=Claims(()), vouchers=vouchers, balances=balances, report=report, summary="")
        return folder

    return export


def rows(path: Path) -> Iterator[dict[str, str]]:
    """A table as the other side reads it; a leading ' is there to keep a spreadsheet from running what follows."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            yield {name: cell.removeprefix("'") for name, cell in row.items()}


def summed(folder: Path, until: str = "9999-12-31") -> dict[Key, int]:
    sums: dict[Key, int] = {}
    for row in rows(folder / "vouchers.csv"):
        if row["effective"] <= until:
            key = (row["fund"], row["account"], row["detail"])
            fen = int(row["debit_fen"] or 0) - int(row["credit_fen"] or 0)
            sums[key] = sums.get(key, 0) + (fen if NORMAL_SIDE[key[1]] == "D" else -fen)
    return {key: fen for key, fen in sums.items() if fen}


COLUMNS = dict.fromkeys(("funding", "payable", "transfer_in", "due_to", "recovery", "receivable"), "received_fen")
COLUMNS |= dict.fromkeys(("expenditure", "transfer_out", "surrendered", "advanced", "due_from"), "paid_fen")
COLUMNS |= {"cash": "cash_fen", "encumbered": "encumbered_fen", "unencumbered": "available_fen"}


def by_column(key: Key, fen: int) -> tuple[tuple[str, str], int] | None:
    """Where a balance stands in balances.csv."""
    column = COLUMNS.get(key[1])
    return None if column is None else ((key[0], column), -fen if key[1] == "receivable" else fen)


def in_columns(folder: Path) -> dict[tuple[str, str], int]:
    told = ((row, column) for row in rows(folder / "balances.csv") for column in {*COLUMNS.values()})
    return {(row["fund"], column): int(row[column]) for row, column in told if int(row[column])}


def test_the_tables_of_a_run_keep_the_contract(tmp_path: Path) -> None:
    export = tables_in(tmp_path)
    lines = exporter_test(
        export, summed, balances_on=lambda folder, day: summed(folder, day.isoformat()),
        number=lambda folder: len({row["seq"] for row in rows(folder / "vouchers.csv")}), counted=with_postings,
    )  # fmt: skip
    FAST(lines)()
    FAST(exporter_test(export, in_columns, view=by_column))()


def test_columns_keep_the_contract() -> None:
    def export(entries: Sequence[Entry]) -> bytes:
        return Columns.from_entries(entries).to_ipc()

    def balances(blob: bytes) -> Mapping[Key, int]:
        return replay(Columns.from_ipc(blob).entries()).balances

    FAST(exporter_test(export, balances, number=lambda blob: len(Columns.from_ipc(blob))))()


@pytest.mark.long
def test_exports_keep_the_contract_with_many_journals(tmp_path: Path) -> None:
    many = settings(FAST, max_examples=400, derandomize=False)
    many(exporter_test(bundle_in(tmp_path), told_by_bundle, number=entries_of_bundle))()
    many(exporter_test(tables_in(tmp_path / "tables"), summed))()


def test_two_details_that_differ_in_a_quote_stay_two_in_the_tables(tmp_path: Path) -> None:
    journal = Journal()
    journal.opens(Opening())
    for text in (TEXTS.index("=*"), TEXTS.index("'*")):
        journal.books(Happening("appropriates", text=text))
        journal.books(Happening("appropriates", text=text))
    assert len({key for key in balances_of(journal.entries) if key[1] == "funding"}) == 3
    check_exporter(journal.entries, tables_in(tmp_path), summed)


# --- as somebody else writes one, and planted bugs --------------------------------------------------------------------


class Plain:
    """A writer of plain-text accounting: a day and a narrative, then an account and an amount in yuan a line."""

    def __init__(self, bug: str = "") -> None:
        self.bug, self.exports = bug, 0

    def export(self, entries: Sequence[Entry]) -> str:
        self.exports += 1
        told = [f"; export {self.exports}"] if self.bug == "a number of its own in each export" else []
        last = max((entry.draft.effective for entry in entries), default=None)
        for entry in entries:
            kind, bug = entry.draft.kind, self.bug
            left_out = {"year ends": Kind.CARRY_FORWARD, "corrections": Kind.CORRECTION, "loans": Kind.LOAN}
            if not entry.draft.postings and bug != "entries without lines":
                continue
            if left_out.get(bug) is kind or (bug == "the last day" and entry.draft.effective == last):
                continue
            told += self.entry(entry)
        return "\n".join(told) + "\n"

    def entry(self, entry: Entry) -> Iterator[str]:
        draft, bug, seen = entry.draft, self.bug, set[str]()
        on = entry.recorded if bug == "the day of recording" else draft.effective
        words = draft.narrative if bug == "narratives with what starts a comment" else json.dumps(draft.narrative)
        yield f"{on} {words.partition(';')[0] if bug == 'narratives with what starts a comment' else words}"
        for p in draft.postings:
            if bug == "the budget" and p.account in ("authority", "unencumbered", "encumbered", "expended"):
                continue
            if bug == "who takes" and p.fund != draft.postings[0].fund:
                continue
            fen = p.amount_fen if p.side == "D" else -p.amount_fen
            name = f"{self.name(p.fund)}:{p.account}:{self.name(self.detail(p.detail))}"
            if bug == "the same account once in an entry" and name in seen:
                continue
            seen.add(name)
            yield f"    {name}  {self.amount(fen, p)}"

    def detail(self, detail: str) -> str:
        changes: dict[str, Callable[[str], str]] = {
            "details merged": lambda text: "",
            "details without case": str.lower,
            "details without blanks at the end": str.rstrip,
            "details of twenty characters": lambda text: text[:20],
        }
        return changes.get(self.bug, str)(detail)

    def name(self, text: str) -> str:
        if self.bug == "quotes that nobody escapes":
            return f'"{text}"'
        return json.dumps(text).replace(":", "\\u003a").replace(" ", "\\u0020")

    def amount(self, fen: int, p: Any) -> str:
        if self.bug == "the sign of reversals" and p.amount_fen < 0:
            fen = -p.amount_fen if p.side == "D" else p.amount_fen
        if self.bug == "yuan as floats":
            return f"{fen / 100:.2f} CNY"
        if self.bug == "whole yuan":
            fen = fen // 100 * 100
        return f"{'-' * (fen < 0)}{abs(fen) // 100}.{abs(fen) % 100:02} CNY"


LINE = re.compile(r'    ("[^:]*"):([a-z_]+):("[^:]*")  (-?)(\d+)\.(\d\d) CNY')


def read_plain(text: str, until: date = date.max) -> dict[Key, int]:
    sums: dict[Key, int] = {}
    on = date.min
    for line in text.splitlines():
        if line[:1].isdigit():
            on = date.fromisoformat(line[:10])
        elif (found := LINE.fullmatch(line)) and on <= until:
            fund, account, detail, sign, yuan, cents = found.groups()
            key = (json.loads(fund), account, json.loads(detail))
            sums[key] = sums.get(key, 0) + int(f"{sign}{yuan}{cents}")
    return {key: fen for key, fen in sums.items() if fen}


def entries_of_plain(text: str) -> int:
    return sum(line[:1].isdigit() for line in text.splitlines())


def contract_of(writer: Plain, balances: Callable[[str], Mapping[Key, Any]]) -> Callable[[], None]:
    return exporter_test(
        writer.export, balances, view=debits_above_zero, balances_on=read_plain, number=entries_of_plain,
        counted=with_postings,
    )  # fmt: skip


def test_a_sound_writer_keeps_the_contract() -> None:
    FAST(contract_of(Plain(), read_plain))()


# Each bug, and how many entries the journal has that shows it.
BUGS = {
    "the sign of reversals": 3, "yuan as floats": 2, "whole yuan": 2, "the budget": 2, "details merged": 2, "details without case": 6,
    "details without blanks at the end": 6, "details of twenty characters": 6, "the last day": 2, "quotes that nobody escapes": 2,
    "year ends": 4, "corrections": 7, "loans": 7, "who takes": 7, "entries without lines": 2, "the day of recording": 4,
    "the same account once in an entry": 7, "a number of its own in each export": 0,
}  # fmt: skip
LONG = {
    "corrections", "loans", "who takes", "the sign of reversals", "the same account once in an entry", "details without case",
    "details without blanks at the end", "details of twenty characters",
}  # fmt: skip


def entries_told(error: BaseException) -> int:
    return len(re.findall(r"^\d+ [a-z_]+ \d{4}-", "\n".join(getattr(error, "__notes__", [])), re.MULTILINE))


FOUND = settings(FAST, max_examples=600, phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False)


@pytest.mark.parametrize("bug", [pytest.param(bug, marks=[pytest.mark.long] * (bug in LONG)) for bug in BUGS])
def test_the_contract_finds(bug: str) -> None:
    with pytest.raises((AssertionError, json.JSONDecodeError)) as caught:
        FOUND(contract_of(Plain(bug), read_plain))()
    assert entries_told(caught.value) <= BUGS[bug], "\n".join([str(caught.value), *caught.value.__notes__])


@pytest.mark.parametrize(
    ("change", "entries"),
    [
        (lambda found: found | {("budget/city/c", "cash", "petty"): 0}, 0),
        (lambda found: {key: float(fen) for key, fen in found.items()}, 2),
        (lambda found: {key: fen for key, fen in found.items() if key[1] != "funding"}, 2),
    ],
    ids=["zeros shown", "floats", "an account left out"],
)
def test_the_contract_finds_in_what_is_read(change: Callable[[Any], Any], entries: int) -> None:
    with pytest.raises(AssertionError) as caught:
        FOUND(contract_of(Plain(), lambda text: change(read_plain(text))))()
    assert entries_told(caught.value) <= entries


# --- the journals themselves ------------------------------------------------------------------------------------------


@FAST
@given(journal=journals())
def test_the_journals_replay(journal: Journal) -> None:
    assert replay(journal.entries).head == journal.ledger.head
    assert balances_of(journal.entries) == journal.ledger.balances


@pytest.mark.long
def test_the_journals_hold_every_kind_of_entry() -> None:
    kinds: Counter[Kind] = Counter()

    @settings(FAST, max_examples=600)
    @given(journal=journals())
    def count(journal: Journal) -> None:
        kinds.update(entry.draft.kind for entry in journal.entries)

    count()
    assert set(kinds) == set(Kind)


def test_every_odd_text_passes_the_gate() -> None:
    for text in range(len(TEXTS)):
        journal = Journal()
        assert len(journal.opens(Opening(2, text=text))) == 2, TEXTS[text]
        assert journal.books(Happening("receives", text=text)), TEXTS[text]
        assert journal.books(Happening("pays", fen=2, text=text)), TEXTS[text]
        assert story(journal).startswith("1 open_fund 2021-01-04 ")


def test_a_view_may_leave_out_and_add_up() -> None:
    journal = Journal()
    journal.opens(Opening(2))
    journal.books(Happening("receives"))
    assert balances_of(journal.entries, by_account)["queue/community/q", "funding"] == 120_002
    cash = balances_of(journal.entries, lambda key, fen: ("cash", fen) if key[1] == Account.CASH.value else None)
    assert cash == {"cash": 120_002}
