from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import make_estate
from estate_funds import load_document
from estate_funds.assess import Outcome, Status, assess
from estate_funds.calendar import Month, Months, service_year_months
from estate_funds.errors import CaseError, CellError, NoRuleInForce
from estate_funds.policy import Document, parse_document
from estate_funds.registry import Assessment, Assessments, Headcount, Registry

DONGHU = (resources.files("estate_funds.policies") / "donghu-2021-17.toml").read_text(encoding="utf-8")
M = Month.parse
RATES = {1: 18, 2: 18, 3: 18, 4: 12, 5: 6}


def registry_of(households: int = 100, changes: dict[date, int] | None = None, **estate: object) -> Registry:
    counts = Headcount.from_changes({date(2000, 1, 1): households} | (changes or {}))
    area = 8_000 * max(households, 1)
    return Registry.build({"a": make_estate(floor_area_centi_m2=area, **estate)}, {"a": counts})


def results_of(results: list[str]) -> Assessments:
    return Assessments(Assessment("a", n, r, date(2021 + n, 3, 1), row=n) for n, r in enumerate(results, 1) if r)


def with_provision(**changes: str) -> Document:
    text = DONGHU
    for name, value in changes.items():
        old = next(line for line in text.split("[provisions.award]")[1].splitlines() if line.startswith(f"{name} ="))
        text = text.replace(old, f"{name} = {value}", 1)
    return parse_document(text, source="changed.toml")


WINDOW = Months(M("2021-01"), M("2029-01"))


