"""A small program in the place of a compiled one, and files of households for it: for tests of files, runs, commands.

It pays 216 yuan a household and 1 fen for each whole m2, half city and half district, the odd fen to the district.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from conftest import make_estate
from estate_funds.bulk.result import Totals
from estate_funds.bulk.wanted import STAYS, Wanted
from estate_funds.errors import CellError
from estate_funds.registry import Estate

ESTATES = tuple(f"e{n}" for n in range(7))
PAYERS = ("city", "district")
BASE_FEN = 216_00
AREA = pa.decimal128(18, 2)


@dataclass(frozen=True)
class Result:
    amounts: npt.NDArray[np.int64]
    shares: Mapping[str, npt.NDArray[np.int64]]
    trace: npt.NDArray[np.int64]
    totals: Totals


COLUMNS = (*STAYS, Wanted("floor_area_m2", AREA, "floor area", required=False))


@dataclass(frozen=True)
class StandIn:
    """The program; `delay_ms` makes each batch slow, `dies` names a file that ends the first process to see it."""

    columns: tuple[Wanted, ...] = COLUMNS
    payers: tuple[str, ...] = PAYERS
    digest: str = "sha256:stand-in"
    known: tuple[str, ...] = ESTATES
    delay_ms: int = 0
    dies: str = ""
    always: bool = field(default=False)

    def assess(self, batch: pa.RecordBatch, *, place: Callable[[int, str], str]) -> Result:
        assert batch.schema.names == [column.name for column in self.columns]
        self._misbehave()
        estates = batch["estate_id"].to_pylist()
        for row, estate_id in enumerate(estates):
            if estate_id not in self.known:
                raise CellError("an unknown estate", where=place(row, "estate_id"), got=repr(estate_id))
        areas = [int(area or 0) for area in batch["floor_area_m2"].to_pylist()]
        amounts = np.array([BASE_FEN + area for area in areas], np.int64)
        city = amounts // 2
        shares = {"city": city, "district": amounts - city}
        by: dict[tuple[str, str, str], int] = {}
        households: dict[str, int] = {}
        months = [day.isoformat()[:7] for day in batch["registered_on"].to_pylist()]
        for at, (estate_id, month) in enumerate(zip(estates, months, strict=True)):
            households[estate_id] = households.get(estate_id, 0) + 1
            for payer in self.payers:
                key = estate_id, month, payer
                by[key] = by.get(key, 0) + int(shares[payer][at])
        return Result(amounts, shares, np.array(areas, np.int64), Totals.of_fen(by, households))

    def explain(self, row: Mapping[str, object]) -> str:
        return f"{row['estate_id']} from {row['registered_on']}: {row['floor_area_m2']} m2"

    def _misbehave(self) -> None:
        if self.delay_ms:
            time.sleep(self.delay_ms / 1000)
        if self.dies:
            try:
                os.close(os.open(self.dies, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                if not self.always:
                    return
            os._exit(1)


def estates() -> dict[str, Estate]:
    return {name: make_estate(name, city="c1" if name < "e4" else "c2", district=f"d-{name}") for name in ESTATES}


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "household_id": f"h{n:07d}",
            "estate_id": ESTATES[n * n % 7],
            "registered_on": date(2021, 1, 1) + timedelta(days=n % 400),
            "removed_on": date(2024, 1, 1) if n % 10 == 0 else None,
            "floor_area_m2": Decimal(5_000 + n % 9_000).scaleb(-2),
            "phone": "13800000000",
        }
        for n in range(start, start + count)
    ]


SCHEMA = pa.schema(
    [
        ("household_id", pa.string()),
        ("estate_id", pa.string()),
        ("registered_on", pa.date32()),
        ("removed_on", pa.date32()),
        ("floor_area_m2", AREA),
        ("phone", pa.string()),
    ]
)


def table(of: Sequence[Mapping[str, Any]], schema: pa.Schema = SCHEMA) -> pa.Table:
    return pa.Table.from_pylist(list(of), schema=schema)


def write_parquet(path: Path, of: Sequence[Mapping[str, Any]], group: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(of), path, row_group_size=group)
    return path


def write_csv(path: Path, of: Sequence[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(SCHEMA.names)]
    lines += [",".join("" if row[name] is None else str(row[name]) for name in SCHEMA.names) for row in of]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
