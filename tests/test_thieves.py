"""What a thief with two signatures would try: each test is a way round the gate, and the gate's answer to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import pytest

from conftest import HANDS, TODAY, make_fund
from desk import (
    AGENCY,
    APPROVAL,
    CITY,
    D1,
    FUNDS,
    INVOICE,
    LAPSING,
    PAPERS,
    QUEUE,
    SHARE,
    TWO_YEARS,
    Desk,
    attempt_key,
    permit,
    restricted,
)
from estate_funds.calendar import Month
from estate_funds.errors import (
    BadReversal,
    Malformed,
    OutsideFence,
    Overdrawn,
    PromiseExpired,
    Refusal,
    SameHands,
    Unbalanced,
    UndeclaredCrossing,
)
from estate_funds.funds import Account, Fund
from estate_funds.journal import Draft, Kind, Posting
from estate_funds.vouchers import Hands, amend_fund, appropriate, carry_forward, close, expire, open_fund

NEXT = date(2023, 1, 10)
LATER = date(2024, 1, 10)


def line(fund: Fund, account: str, side: str, fen: int, detail: str = "") -> Posting:
    return Posting(fund.fund_id, account, detail, side, fen)


def by_hand(desk: Desk, kind: Kind, *postings: Posting, on: date = D1, **fields: object) -> Draft:
    """A draft that no verb would write."""
    usual: dict[str, object] = {"maker": "m", "approver": "a", "narrative": "n", "document": "doc", "clause": "1"}
    usual |= {"kind": kind, "effective": on, "key": desk.key, "postings": postings}
    return Draft(**(usual | fields))  # type: ignore[arg-type]


def paid_out(fund: Fund, fen: int, account: str, detail: str, budget: str, budget_detail: str) -> tuple[Posting, ...]:
    return (
        line(fund, account, "D", fen, detail), line(fund, "cash", "C", fen),
        line(fund, budget, "D", fen, budget_detail), line(fund, "expended" if account != "due_from" else "authority", "C", fen),
    )  # fmt: skip


def taken(fund: Fund, fen: int, account: str, detail: str, year: int = 2022) -> tuple[Posting, ...]:
    return (
        line(fund, "cash", "D", fen), line(fund, account, "C", fen, detail),
        line(fund, "authority", "D", fen), line(fund, "unencumbered", "C", fen, str(year)),
    )  # fmt: skip


# --- out of the fence -------------------------------------------------------------------------------------------------


def test_a_fen_into_the_right_fund_does_not_cover_money_that_leaves_the_books() -> None:
    desk = Desk()
    desk.fund(CITY, 1_000)
    desk.promise(CITY, 1_000, "claim", purpose="award", payee="k", payee_class="community")
    out = (
        *paid_out(CITY, 1, "transfer_out", SHARE.fund_id, "encumbered", "claim"), *taken(SHARE, 1, "transfer_in", CITY.fund_id),
        *paid_out(CITY, 999, "expenditure", "award", "encumbered", "claim"),
    )  # fmt: skip
    award = {"purpose": "award", "payee": "k", "payee_class": "community", "reference": "claim"}
    desk.refuses(by_hand(desk, Kind.DISBURSEMENT, *out, **award), OutsideFence, "may not be spent so")
    desk.book(by_hand(desk, Kind.DISBURSEMENT, *out[:8], **award))


def test_what_is_paid_on_a_claim_keeps_a_promise() -> None:
    desk = Desk()
    desk.fund(CITY, 1_000)
    grant = {"purpose": "grant", "payee": "k", "payee_class": "community"}
    by_force = paid_out(CITY, 900, "expenditure", "grant", "unencumbered", "2022")
    desk.refuses(by_hand(desk, Kind.DISBURSEMENT, *by_force, **grant), Malformed, "cannot touch this account")
    desk.promise(CITY, 900, "claim", **grant)
    kept = paid_out(CITY, 900, "expenditure", "grant", "encumbered", "claim")
    by_claim = by_hand(desk, Kind.DISBURSEMENT, *kept, **grant, reference="claim")
    desk.refuses(replace(by_claim, kind=Kind.SPENDING), OutsideFence, "may not be spent so")
    desk.book(by_claim)


def test_funds_that_owe_each_other_nothing_move_nothing_as_a_repayment() -> None:
    """Two loans that offset each other move no cash, so that no fence stood before the debt that they leave behind."""
    slush = restricted("slush/community/k")
    desk = Desk(*FUNDS, slush)
    desk.fund(SHARE, 1_000)
    both = (
        line(SHARE, "due_from", "D", 900, slush.fund_id), line(slush, "due_to", "C", 900, SHARE.fund_id),
        line(slush, "due_from", "D", 900, SHARE.fund_id), line(SHARE, "due_to", "C", 900, slush.fund_id),
    )  # fmt: skip
    whom = {"purpose": "bridge", "payee": "k", "payee_class": "community", "evidence": APPROVAL}
    desk.refuses(by_hand(desk, Kind.LOAN, *both, **whom), OutsideFence)
    into_slush = replace(SHARE, permits=(*SHARE.permits, permit("bridge", "community", "slush")))
    desk.book(amend_fund(into_slush, on=D1, key=desk.key, hands=HANDS))
    wide = replace(slush, permits=(*slush.permits, permit("bridge", "community", "share")))
    desk.book(amend_fund(wide, on=D1, key=desk.key, hands=HANDS))
    desk.refuses(by_hand(desk, Kind.LOAN, *both, **whom), Malformed, "lends and borrows")


def test_money_that_does_not_cross_is_no_crossing() -> None:
    """A fund that hands money to itself would make old money look new, or a receivable look collected."""
    own = restricted("own/community/k", permit("moved", "community", "own"), permit("refund", "community", "own"))
    desk = Desk(own)
    desk.fund(own, 1_000)
    moved = desk.moving(own, own, 100, "moved")
    desk.refuses(moved, UndeclaredCrossing, "gives and takes")
    cashless = tuple(p for p in moved.postings if p.account.startswith("transfer"))
    desk.refuses(replace(moved, postings=cashless), UndeclaredCrossing, "itself")
    paid = desk.spend(own, 500)
    desk.book(desk.claiming(paid))
    desk.refuses(desk.collecting(paid, own, 500, giver=own), UndeclaredCrossing, "gives and takes")


def test_a_repayment_goes_to_whom_it_is_due_and_no_further() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    desk.fund(QUEUE, 1_000)
    desk.book(desk.lending(SHARE, QUEUE, 300))
    desk.refuses(desk.repaying(QUEUE, SHARE, 301), Overdrawn)
    desk.refuses(desk.repaying(QUEUE, TWO_YEARS, 300), Overdrawn)
    desk.refuses(desk.repaying(SHARE, QUEUE, 300), Overdrawn)
    half = desk.repaying(QUEUE, SHARE, 300)
    desk.refuses(replace(half, postings=half.postings[:4]), UndeclaredCrossing)
    desk.refuses(replace(half, postings=half.postings[4:]), UndeclaredCrossing)


def test_a_surplus_goes_to_a_source_that_gave_as_much() -> None:
    desk = Desk()
    desk.fund(LAPSING, 1_000)
    desk.fund(LAPSING, 1, source="cousin", kind=Kind.RECEIPT)
    desk.fund(LAPSING, 5, source="", kind=Kind.RECEIPT)
    desk.end_year(2022)
    desk.refuses(desk.surrendering(LAPSING, 2, "cousin", on=NEXT), Overdrawn, "gave")
    desk.refuses(desk.surrendering(LAPSING, 1, "", on=NEXT), OutsideFence)
    desk.book(desk.surrendering(LAPSING, 1, "cousin", on=NEXT))
    desk.refuses(desk.surrendering(LAPSING, 1, "cousin", on=NEXT), Overdrawn)
    desk.book(desk.surrendering(LAPSING, 1_000, on=NEXT))


def test_a_surplus_goes_back_to_the_fund_that_gave_it() -> None:
    giver, taker = restricted("giver/city/c", permit("award", "city", "year")), LAPSING
    back = restricted("year/city/c", permit("refund", "city", "giver"), carry_forward=False)
    desk = Desk(giver, back)
    desk.fund(giver, 1_000)
    given = desk.book(desk.moving(giver, back, 1_000, "award"))
    desk.book(desk.moving(back, giver, 100, "refund"))
    desk.fund(back, 500, source="district")  # there is more cash than the giver gave
    desk.end_year(2022)
    desk.refuses(desk.surrendering(taker, 10, "city", on=NEXT), OutsideFence, "goes back to whom it came from")
    desk.refuses(desk.surrendering(taker, 901, giver.fund_id, on=NEXT), Overdrawn, "more than it gave")
    desk.book(desk.surrendering(taker, 900, giver.fund_id, on=NEXT))
    desk.refuses(desk.reversing(given, on=NEXT, ledger=desk.ledger), Overdrawn)
    assert desk.has(taker, Account.CASH) == 500
    desk.replays()


def test_what_was_surrendered_is_not_taken_back_once_more_as_an_error() -> None:
    desk = Desk()
    given = desk.fund(LAPSING, 1_000)
    desk.end_year(2022)
    desk.fund(LAPSING, 1_000, source="district", on=NEXT)
    desk.book(desk.surrendering(LAPSING, 1_000, on=NEXT))
    desk.refuses(desk.reversing(given, on=NEXT), Refusal)


def test_what_was_surrendered_is_not_taken_out_of_what_another_gave() -> None:
    desk = Desk()
    given = desk.fund(LAPSING, 1_000)
    desk.fund(LAPSING, 1_000, source="district")
    desk.end_year(2022)
    desk.book(desk.surrendering(LAPSING, 1, on=NEXT))
    desk.refuses(desk.reversing(given, on=NEXT, ledger=desk.ledger), Overdrawn, "more than it gave")


def test_borrowed_money_is_not_surrendered() -> None:
    lender = restricted("lender/community/q", permit("bridge", "community", "two"), permit("bridge", "city", "year"))
    desk = Desk(*FUNDS, lender)
    desk.fund(lender, 1_000)
    desk.fund(TWO_YEARS, 500, on=date(2020, 1, 5))
    for year in (2020, 2021):
        desk.end_year(year)
    desk.refuses(desk.lending(lender, LAPSING, 300), OutsideFence, "carries nothing forward, so it borrows nothing")
    desk.book(desk.lending(lender, TWO_YEARS, 300))
    desk.end_year(2022)
    assert (desk.surplus(TWO_YEARS), desk.free(TWO_YEARS)) == (500, 300)  # what is borrowed is not the fund's to lapse
    desk.refuses(desk.surrendering(TWO_YEARS, 501, on=NEXT), Overdrawn)
    lapsing = replace(TWO_YEARS, carry_forward=False, surplus_after_years=0)
    desk.refuses(amend_fund(lapsing, on=NEXT, key=desk.key, hands=HANDS), Malformed, "while the fund lends or owes")
    whole = desk.repaying(TWO_YEARS, lender, 300, on=NEXT)
    cash_alone = tuple(p for p in whole.postings if p.fund != TWO_YEARS.fund_id or p.account in ("cash", "due_to"))
    desk.refuses(replace(whole, postings=cash_alone), Unbalanced, "do not move together")
    desk.book(whole)
    desk.book(desk.surrendering(TWO_YEARS, 500, on=NEXT))
    assert (desk.has(TWO_YEARS, Account.CASH), desk.has(lender, Account.CASH), desk.free(lender)) == (0, 1_000, 1_000)
    desk.replays()


def test_a_repayment_cannot_turn_surplus_into_budget() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    desk.fund(LAPSING, 500)
    desk.book(desk.lending(SHARE, QUEUE, 300))
    desk.end_year(2022)
    sound = desk.repaying(QUEUE, SHARE, 300, on=NEXT)
    more = (line(LAPSING, "authority", "D", 500), line(LAPSING, "unencumbered", "C", 500, "2023"))
    desk.refuses(replace(sound, postings=(*sound.postings, *more)), Unbalanced, "do not move together")


def test_an_agency_cannot_become_a_fund_of_its_own_while_it_holds_what_it_collected() -> None:
    desk = Desk()
    desk.fund(AGENCY, 1_000, kind=Kind.RECEIPT)
    own = replace(AGENCY, held_for_others=False, permits=(*AGENCY.permits, permit("banquet", "anyone")))
    desk.refuses(amend_fund(own, on=D1, key=desk.key, hands=HANDS), Malformed, "held for others")
    emptied = desk.spending(AGENCY, 1_000, purpose="remit", payee="water", payee_class="utility")
    desk.book(emptied)
    desk.book(amend_fund(own, on=D1, key=desk.key, hands=HANDS))


@pytest.mark.parametrize("ground", [{"document": ""}, {"clause": ""}])
def test_a_fence_rests_on_a_document_and_a_clause(ground: dict[str, str]) -> None:
    desk = Desk()
    desk.refuses(
        replace(open_fund(make_fund("x/y/z"), on=D1, hands=HANDS), **ground), Malformed, "document and a clause"
    )
    desk.refuses(replace(amend_fund(SHARE, on=D1, key="m", hands=HANDS), **ground), Malformed, "document and a clause")


# --- twice ------------------------------------------------------------------------------------------------------------


def test_a_waiver_is_not_taken_back_after_the_payment_was() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    paid = desk.spend(SHARE, 600)
    desk.book(desk.claiming(paid))
    waived = desk.book(desk.waiving(paid, {SHARE.fund_id: 600}))
    desk.book(desk.reversing(paid))
    desk.refuses(desk.reversing(waived), BadReversal, "reversed")


def test_a_waiver_is_not_taken_back_after_the_same_was_claimed_again() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    paid = desk.spend(SHARE, 600)
    desk.book(desk.claiming(paid))
    waived = desk.book(desk.waiving(paid, {SHARE.fund_id: 400}))
    desk.book(desk.claiming(paid, {SHARE.fund_id: 1}))
    desk.refuses(desk.reversing(waived), Overdrawn, "more than it paid")
    assert desk.has(SHARE, Account.RECOVERY) == 201


def test_cash_that_goes_out_and_in_again_in_one_entry_is_not_claimed_back() -> None:
    desk = Desk()
    desk.fund(CITY, 1_000)
    desk.promise(CITY, 100, "claim", purpose="award", payee="k", payee_class="community")
    crossing = (
        *paid_out(CITY, 100, "transfer_out", SHARE.fund_id, "encumbered", "claim"),
        *taken(SHARE, 100, "transfer_in", CITY.fund_id),
    )
    padded = (line(CITY, "cash", "C", 900), line(CITY, "cash", "D", 900), *crossing)
    award = {"purpose": "award", "payee": "k", "payee_class": "community", "reference": "claim"}
    desk.refuses(by_hand(desk, Kind.DISBURSEMENT, *padded, **award), UndeclaredCrossing, "gives and takes")
    paid = desk.book(by_hand(desk, Kind.DISBURSEMENT, *crossing, **award))
    desk.refuses(desk.claiming(paid, {CITY.fund_id: 101}), Overdrawn, "more than it paid")
    desk.book(desk.claiming(paid))
    assert desk.has(CITY, Account.RECEIVABLE) == 100


def test_a_key_that_looks_like_a_release_does_not_make_a_claim_payable_again() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    desk.promise(SHARE, 500, "claim", key="encumbrance/claim")
    desk.spend(SHARE, 500, against="claim")
    desk.promise(SHARE, 100, "other")
    for key in ("release/encumbrance/claim", "release/disbursement/claim"):
        desk.refuses(by_hand(desk, Kind.REFUSAL, key=key, terms=(("refused", "x"),), on=TODAY), Malformed, "refusal/")
    desk.book(appropriate(SHARE, "city", 1, on=D1, key="release/encumbrance/claim", hands=HANDS))
    desk.book(desk.releasing("other", amounts={SHARE.fund_id: 1}, key="release/disbursement/claim"))
    assert desk.ledger.attempt("encumbrance/claim") == 1
    assert desk.ledger.attempt("disbursement/claim") == 1


def test_a_release_that_is_booked_again_after_it_was_taken_back_is_another_one() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    desk.promise(SHARE, 500, "claim", key="encumbrance/claim")
    for _ in range(3):
        released = desk.book(desk.releasing("claim"))
        assert (desk.free(SHARE), desk.ledger.attempt("encumbrance/claim")) == (1_000, 2)
        desk.book(desk.reversing(released))
        assert (desk.free(SHARE), desk.ledger.attempt("encumbrance/claim")) == (500, 1)
    desk.book(desk.releasing("claim"))
    desk.promise(SHARE, 500, "claim", key=attempt_key("encumbrance/claim", 2))
    desk.book(desk.releasing("claim"))
    assert desk.ledger.attempt("encumbrance/claim") == 3
    assert desk.free(SHARE) == 1_000


def test_a_promise_under_a_key_of_its_own_is_released_each_time() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    for _ in range(3):
        desk.promise(SHARE, 500, "works")
        desk.book(desk.releasing("works"))
        assert desk.free(SHARE) == 1_000


# --- out of a lapse ---------------------------------------------------------------------------------------------------


def test_a_correction_does_not_carry_a_promise_over_the_end_of_its_year() -> None:
    desk = Desk()
    desk.fund(LAPSING, 1_000)
    promised = desk.promise(LAPSING, 600, "works")
    desk.end_year(2022)
    plain = desk.reversing(promised, on=NEXT)
    desk.refuses(plain, BadReversal, "lapsed")
    desk.book(desk.reversing(promised, on=NEXT, ledger=desk.ledger))
    assert (desk.free(LAPSING), desk.has(LAPSING, Account.ENCUMBERED), desk.surplus(LAPSING)) == (0, 0, 1_000)


def test_a_correction_does_not_carry_a_payment_over_the_end_of_its_year() -> None:
    desk = Desk()
    desk.fund(LAPSING, 1_000)
    paid = desk.spend(LAPSING, 600)
    desk.end_year(2022)
    desk.refuses(desk.reversing(paid, on=NEXT), BadReversal, "lapsed")
    blue = desk.reversing(paid, on=NEXT, ledger=desk.ledger)
    desk.refuses(replace(blue, postings=blue.postings[:-1]), BadReversal)
    desk.refuses(replace(blue, postings=(*blue.postings, *blue.postings[-2:])), BadReversal)
    desk.book(blue)
    assert (desk.free(LAPSING), desk.surplus(LAPSING)) == (0, 1_000)
    desk.book(desk.surrendering(LAPSING, 1_000, on=NEXT))
    desk.replays()


def test_a_correction_of_a_receipt_takes_what_lapsed_and_not_the_budget_of_this_year() -> None:
    desk = Desk()
    wrong = desk.fund(LAPSING, 300)
    desk.end_year(2022)
    desk.fund(LAPSING, 500, on=NEXT)
    desk.book(desk.reversing(wrong, on=NEXT, ledger=desk.ledger))
    assert (desk.free(LAPSING), desk.surplus(LAPSING), desk.has(LAPSING, Account.CASH)) == (500, 0, 500)


def test_what_was_recovered_of_a_lapsed_year_is_surplus() -> None:
    desk = Desk()
    desk.fund(LAPSING, 1_000)
    paid = desk.spend(LAPSING, 600)
    desk.book(desk.claiming(paid, on=date(2022, 6, 1)))
    desk.book(desk.collecting(paid, LAPSING, 100, on=date(2022, 6, 1)))
    assert (desk.free(LAPSING), desk.surplus(LAPSING)) == (500, 0)
    desk.end_year(2022)
    late = desk.collecting(paid, LAPSING, 500, on=NEXT)
    assert len(late.postings) == 2
    budget = (line(LAPSING, "authority", "D", 500), line(LAPSING, "unencumbered", "C", 500, "2023"))
    desk.refuses(replace(late, postings=(*late.postings, *budget)), Unbalanced, "lapsed")
    desk.book(late)
    assert (desk.free(LAPSING), desk.surplus(LAPSING)) == (0, 1_000)
    desk.replays()


def test_what_is_recovered_is_as_old_as_the_promise_that_paid_it() -> None:
    """Promised last year, paid to a friend, claimed back: a release would have lapsed."""
    desk = Desk()
    desk.fund(LAPSING, 1_000)
    desk.promise(LAPSING, 1_000, "friend")
    desk.end_year(2022)
    paid = desk.spend(LAPSING, 600, against="friend", on=NEXT)
    desk.book(desk.claiming(paid, on=NEXT))
    desk.refuses(desk.collecting(paid, LAPSING, 600, on=NEXT, ledger=None), Unbalanced, "do not move together")
    desk.book(desk.collecting(paid, LAPSING, 600, on=NEXT))
    assert (desk.free(LAPSING), desk.surplus(LAPSING)) == (0, 600)
    desk.replays()


def test_what_is_recovered_lapses_as_far_as_it_would_have_at_the_year_end() -> None:
    desk = Desk()
    desk.fund(TWO_YEARS, 1_000, on=date(2020, 1, 5))
    for year in (2020, 2021):
        desk.end_year(year)
    desk.fund(TWO_YEARS, 300)
    paid = desk.spend(TWO_YEARS, 1_100, on=date(2022, 12, 30))  # a hundred of it young
    desk.end_year(2022)
    desk.book(desk.claiming(paid, on=NEXT))
    desk.book(desk.collecting(paid, TWO_YEARS, 1_000, on=NEXT))
    assert (desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)) == (300, 900)
    desk.book(desk.collecting(paid, TWO_YEARS, 100, on=NEXT))
    assert (desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)) == (300, 1_000)
    desk.replays()


def test_a_correction_takes_nothing_from_what_came_in_that_year() -> None:
    """What its lapse gives up came in earlier than what it puts right."""
    desk = Desk()
    desk.fund(TWO_YEARS, 100, on=date(2020, 1, 5))
    for year in (2020, 2021):
        desk.end_year(year)
    desk.fund(TWO_YEARS, 50)
    paid = desk.spend(TWO_YEARS, 100)
    desk.end_year(2022)
    desk.book(desk.reversing(paid, on=NEXT, ledger=desk.ledger))
    assert (desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)) == (50, 100)
    assert desk.ledger.inflows[TWO_YEARS.fund_id, 2022] == 50
    assert desk.ledger.lapsing(TWO_YEARS.fund_id, 2023) == 0
    desk.replays()


def test_promises_that_expire_together_lapse_together() -> None:
    desk = Desk()
    desk.fund(TWO_YEARS, 1_000, on=date(2020, 1, 5))
    for year in (2020, 2021):
        desk.end_year(year)
    desk.fund(TWO_YEARS, 100)
    for reference in ("a", "b", "c"):
        desk.promise(TWO_YEARS, 300, reference, on=date(2022, 12, 30), expires=date(2022, 12, 31))
    desk.end_year(2022)
    desk.chain(expire(desk.ledger, on=NEXT, hands=HANDS))
    assert (desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)) == (100, 1_000)


@pytest.mark.parametrize("changes", [{"carry_forward": False}, {"surplus_after_years": 2}])
def test_money_held_for_others_does_not_lapse(changes: dict[str, object]) -> None:
    held = replace(make_fund("tram/community/k"), held_for_others=True, **changes)  # type: ignore[arg-type]
    Desk().refuses(open_fund(held, on=D1, hands=HANDS), Malformed, "does not lapse")


def test_a_settlement_may_have_many_lines() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    desk.promise(SHARE, 600, "works")
    ahead = desk.book(desk.advancing(SHARE, 400, "works"))
    whole, *_ = desk.settling(SHARE, 400, ahead)
    halves = tuple(p._replace(amount_fen=fen) for p in whole.postings for fen in (300, 100))
    desk.book(replace(whole, postings=halves))
    assert desk.has(SHARE, Account.ADVANCED) == 0


def test_a_recovery_within_its_year_brings_its_budget() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    paid = desk.spend(SHARE, 600)
    desk.book(desk.claiming(paid))
    sound = desk.collecting(paid, SHARE, 600)
    desk.refuses(replace(sound, postings=sound.postings[:2]), Unbalanced, "do not move together")
    desk.book(sound)


def test_whether_budget_lapses_stands_while_a_fund_lends_or_owes() -> None:
    both = restricted("both/community/q", permit("bridge", "community", "queue"))
    giver = restricted("giver/community/z", permit("bridge", "community", "both"))
    desk = Desk(*FUNDS, giver, both)
    lapsing = replace(both, carry_forward=False)

    def amending(fund: Fund) -> Draft:
        return amend_fund(fund, on=D1, key=desk.key, hands=HANDS)

    desk.book(amending(lapsing))
    desk.book(amending(both))
    for fund in (giver, both):
        desk.fund(fund, 1_000)
    desk.book(desk.lending(both, QUEUE, 300))
    desk.refuses(amending(lapsing), Malformed, "while the fund lends or owes")
    desk.book(desk.lending(giver, both, 300))  # owes as much as it is owed
    for changed in (lapsing, replace(both, surplus_after_years=5)):
        desk.refuses(amending(changed), Malformed, "while the fund lends or owes")
    desk.book(amending(replace(both, title="another name")))


@pytest.mark.parametrize(("years", "fits"), [(-1, False), (1, True), (99, True), (100, False)])
def test_budget_becomes_surplus_after_one_year_to_ninety_nine(years: int, fits: bool) -> None:
    draft = open_fund(replace(make_fund("x/community/k"), surplus_after_years=years), on=D1, hands=HANDS)
    if fits:
        Desk().book(draft)
    else:
        Desk().refuses(draft, Malformed)


@pytest.mark.parametrize("lender", [LAPSING, TWO_YEARS], ids=["at once", "after two years"])
def test_a_fund_whose_budget_lapses_does_not_lend_it_over_the_end_of_the_year(lender: Fund) -> None:
    desk = Desk()
    desk.fund(lender, 1_000)
    desk.refuses(desk.lending(lender, QUEUE, 600), OutsideFence, "lapses, so it lends nothing")


def test_a_receivable_is_not_collected_by_saying_that_it_was_handed_on() -> None:
    """One fund calls what it is owed collected and handed on, so that the other need not ask for it: nothing arrived."""
    one, two = (restricted(f"{key}/community/k", permit("refund", "community", "two")) for key in ("one", "two"))
    desk = Desk(one, two)
    for fund in (one, two):
        desk.fund(fund, 1_000)
    firm = {"purpose": "repair", "payee": "firm", "payee_class": "enterprise", "evidence": PAPERS}
    lines = [
        line for fund in (one, two) for line in paid_out(fund, 100, "expenditure", "repair", "unencumbered", "2022")
    ]
    paid = desk.book(by_hand(desk, Kind.SPENDING, *lines, **firm))
    desk.book(desk.claiming(paid))
    owed = str(paid.seq)
    postings = (
        line(one, "transfer_out", "D", 100, two.fund_id), line(one, "receivable", "C", 100, owed),
        *taken(two, 100, "receivable", owed),
    )  # fmt: skip
    whom = {"purpose": "refund", "payee": "k", "payee_class": "community", "reference": owed}
    desk.refuses(
        by_hand(desk, Kind.RECOVERY, *postings, **whom),
        Malformed,
        "one/community/k collects what arrives\n.*\n.*by -100 fen",
    )
    desk.book(by_hand(desk, Kind.RECOVERY, *postings[2:], **whom))


def test_a_number_in_the_reference_of_new_money_does_not_hide_it() -> None:
    """The reference of a receipt is anybody's text; only that of a mirror names an entry."""
    desk = Desk()
    first = desk.fund(TWO_YEARS, 100)
    spent = desk.spend(TWO_YEARS, 10)
    for entry in (first, spent):
        receipt = appropriate(TWO_YEARS, "city", 50, on=D1, key=desk.key, hands=HANDS)
        desk.book(replace(receipt, reference=str(entry.seq)))
    assert desk.ledger.inflows == {(TWO_YEARS.fund_id, 2022): 200}


