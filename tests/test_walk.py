"""What the walk over subjects and periods decides: tables of periods, runs of months, days, amounts, and what a claim says."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from conftest import make_estate
from estate_funds.assess import Claims, Outcome, Status, assess
from estate_funds.assess.view import View
from estate_funds.assess.walk import Walk, numbered_period, period_number, plural, pro_rata
from estate_funds.calendar import Month, Months
from estate_funds.errors import CaseError, NoRuleInForce
from estate_funds.money import Rounding
from estate_funds.policy import Document, parse_document
from estate_funds.registry import Assessment, Assessments, Fact, Facts, Headcount, Registry, Subject

M, W, D = Month.parse, Months.parse, date.fromisoformat

TEXT = """
format = 1
id = "town"
number = "1"
title = "t"
issuer = "i"
from = 2021-01-01
clause = "1"
clauses = {{ "1" = "one", "2" = "two" }}
{head}

[kinds.work]
text = "a work"
clause = "1"

[kinds.part]
text = "a part of a work"
part_of = "work"
clause = "1"

[facts.cost]
type = "yuan"
of = "estate"
text = "cost"
clause = "1"

[facts.need]
type = "number"
of = "estate"
text = "what is needed"
clause = "1"

[facts.grade]
type = "choice"
of = "estate"
values = ["good", "bad"]
each_period = true
text = "grade"
clause = "1"

[provisions.award]
title = "award"
clause = "1"
sum = "rate_times_base"
{provision}
purpose = "award"
pays_from = "money"
{rate}
{payers}

[funds.money]
title = "money"
held_by = ["city", "district"]
carry_forward = true
provenance = "fifo"
clause = "1"

