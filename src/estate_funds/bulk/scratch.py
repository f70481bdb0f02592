"""Pairs of hash and part, spilled to files by the top bits of the hash once memory is short of them.

A pile is filled once, by any number of threads, and then read bucket by bucket. A folder is made, under the one that
was named, only when something has to be written; it goes with the pile, also when something fails.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from types import TracebackType

import numpy as np
import numpy.typing as npt

from estate_funds.errors import OutputError
from estate_funds.exchange.ids import Hashes

Numbers = npt.NDArray[np.uint32]
PAIR = np.dtype([("hash", "<u8"), ("part", "<u4")])  # 12 bytes, side by side in a file
Pairs = npt.NDArray[np.void]
_MOST_BITS = 16


class Pile:
    """Pairs of hash and part number, in memory up to `most` of them, beyond that in `buckets` files of a folder.

    `buckets` is a power of two from 1 to 65,536. OutputError, with the place, where the folder cannot take more.
    """

    def __init__(self, scratch: Path, *, most: int, buckets: int) -> None:
        self.bits = buckets.bit_length() - 1
        if buckets != 1 << self.bits or not 0 <= self.bits <= _MOST_BITS:
            raise ValueError("buckets must be a power of two, at most 65536")
        self._scratch, self._most = scratch, most
        self._folder: Path | None = None
        self._waiting: list[Pairs] = []
        self._count = 0
        self._lock = Lock()

    def __enter__(self) -> Pile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._waiting = []
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def spilled(self) -> bool:
        """Whether anything had to be written."""
        return self._folder is not None

    def add(self, hashed: Hashes, part: int) -> None:
        """Take the hashes of some rows of a part."""
        pairs = np.empty(len(hashed), PAIR)
        pairs["hash"], pairs["part"] = hashed, part
        with self._lock:
            self._waiting.append(pairs)
            self._count += len(pairs)
            if self._count > self._most:
                self._spill()

    def buckets(self, most: int) -> Iterator[Iterator[Pairs]]:
        """Pairs by bucket, each as chunks of at most about `most` pairs; one bucket where nothing was written.

        A bucket of more than `most` pairs comes in several shares by the next bits of the hash, so that those of one
        hash are in one share.
        """
        if self._folder is None:
            whole, self._waiting = self._waiting, []
            yield iter([np.concatenate(whole)] if whole else [])
            return
        self._spill()
        for path in sorted(self._folder.iterdir()):
            pairs = path.stat().st_size // PAIR.itemsize
            split = max(0, (pairs - 1).bit_length() - max(most, 1).bit_length() + 1)
            for share in range(1 << min(split, _MOST_BITS)):
                yield self._read(path, most, min(split, _MOST_BITS), share)
            path.unlink()

    def _read(self, path: Path, most: int, split: int, share: int) -> Iterator[Pairs]:
        try:
            with path.open("rb") as file:
                while len(chunk := np.frombuffer(file.read(PAIR.itemsize * max(most, 1)), PAIR)):
                    if split:
                        bits = chunk["hash"] << np.uint64(self.bits) >> np.uint64(64 - split)
                        chunk = chunk[bits == share]
                    yield chunk
        except OSError as error:
            raise OutputError(
                "the scratch folder cannot be read", where=str(path), got=error.strerror, fix="name another folder"
            ) from None

    def _spill(self) -> None:
        """Append what waits to the files of its buckets."""
        whole = np.concatenate(self._waiting) if self._waiting else np.empty(0, PAIR)
        self._waiting, self._count = [], 0
        # Sixteen bits sort in linear time; a shift by all 64 bits would be none.
        bucket = (whole["hash"] >> np.uint64(48)).astype(np.uint16) >> (16 - self.bits)
        whole = whole[np.argsort(bucket, kind="stable")]
        ends = np.cumsum(np.bincount(bucket, minlength=1 << self.bits)).tolist()
        try:
            if self._folder is None:
                self._scratch.mkdir(parents=True, exist_ok=True)
                self._folder = Path(tempfile.mkdtemp(prefix="duplicates-", dir=self._scratch))
            start = 0
            for number, end in enumerate(ends):
                if end > start:
                    _append(self._folder / f"{number:05d}", whole[start:end])
                start = end
        except OSError as error:
            raise OutputError(
                "the scratch folder cannot take the hashes of ids",
                where=str(error.filename or self._folder or self._scratch),
                got=error.strerror,
                wanted=f"{PAIR.itemsize} bytes a row",
                fix="free some space, name another folder, or allow more memory",
            ) from None


def _append(path: Path, pairs: Pairs) -> None:
    with path.open("ab") as file:
        file.write(pairs.tobytes())


__all__ = ["PAIR", "Pairs", "Pile"]
