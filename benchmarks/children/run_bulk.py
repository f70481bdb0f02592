"""The bulk run as the benchmarks call it: the one place that knows its interface."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from estate_funds import load_case
from estate_funds.bulk.program import Program, compile_case
from estate_funds.bulk.run import run as run_program

CLAIM = "donghu-2021-17/award"


def load(case_folder: Path) -> Program:
    """The provision of a case, compiled."""
    return compile_case(load_case(case_folder, households=False), CLAIM)


def run(program: Program, households: Path, out: Path, workers: int) -> None:
    """Every partition in, results and totals out, a core for each worker."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    run_program(program, str(households), str(out), workers=workers)