[[funds.money.permits]]
purposes = ["award", "refund"]
payee_classes = ["community", "street", "district"]
from = 2021-01-01
clause = "1"
{tail}
"""
USUAL = {
    "claim_period": '"service_year"',
    "anchor": '"enrolment"',
    "counted_on": '"enrolment"',
    "first_month": '"any_day"',
    "last_month": '"any_day"',
    "rounding": '{ level = "line", mode = "half_up" }',
    "payee": '"community"',
}


def rate(value: str = 'value = "2"', unit: str = "CNY/household/month", *, start: str = "2021-01-01") -> str:
    return f'[[provisions.award.rate]]\nfrom = {start}\nclause = "1"\nunit = "{unit}"\n{value}\n'


def payers(shares: str = 'city = "1/2", district = "1/2"', more: str = "", *, start: str = "2021-01-01") -> str:
    odd = "district" if "district" in shares else "city"
    return f'[[provisions.award.payers]]\nfrom = {start}\nclause = "1"\nshares = {{ {shares} }}\nodd_fen_to = "{odd}"\n{more}\n'


def town(*, rates: str = rate(), by: str = payers(), head: str = "", tail: str = "", **changes: str | None) -> Document:
    told = {name: value for name, value in (USUAL | changes).items() if value is not None}
    provision = "\n".join(f"{name} = {value}" for name, value in told.items())
    return parse_document(TEXT.format(head=head, provision=provision, rate=rates, payers=by, tail=tail), source="town")


def registry(start: str = "2021-01-01", end: str | None = None, facts: tuple[Any, ...] = (), subjects: tuple[Subject, ...] = (), came: dict[str, int] | None = None) -> Registry:  # fmt: skip
    """One estate of a hundred households in two buildings."""
    estate = make_estate(service_start=D(start), service_end=D(end) if end else None)
    count = Headcount.from_changes({date(2000, 1, 1): 100} | {D(day): number for day, number in (came or {}).items()})
    return Registry.build({"a": estate}, {"a": count}, subjects=subjects, facts=Facts(facts))


def fact(name: str, value: str | date, period: str = "", on: str | None = None, of: str = "a", **more: Any) -> Any:
    known: Any = Fraction(value) if isinstance(value, str) and value[0].isdigit() else value
    return (of, name, period, Fact(known, D(on) if on else None, **more))


def walk(document: Document | None = None, there: Registry | None = None, results: tuple[Assessment, ...] = (), **changes: Any) -> Walk:  # fmt: skip
    document = document or town(**changes)
    return Walk(document, "award", document.provision("award"), there or registry(), Assessments(results))


def claims(document: Document, there: Registry | None = None, *results: Assessment, window: str = "2021-01..2029-12") -> Claims:  # fmt: skip
    return assess(document, "award", there or registry(), Assessments(results), window=W(window))


def a(start: str, end: str | None = None, **changes: Any) -> Subject:
    subject = Subject("a", "estate", "A", {"estate": "a", "city": "city"}, D(start), D(end) if end else None)
    return replace(subject, **changes)


# --- periods ---


@pytest.mark.parametrize(
    ("start", "end", "first", "last", "served"),
    [
        ("2021-03-16", "2022-03-16", "any_day", "any_day", "2021-03..2022-03"),
        ("2021-03-16", "2022-03-16", "full", "full", "2021-04..2022-02"),
        ("2021-03-16", "2022-03-16", "any_day", "full", "2021-03..2022-02"),
        ("2021-03-16", "2022-03-16", "full", "any_day", "2021-04..2022-03"),
        ("2021-03-16", None, "any_day", "full", "2021-03..9999-11"),
        ("2021-03-16", "2021-03-20", "full", "full", "2021-04 (no month)"),
    ],
)
def test_the_months_that_are_served(start: str, end: str | None, first: str, last: str, served: str) -> None:
    found = walk(first_month=f'"{first}"', last_month=f'"{last}"').served(a(start, end))
    assert str(found) == served


@pytest.mark.parametrize(
    ("kind", "start", "end", "window", "found"),
    [
        ("once", "2021-03-16", None, "2021-01..2021-12", {"": "2021-03..2021-03"}),
        ("once", "2021-03-16", None, "2021-03", {"": "2021-03..2021-03"}),
        ("once", "2021-03-16", None, "2021-04..2021-12", {}),
        ("once", "2021-03-16", None, "2021-01..2021-02", {}),
        ("once", "2021-03-01", "2021-03-01", "2021-01..2021-12", {}),
        ("once", "2021-03-01", "2021-03-02", "2021-01..2021-12", {"": "2021-03..2021-03"}),
        ("service_year", "2021-07-16", None, "2021-01..2022-07", {"1": "2021-07..2022-06", "2": "2022-07..2023-06"}),
        ("service_year", "2021-07-16", None, "2022-06..2022-07", {"2": "2022-07..2023-06"}),
        ("service_year", "2021-07-16", None, "2022-07", {"2": "2022-07..2023-06"}),
        ("service_year", "2021-07-16", None, "2022-08..2023-06", {}),
        ("service_year", "2021-07-16", None, "2021-01..2021-06", {}),
        ("service_year", "2021-07-16", "2022-07-02", "2021-01..2029-12", {"1": "2021-07..2022-06", "2": "2022-07..2022-07"}),
        ("service_year", "2021-07-16", "2022-07-01", "2021-01..2029-12", {"1": "2021-07..2022-06"}),
        ("calendar_year", "2021-07-16", None, "2021-01..2022-12", {"2021": "2021-07..2021-12", "2022": "2022-01..2022-12"}),
        ("calendar_year", "2021-07-16", None, "2021-07..2022-01", {"2021": "2021-07..2021-12", "2022": "2022-01..2022-12"}),
        ("calendar_year", "2021-07-16", None, "2021-08..2021-12", {}),
        ("calendar_year", "2021-07-16", "2022-01-02", "2022-01..2029-12", {"2022": "2022-01..2022-01"}),
        ("calendar_year", "2021-07-16", "2022-01-01", "2022-01..2029-12", {}),
        ("quarter", "2021-02-16", None, "2021-01..2021-04", {"2021-Q1": "2021-02..2021-03", "2021-Q2": "2021-04..2021-06"}),
        ("quarter", "2021-02-16", None, "2021-10..2022-01", {"2021-Q4": "2021-10..2021-12", "2022-Q1": "2022-01..2022-03"}),
        ("quarter", "2021-02-16", None, "2021-05..2021-06", {}),
        ("quarter", "2021-02-16", "2021-05-09", "2021-04..2021-12", {"2021-Q2": "2021-04..2021-05"}),
        ("month", "2021-11-16", None, "2021-01..2021-12", {"2021-11": "2021-11..2021-11", "2021-12": "2021-12..2021-12"}),
        ("month", "2021-11-16", "2022-01-02", "2022-01..2022-03", {"2022-01": "2022-01..2022-01"}),
    ],
)  # fmt: skip
def test_the_claim_periods_that_begin_in_a_window(kind: str, start: str, end: str | None, window: str, found: dict[str, str]) -> None:  # fmt: skip
    tried = walk(claim_period=f'"{kind}"')
    served = tried.served(a(start, end))
    numbers = tried.numbers(served, W(window))
    assert {tried.key(number): str(tried.period(served, number)) for number in numbers} == found
    assert kind != "once" or list(numbers) in ([], [1])


@pytest.mark.parametrize(
    ("kind", "per", "window", "numbers"),
    [
        ("calendar_year", "street", "2021-01..2021-12", [2021]),  # the claim of all begins before this one came
        ("calendar_year", "street", "2021-07..2021-12", []),
        ("calendar_year", "estate", "2021-01..2021-12", [2021]),
        ("calendar_year", "estate", "2021-07..2021-12", [2021]),  # its own
        ("calendar_year", "estate", "2021-08..2021-12", []),
        ("service_year", "street", "2021-07..2021-12", [1]),
        ("service_year", "street", "2021-08..2021-12", []),
        ("once", "street", "2021-07..2021-12", [1]),
        ("once", "street", "2021-08..2021-12", []),
    ],
)
def test_a_claim_for_many_begins_with_the_period(kind: str, per: str, window: str, numbers: list[int]) -> None:
    tried = walk(claim_period=f'"{kind}"', claim_per=f'"{per}"')
    assert list(tried.numbers(tried.served(a("2021-07-16")), W(window))) == numbers


@pytest.mark.parametrize(
    ("kind", "month", "number", "months"),
    [
        ("calendar_year", "2021-12", 2021, "2021-01..2021-12"),
        ("quarter", "2021-03", 2021 * 4, "2021-01..2021-03"),
        ("quarter", "2021-04", 2021 * 4 + 1, "2021-04..2021-06"),
        ("month", "2021-12", 2021 * 12 + 11, "2021-12..2021-12"),
    ],
)
def test_running_numbers(kind: str, month: str, number: int, months: str) -> None:
    assert period_number(kind, M(month)) == number
    assert str(numbered_period(kind, number)) == months
    assert period_number("once", M(month)) == 1


# --- days and runs ---


@pytest.mark.parametrize(
    ("rule", "year", "month", "day"),
    [
        ("enrolment", 3, "2023-05", "2021-03-16"),
        ("month_start", 1, "2021-03", "2021-03-16"),
        ("month_start", 1, "2021-04", "2021-04-01"),
        ("service_year_start", 1, "2021-05", "2021-03-16"),
        ("service_year_start", 2, "2022-05", "2022-03-01"),
        ("01-31", 1, "2021-12", "2021-03-16"),  # before it came
        ("01-31", 1, "2022-01", "2022-01-31"),
        ("12-31", 1, "2021-03", "2021-12-31"),
        ("02-29", 2, "2023-12", "2023-02-28"),
        ("02-29", 3, "2024-01", "2024-02-29"),
        ("02-28", 3, "2024-05", "2024-02-28"),
        ("03-29", 3, "2023-05", "2023-03-29"),
        ("06-01", 3, "2023-05", "2023-06-01"),
    ],
)
def test_the_day_of_counting(rule: str, year: int, month: str, day: str) -> None:
    tried, subject = walk(counted_on=f'"{rule}"'), a("2021-03-16")
    assert tried.counted_on(subject, tried.served(subject), year, M(month)) == D(day)


def test_the_service_year_starts_with_the_months_that_are_served() -> None:
    tried, subject = walk(counted_on='"service_year_start"', first_month='"full"'), a("2021-03-16")
    days = [tried.counted_on(subject, tried.served(subject), year, M("2021-03")) for year in (1, 2)]
    assert days == [date(2021, 4, 1), date(2022, 4, 1)]


BY_YEAR = 'tiers = [{ service_years = [1, 3], value = "3" }, { service_years = [4, 4], value = "2" }, { service_years = [5, 5], value = "1" }]'
BY_CONDITION = 'tiers = [{ when = [{ fact = "household", at_least = "100" }], value = "3" }, { when = [{ fact = "household", below = "100" }], value = "1" }]'
TWO_RATES = rate() + rate('value = "3"', start="2022-04-15")
TWO_PAYERS = payers() + payers('city = "1"', start="2022-09-01")


@pytest.mark.parametrize(
    ("changes", "runs"),
    [  # of the calendar year 2022, of one that came in July 2021
        ({}, {"2022-01..2022-12": "2021-07-16"}),
        ({"rates": rate(BY_YEAR)}, {"2022-01..2022-06": "2021-07-16", "2022-07..2022-12": "2021-07-16"}),
        ({"rates": rate(BY_CONDITION)}, {"2022-01..2022-12": "2021-07-16"}),
        ({"counted_on": '"service_year_start"'}, {"2022-01..2022-06": "2021-07-16", "2022-07..2022-12": "2022-07-01"}),
        ({"counted_on": '"06-30"'}, {"2022-01..2022-12": "2022-06-30"}),
        ({"counted_on": '"06-30"', "rates": rate(BY_YEAR)}, {"2022-01..2022-06": "2022-06-30", "2022-07..2022-12": "2022-06-30"}),
        ({"counted_on": '"month_start"'}, {f"2022-{m:02}..2022-{m:02}": f"2022-{m:02}-01" for m in range(1, 13)}),
        ({"rates": TWO_RATES}, {"2022-01..2022-12": "2021-07-16"}),
        ({"anchor": '"service_month"'}, {"2022-01..2022-12": "2021-07-16"}),
        ({"anchor": '"service_month"', "rates": rate(BY_YEAR)}, {"2022-01..2022-06": "2021-07-16", "2022-07..2022-12": "2021-07-16"}),
        ({"anchor": '"service_month"', "rates": TWO_RATES}, {"2022-01..2022-04": "2021-07-16", "2022-05..2022-12": "2021-07-16"}),
        ({"anchor": '"service_month"', "by": TWO_PAYERS}, {"2022-01..2022-08": "2021-07-16", "2022-09..2022-12": "2021-07-16"}),
        ({"anchor": '"service_month"', "head": "until = 2022-03-02"}, {"2022-01..2022-03": "2021-07-16"}),
        ({"anchor": '"service_month"', "head": "until = 2022-03-01"}, {"2022-01..2022-02": "2021-07-16"}),
        ({"head": 'territory = { level = "city", names = ["elsewhere"], clause = "1" }'}, {}),
        ({"head": 'territory = { level = "city", names = ["city"], clause = "1" }'}, {"2022-01..2022-12": "2021-07-16"}),
    ],
)  # fmt: skip
def test_runs_of_months_in_which_nothing_changes(changes: dict[str, str], runs: dict[str, str]) -> None:
    tried, subject = walk(town(**({"claim_period": '"calendar_year"'} | changes))), a("2021-07-16")  # type: ignore[arg-type]
    found = list(tried.runs(subject, tried.served(subject), W("2022")))
    assert {str(months): str(run.counted) for run, months in found} == runs
    by_year = "BY_YEAR" if BY_YEAR in str(changes) else changes.get("counted_on", "")
    assert tried.by_service_year is (by_year in ("BY_YEAR", '"service_year_start"'))
    years = [run.service_year for run, _ in found]
    assert years == ([1, 2] if tried.by_service_year else years)


def test_what_decides_a_run() -> None:
    tried, subject = walk(anchor='"service_month"', rates=TWO_RATES, by=TWO_PAYERS), a("2021-07-16")
    served = tried.served(subject)
    seen = [tried.run(subject, served, M(month)) for month in ("2021-07", "2022-05", "2022-09")]
    assert [(run.service_year, run.anchor, run.rate_from, run.split_from) for run in seen if run] == [
        (1, date(2021, 7, 1), date(2021, 1, 1), (date(2021, 1, 1),)),
        (1, date(2022, 5, 1), date(2022, 4, 15), (date(2021, 1, 1),)),
        (2, date(2022, 9, 1), date(2022, 4, 15), (date(2021, 1, 1), date(2022, 9, 1))),
    ]


@pytest.mark.parametrize(
    ("kind", "anchor", "first", "day"),
    [
        ("once", "enrolment", "full", "2021-07-16"),
        ("once", "service_month", "any_day", "2021-07-16"),
        ("once", "service_month", "full", "2021-08-01"),
        ("month", "service_month", "any_day", "2021-07-01"),
        ("service_year", "service_month", "any_day", "2021-07-01"),
    ],
)
def test_the_day_that_anchors_values(kind: str, anchor: str, first: str, day: str) -> None:
    tried, subject = walk(claim_period=f'"{kind}"', anchor=f'"{anchor}"', first_month=f'"{first}"'), a("2021-07-16")
    served = tried.served(subject)
    run = tried.run(subject, served, served.start)
    assert run is not None
    assert run.anchor == D(day)


ASSESSED = 'gate = { fact = "assessment", passes = ["pass"], fails = ["fail"], clause = "2" }'
PASS = {"gate": '{ fact = "assessment", passes = ["pass"], fails = ["fail"], clause = "2" }'}
GRADE = {"gate": '{ fact = "grade", passes = ["good"], fails = ["bad"], clause = "2" }'}


@pytest.mark.parametrize(
    ("kind", "period", "day"),
    [
        ("service_year", "2", "2023-01-09"),
        ("calendar_year", "2022", "2023-01-09"),
        ("quarter", "2022-Q3", "2023-01-09"),
        ("month", "2022-08", "2023-01-09"),
        ("service_year", "1", "2022-08-01"),  # of another period: nothing is decided yet
        ("calendar_year", "2021", "2022-08-01"),
    ],
)
def test_the_decision_of_a_gate_anchors_values(kind: str, period: str, day: str) -> None:
    there = registry("2021-07-16", facts=(fact("grade", "good", period, "2023-01-09"),))
    document = town(claim_period=f'"{kind}"', anchor='"decision"', **GRADE)
    tried, subject = walk(document, there), there.subject("a")
    run = tried.run(subject, tried.served(subject), M("2022-08"))
    assert run is not None
    assert run.anchor == D(day)


@pytest.mark.parametrize(
    ("kind", "subject", "period", "day"),
    [
        ("service_year", "a", 2, "2023-01-09"),
        ("service_year", "a", 2022, "2022-08-01"),
        ("service_year", "e", 2, "2022-08-01"),
        ("calendar_year", "a", 2022, "2023-01-09"),
        ("calendar_year", "e", 2022, "2023-01-09"),  # of its estate
        ("calendar_year", "a", 2, "2022-08-01"),
        ("calendar_year", "e", 2, "2022-08-01"),
    ],
)
def test_the_decision_of_an_assessment_anchors_values(kind: str, subject: str, period: int, day: str) -> None:
    document = town(claim_period=f'"{kind}"', anchor='"decision"', **PASS)
    tried = walk(document, results=(Assessment(subject, period, "pass", date(2023, 1, 9)),))
    one = a("2021-07-16", units={"estate": "e"})
    run = tried.run(one, tried.served(one), M("2022-08"))
    assert run is not None
    assert run.anchor == D(day)


def test_an_assessment_of_its_own_comes_before_that_of_its_estate() -> None:
    results = tuple(
        Assessment(name, 2022, "pass", day) for name, day in (("e", date(2023, 1, 1)), ("a", date(2023, 1, 2)))
    )
    tried = walk(town(claim_period='"calendar_year"', **PASS), results=results)
    assert tried.result(a("2021-07-16", units={"estate": "e"}), 2, M("2022-08")) == results[1]
    assert tried.result(a("2021-07-16", units={}), 2, M("2022-08")) == results[1]
    assert tried.result(a("2021-07-16", subject_id="b", units={}), 2, M("2022-08")) is None


def local() -> Document:
    head = 'territory = { level = "city", names = ["city"], clause = "1" }\nover = ["town"]'
    text = TEXT.format(
        head=head, provision="\n".join(f"{n} = {v}" for n, v in USUAL.items()), rate=rate(), payers=payers(), tail=""
    )
    text = text.replace('id = "town"', 'id = "ward"').replace("2021-01-01", "2022-01-01")
    return parse_document(text, source="ward")


def test_what_is_not_decided_yet_is_anchored_on_no_day_before_it_came() -> None:
    """The document began on the tenth, the estate came on the sixteenth: it waits for its result, and is not refused."""
    document = town(anchor='"decision"', rates=rate(start="2021-03-10"), by=payers(start="2021-03-10"), **PASS)
    document = document.model_copy(update={"start": date(2021, 3, 10)})
    (claim,) = claims(document, registry("2021-03-16"), window="2021")
    assert (claim.status, claim.potential_fen) == (Status.PENDING, 240000)
    with pytest.raises(NoRuleInForce, match="town is not in force"):
        claims(document, registry("2021-03-09"), window="2021")


def test_a_gate_of_a_derived_fact_decides_on_the_day_of_what_it_rests_on() -> None:
    big = '[derived.size]\nclause = "1"\ntext = "size"\nclasses = [{ is = "big", when = [{ fact = "household", at_least = "100" }, { fact = "need", at_least = "1" }] }, { is = "small" }]\n'
    gate = '{ fact = "size", passes = ["big"], fails = ["small"], clause = "2" }'
    for known, day in (("2022-02-01", "2022-02-01"), (None, "2022-08-01")):
        there = registry(facts=(fact("need", "1", on=known),))
        tried = walk(town(anchor='"decision"', gate=gate, tail=big), there)
        run = tried.run(there.subject("a"), tried.served(there.subject("a")), M("2022-08"))
        assert run is not None
        assert run.anchor == D(day)


def test_where_and_when_a_document_decides() -> None:
    there, elsewhere = {"city": "city"}, {"city": "other"}
    alone, ward = walk(), local()
    assert alone.holds_on(date(2021, 1, 1), there, "x") is True
    with pytest.raises(NoRuleInForce, match="town is not in force"):
        alone.holds_on(date(2020, 12, 31), there, "x")
    assert walk(anchor='"service_month"').holds_on(date(2020, 12, 31), there, "x") is False
    under = replace(alone, above=(ward,))
    assert under.holds_on(date(2021, 12, 31), there, "x") is True
    assert under.holds_on(date(2022, 1, 1), there, "x") is False
    assert under.holds_on(date(2022, 1, 1), elsewhere, "x") is True
    assert under.holds_on(date(2020, 12, 31), there, "x") is False
    over = replace(alone, document=ward, provision=ward.provision("award"), below=(alone.document,))
    assert over.holds_on(date(2022, 1, 1), there, "x") is True
    assert over.holds_on(date(2021, 12, 31), there, "x") is False
    assert over.holds_on(date(2022, 1, 1), elsewhere, "x") is False
    assert replace(over, below=()).holds_on(date(2022, 1, 1), elsewhere, "x") is False


def test_months_of_another_document_are_left_out() -> None:
    tried = replace(walk(claim_period='"calendar_year"', anchor='"service_month"', head=""), above=(local(),))
    subject = a("2021-07-16")
    served = tried.served(subject)
    assert [str(m) for _, m in tried.runs(subject, served, Months(M("2021-09"), M("2022-03")))] == ["2021-09..2021-12"]
    assert list(tried.runs(subject, served, W("2022"))) == []
    assert [c.number for c in tried.claims(W("2021-01..2022-12"))] == [2021]
    enrolled = replace(walk(claim_period='"calendar_year"', rates=rate(BY_YEAR)), above=(local(),))
    late = a("2022-07-16")
    assert list(enrolled.runs(late, enrolled.served(late), W("2023"))) == []


def test_no_rate_and_no_payers_in_force() -> None:
    for changes, words in (({"rates": rate(start="2022-01-01")}, "the rate of award"), ({"by": payers(start="2022-01-01")}, "the payers of award")):  # fmt: skip
        with pytest.raises(NoRuleInForce, match=f"no version of {words} is in force"):
            claims(town(**changes))  # type: ignore[arg-type]


# --- rate x base ---


SLICES = 'slices = [{ up_to = "40", value = "3" }, { up_to = "50", value = "2" }, { value = "1" }]'
NEED = (fact("need", "41"),)


@pytest.mark.parametrize(
    ("rates", "end", "fen", "base", "measure", "value", "formula"),
    [
        (rate(), None, 240000, "100", "household", "2", "100 households x 2.00 x 12 months"),
        (rate(), "2021-03-09", 60000, "100", "household", "2", "100 households x 2.00 x 3 months"),
        (rate(), "2021-01-09", 20000, "100", "household", "2", "100 households x 2.00 x 1 month"),
        (rate(unit="CNY/household/quarter"), "2021-11-09", 73333, "100", "household", "2", "100 households x 2.00 x 11/3 quarter"),
        (rate(unit="CNY/household/year"), "2021-11-09", 18333, "100", "household", "2", "100 households x 2.00 x 11/12 year"),
        (rate(unit="CNY/household/once"), "2021-11-09", 20000, "100", "household", "2", "100 households x 2.00"),
        (rate(unit="CNY/m2/once"), None, 1600000, "8000", "m2", "2", "8,000 m2 x 2.00"),
        (rate(unit="CNY/each/month"), None, 2400, "1", "each", "2", "1 each x 2.00 x 12 months"),
        (rate(unit="CNY/building/year"), "2021-11-09", 367, "2", "building", "2", "2 buildings x 2.00 x 11/12 year"),
        (rate('value = "1/3"', unit="share of cost"), None, 259, "7777/1000", "cost", "1/3", "cost 7.777 x 1/3"),
        (rate('value = "2"\nbase_at_most = { value = "30" }'), None, 72000, "30", "household", "2", "30 households x 2.00 x 12 months (of 100)"),
        (rate('value = "2"\nbase_at_most = { value = "30", per = "building" }'), None, 144000, "60", "household", "2", "60 households x 2.00 x 12 months (of 100)"),
        (rate('value = "2"\nbase_at_most = { value = "50", per = "building" }'), None, 240000, "100", "household", "2", "100 households x 2.00 x 12 months"),
        (rate('value = "2"\nbase_at_most = { value = "0" }'), None, 0, "0", "household", "2", "0 households x 2.00 x 12 months (of 100)"),
        (rate(SLICES), "2021-02-09", 38000, "100", "household", "3", "(40 households x 3.00 + 10 households x 2.00 + 50 households x 1.00) x 2 months"),
        (rate(SLICES, "share of need"), None, 12200, "41", "need", "3", "(need 40.00 x 3.00 + need 1.00 x 2.00)"),
        (rate(BY_CONDITION), None, 360000, "100", "household", "3", "100 households x 3.00 x 12 months"),
    ],
)  # fmt: skip
def test_rate_times_base(rates: str, end: str | None, fen: int, base: str, measure: str, value: str, formula: str) -> None:  # fmt: skip
    there = registry(end=end, facts=(fact("cost", "7.777"), *NEED))
    (claim,) = claims(town(rates=rates), there, window="2021-01..2021-12")
    (line,) = claim.lines
    assert (line.amount_fen, line.potential_fen, line.base, line.measure) == (fen, fen, Fraction(base), measure)
    assert (line.rate, line.formula, line.outcome, line.clause) == (Fraction(value), formula, Outcome.DUE, "1")
    assert (claim.amount_fen, claim.months, line.months) == (fen, line.months, claim.months)


@pytest.mark.parametrize(
    ("need", "fen"), [("0", 0), ("1", 300), ("39", 11700), ("40", 12000), ("41", 12200), ("50", 14000), ("51", 14100)]
)
def test_slices_on_both_sides_of_their_edges(need: str, fen: int) -> None:
    (claim,) = claims(town(rates=rate(SLICES, "CNY/need/once")), registry(facts=(fact("need", need),)), window="2021")
    assert claim.amount_fen == fen
    assert claim.lines[0].formula == {"0": "0 needs", "1": "1 need x 3.00"}.get(need, claim.lines[0].formula)


def test_the_rate_of_each_month_of_service() -> None:
    """Three years at 3, one at 2, one at 1, a household and month; then nothing."""
    document = town(rates=rate(BY_YEAR), claim_period='"month"')
    found = [claim.lines[0] for claim in claims(document, window="2021-01..2027-01")]
    assert [line.amount_fen for line in found] == [30000] * 36 + [20000] * 12 + [10000] * 12 + [0] * 13
    edges = [(n, found[n - 1].service_year, found[n - 1].clause) for n in (1, 12, 13, 36, 37, 48, 49, 60, 61, 72, 73)]
    assert edges == [
        (1, 1, "1, year 1"), (12, 1, "1, year 1"), (13, 2, "1, year 2"), (36, 3, "1, year 3"), (37, 4, "1, year 4"),
        (48, 4, "1, year 4"), (49, 5, "1, year 5"), (60, 5, "1, year 5"), (61, 6, "1"), (72, 6, "1"), (73, 7, "1"),
    ]  # fmt: skip
    last = found[60]
    assert (last.outcome, last.base, last.rate, last.potential_fen) == (Outcome.ENDED, 100, 0, 0)
    assert (last.measure, last.clause) == ("household", "1")
    assert (last.formula, last.reason) == ("no rate in service year 6", "the schedule ends with service year 5")


BOTH = """tiers = [
{ service_years = [1, 2], when = [{ fact = "household", at_least = "100" }], value = "3" },
{ service_years = [1, 2], when = [{ fact = "household", below = "100" }], value = "1" },
{ service_years = [3, 3], value = "5" },
]"""


def test_tiers_by_year_and_by_condition() -> None:
    """A hundred households in the first year, one less in the second."""
    document = town(rates=rate(BOTH, "CNY/each/once"), counted_on='"service_year_start"')
    found = claims(document, registry(came={"2021-04-02": -1}), window="2021-01..2024-12")
    assert [claim.amount_fen for claim in found] == [300, 100, 500, 0]
    assert [claim.lines[0].outcome for claim in found] == [Outcome.DUE] * 3 + [Outcome.ENDED]
    assert found[3].lines[0].reason == "the schedule ends with service year 3"


TIERS_OF_NEED = """tiers = [
{ when = [{ fact = "need", at_most = "10" }], value = "3" },
{ when = [{ fact = "need", at_least = "10", below = "20" }], value = "1" },
]"""
BAD, GOOD = fact("grade", "bad", "1", "2022-01-09"), fact("grade", "good", "1", "2022-01-09")


@pytest.mark.parametrize(
    ("need", "grade", "fen", "outcome", "reason"),
    [
        ("9", GOOD, 300, Outcome.DUE, "grade is good"),
        ("11", GOOD, 100, Outcome.DUE, "grade is good"),
        ("10", BAD, 0, Outcome.FAILED, "grade is bad: pays 0, the year still counts, nothing is caught up [2]"),
        ("20", BAD, 0, Outcome.FAILED, "grade is bad: pays 0, the year still counts, nothing is caught up [2]"),
        ("9", BAD, 0, Outcome.FAILED, "grade is bad: pays 0, the year still counts, nothing is caught up [2]"),
        (None, BAD, 0, Outcome.FAILED, "grade is bad: pays 0, the year still counts, nothing is caught up [2]"),
        (None, GOOD, 0, Outcome.PENDING, "waits for need"),
        (None, None, 0, Outcome.PENDING, "waits for need"),
        ("9", None, 0, Outcome.PENDING, "no grade yet: pays once passed [2]"),
    ],
)
def test_what_pays_nothing_need_not_fit_a_tier(need: str | None, grade: Any, fen: int, outcome: Outcome, reason: str) -> None:  # fmt: skip
    facts = ((fact("need", need),) if need else ()) + ((grade,) if grade else ())
    document = town(rates=rate(TIERS_OF_NEED, "CNY/each/once"), **GRADE)
    line = claims(document, registry(facts=facts), window="2021")[0].lines[0]
    assert (line.amount_fen, line.outcome, line.reason) == (fen, outcome, reason)
    assert line.potential_fen == (300 if (need, grade) == ("9", None) else fen)
    rest = {"9": ("1 each x 3.00", 3), "11": ("1 each x 1.00", 1)}.get(str(need), ("each x CNY/each/once", 0))
    assert (line.formula, line.rate) == rest
    assert line.base == (1 if rest[1] else 0)
    assert (line.measure, line.service_year, line.clause) == ("each", 1, "1")
    for edge in ("10", "20"):
        with pytest.raises(NoRuleInForce, match="tiers of the rate fit a"):
            claims(document, registry(facts=(fact("need", edge), GOOD)), window="2021")
    with pytest.raises(NoRuleInForce, match="2 tiers of the rate fit a"):  # whatever turns out
        claims(document, registry(facts=(fact("need", "10"),)), window="2021")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rates": rate(unit="CNY/need/once")}, "waits for need"),
        ({"rates": rate('value = "1"\nbase_at_most = { value = "1", per = "need" }')}, "waits for need"),
        ({"rates": rate(TIERS_OF_NEED, "CNY/need/once")}, "waits for need"),
        ({"rates": rate('value = "1"\nbase_at_most = { value = "1", per = "cost" }', "CNY/need/once")}, "waits for need"),
        ({"by": payers(more='matching = { payer = "city", paid = "cost", clause = "1" }')}, "waits for cost"),
        ({"by": payers(more='first = { of = "cost", shares = { city = "1" }, odd_fen_to = "city" }')}, "waits for cost"),
        ({"by": payers(more='when = [{ fact = "need", at_least = "1" }]')}, "waits for need"),
        ({"caps": '[{ from = 2021-01-01, value = "1", per = "need", clause = "1" }]'}, "waits for need"),
        ({"floors": '[{ from = 2021-01-01, value = "1", per = "need", clause = "1" }]'}, "waits for need"),
        ({"caps": '[{ from = 2021-01-01, value = "1", excess_to = "agent", clause = "1" }]'}, "waits for agent"),
        ({"payee": '"agent"'}, "waits for agent"),
        ({"rates": rate(unit="CNY/need/once"), "by": payers(more='matching = { payer = "city", paid = "cost", clause = "1" }')}, "waits for need, cost"),
    ],
)  # fmt: skip
def test_what_waits_for_a_fact(changes: dict[str, str], reason: str) -> None:
    agent = '[facts.agent]\ntype = "text"\nof = "estate"\ntext = "the agent"\nclause = "1"\n'
    document = town(**({"tail": agent} | changes))  # type: ignore[arg-type]
    (claim,) = claims(document, window="2021")
    (line,) = claim.lines
    said = line.reason.partition("; households")[0]
    assert (line.outcome, said, line.amount_fen, line.shares) == (Outcome.PENDING, reason, 0, ())
    assert claim.status is Status.PENDING
    failed = town(**({"tail": agent, **GRADE} | changes))  # type: ignore[arg-type]
    (claim,) = claims(failed, registry(facts=(BAD,)), window="2021")
    assert (claim.lines[0].outcome, claim.lines[0].potential_fen) == (Outcome.FAILED, 0)  # which waits for nothing


def test_rounding_of_a_line_of_each_household_and_of_the_claim() -> None:
    """1.23 fen a household and month, of a hundred households until April, and of one more from May."""
    came = registry(came={"2021-04-02": 1})
    lines = {}
    for level in ("line", "household", "claim"):
        document = town(rates=rate('value = "0.0123"'), counted_on='"month_start"', rounding=f'{{ level = "{level}", mode = "half_up" }}')  # fmt: skip
        (claim,) = claims(document, came, window="2021")
        lines[level] = [line.amount_fen for line in claim.lines]
    assert lines["line"] == [123] * 4 + [124] * 8
    assert lines["household"] == [100] * 4 + [101] * 8
    assert sum(lines["claim"]) == 1486  # 4 x 123 + 8 x 124.23 = 1485.84
    assert lines["claim"][:4] == [123] * 4
    nothing = town(rates=rate('value = "0"'), rounding='{ level = "claim", mode = "half_up" }')
    assert [claim.amount_fen for claim in claims(nothing, window="2021")] == [0]
    empty = town(rounding='{ level = "household", mode = "half_up" }')
    nobody = registry(came={"2000-01-02": -100})
    assert [claim.amount_fen for claim in claims(empty, nobody, window="2021")] == [0]


@pytest.mark.parametrize(("measure", "count", "name"), [("m2", 2, "m2"), ("each", 2, "each"), ("post", 1, "post"), ("post", 2, "posts"), ("works", 2, "works")])  # fmt: skip
def test_the_name_of_what_was_counted(measure: str, count: int, name: str) -> None:
    assert plural(measure, Fraction(count)) == name


# --- bounds and shares ---


CAP = '[{ from = 2021-01-01, value = "3", clause = "2", excess_to = "water" }]'
WATER = '[parties.water]\nname = "Water Ltd"\nclause = "1"\n'


@pytest.mark.parametrize(
    ("changes", "facts", "lines", "shares", "said"),
    [  # a hundred households until April, two hundred from May; a fen each and month
        ({}, (), [100] * 4 + [200] * 8, {"city": 1000, "district": 1000}, ""),
        ({"caps": '[{ from = 2021-01-01, value = "3", clause = "2" }]'}, (), [15] * 4 + [30] * 8, {"city": 148, "district": 152}, "; 20.00 capped at 3.00 [2]"),
        ({"caps": CAP, "tail": WATER}, (), [100] * 4 + [200] * 8, {"city": 148, "district": 152, "water": 1700}, "; 20.00 capped at 3.00 [2], the rest to water"),
        ({"floors": '[{ from = 2021-01-01, value = "40", clause = "2" }]'}, (), [200] * 4 + [400] * 8, {"city": 2000, "district": 2000}, "; 20.00 raised to 40.00 [2]"),
        ({"caps": '[{ from = 2022-01-01, value = "3", clause = "2" }]'}, (), [100] * 4 + [200] * 8, {"city": 1000, "district": 1000}, ""),
        ({"by": payers(more='matching = { payer = "district", paid = "cost", clause = "2" }')}, (fact("cost", "0.8"),), [100, 80] + [50] * 2 + [100] * 8, {"city": 80, "district": 1000}, "; 0.20 is not matched [2]"),
        ({"by": payers(more='first = { of = "cost", shares = { city = "1" }, odd_fen_to = "city" }')}, (fact("cost", "1.5"),), [100] * 4 + [200] * 8, {"city": 1075, "district": 925}, ""),
    ],
)  # fmt: skip
def test_bounds_and_shares_over_the_lines_of_a_claim(changes: dict[str, str], facts: tuple[Any, ...], lines: list[int], shares: dict[str, int], said: str) -> None:  # fmt: skip
    document = town(**({"rates": rate('value = "0.01"'), "counted_on": '"month_start"'} | changes))  # type: ignore[arg-type]
    (claim,) = claims(document, registry(facts=facts, came={"2021-04-02": 100}), window="2021")
    assert [line.amount_fen for line in claim.lines] == lines
    assert claim.shares == shares
    for line in claim.lines:
        assert sum(share.fen for share in line.shares) == line.amount_fen == line.potential_fen
    assert all(
        line.reason.startswith("no assessment is asked for; households counted on 2021-") for line in claim.lines
    )
    assert claim.lines[1].reason.partition("-02-01")[2] == said
    assert "not matched" not in claim.lines[0].reason


def test_what_waits_is_bounded_as_if_it_were_due_and_what_fails_is_not() -> None:
    """Of a calendar year, half a service year passed and half not: the cap is for what may still be paid."""
    changes = {
        "claim_period": '"calendar_year"',
        "counted_on": '"service_year_start"',
        "rates": rate('value = "1"\nbase_at_most = { value = "1" }'),
    }
    capped = town(
        **changes,
        caps='[{ from = 2021-01-01, value = "4", clause = "2" }]',
        floors='[{ from = 2021-01-01, value = "2", clause = "2" }]',
        **PASS,
    )  # type: ignore[arg-type]
    there = registry("2021-07-01")
    for results, due, possible, status in (
        ((), [0], [400], Status.PENDING),
        ((Assessment("a", 2022, "pass", D("2023-01-09")),), [200, 200], [200, 200], Status.DUE),
        ((Assessment("a", 2022, "fail", D("2023-01-09")),), [0, 0], [0, 0], Status.NOTHING),
    ):
        (claim,) = claims(capped, there, *results, window="2022")
        assert (claim.status, claim.amount_fen, claim.potential_fen) == (status, sum(due), sum(possible))


# --- who and when ---


@pytest.mark.parametrize(
    ("gate", "results", "facts", "kind", "decided"),
    [
        ({}, (), (), "service_year", None),
        (PASS, (("a", 1, "2022-01-09"),), (), "service_year", "2022-01-09"),
        (PASS, (("a", 1, "2021-06-09"),), (), "service_year", "2021-06-09"),
        (PASS, (), (), "service_year", None),
        ({}, (("a", 1, "2022-01-09"),), (), "service_year", None),  # which no gate asks for
        (GRADE, (("a", 1, "2022-01-09"),), (("grade", "good", "1", "2022-02-09"),), "service_year", "2022-02-09"),
        (GRADE, (), (("grade", "good", "1", "2021-05-09"),), "service_year", "2021-05-09"),  # of the period
        (GRADE, (), (("grade", "good", "1", None),), "service_year", None),
        ({}, (), (("need", "1", "", "2021-05-09"),), "service_year", "2022-01-01"),  # stands for ever: the period's end
        ({}, (), (("need", "1", "", "2022-05-09"),), "service_year", "2022-05-09"),
        ({}, (), (("need", "1", "", "2021-05-09"),), "once", "2021-05-09"),
        ({}, (), (("need", "1", "", "2021-01-09"),), "once", "2021-01-09"),  # before its month has ended
        ({}, (), (("need", "1", "", "2021-05-09"), ("cost", "1", "", "2021-06-09")), "once", "2021-06-09"),
        (PASS, (("a", 1, "2021-02-09"),), (("need", "1", "", "2021-05-09"),), "service_year", "2021-05-09"),
        (PASS, (("a", 1, "2021-07-09"),), (("need", "1", "", "2021-05-09"),), "service_year", "2021-07-09"),
    ],
)  # fmt: skip
def test_the_day_of_decision(gate: dict[str, str], results: tuple[Any, ...], facts: tuple[Any, ...], kind: str, decided: str | None) -> None:  # fmt: skip
    needed = {name for name, *_ in facts} - {"grade"}
    most = "".join(f'\nbase_at_most = {{ value = "1", per = "{name}" }}' for name in needed & {"need"})
    cap = {"caps": '[{ from = 2021-01-01, value = "1", per = "cost", clause = "1" }]'} if "cost" in needed else {}
    document = town(rates=rate(f'value = "1"{most}'), claim_period=f'"{kind}"', **gate, **cap)
    there = registry(facts=tuple(fact(name, value, period, on) for name, value, period, on in facts))
    found = [Assessment(name, number, "pass", D(day)) for name, number, day in results]
    (claim,) = claims(document, there, *found, window="2021")
    assert claim.decided_on == (D(decided) if decided else None)
    early = bool(gate is PASS and claim.decided_on and found[0].result_on < date(2022, 1, 1))
    assert claim.warnings == ((f"assessed on {found[0].result_on}, before the period ended",) if early else ())


def test_a_result_on_the_day_after_the_period_is_not_early() -> None:
    for day, early in (("2021-12-31", True), ("2022-01-01", False)):
        (claim,) = claims(town(**PASS), None, Assessment("a", 1, "pass", D(day)), window="2021")
        assert bool(claim.warnings) is early


def test_a_notice_decides_a_claim_of_any_period() -> None:
    facts = '[facts.posted]\ntype = "date"\nof = "estate"\ntext = "posted"\nclause = "1"\n[facts.objection]\ntype = "yes_no"\nof = "estate"\ntext = "objection"\nclause = "1"\n'
    document = town(tail=facts, notice='{ days = 7, published_on = "posted", objection = "objection", clause = "1" }')
    there = registry(facts=(fact("posted", date(2021, 4, 1)), fact("objection", "no", on="2021-04-02")))
    assert claims(document, there, window="2021")[0].decided_on == date(2021, 4, 9)


@pytest.mark.parametrize(
    ("changes", "payee_class", "payee"),
    [
        ({}, "community", "community-a"),
        ({"payee": '"subject"'}, "estate", "a"),
        ({"payee": None, "pays_into": '"taken"'}, "street", "street"),
        ({"payee": '"city"', "pays_into": '"taken"'}, "city", "city"),
        ({"payee": '"agent"'}, "agent", ""),
    ],
)
def test_who_is_paid(changes: dict[str, str | None], payee_class: str, payee: str) -> None:
    tail = '[facts.agent]\ntype = "text"\nof = "estate"\ntext = "the agent"\nclause = "1"\n'
    tail += '[funds.taken]\ntitle = "taken"\nheld_by = ["street", "city"]\ncarry_forward = true\nprovenance = "fifo"\nclause = "1"\n[[funds.taken.permits]]\npurposes = ["award"]\npayee_classes = ["enterprise"]\nfrom = 2021-01-01\nclause = "1"\n'
    (claim,) = claims(town(tail=tail, **changes), window="2021")
    last = payee.rpartition("/")[2]
    assert (claim.payee_class, claim.payee.rpartition("/")[2]) == (payee_class, last)
    assert claim.booked == {"city", "district"}
    assert claim.status is (Status.DUE if payee else Status.PENDING)
    assert claim.lines[0].reason.startswith("no assessment" if payee else "waits for agent")
    waits = {"payee": '"agent"', "rates": rate(BY_YEAR)}
    ended = claims(town(tail=tail, **waits), window="2026")  # type: ignore[arg-type]
    assert [c.status for c in ended] == [Status.NOTHING]  # nobody is waited for


def test_what_a_claim_says_of_itself() -> None:
    proof, own, result = ("invoice", "2" * 64), ("invoice", "1" * 64), ("report", "3" * 64)
    document = town(rates=rate(unit="CNY/need/once"), **PASS)
    there = registry(
        facts=(fact("need", "2", evidence=(proof, own)), fact("cost", "2", evidence=(("unasked", "4" * 64),)))
    )
    (claim,) = claims(document, there, Assessment("a", 1, "pass", D("2022-01-09"), evidence=(result,)), window="2021")
    assert claim.evidence == (own, proof, result)
    assert (claim.document, claim.provision_id, claim.number, claim.period_key, claim.part) == (
        "town",
        "award",
        1,
        "1",
        "",
    )
    assert (claim.policy_digest, claim.registry_digest) == (document.digest, there.digest)
    assert claim.provision is document.provision("award")
    assert claim.subject == there.subject("a")
    assert claim.lines[0].subject_id == "a"
    assert claim.lines[0].shares[0].holder == "city"


WARN = '[[requirements]]\nfact = "{fact}"\nat_least = "3"\notherwise = "{otherwise}"\nclause = "2"\n{more}\n'


@pytest.mark.parametrize(
    ("otherwise", "more", "need", "outcome", "warnings"),
    [
        ("warn", "", "2", Outcome.DUE, ("need is 2; wanted at least 3 [2]",)),
        ("warn", "", "3", Outcome.DUE, ()),
        ("warn", "", None, Outcome.DUE, ("need is not known; wanted at least 3 [2]",)),
        ("warn", 'provisions = ["other"]', "2", Outcome.DUE, ()),
        ("warn", 'provisions = ["award"]', "2", Outcome.DUE, ("need is 2; wanted at least 3 [2]",)),
        ("refuse", "", "2", Outcome.INELIGIBLE, ()),
        ("refuse", "", "3", Outcome.DUE, ()),
        ("refuse", "", None, Outcome.PENDING, ()),
        ("refuse", 'provisions = ["other"]', "2", Outcome.DUE, ()),
        ("hold", "", "2", Outcome.PENDING, ()),
    ],
)
def test_requirements(otherwise: str, more: str, need: str | None, outcome: Outcome, warnings: tuple[str, ...]) -> None:
    facts = (fact("need", need),) if need else ()
    asked = WARN.format(fact="need", otherwise=otherwise, more=more)
    text = asked.replace('"other"', '"award"')
    document = town(tail=text * 2)  # said twice, warned once
    if "other" in more:
        rules = tuple(rule.model_copy(update={"provisions": ("other",)}) for rule in document.requirements)
        document = document.model_copy(update={"requirements": rules})
    (claim,) = claims(document, registry(facts=facts), window="2021")
    assert (claim.lines[0].outcome, claim.warnings) == (outcome, warnings)


WORK, PART = (Subject(name, kind, name, units, date(2021, 3, 16), parent=parent) for name, kind, units, parent in (
    ("w", "work", {"estate": "a", "street": "street", "community": "community-a", "city": "city", "district": "district"}, ""),
    ("p", "part", {"estate": "a", "street": "street", "community": "community-a", "city": "city", "district": "district"}, "w"),
))  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "units", "reached"),
    [
        ("estate", {"estate": "a"}, {"need", "household", "flag"}),
        ("work", {"estate": "a"}, {"need", "household", "flag", "size"}),
        ("work", {"street": "s"}, {"need", "flag", "size"}),
        ("part", {"estate": "a"}, {"need", "household", "flag", "size", "length"}),
        ("part", {}, {"need", "flag", "size", "length"}),
        ("street", {"street": "s"}, {"flag"}),
    ],
)
def test_the_requirements_whose_facts_a_subject_can_have(kind: str, units: dict[str, str], reached: set[str]) -> None:
    tail = "".join(
        f'[facts.{name}]\ntype = "number"\nof = "{of}"\ntext = "{name}"\nclause = "1"\n'
        for name, of in (("size", "work"), ("length", "part"))
    )
    tail += '[derived.flag]\nclause = "1"\ntext = "flag"\nsum_of = ["need", "household"]\n'
    tail += "".join(
        WARN.format(fact=name, otherwise="warn", more="") for name in ("need", "household", "flag", "size", "length")
    )
    tried = walk(town(tail=tail))
    found = tried.requirements(a("2021-01-01", kind=kind, units=units))
    assert {rule.fact for rule in found} == reached


# --- one claim for many ---


def several() -> Registry:
    estates = {
        name: make_estate(name, service_start=D(day))
        for name, day in (("a", "2021-01-01"), ("b", "2021-07-16"), ("c", "2022-03-01"))
    }
    counts = {name: Headcount.from_changes({date(2000, 1, 1): 100}) for name in estates}
    facts = Facts(
        [
            fact("need", "2", on="2022-02-01", of="a", evidence=(("x", "1" * 64),)),
            fact("need", "3", on="2022-03-01", of="b", evidence=(("y", "2" * 64),)),
            fact("need", "4", of="c"),
        ]
    )
    return Registry.build(estates, counts, facts=facts)


def at_once() -> Registry:
    estates = {name: make_estate(name, declared_households=100) for name in ("a", "b")}
    return Registry.build(estates, {})


def test_one_claim_for_all_of_a_street() -> None:
    document = town(
        claim_period='"calendar_year"', claim_per='"street"', payee='"street"', rates=rate(unit="CNY/need/month")
    )
    first, second = claims(document, several(), window="2021-01..2022-12")
    assert (first.claim_id, first.number, first.payee, first.payee_class) == (
        "town/award/street/street/2021",
        2021,
        "street",
        "street",
    )
    assert [(line.subject_id, str(line.months), line.amount_fen) for line in first.lines] == [
        ("a", "2021-01..2021-12", 4800), ("b", "2021-07..2021-12", 3600),
    ]  # fmt: skip
    assert (str(first.months), first.subject.subject_id, first.decided_on) == (
        "2021-01..2021-12",
        "street/street",
        date(2022, 3, 1),
    )
    assert first.evidence == (("x", "1" * 64), ("y", "2" * 64))
    assert (second.number, second.amount_fen, str(second.months)) == (2022, 200 * (24 + 36 + 40), "2022-01..2022-12")
    late = claims(document, replace(several(), estates=several().estates), window="2021-02..2021-12")
    assert list(late) == []  # which began before


def test_the_months_of_a_claim_for_many_are_those_of_all() -> None:
    document = town(claim_period='"calendar_year"', claim_per='"street"', payee='"street"')
    estates = {
        name: make_estate(name, service_start=D(day), service_end=D(end) if end else None, declared_households=100)
        for name, day, end in (("b", "2021-03-01", None), ("c", "2021-02-01", "2021-05-01"))
    }
    (claim,) = claims(document, Registry.build(estates, {}), window="2021")
    assert str(claim.months) == "2021-02..2021-12"


def test_what_belongs_to_nothing_has_no_claim_with_others() -> None:
    document = town(claim_period='"calendar_year"', claim_per='"work"', payee='"street"', each='"part"')
    there = registry(subjects=(WORK, PART))
    (claim,) = claims(document, there, window="2021")
    assert (claim.subject, claim.lines[0].subject_id) == (there.subject("w"), "p")
    with pytest.raises(CaseError, match="part q belongs to no work") as caught:
        claims(
            document, registry(subjects=(WORK, PART, replace(PART, subject_id="q", parent="", row=7))), window="2021"
        )
    assert "subjects.csv, row 7" in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "decided", "early"),
    [
        ("2022-01-05", "2022-01-09", "2022-01-09", ()),
        ("2022-01-09", "2022-01-05", "2022-01-09", ()),
        ("2021-12-31", "2022-01-09", "2022-01-09", ("assessed on 2021-12-31, before the period ended",)),
        ("2022-01-05", None, "2022-01-05", ()),
        (None, None, None, ()),
    ],
)
@pytest.mark.parametrize("kind", ["calendar_year", "service_year"])
def test_one_claim_for_many_rests_on_the_result_of_each(kind: str, first: str | None, second: str | None, decided: str | None, early: tuple[str, ...]) -> None:  # fmt: skip
    """It is decided when the last of them is: from that day the time limit for payment runs."""
    document = town(claim_period=f'"{kind}"', claim_per='"street"', payee='"street"', **PASS)
    evidence = (("x", "1" * 64),)
    number = 2021 if kind == "calendar_year" else 1
    told = (("a", "pass", first, evidence), ("b", "fail", second, ()))
    results = [Assessment(name, number, result, D(day), evidence=proof) for name, result, day, proof in told if day]
    there = several() if kind == "calendar_year" else at_once()
    (claim,) = claims(document, there, *results, window="2021")
    outcomes = [Outcome.DUE if first else Outcome.PENDING, Outcome.FAILED if second else Outcome.PENDING]
    assert [line.outcome for line in claim.lines] == outcomes
    assert claim.decided_on == (D(decided) if decided else None)
    assert claim.warnings == early
    assert claim.evidence == (evidence if first else ())


def test_what_a_provision_does_not_apply_to_makes_no_claim() -> None:
    document = town(applies_to='[{ fact = "need", at_least = "3" }]')
    for need, status in (("3", Status.DUE), (None, Status.PENDING)):
        facts = (fact("need", need),) if need else ()
        assert [claim.status for claim in claims(document, registry(facts=facts), window="2021")] == [status]
    assert list(claims(document, registry(facts=(fact("need", "2"),)), window="2021")) == []


def test_a_view_is_of_its_period_and_day() -> None:
    there, result = registry(), Assessment("a", 2, "pass", D("2023-01-01"))
    tried = walk(town(**PASS), there, (result,))
    view = tried.view(there.subject("a"), 2, date(2022, 5, 1), M("2022-05"))
    assert isinstance(view, View)
    assert (view.document, view.registry, view.assessments) == (tried.document, there, tried.assessments)
    assert (view.subject, view.period, view.counted, view.assessment) == (
        there.subject("a"),
        "2",
        date(2022, 5, 1),
        result,
    )
    assert view.ranks is tried.ranks


@pytest.mark.parametrize(
    ("gate", "weights", "assessed"),
    [
        (None, None, False),
        ("assessment", None, True),
        ("grade", None, False),
        (None, "score", True),
        (None, "m2", False),
    ],
)
def test_whether_the_result_of_an_assessment_decides(gate: str | None, weights: str | None, assessed: bool) -> None:
    rule: Any = town(**(PASS if gate == "assessment" else GRADE if gate else {})).provision("award")
    tried = replace(walk(), provision=rule.model_copy(update={"weights": weights}))
    assert tried.assessed is assessed


def test_a_period_that_it_does_not_apply_to_leaves_the_others() -> None:
    document = town(applies_to='[{ fact = "grade", is = ["good"] }]')
    facts = tuple(fact("grade", value, period) for period, value in (("1", "good"), ("2", "bad"), ("3", "good")))
    assert [claim.number for claim in claims(document, registry(facts=facts), window="2021-01..2023-12")] == [1, 3]


def test_it_applies_by_the_households_of_the_first_run() -> None:
    document = town(applies_to='[{ fact = "household", at_least = "101" }]', counted_on='"month_start"')
    for came, number in (("2021-01-01", 1), ("2021-01-02", 0)):
        assert len(list(claims(document, registry(came={came: 1}), window="2021"))) == number


def test_what_a_later_run_asks_for_counts_for_the_claim() -> None:
    """Only from the second service year on does the rate ask for what is needed."""
    tiers = """tiers = [
    { service_years = [1, 1], value = "3" },
    { service_years = [2, 9], when = [{ fact = "need", at_least = "1" }], value = "1" },
    ]"""
    proof = ("invoice", "1" * 64)
    there = registry("2021-07-01", facts=(fact("need", "1", on="2023-04-01", evidence=(proof,)),))
    (claim,) = claims(town(rates=rate(tiers), claim_period='"calendar_year"'), there, window="2022")
    assert [line.amount_fen for line in claim.lines] == [180000, 60000]
    assert (claim.evidence, claim.decided_on) == ((proof,), date(2023, 4, 1))


TAKEN = """
[funds.taken]
title = "taken"
held_by = ["community"]
carry_forward = true
provenance = "fifo"
clause = "1"

