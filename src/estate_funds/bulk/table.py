"""Look-ups: columns of small codes in, columns of fen out, in chunks that stay in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from estate_funds.errors import InputError

CHUNK = 1 << 15  # rows: codes, key and results of a chunk fit into the second cache
Column = npt.NDArray[Any]


@dataclass(frozen=True)
class Table:
    """Fen by key. A key is one number for several codes, the first of which counts most.

    `columns` are int32 or int64 arrays of shape (product of the radices,): what a row of each key gets, in fen.

    >>> table = Table((2, 3), (np.array([0, 10, 20, 0, 5, 6]),))
    >>> table.take([np.array([0, 1, 1]), np.array([2, 1, 2])])[0].tolist()
    [20, 5, 6]
    """

    radices: tuple[int, ...]
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        if any(len(column) != prod(self.radices) for column in self.columns):
            raise InputError(
                "a table of another size than its keys",
                got=[len(column) for column in self.columns],
                wanted=prod(self.radices),
            )

    def take(self, codes: Sequence[Column], out: Sequence[Column] | None = None) -> Sequence[Column]:
        """The columns for rows of codes: one integer array of shape (rows,) for each radix, each code below it.

        Writes into `out` where it is given, arrays of shape (rows,) and of the dtypes of `columns`. InputError for a
        code outside its radix.
        """
        rows = len(codes[0])
        self._check(codes)
        if out is None:
            out = [np.empty(rows, column.dtype) for column in self.columns]
        key = np.empty(min(rows, CHUNK), np.intp)
        for low in range(0, rows, CHUNK):
            part = slice(low, min(low + CHUNK, rows))
            at = key[: part.stop - low]
            np.copyto(at, codes[0][part])
            for radix, code in zip(self.radices[1:], codes[1:], strict=True):
                np.multiply(at, radix, out=at)
                np.add(at, code[part], out=at)
            for column, result in zip(self.columns, out, strict=True):
                np.take(column, at, out=result[part], mode="clip")  # checked above; `raise` would copy the result
        return out

    def _check(self, codes: Sequence[Column]) -> None:
        if len(codes) != len(self.radices):
            raise InputError("not the codes of this table", got=f"{len(codes)} columns", wanted=len(self.radices))
        for place, (radix, code) in enumerate(zip(self.radices, codes, strict=True)):
            if len(code) and not 0 <= int(code.min()) <= int(code.max()) < radix:
                raise InputError(
                    "a code that this table does not have",
                    where=f"column {place} of the codes",
                    got=f"{code.min()} to {code.max()}",
                    wanted=f"0 to {radix - 1}",
                )


def narrow(fen: Sequence[int]) -> Column:
    """Fen as int32 where they fit, else as int64: a look-up costs what it moves."""
    wide = np.array(fen, np.int64)
    fits = not len(wide) or (wide.min() >= -(2**31) and wide.max() < 2**31)
    return wide.astype(np.int32) if fits else wide
