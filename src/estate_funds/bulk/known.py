"""What was asked of the plain `assess` so far, as tables: rows with the same key are owed alike.

A row's key is looked up in an array, or, where there are too many keys, in a dictionary of those that were met. What
is due is fen by slot (a month and a payer), or *charges*: a number of each row times a rate, rounded, divided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from estate_funds.bulk.coding import FITS
from estate_funds.bulk.numbers import Exact, constants
from estate_funds.policy import PayerSplit

Codes = npt.NDArray[np.int64]
_DENSE = 1 << 21  # so many keys are looked up in an array


@dataclass(frozen=True, eq=False)
class Charge:
    """Lines that are priced alike: a number of the row x `rate` fen, rounded, in claims that begin in these months.

    Months are counted from the first of the window; one may stand there twice.
    """

    rate: Fraction
    split: PayerSplit | None  # one of the document's; None: pending
    months: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Due:
    """What the rows of a key are owed: fen by slot and by payer, or charges on the number that they are paid by."""

    entries: tuple[tuple[int, int], ...] = ()
    shares: Mapping[str, int] = field(default_factory=dict)
    charges: tuple[Charge, ...] = ()


class Column:
    """An array of int64 that grows.

    >>> column = Column([1])
    >>> column.extend([2, 3])
    >>> column.array.tolist()
    [1, 2, 3]
    """

    def __init__(self, values: Iterable[int] = ()) -> None:
        self._whole: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._new: list[int] = list(values)

    def extend(self, values: Iterable[int]) -> None:
        """Add values at the end."""
        self._new.extend(values)

    @property
    def array(self) -> npt.NDArray[np.int64]:
        """All values."""
        if self._new:
            self._whole = np.concatenate([self._whole, np.array(self._new, np.int64)])
            self._new = []
        return self._whole


class Keys:
    """Numbers of keys below `size`, as whoever is asked gives them."""

    def __init__(self, size: int) -> None:
        self._table = np.full(size, -1, np.int64) if size <= _DENSE else None
        self._met: dict[int, int] = {}

    def numbers(self, keys: Codes, ask: Callable[[int], int]) -> npt.NDArray[np.int64]:
        """The number of each row's key, of shape (rows,); of one not met before, what `ask` gives for its first row."""
        if self._table is None:
            return self._from_those_met(keys, ask)
        at: npt.NDArray[np.int64] = self._table[keys]
        new = np.flatnonzero(at < 0)
        if len(new):
            for row in new[np.sort(np.unique(keys[new], return_index=True)[1])].tolist():
                self._table[keys[row]] = ask(row)
            at = self._table[keys]
        return at

    def _from_those_met(self, keys: Codes, ask: Callable[[int], int]) -> npt.NDArray[np.int64]:
        found, first, place = np.unique(keys, return_index=True, return_inverse=True)
        numbers = np.empty(len(found), np.int64)
        for one in np.argsort(first).tolist():
            key = int(found[one])
            if key not in self._met:
                self._met[key] = ask(int(first[one]))
            numbers[one] = self._met[key]
        return numbers[place]


@dataclass
class Price:
    """A rate and a division, and in which months each due has it: `which` is the place of its list among `lists`."""

    rate: Fraction
    split: PayerSplit | None
    which: Column
    lists: dict[tuple[int, ...], int] = field(default_factory=lambda: {(): 0})
    _times: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))

    def times(self, months: int) -> npt.NDArray[np.int64]:
        """How often each list has each month of the window, of shape (lists, months)."""
        if len(self._times) != len(self.lists):
            self._times = np.zeros((len(self.lists), months), np.int64)
            for row, one in enumerate(self.lists):
                np.add.at(self._times[row], np.array(one, np.int64), 1)
        return self._times


class Known:
    """Dues by key, as tables that grow with each key that is met."""

    def __init__(self, size: int, payers: Sequence[str]) -> None:
        self.keys = Keys(size)
        self.count = 0
        self.shares: Mapping[str, Column] = {payer: Column() for payer in payers}  # of each due
        self.ends, self.slots, self.fen = Column([0]), Column(), Column()  # entries, one due after the other
        self.prices: dict[tuple[Fraction, int], Price] = {}
        self.most = 0  # the largest magnitude among fen and shares; from 2**62 on nobody reads the tables

    def add(self, due: Due) -> int:
        """The number of one more due."""
        fen = [*due.shares.values(), *(fen for _, fen in due.entries)]
        self.most = max([self.most, *map(abs, fen)])
        kept = due if self.most < FITS else Due(charges=due.charges)
        for payer, column in self.shares.items():
            column.extend([kept.shares.get(payer, 0)])
        self.slots.extend(slot for slot, _ in kept.entries)
        self.fen.extend(fen for _, fen in kept.entries)
        self.ends.extend([len(self.slots.array)])
        for price in self.prices.values():
            price.which.extend([0])
        for charge in due.charges:
            key = (charge.rate, id(charge.split))
            if key not in self.prices:
                self.prices[key] = Price(charge.rate, charge.split, Column([0] * (self.count + 1)))
            price = self.prices[key]
            price.which.array[-1] = price.lists.setdefault(charge.months, len(price.lists))
        self.count += 1
        return self.count - 1

    def entries(self, dues: npt.NDArray[np.int64]) -> tuple[Any, Any, Any]:
        """All entries of some dues, one due after the other: the place of the due, the slot, the fen."""
        ends = self.ends.array
        count = ends[dues + 1] - ends[dues]
        place = np.repeat(np.arange(len(dues)), count)
        at = np.arange(len(place)) + np.repeat(ends[dues] - np.cumsum(count) + count, count)
        return place, self.slots.array[at], self.fen.array[at]


class Constants:
    """Numbers that are the same for all rows of a key."""

    def __init__(self, size: int, names: Sequence[str]) -> None:
        self.keys = Keys(size)
        self.names = names
        self.met: list[tuple[Fraction | None, ...]] = []
        self._columns: dict[str, Exact] = {}
        self._until = -1

    def add(self, values: tuple[Fraction | None, ...]) -> int:
        """The number of one more key with these values, in the order of the names."""
        self.met.append(values)
        return len(self.met) - 1

    def column(self, name: str) -> Exact:
        """That number of each key. Raises NotInColumns where 64 bits do not hold one."""
        if self._until != len(self.met):
            columns = zip(*self.met, strict=True) if self.met else ((),) * len(self.names)
            self._columns = {name: constants(values) for name, values in zip(self.names, columns, strict=True)}
            self._until = len(self.met)
        return self._columns[name]
