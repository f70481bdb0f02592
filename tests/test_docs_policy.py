"""The examples of docs/reference/policy.md load, and their worked cases hold; the page names every key."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from conftest import ROOT
from estate_funds.errors import PolicyError
from estate_funds.policy import json_schema, parse_document
from estate_funds.testing.worked_cases import check_worked_cases

PAGE = ROOT / "docs" / "reference" / "policy.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCK = re.compile(r"^```toml([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples() -> Iterator[tuple[str, str, str]]:
    """Each example: its place, the document it gives, and the worked cases below it.

    `toml document` is a whole document, `toml more` is read with the whole one before it, `toml cases` checks either.
    """
    whole = place = document = ""
    for found in BLOCK.finditer(TEXT):
        kind, text = found[1].strip(), found[2]
        if kind == "cases":
            yield place, document, text
            document = ""
            continue
        if document:
            yield place, document, ""
        assert kind in ("document", "more"), f"{found[0][:80]}: wanted toml document, more or cases"
        whole = text if kind == "document" else whole
        document = text if kind == "document" else f"{whole}\n{text}"
        place = f"line {TEXT[: found.start()].count(chr(10)) + 1}"
    if document:
        yield place, document, ""


@pytest.mark.parametrize(
    ("place", "document", "cases"), list(examples()), ids=lambda value: value if "\n" not in value else ""
)
def test_an_example_loads_and_its_worked_cases_hold(place: str, document: str, cases: str) -> None:
    loaded = parse_document(document, source=f"policy.md, {place}")
    if cases:
        assert check_worked_cases(loaded, cases, source=f"policy.md, below {place}") == []


def test_the_examples_are_tried() -> None:
    found = list(examples())
    assert len(found) > 10
    assert sum(bool(cases) for _, _, cases in found) > 5
    _, document, cases = next(one for one in found if one[2])
    assert check_worked_cases(parse_document(document, source="x"), cases.replace('"9', '"8'), source="x")
    with pytest.raises(PolicyError):
        parse_document(document.replace("clause", "clauze", 1), source="x")


def keys(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for part in schema.values():
            yield from keys(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from keys(part)


def test_the_page_names_every_key_of_the_language() -> None:
    told = {
        word for span in re.findall(r"`([^`\n]+)`", BLOCK.sub("", TEXT)) for word in re.findall(r"[a-z_0-9]+", span)
    }
    assert set(keys(json_schema())) - told == set()


@pytest.mark.parametrize(
    ("start", "old", "new", "words"),
    [("repair", 'pool = "bill"\n', "", "a total claimed once, on no day"),
     ("repair", 'claim_per = "bill"\n', 'advance = { at_most = "0.3", clause = "三" }\n', "an advance of what is claimed together"),
     ("works", 'each = "works"\n', 'each = "works"\nclaim_per = "estate"\n', "an advance of what is claimed together"),
     ("works", 'at_most = "0.3", of', "of", "missing"),
     ("works", 'of = "works"', 'of = "flat"', "a key of [kinds]")],
)  # fmt: skip
def test_what_the_page_says_is_refused(start: str, old: str, new: str, words: str) -> None:
    whole = next(d for _, d, _ in examples() if f"[provisions.{start}]" in d and ("advance" in d or start != "works"))
    assert old in whole
    with pytest.raises(PolicyError, match=re.escape(words)):
        parse_document(whole.replace(old, new, 1), source="x")
