"""The strict reading of TOML into the language, and what it says when it refuses."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator
from typing import Any, TypeVar, get_args

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


_WANTED = {  # what pydantic says of types, in the words of somebody who fills in a document
    "string_type": "text in quotes",
    "string_pattern_mismatch": "text of the form {pattern}",
    "string_too_short": "some text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "date_type": "a day, YYYY-MM-DD without quotes",
    "date_from_datetime_inexact": "a day, without a time",
    "dict_type": "a table",
    "tuple_type": "a list",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "too_short": "at least {min_length}",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def _problem(model: type[BaseModel], error: Any) -> Problem:
    loc = [part for part in error["loc"] if "[" not in str(part) and part != "SettingRef"]
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in loc).lstrip(".") or "(document)"
    if error["type"] == "extra_forbidden":
        return path, repr(loc[-1]), "a key of this table", nearest(str(loc[-1]), _keys_at(model, loc[:-1]))
    if error["type"] == "missing":
        return path, None, "a value: the key is missing", ""
    given = error.get("input")
    shown = None if isinstance(given, dict | list | BaseModel) else repr(given)
    if error["type"] == "value_error":  # our own: "what is wrong, wanted what"
        wrong, _, wanted = error["msg"].removeprefix("Value error, ").partition("wanted ")
        wrong = wrong.rstrip(" ,;:")
        return path, f"{shown}: {wrong}" if shown and wrong else shown or wrong, wanted or "something else", ""
    return path, shown, _WANTED.get(error["type"], error["msg"]).format(**error.get("ctx", {})), ""


def _keys_at(model: type[BaseModel], loc: list[Any]) -> set[str]:
    """The keys of the table at a path: models by field, lists by index, tables of tables by any name."""
    kind: Any = model
    for part in loc:
        fields = {field.alias or name: field.annotation for name, field in getattr(kind, "model_fields", {}).items()}
        kind = _inner(fields[part]) if part in fields else kind
    return {field.alias or name for name, field in getattr(kind, "model_fields", {}).items()}


def _inner(annotation: Any) -> Any:
    """The model inside an annotation, be it optional, a list or a table of it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _inner(arg)) is not None), None)


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
    for name, rule in document.funds.items():
        for number, permit in enumerate(rule.permits):
            if permit.into and permit.into not in document.funds:
                path = f"funds.{name}.permits[{number}].into"
                yield path, permit.into, "a key of [funds]", nearest(permit.into, document.funds)
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
