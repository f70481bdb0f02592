"""Sum 2 in columns: totals divided over weights by largest remainder, many groups at once, exact in every one.

A repair bill is borne by the households that it benefits, by floor area: bills come by the thousand, households by the
million. The plain twin is `money.allocate`, and each part here is its part to the fen. Four steps, in blocks of whole
groups that stay in the cache:

1. With q and r the quotient and the rest of total / sum of weights, a part is q x weight and the whole fen of
   r x weight / sum; the rest of that division is the row's remainder. All of it is unsigned 64-bit arithmetic.
2. What the parts of a group lack of its total is the number of odd fen, one for each of the largest remainders.
3. Group and remainder packed into one number and sorted say where that ends. Numbers sort several times as fast as
   places do, and the one remainder at the border is all that has to be known of the order.
4. Only rows that share the remainder at the border are put in order of their ids.

A block whose products would not fit 64 bits is halved, and a single group that still does not is put to
`money.allocate`: nothing ever wraps round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.errors import AllocationError, CellError, ColumnError, TableError
from estate_funds.money import allocate

Ints = npt.NDArray[np.int64]
Whole = npt.NDArray[np.uint64]  # magnitudes
Flags = npt.NDArray[np.bool_]
_ROWS_A_BLOCK = 1 << 15  # some columns of 256 KiB: they stay in the cache of a core
_LIMIT = 1 << 64
_NEVER = np.uint64(_LIMIT - 1)  # above every packed remainder
_RADIX = 1 << 16  # numbers below this are sorted stably without comparisons


def divide_groups(
    totals_fen: Ints,
    group: npt.NDArray[Any],
    weights: Ints,
    ids: pa.Array | pa.ChunkedArray | None = None,
    *,
    names: Sequence[str] | pa.Array | None = None,
) -> Ints:
    """The part of each row: its group's total over the weights of the group's rows, by largest remainder.

    `totals_fen` is int64 of shape (groups,), `group` int32 or int64 and `weights` int64 of shape (rows,): `group` holds
    the place of a row's total. Rows may come in any order, and fastest in that of their groups. Equal remainders go by
    the text of `ids`, strings that are distinct in a group, as in `money.allocate`; without ids, by the order of rows.
    A negative total is the mirror image of the positive one. A group whose total is 0 may have no rows, or no weight.

    The whole is in memory: for more than fits, hand in whole groups a piece at a time (`bulk.bills.divide_stream`).
    Rows are counted from 1 in messages, and `names` are what groups are called there. Raises CellError for a group
    number that there is not, a negative weight or an id that is null; AllocationError for a total that is not 0 in a
    group without weight; TableError for columns of unequal length, and ColumnError for one that is not of integers.

    >>> one_bill = np.zeros(3, np.int32)
    >>> divide_groups(np.array([100]), one_bill, np.array([8000, 8000, 8000]), pa.array(["c", "a", "b"])).tolist()
    [33, 34, 33]
    """
    totals, group, weights = _checked(totals_fen, group, weights, ids, names)
    if not len(group):
        return np.zeros(0, np.int64)
    order = _order(group, len(totals))
    if order is not None:
        group, weights = group[order], weights[order]
    starts = np.concatenate((np.zeros(1, np.int64), np.flatnonzero(group[1:] != group[:-1]) + 1))
    numbers = group[starts]
    rows = _Rows(
        totals=totals[numbers],
        numbers=numbers,
        bounds=np.append(starts, len(group)),
        weights=weights.view(np.uint64),
        order=order,
        ids=_one_array(ids),
        names=names,
    )
    parts = np.empty(len(group), np.int64)
    for low, high in rows.blocks():
        rows.divide(low, high, parts)
    if order is None:
        return parts
    placed = np.empty_like(parts)
    placed[order] = parts
    return placed


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows in the order of their groups, each group a run of them: all that the division of a block of groups asks."""

    totals: Ints  # fen, by run
    numbers: npt.NDArray[Any]  # the number of the group, by run
    bounds: Ints  # where each run begins, and where the last one ends
    weights: Whole  # by row
    order: Ints | None  # where each row stood, unless there
    ids: pa.Array | None  # of rows as they stood
    names: Sequence[str] | pa.Array | None

    def blocks(self) -> Iterator[tuple[int, int]]:
        """The runs, cut into blocks of some rows each; a larger run is a block by itself."""
        low, runs = 0, len(self.totals)
        while low < runs:
            fits = int(np.searchsorted(self.bounds, self.bounds[low] + _ROWS_A_BLOCK, "right")) - 1
            high = max(low + 1, fits)
            yield low, high
            low = high

    def divide(self, low: int, high: int, parts: Ints) -> None:
        """Write the parts of the runs from `low` up to `high`."""
        begin, end = int(self.bounds[low]), int(self.bounds[high])
        weights = self.weights[begin:end]
        most = int(weights.max())
        starts = self.bounds[low:high] - begin
        counts = np.diff(self.bounds[low : high + 1])
        totals = np.abs(self.totals[low:high]).view(np.uint64)  # right for -2**63 too, which has no int64 mirror
        if most * (end - begin) < _LIMIT:
            sums = np.add.reduceat(weights, starts)
            self._check_sums(low, sums)
            sums = np.maximum(sums, np.uint64(1))  # of a group without weight and total, which gets nothing
            quotient = totals // sums
            rest = totals - quotient * sums
            bits = int(sums.max()).bit_length()
            if int(rest.max()) * most < _LIMIT and bits + (high - low - 1).bit_length() <= 64:
                part = self._direct(begin, weights, starts, counts, sums, rest, bits)
                if quotient.any():
                    part += np.repeat(quotient, counts) * weights
                self._write(low, high, counts, part, parts[begin:end])
                return
        if high - low > 1:
            middle = (low + high) >> 1
            self.divide(low, middle, parts)
            self.divide(middle, high, parts)
        else:
            parts[begin:end] = self._plain(low)

    def _check_sums(self, low: int, sums: Whole) -> None:
        """AllocationError for the first group that has something to divide, and nothing to divide it by."""
        bare = np.flatnonzero((sums == 0) & (self.totals[low : low + len(sums)] != 0))
        if len(bare):
            run = low + int(bare[0])
            _no_weight(int(self.numbers[run]), int(self.totals[run]), self.names)

    def _direct(
        self, begin: int, weights: Whole, starts: Ints, counts: Ints, sums: Whole, rest: Whole, bits: int
    ) -> Whole:
        """Parts of rest x weight / sum, where every product fits; a remainder is packed below its group's number."""
        remainder = np.repeat(rest, counts)
        remainder *= weights
        divisor = np.repeat(sums, counts)
        part: Whole = remainder // divisor
        divisor *= part
        remainder -= divisor
        odd = (rest - np.add.reduceat(part, starts)).astype(np.int64)  # fewer than the rows of the group
        packed = np.repeat(np.arange(len(starts), dtype=np.uint64) << np.uint64(bits), counts)
        packed |= remainder
        ranked = np.sort(packed)
        border_at = starts + counts - odd
        border = ranked[np.minimum(border_at, len(ranked) - 1)]
        border[odd == 0] = _NEVER
        part += packed >= np.repeat(border, counts)
        tied = (odd > 0) & (ranked[border_at - 1] == border)  # one less got a fen by that remainder
        if tied.any():
            self._settle(begin, packed, counts, tied, border, border_at - np.searchsorted(ranked, border), part)
        return part

    def _settle(
        self, begin: int, packed: Whole, counts: Ints, tied: Flags, border: Whole, over: Ints, part: Whole
    ) -> None:
        """Take the fen back from the last rows, by id, of those that share the remainder at the border.

        `over` is how many rows of each group got one too many.
        """
        border = np.where(tied, border, _NEVER)
        rows = np.flatnonzero(packed == np.repeat(border, counts))
        runs = np.concatenate((np.zeros(1, np.int64), np.flatnonzero(np.diff(packed[rows])) + 1))
        sizes = np.diff(np.append(runs, len(rows)))
        rows = rows[self._by_id(begin + rows, np.repeat(np.arange(len(runs)), sizes))]
        after = np.repeat(runs + sizes, sizes) - np.arange(len(rows))  # 1 for the last row of its run
        part[rows[after <= np.repeat(over[tied], sizes)]] -= np.uint64(1)

    def _by_id(self, rows: Ints, run: Ints) -> Ints:
        """The order of rows by run and, in a run, by the text of their ids; by where they stood without ids."""
        places = rows if self.order is None else self.order[rows]
        if self.ids is None:
            return np.arange(len(rows))  # order keeps rows of one group as they stood
        texts = self.ids.take(pa.array(places))
        rising = pc.less_equal(texts[:-1], texts[1:]).to_numpy(zero_copy_only=False)
        if (rising | (run[1:] != run[:-1])).all():
            return np.arange(len(rows))
        by_text: Ints = pc.array_sort_indices(texts).to_numpy().astype(np.int64)
        return by_text[_stable(run[by_text], int(run[-1]) + 1)]

    def _plain(self, run: int) -> Ints:
        """The parts of one run in Python integers, by `money.allocate`."""
        begin, end = int(self.bounds[run]), int(self.bounds[run + 1])
        weights = dict(enumerate(self.weights[begin:end].tolist()))
        total = int(self.totals[run])
        if not any(weights.values()):
            if total:
                _no_weight(int(self.numbers[run]), total, self.names)
            return np.zeros(end - begin, np.int64)
        rows = np.arange(begin, end)
        first = self._by_id(rows, np.zeros(len(rows), np.int64)).tolist()
        return np.array(list(allocate(total, weights, first=first).values()), np.int64)

    def _write(self, low: int, high: int, counts: Ints, part: Whole, into: Ints) -> None:
        """Parts with the signs of their totals."""
        signed = part.view(np.int64)
        negative = self.totals[low:high] < 0
        if negative.any():
            np.negative(signed, where=np.repeat(negative, counts), out=signed)
        into[:] = signed


