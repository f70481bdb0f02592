"""Months, half-open periods, service years and deadlines. No clock: today is always an argument.

A *service year* (服务年度) is twelve months from the month in which service starts, not a calendar year. Periods are
half-open: the end is the first month, or day, that no longer counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, timedelta
from enum import StrEnum

from dateutil.relativedelta import relativedelta

from estate_funds.errors import DateError

MONTHS_PER_YEAR = 12
NEAR = date(1000, 1, 1), date(2999, 12, 31)  # days of documents and tables: none of them is past what a calendar has
_MONTH = re.compile("([0-9]{4})-([0-9]{2})")
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One month, counted from January of year 0, so that months add and subtract like numbers.

    >>> Month.parse("2023-11") + 3, Month.of(date(2024, 2, 29)) - Month.parse("2021-03")
    (2024-02, 35)
    """

    ordinal: int

    @classmethod
    def of(cls, day: date) -> Month:
        """The month that contains a day."""
        return cls(day.year * MONTHS_PER_YEAR + day.month - 1)

    @classmethod
    def parse(cls, text: str) -> Month:
        """The month written YYYY-MM, of a year that has a last one and a next; DateError for anything else."""
        match = _MONTH.fullmatch(text)
        if not match or not 1 <= int(match[2]) <= MONTHS_PER_YEAR or not MINYEAR < int(match[1]) < MAXYEAR:
            raise DateError("not a month", got=repr(text), wanted="YYYY-MM, such as 2023-01")
        return cls(int(match[1]) * MONTHS_PER_YEAR + int(match[2]) - 1)

    @property
    def year(self) -> int:
        """The calendar year, which is the fiscal year in China (预算法 18)."""
        return self.ordinal // MONTHS_PER_YEAR

    @property
    def month(self) -> int:
        """The number of the month, 1 to 12."""
        return self.ordinal % MONTHS_PER_YEAR + 1

    @property
    def is_december(self) -> bool:
        """Whether the fiscal year ends with it."""
        return self.month == MONTHS_PER_YEAR

    @property
    def first_day(self) -> date:
        """The first day of the month."""
        return date(self.year, self.month, 1)

    @property
    def last_day(self) -> date:
        """The last day of the month."""
        return self.first_day + relativedelta(months=1, days=-1)

    def __add__(self, months: int) -> Month:
        return Month(self.ordinal + months)

    def __sub__(self, other: Month) -> int:
        return self.ordinal - other.ordinal

    def __repr__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, order=True)
class Months:
    """A half-open run of months: `start` counts, `end` does not.

    >>> year = Months(Month.parse("2023-01"), Month.parse("2024-01"))
    >>> len(year), str(year), year & Months(Month.parse("2023-07"), Month.parse("2025-01"))
    (12, '2023-01..2023-12', 2023-07..2023-12)
    """

    start: Month
    end: Month

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise DateError("a period that ends before it starts", got=f"{self.start} to {self.end}")

    @classmethod
    def calendar_year(cls, year: int) -> Months:
        """January to December of a year."""
        return cls(Month(year * MONTHS_PER_YEAR), Month((year + 1) * MONTHS_PER_YEAR))

    @classmethod
    def parse(cls, text: str) -> Months:
        """A year, a month, or a run of months with the last one counted; DateError for anything else.

        >>> Months.parse("2024"), Months.parse("2024-05"), Months.parse("2024-05..2024-08")
        (2024-01..2024-12, 2024-05..2024-05, 2024-05..2024-08)
        """
        if re.fullmatch("[0-9]{4}", text):
            first, last = f"{text}-01", f"{text}-12"
            return cls(Month.parse(first), Month.parse(last) + 1)
        first, _, last = text.partition("..")
        return cls(Month.parse(first), Month.parse(last or first) + 1)

    def __len__(self) -> int:
        return self.end - self.start

    def __iter__(self) -> Iterator[Month]:
        return (Month(ordinal) for ordinal in range(self.start.ordinal, self.end.ordinal))

    def __contains__(self, month: Month) -> bool:
        return self.start <= month < self.end

    def __and__(self, other: Months) -> Months:
        start = max(self.start, other.start)
        return Months(start, max(start, min(self.end, other.end)))

    def __repr__(self) -> str:
        if not len(self):
            return f"{self.start} (no month)"
        return f"{self.start}..{self.end + -1}"

    __str__ = __repr__


class MonthRule(StrEnum):
    """Which months of partial service count in full."""

    ANY_DAY = "any_day"  # one day of service is enough
    FULL = "full"  # only months served from the first to the last day
    FIFTEENTH = "fifteenth"  # served on the 15th: started by then, or not ended before the 16th


def first_month(start: date, rule: MonthRule) -> Month:
    """The first month that counts when service starts on `start`.

    >>> [str(first_month(date(2021, 3, 16), rule)) for rule in MonthRule]
    ['2021-03', '2021-04', '2021-04']
    """
    counts = {MonthRule.ANY_DAY: True, MonthRule.FULL: start.day == 1, MonthRule.FIFTEENTH: start.day <= 15}[rule]
    return Month.of(start) + (0 if counts else 1)


