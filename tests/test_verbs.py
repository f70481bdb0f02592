"""The life cycle of each verb, as tables of days and amounts: what it books, what ends it, and what it refuses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from conftest import HANDS, TODAY
from desk import (
    AGENCY,
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
    state,
)
from estate_funds.calendar import Month
from estate_funds.errors import (
    BadReversal,
    EvidenceMissing,
    InputError,
    KeyConflict,
    Malformed,
    OutsideFence,
    Overdrawn,
    PeriodClosed,
    PromiseExpired,
    Refusal,
    Unbalanced,
    UndeclaredCrossing,
    UnknownFund,
)
from estate_funds.funds import BUDGET, NORMAL_SIDE, Account, Fund
from estate_funds.journal import Draft, Entry, Evidence, Kind
from estate_funds.vouchers import carry_forward, close, expire, lend, refused, reopen, spend
from estate_funds.vouchers.drafting import arriving, line, liquidating

NEXT = date(2023, 1, 10)
DAY = timedelta(days=1)
LAST = date(2022, 6, 30)


def funded(*amounts: tuple[Fund, int]) -> Desk:
    desk = Desk()
    for fund, fen in amounts or ((SHARE, 1_000),):
        desk.fund(fund, fen)
    return desk


def advanced(fen: int, promised: int = 1_000, fund: Fund = SHARE) -> tuple[Desk, Entry]:
    desk = funded((fund, 2_000))
    desk.promise(fund, promised, "works")
    return desk, desk.book(desk.advancing(fund, fen, "works"))


def paid(fen: int = 600) -> tuple[Desk, Entry]:
    desk = funded()
    return desk, desk.spend(SHARE, fen)


# --- promises ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payments", "left"),
    [
        ((600,), 0),
        ((1, 599), 0),
        ((200, 200, 200), 0),
        ((200, 399), 1),
        ((601,), None),
        ((200, 401), None),
        ((600, 1), None),
    ],
)
def test_a_promise_is_kept_in_parts_and_not_a_fen_beyond(payments: tuple[int, ...], left: int | None) -> None:
    desk = funded()
    desk.promise(SHARE, 600, "works")
    *before, last = payments
    for fen in before:
        desk.spend(SHARE, fen, against="works")
    if left is None:
        desk.refuses(desk.spending(SHARE, last, against="works"), Overdrawn, "encumbered for works")
    else:
        desk.spend(SHARE, last, against="works")
        assert desk.has(SHARE, Account.ENCUMBERED, "works") == left
        assert (desk.free(SHARE), desk.has(SHARE, Account.EXPENDED)) == (400, sum(payments))
    desk.replays()


def test_what_is_promised_is_not_free_and_what_is_free_does_not_keep_a_promise() -> None:
    desk = funded()
    desk.promise(SHARE, 600, "works")
    desk.refuses(desk.spending(SHARE, 401), Overdrawn, "available")
    desk.refuses(desk.promising(SHARE, 401, "roof"), Overdrawn, "available")
    desk.refuses(desk.spending(SHARE, 1, against="roof"), Overdrawn, "encumbered for roof")
    desk.spend(SHARE, 400)
    desk.spend(SHARE, 600, against="works")
    desk.refuses(desk.spending(SHARE, 1), Overdrawn)


def test_a_promise_grows_under_its_reference() -> None:
    desk = funded()
    desk.promise(SHARE, 600, "works")
    desk.promise(SHARE, 100, "works")
    desk.spend(SHARE, 700, against="works")


@pytest.mark.parametrize("day", [LAST - DAY, LAST, LAST + DAY])
@pytest.mark.parametrize("verb", ["spend", "advance", "top up"])
def test_a_promise_can_be_paid_until_its_last_day(verb: str, day: date) -> None:
    desk = funded()
    desk.promise(SHARE, 600, "works", expires=LAST)
    ahead = desk.book(desk.advancing(SHARE, 100, "works"))
    draft = {
        "spend": lambda: desk.spending(SHARE, 100, against="works", on=day),
        "advance": lambda: desk.advancing(SHARE, 100, "works", on=day),
        "top up": lambda: desk.settling(SHARE, 101, ahead, on=day)[0],
    }[verb]()
    if day <= LAST:
        desk.book(draft)
    else:
        desk.refuses(draft, PromiseExpired, "has expired")
        desk.book(desk.settling(SHARE, 100, ahead, on=day)[0])  # which pays nothing


@pytest.mark.parametrize(
    ("first", "then", "last"),
    [
        (LAST, None, LAST),
        (LAST, LAST + DAY, LAST + DAY),
        (LAST, LAST - DAY, LAST - DAY),
        (None, LAST, LAST),
        (None, None, None),
    ],
)
def test_what_adds_to_a_promise_leaves_its_last_day_unless_it_names_one(first: date | None, then: date | None, last: date | None) -> None:  # fmt: skip
    desk = funded()
    desk.promise(SHARE, 100, "works", expires=first)
    desk.promise(SHARE, 100, "works", expires=then)
    promise = desk.ledger.promise(SHARE.fund_id, "works")
    assert promise is not None
    assert promise.expires == last


def test_a_last_day_before_the_promise_is_none() -> None:
    desk = funded()
    desk.refuses(desk.promising(SHARE, 1, "works", on=D1, expires=D1 - DAY), Malformed, "expired when it is made")
    desk.promise(SHARE, 1, "works", on=D1, expires=D1)
    desk.refuses(desk.promising(SHARE, 1, ""), Malformed, "needs a reference")


def test_expiry_releases_the_day_after_the_last_one() -> None:
    desk = funded()
    desk.promise(SHARE, 600, "works", expires=LAST)
    desk.promise(SHARE, 300, "roof")
    desk.spend(SHARE, 250, against="works", on=LAST)
    assert expire(desk.ledger, on=LAST, hands=HANDS) == []
    (draft,) = expire(desk.ledger, on=LAST + DAY, hands=HANDS)
    desk.book(draft)
    assert (desk.free(SHARE), desk.has(SHARE, Account.ENCUMBERED)) == (450, 300)
    assert expire(desk.ledger, on=LAST + DAY, hands=HANDS) == []
    assert desk.ledger.post(draft, recorded=TODAY) is None


# --- release ----------------------------------------------------------------------------------------------------------


def test_after_all_of_it_is_released_the_same_reference_is_promised_anew() -> None:
    desk = funded()
    key = "encumbrance/works"
    for attempt in (1, 2, 3):
        assert desk.ledger.attempt(key) == attempt
        desk.promise(SHARE, 600, "works", key=attempt_key(key, attempt))
        assert desk.ledger.attempt(key) == attempt
        desk.spend(SHARE, 100, against="works")
        desk.book(desk.releasing("works"))
    assert desk.free(SHARE) == 700
    desk.replays()


def test_a_part_is_released_under_a_key_and_the_promise_stands() -> None:
    desk = funded()
    desk.promise(SHARE, 600, "works", key="encumbrance/works")
    with pytest.raises(InputError, match="takes a key"):
        desk.releasing("works", amounts={SHARE.fund_id: 100})
    desk.book(desk.releasing("works", amounts={SHARE.fund_id: 100}, key="less"))
    assert (desk.free(SHARE), desk.ledger.attempt("encumbrance/works")) == (500, 1)
    desk.refuses(desk.releasing("works", amounts={SHARE.fund_id: 501}, key="more"), Overdrawn, "encumbered for works")
    with pytest.raises(InputError, match="nothing is encumbered"):
        desk.releasing("roof")


def test_a_release_frees_all_funds_of_a_promise() -> None:
    desk = funded((SHARE, 1_000), (QUEUE, 1_000))
    desk.promise(SHARE, 600, "works")
    desk.promise(QUEUE, 700, "works")
    desk.book(desk.releasing("works"))
    assert (desk.free(SHARE), desk.free(QUEUE)) == (1_000, 1_000)


def test_a_promise_of_this_year_is_free_again_and_one_of_an_earlier_year_has_lapsed() -> None:
    desk = funded((LAPSING, 1_000), (SHARE, 1_000))
    desk.promise(LAPSING, 600, "works")
    desk.promise(SHARE, 600, "works")
    desk.book(desk.releasing("works", amounts={LAPSING.fund_id: 100, SHARE.fund_id: 100}, key="r"))
    assert (desk.free(LAPSING), desk.surplus(LAPSING)) == (500, 0)
    desk.end_year(2022)
    assert (desk.free(LAPSING), desk.surplus(LAPSING)) == (0, 500)
    whole = desk.releasing("works", on=NEXT)
    free = tuple(
        p._replace(account="unencumbered", detail="2023") if p.account == "authority" else p for p in whole.postings
    )
    desk.refuses(replace(whole, postings=free), Malformed, "the budget lapsed with its year")
    lapse = tuple(
        p._replace(account="authority", detail="") if p.account == "unencumbered" else p for p in whole.postings
    )
    desk.refuses(replace(whole, postings=lapse), Malformed, "not what a release does")
    desk.book(whole)
    assert (desk.free(LAPSING), desk.surplus(LAPSING), desk.free(SHARE)) == (0, 1_000, 1_000)
    desk.replays()


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
    taken_back = desk.book(draft)
    desk.book(desk.reversing(taken_back, on=NEXT))
    assert desk.surplus(LAPSING) == 1_000


# --- advance and settlement -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audited", "expenditure", "cash", "receivable", "links"),
    [
        # advanced 400 of a promise of 1,000, from cash of 2,000
        (1_000, 1_000, 1_000, 0, 1),
        (999, 999, 1_001, 0, 2),
        (401, 401, 1_599, 0, 2),
        (400, 400, 1_600, 0, 2),
        (399, 400, 1_600, 1, 3),
        (1, 400, 1_600, 399, 3),
        (0, 400, 1_600, 400, 3),
    ],
)
def test_an_advance_is_settled_on_the_audited_amount(audited: int, expenditure: int, cash: int, receivable: int, links: int) -> None:  # fmt: skip
    desk, ahead = advanced(400)
    assert (desk.has(SHARE, Account.ADVANCED, "works"), desk.has(SHARE, Account.EXPENDITURE)) == (400, 0)
    chain = desk.chain(desk.settling(SHARE, audited, ahead))
    assert len(chain) == links
    assert desk.has(SHARE, Account.ADVANCED) == 0
    assert desk.has(SHARE, Account.EXPENDITURE, "repair") == expenditure
    assert desk.has(SHARE, Account.CASH) == cash
    assert desk.has(SHARE, Account.RECEIVABLE, str(ahead.seq)) == receivable
    assert (desk.has(SHARE, Account.ENCUMBERED), desk.free(SHARE)) == (0, cash)
    if receivable:
        desk.book(desk.collecting(ahead, SHARE, receivable))
        assert desk.has(SHARE, Account.CASH) == desk.free(SHARE) == 2_000 - audited
    desk.replays()


@pytest.mark.parametrize(("audited", "link", "error"), [(1_001, 0, Overdrawn), (2**63, 0, Malformed)])
def test_a_settlement_above_the_promise_or_below_nothing(audited: int, link: int, error: type[Refusal]) -> None:
    desk, ahead = advanced(400)
    chain = desk.settling(SHARE, audited, ahead)
    trial = copy.deepcopy(desk.ledger)
    for draft in chain[:link]:
        trial.post(draft, recorded=TODAY)
    with pytest.raises(error):
        trial.post(chain[link], recorded=TODAY)
    assert desk.has(SHARE, Account.ADVANCED) == 400  # what was tried is thrown away
    with pytest.raises(InputError, match="below 0"):
        desk.settling(SHARE, -1, ahead)


def test_several_advances_and_what_was_claimed_back_of_them_count_in_a_settlement() -> None:
    desk, first = advanced(500)
    second = desk.book(desk.advancing(SHARE, 400, "works"))
    with pytest.raises(InputError, match="than these entries paid"):
        desk.settling(SHARE, 300, second)
    settlement, *claims, released = desk.settling(SHARE, 300, [first, second])
    assert [sum(p.amount_fen for p in c.postings if p.side == "D") for c in claims] == [400, 200]
    desk.chain((settlement, *claims, released))
    other, ahead = advanced(900)
    other.book(other.claiming(ahead, {SHARE.fund_id: 50}))
    _, claim, _ = other.settling(SHARE, 800, ahead)
    assert {p.amount_fen for p in claim.postings} == {50}


def test_a_settlement_settles_all_that_was_advanced_under_its_reference() -> None:
    desk, first = advanced(300)
    second = desk.book(desk.advancing(SHARE, 100, "works"))
    (settlement, released) = desk.settling(SHARE, 400, second)
    part = tuple(p._replace(amount_fen=100) for p in settlement.postings)
    desk.refuses(replace(settlement, postings=part), Malformed, "the whole advance")
    desk.chain((settlement, released))
    for entry in (first, second):
        desk.refuses(desk.reversing(entry), Overdrawn)
    desk.refuses(desk.settling(SHARE, 1, second)[0], Malformed)


def test_without_an_advance_nothing_is_settled_and_without_a_promise_nothing_advanced() -> None:
    desk, ahead = advanced(400)
    desk.refuses(desk.advancing(SHARE, 601, "works"), Overdrawn, "encumbered for works")
    desk.refuses(desk.advancing(SHARE, 1, "roof"), Overdrawn, "encumbered for roof")
    desk.chain(desk.settling(SHARE, 400, ahead))
    again = replace(desk.settling(SHARE, 400, ahead)[0], key="again")
    desk.refuses(again, Malformed)
    other = replace(ahead.draft, key="x", reference="roof")
    desk.refuses(other, Malformed, "of something else")


@pytest.mark.parametrize(
    ("evidence", "advances", "settles"),
    [((), False, False), (PAPERS[:1], True, False), (PAPERS[1:], True, False), (PAPERS, True, True), ((Evidence("photo", "3" * 64),), True, False)],
)  # fmt: skip
def test_an_advance_needs_some_evidence_and_a_settlement_all(evidence: tuple[Evidence, ...], advances: bool, settles: bool) -> None:  # fmt: skip
    desk = funded()
    desk.promise(SHARE, 500, "works")
    draft = desk.advancing(SHARE, 200, "works", evidence=evidence)
    if not advances:
        desk.refuses(draft, EvidenceMissing, "only on evidence")
        draft = desk.advancing(SHARE, 200, "works")
    ahead = desk.book(draft)
    settlement = desk.settling(SHARE, 200, ahead, evidence=evidence)[0]
    if settles:
        desk.book(settlement)
    else:
        desk.refuses(settlement, EvidenceMissing, "only on evidence")


def test_an_advance_for_what_needs_no_evidence_needs_none() -> None:
    fund = restricted("bare/community/k", permit("watering", "enterprise"))
    desk = Desk(fund)
    desk.fund(fund, 100)
    desk.promise(fund, 50, "works", purpose="watering")
    desk.book(desk.advancing(fund, 50, "works", purpose="watering", evidence=()))


def test_what_a_settlement_leaves_of_an_old_promise_lapses() -> None:
    desk, ahead = advanced(400, fund=LAPSING)
    desk.close_year(2022)
    desk.chain(desk.settling(LAPSING, 500, ahead, on=NEXT))
    assert (desk.free(LAPSING), desk.surplus(LAPSING), desk.has(LAPSING, Account.ENCUMBERED)) == (0, 1_500, 0)


# --- claimed back, collected, waived ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "last_fits"),
    [((600,), True), ((601,), False), ((1, 599), True), ((1, 600), False), ((600, 1), False), ((200, 200, 200), True)],
)
def test_no_more_is_claimed_back_than_was_paid(claims: tuple[int, ...], last_fits: bool) -> None:
    desk, payment = paid(600)
    *before, last = ({SHARE.fund_id: fen} for fen in claims)
    for amounts in before:
        desk.book(desk.claiming(payment, amounts))
    if last_fits:
        desk.book(desk.claiming(payment, last))
        assert desk.has(SHARE, Account.RECEIVABLE) == desk.has(SHARE, Account.RECOVERY) == sum(claims)
        assert (desk.has(SHARE, Account.CASH), desk.free(SHARE)) == (400, 400)
    else:
        desk.refuses(desk.claiming(payment, last), Overdrawn, "more than it paid")


def test_what_was_collected_is_not_claimed_again() -> None:
    desk, payment = paid(600)
    desk.book(desk.claiming(payment))
    desk.book(desk.collecting(payment, SHARE, 600))
    desk.refuses(desk.claiming(payment, {SHARE.fund_id: 1}), Overdrawn, "at most 0.00 yuan")
    desk.refuses(desk.collecting(payment, SHARE, 1), Overdrawn)
    desk.refuses(desk.waiving(payment, {SHARE.fund_id: 1}), Overdrawn)
    desk.refuses(desk.reversing(payment), BadReversal, "claimed back")


def test_only_a_payment_is_claimed_back_and_only_by_who_paid() -> None:
    desk, payment = paid(600)
    desk.fund(QUEUE, 500)
    promised = desk.promise(SHARE, 100, "works")
    given = desk.entries[len(FUNDS)]
    for entry in (desk.entries[0], given, promised, replace(payment, seq=999)):
        draft = desk.claiming(entry, {SHARE.fund_id: 1})
        desk.refuses(draft, Malformed, "was not paid")
    desk.refuses(desk.claiming(payment, {QUEUE.fund_id: 1}), Overdrawn, "more than it paid")
    ungrounded = desk.claiming(payment)
    desk.refuses(replace(ungrounded, clause=""), Malformed, "on a document and a clause")
    desk.book(desk.reversing(payment))
    desk.refuses(desk.claiming(payment), Malformed, "is reversed")


def test_a_payment_under_claim_is_not_reversed_until_that_is_waived() -> None:
    desk, payment = paid(600)
    desk.book(desk.claiming(payment, {SHARE.fund_id: 100}))
    desk.refuses(desk.reversing(payment), BadReversal, "waive that first")
    desk.book(desk.waiving(payment, {SHARE.fund_id: 99}))
    desk.refuses(desk.reversing(payment), BadReversal, "waive that first")
    desk.book(desk.waiving(payment, {SHARE.fund_id: 1}))
    desk.book(desk.reversing(payment))
    assert (desk.free(SHARE), desk.has(SHARE, Account.RECEIVABLE), desk.has(SHARE, Account.RECOVERY)) == (1_000, 0, 0)
    desk.replays()


def test_after_a_waiver_the_same_may_be_claimed_again() -> None:
    desk, payment = paid(600)
    for _ in range(2):
        desk.book(desk.claiming(payment))
        desk.book(desk.waiving(payment, {SHARE.fund_id: 600}))
    claim = desk.book(desk.claiming(payment))
    desk.book(desk.reversing(claim))
    desk.book(desk.claiming(payment))


@pytest.mark.parametrize("gap", [{"document": ""}, {"clause": ""}, {"evidence": ()}])
def test_a_waiver_rests_on_an_approval(gap: dict[str, object]) -> None:
    desk, payment = paid(600)
    desk.book(desk.claiming(payment))
    whole = desk.waiving(payment, {SHARE.fund_id: 600})
    desk.refuses(replace(whole, **gap), Malformed, "rests on an approval")
    desk.refuses(desk.waiving(payment, {SHARE.fund_id: 601}), Overdrawn)
    desk.book(whole)
    assert (desk.has(SHARE, Account.RECEIVABLE), desk.has(SHARE, Account.RECOVERY)) == (0, 0)


def test_a_payees_fund_gives_back_what_its_fence_permits() -> None:
    desk = funded((CITY, 1_000), (SHARE, 500))
    desk.promise(CITY, 600, "claim", purpose="award", payee="k", payee_class="community")
    payment = desk.book(award(desk, 600, "claim"))
    desk.book(desk.claiming(payment))
    assert desk.has(CITY, Account.RECEIVABLE, str(payment.seq)) == 600
    draft = desk.collecting(payment, CITY, 600, giver=SHARE)
    desk.refuses(replace(draft, purpose="award"), OutsideFence, "may not be spent so")
    desk.refuses(replace(draft, payee="d"), OutsideFence, "is not that of the payee")
    desk.refuses(desk.collecting(payment, CITY, 601, giver=SHARE), Overdrawn)
    desk.refuses(desk.collecting(payment, CITY, 600, giver=QUEUE), OutsideFence)
    half = draft.postings[:4]
    desk.refuses(replace(draft, postings=half), UndeclaredCrossing)
    short = (*half, *(p._replace(amount_fen=599) for p in draft.postings[4:]))
    desk.refuses(replace(draft, postings=short), UndeclaredCrossing, "given exceeds taken by 1 fen")
    desk.book(draft)
    assert (desk.free(CITY), desk.has(CITY, Account.CASH), desk.has(SHARE, Account.CASH)) == (1_000, 1_000, 500)
    assert desk.has(SHARE, Account.TRANSFER_OUT, CITY.fund_id) == 600
    desk.replays()


def award(desk: Desk, fen: int, claim: str) -> Draft:
    """An award paid into the community's fund."""
    given = line(CITY.fund_id, Account.TRANSFER_OUT, "D", fen, SHARE.fund_id)
    postings = (*liquidating(CITY.fund_id, given, fen, claim), *arriving(SHARE.fund_id, Account.TRANSFER_IN, CITY.fund_id, fen, D1))  # fmt: skip
    return Draft(
        kind=Kind.DISBURSEMENT, effective=D1, key=desk.key, maker="m", approver="a", narrative="award", document="doc",
        clause="1", purpose="award", payee="k", payee_class="community", reference=claim, postings=postings,
    )  # fmt: skip


