"""The language: what a policy document can say. Nothing here knows any document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)

from estate_funds.calendar import MonthRule
from estate_funds.errors import AmountError, NoRuleInForce, PolicyError, UnknownClause, nearest
from estate_funds.money import Rounding, parse_rate

LEVELS = ("city", "district", "street", "community", "estate")  # the units that an estate belongs to, itself last

# --- values -------------------------------------------------------------------------------------------------------


def _exact(value: object) -> Fraction:
    if isinstance(value, Fraction):
        return value
    if not isinstance(value, str):
        raise ValueError('money and shares are exact: write digits in quotes, such as "18.00" or "1/2"')
    try:
        return parse_rate(value)
    except AmountError as error:
        raise ValueError(f"{error.what}; wanted {error.wanted}") from None


def _enum_of(kind: type[StrEnum]) -> BeforeValidator:
    def convert(value: object) -> object:
        try:
            return kind(value)  # type: ignore[arg-type]
        except ValueError:
            raise ValueError(f"wanted one of {', '.join(kind)}") from None

    return BeforeValidator(convert)


def as_tuple(value: object) -> object:
    """TOML's lists as tuples, which do not change."""
    return tuple(value) if isinstance(value, list) else value


Exact = Annotated[
    Fraction,
    BeforeValidator(_exact),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?(/\d+)?$", "description": "an exact number, quoted"}),
]
NotNegative = Annotated[Exact, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", description="a name in lower case")]
Names = Annotated[tuple[Name, ...], BeforeValidator(as_tuple), Field(min_length=1)]
Rules = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], ...],
    BeforeValidator(as_tuple),
    Field(description="ids of the rule list that this key answers"),
]
Clause = Annotated[str, Field(min_length=1, description="a key of [clauses]: the clause that this rests on")]
Sentence = Annotated[str, Field(min_length=1)]
RoundingMode = Annotated[Rounding, _enum_of(Rounding)]
PartialMonths = Annotated[MonthRule, _enum_of(MonthRule)]


