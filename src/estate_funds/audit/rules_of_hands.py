"""Rules about who books, when and under which number: maker and approver, back-dating, closed periods, gaps."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise

from estate_funds.audit.moves import C, folded
from estate_funds.audit.report import Finding, Severity
from estate_funds.audit.rules import Material, Rule
from estate_funds.errors import EstateFundsError
from estate_funds.funds import Account
from estate_funds.journal import Entry, Kind
from estate_funds.ledger.kinds import closing_day
from estate_funds.text import counted

ERROR, WARNING = Severity.ERROR, Severity.WARNING
_ON_PROMISES = frozenset({Kind.ENCUMBRANCE, Kind.ADVANCE, Kind.SPENDING, Kind.SETTLEMENT, Kind.DISBURSEMENT})
# Dated by rule and not by whoever books them, or without an effect of their own.
_DATED_BY_RULE = frozenset(
    {Kind.CARRY_FORWARD, Kind.OPEN_FUND, Kind.AMEND_FUND, Kind.CLOSE, Kind.REOPEN, Kind.REFUSAL, Kind.RELEASE}
)
# Whose keys come from the papers, and not from what the library calls them.
_NUMBERED = frozenset(
    {Kind.APPROPRIATION, Kind.RECEIPT, Kind.SPENDING, Kind.ADVANCE, Kind.SETTLEMENT, Kind.TRANSFER, Kind.LOAN}
)
_NUMBER = re.compile("(.*?)([0-9]{1,9})", re.DOTALL)
_ROLE = re.compile(r"\s*[(（\[【][^)）\]】]*[)）\]】]\s*$")


def _moving(about: Material) -> Sequence[Entry]:
    """The standing entries that somebody made and somebody else approved."""
    return [entry for entry in about.standing if entry.draft.kind is not Kind.REFUSAL]


# --- hands --------------------------------------------------------------------------------------------------------


def _person(hand: str) -> str:
    """Who a hand is, without the role that stands behind it in brackets.

    >>> _person("王敏 (preparer)") == _person("王敏（复核）")
    True
    """
    return folded(_ROLE.sub("", hand)) or folded(hand)


def _same_hands(about: Material, rule: Rule) -> Iterator[Finding]:
    for entry in _moving(about):
        maker, approver = _person(entry.draft.maker), _person(entry.draft.approver)
        if maker and maker == approver:
            got = f"maker {entry.draft.maker}, approver {entry.draft.approver}"
            amount = _cash_fen(entry)
            yield rule.found("made and approved by one person", entry, got=got, wanted="two people", amount_fen=amount)


def _swapped_hands(about: Material, rule: Rule) -> Iterator[Finding]:
    first: dict[tuple[str, str, str], Entry] = {}
    told = set[tuple[str, str, str]]()
    for entry in about.standing:
        draft = entry.draft
        if draft.kind not in _ON_PROMISES or not draft.reference:
            continue
        maker, approver = folded(draft.maker), folded(draft.approver)
        before = first.get((draft.reference, approver, maker))
        pair = (draft.reference, min(maker, approver), max(maker, approver))
        if before is not None and maker != approver and pair not in told:
            told.add(pair)
            got = f"{draft.maker} and {draft.approver} each made one and approved the other"
            yield rule.found(
                f"two people swapped roles on {draft.reference}", before, entry, got=got, wanted="a third person",
                amount_fen=_cash_fen(entry), subject=draft.payee,
            )  # fmt: skip
        first.setdefault((draft.reference, maker, approver), entry)


def _cash_fen(entry: Entry) -> int:
    """The cash that an entry takes out of its funds, or brings back to them in red."""
    paid = sum(fen for _, account, _, side, fen in entry.draft.postings if account == Account.CASH and side == C)
    return abs(paid)


# --- days ---------------------------------------------------------------------------------------------------------


def back_dating(*, days: int = 31, times: int = 3) -> Rule:
    """The rule that finds entries dated back: more than `days` before an entry that was booked on an earlier day.

    And more than `times` what three of four entries of the journal keep to: who books bills as they come in has such
    days always. Nothing is found within a month, nor among what is booked on one day, such as a year at once, nor of
    what a rule dates, such as the end of a year.
    """

    def find(about: Material, rule: Rule) -> Iterator[Finding]:
        entries = _dated(about)
        back, latest, known, recorded = list[tuple[int, date]](), date.min, date.min, date.min
        for entry in entries:
            if entry.recorded != recorded:
                known, recorded = latest, entry.recorded
            latest = max(latest, entry.draft.effective)
            back.append((max(0, (known - entry.draft.effective).days), known))
        usual = sorted(jump for jump, _ in back)[divmod(3 * len(back), 4)[0]] if back else 0
        allowed = max(days, times * usual)
        for entry, (jump, ahead) in zip(entries, back, strict=True):
            day = entry.draft.effective
            if jump > allowed and (day.year, day.month) != (ahead.year, ahead.month):
                across = "a year end" if day.year != ahead.year else "a month end"
                yield rule.found(
                    f"dated back {jump} days across {across}", entry,
                    got=f"effective {day}, booked on {entry.recorded}, after one of {ahead} was",
                    wanted=f"within {allowed} days, as is usual in these books", amount_fen=_cash_fen(entry),
                )  # fmt: skip

    return Rule(
        "back-dating", WARNING, "An entry dated long before what was booked ahead of it, across a month or year end.",
        "会计法 9 (article not verified); the lag: custom",
        "show the document that arrived late; date what is late into the open period",
        over=_dated, find=find,
        example="A payment dated 20 December 2023 and booked on 5 April 2024, between two of April.",
    )  # fmt: skip


def _dated(about: Material) -> Sequence[Entry]:
    return [entry for entry in about.standing if entry.draft.kind not in _DATED_BY_RULE]


def _closings(about: Material) -> Iterator[tuple[Entry, date, Entry | None, date]]:
    """Each entry with the last closed day before it, and the reopening, if any, with the day that was closed then."""
    closed = was_closed = date.min
    reopened: Entry | None = None
    for entry in about.entries:
        yield entry, closed, reopened, was_closed
        if entry.draft.kind not in (Kind.CLOSE, Kind.REOPEN):
            continue
        try:
            day = closing_day(entry.draft)
        except EstateFundsError:
            continue  # what is no closing closes nothing; that it is none, the gate says
        if entry.draft.kind is Kind.REOPEN:
            reopened, was_closed = entry, max(closed, was_closed) if reopened else closed
        elif day >= was_closed:
            reopened, was_closed = None, date.min
        closed = day


def _after_close(about: Material, rule: Rule) -> Iterator[Finding]:
    passing = (Kind.OPEN_FUND, Kind.REFUSAL)
    for entry, closed, _, _ in _closings(about):
        if entry.draft.effective <= closed and entry.draft.kind not in passing:
            yield rule.found(
                "booked into a closed period", entry, got=f"effective {entry.draft.effective}",
                wanted=f"after {closed}, the last closed day", amount_fen=_cash_fen(entry),
            )  # fmt: skip


def _reopened(about: Material, rule: Rule) -> Iterator[Finding]:
    late: dict[int, list[Entry]] = defaultdict(list)
    openings: dict[int, Entry] = {}
    undone = about.ledger.reversed
    for entry, closed, reopening, was_closed in _closings(about):
        kind = entry.draft.kind
        if reopening is None or entry.seq in undone or kind in _DATED_BY_RULE:
            continue
        if closed < entry.draft.effective <= was_closed:
            late[reopening.seq].append(entry)
            openings[reopening.seq] = reopening
    for seq, entries in late.items():
        asked = openings[seq].draft
        what = f"{counted(len(entries), 'entry', 'entries')} dated into a period that was closed and opened again"
        yield rule.found(
            f"{what}; approved by {asked.approver}", openings[seq], *entries[:20],
            got=f"opened by {asked.maker} on {asked.effective}: {asked.narrative}",
            wanted=f"only what {asked.document} {asked.clause} approved", clause=f"{asked.document} {asked.clause}",
            amount_fen=sum(map(_cash_fen, entries)),
        )  # fmt: skip


# --- numbers ------------------------------------------------------------------------------------------------------


def voucher_gaps(*, least: int = 5, missing_percent: int = 20) -> Rule:
    """The rule that finds gaps in numbers that keys end in, and numbers that run against the months.

    Keys of one beginning are a series where there are `least` of them or more, at most `missing_percent` of the numbers
    from the first to the last are missing, they rise with the journal save for one in ten, and they are not the days or
    months of their entries. What was refused and is on record is not missing.
    """

    def find(about: Material, rule: Rule) -> Iterator[Finding]:
        refused = _refused_keys(about)
        for prefix, series in about.once(_series).items():
            numbers = sorted(series)
            span = numbers[-1] - numbers[0] + 1
            sparse = (span - len(numbers)) * 100 > missing_percent * span
            if len(numbers) < least or sparse or _is_calendar(series) or not _rising(numbers, series):
                continue
            for low, high in pairwise(numbers):
                gone = [n for n in range(low + 1, high) if (prefix, n) not in refused]
                if gone:
                    first = f"{prefix}{gone[0]}" + (f" to {gone[-1]}" if len(gone) > 1 else "")
                    yield rule.found(
                        f"{counted(len(gone), 'number')} missing between two vouchers: {first}", series[low],
                        series[high], wanted="numbers without gaps",
                    )  # fmt: skip
            yield from _out_of_order(numbers, series, rule)

    return Rule(
        "voucher-gaps", WARNING, "A gap in running numbers of vouchers, or a number that runs against the months.",
        "会计基础工作规范 51 (numbers without gaps: custom)",
        "show the cancelled voucher of the missing number, or the day of the one that is out of order",
        over=lambda about: [n for s in about.once(_series).values() if len(s) >= least for n in s], find=find,
        example="Vouchers 记-2024-001 to 记-2024-012 without 记-2024-007.",
    )  # fmt: skip


def _series(about: Material) -> dict[str, dict[int, Entry]]:
    """Beginning of a key -> number -> entry; also of those that were reversed, for their number is used."""
    found: dict[str, dict[int, Entry]] = defaultdict(dict)
    for entry in about.entries:
        if entry.draft.kind in _NUMBERED and (parts := _NUMBER.fullmatch(entry.draft.key)):
            found[parts[1]][int(parts[2])] = entry
    return found


def _is_calendar(series: dict[int, Entry]) -> bool:
    days = [(number, entry.draft.effective) for number, entry in series.items()]
    return all(n == day.month for n, day in days) or all(n == day.day for n, day in days)


def _rising(numbers: Sequence[int], series: dict[int, Entry]) -> bool:
    """Whether numbers were given as the entries were booked: else they name rows of a table."""
    falls = sum(series[low].seq > series[high].seq for low, high in pairwise(numbers))
    return falls * 10 <= len(numbers)


def _refused_keys(about: Material) -> set[tuple[str, int]]:
    keys = set[tuple[str, int]]()
    for entry in about.entries:
        if entry.draft.kind is Kind.REFUSAL:
            for term in entry.draft.terms:
                if term[:2] == ("asked", "key") and len(term) == 3 and (parts := _NUMBER.fullmatch(term[2])):
                    keys.add((parts[1], int(parts[2])))
    return keys


def _out_of_order(numbers: Sequence[int], series: dict[int, Entry], rule: Rule) -> Iterator[Finding]:
    latest = series[numbers[0]]
    for number in numbers[1:]:
        entry = series[number]
        day, ahead = entry.draft.effective, latest.draft.effective
        if (day.year, day.month) < (ahead.year, ahead.month):
            yield rule.found(
                f"{entry.draft.key} is dated into a month before that of a lower number", latest, entry,
                got=str(day), wanted=f"on or after {ahead.replace(day=1)}",
            )  # fmt: skip
        else:
            latest = entry


HAND_RULES = (
    Rule(
        "same-hands", ERROR, "Maker and approver are one person, whatever the case, width and blanks of the name.",
        "会计基础工作规范: preparer and reviewer differ", "let somebody else review it, and book it anew",
        over=_moving, find=_same_hands,
        example="Made by WangMin and approved by ｗａｎｇ ｍｉｎ.",
    ),
    Rule(
        "swapped-hands", WARNING, "Two people swap roles on one contract or claim: each approves what the other made.",
        "会计法 37 (article not verified)", "let a third person review both",
        over=lambda about: [e for e in about.standing if e.draft.kind in _ON_PROMISES and e.draft.reference],
        find=_swapped_hands,
        example="王敏 promises a contract and 李强 approves; 李强 pays it and 王敏 approves.",
    ),
    back_dating(),
    Rule(
        "after-close", ERROR, "An entry in a period that was closed when it was booked.",
        "会计基础工作规范 (closing; custom)", "reverse it, date it into the open period, and find out how it got in",
        over=lambda about: about.entries, find=_after_close,
        example="A payment dated 28 December 2023, booked after 2023 was closed.",
    ),
    Rule(
        "reopened-period", WARNING, "Entries in a period that was closed and opened again, and who approved it.",
        "会计基础工作规范 (closing; custom)", "compare each entry with the approval under which the period was opened",
        over=lambda about: [e for e in about.entries if e.draft.kind is Kind.REOPEN], find=_reopened,
        example="2023 is opened again in March, and a payment of 30,000.00 is dated 30 December.",
    ),
    voucher_gaps(),
)  # fmt: skip

__all__ = ["HAND_RULES", "back_dating", "voucher_gaps"]
