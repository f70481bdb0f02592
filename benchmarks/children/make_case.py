"""Make the case of the main benchmark: the same arguments, the same bytes.

Usage: make_case.py FOLDER HOUSEHOLDS DAYS ORDER

DAYS is `spread` (registered in any month of the thirty years before, one in a hundred removed later) or `one` (all
registered on one day). ORDER is `sorted` (by household id, as registers are exported) or `shuffled`.

A load case and no history: the document is Donghu's, the size of an estate is Nanchang's published average (185 812
households in 331 projects), and everything else is assumed. Every household is there on the first day of service, so
the award can be worked out by hand: households x 18 yuan x 12 months, half from the city and half from the districts.
"""

from __future__ import annotations

import csv
import hashlib
import json
import random
import sys
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path

from estate_funds.testing.registries import Totals, household_ids, joining_days, split_totals

HOUSEHOLDS_PER_ESTATE = 561
HOUSEHOLDS_PER_BUILDING = 40
CENTI_M2_PER_HOUSEHOLD = 8_000
CITY, DISTRICTS = "南昌市", ("东湖区", "西湖区", "青云谱区")
START, RESULT_ON, APPROPRIATED_ON = date(2021, 1, 1), date(2022, 1, 10), date(2022, 1, 5)
ONE_DAY = date(2020, 6, 30)
FEN_PER_HOUSEHOLD = 18 * 12 * 100
SEED = "estate_funds main path"
ESTATES = [
    "estate_id", "name", "city", "district", "street", "community", "buildings", "floor_area_m2",
    "completed_on", "service_start", "gate", "renovated_on", "office_area_m2", "households",
]  # fmt: skip
HOUSEHOLDS = ["household_id", "estate_id", "building", "registered_on", "removed_on", "floor_area_m2"]


def make_case(folder: Path, households: int, days: str, order: str) -> dict[str, object]:
    """Write the folder; what was made, and the digest of the household file."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = estates(households)
    write_csv(folder / "estates.csv", ESTATES, (estate_row(number, row) for number, row in enumerate(rows)))
    people = household_rows(rows, days)
    if order == "shuffled":
        listed = list(people)
        random.Random(SEED).shuffle(listed)
        people = iter(listed)
    write_csv(folder / "households.csv", HOUSEHOLDS, people)
    results = ((estate_id(number), 1, "pass", RESULT_ON) for number in range(len(rows)))
    write_csv(folder / "assessments.csv", ["subject_id", "period", "result", "result_on"], results)
    (folder / "case.toml").write_text(case_toml(rows), encoding="utf-8")
    with (folder / "households.csv").open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "households": households,
        "estates": len(rows),
        "districts": len(by_district(rows)),
        "registered": days,
        "order": order,
        "households_csv_bytes": (folder / "households.csv").stat().st_size,
        "households_csv_sha256": digest,
    }


def estates(households: int) -> list[Totals]:
    """Estates of uneven size whose households sum to the number asked for."""
    count = max(1, households // HOUSEHOLDS_PER_ESTATE)
    buildings = max(count, households // HOUSEHOLDS_PER_BUILDING)
    return split_totals(Totals(count, buildings, households, households * CENTI_M2_PER_HOUSEHOLD), seed=SEED)


def estate_id(number: int) -> str:
    return f"nc{number + 1:05d}"


def district_of(number: int) -> str:
    return DISTRICTS[number % len(DISTRICTS)]


def by_district(rows: list[Totals]) -> dict[str, int]:
    """Households of each district."""
    sums: dict[str, int] = {}
    for number, row in enumerate(rows):
        sums[district_of(number)] = sums.get(district_of(number), 0) + row.households
    return sums


def estate_row(number: int, row: Totals) -> tuple[object, ...]:
    name, district = f"{number + 1:05d}号小区", district_of(number)
    area = square_metres(row.floor_area_centi_m2)
    place = (CITY, district, f"{district}{number // 60 + 1:02d}号街道", f"{number + 1:05d}号社区")
    return (estate_id(number), name, *place, row.buildings, area) + (
        *("1995-12-31", START, "closed", "2020-11-30", "130.00"),
        row.households,
    )


def household_rows(rows: list[Totals], days: str) -> Iterator[tuple[object, ...]]:
    """One row a household, in order of ids."""
    for number, row in enumerate(rows):
        estate = estate_id(number)
        chance = random.Random(f"{SEED} {estate}")
        joined = joining_days(row.households, START, seed=estate) if days == "spread" else [ONE_DAY] * row.households
        for (household, building), day in zip(
            household_ids(estate, row.households, row.buildings), joined, strict=True
        ):
            left = START + timedelta(days=chance.randint(1, 700)) if days == "spread" and chance.random() < 0.01 else ""
            yield household, estate, building, day, left, square_metres(chance.randint(4_500, 13_500))


def case_toml(rows: list[Totals]) -> str:
    """case.toml, with appropriations that cover the claims to the fen."""
    districts = by_district(rows)
    funds = [("city", f"award-budget/city/{CITY}", sum(districts.values()))]
    funds += [
        (f"district{n}", f"award-budget/district/{name}", count) for n, (name, count) in enumerate(districts.items())
    ]
    return CASE + "".join(
        APPROPRIATION.format(name=name, on=APPROPRIATED_ON, fund=fund, amount=yuan(count * FEN_PER_HOUSEHOLD // 2))
        for name, fund, count in funds
    )


CASE = """format = 1
id = "benchmark"
title = "A load case: the Donghu award on a city of households"
note = "Made by benchmarks/main_path.py: no history, every figure below the averages is assumed."
documents = ["donghu-2021-17"]
claims = ["donghu-2021-17/award"]

[periods]
first = "2021-01"
last = "2021-12"

[people]
maker = "王敏 (preparer)"
approver = "李强 (reviewer)"

[payment]
days_after_decision = 15

[settings.donghu-2021-17]
shortfall_uses = ["cleaning", "security", "greening", "facility-upkeep", "repair"]
"""
APPROPRIATION = """
[[appropriations]]
id = "{name}-2022"
on = {on}
fund = "{fund}"
source = "treasury"
amount = "{amount}"
"""


def square_metres(centi: int) -> str:
    return f"{centi // 100}.{centi % 100:02d}"


def yuan(fen: int) -> str:
    return f"{fen // 100:,}.{fen % 100:02d}"


def write_csv(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    _, where, how_many, *manner = sys.argv
    print(json.dumps(make_case(Path(where), int(how_many), *manner)))
