"""One journal in one database: open it, read it, add to it, or do so inside a transaction of the application's own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from estate_funds.errors import EstateFundsError, InputError, InvariantBroken, LedgerFormatError, StoreUnavailable
from estate_funds.funds import Account
from estate_funds.journal import Draft, Entry
from estate_funds.ledger import Ledger
from estate_funds.merkle import Subtrees
from estate_funds.store import formats, guards, state, writer
from estate_funds.store.database import (
    MEMORY,
    driver_error,
    engine_of,
    for_reading,
    for_writing,
    is_lost,
    ledger_url,
    translated,
)
from estate_funds.store.formats import Migrated
from estate_funds.store.rows import (
    Block,
    Snapshot,
    Statements,
    Stored,
    StoredColumns,
    blob,
    read_columns,
    read_entries,
    read_one,
    run,
)
from estate_funds.store.tables import PREFIX, tables_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from estate_funds.columns import Columns

_BLOCKS_AT_ONCE = 8
T = TypeVar("T")


class Turn:
    """A transaction of the only writer, begun and ended on the driver itself; all that is asked of it as a Connection.

    What SQLAlchemy does around a transaction, events and all, takes as long as adding the rows of an entry; psycopg
    takes a third of that for a cursor, so there is one for all statements.
    """

    __slots__ = ("_cursor", "_driver", "dialect", "over")

    def __init__(self, connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        self._driver, self._cursor = driver, driver.cursor()
        self.dialect, self.over = connection.dialect, False
        if self.dialect.name == "sqlite":  # psycopg begins with the first statement
            self._cursor.execute("BEGIN IMMEDIATE")

    @property
    def connection(self) -> Turn:
        """Where a Connection has the driver's."""
        return self

    def cursor(self) -> Any:
        """The cursor."""
        return self._cursor

    def get_transaction(self) -> Turn | None:
        """The same until it is over."""
        return None if self.over else self

    def commit(self) -> None:
        """Make it last."""
        self._driver.commit()
        self.over = True


