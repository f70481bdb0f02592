"""Columns against the plain assess: whatever is drawn, both are owed the same fen, by payer, estate and month."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import make_estate
from estate_funds.assess import Claims, Outcome, assess
from estate_funds.bulk.program import Program, compile_provision
from estate_funds.bulk.result import PENDING, Result, Totals
from estate_funds.bulk.table import CHUNK
from estate_funds.calendar import Months
from estate_funds.policy import Document, parse_document
from estate_funds.registry import (
    Assessment,
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

WINDOW = Months.parse("2021-01..2025-12")
TEXT = """
format = 1
id = "test"
number = "1"
title = "test"
issuer = "test"
from = 2019-01-01
clause = "1"
[clauses]
"1" = "text"
[kinds.house]
text = "a house"
clause = "1"
[parties.owner]
name = "owner"
clause = "1"
[facts.hardship]
type = "choice"
values = ["none", "low", "severe"]
of = "household"
text = "hardship"
clause = "1"
[facts.area_m2]
type = "m2"
of = "house"
text = "area"
clause = "1"
[facts.price]
type = "yuan"
text = "price per m2"
clause = "1"
[facts.first_deposited]
type = "yuan"
of = "house"
text = "first deposit"
clause = "1"
[facts.balance]
type = "yuan"
of = "house"
text = "balance"
clause = "1"
[derived.deposit_due]
text = "deposit"
product_of = ["area_m2", "price"]
clause = "1"
[derived.missing]
text = "missing"
difference = ["first_deposited", "balance"]
clause = "1"
[[requirements]]
fact = "balance"
below = "0.30"
of = "first_deposited"
otherwise = "refuse"
provisions = ["replenishment"]
clause = "1"
[funds.budget]
title = "budget"
held_by = ["city", "district"]
permits = [{ purposes = ["award"], payee_classes = ["community", "household", "house"], from = 2015-01-01, clause = "1" }]
carry_forward = true
provenance = "fifo"
clause = "1"
""" + "\n".join(
    f"""
[provisions.{name}]
title = "{name}"
clause = "1"
sum = "rate_times_base"
purpose = "award"
pays_from = "budget"
{body}
"""
    for name, body in {
        "award": """
payee = "community"
claim_period = "service_year"
anchor = "enrolment"
counted_on = "service_year_start"
first_month = "any_day"
last_month = "full"
rounding = { level = "line", mode = "half_up" }
gate = { fact = "assessment", passes = ["pass"], fails = ["fail"], clause = "1" }
rate = [
    { from = 2019-01-01, until = 2022-03-15, clause = "1", unit = "CNY/household/month", tiers = [{ service_years = [1, 3], value = "18.00" }, { service_years = [4, 5], value = "12.02" }] },
    { from = 2022-03-15, clause = "1", unit = "CNY/household/month", tiers = [{ service_years = [1, 2], value = "20.00" }, { service_years = [3, 4], value = "6.50" }] },
]
payers = [{ from = 2019-01-01, clause = "1", shares = { city = "1/2", district = "1/2" }, odd_fen_to = "district" }]
""",
        "yearly": """
payee = "community"
claim_period = "calendar_year"
anchor = "service_month"
counted_on = "month_start"
first_month = "fifteenth"
last_month = "any_day"
rounding = { level = "claim", mode = "half_up" }
rate = [{ from = 2019-01-01, clause = "1", unit = "CNY/household/month", value = "2.00" }]
payers = [{ from = 2019-01-01, clause = "1", shares = { city = "1/4", district = "3/4" }, odd_fen_to = "district" }]
""",
        "march": """
payee = "community"
claim_period = "month"
anchor = "service_month"
counted_on = "03-15"
first_month = "any_day"
last_month = "any_day"
rounding = { level = "household", mode = "down" }
rate = [{ from = 2019-01-01, clause = "1", unit = "CNY/household/month", value = "2.0055" }]
payers = [{ from = 2019-01-01, clause = "1", shares = { city = "1" }, odd_fen_to = "city" }]
""",
        "fee": """
each = "household"
payee = "subject"
claim_period = "month"
anchor = "service_month"
counted_on = "month_start"
first_month = "full"
last_month = "fifteenth"
rounding = { level = "line", mode = "half_up" }
rate = [{ from = 2019-01-01, until = 2023-01-01, clause = "1", unit = "CNY/m2/month", value = "1.755" }, { from = 2023-01-01, clause = "1", unit = "CNY/m2/month", value = "2.1" }]
payers = [{ from = 2019-01-01, clause = "1", shares = { city = "1/3", district = "1/3", owner = "1/3" }, odd_fen_to = "owner" }]
""",
        "relief": """
