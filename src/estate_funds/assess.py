"""What is owed, to whom, by whom, under which clause, and why: the plain, scalar truth.

Everything here is one of two sums: `rate_times_base` (18 yuan x households x months) or `total_over_weights` (a pool
over scores). `assess` walks one provision over a registry and returns claims whose every line carries its clause,
inputs, arithmetic and result, including the lines that pay nothing. Pure: no clock, no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from itertools import groupby

from estate_funds.calendar import (
    MONTHS_PER_YEAR,
    Month,
    Months,
    end_month,
    first_month,
    service_year,
    service_year_months,
)
from estate_funds.errors import CaseError, CellError, InvariantBroken, NoRuleInForce, nearest
from estate_funds.money import FEN_PER_YUAN, Rounding, allocate, format_rate, format_yuan, round_fen
from estate_funds.policy import Document, Measure, PayerSplit, Provision, Rate, Requirement, version_on
from estate_funds.registry import CENTI_M2, Assessment, Assessments, Estate, Registry
from estate_funds.text import pad


class Outcome(StrEnum):
    """What became of a line."""

    DUE = "due"
    PENDING = "pending"  # a fact is missing: not paid, and not nought either
    FAILED = "failed"  # the assessment was failed: pays 0, nothing is caught up
    ENDED = "ended"  # after the last service year of the schedule
    INELIGIBLE = "ineligible"  # a requirement of the document is not met


class Status(StrEnum):
    """What became of a claim."""

    DUE = "due"
    PENDING = "pending"
    NOTHING = "nothing due"


@dataclass(frozen=True, slots=True)
class Line:
    """One run of months in which nothing changes: base x rate x months, or a share of a total.

    `amount_fen` is what is due now; `potential_fen` what would be due if the missing fact turned out well.
    """

    months: Months
    service_year: int
    base: Fraction  # households, m2, buildings, 1 an estate, or a weight
    measure: Measure
    rate: Fraction  # yuan per unit; for a share of a total, the total in yuan
    formula: str
    outcome: Outcome
    reason: str
    clause: str
    amount_fen: int
    potential_fen: int
    shares: tuple[tuple[str, Fraction, int], ...]  # payer, share and fen, in the document's order


@dataclass(frozen=True, slots=True)
class Claim:
    """An entitlement of one estate for one claim period, with the trace of how it came about."""

    document: str
    policy_digest: str
    registry_digest: str
    provision: Provision
    provision_id: str
    estate: Estate
    number: int  # the service year, or the calendar year
    months: Months
    lines: tuple[Line, ...]
    payee_class: str  # the level that is paid: community, street, estate ...
    payee: str
    decided_on: date | None
    warnings: tuple[str, ...] = ()

    @property
    def claim_id(self) -> str:
        """Stable over time: document, provision, estate, period."""
        return f"{self.document}/{self.provision_id}/{self.estate.estate_id}/{self.number}"

    @property
    def amount_fen(self) -> int:
        """What is due."""
        return sum(line.amount_fen for line in self.lines)

    @property
    def potential_fen(self) -> int:
        """What would be due if every missing fact turned out well."""
        return sum(line.potential_fen for line in self.lines)

    @property
    def shares(self) -> dict[str, int]:
        """What each payer owes, in fen; the parts sum to `amount_fen`."""
        parts: dict[str, int] = {}
        for line in self.lines:
            for payer, _, fen in line.shares:
                parts[payer] = parts.get(payer, 0) + fen
        return parts

    @property
    def status(self) -> Status:
        """Pending while any line is; then due, or nothing due."""
        if any(line.outcome is Outcome.PENDING for line in self.lines):
            return Status.PENDING
        return Status.DUE if self.amount_fen else Status.NOTHING

    @property
    def period_name(self) -> str:
        """The period as people call it."""
        return f"service year {self.number}" if self.provision.claim_period == "service_year" else str(self.number)

    def explain(self, *, locale: str = "en") -> str:
        """Every line with clause, inputs, arithmetic and result, and why a line pays nothing.

        An amount in brackets is not due yet: it would be, if the missing fact turned out well.
        """
        title = f"{self.estate.estate_id} {self.estate.name}  {self.period_name}: {self.months}"
        rows = [_row(title, "", format_yuan(self.amount_fen, locale=locale, currency=True), self.status)]
        for line in self.lines:
            pending = line.outcome is Outcome.PENDING
            amount = format_yuan(line.potential_fen if pending else line.amount_fen, locale=locale)
            rows.append(_row(f"  {line.formula}", line.clause, f"({amount})" if pending else amount, line.outcome))
            rows.append(f"    {line.reason}")
            if line.shares:
                parts = [f"{payer} {share} {format_yuan(fen, locale=locale)}" for payer, share, fen in line.shares]
                rows.append(f"    {'   '.join(parts)}")
        rows.extend(f"    warning: {warning}" for warning in self.warnings)
        return "\n".join(rows)


def _row(text: str, clause: str, amount: str, outcome: str) -> str:
    return f"{pad(text, 52)}{pad(clause, 18)} {amount:>18}  {outcome}"


class Claims(Sequence[Claim]):
    """Claims in order of estate and period; `claims["yuanyi"]` finds the one of an estate.

    Raises CaseError where an estate has none, or several and no period is said: `claims["yuanyi", 3]`.
    """

    def __init__(self, claims: Iterable[Claim]) -> None:
        self._claims = tuple(claims)
        self._of_estate: dict[str, list[Claim]] = {}
        for claim in self._claims:
            self._of_estate.setdefault(claim.estate.estate_id, []).append(claim)

    def __len__(self) -> int:
        return len(self._claims)

    def __iter__(self) -> Iterator[Claim]:
        return iter(self._claims)

    def __getitem__(self, key: object) -> Claim:  # type: ignore[override]
        if isinstance(key, int):
            return self._claims[key]
        estate_id, number = key if isinstance(key, tuple) else (key, None)
        found = [c for c in self.of_estate(estate_id) if number in (None, c.number)]
        if len(found) != 1:
            numbers = [claim.number for claim in self.of_estate(estate_id)]
            raise CaseError(
                f"{estate_id} has {len(found)} such claims", got=key, wanted=f"one of the periods {numbers}"
            )
        return found[0]

    def of_estate(self, estate_id: str) -> tuple[Claim, ...]:
        """All claims of an estate."""
        if estate_id not in self._of_estate:
            raise CaseError(f"no claim of an estate {estate_id!r}", fix=nearest(estate_id, self._of_estate))
        return tuple(self._of_estate[estate_id])

    def where(self, *, year: int | None = None, status: Status | None = None) -> Claims:
        """The claims whose period begins in a calendar year, or that have a status."""
        return Claims(c for c in self if year in (None, c.months.start.year) and status in (None, c.status))

    @property
    def amount_fen(self) -> int:
        """What is due in all."""
        return sum(claim.amount_fen for claim in self)

    @property
    def potential_fen(self) -> int:
        """What would be due if every missing fact turned out well."""
        return sum(claim.potential_fen for claim in self)

    @property
    def shares(self) -> dict[str, int]:
        """What each payer owes in all, in fen."""
        parts: dict[str, int] = {}
        for claim in self:
            for payer, fen in claim.shares.items():
                parts[payer] = parts.get(payer, 0) + fen
        return parts

    def explain(self, *, locale: str = "en") -> str:
        """The explanation of each claim, one below the other."""
        return "\n".join(claim.explain(locale=locale) for claim in self)


# --- the walk -----------------------------------------------------------------------------------------------------


def assess(
    document: Document, provision_id: str, registry: Registry, assessments: Assessments, *, window: Months
) -> Claims:
    """Compute every claim of a provision whose period begins in `window`.

    Raises NoRuleInForce where no version of a value covers its anchor, CellError for an assessment result that the
    document does not know.
    """
    provision = document.provision(provision_id)
    walk = _Walk(document, provision_id, provision, registry, assessments)
    if provision.sum == "rate_times_base":
        return Claims(walk.claim(e, number) for e in registry.estates.values() for number in walk.numbers(e, window))
    years = range(window.start.year, (window.end + -1).year + 1)
    begun = (year for year in years if Months.calendar_year(year).start in window)
    return Claims(claim for year in begun for claim in walk.divide(year))


_State = tuple[int, date, date, date]  # service year, first days of the versions of rate and split, day of counting


@dataclass(frozen=True, slots=True)
class _Priced:
    """A line before rounding: `exact_fen` for each of `units`."""

    months: Months
    service_year: int
    base: Fraction
    measure: Measure
    rate: Fraction
    formula: str
    outcome: Outcome
    reason: str
    clause: str
    split: PayerSplit
    exact_fen: Fraction
    units: int = 1

    def line(self, potential_fen: int) -> Line:
        """The rounded line, its due part divided among the payers."""
        due = potential_fen if self.outcome is Outcome.DUE else 0
        possible = potential_fen if self.outcome in (Outcome.DUE, Outcome.PENDING) else 0
        parts = allocate(due, self.split.shares, first=[self.split.odd_fen_to]) if due else {}
        return Line(
            months=self.months,
            service_year=self.service_year,
            base=self.base,
            measure=self.measure,
            rate=self.rate,
            formula=self.formula,
            outcome=self.outcome,
            reason=self.reason,
            clause=self.clause,
            amount_fen=due,
            potential_fen=possible,
            shares=tuple((payer, self.split.shares[payer], fen) for payer, fen in parts.items()),
        )


@dataclass(frozen=True, slots=True)
class _Walk:
    document: Document
    provision_id: str
    provision: Provision
    registry: Registry
    assessments: Assessments

    # periods

    def served(self, estate: Estate) -> Months:
        """The months of service that count; without an end, for ever."""
        start = first_month(estate.service_start, self.provision.first_month)
        if estate.service_end is None:
            return Months(start, Month.of(date.max))
        return Months(start, max(start, end_month(estate.service_end, self.provision.last_month)))

    def numbers(self, estate: Estate, window: Months) -> Iterable[int]:
        """The claim periods of an estate that begin in the window and touch its service."""
        served = self.served(estate)
        common = served & window
        if not len(common):
            return ()
        last = common.end + -1
        if self.provision.claim_period == "calendar_year":
            numbers = range(common.start.year, last.year + 1)
        else:
            numbers = range(service_year(served.start, common.start), service_year(served.start, last) + 1)
        return [number for number in numbers if self.period(served, number).start in window]

    def period(self, served: Months, number: int) -> Months:
        if self.provision.claim_period == "calendar_year":
            return Months.calendar_year(number) & served
        return service_year_months(served.start, number) & served

    # sum 1: rate x base

    def claim(self, estate: Estate, number: int) -> Claim:
        """Split the period where anything changes, price each run, round, divide among payers."""
        served = self.served(estate)
        period = self.period(served, number)
        priced = [self.price(estate, state, months) for state, months in self.runs(estate, served, period)]
        return self.seal(estate, number, period, self.rounded(priced))

    def runs(self, estate: Estate, served: Months, period: Months) -> Iterator[tuple[_State, Months]]:
        """The runs of months in which nothing that decides changes."""
        provision = self.provision
        if provision.anchor == "enrolment" and provision.counted_on != "month_start":
            month = period.start  # nothing but the service year decides: no need to ask every month
            while month < period.end:
                end = min(period.end, service_year_months(served.start, service_year(served.start, month)).end)
                yield self.state(estate, served, month), Months(month, end)
                month = end
            return
        for state, group in groupby(period, lambda month: self.state(estate, served, month)):
            months = list(group)
            yield state, Months(months[0], months[-1] + 1)

    def state(self, estate: Estate, served: Months, month: Month) -> _State:
        """What decides a month: its service year, the versions of rate and split, the day of counting."""
        provision = self.provision
        year = service_year(served.start, month)
        anchor = estate.service_start
        if provision.anchor == "service_month":
            anchor = month.first_day
        elif provision.anchor == "decision":
            result = self.result(estate, year, month)
            anchor = result.result_on if result else month.first_day
        counted = estate.service_start
        if provision.counted_on == "month_start":
            counted = max(counted, month.first_day)
        elif provision.counted_on == "service_year_start":
            counted = max(counted, service_year_months(served.start, year).start.first_day)
        self.check_in_force(anchor, f"{provision.anchor} of {estate.estate_id}")
        rate = version_on(provision.rate, anchor, f"the rate of {self.provision_id}")
        split = version_on(provision.payers, anchor, f"the payers of {self.provision_id}")
        return year, rate.start, split.start, counted

    def check_in_force(self, anchor: date, whose: str) -> None:
        """NoRuleInForce where the document itself does not hold on the day that anchors a value."""
        if not self.document.in_force(anchor):
            raise NoRuleInForce(
                f"{self.document.id} is not in force",
                got=f"{whose} on {anchor}",
                wanted=f"{self.document.start} to {self.document.until or 'now'}",
                fix="correct the date, or name the document that was in force then",
            )

    def price(self, estate: Estate, state: _State, months: Months) -> _Priced:
        """Base x rate x months, exact; the outcome and its reason."""
        year, rate_from, split_from, counted = state
        provision = self.provision
        rate = version_on(provision.rate, rate_from, "the rate")
        split = version_on(provision.payers, split_from, "the payers")
        value = rate.in_year(year)
        measure = rate.unit.measure
        base, how = self.measured(estate, measure, counted)
        if value is None:
            formula, reason = f"no rate in service year {year}", f"the schedule ends with service year {rate.years}"
            nought = Fraction(0)
            return _Priced(
                months, year, base, measure, nought, formula, Outcome.ENDED, reason, rate.clause, split, nought
            )
        factor, factor_text = _periods(rate, months)
        outcome, reason = self.outcome(estate, year, months.start)
        units = int(base) if provision.rounding.level == "household" else 1
        exact_fen = base * value * factor * FEN_PER_YUAN / max(units, 1)
        formula = f"{_number(base)} {_plural(measure, base)} x {format_rate(value)}{factor_text}"
        clause = f"{rate.clause}, year {year}"
        return _Priced(
            months, year, base, measure, value, formula, outcome, reason + how, clause, split, exact_fen, units
        )

    def measured(self, estate: Estate, measure: Measure, counted: date) -> tuple[Fraction, str]:
        """The base of an estate, and how it was counted."""
        if measure is Measure.HOUSEHOLD:
            kept = "counted" if estate.estate_id in self.registry.headcounts else "declared, not counted, as"
            return Fraction(self.registry.households(estate.estate_id, counted)), f"; households {kept} on {counted}"
        if measure is Measure.M2:
            return Fraction(estate.floor_area_centi_m2, CENTI_M2), ""
        return Fraction(estate.buildings if measure is Measure.BUILDING else 1), ""

    # sum 2: a total over weights

    def divide(self, year: int) -> list[Claim]:
        """One year's total over the weights of the estates that passed; all wait while one result is missing."""
        provision = self.provision
        new_year = date(year, 1, 1)
        self.check_in_force(new_year, f"the division for {year}")
        total = version_on(provision.total, new_year, f"the total of {self.provision_id}")
        split = version_on(provision.payers, new_year, f"the payers of {self.provision_id}")
        estates = [e for e in self.registry.estates.values() if len(self.period(self.served(e), year))]
        outcomes = {e.estate_id: self.outcome(e, year, Month.of(new_year)) for e in estates}
        if any(outcome is Outcome.PENDING for outcome, _ in outcomes.values()):
            waiting = [e for e, (outcome, _) in outcomes.items() if outcome is Outcome.PENDING]
            reason = f"the division waits for {len(waiting)} results, first that of {waiting[0]}"
            outcomes = {
                e: (Outcome.PENDING, reason) if o in (Outcome.DUE, Outcome.PENDING) else (o, r)
                for e, (o, r) in outcomes.items()
            }
        sharing = (Outcome.DUE, Outcome.PENDING)
        weights = {
            e.estate_id: self.weight(e, year, new_year) if outcomes[e.estate_id][0] in sharing else Fraction(0)
            for e in estates
        }
        whole = sum(weights.values(), Fraction(0))
        total_fen = round_fen(total.value * FEN_PER_YUAN, provision.rounding.mode)
        parts = allocate(total_fen, weights) if whole else dict.fromkeys(weights, 0)
        claims = []
        for estate in estates:
            weight, (outcome, reason) = weights[estate.estate_id], outcomes[estate.estate_id]
            formula = (
                f"{format_rate(total.value)} x {_number(weight)} / {_number(whole)} {_plural(self.weighed, whole)}"
            )
            period = self.period(self.served(estate), year)
            priced = _Priced(
                period, year, weight, self.weighed, total.value, formula, outcome, reason, total.clause, split, whole
            )
            claims.append(self.seal(estate, year, period, [priced.line(parts[estate.estate_id])]))
        return claims

    @property
    def weighed(self) -> Measure:
        if self.provision.weights is None:
            raise InvariantBroken(f"{self.provision_id} was loaded without weights")
        return self.provision.weights

    def weight(self, estate: Estate, year: int, day: date) -> Fraction:
        """The weight of an estate: its measure, or the score of its assessment."""
        if self.weighed is not Measure.SCORE:
            return self.measured(estate, self.weighed, max(day, estate.service_start))[0]
        result = self.assessments.get((estate.estate_id, year))
        if result is None:
            return Fraction(0)
        if result.score is None:
            raise CellError(
                f"the assessment of {estate.estate_id} for {year} has no score to divide by",
                where=f"assessments.csv, row {result.row}, column score",
                wanted="a number",
            )
        return result.score

    # gates

    def result(self, estate: Estate, year: int, month: Month) -> Assessment | None:
        period = year if self.provision.claim_period == "service_year" else month.year
        return self.assessments.get((estate.estate_id, period))

    def outcome(self, estate: Estate, year: int, month: Month) -> tuple[Outcome, str]:
        """Requirements first, then the gate: whichever says no says why."""
        for requirement in self.document.requirements:
            state = _unmet(requirement, estate)
            if state and requirement.otherwise == "refuse":
                kind = Outcome.PENDING if estate.fact(requirement.fact) is None else Outcome.INELIGIBLE
                return kind, state
        gate = self.provision.gate
        if gate is None:
            return Outcome.DUE, "no assessment is asked for"
        result = self.result(estate, year, month)
        if result is None:
            return Outcome.PENDING, f"no assessment result yet: pays once passed [{gate.clause}]"
        if result.result in gate.passes:
            return Outcome.DUE, f"assessment passed on {result.result_on}"
        if result.result in gate.fails:
            why = f"assessment failed on {result.result_on}: pays 0, the year still counts, nothing is caught up"
            return Outcome.FAILED, f"{why} [{gate.clause}]"
        known = [*gate.passes, *gate.fails]
        raise CellError(
            f"the document does not know the assessment result {result.result!r}",
            where=f"assessments.csv, row {result.row}, column result",
            got=repr(result.result),
            wanted=f"one of {', '.join(known)}",
            clause=f"{self.document.id} {gate.clause}",
            fix=nearest(result.result, known),
        )

    # results

    def rounded(self, priced: Sequence[_Priced]) -> list[Line]:
        """Round at the provision's level; whichever it is, every line ends in whole fen and the lines sum."""
        rule = self.provision.rounding
        if rule.level != "claim":
            return [p.line(p.units * round_fen(p.exact_fen, rule.mode)) for p in priced]
        whole = sum((p.exact_fen for p in priced), Fraction(0))
        if not whole:
            return [p.line(0) for p in priced]
        parts = allocate(round_fen(whole, rule.mode), {n: p.exact_fen for n, p in enumerate(priced)})
        return [p.line(parts[n]) for n, p in enumerate(priced)]

    def seal(self, estate: Estate, number: int, period: Months, lines: Iterable[Line]) -> Claim:
        sealed = tuple(lines)
        results = [self.result(estate, line.service_year, line.months.start) for line in sealed]
        decided = [result.result_on for result in results if result is not None]
        warnings = [_unmet(r, estate) for r in self.document.requirements if r.otherwise == "warn"]
        warnings += [
            f"assessed on {result.result_on}, before the period ended"
            for result in results
            if result is not None and result.result_on < period.end.first_day
        ]
        level = self.document.fund(self.provision.pays_into).held_by[0]
        return Claim(
            document=self.document.id,
            policy_digest=self.document.digest,
            registry_digest=self.registry.digest,
            provision=self.provision,
            provision_id=self.provision_id,
            estate=estate,
            number=number,
            months=period,
            lines=sealed,
            payee_class=level,
            payee=estate.unit_at(level),
            decided_on=max(decided, default=None),
            warnings=tuple(dict.fromkeys(filter(None, warnings))),
        )


