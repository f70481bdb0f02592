"""Replay a journal that is kept in blocks of columns, on one core.

Usage: replay_blocks.py FILE whole|stages|plain

`whole` is `replay_columns` from the bytes of the blocks to the root of the tree; `stages` does parts of it alone, each
over all blocks; `plain` replays the first entries one by one, and in columns, to compare.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from estate_funds.columns import Columns, Twin, canonical, leaves, replay_columns
from estate_funds.ledger import Ledger, replay
from estate_funds.merkle import tree_root

SAMPLE = 20_000


def blobs(path: Path) -> Iterator[bytes]:
    """The bytes of the blocks in order."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        for (data,) in connection.execute("SELECT data FROM block ORDER BY number"):
            yield data


def whole(path: Path) -> dict[str, object]:
    """The replay: CPU seconds of everything but the imports."""
    start, wall = time.process_time(), time.perf_counter()
    ledger = replay_columns(map(Columns.from_ipc, blobs(path)))
    return {
        "cpu_s": time.process_time() - start,
        "wall_s": time.perf_counter() - wall,
        "entries": ledger.seq,
        "head": ledger.head,
        "open_balances": len(ledger.balances),
        "promises": len(ledger.promises),
    }


def stages(path: Path) -> dict[str, object]:
    """What parts of it take: reading, the canonical bytes, these and their hashes, the tree."""
    spent = dict.fromkeys(("decode_s", "canonical_s", "leaves_s", "tree_s"), 0.0)
    data = list(blobs(path))
    hashes = []
    for blob in data:
        times = [time.process_time()]
        columns = Columns.from_ipc(blob)
        times.append(time.process_time())
        canonical(columns)
        times.append(time.process_time())
        hashes.append(leaves(columns))
        times.append(time.process_time())
        for number, name in enumerate(("decode_s", "canonical_s", "leaves_s")):
            spent[name] += times[number + 1] - times[number]
    start = time.process_time()
    root = tree_root(b"".join(hashes))
    spent["tree_s"] = time.process_time() - start
    return {**spent, "root": root.hex(), "bytes": sum(map(len, data)), "blocks": len(data)}


def plain(path: Path) -> dict[str, object]:
    """The first entries through both gates, decoded beforehand."""
    blocks: list[Columns] = []
    for blob in blobs(path):
        block = Columns.from_ipc(blob)
        blocks.append(block.slice(0, SAMPLE - sum(map(len, blocks))))
        if sum(map(len, blocks)) == SAMPLE:
            break
    entries = [entry for block in blocks for entry in block.entries()]
    start = time.process_time()
    slow = replay(entries)
    middle = time.process_time()
    twin = Twin(Ledger())
    for block in blocks:
        twin.refold(block)
    done = time.process_time()
    return {
        "plain_s": middle - start,
        "columns_s": done - middle,
        "sample": len(entries),
        "in_columns": twin.in_columns,
        "same": slow.head == twin.ledger.head and slow.balances == twin.ledger.balances,
    }


def main(path: Path, mode: str) -> None:
    """Measure one thing and report it."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    measured = {"whole": whole, "stages": stages, "plain": plain}[mode](path)
    from measure import report  # beside this file, whichever folder a checker starts from

    report(**measured)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