def test_what_is_spent_and_recovered_is_no_younger_for_it() -> None:
    desk = Desk()
    desk.fund(TWO_YEARS, 1_000, on=date(2020, 1, 5))
    for year in (2020, 2021):
        desk.end_year(year)
    paid = desk.spend(TWO_YEARS, 400)
    desk.book(desk.claiming(paid))
    recovered = desk.book(desk.collecting(paid, TWO_YEARS, 400))
    assert desk.ledger.lapsing(TWO_YEARS.fund_id, 2022) == 1_000
    desk.book(desk.reversing(recovered))
    assert desk.ledger.lapsing(TWO_YEARS.fund_id, 2022) == 600


def test_what_came_in_by_mistake_makes_nothing_younger_once_it_is_corrected() -> None:
    desk = Desk()
    desk.fund(TWO_YEARS, 1_000, on=date(2020, 1, 5))
    for year in (2020, 2021):
        desk.end_year(year)
    wrong = desk.fund(TWO_YEARS, 700, on=date(2022, 12, 30))
    desk.end_year(2022)
    assert desk.free(TWO_YEARS) == 700
    desk.fund(TWO_YEARS, 50, on=date(2023, 1, 5))
    desk.book(desk.reversing(wrong, on=NEXT))
    assert desk.ledger.lapsing(TWO_YEARS.fund_id, 2023) == 0
    assert desk.ledger.inflows == {(TWO_YEARS.fund_id, 2020): 1_000, (TWO_YEARS.fund_id, 2023): 50}  # fmt: skip


