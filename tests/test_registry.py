from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import make_estate
from estate_funds.errors import (
    CellError,
    ColumnError,
    ControlTotalError,
    DateError,
    DuplicateRow,
    EstateFundsError,
    TableError,
)
from estate_funds.exchange.households import read_households
from estate_funds.registry import (
    Assessment,
    Assessments,
    Headcount,
    Household,
    Registry,
    collect_estates,
    count_households,
)
from estate_funds.testing.registries import Totals, household_ids, split_totals

ESTATES = {name: make_estate(name) for name in "abc"}
DAYS = st.dates(date(2019, 1, 1), date(2023, 12, 31))
HOUSEHOLDS = st.lists(
    st.tuples(
        st.sampled_from([f"h{n}" for n in range(30)] + [" h1", "h2 ", "ｈ3"]),
        st.sampled_from(["a", "b", "c", "c", "x"]),
        DAYS,
        st.none() | DAYS,
    ),
    max_size=12,
)


def write_csv(path: Path, rows: Iterable[tuple[str, str, date, date | None]]) -> Path:
    lines = ["household_id,estate_id,registered_on,removed_on"]
    lines += [f"{h},{e},{day},{gone or ''}" for h, e, day, gone in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[tuple[str, str, date, date | None]]) -> Path:
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    types = (pa.string(), pa.string(), pa.date32(), pa.date32())
    names = ("household_id", "estate_id", "registered_on", "removed_on")
    pq.write_table(pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)}), path)
    return path


def outcome(read: object) -> object:
    days = [date.fromordinal(n) for n in range(date(2018, 12, 30).toordinal(), date(2024, 1, 3).toordinal(), 3)]
    try:
        return {estate: [count.on(day) for day in days] for estate, count in read().items()}  # type: ignore[operator]
    except EstateFundsError as error:
        return type(error), error.what, error.got


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOUSEHOLDS)
def test_columns_and_rows_read_the_same(tmp_path: Path, rows: list[tuple[str, str, date, date | None]]) -> None:
    plain = outcome(
        lambda: count_households(
            (Household(row[0].strip(), *row[1:], row=n) for n, row in enumerate(rows, start=2)),
            ESTATES,
            source="households.csv",
        )
    )
    assert outcome(lambda: read_households(write_csv(tmp_path / "households.csv", rows), ESTATES)) == plain
    numbered = outcome(
        lambda: count_households(
            (Household(row[0].strip(), *row[1:], row=n) for n, row in enumerate(rows, start=1)),
            ESTATES,
            source="households.parquet",
        )
    )
    assert outcome(lambda: read_households(write_parquet(tmp_path / "households.parquet", rows), ESTATES)) == numbered


@given(st.lists(st.tuples(DAYS, st.integers(1, 5))), DAYS)
def test_counts_on_a_day(changes: list[tuple[date, int]], day: date) -> None:
    net: dict[date, int] = {}
    for at, number in changes:
        net[at] = net.get(at, 0) + number
    assert Headcount.from_changes(net).on(day) == sum(number for at, number in changes if at <= day)


def test_a_household_twice_or_in_two_estates_is_refused_with_both_rows(tmp_path: Path) -> None:
    day = date(2020, 1, 1)
    twice = [("h1", "a", day, None), ("h2", "a", day, None), ("h1", "a", day, None)]
    with pytest.raises(DuplicateRow, match="h1 is listed twice") as caught:
        read_households(write_csv(tmp_path / "households.csv", twice), ESTATES)
    assert caught.value.where == "households.csv, rows 2 and 4"
    two_estates = [("h1", "a", day, None), ("h2", "a", day, None), ("h1", "b", day, None)]
    with pytest.raises(DuplicateRow, match="in two estates") as caught:
        read_households(write_csv(tmp_path / "households.csv", two_estates), ESTATES)
    assert caught.value.got == "a (row 2) and b (row 4)"


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [("household_id,estate_id\nh,a\n", ColumnError, "registered_on"),
     ("household_id,estate_id,registred_on\nh,a,2020-01-01\n", ColumnError, "did you mean 'registered_on'"),
     ("household_id,estate_id,registered_on,registered_on\n", ColumnError, "stands twice"),
     ("household_id,estate_id,registered_on\nh,a,2020-02-30\n", CellError, "row 2, column registered_on"),
     ("household_id,estate_id,registered_on\n,a,2020-02-03\n", CellError, "row 2, column household_id"),
     ("household_id,estate_id,registered_on\nh,a,\n", CellError, "row 2, column registered_on"),
     ("household_id,estate_id,registered_on\nh,a,0001-01-01\n", CellError, "too far off"),
     ("household_id,estate_id,registered_on\nh,q,2020-01-01\n", CellError, "row 2, column estate_id"),
     ("household_id,estate_id,registered_on,removed_on\nh,a,2020-01-01,2020-01-01\n", CellError, "before it is registered"),
     ("household_id,estate_id,registered_on\nh,a,2020-01-01,9\n", TableError, "more or fewer cells"),
     ("", ColumnError, "missing column")],
)  # fmt: skip
def test_bad_household_files(tmp_path: Path, text: str, error: type[EstateFundsError], words: str) -> None:
    path = tmp_path / "households.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error) as caught:
        read_households(path, ESTATES)
    assert words in str(caught.value)


