"""One block of entries as NumPy arrays: what the checks in columns are worked out on.

Words become numbers: accounts and sides those of their position in the enums (one past the last for a word that is
none), funds and details those of the block's dictionaries, balances one for each fund, account and detail that occurs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.columns.block import Columns, Ints, Places, combined, days, flattened, trimmed
from estate_funds.funds import BUDGET, MONEY, NORMAL_SIDE, Account, Side
from estate_funds.journal import Kind
from estate_funds.ledger import BalanceKey
from estate_funds.ledger.shapes import UNSPENT

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[Any]  # small integers of any width

KINDS, ACCOUNTS, SIDES = tuple(Kind), tuple(Account), tuple(Side)
NO_ACCOUNT, NO_SIDE, NO_KIND = len(ACCOUNTS), len(SIDES), len(KINDS)
_SIDE_STEP = NO_SIDE + 1  # an account and a side as one number: account * step + side


def kind_flags(kinds: Sequence[Kind] | frozenset[Kind]) -> Flags:
    """Which numbers of kinds are among these."""
    return np.array([*(kind in kinds for kind in KINDS), False])


def by_place(places: Mapping[tuple[str, str], int] | frozenset[tuple[str, str]]) -> Ints:
    """A table by account and side, for `Sheet.place`: the value of each, or 1 for a member of a set, 0 elsewhere."""
    table = np.zeros((NO_ACCOUNT + 1, _SIDE_STEP), np.int64)
    for account, side in places:
        value = places[account, side] if isinstance(places, Mapping) else 1
        table[ACCOUNTS.index(Account(account)), SIDES.index(Side(side))] = value
    return np.asarray(table.ravel())


_PAIRS = [(account.value, side.value) for account in Account for side in Side]
_DEBIT = {pair: 1 if pair[1] == Side.DEBIT else -1 for pair in _PAIRS}
_NORMAL = {pair: 1 if pair[1] == NORMAL_SIDE[pair[0]] else -1 for pair in _PAIRS}
# Each is a sum over the postings of a fund in an entry; of an entry that passes, all three are nought.
MONEY_SIGN = by_place({pair: sign for pair, sign in _DEBIT.items() if pair[0] in MONEY})
BUDGET_SIGN = by_place({pair: sign for pair, sign in _DEBIT.items() if pair[0] in BUDGET})
BACKING_SIGN = by_place(
    {pair: sign for pair, sign in _NORMAL.items() if pair[0] == Account.CASH}
    | {pair: -sign for pair, sign in _NORMAL.items() if pair[0] in UNSPENT}
)
NORMAL_SIGN, DEBIT_SIGN = by_place(_NORMAL), by_place(_DEBIT)


class Sheet:
    """The arrays of a block. `n` entries have `m` postings; `ends` says where those of each begin (n + 1 numbers)."""

    def __init__(self, block: Columns) -> None:
        self.block = block
        self._words: dict[str, tuple[Numbers, list[str]]] = {}
        column = block.drafts.batch.column
        self.n = len(block)
        self.kind = _numbers(column("kind"), KINDS)
        self.effective, self.recorded = days(column("effective")), days(block.recorded)
        self.ends, fields = flattened(column("postings"))
        funds, self._accounts, self._details, self._sides, amounts = fields
        self.funds = trimmed(funds)
        self.amount: Ints = np.asarray(amounts)
        self.m = len(self.amount)
        self.row: Ints = np.repeat(np.arange(self.n), np.diff(self.ends))
        self.fund = np.asarray(self.funds.indices)
        self.account = _numbers(self._accounts, ACCOUNTS)
        self.place = self.account * _SIDE_STEP + _numbers(self._sides, SIDES)
        details = trimmed(self._details)
        self.detail, self.details = np.asarray(details.indices), details.dictionary

    def column(self, name: str) -> pa.Array:
        """A column of the drafts."""
        return self.block.drafts.batch.column(name)

    def words(self, name: str) -> tuple[Numbers, list[str]]:
        """An encoded column of the drafts: the number of each entry's word, and the words."""
        if name not in self._words:
            column = trimmed(self.column(name))
            self._words[name] = (np.asarray(column.indices), column.dictionary.to_pylist())
        return self._words[name]

    @cached_property
    def fund_names(self) -> list[str]:
        """The word of each number of a fund."""
        return list(self.funds.dictionary.to_pylist())

    @cached_property
    def line_kind(self) -> Numbers:
        """The kind of the entry of each posting."""
        return np.asarray(self.kind[self.row])

    @cached_property
    def runs(self) -> Ints:
        """Where each run of postings of one fund in one entry begins."""
        if not self.m:
            return np.zeros(0, np.int64)
        changes = (self.row[1:] != self.row[:-1]) | (self.fund[1:] != self.fund[:-1])
        return np.concatenate(([0], np.flatnonzero(changes) + 1))

    def is_account(self, *accounts: str) -> Flags:
        """Which postings touch one of these accounts."""
        found: Flags = self.account == ACCOUNTS.index(Account(accounts[0]))
        for account in accounts[1:]:
            found |= self.account == ACCOUNTS.index(Account(account))
        return found

    def details_of(self, words: pa.Array, lines: Ints) -> Ints:
        """The number of each of these words among the details of these postings; -1 for a word that is none of them."""
        used = np.flatnonzero(np.bincount(self.detail[lines]))  # mostly few: to look among all would take far longer
        found = pc.index_in(words, value_set=self.details.take(pa.array(used))).fill_null(-1)
        return np.asarray(np.append(used, -1)[np.asarray(found)])

    def tells(self, lines: Ints, words: pa.Array) -> Flags:
        """Whether the detail of each of these postings is the word of its entry."""
        rows = self.row[lines]
        if pa.types.is_dictionary(words.type):
            known = self.details_of(words.dictionary, lines)
            return np.asarray(self.detail[lines] == known[np.asarray(words.indices)[rows]])
        said, details = words.take(pa.array(rows)), self.details.take(pa.array(self.detail[lines]))
        return np.asarray(pc.equal(details, said))

    # --- balances ---

    @cached_property
    def change(self) -> Ints:
        """What each posting changes its balance by, on the account's normal side."""
        return np.asarray(self.amount * NORMAL_SIGN[self.place])

    @cached_property
    def _combined(self) -> tuple[Ints, Places]:
        sizes = (len(self.fund_names), NO_ACCOUNT + 1, len(self.details))
        numbers, first = combined(list(zip((self.fund, self.account, self.detail), sizes, strict=True)))
        return numbers.astype(np.int64), first

    @property
    def balance(self) -> Ints:
        """The number of the balance that each posting changes."""
        return self._combined[0]

    @cached_property
    def balance_keys(self) -> list[BalanceKey]:
        """The balance of each number."""
        first = self._combined[1]
        names = [
            _words(column.dictionary)[codes[first]].tolist()
            for column, codes in (
                (self.funds, self.fund),
                (self._accounts, np.asarray(self._accounts.indices)),
                (self._details, np.asarray(self._details.indices)),
            )
        ]
        return list(zip(*names, strict=True))

    def keys_of(self, balances: Numbers) -> list[BalanceKey]:
        """The keys of these balances."""
        return list(map(self.balance_keys.__getitem__, balances.tolist()))

    def balances_at(self, lines: Ints) -> Ints:
        """The balances that these postings change, each once."""
        return np.flatnonzero(np.bincount(self.balance[lines]))

    @cached_property
    def bound(self) -> int:
        """What no sum of amounts of this block exceeds, in either direction; a whole number without a limit."""
        total = float(np.abs(self.amount.astype(np.float64)).sum())
        return int(total * 1.001) + 1  # floats err by far less than that

    # --- terms and evidence ---

    @cached_property
    def terms(self) -> tuple[Ints, pa.Array]:
        """Where the terms of each entry begin, and the terms."""
        ends, (terms,) = flattened(self.column("terms"))
        return ends, terms

    @cached_property
    def papers(self) -> tuple[Ints, Places, list[str], pa.Array]:
        """Where the evidence of each entry begins, the number of the kind of each, the kinds, and the digests."""
        ends, (kinds, digests) = flattened(self.column("evidence"))
        kinds = trimmed(kinds)
        return ends, np.asarray(kinds.indices), kinds.dictionary.to_pylist(), digests


def _words(texts: pa.Array) -> npt.NDArray[np.object_]:
    """Texts as objects that can be chosen from by number."""
    return np.array([*texts.to_pylist(), ""], dtype=object)  # the last is to keep no text a row of nothing


def _numbers(words: pa.Array, known: Sequence[str]) -> Numbers:
    """The position of each word among the known ones; one past the last for a word that is none of them."""
    position = {word: number for number, word in enumerate(known)}
    table = np.array([position.get(word, len(known)) for word in words.dictionary.to_pylist()], np.intp)  # to choose by
    return np.asarray(table[np.asarray(words.indices)])
