"""What may happen in books: events in numbers, and what each asks for in the state that the books are in.

    asked = Event("pays", pick=7, fen=120)
    drafts = requests(asked, known, day=date(2024, 3, 1), key="e1")

An event is a verb and three numbers: which of all that there is, how much, and which slip of the pen. So any list of
events is a history, whatever was cut out of it: what there is nothing of asks for nothing. Hypothesis draws and shrinks
such lists (`strategies.histories`), the simulation draws millions of them from a seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, NamedTuple, TypeVar

from estate_funds.calendar import Month
from estate_funds.errors import InputError
from estate_funds.funds import PAYEE, Account, Fund, Permit, holder_of
from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting
from estate_funds.ledger import PAYMENTS, Ledger, mirror, swapped
from estate_funds.money import MAX_FEN
from estate_funds.vouchers import (
    Hands,
    advance,
    amend_fund,
    appropriate,
    carry_forward,
    claw_back,
    close,
    expire,
    lend,
    open_fund,
    promise,
    recover,
    release,
    reopen,
    repay,
    reverse,
    settle,
    spend,
    surrender,
    transfer,
    waive,
)
from estate_funds.vouchers.drafting import arriving, line, liquidating

T = TypeVar("T")
HANDS = Hands("王敏", "李强")
SOURCES = ("city treasury", "district treasury", "owners")
REFERENCES = ("works-1", "works-2", "roof", "lift-3")
_AVAILABLE = Account.UNENCUMBERED.value
_BACKING = {Account.CASH.value: 1, _AVAILABLE: -1, Account.ENCUMBERED.value: -1}
_RECENT = 24  # of what was booked, how far back an event reaches


class Event(NamedTuple):
    """One thing that happens: a verb of VERBS; which of what there is, how much; and a slip, 0 for none."""

    verb: str
    pick: int = 0
    fen: int = 1
    slip: int = 0


# --- funds with every kind of fence -----------------------------------------------------------------------------------


def permit(purpose: str, payee_class: str, into: str = "", **changes: Any) -> Permit:
    """A permit of these examples, in force from 2015 on unless told otherwise."""
    wanted = {"start": date(2015, 1, 1), "until": None, "requires": (), "clause": f"on {purpose}"} | changes
    return Permit(purpose, payee_class, into, **wanted)


_WORKS = (
    permit("repair", "enterprise", requires=("invoice", "audit")),
    permit("cleaning", "enterprise", requires=("invoice",)),
    permit("greening", "professional", until=date(2023, 7, 1)),
)
_BETWEEN = (
    permit("bridge", "community", "queue"),
    permit("bridge", "community", "two"),
    permit("refund", "community", "share"),
)


def _fund(fund_id: str, *permits: Permit, provenance: str = "fifo", **changes: Any) -> Fund:
    lasting = {"carry_forward": True} | changes
    return Fund(fund_id, f"fund {fund_id}", "document", "1", provenance=provenance, permits=permits, **lasting)


# Lapsing with its year; lasting, in both ways to trace; surplus after two years; held for others.
FUNDS: tuple[Fund, ...] = (
    _fund(
        "budget/city/c", *_WORKS, permit("award", "community", "share"), permit("grant", "community", PAYEE),
        carry_forward=False,
    ),
    _fund("share/community/k", *_WORKS, *_BETWEEN, permit("refund", "city", "budget"), provenance="proportional"),
    _fund(
        "queue/community/q", *_WORKS, *_BETWEEN,
        permit("refund", "city", "year"), permit("refund", "community", "year"),
    ),
    _fund("year/city/c", *_WORKS, *_BETWEEN, carry_forward=False),
    _fund("two/community/k", *_WORKS, *_BETWEEN, surplus_after_years=2, provenance="proportional"),
    _fund("agency/community/k", permit("remit", "utility"), held_for_others=True),
)  # fmt: skip


def paper(kind: str) -> Evidence:
    """A document of a kind, the same each time."""
    return Evidence(kind, hashlib.sha256(kind.encode()).hexdigest())


# --- the state that an event comes upon -------------------------------------------------------------------------------


@dataclass
class Known:
    """Books as whoever asks knows them: the ledger, and its entries in order."""

    ledger: Ledger
    entries: list[Entry] = field(default_factory=list)
    by_kind: dict[Kind, list[Entry]] = field(default_factory=dict)

    def add(self, entries: Sequence[Entry]) -> None:
        """What was booked since."""
        self.entries += entries
        for entry in entries:
            self.by_kind.setdefault(entry.draft.kind, []).append(entry)


class _Nothing(Exception):
    """There is nothing to choose from: the event asks for nothing."""


@dataclass
class _Scene:
    """An event in the state of the books, and the words that every request of it has."""

    known: Known
    day: date
    key: str
    hands: Hands
    pick: int
    fen: int

    @property
    def ledger(self) -> Ledger:
        return self.known.ledger

    @property
    def told(self) -> dict[str, Any]:
        return {"on": self.day, "key": self.key, "hands": self.hands}

    def choose(self, among: Sequence[T]) -> T:
        """One of these, by what is left of the number of the event."""
        if not among:
            raise _Nothing
        self.pick, at = divmod(self.pick, len(among))
        return among[at]

    def booked(self, *kinds: Kind) -> Entry:
        """An entry of these kinds that was booked not long ago; of any with postings, where none is named."""
        wide = not self.mostly()
        among = [entry for entry in self.known.entries[-2 * _RECENT :] if entry.draft.postings or wide]
        if kinds:
            among = sorted((e for kind in kinds for e in _last(self.known.by_kind, kind)), key=lambda entry: entry.seq)
        return self.choose(among[::-1])

    def fund(self) -> Fund:
        return self.choose(list(self.ledger.funds.values()))

    def permitted(self, leaves: Callable[[Permit], bool]) -> tuple[Fund, Permit]:
        """A permit and its fund: mostly one that is in force, of a fund that has something left."""
        among = self.every_permit(leaves)
        usable = [(f, p) for f, p in among if p.start <= self.day and (p.until is None or self.day < p.until)]
        has_some = {f.fund_id for f in self.ledger.funds.values() if self.left(f)}
        usable = [(f, p) for f, p in usable if f.fund_id in has_some]
        return self.choose(usable if usable and self.mostly() else among)

    def mostly(self) -> bool:
        """Nine times of ten."""
        return self.choose(range(10)) < 9

    def every_permit(self, leaves: Callable[[Permit], bool]) -> list[tuple[Fund, Permit]]:
        return [(f, p) for f in self.ledger.funds.values() for p in f.permits if leaves(p)]

    def left(self, fund: Fund) -> int:
        """What a fund has available this year."""
        return self.ledger.balances.get((fund.fund_id, _AVAILABLE, str(self.day.year)), 0)

    def crossing(self) -> tuple[Fund, Permit, Fund]:
        """A permit between funds: who gives, by what, and who takes."""
        giver, by = self.permitted(lambda p: p.into not in ("", PAYEE))
        takers = [f for f in self.ledger.funds.values() if holder_of(f.fund_id)[:2] == (by.into, by.payee_class)]
        return giver, by, self.choose([f for f in takers if f is not giver])

    def held(self, account: Account) -> tuple[Fund, str, int]:
        """A balance of an account: fund, detail, fen."""
        found = sorted(key for key in self.ledger.balances if key[1] == account.value)
        fund, _, detail = key = self.choose(found)
        return self.ledger.funds[fund], detail, self.ledger.balances[key]

    def promised(self) -> tuple[Fund, str, int, dict[str, Any]]:
        """A promise, if there is one that is paid by hand, and whom it binds."""
        for _ in range(3):
            fund, reference, left = self.held(Account.ENCUMBERED)
            words = self.bound(fund, reference)
            if any(p.into == "" for p in fund.permits_for(words["purpose"], words["payee_class"])):
                break
        return fund, reference, left, words

    def amount(self, limit: int) -> int:
        """Mostly some of what there is; sometimes all of it, or a fen more."""
        most = max(1, limit)
        return {0: most, 1: most + 1}.get(self.fen % 16, 1 + self.fen % max(1, most // 8))

    def words(self, by: Permit) -> dict[str, Any]:
        """Purpose, payee and papers as a permit wants them."""
        payee = self.choose(("宏达物业", "安居维修队"))
        return {"purpose": by.purpose, "payee": payee, "payee_class": by.payee_class}

    def bound(self, fund: Fund, reference: str) -> dict[str, Any]:
        """Purpose, payee and papers of a promise."""
        made = self.ledger.promise(fund.fund_id, reference)
        if made is None:
            raise _Nothing
        purpose, payee_class, payee = made.to
        return {"purpose": purpose, "payee": payee, "payee_class": payee_class}

    def papers(self, fund: Fund, words: Mapping[str, Any]) -> tuple[Evidence, ...]:
        kinds = {kind for p in fund.permits_for(words["purpose"], words["payee_class"]) for kind in p.requires}
        return tuple(paper(kind) for kind in sorted(kinds))


def _last(by_kind: Mapping[Kind, list[Entry]], kind: Kind) -> list[Entry]:
    return by_kind.get(kind, [])[-_RECENT:]


# --- what each verb asks for ------------------------------------------------------------------------------------------


def _opens(s: _Scene) -> list[Draft]:
    fund = s.choose(FUNDS)
    key, level, _ = holder_of(fund.fund_id)
    return [open_fund(replace(fund, fund_id=f"{key}/{level}/{s.choose('kqr')}"), on=s.day, hands=s.hands)]


def _amends(s: _Scene) -> list[Draft]:
    fund = s.fund()
    years, ended = s.choose((0, 2, 1, 3)), s.choose(fund.permits)
    changes: tuple[dict[str, Any], ...] = (
        {"permits": (*fund.permits[:12], permit("greening", "enterprise", start=s.day))},
        {"permits": (replace(fund.permits[0], until=s.day + timedelta(days=40)), *fund.permits[1:])},
        {"permits": tuple(replace(p, until=None) for p in fund.permits)},
        {"permits": tuple(replace(p, until=s.day) if p is ended else p for p in fund.permits)},
        {"provenance": "fifo" if fund.provenance == "proportional" else "proportional"},
        {"carry_forward": True, "surplus_after_years": years},
        {"carry_forward": False, "surplus_after_years": 0},
        {"held_for_others": not fund.held_for_others},
    )
    return [amend_fund(replace(fund, **s.choose(changes)), **s.told)]


def _appropriates(s: _Scene) -> list[Draft]:
    return [appropriate(s.fund(), s.choose(SOURCES), 1 + s.fen, **s.told)]


def _receives(s: _Scene) -> list[Draft]:
    return [appropriate(s.fund(), s.choose(SOURCES), 1 + s.fen, kind=Kind.RECEIPT, **s.told)]


def _receives_more_than_there_is(s: _Scene) -> list[Draft]:
    """A fen more than a balance can hold."""
    fund = s.fund()
    fen = MAX_FEN + 1 - s.ledger.balance(fund.fund_id, Account.CASH)
    return [appropriate(fund, s.choose(SOURCES), fen, kind=Kind.RECEIPT, **s.told)]


def _promises(s: _Scene) -> list[Draft]:
    fund, by = s.permitted(lambda p: True)
    reference, days = s.choose(REFERENCES), s.choose((None, None, 0, 30, 400))
    standing = s.ledger.balance(fund.fund_id, Account.ENCUMBERED, reference)
    words = s.bound(fund, reference) if standing else s.words(by)
    last = None if days is None else s.day + timedelta(days=days)
    fen = s.amount(s.left(fund))
    return [promise(fund, fen, reference=reference, expires=last, **words, **s.told)]


def _pays(s: _Scene) -> list[Draft]:
    fund, by = s.permitted(lambda p: p.into == "")
    words = s.words(by)
    fen = s.amount(s.left(fund))
    return [spend(fund, fen, evidence=s.papers(fund, words), **words, **s.told)]


def _keeps_a_promise(s: _Scene) -> list[Draft]:
    fund, reference, left, words = s.promised()
    return [spend(fund, s.amount(left), against=reference, evidence=s.papers(fund, words), **words, **s.told)]


def _keeps_a_promise_to_another(s: _Scene) -> list[Draft]:
    """Who may be paid as well, by the fence, and was promised nothing."""
    fund, reference, left, words = s.promised()
    words["payee"] = "安居维修队" if words["payee"] == "宏达物业" else "宏达物业"
    return [spend(fund, s.amount(left), against=reference, evidence=s.papers(fund, words), **words, **s.told)]


def _advances(s: _Scene) -> list[Draft]:
    fund, reference, left, words = s.promised()
    return [advance(fund, s.amount(left), reference=reference, evidence=s.papers(fund, words)[:1], **words, **s.told)]


def _settles(s: _Scene) -> list[Draft]:
    fund, reference, ahead = s.held(Account.ADVANCED)
    papers = s.papers(fund, s.bound(fund, reference))
    made = [e for e in _last(s.known.by_kind, Kind.ADVANCE) if e.draft.reference == reference]
    own = [e for e in made if e.draft.postings[0].fund == fund.fund_id and not s.ledger.is_reversed(e.seq)]
    if not own:
        raise _Nothing
    audited = s.choose((s.amount(ahead), ahead + s.fen % 9))
    drafts = settle(s.ledger, fund, audited, own, evidence=papers, **s.told)
    return [_ended(s, fund, own[0].draft.purpose), *drafts] if s.fen % 4 == 0 else drafts


def _ended(s: _Scene, fund: Fund, purpose: str) -> Draft:
    """The permits of a fund for a purpose end today."""
    permits = tuple(replace(p, until=s.day) if p.purpose == purpose else p for p in fund.permits)
    return amend_fund(replace(fund, permits=permits), on=s.day, key=f"{s.key}/ended", hands=s.hands)


def _releases(s: _Scene) -> list[Draft]:
    fund, reference, left = s.held(Account.ENCUMBERED)
    told: dict[str, Any] = {"on": s.day, "hands": s.hands, "narrative": "not needed"}
    if s.choose((True, False)):
        return [release(s.ledger, reference, **told)]
    return [release(s.ledger, reference, amounts={fund.fund_id: s.amount(left)}, key=s.key, **told)]


def _lets_expire(s: _Scene) -> list[Draft]:
    return expire(s.ledger, on=s.day, hands=s.hands)


def _awards(s: _Scene) -> list[Draft]:
    """A claim: promised, and paid into the fund that takes, or out of the books, in one go."""
    fund, by = s.permitted(lambda p: p.into != "")
    fen = s.amount(s.left(fund))
    claim, taken = f"claim/{s.key}", tuple[Posting, ...]()
    if by.into == PAYEE:
        words, spent = s.words(by), line(fund.fund_id, Account.EXPENDITURE, "D", fen, by.purpose)
    else:
        takers = [f for f in s.ledger.funds.values() if holder_of(f.fund_id)[:2] == (by.into, by.payee_class)]
        taker = s.choose([f for f in takers if f is not fund]).fund_id
        words = {"purpose": by.purpose, "payee": holder_of(taker)[2], "payee_class": by.payee_class}
        spent = line(fund.fund_id, Account.TRANSFER_OUT, "D", fen, taker)
        taken = arriving(taker, Account.TRANSFER_IN, fund.fund_id, fen, s.day)
    made = promise(fund, fen, reference=claim, **words, **s.told)
    postings = (*liquidating(fund.fund_id, spent, fen, claim), *taken)
    paid = replace(made, kind=Kind.DISBURSEMENT, key=f"{s.key}/paid", narrative="paid", postings=postings)
    return [made, replace(paid, evidence=s.papers(fund, words))]


def _transfers(s: _Scene) -> list[Draft]:
    giver, by, taker = s.crossing()
    fen = s.amount(s.left(giver))
    return [transfer(giver, taker, fen, purpose=by.purpose, clause=by.clause, narrative="moved", **s.told)]


def _transfers_to_another_level(s: _Scene) -> list[Draft]:
    """By a permit for funds of that name that others hold: the payee is one of them, and the fund that takes is not."""
    pairs = [
        (giver, by, taker)
        for giver, by in s.every_permit(lambda p: p.into not in ("", PAYEE))
        for taker in s.ledger.funds.values()
        if holder_of(taker.fund_id)[0] == by.into and holder_of(taker.fund_id)[1] != by.payee_class
    ]
    giver, by, taker = s.choose(pairs)
    made = transfer(giver, taker, 1 + s.fen % 9, purpose=by.purpose, clause=by.clause, narrative="moved", **s.told)
    return [replace(made, payee_class=by.payee_class)]


def _lends(s: _Scene) -> list[Draft]:
    giver, by, taker = s.crossing()
    fen = s.amount(s.left(giver))
    told: dict[str, Any] = {
        "purpose": by.purpose,
        "clause": by.clause,
        "narrative": "lent",
        "evidence": [paper("approval")],
    }
    return [lend(giver, taker, fen, **told, **s.told)]


def _repays(s: _Scene) -> list[Draft]:
    borrower, lender, owed = s.held(Account.DUE_TO)
    told: dict[str, Any] = {"clause": "4", "narrative": "paid back"}
    return [repay(borrower, s.ledger.funds[lender], s.amount(owed), **told, **s.told)]


def _claims_back(s: _Scene) -> list[Draft]:
    paid = s.booked(*sorted(PAYMENTS))
    whole = {p.fund: p.amount_fen for p in paid.draft.postings if (p.account, p.side) == ("cash", "C")}
    amounts = None if s.choose((True, False)) else {fund: s.amount(fen) for fund, fen in whole.items()}
    if not whole:
        raise _Nothing
    return [claw_back(paid, amounts, narrative="paid wrongly", **s.told)]


def _recovers(s: _Scene) -> list[Draft]:
    taker, number, owed = s.held(Account.RECEIVABLE)
    paid = s.known.entries[int(number) - 1]
    givers = [s.ledger.funds[p.fund] for p in paid.draft.postings if p.account == Account.TRANSFER_IN.value]
    giver = s.choose([*[None] * 12, *givers * 6, *s.ledger.funds.values()])
    told: dict[str, Any] = {"narrative": "it came back", "giver": giver, "ledger": s.ledger}
    return [recover(paid, taker, s.amount(owed), **told, **s.told)]


def _waives(s: _Scene) -> list[Draft]:
    fund, number, owed = s.held(Account.RECEIVABLE)
    told: dict[str, Any] = {
        "narrative": "the firm is gone",
        "document": "decision 3",
        "clause": "2",
        "evidence": [paper("approval")],
    }
    return [waive(s.known.entries[int(number) - 1], {fund.fund_id: s.amount(owed)}, **told, **s.told)]


def _reverses(s: _Scene) -> list[Draft]:
    ledger = s.choose((s.ledger, s.ledger, None))
    return [reverse(s.booked(), on=s.day, hands=s.hands, narrative="wrong", ledger=ledger)]


def _reverses_what_is_seldom_reversed(s: _Scene) -> list[Draft]:
    kinds = (Kind.RELEASE, Kind.WAIVER, Kind.RECOVERY, Kind.LOAN, Kind.REPAYMENT, Kind.SETTLEMENT, Kind.SURRENDER)
    entry = s.booked(*kinds, Kind.DISBURSEMENT, Kind.TRANSFER)
    return [reverse(entry, on=s.day, hands=s.hands, narrative="wrong", ledger=s.ledger)]


def _reverses_in_the_other_colour(s: _Scene) -> list[Draft]:
    """In blue what is of this year, in red what is of an earlier one."""
    entry = s.booked()
    made = reverse(entry, on=s.day, hands=s.hands, narrative="wrong", ledger=s.ledger)
    red = made.kind is Kind.REVERSAL
    postings = (swapped if red else mirror)(entry.draft.postings, s.day.year)
    return [replace(made, kind=Kind.CORRECTION if red else Kind.REVERSAL, key=s.key, postings=postings)]


def _surrenders(s: _Scene) -> list[Draft]:
    surplus = dict.fromkeys(s.ledger.funds, 0)  # cash that no budget stands for
    for (fund_id, account, _), fen in s.ledger.balances.items():
        if account in _BACKING:
            surplus[fund_id] += _BACKING[account] * fen
    fund = s.choose([f for f in s.ledger.funds.values() if surplus[f.fund_id]])
    given = (Account.FUNDING.value, Account.TRANSFER_IN.value)
    source = s.choose(sorted(d for f, a, d in s.ledger.balances if f == fund.fund_id and a in given))
    fen = s.amount(surplus[fund.fund_id])
    return [surrender(fund, source, fen, clause="5", narrative="surplus", **s.told)]


def _ends_the_year(s: _Scene) -> list[Draft]:
    """The years that are over, and that have something left."""
    years = sorted({int(d) for _, a, d in s.ledger.balances if a == Account.UNENCUMBERED.value})
    over = [year for year in years if year < s.day.year]
    return carry_forward(s.ledger, s.choose(over), hands=s.hands)


def _ends_a_year_again(s: _Scene) -> list[Draft]:
    """As it was ended before, under another key."""
    return [replace(s.booked(Kind.CARRY_FORWARD).draft, key=s.key)]


def _closes(s: _Scene) -> list[Draft]:
    return [close(Month.of(s.day) + -s.choose((1, 2, 7)), on=s.day, hands=s.hands, ledger=s.ledger)]


def _reopens(s: _Scene) -> list[Draft]:
    closed = s.ledger.closed_through
    first = Month.of(closed if closed.year > 1 else s.day) + -s.choose((0, 1, 5))
    told: dict[str, Any] = {
        "document": "decision 1",
        "clause": "2",
        "narrative": "a bill was lost",
        "evidence": [paper("approval")],
    }
    return [reopen(first, **told, **s.told)]


def _repeats(s: _Scene) -> list[Draft]:
    """The very same again, as after a lost answer."""
    return [s.booked().draft]


def _uses_a_key_again(s: _Scene) -> list[Draft]:
    """For other words, which is nothing new, or for what differs in one thing that decides, which is refused."""
    draft = s.booked().draft
    name = s.choose(("narrative", "clause", "document", "purpose", "payee", "payee_class", "reference", "evidence"))
    other: Any = (*draft.evidence, paper("approval")) if name == "evidence" else "another"
    return [replace(draft, **{name: other})]


VERBS: Mapping[str, Callable[[_Scene], list[Draft]]] = {
    verb.__name__.lstrip("_"): verb
    for verb in (
        _opens, _amends, _appropriates, _receives, _receives_more_than_there_is, _promises, _pays,
        _keeps_a_promise, _keeps_a_promise_to_another, _advances, _settles, _releases, _lets_expire, _awards,
        _transfers, _transfers_to_another_level, _lends, _repays, _claims_back, _recovers, _waives, _reverses,
        _reverses_what_is_seldom_reversed, _reverses_in_the_other_colour, _surrenders, _ends_the_year,
        _ends_a_year_again, _closes, _reopens, _repeats, _uses_a_key_again,
    )
}  # fmt: skip

# What is always refused, or nothing new: a history is deeper where there is less of it.
IDLE = (
    "receives_more_than_there_is", "keeps_a_promise_to_another", "transfers_to_another_level",
    "reverses_in_the_other_colour", "ends_a_year_again", "repeats", "uses_a_key_again",
)  # fmt: skip


# --- slips of the pen -------------------------------------------------------------------------------------------------


def _lines(draft: Draft, change: Callable[[int], int], *, most: int = 1_000) -> Draft:
    lines = [p._replace(amount_fen=change(p.amount_fen)) if n < most else p for n, p in enumerate(draft.postings)]
    return replace(draft, postings=tuple(lines))


SLIPS: tuple[Callable[[Draft], Draft], ...] = (
    lambda d: d,
    lambda d: replace(d, purpose="banquet"),
    lambda d: replace(d, payee_class="stranger"),
    lambda d: replace(d, payee="somebody else"),
    lambda d: replace(d, evidence=()),
    lambda d: replace(d, approver=d.maker),
    lambda d: replace(d, approver=f"{d.maker}\u3000"),
    lambda d: d if d.kind is Kind.REFUSAL else replace(d, key=f"{d.key}/again"),
    lambda d: replace(d, effective=d.effective.replace(day=1) - timedelta(days=1)),
    lambda d: replace(d, effective=date(9999, 12, 31)),
    lambda d: replace(d, effective=date(2000, 1, 1)),
    lambda d: replace(d, narrative=""),
    lambda d: replace(d, narrative="a word\u200b"),
    lambda d: replace(d, document="", clause=""),
    lambda d: replace(d, reference="999999"),
    lambda d: replace(d, postings=d.postings[:-1]),
    lambda d: replace(d, postings=d.postings[: (len(d.postings) + 1) // 2]),
    lambda d: replace(d, postings=tuple(p._replace(fund="nowhere/estate/x") for p in d.postings)),
    lambda d: replace(d, postings=d.postings[::-1]),
    lambda d: _lines(d, lambda fen: fen + 1, most=1),
    lambda d: _lines(d, lambda fen: fen * 1_000_003),
    lambda d: _lines(d, lambda fen: -fen),
    lambda d: _lines(d, lambda fen: 0),
)


def requests(event: Event, known: Known, *, day: date, key: str, hands: Hands = HANDS) -> list[Draft]:
    """What an event asks for in these books on a day: drafts to be booked together; none where there is nothing to ask.

    `key` is the idempotency key of what it asks, and has to be another for each event.

    >>> from estate_funds.ledger import Ledger
    >>> known, day = Known(Ledger()), date(2024, 3, 1)
    >>> (opened,) = requests(Event("opens", pick=1), known, day=day, key="e1")
    >>> known.add([known.ledger.post(opened, recorded=day)])
    >>> (given,) = requests(Event("appropriates", fen=500), known, day=day, key="e2")
    >>> given.kind, given.postings[0].amount_fen
    (<Kind.APPROPRIATION: 'appropriation'>, 501)
    >>> requests(Event("repays"), known, day=day, key="e3")
    []
    """
    try:
        drafts = VERBS[event.verb](_Scene(known, day, key, hands, event.pick, event.fen))
    except (_Nothing, InputError):  # a verb says that there is nothing to settle, to release, to open again
        return []
    slip = SLIPS[event.slip % len(SLIPS)]
    return [*drafts[:-1], slip(drafts[-1])] if drafts else []
