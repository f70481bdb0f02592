"""The facts of a subject: what is told, derived, compared and ranked, and what is not known."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from conftest import make_estate
from estate_funds.assess import View
from estate_funds.assess.view import previous_period
from estate_funds.errors import CellError
from estate_funds.policy import Document
from estate_funds.policy.facts import Bounds
from estate_funds.registry import (
    Assessment,
    Assessments,
    Fact,
    Facts,
    Headcount,
    Registry,
    Subject,
    Value,
    estate_subject,
)
from test_language import town

Told = dict[str, Value | int]
F = Fraction
DAY = date(2024, 6, 1)
FACTS = """
[facts.beds]
type = "number"
of = "work"
each_period = true
text = "how many beds"
clause = "1"

[facts.grade]
type = "choice"
values = ["good", "fair", "bad"]
of = "work"
text = "the grade"
clause = "1"

[facts.held]
type = "yes_no"
of = "work"
text = "was it held"
clause = "1"

[facts.ended]
type = "date"
of = "work"
text = "when it ended"
clause = "1"

[facts.green]
type = "m2"
text = "green of the estate"
clause = "1"

[facts.tidy]
type = "number"
of = "street"
text = "marks of the street"
clause = "1"
"""


def document(derived: str = "", **changes: str) -> Document:
    return town(tail=f'{FACTS}\n[derived.x]\ntext = "x"\nclause = "1"\n{derived}' if derived else FACTS, **changes)


def there(
    told: dict[str, Told], *, known: Iterable[tuple[str, str, str, Fact]] = (), places: dict[str, Any] | None = None
) -> Registry:
    """Works of estates a and b (`w1` lies in a, `v1` in b), facts of whatever is named; `fact@period` where each has one."""
    estates = {
        "a": make_estate("a", service_start=date(2024, 1, 1), office_area_centi_m2=12_345, buildings=3),
        "b": make_estate(
            "b",
            service_start=date(2024, 4, 1),
            service_end=date(2024, 9, 1),
            street="other",
            floor_area_centi_m2=900_050,
        ),
    }
    subjects, facts = [], list(known)
    for name, one in told.items():
        if not {name, name.split("/")[0]} & {"a", "b", "street"}:
            place = (places or {}).get(name, {})
            units = estate_subject(estates["b" if name.startswith("v") else "a"]).units
            subjects.append(Subject(name, "work", name, units, place.get("on", date(2024, 1, 1)), place.get("end")))
        for key, value in one.items():
            fact, _, period = key.partition("@")
            facts.append((name, fact, period, Fact(F(value) if isinstance(value, int) else value)))
    counts = {
        name: Headcount.from_changes({date(2000, 1, 1): 100, date(2024, 5, 1): 5, date(2024, 6, 2): 1})
        for name in estates
    }
    return Registry.build(estates, counts, subjects=subjects, facts=Facts(facts))


def view(derived: str, told: dict[str, Told], *, subject: str = "w", period: str = "2024", results: Iterable[Assessment] = (), **more: Any) -> View:  # fmt: skip
    known = {name: more.pop(name) for name in ("known", "places") if name in more}
    registry = there(told, **known)
    usual: dict[str, Any] = {"counted": DAY}
    return View(document(derived), registry, Assessments(results), registry.subject(subject), period, **(usual | more))


# --- derived ---

CLASSES = 'classes = [{ is = "large", when = [{ fact = "cost", at_least = "10" }] }, { is = "small", when = [{ fact = "paid", above = "0" }] }, { is = "none" }]'
VALUES = 'values = [{ value = "3", when = [{ fact = "grade", is = ["good"] }] }, { value = "1/2", when = [{ fact = "grade", is = ["fair", "bad"] }] }]'
ANY = 'any_of = [[{ fact = "cost", at_least = "10" }, { fact = "held", is = ["yes"] }], [{ fact = "paid", at_least = "5" }]]'
WHEN = 'when = [{ fact = "cost", at_least = "10" }, { fact = "held", is = ["yes"] }]'
UP, DOWN = (f'steps = {{ of = "cost", size = "10", round = "{way}" }}' for way in ("up", "down"))
COUNT = 'count_of = ["held", "objection"]'
MONTHS = 'months_between = ["posted", "ended"]'


@pytest.mark.parametrize(
    ("derived", "told", "value", "lacking"),
    [
        (WHEN, {"cost": 10, "held": "yes"}, "yes", []),
        (WHEN, {"cost": 9, "held": "yes"}, "no", []),
        (WHEN, {"cost": 10, "held": "no"}, "no", []),
        (WHEN, {"cost": 9}, "no", []),  # whatever else is not known
        (WHEN, {"held": "no"}, "no", []),
        (WHEN, {"cost": 10}, None, ["held"]),
        (WHEN, {"held": "yes"}, None, ["cost"]),
        (WHEN, {}, None, ["cost", "held"]),
        (ANY, {"cost": 10, "held": "yes"}, "yes", []),  # not asked: no matter
        (ANY, {"paid": 5}, "yes", []),
        (ANY, {"cost": 9, "paid": 4}, "no", []),
        (ANY, {"cost": 10, "paid": 4}, None, ["held"]),
        (ANY, {"cost": 9, "held": "yes"}, None, ["paid"]),
        (ANY, {}, None, ["cost", "held", "paid"]),
        (CLASSES, {"cost": 10}, "large", []),
        (CLASSES, {"cost": 9, "paid": 1}, "small", []),
        (CLASSES, {"cost": 9, "paid": 0}, "none", []),
        (CLASSES, {"paid": 1}, None, ["cost"]),  # it may be large
        (CLASSES, {"cost": 9}, None, ["paid"]),
        (VALUES, {"grade": "good"}, F(3), []),
        (VALUES, {"grade": "bad"}, F(1, 2), []),
        (VALUES, {}, None, ["grade"]),
        (UP, {"cost": 20}, F(2), []),
        (UP, {"cost": 21}, F(3), []),
        (DOWN, {"cost": 20}, F(2), []),
        (DOWN, {"cost": 29}, F(2), []),
        (UP, {"cost": 0}, F(0), []),
        (UP, {}, None, ["cost"]),
        (COUNT, {"held": "yes", "objection": "yes"}, F(2), []),
        (COUNT, {"held": "yes", "objection": "no"}, F(1), []),
        (COUNT, {"held": "no", "objection": "no"}, F(0), []),
        (COUNT, {"held": "yes"}, None, ["objection"]),
        (MONTHS, {"posted": date(2024, 1, 31), "ended": date(2024, 2, 29)}, F(1), []),
        (MONTHS, {"posted": date(2024, 1, 15), "ended": date(2024, 3, 14)}, F(1), []),
        (MONTHS, {"posted": date(2024, 1, 15), "ended": date(2025, 1, 15)}, F(12), []),
        (MONTHS, {"posted": date(2024, 1, 15)}, None, ["ended"]),
        (MONTHS, {"ended": date(2024, 1, 15)}, None, ["posted"]),
        ('sum_of = ["cost", "paid"]', {"cost": 7, "paid": 2}, F(9), []),
        ('least_of = ["cost", "paid"]', {"cost": 7, "paid": 2}, F(2), []),
        ('greatest_of = ["cost", "paid"]', {"cost": 7, "paid": 2}, F(7), []),
        ('product_of = ["cost", "paid"]', {"cost": 7, "paid": 2}, F(14), []),
        ('difference = ["cost", "paid"]', {"cost": 7, "paid": 2}, F(5), []),
        ('difference = ["cost", "paid", "beds"]', {"cost": 7, "paid": 2, "beds@2024": 4}, F(1), []),
        ('difference = ["cost", "paid"]', {"cost": 2, "paid": 7}, F(0), []),  # never below nought
        ('ratio = ["cost", "paid"]', {"cost": 7, "paid": 2}, F(7, 2), []),
        ('ratio = ["cost", "paid"]', {"cost": 0, "paid": 2}, F(0), []),
        ('ratio = ["cost", "paid"]', {"paid": 0}, None, ["cost"]),
        ('sum_of = ["cost", "paid"]', {"cost": 7}, None, ["paid"]),
        ('product_of = ["cost", "paid"]', {}, None, ["cost", "paid"]),
        ('previous = "beds"', {"beds@2023": 4, "beds@2024": 9}, F(4), []),
        ('previous = "beds"', {"beds@2024": 9}, None, ["beds of 2023"]),
        ('sum_of = ["beds"]', {"beds@2023": 4, "beds@2024": 9}, F(9), []),
        ('sum_of = ["beds"]', {"beds@2023": 4}, None, ["beds"]),
    ],
)  # fmt: skip
def test_what_is_derived(derived: str, told: Told, value: Value | None, lacking: list[str]) -> None:
    asked = view(derived, {"w": told})
    asked.lacking["of before"] = None
    assert asked.value("x") == value
    assert asked.take_lacking() == ("of before", *lacking)
    assert asked.take_lacking() == ()


@pytest.mark.parametrize(
    ("derived", "told", "words", "more"),
    [
        ('ratio = ["cost", "paid"]', {"cost": 7, "paid": 0}, "paid of w is 0: no ratio", "a number above 0"),
        (CLASSES.replace(', { is = "none" }', ""), {"cost": 1, "paid": 0}, "w fits no class", "large, small"),
        (VALUES.replace(', "bad"', ""), {"grade": "bad"}, "w fits no value", "wanted: grade"),
        ('when = [{ fact = "cost", at_least = "1" }]', {"cost": "seven"}, "cost of w is no number", "got:    seven"),
        ('sum_of = ["cost"]', {"cost": "seven"}, "cost of w is not a number", "'seven'"),
        (MONTHS, {"posted": "May", "ended": DAY}, "posted of w is not a date", "'May'"),
    ],
)  # fmt: skip
def test_what_fits_nowhere_is_refused(derived: str, told: Told, words: str, more: str) -> None:
    with pytest.raises(CellError, match=words) as caught:
        view(derived, {"w": told}).value("x")
    assert more in str(caught.value)


@pytest.mark.parametrize(
    ("period", "before"),
    [
        ("2024", "2023"), ("2024-Q1", "2023-Q4"), ("2024-Q4", "2024-Q3"), ("2024-01", "2023-12"), ("2024-12", "2024-11"),
        ("3", "2"), ("1", "0"), ("", None), ("once", None),
    ],
)  # fmt: skip
def test_the_period_before(period: str, before: str | None) -> None:
    assert previous_period(period) == before


def test_the_period_before_of_what_has_none() -> None:
    asked = view('previous = "beds"', {"w": {"beds@2024": 1}}, period="")
    assert (asked.value("x"), asked.take_lacking()) == (None, ("beds",))


def test_the_value_of_the_period_before_is_not_that_of_its_assessment() -> None:
    """A score of this period is not one of the period before."""
    result = Assessment("w", 2024, "good", DAY, F(80))
    derived = 'previous = "s"\n[derived.s]\ntext = "s"\nclause = "1"\nsum_of = ["score"]'
    asked = view(derived, {"w": {}}, assessment=result)
    assert (asked.number("s"), asked.value("x"), asked.take_lacking()) == (80, None, ("s of 2023",))


SUM = 'sum_over = { kind = "work", fact = "cost" }'


def test_a_sum_over_what_lies_in_a_subject() -> None:
    told: dict[str, Told] = {
        "w1": {"cost": 3},
        "w2": {"cost": 4},
        "w3": {"cost": 50},
        "w4": {"cost": 60},
        "v1": {"cost": 700},
        "a": {},
    }
    places = {"w3": {"on": date(2024, 6, 2)}, "w4": {"end": DAY}, "w2": {"on": DAY, "end": date(2024, 6, 2)}}
    assert view(SUM, told, subject="a", places=places).value("x") == 7
    assert view(SUM, told, subject="b", places=places).value("x") == 700
    assert view(SUM, told, subject="district/district", places=places).value("x") == 707
    assert view(SUM, {"a": {}}, subject="a").value("x") == 0
    unknown = view(SUM, told | {"w2": {}}, subject="a")
    assert (unknown.value("x"), unknown.take_lacking()) == (None, ("cost of w2",))
    scored = Assessment("a", 2024, "good", DAY, F(80))  # the estate's result is not that of what lies in it
    asked = view(SUM.replace('"cost"', '"score"'), told, subject="a", assessment=scored)
    assert (asked.value("x"), asked.take_lacking()) == (None, ("score of w1",))


# --- ranks ---

RANK = 'rank_of = "cost"'
WITHIN = 'rank_of = "cost"\nwithin = "estate"'


@pytest.mark.parametrize(
    ("derived", "costs", "places"),
    [
        (RANK, {"w1": 3, "w2": 9, "w3": 5}, [3, 1, 2]),
        (RANK, {"w1": 9, "w2": 9, "w3": 5}, [1, 1, 3]),  # equals share the better place
        (RANK, {"w1": 5, "w2": 5, "w3": 9}, [2, 2, 1]),
        (RANK, {"w1": 5}, [1]),
        (RANK, {"w1": 5, "v1": 6}, [2, 1]),
        (WITHIN, {"w1": 5, "v1": 6}, [1, 1]),
        (WITHIN, {"w1": 5, "w2": 7, "v1": 6, "v2": 1}, [2, 1, 1, 2]),
        (RANK, {"w1": 5, "w2": None}, [None, None]),  # all wait for the last
        (WITHIN, {"w1": 5, "w2": None, "v1": 3}, [None, None, 1]),
    ],
)
def test_ranks(derived: str, costs: dict[str, int | None], places: list[int | None]) -> None:
    told: dict[str, Told] = {name: {} if cost is None else {"cost": cost} for name, cost in costs.items()}
    ranks: dict[object, Any] = {}  # shared by all, as in a walk
    for _ in ("first", "again"):
        views = [view(derived, told, subject=name, ranks=ranks) for name in told]
        assert [one.value("x") for one in views] == places
        assert [one.take_lacking() for one in views] == [() if place else ("cost",) for place in places]
    assert len(ranks) == (len({name[0] for name in told}) if derived == WITHIN else 1)


def test_what_a_peer_lacks_is_not_what_one_lacks_oneself() -> None:
    derived = 'rank_of = "s"\n[derived.s]\ntext = "s"\nclause = "1"\nsum_of = ["cost", "paid"]'
    asked = view(derived, {"w1": {"cost": 1, "paid": 1}, "w2": {"cost": 1}}, subject="w1")
    assert (asked.value("x"), asked.take_lacking()) == (None, ("s",))


def test_only_who_is_there_is_ranked() -> None:
    told: dict[str, Told] = {"w1": {"cost": 1}, "w2": {"cost": 2}, "w3": {"cost": 3}, "w4": {"cost": 4}}
    places = {"w2": {"on": date(2024, 6, 2)}, "w3": {"end": DAY}}
    assert view(RANK, told, subject="w1", places=places).value("x") == 2
    assert view(RANK, told, subject="w1", places=places, counted=date(2024, 6, 2)).value("x") == 3
    assert view(RANK, told, subject="w1", places=places, counted=date(2024, 5, 31)).value("x") == 3


def test_a_rank_is_of_its_period_and_of_what_was_known() -> None:
    told: dict[str, Told] = {"w1": {"beds@2023": 1, "beds@2024": 9}, "w2": {"beds@2023": 5, "beds@2024": 5}}
    ranks: dict[object, Any] = {}
    found = [
        view('rank_of = "beds"', told, subject="w1", period=period, ranks=ranks).value("x")
        for period in ("2023", "2024")
    ]
    assert found == [2, 1]
    rows = [("w1", "cost", "", Fact(F(1))), ("w2", "cost", "", Fact(F(5), DAY))]
    early = view(RANK, {"w1": {}, "w2": {}}, subject="w1", known=rows, as_of=date(2024, 5, 31), ranks=ranks)
    assert (early.value("x"), early.take_lacking()) == (None, ("cost",))
    later = view(RANK, {"w1": {}, "w2": {}}, subject="w1", known=rows, as_of=DAY, ranks=ranks)
    assert (later.value("x"), later.days) == (2, {"cost": DAY})


def test_scores_are_ranked_by_the_results_of_the_year() -> None:
    told: dict[str, Told] = {"w1": {}, "w2": {}}
    results = [
        Assessment(name, year, "good", DAY, F(score))
        for name, year, score in (("w1", 2024, 7), ("w2", 2024, 8), ("w2", 2023, 1))
    ]
    own = {"w1": results[0], "w2": results[1]}
    asked = [view('rank_of = "score"', told, subject=name, results=results, assessment=own[name]) for name in told]
    assert [one.value("x") for one in asked] == [2, 1]
    quarter = view('rank_of = "score"', told, subject="w1", results=results, assessment=results[0], period="2024-Q1")
    assert quarter.value("x") is None  # results are of years


def test_the_documents_of_peers_prove_their_own_claims() -> None:
    rows = [
        (name, "cost", "", Fact(F(n), date(2024, 5, n), evidence=(("paper", str(n)),)))
        for n, name in enumerate(("w1", "w2"), 1)
    ]
    ranks: dict[object, Any] = {}
    for name, place, proof in (("w1", 2, "1"), ("w2", 1, "2")):
        asked = view(RANK, {"w1": {}, "w2": {}}, subject=name, known=rows, ranks=ranks)
        assert asked.value("x") == place
        assert (asked.evidence, asked.days) == ({("paper", proof)}, {"cost": date(2024, 5, 2)})


# --- conditions ---


def bounds(**told: Any) -> Bounds:
    return Bounds.model_validate(told)


@pytest.mark.parametrize(
    ("bound", "met", "not_met"),
    [
        ({"fact": "cost", "at_least": "5"}, [5, 6], [4]),
        ({"fact": "cost", "above": "5"}, [6], [5, 4]),
        ({"fact": "cost", "at_most": "5"}, [5, 4], [6]),
        ({"fact": "cost", "below": "5"}, [4], [5, 6]),
        ({"fact": "cost", "at_least": "5", "below": "7"}, [5, 6], [4, 7]),
        ({"fact": "posted", "on_or_after": DAY}, [DAY, date(2024, 6, 2)], [date(2024, 5, 31)]),
        ({"fact": "posted", "after": DAY}, [date(2024, 6, 2)], [DAY]),
        ({"fact": "posted", "on_or_before": DAY}, [DAY, date(2024, 5, 31)], [date(2024, 6, 2)]),
        ({"fact": "posted", "before": DAY}, [date(2024, 5, 31)], [DAY]),
        ({"fact": "posted", "on_or_after": DAY, "before": date(2024, 7, 1)}, [DAY], [date(2024, 7, 1), date(2024, 5, 1)]),
        ({"fact": "grade", "is": ["good", "fair"]}, ["good", "fair"], ["bad"]),
        ({"fact": "cost", "above": "1/2", "of": "paid"}, [6], [5, 4]),  # of 10
        ({"fact": "cost", "at_least": "1/3", "of": "paid", "rounded_to": "1"}, [3], [2]),  # 3.33: 3
        ({"fact": "cost", "at_least": "1/4", "of": "paid", "rounded_to": "1"}, [3], [2]),  # 2.5: 3
        ({"fact": "cost", "at_least": "1/4", "of": "paid", "rounded_to": "5"}, [5], [4]),
        ({"fact": "cost", "at_least": "1/4", "of": "paid"}, [3], [2]),
    ],
)  # fmt: skip
def test_conditions_on_both_sides_of_their_edge(
    bound: dict[str, Any], met: list[Value | int], not_met: list[Value | int]
) -> None:
    asked = bounds(**bound)
    for value, holds in [(one, True) for one in met] + [(one, False) for one in not_met]:
        told = view("", {"w": {bound["fact"]: value, "paid": 10}})
        assert told.holds(asked) is holds
        assert told.lacking == {}
    unknown = view("", {"w": {"paid": 10}})
    assert (unknown.holds(asked), list(unknown.lacking)) == (None, [bound["fact"]])
    if "of" in bound:
        whole = view("", {"w": {"cost": 5}})
        assert (whole.holds(asked), list(whole.lacking)) == (None, ["paid"])


def test_several_conditions() -> None:
    asked = [bounds(fact="cost", at_least="5"), bounds(fact="held", **{"is": ["yes"]})]
    for told, holds, lacking in (
        ({"cost": 5, "held": "yes"}, True, []), ({"cost": 5, "held": "no"}, False, []), ({"cost": 5}, None, ["held"]),
        ({"held": "yes"}, None, ["cost"]), ({"held": "no"}, False, []), ({"cost": 4}, False, []), ({}, None, ["cost", "held"]),
    ):  # fmt: skip
        found = view("", {"w": told})  # type: ignore[dict-item]
        found.lacking["of before"] = None
        assert found.all_hold(asked) is holds  # type: ignore[arg-type]
        assert list(found.lacking) == ["of before", *lacking]
    assert view("", {"w": {}}).all_hold(()) is True


@pytest.mark.parametrize(
    ("bound", "told", "words"),
    [
        ({"fact": "cost", "at_least": "120"}, {"cost": 1100}, "cost is 1,100; wanted at least 120"),
        ({"fact": "cost", "above": "1.5", "below": "3"}, {"cost": F(3, 2)}, "cost is 1.50; wanted above 1.50 and below 3"),
        ({"fact": "cost", "at_most": "1/2", "of": "paid"}, {"cost": 3}, "cost is 3; wanted at most 0.50 x paid"),
        ({"fact": "posted", "on_or_after": DAY}, {"posted": date(2024, 5, 1)}, "posted is 2024-05-01; wanted on or after 2024-06-01"),
        ({"fact": "grade", "is": ["good", "fair"]}, {"grade": "bad"}, "grade is bad; wanted good or fair"),
        ({"fact": "grade", "is": ["good"]}, {}, "grade is not known; wanted good"),
    ],
)  # fmt: skip
def test_conditions_in_words(bound: dict[str, Any], told: Told, words: str) -> None:
    assert view("", {"w": told}).said(bounds(**bound)) == words


# --- what is told ---


def test_a_fact_is_asked_of_whom_it_is() -> None:
    asked = view("", {"w": {"cost": 1}, "a": {"green": 30}, "street/street": {"tidy": 7}})
    assert (asked.value("cost"), asked.value("green"), asked.value("tidy")) == (1, 30, 7)
    assert (asked.owner("work"), asked.owner("estate"), asked.owner("street"), asked.owner("pot")) == (
        "w",
        "a",
        "street/street",
        None,
    )
    above = view("", {"w": {"cost": 1}, "a": {}}, subject="a")  # a work's cost is not asked of an estate
    assert (above.value("cost"), above.take_lacking()) == (None, ("cost",))


@pytest.mark.parametrize(
    ("known_on", "as_of", "value", "days"),
    [
        (None, None, 1, {}),
        (None, DAY, 1, {}),
        (DAY, None, 1, {"cost": DAY}),
        (DAY, DAY, 1, {"cost": DAY}),
        (DAY, date(2024, 6, 2), 1, {"cost": DAY}),
        (DAY, date(2024, 5, 31), None, {}),
    ],
)
def test_what_was_known_later_is_not_known(
    known_on: date | None, as_of: date | None, value: int | None, days: dict[str, date]
) -> None:
    fact = Fact(F(1), known_on, evidence=(("paper", "1"),))
    asked = view("", {"w": {}}, known=[("w", "cost", "", fact)], as_of=as_of)
    assert (asked.value("cost"), asked.days) == (value, days)
    assert asked.evidence == ({("paper", "1")} if value else set())
    assert asked.take_lacking() == (() if value else ("cost",))


def test_a_fact_of_each_period_is_known_on_a_day_of_its_period() -> None:
    asked = view("", {"w": {}}, known=[("w", "beds", "2024", Fact(F(1), DAY))])
    assert (asked.value("beds"), asked.days) == (1, {"beds@2024": DAY})


def test_days_are_the_last_and_views_remember_each_other() -> None:
    one, other = view("", {"w": {}}), view("", {"w": {}})
    one.known({"cost": DAY, "paid": DAY})
    one.known({"cost": date(2024, 5, 1), "paid": date(2024, 7, 1)})
    assert one.days == {"cost": DAY, "paid": date(2024, 7, 1)}
    other.known({"cost": date(2024, 8, 1), "held": DAY})
    other.evidence.add(("paper", "1"))
    one.remember(other)
    assert one.days == {"cost": date(2024, 8, 1), "paid": date(2024, 7, 1), "held": DAY}
    assert one.evidence == {("paper", "1")}


def test_values_by_their_type() -> None:
    asked = view("", {"w": {"cost": 1, "posted": DAY, "grade": "good"}})
    assert (asked.number("cost"), asked.day("posted"), asked.text("grade")) == (1, DAY, "good")
    assert (asked.number("paid"), asked.day("ended"), asked.text("owner"), asked.text("cost")) == (
        None,
        None,
        None,
        None,
    )
    assert list(asked.lacking) == ["paid", "ended", "owner"]
    with pytest.raises(CellError, match="posted of w is not a number"):
        asked.number("posted")
    with pytest.raises(CellError, match="cost of w is not a date") as caught:
        asked.day("cost")
    assert "wanted: a date" in str(caught.value)


# --- what the register knows ---


@pytest.mark.parametrize(
    ("subject", "known"),
    [
        ("w", {"each": 1, "estate": 1, "household": 105, "m2": 8000, "floor_area_m2": 8000, "building": 3, "buildings": 3,
               "office_area_m2": F("123.45"), "started_on": date(2024, 2, 1), "service_start": date(2024, 1, 1), "gate": "open"}),
        ("a", {"each": 1, "estate": 1, "household": 105, "m2": 8000, "building": 3, "completed_on": date(1990, 1, 1), "renovated_on": date(2020, 12, 1)}),
        ("b", {"estate": 1, "household": 105, "m2": F("9000.5"), "building": 2, "office_area_m2": None}),
        ("street/street", {"each": 1, "estate": 1, "household": 105, "m2": 8000, "building": 3}),
        ("district/district", {"estate": 2, "household": 210, "m2": F("17000.5"), "floor_area_m2": F("17000.5"), "building": 5, "buildings": 5,
                               "office_area_m2": None, "gate": None}),
    ],
)  # fmt: skip
def test_what_the_register_knows(subject: str, known: dict[str, Any]) -> None:
    asked = view("", {"w": {}}, subject=subject, places={"w": {"on": date(2024, 2, 1)}})
    assert {name: asked.value(name) for name in known} == known
    assert list(asked.lacking) == [name for name, value in known.items() if value is None]


@pytest.mark.parametrize(
    ("counted", "estates", "households"),
    [
        (date(2023, 12, 31), 0, None),
        (date(2024, 1, 1), 1, 100),
        (date(2024, 3, 31), 1, 100),
        (date(2024, 4, 1), 2, 200),
        (date(2024, 5, 1), 2, 210),
        (date(2024, 8, 31), 2, 212),
        (date(2024, 9, 1), 1, 106),
    ],
)
def test_a_district_and_a_community_have_the_estates_that_are_served_on_the_day(
    counted: date, estates: int, households: int | None
) -> None:
    asked = view("", {"w": {}}, subject="district/district", counted=counted)
    assert (asked.value("estate"), asked.value("household")) == (estates, households)
    community = view("", {"w": {}}, subject="community/community-b", counted=counted)
    assert community.value("estate") == (date(2024, 4, 1) <= counted < date(2024, 9, 1))
    if not estates:
        assert [asked.value(name) for name in ("m2", "floor_area_m2", "building", "buildings")] == [None] * 4


def test_an_estate_has_its_households_of_the_first_day_before_it_is_served() -> None:
    """Counted on a day before the estate came: it has what it came with, and it is there."""
    before = view("", {"w": {}}, subject="b", counted=date(2023, 1, 1))
    assert (before.value("estate"), before.value("household"), before.value("m2")) == (1, 100, F("9000.5"))
    after = view("", {"w": {}}, subject="b", counted=date(2025, 1, 1))
    assert (after.value("estate"), after.value("household")) == (1, 106)


def test_a_subject_that_lies_in_no_estate_has_none() -> None:
    registry = there({})
    loose = Subject("l", "work", "l", {"street": "street"}, DAY)
    asked = View(document(), registry, Assessments(), loose, "2024", DAY)
    assert [asked.value(name) for name in ("estate", "household", "m2", "building", "gate")] == [
        0,
        None,
        None,
        None,
        None,
    ]


HOUSEHOLDS = '[facts.area_m2]\ntype = "m2"\nof = "{of}"\ntext = "its area"\nclause = "1"\n'


def test_the_area_of_a_household_and_of_what_has_its_own() -> None:
    registry = there({"w": {"area_m2": 77}})
    home = Subject("h", "household", "h", registry.subject("w").units, DAY)
    told = Facts(
        [("h", "floor_area_m2", "", Fact(F(90), evidence=(("paper", "1"),))), ("w", "area_m2", "", Fact(F(77), DAY))]
    )
    with_home = registry.with_subjects([registry.subject("w"), home], told)
    asked = View(document(), with_home, Assessments(), home, "2024", DAY)
    assert (asked.value("household"), asked.value("m2"), asked.value("floor_area_m2"), asked.value("building")) == (
        1,
        90,
        90,
        3,
    )
    assert asked.evidence == {("paper", "1")}
    bare = View(document(), registry.with_subjects([home], Facts()), Assessments(), home, "2024", DAY)
    assert (bare.value("m2"), bare.value("floor_area_m2"), bare.take_lacking(), bare.evidence) == (
        None,
        None,
        ("m2", "floor_area_m2"),
        set(),
    )
    for of, area in (("work", 77), ("estate", 8000)):
        owned = View(
            document(HOUSEHOLDS.format(of=of).join(['sum_of = ["cost"]\n', ""])),
            with_home,
            Assessments(),
            registry.subject("w"),
            "2024",
            DAY,
        )
        assert (owned.value("m2"), owned.value("floor_area_m2")) == (area, 8000)


def test_the_area_of_an_estate_is_that_of_the_register() -> None:
    owned = document(HOUSEHOLDS.format(of="estate").join(['sum_of = ["cost"]\n', ""]))
    registry = there({"a": {"area_m2": 5}})
    asked = View(owned, registry, Assessments(), registry.subject("a"), "2024", DAY)
    assert (asked.value("m2"), asked.value("area_m2")) == (8000, 5)


def test_a_score_is_that_of_the_result_with_what_proves_it() -> None:
    result = Assessment("w", 2024, "good", DAY, F(80), evidence=(("minutes", "1"),))
    asked = view("", {"w": {}}, assessment=result)
    assert (asked.value("score"), asked.result(), asked.evidence) == (80, result, {("minutes", "1")})
    without = view("", {"w": {}})
    assert (without.value("score"), without.result(), without.take_lacking(), without.evidence) == (
        None,
        None,
        ("score",),
        set(),
    )
