"""What ends with a period: budget that lapses and goes back, years, months closed and opened again."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from conftest import HANDS
from desk import D1, LAPSING, SHARE, TWO_YEARS, Desk
from estate_funds.calendar import Month
from estate_funds.errors import (
    InputError,
    Malformed,
    OutsideFence,
    Overdrawn,
    PeriodClosed,
    Refusal,
    Unbalanced,
)
from estate_funds.funds import Account
from estate_funds.journal import Entry, Kind
from estate_funds.vouchers import carry_forward, close, reopen
from ready import NEXT, funded

# --- surrender --------------------------------------------------------------------------------------------------------


def test_surplus_cash_goes_back_to_its_source_and_not_a_fen_more() -> None:
    desk = funded((LAPSING, 1_000))
    desk.refuses(desk.surrendering(LAPSING, 1, on=D1), Overdrawn, "no budget stands for")
    desk.promise(LAPSING, 400, "works")
    desk.end_year(2022)
    assert desk.surplus(LAPSING) == 600
    for source in ("district", "city ", "", LAPSING.fund_id):
        desk.refuses(desk.surrendering(LAPSING, 600, source, on=NEXT), OutsideFence, "goes back to whom it came from")
    desk.refuses(desk.surrendering(LAPSING, 601, on=NEXT), Overdrawn, "no budget stands for")
    desk.book(desk.surrendering(LAPSING, 599, on=NEXT))
    desk.refuses(desk.surrendering(LAPSING, 2, on=NEXT), Overdrawn)
    desk.book(desk.surrendering(LAPSING, 1, on=NEXT))
    desk.spend(LAPSING, 400, against="works", on=NEXT)
    assert (desk.has(LAPSING, Account.CASH), desk.has(LAPSING, Account.SURRENDERED, "city")) == (0, 1_000 - 400)
    desk.replays()


def test_what_is_surrendered_is_told_as_it_is() -> None:
    desk = funded((LAPSING, 1_000))
    desk.end_year(2022)
    draft = desk.surrendering(LAPSING, 10, on=NEXT)
    desk.refuses(replace(draft, payee="district"), OutsideFence)
    desk.refuses(replace(draft, document=""), Malformed, "on a document and a clause")
    desk.refuses(replace(draft, postings=draft.postings[:1]), Unbalanced)
    desk.refuses(replace(draft, payee="district", postings=draft.postings[::-1]), OutsideFence)
    taken_back = desk.book(draft)
    desk.book(desk.reversing(taken_back, on=NEXT))
    assert desk.surplus(LAPSING) == 1_000


# --- year ends --------------------------------------------------------------------------------------------------------

# Of a fund that carries forward for two years: what came in and was spent in each year from 2018, and what lapses at its end.
LAPSES = {
    "all of it at the end of the third year": ([(100, 0), (0, 0), (0, 0), (0, 0)], [0, 0, 100, 0]),
    "nothing is left by then": ([(100, 0), (0, 50), (0, 50)], [0, 0, 0]),
    "a fen is left by then": ([(100, 0), (0, 50), (0, 49)], [0, 0, 1]),
    "each year's in its turn": ([(10, 0), (20, 0), (30, 0), (40, 0), (0, 0), (0, 0)], [0, 0, 10, 20, 30, 40]),
    "what came first is spent first": ([(100, 0), (50, 0), (0, 100), (0, 0)], [0, 0, 0, 50]),
    "spent beyond the first": ([(100, 0), (50, 0), (0, 120), (0, 0)], [0, 0, 0, 30]),
    "young money does not shelter old": ([(100, 0), (0, 0), (500, 50), (0, 0)], [0, 0, 50, 0]),
    "young money is spent last": ([(100, 0), (0, 0), (500, 100), (0, 0), (0, 0)], [0, 0, 0, 0, 500]),
    "young money is spent too": ([(100, 0), (0, 0), (500, 300), (0, 0), (0, 0)], [0, 0, 0, 0, 300]),
    "a year without": ([(0, 0), (7, 0), (0, 0), (0, 0)], [0, 0, 0, 7]),
    "spent in the year it comes": ([(100, 100), (100, 100), (100, 100)], [0, 0, 0]),
    "some every year": ([(100, 60), (100, 60), (100, 60), (100, 60), (0, 0), (0, 0)], [0, 0, 0, 0, 60, 100]),
}


@pytest.mark.parametrize("name", LAPSES)
def test_what_was_carried_forward_for_two_years_lapses(name: str) -> None:
    desk, (years, expected) = Desk(), LAPSES[name]
    lapsed = []
    for year, (came, spent) in enumerate(years, start=2018):
        if came:
            desk.fund(TWO_YEARS, came, on=date(year, 12, 31))
        if spent:
            desk.spend(TWO_YEARS, spent, on=date(year, 12, 31))
        left, surplus = desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)
        desk.close_year(year)
        lapsed.append(desk.surplus(TWO_YEARS) - surplus)
        assert desk.free(TWO_YEARS) == desk.has(TWO_YEARS, Account.UNENCUMBERED, str(year + 1)) == left - lapsed[-1]
    assert lapsed == expected
    desk.replays()
    if sum(lapsed):
        desk.book(desk.surrendering(TWO_YEARS, sum(lapsed), on=date(2025, 1, 5)))


def test_a_promise_over_the_year_end_does_not_lapse_until_it_is_released() -> None:
    desk = Desk()
    desk.fund(TWO_YEARS, 100, on=date(2018, 1, 5))
    desk.promise(TWO_YEARS, 60, "works", on=date(2018, 1, 5))
    for year in (2018, 2019, 2020):
        desk.close_year(year)
    assert (desk.surplus(TWO_YEARS), desk.free(TWO_YEARS)) == (40, 0)
    desk.book(desk.releasing("works", on=date(2021, 1, 5)))
    assert (desk.surplus(TWO_YEARS), desk.free(TWO_YEARS)) == (100, 0)


def test_a_promise_of_what_is_just_young_enough_is_free_again_all_of_it() -> None:
    """The allowance of two years ends with what came in: a fen more, and that fen would have lapsed."""
    desk = Desk()
    desk.fund(TWO_YEARS, 100)
    desk.promise(TWO_YEARS, 100, "works")
    for year in (2022, 2023):
        desk.end_year(year)
    desk.book(desk.releasing("works", on=date(2024, 1, 5)))
    assert (desk.surplus(TWO_YEARS), desk.free(TWO_YEARS)) == (0, 100)


def test_lines_of_one_release_count_together() -> None:
    desk = funded((LAPSING, 1_000))
    desk.promise(LAPSING, 600, "works")
    desk.end_year(2022)
    whole = desk.releasing("works", on=NEXT)
    promised, given_up = whole.postings
    assert (promised.account, given_up.account) == ("encumbered", "authority")
    lines = (promised._replace(amount_fen=400), promised._replace(amount_fen=200), given_up)
    desk.book(replace(whole, postings=lines))
    assert (desk.free(LAPSING), desk.surplus(LAPSING)) == (0, 1_000)


def test_what_lapses_by_hand_is_what_the_document_says() -> None:
    desk = Desk()
    desk.fund(TWO_YEARS, 100, on=date(2020, 1, 5))
    desk.fund(TWO_YEARS, 30, on=date(2022, 1, 5))
    desk.close_year(2020)
    desk.close_year(2021)
    (draft,) = carry_forward(desk.ledger, 2022, hands=HANDS)
    assert [(p.account, p.amount_fen) for p in draft.postings] == [
        ("unencumbered", 130),
        ("unencumbered", 30),
        ("authority", 100),
    ]
    away, onward, lapse = draft.postings
    for less, more in ((29, 101), (31, 99), (130, 0)):
        made = (away, onward._replace(amount_fen=less), *((lapse._replace(amount_fen=more),) if more else ()))
        desk.refuses(replace(draft, postings=made), Malformed, "not how")
    desk.refuses(replace(draft, postings=(away, lapse, onward)), Malformed, "not how")
    desk.book(draft)


# --- closed and opened again ------------------------------------------------------------------------------------------


def closed() -> tuple[Desk, Entry]:
    """A share fund of which 300 were spent, and everything through 2022 closed."""
    desk = funded((SHARE, 1_000), (LAPSING, 1_000))
    payment = desk.spend(SHARE, 300, on=date(2022, 12, 5))
    desk.close_year(2022)
    return desk, payment


def test_a_period_is_opened_again_on_an_approval() -> None:
    desk, payment = closed()
    with pytest.raises(InputError, match="on an approval"):
        reopen(
            Month.parse("2022-12"), on=NEXT, key="o", hands=HANDS, document="d", clause="1", narrative="n", evidence=()
        )
    draft = desk.reopening("2022-12", on=NEXT)
    for gap in ({"evidence": ()}, {"document": ""}, {"clause": ""}):
        desk.refuses(replace(draft, **gap), Malformed, "rests on an approval")
    desk.refuses(replace(draft, approver="maker"), Refusal)
    desk.refuses(replace(draft, effective=date(2022, 12, 31)), PeriodClosed)
    desk.book(draft)
    assert desk.ledger.closed_through == date(2022, 11, 30)
    desk.refuses(desk.spending(SHARE, 1, on=date(2022, 11, 30)), PeriodClosed, "after 2022-11-30")
    desk.refuses(desk.spending(SHARE, 1, on=date(2022, 12, 31)), Overdrawn, "budget year 2022")  # it went on to 2023
    desk.book(desk.reversing(payment, on=date(2022, 12, 31)))
    desk.fund(SHARE, 50, on=date(2022, 12, 31))
    desk.spend(SHARE, 20, on=date(2022, 12, 31))
    again = close(Month.parse("2022-12"), on=NEXT, hands=HANDS, ledger=desk.ledger)
    desk.refuses(again, Malformed, "budget left in 2022")
    desk.close_year(2022)
    assert desk.has(SHARE, Account.UNENCUMBERED, "2023") == desk.free(SHARE) == 1_000 + 50 - 20
    desk.refuses(desk.spending(SHARE, 1, on=date(2022, 12, 31)), PeriodClosed)
    desk.replays()


def test_what_comes_into_a_year_that_is_opened_again_lapses_as_the_rest_did() -> None:
    desk, _ = closed()
    desk.book(desk.reopening("2022-12", on=NEXT))
    desk.fund(LAPSING, 70, on=date(2022, 12, 31))
    desk.close_year(2022)
    assert (desk.free(LAPSING), desk.surplus(LAPSING)) == (0, 1_070)


@pytest.mark.parametrize("month", ["2023-01", "2023-02", "2026-12"])
def test_what_is_open_is_not_opened(month: str) -> None:
    desk, _ = closed()
    desk.refuses(desk.reopening(month, on=NEXT), PeriodClosed, "not closed")


def test_years_that_are_opened_again_end_again_in_order() -> None:
    desk = funded((SHARE, 1_000))
    desk.close_year(2022)
    desk.spend(SHARE, 100, on=date(2023, 5, 1))
    desk.close_year(2023)
    desk.book(desk.reopening("2022-06", on=date(2024, 1, 5)))
    assert desk.ledger.closed_through == date(2022, 5, 31)
    desk.fund(SHARE, 40, on=date(2022, 6, 1))
    for year in (2022, 2023):
        desk.close_year(year)
    assert desk.free(SHARE) == desk.has(SHARE, Account.UNENCUMBERED, "2024") == 940
    keys = [e.draft.key for e in desk.entries if e.draft.kind is Kind.CLOSE]
    assert keys == ["close/2022-12", "close/2023-12", "close/2022-12/2", "close/2023-12/2"]
    desk.replays()
