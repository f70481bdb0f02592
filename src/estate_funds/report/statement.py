"""Statements on two axes of time: for a period, by the days on which entries count, as the books knew it on a day.

An entry counts on its effective day and is known from its day of recording on. So what is booked late, reversed or
corrected changes the statement of an old period only for those who ask what is known now; what was stated then can be
stated again at any time, to the fen. `compare` says, entry by entry, why two such statements differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from estate_funds.calendar import Months
from estate_funds.errors import DateError, InputError, InvariantBroken, nearest
from estate_funds.funds import BUDGET, MONEY, NORMAL_SIDE, Account, Fund, Side
from estate_funds.journal import Draft, Entry
from estate_funds.ledger.shapes import DEFINING, MIRRORS
from estate_funds.money import format_yuan
from estate_funds.text import counted, table

# By claim, contract or payment there are too many to read; a statement sums them up.
SUMMED_UP = frozenset({Account.ENCUMBERED, Account.ADVANCED, Account.RECEIVABLE, Account.RECOVERY})
_ORDER = {account.value: place for place, account in enumerate([*Account])}

LineKey = tuple[str, str, str]  # fund, account, detail


class Line(NamedTuple):
    """An account of a fund, on its normal side, in fen: opening + movements = closing.

    `movements` is by kind of entry. `detail` is the source, purpose, other fund or budget year; empty where many
    details are summed up.
    """

    account: str
    detail: str
    opening_fen: int
    movements: tuple[tuple[str, int], ...]
    closing_fen: int

    @property
    def movement_fen(self) -> int:
        """All that moved in the period, less what moved back."""
        return sum(fen for _, fen in self.movements)

    @property
    def name(self) -> str:
        """Account and detail."""
        return f"{self.account} ({self.detail})" if self.detail else self.account

    def to_json(self) -> dict[str, Any]:
        """The line as plain values, in fen."""
        return {
            "account": self.account,
            "detail": self.detail,
            "opening_fen": self.opening_fen,
            "movements_fen": dict(self.movements),
            "closing_fen": self.closing_fen,
        }


@dataclass(frozen=True, slots=True)
class FundStatement:
    """One fund as it was defined on the day of knowledge, with the lines that held something or moved in the period."""

    fund: Fund
    lines: tuple[Line, ...]

    def total(self, account: Account) -> tuple[int, int, int]:
        """Opening, movement and closing of an account over all its details, in fen."""
        lines = [line for line in self.lines if line.account == account.value]
        return (
            sum(line.opening_fen for line in lines),
            sum(line.movement_fen for line in lines),
            sum(line.closing_fen for line in lines),
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """Every fund for a period, as known on a day (None: by all entries); `entries` is how many were known."""

    period: Months
    known_on: date | None
    entries: int
    funds: tuple[FundStatement, ...]

    def to_text(self) -> str:
        """The statement for people, in yuan."""
        head = (
            f"statement for {_run(self.period)}, {_known(self.known_on)}; {counted(self.entries, 'entry', 'entries')}"
        )
        moved = [found for found in self.funds if found.lines]
        if not moved:
            return f"{head}\n\n  nothing is booked that counts by then"
        rows: list[tuple[str, ...]] = [("fund", "cash before", "movement", "cash after", "encumbered", "available")]
        for found in moved:
            cash = found.total(Account.CASH)
            rest = found.total(Account.ENCUMBERED)[2], found.total(Account.UNENCUMBERED)[2]
            rows.append((found.fund.fund_id, *map(format_yuan, (*cash, *rest))))
        blocks = [head, table(rows, right=range(1, 6)), *map(_fund_text, moved)]
        return "\n\n".join(blocks)

    def to_json(self) -> dict[str, Any]:
        """The statement as plain values, in fen."""
        return {
            "period": _days(self.period),
            "known_on": self.known_on and str(self.known_on),
            "entries": self.entries,
            "funds": [
                {
                    "fund": found.fund.fund_id,
                    "title": found.fund.title,
                    "document": found.fund.document,
                    "clause": found.fund.clause,
                    "lines": [line.to_json() for line in found.lines],
                }
                for found in self.funds
            ],
        }


def statement(
    entries: Iterable[Entry], *, period: Months, known_on: date | None = None, fund: str | None = None
) -> Statement:
    """State every fund, or one, for a period, as the books knew it at the end of a day; by default, all they know.

    `entries` is a journal from its first entry; it is read once, and no further than to `known_on`. Raises InputError
    for a fund that was not open by then.
    """
    fold = _Fold(period, fund)
    for entry in _until(entries, known_on):
        fold.take(entry)
    return fold.statement(known_on)


# --- two days of knowledge ----------------------------------------------------------------------------------------


class Late(NamedTuple):
    """An entry that only the later day knows, and what it changes: (fund, account, detail) and fen, on the normal side.

    `undoes` is the entry that it reverses or corrects. `in_period` says where it counts: in the period, or before it
    and so in its opening balances.
    """

    seq: int
    kind: str
    effective: date
    recorded: date
    narrative: str
    undoes: int | None
    in_period: bool
    changes: tuple[tuple[LineKey, int], ...]


class Changed(NamedTuple):
    """A line that the two days state differently; None where it did not stand."""

    fund: str
    before: Line | None
    after: Line | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two statements of one period, and the entries between their days of knowledge that make the difference."""

    before: Statement
    after: Statement
    late: tuple[Late, ...]

    @property
    def changed(self) -> tuple[Changed, ...]:
        """The lines that differ, fund by fund."""
        one, two = (
            {(found.fund.fund_id, line.account, line.detail): line for found in stated.funds for line in found.lines}
            for stated in (self.before, self.after)
        )
        keys = sorted({*one, *two}, key=_place)
        return tuple(Changed(key[0], one.get(key), two.get(key)) for key in keys if one.get(key) != two.get(key))

    def to_text(self) -> str:
        """What changed and why, for people, in yuan."""
        head = f"{_run(self.before.period)}: {_known(self.before.known_on)}, and then {_known(self.after.known_on)}"
        if not self.late:
            return f"{head}\n\n  nothing recorded in between counts by the end of the period: the statements agree"
        title = f"{counted(len(self.late), 'entry', 'entries')} in between"
        said = [line for late in self.late for line in _late_text(late)]
        rows = [("fund", "line", "", "before", "after", "change"), *_changed_rows(self.changed)]
        return "\n\n".join([head, "\n".join([title, *said]), table(rows, right=(3, 4, 5))])

    def to_json(self) -> dict[str, Any]:
        """What changed and why, as plain values, in fen."""
        days = [stated.known_on and str(stated.known_on) for stated in (self.before, self.after)]
        return {
            "period": _days(self.before.period),
            "known_on": {"before": days[0], "after": days[1]},
            "late": [
                late._asdict()
                | {"effective": str(late.effective), "recorded": str(late.recorded)}
                | {
                    "changes": [
                        {**dict(zip(("fund", "account", "detail"), k, strict=True)), "fen": n} for k, n in late.changes
                    ]
                }
                for late in self.late
            ],
            "changed": [
                {"fund": fund, "before": one and one.to_json(), "after": two and two.to_json()}
                for fund, one, two in self.changed
            ],
        }


