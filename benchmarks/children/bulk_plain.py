"""What the plain `assess` says of a small bulk case: the hand calculation of make_bulk_case.py is held against it.

Usage: bulk_plain.py CASE_FOLDER SCRATCH_FOLDER

The register is written as households.csv beside a copy of the case in SCRATCH_FOLDER.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
from measure import report

from estate_funds import load_case

case_folder, scratch = Path(sys.argv[1]), Path(sys.argv[2])
scratch.mkdir(parents=True, exist_ok=True)
for name in ("case.toml", "estates.csv", "assessments.csv"):
    shutil.copy(case_folder / name, scratch / name)
households = pq.read_table(case_folder / "households")
pyarrow.csv.write_csv(households, scratch / "households.csv")
claims = load_case(scratch).claims
report(rows=households.num_rows, amount_fen=claims.amount_fen, shares_fen=claims.shares, claims=len(claims))
