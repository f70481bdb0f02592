"""Adding to the journal: rows through the driver, blocks that became complete, a snapshot when one is due.

One entry goes in with as few round trips as there can be; many go in with SQLite's `executemany` and PostgreSQL's
binary COPY. What is sealed is checked against the tree of the ledger first, so a block never disagrees with its leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from estate_funds.journal import Entry
from estate_funds.ledger import Ledger
from estate_funds.merkle import BLOCK_LEAVES, HASH_SIZE, Frontier, tree_root, within_batch
from estate_funds.money import MAX_FEN
from estate_funds.store.rows import INFLOW, Statements, blob, damaged, entry_row, line_rows, read_columns, run

if TYPE_CHECKING:
    from estate_funds.columns import Columns

# At least so many lie between two snapshots: few enough to read the balance of a fund that takes part in all of them
# in 5 ms, and to fold them when a ledger is loaded in a fifth of a second.
SNAPSHOT_ENTRIES = 2_048
_LONGEST_KEY = 2_600  # bytes of fund, account and detail, beside which there is a number
_FEW = 16  # entries that PostgreSQL takes one by one; for more, COPY is cheaper
_SHIFT = BLOCK_LEAVES.bit_length() - 1
_COPY_TYPES = {
    "entry": ["int8", *["text"] * 17, "bytea", "bytea"],
    "posting": ["int8", "int4", "text", "text", "text", "text", "int8"],
    "snapshot": ["int8", "text", "text", "text", "int8"],
}
_FEW_LINES = 8  # of an entry: as many statements as these are prepared on a connection, and no more
Row = tuple[object, ...]


def add_entries(connection: Connection, sql: Statements, entries: Sequence[Entry], root: bytes) -> None:
    """Add the rows of entries, the last with the root of the tree after it, the others with `within_batch`."""
    within = within_batch(entries[-1].seq)
    if connection.dialect.driver == "psycopg" and len(entries) <= _FEW:
        for entry in entries:
            _add_to_postgresql(connection, sql, entry, root if entry is entries[-1] else within)
        return
    if len(entries) == 1:
        run(connection, sql.insert["entry"], entry_row(entries[0], root))
    else:
        rows = [entry_row(entry, within) for entry in entries[:-1]]
        insert_many(connection, sql, "entry", [*rows, entry_row(entries[-1], root)])
    insert_many(connection, sql, "posting", [line for entry in entries for line in line_rows(entry)])


def _add_to_postgresql(connection: Connection, sql: Statements, entry: Entry, root: bytes) -> None:
    """Add an entry and its lines in one statement, or in two where it has many.

    Numbers go as bigint whatever their size: with parameters of the same types, the server plans a statement once.
    """
    from psycopg.types.numeric import Int8

    row, lines = entry_row(entry, root), line_rows(entry)
    if not 0 < len(lines) <= _FEW_LINES:
        run(connection, sql.insert["entry"], row)
        connection.connection.cursor().executemany(sql.insert["posting"], lines)
        return
    values: list[object] = [Int8(entry.seq), *row[1:]]
    for number, posting in enumerate(entry.draft.postings, start=1):
        values += [Int8(entry.seq), number, *posting[:4], Int8(posting.amount_fen)]
    run(connection, sql(_whole(len(lines))), values)


@lru_cache
def _whole(lines: int) -> str:
    """The statement that adds an entry and so many lines."""
    entry, line = (f"({', '.join('?' * len(_COPY_TYPES[table]))})" for table in ("entry", "posting"))
    added = "WITH one AS (INSERT INTO {entry} ({fields}) VALUES " + entry + ")"
    return added + " INSERT INTO {posting} ({lines}) VALUES " + ", ".join([line] * lines)


def insert_many(connection: Connection, sql: Statements, table: str, rows: Iterable[Row]) -> None:
    """Add rows, values in the order of the table's columns, the fastest way that the driver has."""
    cursor: Any = connection.connection.cursor()
    if connection.dialect.driver != "psycopg" or table not in _COPY_TYPES:
        cursor.executemany(sql.insert[table], rows)
        return
    with cursor.copy(_copying(sql, table)) as copy:
        copy.set_types(_COPY_TYPES[table])
        for row in rows:
            copy.write_row(row)


@dataclass(frozen=True, slots=True)
class ColumnBatch:
    """A batch in columns, with its leaf hashes, 32 bytes each."""

    columns: Columns
    leaves: bytes


Batch = Sequence[Entry] | ColumnBatch


def add_columns(connection: Connection, sql: Statements, batch: ColumnBatch, root: bytes) -> None:
    """Add the rows of entries in columns, as `add_entries` does."""
    from estate_funds.columns import entry_copy, entry_rows, posting_copy, posting_rows

    within = within_batch(batch.columns.first_seq + len(batch.columns) - 1)
    driver: Any = connection.connection.cursor().connection
    if connection.dialect.driver == "psycopg" and driver.info.encoding == "utf-8":
        _copy(connection, sql, "entry", entry_copy(batch.columns, batch.leaves, root, within))
        _copy(connection, sql, "posting", posting_copy(batch.columns))
    else:
        insert_many(connection, sql, "entry", entry_rows(batch.columns, batch.leaves, root, within))
        insert_many(connection, sql, "posting", posting_rows(batch.columns))


