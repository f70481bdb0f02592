"""Strategies of documents with exactly one thing wrong, for whoever reads documents or shows what is wrong in one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from functools import partial
from typing import Any

from hypothesis import strategies as st

from estate_funds.testing.strategies.documents import SUMS, Asked, Tables, tables, toml_text
from estate_funds.testing.strategies.values import refuse_unless

Place = tuple[str, Tables]  # a table, and its key path


@dataclass(frozen=True)
class BarelyInvalid:
    """The text of a document that is wrong in one place: what was spoiled, and the key path that a refusal has to name.

    `where` is empty for what is no TOML at all.
    """

    text: str
    spoiled: str
    where: str


def barely_invalid_documents(*, spoiled: str | None = None) -> st.SearchStrategy[BarelyInvalid]:
    """Documents of `document_texts` in which one thing is wrong, of any kind in `SPOILS` or of one of them.

    `parse_document` refuses each by a PolicyError with one problem, at the place `where`. Shrinks to the simplest
    document with an unknown key at its top.

    >>> from estate_funds.testing.strategies import simplest
    >>> from estate_funds.policy import parse_document
    >>> found = simplest(barely_invalid_documents(spoiled="shares that do not sum to 1"))
    >>> parse_document(found.text, source="new-city.toml")
    Traceback (most recent call last):
    ...
    estate_funds.errors.PolicyError: the file is not what it should be in 1 place
      where:  new-city.toml, provisions.award.payers[0]
      got:    the shares sum to 1/2
      wanted: 1
    """
    refuse_unless(spoiled is None or spoiled in SPOILS, f"no such kind: {spoiled!r}; known: {', '.join(SPOILS)}")
    return _spoiled((spoiled,) if spoiled else tuple(SPOILS))


@st.composite
def _spoiled(draw: st.DrawFn, kinds: tuple[str, ...]) -> BarelyInvalid:
    name = kinds[draw(st.integers(0, len(kinds) - 1))]
    written = draw(_PRICED if name in _OF_RATES else _ANY)
    spoils = list(SPOILS[name](written))
    where, change = spoils[draw(st.integers(0, len(spoils) - 1))]
    change()
    return BarelyInvalid(toml_text(written), name, where)


# --- where something can be wrong: the key path that is refused, and what spoils it ---

Spoil = tuple[str, Callable[[], object]]


def _cited(document: Tables) -> Iterator[Place]:
    """Every table that stands on a clause."""

    def below(node: object, path: str) -> Iterator[Place]:
        if isinstance(node, dict):
            if "clause" in node:
                yield path, node
            for key, value in node.items():
                yield from below(value, f"{path}.{key}".lstrip("."))
        elif isinstance(node, list):
            for number, value in enumerate(node):
                yield from below(value, f"{path}[{number}]")

    return below(document, "")


def _dated(document: Tables) -> Iterator[Place]:
    return ((path, node) for path, node in _cited(document) if "from" in node)


def _provisions(document: Tables) -> Iterator[Place]:
    return ((f"provisions.{name}", one) for name, one in document["provisions"].items())


def _each(document: Tables, *keys: str) -> Iterator[Place]:
    """Every table of the lists of a provision under some keys."""
    for path, provision in _provisions(document):
        for key in keys:
            yield from ((f"{path}.{key}[{n}]", one) for n, one in enumerate(provision.get(key, ())))


def _priced(document: Tables) -> Iterator[Place]:
    """Every table with a value of money."""
    for path, rate in _each(document, "rate", "total", "caps"):
        yield from [(path, rate)] if "value" in rate else []
        for form in ("tiers", "slices"):
            yield from ((f"{path}.{form}[{n}]", one) for n, one in enumerate(rate.get(form, ())))


def _set(where: str, node: Tables, key: str, value: object) -> Spoil:
    return f"{where}.{key}".lstrip("."), partial(node.update, {key: value})


def _at(where: str, node: Tables, key: str, value: object) -> Spoil:
    """Spoiled by a key, and refused as the table that holds it."""
    return where, partial(node.update, {key: value})


def _without(where: str, node: Tables, key: str) -> Spoil:
    return f"{where}.{key}".lstrip("."), partial(node.pop, key)


def _unknown_keys(document: Tables) -> Iterator[Spoil]:
    return (_set(path, node, "amuont", "1") for path, node in _cited(document))


def _missing_clauses(document: Tables) -> Iterator[Spoil]:
    return (_without(path, node, "clause") for path, node in _cited(document))


def _unknown_clauses(document: Tables) -> Iterator[Spoil]:
    return (_set(path, node, "clause", "99") for path, node in _cited(document))


def _missing_keys(document: Tables) -> Iterator[Spoil]:
    keys = ("title", "sum", "claim_period", "anchor", "counted_on", "first_month", "rounding", "purpose", "pays_from")
    for path, provision in _provisions(document):
        yield from (_without(path, provision, key) for key in keys)
    yield from (_without(path, division, "odd_fen_to") for path, division in _each(document, "payers"))


def _shares(document: Tables) -> Iterator[Spoil]:
    for path, division in _each(document, "payers"):
        shares = division["shares"]
        for payer, share in shares.items():
            yield _at(path, division, "shares", {**shares, payer: str(Fraction(share) / 2)})


def _odd_fen(document: Tables) -> Iterator[Spoil]:
    return (_at(path, division, "odd_fen_to", "nobody") for path, division in _each(document, "payers"))


def _followed(document: Tables, days: int) -> Iterator[Spoil]:
    """Another version after the last, which ends so many days after that has begun."""
    for path, provision in _provisions(document):
        for key in {"rate", "total"} & {*provision}:
            versions = provision[key]
            following = versions[-1]["from"] + timedelta(days=30)
            last, new = versions[-1], {**versions[-1], "from": following}
            yield path, partial(_replace, versions, {**last, "until": following + timedelta(days=days)}, new)


def _replace(versions: list[Tables], *last: Tables) -> None:
    versions[-1:] = last


def _gaps(document: Tables) -> Iterator[Spoil]:
    return _followed(document, -1)


def _overlaps(document: Tables) -> Iterator[Spoil]:
    return _followed(document, 1)


def _out_of_order(document: Tables) -> Iterator[Spoil]:
    for path, node in _dated(document):
        yield _at(path or "(document)", node, "until", node["from"])


def _tiered(document: Tables, *second: int) -> Iterator[Spoil]:
    """Two tiers, of the first service year and of others."""
    tiers = [{"service_years": years, "value": "18.00"} for years in ([1, 2], list(second))]
    for path, rate in _each(document, "rate"):
        plain = {key: value for key, value in rate.items() if key not in ("value", "slices")}
        yield path, partial(_become, rate, {**plain, "tiers": tiers})


def _become(node: Tables, other: Tables) -> None:
    node.clear()
    node.update(other)


def _tier_gaps(document: Tables) -> Iterator[Spoil]:
    return _tiered(document, 4, 4)


def _tier_overlaps(document: Tables) -> Iterator[Spoil]:
    return _tiered(document, 2, 3)


def _days_in_quotes(document: Tables) -> Iterator[Spoil]:
    return (_set(path, node, "from", str(node["from"])) for path, node in _dated(document))


def _numbers_without_quotes(document: Tables) -> Iterator[Spoil]:
    return (_set(path, node, "value", 18) for path, node in _priced(document))


def _below_0(document: Tables) -> Iterator[Spoil]:
    return (_set(path, node, "value", "-0.01") for path, node in _priced(document))


def _units(document: Tables) -> Iterator[Spoil]:
    for path, rate in _each(document, "rate"):
        yield _set(path, rate, "unit", "yuan a month")


def _unknown_measures(document: Tables) -> Iterator[Spoil]:
    for path, node in _each(document, "indicators"):
        yield _set(path, node, "fact", "hosehold")
    for path, provision in _provisions(document):
        if "weights" in provision:
            yield _set(path, provision, "weights", "hosehold")
        provision["rounding"]["level"] = "line"  # a household of another rate would be wrong too
    yield from (_set(path, rate, "unit", "CNY/hosehold/month") for path, rate in _each(document, "rate"))


def _unknown_words(document: Tables) -> Iterator[Spoil]:
    for path, provision in _provisions(document):
        yield _set(f"{path}.rounding", provision["rounding"], "mode", "half")
        yield _set(path, provision, "first_month", "some")
        yield _set(path, provision, "anchor", "enrollment")


def _unknown_funds(document: Tables) -> Iterator[Spoil]:
    for path, provision in _provisions(document):
        yield _set(path, provision, "pays_from", "purse")
        if "pays_into" in provision:
            yield _set(path, provision, "pays_into", "purse")


def _unpermitted(document: Tables) -> Iterator[Spoil]:
    return (_set(path, provision, "purpose", "banquet") for path, provision in _provisions(document))


def _unfenced(document: Tables) -> Iterator[Spoil]:
    return (_set(f"funds.{name}", fund, "permits", []) for name, fund in document["funds"].items())


def _lapsing(document: Tables) -> Iterator[Spoil]:
    ends = {"carry_forward": False, "surplus_after_years": 2}
    return ((f"funds.{name}", partial(fund.update, ends)) for name, fund in document["funds"].items())


def _both_ways(document: Tables) -> Iterator[Spoil]:
    gate = {"fact": "assessment", "passes": ["pass"], "fails": ["pass"], "clause": "1"}
    return ((f"{path}.gate", partial(one.update, gate=gate)) for path, one in _provisions(document))


def _without_a_decision(document: Tables) -> Iterator[Spoil]:
    for path, provision in _provisions(document):
        bare = {key: value for key, value in provision.items() if key != "gate"}
        yield path, partial(_become, provision, {**bare, "anchor": "decision"})


def _no_toml(document: Tables) -> Iterator[Spoil]:
    yield "", partial(document.update, title=_Unquoted("A drawn document"))


@dataclass(frozen=True)
class _Unquoted:
    """Text that somebody forgot to put in quotes."""

    text: str

    def __str__(self) -> str:
        return self.text


SPOILS: Mapping[str, Callable[[Tables], Iterator[Any]]] = {
    "an unknown key": _unknown_keys,
    "a missing clause": _missing_clauses,
    "a clause that is not there": _unknown_clauses,
    "a missing key": _missing_keys,
    "shares that do not sum to 1": _shares,
    "an odd fen for nobody": _odd_fen,
    "a gap between versions": _gaps,
    "versions that overlap": _overlaps,
    "an end before the beginning": _out_of_order,
    "a gap between tiers": _tier_gaps,
    "tiers that overlap": _tier_overlaps,
    "a day in quotes": _days_in_quotes,
    "a number without quotes": _numbers_without_quotes,
    "a value below 0": _below_0,
    "a unit that is none": _units,
    "a measure that nobody knows": _unknown_measures,
    "a word that is none of the language": _unknown_words,
    "a fund that is not there": _unknown_funds,
    "a purpose that no permit names": _unpermitted,
    "a fund without permits": _unfenced,
    "surplus of a fund that carries nothing forward": _lapsing,
    "a result that passes and fails": _both_ways,
    "a decision without a gate": _without_a_decision,
    "no TOML": _no_toml,
}
_ANY, _PRICED = tables(Asked()), tables(Asked(sums=SUMS[:1]))
_OF_RATES = {"a gap between tiers", "tiers that overlap", "a unit that is none"}
