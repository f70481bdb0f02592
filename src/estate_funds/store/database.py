"""Reaching a database: addresses, engines, how SQLite is to behave, and what its and PostgreSQL's errors mean."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import StaticPool

from estate_funds.errors import DamagedEntry, InputError, LedgerNotFound, StoreError, StoreUnavailable

MEMORY = "sqlite://"
PATIENCE_MS = 30_000  # how long a writer waits for the other one
_WRITE = "estate_funds_write"
_NO_SERVER = "see that the server runs, and that the address names it, its database and its user"
# What a database says, by a word of it, and what to do about that. The first that fits counts.
_ADVICE = {
    "full": "free some space and run again: nothing of this batch was written",
    "No space left": "free some space and run again: nothing of this batch was written",
    "readonly": "make the file and its folder writable, or name another ledger with --ledger",
    "read-only": "grant INSERT on the tables to this user, or name another ledger",
    "permission denied": "ask the owner of the tables for the right to do this: docs/reference/store.md lists them",
    "locked": "another process is writing: wait for it and run again",
    "lock timeout": "another process is writing: wait for it and run again",
    "unable to open": "check that the folder exists and may be written",
    "not a database": "this file is no SQLite database: name another ledger",
    "authentication failed": "name a user and a password that the server knows",
    "connection is bad": _NO_SERVER,
    "connection failed": _NO_SERVER,
    "Connection refused": _NO_SERVER,
    "the database system is": "the server starts or stops: wait for it, and run again",
    "malformed": "the file is damaged: restore it from a backup",
    "index row": "PostgreSQL indexes keys, references and ids of funds: keep each of them at 2,600 bytes at most",
    "duplicate key": "another writer was first, and this transaction cannot see its entries: run again, READ COMMITTED",
    "could not serialize": "another writer was first: run the transaction again",
    "connection": "see that the server runs and can be reached, and run again",
}
_LOST = "the connection is lost: see that the server runs, and run again; nothing of this batch was written"


def ledger_url(address: str) -> str:
    """The URL of a ledger given as a URL or as a file path; `memory` is a ledger that is gone at the end.

    >>> ledger_url("books.db"), ledger_url("memory")
    ('sqlite:///books.db', 'sqlite://')
    """
    if not isinstance(address, str):
        fix = "give the address as text: str(path), a URL, or memory"
        raise StoreUnavailable("not an address of a ledger", got=repr(address), wanted="text", fix=fix)
    if address.strip() in ("", "sqlite:///"):  # an unset variable, perhaps, whose books would be gone at the end
        fix = "name a file or a URL; write memory where a ledger is meant that is gone at the end"
        raise InputError("the address of the ledger is empty", got=repr(address), fix=fix)
    if address == "memory":
        return MEMORY
    if address.startswith("postgresql://"):
        return address.replace("postgresql://", "postgresql+psycopg://", 1)
    return address if "://" in address else f"sqlite:///{address}"


def engine_of(url: str, *, create: bool) -> Engine:
    """An engine that begins, waits and keeps as this library needs it.

    Raises LedgerNotFound where `create` is false and there is no such file, StoreUnavailable for what is no address.
    """
    path = sqlite_path(url)
    if path is not None and not create and not _exists(path):
        raise LedgerNotFound(
            "there is no ledger at this address", where=str(path), fix="check the path, or run a case first"
        )
    if path is not None and not create and not os.access(path.parent, os.W_OK) and not _unmerged(path):
        # A copy on a read-only medium, where SQLite cannot make its -shm file.
        url = f"sqlite:///file:{quote(str(path.resolve()))}?mode=ro&immutable=1&uri=true"
    shared: dict[str, Any] = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
    try:
        engine = sa.create_engine(url, **shared if url == MEMORY else {})
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError, ValueError) as error:
        fix = "sqlite:///file.db, a file path, or postgresql+psycopg://… with the extra [postgres] installed"
        raise StoreUnavailable("not an address of a ledger", where=url, got=str(error), wanted=fix) from None
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    elif engine.dialect.name != "postgresql":
        raise StoreUnavailable("not a database for ledgers", where=url, wanted="SQLite or PostgreSQL")
    return engine


def for_writing(engine: Engine) -> Engine:
    """The same engine, whose transactions on SQLite begin with the lock of the only writer."""
    return engine.execution_options(**{_WRITE: True})


def for_reading(engine: Engine) -> Engine:
    """The same engine, whose transactions see one state of the database throughout."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return engine  # with its write-ahead log, SQLite gives each transaction one state


