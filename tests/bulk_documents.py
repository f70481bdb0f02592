"""Documents, registers and rows for properties of the bulk twin: what `estate_funds.testing.strategies` draws, and more.

`counted_documents` pay estates by their households; `own_documents` pay households, or houses in buildings, by what
stands in their rows. `plainly` says what the plain `assess` owes the same rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from estate_funds.assess import Claim, Claims, Outcome, assess
from estate_funds.bulk.program import Program
from estate_funds.bulk.result import PENDING
from estate_funds.calendar import Month, Months
from estate_funds.policy import Document, parse_document
from estate_funds.policy.language import Territory
from estate_funds.registry import (
    Assessments,
    Estate,
    Fact,
    Facts,
    Headcount,
    Household,
    Registry,
    Subject,
    count_households,
    estate_subject,
    units_of,
)
from estate_funds.testing import strategies as ef
from estate_funds.testing.strategies.documents import toml_text

Tables = dict[str, Any]
Row = Mapping[str, object]
WINDOWS = st.sampled_from(
    [Months.parse(text) for text in ("2021-01..2023-12", "2021-05..2024-03", "2022", "2022-03", "2021-11..2023-02")]
) | ef.periods(min_month=Month.parse("2020-06"), max_month=Month.parse("2025-12"), min_size=11, max_size=40)
DAYS = st.sampled_from(
    [date.fromisoformat(f"20{day}") for day in (
        "21-01-01", "21-01-02", "21-01-16", "20-12-31", "22-03-15", "22-03-16", "21-03-01", "22-02-28", "23-05-20",
        "20-02-29", "21-06-15", "21-12-15", "21-03-20", "22-07-09", "19-09-09", "24-02-29",
    )]
) | ef.days(min_day=date(2018, 6, 1), max_day=date(2026, 6, 30))  # fmt: skip
STAYS = st.none() | st.sampled_from([900, 365, 31, 1]) | st.integers(1, 1_500)


# --- documents --------------------------------------------------------------------------------------------------------


def parsed(tables: Tables) -> Document:
    """Tables as a document."""
    return parse_document(toml_text(tables), source="drawn.toml")


@st.composite
def counted_documents(draw: st.DrawFn) -> Document:
    """Drawn documents, their rates turned to such as add whole fen for each household, most of the time."""
    document = draw(ef.documents(sums=["rate_times_base"], max_provisions=1))
    if not draw(st.integers(0, 5)):
        return document
    tables = copy.deepcopy(document.written)
    award = tables["provisions"]["award"]
    award.pop("caps", None)
    for one in [award.get("applies_to", []), tables.get("requirements", [])]:
        one[:] = [bounds for bounds in one if bounds["fact"] != "household"]
    for rate in award["rate"]:
        rate["unit"] = f"CNY/household/{draw(st.sampled_from(['month', 'quarter', 'year', 'once']))}"
        rate.pop("base_at_most", None)
        if rate.pop("slices", None):
            rate["value"] = "1"
        for table in [rate, *rate.get("tiers", [])]:
            if "value" in table:
                table["value"] = f"{48 * draw(st.integers(1, 60))}.00"
    for split in award["payers"]:
        split["shares"] = draw(st.sampled_from([{"city": "1"}, {"city": "1/4", "district": "3/4"}, {"district": "1"}]))
        split["odd_fen_to"] = draw(st.sampled_from([*split["shares"]]))
    if draw(st.integers(0, 3)):
        award["applies_to"], tables["requirements"] = [], []
    if draw(st.integers(0, 3)) == 0 and award["claim_period"] == "once":
        award["claim_period"] = "calendar_year"
    if draw(st.booleans()):
        award["counted_on"] = draw(st.sampled_from(["03-15", "02-29", "12-31", "month_start"]))
    if draw(st.integers(0, 3)) == 0:
        award["claim_per"] = "community"
    return parsed(tables)


_OF = {"hardship": "choice", "disabled": "yes_no", "since": "date", "income": "yuan", "owned": "share", "bank": "text"}
_BASES = ("m2", "each", "due", "net", "scaled", "posts", "income", "lift", "levels")


@st.composite
def own_documents(draw: st.DrawFn) -> Document:
    """Households, or houses in buildings, that claim for themselves: facts of theirs, of estates and of streets."""
    tables = copy.deepcopy(draw(ef.documents(sums=["rate_times_base"], max_provisions=1)).written)
    each = draw(st.sampled_from(["household", "house"]))
    flag = lambda one_in: draw(st.integers(1, one_in)) == one_in  # noqa: E731
    tables["kinds"] = {"building": {"text": "a building", "clause": "1"}, "house": {"text": "a house", "part_of": "building", "clause": "1"}}  # fmt: skip
    once = draw(st.sampled_from(["service_year", "calendar_year", "quarter", "month", "once"])) == "once"
    facts = {name: {"type": kind, "of": each, "text": name, "clause": "1"} for name, kind in _OF.items()}
    facts["hardship"]["values"] = ["none", "low", "severe"]
    facts["income"]["each_period"] = not once and flag(3)
    facts["price"] = {"type": "yuan", "of": draw(st.sampled_from(["estate", "street"])), "text": "price", "clause": "1"}
    facts["price"]["each_period"] = not once and flag(4)
    if each == "house":
        facts["levels"] = {"type": "number", "of": "building", "text": "levels", "clause": "1"}
        if flag(2):
            facts["area_m2"] = {"type": "m2", "of": "house", "text": "area", "clause": "1"}
    tables["facts"] = tables.get("facts", {}) | facts
    tables["derived"] = _derived(each, whole=not flag(4))
    award = tables["provisions"]["award"]
    if once:
        award["claim_period"] = "once"
    elif award["claim_period"] == "once":
        award["claim_period"] = "month"
    award["each"] = each
    award["rounding"]["level"] = draw(st.sampled_from(["line", "line", "line", "claim"]))
    base = draw(st.sampled_from([name for name in _BASES if name in (*facts, *tables["derived"], "m2", "each")]))
    for one in [award.get("applies_to", []), tables.get("requirements", [])]:
        one[:] = [bounds for bounds in one if bounds["fact"] != "household"]
    for rate in award["rate"]:
        _rate(draw, rate, base)
    if flag(3):
        award.pop("caps", None)
    per = draw(st.sampled_from(["each", "m2"]))
    for cap in award.get("caps", []):
        cap["per"] = per
    if not flag(4):
        award["applies_to"], tables["requirements"] = [], []
    _gates(draw, tables, award)
    if flag(6):
        award["claim_per"] = "estate"
    return parsed(tables)


def _derived(each: str, *, whole: bool) -> Tables:
    small = {"fact": "m2", "at_most": "90"}
    poor = {"fact": "hardship", "is": ["severe"]}
    last = [{"value": "1"}] if whole else [{"value": "1", "when": [{"fact": "hardship", "is": ["none"]}]}]
    found: Tables = {
        "due": {"product_of": ["m2", "price"]},
        "net": {"difference": ["due", "income"]},
        "factor": {"values": [{"value": "1.5", "when": [poor]}, {"value": "0.75", "when": [{"fact": "gate", "is": ["closed"]}]}, *last]},
        "lift": {"values": [{"value": "3", "when": [small]}, {"value": "1"}]},
        "scaled": {"product_of": ["m2", "factor"]},
        "posts": {"steps": {"of": "m2", "size": "40", "round": "up"}},
        "kind": {"classes": [{"is": "small", "when": [small]}, {"is": "odd", "when": [poor]}, {"is": "rest"}]},
        "weak": {"any_of": [[poor], [{"fact": "disabled", "is": ["yes"]}, {"fact": "income", "below": "0.5", "of": "price"}]]},
        "stay": {"months_between": ["started_on", "since"]},
        "before": {"previous": "income"},
    }  # fmt: skip
    if each == "house":
        found["tall"] = {"sum_of": ["levels", "posts"]}
    return {name: {**rule, "text": name, "clause": "1"} for name, rule in found.items()}


def _rate(draw: st.DrawFn, rate: Tables, base: str) -> None:
    per = draw(st.sampled_from(["month", "quarter", "year", "once"]))
    rate["unit"] = f"CNY/{base}/{per}"
    if not draw(st.integers(0, 3)):
        rate.pop("slices", None)
        rate.pop("tiers", None)
        rate["value"] = draw(st.sampled_from(["2.1", "1.755", "0.333", "12.5", "1/3"]))
    if draw(st.booleans()):
        rate.pop("base_at_most", None)
    if draw(st.booleans()) and rate.pop("slices", None):
        rate["value"] = "1.755"
    if draw(st.integers(0, 2)) == 0:
        for form in ("value", "slices", "tiers"):
            rate.pop(form, None)
        values = iter(draw(st.permutations(["7.77", "0.01", "3.10"])))
        whens = draw(
            st.sampled_from(
                [
                    [{"fact": "hardship", "is": [one]} for one in ("none", "low", "severe")],
                    [{"fact": "m2", "at_most": "90"}, {"fact": "m2", "above": "90"}],
                    [{"fact": "kind", "is": ["small", "odd"]}, {"fact": "kind", "is": ["rest"]}],
                    [{"fact": "net", "below": "5000"}, {"fact": "net", "at_least": "5000"}],
                    [{"fact": "stay", "at_most": "12"}, {"fact": "stay", "above": "12"}],
                    [{"fact": "since", "before": date(2022, 3, 1)}, {"fact": "since", "on_or_after": date(2022, 3, 1)}],
                ]
            )
        )
        rate["tiers"] = [{"when": [when], "value": next(values)} for when in whens]


_ASKED: Sequence[Tables] = (
    {"fact": "m2", "at_least": "60"},
    {"fact": "income", "at_most": "1000"},
    {"fact": "income", "below": "0.5", "of": "due"},
    {"fact": "income", "below": "0.5", "of": "price", "rounded_to": "1"},
    {"fact": "owned", "above": "1/2"},
    {"fact": "weak", "is": ["yes"]},
    {"fact": "bank", "is": ["icbc"]},
    {"fact": "since", "after": date(2021, 5, 4)},
    {"fact": "before", "above": "10"},
    {"fact": "posts", "above": "2"},
    {"fact": "lift", "above": "2"},
    {"fact": "stay", "above": "6"},
    {"fact": "started_on", "before": date(2022, 6, 16)},
)


def _gates(draw: st.DrawFn, tables: Tables, award: Tables) -> None:
    """Conditions on what stands in rows, in all the places that conditions may have."""
    some = lambda: copy.deepcopy(draw(st.sampled_from(_ASKED)))  # noqa: E731
    which = draw(st.integers(0, 9))
    if which == 0:
        award["gate"] = {"fact": "hardship", "passes": ["low", "severe"], "fails": ["none"], "clause": "1"}
    elif award.get("anchor") != "decision":
        award.pop("gate", None)
    if which == 1:
        award["applications"] = {"fact": "since", "from": "11-01", "to": "03-15", "clause": "1"}
    if which == 2:
        award["notice"] = {"days": 7, "published_on": "since", "objection": "disabled", "clause": "1"}
    if which == 3:
        award["applies_to"] = [some()]
    if which == 4:
        split = copy.deepcopy(award["payers"][0]) | {"from": tables["from"], "when": [some()]}
        award["payers"] = [one for one in award["payers"] if not one.get("when")] + [split]
    if which == 5:
        award.pop("pays_into", None)
        award["payee"] = "bank"
    if which >= 6:
        tables["requirements"] = [
            {**some(), "otherwise": draw(st.sampled_from(["refuse", "hold", "warn"])), "clause": "1"}
        ]


# --- registers and rows -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A provision and all that its claims rest on, rows left out."""

    document: Document
    registry: Registry
    results: Assessments
    window: Months
    above: tuple[Document, ...] = ()
    below: tuple[Document, ...] = ()
    name: str = "award"

    @property
    def each(self) -> str:
        return self.document.provision(self.name).each

    def near(self, row: Row) -> Asked:
        """The same with the estate of a row alone."""
        estates = {e: estate for e, estate in self.registry.estates.items() if e == row.get("estate_id")}
        return replace(self, registry=replace(self.registry, estates=estates, units=units_of(estates.values())))


