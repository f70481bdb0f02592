from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate_funds.errors import AllocationError, AmountError
from estate_funds.money import (
    MAX_FEN,
    Rounding,
    allocate,
    allocate_within,
    format_rate,
    format_yuan,
    parse_rate,
    parse_share,
    parse_yuan,
    round_fen,
)


@pytest.mark.parametrize(
    ("exact", "half_up", "half_even", "down", "up"),
    [("5/2", 3, 2, 2, 3), ("7/2", 4, 4, 3, 4), ("-5/2", -3, -2, -2, -3), ("9/4", 2, 2, 2, 3), ("2", 2, 2, 2, 2),
     ("1/1000", 0, 0, 0, 1), ("249/100", 2, 2, 2, 3)],
)  # fmt: skip
def test_rounding_modes(exact: str, half_up: int, half_even: int, down: int, up: int) -> None:
    value = Fraction(exact)
    got = [round_fen(value, m) for m in (Rounding.HALF_UP, Rounding.HALF_EVEN, Rounding.DOWN, Rounding.UP)]
    assert got == [half_up, half_even, down, up]


@pytest.mark.parametrize(
    ("exact", "step", "half_up", "half_even", "down", "up"),
    [(12_345, 100, 12_300, 12_300, 12_300, 12_400), (12_350, 100, 12_400, 12_400, 12_300, 12_400),
     (12_250, 100, 12_300, 12_200, 12_200, 12_300), (-12_350, 100, -12_400, -12_400, -12_300, -12_400),
     (99, 10, 100, 100, 90, 100), (400, 100, 400, 400, 400, 400)],
)  # fmt: skip
def test_a_coarser_step_rounds_to_its_multiples(
    exact: int, step: int, half_up: int, half_even: int, down: int, up: int
) -> None:
    got = [
        round_fen(exact, m, step_fen=step) for m in (Rounding.HALF_UP, Rounding.HALF_EVEN, Rounding.DOWN, Rounding.UP)
    ]
    assert got == [half_up, half_even, down, up]
    assert round_fen(Fraction(exact * 2, 2), Rounding.UP, step_fen=step) == up


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


def test_equal_remainders_go_by_the_text_of_the_key_and_nothing_stays_nothing() -> None:
    assert allocate(1, {"b": 1, "a": 1, "c": 1}) == {"b": 0, "a": 1, "c": 0}
    assert allocate(2, {9: 1, 10: 1, 11: 1}, first=[9]) == {9: 1, 10: 1, 11: 0}
    assert allocate(0, {"a": 1, "b": 2}) == {"a": 0, "b": 0}
    assert allocate(1, {"a": Fraction(1, 3)}) == {"a": 1}


@pytest.mark.parametrize(
    ("total", "weights", "low", "high", "parts"),
    [
        (100, {"a": 1, "b": 1}, {}, {}, {"a": 50, "b": 50}),
        (100, {"a": 1, "b": 1}, {"a": 60}, {}, {"a": 60, "b": 40}),
        (100, {"a": 1, "b": 1}, {}, {"a": 40}, {"a": 40, "b": 60}),
        (100, {"a": 1, "b": 1}, {}, {"a": 40, "b": 45}, {"a": 40, "b": 45}),  # the rest is nobody's
        (100, {"a": 1, "b": 1}, {"a": 50}, {"b": 50}, {"a": 50, "b": 50}),  # a bound that is just met
        (100, {"a": 1, "b": 1}, {"a": 60, "b": 40}, {}, {"a": 60, "b": 40}),  # the floors ask for all
        (
            2,
            {"a": 3, "b": 1, "c": 1},
            {},
            {"c": 0},
            {"a": 1, "b": 1, "c": 0},
        ),  # whom a bound leaves as it is, it leaves
        (21, {"a": 6, "b": 0}, {"a": 2, "b": 13}, {"a": 10, "b": 32}, {"a": 8, "b": 13}),  # the floor weighs more
        (26, {"a": 4, "b": 3}, {"b": 15}, {"a": 3, "b": 27}, {"a": 3, "b": 23}),  # the cap weighs more
        (17, {"a": 6, "b": 0}, {"a": 2, "b": 15}, {"a": 29}, {"a": 2, "b": 15}),
        (30, {"a": 1, "b": 0, "c": 0}, {}, {"a": 10}, {"a": 10, "b": 0, "c": 0}),  # nothing to divide the rest by
    ],
)
def test_parts_within_their_bounds(
    total: int, weights: dict[str, int], low: dict[str, int], high: dict[str, int], parts: dict[str, int]
) -> None:
    assert allocate_within(total, weights, low=low, high=high) == parts


def test_floors_beyond_the_total_are_refused() -> None:
    with pytest.raises(AllocationError, match="floors"):
        allocate_within(99, {"a": 1, "b": 1}, low={"a": 60, "b": 40}, high={})


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


@pytest.mark.parametrize(
    "text", ["", "abc", "12.345", "1.2.3", "12,34.5", "NaN", "Infinity", "1e5", "十八", "1" * 25, "X5", "5 CNY", "元5"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        parse_yuan(text)


@given(st.integers(-MAX_FEN, MAX_FEN), st.sampled_from(["en", "zh_CN"]))
def test_printing_and_reading_back(fen: int, locale: str) -> None:
    assert parse_yuan(format_yuan(fen, locale=locale), locale=locale) == fen


def test_printing_in_two_locales() -> None:
    assert format_yuan(762588000, locale="zh_CN", currency=True) == "¥7,625,880.00"
    assert format_yuan(762588000, locale="en", currency=True) == "CNY 7,625,880.00"
    assert format_yuan(762588000, locale="de") == "7.625.880,00"


@pytest.mark.parametrize("text", ["18,00", "1e3", "eighteen", "1/0", "", "0.5f"])
def test_rates_are_exact_numbers(text: str) -> None:
    with pytest.raises(AmountError):
        parse_rate(text)
    assert format_rate(parse_rate("1.755")) == "1.755"


def test_a_rate_is_printed_with_as_many_decimals_as_it_has_up_to_nine() -> None:
    assert [format_rate(Fraction(1, 2**n)) for n in (1, 3, 9, 10)] == ["0.50", "0.125", "0.001953125", "1/1024"]


@pytest.mark.parametrize(
    ("text", "share"), [("0", 0), ("0%", 0), ("1", 1), ("100%", 1), ("1/2", Fraction(1, 2)), ("7.5%", Fraction(3, 40))]
)
def test_shares_of_one(text: str, share: Fraction) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["-0.1", "-1%", "1.001", "100.1%", "2", "3/2", "%5", "5%%", "", "%"])
def test_what_is_no_share_of_one_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        parse_share(text)
