"""What rules of the journal look at: payments and receipts as plain rows, and names as a reader tells them apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from estate_funds.audit.rules import Material
from estate_funds.errors import Malformed
from estate_funds.funds import Account, Side, holder_of
from estate_funds.journal import Draft, Entry, Kind

_PAYING = frozenset({Kind.SPENDING, Kind.ADVANCE, Kind.SETTLEMENT, Kind.DISBURSEMENT})
_CASH, _ENCUMBERED = Account.CASH.value, Account.ENCUMBERED.value
_OUT = Account.TRANSFER_OUT.value
_SOURCES = frozenset({Account.FUNDING.value, Account.PAYABLE.value})
D, C = Side.DEBIT.value, Side.CREDIT.value


class Moved(NamedTuple):
    """Fen of one fund in an entry: paid to a party, promised to it, or come from it."""

    entry: Entry
    fund: str
    fen: int
    party: str  # folded
    day: date

    @property
    def draft(self) -> Draft:
        """What was asked for."""
        return self.entry.draft


@lru_cache(maxsize=65_536)
def folded(name: str) -> str:
    """A name without what a reader does not tell apart: case, width, blanks, punctuation.

    >>> folded("Wang Min"), folded("ＷＡＮＧ．ＭＩＮ"), folded("王 敏")
    ('wangmin', 'wangmin', '王敏')
    """
    plain = unicodedata.normalize("NFKC", name)
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", plain.casefold())))


@lru_cache(maxsize=65_536)
def key_of(fund: str) -> str:
    """The key of a fund id; the id itself where it is none.

    >>> key_of("award-budget/city/c"), key_of("odd")
    ('award-budget', 'odd')
    """
    try:
        return holder_of(fund)[0]
    except Malformed:
        return fund


def paying(about: Material) -> Sequence[Entry]:
    """The standing entries by which cash was paid on a promise, a claim, or outright."""
    return about.once(_paying)


def _paying(about: Material) -> Sequence[Entry]:
    return [
        entry
        for entry in about.standing
        if entry.draft.kind in _PAYING and any(a == _CASH and s == C for _, a, _, s, _ in entry.draft.postings)
    ]


def paid(about: Material) -> Sequence[Moved]:
    """What each fund paid in each of these entries, but for what was claimed back whole since, in their order."""
    return about.once(_paid)


def _paid(about: Material) -> Sequence[Moved]:
    rows: list[Moved] = []
    back = claimed_back(about)
    for entry in paying(about):
        draft = entry.draft
        sums: dict[str, int] = {}
        for fund, account, _, side, fen in draft.postings:
            if account == _CASH and side == C:
                sums[fund] = sums.get(fund, 0) + fen
        for fund, fen in sums.items():
            if fen > back.get((fund, str(entry.seq)), 0):
                rows.append(Moved(entry, fund, fen, folded(draft.payee), draft.effective))
    return rows


def leaves(one: Moved) -> bool:
    """Whether what a fund paid left the books, and went into no other fund."""
    return not any(p.fund == one.fund and p.account == _OUT for p in one.draft.postings)


def claimed_back(about: Material) -> dict[tuple[str, str], int]:
    """(fund, number of the payment) -> fen claimed back of it and not waived."""
    sums: dict[tuple[str, str], int] = {}
    for entry in about.standing:
        if entry.draft.kind in (Kind.CLAW_BACK, Kind.WAIVER):
            for fund, account, detail, side, fen in entry.draft.postings:
                if account == Account.RECOVERY.value:
                    sums[fund, detail] = sums.get((fund, detail), 0) + (fen if side == C else -fen)
    return sums


def promised(about: Material) -> Sequence[Moved]:
    """What each fund promised under a reference, and below 0 what it released, in the order of the journal."""
    return about.once(_promised)


def _promised(about: Material) -> Sequence[Moved]:
    rows: list[Moved] = []
    for entry in about.standing:
        if entry.draft.kind not in (Kind.ENCUMBRANCE, Kind.RELEASE):
            continue
        for fund, account, _, side, fen in entry.draft.postings:
            if account == _ENCUMBERED:
                signed = fen if side == C else -fen
                rows.append(Moved(entry, fund, signed, folded(entry.draft.payee), entry.draft.effective))
    return rows


def received(about: Material) -> Sequence[Moved]:
    """What each fund got from a source outside the books, in the order of the journal."""
    return about.once(_received)


def _received(about: Material) -> Sequence[Moved]:
    rows: list[Moved] = []
    for entry in about.standing:
        for fund, account, source, side, fen in entry.draft.postings:
            if account in _SOURCES and side == C:
                rows.append(Moved(entry, fund, fen, folded(source), entry.draft.effective))
    return rows


def median(amounts: Sequence[int]) -> int:
    """The middle one of some amounts that are sorted; of two in the middle the lower.

    >>> median([1, 2, 10]), median([1, 2, 3, 10])
    (2, 2)
    """
    return amounts[divmod(len(amounts) - 1, 2)[0]]
