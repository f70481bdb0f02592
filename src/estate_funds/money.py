"""Money is a whole number of fen; every division names its rounding, and parts always sum.

Rates are exact fractions of a yuan; no float is ever accepted. The three things that money does here are to be
rounded (`round_fen`), divided (`allocate`), and read or printed (`parse_yuan`, `format_yuan`, through Babel).
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import lcm
from typing import TypeVar

from estate_funds.errors import AllocationError, AmountError

FEN_PER_YUAN = 100
MAX_FEN = 2**63 - 1  # what a 64-bit column holds
_MOST_DIGITS = 25  # that Babel reads exactly

K = TypeVar("K", bound=Hashable)


class Rounding(StrEnum):
    """How a fraction of a fen becomes a whole one. Half-up (四舍五入) is the custom of Chinese finance."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    DOWN = "down"
    UP = "up"


def round_fen(exact_fen: Fraction | int, mode: Rounding = Rounding.HALF_UP, *, step_fen: int = 1) -> int:
    """Round an exact number of fen to a whole one; halves and directions are by magnitude, so signs mirror.

    `step_fen` rounds coarser: 100 to whole yuan.

    >>> round_fen(Fraction(5, 2)), round_fen(Fraction(-5, 2)), round_fen(Fraction(5, 2), Rounding.HALF_EVEN)
    (3, -3, 2)
    """
    if step_fen != 1:
        return round_fen(Fraction(exact_fen) / step_fen, mode) * step_fen
    if isinstance(exact_fen, int):
        return exact_fen
    whole, rest = divmod(abs(exact_fen.numerator), exact_fen.denominator)
    twice = 2 * rest
    up = {
        Rounding.HALF_UP: twice >= exact_fen.denominator,
        Rounding.HALF_EVEN: twice > exact_fen.denominator or (twice == exact_fen.denominator and whole % 2 == 1),
        Rounding.DOWN: False,
        Rounding.UP: rest > 0,
    }[mode]
    magnitude = whole + up
    return magnitude if exact_fen >= 0 else -magnitude


def allocate(total_fen: int, weights: Mapping[K, int | Fraction], *, first: Sequence[K] = ()) -> dict[K, int]:
    """Divide a total over weights by largest remainder: parts sum, none is off by a fen or more, none changes sign.

    Equal remainders go to the keys in `first`, in that order, then by the text of the key, so the result depends on
    nothing but its arguments. A negative total is divided as its mirror image.

    >>> allocate(101, {"city": 1, "district": 1}, first=["district"])
    {'city': 50, 'district': 51}
    >>> allocate(100, {"a": 1, "b": 1, "c": 1})
    {'a': 34, 'b': 33, 'c': 33}
    """
    if any(not isinstance(weight, int | Fraction) for weight in weights.values()):
        raise AllocationError("a weight is not exact", got={str(k): repr(w) for k, w in weights.items()})
    if any(weight < 0 for weight in weights.values()):
        raise AllocationError("a weight is negative", got={str(k): str(w) for k, w in weights.items()})
    unit = lcm(*(weight.denominator for weight in weights.values()))
    whole = {key: int(weight * unit) for key, weight in weights.items()}
    total = sum(whole.values())
    if total == 0:
        raise AllocationError("nothing to divide by: the weights sum to zero", got=list(weights))
    if total_fen < 0:
        return {key: -part for key, part in allocate(-total_fen, weights, first=first).items()}
    split = {key: divmod(total_fen * weight, total) for key, weight in whole.items()}
    parts = {key: part for key, (part, _) in split.items()}
    left = total_fen - sum(parts.values())
    if left:
        rank = {key: position for position, key in enumerate(first)}
        order = sorted(split, key=lambda key: (-split[key][1], rank.get(key, len(rank)), str(key)))
        for key in order[:left]:
            parts[key] += 1
    return parts


