"""The format of a ledger: seen at opening, made for a new one, changed only by `migrate` and never on the way.

Two marks say which format a database holds: the number in the table `meta`, and Alembic's version. They change in one
transaction, so where they differ, somebody copied half a database or undid half a migration.
"""

from __future__ import annotations

import secrets
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from estate_funds.checkpoint import Checkpoint
from estate_funds.errors import DamagedEntry, LedgerFormatError
from estate_funds.merkle import EMPTY_ROOT, head_text
from estate_funds.store.rows import Statements, run
from estate_funds.store.state import load, tree_at
from estate_funds.store.tables import FORMAT, Tables, finishing
from estate_funds.store.writer import last_snapshot, snapshot_due, snapshot_fits, take_snapshot
from estate_funds.text import counted

OLDEST = 1
_LOCK = 0x65737466  # 'estf': the first half of the advisory lock that makes writers on PostgreSQL take turns
_LOCK_OF_FORMAT_1 = _LOCK
_TURN = f"SELECT pg_advisory_xact_lock(({_LOCK}::bigint << 32) | '{{entry}}'::regclass::oid::bigint)"


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did: the format before and after, the number of entries, sealed blocks, and the head."""

    found: int
    format: int
    entries: int
    blocks: int
    head: str


def revision(number: int) -> str:
    """The Alembic revision of a format.

    >>> revision(2)
    '0002'
    """
    return f"{number:04}"


def found_format(connection: Connection, sql: Statements) -> int | None:
    """The format that a database holds, None where it holds no ledger. LedgerFormatError where its marks differ."""
    tables = sql.tables
    if not _exists(connection, tables, tables.meta):
        return None
    rows = run(connection, sql('SELECT "only", format FROM {meta}')).fetchall()
    stamps = []
    if _exists(connection, tables, tables.version):
        stamps = run(connection, sql("SELECT version_num FROM {version}")).fetchall()
    number = rows[0][1] if len(rows) == 1 and rows[0][0] == 1 else None
    version = stamps[0][0] if len(stamps) == 1 else f"{len(stamps)} at once" if stamps else None
    if version is None and number == OLDEST:  # format 1 was written before there were migrations
        return OLDEST
    if not isinstance(number, int) or (number <= FORMAT and version != revision(number)):
        raise LedgerFormatError(
            "the ledger is half-migrated",
            got=f"format {number}, but migrations up to {version or 'none'}",
            wanted="both the same",
            fix="restore the backup from before the migration, and migrate that",
        )
    return number


def check_format(connection: Connection, sql: Statements) -> bool:
    """Whether there is a ledger of this version's format. LedgerFormatError where it is of another one."""
    number = found_format(connection, sql)
    if number is None or number == FORMAT:
        return number is not None
    older = number < FORMAT
    raise LedgerFormatError(
        "the ledger is of another format",
        got=f"format {number}",
        wanted=f"format {FORMAT}, which this version reads",
        fix="make a backup and run estate-funds migrate LEDGER"
        if older
        else "install the version of estate_funds that wrote it, or a newer one",
    )


def create(connection: Connection, sql: Statements, origin: str) -> None:
    """The tables of a new ledger, in the newest format. Another process may have been first: then nothing is done."""
    tables = sql.tables
    lock_format(connection, tables)
    if check_format(connection, sql):
        return
    check_origin(origin)
    if tables.schema and connection.dialect.name == "postgresql" and not _has_schema(connection, tables):
        connection.execute(sa.schema.CreateSchema(tables.schema))
    tables.metadata.create_all(connection, checkfirst=False)
    for statement in finishing(tables, connection.dialect.name):
        connection.exec_driver_sql(statement)
    run(connection, sql.insert["meta"], (1, FORMAT, origin or f"estate-funds/{secrets.token_hex(8)}"))
    run(connection, sql.insert["version"], (revision(FORMAT),))