[[funds.taken.permits]]
purposes = ["refund"]
payee_classes = ["city", "district"]
into = "money"
from = 2021-01-01
clause = "1"
"""


def test_an_advance_of_what_the_claim_would_be() -> None:
    """Half of the calendar year 2026 lies in the last service year, and half after it."""
    advance = {"advance": '{ at_most = "1", clause = "1" }', "pays_into": '"taken"', "tail": TAKEN, "payee": None}
    document = town(rates=rate(BY_YEAR), claim_period='"calendar_year"', **advance, **PASS)
    first, settled = claims(document, registry("2021-07-01"), window="2026")
    assert (first.claim_id, first.part, first.amount_fen) == ("town/award/a/2026/advance", "advance", 60000)
    assert first.shares == {"city": 30000, "district": 30000}
    assert first.decided_on == date(2026, 1, 1)
    assert (settled.part, settled.status, settled.potential_fen) == ("", Status.PENDING, 0)
    passed, failed = (Assessment("a", 2026, result, D("2027-01-09")) for result in ("pass", "fail"))
    for result, fen, status in ((passed, 0, Status.NOTHING), (failed, -60000, Status.REFUND)):
        first, settled = claims(document, registry("2021-07-01"), result, window="2026")
        assert (first.amount_fen, settled.amount_fen, settled.status) == (60000, fen, status)


def test_a_cap_is_shared_by_what_is_paid() -> None:
    """Of months with too few households nothing is paid, and nothing of the cap is theirs."""
    asked = '[[requirements]]\nfact = "household"\nat_least = "101"\notherwise = "refuse"\nclause = "2"\n'
    for most, fen in (("3", 150), ("800", 40000), ("799", 39950)):  # 200 households x 2 yuan x 2 months are 800
        cap = f'[{{ from = 2021-01-01, value = "{most}", clause = "2" }}]'
        document = town(counted_on='"month_start"', caps=cap, tail=asked)
        (claim,) = claims(document, registry(came={"2021-10-02": 100}), window="2021")
        assert [line.amount_fen for line in claim.lines] == [0] * 10 + [fen] * 2
    assert [line.outcome for line in claim.lines] == [Outcome.INELIGIBLE] * 10 + [Outcome.DUE] * 2


def test_payers_of_a_condition_that_have_ended_end_no_others() -> None:
    few, many = (
        'when = [{ fact = "need", below = "1" }]\nuntil = 2022-01-01',
        'when = [{ fact = "need", at_least = "1" }]',
    )
    by = payers('city = "1"', more=many) + payers(more=few)
    document = town(by=by, anchor='"service_month"', rates=rate(unit="CNY/each/year"))
    (claim,) = claims(document, registry(facts=(fact("need", "1"),)), window="2022")
    assert claim.shares == {"city": 200}


def test_a_rate_that_is_paid_once_is_shared_by_the_months_of_its_runs() -> None:
    """Twelve yuan once, for a quarter whose first month has other payers than the rest."""
    document = town(
        rates=rate('value = "0.12"', "CNY/household/once"),
        claim_period='"quarter"',
        anchor='"service_month"',
        by=payers() + payers('city = "1"', start="2021-02-01"),
    )
    (claim,) = claims(document, window="2021-01")
    assert [(line.amount_fen, line.formula) for line in claim.lines] == [
        (400, "100 households x 0.12 x 1/3"), (800, "100 households x 0.12 x 2/3"),
    ]  # fmt: skip
    assert claim.shares == {"city": 200 + 800, "district": 200}


def test_a_score_that_warns_is_that_of_the_estate() -> None:
    document = town(
        claim_period='"calendar_year"',
        claim_per='"estate"',
        each='"work"',
        tail=WARN.format(fact="score", otherwise="warn", more=""),
    )
    result = Assessment("a", 2021, "pass", D("2022-01-09"), score=Fraction(2))
    (claim,) = claims(document, registry(subjects=(WORK,)), result, window="2021")
    assert claim.warnings == ("score is 2; wanted at least 3 [2]",)


def test_a_requirement_of_another_provision_hides_none_of_this_one() -> None:
    document = town(tail=WARN.format(fact="need", otherwise="warn", more='provisions = ["award"]') * 2)
    other, own = document.requirements
    rules = (other.model_copy(update={"provisions": ("other",)}), own)
    tried = walk(document.model_copy(update={"requirements": rules}))
    assert list(tried.requirements(a("2021-01-01"))) == [own]


@pytest.mark.parametrize(("mode", "fen"), [(Rounding.HALF_UP, 583333), (Rounding.DOWN, 583333), (Rounding.UP, 583334)])
def test_a_yearly_amount_for_some_months(mode: Rounding, fen: int) -> None:
    assert pro_rata(1_000_000, 7, mode) == fen


def test_a_place_among_all_is_asked_once_for_all() -> None:
    place = '[derived.place]\nclause = "1"\ntext = "place"\nrank_of = "need"\n'
    document = town(claim_period='"calendar_year"', counted_on='"12-31"', rates=rate(unit="CNY/place/once"), tail=place)
    found = claims(document, several(), window="2022")
    assert [(claim.subject.subject_id, claim.amount_fen) for claim in found] == [("a", 600), ("b", 400), ("c", 200)]