def sqlite_path(url: str) -> Path | None:
    """The file of a ledger by its URL; None for one in memory, on a server, or given in SQLite's own words."""
    name = url.removeprefix("sqlite:///")
    plain = url.startswith("sqlite:///") and not name.startswith((":memory:", "file:"))
    return Path(name) if plain and name else None


def _exists(path: Path) -> bool:
    """Whether a file is there; not for what no system takes as a name."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _unmerged(path: Path) -> bool:
    """Whether the newest entries still stand in the write-ahead log beside the file: then the file alone is not all."""
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _prepare_sqlite(engine: Engine) -> None:
    """WAL, a patient wait for the other writer, and BEGIN IMMEDIATE: a deferred one that upgrades fails at once."""

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # we begin transactions ourselves
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
        cursor.execute("PRAGMA recursive_triggers = ON")  # else INSERT OR REPLACE slips past a DELETE trigger
        try:
            cursor.execute("PRAGMA synchronous = FULL")  # what was committed survives a power cut
        except UnicodeDecodeError as error:  # the first statement to read the schema, and its message is no text
            raise connection.DatabaseError(f"malformed schema: {error}") from None
        cursor.execute("PRAGMA cache_size = -65536")  # KiB: keys in no order touch pages all over their index
        with contextlib.suppress(Exception):  # a read-only file cannot change its mode, and can still be read
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_WRITE, False)
        connection.connection.cursor().execute("BEGIN IMMEDIATE" if writing else "BEGIN")


# --- errors ---


def driver_error(engine: Engine) -> type[Exception]:
    """The root of what the database's driver raises, where SQLAlchemy does not stand in between."""
    return engine.dialect.loaded_dbapi.Error


def is_lost(error: BaseException, connection: Connection) -> bool:
    """Whether an error means that the connection is gone, not just the statement."""
    if isinstance(error, sa.exc.DBAPIError):
        return error.connection_invalidated
    dialect = connection.dialect
    if connection.closed or connection.invalidated or not isinstance(error, dialect.loaded_dbapi.Error):
        return False
    driver: Any = connection.connection.dbapi_connection
    return dialect.is_disconnect(error, driver, None)


def translated(error: Exception, url: str, *, lost: bool = False, committing: bool = False) -> StoreError:
    """What an error of the driver, or of SQLAlchemy, means for the ledger, and what to do about it."""
    if isinstance(error, sa.exc.InvalidRequestError):  # a connection that was given back, or waits for its rollback
        return StoreUnavailable(
            "the connection can no longer be used",
            where=url,
            got=str(error).partition("\n")[0].partition(" (Background")[0],
            wanted="books that are open; within a transaction of yours, one that is under way",
            fix="open books anew, in a new transaction: after a close, a commit or a rollback these cannot go on",
        )
    origin = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error
    reason = next(iter(str(origin).strip().splitlines()), type(origin).__name__)
    if reason.startswith("Could not decode to UTF-8"):
        return DamagedEntry("a field of the journal is not text", where=url, got=reason, wanted="UTF-8")
    if lost and committing:
        return StoreUnavailable(
            "the connection was lost while the batch was being committed",
            where=url,
            got=reason,
            fix="run again: if the batch landed, each entry is recognised by its key",
        )
    fix = next((text for word, text in _ADVICE.items() if word in reason), "mend the database and run again")
    return StoreUnavailable("the database refused", where=url, got=reason, fix=_LOST if lost else fix)