def test_what_is_given_and_comes_back_makes_nothing_younger() -> None:
    """A transfer and its refund over the end of a year; what comes beyond it is new."""
    friend = restricted("friend/community/q", permit("bridge", "community", "two"))
    old = replace(TWO_YEARS, permits=(*TWO_YEARS.permits, permit("bridge", "community", "friend")))
    desk = Desk(old, friend)
    desk.fund(old, 1_000, on=date(2020, 1, 5))
    for year in (2020, 2021):
        desk.end_year(year)
    desk.fund(friend, 50)
    desk.book(desk.moving(old, friend, 1_000, "bridge", on=date(2022, 12, 30)))
    desk.end_year(2022)
    back = desk.book(desk.moving(friend, old, 1_030, "bridge", on=NEXT))
    assert desk.ledger.inflows[old.fund_id, 2023] == 30
    assert desk.ledger.lapsing(old.fund_id, 2023) == 1_000
    desk.book(desk.reversing(back, on=NEXT))
    assert (old.fund_id, 2023) not in desk.ledger.inflows
    desk.replays()


def test_what_is_promised_over_the_end_of_a_year_lapses_when_it_is_released() -> None:
    desk = Desk()
    desk.fund(TWO_YEARS, 1_000, on=date(2020, 1, 5))
    for year in (2020, 2021):
        desk.end_year(year)
    desk.fund(TWO_YEARS, 100)
    desk.promise(TWO_YEARS, 1_000, "sham", on=date(2022, 12, 30))
    desk.end_year(2022)
    assert desk.free(TWO_YEARS) == 100
    available = replace(
        desk.releasing("sham", on=NEXT),
        postings=(line(TWO_YEARS, "encumbered", "D", 1_000, "sham"), line(TWO_YEARS, "unencumbered", "C", 1_000, "2023")),
    )  # fmt: skip
    desk.refuses(available, Malformed, "not what a release does")
    desk.book(desk.releasing("sham", on=NEXT, amounts={TWO_YEARS.fund_id: 400}, key="a part"))
    assert (desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)) == (100, 400)
    desk.spend(TWO_YEARS, 80, on=NEXT)  # of the hundred of 2022: what is promised counts as what came first
    desk.book(desk.releasing("sham", on=NEXT))
    assert (desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)) == (100, 920)
    desk.replays()


