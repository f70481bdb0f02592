"""A CSV of households in: by pyarrow alone, or by `read_households`, which also checks every row and every id.

Usage: csv_read.py bare|typed|ours ESTATES_CSV HOUSEHOLDS_CSV [THREADS]

`bare` is `pyarrow.csv.read_csv` as it is, all columns, their types guessed; `typed` reads the four columns that we want
with our types, and leaves the rest. Nothing is done with either. Both say how many
households are still there at the end, which is counted after the clock has stopped.
"""

from __future__ import annotations

import sys
import time
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
from measure import Clock, report

from estate_funds.exchange.households import read_households
from estate_funds.registry import Estate

TYPES = {
    "household_id": pa.string(),
    "estate_id": pa.string(),
    "registered_on": pa.date32(),
    "removed_on": pa.date32(),
}
LONG_AFTER = date(2100, 1, 1)


def typed(path: Path) -> pa.Table:
    """The four columns."""
    options = csv.ConvertOptions(
        include_columns=list(TYPES), column_types=TYPES, null_values=[""], strings_can_be_null=True
    )
    return csv.read_csv(path, convert_options=options)


def known_estates(path: Path) -> dict[str, Estate]:
    """The ids of estates.csv, each an estate about which nothing else is told."""
    ids = csv.read_csv(path, convert_options=csv.ConvertOptions(include_columns=["estate_id"]))["estate_id"].to_pylist()
    day = date(2021, 1, 1)
    return {name: Estate(name, name, "c", "d", "s", "m", 0, 0, day, day) for name in ids}


kind, estates_csv, path = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
if len(sys.argv) > 4:
    pa.set_cpu_count(int(sys.argv[4]))
estates = known_estates(estates_csv)
before, start, cpu = Clock.peak_mib(), time.perf_counter(), time.process_time()
read = {"bare": csv.read_csv, "typed": typed}.get(kind, lambda path: read_households(path, estates))(path)
taken_s, cpu_s, peak_mib = time.perf_counter() - start, time.process_time() - cpu, Clock.peak_mib()
if isinstance(read, pa.Table):
    there = read["removed_on"].null_count
else:
    there = sum(count.on(LONG_AFTER) for count in read.values())
report(there=there, inside_s=taken_s, cpu_s=cpu_s, before_mib=before, read_mib=peak_mib)
