"""A total over weights: who takes part, what each gets, who takes the odd fen, and what all wait for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from conftest import make_estate
from estate_funds.assess import Claims, Outcome, Status, assess
from estate_funds.calendar import Month, Months
from estate_funds.errors import CaseError, CellError, NoRuleInForce, PolicyError
from estate_funds.policy import Document, parse_document
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

DOCUMENT = """
format = 1
id = "town"
number = "1"
title = "t"
issuer = "i"
from = 2024-01-01
clause = "1"
clauses = {{ "1" = "one", "2" = "two", "3" = "three" }}
{head}

[kinds.pot]
text = "a pot"
clause = "1"

[kinds.work]
text = "a work"
part_of = "pot"
clause = "1"

[facts]
money = {{ type = "yuan", of = "pot", text = "what there is", clause = "1" }}
yearly = {{ type = "yuan", of = "pot", text = "what there is in a year", each_period = true, clause = "1" }}
size = {{ type = "number", of = "work", text = "how large", clause = "1" }}
beds = {{ type = "number", of = "work", text = "how many beds", each_period = true, clause = "1" }}
posts = {{ type = "number", of = "work", text = "how many posts", clause = "1" }}
clean = {{ type = "number", of = "work", text = "marks", clause = "1" }}
safe = {{ type = "number", of = "work", text = "marks", clause = "1" }}
ready = {{ type = "yes_no", of = "work", text = "is it ready", clause = "1" }}
owner = {{ type = "text", of = "work", text = "whose", clause = "1" }}

[provisions.share]
title = "share"
clause = "1"
sum = "total_over_weights"
each = "{each}"
claim_period = "{period}"
anchor = "{anchor}"
counted_on = "enrolment"
first_month = "any_day"
last_month = "any_day"
rounding = {{ level = "line", mode = "half_up" }}
purpose = "grant"
pays_from = "money"
payee = "street"
{provision}

[[provisions.share.total]]
from = 2024-01-01
clause = "2"
{total}

[[provisions.share.payers]]
from = 2024-01-01
clause = "3"
{payers}

[funds.money]
title = "money"
held_by = ["city", "district", "owner"]
carry_forward = true
provenance = "fifo"
clause = "1"