def compare(
    entries: Iterable[Entry], *, period: Months, earlier: date, known_on: date | None = None, fund: str | None = None
) -> Comparison:
    """State a period as known on an earlier day and as known on `known_on`, and every entry that made the difference.

    `entries` is a journal from its first entry, read once. Raises DateError where the days stand the other way round,
    InputError for a fund that is not open by `known_on`.
    """
    if known_on is not None and known_on < earlier:
        raise DateError("known earlier, but on a later day", got=f"{earlier}, then {known_on}")
    fold, late = _Fold(period, fund), list[Late]()
    before: _Fold | None = None
    for entry in _until(entries, known_on):
        if before is None and entry.recorded > earlier:
            before = fold.copy()
        changes = fold.take(entry)
        if before is not None and changes:
            late.append(_late(entry, changes, period))
    found = Comparison((before or fold).statement(earlier, must_be_open=False), fold.statement(known_on), tuple(late))
    _check_explained(found)
    return found


def _late(entry: Entry, changes: Mapping[LineKey, int], period: Months) -> Late:
    draft = entry.draft
    undone = int(draft.reference) if draft.kind in MIRRORS else None
    in_period = draft.effective >= period.start.first_day
    return Late(
        entry.seq, draft.kind.value, draft.effective, entry.recorded, draft.narrative, undone, in_period,
        tuple((key, changes[key]) for key in sorted(changes, key=_place) if changes[key]),
    )  # fmt: skip


