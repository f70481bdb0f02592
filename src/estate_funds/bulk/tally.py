"""Totals of a batch while it is assessed: fen by estate, month and payer, added up in whole numbers of 64 bits.

Before a sum could outgrow them, what was added so far moves to Python's integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from estate_funds.bulk.coding import FITS, Ids
from estate_funds.bulk.result import PENDING, Totals, added, integers
from estate_funds.calendar import Month, Months

Ints = npt.NDArray[np.int64]


class Tally:
    """Sums of fen by estate of a batch and by slot. A slot is a month of the window and a payer, or PENDING.

    `at` is the place of each row's estate among the `estates` of the batch, of shape (rows,).
    """

    def __init__(self, ids: Ids, estates: npt.NDArray[np.int32], window: Months, payers: Sequence[str]) -> None:
        self.ids, self.window, self.payers = ids, window, (*payers, PENDING)
        self.estates, self.at, self.rows = np.unique(estates, return_inverse=True, return_counts=True)
        self.slots = len(window) * len(self.payers)
        self._fen = np.zeros((len(self.estates), self.slots), np.int64)
        self._most = 0  # that any of them may be
        self._large: dict[tuple[int, int], int] = {}

    def slot(self, month: Month, payer: str) -> int:
        """The slot of a claim that begins in a month, and a payer."""
        return (month - self.window.start) * len(self.payers) + self.payers.index(payer)

    def make_room(self, most: int) -> bool:
        """Whether sums of so large a magnitude can be added; afterwards they can, if they fit into 64 bits at all."""
        if most >= FITS:
            return False
        if self._most + most >= FITS:
            for estate, slot in np.argwhere(self._fen).tolist():
                self.add_one(estate, slot, int(self._fen[estate, slot]))
            self._fen[:] = 0
            self._most = 0
        self._most += most
        return True

    def add_one(self, estate: int, slot: int, fen: int) -> None:
        """Add fen of any size."""
        self._large[estate, slot] = self._large.get((estate, slot), 0) + fen

    def add(self, estate: Ints, slot: Ints, fen: Ints) -> None:
        """Add fen, one by one; arrays of one shape, once there is room."""
        np.add.at(self._fen.reshape(-1), estate * self.slots + slot, fen)

    def add_lists(self, estate: Ints, which: Ints, fen: Ints, times: Ints, payer: str) -> None:
        """Add fen as often in each month as `times`, of shape (lists, months), has it for the list `which`.

        The other arrays are of one shape, once there is room.
        """
        low = int(estate.min(initial=0))
        span, lists = int(estate.max(initial=0)) - low + 1, len(times)
        sums = np.zeros(span * lists, np.int64)
        np.add.at(sums, (estate - low) * lists + which, fen)
        place = self.payers.index(payer)
        self._fen[low : low + span, place :: len(self.payers)] += sums.reshape(span, lists) @ times

    def totals(self) -> Totals:
        """What was added, by estate, month and payer."""
        keys = tuple(product(map(str, self.window), self.payers))
        place, slot = np.nonzero(self._fen)
        cells, fen = self.estates[place].astype(np.int64) * self.slots + slot, self._fen[place, slot]
        if self._large:
            more = [int(self.estates[estate]) * self.slots + slot for estate, slot in self._large]
            cells = np.concatenate([cells, np.array(more, np.int64)])
            fen = np.concatenate([fen, integers([*self._large.values()])])
            cells, fen = added(cells, fen)
        return Totals(self.ids.named, keys, self.estates.astype(np.int64), self.rows, cells, fen)
