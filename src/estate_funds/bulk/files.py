"""Where the rows of households lie: files on any filesystem, and the partitions that they are cut into.

A *partition* is one input file; of a large Parquet file, a run of row groups; of a large CSV file, a run of whole
rows. One partition is one task, and gives one file of results. Nothing here reads a cell: see `reading`.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet

from estate_funds.bulk.cells import ID, check_names, check_type
from estate_funds.bulk.wanted import Wanted
from estate_funds.errors import ColumnError, InputError, TableError
from estate_funds.exchange.tables import decoded

SUFFIXES = (".csv", ".parquet")
PARTITION_ROWS = 1_000_000  # of a Parquet file that is cut
PARTITION_BYTES = 1 << 26  # of a CSV file that is cut: about a million rows
EDGE_BYTES = 1 << 16  # at either end of a file: the header of CSV, the footer of Parquet
MOST_ROW_BYTES = 1 << 30  # a row that is longer is none
MOST_FOOTER_BYTES = (1 << 31) - 1  # results carry their totals in the footer
_NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
# A Parquet file that is smaller than what it says it holds by more than compression can do was made to fill the memory.
_MOST_ROWS, _MOST_ROWS_A_BYTE = 1_000_000, 64
_NEWLINE, _QUOTE = 10, 34
_SAFELY = {
    "pre_buffer": False,
    "page_checksum_verification": True,
    "thrift_string_size_limit": MOST_FOOTER_BYTES,
}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a file from another: its size, when it was written, and the SHA-256 of its two ends."""

    size: int
    modified_ns: int | None
    ends: str


@dataclass(frozen=True, slots=True)
class Partition:
    """One file of households, or a part of it: bytes `start` to `end` of CSV, row groups of Parquet."""

    path: str
    name: str  # below the folder that was asked for
    start: int
    end: int
    first_row: int  # its number in the file, as messages count: Parquet from 1, CSV from 2, after the header
    size: int  # bytes to be read, about
    result: str  # the file of results, below the folder of results
    stamp: Stamp
    groups: tuple[int, ...] = ()  # rows of each row group
    folders: tuple[tuple[str, str | None], ...] = ()  # columns that the folders above the file name, as city=南昌

    @property
    def is_parquet(self) -> bool:
        """Whether it is Parquet, not CSV."""
        return self.path.lower().endswith(".parquet")

    def to_json(self) -> dict[str, Any]:
        """For the manifest of a run."""
        stamp = {"size": self.stamp.size, "modified_ns": self.stamp.modified_ns, "ends": self.stamp.ends}
        own = {name: getattr(self, name) for name in ("name", "start", "end", "first_row", "result")}
        return {**own, "stamp": stamp}


@dataclass(frozen=True)
class Source:
    """Every partition of the households that were asked for, in order of paths, and how to open them."""

    filesystem: pa.fs.FileSystem
    address: str
    partitions: tuple[Partition, ...]
    names: Mapping[str, str] = field(default_factory=dict)  # the name of a wanted column -> its name in the files
    absent: tuple[str, ...] = ()  # wanted columns that the files do not have

    @property
    def size(self) -> int:
        """Bytes to be read, about."""
        return sum(partition.size for partition in self.partitions)


@dataclass(frozen=True, slots=True)
class Cut:
    """How large a partition of a file that is cut may be: Parquet by rows, CSV by bytes."""

    rows: int = PARTITION_ROWS
    size: int = PARTITION_BYTES


