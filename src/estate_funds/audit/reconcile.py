"""Reconcile banks and books: which accounts hold which funds, what is matched, what is under way, what is missing.

Accounts that hold a fund together are looked at together. For each end of a statement there is a bank reconciliation
statement (银行存款余额调节表): both balances, what only the books have, what only the bank has, and what that leaves
open.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import accumulate
from operator import itemgetter

from estate_funds.audit.bank import Bank, BankLine, Statement, covered_days, is_card, is_person, masked, sort_key
from estate_funds.audit.matching import Match, Matched, Movement, match, only_sum
from estate_funds.audit.report import Coverage
from estate_funds.errors import InputError, nearest
from estate_funds.funds import Account, Side, holder_of
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.money import format_yuan
from estate_funds.text import counted, table

_FROM = {Account.FUNDING.value, Account.TRANSFER_IN.value, Account.DUE_TO.value, Account.DUE_FROM.value}
_TO = {Account.TRANSFER_OUT.value, Account.DUE_FROM.value, Account.DUE_TO.value, Account.SURRENDERED.value}
_SHOWN = 20  # items of a reconciliation statement that are printed, of each side


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that one side has and the other does not: fen in, or out where below 0; what and where."""

    day: date
    fen: int
    what: str
    where: str


@dataclass(frozen=True, slots=True)
class Position:
    """A bank reconciliation statement: some accounts at the end of a day, and the funds that they hold.

    `books_only` are entries that the bank does not have yet, `bank_only` lines that the books do not have.
    """

    accounts: tuple[str, ...]
    on: date
    bank_fen: int
    books_fen: int
    books_only: tuple[Item, ...]
    bank_only: tuple[Item, ...]

    @property
    def bank_adjusted_fen(self) -> int:
        """The balance of the bank, with what only the books have."""
        return self.bank_fen + sum(item.fen for item in self.books_only)

    @property
    def books_adjusted_fen(self) -> int:
        """The balance of the books, with what only the bank has."""
        return self.books_fen + sum(item.fen for item in self.bank_only)

    @property
    def difference_fen(self) -> int:
        """What is not explained by either; 0 where the two agree."""
        return self.bank_adjusted_fen - self.books_adjusted_fen

    def to_text(self) -> str:
        """As accountants write it, in two halves."""
        rows = [("balance per bank (银行对账单余额)", format_yuan(self.bank_fen))]
        rows += _side_rows(self.books_only, "received in the books, not at the bank (企业已收银行未收)", 1)
        rows += _side_rows(self.books_only, "paid in the books, not at the bank (企业已付银行未付)", -1)
        rows.append(("adjusted balance per bank (调节后余额)", format_yuan(self.bank_adjusted_fen)))
        rows.append(("balance per books (账面余额)", format_yuan(self.books_fen)))
        rows += _side_rows(self.bank_only, "received at the bank, not in the books (银行已收企业未收)", 1)
        rows += _side_rows(self.bank_only, "paid at the bank, not in the books (银行已付企业未付)", -1)
        rows.append(("adjusted balance per books (调节后余额)", format_yuan(self.books_adjusted_fen)))
        rows.append(("not explained (差额)", format_yuan(self.difference_fen)))
        head = f"银行存款余额调节表 {', '.join(map(masked, self.accounts))} {self.on}"
        return f"{head}\n{table(rows, right=[1])}"

    def to_json(self) -> dict[str, object]:
        """For programs: amounts in fen."""
        return {
            "accounts": [masked(account) for account in self.accounts],
            "on": str(self.on),
            "bank_fen": self.bank_fen,
            "books_fen": self.books_fen,
            "books_only": [_item_json(item) for item in self.books_only],
            "bank_only": [_item_json(item) for item in self.bank_only],
            "bank_adjusted_fen": self.bank_adjusted_fen,
            "books_adjusted_fen": self.books_adjusted_fen,
            "difference_fen": self.difference_fen,
        }


def _item_json(item: Item) -> dict[str, object]:
    return {"day": str(item.day), "fen": item.fen, "what": item.what, "where": item.where}


def _side_rows(items: Sequence[Item], title: str, sign: int) -> list[tuple[str, str]]:
    held = [item for item in items if item.fen * sign > 0]
    rows = [(f"  {title}: {len(held)}", format_yuan(sum(item.fen for item in held)))] if held else []
    rows += [(f"    {item.day}  {item.what} ({item.where})", format_yuan(item.fen)) for item in held[:_SHOWN]]
    left = held[_SHOWN:]
    if left:
        rows.append((f"    and {len(left):,} more", format_yuan(sum(item.fen for item in left))))
    return rows


