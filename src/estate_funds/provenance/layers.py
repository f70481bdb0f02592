"""Money of funds in layers, each of one receipt: it arrives, is taken by the fund's method, and comes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from estate_funds.errors import InvariantBroken, Unallocated
from estate_funds.money import allocate, format_yuan
from estate_funds.provenance.parts import Flow, MadeGood, Receipt

PROPORTIONAL = "proportional"


@dataclass(slots=True, eq=False)
class Stock:
    """What a fund has of one source as one fund first received it, and what became of the rest, in fen."""

    fund: str
    origin: str  # the fund that first received it
    source: str
    received: int = 0
    taken: int = 0
    given: int = 0
    spent: int = 0
    made_good: int = 0
    left: int = 0
    queue: list[int] = field(default_factory=list)  # a heap of layer numbers: the oldest first

    @property
    def flow(self) -> Flow:
        """The figures for people."""
        return Flow(self.received, self.taken, self.given, self.spent, self.made_good, self.left)


@dataclass(slots=True, eq=False)
class Pool:
    """The money of a fund; `queue` is a heap of the numbers of its layers."""

    method: str
    cash: int = 0
    left: int = 0
    stocks: dict[tuple[str, str], Stock] = field(default_factory=dict)
    queue: list[int] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Layer:
    """Money of one receipt that came into a fund by one entry.

    What was taken back of it after it was used is made good by other layers; as long as it is, nothing is left here.
    """

    number: int  # order of arrival
    stock: Stock
    receipt: Receipt
    seq: int
    giver: Layer | None
    left: int = 0
    made_good: list[StandIn] = field(default_factory=list)

    def up(self) -> Iterator[Layer]:
        """This layer, that which it came from, and so on to the receipt."""
        at: Layer | None = self
        while at is not None:
            yield at
            at = at.giver

    @property
    def way(self) -> tuple[tuple[int, str], ...]:
        """Entry and fund of each step, the receipt first."""
        return tuple((at.seq, at.stock.fund) for at in self.up())[::-1]

    @property
    def stand_ins(self) -> tuple[MadeGood, ...]:
        """What stands in for money that was taken back on the way."""
        return tuple(MadeGood(s.seq, s.layer.receipt, s.fen) for at in self.up() for s in at.made_good)


@dataclass(slots=True, eq=False)
class StandIn:
    """Fen of another layer that make good what an entry took back."""

    seq: int
    layer: Layer
    fen: int


class Piece(NamedTuple):
    """Fen taken out of a layer."""

    layer: Layer
    fen: int


class Layers:
    """The layers of every fund."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.all: list[Layer] = []

    def define(self, fund: str, method: str) -> None:
        """A fund, or another method for what it pays from now on."""
        self.pools.setdefault(fund, Pool(method)).method = method

    def pool(self, fund: str, seq: int) -> Pool:
        """The money of a fund; Unallocated where an entry moves cash of a fund that was never opened."""
        pool = self.pools.get(fund)
        if pool is None:
            raise unallocated(seq, fund, "cash in a fund that was never opened")
        return pool

    def balance(self, fund: str, change: int, seq: int) -> None:
        """Change a fund's cash by what an entry says; InvariantBroken where its layers do not sum to it."""
        pool = self.pool(fund, seq)
        pool.cash += change
        if pool.cash != pool.left:
            raise InvariantBroken(f"entry {seq}: {fund} has {pool.cash} fen, and its layers have {pool.left}")

    def arrive(self, fund: str, receipt: Receipt, seq: int, giver: Layer | None, fen: int) -> Layer:
        """A new layer, the youngest of its fund."""
        pool = self.pool(fund, seq)
        key = (receipt.fund, receipt.source)
        stock = pool.stocks.get(key)
        if stock is None:
            stock = pool.stocks[key] = Stock(fund, *key)
        if giver is None:
            stock.received += fen
        else:
            stock.taken += fen
        layer = Layer(len(self.all), stock, receipt, seq, giver)
        self.all.append(layer)
        self.restore(layer, fen)
        return layer

    def restore(self, layer: Layer, fen: int) -> None:
        """Money comes to a layer, or back to it and from there to what stands in for it; it keeps its old place."""
        self.pools[layer.stock.fund].left += fen
        waiting = [(layer, fen)]
        while waiting:
            layer, fen = waiting.pop()
            while fen and layer.made_good:
                last = layer.made_good[-1]
                part = min(fen, last.fen)
                last.fen -= part
                layer.stock.made_good -= part
                last.layer.stock.made_good += part
                waiting.append((last.layer, part))
                fen -= part
                if not last.fen:
                    layer.made_good.pop()
            if fen and not layer.left:  # where it still stands in a queue, it now stands there twice: harmless
                heappush(layer.stock.queue, layer.number)
                heappush(self.pools[layer.stock.fund].queue, layer.number)
            layer.left += fen
            layer.stock.left += fen

    def take(self, fund: str, fen: int, seq: int, first: Iterable[Stock] = ()) -> list[Piece]:
        """Take money out of a fund by its method, from some sources first; Unallocated where there is not so much."""
        pool = self.pool(fund, seq)
        if pool.left < fen:
            had = f"at most {format_yuan(pool.left)} yuan, which is what its receipts leave"
            raise unallocated(seq, fund, f"{format_yuan(fen)} yuan go out", had)
        pool.left -= fen
        preferred = [stock for stock in first if stock.left]
        before = min(fen, sum(stock.left for stock in preferred))
        pieces = self._by_method(pool, preferred, before) if before else []
        return pieces + (self._by_method(pool, None, fen - before) if fen > before else [])

    def take_back(self, layer: Layer, fen: int, seq: int) -> list[Piece]:
        """A layer gives up what it has left; for what was used of it, other money of its fund stands in.

        Money of the same source stands in first, then what the fund's method takes.
        """
        own = min(layer.left, fen)
        layer.left -= own
        layer.stock.left -= own
        self.pools[layer.stock.fund].left -= own
        pieces = [Piece(layer, own)] if own else []
        if own < fen:
            for piece in self.take(layer.stock.fund, fen - own, seq, [layer.stock]):
                layer.made_good.append(StandIn(seq, piece.layer, piece.fen))
                layer.stock.made_good += piece.fen
                piece.layer.stock.made_good -= piece.fen
                pieces.append(piece)
        return pieces

    def _by_method(self, pool: Pool, among: list[Stock] | None, fen: int) -> list[Piece]:
        if pool.method != PROPORTIONAL and among is None:
            return self._oldest(pool.queue, fen)
        stocks = [stock for stock in (pool.stocks.values() if among is None else among) if stock.left]
        if len(stocks) == 1:
            return self._oldest(stocks[0].queue, fen)
        if pool.method == PROPORTIONAL:
            keyed = {(stock.origin, stock.source): stock for stock in stocks}
            shares = allocate(fen, {key: stock.left for key, stock in keyed.items()})
            return [piece for key, part in shares.items() for piece in self._oldest(keyed[key].queue, part)]
        pieces: list[Piece] = []
        while fen:
            stock = min((stock for stock in stocks if stock.left), key=lambda s: self._top(s.queue).number)
            part = min(fen, self._top(stock.queue).left)
            pieces += self._oldest(stock.queue, part)
            fen -= part
        return pieces

    def _oldest(self, queue: list[int], fen: int) -> list[Piece]:
        """Take from the oldest layers of a queue, which has enough."""
        pieces = []
        while fen:
            layer = self._top(queue)
            part = min(fen, layer.left)
            layer.left -= part
            layer.stock.left -= part
            fen -= part
            pieces.append(Piece(layer, part))
        return pieces

    def _top(self, queue: list[int]) -> Layer:
        while not self.all[queue[0]].left:
            heappop(queue)
        return self.all[queue[0]]


def unallocated(seq: int, fund: str, got: str, wanted: str = "money that a receipt accounts for") -> Unallocated:
    """The error for money that no receipt of the journal accounts for."""
    what = f"money of {fund or 'a fund'} that no receipt accounts for"
    fix = "give the journal from its first entry; if it was, audit it: an entry is missing or changed"
    return Unallocated(what, where=f"entry {seq}", got=got, wanted=wanted, fix=fix)
