"""Divide bills over the floor areas of households, on one core, beside the plain NumPy way with one sort of all rows.

Usage: divide.py ROWS [ROWS_A_GROUP] [LAYOUTS] [ROUNDS]

Groups are of uneven size around ROWS_A_GROUP (561, an estate), rows stand in the order of their groups. LAYOUTS is how
many floor areas the households of a group have among them, as flats of one layout are of one size: 0 for an area of its
own for each. Measured, in turn, ROUNDS times each, by CPU time:

    ours       divide_groups of rows in order, equal remainders by the ids of households
    shuffled   the same rows in no order
    bills      divide_bills of the same as tables, with its checks and proofs
    peer       NumPy: remainders of all rows, one lexsort of group and remainder, the first rows of each group get a fen
    peer_one   the same with one argsort of group and remainder in one number, as it fits here

The peers give equal remainders by the order of rows, which is that of ids here, so their parts must be ours.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from measure import report

from estate_funds.bulk.bills import divide_bills
from estate_funds.bulk.divide import divide_groups
from estate_funds.money import allocate

Ints = npt.NDArray[np.int64]
SEED = 20_241_107
SMALLEST, LARGEST = 4_000, 20_000  # centi-m2 of a household
BILL = (10**5, 10**7)  # fen
SAMPLE = 50  # groups that are put to the plain twin


def drawn(rows: int, rows_a_group: int, layouts: int) -> tuple[Ints, Ints, Ints, pa.Array]:
    """Totals by group; groups, floor areas and ids by row."""
    chance = np.random.default_rng(SEED)
    groups = max(1, rows // rows_a_group)
    borders = np.sort(chance.integers(0, rows, groups - 1))
    counts = np.diff(np.concatenate((np.zeros(1, np.int64), borders, np.array([rows]))))
    group = np.repeat(np.arange(groups), counts)
    areas = chance.integers(SMALLEST, LARGEST, rows)
    if layouts:
        areas = chance.integers(SMALLEST, LARGEST, (groups, layouts))[group, chance.integers(0, layouts, rows)]
    totals = np.where(counts > 0, chance.integers(*BILL, groups), 0)
    ids = pa.array([f"estate-{number >> 10:06d}-{number & 1023:04d}" for number in range(rows)])
    return totals, group, areas, ids


def peer(totals: Ints, group: Ints, areas: Ints, *, one: bool = False) -> Ints:
    """Largest remainder as it is written in NumPy: rank all rows in their groups, the first ones get the odd fen."""
    groups = len(totals)
    starts = np.flatnonzero(np.concatenate((np.ones(1, bool), group[1:] != group[:-1])))
    there = group[starts]
    sums, begins, floors = (np.zeros(groups, np.int64) for _ in range(3))
    sums[there], begins[there] = np.add.reduceat(areas, starts), starts
    parts, remainders = np.divmod(totals[group] * areas, sums[group])
    floors[there] = np.add.reduceat(parts, starts)
    left = totals - floors
    if one:
        order = np.argsort(group * (int(sums.max()) + 1) - remainders, kind="stable")
    else:
        order = np.lexsort((-remainders, group))
    rank = np.arange(len(group)) - begins[group]  # of the row in each place of the order
    parts[order[rank < left[group]]] += 1
    return parts


def timed(work: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, float], dict[str, Any]]:
    """The median CPU seconds of each, and what it gave; they take turns, so that all meet the same machine."""
    spent: dict[str, list[float]] = {name: [] for name in work}
    given = {}
    for _ in range(rounds):
        for name, run in work.items():
            start = time.process_time()
            given[name] = run()
            spent[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in spent.items()}, given


def checked(totals: Ints, group: Ints, areas: Ints, ids: pa.Array, parts: Ints) -> dict[str, bool]:
    """Whether the parts of every group sum to its total, and those of some are the plain twin's."""
    sums = np.zeros(len(totals), np.int64)
    np.add.at(sums, group, parts)
    plain = True
    some = (
        np.unique(np.linspace(0, len(totals) - 1, SAMPLE).astype(np.int64)) if len(group) // len(totals) < 10**5 else []
    )
    for number in some:
        low, high = (int(at) for at in np.searchsorted(group, (number, number + 1)))
        names = ids.slice(low, high - low).to_pylist()
        if names:
            wanted = allocate(int(totals[number]), dict(zip(names, areas[low:high].tolist(), strict=True)))
            plain = plain and list(wanted.values()) == parts[low:high].tolist()
    return {"parts_sum": bool((sums == totals).all()), "as_allocate": plain}


def main(rows: int, rows_a_group: int = 561, layouts: int = 8, rounds: int = 5) -> None:
    """Measure all of them and report."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    totals, group, areas, ids = drawn(rows, rows_a_group, layouts)
    order = np.random.default_rng(SEED).permutation(rows)
    moved = group[order], areas[order], ids.take(pa.array(order))
    names = pa.array([f"bill-{number:07d}" for number in range(len(totals))])
    bills = pa.table({"bill_id": names, "total_fen": totals})
    lines = pa.table({"bill_id": names.take(pa.array(group)), "household_id": ids, "floor_area_centi_m2": areas})
    work: dict[str, Callable[[], Any]] = {
        "ours": lambda: divide_groups(totals, group, areas, ids),
        "shuffled": lambda: divide_groups(totals, *moved),
        "bills": lambda: divide_bills(bills, lines).lines["part_fen"].to_numpy(),
        "peer": lambda: peer(totals, group, areas),
        "peer_one": lambda: peer(totals, group, areas, one=True),
    }
    seconds, given = timed(work, rounds)
    ours = given["ours"]
    alike = {
        name: bool((parts == (ours[order] if name == "shuffled" else ours)).all()) for name, parts in given.items()
    }
    report(
        rows=rows,
        groups=len(totals),
        layouts=layouts,
        rounds=rounds,
        seconds=seconds,
        rows_a_second={name: round(rows / taken) for name, taken in seconds.items()},
        same_parts=alike,
        **checked(totals, group, areas, ids, ours),
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
