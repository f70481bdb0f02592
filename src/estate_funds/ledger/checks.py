"""The checks that every entry passes, in the order in which the gate asks them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date, datetime
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING

from estate_funds.errors import (
    EvidenceMissing,
    FuturePeriod,
    Malformed,
    OutsideFence,
    Overdrawn,
    PeriodClosed,
    SameHands,
    Unbalanced,
    UndeclaredCrossing,
    UnknownFund,
    nearest,
)
from estate_funds.funds import MONEY, NORMAL_SIDE, PAYEE, Account, Fund, Permit, Side, holder_of
from estate_funds.journal import Draft, Evidence, Kind, Posting
from estate_funds.ledger.records import BalanceKey, named
from estate_funds.ledger.shapes import (
    CROSSINGS,
    FENCED,
    HANDED,
    MIRRORS,
    ON_APPROVAL,
    SHAPES,
    TOLD,
    UNFENCED,
    UNSPENT,
    WHOLE,
    WITH_TERMS,
)
from estate_funds.money import MAX_FEN, format_yuan

if TYPE_CHECKING:
    from estate_funds.ledger.gate import Ledger

D, C = Side.DEBIT.value, Side.CREDIT.value
# Every entry passes here, so what an enum would look up each time is looked up once.
_SIDES = (D, C)
_CASH, _BUDGET, _EXPENDITURE = Account.CASH.value, Account.UNENCUMBERED.value, Account.EXPENDITURE.value
_PAYABLE, _TRANSFER_OUT = Account.PAYABLE.value, Account.TRANSFER_OUT.value
_TEXT = {str}
# What makes two names differ to a machine and not to a reader: blanks, fillers, joiners, selectors of a variant.
_UNSEEN = re.compile(
    "[\\s\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
_texts = attrgetter(
    "key", "maker", "approver", "narrative", "document", "clause", "policy", "registry", "purpose", "payee",
    "payee_class", "reference",
)  # fmt: skip
# A lapse leaves cash behind its budget, a surrender takes it away.
_UNBACKED = MIRRORS | {Kind.CARRY_FORWARD, Kind.RELEASE, Kind.SURRENDER}
_GIVEN = (Account.FUNDING.value, Account.TRANSFER_IN.value, _TRANSFER_OUT, Account.SURRENDERED.value)
_OF_OTHERS = frozenset({_CASH, _PAYABLE})


def check_types(draft: Draft) -> None:
    """A draft may come from anywhere: each field is of its type before anything is asked of it."""
    if not isinstance(draft, Draft):
        raise Malformed("not a draft", got=f"{type(draft).__name__}", wanted="a Draft", fix="make it with a verb")
    sound = type(draft.kind) is Kind and type(draft.effective) is date and _are_texts(_texts(draft))
    sound = sound and type(draft.terms) is tuple and type(draft.evidence) is tuple and type(draft.postings) is tuple
    sound = sound and all(type(term) is tuple and _are_texts(term) for term in draft.terms)
    sound = sound and all(isinstance(e, Evidence) and _are_texts(e) for e in draft.evidence)
    sound = sound and all(isinstance(p, Posting) and _are_texts(p[:4]) for p in draft.postings)
    if not sound:
        raise Malformed(
            "a field is of a wrong type",
            where=str(draft.key),
            got=", ".join(_odd_fields(draft)) or "in terms, evidence or postings",
            wanted="a Draft as `estate_funds.journal` declares it, its day a date without a time",
            fix="make it with a verb",
        )
    for posting in draft.postings:
        if type(posting.amount_fen) is not int or abs(posting.amount_fen) > MAX_FEN:
            raise _no_amount(draft, posting, "a whole number of fen")


def _odd_fields(draft: Draft) -> list[str]:
    """The fields that hold something else than is declared, with its type."""
    wanted = dict.fromkeys((f.name for f in fields(Draft)), str) | {"kind": Kind, "effective": date}
    wanted |= dict.fromkeys(("terms", "evidence", "postings"), tuple)
    held = {name: getattr(draft, name) for name in wanted}
    odd = {n: type(v) for n, v in held.items() if not isinstance(v, wanted[n]) or type(v) is datetime}
    return [f"{name} is a {found.__name__}" for name, found in odd.items()]


def _no_amount(draft: Draft, posting: Posting, wanted: str) -> Malformed:
    return Malformed(
        f"an amount must be {wanted} that 64 bits hold",
        where=f"{draft.key}, {posting.fund} {posting.account}",
        got=repr(posting.amount_fen) if type(posting.amount_fen) is not int else _shown(posting.amount_fen),
        wanted=f"{wanted}, at most {MAX_FEN}",
        fix="give an integer of fen; what is larger goes into entries of its own",
    )


def _shown(amount_fen: int) -> str:
    return str(amount_fen) if amount_fen.bit_length() < 200 else f"a number of {amount_fen.bit_length()} bits"


def _are_texts(values: Iterable[object]) -> bool:
    return _TEXT.issuperset(map(type, values)) or all(isinstance(value, str) for value in values)


def check_dates(ledger: Ledger, draft: Draft, recorded: date) -> None:
    """Recording runs forwards, nothing counts before its day, and nothing in a closed period."""
    if recorded < ledger.recorded:
        raise FuturePeriod(
            "the day of recording runs backwards",
            where=draft.key,
            got=recorded,
            wanted=f"on or after {ledger.recorded}, when the last entry was recorded",
            fix="check the clock of this machine",
        )
    if draft.effective > recorded:
        raise FuturePeriod(
            "the entry lies in the future",
            where=draft.key,
            got=f"effective {draft.effective}",
            wanted=f"on or before {recorded}, the day of recording",
            fix="book it when the day has come",
        )
    if draft.effective <= ledger.closed_through and draft.kind is not Kind.OPEN_FUND:  # which moves nothing
        raise PeriodClosed(
            "the period is closed",
            where=draft.key,
            got=f"effective {draft.effective}",
            wanted=f"after {ledger.closed_through}, the last closed day",
            fix="date the entry into the open period, and say in the narrative what it belongs to",
        )


def check_hands(draft: Draft) -> None:
    """A key, a narrative, and two people (会计基础工作规范)."""
    if not draft.key or not draft.narrative:
        missing = "narrative" if draft.key else "key"
        raise Malformed(
            f"an entry without a {missing}",
            where=draft.key or draft.narrative,
            got="none",
            wanted="a key and a narrative",
        )
    if draft.kind is Kind.REFUSAL:
        return  # whoever asked, that is what it records
    maker, approver = _plain(draft.maker), _plain(draft.approver)
    if not maker or not approver or maker == approver:
        raise SameHands(
            "maker and approver must be two people",
            where=draft.key,
            got=f"maker {draft.maker!r}, approver {draft.approver!r}",
            wanted="two different names",
            clause="会计基础工作规范: preparer and reviewer differ",
        )


@lru_cache(maxsize=1024)
def _plain(name: str) -> str:
    """A name without what a reader does not see or tell apart."""
    return _UNSEEN.sub("", unicodedata.normalize("NFKC", name).casefold())


def check_terms(draft: Draft) -> None:
    """Terms stand where the kind has them; a promise may say until when it can be paid."""
    if draft.kind is Kind.ENCUMBRANCE or bool(draft.terms) == (draft.kind in WITH_TERMS):
        return
    kinds = ", ".join(sorted(kind.value for kind in WITH_TERMS))
    raise Malformed(
        f"a {draft.kind} entry {'has no' if draft.terms else 'needs'} terms",
        where=draft.key,
        got=draft.terms or "none",
        wanted=f"terms in {kinds}, and the last day of an encumbrance",
    )


def check_shape(draft: Draft) -> None:
    """Accounts and sides of the kind, and postings that say what the entry says."""
    shape = SHAPES[draft.kind]
    if bool(shape) != bool(draft.postings):
        raise Malformed(
            f"a {draft.kind} entry {'needs' if shape else 'has no'} postings",
            where=draft.key,
            got=len(draft.postings),
            wanted="some" if shape else "none",
        )
    for _, account, detail, side, _ in draft.postings:
        if account not in NORMAL_SIDE:
            raise Malformed(
                "no such account",
                where=draft.key,
                got=repr(account),
                wanted=", ".join(Account),
                fix=nearest(account, Account),
            )
        if (account, side) not in shape:
            raise Malformed(
                f"a {draft.kind} entry cannot touch this account on this side",
                where=draft.key,
                got=f"{account} {side}",
                wanted=", ".join(sorted(f"{account} {side}" for account, side in shape)),
            )
        told = TOLD.get(account)
        if told and detail != getattr(draft, told):
            wanted = f"{getattr(draft, told)!r}, the {told} of the entry"
            raise Malformed(f"{account} of something else", where=draft.key, got=detail, wanted=wanted)
        if account in WHOLE and detail:
            raise Malformed(f"{account} has no parts", where=draft.key, got=detail, wanted="no detail")
    check_ground(draft)
    if draft.kind in ON_APPROVAL and not (draft.document and draft.clause and draft.evidence):
        raise Malformed(
            f"a {draft.kind} rests on an approval",
            where=draft.key,
            got="none",
            wanted="a document, a clause, and the approval as evidence",
        )
    if draft.kind is not Kind.CARRY_FORWARD:
        check_budget_year(draft)


def check_ground(draft: Draft) -> None:
    """Money moves on a document and a clause, and each posting is on one of the two sides."""
    for _, account, _, side, _ in draft.postings:
        if side not in _SIDES:
            raise Malformed("a posting is on neither side", where=draft.key, got=side, wanted=f"{D} or {C}")
        if account == _CASH and not (draft.document and draft.clause):
            raise Malformed("money moves on a document and a clause", where=draft.key, got="none", wanted="both")


def check_budget_year(draft: Draft) -> None:
    """Budget is used, freed and given back in the year of the entry; only a year end moves it between years."""
    year = str(draft.effective.year)
    for _, account, detail, _, _ in draft.postings:
        if account == _BUDGET and detail != year:
            raise Malformed(
                "the budget of another year",
                where=draft.key,
                got=detail,
                wanted=year,
                fix="date the entry into that year, or carry its rest forward first",
            )


def check_amounts(draft: Draft) -> None:
    """Whole fen that 64 bits hold; above 0, save in a reversal, where they are below."""
    sign = -1 if draft.kind is Kind.REVERSAL else 1
    for posting in draft.postings:
        if type(posting.amount_fen) is not int or not 0 < sign * posting.amount_fen <= MAX_FEN:
            raise _no_amount(draft, posting, f"a whole number of fen {'above' if sign > 0 else 'below'} 0")


def check_balance(ledger: Ledger, draft: Draft) -> None:
    """Every fund is open, and debits equal credits in each, for its money and for its budget."""
    gaps: dict[tuple[str, str], int] = {}
    for fund, account, _, side, amount in draft.postings:
        if fund not in ledger.funds:
            raise UnknownFund(
                f"the fund {fund!r} was never opened",
                where=draft.key,
                got=fund,
                wanted="a fund that is open",
                fix=nearest(fund, ledger.funds) or "open it first",
            )
        part = (fund, "money" if account in MONEY else "budget")
        gaps[part] = gaps.get(part, 0) + (amount if side == D else -amount)
    open_gaps = [f"{fund}, {family}: debits exceed credits by {gap} fen" for (fund, family), gap in gaps.items() if gap]
    if open_gaps:
        raise Unbalanced(
            "the entry does not balance within each fund",
            where=draft.key,
            got="; ".join(open_gaps),
            wanted="debits equal to credits in every fund, for its money and for its budget",
        )


def check_liability(ledger: Ledger, draft: Draft) -> None:
    """Money held for others is no income and its payment no expenditure; other money is nobody else's."""
    for posting in draft.postings:
        held = ledger.funds[posting.fund].held_for_others
        wrong = posting.account not in _OF_OTHERS if held else posting.account == _PAYABLE
        if wrong and posting.account in MONEY:
            raise Malformed(
                f"{posting.fund} {'holds money for others' if held else 'holds no money for others'}",
                where=draft.key,
                got=posting.account,
                wanted="payable: what is collected is owed to whom it was collected for"
                if held
                else "its own accounts",
            )


