"""What holds over several claims at once: once only, and ceilings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction

from estate_funds.assess.claim import Claim, Claims, Outcome, Status
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
    return [n for n, c in enumerate(claims) if c.document == document.id and c.provision_id in names]


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
    for n in sorted(_touched(document, rule.provisions, claims), key=lambda n: _order(claims[n])):
        claim = claims[n]
        if not any(line.outcome in (Outcome.DUE, Outcome.PENDING) for line in claim.lines):
            continue
        view = _view(document, registry, assessments, claim)
        key = tuple(_key(view, name) for name in rule.key)
        first = standing.setdefault(key, claim)
        if (first.subject.subject_id, first.provision_id, first.number) != (
            claim.subject.subject_id,
            claim.provision_id,
            claim.number,
        ):  # an advance and its settlement are one
            why = f"claimed already as {first.claim_id}; once for each {', '.join(rule.key)} [{rule.clause}]"
            lines = tuple(line.turned(Outcome.INELIGIBLE, why) for line in claim.lines)
            claims[n] = replace(claim, lines=lines)
    return claims


def _key(view: View, name: str) -> str:
    if name in LEVELS:
        return view.subject.unit_at(name)
    return view.subject.subject_id if name == "subject" else str(view.value(name))


def _ceiling(
    document: Document, registry: Registry, assessments: Assessments, rule: Ceiling, claims: list[Claim]
) -> list[Claim]:
    groups: dict[tuple[str, int], list[int]] = {}
    for n in _touched(document, rule.provisions, claims):
        claim = claims[n]
        if rule.in_force(claim.months.start.first_day) and not claim.part:
            unit = claim.subject.unit_at(rule.by) if rule.by else ""
            groups.setdefault((unit, claim.months.start.year if rule.each == "year" else 0), []).append(n)
    for (unit, year), members in groups.items():
        members.sort(key=lambda n: _order(claims[n]))
        high = _high(document, registry, assessments, rule, unit, year)
        where = " ".join(filter(None, (unit, str(year or ""))))
        asked = sum(claims[n].potential_fen for n in members)
        if high is None:
            for n in members:
                claims[n] = _all_wait(claims[n], waits_for([str(rule.fact)]))
        elif asked > high:
            _cut(document, rule, claims, members, high, where)
    return claims


def _high(
    document: Document, registry: Registry, assessments: Assessments, rule: Ceiling, unit: str, year: int
) -> int | None:
    if rule.value is not None:
        return round_fen(rule.value * FEN_PER_YUAN, Rounding.DOWN)
    subject = registry.subject(unit if rule.by == "estate" else f"{rule.by}/{unit}")
    view = View(document, registry, assessments, subject, str(year or ""), subject.start)
    found: Fraction | None = view.number(str(rule.fact))
    return None if found is None else round_fen(found * FEN_PER_YUAN, Rounding.DOWN)


def _cut(document: Document, rule: Ceiling, claims: list[Claim], members: list[int], high: int, where: str) -> None:
    """Refuse, share pro rata, or serve in order, as the document says."""
    asked = sum(claims[n].potential_fen for n in members)
    what = f"{format_yuan(asked)} asked, ceiling {format_yuan(high)}{' of ' + where if where else ''}"
    if rule.excess == "refuse":
        raise CeilingExceeded(
            f"the claims of {', '.join(rule.provisions)} exceed their ceiling",
            where=where,
            got=f"{format_yuan(asked)} yuan",
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
        parts = allocate(high, {n: claims[n].potential_fen for n in members})
    else:
        parts, left = {}, high
        for n in members:
            parts[n] = min(left, claims[n].potential_fen)
            left -= parts[n]
    for n in members:
        if claims[n].potential_fen > parts[n]:
            claims[n] = _cut_claim(claims[n], parts[n], f"{what}, {rule.excess.replace('_', ' ')} [{rule.clause}]")


def _all_wait(claim: Claim, why: str) -> Claim:
    due = (Outcome.DUE,)
    return replace(claim, lines=tuple(x.turned(Outcome.PENDING, why) if x.outcome in due else x for x in claim.lines))


def _cut_claim(claim: Claim, fen: int, why: str) -> Claim:
    parts = allocate(fen, {n: line.potential_fen for n, line in enumerate(claim.lines)})
    lines = [
        line.cut_to(parts[n], why)
        if line.outcome is Outcome.DUE
        else replace(line, potential_fen=parts[n], reason=f"{line.reason}; {why}")
        for n, line in enumerate(claim.lines)
    ]
    return replace(claim, lines=tuple(lines))