@st.composite
def asked(draw: st.DrawFn, documents: st.SearchStrategy[Document], name: str = "award") -> Asked:
    """With a register of a few estates, results, a window, and perhaps a document above or below."""
    document = draw(documents)
    registry = draw(ef.registries(document=document, headcounts=False, max_size=3))
    facts = [(*key, fact) for key, fact in registry.facts.items() if key[1] != "price"]
    facts += draw(_prices(document, registry))
    estates = registry.estates
    registry = Registry(estates, {}, facts=Facts(facts), units=units_of(estates.values()))
    provision = document.provision(name)
    results = draw(ef.assessments(registry, provision=provision))
    above, below = [], []
    other = draw(st.integers(0, 7))
    if other in (1, 2):
        day = draw(ef.days(min_day=date(2020, 6, 1), max_day=date(2023, 6, 30)))
        until = day + timedelta(days=draw(st.integers(1, 500)))
        changed = document.model_copy(update={"id": "other", "start": day, "until": until if other == 1 else None})
        if draw(st.booleans()):
            level = draw(st.sampled_from(["district", "street", "community"]))
            changed = _only_in(changed, level, next(iter(estates.values())))
        above, below = ([changed], []) if other == 1 else ([], [changed])
    if other == 3:
        document = _only_in(document, "street", next(iter(estates.values())))
    return Asked(document, registry, results, draw(WINDOWS), tuple(above), tuple(below), name)


