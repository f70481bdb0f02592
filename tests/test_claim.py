"""What comes out of an assessment: statuses, sums, names, lines that are cut, and how claims are found."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from estate_funds.assess import Claim, Claims, Line, Outcome, Share, Status
from estate_funds.calendar import Month, Months
from estate_funds.errors import CaseError
from estate_funds.registry import Subject

MAY = Months(Month.parse("2024-05"), Month.parse("2024-06"))
YEARLY: Any = SimpleNamespace(claim_period="calendar_year")
SERVED: Any = SimpleNamespace(claim_period="service_year")


def line(*shares: Share, outcome: Outcome = Outcome.DUE, potential: int | None = None, **changes: Any) -> Line:
    due = sum(share.fen for share in shares) if outcome is Outcome.DUE else 0
    told: dict[str, Any] = {
        "subject_id": "w", "months": MAY, "service_year": 1, "base": Fraction(1), "measure": "cost", "rate": Fraction(1),
        "formula": "1 x 1", "outcome": outcome, "reason": "all is well", "clause": "1", "amount_fen": due,
        "potential_fen": due if potential is None else potential, "shares": shares,
    }  # fmt: skip
    return Line(**(told | changes))


def pays(payer: str, fen: int, share: str = "1/2") -> Share:
    return Share(payer, Fraction(share), fen, f"the {payer}")


def claim(*lines: Line, subject: str = "w", estate: str = "", number: int = 2024, **changes: Any) -> Claim:
    units = {"estate": estate} if estate else {}
    told: dict[str, Any] = {
        "document": "town", "policy_digest": "", "registry_digest": "", "provision": YEARLY, "provision_id": "grant",
        "subject": Subject(subject, "work", subject.upper(), units, date(2024, 1, 1)), "number": number, "period_key": str(number),
        "months": Months(Month(number * 12 + 4), Month(number * 12 + 5)), "lines": lines, "payee_class": "street", "payee": "s",
        "booked": frozenset({"city"}), "decided_on": None,
    }  # fmt: skip
    return Claim(**(told | changes))


WAITS = line(outcome=Outcome.PENDING, potential=700)
FAILED = line(outcome=Outcome.FAILED)


@pytest.mark.parametrize(
    ("lines", "status", "amount", "potential"),
    [
        ((), Status.NOTHING, 0, 0),
        ((FAILED,), Status.NOTHING, 0, 0),
        ((line(pays("city", 1)),), Status.DUE, 1, 1),
        ((line(pays("city", 5)), line(pays("city", -5))), Status.NOTHING, 0, 0),
        ((line(pays("city", 5)), line(pays("city", -6))), Status.REFUND, -1, -1),
        ((line(pays("city", 5)), FAILED), Status.DUE, 5, 5),
        ((line(pays("city", 5)), WAITS), Status.PENDING, 5, 705),
        ((line(pays("city", -5)), WAITS), Status.PENDING, -5, 695),
    ],
)
def test_the_status_of_a_claim(lines: tuple[Line, ...], status: Status, amount: int, potential: int) -> None:
    found = claim(*lines)
    assert (found.status, found.amount_fen, found.potential_fen) == (status, amount, potential)


def test_what_each_payer_owes_sums() -> None:
    one = line(pays("city", 3), pays("district", 4), pays("city", 2))
    found = claim(one, line(pays("owner", 5), pays("district", 1)), FAILED)
    assert found.shares == {"city": 5, "district": 5, "owner": 5}
    both = Claims([found, claim(line(pays("city", -1)), WAITS)])
    assert both.shares == {"city": 4, "district": 5, "owner": 5}
    assert (both.amount_fen, both.potential_fen) == (14, 714)


@pytest.mark.parametrize(
    ("changes", "claim_id", "name"),
    [
        ({}, "town/grant/w/2024", "2024"),
        ({"part": "advance"}, "town/grant/w/2024/advance", "2024 advance"),
        ({"period_key": ""}, "town/grant/w/once", "once"),
        ({"period_key": "", "part": "advance"}, "town/grant/w/once/advance", "once advance"),
        ({"period_key": "2024-Q2"}, "town/grant/w/2024-Q2", "2024-Q2"),
        ({"period_key": "3", "number": 3, "provision": SERVED}, "town/grant/w/3", "service year 3"),
        (
            {"period_key": "3", "number": 3, "provision": SERVED, "part": "advance"},
            "town/grant/w/3/advance",
            "service year 3",
        ),
    ],
)
def test_what_a_claim_is_called(changes: dict[str, Any], claim_id: str, name: str) -> None:
    found = replace(claim(), **changes)
    assert (found.claim_id, found.period_name) == (claim_id, name)


def test_a_line_with_another_outcome_pays_nothing_now() -> None:
    due = line(pays("city", 70), pays("district", 30))
    for outcome, possible in ((Outcome.PENDING, 100), (Outcome.FAILED, 0), (Outcome.INELIGIBLE, 0)):
        turned = due.turned(outcome, "because")
        assert (turned.outcome, turned.reason, turned.amount_fen, turned.potential_fen, turned.shares) == (
            outcome,
            "because",
            0,
            possible,
            (),
        )
        assert (
            replace(
                turned, outcome=due.outcome, reason=due.reason, amount_fen=100, potential_fen=100, shares=due.shares
            )
            == due
        )


CITY, BOTH = frozenset({"city"}), frozenset({"city", "district"})


@pytest.mark.parametrize(
    ("shares", "fen", "payers", "left"),
    [
        ([pays("city", 50), pays("district", 50)], 30, BOTH, [15, 15]),
        ([pays("city", 50), pays("district", 50)], 31, BOTH, [16, 15]),  # of equals, the first
        ([pays("city", 50), pays("district", 50)], 30, CITY, [30, 50]),  # what others pay stays
        ([pays("city", 50), pays("district", 50)], 0, BOTH, [0, 0]),
        ([pays("city", 50), pays("district", 50)], 30, frozenset({"owner"}), [50, 50]),
        ([pays("city", 67, "2/3"), pays("district", 33, "1/3")], 50, BOTH, [33, 17]),
        ([pays("city", 10, "2/3"), pays("district", 90, "1/3")], 30, BOTH, [20, 10]),  # by their shares, not by what they paid
        ([pays("city", 0, "0"), pays("district", 90, "0")], 30, BOTH, [0, 90]),  # no share to go by
        ([pays("city", 20, "1"), pays("city", 40), pays("district", 40)], 50, BOTH, [10, 20, 20]),  # twice one: by the fen
        ([pays("city", 20, "1"), pays("city", 40), pays("district", 40)], 15, CITY, [5, 10, 40]),
    ],
)  # fmt: skip
def test_a_line_that_is_cut(shares: list[Share], fen: int, payers: frozenset[str], left: list[int]) -> None:
    whole = line(*shares)
    cut = whole.cut_to(fen, payers, "the ceiling")
    assert [share.fen for share in cut.shares] == left
    assert [share._replace(fen=0) for share in cut.shares] == [share._replace(fen=0) for share in shares]
    assert cut.amount_fen == cut.potential_fen == sum(left)
    assert cut.reason == "all is well; the ceiling"
    assert (
        replace(
            cut,
            shares=whole.shares,
            amount_fen=whole.amount_fen,
            potential_fen=whole.potential_fen,
            reason=whole.reason,
        )
        == whole
    )


def test_an_advance_is_cut_by_what_it_paid_and_a_line_without_a_reason_has_one() -> None:
    advance = line(pays("city", 80), pays("district", 20), measure="advance", reason="")
    cut = advance.cut_to(10, BOTH, "the ceiling")
    assert [share.fen for share in cut.shares] == [8, 2]
    assert cut.reason == "the ceiling"


# --- claims, found ---

FIRST = claim(line(pays("city", 5)), subject="w1", estate="a")
SECOND = claim(line(pays("city", 7)), subject="w2", estate="a", number=2025)
LOOSE = claim(WAITS, subject="w3", number=2025)
AGAIN = claim(line(pays("city", 9)), subject="w3", number=2026, period_key="2026-Q1")


@pytest.fixture
def every() -> Claims:
    return Claims(iter([FIRST, SECOND, LOOSE, AGAIN]))


def test_claims_are_found_by_subject_estate_and_period(every: Claims) -> None:
    assert (len(every), list(every), every[0], every[-1]) == (4, [FIRST, SECOND, LOOSE, AGAIN], FIRST, AGAIN)
    assert (every["w1"], every["w2"], every["a", 2025], every["a", 2024]) == (FIRST, SECOND, SECOND, FIRST)
    assert (every["w3", 2025], every["w3", "2025"], every["w3", 2026], every["w3", "2026-Q1"]) == (
        LOOSE,
        LOOSE,
        AGAIN,
        AGAIN,
    )
    assert (every.of("a"), every.of("w1"), every.of("w3")) == ((FIRST, SECOND), (FIRST,), (LOOSE, AGAIN))
    estate = claim(subject="a", estate="a")
    assert Claims([estate]).of("a") == (estate,)
    for key, words in (
        ("a", "a has 2 such claims"),
        (("a", 2023), "a has 0 such claims"),
        (("w3", None), "w3 has 2 such claims"),
    ):
        with pytest.raises(CaseError, match=words) as caught:
            every[key]
        assert "one of the periods [202" in str(caught.value)
    with pytest.raises(CaseError, match="no claim of an estate or subject 'w11'") as caught:
        every["w11"]
    assert "did you mean 'w1'" in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [FIRST, SECOND, LOOSE, AGAIN]),
        ({"year": 2024}, [FIRST]),
        ({"year": 2025}, [SECOND, LOOSE]),
        ({"status": Status.PENDING}, [LOOSE]),
        ({"status": Status.DUE}, [FIRST, SECOND, AGAIN]),
        ({"year": 2025, "status": Status.DUE}, [SECOND]),
        ({"year": 2024, "status": Status.PENDING}, []),
    ],
)
def test_claims_of_a_year_or_a_status(every: Claims, wanted: dict[str, Any], found: list[Claim]) -> None:
    assert list(every.where(**wanted)) == found


def test_how_claims_explain_themselves() -> None:
    own = line(pays("city", 50), pays("district", 25))
    shown = claim(own, replace(WAITS, subject_id="x", reason="waits for size"), FAILED, warnings=("small", "late"))
    text = shown.explain().splitlines()
    assert [one.split() for one in text] == [
        ["w", "W", "2024:", "2024-05..2024-05", "CNY", "0.75", "pending"],
        ["1", "x", "1", "1", "0.75", "due"],
        ["all", "is", "well"],
        ["city", "1/2", "0.50", "district", "1/2", "0.25"],
        ["x:", "1", "x", "1", "1", "(7.00)", "pending"],
        ["waits", "for", "size"],
        ["1", "x", "1", "1", "0.00", "failed"],
        ["all", "is", "well"],
        ["warning:", "small"],
        ["warning:", "late"],
    ]
    assert Claims([shown, FIRST]).explain() == f"{shown.explain()}\n{FIRST.explain()}"
    assert Claims([shown]).explain(locale="zh") == shown.explain(locale="zh") != shown.explain()
