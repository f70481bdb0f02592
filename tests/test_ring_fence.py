"""The contract of the ring-fence: this library keeps it, and services with a planted bug are found, in a few steps."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from conftest import HANDS
from estate_funds import Books, Refusal
from estate_funds.calendar import Month
from estate_funds.errors import InputError
from estate_funds.funds import Fund, holder_of
from estate_funds.journal import Evidence, Kind
from estate_funds.testing.ring_fence import EXAMPLE_FUNDS, PaymentService, RingFenceMachine
from estate_funds.vouchers import carry_forward, claw_back, close, open_fund, receive, recover, spend, transfer

FAST = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True,
    database=None,
)  # fmt: skip


class OfBooks:
    """This library as a payment service: the verbs, and a year end when one is over."""

    def __init__(self, funds: Sequence[Fund]) -> None:
        self.books = Books.open("memory", recorded_on=date(2030, 1, 1))
        self.books.post([open_fund(fund, on=date(2023, 1, 1), hands=HANDS) for fund in funds])
        self.year = 2023

    def receive(self, fund: Fund, fen: int, *, on: date, key: str) -> None:
        self._year_ends(on)
        self.books.post(receive(fund, "owners", fen, on=on, key=key, hands=HANDS))

    def spend(self, fund: Fund, fen: int, *, purpose: str, payee_class: str, evidence: frozenset[str], on: date, key: str) -> None:  # fmt: skip
        self._year_ends(on)
        self.books.post(
            spend(fund, fen, purpose=purpose, payee="whoever", payee_class=payee_class, evidence=papers(evidence), on=on,
                  key=key, hands=HANDS)
        )  # fmt: skip

    def transfer(self, giver: Fund, taker: Fund, fen: int, *, purpose: str, evidence: frozenset[str], on: date, key: str) -> None:  # fmt: skip
        self._year_ends(on)
        self.books.post(
            transfer(giver, taker, fen, purpose=purpose, evidence=papers(evidence), on=on, key=key, hands=HANDS,
                     clause="6", narrative="moved")
        )  # fmt: skip

    def refund(self, spent: str, fen: int, *, on: date, key: str) -> None:
        self._year_ends(on)
        paid = next(entry for entry in self.books.entries() if entry.draft.key == spent)
        fund = next(fund for fund in self.books.ledger.funds.values() if fund.fund_id == paid.draft.postings[0].fund)
        told = {"on": on, "hands": HANDS, "narrative": "given back"}
        back = claw_back(paid, {fund.fund_id: fen}, key=f"{key}/claim", **told)
        self.books.post([back, recover(paid, fund, fen, key=key, **told)])

    def balance(self, fund: Fund) -> int:
        return self.books.balance(fund.fund_id).get(("cash", ""), 0)

    def _year_ends(self, on: date) -> None:
        for year in range(self.year, on.year):
            december = Month.of(date(year, 12, 1))
            self.books.post([*carry_forward(self.books.ledger, year, hands=HANDS), close(december, on=on, hands=HANDS)])
        self.year = max(self.year, on.year)


def papers(kinds: frozenset[str]) -> list[Evidence]:
    return [Evidence(kind, "0" * 64) for kind in sorted(kinds)]


def test_this_library_keeps_the_contract() -> None:
    run_state_machine_as_test(RingFenceMachine.over(OfBooks, refusals=(Refusal, InputError)), settings=FAST)


# --- planted bugs -----------------------------------------------------------------------------------------------------


class Denied(Exception):
    """A service's own refusal."""


