"""A journal that is held to be read again and again, in a tenth of the memory that its entries would take.

Entries are kept in blocks of columns as bytes, and given out as values, a block at a time. It is what an audit of a
long journal keeps them in.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from typing import overload

import pyarrow as pa

from estate_funds.audit import journal
from estate_funds.columns.block import BLOCK, Columns
from estate_funds.errors import EstateFundsError, InvariantBroken
from estate_funds.journal import Entry

MOST_AS_VALUES = 50_000  # entries, at some four kilobytes each
_AT_HAND = 4  # blocks that stay as values: whoever looks back looks back a little, mostly


class Shelf(journal.Shelf):
    """A sequence of entries that one may append to.

    >>> from datetime import date
    >>> from estate_funds.journal import Draft, Kind
    >>> day, shelf = date(2024, 2, 1), Shelf()
    >>> for n in (1, 2, 5):
    ...     draft = Draft(kind=Kind.CLOSE, effective=day, key=str(n), maker="m", approver="a", narrative="n")
    ...     shelf.append(Entry(n, day, draft))
    >>> [entry.seq for entry in shelf], shelf[-1].draft.key, len(shelf)
    ([1, 2, 5], '5', 3)
    """

    def __init__(self) -> None:
        self._blocks: list[bytes | list[Entry]] = []  # entries that columns cannot hold stay as they are
        self._starts: list[int] = []  # the place of the first entry of each block
        self._open: list[Entry] = []
        self._length = 0
        self._at_hand: OrderedDict[int, list[Entry]] = OrderedDict()

    def append(self, entry: Entry) -> None:
        """Put an entry at the end."""
        if len(self._open) == BLOCK or (self._open and entry.seq != self._open[-1].seq + 1):
            self._shelve()
        self._open.append(entry)
        self._length += 1

    def extend(self, columns: Columns) -> None:
        """Put entries that are in columns at the end."""
        if self._open:
            self._shelve()
        self._starts.append(self._length)
        self._blocks.append(columns.to_ipc())
        self._length += len(columns)

    def _shelve(self) -> None:
        self._starts.append(self._length - len(self._open))
        try:
            self._blocks.append(Columns.from_entries(self._open).to_ipc())
        except (EstateFundsError, InvariantBroken, pa.ArrowException, OverflowError, ValueError, TypeError):
            self._blocks.append(self._open)
        self._open = []

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Entry]:
        for number in range(len(self._blocks)):
            yield from self._values(number)
        yield from tuple(self._open)

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> list[Entry]: ...
    def __getitem__(self, at: int | slice) -> Entry | list[Entry]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(self._length))]
        place = at + self._length if at < 0 else at
        if not 0 <= place < self._length:
            raise IndexError(at)
        number = bisect_right(self._starts, place) - 1
        if self._open and place >= self._length - len(self._open):
            return self._open[place - self._length + len(self._open)]
        return self._values(number)[place - self._starts[number]]

    def _values(self, number: int) -> list[Entry]:
        block = self._blocks[number]
        if isinstance(block, list):
            return block
        if (found := self._at_hand.get(number)) is None:
            found = self._at_hand[number] = Columns.from_ipc(block).entries()
            if len(self._at_hand) > _AT_HAND:
                self._at_hand.popitem(last=False)
        else:
            self._at_hand.move_to_end(number)
        return found


def shelf_for(entries: int) -> Shelf | None:
    """What so many entries are kept in by an audit; nothing for those that memory holds as values."""
    return Shelf() if entries > MOST_AS_VALUES else None


__all__ = ["MOST_AS_VALUES", "Shelf", "shelf_for"]
