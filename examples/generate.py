"""Make the large tables of the examples from published totals, the same bytes every time.

Published (see each case.toml for the source): the totals. Assumed, and so written in the README of each example: how
they divide among estates, all days, results, spendings and names of firms.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from estate_funds.testing.registries import Totals, household_ids, split_totals

HERE = Path(__file__).parent
ESTATE_COLUMNS = [
    "estate_id", "name", "city", "district", "street", "community", "buildings", "floor_area_m2",
    "completed_on", "service_start", "gate", "renovated_on", "office_area_m2", "households",
]  # fmt: skip


def write_csv(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def square_metres(centi: int) -> str:
    return f"{centi // 100}.{centi % 100:02d}"


def donghu(folder: Path) -> None:
    """1 885 households in 60 buildings of 164 300 m2, divided between the two communities by assumption."""
    estates = [
        ("yuanyi", "院一", "院一社区", 31, 8_370_000, "2021-01-01", "2020-11-30", "130.00", 960),
        ("yuaner", "院二", "院二社区", 29, 8_060_000, "2021-07-01", "2021-05-31", "110.00", 925),
    ]
    write_csv(
        folder / "estates.csv",
        ESTATE_COLUMNS,
        (
            (i, name, "南昌市", "东湖区", "公园街道", community, buildings, square_metres(area), "1985-12-31")
            + (start, "closed", renovated, office, households)
            for i, name, community, buildings, area, start, renovated, office, households in estates
        ),
    )
    write_csv(
        folder / "households.csv",
        ["household_id", "estate_id", "building", "registered_on", "removed_on"],
        (
            (household, estate, building, "2020-06-30", "")
            for estate, _, _, buildings, _, _, _, _, count in estates
            for household, building in household_ids(estate, count, buildings)
        ),
    )


def dezhou(folder: Path) -> None:
    """The 2022 plan of the twelve counties: estates within a county by a seeded split, all assessments passed."""
    with (folder / "dezhou-2022-plan.csv").open(encoding="utf-8") as file:
        plan = list(csv.DictReader(file))
    start = date(2021, 7, 1)
    estates: list[tuple[object, ...]] = []
    households: list[tuple[str, str, str]] = []
    for county_number, county in enumerate(plan, start=1):
        name = county["county"]
        area = int(Decimal(county["floor_area_10k_m2"]) * 10_000 * 100)
        totals = Totals(int(county["estates"]), int(county["buildings"]), int(county["households"]), area)
        for number, row in enumerate(split_totals(totals, seed=name), start=1):
            estate = f"dz{county_number:02d}-{number:03d}"
            label = f"{name}{number:03d}号小区"
            estates.append(
                (estate, label, "德州市", name, f"{name}街道", f"{name}{number:03d}号社区", row.buildings)
                + (
                    square_metres(row.floor_area_centi_m2),
                    "1995-12-31",
                    start,
                    "open",
                    "2021-06-30",
                    "",
                    row.households,
                )
            )
            households += [(h, estate, b) for h, b in household_ids(estate, row.households, row.buildings)]
    write_csv(folder / "estates.csv", ESTATE_COLUMNS, estates)
    ids, of_estate, buildings = zip(*households, strict=True)
    table = pa.table(
        {
            "household_id": pa.array(ids),
            "estate_id": pa.array(of_estate),
            "building": pa.array(buildings),
            "registered_on": pa.array([date(2020, 6, 30)] * len(ids), pa.date32()),
        }
    )
    pq.write_table(table, folder / "households.parquet", compression="zstd")
    write_csv(
        folder / "assessments.csv",
        ["subject_id", "period", "result", "result_on"],
        ((estate[0], year, "pass", date(2021 + year, 7, 10)) for estate in estates for year in range(1, 6)),
    )


def main(root: Path) -> None:
    donghu(root / "donghu")
    dezhou(root / "dezhou")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
