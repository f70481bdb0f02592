"""Caps and floors of what one subject gets in one period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from estate_funds.assess.view import View
from estate_funds.money import FEN_PER_YUAN, Rounding, allocate, format_yuan, round_fen
from estate_funds.policy import Limit, Provision


@dataclass(frozen=True, slots=True)
class Bounded:
    """What is left of each line, what of it lies above a cap that somebody else pays, and what to say."""

    fen: list[int]
    excess: list[int]
    note: str = ""


def bounded(provision: Provision, view: View, possible: list[int], payable: Sequence[bool], day: date) -> Bounded:
    """The lines of a claim within its caps and floors; each line gives or takes in proportion."""
    none = [0] * len(possible)
    whole = sum(possible)
    cap, floor = tightest(provision.caps, view, day), highest(provision.floors, view, day)
    if cap is not None and whole > cap[0]:
        parts = allocate(cap[0], dict(enumerate(possible)))
        kept = [parts[n] for n in range(len(possible))]
        note = f"; {format_yuan(whole)} capped at {format_yuan(cap[0])} [{cap[1].clause}]"
        if cap[1].excess_to is None:
            return Bounded(kept, none, note)
        above = [fen - part for fen, part in zip(possible, kept, strict=True)]
        return Bounded(possible, above, f"{note}, the rest to {cap[1].excess_to}")
    if floor is not None and any(payable) and whole < floor[0]:
        parts = allocate(floor[0], dict(enumerate(possible if whole else [int(pays) for pays in payable])))
        note = f"; {format_yuan(whole)} raised to {format_yuan(floor[0])} [{floor[1].clause}]"
        return Bounded([parts[n] for n in range(len(possible))], none, note)
    return Bounded(possible, none)


def tightest(limits: Sequence[Limit], view: View, day: date) -> tuple[int, Limit] | None:
    """The lowest of several caps, in fen, rounded down."""
    return min(_known(limits, view, day, Rounding.DOWN), key=lambda pair: pair[0], default=None)


def highest(limits: Sequence[Limit], view: View, day: date) -> tuple[int, Limit] | None:
    """The highest of several floors, in fen, rounded up."""
    return max(_known(limits, view, day, Rounding.UP), key=lambda pair: pair[0], default=None)


def _known(limits: Sequence[Limit], view: View, day: date, mode: Rounding) -> list[tuple[int, Limit]]:
    found = []
    for rule in limits:
        times = view.number(rule.per) if rule.in_force(day) else None
        if times is not None:  # else the view notes what is lacking, and the line waits
            found.append((round_fen(rule.value * times * FEN_PER_YUAN, mode), rule))
    return found
