"""Money that is to come back: claimed back, collected, waived; lent and repaid."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from conftest import HANDS
from desk import CITY, D1, FUNDS, QUEUE, SHARE, Desk, restricted
from estate_funds.errors import (
    BadReversal,
    Malformed,
    OutsideFence,
    Overdrawn,
    Unbalanced,
    UndeclaredCrossing,
)
from estate_funds.funds import Account
from estate_funds.journal import Draft, Kind
from estate_funds.vouchers import lend
from estate_funds.vouchers.drafting import arriving, line, liquidating
from ready import funded, paid

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


def test_lines_of_one_claim_count_together() -> None:
    desk, payment = paid(600)
    whole = desk.claiming(payment)
    for fen, fits in ((301, False), (300, True)):
        lines = tuple(p._replace(amount_fen=part) for p in whole.postings for part in (300, fen))
        if fits:
            desk.book(replace(whole, postings=lines))
        else:
            desk.refuses(replace(whole, postings=lines), Overdrawn, "more than it paid")


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
    other = desk.spend(SHARE, 50)
    desk.book(desk.claiming(payment, {SHARE.fund_id: 100}))
    desk.refuses(desk.reversing(payment), BadReversal, "waive that first")
    desk.book(desk.reversing(other))  # of which nothing is claimed
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


def test_what_a_recovery_takes_from_a_fund_settles_what_another_is_owed() -> None:
    other = restricted("share/community/j", *SHARE.permits)
    desk = Desk(*FUNDS, other)
    for fund in (CITY, SHARE, other):
        desk.fund(fund, 1_000)
    desk.promise(CITY, 600, "claim", purpose="award", payee="k", payee_class="community")
    payment = desk.book(award(desk, 600, "claim"))
    desk.book(desk.claiming(payment))
    fen = desk.collecting(payment, CITY, 1, giver=SHARE)
    desk.refuses(replace(fen, postings=fen.postings[:4]), UndeclaredCrossing, "given exceeds taken by 1 fen")
    draft = desk.collecting(payment, CITY, 300, giver=SHARE)
    second = tuple(p._replace(fund=other.fund_id) if p.fund == SHARE.fund_id else p for p in draft.postings)
    desk.refuses(replace(draft, postings=(*draft.postings, *second)), Malformed, "a recovery comes from one fund")
    parted = [p._replace(amount_fen=fen) for p in draft.postings for fen in ((100, 200) if p.account == "receivable" else (300,))]  # fmt: skip
    desk.book(replace(draft, postings=tuple(parted)))
    assert desk.has(CITY, Account.RECEIVABLE) == 300


def test_a_fund_whose_budget_lapses_gives_back_from_the_budget_of_the_year() -> None:
    giver, later = replace(SHARE, carry_forward=False), date(2023, 1, 10)
    desk = Desk(CITY, giver)
    desk.fund(CITY, 1_000)
    desk.promise(CITY, 600, "claim", purpose="award", payee="k", payee_class="community")
    payment = desk.book(award(desk, 600, "claim"))
    desk.book(desk.claiming(payment))
    desk.end_year(2022)
    assert (desk.surplus(CITY), desk.surplus(giver)) == (400, 600)
    desk.fund(giver, 700, on=later)
    desk.book(desk.collecting(payment, CITY, 600, giver=giver, on=later))
    assert (desk.free(giver), desk.surplus(giver), desk.surplus(CITY)) == (100, 600, 1_000)
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
