"""Rules about budget that lies idle, or that a year hardly used."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from estate_funds.audit.moves import C, D
from estate_funds.audit.report import Finding, Severity
from estate_funds.audit.rules import Material, Rule
from estate_funds.funds import Account
from estate_funds.journal import Entry, Kind
from estate_funds.money import format_yuan

WARNING = Severity.WARNING
_BUDGET = Account.UNENCUMBERED.value
_LAPSE_YEARS = 2
MATERIAL_FEN = 1_000_000  # 10,000 yuan: of less, nobody is asked (custom)


@dataclass(slots=True)
class _Used:
    """A fund's budget: what was appropriated, and on which days how much of it was promised, spent, moved or lapsed."""

    appropriated: list[Entry] = field(default_factory=list)
    used: list[tuple[date, int]] = field(default_factory=list)
    ended: list[date] = field(default_factory=list)  # days on which budget lapsed


def _appropriations(about: Material) -> Sequence[Entry]:
    return [entry for entry in about.standing if entry.draft.kind is Kind.APPROPRIATION]


def _budgets(about: Material) -> dict[str, _Used]:
    funds: dict[str, _Used] = defaultdict(_Used)
    for entry in about.standing:
        draft = entry.draft
        if draft.kind is Kind.APPROPRIATION:
            for fund in dict.fromkeys(p.fund for p in draft.postings):
                funds[fund].appropriated.append(entry)
            continue
        for fund, account, _, side, fen in draft.postings:
            if account == Account.AUTHORITY.value and side == C and draft.kind in (Kind.CARRY_FORWARD, Kind.RELEASE):
                funds[fund].ended.append(draft.effective)
            elif account == _BUDGET and draft.kind is not Kind.CARRY_FORWARD:
                if side == D:
                    funds[fund].used.append((draft.effective, fen))
                elif draft.kind is Kind.RELEASE:
                    funds[fund].used.append((draft.effective, -fen))
    return {fund: funds[fund] for fund in sorted(funds) if funds[fund].appropriated}


def appropriated_fen(entry: Entry, fund: str) -> int:
    """What an entry appropriates to a fund, in fen."""
    return sum(fen for f, account, _, side, fen in entry.draft.postings if (f, account, side) == (fund, _BUDGET, C))


def _idle_years(budget: _Used, as_of: date) -> dict[int, list[Entry]]:
    """The years of which nothing that was appropriated had been used when two more were over; what was, by year."""
    touched = sorted([*(day for day, fen in budget.used if fen > 0), *budget.ended])
    idle: dict[int, list[Entry]] = defaultdict(list)
    for entry in budget.appropriated:
        day, last = entry.draft.effective, entry.draft.effective.year + _LAPSE_YEARS
        at = bisect_left(touched, day)
        if as_of.year > last and (at == len(touched) or touched[at].year > last):
            idle[day.year].append(entry)
    return idle


def idle_appropriation(*, at_least_fen: int = MATERIAL_FEN) -> Rule:
    """The rule that finds budget of a year, of `at_least_fen` or more, of which nothing was used for two years.

    That is until the end of the second year after; promised, spent, moved on and lapsed budget is not idle.
    """

    def find(about: Material, rule: Rule) -> Iterator[Finding]:
        for fund, budget in about.once(_budgets).items():
            for year, entries in _idle_years(budget, about.as_of).items():
                fen = sum(appropriated_fen(entry, fund) for entry in entries)
                if fen >= at_least_fen:
                    yield rule.found(
                        f"{fund} promised and spent nothing from {year} until the end of {year + _LAPSE_YEARS}",
                        *entries[:20], got=f"{format_yuan(fen)} yuan appropriated in {year}",
                        wanted="used within two years, or surplus", amount_fen=fen, subject=fund,
                    )  # fmt: skip

    return Rule(
        "idle-appropriation", WARNING, "Budget appropriated, and nothing of it promised or spent for two years.",
        "预算法 42 (article not verified): carried forward and unused for two years, it is surplus",
        "promise it, move it where it is needed, or surrender it",
        over=_appropriations, find=find,
        example="500,000.00 appropriated in May 2021, and nothing promised by the end of 2023.",
    )  # fmt: skip


def weak_utilisation(
    *, share: Fraction = Fraction(1, 2), carried_share: Fraction = Fraction(1, 10), until_month: int = 9,
    at_least_fen: int = MATERIAL_FEN,
) -> Rule:  # fmt: skip
    """The rule that finds budgets of a year, of `at_least_fen` or more, of which less than `share` was used by its end.

    A fund that carries forward may use its budget later: of that, less than `carried_share` by the end of the next
    year. Used is what was promised, spent or moved on, less what was released. What was appropriated after the month
    `until_month` is not judged: it came too late to be used. A year that `idle-appropriation` finds is not found again.
    """

    def find(about: Material, rule: Rule) -> Iterator[Finding]:
        for name, budget in about.once(_budgets).items():
            fund = about.ledger.funds.get(name)
            used: dict[int, int] = defaultdict(int)
            for day, fen in budget.used:
                used[day.year] += fen
            idle = _idle_years(budget, about.as_of)
            in_time: dict[int, list[Entry]] = defaultdict(list)
            for entry in budget.appropriated:
                if entry.draft.effective.month <= until_month:
                    in_time[entry.draft.effective.year].append(entry)
            for year, entries in in_time.items():
                fen = sum(appropriated_fen(entry, name) for entry in entries)
                carried = fund is not None and fund.carry_forward
                last, least = (year + 1, carried_share) if carried else (year, share)
                gone = sum(used[y] for y in range(year, last + 1))
                judged = fen >= at_least_fen and last < about.as_of.year and year not in idle
                if judged and gone < least * fen:
                    yield rule.found(
                        f"{name} used less than {least} of its budget of {year}", *entries[:20],
                        got=f"{format_yuan(gone)} of {format_yuan(fen)} yuan",
                        wanted=f"at least {least} by the end of {last}", amount_fen=fen - gone, subject=name,
                    )  # fmt: skip

    return Rule(
        "weak-utilisation", WARNING,
        "A year's budget of which less than a half was used by its end; of one that is carried forward, less than a "
        "tenth by the end of the next.",
        "预算法 57 (article not verified); the share: custom", "explain what held it up, and cut the next budget",
        over=_appropriations, find=find,
        example="1,000,000.00 appropriated in January, and 120,000.00 of it promised by 31 December.",
    )  # fmt: skip


BUDGET_RULES = (idle_appropriation(), weak_utilisation())

__all__ = ["BUDGET_RULES", "MATERIAL_FEN", "appropriated_fen", "idle_appropriation", "weak_utilisation"]