def test_what_is_collected_is_what_arrives() -> None:
    desk, payment = paid(600)
    desk.book(desk.claiming(payment))
    draft = desk.collecting(payment, SHARE, 600)
    cash, receivable, authority, free = draft.postings
    less = (cash, receivable._replace(amount_fen=599), authority, free)
    desk.refuses(replace(draft, postings=less), Unbalanced)
    desk.refuses(replace(draft, postings=(authority, free)), Unbalanced, "do not move together")
    desk.refuses(replace(draft, reference="1"), Malformed, "of something else")
    for _ in range(6):
        desk.book(desk.collecting(payment, SHARE, 100))
    assert (desk.free(SHARE), desk.has(SHARE, Account.RECEIVABLE)) == (1_000, 0)


# --- loans ------------------------------------------------------------------------------------------------------------


def test_a_loan_is_due_until_it_is_repaid() -> None:
    desk = funded((SHARE, 1_000), (QUEUE, 100))
    desk.book(desk.lending(SHARE, QUEUE, 600))
    assert (desk.has(SHARE, Account.DUE_FROM, QUEUE.fund_id), desk.has(QUEUE, Account.DUE_TO, SHARE.fund_id)) == (
        600,
        600,
    )
    assert (desk.free(SHARE), desk.free(QUEUE)) == (400, 700)
    desk.book(desk.repaying(QUEUE, SHARE, 599))
    desk.refuses(desk.repaying(QUEUE, SHARE, 2), Overdrawn)
    desk.book(desk.repaying(QUEUE, SHARE, 1))
    desk.refuses(desk.repaying(QUEUE, SHARE, 1), Overdrawn)
    assert (desk.free(SHARE), desk.free(QUEUE)) == (1_000, 100)
    assert not desk.has(SHARE, Account.DUE_FROM)
    assert not desk.has(QUEUE, Account.DUE_TO)
    desk.replays()


