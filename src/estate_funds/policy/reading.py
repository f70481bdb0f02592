"""The strict reading of TOML into the language, and what it says when it refuses."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from estate_funds.errors import InputError, PolicyError, nearest
from estate_funds.policy.language import LEVELS, Cited, Document, SettingRef


def parse_document(text: str, *, source: str) -> Document:
    """Read one document from its TOML text, strictly; PolicyError names `source` and the key path of what is wrong.

    >>> parse_document("format = 1", source="new-city.toml")
    Traceback (most recent call last):
    ...
    estate_funds.errors.PolicyError: the file is not what it should be in ... places
      where:  new-city.toml, id
      wanted: a value: the key is missing
    ...
    """
    document = parse_toml(Document, text, source=source)
    problems = list(_dangling(document))
    if problems:
        raise _refusal(PolicyError, source, problems)
    document._digest = "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()
    return document


M = TypeVar("M", bound=BaseModel)


def parse_toml(model: type[M], text: str, *, source: str, error: type[InputError] = PolicyError) -> M:
    """Read TOML into a strict model; an error of the given type with file, key path, got and wanted otherwise."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise error(
            "not valid TOML",
            where=source,
            got=str(fault),
            fix="a date must exist in the calendar; text stands in quotes",
        ) from None
    try:
        return model.model_validate(data)
    except ValidationError as fault:
        raise _refusal(error, source, [_problem(model, e) for e in fault.errors(include_url=False)]) from None


Problem = tuple[str, object, str, str]  # key path, got, wanted, what to do


def _refusal(error: type[InputError], source: str, problems: list[Problem]) -> InputError:
    path, got, wanted, fix = problems[0]
    more = [f"{p}: {w}" for p, _, w, _ in problems[1:]]
    advice = fix + ("; " if fix and more else "") + ("then: " + " | ".join(more[:9]) if more else "")
    refusal = error(
        f"the file is not what it should be in {len(problems)} place{'s' if more else ''}",
        where=f"{source}, {path}",
        got=got,
        wanted=wanted,
        fix=advice,
    )
    refusal.problems = tuple(f"{source}, {p}: got {g!r}, wanted {w}" for p, g, w, _ in problems)
    return refusal


def _problem(model: type[BaseModel], error: Any) -> Problem:
    loc = [part for part in error["loc"] if part not in ("tuple[constrained-str, ...]", "SettingRef")]
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in loc).lstrip(".") or "(document)"
    got = error.get("input")
    if error["type"] == "extra_forbidden":
        return path, str(loc[-1]), "no such key in the language", nearest(str(loc[-1]), _keys(model))
    if error["type"] == "missing":
        return path, None, "a value: the key is missing", ""
    shown = None if isinstance(got, dict | BaseModel) else repr(got)
    return path, shown, error["msg"].removeprefix("Value error, "), ""


def _keys(model: type[BaseModel]) -> set[str]:
    schema = model.model_json_schema()
    tables = [schema, *schema.get("$defs", {}).values()]
    return {key for table in tables for key in table.get("properties", {})}


def _dangling(document: Document) -> Iterator[Problem]:
    """Names that point nowhere: clauses, funds, settings."""
    for path, node in _walk(document, ""):
        if isinstance(node, Cited | Document) and node.clause not in document.clauses:
            yield (
                f"{path}.clause".lstrip("."),
                node.clause,
                "a key of [clauses]",
                nearest(node.clause, document.clauses),
            )
        if isinstance(node, SettingRef) and node.setting not in document.settings:
            yield f"{path}.setting", node.setting, "a key of [settings]", nearest(node.setting, document.settings)
    pointers = [(f"provisions.{n}.pays_from", p.pays_from) for n, p in document.provisions.items()]
    pointers += [(f"provisions.{n}.pays_into", p.pays_into) for n, p in document.provisions.items()]
    pointers += [(f"transfers.{n}.fund", t.fund) for n, t in document.transfers.items()]
    pointers += [(f"incomes[{i}].into", income.into) for i, income in enumerate(document.incomes)]
    for path, fund in pointers:
        if fund not in document.funds:
            yield path, fund, "a key of [funds]", nearest(fund, document.funds)
    yield from _unheld(document)
    for name, provision in document.provisions.items():
        held = document.funds[provision.pays_from].held_by if provision.pays_from in document.funds else ()
        for split in provision.payers:
            for payer in split.shares:
                if held and payer not in held:
                    yield f"provisions.{name}.payers", payer, f"a holder of {provision.pays_from}", nearest(payer, held)
    sources = [source for income in document.incomes for source in income.sources]
    for source in sorted({s for s in sources if sources.count(s) > 1}):
        yield "incomes", source, "each source once", "decide which fund it belongs to"


def _unheld(document: Document) -> Iterator[Problem]:
    """Levels and holders that no estate, or no fund, has; a purpose that the paying fund does not permit."""
    into = {f"provisions.{n}.pays_into": p.pays_into for n, p in document.provisions.items()}
    into |= {f"incomes[{i}].into": income.into for i, income in enumerate(document.incomes)}
    for path, fund in into.items():
        level = document.funds[fund].held_by[0] if fund in document.funds else LEVELS[0]
        if level not in LEVELS:
            yield path, f"held by {level}", f"a fund held by one of {', '.join(LEVELS)}", ""
    for name, provision in document.provisions.items():
        for payer in {payer for split in provision.payers for payer in split.shares} - set(LEVELS):
            yield f"provisions.{name}.payers", payer, f"one of {', '.join(LEVELS)}", nearest(payer, LEVELS)
        permits = document.funds[provision.pays_from].permits if provision.pays_from in document.funds else ()
        purposes = {p for permit in permits if not isinstance(permit.purposes, SettingRef) for p in permit.purposes}
        fixed = permits and not any(isinstance(permit.purposes, SettingRef) for permit in permits)
        if fixed and provision.purpose not in purposes:
            wanted = f"a purpose that {provision.pays_from} permits"
            yield f"provisions.{name}.purpose", provision.purpose, wanted, nearest(provision.purpose, purposes)
    for name, transfer in document.transfers.items():
        held = document.funds[transfer.fund].held_by if transfer.fund in document.funds else ()
        for role, holder in (("giver", transfer.giver), ("taker", transfer.taker)):
            if held and holder not in held:
                yield f"transfers.{name}.{role}", holder, f"a holder of {transfer.fund}", nearest(holder, held)


def _walk(node: object, path: str) -> Iterator[tuple[str, BaseModel]]:
    if isinstance(node, BaseModel):
        yield path, node
        for name, field in type(node).model_fields.items():
            yield from _walk(getattr(node, name), f"{path}.{field.alias or name}".lstrip("."))
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, f"{path}.{key}")
    elif isinstance(node, tuple):
        for index, value in enumerate(node):
            yield from _walk(value, f"{path}[{index}]")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of documents, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Document.model_json_schema(mode="validation")}