def check_backing(ledger: Ledger, draft: Draft, changes: Mapping[BalanceKey, int]) -> None:
    """Money and budget move together: what cash changes by, unspent budget changes by; and cash stands behind it."""
    moved: dict[str, list[int]] = {}
    for (fund, account, _), change in changes.items():
        if account == _CASH:
            moved.setdefault(fund, [0, 0])[0] += change
        elif account in UNSPENT:
            moved.setdefault(fund, [0, 0])[1] += change
    for fund, (cash, unspent) in moved.items():
        gap = cash - unspent
        surplus = _recovered_late(ledger, draft, fund, cash) if draft.kind is Kind.RECOVERY else 0
        if gap != surplus and draft.kind not in _UNBACKED:
            raise Unbalanced(
                "money and budget of a fund do not move together",
                where=draft.key,
                got=f"{fund}: cash changes by {gap} fen more than unencumbered and encumbered together",
                wanted=f"{surplus} fen more, for so much has lapsed since" if surplus else "the same change in both",
                fix="give `recover` the ledger" if surplus else "",
            )
        if gap < 0 and -gap > (free := ledger.surplus_cash(fund)):
            raise Overdrawn(
                f"{fund} has not so much cash that no budget stands for",
                where=draft.key,
                got=f"{format_yuan(-gap)} yuan wanted",
                wanted=f"at most {format_yuan(free)} yuan",
            )


