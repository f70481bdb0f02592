"""What a document that loads may still get wrong: names that nothing uses, payments that no fund permits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from estate_funds.policy import Document, Provision
from estate_funds.report.freshness import expiries

SAYINGS = {"text", "title", "name", "clause", "rules", "number", "issuer"}  # keys whose strings point to nothing
_UNIT = re.compile(r"CNY/([a-z0-9_-]+)/\w+|share of ([a-z0-9_-]+)")


def warnings(document: Document, today: date, worked: Iterable[str]) -> list[str]:
    """Everything worth a second look; `worked` are the provisions that worked cases compute."""
    found = [*_unused(document), *_unpermitted(document)]
    found += [e.said(today) for e in expiries(document, today)]
    found += [f"provisions.{name} has no worked case" for name in document.provisions if name not in set(worked)]
    return found


def mentions(node: Any) -> set[str]:
    """Every name that a table as written points to, be it of a fact, a fund, a kind, a party or a setting."""
    if isinstance(node, dict):
        return {name for key, value in node.items() if key not in SAYINGS for name in (key, *mentions(value))}
    if isinstance(node, list):
        return {name for value in node for name in mentions(value)}
    if isinstance(node, str):
        unit = _UNIT.fullmatch(node)
        return {unit[1] or unit[2]} if unit else {node}
    return set()


def with_what_they_rest_on(document: Document, names: Iterable[str]) -> set[str]:
    """Names, and all that the facts, kinds and settings among them are made from."""
    told = document.written
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            tables = (told.get(section, {}).get(name) for section in ("facts", "derived", "kinds"))
            waiting += [other for table in tables if table for other in mentions(table)]
    return found


def settings_in(node: Any, path: str = "") -> dict[str, str]:
    """Key path -> setting, for each place of a table as written that is left to a setting."""
    found: dict[str, str] = {}
    items: Iterable[tuple[str, Any]] = ()
    if isinstance(node, Mapping):
        if set(node) == {"setting"}:
            return {path: str(node["setting"])}
        items = ((f"{path}.{key}".lstrip("."), value) for key, value in node.items())
    elif isinstance(node, list):
        items = ((f"{path}[{n}]", value) for n, value in enumerate(node))
    for place, value in items:
        found |= settings_in(value, place)
    return found


def _unused(document: Document) -> Iterator[str]:
    told = document.written
    named = {"facts", "kinds", "parties", "settings", "clauses"}  # a derived fact is printed: it needs no other use
    roots = {name for section, table in told.items() if section not in named | {"funds"} for name in mentions(table)}
    for key, fund in told.get("funds", {}).items():
        roots |= mentions(fund) - {key}
    used = with_what_they_rest_on(document, roots)
    for section in ("facts", "kinds", "parties"):
        for name in told.get(section, {}):
            if name not in used:
                yield f"{section}.{name} is used by nothing"
    for key in document.funds:
        if key not in used:
            yield f"funds.{key}: no provision, income or transfer names it; only a case's own rows can use it"
    set_somewhere = set(settings_in({k: v for k, v in told.items() if k != "settings"}).values())
    for name in document.settings:
        if name not in set_somewhere:
            yield f"settings.{name} is used by nothing"


def _unpermitted(document: Document) -> Iterator[str]:
    for name, provision in document.provisions.items():
        booked = document.fund(provision.pays_from).held_by
        if not any(payer in booked for split in provision.payers for payer in split.payers):
            continue  # paid by others than the holders of the fund: shown, not booked
        wanted = (provision.purpose, _payee_class(document, provision), provision.pays_into or "")
        since = max(document.start, min(v.start for v in (*provision.rate, *provision.total)))
        if not _permits(document, provision.pays_from, wanted, since):
            yield _missing(f"provisions.{name} pays", provision.pays_from, wanted, since)
        if provision.advance is not None and provision.pays_into:
            for payer in dict.fromkeys(p for split in provision.payers for p in split.payers if p in booked):
                back = ("refund", payer, provision.pays_from)
                if not _permits(document, provision.pays_into, back, since):
                    yield _missing(f"provisions.{name} may have to refund an advance", provision.pays_into, back, since)


def _missing(what: str, fund: str, wanted: tuple[str, str, str], since: date) -> str:
    purpose, payee, into = wanted
    where = f" into {into}" if into else " out of the books"
    return f"{what}, and funds.{fund} has no permit for {purpose!r} to a {payee!r}{where} on {since}"


def _payee_class(document: Document, provision: Provision) -> str:
    if provision.payee:
        kind = provision.claim_per or provision.each
        return kind if provision.payee == "subject" else provision.payee
    return document.fund(str(provision.pays_into)).held_by[0]


def _permits(document: Document, fund: str, wanted: tuple[str, str, str], on: date) -> bool:
    """Whether a permit fits; purposes and payees that the case must still set count as fitting."""
    purpose, payee, into = wanted
    return any(
        permit.in_force(on)
        and permit.into == into
        and {purpose, "unset"} & set(permit.purposes)
        and {payee, "unset"} & set(permit.payee_classes)
        for permit in document.fund(fund).permits
    )
