"""Where each fund stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from estate_funds.funds import Account
from estate_funds.ledger import BalanceKey, Ledger

_RECEIVED = (Account.FUNDING, Account.PAYABLE, Account.TRANSFER_IN, Account.DUE_TO, Account.RECOVERY)
_PAID = (Account.EXPENDITURE, Account.TRANSFER_OUT, Account.SURRENDERED, Account.ADVANCED, Account.DUE_FROM)


@dataclass(frozen=True, slots=True)
class FundBalance:
    """Where a fund stands, in fen: received = paid out + cash, and cash = encumbered + available (+ lapsed).

    Received counts what was collected of claims for money back, and what is borrowed; paid what is advanced or lent.
    """

    fund: str
    title: str
    received_fen: int
    paid_fen: int
    cash_fen: int
    encumbered_fen: int
    available_fen: int


def fund_balances(ledger: Ledger) -> list[FundBalance]:
    """Every fund of a ledger, by fund id."""
    return balances_of(ledger.balances, {fund: held.title for fund, held in ledger.funds.items()})


def balances_of(balances: Mapping[BalanceKey, int], titles: Mapping[str, str]) -> list[FundBalance]:
    """Every fund that `titles` names, from balances in fen on each account's normal side."""
    sums: dict[tuple[str, str], int] = {}
    for (fund, account, _), fen in balances.items():
        sums[fund, account] = sums.get((fund, account), 0) + fen

    def total(fund: str, *accounts: Account) -> int:
        return sum(sums.get((fund, account.value), 0) for account in accounts)

    return [
        FundBalance(
            fund=fund,
            title=titles[fund],
            received_fen=total(fund, *_RECEIVED) - total(fund, Account.RECEIVABLE),
            paid_fen=total(fund, *_PAID),
            cash_fen=total(fund, Account.CASH),
            encumbered_fen=total(fund, Account.ENCUMBERED),
            available_fen=total(fund, Account.UNENCUMBERED),
        )
        for fund in sorted(titles)
    ]
