"""What changed between two documents: values by key path with their clauses, and what the changes touch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher
from typing import Any

from estate_funds.policy import Document
from estate_funds.report.review import mentions, settings_in, with_what_they_rest_on
from estate_funds.text import counted

_NOTHING = object()
# Changes there alter words and days, not amounts.
_WORDS = {"clauses", "assumptions", "uncomputed", "number", "title", "issuer", "reviewed_on", "clause"} | {
    "stages",
    "rhythms",
    "deadlines",
    "orders",
}
_WORDS_WITHIN = (".title.", ".text.", ".pay_within.", ".claw_back.")
_OVER_ALL = {"requirements", "ceilings", "once"}  # name the provisions they hold for, or hold for all


@dataclass(frozen=True, slots=True)
class Change:
    """One place that differs: the value on each side, the clause it stands on, and the days on which it counts."""

    path: str
    old: Any
    new: Any
    clause: str
    since: date | None
    until: date | None

    @property
    def kind(self) -> str:
        """changed, added or removed."""
        return "added" if self.old is _NOTHING else "removed" if self.new is _NOTHING else "changed"


@dataclass(frozen=True, slots=True)
class Around:
    """What surrounds a value: the clause of its table, and the days on which its version is in force."""

    clause: str = ""
    since: date | None = None
    until: date | None = None

    def inside(self, *tables: Any) -> Around:
        """The surroundings within a table, or within the two that it became; the later side speaks first."""
        held = [table for table in tables if isinstance(table, dict)]
        clause = next((t["clause"] for t in reversed(held) if isinstance(t.get("clause"), str)), self.clause)
        starts = [t["from"] for t in held if isinstance(t.get("from"), date)]
        if not starts:
            return Around(clause, self.since, self.until)
        ends = [t.get("until") for t in held if isinstance(t.get("from"), date)]
        last = None if None in ends else max(end for end in ends if isinstance(end, date))
        return Around(clause, min(starts), last)


def changes(old: Document, new: Document) -> list[Change]:
    """Every place where two documents differ as written, in the order of the file; layout and comments do not count."""
    return list(_compare(old.written, new.written, "", Around()))


def touched(old: Document, new: Document, found: list[Change]) -> dict[str, tuple[date | None, date | None]]:
    """The provisions whose amounts the changes can alter, with the first and the last day of it; None for open ends."""
    periods: dict[str, list[Change]] = {}
    for change in found:
        for name in _names(old, new, change):
            periods.setdefault(name, []).append(change)
    return {name: _span(members) for name, members in sorted(periods.items())}


def diff_text(old: Document, new: Document) -> str:
    """The changes as a person reads them: path and clause, then what stood there and what stands there now."""
    found = changes(old, new)
    if not found:
        return f"{old.id} and {new.id}: the same values throughout"
    lines = [
        f"{old.id} ({old.text_digest[:15]}…) -> {new.id} ({new.text_digest[:15]}…): {counted(len(found), 'place')}"
    ]
    for kind in ("changed", "added", "removed"):
        for change in (c for c in found if c.kind == kind):
            lines += [f"{kind:<8} {change.path}" + (f"  [{change.clause}]" if change.clause else "")]
            lines += [f"  - {line}" for line in _said(change.old)] + [f"  + {line}" for line in _said(change.new)]
    lines.append("touches")
    names = touched(old, new, found)
    for name, (since, until) in names.items():
        provision = new.provisions.get(name) or old.provisions[name]
        when = f"from {since}" if since else "all periods"
        when += f" until {until}" if until else ""
        lines.append(f"  provisions.{name}: {when} (by {provision.anchor.replace('_', ' ')})")
    return "\n".join(lines if names else [*lines, "  no amount"])


def _compare(old: Any, new: Any, path: str, around: Around) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict) and {"setting"} not in (set(old), set(new)):
        inside = around.inside(old, new) if path else around
        for key in dict.fromkeys([*old, *new]):
            sides = old.get(key, _NOTHING), new.get(key, _NOTHING)
            if not path:  # a section that one side lacks is an empty one: each of its tables is a change of its own
                sides = tuple(_empty_like(other) if side is _NOTHING else side for side, other in (sides, sides[::-1]))
            yield from _compare(*sides, f"{path}.{key}".lstrip("."), inside)
    elif _tables(old) and _tables(new) and (old or new):
        yield from _compare_lists(old, new, path, around)
    elif old != new:
        inside = around.inside(*(side for side in (old, new) if side is not _NOTHING))
        since, until = inside.since, inside.until
        if path.endswith((".from", ".until")):  # what moved is the span between the two days, and all after an end
            days = [side for side in (old, new) if isinstance(side, date)]
            since = min(days, default=since)
            until = max(days) if len(days) > 1 and path.endswith(".from") else until
        yield Change(path, old, new, inside.clause, since, until)


def _compare_lists(old: list[Any], new: list[Any], path: str, around: Around) -> Iterator[Change]:
    """Tables of a list, those that are equal aligned first: an insertion is one change, not all that follow it."""
    before, after = ([json.dumps(item, sort_keys=True, default=str) for item in side] for side in (old, new))
    for tag, a, a_end, b, b_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        both = min(a_end - a, b_end - b)
        for n in range(both):
            yield from _compare(old[a + n], new[b + n], f"{path}[{b + n}]", around)
        for n in range(a + both, a_end):
            yield from _compare(old[n], _NOTHING, f"{path}[{n}]", around)
        for n in range(b + both, b_end):
            yield from _compare(_NOTHING, new[n], f"{path}[{n}]", around)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _empty_like(section: Any) -> Any:
    if _tables(section):
        return []
    named = isinstance(section, dict) and all(isinstance(table, dict) for table in section.values())
    return {} if named else _NOTHING


def _said(value: Any) -> list[str]:
    """A value as the file would write it; a table a line for each of its values."""
    if value is _NOTHING:
        return []
    if isinstance(value, dict) and set(value) != {"setting"}:
        return [f"{key} = {line}" for key, part in value.items() for line in _said(part)]
    if isinstance(value, dict):
        return [f'{{ setting = "{value["setting"]}" }}']
    return [str(value) if isinstance(value, date) else json.dumps(value, ensure_ascii=False, default=str)]


def _span(members: list[Change]) -> tuple[date | None, date | None]:
    starts, lasts = [c.since for c in members], [c.until for c in members]
    since = None if None in starts else min(day for day in starts if day)
    return since, None if None in lasts else max(day for day in lasts if day)


def _names(old: Document, new: Document, change: Change) -> set[str]:
    section, _, key = change.path.partition("[")
    if section in _OVER_ALL and key.endswith("].provisions"):  # left out, it held for all
        whole = {*old.provisions, *new.provisions}
        return {name for side in (change.old, change.new) for name in (side if isinstance(side, list) else whole)}
    if section in _OVER_ALL or change.kind == "added":  # a path into a list counts as the new document does
        return _provisions(old if change.kind == "removed" else new, change.path)
    return _provisions(old, change.path) | (_provisions(new, change.path) if change.kind == "changed" else set())


def _provisions(document: Document, path: str) -> set[str]:
    """The provisions of a document that a change at a path can alter."""
    section, _, rest = path.partition(".")
    section, _, index = section.partition("[")
    name = rest.split(".")[0].split("[")[0]
    if section in _WORDS or any(part in f"{path}." for part in _WORDS_WITHIN):
        return set()
    if section == "provisions":
        return {name} & {*document.provisions}
    if section in _OVER_ALL:
        return _held_for(document, section, int(index.rstrip("]")))
    if section == "settings":
        places = settings_in(document.written)
        return {p for place, setting in places.items() if setting == name for p in _provisions(document, place)}
    if section in ("facts", "derived", "kinds", "parties", "funds", "transfers", "incomes"):
        return {provision for provision in document.provisions if name in _reach(document, provision)}
    return {*document.provisions}


def _held_for(document: Document, section: str, index: int) -> set[str]:
    named = document.written[section][index].get("provisions")
    return {*(named or document.provisions)} & {*document.provisions}


def _reach(document: Document, provision: str) -> set[str]:
    """Every name that decides what a provision pays."""
    told: Mapping[str, Any] = document.written
    names = mentions(told["provisions"][provision])
    for section in _OVER_ALL:
        for n, table in enumerate(told.get(section, [])):
            if provision in _held_for(document, section, n):
                names |= mentions(table)
    return with_what_they_rest_on(document, names)
