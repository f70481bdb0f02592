"""Advances (预拨) and their settlement: what was paid before is a claim of its own, and is taken off the final one.

The settlement pays the rest, or asks for a refund. An advance does not change with what is known later: only so can the
books be replayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from estate_funds.assess.claim import Claim, Line, Outcome, Share
from estate_funds.assess.division import Division, choose_split
from estate_funds.assess.gates import advanced_on
from estate_funds.assess.view import View, waits_for
from estate_funds.calendar import Months
from estate_funds.errors import InvariantBroken
from estate_funds.money import FEN_PER_YUAN, Rounding, format_rate, format_yuan, round_fen
from estate_funds.policy import PERIODS, Advance

if TYPE_CHECKING:
    from estate_funds.assess.walk import Found, Walk


def with_advance(walk: Walk, number: int, found: Found) -> Iterator[Claim]:
    """The advances of a claim, and the claim with what they paid taken off."""
    rule, lines, period = walk.provision.advance, found.lines, found.period
    advances = list(_advances(walk, rule, number, found)) if rule else []
    yield from advances
    paid = sum(claim.amount_fen for claim in advances)
    if rule and paid:
        settled = all(line.outcome is not Outcome.PENDING for line in lines)
        back = tuple(s._replace(fen=-s.fen) for claim in advances for line in claim.lines for s in line.shares)
        less = Line(
            subject_id=found.view.subject.subject_id,
            months=period,
            service_year=number,
            base=Fraction(paid, FEN_PER_YUAN),
            measure="advance",
            rate=Fraction(-1),
            formula=f"less advance {format_yuan(paid)}",
            outcome=Outcome.DUE if settled else Outcome.PENDING,
            reason="paid in advance" if settled else "to be settled",
            clause=rule.clause,
            amount_fen=-paid if settled else 0,
            potential_fen=-paid,
            shares=back if settled else (),
        )
        lines = [*lines, less]
    yield walk.seal(found.view, number, period, lines)


def _advances(walk: Walk, rule: Advance, number: int, found: Found) -> Iterator[Claim]:
    """One advance, or one for each month or quarter of the period; each by what was known on its day."""
    if all(line.outcome is Outcome.ENDED for line in found.lines):
        return
    subject, period = found.view.subject, found.period
    view = walk.view(subject, number, found.view.counted, period.start)
    view.assessment = None
    whole_fen, formula = _whole(rule, view, found.whole_fen)
    missing = view.take_lacking()
    if whole_fen == 0 and not missing:
        return
    step = PERIODS[rule.each] if rule.each else len(period)
    before = 0
    for n, offset in enumerate(range(0, len(period), step), start=1):
        months = Months(period.start + offset, min(period.start + offset + step, period.end))
        until = round_fen(Fraction(whole_fen * (months.end - period.start), len(period)), Rounding.DOWN)
        first = subject.start if rule.asked else months.start.first_day
        day, outcome, why = advanced_on(walk, view, max([first, *view.days.values()]))
        if outcome is Outcome.INELIGIBLE:
            return
        line = _line(walk, rule, view, months, number, until - before, formula, (missing, found.anchor))
        before = until
        part = f"advance-{n}" if rule.each else "advance"
        line = line.turned(Outcome.PENDING, why) if outcome is Outcome.PENDING else line
        yield walk.seal(view, number, months, [line], part=part, decided_on=day)


def _whole(rule: Advance, view: View, claim_fen: int) -> tuple[int, str]:
    """What all advances of a period come to: what was asked for, within the share; or the share itself."""
    share = format_rate(rule.at_most)
    if rule.asked is None:
        base = Fraction(claim_fen, FEN_PER_YUAN) if rule.of is None else view.number(rule.of)
        bound = rule.at_most * (base or 0)
        return round_fen(
            bound * FEN_PER_YUAN, Rounding.DOWN
        ), f"{share} x {format_rate(base or Fraction(0))} in advance"
    asked = view.number(rule.asked)
    if asked is None:  # nobody asked: no advance, and nothing is missing
        view.take_lacking()
        return 0, ""
    base = Fraction(claim_fen, FEN_PER_YUAN) if rule.of is None else view.number(rule.of)
    bound = rule.at_most * (base or 0)
    formula = f"asked {format_rate(asked)}, at most {share} x {format_rate(base or Fraction(0))}"
    return round_fen(min(asked, bound) * FEN_PER_YUAN, Rounding.DOWN), formula


def _line(
    walk: Walk,
    rule: Advance,
    view: View,
    months: Months,
    number: int,
    fen: int,
    formula: str,
    known: tuple[tuple[str, ...], date],
) -> Line:
    missing, anchor = known
    split = choose_split(walk.provision, walk.provision_id, anchor, view)
    if split is not None:
        split = split.model_copy(update={"matching": None})  # matched at the settlement, when the other side has paid
        missing += Division(view, walk.document).lacking(split)
    missing += view.take_lacking()
    shares: tuple[Share, ...] = ()
    if not missing and fen:
        if split is None:
            raise InvariantBroken("a division that is not known, and nothing missing")
        shares = Division(view, walk.document).shares(fen, split)
    return Line(
        subject_id=view.subject.subject_id,
        months=months,
        service_year=number,
        base=Fraction(fen, FEN_PER_YUAN),
        measure="advance",
        rate=rule.at_most,
        formula=formula,
        outcome=Outcome.PENDING if missing else Outcome.DUE,
        reason=waits_for(missing) if missing else "in advance, to be settled",
        clause=rule.clause,
        amount_fen=0 if missing else fen,
        potential_fen=fen,
        shares=shares,
    )