def test_the_lenders_fence_permits_the_loan_and_names_the_fund_that_borrows() -> None:
    slush = restricted("slush/community/q")
    desk = Desk(*FUNDS, slush)
    desk.fund(SHARE, 1_000)
    desk.refuses(desk.lending(SHARE, slush, 100), OutsideFence, "may not be spent so")
    desk.refuses(desk.lending(SHARE, QUEUE, 100, purpose="repair"), OutsideFence)
    desk.refuses(desk.lending(QUEUE, SHARE, 100), OutsideFence)
    desk.refuses(replace(desk.lending(SHARE, QUEUE, 100), payee="k"), OutsideFence, "is not that of the payee")
    desk.refuses(desk.lending(SHARE, QUEUE, 1_001), Overdrawn)


@pytest.mark.parametrize("half", [slice(0, 4), slice(4, 8)])
def test_half_a_loan_is_undeclared(half: slice) -> None:
    desk = funded()
    loan = desk.lending(SHARE, QUEUE, 100)
    desk.refuses(replace(loan, postings=loan.postings[half]), UndeclaredCrossing, "without its other half")
    gift = tuple(p._replace(account="transfer_in") if p.account == "due_to" else p for p in loan.postings)
    desk.refuses(replace(loan, postings=gift), Malformed, "cannot touch this account")
    uneven = tuple(p._replace(amount_fen=99) if p.fund == QUEUE.fund_id else p for p in loan.postings)
    desk.refuses(replace(loan, postings=uneven), UndeclaredCrossing, "given exceeds taken by 1 fen")


