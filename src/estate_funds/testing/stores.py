"""A contract for whatever keeps a journal: does it give back what it was given, all of it, and nothing else?

    TestOurs = StoreMachine.over(OurStore, refusals=NotNext).TestCase

Whoever must keep the journal where this library cannot, in another database or beside an application's own data, writes
a store over `Ledger`, `Entry` and the canonical bytes. A Hypothesis state machine appends to it, reads from it, breaks
off in the middle of a batch, opens it again, and comes from several handles at once. It fails with the shortest history
after which the store has lost, changed or invented something, took what does not follow, or took half of a batch.
docs/testing.md keeps a journal in rows of a table.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from estate_funds.errors import Refusal
from estate_funds.journal import Entry
from estate_funds.merkle import Frontier
from estate_funds.testing.hard_journals import HAPPENING_VERBS, NUMBERS, TOLD, Happening, Journal, happening_of

_HANDLES = 3
_HISTORIES, _STEPS = 30, 20  # by default: some ten seconds for a store in a file


class JournalStore(Protocol):
    """What the machine asks for: one handle on the journal of a folder; others may be open on it at the same time."""

    def append(self, entries: Iterable[Entry], *, after: int) -> None:
        """Add a batch behind entry number `after` (0: before the first): all of it has landed on return, or none.

        What does not follow raises a refusal and changes nothing: `after` is not the number of the last entry, whoever
        added that, the numbers of the batch do not go on from there one by one, or a key is in the journal already.
        Where the iterable raises, so does this, and none of the batch lands.
        """

    def read(self, *, after: int = 0) -> Iterable[Entry]:
        """The entries behind number `after`, in order. While others add more, it gives the first of them, or all."""

    def find(self, key: str) -> Entry | None:
        """The entry under a key; None where there is none."""

    def close(self) -> None:
        """Let go of it. A process that dies does not come to this."""


class Append(NamedTuple):
    """A batch goes in through a handle: what happened, after what a batch that failed had in it."""

    handle: int
    batch: tuple[Happening, ...]


class BreakOff(NamedTuple):
    """A batch goes in, and what it is read from fails on the way, or the process is told to stop."""

    handle: int
    batch: tuple[Happening, ...]
    at: int


class Misplace(NamedTuple):
    """A batch goes in that does not follow: see MISPLACED."""

    handle: int
    which: int
    size: int


class Open(NamedTuple):
    """One more handle on the same journal."""


class Reopen(NamedTuple):
    """A handle is closed, and another opened."""

    handle: int


class Die(NamedTuple):
    """A handle is left as it is, as by a process that is killed, and another opened."""

    handle: int


class Follow(NamedTuple):
    """A handle begins to read, and others go on; or one that began reads the rest."""

    handle: int
    after: int


Request = Append | BreakOff | Misplace | Open | Reopen | Die | Follow


_CHOICES, _VERBS = 18, len(HAPPENING_VERBS)
_OF_A_KIND = _CHOICES * _HANDLES * _VERBS
_KINDS = (*[Append] * 4, Reopen, Open, BreakOff, *[Misplace] * 3, Die, *[Follow] * 2)


@st.composite
def _requests(draw: st.DrawFn) -> Request:
    """A request of three numbers, whatever it is: Hypothesis drops from a history what was drawn in few steps."""
    kind, rest = divmod(draw(st.integers(0, len(_KINDS) * _OF_A_KIND - 1)), _OF_A_KIND)
    told, number, asked = draw(TOLD), draw(NUMBERS), _KINDS[kind]
    if asked is Append:
        verb, rest = divmod(rest, _CHOICES * _HANDLES)
        choice, handle = divmod(rest, _HANDLES)
        return Append(handle, _batch(verb, told, number, choice))
    rest, verb = divmod(rest, _VERBS)
    choice, handle = divmod(rest, _HANDLES)
    if asked is BreakOff:
        return BreakOff(handle, _batch(verb, told, number, choice), choice)
    if asked is Misplace:
        more, which = divmod(choice, len(MISPLACED))
        return Misplace(handle, which, 1 + more)
    if asked is Follow:
        return Follow(handle, choice)
    return Open() if asked is Open else Reopen(handle) if asked is Reopen else Die(handle)


def _batch(verb: int, told: int, number: int, size: int) -> tuple[Happening, ...]:
    event = happening_of(HAPPENING_VERBS[verb], told, number)
    return tuple(event._replace(pick=event.pick + n) for n in range(1 + size % 3))


# --- batches that do not follow ---------------------------------------------------------------------------------------


def _others(entries: list[Entry], size: int, first: int) -> list[Entry]:
    """Entries as another writer would have made them: like the last ones, with keys and numbers of their own."""
    made = [entries[-1 - n % len(entries)] for n in range(size)]
    drafts = [replace(entry.draft, key=f"another/{first}/{n}") for n, entry in enumerate(made)]
    return [Entry(first + n, entries[-1].recorded, draft) for n, draft in enumerate(drafts)]


def _with_key(entry: Entry, key: str) -> Entry:
    return replace(entry, draft=replace(entry.draft, key=key))


Misplaced = tuple[int, list[Entry]]  # after which number, and what


def _again(entries: list[Entry], size: int) -> Misplaced:
    last = entries[-size:]
    return last[0].seq - 1, last


def _behind(entries: list[Entry], size: int) -> Misplaced:
    after = max(0, len(entries) - size)
    return after, _others(entries, size, after + 1)


def _ahead(entries: list[Entry], size: int) -> Misplaced:
    after = len(entries) + size
    return after, _others(entries, 1, after + 1)


def _not_from_there(entries: list[Entry], size: int) -> Misplaced:
    return len(entries), _others(entries, 1, len(entries) + 1 + size)


def _older_numbers(entries: list[Entry], size: int) -> Misplaced:
    return len(entries), _others(entries, size, len(entries))


def _with_a_gap(entries: list[Entry], size: int) -> Misplaced:
    after = len(entries)
    *most, last = _others(entries, 1 + size, after + 1)
    return after, [*most, replace(last, seq=last.seq + 1)]


def _turned(entries: list[Entry], size: int) -> Misplaced:
    return len(entries), _others(entries, 1 + size, len(entries) + 1)[::-1]


def _known_key(entries: list[Entry], size: int) -> Misplaced:
    *most, last = _others(entries, size, len(entries) + 1)
    return len(entries), [*most, _with_key(last, entries[-1].draft.key)]


def _key_twice(entries: list[Entry], size: int) -> Misplaced:
    *most, last = _others(entries, 1 + size, len(entries) + 1)
    return len(entries), [*most, _with_key(last, most[0].draft.key)]


MISPLACED: dict[str, Callable[[list[Entry], int], Misplaced]] = {
    "the last entries again": _again,
    "entries after one that others follow already": _behind,
    "entries after one that is not there": _ahead,
    "entries whose numbers leave a gap to the last": _not_from_there,
    "entries whose numbers are taken": _older_numbers,
    "entries with a gap between them": _with_a_gap,
    "entries in the wrong order": _turned,
    "an entry under a known key": _known_key,
    "two entries under one key": _key_twice,
}


# --- the machine ------------------------------------------------------------------------------------------------------


class _Broken(Exception):
    """What a batch is read from fails."""


class _Stopped(BaseException):
    """The process is told to stop, as by Ctrl-C."""


@dataclass
class _Reader:
    """Somebody who reads while others go on: what there was when he began, and what he got so far."""

    store: JournalStore
    rest: Iterator[Entry]
    after: int
    there: int
    got: list[Entry]


class StoreMachine(RuleBasedStateMachine):
    """The contract; make one for a store by `over`, or set the two class variables in a class of your own."""

    make: ClassVar[Callable[[Path], JournalStore]]
    refusals: ClassVar[tuple[type[Exception], ...]] = (Refusal,)

    @classmethod
    def over(
        cls,
        make: Callable[[Path], JournalStore],
        *,
        refusals: type[Exception] | tuple[type[Exception], ...] = Refusal,
    ) -> type[StoreMachine]:
        """The machine for a store; `make(folder)` opens a handle on the journal of that folder, an empty one at first.

        The folder is there, and another for each history. A store on a server takes its name for a name there: it is
        made of small letters, digits and underscores. `refusals` are what the store raises when it says no; any other
        exception fails the test. `.TestCase` of the result is a test case for pytest and unittest; it reads the whole
        journal through every handle after each request, so its `settings` are for a few short histories.
        """
        refusals = refusals if isinstance(refusals, tuple) else (refusals,)
        name = getattr(make, "__name__", type(make).__name__)
        members = {"make": staticmethod(make), "refusals": refusals}
        name = name.lstrip("_")
        made: type[StoreMachine] = type(f"StoreMachineOf{name[:1].upper()}{name[1:]}", (cls,), members)
        few = min(settings.default.max_examples, _HISTORIES) if settings.default else _HISTORIES
        made.TestCase.settings = settings(max_examples=few, stateful_step_count=_STEPS, deadline=None)
        return made

    @initialize()
    def opens(self) -> None:
        """An empty journal, and one handle on it."""
        self.place = tempfile.TemporaryDirectory(prefix="journal_", ignore_cleanup_errors=True)
        self.folder = Path(self.place.name)
        self.journal = Journal()
        self.landed = 0  # of the entries of the journal, how many the store has; the others wait
        self.left: list[JournalStore] = []  # by those who died: kept, so that nothing tidies up after them
        self.readers: list[_Reader] = []
        self.handles = [self._open()]

    @property
    def kept(self) -> list[Entry]:
        """What the store has to have."""
        return self.journal.entries[: self.landed]

    # --- what is asked ---

    @rule(request=_requests())
    def asks(self, request: Request) -> None:
        """One request, of whatever kind."""
        match request:
            case Append():
                self._append(self._handle(request.handle), self._waiting(request.batch))
            case BreakOff():
                self._break_off(self._handle(request.handle), self._waiting(request.batch), request.at)
            case Misplace() if self.landed:
                name = list(MISPLACED)[request.which]
                self._misplace(self._handle(request.handle), name, MISPLACED[name](self.kept, request.size))
            case Open() if len(self.handles) < _HANDLES:
                self.handles.append(self._open())
            case Reopen():
                self._let_go(self._handle(request.handle)).close()
                self.handles.append(self._open())
            case Die():
                self.left.append(self._let_go(self._handle(request.handle)))
                self.handles.append(self._open())
            case Follow():
                self._follow(self._handle(request.handle), request.after)
            case _:  # nothing there yet, or handles enough
                pass

    def _waiting(self, batch: tuple[Happening, ...]) -> list[Entry]:
        """What is to be appended next: what failed before, and what happens now."""
        for happening in batch:
            self.journal.books(happening)
        return self.journal.entries[self.landed :]

    def _append(self, store: JournalStore, entries: list[Entry]) -> None:
        try:
            store.append(iter(entries), after=self.landed)
        except self.refusals as refusal:
            raise AssertionError(f"refused, though the batch follows entry {self.landed}") from refusal
        self.landed += len(entries)

    def _break_off(self, store: JournalStore, entries: list[Entry], at: int) -> None:
        error = _Stopped() if at % 2 else _Broken()

        def failing() -> Iterator[Entry]:
            yield from entries[: at % (len(entries) + 1)]
            raise error

        told: tuple[type[BaseException], ...] = (_Broken, _Stopped, *self.refusals)
        try:
            store.append(failing(), after=self.landed)
        except told:
            return
        raise AssertionError("said nothing, though what the batch was read from failed")

    def _misplace(self, store: JournalStore, name: str, misplaced: Misplaced) -> None:
        after, entries = misplaced
        try:
            store.append(iter(entries), after=after)
        except self.refusals:
            return
        raise AssertionError(f"took {name}")

    def _follow(self, store: JournalStore, after: int) -> None:
        begun = [reader for reader in self.readers if reader.store is store]
        if begun:
            self._finish(begun[0])
            return
        after %= self.landed + 1
        rest = iter(store.read(after=after))
        self.readers.append(_Reader(store, rest, after, self.landed, list(itertools.islice(rest, 1))))

    def _finish(self, reader: _Reader) -> None:
        self.readers.remove(reader)
        got = [*reader.got, *reader.rest]
        there = max(len(got), reader.there - reader.after)
        _compare(got, self.kept[reader.after :][:there], f"read behind entry {reader.after} while others went on")

    # --- what must hold ---

    @invariant()
    def every_handle_gives_back_what_was_appended(self) -> None:
        """All of it, in order, to the byte, whoever appended it; and under its keys."""
        for store in self.handles:
            kept, tree = self.kept, Frontier()
            found = list(store.read())
            _compare(found, kept, "read")
            for entry in found:
                tree.append(entry.leaf)
            assert tree.root == _root(kept), "the root of the tree over what is read is not that of what was appended"
            self._look_up(store, kept)
        for after in {self.landed >> 1, max(0, self.landed - 1), self.landed}:
            _compare(list(self.handles[-1].read(after=after)), self.kept[after:], f"read behind entry {after}")

    def _look_up(self, store: JournalStore, kept: list[Entry]) -> None:
        keys = {entry.draft.key: entry for entry in kept}
        for entry in kept[-2:]:
            key = entry.draft.key
            for asked in (key, key[:-1], f"{key} ", key.swapcase(), f"{key}%", key.replace("e", "_")):
                found, wanted = store.find(asked), keys.get(asked)
                _compare([found] if found else [], [wanted] if wanted else [], f"found under the key {_short(asked)}")

    def teardown(self) -> None:
        """Finish what was begun, and leave nothing behind."""
        try:
            for reader in list(getattr(self, "readers", [])):
                self._finish(reader)
            for store in getattr(self, "handles", []):
                store.close()
        finally:
            for store in (*getattr(self, "left", []), *getattr(self, "handles", [])):
                with contextlib.suppress(Exception):
                    store.close()
            if hasattr(self, "place"):
                self.place.cleanup()

    # --- handles ---

    def _open(self) -> JournalStore:
        return type(self).make(self.folder)

    def _handle(self, number: int) -> JournalStore:
        return self.handles[number % len(self.handles)]

    def _let_go(self, store: JournalStore) -> JournalStore:
        """Take a handle away, after whoever reads through it has finished."""
        for reader in [reader for reader in self.readers if reader.store is store]:
            self._finish(reader)
        self.handles.remove(store)
        return store


def _root(entries: Iterable[Entry]) -> bytes:
    tree = Frontier()
    for entry in entries:
        tree.append(entry.leaf)
    return tree.root


def _compare(found: list[Entry], wanted: list[Entry], how: str) -> None:
    """Entries as fields and as bytes: 5.0 equals 5, and two parts of a term make the same line as one with a tab."""
    if found == wanted and [entry.canonical() for entry in found] == [entry.canonical() for entry in wanted]:
        return
    for got, entry in zip(found, wanted, strict=False):
        if got != entry or got.canonical() != entry.canonical():
            raise AssertionError(f"{how}: entry {entry.seq} came back changed\n{_difference(got, entry)}")
    raise AssertionError(f"{how}: {len(found)} entries came back of {len(wanted)}")


def _difference(got: Entry, wanted: Entry) -> str:
    """The first line that differs; where none does, the field."""
    pairs = itertools.zip_longest(*(entry.canonical().decode().split("\n") for entry in (got, wanted)), fillvalue="")
    for one, other in pairs:
        if one != other:
            return f"got:    {_short(one)}\nwanted: {_short(other)}"
    names = ("terms", "evidence", "postings")
    parts = ((getattr(got.draft, name), getattr(wanted.draft, name)) for name in names)
    found, meant = next((pair for pair in parts if pair[0] != pair[1]), (got, wanted))
    return f"got:    {found!r}\nwanted: {meant!r}"


def _short(text: str) -> str:
    return repr(text) if len(text) <= 200 else f"{text[:80]!r}... ({len(text)} characters)"
