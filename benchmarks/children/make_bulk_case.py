"""Make a register as a folder of Parquet files with a case around it: the same arguments, the same rows.

Usage: make_bulk_case.py FOLDER ROWS

    FOLDER/case.toml, estates.csv, assessments.csv     the Donghu award, no households.csv
    FOLDER/households/part-00000.parquet ...           the register, in order of ids, a million rows a file
    FOLDER/expected/part-00000.parquet ...             what each row is owed, worked out here in plain NumPy

Written as a stream, a file at a time, zstd and otherwise as pyarrow writes by itself. A load case and no history:
estates have 800 to 1200 households, service began in any month of two years, one service year in eight was not passed,
one household in ten came later and one in a hundred left. A file ends where an estate ends.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from award import FEN, MONTHS, YEARS, month

ROWS_A_FILE = 1_000_000
LEAST, MOST = 800, 1_200  # households of an estate
STARTS = (month(2021, 1), 24)  # the first month in which service may have begun, and how many
FAILED, LATE, GONE = 8, 10, 100  # one in so many
FIRST_DAY, LAST_DAY = date(1991, 1, 1), date(2026, 12, 31)
CITY, DISTRICTS = "南昌市", ("东湖区", "西湖区", "青云谱区")
CENTI_M2 = 8_000  # of a household, as the estates declare; a row has between half and double of it
ESTATE_DIGITS, UNIT_DIGITS = 7, 5
PREFIX = b"e"
ID_BYTES = len(PREFIX) + ESTATE_DIGITS + 1 + UNIT_DIGITS  # e0000001-00001
SEED = 20250228
EPOCH = date(1970, 1, 1)
ESTATES = [
    "estate_id", "name", "city", "district", "street", "community", "buildings", "floor_area_m2", "completed_on",
    "service_start", "gate", "renovated_on", "office_area_m2", "households",
]  # fmt: skip
SCHEMA = pa.schema(
    [
        ("household_id", pa.string()),
        ("estate_id", pa.string()),
        ("registered_on", pa.date32()),
        ("removed_on", pa.date32()),
        ("floor_area_m2", pa.decimal128(8, 2)),
    ]
)
CASE = """format = 1
id = "bulk"
title = "A load case: the Donghu award on a country of households"
note = "Made for the benchmarks: no history, every figure is assumed."
documents = ["donghu-2021-17"]
claims = ["donghu-2021-17/award"]

[periods]
first = "2021-01"
last = "2027-12"

[people]
maker = "王敏 (preparer)"
approver = "李强 (reviewer)"

[payment]
days_after_decision = 15

[settings.donghu-2021-17]
shortfall_uses = ["cleaning", "security", "greening", "facility-upkeep", "repair"]
"""


@dataclass(frozen=True)
class Estates:
    """All estates, an array each."""

    sizes: np.ndarray  # households, shape (estates,)
    started: np.ndarray  # months since 1970-01, shape (estates,)
    passed: np.ndarray  # bit n - 1 of service year n, shape (estates,)
    counted: np.ndarray  # first day of each service year, days since 1970-01-01, shape (estates, 5)

    @classmethod
    def draw(cls, rows: int) -> Estates:
        """Estates whose households sum to `rows`."""
        chance = np.random.default_rng(SEED)
        sizes = chance.integers(LEAST, MOST + 1, rows // LEAST + 1)
        count = int(np.searchsorted(np.cumsum(sizes), rows)) + 1
        sizes = sizes[:count]
        sizes[-1] -= sizes.sum() - rows
        started = STARTS[0] + chance.integers(0, STARTS[1], count)
        passed = np.zeros(count, np.int64)
        for number in range(YEARS):
            passed |= (chance.integers(0, FAILED, count) > 0).astype(np.int64) << number
        begins = started[:, None] + MONTHS * np.arange(YEARS)
        return cls(sizes, started, passed, begins.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64))

    def files(self) -> Iterator[tuple[int, int]]:
        """First estate and the one after the last of each file."""
        ends = np.cumsum(self.sizes)
        begin = 0
        while begin < len(self.sizes):
            before = ends[begin - 1] if begin else 0
            end = min(int(np.searchsorted(ends, before + ROWS_A_FILE)) + 1, len(self.sizes))
            yield begin, end
            begin = end


@dataclass(frozen=True)
class File:
    """The rows of some estates."""

    estates: Estates
    begin: int
    end: int

    def draw(self) -> tuple[pa.Table, pa.Table, np.ndarray]:
        """The register, what each row is owed, and the households of each estate on its first day of service."""
        chance = np.random.default_rng([SEED, self.begin])
        sizes = self.estates.sizes[self.begin : self.end]
        estate = np.repeat(np.arange(self.begin, self.end), sizes)
        unit = np.arange(len(estate)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        registered, removed = self.days(chance, estate)
        households = pa.Table.from_arrays(
            [
                ids(estate + 1, unit + 1),
                pa.array([estate_id(n) for n in range(self.begin, self.end)]).take(pa.array(estate - self.begin)),
                pa.array(registered.astype(np.int32), pa.date32()),
                pa.array(removed.astype(np.int32), pa.date32(), mask=removed == 0),
                decimals(chance.integers(CENTI_M2 // 2, CENTI_M2 * 2, len(estate))),
            ],
            schema=SCHEMA,
        )
        there = np.zeros((len(estate), YEARS), bool)
        for number in range(YEARS):
            day = self.estates.counted[estate, number]
            there[:, number] = (registered <= day) & ((removed == 0) | (removed > day))
        on_first_day = np.add.reduceat(there[:, 0].astype(np.int64), np.cumsum(sizes) - sizes)
        return households, self.owed(estate, there), on_first_day

    def days(self, chance: np.random.Generator, estate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First day in the register, and first day no longer in it (0: still there)."""
        rows, first, last = len(estate), days(FIRST_DAY), days(LAST_DAY)
        start = self.estates.counted[estate, 0]
        registered = chance.integers(first, start)
        late = chance.integers(0, LATE, rows) == 0
        registered[late] = chance.integers(start[late], last)
        gone = chance.integers(0, GONE, rows) == 0
        removed = np.where(gone, np.maximum(registered, start) + chance.integers(1, 1_500, rows), 0)
        return registered, removed

    def owed(self, estate: np.ndarray, there: np.ndarray) -> pa.Table:
        """Fen in all, of city and of district, and a key that says why: start of service, passed years, days there."""
        passed = self.estates.passed[estate]
        amount, trace = np.zeros(len(estate), np.int64), self.estates.started[estate] - STARTS[0]
        trace = trace << YEARS | passed
        for number, fen in enumerate(FEN):
            amount += np.where(there[:, number] & (passed >> number & 1 == 1), fen * MONTHS, 0)
            trace = trace << 1 | there[:, number]
        city = amount >> 1
        return pa.table({"amount_fen": amount, "city_fen": city, "district_fen": amount - city, "trace": trace})