def test_a_loan_rests_on_a_document_and_a_clause() -> None:
    desk = funded()
    draft = lend(SHARE, QUEUE, 1, purpose="bridge", on=D1, key="k", hands=HANDS, clause="", narrative="n")
    desk.refuses(draft, Malformed, "on a document and a clause")


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


# --- red and blue -----------------------------------------------------------------------------------------------------


def everything(desk: Desk) -> dict[str, Callable[[], Draft]]:
    """One sound draft of each kind that moves money or budget, in an order in which each can be booked."""
    made: dict[str, Entry] = {}

    def remember(name: str, draft: Draft) -> Draft:
        made[name] = replace(desk.entries[-1], seq=desk.ledger.seq + 1, draft=draft)
        return draft

    return {
        "appropriation": lambda: desk.fund(SHARE, 5_000).draft and replace(desk.entries[-1].draft, key=desk.key),
        "receipt": lambda: replace(desk.fund(QUEUE, 5_000, kind=Kind.RECEIPT).draft, key=desk.key),
        "encumbrance": lambda: desk.promising(SHARE, 1_000, "works"),
        "advance": lambda: remember("advance", desk.advancing(SHARE, 400, "works")),
        "settlement": lambda: desk.settling(SHARE, 500, made["advance"])[0],
        "release": lambda: desk.releasing("works", amounts={SHARE.fund_id: 100}, key=desk.key),
        "spending": lambda: remember("spending", desk.spending(SHARE, 300)),
        "claw_back": lambda: desk.claiming(made["spending"]),
        "waiver": lambda: desk.waiving(made["spending"], {SHARE.fund_id: 100}),
        "recovery": lambda: desk.collecting(made["spending"], SHARE, 150),
        "loan": lambda: desk.lending(SHARE, QUEUE, 700),
        "repayment": lambda: desk.repaying(QUEUE, SHARE, 200),
        "transfer": lambda: desk.moving(QUEUE, SHARE, 100, "refund"),
    }


