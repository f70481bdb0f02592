"""Parts of a register: a CSV file, or one row group of a Parquet file, read in batches that know their rows.

Rows are numbered as a person finds them: in CSV as a spreadsheet counts, the header being row 1; in Parquet from 1
through the whole file. Row groups are numbered from 0, as every Parquet tool does. What a part names is read as text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from estate_funds.errors import ColumnError, TableError, nearest
from estate_funds.exchange.tables import header_of

ROWS = 1 << 16  # of a batch
_BLOCK = 1 << 20  # bytes of a CSV file that are read at a time


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a part in order: the number of each, int64, shape (rows,), and its cells as text, null if empty."""

    numbers: npt.NDArray[np.int64]
    cells: pa.RecordBatch


class Part(Protocol):
    """A piece of a register that is read on its own, as often as needed, and always yields the same rows.

    `source` names the file in messages, `group` is its row group or None, `programme` what its households are paid
    under. The three together tell one part from another.
    """

    @property
    def source(self) -> str:
        """The file, by the name that messages give it."""

    @property
    def group(self) -> int | None:
        """The row group, from 0; None where the file has none."""

    @property
    def programme(self) -> str:
        """The programme that the register belongs to; empty where there is but one."""

    def rows(self, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Rows]:
        """The rows in order: `columns`, and those of `optional` that it has; ColumnError for one of the former."""


def place_of(part: Part, row: int | None = None) -> str:
    """Where something stands, for messages.

    >>> place_of(ParquetPart(Path("east.parquet"), 3), 1_000_001)
    'east.parquet, row group 3, row 1000001'
    """
    group = "" if part.group is None else f", row group {part.group}"
    return f"{part.source}{group}" + ("" if row is None else f", row {row}")


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """One row group of a Parquet file; `name` stands for it in messages, else its path does."""

    path: Path
    group: int
    programme: str = ""
    name: str = ""

    @property
    def source(self) -> str:
        """The file, by the name that messages give it."""
        return self.name or str(self.path)

    def rows(self, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Rows]:
        """The rows of the group; TableError where the file cannot be read."""
        try:
            with pa.parquet.ParquetFile(self.path) as file:
                wanted = _wanted(file.schema_arrow.names, columns, optional, place_of(self))
                before = sum(file.metadata.row_group(group).num_rows for group in range(self.group))
                for batch in file.iter_batches(ROWS, row_groups=[self.group], columns=wanted, use_threads=False):
                    batch.validate(full=True)
                    numbers = np.arange(before + 1, before + 1 + len(batch), dtype=np.int64)
                    before += len(batch)
                    yield Rows(numbers, pa.record_batch([_text(batch[n], n, self) for n in wanted], names=wanted))
        except (pa.ArrowException, OSError) as error:
            raise TableError("not a Parquet file", where=place_of(self), got=str(error)) from None


@dataclass(frozen=True, slots=True)
class CsvPart:
    """A CSV file with a header; `name` stands for it in messages, else its path does."""

    path: Path
    programme: str = ""
    name: str = ""

    @property
    def source(self) -> str:
        """The file, by the name that messages give it."""
        return self.name or str(self.path)

    @property
    def group(self) -> None:
        """A CSV file has no row groups."""
        return

    def rows(self, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Rows]:
        """The rows of the file but empty ones, which are counted; TableError where it is no CSV file in UTF-8."""
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                header, bare = header_of(file, self.path), not file.readline()
        except UnicodeDecodeError:
            raise TableError("the file is not UTF-8", where=self.source, fix="save it as 'CSV UTF-8'") from None
        except OSError as error:
            raise TableError("the file cannot be read", where=self.source, got=error.strerror) from None
        wanted = _wanted(header, columns, optional, f"{self.source}, row 1")
        if bare:  # a header and nothing else is no CSV file to Arrow
            return
        blank: list[int] = []
        uneven: list[int] = []

        def judge(row: pa.csv.InvalidRow) -> str:
            (uneven if row.text.strip() else blank).append(row.number)
            return "error" if row.text.strip() else "skip"

        try:
            number = 2
            for batch in _open_csv(self.path, header, judge):
                numbers = _numbers(number, len(batch), blank)
                number = int(numbers[-1]) + 1 if len(batch) else number
                there = _not_empty(batch, wanted)
                cells = batch.select(wanted)
                yield Rows(numbers, cells) if there is None else Rows(numbers[there], cells.filter(pa.array(there)))
        except (pa.ArrowException, OSError) as error:
            if uneven:
                raise TableError(
                    "the row has more or fewer cells than the header",
                    where=f"{self.source}, row {uneven[0]}",
                    wanted=f"{len(header)}",
                    fix="quote cells that hold a comma",
                ) from None
            raise TableError("not a CSV file", where=self.source, got=str(error)) from None


