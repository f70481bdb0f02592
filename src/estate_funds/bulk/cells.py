"""The columns that a program wants, and whether a file has them: names, types and cells, checked as columns.

What is wrong with a cell is said by the plain reader's own rule for it (`exchange.tables.parse_cell`), so that a file
of a country and a file of one estate are refused in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.bulk.coding import EPOCH
from estate_funds.bulk.wanted import Wanted
from estate_funds.calendar import NEAR
from estate_funds.errors import CellError, ColumnError, InvariantBroken, nearest
from estate_funds.exchange.households import COLUMNS, plain_texts
from estate_funds.exchange.tables import Column, parse_cell
from estate_funds.registry import CENTI_M2

ID = "household_id"
_KNOWN = {column.name: column for column in COLUMNS}
_NEAR_DAYS = tuple(day.toordinal() - EPOCH for day in NEAR)
_AREA = re.compile("(^|_)area_m2$")


ID_COLUMN = Wanted(ID, pa.string(), "the property unit's id: every result repeats it")


def with_id(columns: Sequence[Wanted], ids: bool = True) -> list[Wanted]:
    """The columns, and that of ids where it is wanted and not among them."""
    return [*columns, *([ID_COLUMN] if ids and all(column.name != ID for column in columns) else [])]


def check_names(
    header: Sequence[str], wanted: Sequence[Wanted], names: Mapping[str, str], where: str
) -> frozenset[str]:
    """Which wanted columns a file has; ColumnError for a required one that it lacks, or one that stands twice."""
    present = set()
    for column in wanted:
        name = names.get(column.name, column.name)
        if header.count(name) > 1:
            raise ColumnError("the column stands twice", where=where, got=repr(name), fix="delete one of the two")
        if name in header:
            present.add(column.name)
        elif column.required or column.name in names:
            hint = nearest(name, header)
            raise ColumnError(
                "missing column",
                where=where,
                got=", ".join(header[:40]) or "an empty header",
                wanted=name,
                fix=f"{hint} (--columns {name}=ITS_NAME says so)" if hint.startswith("did you") else hint,
            )
    return frozenset(present)


def check_type(column: Wanted, found: pa.DataType, where: str) -> None:
    """ColumnError for a column of a Parquet file whose type cannot hold exactly what is wanted."""
    if _takes(column.type, found):
        return
    exact = pa.types.is_floating(found) and pa.types.is_decimal(column.type)
    raise ColumnError(
        "the column has another type",
        where=f"{where}, column {column.name}",
        got=str(found),
        wanted=str(column.type),
        fix="a float cannot hold hundredths exactly: write it as decimal128" if exact else "",
    )


def _takes(wanted: pa.DataType, found: pa.DataType) -> bool:
    kinds = pa.types
    if kinds.is_dictionary(found):
        return _takes(wanted, found.value_type)
    if kinds.is_string(wanted):
        return bool(kinds.is_string(found) or kinds.is_large_string(found) or kinds.is_string_view(found))
    if kinds.is_date32(wanted):
        return bool(kinds.is_date(found) or (kinds.is_timestamp(found) and found.tz is None))
    if kinds.is_decimal(wanted):
        return bool(kinds.is_decimal(found))
    if kinds.is_integer(wanted):
        return bool(kinds.is_integer(found))
    return bool(wanted == found) or kinds.is_null(found)


def column_rule(column: Wanted) -> Column:
    """The plain reader's rule for the cells of a wanted column."""
    if (known := _KNOWN.get(column.name)) is not None:
        return Column(known.name, known.type, known.about, known.example, required=column.required)
    kinds = pa.types
    if kinds.is_boolean(column.type):
        return Column(column.name, "choice", "yes or no", "yes", required=column.required, allowed=("yes", "no"))
    type_ = "text" if kinds.is_string(column.type) else "day" if kinds.is_date32(column.type) else "number"
    return Column(column.name, type_, f"the fact {column.name} of a household", "", required=column.required)


def from_cell(column: Wanted, cell: str, where: str) -> object:
    """The value of one cell of a CSV file, as Arrow takes it; CellError with row and column."""
    value = parse_cell(column_rule(column), cell.strip(), where)
    if value is None:
        return None
    if pa.types.is_boolean(column.type):
        return value == "yes"
    if pa.types.is_decimal(column.type):
        if isinstance(value, int):  # an area is parsed to centi-m2
            value = Fraction(value, CENTI_M2)
        return _decimal(column, _number(value), cell, where)
    if pa.types.is_integer(column.type):
        value = _number(value)
        if value.denominator != 1 or value.numerator >= 1 << 63:
            place = f"{where}, column {column.name}"
            raise CellError("not a whole number", where=place, got=repr(cell), wanted="digits only, such as 961")
        return value.numerator
    return value


def _number(value: object) -> Fraction:
    if not isinstance(value, Fraction):
        raise InvariantBroken(f"{value!r} is no number")
    return value


