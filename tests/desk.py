"""A bookkeeper's desk for tests of the gate: a ledger, funds with different rules, and the verbs in short."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from conftest import HANDS, TODAY, make_fund
from estate_funds.calendar import Month
from estate_funds.errors import Refusal
from estate_funds.funds import PAYEE, Account, Fund, Permit
from estate_funds.journal import Draft, Entry, Evidence, Kind
from estate_funds.ledger import Ledger, attempt_key, replay
from estate_funds.vouchers import (
    advance,
    appropriate,
    carry_forward,
    claw_back,
    close,
    lend,
    open_fund,
    promise,
    recover,
    release,
    reopen,
    repay,
    reverse,
    settle,
    spend,
    surrender,
    transfer,
    waive,
)

D1 = date(2022, 1, 5)
INVOICE = Evidence("invoice", "0" * 64)
AUDIT = Evidence("audit", "1" * 64)
PAPERS = (INVOICE, AUDIT)
APPROVAL = (Evidence("approval", "2" * 64),)
NEEDS = {"repair": ("invoice", "audit"), "cleaning": ("invoice",)}


def permit(purpose: str, payee_class: str, into: str = "") -> Permit:
    return Permit(purpose, payee_class, into, date(2015, 1, 1), None, NEEDS.get(purpose, ()), f"on {purpose}")


def restricted(fund_id: str, *permits: Permit, **changes: Any) -> Fund:
    """A fund that repairs and cleans through enterprises, and what else its permits say."""
    usual = (permit("repair", "enterprise"), permit("cleaning", "enterprise"))
    return replace(make_fund(fund_id), permits=(*usual, *permits), **changes)


CITY = restricted(
    "budget/city/c", permit("award", "community", "share"), permit("grant", "community", PAYEE), carry_forward=False
)
SHARE = restricted(
    "share/community/k",
    permit("refund", "city", "budget"),
    permit("bridge", "community", "queue"),
    provenance="proportional",
)
QUEUE = restricted("queue/community/q", permit("refund", "community", "share"))
LAPSING = restricted("year/city/c", permit("bridge", "community", "queue"), carry_forward=False)
TWO_YEARS = restricted("two/community/k", permit("bridge", "community", "queue"), surplus_after_years=2)
AGENCY = replace(make_fund("agency/community/k"), permits=(permit("remit", "utility"),), held_for_others=True)
FUNDS = (CITY, SHARE, QUEUE, LAPSING, TWO_YEARS, AGENCY)


def state(ledger: Ledger) -> tuple[object, ...]:
    """All that a ledger holds, to be compared later; what is in its tables never changes, so copies of them will do."""
    tables = (
        ledger.funds,
        ledger.balances,
        ledger.inflows,
        ledger.keys,
        ledger.booked,
        ledger.reversed,
        ledger.promises,
    )
    return (*map(copy.copy, tables), ledger.closed_through, ledger.recorded, ledger.seq, ledger.head)


class Desk:
    """A ledger with open funds, and every entry that it took."""

    def __init__(self, *funds: Fund) -> None:
        self.ledger, self.entries, self.count = Ledger(), list[Entry](), 0
        for fund in funds or FUNDS:
            self.book(open_fund(fund, on=date(2021, 1, 1), hands=HANDS))

    @property
    def key(self) -> str:
        self.count += 1
        return f"k{self.count}"

    def book(self, draft: Draft) -> Entry:
        entry = self.ledger.post(draft, recorded=TODAY)
        assert entry is not None, f"{draft.key} is booked already"
        self.entries.append(entry)
        return entry

    def chain(self, drafts: Iterable[Draft]) -> list[Entry]:
        return [self.book(draft) for draft in drafts]

    def refuses(self, draft: Draft, error: type[Refusal], words: str | None = None) -> Refusal:
        """The refusal, which left everything as it was."""
        before = state(self.ledger)
        with pytest.raises(error, match=words) as caught:
            self.ledger.post(draft, recorded=TODAY)
        assert type(caught.value) is error or error is Refusal
        assert state(self.ledger) == before
        return caught.value

    def replays(self) -> None:
        """The entries, folded anew, leave the same state."""
        assert state(replay(self.entries)) == state(self.ledger)

    def has(self, fund: Fund, account: Account, detail: str | None = None) -> int:
        return self.ledger.balance(fund.fund_id, account, detail)

    def free(self, fund: Fund) -> int:
        return self.ledger.available(fund.fund_id)

    def surplus(self, fund: Fund) -> int:
        return self.ledger.surplus_cash(fund.fund_id)

    # --- drafts ---

    def promising(self, fund: Fund, fen: int, reference: str, *, on: date = D1, expires: date | None = None, key: str = "", **changes: Any) -> Draft:  # fmt: skip
        wanted = {"purpose": "repair", "payee": "firm", "payee_class": "enterprise"} | changes
        return promise(
            fund, fen, reference=reference, on=on, expires=expires, key=key or self.key, hands=HANDS, **wanted
        )

    def spending(self, fund: Fund, fen: int, *, against: str = "", on: date = D1, **changes: Any) -> Draft:
        wanted = {"purpose": "repair", "payee": "firm", "payee_class": "enterprise", "evidence": PAPERS} | changes
        return spend(fund, fen, against=against, on=on, key=self.key, hands=HANDS, **wanted)

    def advancing(self, fund: Fund, fen: int, reference: str, *, on: date = D1, **changes: Any) -> Draft:
        wanted = {"purpose": "repair", "payee": "firm", "payee_class": "enterprise", "evidence": (INVOICE,)} | changes
        return advance(fund, fen, reference=reference, on=on, key=self.key, hands=HANDS, **wanted)

    def settling(self, fund: Fund, audited: int, advanced: Entry | list[Entry], *, on: date = D1, evidence: tuple[Evidence, ...] = PAPERS) -> list[Draft]:  # fmt: skip
        return settle(self.ledger, fund, audited, advanced, on=on, key=self.key, hands=HANDS, evidence=evidence)

    def claiming(self, entry: Entry, amounts: dict[str, int] | None = None, *, on: date = D1) -> Draft:
        return claw_back(entry, amounts, on=on, key=self.key, hands=HANDS, narrative="paid wrongly")

    def collecting(self, entry: Entry, taker: Fund, fen: int, *, on: date = D1, **changes: Any) -> Draft:
        told = {"on": on, "key": self.key, "hands": HANDS, "narrative": "it came back", "ledger": self.ledger} | changes
        return recover(entry, taker, fen, **told)

    def waiving(self, entry: Entry, amounts: dict[str, int], *, on: date = D1, document: str = "decision 3", clause: str = "2", evidence: tuple[Evidence, ...] = APPROVAL) -> Draft:  # fmt: skip
        return waive(entry, amounts, on=on, key=self.key, hands=HANDS, narrative="the firm is gone", document=document, clause=clause, evidence=evidence)  # fmt: skip

    def lending(self, lender: Fund, borrower: Fund, fen: int, *, on: date = D1, purpose: str = "bridge") -> Draft:
        return lend(
            lender,
            borrower,
            fen,
            purpose=purpose,
            on=on,
            key=self.key,
            hands=HANDS,
            clause="4",
            narrative="loan",
            evidence=APPROVAL,
        )

    def repaying(self, borrower: Fund, lender: Fund, fen: int, *, on: date = D1, **changes: Any) -> Draft:
        return repay(borrower, lender, fen, on=on, key=self.key, hands=HANDS, clause="4", narrative="back", **changes)

    def moving(self, giver: Fund, taker: Fund, fen: int, purpose: str, *, on: date = D1) -> Draft:
        return transfer(
            giver, taker, fen, purpose=purpose, on=on, key=self.key, hands=HANDS, clause="1", narrative="move"
        )

    def surrendering(self, fund: Fund, fen: int, source: str = "city", *, on: date) -> Draft:
        return surrender(fund, source, fen, on=on, key=self.key, hands=HANDS, clause="5", narrative="surplus")

    def reversing(self, entry: Entry, *, on: date = D1, **changes: Any) -> Draft:
        return reverse(entry, on=on, hands=HANDS, narrative="wrong", **changes)

    def releasing(self, reference: str, *, on: date = D1, **changes: Any) -> Draft:
        return release(self.ledger, reference, on=on, hands=HANDS, narrative="not needed", **changes)

    def reopening(self, month: str, *, on: date, evidence: tuple[Evidence, ...] = APPROVAL) -> Draft:
        return reopen(Month.parse(month), on=on, key=self.key, hands=HANDS, document="decision 1", clause="2", narrative="a bill was lost", evidence=evidence)  # fmt: skip

    # --- entries ---

    def fund(
        self, fund: Fund, fen: int, *, source: str = "city", on: date = D1, kind: Kind = Kind.APPROPRIATION
    ) -> Entry:
        return self.book(appropriate(fund, source, fen, on=on, key=self.key, hands=HANDS, kind=kind))

    def promise(self, fund: Fund, fen: int, reference: str, **changes: Any) -> Entry:
        return self.book(self.promising(fund, fen, reference, **changes))

    def spend(self, fund: Fund, fen: int, **changes: Any) -> Entry:
        return self.book(self.spending(fund, fen, **changes))

    def end_year(self, year: int) -> None:
        self.chain(carry_forward(self.ledger, year, hands=HANDS))

    def close_year(self, year: int) -> None:
        self.end_year(year)
        self.book(close(Month.parse(f"{year}-12"), on=date(year + 1, 1, 1), hands=HANDS, ledger=self.ledger))


__all__ = [
    "AGENCY", "APPROVAL", "AUDIT", "CITY", "D1", "FUNDS", "INVOICE", "LAPSING", "PAPERS", "QUEUE", "SHARE", "TWO_YEARS",
    "Desk", "attempt_key", "permit", "restricted", "state",
]  # fmt: skip
