"""The bare cost of what a ledger stores: its very rows into its very tables, by the driver alone or by SQLModel.

Usage: ledger_bare.py batch    LEDGER ROWS COUNT    executemany, or binary COPY, in one transaction
       ledger_bare.py plain    LEDGER ROWS COUNT    the same into tables without keys, indexes and triggers
       ledger_bare.py singles  LEDGER ROWS COUNT    one transaction an entry
       ledger_bare.py session  LEDGER ROWS COUNT    model objects, added to a SQLModel session and committed

LEDGER is a ledger of this library, an SQLite file or a postgresql:// address; ROWS is another one, an SQLite file with
the same entries and COUNT or more after them: those rows are read first, as ready tuples, off the clock. No check, no
hash, no sealed block, no snapshot.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from measure import Clock, report

ENTRY, POSTING = "estate_funds_entry", "estate_funds_posting"
TYPES = {
    ENTRY: ["int8", *["text"] * 17, "bytea", "bytea"],
    POSTING: ["int8", "int4", "text", "text", "text", "text", "int8"],
}
# As the library sets it: a log, a wait for the disk at each commit, and a cache that holds the upper pages of indexes.
PRAGMAS = ("busy_timeout = 30000", "recursive_triggers = ON", "synchronous = FULL", "cache_size = -65536")
Row = tuple[Any, ...]


def on_sqlite(address: str) -> bool:
    """Whether the ledger is a file."""
    return "://" not in address


def connected(address: str) -> Any:
    """A connection as the library has it."""
    if not on_sqlite(address):
        import psycopg

        return psycopg.connect(address)
    connection = sqlite3.connect(address, isolation_level=None)
    for pragma in (*PRAGMAS, "journal_mode = WAL"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def rows_after(source: str, last: int, count: int) -> tuple[list[Row], list[Row]]:
    """The rows of entries and of postings, `count` entries from the one after `last` on."""
    connection = sqlite3.connect(source)
    bounds = (last, last + count)
    entries = connection.execute(f"SELECT * FROM {ENTRY} WHERE seq > ? AND seq <= ? ORDER BY seq", bounds).fetchall()
    postings = connection.execute(f"SELECT * FROM {POSTING} WHERE seq > ? AND seq <= ? ORDER BY seq, line", bounds)
    found = entries, postings.fetchall()
    connection.close()
    return found


def last_entry(connection: Any) -> int:
    """The number of entries that the ledger holds already."""
    cursor = connection.cursor()
    found = int(cursor.execute(f"SELECT max(seq) FROM {ENTRY}").fetchone()[0])
    connection.rollback()
    return found


def inserting(table: str, mark: str, name: str = "") -> str:
    """The statement that adds a row."""
    return f"INSERT INTO {name or table} VALUES ({', '.join([mark] * len(TYPES[table]))})"


def add(connection: Any, address: str, table: str, rows: Sequence[Row], name: str = "") -> None:
    """Add many rows, the fastest way that the driver documents."""
    cursor = connection.cursor()
    if on_sqlite(address):
        cursor.executemany(inserting(table, "?", name), rows)
        return
    with cursor.copy(f"COPY {name or table} FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(TYPES[table])
        for row in rows:
            copy.write_row(row)


def batch(address: str, source: str, count: int, *, plain: bool = False) -> None:
    """All rows in one transaction."""
    connection = connected(address)
    entries, postings = rows_after(source, last_entry(connection), count)
    names = ("", "")
    if plain:
        names = ("plain_entry", "plain_posting")
        for table, name in zip((ENTRY, POSTING), names, strict=True):
            connection.cursor().execute(f"CREATE TABLE {name} AS SELECT * FROM {table} WHERE seq < 0")
        connection.commit()
    clock = Clock()
    if on_sqlite(address):
        connection.execute("BEGIN IMMEDIATE")
    add(connection, address, ENTRY, entries, names[0])
    add(connection, address, POSTING, postings, names[1])
    connection.commit()
    taken = clock.read("post")
    connection.close()
    report(**taken, entries=len(entries), postings=len(postings))


def singles(address: str, source: str, count: int) -> None:
    """One transaction an entry."""
    connection = connected(address)
    entries, postings = rows_after(source, last_entry(connection), count)
    lines = {seq: list(rows) for seq, rows in groupby(postings, key=lambda row: row[0])}
    work = [(row, lines.get(row[0], [])) for row in entries]
    clock = Clock()
    if on_sqlite(address):
        entry, line = inserting(ENTRY, "?"), inserting(POSTING, "?")
        for row, its_lines in work:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(entry, row)
            connection.executemany(line, its_lines)
            connection.commit()
    else:
        entry, line = inserting(ENTRY, "%s"), inserting(POSTING, "%s")
        cursor = connection.cursor()
        for row, its_lines in work:
            cursor.execute(entry, row)
            cursor.executemany(line, its_lines)
            connection.commit()
    taken = clock.read("post")
    connection.close()
    report(**taken, entries=len(entries))


def session(address: str, source: str, count: int) -> None:
    """What an application does that has models and no more."""
    from sqlmodel import Session, create_engine

    connection = connected(address)
    entries, postings = rows_after(source, last_entry(connection), count)
    connection.close()
    engine = create_engine(f"sqlite:///{address}" if on_sqlite(address) else address)
    entry, line = models()
    clock = Clock()
    with Session(engine) as opened:
        opened.add_all(made(entry, entries))
        opened.add_all(made(line, postings))
        opened.commit()
    taken = clock.read("post")
    engine.dispose()
    report(**taken, entries=len(entries), postings=len(postings))


def made(model: Any, rows: Iterable[Row]) -> Iterator[Any]:
    """Rows as objects of a model."""
    names = list(model.model_fields)
    return (model(**dict(zip(names, row, strict=True))) for row in rows)


def models() -> tuple[Any, Any]:
    """The two tables as SQLModel's own manual would have them."""
    from sqlmodel import Field, SQLModel

    class Entry(SQLModel, table=True):
        __tablename__ = ENTRY
        seq: int = Field(primary_key=True)
        recorded: str
        policy: str
        registry_digest: str = Field(sa_column_kwargs={"name": "registry"})
        kind: str
        effective: str
        key: str
        maker: str
        approver: str
        narrative: str
        document: str
        clause: str
        purpose: str
        payee: str
        payee_class: str
        reference: str
        terms: str
        evidence: str
        leaf: bytes
        root: bytes

    class Posting(SQLModel, table=True):
        __tablename__ = POSTING
        seq: int = Field(primary_key=True)
        line: int = Field(primary_key=True)
        fund: str
        account: str
        detail: str
        side: str
        amount_fen: int

    return Entry, Posting


if __name__ == "__main__":
    verb, ledger, source, count = sys.argv[1:]
    if verb == "plain":
        batch(ledger, source, int(count), plain=True)
    else:
        {"batch": batch, "singles": singles, "session": session}[verb](ledger, source, int(count))
