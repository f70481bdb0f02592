"""What every export needs to know of a journal before it writes the first line, and how a file appears whole.

An export reads the journal twice: once for its outline (accounts, days, totals), once to write it. So a journal of any
length passes through, and what stands at the head of a file is known when it is written. A *source* therefore gives the
entries anew each time it is called; a list does too, see `again`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO
from xml.sax.saxutils import escape

from estate_funds.errors import OutputError
from estate_funds.funds import NORMAL_SIDE, Side
from estate_funds.journal import Entry, Kind

_NOT_IN_XML = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}
Key = tuple[str, str, str]  # fund, account, detail
Source = Callable[[], Iterable[Entry]]


@dataclass(slots=True)
class Turnover:
    """What moved on one account: `debit_fen` and `credit_fen`, red amounts below 0 included, and the first day."""

    number: int  # in the order of first appearance, from 1
    first: date
    debit_fen: int = 0
    credit_fen: int = 0

    @property
    def net_fen(self) -> int:
        """Debits less credits."""
        return self.debit_fen - self.credit_fen


@dataclass(slots=True)
class Outline:
    """Accounts with their turnover, funds with their titles, how many entries, and the days that they span."""

    accounts: dict[Key, Turnover] = field(default_factory=dict)
    funds: dict[str, str] = field(default_factory=dict)
    entries: int = 0
    vouchers: int = 0  # entries with postings
    postings: int = 0
    first: date | None = None
    last: date | None = None
    recorded: date | None = None  # the last day of recording, of any entry

    def balance_fen(self, key: Key) -> int:
        """The balance of an account on its normal side, in fen."""
        net = self.accounts[key].net_fen
        return net if NORMAL_SIDE[key[1]] == Side.DEBIT else -net

    def balances(self) -> dict[Key, int]:
        """Every balance that is not 0, in fen on the account's normal side, as `Ledger.balances` has them."""
        told = {key: self.balance_fen(key) for key in self.accounts}
        return {key: fen for key, fen in told.items() if fen}


def outline_of(entries: Iterable[Entry]) -> Outline:
    """The outline of a journal, from one reading of it."""
    told = Outline()
    accounts = told.accounts
    for entry in entries:
        draft, day = entry.draft, entry.draft.effective
        told.entries += 1
        told.recorded = entry.recorded
        if draft.kind in (Kind.OPEN_FUND, Kind.AMEND_FUND):
            titles = {term[0]: term[1] for term in draft.terms if term[0] in ("fund", "title")}
            told.funds[titles.get("fund", "")] = titles.get("title", "")
        if not draft.postings:
            continue
        told.vouchers += 1
        told.postings += len(draft.postings)
        told.first = day if told.first is None or day < told.first else told.first
        told.last = day if told.last is None or day > told.last else told.last
        for fund, account, detail, side, fen in draft.postings:
            key = (fund, account, detail)
            turnover = accounts.get(key)
            if turnover is None:
                turnover = accounts[key] = Turnover(len(accounts) + 1, day)
            elif day < turnover.first:
                turnover.first = day
            if side == Side.DEBIT.value:
                turnover.debit_fen += fen
            else:
                turnover.credit_fen += fen
    return told


def again(entries: Sequence[Entry]) -> Source:
    """A source of entries that are in memory."""
    return lambda: entries


def labelled(entries: Iterable[Entry]) -> Iterator[tuple[str, Entry]]:
    """Every entry with its voucher number, `记-001`, starting anew each month; none where it has no postings.

    The number is that of `report.vouchers`: in the order of the journal, within the month of the effective day.
    """
    last: dict[tuple[int, int], int] = {}
    for entry in entries:
        if not entry.draft.postings:
            yield "", entry
            continue
        month = entry.draft.effective.year, entry.draft.effective.month
        last[month] = last.get(month, 0) + 1
        yield f"记-{last[month]:03d}", entry


def numbered(entries: Iterable[Entry]) -> Iterator[tuple[str, Entry]]:
    """The entries that move or promise money, each with its voucher number."""
    return ((label, entry) for label, entry in labelled(entries) if label)


def yuan(fen: int) -> str:
    """An amount as a program reads it: yuan with two decimals and no separators.

    >>> yuan(120_000), yuan(-5)
    ('1200.00', '-0.05')
    """
    whole, rest = divmod(abs(fen), 100)
    return f"{'-' * (fen < 0)}{whole}.{rest:02}"


def xml_text(text: str) -> str:
    """Text as XML 1.0 holds it: marks escaped, and the two code points that it forbids and a journal may hold replaced.

    >>> xml_text("a<b&\\uffff") == "a&lt;b&amp;\\ufffd"
    True
    """
    return escape(text.translate(_NOT_IN_XML))


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file for writing that appears under its name when it is whole; OutputError where it cannot be written."""
    with whole_files([path]) as files:
        yield files[0]


@contextmanager
def whole_files(paths: Sequence[Path]) -> Iterator[list[IO[bytes]]]:
    """Files for writing that appear under their names when all of them are whole, and otherwise none of them."""
    parts = [path.with_name(f".{path.name}.{secrets.token_hex(8)}.part") for path in paths]
    files: list[IO[bytes]] = []
    at = paths[0]
    try:
        for at, part in zip(paths, parts, strict=True):
            at.parent.mkdir(parents=True, exist_ok=True)
            files.append(part.open("xb"))
        yield files
        for file in files:
            file.flush()
            os.fsync(file.fileno())
            file.close()
        for at, part in zip(paths, parts, strict=True):
            os.replace(part, at)
    except OSError as error:
        got = error.strerror or str(error)
        raise OutputError(
            "the export cannot be written", where=str(at), got=got, fix="free some space, or name another place"
        ) from None
    finally:
        for file in files:
            file.close()
        for part in parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)
