"""Ballots (选票) and their tally: one owner, one vote, by persons and by area, as Civil Code 278 counts them.

An owner may vote at the meeting, on paper and electronically, and more than once: the last valid ballot before the
close counts, the others are kept and listed. Whoever does not answer stays in the denominator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from estate_funds.assess.view import number_text
from estate_funds.errors import CellError, DuplicateRow, TableError, nearest
from estate_funds.registry import CENTI_M2

CHANNELS = ("meeting", "paper", "electronic")
CHOICES = ("yes", "no", "abstain", "invalid")


@dataclass(frozen=True, slots=True)
class Ballot:
    """One ballot of one owner, or of one property unit, with the exclusive area (专有部分面积) that it stands for."""

    vote: str
    owner: str
    area_centi_m2: int
    channel: str
    cast_on: date
    choice: str
    sequence: int = 0  # which came first on one day
    where: str = ""

    def __post_init__(self) -> None:
        if self.area_centi_m2 <= 0:
            got = f"{self.area_centi_m2} hundredths of a m2"
            raise CellError(f"the ballot of {self.owner} has no area", where=self.where, got=got, wanted="above 0")
        for name, allowed in (("channel", CHANNELS), ("choice", CHOICES)):
            value = getattr(self, name)
            if value not in allowed:
                wanted, fix = f"one of {', '.join(allowed)}", nearest(value, allowed)
                raise CellError(f"no such {name}", where=self.where, got=repr(value), wanted=wanted, fix=fix)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a vote comes to: the ballots that count, and those that are kept and do not, with the reason."""

    vote: str
    counted: tuple[Ballot, ...]  # one an owner, by owner
    set_aside: tuple[tuple[Ballot, str], ...]
    total_persons: Fraction | None
    total_area: Fraction | None  # m2, as are the other areas

    @property
    def voting_persons(self) -> Fraction:
        """How many take part: yes, no and abstain."""
        return Fraction(len(self.counted))

    @property
    def voting_area(self) -> Fraction:
        """Their area."""
        return _area(self.counted)

    @property
    def agreeing_persons(self) -> Fraction:
        """How many say yes."""
        return Fraction(len(self._agreeing))

    @property
    def agreeing_area(self) -> Fraction:
        """Their area."""
        return _area(self._agreeing)

    @property
    def facts(self) -> dict[str, Fraction]:
        """What the ballots say, by the names that documents use."""
        return {name: getattr(self, name) for name in COUNTED}

    @property
    def _agreeing(self) -> list[Ballot]:
        return [ballot for ballot in self.counted if ballot.choice == "yes"]


COUNTED = ("voting_persons", "voting_area", "agreeing_persons", "agreeing_area")
TOTALS = ("total_persons", "total_area")


def tally(
    vote: str,
    ballots: Iterable[Ballot],
    *,
    opens: date,
    closes: date,
    total_persons: Fraction | None = None,
    total_area: Fraction | None = None,
) -> Tally:
    """Count the ballots of a vote cast from `opens` on and before `closes`, the first day on which it is over.

    Totals are those of all owners, area in m2; None leaves them unchecked. Raises CellError for an owner with two
    areas, DuplicateRow for two ballots of one owner and day that differ and do not say which was last, TableError for
    more persons or area than there is. Civil Code 278.

    >>> day = date(2024, 5, 6)
    >>> found = tally("v", [
    ...     Ballot("v", "a", 80_00, "paper", day, "no"),
    ...     Ballot("v", "a", 80_00, "electronic", date(2024, 5, 9), "yes"),    # the last one counts
    ...     Ballot("v", "b", 60_00, "meeting", day, "abstain"),                # takes part, does not agree
    ...     Ballot("v", "c", 70_00, "paper", date(2024, 6, 1), "yes"),         # after the close
    ... ], opens=day, closes=date(2024, 6, 1), total_persons=Fraction(4), total_area=Fraction(300))
    >>> {name: int(value) for name, value in found.facts.items()}
    {'voting_persons': 2, 'voting_area': 140, 'agreeing_persons': 1, 'agreeing_area': 80}
    >>> [(ballot.owner, why) for ballot, why in found.set_aside]
    [('a', 'a later one counts'), ('c', 'cast after the close')]
    """
    own = [ballot for ballot in ballots if ballot.vote == vote]
    _check_areas(own)
    valid: dict[str, list[Ballot]] = {}
    aside: list[tuple[Ballot, str]] = []
    for ballot in sorted(own, key=_moment):
        if why := _not_counted(ballot, opens, closes):
            aside.append((ballot, why))
        else:
            valid.setdefault(ballot.owner, []).append(ballot)
    for cast in valid.values():
        _check_order(cast)
        aside += [(ballot, "a later one counts") for ballot in cast[:-1]]
    aside.sort(key=lambda pair: (pair[0].owner, *_moment(pair[0])))
    counted = tuple(valid[owner][-1] for owner in sorted(valid))
    found = Tally(vote, counted, tuple(aside), total_persons, total_area)
    for name, given in zip(TOTALS, (total_persons, total_area), strict=True):
        got = getattr(found, name.replace("total", "voting"))
        if given is not None and got > given:
            raise TableError(
                f"more {name.partition('_')[2]} voted than the vote {vote} has",
                got=number_text(got),
                wanted=f"at most {name} = {number_text(given)}",
                fix="correct the total, or find the ballots of those who own nothing here",
            )
    return found


def _not_counted(ballot: Ballot, opens: date, closes: date) -> str:
    if ballot.cast_on < opens:
        return "cast before the opening"
    if ballot.cast_on >= closes:
        return "cast after the close"
    return "invalid" if ballot.choice == "invalid" else ""


def _check_areas(ballots: Iterable[Ballot]) -> None:
    first: dict[str, Ballot] = {}
    for ballot in ballots:
        known = first.setdefault(ballot.owner, ballot)
        if known.area_centi_m2 != ballot.area_centi_m2:
            raise CellError(
                f"{ballot.owner} votes with two areas",
                where=_places(known, ballot),
                got=" and ".join(number_text(_area([b])) for b in (known, ballot)),
                wanted="the area that the owner has, in every ballot",
            )


def _check_order(cast: list[Ballot]) -> None:
    """One owner's ballots say which was last, where it matters."""
    last = [ballot for ballot in cast if _moment(ballot) == _moment(cast[-1])]
    if len({ballot.choice for ballot in last}) > 1:
        raise DuplicateRow(
            f"{last[0].owner} says {' and '.join(b.choice for b in last)} on one day",
            where=_places(*last),
            wanted="which was last: a number in the column sequence",
        )


def _moment(ballot: Ballot) -> tuple[date, int]:
    return ballot.cast_on, ballot.sequence


def _places(*ballots: Ballot) -> str:
    return " and ".join(ballot.where for ballot in ballots if ballot.where)


def _area(ballots: Iterable[Ballot]) -> Fraction:
    return Fraction(sum(ballot.area_centi_m2 for ballot in ballots), CENTI_M2)


def by_vote(ballots: Iterable[Ballot]) -> Iterator[tuple[str, list[Ballot]]]:
    """Ballots by vote, in the order in which the votes first stand."""
    found: dict[str, list[Ballot]] = {}
    for ballot in ballots:
        found.setdefault(ballot.vote, []).append(ballot)
    yield from found.items()
