"""What case.toml says: the models that read it strictly. docs/reference/case.md explains each key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator
from pydantic import Field as Key

from estate_funds.calendar import Month, near_day
from estate_funds.errors import DateError, EstateFundsError
from estate_funds.money import parse_yuan
from estate_funds.policy import MOST_DAYS, NearDay, Node, Sentence, as_tuple


def _month(value: object) -> object:
    if isinstance(value, Month):
        return value
    try:
        month = Month.parse(str(value))
        near_day(month.first_day)
        return month
    except DateError as error:
        raise ValueError(f"{error.what}: wanted {error.wanted}") from None


def _fen(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('amounts and areas stand in quotes, such as "203,580.00"')
    try:
        return parse_yuan(value)
    except EstateFundsError as error:
        raise ValueError(f"{error.what}: wanted {error.wanted}") from None


def _centi_m2(value: object) -> object:
    """Hundredths of a m2: two decimals, read as an amount is."""
    try:
        return _fen(value)
    except ValueError:
        raise ValueError('not an area: wanted m2 with at most two decimals, such as "164300.00"') from None


MOST_MONTHS = 1_200
MonthText = Annotated[Month, BeforeValidator(_month)]
YuanText = Annotated[int, BeforeValidator(_fen), Key(gt=0)]


class ClaimPeriods(Node):
    """Which claim periods: those that begin from one month through another, both included."""

    first: MonthText
    last: MonthText

    @model_validator(mode="after")
    def _within_a_century(self) -> ClaimPeriods:
        if self.last - self.first >= MOST_MONTHS:  # each month of each subject would be computed
            raise ValueError(f"{self.first} to {self.last}: wanted a hundred years at most")
        return self


class People(Node):
    """Who makes and who approves the vouchers of this case."""

    maker: Sentence
    approver: Sentence


class Payment(Node):
    """When a claim that is due is paid."""

    days_after_decision: Annotated[int, Key(ge=0, le=MOST_DAYS)]


class Payee(Node):
    """Somebody whom a restricted fund may pay."""

    name: Sentence
    payee_class: Sentence


class Appropriation(Node):
    """Budget and money for a fund."""

    id: Sentence
    on: NearDay
    fund: Sentence
    source: Sentence
    amount: YuanText
    evidence: str = ""


class ControlTotals(Node):
    """Published totals that the registry must tie to."""

    source: Sentence
    estates: int | None = None
    buildings: int | None = None
    households: int | None = None
    floor_area_m2: Annotated[int | None, BeforeValidator(_centi_m2)] = None

    def as_totals(self) -> dict[str, int]:
        """Totals by the registry's names."""
        named = {
            "estates": self.estates,
            "buildings": self.buildings,
            "households": self.households,
            "floor_area_centi_m2": self.floor_area_m2,
        }
        return {name: value for name, value in named.items() if value is not None}


class CaseFile(Node):
    """What case.toml says."""

    format: Literal[1]
    id: Annotated[str, Key(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: Sentence
    note: str = ""
    documents: Annotated[tuple[str, ...], BeforeValidator(as_tuple), Key(min_length=1)]
    claims: Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
    periods: ClaimPeriods
    people: People
    payment: Payment
    close_through: MonthText | None = None
    settings: dict[str, dict[str, Any]] = {}
    payees: dict[str, Payee] = {}
    appropriations: Annotated[tuple[Appropriation, ...], BeforeValidator(as_tuple)] = ()
    control_totals: ControlTotals | None = None
