"""The folder of results: one file for each partition, a manifest that binds them, a lock, and the totals at the end.

A file is written under another name, synced, and renamed when it is whole: what is there under its own name is
finished, whatever stopped the run. Totals stand only beside all files that they are the totals of.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from estate_funds.bulk.cells import ID
from estate_funds.bulk.files import MOST_FOOTER_BYTES, Partition, Source
from estate_funds.bulk.reading import changed
from estate_funds.bulk.result import Totals
from estate_funds.bulk.summing import Summary
from estate_funds.errors import BulkError, InputError, OutputError
from estate_funds.text import harmless

MANIFEST, ROWS, LOCK, CHECKED, FORMAT = "run.json", "rows", ".lock", ".checked", 1
GROUP_ROWS = 1 << 20  # of a row group of results: few large ones are written faster than many small ones
ENDS = ("summary.json", "totals.parquet", "totals.csv", "estates.parquet", "estates.csv")
KEY = "estate_funds."  # before each key of a footer


@dataclass(frozen=True, slots=True)
class Job:
    """What all partitions of a run have in common, and what a footer says of it."""

    program: str  # its digest
    payers: tuple[str, ...]
    about: tuple[tuple[str, str], ...]  # document, provision, window: for people
    ids: bool  # whether each row of a result names its household
    names: tuple[tuple[str, str], ...] = ()

    def schema(self) -> pa.Schema:
        """The columns of a file of results."""
        ids = [(ID, pa.string())] if self.ids else []
        fen = [(f"{name}_fen", pa.int64()) for name in ("amount", *self.payers)]
        return pa.schema([*ids, *fen, ("trace", pa.int64())])

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "program": self.program,
            "about": dict(self.about),
            "payers": list(self.payers),
            "ids": self.ids,
            "columns": dict(self.names),
        }


# --- the lock ---


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """The folder for one run alone; OutputError, with the other's name, while another works in it.

    The lock is of the system, on an open file: it goes with the process that holds it, however that ends.
    """
    path = out.joinpath(LOCK)
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unwritable(out, error) from None
    with os.fdopen(handle, "r+b", buffering=0) as file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            raise _taken(out, file) from None
        except OSError as error:  # a filesystem without locks
            raise _unwritable(out, error) from None
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        told = {"host": socket.gethostname(), "process": os.getpid(), "since": since}
        try:
            _rewrite(file, json.dumps(told).encode())
        except OSError as error:
            raise _unwritable(out, error) from None
        try:
            yield
        finally:
            with suppress(OSError):
                _rewrite(file, b"")


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(1 << 20)  # what is locked cannot be read, so not what stands there
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)
    else:
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _rewrite(file: IO[bytes], content: bytes) -> None:
    file.seek(0)
    file.truncate()
    file.write(content)


def _taken(out: Path, file: IO[bytes]) -> OutputError:
    file.seek(0)
    try:
        told = json.loads(file.read(10_000))
        who = f"{told['host']}, process {told['process']}, since {told['since']}"
    except (ValueError, KeyError, TypeError, OSError):
        who = "a process that has not said its name yet"
    return OutputError(
        "another run works in this folder", where=str(out), got=who, fix="wait until it is done, or stop it"
    )


def _unwritable(out: Path, error: OSError) -> OutputError:
    return OutputError(
        "the folder of results cannot be written",
        where=str(out),
        got=error.strerror,
        fix="name another with --out",
    )


# --- the manifest ---


def check_apart(out: Path, source: Source) -> None:
    """OutputError for a folder of results that lies among the households: the next run would read it as such."""
    if "://" in source.address:
        return
    rows, results = Path(source.address).resolve(), out.resolve()
    if rows.is_dir() and results.is_relative_to(rows):
        raise OutputError(
            "the folder of results lies in the folder of households",
            where=str(out),
            got=f"a folder in {source.address}",
            fix="name one beside it with --out",
        )


def planned(out: Path) -> Sequence[Mapping[str, Any]]:
    """The partitions of an earlier run in this folder, for `open_source`; none where there was none."""
    manifest = _manifest(out)
    return manifest["partitions"] if manifest else ()


def bind(out: Path, job: Job, source: Source) -> None:
    """Bind the folder to a program, its options and its households; BulkError where it is bound to others.

    Files that a stopped run left half-written are taken away, and totals that were written once too.
    """
    told = job.to_json()
    partitions = [partition.to_json() for partition in source.partitions]
    before = _manifest(out)
    if before is None:
        _check_fresh(out)
    if before is None or _check_same(out, before, told, source):
        out.joinpath(CHECKED).unlink(missing_ok=True)
        text = json.dumps({"format": FORMAT, **told, "partitions": partitions}, ensure_ascii=False, indent=1)
        write_text(out.joinpath(MANIFEST), text + "\n")
    for part in [*out.glob(".*.part"), *out.joinpath(ROWS).rglob(".*.part")]:
        part.unlink(missing_ok=True)


def check_once(out: Path, checks: Mapping[str, Callable[[Path], None]]) -> None:
    """Ask some things of the households that the folder is bound to, each unless an earlier run had it answered."""
    asked = out.joinpath(CHECKED)
    answered = asked.read_text(encoding="utf-8").split() if asked.is_file() else []
    for name, check in checks.items():
        if name not in answered:
            check(out)
            answered.append(name)
            write_text(asked, "\n".join(answered))


def forget_totals(out: Path) -> None:
    """Take away the totals of an earlier run: what they are the totals of is no longer all there."""
    for name in ENDS:
        out.joinpath(name).unlink(missing_ok=True)


def _manifest(out: Path) -> dict[str, Any] | None:
    path = out.joinpath(MANIFEST)
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
        if told["format"] == FORMAT and isinstance(told["partitions"], list):
            return told
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unwritable(out, error) from None
    except (ValueError, KeyError, TypeError):
        pass
    raise BulkError(
        "not the manifest of a run", where=str(path), wanted=f"format {FORMAT}", fix="name another folder with --out"
    )


def _check_fresh(out: Path) -> None:
    found = [name for name in (ROWS, *ENDS) if out.joinpath(name).exists()]
    if found:
        raise BulkError(
            "the folder holds files that no run of this library is known to have written",
            where=str(out),
            got=f"{found[0]}, and no {MANIFEST}",
            fix="name another folder with --out",
        )


def _check_same(out: Path, before: Mapping[str, Any], told: Mapping[str, Any], source: Source) -> bool:
    """Whether files were mended of which there is no result yet; BulkError for all else that is not as it was."""
    for name, value in told.items():
        if before.get(name) != value:
            what = {"program": "of another program", "ids": "with other columns"}.get(name, f"with other {name}")
            raise BulkError(
                f"the folder holds results {what}",
                where=str(out.joinpath(MANIFEST)),
                got=f"{before.get('about')}, {name} {before.get(name)}" if name != "about" else before.get(name),
                wanted=value,
                fix="name another folder with --out",
            )
    known = {one["name"]: one["stamp"] for one in before["partitions"]}
    mended = set()
    for partition in source.partitions:
        if known.get(partition.name, stamp := partition.to_json()["stamp"]) != stamp:
            results = [one["result"] for one in before["partitions"] if one["name"] == partition.name]
            if any(out.joinpath(ROWS, result).exists() for result in results):
                raise changed(partition, partition.stamp.size, before=known[partition.name]["size"])
            mended.add(partition.name)
    partitions = [partition.to_json() for partition in source.partitions]
    if [one for one in partitions if one["name"] not in mended] != [
        one for one in before["partitions"] if one["name"] not in mended
    ]:
        names = {partition.name for partition in source.partitions}
        other = sorted(names ^ set(known))
        raise BulkError(
            "the folder holds results of other households",
            where=str(out.joinpath(MANIFEST)),
            got=f"{len(known)} files" + (f"; only one of the two has {other[0]}" if other else ", cut otherwise"),
            wanted=f"the {len(names)} files of {source.address}",
            fix="name another folder with --out",
        )
    return bool(mended)


# --- files that appear whole ---


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file for writing that appears under its name when it is whole and on the disk; OutputError where it cannot."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OutputError(
            "the file cannot be written",
            where=str(path),
            got=error.strerror or str(error),
            fix="free some space, and run again to go on; what is finished stays",
        ) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text whole."""
    with whole_file(path) as file:
        file.write(text.encode("utf-8"))


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as Parquet, whole; the same table gives the same bytes."""
    with whole_file(path) as file:
        pa.parquet.write_table(table, file, compression="zstd", write_page_checksum=True)


# --- the file of a partition ---


class ResultFile:
    """The results of one partition, batch by batch; `finish` says what they are and makes them count."""

    def __init__(self, file: IO[bytes], job: Job) -> None:
        self._schema = job.schema()
        plain = [name for name in self._schema.names if name != ID]
        self._writer = pa.parquet.ParquetWriter(
            file, self._schema, compression="zstd", use_dictionary=plain, write_page_checksum=True
        )
        self.rows = 0
        self._waiting: list[pa.RecordBatch] = []  # rows of the row group that is not full yet

    def write(self, columns: Sequence[pa.Array]) -> None:
        """The next rows."""
        if len(columns[0]):
            self._waiting.append(pa.RecordBatch.from_arrays(list(columns), schema=self._schema))
            self.rows += len(columns[0])
            if sum(map(len, self._waiting)) >= GROUP_ROWS:
                self._write_group()

    def _write_group(self) -> None:
        group, self._waiting = pa.Table.from_batches(self._waiting, self._schema), []
        self._writer.write_table(group, row_group_size=max(1, len(group)))

    def finish(self, footer: Mapping[str, str]) -> None:
        """Write what is left, and the footer."""
        if self._waiting:
            self._write_group()
        self._writer.add_key_value_metadata({KEY + key: value for key, value in footer.items()})
        self._writer.close()

    def abandon(self) -> None:
        """Let go of a file that will not be finished."""
        with suppress(Exception):
            self._writer.close()


def footer_of(job: Job, partition: Partition, rows: int, totals: str) -> dict[str, str]:
    """What a file of results says of itself; `totals` is the text of its sums."""
    told = partition.to_json()
    return {
        **dict(job.about),
        "program": job.program,
        "input": json.dumps({key: told[key] for key in ("name", "start", "end", "stamp")}, ensure_ascii=False),
        "rows": str(rows),
        "totals": totals,
        "totals_sha256": hashlib.sha256(totals.encode("utf-8")).hexdigest(),
    }


def finished(out: Path, job: Job, partition: Partition) -> Totals | None:
    """The totals of a partition whose file is there, whole, and of this program and input; None where it is not."""
    path = out.joinpath(ROWS, partition.result)
    try:
        with pa.parquet.ParquetFile(path, thrift_string_size_limit=MOST_FOOTER_BYTES) as file:
            told = {k.decode(): v for k, v in (file.metadata.metadata or {}).items() if k.startswith(KEY.encode())}
            rows, schema = file.metadata.num_rows, file.schema_arrow.remove_metadata()
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError, ValueError):
        return None
    try:
        text = told[KEY + "totals"].decode("utf-8")
        wanted = footer_of(job, partition, rows, text)
        totals = Totals.from_json(text)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, pa.ArrowException):
        return None
    same = {key: told.get(KEY + key) for key in wanted} == {key: text.encode() for key, text in wanted.items()}
    return totals if same and totals.rows == rows and schema == job.schema() else None


# --- the end ---


def write_ends(out: Path, summary: Summary) -> None:
    """Totals, estates and the summary, the summary last: where it is, all is there."""
    for name, table in (("totals", summary.totals), ("estates", summary.by_estate)):
        write_table(out.joinpath(f"{name}.parquet"), table)
        _write_csv(out.joinpath(f"{name}.csv"), table)
    write_text(out.joinpath("summary.json"), json.dumps(summary.to_json(), ensure_ascii=False, indent=2) + "\n")


def _write_csv(path: Path, table: pa.Table) -> None:
    """Write a table as a spreadsheet takes it, whole, without cells that it would run."""
    columns = [_harmless(column) if pa.types.is_string(column.type) else column for column in table.columns]
    options = pa.csv.WriteOptions(include_header=False, quoting_style="needed")
    with whole_file(path) as file:
        # Without the mark, Excel on a Chinese Windows reads UTF-8 as GBK.
        file.write(f"\ufeff{','.join(table.column_names)}\n".encode())
        pa.csv.write_csv(pa.table(columns, names=table.column_names), file, options)


def _harmless(column: pa.ChunkedArray) -> pa.Array:
    encoded = column.combine_chunks().dictionary_encode()
    return pa.array([harmless(text) for text in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def check_local(out: str | Path) -> Path:
    """The folder of results; InputError for a URL: what appears whole needs a name that can be changed."""
    if re.match("[a-z0-9+]+://", str(out)):
        raise InputError(
            "results go into a folder, not to a URL",
            where=str(out),
            wanted="a path; on a cluster, one that all its machines have in common",
            fix="copy the folder when the run is done",
        )
    return Path(out)


__all__ = [
    "Job",
    "ResultFile",
    "bind",
    "check_apart",
    "check_local",
    "check_once",
    "finished",
    "footer_of",
    "forget_totals",
    "locked",
    "planned",
    "whole_file",
    "write_ends",
]
