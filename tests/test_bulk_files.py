"""Households in files: cut into partitions, read in columns as strictly as cell by cell, refused with file and row."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_stand_in import AREA, COLUMNS, SCHEMA, Wanted, rows, table, write_csv, write_parquet
from estate_funds.bulk import reading
from estate_funds.bulk.cells import ID_COLUMN
from estate_funds.bulk.files import Cut, Source, blocks, ends_of_records, locate, open_source
from estate_funds.bulk.reading import read
from estate_funds.errors import BulkError, CellError, ColumnError, InputError, TableError
from estate_funds.exchange.evidence import EvidenceFiles
from estate_funds.exchange.facts import read_facts
from estate_funds.exchange.folder import Directory
from estate_funds.registry import Registry
from test_bulk_program import DOCUMENT

WANTED: tuple[Any, ...] = (*COLUMNS, ID_COLUMN)
SMALL = Cut(rows=200, size=3_000)
HEADER = "household_id,estate_id,registered_on,removed_on,floor_area_m2"


def everything(source: Source, wanted: Sequence[Any] = WANTED) -> list[dict[str, Any]]:
    return [
        row
        for partition in source.partitions
        for block in read(source.filesystem, partition, wanted, source.names)
        for row in block.columns.to_pylist()
    ]


def told(rows_: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{column.name: row[column.name] for column in WANTED} for row in rows_]


def csv_of(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


# --- what is read ---


@pytest.mark.parametrize("write", [write_csv, write_parquet])
@pytest.mark.parametrize("cut", [Cut(), SMALL])
def test_every_row_is_read_once_and_in_order_however_the_file_is_cut(
    tmp_path: Path, write: Callable[..., Path], cut: Cut
) -> None:
    path = write(tmp_path / ("a.csv" if write is write_csv else "a.parquet"), rows(1_000))
    source = open_source(path, WANTED, cut=cut)
    assert (len(source.partitions) > 4) == (cut is SMALL)
    assert everything(source) == told(rows(1_000))
    assert source.absent == ()


def test_a_folder_is_read_in_order_of_paths_without_what_is_hidden(tmp_path: Path) -> None:
    write_csv(tmp_path / "b" / "x.csv", rows(10, 10))
    write_parquet(tmp_path / "a" / "y.parquet", rows(10))
    write_csv(tmp_path / "b" / "_x.csv", rows(10, 50))
    write_csv(tmp_path / "b" / ".x.csv", rows(10, 60))
    write_csv(tmp_path / "_tmp" / "x.csv", rows(10, 70))
    source = open_source(tmp_path, WANTED)
    assert [partition.name for partition in source.partitions] == ["a/y.parquet", "b/x.csv"]
    assert [partition.result for partition in source.partitions] == ["a/y.parquet", "b/x.csv.parquet"]
    assert everything(source) == told(rows(20))


def test_a_folder_may_say_a_column(tmp_path: Path) -> None:
    bare = [{key: value for key, value in row.items() if key != "estate_id"} for row in rows(4)]
    schema = pa.schema([field for field in SCHEMA if field.name != "estate_id"])
    for number, estate_id in enumerate(("e0", "%E9%99%A2")):
        folder = tmp_path / f"estate_id={estate_id}"
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(bare[number * 2 :][:2], schema=schema), folder / "part.parquet")
    found = everything(open_source(tmp_path, WANTED))
    assert [row["estate_id"] for row in found] == ["院", "院", "e0", "e0"]  # % before e


def test_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    """A phone number that is no UTF-8 shows it: nobody looks at it."""
    path = tmp_path / "a.csv"
    line = b"h1,e1,2021-01-01,,50.00,\xff\xfe\n"
    path.write_bytes(HEADER.encode() + b",phone\n" + line)
    assert everything(open_source(path, WANTED))[0]["household_id"] == "h1"


def test_other_names_and_missing_optional_columns(tmp_path: Path) -> None:
    path = csv_of(tmp_path / "a.csv", "h1,e1,2021-01-01", header="房号,小区,registered_on")
    names = {"household_id": "房号", "estate_id": "小区"}
    source = open_source(path, WANTED, names=names)
    assert source.absent == ("removed_on", "floor_area_m2")
    assert everything(source) == [
        {"estate_id": "e1", "registered_on": date(2021, 1, 1), "removed_on": None, "floor_area_m2": None, "household_id": "h1"}
    ]  # fmt: skip
    with pytest.raises(ColumnError, match="missing column"):
        open_source(path, WANTED, names=names | {"removed_on": "迁出"})


def test_nothing_may_be_wanted_at_all(tmp_path: Path) -> None:
    paths = write_csv(tmp_path / "a.csv", rows(5)), write_parquet(tmp_path / "b.parquet", rows(5))
    for path in paths:
        (partition,) = (source := open_source(path, ())).partitions
        assert [len(b.columns) for b in read(source.filesystem, partition, (), {})] == [5]


def test_blanks_and_empty_rows_are_what_the_plain_reader_makes_of_them(tmp_path: Path) -> None:
    path = csv_of(tmp_path / "a.csv", "", " h1 , e1,2021-01-01, , 50.5 ", ",,,,", '"h2","e2",2021-01-02,2022-01-01,60')
    found = everything(open_source(path, WANTED))
    assert [(row["household_id"], row["estate_id"], row["floor_area_m2"]) for row in found] == [
        ("h1", "e1", Decimal("50.50")), ("h2", "e2", Decimal("60.00")),
    ]  # fmt: skip


def test_parquet_in_other_types_that_hold_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    same = table(rows(50))
    types = {"household_id": pa.large_string(), "estate_id": pa.dictionary(pa.int32(), pa.string()), "registered_on": pa.timestamp("ms"), "floor_area_m2": pa.decimal128(10, 3)}  # fmt: skip
    for at, name in enumerate(same.column_names):
        if name in types:
            same = same.set_column(at, name, same[name].cast(types[name]))
    pq.write_table(same, path)
    assert everything(open_source(path, WANTED)) == told(rows(50))


def test_numbers_booleans_and_facts(tmp_path: Path) -> None:
    wanted = (
        Wanted("floors", pa.int64(), "floors"),
        Wanted("lift", pa.bool_(), "lift", False),
        Wanted("share", pa.decimal128(9, 4), "share"),
    )
    path = csv_of(tmp_path / "a.csv", "6,yes,0.25", "7,,1", header="floors,lift,share")
    assert [tuple(row.values()) for row in everything(open_source(path, wanted), wanted)] == [
        (6, True, Decimal("0.2500")), (7, None, Decimal("1.0000")),
    ]  # fmt: skip
    for line, message in [
        ("6.5,,1", "not a whole number"),
        ("6,maybe,1", "allowed"),
        ("6,,0.12345", "finer than 4 decimals"),
        ("6,,123456", "beyond"),
        ("-6,,1", "negative"),
    ]:
        csv_of(path, "6,yes,0.25", line, header="floors,lift,share")
        with pytest.raises(CellError, match=message) as error:
            everything(open_source(path, wanted), wanted)
        assert error.value.where.startswith("a.csv, row 3, column ")


def test_any_filesystem_that_fsspec_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    content = write_csv(tmp_path / "a.csv", rows(300)).read_bytes()
    memory.pipe("/register/part/a.csv", content)
    try:
        source = open_source("memory://register", WANTED, cut=SMALL)
        assert everything(source) == told(rows(300))
        assert source.partitions[0].name == "part/a.csv"
    finally:
        memory.rm("/register", recursive=True)
    assert everything(open_source(f"file://{tmp_path}", WANTED)) == told(rows(300))
    with pytest.raises(InputError, match="cannot be opened"):
        locate("nothing-of-the-kind://x/y")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(InputError, match="pip install 'estate_funds"):
        locate("memory://register")


# --- how CSV is cut ---

CELLS = st.text(alphabet='ab",\n\r院', max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=30), st.integers(1, 60), st.booleans())
def test_a_cut_never_parts_a_row(
    tmp_path_factory: pytest.TempPathFactory, lines: list[list[str]], size: int, ends: bool
) -> None:
    import csv
    import io

    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    content = text.getvalue().encode()
    content = content if ends else content[:-1]
    wanted = list(csv.reader(io.StringIO(content.decode(), newline="")))
    found: list[list[str]] = []
    file = pa.BufferReader(content)
    for start, block, records in blocks(file, 0, len(content), size, "a.csv"):
        assert content[start : start + len(block)] == block
        part = list(csv.reader(io.StringIO(block.decode(), newline="")))
        assert len(part) == records or "\r" in block.decode()  # a carriage return outside quotes is not written
        found += part
    assert found == wanted


def test_ends_of_records() -> None:
    assert ends_of_records(b"") == (0, 0)
    assert ends_of_records(b"a") == (0, 0)
    assert ends_of_records(b"a\nb\nc") == (4, 2)
    assert ends_of_records(b'"a\n"\n"b\n') == (5, 1)


def test_a_row_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estate_funds.bulk.files.MOST_ROW_BYTES", 5_000)
    path = csv_of(tmp_path / "a.csv", *["h1,e1,2021-01-01,,50"] * 20, '"' + "x\n" * 9_000)
    with pytest.raises(TableError, match="a row without an end"):
        open_source(path, WANTED, cut=SMALL)


def test_rows_of_a_cut_file_are_numbered_as_a_spreadsheet_does(tmp_path: Path) -> None:
    lines = [f'h{n},e1,2021-01-01,,"50"' for n in range(400)]
    lines[100] = ""
    lines[350] = "h350,e1,2021-13-01,,50"
    path = csv_of(tmp_path / "a.csv", *lines)
    source = open_source(path, WANTED, cut=SMALL)
    assert len(source.partitions) > 2
    with pytest.raises(CellError) as error:
        everything(source)
    assert error.value.where == "a.csv, row 352, column registered_on"


def test_the_rows_behind_empty_lines_are_named_right(tmp_path: Path) -> None:
    path = csv_of(tmp_path / "a.csv", "h0,e0,2021-01-01,,", "", "", "h1,e1,2021-01-01,,")
    source = open_source(path, WANTED)
    (block,) = read(source.filesystem, source.partitions[0], WANTED, {})
    assert [block.place(row) for row in (0, 1)] == ["a.csv, row 2", "a.csv, row 5"]
    assert block.cell(1, "estate_id") == "a.csv, row 5, column estate_id"


# --- what is refused ---

BAD_LINES = [
    ("h1,e1,2021-02-30,,50", "not a day", "registered_on"),
    ("h1,e1,2021-1-5,,50", "not a day", "registered_on"),
    ("h1,e1,9999-01-01,,50", "too far off", "registered_on"),
    ("h1,e1,0999-12-31,,50", "too far off", "registered_on"),
    ("h1,e1,2021-01-01,soon,50", "not a day", "removed_on"),
    ("h1,e1,,,50", "the cell is empty", "registered_on"),
    (",e1,2021-01-01,,50", "the cell is empty", "household_id"),
    ("h1,,2021-01-01,,50", "the cell is empty", "estate_id"),
    ("h1,ｅ1,2021-01-01,,50", "full-width", "estate_id"),
    ("h\u200b1,e1,2021-01-01,,50", "invisible", "household_id"),
    ("h1,e1,2021-01-01,,50.123", "finer than 0.01", "floor_area_m2"),
    ("h1,e1,2021-01-01,,0", "above 0", "floor_area_m2"),
    ("h1,e1,2021-01-01,,-5", "negative", "floor_area_m2"),
    ("h1,e1,2021-01-01,,1e3", "not a number", "floor_area_m2"),
    ("h1,e1,2021-01-01,,+5", "not a number", "floor_area_m2"),
    ("h1,e1,2021-01-01,,99999999999999999", "beyond", "floor_area_m2"),
    ("h1,e1,2021-01-01,,12345678901234567.00", "beyond", "floor_area_m2"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "what", "column"), BAD_LINES)
def test_a_bad_cell_of_a_csv_file_is_named(tmp_path: Path, line: str, what: str, column: str) -> None:
    path = csv_of(tmp_path / "a.csv", "h0,e1,2021-01-01,,50.25", line, "h2,e1,2021-01-01,,50")
    with pytest.raises(CellError, match=what) as error:
        everything(open_source(path, WANTED))
    assert error.value.where == f"a.csv, row 3, column {column}"


BAD_VALUES: list[tuple[dict[str, Any], str, str]] = [
    ({"registered_on": None}, "the cell is empty", "registered_on"),
    ({"household_id": None}, "the cell is empty", "household_id"),
    ({"household_id": " "}, "the cell is empty", "household_id"),
    ({"estate_id": "ｅ1"}, "full-width", "estate_id"),
    ({"household_id": "h\u202e1"}, "invisible", "household_id"),
    ({"registered_on": date(9998, 1, 1)}, "too far off", "registered_on"),
    ({"removed_on": date(1, 1, 1)}, "too far off", "removed_on"),
    ({"floor_area_m2": Decimal("0.00")}, "above 0", "floor_area_m2"),
    ({"floor_area_m2": Decimal("-1.00")}, "above 0", "floor_area_m2"),
]


@pytest.mark.parametrize(("change", "what", "column"), BAD_VALUES)
def test_a_bad_value_of_a_parquet_file_is_named(tmp_path: Path, change: dict[str, Any], what: str, column: str) -> None:
    bad = rows(250)
    bad[220] |= change
    path = write_parquet(tmp_path / "a.parquet", bad, group=100)
    with pytest.raises(CellError, match=what) as error:
        everything(open_source(path, WANTED))
    assert error.value.where == f"a.parquet, row group 2, row 221, column {column}"


def test_an_area_finer_than_its_type_and_a_day_with_an_hour_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    good = table(rows(5))
    at = good.column_names.index("floor_area_m2")
    fine = pa.array([*map(Decimal, ("50", "60", "50.125", "1", "2"))], pa.decimal128(20, 3))
    pq.write_table(good.set_column(at, "floor_area_m2", fine), path)
    with pytest.raises(CellError, match="not a value of the wanted type") as error:
        everything(open_source(path, WANTED))
    assert error.value.where == "a.parquet, row group 0, row 3, column floor_area_m2"
    assert error.value.got == "50.125"


@pytest.mark.parametrize(
    ("column", "type_", "fix"),
    [("floor_area_m2", pa.float64(), "float"), ("floor_area_m2", pa.int64(), ""), ("registered_on", pa.string(), ""), ("estate_id", pa.int32(), ""), ("registered_on", pa.timestamp("s", "UTC"), "")],
)  # fmt: skip
def test_a_column_of_another_type_is_refused_before_a_row_is_read(
    tmp_path: Path, column: str, type_: pa.DataType, fix: str
) -> None:
    path = tmp_path / "a.parquet"
    good = table(rows(5))
    at = good.column_names.index(column)
    pq.write_table(good.set_column(at, column, pa.nulls(5, type_)), path)
    with pytest.raises(ColumnError, match="another type") as error:
        open_source(path, WANTED)
    assert error.value.where == f"a.parquet, column {column}"
    assert fix in error.value.fix


def test_columns_that_are_missing_doubled_or_another_in_one_file(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="did you mean 'estate_ids'") as error:
        open_source(csv_of(tmp_path / "a.csv", header="household_id,estate_ids,registered_on"), WANTED)
    assert error.value.where == "a.csv, row 1"
    with pytest.raises(ColumnError, match="stands twice"):
        open_source(csv_of(tmp_path / "a.csv", header=HEADER + ",estate_id"), WANTED)
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(ColumnError, match="an empty header"):
        open_source(tmp_path / "a.csv", WANTED)
    csv_of(tmp_path / "a.csv", "h1,e1,2021-01-01,,50")
    csv_of(tmp_path / "b.csv", "h2,e1,2021-01-01,", header=HEADER.rpartition(",")[0])
    with pytest.raises(ColumnError, match="other columns than the first") as error:
        open_source(tmp_path, WANTED)
    assert (error.value.where, error.value.got) == ("b.csv", "no floor_area_m2")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no such file"):
        open_source(tmp_path / "nothing", WANTED)
    with pytest.raises(TableError, match="holds no households"):
        open_source(tmp_path, WANTED)
    (tmp_path / "a.csv.gz").write_bytes(b"")
    with pytest.raises(TableError, match="neither CSV nor Parquet"):
        open_source(tmp_path, WANTED)
    (tmp_path / "a.csv.gz").unlink()
    (tmp_path / "a.csv").write_bytes(f"{HEADER}\n东湖,e1,2021-01-01,,50\n".encode("gb18030"))
    with pytest.raises(TableError, match="not UTF-8") as error:
        everything(open_source(tmp_path, WANTED))
    assert error.value.got == "byte 0xb6 at 62"
    csv_of(tmp_path / "a.csv", "h1,e1,2021-01-01,,50,more")
    with pytest.raises(TableError, match="more or fewer cells"):
        everything(open_source(tmp_path, WANTED))
    csv_of(tmp_path / "a.csv", 'h1,e1,2021-01-01,,"50')
    with pytest.raises(TableError, match="not a CSV file"):
        everything(open_source(tmp_path, WANTED))


@pytest.mark.parametrize("keep", [0, 3, 100, -1, -8, -300])
def test_a_parquet_file_that_is_cut_off_is_refused(tmp_path: Path, keep: int) -> None:
    path = write_parquet(tmp_path / "a.parquet", rows(500))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(TableError, match="cut off"):
        open_source(path, WANTED)


def test_a_page_that_is_not_what_was_written_is_found_with_its_row_group(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        table(rows(600)), path, row_group_size=200, write_page_checksum=True, compression="none", use_dictionary=False
    )
    content = bytearray(path.read_bytes())
    at = content.index(b"h0000450")
    content[at + 7] ^= 1
    path.write_bytes(content)
    with pytest.raises(TableError, match="cannot be read") as error:
        everything(open_source(path, WANTED))
    assert error.value.where.startswith("a.parquet, row group 2")


def test_a_file_that_says_that_it_holds_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "a.parquet", rows(500))
    monkeypatch.setattr("estate_funds.bulk.files._MOST_ROWS", 0)
    monkeypatch.setattr("estate_funds.bulk.files._MOST_ROWS_A_BYTE", 0)
    with pytest.raises(TableError, match="more than a file of its size can"):
        open_source(path, WANTED)
    pq.write_table(table(rows(500)).drop_columns(["household_id"]), path)  # nothing in it need be distinct
    assert len(everything(open_source(path, COLUMNS), COLUMNS)) == 500


def test_a_file_that_changes_under_a_run_is_found(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", rows(50))
    source = open_source(path, WANTED)
    write_csv(path, rows(49))
    with pytest.raises(BulkError, match="was changed since the run began"):
        everything(source)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", rows(50))
    source = open_source(path, WANTED)
    path.unlink()
    with pytest.raises(TableError, match="cannot be read") as error:
        everything(source)
    assert error.value.where == "a.csv"


def test_one_file_of_results_for_each_partition(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", rows(5))
    write_parquet(tmp_path / "a.csv.parquet", rows(5))
    with pytest.raises(TableError, match="one file of results"):
        open_source(tmp_path, WANTED)


def test_the_cuts_of_an_earlier_run_are_taken_over_where_the_file_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(tmp_path / "a.csv", rows(500))
    first = open_source(path, WANTED, cut=SMALL)
    plan = [partition.to_json() for partition in first.partitions]
    monkeypatch.setattr("estate_funds.bulk.files._runs", None)
    assert open_source(path, WANTED, cut=SMALL, planned=plan).partitions == first.partitions
    stale = [one | {"stamp": one["stamp"] | {"size": 1}} for one in plan]
    with pytest.raises(TypeError):  # it is cut anew
        open_source(path, WANTED, cut=SMALL, planned=stale)


# --- the fast reader and the plain one ---

LINES = st.lists(
    st.tuples(
        st.sampled_from(["h1", "h2", " h3", "h4 ", "户5", "", "h\u200b6", '"h7"', '"h,8"', '"h""9"']),
        st.sampled_from(["e1", "e2", " e1", "ｅ1", ""]),
        st.sampled_from(["2021-01-01", " 2021-01-02", "2021-01-32", "0001-01-01", ""]),
        st.sampled_from(["", "2024-02-29", " "]),
        st.sampled_from(["", "50", "50.5", "050.25", " 60 ", "1e2", "0.00", "70.125"]),
    ).map(",".join),
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(LINES)
def test_both_readers_of_csv_judge_alike(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = csv_of(tmp_path_factory.mktemp("csv") / "a.csv", *lines)
    source = open_source(path, WANTED)

    def outcome(plainly: bool) -> object:
        with pytest.MonkeyPatch.context() as patch:
            if plainly:
                patch.setattr(reading, "_fast", lambda *_: None)
            try:
                return everything(source)
            except TableError as error:
                return str(error)

    assert outcome(plainly=False) == outcome(plainly=True)


def test_stand_in_files_hold_what_they_say(tmp_path: Path) -> None:
    """Both writers of these tests write the same rows."""
    one = everything(open_source(write_csv(tmp_path / "a.csv", rows(30)), WANTED))
    two = everything(open_source(write_parquet(tmp_path / "b.parquet", rows(30)), WANTED))
    assert one == two
    assert {type(row["floor_area_m2"]) for row in one} == {Decimal}
    assert replace(SMALL, rows=1) != SMALL
    assert AREA.scale == 2
    assert re.fullmatch("h[0-9]{7}", one[0]["household_id"])


def test_a_fact_of_a_household_in_a_case_without_its_households(tmp_path: Path) -> None:
    fact = next(name for name, rule in DOCUMENT.facts.items() if rule.of == "household")
    (tmp_path / "facts.csv").write_text(f"subject_id,fact,period,value\nh1,{fact},,1\n", encoding="utf-8")
    apart = Registry.build({}, {}, counted=False)
    with pytest.raises(CellError, match=f"write {fact} as a column of the household files"):
        list(read_facts(Directory(tmp_path), apart, [DOCUMENT], EvidenceFiles(Directory(tmp_path))))
