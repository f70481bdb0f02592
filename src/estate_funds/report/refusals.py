"""What the gate refused: who asked for what, and on what ground it was denied."""

from __future__ import annotations

from collections.abc import Iterable

from estate_funds.journal import Draft, Entry, Kind
from estate_funds.money import format_yuan
from estate_funds.text import counted


def refusals_text(entries: Iterable[Entry]) -> str:
    """Every recorded refusal of a journal, in order, and how many there are."""
    found = [entry for entry in entries if entry.draft.kind is Kind.REFUSAL]
    blocks = [_block(entry) for entry in found]
    return "\n".join([*blocks, counted(len(found), "refusal")])


def _block(entry: Entry) -> str:
    draft = entry.draft
    reason = {term[0]: " ".join(term[1:]) for term in draft.terms if term[:1] != ("asked",)}
    asked = {term[1]: " ".join(term[2:]) for term in draft.terms if term[:1] == ("asked",)}
    lines = [f"entry {entry.seq}, recorded {entry.recorded}: {reason.get('refused', '')}: {reason.get('what', '')}"]
    details = (
        ("asked:", f"{asked.get('kind', '')} {asked.get('key', '')}, effective {asked.get('effective', '')}"),
        ("says:", asked.get("narrative", "")),
        ("to pay:", _payment(draft)),
        ("by:", f"{draft.maker or 'nobody'}, approved by {draft.approver or 'nobody'}"),
        ("got:", reason.get("got", "")),
        ("wanted:", reason.get("wanted", "")),
        ("clause:", reason.get("clause", "")),
    )
    return "\n".join([*lines, *(f"  {label:<8} {text}" for label, text in details if text)])


def _payment(draft: Draft) -> str:
    """What the attempt would have paid, out of which funds and to whom, where its postings say so."""
    postings = [term[2:] for term in draft.terms if term[:2] == ("asked", "posting") and len(term) == 7]
    paid = [(p[0], int(p[4])) for p in postings if p[1] == "cash" and p[3] == "C" and p[4].isdecimal()]
    if not paid:
        return ""
    funds = ", ".join(dict.fromkeys(fund for fund, _ in paid))
    to = f" to {draft.payee} ({draft.payee_class or 'of no class'})" if draft.payee else ""
    return f"{format_yuan(sum(fen for _, fen in paid))} yuan out of {funds}{to}"
