"""A workbook (Excel) of a journal: entries, postings, balances and funds, with totals that are live formulas.

Every balance stands twice: once as SUMIFS over the sheet of postings, once as these books have it, with the difference
beside it; a change of one posting shows at once. A formula adds whole fen, which a spreadsheet's numbers hold exactly,
and finds its rows by a number: SUMIFS on names would take `*` for anything, `A` for `a` and `007` for `7`.

A spreadsheet holds 15 digits and 1,048,576 rows. What is beyond that is refused, never cut; texts of more than 32,000
characters are cut, and say so. The package XlsxWriter writes it (`pip install 'estate_funds[excel]'`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from estate_funds import __version__
from estate_funds.errors import OutputError
from estate_funds.exchange.outline import Outline, Source, numbered, whole_file
from estate_funds.exchange.tabular import ENTRIES, entry_rows
from estate_funds.funds import NORMAL_SIDE, Account, Side
from estate_funds.text import harmless

ABOUT, FUNDS, BALANCES, VOUCHERS, LINES = "说明", "基金", "科目余额", "凭证", "分录"
MOST_ROWS, MOST_FEN, MOST_TEXT = 1_048_576, 10**15 - 1, 32_000
ABOUT_LINES = (
    "资金账套导出 Journal of earmarked funds",
    "基金、科目余额两表中的合计均为公式，由分录表逐行汇总；“账簿”列为系统余额，“差额”应为 0。",
    "Totals are formulas over the sheet of postings; beside each stands the balance of the books: the difference is 0.",
    "金额单位：元（分录表末两列为分）。红字为负数。个人信息已掩码。",
    "Amounts in yuan (the last columns of the postings in fen). Reversals are negative. Personal data is masked.",
)
FUND_COLUMNS = (
    ("现金 cash", Account.CASH), ("可用预算 available", Account.UNENCUMBERED),
    ("已承诺 encumbered", Account.ENCUMBERED), ("已支出预算 expended", Account.EXPENDED),
    ("预付 advanced", Account.ADVANCED), ("应收追回 receivable", Account.RECEIVABLE),
)  # fmt: skip
BALANCE_HEAD = (
    "序号 no.", "基金 fund", "科目 account", "明细 detail", "方向 side", "借方 debits", "贷方 credits", "余额 balance",
    "账簿 books", "差额 difference", "基金序号 fund no.",
)  # fmt: skip
LINE_HEAD = (
    "分录 entry", "凭证 voucher", "日期 day", "基金 fund", "科目 account", "明细 detail", "借方 debit", "贷方 credit",
    "科目序号 account no.", "借方分 debit fen", "贷方分 credit fen",
)  # fmt: skip


def write_xlsx(path: Path, told: Outline, source: Source) -> Path:
    """Write a workbook, whole or not at all; OutputError where it does not fit, or XlsxWriter is not installed."""
    try:
        import xlsxwriter
    except ImportError:
        fix = "pip install 'estate_funds[excel]', or export csv"
        raise OutputError("a workbook needs the package XlsxWriter", where=str(path), fix=fix) from None
    _check_size(told)
    with whole_file(path) as file, xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        made = told.recorded or date(2000, 1, 1)
        # The day of the last entry: the same journal gives the same bytes.
        book.set_properties({"title": ABOUT_LINES[0], "comments": f"estate_funds {__version__}", "created": _at(made)})
        _Writer(book, told).write(source)
    return path


def _at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the day as it is, in no zone


def _check_size(told: Outline) -> None:
    rows = max(told.postings, told.entries, len(told.accounts)) + 1
    if rows > MOST_ROWS:
        fix = "export it as parquet, csv or plain text"
        raise OutputError("more rows than a workbook holds", got=rows, wanted=f"at most {MOST_ROWS}", fix=fix)
    for key, turnover in told.accounts.items():
        largest = max(abs(turnover.debit_fen), abs(turnover.credit_fen))
        if largest > MOST_FEN:
            fix = "export it as csv or plain text, which hold amounts of any size"
            where = " ".join(key)
            raise OutputError("an amount of more than 15 digits", where=where, got=largest, wanted=MOST_FEN, fix=fix)


class _Writer:
    """The sheets of a workbook, each written row by row."""

    def __init__(self, book: Any, told: Outline) -> None:
        self.told = told
        self.sheets = {name: book.add_worksheet(name) for name in (ABOUT, FUNDS, BALANCES, VOUCHERS, LINES)}
        self.head = book.add_format({"bold": True, "bg_color": "#DDE6F0", "bottom": 1, "text_wrap": True})
        self.money = book.add_format({"num_format": "#,##0.00;[Red]-#,##0.00"})
        self.number = book.add_format({"align": "center"})
        self.day = book.add_format({"num_format": "yyyy-mm-dd"})
        self.funds = {fund: n for n, fund in enumerate(sorted({key[0] for key in told.accounts}), 1)}

    def write(self, source: Source) -> None:
        """All sheets; the postings first, for what the others add up."""
        self._postings(source)
        self._entries(source)
        self._balances()
        self._funds()
        about = self.sheets[ABOUT]
        about.set_column(0, 0, 110)
        for row, line in enumerate(ABOUT_LINES):
            about.write_string(row, 0, line)
        self._formula(ABOUT, len(ABOUT_LINES) + 1, 0, self._verdict(), "账实相符 every balance ties")

    def _verdict(self) -> str:
        """One cell that says whether every balance ties."""
        cells = self._column(BALANCES, "J", len(self.told.accounts))
        return f'=IF(AND(MAX({cells})=0,MIN({cells})=0),"账实相符 every balance ties","不符 A BALANCE DOES NOT TIE")'

    def _start(self, name: str, head: Sequence[str], rows: int, widths: Sequence[int]) -> Any:
        sheet = self.sheets[name]
        sheet.set_row(0, 32)  # two lines
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width, self.number if column == 0 else None)
        for column, text in enumerate(head):
            sheet.write_string(0, column, text, self.head)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, max(1, rows), len(head) - 1)
        sheet.repeat_rows(0)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        return sheet

    def _postings(self, source: Source) -> None:
        sheet = self._start(LINES, LINE_HEAD, self.told.postings, (8, 16, 11, 34, 14, 24, 16, 16, 10, 16, 16))
        row = 0
        for label, entry in numbered(source()):
            for fund, account, detail, side, fen in entry.draft.postings:
                row += 1
                debit = side == Side.DEBIT.value
                sheet.write_number(row, 0, entry.seq)
                sheet.write_string(row, 1, f"{entry.draft.effective:%Y-%m} {label}")
                sheet.write_datetime(row, 2, _at(entry.draft.effective), self.day)
                _write_texts(sheet, row, 3, (fund, account, detail))
                sheet.write_number(row, 6 if debit else 7, _yuan(fen), self.money)
                sheet.write_number(row, 8, self.told.accounts[fund, account, detail].number)
                sheet.write_number(row, 9 if debit else 10, fen)

    def _entries(self, source: Source) -> None:
        sheet = self._start(VOUCHERS, [field.name for field in ENTRIES], self.told.entries, (8, 9, 14, 11, 11, 40))
        for row, cells in enumerate(entry_rows(source()), 1):
            for column, (field, cell) in enumerate(zip(ENTRIES, cells, strict=True)):
                if field.type == "number":
                    sheet.write_number(row, column, cell)
                elif field.type == "day":
                    sheet.write_datetime(row, column, _at(cell), self.day)
                else:
                    _write_texts(sheet, row, column, (cell,))

    def _balances(self) -> None:
        accounts = self.told.accounts
        sheet = self._start(BALANCES, BALANCE_HEAD, len(accounts), (8, 34, 14, 24, 6, 16, 16, 16, 16, 10, 8))
        numbers = self._column(LINES, "I", self.told.postings)
        debit_fen, credit_fen = (self._column(LINES, letter, self.told.postings) for letter in "JK")
        for row, key in enumerate(sorted(accounts), 1):
            turnover, side, at = accounts[key], NORMAL_SIDE[key[1]], row + 1
            sheet.write_number(row, 0, turnover.number)
            _write_texts(sheet, row, 1, (*key, str(side)))
            for column, cells, fen in ((5, debit_fen, turnover.debit_fen), (6, credit_fen, turnover.credit_fen)):
                self._formula(BALANCES, row, column, f"=SUMIFS({cells},{numbers},$A{at})/100", _yuan(fen))
            shown = f'=ROUND(IF($E{at}="D",F{at}-G{at},G{at}-F{at}),2)'
            balance = _yuan(self.told.balance_fen(key))
            self._formula(BALANCES, row, 7, shown, balance)
            sheet.write_number(row, 8, balance, self.money)
            self._formula(BALANCES, row, 9, f"=ROUND(H{at}-I{at},2)", Decimal(0))
            sheet.write_number(row, 10, self.funds[key[0]])

    def _funds(self) -> None:
        heads = [text for title, _ in FUND_COLUMNS for text in (title, "账簿 books")]
        sheet = self._start(
            FUNDS, ["序号 no.", "基金 fund", "名称 title", *heads], len(self.funds), (8, 34, 30, *[16] * 12)
        )
        count = len(self.told.accounts)
        numbers, names, amounts = (self._column(BALANCES, letter, count) for letter in "KCH")
        held: dict[tuple[str, str], int] = {}
        for key in self.told.accounts:
            held[key[:2]] = held.get(key[:2], 0) + self.told.balance_fen(key)
        for row, (fund, number) in enumerate(self.funds.items(), 1):
            sheet.write_number(row, 0, number)
            _write_texts(sheet, row, 1, (fund, self.told.funds.get(fund, "")))
            for column, (_, account) in enumerate(FUND_COLUMNS):
                fen = held.get((fund, account.value), 0)
                formula = f'=SUMIFS({amounts},{numbers},$A{row + 1},{names},"{account.value}")'
                self._formula(FUNDS, row, 3 + 2 * column, formula, _yuan(fen))
                sheet.write_number(row, 4 + 2 * column, _yuan(fen), self.money)

    def _formula(self, sheet: str, row: int, column: int, formula: str, value: Decimal | str) -> None:
        """A formula with the value that it has: who does not reckon, such as a preview on a phone, shows that."""
        self.sheets[sheet].write_formula(row, column, formula, self.money, value)

    def _column(self, sheet: str, letter: str, rows: int) -> str:
        return f"'{sheet}'!${letter}$2:${letter}${max(2, rows + 1)}"


def _write_texts(sheet: Any, row: int, column: int, texts: Iterable[str]) -> None:
    """Texts from one column on, none of which is a formula, and none longer than a cell holds."""
    for at, text in enumerate(texts, column):
        shown = str(harmless(text))
        if len(shown) > MOST_TEXT:
            shown = f"{shown[:MOST_TEXT]}… ({len(text):,} characters in all)"
        sheet.write_string(row, at, shown)


def _yuan(fen: int) -> Decimal:
    return Decimal(fen).scaleb(-2)
