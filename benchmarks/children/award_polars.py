"""The award as a Polars expression, on one thread.

Usage: award_polars.py TASK ROWS [dates]

With `dates` the columns are as a register has them, a date of the start of service and a Boolean for each service year;
without, they are the narrow integers that ours reads.

Of the expressions tried (one chain of conditions on the number of the service year, a sum over masks, a mask counted in
bits, gathering from a table by code), these were the fastest on columns of 16 and 8 bits.
"""

from __future__ import annotations

import os
import sys
from functools import reduce

from award import FEN, MONTH_0, MONTHS, YEARS, Columns, Task, measure, one_thread

one_thread(os.environ)

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402

STARTED, PASSED, AMOUNT = pl.col("started"), pl.col("passed"), pl.col("amount")
DATES = sys.argv[3:] == ["dates"]
NOTHING = pl.lit(0, dtype=pl.Int32)


def fen(number: int) -> pl.Expr:
    """What service year `number` (0 to 4) pays."""
    return pl.lit(FEN[number] * MONTHS, dtype=pl.Int32)


def was_passed(number: int) -> pl.Expr:
    """Whether service year `number` was passed."""
    return pl.col(f"passed_{number}") if DATES else (PASSED & (1 << number)) != 0


def amount(task: Task) -> pl.Expr:
    """Fen in the window: in a year only one service year can begin, otherwise each adds its own."""
    if task.first == task.last:
        number = task.first - STARTED.dt.year() if DATES else (task.begin // MONTHS) - (STARTED // MONTHS)
        owed = NOTHING
        for n in range(YEARS):
            owed = pl.when((number == n) & was_passed(n)).then(fen(n)).otherwise(owed)
        return owed
    started = (STARTED.dt.year() - MONTH_0) * MONTHS + (STARTED.dt.month() - 1) if DATES else STARTED
    begins = [started + n * MONTHS for n in range(YEARS)]
    within = [(begin >= task.begin) & (begin < task.end) for begin in begins]
    return reduce(
        pl.Expr.add, (pl.when(was_passed(n) & within[n]).then(fen(n)).otherwise(NOTHING) for n in range(YEARS))
    )


def prepare(task: Task, started: np.ndarray, passed: np.ndarray) -> pl.LazyFrame:
    """The plan."""
    if DATES:
        flags = {f"passed_{n}": (passed >> n & 1).astype(bool) for n in range(YEARS)}
        frame = pl.DataFrame({"started": started.astype("datetime64[M]").astype("datetime64[ms]"), **flags})
        frame = frame.with_columns(STARTED.cast(pl.Date)).lazy()
    else:
        frame = pl.DataFrame({"started": started, "passed": passed}).lazy()
    owed = frame.select(amount=amount(task)).with_columns(city=AMOUNT // 2)
    return owed.with_columns(district=AMOUNT - pl.col("city"))


def compute(plan: pl.LazyFrame) -> Columns:
    """Amount, city and district of each household."""
    frame = plan.collect()
    return frame["amount"], frame["city"], frame["district"]


measure(prepare, compute, notes=lambda plan, columns: {"threads": pl.thread_pool_size()})
