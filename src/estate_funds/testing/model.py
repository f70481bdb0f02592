"""A second, naive ledger, to hold the real one against: docs/reference/entry-format.md, said plainly.

Written from that page alone: a list of entries, and dictionaries of what follows from them, each kept in the fewest
words; it is meant to be read beside the page. Where both are given the same drafts, they book the same, refuse the same
by the same class of error, and have the same balances.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from copy import copy
from datetime import date
from typing import NamedTuple

from estate_funds.calendar import Month, parse_day
from estate_funds.errors import (
    BadReversal,
    EvidenceMissing,
    FuturePeriod,
    KeyConflict,
    Malformed,
    OutsideFence,
    Overdrawn,
    PeriodClosed,
    PromiseExpired,
    Unbalanced,
    UnknownFund,
)
from estate_funds.funds import BUDGET, MONEY, PAYEE, Fund, holder_of
from estate_funds.journal import Draft, Entry, Kind, Posting
from estate_funds.testing.rules import (
    LARGEST,
    MIRRORS,
    PAYMENTS,
    SHAPES,
    TERMED,
    amount,
    change,
    check_crossings,
    check_hands,
    check_lines,
    check_terms,
    check_text,
    decides,
    defines_a_fund,
    demand,
    has_evidence,
    in_force,
    moved_by,
    turned,
)


class Promise(NamedTuple):
    """What is known of the promise of a fund under a reference; `since` is 0 where it replaced none bound otherwise."""

    year: int
    last: date | None
    bound: tuple[str, str, str]
    since: int
    oldest: int


class Model:
    """A ledger of a list and a dictionary; `balances` has no noughts.

    >>> from estate_funds.vouchers import Hands, appropriate, open_fund, spend
    >>> hands = Hands("maker", "approver")
    >>> fund = Fund("repairs/estate/a", "Repairs", "law", "4", True, "fifo", ())
    >>> model = Model()
    >>> model.post(open_fund(fund, on=date(2024, 1, 1), hands=hands), recorded=date(2024, 1, 1))
    True
    >>> given = appropriate(fund, "owners", 500, on=date(2024, 2, 1), key="1", hands=hands)
    >>> model.post(given, recorded=date(2024, 2, 1)), model.post(given, recorded=date(2024, 2, 2))
    (True, False)
    >>> model.balances["repairs/estate/a", "cash", ""]
    500
    >>> banquet = {"purpose": "banquet", "payee": "firm", "payee_class": "enterprise"}
    >>> model.post(spend(fund, 1, on=date(2024, 2, 3), key="2", hands=hands, **banquet), recorded=date(2024, 2, 3))
    Traceback (most recent call last):
    ...
    estate_funds.errors.OutsideFence: repairs/estate/a has a permit
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.balances: dict[tuple[str, str, str], int] = {}
        self.funds: dict[str, Fund] = {}  # as last defined
        self.open_from = date.min  # the first day that no closed period holds
        self.undone: set[int] = set()  # the numbers of the entries that a reversal or a correction names
        self.promises: dict[tuple[str, str], Promise] = {}  # by fund and reference
        self._known: dict[str, Draft] = {}  # by key
        self._inflows: dict[tuple[str, int], int] = {}  # by fund and year

    def copy(self) -> Model:
        """A model with the same books, to try something on."""
        other = Model()
        for name, kept in vars(self).items():
            setattr(other, name, copy(kept))
        return other

    def post(self, draft: Draft, *, recorded: date) -> bool:
        """Book a draft; False where the same is booked already. Raises the Refusal of the first check that fails."""
        check_text(draft)
        if self._is_known(draft):
            return False
        self._check_dates(draft, recorded)
        check_hands(draft)
        self._check_shape(draft)
        self._check_balance(draft)
        for kind, digest in draft.evidence:
            demand(kind != "" and re.fullmatch("[0-9a-f]{64}", digest), Malformed, "evidence has kind and digest")
        if draft.kind not in MIRRORS:
            check_crossings(draft)
            self._check_fence(draft)
            self._check_kind(draft, recorded)
        self._check_overdrawn(draft)
        self._book(Entry(len(self.entries) + 1, recorded, draft))
        return True

    # --- what follows from the entries ---

    def _book(self, entry: Entry) -> None:
        draft = entry.draft
        if draft.kind in (Kind.OPEN_FUND, Kind.AMEND_FUND):
            fund = Fund.from_terms(draft.terms, document=draft.document, clause=draft.clause)
            self.funds[fund.fund_id] = fund
        elif draft.kind in (Kind.CLOSE, Kind.REOPEN):
            month = Month.parse(draft.terms[0][1])
            self.open_from = (month + 1 if draft.kind is Kind.CLOSE else month).first_day
        elif draft.kind in MIRRORS:
            self.undone.add(int(draft.reference))
        for fund_id, reference in dict.fromkeys(
            (p.fund, p.detail) for p in draft.postings if p.account == "encumbered"
        ):
            self._promise(entry, fund_id, reference)
        self._comes_in(entry)
        self.balances = self._after(draft.postings)
        self.entries.append(entry)
        self._known[draft.key] = draft

    def _promise(self, entry: Entry, fund: str, reference: str) -> None:
        """What becomes of the promise of a fund under a reference."""
        draft, made = entry.draft, self.promises.get((fund, reference))
        left, moved = self._has(fund, "encumbered", reference), change(draft.postings, fund, "encumbered", reference)
        if draft.kind is Kind.ENCUMBRANCE and moved:
            year, bound = draft.effective.year, (draft.purpose, draft.payee_class, draft.payee)
            last = parse_day(draft.terms[0][1]) if draft.terms else None
            if made is None:
                made = Promise(year, last, bound, 0, year)
            elif left == 0:
                since = made.since if made.bound == bound else entry.seq
                made = Promise(year, last, bound, since, min(year, made.oldest))
            else:
                made = made._replace(year=min(year, made.year), last=last or made.last)
                made = made._replace(oldest=min(year, made.oldest))
        elif draft.kind in MIRRORS and moved > 0 and made is not None:
            made = made._replace(year=made.oldest)
        if made is not None:
            self.promises[fund, reference] = made

    def _comes_in(self, entry: Entry) -> None:
        """What was new money of each fund, and of which year: a mirror's counts in that of the entry that it names."""
        draft, kind, lines, side = entry.draft, entry.draft.kind, entry.draft.postings, "D"
        year, sign = draft.effective.year, 1
        if kind in MIRRORS:
            named = self.entries[int(draft.reference) - 1].draft
            side, sign = ("D", 1) if kind is Kind.REVERSAL else ("C", -1)
            kind, year, lines = named.kind, named.effective.year, lines[: len(named.postings)]
        if kind in (Kind.RECOVERY, Kind.LOAN, Kind.REPAYMENT):
            return
        for fund in {p.fund for p in lines}:
            new = sign * amount(lines, side, fund=fund, account="authority")
            for giver in {p.detail for p in lines if (p.fund, p.account) == (fund, "transfer_in")}:
                came = change(lines, fund, "transfer_in", giver)
                net = self._has(fund, "transfer_in", giver) - self._has(fund, "transfer_out", giver)
                new -= came - (max(0, net + came) - max(0, net))
            self._inflows[fund, year] = self._inflows.get((fund, year), 0) + new

    def inflow(self, fund: str, years: Iterable[int]) -> int:
        """What was new money of a fund in these years; 0 where it is below."""
        return max(0, sum(self._inflows.get((fund, year), 0) for year in years))

    def lapsing(self, fund: str, year: int) -> int:
        """What lapses at the end of a year of what a fund has left of it."""
        left, rule = self._has(fund, "unencumbered", str(year)), self.funds[fund]
        if not rule.carry_forward:
            return left
        if not rule.surplus_after_years:
            return 0
        inflow = self.inflow(fund, range(year - rule.surplus_after_years + 1, year + 1))
        return max(0, left - inflow - self._has(fund, "due_to"))

    def lapsed(self, fund: str, fen: int, since: int, year: int) -> int:
        """What has lapsed of budget of the year `since` that comes back in a later year."""
        rule = self.funds[fund]
        if since >= year:
            return 0
        if not rule.carry_forward:
            return fen
        if not rule.surplus_after_years:
            return 0
        left = fen + sum(self._has(fund, "unencumbered", str(y)) for y in range(since, year + 1))
        inflow = self.inflow(fund, range(year - rule.surplus_after_years, year + 1))
        return max(0, min(fen, left - inflow - self._has(fund, "due_to")))

    def _has(self, fund: str, account: str, detail: str | None = None) -> int:
        if detail is not None:
            return self.balances.get((fund, account, detail), 0)
        found = [f for (n, a, _), f in self.balances.items() if (n, a) == (fund, account)]
        return sum(found)

    def _after(self, postings: Sequence[Posting]) -> dict[tuple[str, str, str], int]:
        after = dict(self.balances)
        for p in postings:
            after[p[:3]] = after.get(p[:3], 0) + moved_by(p)
        for key in {p[:3] for p in postings}:
            if not after[key]:
                del after[key]
        return after

    def _named(self, reference: str) -> Entry | None:
        """The entry whose number a reference is, in plain decimal digits."""
        known = re.fullmatch("[1-9][0-9]*", reference) and int(reference) <= len(self.entries)
        return self.entries[int(reference) - 1] if known else None

    # --- checks 2, 3, 5 ---

    def _is_known(self, draft: Draft) -> bool:
        known = self._known.get(draft.key)
        if known is None:
            return False
        demand(decides(known) == decides(draft), KeyConflict, "one key stands for one content")
        return True

    def _check_dates(self, draft: Draft, recorded: date) -> None:
        demand(not self.entries or recorded >= self.entries[-1].recorded, FuturePeriod, "recording runs forwards")
        demand(draft.effective <= recorded, FuturePeriod, "effective not after recording")
        is_open = draft.effective >= self.open_from or draft.kind is Kind.OPEN_FUND
        demand(is_open, PeriodClosed, "not in a closed period")

    def _check_shape(self, draft: Draft) -> None:
        kind, year = draft.kind, str(draft.effective.year)
        demand(
            kind is Kind.ENCUMBRANCE or bool(draft.terms) == (kind in TERMED),
            Malformed,
            "terms where the kind has them",
        )
        demand(all(p.side in ("D", "C") for p in draft.postings), Malformed, "on one of two sides")
        for p in draft.postings:
            budget_year = p.account != "unencumbered" or kind is Kind.CARRY_FORWARD or p.detail == year
            demand(budget_year, Malformed, "the budget year is that of the effective day")
        approved = kind in (Kind.WAIVER, Kind.REOPEN, Kind.LOAN)
        cited = approved or kind is Kind.CLAW_BACK or any(p.account == "cash" for p in draft.postings)
        demand(not cited or (draft.document and draft.clause), Malformed, "a document and a clause")
        demand(not approved or draft.evidence, Malformed, "evidence")
        if kind in MIRRORS:
            self._check_mirror(draft)
        else:
            check_lines(draft)
        for p in draft.postings:
            fen = -p.amount_fen if kind is Kind.REVERSAL else p.amount_fen
            demand(0 < fen <= LARGEST, Malformed, "an amount above 0, below in a reversal")

    def _check_mirror(self, draft: Draft) -> None:
        named, year = self._named(draft.reference), draft.effective.year
        if named is None:
            raise BadReversal("the reference names an entry")
        old, seq = named.draft, str(named.seq)
        mirrored = old.kind in SHAPES and old.kind is not Kind.CARRY_FORWARD
        demand(mirrored, BadReversal, "of a kind that is mirrored")
        red = draft.kind is Kind.REVERSAL
        demand(old.effective.year == year if red else old.effective.year < year, BadReversal, "red or blue by the year")
        demand(named.seq not in self.undone, BadReversal, "not undone twice")
        claimed = any(account == "recovery" and detail == seq for _, account, detail in self.balances)
        demand(not claimed, BadReversal, "nothing is claimed back of it")
        for p in old.postings:
            if p.account in ("encumbered", "advanced"):
                made = self.promises.get((p.fund, p.detail))
                demand(made is None or made.since <= named.seq, BadReversal, "the promise is not bound since")
        expected = [turned(p, year, red=red) for p in old.postings]
        if not red:
            expected += self._lapsed_lines(expected, old.effective.year, year)
        demand(list(draft.postings) == expected, BadReversal, "the mirror of the entry")
        if old.kind is Kind.WAIVER:
            try:
                self._check_claim(old.reference, draft.postings)
            except Malformed as refusal:
                raise BadReversal(refusal.what) from None

    def _lapsed_lines(self, mirrored: list[Posting], since: int, year: int) -> list[Posting]:
        lines = []
        for fund in dict.fromkeys(p.fund for p in mirrored):
            freed = change(mirrored, fund, "unencumbered")
            if freed > 0:
                sides, fen = "DC", self.lapsed(fund, freed, since, year)
            else:
                sides, fen = "CD", 0 if self.funds[fund].carry_forward else -freed
            if fen:
                lines.append(Posting(fund, "unencumbered", str(year), sides[0], fen))
                lines.append(Posting(fund, "authority", "", sides[1], fen))
        return lines

    # --- check 6 ---

    def _check_balance(self, draft: Draft) -> None:
        opened, lines, names = self.funds, draft.postings, dict.fromkeys(p.fund for p in draft.postings)
        for name in names:
            demand(name in opened, UnknownFund, "every fund is open")
        for name in names:
            for family in (MONEY, BUDGET):
                own = [p for p in lines if p.fund == name and p.account in family]
                demand(amount(own, "D") == amount(own, "C"), Unbalanced, "debits equal credits")
        for name in names:
            money = {p.account for p in lines if p.fund == name and p.account in MONEY}
            fits = money <= {"cash", "payable"} if opened[name].held_for_others else "payable" not in money
            demand(fits, Malformed, "payable where it holds money for others, and only there")
        for name in names:
            came, budget = change(lines, name, "cash"), self._budget(lines, name)
            if draft.kind in (Kind.CARRY_FORWARD, Kind.RELEASE, Kind.SURRENDER, *MIRRORS):
                self._check_backing(lines, name)
            else:
                late = self._recovered_late(draft, name, came) if draft.kind is Kind.RECOVERY else 0
                demand(came - budget == late, Unbalanced, "cash and budget change alike, but for what has lapsed")

    def _budget(self, lines: Iterable[Posting], fund: str) -> int:
        return change(lines, fund, "unencumbered") + change(lines, fund, "encumbered")

    def _check_backing(self, lines: Iterable[Posting], fund: str) -> None:
        """Where cash and budget do not change alike, cash stays behind all budget."""
        cash = self._has(fund, "cash") + change(lines, fund, "cash")
        budget = self._has(fund, "unencumbered") + self._has(fund, "encumbered") + self._budget(lines, fund)
        demand(cash >= budget, Overdrawn, "cash stands behind budget")

    def _recovered_late(self, draft: Draft, fund: str, came: int) -> int:
        """What has lapsed of the cash that a fund collects: it is of the year of the payment, or of its promise."""
        paid = self._named(draft.reference)
        collects = any((p.fund, p.account) == (fund, "receivable") for p in draft.postings)
        if paid is None or not collects:
            return 0
        made = self.promises.get((fund, paid.draft.reference)) if paid.draft.reference else None
        year = paid.draft.effective.year
        return self.lapsed(fund, came, min(year, made.oldest) if made else year, draft.effective.year)

    # --- check 8 ---

    def _check_fence(self, draft: Draft) -> None:
        if draft.kind in (Kind.REPAYMENT, Kind.SURRENDER):
            return
        leaves = {("cash", "C"), ("encumbered", "C"), ("expenditure", "D"), ("transfer_out", "D"), ("due_from", "D")}
        fenced = sorted({p.fund for p in draft.postings if (p.account, p.side) in leaves})
        demand(not fenced or draft.payee.strip(), Malformed, "there is a payee")
        for fund in fenced:
            self._check_permit(draft, fund)
        for p in draft.postings:
            if p.account in ("transfer_out", "due_from") and p.side == "D":
                whom = holder_of(p.detail)[1:]
                demand(whom == (draft.payee_class, draft.payee), OutsideFence, "the payee holds the fund that takes")

    def _check_permit(self, draft: Draft, fund: str) -> None:
        own = [p for p in draft.postings if p.fund == fund]
        taking = {holder_of(p.detail)[0] for p in own if p.account in ("transfer_out", "due_from") and p.side == "D"}
        if not taking or any(p.account == "expenditure" and p.side == "D" for p in own):
            taking.add(PAYEE if draft.kind is Kind.DISBURSEMENT else "")
        any_day = draft.kind is Kind.SETTLEMENT and not amount(own, "C", account="cash")
        promised = draft.kind is Kind.ENCUMBRANCE
        for into in taking:
            permits = [
                permit
                for permit in self.funds[fund].permits
                if (permit.purpose, permit.payee_class) == (draft.purpose, draft.payee_class)
                and (promised or permit.into == into)
                and (any_day or in_force(permit, draft.effective))
            ]
            demand(permits, OutsideFence, f"{fund} has a permit")
            met = promised or any(has_evidence(draft, permit) for permit in permits)
            demand(met, EvidenceMissing, "the evidence that one permit requires")

    def _check_kind(self, draft: Draft, recorded: date) -> None:
        kind, effective = draft.kind, draft.effective
        check_terms(draft, recorded)
        if kind in (Kind.OPEN_FUND, Kind.AMEND_FUND):
            self._check_definition(draft)
        elif kind is Kind.CLOSE:
            month = Month.parse(draft.terms[0][1])
            demand(month < Month.of(effective), PeriodClosed, "a month that is over")
            demand(month.first_day >= self.open_from, PeriodClosed, "after the last one closed")
            left = [int(detail) for _, account, detail in self.balances if account == "unencumbered"]
            demand(all(year >= (month + 1).year for year in left), Malformed, "nothing is left of its budget")
        elif kind is Kind.REOPEN:
            demand(Month.parse(draft.terms[0][1]).first_day < self.open_from, PeriodClosed, "a month that is closed")
        elif kind is Kind.CARRY_FORWARD:
            self._check_year_end(draft)
        elif kind in (Kind.ENCUMBRANCE, *PAYMENTS):
            self._check_promise(draft)
        elif kind is Kind.RELEASE:
            self._check_release(draft)
        elif kind is Kind.LOAN:
            self._check_loan(draft)
        elif kind is Kind.CLAW_BACK:
            self._check_claim(draft.reference, draft.postings)
        elif kind is Kind.RECOVERY:
            self._check_recovery(draft)
        elif kind is Kind.SURRENDER:
            self._check_surrender(draft)

    def _check_definition(self, draft: Draft) -> None:
        demand(defines_a_fund(draft.terms), Malformed, "the terms of a fund")
        fund = Fund.from_terms(draft.terms, document=draft.document, clause=draft.clause)
        before = self.funds.get(fund.fund_id)
        demand((before is None) == (draft.kind is Kind.OPEN_FUND), UnknownFund, "opened once, amended when open")
        demand(draft.document and draft.clause, Malformed, "a document and a clause")
        years = fund.surplus_after_years
        demand(years == 0 or (years <= 99 and fund.carry_forward), Malformed, "1 to 99 years, where it carries forward")
        lasts = fund.carry_forward and not years
        demand(lasts or not fund.held_for_others, Malformed, "what is held for others does not lapse")
        if before is not None and before.held_for_others != fund.held_for_others:
            demand(self._has(fund.fund_id, "cash") == 0, Malformed, "no cash when it begins or ends to hold for others")
        if before is not None and (before.carry_forward, before.surplus_after_years) != (fund.carry_forward, years):
            owed = self._has(fund.fund_id, "due_to") + self._has(fund.fund_id, "due_from")
            demand(owed == 0, Malformed, "nothing lent or owed when its budget begins or ends to lapse")

    def _check_year_end(self, draft: Draft) -> None:
        day, year = draft.effective, draft.effective.year
        demand((day.month, day.day) == (12, 31), Malformed, "31 December")
        for fund in dict.fromkeys(p.fund for p in draft.postings):
            left, lapsing = self._has(fund, "unencumbered", str(year)), self.lapsing(fund, year)
            expected = [
                Posting(fund, "unencumbered", str(year), "D", left),
                Posting(fund, "unencumbered", str(year + 1), "C", left - lapsing),
                Posting(fund, "authority", "", "C", lapsing),
            ]
            own = [p for p in draft.postings if p.fund == fund]
            demand(own == [p for p in expected if p.amount_fen], Malformed, "the year end of the fund")
            earlier = [int(d) for n, a, d in self.balances if (n, a) == (fund, "unencumbered") and int(d) < year]
            demand(not earlier, Malformed, "an earlier year first")

    def _check_promise(self, draft: Draft) -> None:
        adds = draft.kind is Kind.ENCUMBRANCE
        demand(not adds or draft.reference, Malformed, "a reference")
        if draft.kind is Kind.SETTLEMENT:
            for fund in {p.fund for p in draft.postings}:
                ahead = self._has(fund, "advanced", draft.reference)
                settled = amount(draft.postings, "C", fund=fund, account="advanced")
                demand(0 < ahead == settled, Malformed, "all that was advanced")
        touched = [p for p in draft.postings if p.account in ("encumbered", "advanced")]
        for p in touched:
            made = self.promises.get((p.fund, p.detail))
            if p.account == "encumbered" and made is not None and made.last is not None:
                left = self._has(p.fund, "encumbered", p.detail)
                over = draft.effective > made.last and (left or not adds)
                demand(not over, PromiseExpired, "not after the last day of the promise")
        for p in touched:
            made = self.promises.get((p.fund, p.detail))
            if made and self._has(p.fund, "encumbered", p.detail) + self._has(p.fund, "advanced", p.detail):
                asked = (draft.purpose, draft.payee_class, draft.payee)
                demand(made.bound == asked, OutsideFence, "the purpose and payee that the promise is bound to")
            if made and adds and self._has(p.fund, "encumbered", p.detail) and not self.funds[p.fund].carry_forward:
                demand(made.year == draft.effective.year, Malformed, "a promise is of one year where budget lapses")

    def _check_release(self, draft: Draft) -> None:
        for fund in {p.fund for p in draft.postings}:
            freed = amount(draft.postings, "D", fund=fund, account="encumbered")
            made = self.promises.get((fund, draft.reference))
            lapsed = self.lapsed(fund, freed, made.year, draft.effective.year) if made else 0
            cut = amount(draft.postings, "C", fund=fund, account="authority")
            demand(cut == lapsed, Malformed, "what has lapsed is cut from authority")

    def _check_loan(self, draft: Draft) -> None:
        for fund in {p.fund for p in draft.postings}:
            accounts = {p.account for p in draft.postings if p.fund == fund}
            demand(not {"due_from", "due_to"} <= accounts, Malformed, "no fund lends and borrows")
            rule = self.funds[fund]
            lasting = rule.carry_forward and not rule.surplus_after_years
            demand(lasting or "due_from" not in accounts, OutsideFence, "a fund whose budget lapses lends nothing")
            borrows = "due_to" in accounts and not rule.carry_forward
            demand(not borrows, OutsideFence, "one that carries nothing forward borrows nothing")

    def _check_claim(self, reference: str, lines: Iterable[Posting]) -> None:
        """The rule of a claw-back, of one and of the mirror of a waiver."""
        paid = self._named(reference)
        if paid is None or paid.draft.kind not in PAYMENTS or paid.seq in self.undone:
            raise Malformed("a payment that is not undone")
        demand(amount(paid.draft.postings, "C", account="cash"), Malformed, "one that paid cash")
        for fund in {p.fund for p in lines}:
            claimed = change(lines, fund, "recovery") + self._has(fund, "recovery", reference)
            given = amount(paid.draft.postings, "C", fund=fund, account="cash")
            demand(claimed <= given, Overdrawn, "no more than it paid")

    def _check_recovery(self, draft: Draft) -> None:
        for fund in {p.fund for p in draft.postings}:
            came = amount(draft.postings, "D", fund=fund, account="cash")
            owed = amount(draft.postings, "C", fund=fund, account="receivable")
            demand(came == owed, Malformed, "cash for what is credited")

    def _check_surrender(self, draft: Draft) -> None:
        for p in draft.postings:
            if p.account == "surrendered":
                demand(p.detail == draft.payee, OutsideFence, "the detail is the payee")
                gave = self._has(p.fund, "funding", p.detail) or self._has(p.fund, "transfer_in", p.detail)
                demand(gave, OutsideFence, "a source that gave")

    # --- check 9 ---

    def _check_overdrawn(self, draft: Draft) -> None:
        after = self._after(draft.postings)
        touched = {p[:3] for p in draft.postings}
        demand(
            all(0 <= after.get(key, 0) <= LARGEST for key in touched), Overdrawn, "no balance below 0 or beyond 64 bits"
        )
        if draft.kind is Kind.SURRENDER or draft.kind in MIRRORS:
            given = ("funding", "transfer_in", "transfer_out", "surrendered")
            for fund, source in {(p.fund, p.detail) for p in draft.postings if p.account in given}:
                funding, came, went, back = (after.get((fund, account, source), 0) for account in given)
                demand(back <= funding + max(0, came - went), Overdrawn, "no source is given back more than it gave")