def test_what_is_released_before_the_year_ends_or_is_young_stays() -> None:
    desk = Desk()
    desk.fund(TWO_YEARS, 1_000, on=date(2021, 1, 5))
    desk.promise(TWO_YEARS, 400, "early", on=date(2021, 5, 5))
    desk.end_year(2021)
    desk.promise(TWO_YEARS, 600, "late", on=D1)
    desk.book(desk.releasing("early", on=D1))  # money of 2021, of which 2022 may still use all
    desk.book(desk.releasing("late", on=D1))
    assert (desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)) == (1_000, 0)


def test_a_promise_undone_in_blue_lapses_as_one_that_is_released() -> None:
    desk = Desk()
    desk.fund(TWO_YEARS, 1_000, on=date(2020, 1, 5))
    for year in (2020, 2021):
        desk.end_year(year)
    sham = desk.promise(TWO_YEARS, 1_000, "sham", on=date(2022, 12, 30))
    desk.end_year(2022)
    desk.refuses(desk.reversing(sham, on=NEXT), BadReversal, "has lapsed")
    desk.book(desk.reversing(sham, on=NEXT, ledger=desk.ledger))
    assert (desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)) == (0, 1_000)
    desk.replays()


def test_what_is_borrowed_and_paid_back_makes_nothing_younger() -> None:
    lender = restricted("lender/community/q", permit("bridge", "community", "two"))
    desk = Desk(TWO_YEARS, lender)
    desk.fund(lender, 5_000, on=date(2020, 1, 5))
    desk.fund(TWO_YEARS, 1_000, on=date(2020, 1, 5))
    for year in (2020, 2021):
        desk.end_year(year)
    desk.book(desk.lending(lender, TWO_YEARS, 700, on=date(2022, 12, 30)))
    assert desk.ledger.lapsing(TWO_YEARS.fund_id, 2022) == 1_000  # what is owed does not lapse, and shelters nothing
    desk.book(desk.repaying(TWO_YEARS, lender, 500, on=date(2022, 12, 31)))
    assert desk.ledger.lapsing(TWO_YEARS.fund_id, 2022) == 1_000
    desk.end_year(2022)
    assert (desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)) == (200, 1_000)
    for year in (2023, 2024, 2025):
        desk.end_year(year)
    desk.book(desk.repaying(TWO_YEARS, lender, 200, on=date(2026, 1, 5)))
    assert (desk.free(TWO_YEARS), desk.has(TWO_YEARS, Account.DUE_TO)) == (0, 0)


