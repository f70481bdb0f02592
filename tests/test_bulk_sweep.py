"""What-if sweeps: a scenario over counts is what the plain assess says of the changed document."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate_funds.bulk.program import compile_provision
from estate_funds.bulk.sweep import Sweep
from estate_funds.errors import AmountError, BulkError, PolicyError
from estate_funds.policy import with_values
from estate_funds.registry import Registry, units_of
from test_bulk_program import DOCUMENT, WINDOW, batch_of, compiled, plain, registers, rows

PATHS = ["rate[0].tiers[0].value", "rate[0].tiers[1].value", "rate[1].tiers[0].value", "rate[1].tiers[1].value"]
RATES = st.integers(0, 5_000).map(lambda cents: f"{cents // 50}.{cents % 50 * 2:02d}")  # even fen: they halve
SHARES = st.sampled_from(["1/2", "0", "1/4", "0.75", "1"])


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_scenario_is_the_plain_assess_of_the_variant(data: st.DataObject) -> None:
    estates, results, facts = data.draw(registers())
    found = data.draw(rows(sorted(estates)))
    sweep = Sweep.of(compiled("award", estates, results, facts), [batch_of(found[:3]), batch_of(found[3:])])
    assert sweep.owed().amount_fen == plain(DOCUMENT, "award", estates, results, facts, found).amount_fen
    changes = data.draw(st.dictionaries(st.sampled_from(PATHS), RATES))
    variant = with_values(DOCUMENT, {f"provisions.award.{path}": value for path, value in changes.items()})
    claims = plain(variant, "award", estates, results, facts, found)
    owed = sweep.owed(changes)
    assert {payer: fen for payer, fen in owed.shares.items() if fen} == {p: n for p, n in claims.shares.items() if n}


def test_shares_move_together() -> None:
    estates, results, facts = _one()
    sweep = Sweep.of(compiled("award", estates, results, facts), [batch_of(_rows())])
    base = sweep.owed()
    moved = sweep.owed({"payers[0].shares.city": "3/4", "payers[0].shares.district": Fraction(1, 4)})
    assert base.amount_fen == moved.amount_fen == 3 * 12 * 1800
    assert (moved.shares["city"], moved.shares["district"]) == (3 * 12 * 1350, 3 * 12 * 450)
    with pytest.raises(PolicyError, match="not a share of one"):
        sweep.owed({"payers[0].shares.city": Fraction(-1), "payers[0].shares.district": Fraction(2)})
    with pytest.raises(PolicyError, match="the shares sum to 5/4"):
        sweep.owed({"payers[0].shares.city": "3/4"})


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"rate[0].tiers[7].value": "1"}, PolicyError, "changes nothing there"),
        ({"rate[0].tiers[0].value": "0.0001"}, BulkError, "no whole number of fen"),
        ({"rate[0].tiers[0].value": "18.001"}, BulkError, "no whole number of fen"),
        ({"rate[0].tiers[0].value": "-1"}, AmountError, "below 0"),
        ({"rate[0].tiers[0].value": "999999999999999999"}, AmountError, "beyond what a column holds"),
        ({"rate[0].tiers[0].value": "eighteen"}, AmountError, "not an exact number"),
    ],
)
def test_scenarios_that_are_none(changes: dict[str, str], error: type[Exception], words: str) -> None:
    estates, results, facts = _one()
    sweep = Sweep.of(compiled("award", estates, results, facts), [batch_of(_rows())])
    with pytest.raises(error, match=words):
        sweep.owed(changes)


def test_rows_with_claims_of_their_own_are_not_swept() -> None:
    estates, results, facts = _one()
    registry = Registry(estates, {}, facts=facts, units=units_of(estates.values()))
    with pytest.raises(BulkError, match="claims of their own"):
        Sweep.of(compile_provision(DOCUMENT, "fee", registry, results, window=WINDOW), [])


def _one():  # type: ignore[no-untyped-def]
    from datetime import date

    from conftest import make_estate
    from estate_funds.registry import Assessment, Assessments, Facts

    estates = {"e0": make_estate("e0", service_start=date(2021, 1, 1), completed_on=date(1990, 1, 1))}
    return estates, Assessments([Assessment("e0", 1, "pass", date(2022, 1, 10))]), Facts()


def _rows():  # type: ignore[no-untyped-def]
    from datetime import date

    from test_bulk_program import SCHEMA

    empty = dict.fromkeys(SCHEMA.names)
    return [{**empty, "household_id": f"h{n}", "estate_id": "e0", "registered_on": date(2020, 1, 1)} for n in range(3)]