@pytest.mark.parametrize("blue", [False, True], ids=["red", "blue"])
def test_every_kind_is_put_right_once_in_red_this_year_and_in_blue_later(blue: bool) -> None:
    desk = Desk()
    booked = [(name, desk.book(draft())) for name, draft in everything(desk).items()]
    assert {entry.draft.kind.value for _, entry in booked} == {name for name, _ in booked}
    if blue:
        desk.close_year(2022)
    day = NEXT if blue else D1
    for _, entry in reversed(booked):
        before = dict(desk.ledger.balances)
        draft = desk.reversing(entry, on=day, ledger=desk.ledger)
        assert draft.kind is (Kind.CORRECTION if blue else Kind.REVERSAL)
        mirror = desk.book(draft)
        desk.refuses(replace(draft, key="again"), BadReversal, "already reversed")
        with pytest.raises(BadReversal, match="cannot be reversed"):
            desk.ledger.check(desk.reversing(mirror, on=day), recorded=TODAY)
        changed = {k: desk.ledger.balances.get(k, 0) - before.get(k, 0) for k in {*before, *desk.ledger.balances}}
        undone: dict[tuple[str, str, str], int] = {}
        for fund, account, detail, side, fen in entry.draft.postings:
            key = (fund, account, str(day.year) if account == "unencumbered" else detail)
            undone[key] = undone.get(key, 0) + (-fen if side == NORMAL_SIDE[account] else fen)
        assert {k: v for k, v in changed.items() if v} == {k: v for k, v in undone.items() if v}
    desk.replays()


