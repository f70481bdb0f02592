"""What single kinds of entries must keep beyond their shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from estate_funds.calendar import MONTHS_PER_YEAR, Month
from estate_funds.errors import (
    BadReversal,
    DateError,
    Malformed,
    OutsideFence,
    Overdrawn,
    PeriodClosed,
    PromiseExpired,
    UnknownFund,
)
from estate_funds.funds import Account, Fund, Side, Terms
from estate_funds.journal import Draft, Kind
from estate_funds.ledger.checks import check_budget_year, check_ground
from estate_funds.ledger.records import (
    PAYMENTS,
    REFUSED,
    Booked,
    Promise,
    bound_to,
    expiry,
    lapsed,
    mirrored,
    named,
)
from estate_funds.ledger.shapes import MIRRORS
from estate_funds.money import format_yuan

if TYPE_CHECKING:
    from estate_funds.ledger.gate import Ledger

D, C = Side.DEBIT.value, Side.CREDIT.value
_ENCUMBERED = Account.ENCUMBERED.value
_BOUND = (_ENCUMBERED, Account.ADVANCED.value)  # what is a payee's until it is paid, settled or released
_SOURCES = (Account.FUNDING.value, Account.TRANSFER_IN.value)  # where the money of a fund comes from
_MOST_YEARS = 99


def check_kind(ledger: Ledger, draft: Draft) -> None:
    """The rules of the draft's own kind, and of every payment against a promise."""
    rule = _RULES.get(draft.kind)
    if rule is not None:
        rule(ledger, draft)
    if draft.kind in PAYMENTS:
        _check_payment(ledger, draft)


# --- mirrors ------------------------------------------------------------------------------------------------------


def check_mirror(ledger: Ledger, draft: Draft) -> None:
    """A reversal (red) of an entry of this year, or a correction (blue) of one of an earlier year, and that once.

    会计基础工作规范 51: an error of this year is cancelled in red, one of an earlier year is put right in blue.
    """
    check_ground(draft)
    check_budget_year(draft)
    booked = ledger.entry(named(draft)) if named(draft) else None
    red = draft.kind is Kind.REVERSAL
    if booked is None:
        problem = "there is no entry of this number that has postings to undo"
    elif booked.kind in (*MIRRORS, Kind.CARRY_FORWARD):
        problem = f"a {booked.kind} cannot be reversed: book the right entry anew"
    elif ledger.is_reversed(named(draft)):
        problem = "the entry is already reversed"
    elif red and booked.effective.year != draft.effective.year:
        problem = f"the entry counts in {booked.effective.year}: a correction in blue puts an earlier year right"
    elif not red and booked.effective.year == draft.effective.year:
        problem = "the entry counts in this year: a reversal in red cancels it"
    elif booked.effective.year > draft.effective.year:
        problem = f"the entry counts in {booked.effective.year}: it is not put right before that"
    elif fault := _unlike(ledger, draft, booked):
        problem = fault
    elif other := _made_over(ledger, draft):
        problem = f"{other} was promised anew since, to somebody else: claim back what was paid"
    elif any(ledger.balance(fund, Account.RECOVERY, draft.reference) for fund, _ in booked.paid):
        problem = "what the entry paid is claimed back: waive that first"
    else:
        _check_claimed(ledger, draft)
        return
    raise BadReversal(
        problem,
        where=draft.key,
        got=f"reference {draft.reference!r}",
        wanted="the number of an entry that stands, and its mirror",
        fix="make it with `reverse` from the entry itself",
    )


def _made_over(ledger: Ledger, draft: Draft) -> str:
    """The reference under which a mirror would undo what was promised to one payee, and is promised to another now."""
    found = _promises(ledger, draft).items()
    return next((reference for (_, reference), promise in found if named(draft) < promise.since), "")


def _unlike(ledger: Ledger, draft: Draft, original: Booked) -> str:
    """In what the postings of a mirror are not those of the original; empty where they are."""
    count, year, since = mirrored(draft, original), draft.effective.year, original.effective.year
    if not count:
        how = "sides, amounts negated" if draft.kind is Kind.REVERSAL else "amounts, sides swapped"
        return f"the postings are not the mirror of that entry's: same accounts and {how}"
    gone = lapsed(draft.postings[:count], year, lambda fund, fen: ledger.lapsed(fund, fen, since, year))
    if draft.postings[count:] != (gone if draft.kind is Kind.CORRECTION else ()):
        return "the budget of the earlier year has lapsed, and so does what is freed of it: give `reverse` the ledger"
    return ""


# --- funds and periods --------------------------------------------------------------------------------------------


