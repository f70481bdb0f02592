"""Household registers that tie to published totals, the same from the same seed on any machine.

No household-level register is published, and none should be: it is personal data. These rows stand in for one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from estate_funds.money import allocate


@dataclass(frozen=True, slots=True)
class Totals:
    """Published totals of an area; floor area in hundredths of a m2."""

    estates: int
    buildings: int
    households: int
    floor_area_centi_m2: int


def split_totals(totals: Totals, *, seed: str) -> list[Totals]:
    """One row an estate, uneven as life is, that sum to the totals exactly; every estate has a building and households.

    >>> rows = split_totals(Totals(3, 104, 3793, 40_640_000), seed="a")
    >>> [sum(getattr(r, n) for r in rows) for n in ("estates", "buildings", "households", "floor_area_centi_m2")]
    [3, 104, 3793, 40640000]
    """
    chance = random.Random(seed)
    sizes = {n: chance.randint(50, 150) for n in range(totals.estates)}
    households = _at_least_one(totals.households, sizes)
    buildings = _at_least_one(totals.buildings, sizes)
    spread = {n: count * chance.randint(90, 110) for n, count in households.items()}
    areas = allocate(totals.floor_area_centi_m2, spread)
    return [Totals(1, buildings[n], households[n], areas[n]) for n in sizes]


def household_ids(prefix: str, count: int, buildings: int) -> Iterator[tuple[str, str]]:
    """Household id and building of each unit, in order of ids.

    >>> list(household_ids("yy", 3, 2))
    [('yy-01-0001', '1'), ('yy-01-0002', '1'), ('yy-02-0001', '2')]
    """
    for building, units in _at_least_one(count, dict.fromkeys(range(1, buildings + 1), 1)).items():
        for unit in range(1, units + 1):
            yield f"{prefix}-{building:02d}-{unit:04d}", str(building)


def joining_days(count: int, start: date, *, seed: str) -> list[date]:
    """Days of registration within the years before `start`, none after it."""
    chance = random.Random(seed)
    return [date(chance.randint(start.year - 30, start.year - 1), chance.randint(1, 12), 1) for _ in range(count)]


def _at_least_one(total: int, weights: dict[int, int]) -> dict[int, int]:
    return {key: part + 1 for key, part in allocate(total - len(weights), weights).items()}