def test_red_is_for_this_year_and_blue_for_an_earlier_one() -> None:
    desk, payment = paid(600)
    desk.end_year(2022)
    for on in (date(2022, 12, 31), NEXT):
        draft = desk.reversing(payment, on=on)
        for kind in (Kind.REVERSAL, Kind.CORRECTION):
            if kind is not draft.kind:
                with pytest.raises(Refusal):
                    desk.ledger.check(replace(draft, kind=kind), recorded=TODAY)
    desk.book(desk.reversing(payment, on=NEXT))
    assert desk.has(SHARE, Account.UNENCUMBERED, "2023") == 1_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reference": "1"}, "no entry of this number"), ({"reference": "999"}, "no entry of this number"), ({"reference": ""}, "no entry of this number"),
        ({"reference": "7"}, "not the mirror"), ({"postings": ()}, "not the mirror"),
    ],
)  # fmt: skip
def test_a_reversal_names_the_entry_that_it_mirrors(change: dict[str, object], words: str) -> None:
    desk, payment = paid(600)
    desk.refuses(replace(desk.reversing(payment), **change), BadReversal, words)


def test_a_mirror_that_differs_in_one_posting_is_none() -> None:
    desk, payment = paid(600)
    draft = desk.reversing(payment)
    for at, posting in enumerate(draft.postings):
        before, after = draft.postings[:at], draft.postings[at + 1 :]
        for odd in ((posting._replace(amount_fen=-599),), (posting._replace(fund=QUEUE.fund_id),), ()):
            desk.refuses(replace(draft, postings=(*before, *odd, *after)), BadReversal, "not the mirror")


# --- what is refused is on record -------------------------------------------------------------------------------------


def refusal_of(desk: Desk, draft: Draft) -> Refusal:
    with pytest.raises(Refusal) as caught:
        desk.ledger.check(draft, recorded=TODAY)
    return caught.value


