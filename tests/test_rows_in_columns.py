"""Rows and columns: what is read back in columns is what is read entry by entry, and what COPY gets is what rows hold."""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from conftest import HANDS, make_fund
from estate_funds import Books
from estate_funds.columns import Columns, columns_of, entry_copy, entry_rows, leaves, posting_copy, posting_rows
from estate_funds.errors import ColumnError, DamagedEntry, InvariantBroken, SealBroken
from estate_funds.journal import Entry
from estate_funds.ledger import Ledger, refold, replay
from estate_funds.merkle import HASH_SIZE, within_batch
from estate_funds.store import Store, state, writer
from estate_funds.vouchers import open_fund, promise, receive, release
from journals import full_history

ENTRY, POSTING = "estate_funds_entry", "estate_funds_posting"
SNAPSHOT_AT = 30
PLAIN, IN_COLUMNS = 10**9, 1  # entries from which on rows are folded in columns


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return full_history().entries


def rows_of(entries: list[Entry]) -> tuple[list[Any], list[Any]]:
    columns = Columns.from_entries(entries)
    return list(entry_rows(columns, root=b"r" * HASH_SIZE, within=within_batch(len(entries)))), list(
        posting_rows(columns)
    )


def write(address: str, entries: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger with a snapshot after some of the entries, and the others after it, in batches and one by one."""
    monkeypatch.setattr(writer, "SNAPSHOT_ENTRIES", SNAPSHOT_AT)
    store, ledger = Store.open(address), Ledger()
    for start, end in pairwise([0, SNAPSHOT_AT, SNAPSHOT_AT + 1, SNAPSHOT_AT + 5, len(entries) - 1, len(entries)]):
        with store.writing() as connection:
            for entry in entries[start:end]:
                refold(ledger, entry)
            store.append(connection, entries[start:end], ledger)
        monkeypatch.setattr(writer, "SNAPSHOT_ENTRIES", 10**9)
    store.close()


@contextlib.contextmanager
def loaded(address: str) -> Iterator[Ledger]:
    store = Store.open(address, create=False)
    with contextlib.closing(store), store.reading() as connection:
        yield store.load(connection)


# --- rows to columns ------------------------------------------------------------------------------------------------


def test_rows_come_back_as_the_columns_that_they_were(entries: list[Entry]) -> None:
    columns = Columns.from_entries(entries)
    again = columns_of(*rows_of(entries))
    assert again.entries() == entries
    assert again.to_ipc() == columns.to_ipc()
    assert leaves(again) == b"".join(entry.leaf for entry in entries)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows, lines: (rows[:3] + rows[4:], lines),  # a gap
        lambda rows, lines: ([(*rows[0][:1], "2022-1-3", *rows[0][2:]), *rows[1:]], lines),
        lambda rows, lines: (rows, [(*lines[0][:1], 2, *lines[0][2:]), *lines[1:]]),  # there is no line 1
        lambda rows, lines: (rows, [*lines, (len(rows) + 1, 1, "f/l/h", "cash", "", "D", 5)]),
        lambda rows, lines: (rows, [lines[1], lines[0], *lines[2:]]),
        lambda rows, lines: ([(*rows[0][:17], "invoice", *rows[0][18:]), *rows[1:]], lines),  # evidence without a digest
        lambda rows, lines: ([], []),
    ],
)  # fmt: skip
def test_rows_that_cannot_stand_in_columns_are_refused(entries: list[Entry], spoil: Any) -> None:
    with pytest.raises(ColumnError):
        columns_of(*spoil(*rows_of(entries)))


def test_columns_are_joined_whatever_dictionaries_they_have(entries: list[Entry]) -> None:
    whole = Columns.from_entries(entries)
    parts = [
        Columns.from_entries(entries[:7]),
        whole.slice(7, 1),
        columns_of(*rows_of(entries)).slice(8, len(entries) - 8),
    ]
    assert Columns.joined(parts).to_ipc() == whole.to_ipc()
    assert Columns.joined([whole]).to_ipc() == whole.to_ipc()
    with pytest.raises(InvariantBroken):
        Columns.joined([parts[0], parts[2]])


# --- columns to PostgreSQL ------------------------------------------------------------------------------------------


def parsed(data: bytes) -> list[list[bytes]]:
    """The fields of rows as PostgreSQL's manual says that they stand in a binary COPY."""
    rows, at = [], 0
    while at < len(data):
        (fields,) = struct.unpack_from(">h", data, at)
        at, row = at + 2, []
        for _ in range(fields):
            (size,) = struct.unpack_from(">i", data, at)
            row.append(data[at + 4 : at + 4 + size])
            at += 4 + size
        rows.append(row)
    return rows


def in_bytes(row: Sequence[Any], numbers: str) -> list[bytes]:
    """A row as COPY has it; `numbers` gives the struct format of each field that is one, and a dot for the others."""
    return [
        value.encode() if isinstance(value, str) else value if kind == "." else struct.pack(f">{kind}", value)
        for value, kind in zip(row, numbers, strict=True)
    ]


def test_a_copy_has_the_bytes_of_the_rows(entries: list[Entry]) -> None:
    columns = Columns.from_entries(entries)
    rows, lines = rows_of(entries)
    copied = b"".join(entry_copy(columns, root=b"r" * HASH_SIZE, within=within_batch(len(entries))))
    assert parsed(copied) == [in_bytes(row, "q" + "." * 19) for row in rows]
    assert parsed(b"".join(posting_copy(columns))) == [in_bytes(line, "qi....q") for line in lines]
    assert b"".join(posting_copy(Columns.from_entries([]))) == b""


def test_what_is_copied_in_columns_is_read_back(address: str, entries: list[Entry]) -> None:
    store = Store.open(address)
    with contextlib.closing(store), store.writing() as connection:
        store.append_columns(connection, Columns.from_entries(entries), replay(entries))
    with Books.open(address, recorded_on=date(2025, 12, 31)) as books:
        assert list(books.entries()) == entries
        assert books.verify() == replay(entries).head


# --- loading --------------------------------------------------------------------------------------------------------


def test_a_ledger_is_loaded_in_columns_as_entry_by_entry(address: str, entries: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    write(address, entries, monkeypatch)
    wanted = replay(entries)
    for many in (IN_COLUMNS, PLAIN):
        monkeypatch.setattr(state, "_MANY", many)
        with loaded(address) as ledger:
            assert ledger.head == wanted.head
            assert (ledger.balances, ledger.inflows, ledger.funds) == (wanted.balances, wanted.inflows, wanted.funds)
            assert (ledger.recorded, ledger.closed_through) == (wanted.recorded, wanted.closed_through)
            assert {key: ledger.promise(key[0], key[2]) for key in wanted.promises} == wanted.promises
            assert {key: ledger.key(key) for key in wanted.keys} == wanted.keys
            assert {seq: ledger.entry(seq) for seq in wanted.booked} == wanted.booked
            assert {seq for seq in wanted.booked if ledger.is_reversed(seq)} == wanted.reversed


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {ENTRY} SET narrative = 'edited' WHERE seq = 40",
        f"UPDATE {ENTRY} SET leaf = zeroblob(32) WHERE seq = 41",
        f"UPDATE {ENTRY} SET root = zeroblob(32) WHERE seq = 31",
        f"UPDATE {ENTRY} SET root = x'0000000000000029' WHERE seq = 36",  # the batch would end with another entry
        f"UPDATE {ENTRY} SET effective = '2022-4-1' WHERE seq = 38",
        f"UPDATE {ENTRY} SET kind = 'gift' WHERE seq = 38",
        f"UPDATE {ENTRY} SET approver = maker WHERE seq = 39",
        f"UPDATE {POSTING} SET amount_fen = amount_fen + 1 WHERE seq = 40 AND line = 1",
        f"UPDATE {POSTING} SET line = 9 WHERE seq = 40 AND line = 1",
        f"DELETE FROM {POSTING} WHERE seq = 43",
        f"DELETE FROM {ENTRY} WHERE seq = 43",
    ],
)
def test_what_was_changed_is_said_in_the_same_words_in_columns(statement: str, entries: list[Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    file = tmp_path / "books.db"
    write(str(file), entries, monkeypatch)
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement).rowcount == 1 or "DELETE" in statement
    told = []
    for many in (IN_COLUMNS, PLAIN):
        monkeypatch.setattr(state, "_MANY", many)
        with pytest.raises(DamagedEntry) as raised, loaded(str(file)):
            pass
        told.append(str(raised.value))
    assert told[0] == told[1]
    if "SET root" not in statement:  # of which the replay compares the last one only
        with Books.open(str(file)) as books, pytest.raises((SealBroken, DamagedEntry, InvariantBroken)):
            books.verify()


# --- what the gate asks the store -----------------------------------------------------------------------------------


def test_promises_of_the_past_are_those_of_a_replay_asked_one_by_one_or_at_once(address: str) -> None:
    fund = make_fund()
    ledger, entries = Ledger(), []

    def book(draft: Any) -> None:
        entry = ledger.post(draft, recorded=date(2025, 1, 1))
        assert entry is not None
        entries.append(entry)

    told = {"purpose": "award", "payee": "k", "payee_class": "community", "hands": HANDS}
    book(open_fund(fund, on=date(2022, 1, 1), hands=HANDS))
    for year in (2022, 2024):
        book(receive(fund, "lockers", 10_000, on=date(year, 1, 1), key=f"r{year}", hands=HANDS))
    book(promise(fund, 100, reference="a", on=date(2022, 1, 2), expires=date(2022, 6, 1), **told))  # type: ignore[arg-type]
    book(promise(fund, 100, reference="b", on=date(2022, 1, 2), **told))  # type: ignore[arg-type]
    book(release(ledger, "a", on=date(2022, 2, 1), hands=HANDS, narrative="not needed"))
    book(promise(fund, 50, reference="a", key="again", on=date(2024, 1, 2), **told))  # type: ignore[arg-type]
    book(promise(fund, 50, reference="b", key="more", on=date(2024, 1, 2), expires=date(2024, 9, 1), **told))  # type: ignore[arg-type]
    store = Store.open(address)
    with contextlib.closing(store), store.writing() as connection:
        store.append(connection, entries, ledger)
        past = state.StoredPast(store.sql, store.reading, len(entries))
        past.within(connection)
        promises = {(name, reference): promise for (name, _, reference), promise in ledger.promises.items()}
        pairs = [*promises, (fund.fund_id, "nobody")]
        assert len(promises) == 2
        assert past.promises(pairs) == promises
        assert {pair: past.promise(*pair) for pair in pairs} == promises | {pairs[-1]: None}
        past.look_ahead({"again", "nobody"}, {"a", "nobody", ""})
        assert (past.unused_keys, past.unused_references) == ({"nobody"}, {"nobody", ""})
        assert past.promises(pairs) == promises
        assert past.key("again") == ledger.key("again")
        assert past.key("nobody") is None
        assert past.keys(["more", "nobody", "\0", "again"]) == {"again": 7, "more": 8}
