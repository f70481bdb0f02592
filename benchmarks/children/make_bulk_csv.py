"""The register of a bulk case as one CSV file, in order of ids or shuffled by a fixed seed.

Usage: make_bulk_csv.py HOUSEHOLDS_FOLDER CSV sorted|shuffled
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.csv as csv
import pyarrow.parquet as pq
from measure import report

SEED = 20250228

folder, path, order = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
rows = 0
if order == "sorted":
    with csv.CSVWriter(path, pq.read_schema(next(folder.glob("*.parquet")))) as writer:
        for file in sorted(folder.glob("*.parquet")):
            table = pq.read_table(file)
            writer.write_table(table)
            rows += table.num_rows
else:
    table = pq.read_table(folder)
    rows = table.num_rows
    csv.write_csv(table.take(np.random.default_rng(SEED).permutation(rows)), path)
report(rows=rows, bytes=path.stat().st_size)