def odd_drafts(desk: Desk) -> dict[str, Draft]:
    sound = desk.spending(SHARE, 10)
    first, *others = sound.postings
    return {
        "outside the fence": replace(sound, purpose="banquet"),
        "control characters": replace(sound, narrative="a\nposting\tshare\tcash\t\tC\t1\x00\u202e"),
        "a tab in a detail": replace(sound, postings=(first._replace(detail="a\tb"), *others)),
        "surrogates": replace(sound, payee="\ud800"),
        "not normal": replace(sound, payee="e\u0301"),
        "a number for a key": replace(sound, key=7),  # type: ignore[arg-type]
        "no maker": replace(sound, maker=None),  # type: ignore[arg-type]
        "no kind": replace(sound, kind="spending"),  # type: ignore[arg-type]
        "text for postings": replace(sound, postings="cash"),  # type: ignore[arg-type]
        "postings of two": replace(sound, postings=((1, 2),)),  # type: ignore[arg-type]
        "a float": replace(sound, postings=(first._replace(amount_fen=1.5), *others)),  # type: ignore[arg-type]
        "a number beyond print": replace(sound, postings=(first._replace(amount_fen=10**5_000), *others)),
        "a megabyte": replace(sound, narrative="钱" * 1_000_000, purpose="x" * 1_000_000),
        "terms of a megabyte": replace(sound, terms=(("x" * 1_000_000,),)),
        "everything empty": Draft(kind=Kind.SPENDING, effective=D1, key="", maker="", approver="", narrative=""),
    }


@pytest.mark.parametrize("name", odd_drafts(Desk()))
def test_a_refusal_is_recorded_once_a_day_and_moves_nothing(name: str) -> None:
    desk = funded()
    draft = odd_drafts(desk)[name]
    refusal = refusal_of(desk, draft)
    record = refused(draft, refusal, recorded=TODAY)
    before = dict(desk.ledger.balances)
    entry = desk.book(record)
    assert desk.ledger.balances == before
    assert entry.draft.terms[0] == ("refused", type(refusal).__name__)
    assert len(entry.canonical()) < 60_000
    assert desk.ledger.post(refused(draft, refusal_of(desk, draft), recorded=TODAY), recorded=TODAY) is None
    tomorrow = TODAY + DAY
    assert desk.ledger.post(refused(draft, refusal, recorded=tomorrow), recorded=tomorrow) is not None


def test_a_record_says_what_was_asked_and_why_not() -> None:
    desk = funded()
    draft = desk.spending(SHARE, 10, purpose="banquet", payee="hotel")
    record = refused(draft, refusal_of(desk, draft), recorded=TODAY)
    assert ("clause", "doc 1") in record.terms
    assert ("got", "for the purpose 'banquet'") in record.terms
    assert ("asked", "payee", "hotel") in record.terms
    assert ("asked", "posting", SHARE.fund_id, "cash", "", "C", "10") in record.terms
    assert (record.payee, record.maker) == ("hotel", "maker")


def test_two_attempts_that_differ_are_two_records() -> None:
    desk = funded()
    keys = set()
    for changes in ({"payee": "a"}, {"payee": "b"}, {"payee": "a", "narrative": "please"}):
        draft = replace(desk.spending(SHARE, 10, purpose="banquet", payee="x"), key="k", **changes)
        keys.add(refused(draft, refusal_of(desk, draft), recorded=TODAY).key)
    assert len(keys) == 3


def test_a_record_by_hand_says_what_it_records() -> None:
    desk = funded()
    draft = desk.spending(SHARE, 10, purpose="banquet")
    record = refused(draft, refusal_of(desk, draft), recorded=TODAY)
    desk.refuses(replace(record, terms=()), Malformed, "needs terms")
    desk.refuses(replace(record, terms=(("note", "x"),)), Malformed, "do not say what was refused")
    desk.refuses(replace(record, terms=((),)), Malformed)
    desk.refuses(replace(record, postings=draft.postings), Malformed, "has no postings")
    desk.refuses(replace(record, key="mine"), Malformed, "key of a refusal")
    desk.book(record)
    desk.refuses(desk.reversing(desk.entries[-1], on=TODAY), BadReversal, "no entry of this number")


# --- chains -----------------------------------------------------------------------------------------------------------


def test_a_chain_is_posted_link_by_link_and_thrown_away_where_one_fails() -> None:
    desk, ahead = advanced(400)
    whole = state(desk.ledger)
    chain = desk.settling(SHARE, 300, ahead)
    assert [draft.kind for draft in chain] == [Kind.SETTLEMENT, Kind.CLAW_BACK, Kind.RELEASE]
    for broken in range(len(chain)):
        trial = copy.deepcopy(desk.ledger)
        links = [replace(d, approver=d.maker) if at == broken else d for at, d in enumerate(chain)]
        with pytest.raises(Refusal):
            for link in links:
                trial.post(link, recorded=TODAY)
        assert trial.seq == desk.ledger.seq + broken
        assert state(desk.ledger) == whole
    desk.chain(chain)
    desk.replays()


def test_links_out_of_order_are_refused_where_they_rest_on_each_other() -> None:
    desk = funded((SHARE, 1_000))
    promised, spent = desk.promising(SHARE, 100, "works"), desk.spending(SHARE, 100, against="works")
    desk.refuses(spent, Overdrawn)
    desk.chain((promised, spent))
    assert [desk.ledger.post(draft, recorded=TODAY) for draft in (promised, spent)] == [None, None]


