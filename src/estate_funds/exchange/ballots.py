"""Ballots of a case: ballots.csv, tallied into facts of its votes, which are subjects of the kind `vote`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from estate_funds.ballots import COUNTED, TOTALS, Ballot, Tally, by_vote, tally
from estate_funds.errors import CellError, TableError, nearest
from estate_funds.exchange.tables import Row
from estate_funds.policy import Document
from estate_funds.registry import Fact, Registry

VOTE = "vote"


def tallies(rows: Iterable[Row], registry: Registry, documents: Iterable[Document]) -> tuple[Tally, ...]:
    """Every vote of ballots.csv counted: from its first day on (`on`) and before its end (`until` of subjects.csv).

    Raises CellError for an unknown vote, one without an end, or one without the totals that a document declares.
    """
    declared = {name for d in documents for name, rule in d.facts.items() if rule.of == VOTE}
    found = []
    for vote, ballots in by_vote(_ballot(row, registry) for row in rows):
        subject, where = registry.subjects[vote], ballots[0].where
        if subject.end is None:
            raise CellError(
                f"the vote {vote} has ballots and no end",
                where=f"subjects.csv, row {subject.row}, column until",
                wanted="the first day on which no ballot counts any more",
            )
        totals = {name: _total(vote, name, registry, where) for name in TOTALS if name in declared}
        try:
            found.append(tally(vote, ballots, opens=subject.start, closes=subject.end, **totals))
        except TableError as error:
            raise error.at("ballots.csv") from None
    return tuple(found)


def ballot_facts(
    found: Iterable[Tally], registry: Registry, documents: Iterable[Document]
) -> Iterator[tuple[str, str, str, Fact]]:
    """What the tallies say, as far as a document asks for it; known on the day after the last of the vote."""
    declared = {name for d in documents for name, rule in d.facts.items() if rule.of == VOTE}
    for one in found:
        for name in COUNTED:
            if name in declared:
                where = f"ballots.csv, the tally of {one.vote} ({name})"
                yield one.vote, name, "", Fact(one.facts[name], registry.subjects[one.vote].end, where)


def _ballot(row: Row, registry: Registry) -> Ballot:
    vote = row.text("vote_id")
    subject = registry.subjects.get(vote)
    if subject is None or subject.kind != VOTE:
        votes = [s.subject_id for s in registry.of_kind(VOTE)]
        raise CellError(
            "no vote of this id",
            where=f"{row.where}, column vote_id",
            got=repr(vote),
            wanted="a subject_id of subjects.csv whose kind is vote",
            fix=nearest(vote, votes),
        )
    return Ballot(
        vote,
        row.text("owner_id"),
        row.whole("area_m2"),
        row.text("channel"),
        row.day("cast_on"),
        row.text("choice"),
        row.optional_whole("sequence") or 0,
        row.where,
    )


def _total(vote: str, name: str, registry: Registry, where: str) -> Fraction:
    fact = registry.facts.get((vote, name, ""))
    if fact is None or not isinstance(fact.value, Fraction):
        raise CellError(
            f"the vote {vote} has ballots and no {name}",
            where=where,
            wanted=f"{name} of {vote} in facts.csv: whoever does not answer counts in it",
        )
    return fact.value
