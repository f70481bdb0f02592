"""Verbs of a contract: promise, advance, spend, settle on the audited amount, release, let expire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from estate_funds.calendar import given_day
from estate_funds.errors import AmountError, InputError
from estate_funds.funds import Account, Fund
from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting
from estate_funds.ledger import Ledger, attempt_key, booked_of, release_key
from estate_funds.money import format_yuan
from estate_funds.vouchers.corrections import claw_back
from estate_funds.vouchers.drafting import C, D, Hands, budget_year, draft_of, line, liquidating, verb


@verb
def promise(
    fund: Fund,
    amount_fen: int,
    *,
    reference: str,
    purpose: str,
    payee: str,
    payee_class: str,
    on: date,
    hands: Hands,
    expires: date | None = None,
    key: str = "",
    attempt: int = 1,
    narrative: str = "",
) -> Draft:
    """Encumber budget for a contract, until a day if one is given; again under the same reference to promise more.

    What adds to a promise needs a key of its own. `attempt` counts on after a release or a reversal: give
    `ledger.attempt(promise_key(reference))` to promise anew.
    """
    return draft_of(
        Kind.ENCUMBRANCE,
        key or attempt_key(promise_key(reference), attempt),
        narrative or f"promise of {reference} to {payee}",
        on=on,
        hands=hands,
        document=fund.document,
        clause=fund.clause,
        purpose=purpose,
        payee=payee,
        payee_class=payee_class,
        reference=reference,
        terms=(("expires", str(given_day(expires, "promise, expires"))),) if expires else (),
        postings=(
            line(fund.fund_id, Account.UNENCUMBERED, D, amount_fen, budget_year(on)),
            line(fund.fund_id, Account.ENCUMBERED, C, amount_fen, reference),
        ),
    )


def promise_key(reference: str) -> str:
    """The key of the first promise under a reference, as for a claim."""
    return f"{Kind.ENCUMBRANCE.value}/{reference}"


@verb
def advance(
    fund: Fund,
    amount_fen: int,
    *,
    reference: str,
    purpose: str,
    payee: str,
    payee_class: str,
    on: date,
    key: str,
    hands: Hands,
    narrative: str = "",
    evidence: Iterable[Evidence] = (),
) -> Draft:
    """Pay ahead against a promise (预付款): no expenditure until the amount is audited and `settle` says so."""
    spent = line(fund.fund_id, Account.ADVANCED, D, amount_fen, reference)
    postings = liquidating(fund.fund_id, spent, amount_fen, reference)
    return _payment(
        Kind.ADVANCE, fund, postings, reference, purpose, payee, payee_class, on, key, hands, narrative, evidence
    )


@verb
def spend(
    fund: Fund,
    amount_fen: int,
    *,
    purpose: str,
    payee: str,
    payee_class: str,
    on: date,
    key: str,
    hands: Hands,
    against: str = "",
    narrative: str = "",
    evidence: Iterable[Evidence] = (),
) -> Draft:
    """Spend from a restricted fund for a purpose, to a payee of a class, on evidence; or pay on what it holds.

    `against` names the promise that the payment keeps, in whole or in part; without one it takes what is available.
    """
    account, detail = (Account.PAYABLE, "") if fund.held_for_others else (Account.EXPENDITURE, purpose)
    spent = line(fund.fund_id, account, D, amount_fen, detail)
    postings = liquidating(fund.fund_id, spent, amount_fen, against)
    if not against:
        available = line(fund.fund_id, Account.UNENCUMBERED, D, amount_fen, budget_year(on))
        postings = (*postings[:2], available, postings[3])
    return _payment(
        Kind.SPENDING, fund, postings, against, purpose, payee, payee_class, on, key, hands, narrative, evidence
    )


def _payment(
    kind: Kind,
    fund: Fund,
    postings: tuple[Posting, ...],
    reference: str,
    purpose: str,
    payee: str,
    payee_class: str,
    on: date,
    key: str,
    hands: Hands,
    narrative: str,
    evidence: Iterable[Evidence],
) -> Draft:
    return draft_of(
        kind,
        key,
        narrative or f"{purpose}: {payee}",
        on=on,
        hands=hands,
        document=fund.document,
        clause=fund.clause,
        purpose=purpose,
        payee=payee,
        payee_class=payee_class,
        reference=reference,
        evidence=tuple(evidence),
        postings=postings,
    )


@verb
def settle(
    ledger: Ledger,
    fund: Fund,
    audited_fen: int,
    advanced: Entry | Sequence[Entry],
    *,
    on: date,
    key: str,
    hands: Hands,
    narrative: str = "",
    evidence: Iterable[Evidence] = (),
) -> list[Draft]:
    """Settle an advance on the audited amount: a chain to be posted together (`Books.post` takes it whole or not).

    `advanced` is the entry of the advance, or all of them. Audited above what was advanced and not claimed back since,
    the difference is topped up from the promise, and refused beyond it; below, it is claimed back. What is left of the
    promise is released. Raises InputError for an audited amount below 0, where more is to be claimed back than the
    entries that are given have paid, and for a key that is used: what a settlement does cannot be worked out after it.
    """
    if (known := ledger.key(key)) is not None:
        raise InputError(
            "the key of the settlement is used",
            where=key,
            got=f"entry {known[0]}",
            fix="if that is this settlement, it is booked, and all that follows with it; else give another key",
        )
    advances = [advanced] if isinstance(advanced, Entry) else list(advanced)
    references = {entry.draft.reference for entry in advances if (fund.fund_id, "advanced") in _touched(entry)}
    if len(references) != 1 or len(advances) != sum((fund.fund_id, "advanced") in _touched(e) for e in advances):
        raise InputError(
            "not the advances of one reference", where=key, got=sorted(references), wanted=f"those of {fund.fund_id}"
        )
    if type(audited_fen) is not int:
        raise AmountError("not an amount in fen", where=key, got=repr(audited_fen), wanted="a whole number of fen")
    asked, reference = advances[0].draft, advances[0].draft.reference
    paid = ledger.balance(fund.fund_id, Account.ADVANCED, reference)
    claimed = {a.seq: ledger.balance(fund.fund_id, Account.RECOVERY, str(a.seq)) for a in advances}
    more = audited_fen - (paid - sum(claimed.values()))
    spent = line(fund.fund_id, Account.EXPENDITURE, D, paid + max(0, more), asked.purpose)
    postings: tuple[Posting, ...] = (spent, line(fund.fund_id, Account.ADVANCED, C, paid, reference))
    if more > 0:
        postings += liquidating(fund.fund_id, spent, more, reference)[1:]
    settlement = _payment(
        Kind.SETTLEMENT, fund, postings, reference, asked.purpose, asked.payee, asked.payee_class, on, key, hands,
        narrative or f"settlement of {reference} on the audited amount", evidence,
    )  # fmt: skip
    chain = [settlement]
    excess = max(0, -more)
    for number, entry in enumerate(reversed(advances), start=1):  # the last one first
        back = min(excess, dict(booked_of(entry.draft).paid).get(fund.fund_id, 0) - claimed[entry.seq])
        excess -= back
        if back:
            why = f"advanced beyond the audited amount of {reference}"
            again = attempt_key(f"{key}/claw-back", number)
            chain.append(claw_back(entry, {fund.fund_id: back}, on=on, key=again, hands=hands, narrative=why))
    if excess or audited_fen < 0:
        what = "an audited amount below 0" if audited_fen < 0 else "more was advanced than these entries paid"
        raise InputError(what, where=reference, got=format_yuan(audited_fen), wanted="every advance that it settles")
    left = ledger.balance(fund.fund_id, Account.ENCUMBERED, reference) - max(0, more)
    if left > 0:
        why = f"{reference} is settled for less than was promised"
        amounts = {fund.fund_id: left}
        chain.append(
            release(ledger, reference, amounts=amounts, key=f"{key}/release", on=on, hands=hands, narrative=why)
        )
    return chain


def _touched(entry: Entry) -> set[tuple[str, str]]:
    return {(posting.fund, posting.account) for posting in entry.draft.postings}


@verb
def release(
    ledger: Ledger,
    reference: str,
    *,
    on: date,
    hands: Hands,
    narrative: str,
    amounts: Mapping[str, int] | None = None,
    key: str = "",
    freed: Mapping[str, int] | None = None,
) -> Draft:
    """Free what is encumbered under a reference and will not be paid: all of it, or fen by fund under a key.

    It is available again, but for what has lapsed since: all that was promised in an earlier year, in a fund that
    carries nothing forward; what would have become surplus, in one that does so for some years only. After all of it is
    released, the same claim may be promised anew (see `Ledger.attempt`). `freed` is what releases that are posted
    before this one free, by fund.
    """
    if amounts is None:
        amounts = {
            fund: fen
            for (fund, account, detail), fen in sorted(ledger.balances.items())
            if account == Account.ENCUMBERED.value and detail == reference
        }
        first = promise_key(reference)
        key = key or _release_key(ledger, attempt_key(first, ledger.attempt(first)))
    if not amounts or not key:
        what = "nothing is encumbered" if not amounts else "to release a part takes a key"
        raise InputError(what, where=reference, wanted="a promise that stands" if not amounts else "key=...")
    postings: list[Posting] = []
    for fund, fen in amounts.items():
        before = (freed or {}).get(fund, 0)
        lapsing = ledger.releasing(fund, reference, fen, given_day(on, "release, on").year, freed=before)
        postings.append(line(fund, Account.ENCUMBERED, D, fen, reference))
        if fen != lapsing:
            left = fen - lapsing if lapsing else fen
            postings.append(line(fund, Account.UNENCUMBERED, C, left, budget_year(on)))
        if lapsing:
            postings.append(line(fund, Account.AUTHORITY, C, lapsing))
    return draft_of(Kind.RELEASE, key, narrative, on=on, hands=hands, reference=reference, postings=tuple(postings))


def _release_key(ledger: Ledger, key: str) -> str:
    """The key of the next release of a promise: one that was reversed is not made again under its own."""
    time = 1
    while ledger.key(release_key(key, time)) is not None:
        time += 1
    return release_key(key, time)


@verb
def expire(ledger: Ledger, *, on: date, hands: Hands) -> list[Draft]:
    """Release every promise whose last day is over, and no other fund's under the same reference."""
    given_day(on, "expire, on")
    over: dict[str, dict[str, int]] = {}
    lasting: set[str] = set()
    for (fund, account, reference), fen in sorted(ledger.balances.items()):
        if account == Account.ENCUMBERED.value:
            made = ledger.promise(fund, reference)
            if made is not None and made.expires is not None and made.expires < on:
                over.setdefault(reference, {})[fund] = fen
            else:
                lasting.add(reference)
    releases, freed = list[Draft](), dict[str, int]()
    for reference, amounts in over.items():
        one = release(
            ledger,
            reference,
            amounts=amounts if reference in lasting else None,
            key=_release_key(ledger, f"{promise_key(reference)}/expired/{on}") if reference in lasting else "",
            on=on,
            hands=hands,
            narrative=f"the promise of {reference} has expired",
            freed=freed,
        )
        releases.append(one)
        for posting in one.postings:
            if posting.account == Account.UNENCUMBERED.value:
                freed[posting.fund] = freed.get(posting.fund, 0) + posting.amount_fen
    return releases
