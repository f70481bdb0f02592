"""Totals of partitions, added up in integers, and the tables and the summary that are made of them.

Adding knows no order: however the households were cut, whoever worked on them, the same rows give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.bulk.result import PENDING, Totals
from estate_funds.errors import InvariantBroken
from estate_funds.money import MAX_FEN
from estate_funds.registry import Estate

UNITS = ("city", "district", "street", "community")
TOTAL_COLUMNS = (*UNITS, "estate_id", "month", "payer", "fen")
ESTATE_COLUMNS = (*UNITS, "estate_id", "households", "due_fen", "pending_fen")


@dataclass(slots=True)
class Sums:
    """Totals that grow; equal, and equal as text, for the same rows in any order.

    `fen` is by estate_id, then by month and payer, or `pending`.
    """

    fen: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    households: dict[str, int] = field(default_factory=dict)

    def add(self, totals: Totals) -> None:
        """Add the totals of some more rows."""
        for (estate_id, month, what), fen in totals.by.items():
            own = self.fen.setdefault(estate_id, {})
            own[month, what] = own.get((month, what), 0) + int(fen)
        self._count(totals.households)

    def join(self, others: Sums) -> None:
        """Add the sums of another partition; most estates lie in one."""
        for estate_id, more in others.fen.items():
            if (own := self.fen.get(estate_id)) is None:
                self.fen[estate_id] = dict(more)
            else:
                for key, fen in more.items():
                    own[key] = own.get(key, 0) + fen
        self._count(others.households)

    def _count(self, households: Mapping[str, int]) -> None:
        for estate_id, rows in households.items():
            self.households[estate_id] = self.households.get(estate_id, 0) + int(rows)

    @property
    def by(self) -> dict[tuple[str, str, str], int]:
        """Fen by estate_id, month and payer."""
        return {(estate, *key): fen for estate, own in self.fen.items() for key, fen in own.items()}

    @property
    def rows(self) -> int:
        """How many households were added up."""
        return sum(self.households.values())

    def by_payer(self) -> dict[str, int]:
        """What each payer owes in all, and what is pending."""
        found: dict[str, int] = {}
        for own in self.fen.values():
            for (_, what), fen in own.items():
                found[what] = found.get(what, 0) + fen
        return found

    def shares(self, payers: Sequence[str]) -> dict[str, int]:
        """What each payer owes in all."""
        found = self.by_payer()
        return {payer: found.get(payer, 0) for payer in payers}

    @property
    def pending_fen(self) -> int:
        """What would be due in all, if what is not known turned out well."""
        return self.by_payer().get(PENDING, 0)

    def to_json(self) -> str:
        """One line, keys in order.

        >>> Sums({"a": {("2024-01", "city"): 5}}, {"a": 1}).to_json()
        '{"fen":{"a":{"2024-01":{"city":5}}},"households":{"a":1}}'
        """
        nested: dict[str, dict[str, dict[str, int]]] = {}
        for estate_id, own in self.fen.items():
            for (month, what), fen in own.items():
                if fen:  # whether a batch names what is nought depends on how it was cut
                    nested.setdefault(estate_id, {}).setdefault(month, {})[what] = fen
        told = {"fen": nested, "households": self.households}
        return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Sums:
        """The sums that `to_json` wrote; ValueError, KeyError or TypeError for another text."""
        told = json.loads(text)
        fen = {
            estate_id: {(month, what): int(fen) for month, parts in months.items() for what, fen in parts.items()}
            for estate_id, months in told["fen"].items()
        }
        return cls(fen, {estate_id: int(rows) for estate_id, rows in told["households"].items()})


@dataclass(frozen=True)
class Summary:
    """What a run came to: `about` says of what, `sums` how much; the rest is how the work went."""

    about: Mapping[str, str]
    payers: tuple[str, ...]
    sums: Sums
    estates: Mapping[str, Estate]
    partitions: int
    done_before: int  # partitions that an earlier run had finished
    absent: tuple[str, ...] = ()  # columns that the files do not have

    @property
    def rows(self) -> int:
        """How many households."""
        return self.sums.rows

    @cached_property
    def shares(self) -> dict[str, int]:
        """What each payer owes, in fen."""
        return {payer: self._sum(payer) for payer in self.payers}

    @cached_property
    def pending_fen(self) -> int:
        """What would be due in all, if what is not known turned out well."""
        return self._sum(PENDING)

    def _sum(self, what: str) -> int:
        return int(pc.sum(self.totals["fen"].filter(pc.equal(self.totals["payer"], what))).as_py() or 0)

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
        at: list[int] = []
        keys: list[tuple[str, str]] = []
        fen: list[int] = []
        for number, estate_id in enumerate(self._order):
            for key, value in sorted(self.sums.fen.get(estate_id, {}).items()):
                if value:
                    at.append(number)
                    keys.append(key)
                    fen.append(value)
        if sum(map(abs, fen)) > MAX_FEN:  # so no sum of some of them outgrows a column
            raise InvariantBroken(f"totals of {sum(fen)} fen, which no column holds")
        places = self._places.take(pa.array(at, pa.int32()))
        own = [pa.array([month for month, _ in keys], pa.string()), pa.array([what for _, what in keys], pa.string())]
        return pa.table([*places.columns, *own, pa.array(fen, pa.int64())], names=list(TOTAL_COLUMNS))

    @cached_property
    def by_estate(self) -> pa.Table:
        """The table of estates: households, due and pending, in order of units and estate."""
        columns = np.zeros((3, len(self._order)), np.int64)
        columns[0] = [self.sums.households[estate_id] for estate_id in self._order]
        at = pc.index_in(self.totals["estate_id"], pa.array(self._order, pa.string())).to_numpy()
        row = 1 + pc.equal(self.totals["payer"], PENDING).to_numpy().astype(np.int64)
        np.add.at(columns, (row, at), self.totals["fen"].to_numpy())
        return pa.table([*self._places.columns, *map(pa.array, columns)], names=list(ESTATE_COLUMNS))

    @cached_property
    def _units(self) -> dict[str, tuple[str, ...]]:
        return {estate_id: units_of(self.estates, estate_id) for estate_id in self.sums.households}

    @cached_property
    def _order(self) -> list[str]:
        return sorted(self.sums.households, key=lambda estate_id: (self._units[estate_id], estate_id))

    @cached_property
    def _places(self) -> pa.Table:
        """Units and id of the estates, in order."""
        units = [self._units[estate_id] for estate_id in self._order]
        columns = [pa.array([one[at] for one in units], pa.string()) for at in range(len(UNITS))]
        return pa.table([*columns, pa.array(self._order, pa.string())], names=[*UNITS, "estate_id"])

    def to_json(self) -> dict[str, Any]:
        """The summary in fen; nothing in it depends on how the households were cut."""
        return {
            "about": dict(self.about),
            "households": self.rows,
            "estates": len(self.sums.households),
            "due_fen": self.amount_fen,
            "pending_fen": self.pending_fen,
            "shares": self.shares,
            "absent_columns": list(self.absent),
            "cities": self.by_unit("city"),
            "districts": self.by_unit("district"),
        }


def units_of(estates: Mapping[str, Estate], estate_id: str) -> tuple[str, ...]:
    """City, district, street and community of an estate; empty where the register has none."""
    estate = estates.get(estate_id)
    return tuple(estate.unit_at(level) if estate else "" for level in UNITS)


def _grouped(table: pa.Table, keys: Sequence[str], summed: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The sums of some columns for each group of others."""
    found = table.group_by(list(keys)).aggregate([(name, "sum") for name in summed])
    yield from zip(*(found[name].to_pylist() for name in (*keys, *(f"{one}_sum" for one in summed))), strict=True)


__all__ = ["ESTATE_COLUMNS", "PENDING", "TOTAL_COLUMNS", "UNITS", "Summary", "Sums", "units_of"]