def test_household_files_of_other_makes(tmp_path: Path) -> None:
    path = tmp_path / "households.csv"
    path.write_bytes("\ufeffhousehold_id,estate_id,registered_on\r\nh1,a,2020-01-01\r\n".encode())
    assert read_households(path, ESTATES)["a"].on(date(2020, 1, 1)) == 1
    path.write_bytes("household_id,estate_id,registered_on\n院一号楼,a,2020-01-01\n".encode("gb18030"))
    with pytest.raises(TableError, match="not UTF-8"):
        read_households(path, ESTATES)
    parquet = tmp_path / "households.parquet"
    parquet.write_bytes(b"PAR1 no")
    with pytest.raises(TableError, match="not a Parquet file"):
        read_households(parquet, ESTATES)
    pq.write_table(pa.table({"household_id": [1.5], "estate_id": ["a"], "registered_on": ["soon"]}), parquet)
    with pytest.raises(ColumnError, match="another type"):
        read_households(parquet, ESTATES)


def test_estates() -> None:
    with pytest.raises(DuplicateRow, match="in two communities") as caught:
        collect_estates([make_estate("a", row=2), make_estate("a", community="other", row=5)], source="estates.csv")
    assert caught.value.where == "estates.csv, rows 2 and 5"
    with pytest.raises(DateError, match="before the estate was completed"):
        make_estate(service_start=date(1989, 1, 1))
    with pytest.raises(DateError, match="ends before it starts"):
        make_estate(service_end=date(2021, 1, 1))


def test_counts_and_areas_must_be_plausible_and_tie() -> None:
    counts = {"a": Headcount.from_changes({date(2020, 1, 1): 100})}
    registry = Registry.build({"a": make_estate(declared_households=100)}, counts)
    registry.tie_to({"households": 100, "estates": 1}, source="published")
    with pytest.raises(ControlTotalError, match="published total of households"):
        registry.tie_to({"households": 101}, source="published")
    with pytest.raises(ControlTotalError, match="declared number"):
        Registry.build({"a": make_estate(declared_households=99)}, counts)
    with pytest.raises(CellError, match="no row in the household file"):
        Registry.build({"b": make_estate("b")}, counts)
    with pytest.raises(CellError, match="no households"):
        Registry.build({"b": make_estate("b")}, {})
    with pytest.raises(CellError, match="implausible") as caught:
        Registry.build({"a": make_estate(floor_area_centi_m2=80)}, counts)  # 0.8 written for 0.8 万
    assert "万" in caught.value.fix
    with pytest.raises(CellError, match="implausible"):
        Registry.build({"a": make_estate(floor_area_centi_m2=80 * 10**6 * 100)}, counts)


def test_two_units_of_one_name_are_refused() -> None:
    two = {"a": make_estate("a", community="k"), "b": make_estate("b", community="k", district="other", row=3)}
    with pytest.raises(DuplicateRow, match="two units of the level"):
        Registry.build({n: two[n] for n in two}, {})


def test_the_digest_changes_with_anything_that_decides() -> None:
    counts = {"a": Headcount.from_changes({date(2020, 1, 1): 100})}
    base = Registry.build({"a": make_estate()}, counts).digest
    others = [
        Registry.build({"a": make_estate(community="other")}, counts),
        Registry.build({"a": make_estate(service_start=date(2021, 1, 2))}, counts),
        Registry.build({"a": make_estate()}, {"a": Headcount.from_changes({date(2020, 1, 2): 100})}),
        Registry.build({"a": make_estate()}, counts, source_digests={"households.csv": "0"}),
    ]
    assert len({base, *(other.digest for other in others)}) == 5
    assert Registry.build({"a": make_estate(row=9)}, counts).digest == base


def test_assessed_twice() -> None:
    same = Assessment("a", 1, "pass", date(2022, 1, 1), row=2)
    assert len(Assessments([same, Assessment("a", 1, "pass", date(2022, 1, 1), row=3)])) == 1
    with pytest.raises(DuplicateRow, match="and differently"):
        Assessments([same, Assessment("a", 1, "pass", date(2022, 1, 2), row=3)])
    with pytest.raises(DuplicateRow, match="assessed twice") as caught:
        Assessments([same, Assessment("a", 1, "fail", date(2022, 1, 2), row=7)], source="assessments.csv")
    assert caught.value.where == "assessments.csv, rows 2 and 7"


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 3000), st.integers(0, 10**9), st.text("abc"))
def test_generated_registers_tie(estates: int, more: int, households: int, area: int, seed: str) -> None:
    totals = Totals(estates, estates + more, estates + households, area)
    rows = split_totals(totals, seed=seed)
    assert rows == split_totals(totals, seed=seed)
    sums = [
        sum(getattr(row, name) for row in rows)
        for name in ("estates", "buildings", "households", "floor_area_centi_m2")
    ]
    assert sums == [totals.estates, totals.buildings, totals.households, area]
    assert min(row.households for row in rows) >= 1
    ids = [h for h, _ in household_ids("x", estates + more, estates)]
    assert ids == sorted(set(ids))
