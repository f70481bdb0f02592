"""The tables of a ledger, once, and their instances under a prefix and in a schema; the triggers that keep them whole.

Everything is only ever added: UPDATE and DELETE (and TRUNCATE, and INSERT OR REPLACE) are forbidden by the database.
Text is compared by code point in both databases, so order and prefixes mean the same as in Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Text
from sqlalchemy.dialects.postgresql import TEXT
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from estate_funds.errors import InputError
from estate_funds.ledger.shapes import DEFINING

FORMAT = 2
PREFIX = "estate_funds_"
# What a ledger must read before it knows anything: few among many, so they have an index of their own.
GOVERNING = (*(kind.value for kind in DEFINING), "close", "reopen")
WORDS = "entries are never edited or deleted: reverse them"
_BIG = BigInteger().with_variant(Integer(), "sqlite")
_TEXT = Text().with_variant(TEXT(collation="C"), "postgresql")
_STRICT = {"sqlite_strict": True}  # a SQLModel table does not validate; a STRICT table does
_CLUSTERED = {"sqlite_strict": True, "sqlite_with_rowid": False}
_NAME = re.compile("[a-z_][a-z0-9_]{0,31}")


def _text() -> Column[str]:
    return Column(_TEXT, nullable=False)


def _big(*, key: bool = False) -> Column[int]:
    return Column(_BIG, primary_key=key, nullable=False, autoincrement=False)


def _bytes() -> Column[bytes]:
    return Column(LargeBinary, nullable=False)


class _Row(SQLModel, registry=registry()):
    """The ground of all rows, with a catalogue of its own: an application's `create_all` does not see these tables."""


class MetaRow(_Row, table=True):
    """One row: the format of this ledger, and the name under which its checkpoints are signed."""

    __tablename__ = "meta"
    __table_args__ = _STRICT
    only: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    format: int = Field(sa_column=Column(Integer, nullable=False))
    origin: str = Field(sa_column=_text())


class EntryRow(_Row, table=True):
    """One entry, field by field, with its leaf; the last of a batch carries the root of the tree after it."""

    __tablename__ = "entry"
    __table_args__ = _STRICT
    seq: int = Field(sa_column=_big(key=True))
    recorded: str = Field(sa_column=_text())
    policy: str = Field(sa_column=_text())
    registry_digest: str = Field(sa_column=Column("registry", _TEXT, nullable=False))  # SQLModel keeps `registry`
    kind: str = Field(sa_column=_text())
    effective: str = Field(sa_column=_text())
    key: str = Field(sa_column=Column(_TEXT, nullable=False, unique=True))
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
    leaf: bytes = Field(sa_column=_bytes())
    root: bytes = Field(sa_column=_bytes())


class PostingRow(_Row, table=True):
    """One line of an entry."""

    __tablename__ = "posting"
    __table_args__ = _CLUSTERED
    seq: int = Field(sa_column=_big(key=True))
    line: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    fund: str = Field(sa_column=_text())
    account: str = Field(sa_column=_text())
    detail: str = Field(sa_column=_text())
    side: str = Field(sa_column=_text())
    amount_fen: int = Field(sa_column=_big())


class BlockRow(_Row, table=True):
    """8192 consecutive entries in columns, sealed: the same leaves once more, with the root of their subtree."""

    __tablename__ = "block"
    __table_args__ = _STRICT
    number: int = Field(sa_column=_big(key=True))
    first_seq: int = Field(sa_column=_big())
    last_seq: int = Field(sa_column=_big())
    root: bytes = Field(sa_column=_bytes())
    data: bytes = Field(sa_column=_bytes())


class SnapshotRow(_Row, table=True):
    """One balance that was not 0 after the entry `seq`; or, as the account `inflow`, what came in during a year."""

    __tablename__ = "snapshot"
    __table_args__ = _CLUSTERED
    seq: int = Field(sa_column=_big(key=True))
    fund: str = Field(sa_column=Column(_TEXT, primary_key=True))
    account: str = Field(sa_column=Column(_TEXT, primary_key=True))
    detail: str = Field(sa_column=Column(_TEXT, primary_key=True))
    fen: int = Field(sa_column=_big())


