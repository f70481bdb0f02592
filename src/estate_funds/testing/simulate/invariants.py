"""The ten invariants of a ring-fenced ledger, asked of each entry with sums of their own, not the ledger's or model's.

`Invariants.see` is given every entry in order. Of where money came from (8) it asks that what `Provenance` says sums to
what went out, and names receipts that are there; in which order they are used is for the tests of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from typing import Any

from estate_funds.errors import InvariantBroken
from estate_funds.funds import BUDGET, NORMAL_SIDE, PAYEE, Fund, holder_of
from estate_funds.journal import Draft, Entry, Kind, Posting
from estate_funds.provenance import Provenance
from estate_funds.testing.events import paper

_MIRRORS = (Kind.REVERSAL, Kind.CORRECTION)
_PAYS = (Kind.DISBURSEMENT, Kind.SPENDING, Kind.ADVANCE, Kind.SETTLEMENT, Kind.TRANSFER, Kind.LOAN)
_GOES_OUT = (*_PAYS, Kind.RECOVERY)
_LINE = Posting("a/b/c", "cash", "", "D", 1)
BalanceKey = tuple[str, str, str]


_COVERED = ("seq", "recorded", *(f.name for f in fields(Draft)))


def _with_another(entry: Entry, name: str) -> Entry:
    """The entry with another value in one field."""
    whole = name in ("seq", "recorded")
    value: Any = getattr(entry if whole else entry.draft, name)
    other: Any
    if isinstance(value, Kind):
        other = Kind.REFUSAL if value is not Kind.REFUSAL else Kind.CLOSE
    elif isinstance(value, date):
        other = value.replace(year=value.year - 1, day=1)
    elif isinstance(value, tuple):
        other = value[:-1] if value else {"terms": (("x",),), "evidence": (paper("x"),)}.get(name, (_LINE,))
    else:
        other = value + (1 if whole else ".")
    return replace(entry, **{name: other}) if whole else replace(entry, draft=replace(entry.draft, **{name: other}))


def hold(holds: object, number: int, what: str, entry: Entry) -> None:
    """InvariantBroken where an invariant does not hold."""
    if not holds:
        raise InvariantBroken(f"invariant {number}: {what}\nentry {entry.seq}: {entry.draft}")


@dataclass
class Invariants:
    """What must hold after each entry; `sums` are the balances on their normal sides, noughts too."""

    sums: dict[BalanceKey, int] = field(default_factory=dict)
    budget: dict[str, int] = field(default_factory=dict)  # of each fund, what is available and what is promised
    keys: set[str] = field(default_factory=set)
    funds: dict[str, Fund] = field(default_factory=dict)
    open_from: date = date.min
    seq: int = 0
    leaves: list[bytes] = field(default_factory=list)
    origins: Provenance = field(default_factory=Provenance)

    def see(self, entry: Entry) -> None:
        """Ask all of them of the next entry."""
        self._is_whole_and_new(entry)
        self._sums_to_zero(entry)
        self._crosses_by_both_sides(entry)
        self._is_permitted(entry)
        self._adds_up(entry)
        self._has_an_origin(entry)
        self._counts(entry)

    def _is_whole_and_new(self, entry: Entry) -> None:
        """4, 5, 6, 9 and 10: what an entry is by itself, and where it stands."""
        draft = entry.draft
        hold(entry.seq == self.seq + 1, 4, "entries follow one another without a gap", entry)
        hold(draft.key not in self.keys, 5, "a key stands for one entry", entry)
        hold(draft.effective >= self.open_from or draft.kind is Kind.OPEN_FUND, 6, "no entry in a closed period", entry)
        hands = draft.maker and draft.approver and draft.maker != draft.approver
        hold(hands or draft.kind is Kind.REFUSAL, 9, "maker and approver differ", entry)
        name = _COVERED[entry.seq % len(_COVERED)]  # each in its turn
        hold(_with_another(entry, name).leaf != entry.leaf, 10, f"the leaf covers the {name}", entry)
        if draft.postings:
            lines, at = list(draft.postings), entry.seq % len(draft.postings)
            lines[at] = lines[at]._replace(amount_fen=lines[at].amount_fen + 1)
            hold(replace(entry, draft=replace(draft, postings=tuple(lines))).leaf != entry.leaf, 10, "each line", entry)

    def _sums_to_zero(self, entry: Entry) -> None:
        """1: in each fund, its money and its budget by themselves."""
        gaps: dict[tuple[str, bool], int] = {}
        for fund, account, _, side, fen in entry.draft.postings:
            gaps[fund, account in BUDGET] = gaps.get((fund, account in BUDGET), 0) + (fen if side == "D" else -fen)
        hold(not any(gaps.values()), 1, f"each fund sums to zero: {gaps}", entry)

    def _crosses_by_both_sides(self, entry: Entry) -> None:
        """7: what one fund gives or lends another takes in the same entry; a recovery settles a receivable instead."""
        given: dict[tuple[str, str, str], int] = {}
        for fund, account, detail, side, fen in entry.draft.postings:
            signed = fen if side == "D" else -fen
            if account in ("transfer_out", "due_from"):
                given[account[0], fund, detail] = given.get((account[0], fund, detail), 0) + signed
            elif account in ("transfer_in", "due_to"):
                given[account[0], detail, fund] = given.get((account[0], detail, fund), 0) + signed
            elif account == "receivable" and entry.draft.kind is Kind.RECOVERY:
                for giver in {p.fund for p in entry.draft.postings if p.account == "transfer_out"}:
                    given["t", giver, fund] = given.get(("t", giver, fund), 0) + signed
        if entry.draft.kind not in _MIRRORS:  # whose original has both
            hold(not any(given.values()), 7, f"both sides of a crossing stand in the entry: {given}", entry)

    def _is_permitted(self, entry: Entry) -> None:
        """3, and the evidence of 9: what goes out has a permit of that day with its purpose, payee class and taker."""
        draft = entry.draft
        if draft.kind not in _GOES_OUT:
            return
        for name in {p.fund for p in draft.postings if (p.account, p.side) == ("cash", "C")}:
            own = [p for p in draft.postings if p.fund == name]
            into = {holder_of(p.detail)[0] for p in own if p.account in ("transfer_out", "due_from")}
            into = into or {PAYEE if draft.kind is Kind.DISBURSEMENT else ""}
            held = {evidence.kind for evidence in draft.evidence}
            fits = any(
                (p.purpose, p.payee_class, {p.into}) == (draft.purpose, draft.payee_class, into)
                and p.start <= draft.effective
                and (p.until is None or draft.effective < p.until)
                and (held >= {*p.requires} or (draft.kind is Kind.ADVANCE and held))
                for p in self.funds[name].permits
            )
            hold(fits, 3, f"{name} permits it", entry)

    def _adds_up(self, entry: Entry) -> None:
        """2: no balance below nought, and cash behind all that is available or promised."""
        for fund, account, detail, side, fen in entry.draft.postings:
            key, change = (fund, account, detail), fen if side == NORMAL_SIDE[account] else -fen
            self.sums[key] = self.sums.get(key, 0) + change
            if account in ("unencumbered", "encumbered"):
                self.budget[fund] = self.budget.get(fund, 0) + change
        for fund, account, detail, _, _ in entry.draft.postings:
            hold(self.sums[fund, account, detail] >= 0, 2, f"{fund} {account} {detail} is not below nought", entry)
        for name in {p.fund for p in entry.draft.postings}:
            hold(
                self.budget.get(name, 0) <= self.sums.get((name, "cash", ""), 0),
                2,
                f"cash stands behind the budget of {name}",
                entry,
            )

    def _has_an_origin(self, entry: Entry) -> None:
        """8: each fen that goes out is of a receipt, and the parts sum to it."""
        self.origins.book(entry)
        gone: dict[str, int] = {}
        for fund, account, _, side, fen in entry.draft.postings:
            if account == "cash":
                gone[fund] = gone.get(fund, 0) + (fen if side == "C" else -fen)
        traced: dict[str, int] = {}
        for part in self.origins.of(entry.seq):
            traced[part.fund] = traced.get(part.fund, 0) + part.fen
            hold(0 < part.receipt.seq <= entry.seq, 8, "a part names a receipt", entry)
        if entry.draft.kind in _PAYS:
            hold(traced == {f: n for f, n in gone.items() if n > 0}, 8, f"the parts sum: {traced}, {gone}", entry)

    def _counts(self, entry: Entry) -> None:
        draft = entry.draft
        if draft.kind in (Kind.OPEN_FUND, Kind.AMEND_FUND):
            fund = Fund.from_terms(draft.terms, document=draft.document, clause=draft.clause)
            self.funds[fund.fund_id] = fund
        elif draft.kind in (Kind.CLOSE, Kind.REOPEN):
            year, month = map(int, draft.terms[0][1].split("-"))
            after = date(year + month // 12, month % 12 + 1, 1)
            self.open_from = after if draft.kind is Kind.CLOSE else date(year, month, 1)
        self.keys.add(draft.key)
        self.leaves.append(entry.leaf)
        self.seq = entry.seq

    def agree_with(self, balances: Mapping[BalanceKey, int]) -> None:
        """The sums of all postings are the balances that somebody has."""
        mine = {key: fen for key, fen in self.sums.items() if fen}
        if mine != balances:
            odd = sorted(set(mine.items()) ^ set(balances.items()))
            raise InvariantBroken(f"the balances are not the sums of the postings: {odd[:6]}")