def parts_of(paths: Iterable[Path], *, programme: str = "", root: Path | None = None) -> list[ParquetPart | CsvPart]:
    """Every row group of Parquet files, and every other file as CSV, named from `root` on; TableError as reading."""
    found: list[ParquetPart | CsvPart] = []
    for path in sorted(paths):
        name = path.relative_to(root).as_posix() if root is not None else path.as_posix()
        if path.suffix != ".parquet":
            found.append(CsvPart(path, programme, name))
            continue
        try:
            groups = pa.parquet.read_metadata(path).num_row_groups
        except (pa.ArrowException, OSError) as error:
            raise TableError("not a Parquet file", where=name, got=str(error)) from None
        found += [ParquetPart(path, group, programme, name) for group in range(groups)]
    return found


def _wanted(header: Sequence[str], columns: Sequence[str], optional: Sequence[str], where: str) -> list[str]:
    """The columns to read; ColumnError where one is missing or stands twice."""
    for name in columns:
        if name not in header:
            raise ColumnError("missing column", where=where, wanted=name, fix=nearest(name, header))
    wanted = list(dict.fromkeys([*columns, *(name for name in optional if name in header)]))
    for name in wanted:
        if list(header).count(name) > 1:
            raise ColumnError("the column stands twice", where=where, got=repr(name), fix="delete one of the two")
    return wanted


def _text(column: pa.Array, name: str, part: Part) -> pa.Array:
    """A column as plain strings: of text, of categories, or of whole numbers, which are written in digits."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
        where = f"{place_of(part)}, column {name}"
        raise ColumnError("the column has another type", where=where, got=str(column.type), wanted="string")
    return column.cast(kind).cast(pa.string())


def _open_csv(path: Path, header: list[str], judge: Callable[[pa.csv.InvalidRow], str]) -> pa.RecordBatchReader:
    """The file in batches, every column as text: whether a row is empty takes all of its cells."""
    return pa.csv.open_csv(
        path,
        read_options=pa.csv.ReadOptions(column_names=header, skip_rows=1, use_threads=False, block_size=_BLOCK),
        # An empty line is a row to a spreadsheet; a quoted cell may hold one.
        parse_options=pa.csv.ParseOptions(ignore_empty_lines=False, newlines_in_values=True, invalid_row_handler=judge),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _numbers(first: int, rows: int, blank: list[int]) -> npt.NDArray[np.int64]:
    """The numbers of rows from a first one on, past those that were skipped because nothing but blanks is in them."""
    numbers = np.arange(first, first + rows, dtype=np.int64)
    for skipped in blank[bisect_left(blank, first) :]:
        numbers[numbers >= skipped] += 1
    return numbers


def _not_empty(batch: pa.RecordBatch, wanted: list[str]) -> npt.NDArray[np.bool_] | None:
    """Which rows have any cell, or None for all: the others are looked at where the first that is wanted is empty."""
    there = _filled(batch[wanted[0]])
    if there.all():
        return None
    for column in batch.columns:
        there |= _filled(column)
    return there


def _filled(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Which cells hold more than blanks."""
    filled = pc.not_equal(pc.utf8_trim_whitespace(column), "").fill_null(False)
    return np.array(filled.to_numpy(zero_copy_only=False), np.bool_)


__all__ = ["ROWS", "CsvPart", "ParquetPart", "Part", "Rows", "parts_of", "place_of"]