def _check_definition(ledger: Ledger, draft: Draft) -> None:
    try:
        fund = defined(draft)
    except (KeyError, ValueError, IndexError, DateError):
        raise Malformed(
            "the terms do not define a fund", where=draft.key, got=draft.terms, wanted="what Fund.to_terms gives"
        ) from None
    if not re.fullmatch("[^/]+/[^/]+/.+", fund.fund_id):
        raise Malformed("not the id of a fund", where=draft.key, got=fund.fund_id, wanted="key/level/holder")
    if fund.provenance not in ("fifo", "proportional"):
        raise Malformed(
            "not a way to trace provenance", where=draft.key, got=fund.provenance, wanted="fifo, proportional"
        )
    if fund.to_terms() != draft.terms:
        raise Malformed(
            "the terms hold more than a fund, or in another order",
            where=draft.key,
            got=draft.terms,
            wanted=fund.to_terms(),
        )
    if (fund.fund_id in ledger.funds) != (draft.kind is Kind.AMEND_FUND):
        state, fix = ("already open", "amend it") if draft.kind is Kind.OPEN_FUND else ("not open", "open it first")
        raise UnknownFund(f"the fund {fund.fund_id!r} is {state}", where=draft.key, got=draft.kind, fix=fix)
    if not (draft.document and draft.clause):
        raise Malformed("a fence rests on a document and a clause", where=draft.key, got="none", wanted="both")
    years = fund.surplus_after_years
    if years and not (fund.carry_forward and 0 < years <= _MOST_YEARS):
        raise Malformed(
            "budget becomes surplus after years, of which a fund that carries nothing forward has none",
            where=draft.key,
            got=f"surplus after {years} years",
            wanted=f"1 to {_MOST_YEARS} years, in a fund that carries forward",
        )
    if fund.held_for_others and not (fund.carry_forward and not years):
        raise Malformed(
            "money held for others does not lapse",
            where=draft.key,
            got=f"carry_forward {'yes' if fund.carry_forward else 'no'}, surplus_after_years {years}",
            wanted="a fund that carries forward without end",
        )
    before, cash = ledger.funds.get(fund.fund_id, fund), ledger.balance(fund.fund_id, Account.CASH)
    debts = ledger.balance(fund.fund_id, Account.DUE_FROM) + ledger.balance(fund.fund_id, Account.DUE_TO)
    if debts and (before.carry_forward, before.surplus_after_years) != (fund.carry_forward, years):
        raise Malformed(
            "whether budget lapses is not amended while the fund lends or owes",
            where=draft.key,
            got=f"{format_yuan(debts)} yuan lent or owed",
            wanted="none",
            fix="pay back what is owed first",
        )
    if before.held_for_others != fund.held_for_others and cash:
        raise Malformed(
            "whether money is held for others is not amended while there is some",
            where=draft.key,
            got=f"{format_yuan(cash)} yuan of cash",
            wanted="an empty fund",
            fix="pay on what is held, or open another fund",
        )


def defined(draft: Draft) -> Fund:
    """The fund that an entry opens or amends."""
    return _fund(draft.terms, draft.document, draft.clause)


@lru_cache(maxsize=16)  # check and advance ask for the same one
def _fund(terms: Terms, document: str, clause: str) -> Fund:
    return Fund.from_terms(terms, document=document, clause=clause)


def closing_day(draft: Draft) -> date:
    """The last closed day after a `close`, or after a `reopen`."""
    name = "through" if draft.kind is Kind.CLOSE else "from"
    try:
        ((found, text),) = draft.terms
        month = Month.parse(text)
        day = month.last_day if found == "through" else month.first_day - timedelta(days=1)
        if found == name and text == str(month):
            return day
    except (ValueError, OverflowError, DateError):
        pass
    wanted = f"{name} and a month, such as {name} 2024-05"
    raise Malformed(f"the terms do not name a month to {draft.kind}", where=draft.key, got=draft.terms, wanted=wanted)


def _check_closing(ledger: Ledger, draft: Draft) -> None:
    through = closing_day(draft)
    if draft.effective <= through:
        raise PeriodClosed(
            "a period is closed after its last day", where=draft.key, got=draft.effective, wanted=f"after {through}"
        )
    if through <= ledger.closed_through:
        raise PeriodClosed(
            "the period is closed already", where=draft.key, got=through, wanted=f"after {ledger.closed_through}"
        )
    ended = through.year if through.month == MONTHS_PER_YEAR else through.year - 1
    for (fund, account, year), left in ledger.balances.items():
        if account == Account.UNENCUMBERED.value and int(year) <= ended:
            raise Malformed(
                f"{fund} has budget left in {year}",
                where=draft.key,
                got=f"{format_yuan(left)} yuan",
                wanted="nothing left in a year that is closed",
                fix="carry it forward, or let it lapse, before closing",
            )


