"""Worked cases of a policy document: small sums that a person checked by hand, kept beside the document.

failures = check_worked_cases(document, text, source="new-city.cases.toml")
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BeforeValidator

from estate_funds.assess import Claim, assess
from estate_funds.calendar import Month, Months, parse_day
from estate_funds.money import format_yuan, parse_yuan
from estate_funds.policy import Document, Node, as_tuple, parse_toml
from estate_funds.registry import Assessment, Assessments, Estate, Headcount, Registry

Strings = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]


class WorkedCase(Node):
    """One case: an estate, its results, and what each of its claim periods must pay, in yuan."""

    name: str
    rules: Strings
    provision: str
    households: int
    changes: dict[str, int] = {}  # day -> net arrivals
    service_start: date
    service_end: date | None = None
    renovated_on: date | None = None
    results: Strings
    expected: Strings
    pending: Strings = ()
    shares: dict[str, str] = {}
    months: Strings = ()


class WorkedCases(Node):
    """The file: a list of cases."""

    cases: Annotated[tuple[WorkedCase, ...], BeforeValidator(as_tuple)]


def read_worked_cases(text: str, *, source: str) -> tuple[WorkedCase, ...]:
    """The cases of a file; PolicyError for a key that is none."""
    return parse_toml(WorkedCases, text, source=source).cases


def check_worked_case(document: Document, case: WorkedCase) -> list[str]:
    """Where the document does not give what the case says; empty when it does."""
    claims = _claims(document, case)
    got = {
        "expected": [format_yuan(c.amount_fen) for c in claims],
        "pending": [format_yuan(c.potential_fen - c.amount_fen) for c in claims],
        "months": [str(c.months) for c in claims],
    }
    wanted = {
        "expected": [format_yuan(parse_yuan(text)) for text in case.expected],
        "pending": [format_yuan(parse_yuan(text)) for text in case.pending],
        "months": list(case.months),
    }
    failures = [
        f"{case.name}: {key}: got {got[key]}, wanted {wanted[key]}" for key in got if wanted[key] not in ([], got[key])
    ]
    shares: dict[str, int] = {}
    for claim in claims:
        for payer, fen in claim.shares.items():
            shares[payer] = shares.get(payer, 0) + fen
    for payer, text in case.shares.items():
        if shares.get(payer) != parse_yuan(text):
            failures.append(f"{case.name}: {payer}: got {shares.get(payer)} fen, wanted {text} yuan")
    return failures


def _claims(document: Document, case: WorkedCase) -> list[Claim]:
    estate = Estate(
        estate_id="case",
        name="case",
        city="city",
        district="district",
        street="street",
        community="community",
        floor_area_centi_m2=8_000 * max(case.households, 1),
        buildings=1,
        completed_on=date(1990, 1, 1),
        service_start=case.service_start,
        service_end=case.service_end,
        renovated_on=case.renovated_on or date(2020, 12, 31),
    )
    changes = {date(1990, 1, 1): case.households} | {parse_day(day): net for day, net in case.changes.items()}
    registry = Registry.build({"case": estate}, {"case": Headcount.from_changes(changes)})
    results = Assessments(
        Assessment("case", number, result, date(case.service_start.year + number, 12, 31))
        for number, result in enumerate(case.results, start=1)
        if result
    )
    start = Month.of(case.service_start)
    window = Months(start, start + 12 * (len(case.expected) - 1) + 1)
    return list(assess(document, case.provision, registry, results, window=window))


def check_worked_cases(document: Document, text: str, *, source: str) -> list[str]:
    """Where the document does not give what its worked cases say; empty when all hold."""
    return [failure for case in read_worked_cases(text, source=source) for failure in check_worked_case(document, case)]
