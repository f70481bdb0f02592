"""The facts of one subject in one period, by the names that a document uses; what is not known stays not known."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from operator import ge, gt, le, lt
from typing import Any

from estate_funds.calendar import Month, whole_months
from estate_funds.errors import CellError
from estate_funds.money import Rounding, format_rate, round_fen
from estate_funds.policy import BUILT_IN, LEVELS, Bounds, Conditions, Derived, Document
from estate_funds.policy.facts import NO, YES
from estate_funds.registry import CENTI_M2, Assessment, Assessments, Registry, Subject, Value

WORDS = {
    "at_least": "at least",
    "above": "above",
    "at_most": "at most",
    "below": "below",
    "on_or_after": "on or after",
    "after": "after",
    "on_or_before": "on or before",
    "before": "before",
}
MET: Mapping[str, Callable[[Any, Any], bool]] = {
    "at_least": ge, "above": gt, "at_most": le, "below": lt,
    "on_or_after": ge, "after": gt, "on_or_before": le, "before": lt,
}  # fmt: skip
Ranking = tuple[list[Fraction] | None, dict[str, date]]  # what peers have, and when that was known


@dataclass(slots=True)
class View:
    """Asked for a fact, it says its value, or None.

    `lacking` remembers what was missing, `days` when the rest was known, `evidence` which documents prove it.
    """

    document: Document
    registry: Registry
    assessments: Assessments
    subject: Subject
    period: str
    counted: date
    assessment: Assessment | None = None
    ranks: dict[object, Ranking] = field(default_factory=dict)
    lacking: dict[str, None] = field(default_factory=dict)
    days: dict[str, date] = field(default_factory=dict)
    as_of: date | None = None  # what was known later is not known
    evidence: set[tuple[str, str]] = field(default_factory=set)  # kind and digest

    # --- values ---

    def value(self, name: str) -> Value | None:
        """The value of a fact, derived or not; None, noted in `lacking`, where it is not known."""
        if name in self.document.derived:
            return self._derived(self.document.derived[name])
        if name in self.document.facts:
            rule = self.document.facts[name]
            owner = self.owner(rule.of)
            fact = self.registry.facts.get((owner, name, self.period if rule.each_period else "")) if owner else None
            if fact is None or (self.as_of and fact.known_on and fact.known_on > self.as_of):
                self.lacking[name] = None
                return None
            if fact.known_on is not None:
                self.known({f"{name}@{self.period}" if rule.each_period else name: fact.known_on})
            self.evidence.update(fact.evidence)
            return fact.value
        found = self._built_in(name)
        if found is None:
            self.lacking[name] = None
        return found

    def number(self, name: str) -> Fraction | None:
        """The value of a fact that is a number."""
        found = self.value(name)
        if found is None or isinstance(found, Fraction):
            return found
        raise CellError(f"{name} of {self.subject.subject_id} is not a number", got=repr(found), wanted="a number")

    def day(self, name: str) -> date | None:
        """The value of a fact that is a date."""
        found = self.value(name)
        if found is None or isinstance(found, date):
            return found
        raise CellError(f"{name} of {self.subject.subject_id} is not a date", got=repr(found), wanted="a date")

    def text(self, name: str) -> str | None:
        """The value of a fact that is a choice, a yes or no, or a text."""
        found = self.value(name)
        return found if isinstance(found, str) else None

    def take_lacking(self) -> tuple[str, ...]:
        """What was missing since the last time, and forget it."""
        found = tuple(self.lacking)
        self.lacking.clear()
        return found

    def known(self, days: Mapping[str, date]) -> None:
        """Note the days on which facts were known; of one that several subjects have, the last."""
        for name, day in days.items():
            self.days[name] = max(day, self.days.get(name, day))

    def result(self) -> Assessment | None:
        """The assessment that was asked for, and with it the documents that it rests on."""
        if self.assessment is not None:
            self.evidence.update(self.assessment.evidence)
        return self.assessment

    def remember(self, other: View) -> None:
        """What was asked of another view counts as asked of this one."""
        self.known(other.days)
        self.evidence |= other.evidence

    def owner(self, kind: str) -> str | None:
        """The id of the subject itself, or of what it belongs to, that is of a kind."""
        return self.registry.owner(self.subject, kind)

    # --- conditions ---

    def holds(self, bounds: Bounds) -> bool | None:
        """Whether a condition is met; None where that is not known."""
        found = self.value(bounds.fact)
        if found is None:
            return None
        if bounds.is_ is not None:
            return found in bounds.is_
        if isinstance(found, date):
            return all(MET[name](found, bound) for name, bound in bounds.days.items())
        if isinstance(found, str):
            raise CellError(f"{bounds.fact} of {self.subject.subject_id} is no number", got=found, wanted="a number")
        scale = Fraction(1)
        if bounds.of is not None:
            whole = self.number(bounds.of)
            if whole is None:
                return None
            scale = whole
        return all(MET[name](found, _bound(bound * scale, bounds)) for name, bound in bounds.numbers.items())

    def all_hold(self, conditions: Conditions) -> bool | None:
        """Whether all are met: no if one is not, whatever else is unknown."""
        before = dict(self.lacking)
        met = [self.holds(bounds) for bounds in conditions]
        if False in met:
            self.lacking = before  # nothing that is missing could change it
            return False
        return None if None in met else True

    def said(self, bounds: Bounds) -> str:
        """A condition and what it met, in words: `office_area_m2 is 110; wanted at least 120`."""
        found = self.value(bounds.fact)
        shown = number_text(found) if isinstance(found, Fraction) else found
        scale = f" x {bounds.of}" if bounds.of else ""
        limits = {**bounds.numbers, **bounds.days}
        wanted = " and ".join(
            f"{WORDS[name]} {number_text(bound) if isinstance(bound, Fraction) else bound}{scale}"
            for name, bound in limits.items()
        )
        wanted = wanted or " or ".join(bounds.is_ or ())
        return f"{bounds.fact} is {'not known' if found is None else shown}; wanted {wanted}"

    # --- derived ---

    def _derived(self, rule: Derived) -> Value | None:
        way = rule.way
        if way == "when":
            return _yes_no(self.all_hold(rule.when))
        if way == "any_of":
            before = dict(self.lacking)
            met = [self.all_hold(group) for group in rule.any_of]
            self.lacking = before if True in met else self.lacking
            return _yes_no(True if True in met else None if None in met else False)
        if way == "classes":
            return self._class(rule)
        if way == "count_of":
            flags = [self.text(name) for name in rule.count_of]
            return None if None in flags else Fraction(flags.count(YES))
        if way in ("values", "sum_over", "previous", "months_between"):
            return getattr(self, f"_{way}")(rule)  # type: ignore[no-any-return]
        if way == "steps" and rule.steps is not None:
            base = self.number(rule.steps.of)
            mode = Rounding.UP if rule.steps.round == "up" else Rounding.DOWN
            return None if base is None else Fraction(round_fen(base / rule.steps.size, mode))
        if way == "rank_of":
            return self._rank(str(rule.rank_of), rule.within)
        numbers = [self.number(name) for name in getattr(rule, way)]
        known = [n for n in numbers if n is not None]
        if len(known) < len(numbers):
            return None
        if way == "ratio":
            if not known[1]:
                raise CellError(
                    f"{rule.ratio[1]} of {self.subject.subject_id} is 0: no ratio", wanted="a number above 0"
                )
            return known[0] / known[1]
        return _combined(way, known)

    def _values(self, rule: Derived) -> Fraction | None:
        fitting = self._first(rule, [one.when for one in rule.values], "value", "; ".join(rule.inputs))
        return None if fitting is None else rule.values[fitting].value

    def _sum_over(self, rule: Derived) -> Fraction | None:
        """Of all subjects of a kind that belong to this one; one that is not known makes the sum not known."""
        if rule.sum_over is None:
            return None
        found = Fraction(0)
        for member in self.registry.members(rule.sum_over.kind, self.subject.kind, self.subject.subject_id):
            if not member.there_on(self.counted):
                continue
            number = replace(self, subject=member, assessment=None, lacking={}).number(rule.sum_over.fact)
            if number is None:
                self.lacking[f"{rule.sum_over.fact} of {member.subject_id}"] = None
                return None
            found += number
        return found

    def _previous(self, rule: Derived) -> Value | None:
        """The value in the period before: the year, quarter, month or service year."""
        before = previous_period(self.period)
        if before is None:
            self.lacking[str(rule.previous)] = None
            return None
        view = replace(self, period=before, assessment=None, lacking={})
        found = view.value(str(rule.previous))
        if found is None:
            self.lacking[f"{rule.previous} of {before}"] = None
        return found

    def _months_between(self, rule: Derived) -> Fraction | None:
        first, last = (self.day(name) for name in rule.months_between)
        return None if first is None or last is None else Fraction(whole_months(first, last))

    def _class(self, rule: Derived) -> str | None:
        fitting = self._first(
            rule, [kind.when for kind in rule.classes], "class", ", ".join(c.is_ for c in rule.classes)
        )
        return None if fitting is None else rule.classes[fitting].is_

    def _first(self, rule: Derived, groups: Sequence[Conditions], what: str, wanted: str) -> int | None:
        """The place of the first group whose conditions all hold; None while that is not known."""
        for place, conditions in enumerate(groups):
            met = self.all_hold(conditions)
            if met is not False:
                return place if met else None
        raise CellError(f"{self.subject.subject_id} fits no {what}", wanted=wanted, clause=rule.clause)

    def _rank(self, name: str, within: str | None) -> Fraction | None:
        """The place among all of its kind, the highest first; equals share the better place; all wait for the last."""
        kind, unit = self.subject.kind, self.owner(within) if within else None
        key = (kind, name, within, unit, self.period, self.counted, self.as_of)
        if key not in self.ranks:
            peers = self.registry.members(kind, within, unit) if within else self.registry.of_kind(kind)
            self.ranks[key] = self._ranking(name, peers)
        numbers, days = self.ranks[key]
        own = self.number(name)
        if own is None or numbers is None:
            self.lacking[name] = None
            return None
        self.known(days)
        return Fraction(1 + len(numbers) - bisect_right(numbers, own))

    def _ranking(self, name: str, peers: Iterable[Subject]) -> Ranking:
        """The numbers of those there, the lowest first, and when they were known; None while one is not.

        The documents of peers prove their own claims: a claim does not bring those of all that it was ranked among.
        """
        numbers: list[Fraction] = []
        days: dict[str, date] = {}
        for peer in peers:
            if not peer.there_on(self.counted):
                continue
            result = self.assessments.get((peer.subject_id, int(self.period))) if self.period.isdigit() else None
            view = replace(self, subject=peer, assessment=result, lacking={}, days=days, evidence=set())
            number = view.number(name)
            if number is None:
                return None, {}
            numbers.append(number)
        return sorted(numbers), days

    # --- what the register knows ---

    def _built_in(self, name: str) -> Value | None:
        subject = self.subject
        if name == "each":
            return Fraction(1)
        if name == "score":
            return None if (result := self.result()) is None else result.score
        if name == "started_on":
            return subject.start
        if name == "household" and subject.kind == "household":
            return Fraction(1)
        if name in ("m2", "floor_area_m2") and subject.kind == "household":
            area = self.registry.facts.get((subject.subject_id, "floor_area_m2", ""))
            self.evidence.update(area.evidence if area else ())
            return area.value if area else None
        if name == "m2" and subject.kind != "estate":
            own = self.document.facts.get("area_m2")
            if own is not None and own.of == subject.kind:
                return self.value("area_m2")
        estates = self.registry.estates_in(subject) if subject.units.get("estate") or subject.kind in LEVELS else []
        if subject.kind in LEVELS[:-1]:
            estates = [e for e in estates if e.in_service(self.counted)]
        if name == "estate":
            return Fraction(len(estates))
        if name == "household":
            counted = (self.registry.households(e.estate_id, max(self.counted, e.service_start)) for e in estates)
            return Fraction(sum(counted)) if estates else None
        if name in ("m2", "floor_area_m2"):
            return Fraction(sum(e.floor_area_centi_m2 for e in estates), CENTI_M2) if estates else None
        if name in ("building", "buildings"):
            return Fraction(sum(e.buildings for e in estates)) if estates else None
        return estates[0].fact(name) if len(estates) == 1 and name in BUILT_IN else None


def previous_period(period: str) -> str | None:
    """The period before, as people write it; None for what has no period.

    >>> [previous_period(p) for p in ("2024", "2024-Q1", "2024-01", "3", "")]
    ['2023', '2023-Q4', '2023-12', '2', None]
    """
    if "-Q" in period:
        year, quarter = period.split("-Q")
        return f"{int(year) - 1}-Q4" if quarter == "1" else f"{year}-Q{int(quarter) - 1}"
    if "-" in period:
        return str(Month.parse(period) + -1)
    return str(int(period) - 1) if period.isdigit() else None


def _yes_no(met: bool | None) -> str | None:
    return None if met is None else YES if met else NO


def _combined(way: str, known: list[Fraction]) -> Fraction:
    if way == "sum_of":
        return sum(known, Fraction(0))
    if way == "least_of":
        return min(known)
    if way == "greatest_of":
        return max(known)
    if way == "difference":
        return max(Fraction(0), known[0] - sum(known[1:], Fraction(0)))
    product = Fraction(1)
    for number in known:
        product *= number
    return product


def _bound(bound: Fraction, bounds: Bounds) -> Fraction:
    if bounds.rounded_to is None:
        return bound
    return round_fen(bound / bounds.rounded_to, Rounding.HALF_UP) * bounds.rounded_to


def number_text(value: Fraction) -> str:
    """A number as people write it: 1,885 or 92.5."""
    return f"{int(value):,}" if value.denominator == 1 else format_rate(value)


def waits_for(names: Iterable[str]) -> str:
    """Why something is pending."""
    return f"waits for {', '.join(names)}"
