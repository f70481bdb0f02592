"""The same unit twice, or one resident in two programmes: found over registers of any size, in bounded memory.

First every key is hashed, and the hashes are sorted, in buckets on disk where memory is short of them. Then the parts
that hold a hash twice are read again, and the ids themselves are compared: a finding never rests on a hash. Ids that
were made unrecognisable before, by a keyed hash say, do as well as clear ones: nothing here needs to know whose they
are.

Ids are compared as the readers of households do it, without blanks around them, and shown as they stand in the file.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.bulk.scratch import PAIR, Pairs, Pile
from estate_funds.bulk.sources import Part, Rows, place_of
from estate_funds.errors import CellError, DuplicateRow, InputError
from estate_funds.exchange.ids import Hashes, among, hashes

ESTATE = "estate_id"
MEMORY_BYTES = 1 << 29
_A_PAIR = 64  # bytes that a pair takes while it is sorted: itself, its copy in order, and what is compared
_LEAST = 1 << 10  # pairs that are held at a time in any case
_SEVERAL = np.uint64(0x9E3779B97F4A7C15)  # mixes the hashes of a key of several columns, whose order counts


@dataclass(frozen=True, slots=True)
class Place:
    """A row that lists a key: its programme, file, row group (None in CSV), row, estate, and the ids as given there."""

    programme: str
    source: str
    group: int | None
    row: int
    estate_id: str
    ids: tuple[str, ...]

    def __str__(self) -> str:
        group = "" if self.group is None else f", row group {self.group}"
        told = {"estate": self.estate_id, "programme": self.programme}
        of = ", ".join(f"{what} {name}" for what, name in told.items() if name)
        return f"{self.source}{group}, row {self.row}" + (f" ({of})" if of else "")


@dataclass(frozen=True, slots=True)
class Finding:
    """One key in two rows: the first that lists it, in order of programme, file and row, and one that does so again."""

    columns: tuple[str, ...]
    key: tuple[str, ...]  # as compared: without blanks around
    first: Place
    again: Place

    @property
    def how(self) -> str:
        """In what respect the key stands twice: in two programmes, in two estates, or just twice."""
        if self.first.programme != self.again.programme:
            return "in two programmes"
        return "in two estates" if self.first.estate_id != self.again.estate_id else "twice"

    def __str__(self) -> str:
        named = ", ".join(f"{name} {one}" for name, one in zip(self.columns, self.first.ids, strict=True))
        return f"{named} is listed {self.how}: {self.first} and {self.again}"


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What was found: `total` findings in `rows` rows; the first of them by key and place are in `findings`."""

    columns: tuple[str, ...]
    rows: int
    total: int
    findings: tuple[Finding, ...]

    def raise_for_findings(self) -> None:
        """DuplicateRow for the first finding, with all that are kept among its `problems`; nothing where none is."""
        if not self.findings:
            return
        one = self.findings[0]
        error = DuplicateRow(
            f"{', '.join(self.columns)} {', '.join(one.first.ids)} is listed {one.how}",
            where=f"{one.first} and {one.again}",
            got=f"{self.total:,} such rows in {self.rows:,}",
            wanted="each in one row",
            fix="find out which row is right and delete the other",
        )
        error.problems = tuple(map(str, self.findings))
        raise error