def open_source(
    address: str | Path,
    wanted: Sequence[Wanted],
    *,
    names: Mapping[str, str] | None = None,
    cut: Cut = Cut(),
    planned: Iterable[Mapping[str, Any]] = (),
) -> Source:
    """The households of a CSV or Parquet file, or of a folder of either, on this machine or at a URL.

    Of folders, hidden files and those that begin with `_` are left out. `names` says how wanted columns are called in
    the files; `planned` are the partitions of an earlier run over the same files, which spare CSV a second look.

    Raises TableError for a file that is neither, cannot be read or is cut off; ColumnError for one that lacks a
    required column, has one of another type, or has other columns than the first.
    """
    filesystem, root = locate(address)
    files = _listed(filesystem, root, str(address))
    before: dict[str, list[Mapping[str, Any]]] = {}
    for one in planned:
        before.setdefault(one["name"], []).append(one)
    partitions: list[Partition] = []
    has: frozenset[str] | None = None
    for path, name in files:
        reader = _Opener(filesystem, path, name, wanted, names or {})
        present, parts = reader.partitions(cut, before.get(name, ()))
        if has is not None and present != has:
            raise _other_columns(name, files[0][1], present, has)
        has = present
        partitions += parts
    results = [partition.result for partition in partitions]
    if len(set(results)) != len(results):
        twice = next(result for result in results if results.count(result) > 1)
        raise TableError("two files would have one file of results", where=str(address), got=twice, fix="rename one")
    absent = tuple(column.name for column in wanted if column.name not in (has or ()))
    return Source(filesystem, str(address), tuple(partitions), dict(names or {}), absent)


def locate(address: str | Path) -> tuple[pa.fs.FileSystem, str]:
    """The filesystem of an address, and the path on it: a path, a URL that Arrow knows, or one that fsspec knows."""
    if "://" not in str(address):
        return pa.fs.LocalFileSystem(), Path(address).absolute().as_posix()
    try:
        filesystem, path = pa.fs.FileSystem.from_uri(str(address))
        return filesystem, path
    except pa.ArrowInvalid:
        return _by_fsspec(str(address))
    except OSError as error:
        raise InputError("the address cannot be reached", where=str(address), got=str(error)) from None


