"""Ids in columns: a 64-bit hash of each, computed with NumPy from the bytes that Arrow holds.

Ten million household ids are told apart by sorting ten million integers instead of filling a table of ten million
strings. That is why this room, which otherwise gets by with Arrow, uses NumPy: Arrow's face for Python has no hash, no
unaligned reads and no sort of plain integers in place.

A hash depends on the bytes of an id and on nothing else: not on chunks, slices, the width of offsets or a dictionary,
nor on the machine. It is no fingerprint against forgers: whoever wants to can make two ids of one hash, so equal hashes
are a reason to compare the ids, never a finding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from estate_funds.errors import ColumnError, InvariantBroken

Hashes = npt.NDArray[np.uint64]
_WORD = 8  # bytes that are mixed at a time
_ROWS = 1 << 15  # rows that are hashed at a time: their words and hashes stay in a core's cache
_LONG = 256  # bytes from which an id goes through BLAKE2 by itself, so that one of megabytes holds up no other
_SEED = np.uint64(0x9E3779B97F4A7C15)
_OF_WORDS = np.uint64(0xC2B2AE3D27D4EB4F)
_OF_STATE = np.uint64(0xD6E8FEB86659FD93)
_LAST = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))  # of MurmurHash3's 64-bit finalizer
_32, _33, _29 = np.uint64(32), np.uint64(33), np.uint64(29)
_ALL = (1 << 64) - 1
# The mask of the last word by the bytes of the id in it; where it has none left, no word is read.
_TAILS = np.array([_ALL >> (8 * (_WORD - kept)) if kept else 0 for kept in range(_WORD + 1)], np.uint64)


def hashes(column: pa.Array | pa.ChunkedArray) -> Hashes:
    """The 64-bit hash of each id of a column.

    `column`: string, large_string, binary or large_binary, or a dictionary of one of them, in one array or in chunks,
    shape (rows,). It has no nulls: to refuse them, with their row, is the caller's part, and one that forgets it gets
    InvariantBroken. The answer is uint64, shape (rows,). ColumnError for a column of another type.

    >>> two = pa.array(["yuanyi-01-0001", "院一-01-0001", "yuanyi-01-0001"])
    >>> (hashes(two) == hashes(two)[0]).tolist(), bool(hashes(two[1:])[0] == hashes(two)[1])
    ([True, False, True], True)
    """
    found = np.empty(len(column), np.uint64)
    start = 0
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else (column,):
        for piece in _pieces(chunk):
            found[start : start + len(piece)] = piece
            start += len(piece)
    return found


def among(column: Hashes, known: Hashes) -> npt.NDArray[np.bool_]:
    """Which hashes of a column are among known ones; `known` is ascending. Bool, shape (rows,).

    >>> among(np.array([7, 3, 9], np.uint64), np.array([3, 7], np.uint64)).tolist()
    [True, True, False]
    """
    if not len(known):
        return np.zeros(len(column), np.bool_)
    at = np.searchsorted(known, column)
    at[at == len(known)] = 0
    return np.asarray(known[at] == column, np.bool_)


def _pieces(array: pa.Array) -> Iterator[Hashes]:
    """The hashes of one array, some rows at a time."""
    if array.null_count:
        raise InvariantBroken("a column of ids with nulls came to be hashed")
    if pa.types.is_dictionary(array.type):
        if array.dictionary.null_count or len(array.dictionary) > len(array):
            yield from _pieces(array.dictionary_decode())
            return
        words = hashes(array.dictionary)
        yield words[array.indices.to_numpy(zero_copy_only=False)]
        return
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    if not wide and not pa.types.is_string(array.type) and not pa.types.is_binary(array.type):
        raise ColumnError("ids are hashed as text only", got=str(array.type), wanted="a column of strings")
    if not len(array):
        return
    _, places, held = array.buffers()
    at = np.frombuffer(places, np.int64 if wide else np.int32)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(held, np.uint8) if held is not None else np.empty(0, np.uint8)
    for first in range(0, len(array), _ROWS):
        ends = at[first : first + _ROWS + 1].astype(np.int64)
        # A copy with some bytes more: the last word of the last id may be read whole, and is masked after.
        block = np.zeros(int(ends[-1] - ends[0]) + _WORD, np.uint8)
        block[:-_WORD] = data[ends[0] : ends[-1]]
        yield _hashed(block, ends - ends[0])


def _hashed(block: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> Hashes:
    """The hashes of the ids that lie between `ends` of a block of bytes with one word to spare."""
    starts, lengths = ends[:-1], ends[1:] - ends[:-1]
    low, high = int(lengths.min()), int(lengths.max())
    state = lengths.astype(np.uint64) * _OF_WORDS ^ _SEED
    if low == high and 0 < high <= _LONG:
        _mix_equal(state, block, high)
    elif high:
        _mix_uneven(state, block, starts, lengths, min(high, _LONG))
    state ^= state >> _33
    state *= _LAST[0]
    state ^= state >> _33
    state *= _LAST[1]
    state ^= state >> _33
    if high > _LONG:
        for row in np.flatnonzero(lengths > _LONG).tolist():
            text = block[starts[row] : starts[row] + lengths[row]]
            state[row] = int.from_bytes(hashlib.blake2b(text.data, digest_size=8).digest(), "little")
    return state


def _mix_equal(state: Hashes, block: npt.NDArray[np.uint8], length: int) -> None:
    """Mix the words of ids that all have one length: they lie at equal distances, so no place is looked up."""
    for at in range(0, length, _WORD):
        words = np.ndarray(state.shape, "<u8", block.data, at, (length,)).astype(np.uint64)
        if length - at < _WORD:
            words &= _TAILS[length - at]
        _mix(state, words)


def _mix_uneven(
    state: Hashes,
    block: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    longest: int,
) -> None:
    """Mix the words of ids of several lengths; an id takes part as long as it has bytes left."""
    every = np.ndarray((len(block) - _WORD + 1,), "<u8", block.data, 0, (1,))  # a word from each byte on
    for at in range(0, longest, _WORD):
        left = lengths - at
        rows = np.flatnonzero(left > 0)
        words = every[starts[rows] + at].astype(np.uint64, copy=False)
        words &= _TAILS[np.minimum(left[rows], _WORD)]
        if len(rows) == len(state):
            _mix(state, words)
        else:
            some = state[rows]
            _mix(some, words)
            state[rows] = some


def _mix(state: Hashes, words: Hashes) -> None:
    """Mix a word into each state, in place: one to one in the word and in the state, so that no step loses a bit."""
    words *= _OF_WORDS
    words ^= words >> _32
    state ^= words
    state *= _OF_STATE
    state ^= state >> _29


__all__ = ["Hashes", "among", "hashes"]
