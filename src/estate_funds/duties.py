"""What is to be done and by when, and who meets what: deadlines, stages, rhythms, judgements. Values in, values out.

A *deadline* (时限) runs from one dated fact to another and is counted by Civil Code 201-203: the day that starts it is
not counted, a month ends on the corresponding day or the month's last, and a limit that ends on a rest day ends on the
next working day. A *stage* (阶段) holds from a day to a day; a day that two share belongs to the earlier. A *rhythm*
(周、月、季、年) recurs: each week on its weekday, each month, quarter and year on its last day; where that is a rest
day, on the next working day. It belongs to the period that it closes, so that a calendar year has 12, 4 or 1 of them,
also where the last falls due in January of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from itertools import zip_longest

from estate_funds.assess import View
from estate_funds.assess.view import Ranking, number_text, waits_for
from estate_funds.calendar import Month, Months, deadline, holidays_known, is_weekday
from estate_funds.errors import CellError
from estate_funds.policy import PERIODS, Document, Requirement
from estate_funds.policy.fences import Deadline, Rhythm, Stage
from estate_funds.registry import Assessments, Registry, Subject, Value

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
WEEK = timedelta(days=7)
# What only a single estate has; the other built-in facts can be asked of anything.
OF_ESTATES = ("completed_on", "renovated_on", "service_start", "gate", "office_area_m2")


class State(StrEnum):
    """Where a deadline stands on a day."""

    NOT_STARTED = "not started"  # the day that starts it is not known, or still ahead
    NOT_IN_FORCE = "not in force"  # the document did not hold on the day that would have started it
    OPEN = "open"
    MET = "met"
    LATE = "late"  # done, after the last day
    MISSED = "missed"  # not done, and the last day is over


@dataclass(frozen=True, slots=True)
class Due:
    """One deadline of one subject, for one period where its facts have each their own."""

    document: str
    name: str
    rule: Deadline
    subject: Subject
    period: str
    started_on: date | None
    due_on: date | None
    done_on: date | None
    state: State
    days: int = 0  # by which it is late, or overdue


@dataclass(frozen=True, slots=True)
class Ordered:
    """Two days that a document orders, as they are: the fact that comes first and its day, and the other with its."""

    document: str
    name: str
    clause: str
    text: str
    subject: Subject
    period: str
    first: tuple[str, date]
    then: tuple[str, date]


@dataclass(frozen=True, slots=True)
class Span:
    """A stage and the days that belong to it: `first` and `last` both count; no last day, it goes on."""

    document: str
    stage: Stage
    first: date
    last: date | None


@dataclass(frozen=True, slots=True)
class Occasion:
    """One time that a rhythm falls due: the day that it is set for, and the working day on which it is due."""

    document: str
    name: str
    rule: Rhythm
    set_for: date
    due_on: date


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a requirement, or a derived fact, comes to for one subject; None where something is not known."""

    document: str
    fact: str
    subject: Subject
    period: str
    value: Value | None
    met: bool | None  # of a requirement
    otherwise: str  # refuse, hold or warn; empty for a derived fact
    words: str
    clause: str


# --- deadlines ---


def deadlines(
    document: Document,
    registry: Registry,
    assessments: Assessments,
    *,
    today: date,
    working_day: Callable[[date], bool] = is_weekday,
    above: Sequence[Document] = (),
) -> Iterator[Due]:
    """Every deadline of a document for every subject that has it, as it stands on a day.

    `above` are documents that replace this one's deadlines of the same name where they hold on the day that starts it.
    What is dated after `today` has not happened yet.
    """
    asked = _Asked(document, registry, assessments, today)
    for name, rule in document.deadlines.items():
        for subject in (s for s in registry.of_kind(rule.of) if document.covers(s.units)):
            for period in asked.periods(subject, (rule.after, rule.done)):
                view = asked.view(subject, period)
                started, done = view.day(rule.after), view.day(rule.done)
                above_here = [d for d in above if name in d.deadlines and d.covers(subject.units)]
                if started is None or not any(d.in_force(started) for d in above_here):
                    state, due, days = _state(document, rule, started, done, today, working_day)
                    yield Due(document.id, name, rule, subject, period, started, due, done, state, days)