def days(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def ids(estate: np.ndarray, unit: np.ndarray) -> pa.Array:
    """e0000001-00001 and so on, written into the bytes of the column at once."""
    text = np.empty((len(estate), ID_BYTES), np.uint8)
    text[:, : len(PREFIX)] = np.frombuffer(PREFIX, np.uint8)
    write_digits(estate, text[:, len(PREFIX) : len(PREFIX) + ESTATE_DIGITS])
    text[:, len(PREFIX) + ESTATE_DIGITS] = ord("-")
    write_digits(unit, text[:, -UNIT_DIGITS:])
    ends = np.arange(len(estate) + 1, dtype=np.int32) * ID_BYTES
    return pa.Array.from_buffers(pa.string(), len(estate), [None, pa.py_buffer(ends), pa.py_buffer(text)])


def write_digits(numbers: np.ndarray, text: np.ndarray) -> None:
    """Decimal digits of each number into its row, with leading zeros."""
    for place in reversed(range(text.shape[1])):
        numbers, digit = np.divmod(numbers, 10)
        text[:, place] = digit + ord("0")


def decimals(centi: np.ndarray) -> pa.Array:
    """decimal128(8, 2): two words of 64 bits, the high one 0."""
    words = np.zeros((len(centi), 2), np.int64)
    words[:, 0] = centi
    return pa.Array.from_buffers(pa.decimal128(8, 2), len(centi), [None, pa.py_buffer(words)])


def estate_id(number: int) -> str:
    return f"{PREFIX.decode()}{number + 1:0{ESTATE_DIGITS}d}"


def write_estates(folder: Path, estates: Estates, on_first_day: list[int]) -> None:
    """estates.csv and assessments.csv."""
    starts = [date.fromisoformat(str(day)) for day in estates.counted[:, 0].astype("datetime64[D]")]
    with (folder / "estates.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(ESTATES)
        for number, (start, count) in enumerate(zip(starts, on_first_day, strict=True)):
            district = DISTRICTS[number % len(DISTRICTS)]
            place = (CITY, district, f"{district}{number // 60 + 1}号街道", f"{number + 1}号社区")
            about = (count // 40 + 1, f"{count * CENTI_M2 // 100}.00", "1990-12-31", start, "closed", "2020-11-30")
            writer.writerow((estate_id(number), f"{number + 1}号小区", *place, *about, "130.00", count))
    with (folder / "assessments.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["subject_id", "period", "result", "result_on"])
        for number, (start, passed) in enumerate(zip(starts, estates.passed.tolist(), strict=True)):
            for year in range(1, YEARS + 1):
                result = "pass" if passed >> (year - 1) & 1 else "fail"
                writer.writerow((estate_id(number), year, result, date(start.year + year, start.month, 20)))


def make(folder: Path, rows: int) -> dict[str, object]:
    """Write the folder; what is in it."""
    estates = Estates.draw(rows)
    for name in ("households", "expected"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    on_first_day: list[int] = []
    totals = dict.fromkeys(("amount_fen", "city_fen", "district_fen"), 0)
    for number, (begin, end) in enumerate(estates.files()):
        households, owed, first = File(estates, begin, end).draw()
        name = f"part-{number:05d}.parquet"
        pq.write_table(households, folder / "households" / name, compression="zstd")
        pq.write_table(owed, folder / "expected" / name, compression="zstd")
        on_first_day += first.tolist()
        for what in totals:
            totals[what] += int(owed[what].to_numpy().sum())
    write_estates(folder, estates, on_first_day)
    (folder / "case.toml").write_text(CASE, encoding="utf-8")
    files = sorted((folder / "households").iterdir())
    return {
        "rows": rows,
        "estates": len(estates.sizes),
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        **totals,
    }


if __name__ == "__main__":
    print(json.dumps(make(Path(sys.argv[1]), int(sys.argv[2]))))
