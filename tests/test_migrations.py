"""Ledgers of older formats: refused at opening, migrated on demand, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from conftest import HANDS, TODAY, make_fund
from estate_funds.columns.block import Columns
from estate_funds.errors import DamagedEntry, LedgerFormatError, LedgerNotFound, StoreUnavailable
from estate_funds.journal import Draft, Entry, Evidence, Kind
from estate_funds.ledger import Ledger, mirror
from estate_funds.merkle import within_batch
from estate_funds.store import FORMAT, Store, ledger_url
from estate_funds.store.tables import tables_of
from estate_funds.vouchers import open_fund, receive, spend

FUND = make_fund("share/community/k", purposes=("cleaning",), classes=("enterprise",), requires=("invoice",))
D1 = date(2022, 1, 5)
INVOICE = (Evidence("invoice", "0" * 64),)
WORDS = "entries are never edited or deleted: reverse them"
TEXTS = (
    "recorded", "policy", "registry", "kind", "effective", "key", "maker", "approver", "narrative", "document",
    "clause", "purpose", "payee", "payee_class", "reference", "terms", "evidence",
)  # fmt: skip


def entries(count: int) -> list[Entry]:
    """A journal: a fund, money, and spendings."""
    ledger = Ledger()
    drafts = [
        open_fund(FUND, on=date(2021, 1, 1), hands=HANDS),
        receive(FUND, "lockers", 10**9, on=D1, key="r", hands=HANDS),
    ]
    drafts += [
        spend(FUND, 100 + n, purpose="cleaning", payee="firm", payee_class="enterprise", on=D1, key=f"s{n}", hands=HANDS, evidence=INVOICE)
        for n in range(count - 2)
    ]  # fmt: skip
    made = [ledger.post(draft, recorded=TODAY) for draft in drafts]
    return [entry for entry in made if entry is not None]


def statements_of_format_1(dialect: str) -> list[str]:
    """The tables and triggers as the code of that format made them."""
    big, text, data, number, end = (
        ("INTEGER", "TEXT", "BLOB", "INTEGER", " STRICT")
        if dialect == "sqlite"
        else ("BIGINT", "TEXT", "BYTEA", "SERIAL", "")
    )
    fields = ", ".join(f"{name} {text} NOT NULL" for name in TEXTS)
    lines = ", ".join(f"{name} {text} NOT NULL" for name in ("fund", "account", "detail", "side"))
    made = [
        f'CREATE TABLE estate_funds_meta ("only" {number} NOT NULL, format INTEGER NOT NULL, PRIMARY KEY ("only")){end}',
        f"CREATE TABLE estate_funds_entry (seq {big} NOT NULL, {fields}, leaf {data} NOT NULL, head {data} NOT NULL, "
        f"PRIMARY KEY (seq), UNIQUE (key)){end}",
        f"CREATE TABLE estate_funds_posting (seq {big} NOT NULL, line INTEGER NOT NULL, {lines}, "
        f"amount_fen {big} NOT NULL, PRIMARY KEY (seq, line)){end}",
    ]
    names = ("estate_funds_entry", "estate_funds_posting")
    if dialect == "sqlite":
        same = ("seq = NEW.seq OR key = NEW.key", "seq = NEW.seq AND line = NEW.line")
        stop = f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
        for name, there in zip(names, same, strict=True):
            made += [
                f"CREATE TRIGGER {name}_no_{verb.lower()} BEFORE {verb} ON {name} {stop}"
                for verb in ("UPDATE", "DELETE")
            ]
            made.append(
                f"CREATE TRIGGER {name}_no_replace BEFORE INSERT ON {name} WHEN EXISTS (SELECT 1 FROM {name} WHERE {there}) {stop}"
            )
        return [*made, "INSERT INTO estate_funds_meta VALUES (1, 1)"]
    made.append(
        "CREATE FUNCTION estate_funds_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{WORDS}'; END $$"
    )
    made += [
        f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION estate_funds_append_only()"
        for name in names
    ]
    return [*made, "INSERT INTO estate_funds_meta VALUES (1, 1)"]


def write_format_1(address: str, journal: Iterable[Entry], *, spoil: int = 0) -> None:
    """A ledger of format 1; `spoil` is the number of an entry whose link is wrong."""
    engine = sa.create_engine(ledger_url(address))
    mark = "?" if engine.dialect.name == "sqlite" else "%s"
    head, rows, lines = bytes(32), [], []
    for entry in journal:
        draft = entry.draft
        head = hashlib.sha256(b"\x02" + head + entry.leaf).digest()
        plain = [str(entry.recorded), draft.policy, draft.registry, draft.kind.value, str(draft.effective)]
        plain += [getattr(draft, name) for name in TEXTS[5:15]]
        plain += ["\n".join("\t".join(term) for term in many) for many in (draft.terms, draft.evidence)]
        rows.append((entry.seq, *plain, entry.leaf, bytes(32) if entry.seq == spoil else head))
        lines += [(entry.seq, line, *posting) for line, posting in enumerate(draft.postings, start=1)]
    with engine.begin() as connection:
        for statement in statements_of_format_1(engine.dialect.name):
            connection.exec_driver_sql(statement)
        for table, width, many in (("entry", 20, rows), ("posting", 7, lines)):
            if many:
                connection.exec_driver_sql(
                    f"INSERT INTO estate_funds_{table} VALUES ({', '.join([mark] * width)})", many
                )
    engine.dispose()


def execute(address: str, *statements: str) -> None:
    engine = sa.create_engine(ledger_url(address))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def schema_of(address: str) -> object:
    """Everything about the tables that a database knows, without the order of creation."""
    engine = sa.create_engine(ledger_url(address))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            rows = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master").all()
            found: object = sorted(
                (*row[:3], re.sub(r"\s*([(),]|\s)\s*", r"\1", (row[3] or "").replace('"', "")).strip()) for row in rows
            )
        else:
            queries = (
                "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name FROM information_schema.columns "
                "WHERE table_schema = 'public' ORDER BY table_name, column_name",
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
                "SELECT tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1",
                "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint c WHERE conrelid::regclass::text LIKE 'estate%%' ORDER BY 1",
                "SELECT attrelid::regclass::text, attname, attstorage FROM pg_attribute "
                "WHERE attrelid::regclass::text LIKE 'estate_funds_block' AND attnum > 0 ORDER BY 1, 2",
                "SELECT relname FROM pg_class WHERE relkind = 'S'",
            )
            found = [[tuple(row) for row in connection.exec_driver_sql(query).all()] for query in queries]
    engine.dispose()
    return found


def test_a_ledger_of_format_1_is_not_opened_but_migrated(address: str) -> None:
    journal = entries(20)
    write_format_1(address, journal)
    with pytest.raises(LedgerFormatError, match="another format") as caught:
        Store.open(address)
    assert "format 1" in str(caught.value)
    assert "format 2" in str(caught.value)
    assert "estate-funds migrate LEDGER" in str(caught.value)
    done = Store.migrate(address)
    ledger = Ledger()
    for entry in journal:
        ledger.advance(entry)
    assert (done.found, done.format, done.entries, done.blocks, done.head) == (1, FORMAT, 20, 0, ledger.head)
    store = Store.open(address, create=False)
    stored = list(store.read())
    assert [each.entry for each in stored] == journal
    assert [each.root for each in stored] == [within_batch(20)] * 19 + [ledger.tree.root]
    assert store.origin == f"estate-funds/{journal[0].leaf.hex()[:16]}"
    with store.writing() as connection:
        loaded = store.load(connection)
        assert loaded.head == ledger.head
        entry = loaded.post(spend(FUND, 1, purpose="cleaning", payee="firm", payee_class="enterprise", on=D1, key="new", hands=HANDS, evidence=INVOICE), recorded=TODAY)  # fmt: skip
        assert entry is not None
        store.append(connection, [entry], loaded)
    store.close()
    again = Store.migrate(address)
    assert (again.found, again.format, again.entries, again.head) == (FORMAT, FORMAT, 21, loaded.head)


def test_a_migrated_ledger_is_the_same_as_a_fresh_one(address: str, tmp_path: Path, postgres_url: str) -> None:
    write_format_1(address, entries(5))
    Store.migrate(address)
    if address.startswith("postgresql"):
        execute_autocommit(postgres_url, "DROP DATABASE IF EXISTS other", "CREATE DATABASE other")
        other = postgres_url.replace("/postgres?", "/other?")
    else:
        other = str(tmp_path / "other.db")
    Store.open(other).close()
    assert schema_of(address) == schema_of(other)


def execute_autocommit(address: str, *statements: str) -> None:
    engine = sa.create_engine(ledger_url(address), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def test_the_first_migration_makes_the_tables_as_they_were(tmp_path: Path) -> None:
    from estate_funds.store.migrations.versions import v0001_format_1

    engine = sa.create_engine(f"sqlite:///{tmp_path / 'alembic.db'}")
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"tables": tables_of("estate_funds_", "")})
        with Operations.context(context):
            v0001_format_1.upgrade()
    engine.dispose()
    write_format_1(str(tmp_path / "sql.db"), [])
    made, wanted = schema_of(str(tmp_path / "alembic.db")), schema_of(str(tmp_path / "sql.db"))
    assert made == wanted


@pytest.fixture(scope="module")
def long_journal() -> list[Entry]:
    """More than one block."""
    return entries(8200)


def test_complete_blocks_are_sealed(address: str, long_journal: list[Entry]) -> None:
    journal = long_journal
    write_format_1(address, journal)
    assert Store.migrate(address).blocks == 1
    store = Store.open(address)
    (block,) = store.blocks()
    assert (block.number, block.first_seq, block.last_seq) == (0, 1, 8192)
    assert Columns.from_ipc(block.data).entries() == journal[:8192]
    with store.reading() as connection:
        loaded = store.load(connection)
    assert loaded.seq == 8200
    assert loaded.tree.subtrees[0] == block.root
    store.close()


SPOILT = [
    "UPDATE estate_funds_entry SET narrative = 'x' WHERE seq = 4",
    "UPDATE estate_funds_posting SET amount_fen = 99 WHERE seq = 4 AND line = 1",
    "DELETE FROM estate_funds_entry WHERE seq = 4",
    "DELETE FROM estate_funds_posting WHERE seq = 4",
    "UPDATE estate_funds_entry SET kind = 'gift' WHERE seq = 4",
    "INSERT INTO estate_funds_posting VALUES (77, 1, 'share/community/k', 'cash', '', 'D', 5)",
    "UPDATE estate_funds_entry SET leaf = zeroblob(32) WHERE seq = 4",
]


@pytest.mark.parametrize("statement", SPOILT)
def test_a_journal_that_somebody_changed_is_not_sealed(tmp_path: Path, statement: str) -> None:
    address = str(tmp_path / "b.db")
    write_format_1(address, entries(6))
    triggers = [
        f"DROP TRIGGER estate_funds_{name}_no_{verb}" for name in ("entry", "posting") for verb in ("update", "delete")
    ]
    execute(address, *triggers, statement)
    before = schema_of(address)
    with pytest.raises(DamagedEntry):
        Store.migrate(address)
    assert schema_of(address) == before
    with pytest.raises(LedgerFormatError, match="another format"):
        Store.open(address)


def across_years(journal: list[Entry], seq: int) -> Entry:
    """A reversal as format 1 booked it: in red, whatever the year of the entry that it cancels."""
    wrong = journal[seq - 1].draft
    red = Draft(
        kind=Kind.REVERSAL, effective=date(2023, 1, 9), key=f"reversal/{seq}", maker="maker", approver="approver",
        narrative="wrong", document=wrong.document, clause=wrong.clause, reference=str(seq),
        postings=mirror(wrong.postings, 2023),
    )  # fmt: skip
    return Entry(len(journal) + 1, TODAY, red)


@pytest.mark.parametrize(("undone", "where"), [((3,), "entry 7"), ((3, 4, 5), "entry 7, and 2 others")])
def test_a_reversal_across_years_is_no_damage_and_cannot_be_migrated(address: str, undone: tuple[int, ...], where: str) -> None:  # fmt: skip
    journal = entries(6)
    for seq in undone:
        journal.append(across_years(journal, seq))
    write_format_1(address, journal)
    before = schema_of(address)
    with pytest.raises(LedgerFormatError, match="corrections in blue") as caught:
        Store.migrate(address)
    error = caught.value
    assert (error.where, error.got) == (where, "entry 7 of 2023 cancels entry 3 of 2022 in red")
    assert "opening balances" in error.fix
    assert "backup" not in str(error)
    assert schema_of(address) == before


def test_an_entry_that_is_refused_today_is_no_damage(tmp_path: Path) -> None:
    address, journal = str(tmp_path / "b.db"), entries(6)
    outside = replace(journal[-1].draft, purpose="banquet", key="b")
    write_format_1(address, [*journal, Entry(7, TODAY, outside)])
    with pytest.raises(LedgerFormatError, match="an earlier one booked") as caught:
        Store.migrate(address)
    assert (caught.value.where, str(caught.value.got) != "") == ("entry 7 (b)", True)


def test_a_broken_link_is_not_sealed(address: str) -> None:
    write_format_1(address, entries(6), spoil=3)
    with pytest.raises(DamagedEntry, match="chain") as caught:
        Store.migrate(address)
    assert "entry 3" in str(caught.value)
    with pytest.raises(LedgerFormatError, match="another format"):
        Store.open(address)


HALVES = [
    ("UPDATE estate_funds_meta SET format = 1", "format 1, but migrations up to 0002"),
    ("UPDATE estate_funds_version SET version_num = '0001'", "format 2, but migrations up to 0001"),
    ("DELETE FROM estate_funds_version", "format 2, but migrations up to none"),
    ("DROP TABLE estate_funds_version", "format 2, but migrations up to none"),
    ("DELETE FROM estate_funds_meta", "format None, but migrations up to 0002"),
]


@pytest.mark.parametrize(("statement", "got"), HALVES)
def test_half_a_migration_is_told_from_a_whole_one(address: str, statement: str, got: str) -> None:
    Store.open(address).close()
    execute(address, *disarm(address), statement)
    for call in (Store.open, Store.migrate):
        with pytest.raises(LedgerFormatError, match="half-migrated") as caught:
            call(address)
        assert got in str(caught.value)


def disarm(address: str) -> list[str]:
    """What takes the triggers of the table of formats away, as the owner of a database can."""
    if address.startswith("postgresql"):
        return ["ALTER TABLE estate_funds_meta DISABLE TRIGGER ALL"]
    return [f"DROP TRIGGER estate_funds_meta_no_{verb}" for verb in ("update", "delete")]


def test_a_newer_format_is_neither_opened_nor_migrated(address: str) -> None:
    Store.open(address).close()
    execute(
        address,
        *disarm(address),
        "UPDATE estate_funds_meta SET format = 3",
        "UPDATE estate_funds_version SET version_num = '0003'",
    )
    for call in (Store.open, Store.migrate):
        with pytest.raises(LedgerFormatError, match="another format") as caught:
            call(address)
        assert "format 3" in str(caught.value)
        assert "newer" in str(caught.value)


def test_nothing_to_migrate(tmp_path: Path, fresh_postgres: str) -> None:
    with pytest.raises(LedgerNotFound):
        Store.migrate(str(tmp_path / "none.db"))
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE t (x)").connection.close()
    for address in (str(tmp_path / "other.db"), fresh_postgres):
        with pytest.raises(LedgerFormatError, match="holds no ledger"):
            Store.migrate(address)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_what_cannot_be_written_is_not_migrated(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    write_format_1(str(path), entries(4))
    with pytest.raises(StoreUnavailable, match="the database refused") as caught:
        Store.migrate(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert "readonly" in str(caught.value)
    path.chmod(stat.S_IRUSR)
    with pytest.raises(LedgerFormatError, match="another format"):
        Store.open(str(path), create=False)


def test_a_full_disk_leaves_the_old_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "b.db")
    write_format_1(address, entries(300))
    pages = sqlite3.connect(address).execute("PRAGMA page_count").fetchone()[0]
    made = sa.create_engine

    def small(url: str, **options: object) -> sa.Engine:
        engine = made(url, **options)
        sa.event.listen(
            engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages + 20}")
        )
        return engine

    with monkeypatch.context() as patch:
        patch.setattr(sa, "create_engine", small)
        with pytest.raises(StoreUnavailable) as caught:
            Store.migrate(address)
        assert "full" in str(caught.value)
    with pytest.raises(LedgerFormatError, match="another format"):
        Store.open(address)
    assert Store.migrate(address).entries == 300


KILLED = """
import sys
from estate_funds.store import Store
print("go", flush=True)
Store.migrate(sys.argv[1])
"""


def test_a_killed_migration_is_whole_or_not_at_all(tmp_path: Path) -> None:
    origin = tmp_path / "origin.db"
    write_format_1(str(origin), entries(1500))
    formats = set()
    for trial in range(4):
        address = str(tmp_path / f"{trial}.db")
        shutil.copy(origin, address)
        process = subprocess.Popen([sys.executable, "-c", KILLED, address], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.02 + 0.08 * trial)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        done = Store.migrate(address)
        formats.add(done.found)
        assert (done.format, done.entries) == (FORMAT, 1500)
        store = Store.open(address)
        assert store.count() == 1500
        store.close()
    assert formats  # whether it was killed before or after it was done, it is done now