def _recovered_late(ledger: Ledger, draft: Draft, fund: str, cash: int) -> int:
    """What of the cash that a fund recovers was paid from budget that has lapsed since."""
    collects = any(p.fund == fund and p.account == Account.RECEIVABLE.value for p in draft.postings)
    return ledger.recovering(fund, named(draft), cash, draft.effective.year) if collects else 0


def check_crossings(draft: Draft) -> None:
    """What one fund gives another takes, in one entry: outright, to be paid back, or to settle what it owes.

    No fund does both: the cash of one that takes as much as it gives would never be asked for.
    """
    cash = {(fund, side) for fund, account, _, side, _ in draft.postings if account == _CASH}
    if both := sorted({fund for fund, side in cash if side == C and (fund, D) in cash}):
        raise UndeclaredCrossing(
            "a fund gives and takes cash in one entry", where=draft.key, got=", ".join(both), wanted="an entry for each"
        )
    accounts = {account for _, account, _, _, _ in draft.postings}
    for out, back in CROSSINGS:
        if out not in accounts and back not in accounts:
            continue
        crossing: dict[tuple[str, str], int] = {}
        for fund, account, detail, side, amount in draft.postings:
            if account == out:
                pair, sign = (fund, detail), 1 if side == D else -1
            elif account == back:
                pair, sign = (detail, fund), -1 if side == C else 1
            else:
                continue
            crossing[pair] = crossing.get(pair, 0) + sign * amount
        if out == _TRANSFER_OUT and draft.kind is Kind.RECOVERY:
            crossing = _unsettled(draft, crossing)
        for (giver, taker), gap in crossing.items():
            if gap:
                raise UndeclaredCrossing(
                    "money crosses funds without its other half",
                    where=draft.key,
                    got=f"{giver} -> {taker}: given exceeds taken by {gap} fen",
                    wanted=f"{out} in the one fund equal to {back} in the other, in one entry",
                )


