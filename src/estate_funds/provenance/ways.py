"""The money's way as a picture has it: sources, funds, and what it was for, with the fen between each two.

Nothing is netted and nothing is left out: what comes to a fund is what goes from it and what it has left, to the fen.
A picture of ways knows no circles. Where money goes round, the smallest crossings are cut: they end at `back`, under
the name of the fund that took them, and begin again there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from estate_funds.errors import InvariantBroken
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.provenance.fold import Provenance
from estate_funds.provenance.parts import Part

SOURCE, FUND, USE, LEFT, BACK = "source", "fund", "use", "left", "back"
MOST_FUNDS = 24  # more are drawn together, by key and level
MOST_USES = 20  # and of uses, the smallest


class Node(NamedTuple):
    """A place in the picture: a `source`, a `fund`, a `use`, what is `left`, or `back` where a circle is cut.

    `place` tells apart a fund that money comes through twice; `many` is how many are drawn together.
    """

    kind: str
    name: str
    place: int = 0
    many: int = 1


class Link(NamedTuple):
    """The fen, above 0, that went from one place to another."""

    giver: Node
    taker: Node
    fen: int


@dataclass(frozen=True, slots=True)
class Ways:
    """Links without circles, in a stable order; each fund gives, with what it has left, what it was given."""

    links: tuple[Link, ...]

    def __post_init__(self) -> None:
        for node in self.nodes:
            came, went = self.into(node), self.out_of(node)
            if node.kind == FUND and came != went:
                raise InvariantBroken(f"{node.name}: {came} fen came in, and {went} went out or are left")

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every place, givers before takers."""
        return tuple(dict.fromkeys(node for link in self.links for node in link[:2]))

    def into(self, node: Node) -> int:
        """The fen that came to a place."""
        return sum(link.fen for link in self.links if link.taker == node)

    def out_of(self, node: Node) -> int:
        """The fen that went from it."""
        return sum(link.fen for link in self.links if link.giver == node)

    def total(self, kind: str) -> int:
        """The fen that went from, or came to, the places of a kind where ways begin or end."""
        return sum(link.fen for link in self.links for node in link[:2] if node.kind == kind)


def whole(entries: Iterable[Entry], traced: Provenance, *, by: str = "purpose") -> Ways:
    """The way of all money of a journal: from sources through funds to purposes, or, by `payee`, to payees."""
    said = {entry.seq: entry.draft for entry in entries}
    sums: dict[tuple[Node, Node], int] = {}
    for receipt, fen in traced.receipts():
        _add(sums, Node(SOURCE, receipt.source), Node(FUND, receipt.fund), fen)
    for seq, part in traced.standing():
        taker = Node(FUND, part.into) if part.into else Node(USE, _use(said[seq], by))
        _add(sums, Node(FUND, part.fund), taker, part.fen)
    for part in traced.held_in_all():
        _add(sums, Node(FUND, part.fund), Node(LEFT, part.fund), part.fen)
    sums = _drawn_together(sums)
    return Ways(tuple(_without_circles(sums)))


def backward(draft: Draft, parts: Iterable[Part]) -> Ways:
    """The way of what one entry paid: from its sources through each fund to the payee, or the fund that took it."""
    return _paths((_path(part, Node(USE, part.into or _use(draft, "payee"))), part.fen) for part in parts)


def forward(said: Callable[[int], Draft], spent: Iterable[tuple[int, Part]], left: Iterable[Part]) -> Ways:
    """The way of what one receipt brought: to the payees, and to the funds that still have the rest."""
    ways = [(_path(part, Node(USE, _use(said(seq), "payee"))), part.fen) for seq, part in spent]
    return _paths([*ways, *((_path(part, Node(LEFT, part.fund)), part.fen) for part in left)])


def _use(draft: Draft, by: str) -> str:
    if draft.kind is Kind.SURRENDER:
        return draft.payee or draft.kind.value
    names = (draft.payee, draft.purpose) if by == "payee" else (draft.purpose, draft.payee)
    return next(filter(None, names), draft.kind.value)


def _path(part: Part, end: Node) -> list[Node]:
    return [Node(SOURCE, part.receipt.source), *(Node(FUND, fund) for _, fund in part.way), end]


def _paths(ways: Iterable[tuple[list[Node], int]]) -> Ways:
    """Paths laid over one another; where that makes a circle, a fund is another place at each step of the way."""
    known = list(ways)
    for stepped in (False, True):
        sums: dict[tuple[Node, Node], int] = {}
        for path, fen in known:
            at = [node._replace(place=n) if stepped and node.kind == FUND else node for n, node in enumerate(path)]
            for giver, taker in pairwise(at):
                _add(sums, giver, taker, fen)
        if stepped or len(list(_without_circles(sums))) == len(sums):
            break
    return Ways(tuple(Link(*pair, fen) for pair, fen in sums.items()))


def _add(sums: dict[tuple[Node, Node], int], giver: Node, taker: Node, fen: int) -> None:
    if fen:
        sums[giver, taker] = sums.get((giver, taker), 0) + fen


def _drawn_together(sums: dict[tuple[Node, Node], int]) -> dict[tuple[Node, Node], int]:
    """The same with many funds as one of their key and level, and the smallest uses and sources as one of each."""
    size: dict[Node, int] = {}
    for pair, fen in sums.items():
        for node in pair:
            size[node] = size.get(node, 0) + fen
    named: dict[Node, Node] = {}
    funds = {node.name for node in size if node.kind in (FUND, LEFT)}
    for kind in (FUND, LEFT) if len(funds) > MOST_FUNDS else ():
        groups: dict[str, list[Node]] = {}
        for node in size:
            if node.kind == kind:
                groups.setdefault("/".join(node.name.split("/")[:2]), []).append(node)
        for name, members in groups.items():
            if len(members) > 1:
                named |= dict.fromkeys(members, Node(kind, name, many=len(members)))
    for kind in (SOURCE, USE):
        ranked = sorted((node for node in size if node.kind == kind), key=lambda node: (-size[node], node.name))
        rest = ranked[MOST_USES:]
        if len(rest) > 1:
            named |= dict.fromkeys(rest, Node(kind, "", many=len(rest)))
    found: dict[tuple[Node, Node], int] = {}
    for (giver, taker), fen in sums.items():
        _add(found, named.get(giver, giver), named.get(taker, taker), fen)
    return found


def _without_circles(sums: dict[tuple[Node, Node], int]) -> Iterator[Link]:
    """The links, those that would close a circle cut in two: the largest are kept whole."""
    after: dict[Node, set[Node]] = {}

    def leads(start: Node, end: Node) -> bool:
        waiting, seen = [start], {start}
        while waiting:
            node = waiting.pop()
            if node == end:
                return True
            new = after.get(node, set()) - seen
            seen |= new
            waiting += new
        return False

    for (giver, taker), fen in sorted(sums.items(), key=lambda item: (-item[1], item[0])):
        if leads(taker, giver):
            yield Link(giver, Node(BACK, taker.name, 1, taker.many), fen)
            yield Link(Node(BACK, taker.name, 0, taker.many), taker, fen)
        else:
            after.setdefault(giver, set()).add(taker)
            yield Link(giver, taker, fen)


__all__ = ["BACK", "FUND", "LEFT", "SOURCE", "USE", "Link", "Node", "Ways", "backward", "forward", "whole"]
