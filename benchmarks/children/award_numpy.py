"""The award in plain NumPy, without a table: the closed form over whole columns, or over chunks with buffers kept.

Usage: award_numpy.py TASK ROWS whole|chunks
"""

from __future__ import annotations

import sys

import numpy as np
from award import FEN, MONEY, MONTHS, Columns, Task, measure, outputs, pieces

CHUNK = 1 << 14


def whole(task: Task, started: np.ndarray, passed: np.ndarray) -> Columns:
    """As one writes it down: each service year a mask over all households."""
    amount = np.zeros(len(started), MONEY)
    for number, fen in enumerate(FEN):
        begins = started + number * MONTHS
        owed = (passed >> number & 1).astype(bool) & (begins >= task.begin) & (begins < task.end)
        amount += np.where(owed, MONEY(fen * MONTHS), MONEY(0))
    city = amount // 2
    return amount, city, amount - city


class Chunks:
    """The same with every buffer made once, of a size that stays in the cache."""

    def __init__(self, task: Task, started: np.ndarray, passed: np.ndarray) -> None:
        self.task, self.started, self.passed = task, started, passed
        self.out = outputs(len(started))
        self.bit, self.within = np.empty(CHUNK, np.uint8), np.empty(CHUNK, bool)
        self.begins, self.part = np.empty(CHUNK, np.int16), np.empty(CHUNK, MONEY)

    def compute(self) -> Columns:
        """Amount, city and district of each household."""
        for piece in pieces(len(self.started), CHUNK):
            self.piece(self.started[piece], self.passed[piece], *(column[piece] for column in self.out))
        return self.out

    def piece(
        self, started: np.ndarray, passed: np.ndarray, amount: np.ndarray, city: np.ndarray, district: np.ndarray
    ) -> None:
        """One chunk."""
        size = len(started)
        bit, within, begins, part = self.bit[:size], self.within[:size], self.begins[:size], self.part[:size]
        window = np.uint16(self.task.end - self.task.begin)
        amount.fill(0)
        for number, fen in enumerate(FEN):
            # As an unsigned number, what lies before the window is far beyond its end: one comparison for both.
            np.subtract(started, self.task.begin - number * MONTHS, out=begins)
            np.less(begins.view(np.uint16), window, out=within)
            np.right_shift(passed, number, out=bit)
            np.bitwise_and(bit, 1, out=bit)
            np.bitwise_and(bit, within.view(np.uint8), out=bit)
            np.multiply(bit, MONEY(fen * MONTHS), out=part)
            np.add(amount, part, out=amount)
        np.right_shift(amount, 1, out=city)
        np.subtract(amount, city, out=district)


if __name__ == "__main__":
    if sys.argv[3] == "whole":
        measure(lambda task, started, passed: (task, started, passed), lambda state: whole(*state))
    else:
        measure(Chunks, Chunks.compute)
