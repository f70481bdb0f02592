"""Totals of partitions, added up in integers, and the tables and the summary that are made of them.

Adding knows no order: however the households were cut, whoever worked on them, the same rows give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
    """Totals that grow; equal, and equal as text, for the same rows in any order."""

    by: dict[tuple[str, str, str], int] = field(default_factory=dict)
    households: dict[str, int] = field(default_factory=dict)

    def add(self, totals: Totals) -> None:
        """Add the totals of some more rows."""
        for key, fen in totals.by.items():
            self.by[key] = self.by.get(key, 0) + int(fen)
        for estate_id, rows in totals.households.items():
            self.households[estate_id] = self.households.get(estate_id, 0) + int(rows)

    @property
    def rows(self) -> int:
        """How many households were added up."""
        return sum(self.households.values())

    def shares(self, payers: Sequence[str]) -> dict[str, int]:
        """What each payer owes in all."""
        found = dict.fromkeys(payers, 0)
        for (_, _, what), fen in self.by.items():
            if what in found:
                found[what] += fen
        return found

    @property
    def pending_fen(self) -> int:
        """What would be due in all, if what is not known turned out well."""
        return sum(fen for (_, _, what), fen in self.by.items() if what == PENDING)

    def to_json(self) -> str:
        """One line, keys in order.

        >>> Sums({("a", "2024-01", "city"): 5}, {"a": 1}).to_json()
        '{"fen":{"a":{"2024-01":{"city":5}}},"households":{"a":1}}'
        """
        nested: dict[str, dict[str, dict[str, int]]] = {}
        for (estate_id, month, what), fen in self.by.items():
            if fen:  # whether a batch names what is nought depends on how it was cut
                nested.setdefault(estate_id, {}).setdefault(month, {})[what] = fen
        told = {"fen": nested, "households": self.households}
        return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Sums:
        """The sums that `to_json` wrote; ValueError, KeyError or TypeError for another text."""
        told = json.loads(text)
        by = {
            (estate_id, month, what): int(fen)
            for estate_id, months in told["fen"].items()
            for month, parts in months.items()
            for what, fen in parts.items()
        }
        return cls(by, {estate_id: int(rows) for estate_id, rows in told["households"].items()})


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

    @property
    def shares(self) -> dict[str, int]:
        """What each payer owes, in fen."""
        return self.sums.shares(self.payers)

    @property
    def amount_fen(self) -> int:
        """What is due in all."""
        return sum(self.shares.values())

    def by_unit(self, level: str) -> list[dict[str, Any]]:
        """Households, due, pending and the payers' shares of each unit of a level, in order of names."""
        found: dict[tuple[str, ...], dict[str, Any]] = {}
        depth = UNITS.index(level) + 1

        def of(estate_id: str) -> dict[str, Any]:
            units = units_of(self.estates, estate_id)[:depth]
            bare = {"households": 0, "due_fen": 0, "pending_fen": 0, "shares": dict.fromkeys(self.payers, 0)}
            return found.setdefault(units, dict(zip(UNITS, units, strict=False)) | bare)

        for estate_id, rows in self.sums.households.items():
            of(estate_id)["households"] += rows
        for (estate_id, _, what), fen in self.sums.by.items():
            if what in self.payers:
                of(estate_id)["due_fen"] += fen
                of(estate_id)["shares"][what] += fen
            elif what == PENDING:
                of(estate_id)["pending_fen"] += fen
        return [found[units] for units in sorted(found)]

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


def totals_rows(sums: Sums, estates: Mapping[str, Estate]) -> Iterable[tuple[object, ...]]:
    """The rows of totals.csv, in order."""
    for (estate_id, month, what), fen in sorted(
        sums.by.items(), key=lambda one: (units_of(estates, one[0][0]), one[0])
    ):
        if fen:
            yield (*units_of(estates, estate_id), estate_id, month, what, _within(fen))


def estate_rows(sums: Sums, estates: Mapping[str, Estate], payers: Sequence[str]) -> Iterable[tuple[object, ...]]:
    """The rows of estates.csv, in order."""
    due, pending = dict.fromkeys(sums.households, 0), dict.fromkeys(sums.households, 0)
    for (estate_id, _, what), fen in sums.by.items():
        if what in payers:
            due[estate_id] = due.get(estate_id, 0) + fen
        elif what == PENDING:
            pending[estate_id] = pending.get(estate_id, 0) + fen
    for estate_id in sorted(sums.households, key=lambda one: (units_of(estates, one), one)):
        counted = sums.households[estate_id], _within(due[estate_id]), _within(pending[estate_id])
        yield (*units_of(estates, estate_id), estate_id, *counted)


def table_of(columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> pa.Table:
    """Rows as a table: texts, and int64 for what is counted."""
    counted = ("fen", "households", "due_fen", "pending_fen")
    schema = pa.schema([(name, pa.int64() if name in counted else pa.string()) for name in columns])
    parts = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    arrays = [pa.array(part, field.type) for part, field in zip(parts, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _within(fen: int) -> int:
    if abs(fen) > MAX_FEN:
        raise InvariantBroken(f"a total of {fen} fen, which no column holds")
    return fen


__all__ = [
    "ESTATE_COLUMNS",
    "PENDING",
    "TOTAL_COLUMNS",
    "UNITS",
    "Summary",
    "Sums",
    "Totals",
    "estate_rows",
    "table_of",
    "totals_rows",
    "units_of",
]
