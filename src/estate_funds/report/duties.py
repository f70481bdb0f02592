"""What is to be done and by when, who meets what, how the owners voted: the summary's sections and the calendar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from estate_funds.assess.view import number_text
from estate_funds.ballots import CHANNELS, Tally
from estate_funds.case import Case
from estate_funds.duties import Due, Judgement, Occasion, Span, State, spans, unknown_years
from estate_funds.text import counted, table

MANY = 12  # above so many rows, a table is summed up
AHEAD = timedelta(days=366)  # how far the summary looks for the next time of a rhythm
URGENT = (State.MISSED, State.OPEN, State.LATE, State.MET)


@dataclass(frozen=True, slots=True)
class Day:
    """One line of the calendar: a deadline, the first or last day of a stage, or one time of a rhythm."""

    day: date
    kind: str  # deadline, stage begins, stage ends, rhythm
    document: str
    name: str
    text: str
    clause: str
    subject: str = ""
    period: str = ""
    state: str = ""
    days_late: int = 0
    started_on: date | None = None
    done_on: date | None = None
    set_for: date | None = None

    @property
    def note(self) -> str:
        """What there is to say beside it."""
        if self.kind == "deadline":
            late = f", {counted(self.days_late, 'day')}" if self.days_late else ""
            return f"{self.state}{late}" + (f", done {self.done_on}" if self.done_on and self.state != "open" else "")
        return f"set for {self.set_for}" if self.set_for not in (None, self.day) else ""


def calendar_days(case: Case, year: int, today: date) -> list[Day]:
    """The deadlines that fall due in a year, the stages that begin or end in it, and its recurring duties, by day."""
    days = [_deadline_day(due, due.due_on) for due in case.duties(today) if due.due_on is not None]
    days += [day for span in _spans(case) for day in _stage_days(span)]
    days = [day for day in days if day.day.year == year]
    days += [_occasion_day(one) for one in case.occasions(date(year, 1, 1), date(year, 12, 31))]
    return sorted(days, key=lambda day: day.day)


def calendar_text(case: Case, year: int, today: date) -> str:
    """The calendar of a year for people."""
    days = calendar_days(case, year, today)
    rows = [
        (f"{day.day}", f"{day.day:%a}", day.kind, f"{day.subject} {day.period}".strip(), day.text, f"[{day.clause}]")
        + (day.note,)
        for day in days
    ]
    head = f"=== {case.file.title}\n{year}, as it stands on {today}"
    return "\n".join([head, table(rows) if rows else "  nothing falls due", *_warnings(_asked(days, year))])


def calendar_json(case: Case, year: int, today: date) -> dict[str, object]:
    """The calendar of a year for programs: plain values, days as YYYY-MM-DD."""
    days = calendar_days(case, year, today)
    names = (*Day.__dataclass_fields__, "note")
    rows = [{n: str(v) if isinstance(v := getattr(day, n), date) else v for n in names} for day in days]
    return {
        "case": case.file.id,
        "year": year,
        "today": str(today),
        "holidays_unknown": list(unknown_years(_asked(days, year))),
        "days": rows,
    }


def duties_text(case: Case, today: date) -> str:
    """The stage that holds, each deadline that has started, and when each rhythm falls due next."""
    duties = [due for due in case.duties(today) if due.state in URGENT]
    upcoming: dict[tuple[str, str], Occasion] = {}
    for occasion in case.occasions(today - timedelta(days=31), today + AHEAD):
        if occasion.due_on >= today:
            upcoming.setdefault((occasion.document, occasion.name), occasion)
    lines = [
        f"  stage: {span.stage.title}, {span.first} to {span.last or 'no set day'} [{span.stage.clause}]"
        for span in _spans(case)
        if span.first <= today and (span.last is None or today <= span.last)
    ]
    lines += [table(_due_rows(duties))] if duties else []
    lines += [f"  next on {one.due_on}: {one.rule.text} [{one.rule.clause}]" for one in upcoming.values()]
    counted_days = [due.due_on for due in duties] + [one.due_on for one in upcoming.values()]
    return "\n".join([*lines, *_warnings(counted_days)]) if lines else ""


def judgements_text(case: Case, today: date) -> str:
    """Requirements met and unmet, and derived facts, of the documents that ask for facts."""
    asking = {document.id for document in case.documents.values() if document.facts}
    found = [judgement for judgement in case.judgements(today) if judgement.document in asking] if asking else []
    by_rule: dict[tuple[str, str, str, str], list[Judgement]] = {}
    for one in found:
        by_rule.setdefault((one.document, one.fact, one.otherwise, one.clause), []).append(one)
    required = {(document, fact) for document, fact, otherwise, _ in by_rule if otherwise}
    rows: list[tuple[str, ...]] = []
    for (document, fact, otherwise, clause), group in by_rule.items():
        if not otherwise and (document, fact) in required:
            continue  # said with its requirement
        met = [one for one in group if otherwise and one.met]
        if met and len(met) < len(group) and len(group) - len(met) <= MANY:
            rows += [(_who(one), _answer(one), _said(one), f"[{clause}]") for one in group if not one.met]
            rows.append((_counted(met), "met", fact, f"[{clause}]"))
        elif met and len(met) == len(group) > 1:
            rows.append((_counted(met), "met", fact, f"[{clause}]"))
        elif len(group) <= MANY:
            rows += [(_who(one), _answer(one), _said(one), f"[{clause}]") for one in group]
        else:
            answers = Counter(
                "known" if isinstance(one.value, Fraction) and not otherwise else _answer(one) for one in group
            )
            said = ", ".join(f"{number:,} {answer}" for answer, number in answers.most_common())
            rows.append((_counted(group), said, fact, f"[{clause}]"))
    return table(rows) if rows else ""


def tallies_text(case: Case) -> str:
    """Each vote: who agreed of whom, by persons and area, and why some ballots do not count."""
    return "\n".join(line for tally in case.tallies for line in _tally_lines(tally))


def _tally_lines(tally: Tally) -> Iterator[str]:
    channels = Counter(ballot.channel for ballot in tally.counted)
    how = ", ".join(f"{channels[channel]:,} {channel}" for channel in CHANNELS if channels[channel])
    persons = _of(tally.agreeing_persons, tally.voting_persons, tally.total_persons)
    area = _of(tally.agreeing_area, tally.voting_area, tally.total_area)
    yield f"  {tally.vote}: agreed {persons} (persons); {area} (m2)" + (f" ({how})" if how else "")
    reasons = Counter(why for _, why in tally.set_aside)
    if reasons:
        said = ", ".join(f"{number:,} {why}" for why, number in sorted(reasons.items()))
        yield f"    kept and not counted: {said}"
        shown = [f"{ballot.where or ballot.owner}: {ballot.owner}, {why}" for ballot, why in tally.set_aside[:MANY]]
        yield from (f"      {line}" for line in shown)


# --- inside ---


def _counted(group: Sequence[Judgement]) -> str:
    return f"{group[0].subject.kind}: {len(group):,}"


def _of(agreeing: Fraction, voting: Fraction, total: Fraction | None) -> str:
    of_all = f", of {number_text(total)} in all" if total is not None else ""
    return f"{number_text(agreeing)} of {number_text(voting)} voting{of_all}"


def _spans(case: Case) -> list[Span]:
    return [span for document in case.documents.values() for span in spans(document)]


def _deadline_day(due: Due, day: date) -> Day:
    return Day(
        day,
        "deadline",
        due.document,
        due.name,
        due.rule.text,
        due.rule.clause,
        due.subject.subject_id,
        due.period,
        due.state,
        due.days,
        due.started_on,
        due.done_on,
    )


def _stage_days(span: Span) -> Iterator[Day]:
    stage = span.stage
    yield Day(span.first, "stage begins", span.document, stage.title, stage.title, stage.clause)
    if span.last is not None:
        yield Day(span.last, "stage ends", span.document, stage.title, stage.title, stage.clause)


def _occasion_day(one: Occasion) -> Day:
    return Day(one.due_on, "rhythm", one.document, one.name, one.rule.text, one.rule.clause, set_for=one.set_for)


def _due_rows(duties: Sequence[Due]) -> list[tuple[str, ...]]:
    ordered = sorted(duties, key=lambda due: (URGENT.index(due.state), due.due_on or date.max))
    if len(ordered) <= MANY:
        days = [_deadline_day(due, due.due_on) for due in ordered if due.due_on is not None]
        return [(f"{d.day}", f"{d.subject} {d.period}".strip(), d.text, f"[{d.clause}]", d.note) for d in days]
    groups: dict[tuple[str, str, State], list[Due]] = {}
    for due in ordered:
        groups.setdefault((due.document, due.name, due.state), []).append(due)
    return [
        (f"{group[0].due_on}", f"first of {len(group):,}", group[0].rule.text, f"[{group[0].rule.clause}]", state)
        for (_, _, state), group in groups.items()
    ]


def _who(one: Judgement) -> str:
    return f"{one.subject.subject_id} {one.period}".strip()


def _answer(one: Judgement) -> str:
    if one.otherwise:
        return {True: "met", False: f"unmet ({one.otherwise})", None: "not known"}[one.met]
    return "not known" if one.value is None else one.words


def _said(one: Judgement) -> str:
    """A requirement in words; of a derived fact its name; of what is not known, what it waits for."""
    if one.value is None and not one.words.startswith(one.fact):
        return f"{one.fact}: {one.words}"
    return one.words if one.otherwise else one.fact


def _asked(days: Iterable[Day], year: int) -> list[date]:
    """The days whose holidays matter: those counted, and the year itself."""
    return [date(year, 1, 1), *(day.day for day in days)]


def _warnings(days: Iterable[date | None]) -> list[str]:
    return [
        f"  warning: the holidays of {year} are not known: only weekends, and what holidays.csv says, are rest days"
        for year in unknown_years(days)
    ]
