"""Funds, their fences, and the accounts inside each.

A fund is a self-balancing set of accounts (自求平衡的一组账户): every entry sums to zero within each fund that it
touches, so money cannot leave one without a declared pair of postings. Two families of accounts stand side by side:

* the money: `cash`; `funding` and `transfer_in` (where it came from); `expenditure`, `transfer_out` and `surrendered`
  (where it went); `payable` (collected for others, until it is paid on); `advanced` (paid ahead of the audited amount);
  `receivable` against `recovery` (what must be given back); `due_from` against `due_to` (lent between funds);
* the budget: `authority` (what was appropriated) against `unencumbered` (what is available), `encumbered` (what is
  promised to a claim) and `expended`.

Each family balances on its own (平行记账). Each account has a normal side, and no balance may ever stand on the other:
cash is never negative, nothing available is spent twice, no claim is paid beyond its encumbrance. What is *available*
is the balance of `unencumbered`; the sum of all postings of a fund is always zero and says nothing.

A fund's fence is deny by default: what no permit names (purpose x payee class x period) is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache

from estate_funds.calendar import parse_day
from estate_funds.errors import Malformed

Terms = tuple[tuple[str, ...], ...]


PAYEE = "payee"  # instead of a fund that takes: out of the books, and only on a claim


class Side(StrEnum):
    """Debit (借) or credit (贷)."""

    DEBIT = "D"
    CREDIT = "C"


class Account(StrEnum):
    """The accounts of every fund; the posting's detail refines them (source, purpose, claim, budget year, fund)."""

    CASH = "cash"
    FUNDING = "funding"  # detail: the source
    PAYABLE = "payable"  # what is held for others (代收款), instead of funding and expenditure
    TRANSFER_IN = "transfer_in"  # detail: the fund that gave
    TRANSFER_OUT = "transfer_out"  # detail: the fund that took
    EXPENDITURE = "expenditure"  # detail: the purpose
    SURRENDERED = "surrendered"  # cash of lapsed budget, given back; detail: to whom
    ADVANCED = "advanced"  # prepaid (预付), until the audited amount is known; detail: the reference
    RECEIVABLE = "receivable"  # claimed back (应收), and not yet here; detail: the entry that paid it
    RECOVERY = "recovery"  # what was claimed back, less what was waived; detail: the same
    DUE_FROM = "due_from"  # lent to another fund; detail: that fund
    DUE_TO = "due_to"  # borrowed from another fund; detail: that fund
    AUTHORITY = "authority"
    UNENCUMBERED = "unencumbered"  # detail: the budget year
    ENCUMBERED = "encumbered"  # detail: the claim
    EXPENDED = "expended"


NORMAL_SIDE: Mapping[str, str] = {
    Account.CASH: Side.DEBIT,
    Account.FUNDING: Side.CREDIT,
    Account.PAYABLE: Side.CREDIT,
    Account.TRANSFER_IN: Side.CREDIT,
    Account.TRANSFER_OUT: Side.DEBIT,
    Account.EXPENDITURE: Side.DEBIT,
    Account.SURRENDERED: Side.DEBIT,
    Account.ADVANCED: Side.DEBIT,
    Account.RECEIVABLE: Side.DEBIT,
    Account.RECOVERY: Side.CREDIT,
    Account.DUE_FROM: Side.DEBIT,
    Account.DUE_TO: Side.CREDIT,
    Account.AUTHORITY: Side.DEBIT,
    Account.UNENCUMBERED: Side.CREDIT,
    Account.ENCUMBERED: Side.CREDIT,
    Account.EXPENDED: Side.CREDIT,
}


# The two families; each balances on its own within a fund.
BUDGET = frozenset({Account.AUTHORITY, Account.UNENCUMBERED, Account.ENCUMBERED, Account.EXPENDED})
MONEY = frozenset(set(Account) - BUDGET)


@dataclass(frozen=True, slots=True)
class Permit:
    """One thing that a fund may pay for: to whom, into which fund, when, on which evidence, by which clause.

    `into` is the key of the fund that takes; empty for money that is spent, PAYEE for what is paid out on a claim.
    """

    purpose: str
    payee_class: str
    into: str
    start: date
    until: date | None
    requires: tuple[str, ...]
    clause: str


@dataclass(frozen=True, slots=True)
class Fund:
    """A ring-fenced fund as the journal knows it: its definition is an entry, so that replay needs nothing else.

    `fund_id` is `<key>/<level>/<holder>`, such as `community-shortfall/community/院一`.
    """

    fund_id: str
    title: str
    document: str
    clause: str
    carry_forward: bool
    provenance: str
    permits: tuple[Permit, ...]
    held_for_others: bool = False  # collected for a utility: a liability, not income
    surplus_after_years: int = 0  # carried forward so often and unused, budget lapses as surplus; 0: never

    def permits_for(self, purpose: str, payee_class: str) -> list[Permit]:
        """The permits of a purpose and payee class, whatever their period."""
        return [p for p in self.permits if p.purpose == purpose and p.payee_class == payee_class]

    def to_terms(self) -> Terms:
        """The definition as terms of the entry that opens the fund."""
        head: list[tuple[str, ...]] = [
            ("fund", self.fund_id),
            ("title", self.title),
            ("carry_forward", "yes" if self.carry_forward else "no"),
            ("provenance", self.provenance),
        ]
        if self.held_for_others:
            head.append(("held_for_others", "yes"))
        if self.surplus_after_years:
            head.append(("surplus_after_years", str(self.surplus_after_years)))
        rows = (
            (
                "permit",
                p.purpose,
                p.payee_class,
                p.into,
                str(p.start),
                str(p.until or ""),
                ",".join(p.requires),
                p.clause,
            )
            for p in self.permits
        )
        return (*head, *rows)

    @classmethod
    def from_terms(cls, terms: Terms, *, document: str, clause: str) -> Fund:
        """The definition back from an entry; KeyError or ValueError where it is none."""
        single = {term[0]: term[1] for term in terms if term[0] != "permit"}
        permits = tuple(_permit(term) for term in terms if term[0] == "permit")
        return cls(
            single["fund"],
            single["title"],
            document,
            clause,
            {"yes": True, "no": False}[single["carry_forward"]],
            single["provenance"],
            permits,
            {"yes": True, "no": False}[single.get("held_for_others", "no")],
            int(single.get("surplus_after_years", "0")),
        )


@lru_cache(maxsize=4096)  # a thousand communities share the few permits of their document
def _permit(term: tuple[str, ...]) -> Permit:
    _, purpose, payee_class, into, start, until, requires, clause = term
    last = parse_day(until) if until else None
    return Permit(purpose, payee_class, into, parse_day(start), last, tuple(filter(None, requires.split(","))), clause)


def fund_id(key: str, level: str, holder: str) -> str:
    """The id of the fund that a holder keeps under a document's fund key.

    >>> fund_id("award-budget", "city", "南昌市")
    'award-budget/city/南昌市'
    """
    return f"{key}/{level}/{holder}"


def holder_of(fund: str) -> tuple[str, str, str]:
    """A fund id taken apart: key, level, holder; Malformed where it is none."""
    parts = fund.split("/", 2)
    if len(parts) < 3:
        raise Malformed("not the id of a fund", got=fund, wanted="key/level/holder", fix="name a fund that is open")
    key, level, holder = parts
    return key, level, holder
