"""What the gate would refuse, written into the rows with leaf and root as they should be, is refused by who finds it.

A hash proves that rows are those that were written; that they may stand there, the gate says again at each reading.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from conftest import HANDS
from estate_funds.errors import DamagedEntry, Refusal
from estate_funds.journal import Draft, Entry
from estate_funds.ledger import Ledger
from estate_funds.money import MAX_FEN
from estate_funds.store import Store
from estate_funds.testing.events import FUNDS, SLIPS, VERBS, Event, Known, requests
from estate_funds.vouchers import appropriate, open_fund

DAY = date(2024, 3, 1)
EVENTS = st.builds(
    Event,
    st.sampled_from(sorted(VERBS)),
    st.integers(0, 1 << 20),
    st.integers(1, 5_000),
    st.integers(0, len(SLIPS) - 1),
)


def written(ledger: Ledger, draft: Draft) -> Entry | None:
    """The entry of a draft that the gate refuses, past which the ledger has advanced; None where it takes the draft."""
    try:
        ledger.check(draft, recorded=DAY)
        return None
    except Refusal:
        entry = Entry(ledger.seq + 1, DAY, replace(draft, key=f"forged/{ledger.seq}"))
    try:
        ledger.check(entry.draft, recorded=DAY)
        return None  # nothing but its key was wrong
    except Refusal:
        ledger.advance(entry)
        return entry


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, min_size=8, max_size=24))
def test_an_entry_that_was_written_past_the_gate_is_found(events: list[Event]) -> None:
    known, store = Known(Ledger()), Store.open("memory")
    money = [appropriate(fund, "city treasury", 90_000, on=DAY, key=fund.fund_id, hands=HANDS) for fund in FUNDS[:-1]]
    drafts = [open_fund(fund, on=DAY, hands=HANDS) for fund in FUNDS] + money
    for number, asked in enumerate([None, *events]):
        for draft in requests(asked, known, day=DAY, key=f"e{number}") if asked else drafts:
            try:
                entry = known.ledger.post(draft, recorded=DAY)
                known.add([entry] if entry else [])
            except Refusal:
                _is_found(store, known, draft)
                break
    store.close()


def _is_found(store: Store, known: Known, draft: Draft) -> None:
    """Write the journal with a draft that was refused at its end; whoever loads it, or catches up with it, sees it."""
    forged = copy.deepcopy(known.ledger)
    try:
        entry = written(forged, draft)
    except Exception:  # what has no meaning at all cannot be folded either
        return
    if entry is None or any(abs(p.amount_fen) > MAX_FEN for p in entry.draft.postings):  # which no row can hold
        return
    event(str(draft.kind))
    with pytest.raises(_UndoneError), store.writing() as connection:
        store.append(connection, known.entries, known.ledger)
        late = store.load(connection)
        store.append(connection, [entry], forged)
        with pytest.raises(DamagedEntry):
            store.load(connection)
        with pytest.raises(DamagedEntry):
            store.catch_up(connection, late)
        raise _UndoneError


class _UndoneError(Exception):
    """So that nothing of it stays."""
