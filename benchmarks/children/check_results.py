"""Whether results are equal to what was worked out when the register was made, row by row and to the fen.

Usage: check_results.py EXPECTED_FOLDER RESULTS_FOLDER

Both folders are in the order of the register; files may be cut at different rows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from measure import report

MONEY = ["amount_fen", "city_fen", "district_fen"]
ROWS = 1 << 16


def batches(folder: Path) -> Iterator[np.ndarray]:
    """Fen of the rows, shape (rows, 3), in pieces of at most ROWS."""
    for path in sorted(folder.rglob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS, columns=MONEY, use_threads=False):
                yield np.stack([batch.column(name).to_numpy() for name in MONEY], axis=1)


def in_step(left: Iterator[np.ndarray], right: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pieces of equal length from both sides."""
    empty = np.empty((0, len(MONEY)), np.int64)
    a, b = empty, empty
    while True:
        a = a if len(a) else next(left, empty)
        b = b if len(b) else next(right, empty)
        size = min(len(a), len(b))
        if not size:
            if len(a) != len(b):
                raise SystemExit("one side has more rows than the other")
            return
        yield a[:size], b[:size]
        a, b = a[size:], b[size:]


rows, fen = 0, np.zeros(len(MONEY), np.int64)
for wanted, got in in_step(batches(Path(sys.argv[1])), batches(Path(sys.argv[2]))):
    if not np.array_equal(wanted, got):
        at = int(np.argmax((wanted != got).any(axis=1)))
        raise SystemExit(f"row {rows + at + 1}: got {got[at].tolist()} fen, wanted {wanted[at].tolist()}")
    rows += len(wanted)
    fen += wanted.sum(axis=0)
report(rows=rows, fen=dict(zip(MONEY, fen.tolist(), strict=True)))
