"""Deadlines, stages, rhythms and judgements: counted by the Civil Code, on the day itself and on both sides of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from conftest import TODAY, make_estate
from estate_funds import Books, load_case
from estate_funds.audit import Severity
from estate_funds.calendar import deadline, working_days
from estate_funds.cli import app
from estate_funds.duties import (
    Due,
    Judgement,
    State,
    deadlines,
    judgements,
    occasions,
    spans,
    stage_on,
    unknown_years,
)
from estate_funds.policy import Document, parse_document
from estate_funds.registry import Assessments, Fact, Facts, Registry, Subject, Value, estate_subject
from estate_funds.report.duties import calendar_days, duties_text, judgements_text

Edit = Callable[[Path, str, str], None]
WORKS = working_days({})
DUTIES = """
format = 1
id = "duties"
number = "1"
title = "duties"
issuer = "nobody"
from = 2015-01-01
clause = "1"

[clauses]
"1" = "invented"
"2" = "opinions within one month, results within two, payment within 30 days"
"3" = "stages"
"4" = "monthly, quarterly, annual; Monday"

[kinds.work]
text = "a work"
clause = "1"

[facts.taken_over]
type = "date"
text = "day of takeover"
clause = "2"

[facts.opinions]
type = "date"
text = "day of the last opinion"
clause = "2"

[facts.accepted]
type = "date"
of = "work"
text = "day of acceptance"
clause = "2"

[facts.paid_on]
type = "date"
of = "work"
text = "day of payment"
clause = "2"

[facts.result_on]
type = "date"
text = "day of the year's result"
each_period = true
clause = "2"

[facts.reported_on]
type = "date"
text = "day of the year's report"
each_period = true
clause = "2"

[facts.receivable]
type = "yuan"
text = "fees receivable"
each_period = true
clause = "2"

[facts.received]
type = "yuan"
text = "fees received"
each_period = true
clause = "2"

[facts.lit]
type = "yes_no"
of = "street"
text = "is the street lit"
clause = "2"

[derived.rate]
text = "received over receivable"
ratio = ["received", "receivable"]
clause = "2"

[derived.sound]
text = "lit, and with an office"
when = [{ fact = "lit", is = ["yes"] }, { fact = "office_area_m2", at_least = "120" }]
clause = "2"

[[requirements]]
fact = "rate"
at_least = "0.7"
otherwise = "refuse"
clause = "2"

[[requirements]]
fact = "office_area_m2"
at_least = "120"
otherwise = "warn"
clause = "1"

[deadlines.opinions]
text = "collect opinions"
after = "taken_over"
done = "opinions"
months = 1
clause = "2"

[deadlines.pay]
text = "pay"
of = "work"
after = "accepted"
done = "paid_on"
days = 30
clause = "2"

[deadlines.report]
text = "report"
after = "result_on"
done = "reported_on"
months = 2
clause = "2"

[[stages]]
title = "prepare"
from = 2015-07-20
until = 2015-07-25
clause = "3"

[[stages]]
title = "work"
from = 2015-07-24
until = 2015-10-01
clause = "3"

[[stages]]
title = "check"
from = 2015-09-30
until = 2016-01-01
clause = "3"

[rhythms.monthly]
text = "monthly scheduling"
every = "month"
clause = "4"

[rhythms.quarterly]
text = "quarterly summary"
every = "quarter"
clause = "4"

[rhythms.annual]
text = "annual assessment"
every = "year"
clause = "4"

