"""The journal on disk: SQLModel rows on SQLite or PostgreSQL. Rows never leave this room; entries do.

Entries are only ever added: triggers in the database forbid UPDATE and DELETE. Each row keeps the leaf of its entry and
the head of the journal after it, so a change that slips past the triggers is found by replay.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Connection, Engine, Integer, LargeBinary, Text, event
from sqlmodel import Field, SQLModel

from estate_funds.errors import DamagedEntry, EstateFundsError, LedgerFormatError, LedgerNotFound, StoreUnavailable
from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting, link

FORMAT = 1
_BATCH = 2_000
_LOCK_KEY = 0x65737466  # 'estf': the advisory lock that makes writers on PostgreSQL take turns
_BIG = BigInteger().with_variant(Integer(), "sqlite")
_STRICT = {"sqlite_strict": True}  # a SQLModel table does not validate; a STRICT table does


def _text() -> Column[str]:
    return Column(Text, nullable=False)


class MetaRow(SQLModel, table=True):
    """One row: the format of this ledger."""

    __tablename__ = "estate_funds_meta"
    __table_args__ = _STRICT
    only: int = Field(primary_key=True)
    format: int


class EntryRow(SQLModel, table=True):
    """One entry, field by field, with its leaf and the head after it."""

    __tablename__ = "estate_funds_entry"
    __table_args__ = _STRICT
    seq: int = Field(sa_column=Column(_BIG, primary_key=True, autoincrement=False))
    recorded: str = Field(sa_column=_text())
    policy: str = Field(sa_column=_text())
    registry_digest: str = Field(
        sa_column=Column("registry", Text, nullable=False)
    )  # SQLModel keeps `registry` for itself
    kind: str = Field(sa_column=_text())
    effective: str = Field(sa_column=_text())
    key: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    maker: str = Field(sa_column=_text())
    approver: str = Field(sa_column=_text())
    narrative: str = Field(sa_column=_text())
    document: str = Field(sa_column=_text())
    clause: str = Field(sa_column=_text())
    purpose: str = Field(sa_column=_text())
    payee: str = Field(sa_column=_text())
    payee_class: str = Field(sa_column=_text())
    reference: str = Field(sa_column=_text())
    terms: str = Field(sa_column=_text())  # a term a line, its parts parted by tabs
    evidence: str = Field(sa_column=_text())  # a document a line: kind, tab, digest
    leaf: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    head: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class PostingRow(SQLModel, table=True):
    """One line of an entry."""

    __tablename__ = "estate_funds_posting"
    __table_args__ = _STRICT
    seq: int = Field(sa_column=Column(_BIG, primary_key=True, autoincrement=False))
    line: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    fund: str = Field(sa_column=_text())
    account: str = Field(sa_column=_text())
    detail: str = Field(sa_column=_text())
    side: str = Field(sa_column=_text())
    amount_fen: int = Field(sa_column=Column(_BIG, nullable=False))


_META, _ENTRY, _POSTING = (SQLModel.metadata.tables[str(row.__tablename__)] for row in (MetaRow, EntryRow, PostingRow))
_TABLES = [_META, _ENTRY, _POSTING]
# In the order of the columns between `effective` and `terms`.
_PLAIN = (
    "key",
    "maker",
    "approver",
    "narrative",
    "document",
    "clause",
    "purpose",
    "payee",
    "payee_class",
    "reference",
)


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry as the database holds it, with the hashes that were stored beside it."""

    entry: Entry
    leaf: bytes
    head: bytes


