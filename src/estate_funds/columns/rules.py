"""The checks of the gate in columns: which entries of a block certainly pass.

A check may doubt an entry that is sound, for the plain gate looks at it then; it may never let one pass that the plain
gate refuses. The numbers and rules are those of `estate_funds.ledger`: its tables of shapes, and its own functions,
asked once for each combination of words that occurs.
"""

from __future__ import annotations

import unicodedata
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.columns.block import Ints, codes_of, combined, from_day, strings
from estate_funds.columns.sheet import (
    ACCOUNTS,
    BACKING_SIGN,
    BUDGET_SIGN,
    DEBIT_SIGN,
    KINDS,
    MONEY_SIGN,
    Flags,
    Numbers,
    Sheet,
    by_place,
    kind_flags,
)
from estate_funds.errors import Refusal
from estate_funds.funds import Account, Side
from estate_funds.journal import Draft, Kind
from estate_funds.ledger import SHAPES, expiry
from estate_funds.ledger.checks import check_hands
from estate_funds.ledger.shapes import CROSSINGS, TOLD, WHOLE
from estate_funds.money import MAX_FEN
from estate_funds.text import INVISIBLE

# The kinds that the checks here know all about; every other one goes to the plain gate.
IN_COLUMNS = frozenset(
    {
        Kind.APPROPRIATION,
        Kind.RECEIPT,
        Kind.ENCUMBRANCE,
        Kind.RELEASE,
        Kind.DISBURSEMENT,
        Kind.ADVANCE,
        Kind.SPENDING,
        Kind.TRANSFER,
    }
)
_KNOWN = kind_flags(IN_COLUMNS)
_SHAPES = np.array([by_place(SHAPES.get(kind, frozenset())) for kind in KINDS] + [by_place(frozenset())]).astype(bool)
_GIVEN = by_place(frozenset({(Account.CASH, Side.CREDIT)})).astype(bool)
_TAKEN = by_place(frozenset({(Account.CASH, Side.DEBIT)})).astype(bool)
_ENCUMBRANCE = KINDS.index(Kind.ENCUMBRANCE)
_EPOCH_YEAR = 1970
_WHOLE = np.array([*(account in WHOLE for account in ACCOUNTS), False])
_TELLING: dict[str, list[str]] = {}
for _account, _name in TOLD.items():
    _TELLING.setdefault(_name, []).append(_account)
NO_LAST_DAY = 2**31 - 1  # after any day
# Printable ASCII and the Chinese characters from U+4000 to U+9FFF, byte by byte: visible, and their own normal form.
_SAFE = bytes([*range(0x20, 0x7F), *range(0x80, 0xC0), *range(0xE4, 0xEA)])
_HEXADECIMAL = b"0123456789abcdef"
_MOST_EVIDENCE = 62  # kinds of evidence in a block whose sets one number can tell apart


# --- what an entry says of itself -------------------------------------------------------------------------------------


def sound(sheet: Sheet, last_recorded: date) -> Flags:
    """Which entries pass all that needs no ledger: text, dates, hands, shape, amounts, balance, crossings."""
    if sheet.bound > MAX_FEN or not _clean(sheet):
        return np.zeros(sheet.n, bool)
    fine: Flags = _KNOWN[sheet.kind] & _dated(sheet, last_recorded) & _signed(sheet) & (np.diff(sheet.ends) > 0)
    fine &= _worded(sheet) & _documented(sheet)
    wrong = ~_SHAPES[sheet.line_kind, sheet.place] | (sheet.amount <= 0) | ~_told(sheet)
    fine[sheet.row[wrong]] = False
    fine[_unbalanced(sheet)] = False
    fine[_uncrossed(sheet)] = False
    return fine


def _clean(sheet: Sheet) -> bool:
    """Whether no field of any entry holds a character that is refused."""
    own = [sheet.column("key"), sheet.column("narrative"), sheet.column("reference"), sheet.details, sheet.papers[3]]
    words = [
        sheet.funds,
        *(column for column in sheet.block.drafts.batch.columns if pa.types.is_dictionary(column.type)),
    ]
    texts = [_bytes(column) for column in own] + [_bytes(column.dictionary) for column in words]
    texts += ["".join(sheet.papers[2]).encode(), _bytes(sheet.terms[1]).replace(b"\t", b"")]  # a tab parts a term
    return all(_clean_text(text) for text in texts)


