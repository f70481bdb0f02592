"""Parquet to Parquet by this library: load the case, compile the provision, run over every partition, write totals.

Usage: bulk_ours.py CASE_FOLDER HOUSEHOLDS_FOLDER OUT_FOLDER WORKERS

`load_s` is the case and the compiling, `inside_s` the run over the rows with totals, `whole_s` both; `cpu_s` is CPU of
the run in this process, which with one worker is all of it. Duplicates are looked for by the command, not here.
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from pathlib import Path

from measure import report

start = time.perf_counter()
from run_bulk import load, run  # noqa: E402 - the import is measured

imported = time.perf_counter()


def main(case_folder: Path, households: Path, out: Path, workers: int) -> None:
    """Load, compile, run, and report."""
    if Path(__file__).parents[1] / "work" not in out.resolve().parents:
        raise SystemExit(f"{out} is emptied first: it must lie in benchmarks/work")
    shutil.rmtree(out, ignore_errors=True)  # an earlier run would be resumed, which takes no time at all
    out.mkdir(parents=True)
    before = time.perf_counter()
    program = load(case_folder)
    loaded, cpu = time.perf_counter(), time.process_time()
    run(program, households, out, workers)
    done, cpu_s = time.perf_counter(), time.process_time() - cpu
    children_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    report(
        import_s=imported - start,
        load_s=loaded - before,
        inside_s=done - loaded,
        cpu_s=cpu_s,
        whole_s=done - before,
        children_mib=round(children_kib / 1024, 1),
        bytes=sum(path.stat().st_size for path in out.rglob("*.parquet")),
    )


if __name__ == "__main__":  # a worker imports this file too
    main(*map(Path, sys.argv[1:4]), int(sys.argv[4]))
