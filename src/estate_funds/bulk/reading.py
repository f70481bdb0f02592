"""Rows of a partition, block by block, as the columns that a program wants: strictly, and nothing else is read.

CSV goes through Arrow's reader, and where a block does not look right, through the plain reader: it says what is wrong
in which row, or finds only blanks and empty rows, and gives the rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.fs
import pyarrow.parquet

from estate_funds.bulk.cells import (
    ID,
    check_cells,
    check_type,
    converted,
    from_cell,
    from_texts,
    is_sound,
    missing,
    with_id,
)
from estate_funds.bulk.files import Partition, Source, blocks, first_record, opened, parquet, stamp_of
from estate_funds.bulk.wanted import Wanted
from estate_funds.errors import BulkError, TableError
from estate_funds.exchange.tables import decoded

BLOCK_BYTES = 1 << 24  # of CSV that is parsed at once
BATCH_ROWS = 1 << 17  # of Parquet likewise: what a batch needs stays in the cache


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows: the wanted columns in their types and order, and where each row stands."""

    columns: pa.RecordBatch
    source: str  # the file, and of Parquet the row group, from 0
    numbers: Sequence[int]  # of the rows in the file

    def place(self, row: int) -> str:
        """Where a row (from 0) stands."""
        return f"{self.source}, row {self.numbers[row]}"

    def cell(self, row: int, column: str) -> str:
        """Where the cell of a row (from 0) stands."""
        return f"{self.place(row)}, column {column}"


def read(
    filesystem: pa.fs.FileSystem, partition: Partition, wanted: Sequence[Wanted], names: Mapping[str, str]
) -> Iterator[Block]:
    """Every row of a partition, in order; columns that the file lacks are null.

    Raises TableError, ColumnError or CellError with file, row group and row; BulkError where the file is no longer
    the one that was cut, before the first row or after the last.
    """
    with opened(filesystem, partition.path, partition.name) as file:
        _check_stamp(filesystem, partition, file)
        try:
            reader = _parquet_blocks if partition.is_parquet else _csv_blocks
            yield from reader(file, partition, wanted, names)
        except (pa.ArrowException, OSError) as error:
            raise TableError("the file cannot be read", where=partition.name, got=str(error)) from None
        _check_stamp(filesystem, partition, file)


def find_row(source: Source, wanted: Sequence[Wanted], household: str) -> tuple[str, dict[str, object]] | None:
    """Where the first row of a household stands, and the wanted columns of it; None where no file has it."""
    for partition in source.partitions:
        for block in read(source.filesystem, partition, with_id(wanted), source.names):
            at = pc.index(block.columns[ID], household).as_py()
            if at >= 0:
                return block.place(at), {column.name: block.columns[column.name][at].as_py() for column in wanted}
    return None


def batches(source: Source, wanted: Sequence[Wanted]) -> Iterator[pa.RecordBatch]:
    """Every row of a source, partition by partition; raises as `read` does."""
    for partition in source.partitions:
        for block in read(source.filesystem, partition, wanted, source.names):
            yield block.columns


def _check_stamp(filesystem: pa.fs.FileSystem, partition: Partition, file: pa.NativeFile) -> None:
    if (found := stamp_of(filesystem, partition.path, file)) != partition.stamp:
        raise changed(partition, found.size)


def changed(partition: Partition, now: int, *, before: int | None = None) -> BulkError:
    """The refusal of a file that is not the one that the run began with: its bytes now, and before."""
    return BulkError(
        "the file was changed since the run began",
        where=partition.name,
        got=f"{now:,} bytes, written at another time or with other bytes",
        wanted=f"the file of {partition.stamp.size if before is None else before:,} bytes that the run began with",
        fix="put it back; or begin a new run, with another --out",
    )


# --- Parquet ---


def _parquet_blocks(
    file: pa.NativeFile, partition: Partition, wanted: Sequence[Wanted], names: Mapping[str, str]
) -> Iterator[Block]:
    first = partition.first_row
    few = [names.get(c.name, c.name) for c in wanted if c.few]
    with parquet(file, partition.name, few) as source:
        have = [names.get(c.name, c.name) for c in wanted if names.get(c.name, c.name) in source.schema_arrow.names]
        for group in range(partition.start, partition.end):
            where = f"{partition.name}, row group {group}"
            batches = source.iter_batches(BATCH_ROWS, row_groups=[group], columns=have, use_threads=False)
            try:
                for batch in batches:
                    yield _parquet_block(batch, partition, wanted, names, where, first)
                    first += len(batch)
            except (pa.ArrowException, OSError) as error:
                raise TableError(
                    "the row group cannot be read", where=f"{where}, after row {first - 1}", got=str(error)
                ) from None


def _parquet_block(
    batch: pa.RecordBatch,
    partition: Partition,
    wanted: Sequence[Wanted],
    names: Mapping[str, str],
    where: str,
    first: int,
) -> Block:
    numbers = range(first, first + len(batch))

    def place(row: int) -> str:
        return f"{where}, row {numbers[row]}"

    def column_of(column: Wanted) -> pa.Array:
        name = names.get(column.name, column.name)
        if name not in batch.schema.names:
            return _elsewhere(column, name, partition, len(batch))
        found = batch.column(name)
        check_type(column, found.type, partition.name)
        return check_cells(column, converted(column, found, place), place)

    return Block(_batch(wanted, [column_of(column) for column in wanted], len(batch)), where, numbers)


