"""The walk over subjects and periods, and sum 1: rate x base."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from functools import cached_property
from itertools import groupby

from estate_funds.assess.bounds import Bounded, bounded
from estate_funds.assess.claim import Claim, Line, Outcome, Share
from estate_funds.assess.division import Division, choose_split, holder_of_role
from estate_funds.assess.gates import judge
from estate_funds.assess.settlement import with_advance
from estate_funds.assess.view import Ranking, View, number_text, waits_for
from estate_funds.calendar import (
    MONTHS_PER_YEAR,
    Month,
    Months,
    end_month,
    first_month,
    service_year,
    service_year_months,
)
from estate_funds.errors import CaseError, NoRuleInForce
from estate_funds.money import FEN_PER_YUAN, Rounding, allocate, format_rate, format_yuan, round_fen
from estate_funds.policy import PERIODS, Document, PayerSplit, Provision, Rate, Requirement, version_on
from estate_funds.registry import Assessment, Assessments, Registry, Subject

QUARTER = 3
LEAP_DAY = (2, 29)  # in other years, the last of February
EVER = Month.of(date.max)


@dataclass(frozen=True, slots=True)
class Run:
    """What decides a run of months: service year, the day that anchors values, the day of counting."""

    service_year: int
    rate_from: date
    split_from: tuple[date, ...]
    counted: date
    anchor: date


@dataclass(frozen=True, slots=True)
class Priced:
    """A line before rounding: `exact_fen` for each of `units`."""

    months: Months
    service_year: int
    base: Fraction
    measure: str
    rate: Fraction
    formula: str
    outcome: Outcome
    reason: str
    clause: str
    split: PayerSplit | None
    exact_fen: Fraction
    units: int = 1
    factor: Fraction = Fraction(0)  # how often the rate is due in these months: 12, or 7/12 of a year


@dataclass(frozen=True, slots=True)
class Pricing:
    """The runs of a period before rounding: what each costs, and the day on which its base was counted."""

    view: View
    lines: list[Priced]
    counted: list[date]
    anchor: date


@dataclass(frozen=True, slots=True)
class Found:
    """What a subject is owed in a period; `whole_fen` is what it would be if every gate were passed."""

    view: View
    period: Months
    lines: list[Line]
    whole_fen: int
    anchor: date


@dataclass(frozen=True)
class Walk:
    """One provision over one registry."""

    document: Document
    provision_id: str
    provision: Provision
    registry: Registry
    assessments: Assessments
    above: Sequence[Document] = ()  # documents of the case that replace this provision while they hold
    below: Sequence[Document] = ()  # documents whose provision this one replaces
    ranks: dict[object, Ranking] = field(default_factory=dict)  # what peers have, asked once

    # --- periods ---

    def served(self, subject: Subject) -> Months:
        """The months of service that count; without an end, for ever."""
        start = first_month(subject.start, self.provision.first_month)
        if subject.end is None:
            return Months(start, EVER)
        return Months(start, max(start, end_month(subject.end, self.provision.last_month)))

    def numbers(self, served: Months, window: Months) -> Iterable[int]:
        """The claim periods that begin in the window and touch the service."""
        common = served & window
        kind = self.provision.claim_period
        if kind == "once":
            return (1,) if served.start in window and len(served) else ()
        if not len(common):
            return ()
        last = common.end + -1
        if kind == "service_year":
            numbers = range(service_year(served.start, common.start), service_year(served.start, last) + 1)
        else:
            numbers = range(period_number(kind, common.start), period_number(kind, last) + 1)
        if self.grouped and kind != "service_year":  # a claim for many begins with the period, whenever each one came
            return [number for number in numbers if numbered_period(kind, number).start in window]
        return [number for number in numbers if self.period(served, number).start in window]

    @property
    def assessed(self) -> bool:
        """Whether the result of an assessment decides."""
        gate = self.provision.gate
        return (gate is not None and gate.fact == "assessment") or self.provision.weights == "score"

    @property
    def grouped(self) -> bool:
        """Whether one claim stands for many subjects."""
        return self.provision.claim_per not in (None, self.provision.each)

    def period(self, served: Months, number: int) -> Months:
        """The months of a claim period that were served."""
        kind = self.provision.claim_period
        if kind == "once":
            return Months(served.start, served.start + 1)
        if kind == "service_year":
            return service_year_months(served.start, number) & served
        return numbered_period(kind, number) & served

    def key(self, number: int) -> str:
        """The period as people write it, and as facts.csv does."""
        kind = self.provision.claim_period
        if kind == "once":
            return ""
        if kind == "month":
            return str(Month(number))
        return f"{number // 4}-Q{number % 4 + 1}" if kind == "quarter" else str(number)

    # --- sum 1: rate x base ---

    def claims(self, window: Months) -> Iterator[Claim]:
        """Every claim whose period begins in the window."""
        grouped: dict[tuple[str, int], list[tuple[View, Months, list[Line]]]] = {}
        for subject in self.registry.of_kind(self.provision.each):
            served = self.served(subject)
            for number in self.numbers(served, window):
                period = self.period(served, number)
                found = self.lines(subject, served, number, period)
                if found is None:
                    continue
                if self.grouped:
                    group = found.view.owner(str(self.provision.claim_per)) or ""
                    grouped.setdefault((group, number), []).append((found.view, period, found.lines))
                else:
                    yield from with_advance(self, number, found)
        for (group, number), members in grouped.items():
            yield self.seal_group(group, number, members)

    def lines(self, subject: Subject, served: Months, number: int, period: Months) -> Found | None:
        """Split the period where anything changes, price each run, round, bound, divide among payers."""
        pricing = self.pricing(subject, served, number, period)
        return None if pricing is None else self.found(pricing, period)

    def found(self, pricing: Pricing, period: Months) -> Found:
        """What was priced, rounded, bounded, and divided among payers."""
        view, priced, day = pricing.view, pricing.lines, pricing.anchor
        amounts = self.rounded(priced)
        asked = [p.outcome is not Outcome.ENDED for p in priced]
        would_be = bounded(
            self.provision, view, [n if a else 0 for n, a in zip(amounts, asked, strict=True)], asked, day
        )
        view.take_lacking()
        return Found(view, period, self.finished(view, priced, amounts, day), sum(would_be.fen), day)

    def pricing(self, subject: Subject, served: Months, number: int, period: Months) -> Pricing | None:
        """The runs of a period with their exact prices; None for what the provision is not about."""
        runs = list(self.runs(subject, served, period))
        if not runs or not self.applies(self.view(subject, number, runs[0][0].counted, period.start)):
            return None
        views = [self.view(subject, number, run.counted, months.start) for run, months in runs]
        priced = [self.price(view, run, months, period) for view, (run, months) in zip(views, runs, strict=True)]
        for view in views[1:]:
            views[0].remember(view)
        return Pricing(views[0], priced, [run.counted for run, _ in runs], runs[0][0].anchor)

    def applies(self, view: View) -> bool:
        """Whether the provision is about a subject at all; what is not known yet may be."""
        return not self.provision.applies_to or view.all_hold(self.provision.applies_to) is not False

    def view(self, subject: Subject, number: int, counted: date, month: Month) -> View:
        """The facts of a subject in a period."""
        result = self.result(subject, number, month)
        key = self.key(number)
        return View(self.document, self.registry, self.assessments, subject, key, counted, result, self.ranks)

    def runs(self, subject: Subject, served: Months, period: Months) -> Iterator[tuple[Run, Months]]:
        """The runs of months in which nothing that decides changes; months of another document left out."""
        provision = self.provision
        if provision.anchor == "enrolment" and provision.counted_on in ("enrolment", "service_year_start"):
            month = period.start  # nothing but the service year can decide: no need to ask every month
            while month < period.end:
                year = service_year_months(served.start, service_year(served.start, month))
                end = min(period.end, year.end) if self.by_service_year else period.end
                run = self.run(subject, served, month)
                if run is not None:
                    yield run, Months(month, end)
                month = end
            return
        for _, group in groupby(
            ((self.run(subject, served, month), month) for month in period), lambda pair: self.deciding(pair[0])
        ):
            pairs = list(group)
            run = pairs[0][0]
            if run is not None:
                yield run, Months(pairs[0][1], pairs[-1][1] + 1)

    @cached_property
    def by_service_year(self) -> bool:
        """Whether the service year decides anything: a tier, or the day of counting."""
        tiers = any(tier.service_years for rate in self.provision.rate for tier in rate.tiers)
        return tiers or self.provision.counted_on == "service_year_start"

    def deciding(self, run: Run | None) -> object:
        """What months must share to stand in one line."""
        year = run.service_year if run and self.by_service_year else 0
        return run and (year, run.rate_from, run.split_from, run.counted)

    def run(self, subject: Subject, served: Months, month: Month) -> Run | None:
        """What decides a month; None where another document of the case holds instead."""
        provision = self.provision
        year = service_year(served.start, month)
        anchor = subject.start
        if provision.anchor == "service_month":
            anchor = max(anchor, month.first_day) if provision.claim_period == "once" else month.first_day
        elif provision.anchor == "decision":
            result = self.decision(subject, year, month)
            anchor = result or max(anchor, month.first_day)
        if not self.holds_on(anchor, subject.units, f"{provision.anchor} of {subject.subject_id}"):
            return None
        counted = self.counted_on(subject, served, year, month)
        rate = version_on(provision.rate, anchor, f"the rate of {self.provision_id}")
        splits = tuple(s.start for s in provision.payers if s.in_force(anchor))
        if not splits:
            version_on(provision.payers, anchor, f"the payers of {self.provision_id}")
        return Run(year, rate.start, splits, counted, anchor)

    def counted_on(self, subject: Subject, served: Months, year: int, month: Month) -> date:
        """The day on which households are counted."""
        rule = self.provision.counted_on
        if rule == "month_start":
            return max(subject.start, month.first_day)
        if rule == "service_year_start":
            return max(subject.start, service_year_months(served.start, year).start.first_day)
        if rule == "enrolment":
            return subject.start
        number, day = (int(part) for part in rule.split("-"))
        if (number, day) == LEAP_DAY:
            return max(subject.start, Month.of(date(month.year, number, 1)).last_day)
        return max(subject.start, date(month.year, number, day))

    def decision(self, subject: Subject, year: int, month: Month) -> date | None:
        """The day of the decision that the gate asks for."""
        gate = self.provision.gate
        if gate is not None and gate.fact != "assessment":
            number = (
                year
                if self.provision.claim_period == "service_year"
                else period_number(self.provision.claim_period, month)
            )
            view = self.view(subject, number, subject.start, month)
            view.value(gate.fact)
            return max(view.days.values(), default=None)
        result = self.result(subject, year, month)
        return result.result_on if result else None

    def holds_on(self, anchor: date, units: Mapping[str, str], whose: str) -> bool:
        """Whether this document decides on a day; NoRuleInForce where it does not, and no other of the case may."""
        if not self.document.covers(units):
            return False
        if self.replaced(anchor, units):
            return False
        if self.document.in_force(anchor):
            return True
        if self.above or self.below or self.provision.anchor == "service_month":
            return False  # the programme has not begun, or is over
        raise NoRuleInForce(
            f"{self.document.id} is not in force",
            got=f"{whose} on {anchor}",
            wanted=f"{self.document.start} to {self.document.until or 'now'}",
            fix="correct the date, or name the document that was in force then",
        )

    def replaced(self, day: date, units: Mapping[str, str]) -> bool:
        """Whether another document of the case stands over this one there and then."""
        return any(document.in_force(day) and document.covers(units) for document in self.above)

    def price(self, view: View, run: Run, months: Months, period: Months) -> Priced:
        """Base x rate x periods, exact; the outcome and its reason."""
        provision, year = self.provision, run.service_year
        rate = version_on(provision.rate, run.rate_from, "the rate")
        split = choose_split(provision, self.provision_id, run.anchor, view)
        unknown = view.take_lacking()
        measure, nought = rate.unit.base, Fraction(0)
        outcome, reason = judge(self, view)
        payable = outcome in (Outcome.DUE, Outcome.PENDING)
        value, ended = self.value_of(rate, year, view, strict=payable)
        unknown += view.take_lacking()
        base = whole = view.number(measure)
        if base is not None and rate.base_at_most is not None:
            times = view.number(rate.base_at_most.per) if rate.base_at_most.per else Fraction(1)
            base = None if times is None else min(base, rate.base_at_most.value * times)
        unknown += view.take_lacking()
        if ended:
            shown = base or nought
            return Priced(
                months, year, shown, measure, nought, f"no rate in service year {year}", Outcome.ENDED, ended,
                rate.clause, split, nought,
            )  # fmt: skip
        division = Division(view, self.document)
        unknown += division.lacking(split, self.excess_to) if split else ()
        if unknown and payable:
            outcome, reason = Outcome.PENDING, waits_for(dict.fromkeys(unknown))
        if value is None or base is None:
            formula = f"{measure} x {rate.unit.text}"
            return Priced(months, year, nought, measure, nought, formula, outcome, reason, rate.clause, split, nought)
        factor, factor_text = _periods(rate, months, period)
        units = int(base) if provision.rounding.level == "household" else 1
        yuan, how_much = (
            _sliced(rate, base) if rate.slices else (base * value, f"{_based(rate, base)} x {format_rate(value)}")
        )
        exact_fen = yuan * factor * FEN_PER_YUAN / max(units, 1)
        clause = f"{rate.clause}, year {year}" if rate.years else rate.clause
        how = self.how_counted(view, measure)
        counted = f" (of {number_text(whole)})" if whole is not None and whole != base else ""
        formula = how_much + factor_text + counted
        return Priced(
            months, year, base, measure, value, formula, outcome, reason + how, clause, split, exact_fen, units,
            factor,
        )  # fmt: skip

    def value_of(self, rate: Rate, year: int, view: View, *, strict: bool) -> tuple[Fraction | None, str]:
        """The rate of a subject in a service year, or why it has ended; None, and nothing, while a fact is missing.

        Unless `strict`, what pays nothing anyhow need not fit a tier.
        """
        if rate.slices:
            return rate.slices[0].value, ""
        if not rate.by_conditions:
            value = rate.in_year(year)
            return value, "" if value is not None else f"the schedule ends with service year {rate.years}"
        in_years = [t for t in rate.tiers if not t.service_years or t.service_years[0] <= year <= t.service_years[1]]
        if not in_years:
            return None, f"the schedule ends with service year {rate.years}"
        met = [view.all_hold(tier.when) for tier in in_years]
        if None in met:
            return None, ""
        fitting = [tier for tier, fits in zip(in_years, met, strict=True) if fits]
        if len(fitting) != 1 and not strict:
            return None, ""
        if len(fitting) != 1:
            said = "; ".join(dict.fromkeys(view.said(b) for tier in in_years for b in tier.when))
            raise NoRuleInForce(
                f"{len(fitting) or 'no'} tiers of the rate fit {view.subject.subject_id}",
                where=f"{self.document.id} {self.provision_id}, rate from {rate.start}",
                got=said,
                wanted="exactly one",
                clause=f"{self.document.id} {rate.clause}",
            )
        view.take_lacking()
        return fitting[0].value, ""

    def how_counted(self, view: View, measure: str) -> str:
        """How households were counted."""
        if measure != "household" or view.subject.kind != "estate":
            return ""
        kept = "counted" if view.subject.subject_id in self.registry.headcounts else "declared, not counted, as"
        return f"; households {kept} on {view.counted}"

    # --- results of assessments ---

    def result(self, subject: Subject, year: int, month: Month) -> Assessment | None:
        """The assessment of a subject, or of its estate, for the period of a month."""
        if self.provision.claim_period == "service_year":
            return self.assessments.get((subject.subject_id, year))
        own = self.assessments.get((subject.subject_id, month.year))
        return own or self.assessments.get((subject.units.get("estate", ""), month.year))

    # --- rounding, bounds, division ---

    def rounded(self, priced: Sequence[Priced]) -> list[int]:
        """Round at the provision's level; whichever it is, every line ends in whole fen and the lines sum."""
        rule = self.provision.rounding
        if rule.level != "claim":
            return [p.units * rule.round(p.exact_fen) for p in priced]
        whole = sum((p.exact_fen for p in priced), Fraction(0))
        if not whole:
            return [0 for _ in priced]
        parts = allocate(rule.round(whole), {n: p.exact_fen for n, p in enumerate(priced)})
        return [parts[n] for n in range(len(priced))]

    @property
    def excess_to(self) -> str | None:
        """Who pays what lies above a cap."""
        return next((cap.excess_to for cap in self.provision.caps if cap.excess_to), None)

    def finished(self, view: View, priced: Sequence[Priced], amounts: Sequence[int], day: date) -> list[Line]:
        """Lines with caps and floors applied and the due part divided among the payers."""
        payable = [p.outcome in (Outcome.DUE, Outcome.PENDING) for p in priced]
        possible = [fen if pays else 0 for fen, pays in zip(amounts, payable, strict=True)]
        within = bounded(self.provision, view, possible, payable, day)
        return self.shared(view, priced, within)

    def shared(self, view: View, priced: Sequence[Priced], within: Bounded) -> list[Line]:
        """Lines, the due part of each divided among its payers."""
        missing = view.take_lacking()
        division = Division(view, self.document)
        lines = []
        for p, fen, over in zip(priced, within.fen, within.excess, strict=True):
            outcome, reason = p.outcome, p.reason + within.note
            if missing and outcome is Outcome.DUE:
                outcome, reason = Outcome.PENDING, waits_for(missing)
            due = fen if outcome is Outcome.DUE else 0
            shares: tuple[Share, ...] = ()
            if due and p.split is not None:
                shares = division.shares(due, p.split, excess_fen=over, excess_to=self.excess_to or "")
                matched = sum(share.fen for share in shares)
                if matched != due and p.split.matching is not None:
                    reason += f"; {format_yuan(due - matched)} is not matched [{p.split.matching.clause}]"
                due = matched
            possible_fen = {Outcome.DUE: due, Outcome.PENDING: fen}.get(outcome, 0)
            lines.append(
                Line(
                    subject_id=view.subject.subject_id,
                    months=p.months,
                    service_year=p.service_year,
                    base=p.base,
                    measure=p.measure,
                    rate=p.rate,
                    formula=p.formula,
                    outcome=outcome,
                    reason=reason,
                    clause=p.clause,
                    amount_fen=due,
                    potential_fen=possible_fen,
                    shares=shares,
                )
            )
        return lines

    # --- claims ---

    def seal_group(self, group: str, number: int, members: Sequence[tuple[View, Months, list[Line]]]) -> Claim:
        """One claim for all members of an estate, a unit or a pool, a line or more for each."""
        if not group:
            first = members[0][0].subject
            raise CaseError(
                f"{first.kind} {first.subject_id} belongs to no {self.provision.claim_per}",
                where=f"subjects.csv, row {first.row}",
                fix="give it a parent, or a place",
            )
        assessment = next((view.assessment for view, _, _ in members if view.assessment), None)
        subject = self.registry.subject(group)
        whole = replace(members[0][0], subject=subject, assessment=assessment, lacking={}, days={}, evidence=set())
        for view, _, _ in members:
            whole.remember(view)
        months = Months(min(m.start for _, m, _ in members), max(m.end for _, m, _ in members))
        return self.seal(whole, number, months, [line for _, _, lines in members for line in lines])

    def seal(
        self,
        view: View,
        number: int,
        period: Months,
        lines: Iterable[Line],
        *,
        part: str = "",
        decided_on: date | None = None,
    ) -> Claim:
        """The claim, with payee, day of decision and warnings."""
        sealed, subject, provision = tuple(lines), view.subject, self.provision
        asked = [self.result(self.registry.subject(x.subject_id), x.service_year, x.months.start) for x in sealed]
        results = asked if self.assessed else []
        decided_on = decided_on or self.decided(view, results, period)
        fund = self.document.funds.get(provision.pays_into or "")
        role = provision.payee or (fund.held_by[0] if fund else "")
        payee = holder_of_role(self.document, view, role)
        evidence = tuple(sorted(view.evidence))
        warnings = [
            f"{view.said(r)} [{r.clause}]"
            for r in self.requirements(subject)
            if r.otherwise == "warn" and view.holds(r) is not True
        ]
        warnings += [
            f"assessed on {result.result_on}, before the period ended"
            for result in results
            if result is not None and result.result_on < period.end.first_day
        ]
        view.take_lacking()
        return Claim(
            document=self.document.id,
            policy_digest=self.document.digest,
            registry_digest=self.registry.digest,
            provision=provision,
            provision_id=self.provision_id,
            subject=subject,
            number=number,
            period_key=self.key(number),
            months=period,
            lines=sealed if payee else tuple(_waiting_for(role, x) for x in sealed),
            payee_class=subject.kind if role == "subject" else role,
            payee=payee or "",
            booked=frozenset(self.document.fund(provision.pays_from).held_by),
            decided_on=decided_on,
            warnings=tuple(dict.fromkeys(warnings)),
            part=part,
            evidence=evidence,
        )

    def decided(self, view: View, results: Sequence[Assessment | None], period: Months) -> date | None:
        """The last day on which something was decided; what stands for ever decides nothing before a period ends."""
        days = [result.result_on for result in results if result is not None] + list(view.days.values())
        if not days:
            return None
        of_period = any(results) or "notice" in view.days or any("@" in name for name in view.days)
        if of_period or self.provision.claim_period == "once":
            return max(days)
        return max([*days, period.end.first_day])

    def requirements(self, subject: Subject) -> Iterator[Requirement]:
        """The requirements that touch this provision and whose facts this subject can have."""
        reachable = self.document.kinds_above(subject.kind)
        for rule in self.document.requirements:
            owner = self.document.facts[rule.fact].of if rule.fact in self.document.facts else None
            of_estates = rule.fact not in self.document.facts and rule.fact not in self.document.derived
            if rule.provisions and self.provision_id not in rule.provisions:
                continue
            if (owner is None or owner in reachable) and not (of_estates and "estate" not in subject.units):
                yield rule


