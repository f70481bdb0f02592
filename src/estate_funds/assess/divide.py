"""Sum 2: a total divided by weights, for all, for each unit of a level, or for each pool."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

from estate_funds.assess.bounds import Bounded, highest, tightest
from estate_funds.assess.claim import Claim, Line, Outcome
from estate_funds.assess.division import Division, choose_split
from estate_funds.assess.gates import judge
from estate_funds.assess.view import View, number_text, waits_for
from estate_funds.assess.walk import Priced, Walk, numbered_period, period_number, plural
from estate_funds.calendar import Month, Months
from estate_funds.errors import CaseError, CellError
from estate_funds.money import FEN_PER_YUAN, allocate, allocate_within, format_rate, format_yuan
from estate_funds.policy import PayerSplit, Total, version_on
from estate_funds.registry import Subject


@dataclass(frozen=True, slots=True)
class _Member:
    subject: Subject
    view: View
    period: Months
    outcome: Outcome
    reason: str
    weight: Fraction
    split: PayerSplit | None


def divisions(walk: Walk, window: Months) -> Iterator[Claim]:
    """Every claim of the pools whose period begins in the window."""
    if walk.provision.claim_period == "once":
        for pool in walk.registry.of_kind(str(walk.provision.pool)):
            if Month.of(pool.start) in window:
                yield from _known_together(
                    walk, 1, pool.start, Months(Month.of(pool.start), Month.of(pool.start) + 1), pool
                )
        return
    kind = walk.provision.claim_period
    last = window.end + -1
    for number in range(period_number(kind, window.start), period_number(kind, last) + 1):
        months = numbered_period(kind, number)
        if months.start not in window:
            continue
        pools = walk.registry.of_kind(walk.provision.pool) if walk.provision.pool else [None]
        for one in pools:
            yield from _known_together(walk, number, months.start.first_day, months, one)


def _known_together(walk: Walk, number: int, day: date, months: Months, pool: Subject | None) -> Iterator[Claim]:
    """No share is known before the last result is: nobody's is decided on an earlier day."""
    claims = list(_divide(walk, number, day, months, pool))
    last = max((claim.decided_on for claim in claims if claim.decided_on is not None), default=None)
    return (replace(claim, decided_on=last) for claim in claims)


def _divide(walk: Walk, number: int, day: date, months: Months, pool: Subject | None) -> Iterator[Claim]:
    units = pool.units if pool else {}
    if walk.document.territory is not None and not pool:
        units = {walk.document.territory.level: walk.document.territory.names[0]}  # members are asked one by one
    if not walk.holds_on(day, units, f"the division of {walk.key(number) or (pool.subject_id if pool else '')}"):
        return
    provision = walk.provision
    total = version_on(provision.total, day, f"the total of {walk.provision_id}")
    members = _waiting(list(_members(walk, number, day, months, pool)))
    if not members:
        return
    total_fen, unknown, asked = _total_fen(walk, total, number, day, pool)
    if asked is not None:
        for m in members:
            m.view.remember(asked)
    if unknown:
        members = [_turned(m, waits_for(unknown)) for m in members]
    weights = {m.subject.subject_id: m.weight for m in members}
    whole = sum(weights.values(), Fraction(0))
    bounded = bool(provision.floors) and not unknown
    parts = _parts(walk, members, total_fen, day, unknown) if whole or bounded else dict.fromkeys(weights, 0)
    plain = allocate(total_fen, weights) if whole and (provision.caps or provision.floors) else {}
    shown = format_rate(Fraction(total_fen, FEN_PER_YUAN))
    grouped: dict[str, list[tuple[View, Months, list[Line]]]] = {}
    for m in members:
        weighed = provision.weights or "mark"
        formula = f"{shown} x {number_text(m.weight)} / {number_text(whole)} {plural(weighed, whole)}"
        fen = parts[m.subject.subject_id]
        if plain and plain[m.subject.subject_id] != fen:
            limits = (*provision.caps, *provision.floors)
            note = f"; {format_yuan(plain[m.subject.subject_id])} before caps and floors [{limits[0].clause}]"
            m = replace(m, reason=m.reason + note)
        lines = _lines(walk, m, fen, formula, total)
        if walk.grouped:
            group = m.view.owner(str(provision.claim_per)) or ""
            grouped.setdefault(group, []).append((m.view, m.period, lines))
        else:
            yield walk.seal(m.view, number, m.period, lines)
    for group, found in grouped.items():
        yield walk.seal_group(group, number, found)


