"""The contract of a store: this library's stores keep it, and stores with a planted bug are found, in a few steps."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from estate_funds.errors import InvariantBroken, Refusal
from estate_funds.journal import Entry
from estate_funds.ledger import Ledger, refold
from estate_funds.store import Store
from estate_funds.testing.stores import MISPLACED, JournalStore, StoreMachine

FAST = settings(
    max_examples=8, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True,
    database=None,
)  # fmt: skip


class NotNext(Exception):
    """A batch does not follow."""


# --- the stores of this library ---------------------------------------------------------------------------------------


class Ours:
    """A store of this library as the contract wants it: each batch passes the gate of a ledger on its way."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ledger: Ledger | None = None

    def append(self, entries: Iterable[Entry], *, after: int) -> None:
        ledger, self.ledger = self.ledger, None  # nobody's, until all has landed
        with self.store.writing() as connection:
            if ledger is None:
                ledger = self.store.load(connection)
            else:
                self.store.catch_up(connection, ledger)
            if ledger.seq != after:
                raise NotNext
            batch = []
            for entry in entries:
                refold(ledger, entry)
                batch.append(entry)
            self.store.append(connection, batch, ledger)
        self.ledger = ledger

    def read(self, *, after: int = 0) -> Iterator[Entry]:
        return (stored.entry for stored in self.store.read(after=after))

    def find(self, key: str) -> Entry | None:
        return self.store.entry_by_key(key)

    def close(self) -> None:
        self.store.close()


REFUSALS = (NotNext, Refusal, InvariantBroken)


def in_a_file(folder: Path) -> Ours:
    return Ours(Store.open(str(folder / "books.db")))


def test_ledgers_in_a_file_keep_the_contract() -> None:
    run_state_machine_as_test(StoreMachine.over(in_a_file, refusals=REFUSALS), settings=FAST)


def test_ledgers_in_memory_keep_the_contract() -> None:
    """One to a folder, and every handle is the same: it is gone when it is closed."""
    stores: dict[Path, Store] = {}

    class Shared(Ours):
        def close(self) -> None:
            self.ledger = None

    def in_memory(folder: Path) -> Ours:
        if folder not in stores:
            for old in stores.values():
                old.close()
            stores.clear()
            stores[folder] = Store.open("memory")
        return Shared(stores[folder])

    run_state_machine_as_test(StoreMachine.over(in_memory, refusals=REFUSALS), settings=FAST)
    stores.popitem()[1].close()


def test_ledgers_on_a_server_keep_the_contract(fresh_postgres: str) -> None:
    def on_a_server(folder: Path) -> Ours:
        return Ours(Store.open(fresh_postgres, prefix=f"{folder.name}_"))

    few = settings(FAST, max_examples=5)
    run_state_machine_as_test(StoreMachine.over(on_a_server, refusals=REFUSALS), settings=few)


@pytest.mark.long
def test_ledgers_keep_the_contract_in_long_histories(fresh_postgres: str) -> None:
    def on_a_server(folder: Path) -> Ours:
        return Ours(Store.open(fresh_postgres, prefix=f"{folder.name}_"))

    for make, many in ((in_a_file, 40), (on_a_server, 15)):
        long = settings(FAST, max_examples=many, stateful_step_count=30, derandomize=False)
        run_state_machine_as_test(StoreMachine.over(make, refusals=REFUSALS), settings=long)


# --- planted bugs -----------------------------------------------------------------------------------------------------


DISKS: defaultdict[Path, list[Entry]] = defaultdict(list)  # what would be left after a power cut
WORDS = ("policy", "registry", "key", "maker", "approver", "narrative", "document", "clause", "purpose", "payee", "payee_class", "reference")  # fmt: skip


def each_text(entry: Entry, change: Callable[[str], Any]) -> Entry:
    return replace(entry, draft=replace(entry.draft, **{name: change(getattr(entry.draft, name)) for name in WORDS}))


def each_line(entry: Entry, change: Callable[[Any], Any]) -> Entry:
    return replace(entry, draft=replace(entry.draft, postings=tuple(change(p) for p in entry.draft.postings)))


def no_parts(terms: tuple[tuple[str, ...], ...]) -> Any:
    return tuple(("\t".join(term),) for term in terms)


def merged(terms: tuple[tuple[str, ...], ...]) -> Any:
    return tuple(tuple(" ".join(term).split(" ")) for term in terms)


