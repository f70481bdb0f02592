"""Household files, over columns: read, checked and reduced to counts without a Python loop over households.

The plain twin is `registry.count_households`. Where the columns look wrong, the twin reads the file again row by row:
it says what is wrong and where, or finds only blanks and empty rows and counts.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from estate_funds.calendar import NEAR
from estate_funds.errors import CellError, ColumnError, TableError
from estate_funds.exchange.ids import among, hashes
from estate_funds.exchange.tables import Column, File, Row, check_header, header_of, parse_cell, read_table
from estate_funds.registry import Estate, Headcount, Household, count_households

COLUMNS = (
    Column(
        "household_id", "text", "the property unit's id, unique in the file; hashed ids do as well", "yuanyi-01-0001"
    ),
    Column("estate_id", "id", "an estate_id of estates.csv", "yuanyi"),
    Column("registered_on", "day", "first day in the register", "2020-12-01"),
    Column("removed_on", "day", "first day no longer in it; empty while it is", "2024-05-01", required=False),
    Column("building", "text", "building number, not used in any amount", "12", required=False),
    Column("floor_area_m2", "area", "floor area: the m2 of a provision for each household", "87.16", required=False),
)
# What no count uses is not judged here, so that both readers judge alike.
_AS_COUNTED = tuple(replace(c, type="text") if c.name in ("building", "floor_area_m2") else c for c in COLUMNS)
# A file that is smaller than what it says it holds by more than compression can do was made to fill the memory: ids are
# distinct, so no honest one has many rows a byte.
_MOST_ROWS, _MOST_ROWS_A_BYTE = 1_000_000, 64
_MOST_BYTES, _MOST_RATIO = 1 << 26, 200
_BLANK, _DELETE = 0x20, 0x7F
_EPOCH = date(1970, 1, 1).toordinal()
_LOW_32 = (1 << 32) - 1
_FEW = 1_000  # rows that tell whether it is worth while to look at the order of all
_TYPES = {
    "household_id": pa.string(),
    "estate_id": pa.string(),
    "registered_on": pa.date32(),
    "removed_on": pa.date32(),
}


def read_households(path: File, estates: Mapping[str, Estate]) -> dict[str, Headcount]:
    """Counts by estate from a CSV or Parquet file of households.

    Columns household_id and estate_id (string), registered_on and removed_on (date32; removed_on may be null or
    absent). Raises ColumnError, CellError or DuplicateRow with file and row.
    """
    table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    counts = _checked(table, estates) if table is not None and len(table) else None
    return count_households(_rows(path), estates, source=path.name) if counts is None else counts


def _read_csv(path: File) -> pa.Table | None:
    """The four columns, or None where a cell does not convert."""
    try:
        source = _source(path)
        raw = source.open("rb") if isinstance(source, Path) else io.BytesIO(source.getbuffer())
        with io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
            header = header_of(text, path)
    except UnicodeDecodeError:
        return None
    except OSError as error:
        raise TableError("the file cannot be read", where=str(path), got=error.strerror) from None
    check_header(header, COLUMNS, path.name)
    options = pa.csv.ConvertOptions(
        include_columns=[name for name in _TYPES if name in header],
        column_types=_TYPES,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    try:
        return pa.csv.read_csv(
            source, convert_options=options, read_options=pa.csv.ReadOptions(column_names=header, skip_rows=1)
        )
    except pa.ArrowInvalid:
        return None


def _source(path: File) -> Path | io.BytesIO:
    """What Arrow reads from: a file by its path, in pieces; anything else from memory."""
    return path if isinstance(path, Path) else io.BytesIO(path.read_bytes())


def _parquet(path: File, wanted: Collection[str]) -> pa.Table:
    """Some columns of a Parquet file, once its header is that of households and it is no bomb."""
    try:
        source = _source(path)
        with pa.parquet.ParquetFile(source) as file:
            names = list(file.schema_arrow.names)
            check_header(names, COLUMNS, path.name)
            told, size = file.metadata, source.stat().st_size if isinstance(source, Path) else source.getbuffer().nbytes
            claimed = sum(told.row_group(at).total_byte_size for at in range(told.num_row_groups))
            if told.num_rows > _MOST_ROWS + size * _MOST_ROWS_A_BYTE or claimed > _MOST_BYTES + size * _MOST_RATIO:
                raise TableError(
                    "the file says that it holds more than a file of its size can",
                    where=path.name,
                    got=f"{told.num_rows:,} rows and {claimed:,} bytes in a file of {size:,}",
                    fix="write it again",
                )
            table = file.read(columns=[name for name in wanted if name in names])
            table.validate(full=True)
            return table
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableError("not a Parquet file", where=path.name, got=str(error)) from None


def _read_parquet(path: File) -> pa.Table:
    table = _parquet(path, _TYPES)
    for name in table.column_names:
        try:
            table = table.set_column(table.column_names.index(name), name, table[name].cast(_TYPES[name]))
        except (pa.ArrowException, ValueError):
            raise ColumnError(
                "the column has another type",
                where=f"{path.name}, column {name}",
                got=str(table[name].type),
                wanted=str(_TYPES[name]),
            ) from None
        if _TYPES[name] == pa.date32() and (far := _far(table[name])) is not None:
            where = f"{path.name}, column {name}"
            raise CellError("a day too far off to reckon with", where=where, got=far, wanted=f"{NEAR[0]} to {NEAR[1]}")
    return table


def _far(days: pa.ChunkedArray) -> str | None:
    """The first or last day of a column, where it is none to reckon with; a calendar may not even have it."""
    ends = pc.min_max(days.cast(pa.int32())).as_py().values()
    low, high = (day.toordinal() - _EPOCH for day in NEAR)
    return next((f"day {end} from 1970-01-01" for end in ends if end is not None and not low <= end <= high), None)


def _checked(table: pa.Table, estates: Collection[str]) -> dict[str, Headcount] | None:
    """The counts, or None unless every row is right: no empty cell, each household once, estates known, days in order.

    The three long parts are independent and let go of the interpreter, so they share the cores that Arrow may use.
    """
    places = pc.index_in(table["estate_id"], value_set=pa.array(list(estates), pa.string()))
    required = ("household_id", "estate_id", "registered_on")
    if places.null_count or any(table[name].null_count for name in required):
        return None
    if any(_far(table[name]) for name in ("registered_on", "removed_on") if name in table.column_names):
        return None
    if "removed_on" in table.column_names:
        late = pc.less_equal(table["removed_on"], table["registered_on"])
        if pc.any(late).as_py():
            return None
    with ThreadPoolExecutor(min(3, pa.cpu_count())) as pool:
        counts = pool.submit(_counts, table, places, estates)
        checks = [pool.submit(check, table["household_id"]) for check in (_distinct, plain_texts)]
        return counts.result() if all(check.result() for check in checks) else None


def plain_texts(ids: pa.ChunkedArray | pa.StringArray) -> bool:
    """Whether ids are printable, in one form (NFKC), and without blanks around them: look-alikes would count twice."""
    if all(map(_visible_ascii, ids.chunks if isinstance(ids, pa.ChunkedArray) else [ids])):
        return True
    if pc.all(pc.string_is_ascii(ids)).as_py():
        same = pc.ascii_trim_whitespace(ids).equals(ids)
        return bool(same and pc.all(pc.ascii_is_printable(ids)).as_py())
    same = pc.utf8_trim_whitespace(ids).equals(ids) and pc.utf8_normalize(ids, "NFKC").equals(ids)
    return bool(same and pc.all(pc.utf8_is_printable(ids)).as_py())


def _visible_ascii(ids: pa.StringArray) -> bool:
    """Whether no byte of any id is a blank, a control or beyond ASCII: of most ids none is, and bytes are soon seen."""
    if not len(ids):
        return True
    offsets = np.frombuffer(ids.buffers()[1], np.int32)[ids.offset : ids.offset + len(ids) + 1]
    if offsets[0] == offsets[-1]:
        return True
    text = np.frombuffer(ids.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    return bool(text.min() > _BLANK and text.max() < _DELETE)


def _distinct(ids: pa.ChunkedArray) -> bool:
    """Whether no id stands twice: a file in order of ids needs no second look, another one a hash of each, sorted.

    Two ids may share a hash; where some do, they are compared themselves.
    """
    if all(pc.all(pc.less(some[:-1], some[1:])).as_py() for some in (ids[:_FEW], ids)):
        return True
    found = hashes(ids)
    in_order = np.sort(found)
    shared = in_order[1:][in_order[1:] == in_order[:-1]]
    if not len(shared):
        return True
    alike = ids.filter(pa.array(among(found, shared)))
    return len(pc.unique(alike)) == len(alike)


def _counts(table: pa.Table, places: pa.ChunkedArray, estates: Collection[str]) -> dict[str, Headcount]:
    """Arrivals and departures per estate and day, sorted and summed as columns; an estate's headcount is a slice.

    The key of a change is one int64: from the top the estate's position, the day's ordinal in 32 bits, and whether the
    household leaves. `places` holds the position of each row's estate, int32.
    """
    changes = [_changes(places, table["registered_on"], leaves=0)]
    if "removed_on" in table.column_names and table["removed_on"].null_count < len(table):
        changes.append(_changes(places, table["removed_on"], leaves=1))
    keys = np.concatenate(changes) if len(changes) > 1 else changes[0]
    keys.sort()
    differs = np.empty(len(keys), np.bool_)  # where another estate, day or direction begins
    differs[0] = True
    np.not_equal(keys[1:], keys[:-1], out=differs[1:])
    first = np.flatnonzero(differs)
    number = np.diff(first, append=len(keys))
    keys = keys[first]
    np.negative(number, out=number, where=(keys & 1).astype(np.bool_))
    ends = np.searchsorted(keys, np.arange(1, len(estates) + 1, dtype=np.int64) << 33).tolist()
    running = _integers(np.cumsum(number, out=number))  # in place, here and below: new memory costs more than sums
    keys >>= 1
    keys &= _LOW_32
    days_of = _integers(keys)
    found, start = {}, 0
    for estate_id, end in zip(estates, ends, strict=True):
        if end > start:
            found[estate_id] = Headcount(days_of[start:end], running[start:end], running[start - 1] if start else 0)
        start = end
    return found


def _changes(places: pa.ChunkedArray, days: pa.ChunkedArray, *, leaves: int) -> npt.NDArray[np.int64]:
    """The key of each row that has a day, as `_counts` wants it."""
    numbers = days.cast(pa.int32())
    if numbers.null_count:
        there = numbers.is_valid()
        places, numbers = places.filter(there), numbers.filter(there)
    keys: npt.NDArray[np.int64] = places.to_numpy().astype(np.int64)
    keys <<= 33
    days_in_order = numbers.to_numpy() + np.int32(_EPOCH)
    days_in_order <<= 1
    days_in_order += leaves
    keys += days_in_order
    return keys


def _integers(column: npt.NDArray[np.int64]) -> array[int]:
    """A column of int64 as a standard array, whose items are plain integers."""
    whole = array("q")
    whole.frombytes(column.astype(np.int64, copy=False).view(np.uint8).data)
    return whole


def _rows(path: File) -> Iterator[Household]:
    """The same file row by row, for the message that names the row."""
    if path.suffix != ".parquet":
        for row in read_table(path, _AS_COUNTED):
            yield Household(
                row.text("household_id"),
                row.text("estate_id"),
                row.day("registered_on"),
                row.optional_day("removed_on"),
                row.number,
            )
        return
    for number, values in enumerate(_read_parquet(path).to_pylist(), start=1):
        where = f"{path.name}, row {number}"
        for column in COLUMNS:
            if column.required and values.get(column.name) in (None, ""):
                raise CellError("the cell is empty", where=f"{where}, column {column.name}", wanted=column.about)
        id_column = COLUMNS[0]
        unit, estate_id = (str(parse_cell(id_column, values[n].strip(), where)) for n in ("household_id", "estate_id"))
        yield Household(unit, estate_id, values["registered_on"], values.get("removed_on"), number)


def household_cells(path: File) -> Iterator[list[str]]:
    """A Parquet file of households as the records of a CSV file, header first, each cell as it would be parsed."""
    table = _parquet(path, [c.name for c in COLUMNS])
    yield list(table.column_names)
    for batch in table.to_batches(max_chunksize=_FEW):
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield ["" if value is None else str(value) for value in values]


def household_rows(path: File) -> Iterator[Row]:
    """Every household with all its columns, one by one: for documents that pay for each of them."""
    if path.suffix != ".parquet":
        yield from read_table(path, COLUMNS)
        return
    for number, values in enumerate(_parquet(path, [c.name for c in COLUMNS]).to_pylist(), start=1):
        where = f"{path.name}, row {number}"
        cells = {c.name: values.get(c.name) for c in COLUMNS}
        parsed = {c.name: parse_cell(c, "" if (v := cells[c.name]) is None else str(v), where) for c in COLUMNS}
        yield Row(number, path.name, parsed)


@dataclass(frozen=True)
class HouseholdFile:
    """The household file of a case, read again for the few rows that somebody asks for; without a path, none."""

    path: File | None = None

    def named(self, ids: Collection[str]) -> dict[str, Household]:
        """The households of some ids, as far as the file has them."""
        if self.path is None or not ids:
            return {}
        table = self._table()
        among_them = pc.is_in(table["household_id"], value_set=pa.array(sorted(ids), pa.string()))
        return {one.household_id: one for one in self._households(table, pc.indices_nonzero(among_them).to_pylist())}

    def doubled(self) -> list[tuple[Household, Household]]:
        """Pairs of rows whose ids are one id written in two ways, the earlier row first.

        Alike are ids that differ in width or case of letters, in what parts them (blanks, dashes, points), or in zeros
        before a number. A row that ends before the other begins is no double: the unit came back under another id.
        """
        if self.path is None:
            return []
        table = self._table()
        keys = _plain_ids(table["household_id"])
        found = hashes(keys)
        order = np.argsort(found, kind="stable")
        same = found[order][1:] == found[order][:-1]
        rows = np.unique(np.concatenate((order[1:][same], order[:-1][same])))
        groups: dict[str, list[Household]] = {}
        texts = keys.take(pa.array(rows)).to_pylist() if len(rows) else []
        for text, one in zip(texts, self._households(table, rows.tolist()), strict=True):
            groups.setdefault(text, []).append(one)
        pairs = [(a, b) for group in groups.values() for n, b in enumerate(group) for a in group[:n]]
        return [(a, b) for a, b in pairs if not (_gone(a, b) or _gone(b, a))]

    def _table(self) -> pa.Table:
        assert self.path is not None
        path = self.path
        table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
        if table is not None:
            return table
        rows = list(_rows(path))
        return pa.table({name: pa.array([getattr(one, name) for one in rows], kind) for name, kind in _TYPES.items()})

    def _households(self, table: pa.Table, rows: list[int]) -> Iterator[Household]:
        first = 1 if self.path is not None and self.path.suffix == ".parquet" else 2
        picked = table.take(pa.array(rows, pa.int64())).to_pylist()
        for at, cells in zip(rows, picked, strict=True):
            removed = cells.get("removed_on")
            yield Household(cells["household_id"], cells["estate_id"], cells["registered_on"], removed, at + first)


def _plain_ids(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids written in one way: narrow, lower case, parts between dashes, no zeros before a number."""
    plain = pc.utf8_lower(pc.utf8_normalize(ids.cast(pa.string()), form="NFKC"))
    plain = pc.replace_substring_regex(plain, r"[\s\-_./·—–]+", "-")
    return pc.replace_substring_regex(plain, r"(^|\D)0+(\d)", r"\1\2")


def _gone(one: Household, other: Household) -> bool:
    return one.removed_on is not None and one.removed_on <= other.registered_on


__all__ = ["COLUMNS", "HouseholdFile", "household_cells", "household_rows", "plain_texts", "read_households"]
