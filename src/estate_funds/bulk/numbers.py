"""Exact numbers in columns: areas, balances, prices of a row, what documents derive from them, and their bounds.

A number is a whole number of parts, int64, and how many parts make one: 87.16 m2 is 8716 parts of 100. Before anything
is multiplied or added it is shown that 64 bits hold the result; where they would not, or where a document derives a
number in another way than here, `NotInColumns` is raised, and the rows are assessed one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from estate_funds.bulk.coding import Place
from estate_funds.errors import ColumnError
from estate_funds.money import Rounding
from estate_funds.policy import Bounds, Derived, Document, PayerSplit

_LIMIT = 2**62
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
    if most * abs(factor) >= _LIMIT:
        raise NotInColumns
    product: npt.NDArray[np.int64] = parts * factor
    return product


def exact_of(column: pa.Array, name: str, place: Place) -> Exact:
    """A column of decimals or integers; ColumnError for floats and texts, which hold no exact number."""
    kind = column.type
    known = np.asarray(column.is_valid())
    if pa.types.is_integer(kind):
        return Exact(column.fill_null(0).cast(pa.int64()).to_numpy(), 1, known)
    if not pa.types.is_decimal128(kind) or kind.scale < 0:
        wanted = "an exact number: a decimal, or whole numbers"
        raise ColumnError("the column has another type", where=place(0, name), got=str(kind), wanted=wanted)
    words = np.frombuffer(column.buffers()[1], np.int64)[2 * column.offset : 2 * (column.offset + len(column))]
    low, high = words[0::2], words[1::2]
    parts = np.where(known, low, 0)
    if kind.precision > _LOW_WORD_DIGITS and bool((np.where(known, high, 0) != (parts >> 63)).any()):
        raise NotInColumns
    return Exact(parts, 10**kind.scale, known)


def constant(values: list[Fraction | None], classes: npt.NDArray[Any]) -> Exact:
    """A number that all rows of a class have."""
    scale = 1
    for value in values:
        scale = scale if value is None else scale * value.denominator // gcd(scale, value.denominator)
    parts = [0 if value is None else int(value * scale) for value in values]
    if max(map(abs, parts), default=0) >= _LIMIT:
        raise NotInColumns
    return Exact(np.array(parts, np.int64)[classes], scale, np.array([v is not None for v in values])[classes])


# --- what documents derive ----------------------------------------------------------------------------------------


@dataclass
class Numbers:
    """The numbers of a batch by the names that a document uses.

    `columns` are those of the rows, `classes` the class of each row's estate, `of_class` what a class has of a name.
    """

    document: Document
    columns: Mapping[str, Exact]
    classes: npt.NDArray[Any]
    of_class: Callable[[str], list[Fraction | None]]

    def touches(self, name: str) -> bool:
        """Whether a number of the row is behind a name."""
        return any(one in self.columns for one in self.document.behind([name]))

    def get(self, name: str) -> Exact:
        """The number of that name of each row."""
        if name in self.columns:
            return self.columns[name]
        if not self.touches(name):
            return constant(self.of_class(name), self.classes)
        return self._derived(self.document.derived[name])

    def _derived(self, rule: Derived) -> Exact:
        if rule.way not in ("product_of", "sum_of", "least_of", "greatest_of", "difference"):
            raise NotInColumns
        first, *others = (self.get(name) for name in getattr(rule, rule.way))
        known = first.known.copy()
        for other in others:
            known &= other.known
        if rule.way == "product_of":
            parts, scale = first.parts, first.scale
            for other in others:
                if Exact(parts, 1, known).most * other.most >= _LIMIT:
                    raise NotInColumns
                parts, scale = parts * other.parts, scale * other.scale
            return Exact(np.where(known, parts, 0), scale, known)
        scale = first.scale
        for other in others:
            scale = scale * other.scale // gcd(scale, other.scale)
        columns = [one.scaled(scale) for one in (first, *others)]
        if sum(max(1, abs(int(c.min(initial=0))), abs(int(c.max(initial=0)))) for c in columns) >= _LIMIT:
            raise NotInColumns
        return Exact(np.where(known, _combined(rule.way, columns), 0), scale, known)

    def holds(self, bounds: Bounds) -> npt.NDArray[np.int8]:
        """Whether each row meets a condition on a number: 0 no, 1 yes, 2 not known."""
        if bounds.rounded_to is not None:
            raise NotInColumns
        found, of = self.get(bounds.fact), self.get(bounds.of) if bounds.of else None
        known = found.known if of is None else found.known & of.known
        met = np.ones(len(known), np.bool_)
        for name, bound in bounds.numbers.items():
            # found / scale ? bound x of, over one denominator
            left = found.times(bound.denominator * (of.scale if of else 1))
            if of is None:
                limit = bound.numerator * found.scale
                if abs(limit) >= _LIMIT:
                    raise NotInColumns
                met &= _MET[name](left, limit)
            else:
                met &= _MET[name](left, of.times(bound.numerator * found.scale))
        return np.where(known, met, 2).astype(np.int8)


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
    if 2 * int(parts.max(initial=0)) + over >= _LIMIT:
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
    whole = 1
    for share in split.shares.values():
        whole = whole * share.denominator // gcd(whole, share.denominator)
    if int(fen.max(initial=0)) * whole >= _LIMIT:
        raise NotInColumns
    exact = {payer: fen * int(share * whole) for payer, share in split.shares.items()}
    parts = {payer: product // whole for payer, product in exact.items()}
    left = fen - sum(parts.values())
    if split.odd_fen == "residue":
        parts[split.odd_fen_to] = parts[split.odd_fen_to] + left
        return parts
    order = sorted(split.shares, key=lambda payer: (payer != split.odd_fen_to, payer))
    rest = {payer: exact[payer] - parts[payer] * whole for payer in order}
    for at, payer in enumerate(order):
        before = np.zeros(len(fen), np.int64)
        for other_at, other in enumerate(order):
            if other != payer:
                before += (rest[other] > rest[payer]) | ((rest[other] == rest[payer]) & (other_at < at))
        parts[payer] = parts[payer] + (before < left)
    return parts