# What a bug makes of an entry on its way to the disk and back.
CHANGES: dict[str, Callable[[Entry], Entry]] = {
    "NULL for empty text": lambda e: each_text(e, lambda text: text or None),
    "blanks stripped": lambda e: each_text(e, str.rstrip),
    "wide blanks stripped": lambda e: each_text(e, lambda text: text.strip("\u3000")),
    "compatible characters": lambda e: each_text(e, lambda text: unicodedata.normalize("NFKC", text)),
    "one plane of Unicode": lambda e: each_text(e, lambda text: "".join(c if ord(c) < 2**16 else "?" for c in text)),
    "quotes doubled": lambda e: each_text(e, lambda text: text.replace("'", "''")),
    "long text cut off": lambda e: each_text(e, lambda text: text[:2000]),
    "formulas made harmless": lambda e: each_text(e, lambda text: f"'{text}" if text[:1] == "=" else text),
    "numbers for text": lambda e: each_text(e, lambda text: str(int(text)) if text.isdecimal() else text),
    "amounts as floats": lambda e: each_line(e, lambda p: p._replace(amount_fen=float(p.amount_fen))),
    "amounts through floats": lambda e: each_line(e, lambda p: p._replace(amount_fen=int(float(p.amount_fen)))),
    "amounts without a sign": lambda e: each_line(e, lambda p: p._replace(amount_fen=abs(p.amount_fen))),
    "amounts of 32 bits": lambda e: each_line(e, lambda p: p._replace(amount_fen=min(p.amount_fen, 2**31 - 1))),
    "lines in another order": lambda e: replace(e, draft=replace(e.draft, postings=tuple(sorted(e.draft.postings)))),
    "a hundred lines": lambda e: replace(e, draft=replace(e.draft, postings=e.draft.postings[:100])),
    "lines that are alike once": lambda e: replace(e, draft=replace(e.draft, postings=tuple(dict.fromkeys(e.draft.postings)))),
    "terms without parts": lambda e: replace(e, draft=replace(e.draft, terms=no_parts(e.draft.terms))),
    "terms joined by blanks": lambda e: replace(e, draft=replace(e.draft, terms=merged(e.draft.terms))),
    "twenty terms": lambda e: replace(e, draft=replace(e.draft, terms=e.draft.terms[:20])),
    "evidence left out": lambda e: replace(e, draft=replace(e.draft, evidence=())),
    "the day that it counts": lambda e: replace(e, recorded=e.draft.effective),
}  # fmt: skip


class Kept:
    """A sound store on a disk that is a list. `bug` names what it does wrong."""

    def __init__(self, folder: Path, bug: str = "") -> None:
        self.disk, self.bug = DISKS[folder], bug
        self.count = len(self.disk)
        self.closed = False
        self.late: list[Entry] = []

    def append(self, entries: Iterable[Entry], *, after: int) -> None:
        disk, bug = self.disk, self.bug
        if after != (self.count if bug == "a handle that counts alone" else len(self.all())):
            if bug == "a repeat writes over":
                disk[after:] = list(entries)
                return
            if not (after < len(disk) and bug == "only gaps are refused"):
                raise NotNext
        batch = [] if bug != "a batch entry by entry" else disk
        before, last = {entry.draft.key for entry in self.all()}, after
        try:
            for entry in entries:
                self.check(entry, before, last)
                before.add(entry.draft.key)
                last = entry.seq
                batch.append(CHANGES[bug](entry) if bug in CHANGES else entry)
        except NotNext:
            raise
        except Exception:
            if bug == "what fails is passed over":
                return
            if bug == "what came before a failure stays":
                disk.extend(batch)
            raise
        except BaseException:
            if bug == "what came before a Ctrl-C stays":
                disk.extend(batch)
            raise
        if bug == "the last batch waits for the close":
            self.late += batch
        elif bug != "a batch entry by entry":
            disk.extend(batch)
        self.count = len(disk)

    def check(self, entry: Entry, keys: set[str], last: int) -> None:
        if entry.seq != last + 1 and self.bug != "numbers that nobody looks at":
            raise NotNext
        if entry.draft.key in keys and self.bug != "a key twice":
            raise NotNext

    def all(self) -> list[Entry]:
        return [*self.disk, *self.late]

    def read(self, *, after: int = 0) -> Iterable[Entry]:
        entries, bug = self.all(), self.bug
        if bug == "in the order of keys":
            entries = sorted(entries, key=lambda entry: entry.draft.key)
        if bug == "a handle that reads alone":
            entries = entries[: self.count]
        if bug == "a limit on what is read":
            entries = entries[: after + 4]
        if bug == "behind, and the one before":
            after = max(0, after - 1)
        if bug == "newest first for who follows":
            return self.follow(after)
        return entries[after:]

    def follow(self, after: int) -> Iterator[Entry]:
        """What a reader gets who asks for page after page, counted from the end."""
        before = len(self.disk)
        for at in range(after, before):
            yield self.disk[at + len(self.disk) - before]

    def find(self, key: str) -> Entry | None:
        for entry in self.all():
            if entry.draft.key == key:
                return entry
            if self.bug == "keys without case" and entry.draft.key.lower() == key.lower():
                return entry
            if self.bug == "keys without blanks at the end" and entry.draft.key.rstrip() == key.rstrip():
                return entry
            if self.bug == "keys that begin alike" and entry.draft.key.startswith(key):
                return entry
        return None

    def close(self) -> None:
        if self.bug == "lost on reopening" and not self.closed:
            del self.disk[-1:]
        self.closed = True
        self.disk.extend(self.late)
        self.late = []


