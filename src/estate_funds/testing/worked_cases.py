"""Worked cases of a policy document: small sums that a person checked by hand, kept beside the document.

failures = check_worked_cases(document, text, source="new-city.cases.toml")

A case has one estate, `case`, and what else it lists. Either it says what each service year of that estate pays
(`results`, `expected`), or what each claim pays (`claims`), by `<subject>/<period>` as in the claim's id; or what its
facts come to (`judged`), by `<subject>/<fact>`, where a document moves no money.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from estate_funds.assess import Claim, Claims, apply_limits, assess
from estate_funds.calendar import Month, Months, parse_day
from estate_funds.duties import judgements
from estate_funds.errors import CaseError, EstateFundsError
from estate_funds.exchange.facts import parse_fact
from estate_funds.exchange.tables import parse_number
from estate_funds.money import format_yuan, parse_yuan
from estate_funds.policy import Document, NearDay, Node, as_tuple, bind, parse_toml
from estate_funds.registry import (
    Assessment,
    Assessments,
    Estate,
    Fact,
    Facts,
    Headcount,
    Registry,
    Subject,
    estate_subject,
)

Strings = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
CASE = "case"  # the id of the one estate


class WorkedSubject(Node):
    """Something else that the case pays for; in the estate, unless it says elsewhere."""

    id: str
    kind: str
    on: NearDay
    until: NearDay | None = None
    parent: str = ""
    level: Literal["estate", "community", "street", "district", "city"] = "estate"


class WorkedResult(Node):
    """The result of an assessment, by `assessments`."""

    subject: str = CASE
    period: int
    result: str
    result_on: NearDay
    score: str = ""


class WorkedCase(Node):
    """One case: an estate, other subjects, facts and results, and what each claim must pay, in yuan.

    `facts` are by subject (`case` for the estate, `street/street` for its street), then by name, or `name@period`.
    `status` and `because` hold a claim's status and words of the reasons of its lines; `refused` the words of an error.
    """

    name: str
    rules: Strings
    provision: str = ""
    provisions: Strings = ()
    settings: dict[str, Any] = {}
    households: int = 100
    floor_area_m2: int | None = None
    changes: dict[str, int] = {}  # day -> net arrivals
    completed_on: NearDay = date(1990, 1, 1)
    gate: Literal["open", "closed"] = "open"
    service_start: NearDay
    service_end: NearDay | None = None
    renovated_on: NearDay | None = None
    results: Strings = ()
    subjects: Annotated[tuple[WorkedSubject, ...], BeforeValidator(as_tuple)] = ()
    facts: dict[str, dict[str, str]] = {}
    areas: dict[str, str] = {}  # household -> m2
    known_on: NearDay | None = None
    assessments: Annotated[tuple[WorkedResult, ...], BeforeValidator(as_tuple)] = ()
    first: str = ""
    last: str = ""
    expected: Strings = ()
    pending: Strings = ()
    shares: dict[str, str] = {}
    months: Strings = ()
    claims: dict[str, str] = Field(default={}, description="claim -> yuan due")
    status: dict[str, str] = {}
    because: dict[str, str] = {}
    judged: dict[str, str] = Field(default={}, description="subject/fact, or subject/fact@period -> what it comes to")
    refused: str = ""


class WorkedCases(Node):
    """The file: a list of cases."""

    cases: Annotated[tuple[WorkedCase, ...], BeforeValidator(as_tuple)]


def read_worked_cases(text: str, *, source: str) -> tuple[WorkedCase, ...]:
    """The cases of a file; PolicyError for a key that is none."""
    return parse_toml(WorkedCases, text, source=source).cases


def check_worked_case(document: Document, case: WorkedCase) -> list[str]:
    """Where the document does not give what the case says; empty when it does."""
    if case.refused:
        return _refused(document, case)
    failures = list(_judged(document, case))
    if case.judged and not _provisions(case):
        return failures
    claims = worked_claims(document, case)
    failures += [*_by_year(case, claims), *_by_claim(case, claims)]
    shares: dict[str, int] = {}
    for claim in claims:
        for payer, fen in claim.shares.items():
            shares[payer] = shares.get(payer, 0) + fen
    for payer, text in case.shares.items():
        if shares.get(payer, 0) != parse_yuan(text):
            failures.append(f"{case.name}: {payer}: got {shares.get(payer)} fen, wanted {text} yuan")
    return failures


def _refused(document: Document, case: WorkedCase) -> list[str]:
    try:
        worked_claims(document, case)
    except EstateFundsError as error:
        return [] if case.refused in str(error) else [f"{case.name}: refused with {error}, wanted {case.refused!r}"]
    return [f"{case.name}: nothing was refused, wanted {case.refused!r}"]


def _by_year(case: WorkedCase, claims: Claims) -> Iterator[str]:
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
    for key in got:
        if wanted[key] not in ([], got[key]):
            yield f"{case.name}: {key}: got {got[key]}, wanted {wanted[key]}"


def _by_claim(case: WorkedCase, claims: Claims) -> Iterator[str]:
    """By the end of the claim's id: `<subject>/<period>`, or with the provision before it."""
    for name in {**case.claims, **case.status, **case.because}:
        found = [c for c in claims if c.claim_id.endswith(f"/{name}")]
        if len(found) != 1:
            yield f"{case.name}: {len(found)} claims {name!r} among {[c.claim_id for c in claims]}"
            continue
        claim = found[0]
        if name in case.claims and claim.amount_fen != parse_yuan(case.claims[name]):
            yield f"{case.name}: {name}: got {format_yuan(claim.amount_fen)}, wanted {case.claims[name]}"
        if name in case.status and claim.status.value != case.status[name]:
            yield f"{case.name}: {name}: got {claim.status}, wanted {case.status[name]}"
        reasons = [line.reason for line in claim.lines] + list(claim.warnings)
        if name in case.because and not any(case.because[name] in reason for reason in reasons):
            yield f"{case.name}: {name}: got {reasons}, wanted {case.because[name]!r}"