# --- what is handed in ------------------------------------------------------------------------------------------------


def _checked(
    totals: Ints,
    group: npt.NDArray[Any],
    weights: Ints,
    ids: pa.Array | pa.ChunkedArray | None,
    names: Sequence[str] | pa.Array | None,
) -> tuple[Ints, npt.NDArray[Any], Ints]:
    """Totals and weights as int64 and the group numbers, once all of them are sound."""
    totals, weights = _int64(totals, "total_fen"), _int64(weights, "weight")
    group = _integers(group, "group")
    if len(weights) != len(group) or (ids is not None and len(ids) != len(group)):
        told = f"{len(group)} group numbers, {len(weights)} weights" + (f", {len(ids)} ids" if ids is not None else "")
        raise TableError("columns of unequal length", got=told, wanted="one of each for each row")
    if names is not None and len(names) != len(totals):
        raise TableError("columns of unequal length", got=f"{len(names)} names, {len(totals)} totals")
    if ids is not None:
        _check_ids(ids)
    if len(group):
        if group.min() < 0 or group.max() >= len(totals):
            row = int(np.argmax((group < 0) | (group >= len(totals))))
            _cell("there is no group of that number", row, "group", int(group[row]), f"0 to {len(totals) - 1}")
        if weights.min() < 0:
            row = int(np.argmax(weights < 0))
            _cell("a weight is negative", row, "weight", int(weights[row]), "0 or more")
    there = np.zeros(len(totals), bool)
    there[group] = True
    missing = np.flatnonzero(~there & (totals != 0))
    if len(missing):
        _no_weight(int(missing[0]), int(totals[missing[0]]), names)
    return totals, group, weights