@dataclass(frozen=True)
class Pool:
    """Accounts that hold some funds together, and what was matched in them.

    `under_way` are the numbers of entries that the bank may have yet, or may have had before the first day told;
    `new` the lines that the books may have yet.
    """

    accounts: tuple[str, ...]
    holders: tuple[str, ...]
    funds: frozenset[str]
    covered: tuple[tuple[date, date], ...]
    lines: tuple[BankLine, ...]
    movements: tuple[Movement, ...]
    matched: Matched
    under_way: frozenset[int]
    new: frozenset[BankLine]
    positions: tuple[Position, ...]

    def covers(self, day: date) -> bool:
        """Whether there is a statement of each account for a day."""
        return _run_of(self.covered, day) is not None

    @cached_property
    def missing(self) -> tuple[Movement, ...]:
        """What is booked and should be at the bank, and is not."""
        return tuple(m for m in self.matched.movements if m.seq not in self.under_way and self.covers(m.day))

    @cached_property
    def unbooked(self) -> tuple[BankLine, ...]:
        """What is at the bank and should be in the books, and is not."""
        return tuple(line for line in self.matched.lines if line not in self.new)


@dataclass(frozen=True, slots=True)
class Astray:
    """A line by which money left, and the entries that it was matched to, if any: not as they say, and of which sort.

    `own`: to another account of the holder; `person`: to a private person; `other`: to somebody else than the books
    say; `unbooked`: no entry has it.
    """

    line: BankLine
    movements: tuple[Movement, ...]
    sort: str


@dataclass(frozen=True)
class Reconciled:
    """Banks and books side by side: what rules about the bank look at."""

    bank: Bank
    pools: tuple[Pool, ...]
    outside: int  # entries with cash that no statement is about

    @cached_property
    def lines(self) -> tuple[BankLine, ...]:
        """All lines of all statements."""
        return tuple(line for pool in self.pools for line in pool.lines)

    @cached_property
    def movements(self) -> tuple[Movement, ...]:
        """What entries moved in accounts, on days that statements tell."""
        return tuple(move for pool in self.pools for move in pool.movements if pool.covers(move.day))

    @cached_property
    def matches(self) -> tuple[Match, ...]:
        """All that was matched."""
        return tuple(one for pool in self.pools for one in pool.matched.matches)

    @property
    def positions(self) -> tuple[Position, ...]:
        """The bank reconciliation statements, by accounts and days."""
        return tuple(one for pool in self.pools for one in pool.positions)

    @cached_property
    def astray(self) -> tuple[Astray, ...]:
        """Every line by which money left otherwise than the books say."""
        return tuple(one for pool in self.pools for one in _astray(self.bank, pool))

    def note(self, of: object) -> str:
        """What there is to say of a line, or of the number of an entry, that is left."""
        return next((pool.matched.notes[of] for pool in self.pools if of in pool.matched.notes), "")

    def coverage(self) -> list[Coverage]:
        """How many lines are matched, how many entries with cash; and what no statement is about."""
        left_lines = sum(len(pool.matched.lines) for pool in self.pools)
        left = sum(pool.covers(move.day) for pool in self.pools for move in pool.matched.movements)
        alike = sum(len(one.lines) for one in self.matches if one.alike)
        new, under_way = sum(len(pool.new) for pool in self.pools), sum(len(pool.under_way) for pool in self.pools)
        untold = sum(not pool.positions for pool in self.pools)
        notes = [f"{alike} only as a set of alike ones"] if alike else []
        notes += [f"{new} too new to be booked"] if new else []
        on_lines = Coverage("bank statements matched", len(self.lines) - left_lines, len(self.lines), "; ".join(notes))
        notes = []
        if self.outside:
            told = counted(self.outside, "entry", "entries")
            notes.append(f"not checked: {told} with cash outside the funds and days of the statements")
        notes += [f"{under_way} under way, or before the first day told"] if under_way else []
        what, pools = "entries with cash found in bank statements", len(self.pools)
        on_entries = Coverage(what, len(self.movements) - left, len(self.movements), "; ".join(notes))
        what, note = "balances of bank statements compared with the books", "not checked: no balances in the statements"
        return [on_lines, on_entries, Coverage(what, pools - untold, pools, note if untold else "")]

    def to_text(self) -> str:
        """Every bank reconciliation statement, one below the other."""
        return "\n".join(one.to_text() for one in self.positions)

    def to_json(self) -> dict[str, object]:
        """For programs: statements of reconciliation, how each line was matched, and what is left."""
        return {
            "positions": [one.to_json() for one in self.positions],
            "matches": [
                {
                    "lines": [line.where for line in one.lines],
                    "entries": [move.seq for move in one.movements],
                    "fen": sum(line.fen for line in one.lines),
                    "why": masked(one.why),
                    "alike": one.alike,
                }
                for one in self.matches
            ],
            "lines_left": [line.where for pool in self.pools for line in pool.matched.lines],
            "entries_left": [move.seq for pool in self.pools for move in pool.matched.movements],
        }


