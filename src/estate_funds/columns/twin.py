"""The gate in columns: the fast twin of `Ledger.check` and `Ledger.advance`, and of `replay`.

A block of entries is checked in columns first, and each entry is either certain to pass or doubted. What is certain is
booked in runs; what is doubted goes to the plain gate, alone and in its turn, when all before it is booked. So the twin
refuses what the plain gate refuses, at the same entry and in the same words, for it is the plain gate that refuses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from estate_funds.columns.block import Columns, Drafts, draft_of
from estate_funds.columns.past import DECIDING, Remembered, used_keys
from estate_funds.columns.rules import sound
from estate_funds.columns.sealing import leaves
from estate_funds.columns.sheet import Sheet, kind_flags
from estate_funds.columns.standing import Fences, Standing
from estate_funds.errors import DamagedEntry, EstateFundsError, InvariantBroken, Malformed, Refusal
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger import Ledger, refold
from estate_funds.ledger.records import Nothing
from estate_funds.ledger.shapes import DEFINING
from estate_funds.merkle import HASH_SIZE

# After these the funds or the open periods are others, so what was admitted before may not be now, and the other way.
_GOVERNING = kind_flags(frozenset({*DEFINING, Kind.CLOSE, Kind.REOPEN}))
_FEW = 60  # entries up to the next of these that are cheaper one by one than to ask what is admitted now
_Seen = tuple[int, pa.RecordBatch]  # the number of its first entry, its columns
_MANY = 400  # entries of a block: as dear to make one by one as the whole block at once


class Posted(NamedTuple):
    """What became of drafts: the entries that were booked, their leaves (32 bytes each), and which drafts they were."""

    columns: Columns
    leaves: bytes
    drafts: Sequence[int]  # places from 0; what is missing was booked before


class Twin:
    """The gate of one ledger, for entries in columns.

    It leaves the ledger as the plain gate does, but for two tables: what that keeps of each entry in `keys` and
    `booked` is kept here as the columns themselves, under `past`, and gives the same answers (see `past.Remembered`).
    Whoever has put the entries into a store may put the store's own past in its place. `in_columns` counts the entries
    that needed no plain gate.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.in_columns = 0
        self._fences = Fences()

    def post(self, drafts: Drafts, *, recorded: date) -> Posted:
        """Book drafts in their order, as `Ledger.post` books each of them: one that is booked already is passed over.

        A Refusal is the one of the first draft that is refused, with a note of its number; the ledger has advanced
        through those before it, so whoever wants all or nothing works on a ledger that can be thrown away.
        """
        places = self._new(drafts)
        chosen = drafts if len(places) == len(drafts) else drafts.take(places)
        columns = chosen.numbered(self.ledger.seq + 1, recorded)
        unique, past = isinstance(places, range), self._remembered()
        past.tells_keys = not unique  # else the first doubt would have it make a table of all keys
        try:
            return Posted(columns, self._fold(columns, unique=unique), places)
        finally:
            past.tells_keys = True

    def refold(self, columns: Columns) -> bytes:
        """Put recorded entries through the gate again, as `refold` does with each of them; their leaves, 32 bytes each.

        Raises what the plain gate raises of the first entry that does not pass, with a note of its number, and has then
        booked those before it; InvariantBroken for a gap.
        """
        if len(columns) and columns.first_seq != self.ledger.seq + 1:
            self._ask(columns.entry(0), b"")  # which says what is wrong with it, if only that there is a gap
        past = self.ledger.past
        return self._fold(columns, unique=isinstance(past, Remembered) and not past.tells_keys)

    # --- one block ---

    def _fold(self, columns: Columns, *, unique: bool) -> bytes:
        """Fold entries; `unique` says that somebody else saw to it, or will, that each key is used once."""
        return b"".join([self._fold_block(block, unique) for block in columns.blocks() if len(block)])

    def _fold_block(self, block: Columns, unique: bool) -> bytes:
        sheet, hashes = Sheet(block), leaves(block)
        standing = Standing(self.ledger, sheet, self._fences)
        fine = sound(sheet, self.ledger.recorded) & standing.covered()
        fine[[] if unique else self._repeated(block)] = False
        entry = self._source(block, int(np.count_nonzero(~fine)))
        governing = np.flatnonzero(_GOVERNING[sheet.kind])
        admitted, at = standing.admitted(fine), 0
        while at < sheet.n:
            doubts = np.flatnonzero(~admitted[at:])
            stop = at + int(doubts[0]) if len(doubts) else sheet.n
            self._book(block, standing, hashes, at, stop)
            at = stop
            while at < sheet.n and not admitted[at]:
                self._ask(entry(at), hashes[at * HASH_SIZE : (at + 1) * HASH_SIZE])
                standing.booked(at)
                at += 1
                if _GOVERNING[sheet.kind[at - 1]]:
                    ahead = governing[np.searchsorted(governing, at) :]
                    few = len(ahead) > 0 and ahead[0] - at < _FEW
                    admitted = np.zeros(sheet.n, bool) if few else standing.admitted(fine)
        return hashes

    def _book(self, block: Columns, standing: Standing, hashes: bytes, start: int, stop: int) -> None:
        """Book the entries from `start` to before `stop`, which are certain to pass."""
        if start == stop:
            return
        ledger = self.ledger
        standing.book(start, stop)
        ledger.seq = block.first_seq + stop - 1
        ledger.recorded = block.recorded[stop - 1].as_py()
        ledger.tree.extend(hashes[start * HASH_SIZE : stop * HASH_SIZE])
        self._remembered().add(block.slice(start, stop - start))
        self.in_columns += stop - start

    def _remembered(self) -> Remembered:
        """The past of the ledger, made to remember what is booked in columns."""
        past = self.ledger.past
        if not isinstance(past, Remembered):
            past = self.ledger.past = Remembered(past)
        return past

    def _source(self, block: Columns, doubted: int) -> Callable[[int], Entry]:
        """How to get at the entries of a block that are doubted: one by one, or all at once where they are many."""
        if doubted > _MANY:
            with contextlib.suppress(DamagedEntry):  # which is said when it is the turn of that entry
                return block.entries().__getitem__
        return block.entry

    def _ask(self, entry: Entry, leaf: bytes) -> None:
        """Put one entry to the plain gate."""
        try:
            refold(self.ledger, entry)
        except (EstateFundsError, InvariantBroken) as error:
            error.add_note(f"entry {entry.seq}")
            if isinstance(error, Refusal):
                error.asked = entry.draft
            raise
        if entry.leaf != leaf:
            raise InvariantBroken(f"entry {entry.seq} has one leaf in columns and another by itself")

    # --- keys ---

    def _repeated(self, block: Columns) -> list[int]:
        """The places of entries whose key is used before them, in the journal or in the block."""
        keys = block.drafts.batch.column("key").to_pylist()
        used = used_keys(self.ledger, keys)
        if not used and len(set(keys)) == len(keys):
            return []
        first: dict[str, int] = {}
        return [at for at, key in enumerate(keys) if key in used or first.setdefault(key, at) != at]

    def _new(self, drafts: Drafts) -> Sequence[int]:
        """The places of the drafts that are not booked yet, nor the same as one before them."""
        keys = drafts.batch.column("key").to_pylist()
        used = used_keys(self.ledger, keys)
        if not used and len(set(keys)) == len(keys):
            return range(len(keys))
        first: dict[str, int] = {}
        asked_again = [at for at, key in enumerate(keys) if first.setdefault(key, at) != at or key in used]
        again = dict(zip(asked_again, drafts.take(asked_again).drafts(), strict=True))
        return [at for at, key in enumerate(keys) if at not in again or not self._same(drafts, first[key], again[at])]

    def _same(self, drafts: Drafts, first: int, draft: Draft) -> bool:
        """Whether a draft asks for what is booked under its key already, or is the same as the draft at `first`."""
        try:
            draft.check_text()
        except Malformed:
            return False  # and the gate will say so
        known = self.ledger.key(draft.key)
        return draft.content_digest == (known[1] if known else drafts.draft(first).content_digest)


