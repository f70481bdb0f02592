"""The ten invariants of DESIGN.md, each broken on purpose."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from conftest import HANDS, TODAY, make_fund
from estate_funds.calendar import Month
from estate_funds.errors import (
    BadReversal,
    EvidenceMissing,
    FuturePeriod,
    InvariantBroken,
    KeyConflict,
    Malformed,
    OutsideFence,
    Overdrawn,
    PeriodClosed,
    SameHands,
    Unbalanced,
    UndeclaredCrossing,
    UnknownFund,
)
from estate_funds.funds import BUDGET, MONEY, NORMAL_SIDE, Account, Fund, Permit, Side
from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting
from estate_funds.ledger import (
    SHAPES,
    Booked,
    Ledger,
    Promise,
    attempt_key,
    mirror,
    refold,
    replay,
    swapped,
)
from estate_funds.ledger.records import Nothing
from estate_funds.merkle import Frontier
from estate_funds.money import MAX_FEN
from estate_funds.vouchers import (
    amend_fund,
    appropriate,
    carry_forward,
    close,
    open_fund,
    receive,
    release,
    reverse,
    spend,
    transfer,
)

D1 = date(2022, 1, 5)
INVOICE = (Evidence("invoice", "0" * 64),)
BUDGET_FUND = make_fund("budget/city/c", purposes=("award", "moved"), classes=("community",), into="share")
SHARE = make_fund("share/community/k", purposes=("cleaning",), classes=("enterprise",), requires=("invoice",))


def opened(*funds: Fund) -> tuple[Ledger, list[Entry]]:
    ledger = Ledger()
    entries = [book(ledger, open_fund(fund, on=date(2021, 1, 1), hands=HANDS)) for fund in funds]
    return ledger, entries


def book(ledger: Ledger, draft: Draft) -> Entry:
    entry = ledger.post(draft, recorded=TODAY)
    assert entry is not None
    return entry


def funded(fen: int = 10_000) -> Ledger:
    ledger, _ = opened(BUDGET_FUND, SHARE)
    book(ledger, appropriate(BUDGET_FUND, "city", fen, on=D1, key="a1", hands=HANDS))
    book(ledger, receive(SHARE, "lockers", fen, on=D1, key="r1", hands=HANDS))
    return ledger


def spending(fen: int = 100, **changes: object) -> Draft:
    values: dict[str, object] = {
        "purpose": "cleaning", "payee": "firm", "payee_class": "enterprise", "on": D1, "key": "s1", "evidence": INVOICE,
    }  # fmt: skip
    return spend(SHARE, fen, hands=HANDS, **(values | changes))  # type: ignore[arg-type]


# 1. each entry sums to zero in each fund


def test_an_entry_that_does_not_balance_names_each_fund_and_its_gap() -> None:
    draft = spending()
    short = draft.postings[0]._replace(amount_fen=99)
    with pytest.raises(Unbalanced) as caught:
        funded().check(replace(draft, postings=(short, *draft.postings[1:])), recorded=TODAY)
    assert "share/community/k, money: debits exceed credits by -1 fen" in str(caught.value)


def test_balance_over_two_funds_is_no_balance() -> None:
    moved = [p._replace(fund=BUDGET_FUND.fund_id) if p.account == Account.CASH else p for p in spending().postings]
    with pytest.raises(Unbalanced):
        funded().check(replace(spending(), postings=tuple(moved)), recorded=TODAY)


def test_money_and_budget_do_not_balance_each_other() -> None:
    postings = (
        Posting(SHARE.fund_id, "expenditure", "cleaning", "D", 100),
        Posting(SHARE.fund_id, "expended", "", "C", 100),
    )
    with pytest.raises(Unbalanced, match="balance within each fund"):
        funded().check(replace(spending(), postings=postings), recorded=TODAY)


def test_cash_cannot_leave_without_using_up_budget() -> None:
    with pytest.raises(Unbalanced, match="do not move together"):
        funded().check(replace(spending(), postings=spending().postings[:2]), recorded=TODAY)


# 2. nothing available, and no cash, below zero, at any prefix


@pytest.mark.parametrize(("fen", "fits"), [(9_999, True), (10_000, True), (10_001, False)])
def test_spending_up_to_the_balance_and_not_a_fen_more(fen: int, fits: bool) -> None:
    ledger = funded()
    if fits:
        book(ledger, spending(fen))
        assert ledger.available(SHARE.fund_id) == ledger.balance(SHARE.fund_id, Account.CASH) == 10_000 - fen
    else:
        with pytest.raises(Overdrawn, match=r"100.01 yuan wanted"):
            ledger.check(spending(fen), recorded=TODAY)


def test_the_budget_of_another_year_is_not_available() -> None:
    with pytest.raises(Overdrawn, match="budget year 2023"):
        funded().check(spending(on=date(2023, 1, 5)), recorded=TODAY)
    with pytest.raises(Malformed, match="budget of another year"):
        funded().check(replace(spending(), effective=date(2023, 1, 5)), recorded=TODAY)


def encumbrance(fen: int, key: str = "e1", claim: str = "claim/1") -> Draft:
    postings = (
        Posting(BUDGET_FUND.fund_id, "unencumbered", "2022", "D", fen),
        Posting(BUDGET_FUND.fund_id, "encumbered", claim, "C", fen),
    )
    return Draft(
        kind=Kind.ENCUMBRANCE, effective=D1, key=key, maker="m", approver="a", narrative="promise", purpose="award",
        payee="k", payee_class="community", reference=claim, postings=postings, document="doc", clause="1",
    )  # fmt: skip


def disbursement(fen: int, key: str = "d1", claim: str = "claim/1") -> Draft:
    giver, taker = BUDGET_FUND.fund_id, SHARE.fund_id
    postings = (
        Posting(giver, "transfer_out", taker, "D", fen), Posting(giver, "cash", "", "C", fen),
        Posting(giver, "encumbered", claim, "D", fen), Posting(giver, "expended", "", "C", fen),
        Posting(taker, "cash", "", "D", fen), Posting(taker, "transfer_in", giver, "C", fen),
        Posting(taker, "authority", "", "D", fen), Posting(taker, "unencumbered", "2022", "C", fen),
    )  # fmt: skip
    return replace(
        encumbrance(fen), kind=Kind.DISBURSEMENT, key=key, narrative="pay", reference=claim, postings=postings
    )


def test_a_claim_is_not_paid_beyond_its_encumbrance_nor_twice() -> None:
    ledger = funded()
    book(ledger, encumbrance(600))
    with pytest.raises(Overdrawn, match="encumbered for claim/1"):
        ledger.check(disbursement(601), recorded=TODAY)
    book(ledger, disbursement(600))
    with pytest.raises(Overdrawn, match="encumbered for claim/1"):
        ledger.check(disbursement(600, key="d2"), recorded=TODAY)
    assert ledger.balance(SHARE.fund_id, Account.TRANSFER_IN, BUDGET_FUND.fund_id) == 600


def test_promises_bind_and_can_be_released() -> None:
    ledger = funded()
    book(ledger, encumbrance(9_000))
    with pytest.raises(Overdrawn):
        ledger.check(encumbrance(1_001, key="e2", claim="claim/2"), recorded=TODAY)
    less = {BUDGET_FUND.fund_id: 4_000}
    book(ledger, release(ledger, "claim/1", amounts=less, on=D1, key="rel", hands=HANDS, narrative="less"))
    book(ledger, encumbrance(5_000, key="e2", claim="claim/2"))


def test_the_largest_amount_is_booked_and_reversed() -> None:
    ledger, _ = opened(BUDGET_FUND)
    entry = book(ledger, appropriate(BUDGET_FUND, "city", MAX_FEN, on=D1, key="a1", hands=HANDS))
    assert ledger.available(BUDGET_FUND.fund_id) == MAX_FEN
    book(ledger, reverse(entry, on=D1, hands=HANDS, narrative="too much"))
    assert ledger.balances == {}


def test_no_balance_outgrows_64_bits() -> None:
    ledger = funded(2**63 - 2)
    book(ledger, appropriate(BUDGET_FUND, "city", 1, on=D1, key="a2", hands=HANDS))
    with pytest.raises(Overdrawn):
        ledger.check(appropriate(BUDGET_FUND, "city", 1, on=D1, key="a3", hands=HANDS), recorded=TODAY)


# 3. only for a purpose, to a payee class, in a period


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"purpose": "banquet"}, "for the purpose 'banquet'"), ({"payee_class": "official"}, "to the payee class 'official'"),
     ({"purpose": ""}, "for the purpose ''"), ({"payee_class": ""}, "to the payee class ''")],
)  # fmt: skip
def test_outside_the_fence(changes: dict[str, object], words: str) -> None:
    with pytest.raises(OutsideFence) as caught:
        funded().check(spending(**changes), recorded=TODAY)
    assert words in str(caught.value)
    assert "clause: doc 1" in str(caught.value)


@pytest.mark.parametrize(
    ("day", "fits"),
    [
        (date(2021, 12, 31), False),
        (date(2022, 1, 1), True),
        (D1, True),
        (date(2022, 6, 30), True),
        (date(2022, 7, 1), False),
    ],
)
def test_the_fence_has_a_period(day: date, fits: bool) -> None:
    permit = replace(SHARE.permits[0], start=date(2022, 1, 1), until=date(2022, 7, 1))
    fund = replace(SHARE, permits=(permit,))
    ledger, _ = opened(fund)
    for year in (2021, 2022):
        book(ledger, receive(fund, "lockers", 500, on=date(year, 1, 5), key=f"r{year}", hands=HANDS))
    if fits:
        book(ledger, spending(on=day))
    else:
        with pytest.raises(OutsideFence, match="may not be spent so") as caught:
            ledger.check(spending(on=day), recorded=TODAY)
        assert "in 2022-01-01 to 2022-07-01" in str(caught.value)


def test_promises_and_transfers_pass_the_same_fence() -> None:
    with pytest.raises(OutsideFence):
        funded().check(replace(encumbrance(1), purpose="other"), recorded=TODAY)
    draft = transfer(
        SHARE,
        BUDGET_FUND,
        100,
        purpose="cleaning",
        on=D1,
        key="t",
        hands=HANDS,
        clause="1",
        narrative="n",
        evidence=INVOICE,
    )
    with pytest.raises(OutsideFence, match="may not be spent so"):
        funded().check(draft, recorded=TODAY)


def test_award_money_goes_only_into_the_fund_that_the_permit_names() -> None:
    ledger = funded()
    slush = make_fund("slush/community/k", purposes=("banquet",), classes=("anyone",))
    book(ledger, open_fund(slush, on=D1, hands=HANDS))
    into_slush = transfer(
        BUDGET_FUND, slush, 100, purpose="award", on=D1, key="t", hands=HANDS, clause="1", narrative="n"
    )
    with pytest.raises(OutsideFence) as caught:
        ledger.check(into_slush, recorded=TODAY)
    assert "into slush" in str(caught.value)
    assert "wanted: into share" in str(caught.value)
    spent = spend(
        BUDGET_FUND, 100, purpose="award", payee="cousin", payee_class="community", on=D1, key="s", hands=HANDS
    )
    with pytest.raises(OutsideFence, match="may not be spent so"):
        ledger.check(spent, recorded=TODAY)


def test_what_is_told_is_what_is_booked() -> None:
    ledger = funded()
    book(ledger, encumbrance(600))
    book(ledger, encumbrance(600, key="e2", claim="claim/2"))
    with pytest.raises(Malformed, match="encumbered of something else"):
        ledger.check(replace(disbursement(600), reference="claim/2"), recorded=TODAY)
    banquet = tuple(
        p._replace(detail="banquet") if p.account == Account.EXPENDITURE else p for p in spending().postings
    )
    with pytest.raises(Malformed, match="expenditure of something else"):
        ledger.check(replace(spending(), postings=banquet), recorded=TODAY)
    with pytest.raises(Malformed, match="on a document and a clause"):
        ledger.check(replace(spending(), clause=""), recorded=TODAY)


def test_a_fund_is_amended_from_now_on() -> None:
    ledger = funded()
    wider = make_fund(SHARE.fund_id, purposes=("cleaning", "repair"), classes=("enterprise",), requires=("invoice",))
    with pytest.raises(OutsideFence):
        ledger.check(spending(purpose="repair"), recorded=TODAY)
    with pytest.raises(UnknownFund, match="is not open"):
        ledger.check(amend_fund(make_fund("x/y/z"), on=D1, key="m", hands=HANDS), recorded=TODAY)
    book(ledger, amend_fund(wider, on=D1, key="m", hands=HANDS))
    assert ledger.is_open(open_fund(wider, on=D1, hands=HANDS))
    book(ledger, spending(purpose="repair"))


# 4. nothing is edited: a reversal mirrors an entry, once


def test_whether_a_draft_opens_what_is_open() -> None:
    ledger, _ = opened(SHARE)
    same = replace(open_fund(SHARE, on=D1, hands=HANDS), key="again", maker="x")
    assert ledger.is_open(same)
    other = open_fund(replace(SHARE, title="other"), on=D1, hands=HANDS)
    name = next(term for term in same.terms if term[0] == "fund")
    for draft in (
        other, open_fund(BUDGET_FUND, on=D1, hands=HANDS), replace(same, document="d"), replace(same, clause="2"),
        replace(same, kind=Kind.AMEND_FUND), spending(), replace(same, terms=()), replace(same, terms=(("fund",),)),
        replace(same, terms=(("title", "x"), name)), replace(same, terms=(("title", SHARE.fund_id),)),
    ):  # fmt: skip
        assert not ledger.is_open(draft)


def test_each_reversal_makes_room_for_another_attempt() -> None:
    ledger = funded()
    for number in (1, 2, 3):
        assert ledger.attempt("s1") == number
        entry = book(ledger, spending(key=attempt_key("s1", number)))
        assert ledger.attempt("s1") == number
        book(ledger, reverse(entry, on=D1, hands=HANDS, narrative="wrong"))
    assert ledger.attempt("s1") == 4


class Remembered(Nothing):
    """A past that knows one thing of each, by its name."""

    kept = Booked(b"", "spending", D1, (), "")
    bound = Promise(2022, None, ("repair", "enterprise", "firm"))

    def key(self, key: str) -> tuple[int, bytes] | None:  # type: ignore[override]
        return (7, b"digest") if key == "old" else None

    def booked(self, seq: int) -> Booked | None:  # type: ignore[override]
        return self.kept if seq == 7 else None

    def reversed(self, seq: int) -> bool:
        return seq == 7

    def promise(self, fund: str, reference: str) -> Promise | None:  # type: ignore[override]
        return self.bound if (fund, reference) == (SHARE.fund_id, "works") else None


def test_what_a_ledger_does_not_hold_itself_is_asked_of_the_past() -> None:
    ledger = Ledger(past=Remembered())
    assert [ledger.key(key) for key in ("old", "new")] == [(7, b"digest"), None]
    assert [ledger.entry(seq) for seq in (7, 8)] == [Remembered.kept, None]
    assert [ledger.is_reversed(seq) for seq in (7, 8)] == [True, False]
    asked = [(SHARE.fund_id, "works"), (SHARE.fund_id, "roof"), (BUDGET_FUND.fund_id, "works")]
    assert [ledger.promise(*of) for of in asked] == [Remembered.bound, None, None]
    assert [ledger.attempt(key) for key in ("old", "new")] == [2, 1]


AGED = make_fund("two/community/k")


@pytest.mark.parametrize(
    ("carry", "years", "fen", "since", "left", "inflows", "freed", "owed", "lapses"),
    [  # of `fen` that come back in 2024; budget left by year, what came in by year, what others free, what is owed
        (True, 2, 50, 2022, {2024: 0}, {2022: 100}, 0, 0, 0),  # all that came in these years would fit
        (True, 2, 50, 2022, {2024: 60}, {2022: 100}, 0, 0, 10),
        (True, 2, 50, 2022, {2024: 200}, {2022: 100}, 0, 0, 50),  # no more than comes back
        (True, 2, 50, 2022, {2024: 60}, {2022: 100}, 7, 0, 17),
        (True, 2, 50, 2022, {2024: 60}, {2022: 100}, 0, 4, 6),  # what is owed does not lapse
        (True, 2, 50, 2021, {2021: 60, 2024: 0}, {2022: 100}, 0, 0, 10),  # of a year that has not ended
        (True, 2, 50, 2022, {2021: 60}, {2022: 100}, 0, 0, 0),  # of one before it all
        (True, 2, 50, 2022, {2025: 60}, {2022: 100}, 0, 0, 0),  # of the next
        (True, 2, 50, 2022, {2024: 60}, {2021: 100, 2022: 1}, 0, 0, 50),  # what came in too long ago
        (True, 2, 50, 2022, {2024: 60}, {2023: 60, 2024: 40}, 0, 0, 10),
        (True, 2, 50, 2022, {2024: 60}, {2025: 100}, 0, 0, 50),  # or only next year
        (True, 2, 50, 2024, {2024: 60}, {}, 0, 0, 0),  # of this year's own
        (True, 0, 50, 2022, {2024: 60}, {}, 0, 0, 0),  # without end
        (False, 0, 50, 2022, {2024: 60}, {2022: 100}, 7, 4, 50),
        (False, 0, 50, 2024, {}, {}, 0, 0, 0),
    ],
)
def test_what_lapses_of_budget_that_comes_back(carry: bool, years: int, fen: int, since: int, left: dict[int, int], inflows: dict[int, int], freed: int, owed: int, lapses: int) -> None:  # fmt: skip
    fund, key = replace(AGED, carry_forward=carry, surplus_after_years=years), AGED.fund_id
    ledger = Ledger(
        funds={key: fund},
        balances={(key, "unencumbered", str(year)): held for year, held in left.items()} | {(key, "due_to", "q"): owed},
        inflows={(key, year): came for year, came in inflows.items()},
        promises={(key, "encumbered", "works"): Promise(since, None, ("", "", ""))},
        booked={7: Booked(b"", "spending", date(2024, 1, 1), (), "works"), 8: Booked(b"", "spending", date(since, 1, 1), (), "")},
    )  # fmt: skip
    assert ledger.lapsed(key, fen, since, 2024, freed=freed) == lapses
    assert ledger.releasing(key, "works", fen, 2024, freed=freed) == lapses
    assert ledger.lapsed("other/community/k", fen, since, 2024) == ledger.releasing(key, "roof", fen, 2024) == 0
    if not freed:
        assert ledger.recovering(key, 7, fen, 2024) == ledger.recovering(key, 8, fen, 2024) == lapses
    assert ledger.recovering(key, 9, fen, 2024) == 0


@pytest.mark.parametrize(
    ("carry", "years", "left", "inflows", "owed", "lapses"),
    [
        (True, 2, {2022: 130}, {2020: 100, 2021: 20, 2022: 10}, 0, 100),
        (True, 2, {2022: 130}, {2021: 20, 2022: 10, 2023: 500}, 0, 100),  # what came in since the year ended
        (True, 2, {2022: 130, 2021: 7, 2023: 9}, {2021: 20}, 30, 80),
        (True, 2, {2022: 20}, {2021: 20}, 0, 0),
        (True, 2, {}, {}, 0, 0),
        (True, 0, {2022: 130}, {}, 0, 0),
        (False, 0, {2022: 130, 2023: 9}, {2022: 130}, 30, 130),
    ],
)
def test_what_lapses_at_the_end_of_a_year(carry: bool, years: int, left: dict[int, int], inflows: dict[int, int], owed: int, lapses: int) -> None:  # fmt: skip
    fund, key = replace(AGED, carry_forward=carry, surplus_after_years=years), AGED.fund_id
    balances = {(key, "unencumbered", str(year)): held for year, held in left.items()} | {(key, "due_to", "q"): owed}
    ledger = Ledger(funds={key: fund}, balances=balances, inflows={(key, year): n for year, n in inflows.items()})
    assert ledger.lapsing(key, 2022) == lapses


def test_a_reversal_restores_every_balance_and_happens_once() -> None:
    ledger = funded()
    before = dict(ledger.balances)
    entry = book(ledger, spending())
    red = reverse(entry, on=D1, hands=HANDS, narrative="red")
    assert {p.amount_fen for p in red.postings} == {-100}
    assert [p.side for p in red.postings] == [p.side for p in entry.draft.postings]
    reversal = book(ledger, red)
    assert ledger.balances == before
    for draft in (replace(red, key="again"), reverse(reversal, on=D1, hands=HANDS, narrative="red of red")):
        with pytest.raises(BadReversal):
            ledger.check(draft, recorded=TODAY)


@pytest.mark.parametrize("reference", ["99", "", "x", "1", "05", "５", "9" * 5000])
def test_a_reversal_of_what_cannot_be_reversed(reference: str) -> None:
    ledger = funded()
    red = reverse(book(ledger, spending()), on=D1, hands=HANDS, narrative="red")
    with pytest.raises(BadReversal):
        ledger.check(replace(red, reference=reference), recorded=TODAY)
    with pytest.raises(BadReversal, match="mirror"):
        ledger.check(replace(red, postings=red.postings[:2]), recorded=TODAY)


def test_a_reversal_cannot_take_back_what_is_spent() -> None:
    ledger = funded()
    entry = book(ledger, receive(SHARE, "lockers", 500, on=D1, key="r2", hands=HANDS))
    book(ledger, spending(10_400))
    with pytest.raises(Overdrawn):
        ledger.check(reverse(entry, on=D1, hands=HANDS, narrative="red"), recorded=TODAY)


def test_an_error_of_an_earlier_year_is_put_right_in_blue_and_the_budget_is_of_this_year() -> None:
    ledger = funded()
    entry = book(ledger, spending())
    for draft in carry_forward(ledger, 2022, hands=HANDS):
        book(ledger, draft)
    book(ledger, close(Month.parse("2022-12"), on=date(2023, 1, 1), hands=HANDS))
    blue = reverse(entry, on=date(2023, 3, 1), hands=HANDS, narrative="blue")
    assert blue.kind is Kind.CORRECTION
    assert {p.amount_fen for p in blue.postings} == {100}
    assert [p.side for p in blue.postings] != [p.side for p in entry.draft.postings]
    red = replace(blue, kind=Kind.REVERSAL, postings=mirror(entry.draft.postings, 2023), key="red")
    with pytest.raises(BadReversal, match="in blue puts an earlier year right"):
        ledger.check(red, recorded=TODAY)
    correction = book(ledger, blue)
    assert ledger.balance(SHARE.fund_id, Account.UNENCUMBERED, "2023") == 10_000
    carried = next(seq for seq, booked in ledger.booked.items() if booked.kind == Kind.CARRY_FORWARD)
    for seq, words in (
        (carried, "carry_forward cannot be reversed"),
        (correction.seq, "correction cannot be reversed"),
        (entry.seq, "already reversed"),
    ):
        with pytest.raises(BadReversal, match=words):
            ledger.check(replace(blue, key="x", reference=str(seq)), recorded=TODAY)


def test_within_the_year_blue_is_refused() -> None:
    ledger = funded()
    entry = book(ledger, spending())
    red = reverse(entry, on=D1, hands=HANDS, narrative="red")
    blue = replace(red, kind=Kind.CORRECTION, postings=swapped(entry.draft.postings, 2022))
    with pytest.raises(BadReversal, match="in red cancels it"):
        ledger.check(blue, recorded=TODAY)


@pytest.mark.parametrize(
    ("day", "detail", "words"),
    [
        (date(2022, 6, 30), "2023", "not how"),
        (date(2022, 12, 31), "2024", "not how"),
        (date(2023, 12, 31), "2023", "not how"),
    ],
)
def test_a_year_ends_as_the_document_says(day: date, detail: str, words: str) -> None:
    ledger = funded()
    draft = carry_forward(ledger, 2022, hands=HANDS)[0]
    onward = draft.postings[1]._replace(detail=detail)
    with pytest.raises(Malformed, match=words):
        ledger.check(replace(draft, effective=day, postings=(draft.postings[0], onward)), recorded=TODAY)
    lapse = Posting(onward.fund, "authority", "", "C", onward.amount_fen)
    with pytest.raises(Malformed, match="not how"):
        ledger.check(replace(draft, postings=(draft.postings[0], lapse)), recorded=TODAY)


# 5. one key, one content


def test_the_same_again_is_a_no_op_and_other_content_is_refused() -> None:
    ledger = funded()
    book(ledger, spending())
    seq, head = ledger.seq, ledger.head
    assert ledger.post(spending(), recorded=TODAY) is None
    assert ledger.post(replace(spending(), registry="sha256:later", policy="sha256:later"), recorded=TODAY) is None
    assert ledger.post(replace(spending(), approver="b", maker="c", narrative="n"), recorded=TODAY) is None
    assert (ledger.seq, ledger.head) == (seq, head)
    for other in (
        spending(101),
        spending(on=date(2022, 1, 6)),
        spending(payee="other"),
    ):
        with pytest.raises(KeyConflict, match="used for something else"):
            ledger.check(other, recorded=TODAY)


# 6. closed and future periods


def test_closed_and_future_periods() -> None:
    ledger = funded()
    assert carry_forward(ledger, 2021, hands=HANDS) == []
    for draft in carry_forward(ledger, 2022, hands=HANDS):
        book(ledger, draft)
    book(ledger, close(Month.parse("2022-12"), on=date(2023, 1, 1), hands=HANDS))
    with pytest.raises(PeriodClosed, match="after 2022-12-31"):
        ledger.check(spending(on=date(2022, 12, 31)), recorded=TODAY)
    book(ledger, spending(10_000, on=date(2023, 1, 1)))  # what was left went on to the new year
    with pytest.raises(FuturePeriod, match="lies in the future"):
        ledger.check(spending(key="s2", on=date(2026, 11, 23)), recorded=TODAY)
    with pytest.raises(FuturePeriod, match="runs backwards"):
        ledger.check(spending(key="s2", on=date(2023, 1, 2)), recorded=date(2026, 11, 21))
    with pytest.raises(PeriodClosed, match="after its last day"):
        ledger.check(close(Month.parse("2026-10"), on=date(2026, 10, 31), hands=HANDS), recorded=TODAY)


def test_what_may_not_be_carried_forward_lapses_and_leaves_the_cash() -> None:
    fund = make_fund("lapse/city/c", carry_forward=False)
    ledger, _ = opened(fund)
    book(ledger, appropriate(fund, "city", 500, on=D1, key="a", hands=HANDS))
    (draft,) = carry_forward(ledger, 2022, hands=HANDS)
    book(ledger, draft)
    assert (ledger.available(fund.fund_id), ledger.balance(fund.fund_id, Account.CASH)) == (0, 500)


def test_a_closed_period_is_not_opened_by_closing_an_earlier_one() -> None:
    ledger = funded()
    for draft in carry_forward(ledger, 2022, hands=HANDS):
        book(ledger, draft)
    book(ledger, close(Month.parse("2022-12"), on=date(2023, 1, 1), hands=HANDS))
    for month in ("2021-01", "2022-12"):
        with pytest.raises(PeriodClosed, match="closed already"):
            draft = replace(close(Month.parse(month), on=date(2023, 1, 2), hands=HANDS), key=f"again/{month}")
            ledger.check(draft, recorded=TODAY)


def test_a_month_is_not_closed_while_budget_is_left_in_the_year_before() -> None:
    ledger = funded()
    for month in ("2023-01", "2023-11"):
        with pytest.raises(Malformed, match="has budget left in 2022"):
            ledger.check(close(Month.parse(month), on=date(2024, 1, 1), hands=HANDS), recorded=TODAY)
    book(ledger, close(Month.parse("2022-11"), on=date(2022, 12, 1), hands=HANDS))


def test_a_year_is_not_closed_while_budget_is_left_in_it() -> None:
    ledger = funded()
    with pytest.raises(Malformed, match="has budget left in 2022"):
        ledger.check(close(Month.parse("2022-12"), on=date(2023, 1, 1), hands=HANDS), recorded=TODAY)
    book(ledger, close(Month.parse("2022-11"), on=date(2022, 12, 1), hands=HANDS))
    draft = carry_forward(ledger, 2022, hands=HANDS)[0]
    partly = tuple(p._replace(amount_fen=p.amount_fen - 1) for p in draft.postings)
    with pytest.raises(Malformed, match="not how"):
        ledger.check(replace(draft, postings=partly), recorded=TODAY)


# 7. crossings are declared


def test_an_undeclared_crossing() -> None:
    ledger = funded()
    book(ledger, encumbrance(600))
    whole = disbursement(600)
    half = replace(whole, postings=whole.postings[:4])
    with pytest.raises(UndeclaredCrossing, match="without its other half"):
        ledger.check(half, recorded=TODAY)
    elsewhere = [p._replace(detail="other/city/c") if p.account == Account.TRANSFER_IN else p for p in whole.postings]
    with pytest.raises(UndeclaredCrossing):
        ledger.check(replace(whole, postings=tuple(elsewhere)), recorded=TODAY)


def test_the_fund_that_takes_is_the_payees_own() -> None:
    ledger = funded()
    book(ledger, encumbrance(600))
    for changes in ({"payee": "somebody"}, {"payee": "q"}):
        with pytest.raises(OutsideFence, match="is not that of the payee"):
            ledger.check(replace(disbursement(600), **changes), recorded=TODAY)
    book(ledger, disbursement(600))


def test_a_spending_cannot_be_a_crossing() -> None:
    with pytest.raises(Malformed, match="cannot touch this account"):
        funded().check(replace(disbursement(10), kind=Kind.SPENDING), recorded=TODAY)


# 9. maker and approver, evidence


@pytest.mark.parametrize(
    ("maker", "approver"), [("a", "a"), ("a", ""), ("", "a"), ("a", " a "), (" ", "a"), ("Wang", "wang"), ("Ａ", "a")]
)
def test_one_pair_of_hands_is_not_enough(maker: str, approver: str) -> None:
    with pytest.raises(SameHands):
        funded().check(replace(spending(), maker=maker, approver=approver), recorded=TODAY)


def test_evidence_where_the_purpose_demands_it() -> None:
    with pytest.raises(EvidenceMissing, match="only on evidence"):
        funded().check(spending(evidence=()), recorded=TODAY)
    with pytest.raises(EvidenceMissing):
        funded().check(spending(evidence=(Evidence("photo", "0" * 64),)), recorded=TODAY)
    with pytest.raises(Malformed, match="SHA-256"):
        funded().check(spending(evidence=(Evidence("invoice", "0" * 63),)), recorded=TODAY)
    with pytest.raises(Malformed, match="SHA-256"):
        funded().check(spending(evidence=(Evidence("invoice", "X" * 64),)), recorded=TODAY)


# 10. every field of every entry is covered by the hash

FULL = replace(
    spending(), document="doc", clause="1", policy="p", registry="r", reference="x", terms=(("a", "b"),), narrative="n"
)


@pytest.mark.parametrize("name", list(Draft.__dataclass_fields__))
def test_every_field_changes_the_leaf(name: str) -> None:
    changed: dict[str, object] = {
        "kind": Kind.RECEIPT, "effective": date(2022, 1, 6), "terms": (("a", "c"),), "evidence": (Evidence("invoice", "1" * 64),),
    }  # fmt: skip
    base = Entry(1, TODAY, FULL)
    variants = [replace(FULL, **{name: changed.get(name, f"{getattr(FULL, name)}+")})] if name != "postings" else [
        replace(FULL, postings=(FULL.postings[0]._replace(**{field: value}), *FULL.postings[1:]))
        for field, value in (("fund", "f"), ("account", "x"), ("detail", "y"), ("side", "C"), ("amount_fen", 101))
    ]  # fmt: skip
    for variant in variants:
        assert Entry(1, TODAY, variant).leaf != base.leaf
    assert Entry(2, TODAY, FULL).leaf != base.leaf
    assert Entry(1, date(2026, 11, 21), FULL).leaf != base.leaf


def test_fields_cannot_run_into_each_other() -> None:
    one = replace(FULL, terms=(("a", "b"), ("c",)))
    other = replace(FULL, terms=(("a",), ("b", "c")))
    assert Entry(1, TODAY, one).leaf != Entry(1, TODAY, other).leaf


@pytest.mark.parametrize("spoiled", ["a\nposting\tx", "a\tb", "a\x00", "a\u2028b", "a\u200bb", "a\u202eb", "a\ufeff"])
def test_text_that_could_forge_a_line_is_refused(spoiled: str) -> None:
    for name in ("narrative", "payee", "reference", "policy", "registry"):
        with pytest.raises(Malformed, match="control or invisible"):
            funded().check(replace(spending(), **{name: spoiled}), recorded=TODAY)
    with pytest.raises(Malformed):
        funded().check(replace(spending(), narrative="e\u0301"), recorded=TODAY)


def test_the_tree_covers_every_entry_in_order() -> None:
    ledger, tree = funded(), Frontier()
    assert Ledger().head == f"0:{tree.root.hex()}"
    two, entries = opened(BUDGET_FUND, SHARE)
    for entry in entries:
        tree.append(entry.leaf)
    assert two.head == f"2:{tree.root.hex()}"
    before = ledger.head
    entry = book(ledger, spending())
    assert ledger.head != before
    assert ledger.head.startswith(f"{entry.seq}:")


# shapes, funds, replay


def test_malformed_entries() -> None:
    ledger = funded()
    for amount in (0, -1, 1.5, True, 2**63):
        draft = spending()
        with pytest.raises(Malformed, match="whole number of fen"):
            ledger.check(
                replace(draft, postings=tuple(p._replace(amount_fen=amount) for p in draft.postings)), recorded=TODAY
            )
    with pytest.raises(Malformed, match="has no terms"):
        ledger.check(replace(spending(), terms=(("a", "b"),)), recorded=TODAY)
    with pytest.raises(Malformed, match="has no terms"):
        ledger.check(replace(spending(), kind=Kind.REVERSAL, terms=(("a", "b"),)), recorded=TODAY)
    for bad in (make_fund("x"), make_fund("x/y/"), replace(make_fund("x/y/z"), provenance="lifo")):
        with pytest.raises(Malformed):
            ledger.check(open_fund(bad, on=D1, hands=HANDS), recorded=TODAY)
    more = open_fund(make_fund("x/y/z"), on=D1, hands=HANDS)
    with pytest.raises(Malformed, match="more than a fund"):
        ledger.check(replace(more, terms=(*more.terms, ("note", "x"))), recorded=TODAY)
    with pytest.raises(Malformed, match="needs postings"):
        ledger.check(replace(spending(), postings=()), recorded=TODAY)
    for missing in ("key", "narrative"):
        with pytest.raises(Malformed, match=f"an entry without a {missing}"):
            ledger.check(replace(spending(), **{missing: ""}), recorded=TODAY)
    with pytest.raises(Malformed, match="do not define a fund"):
        ledger.check(replace(open_fund(make_fund("x/y/z"), on=D1, hands=HANDS), terms=(("fund", "x"),)), recorded=TODAY)
    with pytest.raises(Malformed, match="name a month"):
        ledger.check(replace(close(Month.parse("2022-01"), on=D1, hands=HANDS), terms=(("to", "x"),)), recorded=TODAY)
    with pytest.raises(UnknownFund, match="never opened"):
        ledger.check(
            replace(spending(), postings=tuple(p._replace(fund="share/community/q") for p in spending().postings)),
            recorded=TODAY,
        )
    with pytest.raises(UnknownFund, match="already open"):
        ledger.check(replace(open_fund(SHARE, on=D1, hands=HANDS), key="open/again"), recorded=TODAY)


def test_a_member_of_an_enumeration_is_the_text_that_it_stands_for() -> None:
    ledger, plain = funded(), spending()
    lines = tuple(p._replace(account=Account(p.account), side=Side(p.side)) for p in plain.postings)
    book(ledger, replace(plain, postings=lines))
    assert ledger.post(plain, recorded=TODAY) is None


def test_every_kind_has_a_shape_and_every_account_a_side_and_a_family() -> None:
    assert set(SHAPES) == set(Kind) - {Kind.REVERSAL, Kind.CORRECTION}
    assert set(NORMAL_SIDE) == set(Account) == MONEY | BUDGET
    assert not MONEY & BUDGET


def test_a_fund_survives_its_terms() -> None:
    fund = make_fund("a/b/c", requires=("x", "y"), until=date(2030, 1, 1))
    assert Fund.from_terms(fund.to_terms(), document="doc", clause="1") == fund


def test_replay_refuses_a_gap_and_a_repetition() -> None:
    ledger, entries = opened(BUDGET_FUND, SHARE)
    assert replay(entries).head == ledger.head
    with pytest.raises(InvariantBroken):
        replay(entries[1:])
    with pytest.raises(InvariantBroken):
        refold(ledger, entries[-1])


AGENCY = Fund("agency/estate/a", "collected for others", "doc", "1", True, "fifo", (Permit("remit", "utility", "", date(2020, 1, 1), None, (), "1"),), held_for_others=True)  # fmt: skip


def test_money_held_for_others_is_a_liability_until_it_is_paid_on() -> None:
    ledger = Ledger()
    book(ledger, open_fund(AGENCY, on=date(2021, 1, 1), hands=HANDS))
    book(ledger, receive(AGENCY, "water-fee", 1_000, on=D1, key="r1", hands=HANDS))
    assert ledger.balance(AGENCY.fund_id, Account.PAYABLE) == 1_000
    assert ledger.balance(AGENCY.fund_id, Account.FUNDING) == 0
    pay = spend(AGENCY, 600, purpose="remit", payee="water", payee_class="utility", on=D1, key="s1", hands=HANDS)
    entry = book(ledger, pay)
    assert ledger.balance(AGENCY.fund_id, Account.PAYABLE) == ledger.balance(AGENCY.fund_id, Account.CASH) == 400
    book(ledger, reverse(entry, on=D1, hands=HANDS, narrative="wrong day"))
    assert ledger.balance(AGENCY.fund_id, Account.PAYABLE) == 1_000
    for fund, account in ((AGENCY, "funding"), (SHARE, "payable")):
        draft = receive(replace(fund, held_for_others=account == "payable"), "x", 1, on=D1, key="r9", hands=HANDS)
        other = Ledger()
        book(other, open_fund(fund, on=date(2021, 1, 1), hands=HANDS))
        with pytest.raises(Malformed, match="money for others"):
            other.post(draft, recorded=TODAY)
    with pytest.raises(OutsideFence):
        book(
            ledger,
            spend(AGENCY, 1, purpose="cleaning", payee="x", payee_class="enterprise", on=D1, key="s2", hands=HANDS),
        )