def _integers(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise ColumnError(
            "the column is not one of whole numbers",
            where=f"column {name}",
            got=f"{values.dtype} of shape {values.shape}",
            wanted="int64, without nulls",
        )
    return values


def _int64(values: npt.NDArray[Any], name: str) -> Ints:
    values = _integers(values, name)
    if values.dtype == np.uint64 and len(values) and values.max() >= _LIMIT >> 1:
        row = int(np.argmax(values))
        _cell("a number beyond 64 bits with a sign", row, name, int(values[row]), f"at most {(_LIMIT >> 1) - 1}")
    return np.ascontiguousarray(values, np.int64)


def _check_ids(ids: pa.Array | pa.ChunkedArray) -> None:
    if ids.type not in (pa.string(), pa.large_string()):
        raise ColumnError("the column has another type", where="column id", got=str(ids.type), wanted="string")
    if ids.null_count:
        row = int(np.argmax(pc.is_null(ids).to_numpy(zero_copy_only=False)))
        raise CellError("the cell is empty", where=f"row {row + 1}, column id", wanted="the id of the row")


def _one_array(ids: pa.Array | pa.ChunkedArray | None) -> pa.Array | None:
    """Ids in one piece, whose offsets may need 64 bits then."""
    if not isinstance(ids, pa.ChunkedArray):
        return ids
    return ids.chunk(0) if ids.num_chunks == 1 else ids.cast(pa.large_string()).combine_chunks()


def _order(group: npt.NDArray[Any], groups: int) -> Ints | None:
    """Where the rows of each group stand, in their order there; None where they stand in order already."""
    if (group[1:] >= group[:-1]).all():
        return None
    return _stable(group, groups)


def _stable(number: npt.NDArray[Any], below: int) -> Ints:
    """The stable order of numbers from 0 up to `below`."""
    if below <= _RADIX:
        return np.argsort(number.astype(np.uint16), kind="stable")
    bits = (len(number) - 1).bit_length()
    if bits + (below - 1).bit_length() > 64:
        return np.argsort(number, kind="stable")
    packed = number.astype(np.uint64) << np.uint64(bits)
    packed |= np.arange(len(number), dtype=np.uint64)
    packed.sort()
    packed &= np.uint64((1 << bits) - 1)
    return packed.view(np.int64)


def _cell(what: str, row: int, column: str, got: int, wanted: str) -> NoReturn:
    raise CellError(what, where=f"row {row + 1}, column {column}", got=got, wanted=wanted)


def _no_weight(number: int, total_fen: int, names: Sequence[str] | pa.Array | None) -> NoReturn:
    raise AllocationError(
        "nothing to divide by: the weights of the group sum to zero",
        where=f"group {number if names is None else names[number]}",
        got=f"{total_fen} fen",
        wanted="a weight above 0, or a total of 0",
    )
