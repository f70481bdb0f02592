"""Verbs of a fund: open, fill, move to another, end a year, close, open again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from estate_funds.calendar import Month, given_day, given_year
from estate_funds.errors import DateError, InputError
from estate_funds.funds import Account, Fund, holder_of
from estate_funds.journal import Draft, Evidence, Kind, Posting
from estate_funds.ledger import Ledger
from estate_funds.vouchers.drafting import C, D, Hands, arriving, crossing, draft_of, leaving, line, unused_key, verb


@verb
def open_fund(fund: Fund, *, on: date, hands: Hands, policy: str = "") -> Draft:
    """Open a ring-fenced fund: its fence becomes an entry, so that replay needs no document."""
    return _definition(Kind.OPEN_FUND, fund, on, f"open/{fund.fund_id}", hands, policy)


@verb
def amend_fund(fund: Fund, *, on: date, key: str, hands: Hands, policy: str = "") -> Draft:
    """Give an open fund another fence from now on: a new list of uses, an amended document."""
    return _definition(Kind.AMEND_FUND, fund, on, key, hands, policy)


def _definition(kind: Kind, fund: Fund, on: date, key: str, hands: Hands, policy: str) -> Draft:
    _check_definition(fund)
    narrative = f"{kind.value.replace('_', ' ')} {fund.fund_id}: {fund.title}"
    return draft_of(
        kind,
        key,
        narrative,
        on=on,
        hands=hands,
        document=fund.document,
        clause=fund.clause,
        policy=policy,
        terms=fund.to_terms(),
    )


def _check_definition(fund: Fund) -> None:
    """InputError for a field of a fund that would become another one in the entry's text; DateError for its days."""
    for name in ("carry_forward", "held_for_others"):
        if type(given := getattr(fund, name)) is not bool:
            raise _not_of_a_fund(fund, name, given, "True or False")
    if type(fund.surplus_after_years) is not int:
        raise _not_of_a_fund(fund, "surplus_after_years", fund.surplus_after_years, "a whole number of years")
    for permit in fund.permits:
        where = f"permit of {permit.purpose} to {permit.payee_class}"
        if isinstance(permit.requires, str) or not all(isinstance(kind, str) and kind for kind in permit.requires):
            raise _not_of_a_fund(fund, f"{where}, requires", permit.requires, "kinds of evidence, as ('contract',)")
        start = given_day(permit.start, f"{fund.fund_id}, {where}, start")
        if permit.until is not None and given_day(permit.until, f"{fund.fund_id}, {where}, until") <= start:
            ends = f"{permit.start} to {permit.until}"
            what, wanted = "a permit that ends before it starts", "a first day, and the first day after it"
            raise DateError(what, where=f"{fund.fund_id}, {where}", got=ends, wanted=wanted)


def _not_of_a_fund(fund: Fund, name: str, got: object, wanted: str) -> InputError:
    return InputError("not a fund that can be booked", where=f"{fund.fund_id}, {name}", got=repr(got), wanted=wanted)


@verb
def appropriate(
    fund: Fund,
    source: str,
    amount_fen: int,
    *,
    on: date,
    key: str,
    hands: Hands,
    narrative: str = "",
    evidence: Iterable[Evidence] = (),
    kind: Kind = Kind.APPROPRIATION,
) -> Draft:
    """Appropriate budget to a fund, with the money (预算拨款); `receive` is the same for income that the fund earns.

    What a fund receives for others is a liability.
    """
    account, detail = (Account.PAYABLE, "") if fund.held_for_others else (Account.FUNDING, source)
    return draft_of(
        kind,
        key,
        narrative or f"{kind.value} of {source} to {fund.fund_id}",
        on=on,
        hands=hands,
        document=fund.document,
        clause=fund.clause,
        evidence=tuple(evidence),
        postings=arriving(fund.fund_id, account, detail, amount_fen, on),
    )


@verb
def receive(
    fund: Fund, source: str, amount_fen: int, *, on: date, key: str, hands: Hands, narrative: str = "",
    evidence: Iterable[Evidence] = (),
) -> Draft:  # fmt: skip
    """Receive income into the fund that it belongs to."""
    return appropriate(
        fund, source, amount_fen, on=on, key=key, hands=hands, narrative=narrative, evidence=evidence, kind=Kind.RECEIPT
    )


@verb
def transfer(
    giver: Fund,
    taker: Fund,
    amount_fen: int,
    *,
    purpose: str,
    on: date,
    key: str,
    hands: Hands,
    clause: str,
    narrative: str,
    evidence: Iterable[Evidence] = (),
) -> Draft:
    """Move budget and money from one fund to another: the giver is cut by what the taker gets, on the same day."""
    moves = crossing(giver.fund_id, taker.fund_id, amount_fen, on)
    return _between(Kind.TRANSFER, giver, taker, moves, purpose, on, key, hands, clause, narrative, evidence)


