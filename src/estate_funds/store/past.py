"""The journal before a ledger's own memory, looked up in the database when the gate asks: nothing is held for it.

A ledger that was loaded from a snapshot remembers the entries after it. What an earlier entry decides (is the key used,
is the entry reversed, when does the promise expire) is read from its rows, through indexes. Entries up to `upto` never
change, so it does not matter in which transaction they are read: the one in use, or else one for the question.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection, RootTransaction

from estate_funds.funds import NORMAL_SIDE, Account
from estate_funds.journal import Kind
from estate_funds.ledger import Booked, Promise, booked_of, grown
from estate_funds.ledger.shapes import MIRRORS
from estate_funds.store.rows import Statements, read_one, run

_MIRRORS = ", ".join(f"'{kind.value}'" for kind in sorted(MIRRORS))
_ENCUMBERED = Account.ENCUMBERED.value
_ENCUMBRANCE = Kind.ENCUMBRANCE.value
_AT_ONCE = 900  # values in one statement, below the limit of any SQLite


class StoredPast:
    """The entries of a store up to the entry `upto`, as `ledger.Past` asks for them."""

    def __init__(self, sql: Statements, reading: Callable[[], AbstractContextManager[Connection]], upto: int) -> None:
        self.upto = upto
        self._sql = sql
        self._reading = reading
        self._connection: Connection | None = None
        self._transaction: RootTransaction | None = None

    def within(self, connection: Connection) -> None:
        """Ask on this connection until the transaction is over that is under way there."""
        self._connection, self._transaction = connection, connection.get_transaction()

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
        with self._asking() as connection:
            stored = read_one(connection, self._sql, "key = ?", key, upto=self.upto)
        return None if stored is None else (stored.entry.seq, stored.entry.draft.content_digest)

    def keys(self, keys: Sequence[str]) -> dict[str, int]:
        """Those of many keys that are used, with the sequence numbers of their entries."""
        found: dict[str, int] = {}
        with self._asking() as connection:
            for at in range(0, len(keys), _AT_ONCE):
                some = keys[at : at + _AT_ONCE]
                marks = ", ".join("?" * len(some))
                statement = self._sql(f"SELECT key, seq FROM {{entry}} WHERE key IN ({marks}) AND seq <= ?")
                found.update(run(connection, statement, (*some, self.upto)).fetchall())
        return found

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
        """The promise as the postings of `encumbered` for it, in order, leave it.

        They stand in the entries under the reference, and in the mirrors of those.
        """
        under = "SELECT seq FROM {entry} WHERE reference = ? AND reference <> '' AND seq <= ?"
        mirrors = (
            "SELECT seq FROM {entry} WHERE reference <> '' AND seq <= ? "
            f"AND kind IN ({_MIRRORS}) AND reference IN (SELECT CAST(seq AS TEXT) FROM ({under}) AS named)"
        )
        statement = self._sql(
            "SELECT seq, side, amount_fen FROM {posting} WHERE fund = ? AND account = ? AND detail = ? "
            f"AND seq IN ({under} UNION {mirrors}) ORDER BY seq, line"
        )
        values = (fund, _ENCUMBERED, reference, reference, self.upto, self.upto, reference, self.upto)
        promise, held_fen, counted = None, 0, 0
        with self._asking() as connection:
            for seq, side, amount_fen in run(connection, statement, values).fetchall():
                if seq != counted:
                    counted = seq
                    promise = self._grown(connection, seq, promise, held_fen)
                held_fen += amount_fen if side == NORMAL_SIDE[_ENCUMBERED] else -amount_fen
        return promise

    def _grown(self, connection: Connection, seq: int, promise: Promise | None, held_fen: int) -> Promise | None:
        stored = read_one(connection, self._sql, "seq = ?", seq)
        if stored is None or stored.entry.draft.kind != _ENCUMBRANCE:
            return promise
        return grown(promise, held_fen, stored.entry.draft)
