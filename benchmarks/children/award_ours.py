"""The award by this library: the rule compiled to a table over (start of service, passed years), a row gathers from it.

Usage: award_ours.py TASK ROWS
"""

from __future__ import annotations

import numpy as np
from award import EVERY_RESULT, FEN, MONEY, MONTHS, YEARS, Columns, Task, measure, outputs, pieces

CHUNK = 1 << 14  # rows at a time: codes and results stay in the cache


class Compiled:
    """A stand-in for `estate_funds.bulk.table.Table`: amount, city and district of each (start, passed years)."""

    def __init__(self, task: Task) -> None:
        self.first = task.first_start
        amounts = [
            sum(
                FEN[n] * MONTHS for n in range(YEARS) if passed >> n & 1 and task.begin <= start + n * MONTHS < task.end
            )
            for start in range(self.first, self.first + task.span)
            for passed in range(EVERY_RESULT)
        ]
        city = [amount // 2 for amount in amounts]
        district = [amount - part for amount, part in zip(amounts, city, strict=True)]
        self.columns = [np.array(column, MONEY) for column in (amounts, city, district)]


def ours(started: np.ndarray, passed: np.ndarray, compiled: Compiled, out: Columns) -> Columns:
    """Amount, city and district of each household, written into `out`."""
    code, place = np.empty(CHUNK, np.int16), np.empty(CHUNK, np.intp)
    for piece in pieces(len(started), CHUNK):
        size = piece.stop - piece.start
        codes, places = code[:size], place[:size]
        np.subtract(started[piece], compiled.first, out=codes)
        np.left_shift(codes, YEARS, out=codes)
        np.bitwise_or(codes, passed[piece], out=codes)
        places[...] = codes
        for column, room in zip(compiled.columns, out, strict=True):
            np.take(column, places, out=room[piece], mode="clip")  # "raise" would gather into a buffer first
    return out


if __name__ == "__main__":
    measure(
        lambda task, started, passed: (started, passed, Compiled(task), outputs(len(started))),
        lambda state: ours(*state),
    )