def _decimal(column: Wanted, exact: Fraction, cell: str, where: str) -> Decimal:
    scale, precision = column.type.scale, column.type.precision
    scaled = exact * 10**scale
    if scaled.denominator != 1 or abs(scaled.numerator) >= 10**precision:
        fine = scaled.denominator != 1
        raise CellError(
            f"finer than {scale} decimals" if fine else "beyond what can be reckoned with",
            where=f"{where}, column {column.name}",
            got=repr(cell),
            wanted=f"at most {scale} decimals and {precision - scale} digits before the point",
        )
    return Decimal(scaled.numerator).scaleb(-scale)


# --- cells of a whole column ---


def from_texts(column: Wanted, texts: pa.Array) -> pa.Array | None:
    """A column of numbers from the texts of a CSV file; None where one is not written as the plain reader takes it."""
    scale = column.type.scale if pa.types.is_decimal(column.type) else 0
    decimals = f"(\\.[0-9]{{1,{scale}}})?" if scale else ""
    if not pc.all(pc.match_substring_regex(texts, f"^[0-9]{{1,15}}{decimals}$")).as_py():
        return None
    try:
        return texts.cast(column.type)
    except pa.ArrowInvalid:
        return None


def converted(column: Wanted, found: pa.Array, place: Callable[[int], str]) -> pa.Array:
    """A column of a Parquet file in the wanted type; CellError, with the row, for a value that it cannot hold."""
    if found.type == column.type or found.type == pa.dictionary(pa.int32(), column.type):
        return found
    try:
        return found.cast(column.type)
    except pa.ArrowException:
        row = _first_that_fails(found, column.type)
        raise CellError(
            "not a value of the wanted type",
            where=f"{place(row)}, column {column.name}",
            got=_shown(found, row),
            wanted=str(column.type),
        ) from None


def _first_that_fails(found: pa.Array, type_: pa.DataType) -> int:
    low, high = 0, len(found)  # the first value that does not cast lies in [low, high)
    while high - low > 1:
        middle = (low + high) >> 1
        try:
            found[low:middle].cast(type_)
            low = middle
        except pa.ArrowException:
            high = middle
    return low


def check_cells(column: Wanted, values: pa.Array, place: Callable[[int], str]) -> pa.Array:
    """The values, if each is sound; CellError with the row of the first that is not.

    Nothing is empty that is required, days are near, areas above nought, no number negative, texts plain. Blanks around
    a text are taken off, as the plain reader does.
    """
    if column.required and values.null_count:
        row = pc.index(pc.is_null(values), True).as_py()
        raise CellError(
            "the cell is empty", where=f"{place(row)}, column {column.name}", wanted=column_rule(column).about
        )
    if pa.types.is_string(values.type) or pa.types.is_dictionary(values.type):
        texts = values.dictionary if pa.types.is_dictionary(values.type) else pc.drop_null(values)
        return values if plain_texts(texts) else _cleaned(column, values, place)
    if pa.types.is_boolean(values.type):
        return values
    sound: Callable[[Any], bool]
    numbers, (low, high) = values, _NEAR_DAYS
    if pa.types.is_date32(values.type):
        numbers = values.view(pa.int32())
        sound, what, wanted = lambda day: low <= day <= high, "too far off to reckon with", f"{NEAR[0]} to {NEAR[1]}"
    elif _AREA.search(column.name):
        sound, what, wanted = lambda area: area > 0, "an area must be above 0", "square metres"
    else:
        sound, what, wanted = lambda number: number >= 0, "a negative number", "0 or more"
    ends = pc.min_max(numbers).as_py().values()
    if None not in ends and not all(map(sound, ends)):
        row = next(row for row, value in enumerate(numbers.to_pylist()) if value is not None and not sound(value))
        raise CellError(what, where=f"{place(row)}, column {column.name}", got=_shown(values, row), wanted=wanted)
    return values


def is_sound(column: Wanted, values: pa.Array) -> bool:
    """Whether `check_cells` would let the values pass as they are."""
    try:
        return check_cells(column, values, str) is values
    except CellError:
        return False


def _cleaned(column: Wanted, values: pa.Array, place: Callable[[int], str]) -> pa.Array:
    """Texts cell by cell: each that the plain reader takes, without the blanks around it."""
    rule = column_rule(column)
    return pa.array(
        [
            None if text is None else parse_cell(rule, text.strip(), place(n))
            for n, text in enumerate(values.to_pylist())
        ],
        pa.string(),
    )


def _shown(values: pa.Array, row: int) -> str:
    if pa.types.is_date32(values.type):  # a calendar may not have the day
        return f"day {values[row].cast(pa.int32()).as_py()} from 1970-01-01"
    return str(values[row])


def missing(column: Wanted, rows: int) -> pa.Array:
    """A column that a file does not have."""
    if column.required:
        raise InvariantBroken(f"{column.name} is required, and missing")
    return pa.nulls(rows, column.type)


__all__ = [
    "ID",
    "ID_COLUMN",
    "check_cells",
    "check_names",
    "check_type",
    "column_rule",
    "converted",
    "from_cell",
    "from_texts",
    "is_sound",
    "missing",
]