# Each bug, and in how many requests a history shows it that was cut down, the opening not counted.
QUICK = {
    "NULL for empty text": 1, "blanks stripped": 1, "amounts as floats": 1, "long text cut off": 1,
    "lines in another order": 1, "terms without parts": 1, "terms joined by blanks": 1, "the day that it counts": 2,
    "a repeat writes over": 2, "a key twice": 2, "a batch entry by entry": 2, "a handle that counts alone": 3,
    "the last batch waits for the close": 2, "lost on reopening": 2, "in the order of keys": 2, "behind, and the one before": 1,
    "keys without case": 1, "keys without blanks at the end": 1, "keys that begin alike": 1,
}  # fmt: skip
SLOW = {
    "quotes doubled": 1, "twenty terms": 2, "a handle that reads alone": 2,
    "wide blanks stripped": 1, "compatible characters": 1, "one plane of Unicode": 1, "formulas made harmless": 1, "numbers for text": 1,
    "amounts through floats": 2, "amounts of 32 bits": 2, "amounts without a sign": 2, "a hundred lines": 2, "lines that are alike once": 2,
    "evidence left out": 3, "only gaps are refused": 2, "numbers that nobody looks at": 2, "what fails is passed over": 1,
    "what came before a failure stays": 2, "what came before a Ctrl-C stays": 2, "a limit on what is read": 4,
    "newest first for who follows": 5,
}  # fmt: skip


def buggy(bug: str) -> Callable[[Path], JournalStore]:
    def store(folder: Path) -> JournalStore:
        return Kept(folder, bug)

    return store


@pytest.fixture(autouse=True)
def _empty_disks() -> None:
    DISKS.clear()


def test_a_sound_store_keeps_the_contract() -> None:
    run_state_machine_as_test(StoreMachine.over(Kept, refusals=NotNext), settings=settings(FAST, max_examples=20))


@pytest.mark.parametrize("bug", [*QUICK, *(pytest.param(bug, marks=pytest.mark.long) for bug in SLOW)])
def test_the_machine_finds(bug: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = settings(FAST, max_examples=400, phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False)
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(StoreMachine.over(buggy(bug), refusals=NotNext), settings=found)
    story = "\n".join(getattr(caught.value, "__notes__", [])) + capsys.readouterr().out
    steps = re.findall(r"^(?:v\d+ = )?state\.asks\(", story, re.MULTILINE)
    assert 0 < len(steps) <= (QUICK | SLOW)[bug], f"{caught.value}\n{story}"


def test_a_crash_is_no_refusal() -> None:
    class Crashing(Kept):
        def find(self, key: str) -> Entry | None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_state_machine_as_test(StoreMachine.over(Crashing, refusals=NotNext), settings=FAST)


def test_a_store_that_refuses_everything_is_found() -> None:
    class Strict(Kept):
        def append(self, entries: Iterable[Entry], *, after: int) -> None:
            raise NotNext

    with pytest.raises(AssertionError, match="refused, though"):
        run_state_machine_as_test(StoreMachine.over(Strict, refusals=NotNext), settings=FAST)


def test_names_and_refusals_are_the_caller_s() -> None:
    machine = StoreMachine.over(Kept, refusals=NotNext)
    assert (machine.__name__, machine.refusals) == ("StoreMachineOfKept", (NotNext,))
    assert len(MISPLACED) == 9
    assert {*CHANGES} <= {*QUICK, *SLOW}
