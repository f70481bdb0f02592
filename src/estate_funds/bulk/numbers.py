"""Exact numbers in columns: areas, balances, prices of a row, what documents derive from them, and their bounds.

A number is a whole number of parts, int64, and how many parts make one: 87.16 m2 is 8716 parts of 100. Before anything
is multiplied or added it is shown that 64 bits hold the result; where they would not, or where a document derives a
number in another way than here, `NotInColumns` is raised, and the rows are assessed one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from estate_funds.bulk.coding import FITS, Place
from estate_funds.errors import ColumnError
from estate_funds.money import Rounding
from estate_funds.policy import Bounds, Document, PayerSplit
from estate_funds.policy.facts import Steps

_LOW_WORD_DIGITS = 18  # digits that a decimal keeps in its low 64 bits


class NotInColumns(Exception):
    """What is asked for is not computed in columns; the plain way does it."""


@dataclass(frozen=True)
class Exact:
    """Numbers of rows: `parts / scale`, and whether each is known."""

    parts: npt.NDArray[np.int64]
    scale: int
    known: npt.NDArray[np.bool_]

    def at(self, row: int) -> Fraction | None:
        """The number of one row."""
        return Fraction(int(self.parts[row]), self.scale) if self.known[row] else None

    @property
    def most(self) -> int:
        """The largest magnitude of the parts."""
        return max(abs(int(self.parts.min())), abs(int(self.parts.max()))) if len(self.parts) else 0

    def times(self, factor: int) -> npt.NDArray[np.int64]:
        """The parts times a factor."""
        return _times(self.parts, self.most, factor)

    def scaled(self, scale: int) -> npt.NDArray[np.int64]:
        """The parts in a finer scale."""
        return self.times(scale // self.scale)


def _times(parts: npt.NDArray[np.int64], most: int, factor: int) -> npt.NDArray[np.int64]:
    if max(most, 1) * abs(factor) >= FITS:
        raise NotInColumns
    product: npt.NDArray[np.int64] = parts * factor
    return product


def exact_of(column: pa.Array, name: str, place: Place) -> Exact:
    """A column of decimals or integers; ColumnError for floats and texts, which hold no exact number.

    Raises NotInColumns where 64 bits do not hold a number.
    """
    kind = column.type
    known = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_integer(kind):
        try:
            return Exact(column.fill_null(0).cast(pa.int64()).to_numpy(), 1, known)
        except pa.ArrowInvalid:
            raise NotInColumns from None
    if not pa.types.is_decimal128(kind) or kind.scale < 0:
        wanted = "an exact number: a decimal128, or whole numbers"
        raise ColumnError("the column has another type", where=place(0, name), got=str(kind), wanted=wanted)
    if kind.scale > _LOW_WORD_DIGITS:
        raise NotInColumns
    if not len(column):
        return Exact(np.zeros(0, np.int64), 10**kind.scale, known)
    words = np.frombuffer(column.buffers()[1], np.int64)[2 * column.offset : 2 * (column.offset + len(column))]
    low, high = words[0::2], words[1::2]
    parts = np.ascontiguousarray(low) if not column.null_count else np.where(known, low, 0)
    if kind.precision > _LOW_WORD_DIGITS and bool((known & (high != (parts >> 63))).any()):
        raise NotInColumns
    return Exact(parts, 10**kind.scale, known)


def constants(values: Sequence[Fraction | None]) -> Exact:
    """Some numbers as one column."""
    scale = lcm(*(value.denominator for value in values if value is not None))
    parts = [0 if value is None else int(value * scale) for value in values]
    if max(map(abs, parts), default=0) >= FITS or scale >= FITS:
        raise NotInColumns
    return Exact(np.array(parts, np.int64), scale, np.array([value is not None for value in values], np.bool_))


# --- what documents derive ----------------------------------------------------------------------------------------

_ARITHMETIC = ("product_of", "sum_of", "least_of", "greatest_of", "difference")


@dataclass(frozen=True)
class Plan:
    """Which numbers of a document rest on columns of numbers, and which are the same for all rows of a key.

    `columns` has the names, as the document uses them, of what is a number of each row, and the column that it is;
    `periodic` are the names of what has another value in each claim period, some of them numbers of the row as well.
    """

    document: Document
    columns: Mapping[str, str]
    periodic: frozenset[str]

    def touches(self, name: str) -> bool:
        """Whether a number of the row is behind a name."""
        return any(one in self.columns for one in self.document.behind([name]))

    def constants(self, name: str) -> Iterator[str]:
        """The names that a number is computed from and that are the same for all rows of a key, itself perhaps.

        Raises NotInColumns for one that is derived in another way than here, or is another number in each period.
        """
        if self.periodic & {*self.document.behind([name])}:
            raise NotInColumns
        if not self.touches(name):
            yield name
        elif name not in self.columns:
            rule = self.document.derived[name]
            if rule.steps is not None:
                yield from self.constants(rule.steps.of)
            elif rule.way in _ARITHMETIC:
                for one in getattr(rule, rule.way):
                    yield from self.constants(one)
            else:
                raise NotInColumns

    def constants_of(self, bounds: Bounds) -> Iterator[str]:
        """The same of both sides of a condition."""
        if bounds.rounded_to is not None:
            raise NotInColumns
        for name in (bounds.fact, bounds.of):
            yield from self.constants(name) if name else ()


@dataclass
class Numbers:
    """The numbers of some rows by the names that a document uses; `constant` says those that are the same for a key."""

    plan: Plan
    columns: Mapping[str, Exact]
    constant: Callable[[str], Exact]
    rows: int

    def get(self, name: str) -> Exact:
        """The number of that name of each row."""
        if name in self.plan.columns:
            nothing = np.zeros(self.rows, np.int64)
            return self.columns.get(self.plan.columns[name]) or Exact(nothing, 1, nothing.astype(np.bool_))
        if not self.plan.touches(name):
            return self.constant(name)
        rule = self.plan.document.derived[name]
        if rule.steps is not None:
            return _steps(self.get(rule.steps.of), rule.steps)
        return _derived(rule.way, [self.get(one) for one in getattr(rule, rule.way)])

    def holds(self, bounds: Bounds) -> npt.NDArray[np.int8]:
        """Whether each row meets a condition on a number: 0 no, 1 yes, 2 not known."""
        found, of = self.get(bounds.fact), self.get(bounds.of) if bounds.of else None
        known = found.known if of is None else found.known & of.known
        met = np.ones(len(known), np.bool_)
        for name, bound in bounds.numbers.items():
            # found / scale ? bound x of, over one denominator
            left = found.times(bound.denominator * (of.scale if of else 1))
            if of is None:
                limit = bound.numerator * found.scale
                if abs(limit) >= FITS:
                    raise NotInColumns
                met &= _MET[name](left, limit)
            else:
                met &= _MET[name](left, of.times(bound.numerator * found.scale))
        return np.where(known, met, 2).astype(np.int8)


def _derived(way: str, numbers: list[Exact]) -> Exact:
    first, *others = numbers
    known = first.known.copy()
    for other in others:
        known &= other.known
    if way == "product_of":
        parts, scale = first.parts, first.scale
        for other in others:
            if Exact(parts, 1, known).most * other.most >= FITS:
                raise NotInColumns
            parts, scale = parts * other.parts, scale * other.scale
        return Exact(np.where(known, parts, 0), scale, known)
    scale = lcm(*(one.scale for one in numbers))
    columns = [one.scaled(scale) for one in numbers]
    if sum(max(1, abs(int(c.min(initial=0))), abs(int(c.max(initial=0)))) for c in columns) >= FITS:
        raise NotInColumns
    return Exact(np.where(known, _combined(way, columns), 0), scale, known)


def _steps(base: Exact, rule: Steps) -> Exact:
    """How many whole units of a size a number holds."""
    if bool((base.parts < 0).any()):
        raise NotInColumns
    parts, over = base.times(rule.size.denominator), rule.size.numerator * base.scale
    if Exact(parts, 1, base.known).most + over >= FITS:
        raise NotInColumns
    return Exact((parts + (over - 1 if rule.round == "up" else 0)) // over, 1, base.known)


_MET: Mapping[str, Callable[[Any, Any], Any]] = {
    "at_least": np.greater_equal,
    "above": np.greater,
    "at_most": np.less_equal,
    "below": np.less,
}


def _combined(way: str, columns: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    first, *others = columns
    if way == "least_of":
        for other in others:
            first = np.minimum(first, other)
        return first
    if way == "greatest_of":
        for other in others:
            first = np.maximum(first, other)
        return first
    rest = sum(others, np.zeros_like(first))
    return first + rest if way == "sum_of" else np.maximum(first - rest, 0)


# --- fen ------------------------------------------------------------------------------------------------------------


def rounded(parts: npt.NDArray[np.int64], over: int, mode: Rounding, step: int) -> npt.NDArray[np.int64]:
    """`parts / over` rounded to whole steps, as `money.round_fen` does it; parts are 0 or more, `over` at least 1."""
    over *= step
    if 2 * int(parts.max(initial=0)) + over >= FITS:
        raise NotInColumns
    if mode is Rounding.DOWN:
        whole = parts // over
    elif mode is Rounding.UP:
        whole = (parts + (over - 1)) // over
    else:
        whole = (2 * parts + over) // (2 * over)
        if mode is Rounding.HALF_EVEN:
            whole -= (whole * (2 * over) == 2 * parts + over) & (whole % 2 == 1)
    found: npt.NDArray[np.int64] = whole * step
    return found


def divided(fen: npt.NDArray[np.int64], split: PayerSplit) -> dict[str, npt.NDArray[np.int64]]:
    """Fen of each row among the payers of a division: `money.allocate`, or all but one rounded down."""
    if len(split.shares) == 1:
        return {next(iter(split.shares)): fen}
    whole = lcm(*(share.denominator for share in split.shares.values()))
    if int(fen.max(initial=1)) * whole >= FITS:
        raise NotInColumns
    exact = {payer: fen * int(share * whole) for payer, share in split.shares.items()}
    parts = {payer: product // whole for payer, product in exact.items()}
    left = fen - sum(parts.values())
    if split.odd_fen == "residue":
        parts[split.odd_fen_to] += left
        return parts
    order = sorted(split.shares, key=lambda payer: (payer != split.odd_fen_to, payer))
    rest = {payer: exact[payer] - parts[payer] * whole for payer in order}
    for at, payer in enumerate(order):
        before = np.zeros(len(fen), np.int64)  # how many come before it when odd fen are dealt out
        for other_at, other in enumerate(order):
            if other_at < at:
                before += rest[other] >= rest[payer]
            elif other_at > at:
                before += rest[other] > rest[payer]
        parts[payer] += before < left
    return parts
