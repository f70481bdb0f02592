"""What every benchmark here shares: fresh processes, medians, the description of the machine, the table and the JSON.

The parent stays small on purpose: on Linux a process starts with the peak memory of the one that started it, so a
parent that had held a register in memory would lend its peak to everything it measures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WORK = HERE / "work"
RESULTS = HERE / "results"
KIB = 1024
MIB = KIB * KIB
PACKAGES = ("estate_funds", "pyarrow", "sqlalchemy", "sqlmodel", "pydantic")

Sample = dict[str, Any]


class BenchmarkError(Exception):
    """A measured process failed, or computed something else than the hand calculation."""


# --- measuring --------------------------------------------------------------------------------------------------------


def run_python(*arguments: str | Path) -> tuple[float, str]:
    """Wall seconds of one fresh interpreter, from before it starts until it is gone, and what it printed."""
    command = [sys.executable, *map(str, arguments)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    elapsed_s = time.perf_counter() - start
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return elapsed_s, done.stdout


def run_child(name: str, *arguments: str | Path) -> Sample:
    """One run of children/<name>.py: the JSON object that it prints, and `process_s` measured from outside."""
    elapsed_s, printed = run_python(HERE / "children" / f"{name}.py", *arguments)
    return {"process_s": elapsed_s, **json.loads(printed)}


def rounds(
    kinds: Mapping[str, Sequence[str | Path]], repeat: int, *, before: Callable[[], None] = lambda: None
) -> dict[str, list[Sample]]:
    """Samples by kind, `repeat` of each; the kinds take turns, so that a noisy minute falls on all of them.

    `kinds` maps a name to the child and its arguments; `before` is called before each round. One unmeasured round
    first: it compiles modules to bytecode and brings the files into the page cache.
    """
    samples: dict[str, list[Sample]] = {kind: [] for kind in kinds}
    for number in range(repeat + 1):
        before()
        for kind, (child, *arguments) in kinds.items():
            sample = run_child(str(child), *arguments)
            if number:
                samples[kind].append(sample)
    return samples


def median(samples: Iterable[Sample], name: str) -> float:
    """The median of one number over samples."""
    return float(statistics.median(sample[name] for sample in samples))


def summary(samples: Sequence[Sample], *names: str) -> dict[str, dict[str, float]]:
    """Median, least and most of each number over samples, to a tenth of a millisecond."""
    return {
        name: {
            "median": round(median(samples, name), 4),
            "min": round(min(s[name] for s in samples), 4),
            "max": round(max(s[name] for s in samples), 4),
        }
        for name in names
    }


def ratio(over: Sequence[Sample], under: Sequence[Sample], name: str) -> dict[str, float]:
    """The ratio of the medians, and the least and the most of the rounds taken one by one: how much to trust it."""
    each = [a[name] / b[name] for a, b in zip(over, under, strict=True)]
    return {
        "of_medians": round(median(over, name) / median(under, name), 2),
        "min": round(min(each), 2),
        "max": round(max(each), 2),
    }


# --- reporting --------------------------------------------------------------------------------------------------------


def today() -> date:
    """The day that a result is dated with unless --date says otherwise."""
    return datetime.now().astimezone().date()


def arguments(about: str, *, repeat: int, smoke: str = "") -> argparse.ArgumentParser:
    """The options that all benchmarks have; `smoke` says what --smoke shrinks, if there is such an option."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--repeat", type=_positive, default=repeat, help="measured rounds (default %(default)s)")
    parser.add_argument("--date", type=date.fromisoformat, default=today(), help="day of the result, YYYY-MM-DD")
    parser.add_argument("--out", type=Path, help="JSON file to write (default benchmarks/results/<name>.json)")
    if smoke:
        parser.add_argument("--smoke", action="store_true", help=f"{smoke}, one round; written into benchmarks/work/")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def machine() -> dict[str, Any]:
    """What the numbers were taken on; the load says whether something else was running when they were."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu": _cpu_model(),
        "cores": _cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / KIB**3, 1),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in PACKAGES},
    }


def _cores() -> int:
    """The cores that this process may use, which in a container is not what the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def remove_ledgers() -> None:
    """Delete the ledgers of an earlier round, so that each begins without one."""
    for path in WORK.glob("*.db*"):
        path.unlink()


def write_result(result: Mapping[str, Any], *, out: Path | None, smoke: bool) -> Path:
    """Write the machine-readable result; a smoke run never overwrites a published one."""
    path = out or (WORK / f"{result['benchmark']}-smoke.json" if smoke else RESULTS / f"{result['benchmark']}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


def print_table(title: str, rows: Iterable[Sequence[object]]) -> None:
    """Rows under a title, the first column to the left and the others to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in cells if n < len(row)) for n in range(max(map(len, cells)))]
    print(f"\n{title}")
    for row in cells:
        padded = [cell.ljust(widths[n]) if n == 0 else cell.rjust(widths[n]) for n, cell in enumerate(row)]
        print("  " + "  ".join(padded).rstrip())


def print_machine(machine: Mapping[str, Any]) -> None:
    """One line on what the numbers were taken on, and a warning where the machine was busy."""
    print(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; "
        f"Python {machine['python']}, pyarrow {machine['pyarrow']}, SQLite {machine['sqlite']}"
    )
    if machine["load_before"][0] > 0.5:
        print(f"note: the machine was busy before the first round (load {machine['load_before'][0]})")


def print_written(path: Path) -> None:
    """Where the machine-readable result is."""
    print(f"\nwritten to {path.relative_to(HERE.parent) if path.is_relative_to(HERE) else path}")