@verb
def lend(
    lender: Fund,
    borrower: Fund,
    amount_fen: int,
    *,
    purpose: str,
    on: date,
    key: str,
    hands: Hands,
    clause: str,
    narrative: str,
    evidence: Iterable[Evidence] = (),
) -> Draft:
    """Lend money of a fund to another that will pay it back (应收/应付): due from the one, due to the other.

    It rests on an approval, and the lender's fence must permit it: a purpose, and the borrower's fund as the one that
    takes. A fund whose budget lapses lends nothing, and one that carries nothing forward borrows nothing.
    """
    moves = (
        *leaving(lender.fund_id, Account.DUE_FROM, borrower.fund_id, amount_fen, on),
        *arriving(borrower.fund_id, Account.DUE_TO, lender.fund_id, amount_fen, on),
    )
    return _between(Kind.LOAN, lender, borrower, moves, purpose, on, key, hands, clause, narrative, evidence)


@verb
def repay(
    borrower: Fund,
    lender: Fund,
    amount_fen: int,
    *,
    on: date,
    key: str,
    hands: Hands,
    clause: str,
    narrative: str,
) -> Draft:
    """Pay back what a fund borrowed from another, all of it or a part."""
    moves = (
        *leaving(borrower.fund_id, Account.DUE_TO, lender.fund_id, amount_fen, on),
        *arriving(lender.fund_id, Account.DUE_FROM, borrower.fund_id, amount_fen, on),
    )
    return _between(Kind.REPAYMENT, borrower, lender, moves, "", on, key, hands, clause, narrative, ())


def _between(
    kind: Kind,
    giver: Fund,
    taker: Fund,
    postings: tuple[Posting, ...],
    purpose: str,
    on: date,
    key: str,
    hands: Hands,
    clause: str,
    narrative: str,
    evidence: Iterable[Evidence],
) -> Draft:
    _, level, holder = holder_of(taker.fund_id)
    return draft_of(
        kind,
        key,
        narrative,
        on=on,
        hands=hands,
        document=giver.document,
        clause=clause,
        purpose=purpose,
        payee=holder,
        payee_class=level,
        evidence=tuple(evidence),
        postings=postings,
    )


@verb
def carry_forward(ledger: Ledger, year: int, *, hands: Hands) -> list[Draft]:
    """What each fund has left of a budget year goes on to the next (结转), or lapses where its document says so.

    What lapses leaves its cash behind, to be surrendered.
    """
    given_year(year, "carry_forward, year")
    drafts = []
    for fund in sorted(ledger.funds.values(), key=lambda f: f.fund_id):
        left = ledger.balance(fund.fund_id, Account.UNENCUMBERED, str(year))
        if not left:
            continue
        lapsing = ledger.lapsing(fund.fund_id, year)
        postings = [line(fund.fund_id, Account.UNENCUMBERED, D, left, str(year))]
        if left > lapsing:
            postings.append(line(fund.fund_id, Account.UNENCUMBERED, C, left - lapsing, str(year + 1)))
        if lapsing:
            postings.append(line(fund.fund_id, Account.AUTHORITY, C, lapsing))
        what = "lapse" if lapsing == left else "carry forward and lapse" if lapsing else "carry forward"
        drafts.append(
            draft_of(
                Kind.CARRY_FORWARD,
                unused_key(ledger, f"carry-forward/{year}/{fund.fund_id}"),
                f"{what} of {year}: {fund.fund_id}",
                on=date(year, 12, 31),
                hands=hands,
                document=fund.document,
                clause=fund.clause,
                postings=tuple(postings),
            )
        )
    return drafts


@verb
def surrender(
    fund: Fund, source: str, amount_fen: int, *, on: date, key: str, hands: Hands, clause: str, narrative: str,
    evidence: Iterable[Evidence] = (),
) -> Draft:  # fmt: skip
    """Give cash of lapsed budget back to the source that it came from (结余上缴)."""
    return draft_of(
        Kind.SURRENDER,
        key,
        narrative,
        on=on,
        hands=hands,
        document=fund.document,
        clause=clause,
        payee=source,
        evidence=tuple(evidence),
        postings=(
            line(fund.fund_id, Account.SURRENDERED, D, amount_fen, source),
            line(fund.fund_id, Account.CASH, C, amount_fen),
        ),
    )


@verb
def close(through: Month, *, on: date, hands: Hands, ledger: Ledger | None = None) -> Draft:
    """Close every period up to and including a month (结账): nothing dated earlier is booked any more.

    Give the ledger where the month may have been closed and opened again: without it, the key is that of the first
    closing, and `Books.post` takes the draft for that one, or raises KeyConflict on another day.
    """
    key = f"close/{through}"
    return draft_of(
        Kind.CLOSE,
        unused_key(ledger, key) if ledger else key,
        f"close through {through}",
        on=on,
        hands=hands,
        terms=(("through", str(through)),),
    )


def reopen(
    first: Month,
    *,
    on: date,
    key: str,
    hands: Hands,
    document: str,
    clause: str,
    narrative: str,
    evidence: Iterable[Evidence],
) -> Draft:
    """Open closed periods again from a month on (反结账): on an approval, which the entry names and holds."""
    evidence = tuple(evidence)
    if not evidence:
        raise InputError("a period is opened again on an approval", where=key, wanted="the approval as evidence")
    return draft_of(
        Kind.REOPEN,
        key,
        narrative,
        on=on,
        hands=hands,
        document=document,
        clause=clause,
        evidence=evidence,
        terms=(("from", str(first)),),
    )
