"""The only gate: `check` refuses with a reason or returns the entry, `advance` books it, and replay runs the same two.

The order of checks is documented here and is part of the behaviour: (1) the text, (2) the key, (3) dates and periods,
(4) maker and approver, (5) shape and amounts, (6) balance within each fund, (7) declared crossings, (8) evidence and
the fence, (9) no balance on the wrong side. After the last check nothing can fail.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from estate_funds.calendar import MONTHS_PER_YEAR, Month
from estate_funds.errors import (
    BadReversal,
    DateError,
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
    nearest,
)
from estate_funds.funds import MONEY, NORMAL_SIDE, PAYEE, Account, Fund, Side, Terms, holder_of
from estate_funds.journal import GENESIS, Draft, Entry, Kind, Posting, link
from estate_funds.money import MAX_FEN, format_yuan

D, C = Side.DEBIT.value, Side.CREDIT.value
_RECEIVED = {("cash", D), ("authority", D), ("unencumbered", C)}
_PAID = {("cash", C), ("unencumbered", D), ("encumbered", D), ("expended", C)}

# The (account, side) pairs that each kind may touch. What is not here cannot be booked under that name.
SHAPES: Mapping[Kind, frozenset[tuple[str, str]]] = {
    Kind.OPEN_FUND: frozenset(),
    Kind.AMEND_FUND: frozenset(),
    Kind.APPROPRIATION: frozenset(_RECEIVED | {("funding", C)}),
    Kind.RECEIPT: frozenset(_RECEIVED | {("funding", C), ("payable", C)}),
    Kind.ENCUMBRANCE: frozenset({("unencumbered", D), ("encumbered", C)}),
    Kind.RELEASE: frozenset({("encumbered", D), ("unencumbered", C)}),
    Kind.DISBURSEMENT: frozenset(_RECEIVED | _PAID | {("transfer_out", D), ("transfer_in", C), ("expenditure", D)}),
    Kind.SPENDING: frozenset(_PAID | {("expenditure", D), ("payable", D)}),
    Kind.TRANSFER: frozenset(_RECEIVED | {("cash", C), ("unencumbered", D), ("authority", C)})
    | {("transfer_out", D), ("transfer_in", C)},
    Kind.CARRY_FORWARD: frozenset({("unencumbered", D), ("unencumbered", C), ("authority", C)}),
    Kind.CLOSE: frozenset(),
}
# Money that goes out, or is promised, passes the fence whatever the entry is called.
_FENCED = {(Account.CASH.value, C), (Account.ENCUMBERED.value, C)}
_UNSPENT = {Account.UNENCUMBERED.value, Account.ENCUMBERED.value}
_DEFINING = (Kind.OPEN_FUND, Kind.AMEND_FUND)
_IN, _OUT = Account.TRANSFER_IN.value, Account.TRANSFER_OUT.value

BalanceKey = tuple[str, str, str]  # fund, account, detail


@dataclass(slots=True)
class Ledger:
    """The state that a journal folds to. Balances are kept on each account's normal side, so all are 0 or more."""

    funds: dict[str, Fund] = field(default_factory=dict)
    balances: dict[BalanceKey, int] = field(default_factory=dict)
    keys: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # key -> sequence, digest of content
    booked: dict[int, tuple[bytes, str]] = field(default_factory=dict)  # sequence -> digest of postings, kind
    reversed: set[int] = field(default_factory=set)
    closed_through: date = date.min
    recorded: date = date.min
    seq: int = 0
    head: bytes = GENESIS

    # --- the gate ---

    def post(self, draft: Draft, *, recorded: date) -> Entry | None:
        """Book a draft: the new entry, or None when this very draft is already booked. Raises a Refusal otherwise."""
        entry = self.check(draft, recorded=recorded)
        if entry is not None:
            self.advance(entry)
        return entry

    def check(self, draft: Draft, *, recorded: date) -> Entry | None:
        """What `post` would do, without doing it."""
        draft.check_text()
        known = self.keys.get(draft.key)
        if known is not None:
            if known[1] == draft.content_digest:
                return None
            raise KeyConflict(
                f"the key {draft.key!r} was used for something else",
                where=f"entry {known[0]}",
                got="a draft with other content",
                wanted="the same content, or a new key",
                fix="nothing booked is ever changed: reverse the entry and book the right one, or amend the fund",
            )
        self._check_dates(draft, recorded)
        self._check_hands(draft)
        if bool(draft.terms) != (draft.kind in (*_DEFINING, Kind.CLOSE)):
            what = "only an entry that opens or amends a fund or closes a period has terms"
            raise Malformed(what, where=draft.key, got=draft.terms)
        if draft.kind is Kind.REVERSAL:
            self._check_reversal(draft)
        else:
            self._check_shape(draft)
        _check_amounts(draft)
        self._check_balance(draft)
        self._check_liability(draft)
        changes = _changes(draft)
        if draft.kind is not Kind.CARRY_FORWARD:  # a lapse cuts the budget and leaves the cash as surplus
            _check_backing(draft, changes)
        self._check_crossings(draft)
        self._check_evidence(draft)
        if draft.kind in _DEFINING:
            self._check_definition(draft)
        elif draft.kind is Kind.CLOSE:
            self._check_closing(draft)
        elif draft.kind is Kind.CARRY_FORWARD:
            self._check_carrying(draft)
        elif draft.kind is not Kind.REVERSAL:
            self._check_fence(draft)
        self._check_overdraft(draft, changes)
        return Entry(self.seq + 1, recorded, draft)

    def advance(self, entry: Entry) -> None:
        """Book an entry that `check` returned; nothing here can fail."""
        draft = entry.draft
        for key, change in _changes(draft).items():
            self.balances[key] = self.balances.get(key, 0) + change
        self.keys[draft.key] = (entry.seq, draft.content_digest)
        if draft.kind in _DEFINING:
            fund = _opened(draft)
            self.funds[fund.fund_id] = fund
        elif draft.kind is Kind.CLOSE:
            self.closed_through = _closing_day(draft)
        elif draft.kind is Kind.REVERSAL:
            self.reversed.add(int(draft.reference))
        if draft.postings:
            self.booked[entry.seq] = (_postings_digest(draft.postings), draft.kind.value)
        self.seq = entry.seq
        self.recorded = entry.recorded
        self.head = link(self.head, entry.leaf)

    # --- questions ---

    def attempt(self, key: str) -> int:
        """Which attempt under a key is the one to make, or the one that stands: 1, and one more for each reversal."""
        number = 1
        while self.keys.get(attempt_key(key, number), (0, b""))[0] in self.reversed:
            number += 1
        return number

    def is_open(self, draft: Draft) -> bool:
        """Whether the fund that a draft opens is open already, by whomever, with this very definition."""
        if draft.kind is not Kind.OPEN_FUND:
            return False
        fund = self.funds.get(next((term[1] for term in draft.terms if term[0] == "fund" and len(term) == 2), ""))
        return fund is not None and (fund.to_terms(), fund.document, fund.clause) == (
            draft.terms,
            draft.document,
            draft.clause,
        )

    def balance(self, fund: str, account: Account, detail: str | None = None) -> int:
        """A balance in fen on the account's normal side; without a detail, of all details."""
        if detail is not None:
            return self.balances.get((fund, account.value, detail), 0)
        return sum(n for (f, a, _), n in self.balances.items() if f == fund and a == account.value)

    def available(self, fund: str) -> int:
        """What the fund may still promise or spend: appropriated, less encumbered, less expended."""
        return self.balance(fund, Account.UNENCUMBERED)

    # --- the checks, in order ---

    def _check_dates(self, draft: Draft, recorded: date) -> None:
        if recorded < self.recorded:
            raise FuturePeriod(
                "the day of recording runs backwards",
                where=draft.key,
                got=recorded,
                wanted=f"on or after {self.recorded}, when the last entry was recorded",
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
        if draft.effective <= self.closed_through and draft.kind is not Kind.OPEN_FUND:  # which moves nothing
            raise PeriodClosed(
                "the period is closed",
                where=draft.key,
                got=f"effective {draft.effective}",
                wanted=f"after {self.closed_through}, the last closed day",
                fix="date the entry into the open period, and say in the narrative what it belongs to",
            )

    def _check_hands(self, draft: Draft) -> None:
        if not draft.key or not draft.narrative:
            raise Malformed("an entry needs a key and a narrative", where=draft.key or draft.narrative)
        maker, approver = (
            unicodedata.normalize("NFKC", name).casefold().strip() for name in (draft.maker, draft.approver)
        )
        if not maker or not approver or maker == approver:
            raise SameHands(
                "maker and approver must be two people",
                where=draft.key,
                got=f"maker {draft.maker!r}, approver {draft.approver!r}",
                wanted="two different names",
                clause="会计基础工作规范: preparer and reviewer differ",
            )

    def _check_shape(self, draft: Draft) -> None:
        shape = SHAPES[draft.kind]
        if bool(shape) != bool(draft.postings):
            raise Malformed(
                f"a {draft.kind} entry {'needs' if shape else 'has no'} postings",
                where=draft.key,
                got=len(draft.postings),
            )
        for posting in draft.postings:
            if (posting.account, posting.side) not in shape:
                raise Malformed(
                    f"a {draft.kind} entry cannot touch this account on this side",
                    where=draft.key,
                    got=f"{posting.account} {posting.side}",
                    wanted=", ".join(sorted(f"{account} {side}" for account, side in shape)),
                )
            told = {Account.ENCUMBERED.value: draft.reference, Account.EXPENDITURE.value: draft.purpose}
            if posting.detail != told.get(posting.account, posting.detail):
                wanted = told[posting.account]
                raise Malformed(
                    f"{posting.account} of something else", where=draft.key, got=posting.detail, wanted=wanted
                )
            if posting.account == Account.CASH.value and not (draft.document and draft.clause):
                raise Malformed("money moves on a document and a clause", where=draft.key, got="none", wanted="both")
        if draft.kind is not Kind.CARRY_FORWARD:
            _check_budget_year(draft)

    def _check_reversal(self, draft: Draft) -> None:
        _check_budget_year(draft)
        plain = re.fullmatch("[1-9][0-9]{0,18}", draft.reference)
        target = int(draft.reference) if plain else 0
        wanted, kind = self.booked.get(target, (b"", ""))
        problem = ""
        if not wanted:
            problem = "there is no such entry with postings"
        elif kind in (Kind.REVERSAL, Kind.CARRY_FORWARD):
            problem = f"a {kind} cannot be reversed: book the right entry anew"
        elif target in self.reversed:
            problem = "the entry is already reversed"
        elif _postings_digest(mirror(draft.postings, 0)) != wanted:
            problem = "the postings are not the mirror of that entry's: same accounts and sides, amounts negated"
        if problem:
            raise BadReversal(problem, where=draft.key, got=f"reference {draft.reference!r}")

    def _check_balance(self, draft: Draft) -> None:
        gaps: dict[tuple[str, str], int] = {}
        for posting in draft.postings:
            if posting.fund not in self.funds:
                raise UnknownFund(
                    f"the fund {posting.fund!r} was never opened",
                    where=draft.key,
                    fix=nearest(posting.fund, self.funds),
                )
            part = (posting.fund, "money" if posting.account in MONEY else "budget")
            gaps[part] = gaps.get(part, 0) + (posting.amount_fen if posting.side == D else -posting.amount_fen)
        open_gaps = [
            f"{fund}, {family}: debits exceed credits by {gap} fen" for (fund, family), gap in gaps.items() if gap
        ]
        if open_gaps:
            raise Unbalanced(
                "the entry does not balance within each fund",
                where=draft.key,
                got="; ".join(open_gaps),
                wanted="debits equal to credits in every fund, for its money and for its budget",
            )

    def _check_liability(self, draft: Draft) -> None:
        """Money held for others is no income and its payment no expenditure; other money is nobody else's."""
        for posting in draft.postings:
            held = self.funds[posting.fund].held_for_others
            wrong = (Account.FUNDING, Account.EXPENDITURE, _IN, _OUT) if held else (Account.PAYABLE,)
            if posting.account in wrong:
                raise Malformed(
                    f"{posting.fund} {'holds money for others' if held else 'holds no money for others'}",
                    where=draft.key,
                    got=posting.account,
                    wanted="payable: what is collected is owed to whom it was collected for"
                    if held
                    else "its own accounts",
                )

    def _check_crossings(self, draft: Draft) -> None:
        crossing: dict[tuple[str, str], int] = {}
        for posting in draft.postings:
            if posting.account == _OUT:
                pair = (posting.fund, posting.detail)
                crossing[pair] = crossing.get(pair, 0) + posting.amount_fen
            elif posting.account == _IN:
                pair = (posting.detail, posting.fund)
                crossing[pair] = crossing.get(pair, 0) - posting.amount_fen
        for (giver, taker), gap in crossing.items():
            if gap:
                raise UndeclaredCrossing(
                    "money crosses funds without its other half",
                    where=draft.key,
                    got=f"{giver} -> {taker}: given exceeds taken by {gap} fen",
                    wanted="transfer_out in the one fund equal to transfer_in in the other, in one entry",
                )

    def _check_definition(self, draft: Draft) -> None:
        try:
            fund = _opened(draft)
        except (KeyError, ValueError, IndexError, DateError):
            raise Malformed("the terms do not define a fund", where=draft.key, got=draft.terms) from None
        if not re.fullmatch("[^/]+/[^/]+/.+", fund.fund_id):
            raise Malformed("a fund's id is key/level/holder", where=draft.key, got=fund.fund_id)
        if fund.provenance not in ("fifo", "proportional"):
            raise Malformed(
                "not a way to trace provenance", where=draft.key, got=fund.provenance, wanted="fifo, proportional"
            )
        if fund.to_terms() != draft.terms:
            raise Malformed("the terms hold more than a fund, or in another order", where=draft.key, got=draft.terms)
        if (fund.fund_id in self.funds) != (draft.kind is Kind.AMEND_FUND):
            state = "already open" if draft.kind is Kind.OPEN_FUND else "not open"
            raise UnknownFund(f"the fund {fund.fund_id!r} is {state}", where=draft.key)

    def _check_closing(self, draft: Draft) -> None:
        through = _closing_day(draft)
        if through <= self.closed_through:
            raise PeriodClosed(
                "the period is closed already", where=draft.key, got=through, wanted=f"after {self.closed_through}"
            )
        ended = through.year if through.month == MONTHS_PER_YEAR else through.year - 1
        for (fund, account, year), left in self.balances.items():
            if account == Account.UNENCUMBERED.value and left and int(year) <= ended:
                raise Malformed(
                    f"{fund} has budget left in {year}",
                    where=draft.key,
                    got=f"{format_yuan(left)} yuan",
                    wanted="nothing left in a year that is closed",
                    fix="carry it forward, or let it lapse, before closing",
                )

    def _check_fence(self, draft: Draft) -> None:
        fenced = {posting.fund for posting in draft.postings if (posting.account, posting.side) in _FENCED}
        for fund_id in sorted(fenced):
            fund = self.funds[fund_id]
            permits = fund.permits_for(draft.purpose, draft.payee_class)
            if draft.kind is not Kind.ENCUMBRANCE:
                into = _taking(draft, fund_id) or {PAYEE if draft.kind is Kind.DISBURSEMENT else ""}
                permits = [p for p in permits if {p.into} == into]
            valid = [
                p for p in permits if p.start <= draft.effective and (p.until is None or draft.effective < p.until)
            ]
            if not valid:
                raise _outside(fund, draft)
            if draft.kind is Kind.ENCUMBRANCE:
                continue  # a promise; the evidence comes with the payment
            held = {evidence.kind for evidence in draft.evidence}
            if not any(held.issuperset(permit.requires) for permit in valid):
                raise EvidenceMissing(
                    f"{fund_id} pays for {draft.purpose} only on evidence",
                    where=draft.key,
                    got=", ".join(sorted(held)) or "none",
                    wanted=", ".join(valid[0].requires),
                    clause=f"{fund.document} {valid[0].clause}",
                    fix=f"attach the {' and the '.join(kind for kind in valid[0].requires if kind not in held)}",
                )
        for posting in draft.postings:
            if posting.account == _OUT and holder_of(posting.detail)[1:] != (draft.payee_class, draft.payee):
                raise OutsideFence(
                    "the fund that takes is not that of the payee",
                    where=draft.key,
                    got=posting.detail,
                    wanted=f"a fund held by {draft.payee_class} {draft.payee}",
                )

    def _check_carrying(self, draft: Draft) -> None:
        """A year end moves what a fund has left on to the next year, or lets it lapse, as its document says."""
        year = draft.effective.year
        moves: dict[str, list[tuple[str, str, str]]] = {}
        for fund, account, detail, side, amount in draft.postings:
            moves.setdefault(fund, []).append((account, side, detail))
            if side == D and amount != self.balances.get((fund, account, detail), 0):
                wanted = format_yuan(self.balances.get((fund, account, detail), 0))
                raise Malformed(
                    f"not all that {fund} has left", where=draft.key, got=format_yuan(amount), wanted=wanted
                )
        for fund, made in moves.items():
            onward = ("unencumbered", C, str(year + 1)) if self.funds[fund].carry_forward else ("authority", C, "")
            if draft.effective != date(year, 12, 31) or made != [("unencumbered", D, str(year)), onward]:
                raise Malformed(
                    f"not how {fund} ends a year",
                    where=draft.key,
                    got=f"on {draft.effective}: {made}",
                    wanted=f"on 31 December: unencumbered D {year}, {' '.join(onward)}",
                )

    def _check_evidence(self, draft: Draft) -> None:
        for evidence in draft.evidence:
            if not evidence.kind:
                raise Malformed("evidence without a kind", where=draft.key, got=evidence)
            if len(evidence.sha256) != 64 or set(evidence.sha256) - set("0123456789abcdef"):
                raise Malformed(
                    "not a SHA-256 digest", where=f"{draft.key}, evidence {evidence.kind}", got=evidence.sha256
                )

    def _check_overdraft(self, draft: Draft, changes: Mapping[BalanceKey, int]) -> None:
        for key, change in changes.items():
            held = self.balances.get(key, 0)
            if held + change < 0 or held + change > MAX_FEN:
                raise _overdrawn(self, draft, key, held, change)


def replay(entries: Iterable[Entry]) -> Ledger:
    """Fold a journal through the same gate; a Refusal or InvariantBroken where it could not have come through it."""
    ledger = Ledger()
    for entry in entries:
        refold(ledger, entry)
    return ledger


def refold(ledger: Ledger, entry: Entry) -> None:
    """Put one recorded entry through the gate again."""
    if ledger.check(entry.draft, recorded=entry.recorded) != entry:
        raise InvariantBroken(f"entry {entry.seq} cannot follow entry {ledger.seq}: a gap, or the same entry twice")
    ledger.advance(entry)


def _changes(draft: Draft) -> dict[BalanceKey, int]:
    """What an entry changes each balance by, on the account's normal side."""
    changes: dict[BalanceKey, int] = {}
    for fund, account, detail, side, amount in draft.postings:
        key = (fund, account, detail)
        changes[key] = changes.get(key, 0) + (amount if side == NORMAL_SIDE[account] else -amount)
    return changes


def _check_amounts(draft: Draft) -> None:
    """Whole fen that 64 bits hold; above 0, save in a reversal, where they are below."""
    sign = -1 if draft.kind is Kind.REVERSAL else 1
    for posting in draft.postings:
        if type(posting.amount_fen) is not int or not 0 < sign * posting.amount_fen <= MAX_FEN:
            raise Malformed(
                f"an amount must be a whole number of fen {'above' if sign > 0 else 'below'} 0 that 64 bits hold",
                where=f"{draft.key}, {posting.fund} {posting.account}",
                got=repr(posting.amount_fen),
            )


def _check_budget_year(draft: Draft) -> None:
    """Budget is used, freed and given back in the year of the entry; only a year end moves it between years."""
    year = str(draft.effective.year)
    for posting in draft.postings:
        if posting.account == Account.UNENCUMBERED.value and posting.detail != year:
            raise Malformed("the budget of another year", where=draft.key, got=posting.detail, wanted=year)


def _check_backing(draft: Draft, changes: Mapping[BalanceKey, int]) -> None:
    """Money and budget move together: what cash changes by, unspent budget changes by."""
    backing: dict[str, int] = {}
    for (fund, account, _), change in changes.items():
        if account == Account.CASH.value:
            backing[fund] = backing.get(fund, 0) + change
        elif account in _UNSPENT:
            backing[fund] = backing.get(fund, 0) - change
    for fund, gap in backing.items():
        if gap:
            raise Unbalanced(
                "money and budget of a fund do not move together",
                where=draft.key,
                got=f"{fund}: cash changes by {gap} fen more than unencumbered and encumbered together",
                wanted="the same change in both",
            )


def mirror(postings: Iterable[Posting], year: int) -> tuple[Posting, ...]:
    """The red-letter mirror: same accounts and sides, amounts negated, budget in the year of the reversal."""
    return tuple(
        p._replace(amount_fen=-p.amount_fen, detail=str(year) if p.account == Account.UNENCUMBERED else p.detail)
        for p in postings
    )


def attempt_key(key: str, attempt: int) -> str:
    """The key of the first attempt, and of those that follow a reversal."""
    return key if attempt == 1 else f"{key}/{attempt}"


def _postings_digest(postings: Iterable[Posting]) -> bytes:
    """What a reversal must mirror; the budget year is that of the reversal."""
    postings = [p._replace(detail="") if p.account == Account.UNENCUMBERED else p for p in postings]
    return hashlib.sha256("".join(f"{f}\t{a}\t{d}\t{s}\t{n}\n" for f, a, d, s, n in postings).encode("utf-8")).digest()


def _opened(draft: Draft) -> Fund:
    return _fund(draft.terms, draft.document, draft.clause)


@lru_cache(maxsize=16)  # check and advance ask for the same one
def _fund(terms: Terms, document: str, clause: str) -> Fund:
    return Fund.from_terms(terms, document=document, clause=clause)


def _closing_day(draft: Draft) -> date:
    try:
        ((name, through),) = draft.terms
        day = Month.parse(through).last_day
    except (ValueError, DateError):
        name, day = "", date.min
    if name != "through":
        raise Malformed("the terms do not name a month to close", where=draft.key, got=draft.terms)
    if draft.effective <= day:
        raise PeriodClosed(
            "a period is closed after its last day", where=draft.key, got=draft.effective, wanted=f"after {day}"
        )
    return day


def _taking(draft: Draft, giver: str) -> set[str]:
    """The keys of the funds that take from a fund in an entry."""
    return {holder_of(p.detail)[0] for p in draft.postings if p.account == _OUT and p.fund == giver}


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


def _overdrawn(ledger: Ledger, draft: Draft, key: BalanceKey, held: int, change: int) -> Overdrawn:
    fund, account, detail = key
    words = {
        Account.CASH.value: "has not the cash",
        Account.UNENCUMBERED.value: f"has not so much available in the budget year {detail}",
        Account.ENCUMBERED.value: f"has not so much encumbered for {detail}",
    }
    advice = {
        Account.CASH.value: "appropriate first, or pay less",
        Account.UNENCUMBERED.value: "appropriate first, carry last year's rest forward (close_through), or pay less",
        Account.ENCUMBERED.value: "reverse the encumbrance too, and promise the right amount, or pay less",
    }
    return Overdrawn(
        f"{fund} {words.get(account, f'cannot have {account} {detail} below zero or beyond 64 bits')}",
        where=draft.key,
        got=f"{format_yuan(-change)} yuan wanted",
        wanted=f"at most {format_yuan(held)} yuan",
        fix=advice.get(account, "pay less"),
    )
