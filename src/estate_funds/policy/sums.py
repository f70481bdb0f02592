"""What is owed: the two sums, and everything that gates, bounds, divides and dates them."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from estate_funds.errors import nearest
from estate_funds.money import FEN_PER_YUAN, round_fen
from estate_funds.policy.facts import Conditions
from estate_funds.policy.values import (
    Cited,
    Dated,
    Days,
    Exact,
    Name,
    Names,
    Node,
    NotNegative,
    PartialMonths,
    Positive,
    RoundingMode,
    Sentence,
    as_tuple,
    check_seamless,
)

PERIODS = {"month": 1, "quarter": 3, "year": 12}  # in months; `once` is once a claim
_UNIT = re.compile(
    r"CNY/(?P<base>[a-z][a-z0-9_-]*)/(?P<per>month|quarter|year|once)|share of (?P<share>[a-z][a-z0-9_-]*)"
)


class RateUnit(Node):
    """`CNY/household/month` or `share of audited_cost`: what the rate multiplies, and for how long."""

    text: str
    base: str  # a fact that is a number
    per: Literal["month", "quarter", "year", "once"]
    is_share: bool = False

    @classmethod
    def parse(cls, text: object) -> RateUnit:
        """CNY / a fact / (month | quarter | year | once), or `share of` a fact in yuan."""
        match = _UNIT.fullmatch(str(text))
        if not match:
            raise ValueError(
                "wanted CNY/<fact>/<month|quarter|year|once>, such as CNY/household/month, or share of <fact>"
            )
        if match[3]:
            return cls(text=str(text), base=match[3], per="once", is_share=True)
        return cls(text=str(text), base=match[1], per=match[2])  # type: ignore[arg-type]


Unit = Annotated[
    RateUnit,
    BeforeValidator(lambda v: v if isinstance(v, RateUnit) else RateUnit.parse(v)),
    WithJsonSchema({"type": "string", "pattern": f"^({_UNIT.pattern})$"}),
]  # fmt: skip


class Tier(Node):
    """A rate for a run of service years (both ends included, 前3年, 第4年), for what meets conditions, or both."""

    service_years: Annotated[tuple[int, ...], BeforeValidator(as_tuple)] = ()
    when: Conditions = ()
    value: NotNegative

    @model_validator(mode="after")
    def _ordered(self) -> Tier:
        if not self.service_years and not self.when:
            raise ValueError("a tier for everything: wanted service_years or when")
        if self.service_years and (
            len(self.service_years) != 2 or not 1 <= self.service_years[0] <= self.service_years[1]
        ):
            raise ValueError(f"service_years {list(self.service_years)}: wanted [first, last], from 1 upwards")
        return self


class MostBase(Node):
    """A cap on the base that counts: the first 67.5 m2 of each household, say."""

    value: NotNegative
    per: Name | None = Field(default=None, description="times this fact")


class Slice(Node):
    """The rate of the units up to a number, above those of the slice before; without `up_to`, of all the rest."""

    up_to: Positive | None = None
    value: NotNegative


class Rate(Dated):
    """A dated rate: one value, tiers, or slices of the base."""

    unit: Unit
    value: NotNegative | None = None
    tiers: Annotated[tuple[Tier, ...], BeforeValidator(as_tuple)] = ()
    slices: Annotated[tuple[Slice, ...], BeforeValidator(as_tuple)] = ()
    base_at_most: MostBase | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Rate:
        if [self.value is not None, bool(self.tiers), bool(self.slices)].count(True) != 1:
            raise ValueError("wanted either value or tiers or slices")
        ends = [piece.up_to for piece in self.slices]
        if self.slices and (None in ends[:-1] or any(a >= b for a, b in pairwise(e for e in ends if e is not None))):
            raise ValueError("slices out of order: wanted rising up_to, and none only in the last")
        if self.slices and ends[-1] is not None:
            raise ValueError(f"nothing said above {ends[-1]}: wanted a last slice without up_to")
        if self.by_conditions:
            return self
        for earlier, later in pairwise(self.tiers):
            wanted = earlier.service_years[1] + 1
            if later.service_years[0] != wanted:
                kind = "gap" if later.service_years[0] > wanted else "overlap"
                raise ValueError(f"{kind} in tiers at service year {later.service_years[0]}: wanted {wanted}")
        if self.tiers and self.tiers[0].service_years[0] != 1:
            raise ValueError(f"gap in tiers before service year {self.tiers[0].service_years[0]}: wanted 1")
        return self

    @property
    def by_conditions(self) -> bool:
        """Whether more than the service year decides the tier."""
        return any(tier.when for tier in self.tiers)

    def in_year(self, number: int) -> Fraction | None:
        """Yuan per unit in a service year; None after the last tier. Not for tiers with conditions."""
        if self.value is not None:
            return self.value
        found = (t.value for t in self.tiers if t.service_years and t.service_years[0] <= number <= t.service_years[1])
        return next(found, None)

    @property
    def years(self) -> int | None:
        """The last service year that the tiers cover; None when the rate does not end."""
        if not self.tiers or any(not tier.service_years for tier in self.tiers):
            return None
        return max(tier.service_years[1] for tier in self.tiers)


class Total(Dated):
    """A dated total to be divided: yuan per claim period, or the value of a fact of each pool."""

    value: NotNegative | None = None
    of: Name | None = None
    share: Positive = Fraction(1)

    @model_validator(mode="after")
    def _one_form(self) -> Total:
        if (self.value is None) == (self.of is None):
            raise ValueError("wanted either value or of")
        if self.share > 1:
            raise ValueError(f"a share of {self.share}: wanted at most 1")
        return self


class Indicator(Cited):
    """One indicator of a composite weight: its share of the marks, and the value that earns full marks."""

    fact: Name
    marks: Positive
    full: Positive


class Part(Node):
    """What is paid before the rest is shared: an amount that a fact gives, by whom."""

    of: Name
    shares: dict[Name, Positive]
    odd_fen_to: Name

    @model_validator(mode="after")
    def _whole(self) -> Part:
        check_shares(self.shares, self.odd_fen_to)
        return self


class Matching(Cited):
    """Others pay only in the proportion in which one has paid its share (配套): what is missing is not matched."""

    payer: Name
    paid: Name = Field(description="the fact that says how much that payer has paid")


class PayerSplit(Dated):
    """Who pays which share, under which conditions, and who bears the odd fen."""

    when: Conditions = ()
    first: Part | None = None
    shares: dict[Name, Exact]
    odd_fen_to: Name
    odd_fen: Literal["largest_remainder", "residue"] = Field(
        default="largest_remainder", description="residue: all others are rounded down, odd_fen_to bears what is left"
    )
    matching: Matching | None = None

    @model_validator(mode="after")
    def _whole(self) -> PayerSplit:
        check_shares(self.shares, self.odd_fen_to)
        if self.matching is not None and self.matching.payer not in self.shares:
            raise ValueError(f"matching of {self.matching.payer!r}: wanted one that pays a share")
        if self.matching is not None and self.first is not None:
            raise ValueError("matching beside first: wanted one of them")
        return self

    @property
    def payers(self) -> list[str]:
        """Everybody who may pay."""
        return list(dict.fromkeys([*(self.first.shares if self.first else ()), *self.shares]))


def check_shares(shares: dict[str, Fraction], odd_fen_to: str) -> None:
    """Shares above 0 that sum to 1, and somebody among them for the odd fen."""
    whole = sum(shares.values(), Fraction(0))
    if whole != 1:
        raise ValueError(f"the shares sum to {whole}: wanted 1")
    if any(share <= 0 for share in shares.values()):
        raise ValueError(f"a share of {min(shares.values())}: wanted every share above 0")
    if odd_fen_to not in shares:
        raise ValueError(f"odd_fen_to {odd_fen_to!r}: wanted one that pays a share; {nearest(odd_fen_to, shares)}")


class RoundingRule(Node):
    """Where rounding happens, and how: each line, each household of a line, or the claim as a whole."""

    level: Literal["line", "household", "claim"]
    mode: RoundingMode
    to: Positive = Field(default=Fraction(1, 100), description="yuan: a fen, unless the document rounds coarser")

    @model_validator(mode="after")
    def _whole_fen(self) -> RoundingRule:
        if (self.to * FEN_PER_YUAN).denominator != 1:
            raise ValueError(f"to {self.to}: wanted whole fen")
        return self

    def round(self, exact_fen: Fraction) -> int:
        """The nearest amount, in fen, that the rule allows."""
        return round_fen(exact_fen, self.mode, step_fen=int(self.to * FEN_PER_YUAN))


class Gate(Cited):
    """The fact without which nothing is paid; a result in neither list is an error, a missing one is pending."""

    fact: Name = Field(description="`assessment` (assessments.csv), or a fact that is a choice")
    passes: Names
    fails: Names

    @model_validator(mode="after")
    def _disjoint(self) -> Gate:
        if both := set(self.passes) & set(self.fails):
            raise ValueError(f"{', '.join(sorted(both))} both passes and fails: wanted each result once")
        return self


class PayWithin(Cited):
    """The time limit for payment, in days from the decision."""

    days: Days


class ClawBack(Cited):
    """The grounds on which paid money is recovered; any other is none."""

    on: Names


class Limit(Dated):
    """A cap or a floor of a claim: a value per unit, times what the unit counts."""

    value: NotNegative
    per: Name = Field(default="each", description="times this fact: household, m2, post; `each` for the claim")
    excess_to: Name | None = Field(default=None, description="a cap: who pays what lies above; left out, nobody does")


class Notice(Cited):
    """A public notice (公示) that must have run without objection before anything is paid."""

    days: Days
    published_on: Name = Field(description="the fact that says on which day it was published")
    objection: Name = Field(description="the fact that says whether an objection is open: yes or no")


class Applications(Cited):
    """The days of the year, both included, on which an application counts."""

    fact: Name = Field(description="the fact that says on which day somebody applied")
    first: Annotated[str, Field(alias="from", pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
    last: Annotated[str, Field(alias="to", pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]

    @model_validator(mode="after")
    def _days(self) -> Applications:
        check_day_of_year(self.first)
        check_day_of_year(self.last)
        return self


def check_day_of_year(text: str) -> None:
    """MM-DD, a day that some year has."""
    try:
        date.fromisoformat(f"2000-{text}")
    except ValueError:
        raise ValueError(f"{text}: wanted a day of the year, MM-DD") from None


class Advance(Cited):
    """An advance (预拨) before the final amount is known, capped; the claim then settles: top-up or refund."""

    asked: Name | None = Field(default=None, description="how much was asked for; left out, the whole share is paid")
    at_most: Annotated[Positive, Field(le=1)]
    of: Name | None = Field(default=None, description="the fact it is a share of; left out, what the claim would be")
    each: Literal["month", "quarter"] | None = Field(default=None, description="in equal parts over the period")


ProvisionNames = Annotated[
    tuple[Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9-]*/)?[a-z][a-z0-9_-]*$")], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1, description="provisions of this document, or document/provision of another of the case"),
]


class Once(Cited):
    """What is claimed once only: the first claim with a key stands, later ones pay nothing."""

    provisions: ProvisionNames
    key: Names = Field(description="`subject`, `period`, a level, or facts")
    keep: Literal["first", "highest"] = Field(default="first", description="which claim stands: 就高不重复 is highest")


class Ceiling(Dated):
    """A ceiling over several claims, by year or in all, for the document or for each unit of a level."""

    provisions: ProvisionNames
    value: NotNegative | None = None
    fact: Name | None = Field(default=None, description="instead of a value: a fact of the unit")
    by: Name | None = Field(default=None, description="one for each unit of a level, or each subject of a kind")
    each: Literal["year", "all"] = "year"
    excess: Literal["pro_rata", "in_order", "refuse"]

    @model_validator(mode="after")
    def _one_form(self) -> Ceiling:
        if (self.value is None) == (self.fact is None):
            raise ValueError("wanted either value or fact")
        if self.fact is not None and self.by is None:
            raise ValueError("a fact of nobody: wanted by = the level whose fact it is")
        return self


class Provision(Cited):
    """One way in which money is owed: sum 1 (rate x base) or sum 2 (a total over weights), gated, split, routed."""

    title: Sentence
    sum: Literal["rate_times_base", "total_over_weights"]
    each: Name = Field(default="estate", description="what is paid for: estate, a level, or a kind")
    claim_per: Name | None = Field(default=None, description="one claim for all of an estate or pool, a line each")
    pool: Name | None = Field(default=None, description="sum 2: each of this kind has its own total")
    claim_period: Literal["service_year", "calendar_year", "quarter", "month", "once"]
    anchor: Literal["enrolment", "service_month", "decision"]
    counted_on: Annotated[str, Field(pattern=r"^(service_year_start|month_start|enrolment|\d\d-\d\d)$")]
    first_month: PartialMonths
    last_month: PartialMonths
    rounding: RoundingRule
    applies_to: Conditions = Field(default=(), description="what does not meet them makes no claim at all")
    gate: Gate | None = None
    applications: Applications | None = None
    notice: Notice | None = None
    pay_within: PayWithin | None = None
    claw_back: ClawBack | None = None
    advance: Advance | None = None
    purpose: Name
    pays_from: Name
    pays_into: Name | None = None
    payee: Name | None = Field(default=None, description="who is paid: a level, a party, a fact, or `subject`")
    rate: Annotated[tuple[Rate, ...], BeforeValidator(as_tuple)] = ()
    total: Annotated[tuple[Total, ...], BeforeValidator(as_tuple)] = ()
    weights: Name | None = None
    indicators: Annotated[tuple[Indicator, ...], BeforeValidator(as_tuple)] = ()
    caps: Annotated[tuple[Limit, ...], BeforeValidator(as_tuple)] = ()
    floors: Annotated[tuple[Limit, ...], BeforeValidator(as_tuple)] = ()
    payers: Annotated[tuple[PayerSplit, ...], BeforeValidator(as_tuple), Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Provision:
        if "-" in self.counted_on:
            check_day_of_year(self.counted_on)
        for versions in (self.rate, self.total, *self.payers_by_condition):
            check_seamless(versions)
        for limits in (self.caps, self.floors):
            for per in dict.fromkeys(limit.per for limit in limits):
                check_seamless([limit for limit in limits if limit.per == per])
        one = self.sum == "rate_times_base"
        if one and (not self.rate or self.total or self.weights or self.indicators or self.pool):
            raise ValueError("rate_times_base otherwise: wanted [[rate]], and neither total nor weights nor pool")
        if not one and (self.rate or not self.total or not (self.weights or self.indicators)):
            raise ValueError("total_over_weights otherwise: wanted [[total]] and weights or indicators, and no rate")
        if not one and self.claim_period == "service_year":
            raise ValueError(
                "total_over_weights by service year: wanted claim_period = calendar_year, one total for one common year"
            )
        if not one and self.claim_period == "once" and self.pool is None:
            raise ValueError("a total claimed once, on no day: wanted pool, whose first day it is")
        if self.advance is not None and (not one or self.claim_per not in (None, self.each)):
            raise ValueError("an advance of what is claimed together: wanted rate_times_base, and a claim for each")
        if not one and any(t.of for t in self.total) and self.pool is None:
            raise ValueError("a total of a fact, of nobody: wanted pool = whose fact it is")
        if not one and any(cap.excess_to for cap in self.caps):
            raise ValueError("excess_to in a division: what lies above a cap is shared by the others; leave it out")
        if self.anchor == "decision" and self.gate is None:
            raise ValueError("anchor = decision without a gate: wanted a gate, which makes the decision")
        if self.rounding.level == "household" and any(r.unit.base != "household" for r in self.rate):
            raise ValueError("rounding per household of another rate: wanted a rate per household")
        if self.pays_into is None and self.payee is None:
            raise ValueError("paid to nobody: wanted pays_into, a fund, or payee")
        if self.advance is not None and self.pays_into is None:
            raise ValueError("an advance out of the books cannot be settled: wanted pays_into")
        return self

    @property
    def payers_by_condition(self) -> list[list[PayerSplit]]:
        """The versions of the division, those with the same conditions together."""
        groups: dict[Conditions, list[PayerSplit]] = {}
        for split in self.payers:
            groups.setdefault(split.when, []).append(split)
        return list(groups.values())
