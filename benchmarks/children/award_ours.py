"""The award by this library: what the plain `assess` says of each start and each set of passed years, looked up by row.

Usage: award_ours.py TASK ROWS [program]

The rows are looked up by their codes, month of start and passed years (`Table`); or, with `program`, they are Arrow
columns of a register, an estate and two days each, from which `Program.assess` makes results, trace and totals.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
from award import EVERY_RESULT, MONEY, MONTH_0, MONTHS, YEARS, Columns, Task, measure, outputs

from estate_funds.bulk.program import Program, compile_provision
from estate_funds.bulk.reading import BATCH_ROWS
from estate_funds.bulk.table import Table
from estate_funds.calendar import Month, Months
from estate_funds.load import load_case  # all imports before the first measure of memory
from estate_funds.registry import Assessment, Assessments, Estate, Registry, units_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "donghu"
DOCUMENT = load_case(EXAMPLE).documents["donghu-2021-17"]  # with its settings; read before memory is first measured


def program(task: Task) -> Program:
    """The award, compiled over an estate for each month of start and each set of passed years."""
    keys = [(start, passed) for start in range(*_starts(task)) for passed in range(EVERY_RESULT)]
    estates = {f"{start}/{passed}": _estate(start, passed) for start, passed in keys}
    results = [
        Assessment(f"{start}/{passed}", n + 1, "pass" if passed >> n & 1 else "fail", date(2040, 1, 1))
        for start, passed in keys
        for n in range(YEARS)
    ]
    registry = Registry(estates, {}, units=units_of(estates.values()))
    window = Months(Month(MONTH_0 * MONTHS + task.begin), Month(MONTH_0 * MONTHS + task.end))
    return compile_provision(DOCUMENT, "award", registry, Assessments(results), window=window)


def compiled(task: Task) -> Table:
    """Amount, city and district by month of start (months since 1970-01) and passed years."""
    first, count, every = task.starts
    worth = program(task).worth
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


def register(task: Task, started: np.ndarray, passed: np.ndarray) -> pa.RecordBatch:
    """The same households as rows of a register, all of them there since long ago."""
    first, _, every = task.starts
    estates = ((started - first) // every).astype(np.int32) * EVERY_RESULT + passed
    ids = pa.array([f"{start}/{n}" for start in range(*_starts(task)) for n in range(EVERY_RESULT)])
    days = pa.array(np.full(len(started), 7_000, np.int32)).view(pa.date32())
    columns = [pa.DictionaryArray.from_arrays(pa.array(estates), ids), days]
    return pa.RecordBatch.from_arrays(columns, names=["estate_id", "registered_on"])


def _starts(task: Task) -> tuple[int, int, int]:
    first, count, every = task.starts
    return first, first + count * every, every


def assessed(made: Program, rows: pa.RecordBatch, out: Columns) -> Columns:
    """Amount, city and district of each row, in batches as a run over files has them."""
    for low in range(0, len(rows), BATCH_ROWS):
        result = made.assess(rows.slice(low, BATCH_ROWS))
        part = slice(low, low + BATCH_ROWS)
        out[0][part], out[1][part], out[2][part] = result.amounts, result.shares["city"], result.shares["district"]
    return out


def ours(started: np.ndarray, passed: np.ndarray, table: Table, out: Columns) -> Columns:
    """Amount, city and district of each household, written into `out`."""
    return tuple(table.take([started, passed], out))  # type: ignore[return-value]


if __name__ == "__main__":
    if sys.argv[3:] == ["program"]:
        measure(
            lambda task, started, passed: (program(task), register(task, started, passed), outputs(len(started))),
            lambda state: assessed(*state),
        )
    else:
        measure(
            lambda task, started, passed: (started, passed, compiled(task), outputs(len(started))),
            lambda state: ours(*state),
        )
