"""When an application counts, and when a notice has run: tables of days."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from estate_funds.assess import Outcome
from estate_funds.assess.gates import _application, _noticed


class Told:
    """A view that knows some days and texts."""

    def __init__(self, **told: Any) -> None:
        self.told, self.days, self.asked = told, dict[str, date](), list[str]()

    def day(self, name: str) -> Any:
        self.asked.append(name)
        return self.told.get(name)

    text = day

    def take_lacking(self) -> list[str]:
        return [name for name in self.asked if name not in self.told]


@pytest.mark.parametrize(
    ("first", "last", "fits", "late"),
    [
        ("03-01", "05-31", ["03-01", "04-15", "05-31"], ["02-28", "06-01", "12-31", "01-01"]),
        ("11-01", "02-15", ["11-01", "12-31", "01-01", "02-15"], ["10-31", "02-16", "06-01"]),  # over the new year
        ("03-01", "03-01", ["03-01"], ["02-28", "03-02"]),
    ],
)
def test_the_days_on_which_an_application_counts(first: str, last: str, fits: list[str], late: list[str]) -> None:
    rule = SimpleNamespace(fact="asked", first=first, last=last, clause="1")
    walk: Any = SimpleNamespace(provision=SimpleNamespace(applications=rule))
    for day in (*fits, *late):
        view: Any = Told(asked=date.fromisoformat(f"2024-{day}"))
        told = f"applied on 2024-{day}; wanted from {first} to {last} [1]"
        assert _application(walk, view) == (None if day in fits else (Outcome.INELIGIBLE, told))
    nobody: Any = Told()
    assert _application(walk, nobody) == (Outcome.PENDING, "waits for asked [1]")


@pytest.mark.parametrize(
    ("told", "said", "decided"),
    [
        ({"posted": date(2024, 4, 1), "objection": "no"}, None, date(2024, 4, 9)),
        ({"posted": date(2024, 4, 1), "objection": "yes"}, "an objection is open: held until it is resolved [1]", None),
        ({"posted": date(2024, 4, 1)}, "waits for objection [1]", None),
        ({"objection": "no"}, "waits for posted [1]", None),
        ({}, "waits for posted, objection [1]", None),
    ],
)
def test_a_notice_that_has_run(told: dict[str, Any], said: str | None, decided: date | None) -> None:
    rule = SimpleNamespace(days=7, published_on="posted", objection="objection", clause="1")
    walk: Any = SimpleNamespace(provision=SimpleNamespace(notice=rule))
    view: Any = Told(**told)
    assert _noticed(walk, view) == (None if said is None else (Outcome.PENDING, said))
    assert view.days == ({"notice": decided} if decided else {})
