"""The trace: a fold over the journal that keeps every fund's money in layers, each of one receipt.

Money that arrives is a layer, with the receipt it came by; what goes out takes from layers, and its parts sum to it.
`fifo` takes the oldest layer first. `proportional` divides what goes out among the sources by what each has left
(largest remainder), and takes the oldest layer of a source first: what has to be fair is who paid, not on which day,
and so a payment has about as many parts as there are sources, not as there are receipts. What crosses into another
fund stays the money of its first receipt. The rules, with an example: docs/reference/provenance.md.

At the end of each entry the layers of a fund sum to its cash. Nothing is stored: the journal alone decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from estate_funds.errors import InvariantBroken
from estate_funds.funds import Account, Side
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger.shapes import DEFINING, MIRRORS
from estate_funds.money import format_yuan
from estate_funds.provenance.layers import Layer, Layers, unallocated
from estate_funds.provenance.parts import Flow, Forward, Part, Receipt, entry_text
from estate_funds.vouchers import REFUND

_CASH, _DEBIT = Account.CASH.value, Side.DEBIT.value
_ORIGINS = frozenset({Account.FUNDING.value, Account.PAYABLE.value})
_HANDED_ON = frozenset({Account.TRANSFER_OUT.value, Account.DUE_FROM.value, Account.DUE_TO.value})  # debited: to whom


# --- what an entry did, in the order in which it did it; a mirror undoes the first three --------------------------


@dataclass(slots=True, eq=False)
class _Came:
    """A layer that is a receipt; `paid` is the part that it recovers from outside after it went into a fund here."""

    layer: Layer
    fen: int
    paid: _Used | None = None
    gone: bool = False  # the receipt was undone


@dataclass(slots=True, eq=False)
class _Used:
    """Fen of a layer that went out: into a layer of another fund, as a loan or for good, or out of the books."""

    layer: Layer
    fen: int
    into: Layer | None
    lent: bool
    back: int = 0
    stands: int = 0  # what is counted as given or spent; what came back as a new receipt stays counted

    @property
    def taker(self) -> str:
        """The fund that took them; empty for none."""
        return self.into.stock.fund if self.into is not None else ""

    def count(self, fen: int) -> None:
        """Add to what its source gave, or spent."""
        self.stands += fen
        if self.into is None:
            self.layer.stock.spent += fen
        else:
            self.layer.stock.given += fen


@dataclass(slots=True, eq=False)
class _Back:
    """Fen that came back of what an earlier entry used."""

    used: _Used
    fen: int


@dataclass(slots=True, eq=False)
class _Yielded:
    """Fen that a layer gave up to a fund, or out of the books, because what had brought them goes back."""

    layer: Layer
    fen: int
    to: str


_Move = _Came | _Used | _Back | _Yielded


def trace(entries: Iterable[Entry]) -> Provenance:
    """Trace every outgoing fen of a journal, read once from its first entry.

    Raises Unallocated where money goes out that no receipt accounts for, InvariantBroken where this module errs.
    """
    provenance = Provenance()
    for entry in entries:
        provenance.book(entry)
    return provenance


class Provenance:
    """The layers of each fund after a journal, and the parts of everything that went out."""

    def __init__(self) -> None:
        self._layers = Layers()
        self._moves: dict[int, list[_Move]] = {}
        self._loans: dict[tuple[str, str], deque[_Used]] = {}  # lender, borrower

    # --- the fold -------------------------------------------------------------------------------------------------

    def book(self, entry: Entry) -> None:
        """Take the next entry of the journal. After an error this object is of no more use."""
        draft = entry.draft
        if draft.kind in DEFINING:
            terms = {term[0]: term[1] for term in draft.terms if term[0] != "permit"}
            self._layers.define(terms["fund"], terms["provenance"])
            return
        cash = _cash_of(draft)
        if not cash.change:
            return
        moves: list[_Move] = []
        if draft.kind in MIRRORS:
            self._undo(entry, moves)
        else:
            self._do(entry, cash, moves)
        self._moves[entry.seq] = moves
        for fund, change in cash.change.items():
            self._layers.balance(fund, change, entry.seq)

    def _do(self, entry: Entry, cash: _Cash, moves: list[_Move]) -> None:
        """What comes from outside, then what crosses funds, then what leaves the books."""
        draft, seq = entry.draft, entry.seq
        for fund, source, fen in cash.came:
            receipt = Receipt(seq, draft.effective, fund, source, draft.document, draft.clause)
            moves.append(_Came(self._layers.arrive(fund, receipt, seq, None, fen), fen))
        for fund, fen in cash.unnamed.items():
            if fen < 0 or (fen and draft.kind is not Kind.RECOVERY):
                raise unallocated(seq, fund, f"{format_yuan(fen)} yuan of cash more than its sources")
            if fen:
                self._recover(entry, fund, fen, moves)
        for giver, taker, fen in self._when_there(cash.crossed):
            if draft.kind is Kind.REPAYMENT:
                fen -= self._return(self._lent(taker, giver), fen, seq, moves)
            elif draft.kind is Kind.RECOVERY:
                paid = [used for used in self._paid(draft, taker) if used.taker == giver]
                fen -= self._return(paid, fen, seq, moves)
            if fen:
                self._use(giver, taker, fen, entry, moves)
        for fund, fen in cash.spent.items():
            if fen < 0:
                raise unallocated(seq, fund, f"{format_yuan(-fen)} yuan given on without cash")
            if fen:
                self._use(fund, "", fen, entry, moves)

    def _when_there(self, crossed: list[tuple[str, str, int]]) -> Iterator[tuple[str, str, int]]:
        """The crossings of an entry in their order, but money that a fund only passes on when it has arrived."""
        waiting = list(crossed)
        pools = self._layers.pools
        while waiting:
            ready = (pair for pair in waiting if pair[0] in pools and pools[pair[0]].left >= pair[2])
            chosen = next(ready, waiting[0])
            waiting.remove(chosen)
            yield chosen

    def _use(self, fund: str, taker: str, fen: int, entry: Entry, moves: list[_Move]) -> None:
        """Money goes out of a fund by its method, into the layers of a taker or out of the books."""
        draft, seq = entry.draft, entry.seq
        stocks = self._layers.pool(fund, seq).stocks.values()
        first = []
        if draft.kind is Kind.SURRENDER:
            first = [stock for stock in stocks if (stock.origin, stock.source) == (fund, draft.payee)]
        elif draft.kind is Kind.TRANSFER and draft.purpose == REFUND:
            first = [stock for stock in stocks if stock.origin == taker]
        for layer, taken in self._layers.take(fund, fen, seq, first):
            into = self._layers.arrive(taker, layer.receipt, seq, layer, taken) if taker else None
            used = _Used(layer, taken, into, draft.kind is Kind.LOAN)
            used.count(taken)
            moves.append(used)
            if used.lent:
                self._lent(fund, taker).append(used)

    # --- money that comes back ------------------------------------------------------------------------------------

    def _recover(self, entry: Entry, fund: str, fen: int, moves: list[_Move]) -> None:
        """Money claimed back arrives from outside, with the sources of what was paid, its first parts first."""
        draft, seq = entry.draft, entry.seq
        paid = self._paid(draft, fund)
        fen -= self._return([used for used in paid if not used.taker], fen, seq, moves)
        for used in paid:  # what went into a fund of these books stays there: this is new money of the same source
            part = min(fen, used.fen - used.back)
            if part and used.taker:
                receipt = used.layer.receipt._replace(seq=seq, day=draft.effective, fund=fund)
                moves.append(_Came(self._layers.arrive(fund, receipt, seq, None, part), part, used))
                used.back += part
                fen -= part
        if fen:
            raise unallocated(seq, fund, f"{format_yuan(fen)} yuan recovered beyond what it paid")

    def _paid(self, draft: Draft, fund: str) -> list[_Used]:
        """The parts that a fund paid in the entry that a draft refers to."""
        moves = self._moves.get(_reference(draft), [])
        return [move for move in moves if isinstance(move, _Used) and move.layer.stock.fund == fund]

    def _lent(self, lender: str, borrower: str) -> deque[_Used]:
        """The parts that one fund has lent another, from the first that is not all paid back."""
        loans = self._loans.setdefault((lender, borrower), deque())
        while loans and loans[0].back == loans[0].fen:
            loans.popleft()
        return loans

    def _return(self, paid: Iterable[_Used], fen: int, seq: int, moves: list[_Move]) -> int:
        """Up to `fen` of earlier payments come back to the layers that they were of, the first first; how much."""
        came: list[_Back] = []
        left = fen
        for used in paid:
            part = min(left, used.fen - used.back)
            if part:
                came.append(self._come_back(used, part, moves))
                left -= part
            if not left:
                break
        for back in came:
            self._give_up(back, seq, moves)
        return fen - left

    def _come_back(self, used: _Used, fen: int, moves: list[_Move]) -> _Back:
        used.back += fen
        used.count(-fen)
        self._layers.restore(used.layer, fen)
        moves.append(back := _Back(used, fen))
        return back

    def _give_up(self, back: _Back, seq: int, moves: list[_Move]) -> None:
        """The fund that had taken what came back no longer has it."""
        layer = back.used.into
        if layer is not None:
            layer.stock.taken -= back.fen
            self._take_back(layer, back.fen, seq, back.used.layer.stock.fund, moves)

    def _take_back(self, layer: Layer, fen: int, seq: int, to: str, moves: list[_Move]) -> None:
        moves.extend(_Yielded(piece.layer, piece.fen, to) for piece in self._layers.take_back(layer, fen, seq))

    def _undo(self, entry: Entry, moves: list[_Move]) -> None:
        """A mirror: what went out comes back as the very parts that it was, then what had come in is taken back."""
        seq, done = entry.seq, self._moves.get(_reference(entry.draft))
        if done is None:
            raise unallocated(seq, "", f"a mirror of {entry.draft.reference!r}, an entry that moved no cash")
        repaid = [(move, move.back) for move in done if isinstance(move, _Used) and move.back]
        came: list[_Back] = []
        for move in done:
            if isinstance(move, _Used) and move.back < move.fen:
                came.append(self._come_back(move, move.fen - move.back, moves))
            elif isinstance(move, _Back) and move.used.into is not None:
                move.used.into.stock.taken += move.fen
                self._layers.restore(move.used.into, move.fen)
        for back in came:
            self._give_up(back, seq, moves)
        for move in done:
            if isinstance(move, _Back):
                self._use_again(move, seq, moves)
            elif isinstance(move, _Came):
                self._forget(move, seq, moves)
        for used, fen in repaid:  # a loan that was paid back is reversed: then another one was
            lender = used.layer.stock.fund
            if self._return(self._lent(lender, used.taker), fen, seq, moves) < fen:
                raise unallocated(seq, lender, f"{format_yuan(fen)} yuan that had come back before")

    def _use_again(self, back: _Back, seq: int, moves: list[_Move]) -> None:
        """What had come back has not: it goes where it went before."""
        used = back.used
        used.back -= back.fen
        used.count(back.fen)
        self._take_back(used.layer, back.fen, seq, used.taker, moves)
        if used.lent:
            self._lent(used.layer.stock.fund, used.taker).appendleft(used)

    def _forget(self, came: _Came, seq: int, moves: list[_Move]) -> None:
        """A receipt that never was."""
        came.layer.stock.received -= came.fen
        came.gone = True
        if came.paid is not None:
            came.paid.back -= came.fen
        self._take_back(came.layer, came.fen, seq, "", moves)

    # --- answers --------------------------------------------------------------------------------------------------

    def of(self, seq: int) -> tuple[Part, ...]:
        """The parts of all cash that went out in an entry: they sum to it, fund by fund. None where none went out.

        In a mirror, a repayment, and a recovery from another fund they are what was given up.
        """
        return tuple(_part(move) for move in self._moves.get(seq, ()) if isinstance(move, _Used | _Yielded))

    def came_back(self, seq: int) -> tuple[Part, ...]:
        """The parts of earlier payments that came back in an entry: reversed, recovered or repaid."""
        found = (move for move in self._moves.get(seq, ()) if isinstance(move, _Back))
        return tuple(_part(move.used)._replace(fen=move.fen, back_fen=0, made_good=()) for move in found)

    def held(self, fund: str) -> tuple[Part, ...]:
        """What a fund has left, layer by layer, the oldest first; it sums to its cash."""
        return tuple(_left(layer) for layer in self._layers.all if layer.left and layer.stock.fund == fund)

    def held_in_all(self) -> Iterator[Part]:
        """What every fund has left, layer by layer, the oldest first."""
        return (_left(layer) for layer in self._layers.all if layer.left)

    def by_source(self, fund: str | None = None) -> dict[str, Flow]:
        """What became of each source's money in a fund, or in all; over sources, `held` sums to the cash.

        Over all funds, what was taken is what was given, and what was made good sums to 0.
        """
        pools = self._layers.pools
        chosen = [pools[fund]] if fund in pools else pools.values() if fund is None else []
        sums: dict[str, Flow] = {}
        for stock in (stock for pool in chosen for stock in pool.stocks.values()):
            before = sums.get(stock.source, (0,) * len(stock.flow))
            sums[stock.source] = Flow(*(a + b for a, b in zip(before, stock.flow, strict=True)))
        return dict(sorted(sums.items()))

    def standing(self) -> Iterator[tuple[int, Part]]:
        """What went out and stands, with its entry: given to funds or spent; the rest came back."""
        for seq, moves in self._moves.items():
            for move in moves:
                if isinstance(move, _Used) and move.stands:
                    yield seq, _part(move)._replace(fen=move.stands, back_fen=0)

    def receipts(self) -> Iterator[tuple[Receipt, int]]:
        """Every receipt in the order of the journal, and the fen that it still brings: 0 where it was undone."""
        for moves in self._moves.values():
            for move in moves:
                if isinstance(move, _Came):
                    yield move.layer.receipt, 0 if move.gone else move.fen

    def forward(self, seq: int) -> Forward:
        """What became of the receipts of an entry: what stands spent, what is left, what stands in for what."""
        came = tuple((receipt, fen) for receipt, fen in self.receipts() if receipt.seq == seq)
        spent = tuple((at, part) for at, part in self.standing() if not part.into and part.receipt.seq == seq)
        left = tuple(part for part in self.held_in_all() if part.receipt.seq == seq)
        made_good = 0
        for layer in self._layers.all:
            own = layer.receipt.seq == seq
            made_good += sum((own - (s.layer.receipt.seq == seq)) * s.fen for s in layer.made_good)
        found = Forward(seq, came, spent, left, made_good)
        if found.received_fen + made_good != found.spent_fen + found.left_fen:
            raise InvariantBroken(f"entry {seq}: what its receipts brought is not what became of it: {found}")
        return found

    def to_text(self, seq: int) -> str:
        """Where the money of an entry came from, part by part, for people; amounts in yuan."""
        return entry_text(seq, self.of(seq), self.came_back(seq))


def _left(layer: Layer) -> Part:
    """What is left of a layer, as a part."""
    return Part(layer.stock.fund, "", layer.receipt, layer.left, layer.way, 0, layer.stand_ins)


def _part(move: _Used | _Yielded) -> Part:
    layer = move.layer
    if isinstance(move, _Yielded):
        return Part(layer.stock.fund, move.to, layer.receipt, move.fen, layer.way)
    return Part(layer.stock.fund, move.taker, layer.receipt, move.fen, layer.way, move.back, layer.stand_ins)


# --- reading an entry ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Cash:
    """What an entry says of cash, in fen; all but `change` is not for mirrors.

    `change` is by fund, `came` (fund, source, fen), `crossed` (giver, taker, fen). `spent` by fund is what goes out and
    crosses into no fund, `unnamed` what comes in with neither a source nor a giver.
    """

    change: dict[str, int]
    came: list[tuple[str, str, int]]
    crossed: list[tuple[str, str, int]]
    spent: dict[str, int]
    unnamed: dict[str, int]


def _cash_of(draft: Draft) -> _Cash:
    cash = _Cash({}, [], [], {}, {})
    for fund, account, detail, side, fen in draft.postings:
        if account == _CASH:
            cash.change[fund] = cash.change.get(fund, 0) + (fen if side == _DEBIT else -fen)
            part = cash.unnamed if side == _DEBIT else cash.spent
            part[fund] = part.get(fund, 0) + fen
        elif account in _ORIGINS and side != _DEBIT:
            cash.came.append((fund, detail or account, fen))
            cash.unnamed[fund] = cash.unnamed.get(fund, 0) - fen
        elif account in _HANDED_ON and side == _DEBIT:
            cash.crossed.append((fund, detail, fen))
            cash.spent[fund] = cash.spent.get(fund, 0) - fen
            cash.unnamed[detail] = cash.unnamed.get(detail, 0) - fen
    return cash


def _reference(draft: Draft) -> int:
    return int(draft.reference) if draft.reference.isdecimal() else 0
