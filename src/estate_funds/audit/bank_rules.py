"""Rules about the bank: what its statements have and the books have not, the other way round, and where money went.

They look at what `audit.reconcile` matched, which is the `bank` of the material. A line is found by one rule about
payments, the most telling: to an account of the holder, to a private person, to somebody else, or not booked.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from estate_funds.audit.bank import BankLine, masked
from estate_funds.audit.matching import Match, Movement
from estate_funds.audit.reconcile import Position, Reconciled
from estate_funds.audit.report import Finding, Severity
from estate_funds.audit.rules import Material, Rule
from estate_funds.journal import Entry, Kind
from estate_funds.money import format_yuan
from estate_funds.text import counted

BOOK_ALL = "会计法 9"
BANK_IT = "现金管理暂行条例 11(一)"
OFF_THE_BOOKS = "财政违法行为处罚处分条例 17"
NO_PRIVATE_ACCOUNT = "商业银行法 48"
RECONCILE = "会计基础工作规范 62"
TRIP_DAYS = 30  # within which money that comes back is looked for
_RETURNS = frozenset({Kind.RECOVERY, Kind.REVERSAL, Kind.CORRECTION, Kind.SURRENDER, Kind.REPAYMENT, Kind.LOAN})
_BOOKED_WHEN_HERE = frozenset({Kind.RECEIPT, Kind.RECOVERY})
_REFUND = "refund"


def _bank(about: Material) -> Reconciled:
    bank = about.bank
    assert isinstance(bank, Reconciled)  # what audit.run makes of what it was given
    return bank


# --- what a rule looks at -----------------------------------------------------------------------------------------


def _booked_in(about: Material) -> Sequence[Movement]:
    return [move for move in _bank(about).movements if move.fen > 0]


def _booked_out(about: Material) -> Sequence[Movement]:
    return [move for move in _bank(about).movements if move.fen < 0]


def _lines_in(about: Material) -> Sequence[BankLine]:
    return [line for line in _bank(about).lines if line.fen > 0]


def _lines_out(about: Material) -> Sequence[BankLine]:
    return [line for line in _bank(about).lines if line.fen < 0]


def _out_of_known_holders(about: Material) -> Sequence[BankLine]:
    return [line for pool in _bank(about).pools if pool.holders for line in pool.lines if line.fen < 0]


def _both(about: Material) -> Sequence[Match]:
    return [one for one in _bank(about).matches if one.lines and one.movements]


def _named_out(about: Material) -> Sequence[BankLine]:
    return [line for one in _both(about) for line in one.lines if line.fen < 0 and line.name]


def _accounts(about: Material) -> Sequence[object]:
    return [one for held in _bank(about).bank.accounts.values() for one in held]


# --- where a payment went -----------------------------------------------------------------------------------------


def _misdirected(about: Material, rule: Rule, sort: str, what: str) -> Iterator[Finding]:
    bank = _bank(about)
    for paid in bank.astray:
        if paid.sort == sort:
            line, entries = paid.line, [move.entry for move in paid.movements]
            wanted = ", ".join(sorted({masked(entry.draft.payee) for entry in entries if entry.draft.payee}))
            said = f"{line.day} {line.who} {masked(line.text)}".strip() + _noted(bank, line)
            yield rule.found(
                what, *entries, where=_place(entries, (line,)), got=said, wanted=wanted or "an entry",
                amount_fen=line.out_fen, subject=line.who if line.name else "",
            )  # fmt: skip


def _place(entries: Iterable[Entry], lines: Iterable[BankLine]) -> str:
    return ", ".join([*(f"entry {entry.seq} ({entry.draft.key})" for entry in entries), *(one.where for one in lines)])


def _noted(bank: Reconciled, of: object) -> str:
    note = bank.note(of)
    return f"; {note}" if note else ""


def _to_own_account(about: Material, rule: Rule) -> Iterator[Finding]:
    yield from _misdirected(about, rule, "own", "money to another account of the holder, which no statement is of")


def _to_a_person(about: Material, rule: Rule) -> Iterator[Finding]:
    yield from _misdirected(about, rule, "person", "money to a private person whom the books do not pay")


def _to_another(about: Material, rule: Rule) -> Iterator[Finding]:
    yield from _misdirected(about, rule, "other", "the bank paid somebody else than the books")


def _paid_unbooked(about: Material, rule: Rule) -> Iterator[Finding]:
    yield from _misdirected(about, rule, "unbooked", "money left the bank, and no entry says so")


# --- one side alone -----------------------------------------------------------------------------------------------


def _missing(about: Material, rule: Rule, sign: int, what: str) -> Iterator[Finding]:
    bank = _bank(about)
    for pool in bank.pools:
        for move in pool.missing:
            if move.fen * sign > 0:
                draft, got = move.entry.draft, f"no line that fits{_noted(bank, move.seq)}"
                wanted = f"{format_yuan(abs(move.fen))} yuan near {draft.effective}"
                yield rule.found(
                    what, move.entry, got=got, wanted=wanted, amount_fen=abs(move.fen), subject=masked(draft.payee)
                )


def _not_banked(about: Material, rule: Rule) -> Iterator[Finding]:
    yield from _missing(about, rule, 1, "received in the books, and not at the bank")


def _not_paid(about: Material, rule: Rule) -> Iterator[Finding]:
    yield from _missing(about, rule, -1, "paid in the books, and it did not leave the bank")


def _received_unbooked(about: Material, rule: Rule) -> Iterator[Finding]:
    bank = _bank(about)
    for pool in bank.pools:
        for line in pool.unbooked:
            if line.fen > 0:
                got = f"{line.day} {line.who} {masked(line.text)}".strip() + _noted(bank, line)
                what = "money came to the bank, and no entry says so"
                yield rule.found(
                    what, where=line.where, got=got, wanted="an entry", amount_fen=line.fen, subject=line.who
                )


def _late(about: Material, rule: Rule) -> Iterator[Finding]:
    """Received and banked late; or booked as paid long before it left."""
    bank = _bank(about).bank
    for one in _both(about):
        days = (max(line.day for line in one.lines) - min(move.day for move in one.movements)).days
        into = one.lines[0].fen > 0
        cash = into and all(move.entry.draft.kind in _BOOKED_WHEN_HERE for move in one.movements)
        most = bank.banking_days if cash else bank.days
        if days > most:
            what = (
                f"banked {days} days after it was received" if cash else f"at the bank {days} days after it was booked"
            )
            entries = [move.entry for move in one.movements]
            wanted = f"within {counted(most, 'day')}"
            where = _place(entries, one.lines)
            fen = sum(abs(line.fen) for line in one.lines)
            yield rule.found(what, *entries, where=where, got=f"{days} days", wanted=wanted, amount_fen=fen)


# --- money that comes back ----------------------------------------------------------------------------------------


def _round_trips(about: Material, rule: Rule) -> Iterator[Finding]:
    """Money to somebody and nearly all of it back, or the other way round, and no entry that says it is given back."""
    bank = _bank(about)
    for pool in bank.pools:
        booked = {line: one.movements for one in pool.matched.matches for line in one.lines}
        inner = {line for one in pool.matched.matches if not one.movements for line in one.lines}
        groups: dict[str, list[BankLine]] = defaultdict(list)
        for line in pool.lines:
            who = bank.bank.key(line.name) or line.other_account
            if who and line not in inner and not _given_back(about, booked.get(line, ())):
                groups[who].append(line)
        for who in sorted(groups):
            for first, back in _trips(groups[who]):
                entries = [move.entry for line in (first, back) for move in booked.get(line, ())]
                way = "paid, and back" if first.fen < 0 else "received, and back"
                days = counted((back.day - first.day).days, "day")
                got = f"{format_yuan(abs(first.fen))} on {first.day}, {format_yuan(abs(back.fen))} on {back.day}"
                yield rule.found(
                    f"{way} to where it came from within {days}", *entries, where=_place(entries, (first, back)),
                    got=got, wanted="an entry that says what is given back, and why", amount_fen=abs(back.fen),
                    subject=first.who,
                )  # fmt: skip


def _given_back(about: Material, movements: Iterable[Movement]) -> bool:
    """Whether entries say that money is given back, or it was held for others all the time."""
    for move in movements:
        draft, funds = move.entry.draft, about.ledger.funds
        if draft.kind in _RETURNS or draft.purpose == _REFUND or move.seq in about.ledger.reversed:
            return True
        if all(posting.fund in funds and funds[posting.fund].held_for_others for posting in draft.postings):
            return True
    return False


def _trips(lines: Sequence[BankLine]) -> Iterator[tuple[BankLine, BankLine]]:
    """Pairs of lines of one counterparty, each in one pair at most: the second is nine tenths of the first, or all."""
    waiting: dict[bool, list[tuple[int, int]]] = {True: [], False: []}  # by direction: amount and place, in order
    known: deque[int] = deque()
    for at, line in enumerate(lines):
        while known and (line.day - lines[known[0]].day).days > TRIP_DAYS:
            old = lines[known[0]]
            held, key = waiting[old.fen > 0], (abs(old.fen), known.popleft())
            if (place := bisect_left(held, key)) < len(held) and held[place] == key:
                del held[place]
        others, back = waiting[line.fen < 0], abs(line.fen)
        place = bisect_left(others, (back, -1))
        if place < len(others) and others[place][0] * 9 <= back * 10:
            yield lines[others.pop(place)[1]], line
        else:
            insort(waiting[line.fen > 0], (back, at))
            known.append(at)


# --- balances -----------------------------------------------------------------------------------------------------


def _positions(about: Material) -> Sequence[Position]:
    return _bank(about).positions


def _balances(about: Material, rule: Rule) -> Iterator[Finding]:
    """Said once, where it begins: a difference that stays is the same one."""
    for pool in _bank(about).pools:
        before = 0
        for one in pool.positions:
            if one.difference_fen not in (0, before):
                accounts = ", ".join(map(masked, one.accounts))
                got = f"{format_yuan(one.bank_adjusted_fen)} per bank, {format_yuan(one.books_adjusted_fen)} per books"
                yield rule.found(
                    "bank and books differ by more than what is under way", where=f"{accounts} on {one.on}", got=got,
                    wanted="the same, when what one side has alone is added", amount_fen=abs(one.difference_fen),
                )  # fmt: skip
            before = one.difference_fen


def _gaps(about: Material, rule: Rule) -> Iterator[Finding]:
    for account, statements in _bank(about).bank.accounts.items():
        for one, following in pairwise(statements):
            closing, opening = one.closing_fen, following.opening_fen
            if following.start > one.end and closing is not None and opening is not None and closing != opening:
                what = "a part of the statements is missing, or was changed"
                got = f"{format_yuan(closing)} on {one.end}, {format_yuan(opening)} before {following.start}"
                where = ", ".join(filter(None, (masked(account), one.where, following.where)))
                yield rule.found(
                    what, where=where, got=got, wanted="the same balance", amount_fen=abs(closing - opening)
                )


_NEEDS = ("bank",)
_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
BANK_RULES: tuple[Rule, ...] = (
    Rule(
        "bank-receipt-missing", _ERROR, "Received in the books, and not banked.", BANK_IT,
        "show the paying-in slip, or account for the cash", _booked_in, _not_banked, _NEEDS,
        example="Parking income of 8,000.00 is booked on 3 March, and no statement has it by June.",
    ),
    Rule(
        "bank-receipt-unbooked", _ERROR, "Received at the bank, and not in the books.", OFF_THE_BOOKS,
        "book it, with the paper it rests on", _lines_in, _received_unbooked, _NEEDS,
        example="The bank took in 12,000.00 of rent for a wall, and no entry says so.",
    ),
    Rule(
        "bank-payment-missing", _ERROR, "Paid in the books, and it never left the bank.", BOOK_ALL,
        "show the bank's receipt, or reverse the entry", _booked_out, _not_paid, _NEEDS,
        example="96,000.00 to a lift firm is booked as paid, and the account never paid it.",
    ),
    Rule(
        "bank-payment-unbooked", _ERROR, "Left the bank, and not in the books.", BOOK_ALL,
        "book it, with the paper it rests on, or claim it back", _lines_out, _paid_unbooked, _NEEDS,
        example="The account paid 30,000.00 that no entry knows.",
    ),
    Rule(
        "bank-payee", _ERROR, "The bank paid somebody else than the books say.", BOOK_ALL,
        "show that both are one (names in the bank map), or claim it back", _named_out, _to_another, _NEEDS,
        example="The books pay 宏达物业, and the bank paid 诚信装饰.",
    ),
    Rule(
        "bank-to-person", _ERROR, "Paid to a private person whom the books do not pay.", NO_PRIVATE_ACCOUNT,
        "show what was owed to that person, or claim it back", _lines_out, _to_a_person, _NEEDS,
        example="The books pay a property firm, and the bank paid 张小三.",
    ),
    Rule(
        "bank-own-account", _ERROR, "Moved to an account of the holder that no statement is of.", OFF_THE_BOOKS,
        "give the statements of that account", _out_of_known_holders, _to_own_account, _NEEDS,
        example="50,000.00 went to a second account of the committee, of which there is no statement.",
    ),
    Rule(
        "bank-round-trip", _WARNING, "Money that went back to where it came from.", BOOK_ALL,
        "show what was delivered, or book it as given back", lambda about: _bank(about).lines, _round_trips, _NEEDS,
        example="20,000.00 to a firm, and 19,000.00 back from it within a month.",
    ),
    Rule(
        "bank-late", _WARNING, "Banked late, or booked as paid long before it left.", BANK_IT,
        "explain the delay in the file; it cannot be undone", _both, _late, _NEEDS,
        example="Fees that were received on 1 March were paid in on 20 June.",
    ),
    Rule(
        "bank-balance", _ERROR, "Balance per bank and per books differ by more than what is under way.", RECONCILE,
        "find what neither side explains", _positions, _balances, _NEEDS,
        example="Per bank 92,000.00 more than per books, and nothing is under way.",
    ),
    Rule(
        "bank-gap", _ERROR, "Statements that do not follow on each other.", RECONCILE,
        "ask the bank for the pages between", _accounts, _gaps, _NEEDS,
        example="One statement closes at 9,550.00, the next one opens at 8,550.00.",
    ),
)  # fmt: skip

__all__ = ["BANK_RULES"]
