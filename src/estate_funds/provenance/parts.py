"""What the trace says: receipts, the parts of what went out, what became of each source; and the words for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import NamedTuple

from estate_funds.money import format_yuan
from estate_funds.text import table


class Receipt(NamedTuple):
    """How money first came into these books: the entry, its effective day, the fund, the source, and on what ground."""

    seq: int
    day: date
    fund: str
    source: str
    document: str
    clause: str


class MadeGood(NamedTuple):
    """Money of one receipt that stands in for other money, which was taken back by an entry after it was used."""

    seq: int
    receipt: Receipt
    fen: int


class Part(NamedTuple):
    """A part of what a fund paid, or has left: fen of one receipt, and the way they went.

    `into` is the fund that took them, empty where they left the books. `way` is (entry, fund) for each fund that they
    were in, the first receipt first. `back_fen` came back since: recovered, repaid or reversed. `made_good` says what
    stands in where this receipt, or a crossing on the way, was taken back after its money was used.
    """

    fund: str
    into: str
    receipt: Receipt
    fen: int
    way: tuple[tuple[int, str], ...]
    back_fen: int = 0
    made_good: tuple[MadeGood, ...] = ()


class Flow(NamedTuple):
    """What became of the money of a source, in fen: received + taken + made_good = given + spent + held.

    `taken` and `given` crossed funds. `made_good` is what other sources stand in for, or, below 0, what this source
    stands in for.
    """

    received: int
    taken: int
    given: int
    spent: int
    made_good: int
    held: int


class Forward(NamedTuple):
    """What became of the receipts of one entry, in fen: received + made_good = spent + left.

    `came` is each receipt with what it still brings. `spent` has the entry by which each part left the books.
    `made_good_fen` is what other receipts stand in for, or, below 0, what this one stands in for; see `MadeGood`.
    """

    seq: int
    came: tuple[tuple[Receipt, int], ...]
    spent: tuple[tuple[int, Part], ...]
    left: tuple[Part, ...]
    made_good_fen: int

    @property
    def received_fen(self) -> int:
        """What the receipts still bring: none where they were undone."""
        return sum(fen for _, fen in self.came)

    @property
    def spent_fen(self) -> int:
        """What left the books and did not come back."""
        return sum(part.fen for _, part in self.spent)

    @property
    def left_fen(self) -> int:
        """What the funds of these books still have of it."""
        return sum(part.fen for part in self.left)


def entry_text(seq: int, out: Iterable[Part], back: Iterable[Part]) -> str:
    """Where the money of an entry came from, and what came back in it, part by part; amounts in yuan."""
    lines = [
        *_blocks(f"entry {seq}: {{yuan}} out of {{fund}}{{into}}", out),
        *_blocks(f"entry {seq}: {{yuan}} back to {{fund}}, that had gone out{{into}}", back),
    ]
    return "\n".join(lines) if lines else f"entry {seq}: no cash goes out or comes back"


def _blocks(head: str, parts: Iterable[Part]) -> Iterator[str]:
    """A block for each fund and fund that took, with a line for each part and its notes below."""
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.fund, part.into), []).append(part)
    for (fund, into), members in groups.items():
        total = format_yuan(sum(part.fen for part in members))
        yield head.format(yuan=total, fund=fund, into=f" into {into}" if into else "")
        rows = [("yuan", "source", "receipt", "day", "clause", "way"), *map(_row, members)]
        title, *lines = table(rows, right=[0, 2]).split("\n")
        yield title
        for part, line in zip(members, lines, strict=True):
            yield line
            yield from (f"      {note}" for note in _notes(part))


def _row(part: Part) -> tuple[str, ...]:
    receipt = part.receipt
    way = [part.way[0][1], *(f"{fund} (entry {seq})" for seq, fund in part.way[1:])]
    ground = f"{receipt.document} {receipt.clause}"
    return format_yuan(part.fen), receipt.source, str(receipt.seq), str(receipt.day), ground, " > ".join(way)


def _notes(part: Part) -> Iterator[str]:
    if part.back_fen:
        yield f"{format_yuan(part.back_fen)} of it came back since"
    for stand_in in part.made_good:
        receipt = f"{stand_in.receipt.source}, receipt {stand_in.receipt.seq}"
        yield f"taken back by entry {stand_in.seq} after use: {format_yuan(stand_in.fen)} of {receipt} stand in"
