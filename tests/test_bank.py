"""Bank statements: read as banks export them, matched with the journal, and what the rules about the bank find."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk import AGENCY, CITY, QUEUE, SHARE, Desk
from estate_funds import Books
from estate_funds.audit import AuditReport, audit
from estate_funds.audit.bank import Bank, BankLine, Statement, is_person, masked, sort_key
from estate_funds.audit.bank_rules import BANK_RULES
from estate_funds.audit.matching import Movement, in_order, match, only_sum, paired
from estate_funds.errors import (
    CellError,
    ColumnError,
    ControlTotalError,
    EstateFundsError,
    InputError,
    TableError,
)
from estate_funds.exchange import bank as reading
from estate_funds.exchange.bank import Told, read_statement, statement_of
from estate_funds.exchange.bank_map import read_bank
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger import Ledger
from estate_funds.store import Stored

FIRM, OTHER, PERSON = "江西宏达物业有限公司", "南昌长青保洁有限公司", "张小三"
ACCOUNT, HOLDER = "1502202009008888888", "院一社区居民委员会"
HEADER = ["交易日期", "借方发生额", "贷方发生额", "余额", "对方户名", "对方账号", "摘要", "流水号"]
Cells = Sequence[Sequence[object]]


def as_csv(rows: Cells, encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)


def as_xlsx(rows: Cells, before: Cells = ()) -> bytes:
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("python_calamine")
    book = openpyxl.Workbook()
    sheet = book.active
    for row in before:
        sheet.append(list(row))
    if before:
        sheet = book.create_sheet("明细")
    for row in rows:
        sheet.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def read(rows: Cells | bytes, **told: object) -> Statement:
    content = rows if isinstance(rows, bytes) else as_csv(rows)
    return statement_of(content, "s.csv", Told(**told))  # type: ignore[arg-type]


THREE = [
    ["2023-01-05", "", "1,000.00", "1,500.00", "南昌市财政局", "3600001", "拨款", "A1"],
    ["2023-01-06", "200.50", "", "1,299.50", FIRM, "1502000011112222", "保洁费", "A2"],
    ["2023-02-28", "99.50", "", "1,200.00", OTHER, "1502000033334444", "绿化", "A3"],
]
SIGNED = [100_000, -20_050, -9_950]


# --- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_encodings_and_marks(encoding: str, delimiter: str) -> None:
    one = read(as_csv([HEADER, *THREE], encoding, delimiter))
    assert [line.fen for line in one.lines] == SIGNED
    assert (one.opening_fen, one.closing_fen, one.start, one.end) == (
        50_000,
        120_000,
        date(2023, 1, 5),
        date(2023, 2, 28),
    )
    assert one.lines[1] == BankLine(
        reading.UNNAMED, date(2023, 1, 6), -20_050, FIRM, "1502000011112222", "A2", "保洁费", 129_950, "s.csv, row 3"
    )


@pytest.mark.parametrize(
    "text",
    ["2023-01-05", "2023/1/5", "2023.01.05", "2023年1月5日", "2023年01月05日", "20230105", "44931", "２０２３／１／５", "2023-1-5 09:30:15",
     "20230105 093015", "20230105093015", "2023/01/05T09:30", "\t2023-01-05\t", '="20230105"'],
)  # fmt: skip
def test_days_in_every_form(text: str) -> None:
    assert read([HEADER, [text, *THREE[0][1:]]]).lines[0].day == date(2023, 1, 5)


@pytest.mark.parametrize(
    "text", ["2023-02-30", "20231301", "5.1.2023", "01/05/2023", "next week", "1023-13-01", "99999999"]
)
def test_what_is_no_day_says_where(text: str) -> None:
    with pytest.raises(CellError, match="not a day") as caught:
        read([HEADER, THREE[0], [text, *THREE[1][1:]]])
    assert caught.value.where == "s.csv, row 3, column 交易日期"


@pytest.mark.parametrize(
    ("text", "fen"),
    [("1,234.50", 123_450), ("1234.5", 123_450), ("￥1,234.50", 123_450), ("1 元", 100), ("１，２３４．５０", 123_450), ("0.05", 5),
     ("1234.500", 123_450), ("CNY 18.00", 1_800), ("+18", 1_800), ("99999999999999.99", 9_999_999_999_999_999)],
)  # fmt: skip
def test_amounts_as_banks_write_them(text: str, fen: int) -> None:
    one = read(
        [
            ["日期", "支出", "收入"],
            ["2023-01-05", "", text],
            ["2023-01-05", text, "-"],
            ["2023-01-05", f"-{text.lstrip('+')}", ""],
        ]
    )
    assert [line.fen for line in one.lines] == [fen, -fen, fen]  # the last takes a payment back


@pytest.mark.parametrize(
    "text", ["12.345", "1,23.00", "1e5", "abc", "12万", "1.2.3", "--5", "nan", "99999999999999999.00", "1234 5678"]
)
def test_what_is_no_amount_says_where(text: str) -> None:
    with pytest.raises(CellError) as caught:
        read([["日期", "支出", "收入"], ["2023-01-05", "", text]])
    assert caught.value.where == "s.csv, row 2, column 收入"


@pytest.mark.parametrize(
    "header",
    [["记账日期", "支出金额", "收入金额"], ["交易日期 Date", "借方发生额 Debit", "贷方发生额 Credit"], ["交易日", "借方发生额/元(支取)", "贷方发生额/元(收入)"],
     ["Date", "Withdrawals", "Deposits"], ["Transaction Date", "Debit Amount", "Credit Amount"], ["日 期".replace(" ", ""), "取出", "存入"],
     ["交易时间", "转出金额", "转入金额"], ["posting date", "MONEY OUT", "Money In"], ["入账日期", "付方金额（元）", "收方金额（元）"]],
)  # fmt: skip
def test_headers_in_two_languages(header: list[str]) -> None:
    rows = [header, ["2023-01-05", "", "7.00"], ["2023-01-06", "5.00", ""]]
    assert [line.fen for line in read(rows).lines] == [700, -500]


def test_one_column_for_the_amount() -> None:
    assert [line.fen for line in read([["日期", "金额"], ["2023-01-05", "7.00"], ["2023-01-06", "-5.00"], ["2023-01-07", "(3.00)"]]).lines] == [700, -500, -300]  # fmt: skip
    rows = [
        ["日期", "借贷标志", "交易金额"],
        ["2023-01-05", "贷", "7.00"],
        ["2023-01-06", "借", "5.00"],
        ["2023-01-07", "D", "-3.00"],
    ]
    assert [line.fen for line in read(rows).lines] == [700, -500, -300]
    with pytest.raises(CellError, match="neither in nor out"):
        read([*rows, ["2023-01-08", "?", "1.00"]])
    with pytest.raises(CellError, match="below 0"):
        read([*rows, ["2023-01-08", "贷", "-1.00"]])


def test_titles_two_rows_of_header_totals_and_paper_feet() -> None:
    rows = [
        ["中国某某银行对账单"],
        ["账号：1502 2020 0900 8888 888", "", f"户名: {HOLDER}"],
        ["起止日期：2023年01月01日 至 2023年03月31日", "", "币种：人民币"],
        [],
        ["交易日期", "发生额", "", "余额", "对方户名", "币种"],
        ["", "借方", "贷方", "", "", ""],
        ["", "", "", "500.00", "承前页", ""],
        ["2023-01-05", "", "1,000.00", "1,500.00", "南昌市财政局", "人民币"],
        ["本月合计", "", "1,000.00", "", "", ""],
        ["交易日期", "发生额", "", "余额", "对方户名", "币种"],
        ["2023-02-06", "200.50", "", "1,299.50", FIRM, "CNY"],
        ["合计", "200.50", "1,000.00", "", "", ""],
        ["期末余额", "", "", "1,299.50", "", ""],
        ["打印日期：2023-04-01 第 1 页", "", "", "", "", ""],
    ]
    rows = [row for row in rows if row[:1] != ["交易日期"] or row is rows[4]]
    one = read(rows)
    assert (one.account, one.holder) == (ACCOUNT, HOLDER)
    assert (one.start, one.end) == (date(2023, 1, 1), date(2023, 3, 31))
    assert [line.fen for line in one.lines] == [100_000, -20_050]
    assert (one.opening_fen, one.closing_fen) == (50_000, 129_950)
    for at, column, text, error in [
        (9, 1, "200.51", ControlTotalError), (10, 1, "200.51", ControlTotalError), (11, 3, "1,299.51", ControlTotalError),
        (9, 5, "USD", CellError), (9, 3, "1,299.51", ControlTotalError), (6, 3, "500.01", ControlTotalError),
    ]:  # fmt: skip
        spoiled = [[*row] for row in rows]
        spoiled[at][column] = text
        with pytest.raises(error):
            read(spoiled)


def test_text_stays_on_its_line() -> None:
    one = read([HEADER, [*THREE[0][:4], "甲\r\nverdict: no finding\u202e", "", "a\tb\x1b[2J", ""]])
    assert (one.lines[0].name, one.lines[0].text) == ("甲 verdict: no finding", "a b [2J")


def test_files_without_an_account_number_are_of_one_account() -> None:
    first, second = read([HEADER, *THREE[:2]]), read([HEADER, THREE[2]])
    assert list(Bank((second, first)).accounts) == [reading.UNNAMED]


def test_the_newest_line_first() -> None:
    one = read([HEADER, *reversed(THREE)])
    assert [line.fen for line in one.lines] == SIGNED
    assert (one.opening_fen, one.closing_fen) == (50_000, 120_000)
    same_day = [[THREE[0][0], *row[1:]] for row in THREE]
    assert [line.fen for line in read([HEADER, *reversed(same_day)]).lines] == SIGNED


def test_a_line_that_is_missing_or_changed_breaks_the_balances() -> None:
    for rows in (
        [THREE[0], THREE[2]],
        [THREE[2], THREE[0]],
        [THREE[0], [*THREE[1][:1], "200.51", *THREE[1][2:]], THREE[2]],
    ):
        with pytest.raises(ControlTotalError, match="does not follow") as caught:
            read([HEADER, *rows])
        assert "row" in caught.value.where
        assert "column 余额" in caught.value.where


def test_what_is_not_understood_is_said() -> None:
    cases: list[tuple[Cells | bytes, type[EstateFundsError], str]] = [
        ([["a", "b", "c", "d"], ["1", "2", "3", "4"]], ColumnError, "no header"),
        ([["日期", "收入", "支出", "支出"]], ColumnError, "two columns of one name"),
        ([HEADER, ["2023-01-05", "1.00", "1.00", "", "", "", "", ""]], CellError, "in and money out"),
        ([HEADER, ["2023-01-05", "", "", "1.00", "", "", "", ""]], CellError, "without an amount"),
        ([HEADER, ["", "", "5.00", "", "", "", "", ""]], CellError, "not a day"),
        ([HEADER, THREE[0], ["sundry", "", "", "", "", "", "", ""], THREE[1]], TableError, "no line and no total"),
        ([["单位：万元"], HEADER, *THREE], TableError, "万元"),
        ([HEADER], TableError, "without a line"),
        ([["起止日期：2023-01-01至2023-01-31"], HEADER, *THREE], CellError, "outside the days"),
        ([["账号", *HEADER], ["1" * 12, *THREE[0]], ["2" * 12, *THREE[1]]], TableError, "several accounts"),
        (b"\x00\x01\x02\xff\xff", TableError, "neither text nor a workbook"),
        (b"", ColumnError, "no header"),
        (b'"2023,1', TableError, "not a CSV"),
        (b"PK\x03\x04nothing", TableError, "not a workbook"),
        (b"\xd0\xcf\x11\xe0nothing", TableError, "not a workbook"),
    ]
    for rows, error, words in cases:
        if isinstance(rows, bytes) and rows[:2] == b"\xd0\xcf":
            pytest.importorskip("python_calamine")  # the last of them
        with pytest.raises(error, match=words):
            read(rows)


def test_workbooks(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        [f"账号：{ACCOUNT}"],
        HEADER,
        [datetime(2023, 1, 5), None, 1000, 1500.0, "南昌市财政局", 3600001, "拨款", 1],  # noqa: DTZ001
        [44932, 200.5, None, 1299.5, FIRM, "1502000011112222", "保洁费", "A2"],
        ["2023年2月28日", 99.50000000000001, "", 1200, OTHER, None, "绿化", None],
        ["合计", 300.0, 1000.0],
    ]
    one = read(as_xlsx(rows, before=[["封面"], ["某某银行"]]))
    assert [line.fen for line in one.lines] == SIGNED
    assert (one.account, one.lines[0].other_account, one.lines[1].reference) == (ACCOUNT, "3600001", "A2")
    assert one.lines[1].where == "s.csv, sheet 明细, row 4"
    assert [line.day for line in one.lines] == [date(2023, 1, 5), date(2023, 1, 6), date(2023, 2, 28)]
    rows[3][1] = 200.505
    with pytest.raises(CellError, match="finer than a fen"):
        read(as_xlsx(rows))
    path = tmp_path / f"{ACCOUNT}.xlsx"
    path.write_bytes(as_xlsx([HEADER, *THREE]))
    assert [line.fen for line in read_statement(path).lines] == SIGNED
    assert read_statement(path).lines[0].where.startswith("****8888.xlsx, sheet Sheet, row 2")


def test_hostile_workbooks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 4 << 20)
    pytest.importorskip("python_calamine")
    good = as_xlsx([HEADER, *THREE])
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def packed(changes: dict[str, bytes]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
            for name, content in (parts | changes).items():
                made.writestr(name, content)
        return out.getvalue()

    sheet = "xl/worksheets/sheet1.xml"
    assert read(packed({})).lines
    far = parts[sheet].replace(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>')
    unplaced = parts[sheet].replace(b"</sheetData>", b"<row r='1048576'>" + b"<c/>" * 16384 + b"</row></sheetData>")
    bomb = b"<x>" + b" " * (5 << 20)
    entity = parts[sheet].replace(b"<worksheet", b'<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet', 1)
    for content in (packed({sheet: far}), packed({sheet: unplaced}), packed({"xl/media/a": bomb}), packed({sheet: b"<worksheet><sheetData><row"}),
                    packed({"xl/workbook.xml": b"no xml"}), good[:-30], good[:200], b"PK\x03\x04" + b"\x00" * 60):  # fmt: skip
        with pytest.raises(TableError):
            read(content)
    with suppress(TableError):
        assert read(packed({sheet: entity})).lines  # read as text or refused: never expanded
    rng = random.Random(5)
    for _ in range(60):
        spoiled = bytearray(good)
        for _ in range(rng.randrange(1, 8)):
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
        with suppress(EstateFundsError):
            read(bytes(spoiled))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.one_of(st.text(max_size=8), st.sampled_from([*HEADER, "2023-01-05", "1.00", "合计"])), max_size=9), max_size=8))  # fmt: skip
def test_any_table_is_read_or_refused(rows: list[list[str]]) -> None:
    for content in (as_csv(rows, "utf-8", ","), as_csv([HEADER, *rows], "utf-8", ",")) if _encodes(rows) else ():
        with suppress(EstateFundsError):  # and nothing else is ever raised
            assert read(content).start


def _encodes(rows: list[list[str]]) -> bool:
    return all(not 0xD800 <= ord(c) < 0xE000 and c != "\x00" for row in rows for cell in row for c in cell)


def test_a_bank_map(tmp_path: Path) -> None:
    (tmp_path / "a-1.csv").write_bytes(as_csv([["Tag", "Minus", "Plus", "Wer"], ["2023-01-05", "5.00", "", FIRM]]))
    (tmp_path / "b.csv").write_bytes(as_csv([HEADER, *THREE]))
    text = """
