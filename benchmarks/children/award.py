"""What the children that compute the award share: the rule in figures, the input, the clock, the digest of every row.

The rule is Donghu's (东府办发〔2021〕17号, 五(六)1): 18 yuan per household and month in service years 1 to 3, 12 in the
fourth, 6 in the fifth; a service year that was not passed pays 0 and nothing is caught up; half from the city, half
from the district, the odd fen from the district.

Input, by household: `started` (int16), the month in which service began, in months since 1970-01; `passed` (uint8), bit
n - 1 set where service year n was passed. Output: amount, city, district in fen (int32). Both from a fixed seed, drawn
in pieces, so that making them takes no more memory than they do.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from measure import Clock, report

MONTHS = 12
FEN = (1_800, 1_800, 1_800, 1_200, 600)  # a month, by service year
YEARS = len(FEN)
EVERY_RESULT = 1 << YEARS  # how many answers there are to "which of the five years were passed?"
FIRST_YEAR = 2021  # the document holds from its January
MONTH_0 = 1970  # months are counted from its January
SEED = 20210117
PIECE = 1 << 16
MONEY = np.int32
ENOUGH_S, MOST_CALLS = 0.5, 400

Columns = tuple[Any, Any, Any]  # amount, city, district: an array or an Arrow column each
State = TypeVar("State")


@dataclass(frozen=True)
class Task:
    """Which claims are summed: those of service years that begin in the calendar years `first` to `last`.

    `starts` are the months in which service may have begun, each as likely: (first, how many, every how many).
    """

    first: int
    last: int
    starts: tuple[int, int, int]

    @property
    def begin(self) -> int:
        """The first month of the window."""
        return month(self.first, 1)

    @property
    def end(self) -> int:
        """The month after the window."""
        return month(self.last + 1, 1)

    @property
    def first_start(self) -> int:
        """The earliest month in which service began."""
        return self.starts[0]

    @property
    def span(self) -> int:
        """Months from the earliest start to after the latest."""
        _, count, every = self.starts
        return (count - 1) * every + 1


def month(year: int, number: int) -> int:
    """Months since 1970-01."""
    return (year - MONTH_0) * MONTHS + number - 1


TASKS = {
    # One claim a household: 84 months in which service may have begun, so one in seven is past its fifth year, and one
    # in seven has not begun.
    "year": Task(FIRST_YEAR + YEARS, FIRST_YEAR + YEARS, (month(FIRST_YEAR, 1), 84, 1)),
    # Sixty months, up to five claims a household: service begins in a January, so that service years are calendar years
    # and a peer that reckons by calendar months has exactly sixty of them to do.
    "sixty": Task(FIRST_YEAR, FIRST_YEAR + YEARS - 1, (month(FIRST_YEAR, 1), YEARS, MONTHS)),
}


def households(task: Task, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """`started` (int16) and `passed` (uint8), shape (rows,)."""
    chance = np.random.default_rng(SEED)
    started, passed = np.empty(rows, np.int16), np.empty(rows, np.uint8)
    first, count, every = task.starts
    for piece in pieces(rows):
        size = piece.stop - piece.start
        started[piece] = first + every * chance.integers(0, count, size, dtype=np.int16)
        passed[piece] = chance.integers(0, EVERY_RESULT, size, dtype=np.uint8)
    return started, passed


def outputs(rows: int) -> Columns:
    """Room for amount, city and district, its pages already there."""
    return tuple(np.full(rows, 1, MONEY) for _ in range(3))  # type: ignore[return-value]


def pieces(rows: int, size: int = PIECE) -> Iterator[slice]:
    """Slices of `size` rows, the last one shorter."""
    for begin in range(0, rows, size):
        yield slice(begin, min(begin + size, rows))


def measure(
    prepare: Callable[[Task, np.ndarray, np.ndarray], State],
    compute: Callable[[State], Columns],
    *,
    fresh: Callable[[State], State] = lambda state: state,
    notes: Callable[[State, Columns], dict[str, object]] = lambda state, columns: {},
) -> None:
    """Run one child: read TASK and ROWS from the command line, time `compute`, print seconds, totals and digest.

    `prepare` brings the input into the peer's own form and compiles what can be compiled, and is not part of the time;
    `fresh` makes a state anew before each call, where a peer remembers results. `compute` is called until half a second
    is full (once, where it takes longer), after one call that is not timed where it is short; the median counts.
    """
    task, rows = TASKS[sys.argv[1]], int(sys.argv[2])
    input_s, (started, passed) = timed(lambda: households(task, rows))
    before = Clock.peak_mib()
    setup_s, state = timed(lambda: prepare(task, started, passed))
    seconds: list[float] = []
    cpu: list[float] = []
    while not seconds or (sum(seconds) < ENOUGH_S and len(seconds) < MOST_CALLS):
        columns = None  # the results of two calls are never there at once
        state = fresh(state)
        cpu_before = time.process_time()
        taken_s, columns = timed(lambda state=state: compute(state))
        cpu.append(time.process_time() - cpu_before)
        seconds.append(taken_s)
    peak = Clock.peak_mib()
    if len(seconds) > 1:  # the first call brings pages, code and tables in
        seconds, cpu = seconds[1:], cpu[1:]
    report(
        rows=rows,
        inside_s=statistics.median(seconds),
        cpu_s=statistics.median(cpu),
        calls=len(seconds),
        input_s=input_s,
        setup_s=setup_s,
        before_mib=before,
        grown_mib=round(peak - before, 1),
        computed_mib=peak,
        **digest(columns),
        **notes(state, columns),
    )


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Wall seconds of a call, and what it returned."""
    start = time.perf_counter()
    returned = call()
    return time.perf_counter() - start, returned


def digest(columns: Columns) -> dict[str, object]:
    """Totals in fen, and a SHA-256 over amount, city and district of all rows: equal where every row is equal."""
    names = ("amount", "city", "district")
    totals = dict.fromkeys(names, 0)
    hashed = hashlib.sha256()
    for piece in pieces(len(columns[0])):
        for name, column in zip(names, columns, strict=True):
            part = np.ascontiguousarray(as_integers(column[piece]))
            totals[name] += int(part.sum())
            hashed.update(part)
    return {"fen": totals, "sha256": hashed.hexdigest()}


def as_integers(part: Any) -> np.ndarray:
    """Integers of 64 bits, from NumPy, Arrow or Polars, null being refused."""
    array = part.to_numpy() if hasattr(part, "to_numpy") else part
    if array.dtype.kind not in "iu":
        raise TypeError(f"money must come as integers of fen, got {array.dtype}")
    return array.astype("<i8")


def one_thread(environ: Any) -> None:
    """Keep every library that asks the environment to one thread: before they are imported."""
    for name in (
        *("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
        *("NUMEXPR_NUM_THREADS", "NUMEXPR_MAX_THREADS"),
    ):
        environ[name] = "1"
