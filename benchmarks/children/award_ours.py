"""The award by this library: what the plain `assess` says of each start and each set of passed years, looked up by row.

Usage: award_ours.py TASK ROWS
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
from award import EVERY_RESULT, MONEY, MONTH_0, MONTHS, YEARS, Columns, Task, measure, outputs

from estate_funds.bulk.program import compile_provision
from estate_funds.bulk.table import Table
from estate_funds.calendar import Month, Months
from estate_funds.load import load_case  # all imports before the first measure of memory
from estate_funds.registry import Assessment, Assessments, Estate, Registry, units_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "donghu"
DOCUMENT = load_case(EXAMPLE).documents["donghu-2021-17"]  # with its settings; read before memory is first measured


def compiled(task: Task) -> Table:
    """Amount, city and district by month of start (months since 1970-01) and passed years."""
    first, count, every = task.starts
    starts = range(first, first + count * every, every)
    keys = [(start, passed) for start in starts for passed in range(EVERY_RESULT)]
    estates = {f"{start}/{passed}": _estate(start, passed) for start, passed in keys}
    results = [
        Assessment(f"{start}/{passed}", n + 1, "pass" if passed >> n & 1 else "fail", date(2040, 1, 1))
        for start, passed in keys
        for n in range(YEARS)
    ]
    registry = Registry(estates, {}, units=units_of(estates.values()))
    window = Months(Month(MONTH_0 * MONTHS + task.begin), Month(MONTH_0 * MONTHS + task.end))
    worth = compile_provision(DOCUMENT, "award", registry, Assessments(results), window=window).worth
    assert worth is not None
    shares = {}
    for payer, fen in worth.whole.items():
        shares[payer] = np.zeros((first + task.span, EVERY_RESULT), MONEY)  # no household has another start
        shares[payer][first::every] = fen.reshape(count, EVERY_RESULT)
        shares[payer] = shares[payer].reshape(-1)
    city, district = shares["city"], shares["district"]
    return Table((first + task.span, EVERY_RESULT), city + district, (city, district))


def _estate(start: int, passed: int) -> Estate:
    year, month = divmod(start, MONTHS)
    first = date(MONTH_0 + year, month + 1, 1)
    where = ("city", "district", "street", "community")
    return Estate(f"{start}/{passed}", "", *where, 100_00, 1, date(1990, 1, 1), first, renovated_on=date(2020, 1, 1))


def ours(started: np.ndarray, passed: np.ndarray, table: Table, out: Columns) -> Columns:
    """Amount, city and district of each household, written into `out`."""
    return tuple(table.take([started, passed], out))  # type: ignore[return-value]


if __name__ == "__main__":
    measure(
        lambda task, started, passed: (started, passed, compiled(task), outputs(len(started))),
        lambda state: ours(*state),
    )
