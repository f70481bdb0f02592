"""The replay of a long journal for an audit, in columns: the fast twin of `audit.journal.replayed`.

It gives what that gives, or nothing: where any entry is not as it should be, the plain replay says which, and why.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from estate_funds.audit.journal import (
    Kept,
    Replayed,
    Snapshots,
    check_snapshot,
    conclude,
    note_remarkable,
    parse_head,
)
from estate_funds.columns.block import BLOCK, Columns
from estate_funds.columns.past import Remembered
from estate_funds.columns.shelf import Shelf
from estate_funds.columns.twin import Twin
from estate_funds.errors import EstateFundsError, InvariantBroken
from estate_funds.journal import Entry
from estate_funds.ledger.records import Nothing

_OTHERWISE = (EstateFundsError, InvariantBroken, pa.ArrowException, OverflowError, ValueError, TypeError)


def replayed_in_columns(
    entries: Iterable[Entry], size: int, root: bytes, kept_heads: Iterable[str], kept: Kept, drawn: Iterable[int]
) -> Replayed | None:
    """A journal of `size` entries and that root, through the gate again; None unless every entry of it passes.

    `drawn` are the entries after which a snapshot was taken. What reading the entries raises is raised.
    """
    heads = [parse_head(head) for head in kept_heads]
    shelf, cuts = Shelf(), {size for size, _ in heads} | {*drawn}
    books = Replayed(entries=shelf)
    past = books.ledger.past = Remembered(Nothing())
    past.tells_keys = False  # whether each is used once is asked of all keys together, at the end
    twin, snapshots, marks, block = Twin(books.ledger), Snapshots(iter(kept.snapshots)), [np.zeros(0, np.int64)], []
    if 0 in cuts:
        books.roots[0] = books.ledger.tree.root.hex()

    def fold(block: list[Entry]) -> bool:
        try:
            columns = Columns.from_entries(block)
            books.leaves += twin.refold(columns)
        except _OTHERWISE:
            return False
        shelf.extend(columns)
        marks.append(np.fromiter((hash(entry.draft.key) for entry in block), np.int64, len(block)))
        for entry in block:
            note_remarkable(books, entry)
        books.passed = books.verified = books.ledger.seq
        if books.ledger.seq in cuts:
            books.roots[books.ledger.seq] = books.ledger.tree.root.hex()
            check_snapshot(books, snapshots.after(books.ledger.seq), kept)
        return True

    for entry in entries:
        block.append(entry)
        if len(block) == BLOCK or entry.seq in cuts:
            if not fold(block):
                return None
            block = []
    if block and not fold(block):
        return None
    ordered = np.sort(np.concatenate(marks))
    if (ordered[1:] == ordered[:-1]).any() or (books.ledger.seq, books.ledger.tree.root) != (size, root):
        return None  # equal marks may be of different keys: then the plain replay finds nothing wrong
    past.tells_keys = True
    conclude(books, heads, kept, snapshots)
    return books


__all__ = ["replayed_in_columns"]
