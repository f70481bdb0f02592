"""The bulk twin at its edges: sums that 64 bits do not hold, cells that are none, columns of one period or of several."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_documents import Asked, batch_of, plainly, sums
from conftest import make_estate
from estate_funds.assess.division import Division
from estate_funds.assess.view import View
from estate_funds.bulk.numbers import divided, rounded
from estate_funds.bulk.program import Program, compile_document, compile_provision
from estate_funds.bulk.table import CHUNK
from estate_funds.calendar import Months
from estate_funds.errors import AmountError, BulkError, CellError, ColumnError, EstateFundsError, InputError
from estate_funds.money import Rounding, round_fen
from estate_funds.policy import Document, PayerSplit, parse_document, with_values
from estate_funds.registry import Assessment, Assessments, Registry, units_of
from test_bulk_program import DOCUMENT, TEXT

DAY = date(2022, 1, 1)
ESTATES = {"e0": make_estate("e0", service_start=DAY), "e1": make_estate("e1", service_start=date(2022, 3, 5))}
REGISTRY = Registry(ESTATES, {}, units=units_of(ESTATES.values()))
PASSED = Assessments(Assessment(e, y, "pass", date(2030, 1, 1)) for e in ESTATES for y in range(1, 7))


HOLDERS = View(DOCUMENT, REGISTRY, PASSED, REGISTRY.subject("e0"), "1", DAY)


def program_of(name: str, document: Document = DOCUMENT, window: str = "2022") -> tuple[Program, Asked]:
    one = Asked(document, REGISTRY, PASSED, Months.parse(window), name=name)
    return compile_provision(document, name, REGISTRY, PASSED, window=one.window), one


def household(centi: int | None, **more: object) -> dict[str, object]:
    area = None if centi is None else Decimal(centi).scaleb(-2)
    return {"estate_id": "e0", "registered_on": DAY, "removed_on": None, "floor_area_m2": area, **more}


WIDE = pa.decimal128(38, 2)


def wide(rows: list[dict[str, object]], kind: pa.DataType = WIDE) -> pa.RecordBatch:
    """Rows with areas of as many digits as a decimal has."""
    columns = [("estate_id", pa.string()), ("registered_on", pa.date32()), ("removed_on", pa.date32())]
    return pa.RecordBatch.from_pylist(rows, schema=pa.schema([*columns, ("floor_area_m2", kind)]))


# --- 64 bits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", ["1", "0.5", "2", "0.1", "999999999999999999/1000000000000000000"])
@pytest.mark.parametrize("centi", [2**61, 2**62 - 1, 2**62, 2**62 + 1, 2**63 - 1])
@pytest.mark.parametrize("window", ["2022-01", "2022-01..2022-02"])
def test_amounts_around_62_and_63_bits(rate: str, centi: int, window: str) -> None:
    document = with_values(DOCUMENT, {"provisions.fee.rate[0].value": rate})
    program, one = program_of("fee", document, window)
    rows = [household(100), household(centi), household(7)]
    claims = plainly(one, rows)
    own = plainly(one, rows[1:2]).amount_fen
    if own >= 2**63:
        with pytest.raises(AmountError, match="more is due than 64 bits hold") as caught:
            program.assess(wide(rows), place=lambda row, column: f"rows.parquet, row {row}, column {column}")
        assert caught.value.where == "rows.parquet, row 1, column floor_area_m2"
        return
    found = program.assess(wide(rows))
    assert int(found.amounts[1]) == own
    assert found.totals.by == sums(claims)


def test_what_many_rows_come_to_may_be_beyond_64_bits() -> None:
    document = with_values(DOCUMENT, {"provisions.fee.rate[0].value": "1"})
    program, _ = program_of("fee", document, "2022-01")
    found = program.assess(wide([household(2**61)] * 20))
    assert found.totals.amount_fen == 20 * 2**61
    assert sum(found.amounts.tolist()) == 20 * 2**61


def test_sums_that_outgrow_64_bits_only_over_several_chunks() -> None:
    document = with_values(DOCUMENT, {"provisions.fee.rate[0].value": "1"})
    program, _ = program_of("fee", document, "2022-01")
    rows, each = 3 * CHUNK, 2**46  # a chunk comes to 2**61
    batch = wide([household(each)])
    whole = pa.RecordBatch.from_arrays([column.take(pa.array([0] * rows)) for column in batch.columns], batch.schema.names)  # fmt: skip
    found = program.assess(whole)
    assert found.totals.amount_fen == rows * each
    assert (found.amounts == each).all()


@given(
    digits=st.integers(1, 10**18),
    places=st.sampled_from([1, 100, 10**6, 10**18]),
    areas=st.lists(st.integers(1, 2**63 - 1) | st.integers(1, 30_000), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_rates_and_areas_of_18_digits(digits: int, places: int, areas: list[int]) -> None:
    document = with_values(DOCUMENT, {"provisions.fee.rate[0].value": f"{Fraction(digits, places)}"})
    program, one = program_of("fee", document)
    rows = [household(area) for area in areas]
    if any(plainly(one, [row]).amount_fen >= 2**63 for row in rows):
        with pytest.raises(AmountError, match="64 bits"):
            program.assess(wide(rows))
    else:
        assert program.assess(wide(rows)).totals.by == sums(plainly(one, rows))


@pytest.mark.parametrize("yuan", ["3843071682022823.00", "7686143364045646.00"])  # a year of which is 2**62 fen, 2**63
def test_what_a_counted_household_adds_around_62_bits(yuan: str) -> None:
    tiers = "provisions.award.rate[0].tiers"
    document = with_values(DOCUMENT, {f"{tiers}[0].value": yuan, f"{tiers}[1].value": "0"})
    program, one = program_of("award", document, "2022-01")
    rows = [{"estate_id": "e0", "registered_on": DAY, "removed_on": None} for _ in range(5)]
    found = program.assess(batch_of(program, rows))
    assert found.totals.by == sums(plainly(one, rows))
    assert found.amounts.tolist() == [int(Fraction(yuan) * 1200)] * 5


def test_what_a_counted_household_adds_beyond_64_bits_is_refused_when_compiled() -> None:
    document = with_values(DOCUMENT, {"provisions.award.rate[0].tiers[0].value": "7686143364045648.00"})
    with pytest.raises(AmountError, match="a household adds more than 64 bits hold"):
        program_of("award", document, "2022-01")


@given(
    parts=st.lists(st.integers(0, 200) | st.integers(0, 2**60), min_size=1, max_size=5),
    over=st.integers(1, 12) | st.integers(1, 10**6),
    mode=st.sampled_from([*Rounding]),
    step=st.sampled_from([1, 10, 100]),
)
def test_rounding_in_columns_is_that_of_money(parts: list[int], over: int, mode: Rounding, step: int) -> None:
    found = rounded(np.array(parts, np.int64), over, mode, step)
    assert found.tolist() == [round_fen(Fraction(part, over), mode, step_fen=step) for part in parts]


@given(
    fen=st.lists(st.integers(0, 200) | st.integers(0, 2**50), min_size=1, max_size=5),
    weights=st.dictionaries(st.sampled_from(["city", "district", "owner", "firm"]), st.integers(1, 9), min_size=1),
    odd=st.sampled_from(["largest_remainder", "residue"]),
    data=st.data(),
)
def test_division_in_columns_is_that_of_money(
    fen: list[int], weights: dict[str, int], odd: str, data: st.DataObject
) -> None:
    shares = {payer: Fraction(weight, sum(weights.values())) for payer, weight in weights.items()}
    to = data.draw(st.sampled_from([*shares]))
    split = PayerSplit.model_validate({"from": DAY, "clause": "1", "shares": shares, "odd_fen_to": to, "odd_fen": odd})
    found = divided(np.array(fen, np.int64), split)
    assert [{payer: int(part[n]) for payer, part in found.items()} for n in range(len(fen))] == [
        {share.payer: share.fen for share in Division(HOLDERS, DOCUMENT).shares(one, split)} for one in fen
    ]


# --- cells ------------------------------------------------------------------------------------------------------------

FEE = parse_document(TEXT, source="test.toml")


@pytest.mark.parametrize(
    ("area", "kind", "words"),
    [
        ("-87.16", pa.decimal128(18, 2), "a negative number"),
        ("0", pa.decimal128(18, 2), "an area must be above 0"),
        ("87.165", pa.decimal128(18, 3), "finer than a hundredth"),
        ("92233720368547758.08", pa.decimal128(38, 2), "an area beyond 64 bits"),
        ("9" * 30, pa.decimal128(38, 2), "an area beyond 64 bits"),
        ("-" + "9" * 30, pa.decimal128(38, 2), "a negative number"),
        ("0.00000000000000000001", pa.decimal128(38, 20), "finer than a hundredth"),
    ],
)
def test_an_area_that_no_table_takes(area: str, kind: pa.DataType, words: str) -> None:
    program, _ = program_of("fee")
    rows = [household(100), household(None, floor_area_m2=Decimal(area))]
    with pytest.raises(CellError, match=words) as caught:
        program.assess(wide(rows, kind), place=lambda row, column: f"{row} {column}")
    assert caught.value.where == "1 floor_area_m2"


def test_areas_in_other_exact_types() -> None:
    program, _ = program_of("fee")
    rows = [household(8_700)]
    wanted = program.assess(wide(rows)).totals
    for column in (pa.array([87], pa.int16()), pa.array([87], pa.uint64()), pa.array([Decimal("87.000")])):
        batch = wide(rows)
        assert program.assess(batch.set_column(3, "floor_area_m2", column)).totals == wanted


CELLS: list[tuple[str, pa.Array, type[EstateFundsError], str]] = [
    ("floor_area_m2", pa.array([87.16]), ColumnError, "another type"),
    ("floor_area_m2", pa.array(["87.16"]), ColumnError, "another type"),
    ("estate_id", pa.array(["e9"]), CellError, "not in estates.csv"),
    ("estate_id", pa.array([None], pa.string()), CellError, "the cell is empty"),
    ("estate_id", pa.array([1]), ColumnError, "another type"),
    ("registered_on", pa.array(["2022-01-01"]), ColumnError, "another type"),
    ("registered_on", pa.array([date(999, 1, 1)], pa.date32()), CellError, "too far off"),
    ("removed_on", pa.array([date(3000, 1, 1)], pa.date32()), CellError, "too far off"),
    ("removed_on", pa.array([DAY], pa.date32()), CellError, "removed before it is registered"),
    ("hardship", pa.array(["sever"]), CellError, "not a value of hardship"),
    ("hardship", pa.array([True]), ColumnError, "another type"),
]


@pytest.mark.parametrize(("name", "cell", "error", "words"), CELLS, ids=lambda one: str(one)[:30])
def test_a_cell_that_is_none(name: str, cell: pa.Array, error: type[EstateFundsError], words: str) -> None:
    program, _ = program_of("relief")
    batch = batch_of(program, [household(100, hardship="low")])
    at = batch.schema.get_field_index(name)
    with pytest.raises(error, match=words) as caught:
        program.assess(batch.set_column(at, name, cell), place=lambda row, column: f"{row} {column}")
    assert caught.value.where == f"0 {name}"


def test_a_row_to_which_no_rule_applies_is_named() -> None:
    document = with_values(DOCUMENT, {"provisions.relief.rate[0].tiers[3].when": [{"fact": "hardship", "is": ["low"]}]})
    program, _ = program_of("relief", document)
    rows = [household(100, hardship="severe"), household(100, hardship="none")]
    with pytest.raises(EstateFundsError, match="tiers of the rate fit") as caught:
        program.assess(batch_of(program, rows), place=lambda row, column: f"{row} {column}")
    assert caught.value.where.startswith("1 ")


def test_columns_may_be_missing_or_have_nothing_in_them() -> None:
    program, one = program_of("relief")
    row = household(None, hardship=None)
    wanted = sums(plainly(one, [row]))
    full = batch_of(program, [row])
    assert program.assess(full).totals.by == wanted
    assert program.assess(full.select(["estate_id", "registered_on"])).totals.by == wanted
    empty = full.set_column(full.schema.get_field_index("hardship"), "hardship", pa.nulls(1))
    assert program.assess(empty).totals.by == wanted


def test_what_a_missing_column_is_told() -> None:
    program, _ = program_of("fee")
    with pytest.raises(ColumnError, match="missing column"):
        program.assess(batch_of(program, [household(1)]).drop_columns(["registered_on"]))


# --- days ---------------------------------------------------------------------------------------------------------------


def test_days_long_before_the_window_decide_where_a_document_asks_for_them() -> None:
    since = "\n[[requirements]]\nfact = 'started_on'\nbefore = 2015-06-16\notherwise = 'refuse'\nprovisions = ['fee']\nclause = '1'\n"
    document = parse_document(TEXT.replace("[funds.budget]", f"{since}[funds.budget]"), source="test.toml")
    program, one = program_of("fee", document)
    days = [date(2015, 6, 15), date(2015, 6, 16), date(1001, 1, 1), date(2021, 12, 31)]
    rows = [household(8_000, registered_on=day) for day in days]
    found = program.assess(batch_of(program, rows))
    assert found.amounts.tolist() == [plainly(one, [row]).amount_fen for row in rows]
    assert [bool(fen) for fen in found.amounts] == [True, False, True, False]


# --- a column for each period -----------------------------------------------------------------------------------------

EACH = parse_document(
    TEXT.replace('type = "yuan"\nof = "house"\ntext = "balance"', 'type = "yuan"\nof = "house"\neach_period = true\ntext = "balance"'),
    source="test.toml",
)  # fmt: skip


def house(**facts: object) -> dict[str, object]:
    return {"estate_id": "e0", "registered_on": DAY, "removed_on": None, "first_deposited": Decimal(100), **facts}


def test_a_fact_of_each_period_has_a_column_for_each() -> None:
    program, one = program_of("replenishment", EACH, "2022-01..2024-12")
    assert [c.name for c in program.columns[3:]] == ["balance@2022", "balance@2023", "balance@2024", "first_deposited"]
    rows = [
        house(**{"balance@2022": Decimal(40), "balance@2023": Decimal("29.99"), "balance@2024": None}),
        house(**{"balance@2022": Decimal(1), "balance@2023": None, "balance@2024": Decimal(0)}),
    ]
    found = program.assess(batch_of(program, rows))
    assert found.totals.by == sums(plainly(one, rows))
    assert found.amounts.tolist() == [plainly(one, [row]).amount_fen for row in rows]
    assert found.amounts.tolist() == [3_501, 4_950 + 5_000]  # half of what is missing, where under 30 % is left


def test_one_period_needs_no_period_in_the_name_and_is_computed_in_columns() -> None:
    program, one = program_of("replenishment", EACH, "2022")
    assert program.owed is not None
    assert program.owed.in_columns
    rows = [house(**{"balance@2022": Decimal(n)}) for n in range(0, 60, 7)]
    found = program.assess(batch_of(program, rows))
    assert found.totals.by == sums(plainly(one, rows))
    names = [name.partition("@")[0] for name in batch_of(program, rows).schema.names]
    assert program.assess(batch_of(program, rows).rename_columns(names)).totals == found.totals


def test_service_years_have_columns_up_to_the_last_tier() -> None:
    tables: dict[str, Any] = {"provisions.replenishment.claim_period": "service_year"}
    several, _ = program_of("replenishment", with_values(EACH, tables))
    assert [c.name for c in several.columns if c.name.startswith("balance")] == [f"balance@{n}" for n in range(1, 31)]


# --- documents alone ----------------------------------------------------------------------------------------------------


def test_a_document_alone_has_rows_without_estates() -> None:
    program = compile_document(DOCUMENT, "fee", window=Months.parse("2022"))
    assert [c.name for c in program.columns] == ["registered_on", "removed_on", "floor_area_m2"]
    rows = [{"registered_on": DAY, "removed_on": None, "floor_area_m2": Decimal(100)}]
    found = program.assess(batch_of(program, rows))
    assert {estate for estate, _, _ in found.totals.by} == {""}
    assert found.totals.households == {"": 1}
    assert found.totals.amount_fen == 12 * 17_550
    assert "175.50" in program.explain(rows[0])


def test_a_document_that_counts_estates_wants_a_case() -> None:
    with pytest.raises(BulkError, match="an estate is paid by its households"):
        compile_document(DOCUMENT, "award", window=Months.parse("2022"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda program: program.assess(pa.table({"registered_on": [DAY]})), "not a batch of rows"),
        (lambda program: program.explain({"estate_id": "e0", "registered_on": "2022-01-01"}), "a datetime.date"),
        (lambda program: program.explain({"estate_id": 7, "registered_on": DAY}), "a text, or None"),
        (lambda _: compile_provision(DOCUMENT, "award", REGISTRY, PASSED, window="2022"), "not a window of months"),
    ],
)
def test_a_call_with_another_kind_of_thing(call: Callable[[Program], object], words: str) -> None:
    program, _ = program_of("award", DOCUMENT, "2022-01")
    with pytest.raises(InputError, match=words):
        call(program)
