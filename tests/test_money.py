from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate_funds.errors import AllocationError, AmountError
from estate_funds.money import MAX_FEN, Rounding, allocate, format_rate, format_yuan, parse_rate, parse_yuan, round_fen


@pytest.mark.parametrize(
    ("exact", "half_up", "half_even", "down", "up"),
    [("5/2", 3, 2, 2, 3), ("7/2", 4, 4, 3, 4), ("-5/2", -3, -2, -2, -3), ("9/4", 2, 2, 2, 3), ("2", 2, 2, 2, 2),
     ("1/1000", 0, 0, 0, 1), ("249/100", 2, 2, 2, 3)],
)  # fmt: skip
def test_rounding_modes(exact: str, half_up: int, half_even: int, down: int, up: int) -> None:
    value = Fraction(exact)
    got = [round_fen(value, m) for m in (Rounding.HALF_UP, Rounding.HALF_EVEN, Rounding.DOWN, Rounding.UP)]
    assert got == [half_up, half_even, down, up]


def test_float_would_round_area_times_rate_wrong_and_we_do_not() -> None:
    assert round_fen(Fraction("0.82") * Fraction("1.75") * 100) == 144  # 143.5 fen
    assert round(0.82 * 1.75 * 100) != 144 or round(1.145 * 100) == 114


@given(st.fractions(), st.sampled_from(Rounding))
def test_rounding_is_within_one_fen_and_mirrors_signs(value: Fraction, mode: Rounding) -> None:
    assert abs(round_fen(value, mode) - value) < 1
    assert round_fen(-value, mode) == -round_fen(value, mode)


DECIMAL = {
    Rounding.HALF_UP: decimal.ROUND_HALF_UP,
    Rounding.HALF_EVEN: decimal.ROUND_HALF_EVEN,
    Rounding.DOWN: decimal.ROUND_DOWN,
    Rounding.UP: decimal.ROUND_UP,
}


@given(st.integers(-(10**9), 10**9), st.sampled_from([1, 2, 4, 5, 8, 20]), st.sampled_from(Rounding), st.sampled_from([1, 10, 100]))  # fmt: skip
def test_rounding_is_that_of_decimal_numbers(parts: int, of: int, mode: Rounding, step: int) -> None:
    wanted = (Decimal(parts) / of / step).quantize(Decimal(1), DECIMAL[mode]) * step
    assert round_fen(Fraction(parts, of), mode, step_fen=step) == wanted


WEIGHTS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.one_of(st.integers(0, 3), st.integers(0, 10**6), st.fractions(0, 50)),
    min_size=1,
    max_size=12,
).filter(lambda weights: any(weights.values()))


@given(st.integers(-20, 20) | st.integers(-(10**12), 10**12) | st.integers(-MAX_FEN, MAX_FEN), WEIGHTS)
def test_allocation_sums_stays_within_a_fen_and_keeps_signs(total: int, weights: dict[str, Fraction]) -> None:
    parts = allocate(total, weights)
    whole = sum(map(Fraction, weights.values()))
    assert sum(parts.values()) == total
    for key, part in parts.items():
        assert abs(part - total * Fraction(weights[key]) / whole) < 1
        assert part * total >= 0
    assert parts == allocate(total, dict(reversed(weights.items())))


def test_the_odd_fen_goes_where_the_document_says() -> None:
    halves = {"city": Fraction(1, 2), "district": Fraction(1, 2)}
    assert allocate(1, halves, first=["district"]) == {"city": 0, "district": 1}
    assert allocate(1, halves, first=["city"]) == {"city": 1, "district": 0}
    assert allocate(-1, halves, first=["district"]) == {"city": 0, "district": -1}


@pytest.mark.parametrize("weights", [{"a": -1, "b": 2}, {"a": 0}, {}])
def test_what_cannot_be_divided_is_refused(weights: dict[str, int]) -> None:
    with pytest.raises(AllocationError):
        allocate(1, weights)


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("18", 1800),
        ("18.00", 1800),
        ("1,234.50", 123450),
        ("¥0.05", 5),
        ("CNY 12.30", 1230),
        ("7 元", 700),
        ("-3.20", -320),
    ],
)
def test_amounts_as_people_write_them(text: str, fen: int) -> None:
    assert parse_yuan(text) == fen


@pytest.mark.parametrize("text", ["", "abc", "12.345", "1.2.3", "12,34.5", "NaN", "Infinity", "1e5", "十八", "1" * 25])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        parse_yuan(text)


@given(st.integers(-MAX_FEN, MAX_FEN), st.sampled_from(["en", "zh_CN"]))
def test_printing_and_reading_back(fen: int, locale: str) -> None:
    assert parse_yuan(format_yuan(fen, locale=locale), locale=locale) == fen


def test_printing_in_two_locales() -> None:
    assert format_yuan(762588000, locale="zh_CN", currency=True) == "¥7,625,880.00"
    assert format_yuan(762588000, locale="en", currency=True) == "CNY 7,625,880.00"


@pytest.mark.parametrize("text", ["18,00", "1e3", "eighteen", "1/0", "", "0.5f"])
def test_rates_are_exact_numbers(text: str) -> None:
    with pytest.raises(AmountError):
        parse_rate(text)
    assert format_rate(parse_rate("1.755")) == "1.755"
