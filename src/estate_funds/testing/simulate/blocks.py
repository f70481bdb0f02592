"""Blocks and snapshots of a few entries, so that short histories seal many: for tests alone, and this process alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType

from estate_funds import books, merkle
from estate_funds.audit import journal
from estate_funds.store import state, writer

FULL = merkle.BLOCK_LEAVES
_NAMED: tuple[ModuleType, ...] = (merkle, state, writer, journal, books)  # those that name the size
_SNAPSHOT = writer.SNAPSHOT_ENTRIES


def set_block(leaves: int) -> None:
    """Seal blocks of so many entries, a power of two, and take snapshots after a quarter of that."""
    for module in _NAMED:
        vars(module)["BLOCK_LEAVES"] = leaves
    vars(writer)["SNAPSHOT_ENTRIES"] = _SNAPSHOT if leaves == FULL else leaves >> 2
    vars(writer)["_SHIFT"] = leaves.bit_length() - 1
    defaults = merkle.Subtrees.__init__.__kwdefaults__
    assert defaults is not None
    defaults["block"] = leaves


@contextlib.contextmanager
def blocks_of(leaves: int) -> Iterator[None]:
    """The same for a while."""
    set_block(leaves)
    try:
        yield
    finally:
        set_block(FULL)