def _clean_text(text: bytes) -> bool:
    if not text.translate(None, _SAFE):
        return True
    # Parts of a text in normal form C are in it too (UAX 15), and what one field ends with and the next begins with can
    # only make this doubt more.
    words = text.decode("utf-8")
    return INVISIBLE.search(words) is None and unicodedata.is_normalized("NFC", words)


def _bytes(column: pa.Array) -> bytes:
    """All texts of a column, one after the other."""
    if not len(column):
        return b""
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int32, column.offset + len(column) + 1)
    return bytes(memoryview(data)[ends[column.offset] : ends[-1]]) if data is not None else b""


def _dated(sheet: Sheet, last_recorded: date) -> Flags:
    before = np.concatenate(([from_day(last_recorded)], sheet.recorded[:-1]))
    return (sheet.recorded >= before) & (sheet.effective <= sheet.recorded)


def _signed(sheet: Sheet) -> Flags:
    """A key and a narrative, and two people, each pair of whom is put to the plain check once."""
    filled: Flags = _filled(sheet.column("key")) & _filled(sheet.column("narrative"))
    makers, approvers = sheet.column("maker"), sheet.column("approver")
    pair, first = combined([codes_of(makers), codes_of(approvers)])
    chosen = pa.array(first)
    pairs = zip(strings(makers.take(chosen)), strings(approvers.take(chosen)), strict=True)
    filled &= np.array([_two_people(maker, approver) for maker, approver in pairs], bool)[pair]
    return filled


def _two_people(maker: str, approver: str) -> bool:
    draft = Draft(kind=Kind.SPENDING, effective=date.min, key="-", maker=maker, approver=approver, narrative="-")
    try:
        check_hands(draft)
    except Refusal:
        return False
    return True


def _filled(column: pa.Array) -> Flags:
    return np.asarray(pc.binary_length(column)) > 0


def _worded(sheet: Sheet) -> Flags:
    """Terms where the kind has them, well-formed evidence, and a promise that says what for."""
    fine: Flags = (np.diff(sheet.terms[0]) == 0) | (sheet.kind == _ENCUMBRANCE)
    last = last_days(sheet)
    fine &= (sheet.kind != _ENCUMBRANCE) | ((last >= sheet.effective) & _filled(sheet.column("reference")))
    ends, kinds, names, digests = sheet.papers
    if len(digests):
        if len(names) > _MOST_EVIDENCE:
            return np.zeros(sheet.n, bool)
        proper = np.asarray(pc.match_substring_regex(digests, "^[0-9a-f]{64}$")) if not _digests(digests) else True
        named = np.array([bool(name) for name in names])[kinds]
        fine[np.repeat(np.arange(sheet.n), np.diff(ends))[~(named & proper)]] = False
    return fine


def _digests(column: pa.Array) -> bool:
    """Whether each text is 64 hexadecimal digits in lower case."""
    sized = bool((np.asarray(pc.binary_length(column)) == 64).all())
    return sized and not _bytes(column).translate(None, _HEXADECIMAL)


def last_days(sheet: Sheet) -> Ints:
    """The last day of each promise: after any other where none is named, before all where its terms are wrong."""
    last = np.full(sheet.n, NO_LAST_DAY, np.int64)
    ends, terms = sheet.terms
    if not len(terms):
        return last
    counts = np.diff(ends)
    words = terms.dictionary_encode()
    named = np.array([_last_day(word) for word in words.dictionary.to_pylist()])[np.asarray(words.indices)]
    last[counts == 1] = named[ends[:-1][counts == 1]]
    last[counts > 1] = -NO_LAST_DAY
    return last


def _last_day(term: str) -> int:
    named = (tuple(term.split("\t")),)
    draft = Draft(kind=Kind.ENCUMBRANCE, effective=date.min, key="", maker="", approver="", narrative="", terms=named)
    try:
        day = expiry(draft)
    except ValueError:
        return -NO_LAST_DAY
    return NO_LAST_DAY if day is None else from_day(day)


