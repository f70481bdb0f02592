"""The canonical bytes of many entries, built in columns, and their leaves.

An entry's bytes are a row of pieces of text: literals, words that repeat, and what only this entry has. All pieces of a
block are laid in one array, each entry says which it wants in which order, and one `take` copies them all. Words that
stand side by side are joined beforehand, once for each combination that occurs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.columns.block import MEMORY, Columns, Ints, Places, codes_of, combined, flattened, trimmed
from estate_funds.journal import ENTRY_FORMAT

_HEAD = f"estate_funds entry {ENTRY_FORMAT}\nseq\t"
# Runs of words between the fields that are an entry's own.
_BEFORE_KEY = ("recorded", "policy", "registry", "kind", "effective")
_BEFORE_NARRATIVE = ("maker", "approver")
_BEFORE_REFERENCE = ("document", "clause", "purpose", "payee", "payee_class")


def canonical(columns: Columns) -> list[bytes]:
    """The canonical bytes of each entry, as `Entry.canonical` has them: docs/reference/entry-format.md."""
    found: list[bytes] = []
    for block in columns.blocks():
        for data, ends in _texts(block, ""):
            view = memoryview(data)
            found += [bytes(view[start:end]) for start, end in pairwise(ends)]
    return found


def leaves(columns: Columns) -> bytes:
    """The leaf hash of each entry (RFC 6962, section 2.1), one after the other, 32 bytes each."""
    sha256 = hashlib.sha256
    found: list[bytes] = []
    for block in columns.blocks():
        for data, ends in _texts(block, "\0"):
            view = memoryview(data)
            found += [sha256(view[start:end]).digest() for start, end in pairwise(ends)]
    return b"".join(found)


def _texts(block: Columns, prefix: str) -> list[tuple[pa.Buffer, list[int]]]:
    """The bytes of all entries of a block, and where each begins and the last one ends; in parts if too many."""
    if not len(block):
        return []
    try:
        return [_text(block, prefix)]
    except pa.ArrowInvalid:  # more text than 32-bit offsets can tell
        half = len(block) // 2
        if not half:
            raise
        return _texts(block.slice(0, half), prefix) + _texts(block.slice(half, len(block) - half), prefix)


class _Pieces:
    """Pieces of text and their places in the one array that holds them all."""

    def __init__(self) -> None:
        self.arrays: list[pa.Array] = []
        self.size = 0

    def add(self, texts: pa.Array) -> np.int32:
        """Add an array of pieces; the place of its first."""
        first = np.int32(self.size)
        self.arrays.append(texts)
        self.size += len(texts)
        return first

    def each(self, texts: pa.Array) -> Places:
        """Add an array of pieces; the place of each."""
        return np.arange(len(texts), dtype=np.int32) + self.add(texts)

    def words(self, parts: Sequence[tuple[str, pa.Array]], tail: str) -> Places:
        """For each row the place of: prefix, word, prefix, word ... tail; each combination is one piece."""
        if len(parts) == 1:
            prefix, column = parts[0][0], trimmed(parts[0][1])
            return np.asarray(column.indices) + self.add(
                pc.binary_join_element_wise(prefix, column.dictionary, tail, "")
            )
        places, first = combined([codes_of(column) for _, column in parts])
        pieces: list[pa.Array] = []
        for prefix, column in parts:
            chosen = column.take(pa.array(first))
            encoded = pa.types.is_dictionary(chosen.type)
            pieces += [pa.scalar(prefix), chosen.dictionary_decode() if encoded else chosen.cast(pa.string())]
        return places + self.add(pc.binary_join_element_wise(*pieces, pa.scalar(tail), ""))


def _text(block: Columns, prefix: str) -> tuple[pa.Buffer, list[int]]:
    n, column, pieces = len(block), block.drafts.batch.column, _Pieces()
    field = {**{name: column(name) for name in block.drafts.batch.schema.names}, "recorded": block.recorded}
    # The line feed of each entry is in one piece with what the next one begins with; so before the first there is one
    # too many.
    literal = pieces.add(pa.array(["\n" + prefix + _HEAD, "\n", "\nterm\t"]))
    feed, term = literal + np.int32(1), literal + np.int32(2)
    numbers = pa.array(np.arange(block.first_seq, block.first_seq + n))
    head: list[Places | np.int32] = [
        literal,
        pieces.each(numbers.cast(pa.string())),
        pieces.words([(f"\n{name}\t", field[name]) for name in _BEFORE_KEY], "\nkey\t"),
        pieces.each(field["key"]),
        pieces.words([(f"\n{name}\t", field[name]) for name in _BEFORE_NARRATIVE], "\nnarrative\t"),
        pieces.each(field["narrative"]),
        pieces.words([(f"\n{name}\t", field[name]) for name in _BEFORE_REFERENCE], "\nreference\t"),
        pieces.each(field["reference"]),
    ]
    parts: list[tuple[Ints, list[Places | np.int32]]] = []
    ends, (terms,) = flattened(field["terms"])
    if len(terms):
        parts.append((ends, [term, pieces.each(terms)]))
    ends, (kinds, digests) = flattened(field["evidence"])
    if len(digests):
        parts.append((ends, [pieces.words([("\nevidence\t", kinds)], "\t"), pieces.each(digests)]))
    ends, (funds, accounts, details, sides, amounts) = flattened(field["postings"])
    if len(amounts):
        heads = pieces.words([("\nposting\t", funds), ("\t", accounts)], "\t")
        detail = trimmed(details)
        middles = np.asarray(detail.indices) + pieces.add(detail.dictionary)
        parts.append(
            (ends, [heads, middles, pieces.words([("\t", sides)], "\t"), pieces.each(amounts.cast(pa.string()))])
        )
    starts, order = _laid(n, head, parts, feed)
    text = pc.take(pa.concat_arrays(pieces.arrays, memory_pool=MEMORY), pa.array(order), memory_pool=MEMORY)
    offsets = np.frombuffer(text.buffers()[1], np.int32, len(text) + 1)  # a result of take begins at 0
    return text.buffers()[2], (offsets[starts] + 1).tolist()


def _laid(
    n: int, head: list[Places | np.int32], parts: list[tuple[Ints, list[Places | np.int32]]], feed: np.int32
) -> tuple[Ints, Places]:
    """The places of all pieces, entry by entry: head and lines of each part, and one last line feed.

    And where each entry begins.
    """
    counts = np.full(n, len(head), np.int64)
    for ends, pieces in parts:
        counts += len(pieces) * np.diff(ends)
    starts = np.zeros(n + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    order = np.empty(int(starts[-1]) + 1, np.int32)
    for number, places in enumerate(head):
        order[starts[:-1] + number] = places
    at = starts[:-1] + len(head)
    for ends, pieces in parts:
        lines = np.diff(ends)
        spots = np.repeat(at - len(pieces) * ends[:-1], lines) + len(pieces) * np.arange(int(ends[-1]))
        for number, places in enumerate(pieces):
            order[spots + number] = places
        at += len(pieces) * lines
    order[-1] = feed
    return starts, order
