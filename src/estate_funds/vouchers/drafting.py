"""What every verb writes: the head of a draft, and the postings that recur."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from estate_funds.calendar import given_day
from estate_funds.errors import InputError
from estate_funds.funds import Account, Side
from estate_funds.journal import Draft, Kind, Posting

D, C = Side.DEBIT.value, Side.CREDIT.value


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