each = "household"
payee = "subject"
claim_period = "calendar_year"
anchor = "service_month"
counted_on = "01-01"
first_month = "any_day"
last_month = "any_day"
rounding = { level = "line", mode = "half_up" }
rate = [{ from = 2019-01-01, clause = "1", unit = "CNY/m2/year", tiers = [
    { when = [{ fact = "hardship", is = ["low"] }], value = "3.10" },
    { when = [{ fact = "hardship", is = ["severe"] }, { fact = "m2", at_most = "90" }], value = "7.77" },
    { when = [{ fact = "hardship", is = ["severe"] }, { fact = "m2", above = "90" }], value = "5.55" },
    { when = [{ fact = "hardship", is = ["none"] }], value = "0" },
] }]
payers = [{ from = 2019-01-01, clause = "1", shares = { city = "0.3", district = "0.7" }, odd_fen_to = "city", odd_fen = "residue" }]
""",
        "capped": """
each = "household"
payee = "subject"
claim_period = "calendar_year"
anchor = "service_month"
counted_on = "01-01"
first_month = "any_day"
last_month = "any_day"
rounding = { level = "line", mode = "up" }
caps = [{ from = 2019-01-01, clause = "1", value = "150.00" }]
rate = [{ from = 2019-01-01, clause = "1", unit = "CNY/m2/month", value = "0.333" }]
payers = [{ from = 2019-01-01, clause = "1", shares = { city = "1" }, odd_fen_to = "city" }]
""",
        "deposit": """
each = "house"
payee = "subject"
claim_period = "once"
anchor = "enrolment"
counted_on = "enrolment"
first_month = "any_day"
last_month = "any_day"
rounding = { level = "line", mode = "half_even" }
rate = [{ from = 2019-01-01, clause = "1", unit = "share of deposit_due", value = "0.07" }]
payers = [{ from = 2019-01-01, clause = "1", shares = { owner = "1" }, odd_fen_to = "owner" }]
""",
        "replenishment": """