def _only_in(document: Document, level: str, estate: Estate) -> Document:
    territory = Territory(level=level, names=(estate.unit_at(level),), clause="1")  # type: ignore[arg-type]
    return document.model_copy(update={"territory": territory})


@st.composite
def _prices(draw: st.DrawFn, document: Document, registry: Registry) -> list[tuple[str, str, str, Fact]]:
    rule = document.facts.get("price")
    if rule is None:
        return []
    keys = ["2021", "2022", "2023", "2021-03", "2022-Q1", "1", "2"] if rule.each_period else [""]
    owners = [*registry.estates] if rule.of == "estate" else [name for name, unit in units_of(registry.estates.values()).items() if unit.kind == "street"]  # fmt: skip
    prices = st.none() | st.sampled_from([Fraction("55.55"), Fraction(1), Fraction("0.01"), Fraction(1200)])
    found = [(owner, key, draw(prices)) for owner in owners for key in keys]
    return [(owner, "price", key, Fact(price)) for owner, key, price in found if price is not None]


_NUMBERS = st.sampled_from([0, 1, 3_000, 6_000, 9_000, 9_001, 12_000, 100_000]) | st.integers(1, 30_000)
_CELLS: Mapping[str, st.SearchStrategy[Any]] = {
    "yes_no": st.sampled_from(["yes", "no"]),
    "date": DAYS,
    "text": st.sampled_from(["icbc", "某某", "yes"]),
    "share": st.sampled_from([Decimal("0.25"), Decimal("0.5"), Decimal(1)]),
    "number": _NUMBERS.map(lambda n: Decimal(n) / 100),
}


