"""The award as DuckDB SQL over a table of its own, on one thread, the result as Arrow.

Usage: award_duckdb.py TASK ROWS
"""

from __future__ import annotations

import os

from award import FEN, MONTHS, YEARS, Columns, Task, measure, one_thread

one_thread(os.environ)

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

SPLIT = "SELECT amount, amount // 2 AS city, amount - amount // 2 AS district FROM ({owed})"
Prepared = tuple[duckdb.DuckDBPyConnection, str]


def sql(task: Task) -> str:
    """The query: in a year only one service year can begin, otherwise each adds its own."""
    spans = [(task.begin - n * MONTHS, task.end - 1 - n * MONTHS, 1 << n, FEN[n] * MONTHS) for n in range(YEARS)]
    when = "WHEN started BETWEEN {} AND {} AND passed & {} <> 0 THEN {}"
    arms = [when.format(*span) for span in spans]
    if task.first == task.last:
        amount = f"CASE {' '.join(arms)} ELSE 0 END"
    else:
        amount = " + ".join(f"CASE {arm} ELSE 0 END" for arm in arms)
    return SPLIT.format(owed=f"SELECT ({amount})::INTEGER AS amount FROM households")


def prepare(task: Task, started: np.ndarray, passed: np.ndarray) -> Prepared:
    """The table in DuckDB's own form."""
    connection = duckdb.connect()
    connection.execute("PRAGMA threads=1")
    columns = pa.table({"started": started, "passed": passed})
    connection.register("columns", columns)
    connection.execute("CREATE TABLE households AS SELECT * FROM columns")
    connection.unregister("columns")
    return connection, sql(task)


def compute(prepared: Prepared) -> Columns:
    """Amount, city and district of each household."""
    connection, query = prepared
    table = connection.sql(query).to_arrow_table()
    return tuple(table.columns)  # type: ignore[return-value]


measure(prepare, compute)
