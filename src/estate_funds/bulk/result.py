"""What comes of a batch: fen for each row, and totals that are the same for any order and partitioning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from estate_funds.money import MAX_FEN

Fen = npt.NDArray[np.int64]
Key = tuple[str, str, str]
PENDING = "pending"  # among payers: what would be due if every missing fact turned out well
_LOW_32 = (1 << 32) - 1


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums of integers by estate, month in which a claim's period begins, and payer; and the rows of each estate.

    They are columns, so that those of a country are added up and kept in little. `estates` are places among `ids`, in
    order, each once, with the `counts` of their rows. A cell is `place of the estate * len(keys) + place of the key`;
    `cells` are in order, each once, and their `fen` not nought: int64, or Python's integers where 64 bits are too few.
    Equal are totals of the same rows, and their text is then the same.

    >>> one = Totals.of_fen({("a", "2024-01", "city"): 5}, {"a": 1})
    >>> print((one + one).to_json())
    {"estates":["a"],"households":[2],"keys":[["2024-01","city"]],"cells":[0],"fen":[10]}
    """

    ids: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    keys: tuple[tuple[str, str], ...] = ()  # month and payer; the payer is PENDING for what is not due yet
    estates: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    cells: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    fen: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def of_fen(cls, by: Mapping[Key, int], households: Mapping[str, int]) -> Totals:
        """From fen by estate, month and payer, and rows by estate; each estate of the first is among the second."""
        names = sorted(households)
        place = {name: at for at, name in enumerate(names)}
        keys = sorted({key[1:] for key in by})
        cells = [place[estate] * len(keys) + keys.index((month, payer)) for estate, month, payer in by]
        counts = np.array([households[name] for name in names], np.int64)
        cell, fen = added(np.array(cells, np.int64), integers(list(by.values())))
        return cls(pa.array(names, pa.string()), tuple(keys), np.arange(len(names)), counts, cell, fen)

    def __add__(self, other: Totals) -> Totals:
        return Totals.of((self, other))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Totals) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, parts: Iterable[Totals]) -> Totals:
        """The sum of many, none of them changed."""
        parts = [part for part in parts if len(part.estates)]
        if not parts:
            return cls()
        first = parts[0]
        if any(part.ids is not first.ids or part.keys != first.keys for part in parts):
            parts = _named_alike(parts)
            first = parts[0]
        estates, counts = added(
            np.concatenate([part.estates for part in parts]), np.concatenate([part.counts for part in parts])
        )
        cells, fen = added(np.concatenate([part.cells for part in parts]), np.concatenate([part.fen for part in parts]))
        return cls(first.ids, first.keys, estates, counts, cells, fen)

    # --- sums ---

    @property
    def rows(self) -> int:
        """How many rows were summed."""
        return int(self.counts.sum())

    @cached_property
    def by_payer(self) -> dict[str, int]:
        """What each payer owes in all, and what is pending; none that is nought."""
        payers = np.array([payer for _, payer in self.keys])[self.key_places]
        sums = {payer: exact_sum(self.fen[payers == payer]) for payer in dict.fromkeys(payer for _, payer in self.keys)}
        return {payer: fen for payer, fen in sums.items() if fen}

    @property
    def shares(self) -> dict[str, int]:
        """Fen due from each payer."""
        return {payer: fen for payer, fen in self.by_payer.items() if payer != PENDING}

    @property
    def amount_fen(self) -> int:
        """Fen due in all."""
        return sum(self.shares.values())

    @property
    def pending_fen(self) -> int:
        """Fen that wait for a missing fact."""
        return self.by_payer.get(PENDING, 0)

    # --- by estate ---

    @property
    def names(self) -> pa.Array:
        """The ids of `estates`."""
        return self.ids.take(pa.array(self.estates))

    @property
    def estate_places(self) -> npt.NDArray[np.int64]:
        """The place among `estates` of the estate of each cell."""
        return np.searchsorted(self.estates, self.cells // max(1, len(self.keys)))

    @property
    def key_places(self) -> npt.NDArray[np.int64]:
        """The place among `keys` of the key of each cell."""
        return self.cells % max(1, len(self.keys))

    @cached_property
    def households(self) -> dict[str, int]:
        """Rows by estate."""
        return dict(zip(self.names.to_pylist(), self.counts.tolist(), strict=True))

    @cached_property
    def by(self) -> dict[Key, int]:
        """Fen by estate, month and payer."""
        names = self.names.to_pylist()
        cells = zip(self.estate_places.tolist(), self.key_places.tolist(), self.fen.tolist(), strict=True)
        return {(names[estate], *self.keys[key]): fen for estate, key, fen in cells}

    # --- as text ---

    def to_json(self) -> str:
        """One line, the same text for the same totals: estates and keys in order, and none that are not used."""
        (same,) = _named_alike([self])
        told = {
            "estates": same.ids.to_pylist(),
            "households": same.counts.tolist(),
            "keys": same.keys,
            "cells": same.cells.tolist(),
            "fen": same.fen.tolist(),
        }
        return json.dumps(told, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Totals:
        """The totals that `to_json` wrote; ValueError, KeyError or TypeError for another text."""
        told = json.loads(text)
        ids, keys = (
            pa.array(told["estates"], pa.string()),
            tuple((str(month), str(payer)) for month, payer in told["keys"]),
        )
        counts, cells = np.array(told["households"], np.int64), np.array(told["cells"], np.int64)
        found = cls(ids, keys, np.arange(len(ids)), counts, cells, integers(told["fen"]))
        if len(ids) != len(counts) or cells.shape != found.fen.shape or cells.max(initial=-1) >= len(ids) * len(keys):
            raise ValueError("not totals")
        return found


def added(keys: npt.NDArray[np.int64], fen: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Each key once, in order, with the sum of its fen, those left out that come to nought.

    >>> [column.tolist() for column in added(np.array([3, 1, 3, 2]), np.array([5, 1, 6, 0]))]
    [[1, 3], [1, 11]]
    """
    if not len(keys):
        return keys, fen
    order = np.argsort(keys, kind="stable")
    keys, fen = keys[order], fen[order]
    if fen.dtype != object and exact_sum(np.abs(fen)) > MAX_FEN:
        fen = fen.astype(object)
    new = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
    sums = np.add.reduceat(fen, new)
    some = sums != 0
    return keys[new][some], sums[some]


def exact_sum(numbers: npt.NDArray[Any]) -> int:
    """The sum of whole numbers, however large.

    >>> exact_sum(np.array([2**62, 2**62, 1]))
    9223372036854775809
    """
    if numbers.dtype == object:
        return int(sum(numbers.tolist()))
    if len(numbers) * max(abs(int(numbers.max(initial=0))), abs(int(numbers.min(initial=0)))) <= MAX_FEN:
        return int(numbers.sum())
    return (int((numbers >> 32).sum()) << 32) + int((numbers & _LOW_32).sum())


def integers(numbers: Sequence[int]) -> npt.NDArray[Any]:
    """Whole numbers as int64, or as they are where they do not fit."""
    try:
        return np.array(numbers, np.int64)
    except OverflowError:
        return np.array(numbers, object)


def _named_alike(parts: Sequence[Totals]) -> list[Totals]:
    """The same totals over one list of ids and one of keys, both in order and without those that nothing uses."""
    named = [part.names.to_pylist() for part in parts]
    ids = sorted({name for names in named for name in names})
    used = [np.unique(part.key_places).tolist() for part in parts]
    keys = sorted({part.keys[at] for part, places in zip(parts, used, strict=True) for at in places})
    place_of, key_of = ({one: at for at, one in enumerate(listed)} for listed in (ids, keys))
    array, found = pa.array(ids, pa.string()), []
    for part, names, places in zip(parts, named, used, strict=True):
        place = np.array([place_of[name] for name in names], np.int64)
        key = np.zeros(len(part.keys), np.int64)
        key[places] = [key_of[part.keys[at]] for at in places]
        cells = place[part.estate_places] * len(keys) + key[part.key_places]
        order, by_cell = np.argsort(place), np.argsort(cells)
        found.append(Totals(array, tuple(keys), place[order], part.counts[order], cells[by_cell], part.fen[by_cell]))
    return found


@dataclass(frozen=True)
class Result:
    """What the rows of a batch are owed, all arrays of shape (rows,) and dtype int64; `shares` sum to `amounts`.

    Rows with one number in `trace` are alike in all that decides: `Program.explain` says of one what holds for all.
    """

    amounts: Fen
    shares: Mapping[str, Fen]
    trace: Fen
    totals: Totals
