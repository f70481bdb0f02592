"""Whatever is changed directly in the database, triggers taken away: the audit finds it, and the list says by what.

The ledger holds every kind of entry, sealed blocks (of 32 entries here, so that several fit), snapshots and evidence.
Each mutation is done in a transaction that is rolled back, and audited in it. tests/golden/mutations.txt says for each
what caught it: a rule of the audit, the format check at opening, or the database itself; it is made anew by running
`pytest tests/test_mutations.py` with the variable GOLDEN=write.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from conftest import HANDS, ROOT, TODAY
from estate_funds import Books
from estate_funds.audit import AuditReport
from estate_funds.columns import Columns
from estate_funds.errors import InputError, LedgerFormatError, StoreError
from estate_funds.journal import Entry
from estate_funds.ledger import Ledger, refold
from estate_funds.merkle import Frontier, tree_root
from estate_funds.store import Store, ledger_url
from estate_funds.store.rows import entry_row, line_rows
from estate_funds.testing.simulate.blocks import blocks_of
from estate_funds.vouchers import spend
from faults import JOURNAL
from journals import PAPERS, SHARE, full_history, papers

GOLDEN = Path(__file__).parent / "golden" / "mutations.txt"
PAGE = ROOT / "docs" / "reference" / "faults.md"
LIST = re.compile("^```text\n.*?^```\n", re.MULTILINE | re.DOTALL)
LEAVES = 32
P = "estate_funds_"
ENTRY, POSTING, BLOCK, SNAPSHOT, META, VERSION = (
    P + table for table in ("entry", "posting", "block", "snapshot", "meta", "version")
)


# --- the ledger -----------------------------------------------------------------------------------------------------


def journal() -> list[Entry]:
    """Every kind of entry, and some more, so that there are several blocks and snapshots."""
    history, on = full_history(), date(2025, 1, 7)
    for number in range(34):
        history.book(
            spend(
                SHARE, 3, purpose="cleaning", payee="firm", payee_class="enterprise", on=on, key=f"more/{number}",
                hands=HANDS, evidence=papers("invoice"),
            )
        )  # fmt: skip
    return history.entries


def write(address: str, entries: list[Entry]) -> None:
    """A ledger of these entries, in batches of several sizes."""
    store, ledger, rest, number = Store.open(address, origin="nanchang.example/award"), Ledger(), list(entries), 0
    while rest:
        size = (1, 4, 2, 7, 1, 9)[number % 6]
        batch, rest, number = rest[:size], rest[size:], number + 1
        with store.writing() as connection:
            for entry in batch:
                refold(ledger, entry)
            store.append(connection, batch, ledger)
    store.close()


@dataclass
class Spoilt:
    """A transaction in which something is changed: what a mutation works with."""

    connection: sa.Connection
    entries: list[Entry]
    papers: Path
    undo: list[Callable[[], None]] = field(default_factory=list)

    def run(self, statement: str, *values: object) -> None:
        if self.connection.dialect.name == "postgresql":
            statement = statement.replace("?", "%s").replace("zeroblob(32)", "decode(repeat('00', 32), 'hex')")
            statement = re.sub(r"x'([0-9a-f]*)'", r"decode('\1', 'hex')", statement)
        self.connection.exec_driver_sql(statement, tuple(values))

    def all(self, statement: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in self.connection.exec_driver_sql(statement)]

    def put(self, entry: Entry, *, root: bytes | None = None) -> None:
        """Write an entry over the one of its number, with the leaf that fits, and a root if one is given."""
        self.run(f"DELETE FROM {POSTING} WHERE seq = ?", entry.seq)
        (kept,) = [*self.all(f"SELECT root FROM {ENTRY} WHERE seq = {entry.seq}"), (b"",)][:1]
        self.run(f"DELETE FROM {ENTRY} WHERE seq = ?", entry.seq)
        self.run(f"INSERT INTO {ENTRY} VALUES ({', '.join('?' * 20)})", *entry_row(entry, bytes(kept[0]) if root is None else root))  # type: ignore[arg-type]  # fmt: skip
        for line in line_rows(entry):
            self.run(f"INSERT INTO {POSTING} VALUES ({', '.join('?' * 7)})", *line)


Mutation = Callable[[Spoilt], None]


def sql(*statements: str) -> Mutation:
    def mutate(spoilt: Spoilt) -> None:
        for statement in statements:
            spoilt.run(statement)

    return mutate


# --- the corpus -----------------------------------------------------------------------------------------------------

RICH = 17  # a spending on evidence, within a sealed block, and within a batch
LAST_OF_BATCH = 15
GOVERNING = 2  # opens a fund
TAIL = 88  # after the last sealed block
SIZE = 91
DIGEST = "1" * 64
TEXTS = (
    "policy", "registry", "key", "maker", "approver", "narrative", "document", "clause", "purpose", "payee",
    "payee_class", "reference",
)  # fmt: skip


def corpus() -> dict[str, Mutation]:
    """Every mutation by what it does, the same words in the golden list."""
    made: dict[str, Mutation] = {}
    made.update(fields_of_entries())
    made.update(fields_of_postings())
    made.update(fields_of_the_rest())
    made.update(whole_rows())
    made.update(consistent_edits())
    made.update(documents())
    return made


def fields_of_entries() -> Iterator[tuple[str, Mutation]]:
    """Each column of an entry, to other values of its type and of others."""

    def to(column: str, value: str, seq: int = RICH) -> tuple[str, Mutation]:
        name = f"entry {seq}: {column} = {value if len(value) < 40 else value[:20] + '...'}"
        return name, sql(f"UPDATE {ENTRY} SET {column} = {value} WHERE seq = {seq}")

    for column in TEXTS:
        yield to(column, "'x'")
        yield to(column, f"{column} || ' '")
        yield to(column, f"{column} || 'x'", GOVERNING)
        yield to(column, f"{column} || 'x'", SIZE)
        if column not in ("policy", "registry", "reference"):
            yield to(column, "''")
        yield to(column, "NULL")
    for column in ("recorded", "effective"):
        for value in (
            "'2022-03-04'",
            "'2023-03-03'",
            "'20220303'",
            "'2022-W09-4'",
            "'soon'",
            "''",
            "' 2022-03-03'",
            "NULL",
        ):
            yield to(column, value)
    for value in ("'receipt'", "'SPENDING'", "'gift'", "''", "NULL"):
        yield to("kind", value)
    yield to("terms", "'a\tb'")
    yield to("terms", "''", GOVERNING)
    yield to("terms", "terms || '\na\tb'", GOVERNING)
    yield to("terms", "replace(terms, 'cleaning', 'banquet')", GOVERNING)
    yield to("terms", "NULL")
    yield to("evidence", f"'invoice\t{DIGEST}'")
    yield to("evidence", "replace(evidence, 'invoice', 'receipt')")
    yield to("evidence", f"evidence || '\naudit\t{DIGEST}'")
    yield to("evidence", "evidence || '\tx'")
    yield to("evidence", "'invoice'")
    yield to("evidence", "''")
    yield to("evidence", "NULL")
    for seq in (1, RICH, LAST_OF_BATCH, SIZE):
        yield to("leaf", "zeroblob(32)", seq)
        yield to("root", "zeroblob(32)", seq)
        yield to("root", "x''", seq)
    yield to("root", f"(SELECT root FROM {ENTRY} WHERE seq = 1)", RICH)
    yield to("root", f"(SELECT root FROM {ENTRY} WHERE seq = 1)", SIZE)
    yield to("leaf", f"(SELECT leaf FROM {ENTRY} WHERE seq = 1)", RICH)
    yield to("leaf", "x''", RICH)
    yield to("leaf", "x'00'", RICH)
    yield to("leaf", "NULL", RICH)
    yield to("root", "NULL", RICH)
    for seq, value in ((RICH, "99"), (RICH, "0"), (RICH, "-1"), (1, "0"), (SIZE, str(SIZE + 1)), (SIZE, "NULL")):
        yield to("seq", value, seq)
    # Text that would give the same canonical bytes, with the borders of fields elsewhere.
    moved = f"UPDATE {ENTRY} SET reference = reference || '\nevidence\t' || evidence, evidence = '' WHERE seq = {RICH}"
    yield f"entry {RICH}: the evidence moved into the reference", sql(moved)
    moved = f"UPDATE {ENTRY} SET reference = '\nterm\t' || replace(terms, '\n', '\nterm\t'), terms = '' WHERE seq = {GOVERNING}"
    yield f"entry {GOVERNING}: the terms moved into the reference", sql(moved)
    for seq in (GOVERNING, RICH):
        yield (
            f"entry {seq}: all texts empty",
            sql(f"UPDATE {ENTRY} SET " + ", ".join(f"{c} = ''" for c in TEXTS if c != "key") + f" WHERE seq = {seq}"),
        )


def fields_of_postings() -> Iterator[tuple[str, Mutation]]:
    """Each column of a posting."""

    def to(column: str, value: str, line: int = 1, seq: int = RICH) -> tuple[str, Mutation]:
        where = f"seq = {seq} AND line = {line}"
        return f"posting {seq}/{line}: {column} = {value}", sql(
            f"UPDATE {POSTING} SET {column} = {value} WHERE {where}"
        )

    for column in ("fund", "account", "detail", "side"):
        for value in ("'x'", "''", f"{column} || ' '", "NULL"):
            if not (column == "detail" and value == "''"):
                yield to(column, value)
    yield to("fund", "'share/community/m'")
    yield to("account", "'funding'")
    yield to("detail", "'repair'")
    yield to("side", "'C'")
    yield to("side", "'d'")
    for value in (
        "amount_fen + 1",
        "amount_fen - 1",
        "-amount_fen",
        "0",
        "9223372036854775807",
        "-9223372036854775807",
        "NULL",
    ):
        yield to("amount_fen", value)
    for value in ("0", "7", "-1", "2147483647", "NULL"):
        yield to("line", value)
    yield to("line", "7", 4)
    for value in ("99", "18", "0", "NULL"):
        yield to("seq", value)
    yield (
        "posting 17: lines 1 and 2 change places",
        sql(
            f"UPDATE {POSTING} SET line = 9 WHERE seq = 17 AND line = 1",
            f"UPDATE {POSTING} SET line = 1 WHERE seq = 17 AND line = 2",
            f"UPDATE {POSTING} SET line = 2 WHERE seq = 17 AND line = 9",
        ),
    )
    yield (
        "posting 17: all lines one further",
        sql(*(f"UPDATE {POSTING} SET line = {n + 1} WHERE seq = 17 AND line = {n}" for n in (4, 3, 2, 1))),
    )
    yield (
        "posting: a fen from one spending to another",
        sql(
            f"UPDATE {POSTING} SET amount_fen = amount_fen - 1 WHERE seq = 60",
            f"UPDATE {POSTING} SET amount_fen = amount_fen + 1 WHERE seq = 61",
        ),
    )
    yield (
        "posting: all amounts of an entry doubled",
        sql(f"UPDATE {POSTING} SET amount_fen = 2 * amount_fen WHERE seq = 60"),
    )
    yield "posting: an amount that is text", sql(f"UPDATE {POSTING} SET amount_fen = 'much' WHERE seq = 60")


def fields_of_the_rest() -> Iterator[tuple[str, Mutation]]:
    """Each column of blocks, snapshots, and of the tables that say what the ledger is."""

    def to(table: str, column: str, value: str, where: str) -> tuple[str, Mutation]:
        what = f"{table.removeprefix(P)} {where.rpartition(' = ')[2]}" if table == BLOCK else table.removeprefix(P)
        shown = value if len(value) < 40 else "that of another block"
        return f"{what}: {column} = {shown}", sql(f'UPDATE {table} SET "{column}" = {value} WHERE {where}')

    for number in (0, 1):
        where = f"number = {number}"
        for value in ("9", "-1", "NULL"):
            yield to(BLOCK, "number", value, where)
        for column in ("first_seq", "last_seq"):
            for value in (f"{column} + 1", f"{column} - 1", "0", "-1", "NULL"):
                yield to(BLOCK, column, value, where)
        for value in ("zeroblob(32)", "x''", f"(SELECT root FROM {BLOCK} WHERE number = {1 - number})", "NULL"):
            yield to(BLOCK, "root", value, where)
        for value in (
            "x''",
            "x'00'",
            "zeroblob(32)",
            f"(SELECT data FROM {BLOCK} WHERE number = {1 - number})",
            "NULL",
        ):
            yield to(BLOCK, "data", value, where)
        for place in (0, 20, 60, 500, -9, -1):
            yield f"block {number}: a bit of data at {place}", flipped(number, place)
        yield f"block {number}: data cut short", cut(number)
        yield f"block {number}: data with more behind it", longer(number)
    first = f"seq = (SELECT min(seq) FROM {SNAPSHOT}) AND account = 'cash' AND fund = 'share/community/k'"
    last = f"seq = (SELECT max(seq) FROM {SNAPSHOT}) AND account = 'cash' AND fund = 'share/community/k'"
    for which, where in (("first", first), ("last", last)):
        for column, value in (
            ("seq", "1"), ("seq", "2"), ("seq", "999"), ("seq", "NULL"), ("fund", "'share/community/x'"), ("fund", "''"),
            ("fund", "NULL"), ("account", "'funding'"), ("account", "''"), ("account", "NULL"), ("detail", "'x'"),
            ("detail", "NULL"), ("fen", "fen + 1"), ("fen", "0"), ("fen", "-fen"), ("fen", "NULL"), ("fen", "'much'"),
        ):  # fmt: skip
            yield (
                f"snapshot, {which}: {column} = {value}",
                sql(f"UPDATE {SNAPSHOT} SET {column} = {value} WHERE {where}"),
            )
    inflow = f"account = 'inflow' AND seq = (SELECT max(seq) FROM {SNAPSHOT})"
    yield "snapshot, inflow: fen + 1", sql(f"UPDATE {SNAPSHOT} SET fen = fen + 1 WHERE {inflow}")
    yield (
        "snapshot, inflow: year",
        sql(f"UPDATE {SNAPSHOT} SET detail = '1999' WHERE {inflow} AND fund = 'share/community/k' AND detail = '2022'"),
    )
    yield (
        "snapshot: all of the last moved to the entry before",
        sql(f"UPDATE {SNAPSHOT} SET seq = seq - 1 WHERE seq = (SELECT max(seq) FROM {SNAPSHOT})"),
    )
    for column, value in (
        ("only", "2"), ("only", "NULL"), ("format", "1"), ("format", "3"), ("format", "0"), ("format", "NULL"),
        ("origin", "'other.example/x'"), ("origin", "''"), ("origin", "NULL"),
    ):  # fmt: skip
        yield to(META, column, value, "0 = 0")
    for value in ("'0001'", "'0003'", "''", "'x'", "NULL"):
        yield to(VERSION, "version_num", value, "0 = 0")


def flipped(number: int, place: int) -> Mutation:
    def mutate(spoilt: Spoilt) -> None:
        data = bytearray(block_data(spoilt, number))
        data[place] ^= 4
        spoilt.run(f"UPDATE {BLOCK} SET data = ? WHERE number = ?", bytes(data), number)

    return mutate


def cut(number: int) -> Mutation:
    return lambda spoilt: spoilt.run(
        f"UPDATE {BLOCK} SET data = ? WHERE number = ?", block_data(spoilt, number)[:-50], number
    )


def longer(number: int) -> Mutation:
    return lambda spoilt: spoilt.run(
        f"UPDATE {BLOCK} SET data = ? WHERE number = ?", block_data(spoilt, number) + b"more", number
    )


def block_data(spoilt: Spoilt, number: int) -> bytes:
    return bytes(spoilt.all(f"SELECT data FROM {BLOCK} WHERE number = {number}")[0][0])  # type: ignore[arg-type]


def whole_rows() -> Iterator[tuple[str, Mutation]]:
    """Rows deleted, added, exchanged, renumbered, cut off."""

    def gone(seqs: str) -> tuple[str, ...]:
        return f"DELETE FROM {ENTRY} WHERE seq {seqs}", f"DELETE FROM {POSTING} WHERE seq {seqs}"

    for seq in (1, GOVERNING, RICH, 48, 49):
        yield f"entry {seq} deleted", sql(*gone(f"= {seq}"))
        yield f"entry {seq} deleted, its postings not", sql(gone(f"= {seq}")[0])
    yield "entries 1 to 16 deleted", sql(*gone("<= 16"))
    yield "entries 20 to 29 deleted", sql(*gone("BETWEEN 20 AND 29"))
    yield "postings of entry 17 deleted", sql(gone("= 17")[1])
    yield "one posting of entry 17 deleted", sql(f"DELETE FROM {POSTING} WHERE seq = 17 AND line = 4")
    yield (
        "a posting added to entry 17",
        sql(f"INSERT INTO {POSTING} VALUES (17, 5, 'share/community/k', 'cash', '', 'D', 5)"),
    )
    yield (
        "two postings that balance added to entry 17",
        sql(
            f"INSERT INTO {POSTING} VALUES (17, 5, 'share/community/k', 'cash', '', 'D', 5)",
            f"INSERT INTO {POSTING} VALUES (17, 6, 'share/community/k', 'cash', '', 'C', 5)",
        ),
    )
    yield (
        "postings added to entry 2, which has none",
        sql(f"INSERT INTO {POSTING} VALUES (2, 1, 'share/community/k', 'cash', '', 'D', 5)"),
    )
    yield (
        "a posting of no entry added",
        sql(f"INSERT INTO {POSTING} VALUES (999, 1, 'share/community/k', 'cash', '', 'D', 5)"),
    )
    yield (
        "a posting of entry 0 added",
        sql(f"INSERT INTO {POSTING} VALUES (0, 1, 'share/community/k', 'cash', '', 'D', 5)"),
    )
    yield "an entry copied to the end", copied
    yield (
        "an entry copied before the first",
        sql(
            f"INSERT INTO {ENTRY} SELECT 0, {', '.join(c if c != 'key' else chr(39) + 'new' + chr(39) for c in columns(ENTRY)[1:])} FROM {ENTRY} WHERE seq = 1"
        ),
    )
    yield "an entry that the gate refuses, with leaf and root", smuggled
    yield "an entry that takes money, with leaf, without root", lambda spoilt: smuggle(spoilt, fen=3, root=b"")
    yield "entries 20 and 21 exchanged", exchanged(20, 21)
    yield "entries 60 and 61 exchanged", exchanged(60, 61)
    yield "entries 20 and 21 exchanged, with their leaves", lambda spoilt: swapped_whole(spoilt, 20, 21)
    yield (
        "postings of entries 60 and 15 exchanged",
        sql(
            f"UPDATE {POSTING} SET seq = 9999 WHERE seq = 15",
            f"UPDATE {POSTING} SET seq = 15 WHERE seq = 60",
            f"UPDATE {POSTING} SET seq = 60 WHERE seq = 9999",
        ),
    )
    yield "every entry from 50 on renumbered", renumbered
    for last in (SIZE - 1, 90, 81, 80, 60, 40, 17, 1, 0):
        yield f"cut off after entry {last}", sql(*gone(f"> {last}"))
        if last in (81, 60, 0):
            yield f"cut off after entry {last}, postings left", sql(gone(f"> {last}")[0])
    yield (
        "cut off after entry 47, with blocks and snapshots",
        sql(*gone("> 47"), f"DELETE FROM {BLOCK} WHERE last_seq > 47", f"DELETE FROM {SNAPSHOT} WHERE seq > 47"),
    )
    yield "everything deleted", sql(*gone("> 0"), f"DELETE FROM {BLOCK}", f"DELETE FROM {SNAPSHOT}")
    for number in (0, 1):
        yield f"block {number} deleted", sql(f"DELETE FROM {BLOCK} WHERE number = {number}")
    yield "all blocks deleted", sql(f"DELETE FROM {BLOCK}")
    yield "a block added", sql(f"INSERT INTO {BLOCK} SELECT 2, 65, 96, root, data FROM {BLOCK} WHERE number = 1")
    yield (
        "a block added before the first",
        sql(f"INSERT INTO {BLOCK} SELECT -1, -31, 0, root, data FROM {BLOCK} WHERE number = 0"),
    )
    yield (
        "blocks 1 and 2 exchanged",
        sql(
            f"UPDATE {BLOCK} SET number = 77 WHERE number = 1",
            f"UPDATE {BLOCK} SET number = 1 WHERE number = 2",
            f"UPDATE {BLOCK} SET number = 2 WHERE number = 77",
        ),
    )
    last = f"(SELECT max(seq) FROM {SNAPSHOT})"
    yield (
        "a row of the last snapshot deleted",
        sql(f"DELETE FROM {SNAPSHOT} WHERE seq = {last} AND account = 'cash' AND fund = 'share/community/k'"),
    )
    yield "the last snapshot deleted", sql(f"DELETE FROM {SNAPSHOT} WHERE seq = {last}")
    yield "the first snapshot deleted", sql(f"DELETE FROM {SNAPSHOT} WHERE seq = (SELECT min(seq) FROM {SNAPSHOT})")
    yield "all snapshots deleted", sql(f"DELETE FROM {SNAPSHOT}")
    for fen in (5, 0):
        yield (
            f"a row of {fen} fen added to a snapshot",
            sql(f"INSERT INTO {SNAPSHOT} SELECT {last}, 'share/community/x', 'cash', '', {fen}"),
        )
    yield (
        "a snapshot added after entry 3",
        sql(f"INSERT INTO {SNAPSHOT} VALUES (3, 'share/community/k', 'cash', '', 5)"),
    )
    yield (
        "a snapshot added after the last entry",
        sql(f"INSERT INTO {SNAPSHOT} SELECT {SIZE}, fund, account, detail, fen FROM {SNAPSHOT} WHERE seq = {last}"),
    )
    yield (
        "a snapshot added after what is not there",
        sql(f"INSERT INTO {SNAPSHOT} VALUES (999, 'share/community/k', 'cash', '', 5)"),
    )
    yield "meta deleted", sql(f"DELETE FROM {META}")
    yield "a second row of meta", sql(f"INSERT INTO {META} VALUES (2, 2, 'other')")
    yield "a second row of meta, before the first", sql(f"INSERT INTO {META} VALUES (0, 2, 'other')")
    yield "version deleted", sql(f"DELETE FROM {VERSION}")
    yield "a second row of version", sql(f"INSERT INTO {VERSION} VALUES ('0001')")


def columns(table: str) -> list[str]:
    from estate_funds.store.tables import PREFIX, tables_of

    return [column.name for column in tables_of(PREFIX, "").metadata.tables[table].columns]


def copied(spoilt: Spoilt) -> None:
    """The rows of a spending once more, at the end, under another key."""
    entry = spoilt.entries[59]
    spoilt.put(replace(entry, seq=SIZE + 1, draft=replace(entry.draft, key="again")), root=b"")
    spoilt.run(f"UPDATE {ENTRY} SET leaf = ? WHERE seq = ?", entry.leaf, SIZE + 1)


def smuggle(spoilt: Spoilt, fen: int, root: bytes | None = None) -> None:
    draft = replace(
        spoilt.entries[59].draft,
        key="smuggled",
        postings=tuple(p._replace(amount_fen=fen) for p in spoilt.entries[59].draft.postings),
    )
    entry = Entry(SIZE + 1, spoilt.entries[-1].recorded, draft)
    tree = Frontier()
    tree.extend(b"".join(each.leaf for each in [*spoilt.entries, entry]))
    spoilt.put(entry, root=tree.root if root is None else root)


def smuggled(spoilt: Spoilt) -> None:
    """More than the fund has, past the gate, with everything else as it should be."""
    smuggle(spoilt, fen=10**12)


def exchanged(one: int, other: int) -> Mutation:
    """The numbers of two entries exchanged, whatever else their rows hold."""
    return sql(
        *(
            f"UPDATE {table} SET seq = {new} WHERE seq = {old}"
            for table in (ENTRY, POSTING)
            for old, new in ((one, 9999), (other, one), (9999, other))
        )
    )


def swapped_whole(spoilt: Spoilt, one: int, other: int) -> None:
    """Two entries in each other's place, with leaves that fit."""
    first, second = spoilt.entries[one - 1], spoilt.entries[other - 1]
    for seq in (one, other):
        spoilt.run(f"DELETE FROM {POSTING} WHERE seq = ?", seq)
        spoilt.run(f"DELETE FROM {ENTRY} WHERE seq = ?", seq)
    spoilt.put(replace(second, seq=one), root=b"")
    spoilt.put(replace(first, seq=other), root=b"")


