"""The same code on SQLite and on a real PostgreSQL: atomic batches, append-only rows, honest errors."""

from __future__ import annotations

import os
import sqlite3
import stat
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from conftest import EXAMPLES, HANDS, TODAY, make_fund
from estate_funds import Books, load_case
from estate_funds.audit import audit
from estate_funds.case import Case
from estate_funds.errors import (
    KeyConflict,
    LedgerFormatError,
    LedgerNotFound,
    OutsideFence,
    Overdrawn,
    StoreUnavailable,
)
from estate_funds.journal import Evidence
from estate_funds.store import Store, ledger_url
from estate_funds.vouchers import open_fund, receive, spend

FUND = make_fund("share/community/k", purposes=("cleaning",), classes=("enterprise",), requires=("invoice",))
D1 = date(2022, 1, 5)


@pytest.fixture(scope="module")
def case() -> Case:
    return load_case(EXAMPLES / "donghu")


def spending(key: str, fen: int = 100, purpose: str = "cleaning"):  # type: ignore[no-untyped-def]
    invoice = (Evidence("invoice", "0" * 64),)
    return spend(
        FUND,
        fen,
        purpose=purpose,
        payee="firm",
        payee_class="enterprise",
        on=D1,
        key=key,
        hands=HANDS,
        evidence=invoice,
    )


def fill(books: Books, fen: int = 1_000) -> None:
    books.post(
        [open_fund(FUND, on=date(2021, 1, 1), hands=HANDS), receive(FUND, "lockers", fen, on=D1, key="r", hands=HANDS)]
    )


def test_a_case_on_each_store_gives_the_same_books(address: str, case: Case) -> None:
    with Books.open(address, recorded_on=TODAY) as books, Books.open("memory", recorded_on=TODAY) as memory:
        assert len(books.run(case).entries) == len(memory.run(case).entries) == 76
        assert books.ledger.head == memory.ledger.head
        assert books.balances() == memory.balances()
        report = books.audit(case)
        assert report.findings == ()
        assert report.head == books.ledger.head.hex()
    with Books.open(address, create=False) as again:
        posted = again.run(case)
        assert (len(posted.entries), posted.repeated) == (0, 47)
        assert len(again) == 76


def test_a_refused_batch_leaves_nothing(address: str) -> None:
    with Books.open(address, recorded_on=TODAY) as books:
        fill(books)
        with pytest.raises(Overdrawn):
            books.post([spending("s1", 600), spending("s2", 600)])
        assert len(books) == 2
        assert books.ledger.available(FUND.fund_id) == 1_000
        with pytest.raises(OutsideFence):
            books.post([spending("s1", 600), spending("s3", 1, purpose="banquet")])
        with pytest.raises(KeyConflict):
            books.post([spending("s1", 600), spending("s1", 1)])
        assert len(books) == 2
        assert len(books.post([spending("s1", 600), spending("s4", 400)]).entries) == 2
        assert books.audit().findings == ()


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