def _check_reopening(ledger: Ledger, draft: Draft) -> None:
    """Closed periods open again from a month on, on an approval."""
    if closing_day(draft) >= ledger.closed_through:
        raise PeriodClosed(
            "the period is not closed",
            where=draft.key,
            got=draft.terms[0][1],
            wanted=f"a month up to {str(ledger.closed_through)[:7]}, which is closed",
        )


def _check_carrying(ledger: Ledger, draft: Draft) -> None:
    """A year end moves what a fund has left on to the next year, or lets it lapse, as its document says."""
    year = draft.effective.year
    moves: dict[str, list[tuple[str, str, str, int]]] = {}
    for fund, account, detail, side, amount in draft.postings:
        moves.setdefault(fund, []).append((account, side, detail, amount))
    for fund, made in moves.items():
        left, lapsing = ledger.balance(fund, Account.UNENCUMBERED, str(year)), ledger.lapsing(fund, year)
        wanted = [("unencumbered", D, str(year), left)]
        wanted += [("unencumbered", C, str(year + 1), left - lapsing)] if left > lapsing else []
        wanted += [("authority", C, "", lapsing)] if lapsing else []
        if draft.effective != date(year, 12, 31) or made != wanted:
            raise Malformed(
                f"not how {fund} ends a year",
                where=draft.key,
                got=f"on {draft.effective}: {_listed(made)}",
                wanted=f"on 31 December: {_listed(wanted)}",
            )
        for earlier in range(year - _MOST_YEARS, year):
            if ledger.balance(fund, Account.UNENCUMBERED, str(earlier)):
                raise Malformed(f"{fund} ends {earlier} first", where=draft.key, got=year, wanted=earlier)


def _listed(moves: list[tuple[str, str, str, int]]) -> str:
    return "; ".join(f"{account} {side} {detail} {format_yuan(fen)}" for account, side, detail, fen in moves)


def _check_surrender(ledger: Ledger, draft: Draft) -> None:
    """Cash of lapsed budget goes back to one of the sources that it came from."""
    for posting in draft.postings:
        if posting.account != Account.SURRENDERED.value:
            continue
        given = any(ledger.balances.get((posting.fund, account, posting.detail)) for account in _SOURCES)
        if not draft.payee.strip() or posting.detail != draft.payee or not given:
            sources = sorted({d for f, a, d in ledger.balances if f == posting.fund and a in _SOURCES and d})
            raise OutsideFence(
                f"what lapsed in {posting.fund} goes back to whom it came from",
                where=draft.key,
                got=posting.detail,
                wanted=f"the payee, one of {', '.join(sources) or 'no source'}",
                clause=f"{draft.document} {draft.clause}",
            )


# --- promises -----------------------------------------------------------------------------------------------------


def _check_promise(ledger: Ledger, draft: Draft) -> None:
    if not draft.reference:
        raise Malformed("a promise needs a reference", where=draft.key, wanted="the claim or contract it is made for")
    try:
        last = expiry(draft)
    except ValueError:
        wanted = "expires and a day, such as expires 2024-05-31"
        raise Malformed("the terms do not name a last day", where=draft.key, got=draft.terms, wanted=wanted) from None
    if last is not None and last < draft.effective:
        raise Malformed("a promise that has expired when it is made", where=draft.key, got=last, wanted=draft.effective)
    promises = _promises(ledger, draft)
    for (fund, reference), promise in promises.items():
        if ledger.balances.get((fund, _ENCUMBERED, reference)):
            _check_not_expired(draft, fund, reference, promise)
    _check_bound(ledger, draft, promises)
    for (fund, reference), promise in promises.items():
        if ledger.balances.get((fund, _ENCUMBERED, reference)):
            _check_same_year(ledger, draft, fund, reference, promise)


def _check_payment(ledger: Ledger, draft: Draft) -> None:
    promises = _promises(ledger, draft)
    paid = {(p.fund, p.detail) for p in draft.postings if p.account == _ENCUMBERED and p.side == D}
    for (fund, reference), promise in promises.items():
        if (fund, reference) in paid:
            _check_not_expired(draft, fund, reference, promise)
    _check_bound(ledger, draft, promises)


def _promises(ledger: Ledger, draft: Draft) -> dict[tuple[str, str], Promise]:
    """The promises that an entry touches, by fund and reference, each looked up once: the past may be a database."""
    pairs = dict.fromkeys((p.fund, p.detail) for p in draft.postings if p.account in _BOUND)
    found = ((pair, ledger.promise(*pair)) for pair in pairs)
    return {pair: promise for pair, promise in found if promise is not None}


