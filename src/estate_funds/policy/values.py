"""The kinds of values that a document is written in, and how dated ones follow one another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from estate_funds.calendar import MonthRule, near_day
from estate_funds.errors import AmountError, DateError, NoRuleInForce
from estate_funds.money import Rounding, parse_rate

LARGEST = 10**18
MOST_DAYS = 36_500  # of a time limit
LEVELS = ("city", "district", "street", "community", "estate")  # the units that an estate belongs to, itself last


def _exact(value: object) -> Fraction:
    if isinstance(value, Fraction):
        return value
    if not isinstance(value, str):
        raise ValueError('money and shares are exact: wanted digits in quotes, such as "18.00" or "1/2"')
    try:
        found = parse_rate(value)
        if max(abs(found.numerator), found.denominator) > LARGEST:
            raise ValueError("a number of so many digits; wanted at most 18")
        return found
    except AmountError as error:
        raise ValueError(f"{error.what}; wanted {error.wanted}") from None


def _near(day: date) -> date:
    try:
        return near_day(day)
    except DateError as error:
        raise ValueError(f"{error.what}: wanted {error.wanted}") from None


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


SETTING = {
    "type": "object",
    "properties": {"setting": {"type": "string"}},
    "required": ["setting"],
    "additionalProperties": False,
}


def or_setting(schema: dict[str, Any]) -> WithJsonSchema:
    """The schema of a value that may stand there, or be left to a setting of the case."""
    return WithJsonSchema({"anyOf": [schema, SETTING]})


_NAME = r"^[a-z][a-z0-9_-]*$"
Exact = Annotated[
    Fraction,
    BeforeValidator(_exact),
    or_setting({"type": "string", "pattern": r"^-?\d+(\.\d+)?(/\d+)?$", "description": "an exact number, quoted"}),
]
NotNegative = Annotated[Exact, Field(ge=0)]
Positive = Annotated[Exact, Field(gt=0)]
NearDay = Annotated[date, AfterValidator(_near)]
Day = Annotated[NearDay, or_setting({"type": "string", "format": "date"})]
Days = Annotated[int, Field(ge=1, le=MOST_DAYS), or_setting({"type": "integer", "minimum": 1, "maximum": MOST_DAYS})]
Name = Annotated[str, Field(pattern=_NAME, description="a name in lower case")]
Names = Annotated[
    tuple[Name, ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
    or_setting({"type": "array", "items": {"type": "string", "pattern": _NAME}, "minItems": 1}),
]
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

    start: Day = Field(alias="from", description="first day in force")
    until: Day | None = Field(default=None, description="first day no longer in force; leave out if still in force")

    @model_validator(mode="after")
    def _ordered(self) -> Dated:
        if self.until is not None and self.until <= self.start:
            raise ValueError(f"until {self.until}: wanted a day after from, {self.start}")
        return self

    def in_force(self, day: date) -> bool:
        """Whether this version holds on a day."""
        return self.start <= day and (self.until is None or day < self.until)


D = TypeVar("D", bound=Dated)


def check_seamless(versions: Sequence[Dated]) -> None:
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
