"""Strategies of policy documents: what a city might write, in the whole language of the two sums, funds and fences."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

from estate_funds.calendar import MonthRule
from estate_funds.money import Rounding, format_rate
from estate_funds.policy import Document, parse_document
from estate_funds.testing.strategies.values import FIRST_DAY, check_range, rates, refuse_unless

T = TypeVar("T")
Tables = dict[str, Any]
SUMS = ("rate_times_base", "total_over_weights")
ANCHORS = ("enrolment", "service_month", "decision")
SOURCE = "drawn.toml"
CLAUSES = {"1": "as the first clause says", "2(1)": "as the second says", "三": "第三条"}
_NAMES = ("award", "works", "relief")
_FACTS: Mapping[str, Tables] = {
    "contract": {"type": "yes_no", "text": "whether there is a contract"},
    "grade": {"type": "choice", "values": ["good", "fair", "poor"], "text": "the grade of the estate"},
    "audited_cost": {"type": "yuan", "text": "what the audit found"},
}
_BARE = re.compile("[A-Za-z0-9_-]+")
_HEADED = 2  # as deep as provisions.award, tables have headings


def documents(
    *,
    sums: Sequence[str] = SUMS,
    anchors: Sequence[str] = ANCHORS,
    max_provisions: int = 2,
    max_versions: int = 3,
    start_by: date = FIRST_DAY,
) -> st.SearchStrategy[Document]:
    """Documents as `parse_document` reads them from the texts of `document_texts`, with the same options.

    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, database=None)
    ... @given(documents(sums=["rate_times_base"]))
    ... def test_every_rate_is_dated(document):
    ...     assert all(rate.in_force(rate.start) for one in document.provisions.values() for rate in one.rate)
    >>> test_every_rate_is_dated()
    """
    texts = document_texts(
        sums=sums, anchors=anchors, max_provisions=max_provisions, max_versions=max_versions, start_by=start_by
    )
    return st.builds(parse_document, texts, source=st.just(SOURCE))


def document_texts(
    *,
    sums: Sequence[str] = SUMS,
    anchors: Sequence[str] = ANCHORS,
    max_provisions: int = 2,
    max_versions: int = 3,
    start_by: date = FIRST_DAY,
) -> st.SearchStrategy[str]:
    """The TOML of documents: provisions of either sum, with rates, tiers, slices, totals, weights, indicators, caps and
    payers in dated versions, gates, conditions, requirements, and funds with permits, in every way to carry and trace.

    Every document is in force on `start_by` and ever after, and so is a version of each of its values. Shrinks to one
    provision: 0 yuan per household and month, paid by the city alone.

    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, database=None)
    ... @given(document_texts(max_provisions=1))
    ... def test_one_award(text):
    ...     assert text.startswith("format = 1") and "[provisions.award]" in text and "[funds.budget]" in text
    >>> test_one_award()
    """
    for given, known, name in ((sums, SUMS, "sums"), (anchors, ANCHORS, "anchors")):
        refuse_unless(given and {*given} <= {*known}, f"documents: wanted {name} of {', '.join(known)}, got {given!r}")
    check_range(1, max_provisions, "documents, provisions", least=1)
    refuse_unless(max_provisions <= len(_NAMES), f"documents: wanted at most {len(_NAMES)} provisions")
    check_range(1, max_versions, "documents, versions", least=1)
    refuse_unless(type(start_by) is date, f"documents: wanted start_by, a date, got {start_by!r}")
    return tables(Asked(tuple(sums), tuple(anchors), max_provisions, max_versions, start_by)).map(toml_text)


def toml_text(tables: Tables, path: str = "", depth: int = 0) -> str:
    """Tables as TOML, as people lay it out: values first, then tables under headings; small ones in a line."""
    lines, below = [], []
    for key, value in tables.items():
        place = f"{path}.{_key(key)}".lstrip(".")
        if isinstance(value, dict) and depth < _HEADED:
            named = all(isinstance(one, dict) for one in value.values())
            below.append(("" if named else f"\n[{place}]\n") + toml_text(value, place, depth + 1))
        elif isinstance(value, list) and any(isinstance(one, dict) and "clause" in one for one in value):
            below += [f"\n[[{place}]]\n{toml_text(one, place, _HEADED)}" for one in value]
        else:
            lines.append(f"{_key(key)} = {_value(value)}\n")
    return "".join([*lines, *below])


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


# --- a document ---

# What follows draws by functions, not by strategies of its own: made anew for each document, those would take longer to
# make than to draw from.


class Asked(NamedTuple):
    """The options of `documents`."""

    sums: tuple[str, ...] = SUMS
    anchors: tuple[str, ...] = ANCHORS
    provisions: int = 2
    versions: int = 3
    start_by: date = FIRST_DAY


class _Pen(NamedTuple):
    """What writes one document: choices, the options, and what the whole document has."""

    draw: st.DrawFn
    asked: Asked
    start: date
    facts: tuple[str, ...]

    def number(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def one_of(self, *among: T) -> T:
        return among[self.number(0, len(among) - 1)]

    def clause(self) -> str:
        return self.one_of(*CLAUSES)

    def rate(self) -> str:
        return format_rate(self.draw(_ANY_RATE))

    def above_0(self) -> str:
        return format_rate(self.draw(_ABOVE_0))

    def versions(self) -> list[Tables]:
        """The heads of the versions of a value, one after the other; what ends and what follows may both be said."""
        found: list[Tables] = [{"from": self.start, "clause": self.clause()}]
        while len(found) < self.asked.versions and (days := self.number(0, 900)):
            following = found[-1]["from"] + timedelta(days=days)
            if self.number(0, 1):
                found[-1]["until"] = following
            found.append({"from": following, "clause": self.clause()})
        return found


_ANY_RATE, _ABOVE_0 = rates(), rates(min_yuan=1, max_yuan=5_000)


@st.composite
def tables(draw: st.DrawFn, asked: Asked) -> Tables:
    """The tables of a document."""
    start = asked.start_by - timedelta(days=draw(st.integers(0, 1_000)))
    pen = _Pen(draw, asked, start, tuple(name for name in _FACTS if draw(st.integers(0, 1))))
    names = _NAMES[: pen.number(1, asked.provisions)]
    found: Tables = {
        "format": 1, "id": "drawn", "number": "No. 1", "title": "A drawn document", "issuer": "the city",
        "from": start, "clause": "1", "clauses": dict(CLAUSES),
        "parties": {"residents": {"name": "the residents", "clause": "1"}, "firm": {"name": "宏达物业", "clause": "1"}},
        "facts": {name: {**_FACTS[name], "clause": pen.clause()} for name in pen.facts},
        "requirements": [_requirement(pen) for _ in range(pen.number(0, 2))],
        "provisions": {name: _provision(pen, name) for name in names},
        "funds": {"budget": _budget(pen, names), "share": _share(pen)},
    }  # fmt: skip
    return _kept(found)


def _kept(table: Tables) -> Tables:
    """A table without what was left out."""
    return {key: value for key, value in table.items() if value not in (None, {}, [])}


_CONDITIONS: tuple[tuple[str, str, object], ...] = (
    ("gate", "is", ["closed"]), ("gate", "is", ["open", "mixed"]), ("floor_area_m2", "at_least", "2000"),
    ("household", "at_most", "100"), ("buildings", "above", "1"), ("renovated_on", "on_or_before", date(2022, 12, 31)),
    ("service_start", "after", date(2021, 3, 1)),
)  # fmt: skip
_OF_FACTS: Mapping[str, tuple[str, str, object]] = {
    "contract": ("contract", "is", ["yes"]),
    "grade": ("grade", "is", ["good", "fair"]),
    "audited_cost": ("audited_cost", "above", "0"),
}


def _condition(pen: _Pen) -> Tables:
    """A condition on what the register knows, or on a fact that the document asks for."""
    fact, bound, value = pen.one_of(*_CONDITIONS, *(_OF_FACTS[name] for name in pen.facts))
    return {"fact": fact, bound: value}


def _requirement(pen: _Pen) -> Tables:
    return {**_condition(pen), "otherwise": pen.one_of("warn", "hold", "refuse"), "clause": pen.clause()}


# --- a provision ---


def _provision(pen: _Pen, name: str) -> Tables:
    one = pen.one_of(*pen.asked.sums) == SUMS[0]
    gated = pen.one_of(False, True) or {*pen.asked.anchors} == {"decision"}
    gate = {"fact": "assessment", "passes": ["pass"], "fails": ["fail"], "clause": "1"} if gated else None
    level = pen.one_of("line", "claim", *["household"] * one)
    pool = None if one else pen.one_of(None, "district", "community")
    once = ["once"] * (one or pool is not None)
    return _kept({
        "title": "以奖代补", "clause": pen.clause(), "sum": SUMS[0] if one else SUMS[1], "pool": pool,
        "claim_period": pen.one_of(*["service_year"] * one, "calendar_year", "quarter", "month", *once),
        "anchor": pen.one_of(*(anchor for anchor in pen.asked.anchors if gated or anchor != "decision")),
        "counted_on": pen.one_of("service_year_start", "enrolment", "month_start", "01-01", "02-29"),
        "first_month": pen.one_of(*MonthRule).value, "last_month": pen.one_of(*MonthRule).value, "gate": gate,
        "rounding": {"level": level, "mode": pen.one_of(*Rounding).value, "to": pen.one_of("0.01", "0.10", "1")},
        "applies_to": [_condition(pen)] * pen.number(0, 1),
        "purpose": name, "pays_from": "budget", **pen.one_of({"pays_into": "share"}, {"payee": "firm"}),
        **(_sum_1(pen, level) if one else _sum_2(pen, gated)),
        "caps": _caps(pen) if pen.number(0, 1) else [],
        "payers": _divisions(pen),
    })  # fmt: skip


def _sum_1(pen: _Pen, level: str) -> Tables:
    """Dated rates: one value, tiers or slices; of a measure, or of a cost."""
    bases = ("household",) if level == "household" else ("household", "m2", "building", "estate")
    units = [f"CNY/{base}/{per}" for per in ("month", "quarter", "year", "once") for base in bases]
    if "audited_cost" in pen.facts and level != "household":
        units.append("share of audited_cost")
    return {"rate": [{**version, "unit": pen.one_of(*units), **_rate(pen)} for version in pen.versions()]}


def _rate(pen: _Pen) -> Tables:
    form = pen.one_of("value", "tiers", "slices")
    found = {"value": pen.rate()} if form == "value" else _tiers(pen) if form == "tiers" else _slices(pen)
    return found | ({"base_at_most": {"value": pen.above_0()}} if pen.number(0, 1) else {})


def _tiers(pen: _Pen) -> Tables:
    """Rates for runs of service years, without a gap."""
    found, last = [], 0
    for _ in range(pen.number(1, 3)):
        first, last = last + 1, last + pen.number(1, 3)
        found.append({"service_years": [first, last], "value": pen.rate()})
    return {"tiers": found}


def _slices(pen: _Pen) -> Tables:
    """Rates for the first so many units, for the next, and for all the rest."""
    found, end = [], 0
    for _ in range(pen.number(1, 2)):
        end += pen.number(1, 1_000)
        found.append({"up_to": str(end), "value": pen.rate()})
    return {"slices": [*found, {"value": pen.rate()}]}


def _sum_2(pen: _Pen, assessed: bool) -> Tables:
    """Dated totals, divided by a measure, by marks, or by one times the other."""
    total = [{**version, "value": pen.rate(), "share": pen.one_of("1", "1/2", "0.705")} for version in pen.versions()]
    weights = pen.one_of("household", "m2", "building", *["score"] * assessed, None)
    marked = pen.number(0, 2) if weights else pen.number(1, 2)
    indicators = [
        {"fact": pen.one_of("household", "m2"), "marks": pen.above_0(), "full": pen.above_0(), "clause": pen.clause()}
        for _ in range(marked)
    ]
    return {"total": total, "weights": weights, "indicators": indicators}


def _caps(pen: _Pen) -> list[Tables]:
    per = pen.one_of("each", "household")
    return [{**version, "value": pen.above_0(), "per": per} for version in pen.versions()]


def _divisions(pen: _Pen) -> list[Tables]:
    """Who pays: dated versions for everybody, and perhaps another division for closed estates."""
    found = [{**version, **_payers(pen)} for version in pen.versions()]
    if pen.number(0, 1):
        closed = {"when": [{"fact": "gate", "is": ["closed"]}], "clause": pen.clause()}
        found.append({"from": pen.start, **closed, **_payers(pen)})
    return found


def _payers(pen: _Pen) -> Tables:
    weights = {"city": pen.number(1, 9), "district": pen.number(0, 9), "residents": pen.number(0, 9)}
    whole = sum(weights.values())
    shares = {payer: str(Fraction(weight, whole)) for payer, weight in weights.items() if weight}
    odd = {"odd_fen_to": pen.one_of(*shares), "odd_fen": pen.one_of("largest_remainder", "residue")}
    return {"shares": shares, **odd}


# --- funds ---


def _budget(pen: _Pen, purposes: Sequence[str]) -> Tables:
    taken = ({"payee_classes": ["community"], "into": "share"}, {"payee_classes": ["firm"]})
    permits = [{"from": pen.start, "clause": pen.clause(), "purposes": list(purposes), **permit} for permit in taken]
    return {**_fund(pen, "Budget", "city", "district"), "permits": permits}


def _share(pen: _Pen) -> Tables:
    return {**_fund(pen, "Share", "community"), "permits": [_permit(pen) for _ in range(pen.number(1, 3))]}


def _permit(pen: _Pen) -> Tables:
    days = pen.number(0, 3_000)
    return _kept({
        "from": pen.start, "until": pen.start + timedelta(days=days) if days else None, "clause": pen.clause(),
        "purposes": pen.one_of(["cleaning"], ["repair", "greening"]),
        "payee_classes": pen.one_of(["enterprise"], ["enterprise", "professional"]),
        "requires": pen.one_of([], ["invoice"], ["invoice", "audit"]),
    })  # fmt: skip


def _fund(pen: _Pen, title: str, *held_by: str) -> Tables:
    years = pen.number(0, 3)
    return _kept({
        "title": title, "clause": pen.clause(), "held_by": list(held_by),
        "carry_forward": pen.number(0, 1) == 0 or years > 0, "surplus_after_years": years or None,
        "provenance": pen.one_of("fifo", "proportional"),
    })  # fmt: skip
