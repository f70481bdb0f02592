"""Strategies of amounts, days, months, periods, service years and rates."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from math import ceil, floor
from random import Random
from typing import TypeVar

from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from estate_funds.calendar import Month, Months
from estate_funds.money import format_yuan

T = TypeVar("T")
LARGEST_FEN = 2**63 - 1  # what a ledger column holds
FIRST_DAY, LAST_DAY = date(2021, 1, 1), date(2030, 12, 31)  # where nothing else is said
FIRST_MONTH, LAST_MONTH = Month.of(FIRST_DAY), Month.of(LAST_DAY)
_FEW_FEN = 300  # as far as people look first
_EDGES = (99, 100, 101, 10_000, 100_000, 2**31 - 1, 2**31, 2**53 + 1, LARGEST_FEN - 1, LARGEST_FEN)


def simplest(strategy: st.SearchStrategy[T], such_that: Callable[[T], object] | None = None) -> T:
    """The simplest value that a strategy draws, or the one that it shrinks to where it has to meet a condition.

    The same each time. Raises Hypothesis' NoSuchExample where two thousand values did not meet it.

    >>> simplest(amounts()), simplest(amounts(), lambda fen: fen > 7)
    (1, 8)
    """
    phases = [Phase.generate] if such_that is None else [Phase.generate, Phase.shrink]  # the simplest is drawn first
    afresh = settings(database=None, max_examples=2_000, deadline=None, phases=phases)
    return find(strategy, lambda value: such_that is None or bool(such_that(value)), settings=afresh, random=Random(0))


def refuse_unless(holds: object, problem: str) -> None:
    """InvalidArgument where the arguments of a strategy do not go together."""
    if not holds:
        raise InvalidArgument(problem)


def check_range(low: int, high: int, name: str, *, least: int) -> None:
    """InvalidArgument unless both are whole numbers and `least <= low <= high`."""
    for bound in (low, high):
        refuse_unless(type(bound) is int, f"{name}: wanted whole numbers, got {bound!r}")
    refuse_unless(least <= low <= high, f"{name}: wanted {least} <= min <= max, got {low} and {high}")


def amounts(*, min_fen: int = 1, max_fen: int = LARGEST_FEN) -> st.SearchStrategy[int]:
    """Amounts in fen: mostly few, odd ones among them, and those at which columns and floats end.

    Shrinks to `min_fen`.

    >>> simplest(amounts()), simplest(amounts(), lambda fen: fen % 2 == 0), simplest(amounts(), lambda n: n > 2**53)
    (1, 2, 9007199254740993)
    """
    check_range(min_fen, max_fen, "amounts", least=0)
    refuse_unless(max_fen <= LARGEST_FEN, f"amounts: wanted at most {LARGEST_FEN}, got {max_fen}")
    edges = [edge for edge in _EDGES if min_fen <= edge <= max_fen] or [min_fen]
    few = st.integers(min_fen, min(max_fen, min_fen + _FEW_FEN))
    return st.one_of(few, st.sampled_from(edges), st.integers(min_fen, max_fen))


def yuan_texts(*, min_fen: int = 1, max_fen: int = LARGEST_FEN) -> st.SearchStrategy[str]:
    """Amounts in yuan as people write them, with signs, words and separators or without; `parse_yuan` reads each.

    Shrinks to `min_fen`, written plainly.

    >>> simplest(yuan_texts()), simplest(yuan_texts(), lambda text: "," in text)
    ('0.01', '1,000.00')
    """
    return st.builds(_written, amounts(min_fen=min_fen, max_fen=max_fen), st.integers(0, 5))


def _written(fen: int, way: int) -> str:
    grouped = format_yuan(fen)
    plain = grouped.replace(",", "")
    short = plain.removesuffix(".00")
    return (plain, grouped, f"¥{grouped}", f"{short} 元", f"CNY {plain}", f"￥{short}")[way]


def days(*, min_day: date = FIRST_DAY, max_day: date = LAST_DAY) -> st.SearchStrategy[date]:
    """Days, the first and the last of months and years and leap days more often than others.

    Shrinks to `min_day`, and to the first of a month.

    >>> simplest(days()), simplest(days(), lambda day: day.day > 28)
    (datetime.date(2021, 1, 1), datetime.date(2021, 1, 31))
    """
    for day in (min_day, max_day):
        refuse_unless(type(day) is date, f"days: wanted dates, got {day!r}")
    refuse_unless(min_day <= max_day, f"days: wanted min_day <= max_day, got {min_day} and {max_day}")
    return _days(min_day, max_day)


@st.composite
def _days(draw: st.DrawFn, low: date, high: date) -> date:
    kind, month = draw(st.integers(0, 3)), _month(draw, Month.of(low), Month.of(high))
    last = monthrange(month.year, month.month)[1]
    number = 1 if kind == 0 else last if kind == 1 else draw(st.integers(1, last))
    return min(max(date(month.year, month.month, number), low), high)


def _month(draw: st.DrawFn, low: Month, high: Month) -> Month:
    """A month by year and number, so that each shrinks by itself."""
    year = draw(st.integers(low.year, high.year))
    first, last = (low.month if year == low.year else 1), (high.month if year == high.year else 12)
    return Month.of(date(year, draw(st.integers(first, last)), 1))


def months(*, min_month: Month = FIRST_MONTH, max_month: Month = LAST_MONTH) -> st.SearchStrategy[Month]:
    """Months. Shrinks to `min_month`.

    >>> simplest(months()), simplest(months(), lambda month: month.is_december)
    (2021-01, 2021-12)
    """
    for month in (min_month, max_month):
        refuse_unless(isinstance(month, Month), f"months: wanted Month, got {month!r}")
    refuse_unless(min_month <= max_month, f"months: wanted min_month <= max_month, got {min_month} and {max_month}")
    return _months(min_month, max_month)


@st.composite
def _months(draw: st.DrawFn, low: Month, high: Month) -> Month:
    return _month(draw, low, high)


def periods(
    *,
    min_month: Month = FIRST_MONTH,
    max_month: Month = LAST_MONTH,
    min_size: int = 1,
    max_size: int = 60,
) -> st.SearchStrategy[Months]:
    """Half-open runs of months from `min_month` on, of so many months, none of them after `max_month`.

    Shrinks to `min_size` months from `min_month` on.

    >>> simplest(periods()), simplest(periods(), lambda period: len(period) > 12)
    (2021-01..2021-01, 2021-01..2022-01)
    """
    check_range(min_size, max_size, "periods", least=0)
    last = max_month + 1 + -min_size
    refuse_unless(min_month <= last, f"periods: no {min_size} months from {min_month} to {max_month}")

    def from_start(start: Month) -> st.SearchStrategy[Months]:
        longest = min(max_size, max_month + 1 - start)
        return st.integers(min_size, longest).map(lambda size: Months(start, start + size))

    return months(min_month=min_month, max_month=last).flatmap(from_start)


def service_years(*, min_year: int = 1, max_year: int = 8) -> st.SearchStrategy[int]:
    """Numbers of service years: 1 is the first twelve months of service. Shrinks to `min_year`.

    >>> simplest(service_years())
    1
    """
    check_range(min_year, max_year, "service_years", least=1)
    return st.integers(min_year, max_year)


def rates(
    *, min_yuan: int | Fraction = 0, max_yuan: int | Fraction = 1_000, finer_than_fen: bool = True
) -> st.SearchStrategy[Fraction]:
    """Exact rates in yuan: whole, in fen, and, unless told otherwise, finer than a fen and such as 1/3.

    Shrinks to the least whole number of yuan that there is.

    >>> simplest(rates(), lambda rate: rate > 0), simplest(rates(), lambda rate: (rate * 100).denominator > 1)
    (Fraction(1, 1), Fraction(1, 3))
    """
    for bound in (min_yuan, max_yuan):
        refuse_unless(type(bound) in (int, Fraction), f"rates: wanted exact numbers, got {bound!r}")
    refuse_unless(0 <= min_yuan <= max_yuan, f"rates: wanted 0 <= min <= max, got {min_yuan} and {max_yuan}")
    parts = (1, 100, 3, 7, 10_000, 100_000) if finer_than_fen else (1, 100)
    ranges = {part: (ceil(min_yuan * part), floor(max_yuan * part)) for part in parts}
    possible = [_in_parts(part, low, high) for part, (low, high) in ranges.items() if low <= high]
    refuse_unless(possible, f"rates: no such rate from {min_yuan} to {max_yuan}")
    return st.one_of(possible)


def _in_parts(part: int, low: int, high: int) -> st.SearchStrategy[Fraction]:
    return st.integers(low, high).map(lambda count: Fraction(count, part))