class Store:
    """One journal in one database. Use `Store.open`, and close it when done."""

    def __init__(self, engine: Engine, url: str) -> None:
        self.engine = engine
        self.url = url

    # --- opening ---

    @classmethod
    def open(cls, address: str, *, create: bool = True) -> Store:
        """Open a ledger by URL or file path.

        Raises LedgerNotFound when there is none and `create` is false, LedgerFormatError for a newer format or a
        database that holds no ledger, StoreUnavailable when it cannot be reached or written.
        """
        url = ledger_url(address)
        path = _sqlite_path(url)
        if path is not None and not create and not path.exists():
            raise LedgerNotFound(
                "there is no ledger at this address", where=str(path), fix="check the path, or run a case first"
            )
        if path is not None and not create and not os.access(path.parent, os.W_OK) and not _unmerged(path):
            # A copy on a read-only medium, where SQLite cannot make its -shm file.
            url = f"sqlite:///file:{quote(str(path.resolve()))}?mode=ro&immutable=1&uri=true"
        try:
            engine = sa.create_engine(url)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
            fix = "sqlite:///file.db, a file path, or postgresql+psycopg://… with the extra [postgres] installed"
            raise StoreUnavailable("not an address of a ledger", where=url, got=str(error), wanted=fix) from None
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        store = cls(engine, engine.url.render_as_string(hide_password=True))
        try:
            with store._guarded():
                store._ready(create=create)
        except BaseException:
            store.close()
            raise
        return store

    def _ready(self, *, create: bool) -> None:
        tables = sa.inspect(self.engine).get_table_names()
        if _META.name not in tables:
            if not create:
                raise LedgerFormatError(
                    "the database holds no ledger", where=self.url, got=f"tables: {tables or 'none'}"
                )
            with self._writer().begin() as connection:
                self._lock(connection)
                if _META.name not in sa.inspect(connection).get_table_names():
                    SQLModel.metadata.create_all(connection, tables=_TABLES)
                    for statement in _append_only(self.engine.dialect.name):
                        connection.execute(sa.text(statement))
                    connection.execute(_META.insert(), {"only": 1, "format": FORMAT})
        with self.engine.connect() as connection:
            found = connection.execute(sa.select(_META.c.format)).scalar()
        if found != FORMAT:
            raise LedgerFormatError(
                "the ledger is of another format",
                where=self.url,
                got=f"format {found}",
                wanted=f"format {FORMAT}, which this version reads",
                fix="install the version of estate_funds that wrote it, or a newer one",
            )

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()

    # --- reading ---

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read from."""
        with self._guarded(), self.engine.connect() as connection:
            yield connection

    def read(self, *, after: int = 0) -> Iterator[Stored]:
        """The journal in order from the entry after `after`, streamed in batches."""
        with self.reading() as connection:
            yield from self.read_in(connection, after=after)

    def read_in(self, connection: Connection, *, after: int = 0) -> Iterator[Stored]:
        """The same within a transaction of the caller."""
        entries = sa.select(_ENTRY).where(_ENTRY.c.seq > after).order_by(_ENTRY.c.seq)
        last = after
        while rows := connection.execute(entries.where(_ENTRY.c.seq > last).limit(_BATCH)).all():
            first, last = rows[0].seq, rows[-1].seq
            lines = sa.select(_POSTING).where(_POSTING.c.seq.between(first, last))
            postings: dict[int, list[Posting]] = {}
            for seq, _, *fields in connection.execute(lines.order_by(_POSTING.c.seq, _POSTING.c.line)).all():
                postings.setdefault(seq, []).append(Posting(*fields))
            for row in rows:
                yield _stored(row, postings.get(row.seq, ()))

    def count(self) -> int:
        """The number of entries."""
        with self.reading() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(_ENTRY)).scalar() or 0)

    def orphans(self) -> int:
        """Posting rows that belong to no entry: an audit wants none."""
        known = sa.select(_ENTRY.c.seq)
        with self.reading() as connection:
            count = sa.select(sa.func.count()).select_from(_POSTING).where(_POSTING.c.seq.not_in(known))
            return int(connection.execute(count).scalar() or 0)

    # --- writing ---

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction of the only writer: all of it lands, or nothing."""
        with self._guarded(), self._writer().begin() as connection:
            self._lock(connection)
            yield connection

    def append(self, connection: Connection, entries: Sequence[Entry], head: bytes) -> bytes:
        """Add entries after `head`; the new head."""
        rows, lines = [], []
        for entry in entries:
            head = link(head, entry.leaf)
            rows.append(_row(entry, head))
            lines += [(entry.seq, number, *posting) for number, posting in enumerate(entry.draft.postings, start=1)]
        self._insert(connection, _ENTRY, rows)
        self._insert(connection, _POSTING, lines)
        return head

    def _insert(self, connection: Connection, table: sa.Table, rows: Sequence[tuple[object, ...]]) -> None:
        """Insert rows in the order of the table's columns, through the driver: it is three times as fast."""
        if rows:
            marks = ", ".join(["?" if self.engine.dialect.name == "sqlite" else "%s"] * len(table.columns))
            connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({marks})", list(rows))

    def _writer(self) -> Engine:
        return self.engine.execution_options(estate_funds_write=True)

    def _lock(self, connection: Connection) -> None:
        if self.engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except EstateFundsError:
            raise
        except sa.exc.DatabaseError as error:
            raise _unavailable(error, self.url) from error