def _check_explained(found: Comparison) -> None:
    """The late entries are the whole difference, line by line, in the opening balances and in the movements."""
    gaps: dict[tuple[LineKey, bool], int] = {}
    for sign, stated in ((-1, found.before), (1, found.after)):
        for held in stated.funds:
            for line in held.lines:
                key = (held.fund.fund_id, line.account, line.detail)
                gaps[key, False] = gaps.get((key, False), 0) + sign * line.opening_fen
                gaps[key, True] = gaps.get((key, True), 0) + sign * line.movement_fen
    for late in found.late:
        for key, fen in late.changes:
            gaps[key, late.in_period] = gaps.get((key, late.in_period), 0) - fen
    unexplained = {key: gap for key, gap in gaps.items() if gap}
    if unexplained:
        raise InvariantBroken(f"late entries do not explain how the statements differ: {unexplained}")


# --- the fold -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Sums:
    """One line while it grows."""

    opening: int = 0
    closing: int = 0
    movements: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Fold:
    """What the entries so far say of a period; `only` one fund, or all."""

    period: Months
    only: str | None
    start: date = field(init=False)
    end: date = field(init=False)  # the first day after
    entries: int = 0
    funds: dict[str, Fund] = field(default_factory=dict)
    sums: dict[LineKey, _Sums] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start, self.end = self.period.start.first_day, self.period.end.first_day

    def copy(self) -> _Fold:
        """The same, apart from what comes next."""
        sums = {key: _Sums(sum_.opening, sum_.closing, dict(sum_.movements)) for key, sum_ in self.sums.items()}
        return _Fold(self.period, self.only, self.entries, dict(self.funds), sums)

    def take(self, entry: Entry) -> Mapping[LineKey, int]:
        """Count an entry; what it changes of the lines, where it counts by the end of the period."""
        self.entries += 1
        draft, kind = entry.draft, entry.draft.kind.value
        if draft.kind in DEFINING:
            fund = Fund.from_terms(draft.terms, document=draft.document, clause=draft.clause)
            self.funds[fund.fund_id] = fund
        if draft.effective >= self.end:
            return {}
        changes = _changes(draft, self.only)
        in_period = draft.effective >= self.start
        for key, fen in changes.items():
            sums = self.sums.get(key)
            if sums is None:
                sums = self.sums[key] = _Sums()
            sums.closing += fen
            if in_period:
                sums.movements[kind] = sums.movements.get(kind, 0) + fen
            else:
                sums.opening += fen
        return changes

    def statement(self, known_on: date | None, *, must_be_open: bool = True) -> Statement:
        """The statement so far."""
        if self.only is not None and self.only not in self.funds and must_be_open:
            raise InputError(
                f"no fund {self.only!r} is open", where=_known(known_on), fix=nearest(self.only, self.funds)
            )
        lines: dict[str, list[Line]] = {}
        for key in sorted(self.sums, key=_place):
            fund, account, detail = key
            sums = self.sums[key]
            line = Line(account, detail, sums.opening, tuple(sorted(sums.movements.items())), sums.closing)
            if line.opening_fen + line.movement_fen != line.closing_fen:
                raise InvariantBroken(f"{fund} {line.name}: opening and movements are not the closing: {line}")
            if line.opening_fen or line.movements:
                lines.setdefault(fund, []).append(line)
        chosen = sorted(self.funds) if self.only is None else [self.only] if self.only in self.funds else []
        found = tuple(FundStatement(self.funds[fund], tuple(lines.get(fund, ()))) for fund in chosen)
        for stated in found:
            _check_balanced(stated)
        return Statement(self.period, known_on, self.entries, found)


