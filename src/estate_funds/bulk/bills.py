"""Bills over the households that they benefit: tables in, tables with the part of each household and a proof out.

What is handed in is checked whole before anything is divided. The division itself is `bulk.divide`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.bulk.divide import Ints, divide_groups
from estate_funds.errors import AllocationError, CellError, ColumnError, DuplicateRow, InvariantBroken, TableError
from estate_funds.money import MAX_FEN

BILLS = pa.schema([("bill_id", pa.string()), ("total_fen", pa.int64())])
LINES = pa.schema([("bill_id", pa.string()), ("household_id", pa.string()), ("floor_area_centi_m2", pa.int64())])
PART = "part_fen"


@dataclass(frozen=True)
class Divided:
    """Bills that were divided: what each household bears, and for each bill that the parts are the whole of it.

    `lines` are those that were handed in, with `part_fen` (int64) after their columns. `proof` has a row for each bill:
    bill_id, total_fen, households, floor_area_centi_m2, and parts_fen, which is counted from the parts and equals
    total_fen.
    """

    lines: pa.Table
    proof: pa.Table


def divide_bills(bills: pa.Table, lines: pa.Table, *, first_row: int = 1) -> Divided:
    """Divide each bill over the floor areas of its households, by largest remainder; equal remainders by household id.

    `bills` has bill_id (string) and total_fen (int64), `lines` bill_id, household_id (strings) and floor_area_centi_m2
    (int64); both may have more columns. Lines may come in any order. `first_row` is the number of the first line in
    messages. Raises ColumnError for a column that is missing or of another type, CellError for a cell that is null, a
    negative area or a bill that there is not, DuplicateRow for a bill or for a household of a bill that stands twice,
    and AllocationError for a bill of not 0 fen without floor area.

    >>> bills = pa.table({"bill_id": ["roof"], "total_fen": [100_001]})
    >>> area = [9_000, 9_000]
    >>> lines = pa.table({"bill_id": ["roof"] * 2, "household_id": ["1-02", "1-01"], "floor_area_centi_m2": area})
    >>> divide_bills(bills, lines).lines["part_fen"].to_pylist()
    [50000, 50001]
    """
    names, totals = _bills(bills)
    if PART in lines.column_names:
        raise ColumnError(
            "the lines have parts already", where=f"lines, column {PART}", fix="hand in what is undivided"
        )
    keys, ids = _text(lines, "bill_id", "lines", first_row), _text(lines, "household_id", "lines", first_row)
    areas = _integers(lines, "floor_area_centi_m2", "lines", first_row)
    if len(areas) and areas.min() < 0:
        row = int(np.argmax(areas < 0))
        where = f"lines, row {first_row + row}, column floor_area_centi_m2"
        raise CellError("a floor area is negative", where=where, got=int(areas[row]), wanted="0 or more")
    group = _bill_numbers(keys, names, first_row)
    _check_once(group, ids, keys, first_row)
    parts = divide_groups(totals, group, areas, ids, names=names)
    proof = _proof(names, totals, group, areas, parts)
    return Divided(lines.append_column(PART, pa.array(parts)), proof)


def divide_stream(bills: pa.Table, batches: Iterable[pa.RecordBatch | pa.Table]) -> Iterator[Divided]:
    """`divide_bills` over lines that do not fit in memory: batches in order of bill_id, whole bills at a time.

    The bills, which may come in any order, and the lines of any one bill must fit. The proofs of all pieces are those
    of all bills, each once and in order of bill_id; a bill whose lines never came is an AllocationError in its turn,
    so the work is done when the iterator ends, and not before.
    """
    order = pc.array_sort_indices(_bills(bills)[0])
    bills = bills.take(order)
    names = _bills(bills)[0].to_pylist()
    done, row = 0, 1
    piece = None
    for piece in whole_groups(batches, "bill_id"):
        last = piece["bill_id"][len(piece) - 1].as_py()
        to = max(done, bisect_right(names, last))
        yield divide_bills(bills.slice(done, to - done), piece, first_row=row)
        done, row = to, row + len(piece)
    if done < len(names):
        none = LINES.empty_table() if piece is None else piece.slice(0, 0)
        yield divide_bills(bills.slice(done), none)


def whole_groups(batches: Iterable[pa.RecordBatch | pa.Table], column: str) -> Iterator[pa.Table]:
    """Cut a stream of rows, in ascending order of a text column, so that the rows of no group are parted.

    What comes out are the same rows in the same order. Held back at any time are the rows of the last group so far.
    Raises ColumnError without the column, CellError for a null in it, and TableError for a row out of order, which is
    counted from 1 over the whole stream.
    """
    held: list[pa.Table] = []
    last: str | None = None
    row = 1
    for batch in batches:
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        keys = _text(table, column, "lines", row)
        if not len(keys):
            continue
        _check_rising(keys, last, column, row)
        begins = int(pc.index(keys, keys[-1]).as_py())
        if begins or keys[0].as_py() != last:
            whole = [*held, table.slice(0, begins)]
            if any(map(len, whole)):
                yield pa.concat_tables(whole)
            held = []
        held.append(table.slice(begins))
        last, row = keys[-1].as_py(), row + len(keys)
    if held:
        yield pa.concat_tables(held)


def _check_rising(keys: pa.Array, last: str | None, column: str, first_row: int) -> None:
    falls = np.flatnonzero(pc.less(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)) + 1
    at = 0 if last is not None and keys[0].as_py() < last else int(falls[0]) if len(falls) else None
    if at is not None:
        before = last if at == 0 else keys[at - 1].as_py()
        raise TableError(
            "the rows are not in order",
            where=f"lines, row {first_row + at}, column {column}",
            got=f"{keys[at].as_py()!r} after {before!r}",
            wanted=f"ascending {column}, by code points",
            fix=f"sort the file by {column}",
        )


# --- columns ----------------------------------------------------------------------------------------------------------


def _column(table: pa.Table, name: str, source: str) -> pa.ChunkedArray:
    """The one column of that name; ColumnError otherwise."""
    if table.column_names.count(name) != 1:
        what = "the column stands twice" if name in table.column_names else "missing column"
        raise ColumnError(what, where=source, got=", ".join(table.column_names) or "no column", wanted=name)
    return table[name]


def _filled(column: pa.ChunkedArray, name: str, source: str, first_row: int) -> pa.ChunkedArray:
    """The column, if no cell of it is null; CellError otherwise."""
    if column.null_count:
        row = first_row + int(np.argmax(pc.is_null(column).to_numpy()))
        raise CellError("the cell is empty", where=f"{source}, row {row}, column {name}", wanted=f"a {name}")
    return column


def _bills(bills: pa.Table) -> tuple[pa.Array, Ints]:
    """The ids of bills, each once, and their totals."""
    names, totals = _text(bills, "bill_id", "bills", 1), _integers(bills, "total_fen", "bills", 1)
    if len(pc.unique(names)) < len(names):
        row = _second(names.dictionary_encode().indices.to_numpy())
        raise DuplicateRow("the bill stands twice", where=f"bills, row {row + 1}", got=names[row].as_py())
    return names, totals


def _text(table: pa.Table, name: str, source: str, first_row: int) -> pa.Array:
    """A column of strings in one piece; a dictionary of strings is taken as what it stands for."""
    column = _column(table, name, source)
    if not _holds_text(column.type):
        where = f"{source}, column {name}"
        raise ColumnError("the column has another type", where=where, got=str(column.type), wanted="string")
    if column.type != pa.string() or column.nbytes >= 1 << 31:  # offsets of 32 bits would not do for one piece
        column = column.cast(pa.large_string())
    return _filled(column, name, source, first_row).combine_chunks()


def _holds_text(kind: pa.DataType) -> bool:
    told = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(told) or pa.types.is_large_string(told) or pa.types.is_string_view(told))


def _integers(table: pa.Table, name: str, source: str, first_row: int) -> Ints:
    column = _column(table, name, source)
    if not pa.types.is_signed_integer(column.type):
        where = f"{source}, column {name}"
        raise ColumnError("the column has another type", where=where, got=str(column.type), wanted="int64")
    numbers: Ints = _filled(column, name, source, first_row).cast(pa.int64()).to_numpy()
    return numbers


def _bill_numbers(keys: pa.Array, names: pa.Array, first_row: int) -> npt.NDArray[Any]:
    """The place of each line's bill; CellError for one that is not there."""
    heads = np.concatenate(
        (np.zeros(min(len(keys), 1), np.int64), np.flatnonzero(pc.not_equal(keys[1:], keys[:-1])) + 1)
    )
    asked = keys.take(pa.array(heads))  # lines of one bill mostly stand together
    found = pc.index_in(asked.cast(pa.large_string()), names.cast(pa.large_string()))
    if found.null_count:
        row = int(heads[int(np.argmax(pc.is_null(found).to_numpy(zero_copy_only=False)))])
        where = f"lines, row {first_row + row}, column bill_id"
        raise CellError(
            "there is no bill of that id", where=where, got=keys[row].as_py(), wanted="a bill_id of the bills"
        )
    group: npt.NDArray[Any] = np.repeat(found.to_numpy(), np.diff(np.append(heads, len(keys))))
    return group


