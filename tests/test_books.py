"""The facade where it does more than pass on: records of refusals, balances, statements, traces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from conftest import HANDS, TODAY, make_fund
from estate_funds import Books
from estate_funds.calendar import Months
from estate_funds.case import Step
from estate_funds.errors import (
    CheckpointError,
    DamagedEntry,
    DateError,
    EstateFundsError,
    FuturePeriod,
    InputError,
    KeyConflict,
    Malformed,
    OutsideFence,
    Refusal,
    StoreUnavailable,
    UnknownFund,
)
from estate_funds.funds import Fund
from estate_funds.journal import Draft
from estate_funds.vouchers import (
    Hands,
    amend_fund,
    carry_forward,
    expire,
    lend,
    open_fund,
    promise,
    promise_key,
    receive,
    release,
    reverse,
    spend,
    surrender,
    transfer,
)

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


@pytest.mark.parametrize("today", [TODAY - timedelta(days=1), TODAY, TODAY + timedelta(days=1)])
@pytest.mark.parametrize("draft", [paying(), paying("banquet"), receive(FUND, "x", 1, on=TODAY, key="x", hands=HANDS)])
def test_a_check_says_what_posting_does(tmp_path: Path, today: date, draft: Draft) -> None:
    with filled(str(tmp_path / "books.db")):
        pass
    with Books.open(str(tmp_path / "books.db"), recorded_on=today) as books:
        said = books.check(draft)
        if said is None:
            assert len(books.post(draft).entries) == 1
            return
        with pytest.raises(type(said)) as caught:
            books.post(draft)
        assert str(caught.value) == str(said)
        assert isinstance(said, FuturePeriod) == (today < TODAY)


# --- what is handed in wrongly ---

WRONG: dict[str, Callable[[Books], object]] = {
    "nothing to post": lambda books: books.post(None),  # type: ignore[arg-type]
    "a number to post": lambda books: books.post(5),  # type: ignore[arg-type]
    "a text to post": lambda books: books.post("spend"),  # type: ignore[arg-type]
    "nothing among drafts": lambda books: books.post([paying(), None]),  # type: ignore[list-item]
    "a step without a draft": lambda books: books.post([paying(), Step(None, "row 3")]),  # type: ignore[arg-type]
    "nothing to check": lambda books: books.check(None),  # type: ignore[arg-type]
    "drafts as columns": lambda books: books.post_columns([paying()]),  # type: ignore[arg-type]
    "a folder as a case": lambda books: books.run("examples/donghu"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_what_cannot_be_booked_is_an_error_of_the_input(call: Callable[[Books], object]) -> None:
    with filled("memory") as books:
        with pytest.raises(InputError) as caught:
            call(books)
        error = caught.value
        assert str(error.where).startswith("Books.")
        assert error.got
        assert error.fix
        assert len(books) == 2
        assert len(books.post(paying()).entries) == 1


GIVEN_WRONGLY: dict[str, tuple[type[EstateFundsError], Callable[[Books], object]]] = {
    "reverse a draft": (InputError, lambda _: reverse(paying(), on=DAY, hands=HANDS, narrative="n")),  # type: ignore[arg-type]
    "reverse a number": (InputError, lambda _: reverse(5, on=DAY, hands=HANDS, narrative="n")),  # type: ignore[arg-type]
    "open nothing": (InputError, lambda _: open_fund(None, on=DAY, hands=HANDS)),  # type: ignore[arg-type]
    "transfer by id": (InputError, lambda _: transfer(FUND.fund_id, FUND, 1, **TO)),  # type: ignore[arg-type]
    "lend by id": (InputError, lambda _: lend(FUND, FUND.fund_id, 1, **TO)),  # type: ignore[arg-type]
    "spend by id": (InputError, lambda _: spend(FUND.fund_id, 1, payee="f", payee_class="e", **BY)),  # type: ignore[arg-type]
    "expire without a ledger": (InputError, lambda _: expire(None, on=DAY, hands=HANDS)),  # type: ignore[arg-type]
    "an id without slashes": (Malformed, lambda _: transfer(FUND, replace(FUND, fund_id="k"), 1, **TO)),
    "a year as text": (DateError, lambda books: carry_forward(books.ledger, "2024", hands=HANDS)),  # type: ignore[arg-type]
    "a year beyond": (DateError, lambda books: carry_forward(books.ledger, 99999, hands=HANDS)),
    "the balance of nothing": (InputError, lambda books: books.balance(None)),  # type: ignore[arg-type]
    "balances after a text": (InputError, lambda books: books.balances_after("x")),  # type: ignore[arg-type]
    "balances after the end": (InputError, lambda books: books.balances_after(9999)),
    "balances before the start": (InputError, lambda books: books.balances_after(-1)),
    "no note": (CheckpointError, lambda books: books.check_checkpoint(None)),  # type: ignore[arg-type]
    "a number as a name": (CheckpointError, lambda books: books.checkpoint(5)),  # type: ignore[arg-type]
    "a period of nothing": (DateError, lambda books: books.statement(None)),  # type: ignore[arg-type]
    "a period in words": (DateError, lambda books: books.statement("spring")),
    "entries after a text": (InputError, lambda books: books.entries(after="x")),  # type: ignore[arg-type]
    "entries until a text": (InputError, lambda books: books.entries(until="x")),  # type: ignore[arg-type]
    "an entry by a text": (InputError, lambda books: books.entry("x")),  # type: ignore[arg-type]
    "a year of the audit": (DateError, lambda books: books.audit(year="x")),  # type: ignore[arg-type]
}
BY: dict[str, Any] = {"purpose": "p", "on": DAY, "key": "x", "hands": HANDS}
TO: dict[str, Any] = BY | {"clause": "1", "narrative": "n"}


@pytest.mark.parametrize(("error", "call"), GIVEN_WRONGLY.values(), ids=GIVEN_WRONGLY)
def test_what_is_given_wrongly_is_an_error_of_this_library(
    error: type[EstateFundsError], call: Callable[[Books], object]
) -> None:
    with filled("memory") as books:
        with pytest.raises(error) as caught:
            call(books)
        assert caught.value.wanted
        assert len(books) == 2


def test_a_fund_whose_id_has_no_slashes_takes_nothing() -> None:
    draft = lend(FUND, make_fund("share/community/q"), 1, **TO)
    postings = tuple(p._replace(detail=p.detail and "q") for p in draft.postings)
    with filled("memory") as books, pytest.raises(Refusal):
        books.post(replace(draft, purpose="cleaning", payee="firm", payee_class="enterprise", postings=postings))


def test_a_statement_of_a_period_that_is_text() -> None:
    with filled("memory") as books:
        assert books.statement("2024-03") == books.statement(Months.parse("2024-03"))


def permitting(**changes: Any) -> Fund:
    return replace(FUND, permits=(replace(FUND.permits[0], **changes),))


@pytest.mark.parametrize(
    ("error", "fund"),
    [(InputError, permitting(requires="contract")), (InputError, permitting(requires=("contract", 5))),
     (DateError, permitting(start=DAY, until=DAY)), (DateError, permitting(start=DAY, until=DAY - timedelta(days=1))),
     (DateError, permitting(until="2025-01-01")), (InputError, replace(FUND, surplus_after_years="2")),  # type: ignore[arg-type]
     (InputError, replace(FUND, carry_forward="no")), (InputError, replace(FUND, held_for_others=1))],  # type: ignore[arg-type]
)  # fmt: skip
def test_a_fund_that_would_be_booked_as_another_one_is_refused(error: type[InputError], fund: Fund) -> None:
    with pytest.raises(error, match=FUND.fund_id):
        open_fund(fund, on=DAY, hands=HANDS)
    with pytest.raises(error, match=FUND.fund_id):
        amend_fund(fund, on=DAY, key="a", hands=HANDS)


# --- reversals and their keys ---


@pytest.mark.parametrize("key", ["", "undo"])
def test_an_entry_is_reversed_once_and_the_second_time_is_told_by_which(key: str) -> None:
    with filled("memory") as books:
        how: dict[str, Any] = {"hands": HANDS, "narrative": "wrong"}
        (done,) = books.post(reverse(books.entry(2), on=DAY, key=key, **how)).entries
        assert done.draft.key == (key or "reversal/2")
        assert books.post(reverse(books.entry(2), on=DAY, key=key, **how)).repeated == 1
        for ledger in (None, books.ledger):
            again = reverse(books.entry(2), on=DAY + timedelta(days=1), ledger=ledger, **how)
            with pytest.raises(Refusal, match="entry 2 is reversed already, by entry 3"):
                books.post(again)


def test_a_key_that_somebody_took_does_not_keep_an_entry_from_being_reversed() -> None:
    with filled("memory") as books:
        books.post(receive(FUND, "x", 1, on=DAY, key="reversal/2", hands=HANDS))
        how: dict[str, Any] = {"on": DAY, "hands": HANDS, "narrative": "wrong"}
        with pytest.raises(KeyConflict, match=r"used for something else(.|\n)*a key of its own"):
            books.post(reverse(books.entry(2), **how))
        draft = reverse(books.entry(2), ledger=books.ledger, **how)
        assert draft.key == "reversal/2/2"
        books.post(draft)
        assert books.ledger.is_reversed(2)


MOMENT = datetime(2024, 3, 1, 12)  # noqa: DTZ001
DAYLESS: dict[str, Callable[[Books, object], object]] = {
    "receive": lambda _, day: receive(FUND, "lockers", 1, on=day, key="x", hands=HANDS),  # type: ignore[arg-type]
    "open": lambda _, day: open_fund(FUND, on=day, hands=HANDS),  # type: ignore[arg-type]
    "lend": lambda _, day: lend(FUND, FUND, 1, purpose="p", on=day, key="x", hands=HANDS, clause="1", narrative="n"),  # type: ignore[arg-type]
    "surrender": lambda _, day: surrender(FUND, "x", 1, on=day, key="x", hands=HANDS, clause="1", narrative="n"),  # type: ignore[arg-type]
    "reverse": lambda books, day: reverse(books.entry(2), on=day, hands=HANDS, narrative="wrong"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("day", [None, "2024-03-01", 20240301, MOMENT], ids=["none", "text", "number", "moment"])
@pytest.mark.parametrize("verb", DAYLESS.values(), ids=DAYLESS)
def test_a_verb_wants_a_day(verb: Callable[[Books, object], object], day: object) -> None:
    with (
        filled("memory") as books,
        pytest.raises(DateError, match=r"not a day(.|\n)*wanted: a datetime.date(.|\n)*to do"),
    ):
        verb(books, day)


@pytest.mark.parametrize("day", ["2024-03-01", MOMENT], ids=["text", "moment"])
def test_the_books_want_a_day(day: object) -> None:
    with pytest.raises(DateError, match="recorded_on"):
        Books.open("memory", recorded_on=day)  # type: ignore[arg-type]
    with filled("memory") as books:
        with pytest.raises(DateError, match="known_on"):
            books.statement(Months.parse("2024"), known_on=day)  # type: ignore[arg-type]
        with pytest.raises(DateError, match="not a day"):
            books.post(paying(), on=day)  # type: ignore[arg-type]
        assert len(books) == 2


@pytest.mark.parametrize("hands", [None, ("maker", "approver")])
def test_a_verb_wants_hands(hands: object) -> None:
    with pytest.raises(InputError, match="nobody is named"):
        open_fund(FUND, on=DAY, hands=hands)  # type: ignore[arg-type]
    assert open_fund(FUND, on=DAY, hands=Hands("maker", "approver")).maker == "maker"


@pytest.mark.parametrize("address", [None, Path("books.db"), 5])
def test_an_address_is_text(address: object) -> None:
    with pytest.raises(StoreUnavailable, match="not an address"):
        Books.open(address)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["", "  ", "sqlite:///"])
def test_an_empty_address_is_no_ledger_in_memory(address: str) -> None:
    with pytest.raises(InputError, match=r"is empty(.|\n)*write memory"):
        Books.open(address)
    with Books.open("memory") as books:
        assert len(books) == 0


@pytest.mark.parametrize("end", ["rollback", "close", "commit"])
def test_books_within_a_session_end_with_its_transaction(tmp_path: Path, end: str) -> None:
    path = tmp_path / "books.db"
    with filled(str(path)):
        pass
    session = Session(sa.create_engine(f"sqlite:///{path}"))
    books = Books.within(session, recorded_on=TODAY)
    books.post(paying())
    getattr(session, end)()
    for use in (lambda: books.post(paying(key="t")), lambda: len(books), lambda: books.balances()):
        with pytest.raises(StoreUnavailable, match=r"can no longer be used(.|\n)*to do:  open books anew"):
            use()
    again = Books.within(session, recorded_on=TODAY)
    assert len(again) == (3 if end == "commit" else 2)
    assert len(again.post(paying(key="t")).entries) == 1
    session.close()


def test_books_that_are_closed_say_so() -> None:
    books = filled("memory")
    books.close()
    for use in (lambda: books.post(paying()), lambda: len(books)):
        with pytest.raises(StoreUnavailable, match="can no longer be used"):
            use()


def test_books_within_what_is_no_transaction() -> None:
    for given in (None, "memory", sa.create_engine("sqlite://")):
        with pytest.raises(InputError, match="no transaction to work within"):
            Books.within(given)  # type: ignore[arg-type]
    with pytest.raises(EstateFundsError, match="can no longer be used"):
        Books.within(Session())