def _astray(bank: Bank, pool: Pool) -> Iterator[Astray]:
    own = {bank.key(holder) for holder in pool.holders}
    for one in pool.matched.matches:
        for line in one.lines if one.movements else ():
            if line.fen < 0 and line.name and not _as_booked(bank, line, one.movements):
                sort = _sort(bank, line, own) or ("other" if len(one.movements) == 1 else "")
                if sort:
                    yield Astray(line, one.movements, sort)
    for line in pool.unbooked:
        if line.fen < 0:
            yield Astray(line, (), _sort(bank, line, own) or "unbooked")


def _as_booked(bank: Bank, line: BankLine, movements: Iterable[Movement]) -> bool:
    """Whether a line went to one whom the books name; where they name nobody, nothing can be said."""
    names = {name for move in movements for name in move.names}
    key = bank.key(line.name)
    return not names or key in names or any(bank.agree(key, name) for name in names)


def _sort(bank: Bank, line: BankLine, own: set[str]) -> str:
    if line.name and bank.key(line.name) in own:
        return "own"
    if is_person(line.name) or (not line.name and is_card(line.other_account)):
        return "person"
    return ""


# --- from statements and entries ----------------------------------------------------------------------------------


def reconcile(entries: Iterable[Entry], funds: Iterable[str], bank: Bank, as_of: date) -> Reconciled:
    """Match statements with a journal. `funds` are all that are open, `as_of` the day up to which the books are kept.

    InputError where an account is said to hold a fund that was never opened.
    """
    held, known = _held(bank, sorted(funds)), list(entries)
    pools = []
    for accounts, inside in held:
        pools.append(_pool(bank, accounts, inside, _movements(known, inside, bank), as_of))
    told = {move.seq for pool in pools for move in pool.movements if pool.covers(move.day)}
    outside = sum(any(p.account == Account.CASH for p in e.draft.postings) for e in known)
    inner = {
        e.seq
        for e in known
        for pool in pools
        if e.seq not in told
        and pool.covers(e.draft.effective)
        and _touches(e.draft, pool.funds)
        and _crosses_nothing(e.draft, pool.funds)
    }
    return Reconciled(bank, tuple(pools), outside - len(told | inner))


def _touches(draft: Draft, funds: frozenset[str]) -> bool:
    return any(p.account == Account.CASH and p.fund in funds for p in draft.postings)


def _crosses_nothing(draft: Draft, funds: frozenset[str]) -> bool:
    """Whether an entry moves cash between funds that the same accounts hold, and nowhere else: no bank has a line."""
    return all(p.fund in funds for p in draft.postings if p.account == Account.CASH) and not _net(draft, funds)


def _held(bank: Bank, funds: Sequence[str]) -> list[tuple[tuple[str, ...], frozenset[str]]]:
    """Accounts with the funds that they hold; those that share a fund stand together."""
    named: dict[str, set[str]] = {}
    for account, statements in bank.accounts.items():
        named[account] = {fund for one in statements for fund in one.funds}
        for fund in sorted(named[account]):
            if fund not in funds:
                where = statements[0].where or masked(account)
                raise InputError(
                    "an account of a fund that was never opened", where=where, got=fund, fix=nearest(fund, funds)
                )
    rest = {fund for fund in funds if not any(fund in held for held in named.values())}
    sets: list[tuple[set[str], set[str]]] = []
    for account, held in named.items():
        inside, accounts = set(held or rest), {account}
        for one in [one for one in sets if one[1] & inside]:
            accounts, inside = accounts | one[0], inside | one[1]
            sets.remove(one)
        sets.append((accounts, inside))
    return sorted((tuple(sorted(accounts)), frozenset(inside)) for accounts, inside in sets)


