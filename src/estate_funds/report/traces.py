"""The way of one voucher's money: back to its receipts, and on from a receipt to the invoices that it paid."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from estate_funds.errors import InputError
from estate_funds.journal import Entry
from estate_funds.money import format_yuan
from estate_funds.provenance import Forward, Part, Provenance, Receipt, Ways
from estate_funds.provenance.parts import entry_text
from estate_funds.provenance.ways import backward, forward
from estate_funds.report.sankey import sankey_svg
from estate_funds.report.vouchers import number_vouchers
from estate_funds.text import counted, table

_LABEL = re.compile(r"([0-9]{4}-[0-9]{2})[ /-](?:记-?)?([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class EntryTrace:
    """What one entry paid, part by part, what came back in it, and, where it brought receipts, what became of them.

    `labels` are the voucher numbers of entries, `entries` those that are named.
    """

    entry: Entry
    out: tuple[Part, ...]
    back: tuple[Part, ...]
    onward: Forward | None
    labels: Mapping[int, str]
    entries: Mapping[int, Entry]

    def ways(self) -> Ways:
        """The picture of it: backwards where it paid, else forwards."""
        if self.onward is not None:
            return forward(lambda seq: self.entries[seq].draft, self.onward.spent, self.onward.left)
        return backward(self.entry.draft, self.out)

    def to_svg(self, *, locale: str = "en") -> str:
        """The picture as an SVG document, amounts in yuan."""
        label = self.labels.get(self.entry.seq, "")
        title = " ".join(filter(None, (f"{self.entry.seq}", label, self.entry.draft.narrative)))
        return sankey_svg(self.ways(), title, locale=locale)

    def to_text(self) -> str:
        """For people, amounts in yuan."""
        if self.onward is None:
            return entry_text(self.entry.seq, self.out, self.back)
        paid = [entry_text(self.entry.seq, self.out, self.back)] if self.out or self.back else []
        return "\n".join([*_forward_text(self.onward, self), *paid])

    def to_json(self) -> dict[str, Any]:
        """For programs, amounts in fen."""
        draft = self.entry.draft
        said: dict[str, Any] = {
            "entry": self.entry.seq,
            "voucher": self.labels.get(self.entry.seq, ""),
            "day": str(draft.effective),
            "kind": draft.kind.value,
            "narrative": draft.narrative,
            "out": [self._part(part) for part in self.out],
            "back": [self._part(part) for part in self.back],
        }
        if (found := self.onward) is not None:
            said["receipt"] = {
                "came": [self._receipt(receipt) | {"fen": fen} for receipt, fen in found.came],
                "received_fen": found.received_fen,
                "made_good_fen": found.made_good_fen,
                "spent_fen": found.spent_fen,
                "left_fen": found.left_fen,
                "spent": [self._spent(seq) | self._part(part) for seq, part in found.spent],
                "left": [self._part(part) for part in found.left],
            }
        return said

    def _spent(self, seq: int) -> dict[str, Any]:
        draft = self.entries[seq].draft
        return {
            "entry": seq,
            "voucher": self.labels.get(seq, ""),
            "day": str(draft.effective),
            "payee": draft.payee,
            "purpose": draft.purpose,
            "documents": [{"kind": kind, "sha256": digest} for kind, digest in draft.evidence],
        }

    def _part(self, part: Part) -> dict[str, Any]:
        return {
            "fund": part.fund,
            "into": part.into,
            "fen": part.fen,
            "back_fen": part.back_fen,
            "receipt": self._receipt(part.receipt),
            "way": [{"entry": seq, "fund": fund} for seq, fund in part.way],
            "made_good": [{"entry": m.seq, "receipt": m.receipt.seq, "fen": m.fen} for m in part.made_good],
        }

    def _receipt(self, receipt: Receipt) -> dict[str, Any]:
        return {
            "entry": receipt.seq,
            "voucher": self.labels.get(receipt.seq, ""),
            "day": str(receipt.day),
            "fund": receipt.fund,
            "source": receipt.source,
            "document": receipt.document,
            "clause": receipt.clause,
        }


def trace_entry(entries: Iterable[Entry], traced: Provenance, seq: int, *, receipt: bool = False) -> EntryTrace:
    """The trace of one entry of a journal; with `receipt`, InputError where it brought no money from outside.

    `entries` is the journal that was traced. InputError where it has no such entry.
    """
    known = {entry.seq: entry for entry in entries}
    if seq not in known:
        raise InputError("there is no such entry", where="the journal", got=seq, wanted=f"1 to {len(known)}")
    found = traced.forward(seq)
    if receipt and not found.came:
        fix = "name an appropriation or a receipt; for what an entry paid: --voucher"
        kind = known[seq].draft.kind.value
        raise InputError("the entry brought no money from outside", where=f"entry {seq}", got=kind, fix=fix)
    labels = {voucher.entry.seq: voucher.label for voucher in number_vouchers(known.values())}
    onward = found if found.came else None
    return EntryTrace(known[seq], traced.of(seq), traced.came_back(seq), onward, labels, known)


def entry_number(entries: Iterable[Entry], voucher: str) -> int:
    """The number of the entry that a voucher stands for: its own number, or month and number as vouchers show them.

    InputError where there is no such voucher.

    >>> entry_number([], "74")
    74
    """
    if re.fullmatch("[0-9]{1,18}", voucher):
        return int(voucher)
    named = _LABEL.fullmatch(voucher.strip())
    if named is None:
        wanted = "the number of an entry, or a voucher such as 2024-05-记-003 or 2024-05-3"
        raise InputError("not a voucher", where="--voucher", got=voucher, wanted=wanted)
    number, most = int(named[2]), 0
    for found in number_vouchers(entries):
        if str(found.month) == named[1]:
            most = found.number
            if most == number:
                return found.entry.seq
    month = f"{named[1]} has " + (f"the vouchers 1 to {most}" if most else "no vouchers")
    raise InputError("there is no such voucher", where="--voucher", got=voucher, wanted=month)


def _forward_text(found: Forward, about: EntryTrace) -> Iterator[str]:
    label = about.labels.get(found.seq, "")
    for receipt, fen in found.came:
        gone, ground = "" if fen else ", undone since", f"[{receipt.document} {receipt.clause}]"
        brought = f"{format_yuan(fen)} of {receipt.source} into {receipt.fund} on {receipt.day}"
        yield f"receipt {found.seq} ({label}): {brought} {ground}{gone}"
    yield f"  spent: {format_yuan(found.spent_fen)} in {counted(len(found.spent), 'part')}"
    if found.spent:
        yield _spent_table(found, about)
    yield f"  left: {format_yuan(found.left_fen)}"
    if found.left:
        rows = [("yuan", "fund", "way")]
        for part in found.left:
            way = " > ".join(f"{fund} (entry {seq})" for seq, fund in part.way)
            rows.append((format_yuan(part.fen), part.fund, way))
        yield table(rows, right=(0,), indent="    ")
    if found.made_good_fen > 0:
        yield f"  other receipts stand in for {format_yuan(found.made_good_fen)} of it, taken back after use"
    elif found.made_good_fen < 0:
        yield f"  {format_yuan(-found.made_good_fen)} of it stand in for other receipts, taken back after use"


def _spent_table(found: Forward, about: EntryTrace) -> str:
    rows = [("yuan", "entry", "voucher", "day", "payee", "purpose", "fund", "documents")]
    for seq, part in found.spent:
        draft = about.entries[seq].draft
        papers = ", ".join(f"{kind} {digest[:12]}" for kind, digest in draft.evidence)
        named = (draft.payee, draft.purpose or draft.kind.value, part.fund, papers)
        rows.append((format_yuan(part.fen), str(seq), about.labels.get(seq, ""), str(draft.effective), *named))
    return table(rows, right=(0, 1), indent="    ")


__all__ = ["EntryTrace", "entry_number", "trace_entry"]