def test_years_end_in_order() -> None:
    """Or the young money of one year would shelter the old of the year before it, and its own once more."""
    desk = Desk()
    desk.fund(TWO_YEARS, 100, on=date(2020, 1, 5))
    desk.end_year(2020)
    desk.fund(TWO_YEARS, 100, on=date(2022, 1, 5))
    (early,) = carry_forward(desk.ledger, 2022, hands=HANDS)
    desk.refuses(early, Malformed, "2021 first")
    desk.end_year(2021)
    desk.end_year(2022)
    assert (desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)) == (100, 100)


def test_where_budget_lapses_with_its_year_a_promise_is_of_one_year() -> None:
    """Else a release would let the budget of this year lapse with that of the last, or save the last with this."""
    desk = Desk()
    desk.fund(LAPSING, 600)
    desk.fund(LAPSING, 100, on=NEXT)
    desk.promise(LAPSING, 1, "young", on=NEXT)
    desk.refuses(desk.promising(LAPSING, 600, "young", on=date(2022, 12, 31)), Malformed, "is of 2023")
    desk.promise(LAPSING, 600, "old")
    desk.end_year(2022)
    desk.refuses(desk.promising(LAPSING, 99, "old", on=NEXT), Malformed, "is of 2022")
    desk.book(desk.releasing("old", on=NEXT))
    assert (desk.free(LAPSING), desk.surplus(LAPSING)) == (99, 600)