days = 5
[names]
"院一社区" = ["东湖区院一社区居委会专户"]
[[statements]]
file = "a-*.csv"
account = "622 1"
holder = "院一社区"
funds = ["share/community/k"]
start = 2023-01-01
end = 2023-01-31
columns = { day = "Tag", out = "Minus", in = "Plus", name = "Wer" }
"""
    (tmp_path / "map.toml").write_text(text, encoding="utf-8")
    bank = read_bank([tmp_path / "a-1.csv", tmp_path / "b.csv"], tmp_path / "map.toml")
    one, other = bank.statements
    assert (one.account, one.holder, one.funds, one.end) == (
        "6221",
        "院一社区",
        ("share/community/k",),
        date(2023, 1, 31),
    )
    assert one.lines[0].name == FIRM
    assert (other.account, other.funds, bank.days, bank.late_days) == (reading.UNNAMED, (), 5, 92)
    assert bank.key("东湖区院一社区居委会专户") == bank.key("院一社区")
    for old, new, words in [
        ("days = 5", "days = 5.5", "days"), ("holder", "owner", "owner"), ("day = ", "tag = ", "not a column"),
        ('"Minus"', '"Menos"', "bank map"), ("a-*.csv", "c-*.csv", "not given"), ("days = 5", "days = 500", "days"),
        ("start = 2023-01-01", "start = 2023-02-01", "outside|ends before|days"), ("[names]", "[names", "TOML"),
        ('["东湖区院一社区居委会专户"]', '["东湖区院一社区居委会专户"]\n"院二" = ["院一社区"]', "stands for two"),
    ]:  # fmt: skip
        (tmp_path / "bad.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(InputError) as caught:
            read_bank([tmp_path / "a-1.csv", tmp_path / "b.csv"], tmp_path / "bad.toml")
        assert re.search(words, str(caught.value)), str(caught.value)


def test_values_refuse_what_does_not_add_up() -> None:
    line = BankLine("1", date(2023, 1, 5), 5)
    assert (line.in_fen, line.out_fen) == (5, 0)
    for change in ({"start": date(2023, 2, 1)}, {"end": date(2023, 1, 1)}, {"opening_fen": 0, "closing_fen": 4}):
        with pytest.raises(InputError):
            replace(Statement("1", date(2023, 1, 1), date(2023, 1, 31), (line,)), **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no bank statement"):
        Bank(())


# --- a journal and its statements ---------------------------------------------------------------------------------

OPEN = date(2022, 1, 5)
START, END = date(2022, 1, 1), date(2022, 6, 30)
TREASURY = "南昌市财政局"


class Town(Desk):
    """Books of a community, and the lines that its bank would have for them."""

    def __init__(self) -> None:
        super().__init__(CITY, SHARE, QUEUE, AGENCY)
        self.lines: list[BankLine] = []
        self.opening_fen, self.scale = 0, 1

    def line(self, on: date, fen: int, name: str = "", **more: str) -> BankLine:
        where = f"bank.csv, row {len(self.lines) + 2}"
        made = BankLine(ACCOUNT, on, fen * self.scale, name, where=where, **more)
        self.lines.append(made)
        return made

    def receive(self, fen: int, *, on: date = OPEN, source: str = TREASURY, bank: date | None = None, name: str | None = None, kind: Kind = Kind.APPROPRIATION) -> Entry:  # fmt: skip
        entry = self.fund(SHARE, fen * self.scale, source=source, on=on, kind=kind)
        if bank is not None:
            self.line(bank, fen, source if name is None else name)
        return entry

    def pay(
        self, fen: int, *, on: date, payee: str = FIRM, bank: date | None = None, name: str | None = None, **more: str
    ) -> Entry:
        entry = self.spend(SHARE, fen * self.scale, payee=payee, on=on)
        if bank is not None:
            self.line(bank, -fen, payee if name is None else name, **more)
        return entry

    def statement(self, *, start: date = START, end: date = END, **more: object) -> Statement:
        lines = tuple(sorted(self.lines, key=lambda line: line.day))
        closing = self.opening_fen + sum(line.fen for line in lines)
        told = {"holder": HOLDER, "opening_fen": self.opening_fen, "closing_fen": closing, "where": "bank.csv"} | more
        return Statement(ACCOUNT, start, end, lines, **told)  # type: ignore[arg-type]

    def audit(self, bank: Bank | None = None, as_of: date = date(2026, 1, 1), **more: object) -> AuditReport:
        return audit(stored(self.entries), bank=bank or Bank((self.statement(**more),)), as_of=as_of, rules=BANK_RULES)

    def found(self, bank: Bank | None = None, **more: object) -> list[str]:
        return sorted(finding.rule for finding in self.audit(bank, **more).findings)  # type: ignore[arg-type]


def stored(entries: Iterable[Entry]) -> Iterator[Stored]:
    ledger = Ledger()
    for entry in entries:
        ledger.tree.append(entry.leaf)
        yield Stored(entry, entry.leaf, ledger.tree.root)


def day(month: int, of_month: int) -> date:
    return date(2022, month, of_month)


@pytest.fixture
def town() -> Town:
    """A half year without a fault: money from the treasury, two payments, income banked at once."""
    made = Town()
    made.receive(5_000_000, on=OPEN, bank=day(1, 6))
    made.pay(120_000, on=day(2, 1), bank=day(2, 3))
    made.pay(80_050, on=day(2, 10), payee=OTHER, bank=day(2, 10))
    made.receive(33_300, on=day(3, 1), source="车位租金", bank=day(3, 2), name="", kind=Kind.RECEIPT)
    return made


def test_a_town_without_a_fault(town: Town) -> None:
    report = town.audit()
    assert report.findings == ()
    covered = {c.what: (c.checked, c.of, c.note) for c in report.coverage}
    assert covered["bank statements matched"] == (4, 4, "")
    assert covered["entries with cash found in bank statements"] == (4, 4, "")
    looked = {c.rule: c.of for c in report.coverage if c.rule}
    assert all(looked[rule.name] > 0 for rule in BANK_RULES)
    assert report.bank is not None
    (position,) = report.bank.positions
    assert (position.bank_fen, position.books_fen, position.difference_fen) == (4_833_250, 4_833_250, 0)
    assert "银行存款余额调节表 ****8888 2022-06-30" in report.to_text()


# --- frauds and slips, each with what looks like it and is none ---------------------------------------------------

Scene = Callable[[Town], object]


def booked_not_banked(town: Town) -> None:
    town.receive(7_000, on=day(4, 1), source="广告收入", kind=Kind.RECEIPT)


def banked_next_day(town: Town) -> None:
    town.receive(7_000, on=day(4, 1), source="广告收入", kind=Kind.RECEIPT, bank=day(4, 2), name="现金存款")


def banked_with_others(town: Town) -> None:
    for fen in (7_000, 8_000, 9_000):
        town.receive(fen, on=day(4, 1), source="广告收入", kind=Kind.RECEIPT)
    town.line(day(4, 2), 24_000, text="现金存款")


def booked_by_the_month(town: Town) -> None:
    for number, fen in enumerate((7_000, 8_000, 9_000, 7_000)):
        town.line(day(4, 3 + 5 * number), fen, text="停车费", name=f"业主{number}号楼")
    town.receive(31_000, on=day(4, 30), source="停车费", kind=Kind.RECEIPT)


def received_in_the_last_days(town: Town) -> None:
    town.receive(7_000, on=day(6, 29), source="广告收入", kind=Kind.RECEIPT)


def kept_off_the_books(town: Town) -> None:
    town.line(day(4, 1), 600_000, "移动基站租金付款户", text="场地租金")


def booked_some_days_later(town: Town) -> None:
    town.line(day(4, 1), 600_000, "江西铁塔有限公司", text="场地租金")
    town.receive(600_000, on=day(4, 8), source="场地租金", kind=Kind.RECEIPT)


def paid_in_the_books_only(town: Town) -> None:
    town.pay(45_000, on=day(4, 1))


def paid_in_the_last_days(town: Town) -> None:
    town.pay(45_000, on=day(6, 28))


def paid_in_two_parts(town: Town) -> None:
    town.pay(45_000, on=day(4, 1))
    town.line(day(4, 2), -30_000, FIRM)
    town.line(day(4, 6), -15_000, FIRM)


def undone_in_the_books(town: Town) -> None:
    town.book(town.reversing(town.pay(45_000, on=day(4, 1)), on=day(4, 20)))


def came_back_from_the_bank(town: Town) -> None:
    town.book(town.reversing(town.pay(45_000, on=day(4, 1), bank=day(4, 2)), on=day(4, 6)))
    town.line(day(4, 5), 45_000, FIRM, text="退汇")


def undone_and_not_come_back(town: Town) -> None:
    town.book(town.reversing(town.pay(45_000, on=day(4, 1), bank=day(4, 2)), on=day(4, 6)))


def paid_at_the_bank_only(town: Town) -> None:
    town.line(day(4, 1), -45_000, FIRM, text="材料款")


def paid_twice(town: Town) -> None:
    town.pay(45_000, on=day(4, 1), bank=day(4, 2))
    town.line(day(4, 4), -45_000, FIRM, text="保洁费")


def paid_twice_and_booked_twice(town: Town) -> None:
    town.pay(45_000, on=day(4, 1), bank=day(4, 2))
    town.pay(45_000, on=day(4, 4), bank=day(4, 4))


def paid_as_a_batch(town: Town) -> None:
    for number, fen in enumerate((10_000, 11_500, 12_000)):
        town.pay(fen, on=day(4, 1), payee=f"维修队{number}")
    town.line(day(4, 2), -33_500, "代发业务过渡户", text="批量代付")


def batch_to_one_firm(town: Town) -> None:
    for number, fen in enumerate((10_000, 11_500, 12_000)):
        town.pay(fen, on=day(4, 1), payee=f"维修队{number}")
    town.line(day(4, 2), -33_500, OTHER, text="维修")


def paid_to_another(town: Town) -> None:
    town.pay(45_000, on=day(4, 1), bank=day(4, 2), name="南昌顺风商务有限公司")


def paid_to_a_like_name(town: Town) -> None:
    town.pay(45_000, on=day(4, 1), bank=day(4, 2), name=FIRM + "工会委员会")


def written_otherwise(town: Town) -> None:
    town.pay(45_000, on=day(4, 1), bank=day(4, 2), name="江西 宏达物业有限责任公司")
    town.pay(
        46_000, on=day(4, 1), payee="江西宏达物业（南昌）服务有限公司", bank=day(4, 2), name="江西宏达物业(南昌)服务"
    )
    town.pay(47_000, on=day(4, 1), payee="院二社区", bank=day(4, 2), name="东湖区公园街道院二社区居民委员会")


def named_by_nobody(town: Town) -> None:
    town.pay(45_000, on=day(4, 1), bank=day(4, 2), name="")


def paid_to_a_person(town: Town) -> None:
    town.pay(45_000, on=day(4, 1), bank=day(4, 2), name=PERSON)


def drawn_by_a_person(town: Town) -> None:
    town.line(day(4, 2), -45_000, "", other_account="6222020200112230", text="转账")


def owed_to_a_person(town: Town) -> None:
    town.pay(45_000, on=day(4, 1), payee=PERSON, bank=day(4, 2))


def a_firm_called_like_one(town: Town) -> None:
    town.pay(45_000, on=day(4, 1), payee="李记保洁", bank=day(4, 2))
    town.pay(45_100, on=day(4, 1), payee="王府饭店", bank=day(4, 2))


def to_an_account_of_its_own(town: Town) -> None:
    town.line(day(4, 2), -900_000, HOLDER, other_account="1502999988887777", text="转存")


def paid_as_booked_to_its_own(town: Town) -> None:
    town.pay(45_000, on=day(4, 1), bank=day(4, 2), name="", other_account="1502999988887777")


def back_from_the_payee(town: Town) -> None:
    town.pay(450_000, on=day(4, 1), bank=day(4, 2))
    town.receive(430_000, on=day(4, 10), source="赞助", bank=day(4, 10), name=FIRM, kind=Kind.RECEIPT)


def back_to_the_payer(town: Town) -> None:
    town.receive(800_000, on=day(4, 1), source=FIRM, bank=day(4, 1), kind=Kind.RECEIPT)
    town.pay(800_000, on=day(4, 12), bank=day(4, 13))


def claimed_back(town: Town) -> None:
    paid = town.pay(450_000, on=day(4, 1), bank=day(4, 2))
    town.book(town.claiming(paid, on=day(4, 5)))
    town.book(town.collecting(paid, SHARE, 450_000 * town.scale, on=day(4, 10)))
    town.line(day(4, 10), 450_000, FIRM, text="退款")


def rent_from_a_firm_that_is_paid_too(town: Town) -> None:
    town.receive(100_000, on=day(4, 1), source="门面租金", bank=day(4, 1), name=FIRM, kind=Kind.RECEIPT)
    town.pay(450_000, on=day(4, 5), bank=day(4, 6))


def paid_back_after_a_year(town: Town) -> None:
    town.receive(100_000, on=day(1, 10), source="门面租金", bank=day(1, 10), name=FIRM, kind=Kind.RECEIPT)
    town.pay(100_000, on=day(6, 1), bank=day(6, 2))


def held_for_others(town: Town) -> None:
    town.fund(AGENCY, 70_000 * town.scale, source="", on=day(4, 1), kind=Kind.RECEIPT)
    town.line(day(4, 1), 70_000, "南昌水业集团")
    town.book(
        town.spending(
            AGENCY, 70_000 * town.scale, on=day(4, 6), purpose="remit", payee="南昌水业集团", payee_class="utility"
        )
    )
    town.line(day(4, 6), -70_000, "南昌水业集团")


def banked_after_a_month(town: Town) -> None:
    town.receive(7_000, on=day(4, 1), source="广告收入", kind=Kind.RECEIPT, bank=day(5, 2), name="现金存款")


def left_after_two_months(town: Town) -> None:
    town.pay(45_000, on=day(3, 1), bank=day(5, 2))


def budget_that_takes_a_week(town: Town) -> None:
    town.receive(90_000, on=day(4, 1), bank=day(4, 8))


def opening_is_not_what_the_books_had(town: Town) -> None:
    town.opening_fen = 4_321


def charges(town: Town) -> None:
    town.line(day(4, 2), -50, text="账户管理费")


def charges_booked(town: Town) -> None:
    town.pay(50, on=day(4, 2), payee="工商银行", bank=day(4, 2), name="")


def between_funds_of_one_account(town: Town) -> None:
    town.book(town.moving(SHARE, QUEUE, 10_000, "bridge", on=day(4, 1)))


FRAUDS: list[tuple[Scene, list[str]]] = [
    (booked_not_banked, ["bank-receipt-missing"]),
    (undone_and_not_come_back, ["bank-receipt-missing"]),
    (kept_off_the_books, ["bank-receipt-unbooked"]),
    (paid_in_the_books_only, ["bank-payment-missing"]),
    (paid_at_the_bank_only, ["bank-payment-unbooked"]),
    (paid_twice, ["bank-payment-unbooked"]),
    (charges, ["bank-payment-unbooked"]),
    (batch_to_one_firm, ["bank-payment-missing"] * 3 + ["bank-payment-unbooked"]),
    (paid_to_another, ["bank-payee"]),
    (paid_to_a_like_name, ["bank-payee"]),
    (paid_to_a_person, ["bank-to-person"]),
    (drawn_by_a_person, ["bank-to-person"]),
    (to_an_account_of_its_own, ["bank-own-account"]),
    (back_from_the_payee, ["bank-round-trip"]),
    (back_to_the_payer, ["bank-round-trip"]),
    (banked_after_a_month, ["bank-late"]),
    (left_after_two_months, ["bank-late"]),
    (opening_is_not_what_the_books_had, ["bank-balance"]),
]
INNOCENT: list[Scene] = [
    banked_next_day, banked_with_others, booked_by_the_month, received_in_the_last_days, booked_some_days_later,
    paid_in_the_last_days, paid_in_two_parts, undone_in_the_books, came_back_from_the_bank, paid_twice_and_booked_twice,
    paid_as_a_batch, written_otherwise, named_by_nobody, owed_to_a_person, a_firm_called_like_one,
    paid_as_booked_to_its_own, claimed_back, rent_from_a_firm_that_is_paid_too, paid_back_after_a_year, held_for_others,
    budget_that_takes_a_week, charges_booked, between_funds_of_one_account,
]  # fmt: skip


@pytest.mark.parametrize(("scene", "rules"), FRAUDS, ids=lambda value: getattr(value, "__name__", ""))
def test_each_fraud_is_found_and_nothing_else(town: Town, scene: Scene, rules: list[str]) -> None:
    scene(town)
    report = town.audit()
    assert sorted(finding.rule for finding in report.findings) == rules
    for finding in report.findings:
        assert finding.clause
        assert finding.clear
        assert finding.amount_fen > 0
        assert finding.where
    assert json.dumps(report.to_json(), ensure_ascii=False)
    assert not {ACCOUNT, "6222020200112230", "1502999988887777", PERSON} & set(_words(report.to_text()))


def _words(text: str) -> list[str]:
    return text.replace("'", " ").split()


@pytest.mark.parametrize("scene", INNOCENT, ids=lambda scene: scene.__name__)
def test_what_looks_like_one_is_left_alone(town: Town, scene: Scene) -> None:
    scene(town)
    report = town.audit()
    assert report.findings == ()
    assert report.bank is not None
    assert all(one.difference_fen == 0 for one in report.bank.positions)


def test_all_at_once_are_all_found(town: Town) -> None:
    """Each scene with amounts of its own; of names that pay and are paid, round trips may be said besides."""
    big = Town()
    big.receive(5_000_000_000, bank=day(1, 6))
    wanted: list[tuple[str, int]] = []
    for number, scene in enumerate(
        [*INNOCENT, *(scene for scene, _ in FRAUDS if scene is not opening_is_not_what_the_books_had)]
    ):
        big.scale = 101 + 2 * number
        lone = Town()
        lone.receive(500_000_000, bank=day(1, 6))
        lone.scale = big.scale
        scene(lone)
        wanted += [(finding.rule, finding.amount_fen) for finding in lone.audit().findings]
        scene(big)
    found = [(finding.rule, finding.amount_fen) for finding in big.audit().findings]
    assert len(wanted) > 15
    assert sorted(one for one in found if one[0] != "bank-round-trip") == sorted(
        one for one in wanted if one[0] != "bank-round-trip"
    )
    assert set(wanted) <= set(found)


# --- accounts, days and balances ----------------------------------------------------------------------------------


def test_what_no_statement_tells_is_said_and_not_found(town: Town) -> None:
    town.pay(45_000, on=day(5, 20))  # after the last day told: nothing can be said of it
    report = town.audit(end=day(5, 15))
    assert report.findings == ()
    (covered,) = (c for c in report.coverage if c.what.startswith("entries with cash"))
    assert (covered.checked, covered.of) == (4, 4)
    assert covered.note == "not checked: 1 entry with cash outside the funds and days of the statements"
    assert not covered.complete
    assert "entries with cash found in bank statements" in report.verdict
    assert town.found(end=day(6, 25)) == ["bank-payment-missing"]


def test_what_is_too_new_is_said_and_not_found(town: Town) -> None:
    town.line(day(4, 2), 600_000, "江西铁塔有限公司")
    town.pay(45_000, on=day(6, 25))
    report = town.audit(as_of=day(4, 5))
    assert report.findings == ()
    notes = {c.what: c.note for c in report.coverage}
    assert notes["bank statements matched"] == "1 too new to be booked"
    assert notes["entries with cash found in bank statements"] == "1 under way, or before the first day told"
    assert report.bank is not None
    (position,) = report.bank.positions
    assert [item.fen for item in position.books_only] == [-45_000]
    assert [item.fen for item in position.bank_only] == [600_000]
    assert position.difference_fen == 0
    assert town.found(as_of=day(4, 20)) == ["bank-receipt-unbooked"]


def test_what_left_before_the_first_day_told(town: Town) -> None:
    town.lines = [line for line in town.lines if line.day > day(2, 1)]
    town.opening_fen = 5_000_000 - 120_000
    town.lines = [line for line in town.lines if line.fen != -120_000]
    entry = next(e for e in town.entries if e.draft.effective == day(2, 1))
    report = town.audit(start=day(2, 1))
    assert report.findings == ()  # the opening balance has it
    assert report.bank is not None
    (one,) = (one for one in report.bank.matches if one.before)
    assert [move.seq for move in one.movements] == [entry.seq]
    town.opening_fen += 120_000
    assert town.found(start=day(2, 1)) == ["bank-payment-missing"]  # it has not
    untold = town.audit(start=day(2, 1), opening_fen=None, closing_fen=None)
    assert untold.findings == ()
    assert "no balances in the statements" in untold.to_text()


def test_two_statements_of_one_account(town: Town) -> None:
    whole = town.statement()
    cut, first = day(2, 5), [line for line in whole.lines if line.day <= day(2, 5)]
    middle = sum(line.fen for line in first)
    one = replace(whole, end=cut, lines=tuple(first), closing_fen=middle)
    rest = tuple(line for line in whole.lines if line.day > cut)
    other = replace(whole, start=cut + timedelta(days=1), lines=rest, opening_fen=middle)
    overlapping = replace(whole, start=day(2, 1), lines=whole.lines[1:], opening_fen=first[0].fen)
    for bank in ((one, other), (other, one), (one, overlapping), (whole, whole)):
        report = town.audit(Bank(bank))
        assert report.findings == ()
        assert next(c for c in report.coverage if c.what == "bank statements matched").of == 4
    changed = replace(other, opening_fen=middle - 5, closing_fen=(other.closing_fen or 0) - 5)
    assert town.found(Bank((one, changed))) == ["bank-balance", "bank-gap"]
    lost = replace(other, start=day(3, 1), lines=rest[1:], opening_fen=middle - 80_050)
    assert town.found(Bank((one, lost))) == ["bank-gap"]  # and no payment is missing on days that are not told


def test_accounts_of_several_funds() -> None:
    town = Town()
    town.receive(1_000_000, bank=OPEN)
    town.book(town.moving(SHARE, QUEUE, 10_000, "bridge", on=day(4, 1)))
    together = town.statement(funds=(SHARE.fund_id, QUEUE.fund_id))
    assert town.audit(Bank((together,))).findings == ()  # both funds lie in one account: no money moved
    own = replace(town.statement(), funds=(SHARE.fund_id,))
    assert town.found(Bank((own,))) == ["bank-payment-missing"]
    out = BankLine(ACCOUNT, day(4, 2), -10_000, "q", where="a, row 9")
    into = BankLine("77", day(4, 2), 10_000, "k", where="b, row 2")
    taker = Statement("77", START, END, (into,), funds=(QUEUE.fund_id,), opening_fen=0, closing_fen=10_000)
    giver = replace(own, lines=(*own.lines, out), closing_fen=990_000)
    both = town.audit(Bank((giver, taker)))
    assert both.findings == ()
    assert both.bank is not None
    assert [p.accounts for p in both.bank.positions] == [(ACCOUNT,), ("77",)]
    assert town.found(Bank((giver, replace(taker, lines=(), closing_fen=0)))) == ["bank-receipt-missing"]
    with pytest.raises(InputError, match="never opened"):
        town.audit(Bank((replace(own, funds=("share/community/j",)),)))


def test_between_accounts_that_hold_a_fund_together(town: Town) -> None:
    town.line(day(4, 2), -900_000, HOLDER, other_account="99", text="转定期")
    term = BankLine("99", day(4, 2), 900_000, HOLDER, other_account=ACCOUNT, where="term.csv, row 2")
    deposit = Statement("99", START, END, (term,), HOLDER, opening_fen=0, closing_fen=900_000)
    report = town.audit(Bank((town.statement(), deposit)))
    assert report.findings == ()
    assert report.bank is not None
    assert [p.bank_fen for p in report.bank.positions] == [4_833_250]
    assert town.found() == ["bank-own-account"]
    term_later = replace(term, day=day(4, 5))
    halfway = replace(town.statement(), end=day(4, 3))
    report = town.audit(Bank((halfway, replace(deposit, lines=(term_later,), end=day(4, 6)))))
    assert report.bank is not None
    (position,) = report.bank.positions
    assert (position.on, position.difference_fen, [i.fen for i in position.bank_only]) == (day(4, 3), 0, [-900_000])


def test_alike_ones_are_matched_as_a_set_and_say_so(town: Town) -> None:
    for number in range(3):
        town.pay(64_800, on=day(4, 1 + number), payee=f"第{number}维修队", bank=day(4, 4), name="")
    report = town.audit()
    assert report.findings == ()
    assert report.bank is not None
    assert sum(one.alike for one in report.bank.matches) == 3
    assert "3 only as a set of alike ones" in report.to_text()
    town.line(day(4, 5), -64_800)
    (finding,) = town.audit().findings
    assert finding.rule == "bank-payment-unbooked"
    assert "one of 4 lines and 3 entries of one amount: which is which cannot be told" in finding.got


def test_sums_that_could_be_two_things_are_not_picked(town: Town) -> None:
    for fen in (10_000, 20_000, 30_000):
        town.pay(fen, on=day(4, 1))
    town.line(day(4, 2), -30_000, FIRM)
    town.line(day(4, 3), -30_000, FIRM)
    assert town.found() == []  # the one that is exact, and the sum that is left
    town.pay(31_000, on=day(5, 8))
    town.pay(41_000, on=day(5, 8))
    town.pay(51_000, on=day(5, 9))
    town.pay(21_000, on=day(5, 9))
    town.line(day(5, 9), -72_000, FIRM)
    found = town.audit().findings
    assert "several sums fit: which, cannot be told" in next(f.got for f in found if "unbooked" in f.rule)


def test_a_reference_that_both_name(town: Town) -> None:
    promised = town.promise(SHARE, 45_000, "HT-2022-017", payee=FIRM, on=day(4, 1))
    assert promised
    town.spend(SHARE, 45_000, against="HT-2022-017", payee=FIRM, on=day(4, 1))
    town.pay(45_000, on=day(4, 2))
    town.line(day(4, 3), -45_000, FIRM, text="付合同HT-2022-017款")
    report = town.audit()
    assert [f.entries for f in report.findings] == [(town.entries[-1].seq,)]
    assert report.bank is not None
    assert any(one.why == "both name HT-2022-017, 2 days after it was booked" for one in report.bank.matches)


def test_accounts_and_people_are_not_printed_in_full() -> None:
    assert masked("付 6222020200112230 身份证36010219800101123X") == "付 ****2230 身份证****123X"
    assert masked("1502 2020 0900 8888 888") == "****8888"
    assert [is_person(name) for name in ("王小明", "司马光", "阿依古丽·买买提", "院一社区", "方正物业", "Li Ming", "")] == [
        True, True, True, False, False, False, False,
    ]  # fmt: skip


def test_the_command(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from estate_funds.cli import app

    town = Town()
    ledger = tmp_path / "books.db"
    town.receive(1_000_000, bank=OPEN)
    town.pay(45_000, on=day(4, 1), bank=day(4, 2), name=PERSON)
    with Books.open(str(ledger), recorded_on=date(2026, 1, 1)) as books:
        books.post([entry.draft for entry in town.entries])
    rows = [[HEADER[0], "收入", "支出", "余额", "对方户名"], [str(OPEN), "10,000.00", "", "10,000.00", TREASURY],
            ["2022-04-02", "", "450.00", "9,550.00", PERSON]]  # fmt: skip
    statement, names = tmp_path / "s.csv", tmp_path / "map.toml"
    statement.write_bytes(as_csv(rows, "gb18030"))
    names.write_text('[names]\n"江西宏达物业有限公司" = ["张小三"]\n', encoding="utf-8")
    run = CliRunner().invoke
    result = run(app, ["audit", str(ledger), "--bank", str(statement)])
    assert result.exit_code == 1
    assert "[error] bank-to-person: money to a private person whom the books do not pay  450.00 yuan" in result.output
    assert PERSON not in result.output
    result = run(app, ["audit", str(ledger), "--bank", str(statement), "--bank-map", str(names), "--json"])
    said = json.loads(result.output)
    # No folder is beside this ledger, and after years most of its budget is not used.
    assert {finding["rule"] for finding in said["findings"]} == {"evidence-missing", "weak-utilisation"}
    assert said["bank"]["positions"][0]["bank_fen"] == said["bank"]["positions"][0]["books_fen"] == 955_000
    assert [one["entries"] for one in said["bank"]["matches"]] == [[5], [6]]
    again = run(app, ["audit", str(ledger), "--bank", str(statement), "--bank-map", str(names), "--json"])
    assert again.output == result.output
    assert run(app, ["audit", str(ledger), "--bank-map", str(names)]).exit_code == 2
    assert run(app, ["audit", str(ledger), "--bank", str(tmp_path / "none.csv")]).exit_code == 2


# --- properties of matching ---------------------------------------------------------------------------------------


def random_town(seed: int, size: int) -> tuple[list[Movement], list[BankLine]]:
    """A journal of payments and receipts with recurring names and amounts, and a statement of it, in any order."""
    rng = random.Random(seed)
    names = [f"单位{number}公司" for number in range(rng.randrange(1, 6))]
    amounts = [rng.randrange(1, 10**7) for _ in range(rng.randrange(1, size + 1))]
    movements, lines = [], []
    for seq in range(1, size + 1):
        on, fen = START + timedelta(days=rng.randrange(150)), rng.choice(amounts) * rng.choice((1, -1))
        name = rng.choice(names)
        draft = Draft(
            kind=Kind.SPENDING, effective=on, key=f"k{seq}", maker="m", approver="a", narrative="n", payee=name
        )
        movements.append(Movement(Entry(seq, on, draft), fen, (Bank.key(BANK, name),)))
        late = timedelta(days=rng.randrange(-10, 11))
        lines.append(BankLine(ACCOUNT, on + late, fen, name, where=f"row {seq}"))
    rng.shuffle(lines)
    return movements, lines


BANK = Bank((Statement(ACCOUNT, START, END, ()),))


def matched(movements: list[Movement], lines: list[BankLine]):  # type: ignore[no-untyped-def]
    return match(BANK, sorted(lines, key=sort_key), movements)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_matching_recovers_a_shuffled_statement(seed: int, size: int) -> None:
    movements, lines = random_town(seed, size)
    done = matched(movements, lines)
    assert (done.lines, done.movements) == ((), ())
    seen_lines = [line for one in done.matches for line in one.lines]
    seen = [move.seq for one in done.matches for move in one.movements]
    assert len(seen) == len(set(seen)) == size
    assert len(seen_lines) == len(set(seen_lines)) == size
    for one in done.matches:
        assert sum(line.fen for line in one.lines) == sum(move.fen for move in one.movements)
        assert {BANK.key(line.name) for line in one.lines} == {name for move in one.movements for name in move.names}
    random.Random(seed).shuffle(lines)
    assert matched(movements, lines) == done


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.booleans())
def test_one_line_that_is_gone_or_changed_is_found(seed: int, size: int, gone: bool) -> None:
    movements, lines = random_town(seed, size)
    at = seed % size
    line = lines.pop(at)
    if not gone:
        lines.insert(at, replace(line, fen=line.fen + (10**9 if line.fen > 0 else -(10**9))))
    done = matched(movements, lines)
    assert [(move.fen, move.names) for move in done.movements] == [(line.fen, (BANK.key(line.name),))]
    assert done.lines == (() if gone else (lines[at],))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=12), st.lists(st.integers(0, 60), max_size=12), st.integers(0, 12))
def test_pairs_are_as_many_as_can_be(lines: list[int], moves: list[int], days: int) -> None:
    left, right = ([(one, at) for at, one in enumerate(sorted(of))] for of in (lines, moves))
    pairs = paired(left, right, days)
    assert len({a for a, _ in pairs}) == len({b for _, b in pairs}) == len(pairs) == _most(left, right, days)
    assert all(abs(left[a][0] - right[b][0]) <= days for a, b in pairs)
    assert len(in_order(left, right, days, days)) == len(pairs)


def _most(left: list[tuple[int, int]], right: list[tuple[int, int]], days: int) -> int:
    """The greatest matching, by augmenting paths."""
    taken: dict[int, int] = {}

    def place(one: int, seen: set[int]) -> bool:
        for at, (day, _) in enumerate(right):
            if abs(left[one][0] - day) <= days and at not in seen:
                seen.add(at)
                if at not in taken or place(taken[at], seen):
                    taken[at] = one
                    return True
        return False

    return sum(place(one, set()) for one in range(len(left)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 50), max_size=9), st.integers(1, 120))
def test_the_only_sum_is_the_only_one(amounts: list[int], total: int) -> None:
    ways = [
        mask for mask in range(1 << len(amounts))
        if mask.bit_count() > 1 and sum(a for at, a in enumerate(amounts) if mask >> at & 1) == total
    ]  # fmt: skip
    places, count = only_sum(amounts, total)
    assert count == min(len(ways), 2)
    if count == 1:
        assert sum(1 << at for at in places) == ways[0]