def _check_once(group: npt.NDArray[Any], ids: pa.Array, keys: pa.Array, first_row: int) -> None:
    """DuplicateRow where a household bears two parts of one bill; lines in order of both need no more than a look."""
    rising = pc.less(ids[:-1], ids[1:]).to_numpy(zero_copy_only=False)
    if ((group[1:] > group[:-1]) | (rising & (group[1:] == group[:-1]))).all():
        return
    code = ids.dictionary_encode().indices.to_numpy().astype(np.int64)
    pair = (group.astype(np.int64) << 32) | code
    ranked = np.sort(pair)
    if (ranked[1:] != ranked[:-1]).all():
        return
    row = _second(pair)
    raise DuplicateRow(
        "the household stands twice in a bill",
        where=f"lines, row {first_row + row}",
        got=f"{ids[row].as_py()} of {keys[row].as_py()}",
        fix="delete one of the two lines, or add up their areas",
    )


def _second(codes: npt.NDArray[Any]) -> int:
    """The first row whose code stood before; there is one."""
    _, firsts = np.unique(codes, return_index=True)
    again = np.ones(len(codes), bool)
    again[firsts] = False
    return int(np.argmax(again))


def _proof(names: pa.Array, totals: Ints, group: npt.NDArray[Any], areas: Ints, parts: Ints) -> pa.Table:
    """One row for each bill, its sums counted from the lines one by one."""
    sums = np.zeros(len(names), np.int64)
    np.add.at(sums, group, parts)
    if (sums != totals).any():
        raise InvariantBroken(f"the parts of {names[int(np.argmax(sums != totals))]} do not sum to its total")
    return pa.table(
        {
            "bill_id": names,
            "total_fen": totals,
            "households": np.bincount(group, minlength=len(names)),
            "floor_area_centi_m2": _areas(names, group, areas),
            "parts_fen": sums,
        }
    )


def _areas(names: pa.Array, group: npt.NDArray[Any], areas: Ints) -> Ints:
    if len(areas) and int(areas.max()) * len(areas) > MAX_FEN:
        exact = np.zeros(len(names), object)
        np.add.at(exact, group, areas.astype(object))
        for number in np.flatnonzero(exact > MAX_FEN)[:1]:
            raise AllocationError("floor areas that do not fit 64 bits", where=f"bill {names[int(number)]}")
        return exact.astype(np.int64)
    sums = np.zeros(len(names), np.int64)
    np.add.at(sums, group, areas)
    return sums