def _waiting_for(role: str, line: Line) -> Line:
    """A line that is due waits for whoever is to be paid; one that pays nothing waits for nobody."""
    return line.turned(Outcome.PENDING, waits_for([role])) if line.outcome is Outcome.DUE else line


def period_number(kind: str, month: Month) -> int:
    """The running number of the calendar year, quarter or month that holds a month; 1 for what is claimed once."""
    if kind == "calendar_year":
        return month.year
    if kind == "quarter":
        return month.ordinal // QUARTER
    return month.ordinal if kind == "month" else 1


def numbered_period(kind: str, number: int) -> Months:
    """The months of a numbered calendar year, quarter or month."""
    if kind == "calendar_year":
        return Months.calendar_year(number)
    length = QUARTER if kind == "quarter" else 1
    return Months(Month(number * length), Month((number + 1) * length))


def _periods(rate: Rate, months: Months, period: Months) -> tuple[Fraction, str]:
    """How many of the unit's periods a run of months holds, and how that reads."""
    if rate.unit.per == "once":
        whole = len(months) == len(period)
        return Fraction(len(months), len(period)), "" if whole else f" x {len(months)}/{len(period)}"
    if rate.unit.per == "month":
        return Fraction(len(months)), f" x {len(months)} month{'s' if len(months) != 1 else ''}"
    length = PERIODS[rate.unit.per]
    return Fraction(len(months), length), f" x {len(months)}/{length} {rate.unit.per}"