def _judged(document: Document, case: WorkedCase) -> Iterator[str]:
    if not case.judged:
        return
    document = _bound(document, case)
    found = judgements(document, _registry(document, case), _results(case), today=case.service_start)
    words = {f"{j.subject.subject_id}/{j.fact}@{j.period}".removesuffix("@"): j.words for j in found if not j.otherwise}
    for name, wanted in case.judged.items():
        if words.get(name) != wanted:
            yield f"{case.name}: {name}: got {words.get(name)!r} among {sorted(words)}, wanted {wanted!r}"


def _provisions(case: WorkedCase) -> list[str]:
    return [*case.provisions, *([case.provision] if case.provision else [])]


def _bound(document: Document, case: WorkedCase) -> Document:
    examples = {n: s.stand_in for n, s in document.settings.items() if s.default is None}
    return bind(document, examples | case.settings)


def worked_claims(document: Document, case: WorkedCase) -> Claims:
    """The claims of a case, ceilings and once-only keys applied."""
    document = _bound(document, case)
    start = Month.of(case.service_start)
    if case.first:
        window = Months(Month.parse(case.first), Month.parse(case.last or case.first) + 1)
    else:
        window = Months(start, start + 12 * (len(case.expected) - 1) + 1)
    registry = _registry(document, case)
    results = _results(case)
    names = _provisions(case)
    if not names:
        raise CaseError(f"{case.name}: no provision", wanted="provision or provisions")
    claims: list[Claim] = [c for name in names for c in assess(document, name, registry, results, window=window)]
    return apply_limits(document, registry, results, claims)


def _results(case: WorkedCase) -> Assessments:
    return Assessments(
        [
            *(
                Assessment(CASE, number, result, date(case.service_start.year + number, 12, 31))
                for number, result in enumerate(case.results, start=1)
                if result
            ),
            *(_result(result) for result in case.assessments),
        ]
    )


def _result(result: WorkedResult) -> Assessment:
    score = parse_number(result.score) if result.score else None
    return Assessment(result.subject, result.period, result.result, result.result_on, score)


def _registry(document: Document, case: WorkedCase) -> Registry:
    area = case.floor_area_m2 * 100 if case.floor_area_m2 is not None else 8_000 * max(case.households, 1)
    estate = Estate(
        estate_id=CASE,
        name=CASE,
        city="city",
        district="district",
        street="street",
        community="community",
        floor_area_centi_m2=area,
        buildings=1,
        completed_on=case.completed_on,
        gate=case.gate,
        service_start=case.service_start,
        service_end=case.service_end,
        renovated_on=case.renovated_on or date(2020, 12, 31),
    )
    changes = {date(1990, 1, 1): case.households} | {parse_day(day): net for day, net in case.changes.items()}
    counts = {CASE: Headcount.from_changes(changes)}
    subjects = [_subject(estate, s) for s in case.subjects]
    facts = Facts(_facts(document, case))
    return Registry.build({CASE: estate}, counts, subjects=subjects, facts=facts)


def _subject(estate: Estate, subject: WorkedSubject) -> Subject:
    units = estate_subject(estate).units
    levels = list(units)[: list(units).index(subject.level) + 1]
    kept = {level: units[level] for level in levels}
    return Subject(subject.id, subject.kind, subject.id, kept, subject.on, subject.until, subject.parent)


def _facts(document: Document, case: WorkedCase) -> Iterator[tuple[str, str, str, Fact]]:
    for subject, told in case.facts.items():
        for key, text in told.items():
            name, _, period = key.partition("@")
            if name not in document.facts:
                raise CaseError(f"{case.name}: {document.id} asks for no fact {name!r}")
            value = parse_fact(document.facts[name], text, f"{case.name}, {subject}.{key}")
            yield subject, name, period, Fact(value, case.known_on, f"{case.name}, {subject}.{key}")
    for subject, text in case.areas.items():
        yield subject, "floor_area_m2", "", Fact(parse_number(text), None, case.name)


def check_worked_cases(document: Document, text: str, *, source: str) -> list[str]:
    """Where the document does not give what its worked cases say; empty when all hold."""
    return [failure for case in read_worked_cases(text, source=source) for failure in check_worked_case(document, case)]
