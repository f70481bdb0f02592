"""What was paid for each claim and is not claimed back: from which fund to which, when, and by which entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from estate_funds.funds import Account, Side
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.vouchers import REFUND

Way = tuple[str, str]  # the fund that pays, and the one that takes; empty where the money leaves the books
_SPENT = (Account.TRANSFER_OUT, Account.EXPENDITURE)
_UNDOING = (Kind.REVERSAL, Kind.CORRECTION, Kind.CLAW_BACK)


@dataclass(slots=True)
class Paid:
    """The payments of one claim: fen by way, the last day by way, the last day of all, the entries that moved money."""

    ways: dict[Way, int] = field(default_factory=dict)
    days: dict[Way, date] = field(default_factory=dict)
    on: date | None = None
    entries: list[int] = field(default_factory=list)

    @property
    def standing(self) -> dict[Way, int]:
        """What is left of it, by way."""
        return {way: fen for way, fen in self.ways.items() if fen}

    @property
    def fen(self) -> int:
        """What is left of it in all."""
        return sum(self.ways.values())


def payments(entries: Iterable[Entry]) -> dict[str, Paid]:
    """What was paid for each claim, by its id.

    Reversals and corrections are taken off; what was claimed back and then waived stays claimed back.
    """
    found: dict[str, Paid] = {}
    booked: dict[str, Draft] = {}  # seq -> payment or refund
    for entry in entries:
        draft = entry.draft
        if draft.kind is Kind.DISBURSEMENT or is_refund(draft):
            booked[str(entry.seq)] = draft
        elif draft.kind not in _UNDOING or draft.reference not in booked:
            continue
        first = booked[draft.reference] if draft.kind in _UNDOING else draft
        paid = found.setdefault(first.reference, Paid())
        paid.entries.append(entry.seq)
        if draft.kind is Kind.DISBURSEMENT:
            paid.on = draft.effective
        for way, fen in _moved(draft, first):
            way, fen = (way[::-1], -fen) if is_refund(first) else (way, fen)
            paid.ways[way] = paid.ways.get(way, 0) + fen
            if draft.kind is Kind.DISBURSEMENT:
                paid.days[way] = draft.effective
    return found


def is_refund(draft: Draft) -> bool:
    """Whether an entry gives back what was advanced on a claim."""
    return draft.kind is Kind.TRANSFER and draft.purpose == REFUND and bool(draft.reference)


def _moved(draft: Draft, first: Draft) -> Iterator[tuple[Way, int]]:
    """From which fund to which how much a payment moved, or what undoes it took off."""
    into = {
        p.fund: p.detail if p.account == Account.TRANSFER_OUT else "" for p in first.postings if p.account in _SPENT
    }
    for posting in draft.postings:
        if posting.account in _SPENT:
            sign = 1 if posting.side == Side.DEBIT else -1
            yield (posting.fund, into[posting.fund]), sign * posting.amount_fen
        elif posting.account == Account.RECEIVABLE and draft.kind is Kind.CLAW_BACK:
            yield (posting.fund, into[posting.fund]), -posting.amount_fen


__all__ = ["Paid", "Way", "is_refund", "payments"]