def test_elsewhere_a_promise_of_two_years_is_as_old_as_the_elder() -> None:
    desk = Desk()
    desk.fund(TWO_YEARS, 600, on=date(2020, 1, 5))
    for year in (2020, 2021):
        desk.end_year(year)
    desk.fund(TWO_YEARS, 1, on=NEXT)
    desk.promise(TWO_YEARS, 1, "works", on=NEXT)
    desk.promise(TWO_YEARS, 600, "works", on=date(2022, 12, 31))
    desk.end_year(2022)
    desk.book(desk.releasing("works", on=NEXT))
    assert (desk.free(TWO_YEARS), desk.surplus(TWO_YEARS)) == (1, 600)


@pytest.mark.parametrize("undone", ["payment", "release"])
def test_a_promise_made_anew_does_not_make_the_old_one_young(undone: str) -> None:
    """Promise, pay, promise a fen under the same reference in the next year, take the payment back, release it all."""
    desk = Desk()
    desk.fund(LAPSING, 600)
    desk.promise(LAPSING, 600, "works")
    desk.end_year(2022)
    gone = (
        desk.spend(LAPSING, 600, against="works", on=NEXT)
        if undone == "payment"
        else desk.book(desk.releasing("works", on=NEXT))
    )
    desk.fund(LAPSING, 100, on=NEXT)
    desk.promise(LAPSING, 1, "works", on=NEXT)
    desk.book(desk.reversing(gone, on=NEXT))
    assert desk.has(LAPSING, Account.ENCUMBERED, "works") == 601
    desk.book(desk.releasing("works", on=NEXT))
    assert (desk.free(LAPSING), desk.surplus(LAPSING)) == (99, 601)
    desk.replays()