def _net(draft: Draft, funds: frozenset[str]) -> int:
    cash = (p for p in draft.postings if p.account == Account.CASH and p.fund in funds)
    return sum(p.amount_fen if p.side == Side.DEBIT else -p.amount_fen for p in cash)


def _movements(entries: Iterable[Entry], funds: frozenset[str], bank: Bank) -> tuple[Movement, ...]:
    """What entries move in the accounts of some funds, in the order of the journal."""
    found: dict[int, Movement] = {}
    for entry in entries:
        if not (fen := _net(entry.draft, funds)):
            continue
        undone = None
        if entry.draft.kind in (Kind.REVERSAL, Kind.CORRECTION) and entry.draft.reference.isdecimal():
            undone = found.get(int(entry.draft.reference))
        named = {bank.key(name) for name in _others(entry.draft, fen, funds)} - {""}
        if entry.draft.kind is Kind.RECOVERY and not named and (paid := found.get(int(entry.draft.reference))):
            named = set(paid.names)
        names = undone.names if undone else tuple(sorted(named))
        found[entry.seq] = Movement(entry, fen, names, undone.seq if undone else 0)
    return tuple(found.values())


def _others(draft: Draft, fen: int, funds: frozenset[str]) -> Iterator[str]:
    """Who stands on the other side of an entry."""
    accounts = _FROM if fen > 0 else _TO
    if fen < 0 and draft.payee:
        yield draft.payee
        return
    for posting in draft.postings:
        if posting.fund in funds and posting.account in accounts and posting.detail:
            other = posting.account not in (Account.FUNDING, Account.SURRENDERED)
            yield holder_of(posting.detail)[2] if other and posting.detail.count("/") > 1 else posting.detail


def _pool(
    bank: Bank, accounts: tuple[str, ...], funds: frozenset[str], movements: tuple[Movement, ...], as_of: date
) -> Pool:
    statements = {account: bank.accounts[account] for account in accounts}
    holders = tuple(sorted({one.holder for held in statements.values() for one in held if one.holder}))
    lines = tuple(sorted((line for account in accounts for line in bank.lines_of(account)), key=sort_key))
    covered = _covered_by_all(statements.values())
    sheet = _Sheet(statements, covered, movements, match(bank, lines, movements, holders))
    before = _before(bank, sheet)
    window = timedelta(days=bank.days)
    under_way = before | {move.seq for move in sheet.matched.movements if _may_come(covered, move.day, window)}
    new = frozenset(line for line in sheet.matched.lines if line.day + window > as_of)
    positions = tuple(sheet.positions())
    return Pool(
        accounts, holders, funds, covered, lines, movements, sheet.matched, frozenset(under_way), new, positions
    )


def _covered_by_all(held: Iterable[Sequence[Statement]]) -> tuple[tuple[date, date], ...]:
    """The days that the statements of every account cover."""
    common: list[tuple[date, date]] | None = None
    for statements in held:
        runs = covered_days(statements)
        if common is None:
            common = runs
        else:
            both = ((max(a, c), min(b, d)) for a, b in common for c, d in runs)
            common = [(first, last) for first, last in both if first <= last]
    return tuple(common or ())


def _run_of(covered: Sequence[tuple[date, date]], day: date) -> tuple[date, date] | None:
    at = bisect_right(covered, day, key=lambda run: run[0]) - 1
    return covered[at] if at >= 0 and day <= covered[at][1] else None


def _may_come(covered: Sequence[tuple[date, date]], day: date, window: timedelta) -> bool:
    """Whether an entry lies so near the end of what is told that its line may come after it."""
    run = _run_of(covered, day)
    return run is not None and day + window > run[1]


def _before(bank: Bank, sheet: _Sheet) -> set[int]:
    """Match what was booked just after the first day told, and left the bank before it; else what may be such.

    The opening balance says whether there is such: it is apart from the books by as much. Where there is no opening
    balance, nothing can be said of these entries.
    """
    if not sheet.covered:
        return set()
    first = sheet.covered[0][0]
    early = [m for m in sheet.matched.movements if first <= m.day < first + timedelta(days=bank.days)]
    opening = sheet.position(first - timedelta(days=1))
    if opening is None:
        return {m.seq for m in early}
    gap = opening.difference_fen
    fits, count = only_sum([m.fen for m in early], gap) if gap else ((), 0)
    choices = [[early[at] for at in fits]] * count + [[m] for m in early if m.fen == gap]
    if len(choices) == 1:
        sheet.settle(choices[0], "at the bank before the first day told: the opening balance has it")
    return set()


