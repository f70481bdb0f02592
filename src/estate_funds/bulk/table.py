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
    """What a row of each key is owed, and by whom. A key is one number for several codes, the first counts most.

    `amounts` and each of `shares` are int32 or int64 fen of shape (product of the radices,); the shares of a key sum to
    its amount.

    >>> table = Table((2, 2), narrow([10, 20, 5, 7]), (narrow([5, 10, 2, 3]), narrow([5, 10, 3, 4])))
    >>> [column.tolist() for column in table.take([np.array([0, 1]), np.array([1, 1])])]
    [[20, 7], [10, 3], [10, 4]]
    """

    radices: tuple[int, ...]
    amounts: Column
    shares: tuple[Column, ...]

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.amounts, *self.shares)}
        if lengths != {prod(self.radices)}:
            raise InputError("a table of another size than its keys", got=sorted(lengths), wanted=prod(self.radices))
        left = self.amounts.astype(np.int64)
        for share in self.shares:
            left -= share
        if self.shares and left.any():
            raise InputError("shares that do not sum to the amounts", wanted="for each key, the amount of its row")

    def take(self, codes: Sequence[Column], out: Sequence[Column] | None = None) -> Sequence[Column]:
        """Amounts and shares of rows: `codes` has an integer array of shape (rows,) for each radix, each code below it.

        Writes into `out` where it is given, arrays of shape (rows,) and of the dtypes of the columns. InputError
        for a code outside its radix.
        """
        rows = len(codes[0])
        self._check(codes)
        if out is None:
            out = [np.empty(rows, column.dtype) for column in (self.amounts, *self.shares)]
        narrow_key = np.empty(min(rows, CHUNK), np.min_scalar_type(prod(self.radices)))
        key = np.empty(min(rows, CHUNK), np.intp)
        looked_up = list(zip((self.amounts, *self.shares[:-1]), out, strict=False))
        for low in range(0, rows, CHUNK):
            part = slice(low, min(low + CHUNK, rows))
            small, at = narrow_key[: part.stop - low], key[: part.stop - low]
            np.copyto(small, codes[0][part], casting="unsafe")  # checked: each code is below its radix
            for radix, code in zip(self.radices[1:], codes[1:], strict=True):
                np.multiply(small, radix, out=small)
                np.add(small, code[part], out=small, casting="unsafe")
            np.copyto(at, small)
            for column, result in looked_up:
                np.take(column, at, out=result[part], mode="clip")  # `raise` would copy the result
            if self.shares:  # the last one is the rest: a difference costs less than a look-up
                rest = out[-1][part]
                np.copyto(rest, out[0][part])
                for result in out[1:-1]:
                    np.subtract(rest, result[part], out=rest)
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