def migrate(connection: Connection, sql: Statements, origin: str) -> Migrated:
    """Bring a ledger to the newest format, within the transaction that is under way.

    Raises LedgerFormatError for a newer format, a half-migrated one or none, and for a journal with an entry that
    today's gate refuses; DamagedEntry where the journal does not hold, for then a migration would seal what somebody
    changed.
    """
    tables = sql.tables
    check_origin(origin)
    lock_format(connection, tables)
    found = found_format(connection, sql)
    if found is None:
        raise LedgerFormatError("the database holds no ledger", fix="check the address")
    if found > FORMAT:
        check_format(connection, sql)
    if found < FORMAT:
        lock(connection, sql)
        if connection.dialect.name == "postgresql":
            run(connection, f"SELECT pg_advisory_xact_lock({_LOCK_OF_FORMAT_1})")
        _upgrade(connection, tables, found, origin)
        try:  # through the gate, or it could not be used
            ledger = load(connection, sql, lambda: nullcontext(connection))
        except DamagedEntry as refused:  # which is no damage: its hashes were compared on the way
            raise _of_another_gate(connection, sql, refused) from None
        if snapshot_due(ledger, last_snapshot(connection, sql)) and snapshot_fits(connection.dialect.name, ledger):
            take_snapshot(connection, sql, ledger)
    size, blocks = run(
        connection, sql("SELECT (SELECT coalesce(max(seq), 0) FROM {entry}), (SELECT count(*) FROM {block})")
    ).fetchone()
    return Migrated(found, FORMAT, size, blocks, head_text(size, tree_at(connection, sql, size).root))


def check_origin(origin: str) -> None:
    """InputError for a name under which no checkpoint could be signed; an empty one is drawn at random."""
    if origin:
        Checkpoint(origin, 0, EMPTY_ROOT)


def _of_another_gate(connection: Connection, sql: Statements, refused: DamagedEntry) -> LedgerFormatError:
    """That a journal holds what was right when it was booked, and is not now: above all, years put right in red."""
    found = []
    reversals = sql("SELECT seq, effective, reference FROM {entry} WHERE kind = 'reversal' ORDER BY seq")
    undone = sql("SELECT effective FROM {entry} WHERE seq = ?")
    for seq, effective, reference in run(connection, reversals).fetchall():
        original = run(connection, undone, (int(reference),)).fetchone() if reference.isdecimal() else None
        if original is not None and original[0][:4] != effective[:4]:
            found.append((seq, f"entry {seq} of {effective[:4]} cancels entry {reference} of {original[0][:4]} in red"))
    more = f", and {counted(len(found) - 1, 'other')}" if len(found) > 1 else ""
    return LedgerFormatError(
        "the ledger holds reversals of entries of an earlier year, and this version books those as corrections in blue"
        if found
        else "the gate of this version refuses an entry that an earlier one booked",
        where=f"entry {found[0][0]}{more}" if found else refused.where,
        got=found[0][1] if found else refused.got,
        wanted="entries that the gate lets through again, for they are sealed as they are",
        fix="nobody changed it, its hashes hold: keep the version that wrote it to read this ledger, and book what it "
        "ends with as opening balances of a new one",
    )


def _upgrade(connection: Connection, tables: Tables, found: int, origin: str) -> None:
    """Run Alembic's migrations on this very connection: see migrations/env.py, which begins and commits nothing."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.joinpath("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(connection=connection, tables=tables, origin=origin)
    command.stamp(config, revision(found))  # format 1 was written before there were migrations
    command.upgrade(config, revision(FORMAT))


# --- turns ---


def lock(connection: Connection, sql: Statements) -> None:
    """Wait for the turn of the only writer, until the transaction ends. On SQLite, BEGIN IMMEDIATE has done so.

    The lock is named by the table itself, so it is one lock by whatever schema or search path the table is reached.
    """
    if connection.dialect.name == "postgresql":
        run(connection, sql(_TURN))


def lock_format(connection: Connection, tables: Tables) -> None:
    """Wait until no other process creates or migrates the ledger of this name."""
    if connection.dialect.name == "postgresql":
        name = f"{tables.schema}.{tables.prefix}"
        run(connection, f"SELECT pg_advisory_xact_lock({_LOCK}, hashtext('{name}'))")


def _exists(connection: Connection, tables: Tables, table: sa.Table) -> bool:
    """Whether a table is there, without an error that would end a PostgreSQL transaction."""
    if connection.dialect.name == "postgresql":
        found = run(connection, "SELECT to_regclass(%s)", (tables.qualified(table.name),)).fetchone()
        return found[0] is not None
    catalogue = f"{tables.schema}.sqlite_master" if tables.schema else "sqlite_master"
    named = f"SELECT 1 FROM {catalogue} WHERE type = 'table' AND name = ?"
    return run(connection, named, (table.name,)).fetchone() is not None


def _has_schema(connection: Connection, tables: Tables) -> bool:
    return bool(run(connection, "SELECT 1 FROM pg_namespace WHERE nspname = %s", (tables.schema,)).fetchone())
