"""The award as a tax-benefit system of OpenFisca: a monthly variable of each household, parameters by date.

Usage: award_openfisca.py sixty ROWS

The formula is vectorised over households and runs once a month: sixty times. Conditions times rates, in float32, were
the fastest of the ways to write it (beside np.select, nested np.where, and a search in thresholds). Money is float32
and in yuan, as OpenFisca has it; sums of a service year are small enough for float32 to hold them to the fen,
so rows come out exact. `float_total_off_fen` says by how much its own sum over all households (in float32) is not.
"""

from __future__ import annotations

import os
from typing import Any

from award import FEN, MONTH_0, MONTHS, YEARS, Columns, Task, measure, one_thread

one_thread(os.environ)

import numpy as np  # noqa: E402
from openfisca_core.entities import build_entity  # noqa: E402
from openfisca_core.parameters import ParameterNode  # noqa: E402
from openfisca_core.periods import ETERNITY, MONTH, YEAR  # noqa: E402
from openfisca_core.populations import ADD  # noqa: E402
from openfisca_core.simulations import Simulation, SimulationBuilder  # noqa: E402
from openfisca_core.taxbenefitsystems import TaxBenefitSystem  # noqa: E402
from openfisca_core.variables import Variable  # noqa: E402

FEN_PER_YUAN = 100
FROM = "2021-01-01"
Household = build_entity(key="household", plural="households", label="a household", is_person=True)


def value(amount: float) -> dict[str, Any]:
    """A parameter that has one value from the first day of the document."""
    return {"values": {FROM: {"value": amount}}}


PARAMETERS = ParameterNode(
    "",
    data={
        "award": {
            "first_to_third_year": value(FEN[0] / FEN_PER_YUAN),
            "fourth_year": value(FEN[3] / FEN_PER_YUAN),
            "fifth_year": value(FEN[4] / FEN_PER_YUAN),
            "share_of_city": value(0.5),
        }
    },
)


class started(Variable):  # noqa: N801 - OpenFisca takes the name of a variable from its class
    value_type = int
    entity = Household
    definition_period = ETERNITY
    label = "month in which service began, in months since 1970-01"


class passed(Variable):  # noqa: N801
    value_type = bool
    entity = Household
    definition_period = YEAR
    label = "whether the service year that is this calendar year was passed"


class award(Variable):  # noqa: N801
    value_type = float
    entity = Household
    definition_period = MONTH
    label = "award of a month, yuan"

    def formula(household: Any, month: Any, parameters: Any) -> Any:  # noqa: N805 - as OpenFisca writes formulas
        rates = parameters(month).award
        served = (month.start.year - MONTH_0) * MONTHS + month.start.month - 1 - household("started", month)
        paid = ((served >= 0) & (served < 3 * MONTHS)) * np.float32(rates.first_to_third_year)
        paid += ((served >= 3 * MONTHS) & (served < 4 * MONTHS)) * np.float32(rates.fourth_year)
        paid += ((served >= 4 * MONTHS) & (served < YEARS * MONTHS)) * np.float32(rates.fifth_year)
        return paid * household("passed", month.this_year)


class award_of_year(Variable):  # noqa: N801
    value_type = float
    entity = Household
    definition_period = YEAR
    label = "award of a service year, yuan: the line that is shared"

    def formula(household: Any, year: Any) -> Any:  # noqa: N805
        return household("award", year, options=[ADD])


class award_from_city(Variable):  # noqa: N801
    value_type = float
    entity = Household
    definition_period = YEAR
    label = "the city's part of the line, whole fen; the odd fen is the district's"

    def formula(household: Any, year: Any, parameters: Any) -> Any:  # noqa: N805
        share = parameters(year).award.share_of_city
        return np.floor(household("award_of_year", year) * share * FEN_PER_YUAN) / FEN_PER_YUAN


class Prepared:
    """The system and the input in OpenFisca's own form, and the simulation of this call."""

    def __init__(self, task: Task, started: np.ndarray, passed: np.ndarray) -> None:
        self.years = [str(year) for year in range(task.first, task.last + 1)]
        self.system = TaxBenefitSystem([Household])
        self.system.parameters = PARAMETERS
        for variable in VARIABLES:
            self.system.add_variable(variable)
        self.started = started.astype(np.int32)
        first = (started // MONTHS).astype(np.int64) + MONTH_0
        self.passed = {}
        for year in self.years:  # service begins in a January: service year n is a calendar year
            number = int(year) - first
            self.passed[year] = (number >= 0) & (passed >> np.clip(number, 0, YEARS - 1) & 1).astype(bool)
        self.simulation: Simulation | None = None

    def fresh(self) -> Prepared:
        """A simulation that has computed nothing yet: it remembers every month that it has."""
        self.simulation = None  # the last one with its sixty months goes first
        self.simulation = SimulationBuilder().build_default_simulation(self.system, count=len(self.started))
        self.simulation.set_input("started", "eternity", self.started)
        for year, flags in self.passed.items():
            self.simulation.set_input("passed", year, flags)
        return self

    def compute(self) -> Columns:
        """Amount, city and district of each household, yuan brought to whole fen."""
        whole = f"year:{self.years[0]}:{len(self.years)}"
        amount = self.simulation.calculate_add("award_of_year", whole)
        city = self.simulation.calculate_add("award_from_city", whole)
        return fen(amount), fen(city), fen(amount - city)

    def notes(self, columns: Columns) -> dict[str, object]:
        """What a sum in float32 loses, and the months that were computed."""
        whole = f"year:{self.years[0]}:{len(self.years)}"
        total = float(self.simulation.calculate_add("award_of_year", whole).sum())
        exact = int(columns[0].sum(dtype=np.int64))
        months = len(self.simulation.get_known_periods("award"))
        return {"float_total_off_fen": round(total * FEN_PER_YUAN) - exact, "months": months}


def fen(yuan: np.ndarray) -> np.ndarray:
    """Whole fen of 32 bits."""
    return np.rint(yuan * FEN_PER_YUAN).astype(np.int32)


VARIABLES = (started, passed, award, award_of_year, award_from_city)
measure(Prepared, Prepared.compute, fresh=Prepared.fresh, notes=Prepared.notes)
