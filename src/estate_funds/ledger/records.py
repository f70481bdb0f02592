"""What the gate remembers of the journal beyond balances, and the mirrors of entries."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple, Protocol, TypeVar

from estate_funds.funds import Account, Side
from estate_funds.journal import Draft, Kind, Posting
from estate_funds.ledger.shapes import MIRRORS

K = TypeVar("K")
BalanceKey = tuple[str, str, str]  # fund, account, detail
PAYMENTS = frozenset({Kind.DISBURSEMENT, Kind.SPENDING, Kind.ADVANCE, Kind.SETTLEMENT})
D, C = Side.DEBIT.value, Side.CREDIT.value
_CASH, _BUDGET, _AUTHORITY = Account.CASH.value, Account.UNENCUMBERED.value, Account.AUTHORITY.value
_ENCUMBERED = Account.ENCUMBERED.value
_TRANSFER_IN, _TRANSFER_OUT = Account.TRANSFER_IN.value, Account.TRANSFER_OUT.value
_NOTHING_NEW = frozenset({Kind.LOAN, Kind.REPAYMENT, Kind.RECOVERY})  # money that is owed, or was here before
_NUMBER = re.compile("[1-9][0-9]{0,17}")
REFUSED = "refusal/"  # what the keys of refusals begin with


class Booked(NamedTuple):
    """An entry with postings: what its mirror must be, what it is, when it counts, what each fund paid, under what."""

    postings: bytes
    kind: str
    effective: date
    paid: tuple[tuple[str, int], ...]
    reference: str


class Promise(NamedTuple):
    """An encumbrance of a fund under a reference: the year in which it rose from nought, and the last day to pay it.

    It binds a purpose, a payee class and a payee, until nothing is left of it. `before` is the first year of all that
    were made under the reference, where this is not the first; `since` the first entry after which it was bound so,
    where it was bound otherwise before.
    """

    year: int
    expires: date | None
    to: tuple[str, str, str]
    before: int | None = None
    since: int = 0


class Past(Protocol):
    """The journal before a ledger's own memory, to look things up in. A replay from the first entry has none."""

    def key(self, key: str) -> tuple[int, bytes] | None:
        """The sequence number and content digest of the entry under a key."""

    def booked(self, seq: int) -> Booked | None:
        """The record of an entry with postings."""

    def reversed(self, seq: int) -> bool:
        """Whether a reversal or a correction of an entry is booked."""

    def promise(self, fund: str, reference: str) -> Promise | None:
        """The promise as the entries that touch `encumbered` for it, in order, leave it: see `grown`."""


class Nothing:
    """The past of a journal that is folded from its first entry."""

    def key(self, key: str) -> None:
        """Nothing was booked before."""

    def booked(self, seq: int) -> None:
        """Nothing was booked before."""

    def reversed(self, seq: int) -> bool:
        """Nothing was booked before."""
        return False

    def promise(self, fund: str, reference: str) -> None:
        """Nothing was booked before."""


def add_to(sums: dict[K, int], key: K, fen: int) -> None:
    """Add to one of many sums, of which none is kept that is 0: how many there are says the same however they grew."""
    held = sums.get(key, 0) + fen
    if held:
        sums[key] = held
    else:
        sums.pop(key, None)


def grown(promise: Promise | None, held_fen: int, draft: Draft, seq: int) -> Promise | None:
    """A promise after the entry `seq`, which found `held_fen` encumbered for it: see `renewed`.

    A mirror may bring back what was promised before the new one: so that no lapse is escaped, all of it counts from the
    first year then. No kind but an encumbrance and a mirror changes one.
    """
    if draft.kind in MIRRORS:
        raised = any(p.account == _ENCUMBERED and (p.side == C) == (p.amount_fen > 0) for p in draft.postings)
        return promise._replace(year=promise.before, before=None) if raised and promise and promise.before else promise
    if draft.kind is not Kind.ENCUMBRANCE:
        return promise
    return renewed(promise, held_fen, Promise(draft.effective.year, expiry(draft), bound_to(draft)), seq)


def renewed(promise: Promise | None, held_fen: int, made: Promise, seq: int) -> Promise:
    """A promise after the encumbrance `seq`, which by itself would be the promise `made`.

    It makes a new one where nothing was left of the old. What adds to a promise leaves its year, unless it is of an
    earlier one, and its last day, unless it names another.
    """
    if promise is None:
        return made
    if held_fen:
        return promise._replace(year=min(promise.year, made.year), expires=made.expires or promise.expires)
    first = promise.before or promise.year
    since = promise.since if made.to == promise.to else seq
    return made._replace(before=first if first < made.year else None, since=since)


def bound_to(draft: Draft) -> tuple[str, str, str]:
    """What a promise binds."""
    return draft.purpose, draft.payee_class, draft.payee


def expiry(draft: Draft) -> date | None:
    """The last day on which what an encumbrance promises may be paid; ValueError where its terms say something else."""
    if not draft.terms:
        return None
    ((name, text),) = draft.terms
    day = date.fromisoformat(text)
    if name != "expires" or str(day) != text:
        raise ValueError(name)
    return day