def end_month(end: date, rule: MonthRule) -> Month:
    """The first month that no longer counts when `end` is the first day without service.

    >>> [str(end_month(date(2021, 3, 16), rule)) for rule in MonthRule]
    ['2021-04', '2021-03', '2021-04']
    """
    counts = {MonthRule.ANY_DAY: end.day > 1, MonthRule.FULL: False, MonthRule.FIFTEENTH: end.day > 15}[rule]
    return Month.of(end) + (1 if counts else 0)


def service_year(first: Month, month: Month) -> int:
    """The number of the service year that a month falls in: 1 for the first twelve months, 0 or less before.

    >>> start = Month.parse("2021-07")
    >>> [service_year(start, start + n) for n in (-1, 0, 11, 12, 35, 36, 59, 60)]
    [0, 1, 1, 2, 3, 4, 5, 6]
    """
    return (month - first) // MONTHS_PER_YEAR + 1


def service_year_months(first: Month, number: int) -> Months:
    """The twelve months of a service year.

    >>> service_year_months(Month.parse("2021-07"), 3)
    2023-07..2024-06
    """
    start = first + (number - 1) * MONTHS_PER_YEAR
    return Months(start, start + MONTHS_PER_YEAR)


def whole_months(first: date, last: date) -> int:
    """Whole months from one day to another, never below 0.

    >>> whole_months(date(2023, 1, 31), date(2024, 2, 29)), whole_months(date(2024, 2, 1), date(2024, 1, 1))
    (13, 0)
    """
    passed = relativedelta(last, first)
    return max(0, passed.years * MONTHS_PER_YEAR + passed.months)


def parse_day(text: str) -> date:
    """The day written YYYY-MM-DD; DateError for anything else and for days that do not exist.

    >>> parse_day("2024-02-29")
    datetime.date(2024, 2, 29)
    """
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise DateError("not a day of the calendar", got=repr(text), wanted="YYYY-MM-DD") from None


def near_day(day: date) -> date:
    """The day, if it is one to reckon with; DateError for one of another millennium, which stands for no day at all.

    >>> near_day(date(2024, 3, 1))
    datetime.date(2024, 3, 1)
    """
    if not NEAR[0] <= day <= NEAR[1]:
        wanted = f"{NEAR[0]} to {NEAR[1]}"
        raise DateError("too far off to reckon with", got=str(day), wanted=wanted, fix="leave an open end out")
    return day


def given_day(value: object, where: str) -> date:
    """The day as a caller gave it; DateError for anything else: a moment is no day, it has one in its own time zone.

    >>> given_day(date(2024, 3, 1), "on")
    datetime.date(2024, 3, 1)
    """
    if type(value) is not date:
        moment = isinstance(value, date)
        raise DateError(
            "not a day",
            where=where,
            got=f"a {type(value).__name__}: {value!r}" if value is not None else "None",
            wanted="a datetime.date",
            fix="give its .date()" if moment else "give the day, as date(2024, 3, 1)",
        )
    return value


def given_year(value: object, where: str) -> int:
    """The year as a caller gave it; DateError for anything else, and for one that has no next.

    >>> given_year(2024, "year")
    2024
    """
    if type(value) is not int or not MINYEAR <= value < MAXYEAR:
        raise DateError("not a year", where=where, got=repr(value), wanted="a calendar year, as 2024")
    return value


def is_weekday(day: date) -> bool:
    """Monday to Friday: what counts as a working day where no holiday calendar is given."""
    return day.weekday() < 5


def working_days(put_right: Mapping[date, bool]) -> Callable[[date], bool]:
    """Working days by the published holidays of China, with days put right by hand; beyond the published, weekdays.

    `put_right` maps a day to whether it is a working day. `chinesecalendar` knows holidays and the weekend days that
    are worked in exchange, for the years announced; `holidays_known` says which.

    >>> works = working_days({date(2030, 1, 1): False})
    >>> works(date(2024, 10, 1)), works(date(2024, 10, 12)), works(date(2030, 1, 1)), works(date(2030, 1, 2))
    (False, True, False, True)
    """
    import chinese_calendar

    def works(day: date) -> bool:
        if day in put_right:
            return put_right[day]
        try:
            return bool(chinese_calendar.is_workday(day))
        except NotImplementedError:
            return is_weekday(day)

    return works


def holidays_known(day: date) -> bool:
    """Whether the holidays of a day's year are published, and known to the calendar that is installed."""
    import chinese_calendar

    try:
        chinese_calendar.is_holiday(day)
    except NotImplementedError:
        return False
    return True


def deadline(start: date, *, days: int = 0, months: int = 0, working_day: Callable[[date], bool] = is_weekday) -> date:
    """The last day of a time limit under Civil Code 201-203.

    The first day is not counted; a month ends on the corresponding day or, lacking one, on the month's last day; a
    limit that ends on a rest day ends on the next working day.

    >>> deadline(date(2024, 1, 31), months=1), deadline(date(2024, 1, 10), days=30)
    (datetime.date(2024, 2, 29), datetime.date(2024, 2, 9))
    >>> deadline(date(2024, 1, 5), days=8)  # a Saturday rolls to Monday
    datetime.date(2024, 1, 15)
    """
    last = start + relativedelta(months=months) + timedelta(days=days)
    while not working_day(last):
        last += timedelta(days=1)
    return last