def _by_fsspec(url: str) -> tuple[pa.fs.FileSystem, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise InputError(
            "the address needs fsspec, which is not installed",
            where=url,
            fix="python -m pip install 'estate_funds[cluster]'",
        ) from None
    try:
        found, path = url_to_fs(url)
    except (ImportError, OSError, ValueError) as error:
        raise InputError("the address cannot be opened", where=url, got=str(error)) from None
    return pa.fs.PyFileSystem(pa.fs.FSSpecHandler(found)), path


def _listed(filesystem: pa.fs.FileSystem, root: str, address: str) -> list[tuple[str, str]]:
    """Path and name of every file, in order of names; TableError where there is none, or one of another kind."""
    try:
        (info,) = filesystem.get_file_info([root])
        if info.type == pa.fs.FileType.File:
            found = [(root, PurePosixPath(root).name)]
        elif info.type == pa.fs.FileType.Directory:
            under = filesystem.get_file_info(pa.fs.FileSelector(root, recursive=True))
            paths = (one.path for one in under if one.type == pa.fs.FileType.File)
            found = [(path, PurePosixPath(path).relative_to(root).as_posix()) for path in paths]
            found = [(path, name) for path, name in found if not re.search("(^|/)[._]", name)]
        else:
            raise TableError("there is no such file or folder of households", where=address)
    except OSError as error:
        raise TableError("the folder cannot be read", where=address, got=error.strerror or str(error)) from None
    for _, name in found:
        if not name.lower().endswith(SUFFIXES):
            fix = "" if info.type == pa.fs.FileType.File else "take it out of the folder, or let its name begin with _"
            raise TableError("neither CSV nor Parquet", where=address, got=name, wanted=" or ".join(SUFFIXES), fix=fix)
    if not found:
        raise TableError("the folder holds no households", where=address, wanted=f"files of {' or '.join(SUFFIXES)}")
    return sorted(found, key=lambda pair: pair[1])


def _other_columns(name: str, first: str, present: frozenset[str], has: frozenset[str]) -> ColumnError:
    return ColumnError(
        "the file has other columns than the first",
        where=name,
        got=", ".join(sorted(present - has)) or f"no {', '.join(sorted(has - present))}",
        wanted=f"those of {first}: {', '.join(sorted(has))}",
        fix="write every file with the same columns; an empty cell is where a value is not known",
    )


class _Opener:
    """One file: opened, stamped, its columns checked, and cut."""

    def __init__(
        self,
        filesystem: pa.fs.FileSystem,
        path: str,
        name: str,
        wanted: Sequence[Wanted],
        names: Mapping[str, str],
    ) -> None:
        self.filesystem, self.path, self.name, self.wanted, self.names = filesystem, path, name, wanted, names
        pairs = (part.partition("=") for part in PurePosixPath(name).parts[:-1] if "=" in part)
        self.folders = {key: None if value == _NULL_FOLDER else unquote(value) for key, _, value in pairs}

    def partitions(self, cut: Cut, before: Sequence[Mapping[str, Any]]) -> tuple[frozenset[str], list[Partition]]:
        with opened(self.filesystem, self.path, self.name) as file:
            told = stamp_of(self.filesystem, self.path, file)
            is_parquet = self.path.lower().endswith(".parquet")
            header, start = (self._parquet_header(file), 0) if is_parquet else first_record(file, self.name)
            own = {key: value for key, value in self.folders.items() if key not in header}
            present = check_names([*header, *own], self.wanted, self.names, f"{self.name}, row 1")
            whole = Partition(
                self.path, self.name, start, told.size, 2, told.size, "", told, folders=tuple(own.items())
            )
            if before and not is_parquet and _covers(before, whole):
                parts = [replace(whole, **{n: one[n] for n in ("start", "end", "first_row")}) for one in before]
            else:
                parts = list(self._row_groups(file, whole, cut) if is_parquet else _runs(file, whole, cut))
        digits = len(str(len(parts)))
        stem = self.name[: -len(".parquet")] if is_parquet else self.name
        numbers = [""] if len(parts) == 1 else [f".{n:0{max(4, digits)}}" for n in range(1, len(parts) + 1)]
        shares = [part.size if len(parts) == 1 or is_parquet else part.end - part.start for part in parts]
        return present, [
            replace(part, result=f"{stem}{number}.parquet", size=share)
            for part, number, share in zip(parts, numbers, shares, strict=True)
        ]

    def _parquet_header(self, file: pa.NativeFile) -> list[str]:
        with parquet(file, self.name) as opened_file:
            schema = opened_file.schema_arrow
            for column in self.wanted:
                name = self.names.get(column.name, column.name)
                if schema.names.count(name) == 1:
                    check_type(column, schema.field(name).type, self.name)
            rows, size = opened_file.metadata.num_rows, file.size()
            if self.names.get(ID, ID) in schema.names and rows > _MOST_ROWS + size * _MOST_ROWS_A_BYTE:
                raise TableError(
                    "the file says that it holds more than a file of its size can",
                    where=self.name,
                    got=f"{rows:,} rows in a file of {size:,} bytes",
                    fix="write it again",
                )
            return list(schema.names)

    def _row_groups(self, file: pa.NativeFile, whole: Partition, cut: Cut) -> Iterator[Partition]:
        with parquet(file, self.name) as opened_file:
            told = opened_file.metadata
            part, size = replace(whole, start=0, end=0, first_row=1), 0
            for at in range(told.num_row_groups):
                group = told.row_group(at)
                if part.groups and sum(part.groups) + group.num_rows > cut.rows:
                    yield replace(part, size=size)
                    part, size = replace(part, start=at, first_row=part.first_row + sum(part.groups), groups=()), 0
                part, size = (
                    replace(part, end=at + 1, groups=(*part.groups, group.num_rows)),
                    size + group.total_byte_size,
                )
            yield replace(part, size=max(size, 1))


def opened(filesystem: pa.fs.FileSystem, path: str, name: str) -> pa.NativeFile:
    """A file for reading at any place; TableError where it cannot be."""
    try:
        return filesystem.open_input_file(path)
    except OSError as error:
        raise TableError("the file cannot be read", where=name, got=error.strerror or str(error)) from None


def parquet(file: pa.NativeFile, name: str, few: Sequence[str] = ()) -> pa.parquet.ParquetFile:
    """A Parquet file; TableError where it is none, or cut off. Columns of `few` different texts are read as such."""
    try:
        found = pa.parquet.ParquetFile(file, **_SAFELY)
        there = [column for column in few if column in found.schema_arrow.names]
        if there:
            found = pa.parquet.ParquetFile(file, metadata=found.metadata, read_dictionary=there, **_SAFELY)
        return found
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableError(
            "not a Parquet file, or one that is cut off", where=name, got=str(error), fix="write it, or copy it, again"
        ) from None


def stamp_of(filesystem: pa.fs.FileSystem, path: str, file: pa.NativeFile) -> Stamp:
    """What tells this state of a file from another."""
    (info,) = filesystem.get_file_info([path])
    size = file.size()
    ends = hashlib.sha256()
    for at in (0, max(0, size - EDGE_BYTES)):
        file.seek(at)
        ends.update(file.read(EDGE_BYTES))
    file.seek(0)
    return Stamp(size, info.mtime_ns, ends.hexdigest())


# --- CSV ---


def ends_of_records(block: bytes) -> tuple[int, int]:
    """Where the last whole record of a block ends, and how many end before; the block begins a record.

    A line end within quotes ends none.

    >>> ends_of_records(b'a,b\\n"x\\ny",c\\nz')
    (12, 2)
    """
    if b'"' not in block:
        return block.rfind(b"\n") + 1, block.count(b"\n")
    characters = np.frombuffer(block, np.uint8)
    outside = np.bitwise_xor.accumulate((characters == _QUOTE).view(np.uint8)) == 0
    ends = np.flatnonzero((characters == _NEWLINE) & outside)
    return (int(ends[-1]) + 1 if len(ends) else 0), len(ends)


def blocks(file: pa.NativeFile, start: int, end: int, size: int, name: str) -> Iterator[tuple[int, bytes, int]]:
    """Runs of whole records of a CSV file: where each begins, its bytes, how many records it holds."""
    while start < end:
        length = size
        while True:
            file.seek(start)
            block = file.read(min(length, end - start))
            if len(block) < min(length, end - start):
                raise TableError("the file became shorter while it was read", where=name)
            whole, records = ends_of_records(block)
            if start + len(block) == end:
                yield start, block, records + (whole < len(block))
                return
            if whole:
                break
            length *= 2
            if length > MOST_ROW_BYTES:
                raise TableError("a row without an end", where=f"{name}, byte {start}", fix="close the quotes")
        yield start, block[:whole], records
        start += whole


def first_record(file: pa.NativeFile, name: str) -> tuple[list[str], int]:
    """The column names of a CSV file, and where its second record begins; ColumnError where there are none."""
    size = file.size()
    block = next(blocks(file, 0, size, EDGE_BYTES, name), (0, b"", 0))[1]
    end = _first_end(block)
    lines = decoded(block[:end], name).splitlines(keepends=True)
    try:
        header = [cell.strip() for cell in next(csv.reader(lines, strict=True), [])]
    except csv.Error as error:
        raise TableError("not a CSV file", where=f"{name}, line 1", got=str(error)) from None
    if not header:
        raise ColumnError("missing columns", where=f"{name}, row 1", got="an empty header", wanted="column names")
    return header, end


def _first_end(block: bytes) -> int:
    at = -1
    while (at := block.find(b"\n", at + 1)) >= 0:
        if block.count(b'"', 0, at) & 1 == 0:
            return at + 1
    return len(block)


def _covers(planned: Sequence[Mapping[str, Any]], whole: Partition) -> bool:
    """Whether partitions of an earlier run are of this state of the file, and all of it."""
    ends = [whole.start, *(one["end"] for one in planned)]
    same = all(one["stamp"] == whole.to_json()["stamp"] for one in planned)
    return same and ends[:-1] == [one["start"] for one in planned] and ends[-1] == whole.end


def _runs(file: pa.NativeFile, whole: Partition, cut: Cut) -> Iterator[Partition]:
    """One partition of a small file; of a large one, runs of about as many bytes."""
    if whole.end - whole.start <= cut.size + (cut.size >> 1):
        yield whole
        return
    row = whole.first_row
    for start, block, records in blocks(file, whole.start, whole.end, cut.size, whole.name):
        yield replace(whole, start=start, end=start + len(block), first_row=row)
        row += records


__all__ = ["Cut", "Partition", "Source", "Stamp", "blocks", "locate", "open_source", "opened", "parquet", "stamp_of"]
