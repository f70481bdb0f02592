"""Caps and floors of a claim: a table of what each leaves of the lines."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from estate_funds.assess.bounds import bounded, highest, tightest
from estate_funds.policy import Limit

DAY = date(2024, 6, 1)


class Counted:
    """Whoever asks how many there are: a hundred households, and one of each; of works nobody knows."""

    def number(self, name: str) -> Fraction | None:
        return {"each": Fraction(1), "household": Fraction(100)}.get(name)


def limit(value: str, per: str = "each", *, year: int = 2024, **changes: Any) -> Limit:
    return Limit.model_validate({"from": date(year, 1, 1), "clause": value, "value": value, "per": per} | changes)


ELSEWHERE = limit("2", excess_to="owner")
YES, NO = [True, True], [False, False]


@pytest.mark.parametrize(
    ("caps", "floors", "possible", "payable", "fen", "excess", "note"),
    [
        ([], [], [100, 200], YES, [100, 200], [0, 0], ""),
        ([limit("2")], [], [100, 200], YES, [67, 133], [0, 0], "; 3.00 capped at 2.00 [2]"),
        ([limit("3")], [], [100, 200], YES, [100, 200], [0, 0], ""),  # just met
        ([limit("2.99")], [], [100, 200], YES, [100, 199], [0, 0], "; 3.00 capped at 2.99 [2.99]"),
        ([limit("0")], [], [100, 200], YES, [0, 0], [0, 0], "; 3.00 capped at 0.00 [0]"),
        ([ELSEWHERE], [], [100, 200], YES, [100, 200], [33, 67], "; 3.00 capped at 2.00 [2], the rest to owner"),
        ([limit("2", year=2025)], [], [100, 200], YES, [100, 200], [0, 0], ""),  # not yet in force
        ([limit("2", "works")], [], [100, 200], YES, [100, 200], [0, 0], ""),  # of which nobody knows how many
        ([limit("0.02", "household")], [], [100, 200], YES, [67, 133], [0, 0], "; 3.00 capped at 2.00 [0.02]"),
        ([], [limit("5")], [100, 200], YES, [167, 333], [0, 0], "; 3.00 raised to 5.00 [5]"),
        ([], [limit("3")], [100, 200], YES, [100, 200], [0, 0], ""),
        ([], [limit("3.01")], [100, 200], YES, [100, 201], [0, 0], "; 3.00 raised to 3.01 [3.01]"),
        ([], [limit("5")], [0, 0], NO, [0, 0], [0, 0], ""),  # what is not paid at all is not raised
        ([], [limit("5")], [0, 0], [True, False], [500, 0], [0, 0], "; 0.00 raised to 5.00 [5]"),
        ([], [limit("5")], [0, 0], YES, [250, 250], [0, 0], "; 0.00 raised to 5.00 [5]"),
        ([], [limit("5")], [0, 100], [False, True], [0, 500], [0, 0], "; 1.00 raised to 5.00 [5]"),
        ([], [limit("0.05", "household")], [100], [True], [500], [0], "; 1.00 raised to 5.00 [0.05]"),
        ([limit("2")], [limit("5")], [100, 200], YES, [67, 133], [0, 0], "; 3.00 capped at 2.00 [2]"),  # the cap first
        ([limit("4")], [limit("2")], [100, 200], YES, [100, 200], [0, 0], ""),
    ],
)
def test_what_caps_and_floors_leave_of_the_lines(caps: list[Limit], floors: list[Limit], possible: list[int], payable: list[bool], fen: list[int], excess: list[int], note: str) -> None:  # fmt: skip
    provision: Any = SimpleNamespace(caps=caps, floors=floors)
    found = bounded(provision, Counted(), possible, payable, DAY)  # type: ignore[arg-type]
    assert (found.fen, found.excess, found.note) == (fen, excess, note)


def test_the_lowest_cap_and_the_highest_floor_hold_whatever_stands_first() -> None:
    view: Any = Counted()
    low, high = limit("0.019"), limit("0.011", "household")
    for limits in ([low, high], [high, low]):
        assert tightest(limits, view, DAY) == (1, low)  # rounded down
        assert highest(limits, view, DAY) == (110, high)
    assert highest([low], view, DAY) == (2, low)  # rounded up
    one, same = limit("1"), limit("0.01", "household")
    assert tightest([one, same], view, DAY) == highest([one, same], view, DAY) == (100, one)
    assert tightest([], view, DAY) is highest([], view, DAY) is None
    assert tightest([limit("1", "works")], view, DAY) is None
