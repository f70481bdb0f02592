"""One owner, one vote: the last valid ballot before the close counts, whatever the others do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate_funds import load_case
from estate_funds.ballots import CHANNELS, CHOICES, Ballot, Tally, tally
from estate_funds.case import Case
from estate_funds.errors import CellError, ColumnError, DuplicateRow, EstateFundsError, TableError
from estate_funds.report.duties import judgements_text, tallies_text

Edit = Callable[[Path, str, str], None]
OPENS, CLOSES = date(2024, 5, 1), date(2024, 6, 1)
TOTALS = {"total_persons": Fraction(100), "total_area": Fraction(10_000)}


def ballot(owner: str, choice: str, day: int = 2, **changes: object) -> Ballot:
    found = Ballot("v", owner, 80_00, "paper", OPENS + timedelta(days=day - 1), choice)
    return replace(found, **changes)  # type: ignore[arg-type]


def count(*ballots: Ballot, **options: Fraction) -> Tally:
    return tally("v", ballots, opens=OPENS, closes=CLOSES, **(TOTALS | options))


def numbers(found: Tally) -> tuple[int, int]:
    return int(found.voting_persons), int(found.agreeing_persons)


@pytest.mark.parametrize(
    ("cast", "voting", "agreeing", "aside"),
    [([], 0, 0, []),
     ([ballot("a", "yes")], 1, 1, []), ([ballot("a", "no")], 1, 0, []), ([ballot("a", "abstain")], 1, 0, []),
     ([ballot("a", "invalid")], 0, 0, ["invalid"]),
     ([ballot("a", "yes", 2), ballot("a", "no", 3)], 1, 0, ["a later one counts"]),
     ([ballot("a", "no", 3), ballot("a", "yes", 2)], 1, 0, ["a later one counts"]),
     ([ballot("a", "yes", 2), ballot("a", "invalid", 3)], 1, 1, ["invalid"]),
     ([ballot("a", "yes", 2), ballot("a", "no", 2, sequence=2)], 1, 0, ["a later one counts"]),
     ([ballot("a", "yes", 2, channel="meeting"), ballot("a", "yes", 2, channel="electronic")], 1, 1, ["a later one counts"]),
     ([ballot("a", "no", 2), ballot("a", "yes", 32)], 1, 0, ["cast after the close"]),
     ([ballot("a", "yes", 31)], 1, 1, []), ([ballot("a", "yes", 32)], 0, 0, ["cast after the close"]),
     ([ballot("a", "yes", 1)], 1, 1, []), ([ballot("a", "yes", 0)], 0, 0, ["cast before the opening"]),
     ([ballot("a", "yes"), ballot("b", "yes"), ballot("c", "no")], 3, 2, []),
     ([ballot("a", "yes"), ballot("a", "no", vote="another")], 1, 1, []),
     # two that contradict one another on one day do no harm once a later one is there
     ([ballot("a", "yes"), ballot("a", "no"), ballot("a", "no", 3)], 1, 0, ["a later one counts"] * 2)],
)  # fmt: skip
def test_which_ballots_count(cast: list[Ballot], voting: int, agreeing: int, aside: list[str]) -> None:
    found = count(*cast)
    assert numbers(found) == (voting, agreeing)
    assert [why for _, why in found.set_aside] == aside
    assert found.voting_area == 80 * voting
    assert found.agreeing_area == 80 * agreeing


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"area_centi_m2": 0}, "no area"), ({"area_centi_m2": -1}, "no area"), ({"channel": "telepathy"}, "no such channel"),
     ({"choice": "Yes"}, "no such choice")],
)  # fmt: skip
def test_ballots_that_cannot_be(changes: dict[str, object], words: str) -> None:
    with pytest.raises(CellError, match=words):
        replace(ballot("a", "yes"), **changes)  # type: ignore[arg-type]


def test_tallies_that_cannot_be() -> None:
    with pytest.raises(CellError, match="two areas"):
        count(ballot("a", "yes"), ballot("a", "yes", 40, area_centi_m2=80_01))
    with pytest.raises(DuplicateRow, match="yes and no on one day"):
        count(ballot("a", "yes"), ballot("a", "no"))
    with pytest.raises(TableError, match="more area voted"):
        count(ballot("a", "yes"), ballot("b", "no"), total_area=Fraction("159.99"))
    with pytest.raises(TableError, match="more persons voted"):
        count(ballot("a", "yes"), ballot("b", "no"), total_persons=Fraction(1))
    exact = count(ballot("a", "yes"), ballot("b", "no"), total_area=Fraction(160), total_persons=Fraction(2))
    assert numbers(exact) == (2, 1)


# Each owner of `o0` to `o9` has one area, and may vote on any day, in any way; `sequence` tells them apart.
DAYS = st.integers(-5, 40) | st.sampled_from([-1, 0, (CLOSES - OPENS).days - 1, (CLOSES - OPENS).days])
owners = st.sampled_from([f"o{n}" for n in range(10)])
ballots = st.lists(st.tuples(owners, st.sampled_from(CHANNELS), DAYS, st.sampled_from(CHOICES)), max_size=40).map(
    lambda rows: [
        Ballot("v", owner, 50_00 + int(owner[1:]), channel, OPENS + timedelta(days=day), choice, number)
        for number, (owner, channel, day, choice) in enumerate(rows)
    ]
)


@given(ballots)
def test_no_owner_counts_twice_and_every_ballot_is_kept(cast: list[Ballot]) -> None:
    found = count(*cast)
    assert len({b.owner for b in found.counted}) == len(found.counted)
    assert sorted([*found.counted, *(b for b, _ in found.set_aside)], key=str) == sorted(cast, key=str)
    assert all(b.choice != "invalid" and OPENS <= b.cast_on < CLOSES for b in found.counted)


@given(ballots)
def test_the_sums_stay_within_the_totals(cast: list[Ballot]) -> None:
    found = count(*cast)
    assert 0 <= found.agreeing_persons <= found.voting_persons <= 10 <= TOTALS["total_persons"]
    assert 0 <= found.agreeing_area <= found.voting_area <= sum(Fraction(50_00 + n, 100) for n in range(10))


@given(ballots, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(cast: list[Ballot], chance: object) -> None:
    shuffled = list(cast)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert count(*shuffled) == count(*cast)


@given(ballots, owners)
def test_what_one_owner_does_changes_no_other(cast: list[Ballot], owner: str) -> None:
    with_all, without = count(*cast), count(*(b for b in cast if b.owner != owner))
    assert [b for b in with_all.counted if b.owner != owner] == list(without.counted)


@given(ballots)
def test_the_plain_reading_of_the_rule_gives_the_same(cast: list[Ballot]) -> None:
    votes = {}
    for b in sorted(cast, key=lambda b: (b.cast_on, b.sequence)):
        if b.choice != "invalid" and OPENS <= b.cast_on < CLOSES:
            votes[b.owner] = b.choice
    assert numbers(count(*cast)) == (len(votes), list(votes.values()).count("yes"))


# --- in a case ---

VOTES = """
format = 1
id = "votes"
number = "1"
title = "votes"
issuer = "nobody"
from = 2021-01-01
clause = "278"

