"""What holds over several claims at once: once only, and ceilings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction

from estate_funds.assess.claim import Claim, Claims, Line, Outcome, Status
from estate_funds.assess.view import View, waits_for
from estate_funds.errors import CeilingExceeded
from estate_funds.money import FEN_PER_YUAN, Rounding, allocate, format_yuan, round_fen
from estate_funds.policy import LEVELS, Ceiling, Document, Once
from estate_funds.registry import Assessments, Registry


def apply_limits(document: Document, registry: Registry, assessments: Assessments, claims: Iterable[Claim]) -> Claims:
    """The claims of a document after `once` and `ceilings`; CeilingExceeded where the document refuses an excess."""
    found = list(claims)
    for once in document.once:
        found = _once(document, registry, assessments, once, found)
    for ceiling in document.ceilings:
        found = _ceiling(document, registry, assessments, ceiling, found)
    return Claims(found)


def _touched(document: Document, names: Sequence[str], claims: list[Claim]) -> list[int]:
    wanted = {name if "/" in name else f"{document.id}/{name}" for name in names}
    return [n for n, c in enumerate(claims) if f"{c.document}/{c.provision_id}" in wanted]


def _view(document: Document, registry: Registry, assessments: Assessments, claim: Claim) -> View:
    return View(document, registry, assessments, claim.subject, claim.period_key, claim.months.start.first_day)


def _order(claim: Claim) -> tuple[date, date, str, int]:
    """First come, first served: by start of the period, day of decision, then name."""
    return (
        claim.months.start.first_day,
        claim.decided_on or claim.months.end.first_day,
        claim.subject.subject_id,
        claim.number,
    )


def _once(
    document: Document, registry: Registry, assessments: Assessments, rule: Once, claims: list[Claim]
) -> list[Claim]:
    """The first claim of a key stands; later ones are not eligible, and say which stands."""
    standing: dict[tuple[str, ...], Claim] = {}
    touched, best = _touched(document, rule.provisions, claims), Counter[tuple[object, ...]]()
    for n in touched if rule.keep == "highest" else ():
        best[_settled_with(claims[n])] += claims[n].potential_fen
    for n in sorted(touched, key=lambda n: (-best[_settled_with(claims[n])], _order(claims[n]))):
        claim = claims[n]
        if not any(line.outcome in (Outcome.DUE, Outcome.PENDING) for line in claim.lines):
            continue
        view = _view(document, registry, assessments, claim)
        key = tuple(_key(view, name) for name in rule.key)
        if missing := view.take_lacking():
            claims[n] = _all_wait(claim, f"{waits_for(missing)} [{rule.clause}]")
            continue
        claim = claims[n] = _decided(claim, view.days.values())
        first = standing.setdefault(key, claim)
        if _settled_with(first) != _settled_with(claim):
            stands = "claimed already as" if rule.keep == "first" else "the highest is"
            why = f"{stands} {first.claim_id}; once for each {', '.join(rule.key)} [{rule.clause}]"
            lines = tuple(line.turned(Outcome.INELIGIBLE, why) for line in claim.lines)
            claims[n] = replace(claim, lines=lines)
    return claims


def _settled_with(claim: Claim) -> tuple[object, ...]:
    """What a claim and its advances share: together they are one."""
    return claim.document, claim.provision_id, claim.subject.subject_id, claim.number


def _key(view: View, name: str) -> str:
    if name == "period":
        return view.period
    if name in LEVELS:
        return view.subject.unit_at(name)
    return view.subject.subject_id if name == "subject" else str(view.value(name))


def _ceiling(
    document: Document, registry: Registry, assessments: Assessments, rule: Ceiling, claims: list[Claim]
) -> list[Claim]:
    groups: dict[tuple[str, int], list[int]] = {}
    for n in _touched(document, rule.provisions, claims):
        claim = claims[n]
        if _rules(document, rule, claim) and not claim.part:
            unit = _view(document, registry, assessments, claim).owner(rule.by) or "" if rule.by else ""
            groups.setdefault((unit, claim.months.start.year if rule.each == "year" else 0), []).append(n)
    for (unit, year), members in groups.items():
        members.sort(key=lambda n: _order(claims[n]))
        high, view = _high(document, registry, assessments, rule, unit, year)
        days = list(view.days.values()) if view else []
        where = " ".join(filter(None, (unit.partition("/")[2] or unit, str(year or ""))))
        asked = sum(_whole(claims[n]) for n in members)
        if high is None:
            for n in members:
                claims[n] = _all_wait(claims[n], waits_for([str(rule.fact)]))
        elif asked > high:
            before = {n: claims[n] for n in members}
            if rule.excess == "pro_rata":  # what each gets hangs on what the last one asks for
                days += [claim.decided_on for claim in before.values() if claim.decided_on]
            _cut(document, rule, claims, members, high, where)
            for n, claim in before.items():
                if view and claims[n] is not claim:
                    claims[n] = replace(claims[n], evidence=tuple(sorted(view.evidence.union(claim.evidence))))
        for n in members:
            claims[n] = _decided(claims[n], days)
    return claims


def _decided(claim: Claim, days: Iterable[date]) -> Claim:
    """The claim, decided no earlier than the days on which what rules it was known."""
    last = max(days, default=None)
    if last is None:
        return claim
    return replace(claim, decided_on=max(last, claim.decided_on or claim.months.end.first_day))


def _rules(document: Document, rule: Ceiling, claim: Claim) -> bool:
    """Whether this version rules a claim: of a year, the version in force on its first day, or when it all began."""
    if rule.each == "all":
        return rule.in_force(claim.months.start.first_day)
    first = min(c.start for c in document.ceilings if c.provisions == rule.provisions and c.by == rule.by)
    return rule.in_force(max(first, date(claim.months.start.year, 1, 1)))


def _high(
    document: Document, registry: Registry, assessments: Assessments, rule: Ceiling, unit: str, year: int
) -> tuple[int | None, View | None]:
    """The ceiling in fen, None while it is not known; and the view that was asked: since when, and proved by what."""
    if rule.value is not None:
        return round_fen(rule.value * FEN_PER_YUAN, Rounding.DOWN), None
    subject = registry.subject(unit)
    view = View(document, registry, assessments, subject, str(year or ""), subject.start)
    found: Fraction | None = view.number(str(rule.fact))
    return None if found is None else round_fen(found * FEN_PER_YUAN, Rounding.DOWN), view


def _cut(document: Document, rule: Ceiling, claims: list[Claim], members: list[int], high: int, where: str) -> None:
    """Refuse, share pro rata, or serve in order, as the document says."""
    asked = sum(_whole(claims[n]) for n in members)
    what = f"{format_yuan(asked)} asked, ceiling {format_yuan(high)}{' of ' + where if where else ''}"
    if rule.excess == "refuse":
        raise CeilingExceeded(
            f"the claims of {', '.join(rule.provisions)} exceed their ceiling",
            where=where,
            got=f"{format_yuan(asked)} yuan; the largest: {', '.join(_largest(claims, members))}",
            wanted=f"at most {format_yuan(high)} yuan",
            clause=f"{document.id} {rule.clause}",
            fix="correct the shares or the facts: the document gives no more",
        )
    waiting = [n for n in members if claims[n].status is Status.PENDING]
    if waiting and rule.excess == "pro_rata":
        for n in members:
            claims[n] = _all_wait(claims[n], f"{what}: waits for {len(waiting)} pending claims [{rule.clause}]")
        return
    if rule.excess == "pro_rata":
        parts = allocate(high, {n: _whole(claims[n]) for n in members})
    else:
        parts, left = {}, high
        for n in members:
            parts[n] = min(left, _whole(claims[n]))
            left -= parts[n]
    for n in members:
        if _whole(claims[n]) > parts[n]:
            claims[n] = _cut_claim(claims[n], parts[n], f"{what}, {rule.excess.replace('_', ' ')} [{rule.clause}]")


def _largest(claims: Sequence[Claim], members: Sequence[int]) -> list[str]:
    ranked = sorted(members, key=lambda n: -_whole(claims[n]))[:3]
    return [f"{claims[n].claim_id} {format_yuan(_whole(claims[n]))}" for n in ranked]


def _public(claim: Claim, line: Line) -> int:
    """What of a line these books pay: a ceiling holds down no money of others."""
    if line.outcome is not Outcome.DUE:
        return max(0, line.potential_fen)
    return sum(max(0, share.fen) for share in line.shares if share.payer in claim.booked)


def _whole(claim: Claim) -> int:
    """What the claim is for, its advances included (a line that takes off); until settled, at least those."""
    due = sum(_public(claim, line) for line in claim.lines)
    advanced = -sum(min(0, line.potential_fen) for line in claim.lines)
    return max(due, advanced) if claim.status is Status.PENDING else due


def _all_wait(claim: Claim, why: str) -> Claim:
    due = (Outcome.DUE,)
    return replace(claim, lines=tuple(x.turned(Outcome.PENDING, why) if x.outcome in due else x for x in claim.lines))


def _cut_claim(claim: Claim, fen: int, why: str) -> Claim:
    if all(line.potential_fen <= 0 for line in claim.lines):
        return claim  # an advance, and nothing known yet that could be cut
    parts = allocate(fen, {n: _public(claim, line) for n, line in enumerate(claim.lines)})
    lines = [
        line
        if line.potential_fen < 0
        else line.cut_to(parts[n], claim.booked, why)
        if line.outcome is Outcome.DUE
        else replace(line, potential_fen=parts[n], reason=f"{line.reason}; {why}")
        for n, line in enumerate(claim.lines)
    ]
    return replace(claim, lines=tuple(lines))