class Node(BaseModel):
    """Any table of a document: strict types, no key that is not in the language."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Cited(Node):
    """A table that stands on a clause."""

    clause: Clause
    rules: Rules = ()


class Dated(Cited):
    """A value with its first day in force and, on the last version only, its last."""

    start: date = Field(alias="from", description="first day in force")
    until: date | None = Field(default=None, description="first day no longer in force; leave out if still in force")

    @model_validator(mode="after")
    def _ordered(self) -> Dated:
        if self.until is not None and self.until <= self.start:
            raise ValueError(f"until {self.until}: wanted a day after from, {self.start}")
        return self

    def in_force(self, day: date) -> bool:
        """Whether this version holds on a day."""
        return self.start <= day and (self.until is None or day < self.until)


D = TypeVar("D", bound=Dated)


def _seamless(versions: Sequence[Dated]) -> None:
    """Refuse versions that leave a gap, overlap, or stand out of order."""
    for earlier, later in pairwise(versions):
        if later.start <= earlier.start:
            raise ValueError(
                f"the version from {later.start} overlaps the one from {earlier.start}: wanted a later day"
            )
        if earlier.until is not None and earlier.until != later.start:
            kind = "gap" if earlier.until < later.start else "overlap"
            raise ValueError(
                f"{kind} between until {earlier.until} and the next from {later.start}: wanted the same day"
            )


def version_on(versions: Sequence[D], day: date, what: str) -> D:
    """The one version in force on a day; NoRuleInForce when there is none."""
    for version in reversed(versions):
        if version.start <= day:
            if version.in_force(day):
                return version
            break
    held = ", ".join(f"{v.start} to {v.until or 'now'}" for v in versions)
    raise NoRuleInForce(f"no version of {what} is in force", got=day, wanted=held, fix="see which date anchors it")


# --- sum 1 and sum 2 ----------------------------------------------------------------------------------------------


class Measure(StrEnum):
    """What a rate multiplies, or a total is divided by."""

    HOUSEHOLD = "household"
    M2 = "m2"
    BUILDING = "building"
    ESTATE = "estate"
    SCORE = "score"


class RateUnit(Node):
    """`CNY/household/month`, taken apart: what the rate multiplies, and for how long."""

    text: str
    measure: Measure
    per: Literal["month", "year"]

    @classmethod
    def parse(cls, text: object) -> RateUnit:
        """CNY / (household | m2 | building | estate) / (month | year)."""
        match = re.fullmatch(r"CNY/(household|m2|building|estate)/(month|year)", str(text))
        if not match:
            raise ValueError("wanted CNY/<household|m2|building|estate>/<month|year>, such as CNY/household/month")
        return cls(text=str(text), measure=Measure(match[1]), per=match[2])  # type: ignore[arg-type]


Unit = Annotated[
    RateUnit,
    BeforeValidator(lambda v: v if isinstance(v, RateUnit) else RateUnit.parse(v)),
    WithJsonSchema({"type": "string", "pattern": "^CNY/(household|m2|building|estate)/(month|year)$"}),
]


class Tier(Node):
    """A rate for a run of service years, both ends included, as documents say it (前3年, 第4年)."""

    service_years: Annotated[tuple[int, ...], BeforeValidator(as_tuple), Field(min_length=2, max_length=2)]
    value: NotNegative

    @model_validator(mode="after")
    def _ordered(self) -> Tier:
        first, last = self.service_years
        if not 1 <= first <= last:
            raise ValueError(f"service_years {first} to {last}: wanted [first, last], from 1 upwards")
        return self


class Rate(Dated):
    """A dated rate: one value, or tiers over service years."""

    unit: Unit
    value: NotNegative | None = None
    tiers: Annotated[tuple[Tier, ...], BeforeValidator(as_tuple)] = ()

    @model_validator(mode="after")
    def _one_form(self) -> Rate:
        if (self.value is None) == (not self.tiers):
            raise ValueError("wanted either value or tiers")
        for earlier, later in pairwise(self.tiers):
            wanted = earlier.service_years[1] + 1
            if later.service_years[0] != wanted:
                kind = "gap" if later.service_years[0] > wanted else "overlap"
                raise ValueError(f"{kind} in tiers at service year {later.service_years[0]}: wanted {wanted}")
        if self.tiers and self.tiers[0].service_years[0] != 1:
            raise ValueError(f"gap in tiers before service year {self.tiers[0].service_years[0]}: wanted 1")
        return self

    def in_year(self, number: int) -> Fraction | None:
        """Yuan per unit in a service year; None after the last tier."""
        if self.value is not None:
            return self.value
        return next((t.value for t in self.tiers if t.service_years[0] <= number <= t.service_years[1]), None)

    @property
    def years(self) -> int | None:
        """The number of service years that the tiers cover; None when the rate does not end."""
        return self.tiers[-1].service_years[1] if self.tiers else None


class Total(Dated):
    """A dated total to be divided, in yuan per claim period."""

    value: NotNegative


class PayerSplit(Dated):
    """Who pays which share, and who bears the odd fen."""

    shares: dict[Name, Exact]
    odd_fen_to: Name

    @model_validator(mode="after")
    def _whole(self) -> PayerSplit:
        whole = sum(self.shares.values(), Fraction(0))
        if whole != 1:
            raise ValueError(f"the shares sum to {whole}: wanted 1")
        if any(share <= 0 for share in self.shares.values()):
            raise ValueError(f"a share of {min(self.shares.values())}: wanted every share above 0")
        if self.odd_fen_to not in self.shares:
            raise ValueError(
                f"odd_fen_to {self.odd_fen_to!r}: wanted one that pays a share; {nearest(self.odd_fen_to, self.shares)}"
            )
        return self


class RoundingRule(Node):
    """Where rounding happens, and how: each line, each household of a line, or the claim as a whole."""

    level: Literal["line", "household", "claim"]
    mode: RoundingMode


class Gate(Cited):
    """The fact without which nothing is paid; a result in neither list is an error, a missing one is pending."""

    fact: Literal["assessment"]
    passes: Names
    fails: Names

    @model_validator(mode="after")
    def _disjoint(self) -> Gate:
        if both := set(self.passes) & set(self.fails):
            raise ValueError(f"{', '.join(sorted(both))} both passes and fails: wanted each result once")
        return self


class PayWithin(Cited):
    """The time limit for payment, in days from the decision."""

    days: Annotated[int, Field(ge=1)]


class ClawBack(Cited):
    """The grounds on which paid money is recovered; any other is none."""

    on: Names


class Provision(Cited):
    """One way in which money is owed: sum 1 (rate x base) or sum 2 (a total over weights), gated, split, routed."""

    title: Sentence
    sum: Literal["rate_times_base", "total_over_weights"]
    claim_period: Literal["service_year", "calendar_year"]
    anchor: Literal["enrolment", "service_month", "decision"]
    counted_on: Literal["service_year_start", "month_start", "enrolment"]
    first_month: PartialMonths
    last_month: PartialMonths
    rounding: RoundingRule
    gate: Gate | None = None
    pay_within: PayWithin | None = None
    claw_back: ClawBack | None = None
    purpose: Name
    pays_from: Name
    pays_into: Name
    rate: Annotated[tuple[Rate, ...], BeforeValidator(as_tuple)] = ()
    total: Annotated[tuple[Total, ...], BeforeValidator(as_tuple)] = ()
    weights: Annotated[Measure | None, BeforeValidator(lambda v: Measure(v) if isinstance(v, str) else v)] = None
    payers: Annotated[tuple[PayerSplit, ...], BeforeValidator(as_tuple), Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Provision:
        for versions in (self.rate, self.total, self.payers):
            _seamless(versions)
        one = self.sum == "rate_times_base"
        if one and (not self.rate or self.total or self.weights):
            raise ValueError("rate_times_base otherwise: wanted [[rate]], and neither total nor weights")
        if not one and (self.rate or not self.total or self.weights is None):
            raise ValueError("total_over_weights otherwise: wanted [[total]] and weights, and no rate")
        if not one and self.claim_period != "calendar_year":
            raise ValueError(
                "total_over_weights by service year: wanted claim_period = calendar_year, one total for one common year"
            )
        if self.anchor == "decision" and self.gate is None:
            raise ValueError("anchor = decision without a gate: wanted a gate, which makes the decision")
        if self.rounding.level == "household" and any(r.unit.measure is not Measure.HOUSEHOLD for r in self.rate):
            raise ValueError("rounding per household of another rate: wanted a rate per household")
        return self


# --- funds and their fences ---------------------------------------------------------------------------------------


class SettingRef(Node):
    """A pointer to a list that each case sets."""

    setting: Name


class Setting(Cited):
    """What the document leaves open: set by the case, or the default, marked as an assumption."""

    kind: Literal["purposes"]
    text: Sentence
    default: Names | None = None


class PermitRule(Dated):
    """Purposes x payee classes x period, the fund that takes, and the kinds of evidence that each payment needs."""

    purposes: Names | SettingRef
    payee_classes: Names
    into: Annotated[str, Field(description="fund that takes; left out where the money leaves the books")] = ""
    requires: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = ()


class FundRule(Cited):
    """A ring-fenced fund, one per holder at each level of `held_by`; what no permit names is denied."""

    title: Sentence
    held_by: Names
    carry_forward: bool
    provenance: Literal["fifo", "proportional"]
    inside_gate: Annotated[bool, Field(description="pays only for work inside the gate, as [boundary] draws it")] = (
        False
    )
    permits: Annotated[tuple[PermitRule, ...], BeforeValidator(as_tuple), Field(min_length=1)]


class IncomeRule(Cited):
    """Which fund each source of income belongs to."""

    sources: Names
    into: Name


class TransferRule(Cited):
    """A declared way for money to move between holders of one fund, pro rata by months."""

    title: Sentence
    fund: Name
    purpose: Name
    giver: Name
    taker: Name
    rounding: RoundingMode


# --- gates on estates ---------------------------------------------------------------------------------------------


class Requirement(Cited):
    """A condition on a fact of the estate."""

    fact: Literal["renovated_on", "office_area_m2", "floor_area_m2", "buildings", "completed_on"]
    on_or_before: date | None = None
    on_or_after: date | None = None
    at_least: Exact | None = None
    at_most: Exact | None = None
    otherwise: Literal["refuse", "warn"]

    @model_validator(mode="after")
    def _one_bound(self) -> Requirement:
        if sum(bound is not None for bound in (self.on_or_before, self.on_or_after, self.at_least, self.at_most)) != 1:
            raise ValueError("wanted exactly one of on_or_before, on_or_after, at_least, at_most")
        dated = self.fact.endswith("_on")
        if dated != (self.on_or_before is not None or self.on_or_after is not None):
            raise ValueError(f"a bound of the other kind: wanted {'a date' if dated else 'a number'} for {self.fact}")
        return self


class Boundary(Cited):
    """What 'the gate' (门) means, by type of estate: the outermost place that still lies inside it."""

    closed: Literal["unit", "grounds"]
    open: Literal["unit", "grounds"]


class Powers(Cited):
    """What a residents' committee may do while it acts in place of an owners' committee (代行职责)."""

    powers: Names


class OncePer(Cited):
    """The key under which a fee may be collected once."""

    once_per: Names


class Assumption(Cited):
    """A reading of what the text leaves open."""

    text: Sentence


class Document(Node):
    """One official document as data."""

    format: Literal[1]
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    number: Sentence
    title: Sentence
    issuer: Sentence
    start: date = Field(alias="from")
    until: date | None = None
    clause: Clause
    clauses: dict[str, Sentence] = Field(min_length=1)
    assumptions: Annotated[tuple[Assumption, ...], BeforeValidator(as_tuple)] = ()
    settings: dict[Name, Setting] = {}
    requirements: Annotated[tuple[Requirement, ...], BeforeValidator(as_tuple)] = ()
    boundary: Boundary | None = None
    acting_committee: Powers | None = None
    fees: OncePer | None = None
    provisions: dict[Name, Provision] = {}
    funds: dict[Name, FundRule] = {}
    transfers: dict[Name, TransferRule] = {}
    incomes: Annotated[tuple[IncomeRule, ...], BeforeValidator(as_tuple)] = ()
    _digest: str = PrivateAttr("")

    @property
    def digest(self) -> str:
        """SHA-256 of the document's exact bytes."""
        return self._digest

    def in_force(self, day: date) -> bool:
        """Whether the document holds on a day."""
        return self.start <= day and (self.until is None or day < self.until)

    def provision(self, name: str) -> Provision:
        """The provision of that name; PolicyError with the nearest name otherwise."""
        if name not in self.provisions:
            raise PolicyError(f"{self.id} has no provision {name!r}", fix=nearest(name, self.provisions))
        return self.provisions[name]

    def fund(self, name: str) -> FundRule:
        """The fund of that name; PolicyError with the nearest name otherwise."""
        if name not in self.funds:
            raise PolicyError(f"{self.id} has no fund {name!r}", fix=nearest(name, self.funds))
        return self.funds[name]

    def quote(self, clause: str) -> str:
        """The text of a clause; UnknownClause otherwise."""
        if clause not in self.clauses:
            raise UnknownClause(f"{self.id} has no clause {clause!r}", fix=nearest(clause, self.clauses))
        return self.clauses[clause]

    def settled(self, chosen: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        """Every setting with the case's choice or its default; PolicyError for an unknown or a missing one."""
        for name in chosen:
            if name not in self.settings:
                raise PolicyError(f"{self.id} has no setting {name!r}", fix=nearest(name, self.settings))
        values = {}
        for name, setting in self.settings.items():
            value = chosen.get(name, setting.default)
            if value is None:
                raise PolicyError(
                    f"the setting {name!r} is not set",
                    clause=f"{self.id} {setting.clause}",
                    wanted=setting.text,
                    fix=f"write {name} = [...] under [settings] in case.toml",
                )
            values[name] = tuple(value)
        return values

    def assumptions_for(self, provision: Provision) -> list[Assumption]:
        """The assumptions that touch a provision: by rule, by clause, or, where they name no rule, all of them."""
        return [
            a
            for a in self.assumptions
            if not a.rules
            or set(a.rules) & set(provision.rules)
            or (a.clause == provision.clause and not provision.rules)
        ]
