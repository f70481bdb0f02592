"""How fresh a document is: which of its values end, when, and whether anything follows them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from estate_funds.policy import Ceiling, Dated, Document, Limit, PayerSplit, walk
from estate_funds.policy.fences import PermitRule, Stage

DAYS = 90  # a warning comes so many days before a value ends


class Expiry(NamedTuple):
    """A value that ends and that nothing follows: where it stands, its first day no longer in force, its clause."""

    path: str
    until: date
    clause: str

    def said(self, today: date) -> str:
        """The warning, as of a day."""
        if self.until <= today:
            return f"{self.path} is no longer in force since {self.until} [{self.clause}]"
        days = (self.until - today).days
        return f"{self.path} ends in {days} days: not in force from {self.until} on [{self.clause}]"


def ends(document: Document) -> list[Expiry]:
    """Every value that ends and is not followed by another version, the first to end first."""
    lists: dict[str, list[tuple[str, Dated]]] = {}
    for path, node in walk(document):
        if isinstance(node, Dated) and not isinstance(node, Stage):  # a stage is meant to end
            lists.setdefault(path.rpartition("[")[0], []).append((path, node))
    found = [e for versions in lists.values() for e in _unfollowed(versions)]
    if document.until is not None:
        found.append(Expiry("the document", document.until, document.clause))
    return sorted(found, key=lambda e: (e.until, e.path))


def expiries(document: Document, today: date, days: int = DAYS) -> list[Expiry]:
    """The values that have ended, or end within so many days of a day."""
    return [expiry for expiry in ends(document) if expiry.until <= today + timedelta(days=days)]


def next_expiry(document: Document, today: date) -> date | None:
    """The first day after `today` on which something of a document is no longer in force."""
    return next((expiry.until for expiry in ends(document) if expiry.until > today), None)


def expiries_text(documents: Sequence[Document], today: date) -> str:
    """The warnings of several documents, a line each; empty when there is nothing to warn of."""
    return "\n".join(f"  {d.number}: {e.said(today)}" for d in documents for e in expiries(d, today))


def _unfollowed(versions: Sequence[tuple[str, Dated]]) -> Iterator[Expiry]:
    for path, node in versions:
        if node.until is None:
            continue
        later = (v for _, v in versions if v.start <= node.until and (v.until is None or v.until > node.until))
        followed = {key for version in later for key in _keys(version)}
        if not _keys(node) <= followed:
            yield Expiry(path, node.until, node.clause)


def _keys(node: Dated) -> set[Hashable]:
    """What a version says something about: a later version of the same list follows it only in these."""
    match node:
        case PayerSplit():
            return {node.when}
        case Limit():
            return {node.per}
        case Ceiling():
            return {(name, node.by, node.each) for name in node.provisions}
        case PermitRule():
            return {(p, payee, node.into) for p in node.purposes for payee in node.payee_classes}
    return {""}
