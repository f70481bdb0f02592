"""Replay a journal through the gate and the tree, and hold its sealed copies and snapshots against it."""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from estate_funds.audit.report import Coverage, Finding, Severity
from estate_funds.errors import DamagedEntry, EstateFundsError, InputError
from estate_funds.journal import Entry, Kind
from estate_funds.ledger import BalanceKey, Ledger, refold
from estate_funds.merkle import BLOCK_LEAVES, HASH_SIZE, Batches, tree_root
from estate_funds.text import counted

ERROR = Severity.ERROR
KEPT_HEADS = "nothing cut off or rewritten since a head that was kept"
INFLOW = "inflow"  # the pseudo-account under which a snapshot keeps what came in, by year
# Nothing wrong, and what an auditor wants to have seen.
REMARKABLE = {
    Kind.REFUSAL: "refused attempts on record",
    Kind.AMEND_FUND: "fences amended",
    Kind.REOPEN: "closed periods opened again",
    Kind.CORRECTION: "errors of an earlier year put right",
    Kind.WAIVER: "claims for money back waived",
}
_RESTORE = "restore the ledger from a backup, and find out who could write to it"


Snapshot = Mapping[BalanceKey, int] | str


class StoredEntry(Protocol):
    """An entry with the hashes stored beside it; `root` is that of the tree for the last entry of a batch.

    The others have the number of that last entry in its place, see `merkle.within_batch`.
    """

    @property
    def entry(self) -> Entry: ...
    @property
    def leaf(self) -> bytes: ...
    @property
    def root(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class SealedCopy:
    """The leaves that a sealed block of entries gives, 32 bytes each, and what is wrong with the block itself.

    Where the block is not at hand, there are no leaves, and `root` is that of the tree over them.
    """

    number: int
    first_seq: int
    last_seq: int
    leaves: bytes
    problem: str = ""
    root: bytes = b""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store holds beside its entries: how many rows, strays, the sealed copies, and snapshots in their order.

    `due` says of a ledger at the end of a batch, and of the entry of the snapshot before, whether one is to be taken.
    A snapshot is its balances, or `snapshot_digest` of them. `altered_guards` are the triggers against edits that are
    not what they were. `sealed` is None where nobody knows of any; `unseen` says why rows and triggers could not be
    looked at, where they could not.
    """

    entries: int
    orphans: int = 0
    sealed: Iterable[SealedCopy] | None = ()
    snapshots: Iterable[tuple[int, Snapshot]] = ()  # the entry after which each was taken, and it
    due: Callable[[Ledger, int], bool] = lambda ledger, since: False
    altered_guards: Iterable[str] = ()
    unseen: str = ""


class Shelf(Sequence[Entry]):
    """What keeps the entries of a replay of a long journal in less memory than a list would."""

    @abstractmethod
    def append(self, entry: Entry) -> None:
        """Put an entry at the end."""


@dataclass(slots=True)
class Replayed:
    """What replay leaves behind for the comparison."""

    ledger: Ledger = field(default_factory=Ledger)
    entries: list[Entry] | Shelf = field(default_factory=list)
    leaves: bytearray = field(default_factory=bytearray)  # as computed from the entries, one after the other
    findings: list[Finding] = field(default_factory=list)
    coverage: list[Coverage] = field(default_factory=list)
    verified: int = 0
    passed: int = 0
    roots: dict[int, str] = field(default_factory=dict)  # at the sizes that somebody kept
    batches: Batches = field(default_factory=Batches)
    drawn: int = 0  # snapshots that were reached
    snapshot: int = 0  # the entry after which the last one was taken, or was to be
    remarkable: dict[Kind, list[int]] = field(default_factory=lambda: {kind: [] for kind in REMARKABLE})


def replayed(
    stored: Iterable[StoredEntry], kept_heads: Iterable[str], kept: Kept | None, shelf: Shelf | None = None
) -> Replayed:
    """The journal through the gate again, entry by entry, with what was covered and found; kept on the shelf."""
    books = Replayed(entries=[] if shelf is None else shelf)
    heads = [parse_head(head) for head in kept_heads]
    sizes = {size for size, _ in heads}
    snapshots = Snapshots(iter(kept.snapshots) if kept else iter(()))
    if 0 in sizes:
        books.roots[0] = books.ledger.tree.root.hex()
    for item in _readable(stored, books):
        _replay_one(books, item)
        if books.ledger.seq in sizes:
            books.roots[books.ledger.seq] = books.ledger.tree.root.hex()
        if kept is not None:
            check_snapshot(books, snapshots.after(item.entry.seq), kept)
    conclude(books, heads, kept, snapshots)
    return books


def conclude(books: Replayed, heads: list[tuple[int, str]], kept: Kept | None, snapshots: Snapshots) -> None:
    """What a replay covered, and what it is held against once its last entry is folded."""
    total = kept.entries if kept else len(books.entries)
    books.coverage = [
        Coverage("entries through the gate again", books.passed, total),
        Coverage("entries whose hash and place in the tree hold", books.verified, total),
    ]
    _check_heads(books, heads)
    if kept is not None:
        _check_kept(books, kept, snapshots.unreached())
    for kind, what in REMARKABLE.items():
        if found := books.remarkable[kind]:
            more = " and others" if len(found) > 10 else ""
            note = f"{'entry' if len(found) == 1 else 'entries'} {', '.join(map(str, found[:10]))}{more}"
            books.coverage.append(Coverage(what, len(found), len(found), note))


def parse_head(head: str) -> tuple[int, str]:
    """A head as audits print it, taken apart: the number of entries, and the root in hexadecimal.

    >>> parse_head("2:" + 64 * "0")[0]
    2
    """
    found = re.fullmatch("([0-9]{1,18}):([0-9a-f]{64})", head.strip())
    if found is None:
        wanted = "NUMBER:HEX, as an audit prints it after `head`"
        raise InputError("not the head of a journal", got=head, wanted=wanted)
    return int(found[1]), found[2]


def _replay_one(books: Replayed, item: StoredEntry) -> None:
    entry, where = item.entry, f"entry {item.entry.seq} ({item.entry.draft.key})"
    if entry.seq != books.ledger.seq + 1:
        missing = counted(entry.seq - books.ledger.seq - 1, "entry", "entries")
        what = f"{missing} missing before entry {entry.seq}; what follows may be its consequence"
        books.findings.append(Finding("gap", ERROR, what, where, clear=_RESTORE))
        books.ledger.seq = entry.seq - 1
    leaf = entry.leaf
    books.leaves += leaf
    _through_the_gate(books, entry, where)
    if leaf != item.leaf:
        _tampered(books, "a field of the entry was changed after booking", where, leaf, item.leaf)
    elif not books.batches.holds(entry.seq, item.root, books.ledger.tree.root):
        root = books.ledger.tree.root
        _tampered(books, "the entries up to here are not those that were booked", where, root, item.root)
    else:
        books.verified += 1
    books.entries.append(entry)
    note_remarkable(books, entry)


def note_remarkable(books: Replayed, entry: Entry) -> None:
    """Remember an entry that an auditor wants to have seen, though nothing is wrong with it."""
    if entry.draft.kind in books.remarkable:
        books.remarkable[entry.draft.kind].append(entry.seq)


def _readable(stored: Iterable[StoredEntry], books: Replayed) -> Iterator[StoredEntry]:
    try:
        yield from stored
    except DamagedEntry as error:
        what = f"{error.what}; nothing after it was checked"
        books.findings.append(Finding("unreadable", ERROR, what, error.what, got=str(error.got), clear=_RESTORE))


def _tampered(books: Replayed, what: str, where: str, computed: bytes, held: bytes) -> None:
    books.findings.append(Finding("tampered", ERROR, what, where, held.hex(), computed.hex(), clear=_RESTORE))


def _through_the_gate(books: Replayed, entry: Entry, where: str) -> None:
    try:
        refold(books.ledger, entry)
        books.passed += 1
    except Exception as error:  # whatever rows that somebody changed do to the gate
        what = f"the gate refuses it: {error.what if isinstance(error, EstateFundsError) else error}"
        got, wanted, clause = (str(getattr(error, name, None) or "") for name in ("got", "wanted", "clause"))
        clear = "reverse it, and find out how it got in"
        books.findings.append(Finding("refused", ERROR, what, where, got, wanted, clause, clear=clear))
        try:  # go on as if it stood, so that one fault is not reported a hundred times
            books.ledger.advance(entry)
        except Exception:
            books.ledger.seq = entry.seq
            books.ledger.tree.append(entry.leaf)


def _check_heads(books: Replayed, heads: list[tuple[int, str]]) -> None:
    what = KEPT_HEADS
    if not heads:
        note = "not checked: give the head or the checkpoint of an earlier day; without one, a cut tail does not show"
        books.coverage.append(Coverage(what, 0, 0, note))
        return
    books.coverage.append(Coverage(what, len(heads), len(heads), "the journal passes through what was kept"))
    for size, root in heads:
        found = books.roots.get(size)
        if found == root:
            continue
        if found is None:
            why, got = "entries are missing at the end", f"{counted(len(books.entries), 'entry', 'entries')}"
        else:
            why, got = "entries were rewritten", f"{size}:{found}"
        books.coverage[-1] = Coverage(what, len(heads), len(heads))
        books.findings.append(
            Finding("cut-off", ERROR, f"the journal does not pass through what was kept: {why}", "journal", got,
                    f"{size}:{root}", clear=_RESTORE)
        )  # fmt: skip


# --- what stands beside the entries -------------------------------------------------------------------------------


class Snapshots:
    """The snapshots of a store, of which one at a time is held: each is taken when the replay comes to its entry."""

    def __init__(self, kept: Iterator[tuple[int, Snapshot]]) -> None:
        self._kept = kept
        self._next = next(kept, None)
        self._passed: list[int] = []  # the entries of those that the replay did not come to

    def after(self, seq: int) -> Snapshot | None:
        """The snapshot that was taken after an entry; the entries that are asked for follow one another."""
        while self._next is not None and type(self._next[0]) is int and self._next[0] <= seq:  # else it is damaged
            (at, drawn), self._next = self._next, next(self._kept, None)
            if at == seq:
                return drawn
            self._passed.append(at)
        return None

    def unreached(self) -> list[int]:
        """The entries, which are not there, of all other snapshots."""
        left = [self._next, *self._kept] if self._next else []
        return self._passed + [at for at, _ in left]


def _check_kept(books: Replayed, kept: Kept, unreached: Sequence[int]) -> None:
    if kept.unseen:
        what = "rows and triggers of the database beside the journal"
        books.coverage.append(Coverage(what, 0, 0, f"not checked: {kept.unseen}"))
    if kept.orphans:
        what = f"{kept.orphans} posting rows belong to no entry"
        books.findings.append(Finding("stray-postings", ERROR, what, "postings", clear=_RESTORE))
    if altered := list(kept.altered_guards):
        what = f"{counted(len(altered), 'trigger')} against edits missing, or not as made"
        clear = "make them again as the reference says, and find out who took them away"
        books.findings.append(Finding("unguarded", ERROR, what, "the database", got=", ".join(altered), clear=clear))
    readable = all(finding.rule != "unreadable" for finding in books.findings)
    unread = kept.entries - len(books.entries)
    if unread and readable:
        what = f"{counted(unread, 'row', 'rows')} of entries before the first one"
        books.findings.append(Finding("stray-entries", ERROR, what, "entries", clear=_RESTORE))
    if books.batches.end and readable:
        what, got = "the journal ends within a batch: its end is cut off", f"entry {books.ledger.seq}"
        wanted = f"entry {books.batches.end}"
        books.findings.append(Finding("cut-off", ERROR, what, "journal", got, wanted, clear=_RESTORE))
    sealed = list(_sealed_findings(books, kept))
    books.findings += [finding for finding in sealed if finding is not None]
    if sealed:
        books.coverage.append(Coverage("sealed blocks the same as their entries", len(sealed), len(sealed)))
    for seq in unreached:
        what = f"a snapshot of balances after entry {seq}, which is not there"
        books.findings.append(Finding("snapshot", ERROR, what, f"snapshot {seq}", clear=_RESTORE))
    if total := books.drawn + len(unreached):
        books.coverage.append(Coverage("snapshots of balances drawn again", books.drawn, total))


def _sealed_findings(books: Replayed, kept: Kept) -> Iterator[Finding | None]:
    """For each sealed block, and each that is wanting, what is wrong with it."""
    if kept.sealed is None:
        return
    expected, complete = 0, divmod(len(books.leaves), HASH_SIZE * BLOCK_LEAVES)[0]
    for copy in kept.sealed:
        first, last = expected * BLOCK_LEAVES + 1, (expected + 1) * BLOCK_LEAVES
        own, problem = bytes(books.leaves[HASH_SIZE * (first - 1) : HASH_SIZE * last]), copy.problem
        if not problem and (copy.number, copy.first_seq, copy.last_seq) != (expected, first, last):
            told = f"block {copy.number}, entries {copy.first_seq} to {copy.last_seq}"
            problem = f"it stands as {told} in the place of block {expected}, entries {first} to {last}"
        if not problem and copy.root:
            problem = "" if copy.root == tree_root(own) else "its root is not that of the entries"
        elif not problem and copy.leaves != own:
            places = range(BLOCK_LEAVES)
            apart = next((n for n in places if copy.leaves[32 * n :][:32] != own[32 * n :][:32]), len(places))
            problem = f"entry {first + apart} is not the one that the rows hold"
        expected += 1
        finding = Finding("block", ERROR, f"a sealed block differs: {problem}", f"block {copy.number}", clear=_RESTORE)
        yield finding if problem else None
    for number in range(expected, complete):
        yield Finding("block", ERROR, "a sealed block is missing", f"block {number}", clear=_RESTORE)


def snapshot_digest(balances: Mapping[BalanceKey, int]) -> str:
    """SHA-256, in hexadecimal, of a snapshot: fund, account, detail and fen, parted by tabs, a line each, in order.

    >>> snapshot_digest({}) == hashlib.sha256().hexdigest()
    True
    """
    whole = hashlib.sha256()
    for key in sorted(balances, key=str):
        whole.update("\t".join([*map(str, key), f"{balances[key]}\n"]).encode("utf-8"))
    return whole.hexdigest()


def check_snapshot(books: Replayed, drawn: Snapshot | None, kept: Kept) -> None:
    """Hold a snapshot against the last entry: taken where one was due, there only, and of these balances."""
    seq, due = books.ledger.seq, not books.batches.end and kept.due(books.ledger, books.snapshot)
    if due or drawn is not None:
        books.snapshot = seq
    if drawn is not None:
        _compare_snapshot(books, seq, drawn)
    if due != (drawn is not None):
        what = f"a snapshot of balances after entry {seq}, which " + ("is missing" if due else "nobody took there")
        books.findings.append(Finding("snapshot", ERROR, what, f"snapshot {seq}", clear=_RESTORE))


def _compare_snapshot(books: Replayed, seq: int, drawn: Snapshot) -> None:
    ledger = books.ledger
    own = ledger.balances | {(fund, INFLOW, str(year)): fen for (fund, year), fen in ledger.inflows.items() if fen}
    books.drawn += 1
    what = f"a snapshot of balances after entry {seq} is not what the entries give"
    if isinstance(drawn, str):
        if drawn != (digest := snapshot_digest(own)):
            books.findings.append(Finding("snapshot", ERROR, what, f"snapshot {seq}", drawn, digest, clear=_RESTORE))
        return
    for key in sorted(own.keys() | drawn.keys(), key=str):
        if own.get(key) != drawn.get(key):
            where, (got, wanted) = " ".join(map(str, key)).strip(), (_fen(side.get(key)) for side in (drawn, own))
            books.findings.append(Finding("snapshot", ERROR, what, where, got, wanted, clear=_RESTORE))
            return


def _fen(held: int | None) -> str:
    return "no row" if held is None else f"{held} fen"