STATEMENTS = [
    "UPDATE estate_funds_entry SET narrative = 'x' WHERE seq = 2",
    "DELETE FROM estate_funds_entry WHERE seq = 2",
    "UPDATE estate_funds_posting SET amount_fen = 1",
    "DELETE FROM estate_funds_posting",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_database_itself_forbids_edits(address: str, statement: str) -> None:
    with Books.open(address, recorded_on=TODAY) as books:
        fill(books)
        with (
            pytest.raises(sa.exc.DBAPIError, match="never edited or deleted"),
            books._store.engine.begin() as connection,
        ):
            connection.execute(sa.text(statement))
        assert books.audit().findings == ()


def test_replace_and_truncate_do_not_slip_past(tmp_path: Path, fresh_postgres: str) -> None:
    with Books.open(str(tmp_path / "b.db"), recorded_on=TODAY) as books:
        fill(books)
        with pytest.raises(sa.exc.DBAPIError, match="never edited"), books._store.engine.begin() as connection:
            connection.execute(
                sa.text("INSERT OR REPLACE INTO estate_funds_posting SELECT * FROM estate_funds_posting")
            )
    with Books.open(fresh_postgres, recorded_on=TODAY) as books:
        fill(books)
        with pytest.raises(sa.exc.DBAPIError, match="never edited"), books._store.engine.begin() as connection:
            connection.execute(sa.text("TRUNCATE estate_funds_posting"))


def test_strict_tables_refuse_what_is_no_number(tmp_path: Path) -> None:
    with Books.open(str(tmp_path / "b.db"), recorded_on=TODAY) as books:
        fill(books)
    connection = sqlite3.connect(tmp_path / "b.db")
    with pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT"):
        connection.execute("INSERT INTO estate_funds_posting VALUES (9, 1, 'f', 'cash', '', 'D', '12.5 yuan')")
    connection.close()


# --- tampering, with the triggers taken away as somebody with the file can ---

COLUMNS = [
    ("estate_funds_entry", "recorded", "'2026-11-21'"), ("estate_funds_entry", "effective", "'2022-01-06'"),
    ("estate_funds_entry", "kind", "'receipt'"), ("estate_funds_entry", "policy", "'sha256:0'"),
    ("estate_funds_entry", "registry", "'sha256:0'"), ("estate_funds_entry", "key", "'other'"),
    ("estate_funds_entry", "maker", "'x'"), ("estate_funds_entry", "approver", "'x'"),
    ("estate_funds_entry", "narrative", "'x'"), ("estate_funds_entry", "document", "'x'"),
    ("estate_funds_entry", "clause", "'x'"), ("estate_funds_entry", "purpose", "'x'"),
    ("estate_funds_entry", "payee", "'x'"), ("estate_funds_entry", "payee_class", "'x'"),
    ("estate_funds_entry", "reference", "'x'"), ("estate_funds_entry", "terms", "'a\tb'"),
    ("estate_funds_entry", "evidence", "'invoice\t" + "1" * 64 + "'"), ("estate_funds_entry", "leaf", "zeroblob(32)"),
    ("estate_funds_entry", "head", "zeroblob(32)"), ("estate_funds_entry", "seq", "9"),
    ("estate_funds_posting", "fund", "'x'"), ("estate_funds_posting", "account", "'funding'"),
    ("estate_funds_posting", "detail", "'x'"), ("estate_funds_posting", "side", "'C'"),
    ("estate_funds_posting", "amount_fen", "99"), ("estate_funds_posting", "line", "7"),
    ("estate_funds_posting", "seq", "99"),
]  # fmt: skip
OTHER = [
    "UPDATE estate_funds_entry SET kind = 'gift' WHERE seq = 3",
    "UPDATE estate_funds_entry SET effective = 'soon' WHERE seq = 3",
    "UPDATE estate_funds_entry SET evidence = 'a\tb\tc' WHERE seq = 3",
    "DELETE FROM estate_funds_entry WHERE seq = 3",
    "DELETE FROM estate_funds_posting WHERE seq = 3",
    "INSERT INTO estate_funds_posting VALUES (3, 9, 'share/community/k', 'cash', '', 'D', 5)",
    "INSERT INTO estate_funds_posting VALUES (77, 1, 'share/community/k', 'cash', '', 'D', 5)",
]


@pytest.mark.parametrize(
    "statement",
    [f"UPDATE {table} SET {column} = {value} WHERE seq = 3" for table, column, value in COLUMNS if column != "line"]
    + OTHER,
)
def test_the_audit_finds_any_change_to_any_field(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "b.db"
    with Books.open(str(path), recorded_on=TODAY) as books:
        fill(books)
        books.post([spending("s1"), spending("s2")])
        assert books.audit().findings == ()
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement)
    connection.commit()
    connection.close()
    with Books.open(str(path), create=False) as books:
        report = books.audit()
    assert report.findings, statement
    assert {f.rule for f in report.findings} <= {"tampered", "refused", "gap", "unreadable", "stray-postings"}
    assert "finding" in report.verdict


def test_a_changed_entry_with_its_own_hash_redone_breaks_the_chain(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "b.db"))
    with Books(store, recorded_on=TODAY) as books:
        fill(books)
        books.post([spending("s1"), spending("s2")])
        stored = list(store.read())
    forged = replace(stored[2].entry, draft=replace(stored[2].entry.draft, payee="friend"))
    tampered = [*stored[:2], replace(stored[2], entry=forged, leaf=forged.leaf), *stored[3:]]
    assert [f.rule for f in audit(tampered).findings] == ["tampered"]
    assert audit(stored).findings == ()


# --- addresses, formats, disks ---


def test_addresses(tmp_path: Path) -> None:
    assert ledger_url("sqlite:///x.db") == ledger_url("x.db") == "sqlite:///x.db"
    assert ledger_url("postgresql://h/d") == "postgresql+psycopg://h/d"
    with pytest.raises(LedgerNotFound):
        Books.open(str(tmp_path / "none.db"), create=False)
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(StoreUnavailable, match="not an address"):
        Books.open("nosuch://x")
    with pytest.raises(StoreUnavailable, match="the database refused"):
        Books.open(str(tmp_path / "no" / "folder" / "x.db"))


def test_what_is_no_ledger(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(LedgerFormatError, match="holds no ledger"):
        Books.open(str(other), create=False)
    text = tmp_path / "text.db"
    text.write_text("this is no database, and long enough to be read as a header " * 20, encoding="utf-8")
    with pytest.raises(StoreUnavailable, match="the database refused"):
        Books.open(str(text))


def test_a_ledger_of_a_newer_format(address: str) -> None:
    with Books.open(address, recorded_on=TODAY) as books:
        fill(books)
        with books._store.engine.begin() as connection:
            connection.execute(sa.text("UPDATE estate_funds_meta SET format = 2"))
    with pytest.raises(LedgerFormatError, match="another format") as caught:
        Books.open(address)
    assert "format 2" in str(caught.value)


def test_a_full_disk_loses_nothing(tmp_path: Path, case: Case) -> None:
    path = tmp_path / "b.db"
    with Books.open(str(path), recorded_on=TODAY) as books:
        fill(books)
        engine = books._store.engine
        with engine.connect() as connection:
            limit = connection.exec_driver_sql("PRAGMA page_count").scalar() + 4

        @sa.event.listens_for(engine, "begin")
        def _small(connection: sa.Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {limit}")

        with pytest.raises(StoreUnavailable, match="the database refused") as caught:
            books.run(case)
        assert "full" in str(caught.value)
        assert len(books) == 2
        limit = 100_000
        assert len(books.run(case).entries) > 76  # the fund of `fill` is carried forward too
        assert books.audit().findings == ()


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_read_only_ledger_can_be_audited_and_not_posted_to(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    with Books.open(str(path), recorded_on=TODAY) as books:
        fill(books)
    address = f"sqlite:///file:{path}?mode=ro&uri=true"
    with Books.open(address, create=False, recorded_on=TODAY) as books:
        assert books.audit().findings == ()
        with pytest.raises(StoreUnavailable, match="the database refused") as caught:
            books.post(spending("s1"))
        assert "readonly" in str(caught.value)
    path.chmod(stat.S_IRUSR)
    with Books.open(str(path), create=False) as books:
        assert len(books) == 2