def replay_columns(
    blocks: Iterable[Columns],
    *,
    each: Callable[[Columns, bytes], None] = lambda columns, leaves: None,
    ledger: Ledger | None = None,
) -> Ledger:
    """Fold a journal from its first entry through the gate in columns, as `replay` does; the root is `tree.root`.

    `each` is called with every block that has passed and its leaves (32 bytes an entry), to compare them with what is
    kept elsewhere; `ledger` is an empty one to fold into, for whoever wants to see it grow. Whether each key is used
    once is asked of all keys together, at the end or where something else is wrong. Raises what `replay` raises of the
    first entry that does not pass, with a note of its number.
    """
    ledger, past, seen = ledger or Ledger(), Remembered(Nothing()), list[_Seen]()
    marks = [np.zeros(0, np.int64)]  # equal keys have equal marks; so where none is equal, no key is
    ledger.past, past.tells_keys = past, False
    twin = Twin(ledger)
    try:
        for columns in blocks:
            seen.append((columns.first_seq, columns.drafts.batch))
            hashes = twin.refold(columns)
            keys = columns.drafts.batch.column("key").to_pylist()
            marks.append(np.fromiter(map(hash, keys), np.int64, len(keys)))
            seen[-1] = (columns.first_seq, columns.drafts.batch.select(DECIDING))  # all else of it may go
            each(columns, hashes)
    except (EstateFundsError, InvariantBroken):
        _check_keys(seen, ledger.seq + 1)
        raise
    ordered = np.sort(np.concatenate(marks))
    if (ordered[1:] == ordered[:-1]).any():
        _check_keys(seen, ledger.seq)
    past.tells_keys = True
    return ledger


def _check_keys(blocks: Sequence[_Seen], count: int) -> None:
    """Raise what the plain gate says of the first of `count` entries whose key was used before it."""
    keys = pa.chunked_array([batch.column("key") for _, batch in blocks], pa.string()).slice(0, count)
    if len(keys.unique()) == len(keys):
        return
    numbers = np.concatenate([np.asarray(chunk.indices) for chunk in keys.dictionary_encode().chunks])
    highest = np.maximum.accumulate(numbers)
    repeated = int(np.flatnonzero(numbers[1:] <= highest[:-1])[0]) + 1
    first = int(np.flatnonzero(numbers == numbers[repeated])[0])
    booked, entry = (_entry(blocks, place) for place in (first, repeated))
    ledger = Ledger(seq=repeated, keys={booked.draft.key: (booked.seq, booked.draft.content_digest)})
    try:
        refold(ledger, entry)
    except (EstateFundsError, InvariantBroken) as error:
        error.add_note(f"entry {entry.seq}")
        raise


def _entry(blocks: Sequence[_Seen], place: int) -> Entry:
    """The entry at a place (from 0) in blocks that stand one after the other, by the fields that are still there."""
    for first_seq, batch in blocks:
        if place < batch.num_rows:
            return Entry(first_seq + place, date.max, draft_of(batch, place, batch.schema.names))
        place -= batch.num_rows
    raise IndexError(place)
