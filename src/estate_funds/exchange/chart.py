"""Charts of accounts: which code and Chinese name an accounting system gives to each account of a fund.

The names of accounts inside these books are stable English ids. What an office calls them, and under which code, is
configuration: a TOML file a system. Two are shipped, `maintenance-fund-2020` (财会〔2020〕7号) and `government`
(政府会计制度); a file of your own is named by its path.

    id = "maintenance-fund-2020"
    title = "住宅专项维修资金会计核算办法"
    document = "财会〔2020〕7号"
    from = 2021-01-01
    code_lengths = [4, 2]

    [[accounts]]
    account = "cash"
    code = "1001"
    name = "银行存款"
    type = "资产"
    source = "U"

`source` says where a code is from: `P`, seen in a published text; `U`, unverified, as third-party software has it;
`own`, chosen here, because the system has no such account. `details` limits a row to details that it lists, `from` and
`until` (inclusive) to days; the first row that fits counts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from estate_funds.errors import CaseError, EstateFundsError, InputError, nearest
from estate_funds.exchange.outline import Key
from estate_funds.funds import NORMAL_SIDE, Account

SOURCES = ("P", "U", "own")
_TEXT_KEYS = ("account", "code", "name", "type", "source")
_OPEN_START, _OPEN_END = date.min, date.max


@dataclass(frozen=True, slots=True)
class ChartRow:
    """One account of an accounting system, and for what of these books it stands."""

    account: str
    code: str
    name: str
    type: str  # 资产, 负债, 净资产, 收入, 支出, 备查
    source: str
    details: tuple[str, ...] = ()  # none: every detail
    start: date = _OPEN_START
    until: date = _OPEN_END

    def fits(self, account: str, detail: str, day: date) -> bool:
        """Whether it stands for an account, with this detail, on this day."""
        return self.account == account and self.start <= day <= self.until and detail in (self.details or (detail,))

    @property
    def side(self) -> str:
        """借 or 贷: the side on which its balance stands."""
        return "借" if NORMAL_SIDE[self.account] == "D" else "贷"


@dataclass(frozen=True)
class Chart:
    """A chart of accounts. `code_lengths` says how long a code is at each level: 4 digits, then 2 more."""

    chart_id: str
    title: str
    document: str
    start: date
    code_lengths: tuple[int, ...]
    rows: tuple[ChartRow, ...]

    def row(self, key: Key, day: date) -> ChartRow:
        """The row of an account on a day; InputError where there is none."""
        _, account, detail = key
        for row in self.rows:
            if row.fits(account, detail, day):
                return row
        fix = f"add a row for {account!r} to the chart, without details"
        raise InputError("the chart has no code for an account", where=self.chart_id, got=f"{key} on {day}", fix=fix)

    @cached_property
    def unverified(self) -> tuple[ChartRow, ...]:
        """The rows whose code nobody has compared with a published text."""
        return tuple(row for row in self.rows if row.source != "P")

    def level(self, code: str) -> int:
        """The level of a code, from 1."""
        return 1 + sum(len(code) > sum(self.code_lengths[:level]) for level in range(1, len(self.code_lengths)))


def shipped_charts() -> list[str]:
    """The ids of the charts that come with the library.

    >>> shipped_charts()
    ['government', 'maintenance-fund-2020']
    """
    return sorted(file.name.removesuffix(".toml") for file in _charts().iterdir() if file.name.endswith(".toml"))


def _charts() -> Traversable:
    return resources.files("estate_funds.exchange").joinpath("charts")


def load_chart(name: str | Path) -> Chart:
    """A chart by its id, or by the path of a TOML file of your own; InputError where there is none, or it is wrong.

    >>> chart = load_chart("maintenance-fund-2020")
    >>> from datetime import date
    >>> row = chart.row(("deposits/community/院一", "cash", ""), date(2024, 1, 1))
    >>> row.code, row.name, row.source
    ('1001', '银行存款', 'U')
    """
    path = Path(name)
    try:
        if isinstance(name, str) and name in shipped_charts():
            text = _charts().joinpath(f"{name}.toml").read_text(encoding="utf-8")
        elif path.suffix == ".toml":
            text = path.read_text(encoding="utf-8")
        else:
            known = nearest(str(name), shipped_charts())
            raise InputError("there is no such chart of accounts", got=name, fix=f"{known}; or name a .toml file")
        return parse_chart(tomllib.loads(text))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError("the chart of accounts cannot be read", where=str(name), got=error) from None
    except EstateFundsError as error:
        raise error.at(str(name)) from None


def parse_chart(data: Mapping[str, Any]) -> Chart:
    """A chart from what a TOML file says; CaseError where it is not one, or leaves an account without a code."""
    known = {"id", "title", "document", "from", "code_lengths", "accounts", "note"}
    if unknown := set(data) - known:
        raise CaseError("unknown key of a chart", got=sorted(unknown), fix=nearest(min(unknown), known))
    lengths, rows = data.get("code_lengths"), data.get("accounts")
    good = isinstance(lengths, list) and lengths and all(type(n) is int and n > 0 for n in lengths)
    texts = [data.get(name) for name in ("id", "title", "document")]
    if not good or not all(isinstance(text, str) and text for text in texts) or not isinstance(data.get("from"), date):
        wanted = "id, title and document as text, from as a day, code_lengths as whole numbers, accounts"
        raise CaseError("not a chart of accounts", got=sorted(data), wanted=wanted)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise CaseError("a chart of accounts lists no accounts", wanted="[[accounts]]")
    assert lengths is not None
    told = [str(text) for text in texts]
    chart = Chart(told[0], told[1], told[2], data["from"], tuple(lengths), tuple(map(_row, rows)))
    _check_codes(chart)
    return chart


def _row(told: Mapping[str, Any]) -> ChartRow:
    where = f"account {told.get('account')!r}"
    known = {*_TEXT_KEYS, "details", "from", "until"}
    if unknown := set(told) - known:
        raise CaseError("unknown key", where=where, got=sorted(unknown), fix=nearest(min(unknown), known))
    if not all(isinstance(told.get(name), str) and told[name] for name in _TEXT_KEYS):
        raise CaseError("a row of a chart is not complete", where=where, wanted=", ".join(_TEXT_KEYS))
    if told["account"] not in set(Account):
        raise CaseError("no account of these books", where=where, fix=nearest(told["account"], set(Account)))
    if told["source"] not in SOURCES or not told["code"].isascii() or not told["code"].isalnum():
        raise CaseError("a code or its source is wrong", where=where, got=told["code"], wanted="digits; P, U or own")
    details, start, until = told.get("details", []), told.get("from", _OPEN_START), told.get("until", _OPEN_END)
    if not isinstance(details, list) or not isinstance(start, date) or not isinstance(until, date):
        raise CaseError("details, from or until is wrong", where=where, wanted="a list of texts, days")
    texts: dict[str, str] = {name: told[name] for name in _TEXT_KEYS}
    return ChartRow(**texts, details=tuple(map(str, details)), start=start, until=until)


def _check_codes(chart: Chart) -> None:
    """One code is one account of these books: else what is exported could not be told apart again."""
    accounts: dict[str, str] = {}
    for row in chart.rows:
        if accounts.setdefault(row.code, row.account) != row.account:
            fix = "give each a sub-account of its own"
            raise CaseError(
                "a code for two accounts", where=row.code, got=f"{accounts[row.code]}, {row.account}", fix=fix
            )
        if len(row.code) > sum(chart.code_lengths):
            raise CaseError("a code is longer than code_lengths says", where=row.code, wanted=chart.code_lengths)
    missing = {account.value for account in Account} - _whole(chart.rows)
    if missing:
        raise CaseError(
            "a chart leaves an account without a code", got=sorted(missing), fix="add a row without details"
        )


def _whole(rows: Iterable[ChartRow]) -> set[str]:
    return {row.account for row in rows if not row.details and row.until == _OPEN_END}
