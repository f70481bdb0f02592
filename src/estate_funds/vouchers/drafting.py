"""What every verb writes: the head of a draft, and the postings that recur."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from estate_funds.funds import Account, Side
from estate_funds.journal import Draft, Kind, Posting

D, C = Side.DEBIT.value, Side.CREDIT.value


@dataclass(frozen=True, slots=True)
class Hands:
    """Who made a voucher and who approved it (制单, 审核): two people."""

    maker: str
    approver: str


def draft_of(kind: Kind, key: str, narrative: str, *, on: date, hands: Hands, **fields: Any) -> Draft:
    """A draft by its kind, key and hands; `fields` are those of `Draft`."""
    return Draft(
        kind=kind,
        effective=on,
        key=key,
        maker=hands.maker,
        approver=hands.approver,
        narrative=narrative,
        **fields,
    )


def line(fund: str, account: Account, side: str, amount_fen: int, detail: str = "") -> Posting:
    """One posting."""
    return Posting(fund, account.value, detail, side, amount_fen)


def arriving(fund: str, account: Account, detail: str, amount_fen: int, on: date) -> tuple[Posting, ...]:
    """Money arrives in a fund, and with it the authority to spend it."""
    return (
        line(fund, Account.CASH, D, amount_fen),
        line(fund, account, C, amount_fen, detail),
        line(fund, Account.AUTHORITY, D, amount_fen),
        line(fund, Account.UNENCUMBERED, C, amount_fen, str(on.year)),
    )


def leaving(fund: str, account: Account, detail: str, amount_fen: int, on: date) -> tuple[Posting, ...]:
    """Budget and money leave a fund for another."""
    return (
        line(fund, account, D, amount_fen, detail),
        line(fund, Account.CASH, C, amount_fen),
        line(fund, Account.UNENCUMBERED, D, amount_fen, str(on.year)),
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