[clauses]
"278" = "at least 2/3 by persons and area take part; more than 1/2 of those agree"

[kinds.vote]
text = "a vote of the owners"
clause = "278"

[facts.total_persons]
type = "number"
of = "vote"
text = "owners"
clause = "278"

[facts.total_area]
type = "m2"
of = "vote"
text = "their area"
clause = "278"

[facts.voting_persons]
type = "number"
of = "vote"
text = "owners who take part"
clause = "278"

[facts.voting_area]
type = "m2"
of = "vote"
text = "their area"
clause = "278"

[facts.agreeing_persons]
type = "number"
of = "vote"
text = "owners who agree"
clause = "278"

[facts.agreeing_area]
type = "m2"
of = "vote"
text = "their area"
clause = "278"

[derived.passed]
text = "enough take part and agree"
when = [
    { fact = "voting_persons", at_least = "2/3", of = "total_persons" },
    { fact = "voting_area", at_least = "2/3", of = "total_area" },
    { fact = "agreeing_persons", above = "1/2", of = "voting_persons" },
    { fact = "agreeing_area", above = "1/2", of = "voting_area" },
]
clause = "278"
"""


@pytest.fixture
def folder(donghu: Path) -> Path:
    """Six owners of 100 m2 each; three say yes, one no, one nothing, one too late."""
    (donghu / "votes.toml").write_text(VOTES, encoding="utf-8")
    text = (donghu / "case.toml").read_text(encoding="utf-8")
    text = text.replace('documents = ["donghu-2021-17"]', 'documents = ["donghu-2021-17", "votes.toml"]')
    (donghu / "case.toml").write_text(text, encoding="utf-8")
    header = "subject_id,kind,name,place,on,until\n"
    (donghu / "subjects.csv").write_text(header + "v-1,vote,hire,yuanyi,2024-05-01,2024-06-01\n", encoding="utf-8")
    rows = "v-1,total_persons,6\nv-1,total_area,600\n"
    (donghu / "facts.csv").write_text("subject_id,fact,value\n" + rows, encoding="utf-8")
    rows = [
        "vote_id,owner_id,area_m2,channel,cast_on,sequence,choice",
        "v-1,a,100,paper,2024-05-02,,no",
        "v-1,a,100.00,electronic,2024-05-09,,yes",
        "v-1,b,100,meeting,2024-05-10,1,yes",
        "v-1,c,100,meeting,2024-05-10,,yes",
        "v-1,d,100,paper,2024-05-31,,no",
        "v-1,e,100,electronic,2024-06-01,,yes",
    ]
    (donghu / "ballots.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return donghu


def passed(case: Case) -> object:
    return next(j.value for j in case.judgements(date(2026, 11, 22)) if j.fact == "passed")


def test_ballots_become_facts_of_their_vote(folder: Path) -> None:
    case = load_case(folder)
    facts = {name: fact for (subject, name, _), fact in case.registry.facts.items() if subject == "v-1"}
    assert {name: int(fact.value) for name, fact in facts.items()} == {  # type: ignore[arg-type]
        "total_persons": 6, "total_area": 600, "voting_persons": 4, "voting_area": 400, "agreeing_persons": 3,
        "agreeing_area": 300,
    }  # fmt: skip
    assert facts["voting_area"].known_on == date(2024, 6, 1)
    assert passed(case) == "yes"
    text = tallies_text(case)
    assert "v-1: agreed 3 of 4 voting, of 6 in all (persons); 300 of 400 voting, of 600 in all (m2)" in text
    assert "(2 meeting, 1 paper, 1 electronic)" in text
    assert "kept and not counted: 1 a later one counts, 1 cast after the close" in text
    assert "ballots.csv, row 7: e, cast after the close" in text
    assert "yes" in judgements_text(case, date(2026, 11, 22))


@pytest.mark.parametrize(
    ("old", "new", "result"),
    [("v-1,d,100,paper,2024-05-31,,no", "v-1,d,100,paper,2024-05-31,,invalid", "no"),  # 3 of 6 take part
     ("v-1,c,100,meeting,2024-05-10,,yes", "v-1,c,100,meeting,2024-05-10,,no", "no"),  # 2 of 4 is not more than half
     ("v-1,c,100,meeting,2024-05-10,,yes", "v-1,c,100.01,meeting,2024-05-10,,yes", "yes"),
     ("v-1,d,100,paper", "v-1,d,99.99,paper", "no")],  # 399.99 of 600 m2 is not 2/3
)  # fmt: skip
def test_civil_code_278_on_the_number_itself(folder: Path, edit: Edit, old: str, new: str, result: str) -> None:
    edit(folder / "ballots.csv", old, new)
    assert passed(load_case(folder)) == result


BAD = [
    ("ballots.csv", "v-1,b,100,", "v-1,b,0,", CellError, ["ballots.csv, row 4, column area_m2", "above 0"]),
    ("ballots.csv", "v-1,b,100,meeting", "v-1,b,100,phone", CellError, ["row 4, column channel", "meeting, paper, electronic"]),
    ("ballots.csv", "1,yes", "1,maybe", CellError, ["row 4, column choice", "yes, no, abstain, invalid"]),
    ("ballots.csv", "v-1,b,", "v-2,b,", CellError, ["row 4, column vote_id", "did you mean 'v-1'"]),
    ("ballots.csv", "v-1,b,", "yuanyi,b,", CellError, ["row 4, column vote_id", "kind is vote"]),
    ("ballots.csv", "v-1,a,100.00,", "v-1,a,100.01,", CellError, ["row 2 and ballots.csv, row 3", "100 and 100.01"]),
    ("ballots.csv", "2024-05-09", "2024-05-02", DuplicateRow, ["row 2 and ballots.csv, row 3", "sequence"]),
    ("ballots.csv", "2024-05-09", "2024-05-32", CellError, ["row 3, column cast_on"]),
    ("ballots.csv", ",choice", ",vote", ColumnError, ["unknown column"]),
    ("facts.csv", "total_area,600", "total_area,399.99", TableError, ["ballots.csv", "more area voted", "got:    400"]),
    ("facts.csv", "total_persons,6", "total_persons,3", TableError, ["more persons voted", "total_persons = 3"]),
    ("facts.csv", "v-1,total_area,600\n", "", CellError, ["no total_area", "facts.csv"]),
    ("facts.csv", "v-1,total_area,600\n", "v-1,total_area,600\nv-1,voting_persons,5\n", DuplicateRow, ["the tally of v-1"]),
    ("subjects.csv", "2024-06-01", "", CellError, ["subjects.csv, row 2, column until", "has ballots and no end"]),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "error", "words"), BAD, ids=lambda v: str(v)[:30])
def test_impossible_ballots_are_refused(
    folder: Path, edit: Edit, file: str, old: str, new: str, error: type[EstateFundsError], words: list[str]
) -> None:
    edit(folder / file, old, new)
    with pytest.raises(error) as caught:
        load_case(folder)
    assert type(caught.value) is error
    for word in words:
        assert word in str(caught.value)


def test_a_document_that_asks_for_less_gets_less(folder: Path, edit: Edit) -> None:
    text = (folder / "votes.toml").read_text(encoding="utf-8")
    start, end = text.index("[facts.total_persons]"), text.index("[facts.agreeing_persons]")
    (folder / "votes.toml").write_text(text[:start] + text[end : text.index("[derived")], encoding="utf-8")
    (folder / "facts.csv").unlink()
    case = load_case(folder)
    assert sorted(name for _, name, _ in case.registry.facts) == ["agreeing_area", "agreeing_persons"]
    assert "agreed 3 of 4 voting (persons)" in tallies_text(case)