def _elsewhere(column: Wanted, name: str, partition: Partition, rows: int) -> pa.Array:
    """A column that the folders above the file say, or nothing."""
    folders = dict(partition.folders)
    if name not in folders:
        return missing(column, rows)
    value = from_cell(column, folders[name] or "", f"{partition.name}, its folder")
    return pa.repeat(pa.scalar(value, column.type), rows)


def _batch(wanted: Sequence[Wanted], arrays: list[pa.Array], rows: int) -> pa.RecordBatch:
    """A batch of columns, which has its rows even where nothing is wanted of them."""
    schema = pa.schema([(column.name, array.type) for column, array in zip(wanted, arrays, strict=True)])
    if not arrays:
        return pa.RecordBatch.from_struct_array(pa.nulls(rows, pa.struct([])).fill_null({}))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


# --- CSV ---


def _csv_blocks(
    file: pa.NativeFile, partition: Partition, wanted: Sequence[Wanted], names: Mapping[str, str]
) -> Iterator[Block]:
    header, _ = first_record(file, partition.name)
    first = partition.first_row
    for start, block, records in blocks(file, partition.start, partition.end, BLOCK_BYTES, partition.name):
        found = _fast(block, header, partition, wanted, names)
        if found is None:
            yield from _plain(block, start, header, partition, wanted, names, first)
        else:
            numbers = range(first, first + records) if records == len(found) else _numbers(block, first)
            yield Block(found, partition.name, numbers)
        first += records


def _numbers(block: bytes, first: int) -> list[int]:
    """The numbers of rows among which empty lines stand, which are counted too."""
    records = csv.reader(io.StringIO(block.decode("utf-8", "replace"), newline=""))
    return [number for number, cells in enumerate(records, start=first) if cells]


def _fast(
    block: bytes, header: list[str], partition: Partition, wanted: Sequence[Wanted], names: Mapping[str, str]
) -> pa.RecordBatch | None:
    """The wanted columns of a block by Arrow's reader; None where anything looks wrong."""
    here = {column.name: names.get(column.name, column.name) for column in wanted}
    types = {here[c.name]: c.type if _by_arrow(c.type) else pa.string() for c in wanted if here[c.name] in header}
    options = pa.csv.ConvertOptions(
        include_columns=list(types) or header[:1],
        column_types=types or {header[0]: pa.string()},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    reading = pa.csv.ReadOptions(column_names=header, use_threads=False, block_size=max(1, len(block)))
    parsing = pa.csv.ParseOptions(newlines_in_values=b'"' in block)
    try:
        table = pa.csv.read_csv(pa.BufferReader(block), reading, parsing, options).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        return None
    arrays: list[pa.Array] = []
    for column in wanted:
        if here[column.name] not in header:
            arrays.append(_elsewhere(column, here[column.name], partition, len(table)))
            continue
        chunks = table[here[column.name]]
        values = chunks.chunk(0) if chunks.num_chunks else pa.array([], chunks.type)
        if not _by_arrow(column.type):
            values = from_texts(column, values)
        if values is None or not is_sound(column, values):
            return None
        arrays.append(values)
    return _batch(wanted, arrays, len(table))


def _by_arrow(type_: pa.DataType) -> bool:
    """Whether Arrow's reader takes a type as strictly as the plain one; numbers are read as texts, and looked at."""
    return bool(pa.types.is_string(type_) or pa.types.is_date32(type_))


def _plain(
    block: bytes,
    start: int,
    header: list[str],
    partition: Partition,
    wanted: Sequence[Wanted],
    names: Mapping[str, str],
    first: int,
) -> Iterator[Block]:
    """The same block cell by cell, for the message that names the row, or for cells with blanks around them."""
    name = partition.name
    records = csv.reader(io.StringIO(decoded(block, name, at=start), newline=""), strict=True)
    here = [(column, names.get(column.name, column.name)) for column in wanted]
    rows: list[list[object]] = []
    numbers: list[int] = []
    try:
        for number, cells in enumerate(records, start=first):
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{name}, row {number}"
            if len(cells) != len(header):
                raise TableError(
                    "the row has more or fewer cells than the header",
                    where=where,
                    got=f"{len(cells)} cells",
                    wanted=f"{len(header)}",
                    fix="quote cells that hold a comma",
                )
            texts = dict(zip(header, cells, strict=True))
            rows.append([from_cell(column, texts[its], where) if its in texts else None for column, its in here])
            numbers.append(number)
    except csv.Error as error:
        where = f"{name}, row {first + records.line_num - 1}"
        raise TableError("not a CSV file", where=where, got=str(error)) from None
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(here)
    arrays = [
        pa.array(values, column.type) if its in header else _elsewhere(column, its, partition, len(rows))
        for (column, its), values in zip(here, columns, strict=True)
    ]
    yield Block(_batch(wanted, arrays, len(rows)), name, numbers)


__all__ = ["Block", "batches", "changed", "find_row", "read"]
