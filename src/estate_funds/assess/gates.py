"""Whether something may be paid at all: requirements, application windows, assessments, public notices."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from estate_funds.assess.claim import Outcome
from estate_funds.assess.view import View, waits_for
from estate_funds.errors import CellError, nearest
from estate_funds.policy import Requirement
from estate_funds.policy.facts import YES

if TYPE_CHECKING:
    from estate_funds.assess.walk import Walk


def judge(walk: Walk, view: View) -> tuple[Outcome, str]:
    """Requirements first, then the application, the gate and the notice: whichever says no says why."""
    held: tuple[Outcome, str] | None = None
    if walk.provision.applies_to and view.all_hold(walk.provision.applies_to) is None:
        held = Outcome.PENDING, waits_for(view.take_lacking())
    for requirement in walk.requirements(view.subject):
        said = _unmet(requirement, view)
        if said is not None and said[0] is not Outcome.PENDING:
            return said
        held = held or said
    for gate in (_application, _assessed, _noticed):
        said = gate(walk, view)
        if said is not None and said[0] is not Outcome.PENDING:
            return said
        held = held or said
    if held is not None:
        return held
    gate_rule = walk.provision.gate
    if gate_rule is None:
        return Outcome.DUE, "no assessment is asked for" if view.subject.kind == "estate" else "all conditions are met"
    if gate_rule.fact != "assessment":
        return Outcome.DUE, f"{gate_rule.fact} is {view.text(gate_rule.fact)}"
    return Outcome.DUE, f"assessment passed on {view.assessment.result_on if view.assessment else ''}"


def advanced_on(walk: Walk, view: View, day: date) -> tuple[date, Outcome, str]:
    """The day of an advance, and whether it is paid: applied for, published, and nothing known against it by then."""
    asked = replace(view, days={}, lacking={})
    for gate in (_application, _noticed):
        said = gate(walk, asked)
        if said is not None:
            return day, *said
    day = max([day, *asked.days.values()])
    known = replace(view, days={}, lacking={}, as_of=day)
    for requirement in walk.requirements(view.subject):
        if requirement.otherwise != "warn" and known.holds(requirement) is False:
            outcome = Outcome.INELIGIBLE if requirement.otherwise == "refuse" else Outcome.PENDING
            return day, outcome, f"{known.said(requirement)} [{requirement.clause}]"
    return day, Outcome.DUE, ""


def _unmet(requirement: Requirement, view: View) -> tuple[Outcome, str] | None:
    if requirement.otherwise == "warn":
        return None
    met = view.holds(requirement)
    missing = view.take_lacking()
    if met is True:
        return None
    said = f"{view.said(requirement)} [{requirement.clause}]"
    view.take_lacking()
    if met is None and missing != (requirement.fact,):
        said = f"{waits_for(missing)} [{requirement.clause}]"
    hold = met is None or requirement.otherwise == "hold"
    return (Outcome.PENDING if hold else Outcome.INELIGIBLE), said


def _application(walk: Walk, view: View) -> tuple[Outcome, str] | None:
    rule = walk.provision.applications
    if rule is None:
        return None
    applied = view.day(rule.fact)
    if applied is None:
        return Outcome.PENDING, f"{waits_for(view.take_lacking())} [{rule.clause}]"
    day = f"{applied:%m-%d}"
    within = rule.first <= day <= rule.last if rule.first <= rule.last else day >= rule.first or day <= rule.last
    if within:
        return None
    return Outcome.INELIGIBLE, f"applied on {applied}; wanted from {rule.first} to {rule.last} [{rule.clause}]"


def _assessed(walk: Walk, view: View) -> tuple[Outcome, str] | None:
    gate = walk.provision.gate
    if gate is None:
        return None
    if gate.fact == "assessment":
        found = view.result()
        result, when = (found.result, f" on {found.result_on}") if found else (None, "")
    else:
        result, when = view.text(gate.fact), ""
        view.take_lacking()
    if result is None:
        waiting = "assessment result" if gate.fact == "assessment" else gate.fact
        return Outcome.PENDING, f"no {waiting} yet: pays once passed [{gate.clause}]"
    if result in gate.passes:
        return None
    if result in gate.fails:
        named = f"{gate.fact} is {result}"
        if gate.fact == "assessment":
            named = "assessment failed" if result in ("fail", "failed") else f"assessed as {result}"
        return Outcome.FAILED, f"{named}{when}: pays 0, the year still counts, nothing is caught up [{gate.clause}]"
    known = [*gate.passes, *gate.fails]
    row = view.assessment.row if view.assessment else 0
    raise CellError(
        f"the document does not know the assessment result {result!r}",
        where=f"assessments.csv, row {row}, column result" if gate.fact == "assessment" else f"facts.csv, {gate.fact}",
        got=repr(result),
        wanted=f"one of {', '.join(known)}",
        clause=f"{walk.document.id} {gate.clause}",
        fix=nearest(result, known),
    )


def _noticed(walk: Walk, view: View) -> tuple[Outcome, str] | None:
    """A notice that has run; what it decides, it decides on the day after its last."""
    rule = walk.provision.notice
    if rule is None:
        return None
    published: date | None = view.day(rule.published_on)
    objection = view.text(rule.objection)
    missing = view.take_lacking()
    if published is None or objection is None:
        return Outcome.PENDING, f"{waits_for(missing)} [{rule.clause}]"
    last = published + timedelta(days=rule.days)
    if objection == YES:
        return Outcome.PENDING, f"an objection is open: held until it is resolved [{rule.clause}]"
    view.days["notice"] = last + timedelta(days=1)
    return None