def ledger_url(address: str) -> str:
    """The URL of a ledger given as a URL or as a file path; `memory` is a ledger that is gone at the end.

    >>> ledger_url("books.db"), ledger_url("memory")
    ('sqlite:///books.db', 'sqlite://')
    """
    if address == "memory":
        return "sqlite://"
    if address.startswith("postgresql://"):
        return address.replace("postgresql://", "postgresql+psycopg://", 1)
    return address if "://" in address else f"sqlite:///{address}"


def _sqlite_path(url: str) -> Path | None:
    name = url.removeprefix("sqlite:///")
    plain = url.startswith("sqlite:///") and not name.startswith((":memory:", "file:"))
    return Path(name) if plain and name else None


def _unmerged(path: Path) -> bool:
    """Whether the newest entries still stand in the write-ahead log beside the file: then the file alone is not all."""
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _prepare_sqlite(engine: Engine) -> None:
    """WAL, a patient wait for the other writer, and BEGIN IMMEDIATE: a deferred one that upgrades fails at once."""

    @event.listens_for(engine, "connect")
    def _connect(connection: object, _: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # we begin transactions ourselves
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("PRAGMA busy_timeout = 30000")
        cursor.execute("PRAGMA recursive_triggers = ON")  # else INSERT OR REPLACE slips past a DELETE trigger
        with contextlib.suppress(Exception):  # a read-only file cannot change its mode, and can still be read
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("estate_funds_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _append_only(dialect: str) -> list[str]:
    """Triggers that forbid UPDATE and DELETE (and TRUNCATE) on the journal."""
    words = "entries are never edited or deleted: reverse them"
    names = (_ENTRY.name, _POSTING.name)
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} BEGIN SELECT RAISE(ABORT, '{words}'); END"
            for name in names
            for verb in ("UPDATE", "DELETE")
        ] + [  # INSERT OR REPLACE deletes without a trigger, unless the connection asked for recursive ones
            f"CREATE TRIGGER {name}_no_replace BEFORE INSERT ON {name} WHEN EXISTS (SELECT 1 FROM {name} WHERE {same}) "
            f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
            for name, same in (
                (_ENTRY.name, "seq = NEW.seq OR key = NEW.key"),
                (_POSTING.name, "seq = NEW.seq AND line = NEW.line"),
            )
        ]
    function = (
        "CREATE FUNCTION estate_funds_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{words}'; END $$"
    )
    return [function] + [
        f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION estate_funds_append_only()"
        for name in names
    ]


def _row(entry: Entry, head: bytes) -> tuple[object, ...]:
    draft = entry.draft
    return (
        entry.seq,
        str(entry.recorded),
        draft.policy,
        draft.registry,
        draft.kind.value,
        str(draft.effective),
        *(getattr(draft, name) for name in _PLAIN),
        "\n".join("\t".join(term) for term in draft.terms),
        "\n".join("\t".join(evidence) for evidence in draft.evidence),
        entry.leaf,
        head,
    )


def _stored(row: Sequence[Any], postings: Iterable[Posting]) -> Stored:
    seq, recorded, policy, registry, kind, effective, *plain, terms, evidence, leaf, head = row
    try:
        draft = Draft(
            kind=Kind(kind),
            effective=date.fromisoformat(effective),
            policy=policy,
            registry=registry,
            terms=tuple(tuple(line.split("\t")) for line in terms.split("\n") if line),
            evidence=tuple(Evidence(*line.split("\t")) for line in evidence.split("\n") if line),
            postings=tuple(postings),
            **dict(zip(_PLAIN, plain, strict=True)),
        )
        entry = Entry(seq, date.fromisoformat(recorded), draft)
    except (ValueError, TypeError) as error:
        raise DamagedEntry(
            f"entry {seq} cannot be read back", got=str(error), wanted="what this library wrote"
        ) from None
    return Stored(entry, bytes(leaf), bytes(head))


def _unavailable(error: sa.exc.DatabaseError, url: str) -> StoreUnavailable:
    reason = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
    advice = {
        "full": "free some space and run again: nothing of this batch was written",
        "readonly": "make the file and its folder writable, or name another ledger with --ledger",
        "read-only": "grant INSERT on the tables to this user, or name another ledger",
        "locked": "another process is writing: wait for it and run again",
        "unable to open": "check that the folder exists and may be written",
        "not a database": "this file is no SQLite database: name another ledger",
    }
    fix = next((text for word, text in advice.items() if word in reason), "mend the database and run again")
    return StoreUnavailable("the database refused", where=url, got=reason, fix=fix)


__all__ = ["FORMAT", "Store", "Stored", "ledger_url"]