# --- reconciliation statements ------------------------------------------------------------------------------------


class _Sheet:
    """What reconciliation statements are drawn from: balances by account and day, and what one side has alone."""

    def __init__(
        self, statements: Mapping[str, Sequence[Statement]], covered: tuple[tuple[date, date], ...],
        movements: Sequence[Movement], matched: Matched,
    ) -> None:  # fmt: skip
        self.statements, self.covered, self.matched = statements, covered, matched
        booked: dict[date, int] = defaultdict(int)
        for move in movements:
            booked[move.day] += move.fen
        self._days = sorted(booked)
        self._sums = list(accumulate(booked[day] for day in self._days))
        apart = ((one.days, one) for one in matched.matches)
        self._apart = sorted(
            ((d[0], d[-1], at, one) for at, (d, one) in enumerate(apart) if d[0] < d[-1]), key=itemgetter(0, 1, 2)
        )
        self._longest = max((last - first for first, last, _, _ in self._apart), default=timedelta())
        self._early: list[Movement] = []

    def settle(self, moves: Sequence[Movement], why: str) -> None:
        """Take movements for matched that the bank had before the first day told."""
        taken, was = {move.seq for move in moves}, self.matched
        left = tuple(move for move in was.movements if move.seq not in taken)
        made = Match((), tuple(moves), why, before=True)
        self.matched = Matched((*was.matches, made), was.lines, left, was.notes)
        self._early += moves

    def positions(self) -> Iterator[Position]:
        """One for each day on which a statement ends, where every account has a balance then."""
        for on in sorted({one.end for held in self.statements.values() for one in held}):
            if _run_of(self.covered, on) is not None and (position := self.position(on)) is not None:
                yield position

    def position(self, on: date) -> Position | None:
        """Both sides at the end of a day that is told, or of the day before; None where no balance is told."""
        balances = [_balance(held, on) for held in self.statements.values()]
        at = bisect_right(self._days, on)
        books_only = [
            _booked(m, m.fen)
            for m in self.matched.movements
            if m.day <= on and _run_of(self.covered, m.day) is not None
        ]
        bank_only = [_banked(line, line.fen) for line in self.matched.lines if line.day <= on]
        bank_only += [_booked(m, m.fen) for m in self._early if m.day > on]
        for one in self._across(on):
            bank = sum(line.fen for line in one.lines if line.day <= on)
            books = sum(move.fen for move in one.movements if move.day <= on)
            if abs(books) > abs(bank):
                books_only.append(_booked(one.movements[0], books - bank))
            elif bank != books:
                bank_only.append(_banked(one.lines[0], bank - books))
        sides = (tuple(sorted(items, key=_item_key)) for items in (books_only, bank_only))
        known = [fen for fen in balances if fen is not None]
        if len(known) < len(balances):
            return None
        return Position(tuple(self.statements), on, sum(known), self._sums[at - 1] if at else 0, *sides)

    def _across(self, on: date) -> Iterator[Match]:
        """The matches of which a part lies after a day."""
        low = bisect_left(self._apart, on - self._longest, key=itemgetter(0))
        high = bisect_right(self._apart, on, key=itemgetter(0))
        return (one for _, last, _, one in self._apart[low:high] if last > on)


def _item_key(item: Item) -> tuple[object, ...]:
    return item.day, item.fen, item.where


def _booked(move: Movement, fen: int) -> Item:
    return Item(move.day, fen, masked(move.entry.draft.narrative), f"entry {move.seq}")


def _banked(line: BankLine, fen: int) -> Item:
    return Item(line.day, fen, " ".join(filter(None, (line.who, masked(line.text)))), line.where)


def _balance(held: Sequence[Statement], on: date) -> int | None:
    """What an account held at the end of a day; None where no statement tells it."""
    for one in held:
        if one.start - timedelta(days=1) <= on <= one.end and one.opening_fen is not None:
            return one.opening_fen + sum(line.fen for line in one.lines if line.day <= on)
    return None


__all__ = ["Astray", "Item", "Pool", "Position", "Reconciled", "reconcile"]