@st.composite
def rows_of(draw: st.DrawFn, program: Program, asked: Asked, *, most: int = 6) -> list[Row]:
    """Rows with the columns of a program; some repeat what decides of one before."""
    found: list[dict[str, object]] = []
    estates = sorted(asked.registry.estates)
    for _ in range(draw(st.sampled_from([4, most, 3, 2, 1, 5, 0]))):
        if found and draw(st.integers(0, 3)):
            row = dict(draw(st.sampled_from(found)))
            name = draw(st.sampled_from(["removed_on", *(c.name for c in program.columns)]))
            row[name] = draw(_cell(asked.document, name, estates))
        else:
            row = {c.name: draw(_cell(asked.document, c.name, estates)) for c in program.columns}
        start, gone = row["registered_on"], row["removed_on"]
        assert isinstance(start, date)
        if isinstance(gone, int):  # days after the first
            row["removed_on"] = start + timedelta(days=gone)
        elif isinstance(gone, date) and gone <= start:
            row["removed_on"] = None
        found.append(row)
    return list(found)


def _cell(document: Document, name: str, estates: Sequence[str]) -> st.SearchStrategy[Any]:
    if name == "estate_id":
        return st.sampled_from(estates)
    if name == "registered_on":
        return DAYS
    if name == "removed_on":
        return STAYS | DAYS
    if name == "floor_area_m2":
        return st.none() | _NUMBERS.map(lambda n: Decimal(max(n, 1)) / 100)
    rule = document.facts[name.partition("@")[0]]
    one = st.sampled_from(rule.values) if rule.values else _CELLS.get(rule.type, _CELLS["number"])
    return one if rule.values else st.one_of(one, one, st.none())


