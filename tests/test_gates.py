"""When an application counts, and when a notice has run: tables of days."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from estate_funds.assess import Outcome
from estate_funds.assess.gates import _application, _noticed, judge


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


class Judged(Told):
    """A view that knows which requirements are met, and the rest of it."""

    subject = SimpleNamespace(kind="work", subject_id="w")
    assessment = None

    def holds(self, requirement: Any) -> bool | None:
        if requirement.met is None:
            self.asked.append(requirement.lacks)
        return requirement.met  # type: ignore[no-any-return]

    def said(self, requirement: Any) -> str:
        return f"{requirement.fact} is {requirement.met}"

    def all_hold(self, conditions: str) -> bool | None:
        if conditions == "unknown":
            self.asked.append("place")
            return None
        return True

    def take_lacking(self) -> tuple[str, ...]:  # type: ignore[override]
        found, self.asked = tuple(name for name in self.asked if name not in self.told), []
        return found


def required(met: bool | None, otherwise: str = "refuse", lacks: str = "fence") -> SimpleNamespace:
    return SimpleNamespace(fact="fence", met=met, otherwise=otherwise, clause="2", lacks=lacks)


ASKED = SimpleNamespace(fact="asked", first="03-01", last="05-31", clause="1")
GRADED = SimpleNamespace(fact="grade", passes=["good"], fails=["bad"], clause="3")
WAITS, HELD = (Outcome.PENDING, "fence is None [2]"), (Outcome.PENDING, "fence is False [2]")
NOT_MET = (Outcome.INELIGIBLE, "fence is False [2]")
BAD = (Outcome.FAILED, "grade is bad: pays 0, the year still counts, nothing is caught up [3]")


@pytest.mark.parametrize(
    ("requirements", "rules", "told", "judged"),
    [
        ([], {}, {}, (Outcome.DUE, "all conditions are met")),
        ([required(True)], {}, {}, (Outcome.DUE, "all conditions are met")),
        ([required(False)], {}, {}, NOT_MET),
        ([required(False, "hold")], {}, {}, HELD),
        ([required(False, "warn")], {}, {}, (Outcome.DUE, "all conditions are met")),
        ([required(None)], {}, {}, WAITS),
        ([required(None, "hold")], {}, {}, WAITS),
        (
            [required(None, lacks="stone")],
            {},
            {},
            (Outcome.PENDING, "waits for stone [2]"),
        ),  # of which the fence is derived
        ([required(None), required(False)], {}, {}, NOT_MET),  # what is known to fail says so, whatever else waits
        ([required(False, "hold"), required(None)], {}, {}, HELD),  # of two that wait, the first
        ([required(None)], {"applications": ASKED}, {}, WAITS),
        ([], {"applications": ASKED}, {}, (Outcome.PENDING, "waits for asked [1]")),
        ([], {"applications": ASKED, "gate": GRADED}, {"grade": "bad"}, BAD),
        ([required(None)], {"gate": GRADED}, {"grade": "bad"}, BAD),
        ([], {"gate": GRADED}, {"grade": "good"}, (Outcome.DUE, "grade is good")),
        ([], {"gate": GRADED}, {}, (Outcome.PENDING, "no grade yet: pays once passed [3]")),
        ([], {"applies_to": "known"}, {}, (Outcome.DUE, "all conditions are met")),
        ([], {"applies_to": "unknown"}, {}, (Outcome.PENDING, "waits for place")),
        ([required(None)], {"applies_to": "unknown"}, {}, (Outcome.PENDING, "waits for place")),
        ([required(False)], {"applies_to": "unknown"}, {}, NOT_MET),
    ],
)
def test_whichever_says_no_says_why_and_else_the_first_that_waits(requirements: list[Any], rules: dict[str, Any], told: dict[str, Any], judged: tuple[Outcome, str]) -> None:  # fmt: skip
    usual = {"applies_to": "", "applications": None, "gate": None, "notice": None}
    walk: Any = SimpleNamespace(provision=SimpleNamespace(**(usual | rules)), requirements=lambda subject: requirements)
    view: Any = Judged(**told)
    assert judge(walk, view) == judged