def _state(
    document: Document,
    rule: Deadline,
    started: date | None,
    done: date | None,
    today: date,
    working_day: Callable[[date], bool],
) -> tuple[State, date | None, int]:
    """State, last day, and the days by which that was missed."""
    if started is None or started > today:
        return State.NOT_STARTED, None, 0
    if not document.in_force(started):
        return State.NOT_IN_FORCE, None, 0
    due = deadline(started, days=rule.days or 0, months=rule.months or 0, working_day=working_day)
    if done is not None and done <= today:
        return (State.LATE, due, (done - due).days) if done > due else (State.MET, due, 0)
    return (State.MISSED, due, (today - due).days) if today > due else (State.OPEN, due, 0)


# --- orders ---


def orderings(document: Document, registry: Registry, assessments: Assessments, *, today: date) -> Iterator[Ordered]:
    """Every pair of days that a document orders, for every subject that has it and of which both are known.

    A deadline orders the day that starts it before the one that ends it; `[orders.NAME]` says of two facts which comes
    first. Only pairs of which neither day lies after `today`.
    """
    asked = _Asked(document, registry, assessments, today)
    pairs = [(n, r.of, r.after, r.done, r.clause, r.text) for n, r in document.deadlines.items()]
    pairs += [(n, r.of, r.first, r.then, r.clause, r.text) for n, r in document.orders.items()]
    for name, of, first, then, clause, text in pairs:
        for subject in (s for s in registry.of_kind(of) if document.covers(s.units)):
            for period in asked.periods(subject, document.behind((first, then))):
                view = asked.view(subject, period)
                one, other = _day_of(view, first), _day_of(view, then)
                if one is not None and other is not None and max(one, other) <= today:
                    yield Ordered(document.id, name, clause, text, subject, period, (first, one), (then, other))


def _day_of(view: View, name: str) -> date | None:
    """The day that a fact is, or else the last on which what it says was known; None where that is not known."""
    if view.document.fact_type(name) == "date":
        return view.day(name)
    view.days.clear()
    try:
        found = view.value(name)
    except CellError:
        return None
    return None if found is None else max(view.days.values(), default=None)


# --- stages and rhythms ---


def spans(document: Document) -> Iterator[Span]:
    """The stages of a document in order, each with the days that belong to it.

    A stage without `until` ends where the next begins.
    """
    ordered = sorted(document.stages, key=lambda stage: stage.start)
    taken = date.min
    for stage, following in zip_longest(ordered, ordered[1:]):
        end = stage.until or (following.start if following else None)
        first = max(stage.start, taken)
        if end is None or first < end:
            yield Span(document.id, stage, first, end and end - timedelta(days=1))
        taken = max(taken, end or date.max)


def stage_on(document: Document, day: date) -> Stage | None:
    """The stage that holds on a day, or None where none does; a shared day belongs to the earlier."""
    return next((s.stage for s in spans(document) if s.first <= day and (s.last is None or day <= s.last)), None)


def occasions(
    document: Document,
    first: date,
    last: date,
    *,
    working_day: Callable[[date], bool] = is_weekday,
    above: Sequence[Document] = (),
) -> Iterator[Occasion]:
    """Every time that a document's rhythms are set for, from the first day to the last, both included.

    A week without a working day left from its weekday on has no occasion of its own: the next week's stands for both.
    """
    for name, rule in document.rhythms.items():
        for day in _weekly(rule, first, last) if rule.every == "week" else _period_ends(rule, first, last):
            replaced = any(name in d.rhythms and d.in_force(day) for d in above)
            due = deadline(day, working_day=working_day)
            if document.in_force(day) and not replaced and (rule.every != "week" or due < day + WEEK):
                yield Occasion(document.id, name, rule, day, due)


def _weekly(rule: Rhythm, first: date, last: date) -> Iterator[date]:
    day = first + timedelta(days=(WEEKDAYS.index(rule.weekday or "monday") - first.weekday()) % 7)
    while day <= last:
        yield day
        day += WEEK


def _period_ends(rule: Rhythm, first: date, last: date) -> Iterator[date]:
    length = PERIODS[rule.every]
    ends = (m.last_day for m in Months(Month.of(first), Month.of(last) + 1) if m.month % length == 0)
    return (day for day in ends if first <= day <= last)


def unknown_years(days: Iterable[date | None]) -> tuple[int, ...]:
    """The years of some days whose holidays are not known: there, only weekends were counted as rest days."""
    years = {day.year for day in days if day is not None}
    return tuple(sorted(year for year in years if not holidays_known(date(year, 1, 1))))


# --- judgements ---