[rhythms.weekly]
text = "Monday meeting"
every = "week"
weekday = "monday"
clause = "4"
"""
Told = dict[tuple[str, str] | tuple[str, str, str], Value]


def document(*changes: tuple[str, str]) -> Document:
    text = DUTIES
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_document(text, source="duties.toml")


def registry(told: Told, *, works: tuple[str, ...] = (), office: int | None = 12_000) -> Registry:
    estate = make_estate(declared_households=100, office_area_centi_m2=office)
    units = estate_subject(estate).units
    subjects = [Subject(work, "work", work, units, date(2020, 1, 1)) for work in works]
    facts = Facts((key[0], key[1], key[2] if len(key) > 2 else "", Fact(value)) for key, value in told.items())
    return Registry.build({"a": estate}, {}, subjects=subjects, facts=facts)


def due(told: Told, today: date, name: str = "opinions", **options: tuple[str, ...]) -> Due:
    found = deadlines(document(), registry(told, **options), Assessments(), today=today, working_day=WORKS)
    return next(d for d in found if d.name == name)


# --- deadlines ---


@pytest.mark.parametrize(
    ("start", "limit", "last"),
    [(date(2024, 1, 31), {"months": 1}, date(2024, 2, 29)),  # the month's last day, in a leap year
     (date(2023, 1, 31), {"months": 1}, date(2023, 2, 28)),
     (date(2024, 2, 29), {"months": 12}, date(2025, 2, 28)),
     (date(2024, 5, 31), {"months": 1}, date(2024, 7, 1)),  # 30 June is a Sunday
     (date(2024, 8, 31), {"months": 1}, date(2024, 9, 30)),
     (date(2024, 9, 4), {"months": 1}, date(2024, 10, 8)),  # 1 to 7 October is a holiday
     (date(2024, 9, 12), {"months": 1}, date(2024, 10, 12)),  # a Saturday that is worked
     (date(2024, 9, 13), {"months": 1}, date(2024, 10, 14)),  # a Sunday that is not
     (date(2024, 1, 12), {"days": 30}, date(2024, 2, 18)),  # the Spring Festival, and a Sunday that is worked
     (date(2024, 8, 18), {"days": 30}, date(2024, 9, 18)),  # 15 to 17 September
     (date(2025, 9, 1), {"days": 30}, date(2025, 10, 9)),
     (date(2027, 9, 4), {"months": 1}, date(2027, 10, 4))],  # a holiday nobody has published yet: a Monday
)  # fmt: skip
def test_the_last_day_rolls_past_statutory_holidays(start: date, limit: dict[str, int], last: date) -> None:
    assert deadline(start, **limit, working_day=WORKS) == last


@pytest.mark.parametrize(
    ("today", "done", "state", "days"),
    [(date(2024, 5, 5), None, State.NOT_STARTED, 0), (date(2024, 5, 6), None, State.OPEN, 0),
     (date(2024, 6, 6), None, State.OPEN, 0), (date(2024, 6, 7), None, State.MISSED, 1),
     (date(2024, 6, 8), date(2024, 6, 6), State.MET, 0), (date(2024, 6, 8), date(2024, 6, 7), State.LATE, 1),
     (date(2024, 6, 8), date(2024, 7, 1), State.MISSED, 2), (date(2024, 6, 6), date(2024, 7, 1), State.OPEN, 0)],
)  # fmt: skip
def test_where_a_deadline_stands(today: date, done: date | None, state: State, days: int) -> None:
    told: Told = {("a", "taken_over"): date(2024, 5, 6)} | ({("a", "opinions"): done} if done else {})
    found = due(told, today)
    assert (found.state, found.days) == (state, days)
    assert found.due_on == (None if state is State.NOT_STARTED else date(2024, 6, 6))


def test_a_deadline_of_nobody_yet_and_of_a_time_before_the_document() -> None:
    assert due({}, TODAY).state is State.NOT_STARTED
    before = due({("a", "taken_over"): date(2014, 12, 31)}, TODAY)
    assert (before.state, before.due_on) == (State.NOT_IN_FORCE, None)


def test_every_subject_and_every_period_has_its_own() -> None:
    told: Told = {
        ("w1", "accepted"): date(2024, 1, 10),
        ("w1", "paid_on"): date(2024, 2, 9),
        ("w2", "accepted"): date(2024, 1, 10),
        ("a", "result_on", "2023"): date(2024, 1, 31),
        ("a", "result_on", "2024"): date(2025, 1, 31),
        ("a", "reported_on", "2023"): date(2024, 4, 1),
    }
    known = registry(told, works=("w1", "w2"))
    found = list(deadlines(document(), known, Assessments(), today=date(2025, 2, 1), working_day=WORKS))
    assert [(d.name, d.subject.subject_id, d.period, d.state, d.due_on) for d in found] == [
        ("opinions", "a", "", State.NOT_STARTED, None),
        ("pay", "w1", "", State.MET, date(2024, 2, 9)),
        ("pay", "w2", "", State.MISSED, date(2024, 2, 9)),
        ("report", "a", "2023", State.MET, date(2024, 4, 1)),
        ("report", "a", "2024", State.OPEN, date(2025, 3, 31)),
    ]


def test_a_local_document_replaces_the_deadline_where_it_holds() -> None:
    local = document(('id = "duties"', 'id = "local"\nover = ["duties"]'), ("from = 2015-01-01", "from = 2024-01-01"))
    for day, count in ((date(2023, 12, 31), 1), (date(2024, 1, 1), 0)):
        known = registry({("a", "taken_over"): day})
        found = deadlines(document(), known, Assessments(), today=TODAY, working_day=WORKS, above=[local])
        assert sum(d.name == "opinions" for d in found) == count


@given(st.dates(date(2005, 1, 1), date(2026, 6, 1)), st.integers(1, 24), st.integers(1, 400))
def test_a_limit_ends_on_a_working_day_and_a_longer_one_no_sooner(start: date, months: int, days: int) -> None:
    for limit in ({"months": months}, {"days": days}):
        last = deadline(start, **limit, working_day=WORKS)
        assert WORKS(last)
        assert last > start
        longer = {name: value + 1 for name, value in limit.items()}
        assert deadline(start, **longer, working_day=WORKS) >= last


# --- holidays ---


def test_holidays_that_are_known_and_those_that_are_not() -> None:
    holiday = [date(2024, 10, day) for day in range(1, 8)]
    assert not any(map(WORKS, holiday))
    assert [WORKS(day) for day in (date(2024, 9, 29), date(2024, 9, 30), date(2024, 10, 8), date(2024, 10, 12))] == [
        True
    ] * 4
    assert unknown_years([date(2024, 1, 1), None, date(2099, 5, 1), date(2098, 5, 1)]) == (2098, 2099)
    assert WORKS(date(2099, 10, 1))  # a Thursday, for all that is known
    put_right = working_days({date(2099, 10, 1): False, date(2099, 10, 3): True})
    assert (put_right(date(2099, 10, 1)), put_right(date(2099, 10, 3))) == (False, True)


# --- stages ---


@pytest.mark.parametrize(
    ("day", "title"),
    [(date(2015, 7, 19), None), (date(2015, 7, 20), "prepare"), (date(2015, 7, 24), "prepare"),
     (date(2015, 7, 25), "work"), (date(2015, 9, 30), "work"), (date(2015, 10, 1), "check"),
     (date(2015, 12, 31), "check"), (date(2016, 1, 1), None)],
)  # fmt: skip
def test_a_shared_day_belongs_to_the_earlier_stage(day: date, title: str | None) -> None:
    found = stage_on(document(), day)
    assert (found and found.title) == title


def test_the_days_of_the_stages() -> None:
    assert [(s.stage.title, s.first, s.last) for s in spans(document())] == [
        ("prepare", date(2015, 7, 20), date(2015, 7, 24)),
        ("work", date(2015, 7, 25), date(2015, 9, 30)),
        ("check", date(2015, 10, 1), date(2015, 12, 31)),
    ]
    open_ended = document(("until = 2015-07-25\n", ""), ("until = 2016-01-01\n", ""))
    assert [s.last for s in spans(open_ended)] == [date(2015, 7, 23), date(2015, 9, 30), None]
    assert stage_on(open_ended, date(2030, 1, 1)) is not None


# --- rhythms ---


def set_for(name: str, first: date, last: date) -> list[tuple[date, date]]:
    found = occasions(document(), first, last, working_day=WORKS)
    return [(one.set_for, one.due_on) for one in found if one.name == name]


@pytest.mark.parametrize("year", range(2015, 2031))
def test_a_year_has_twelve_four_and_one(year: int) -> None:
    window = date(year, 1, 1), date(year, 12, 31)
    assert [len(set_for(name, *window)) for name in ("monthly", "quarterly", "annual")] == [12, 4, 1]


def test_the_last_day_of_a_period_rolls_to_a_working_day() -> None:
    quarters = set_for("quarterly", date(2024, 1, 1), date(2024, 12, 31))
    assert quarters == [
        (date(2024, 3, 31), date(2024, 4, 1)),
        (date(2024, 6, 30), date(2024, 7, 1)),
        (date(2024, 9, 30), date(2024, 9, 30)),
        (date(2024, 12, 31), date(2024, 12, 31)),
    ]
    assert set_for("annual", date(2023, 1, 1), date(2023, 12, 31)) == [(date(2023, 12, 31), date(2024, 1, 2))]
    assert set_for("annual", date(2024, 1, 1), date(2024, 12, 30)) == []
    assert set_for("annual", date(2014, 1, 1), date(2014, 12, 31)) == []  # before the document


def test_a_monday_holiday() -> None:
    october = set_for("weekly", date(2024, 9, 24), date(2024, 10, 15))
    assert october == [
        (date(2024, 9, 30), date(2024, 9, 30)),
        (date(2024, 10, 7), date(2024, 10, 8)),
        (date(2024, 10, 14), date(2024, 10, 14)),
    ]
    assert set_for("weekly", date(2024, 2, 12), date(2024, 2, 12)) == [(date(2024, 2, 12), date(2024, 2, 18))]
    # the Spring Festival of 2020 was prolonged: no working day was left in the week of 27 January
    assert set_for("weekly", date(2020, 1, 27), date(2020, 2, 3)) == [(date(2020, 2, 3), date(2020, 2, 3))]


@given(st.dates(date(2015, 1, 1), date(2026, 1, 1)), st.integers(0, 400))
def test_rhythms_fall_due_on_working_days_each_once(first: date, length: int) -> None:
    found = list(occasions(document(), first, first + timedelta(days=length), working_day=WORKS))
    assert all(WORKS(one.due_on) and first <= one.set_for <= one.due_on for one in found)
    assert len({(one.name, one.due_on) for one in found}) == len(found)


# --- judgements ---


def judged(told: Told, **options: int | None) -> list[Judgement]:
    return list(judgements(document(), registry(told, **options), Assessments(), today=TODAY))


def test_who_meets_what() -> None:
    told: Told = {("street/street", "lit"): "yes"}
    for year, received in (("2023", 70), ("2024", 69)):
        told |= {("a", "received", year): Fraction(received), ("a", "receivable", year): Fraction(100)}
    told[("a", "received", "2025")] = Fraction(1)
    found = judged(told)
    assert [(j.fact, j.period, j.met, j.value) for j in found if j.otherwise] == [
        ("rate", "2023", True, Fraction(7, 10)),
        ("rate", "2024", False, Fraction(69, 100)),
        ("rate", "2025", None, None),
        ("office_area_m2", "", True, Fraction(120)),
    ]
    assert [j.words for j in found if j.otherwise][1:3] == [
        "rate is 0.69; wanted at least 0.70",
        "waits for receivable",
    ]
    assert [(j.fact, j.period, j.words) for j in found if not j.otherwise] == [
        ("rate", "2023", "0.70"),
        ("rate", "2024", "0.69"),
        ("rate", "2025", "waits for receivable"),
        ("sound", "", "yes"),
    ]


def test_what_is_not_known_is_neither_met_nor_unmet() -> None:
    found = {(j.fact, j.otherwise): j for j in judged({}, office=None)}
    assert {key: (j.met, j.value) for key, j in found.items()} == {
        ("rate", "refuse"): (None, None),
        ("office_area_m2", "warn"): (None, None),
        ("rate", ""): (None, None),
        ("sound", ""): (None, None),
    }
    assert found["office_area_m2", "warn"].words == "office_area_m2 is not known; wanted at least 120"
    assert found["sound", ""].words == "waits for lit, office_area_m2"


def test_an_impossible_ratio_is_said_and_stops_nothing() -> None:
    found = judged({("a", "received", "2024"): Fraction(1), ("a", "receivable", "2024"): Fraction(0)})
    assert {j.words for j in found if j.fact == "rate"} == {"receivable of a is 0: no ratio"}


@pytest.mark.parametrize(
    ("bound", "below", "on", "above"),
    [("at_least", False, True, True), ("above", False, False, True), ("at_most", True, True, False),
     ("below", True, False, False)],
)  # fmt: skip
def test_words_of_bounds_by_civil_code_1259(bound: str, below: bool, on: bool, above: bool) -> None:
    """以上, 以下 include the number; 超过, 不满 exclude it."""
    rule = document(('fact = "rate"\nat_least = "0.7"', f'fact = "rate"\n{bound} = "0.7"'))
    for received, met in ((6_999, below), (7_000, on), (7_001, above)):
        told: Told = {("a", "received", "2024"): Fraction(received), ("a", "receivable", "2024"): Fraction(10_000)}
        assert next(judgements(rule, registry(told), Assessments(), today=TODAY)).met is met


# --- in a case ---


@pytest.fixture
def folder(donghu: Path) -> Path:
    """The case of Donghu with the duties above beside it."""
    (donghu / "duties.toml").write_text(DUTIES, encoding="utf-8")
    text = (donghu / "case.toml").read_text(encoding="utf-8")
    text = text.replace('documents = ["donghu-2021-17"]', 'documents = ["donghu-2021-17", "duties.toml"]')
    (donghu / "case.toml").write_text(text, encoding="utf-8")
    rows = ["subject_id,fact,period,value", "yuanyi,taken_over,,2024-09-04", "yuanyi,opinions,,2024-10-08"]
    rows += ["yuaner,taken_over,,2024-09-12", "yuaner,opinions,,2024-10-14", "yuanyi,receivable,2024,100"]
    rows += ["yuanyi,received,2024,69.99"]
    (donghu / "facts.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return donghu


def test_findings_of_deadlines(folder: Path, edit: Edit) -> None:
    def findings() -> dict[str, tuple[Severity, str, str]]:
        case = load_case(folder)
        with Books.open("memory", recorded_on=TODAY) as books:
            books.run(case)
            report = books.audit(case)
        assert any(c.what == "deadlines counted" and c.complete for c in report.coverage)
        return {f.rule: (f.severity, f.wanted, f.clause) for f in report.findings}

    assert findings() == {"deadline-late": (Severity.WARNING, "by 2024-10-12", "duties 2")}
    edit(folder / "facts.csv", "yuaner,opinions,,2024-10-14\n", "")
    assert findings() == {"deadline-missed": (Severity.ERROR, "by 2024-10-12", "duties 2")}
    (folder / "holidays.csv").write_text("day,kind\n2024-10-12,rest\n", encoding="utf-8")
    edit(
        folder / "facts.csv",
        "yuanyi,opinions,,2024-10-08\n",
        "yuanyi,opinions,,2024-10-08\nyuaner,opinions,,2024-10-14\n",
    )
    assert findings() == {}


def test_the_audit_of_one_year_judges_its_deadlines(folder: Path) -> None:
    case = load_case(folder)
    with Books.open("memory", recorded_on=TODAY) as books:
        books.run(case)
        found = {year: [f.rule for f in books.audit(case, year=year).findings] for year in (2023, 2024)}
    assert found == {2023: [], 2024: ["deadline-late"]}


def test_the_sections_of_the_summary(folder: Path) -> None:
    case = load_case(folder)
    done = duties_text(case, TODAY)
    assert "2024-10-08  yuanyi  collect opinions  [2]  met, done 2024-10-08" in done
    assert "2024-10-12  yuaner  collect opinions  [2]  late, 2 days, done 2024-10-14" in done
    assert "next on 2026-11-23: Monday meeting [4]" in done
    assert "stage: work, 2015-07-25 to 2015-09-30 [3]" in duties_text(case, date(2015, 9, 30))
    assert "warning" not in done
    assert "the holidays of 2027 are not known" in duties_text(case, date(2026, 12, 31))
    meets = judgements_text(case, TODAY)
    assert "yuanyi 2024  unmet (refuse)  rate is 0.6999; wanted at least 0.70        [2]" in meets
    assert "yuaner       not known       rate: waits for received, receivable" in meets
    assert "donghu" not in meets


def test_cases_without_facts_or_duties_have_no_such_section() -> None:
    case = load_case(Path(__file__).parents[1] / "examples" / "donghu")
    assert duties_text(case, TODAY) == judgements_text(case, TODAY) == ""


def test_many_deadlines_are_summed_up(folder: Path) -> None:
    rows = "".join(f"w{n},work,work {n},yuanyi,,2024-01-10,\n" for n in range(20))
    (folder / "subjects.csv").write_text("subject_id,kind,name,place,parent,on,until\n" + rows, encoding="utf-8")
    with (folder / "facts.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"w{n},accepted,,2024-01-{10 + n}\n" for n in range(20))
    text = duties_text(load_case(folder), TODAY)
    assert "2024-02-09  first of 20  pay               [2]  missed" in text
    assert text.count("first of") == 3


def test_the_calendar_of_a_year(folder: Path) -> None:
    run = CliRunner().invoke
    result = run(app, ["calendar", str(folder), "--year", "2024", "--recorded-on", "2024-10-10"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1] == "2024, as it stands on 2024-10-10"
    assert [line.split()[0] for line in lines[2:]] == sorted(line.split()[0] for line in lines[2:])
    assert [" ".join(line.split()) for line in lines if "deadline" in line] == [
        "2024-10-08 Tue deadline yuanyi collect opinions [2] met, done 2024-10-08",
        "2024-10-12 Sat deadline yuaner collect opinions [2] open",
    ]
    assert sum("Monday meeting" in line for line in lines) == 53
    assert sum("annual assessment" in line for line in lines) == 1
    assert "set for 2024-10-07" in result.stdout
    stages = run(app, ["calendar", str(folder), "--year", "2015"]).stdout
    assert [line.split()[0] for line in stages.splitlines() if "stage" in line] == [
        "2015-07-20", "2015-07-24", "2015-07-25", "2015-09-30", "2015-10-01", "2015-12-31",
    ]  # fmt: skip


def test_the_calendar_for_programs_and_beyond_the_published_holidays(folder: Path) -> None:
    found = json.loads(CliRunner().invoke(app, ["calendar", str(folder), "--year", "2024", "--json"]).stdout)
    assert found["holidays_unknown"] == []
    late = next(day for day in found["days"] if day["subject"] == "yuaner")
    assert (late["day"], late["state"], late["days_late"], late["clause"]) == ("2024-10-12", "late", 2, "2")
    assert (late["started_on"], late["done_on"], late["set_for"]) == ("2024-09-12", "2024-10-14", None)
    (folder / "holidays.csv").write_text("day,kind\n2099-02-02,rest\n", encoding="utf-8")
    beyond = CliRunner().invoke(app, ["calendar", str(folder), "--year", "2099"]).stdout
    assert "warning: the holidays of 2099 are not known" in beyond
    days = calendar_days(load_case(folder), 2099, TODAY)
    assert next(d.day for d in days if d.set_for == date(2099, 2, 2)) == date(2099, 2, 3)  # put right by hand
