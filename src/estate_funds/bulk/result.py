"""What comes of a batch: fen for each row, and totals that are the same for any order and partitioning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Fen = npt.NDArray[np.int64]
Key = tuple[str, str, str]
PENDING = "pending"  # among payers: what would be due if every missing fact turned out well


@dataclass(frozen=True)
class Totals:
    """Sums of integers by estate, month in which a claim's period begins, and payer; and the rows of each estate.

    >>> one = Totals({("a", "2024-01", "city"): 5}, {"a": 1})
    >>> print((one + one).to_json())
    {"by": [["a", "2024-01", "city", 10]], "households": {"a": 2}}
    """

    by: Mapping[Key, int] = field(default_factory=dict)  # fen; the payer is PENDING for what is not due yet
    households: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Totals) -> Totals:
        return Totals.of((self, other))

    @classmethod
    def of(cls, parts: Iterable[Totals]) -> Totals:
        """The sum of many, none of them changed."""
        by: dict[Key, int] = {}
        households: dict[str, int] = {}
        for part in parts:
            for key, fen in part.by.items():
                by[key] = by.get(key, 0) + fen
            for estate, rows in part.households.items():
                households[estate] = households.get(estate, 0) + rows
        return cls({key: fen for key, fen in by.items() if fen}, households)

    @property
    def shares(self) -> dict[str, int]:
        """Fen due from each payer."""
        found: dict[str, int] = {}
        for _, payer, fen in self._lines():
            if payer != PENDING:
                found[payer] = found.get(payer, 0) + fen
        return found

    @property
    def amount_fen(self) -> int:
        """Fen due in all."""
        return sum(self.shares.values())

    @property
    def pending_fen(self) -> int:
        """Fen that wait for a missing fact."""
        return sum(fen for _, payer, fen in self._lines() if payer == PENDING)

    @property
    def rows(self) -> int:
        """How many rows were summed."""
        return sum(self.households.values())

    def _lines(self) -> Iterator[tuple[str, str, int]]:
        return ((estate, payer, fen) for (estate, _, payer), fen in self.by.items())

    def to_json(self) -> str:
        """The same text for the same totals, in order of estate, month and payer."""
        lines = [[*key, self.by[key]] for key in sorted(self.by)]
        told = {"by": lines, "households": dict(sorted(self.households.items()))}
        return json.dumps(told, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Totals:
        """What `to_json` wrote."""
        told = json.loads(text)
        by = {(str(estate), str(month), str(payer)): int(fen) for estate, month, payer, fen in told["by"]}
        return cls(by, {str(estate): int(rows) for estate, rows in told["households"].items()})


@dataclass(frozen=True)
class Result:
    """What the rows of a batch are owed, all arrays of shape (rows,) and dtype int64; `shares` sum to `amounts`.

    Rows with one number in `trace` are alike in all that decides: `Program.explain` says of one what holds for all.
    """

    amounts: Fen
    shares: Mapping[str, Fen]
    trace: Fen
    totals: Totals
