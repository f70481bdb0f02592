"""Promises: kept in parts, expired, released; advances and their settlement."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import date

import pytest

from conftest import HANDS, TODAY
from desk import D1, LAPSING, PAPERS, QUEUE, SHARE, Desk, attempt_key, permit, restricted
from estate_funds.errors import EvidenceMissing, InputError, Malformed, OutsideFence, Overdrawn, PromiseExpired, Refusal
from estate_funds.funds import Account
from estate_funds.journal import Evidence
from estate_funds.vouchers import expire, settle
from ready import DAY, LAST, NEXT, advanced, funded

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


def test_each_reference_is_settled_by_itself() -> None:
    desk, first = advanced(300)
    desk.promise(SHARE, 100, "roof")
    desk.book(desk.advancing(SHARE, 100, "roof"))
    desk.chain(desk.settling(SHARE, 300, first))
    assert desk.has(SHARE, Account.ADVANCED) == desk.has(SHARE, Account.ADVANCED, "roof") == 100


def test_an_advance_is_settled_after_the_last_day_of_its_promise_whatever_that_is_called() -> None:
    """Only a top-up is paid against the promise; what is spent for "repair" is not, though the contract is called so."""
    desk = funded()
    desk.promise(SHARE, 500, "repair", expires=LAST)
    ahead = desk.book(desk.advancing(SHARE, 400, "repair"))
    above, *_ = desk.settling(SHARE, 401, ahead, on=LAST + DAY)
    desk.refuses(above, PromiseExpired)
    desk.book(desk.settling(SHARE, 400, ahead, on=LAST + DAY)[0])
    assert desk.has(SHARE, Account.EXPENDITURE) == 400


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


def test_a_settlement_that_is_booked_is_not_worked_out_again() -> None:
    """After it, nothing says what was advanced: an amount worked out then would be another one."""
    desk = funded()
    desk.promise(SHARE, 600, "works")
    ahead = desk.book(desk.advancing(SHARE, 400, "works"))
    chain = desk.settling(SHARE, 500, ahead)
    desk.chain(chain)
    with pytest.raises(InputError, match="the key of the settlement is used"):
        settle(desk.ledger, SHARE, 500, ahead, on=D1, key=chain[0].key, hands=HANDS)


def test_what_was_advanced_in_its_time_is_settled_after_it() -> None:
    """The final account is audited when the document may have ended; only a top-up is a payment of that day."""
    ending = replace(SHARE, permits=tuple(replace(p, until=date(2022, 6, 1)) for p in SHARE.permits))
    desk = Desk(ending)
    desk.fund(ending, 1_000)
    desk.promise(ending, 600, "works")
    ahead = desk.book(desk.advancing(ending, 400, "works"))
    above = desk.settling(ending, 500, ahead, on=date(2022, 9, 1))
    desk.refuses(above[0], OutsideFence, "may not be spent so")
    below = desk.settling(ending, 400, ahead, on=date(2022, 9, 1))
    desk.refuses(replace(below[0], purpose="cleaning"), Malformed)
    desk.refuses(replace(below[0], evidence=PAPERS[:1]), EvidenceMissing)
    desk.chain(below)
    assert desk.has(ending, Account.EXPENDITURE) == 400
    desk.replays()
