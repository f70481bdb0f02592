"""Entries in columns as the rows of a database, in the order of its columns, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.columns.block import TEXT_FIELDS, Columns, Drafts, Lines, Papers, flattened, relisted, strings
from estate_funds.columns.sealing import leaves as leaves_of
from estate_funds.errors import ColumnError
from estate_funds.merkle import HASH_SIZE

Row = tuple[object, ...]


def entry_rows(columns: Columns, leaves: bytes = b"", root: bytes = b"", within: bytes = b"") -> Iterator[Row]:
    """A row an entry: seq, recorded, the fields of the draft, terms and evidence a line each, leaf, root.

    Days are text as ISO 8601 has it. `leaves` are 32 bytes an entry, computed where they are not given; `root` is that
    of the tree after the last entry and stands in its row, `within` in those of the others.
    """
    leaves = leaves or leaves_of(columns)
    for block in columns.blocks():
        at = block.first_seq - columns.first_seq
        hashes = [
            leaves[start : start + HASH_SIZE]
            for start in range(at * HASH_SIZE, (at + len(block)) * HASH_SIZE, HASH_SIZE)
        ]
        roots = [within] * len(block)
        if at + len(block) == len(columns) and roots:
            roots[-1] = root
        column = block.drafts.batch.column
        fields = [_texts(column(name)) for name in TEXT_FIELDS]
        seqs = range(block.first_seq, block.first_seq + len(block))
        # The day of recording stands first, behind the number; the rest in the order of the fields.
        yield from zip(
            seqs, _texts(block.recorded), *fields, lines_of(column("terms")).to_pylist(),
            lines_of(column("evidence")).to_pylist(), hashes, roots, strict=True,
        )  # fmt: skip


def posting_rows(columns: Columns) -> Iterator[Row]:
    """A row a posting: seq, line (from 1 in each entry), fund, account, detail, side, amount in fen."""
    for block in columns.blocks():
        ends, (*words, amounts) = flattened(block.drafts.batch.column("postings"))
        counts = np.diff(ends)
        seqs = np.repeat(np.arange(block.first_seq, block.first_seq + len(block)), counts)
        lines = np.arange(len(amounts)) - np.repeat(ends[:-1], counts) + 1
        yield from zip(seqs.tolist(), lines.tolist(), *map(strings, words), amounts.to_pylist(), strict=True)


def columns_of(entries: Sequence[Sequence[Any]], postings: Sequence[Sequence[Any]]) -> Columns:
    """The entries of rows as `entry_rows` and `posting_rows` give them, those of postings in the same order.

    ColumnError or AmountError where they do not follow one another, or where a field cannot stand in its column; that
    an entry is what was booked, its leaf says.
    """
    if not entries:
        raise ColumnError("no rows")
    seqs, recorded, *fields, terms, papers, _, _ = zip(*entries, strict=True)
    first, n = seqs[0], len(entries)
    if seqs != tuple(range(first, first + n)):
        raise ColumnError("rows do not follow one another", where=f"entries from {first} on")
    named = {name: list(values) for name, values in zip(TEXT_FIELDS, fields, strict=True)}
    named["effective"] = _days(named["effective"])
    of, numbers, *lines = zip(*postings, strict=True) if postings else ((),) * 7
    counts = np.bincount(np.array(of, np.int64) - first, minlength=n)
    wanted = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    if len(counts) != n or list(numbers) != wanted.tolist():
        raise ColumnError("postings are not those of the entries, line by line", where=f"entries from {first} on")
    drafts = Drafts.of(
        **named,
        terms=[text.split("\n") if text else [] for text in terms],
        evidence=_papers(papers),
        postings=Lines(counts, *map(list, lines)),
    )
    return Columns(first, _days(list(recorded)), drafts)


def _days(texts: list[str]) -> pa.Array:
    """Days as ISO 8601 has them, in ten characters."""
    try:
        words = pa.array(texts, pa.string()).dictionary_encode()
        days = words.dictionary.cast(pa.date32())
    except (pa.ArrowException, UnicodeError, TypeError) as error:
        raise ColumnError("not a day", got=str(error)) from None
    if not days.cast(pa.string()).equals(words.dictionary):
        raise ColumnError("not how a day is written")
    return days.take(words.indices)


def _papers(texts: Sequence[str]) -> Papers:
    """The documents of each entry, a line each: kind, tab, digest."""
    counts = np.zeros(len(texts), np.int64)
    found: list[list[str]] = []
    for at, text in enumerate(texts):
        if text:
            of = [line.split("\t") for line in text.split("\n")]
            counts[at] = len(of)
            found += of
    if any(len(paper) != 2 for paper in found):
        raise ColumnError("a line of evidence is not a kind and a digest")
    return Papers(counts, [kind for kind, _ in found], [digest for _, digest in found])


def _texts(column: pa.Array) -> list[str]:
    if not pa.types.is_date(column.type):
        return strings(column)
    words = column.dictionary_encode()
    return strings(pa.DictionaryArray.from_arrays(words.indices, words.dictionary.cast(pa.string())))


def lines_of(lists: pa.Array) -> pa.Array:
    """The items of each row, a line each, the fields of an item parted by tabs."""
    ends, fields = flattened(lists)
    if not int(ends[-1]):
        return pa.repeat(pa.scalar(""), len(lists))
    plain = [field.dictionary_decode() if pa.types.is_dictionary(field.type) else field for field in fields]
    items = pc.binary_join_element_wise(*plain, "\t") if len(plain) > 1 else plain[0]
    return pc.binary_join(relisted(ends, [items], pa.string()), "\n")
