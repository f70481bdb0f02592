"""Totals of partitions, added up in integers, and the tables and the summary that are made of them.

Adding knows no order: however the households were cut, whoever worked on them, the same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.bulk.result import PENDING, Totals, exact_sum
from estate_funds.errors import InvariantBroken
from estate_funds.money import MAX_FEN
from estate_funds.registry import Estate

UNITS = ("city", "district", "street", "community")
TOTAL_COLUMNS = (*UNITS, "estate_id", "month", "payer", "fen")
ESTATE_COLUMNS = (*UNITS, "estate_id", "households", "due_fen", "pending_fen")
_units_of = attrgetter(*UNITS)  # of an estate
_AT_ONCE = 1 << 20  # cells and estates that are kept before they are added up


class Sums:
    """Totals that grow by those of more rows, and are added up when they have become many."""

    def __init__(self) -> None:
        self._parts: list[Totals] = []
        self._held, self._least = 0, 0
        self.rows = 0

    def add(self, totals: Totals) -> None:
        """Add the totals of some more rows."""
        self._parts.append(totals)
        self._held += len(totals.cells) + len(totals.estates)
        self.rows += totals.rows
        if self._held > max(_AT_ONCE, 2 * self._least):
            self.totals()

    def totals(self) -> Totals:
        """What was added so far."""
        if len(self._parts) != 1:
            self._parts = [Totals.of(self._parts)]
            self._held = self._least = len(self._parts[0].cells) + len(self._parts[0].estates)
        return self._parts[0]


@dataclass(frozen=True)
class Summary:
    """What a run came to: `about` says of what, `owed` how much; the rest is how the work went."""

    about: Mapping[str, str]
    payers: tuple[str, ...]
    owed: Totals
    estates: Mapping[str, Estate]
    partitions: int
    done_before: int  # partitions that an earlier run had finished
    absent: tuple[str, ...] = ()  # columns that the files do not have

    @property
    def rows(self) -> int:
        """How many households."""
        return self.owed.rows

    @cached_property
    def shares(self) -> dict[str, int]:
        """What each payer owes, in fen."""
        return {payer: self.owed.by_payer.get(payer, 0) for payer in self.payers}

    @property
    def pending_fen(self) -> int:
        """What would be due in all, if what is not known turned out well."""
        return self.owed.pending_fen

    @property
    def amount_fen(self) -> int:
        """What is due in all."""
        return sum(self.shares.values())

    def by_unit(self, level: str) -> list[dict[str, Any]]:
        """Households, due, pending and the payers' shares of each unit of a level, in order of names."""
        depth = UNITS.index(level) + 1
        found: dict[tuple[str, ...], dict[str, Any]] = {}
        for *units, rows, due, pending in _grouped(self.by_estate, UNITS[:depth], ESTATE_COLUMNS[-3:]):
            bare = {"households": rows, "due_fen": due, "pending_fen": pending, "shares": dict.fromkeys(self.payers, 0)}
            found[tuple(units)] = dict(zip(UNITS, units, strict=False)) | bare
        for *units, what, fen in _grouped(self.totals, (*UNITS[:depth], "payer"), ("fen",)):
            if what != PENDING:
                found[tuple(units)]["shares"][what] = fen
        return [found[units] for units in sorted(found)]

    @cached_property
    def totals(self) -> pa.Table:
        """The table of totals: fen by estate, month and payer, in order of units, estate, month and payer."""
        owed = self.owed
        if exact_sum(np.abs(owed.fen)) > MAX_FEN:  # so no sum of some of them outgrows a column
            raise InvariantBroken(f"totals of {owed.amount_fen} fen, which no column holds")
        keys = sorted(range(len(owed.keys)), key=owed.keys.__getitem__)
        estate, key = np.argsort(self._order)[owed.estate_places], np.argsort(keys)[owed.key_places]
        order = np.argsort(estate * max(1, len(keys)) + key, kind="stable")
        places = self._places.take(pa.array(estate[order]))
        months, payers = (pa.array([owed.keys[at][part] for at in keys], pa.string()) for part in (0, 1))
        own = [column.take(pa.array(key[order])) for column in (months, payers)]
        fen = pa.array(owed.fen[order], pa.int64())
        return pa.table([*places.columns, *own, fen], names=list(TOTAL_COLUMNS))

    @cached_property
    def by_estate(self) -> pa.Table:
        """The table of estates: households, due and pending, in order of units and estate."""
        columns = np.zeros((3, len(self._order)), np.int64)
        columns[0] = self.owed.counts[self._order]
        at = np.argsort(self._order)[self.owed.estate_places]
        pending = np.array([payer == PENDING for _, payer in self.owed.keys], np.int64)[self.owed.key_places]
        np.add.at(columns, (1 + pending, at), self.owed.fen.astype(np.int64))
        return pa.table([*self._places.columns, *map(pa.array, columns)], names=list(ESTATE_COLUMNS))

    @cached_property
    def _units(self) -> pa.Table:
        """Units and id of the estates, in order of the totals."""
        names = self.owed.names
        nowhere = ("",) * len(UNITS)  # of an estate that the register does not have
        found = map(self.estates.get, names.to_pylist())
        units = [nowhere if estate is None else _units_of(estate) for estate in found]
        columns = [pa.array([one[at] for one in units], pa.string()) for at in range(len(UNITS))]
        return pa.table([*columns, names], names=[*UNITS, "estate_id"])

    @cached_property
    def _order(self) -> npt.NDArray[np.int64]:
        """The places of the estates in order of units and id."""
        order = pc.sort_indices(self._units, [(name, "ascending") for name in self._units.column_names])
        return np.asarray(order, np.int64)

    @cached_property
    def _places(self) -> pa.Table:
        """Units and id of the estates, in order of both."""
        return self._units.take(pa.array(self._order))

    def to_json(self) -> dict[str, Any]:
        """The summary in fen; nothing in it depends on how the households were cut."""
        return {
            "about": dict(self.about),
            "households": self.rows,
            "estates": len(self.owed.estates),
            "due_fen": self.amount_fen,
            "pending_fen": self.pending_fen,
            "shares": self.shares,
            "absent_columns": list(self.absent),
            "cities": self.by_unit("city"),
            "districts": self.by_unit("district"),
        }


def _grouped(table: pa.Table, keys: Sequence[str], summed: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The sums of some columns for each group of others."""
    found = table.group_by(list(keys)).aggregate([(name, "sum") for name in summed])
    yield from zip(*(found[name].to_pylist() for name in (*keys, *(f"{one}_sum" for one in summed))), strict=True)


__all__ = ["ESTATE_COLUMNS", "TOTAL_COLUMNS", "UNITS", "Summary", "Sums"]
