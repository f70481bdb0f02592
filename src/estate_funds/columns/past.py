"""What a ledger looks up of entries that it did not fold one by one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import pyarrow as pa

from estate_funds.columns.block import SCHEMA, Columns, draft_of
from estate_funds.journal import Draft
from estate_funds.ledger import BalanceKey, Booked, Ledger, Past, Promise, booked_of
from estate_funds.ledger.records import Nothing

Pair = tuple[str, str]  # fund, reference
# What a key stands for and what a mirror needs: all but where the amount came from, the hands and the narrative.
DECIDING = tuple(n for n in SCHEMA.names if n not in ("policy", "registry", "maker", "approver", "narrative"))
_OUTLINE = ("kind", "effective", "reference", "postings")  # all that `booked_of` asks


class Remembered:
    """Entries that passed the gate in columns, kept so: what a ledger keeps of others in `keys` and `booked`.

    It answers as those would, and for what came before them asks `before`. Kept are the fields that decide, some 200
    bytes an entry instead of 1 500; its record is worked out when somebody asks for it, and the table of keys when the
    first key is asked for. Promises and reversals are always with the ledger itself.
    """

    def __init__(self, before: Past) -> None:
        self.before = before
        self.tells_keys = True  # False while somebody else sees to it that keys are unique
        self._blocks: list[pa.RecordBatch] = []
        self._starts: list[int] = []  # the sequence number of the first entry of each
        self._indexed = 0
        self._keys: dict[str, int] = {}
        self._records: dict[int, Booked] = {}  # those that were asked for

    def add(self, columns: Columns) -> None:
        """Remember entries, which come after all that were added before."""
        self._blocks.append(columns.drafts.batch.select(DECIDING))
        self._starts.append(columns.first_seq)

    def draft(self, seq: int) -> Draft:
        """What decides of an entry that is remembered; KeyError for any other."""
        holder = self._holder(seq)
        if holder is None:
            raise KeyError(seq)
        return draft_of(*holder, DECIDING)

    def _holder(self, seq: int) -> tuple[pa.RecordBatch, int] | None:
        """The columns that hold an entry, and its place in them."""
        number = bisect_right(self._starts, seq) - 1
        if number < 0 or seq - self._starts[number] >= self._blocks[number].num_rows:
            return None
        return self._blocks[number], seq - self._starts[number]

    # --- the questions of `Past` ---

    def key(self, key: str) -> tuple[int, bytes] | None:
        """The sequence number and content digest of the entry under a key."""
        if not self.tells_keys:
            return None
        seq = self._index().get(key)
        return self.before.key(key) if seq is None else (seq, self.draft(seq).content_digest)

    def keys(self, keys: Sequence[str]) -> dict[str, int]:
        """Those of many keys that are used, with the sequence numbers of their entries."""
        own = self._index()
        found = {key: own[key] for key in own.keys() & set(keys)}
        return _used(self.before, [key for key in keys if key not in found] if found else keys) | found

    def booked(self, seq: int) -> Booked | None:
        """The record of an entry with postings."""
        holder = self._holder(seq)
        if holder is None:
            return self.before.booked(seq)
        if seq not in self._records:
            self._records[seq] = booked_of(draft_of(*holder, _OUTLINE))
        return self._records[seq]

    def reversed(self, seq: int) -> bool:
        """Whether a reversal or a correction of an entry is booked: none of them passes in columns."""
        return self.before.reversed(seq)

    def promise(self, fund: str, reference: str) -> Promise | None:
        """The promise as it was before the ledger's own memory."""
        return self.before.promise(fund, reference)

    def promises(self, pairs: Sequence[Pair]) -> dict[Pair, Promise]:
        """Those of many promises, by fund and reference, that were made before the ledger's own memory."""
        return _made(self.before, pairs)

    def _index(self) -> dict[str, int]:
        for start, batch in zip(self._starts[self._indexed :], self._blocks[self._indexed :], strict=True):
            self._keys.update(zip(batch.column("key").to_pylist(), range(start, start + batch.num_rows), strict=True))
        self._indexed = len(self._blocks)
        return self._keys


def used_keys(ledger: Ledger, keys: Sequence[str]) -> dict[str, int]:
    """Those of many keys that a ledger or its past knows, with the sequence numbers of their entries."""
    own = {key: ledger.keys[key][0] for key in ledger.keys.keys() & set(keys)}
    return _used(ledger.past, [key for key in keys if key not in own] if own else keys) | own


def _used(past: Past, keys: Sequence[str]) -> dict[str, int]:
    """The same of a past, asked for all at once where it can be, as a store can."""
    if isinstance(past, Nothing) or not keys:
        return {}
    if isinstance(past, _ManyKeys):
        return past.keys(keys)
    known = ((key, past.key(key)) for key in keys)
    return {key: found[0] for key, found in known if found is not None}


def promises_of(ledger: Ledger, balances: Sequence[BalanceKey]) -> list[Promise | None]:
    """The promise behind each of these balances of `encumbered`, as `Ledger.promise` gives it."""
    own = list(map(ledger.promises.get, balances))
    if nothing_before(ledger.past):
        return own
    missing = [(fund, detail) for (fund, _, detail), promise in zip(balances, own, strict=True) if promise is None]
    before = _made(ledger.past, missing)
    if not before:
        return own
    return [promise or before.get((fund, detail)) for (fund, _, detail), promise in zip(balances, own, strict=True)]


def nothing_before(past: Past) -> bool:
    """Whether there was nothing before what the ledger holds or remembers."""
    while isinstance(past, Remembered):
        past = past.before
    return isinstance(past, Nothing)


def _made(past: Past, pairs: Sequence[Pair]) -> dict[Pair, Promise]:
    if isinstance(past, Nothing) or not pairs:
        return {}
    if isinstance(past, _ManyPromises):
        return past.promises(pairs)
    found = ((pair, past.promise(*pair)) for pair in dict.fromkeys(pairs))
    return {pair: promise for pair, promise in found if promise is not None}


@runtime_checkable
class _ManyKeys(Protocol):
    def keys(self, keys: Sequence[str]) -> dict[str, int]: ...


@runtime_checkable
class _ManyPromises(Protocol):
    def promises(self, pairs: Sequence[Pair]) -> dict[Pair, Promise]: ...