each = "house"
payee = "subject"
claim_period = "calendar_year"
anchor = "service_month"
counted_on = "01-01"
first_month = "any_day"
last_month = "any_day"
rounding = { level = "line", mode = "half_up" }
rate = [{ from = 2019-01-01, clause = "1", unit = "share of missing", value = "0.5" }]
payers = [{ from = 2019-01-01, clause = "1", shares = { owner = "1" }, odd_fen_to = "owner" }]
""",
    }.items()
)
DOCUMENT = parse_document(TEXT, source="test.toml")

DAYS = st.dates(date(2017, 1, 1), date(2026, 12, 31)) | st.sampled_from(
    [date(2022, 3, 14), date(2022, 3, 15), date(2020, 2, 29), date(2021, 1, 1), date(2021, 1, 2), date(2020, 12, 16)]
)
CENTI = st.integers(1_500, 30_000) | st.sampled_from([9_000, 9_001, 1, 2_849])


@st.composite
def registers(draw: st.DrawFn) -> tuple[dict[str, Estate], Assessments, Facts]:
    estates = {}
    results, facts = [], []
    for n in range(draw(st.integers(1, 4))):
        start = draw(DAYS.filter(lambda day: day >= date(2019, 1, 1)))
        end = draw(st.none() | st.integers(1, 2_500).map(lambda days, s=start: s + timedelta(days=days)))
        name = f"e{n}"
        estates[name] = make_estate(
            name, service_start=start, service_end=end, completed_on=date(1990, 1, 1), community=f"k{n % 2}"
        )
        for year in range(1, 7):
            result = draw(st.sampled_from(["pass", "pass", "fail", ""]))
            if result:
                results.append(Assessment(name, year, result, date(2030, 1, year)))
        if draw(st.booleans()):
            facts.append(
                (name, "price", "", Fact(draw(st.sampled_from([Fraction("55.55"), Fraction(1), Fraction("0.01")]))))
            )
    return estates, Assessments(results), Facts(facts)


FACTS = ("floor_area_m2", "area_m2", "first_deposited", "balance")


@st.composite
def rows(draw: st.DrawFn, estates: Sequence[str]) -> list[dict[str, object]]:
    """Some rows; most are like another but for one cell, so that they share all that decides, or all but one."""
    cells: dict[str, st.SearchStrategy[object]] = {
        "estate_id": st.sampled_from(estates),
        "registered_on": DAYS,
        "removed_on": st.none() | DAYS | st.integers(1, 2_500),
        "hardship": st.sampled_from(["none", "low", "severe", None]),
        **dict.fromkeys(FACTS, st.none() | CENTI.map(lambda n: Decimal(n) / 100)),
    }
    found: list[dict[str, object]] = []
    for n in range(draw(st.integers(0, 8))):
        if found and draw(st.integers(0, 2)):
            row = dict(draw(st.sampled_from(found)))
            name = draw(st.sampled_from([*cells]))
            row[name] = draw(cells[name])
        else:
            row = {name: draw(cell) for name, cell in cells.items()}
        start, gone = row["registered_on"], row["removed_on"]
        assert isinstance(start, date)
        if isinstance(gone, int):
            row["removed_on"] = start + timedelta(days=gone)
        elif isinstance(gone, date) and gone <= start:
            row["removed_on"] = None
        found.append({**row, "household_id": f"h{n}"})
    return found


SCHEMA = pa.schema(
    [("household_id", pa.string()), ("estate_id", pa.string()), ("registered_on", pa.date32()), ("removed_on", pa.date32()), ("hardship", pa.string())]
    + [(name, pa.decimal128(10, 2)) for name in ("floor_area_m2", "area_m2", "first_deposited", "balance")]
)  # fmt: skip


def batch_of(found: Sequence[Mapping[str, object]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(found), schema=SCHEMA)


def plain(
    document: Document,
    name: str,
    estates: dict[str, Estate],
    given_: Assessments,
    facts: Facts,
    found: Sequence[dict[str, object]],
    window: Months = WINDOW,
) -> Claims:
    """What the plain assess says of the same rows."""
    each = document.provisions[name].each
    households = [Household(r["household_id"], r["estate_id"], r["registered_on"], r["removed_on"]) for r in found]  # type: ignore[arg-type]
    counts = count_households(households, estates, source="rows")
    subjects, told = [], [(o, n, p, fact) for (o, n, p), fact in facts.items()]
    if each != "estate":
        counts = {}
        for row in found:
            units = estate_subject(estates[str(row["estate_id"])]).units
            key = str(row["household_id"])
            subjects.append(Subject(key, each, key, units, row["registered_on"], row["removed_on"]))  # type: ignore[arg-type]
            told += [
                (key, n, "", Fact(v if isinstance(v, str) else Fraction(v)))
                for n, v in row.items()
                if n not in SCHEMA.names[:4] and v is not None
            ]  # type: ignore[arg-type]
    else:
        counts = {name: counts.get(name, Headcount((), ())) for name in estates}
    whole = Registry(
        estates,
        counts,
        subjects={s.subject_id: s for s in subjects},
        facts=Facts(told),
        units=units_of(estates.values()),
    )
    return assess(document, name, whole, given_, window=window)


def sums(claims: Claims) -> dict[tuple[str, str, str], int]:
    by: dict[tuple[str, str, str], int] = {}
    for claim in claims:
        told = [
            *claim.shares.items(),
            (PENDING, sum(x.potential_fen for x in claim.lines if x.outcome is Outcome.PENDING)),
        ]
        for payer, fen in told:
            key = (claim.subject.units["estate"], str(claim.months.start), payer)
            by[key] = by.get(key, 0) + fen
    return {key: fen for key, fen in by.items() if fen}


def compiled(
    name: str, estates: dict[str, Estate], given_: Assessments, facts: Facts, window: Months = WINDOW
) -> Program:
    registry = Registry(estates, {}, facts=facts, units=units_of(estates.values()))
    return compile_provision(DOCUMENT, name, registry, given_, window=window)


def by_hand(
    name: str,
    estates: dict[str, Estate],
    given_: Assessments,
    facts: Facts,
    found: Sequence[dict[str, object]],
    window: Months = WINDOW,
) -> Result:
    """The result of the columns, checked against the plain assess: in all, and row by row."""
    result = compiled(name, estates, given_, facts, window).assess(batch_of(found))
    assert result.totals.by == sums(plain(DOCUMENT, name, estates, given_, facts, found, window))
    assert result.totals.rows == len(found)
    assert (sum(result.shares.values(), np.zeros(len(found), np.int64)) == result.amounts).all()
    for at, row in enumerate(found):
        alone = plain(DOCUMENT, name, estates, given_, facts, [row], window)
        assert int(result.amounts[at]) == alone.amount_fen, row
        assert {payer: int(fen[at]) for payer, fen in result.shares.items() if fen[at]} == {
            p: n for p, n in alone.shares.items() if n
        }
    return result


WINDOWS = st.sampled_from(
    [WINDOW, *map(Months.parse, ("2022", "2022-01", "2021-01..2022-03", "2021-05..2022-04", "2022-03..2023-01"))]
)


@given(data=st.data(), name=st.sampled_from(sorted(DOCUMENT.provisions)))
@settings(max_examples=300, deadline=None)
def test_columns_and_plain_assess_agree_to_the_fen(data: st.DataObject, name: str) -> None:
    estates, results, facts = data.draw(registers())
    found = data.draw(rows(sorted(estates)))
    window = data.draw(WINDOWS)
    result = by_hand(name, estates, results, facts, found, window)
    program = pickle.loads(pickle.dumps(compiled(name, estates, results, facts, window)))
    cut = data.draw(st.integers(0, len(found)))
    parts = [program.assess(batch_of(part)) for part in (found[cut:], found[:cut])]
    assert Totals.of(part.totals for part in parts).to_json() == result.totals.to_json()
    assert [*parts[1].amounts, *parts[0].amounts] == [*result.amounts]
    assert [*parts[1].trace, *parts[0].trace] == [*result.trace]


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_estates_of_one_month_are_counted_on_days_of_their_own(data: st.DataObject) -> None:
    march = st.dates(date(2022, 3, 1), date(2022, 3, 31))
    starts = data.draw(st.lists(march, min_size=2, max_size=4))
    estates = {f"e{n}": make_estate(f"e{n}", service_start=day) for n, day in enumerate(starts)}
    days = st.tuples(march, st.none() | march).filter(lambda stay: stay[1] is None or stay[1] > stay[0])
    found = [
        {**dict.fromkeys(SCHEMA.names), "household_id": f"h{n}", "estate_id": f"e{n % len(starts)}", "registered_on": a, "removed_on": b}
        for n, (a, b) in enumerate(data.draw(st.lists(days, max_size=6)))
    ]  # fmt: skip
    by_hand("march", estates, Assessments(), Facts(), found)


def test_an_estate_that_begins_on_the_day_of_counting_is_not_one_that_begins_before_it() -> None:
    estates = {f"e{n}": make_estate(f"e{n}", service_start=date(2022, 3, day)) for n, day in enumerate((15, 14, 16))}
    stays = [(date(2022, 3, 14), date(2022, 3, 15)), (date(2022, 3, 15), date(2022, 3, 16)), (date(2022, 3, 16), None)]
    found = [
        {**dict.fromkeys(SCHEMA.names), "household_id": f"h{n}{e}", "estate_id": e, "registered_on": a, "removed_on": b}
        for e in estates
        for n, (a, b) in enumerate(stays)
    ]
    by_hand("march", estates, Assessments(), Facts(), found)


@given(
    name=st.sampled_from(["fee", "relief", "deposit", "replenishment"]),
    window=WINDOWS,
    stays=st.lists(st.tuples(DAYS, st.none() | st.integers(1, 900)), max_size=8),
)
@settings(max_examples=80, deadline=None)
def test_rows_that_differ_in_their_days_alone(name: str, window: Months, stays: list[tuple[date, int | None]]) -> None:
    estates = {"e0": make_estate("e0", service_start=date(2020, 1, 1))}
    same = {"estate_id": "e0", "hardship": "low", **dict.fromkeys(FACTS, Decimal(80)), "balance": Decimal(20)}
    found = [
        {**same, "household_id": f"h{n}", "registered_on": day, "removed_on": stay and day + timedelta(days=stay)}
        for n, (day, stay) in enumerate(stays)
    ]
    by_hand(name, estates, Assessments(), Facts([("e0", "price", "", Fact(Fraction("55.55")))]), found, window)


@given(data=st.data(), name=st.sampled_from(["award", "fee", "relief", "capped"]), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_several_chunks_are_what_their_rows_are(data: st.DataObject, name: str, seed: int) -> None:
    estates, results, facts = data.draw(registers())
    few = data.draw(rows(sorted(estates)).filter(bool))
    program = compiled(name, estates, results, facts)
    at = np.random.default_rng(seed).integers(0, len(few), 2 * CHUNK + 100)
    one = batch_of(few)
    many = program.assess(one.take(pa.array(at)))
    alone = program.assess(one)
    assert (many.amounts == alone.amounts[at]).all()
    assert (many.trace == alone.trace[at]).all()
    parts = [program.assess(one.slice(n, 1)).totals for n in range(len(few))]
    assert many.totals == Totals.of(parts[n] for n in at.tolist())
