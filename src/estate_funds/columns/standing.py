"""The checks in columns that ask the ledger: open periods, funds and their fences, promises, and balances.

`Standing` is what a block finds in the ledger and leaves in it. The caution of `rules` holds here: doubt, never trust.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from estate_funds.columns.block import Ints, Places, combined, from_day, to_day
from estate_funds.columns.past import nothing_before, promises_of
from estate_funds.columns.rules import NO_LAST_DAY, last_days, years_of
from estate_funds.columns.sheet import KINDS, NO_ACCOUNT, NO_KIND, Flags, Sheet, by_place, kind_flags
from estate_funds.errors import Refusal
from estate_funds.funds import Account, Fund, Side
from estate_funds.journal import Draft, Evidence, Kind, Posting
from estate_funds.ledger import PAYMENTS, BalanceKey, Ledger, Promise, add_to, renewed
from estate_funds.ledger.checks import check_fence, check_liability
from estate_funds.ledger.shapes import FENCED, HANDED
from estate_funds.money import MAX_FEN

D, C = Side.DEBIT.value, Side.CREDIT.value
_ACCOUNTS = tuple(account.value for account in Account)
_CASH, _SPENT = Account.CASH.value, Account.EXPENDITURE.value
_ENCUMBERED, _AUTHORITY = Account.ENCUMBERED.value, Account.AUTHORITY.value
_TRANSFER_OUT = Account.TRANSFER_OUT.value
_FENCED = by_place(FENCED).astype(bool)
_HANDED = by_place(frozenset((account, D) for account in HANDED)).astype(bool)
_SPENDS = by_place(frozenset({(_SPENT, D), (_SPENT, C)})).astype(bool)
_PROMISED = by_place(frozenset({(_ENCUMBERED, C)})).astype(bool)
_REDEEMED = by_place(frozenset({(_ENCUMBERED, D)})).astype(bool)
_INFLOW = by_place(frozenset({(_AUTHORITY, D)})).astype(bool)
_PAYING = kind_flags(PAYMENTS)
_RELEASE, _ENCUMBRANCE = KINDS.index(Kind.RELEASE), KINDS.index(Kind.ENCUMBRANCE)
_NO_END = 2**62  # in days
_REMEMBERED = 1 << 16  # combinations

Spans = tuple[tuple[int, int], ...]  # first day, and first day no longer


class Asked(NamedTuple):
    """What a fence is asked, the day aside; without a fund that takes, a payee is there or not, whoever it is."""

    kind: Kind
    purpose: str
    payee_class: str
    payee: str
    held: frozenset[str]  # kinds of evidence
    spends: bool  # money of the fund leaves the books
    account: str  # the one by which money is handed over to another fund, or empty
    taker: str


# --- funds and their fences -------------------------------------------------------------------------------------------


class Fences:
    """What each fund lets through, and on which days: asked of the plain checks once for each combination of words."""

    def __init__(self) -> None:
        self._spans: dict[tuple[str, Asked], tuple[Fund, Spans]] = {}
        self._liable: dict[str, tuple[Fund, Flags]] = {}

    def spans(self, fund: Fund, asked: Asked) -> Spans:
        """The days on which the fence of a fund lets such an entry through."""
        known = self._spans.get((fund.fund_id, asked))
        if known is None or known[0] is not fund:
            if len(self._spans) >= _REMEMBERED:
                self._spans.clear()
            known = self._spans[fund.fund_id, asked] = (fund, tuple(_spans(fund, asked)))
        return known[1]

    def liable(self, fund: Fund) -> Flags:
        """Which accounts a fund may have, by number."""
        known = self._liable.get(fund.fund_id)
        if known is None or known[0] is not fund:
            known = self._liable[fund.fund_id] = (fund, _liable(fund))
        return known[1]


def _spans(fund: Fund, asked: Asked) -> Iterable[tuple[int, int]]:
    """Each permit is put to the plain check alone and on its first day: what passes then passes as long as it runs."""
    postings = [Posting(fund.fund_id, _CASH, "", C, 1)]
    postings += [Posting(fund.fund_id, _SPENT, asked.purpose, D, 1)] if asked.spends else []
    postings += [Posting(fund.fund_id, asked.account, asked.taker, D, 1)] if asked.account else []
    draft = _sample(
        asked.kind,
        purpose=asked.purpose,
        payee=asked.payee,
        payee_class=asked.payee_class,
        evidence=tuple(Evidence(kind, "") for kind in sorted(asked.held)),
        postings=tuple(postings),
    )
    return [
        (from_day(permit.start), from_day(permit.until) if permit.until else _NO_END)
        for permit in fund.permits_for(asked.purpose, asked.payee_class)
        if _passes(replace(fund, permits=(permit,)), replace(draft, effective=permit.start))
    ]


def _passes(fund: Fund, draft: Draft) -> bool:
    try:
        check_fence(Ledger(funds={fund.fund_id: fund}), draft)
    except (Refusal, ValueError):  # the latter where the id of the fund that takes is none
        return False
    return True


def _liable(fund: Fund) -> Flags:
    fine = np.zeros(NO_ACCOUNT + 1, bool)
    for number, account in enumerate(_ACCOUNTS):
        draft = _sample(Kind.SPENDING, postings=(Posting(fund.fund_id, account, "", D, 1),))
        try:
            check_liability(Ledger(funds={fund.fund_id: fund}), draft)
        except Refusal:
            continue
        fine[number] = True
    return fine


def _sample(kind: Kind, **fields: object) -> Draft:
    return Draft(kind=kind, effective=date.min, key="-", maker="-", approver="-", narrative="-", **fields)  # type: ignore[arg-type]


# --- a block in its ledger --------------------------------------------------------------------------------------------


class Standing:
    """What one block finds in a ledger and leaves in it: funds, promises, and every balance that the block touches."""

    def __init__(self, ledger: Ledger, sheet: Sheet, fences: Fences) -> None:
        self.ledger, self.sheet, self.fences = ledger, sheet, fences
        self.last = last_days(sheet)
        opening = list(map(ledger.balances.get, sheet.balance_keys, itertools.repeat(0)))
        self._fits = max(opening, default=0) + sheet.bound <= MAX_FEN  # no sum in this block outgrows 64 bits
        self.held: Ints = np.array(opening if self._fits else [0] * len(opening), np.int64)
        self._before = np.zeros(sheet.m, np.int64)  # what each posting's entry finds on its balance

    # --- what the ledger lets through ---

    def covered(self) -> Flags:
        """The entries after which no balance stands on the wrong side, if all before them are booked."""
        sheet, fine = self.sheet, np.full(self.sheet.n, self._fits)
        if not self._fits or not sheet.m:
            return fine
        falls = np.zeros(len(self.held), np.int64)
        np.add.at(falls, sheet.balance, np.minimum(sheet.change, 0))
        promised = np.zeros(len(self.held), bool)
        promised[sheet.balance[_PROMISED[sheet.place]]] = True
        # The order matters where a balance would not bear all that is taken off it at once; and where a promise is made
        # that has other postings, for what it finds there.
        ordered = (self.held + falls < 0) | (promised & (np.bincount(sheet.balance, minlength=len(self.held)) > 1))
        self._before = self.held[sheet.balance]
        lines = np.flatnonzero(ordered[sheet.balance])
        if len(lines):
            fine[self._in_order(lines)] = False
        return fine

    def _in_order(self, lines: Ints) -> Ints:
        """The entries among these postings after which a balance stands on the wrong side, balance by balance."""
        sheet = self.sheet
        # Balance and place in one number: to sort numbers is several times as fast as a stable sort of pairs.
        order = np.sort(sheet.balance[lines].astype(np.int64) << 32 | lines) & 0xFFFFFFFF
        balance, row, change = sheet.balance[order], sheet.row[order], sheet.change[order]
        sums = np.cumsum(change)
        first = np.concatenate(([True], balance[1:] != balance[:-1]))
        starts = np.flatnonzero(first | np.concatenate(([True], row[1:] != row[:-1])))  # of an entry on a balance
        ends = np.concatenate((starts[1:], [len(order)])) - 1
        opens = np.flatnonzero(first)
        opening = np.empty(len(self.held), np.int64)
        opening[balance[opens]] = self.held[balance[opens]] - (sums[opens] - change[opens])
        after = opening[balance[ends]] + sums[ends]
        before = opening[balance[starts]] + sums[starts] - change[starts]
        self._before[order] = np.repeat(before, ends - starts + 1)
        return np.asarray(row[ends[after < 0]])

    def admitted(self, sound: Flags) -> Flags:
        """Which of the sound entries the ledger as it stands admits, balances aside."""
        ledger, sheet, fine = self.ledger, self.sheet, sound.copy()
        fine &= sheet.effective > from_day(ledger.closed_through)
        if not sheet.m:
            return fine
        funds = [ledger.funds.get(name) for name in sheet.fund_names]
        nothing = np.zeros(NO_ACCOUNT + 1, bool)
        accounts = np.array([nothing if fund is None else self.fences.liable(fund) for fund in funds])
        wrong = ~accounts[sheet.fund, sheet.account]
        # What a release gives back of a fund whose budget lapses depends on the year of the promise.
        carries = np.array([f is not None and f.carry_forward and not f.surplus_after_years for f in funds], bool)
        wrong |= (sheet.line_kind == _RELEASE) & ~carries[sheet.fund]
        fine[sheet.row[wrong]] = False
        fine[self._outside(funds, fine)] = False
        fine[self._unkept(np.array([f is not None and not f.carry_forward for f in funds], bool))] = False
        fine[self._given_back()] = False
        return fine

    def _outside(self, funds: Sequence[Fund | None], fine: Flags) -> Ints:
        """Entries that a fence does not let through, or that give from one fund in more than one place."""
        sheet = self.sheet
        starts = sheet.runs
        fenced = np.add.reduceat(_FENCED[sheet.place], starts, dtype=np.int64) > 0
        spends = np.add.reduceat(_SPENDS[sheet.place], starts, dtype=np.int64) > 0
        handing = np.flatnonzero(_HANDED[sheet.place])
        run = np.searchsorted(starts, handing, "right") - 1
        handed = np.bincount(run, minlength=len(starts))
        given = np.full(len(starts), -1)
        given[run] = handing
        asked = np.flatnonzero((fenced | spends) & fine[sheet.row[starts]])
        if not len(asked):
            return asked
        rows, fund = sheet.row[starts[asked]], sheet.fund[starts[asked]]
        doubted = (handed[asked] > 1) | ~self._open(funds, rows, fund, spends[asked], given[asked])
        if (rows[1:] == rows[:-1]).any():
            _, first = combined([(rows, sheet.n), (fund, len(funds))])
            again = np.ones(len(rows), bool)
            again[first] = False
            doubted |= again
        return rows[doubted]

    def _open(self, funds: Sequence[Fund | None], rows: Ints, fund: Places, spends: Flags, given: Ints) -> Flags:
        """Whether the fence is open for what each entry (of `rows`) wants of a fund, on its day."""
        sheet, hands = self.sheet, given >= 0
        purposes, purpose_words = sheet.words("purpose")
        classes, class_words = sheet.words("payee_class")
        payees, payee_words = sheet.words("payee")
        there = np.array([bool(word.strip()) for word in payee_words])[payees[rows]]
        held, held_sets = self._held()
        combination, first = combined(
            [
                (sheet.kind[rows], NO_KIND + 1),
                (fund, len(funds)),
                (purposes[rows], len(purpose_words)),
                (classes[rows], len(class_words)),
                (held[rows], len(held_sets)),
                (np.where(hands, payees[rows] + 2, there), len(payee_words) + 2),
                (spends, 2),
                (np.where(hands, sheet.detail[given] + 1, 0), len(sheet.details) + 1),
                (np.where(hands, sheet.account[given] + 1, 0), NO_ACCOUNT + 2),
            ]
        )
        spans: list[Spans] = []
        for at in first.tolist():
            row, line = rows[at], given[at]
            asked = Asked(
                KINDS[sheet.kind[row]],
                purpose_words[purposes[row]],
                class_words[classes[row]],
                payee_words[payees[row]] if line >= 0 else "-" * bool(there[at]),
                held_sets[held[row]],
                bool(spends[at]),
                _ACCOUNTS[sheet.account[line]] if line >= 0 else "",
                sheet.details[int(sheet.detail[line])].as_py() if line >= 0 else "",
            )
            one = funds[fund[at]]
            spans.append(() if one is None else self.fences.spans(one, asked))
        day, fine = sheet.effective[rows], np.zeros(len(rows), bool)
        for number in range(max(map(len, spans), default=0)):
            ends = np.array([span[number] if number < len(span) else (0, 0) for span in spans], np.int64)[combination]
            fine |= (ends[:, 0] <= day) & (day < ends[:, 1])
        return fine

    def _held(self) -> tuple[Places, list[frozenset[str]]]:
        """The number of the set of kinds of evidence that each entry has, and the sets."""
        ends, kinds, words, _ = self.sheet.papers
        held = np.zeros(self.sheet.n, np.int64)
        if len(kinds):
            rows = np.repeat(np.arange(self.sheet.n), np.diff(ends))
            np.bitwise_or.at(held, rows, np.int64(1) << kinds)
        met = pa.array(held).dictionary_encode()
        sets = [frozenset(word for n, word in enumerate(words) if bits >> n & 1) for bits in met.dictionary.to_pylist()]
        return np.asarray(met.indices), sets

    def _unkept(self, lapses: Flags) -> Ints:
        """Payments against a promise, or additions to one, that may have expired, bind something else, or be too old.

        The last in funds whose budget lapses with its year, which `lapses` says by number. Whatever entries of this
        block add to a promise, its last day is the one it had or one that they name. One that stands at nought now has
        no last day until then.
        """
        sheet = self.sheet
        paying = _REDEEMED[sheet.place] & _PAYING[sheet.line_kind]
        lines = np.flatnonzero(paying | (_PROMISED[sheet.place] & (sheet.line_kind == _ENCUMBRANCE)))
        if not len(lines):
            return lines
        rows, balance, (bound, wanted) = sheet.row[lines], sheet.balance[lines], self._bound
        most = np.full(len(self.held), -1)
        most[balance] = bound[rows]
        doubted = np.zeros(len(self.held), bool)
        doubted[balance[most[balance] != bound[rows]]] = True  # entries that bind it differently
        years = years_of(sheet.effective[rows])
        year = int(years[0])
        if (years != year).any():
            doubted[balance[lapses[sheet.fund[lines]]]] = True
        limit = np.full(len(self.held), NO_LAST_DAY, np.int64)
        touched, lapsing = np.flatnonzero(most >= 0), np.zeros(len(self.held), bool)
        lapsing[balance] = lapses[sheet.fund[lines]]
        for number, promise in zip(touched.tolist(), promises_of(self.ledger, sheet.keys_of(touched)), strict=True):
            if promise is not None:
                doubted[number] |= promise.to != wanted[most[number]] or (promise.year != year and lapsing[number])
                if promise.expires is not None and self.held[number]:
                    limit[number] = from_day(promise.expires)
        if (self.last != NO_LAST_DAY).any():
            promised = np.flatnonzero(_PROMISED[sheet.place])
            np.minimum.at(limit, sheet.balance[promised], self.last[sheet.row[promised]])
        return rows[doubted[balance] | (limit[balance] < sheet.effective[rows])]

    @cached_property
    def _bound(self) -> tuple[Places, list[tuple[str, str, str]]]:
        """The number of what each entry would bind of a promise, and what that is."""
        codes, words = zip(*map(self.sheet.words, ("purpose", "payee_class", "payee")), strict=True)
        number, first = combined([(of, len(among)) for of, among in zip(codes, words, strict=True)])
        chosen = ([among[code] for code in of[first].tolist()] for of, among in zip(codes, words, strict=True))
        return number, list(zip(*chosen, strict=True))

    def _given_back(self) -> Ints:
        """Entries by which a fund may get back what it gave another: how old that is, the plain gate says."""
        sheet = self.sheet
        lines = np.flatnonzero(sheet.is_account(Account.TRANSFER_IN))
        if not len(lines):
            return lines
        given = set(sheet.keys_of(sheet.balances_at(np.flatnonzero(sheet.is_account(Account.TRANSFER_OUT)))))
        balances, back = self.ledger.balances, np.zeros(len(self.held), bool)
        numbers = sheet.balances_at(lines)
        other = [(fund, _TRANSFER_OUT, giver) for fund, _, giver in sheet.keys_of(numbers)]
        back[numbers] = [key in given or key in balances for key in other]
        return np.asarray(sheet.row[lines[back[sheet.balance[lines]]]])

    # --- what the block leaves ---

    def book(self, start: int, stop: int) -> None:
        """Leave in the ledger what the entries from `start` to before `stop` change, which all passed."""
        sheet, balances = self.sheet, self.ledger.balances
        lines = slice(int(sheet.ends[start]), int(sheet.ends[stop]))
        self._promise(lines)
        change = np.zeros(len(self.held), np.int64)
        np.add.at(change, sheet.balance[lines], sheet.change[lines])
        changed = np.flatnonzero(change)
        self.held[changed] += change[changed]
        left = self.held[changed]
        keys = map(sheet.balance_keys.__getitem__, changed[left != 0].tolist())
        balances.update(zip(keys, left[left != 0].tolist(), strict=True))
        for number in changed[left == 0].tolist():
            balances.pop(sheet.balance_keys[number], None)
        self._flow_in(lines)

    def booked(self, at: int) -> None:
        """Take note of an entry that the plain gate has booked."""
        lines = slice(int(self.sheet.ends[at]), int(self.sheet.ends[at + 1]))
        np.add.at(self.held, self.sheet.balance[lines], self.sheet.change[lines])

    def _flow_in(self, lines: slice) -> None:
        sheet, inflows = self.sheet, self.ledger.inflows
        came = self._inflows[slice(*np.searchsorted(self._inflows, (lines.start, lines.stop)))]
        if not len(came):
            return
        years = years_of(sheet.effective[sheet.row[came]])
        flow, first = combined([(sheet.fund[came], len(sheet.fund_names)), (years, int(years.max()) + 1)])
        total = np.zeros(len(first), np.int64)
        np.add.at(total, flow, sheet.amount[came])
        for at, fen in zip(first.tolist(), total.tolist(), strict=True):
            name = (sheet.fund_names[sheet.fund[came[at]]], int(years[at]))
            add_to(inflows, name, fen)

    @cached_property
    def _inflows(self) -> Ints:
        """The postings by which authority comes in."""
        return np.flatnonzero(_INFLOW[self.sheet.place])

    def _promise(self, lines: slice) -> None:
        """The promises that encumbrances make or add to, as `Ledger.advance` keeps them."""
        made, held, keys, new = self._growing
        some = slice(*np.searchsorted(made, (lines.start, lines.stop)).tolist())
        if some.start == some.stop:
            return
        promises = self.ledger.promises
        first = not held[some].any() and nothing_before(self.ledger.past)
        # The usual case: each is the first of its fund and reference, or the same as what is there.
        if first and list(map(promises.setdefault, keys[some], new[some])) == new[some]:
            return
        known, seqs = promises_of(self.ledger, keys[some]), self.sheet.row[made[some]] + self.sheet.block.first_seq
        grew = zip(keys[some], known, held[some].tolist(), new[some], seqs.tolist(), strict=True)
        for key, before, fen, promise, seq in grew:
            promises[key] = renewed(promises.get(key) or before, fen, promise, seq)

    @cached_property
    def _growing(self) -> tuple[Ints, Ints, list[BalanceKey], list[Promise]]:
        """The postings that make or change a promise, with what their entries find held.

        And for each its balance, and the promise that it would be by itself.
        """
        sheet = self.sheet
        made = np.flatnonzero(_PROMISED[sheet.place] & (sheet.line_kind == _ENCUMBRANCE))
        numbers, order = sheet.balance[made], np.arange(len(made))
        # What adds to a promise, names no day and is not of an earlier year leaves it as it is: only the first of a
        # balance could be one that is to be copied from the past.
        years = years_of(sheet.effective[sheet.row[made]])
        same = (self._before[made] != 0) & (self.last[sheet.row[made]] == NO_LAST_DAY)
        same &= years == years.max(initial=0)
        first = np.empty(len(self.held), np.int64)
        first[numbers[::-1]] = order[::-1]  # of equal ones the last stays
        well_formed = self.last[sheet.row[made]] > -NO_LAST_DAY  # what is not will not pass
        made = made[(~same | (first[numbers] == order)) & well_formed]
        return made, self._before[made], sheet.keys_of(sheet.balance[made]), self._promising(sheet.row[made])

    def _promising(self, rows: Ints) -> list[Promise]:
        """The promise that each encumbrance would be by itself."""
        if not len(rows):
            return []
        years, last, (bound, wanted) = years_of(self.sheet.effective[rows]), self.last[rows], self._bound
        first_year, last_year = int(years.min()), int(years.max())
        first_day, last_day = int(last.min()), int(last.max())
        sizes = (last_year - first_year + 1, last_day - first_day + 1, len(wanted))
        number, first = combined(list(zip((years - first_year, last - first_day, bound[rows]), sizes, strict=True)))
        chosen = zip(years[first].tolist(), last[first].tolist(), bound[rows[first]].tolist(), strict=True)
        promises = [Promise(y, None if day == NO_LAST_DAY else to_day(day), wanted[to]) for y, day, to in chosen]
        return list(map(promises.__getitem__, number.tolist()))
