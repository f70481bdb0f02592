"""What banks say: lines and statements as values, whose name stands on a line, and what of it may be printed.

A statement (对账单) is of one account. Amounts are whole fen, above 0 for money that came in. What a bank calls 借
(debit) is money out of the account of its customer, 贷 (credit) money in: the other way round than in the books.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache

from estate_funds.errors import InputError

MOST_DAYS = 366
_LAW_FORM = re.compile("(?:股份)?有限(?:责任)?公司$")
_RESIDENTS = ("社区居民委员会", "居民委员会", "社区居委会", "居委会", "社区")
_NO_NAME = re.compile(r"[\W_]+")
_LONG_NUMBER = re.compile(r"[0-9]{11,}[0-9X]?|[0-9]{4}(?:[ -][0-9]{4}){2,}(?:[ -][0-9]{1,4})?")
_HAN = re.compile("[\u4e00-\u9fff]{2,4}|[\u4e00-\u9fff]{1,5}·[\u4e00-\u9fff·]{1,10}")
# The surnames of nearly all people, and what names of two to four characters end in that are no people.
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林郑罗梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾"
    "夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤欧阳司马诸葛上官温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申"
    "耿关兰焦俞左柳甘祝包宁尚符舒阮纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤时穆农司古吉卓简车项连芦褚娄宗党宫"
)  # fmt: skip
_NO_PEOPLE = (
    "局", "所", "站", "院", "会", "厂", "店", "队", "部", "处", "办", "村", "组", "库", "校", "园", "行", "社",
    "区", "镇", "乡", "街", "城", "厅", "署", "团", "吧", "馆", "户", "市", "县", "省", "物业", "中心", "公司",
    "业委", "财政", "委员", "集团", "街道", "大厦", "保洁", "保安", "超市", "建材", "电力", "水务", "燃气",
    "供水", "供电", "供热", "税务", "维修", "装饰", "园林", "绿化", "消防", "电梯", "酒楼", "印务", "广告",
    "科技", "劳务", "建筑", "工程", "利息", "结息", "资金", "基金",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BankLine:
    """One line of a statement: `fen` came into the account, or left it where it is below 0.

    `name` and `other_account` are the counterparty's; `where` is file and row.
    """

    account: str
    day: date
    fen: int
    name: str = ""
    other_account: str = ""
    reference: str = ""
    text: str = ""
    balance_fen: int | None = None
    where: str = ""

    @property
    def in_fen(self) -> int:
        """What came in, in fen."""
        return max(self.fen, 0)

    @property
    def out_fen(self) -> int:
        """What went out, in fen."""
        return max(-self.fen, 0)

    @property
    def who(self) -> str:
        """The counterparty as it may be printed: the account with its last digits, a private person without the name.

        >>> BankLine("1", date(2023, 1, 5), -5, name="张小三", other_account="6222020200112233").who
        '张** ****2233'
        """
        account = masked(self.other_account)
        return " ".join(filter(None, (shown_name(self.name), account))) or "nobody named"


@dataclass(frozen=True, slots=True)
class Statement:
    """The lines of one account from one day to another, both included, in the order in which they were booked.

    `funds` are the funds that the account holds, none for every fund that no other account does; `holder` is whose
    account it is. InputError for days in the wrong order, a line outside of them, or lines that do not add up.
    """

    account: str
    start: date
    end: date
    lines: tuple[BankLine, ...]
    holder: str = ""
    funds: tuple[str, ...] = ()
    opening_fen: int | None = None
    closing_fen: int | None = None
    where: str = ""

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise InputError(
                "a statement that ends before it starts", where=self.where, got=f"{self.start}..{self.end}"
            )
        for line in self.lines:
            if not self.start <= line.day <= self.end:
                wanted = f"{self.start} to {self.end}"
                raise InputError(
                    "a line outside the days of its statement", where=line.where, got=line.day, wanted=wanted
                )
        if self.opening_fen is not None and self.closing_fen is not None:
            reached = self.opening_fen + sum(line.fen for line in self.lines)
            if reached != self.closing_fen:
                got, wanted = f"{self.closing_fen} fen", f"{reached} fen, the opening balance and all lines"
                raise InputError(
                    "the lines do not lead to the closing balance", where=self.where, got=got, wanted=wanted
                )


@dataclass(frozen=True)
class Bank:
    """What an audit is given of banks: statements, names that stand for each other, and how far apart days may lie.

    `names` has, for a name as the books have it, those under which a bank has it. `days` is how long an entry and its
    line may lie apart and still be in time, `late_days` how long after it is booked money is looked for at all.
    `banking_days` is how soon what was received must be banked.
    """

    statements: tuple[Statement, ...]
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    days: int = 10
    late_days: int = 92
    banking_days: int = 3

    def __post_init__(self) -> None:
        if not self.statements:
            raise InputError("no bank statement", where="bank", wanted="one statement or more")
        if not 0 <= self.days <= self.late_days <= MOST_DAYS or self.banking_days < 0:
            got = f"days {self.days}, late_days {self.late_days}"
            raise InputError(
                "not a window of days", where="bank", got=got, wanted=f"0 <= days <= late_days <= {MOST_DAYS}"
            )
        seen: dict[str, str] = {}
        for name, others in self.names.items():
            for other in (name, *others):
                if seen.setdefault(plain_name(other), name) != name:
                    got = f"{seen[plain_name(other)]} and {name}"
                    raise InputError(f"the name {other!r} stands for two", where="names", got=got)

    @cached_property
    def known_as(self) -> dict[str, str]:
        """The plain name in the books by each plain name at a bank."""
        return {plain_name(other): plain_name(name) for name, others in self.names.items() for other in (name, *others)}

    def key(self, name: str) -> str:
        """One form of a name for all that stand for it; empty for none."""
        plain = plain_name(name)
        return self.known_as.get(plain, plain)

    def agree(self, bank_key: str, book_key: str) -> bool:
        """Whether two keys are one name: the same, cut off by the bank, or a community and its residents' committee."""
        if bank_key == book_key:
            return True
        if len(bank_key) >= 10 and book_key.startswith(bank_key):
            return True
        community = book_key.removesuffix("社区")
        return community != book_key and any(bank_key.endswith(community + ending) for ending in _RESIDENTS)

    @cached_property
    def accounts(self) -> dict[str, tuple[Statement, ...]]:
        """The statements of each account, in order of days."""
        found: dict[str, list[Statement]] = {}
        for one in sorted(self.statements, key=lambda s: (s.account, s.start, s.end, s.where)):
            found.setdefault(one.account, []).append(one)
        return {account: tuple(held) for account, held in found.items()}

    def lines_of(self, account: str) -> Iterator[BankLine]:
        """The lines of an account in order of days; what two statements that overlap both have counts once."""
        statements, counts, kept = self.accounts[account], Counter[tuple[object, ...]](), list[BankLine]()
        for one in statements:
            here = Counter[tuple[object, ...]]()
            for line in one.lines:
                key = (line.day, line.fen, line.reference, line.balance_fen, line.name, line.other_account, line.text)
                here[key] += 1
                if here[key] > counts[key]:
                    counts[key] = here[key]
                    kept.append(line)
        return iter(sorted(kept, key=lambda line: line.day)) if len(statements) > 1 else iter(kept)


