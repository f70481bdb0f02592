"""The strict reading of TOML into the language, and what it says when it refuses."""

from __future__ import annotations

import copy
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from estate_funds.errors import InputError, PolicyError, nearest, shown
from estate_funds.policy.fences import Setting
from estate_funds.policy.language import Document
from estate_funds.policy.names import Problem, check_names

_DEEPEST = 40
_PART = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""  # of a dotted key, with its dot
_DOTTED = re.compile(rf"(?<![\w-])(?:{_PART}){{{_DEEPEST - 1}}}")


def parse_document(text: str, *, source: str) -> Document:
    """Read one document from its TOML text, strictly; PolicyError names `source` and the key path of what is wrong.

    What the document leaves to settings stands at its default, or at its example, until `bind` puts in a case's choice.

    >>> parse_document("format = 1", source="new-city.toml")
    Traceback (most recent call last):
    ...
    estate_funds.errors.PolicyError: the file is not what it should be in ... places
      where:  new-city.toml, id
      wanted: a value: the key is missing
    ...
    """
    data = _parsed(text, source, PolicyError)
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return _built(data, source, {}, f"sha256:{digest}")


def bind(document: Document, chosen: Mapping[str, object]) -> Document:
    """The document with a case's settings in the places that it leaves open; PolicyError for one that does not fit."""
    if not document.settings:
        document.settled(chosen)  # a document without settings has none to choose
        return document
    settled = document.settled(chosen)
    told = json.dumps({name: str(value) for name, value in settled.items()}, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(f"{document.digest}\n{told}".encode()).hexdigest()
    return _built(
        document._source, f"{document.id} with its settings", dict(chosen), f"sha256:{digest}", document.text_digest
    )


def with_value(document: Document, path: str, value: object) -> Document:
    """The document with one value changed, by key path such as `provisions.award.rate[0].value`: for what-if."""
    return with_values(document, {path: value})


def with_values(document: Document, values: Mapping[str, object]) -> Document:
    """The document with several values changed at once, by key path: shares that must still sum, say."""
    data = copy.deepcopy(document._source)
    for path, value in values.items():
        _replace(data, document.id, path, value)
    told = "\n".join(f"{path} = {value!r}" for path, value in values.items())
    digest = hashlib.sha256(f"{document.digest}\n{told}".encode()).hexdigest()
    source = f"{document.id} with {', '.join(values)}"
    return _built(data, source, document._chosen, f"sha256:{digest}", document.text_digest)


def _replace(data: dict[str, Any], name: str, path: str, value: object) -> None:
    parts: list[str | int] = [int(n) if n else word for word, n in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)]
    node: Any = data
    for position, part in enumerate(parts):
        known = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
        if part not in known:
            raise PolicyError(
                f"{name} has nothing at this path",
                got=repr(path),
                fix=nearest(str(part), [str(k) for k in known]),
            )
        if position + 1 < len(parts):
            node = node[part]
    if not parts or isinstance(node[parts[-1]], dict | list) != isinstance(value, dict | list):
        raise PolicyError(f"{name} has no single value at this path", got=repr(path), wanted="the path of a value")
    node[parts[-1]] = value


def _built(data: dict[str, Any], source: str, chosen: dict[str, Any], digest: str, text_digest: str = "") -> Document:
    """Put settings in, validate, and check that no name points nowhere."""
    settings = data.get("settings")
    stand_ins = {}
    if isinstance(settings, dict):
        for name, table in settings.items():
            try:
                stand_ins[name] = Setting.model_validate(table).stand_in
            except ValidationError:
                stand_ins[name] = None  # reported by the validation of the whole
    uses: dict[str, list[str]] = {}
    problems: list[Problem] = []
    filled = _put_in(data, stand_ins | chosen, uses, problems, "")
    if problems:
        raise _refusal(PolicyError, source, problems)
    document = _validated(Document, filled, source, PolicyError)
    problems = list(check_names(document))
    if problems:
        raise _refusal(PolicyError, source, problems)
    document._digest = digest
    document._text_digest = text_digest or digest
    document._source = data
    document._uses = {name: tuple(paths) for name, paths in uses.items()}
    document._chosen = chosen
    return document


def _put_in(
    node: Any, values: Mapping[str, Any], uses: dict[str, list[str]], problems: list[Problem], path: str
) -> Any:
    """The data with `{ setting = NAME }` replaced by the setting's value."""
    if isinstance(node, dict):
        if set(node) == {"setting"}:
            name = str(node["setting"])
            if name not in values:
                problems.append((f"{path}.setting", name, "a key of [settings]", nearest(name, values)))
                return None
            uses.setdefault(name, []).append(path)
            value = values[name]
            return list(value) if isinstance(value, tuple) else value
        return {k: _put_in(v, values, uses, problems, f"{path}.{k}".lstrip(".")) for k, v in node.items()}
    if isinstance(node, list):
        return [_put_in(v, values, uses, problems, f"{path}[{i}]") for i, v in enumerate(node)]
    return node


M = TypeVar("M", bound=BaseModel)


def parse_toml(model: type[M], text: str, *, source: str, error: type[InputError] = PolicyError) -> M:
    """Read TOML into a strict model; an error of the given type with file, key path, got and wanted otherwise."""
    return _validated(model, _parsed(text, source, error), source, error)


def _parsed(text: str, source: str, error: type[InputError]) -> dict[str, Any]:
    try:
        data = read_toml(text)
    except ValueError as fault:
        raise error(
            "not valid TOML",
            where=source,
            got=str(fault),
            fix="a date must exist in the calendar; text stands in quotes",
        ) from None
    return data


def read_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text; ValueError for what is none, and for one deeper than anybody writes.

    The parser takes time and memory by the square of the parts of a dotted key: a file of 100 KiB could take all.
    """
    if _DOTTED.search(text):
        raise ValueError(f"a key of {_DEEPEST} parts or more")
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise ValueError("tables or lists within each other without end") from None
    level: list[Any] = [data]
    for _ in range(_DEEPEST):
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
        level = [inner for inner in level if isinstance(inner, dict | list)]
    if level:
        raise ValueError(f"tables or lists {_DEEPEST} deep")
    return data


def _validated(model: type[M], data: dict[str, Any], source: str, error: type[InputError]) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as fault:
        raise _refusal(error, source, [_problem(model, e) for e in fault.errors(include_url=False)]) from None


def _refusal(error: type[InputError], source: str, problems: list[Problem]) -> InputError:
    path, got, wanted, fix = problems[0]
    more = [f"{shown(p)}: {shown(w)}" for p, _, w, _ in problems[1:10]]
    advice = fix + ("; " if fix and more else "") + ("then: " + " | ".join(more) if more else "")
    refusal = error(
        f"the file is not what it should be in {len(problems)} place{'s' if more else ''}",
        where=f"{source}, {path}",
        got=got,
        wanted=wanted,
        fix=advice,
    )
    refusal.problems = tuple(
        shown(f"{source}, {p}: {'' if g is None else f'got {g}, '}wanted {w}{f'; {hint}' if hint else ''}")
        for p, g, w, hint in problems
    )
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
    loc = [part for part in error["loc"] if "[" not in str(part)]
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


def json_schema() -> dict[str, Any]:
    """The JSON Schema of documents, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Document.model_json_schema(mode="validation")}
