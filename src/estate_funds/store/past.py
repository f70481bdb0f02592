"""The journal before a ledger's own memory, looked up in the database when the gate asks: nothing is held for it.

A ledger that was loaded from a snapshot remembers the entries after it. What an earlier entry decides (is the key used,
is the entry reversed, when does the promise expire) is read from its rows, through indexes. Entries up to `upto` never
change, so it does not matter in which transaction they are read: the one in use, or else one for the question.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import AbstractContextManager

from sqlalchemy import Connection, RootTransaction

from estate_funds.funds import NORMAL_SIDE, Account
from estate_funds.ledger import Booked, Promise, booked_of, grown
from estate_funds.ledger.shapes import MIRRORS
from estate_funds.store.rows import Statements, read_one, read_some, run, run_among

_MIRRORS = ", ".join(f"'{kind.value}'" for kind in sorted(MIRRORS))
_REMEMBERED = 4_096  # promises: what is kept of the past stays small however long the journal is
_ENCUMBERED = Account.ENCUMBERED.value


class StoredPast:
    """The entries of a store up to the entry `upto`, as `ledger.Past` asks for them."""

    def __init__(self, sql: Statements, reading: Callable[[], AbstractContextManager[Connection]], upto: int) -> None:
        self.upto = upto
        self._sql = sql
        self._reading = reading
        self._connection: Connection | None = None
        self._transaction: RootTransaction | None = None
        # Of these it is known that no entry has them, which for entries up to `upto` never changes.
        self.unused_keys: frozenset[str] = frozenset()
        self.unused_references: frozenset[str] = frozenset()
        self._made: dict[tuple[str, str], Promise | None] = {}  # of promises asked for before: the gate asks again

    def within(self, connection: Connection) -> None:
        """Ask on this connection until the transaction is over that is under way there."""
        self._connection, self._transaction = connection, connection.get_transaction()
        self.unused_keys = self.unused_references = frozenset()

    def look_ahead(self, keys: Set[str], references: Set[str]) -> None:
        """Ask at once what the gate will ask of each draft: whether its key and its reference are used."""
        under = "SELECT DISTINCT reference FROM {entry} WHERE reference AMONG AND reference <> ''"
        with self._asking() as connection:
            used = {reference for (reference,) in run_among(connection, self._sql, under, references)}
        self.unused_keys = frozenset(keys - self.keys(list(keys)).keys())
        self.unused_references = frozenset(references - used)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[Connection]:
        connection = self._connection
        transaction = self._transaction
        if connection is not None and transaction is not None and connection.get_transaction() is transaction:
            yield connection
        else:
            with self._reading() as own:
                yield own

    def key(self, key: str) -> tuple[int, bytes] | None:
        """The sequence number and content digest of the entry under a key, the digest computed from its rows."""
        if key in self.unused_keys:
            return None
        with self._asking() as connection:
            stored = read_one(connection, self._sql, "key = ?", key, upto=self.upto)
        return None if stored is None else (stored.entry.seq, stored.entry.draft.content_digest)

    def keys(self, keys: Sequence[str]) -> dict[str, int]:
        """Those of many keys that are used, with the sequence numbers of their entries."""
        used = "SELECT key, seq FROM {entry} WHERE key AMONG AND seq <= ?"
        with self._asking() as connection:
            return {str(key): seq for key, seq in run_among(connection, self._sql, used, keys, self.upto)}

    def booked(self, seq: int) -> Booked | None:
        """The record of an entry with postings."""
        if not 0 < seq <= self.upto:
            return None
        with self._asking() as connection:
            stored = read_one(connection, self._sql, "seq = ?", seq)
        return booked_of(stored.entry.draft) if stored is not None and stored.entry.draft.postings else None

    def reversed(self, seq: int) -> bool:
        """Whether a reversal or a correction of an entry is booked."""
        statement = self._sql(
            "SELECT 1 FROM {entry} WHERE reference = ? AND reference <> '' "
            f"AND kind IN ({_MIRRORS}) AND seq <= ? LIMIT 1"
        )
        with self._asking() as connection:
            return run(connection, statement, (str(seq), self.upto)).fetchone() is not None

    def promise(self, fund: str, reference: str) -> Promise | None:
        """The promise as the entries that touch `encumbered` for it, in order, leave it: see `grown`."""
        pair = (fund, reference)
        if pair not in self._made:
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            self._made[pair] = self.promises([pair]).get(pair)
        return self._made[pair]

    def promises(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Promise]:
        """Those of many promises, by fund and reference, that were made."""
        wanted = {pair for pair in pairs if pair[1] not in self.unused_references}
        if not wanted:
            return {}
        with self._asking() as connection:
            touching = self._touching(connection, {reference for _, reference in wanted})
            entries = list(read_some(connection, self._sql, touching)) if touching else []
        found: dict[tuple[str, str], Promise] = {}
        held: dict[tuple[str, str], int] = {}
        for stored in entries:
            draft = stored.entry.draft
            lines = [p for p in draft.postings if p.account == _ENCUMBERED and (p.fund, p.detail) in wanted]
            for pair in {(line.fund, line.detail) for line in lines}:
                promise = grown(found.get(pair), held.get(pair, 0), draft, stored.entry.seq)
                if promise is not None:
                    found[pair] = promise
            for fund, _, detail, side, fen in lines:
                held[fund, detail] = held.get((fund, detail), 0) + (fen if side == NORMAL_SIDE[_ENCUMBERED] else -fen)
        return found

    def _touching(self, connection: Connection, references: Iterable[str]) -> set[int]:
        """The entries that may touch promises under these references: those under them, and the mirrors of those."""
        under = "SELECT seq FROM {entry} WHERE reference AMONG AND reference <> '' AND seq <= ?"
        mirrors = f"{under} AND kind IN ({_MIRRORS})"
        found = {seq for (seq,) in run_among(connection, self._sql, under, references, self.upto)}
        return found | {seq for (seq,) in run_among(connection, self._sql, mirrors, map(str, sorted(found)), self.upto)}