OTHERS = {"payee": {"payee": "other"}, "payee class": {"payee_class": "office"}, "purpose": {"purpose": "cleaning"}}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_what_is_promised_to_one_is_not_paid_to_another(other: dict[str, str]) -> None:
    wide = replace(SHARE, permits=(*SHARE.permits, permit("repair", "office"), permit("cleaning", "office")))
    desk = Desk(wide)
    desk.fund(wide, 10_000)
    desk.promise(wide, 1_000, "contract")
    bound = "promised contract to somebody else"
    desk.refuses(desk.spending(wide, 100, against="contract", **other), OutsideFence, bound)
    desk.refuses(desk.advancing(wide, 100, "contract", **other), OutsideFence, bound)
    desk.refuses(desk.promising(wide, 100, "contract", **other), OutsideFence, bound)
    ahead = desk.book(desk.advancing(wide, 100, "contract"))
    desk.book(desk.releasing("contract", key="rest", amounts={wide.fund_id: 900}))
    desk.refuses(desk.promising(wide, 100, "contract", **other), OutsideFence, bound)  # paid ahead, and not settled
    (settlement,) = desk.settling(wide, 100, ahead)
    spent = tuple(
        p._replace(detail=other.get("purpose", p.detail)) if p.account == "expenditure" else p
        for p in settlement.postings
    )
    desk.refuses(replace(settlement, postings=spent, **other), OutsideFence, bound)
    desk.book(settlement)
    desk.promise(wide, 100, "contract", **other)  # when all is over, it may be made over
    desk.refuses(desk.spending(wide, 100, against="contract"), OutsideFence, bound)
    desk.spend(wide, 100, against="contract", **other)
    desk.replays()


@pytest.mark.parametrize("undone", ["promise", "payment", "release"])
def test_what_was_promised_to_one_is_not_brought_back_for_another(undone: str) -> None:
    desk = Desk()
    desk.fund(SHARE, 10_000)
    entries = {"promise": desk.promise(SHARE, 1_000, "r"), "payment": desk.spend(SHARE, 400, against="r")}
    entries["release"] = desk.book(desk.releasing("r"))
    again = desk.promise(SHARE, 1_000, "r", payee="other")
    desk.refuses(desk.reversing(entries[undone]), BadReversal, "promised anew since, to somebody else")
    paid = desk.spend(SHARE, 1_000, against="r", payee="other")
    desk.book(desk.reversing(paid))  # its own are undone as ever
    desk.book(desk.reversing(again))
    desk.replays()


def test_a_promise_that_expired_is_not_revived_by_a_fen() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    desk.promise(SHARE, 600, "works", expires=date(2022, 6, 30))
    late = desk.promising(SHARE, 1, "works", on=date(2022, 7, 1), expires=date(2022, 12, 31))
    desk.refuses(late, PromiseExpired, "has expired")
    desk.promise(SHARE, 1, "works", on=date(2022, 6, 30), expires=date(2022, 7, 31))
    desk.spend(SHARE, 601, against="works", on=date(2022, 7, 31))
    desk.promise(SHARE, 5, "works", on=date(2022, 8, 1))  # nothing is left of the old one
    desk.spend(SHARE, 5, against="works", on=date(2022, 12, 1))


def test_expiry_frees_what_has_expired_and_nothing_else() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    desk.fund(QUEUE, 1_000)
    desk.promise(SHARE, 600, "works", expires=date(2022, 6, 30))
    desk.promise(QUEUE, 500, "works")
    desk.promise(QUEUE, 100, "roof", expires=date(2022, 7, 1))
    desk.chain(expire(desk.ledger, on=date(2022, 7, 1), hands=HANDS))
    assert (desk.free(SHARE), desk.free(QUEUE)) == (1_000, 400)
    desk.chain(expire(desk.ledger, on=date(2022, 7, 2), hands=HANDS))
    assert (desk.free(SHARE), desk.free(QUEUE)) == (1_000, 500)
    assert expire(desk.ledger, on=date(2022, 7, 2), hands=HANDS) == []


# --- mirrors that are none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["X", "", "d", "c"])
def test_a_correction_has_two_sides_and_no_third(side: str) -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    paid = desk.spend(SHARE, 600)
    desk.end_year(2022)
    blue = desk.reversing(paid, on=NEXT)
    for at, posting in enumerate(blue.postings):
        postings = list(blue.postings)
        postings[at] = posting._replace(side=side)
        desk.refuses(replace(blue, postings=tuple(postings)), Malformed, "side")


def test_a_correction_is_of_an_earlier_year_and_not_of_a_later_one() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000, on=date(2021, 5, 1))
    desk.fund(SHARE, 1_000)
    paid = desk.spend(SHARE, 600)
    early = desk.reversing(paid, on=date(2021, 12, 1))
    assert early.kind is Kind.CORRECTION
    desk.refuses(early, BadReversal, "2022")


def test_a_mirror_moves_money_on_a_document_and_a_clause_too() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    red = desk.reversing(desk.spend(SHARE, 600))
    for ground in ({"document": ""}, {"clause": ""}):
        desk.refuses(replace(red, **ground), Malformed, "document and a clause")


def test_a_number_that_no_journal_reaches_names_no_entry() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    paid = desk.spend(SHARE, 600)
    for number in ("9" * 18, "9" * 19, "9" * 30, "0", "-1", "+1", "1.0", "１", ""):
        desk.refuses(replace(desk.reversing(paid), reference=number), BadReversal)
        claim = desk.claiming(paid)
        told = tuple(p._replace(detail=number) for p in claim.postings)
        desk.refuses(replace(claim, reference=number, postings=told), Malformed, "was not paid")


def test_an_audited_year_that_is_opened_again_keeps_its_lapse() -> None:
    desk = Desk()
    desk.fund(LAPSING, 1_000)
    paid = desk.spend(LAPSING, 300)
    desk.close_year(2022)
    lapsed = next(e for e in desk.entries if e.draft.kind is Kind.CARRY_FORWARD)
    desk.book(desk.reopening("2022-12", on=NEXT))
    desk.refuses(desk.spending(LAPSING, 1, on=date(2022, 12, 31)), Overdrawn, "2022")
    desk.refuses(desk.reversing(lapsed, on=date(2022, 12, 31)), BadReversal, "carry_forward cannot be reversed")
    desk.book(desk.reversing(paid, on=date(2022, 12, 31)))
    desk.refuses(
        close(Month.parse("2022-12"), on=NEXT, hands=HANDS, ledger=desk.ledger), Malformed, "budget left in 2022"
    )
    desk.close_year(2022)
    assert (desk.free(LAPSING), desk.surplus(LAPSING)) == (0, 1_000)
    desk.replays()


