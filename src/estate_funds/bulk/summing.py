"""Totals of partitions, added up in integers, and the tables and the summary that are made of them.

Adding knows no order: however the households were cut, whoever worked on them, the same rows give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa

from estate_funds.errors import InvariantBroken
from estate_funds.money import MAX_FEN
from estate_funds.registry import Estate

PENDING = "pending"
UNITS = ("city", "district", "street", "community")
TOTAL_COLUMNS = (*UNITS, "estate_id", "month", "payer", "fen")
ESTATE_COLUMNS = (*UNITS, "estate_id", "households", "due_fen", "pending_fen")


class Totals(Protocol):
    """What a program says of a batch: sums by estate, month and what they are, and rows by estate."""

    @property
    def by(self) -> Mapping[tuple[str, str, str], int]:
        """Fen by estate_id, month (YYYY-MM) in which the period begins, and payer, or `pending`."""
        ...

    @property
    def households(self) -> Mapping[str, int]:
        """Rows by estate_id."""
        ...


@dataclass(slots=True)
class Sums:
    """Totals that grow; equal, and equal as text, for the same rows in any order.

    `fen` is by estate_id, then by month and payer, or `pending`.
    """

    fen: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    households: dict[str, int] = field(default_factory=dict)

    def add(self, totals: Totals | Sums) -> None:
        """Add the totals of some more rows."""
        for (estate_id, month, what), fen in totals.by.items():
            own = self.fen.setdefault(estate_id, {})
            own[month, what] = own.get((month, what), 0) + int(fen)
        for estate_id, rows in totals.households.items():
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
        return self.sums.shares(self.payers)

    @cached_property
    def _units(self) -> dict[str, tuple[str, ...]]:
        return {estate_id: units_of(self.estates, estate_id) for estate_id in self.sums.households}

    @property
    def amount_fen(self) -> int:
        """What is due in all."""
        return sum(self.shares.values())

    def by_unit(self, level: str) -> list[dict[str, Any]]:
        """Households, due, pending and the payers' shares of each unit of a level, in order of names."""
        found: dict[tuple[str, ...], dict[str, Any]] = {}
        depth = UNITS.index(level) + 1
        for estate_id, rows in self.sums.households.items():
            units = self._units[estate_id][:depth]
            if units not in found:
                shares = dict.fromkeys(self.payers, 0)
                bare = {"households": 0, "due_fen": 0, "pending_fen": 0, "shares": shares}
                found[units] = dict(zip(UNITS, units, strict=False)) | bare
            unit = found[units]
            unit["households"] += rows
            for (_, what), fen in self.sums.fen.get(estate_id, {}).items():
                if what == PENDING:
                    unit["pending_fen"] += fen
                else:
                    unit["due_fen"] += fen
                    unit["shares"][what] += fen
        return [found[units] for units in sorted(found)]

    def totals(self) -> pa.Table:
        """The table of totals: fen by estate, month and payer, in order of units, estate, month and payer."""
        order = self._order()
        at: list[int] = []
        keys: list[tuple[str, str]] = []
        fen: list[int] = []
        for number, estate_id in enumerate(order):
            for key, value in sorted(self.sums.fen.get(estate_id, {}).items()):
                if value:
                    at.append(number)
                    keys.append(key)
                    fen.append(_within(value))
        places = self._places(order).take(pa.array(at, pa.int32()))
        own = [pa.array([month for month, _ in keys], pa.string()), pa.array([what for _, what in keys], pa.string())]
        return pa.table([*places.columns, *own, pa.array(fen, pa.int64())], names=list(TOTAL_COLUMNS))

    def by_estate(self) -> pa.Table:
        """The table of estates: households, due and pending, in order of units and estate."""
        order = self._order()
        columns: list[list[int]] = [[], [], []]
        for estate_id in order:
            own = self.sums.fen.get(estate_id, {})
            pending = sum(fen for (_, what), fen in own.items() if what == PENDING)
            told = (self.sums.households[estate_id], sum(own.values()) - pending, pending)
            for column, value in zip(columns, told, strict=True):
                column.append(_within(value))
        arrays = [*self._places(order).columns, *(pa.array(column, pa.int64()) for column in columns)]
        return pa.table(arrays, names=list(ESTATE_COLUMNS))

    def _order(self) -> list[str]:
        return sorted(self.sums.households, key=lambda estate_id: (self._units[estate_id], estate_id))

    def _places(self, order: Sequence[str]) -> pa.Table:
        """Units and id of estates, in an order."""
        columns = [pa.array([self._units[estate][at] for estate in order], pa.string()) for at in range(len(UNITS))]
        return pa.table([*columns, pa.array(order, pa.string())], names=[*UNITS, "estate_id"])

    def to_json(self) -> dict[str, Any]:
        """The summary in fen; nothing in it depends on how the households were cut."""
        return {
            "about": dict(self.about),
            "households": self.rows,
            "estates": len(self.sums.households),
            "due_fen": self.amount_fen,
            "pending_fen": self.sums.pending_fen,
            "shares": self.shares,
            "absent_columns": list(self.absent),
            "cities": self.by_unit("city"),
            "districts": self.by_unit("district"),
        }


def units_of(estates: Mapping[str, Estate], estate_id: str) -> tuple[str, ...]:
    """City, district, street and community of an estate; empty where the register has none."""
    estate = estates.get(estate_id)
    return tuple(estate.unit_at(level) if estate else "" for level in UNITS)


def _within(fen: int) -> int:
    if abs(fen) > MAX_FEN:
        raise InvariantBroken(f"a total of {fen} fen, which no column holds")
    return fen


__all__ = ["ESTATE_COLUMNS", "PENDING", "TOTAL_COLUMNS", "UNITS", "Summary", "Sums", "Totals", "units_of"]