def batch_of(program: Program, rows: Sequence[Row]) -> pa.RecordBatch:
    """The rows as a batch, in the types that the program wants."""
    schema = pa.schema([(c.name, c.type) for c in program.columns])
    return pa.RecordBatch.from_pylist([dict(row) for row in rows], schema=schema)


# --- the plain assess -------------------------------------------------------------------------------------------------


def plainly(asked: Asked, rows: Sequence[Row]) -> Claims:
    """What the plain `assess` owes the rows."""
    build: Callable[[Asked, Sequence[Row]], Registry] = _counted if asked.each == "estate" else _with_subjects
    return assess(
        asked.document, asked.name, build(asked, rows), asked.results,
        window=asked.window, above=asked.above, below=asked.below,
    )  # fmt: skip


def _counted(asked: Asked, rows: Sequence[Row]) -> Registry:
    households = [Household(f"h{n}", r["estate_id"], r["registered_on"], r["removed_on"]) for n, r in enumerate(rows)]  # type: ignore[arg-type]
    counts = count_households(households, asked.registry.estates, source="rows")
    return replace(asked.registry, headcounts={e: counts.get(e, Headcount((), ())) for e in asked.registry.estates})


def _with_subjects(asked: Asked, rows: Sequence[Row]) -> Registry:
    document = asked.document
    kinds = [kind for kind in document.kinds_above(asked.each) if kind in (*document.kinds, "household")]
    subjects, facts = [], [(*key, fact) for key, fact in asked.registry.facts.items()]
    for n, row in enumerate(rows):
        ids = {kind: f"h{n}{'/of' * depth}" for depth, kind in enumerate(kinds)}
        units = _units(asked.registry.estates.get(str(row.get("estate_id"))))
        for kind, own in ids.items():
            start, end = row["registered_on"], row["removed_on"]
            subjects.append(
                Subject(own, kind, own, units, start, end, f"{own}/of" if f"{own}/of" in ids.values() else "")
            )  # type: ignore[arg-type]
        for name, value in row.items():
            fact, _, period = name.partition("@")
            if value is not None and (fact == "floor_area_m2" or fact in document.facts):
                owner = ids["household"] if fact == "floor_area_m2" else ids[document.facts[fact].of]
                facts.append((owner, fact, period, Fact(value if isinstance(value, str | date) else Fraction(value))))  # type: ignore[arg-type]
    return replace(asked.registry, subjects={s.subject_id: s for s in subjects}, facts=Facts(facts))


def _units(estate: Estate | None) -> Mapping[str, str]:
    if estate is not None:
        return estate_subject(estate).units
    return {level: level for level in ("city", "district", "street", "community")}


def sums(claims: Claims) -> dict[tuple[str, str, str], int]:
    """Fen by estate, month in which the claim begins, and payer; what is pending under PENDING."""
    by: dict[tuple[str, str, str], int] = {}
    for claim in claims:
        told = [*claim.shares.items(), (PENDING, _pending(claim))]
        for payer, fen in told:
            key = (claim.subject.units.get("estate", ""), str(claim.months.start), payer)
            by[key] = by.get(key, 0) + fen
    return {key: fen for key, fen in by.items() if fen}


def _pending(claim: Claim) -> int:
    return sum(line.potential_fen for line in claim.lines if line.outcome is Outcome.PENDING)
