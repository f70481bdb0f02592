"""The bare cost: read the household file with pyarrow, as it comes, and do nothing with it.

Usage: bare_read.py HOUSEHOLDS_CSV [THREADS]
"""

from __future__ import annotations

import sys
import time

start = time.perf_counter()
import pyarrow as pa  # noqa: E402 - the import is measured
import pyarrow.csv  # noqa: E402

imported = time.perf_counter()
if len(sys.argv) > 2:
    pa.set_cpu_count(int(sys.argv[2]))
table = pyarrow.csv.read_csv(sys.argv[1])
done = time.perf_counter()

from measure import report  # noqa: E402 - after the clock has stopped

report(rows=table.num_rows, import_s=imported - start, inside_s=done - imported)
