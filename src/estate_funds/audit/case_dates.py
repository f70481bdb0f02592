"""Days in an order that cannot be: what a document puts first came last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from estate_funds.assess import Claim
from estate_funds.audit.report import Finding, Severity
from estate_funds.audit.rules import AuditedCase, Material, Rule
from estate_funds.audit.votes import LAW, VOTE
from estate_funds.ballots import COUNTED
from estate_funds.registry import Registry, Subject
from estate_funds.text import counted

DAY = timedelta(days=1)


class Pair(NamedTuple):
    """Two days, the first of which must not lie after the other, of a subject or of one claim."""

    text: str
    subject: Subject
    first: tuple[str, date]
    then: tuple[str, date]
    clause: str
    period: str = ""
    claim: Claim | None = None
    document: str = ""
    decides: bool = False  # only what the two facts decide is concerned


def pairs(about: Material) -> list[Pair]:
    """All that is ordered: by documents, a vote and its count, a whole and its parts, a period and its result."""
    case = about.case
    if case is None:
        return []
    found = [
        Pair(
            one.text,
            one.subject,
            one.first,
            one.then,
            f"{one.document} {one.clause}",
            one.period,
            None,
            one.document,
            True,
        )
        for one in case.orderings(about.as_of)
    ]
    return [*found, *_votes(case), *_parts(case), *_assessed(about, case)]


def _votes(case: AuditedCase) -> Iterator[Pair]:
    """No figure of a vote is known while ballots may still be cast."""
    for vote in case.registry.of_kind(VOTE):
        known = [case.registry.facts.get((vote.subject_id, name, "")) for name in COUNTED]
        days = [fact.known_on for fact in known if fact is not None and fact.known_on is not None]
        if vote.end is not None and days:
            last, announced = ("the last day of the vote", vote.end - DAY), ("its count", min(days))
            yield Pair("a vote is over before it is counted", vote, last, announced, LAW)


def _parts(case: AuditedCase) -> Iterator[Pair]:
    """What is part of something does not begin before it does; what a vote decides, not before the vote is over."""
    for subject in case.registry.subjects.values():
        whole = case.registry.subjects.get(subject.parent)
        if whole is None:
            continue
        rules = [(d.id, d.kinds[subject.kind].clause) for d in case.documents.values() if subject.kind in d.kinds]
        clause = " ".join(rules[0]) if rules else ""
        decided = whole.kind == VOTE and whole.end is not None
        day = whole.end - DAY if decided and whole.end is not None else whole.start
        name = f"the {'last' if decided else 'first'} day of {whole.kind} {whole.subject_id}"
        text = "what a vote decides begins after it" if decided else "a part begins with the whole, or later"
        yield Pair(text, subject, (name, day), (f"the first day of {subject.kind}", subject.start), clause)


def _assessed(about: Material, case: AuditedCase) -> Iterator[Pair]:
    """A result comes after the period that it judges."""
    for claim in about.paid_claims:
        gate = claim.provision.gate
        if gate is None or gate.fact != "assessment":
            continue
        result = case.assessments.get((claim.subject.subject_id, claim.number))
        if result is not None:
            last = ("the last day of the period", claim.months.end.first_day - DAY)
            clause = f"{claim.document} {gate.clause}"
            text = "a period is over before it is assessed"
            yield Pair(text, claim.subject, last, ("the result", result.result_on), clause, claim.period_key, claim)


def _find(about: Material, rule: Rule) -> Iterator[Finding]:
    for pair in about.once(pairs):
        if pair.first[1] <= pair.then[1]:
            continue
        concerned = money_on(about, pair.subject)
        if pair.claim is not None:
            concerned = [(pair.claim, about.paid[pair.claim.claim_id].fen)]
        elif pair.decides:
            concerned = [(claim, fen) for claim, fen in concerned if _asks(about, claim, pair)]
        entries = [about.entry(seq) for claim, _ in concerned for seq in about.paid[claim.claim_id].entries]
        days = counted((pair.first[1] - pair.then[1]).days, "day")
        place = " ".join(filter(None, (pair.subject.subject_id, pair.period)))
        (first, one), (then, other) = pair.first, pair.then
        yield rule.found(
            f"{then} lies {days} before {first}: {pair.text}", *entries, where=place, got=f"{then} {other}",
            wanted=f"{first} {one}, or later", clause=pair.clause, amount_fen=sum(fen for _, fen in concerned),
            subject=pair.subject.subject_id,
        )  # fmt: skip


def _asks(about: Material, claim: Claim, pair: Pair) -> bool:
    """Whether what a claim comes to, or whether it is due, rests on one of two facts."""
    document = about.case.documents[claim.document] if about.case is not None else None
    if document is None or document.id != pair.document:
        return False
    rules = [r for r in document.requirements if not r.provisions or claim.provision_id in r.provisions]
    named = {*_words(claim.provision.model_dump()), *_words([rule.model_dump() for rule in rules])}
    facts = document.behind(sorted(named & {*document.facts, *document.derived}))
    return not {pair.first[0], pair.then[0]}.isdisjoint(facts)


def _words(value: object) -> Iterator[str]:
    """Every text in a table: all facts that it names are among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _words(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _words(one)


def money_on(about: Material, subject: Subject) -> list[tuple[Claim, int]]:
    """The paid claims of a subject and of what is part of it, and how much of each is paid on it, in fen."""
    return about.once(_money).get(subject.subject_id, [])


def _money(about: Material) -> dict[str, list[tuple[Claim, int]]]:
    """For every subject, and all that it is a part of, what is paid on it: the claims, and fen of each."""
    found: dict[str, list[tuple[Claim, int]]] = {}
    if about.case is None:
        return found
    registry = about.case.registry
    for claim in about.paid_claims:
        whole = _chain(registry, claim.subject)
        parts: dict[str, int] = dict.fromkeys(whole, about.paid[claim.claim_id].fen)
        for line in claim.lines:
            own = line.subject_id != claim.subject.subject_id
            for one in _chain(registry, registry.subject(line.subject_id)) - whole if own else ():
                parts[one] = parts.get(one, 0) + line.amount_fen
        for one, fen in parts.items():
            found.setdefault(one, []).append((claim, fen))
    return found


def _chain(registry: Registry, subject: Subject) -> set[str]:
    """The ids of a subject, of what it is a part of, and of the estate and units that it belongs to."""
    ids = {subject.subject_id}
    ids |= {unit if level == "estate" else f"{level}/{unit}" for level, unit in subject.units.items()}
    above = registry.subjects.get(subject.parent)
    while above is not None:
        ids.add(above.subject_id)
        above = registry.subjects.get(above.parent)
    return ids


DATE_ORDER = Rule(
    "date-order", Severity.ERROR,
    "Days in an order that cannot be: final accounts before completion, a count before the vote is over.",
    LAW, "find out which day is wrong; where none is, what rests on it was made up",
    over=lambda about: about.once(pairs), find=_find, needs=("case",),
    example="Final accounts audited on 1 May, the works taken over on 20 June.",
)  # fmt: skip

__all__ = ["DATE_ORDER", "Pair", "money_on", "pairs"]
