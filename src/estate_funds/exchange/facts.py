"""Subjects and facts of a case: subjects.csv, and facts.csv (a row a fact) or facts-*.csv (a column a fact)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

from estate_funds.calendar import near_day, parse_day
from estate_funds.errors import (
    CaseError,
    CellError,
    ColumnError,
    DuplicateRow,
    EstateFundsError,
    TableError,
    nearest,
)
from estate_funds.exchange.columns import FACTS, SUBJECTS
from estate_funds.exchange.evidence import EvidenceFiles
from estate_funds.exchange.tables import Column, Row, parse_number, read_header, read_table
from estate_funds.money import FEN_PER_YUAN, parse_share, parse_yuan
from estate_funds.policy import LEVELS, Document, FactRule
from estate_funds.registry import CENTI_M2, Fact, Registry, Subject, Value

_PERIOD = re.compile("[0-9]{4}(-Q[1-4]|-(0[1-9]|1[0-2]))?|[1-9][0-9]?")


def read_subjects(path: Path, bare: Registry, documents: Iterable[Document]) -> Iterator[Subject]:
    """The rows of subjects.csv, parents before parts; `bare` knows estates and units.

    Raises CellError for an unknown kind, place or parent, DuplicateRow for an id that stands twice.
    """
    kinds = {kind for document in documents for kind in document.kinds} | {"household"}
    found: dict[str, Subject] = {}
    rows = {row.text("subject_id"): row for row in _each_once(path, bare)}
    for row in rows.values():
        yield from _with_parents(row, rows, found, bare, kinds)


def _each_once(path: Path, bare: Registry) -> Iterator[Row]:
    seen: dict[str, int] = {}
    for row in read_table(path, SUBJECTS):
        name = row.text("subject_id")
        if name in seen or name in bare.estates or "/" in name:
            where = f"{path.name}, rows {seen[name]} and {row.number}" if name in seen else row.where
            raise DuplicateRow(
                f"the id {name!r} {'holds a slash' if '/' in name else 'stands twice'}",
                where=where,
                wanted="an id of its own, without a slash: claims and funds are named by it",
            )
        seen[name] = row.number
        yield row


def _with_parents(
    row: Row, rows: Mapping[str, Row], found: dict[str, Subject], bare: Registry, kinds: set[str]
) -> Iterator[Subject]:
    chain = [row]
    while (parent := chain[-1].text("parent")) and parent not in found:
        if parent not in rows or any(r.text("subject_id") == parent for r in chain):
            what = "the parent is no subject" if parent not in rows else "the subject is a part of itself"
            raise CellError(
                what, where=f"{chain[-1].where}, column parent", got=repr(parent), fix=nearest(parent, rows)
            )
        chain.append(rows[parent])
    for one in reversed(chain):
        if one.text("subject_id") not in found:
            found[one.text("subject_id")] = _subject(one, found, bare, kinds)
            yield found[one.text("subject_id")]


def _subject(row: Row, found: Mapping[str, Subject], bare: Registry, kinds: set[str]) -> Subject:
    kind, place, parent = row.text("kind"), row.text("place"), row.text("parent")
    if kind not in kinds:
        raise CellError(
            "no document of the case knows this kind",
            where=f"{row.where}, column kind",
            got=repr(kind),
            wanted=", ".join(sorted(kinds)),
            fix=nearest(kind, kinds),
        )
    start, end = row.day("on"), row.optional_day("until")
    if end is not None and end <= start:
        raise CellError(
            "it ends before it begins", where=f"{row.where}, column until", got=end, wanted=f"after {start}"
        )
    if place:
        try:
            units = bare.subject(place).units
        except CaseError as error:
            raise CellError(
                "no estate and no unit of the register",
                where=f"{row.where}, column place",
                got=repr(place),
                wanted=f"an estate_id, or <level>/<name> with a level of {', '.join(LEVELS[:-1])}",
                fix=error.fix,
            ) from None
    elif parent:
        units = found[parent].units
    else:
        raise CellError("neither a place nor a parent", where=f"{row.where}, column place", wanted="one of them")
    return Subject(row.text("subject_id"), kind, row.text("name"), units, start, end, parent, row.number)


def read_facts(
    folder: Path, registry: Registry, documents: Iterable[Document], papers: EvidenceFiles
) -> Iterator[tuple[str, str, str, Fact]]:
    """Every fact of facts.csv and facts-*.csv, in the type that its document declares, with its evidence hashed.

    Raises CellError for an unknown subject or fact, a value of another type, a period that is missing or too many, or
    evidence that is not in the folder of the case.
    """
    rules: dict[str, FactRule] = {}
    for document in documents:
        for name, rule in document.facts.items():
            known = rules.setdefault(name, rule)
            if (known.type, known.of, known.each_period) != (rule.type, rule.of, rule.each_period):
                raise TableError(
                    f"two documents of the case declare the fact {name!r} differently",
                    got=f"{known.type} of {known.of} and {rule.type} of {rule.of}",
                    fix="rename it in one of them",
                )
    for path in sorted(folder.glob("facts*.csv")):
        if path.name == "facts.csv":
            yield from _long(path, registry, rules, papers)
        else:
            yield from _wide(path, registry, rules, papers)


def _long(
    path: Path, registry: Registry, rules: Mapping[str, FactRule], papers: EvidenceFiles
) -> Iterator[tuple[str, str, str, Fact]]:
    for row in read_table(path, FACTS):
        name = row.text("fact")
        if name not in rules:
            raise CellError(
                "no document of the case asks for this fact",
                where=f"{row.where}, column fact",
                got=repr(name),
                wanted=", ".join(sorted(rules)) or "a document with [facts]",
                fix=nearest(name, rules),
            )
        yield _fact(row, name, row.text("value"), "value", registry, rules[name], papers)


def _wide(
    path: Path, registry: Registry, rules: Mapping[str, FactRule], papers: EvidenceFiles
) -> Iterator[tuple[str, str, str, Fact]]:
    """The evidence of a row proves each fact in it."""
    told = tuple(c for c in FACTS if c.name not in ("fact", "value"))
    named = [name for name in read_header(path) if name not in {c.name for c in told}]
    for name in named:
        if name not in rules:
            raise ColumnError(
                "no document of the case asks for this fact",
                where=f"{path.name}, row 1",
                got=repr(name),
                wanted=", ".join(sorted(rules)),
                fix=nearest(name, rules),
            )
    columns = tuple(Column(name, "text", rules[name].text, "", required=False) for name in named)
    for row in read_table(path, (*told, *columns)):
        for name in named:
            if row.text(name):
                yield _fact(row, name, row.text(name), name, registry, rules[name], papers)


def _fact(
    row: Row, name: str, cell: str, column: str, registry: Registry, rule: FactRule, papers: EvidenceFiles
) -> tuple[str, str, str, Fact]:
    subject_id, period = row.text("subject_id"), row.text("period")
    try:
        subject = registry.subject(subject_id)
    except CaseError as error:
        apart = rule.of == "household" and not registry.counted  # the register is read in bulk, beside the case
        raise CellError(
            "a fact of a household, where households are read apart"
            if apart
            else "no estate, unit or subject of this id",
            where=f"{row.where}, column subject_id",
            got=repr(subject_id),
            fix=f"write {name} as a column of the household files" if apart else error.fix,
        ) from None
    if subject.kind != rule.of:
        raise CellError(
            f"{name} is a fact of another kind",
            where=f"{row.where}, column subject_id",
            got=f"{subject_id}, a {subject.kind}",
            wanted=f"a {rule.of}",
            clause=rule.clause,
        )
    if rule.each_period and not _PERIOD.fullmatch(period):
        wanted = "a period, such as 2024, 2024-Q2, 2024-05, or the number of a service year"
        raise CellError(
            f"each period has its own {name}", where=f"{row.where}, column period", got=period, wanted=wanted
        )
    if not rule.each_period and column == "value" and period:
        raise CellError(
            f"{name} has no period", where=f"{row.where}, column period", got=period, wanted="an empty cell"
        )
    value = parse_fact(rule, cell, f"{row.where}, column {column}")
    documents = papers.read(row.text("evidence"), f"{row.where}, column evidence")
    fact = Fact(value, row.optional_day("known_on"), f"{row.where} ({name})", documents)
    return subject_id, name, period if rule.each_period else "", fact


def parse_fact(rule: FactRule, cell: str, where: str) -> Value:
    """The value of a cell in the type of its fact; CellError otherwise.

    Yuan and m2 and numbers are exact; a share may be written 0.705, 70.5% or 141/200.
    """
    try:
        if rule.type == "date":
            return near_day(parse_day(cell))
        if rule.type == "yuan":
            return _not_negative(Fraction(parse_yuan(cell), FEN_PER_YUAN))
        if rule.type == "share":
            return parse_share(cell)
        if rule.type in ("number", "m2"):
            return parse_number(cell.replace(",", ""))
    except EstateFundsError as error:
        raise CellError(
            error.what, where=where, got=repr(cell), wanted=error.wanted or rule.text, clause=rule.clause
        ) from None
    allowed = {"yes_no": ("yes", "no"), "choice": rule.values}.get(rule.type, ())
    if allowed and cell not in allowed:
        raise CellError(
            "not one of the allowed values", where=where, got=repr(cell), wanted=", ".join(allowed),
            clause=rule.clause, fix=nearest(cell, allowed),
        )  # fmt: skip
    return cell


def _not_negative(value: Fraction) -> Fraction:
    if value < 0:
        raise CellError("a negative amount", wanted="0 or more")
    return value


def with_households(rows: Iterable[Row], registry: Registry) -> tuple[list[Subject], list[tuple[str, str, str, Fact]]]:
    """Households as subjects of their estates, and their floor areas as facts."""
    subjects, facts = [], []
    for row in rows:
        units = registry.subject(row.text("estate_id")).units
        name = row.text("household_id")
        start, end = row.day("registered_on"), row.optional_day("removed_on")
        subjects.append(Subject(name, "household", name, units, start, end, "", row.number))
        area = row.optional_whole("floor_area_m2")
        if area is not None:
            facts.append((name, "floor_area_m2", "", Fact(Fraction(area, CENTI_M2), None, row.where)))
    return subjects, facts


__all__ = ["parse_fact", "read_facts", "read_subjects", "with_households"]
