"""Dividing what is due among those who pay: shares, first parts, matching, and who bears the odd fen."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from estate_funds.assess.claim import Share
from estate_funds.assess.view import View
from estate_funds.errors import NoRuleInForce
from estate_funds.money import FEN_PER_YUAN, Rounding, allocate, round_fen
from estate_funds.policy import LEVELS, Document, PayerSplit, Provision, version_on


def choose_split(provision: Provision, name: str, day: date, view: View) -> PayerSplit | None:
    """The division in force on a day whose conditions hold, else the one without; None while that is not known."""
    groups = provision.payers_by_condition
    if len(groups) == 1 and not groups[0][0].when:
        return version_on(groups[0], day, f"the payers of {name}")
    chosen: list[PayerSplit] = []
    default: PayerSplit | None = None
    for group in groups:
        standing = [split for split in group if split.in_force(day)]
        if not standing:
            continue
        met = view.all_hold(standing[0].when)
        if met is None:
            return None
        if not standing[0].when:
            default = standing[0]
        elif met:
            chosen.append(standing[0])
    if len(chosen) > 1:
        raise NoRuleInForce(
            f"two divisions among payers fit {view.subject.subject_id}",
            got=", ".join(" ".join(split.payers) for split in chosen),
            wanted="conditions that exclude each other",
            where=f"payers of {name}",
        )
    if not chosen and default is None:
        raise NoRuleInForce(
            f"no division among payers fits {view.subject.subject_id} on {day}",
            where=f"payers of {name}",
            wanted="[[payers]] without conditions, for all the rest",
        )
    return chosen[0] if chosen else default


def holder_of_role(document: Document, view: View, role: str) -> str | None:
    """Who somebody is: a unit, the subject itself, a party by name, or whom a fact names; None while not known."""
    if role in LEVELS:
        return view.subject.unit_at(role)
    if role in ("subject", view.subject.kind):
        return view.subject.subject_id
    if role in document.parties:
        return document.parties[role].name
    if role in document.facts and view.owner(document.facts[role].of) is not None:
        return view.text(role)
    found = view.owner(role)
    if found is None:
        view.lacking[role] = None
    return found


@dataclass(slots=True)
class Division:
    """Divides the lines of one subject; first parts and matched amounts are used up over the lines."""

    view: View
    document: Document
    left: dict[str, int] = field(default_factory=dict)

    def lacking(self, split: PayerSplit, extra: str | None = None) -> tuple[str, ...]:
        """What must be known before anything can be divided."""
        self.view.take_lacking()
        for role in (*split.payers, *((extra,) if extra else ())):
            holder_of_role(self.document, self.view, role)
        if split.first is not None:
            self.view.number(split.first.of)
        if split.matching is not None:
            self.view.number(split.matching.paid)
        return self.view.take_lacking()

    def shares(self, due_fen: int, split: PayerSplit, *, excess_fen: int = 0, excess_to: str = "") -> tuple[Share, ...]:
        """The parts of an amount, in the document's order; they sum to it, unless a match is missing."""
        parts: dict[str, tuple[Fraction, int]] = {}
        rest = due_fen - excess_fen
        if split.first is not None:
            first = min(rest, self._left(split.first.of))
            self.left[split.first.of] -= first
            rest -= first
            for payer, fen in allocate(first, split.first.shares, first=[split.first.odd_fen_to]).items():
                _add(parts, payer, split.first.shares[payer], fen)
        for payer, fen in self._matched(_divided(rest, split), split).items():
            _add(parts, payer, split.shares[payer], fen)
        if excess_fen:
            _add(parts, excess_to, Fraction(1), excess_fen)
        return tuple(
            Share(payer, share, fen, holder_of_role(self.document, self.view, payer) or "")
            for payer, (share, fen) in parts.items()
        )

    def _left(self, fact: str) -> int:
        if fact not in self.left:
            self.left[fact] = round_fen((self.view.number(fact) or Fraction(0)) * FEN_PER_YUAN)
        return self.left[fact]

    def _matched(self, parts: dict[str, int], split: PayerSplit) -> dict[str, int]:
        """Nobody pays more than in the proportion in which the one to be matched has paid."""
        rule = split.matching
        if rule is None:
            return parts
        own = parts[rule.payer]
        paid = min(own, self._left(rule.paid))
        self.left[rule.paid] -= paid
        ratio = Fraction(paid, own) if own else Fraction(1)
        return {
            payer: fen if payer == rule.payer else round_fen(fen * ratio, Rounding.DOWN) for payer, fen in parts.items()
        }


def _divided(fen: int, split: PayerSplit) -> dict[str, int]:
    if split.odd_fen == "largest_remainder":
        return allocate(fen, split.shares, first=[split.odd_fen_to])
    parts = {payer: round_fen(fen * share, Rounding.DOWN) for payer, share in split.shares.items()}
    parts[split.odd_fen_to] += fen - sum(parts.values())
    return parts


def _add(parts: dict[str, tuple[Fraction, int]], payer: str, share: Fraction, fen: int) -> None:
    parts[payer] = (share, parts.get(payer, (share, 0))[1] + fen)