def _changes(draft: Draft, only: str | None) -> dict[LineKey, int]:
    """What an entry changes of each line, on the account's normal side, in fen."""
    changes: dict[LineKey, int] = {}
    for fund, account, detail, side, fen in draft.postings:
        if only is None or fund == only:
            key = (fund, account, "" if account in SUMMED_UP else detail)
            changes[key] = changes.get(key, 0) + (fen if side == NORMAL_SIDE[account] else -fen)
    return changes


def _check_balanced(stated: FundStatement) -> None:
    """Each family of a fund's accounts balances, before the period and after it."""
    for family in (MONEY, BUDGET):
        for when in ("opening_fen", "closing_fen"):
            lines = [line for line in stated.lines if line.account in family]
            gap = sum(getattr(line, when) * (1 if NORMAL_SIDE[line.account] == Side.DEBIT else -1) for line in lines)
            if gap:
                raise InvariantBroken(f"{stated.fund.fund_id}: {when} debits exceed credits by {gap} fen")


def _until(entries: Iterable[Entry], known_on: date | None) -> Iterator[Entry]:
    """The entries recorded by a day: recording never runs backwards, so the first later one ends them."""
    for entry in entries:
        if known_on is not None and entry.recorded > known_on:
            return
        yield entry


def _place(key: LineKey) -> tuple[str, int, str]:
    fund, account, detail = key
    return fund, _ORDER[account], detail


# --- words --------------------------------------------------------------------------------------------------------


def _known(day: date | None) -> str:
    return f"as known on {day}" if day else "as known by all entries"


def _run(period: Months) -> str:
    return str(period.start if len(period) == 1 else period)


def _days(period: Months) -> dict[str, str]:
    return {"first_day": str(period.start.first_day), "last_day": str((period.end + -1).last_day)}


def _fund_text(stated: FundStatement) -> str:
    fund = stated.fund
    rows: list[tuple[str, ...]] = [("", "opening", "movement", "closing", "by")]
    for title, family in (("money", MONEY), ("budget", BUDGET)):
        lines = [line for line in stated.lines if line.account in family]
        rows += [(title, "", "", "", "")] if lines else []
        rows += [_line_row(line) for line in lines]
    return f"{fund.fund_id}  {fund.title}  [{fund.document} {fund.clause}]\n{table(rows, right=(1, 2, 3))}"


def _line_row(line: Line) -> tuple[str, ...]:
    by = ", ".join(f"{kind} {format_yuan(fen)}" if len(line.movements) > 1 else kind for kind, fen in line.movements)
    amounts = (line.opening_fen, line.movement_fen, line.closing_fen)
    return f"  {line.name}", *map(format_yuan, amounts), by


def _late_text(late: Late) -> Iterator[str]:
    """An entry, and a line for each fund whose lines it changes."""
    what = f" of entry {late.undoes}" if late.undoes else ""
    where = "in the period" if late.in_period else "before it"
    yield f"  entry {late.seq}: {late.kind}{what}, {late.narrative}"
    yield f"    counts on {late.effective}, {where}; recorded on {late.recorded}"
    funds: dict[str, list[str]] = {}
    for (fund, account, detail), fen in late.changes:
        name = Line(account, detail, 0, (), 0).name
        funds.setdefault(fund, []).append(f"{name} {_signed(fen)}")
    for fund, changes in funds.items():
        yield f"    {fund}: {', '.join(changes)}"


def _changed_rows(changed: Iterable[Changed]) -> Iterator[tuple[str, ...]]:
    """Opening and movement of each line where they differ; the closing is their sum."""
    nothing = Line("", "", 0, (), 0)
    for fund, one, two in changed:
        old, new = one or nothing, two or nothing
        for label, a, b in (
            ("opening", old.opening_fen, new.opening_fen),
            ("movement", old.movement_fen, new.movement_fen),
        ):
            if a != b:
                yield fund, (two or old).name, label, format_yuan(a), format_yuan(b), _signed(b - a)


def _signed(fen: int) -> str:
    return f"+{format_yuan(fen)}" if fen > 0 else format_yuan(fen)