def named(draft: Draft) -> int:
    """The sequence number in `reference`, in plain decimal; 0 where it is none, or none that 64 bits hold."""
    return int(draft.reference) if _NUMBER.fullmatch(draft.reference) else 0


def booked_of(draft: Draft) -> Booked:
    """What the gate remembers of an entry with postings."""
    paid: dict[str, int] = {}
    if draft.kind in PAYMENTS:
        for posting in draft.postings:
            if posting.account == _CASH and posting.side == C:
                paid[posting.fund] = paid.get(posting.fund, 0) + posting.amount_fen
    return Booked(
        postings_digest(draft.postings), draft.kind.value, draft.effective, tuple(paid.items()), draft.reference
    )


def came_in(
    draft: Draft, original: Booked | None, held: Mapping[BalanceKey, int]
) -> Iterator[tuple[tuple[str, int], int]]:
    """The authority that comes into funds by an entry, which finds the balances `held`: (fund, year), fen.

    What comes back is no younger than it was, so what another fund gives counts as far as it exceeds what was given
    there; and what is borrowed is not the fund's own. A mirror, whose original is given, takes out of the year of that
    what it brought in.
    """
    kind, year = (draft.kind, draft.effective.year) if original is None else (original.kind, original.effective.year)
    blue = draft.kind is Kind.CORRECTION
    lines = draft.postings if original is None else draft.postings[: mirrored(draft, original)]
    given: dict[tuple[str, str], int] = {}
    for fund, account, detail, side, fen in () if kind in _NOTHING_NEW else lines:
        if account == _AUTHORITY and side == (C if blue else D):
            yield (fund, year), -fen if blue else fen
        elif account == _TRANSFER_IN:
            given[fund, detail] = given.get((fund, detail), 0) + (fen if side == C else -fen)
    for (fund, giver), fen in given.items():
        net = held.get((fund, _TRANSFER_IN, giver), 0) - held.get((fund, _TRANSFER_OUT, giver), 0)
        if net < 0 or net + fen < 0:
            yield (fund, year), max(0, net + fen) - max(0, net) - fen


def mirrored(draft: Draft, original: Booked) -> int:
    """How many lines of a mirror are the original's: two more follow for each fund whose budget has lapsed; 0 if none.

    The detail of the budget is left out, for it is the year of the mirror.
    """
    turned = mirror if draft.kind is Kind.REVERSAL else swapped
    most = 2 * len({p.fund for p in draft.postings}) if turned is swapped else 0
    for count in range(len(draft.postings), max(-1, len(draft.postings) - most - 1), -2):
        if postings_digest(turned(draft.postings[:count], 0)) == original.postings:
            return count
    return 0


def postings_digest(postings: Iterable[Posting]) -> bytes:
    """What a reversal or a correction must mirror; the budget year is that of the mirror."""
    lines = [f"{f}\t{a}\t{'' if a == _BUDGET else d}\t{s}\t{n}\n" for f, a, d, s, n in postings]
    return hashlib.sha256("".join(lines).encode("utf-8")).digest()


def mirror(postings: Iterable[Posting], year: int) -> tuple[Posting, ...]:
    """The red-letter mirror (红字): same accounts and sides, amounts negated, budget in the year of the reversal."""
    return tuple(
        p._replace(amount_fen=-p.amount_fen, detail=str(year) if p.account == _BUDGET else p.detail) for p in postings
    )


def swapped(postings: Iterable[Posting], year: int) -> tuple[Posting, ...]:
    """The blue mirror (蓝字): the other sides, amounts above 0, budget in the year of the correction."""
    return tuple(
        p._replace(side=C if p.side == D else D, detail=str(year) if p.account == _BUDGET else p.detail)
        for p in postings
    )


def lapsed(blue: Iterable[Posting], year: int, lapse: Callable[[str, int], int]) -> tuple[Posting, ...]:
    """What follows a blue mirror where the budget of the earlier year has lapsed.

    What the mirror frees of it lapses at once, and what it takes of it is not taken from the budget of this year.
    `lapse` gives fen of a fund for the fen that are freed: see `Ledger.lapsed`.
    """
    freed: dict[str, int] = {}
    for fund, account, _, side, fen in blue:
        if account == _BUDGET:
            freed[fund] = freed.get(fund, 0) + (fen if side == C else -fen)
    gone = {fund: lapse(fund, fen) for fund, fen in freed.items()}
    return tuple(
        Posting(fund, account, detail, side if fen > 0 else (C if side == D else D), abs(fen))
        for fund, fen in gone.items()
        if fen
        for account, detail, side in ((_BUDGET, str(year), D), (_AUTHORITY, "", C))
    )


def attempt_key(key: str, attempt: int) -> str:
    """The key of the first attempt, and of those that follow a reversal or a release."""
    return key if attempt == 1 else f"{key}/{attempt}"


def release_key(key: str, time: int = 1) -> str:
    """The key under which what is left of the promise booked under `key` is released, for the first time or again."""
    return f"release/{key}" if time == 1 else f"release-{time}/{key}"