def pro_rata(annual_fen: int, months: int, mode: Rounding) -> int:
    """A yearly amount for a number of months (sum 1 with the year as its unit), in fen.

    >>> pro_rata(1_000_000, 7, Rounding.HALF_UP)
    583333
    """
    return round_fen(Fraction(annual_fen * months, MONTHS_PER_YEAR), mode)


def _unmet(requirement: Requirement, estate: Estate) -> str:
    """Why a requirement is not met; empty when it is."""
    fact = estate.fact(requirement.fact)
    bounds: dict[str, object] = {
        "on or before": requirement.on_or_before,
        "on or after": requirement.on_or_after,
        "at least": requirement.at_least,
        "at most": requirement.at_most,
    }
    words, bound = next((w, b) for w, b in bounds.items() if b is not None)
    wanted = f"wanted {words} {bound} [{requirement.clause}]"
    if fact is None:
        return f"{requirement.fact} is not known; {wanted}"
    low = words in ("on or after", "at least")
    met = fact >= bound if low else fact <= bound  # type: ignore[operator]
    return "" if met else f"{requirement.fact} is {_number(fact) if isinstance(fact, Fraction) else fact}; {wanted}"


def _periods(rate: Rate, months: Months) -> tuple[Fraction, str]:
    """How many of the unit's periods a run of months holds, and how that reads."""
    if rate.unit.per == "month":
        return Fraction(len(months)), f" x {len(months)} month{'s' if len(months) != 1 else ''}"
    return Fraction(len(months), MONTHS_PER_YEAR), f" x {len(months)}/{MONTHS_PER_YEAR} year"


def _plural(measure: Measure, base: Fraction) -> str:
    return measure.value if measure is Measure.M2 or base == 1 else measure.value + "s"


def _number(value: Fraction) -> str:
    return f"{int(value):,}" if value.denominator == 1 else format_rate(value)