def _check_same_year(ledger: Ledger, draft: Draft, fund: str, reference: str, promise: Promise) -> None:
    """Where budget lapses with its year, a promise is of one year: released, the whole of it lapses or none."""
    if promise.year != draft.effective.year and not ledger.funds[fund].carry_forward:
        raise Malformed(
            f"{fund} carries nothing forward: the promise of {reference} is of {promise.year}",
            where=draft.key,
            got=f"an addition from that of {draft.effective.year}",
            wanted="promises of one year under one reference",
            fix="promise the addition under a reference of its own",
        )


def _check_bound(ledger: Ledger, draft: Draft, promises: Mapping[tuple[str, str], Promise]) -> None:
    """What is promised, or paid ahead, to one payee for a purpose stays his: no other is paid or promised it."""
    for (fund, reference), promise in promises.items():
        held = any(ledger.balances.get((fund, account, reference)) for account in _BOUND)
        if held and promise.to != bound_to(draft):
            wanted, got = (" ".join(filter(None, of)) for of in (promise.to, bound_to(draft)))
            raise OutsideFence(
                f"{fund} has promised {reference} to somebody else, or for something else",
                where=draft.key,
                got=got,
                wanted=wanted,
                clause=f"{draft.document} {draft.clause}",
                fix="settle what was advanced, release what is left of the promise, and promise anew",
            )


def _check_not_expired(draft: Draft, fund: str, reference: str, promise: Promise) -> None:
    """What was promised until a day is not paid, or added to, after it: it is released, and promised anew."""
    if promise.expires is not None and promise.expires < draft.effective:
        raise PromiseExpired(
            f"the promise of {fund} for {reference} has expired",
            where=draft.key,
            got=f"on {draft.effective}",
            wanted=f"by {promise.expires}",
            fix="release it, and promise anew",
        )


def _check_release(ledger: Ledger, draft: Draft) -> None:
    """Released budget is available again, but for what has lapsed since the year of the promise."""
    freed, given_up = dict[str, int](), dict[str, int]()
    for fund, account, _, _, fen in draft.postings:
        moved = {_ENCUMBERED: freed, Account.AUTHORITY.value: given_up}.get(account)
        if moved is not None:
            moved[fund] = moved.get(fund, 0) + fen
    for fund, fen in freed.items():
        lapsing = ledger.releasing(fund, draft.reference, fen, draft.effective.year)
        if given_up.get(fund, 0) != lapsing:
            raise Malformed(
                f"not what a release does in {fund}",
                where=draft.key,
                got=f"{format_yuan(given_up.get(fund, 0))} yuan given up",
                wanted=f"{format_yuan(lapsing)} yuan" + (": the budget lapsed with its year" if lapsing else ""),
            )


def _check_settlement(ledger: Ledger, draft: Draft) -> None:
    """The audited amount takes the place of the whole advance, and of nothing else."""
    settled = dict[str, int]()
    for posting in draft.postings:
        if posting.account == Account.ADVANCED.value:
            settled[posting.fund] = settled.get(posting.fund, 0) + posting.amount_fen
    for fund in {p.fund for p in draft.postings}:
        advanced = ledger.balance(fund, Account.ADVANCED, draft.reference)
        if not advanced or settled.get(fund) != advanced:
            raise Malformed(
                f"a settlement settles the whole advance of {fund} for {draft.reference}",
                where=draft.key,
                got=f"{format_yuan(settled.get(fund, 0))} yuan",
                wanted=f"{format_yuan(advanced)} yuan",
                fix="spend against the promise where nothing was advanced; claim back what was advanced beyond",
            )


# --- receivables --------------------------------------------------------------------------------------------------


def _check_claw_back(ledger: Ledger, draft: Draft) -> None:
    """What is claimed back was paid by that fund in the entry that is named, and is not claimed back already."""
    booked = ledger.entry(named(draft)) if named(draft) else None
    if booked is None or not booked.paid or ledger.is_reversed(named(draft)):
        what = "what is claimed back was not paid, or the payment is reversed"
        raise Malformed(what, where=draft.key, got=f"reference {draft.reference!r}", wanted="the number of a payment")
    if not (draft.document and draft.clause):
        raise Malformed("money is claimed back on a document and a clause", where=draft.key, got="none", wanted="both")
    _check_claimed(ledger, draft)