def judgements(document: Document, registry: Registry, assessments: Assessments, *, today: date) -> Iterator[Judgement]:
    """Every requirement and every derived fact of a document, for everything that can have it.

    A fact that each period has its own value of is judged for each period that the case knows. Facts are taken as the
    case has them; `today` only counts households.
    """
    asked = _Asked(document, registry, assessments, today)
    for rule in document.requirements:
        for view in asked.views([name for name in (rule.fact, rule.of) if name]):
            if _concerns(document, rule, view):
                yield _required(rule, view)
    for name, derived in document.derived.items():
        for view in asked.views([name]):
            value, words = _value(view, name)
            yield Judgement(document.id, name, view.subject, view.period, value, None, "", words, derived.clause)


def _concerns(document: Document, rule: Requirement, view: View) -> bool:
    """Whether a requirement on some provisions touches a subject: not where none of them applies to it."""
    own = [p for p in (document.provisions[name] for name in rule.provisions) if p.each == view.subject.kind]
    applies = [view.all_hold(p.applies_to) is not False for p in own]
    view.take_lacking()
    return any(applies) or not own


def _required(rule: Requirement, view: View) -> Judgement:
    met, value = None, None
    try:
        met, value = view.holds(rule), view.value(rule.fact)
        missing = [name for name in view.take_lacking() if name != rule.fact]
        words = waits_for(missing) if met is None and missing else view.said(rule)
    except CellError as error:
        words = error.what
    return Judgement(
        view.document.id, rule.fact, view.subject, view.period, value, met, rule.otherwise, words, rule.clause
    )


def _value(view: View, name: str) -> tuple[Value | None, str]:
    """The value of a fact and how people write it; what is missing, or impossible, instead."""
    try:
        value = view.value(name)
    except CellError as error:
        return None, error.what
    if value is None:
        return None, waits_for(view.take_lacking())
    return value, value_text(value)


def value_text(value: Value) -> str:
    """A value as people write it.

    >>> value_text(date(2024, 2, 29)), value_text("yes")
    ('2024-02-29', 'yes')
    """
    return str(value) if isinstance(value, date | str) else number_text(value)


@dataclass(slots=True)
class _Asked:
    """Whom a document's facts can be asked of, and for which periods."""

    document: Document
    registry: Registry
    assessments: Assessments
    day: date
    ranks: dict[object, Ranking] = field(default_factory=dict)
    _periods: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for subject, name, period in self.registry.facts:
            self._periods.setdefault((subject, name), set()).add(period)
        for subject, number in self.assessments:
            self._periods.setdefault((subject, "score"), set()).add(str(number))

    def view(self, subject: Subject, period: str) -> View:
        """The facts of a subject in a period."""
        assessment = self.assessments.get((subject.subject_id, int(period))) if period.isdigit() else None
        return View(self.document, self.registry, self.assessments, subject, period, self.day, assessment, self.ranks)

    def views(self, names: Sequence[str]) -> Iterator[View]:
        """The facts of everything that can have all these, period by period."""
        leaves = [name for name in self.document.behind(names) if name not in self.document.derived]
        kind = self.kind(leaves)
        for subject in self.registry.of_kind(kind) if kind else ():
            for period in self.periods(subject, leaves) if self.document.covers(subject.units) else ():
                yield self.view(subject, period)

    def periods(self, subject: Subject, names: Iterable[str]) -> list[str]:
        """The periods for which a subject has facts of its own; one without a name where its facts have none."""
        view, found = self.view(subject, ""), set[str]()
        for name in names:
            rule = self.document.facts.get(name)
            if name == "score" or (rule is not None and rule.each_period):
                owner = view.owner(rule.of) if rule else subject.subject_id
                found |= self._periods.get((owner or "", name), set())
        return sorted(found, key=lambda period: (len(period), period)) or [""]

    def kind(self, leaves: Iterable[str]) -> str | None:
        """The kind that has all these facts, itself or through what contains it; None where none does."""
        owners = [self.document.facts[name].of for name in leaves if name in self.document.facts]
        owners += ["estate" for name in leaves if name in OF_ESTATES]
        kinds = set(owners) or {"estate"}
        return next((kind for kind in kinds if kinds <= set(self.document.kinds_above(kind))), None)


__all__ = [
    "Due",
    "Judgement",
    "Occasion",
    "Ordered",
    "Span",
    "State",
    "deadlines",
    "judgements",
    "occasions",
    "orderings",
    "spans",
    "stage_on",
    "unknown_years",
    "value_text",
]
