"""Strategies of funds and what is booked in them: permits, funds, drafts, events, histories, journals, bundles."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from estate_funds.checkpoint import Checkpoint, SignerKey, sign
from estate_funds.errors import Refusal
from estate_funds.exchange.bundle import write_bundle
from estate_funds.funds import PAYEE, Fund, Permit
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger import Ledger, replay
from estate_funds.testing.events import FUNDS, HANDS, SLIPS, VERBS, Event, Known, paper, requests
from estate_funds.testing.strategies.values import FIRST_DAY, amounts, check_range, days, refuse_unless
from estate_funds.vouchers import appropriate, open_fund, promise, refused, spend

SIGNER = SignerKey("drawn.example/books", hashlib.sha256(b"drawn").digest())  # whoever wants may sign as it does
_PURPOSES = ("repair", "cleaning", "greening", "bridge")
_CLASSES = ("enterprise", "professional", "community", "estate")
_KEYS = ("repairs", "common-income", "budget", "agency")
_PAPERS = ("invoice", "audit", "vote")
_MOST_FEN = 2**40  # of one event: what all of a history adds up to stays below what a column holds
_SLIPS, _PICKS = len(SLIPS), 50_000
_LONG = 20  # how much shorter than it may be a long history is


def permits(
    *,
    purposes: Sequence[str] = _PURPOSES,
    payee_classes: Sequence[str] = _CLASSES,
    into: Sequence[str] = ("", PAYEE, *_KEYS),
    requires: Sequence[str] = _PAPERS,
    min_day: date = date(2015, 1, 1),
    max_day: date = FIRST_DAY,
) -> st.SearchStrategy[Permit]:
    """Permits of a fund that begin from `min_day` to `max_day`, and end after that or not at all.

    Shrinks to the first purpose and payee class, spent outright, from `min_day` on, for ever and without a paper.

    >>> from estate_funds.testing.strategies import simplest
    >>> permit = simplest(permits(), lambda permit: permit.requires)
    >>> permit.purpose, permit.payee_class, permit.into, str(permit.start), permit.until, permit.requires
    ('repair', 'enterprise', '', '2015-01-01', None, ('invoice',))
    """
    refuse_unless(purposes and payee_classes and into, "permits: wanted purposes, payee classes and where money goes")
    starts = days(min_day=min_day, max_day=max_day)
    papers = st.lists(st.sampled_from(requires), unique=True) if requires else st.just([])
    lasts = st.none() | st.integers(1, 4_000)
    named = (st.sampled_from(purposes), st.sampled_from(payee_classes), st.sampled_from(into))
    return st.builds(_permit, *named, starts, lasts, papers)


def _permit(purpose: str, payee_class: str, into: str, start: date, last: int | None, papers: Sequence[str]) -> Permit:
    until = None if last is None else start + timedelta(days=last)
    return Permit(purpose, payee_class, into, start, until, tuple(papers), clause=f"on {purpose}")


def funds(
    *,
    keys: Sequence[str] = _KEYS,
    holders: Sequence[str] = ("estate/院一", "community/k", "city/c"),
    permits: st.SearchStrategy[Permit] | None = None,
    max_permits: int = 4,
) -> st.SearchStrategy[Fund]:
    """Funds that the gate opens: lasting, lapsing with the year, or surplus after some; traced first in first out or in
    proportion; held for others or not; with permits, or with none, which pays for nothing.

    `holders` are `level/holder`; several funds of a list want `unique_by=lambda fund: fund.fund_id`. Shrinks to a fund
    that lapses, without a permit.

    >>> from estate_funds.testing.strategies import simplest
    >>> fund = simplest(funds(), lambda fund: fund.surplus_after_years)
    >>> fund.fund_id, fund.carry_forward, fund.surplus_after_years, fund.provenance, fund.permits
    ('repairs/estate/院一', True, 1, 'fifo', ())
    """
    refuse_unless(keys and holders, "funds: wanted keys and holders")
    refuse_unless(all(holder.count("/") for holder in holders), f"funds: wanted level/holder, got {holders!r}")
    check_range(0, max_permits, "funds, permits", least=0)
    fences = st.lists(_PERMITS if permits is None else permits, max_size=max_permits)
    ids = st.tuples(st.sampled_from(keys), st.sampled_from(holders)).map("/".join)
    ends = st.one_of(st.just((False, 0, False)), st.just((True, 0, False)), st.just((True, 0, True)), _SURPLUS)
    return st.builds(_fund, ids, ends, st.sampled_from(["fifo", "proportional"]), fences)


_PERMITS = permits()
_SURPLUS = st.integers(1, 5).map(lambda years: (True, years, False))


def _fund(fund_id: str, ends: tuple[bool, int, bool], provenance: str, fences: Sequence[Permit]) -> Fund:
    lasting, years, for_others = ends
    return Fund(fund_id, f"fund {fund_id}", "document", "1", lasting, provenance, tuple(fences), for_others, years)


def drafts(
    fund: Fund, *, on: date = FIRST_DAY, available_fen: int = 0, key: str = "draft-1", max_fen: int = _MOST_FEN
) -> st.SearchStrategy[Draft]:
    """Drafts that the gate lets through for a fund that is open, and has `available_fen` to spend, on a day.

    Money that comes in, at most `max_fen`; and, of what is available, promises and payments as the permits want them.
    Shrinks to 1 fen that comes in.

    >>> from estate_funds.testing.strategies import simplest
    >>> from estate_funds.testing.ring_fence import EXAMPLE_FUNDS
    >>> draft = simplest(drafts(EXAMPLE_FUNDS[0], on=date(2024, 3, 1), available_fen=5), lambda draft: draft.evidence)
    >>> draft.kind.value, draft.purpose, draft.postings[0].amount_fen, draft.evidence[0].kind
    ('spending', 'roof', 1, 'invoice')
    """
    check_range(0, available_fen, "drafts, available_fen", least=0)
    kinds = [Kind.RECEIPT] if fund.held_for_others else [Kind.RECEIPT, Kind.APPROPRIATION]
    said = {"on": st.just(on), "key": st.just(key), "hands": st.just(HANDS)}
    comes = st.builds(
        appropriate, st.just(fund), st.just("owners"), amounts(max_fen=max_fen), kind=st.sampled_from(kinds), **said
    )
    standing = [p for p in fund.permits if p.start <= on and (p.until is None or on < p.until)]
    if not standing or not available_fen:
        return comes
    part = amounts(max_fen=available_fen)
    promised = st.builds(_promised, st.just(fund), part, st.sampled_from(standing), st.just(on), st.just(key))
    outright = [permit for permit in standing if permit.into == ""]
    if not outright:
        return comes | promised
    return (
        comes | promised | st.builds(_spent, st.just(fund), part, st.sampled_from(outright), st.just(on), st.just(key))
    )


def _promised(fund: Fund, fen: int, by: Permit, on: date, key: str) -> Draft:
    named: dict[str, Any] = {"purpose": by.purpose, "payee": "宏达物业", "payee_class": by.payee_class}
    return promise(fund, fen, reference=f"works-{key}", on=on, key=key, hands=HANDS, **named)


def _spent(fund: Fund, fen: int, by: Permit, on: date, key: str) -> Draft:
    named: dict[str, Any] = {"purpose": by.purpose, "payee": "宏达物业", "payee_class": by.payee_class}
    return spend(fund, fen, on=on, key=key, hands=HANDS, evidence=[paper(kind) for kind in by.requires], **named)


# --- what happens ---


def events(*, verbs: Sequence[str] = tuple(VERBS), slips: bool = True) -> st.SearchStrategy[Event]:
    """What may happen in books, in numbers: see `estate_funds.testing.events`. With `slips`, some are slips of the pen.

    Shrinks to the first verb, with noughts.

    >>> from estate_funds.testing.strategies import simplest
    >>> simplest(events()), simplest(events(), lambda event: event.slip)
    (Event(verb='opens', pick=0, fen=0, slip=0), Event(verb='opens', pick=0, fen=0, slip=1))
    """
    unknown = [verb for verb in verbs if verb not in VERBS]
    refuse_unless(verbs and not unknown, f"events: no such verbs: {unknown}; known: {', '.join(VERBS)}")
    return _events(tuple(verbs), slips)


@st.composite
def _events(draw: st.DrawFn, verbs: tuple[str, ...], slips: bool) -> Event:
    verb, odd = draw(st.integers(0, len(verbs) - 1)), draw(st.integers(0, 7))
    # Often the first or the last of what there is: that is the same still where something before it was left out.
    pick = draw(st.integers(0, (0, 0, 0, 0, 11)[odd] if odd < 5 else _PICKS))
    fen = draw(_MUCH if odd == 6 else st.integers(0, 400))
    return Event(verbs[verb], pick, fen, draw(st.integers(0, _SLIPS - 1)) if slips and odd == 7 else 0)


_MUCH = amounts(min_fen=0, max_fen=_MOST_FEN)


def histories(
    *, min_size: int = 0, max_size: int = 40, verbs: Sequence[str] = tuple(VERBS), slips: bool = True
) -> st.SearchStrategy[list[Event]]:
    """Lists of events; whatever is left out of one, it stays a history. Shrinks to fewer events, and simpler ones.

    >>> from estate_funds.testing.strategies import simplest
    >>> simplest(histories(), lambda history: len(history) == 2)[0]
    Event(verb='opens', pick=0, fen=0, slip=0)
    """
    check_range(min_size, max_size, "histories", least=0)
    happens, long = events(verbs=verbs, slips=slips), max(min_size, max_size - _LONG)
    short = st.lists(happens, min_size=min_size, max_size=max_size)
    return short | st.lists(happens, min_size=long, max_size=max_size)  # whatever is drawn at random is short by itself


def play(
    history: Iterable[Event],
    *,
    funds: Sequence[Fund] = FUNDS[:1],
    given_fen: int = 0,
    first_day: date = FIRST_DAY,
    days_apart: int = 1,
    last_day: date = date.max,
    min_size: int = 0,
    max_size: int | None = None,
) -> tuple[Entry, ...]:
    """The journal of a history: what the gate let through, with a record of what it refused.

    The books begin with `funds`, which all get `given_fen` on the first day. The events follow, `days_apart`, none
    after `last_day`. Nothing is asked any more where the journal has `max_size` entries; where it has fewer than
    `min_size`, a fen comes in again and again.

    >>> [entry.draft.kind.value for entry in play([Event("receives")], given_fen=100)]
    ['open_fund', 'receipt', 'receipt']
    """
    known = Known(Ledger())
    opened = [open_fund(fund, on=first_day, hands=HANDS) for fund in funds]
    first = [_received(fund, given_fen, first_day, f"given-{n}") for n, fund in enumerate(funds) if given_fen]
    for draft in (*opened, *first):
        _ask(known, [draft], first_day, max_size)
    day = first_day
    for number, event in enumerate(history):
        day = min(day + timedelta(days=days_apart), last_day)
        _ask(known, requests(event, known, day=day, key=f"event-{number}"), day, max_size)
    while funds and len(known.entries) < min_size:
        _ask(known, [_received(funds[0], 1, day, f"more-{len(known.entries)}")], day, max_size)
    return tuple(known.entries)


def _received(fund: Fund, fen: int, on: date, key: str) -> Draft:
    return appropriate(fund, "owners", fen, on=on, key=key, hands=HANDS, kind=Kind.RECEIPT)


def _ask(known: Known, drafts: Iterable[Draft], day: date, max_size: int | None) -> None:
    """Put drafts to the gate, one after the other, until one is refused, which is put on record."""
    for draft in drafts:
        if max_size is not None and len(known.entries) >= max_size:
            return
        try:
            entry = known.ledger.post(draft, recorded=day)
        except Refusal as refusal:
            entry = known.ledger.post(refused(draft, refusal, recorded=day), recorded=day)
            known.add([entry] if entry else [])
            return
        known.add([entry] if entry else [])


def journals(
    *,
    funds: Sequence[Fund] = FUNDS,
    min_size: int = 1,
    max_size: int = 60,
    first_year: int = 2021,
    last_year: int = 2023,
    verbs: Sequence[str] = tuple(VERBS),
    slips: bool = True,
) -> st.SearchStrategy[tuple[Entry, ...]]:
    """Journals of so many entries that the gate let through, in the years given: histories, played.

    They begin with some of `funds`. Shrinks to `min_size` entries: one fund is opened, and if need be, it gets a fen.

    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, database=None)
    ... @given(journals(min_size=3, last_year=2021))
    ... def test_a_short_year(journal):
    ...     assert len(journal) >= 3 and {entry.recorded.year for entry in journal} == {2021}
    >>> test_a_short_year()
    """
    refuse_unless(funds, "journals: wanted the funds of the books")
    check_range(min_size, max_size, "journals", least=1)
    check_range(first_year, last_year, "journals, years", least=1)
    refuse_unless(last_year < date.max.year, "journals: the last year needs a next one")
    opened = st.lists(st.sampled_from(list(funds)), min_size=1, unique_by=lambda fund: fund.fund_id)
    return st.builds(
        play,
        histories(max_size=max_size, verbs=verbs, slips=slips),
        funds=opened,
        given_fen=st.integers(0, 10_000),
        first_day=st.just(date(first_year, 1, 1)),
        days_apart=st.integers(0, 60),
        last_day=st.just(date(last_year, 12, 31)),
        min_size=st.just(min_size),
        max_size=st.just(max_size),
    )


def bundles(
    *, journals: st.SearchStrategy[tuple[Entry, ...]] | None = None, signed: bool = True
) -> st.SearchStrategy[bytes]:
    """The bytes of bundles: each a drawn journal, its checkpoint, signed by `SIGNER` or not, balances and documents.

    Shrinks as the journal does.

    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, database=None)
    ... @given(bundles())
    ... def test_a_bundle_is_a_zip(data):
    ...     assert data.startswith(b"PK")
    >>> test_a_bundle_is_a_zip()
    """
    drawn = _JOURNALS if journals is None else journals
    return drawn.map(lambda journal: bundle_of(journal, signer=SIGNER if signed else None))


_JOURNALS = journals()


def bundle_of(journal: Sequence[Entry], *, signer: SignerKey | None = SIGNER) -> bytes:
    """The bundle of a journal that began with its first entry, with the documents that `paper` stands for."""
    ledger = replay(journal)
    sealed = Checkpoint(SIGNER.name if signer is None else signer.name, ledger.tree.size, ledger.tree.root)
    kinds = {one.sha256: one.kind.encode() for entry in journal for one in entry.draft.evidence}
    with tempfile.TemporaryDirectory(prefix="estate-funds-bundle-") as folder:
        path = write_bundle(
            Path(folder, "journal.zip"),
            journal,
            checkpoint=sealed.body if signer is None else sign(sealed, signer),
            balances=ledger.balances,
            keys=[] if signer is None else [str(signer.verifier)],
            evidence=kinds.get,
        )
        return path.read_bytes()
