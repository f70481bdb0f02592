"""The strategies keep their word: what is valid is taken, what is barely invalid is refused for what was spoiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from estate_funds import verifier
from estate_funds.ballots import Ballot, tally
from estate_funds.calendar import Month, Months
from estate_funds.errors import PolicyError
from estate_funds.exchange.bundle import Bundle
from estate_funds.funds import Fund, Permit
from estate_funds.journal import Entry, Kind
from estate_funds.ledger import Ledger, replay
from estate_funds.money import parse_yuan
from estate_funds.policy import Document, parse_document
from estate_funds.registry import Registry, count_households
from estate_funds.testing import strategies as ef
from estate_funds.testing.events import HANDS, Event
from estate_funds.testing.model import Model
from estate_funds.testing.strategies import simplest
from estate_funds.vouchers import appropriate, open_fund

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


# --- amounts, days, rates ---


@given(st.data(), st.integers(0, 2**63 - 1), st.integers(0, 10**6))
def test_amounts_and_their_texts_keep_their_bounds(data: st.DataObject, low: int, more: int) -> None:
    high = min(low + more, 2**63 - 1)
    assert low <= data.draw(ef.amounts(min_fen=low, max_fen=high)) <= high
    assert low <= parse_yuan(data.draw(ef.yuan_texts(min_fen=low, max_fen=high))) <= high


@given(st.data())
def test_days_months_and_periods_keep_their_bounds(data: st.DataObject) -> None:
    first = data.draw(ef.days())
    last = data.draw(ef.days(min_day=first))
    assert first <= data.draw(ef.days(min_day=first, max_day=last)) <= last
    months = Month.of(first), Month.of(last)
    assert months[0] <= data.draw(ef.months(min_month=months[0], max_month=months[1])) <= months[1]
    period = data.draw(ef.periods(min_month=months[0], max_month=months[1], max_size=24))
    assert months[0] <= period.start < period.end <= months[1] + 1
    assert 1 <= len(period) <= 24


@given(st.data(), st.fractions(0, 50), st.fractions(1, 50))
def test_rates_keep_their_bounds(data: st.DataObject, low: Fraction, more: Fraction) -> None:
    rate = data.draw(ef.rates(min_yuan=low, max_yuan=low + more))
    assert low <= rate <= low + more
    assert (data.draw(ef.rates(finer_than_fen=False)) * 100).denominator == 1


NONSENSE: tuple[tuple[Callable[..., object], dict[str, Any]], ...] = (
    (ef.amounts, {"min_fen": 2, "max_fen": 1}),
    (ef.amounts, {"min_fen": -1}),
    (ef.amounts, {"max_fen": 2**63}),
    (ef.amounts, {"min_fen": 1.5}),
    (ef.days, {"min_day": date(2024, 1, 2), "max_day": date(2024, 1, 1)}),
    (ef.days, {"min_day": "2024-01-01"}),
    (ef.months, {"min_month": date(2024, 1, 1)}),
    (ef.periods, {"min_size": 2, "max_size": 1}),
    (ef.periods, {"max_month": Month.parse("2021-01"), "min_size": 2}),
    (ef.service_years, {"min_year": 0}),
    (ef.rates, {"min_yuan": 0.5}),
    (ef.rates, {"min_yuan": Fraction(1, 3), "max_yuan": Fraction(1, 3), "finer_than_fen": False}),
    (ef.documents, {"sums": ["rate"]}),
    (ef.documents, {"sums": []}),
    (ef.documents, {"anchors": ["birth"]}),
    (ef.documents, {"max_provisions": 9}),
    (ef.document_texts, {"start_by": "2021-01-01"}),
    (ef.barely_invalid_documents, {"spoiled": "everything"}),
    (ef.estates, {"max_households": 0}),
    (ef.cohorts, {"min_size": 0}),
    (ef.registries, {"min_size": 3, "max_size": 2}),
    (ef.ballots, {"opens": date(2021, 2, 1), "closes": date(2021, 1, 1)}),
    (ef.permits, {"purposes": []}),
    (ef.funds, {"holders": ["k"]}),
    (ef.funds, {"max_permits": -1}),
    (ef.events, {"verbs": ["steals"]}),
    (ef.histories, {"min_size": 9, "max_size": 2}),
    (ef.journals, {"funds": []}),
    (ef.journals, {"min_size": 0}),
    (ef.journals, {"first_year": 2024, "last_year": 2023}),
    (ef.journals, {"last_year": 9999}),
)  # fmt: skip


@pytest.mark.parametrize(
    ("strategy", "options"), NONSENSE, ids=lambda one: getattr(one, "__name__", None) or " ".join(one)
)
def test_options_that_do_not_go_together_are_refused_at_once(
    strategy: Callable[..., object], options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgument):
        strategy(**options)


# --- documents ---


@some
@given(ef.documents())
def test_every_document_loads_and_is_in_force(document: Document) -> None:
    for provision in document.provisions.values():
        for versions in (provision.rate, provision.total, provision.payers):
            assert not versions or any(one.in_force(date(2021, 1, 1)) for one in versions)
            assert not versions or any(one.in_force(date(2099, 1, 1)) for one in versions)
        assert provision.pays_from in document.funds


def test_options_of_documents_decide_what_is_drawn() -> None:
    @settings(max_examples=20, deadline=None, database=None)
    @given(ef.documents(sums=["total_over_weights"], anchors=["decision"], max_provisions=1, max_versions=1))
    def check(document: Document) -> None:
        (provision,) = document.provisions.values()
        assert (provision.sum, provision.anchor, len(provision.total)) == ("total_over_weights", "decision", 1)

    check()


@pytest.mark.parametrize("spoiled", ef.SPOILS)
def test_what_is_barely_invalid_is_refused_for_what_was_spoiled(spoiled: str) -> None:
    @settings(max_examples=12, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(ef.barely_invalid_documents(spoiled=spoiled))
    def check(found: ef.BarelyInvalid) -> None:
        assert found.spoiled == spoiled
        with pytest.raises(PolicyError) as caught:
            parse_document(found.text, source="city.toml")
        assert caught.value.where == (f"city.toml, {found.where}" if found.where else "city.toml")
        assert len(caught.value.problems) <= 1

    check()


def test_the_simplest_documents() -> None:
    document = simplest(ef.documents())
    award = document.provision("award")
    assert [*document.provisions] == ["award"]
    assert (award.sum, award.claim_period, award.anchor, award.gate) == (
        "rate_times_base",
        "service_year",
        "enrolment",
        None,
    )
    assert [(rate.unit.text, rate.value) for rate in award.rate] == [("CNY/household/month", 0)]
    assert [split.shares for split in award.payers] == [{"city": 1}]
    assert not document.facts
    assert not document.requirements
    found = simplest(ef.barely_invalid_documents())
    assert (found.spoiled, found.where) == ("an unknown key", "amuont")


# --- registers ---


@some
@given(ef.documents(), st.data())
def test_registers_have_what_the_document_asks_for(document: Document, data: st.DataObject) -> None:
    registry = data.draw(ef.registries(document=document, max_size=3))
    assert 1 <= len(registry.estates) <= 3
    for estate, name, period in registry.facts:
        assert estate in registry.estates
        assert name in document.facts
        assert period == ""
    for estate_id, count in registry.headcounts.items():
        assert min(count.running) >= 0
        assert registry.households(estate_id, registry.estates[estate_id].service_start) >= 1


@some
@given(ef.documents(sums=["rate_times_base"], max_provisions=1), st.data())
def test_a_cohort_enrols_in_one_month_under_one_version(document: Document, data: st.DataObject) -> None:
    versions = document.provision("award").rate
    cohort = data.draw(ef.cohorts(versions=versions))
    assert len({estate.estate_id for estate in cohort}) == len(cohort)
    assert len({Month.of(estate.service_start) for estate in cohort}) == 1
    assert len({max(v.start for v in versions if v.in_force(estate.service_start)) for estate in cohort}) == 1
    assert len(data.draw(ef.registries(estates=st.just(cohort))).estates) == len(cohort)


@some
@given(ef.registries(), st.data())
def test_results_come_after_the_service_began(registry: Registry, data: st.DataObject) -> None:
    for result in data.draw(ef.assessments(registry)).values():
        assert result.result in ("pass", "fail")
        assert result.result_on > registry.estates[result.subject_id].service_start


@some
@given(ef.registries(), st.data())
def test_household_rows_can_be_counted(registry: Registry, data: st.DataObject) -> None:
    estates = list(registry.estates.values())
    rows = data.draw(ef.households(estates, min_size=1))
    counts = count_households(rows, registry.estates, source="households.csv")
    assert sum(count.on(date.max) for count in counts.values()) == sum(row.removed_on is None for row in rows)


@given(ef.ballots())
def test_ballots_can_be_counted(ballots: Sequence[Ballot]) -> None:
    found = tally("vote-1", ballots, opens=date(2021, 1, 1), closes=date(2021, 1, 31))
    assert len(found.counted) + len(found.set_aside) == len(ballots)


def test_the_simplest_registers() -> None:
    registry = simplest(ef.registries())
    (estate,) = registry.estates.values()
    assert (estate.declared_households, estate.buildings, estate.floor_area_centi_m2) == (1, 1, 80_00)
    assert (estate.service_start, estate.service_end) == (date(2021, 1, 1), None)
    assert not registry.headcounts
    assert len(simplest(ef.assessments(registry))) == 0
    assert simplest(ef.ballots()) == ()
    assert simplest(ef.households([estate])) == ()


# --- funds and journals ---


@given(ef.funds())
def test_every_fund_is_opened(fund: Fund) -> None:
    ledger = Ledger()
    assert ledger.post(open_fund(fund, on=date(2021, 1, 1), hands=HANDS), recorded=date(2021, 1, 1))
    assert ledger.funds[fund.fund_id] == fund


@given(ef.funds(), ef.days(), st.integers(0, 500), st.data())
def test_every_draft_is_sound(fund: Fund, day: date, fen: int, data: st.DataObject) -> None:
    ledger = Ledger()
    ledger.post(open_fund(fund, on=day, hands=HANDS), recorded=day)
    if fen:
        ledger.post(appropriate(fund, "owners", fen, on=day, key="a", hands=HANDS, kind=Kind.RECEIPT), recorded=day)
    assert ledger.post(data.draw(ef.drafts(fund, on=day, available_fen=fen)), recorded=day)


@some
@given(ef.journals(min_size=3, max_size=40))
def test_every_journal_replays_to_the_same_head(journal: Sequence[Entry]) -> None:
    assert 3 <= len(journal) <= 40
    ledger = replay(journal)
    assert ledger.seq == len(journal)
    assert replay(iter(journal)).head == ledger.head
    assert {entry.recorded.year for entry in journal} <= {2021, 2022, 2023}


@some
@given(ef.journals(max_size=40))
def test_the_second_ledger_holds_every_journal(journal: Sequence[Entry]) -> None:
    model = Model()
    assert all(model.post(entry.draft, recorded=entry.recorded) for entry in journal)
    assert model.balances == replay(journal).balances


@some
@given(st.lists(ef.funds(), min_size=1, max_size=3, unique_by=lambda fund: fund.fund_id), st.data())
def test_journals_of_funds_of_your_own(funds: list[Fund], data: st.DataObject) -> None:
    journal = data.draw(ef.journals(funds=funds, verbs=["receives", "pays", "ends_the_year"], slips=False))
    assert {*replay(journal).funds} <= {fund.fund_id for fund in funds}


@some
@given(ef.histories(max_size=12), st.data())
def test_a_history_stays_one_whatever_is_left_out(history: list[Event], data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(history), max_size=len(history)))
    shorter = [event for event, stays in zip(history, kept, strict=True) if stays]
    assert replay(ef.play(shorter, given_fen=1_000, days_apart=40)).seq >= 2


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ef.bundles() | ef.bundles(signed=False))
def test_every_bundle_verifies_with_the_verifier_of_one_file(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "journal.zip")
        path.write_bytes(data)
        with Bundle(path) as bundle:
            keys = [str(key) for key in bundle.keys]
            assert bundle.balances() == replay(bundle.entries()).balances
            assert keys in ([], [str(ef.SIGNER.verifier)])
        assert verifier.main([str(path), *(part for key in keys for part in ("--key", key))]) == 0


def kinds_of(journal: Sequence[Entry]) -> list[str]:
    return [entry.draft.kind.value for entry in journal]


def test_the_simplest_journals() -> None:
    assert kinds_of(simplest(ef.journals())) == ["open_fund"]
    assert kinds_of(simplest(ef.journals(min_size=3))) == ["open_fund", "receipt", "receipt"]
    paid = simplest(
        ef.journals(max_size=9, verbs=["receives", "pays"]),
        lambda journal: Kind.SPENDING in {e.draft.kind for e in journal},
    )
    assert len(paid) == 3
    assert paid[-1].draft.postings[0].amount_fen <= 2
    assert simplest(ef.histories()) == []
    assert simplest(ef.events()) == Event("opens", fen=0)


def test_the_simplest_of_the_rest() -> None:
    assert simplest(ef.yuan_texts()) == "0.01"
    assert simplest(ef.periods()) == Months.parse("2021-01")
    assert simplest(ef.funds()).permits == ()
    assert simplest(ef.permits()) == Permit("repair", "enterprise", "", date(2015, 1, 1), None, (), "on repair")
    draft = simplest(ef.drafts(simplest(ef.funds())))
    assert (draft.kind, draft.postings[0].amount_fen) == (Kind.RECEIPT, 1)