[[funds.money.permits]]
purposes = ["grant"]
payee_classes = ["street"]
from = 2024-01-01
clause = "1"
{tail}
"""
BY_SIZE = 'weights = "size"'
IN_POTS = 'pool = "pot"\nweights = "size"'
CITY = 'shares = { city = "1" }\nodd_fen_to = "city"'
M = Month.parse
YEAR = Months(M("2024-01"), M("2025-01"))
DAY = date(2024, 3, 5)


def town(provision: str = BY_SIZE, **changes: str) -> Document:
    usual = {
        "head": "", "each": "work", "period": "calendar_year", "anchor": "service_month", "provision": provision,
        "total": 'value = "1.00"', "payers": CITY, "tail": "",
    }  # fmt: skip
    return parse_document(DOCUMENT.format(**(usual | changes)), source="town.toml")


Told = dict[str, Value | int | str]
GOOD = Assessment("", 2024, "good", date(2025, 1, 9))


def there(works: dict[str, Told], *, known: Iterable[tuple[str, str, str, Fact]] = (), **pots: Told) -> Registry:
    """Works of an estate; `of` names the pot, `on` and `end` its days; numbers are told as such."""
    estate = make_estate(service_start=date(2024, 1, 1))
    units = estate_subject(estate).units
    plain: dict[str, Any] = {"of": "", "on": date(2024, 1, 1), "end": None}
    subjects, facts = [], list(known)
    for kind, told in (("pot", pots), ("work", works)):
        for name, one in told.items():
            place: Any = plain | {key: value for key, value in one.items() if key in plain}
            subjects.append(Subject(name, kind, name, units, place["on"], place["end"], place["of"]))
            for key, value in one.items():
                if key not in plain:
                    fact, _, period = key.partition("@")
                    facts.append((name, fact, period, Fact(Fraction(value) if isinstance(value, int) else value)))  # type: ignore[arg-type]
    counts = {"a": Headcount.from_changes({date(2000, 1, 1): 100})}
    return Registry.build({"a": estate}, counts, subjects=subjects, facts=Facts(facts))


def shared(document: Document, registry: Registry, results: Iterable[Assessment] = (), window: Months = YEAR, **more: Any) -> Claims:  # fmt: skip
    return assess(document, "share", registry, Assessments(results), window=window, **more)


def sizes(*values: int) -> dict[str, Told]:
    return {f"w{n}": {"size": value} for n, value in enumerate(values, 1)}


# --- what each gets ---

ELSEWHERE: dict[str, Told] = {"w1": {"size": 1}, "w2": {"size": 1, "on": date(2025, 1, 1)}}


@pytest.mark.parametrize(
    ("provision", "works", "due"),
    [
        (BY_SIZE, sizes(1, 1), [50, 50]),
        (BY_SIZE, sizes(1, 1, 1), [34, 33, 33]),  # of equals, the first by name
        (BY_SIZE, sizes(1, 5, 1), [14, 72, 14]),  # 14.29, 71.43: the largest remainder
        (BY_SIZE, sizes(0, 3), [0, 100]),
        (BY_SIZE, sizes(0, 0), [0, 0]),  # nothing to divide by: it stays
        (BY_SIZE, {"w1": {"size": Fraction(1, 3)}, "w2": {"size": Fraction(2, 3)}}, [33, 67]),
        (BY_SIZE, {}, []),
        (BY_SIZE, ELSEWHERE, [100]),
        (BY_SIZE, {"w1": {"size": 1}, "w2": {"size": 1, "on": date(2023, 1, 1), "end": date(2023, 12, 1)}}, [100]),
        (BY_SIZE, {"w1": {"size": 1}, "w2": {"size": 1, "on": date(2024, 12, 31)}}, [50, 50]),
        (BY_SIZE + '\napplies_to = [{ fact = "size", at_least = "2" }]', sizes(1, 2, 2), [50, 50]),
        ('indicators = [{ fact = "clean", marks = "60", full = "100", clause = "1" }, { fact = "safe", marks = "40", full = "10", clause = "1" }]',
         {"w1": {"clean": 50, "safe": 10}, "w2": {"clean": 50, "safe": 0}}, [70, 30]),
        ('indicators = [{ fact = "clean", marks = "60", full = "100", clause = "1" }]',  # full marks are the most
         {"w1": {"clean": 300}, "w2": {"clean": 100}, "w3": {"clean": 50}}, [40, 40, 20]),
        ('weights = "size"\nindicators = [{ fact = "clean", marks = "60", full = "100", clause = "1" }]',
         {"w1": {"size": 3, "clean": 50}, "w2": {"size": 1, "clean": 50}}, [75, 25]),
    ],
)  # fmt: skip
def test_what_each_gets_of_a_total(provision: str, works: dict[str, Told], due: list[int]) -> None:
    claims = shared(town(provision), there(works))
    assert [claim.amount_fen for claim in claims] == due
    assert all(claim.status is (Status.DUE if claim.amount_fen else Status.NOTHING) for claim in claims)


@pytest.mark.parametrize(
    ("total", "fen"),
    [
        ('value = "1.00"', 100),
        ('value = "1.005"', 101),
        ('value = "1.004"', 100),
        ('value = "1.00"\nshare = "1/2"', 50),
        ('value = "0"', 0),
        ('of = "money"', 900),
        ('of = "money"\nshare = "1/4"', 225),
        ('of = "yearly"', 700),
    ],
)
def test_what_is_divided(total: str, fen: int) -> None:
    works: dict[str, Told] = {"w1": {"size": 1, "of": "p"}}
    registry = there(works, p={"money": 9, "yearly@2024": 7, "yearly@2025": 8})
    assert [claim.amount_fen for claim in shared(town(IN_POTS, total=total), registry)] == [fen]


def limits(caps: str = "", floors: str = "", *, per: str = "each", year: int = 2024) -> str:
    told = {"caps": caps, "floors": floors}
    return BY_SIZE + "".join(
        f'\n{name} = [{{ from = {year}-01-01, value = "{value}", per = "{per}", clause = "2" }}]'
        for name, value in told.items()
        if value
    )


@pytest.mark.parametrize(
    ("provision", "works", "due"),
    [
        (limits(caps="0.40"), sizes(1, 1), [40, 40]),  # what all caps leave stays
        (limits(caps="0.40"), sizes(3, 1, 1), [40, 30, 30]),
        (limits(caps="0.50"), sizes(1, 1), [50, 50]),
        (limits(floors="0.40"), sizes(4, 1), [60, 40]),
        (limits(floors="0.50"), sizes(4, 1), [50, 50]),
        (limits(floors="0.40"), sizes(0, 0), [40, 40]),  # the floor is what there is, though nothing weighs
        (limits(floors="0.20"), sizes(0, 1), [20, 80]),
        (limits(floors="0.20", caps="0.60"), sizes(0, 1), [20, 60]),
        (limits(caps="0.40", year=2025), sizes(1, 1), [50, 50]),
        (limits(caps="0.40"), sizes(0, 0), [0, 0]),
        (limits(caps="0.10", per="posts"), {"w1": {"size": 1, "posts": 2}, "w2": {"size": 1, "posts": 6}}, [20, 60]),
        (limits(floors="0.10", per="posts"), {"w1": {"size": 1, "posts": 8}, "w2": {"size": 1, "posts": 1}}, [80, 20]),
    ],
)
def test_caps_and_floors_of_each(provision: str, works: dict[str, Told], due: list[int]) -> None:
    assert [claim.amount_fen for claim in shared(town(provision), there(works))] == due


def test_floors_that_ask_for_more_than_there_is() -> None:
    with pytest.raises(CaseError, match="the floors of share ask for more than its total") as caught:
        shared(town(limits(floors="0.40")), there(sizes(1, 1, 1)))
    assert "3 floors, 120 fen in all" in str(caught.value)
    assert "at most 100 fen" in str(caught.value)
    assert "town 1" in str(caught.value)


def test_a_floor_that_is_met_exactly_and_one_of_who_is_not_paid() -> None:
    assert [c.amount_fen for c in shared(town(limits(floors="0.50")), there(sizes(9, 1)))] == [50, 50]
    gate = '\ngate = { fact = "ready", passes = ["yes"], fails = ["no"], clause = "1" }'
    works: dict[str, Told] = {"w1": {"size": 9, "ready": "yes"}, "w2": {"size": 1, "ready": "no"}}
    for bound, due in ((limits(floors="0.60"), [100, 0]), (limits(caps="0.60"), [60, 0])):
        claims = shared(town(bound + gate), there(works))
        assert [claim.amount_fen for claim in claims] == due
        assert claims["w2"].lines[0].outcome is Outcome.FAILED


def test_a_line_says_how_it_was_divided() -> None:
    first, second = (claim.lines[0] for claim in shared(town(limits(caps="0.60")), there(sizes(2, 1))))
    assert (first.formula, second.formula) == ("1.00 x 2 / 3 sizes", "1.00 x 1 / 3 sizes")
    assert (first.amount_fen, first.reason) == (60, "all conditions are met; 0.67 before caps and floors [2]")
    assert (second.amount_fen, second.reason) == (40, "all conditions are met; 0.33 before caps and floors [2]")
    assert (first.base, first.measure, first.rate, first.clause) == (2, "size", 1, "2")
    assert (first.months, first.service_year, str(first.outcome)) == (YEAR, 2024, "due")
    (plain,) = (claim.lines[0] for claim in shared(town(limits(caps="1.00")), there(sizes(1))))
    assert "before" not in plain.reason
    marks = 'indicators = [{ fact = "clean", marks = "60", full = "100", clause = "1" }]'
    (line,) = (claim.lines[0] for claim in shared(town(marks), there({"w1": {"clean": 50}})))
    assert (line.formula, line.measure, line.base) == ("1.00 x 30 / 30 marks", "marks", 30)
    of_fact = there({"w1": {"size": 1, "of": "p"}}, p={"money": 9})
    (line,) = (claim.lines[0] for claim in shared(town(IN_POTS, total='of = "money"'), of_fact))
    assert (line.formula, line.rate) == ("9.00 x 1 / 1 size", 0)


# --- who takes part, and when ---


@pytest.mark.parametrize(
    ("period", "window", "numbers", "months"),
    [
        ("calendar_year", "2024-01 2026-01", ["2024", "2025"], ["2024-01..2024-12", "2025-01..2025-12"]),
        ("calendar_year", "2024-02 2025-02", ["2025"], ["2025-01..2025-12"]),
        ("calendar_year", "2024-01 2024-02", ["2024"], ["2024-01..2024-12"]),
        ("quarter", "2024-02 2024-08", ["2024-Q2", "2024-Q3"], ["2024-04..2024-06", "2024-07..2024-09"]),
        ("quarter", "2024-04 2024-07", ["2024-Q2"], ["2024-04..2024-06"]),
        ("month", "2024-11 2025-02", ["2024-11", "2024-12", "2025-01"], ["2024-11", "2024-12", "2025-01"]),
    ],
)
def test_the_periods_of_a_window(period: str, window: str, numbers: list[str], months: list[str]) -> None:
    within = Months(*(M(one) for one in window.split()))
    claims = shared(town(period=period), there(sizes(1)), window=within)
    assert [claim.period_key for claim in claims] == numbers
    assert [str(claim.months) for claim in claims] == [
        one if ".." in one else str(Months(M(one), M(one) + 1)) for one in months
    ]
    assert [claim.amount_fen for claim in claims] == [100] * len(numbers)


def test_the_months_of_who_came_later_are_its_own() -> None:
    works: dict[str, Told] = {
        "w1": {"size": 1},
        "w2": {"size": 1, "on": date(2024, 5, 20)},
        "w3": {"size": 1, "end": date(2024, 9, 1)},
    }
    assert [str(claim.months) for claim in shared(town(), there(works))] == [
        "2024-01..2024-12",
        "2024-05..2024-12",
        "2024-01..2024-08",
    ]


def test_each_pot_has_its_own() -> None:
    works: dict[str, Told] = {
        "w1": {"size": 1, "of": "p"},
        "w2": {"size": 1, "of": "p"},
        "w3": {"size": 7, "of": "q"},
        "w4": {"size": 9},
    }
    registry = there(works, p={"money": 9}, q={"money": 5})
    claims = shared(town(IN_POTS, total='of = "money"'), registry)
    assert {claim.subject.subject_id: claim.amount_fen for claim in claims} == {"w1": 450, "w2": 450, "w3": 500}
    claims = shared(town(IN_POTS), registry)
    assert {claim.subject.subject_id: claim.amount_fen for claim in claims} == {"w1": 50, "w2": 50, "w3": 100}
    streets = shared(town('pool = "street"\nweights = "size"'), registry)
    assert sum(claim.amount_fen for claim in streets) == 100
    assert len(streets) == 4


def test_what_is_divided_once_is_divided_on_the_first_day_of_its_pot() -> None:
    works: dict[str, Told] = {
        "w1": {"size": 1, "of": "p", "on": DAY}, "w2": {"size": 1, "of": "p", "on": date(2024, 3, 6)},
        "w3": {"size": 3, "of": "p", "end": date(2024, 3, 6)}, "w4": {"size": 3, "of": "p", "end": DAY},
    }  # fmt: skip
    registry = there(works, p={"money": 9, "on": DAY}, q={"money": 9, "on": date(2025, 1, 1)})
    claims = shared(town(IN_POTS, period="once", total='of = "money"'), registry)
    assert {claim.subject.subject_id: claim.amount_fen for claim in claims} == {"w1": 225, "w3": 675}
    assert {(c.claim_id, c.number, c.period_key, str(c.months)) for c in claims} == {
        ("town/share/w1/once", 1, "", str(Months(M("2024-03"), M("2024-04")))),
        ("town/share/w3/once", 1, "", str(Months(M("2024-03"), M("2024-04")))),
    }
    for window, found in (("2024-03 2024-04", 2), ("2024-04 2024-05", 0), ("2024-02 2024-03", 0)):
        within = Months(*(M(one) for one in window.split()))
        assert len(shared(town(IN_POTS, period="once", total='of = "money"'), registry, window=within)) == found


def test_a_document_that_does_not_hold_yet_divides_nothing_or_says_so() -> None:
    early = Months(M("2023-01"), M("2025-01"))
    assert [c.number for c in shared(town(), there(sizes(1)), window=early)] == [2024]
    works: dict[str, Told] = {"w1": {"size": 1, "of": "p", "on": date(2023, 3, 5)}}
    registry = there(works, p={"money": 9, "on": date(2023, 3, 5)})
    once = town(IN_POTS, period="once", anchor="enrolment")
    with pytest.raises(NoRuleInForce, match="town is not in force") as caught:
        shared(once, registry, window=early)
    assert "the division of p on 2023-03-05" in str(caught.value)
    with pytest.raises(NoRuleInForce, match="town is not in force") as caught:
        shared(town(anchor="enrolment"), registry, window=early)
    assert "the division of 2023 on 2023-01-01" in str(caught.value)
    later = town(total='value = "1.00"', anchor="enrolment").model_copy(update={"start": date(2023, 1, 1)})
    with pytest.raises(NoRuleInForce, match="no version of the total of share is in force"):
        shared(later, registry, window=early)


TERRITORY = '[territory]\nlevel = "{level}"\nnames = [{names}]\nclause = "1"'


def test_only_who_lies_in_the_territory_takes_part() -> None:
    estates = {
        name: make_estate(name, service_start=date(2024, 1, 1), street=f"street-{name}", declared_households=100)
        for name in "ab"
    }
    subjects = [Subject(f"w{n}", "work", n, estate_subject(one).units, DAY) for n, one in estates.items()]
    facts = Facts((f"w{n}", "size", "", Fact(Fraction(1))) for n in estates)
    registry = Registry.build(estates, {}, subjects=subjects, facts=facts)
    inside = town(head=TERRITORY.format(level="street", names='"street-b", "street-c"'))
    assert {c.subject.subject_id: c.amount_fen for c in shared(inside, registry)} == {"wb": 100}
    pools = town('pool = "street"\nweights = "size"', head=TERRITORY.format(level="street", names='"street-b"'))
    assert {c.subject.subject_id: c.amount_fen for c in shared(pools, registry)} == {"wb": 100}
    local = town(head=TERRITORY.format(level="street", names='"street-b"')).model_copy(update={"id": "ward"})
    assert {c.subject.subject_id: c.amount_fen for c in shared(town(), registry, above=[local])} == {"wa": 100}
    assert {c.subject.subject_id: c.amount_fen for c in shared(local, registry, below=[town()])} == {"wb": 100}
    general = town('pool = "street"\nweights = "size"')
    assert {c.subject.subject_id: c.amount_fen for c in shared(general, registry, above=[local])} == {"wa": 100}


def test_one_claim_for_all_of_a_pot() -> None:
    works: dict[str, Told] = {
        "w1": {"size": 1, "of": "p"},
        "w2": {"size": 2, "of": "p", "on": DAY},
        "w3": {"size": 3, "of": "q"},
    }
    registry = there(works, p={}, q={})
    first, second = shared(town(BY_SIZE + '\nclaim_per = "pot"'), registry)
    assert (first.claim_id, second.claim_id) == ("town/share/p/2024", "town/share/q/2024")
    assert [[line.amount_fen for line in claim.lines] for claim in (first, second)] == [[17, 33], [50]]
    assert [line.subject_id for line in first.lines] == ["w1", "w2"]
    assert [str(line.months) for line in first.lines] == ["2024-01..2024-12", "2024-03..2024-12"]
    assert str(first.months) == "2024-01..2024-12"
    with pytest.raises(CaseError, match="work w4 belongs to no pot"):
        shared(town(BY_SIZE + '\nclaim_per = "pot"'), there({"w4": {"size": 1}}))


# --- what all wait for ---

GATE = BY_SIZE + '\ngate = { fact = "ready", passes = ["yes"], fails = ["no"], clause = "1" }'


def test_while_one_result_is_missing_all_wait() -> None:
    works: dict[str, Told] = {
        "w1": {"size": 1, "ready": "yes"}, "w2": {"size": 1}, "w3": {"size": 1}, "w4": {"size": 5, "ready": "no"},
    }  # fmt: skip
    claims = shared(town(GATE), there(works))
    assert [claim.status for claim in claims] == [Status.PENDING, Status.PENDING, Status.PENDING, Status.NOTHING]
    assert [claim.amount_fen for claim in claims] == [0, 0, 0, 0]
    assert [claim.potential_fen for claim in claims] == [34, 33, 33, 0]
    assert [c.lines[0].reason for c in claims][:3] == ["the division waits for 2 results, first that of w2"] * 3
    assert claims["w4"].lines[0].outcome is Outcome.FAILED
    (alone,) = shared(town(GATE), there({"w2": {"size": 1}}))
    assert (alone.status, alone.potential_fen) == (Status.PENDING, 100)
    assert alone.lines[0].reason == "no ready yet: pays once passed [1]"
    one, failed = shared(town(GATE), there({"w2": {"size": 1}, "w4": {"size": 1, "ready": "no"}}))
    assert one.lines[0].reason == "the division waits for 1 results, first that of w2"
    assert failed.lines[0].outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("provision", "changes", "lacks", "names"),
    [
        (BY_SIZE, {}, "size", "size"),
        (BY_SIZE, {"payers": CITY + '\nmatching = { payer = "city", paid = "posts", clause = "1" }'}, "posts", "posts"),
        (BY_SIZE, {"payers": 'shares = { city = "1/2", owner = "1/2" }\nodd_fen_to = "city"'}, "owner", "owner"),
        (BY_SIZE, {"payers": CITY + '\nwhen = [{ fact = "ready", is = ["yes"] }]'}, "ready", "ready"),
        ('indicators = [{ fact = "clean", marks = "6", full = "100", clause = "1" }]', {}, "clean", "clean"),
        ('weights = "size"\nindicators = [{ fact = "clean", marks = "6", full = "100", clause = "1" }]', {}, "size", "size"),
        (limits(caps="0.10", per="posts"), {}, "posts", "posts"),
        (limits(floors="0.01", per="posts"), {}, "posts", "posts"),
    ],
)  # fmt: skip
def test_what_is_not_known_of_one_is_waited_for_by_all(
    provision: str, changes: dict[str, str], lacks: str, names: str
) -> None:
    told: Told = {"size": 1, "posts": 1, "clean": 100, "owner": "o", "ready": "yes"}
    works = {"w1": told, "w2": {name: value for name, value in told.items() if name != lacks}}
    claims = shared(town(provision, **changes), there(works))
    assert [claim.status for claim in claims] == [Status.PENDING, Status.PENDING]
    reasons = {claim.lines[0].reason.partition(";")[0] for claim in claims}
    assert reasons == {"the division waits for 1 results, first that of w2"}
    (alone,) = shared(town(provision, **changes), there({"w2": works["w2"]}))
    assert alone.lines[0].reason == f"waits for {names}"
    known = shared(town(provision, **changes), there(works | {"w2": told}))
    assert {claim.status for claim in known} == {Status.DUE}


def test_a_total_that_is_not_known_is_waited_for() -> None:
    works: dict[str, Told] = {"w1": {"size": 1, "of": "p", "ready": "yes"}, "w2": {"size": 1, "of": "p", "ready": "no"}}
    for provision in (
        GATE,
        GATE + limits(floors="0.10").removeprefix(BY_SIZE),
        GATE + limits(caps="0.10").removeprefix(BY_SIZE),
    ):
        claims = shared(town('pool = "pot"\n' + provision, total='of = "money"'), there(works, p={}))
        assert [(c.status, c.potential_fen) for c in claims] == [(Status.PENDING, 0), (Status.NOTHING, 0)]
        assert claims["w1"].lines[0].reason == "waits for money"
        assert claims["w2"].lines[0].outcome is Outcome.FAILED


def test_a_result_without_the_score_that_is_divided_by_is_refused() -> None:
    document = town(
        'weights = "score"\ngate = { fact = "assessment", passes = ["good"], fails = ["bad"], clause = "1" }'
    )
    scored = replace(GOOD, subject_id="w1", score=Fraction(3))
    with pytest.raises(CellError, match="the assessment of w2 for 2024 has no score to divide by") as caught:
        shared(document, there(sizes(1, 1)), [scored, replace(GOOD, subject_id="w2", row=7)])
    assert "assessments.csv, row 7, column score" in str(caught.value)
    claims = shared(document, there(sizes(1, 1)), [scored, replace(GOOD, subject_id="w2", score=Fraction(1))])
    assert [claim.amount_fen for claim in claims] == [75, 25]
    claims = shared(document, there(sizes(1, 1)), [scored])
    assert [claim.status for claim in claims] == [Status.PENDING] * 2
    failed = replace(GOOD, subject_id="w2", result="bad")
    assert [claim.amount_fen for claim in shared(document, there(sizes(1, 1)), [scored, failed])] == [100, 0]


# --- days and documents ---


def known(name: str, fact: str, value: int, day: date | None = None, proof: str = "") -> tuple[str, str, str, Fact]:
    return (name, fact, "", Fact(Fraction(value), day, evidence=((("paper", proof),) if proof else ())))


def test_no_share_is_decided_before_the_last_weight_and_the_total_are_known() -> None:
    works: dict[str, Told] = {"w1": {"of": "p"}, "w2": {"of": "p"}}
    rows = [known("w1", "size", 1, date(2025, 2, 1), "1"), known("w2", "size", 1, date(2025, 2, 3), "2")]
    for total, day in (
        (None, date(2025, 2, 3)),
        (date(2025, 2, 2), date(2025, 2, 3)),
        (date(2025, 2, 9), date(2025, 2, 9)),
    ):
        registry = there(works, known=[*rows, known("p", "money", 9, total, "0")], p={})
        claims = shared(town(IN_POTS, total='of = "money"'), registry)
        assert [claim.decided_on for claim in claims] == [day, day]
        assert [claim.evidence for claim in claims] == [
            (("paper", "0"), ("paper", "1")),
            (("paper", "0"), ("paper", "2")),
        ]
    undated = shared(town(), there(sizes(1, 1)))
    assert [claim.decided_on for claim in undated] == [None, None]


def test_the_day_of_counting_is_the_first_of_the_period_or_of_who_came_later() -> None:
    """Households counted on 1 January, and on the day on which the estate came."""
    estates = {
        "a": make_estate("a", service_start=date(2023, 1, 1)),
        "b": make_estate("b", service_start=date(2024, 5, 20)),
    }
    counts = {
        name: Headcount.from_changes(
            {date(2000, 1, 1): 100, date(2024, 1, 2): 100, date(2024, 5, 20): 100, date(2024, 5, 21): 100}
        )
        for name in estates
    }
    claims = shared(town('weights = "household"', each="estate"), Registry.build(estates, counts))
    assert [claim.lines[0].base for claim in claims] == [100, 300]


def test_what_a_pot_has_is_counted_on_the_first_day() -> None:
    """A sum over the works that are there on the first day of the period, or on the pot's own."""
    derived = '[derived.all]\ntext = "all"\nsum_over = { kind = "work", fact = "size" }\nclause = "1"'
    works: dict[str, Told] = {
        "w1": {"size": 1, "of": "p"},
        "w2": {"size": 2, "of": "p", "on": DAY},
        "w3": {"size": 4, "of": "p", "on": date(2024, 3, 6)},
    }
    for on, fen in ((date(2023, 1, 1), 100), (DAY, 300)):
        claims = shared(town(IN_POTS, total='of = "all"', tail=derived), there(works, p={"on": on}))
        assert claims.amount_fen == fen


def test_each_share_is_divided_among_its_payers() -> None:
    payers = 'shares = { city = "1/2", district = "1/2" }\nodd_fen_to = "district"'
    claims = shared(town(payers=payers), there(sizes(1, 1, 1)))
    assert [claim.shares for claim in claims] == [
        {"city": 17, "district": 17},
        {"city": 16, "district": 17},
        {"city": 16, "district": 17},
    ]


def test_what_lies_above_a_cap_goes_to_the_others_and_a_document_may_not_say_otherwise() -> None:
    assert [claim.amount_fen for claim in shared(town(limits(caps="0.50")), there(sizes(2, 1)))] == [50, 50]
    with pytest.raises(PolicyError, match="what lies above a cap is shared by the others"):
        town(limits(caps="0.50").replace("clause", 'excess_to = "district", clause'))
