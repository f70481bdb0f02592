"""What holds of claims whatever the document, the register and the results: properties over all that documents may say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from estate_funds.assess import Claim, Outcome, Status, assess
from estate_funds.calendar import Month, Months
from estate_funds.policy import Document, with_values
from estate_funds.registry import Assessment, Assessments, Registry
from estate_funds.testing import strategies as ef

WINDOW = Months(Month.parse("2021-01"), Month.parse("2027-01"))
PRICED = ("rate_times_base",)
slow = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def asked(draw: st.DrawFn, **options: Any) -> tuple[Document, Registry, Assessments]:
    """A document of one provision, a register with what it asks for, and results."""
    document = draw(ef.documents(max_provisions=1, **options))
    registry = draw(ef.registries(document=document, max_size=3))
    return document, registry, draw(ef.assessments(registry, provision=document.provision("award")))


def claims_of(
    document: Document, registry: Registry, results: Assessments, window: Months = WINDOW
) -> dict[str, Claim]:
    claims = assess(document, "award", registry, results, window=window)
    found = {claim.claim_id: claim for claim in claims}
    assert len(found) == len(claims), "two claims of one id"
    return found


@slow
@given(asked())
def test_the_parts_of_a_claim_sum_and_its_lines_fill_its_months(case: tuple[Document, Registry, Assessments]) -> None:
    for claim in claims_of(*case).values():
        assert sum(claim.shares.values()) == claim.amount_fen == sum(line.amount_fen for line in claim.lines)
        assert 0 <= claim.amount_fen <= claim.potential_fen
        for line in claim.lines:
            assert sum(share.fen for share in line.shares) == line.amount_fen
            assert (line.outcome is Outcome.DUE) or not line.amount_fen
            assert all(share.fen >= 0 and share.holder for share in line.shares)
            assert line.clause
        assert [line.months.start for line in claim.lines] == sorted(line.months.start for line in claim.lines)
        assert sum(len(line.months) for line in claim.lines) == len(claim.months)
        assert claim.explain()


@slow
@given(asked(), ef.months(min_month=WINDOW.start, max_month=WINDOW.end))
def test_a_window_may_be_split_at_any_month(case: tuple[Document, Registry, Assessments], month: Month) -> None:
    whole = claims_of(*case)
    first = claims_of(*case, Months(WINDOW.start, month))
    rest = claims_of(*case, Months(month, WINDOW.end))
    assert not {*first} & {*rest}
    assert first | rest == whole


@slow
@given(asked(sums=PRICED), st.data())
def test_an_estate_more_changes_nobody_elses_claim(
    case: tuple[Document, Registry, Assessments], data: st.DataObject
) -> None:
    document, registry, results = case
    assume(len(registry.estates) > 1)
    left_out = data.draw(st.sampled_from(sorted(registry.estates)))
    fewer = Registry.build(
        {key: estate for key, estate in registry.estates.items() if key != left_out},
        {key: count for key, count in registry.headcounts.items() if key != left_out},
        facts=registry.facts,
    )
    others = {
        key: claim for key, claim in claims_of(document, registry, results).items() if f"/{left_out}/" not in f"{key}/"
    }
    found = claims_of(document, fewer, results)
    assert {key: replace(claim, registry_digest="") for key, claim in found.items()} == {
        key: replace(claim, registry_digest="") for key, claim in others.items()
    }


@slow
@given(asked(sums=PRICED, anchors=["enrolment", "service_month"]))
def test_what_waits_for_results_pays_what_it_might_once_they_are_passed(
    case: tuple[Document, Registry, Assessments],
) -> None:
    document, registry, results = case
    gate, kind = document.provision("award").gate, document.provision("award").claim_period
    assume(gate is not None)
    numbers = range(1, 7) if kind == "service_year" else range(2021, 2027)
    passed = [
        Assessment(estate, number, "pass", date(2035, 1, 1))
        for estate in registry.estates
        for number in numbers
        if (estate, number) not in results
    ]
    after = claims_of(document, registry, Assessments([*results.values(), *passed]))
    for key, claim in claims_of(document, registry, results).items():
        if claim.status is Status.PENDING and after[key].status is not Status.PENDING:
            assert after[key].amount_fen == claim.potential_fen


def amended(document: Document, *, after: date) -> dict[str, object]:
    """Other values in every version of the rate that begins after a day."""
    changes: dict[str, object] = {}
    award = document.written["provisions"]["award"]
    for number, rate in enumerate(award["rate"]):
        path = f"provisions.award.rate[{number}]"
        if rate["from"] > after:
            values = [f"{path}.value"] if "value" in rate else []
            values += [
                f"{path}.{form}[{n}].value" for form in ("tiers", "slices") for n in range(len(rate.get(form, ())))
            ]
            changes |= dict.fromkeys(values, "12345.67")
    return changes


@slow
@given(st.data())
def test_an_amendment_after_the_enrolment_changes_nothing_where_that_is_the_anchor(data: st.DataObject) -> None:
    document = data.draw(ef.documents(sums=PRICED, anchors=["enrolment"], max_provisions=1))
    versions = document.provision("award").rate
    cohort = data.draw(ef.cohorts(versions=versions))
    enrolled = max(estate.service_start for estate in cohort)
    changes = amended(document, after=enrolled)
    assume(changes)
    registry = data.draw(ef.registries(estates=st.just(cohort), document=document))
    results = data.draw(ef.assessments(registry, provision=document.provision("award")))
    other = with_values(document, changes)
    before, after = claims_of(document, registry, results), claims_of(other, registry, results)
    assert other.digest != document.digest
    assert {key: (claim.lines, claim.months, claim.decided_on) for key, claim in before.items()} == {
        key: (claim.lines, claim.months, claim.decided_on) for key, claim in after.items()
    }
