"""The facade where it does more than pass on: records of refusals, balances, statements, traces."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from conftest import HANDS, TODAY, make_fund
from estate_funds import Books
from estate_funds.calendar import Months
from estate_funds.errors import DamagedEntry, OutsideFence, UnknownFund
from estate_funds.vouchers import open_fund, promise, promise_key, receive, release, spend

FUND = make_fund("share/community/k", purposes=("cleaning",), classes=("enterprise",))
DAY = date(2024, 3, 1)


def paying(purpose: str = "cleaning", key: str = "s"):  # type: ignore[no-untyped-def]
    return spend(FUND, 100, purpose=purpose, payee="firm", payee_class="enterprise", on=DAY, key=key, hands=HANDS)


def filled(address: str) -> Books:
    books = Books.open(address, recorded_on=TODAY)
    books.post([open_fund(FUND, on=DAY, hands=HANDS), receive(FUND, "lockers", 1_000, on=DAY, key="r", hands=HANDS)])
    return books


def test_a_refusal_that_was_rolled_back_is_handed_over_to_be_recorded(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    with filled(str(path)):
        pass
    with (
        pytest.raises(OutsideFence) as caught,
        Session(sa.create_engine(f"sqlite:///{path}")) as session,
        session.begin(),
    ):
        Books.within(session, recorded_on=TODAY).post(paying("banquet"))
    with Books.open(str(path), recorded_on=TODAY) as books:
        assert len(books) == 2
        books.record(caught.value)
        books.record(caught.value)
        assert [entry.draft.kind for entry in books.entries(after=2)] == ["refusal"]


def test_a_fund_that_was_never_opened_has_no_balance_of_nought() -> None:
    with filled("memory") as books:
        assert books.balance(FUND.fund_id)["cash", ""] == 1_000
        with pytest.raises(UnknownFund, match="did you mean"):
            books.balance("share/community/kk")


def test_a_promise_that_was_released_is_made_anew() -> None:
    contract = {"reference": "c", "purpose": "cleaning", "payee": "firm", "payee_class": "enterprise", "on": DAY}
    with filled("memory") as books:
        books.post(promise(FUND, 300, hands=HANDS, **contract))  # type: ignore[arg-type]
        books.post(release(books.ledger, "c", on=DAY, hands=HANDS, narrative="not built"))
        attempt = books.ledger.attempt(promise_key("c"))
        posted = books.post(promise(FUND, 300, attempt=attempt, hands=HANDS, **contract))  # type: ignore[arg-type]
        assert [entry.draft.key for entry in posted.entries] == ["encumbrance/c/2"]


def test_statements_and_traces_of_the_books() -> None:
    with filled("memory") as books:
        (entry,) = books.post(paying()).entries
        assert [(part.receipt.source, part.fen) for part in books.trace().of(entry.seq)] == [("lockers", 100)]
        assert "lockers" in books.statement(Months.parse("2024"), fund=FUND.fund_id).to_text()


@pytest.mark.parametrize("what", ["entries", "entry"])
def test_what_was_changed_is_not_told_as_what_was_booked(tmp_path: Path, what: str) -> None:
    path = tmp_path / "books.db"
    with filled(str(path)) as books:
        engine = sa.create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP TRIGGER estate_funds_posting_no_update")
            connection.exec_driver_sql("UPDATE estate_funds_posting SET amount_fen = 999 WHERE seq = 2 AND line = 1")
        with pytest.raises(DamagedEntry, match="changed behind"):
            list(books.entries()) if what == "entries" else books.entry(2)
