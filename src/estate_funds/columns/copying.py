"""Entries in columns as PostgreSQL's binary COPY takes them: the rows of `rows.py` without a Python object for each.

A row is the number of its fields, and of each its length and its bytes, numbers with the most significant byte first
(PostgreSQL manual, COPY, "Binary Format"). As with leaves (see `sealing`), all pieces of a block are laid in one array,
words that stand side by side are joined once for each combination that occurs, and one `take` copies them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.columns.block import TEXT_FIELDS, Columns, Places, codes_of, combined, compact, flattened
from estate_funds.columns.rows import lines_of
from estate_funds.columns.sealing import leaves as leaves_of
from estate_funds.merkle import HASH_SIZE

HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"  # of all rows: no flags, no extension; no more rows
# Runs of words between the fields that are an entry's own, in the order of the table's columns.
_BEFORE_KEY = ("recorded", "policy", "registry", "kind", "effective")
_BEFORE_NARRATIVE = ("maker", "approver")
_BEFORE_REFERENCE = ("document", "clause", "purpose", "payee", "payee_class")
_ENTRY_FIELDS, _POSTING_FIELDS = len(TEXT_FIELDS) + 6, 7
_SIZE = ">i4"
_NUMBER = [("size", _SIZE), ("value", ">i8")]
_ENTRY_HEAD = np.dtype([("fields", ">i2"), ("seq", _NUMBER)])
_POSTING_HEAD = np.dtype([("fields", ">i2"), ("seq", _NUMBER), ("line_size", _SIZE), ("line", _SIZE)])
_HASH = np.dtype([("size", _SIZE), ("hash", f"V{HASH_SIZE}")])


def entry_copy(columns: Columns, leaves: bytes = b"", root: bytes = b"", within: bytes = b"") -> Iterator[bytes]:
    """The rows of `rows.entry_rows` as bytes, block by block, to stand between HEADER and TRAILER."""
    leaves = leaves or leaves_of(columns)
    for block in columns.blocks():
        start, n = block.first_seq - columns.first_seq, len(block)
        roots = [within] * n
        if n and start + n == len(columns):
            roots[-1] = root
        yield _entries(block, leaves[start * HASH_SIZE : (start + n) * HASH_SIZE], roots)


def posting_copy(columns: Columns) -> Iterator[bytes]:
    """The rows of `rows.posting_rows` as bytes, block by block, to stand between HEADER and TRAILER."""
    for block in columns.blocks():
        yield _postings(block)


def _entries(block: Columns, leaves: bytes, roots: list[bytes]) -> bytes:
    n, column, pieces = len(block), block.drafts.batch.column, _Pieces()
    field = {**{name: column(name) for name in TEXT_FIELDS}, "recorded": block.recorded}
    head = np.zeros(n, _ENTRY_HEAD)
    head["fields"], head["seq"]["size"], head["seq"]["value"] = _ENTRY_FIELDS, 8, _seqs(block)
    leaf = np.zeros(n, _HASH)
    leaf["size"], leaf["hash"] = HASH_SIZE, np.frombuffer(leaves, f"V{HASH_SIZE}")
    return pieces.laid(
        [
            pieces.fixed(head),
            pieces.words([field[name] for name in _BEFORE_KEY]),
            pieces.words([field["key"]]),
            pieces.words([field[name] for name in _BEFORE_NARRATIVE]),
            pieces.words([field["narrative"]]),
            pieces.words([field[name] for name in _BEFORE_REFERENCE]),
            pieces.words([field["reference"]]),
            pieces.words([lines_of(column("terms"))]),
            pieces.words([lines_of(column("evidence"))]),
            pieces.fixed(leaf),
            pieces.words([pa.array(roots, pa.binary()).dictionary_encode()]),
        ]
    )


def _postings(block: Columns) -> bytes:
    ends, (funds, accounts, details, sides, amounts) = flattened(block.drafts.batch.column("postings"))
    counts, pieces = np.diff(ends), _Pieces()
    head = np.zeros(len(amounts), _POSTING_HEAD)
    head["fields"], head["seq"]["size"], head["line_size"] = _POSTING_FIELDS, 8, 4
    head["seq"]["value"] = np.repeat(_seqs(block), counts)
    head["line"] = np.arange(len(amounts)) - np.repeat(ends[:-1], counts) + 1
    fen = np.zeros(len(amounts), np.dtype(_NUMBER))
    fen["size"], fen["value"] = 8, np.asarray(amounts)
    places = [pieces.fixed(head), pieces.words([funds, accounts]), pieces.words([details]), pieces.words([sides])]
    return pieces.laid([*places, pieces.fixed(fen)])


def _seqs(block: Columns) -> npt.NDArray[np.int64]:
    return np.arange(block.first_seq, block.first_seq + len(block))


class _Pieces:
    """Pieces of rows and their places in the one array that holds them all."""

    def __init__(self) -> None:
        self._arrays: list[pa.Array] = []
        self._size = 0

    def _add(self, pieces: pa.Array) -> np.int32:
        first = np.int32(self._size)
        self._arrays.append(pieces)
        self._size += len(pieces)
        return first

    def fixed(self, records: npt.NDArray[np.void]) -> Places:
        """Add the bytes of records, a piece each; the place of each."""
        size = records.dtype.itemsize
        offsets = np.arange(0, (len(records) + 1) * size, size, dtype=np.int32)
        data = pa.py_buffer(records.tobytes())
        made = pa.Array.from_buffers(pa.binary(), len(records), [None, pa.py_buffer(offsets), data])
        return np.arange(len(records), dtype=np.int32) + self._add(made)

    def words(self, columns: Sequence[pa.Array]) -> Places:
        """Add fields that stand side by side, a piece for each combination that occurs; the place of each row's."""
        if len(columns) == 1:
            column = columns[0]
            if not pa.types.is_dictionary(column.type):
                return np.arange(len(column), dtype=np.int32) + self._add(_sized(column))
            column = compact(column)
            return np.asarray(column.indices) + self._add(_sized(column.dictionary))
        places, first = combined([codes_of(column) for column in columns])
        chosen = (column.take(pa.array(first)) for column in columns)
        fields = [_sized(one.dictionary_decode() if pa.types.is_dictionary(one.type) else one) for one in chosen]
        return places + self._add(pc.binary_join_element_wise(*fields, b""))

    def laid(self, places: Sequence[Places]) -> bytes:
        """The pieces at these places, one of each for a row, row by row."""
        order = np.stack(places, axis=1).ravel()
        laid = pa.concat_arrays(self._arrays).take(pa.array(order))
        return laid.buffers()[2].to_pybytes() if len(laid) else b""


def _sized(texts: pa.Array) -> pa.Array:
    """Each text or string of bytes with its length before it; days are text as ISO 8601 has it."""
    data = texts.cast(pa.string()).cast(pa.binary()) if not pa.types.is_binary(texts.type) else texts
    lengths = np.asarray(pc.binary_length(data)).astype(_SIZE)
    sizes = pa.FixedSizeBinaryArray.from_buffers(pa.binary(4), len(data), [None, pa.py_buffer(lengths.tobytes())])
    return pc.binary_join_element_wise(sizes.cast(pa.binary()), data, b"")