# --- hands, words, types ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "approver",
    [
        "Wang\ufe0f",
        "Wang\u034f",
        "Wang\u3164",
        "Ｗａｎｇ",
        "wang",
        "W ang",
        "Wang\u2800",
        "Wang\U000e0100",
        "\u3164",
        "\u2800",
    ],
)
def test_a_name_that_looks_the_same_is_the_same(approver: str) -> None:
    desk = Desk()
    draft = appropriate(SHARE, "city", 1, on=D1, key="k", hands=Hands("Wang", approver))
    desk.refuses(draft, SameHands)


@pytest.mark.parametrize("blank", ["", " ", "\u3000", "\u00a0"])
def test_money_goes_to_somebody(blank: str) -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    desk.promise(SHARE, 100, "works")
    for draft in (
        desk.spending(SHARE, 10, payee=blank),
        desk.advancing(SHARE, 10, "works", payee=blank),
        desk.promising(SHARE, 10, "x", payee=blank),
    ):
        desk.refuses(draft, Malformed, "money goes to somebody")


ODD: dict[str, tuple[object, ...]] = {
    "kind": ("spending", None, 1),
    "effective": (None, "2022-01-05", datetime(2022, 1, 5), 5),  # noqa: DTZ001
    "key": (None, 1, b"k", ("k",)),
    "maker": (None, 1),
    "narrative": (None, 1, ["n"]),
    "document": (None, 1),
    "payee": (None, 1, ("a",)),
    "policy": (None, 1),
    "reference": (None, 1),
    "terms": (None, "terms", [("a", "b")], (["a"],), ("a",), ((1,),), ((None, "b"),), (("expires", date(2022, 1, 5)),)),
    "evidence": (None, "x", [INVOICE], (("invoice", "0" * 64),), (("invoice",),), ((1, 2, 3),), (None,)),
    "postings": (None, "x", [], ((),), (("share/community/k", "cash", "", "C", 1),), (None,)),
}


@pytest.mark.parametrize("name", ODD)
def test_a_field_of_a_wrong_type_is_refused(name: str) -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    for draft in (desk.spending(SHARE, 10), desk.promising(SHARE, 10, "works", expires=D1)):
        for odd in ODD[name]:
            desk.refuses(replace(draft, **{name: odd}), Malformed)


@pytest.mark.parametrize("amount", [0, -1, -600, True, 1.0, "10", None, 2**63, -(2**63), 10**30])
def test_an_amount_that_is_none(amount: object) -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    draft = desk.spending(SHARE, 10)
    desk.refuses(replace(draft, postings=tuple(p._replace(amount_fen=amount) for p in draft.postings)), Malformed)


@pytest.mark.parametrize("field", ["fund", "account", "detail", "side"])
@pytest.mark.parametrize("odd", [None, 1, "", "unknown", "share", "share/community", b"x", ("a",)])
def test_a_posting_with_an_odd_field(field: str, odd: object) -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    draft = desk.spending(SHARE, 10)
    for at, posting in enumerate(draft.postings):
        if (field, odd) == ("detail", "") and posting.account in ("cash", "expended"):
            continue
        postings = list(draft.postings)
        postings[at] = posting._replace(**{field: odd})
        with pytest.raises(Refusal):
            desk.ledger.check(replace(draft, postings=tuple(postings)), recorded=TODAY)


@pytest.mark.parametrize(
    "month", ["0001-01", "0000-01", "9999-12", "２０２２-０１", "2022-13", "2022-1", "", "2022-01-01"]
)
def test_a_month_of_no_calendar(month: str) -> None:
    desk = Desk()
    desk.close_year(2021)
    closing = close(Month.parse("2022-01"), on=date(2022, 2, 1), hands=HANDS)
    desk.refuses(replace(closing, terms=(("through", month),)), Refusal, "name a month|closed already")
    opening = desk.reopening("2021-12", on=D1)
    desk.refuses(replace(opening, terms=(("from", month),)), Refusal, "name a month|not closed")


@pytest.mark.parametrize("day", ["", "20221231", "2022-W52-6", "2022-02-30", "2022-12-31 ", "２０２２-12-31", "never"])
def test_a_last_day_of_no_calendar(day: str) -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    draft = desk.promising(SHARE, 10, "works")
    desk.refuses(replace(draft, terms=(("expires", day),)), Malformed, "last day")
    desk.refuses(replace(draft, terms=(("until", "2022-12-31"),)), Malformed, "last day")
    desk.refuses(replace(draft, terms=(("expires", "2022-12-31"), ("expires", "2022-12-31"))), Malformed, "last day")


@pytest.mark.parametrize("years", ["-1", "0", "100", "9" * 12, "9" * 5000, "x", "1.5", " 2", "02", "٢"])
def test_a_number_of_years_that_is_none(years: str) -> None:
    desk = Desk()
    draft = open_fund(replace(TWO_YEARS, fund_id="x/y/z"), on=D1, hands=HANDS)
    terms = tuple(("surplus_after_years", years) if term[0] == "surplus_after_years" else term for term in draft.terms)
    desk.refuses(replace(draft, terms=terms), Malformed)
    lapsing = replace(LAPSING, fund_id="x/y/z", surplus_after_years=2)
    desk.refuses(open_fund(lapsing, on=D1, hands=HANDS), Malformed, "carries nothing forward")


def test_a_year_end_by_hand_says_what_the_fund_says() -> None:
    desk = Desk()
    desk.fund(LAPSING, 500)
    (draft,) = carry_forward(desk.ledger, 2022, hands=HANDS)
    onward = replace(draft, postings=(draft.postings[0], line(LAPSING, "unencumbered", "C", 500, "2023")))
    desk.refuses(onward, Malformed, "not how")
    desk.refuses(replace(draft, postings=(*draft.postings, *draft.postings)), Malformed, "not how")


def test_evidence_of_an_advance_is_not_yet_that_of_the_payment() -> None:
    desk = Desk()
    desk.fund(SHARE, 1_000)
    desk.promise(SHARE, 500, "works")
    paid = desk.book(desk.advancing(SHARE, 200, "works"))
    for evidence in ((), PAPERS[:1], PAPERS[1:]):
        desk.refuses(desk.settling(SHARE, 200, paid, evidence=evidence)[0], Refusal)
    desk.book(desk.settling(SHARE, 200, paid)[0])
