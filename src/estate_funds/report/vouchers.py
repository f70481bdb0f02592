"""Accounting vouchers (记账凭证) from journal entries: numbers, and a plain page for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from estate_funds.calendar import Month
from estate_funds.funds import BUDGET, MONEY, Side
from estate_funds.journal import Entry, Posting
from estate_funds.money import format_yuan
from estate_funds.text import pad


@dataclass(frozen=True, slots=True)
class Voucher:
    """An entry with its voucher number: 记-001, starting anew each month, without gaps.

    Numbers are derived, not stored: within the month of the effective date they follow the journal, and as a closed
    month takes no entry, a number never changes.
    """

    month: Month
    number: int
    entry: Entry

    @property
    def label(self) -> str:
        """Month and number."""
        return f"{self.month} 记-{self.number:03d}"


def number_vouchers(entries: Iterable[Entry]) -> Iterator[Voucher]:
    """Vouchers for the entries that move or promise money, in the order of the journal."""
    last: dict[Month, int] = {}
    for entry in entries:
        if entry.draft.postings:
            month = Month.of(entry.draft.effective)
            last[month] = last.get(month, 0) + 1
            yield Voucher(month, last[month], entry)


def voucher_text(voucher: Voucher) -> str:
    """One voucher as a plain page: date, number, narrative, lines with debit and credit, total, hands."""
    draft = voucher.entry.draft
    rows = [f"{voucher.label}   {draft.effective}   {draft.narrative}", f"  clause {draft.document} {draft.clause}"]
    for title, family in (("money", MONEY), ("budget", BUDGET)):
        postings = [p for p in draft.postings if p.account in family]
        if postings:
            rows.append(f"  {pad(title, 88)}{'debit':>16}{'credit':>16}")
            rows += [_line(p) for p in postings]
            debit = sum(p.amount_fen for p in postings if p.side == Side.DEBIT)
            rows.append(f"  {pad('  total', 88)}{format_yuan(debit):>16}{format_yuan(debit):>16}")
    attached = f"attachments {len(draft.evidence)}"
    rows.append(f"  preparer {draft.maker}   reviewer {draft.approver}   entry {voucher.entry.seq}   {attached}")
    return "\n".join(rows)


def _line(posting: Posting) -> str:
    name = f"  {posting.fund}  {posting.account}" + (f" ({posting.detail})" if posting.detail else "")
    amount = format_yuan(posting.amount_fen)
    debit, credit = (amount, "") if posting.side == Side.DEBIT else ("", amount)
    return f"  {pad(name, 88)}{debit:>16}{credit:>16}".rstrip()
