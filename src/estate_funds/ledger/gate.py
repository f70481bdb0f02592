"""The only gate: `check` refuses with a reason or returns the entry, `advance` books it, and replay runs the same two.

The order of checks is documented here and is part of the behaviour: (1) types and the text, (2) the key, (3) dates and
periods, (4) maker and approver, (5) shape and amounts, (6) balance within each fund, (7) evidence, declared crossings,
(8) the fence, and what the kind asks beyond its shape, (9) no balance on the wrong side, and no source that is given
back more than it gave. After the last check nothing can fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from estate_funds.errors import InvariantBroken, KeyConflict
from estate_funds.funds import NORMAL_SIDE, Account, Fund
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger import checks, kinds
from estate_funds.ledger.records import (
    BalanceKey,
    Booked,
    Nothing,
    Past,
    Promise,
    add_to,
    attempt_key,
    booked_of,
    came_in,
    grown,
    named,
    release_key,
)
from estate_funds.ledger.shapes import DEFINING, MIRRORS
from estate_funds.merkle import Frontier

_ENCUMBERED = Account.ENCUMBERED.value
_PROMISE = f"{Kind.ENCUMBRANCE.value}/"  # what the keys of promises that can be made anew begin with


@dataclass(slots=True)
class Ledger:
    """The state that a journal folds to. Balances are kept on each account's normal side, so all are above 0."""

    funds: dict[str, Fund] = field(default_factory=dict)
    balances: dict[BalanceKey, int] = field(default_factory=dict)  # those that are not 0
    inflows: dict[tuple[str, int], int] = field(default_factory=dict)  # fund, year -> what came in; no noughts
    keys: dict[str, tuple[int, bytes]] = field(default_factory=dict)  # key -> sequence, digest of content
    booked: dict[int, Booked] = field(default_factory=dict)  # sequence -> what a mirror or a claim-back asks for
    reversed: set[int] = field(default_factory=set)
    promises: dict[BalanceKey, Promise] = field(default_factory=dict)  # by the balance that is promised
    closed_through: date = date.min
    recorded: date = date.min
    seq: int = 0
    tree: Frontier = field(default_factory=Frontier)
    past: Past = field(default_factory=Nothing)

    # --- the gate ---

    def post(self, draft: Draft, *, recorded: date) -> Entry | None:
        """Book a draft: the new entry, or None when this very draft is already booked. Raises a Refusal otherwise."""
        entry = self.check(draft, recorded=recorded)
        if entry is not None:
            self.advance(entry)
        return entry

    def check(self, draft: Draft, *, recorded: date) -> Entry | None:
        """What `post` would do, without doing it."""
        checks.check_types(draft)
        draft.check_text()
        known = self.key(draft.key)
        if known is not None:
            if known[1] == draft.content_digest:
                return None
            raise KeyConflict(
                f"the key {draft.key!r} was used for something else",
                where=f"entry {known[0]}",
                got="a draft with other content",
                wanted="the same content, or a new key",
                fix="nothing booked is ever changed: reverse the entry and book the right one, or amend the fund",
            )
        checks.check_dates(self, draft, recorded)
        checks.check_hands(draft)
        checks.check_terms(draft)
        if draft.kind in MIRRORS:
            kinds.check_mirror(self, draft)
        else:
            checks.check_shape(draft)
        checks.check_amounts(draft)
        checks.check_balance(self, draft)
        checks.check_liability(self, draft)
        changes = changes_of(draft)
        checks.check_backing(self, draft, changes)
        checks.check_evidence(draft)
        if draft.kind not in MIRRORS:  # whose original passed these
            checks.check_crossings(draft)
            checks.check_fence(self, draft)
            kinds.check_kind(self, draft)
        checks.check_overdraft(self, draft, changes)
        if draft.kind is Kind.SURRENDER or draft.kind in MIRRORS:
            checks.check_given_back(self, draft, changes)
        return Entry(self.seq + 1, recorded, draft)

    def advance(self, entry: Entry) -> None:
        """Book an entry that `check` returned; nothing here can fail."""
        draft, mirrors = entry.draft, entry.draft.kind in MIRRORS
        if mirrors or draft.kind is Kind.ENCUMBRANCE:
            self._promise(entry)
        for year, fen in list(came_in(draft, self.entry(named(draft)) if mirrors else None, self.balances)):
            add_to(self.inflows, year, fen)
        for key, change in changes_of(draft).items():
            add_to(self.balances, key, change)
        self.keys[draft.key] = (entry.seq, draft.content_digest)
        if draft.kind in DEFINING:
            fund = kinds.defined(draft)
            self.funds[fund.fund_id] = fund
        elif draft.kind in (Kind.CLOSE, Kind.REOPEN):
            self.closed_through = kinds.closing_day(draft)
        elif mirrors:
            self.reversed.add(named(draft))
        if draft.postings:
            self.booked[entry.seq] = booked_of(draft)
        self.seq = entry.seq
        self.recorded = entry.recorded
        self.tree.append(entry.leaf)

    def _promise(self, entry: Entry) -> None:
        for posting in entry.draft.postings:
            if posting.account == _ENCUMBERED:
                held = self.balances.get((posting.fund, _ENCUMBERED, posting.detail), 0)
                promise = grown(self.promise(posting.fund, posting.detail), held, entry.draft, entry.seq)
                if promise is not None:
                    self.promises[posting.fund, _ENCUMBERED, posting.detail] = promise

    # --- questions ---

    @property
    def head(self) -> str:
        """What names this state of the journal: the number of entries and the root of the tree over them."""
        return f"{self.seq}:{self.tree.root.hex()}"

    def key(self, key: str) -> tuple[int, bytes] | None:
        """The sequence number and content digest of what is booked under a key."""
        return self.keys.get(key) or self.past.key(key)

    def entry(self, seq: int) -> Booked | None:
        """What is remembered of an entry with postings."""
        return self.booked.get(seq) or self.past.booked(seq)

    def is_reversed(self, seq: int) -> bool:
        """Whether a reversal or a correction of an entry is booked."""
        return seq in self.reversed or self.past.reversed(seq)

    def promise(self, fund: str, reference: str) -> Promise | None:
        """The promise of a fund under a reference."""
        return self.promises.get((fund, _ENCUMBERED, reference)) or self.past.promise(fund, reference)

    def attempt(self, key: str) -> int:
        """Which attempt under a key is the one to make, or the one that stands.

        It is 1, and one more for each that was reversed, or released.
        """
        number = 1
        while self._gone(attempt_key(key, number)):
            number += 1
        return number

    def _gone(self, key: str) -> bool:
        known = self.key(key)
        return known is not None and (self.is_reversed(known[0]) or self._released(key))

    def _released(self, key: str) -> bool:
        """Whether the promise under a key is released, by an entry that does that and that stands."""
        time = 1
        while key.startswith(_PROMISE) and (known := self.key(release_key(key, time))) is not None:
            booked = self.entry(known[0])
            if booked is not None and booked.kind == Kind.RELEASE and not self.is_reversed(known[0]):
                return True
            time += 1
        return False

    def is_open(self, draft: Draft) -> bool:
        """Whether the fund that a draft opens is open already, by whomever, with this very definition."""
        if draft.kind is not Kind.OPEN_FUND:
            return False
        fund = self.funds.get(next((term[1] for term in draft.terms if term[0] == "fund" and len(term) == 2), ""))
        return fund is not None and (fund.to_terms(), fund.document, fund.clause) == (
            draft.terms,
            draft.document,
            draft.clause,
        )

    def balance(self, fund: str, account: Account, detail: str | None = None) -> int:
        """A balance in fen on the account's normal side; without a detail, of all details."""
        if detail is not None:
            return self.balances.get((fund, account.value, detail), 0)
        return sum(n for (f, a, _), n in self.balances.items() if f == fund and a == account.value)

    def available(self, fund: str) -> int:
        """What the fund may still promise or spend: appropriated, less encumbered, less expended."""
        return self.balance(fund, Account.UNENCUMBERED)

    def surplus_cash(self, fund: str) -> int:
        """Cash that no budget stands for any more: what lapsed, and goes back to whom it came from."""
        unspent = self.balance(fund, Account.UNENCUMBERED) + self.balance(fund, Account.ENCUMBERED)
        return self.balance(fund, Account.CASH) - unspent

    def lapsing(self, fund: str, year: int) -> int:
        """What of the budget a fund has left of a year lapses at its end, in fen.

        All of it, where the fund carries nothing forward; else what was carried forward for as many years as its
        document allows: what is used first is what came first, so it is what exceeds the inflows of the last years, and
        what the fund owes to others, which lapses neither.
        """
        left = self.balance(fund, Account.UNENCUMBERED, str(year))
        return left if not self.funds[fund].carry_forward else self._stale(fund, left, year, year)

    def lapsed(self, fund: str, fen: int, since: int, year: int, *, freed: int = 0) -> int:
        """What of `fen` lapses at once that come back in `year` from the budget of the year `since`.

        It is what would have lapsed at the last year end, had it been there; below 0 for what is taken.
        """
        if since >= year or fund not in self.funds:
            return 0
        if not self.funds[fund].carry_forward:
            return fen
        years = range(since, year + 1)
        left = sum(self.balance(fund, Account.UNENCUMBERED, str(y)) for y in years)
        return max(0, min(fen, self._stale(fund, left + freed + fen, year - 1, year)))

    def releasing(self, fund: str, reference: str, fen: int, year: int, *, freed: int = 0) -> int:
        """What of `fen` lapses that are released in a year of what a fund has promised under a reference.

        `freed` is budget that other releases have made available by then.
        """
        promise = self.promise(fund, reference)
        return 0 if promise is None else self.lapsed(fund, fen, promise.year, year, freed=freed)

    def recovering(self, fund: str, payment: int, fen: int, year: int) -> int:
        """What of `fen` has lapsed that a fund recovers in a year of what it paid in an entry: that of the promise."""
        paid = self.entry(payment)
        if paid is None:
            return 0
        promise = self.promise(fund, paid.reference) if paid.reference else None
        since = min(paid.effective.year, (promise.before or promise.year) if promise else paid.effective.year)
        return self.lapsed(fund, fen, since, year)

    def _stale(self, fund: str, left: int, ended: int, year: int) -> int:
        """What of the budget `left` came in too long before the end of the year `ended` to be carried forward."""
        allowed = self.funds[fund].surplus_after_years
        if not allowed:
            return 0
        fresh = max(0, sum(self.inflows.get((fund, y), 0) for y in range(ended - allowed + 1, year + 1)))
        return max(0, left - fresh - self.balance(fund, Account.DUE_TO))


def replay(entries: Iterable[Entry]) -> Ledger:
    """Fold a journal through the same gate; a Refusal or InvariantBroken where it could not have come through it."""
    ledger = Ledger()
    for entry in entries:
        refold(ledger, entry)
    return ledger


def refold(ledger: Ledger, entry: Entry) -> None:
    """Put one recorded entry through the gate again."""
    if ledger.check(entry.draft, recorded=entry.recorded) != entry:
        raise InvariantBroken(f"entry {entry.seq} cannot follow entry {ledger.seq}: a gap, or the same entry twice")
    ledger.advance(entry)


def changes_of(draft: Draft) -> Mapping[BalanceKey, int]:
    """What an entry changes each balance by, on the account's normal side."""
    changes: dict[BalanceKey, int] = {}
    for fund, account, detail, side, amount in draft.postings:
        key = (fund, account, detail)
        changes[key] = changes.get(key, 0) + (amount if side == NORMAL_SIDE[account] else -amount)
    return changes
