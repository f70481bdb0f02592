"""Votes that carry no money, and votes that cannot have been cast as their figures say."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

from estate_funds.assess import Claim, Outcome, Status
from estate_funds.assess.view import number_text
from estate_funds.audit.case_dates import money_on
from estate_funds.audit.report import Finding, Severity
from estate_funds.audit.rules import AuditedCase, Material, Rule
from estate_funds.audit.votes import LAW, VOTE, Shortfall, figures, rests_on_vote, shortfall, vote_of
from estate_funds.registry import CENTI_M2, Subject


def _resting(about: Material) -> list[Claim]:
    """The paid claims that rest on a vote."""
    case = about.case
    if case is None:
        return []
    return [
        claim
        for claim in about.paid_claims
        if any(
            vote_of(case.registry, one) is not None and rests_on_vote(case, claim, one)
            for one in _subjects(case, claim)
        )
    ]


def _subjects(case: AuditedCase, claim: Claim) -> list[Subject]:
    """Whom a claim is about: its subject, and those of its lines."""
    ids = dict.fromkeys(line.subject_id for line in claim.lines)
    ids.pop(claim.subject.subject_id, None)
    return [claim.subject, *(case.registry.subject(one) for one in ids)]


def _find_short(about: Material, rule: Rule) -> Iterator[Finding]:
    """Only what the document, as the case has set it, lets pass; what it does not shows in what was paid."""
    case = about.case
    for claim in about.once(_resting) if case is not None else ():
        if case is None or claim.status is not Status.DUE:
            continue
        whole = shortfall(case, claim)
        short: list[tuple[Shortfall, int]] = [(whole, about.paid[claim.claim_id].fen)] if whole else []
        for line in claim.lines if not whole else ():
            one = case.registry.subject(line.subject_id)
            if line.outcome is Outcome.DUE and (found := shortfall(case, claim, one)):
                short.append((found, line.amount_fen))
        entries = [about.entry(seq) for seq in about.paid[claim.claim_id].entries]
        for found, fen in short:
            what = f"paid on the vote {found.vote.subject_id}, which does not carry it"
            yield rule.found(
                what, *entries, where=claim.claim_id, got=found.got, wanted=found.wanted, amount_fen=fen,
                subject=claim.subject.subject_id,
            )  # fmt: skip


def _votes(about: Material) -> list[Subject]:
    return list(about.case.registry.of_kind(VOTE)) if about.case is not None else []


def _impossible(case: AuditedCase, vote: Subject) -> Iterator[tuple[str, str, str]]:
    """What cannot be in the figures of a vote: what, got, wanted."""
    known = figures(case.registry, vote)
    for of in ("persons", "area"):
        steps = [(part, known.get(f"{part}_{of}")) for part in ("agreeing", "voting", "total")]
        there = [(part, value) for part, value in steps if value is not None]
        for (less, low), (more, high) in pairwise(there):
            if low > high:
                yield f"more {less} than {more} {of}", number_text(low), f"at most {number_text(high)}"
    estate = case.registry.estates.get(vote.units.get("estate", ""))
    if estate is None:
        return
    households = case.registry.households(estate.estate_id, max(vote.end or vote.start, estate.service_start))
    if 0 < households < (persons := known.get("voting_persons", Fraction(0))):
        yield "more owners vote than there are households", number_text(persons), f"at most {households:,}"
    if estate.floor_area_centi_m2 < (area := known.get("voting_area", Fraction(0))) * CENTI_M2:
        wanted = f"at most {number_text(Fraction(estate.floor_area_centi_m2, CENTI_M2))}"
        yield "more area votes than the estate has", number_text(area), wanted


def _strangers(case: AuditedCase, vote: Subject) -> Iterator[tuple[str, str, str]]:
    """Ballots of households that are not of the estate on the last day of the vote, where ballots name households."""
    counted = [ballot for tally in case.tallies if tally.vote == vote.subject_id for ballot in tally.counted]
    known = case.households.named({ballot.owner for ballot in counted})
    day = vote.end or vote.start
    for ballot in counted if known else ():
        one = known.get(ballot.owner)
        if one is None:
            yield f"a ballot of {ballot.owner}, which is no household", ballot.where, "a household of the estate"
        elif one.estate_id != vote.units.get("estate", one.estate_id):
            yield f"a ballot of {ballot.owner}, which lies in {one.estate_id}", ballot.where, vote.units["estate"]
        elif one.registered_on >= day or (one.removed_on is not None and one.removed_on <= vote.start):
            gone = f"until {one.removed_on}" if one.removed_on else f"from {one.registered_on} on"
            yield f"a ballot of {ballot.owner}, which was there {gone}", ballot.where, "a household of that day"


def _find_forged(about: Material, rule: Rule) -> Iterator[Finding]:
    case = about.case
    for vote in _votes(about):
        if case is None:
            return
        wrong = [*_impossible(case, vote), *_strangers(case, vote)]
        if not wrong:
            continue
        paid = money_on(about, vote)
        entries = [about.entry(seq) for claim, _ in paid for seq in about.paid[claim.claim_id].entries]
        for what, got, wanted in wrong:
            yield rule.found(
                what, *entries, where=vote.subject_id, got=got, wanted=wanted, amount_fen=sum(fen for _, fen in paid),
                subject=vote.subject_id,
            )  # fmt: skip


VOTE_SHORT = Rule(
    "vote-short", Severity.ERROR,
    "Money spent on a vote that lacks two thirds taking part, or the majority, by persons or by area.",
    LAW, "claim the payment back, or hold a vote that carries it",
    over=lambda about: about.once(_resting), find=_find_short, needs=("case",),
    example="15 of 24 owners voted, where two thirds must take part, and the repair was paid.",
)  # fmt: skip
VOTE_FORGED = Rule(
    "vote-forged", Severity.ERROR,
    "A vote that cannot have been cast as told: more votes than owners or households, ballots of strangers.",
    LAW, "count the ballots again, with the owners' register beside them",
    over=_votes, find=_find_forged, needs=("case",),
    example="26 votes are told, and the house has 24 owners.",
)  # fmt: skip

__all__ = ["VOTE_FORGED", "VOTE_SHORT"]
