"""How an amount is divided among those who pay it: tables for shares, first parts, matches, and which division holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from estate_funds.assess.division import Division, choose_split, holder_of_role
from estate_funds.errors import NoRuleInForce
from estate_funds.policy import PayerSplit

DAY = date(2024, 6, 1)
DOCUMENT: Any = SimpleNamespace(
    parties={"water": SimpleNamespace(name="Water Ltd")},
    facts={"builder": SimpleNamespace(of="estate"), "agent": SimpleNamespace(of="pump")},
)


@dataclass
class Told:
    """What is known of a subject: numbers of yuan, texts, and which conditions hold."""

    numbers: dict[str, str] = field(default_factory=dict)
    holds: dict[str, bool | None] = field(default_factory=dict)
    lacking: dict[str, None] = field(default_factory=dict)
    subject: Any = field(
        default_factory=lambda: SimpleNamespace(subject_id="w1", kind="work", unit_at=lambda level: f"{level} of w1")
    )

    def number(self, name: str) -> Fraction | None:
        if name not in self.numbers:
            self.lacking[name] = None
            return None
        return Fraction(self.numbers[name])

    def text(self, name: str) -> str:
        return f"the {name}"

    def owner(self, kind: str) -> str | None:
        return {"work": "w1", "estate": "e1", "pool": "p1"}.get(kind)

    def all_hold(self, when: str) -> bool | None:
        return self.holds[when] if when else True

    def take_lacking(self) -> tuple[str, ...]:
        found = tuple(self.lacking)
        self.lacking.clear()
        return found


def split(shares: dict[str, str], odd: str, **changes: Any) -> PayerSplit:
    told = {"from": date(2024, 1, 1), "clause": "1", "shares": shares, "odd_fen_to": odd}
    return PayerSplit.model_validate(told | changes)


HALVES = {"city": "1/2", "district": "1/2"}
OWNER_FIRST = {"of": "paid", "shares": {"owner": "1"}, "odd_fen_to": "owner"}
BOTH_FIRST = {"of": "paid", "shares": {"owner": "1/2", "city": "1/2"}, "odd_fen_to": "owner"}
MATCHING = {"payer": "district", "paid": "paid", "clause": "1"}


@pytest.mark.parametrize(
    ("by", "paid", "lines", "parts"),
    [  # lines of one subject, one after the other
        (split(HALVES, "city"), "0", [101, 101], [{"city": 51, "district": 50}] * 2),
        (split(HALVES, "district"), "0", [101], [{"city": 50, "district": 51}]),
        (split({"city": "1/3", "district": "2/3"}, "city", odd_fen="residue"), "0", [100], [{"city": 34, "district": 66}]),
        (split({"city": "1/3", "district": "2/3"}, "city"), "0", [100], [{"city": 33, "district": 67}]),
        (split(HALVES, "city", first=OWNER_FIRST), "0", [10], [{"owner": 0, "city": 5, "district": 5}]),
        (split(HALVES, "city", first=OWNER_FIRST), "1.50", [100, 100, 100],
         [{"owner": 100, "city": 0, "district": 0}, {"owner": 50, "city": 25, "district": 25}, {"owner": 0, "city": 50, "district": 50}]),
        (split(HALVES, "city", first=BOTH_FIRST), "0.31", [101], [{"owner": 16, "city": 50, "district": 35}]),
        (split(HALVES, "city", matching=MATCHING), "9", [100], [{"city": 50, "district": 50}]),
        (split(HALVES, "city", matching=MATCHING), "0.80", [100, 100, 100],
         [{"city": 50, "district": 50}, {"city": 30, "district": 50}, {"city": 0, "district": 50}]),
        (split({"city": "2/3", "district": "1/3"}, "city", matching=MATCHING), "0.20", [100], [{"city": 40, "district": 33}]),
        (split(HALVES, "city", matching=MATCHING), "0", [1], [{"city": 1, "district": 0}]),  # nothing to be matched
    ],
)  # fmt: skip
def test_the_parts_of_each_line(by: PayerSplit, paid: str, lines: list[int], parts: list[dict[str, int]]) -> None:
    division = Division(Told({"paid": paid}), DOCUMENT)  # type: ignore[arg-type]
    found = [{share.payer: share.fen for share in division.shares(fen, by)} for fen in lines]
    assert found == parts
    assert [list(line) for line in found] == [list(line) for line in parts]  # in the document's order


def test_shares_say_what_they_are_and_whose() -> None:
    by = split({"city": "1/4", "district": "3/4"}, "city", first=OWNER_FIRST)
    division = Division(Told({"paid": "0.01"}), DOCUMENT)  # type: ignore[arg-type]
    assert [tuple(share) for share in division.shares(9, by, excess_fen=4, excess_to="water")] == [
        ("owner", Fraction(1), 1, ""), ("city", Fraction(1, 4), 1, "city of w1"), ("district", Fraction(3, 4), 3, "district of w1"),
        ("water", Fraction(1), 4, "Water Ltd"),
    ]  # fmt: skip
    again = division.shares(10, split(HALVES, "city"), excess_fen=4, excess_to="city")
    assert [(share.payer, share.share, share.fen) for share in again] == [
        ("city", 1, 7),
        ("district", Fraction(1, 2), 3),
    ]


@pytest.mark.parametrize(
    ("by", "extra", "known", "lacking"),
    [
        (split(HALVES, "city"), None, {}, ()),
        (split(HALVES, "city"), "water", {}, ()),
        (split(HALVES, "city"), "unheard", {}, ("unheard",)),
        (split({"owner": "1"}, "owner"), None, {}, ("owner",)),
        (split({"work": "1/2", "pool": "1/2"}, "work"), None, {}, ()),
        (split(HALVES, "city", first=OWNER_FIRST), None, {}, ("owner", "paid")),
        (split(HALVES, "city", first=OWNER_FIRST), None, {"paid": "1"}, ("owner",)),
        (split(HALVES, "city", matching=MATCHING), None, {}, ("paid",)),
        (split(HALVES, "city", matching=MATCHING), None, {"paid": "1"}, ()),
    ],
)
def test_what_must_be_known_before_anything_is_divided(by: PayerSplit, extra: str | None, known: dict[str, str], lacking: tuple[str, ...]) -> None:  # fmt: skip
    told = Told(known, lacking={"of before": None})
    assert Division(told, DOCUMENT).lacking(by, extra) == lacking  # type: ignore[arg-type]
    assert told.lacking == {}


@pytest.mark.parametrize(
    ("role", "who"),
    [("street", "street of w1"), ("subject", "w1"), ("work", "w1"), ("pool", "p1"), ("water", "Water Ltd"),
     ("builder", "the builder"), ("agent", None), ("nobody", None)],
)  # fmt: skip
def test_who_somebody_is(role: str, who: str | None) -> None:
    told: Any = Told()
    assert holder_of_role(DOCUMENT, told, role) == who
    assert told.take_lacking() == (() if who else (role,))


@dataclass
class Rule:
    """A division from a year to another, on a condition."""

    when: str = ""
    start: date = date(2024, 1, 1)
    until: date = date(2030, 1, 1)
    payers: tuple[str, ...] = ("city",)

    def in_force(self, day: date) -> bool:
        return self.start <= day < self.until


PAST = {"start": date(2020, 1, 1), "until": date(2024, 1, 1)}
OLD, NEW, YES, NO, UNKNOWN = Rule(**PAST), Rule(), Rule("yes"), Rule("no"), Rule("unknown")
EXPIRED = Rule("yes", **PAST)
HOLDS = {"yes": True, "no": False, "unknown": None}


@pytest.mark.parametrize(
    ("groups", "chosen"),
    [
        ([[OLD, NEW]], NEW),
        ([[NEW], [NO]], NEW),
        ([[NEW], [YES]], YES),
        ([[YES], [NEW]], YES),
        ([[YES], [NO]], YES),
        ([[YES]], YES),
        ([[NO], [OLD, NEW]], NEW),
        ([[EXPIRED], [NEW]], NEW),
        ([[EXPIRED, YES], [NO], [NEW]], YES),
        ([[NEW], [UNKNOWN]], None),
        ([[YES], [UNKNOWN]], None),
        ([[UNKNOWN]], None),
    ],
)
def test_which_division_holds(groups: list[list[Rule]], chosen: Rule | None) -> None:
    provision: Any = SimpleNamespace(payers_by_condition=groups)
    found: Any = choose_split(provision, "grant", DAY, Told(holds=HOLDS))  # type: ignore[arg-type]
    assert found is chosen


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([[YES], [Rule("yes", payers=("owner",))]], "two divisions among payers fit w1"),
        ([[NO]], "no division among payers fits w1 on 2024-06-01"),
        ([[NO], [OLD]], "no division among payers fits w1"),
        ([[EXPIRED], [EXPIRED]], "no division among payers fits w1"),
        ([[OLD]], "the payers of grant"),
    ],
)
def test_where_no_division_holds_or_two(groups: list[list[Rule]], words: str) -> None:
    provision: Any = SimpleNamespace(payers_by_condition=groups)
    with pytest.raises(NoRuleInForce, match=words):
        choose_split(provision, "grant", DAY, Told(holds=HOLDS))  # type: ignore[arg-type]
