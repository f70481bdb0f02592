"""The language of documents in words, Chinese and English side by side: facts, conditions, values, periods."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fractions import Fraction

from estate_funds.money import format_rate
from estate_funds.policy import Bounds, Document, Provision, Rate
from estate_funds.policy.facts import Derived

NAMES = {
    "city": "市", "district": "区", "street": "街道（镇）", "community": "社区", "estate": "小区", "household": "户",
    "m2": "平方米", "building": "幢", "each": "每个", "floor_area_m2": "建筑面积", "buildings": "幢数",
    "office_area_m2": "物业用房面积", "completed_on": "建成日期", "renovated_on": "改造完成日期",
    "service_start": "服务开始日", "gate": "封闭或开放", "started_on": "起始日", "score": "考核得分",
    "assessment": "考核结果", "subject": "对象本身",
}  # fmt: skip
PERIODS = {
    "service_year": "每服务年 / each service year", "calendar_year": "每自然年 / each calendar year",
    "quarter": "每季度 / each quarter", "month": "每月 / each month", "year": "每年 / each year",
    "once": "一次 / once", "all": "全部期间 / all years together", "week": "每周 / each week",
}  # fmt: skip
ANCHORS = {
    "enrolment": "按加入之日的版本 / the version of the day of enrolment",
    "service_month": "按服务月份的版本 / the version of the month of service",
    "decision": "按决定之日的版本 / the version of the day of the decision",
}
COUNTED = {
    "service_year_start": "服务年首日 / the first day of the service year",
    "month_start": "每月首日 / the first day of each month",
    "enrolment": "加入之日 / the day of enrolment",
}
ROUNDING_LEVELS = {"line": "每行 / each line", "household": "每户 / each household", "claim": "整笔 / the claim"}
OTHERWISE = {
    "refuse": "不符合则不予支付 / else nothing is due",
    "hold": "不符合则暂缓 / else it waits",
    "warn": "不符合则提示 / else a warning",
}
EXCESS = {
    "pro_rata": "超出按比例分摊 / an excess is shared pro rata",
    "in_order": "按先后次序 / first come, first served",
    "refuse": "超出即拒绝 / an excess is refused",
}
_BOUNDS = {  # 以上、以下含本数，超过、不满不含本数（民法典第1259条）
    "at_least": ("不少于", "at least"), "above": ("超过", "more than"), "at_most": ("不多于", "at most"),
    "below": ("不满", "less than"), "on_or_after": ("不早于", "on or after"), "after": ("晚于", "after"),
    "on_or_before": ("不晚于", "on or before"), "before": ("早于", "before"),
}  # fmt: skip
_TIMES = {
    "month": (" × 月数", " × months"), "quarter": (" × 季度数", " × quarters"), "year": (" × 年数", " × years"),
    "once": ("", ""),
}  # fmt: skip
_WAYS = {
    "sum_of": (" + ", "合计 / the sum"), "least_of": (", ", "取最小 / the least"),
    "greatest_of": (", ", "取最大 / the greatest"), "product_of": (" × ", "乘积 / the product"),
    "difference": (" − ", "差，不低于 0 / the difference, not below 0"), "ratio": (" ÷ ", "比率 / the ratio"),
    "count_of": (", ", "是的个数 / how many are yes"),
}  # fmt: skip


def number(value: Fraction) -> str:
    """An exact number, in decimals where it has an end.

    >>> number(Fraction(18)), number(Fraction("67.5")), number(Fraction(1, 3))
    ('18', '67.5', '1/3')
    """
    for places in range(10):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = f"{abs(scaled.numerator):0{places + 1}}"
            whole = digits[:-places] + "." + digits[-places:] if places else digits
            return f"-{whole}" if value < 0 else whole
    return str(value)


def name_of(name: str) -> str:
    """A name of the language with its Chinese word, or the name alone."""
    return f"{NAMES[name]} `{name}`" if name in NAMES else f"`{name}`"


def names(found: Iterable[str]) -> str:
    """Several names."""
    return ", ".join(f"`{name}`" for name in found)


def span(start: date, until: date | None) -> str:
    """The days on which something is in force; the end is the first day after."""
    return f"{start} – {until or '今 now'}"


def condition(bounds: Bounds) -> str:
    """One condition: 物业用房面积 `office_area_m2` 不少于 at least 120."""
    limits: dict[str, Fraction] | dict[str, date] = bounds.numbers or bounds.days
    if bounds.is_:
        return f"{name_of(bounds.fact)} 为 is {names(bounds.is_)}"
    said = [f"{' '.join(_BOUNDS[n])} {number(b) if isinstance(b, Fraction) else b}" for n, b in limits.items()]
    of = f" × {name_of(bounds.of)}" if bounds.of else ""
    step = f"（取整至 rounded to {number(bounds.rounded_to)}）" if bounds.rounded_to else ""
    return f"{name_of(bounds.fact)} {' 且 and '.join(said)}{of}{step}"


def conditions(group: Iterable[Bounds]) -> str:
    """Conditions that must all hold."""
    return "；且 and ".join(condition(bounds) for bounds in group)


def derivation(rule: Derived) -> str:
    """How a derived fact comes about."""
    match rule.way:
        case "when":
            return f"是，若 yes if {conditions(rule.when)}"
        case "any_of":
            return "是，若 yes if " + "；或 or ".join(f"({conditions(group)})" for group in rule.any_of)
        case "classes":
            said = [f"`{c.is_}`：{conditions(c.when) or '其余 all the rest'}" for c in rule.classes]
            return "；".join(said)
        case "values":
            return "；".join(f"{number(v.value)}：{conditions(v.when) or '其余 all the rest'}" for v in rule.values)
        case "rank_of":
            among = f"（在同一 within one {name_of(rule.within)}）" if rule.within else ""
            return f"{name_of(str(rule.rank_of))} 的名次，高者在前 / its place, the highest first{among}"
        case "previous":
            return f"{name_of(str(rule.previous))} 的上期值 / its value in the period before"
        case "months_between":
            return " → ".join(map(name_of, rule.months_between)) + "（足月数 / whole months）"
    if rule.steps:
        part = (
            "不足一份按一份 / a part counts as one"
            if rule.steps.round == "up"
            else "不足一份不计 / a part does not count"
        )
        return f"{name_of(rule.steps.of)} ÷ {number(rule.steps.size)}（整份数，{part}）"
    if rule.sum_over:
        return f"每个 each {name_of(rule.sum_over.kind)} 的 `{rule.sum_over.fact}`（合计 / the sum）"
    sign, what = _WAYS[rule.way]
    return f"{sign.join(f'`{name}`' for name in getattr(rule, rule.way))}（{what}）"


def sum_in_words(document: Document, provision: Provision) -> tuple[str, str]:
    """What is paid, as one sentence in Chinese and one in English."""
    payers = dict.fromkeys(payer for split in provision.payers for payer in split.payers)
    zh_payers = "、".join(map(_zh, payers))
    period_zh, _, period_en = PERIODS[provision.claim_period].partition(" / ")
    each_zh = _zh(provision.each)
    if provision.sum == "rate_times_base":
        unit = provision.rate[-1].unit
        rate_zh, rate = ("比例", "a share") if unit.is_share else ("标准", "the rate")
        time_zh, time = _TIMES[unit.per]
        zh = f"{each_zh}：{_zh(unit.base)} × {rate_zh}{time_zh}，{period_zh}，由{zh_payers}承担。"
        en = f"For each {provision.each}: `{unit.base}` × {rate}{time}, {period_en}, paid by {_and(payers)}."
        return zh, en
    weight, weight_zh = "by the weighted indicators", "按各项指标加权"
    if provision.weights:
        equal = provision.weights == "each"
        weight, weight_zh = (
            ("equally", "平均") if equal else (f"by `{provision.weights}`", f"按{_zh(provision.weights)}")
        )
    within, within_zh = (f" of each {provision.pool}", f"每个{_zh(provision.pool)}的") if provision.pool else ("", "")
    zh = f"{period_zh}：{within_zh}总额{weight_zh}分配给各{each_zh}，由{zh_payers}承担。"
    en = f"A total{within} is divided among each {provision.each} {weight}, {period_en}, paid by {_and(payers)}."
    return zh, en


def rate_rows(rate: Rate) -> list[tuple[str, str, str]]:
    """(key below the rate, for what, how much) of one version of a rate."""
    unit = rate.unit.text
    if rate.value is not None:
        return [("value", "", f"{_amount(rate.value, rate)} {unit}")]
    rows = []
    for n, tier in enumerate(rate.tiers):
        years = "–".join(dict.fromkeys(map(str, tier.service_years)))
        said = [f"服务年 service year {years}"] if years else []
        said += [conditions(tier.when)] if tier.when else []
        rows.append((f"tiers[{n}]", "；".join(said), f"{_amount(tier.value, rate)} {unit}"))
    for n, piece in enumerate(rate.slices):
        most = f"至 up to {number(piece.up_to)}" if piece.up_to is not None else "其余 the rest"
        rows.append((f"slices[{n}]", most, f"{_amount(piece.value, rate)} {unit}"))
    return rows


def shares(parts: dict[str, Fraction]) -> str:
    """Who pays which share: 市 `city` 1/2, 区 `district` 1/2."""
    return ", ".join(f"{name_of(payer)} {share}" for payer, share in parts.items())


def _amount(value: Fraction, rate: Rate) -> str:
    return number(value) if rate.unit.is_share else format_rate(value)


def _zh(name: str) -> str:
    return NAMES.get(name, f"`{name}`")


def _and(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
