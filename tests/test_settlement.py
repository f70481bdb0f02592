"""Advances and what settles them: every field of their lines, and how much is advanced when."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from estate_funds.assess import Claims, Line, Outcome, Share, Status, assess
from estate_funds.assess.settlement import _whole
from estate_funds.calendar import Months
from estate_funds.policy import Advance, parse_document
from estate_funds.registry import Assessment, Assessments, Fact, Facts
from test_language import DOCUMENT, HALVES, LATER, NOTICE, TAKEN, WINDOW, grants, registry, town

ADVANCE = 'advance = {{ at_most = "{share}", of = "cost", clause = "1" }}\npays_into = "taken"'
MARCH = Months.parse("2024-03..2024-03")


def line(fen: int, outcome: Outcome, reason: str, **told: Any) -> Line:
    due = fen if outcome is Outcome.DUE else 0
    half = abs(fen) // 2 * (1 if fen > 0 else -1)
    shares = (Share("city", Fraction(1, 2), half, "city"), Share("district", Fraction(1, 2), fen - half, "district"))
    return Line(
        subject_id="w", months=MARCH, service_year=1, measure="advance", outcome=outcome, reason=reason, clause="1",
        amount_fen=due, potential_fen=fen, shares=shares if due else (), **told,
    )  # fmt: skip


LESS: dict[str, Any] = {"base": Fraction(30), "rate": Fraction(-1), "formula": "less advance 30.00"}


@pytest.mark.parametrize("of", ['of = "cost"', ""])  # of the fact, or of what the claim would be
def test_the_lines_of_an_advance_and_of_what_settles_it(of: str) -> None:
    provision = ADVANCE.format(share="0.3").replace('of = "cost",', f"{of}," if of else "")
    first, final = grants(town(provision=provision, tail=TAKEN), {"w": {"cost": Fraction("100.01")}})
    told = {"base": Fraction(30), "rate": Fraction(3, 10), "formula": "0.30 x 100.01 in advance"}
    assert first.lines == (line(3000, Outcome.DUE, "in advance, to be settled", **told),)
    assert (first.part, first.decided_on, first.months, first.number) == ("advance", date(2024, 3, 1), MARCH, 1)
    assert final.lines[1:] == (line(-3000, Outcome.DUE, "paid in advance", **LESS),)
    assert (final.part, final.number, final.amount_fen, final.lines[0].amount_fen) == ("", 1, 7001, 10_001)


def test_what_settles_an_advance_waits_for_the_rest_of_the_claim() -> None:
    document = town(provision=ADVANCE.format(share="0.3"), tail=TAKEN + LATER)
    first, final = grants(document, {"w": {"cost": Fraction(100)}})
    assert (first.status, final.status) == (Status.DUE, Status.PENDING)
    assert final.lines[1:] == (line(-3000, Outcome.PENDING, "to be settled", **LESS),)
    assert final.potential_fen == 7000


def test_an_advance_waits_for_what_it_is_a_share_of_and_for_who_pays() -> None:
    (first, *_) = grants(town(provision=ADVANCE.format(share="0.3"), tail=TAKEN), {"w": {}})
    assert (first.status, first.lines[0].reason, first.lines[0].shares) == (Status.PENDING, "waits for cost", ())
    payers = 'shares = { owner = "1" }\nodd_fen_to = "owner"'
    document = town(provision=ADVANCE.format(share="0.3"), payers=payers, tail=TAKEN)
    (first, *_) = grants(document, {"w": {"cost": Fraction(100)}})
    assert (first.amount_fen, first.potential_fen, first.lines[0].reason) == (0, 3000, "waits for owner")
    assert first.lines[0].shares == ()
    (first, *_) = grants(document, {"w": {"cost": Fraction(100), "owner": "某厂"}})
    assert first.lines[0].shares == (Share("owner", Fraction(1), 3000, "某厂"),)


def test_an_advance_waits_for_its_notice() -> None:
    document = town(provision=ADVANCE.format(share="0.3") + "\n" + NOTICE, tail=TAKEN)
    (first, *_) = grants(document, {"w": {"cost": Fraction(100)}})
    assert (first.status, first.amount_fen, first.potential_fen) == (Status.PENDING, 0, 3000)
    assert first.lines[0].reason == "waits for posted, objection [1]"


def test_what_was_asked_for_is_advanced_when_that_was_asked() -> None:
    asked = ADVANCE.format(share="0.3").replace('of = "cost"', 'asked = "paid"')
    there = registry({"w": {"cost": Fraction(100), "paid": Fraction(9)}}, on=date(2024, 3, 5))
    first, _ = assess(town(provision=asked, tail=TAKEN), "grant", there, Assessments(), window=WINDOW)
    assert (first.amount_fen, first.decided_on) == (900, date(2024, 3, 5))


def test_a_share_of_nothing_is_no_advance() -> None:
    (only,) = grants(town(provision=ADVANCE.format(share="0.3"), tail=TAKEN), {"w": {"cost": Fraction("0.03")}})
    assert (only.part, len(only.lines), only.amount_fen) == ("", 1, 3)


@pytest.mark.parametrize(
    ("otherwise", "advanced"),
    [("warn", [(Status.DUE, 3000)]), ("hold", [(Status.PENDING, 0)]), ("refuse", [])],
)
def test_what_is_known_against_an_advance(otherwise: str, advanced: list[tuple[Status, int]]) -> None:
    tail = TAKEN + LATER.replace("refuse", otherwise)
    claims = grants(
        town(provision=ADVANCE.format(share="0.3"), tail=tail), {"w": {"cost": Fraction(100), "paid": Fraction(0)}}
    )
    assert [(claim.status, claim.amount_fen) for claim in claims if claim.part] == advanced


def test_an_advance_is_divided_by_the_condition_that_holds() -> None:
    payers = HALVES + '\nwhen = [{ fact = "objection", is = ["no"] }]'
    document = town(provision=ADVANCE.format(share="0.3"), payers=payers, tail=TAKEN)
    (first, *_) = grants(document, {"w": {"cost": Fraction(100), "objection": "no"}})
    assert first.shares == {"city": 1500, "district": 1500}
    (first, *_) = grants(document, {"w": {"cost": Fraction(100)}})
    assert (first.amount_fen, first.potential_fen, first.lines[0].reason) == (0, 3000, "waits for objection")


def test_no_result_is_known_when_an_advance_is_paid() -> None:
    provision = ADVANCE.format(share="0.3").replace('of = "cost"', 'of = "score"')
    results = Assessments([Assessment("w", 2024, "good", date(2025, 1, 10), Fraction(80))])
    there = registry({"w": {"cost": Fraction(100)}})
    first, _ = assess(town(provision=provision, tail=TAKEN), "grant", there, results, window=WINDOW)
    assert (first.part, first.status, first.lines[0].reason) == ("advance", Status.PENDING, "waits for score")


class Told:
    """A view that knows some numbers of yuan."""

    def __init__(self, **numbers: str) -> None:
        self.numbers, self.asked = numbers, list[str]()

    def number(self, name: str) -> Fraction | None:
        self.asked.append(name)
        return Fraction(self.numbers[name]) if name in self.numbers else None

    def take_lacking(self) -> tuple[str, ...]:
        found, self.asked = tuple(name for name in self.asked if name not in self.numbers), []
        return found


@pytest.mark.parametrize(
    ("rule", "told", "fen", "formula", "lacking"),
    [
        ({}, {}, 3000, "0.30 x 100.01 in advance", ()),  # of the claim, rounded down
        ({"of": "cost"}, {"cost": "50"}, 1500, "0.30 x 50.00 in advance", ()),
        ({"of": "cost"}, {}, 0, "0.30 x 0.00 in advance", ("cost",)),
        ({"asked": "wish"}, {"wish": "20.009"}, 2000, "asked 20.009, at most 0.30 x 100.01", ()),
        ({"asked": "wish"}, {"wish": "40"}, 3000, "asked 40.00, at most 0.30 x 100.01", ()),
        ({"asked": "wish", "of": "cost"}, {"wish": "20", "cost": "50"}, 1500, "asked 20.00, at most 0.30 x 50.00", ()),
        ({"asked": "wish", "of": "cost"}, {"wish": "20"}, 0, "asked 20.00, at most 0.30 x 0.00", ("cost",)),
        ({"asked": "wish"}, {}, 0, "", ()),  # nobody asked, and nothing is missing
    ],
)
def test_how_much_is_advanced(rule: dict[str, str], told: dict[str, str], fen: int, formula: str, lacking: tuple[str, ...]) -> None:  # fmt: skip
    view: Any = Told(**told)
    assert _whole(Advance.model_validate({"at_most": "0.3", "clause": "1"} | rule), view, 10_001) == (fen, formula)
    assert view.take_lacking() == lacking


@pytest.mark.parametrize(
    ("each", "start", "parts"),
    [
        ("quarter", date(2024, 3, 1), [300, 300, 300, 101]),  # of ten months, three at a time
        ("quarter", date(2024, 1, 1), [250, 250, 250, 251]),
        ("month", date(2024, 10, 1), [333, 334, 334]),
        ("month", date(2024, 12, 1), [1001]),
    ],
)
def test_an_advance_in_parts(each: str, start: date, parts: list[int]) -> None:
    provision = f'advance = {{ at_most = "0.1", of = "cost", each = "{each}", clause = "1" }}\npays_into = "taken"'
    text = DOCUMENT.format(head="", provision=provision, payers=HALVES, tail=TAKEN).replace('"once"', '"calendar_year"')
    text = text.replace("[facts.cost]\n", "[facts.cost]\neach_period = true\n")
    facts = Facts([("w", "cost", "2024", Fact(Fraction("100.10")))])
    there = replace(registry({"w": {}}, on=start), facts=facts)
    window = Months(WINDOW.start, WINDOW.start + 12)
    claims = assess(parse_document(text, source="town.toml"), "grant", there, Assessments(), window=window)
    advances = [claim for claim in claims if claim.part]
    assert [claim.amount_fen for claim in advances] == parts
    assert [claim.part for claim in advances] == [f"advance-{n}" for n in range(1, len(parts) + 1)]
    assert [claim.decided_on for claim in advances] == [claim.months.start.first_day for claim in advances]
    months = [month for claim in advances for month in claim.months]
    assert months == list(Claims(claims)[-1].months)
    assert claims[-1].lines[-1].amount_fen == -1001