def _check_claimed(ledger: Ledger, draft: Draft) -> None:
    """No more is claimed back of a payment than it paid, and nothing of one that is reversed.

    A mirror asks too: it may take back a waiver.
    """
    asked: dict[tuple[str, str], int] = {}
    for fund, account, detail, side, fen in draft.postings:
        if account == Account.RECOVERY.value:
            asked[fund, detail] = asked.get((fund, detail), 0) + (fen if side == C else -fen)
    for (fund, detail), more in asked.items():
        booked = ledger.entry(int(detail))
        if more <= 0 or booked is None:
            continue
        if ledger.is_reversed(int(detail)):
            problem = "what was waived would be claimed back again, and the payment is reversed meanwhile"
            raise BadReversal(
                problem, where=draft.key, got=f"a claim on entry {detail}", wanted="a payment that stands"
            )
        left = dict(booked.paid).get(fund, 0) - ledger.balance(fund, Account.RECOVERY, detail)
        if more > left:
            raise Overdrawn(
                f"{fund} claims back more than it paid in entry {detail}",
                where=draft.key,
                got=f"{format_yuan(more)} yuan",
                wanted=f"at most {format_yuan(left)} yuan",
                fix="claim less, or name the other payment that was wrong",
            )


def _check_recovery(ledger: Ledger, draft: Draft) -> None:
    """A receivable is collected when money arrives, and for as much as arrives; else it is waived, on an approval."""
    arrived: dict[str, int] = {}
    for posting in draft.postings:
        if (posting.account, posting.side) in (("cash", D), ("receivable", C)):
            sign = 1 if posting.side == D else -1
            arrived[posting.fund] = arrived.get(posting.fund, 0) + sign * posting.amount_fen
    for fund, gap in arrived.items():
        if gap:
            raise Malformed(
                f"{fund} collects what arrives",
                where=draft.key,
                got=f"cash exceeds what is collected by {gap} fen",
                wanted="cash D equal to receivable C",
                fix="waive what is not collected",
            )


def _check_loan(ledger: Ledger, draft: Draft) -> None:
    """A fund lends what it may keep, and does not borrow in the same entry: debts that offset each other are none."""
    lends = {p.fund for p in draft.postings if p.account == Account.DUE_FROM.value}
    both = sorted(lends & {p.fund for p in draft.postings if p.account == Account.DUE_TO.value})
    if both:
        raise Malformed(
            "a fund lends and borrows in one entry", where=draft.key, got=both[0], wanted="a lender and a borrower"
        )
    for fund in sorted(p.fund for p in draft.postings if p.account == Account.DUE_TO.value):
        if not ledger.funds[fund].carry_forward:
            raise OutsideFence(
                f"{fund} carries nothing forward, so it borrows nothing",
                where=draft.key,
                got="a loan: what is left of it would lapse, and it would be owed all the same",
                wanted="a borrower that carries forward, or a transfer",
                clause=f"{ledger.funds[fund].document} {ledger.funds[fund].clause}",
            )
    for fund in sorted(lends):
        if not ledger.funds[fund].carry_forward or ledger.funds[fund].surplus_after_years:
            raise OutsideFence(
                f"the budget of {fund} lapses, so it lends nothing",
                where=draft.key,
                got="a loan: paid back in another year, the budget would outlive its own",
                wanted="a lender that carries forward without end, or a transfer",
                clause=f"{ledger.funds[fund].document} {ledger.funds[fund].clause}",
            )


def _check_refusal(ledger: Ledger, draft: Draft) -> None:
    """What was refused, on the day, under a key that nothing else would have: one pair of hands can book it."""
    if draft.terms[0][0] != "refused" or draft.effective < ledger.recorded:
        raise Malformed(
            "not what a refusal says",
            where=draft.key,
            got=f"{draft.terms[0]} on {draft.effective}",
            wanted=f"what was refused, on or after {ledger.recorded}",
        )
    if not draft.key.startswith(REFUSED):
        raise Malformed("not the key of a refusal", where=draft.key, got=draft.key, wanted=f"{REFUSED}...")


_RULES: Mapping[Kind, Callable[[Ledger, Draft], None]] = {
    Kind.OPEN_FUND: _check_definition,
    Kind.AMEND_FUND: _check_definition,
    Kind.CLOSE: _check_closing,
    Kind.REOPEN: _check_reopening,
    Kind.CARRY_FORWARD: _check_carrying,
    Kind.SURRENDER: _check_surrender,
    Kind.LOAN: _check_loan,
    Kind.ENCUMBRANCE: _check_promise,
    Kind.RELEASE: _check_release,
    Kind.SETTLEMENT: _check_settlement,
    Kind.CLAW_BACK: _check_claw_back,
    Kind.RECOVERY: _check_recovery,
    Kind.REFUSAL: _check_refusal,
}
