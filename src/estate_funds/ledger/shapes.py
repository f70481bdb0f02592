"""Which accounts each kind of entry may touch, on which side. What is not here cannot be booked under that name."""

from __future__ import annotations

from collections.abc import Mapping

from estate_funds.funds import Account, Side
from estate_funds.journal import Kind

D, C = Side.DEBIT.value, Side.CREDIT.value
_RECEIVED = {("cash", D), ("authority", D), ("unencumbered", C)}
_GIVEN = {("cash", C), ("unencumbered", D), ("authority", C)}
_CROSSED = {("transfer_out", D), ("transfer_in", C)}
_LIQUIDATED = {("cash", C), ("encumbered", D), ("expended", C)}

SHAPES: Mapping[Kind, frozenset[tuple[str, str]]] = {
    Kind.OPEN_FUND: frozenset(),
    Kind.AMEND_FUND: frozenset(),
    Kind.APPROPRIATION: frozenset(_RECEIVED | {("funding", C)}),
    Kind.RECEIPT: frozenset(_RECEIVED | {("funding", C), ("payable", C)}),
    Kind.ENCUMBRANCE: frozenset({("unencumbered", D), ("encumbered", C)}),
    Kind.RELEASE: frozenset({("encumbered", D), ("unencumbered", C), ("authority", C)}),
    Kind.DISBURSEMENT: frozenset(_RECEIVED | _LIQUIDATED | _CROSSED | {("expenditure", D)}),
    Kind.ADVANCE: frozenset(_LIQUIDATED | {("advanced", D)}),
    Kind.SETTLEMENT: frozenset(_LIQUIDATED | {("expenditure", D), ("advanced", C)}),
    Kind.SPENDING: frozenset(_LIQUIDATED | {("unencumbered", D), ("expenditure", D), ("payable", D)}),
    Kind.TRANSFER: frozenset(_RECEIVED | _GIVEN | _CROSSED),
    Kind.LOAN: frozenset(_RECEIVED | _GIVEN | {("due_from", D), ("due_to", C)}),
    Kind.REPAYMENT: frozenset(_RECEIVED | _GIVEN | {("due_to", D), ("due_from", C)}),
    Kind.CLAW_BACK: frozenset({("receivable", D), ("recovery", C)}),
    Kind.RECOVERY: frozenset(_RECEIVED | _GIVEN | {("transfer_out", D), ("receivable", C)}),
    Kind.WAIVER: frozenset({("recovery", D), ("receivable", C)}),
    Kind.CARRY_FORWARD: frozenset({("unencumbered", D), ("unencumbered", C), ("authority", C)}),
    Kind.SURRENDER: frozenset({("surrendered", D), ("cash", C)}),
    Kind.CLOSE: frozenset(),
    Kind.REOPEN: frozenset(),
    Kind.REFUSAL: frozenset(),
}
MIRRORS = frozenset({Kind.REVERSAL, Kind.CORRECTION})  # of the entry that they name, so without a shape of their own

HANDED = frozenset({Account.TRANSFER_OUT.value, Account.DUE_FROM.value})  # detail: the fund that takes
# What goes out, is promised, counts as spent, or is another fund's from now on passes the fence, whatever the entry is
# called, and whether cash moves or not: two debts that offset each other are two debts.
FENCED = frozenset(
    {(Account.CASH.value, C), (Account.ENCUMBERED.value, C), (Account.EXPENDITURE.value, D)}
    | {(account, D) for account in HANDED}
)
# Not by the fence but by rules of their own: a debt that is paid back, and what lapsed and goes back to its source.
UNFENCED = frozenset({Kind.REPAYMENT, Kind.SURRENDER})
UNSPENT = frozenset({Account.UNENCUMBERED.value, Account.ENCUMBERED.value})
# Both halves of what crosses funds, giver's account first. What a recovery takes from a fund settles the receivable.
CROSSINGS = (("transfer_out", "transfer_in"), ("due_from", "due_to"))

# Kinds that have terms, and those that may have them.
DEFINING = (Kind.OPEN_FUND, Kind.AMEND_FUND)
WITH_TERMS = frozenset({*DEFINING, Kind.CLOSE, Kind.REOPEN, Kind.REFUSAL})
# What a decision of somebody else rests on: a document, a clause, and the paper that says so.
ON_APPROVAL = frozenset({Kind.LOAN, Kind.WAIVER, Kind.REOPEN})
# Accounts that are not divided by a detail.
WHOLE = frozenset({Account.CASH.value, Account.AUTHORITY.value, Account.EXPENDED.value})
# What the postings of each account must say again of the entry.
TOLD = {
    Account.ENCUMBERED.value: "reference",
    Account.EXPENDITURE.value: "purpose",
    Account.ADVANCED.value: "reference",
    Account.RECEIVABLE.value: "reference",
    Account.RECOVERY.value: "reference",
}