def _members(walk: Walk, number: int, day: date, months: Months, pool: Subject | None) -> Iterator[_Member]:
    provision, registry = walk.provision, walk.registry
    everybody = (
        registry.members(provision.each, pool.kind, pool.subject_id) if pool else registry.of_kind(provision.each)
    )
    for subject in everybody:
        if provision.claim_period == "once":
            period, there = months, subject.there_on(day)
        else:
            period = months & walk.served(subject)
            there = bool(len(period))
        view = walk.view(subject, number, max(day, subject.start), months.start)
        elsewhere = not walk.document.covers(subject.units) or (pool is None and walk.replaced(day, subject.units))
        if not there or elsewhere or not walk.applies(view):
            continue
        outcome, reason = judge(walk, view)
        split = choose_split(provision, walk.provision_id, day, view)
        missing = view.take_lacking()
        if split is not None:
            missing += Division(view, walk.document).lacking(split)
        if missing and outcome is Outcome.DUE:
            outcome, reason = Outcome.PENDING, waits_for(dict.fromkeys(missing))
        weight = Fraction(0)
        if outcome in (Outcome.DUE, Outcome.PENDING):
            weight = _weight(walk, view) or weight
            tightest(provision.caps, view, day)  # what they are counted by must be known too
            highest(provision.floors, view, day)
            missing = view.take_lacking()
            if missing and outcome is Outcome.DUE:
                outcome, reason = Outcome.PENDING, waits_for(missing)
        yield _Member(subject, view, period, outcome, reason, weight, split)


def _weight(walk: Walk, view: View) -> Fraction | None:
    """A measure, or the marks of the indicators, or one times the other."""
    provision = walk.provision
    weight: Fraction | None = Fraction(1)
    if provision.weights == "score" and view.assessment is not None and view.assessment.score is None:
        raise CellError(
            f"the assessment of {view.subject.subject_id} for {view.period} has no score to divide by",
            where=f"assessments.csv, row {view.assessment.row}, column score",
            wanted="a number",
        )
    if provision.weights is not None:
        weight = view.number(provision.weights)
    if not provision.indicators or weight is None:
        return weight
    marks = Fraction(0)
    for indicator in provision.indicators:
        found = view.number(indicator.fact)
        if found is None:
            return None
        marks += indicator.marks * min(Fraction(1), found / indicator.full)
    return weight * marks


def _waiting(members: list[_Member]) -> list[_Member]:
    """While one result is missing all wait: a share cannot be known before the whole is."""
    waiting = [m for m in members if m.outcome is Outcome.PENDING]
    if not waiting:
        return members
    reason = f"the division waits for {len(waiting)} results, first that of {waiting[0].subject.subject_id}"
    if len(members) == len(waiting) == 1:
        return members
    return [_turned(m, reason) for m in members]


def _turned(m: _Member, reason: str) -> _Member:
    if m.outcome not in (Outcome.DUE, Outcome.PENDING):
        return m
    return replace(m, outcome=Outcome.PENDING, reason=reason)


def _total_fen(
    walk: Walk, total: Total, number: int, day: date, pool: Subject | None
) -> tuple[int, tuple[str, ...], View | None]:
    """What is divided, what of it is not known, and the view that was asked: since when, and proved by what."""
    value = total.value
    unknown: tuple[str, ...] = ()
    view = None
    if total.of is not None and pool is not None:
        view = walk.view(pool, number, max(day, pool.start), Month.of(day))
        value = view.number(total.of)
        unknown = view.take_lacking()
    return walk.provision.rounding.round((value or Fraction(0)) * total.share * FEN_PER_YUAN), unknown, view


def _parts(walk: Walk, members: list[_Member], total_fen: int, day: date, unknown: tuple[str, ...]) -> dict[str, int]:
    """Each member's part; a floor or a cap of each is kept, and what all caps leave stays in the fund."""
    provision = walk.provision
    weights = {m.subject.subject_id: m.weight for m in members}
    if unknown or (not provision.caps and not provision.floors):
        return allocate(total_fen, weights)
    paying = [m for m in members if m.outcome in (Outcome.DUE, Outcome.PENDING)]

    floors = {m.subject.subject_id: highest(provision.floors, m.view, day) for m in paying}
    caps = {m.subject.subject_id: tightest(provision.caps, m.view, day) for m in paying}
    low = {key: found[0] for key, found in floors.items() if found}
    high = {key: found[0] for key, found in caps.items() if found}
    if sum(low.values()) > total_fen:
        raise CaseError(
            f"the floors of {walk.provision_id} ask for more than its total",
            got=f"{len(low)} floors, {sum(low.values())} fen in all",
            wanted=f"at most {total_fen} fen",
            clause=f"{walk.document.id} {provision.clause}",
        )
    return allocate_within(total_fen, weights, low=low, high=high)


def _lines(walk: Walk, m: _Member, fen: int, formula: str, total: Total) -> list[Line]:
    provision = walk.provision
    m.view.take_lacking()
    rate = total.value if total.value is not None else Fraction(0)
    priced = Priced(
        m.period, m.period.start.year, m.weight,
        provision.weights or "marks", rate, formula, m.outcome, m.reason, total.clause, m.split, Fraction(0),
    )  # fmt: skip
    return walk.shared(m.view, [priced], Bounded([fen], [0]))
