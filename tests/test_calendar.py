from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate_funds.calendar import (
    Month,
    MonthRule,
    Months,
    deadline,
    end_month,
    first_month,
    parse_day,
    service_year,
    service_year_months,
)
from estate_funds.errors import DateError

DAYS = st.dates(date(1980, 1, 1), date(2100, 1, 1))
BORDERS = st.builds(date, st.integers(1980, 2099), st.integers(1, 12), st.sampled_from([1, 2, 14, 15, 16, 28]))
M = Month.parse


@pytest.mark.parametrize(
    ("month", "number"),
    [("2021-06", 0), ("2021-07", 1), ("2022-06", 1), ("2022-07", 2), ("2024-05", 3), ("2024-06", 3), ("2024-07", 4),
     ("2025-05", 4), ("2025-06", 4), ("2025-07", 5), ("2026-05", 5), ("2026-06", 5), ("2026-07", 6)],
)  # fmt: skip
def test_service_years_count_twelve_months_from_the_start(month: str, number: int) -> None:
    assert service_year(M("2021-07"), M(month)) == number


@given(DAYS, st.integers(-600, 600))
def test_months_add_and_subtract(day: date, months: int) -> None:
    month = Month.of(day)
    assert (month + months) - month == months
    assert month.first_day <= day <= month.last_day
    assert Month.of(month.last_day + timedelta(days=1)) == month + 1


@given(DAYS, st.integers(1, 60))
def test_every_month_lies_in_the_service_year_that_claims_it(day: date, number: int) -> None:
    start = Month.of(day)
    year = service_year_months(start, number)
    assert len(year) == 12
    assert {service_year(start, month) for month in year} == {number}


@pytest.mark.parametrize(
    ("day", "any_day", "full", "fifteenth"),
    [(date(2024, 2, 1), "2024-02", "2024-02", "2024-02"), (date(2024, 2, 15), "2024-02", "2024-03", "2024-02"),
     (date(2024, 2, 16), "2024-02", "2024-03", "2024-03"), (date(2024, 2, 29), "2024-02", "2024-03", "2024-03")],
)  # fmt: skip
def test_the_first_month_that_counts(day: date, any_day: str, full: str, fifteenth: str) -> None:
    got = [str(first_month(day, rule)) for rule in (MonthRule.ANY_DAY, MonthRule.FULL, MonthRule.FIFTEENTH)]
    assert got == [any_day, full, fifteenth]


@pytest.mark.parametrize(
    ("day", "any_day", "full", "fifteenth"),
    [(date(2024, 2, 1), "2024-02", "2024-02", "2024-02"), (date(2024, 2, 2), "2024-03", "2024-02", "2024-02"),
     (date(2024, 2, 15), "2024-03", "2024-02", "2024-02"), (date(2024, 2, 16), "2024-03", "2024-02", "2024-03"),
     (date(2024, 2, 29), "2024-03", "2024-02", "2024-03")],
)  # fmt: skip
def test_the_first_month_that_no_longer_counts(day: date, any_day: str, full: str, fifteenth: str) -> None:
    got = [str(end_month(day, rule)) for rule in (MonthRule.ANY_DAY, MonthRule.FULL, MonthRule.FIFTEENTH)]
    assert got == [any_day, full, fifteenth]


SERVED = {MonthRule.ANY_DAY: any, MonthRule.FULL: all, MonthRule.FIFTEENTH: lambda days: days[14]}


@given(DAYS | BORDERS, st.sampled_from(MonthRule))
def test_a_month_counts_as_the_list_of_its_days_says(day: date, rule: MonthRule) -> None:
    month = Month.of(day)
    days = [month.first_day + timedelta(days=n) for n in range(month.last_day.day)]
    from_then_on, until_then = ([one >= day for one in days], [one < day for one in days])
    assert first_month(day, rule) == month + (not SERVED[rule](from_then_on))
    assert end_month(day, rule) == month + SERVED[rule](until_then)


def test_periods() -> None:
    year = Months.calendar_year(2023)
    assert (len(year), str(year)) == (12, "2023-01..2023-12")
    assert M("2023-12") in year
    assert M("2024-01") not in year
    assert len(year & Months.calendar_year(2025)) == 0
    assert str(Months(M("2023-01"), M("2023-01"))) == "2023-01 (no month)"
    with pytest.raises(DateError):
        Months(M("2023-02"), M("2023-01"))


@pytest.mark.parametrize("text", ["2023-13", "2023-00", "2023-1", "23-01", "2023/01", ""])
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(DateError):
        Month.parse(text)


@pytest.mark.parametrize("text", ["2023-02-29", "2023-2-3", "2023/02/03", "20230203", ""])
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(DateError):
        parse_day(text)


@pytest.mark.parametrize(
    ("start", "limit", "last"),
    [(date(2024, 1, 31), {"months": 1}, date(2024, 2, 29)), (date(2023, 1, 31), {"months": 1}, date(2023, 2, 28)),
     (date(2023, 12, 31), {"months": 2}, date(2024, 2, 29)), (date(2024, 1, 10), {"days": 30}, date(2024, 2, 9)),
     (date(2024, 1, 4), {"days": 30}, date(2024, 2, 5)), (date(2024, 7, 10), {"days": 0}, date(2024, 7, 10))],
)  # fmt: skip
def test_deadlines_by_the_civil_code(start: date, limit: dict[str, int], last: date) -> None:
    assert deadline(start, **limit) == last


@given(DAYS, st.integers(0, 60))
def test_a_limit_in_days_is_counted_day_by_day_from_the_next_one(start: date, days: int) -> None:
    last = start
    for _ in range(days):
        last += timedelta(days=1)
    while last.weekday() >= 5:
        last += timedelta(days=1)
    assert deadline(start, days=days) == last


def test_a_deadline_rolls_past_a_given_holiday() -> None:
    holidays = {date(2024, 2, 9), date(2024, 2, 12)}
    assert deadline(date(2024, 1, 10), days=30, working_day=lambda d: d.weekday() < 5 and d not in holidays) == date(
        2024, 2, 13
    )