class Payments:
    """A sound service of dictionaries. `bug` names the check that it forgets."""

    def __init__(self, funds: Sequence[Fund], bug: str = "") -> None:
        self.bug, self.held, self.done = bug, {fund.fund_id: 0 for fund in funds}, set[str]()
        self.asked = set[str]()
        self.out: dict[str, tuple[str, int]] = {}
        self.others = {one.fund_id: other.fund_id for one, other in zip(funds, funds[1:] + funds[:1], strict=True)}

    def new(self, key: str) -> bool:
        if key in self.done and self.bug != "a request that is asked again":
            return False
        self.done.add(key)
        return True

    def receive(self, fund: Fund, fen: int, *, on: date, key: str) -> None:
        if self.new(key):
            self.held[fund.fund_id] += fen
            if self.bug == "amounts as floats":
                self.held[fund.fund_id] = int(float(self.held[fund.fund_id]))

    def spend(self, fund: Fund, fen: int, *, purpose: str, payee_class: str, evidence: frozenset[str], on: date, key: str) -> None:  # fmt: skip
        self.check(fund, fen, purpose, payee_class, "", evidence, on, key)
        if self.new(key):
            self.held[fund.fund_id] -= fen
            self.out[key] = (fund.fund_id, fen)

    def transfer(self, giver: Fund, taker: Fund, fen: int, *, purpose: str, evidence: frozenset[str], on: date, key: str) -> None:  # fmt: skip
        into, level, _ = holder_of(taker.fund_id)
        if self.bug != "a transfer outside the fence":
            self.check(giver, fen, purpose, level, into, evidence, on, key)
        if self.new(key):
            self.held[giver.fund_id] -= fen
            self.held[taker.fund_id] += 0 if self.bug == "a transfer that does not arrive" else fen

    def refund(self, spent: str, fen: int, *, on: date, key: str) -> None:
        fund, left = self.out[spent]
        if key not in self.done and fen > left and self.bug != "a refund beyond the payment":
            raise Denied
        if self.new(key):
            self.out[spent] = (fund, left - fen)
            self.held[self.others[fund] if self.bug == "a refund into the fund beside" else fund] += fen

    def balance(self, fund: Fund) -> int:
        return self.held[fund.fund_id]

    def check(self, fund: Fund, fen: int, purpose: str, payee_class: str, into: str, evidence: frozenset[str], on: date, key: str) -> None:  # fmt: skip
        bug = self.bug
        if key in self.done or (key in self.asked and bug == "a refusal that is asked again"):
            return
        self.asked.add(key)
        fine = [
            p
            for p in fund.permits
            if (p.purpose == purpose or bug == "another purpose")
            and (p.payee_class == payee_class or bug == "another payee")
            and (p.into == into or bug == "another fund that takes")
            and (p.start <= on or bug == "before the permit begins")
            and (p.until is None or on < p.until or (on == p.until and bug == "the day on which a permit ends"))
            and (evidence.issuperset(p.requires) or bug == "without the papers")
        ]
        if not fine or (fen > self.held[fund.fund_id] and bug != "more than is there"):
            raise Denied
        if bug == "a fen that is kept" and fen % 2:
            self.held[fund.fund_id] -= 1
        if bug == "too strict" and fen == self.held[fund.fund_id]:
            raise Denied


# Each bug, and in how many requests the shortest history shows it, the opening not counted.
BUGS = {
    "another purpose": 2, "another payee": 2, "another fund that takes": 2, "before the permit begins": 2, "without the papers": 2,
    "the day on which a permit ends": 3, "a transfer outside the fence": 2, "a transfer that does not arrive": 2, "more than is there": 1,
    "a refund beyond the payment": 3, "a refund into the fund beside": 3, "a request that is asked again": 3, "a fen that is kept": 2,
    "too strict": 2, "a refusal that is asked again": 2, "amounts as floats": 6,
}  # fmt: skip


def buggy(bug: str) -> Callable[[Sequence[Fund]], PaymentService]:
    def service(funds: Sequence[Fund]) -> PaymentService:
        return Payments(funds, bug)

    return service


def test_a_sound_service_keeps_the_contract() -> None:
    run_state_machine_as_test(RingFenceMachine.over(Payments, refusals=Denied), settings=FAST)


@pytest.mark.parametrize("bug", BUGS)
def test_the_machine_finds(bug: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = settings(FAST, max_examples=500, phases=[Phase.generate, Phase.shrink])
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(RingFenceMachine.over(buggy(bug), refusals=Denied), settings=found)
    story = "\n".join(getattr(caught.value, "__notes__", [])) + capsys.readouterr().out
    steps = re.findall(r"^(?:v\d+ = )?state\.(\w+)\(", story, re.MULTILINE)
    assert (
        len([step for step in steps if step not in ("opens", "teardown", "every_fund_holds_what_belongs_to_it")])
        <= BUGS[bug]
    ), story


def test_a_crash_is_no_refusal() -> None:
    class Crashing(Payments):
        def spend(self, *args: Any, **kwargs: Any) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_state_machine_as_test(RingFenceMachine.over(Crashing, refusals=Denied), settings=FAST)


def test_funds_and_names_are_the_caller_s() -> None:
    machine = RingFenceMachine.over(Payments, funds=EXAMPLE_FUNDS[:2], refusals=Denied)
    assert (machine.__name__, machine.funds, machine.refusals) == ("RingFenceOfPayments", EXAMPLE_FUNDS[:2], (Denied,))
    assert issubclass(machine, RingFenceMachine)
    assert Kind.SPENDING