def allocate_within(
    total_fen: int, weights: Mapping[K, int | Fraction], *, low: Mapping[K, int], high: Mapping[K, int]
) -> dict[K, int]:
    """Divide a total over weights so that each part keeps its bounds: who hits one gets it, the others share the rest.

    What the upper bounds leave is not given to anybody; AllocationError where the lower bounds ask for more than all.

    >>> allocate_within(100, {"a": 8, "b": 1, "c": 1}, low={"c": 25}, high={"a": 60})
    {'a': 60, 'b': 15, 'c': 25}
    """
    if sum(low.values()) > total_fen:
        raise AllocationError("the floors ask for more than the total", got=sum(low.values()), wanted=total_fen)
    fixed: dict[K, int] = {}
    while True:
        free = {key: weight for key, weight in weights.items() if key not in fixed}
        left = total_fen - sum(fixed.values())
        parts = allocate(left, free) if any(free.values()) else dict.fromkeys(free, 0)
        over = {key: high[key] for key, part in parts.items() if key in high and part > high[key]}
        under = {key: low[key] for key, part in parts.items() if key in low and part < low[key]}
        if not over and not under:
            return {key: fixed[key] if key in fixed else parts[key] for key in weights}
        excess = sum(parts[key] - bound for key, bound in over.items())
        missing = sum(bound - parts[key] for key, bound in under.items())
        fixed |= over if excess >= missing else under  # the side that frees, or takes, more is settled first


def parse_rate(text: str) -> Fraction:
    """An exact number of yuan (or a share) from document text: digits with an optional point, or a ratio.

    >>> parse_rate("18.00"), parse_rate("1/3")
    (Fraction(18, 1), Fraction(1, 3))
    """
    try:
        if not isinstance(text, str) or any(c not in "0123456789./-" for c in text):
            raise ValueError
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise AmountError(
            "not an exact number", got=repr(text), wanted='digits in quotes, such as "18.00" or "1/2"'
        ) from None


def parse_share(text: str) -> Fraction:
    """An exact share of one, as people write it.

    >>> parse_share("0.705"), parse_share("70.5%"), parse_share("1/3")
    (Fraction(141, 200), Fraction(141, 200), Fraction(1, 3))
    """
    share = parse_rate(text.removesuffix("%"))
    share = share / 100 if text.endswith("%") else share
    if not 0 <= share <= 1:
        raise AmountError("not a share of one", got=repr(text), wanted="0 to 1: 0.705, 70.5% or 141/200")
    return share


def parse_yuan(text: str, *, locale: str = "zh_CN") -> int:
    """Fen from an amount in yuan as people write it in that locale; more than two decimals are refused.

    >>> parse_yuan("1,234.50"), parse_yuan("￥18"), parse_yuan("0.05 元")
    (123450, 1800, 5)
    """
    from babel.numbers import NumberFormatError, parse_decimal

    bare = text.strip().removeprefix("CNY").lstrip("¥￥").removesuffix("元").strip()
    if sum(map(bare.count, "0123456789")) > _MOST_DIGITS:
        wanted = f"at most {MAX_FEN} fen, with two decimals"
        raise AmountError("an amount beyond what a ledger column holds", got=repr(text), wanted=wanted)
    try:
        if not re.fullmatch(r"-?[0-9][0-9,]*(\.[0-9]+)?", bare):  # 1e5, 1_000 and NaN are numbers to a parser
            raise NumberFormatError(bare)
        amount = Fraction(parse_decimal(bare, locale=locale, strict=True))
    except NumberFormatError:
        raise AmountError("not an amount of yuan", got=repr(text), wanted="such as 1,234.50") from None
    fen = amount * FEN_PER_YUAN
    if fen.denominator != 1:
        raise AmountError("an amount finer than a fen", got=repr(text), wanted="at most two decimals")
    if abs(fen) > MAX_FEN:
        raise AmountError(
            "an amount beyond what a ledger column holds", got=repr(text), wanted=f"at most {MAX_FEN} fen"
        )
    return int(fen)


def format_yuan(fen: int, *, locale: str = "en", currency: bool = False) -> str:
    """An amount of fen printed in yuan with two decimals and the locale's separators.

    >>> format_yuan(40716000), format_yuan(-5), format_yuan(40716000, currency=True)
    ('407,160.00', '-0.05', 'CNY 407,160.00')
    """
    from babel.numbers import format_decimal

    yuan = Decimal(fen).scaleb(-2)
    number = str(format_decimal(yuan, format="#,##0.00", locale=locale))
    if not currency:
        return number
    return f"¥{number}" if locale.startswith("zh") else f"CNY {number}"


def format_rate(yuan: Fraction) -> str:
    """A rate as a document writes it: two decimals when they suffice, else as many as it has, else the ratio.

    >>> format_rate(Fraction(18)), format_rate(Fraction("1.755")), format_rate(Fraction(1, 3))
    ('18.00', '1.755', '1/3')
    """
    for places in range(2, 10):
        scaled = yuan * 10**places
        if scaled.denominator == 1:
            return f"{Decimal(scaled.numerator).scaleb(-places):.{places}f}"
    return str(yuan)
