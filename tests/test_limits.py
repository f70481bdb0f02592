"""What holds over several claims: tables for what is claimed once, and for ceilings."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from estate_funds.assess import Claim, Claims, Line, Outcome, Share, Status, apply_limits
from estate_funds.calendar import Month, Months
from estate_funds.errors import CeilingExceeded
from estate_funds.registry import Assessments, Fact, Facts
from test_language import registry, town

OWNERS: dict[str, Any] = {"w1": "one", "w2": "one", "w3": "another", "w4": None}
WORKS = {name: {"owner": owner} if owner else {} for name, owner in OWNERS.items()}
THERE = registry(WORKS)


def line(fen: int, *, others: int = 0, outcome: Outcome = Outcome.DUE, potential: int | None = None) -> Line:
    """A line of which the city pays an amount, and somebody outside the books another."""
    due = fen + others if outcome is Outcome.DUE else 0
    shares = (Share("city", Fraction(1, 2), fen, "c"), Share("owner", Fraction(1, 2), others, "o")) if due else ()
    return Line(
        subject_id="w", months=MAY, service_year=1, base=Fraction(1), measure="cost", rate=Fraction(1), formula="", outcome=outcome,
        reason="", clause="1", amount_fen=due, potential_fen=fen + others if potential is None else potential, shares=shares,
    )  # fmt: skip


MAY = Months(Month.parse("2024-05"), Month.parse("2024-06"))


def claim(name: str, *lines: Line | int, month: str = "2024-05", decided: date | None = None, **changes: Any) -> Claim:
    first = Month.parse(month)
    told: dict[str, Any] = {
        "document": "town", "policy_digest": "", "registry_digest": "", "provision": None, "provision_id": "grant",
        "subject": THERE.subject(name), "number": 1, "period_key": month[:4], "months": Months(first, first + 1),
        "lines": tuple(line(one) if isinstance(one, int) else one for one in lines), "payee_class": "street", "payee": "s",
        "booked": frozenset({"city"}), "decided_on": decided,
    }  # fmt: skip
    return Claim(**(told | changes))


def limited(tail: str, *claims: Claim) -> Claims:
    return apply_limits(town(tail=tail), THERE, Assessments(), claims)


ONCE = '[[once]]\nprovisions = [{names}]\nkey = ["owner"]\nkeep = "{keep}"\nclause = "1"\n'
FIRST, HIGHEST = (ONCE.format(names='"grant"', keep=keep) for keep in ("first", "highest"))
BY_STREET, BY_SUBJECT, BY_PERIOD = (FIRST.replace('"owner"', f'"{key}"') for key in ("street", "subject", "period"))
PENDING = line(0, outcome=Outcome.PENDING, potential=900)
FAILED = line(0, outcome=Outcome.FAILED)


@pytest.mark.parametrize(
    ("tail", "claims", "stand"),
    [
        ("", [claim("w1", 100), claim("w2", 200)], [True, True]),
        (FIRST, [claim("w1", 100), claim("w2", 200)], [True, False]),  # by name
        (FIRST, [claim("w1", 100), claim("w2", 200, month="2024-04")], [False, True]),  # by the start of the period
        (FIRST, [claim("w1", 200, decided=date(2024, 5, 9)), claim("w2", 100, decided=date(2024, 5, 8))], [False, True]),
        (FIRST, [claim("w1", 200), claim("w2", 100, decided=date(2024, 5, 31))], [False, True]),  # decided before it ends
        (FIRST, [claim("w1", 100), claim("w2", 200), claim("w3", 1)], [True, False, True]),
        (FIRST, [claim("w1", FAILED), claim("w2", 200)], [True, True]),  # what pays nothing stands in nobody's way
        (FIRST, [claim("w1", PENDING), claim("w2", 200)], [True, False]),
        (FIRST, [claim("w1", FAILED, 5), claim("w2", 200)], [True, False]),
        (FIRST, [claim("w1", 5, part="advance"), claim("w1", 100), claim("w2", 1)], [True, True, False]),
        (FIRST, [claim("w1", 5), claim("w1", 100, number=2)], [True, False]),
        (FIRST, [claim("w1", FAILED), claim("w2", 5), claim("w2", 100, number=2)], [True, True, False]),
        (BY_STREET, [claim("w1", 5), claim("w3", 100)], [True, False]),
        (BY_SUBJECT, [claim("w1", 5), claim("w2", 100), claim("w1", 7, number=2)], [True, True, False]),
        (BY_PERIOD, [claim("w1", 5), claim("w3", 100), claim("w2", 7, month="2025-01")], [True, False, True]),
        (FIRST, [claim("w1", 5), claim("w2", 100, provision_id="other")], [True, True]),
        (FIRST, [claim("w1", 5), claim("w2", 100, document="law")], [True, True]),
        (ONCE.format(names='"grant", "law/grant"', keep="first"), [claim("w1", 5), claim("w2", 100, document="law")], [True, False]),
        (HIGHEST, [claim("w1", 100), claim("w2", 200)], [False, True]),
        (HIGHEST, [claim("w1", 200), claim("w2", 200)], [True, False]),
        (HIGHEST, [claim("w1", 100), claim("w1", 150, part="advance"), claim("w2", 200)], [True, True, False]),
        (HIGHEST, [claim("w1", 100), claim("w2", PENDING)], [False, True]),
    ],
)  # fmt: skip
def test_what_is_claimed_once(tail: str, claims: list[Claim], stand: list[bool]) -> None:
    found = limited(tail, *claims)
    assert [after == before for after, before in zip(found, claims, strict=True)] == stand
    for after in found:
        if after not in claims:
            assert after.amount_fen == after.potential_fen == 0
            assert {line.outcome for line in after.lines} == {Outcome.INELIGIBLE}


def test_what_stands_is_named_and_what_is_not_known_waits() -> None:
    unknown = claim("w4", 7, FAILED, month="2024-01")
    waits, first, second, third = limited(FIRST, unknown, claim("w1", 100), claim("w2", 200), claim("w3", 300))
    assert (waits.status, waits.lines[0].reason) == (Status.PENDING, "waits for owner [1]")
    assert waits.lines[1] == FAILED
    assert (first.amount_fen, third.amount_fen) == (100, 300)
    assert second.lines[0].reason == "claimed already as town/grant/w1/2024; once for each owner [1]"
    (lower, _) = limited(HIGHEST, claim("w1", 100), claim("w2", 200))
    assert lower.lines[0].reason == "the highest is town/grant/w2/2024; once for each owner [1]"


def ceiling(excess: str, value: str = "1.00", *, year: int = 2024, more: str = "", names: str = '"grant"') -> str:
    return f'[[ceilings]]\nprovisions = [{names}]\nfrom = {year}-01-01\nvalue = "{value}"\nexcess = "{excess}"\nclause = "1"\n{more}\n'


BY_THE_FIRST_DAY = ceiling("in_order", more="until = 2025-01-02") + ceiling("in_order", "2.00").replace(
    "2024-01-01", "2025-01-02"
)
RATED, IN_ORDER = ceiling("pro_rata"), ceiling("in_order")


@pytest.mark.parametrize(
    ("tail", "claims", "due"),
    [
        (RATED, [claim("w1", 60), claim("w2", 40)], [60, 40]),  # just met
        (RATED, [claim("w1", 60), claim("w2", 60)], [50, 50]),
        (RATED, [claim("w1", 150), claim("w2", 50)], [75, 25]),
        (RATED, [claim("w1", 150, 50)], [100]),
        (IN_ORDER, [claim("w1", 60), claim("w2", 60), claim("w3", 1)], [60, 40, 0]),
        (IN_ORDER, [claim("w1", 60), claim("w2", 60, month="2024-04")], [40, 60]),
        (IN_ORDER, [claim("w1", 60), claim("w2", 60, month="2023-04")], [60, 60]),  # each year by itself
        (IN_ORDER, [claim("w1", 60), claim("w2", 60, month="2025-04")], [60, 60]),
        (ceiling("in_order", more='each = "all"'), [claim("w1", 60), claim("w2", 60, month="2025-04")], [60, 40]),
        (ceiling("in_order", more='each = "all"'), [claim("w1", 60), claim("w2", 160, month="2023-04")], [60, 160]),
        (IN_ORDER + ceiling("in_order", "0.50", year=2025), [claim("w1", 120), claim("w2", 60, month="2025-04")], [100, 50]),
        (IN_ORDER, [claim("w1", 60), claim("w2", 60, provision_id="other")], [60, 60]),
        (ceiling("in_order", names='"grant", "law/grant"'), [claim("w1", 60), claim("w2", 60, document="law")], [60, 40]),
        (IN_ORDER, [claim("w1", 60, part="advance"), claim("w2", 60)], [60, 60]),  # an advance counts in its settlement
        (IN_ORDER, [claim("w1", line(60, others=500)), claim("w2", line(60, others=7))], [560, 47]),  # public money only
        (IN_ORDER + ceiling("in_order", year=2022, names='"law/grant"'), [claim("w1", 160, month="2023-04")], [100]),
        (BY_THE_FIRST_DAY, [claim("w1", 160, month="2024-12"), claim("w2", 160, month="2025-12"), claim("w3", 260, month="2026-01")], [100, 100, 200]),
        (ceiling("in_order", "0.999"), [claim("w1", 100)], [99]),  # rounded down
        (ceiling("in_order", more='by = "work"'), [claim("w1", 60), claim("w2", 60)], [60, 60]),
        (ceiling("in_order", more='by = "street"'), [claim("w1", 60), claim("w2", 60)], [60, 40]),
    ],
)  # fmt: skip
def test_what_a_ceiling_leaves(tail: str, claims: list[Claim], due: list[int]) -> None:
    found = limited(tail, *claims)
    assert [after.amount_fen for after in found] == due
    for after, before in zip(found, claims, strict=True):
        assert (after == before) == (after.amount_fen == before.amount_fen)


def test_what_a_ceiling_says() -> None:
    for tail, how in ((RATED, "pro rata"), (IN_ORDER, "in order")):
        found = limited(tail, claim("w1", 60), claim("w2", 60))
        assert found[1].lines[0].reason == f"1.20 asked, ceiling 1.00 of 2024, {how} [1]"
    of_all = limited(ceiling("in_order", more='each = "all"'), claim("w1", 60), claim("w2", 60))
    assert of_all[1].lines[0].reason == "1.20 asked, ceiling 1.00, in order [1]"
    with pytest.raises(
        CeilingExceeded, match=r"1\.20 yuan; the largest: town/grant/w2/2024 0\.70, town/grant/w1/2024 0\.50"
    ):
        limited(ceiling("refuse"), claim("w1", 50), claim("w2", 70))
    assert [one.amount_fen for one in limited(ceiling("refuse"), claim("w1", 30), claim("w2", 70))] == [30, 70]


def test_what_is_pending_counts_as_if_it_turned_out_well() -> None:
    held = line(0, outcome=Outcome.PENDING, potential=60)
    rated = limited(RATED, claim("w1", 60), claim("w2", held))
    assert [one.status for one in rated] == [Status.PENDING, Status.PENDING]
    assert rated[0].lines[0].reason == "1.20 asked, ceiling 1.00 of 2024: waits for 1 pending claims [1]"
    served = limited(IN_ORDER, claim("w1", 60), claim("w2", held))
    assert [(one.amount_fen, one.potential_fen) for one in served] == [(60, 60), (0, 40)]
    assert served[1].lines[0].reason == "; 1.20 asked, ceiling 1.00 of 2024, in order [1]"
    nothing = line(0, outcome=Outcome.PENDING, potential=0)
    assert [one.amount_fen for one in limited(RATED, claim("w1", nothing), claim("w2", 100))] == [0, 100]
    fits = limited(RATED, claim("w1", 40), claim("w2", held))
    assert [(one.amount_fen, one.potential_fen) for one in fits] == [(40, 40), (0, 60)]


def test_an_advance_that_is_not_settled_counts_for_what_it_paid() -> None:
    """Nothing is known of the cost, and 70 were advanced: so much is used up of the ceiling, and no more."""
    advanced = line(0, outcome=Outcome.PENDING, potential=-70)
    open_claim = claim("w1", line(0, outcome=Outcome.PENDING, potential=0), advanced)
    found = limited(IN_ORDER, open_claim, claim("w2", 60))
    assert found[0] == open_claim
    assert found[1].amount_fen == 30
    assert list(limited(ceiling("in_order", "0.50"), open_claim)) == [open_claim]  # nothing is known that could be cut
    known = claim("w1", line(0, outcome=Outcome.PENDING, potential=60), advanced)
    assert limited(IN_ORDER, known, claim("w2", 60))[1].amount_fen == 30
    less = claim("w1", 50, line(-70))  # 20 are to be refunded: 50 of the ceiling are used
    assert [one.amount_fen for one in limited(IN_ORDER, less, claim("w2", 60))] == [-20, 50]
    settled = claim("w1", 90, line(-70))
    assert limited(ceiling("in_order", "0.50"), settled)[0].amount_fen == 50 - 70
    found = limited(IN_ORDER, settled, claim("w2", 60))
    assert [one.amount_fen for one in found] == [20, 10]


def test_a_ceiling_that_a_fact_gives_waits_for_it() -> None:
    tail = '[[ceilings]]\nprovisions = ["grant"]\nfrom = 2024-01-01\nby = "work"\nfact = "cost"\nexcess = "in_order"\nclause = "1"\n'
    there = registry({"w1": {"cost": Fraction("0.509")}, "w2": {}, "w3": {"cost": Fraction(1)}})
    asked = [claim("w1", 60), claim("w2", 60), claim("w3", 60)]
    found = apply_limits(town(tail=tail), there, Assessments(), asked)
    assert [(one.amount_fen, one.potential_fen) for one in found] == [(50, 50), (0, 60), (60, 60)]
    assert found[0].lines[0].reason == "0.60 asked, ceiling 0.50 of w1 2024, in order [1]"
    assert (found[1].status, found[1].lines[0].reason) == (Status.PENDING, "waits for cost")
    assert found[2] == asked[2]


def test_the_documents_that_prove_a_ceiling_are_those_of_what_it_cuts() -> None:
    tail = '[[ceilings]]\nprovisions = ["grant"]\nfrom = 2024-01-01\nby = "work"\nfact = "cost"\nexcess = "in_order"\nclause = "1"\n'
    there = registry({"w1": {}, "w2": {}})
    proof, own = ("budget", "2" * 64), ("invoice", "1" * 64)
    facts = Facts((name, "cost", "", Fact(Fraction(1), evidence=(proof,))) for name in ("w1", "w2"))
    asked = [claim("w1", 160, evidence=(own,)), claim("w2", 60, evidence=(own,))]
    found = apply_limits(town(tail=tail), replace(there, facts=facts), Assessments(), asked)
    assert [one.evidence for one in found] == [(proof, own), (own,)]
    asked = [claim("w1", 60, evidence=(own,)), claim("w1", 60, number=2, evidence=(own,))]  # only the second is cut
    found = apply_limits(town(tail=tail), replace(there, facts=facts), Assessments(), asked)
    assert [one.evidence for one in found] == [(own,), (proof, own)]


def test_a_ceiling_of_each_year_is_that_years_fact() -> None:
    tail = """