@dataclass(frozen=True)
class Tables:
    """The tables of one ledger: those above under a prefix and in a schema, and Alembic's table of versions."""

    prefix: str
    schema: str
    metadata: sa.MetaData
    meta: sa.Table
    entry: sa.Table
    posting: sa.Table
    block: sa.Table
    snapshot: sa.Table
    version: sa.Table

    @property
    def journal(self) -> tuple[sa.Table, ...]:
        """The tables that are only ever added to."""
        return (self.meta, self.entry, self.posting, self.block, self.snapshot)

    def qualified(self, name: str) -> str:
        """A name within the schema, for SQL."""
        return f"{self.schema}.{name}" if self.schema else name


@lru_cache(maxsize=64)
def tables_of(prefix: str, schema: str) -> Tables:
    """The tables under a prefix, in a schema ('' is the database's own). InputError for what is no plain name."""
    for what, name, wanted in (("prefix", prefix, "a plain name"), ("schema", schema or "_", "a plain name or none")):
        if not _NAME.fullmatch(name):
            raise InputError(
                f"not a {what} for tables",
                got=name,
                wanted=f"{wanted}: small letters, digits and underscores, 32 at most",
            )
    metadata = sa.MetaData()
    place: Any = schema or None
    meta, entry, posting, block, snapshot = (
        _Row.metadata.tables[table].to_metadata(metadata, schema=place, name=prefix + table)
        for table in ("meta", "entry", "posting", "block", "snapshot")
    )
    referring = entry.c.reference != sa.literal_column("''")
    governing = entry.c.kind.in_([sa.literal_column(f"'{kind}'") for kind in GOVERNING])
    Index(f"{prefix}entry_reference", entry.c.reference, sqlite_where=referring, postgresql_where=referring)
    Index(f"{prefix}entry_governing", entry.c.seq, sqlite_where=governing, postgresql_where=governing)
    Index(f"{prefix}posting_fund", posting.c.fund, posting.c.seq)
    name = f"{prefix}version"  # in Alembic's own shape
    number, key = Column("version_num", String(32), nullable=False), f"{name}_pkc"
    version = sa.Table(name, metadata, number, sa.PrimaryKeyConstraint("version_num", name=key), schema=schema or None)
    return Tables(prefix, schema, metadata, meta, entry, posting, block, snapshot, version)


def finishing(tables: Tables, dialect: str) -> list[str]:
    """What a fresh ledger needs beyond its tables and indexes: the triggers, and how PostgreSQL is to store blocks."""
    if dialect == "sqlite":
        return _sqlite_triggers(tables)
    # Blocks are compressed or not as Arrow decides; to compress them again costs ten times what storing them costs.
    external = f"ALTER TABLE {tables.qualified(tables.block.name)} ALTER COLUMN data SET STORAGE EXTERNAL"
    function = tables.qualified(f"{tables.prefix}append_only")
    statements = [
        external,
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{WORDS}'; END $$",
    ]
    for table in tables.journal:
        trigger, name = f"{table.name}_append_only", tables.qualified(table.name)
        statements += [
            f"CREATE TRIGGER {trigger} BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
            f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {trigger}",  # whatever session_replication_role says
        ]
    return statements


def _sqlite_triggers(tables: Tables) -> list[str]:
    statements = []
    for table in tables.journal:
        name = table.name  # a trigger stands in the schema of its table, and names tables without it
        for verb in ("UPDATE", "DELETE"):
            trigger = tables.qualified(f"{name}_no_{verb.lower()}")
            statements.append(
                f"CREATE TRIGGER {trigger} BEFORE {verb} ON {name} BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
            )
        # INSERT OR REPLACE deletes without a trigger, unless the connection asked for recursive ones.
        same = " AND ".join(f"{column.name} = NEW.{column.name}" for column in table.primary_key)
        there = f"EXISTS (SELECT 1 FROM {name} WHERE {same})"
        if table is tables.entry:
            there = f"NEW.seq <= (SELECT max(seq) FROM {name}) OR EXISTS (SELECT 1 FROM {name} WHERE key = NEW.key)"
        statements.append(
            f"CREATE TRIGGER {tables.qualified(f'{name}_no_replace')} BEFORE INSERT ON {name} WHEN {there} "
            f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
        )
    return statements