# --- unknown words, odd amounts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"purpose": "banquet"}, OutsideFence), ({"purpose": ""}, OutsideFence), ({"payee_class": "official"}, OutsideFence),
        ({"payee_class": ""}, OutsideFence), ({"payee": ""}, Malformed), ({"evidence": ()}, EvidenceMissing),
        ({"evidence": (INVOICE,)}, EvidenceMissing), ({"against": "nobody"}, Overdrawn),
    ],
)  # fmt: skip
def test_words_that_the_fund_does_not_know(change: dict[str, object], error: type[Refusal]) -> None:
    desk = funded()
    desk.refuses(desk.spending(SHARE, 10, **change), error)


@pytest.mark.parametrize("fund", ["nobody/x/y", "share", "share/community/", "share/community/K", ""])
def test_a_fund_that_was_never_opened(fund: str) -> None:
    desk = funded()
    draft = desk.spending(SHARE, 10)
    desk.refuses(
        replace(draft, postings=tuple(p._replace(fund=fund) for p in draft.postings)), UnknownFund, "never opened"
    )


@pytest.mark.parametrize("account", ["", "bank", "CASH", "cash ", "funding", "transfer_out", "due_to", "surrendered"])
def test_an_account_that_the_kind_does_not_have(account: str) -> None:
    desk = funded()
    draft = desk.spending(SHARE, 10)
    postings = (draft.postings[0]._replace(account=account), *draft.postings[1:])
    desk.refuses(replace(draft, postings=postings), Malformed, "cannot touch this account")


VERBS: dict[str, Callable[[Desk, int], Draft]] = {
    "promise": lambda desk, fen: desk.promising(SHARE, fen, "x"),
    "advance": lambda desk, fen: desk.advancing(SHARE, fen, "works"),
    "spend": lambda desk, fen: desk.spending(SHARE, fen),
    "spend against": lambda desk, fen: desk.spending(SHARE, fen, against="works"),
    "release": lambda desk, fen: desk.releasing("works", amounts={SHARE.fund_id: fen}, key="x"),
    "lend": lambda desk, fen: desk.lending(SHARE, QUEUE, fen),
    "repay": lambda desk, fen: desk.repaying(QUEUE, SHARE, fen),
    "move": lambda desk, fen: desk.moving(QUEUE, SHARE, fen, "refund"),
    "claim back": lambda desk, fen: desk.claiming(desk.entries[-1], {SHARE.fund_id: fen}),
    "collect": lambda desk, fen: desk.collecting(desk.entries[-1], SHARE, fen),
    "waive": lambda desk, fen: desk.waiving(desk.entries[-1], {SHARE.fund_id: fen}),
    "surrender": lambda desk, fen: desk.surrendering(SHARE, fen, on=D1),
}


@pytest.mark.parametrize("verb", VERBS)
def test_amounts_that_make_no_sense_and_amounts_beyond_all(verb: str) -> None:
    desk = funded((SHARE, 2_000), (QUEUE, 2_000))
    desk.promise(SHARE, 500, "works")
    desk.spend(SHARE, 500)
    for fen in (0, -1, True, 2**63, 1.0, "1", None):
        draft = VERBS[verb](desk, fen)  # type: ignore[arg-type]
        refusal = desk.refuses(draft, Malformed)
        assert "whole number of fen" in str(refusal)
    desk.refuses(VERBS[verb](desk, 2**63 - 1), Overdrawn)


def test_an_agency_spends_what_it_collected_and_nothing_else() -> None:
    desk = Desk()
    desk.fund(AGENCY, 1_000, source="water-fee", kind=Kind.RECEIPT)
    remit = {"purpose": "remit", "payee": "water", "payee_class": "utility"}
    desk.promise(AGENCY, 400, "june", **remit)
    desk.refuses(desk.advancing(AGENCY, 100, "june", **remit), Malformed, "holds money for others")
    payment = desk.book(desk.spending(AGENCY, 400, against="june", **remit))
    desk.refuses(desk.claiming(payment), Malformed, "holds money for others")
    assert desk.has(AGENCY, Account.PAYABLE) == desk.has(AGENCY, Account.CASH) == 600
    desk.book(desk.reversing(payment))
    assert desk.has(AGENCY, Account.ENCUMBERED, "june") == 400


def test_the_same_twice_is_once_and_other_content_under_the_key_is_refused() -> None:
    desk, payment = paid(600)
    desk.book(desk.claiming(payment))
    claim = desk.entries[-1].draft
    assert desk.ledger.post(replace(claim, maker="x", narrative="again"), recorded=TODAY) is None
    desk.refuses(replace(claim, clause="other"), KeyConflict, "used for something else")
    sound = spend(SHARE, 1, purpose="repair", payee="a", payee_class="enterprise", on=D1, key=claim.key, hands=HANDS)
    desk.refuses(sound, KeyConflict)


def test_no_kind_leaves_money_and_budget_of_a_fund_apart() -> None:
    """Each account of the budget is touched only by kinds that say so: none makes budget out of nothing."""
    desk = Desk()
    for name, draft in everything(desk).items():
        made = draft()
        without = tuple(p for p in made.postings if p.account not in BUDGET)
        if name not in ("encumbrance", "release", "claw_back", "waiver"):
            desk.refuses(replace(made, postings=without), Refusal, "do not move together|no budget stands for")
        desk.book(made)
