"""Where the money may go: funds and their permits, incomes, transfers; and what only some documents say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from estate_funds.errors import AmountError
from estate_funds.money import parse_rate
from estate_funds.policy.values import Cited, Dated, Days, Name, Names, RoundingMode, Sentence, as_tuple


class Setting(Cited):
    """What the document leaves open: set by the case, or the default, marked as an assumption.

    Without a default the case must set it; `example` is what the document is then checked with until it does.
    """

    kind: Literal["purposes", "names", "amount", "share", "number", "day", "days"]
    text: Sentence
    default: Any = None
    example: Any = None

    @model_validator(mode="after")
    def _valued(self) -> Setting:
        for name, value in (("default", self.default), ("example", self.example)):
            if value is not None and (wrong := self.problem(value)):
                raise ValueError(f"{name} {value!r}: wanted {wrong}")
        if self.default is None and self.example is None and self.kind not in ("purposes", "names"):
            raise ValueError("nothing to check the document with: wanted a default, or an example")
        return self

    def problem(self, value: object) -> str:
        """What would have been wanted instead of a value; empty when it is one of this kind."""
        return _PROBLEMS[self.kind](value)

    @property
    def stand_in(self) -> Any:
        """What the document is checked with before a case sets it."""
        if self.default is not None or self.example is not None:
            return self.default if self.default is not None else self.example
        return ["unset"]


class PermitRule(Dated):
    """Purposes x payee classes x period, the fund that takes, and the kinds of evidence that each payment needs."""

    purposes: Names
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
    held_for_others: Annotated[
        bool, Field(description="what it receives is a liability, and paying it on settles it")
    ] = False
    surplus_after_years: Annotated[
        int | None,
        Field(ge=1, le=20, description="carried forward so many times and still unused, budget lapses as surplus"),
    ] = None
    permits: Annotated[tuple[PermitRule, ...], BeforeValidator(as_tuple), Field(min_length=1)]

    @model_validator(mode="after")
    def _carries(self) -> Self:
        if self.surplus_after_years and not self.carry_forward:
            raise ValueError("surplus_after_years is for a fund that carries forward: here all lapses at once")
        return self


class IncomeRule(Cited):
    """Which fund each source of income belongs to."""

    sources: Names
    into: Name
    requires: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = ()


class TransferRule(Cited):
    """A declared way for money to move between holders of one fund, pro rata by months of the approved amount."""

    title: Sentence
    fund: Name
    into: Name | None = Field(default=None, description="the fund that takes, where it is another")
    purpose: Name
    giver: Name
    taker: Name
    rounding: RoundingMode


class Party(Cited):
    """Somebody outside the public budget who pays or is paid: by name."""

    name: Sentence


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


class Uncomputed(Cited):
    """What the document says and nobody can compute, and why: listed, so that nothing is lost in silence."""

    text: Sentence


class Deadline(Cited):
    """A time limit that runs from one dated fact to another, counted by Civil Code 201-203."""

    text: Sentence
    of: Name = Field(default="estate", description="whose facts: estate, a level, or a kind of subjects.csv")
    after: Name = Field(description="the dated fact that starts it")
    done: Name = Field(description="the dated fact that ends it")
    months: Days | None = None
    days: Days | None = None

    @model_validator(mode="after")
    def _one_length(self) -> Deadline:
        if (self.months is None) == (self.days is None):
            raise ValueError("wanted either months or days")
        return self


class Order(Cited):
    """Two days of which one cannot come before the other: the survey, then its result; the works, then their bill.

    A fact that is a date says its day itself; any other counts from the day on which it was known.
    """

    text: Sentence
    of: Name = Field(default="estate", description="whose facts: estate, a level, or a kind of subjects.csv")
    first: Name = Field(description="the fact that comes first")
    then: Name = Field(description="the fact that comes on the same day at the earliest")


class Stage(Dated):
    """A stage of a programme; `until` is the first day after it. A day shared with the next belongs to the earlier."""

    title: Sentence


class Rhythm(Cited):
    """Something that recurs: every week (on a weekday), month, quarter or year; on a rest day, the next working day."""

    text: Sentence
    every: Literal["week", "month", "quarter", "year"]
    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday"] | None = None

    @model_validator(mode="after")
    def _weekday(self) -> Rhythm:
        if (self.weekday is not None) != (self.every == "week"):
            raise ValueError("weekday otherwise: wanted one for every week, and for nothing else")
        return self


def _not_names(value: object) -> str:
    fine = isinstance(value, list | tuple) and value and all(isinstance(v, str) and v for v in value)
    return "" if fine else 'a list of names, such as ["cleaning"]'


def _not_exact(value: object) -> str:
    try:
        if not isinstance(value, str) or parse_rate(value) < 0:
            return 'an exact number, 0 or more, in quotes, such as "1/2"'
    except AmountError as error:
        return str(error.wanted or "an exact number")
    return ""


def _not_share(value: object) -> str:
    return _not_exact(value) or ("" if parse_rate(str(value)) <= 1 else "a share, 0 to 1")


def _not_day(value: object) -> str:
    return "" if isinstance(value, date) and not isinstance(value, datetime) else "a day, YYYY-MM-DD without quotes"


def _not_days(value: object) -> str:
    return "" if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else "a whole number, 1 or more"


_PROBLEMS: dict[str, Callable[[object], str]] = {
    "purposes": _not_names,
    "names": _not_names,
    "amount": _not_exact,
    "share": _not_share,
    "number": _not_exact,
    "day": _not_day,
    "days": _not_days,
}
