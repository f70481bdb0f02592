"""What the gate remembers of entries, and how mirrors are made: tables for the pure functions of ledger/records.py."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from estate_funds.journal import Draft, Kind, Posting
from estate_funds.ledger import Booked, Promise, attempt_key, booked_of, grown, lapsed, release_key, renewed
from estate_funds.ledger.records import REFUSED, came_in, mirrored, named, postings_digest

F, G = "share/community/k", "budget/city/c"
FIRM, OTHER = ("repair", "enterprise", "firm"), ("repair", "enterprise", "other")
MAY, JUNE = date(2022, 5, 31), date(2022, 6, 30)


def draft(kind: Kind, *postings: tuple[str, str, str, str, int], on: date = date(2022, 1, 5), **fields: Any) -> Draft:
    usual: dict[str, Any] = {"key": "k", "maker": "m", "approver": "a", "narrative": "n"}
    purpose, payee_class, payee = FIRM
    usual |= {"purpose": purpose, "payee_class": payee_class, "payee": payee}
    return Draft(kind=kind, effective=on, postings=tuple(Posting(*p) for p in postings), **(usual | fields))


# --- promises ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "held", "made", "after"),
    [  # the year, last day, payee, first year and change of a promise; what is left of it; what is promised
        (None, 0, (2022, MAY, FIRM), (2022, MAY, FIRM, None, 0)),
        ((2022, MAY, FIRM), 1, (2022, None, FIRM), (2022, MAY, FIRM, None, 0)),  # it grows
        ((2022, MAY, FIRM), 1, (2022, JUNE, FIRM), (2022, JUNE, FIRM, None, 0)),
        ((2022, None, FIRM), 1, (2023, None, FIRM), (2022, None, FIRM, None, 0)),
        ((2022, None, FIRM), 1, (2021, None, FIRM), (2021, None, FIRM, None, 0)),
        ((2022, None, FIRM, 2020, 4), 1, (2023, None, FIRM), (2022, None, FIRM, 2020, 4)),
        ((2022, MAY, FIRM), 0, (2022, None, FIRM), (2022, None, FIRM, None, 0)),  # it is made anew
        ((2022, MAY, FIRM), 0, (2023, JUNE, FIRM), (2023, JUNE, FIRM, 2022, 0)),
        ((2022, None, FIRM, 2020, 4), 0, (2023, None, FIRM), (2023, None, FIRM, 2020, 4)),
        ((2022, None, FIRM, 2020, 4), 0, (2023, None, OTHER), (2023, None, OTHER, 2020, 9)),
        ((2022, None, FIRM), 0, (2021, None, FIRM), (2021, None, FIRM, None, 0)),  # the new one is the elder
    ],
)
def test_a_promise_that_is_made_grows_or_is_made_anew(before: tuple[Any, ...] | None, held: int, made: tuple[Any, ...], after: tuple[Any, ...]) -> None:  # fmt: skip
    assert renewed(Promise(*before) if before else None, held, Promise(*made), 9) == Promise(*after)


AGAIN = Promise(2023, None, FIRM, 2021, 4)


@pytest.mark.parametrize(
    ("kind", "side", "fen", "after"),
    [  # what a mirror brings back is as old as the first promise; what it takes away makes nothing older
        (Kind.CORRECTION, "C", 1, Promise(2021, None, FIRM, None, 4)),
        (Kind.CORRECTION, "D", 1, AGAIN),
        (Kind.REVERSAL, "D", -1, Promise(2021, None, FIRM, None, 4)),
        (Kind.REVERSAL, "C", -1, AGAIN),
        (Kind.RELEASE, "D", 1, AGAIN),
        (Kind.SPENDING, "D", 1, AGAIN),
    ],
)
def test_a_promise_after_a_mirror(kind: Kind, side: str, fen: int, after: Promise) -> None:
    away = "D" if side == "C" else "C"
    lines = ((F, "encumbered", "works", side, fen), (F, "unencumbered", "2023", away, fen))
    assert grown(AGAIN, 100, draft(kind, *lines), 9) == after
    assert grown(None, 0, draft(kind, *lines), 9) is None
    young = Promise(2023, None, FIRM)
    assert grown(young, 100, draft(kind, *lines), 9) == young


# --- numbers, keys, payments ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "number"),
    [("1", 1), ("17", 17), ("9" * 18, 10**18 - 1), ("1" + "0" * 18, 0), ("0", 0), ("01", 0), ("", 0), ("-1", 0), ("+1", 0),
     ("1.0", 0), ("1 ", 0), ("１", 0), ("works", 0)],
)  # fmt: skip
def test_the_entry_that_a_reference_names(reference: str, number: int) -> None:
    assert named(draft(Kind.REVERSAL, reference=reference)) == number


def test_keys_of_attempts_releases_and_refusals() -> None:
    assert REFUSED == "refusal/"
    assert [attempt_key("claim/a", n) for n in (1, 2, 3)] == ["claim/a", "claim/a/2", "claim/a/3"]
    assert [release_key("k"), *(release_key("k", n) for n in (1, 2, 3))] == [
        "release/k",
        "release/k",
        "release-2/k",
        "release-3/k",
    ]


SETTLED = (
    (F, "cash", "", "C", 40), (F, "cash", "", "C", 60), (F, "advanced", "works", "C", 300), (F, "expenditure", "repair", "D", 400),
    (F, "encumbered", "works", "D", 100), (F, "expended", "", "C", 100), (G, "cash", "", "C", 7), (G, "cash", "", "D", 5),
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "paid"),
    [(kind, ((F, 100), (G, 7))) for kind in (Kind.SETTLEMENT, Kind.SPENDING, Kind.ADVANCE, Kind.DISBURSEMENT)]
    + [(kind, ()) for kind in (Kind.TRANSFER, Kind.LOAN, Kind.SURRENDER, Kind.REVERSAL)],
)
def test_what_an_entry_paid_is_the_cash_that_went_out(kind: Kind, paid: tuple[tuple[str, int], ...]) -> None:
    made = draft(kind, *SETTLED, reference="works")
    assert booked_of(made) == Booked(postings_digest(made.postings), kind.value, made.effective, paid, "works")


# --- mirrors ----------------------------------------------------------------------------------------------------------

LINES = [Posting(F, "encumbered", "works", "D", 5), Posting(F, "unencumbered", "2022", "C", 5)]


def test_what_a_mirror_must_be_is_told_by_every_field_but_the_budget_year() -> None:
    first, second = LINES
    digest = postings_digest(LINES)
    assert postings_digest([first, second._replace(detail="2023")]) == digest
    changes = ({"fund": G}, {"account": "cash"}, {"detail": "roof"}, {"side": "C"}, {"amount_fen": 6})
    for change in changes:
        assert postings_digest([first._replace(**change), second]) != digest  # type: ignore[arg-type]
    others = ([second, first], [first], [*LINES, first])
    assert digest not in [postings_digest(other) for other in others]


def test_how_many_lines_of_a_mirror_are_the_originals() -> None:
    original = booked_of(draft(Kind.RELEASE, *LINES))
    red = [p._replace(amount_fen=-5) for p in LINES]
    blue = [p._replace(side="C" if p.side == "D" else "D") for p in LINES]
    gone = [(F, "unencumbered", "2023", "D", 5), (F, "authority", "", "C", 5)]
    for kind, lines, count in (
        (Kind.REVERSAL, red, 2), (Kind.CORRECTION, blue, 2), (Kind.CORRECTION, [*blue, *gone], 2),
        (Kind.REVERSAL, [*red, *gone], 0), (Kind.REVERSAL, blue, 0), (Kind.CORRECTION, red, 0), (Kind.CORRECTION, [*blue, gone[0]], 0),
        (Kind.CORRECTION, [*blue, *gone, *gone], 0), (Kind.CORRECTION, blue[:1], 0), (Kind.CORRECTION, [], 0),
    ):  # fmt: skip
        assert mirrored(draft(kind, *lines), original) == count, (kind, lines)


@pytest.mark.parametrize(
    ("freed", "lines"),
    [
        ([("C", 1)], [("unencumbered", "2023", "D", 1), ("authority", "", "C", 1)]),
        ([("D", 1)], [("unencumbered", "2023", "C", 1), ("authority", "", "D", 1)]),
        ([("C", 3), ("C", 4)], [("unencumbered", "2023", "D", 7), ("authority", "", "C", 7)]),
        ([("C", 3), ("D", 4)], [("unencumbered", "2023", "C", 1), ("authority", "", "D", 1)]),
        ([("C", 3), ("D", 3)], []),
        ([], []),
    ],
)
def test_what_lapses_follows_a_blue_mirror(
    freed: list[tuple[str, int]], lines: list[tuple[str, str, str, int]]
) -> None:
    blue = [Posting(F, "encumbered", "works", "C", 9)]
    blue += [Posting(F, "unencumbered", "2023", side, fen) for side, fen in freed]
    assert lapsed(blue, 2023, lambda fund, fen: fen) == tuple(Posting(F, *rest) for rest in lines)
    assert lapsed(blue, 2023, lambda fund, fen: 0) == ()


# --- what comes in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "gave", "lines", "came"),
    [  # what the fund has from the giver, and what it has given it; what comes in now, and what of it is new
        (0, 0, [("C", 100)], 100),
        (0, 30, [("C", 100)], 70),
        (0, 100, [("C", 100)], 0),
        (0, 101, [("C", 100)], 0),
        (20, 50, [("C", 100)], 70),
        (50, 20, [("C", 100)], 100),
        (50, 50, [("C", 100)], 100),
        (0, 30, [("C", 60), ("C", 40)], 70),
        (0, 60, [("C", 60), ("D", 20)], 0),
    ],
)
def test_what_comes_back_is_not_new(got: int, gave: int, lines: list[tuple[str, int]], came: int) -> None:
    whole = sum(fen if side == "C" else -fen for side, fen in lines)
    taken = [(F, "authority", "", "D", whole), *((F, "transfer_in", G, side, fen) for side, fen in lines)]
    held = {key: fen for key, fen in {(F, "transfer_in", G): got, (F, "transfer_out", G): gave}.items() if fen}
    found = list(came_in(draft(Kind.TRANSFER, *taken), None, held))
    assert {year for year, _ in found} == {(F, 2022)}
    assert sum(fen for _, fen in found) == came
    assert 0 not in [fen for _, fen in found]


@pytest.mark.parametrize("kind", [Kind.LOAN, Kind.REPAYMENT, Kind.RECOVERY])
def test_what_is_owed_or_was_here_before_is_not_new(kind: Kind) -> None:
    assert list(came_in(draft(kind, (F, "authority", "", "D", 5)), None, {})) == []


def test_a_mirror_takes_out_of_the_year_of_the_original_what_that_brought() -> None:
    lines = ((F, "cash", "", "D", 5), (F, "authority", "", "D", 5), (F, "unencumbered", "2021", "C", 5))
    receipt = draft(Kind.RECEIPT, *lines, on=date(2021, 3, 1))
    red = draft(Kind.REVERSAL, *((f, a, d, s, -n) for f, a, d, s, n in lines), on=date(2021, 4, 1))
    blue = draft(Kind.CORRECTION, *((f, a, d, "C" if s == "D" else "D", n) for f, a, d, s, n in lines))
    for mirror in (red, blue):
        assert list(came_in(mirror, booked_of(receipt), {})) == [((F, 2021), -5)]