[facts.allowance]
type = "number"
of = "work"
each_period = true
text = "what a work may get in a year"
clause = "1"

[[ceilings]]
provisions = ["grant"]
from = 2024-01-01
by = "work"
fact = "allowance"
excess = "in_order"
clause = "1"
"""
    facts = Facts(("w1", "allowance", year, Fact(Fraction(yuan))) for year, yuan in (("2024", 1), ("2025", 2)))
    asked = [claim("w1", 300, month=f"{year}-05") for year in (2024, 2025, 2026)]
    found = apply_limits(town(tail=tail), replace(registry({"w1": {}}), facts=facts), Assessments(), asked)
    assert [one.amount_fen for one in found] == [100, 200, 0]
    assert [one.status for one in found] == [Status.DUE, Status.DUE, Status.PENDING]


PLACE = '[derived.place]\ntext = "the place"\nrank_of = "cost"\nclause = "1"\n'
RANKED = registry({name: {"cost": Fraction(cost)} for name, cost in (("w1", 5), ("w2", 7), ("w3", 7))})


def test_a_key_and_a_ceiling_may_be_a_rank() -> None:
    """The third has up to 3 yuan and the firsts one each; of two that share a place, one stands."""
    asked = [claim(name, 500) for name in ("w1", "w2", "w3")]
    once = town(tail=PLACE + FIRST.replace('"owner"', '"place"'))
    assert [one.amount_fen for one in apply_limits(once, RANKED, Assessments(), asked)] == [500, 500, 0]
    high = town(tail=PLACE + ceiling("in_order", more='by = "work"').replace('value = "1.00"', 'fact = "place"'))
    assert [one.amount_fen for one in apply_limits(high, RANKED, Assessments(), asked)] == [300, 100, 100]


EARLY, LATE = date(2024, 6, 3), date(2024, 6, 9)


@pytest.mark.parametrize(
    ("tail", "asked", "decided"),
    [
        (RATED, [(60, EARLY), (60, LATE)], [LATE, LATE]),  # what the first gets hangs on what the last asks for
        (RATED, [(60, EARLY), (60, None)], [EARLY, EARLY]),
        (RATED, [(60, None), (60, None)], [None, None]),
        (RATED, [(40, EARLY), (60, LATE)], [EARLY, LATE]),  # within the ceiling each stands by itself
        (IN_ORDER, [(60, EARLY), (60, LATE)], [EARLY, LATE]),
    ],
)
def test_when_what_a_ceiling_leaves_is_decided(tail: str, asked: list[tuple[int, date | None]], decided: list[date | None]) -> None:  # fmt: skip
    claims = [claim(f"w{n}", fen, decided=day) for n, (fen, day) in enumerate(asked, 1)]
    assert [one.decided_on for one in limited(tail, *claims)] == decided


@pytest.mark.parametrize(
    ("known_on", "own", "decided"),
    [(None, None, None), (None, EARLY, EARLY), (EARLY, LATE, LATE), (LATE, EARLY, LATE), (LATE, None, LATE), (date(2024, 5, 2), None, date(2024, 6, 1))],
)  # fmt: skip
def test_nothing_is_decided_before_its_ceiling_or_its_key_is_known(known_on: date | None, own: date | None, decided: date | None) -> None:  # fmt: skip
    facts = Facts([("w1", "cost", "", Fact(Fraction(1), known_on)), ("w1", "owner", "", Fact("one", known_on))])
    there = replace(registry({"w1": {}}), facts=facts)
    for fen in (60, 160):
        high = town(tail=ceiling("in_order", more='by = "work"').replace('value = "1.00"', 'fact = "cost"'))
        for document in (high, town(tail=FIRST)):
            (found,) = apply_limits(document, there, Assessments(), [claim("w1", fen, decided=own)])
            assert found.decided_on == decided
    rated = town(tail=ceiling("pro_rata", more='by = "work"').replace('value = "1.00"', 'fact = "cost"'))
    both = [claim("w1", 60, decided=own), claim("w1", 60, number=2, decided=EARLY)]
    last = max(day for day in (known_on, own, EARLY) if day)
    assert [one.decided_on for one in apply_limits(rated, there, Assessments(), both)] == [last, last]
    unknown = replace(there, facts=Facts())
    (found,) = apply_limits(high, unknown, Assessments(), [claim("w1", 60, decided=own)])
    assert (found.status, found.decided_on) == (Status.PENDING, own)
