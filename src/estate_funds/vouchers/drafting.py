"""What every verb writes: the head of a draft, and the postings that recur."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, ParamSpec, TypeVar

from estate_funds.calendar import given_day
from estate_funds.errors import InputError
from estate_funds.funds import Account, Fund, Side
from estate_funds.journal import Draft, Entry, Kind, Posting
from estate_funds.ledger import Ledger, attempt_key

P = ParamSpec("P")
R = TypeVar("R")

D, C = Side.DEBIT.value, Side.CREDIT.value
_RECORDS: dict[str, tuple[type, str]] = {  # what a verb wants as such, and where a caller has it
    "Fund": (Fund, "give the fund itself: books.ledger.funds[fund_id]"),
    "Entry": (Entry, "give an entry as it is booked: books.entry(number)"),
    "Ledger": (Ledger, "give books.ledger"),
}


def verb(function: Callable[P, R]) -> Callable[P, R]:
    """A verb that says InputError where it is given something else than the Fund, Entry or Ledger that it wants."""
    named = {name: str(one.annotation).split(" | ") for name, one in inspect.signature(function).parameters.items()}
    places = list(named)
    wanted = {name: (types[0], "None" in types) for name, types in named.items() if {*types} <= {*_RECORDS, "None"}}

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for name, value in (*zip(places, args, strict=False), *kwargs.items()):
            if name in wanted and not (value is None and wanted[name][1]):
                kind, fix = _RECORDS[wanted[name][0]]
                if not isinstance(value, kind):
                    got = f"a {type(value).__name__}: {value!r}"[:80] if value is not None else "None"
                    where = f"{function.__name__}, {name}"
                    raise InputError(f"not a {kind.__name__}", where=where, got=got, wanted=kind.__name__, fix=fix)
        return function(*args, **kwargs)

    return checked


@dataclass(frozen=True, slots=True)
class Hands:
    """Who made a voucher and who approved it (制单, 审核): two people."""

    maker: str
    approver: str


def draft_of(kind: Kind, key: str, narrative: str, *, on: date, hands: Hands, **fields: Any) -> Draft:
    """A draft by its kind, key and hands; `fields` are those of `Draft`. InputError for what is no day, or no hands."""
    if not isinstance(hands, Hands):
        told = f"a {type(hands).__name__}"
        raise InputError(
            "nobody is named to make and approve it",
            where=f"{kind}, hands",
            got=told,
            wanted="Hands",
            fix="give hands=Hands(maker, approver)",
        )
    return Draft(
        kind=kind,
        effective=given_day(on, f"{kind}, on"),
        key=key,
        maker=hands.maker,
        approver=hands.approver,
        narrative=narrative,
        **fields,
    )


def budget_year(on: date) -> str:
    """The budget year that a day lies in, as accounts of the budget have it; DateError for what is no day."""
    return str(given_day(on, "on").year)


def line(fund: str, account: Account, side: str, amount_fen: int, detail: str = "") -> Posting:
    """One posting."""
    return Posting(fund, account.value, detail, side, amount_fen)


def arriving(fund: str, account: Account, detail: str, amount_fen: int, on: date) -> tuple[Posting, ...]:
    """Money arrives in a fund, and with it the authority to spend it."""
    return (
        line(fund, Account.CASH, D, amount_fen),
        line(fund, account, C, amount_fen, detail),
        line(fund, Account.AUTHORITY, D, amount_fen),
        line(fund, Account.UNENCUMBERED, C, amount_fen, budget_year(on)),
    )


def leaving(fund: str, account: Account, detail: str, amount_fen: int, on: date) -> tuple[Posting, ...]:
    """Budget and money leave a fund for another."""
    return (
        line(fund, account, D, amount_fen, detail),
        line(fund, Account.CASH, C, amount_fen),
        line(fund, Account.UNENCUMBERED, D, amount_fen, budget_year(on)),
        line(fund, Account.AUTHORITY, C, amount_fen),
    )


def crossing(giver: str, taker: str, amount_fen: int, on: date) -> tuple[Posting, ...]:
    """Budget and money leave one fund and arrive in another, outright."""
    return (
        *leaving(giver, Account.TRANSFER_OUT, taker, amount_fen, on),
        *arriving(taker, Account.TRANSFER_IN, giver, amount_fen, on),
    )


def liquidating(fund: str, spent: Posting, amount_fen: int, reference: str) -> tuple[Posting, ...]:
    """Cash leaves for something, and as much of a promise is kept."""
    return (
        spent,
        line(fund, Account.CASH, C, amount_fen),
        line(fund, Account.ENCUMBERED, D, amount_fen, reference),
        line(fund, Account.EXPENDED, C, amount_fen),
    )


def unused_key(ledger: Ledger, key: str) -> str:
    """The key, with the next number where it is used."""
    number = 1
    while ledger.key(attempt_key(key, number)) is not None:
        number += 1
    return attempt_key(key, number)