def _copy(connection: Connection, sql: Statements, table: str, rows: Iterable[bytes]) -> None:
    """Add rows that are in PostgreSQL's binary form already."""
    from estate_funds.columns.copying import HEADER, TRAILER

    cursor: Any = connection.connection.cursor()
    with cursor.copy(_copying(sql, table)) as copy:
        copy.write(HEADER)
        for block in rows:
            copy.write(block)
        copy.write(TRAILER)


def _copying(sql: Statements, table: str) -> str:
    return sql(f"COPY {{{table}}} ({', '.join(sql.columns(table))}) FROM STDIN (FORMAT BINARY)")


# --- blocks ---


def seal(connection: Connection, sql: Statements, ledger: Ledger, batch: Batch, first: int) -> None:
    """Keep each block that became complete with a batch, whose first entry is `first`; what is before it is read back.

    DamagedEntry where the blocks, and the leaves after the last one, do not make the tree of the ledger: then somebody
    changed rows that no block held yet.
    """
    if (first - 1) >> _SHIFT == ledger.seq >> _SHIFT:
        return
    tree = Frontier()
    for (root,) in run(connection, sql("SELECT root FROM {block} ORDER BY number")).fetchall():
        tree.join(blob(root), BLOCK_LEAVES)
    for number in range(tree.size >> _SHIFT, ledger.seq >> _SHIFT):
        begin, end = (number << _SHIFT) + 1, (number + 1) << _SHIFT
        block, hashes = _columns(connection, sql, begin, end, batch, first)
        root = tree_root(hashes)
        run(connection, sql.insert["block"], (number, begin, end, root, block.to_ipc()))
        tree.join(root, BLOCK_LEAVES)
    tree.extend(leaves(connection, sql, tree.size + 1, ledger.seq))
    if tree != ledger.tree:
        raise damaged(f"entries up to {ledger.seq}", "the rows that are to be sealed are not those that were booked")


def _columns(
    connection: Connection, sql: Statements, begin: int, end: int, batch: Batch, first: int
) -> tuple[Columns, bytes]:
    """The entries `begin` to `end` in columns with their leaves: from the batch, and what is before it from rows."""
    from estate_funds.columns import Columns
    from estate_funds.columns import leaves as leaves_of

    start = max(begin, first)
    at, count = start - first, max(0, end - start + 1)
    if isinstance(batch, ColumnBatch) and begin == start:
        return batch.columns.slice(at, count), batch.leaves[at * HASH_SIZE : (at + count) * HASH_SIZE]
    before = read_columns(connection, sql, after=begin - 1, upto=min(end, start - 1))
    parts = [stored.columns for stored in before]
    if count:
        own = batch.columns.slice(at, count) if isinstance(batch, ColumnBatch) else batch[at : at + count]
        parts.append(own if isinstance(own, Columns) else Columns.from_entries(own))
    columns = Columns.joined(parts)
    return columns, leaves_of(columns)


def leaves(connection: Connection, sql: Statements, first: int, last: int) -> bytes:
    """The stored leaf hashes of entries `first` to `last`, one after the other."""
    statement = sql("SELECT leaf FROM {entry} WHERE seq BETWEEN ? AND ? ORDER BY seq")
    found = [blob(leaf) for (leaf,) in run(connection, statement, (first, last)).fetchall()]
    if any(len(leaf) != HASH_SIZE for leaf in found):
        raise damaged(f"entries {first} to {last}", f"a hash that has not {HASH_SIZE} bytes")
    return b"".join(found)


# --- snapshots ---


def last_snapshot(connection: Connection, sql: Statements) -> int:
    """The entry after which the last snapshot was taken; 0 where there is none."""
    return int(run(connection, sql("SELECT coalesce(max(seq), 0) FROM {snapshot}")).fetchone()[0])


def snapshot_due(ledger: Ledger, since: int) -> bool:
    """Whether so many entries lie behind the snapshot `since` that the next one costs a row an entry at most.

    Without a balance there is none: it would have no row, and nobody could tell that it was taken.
    """
    rows = len(ledger.balances) + len(ledger.inflows)
    return rows > 0 and ledger.seq - since >= max(SNAPSHOT_ENTRIES, rows)


def snapshot_fits(dialect: str, ledger: Ledger) -> bool:
    """Whether a database can hold a snapshot: 64 bits for each sum; a row of an index of PostgreSQL has 2,704 bytes.

    What came in during a year may be more than any balance ever was, and a detail may be longer. Refusing the snapshot
    would refuse every batch from there on, so none is taken then.
    """
    if any(abs(fen) > MAX_FEN for fen in ledger.inflows.values()):
        return False
    if dialect != "postgresql":
        return True
    long = (key for key in ledger.balances if 4 * sum(map(len, key)) > _LONGEST_KEY)  # a character has 4 bytes at most
    return all(len("".join(key).encode()) <= _LONGEST_KEY for key in long)


def take_snapshot(connection: Connection, sql: Statements, ledger: Ledger) -> None:
    """Keep all balances of a ledger, and what came into each fund by year."""
    rows: list[Row] = [(ledger.seq, *key, fen) for key, fen in ledger.balances.items()]
    rows += [(ledger.seq, fund, INFLOW, str(year), fen) for (fund, year), fen in ledger.inflows.items() if fen]
    insert_many(connection, sql, "snapshot", rows)