def sort_key(line: BankLine) -> tuple[object, ...]:
    """An order of lines that does not depend on the one in which they were given."""
    return (line.day, line.account, line.fen, line.name, line.other_account, line.reference, line.text, line.where)


@lru_cache(maxsize=65536)
def plain_name(name: str) -> str:
    """A name without what different hands write differently: width, blanks, brackets, the form of the company.

    >>> plain_name("江西宏达物业（南昌）有限责任公司") == plain_name("江西宏达物业(南昌) 有限公司")
    True
    """
    plain = _NO_NAME.sub("", unicodedata.normalize("NFKC", name)).upper()
    return _LAW_FORM.sub("公司", plain)


@lru_cache(maxsize=65536)
def is_person(name: str) -> bool:
    """Whether a name looks like that of a private person: two to four characters that begin with a surname, or a ·.

    >>> [is_person(name) for name in ("张三", "欧阳小明", "宏达物业", "张家村", "李记保洁")]
    [True, True, False, False, False]
    """
    plain = unicodedata.normalize("NFKC", name).replace(" ", "")
    if not _HAN.fullmatch(plain) or plain.endswith(_NO_PEOPLE):
        return False
    return "·" in plain or plain[0] in _SURNAMES


def shown_name(name: str) -> str:
    """A name as it may be printed: of a private person, the surname alone; of a number, its last digits."""
    return name[0] + "*" * (len(name) - 1) if is_person(name) else masked(name)


def masked(text: str) -> str:
    """A text without the long numbers in it, of which the last four digits stay: accounts, cards, identities.

    >>> masked("转账至 6222 0202 0011 2233"), masked("发票 44031234")
    ('转账至 ****2233', '发票 44031234')
    """
    return _LONG_NUMBER.sub(lambda found: "****" + re.sub("[ -]", "", found[0])[-4:], text)


def is_card(account: str) -> bool:
    """Whether an account is that of a bank card of a person: 62..., 16 or 19 digits, with its check digit.

    >>> is_card("6222020200112230"), is_card("1502202009008888888")
    (True, False)
    """
    digits = re.sub("[ -]", "", account)
    if not re.fullmatch("62(?:[0-9]{14}|[0-9]{17})", digits):
        return False
    doubled = (int(d) * (1 + at % 2) for at, d in enumerate(reversed(digits)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def covered_days(statements: Iterable[Statement]) -> list[tuple[date, date]]:
    """The runs of days that statements of one account cover, both ends included."""
    runs: list[tuple[date, date]] = []
    for one in sorted(statements, key=lambda s: (s.start, s.end)):
        if runs and (one.start - runs[-1][1]).days <= 1:
            runs[-1] = (runs[-1][0], max(runs[-1][1], one.end))
        else:
            runs.append((one.start, one.end))
    return runs


__all__ = [
    "Bank", "BankLine", "Statement", "covered_days", "is_card", "is_person", "masked", "plain_name", "shown_name",
    "sort_key",
]  # fmt: skip
