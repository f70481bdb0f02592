"""Whether a vote of owners carries the money that rests on it: its figures against Civil Code 278."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from estate_funds.assess import Claim, View
from estate_funds.assess.view import number_text
from estate_funds.audit.rules import AuditedCase
from estate_funds.ballots import COUNTED, TOTALS
from estate_funds.errors import CellError
from estate_funds.policy import Document
from estate_funds.registry import Registry, Subject

VOTE = "vote"  # the kind of subject that ballots are cast in
CIVIL_CODE = date(2021, 1, 1)  # before it, the maintenance fund asked two thirds of all owners: Order 165, 22
LAW = "\u6c11\u6cd5\u5178 278"
WEIGHTY = ("raise-fund", "rebuild", "common-parts")  # items 6 to 8
TAKING_PART, AGREEING, AGREEING_WEIGHTY = Fraction(2, 3), Fraction(1, 2), Fraction(3, 4)
_PAIRS = (("persons", "persons"), ("area", "m2"))


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Where the figures of a vote fall short: of what they are, and what article 278 asks."""

    vote: Subject
    got: str
    wanted: str


def vote_of(registry: Registry, subject: Subject) -> Subject | None:
    """The vote that something rests on: itself, or what it is a part of."""
    found = registry.owner(subject, VOTE)
    return registry.subjects.get(found) if found else None


def figures(registry: Registry, vote: Subject) -> dict[str, Fraction]:
    """The figures of a vote that are known, by the names that documents use; areas in m2."""
    found = {}
    for name in (*TOTALS, *COUNTED):
        fact = registry.facts.get((vote.subject_id, name, ""))
        if fact is not None and isinstance(fact.value, Fraction):
            found[name] = fact.value
    return found


def shortfall(case: AuditedCase, claim: Claim, subject: Subject | None = None) -> Shortfall | None:
    """Why the vote that a claim, or one subject of it, rests on does not carry it.

    None where it does, where it rests on no vote, and where the vote is not counted.
    """
    subject = subject or claim.subject
    vote = vote_of(case.registry, subject)
    if vote is None or not rests_on_vote(case, claim, subject):
        return None
    held = vote.end or vote.start
    decided = case.registry.facts.get((vote.subject_id, "decided_on", ""))
    if decided is not None and isinstance(decided.value, date):
        held = decided.value
    if held < CIVIL_CODE:
        return None
    item = case.registry.facts.get((subject.subject_id, "item", ""))
    weighty = item is not None and item.value in WEIGHTY
    return _short(vote, figures(case.registry, vote), weighty=weighty)


def _short(vote: Subject, known: dict[str, Fraction], *, weighty: bool) -> Shortfall | None:
    for of, unit in _PAIRS:
        total, voting, agreeing = (known.get(f"{part}_{of}") for part in ("total", "voting", "agreeing"))
        if total is not None and voting is not None and voting < total * TAKING_PART:
            got = f"{number_text(voting)} of {number_text(total)} {unit} take part"
            return Shortfall(vote, got, "at least 2/3")
        if voting is None or agreeing is None:
            continue
        if weighty and agreeing < voting * AGREEING_WEIGHTY:
            return Shortfall(vote, f"{number_text(agreeing)} of {number_text(voting)} {unit} agree", "at least 3/4")
        if agreeing <= voting * AGREEING:
            return Shortfall(vote, f"{number_text(agreeing)} of {number_text(voting)} {unit} agree", "more than 1/2")
    return None


def rests_on_vote(case: AuditedCase, claim: Claim, subject: Subject) -> bool:
    """Whether a subject of a claim must have a vote behind it, and no other way, such as an emergency, makes it due."""
    document, provision = case.documents[claim.document], claim.provision
    asked = [provision.gate.fact] if provision.gate is not None else []
    asked += [r.fact for r in document.requirements if not r.provisions or claim.provision_id in r.provisions]
    day = claim.months.start.first_day
    view = View(document, case.registry, case.assessments, subject, claim.period_key, day)
    return any(_needs(document, view, name) for name in asked)


def by_vote(document: Document, name: str) -> bool:
    """Whether the figures of a vote enter a fact."""
    return not {*COUNTED}.isdisjoint(document.behind([name]))


def _needs(document: Document, view: View, name: str) -> bool:
    """Whether a fact is what it is by votes alone: of several ways that hold, none goes without them."""
    derived = document.derived.get(name)
    if derived is None or not by_vote(document, name):
        return name in COUNTED
    if derived.way != "any_of":
        return any(_needs(document, view, one) for one in derived.inputs)
    try:
        holding = [group for group in derived.any_of if view.all_hold(group)]
    except CellError:
        holding = []
    alone = [any(_needs(document, view, bounds.fact) for bounds in group) for group in holding or derived.any_of]
    return all(alone) if holding else any(alone)


__all__ = ["LAW", "VOTE", "Shortfall", "by_vote", "figures", "rests_on_vote", "shortfall", "vote_of"]