def find_duplicates(
    parts: Iterable[Part],
    *,
    key: Sequence[str],
    scratch: Path,
    memory_bytes: int = MEMORY_BYTES,
    most: int = 1_000,
    across_programmes: bool = False,
    workers: int = 1,
    buckets: int = 256,
) -> Duplicates:
    """Every key that stands in more than one row of all parts together.

    `key` names the columns that together are given to one row only: household_id, or resident_id over the registers
    of several programmes. With `across_programmes`, only a key in two programmes is a finding, not one that a single
    programme lists again. A key in n rows makes n - 1 findings (across programmes: one for each of its rows outside
    the first programme), each with the first row; `most` are kept, all are counted.

    `memory_bytes` bounds what is held beside the batches that workers read, one a worker; beyond it, 12 bytes a row
    go to files under `scratch`, which are removed. `workers` threads hash in the first reading; `buckets` files, a
    power of two. The answer depends on neither, nor on the order of parts.

    Raises CellError for an empty id, with file, row group, row and column; ColumnError for a missing column; InputError
    for a part given twice; OutputError where the scratch folder cannot be written.
    """
    in_order = _in_order(parts)
    columns = tuple(key)
    if not columns or len(set(columns)) < len(columns):
        raise InputError("the key of a row is one column or several, each once", got=", ".join(columns) or "none")
    room = max(_LEAST, memory_bytes // _A_PAIR)
    with Pile(scratch, most=room, buckets=buckets) as pile:
        rows, text_bytes = _fill(pile, in_order, columns, workers)
        found = _Found(columns, in_order, most=most, across=across_programmes)
        # A repeated hash leads to two rows or more with their ids, place and estate; tables are sorted in copies.
        a_row = 8 * (64 + text_bytes // max(rows, 1))
        for shared, holders in _shared(pile, most=room, at_once=max(_LEAST, memory_bytes // a_row)):
            found.verify(shared, holders, most_bytes=max(1 << 16, memory_bytes >> 3))
    return found.close(rows)


def _in_order(parts: Iterable[Part]) -> list[Part]:
    """The parts by programme, file and row group: in that order, places are compared by number."""
    in_order = sorted(parts, key=_name)
    for one, other in pairwise(in_order):
        if _name(one) == _name(other):
            raise InputError("the part is given twice", where=place_of(one), fix="name each file once")
    return in_order


def _name(part: Part) -> tuple[str, str, int]:
    return part.programme, part.source, -1 if part.group is None else part.group


def _fill(pile: Pile, parts: Sequence[Part], columns: tuple[str, ...], workers: int) -> tuple[int, int]:
    """Hash every row; the number of rows, and the bytes of their ids."""

    def one(number: int) -> tuple[int, int]:
        rows = size = 0
        for batch in parts[number].rows(columns):
            cells = _compared(batch, parts[number], columns)
            pile.add(_hashed(cells), number)
            rows, size = rows + len(batch.numbers), size + sum(cell.nbytes for cell in cells)
        return rows, size

    if workers == 1:
        told = list(map(one, range(len(parts))))
    else:
        with ThreadPoolExecutor(workers) as pool:
            try:
                told = list(pool.map(one, range(len(parts))))  # in order: of two errors, the first is raised
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return sum(rows for rows, _ in told), sum(size for _, size in told)


def _compared(batch: Rows, part: Part, columns: tuple[str, ...]) -> list[pa.Array]:
    """The ids of each column without blanks around them; CellError for an empty one."""
    cells = [_trimmed(batch.cells[name]) for name in columns]
    for name, cell in zip(columns, cells, strict=True):
        empty = pc.equal(pc.binary_length(cell), 0).fill_null(True)
        if (at := pc.index(empty, True).as_py()) >= 0:
            where = f"{place_of(part, int(batch.numbers[at]))}, column {name}"
            raise CellError("the cell is empty", where=where, wanted="an id; hashed ids do as well", fix="fill it in")
    return cells


def _trimmed(cell: pa.Array) -> pa.Array:
    if pc.all(pc.string_is_ascii(cell)).as_py() and pc.all(pc.ascii_is_printable(cell)).as_py():
        return pc.ascii_trim_whitespace(cell)
    return pc.utf8_trim_whitespace(cell)


def _hashed(cells: Sequence[pa.Array]) -> Hashes:
    """The hash of each key: that of its only column, or those of several mixed."""
    whole = hashes(cells[0])
    for cell in cells[1:]:
        whole = (whole ^ whole >> np.uint64(32)) * _SEVERAL + hashes(cell)
    return whole


def _shared(pile: Pile, *, most: int, at_once: int) -> Iterator[tuple[Hashes, npt.NDArray[np.int64]]]:
    """Hashes that stand in more than one row, ascending, some `at_once`, each time with the parts that hold them."""
    hashed: list[Hashes] = []
    holders: list[npt.NDArray[np.int64]] = []
    for bucket in pile.buckets(most):
        pairs = _repeated(bucket, most)
        if not len(pairs):
            continue
        in_order = np.sort(pairs["hash"])
        hashed.append(in_order[np.append(True, in_order[1:] != in_order[:-1])])
        holders.append(np.flatnonzero(np.bincount(pairs["part"])))
        if sum(map(len, hashed)) >= at_once:
            yield from _in_shares(hashed, holders, at_once)
            hashed, holders = [], []
    yield from _in_shares(hashed, holders, at_once)


def _in_shares(
    hashed: list[Hashes], holders: list[npt.NDArray[np.int64]], at_once: int
) -> Iterator[tuple[Hashes, npt.NDArray[np.int64]]]:
    if hashed:
        whole = np.sort(np.concatenate(hashed))
        parts = np.flatnonzero(np.bincount(np.concatenate(holders)))
        for start in range(0, len(whole), at_once):
            yield whole[start : start + at_once], parts


def _repeated(bucket: Iterator[Pairs], most: int) -> Pairs:
    """The pairs of a bucket whose hash stands there more than once."""
    held: list[Pairs] = []
    count = 0
    for chunk in bucket:
        held.append(chunk)
        count += len(chunk)
        if count > most and len(held) > 1:  # one id in very many rows: two of a part say as much as all
            held = [_thinned(np.concatenate(held))]
            count = len(held[0])
    whole = held[0] if len(held) == 1 else np.concatenate([np.empty(0, PAIR), *held])
    in_order = np.sort(whole["hash"])
    shared = in_order[1:][in_order[1:] == in_order[:-1]]
    return whole[among(whole["hash"], shared)]


def _thinned(pairs: Pairs) -> Pairs:
    """Of each hash and part, two pairs at most."""
    pairs = pairs[np.lexsort((pairs["part"], pairs["hash"]))]
    kept = np.ones(len(pairs), np.bool_)
    kept[2:] = pairs[2:] != pairs[:-2]
    return pairs[kept]


@dataclass
class _Found:
    """Findings so far: all are counted, the `most` first are kept."""

    columns: tuple[str, ...]
    parts: Sequence[Part]
    most: int
    across: bool
    total: int = 0
    kept: list[Finding] = field(default_factory=list)

    def verify(self, shared: Hashes, holders: npt.NDArray[np.int64], *, most_bytes: int) -> None:
        """Read the parts again that hold hashes which stand twice, and compare ids; rows come in order of places."""
        firsts: pa.Table | None = None
        waiting: list[pa.Table] = []
        size = 0
        for number in holders.tolist():
            part = self.parts[number]
            for batch in part.rows(self.columns, (ESTATE,)):
                cells = _compared(batch, part, self.columns)
                alike = among(_hashed(cells), shared)
                if alike.any():
                    waiting.append(self._candidates(batch, cells, number, np.flatnonzero(alike)))
                    size += waiting[-1].nbytes
                if size > most_bytes:
                    firsts, waiting, size = self._fold(firsts, waiting), [], 0
        if waiting:
            self._fold(firsts, waiting)

    def close(self, rows: int) -> Duplicates:
        """The answer."""
        return Duplicates(self.columns, rows, self.total, tuple(self.kept))

    def _candidates(self, batch: Rows, cells: list[pa.Array], number: int, at: npt.NDArray[np.int64]) -> pa.Table:
        """Rows whose hash stands twice: the key as compared, the place, the ids as given, and the estate."""
        rows = pa.array(at)
        estates = batch.cells[ESTATE] if ESTATE in batch.cells.schema.names else pa.nulls(len(batch.cells), pa.string())
        table = {f"key{place}": cell.take(rows) for place, cell in enumerate(cells)}
        table["part"] = pa.array(np.full(len(at), number, np.int64))
        table["row"] = pa.array(batch.numbers[at])
        table |= {f"id{place}": batch.cells[name].take(rows) for place, name in enumerate(self.columns)}
        table["estate"] = estates.take(rows).fill_null("")
        return pa.table(table)

    def _fold(self, firsts: pa.Table | None, waiting: list[pa.Table]) -> pa.Table:
        """Count and keep what stands again; the first row of each key, for what is still to come."""
        keys = [f"key{place}" for place in range(len(self.columns))]
        whole = pa.concat_tables([*([firsts] if firsts is not None else []), *waiting])
        order = [(name, "ascending") for name in (*keys, "part", "row")]
        whole = whole.sort_by(order).combine_chunks()
        new = np.ones(len(whole), np.bool_)  # where another key begins
        for place, name in enumerate(keys):
            differs = pc.not_equal(whole[name][1:], whole[name][:-1]).to_numpy()
            new[1:] = differs if not place else new[1:] | differs
        starts = np.flatnonzero(new)
        first_of = np.repeat(starts, np.diff(starts, append=len(whole)))
        again = np.flatnonzero(self._counts(whole["part"].to_numpy(), first_of, new))
        self.total += len(again)
        few = again[: self.most]
        self._keep(whole.take(pa.array(first_of[few])).to_pylist(), whole.take(pa.array(few)).to_pylist())
        return whole.take(pa.array(starts))

    def _counts(
        self, part: npt.NDArray[np.int64], first_of: npt.NDArray[np.int64], new: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Which rows make a finding with the first row of their key."""
        if not self.across:
            return ~new
        names = {name: number for number, name in enumerate(sorted({part.programme for part in self.parts}))}
        programme = np.array([names[part.programme] for part in self.parts], np.int64)[part]
        return np.asarray(programme != programme[first_of], np.bool_)

    def _keep(self, firsts: list[dict[str, object]], others: list[dict[str, object]]) -> None:
        made = [
            Finding(self.columns, self._ids(first, "key"), self._place(first), self._place(other))
            for first, other in zip(firsts, others, strict=True)
        ]
        self.kept = heapq.nsmallest(self.most, [*self.kept, *made], key=_rank)

    def _place(self, row: dict[str, object]) -> Place:
        part = self.parts[int(str(row["part"]))]
        number = int(str(row["row"]))
        return Place(part.programme, part.source, part.group, number, str(row["estate"]), self._ids(row, "id"))

    def _ids(self, row: dict[str, object], kind: str) -> tuple[str, ...]:
        return tuple(str(row[f"{kind}{place}"]) for place in range(len(self.columns)))


def _rank(finding: Finding) -> tuple[object, ...]:
    again = finding.again
    return finding.key, again.programme, again.source, -1 if again.group is None else again.group, again.row


__all__ = ["ESTATE", "MEMORY_BYTES", "Duplicates", "Finding", "Place", "find_duplicates"]