def _unsettled(draft: Draft, given: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """What a recovery takes out of one fund, less the receivables of the other that it settles."""
    if len(given) > 1:
        raise Malformed("a recovery comes from one fund", where=draft.key, got=", ".join(g for g, _ in given))
    settled = {p.fund: 0 for p in draft.postings}
    for posting in draft.postings:
        if posting.account == Account.RECEIVABLE.value:
            settled[posting.fund] += posting.amount_fen
    return {(giver, taker): fen - settled.get(taker, 0) for (giver, taker), fen in given.items()}


def check_evidence(draft: Draft) -> None:
    """Each document has a kind and a SHA-256 digest."""
    for evidence in draft.evidence:
        if not evidence.kind:
            raise Malformed("evidence without a kind", where=draft.key, got=evidence)
        if len(evidence.sha256) != 64 or set(evidence.sha256) - set("0123456789abcdef"):
            raise Malformed("not a SHA-256 digest", where=f"{draft.key}, evidence {evidence.kind}", got=evidence.sha256)


def check_fence(ledger: Ledger, draft: Draft) -> None:
    """Deny by default: money goes out, or is promised, for a purpose, to a payee class and in a period of a permit."""
    fenced = {fund for fund, account, _, side, _ in draft.postings if (account, side) in FENCED}
    for fund_id in () if draft.kind in UNFENCED else sorted(fenced):
        fund = ledger.funds[fund_id]
        if not draft.payee.strip():
            raise Malformed("money goes to somebody", where=draft.key, got="no payee", wanted="a payee and its class")
        permits = fund.permits_for(draft.purpose, draft.payee_class)
        if draft.kind is not Kind.ENCUMBRANCE:
            into = _taking(draft, fund_id)
            if not into or any(p.fund == fund_id and p.account == _EXPENDITURE for p in draft.postings):
                into.add(PAYEE if draft.kind is Kind.DISBURSEMENT else "")  # it leaves the books
            permits = [p for p in permits if {p.into} == into]
        valid = [p for p in permits if p.start <= draft.effective and (p.until is None or draft.effective < p.until)]
        if draft.kind is Kind.SETTLEMENT and not any(p.account == _CASH and p.fund == fund_id for p in draft.postings):
            valid = permits  # what was paid in its time is audited later
        if not valid:
            raise _outside(fund, draft)
        if draft.kind is not Kind.ENCUMBRANCE:  # a promise; the evidence comes with the payment
            _check_required(fund, draft, valid)
    for posting in draft.postings:
        handed = posting.account in HANDED and posting.side == D
        if handed and posting.detail == posting.fund:
            raise UndeclaredCrossing("a fund gives to itself", where=draft.key, got=posting.fund, wanted="two funds")
        if handed and holder_of(posting.detail)[1:] != (draft.payee_class, draft.payee):
            raise OutsideFence(
                "the fund that takes is not that of the payee",
                where=draft.key,
                got=posting.detail,
                wanted=f"a fund held by {draft.payee_class} {draft.payee}",
            )


def _check_required(fund: Fund, draft: Draft, permits: list[Permit]) -> None:
    """The evidence that one of the permits requires; an advance has some, its settlement brings the rest."""
    held = {evidence.kind for evidence in draft.evidence}
    if any(bool(held) if draft.kind is Kind.ADVANCE and p.requires else held.issuperset(p.requires) for p in permits):
        return
    required = permits[0].requires
    raise EvidenceMissing(
        f"{fund.fund_id} pays for {draft.purpose} only on evidence",
        where=draft.key,
        got=", ".join(sorted(held)) or "none",
        wanted=", ".join(required),
        clause=f"{fund.document} {permits[0].clause}",
        fix=f"attach the {' and the '.join(kind for kind in required if kind not in held)}",
    )


def check_overdraft(ledger: Ledger, draft: Draft, changes: Mapping[BalanceKey, int]) -> None:
    """No balance on the wrong side, and none that 64 bits cannot hold."""
    for key, change in changes.items():
        held = ledger.balances.get(key, 0)
        if held + change > MAX_FEN:
            raise Overdrawn(
                f"{key[0]} would hold more in {key[1]} than 64 bits do",
                where=draft.key,
                got=f"{format_yuan(held)} yuan and {format_yuan(change)} more",
                wanted=f"at most {format_yuan(MAX_FEN)} yuan",
            )
        if held + change < 0:
            raise _overdrawn(draft, key, held, change)


def check_given_back(ledger: Ledger, draft: Draft, changes: Mapping[BalanceKey, int]) -> None:
    """No source is given back more than it gave: neither by a surrender, nor where its gift was itself an error."""
    for fund, source in {(fund, source) for fund, account, source in changes if account in _GIVEN}:
        funding, came, went, returned = (
            ledger.balances.get((fund, account, source), 0) + changes.get((fund, account, source), 0)
            for account in _GIVEN
        )
        given = funding + max(0, came - went)
        if returned > given:
            raise Overdrawn(
                f"{fund} would give {source} back more than it gave",
                where=draft.key,
                got=f"{format_yuan(returned)} yuan",
                wanted=f"at most {format_yuan(given)} yuan",
            )


def _taking(draft: Draft, giver: str) -> set[str]:
    """The keys of the funds that take from a fund in an entry."""
    return {holder_of(p.detail)[0] for p in draft.postings if p.account in HANDED and p.side == D and p.fund == giver}


def _outside(fund: Fund, draft: Draft) -> OutsideFence:
    clause = f"{fund.document} {fund.clause}"
    names = sorted({p.purpose for p in fund.permits})
    classes = sorted({p.payee_class for p in fund.permits if p.purpose == draft.purpose})
    permits = fund.permits_for(draft.purpose, draft.payee_class)
    periods = [f"{p.start} to {p.until or 'now'}" for p in permits]
    by_hand = "no fund: a payment by hand"
    taking = sorted(_taking(draft, fund.fund_id)) or [by_hand]
    into = sorted({{"": by_hand, PAYEE: "no fund: a payee, on a claim"}.get(p.into, p.into) for p in permits})
    if permits and draft.kind is not Kind.ENCUMBRANCE and not set(taking) & set(into):
        got, wanted = f"into {', '.join(taking)}", f"into {', '.join(into)}"
    elif periods:
        got, wanted = f"on {draft.effective}", f"in {'; '.join(periods)}"
    elif classes:
        got, wanted = f"to the payee class {draft.payee_class!r}", f"to {', '.join(classes)}"
    else:
        got, wanted = f"for the purpose {draft.purpose!r}", f"for {', '.join(names)}"
    return OutsideFence(
        f"{fund.fund_id} may not be spent so",
        where=draft.key,
        got=got,
        wanted=wanted,
        clause=clause,
        fix="charge it to a fund whose document allows it; what no permit names is denied",
    )


def _overdrawn(draft: Draft, key: BalanceKey, held: int, change: int) -> Overdrawn:
    fund, account, detail = key
    words = {
        Account.CASH.value: "has not the cash",
        Account.UNENCUMBERED.value: f"has not so much available in the budget year {detail}",
        Account.ENCUMBERED.value: f"has not so much encumbered for {detail}",
    }
    advice = {
        Account.CASH.value: "appropriate first, or pay less",
        Account.UNENCUMBERED.value: "appropriate first, carry last year's rest forward (close_through), or pay less",
        Account.ENCUMBERED.value: "promise the difference first (encumber more under this reference), or pay less",
    }
    return Overdrawn(
        f"{fund} {words.get(account, f'cannot have {account} {detail} below zero')}",
        where=draft.key,
        got=f"{format_yuan(-change)} yuan wanted",
        wanted=f"at most {format_yuan(held)} yuan",
        fix=advice.get(account, "pay less"),
    )
