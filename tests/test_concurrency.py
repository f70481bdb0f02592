"""Several writers at once, and posting inside a transaction of the application's own: no interleaving breaks a rule."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from conftest import HANDS, TODAY
from estate_funds import Books
from estate_funds.errors import LedgerFormatError, OutsideFence, Overdrawn, StoreUnavailable
from estate_funds.funds import Account
from estate_funds.journal import Entry, Kind
from estate_funds.ledger import replay
from estate_funds.store import ledger_url
from estate_funds.vouchers import open_fund, receive
from faults import FULL, FUND, Nursery, invoice, paper, spending

D1 = date(2022, 5, 1)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    if not hasattr(os, "fork"):
        pytest.skip("workers are forked")
    made = Nursery()
    yield made
    made.close()


def filled(address: str, fen: int, **options: object) -> None:
    """A ledger with one fund that holds so much."""
    with Books.open(address, recorded_on=TODAY, **options) as books:  # type: ignore[arg-type]
        fill(books, fen)
        if books.evidence is not None:
            books.evidence.add_bytes(paper("first"))


def fill(books: Books, fen: int) -> None:
    books.post([open_fund(FUND, on=D1, hands=HANDS), receive(FUND, "lockers", fen, on=D1, key="r", hands=HANDS)])


def cash_after_each(entries: list[Entry]) -> Iterator[int]:
    """What the fund holds after each entry, added up from the postings alone."""
    fen = 0
    for entry in entries:
        for posting in entry.draft.postings:
            if posting.account == Account.CASH:
                fen += posting.amount_fen if posting.side == "D" else -posting.amount_fen
        yield fen


# --- many writers, one fund -----------------------------------------------------------------------------------------


def spend_at_once(nursery: Nursery, address: str, writers: int, each: int) -> None:
    """So many processes spend from a fund that can pay half of it; what can be paid lands, and nothing beyond."""
    fen, affordable = 7, writers * each // 2
    filled(address, fen * affordable)
    jobs = [
        {"do": "spend", "address": address, "fen": fen, "keys": [f"{w}/{n}" for n in range(each)], "watched": False}
        for w in range(writers)
    ]
    outcomes = nursery.run_together(jobs)
    assert {outcome.said for outcome in outcomes} == {"done"}, [outcome.result for outcome in outcomes]
    landed, stood, refused = (sum(outcome.result[n] for outcome in outcomes) for n in range(3))
    assert (landed, stood, refused) == (affordable, 0, affordable)
    with Books.open(address, create=False, recorded_on=TODAY) as books:
        entries = list(books.entries())
        kinds = Counter(entry.draft.kind for entry in entries)
        assert kinds[Kind.SPENDING] == affordable
        assert kinds[Kind.REFUSAL] == affordable  # each attempt that was refused is on record
        assert [entry.seq for entry in entries] == list(range(1, 2 * affordable + 3))
        assert len({entry.draft.key for entry in entries}) == len(entries)
        held = list(cash_after_each(entries))
        assert held[-1] == min(held[1:]) == 0
        assert books.ledger.balance(FUND.fund_id, Account.CASH) == 0
        assert books.balance(FUND.fund_id).get(("cash", ""), 0) == 0
        assert replay(entries).head == books.ledger.head
        assert books.audit(rules=()).findings == ()
        shares = Counter(entry.draft.key.partition("/")[0] for entry in entries if entry.draft.kind is Kind.SPENDING)
        print(
            f"\n{address.partition(':')[0]}: {dict(shares)} of {each} each, {max(o.elapsed_ms for o in outcomes):.0f} ms"
        )


def test_what_can_be_paid_lands_and_nothing_beyond(nursery: Nursery, address: str) -> None:
    spend_at_once(nursery, address, 8, 30)


@pytest.mark.long
def test_eight_writers_and_two_thousand_spendings_each(nursery: Nursery, address: str) -> None:
    spend_at_once(nursery, address, 8, 2_000)


def test_a_key_from_two_writers_lands_once(nursery: Nursery, address: str) -> None:
    keys = [f"same/{n}" for n in range(60)]
    filled(address, 7 * len(keys))
    outcomes = nursery.run_together(
        [
            {"do": "spend", "address": address, "fen": 7, "keys": order, "watched": False}
            for order in (keys, keys, keys[::-1])
        ]
    )
    assert {outcome.said for outcome in outcomes} == {"done"}, [outcome.result for outcome in outcomes]
    assert sum(outcome.result[0] for outcome in outcomes) == len(keys)
    assert all(landed + stood == len(keys) and not refused for landed, stood, refused in (o.result for o in outcomes))
    with Books.open(address, create=False, recorded_on=TODAY) as books:
        assert sorted(entry.draft.key for entry in books.entries(after=2)) == sorted(keys)
        assert books.ledger.balance(FUND.fund_id, Account.CASH) == 0
        assert books.audit(rules=()).findings == ()


def test_a_killed_writer_does_not_hold_up_the_others(nursery: Nursery, address: str) -> None:
    """The turn of the only writer is given back by the database, whatever becomes of the process."""
    filled(address, 7_000)
    job = {"do": "spend", "address": address, "fen": 7, "watched": False}
    outcomes = nursery.run_together(
        [
            *({**job, "keys": [f"{w}/{n}" for n in range(400)], "after_ms": 60 + 20 * w} for w in range(4)),
            {**job, "keys": [f"last/{n}" for n in range(40)]},
        ]
    )
    assert outcomes[-1].said == "done", outcomes[-1].result
    assert outcomes[-1].result[0] == 40
    assert any(outcome.killed for outcome in outcomes[:4])
    with Books.open(address, create=False, recorded_on=TODAY) as books:
        assert books.audit(rules=()).findings == ()


def test_writers_of_batches_and_of_single_entries(nursery: Nursery, address: str, tmp_path: Path) -> None:
    """A ledger that others write to while these books post batches."""
    filled(address, 7_000_000)
    jobs = [
        {"do": "spend", "address": address, "fen": 7, "keys": [f"{w}/{n}" for n in range(40)], "watched": False}
        for w in range(2)
    ]
    with Books.open(address, create=False, recorded_on=TODAY) as books:
        for batch in range(3):
            outcomes = nursery.run_together(jobs) if batch == 1 else []
            assert all(outcome.said == "done" for outcome in outcomes)
            books.post(spending(f"batch/{batch}/{n}", D1) for n in range(40))
        assert len(books) == 2 + 120 + 80
        assert books.audit(rules=()).findings == ()


def test_an_audit_sees_one_state_while_others_post(nursery: Nursery, address: str, tmp_path: Path) -> None:
    filled(address, 7_000_000)
    jobs = [
        {"do": "spend", "address": address, "fen": 7, "keys": [f"{w}/{n}" for n in range(150)], "watched": False}
        for w in range(3)
    ]
    sizes: list[int] = []
    with Books.open(address, create=False, recorded_on=TODAY) as books, ThreadPoolExecutor() as pool:
        writing = pool.submit(nursery.run_together, jobs)
        while not writing.done():
            report = books.audit(rules=())
            assert report.findings == ()
            assert report.head.startswith(f"{report.entries}:")
            sizes.append(report.entries)
        assert {outcome.said for outcome in writing.result()} == {"done"}
        assert books.audit().entries == 452
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 2


# --- inside a transaction of the application's own ------------------------------------------------------------------


@pytest.fixture
def office(address: str) -> Iterator[sa.Engine]:
    """The database of a back office with a table of its own, and a ledger in it."""
    filled(address, 1_000)
    engine = sa.create_engine(ledger_url(address))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (number INTEGER PRIMARY KEY)")
    yield engine
    engine.dispose()


def orders(engine: sa.Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT number FROM orders ORDER BY number").scalars())


def order(connection: sa.Connection | Session, number: int) -> None:
    connection.execute(sa.text("INSERT INTO orders VALUES (:number)"), {"number": number})


def test_both_land_or_neither(office: sa.Engine, address: str) -> None:
    with office.begin() as connection:
        order(connection, 1)
        books = Books.within(connection, recorded_on=TODAY)
        assert len(books.post(spending("s1", D1)).entries) == 1
        order(connection, 2)
        books.post([spending("s2", D1), spending("s3", D1)])
    with pytest.raises(RuntimeError), office.begin() as connection:
        order(connection, 3)
        Books.within(connection, recorded_on=TODAY).post(spending("s4", D1))
        raise RuntimeError("the application changed its mind")
    assert orders(office) == [1, 2]
    with Session(office) as session:
        order(session, 4)
        Books.within(session, recorded_on=TODAY).post(spending("s5", D1))
        session.rollback()
        order(session, 5)
        Books.within(session, recorded_on=TODAY).post(spending("s6", D1))
        session.commit()
    assert orders(office) == [1, 2, 5]
    with Books.open(address, create=False, recorded_on=TODAY) as books:
        assert [entry.draft.key for entry in books.entries(after=2)] == ["s1", "s2", "s3", "s6"]
        assert books.audit(rules=()).findings == ()


def test_books_outlive_a_rollback_of_the_application(office: sa.Engine, address: str) -> None:
    """The same books, after their caller took back what they had posted."""
    with office.connect() as connection:
        books = Books.within(connection, recorded_on=TODAY)
        books.post(spending("s1", D1))
        assert len(books) == 3
        connection.rollback()
        assert len(books) == 2
        books = Books.within(connection, recorded_on=TODAY)
        assert len(books.post(spending("s1", D1)).entries) == 1
        connection.commit()
    with Books.open(address, create=False, recorded_on=TODAY) as books:
        assert [entry.draft.key for entry in books.entries(after=2)] == ["s1"]


def test_the_same_books_go_on_after_a_rollback(office: sa.Engine) -> None:
    with office.connect() as connection:
        books = Books.within(connection, recorded_on=TODAY)
        books.post(spending("s1", D1))
        connection.rollback()
        assert books.ledger.seq == 2
        assert len(books.post(spending("s2", D1)).entries) == 1
        nested = connection.begin_nested()
        books.post(spending("s3", D1))
        nested.rollback()
        assert len(books.post(spending("s4", D1)).entries) == 1
        connection.commit()
        assert [entry.draft.key for entry in books.entries(after=2)] == ["s2", "s4"]
        assert books.audit(rules=()).findings == ()


def test_a_refusal_leaves_what_the_application_did(office: sa.Engine, address: str) -> None:
    with office.begin() as connection:
        order(connection, 1)
        books = Books.within(connection, recorded_on=TODAY)
        with pytest.raises(Overdrawn):
            books.post([spending("s1", D1), spending("s2", D1, fen=1_000)])
        order(connection, 2)
        with pytest.raises(OutsideFence):
            books.post(spending("banquet", D1, purpose="banquet"))
        books.post(spending("s3", D1))
    assert orders(office) == [1, 2]
    with Books.open(address, create=False, recorded_on=TODAY) as books:
        assert [entry.draft.kind for entry in books.entries(after=2)] == [Kind.REFUSAL, Kind.REFUSAL, Kind.SPENDING]
        assert books.audit(rules=()).findings == ()
    with pytest.raises(Overdrawn), office.begin() as connection:  # who rolls back takes the record with it
        order(connection, 3)
        Books.within(connection, recorded_on=TODAY).post(spending("s4", D1, fen=999))
    assert orders(office) == [1, 2]
    with Books.open(address, create=False) as books:
        assert len(books) == 5


def test_an_error_in_the_middle_leaves_what_the_application_did(office: sa.Engine) -> None:
    def failing() -> Iterator[object]:
        yield spending("s1", D1)
        raise KeyError("the caller's own")

    with office.begin() as connection:
        order(connection, 1)
        books = Books.within(connection, recorded_on=TODAY)
        with pytest.raises(KeyError):
            books.post(failing())  # type: ignore[arg-type]
        assert len(books) == 2
        books.post(spending("s2", D1))
        order(connection, 2)
    assert orders(office) == [1, 2]


def test_evidence_is_kept_before_the_application_commits(office: sa.Engine, tmp_path: Path) -> None:
    with office.begin() as connection:
        books = Books.within(connection, recorded_on=TODAY, evidence=tmp_path / "papers")
        assert books.evidence is not None
        books.evidence.add_bytes(paper("first"))
        books.post(spending("s1", D1))
        assert books.audit(rules=()).findings == ()
    assert (tmp_path / "papers").exists()
    assert books.evidence.has(invoice("first").sha256)


def test_a_ledger_of_another_name(office: sa.Engine, address: str) -> None:
    """Two ledgers in one database, by prefix: neither sees the other."""
    with office.begin() as connection:
        order(connection, 1)
        other = Books.within(connection, create=True, recorded_on=TODAY, prefix="second_")
        fill(other, 70)
        other.post(spending("s1", D1))
        Books.within(connection, recorded_on=TODAY).post([spending("s1", D1), spending("s2", D1)])
    with (
        Books.open(address, create=False, recorded_on=TODAY) as first,
        Books.open(address, create=False, recorded_on=TODAY, prefix="second_") as second,
    ):
        assert (len(first), len(second)) == (4, 3)
        assert first.audit(rules=()).findings == second.audit().findings == ()
        assert first.ledger.head != second.ledger.head
        with pytest.raises(Overdrawn):
            second.post(spending("s2", D1, fen=64))
        first.post(spending("s3", D1, fen=64))
        assert (len(first), len(second)) == (5, 4)
    with pytest.raises(LedgerFormatError):
        Books.open(address, create=False, prefix="third_")
    with office.connect() as connection, pytest.raises(LedgerFormatError):
        Books.within(connection, prefix="third_")
    assert orders(office) == [1]


def test_a_schema_of_its_own(fresh_postgres: str) -> None:
    engine = sa.create_engine(ledger_url(fresh_postgres))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE orders (number INTEGER PRIMARY KEY)")
        order(connection, 1)
        books = Books.within(connection, create=True, recorded_on=TODAY, prefix="ef_", schema="funds")
        fill(books, 700)
        with pytest.raises(OutsideFence):
            books.post(spending("banquet", D1, purpose="banquet"))
        books.post(spending("s1", D1))
    with pytest.raises(RuntimeError), engine.begin() as connection:
        Books.within(connection, recorded_on=TODAY, prefix="ef_", schema="funds").post(spending("s2", D1))
        raise RuntimeError
    engine.dispose()
    with Books.open(fresh_postgres, create=False, recorded_on=TODAY, prefix="ef_", schema="funds") as books:
        assert len(books) == 4
        assert books.audit(rules=()).findings == ()
    with pytest.raises(LedgerFormatError):
        Books.open(fresh_postgres, create=False)


def test_a_writer_waits_for_the_transaction_of_an_application(fresh_postgres: str) -> None:
    """The turn is the application's until it commits; what it posted is seen by the next one."""
    filled(fresh_postgres, 10)
    engine = sa.create_engine(ledger_url(fresh_postgres))
    hurried = f"{fresh_postgres}&options=-c%20lock_timeout%3D50"
    with engine.begin() as connection, Books.open(hurried, create=False, recorded_on=TODAY) as other:
        Books.within(connection, recorded_on=TODAY).post(spending("s1", D1))
        with pytest.raises(StoreUnavailable, match="the database refused"):
            other.post(spending("s2", D1))
        assert len(other) == 2
        connection.commit()
        with pytest.raises(Overdrawn):
            other.post(spending("s2", D1))
    engine.dispose()


def test_sizes_are_the_real_ones() -> None:
    from estate_funds.store import writer

    assert 4 * writer.SNAPSHOT_ENTRIES == FULL == 1 << writer._SHIFT
