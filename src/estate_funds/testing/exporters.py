"""A contract for whatever writes a journal out for another system: does every balance arrive, to the fen?

    test_our_export = exporter_test(export, balances)

Whoever exports entries to other books, to tables of an audit bureau or to a treasury's file, gives two functions: the
one that writes entries out, and one that reads balances back from what it wrote, as the other system would. Journals
with every kind of entry, in text that is hard to carry, go through both. docs/testing.md shows a CSV file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import given, note

from estate_funds.funds import NORMAL_SIDE, Side
from estate_funds.journal import Entry
from estate_funds.ledger import BalanceKey, changes_of
from estate_funds.testing.hard_journals import Journal, journals, story

A = TypeVar("A")
K = TypeVar("K")
View = Callable[[BalanceKey, int], tuple[Any, int] | None]


def by_detail(key: BalanceKey, fen: int) -> tuple[BalanceKey, int]:
    """Balances as this library keeps them: by fund, account and detail, on each account's normal side."""
    return key, fen


def by_account(key: BalanceKey, fen: int) -> tuple[tuple[str, str], int]:
    """Balances by fund and account, all details together, on each account's normal side."""
    return key[:2], fen


def debits_above_zero(key: BalanceKey, fen: int) -> tuple[BalanceKey, int]:
    """By fund, account and detail, debits above 0 and credits below, as plain-text accounting has it.

    >>> debits_above_zero(("a/b/c", "funding", "owners"), 5)
    (('a/b/c', 'funding', 'owners'), -5)
    """
    return key, fen if NORMAL_SIDE[key[1]] == Side.DEBIT else -fen


def every_entry(entry: Entry) -> bool:
    """All entries are exported."""
    return True


def with_postings(entry: Entry) -> bool:
    """Entries that move or promise money are exported; those that open funds, close months or record attempts not."""
    return bool(entry.draft.postings)


def balances_of(entries: Iterable[Entry], view: View = by_detail) -> dict[Any, int]:
    """The balances that entries add up to, in a view; those that are 0 are left out."""
    sums: dict[BalanceKey, int] = {}
    for entry in entries:
        for key, change in changes_of(entry.draft).items():
            sums[key] = sums.get(key, 0) + change
    viewed: dict[Any, int] = {}
    for key, fen in sums.items():
        theirs = view(key, fen)
        if theirs is not None:
            viewed[theirs[0]] = viewed.get(theirs[0], 0) + theirs[1]
    return {key: fen for key, fen in viewed.items() if fen}


def check_exporter(
    entries: Sequence[Entry],
    export: Callable[[Sequence[Entry]], A],
    balances: Callable[[A], Mapping[K, int]],
    *,
    view: View = by_detail,
    balances_on: Callable[[A, date], Mapping[K, int]] | None = None,
    number: Callable[[A], int] | None = None,
    counted: Callable[[Entry], bool] = every_entry,
) -> None:
    """Check that a journal arrives, such as one of your own; AssertionError where it does not.

    `export` writes entries out: a text, bytes, or the path of a file or folder. `balances` reads them back: key -> fen,
    those that are 0 left out. The keys are (fund, account, detail) and amounts on the account's normal side, unless
    `view` makes the key and the amount of the other system from ours, or None where it is not exported; what falls
    under one key is added up. `balances_on` reads the balances after a day, by the days on which entries count.
    `number` says how many entries arrived, of those that are `counted`. The same entries give the same export twice.
    """
    given_entries = tuple(entries)
    artefact = export(given_entries)
    before = _content(artefact)
    _compare(dict(balances(artefact)), balances_of(given_entries, view), "in all")
    if balances_on is not None:
        for day in _days(given_entries):
            until = [entry for entry in given_entries if entry.draft.effective <= day]
            _compare(dict(balances_on(artefact, day)), balances_of(until, view), f"after {day}")
    if number is not None:
        arrived, wanted = number(artefact), sum(map(counted, given_entries))
        assert arrived == wanted, f"{arrived} entries arrived of {wanted}"
    assert _content(export(given_entries)) == before, "the same entries, exported again, give another export"


def exporter_test(
    export: Callable[[Sequence[Entry]], A],
    balances: Callable[[A], Mapping[K, int]],
    *,
    view: View = by_detail,
    balances_on: Callable[[A, date], Mapping[K, int]] | None = None,
    number: Callable[[A], int] | None = None,
    counted: Callable[[Entry], bool] = every_entry,
) -> Callable[[], None]:
    """A test of an exporter with journals that are hard to carry; its arguments are those of `check_exporter`.

    The result is a test for pytest, or a function to call; `settings(max_examples=1_000)(test)` asks for more journals.
    """

    @given(journal=journals())
    def test(journal: Journal) -> None:
        note(f"the journal:\n{story(journal)}")
        check_exporter(
            journal.entries, export, balances, view=view, balances_on=balances_on, number=number, counted=counted
        )

    return test


def _days(entries: Sequence[Entry]) -> list[date]:
    """Some of the days on which entries count: the first and the last, and what lies around."""
    days = sorted({entry.draft.effective for entry in entries})
    return sorted({*days[:2], *days[-3:], *days[:: max(1, len(days) >> 2)]})


def _content(artefact: object) -> object:
    """What an export consists of: the bytes of a file, those of all files in a folder, or the thing itself."""
    if not isinstance(artefact, Path):
        return artefact
    if artefact.is_file():
        return artefact.read_bytes()
    files = sorted(path for path in artefact.rglob("*") if path.is_file())
    return [(str(path.relative_to(artefact)), path.read_bytes()) for path in files]


def _compare(found: Mapping[Any, int], wanted: Mapping[Any, int], when: str) -> None:
    """Say the first balance that differs, or is not there, or should not be, or is no whole number of fen."""
    for key, fen in wanted.items():
        assert key in found, f"{when}: {_named(key)} is {fen} fen and did not arrive"
        got: object = found[key]
        exact = type(got) is int and got == fen
        assert exact, f"{when}: {_named(key)} arrived as {got!r}, and is {fen} fen"
    for other in found:
        assert other in wanted, f"{when}: {_named(other)} arrived as {found[other]!r}, and is not in the journal, or 0"


def _named(key: object) -> str:
    told = repr(key)
    return told if len(told) <= 200 else f"{told[:200]}..."
