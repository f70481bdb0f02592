"""A contract for whatever spends earmarked money: does it stay where it belongs?

    TestPayments = RingFenceMachine.over(MyPayments, refusals=Denied).TestCase

A Hypothesis state machine asks a payment service to receive, spend, transfer and refund, in any order, within the
fences of its funds and outside them. It knows of each request whether a fence lets it through, keeps its own count of
every fund, and fails with the shortest history after which the service let something through that it may not, refused
what it may, or has another fen in a fund. docs/testing.md wraps a back office's own service in thirty lines.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from estate_funds.errors import Refusal
from estate_funds.funds import Fund, Permit, holder_of

T = TypeVar("T")
_FOREIGN = ("banquet", "stranger", "photo")  # a purpose, a payee class and a kind of evidence that no fence names


class PaymentService(Protocol):
    """What the machine asks for. Each request either does all that it says, or raises a refusal and does nothing.

    `key` names a request for good: the same request under the same key moves nothing a second time, whether the service
    passes over it or refuses it. What was refused and is asked again moves nothing either, unless it may by then.
    Amounts are whole fen above 0, and days never run backwards.
    """

    def receive(self, fund: Fund, fen: int, *, on: date, key: str) -> None:
        """Money comes into a fund from outside."""

    def spend(
        self, fund: Fund, fen: int, *, purpose: str, payee_class: str, evidence: frozenset[str], on: date, key: str
    ) -> None:
        """Money leaves a fund for a purpose, to a payee of a class, on documents of these kinds."""

    def transfer(
        self, giver: Fund, taker: Fund, fen: int, *, purpose: str, evidence: frozenset[str], on: date, key: str
    ) -> None:
        """Money of one fund goes into another, whose holder is the payee: its level is the payee class."""

    def refund(self, spent: str, fen: int, *, on: date, key: str) -> None:
        """Some of what was spent under the key `spent` comes back into the fund that spent it."""

    def balance(self, fund: Fund) -> int:
        """What a fund holds, in fen."""


class Receive(NamedTuple):
    """Money comes in. The numbers in requests choose among what there is, so that a history stays one if it is cut."""

    fund: int
    fen: int


class Spend(NamedTuple):
    """Money goes out as a permit says; or for another purpose, to another payee, or on other papers."""

    choice: int
    fen: int


class Transfer(NamedTuple):
    """Money goes from one fund into another that a permit names; or for another purpose, elsewhere, on other papers."""

    choice: int
    fen: int


class Refund(NamedTuple):
    """What was spent comes back into the fund that spent it, and no more than was spent."""

    payment: int
    fen: int


class Again(NamedTuple):
    """The same request under the same key, as after a crash or a lost answer: nothing moves, or what was refused is."""

    request: int


class Wait(NamedTuple):
    """So many of the days pass on which a permit begins or ends, or their neighbours."""

    days: int


@st.composite
def _requests(draw: st.DrawFn) -> Receive | Spend | Transfer | Refund | Again | Wait:
    """A request of two numbers: Hypothesis drops from a history what was drawn in few steps."""
    (choice, kind), number = divmod(draw(st.integers(0, 8 * 48)), 8), draw(st.integers(1, 66))
    fen = number if number < 60 else (100, 1_000, 2**53 + 1)[number % 3]  # the last is no float
    return (
        Receive(choice % 8, fen), Spend(choice, fen), Transfer(choice, fen), Refund(choice, fen), Again(choice),
        Wait(1 + choice % 3), Spend(choice % 4, fen), Transfer(choice % 2, fen),
    )[kind]  # fmt: skip


Asked = tuple[Fund, Fund | None, str, str, frozenset[str]]  # giver, taker, purpose, payee class, papers


@dataclass(slots=True)
class _Request:
    """A request that was let through under a key: how to ask it again, the fund that gave, what may still come back."""

    key: str
    again: Callable[[], None]
    giver: str
    left: int


class _Refused(NamedTuple):
    """A payment that was refused: what was asked, and how to ask it again."""

    asked: Asked
    fen: int
    on: date
    key: str
    again: Callable[[], None]


def _permit(purpose: str, payee_class: str, into: str = "", **more: Any) -> Permit:
    return Permit(purpose, payee_class, into, date(2024, 1, 1), more.get("until"), more.get("requires", ()), clause="6")


# The repair fund of one estate, its common income, and that of its neighbour.
EXAMPLE_FUNDS: tuple[Fund, ...] = (
    Fund(
        "emergency-repair/estate/院一", "应急维修资金", "example", "1", True, "fifo",
        (_permit("roof", "enterprise", requires=("invoice",)), _permit("lift", "enterprise", until=date(2025, 1, 1))),
    ),
    Fund(
        "common-income/estate/院一", "公共收益", "example", "2", True, "fifo",
        (_permit("cleaning", "enterprise"), _permit("roof", "estate", "emergency-repair", requires=("vote",))),
    ),
    Fund(
        "common-income/estate/院二", "公共收益", "example", "2", True, "fifo", (_permit("cleaning", "enterprise"),),
    ),
)  # fmt: skip


class RingFenceMachine(RuleBasedStateMachine):
    """The contract; make one for a service by `over`, or set the three class variables in a class of your own."""

    service: ClassVar[Callable[[Sequence[Fund]], PaymentService]]
    funds: ClassVar[tuple[Fund, ...]] = EXAMPLE_FUNDS
    refusals: ClassVar[tuple[type[Exception], ...]] = (Refusal,)

    @classmethod
    def over(
        cls,
        service: Callable[[Sequence[Fund]], PaymentService],
        *,
        funds: Sequence[Fund] = EXAMPLE_FUNDS,
        refusals: type[Exception] | tuple[type[Exception], ...] = Refusal,
    ) -> type[RingFenceMachine]:
        """The machine for a service, which is made anew for each history: `service(funds)`.

        `refusals` are what it raises when it says no; any other exception fails the test. `.TestCase` of the result is
        a test case for pytest and unittest, and `.TestCase.settings` are its Hypothesis settings.
        """
        refusals = refusals if isinstance(refusals, tuple) else (refusals,)
        members = {"service": staticmethod(service), "funds": tuple(funds), "refusals": refusals}
        name = getattr(service, "__name__", type(service).__name__)
        name = name.lstrip("_")
        return type(f"RingFenceOf{name[:1].upper()}{name[1:]}", (cls,), members)

    @initialize(early=st.booleans())
    def opens(self, early: bool) -> None:
        """A service with empty funds, and what it will be asked: all that the fences name, and what lies beside it."""
        self.asked = 0
        self.booked: list[_Request] = []
        self.refused: list[_Refused] = []
        self.held = {fund.fund_id: 0 for fund in self.funds}
        sound = [(fund, taker, p) for fund in self.funds for p in fund.permits for taker in self._takers(fund, p)]
        self.choices = [(f, t, p.purpose, p.payee_class, frozenset(p.requires)) for f, t, p in sound]
        self.choices += [odd for choice in self.choices for odd in self._beside(choice)]
        permits = [permit for fund in self.funds for permit in fund.permits]
        edges = {day for permit in permits for day in (permit.start, permit.until) if day is not None}
        self.days = sorted({day + timedelta(days=step) for day in edges for step in (-1, 0, 1)})
        self.day = min(self.days) if early else min(edges)
        self.under_test = type(self).service(self.funds)

    def _takers(self, giver: Fund, permit: Permit) -> list[Fund | None]:
        """The funds that a permit lets take; nobody within the books where it names none."""
        if not permit.into:
            return [None]
        named = (permit.into, permit.payee_class)
        return [one for one in self.funds if one is not giver and holder_of(one.fund_id)[:2] == named]

    def _beside(self, choice: Asked) -> Iterator[Asked]:
        """Requests that differ from one in the purpose, the payee or the papers."""
        giver, taker, what, to, held = choice
        permits = [permit for fund in self.funds for permit in fund.permits]
        for purpose in (*dict.fromkeys(p.purpose for p in permits if p.purpose != what), _FOREIGN[0]):
            yield giver, taker, purpose, to, held
        if taker is None:
            for payee_class in (*dict.fromkeys(p.payee_class for p in permits if p.payee_class != to), _FOREIGN[1]):
                yield giver, None, what, payee_class, held
        yield from ((giver, one, what, to, held) for one in self.funds if one not in (giver, taker))
        for papers in (frozenset[str](), frozenset({_FOREIGN[2]})) if held else ():
            yield giver, taker, what, to, papers

    # --- what is asked ---

    @rule(request=_requests())
    def asks(self, request: Receive | Spend | Transfer | Refund | Again | Wait) -> None:
        """One request, of whatever kind."""
        match request:
            case Receive():
                to = _picked(self.funds, request.fund)
                note(f"  {self.day}: {to.fund_id} receives {request.fen} fen")
                self.under_test.receive(to, request.fen, on=self.day, key=self._key())
                self.held[to.fund_id] += request.fen
            case Spend():
                self._pay(_picked([one for one in self.choices if one[1] is None], request.choice), request.fen)
            case Transfer() if crossings := [one for one in self.choices if one[1] is not None]:
                self._pay(_picked(crossings, request.choice), request.fen)
            case Refund() if spent := [one for one in self.booked if one.giver]:
                self._refund(_picked(spent, request.payment), request.fen)
            case Again() if self.refused and request.request % 3 == 0:
                self._ask_again(_picked(self.refused, request.request))
            case Again() if self.booked:
                note("  again, what was let through before")
                with contextlib.suppress(*self.refusals):
                    _picked(self.booked, request.request).again()
            case Wait():
                later = [day for day in self.days if day >= self.day]
                self.day = later[min(request.days, len(later) - 1)]
            case _:  # nothing to choose from
                pass

    def _pay(self, asked: Asked, fen: int) -> None:
        giver, taker, what, to, held = asked
        on, key = self.day, self._key()
        if taker is not None:
            to = holder_of(taker.fund_id)[1]
        whom = taker.fund_id if taker is not None else f"a payee of the class {to}"
        papers = f" on {', '.join(sorted(held))}" if held else ""
        note(f"  {on}: {giver.fund_id} pays {fen} fen for {what} to {whom}{papers}")

        def ask() -> None:
            if taker is None:
                self.under_test.spend(giver, fen, purpose=what, payee_class=to, evidence=held, on=on, key=key)
            else:
                self.under_test.transfer(giver, taker, fen, purpose=what, evidence=held, on=on, key=key)

        if self._lets_through(ask, self._why_not(asked, fen, on)):
            self._paid(asked, fen, key, ask)
        else:
            self.refused.append(_Refused(asked, fen, on, key, ask))

    def _paid(self, asked: Asked, fen: int, key: str, ask: Callable[[], None]) -> None:
        giver, taker, *_ = asked
        self.held[giver.fund_id] -= fen
        if taker is not None:
            self.held[taker.fund_id] += fen
        self.booked.append(_Request(key, ask, "" if taker else giver.fund_id, fen))

    def _ask_again(self, refused: _Refused) -> None:
        """What was refused, under the same key: it moves nothing, unless it may by now."""
        note(f"  again, what was refused on {refused.on}: {refused.fen} fen for {refused.asked[2]}")
        giver, why_not = refused.asked[0], self._why_not(refused.asked, refused.fen, refused.on)
        with contextlib.suppress(*self.refusals):
            refused.again()
        if self.under_test.balance(giver) != self.held[giver.fund_id]:
            _was_right(why_not)
            self.refused.remove(refused)
            self._paid(refused.asked, refused.fen, refused.key, refused.again)

    def _refund(self, spent: _Request, fen: int) -> None:
        on, key = self.day, self._key()

        def ask() -> None:
            self.under_test.refund(spent.key, fen, on=on, key=key)

        if self._lets_through(ask, f"only {spent.left} fen of that payment are still out" if fen > spent.left else ""):
            spent.left -= fen
            self.held[spent.giver] += fen
            self.booked.append(_Request(key, ask, "", 0))

    # --- what must hold ---

    @invariant()
    def every_fund_holds_what_belongs_to_it(self) -> None:
        """To the fen, after each request."""
        for fund in self.funds:
            found, wanted = self.under_test.balance(fund), self.held[fund.fund_id]
            assert found == wanted, f"{fund.fund_id} holds {found} fen; what came in less what went out is {wanted}"

    # --- the count that the machine keeps ---

    def _key(self) -> str:
        self.asked += 1
        return f"request-{self.asked}"

    def _lets_through(self, ask: Callable[[], None], why_not: str) -> bool:
        """Whether a request was let through, which is as it ought to be."""
        try:
            ask()
        except self.refusals as refusal:
            if not why_not:
                raise AssertionError("refused, though the fence lets it through and the money is there") from refusal
            return False
        _was_right(why_not)
        return True

    def _why_not(self, asked: Asked, fen: int, on: date) -> str:
        """Why a request may not be let through; empty where it may."""
        giver, taker, purpose, payee_class, papers = asked
        into = ""
        if taker is not None:
            into, payee_class, _ = holder_of(taker.fund_id)
        permits = [permit for permit in giver.permits_for(purpose, payee_class) if permit.into == into]
        if not permits:
            return f"no permit of {giver.fund_id} names {purpose} to {payee_class}" + (f" into {into}" if into else "")
        open_then = [p for p in permits if p.start <= on and (p.until is None or on < p.until)]
        if not open_then:
            return f"no permit of {giver.fund_id} for {purpose} is in force on {on}"
        if not any(papers.issuperset(permit.requires) for permit in open_then):
            return f"{purpose} of {giver.fund_id} is paid on {', '.join(open_then[0].requires)} only"
        return f"{giver.fund_id} holds {self.held[giver.fund_id]} fen" if fen > self.held[giver.fund_id] else ""


def _was_right(why_not: str) -> None:
    """One place that says so: Hypothesis tells failures apart by where they are raised."""
    assert not why_not, f"let through, though {why_not}"


def _picked(among: Sequence[T], number: int) -> T:
    return among[number % len(among)]