def renumbered(spoilt: Spoilt) -> None:
    for seq in range(SIZE, 49, -1):
        spoilt.run(f"UPDATE {ENTRY} SET seq = ? WHERE seq = ?", seq + 1, seq)
        spoilt.run(f"UPDATE {POSTING} SET seq = ? WHERE seq = ?", seq + 1, seq)


# --- edits that fit together ----------------------------------------------------------------------------------------


def changed(entries: list[Entry], seq: int, **changes: object) -> list[Entry]:
    """The journal with one entry otherwise."""
    made = list(entries)
    made[seq - 1] = replace(made[seq - 1], draft=replace(made[seq - 1].draft, **changes))  # type: ignore[arg-type]
    return made


def roots_after(entries: list[Entry]) -> dict[int, bytes]:
    tree, roots = Frontier(), {}
    for entry in entries:
        tree.append(entry.leaf)
        roots[entry.seq] = tree.root
    return roots


def forge(
    spoilt: Spoilt, entries: list[Entry], *, rows: bool = True, roots: bool = False, blocks: bool = False, snapshots: bool = False
) -> None:  # fmt: skip
    """Write a journal over the one that was booked: the rows with their leaves, roots, blocks and snapshots or not."""
    after, kept = roots_after(entries), dict(spoilt.all(f"SELECT seq, root FROM {ENTRY}"))
    for old, entry in zip(spoilt.entries, entries, strict=True):
        if rows and entry != old:
            spoilt.put(entry)
        if roots and len(bytes(kept[entry.seq])) == 32:  # type: ignore[arg-type]
            spoilt.run(f"UPDATE {ENTRY} SET root = ? WHERE seq = ?", after[entry.seq], entry.seq)
    if blocks:
        for number in range(len(entries) // LEAVES):
            inside = entries[number * LEAVES : (number + 1) * LEAVES]
            root = tree_root(b"".join(entry.leaf for entry in inside))
            data = Columns.from_entries(inside).to_ipc()
            spoilt.run(f"UPDATE {BLOCK} SET root = ?, data = ? WHERE number = ?", root, data, number)
    if snapshots:
        ledger, taken = Ledger(), {seq for (seq,) in spoilt.all(f"SELECT DISTINCT seq FROM {SNAPSHOT}")}
        spoilt.run(f"DELETE FROM {SNAPSHOT}")
        for entry in entries:
            ledger.advance(entry)
            if entry.seq in taken:
                lines = [(*key, fen) for key, fen in ledger.balances.items()]
                lines += [(fund, "inflow", str(year), fen) for (fund, year), fen in ledger.inflows.items()]
                for line in lines:
                    spoilt.run(f"INSERT INTO {SNAPSHOT} VALUES (?, ?, ?, ?, ?)", entry.seq, *line)


def consistent_edits() -> Iterator[tuple[str, Mutation]]:
    """An edit whose traces are covered: more of them each time."""

    def payee(seq: int, **parts: bool) -> Mutation:
        return lambda spoilt: forge(spoilt, changed(spoilt.entries, seq, payee="friend"), **parts)

    def amount(seq: int, **parts: bool) -> Mutation:
        def mutate(spoilt: Spoilt) -> None:
            postings = tuple(p._replace(amount_fen=p.amount_fen + 1) for p in spoilt.entries[seq - 1].draft.postings)
            forge(spoilt, changed(spoilt.entries, seq, postings=postings), **parts)

        return mutate

    for what, edit in (("another payee", payee), ("another amount", amount)):
        for seq in (RICH, 60, TAIL, SIZE):
            yield f"entry {seq}: {what}, with its leaf", edit(seq)
            yield f"entry {seq}: {what}, with its leaf and all roots", edit(seq, roots=True)
        yield f"entry {RICH}: {what}, in its block only", edit(RICH, rows=False, blocks=True)
        yield f"entry {RICH}: {what}, in rows and block", edit(RICH, blocks=True)
        yield f"entry {RICH}: {what}, in rows, roots and block", edit(RICH, roots=True, blocks=True)
        yield f"entry 60: {what}, everything from there on", edit(60, roots=True, blocks=True, snapshots=True)
        yield f"entry {SIZE}: {what}, everything from there on", edit(SIZE, roots=True, blocks=True, snapshots=True)
    paid_by_friend = changed(journal_of(60), 60, maker="friend")
    yield (
        "entry 60: another maker, everything from there on",
        lambda spoilt: forge(spoilt, paid_by_friend, roots=True, blocks=True, snapshots=True),
    )


def journal_of(upto: int) -> list[Entry]:
    return journal() if upto else []


# --- evidence -------------------------------------------------------------------------------------------------------


def documents() -> Iterator[tuple[str, Mutation]]:
    """What is in the folder beside the ledger."""
    invoice, audit = (hashlib.sha256(PAPERS[name]).hexdigest() for name in ("invoice", "audit"))

    def place(spoilt: Spoilt, digest: str) -> Path:
        return spoilt.papers / digest[:2] / digest[2:]

    def written(content: bytes) -> Mutation:
        def mutate(spoilt: Spoilt) -> None:
            file = place(spoilt, invoice)
            file.chmod(0o600)
            file.write_bytes(content)

        return mutate

    yield "evidence: another document under its digest", written(b"another")
    yield "evidence: the document emptied", written(b"")
    yield "evidence: a byte more", written(PAPERS["invoice"] + b"\n")
    yield "evidence: deleted", lambda spoilt: place(spoilt, invoice).unlink()
    yield "evidence: all of it deleted", lambda spoilt: shutil.rmtree(spoilt.papers)
    yield "evidence: two documents exchanged", lambda spoilt: exchange(place(spoilt, invoice), place(spoilt, audit))
    yield "evidence: a link in its place", lambda spoilt: link(place(spoilt, invoice), spoilt.papers)
    yield "evidence: a folder in its place", lambda spoilt: folder(place(spoilt, invoice))


def exchange(one: Path, other: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    other.rename(one)
    between.rename(other)


def folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


def link(place: Path, folder: Path) -> None:
    kept = folder / "kept-elsewhere"
    place.rename(kept)
    place.symlink_to(kept)


CORPUS = corpus()


# --- what catches each ----------------------------------------------------------------------------------------------


class Ground:
    """A ledger to mutate, and what was kept of it elsewhere: heads of earlier days, and a checkpoint."""

    def __init__(self, address: str, folder: Path) -> None:
        self.entries = journal()
        self.folder, self.address = folder, address
        write(address, self.entries)
        self.engine = sa.create_engine(ledger_url(address))
        with Books.open(address, evidence=folder / "papers", recorded_on=TODAY) as books:
            assert books.evidence is not None
            for text in PAPERS.values():
                books.evidence.add_bytes(text)
            self.kept = [f"{size}:{roots_after(self.entries)[size].hex()}" for size in (40, SIZE)]
            self.note = books.checkpoint().body

    def caught(self, mutation: Mutation) -> list[str]:
        """The rules that catch a mutation, in a transaction that is rolled back."""
        evidence = self.folder / "spoilt"
        shutil.rmtree(evidence, ignore_errors=True)
        shutil.copytree(self.folder / "papers", evidence)
        with self.engine.connect() as connection:
            begin(connection)
            spoilt = Spoilt(connection, self.entries, evidence)
            triggers = without_triggers(connection)
            try:
                mutation(spoilt)
            except sa.exc.DBAPIError:
                connection.rollback()
                return ["the database"]
            for statement in triggers:
                connection.exec_driver_sql(statement)
            try:
                return self.found(connection, evidence)
            finally:
                connection.rollback()

    def found(self, connection: sa.Connection, evidence: Path) -> list[str]:
        try:
            books = Books.within(connection, evidence=evidence, recorded_on=TODAY)
        except LedgerFormatError:
            return ["opening"]
        rules = rules_of(books.audit(rules=()))
        if not rules:
            rules = [
                f"{rule}, against a head that was kept"
                for rule in rules_of(books.audit(kept_heads=self.kept, rules=()))
            ]
        if not rules:
            try:
                rules = [] if books.checkpoint().body == self.note else ["a checkpoint that was kept"]
            except (InputError, StoreError):
                rules = ["a checkpoint that was kept"]  # none can be made any more
        return rules


def rules_of(report: AuditReport) -> list[str]:
    return sorted({finding.rule for finding in report.findings})


def begin(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.connection.dbapi_connection.isolation_level = None  # type: ignore[union-attr]
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def without_triggers(connection: sa.Connection) -> list[str]:
    """Take the triggers away; the statements that put them back."""
    if connection.dialect.name == "postgresql":
        for table in JOURNAL:
            connection.exec_driver_sql(f"ALTER TABLE {P}{table} DISABLE TRIGGER ALL")
        return [f"ALTER TABLE {P}{t} ENABLE ALWAYS TRIGGER {P}{t}_append_only" for t in JOURNAL]
    made = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name").all()
    for name, _ in made:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    return [str(statement) for _, statement in made]


@pytest.fixture(scope="module")
def small_blocks() -> Iterator[None]:
    with blocks_of(LEAVES):
        yield


@pytest.fixture(scope="module")
def ground(small_blocks: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("mutations")
    made = Ground(str(folder / "b.db"), folder)
    yield made
    made.engine.dispose()


def golden() -> dict[str, str]:
    lines = GOLDEN.read_text(encoding="utf-8").splitlines() if GOLDEN.exists() else []
    pairs = (line.rpartition("  ->  ") for line in lines if line and not line.startswith("#"))
    return {what: by for what, _, by in pairs}


def shown(name: str) -> str:
    return name.replace("\n", "\\n").replace("\t", "\\t")


def test_the_ledger_has_everything(ground: Ground) -> None:
    with Books.open(
        str(ground.engine.url), create=False, evidence=ground.folder / "papers", recorded_on=TODAY
    ) as books:
        assert len(books) == SIZE == len(ground.entries)
        assert len(list(books._store.blocks())) == SIZE // LEAVES
        assert len(list(books._store.snapshots())) >= 2
        report = books.audit(kept_heads=ground.kept, rules=())
        assert report.findings == ()
        assert report.head == ground.kept[-1]
    assert ground.caught(lambda spoilt: None) == []


def test_every_mutation_is_caught(ground: Ground) -> None:
    caught = {shown(name): "; ".join(ground.caught(mutation)) for name, mutation in CORPUS.items()}
    if os.environ.get("GOLDEN") == "write":
        head = "# What is changed directly in the database, and which check catches it: see docs/reference/faults.md\n"
        GOLDEN.write_text(head + "".join(f"{name}  ->  {by}\n" for name, by in caught.items()), encoding="utf-8")
        told = "".join(f"{name}  ->  {by}\n" for name, by in caught.items())
        PAGE.write_text(
            LIST.sub(lambda found: f"```text\n{told}```\n", PAGE.read_text(encoding="utf-8")), encoding="utf-8"
        )
    missed = [name for name, by in caught.items() if not by]
    assert missed == []
    assert caught == golden()


def test_the_page_lists_them_all() -> None:
    """docs/reference/faults.md holds the same list, and says of each rule what it is."""
    text = PAGE.read_text(encoding="utf-8")
    (listed,) = re.findall("^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert listed.splitlines() == [f"{what}  ->  {by}" for what, by in golden().items()]
    named = {
        rule for line in re.findall("^\\| ([a-z][^|]*) \\|", text, re.MULTILINE) for rule in [line, *line.split(", ")]
    }
    assert {rule for by in golden().values() for rule in by.split("; ")} <= named


def test_the_core_of_them_on_postgresql(small_blocks: None, fresh_postgres: str, tmp_path: Path) -> None:
    """The same rules catch the same changes there; what types and keys refuse there, the database does."""
    made = Ground(fresh_postgres, tmp_path)
    known, core = golden(), [name for number, name in enumerate(CORPUS) if number % 4 == 0 or "everything" in name]
    try:
        for name in core:
            by = "; ".join(made.caught(CORPUS[name]))
            assert by in (known[shown(name)], "the database"), name
    finally:
        made.engine.dispose()


# --- triggers -------------------------------------------------------------------------------------------------------

EDITS = [
    *(f"UPDATE {P}{table} SET {column}" for table, column in (
        ("meta", "format = 3"), ("entry", "narrative = 'x'"), ("posting", "amount_fen = 1"), ("block", "first_seq = 9"),
        ("snapshot", "fen = 1"),
    )),
    *(f"DELETE FROM {P}{table}" for table in JOURNAL),
    *(f"TRUNCATE {P}{table}" for table in JOURNAL),
    *(f"INSERT OR REPLACE INTO {P}{table} SELECT * FROM {P}{table}" for table in JOURNAL),
    *(f"REPLACE INTO {P}{table} SELECT * FROM {P}{table}" for table in JOURNAL),
    *(f"INSERT INTO {P}{table} SELECT * FROM {P}{table}" for table in JOURNAL),
    f"INSERT OR REPLACE INTO {ENTRY} SELECT 92, {{rest}} FROM {ENTRY} WHERE seq = 17",
    f"INSERT INTO {ENTRY} SELECT * FROM {ENTRY} WHERE seq = 17 ON CONFLICT (seq) DO UPDATE SET narrative = 'x'",
    f"INSERT INTO {POSTING} SELECT * FROM {POSTING} WHERE seq = 17 ON CONFLICT (seq, line) DO UPDATE SET amount_fen = 1",
    f"UPDATE OR REPLACE {ENTRY} SET key = 'r1' WHERE seq = 17",
    f"UPDATE OR IGNORE {ENTRY} SET narrative = 'x'",
    f"WITH gone AS (DELETE FROM {POSTING} RETURNING *) SELECT count(*) FROM gone",
    f"TRUNCATE {ENTRY}, {POSTING} CASCADE",
    f"MERGE INTO {ENTRY} AS e USING (SELECT 17 AS seq) AS n ON e.seq = n.seq WHEN MATCHED THEN DELETE",
]  # fmt: skip


def attempt(connection: sa.Connection, statement: str) -> str:
    """What the database says to a statement; the transaction is rolled back."""
    try:
        connection.exec_driver_sql(statement.replace("{rest}", ", ".join(columns(ENTRY)[1:])))
    except sa.exc.DBAPIError as error:
        return str(error.orig)
    finally:
        connection.rollback()
    return "done"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_edits_are_refused_while_the_triggers_stand(kind: str, small_blocks: None, ground: Ground, request: pytest.FixtureRequest, tmp_path: Path) -> None:  # fmt: skip
    made = ground if kind == "sqlite" else Ground(request.getfixturevalue("fresh_postgres"), tmp_path)
    refused = 0
    with made.engine.connect() as connection:  # as an application's own: without recursive_triggers and the like
        for statement in EDITS:
            said = attempt(connection, statement)
            assert said != "done", statement
            refused += "never edited" in said
            assert "never edited" in said or "syntax error" in said or "UNIQUE" in said or "duplicate key" in said, said
        assert refused >= 15
        assert connection.exec_driver_sql(f"SELECT count(*) FROM {ENTRY}").scalar() == SIZE
    with Books.open(made.address, create=False, evidence=made.folder / "papers", recorded_on=TODAY) as books:
        assert books.audit(kept_heads=made.kept, rules=()).findings == ()
    if kind != "sqlite":
        made.engine.dispose()


GUARDS = {
    "sqlite": [
        [f"DROP TRIGGER {ENTRY}_no_update"],
        [f"DROP TRIGGER {META}_no_replace"],
        [
            f"DROP TRIGGER {ENTRY}_no_update",
            f"CREATE TRIGGER {ENTRY}_no_update BEFORE UPDATE ON {ENTRY} BEGIN SELECT 1; END",
        ],
        [f"CREATE TRIGGER more AFTER INSERT ON {POSTING} BEGIN SELECT RAISE(IGNORE); END"],
    ],
    "postgresql": [
        [f"DROP TRIGGER {ENTRY}_append_only ON {ENTRY}"],
        [f"ALTER TABLE {POSTING} DISABLE TRIGGER {POSTING}_append_only"],
        [f"ALTER TABLE {POSTING} ENABLE TRIGGER {POSTING}_append_only"],  # not in a session that replicates
        [
            f"CREATE OR REPLACE FUNCTION {P}append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
        ],
        [f"CREATE TRIGGER more BEFORE INSERT ON {POSTING} FOR EACH ROW EXECUTE FUNCTION {P}append_only()"],
    ],
}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_triggers_that_are_gone_or_others_are_told(kind: str, small_blocks: None, ground: Ground, request: pytest.FixtureRequest, tmp_path: Path) -> None:  # fmt: skip
    made = ground if kind == "sqlite" else Ground(request.getfixturevalue("fresh_postgres"), tmp_path)
    for spoil in GUARDS[kind]:
        with made.engine.connect() as connection:
            begin(connection)
            for statement in spoil:
                connection.exec_driver_sql(statement)
            books = Books.within(connection, evidence=made.folder / "papers", recorded_on=TODAY)
            assert rules_of(books.audit(rules=())) == ["unguarded"], spoil
            connection.rollback()
    if kind != "sqlite":
        made.engine.dispose()


# --- bits of the file -----------------------------------------------------------------------------------------------


def rows_without_indexes(path: Path) -> object:
    """All rows of a file as its tables hold them; a message where it cannot be read."""
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    try:
        tables = (ENTRY, POSTING, BLOCK, SNAPSHOT, META, VERSION)
        return [
            sorted(connection.execute(f"SELECT * FROM {table} NOT INDEXED").fetchall(), key=repr) for table in tables
        ]
    except (sqlite3.Error, UnicodeError) as error:
        return str(error)
    finally:
        connection.close()


def flip_bits(ground: Ground, folder: Path, times: int, seed: int) -> tuple[int, int]:
    """Flip one bit of the file each time; how often that changed what it says, and how often it was caught."""
    drawn, path, changes, caught = random.Random(seed), folder / "flipped.db", 0, 0
    source, target = sqlite3.connect(ground.address), sqlite3.connect(folder / "whole.db")
    source.backup(target)
    source.close()
    target.close()
    whole, told = (folder / "whole.db").read_bytes(), rows_without_indexes(folder / "whole.db")
    for _ in range(times):
        for beside in ("", "-wal", "-shm"):
            Path(f"{path}{beside}").unlink(missing_ok=True)
        place, data = drawn.randrange(len(whole)), bytearray(whole)
        data[place] ^= 1 << drawn.randrange(8)
        path.write_bytes(data)
        changed, found = rows_without_indexes(path) != told, True
        try:
            with Books.open(str(path), create=False, evidence=ground.folder / "papers", recorded_on=TODAY) as books:
                found = books.audit(rules=()).findings != () or books.checkpoint().body != ground.note
        except StoreError:
            pass
        assert found or not changed, f"byte {place}"
        changes, caught = changes + changed, caught + found
    return changes, caught


def test_a_bit_of_the_file(ground: Ground, tmp_path: Path) -> None:
    changes, _ = flip_bits(ground, tmp_path, 40, seed=4)
    assert changes >= 5


@pytest.mark.long
def test_two_thousand_bits_of_the_file(ground: Ground, tmp_path: Path) -> None:
    seed = time.time_ns()
    changes, caught = flip_bits(ground, tmp_path, 2_000, seed)
    print(f"\nbits, seed {seed}: {changes} of 2000 change what the file says, {caught} were told")
