"""Strategies of registers and dated facts: estates, cohorts, households by day, facts, assessments, ballots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Protocol

from hypothesis import strategies as st

from estate_funds.ballots import CHANNELS, CHOICES, Ballot
from estate_funds.calendar import Month, Months, service_year_months
from estate_funds.policy import Document, Provision
from estate_funds.registry import (
    CENTI_M2,
    Assessment,
    Assessments,
    Estate,
    Fact,
    Facts,
    Headcount,
    Household,
    Registry,
    Value,
)
from estate_funds.testing.strategies.values import FIRST_DAY, LAST_DAY, check_range, days, refuse_unless

_M2 = (80, 60, 15, 1_000)  # of a household: usual ones, and the bounds of what is plausible
_COMPLETED = date(1990, 1, 1)
_PLACES = 6
_IDS = tuple(f"estate-{number}" for number in range(1, 100))


class Version(Protocol):
    """A dated version of a value, as the rates of a provision are."""

    @property
    def start(self) -> date:
        """The first day in force."""

    @property
    def until(self) -> date | None:
        """The first day no longer in force."""


def estates(
    *, min_day: date = FIRST_DAY, max_day: date = date(2023, 12, 31), max_households: int = 500
) -> st.SearchStrategy[Estate]:
    """Estates whose service starts from `min_day` to `max_day`, with declared households and a plausible area.

    Units of one name lie in one place, whichever estates are drawn together. Shrinks to one household of 80 m2 in one
    building, served from `min_day` on without an end.

    >>> from estate_funds.testing.strategies import simplest
    >>> estate = simplest(estates(), lambda estate: estate.service_end is not None)
    >>> estate.declared_households, str(estate.service_start), str(estate.service_end)
    (1, '2021-01-01', '2021-01-02')
    """
    check_range(1, max_households, "estates, households", least=1)
    return _estates(st.sampled_from(_IDS), days(min_day=min_day, max_day=max_day), max_households)


@st.composite
def _estates(
    draw: st.DrawFn, ids: st.SearchStrategy[str], starts: st.SearchStrategy[date], max_households: int
) -> Estate:
    estate_id, start = draw(ids), draw(starts)
    households = draw(st.integers(1, max_households))
    place, served = draw(st.integers(0, _PLACES - 1)), draw(st.integers(0, 3_000))
    renovated, office = draw(st.integers(0, 4)), draw(st.integers(0, 2))
    return Estate(
        estate_id=estate_id,
        name=f"院{estate_id.rpartition('-')[2]}",
        city="南昌市",
        district=f"district-{1 + place % 2}",
        street=f"street-{1 + place % 4}",
        community=f"community-{1 + place % 4}-{1 + place}",
        floor_area_centi_m2=households * CENTI_M2 * _M2[draw(st.integers(0, len(_M2) - 1))],
        buildings=1 + draw(st.integers(0, 8)),
        completed_on=_COMPLETED,
        service_start=start,
        service_end=start + timedelta(days=served) if served else None,
        gate=("open", "closed", "mixed")[draw(st.integers(0, 2))],
        renovated_on=(None, _COMPLETED, start, date(2022, 12, 31), date(2023, 1, 1))[renovated],
        office_area_centi_m2=(None, 120_00, 119_99)[office],
        declared_households=households,
    )


def cohorts(
    *,
    versions: Sequence[Version] = (),
    min_size: int = 1,
    max_size: int = 4,
    min_day: date = FIRST_DAY,
    max_day: date = date(2023, 12, 31),
) -> st.SearchStrategy[tuple[Estate, ...]]:
    """Estates of different ids that enrol in one month, under one of `versions`, such as a provision's rates.

    Shrinks to `min_size` estates that enrol on the first day of the first month.

    >>> from estate_funds.testing.strategies import simplest
    >>> cohort = simplest(cohorts(), lambda cohort: len(cohort) > 1)
    >>> [(estate.estate_id, str(estate.service_start)) for estate in cohort]
    [('estate-1', '2021-01-01'), ('estate-2', '2021-01-01')]
    """
    check_range(min_size, max_size, "cohorts", least=1)
    runs = [run for run in _runs(versions, min_day, max_day) if run[0] <= run[1]]
    refuse_unless(runs, f"cohorts: no version is in force from {min_day} to {max_day}")
    return st.sampled_from(runs).flatmap(lambda run: _cohorts(run, min_size, max_size))


def _runs(versions: Sequence[Version], min_day: date, max_day: date) -> list[tuple[date, date]]:
    """From which day to which each version is in force; all days, where there is none."""
    if not versions:
        return [(min_day, max_day)]
    following = [*(version.start for version in versions[1:]), None]
    ends = [(one.until, after) for one, after in zip(versions, following, strict=True)]
    lasts = [min([max_day, *(end - timedelta(days=1) for end in pair if end)]) for pair in ends]
    return [(max(min_day, version.start), last) for version, last in zip(versions, lasts, strict=True)]


@st.composite
def _cohorts(draw: st.DrawFn, run: tuple[date, date], min_size: int, max_size: int) -> tuple[Estate, ...]:
    month = Month.of(draw(days(min_day=run[0], max_day=run[1])))
    enrolled = days(min_day=max(run[0], month.first_day), max_day=min(run[1], month.last_day))
    ids = _IDS[: draw(st.integers(min_size, max_size))]
    return tuple(draw(_estates(st.just(estate_id), enrolled, 500)) for estate_id in ids)


def registries(
    *,
    estates: st.SearchStrategy[Sequence[Estate]] | None = None,
    min_size: int = 1,
    max_size: int = 4,
    headcounts: bool = True,
    document: Document | None = None,
) -> st.SearchStrategy[Registry]:
    """Registers of estates, with the facts that a document asks for, each known of an estate or not.

    `estates` draws the estates of a register, such as `cohorts()`; by default, so many of `estates()`. With
    `headcounts`, some registers count households by day, who come and go, and some have the declared numbers alone.

    Shrinks to one estate of one household, declared, and no fact.

    >>> from estate_funds.testing.strategies import simplest
    >>> registry = simplest(registries(), lambda registry: registry.totals["households"] > 2)
    >>> len(registry.estates), registry.totals["households"], len(registry.headcounts), len(registry.facts)
    (1, 3, 0, 0)
    """
    check_range(min_size, max_size, "registries", least=0)
    drawn = estates if estates is not None else _differing(min_size, max_size)
    return _registries(drawn, headcounts, document)


@st.composite
def _differing(draw: st.DrawFn, min_size: int, max_size: int) -> tuple[Estate, ...]:
    starts = days(max_day=date(2023, 12, 31))
    ids = _IDS[: draw(st.integers(min_size, max_size))]
    return tuple(draw(_estates(st.just(estate_id), starts, 500)) for estate_id in ids)


@st.composite
def _registries(
    draw: st.DrawFn, drawn: st.SearchStrategy[Sequence[Estate]], headcounts: bool, document: Document | None
) -> Registry:
    found = draw(drawn)
    counted = headcounts and draw(st.integers(0, 1))
    counts = {estate.estate_id: draw(_headcounts(estate)) for estate in found} if counted else {}
    facts = Facts(draw(_facts(found, document))) if document is not None else Facts()
    return Registry.build({estate.estate_id: estate for estate in found}, counts, facts=facts)


@st.composite
def _headcounts(draw: st.DrawFn, estate: Estate) -> Headcount:
    """All there on the first day of service; later, some come and some go."""
    present = estate.declared_households or 0
    changes = {estate.service_start - timedelta(days=draw(st.integers(0, 400))): present}
    day = estate.service_start
    for _ in range(draw(st.integers(0, 4))):
        day += timedelta(days=draw(st.integers(1, 500)))
        change = draw(st.integers(-min(present, 20), 20))
        present += change
        changes[day] = change
    return Headcount.from_changes(changes)


@st.composite
def _facts(draw: st.DrawFn, found: Sequence[Estate], document: Document) -> list[tuple[str, str, str, Fact]]:
    """A value, or none, of each fact that a document asks of each estate once and for all."""
    rows: list[tuple[str, str, str, Fact]] = []
    for name, rule in document.facts.items():
        for estate in found if rule.of == "estate" and not rule.each_period else ():
            value = _value(draw, rule.type, rule.values)
            if value is not None:
                rows.append((estate.estate_id, name, "", Fact(value, estate.service_start, "facts.csv")))
    return rows


def _value(draw: st.DrawFn, kind: str, values: Sequence[str]) -> Value | None:
    number = draw(st.integers(0, 1_000))
    choices: Mapping[str, Value] = {
        "yes_no": ("yes", "no")[number % 2],
        "choice": values[number % len(values)] if values else "",
        "date": FIRST_DAY + timedelta(days=number),
        "text": f"某某{number}",
        "share": Fraction(number, 1_000),
    }
    return choices.get(kind, Fraction(number * 101, 100)) if number else None


def households(
    among: Sequence[Estate], *, min_size: int = 0, max_size: int = 12, max_day: date = LAST_DAY
) -> st.SearchStrategy[tuple[Household, ...]]:
    """Rows of a household file for these estates, which `count_households` reads: some of them were removed again.

    Shrinks to `min_size` households of the first estate, registered on the first day of service and never removed.

    >>> from datetime import date
    >>> from estate_funds.testing.strategies import simplest
    >>> estate = simplest(estates())
    >>> rows = simplest(households([estate]), lambda rows: any(row.removed_on for row in rows))
    >>> [(row.household_id, str(row.registered_on), str(row.removed_on)) for row in rows]
    [('household-1', '2021-01-01', '2021-01-02')]
    """
    refuse_unless(among, "households: wanted the estates that they belong to")
    check_range(min_size, max_size, "households", least=0)
    return _households(tuple(among), min_size, max_size, max_day)


@st.composite
def _households(
    draw: st.DrawFn, among: tuple[Estate, ...], min_size: int, max_size: int, max_day: date
) -> tuple[Household, ...]:
    rows = []
    for number in range(1, draw(st.integers(min_size, max_size)) + 1):
        estate = among[draw(st.integers(0, len(among) - 1))]
        registered = draw(days(min_day=estate.service_start, max_day=max(max_day, estate.service_start)))
        stays = draw(st.integers(0, 1_000))
        removed = registered + timedelta(days=stays) if stays else None
        rows.append(Household(f"household-{number}", estate.estate_id, registered, removed, number))
    return tuple(rows)


_RESULTS = ("missing", "pass", "fail", "late")


def assessments(
    registry: Registry,
    *,
    provision: Provision | None = None,
    numbers: Sequence[int] | None = None,
    scores: bool = True,
) -> st.SearchStrategy[Assessments]:
    """Results of the estates of a register: passed or failed soon after the period, passed years later, or missing.

    `provision` says which words pass and fail, and whether `numbers` are service years (1 to 6 by default) or calendar
    years (2021 to 2026); without one, results are `pass` and `fail` of service years. With `scores` each has a score.

    Shrinks to no result at all.

    >>> from estate_funds.testing.strategies import simplest
    >>> registry = simplest(registries())
    >>> results = simplest(assessments(registry), lambda results: ("estate-1", 2) in results)
    >>> [(one.subject_id, one.period, one.result, str(one.result_on)) for one in results.values()]
    [('estate-1', 2, 'pass', '2023-01-01')]
    """
    gate = provision.gate if provision is not None else None
    words = (gate.passes[0], gate.fails[0]) if gate is not None else ("pass", "fail")
    by_service = provision is None or provision.claim_period == "service_year"
    numbered = tuple(numbers if numbers is not None else range(1, 7) if by_service else range(2021, 2027))
    refuse_unless(
        all(type(number) is int and number >= 1 for number in numbered), f"assessments: no periods: {numbers!r}"
    )
    return _assessments(registry, numbered, words, by_service, scores)


@st.composite
def _assessments(
    draw: st.DrawFn, registry: Registry, numbers: Sequence[int], words: tuple[str, str], by_service: bool, scores: bool
) -> Assessments:
    rows: list[Assessment] = []
    for estate in registry.estates.values():
        for number in numbers:
            said = _RESULTS[draw(st.integers(0, len(_RESULTS) - 1))]
            if said == "missing":
                continue
            first = Month.of(estate.service_start)
            period = service_year_months(first, number) if by_service else Months.calendar_year(number)
            soon = max(period.end.first_day, estate.service_start + timedelta(days=1))
            day = soon + timedelta(days=draw(st.integers(0, 60)) + 700 * (said == "late"))
            score = Fraction(draw(st.integers(0, 100))) if scores else None
            word = words[1] if said == "fail" else words[0]
            rows.append(Assessment(estate.estate_id, number, word, day, score, len(rows) + 1))
    return Assessments(rows)


def ballots(
    *,
    vote: str = "vote-1",
    opens: date = FIRST_DAY,
    closes: date = date(2021, 1, 31),
    max_owners: int = 5,
    max_size: int = 12,
) -> st.SearchStrategy[tuple[Ballot, ...]]:
    """Ballots of one vote that `tally` can count: of owners who vote twice, too early, too late, or invalidly.

    Shrinks to none.

    >>> from estate_funds.testing.strategies import simplest
    >>> found = simplest(ballots(), lambda found: any(ballot.choice == "abstain" for ballot in found))
    >>> [(ballot.owner, ballot.area_centi_m2, ballot.channel, str(ballot.cast_on)) for ballot in found]
    [('owner-1', 1, 'meeting', '2021-01-01')]
    """
    refuse_unless(opens < closes, f"ballots: wanted opens before closes, got {opens} and {closes}")
    check_range(1, max_owners, "ballots, owners", least=1)
    check_range(0, max_size, "ballots", least=0)
    return _ballots(vote, opens, closes, max_owners, max_size)


@st.composite
def _ballots(
    draw: st.DrawFn, vote: str, opens: date, closes: date, max_owners: int, max_size: int
) -> tuple[Ballot, ...]:
    areas = [draw(st.integers(1, 50_000)) for _ in range(draw(st.integers(1, max_owners)))]
    cast = []
    for number in range(draw(st.integers(0, max_size))):
        owner = draw(st.integers(0, len(areas) - 1))
        day = opens + timedelta(days=draw(st.integers(0, (closes - opens).days + 2)))
        early = draw(st.integers(0, 3)) == 3
        cast.append(
            Ballot(
                vote,
                f"owner-{owner + 1}",
                areas[owner],
                CHANNELS[draw(st.integers(0, len(CHANNELS) - 1))],
                opens - timedelta(days=1) if early else day,
                CHOICES[draw(st.integers(0, len(CHOICES) - 1))],
                number,
            )
        )
    return tuple(cast)
