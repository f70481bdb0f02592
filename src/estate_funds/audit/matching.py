"""Match what banks say to what the books say: each line and each entry at most once, and why it was.

It goes from what is sure to what is less so: a reference that both name; amount, name and days; amount and days where
only one of each is there; several of one for one of the other, where their sum is exact and no other sum is; and last
what came late. What could be one or another is never picked in silence: alike ones are matched as a set and say so, and
what is left of them says that it is one of several. Every step sorts or looks up, so that it takes n log n.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from estate_funds.audit.bank import Bank, BankLine
from estate_funds.journal import Entry
from estate_funds.text import counted

MOST_PARTS = 12  # that are tried for a sum
_MANY = 64
_SEVERAL = "several sums fit: which, cannot be told"
_TOKEN = re.compile(r"[0-9A-Z][0-9A-Z._/#-]{3,}")
_BATCH = re.compile("代发|批量|代付|集中支付|汇总|合计|BATCH|BULK|PAYROLL")
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Movement:
    """What an entry moves at the bank: `fen` into the accounts that hold some funds, or out of them where below 0.

    `names` are those on the other side, as `Bank.key` has them; `undoes` is the number of the entry that this undoes.
    """

    entry: Entry
    fen: int
    names: tuple[str, ...] = ()
    undoes: int = 0

    @property
    def day(self) -> date:
        """The day on which the entry counts."""
        return self.entry.draft.effective

    @property
    def seq(self) -> int:
        """The number of the entry."""
        return self.entry.seq


@dataclass(frozen=True, slots=True)
class Match:
    """Lines and movements that are one, and why. Without lines: nothing moved; without movements: between own accounts.

    `alike` is whether it could not be told which of the lines is which of the movements; `before` whether the line
    stands before the first day told.
    """

    lines: tuple[BankLine, ...]
    movements: tuple[Movement, ...]
    why: str
    alike: bool = False
    before: bool = False

    @property
    def days(self) -> tuple[date, ...]:
        """All days of it, in order."""
        return tuple(sorted([line.day for line in self.lines] + [move.day for move in self.movements]))


@dataclass(frozen=True, slots=True)
class Matched:
    """What was matched in the accounts of some funds, what is left on each side, and what there is to say of that."""

    matches: tuple[Match, ...]
    lines: tuple[BankLine, ...]
    movements: tuple[Movement, ...]
    notes: Mapping[object, str]  # by a line, or by the number of an entry


def match(bank: Bank, lines: Sequence[BankLine], movements: Sequence[Movement], holders: Iterable[str] = ()) -> Matched:
    """Match the lines and the movements of one set of accounts. `lines` and `movements` are in an order of their own.

    `holders` are the names of whose accounts they are.
    """
    work = _Matcher(bank, lines, movements, {bank.key(name) for name in holders})
    work.between_own_accounts()
    work.cancelled(early=True)
    work.by_reference()
    work.by_name()
    work.by_amount()
    work.sums_of_movements()
    work.sums_of_lines()
    work.late()
    work.cancelled(early=False)
    return work.result()


class _Matcher:
    """The state of a matching: what is free yet, by place in the two sequences."""

    def __init__(self, bank: Bank, lines: Sequence[BankLine], movements: Sequence[Movement], own: set[str]) -> None:
        self.bank, self.lines, self.movements, self.own = bank, lines, movements, own
        self.free_lines, self.free_moves = dict.fromkeys(range(len(lines))), dict.fromkeys(range(len(movements)))
        self.line_day = [line.day.toordinal() for line in lines]
        self.move_day = [move.day.toordinal() for move in movements]
        self.names = [bank.key(line.name) for line in lines]
        self.accounts = {line.account for line in lines}
        self.matches: list[Match] = []
        self.notes: dict[object, str] = {}

    def take(self, lines: Sequence[int], moves: Sequence[int], why: str, *, alike: bool = False) -> None:
        """Match places that are free; they are free no more."""
        for at in lines:
            del self.free_lines[at]
        for at in moves:
            del self.free_moves[at]
        found = tuple(self.lines[at] for at in lines), tuple(self.movements[at] for at in moves)
        self.matches.append(Match(*found, why, alike))

    def result(self) -> Matched:
        """All that was matched, and the rest, with what is alike to it."""
        matched = {(line.fen, self.bank.key(line.name)) for one in self.matches for line in one.lines if one.movements}
        for at in self.free_lines:
            if (self.lines[at].fen, self.names[at]) in matched:
                self.notes.setdefault(self.lines[at], "one of several alike: another one is booked")
        paid = {(move.fen, name) for one in self.matches for move in one.movements if one.lines for name in move.names}
        for at in self.free_moves:
            move = self.movements[at]
            if any((move.fen, name) in paid for name in move.names):
                self.notes.setdefault(move.seq, "one of several alike: another one is at the bank")
        ordered = sorted(self.matches, key=lambda one: (one.days, one.movements[0].seq if one.movements else 0))
        return Matched(
            tuple(ordered),
            tuple(self.lines[at] for at in self.free_lines),
            tuple(self.movements[at] for at in self.free_moves),
            self.notes,
        )

    def agrees(self, line: int, move: int) -> bool:
        """Whether the bank names one of those that the books name."""
        return any(self.bank.agree(self.names[line], name) for name in self.movements[move].names)

    def gap_text(self, line: int, move: int) -> str:
        """How far apart two days are, in words."""
        gap = self.line_day[line] - self.move_day[move]
        if not gap:
            return "on the day"
        return f"{counted(abs(gap), 'day')} {'after' if gap > 0 else 'before'} it was booked"

    # --- before anything else ---

    def between_own_accounts(self) -> None:
        """What left one account for another of the same set is no payment."""
        into: dict[tuple[int, str], deque[int]] = defaultdict(deque)
        for at in self.free_lines:
            if self.lines[at].fen > 0 and self._own(at):
                into[self.lines[at].fen, self.lines[at].account].append(at)
        accounts = sorted(self.accounts)
        for at in [at for at in self.free_lines if self.lines[at].fen < 0 and self._own(at)]:
            line = self.lines[at]
            others = [line.other_account] if line.other_account in accounts else accounts
            for other in others:
                held = into[-line.fen, other] if other != line.account else deque[int]()
                while held and self.line_day[held[0]] < self.line_day[at] - 1:
                    held.popleft()
                if held and self.line_day[held[0]] <= self.line_day[at] + self.bank.days:
                    self.take([at, held.popleft()], [], "between accounts of one holder")
                    break

    def _own(self, at: int) -> bool:
        line = self.lines[at]
        if line.other_account in self.accounts:
            return line.other_account != line.account
        return not line.other_account and len(self.accounts) > 1 and self.names[at] in self.own

    def cancelled(self, *, early: bool) -> None:
        """An entry and the one that undoes it, where no money came back by the bank: nothing need have moved."""
        place = {self.movements[at].seq: at for at in self.free_moves}
        days: dict[int, list[int]] = defaultdict(list)
        for at in self.free_lines:
            days[self.lines[at].fen].append(self.line_day[at])  # in order, as the lines are
        for at in [at for at in self.free_moves if self.movements[at].undoes in place]:
            move = self.movements[at]
            back = days[move.fen] if early else []
            first = bisect_left(back, self.move_day[at] - self.bank.days)
            if early and first < len(back) and back[first] <= self.move_day[at] + self.bank.days:
                continue  # the bank may show both
            if place[move.undoes] in self.free_moves and at in self.free_moves:
                self.take([], [place[move.undoes], at], "undone in the books: nothing moved at the bank")
        if not early:
            self._undone_too_late()

    def _undone_too_late(self) -> None:
        """What left the bank, and was undone in the books without coming back: the line is that of the entry undone."""
        left: dict[tuple[int, str], list[int]] = defaultdict(list)
        for at in self.free_lines:
            left[self.lines[at].fen, self.names[at]].append(at)
        place = {move.seq: at for at, move in enumerate(self.movements)}
        for number, one in enumerate(self.matches):
            if one.lines or not left:
                continue
            undone, undoing = (place[move.seq] for move in one.movements)
            for name in self.movements[undone].names:
                held = left.get((self.movements[undone].fen, name), [])
                near = [at for at in held if abs(self.line_day[at] - self.move_day[undone]) <= self.bank.days]
                if near:
                    held.remove(near[0])
                    del self.free_lines[near[0]]
                    self.free_moves[undoing] = None
                    why = f"amount and name, {self.gap_text(near[0], undone)}; undone in the books since"
                    self.matches[number] = Match((self.lines[near[0]],), (self.movements[undone],), why)
                    break

    # --- one to one ---

    def by_reference(self) -> None:
        """A number that stands on one line and one entry of the same amount, and on no other."""
        found: dict[tuple[str, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for at in self.free_moves:
            draft = self.movements[at].entry.draft
            for token in {_folded(draft.key), _folded(draft.reference)} - {""}:
                found[token, self.movements[at].fen][1].append(at)
        for at in self.free_lines:
            line = self.lines[at]
            words = {_folded(line.reference), *_TOKEN.findall(_folded(line.text))}
            for token in words:
                if (token, line.fen) in found:
                    found[token, line.fen][0].append(at)
        for (token, _), (lines, moves) in sorted(found.items()):
            if len(lines) == len(moves) == 1 and lines[0] in self.free_lines and moves[0] in self.free_moves:
                gap = self.line_day[lines[0]] - self.move_day[moves[0]]
                if len(token) >= 4 and -self.bank.days <= gap <= self.bank.late_days:
                    self.take(lines, moves, f"both name {token}, {self.gap_text(lines[0], moves[0])}")

    def by_name(self) -> None:
        """The same amount and name, within the window; several of that are paired in order of days."""
        for lines, moves in self._groups_by_name():
            several = len(lines) > 1 or len(moves) > 1
            for line, move in paired(self._on(lines), self._at(moves), self.bank.days):
                among = f", one of {max(len(lines), len(moves))} alike" if several else ""
                self.take([line], [move], f"amount and name, {self.gap_text(line, move)}{among}")

    def _groups_by_name(self) -> Iterator[tuple[list[int], list[int]]]:
        """Free lines and movements of one amount and one name."""
        lines: dict[tuple[int, str], list[int]] = defaultdict(list)
        moves: dict[tuple[int, str], list[int]] = defaultdict(list)
        for at in self.free_lines:
            if self.names[at]:
                lines[self.lines[at].fen, self.names[at]].append(at)
        for at in self.free_moves:
            for name in self.movements[at].names:
                if (self.movements[at].fen, name) in lines:
                    moves[self.movements[at].fen, name].append(at)
        for key in sorted(moves):
            free = [at for at in moves[key] if at in self.free_moves]
            yield [at for at in lines[key] if at in self.free_lines], free

    def by_amount(self) -> None:
        """The same amount within the window, where the bank names nobody, or somebody else."""
        for lines, moves in self._clusters(self.bank.days, self.bank.days):
            self._agreeing(lines, moves)
            lines, moves = self._still(lines, moves)
            if len(lines) == len(moves) == 1:
                if abs(self.line_day[lines[0]] - self.move_day[moves[0]]) <= self.bank.days:
                    how = "amount alone" if not self.agrees(lines[0], moves[0]) else "amount and name"
                    self.take(lines, moves, f"{how}, {self.gap_text(lines[0], moves[0])}")
            elif lines and moves and self._nameless(lines, moves):
                self._as_a_set(lines, moves)

    def _agreeing(self, lines: list[int], moves: list[int]) -> None:
        """Names that the bank cut off, or writes in full: few enough to be compared each with each."""
        if len(lines) * len(moves) > _MANY * _MANY:
            return
        for line in lines:
            fits = [at for at in moves if at in self.free_moves and self.agrees(line, at)]
            near = [at for at in fits if abs(self.line_day[line] - self.move_day[at]) <= self.bank.days]
            if near:
                move = min(near, key=lambda at: (abs(self.line_day[line] - self.move_day[at]), at))
                self.take([line], [move], f"amount and name, {self.gap_text(line, move)}")

    def _nameless(self, lines: list[int], moves: list[int]) -> bool:
        """Whether names tell nothing: none at the bank, none in the books, or those of who paid in."""
        into = self.lines[lines[0]].fen > 0
        return into or not any(self.names[at] for at in lines) or not any(self.movements[at].names for at in moves)

    def _as_a_set(self, lines: list[int], moves: list[int]) -> None:
        pairs = paired(self._on(lines), self._at(moves), self.bank.days)
        if not pairs:
            return
        one = len(lines) == len(moves) == len(pairs)
        if not one:
            most = f"of {counted(len(lines), 'line')} and {counted(len(moves), 'entry', 'entries')} of one amount"
            for line in lines:
                self.notes[self.lines[line]] = f"one {most}: which is which cannot be told"
            for move in moves:
                self.notes[self.movements[move].seq] = f"one {most}: which is which cannot be told"
        for line, move in pairs:
            why = f"amount and days, one of {len(pairs)} alike: which is which cannot be told"
            self.take([line], [move], why, alike=True)

    # --- several to one ---

    def sums_of_movements(self) -> None:
        """One line that pays several entries at once."""
        keys: tuple[Callable[[int], Hashable], ...] = (
            lambda at: (self.move_day[at], self.movements[at].names),
            lambda at: (self.move_day[at], self.movements[at].entry.draft.reference),
            lambda at: (self.move_day[at], self.movements[at].entry.draft.purpose),
            lambda at: self.move_day[at],
        )
        by_fen = _by(self.free_lines, lambda at: self.lines[at].fen)
        for key in keys if by_fen else ():
            fits: list[tuple[int, list[int]]] = []
            for group in self._groups(self.free_moves, key, lambda at: self.movements[at].fen > 0):
                for at in by_fen.get(sum(self.movements[one].fen for one in group), ()):
                    timely = abs(self.line_day[at] - self.move_day[group[0]]) <= self.bank.days
                    if timely and at in self.free_lines and self._together(at, group):
                        fits.append((at, group))
            for line, group in self._clear(fits, lambda at: self.lines[at]):
                self.take([line], group, f"one line for {len(group)} entries of a day")
        self._by_parts()

    def _clear(self, fits: list[tuple[int, list[int]]], named: Callable[[int], object]) -> list[tuple[int, list[int]]]:
        """Of one and a group that fit, those of which each fits nothing else; the others are undecided from now on."""
        ones, groups = Counter(one for one, _ in fits), Counter(group[0] for _, group in fits)
        found = []
        for one, group in fits:
            if ones[one] == groups[group[0]] == 1 and self.notes.get(named(one)) != _SEVERAL:
                found.append((one, group))
            else:
                self.notes[named(one)] = _SEVERAL
        return found

    def _together(self, line: int, moves: Sequence[int]) -> bool:
        """Whether a line can be for several entries: its name is that of each, or it names nobody, or a batch."""
        if all(self.agrees(line, at) for at in moves):
            return True
        told = _folded(self.lines[line].name + self.lines[line].text)
        return not self.names[line] or self.lines[line].fen > 0 or _BATCH.search(told) is not None

    def _by_parts(self) -> None:
        """Any few entries near a line whose sum it is, where there is one such sum."""
        index = sorted((self.move_day[at], at) for at in self.free_moves)
        for line in list(self.free_lines):
            if self.notes.get(self.lines[line]) == _SEVERAL:
                continue
            near = self._near(index, self.line_day[line], self.free_moves)
            total = self.lines[line].fen
            parts = [at for at in near if _part(self.movements[at].fen, total)]
            parts = [at for at in parts if self._together(line, [at])]
            found, count = only_sum([self.movements[at].fen for at in parts], total)
            if count == 1:
                self.take([line], [parts[at] for at in found], f"one line for {len(found)} entries, the only sum")
            elif count:
                self.notes[self.lines[line]] = _SEVERAL

    def sums_of_lines(self) -> None:
        """One entry that is several lines: paid in parts, or income of a day or month booked at once."""
        month = [line.day.replace(day=1) for line in self.lines]
        keys: tuple[tuple[Callable[[int], Hashable], int], ...] = (
            (lambda at: (self.line_day[at], self.names[at]), 0),
            (lambda at: (self.line_day[at], self.lines[at].text), 0),
            (lambda at: self.line_day[at], 0),
            (lambda at: (month[at], self.names[at]), 31),
            (lambda at: (month[at], self.lines[at].text), 31),
            (lambda at: month[at], 31),
        )
        by_fen = _by(self.free_moves, lambda at: self.movements[at].fen)
        for key, within in keys if by_fen else ():
            fits: list[tuple[int, list[int]]] = []
            for group in self._groups(self.free_lines, key, lambda at: self.lines[at].fen > 0):
                low = self.line_day[group[0]] - self.bank.days
                high = max(self.line_day[group[-1]], self.line_day[group[0]] + within) + self.bank.days
                for at in by_fen.get(sum(self.lines[one].fen for one in group), ()):
                    timely = low <= self.move_day[at] <= high
                    if timely and at in self.free_moves and all(self._together(one, [at]) for one in group):
                        fits.append((at, group))
            for move, group in self._clear(fits, lambda at: self.movements[at].seq):
                self.take(group, [move], f"{len(group)} lines for one entry")
        self._by_parts_of_a_payment()

    def _by_parts_of_a_payment(self) -> None:
        """Any few lines near an entry whose sum it is, where there is one such sum."""
        index = sorted((self.line_day[at], at) for at in self.free_lines)
        for move in list(self.free_moves):
            if self.notes.get(self.movements[move].seq) == _SEVERAL:
                continue
            near = self._near(index, self.move_day[move], self.free_lines)
            parts = [at for at in near if _part(self.lines[at].fen, self.movements[move].fen)]
            parts = [at for at in parts if self._together(at, [move])]
            found, count = only_sum([self.lines[at].fen for at in parts], self.movements[move].fen)
            if count == 1:
                self.take([parts[at] for at in found], [move], f"{len(found)} lines for one entry, the only sum")
            elif count:
                self.notes[self.movements[move].seq] = _SEVERAL

    def _groups(
        self, free: Iterable[int], key: Callable[[int], Hashable], into: Callable[[int], bool]
    ) -> Iterator[list[int]]:
        """Two or more that are free, of one key and one direction."""
        for group in _by(free, lambda at: (into(at), key(at))).values():
            held = [at for at in group if at in free]
            if len(held) > 1 and len(held) == len(group):
                yield held

    def _near(self, index: list[tuple[int, int]], day: int, free: Mapping[int, None]) -> list[int]:
        """What is free near a day, unless it is very much."""
        low = bisect_left(index, (day - self.bank.days, -1))
        high = bisect_right(index, (day + self.bank.days, len(index) + len(self.lines) + len(self.movements)))
        return [at for _, at in index[low:high] if at in free] if high - low <= _MANY else []

    # --- late ---

    def late(self) -> None:
        """What came to the bank long after it was booked, where amount and name say so, or only one can be meant."""
        for lines, moves in self._groups_by_name():
            for line, move in in_order(self._on(lines), self._at(moves), 0, self.bank.late_days):
                self.take([line], [move], f"amount and name, {self.gap_text(line, move)}")
        for lines, moves in self._clusters(0, self.bank.late_days):
            if not (len(lines) == len(moves) == 1 and self._nameless(lines, moves)):
                continue
            if 0 <= self.line_day[lines[0]] - self.move_day[moves[0]] <= self.bank.late_days:
                self.take(lines, moves, f"amount alone, {self.gap_text(lines[0], moves[0])}")

    # --- shared ---

    def _on(self, lines: Iterable[int]) -> list[tuple[int, int]]:
        return sorted((self.line_day[at], at) for at in lines)

    def _at(self, moves: Iterable[int]) -> list[tuple[int, int]]:
        return sorted((self.move_day[at], at) for at in moves)

    def _still(self, lines: list[int], moves: list[int]) -> tuple[list[int], list[int]]:
        return [at for at in lines if at in self.free_lines], [at for at in moves if at in self.free_moves]

    def _clusters(self, before: int, after: int) -> Iterator[tuple[list[int], list[int]]]:
        """Free lines and movements of one amount, parted where nothing lies within the window of anything."""
        moves = _by(self.free_moves, lambda at: self.movements[at].fen)
        lines = _by(self.free_lines, lambda at: self.lines[at].fen)
        for fen in sorted(moves.keys() & lines.keys()):
            days = [(day, 0, at) for day, at in self._at(moves[fen])] + [
                (day, 1, at) for day, at in self._on(lines[fen])
            ]
            run: tuple[list[int], list[int]] = ([], [])
            last = 0
            for day, side, at in sorted(days):
                if (run[0] or run[1]) and day - last > max(before, after):
                    yield run
                    run = ([], [])
                run[0 if side else 1].append(at)
                last = day
            yield run


def paired(lines: list[tuple[int, int]], moves: list[tuple[int, int]], days: int) -> list[tuple[int, int]]:
    """Pairs of lines and movements, each a (day, place) in order, no further apart than `days`: as many as can be.

    Among as many, the nearest first.

    >>> paired([(5, 0), (9, 1)], [(5, 7)], 10), paired([(10, 0), (15, 1)], [(5, 7), (10, 8)], 5)
    ([(0, 7)], [(0, 7), (1, 8)])
    """
    if len(lines) == len(moves) and all(abs(a[0] - b[0]) <= days for a, b in zip(lines, moves, strict=True)):
        return [(a[1], b[1]) for a, b in zip(lines, moves, strict=True)]
    most = in_order(lines, moves, days, days)
    if not most:
        return most
    on_day: dict[int, deque[int]] = defaultdict(deque)
    for day, at in moves:
        on_day[day].append(at)
    near: dict[int, int] = {}
    for gap in sorted(range(-days, days + 1), key=lambda gap: (abs(gap), -gap)):
        for day, at in lines:
            if at not in near and on_day.get(day - gap):
                near[at] = on_day[day - gap].popleft()
    return sorted(near.items()) if len(near) >= len(most) else most


def in_order(
    lines: list[tuple[int, int]], moves: list[tuple[int, int]], before: int, after: int
) -> list[tuple[int, int]]:
    """Pairs in order of days, a line from `before` days before its movement to `after` days after it.

    >>> in_order([(10, 0), (40, 1)], [(5, 7), (39, 8), (50, 9)], 0, 20)
    [(0, 7), (1, 8)]
    """
    pairs: list[tuple[int, int]] = []
    line = move = 0
    while line < len(lines) and move < len(moves):
        gap = lines[line][0] - moves[move][0]
        if gap > after:
            move += 1
        elif gap < -before:
            line += 1
        else:
            pairs.append((lines[line][1], moves[move][1]))
            line, move = line + 1, move + 1
    return pairs


def only_sum(amounts: Sequence[int], total: int) -> tuple[tuple[int, ...], int]:
    """The places of two or more amounts that sum to a total, and in how many ways it can be done: 0, 1, or 2 for more.

    Too many amounts are not tried.

    >>> only_sum([3, 5, 9], 14), only_sum([3, 5, 9, 11], 14)[1], only_sum([3, 5], 9)
    (((1, 2), 1), 2, ((), 0))
    """
    if not 2 <= len(amounts) <= MOST_PARTS:
        return (), 0
    half = len(amounts) >> 1
    left, right = _sums(amounts[:half]), _sums(amounts[half:])
    found: list[int] = []
    for reached, masks in right.items():
        for mask in masks:
            for other in left.get(total - reached, ()):
                both = mask << half | other
                if both.bit_count() > 1:
                    found.append(both)
        if len(found) > 1:
            return (), 2
    if not found:
        return (), 0
    return tuple(at for at in range(len(amounts)) if found[0] >> at & 1), 1


def _sums(amounts: Sequence[int]) -> dict[int, list[int]]:
    """The sums of all choices of amounts, each with the choices that make it, as bits."""
    sums: dict[int, list[int]] = {0: [0]}
    for at, amount in enumerate(amounts):
        for reached, masks in [(one, tuple(of)) for one, of in sums.items()]:
            sums.setdefault(reached + amount, []).extend([mask | 1 << at for mask in masks])
    return sums


def _part(fen: int, total: int) -> bool:
    """Whether an amount can be a part of another: of one direction, and smaller."""
    return fen * total > 0 and abs(fen) < abs(total)


def _by(places: Iterable[int], key: Callable[[int], T]) -> dict[T, list[int]]:
    """Places by what is the same of them."""
    found: dict[T, list[int]] = {}
    for at in places:
        found.setdefault(key(at), []).append(at)
    return found


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().upper()


__all__ = ["Match", "Matched", "Movement", "in_order", "match", "only_sum", "paired"]