@settings(max_examples=200, deadline=None)
@given(
    st.dates(date(2021, 1, 1), date(2022, 12, 31)),
    st.lists(st.sampled_from(["pass", "fail", ""]), min_size=7, max_size=7),
    st.integers(0, 5000),
    st.none() | st.integers(1, 2600),
    st.booleans(),
    st.integers(-50, 50),
    st.integers(-31, 31) | st.integers(0, 900),
)
def test_the_award_against_a_plain_month_by_month_count(
    start: date, results: list[str], households: int, served_days: int | None, whole: bool, change: int, moved: int
) -> None:
    end = None if served_days is None else start + timedelta(days=served_days)
    end = (Month.of(end) + 1).first_day if end and whole else end
    move = start + timedelta(days=moved)
    change = max(-(households // 2), min(change, 3 * households))  # the area stays plausible
    registry = registry_of(households, {move: change}, service_start=start, service_end=end, declared_households=None)
    claims = assess(load_document("donghu-2021-17"), "award", registry, results_of(results), window=WINDOW)
    first = Month.of(start)
    expected: dict[str, dict[int, int]] = {"pass": {}, "fail": {}, "": {}}
    for n in range(12 * 7):
        month = first + n
        if month not in WINDOW or (end is not None and month.first_day >= end):
            continue
        year = n // 12 + 1
        counted = max((first + 12 * (year - 1)).first_day, start)
        count = households + (change if move <= counted else 0)
        of_result = expected[results[year - 1]]
        of_result[year] = of_result.get(year, 0) + count * RATES.get(year, 0) * 100
    began = {n for n in range(1, 9) if first + 12 * (n - 1) in WINDOW}
    due, waiting = ({y: f for y, f in expected[result].items() if f and y in began} for result in ("pass", ""))
    assert {c.number: c.amount_fen for c in claims if c.amount_fen} == due
    assert {c.number: c.potential_fen for c in claims if c.status is Status.PENDING and c.potential_fen} == waiting
    for claim in claims:
        assert sum(claim.shares.values()) == claim.amount_fen
        assert sum(len(line.months) for line in claim.lines) == len(claim.months)
        for line in claim.lines:
            assert sum(s.fen for s in line.shares) == line.amount_fen
            fen = {s.payer: s.fen for s in line.shares}
            assert 0 <= fen.get("district", 0) - fen.get("city", 0) <= 1


DAYS_OF_A_YEAR = [(1, 1), (2, 28), (2, 29), (3, 1), (6, 30), (12, 31)]


@settings(max_examples=60, deadline=None)
@given(st.dates(date(2021, 1, 1), date(2022, 12, 31)), st.sampled_from(DAYS_OF_A_YEAR))
def test_households_are_counted_on_that_day_of_each_year(start: date, day: tuple[int, int]) -> None:
    """Held against days of the calendar: where a household comes each day, the count tells the day of counting."""
    month, number = day
    text = DONGHU.replace('counted_on = "service_year_start"', f'counted_on = "{month:02d}-{number:02d}"')
    came = {date(2020, 12, 31) + timedelta(days=n): 1 for n in range(1, 2200)}
    registry = registry_of(1_000, came, service_start=start, declared_households=None)
    claims = assess(parse_document(text, source="x"), "award", registry, results_of(["pass"] * 3), window=WINDOW)
    for year in (1, 2, 3):
        wanted = 0
        for one in service_year_months(Month.of(start), year):
            days = [date(one.year, 1, 1) + timedelta(days=n) for n in range(366)]
            counted = max(d for d in days if d.year == one.year and (d.month, d.day) <= day)
            wanted += 1_000 + (max(start, counted) - date(2020, 12, 31)).days
        assert claims["a", year].amount_fen == wanted * 1_800


def test_the_odd_fen_of_a_line_goes_to_the_district() -> None:
    text = DONGHU.replace('value = "18.00"', 'value = "18.0025"')
    claims = assess(parse_document(text, source="x"), "award", registry_of(1), results_of(["pass"]), window=WINDOW)
    assert claims["a", 1].shares == {"city": 10801, "district": 10802}


@pytest.mark.parametrize(("level", "fen"), [("line", 6480), ("claim", 6480), ("household", 3 * 2160)])
def test_rounding_levels(level: str, fen: int) -> None:
    """1.7999 x 12 = 21.5988 yuan a household: 2160 fen rounded; three are 6479.64 fen exact, 6480 rounded."""
    text = DONGHU.replace('value = "18.00"', 'value = "1.7999"').replace('level = "line"', f'level = "{level}"')
    claims = assess(parse_document(text, source="x"), "award", registry_of(3), results_of(["pass"]), window=WINDOW)
    assert claims["a", 1].amount_fen == fen


def test_rounding_each_household_differs_from_rounding_the_line() -> None:
    text = DONGHU.replace('value = "18.00"', 'value = "1.00375"')  # 12.045 yuan: half a fen a household
    for level, fen in (("line", 120_450), ("household", 120_500)):
        document = parse_document(text.replace('level = "line"', f'level = "{level}"'), source="x")
        assert (
            assess(document, "award", registry_of(100), results_of(["pass"]), window=WINDOW)["a", 1].amount_fen == fen
        )


def test_rounding_the_claim_keeps_its_lines_summing() -> None:
    text = DONGHU.replace('value = "18.00"', 'value = "1.001"').replace('level = "line"', 'level = "claim"')
    text = text.replace('counted_on = "service_year_start"', 'counted_on = "month_start"')
    registry = registry_of(1, {date(2021, month, 2): 1 for month in range(1, 12)})
    claim = assess(parse_document(text, source="x"), "award", registry, results_of(["pass"]), window=WINDOW)["a", 1]
    assert len(claim.lines) == 12
    assert claim.amount_fen == 7808  # 78 household-months x 1.001 = 78.078 yuan


AMENDMENT = """[[provisions.award.rate]]
from = 2022-07-01
clause = "五(六)1"
unit = "CNY/household/month"
value = "20.00"

[[provisions.award.payers]]"""


@pytest.mark.parametrize(
    ("anchor", "second_year"),
    [('"enrolment"', 12 * 18), ('"service_month"', 6 * 18 + 6 * 20), ('"decision"', 12 * 20)],
)
def test_an_amendment_reaches_a_cohort_by_the_anchor_of_the_document(anchor: str, second_year: int) -> None:
    text = DONGHU.replace("[[provisions.award.payers]]", AMENDMENT).replace(
        'anchor = "enrolment"', f"anchor = {anchor}"
    )
    claims = assess(parse_document(text, source="x"), "award", registry_of(1), results_of(["pass"] * 3), window=WINDOW)
    assert claims["a", 2].amount_fen == second_year * 100
    assert claims["a", 1].amount_fen == 12 * 18 * 100
    assert len(claims["a", 2].lines) == (2 if anchor == '"service_month"' else 1)


@pytest.mark.parametrize(
    ("counted", "second_year"),
    [('"service_year_start"', 12 * 10), ('"month_start"', 4 * 10 + 8 * 13), ('"enrolment"', 12 * 10)],
)
def test_the_day_of_counting_is_data(counted: str, second_year: int) -> None:
    registry = registry_of(10, {date(2022, 4, 15): 3}, declared_households=None)
    claims = assess(with_provision(counted_on=counted), "award", registry, results_of(["pass"] * 3), window=WINDOW)
    assert claims["a", 2].amount_fen == second_year * 18 * 100
    third = {'"service_year_start"': 13, '"month_start"': 13, '"enrolment"': 10}[counted]
    assert claims["a", 3].amount_fen == third * 12 * 18 * 100


@pytest.mark.parametrize(("rule", "months"), [('"any_day"', "2021-01..2021-12"), ('"full"', "2021-02..2022-01")])
def test_the_first_month_is_data(rule: str, months: str) -> None:
    registry = registry_of(service_start=date(2021, 1, 16))
    claims = assess(with_provision(first_month=rule), "award", registry, results_of(["pass"]), window=WINDOW)
    assert str(claims["a", 1].months) == months


def test_by_calendar_year_a_claim_splits_at_the_service_year() -> None:
    document = with_provision(claim_period='"calendar_year"')
    results = Assessments(Assessment("a", year, "pass", date(year + 1, 1, 10)) for year in range(2021, 2027))
    claims = assess(document, "award", registry_of(1, service_start=date(2021, 7, 1)), results, window=WINDOW)
    assert [c.amount_fen // 100 for c in claims] == [108, 216, 216, 108 + 72, 72 + 36, 36, 0, 0]
    assert [str(line.months) for line in claims["a", 2024].lines] == ["2024-01..2024-06", "2024-07..2024-12"]
    assert claims.amount_fen == 86400


def test_pending_failed_ended_ineligible() -> None:
    claims = assess(
        load_document("donghu-2021-17"), "award", registry_of(), results_of(["pass", "fail", ""]), window=WINDOW
    )
    assert [c.lines[0].outcome for c in claims][:6] == [
        Outcome.DUE, Outcome.FAILED, Outcome.PENDING, Outcome.PENDING, Outcome.PENDING, Outcome.ENDED,
    ]  # fmt: skip
    assert claims["a", 3].status is Status.PENDING
    assert (claims["a", 3].amount_fen, claims["a", 3].potential_fen) == (0, 2_160_000)
    late = assess(
        load_document("donghu-2021-17"),
        "award",
        registry_of(renovated_on=date(2023, 1, 1)),
        results_of(["pass"]),
        window=WINDOW,
    )
    assert late["a", 1].lines[0].outcome is Outcome.INELIGIBLE
    assert "[二]" in late["a", 1].lines[0].reason
    unknown = assess(
        load_document("donghu-2021-17"), "award", registry_of(renovated_on=None), results_of(["pass"]), window=WINDOW
    )
    assert unknown["a", 1].status is Status.PENDING


@pytest.mark.parametrize(("centi", "warned"), [(11_999, True), (12_000, False), (None, True)])
def test_the_property_office_of_120_m2_warns_and_does_not_block(centi: int | None, warned: bool) -> None:
    registry = registry_of(office_area_centi_m2=centi)
    claim = assess(load_document("donghu-2021-17"), "award", registry, results_of(["pass"]), window=WINDOW)["a", 1]
    assert bool(claim.warnings) is warned
    assert claim.status is Status.DUE


def test_an_unknown_result_is_an_error_not_a_nought() -> None:
    with pytest.raises(CellError, match="does not know the assessment result") as caught:
        assess(load_document("donghu-2021-17"), "award", registry_of(), results_of(["passed"]), window=WINDOW)
    assert "assessments.csv, row 1" in str(caught.value)
    assert "did you mean 'pass'" in str(caught.value)


def test_no_rule_in_force_is_an_error_not_a_nought() -> None:
    registry = registry_of(service_start=date(2020, 12, 31), renovated_on=date(2020, 1, 1))
    with pytest.raises(NoRuleInForce):
        assess(
            load_document("donghu-2021-17"),
            "award",
            registry,
            results_of(["pass"]),
            window=Months(M("2020-01"), M("2022-01")),
        )


def test_claims_by_estate_and_period() -> None:
    claims = assess(load_document("donghu-2021-17"), "award", registry_of(), results_of(["pass"] * 5), window=WINDOW)
    assert claims.where(year=2023)["a"].number == 3
    assert claims[0] is claims["a", 1]
    with pytest.raises(CaseError, match="8 such claims"):
        claims["a"]
    with pytest.raises(CaseError, match="no claim of an estate or subject 'b'"):
        claims["b"]


POOL = """format = 1
id = "invented-pool"
number = "1"
title = "A pool of another city"
issuer = "another city"
from = 2022-01-01
clause = "1"
[clauses]
"1" = "The city divides 1 000 000.00 yuan a year among the estates that passed, by {weights}."
[provisions.pool]
title = "reward pool"
clause = "1"
sum = "total_over_weights"
claim_period = "calendar_year"
anchor = "service_month"
counted_on = "month_start"
first_month = "any_day"
last_month = "any_day"
rounding = {{ level = "line", mode = "half_up" }}
gate = {{ fact = "assessment", passes = ["good"], fails = ["bad"], clause = "1" }}
purpose = "reward"
pays_from = "pool"
pays_into = "reward"
weights = "{weights}"
[[provisions.pool.total]]
from = 2022-01-01
clause = "1"
value = "1000000.00"
[[provisions.pool.payers]]
from = 2022-01-01
clause = "1"
shares = {{ city = "1" }}
odd_fen_to = "city"
[funds.pool]
title = "pool"
held_by = ["city"]
carry_forward = false
provenance = "fifo"
clause = "1"
[[funds.pool.permits]]
from = 2022-01-01
clause = "1"
purposes = ["reward"]
payee_classes = ["street"]
[funds.reward]
title = "reward"
held_by = ["street"]
carry_forward = true
provenance = "fifo"
clause = "1"
[[funds.reward.permits]]
from = 2022-01-01
clause = "1"
purposes = ["anything"]
payee_classes = ["enterprise"]
"""


def pool(weights: str, results: dict[str, tuple[str, str | None]]) -> tuple[dict[str, int], list[Status]]:
    estates = {name: make_estate(name) for name in "abc"}
    counts = {n: Headcount.from_changes({date(2000, 1, 1): k}) for n, k in zip("abc", (100, 110, 123), strict=True)}
    facts = Assessments(
        Assessment(name, 2022, result, date(2023, 1, 5), score=None if score is None else Fraction(score))
        for name, (result, score) in results.items()
    )
    document = parse_document(POOL.format(weights=weights), source="pool.toml")
    claims = assess(document, "pool", Registry.build(estates, counts), facts, window=Months.calendar_year(2022))
    return {c.subject.subject_id: c.amount_fen for c in claims}, [c.status for c in claims]


def test_sum_two_divides_a_total_over_weights_by_a_file_alone() -> None:
    good = dict.fromkeys("abc", ("good", None))
    assert pool("household", good)[0] == {"a": 30_030_030, "b": 33_033_033, "c": 36_936_937}
    assert pool("m2", good)[0] == {"a": 33_333_334, "b": 33_333_333, "c": 33_333_333}
    scores = {"a": ("good", "80"), "b": ("good", "90.5"), "c": ("bad", "30")}
    amounts, _ = pool("score", scores)
    assert amounts == {"a": 46_920_821, "b": 53_079_179, "c": 0}
    assert sum(amounts.values()) == 100_000_000


def test_a_division_keeps_to_its_window_and_its_document() -> None:
    registry = Registry.build({"a": make_estate("a", declared_households=100)}, {})
    facts = Assessments(Assessment("a", year, "good", date(year + 1, 1, 5)) for year in range(2021, 2025))
    text = POOL.format(weights="household")
    window = Months(M("2022-07"), M("2024-07"))
    claims = assess(parse_document(text, source="x"), "pool", registry, facts, window=window)
    assert [c.number for c in claims] == [2023, 2024]
    ended = parse_document(text.replace("from = 2022-01-01", "from = 2022-01-01\nuntil = 2023-06-30", 1), source="x")
    assert [c.number for c in assess(ended, "pool", registry, facts, window=window)] == [2023]


def test_no_share_of_a_division_is_decided_before_the_last_result() -> None:
    registry = Registry.build({name: make_estate(name, declared_households=100) for name in "ab"}, {})
    days = {"a": date(2023, 1, 5), "b": date(2023, 2, 20)}
    facts = Assessments(Assessment(name, 2022, "good", day) for name, day in days.items())
    document = parse_document(POOL.format(weights="household"), source="x")
    claims = assess(document, "pool", registry, facts, window=Months.calendar_year(2022))
    assert [c.decided_on for c in claims] == [date(2023, 2, 20)] * 2


def test_a_division_waits_for_every_result_and_never_pays_without() -> None:
    amounts, states = pool("household", {"a": ("good", None), "b": ("good", None)})
    assert set(amounts.values()) == {0}
    assert set(states) == {Status.PENDING}
    amounts, states = pool("household", dict.fromkeys("abc", ("bad", None)))
    assert set(amounts.values()) == {0}
    assert set(states) == {Status.NOTHING}
    with pytest.raises(CellError, match="has no score"):
        pool("score", dict.fromkeys("abc", ("good", None)))