def _sliced(rate: Rate, base: Fraction) -> tuple[Fraction, str]:
    """The first so many units at one value, the next at another: the sum, and how that reads."""
    yuan, low, told = Fraction(0), Fraction(0), []
    for piece in rate.slices:
        high = base if piece.up_to is None else min(base, piece.up_to)
        if high > low:
            yuan += (high - low) * piece.value
            told.append(f"{_based(rate, high - low)} x {format_rate(piece.value)}")
            low = high
    return yuan, f"({' + '.join(told)})" if len(told) > 1 else "".join(told) or _based(rate, base)


def _based(rate: Rate, base: Fraction) -> str:
    if rate.unit.is_share:
        return f"{rate.unit.base} {format_rate(base)}"
    return f"{number_text(base)} {plural(rate.unit.base, base)}"


def plural(measure: str, base: Fraction) -> str:
    """The name of what was counted."""
    return measure if measure in ("m2", "each") or base == 1 or measure.endswith("s") else measure + "s"


def pro_rata(annual_fen: int, months: int, mode: Rounding) -> int:
    """A yearly amount for a number of months (sum 1 with the year as its unit), in fen.

    >>> pro_rata(1_000_000, 7, Rounding.HALF_UP)
    583333
    """
    return round_fen(Fraction(annual_fen * months, MONTHS_PER_YEAR), mode)