def _documented(sheet: Sheet) -> Flags:
    """Money moves on a document and a clause."""
    fine = np.ones(sheet.n, bool)
    for name in ("document", "clause"):
        numbers, words = sheet.words(name)
        fine &= np.array([bool(word) for word in words], bool)[numbers]
    moves = np.zeros(sheet.n, bool)
    moves[sheet.row[sheet.is_account(Account.CASH)]] = True
    return fine | ~moves


def _told(sheet: Sheet) -> Flags:
    """The postings whose detail says what the entry says, the reference, purpose or year; and those that have none."""
    fine = np.ones(sheet.m, bool)
    lines = np.flatnonzero(_WHOLE[sheet.account])
    fine[lines] = sheet.detail[lines] == sheet.details_of(pa.array([""]), lines)
    lines, years = np.flatnonzero(sheet.is_account(Account.UNENCUMBERED)), years_of(sheet.effective)
    first = int(years.min())
    known = sheet.details_of(pa.array([str(year) for year in range(first, int(years.max()) + 1)]), lines)
    fine[lines] = sheet.detail[lines] == known[(years - first)[sheet.row[lines]]]
    for name, accounts in _TELLING.items():
        lines = np.flatnonzero(sheet.is_account(*accounts))
        if len(lines):
            fine[lines] = sheet.tells(lines, sheet.column(name))
    return fine


def years_of(days: Numbers) -> Ints:
    """The calendar year of each day."""
    return days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + _EPOCH_YEAR


def _unbalanced(sheet: Sheet) -> Ints:
    """Entries that do not balance in each fund and family, or whose cash and budget part.

    Sums are taken of each run of postings of one fund. An entry that comes back to a fund may balance though its runs
    do not; the plain gate says so.
    """
    if not sheet.m:
        return np.zeros(0, np.int64)
    signs = (MONEY_SIGN, BUDGET_SIGN, BACKING_SIGN)
    gaps = [np.add.reduceat(sheet.amount * sign[sheet.place], sheet.runs) != 0 for sign in signs]
    return np.asarray(sheet.row[sheet.runs[gaps[0] | gaps[1] | gaps[2]]])


def _both_ways(sheet: Sheet) -> Ints:
    """Entries in which a fund gives and takes cash."""
    gives, takes = np.zeros(sheet.n, bool), np.zeros(sheet.n, bool)
    gives[sheet.row[_GIVEN[sheet.place]]] = True
    takes[sheet.row[_TAKEN[sheet.place]]] = True
    lines = np.flatnonzero((gives & takes)[sheet.row])
    funds = sheet.row[lines] * len(sheet.fund_names) + sheet.fund[lines]
    given, taken = _GIVEN[sheet.place[lines]], _TAKEN[sheet.place[lines]]
    return np.asarray(sheet.row[lines[taken & np.isin(funds, funds[given])]])


def _uncrossed(sheet: Sheet) -> Ints:
    """Entries in which what one fund gives another does not take, or a fund gives and takes."""
    found = [_both_ways(sheet)]
    for out, back in CROSSINGS:
        lines = np.flatnonzero(sheet.is_account(out, back))
        if not len(lines):
            continue
        funds = sheet.details_of(sheet.funds.dictionary, lines)
        funds = np.where(funds < 0, len(sheet.details) + np.arange(len(funds)), funds)  # a fund that is no detail
        own, other = funds[sheet.fund[lines]], sheet.detail[lines]
        gives = sheet.is_account(out)[lines]
        giver, taker = np.where(gives, own, other), np.where(gives, other, own)
        rows, size = sheet.row[lines], len(sheet.details) + len(funds)
        pair, first = combined([(rows, sheet.n), (giver, size), (taker, size)])
        gap = np.zeros(len(first), np.int64)
        np.add.at(gap, pair, sheet.amount[lines] * DEBIT_SIGN[sheet.place[lines]])
        found.append(rows[first[gap != 0]])
    return np.concatenate(found)