class Store:
    """One journal in one database. `Store.open` it and close it when done, or work `Store.within` a transaction."""

    def __init__(self, engine: Engine, *, prefix: str, schema: str, caller: Connection | None = None) -> None:
        self.engine = engine
        self.url = engine.url.render_as_string(hide_password=True)
        self.sql = Statements(tables_of(prefix, schema), engine.dialect.name)
        self._writer = for_writing(engine)
        self._reader = for_reading(engine)
        self._errors: tuple[type[Exception], ...] = (DBAPIError, InvalidRequestError, driver_error(engine))
        self._caller = caller
        self._memory: Connection | None = None
        self._turns = threading.RLock()  # of the one connection to a ledger in memory
        self._kept: list[Connection] = []  # to write on again: what a pool does between two uses costs more than BEGIN
        self._since = 0  # a snapshot that is there; there may be later ones

    # --- opening ---

    @classmethod
    def open(
        cls, address: str, *, create: bool = True, prefix: str = PREFIX, schema: str = "", origin: str = ""
    ) -> Store:
        """Open a ledger by URL or file path; `memory` is one that is gone at the end.

        `prefix` and `schema` (PostgreSQL only) say which tables are meant. `origin` is the name under which checkpoints
        of a new ledger are signed; without one, it is drawn at random. Raises LedgerNotFound when there is none and
        `create` is false, LedgerFormatError for another format or a database that holds no ledger, StoreUnavailable
        when it cannot be reached or written.
        """
        store = cls._reach(address, create=create, prefix=prefix, schema=schema)
        try:
            with store.reading() as connection, store._placed():
                ready = formats.check_format(connection, store.sql)
            if not ready and not create:
                raise LedgerFormatError(
                    "the database holds no ledger", where=store.url, wanted=f"a table {store.sql.tables.meta.fullname}"
                )
            if not ready:
                with store._transaction(locked=False) as connection, store._placed():
                    formats.create(connection, store.sql, origin)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def within(
        cls,
        connection: Connection | Session,
        *,
        create: bool = False,
        prefix: str = PREFIX,
        schema: str = "",
        origin: str = "",
    ) -> Store:
        """Work inside the transaction of a SQLAlchemy Connection or Session: it alone commits, or rolls back.

        `writing` is a savepoint of it. With `create`, a ledger that is not there is made in it. Raises
        LedgerFormatError as `open` does, StoreUnavailable for a connection that commits each statement by itself, or
        whose transaction is over, InputError for what is neither.
        """
        caller = _connection_of(connection)
        store = cls(caller.engine, prefix=prefix, schema=schema, caller=caller)
        with store._guarded(), store._placed():
            ready = formats.check_format(caller, store.sql)
        if not ready and not create:
            raise LedgerFormatError(
                "the database holds no ledger", where=store.url, fix="pass create=True, or run estate-funds migrate"
            )
        if not ready:
            with store._transaction(locked=False) as inner, store._placed():
                formats.create(inner, store.sql, origin)
        return store

    @classmethod
    def migrate(cls, address: str, *, prefix: str = PREFIX, schema: str = "", origin: str = "") -> Migrated:
        """Bring a ledger of an older format to this version's, in one transaction; stop all writers first.

        Raises LedgerNotFound, LedgerFormatError for a newer format, a half-migrated ledger, or a journal with entries
        that are refused today, DamagedEntry for one whose chain does not hold, StoreUnavailable where it cannot be
        written.
        """
        store = cls._reach(address, create=False, prefix=prefix, schema=schema)
        try:
            with store._transaction(locked=False) as connection, store._placed():
                return formats.migrate(connection, store.sql, origin)
        finally:
            store.close()

    @classmethod
    def _reach(cls, address: str, *, create: bool, prefix: str, schema: str) -> Store:
        engine = engine_of(ledger_url(address), create=create)
        if schema and engine.dialect.name == "sqlite":
            raise StoreUnavailable("SQLite has no schemas", got=schema, fix="give the tables another prefix instead")
        store = cls(engine, prefix=prefix, schema=schema)
        if str(engine.url) == MEMORY:
            store._memory = engine.connect()
        return store

    def close(self) -> None:
        """Give back all connections; not that of the application."""
        if self._memory is not None:
            self._memory.close()
        if self._caller is None:
            self._drop_idle()

    def _drop_idle(self) -> None:
        while self._kept:
            self._kept.pop().close()
        self.engine.dispose()

    @property
    def origin(self) -> str:
        """The name under which checkpoints of this ledger are signed."""
        with self.reading() as connection:
            return str(run(connection, self.sql("SELECT origin FROM {meta}")).fetchone()[0])

    # --- transactions ---

    @property
    def borrowed(self) -> bool:
        """Whether this works inside a transaction of the application, which may roll back what was added."""
        return self._caller is not None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read from, which sees one state of the database throughout."""
        if self._caller is not None:
            with self._guarded():
                yield self._caller
        elif self._memory is not None:
            with self._turns, self._guarded():
                begun = self._memory.in_transaction()
                try:
                    yield self._memory
                finally:
                    if self._memory.in_transaction() and not begun:
                        self._memory.rollback()
        else:
            connection, _ = self._begun(self._reader, self._greet)
            try:
                yield connection
                connection.rollback()
            except BaseException as error:
                self._fail(connection, error)
            connection.close()

    def writing(self) -> AbstractContextManager[Connection]:
        """One transaction of the only writer: all of it lands, or nothing. Within a transaction, a savepoint of it."""
        return self._transaction(locked=True)

    @contextlib.contextmanager
    def _transaction(self, *, locked: bool) -> Iterator[Connection]:
        if self._caller is not None or self._memory is not None:
            with self._turns, self._shared(self._caller or self._memory, locked=locked) as connection:
                yield connection
            return
        begin: Callable[[Connection], Connection | Turn] = self._take_turn if locked else self._greet
        connection, turn = self._begun(self._writer, begin)
        committing = False
        try:
            yield cast("Connection", turn)
            committing = True
            turn.commit()
        except BaseException as error:
            if isinstance(turn, Turn):
                turn.over = True
            self._fail(connection, error, committing=committing)
        self._kept.append(connection)

    @contextlib.contextmanager
    def _shared(self, connection: Any, *, locked: bool) -> Iterator[Connection]:
        """A savepoint on a connection that others use too; on that of a ledger in memory, a transaction if need be."""
        with self._guarded():
            if self._caller is not None:
                self._join(connection)
            own = self._memory is not None and not connection.in_transaction()
            part = connection.execution_options(estate_funds_write=True).begin() if own else connection.begin_nested()
        try:
            if locked:
                formats.lock(connection, self.sql)
            yield connection
            part.commit()
        except BaseException as error:
            lost = is_lost(error, connection)
            with contextlib.suppress(Exception):
                connection.invalidate() if lost else part.rollback()
            if isinstance(error, self._errors):
                raise translated(error, self.url, lost=lost) from error
            raise

    def _join(self, connection: Connection) -> None:
        """See to it that the application's connection is in a transaction, which a savepoint alone does not make."""
        if not connection.in_transaction():
            connection.begin()
        driver: Any = connection.connection.dbapi_connection
        alone = getattr(driver, "autocommit", False) is True
        if self.engine.dialect.name == "sqlite" and not driver.in_transaction:
            alone = alone or driver.isolation_level is None
            if not alone:
                driver.execute("BEGIN IMMEDIATE")  # the driver would begin too late: the savepoint's end would commit
        if alone:
            raise StoreUnavailable(
                "the connection commits each statement by itself",
                where=self.url,
                wanted="a connection in a transaction",
                fix="open it without the isolation level AUTOCOMMIT",
            )

    def _begun(self, engine: Engine, begin: Callable[[Connection], T]) -> tuple[Connection, T]:
        """A connection, and its transaction; a connection that was lost while it lay idle is replaced."""
        for again in (True, False):
            if engine is self._writer and self._kept:
                connection = self._kept.pop()
            else:
                with self._guarded():
                    connection = engine.connect()
            try:
                return connection, begin(connection)
            except BaseException as error:
                if not (again and is_lost(error, connection)):
                    self._fail(connection, error)
                self._undo(connection, lost=True)
                self._drop_idle()  # the others lay idle as long
        raise InvariantBroken("a connection was neither made nor refused")

    def _fail(self, connection: Connection, error: BaseException, *, committing: bool = False) -> NoReturn:
        """Give a connection back, undone, or gone where it was lost, and raise what its error means."""
        lost = is_lost(error, connection)
        self._undo(connection, lost=lost)
        if isinstance(error, self._errors):
            raise translated(error, self.url, lost=lost, committing=committing) from error
        raise error

    def _undo(self, connection: Connection, *, lost: bool) -> None:
        try:
            connection.invalidate() if lost else connection.connection.rollback()
        except Exception:  # it was lost after all
            connection.invalidate()
        finally:
            connection.close()

    def _greet(self, connection: Connection) -> Connection:
        connection.begin()
        if connection.dialect.name == "postgresql":
            run(connection, "SELECT 1")  # to see whether the server is still there
        return connection

    def _take_turn(self, connection: Connection) -> Turn:
        turn = Turn(connection)
        formats.lock(cast("Connection", turn), self.sql)
        return turn

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            lost = self._caller is not None and is_lost(error, self._caller)
            raise translated(error, self.url, lost=lost) from error

    @contextlib.contextmanager
    def _placed(self) -> Iterator[None]:
        """Say which ledger an error is about."""
        try:
            yield
        except EstateFundsError as error:
            raise error.at(self.url) from None

    # --- the journal ---

    def load(self, connection: Connection, ahead: Sequence[Draft] = ()) -> Ledger:
        """The ledger as the journal leaves it: from the last snapshot and the entries after it.

        What the ledger does not remember it looks up in this store, see past.StoredPast. Raises DamagedEntry.
        """
        return state.load(connection, self.sql, self.reading, ahead)

    def catch_up(self, connection: Connection, ledger: Ledger, ahead: Sequence[Draft] = ()) -> None:
        """Fold into a ledger what other writers booked since, each through the gate, its hashes verified.

        What the gate will ask the store of the drafts that are `ahead` is asked on the way.
        Raises DamagedEntry where somebody changed rows, LedgerFormatError where the ledger was migrated meanwhile.
        """
        state.catch_up(connection, self.sql, ledger, ahead)

    def look_ahead(self, ledger: Ledger, references: Set[str]) -> None:
        """Ask at once whether promises may have been made under any of these, before the gate asks one after the other.

        It holds until the ledger catches up again.
        """
        past = state.past_of(ledger)
        if past is not None:
            past.look_ahead(set(), references)

    def append(self, connection: Connection, entries: Sequence[Entry], ledger: Ledger) -> None:
        """Add a batch of entries, past which `ledger` has already advanced: rows, root, and blocks that are complete.

        A snapshot is added when one is due. Raises DamagedEntry where rows that are to be sealed were changed.
        """
        if entries:
            first = self._check_follows(entries[0].seq, len(entries), ledger)
            writer.add_entries(connection, self.sql, entries, ledger.tree.root)
            self._complete(connection, entries, first, ledger)

    def append_columns(self, connection: Connection, columns: Columns, ledger: Ledger, leaves: bytes = b"") -> None:
        """The same for a batch in columns; its leaf hashes (32 bytes each) are computed where they are not given."""
        from estate_funds.columns import leaves as leaves_of

        if len(columns):
            first = self._check_follows(columns.first_seq, len(columns), ledger)
            batch = writer.ColumnBatch(columns, leaves or leaves_of(columns))
            writer.add_columns(connection, self.sql, batch, ledger.tree.root)
            self._complete(connection, batch, first, ledger)

    def _complete(self, connection: Connection, batch: writer.Batch, first: int, ledger: Ledger) -> None:
        writer.seal(connection, self.sql, ledger, batch, first)
        if self.due(ledger, self._since):
            since = writer.last_snapshot(connection, self.sql)
            if self._caller is None:  # who may yet take it back
                self._since = since
            if self.due(ledger, since):
                writer.take_snapshot(connection, self.sql, ledger)

    def _check_follows(self, first: int, count: int, ledger: Ledger) -> int:
        if first + count - 1 != ledger.seq:
            raise InvariantBroken(f"entries {first} to {first + count - 1} are not the last of {ledger.seq}")
        return first

    def read(self, *, after: int = 0, upto: int | None = None) -> Iterator[Stored]:
        """The journal in order, from the entry after `after` to `upto`, streamed in batches. Raises DamagedEntry."""
        with self.reading() as connection:
            yield from self.read_in(connection, after=after, upto=upto)

    def read_in(self, connection: Connection, *, after: int = 0, upto: int | None = None) -> Iterator[Stored]:
        """The same within a transaction of the caller."""
        return read_entries(connection, self.sql, after=after, upto=upto)

    def read_columns_in(self, connection: Connection, *, after: int = 0) -> Iterator[StoredColumns]:
        """The same in columns, a few thousand entries at a time."""
        return read_columns(connection, self.sql, after=after)

    def blocks(self, connection: Connection | None = None) -> Iterator[Block]:
        """The sealed blocks in order, streamed."""
        if connection is None:
            with self.reading() as own:
                yield from self.blocks(own)
            return
        statement = self.sql(f"SELECT * FROM {{block}} WHERE number > ? ORDER BY number LIMIT {_BLOCKS_AT_ONCE}")
        last = -(1 << 63)  # also what somebody put before the first
        while rows := run(connection, statement, (last,)).fetchall():
            for number, first_seq, last_seq, root, data in rows:
                yield Block(number, first_seq, last_seq, blob(root), blob(data))
                last = number

    def snapshots(self, connection: Connection | None = None) -> Iterator[Snapshot]:
        """The snapshots in order, streamed."""
        if connection is None:
            with self.reading() as own:
                yield from self.snapshots(own)
            return
        seqs = run(connection, self.sql("SELECT DISTINCT seq FROM {snapshot} ORDER BY seq")).fetchall()
        rows = self.sql("SELECT fund, account, detail, fen FROM {snapshot} WHERE seq = ?")
        for (seq,) in seqs:
            found = run(connection, rows, (seq,)).fetchall()
            yield Snapshot(seq, {(fund, account, detail): fen for fund, account, detail, fen in found})

    # --- questions ---

    def count(self, connection: Connection | None = None) -> int:
        """The number of entries."""
        if connection is None:
            with self.reading() as own:
                return self.count(own)
        return int(run(connection, self.sql("SELECT count(*) FROM {entry}")).fetchone()[0])

    def orphans(self, connection: Connection | None = None) -> int:
        """Posting rows that belong to no entry: an audit wants none."""
        if connection is None:
            with self.reading() as own:
                return self.orphans(own)
        ends = run(connection, self.sql("SELECT count(*), min(seq), max(seq) FROM {entry}")).fetchone()
        count, first, last = ends if ends[0] else (0, 1, 0)
        if count == last - first + 1:  # no gap, so what belongs to none lies outside
            outside = self.sql("SELECT count(*) FROM {posting} WHERE seq < ? OR seq > ?")
            return int(run(connection, outside, (first, last)).fetchone()[0])
        by_entry = "SELECT seq, count(*) AS n FROM {posting} GROUP BY seq"
        stray = f"SELECT coalesce(sum(n), 0) FROM ({by_entry}) AS g WHERE seq NOT IN (SELECT seq FROM {{entry}})"
        return int(run(connection, self.sql(stray)).fetchone()[0])

    def altered_guards(self, connection: Connection) -> list[str]:
        """The triggers that forbid edits and are missing, or others than they were made: an audit wants none."""
        return guards.altered_guards(connection, self.sql)

    def due(self, ledger: Ledger, since: int) -> bool:
        """Whether a snapshot is taken of a ledger at the end of a batch, the last one being after the entry `since`."""
        return writer.snapshot_due(ledger, since) and writer.snapshot_fits(self.engine.dialect.name, ledger)

    def balances(self, fund: str) -> dict[tuple[str, str], int]:
        """What a fund's accounts hold by (account, detail), in fen on the account's normal side, without noughts."""
        with self.reading() as connection:
            return state.balances_of(connection, self.sql, fund)

    def balance(self, fund: str) -> dict[str, int]:
        """What a fund's accounts hold, in fen on the account's normal side, all details together."""
        totals: dict[str, int] = {}
        for (account, _), fen in self.balances(fund).items():
            totals[account] = totals.get(account, 0) + fen
        return totals

    def unencumbered(self, fund: str) -> dict[int, int]:
        """What a fund may still promise or spend, budget year -> fen."""
        held = self.balances(fund).items()
        return {int(year): fen for (account, year), fen in held if account == Account.UNENCUMBERED.value}

    def entry(self, seq: int) -> Entry | None:
        """The entry of a sequence number."""
        return self._one("seq = ?", seq)

    def entry_by_key(self, key: str) -> Entry | None:
        """The entry under an idempotency key."""
        return self._one("key = ?", key)

    def mirror_of(self, reference: str) -> int | None:
        """The number of the entry that reverses or corrects the one that `reference` numbers."""
        statement = self.sql(
            "SELECT seq FROM {entry} WHERE reference = ? AND reference <> '' AND kind IN ('reversal', 'correction')"
        )
        with self.reading() as connection:
            row = run(connection, statement, (reference,)).fetchone()
        return int(row[0]) if row else None

    def _one(self, where: str, value: object) -> Entry | None:
        with self.reading() as connection:
            stored = read_one(connection, self.sql, where, value)
        return None if stored is None else stored.entry

    def first_key(self, prefix: str, *, after: str = "") -> str | None:
        """The first key, by code points, that begins with `prefix` and comes after `after`."""
        statement = self.sql("SELECT key FROM {entry} WHERE key >= ? AND key > ? ORDER BY key LIMIT 1")
        with self.reading() as connection:
            row = run(connection, statement, (prefix, after)).fetchone()
        return row[0] if row and row[0].startswith(prefix) else None

    def leaf_hashes(self, first: int, last: int) -> bytes:
        """The stored leaf hashes of entries `first` to `last`, one after the other, 32 bytes each."""
        with self.reading() as connection:
            return writer.leaves(connection, self.sql, first, last)

    def subtrees(self, size: int | None = None) -> Subtrees:
        """Roots of perfect subtrees for proofs about the first `size` entries, by default all: see merkle."""
        return Subtrees(
            self.count() if size is None else size,
            lambda start, count: self.leaf_hashes(start + 1, start + count),
            stored=self._block_root,
        )

    def _block_root(self, number: int) -> bytes | None:
        with self.reading() as connection:
            row = run(connection, self.sql("SELECT root FROM {block} WHERE number = ?"), (number,)).fetchone()
        return blob(row[0]) if row else None


def _connection_of(given: Connection | Session) -> Connection:
    """The connection on which an application's transaction is under way."""
    connect = getattr(given, "connection", None)
    try:
        found = given if isinstance(given, Connection) else connect() if callable(connect) else None
    except InvalidRequestError as error:
        raise translated(error, "") from error
    if isinstance(found, Connection):
        return found
    wanted = "a SQLAlchemy Connection or Session, in a transaction"
    raise InputError("no transaction to work within", got=repr(given), wanted=wanted, fix="or Books.open an address")
