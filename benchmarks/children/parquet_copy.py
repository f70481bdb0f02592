"""The bare cost of Parquet to Parquet: pyarrow reads the columns that are wanted and writes those of the result.

Usage: parquet_copy.py HOUSEHOLDS_FOLDER RESULTS_FOLDER OUT_FOLDER

The household's id is copied; amount, shares and trace are taken from RESULTS_FOLDER, file by file, and reading those is
not part of the time: nothing is computed. One thread, zstd as in the result, one file after the other.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from measure import Clock, report

WANTED = ["household_id", "estate_id", "registered_on", "removed_on"]
WRITTEN = ("amount_fen", "city_fen", "district_fen", "trace")

pa.set_cpu_count(1)
pa.set_io_thread_count(1)
households, results, out = map(Path, sys.argv[1:])
out.mkdir(parents=True, exist_ok=True)
before = Clock.peak_mib()
taken_s, cpu_s, rows, size = 0.0, 0.0, 0, 0
for source, result in zip(sorted(households.glob("*.parquet")), sorted(results.glob("*.parquet")), strict=True):
    written = pq.read_table(result, columns=list(WRITTEN), use_threads=False)
    start, cpu = time.perf_counter(), time.process_time()
    read = pq.ParquetFile(source).read(columns=WANTED, use_threads=False)
    table = pa.table({"household_id": read["household_id"], **{name: written[name] for name in WRITTEN}})
    pq.write_table(table, out / source.name, compression="zstd")
    taken_s += time.perf_counter() - start
    cpu_s += time.process_time() - cpu
    rows += table.num_rows
    size += (out / source.name).stat().st_size
    if read.num_rows != table.num_rows:
        raise SystemExit(f"{source.name}: {read.num_rows} rows in, {table.num_rows} rows of results")
report(rows=rows, inside_s=taken_s, cpu_s=cpu_s, bytes=size, before_mib=before)
