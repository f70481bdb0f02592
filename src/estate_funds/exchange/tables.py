"""Small tables from CSV, strictly: the columns of each are data, and so is their documentation.

Row numbers count as a spreadsheet does: the header is row 1.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from estate_funds.calendar import Month, near_day, parse_day
from estate_funds.errors import (
    AmountError,
    CellError,
    ColumnError,
    DateError,
    EstateFundsError,
    InvariantBroken,
    TableError,
    nearest,
)
from estate_funds.money import MAX_FEN, parse_yuan
from estate_funds.text import INVISIBLE


class File(Protocol):
    """One file, as its readers ask for it: a `pathlib.Path` is one, and so is a member of a bundle."""

    @property
    def name(self) -> str:
        """What it is called, without a folder."""

    @property
    def suffix(self) -> str:
        """The end of its name, with the dot."""

    def is_file(self) -> bool:
        """Whether it is there."""

    def read_bytes(self) -> bytes:
        """All that it holds."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how its text becomes a value, and what to tell the person who fills it."""

    name: str
    type: str  # text, id, day, month, count, area, yuan, number, choice, evidence
    about: str
    example: str
    required: bool = True
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """The values of a row by column name, and where it stands."""

    number: int
    source: str
    values: dict[str, object]

    @property
    def where(self) -> str:
        """File and row, for messages."""
        return f"{self.source}, row {self.number}"

    def text(self, name: str) -> str:
        """A text value; empty where the cell is."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def day(self, name: str) -> date:
        """The day in a required day column."""
        value = self.optional_day(name)
        if value is None:
            raise InvariantBroken(f"{self.where}: {name} is no required day column")
        return value

    def optional_day(self, name: str) -> date | None:
        """The day in a column that may be empty."""
        value = self.values.get(name)
        return value if isinstance(value, date) else None

    def whole(self, name: str) -> int:
        """The number in a required count, area (centi-m2) or yuan (fen) column."""
        value = self.optional_whole(name)
        if value is None:
            raise InvariantBroken(f"{self.where}: {name} is no required number column")
        return value

    def optional_whole(self, name: str) -> int | None:
        """The number in a column that may be empty."""
        value = self.values.get(name)
        return value if isinstance(value, int) else None

    def optional_number(self, name: str) -> Fraction | None:
        """The exact number in a column that may be empty."""
        value = self.values.get(name)
        return value if isinstance(value, Fraction) else None


def is_there(name: str | Path, kind: Callable[[Path], bool] = Path.is_file) -> bool:
    """Whether a file, or a folder, is there; not for what no system takes as a name: too long, or with a NUL in it."""
    try:
        return kind(Path(name))
    except (OSError, ValueError):
        return False


def read_text(path: File) -> str:
    """The text of a UTF-8 file, with or without a byte-order mark; TableError otherwise."""
    try:
        return decoded(path.read_bytes(), path.name)
    except OSError as error:
        raise TableError("the file cannot be read", where=str(path), got=error.strerror) from None


def decoded(content: bytes, source: str, *, at: int = 0) -> str:
    """The text of UTF-8 bytes that stand at an offset of a file; TableError otherwise."""
    try:
        return content.decode("utf-8-sig" if at == 0 else "utf-8")
    except UnicodeDecodeError as error:
        encoding = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "GB18030"
        raise TableError(
            "the file is not UTF-8",
            where=source,
            got=f"byte 0x{error.object[error.start]:02x} at {at + error.start}",
            fix=f"save it as 'CSV UTF-8', or convert it: iconv -f {encoding} -t UTF-8",
        ) from None


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_header(header: list[str], columns: tuple[Column, ...], source: str) -> None:
    """ColumnError for a column that is missing, unknown (with the nearest name) or doubled."""
    known = [column.name for column in columns]
    where = f"{source}, row 1"
    missing = [column.name for column in columns if column.required and column.name not in header]
    for name in header:
        if name not in known:
            hint = "part the cells with commas" if ";" in name or "\t" in name else nearest(name, known)
            wanted = f"{', '.join(missing)} (missing)" if missing else None
            raise ColumnError("unknown column", where=where, got=repr(name), wanted=wanted, fix=hint)
        if header.count(name) > 1:
            raise ColumnError("the column stands twice", where=where, got=repr(name), fix="delete one of the two")
    if missing:
        raise ColumnError(
            f"missing column{'s' if len(missing) > 1 else ''}",
            where=where,
            got=", ".join(header) or "an empty header",
            wanted=", ".join(missing),
            fix="docs/reference/case.md describes every column",
        )


def read_header(path: File) -> list[str]:
    """The column names of a CSV file; TableError where its first line is none of one."""
    return header_of(io.StringIO(read_text(path), newline=""), path)


def header_of(lines: Iterable[str], path: File) -> list[str]:
    """The column names in the first line of a CSV file; TableError where it is none of one."""
    try:
        return [name.strip() for name in next(csv.reader(lines, strict=True), [])]
    except csv.Error as error:
        raise TableError("not a CSV file", where=f"{path.name}, line 1", got=str(error)) from None


def read_table(path: File, columns: tuple[Column, ...]) -> Iterator[Row]:
    """Rows of a CSV file, each cell parsed as its column says; ColumnError or CellError with file, row and column."""
    records = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(records, [])]
        check_header(header, columns, path.name)
        by_name = {column.name: column for column in columns}
        for number, cells in enumerate(records, start=2):
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise TableError(
                    "the row has more or fewer cells than the header",
                    where=f"{path.name}, row {number}",
                    got=f"{len(cells)} cells",
                    wanted=f"{len(header)}",
                    fix="quote cells that hold a comma",
                )
            row = Row(number, path.name, {})
            for name, cell in zip(header, cells, strict=True):
                row.values[name] = parse_cell(by_name[name], cell.strip(), row.where)
            yield row
    except csv.Error as error:
        raise TableError("not a CSV file", where=f"{path.name}, line {records.line_num}", got=str(error)) from None


def parse_cell(column: Column, cell: str, where: str) -> object:
    """The value of one cell; CellError with row and column where it is not what the column wants."""
    place = f"{where}, column {column.name}"
    if not cell:
        if column.required:
            raise CellError("the cell is empty", where=place, wanted=column.about)
        return None
    if column.allowed and cell not in column.allowed:
        raise CellError(
            "not one of the allowed values",
            where=place,
            got=repr(cell),
            wanted=", ".join(column.allowed),
            fix=nearest(cell, column.allowed),
        )
    try:
        return _PARSERS[column.type](cell)
    except EstateFundsError as error:
        raise CellError(
            error.what, where=place, got=repr(cell), wanted=error.wanted or column.about, fix=error.fix
        ) from None


def _count(cell: str) -> int:
    if not re.fullmatch("-?[0-9]{1,15}", cell):
        raise AmountError("not a whole number", wanted="digits only, such as 961")
    if int(cell) < 1:
        what = "a negative number" if cell.startswith("-") else "a count of nought"
        raise AmountError(what, wanted="a whole number, 1 or more")
    return int(cell)


def _text(cell: str) -> str:
    if found := INVISIBLE.search(cell):
        raise AmountError(f"an invisible character ({found[0]!a})", wanted="visible text on one line")
    if not unicodedata.is_normalized("NFC", cell):
        raise AmountError("text that is not in Unicode normal form C", wanted="the same, normalised to NFC")
    return cell


def _id(cell: str) -> str:
    if not unicodedata.is_normalized("NFKC", cell):
        raise AmountError("an id with full-width or other compatibility characters", wanted="plain characters")
    return _text(cell)


def _area(cell: str) -> int:
    centi = parse_number(cell) * 100
    if centi.denominator != 1:
        raise AmountError("an area finer than 0.01 m2", wanted="at most two decimals")
    if centi <= 0:
        raise AmountError("an area must be above 0", wanted="square metres, such as 83700.00")
    if centi > MAX_FEN:
        raise AmountError("an area beyond 64 bits", wanted="square metres")
    return int(centi)


def parse_number(cell: str) -> Fraction:
    """An exact number, 0 or more; AmountError otherwise."""
    if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,9})?", cell):
        raise AmountError("not a number", wanted="digits with an optional point, such as 92.5")
    if cell.startswith("-"):
        raise AmountError("a negative number", wanted="0 or more")
    return Fraction(cell)


def _yuan(cell: str) -> int:
    fen = parse_yuan(cell)
    if fen <= 0:
        raise AmountError("an amount must be above 0", wanted="yuan, such as 1,234.50")
    return fen


def _month(cell: str) -> str:
    month = Month.parse(cell)
    near_day(month.first_day)
    return str(month)


def _day(cell: str) -> date:
    try:
        day = parse_day(cell)
    except DateError as error:
        raise CellError(error.what, wanted="YYYY-MM-DD, a day that exists") from None
    return near_day(day)


_PARSERS: dict[str, Callable[[str], object]] = {
    "text": _text,
    "id": _id,
    "choice": str,
    "evidence": _text,
    "count": _count,
    "area": _area,
    "number": parse_number,
    "yuan": _yuan,
    "month": _month,
    "day": _day,
}
