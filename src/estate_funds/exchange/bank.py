"""Bank statements as banks export them: CSV in any of the usual encodings, and workbooks (.xlsx, .xls).

Title rows, headers in Chinese or English by a table of known names, amounts in two columns or one, days in many forms,
rows of totals. Where a balance stands on each line, every line is checked against it. What is not understood is an
error with file, row and column; nothing is guessed. Rows count as a spreadsheet does.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path

from estate_funds.audit.bank import BankLine, Statement, masked
from estate_funds.calendar import near_day
from estate_funds.errors import CellError, ColumnError, ControlTotalError, DateError, TableError
from estate_funds.money import MAX_FEN
from estate_funds.text import INVISIBLE

Cell = str | int | float | bool | date | datetime | time | timedelta | None

# What banks call the columns: the first name that a header has is taken. `in` and `out` are seen from the customer.
NAMES: Mapping[str, tuple[str, ...]] = {
    "day": (
        "交易日期", "记账日期", "入账日期", "交易日", "记账日", "会计日期", "日期", "交易时间", "记账时间",
        "交易日期时间", "date", "transaction date", "trans date", "posting date", "booking date", "txn date",
    ),
    "in": (
        "贷方发生额", "贷方金额", "贷方发生金额", "收入金额", "收入", "存入金额", "存入", "转入金额",
        "收方金额", "收款金额", "贷方", "credit", "credit amount", "deposit", "deposits", "money in",
        "paid in",
    ),
    "out": (
        "借方发生额", "借方金额", "借方发生金额", "支出金额", "支出", "支取金额", "取出金额", "取出",
        "转出金额", "付方金额", "付款金额", "借方", "debit", "debit amount", "withdrawal", "withdrawals",
        "money out", "paid out",
    ),
    "amount": (
        "交易金额", "发生额", "金额", "amount", "transaction amount",
    ),
    "sign": (
        "借贷标志", "借贷方向", "借贷", "收支标志", "收支", "收付标志", "方向", "dc", "d/c", "dr/cr",
        "direction",
    ),
    "balance": (
        "余额", "账户余额", "帐户余额", "本次余额", "交易后余额", "当前余额", "balance", "account balance",
    ),
    "name": (
        "对方户名", "对方名称", "对方账户名称", "对方帐户名称", "对手户名", "对手名称", "交易对手",
        "交易对手名称", "交易对方", "对方单位名称", "对方单位", "收付款人名称", "收/付款人名称",
        "counterparty", "counterparty name", "beneficiary", "payee",
    ),
    "other_account": (
        "对方账号", "对方帐号", "对方账户", "对方帐户", "对手账号", "对手帐号", "交易对手账号", "收付款人账号",
        "counterparty account", "account of counterparty",
    ),
    "reference": (
        "交易流水号", "流水号", "交易流水", "业务流水号", "银行流水号", "凭证号", "凭证号码", "回单编号",
        "交易序号", "交易编号", "reference", "transaction id", "transaction reference",
    ),
    "text": (
        "摘要", "用途", "附言", "备注", "交易摘要", "交易附言", "摘要附言", "交易用途", "description",
        "remark", "remarks", "details", "narrative", "memo",
    ),
    "account": (
        "本方账号", "本方帐号", "账号", "帐号", "账户", "account", "account number",
    ),
    "currency": (
        "币种", "货币", "currency",
    ),
}  # fmt: skip
_ALL_OF = ("text",)  # of these columns, all are read
_LIKES = {name: role for role, names in NAMES.items() for name in names}
_YUAN = {"", "CNY", "RMB", "人民币", "人民币元", "元", "156", "01"}
_INTO, _OUT_OF = {"贷", "贷方", "C", "CR", "CREDIT", "收", "收入", "转入", "IN", "+"}, {
    "借", "借方", "D", "DR", "DEBIT", "支", "支出", "付", "转出", "OUT", "-"}  # fmt: skip
_OPENING = re.compile("期初|上期|承前|上页|上日余额|opening|brought forward", re.IGNORECASE)
_CLOSING = re.compile("期末|本期余额|过次|closing|carried forward", re.IGNORECASE)
_ALL = re.compile("(本期)?(合计|总计|总额|共计)|(grand )?totals?", re.IGNORECASE)
_FOOT = re.compile(
    "合计|总计|小计|累计|共计|总额|笔数|打印|制表|备注|说明|注:|第.*页|盖章|经办|复核|total|page|printed", re.IGNORECASE
)
_DAYS = r"([0-9]{4}\D?[0-9]{1,2}\D?[0-9]{1,2})"
_TITLES = {
    "account": re.compile(r"(?:^|\s)(?:本方|查询)?(?:账|帐)(?:户?号码?)[:\s]*([0-9][0-9 -]{5,40})"),
    "holder": re.compile(r"(?:^|\s)(?:账户|帐户|本方)?(?:户名|账户名称|单位名称|客户名称)[:\s]+(\S+)"),
    "days": re.compile(_DAYS + r"日?\s*(?:-+|~|至|到|—+|–)\s*" + _DAYS),
    "span": re.compile(r"(?:起始|开始)日期[:\s]*" + _DAYS + r".*?(?:截止|终止|结束)日期[:\s]*" + _DAYS),
    "opening": re.compile(r"(?:期初余额|承前余额|opening balance)[:\s]*(-?[0-9][0-9,]*(?:\.[0-9]+)?)", re.IGNORECASE),
    "closing": re.compile(r"(?:期末余额|closing balance)[:\s]*(-?[0-9][0-9,]*(?:\.[0-9]+)?)", re.IGNORECASE),
}
_MONEY = re.compile(r"币[种别][:：]\s*(\w+)")
_DAY = re.compile(
    r"([0-9]{4})\s?(?:[-/.]|年)\s?([0-9]{1,2})\s?(?:[-/.]|月)\s?([0-9]{1,2})日?(?:[ T][0-9:.]+)?"
    r"|((?:19|20)[0-9]{2})([0-9]{2})([0-9]{2})(?:\s?[0-9:]{6,8})?"
)
_SERIALS = (36526, 73050)  # 2000 to 2099, as a spreadsheet counts days
_AMOUNT = re.compile(r"([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,17})(?:\.([0-9]+))?")
_CURRENCY = re.compile(r"^[+-]?\s*(?:CNY|RMB|¥)?\s*(?:(?<=[Y¥B\s])[+-])?\s*(?=[0-9])")
_MOST_TITLES = 60  # rows in which a header is looked for
UNNAMED = "no account number"
MOST_BYTES = 256 << 20  # of a file, and of what is packed in a workbook
_MOST_CELLS = 16 << 20  # of a sheet, empty ones too: a reader makes all of them
_TAG = re.compile(rb"<(?:[A-Za-z0-9]+:)?(row|c)\b([^>]*)>")
_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Z]{0,3})([0-9]{1,9})["']""")


@dataclass(frozen=True)
class Told:
    """What is known of a statement beside the file: whose account it is, which funds it holds, which column is which.

    `columns` has, for a role of NAMES, the header of its column. What is empty or None is as the file says.
    """

    account: str = ""
    holder: str = ""
    funds: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


def read_statement(path: str | Path, told: Told | None = None) -> Statement:
    """A statement from a file; TableError, ColumnError, CellError or ControlTotalError for what is not understood.

    The days are those that the file names, else those of its first and last line. The account is the one that is told
    or that the file names; all files that name none are of one account, UNNAMED.
    """
    path, told = Path(path), told or Told()
    try:
        content = path.read_bytes() if path.stat().st_size <= MOST_BYTES else None
    except (OSError, ValueError) as error:
        raise TableError("the file cannot be read", where=str(path), got=str(error)) from None
    if content is None:
        raise TableError("the file is too large for a statement", where=str(path), wanted=f"at most {MOST_BYTES} bytes")
    return statement_of(content, path.name, told)


def statement_of(content: bytes, source: str, told: Told) -> Statement:
    """A statement from the bytes of a file of that name: see `read_statement`."""
    source = re.sub("[0-9]{12,}", lambda found: "****" + found[0][-4:], source)  # an account number, often
    for sheet, rows in _sheets(content, source):
        layout = _layout(rows, sheet, told)
        if layout is not None:
            return _Reader(rows, sheet, told, layout).statement()
    first = next((rows for _, rows in _sheets(content, source)), [])
    header = next(
        (", ".join(filter(None, map(_text, row))) for row in first if sum(map(bool, row)) > 2), "no row of names"
    )
    raise ColumnError(
        "no header of a bank statement", where=source, got=header,
        wanted="a column for the day, and one for money in and one for money out, or one for the amount",
        fix="say which column is which in the bank map: docs/bank.md",
    )  # fmt: skip


# --- files into rows ----------------------------------------------------------------------------------------------


def _sheets(content: bytes, source: str) -> Iterator[tuple[str, Sequence[Sequence[Cell]]]]:
    """The tables of a file, each with its name for messages."""
    if content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        yield from _workbook(content, source)
    else:
        yield source, _csv_rows(_decoded(content, source), source)


def _workbook(content: bytes, source: str) -> Iterator[tuple[str, Sequence[Sequence[Cell]]]]:
    if content[:2] == b"PK":
        _check_packed(content, source)
    from python_calamine import load_workbook

    try:
        with load_workbook(io.BytesIO(content)) as book:
            tables = [
                (name, book.get_sheet_by_name(name).to_python(skip_empty_area=False)) for name in book.sheet_names
            ]
    except Exception as error:  # whatever a damaged file does to the reader
        raise TableError("not a workbook that can be read", where=source, got=str(error)) from None
    for name, rows in tables:
        yield f"{source}, sheet {name}", [list(row) for row in rows]


def _check_packed(content: bytes, source: str) -> None:
    """TableError for an archive that is no .xlsx, is damaged, or would unpack to absurdly much."""
    import zipfile

    left = MOST_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                raise TableError("an archive that is no workbook", where=source, wanted="CSV, .xlsx or .xls")
            for name in archive.namelist():
                with archive.open(name) as file:
                    sheet, rest = _Extent(), b""
                    while part := file.read(1 << 20):
                        left -= len(part)
                        if "worksheets/" in name:
                            whole, mark, rest = (rest + part).rpartition(b"<")
                            rest = mark + rest
                            sheet.add(whole)
                        if left < 0 or sheet.cells > _MOST_CELLS or len(rest) > 1 << 20:
                            got = f"{name}: {sheet.rows} rows, {sheet.width} columns; {MOST_BYTES - left} bytes so far"
                            raise TableError("too large for a statement", where=source, got=got)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, zlib.error, EOFError, KeyError) as error:
        raise TableError("not a workbook that can be read", where=source, got=str(error)) from None


class _Extent:
    """How far the cells of a sheet reach, which is what a reader makes room for, whatever stands in them."""

    def __init__(self) -> None:
        self.row = self.column = self.rows = self.width = 0

    @property
    def cells(self) -> int:
        """The room of all of them."""
        return self.rows * self.width

    def add(self, xml: bytes) -> None:
        """Some more of the sheet: a row or a cell without a place follows on the one before it."""
        for kind, place in _TAG.findall(xml):
            found = _PLACE.search(place)
            if kind == b"row":
                self.row, self.column = int(found[2]) if found else self.row + 1, 0
            elif found:
                self.row, self.column = int(found[2]), _column(found[1])
            else:
                self.column += 1
            self.rows, self.width = max(self.rows, self.row), max(self.width, self.column)


def _column(letters: bytes) -> int:
    """The number of a column by its letters: A is 1.

    >>> _column(b"A"), _column(b"AB"), _column(b"XFD")
    (1, 28, 16384)
    """
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _decoded(content: bytes, source: str) -> str:
    """Text in UTF-8, with or without a mark, GB18030, or UTF-16 with a mark."""
    encodings = ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise TableError("neither text nor a workbook", where=source, wanted="CSV in UTF-8 or GB18030, or .xlsx or .xls")


def _csv_rows(text: str, source: str) -> list[list[Cell]]:
    head = text[:65536]
    mark = max(",\t;", key=head.count)
    try:
        return [[*cells] for cells in csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)]
    except csv.Error as error:
        raise TableError("not a CSV file", where=source, got=str(error), fix="quote cells that hold a comma") from None


# --- which column is which ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the header stands, how many rows it takes, and the columns of each role."""

    row: int
    rows: int
    columns: Mapping[str, tuple[int, ...]]
    header: tuple[str, ...]


def _layout(rows: Sequence[Sequence[Cell]], source: str, told: Told) -> _Layout | None:
    """The first row, or pair of rows, that names the columns of a statement; ColumnError for one told and not there."""
    top = [[_text(cell) for cell in row] for row in rows[:_MOST_TITLES]]
    if told.columns:
        wanted = {_plain(name) for name in told.columns.values()}
        for at, header in enumerate(top):
            if wanted <= {_plain(name) for name in header}:
                return _Layout(at, 1, _columns(header, told, f"{source}, row {at + 1}"), tuple(header))
        raise ColumnError(
            "no row has the columns of the bank map", where=source, wanted=", ".join(told.columns.values())
        )
    for at, header in enumerate(top):
        if _is_header(found := _columns(header, told, f"{source}, row {at + 1}")):
            parted = _parted(top, at, source, told) if "amount" in found else None
            return parted or _Layout(at, 1, found, tuple(header))
    return next(filter(None, (_parted(top, at, source, told) for at in range(len(top)))), None)


def _parted(top: Sequence[Sequence[str]], at: int, source: str, told: Told) -> _Layout | None:
    """The header in two rows, where the lower one parts what the upper one names."""
    if at + 1 >= len(top) or not any(top[at]):
        return None
    both = _two_rows(top[at], top[at + 1])
    found = _columns(both, told, f"{source}, row {at + 1}")
    return _Layout(at, 2, found, tuple(both)) if {"day", "in", "out"} <= found.keys() else None


def _two_rows(header: Sequence[str], below: Sequence[str]) -> list[str]:
    """The names of two rows in one: 发生额 over 借方 and 贷方, the upper one merged over both."""
    names, upper = [], ""
    for at in range(max(len(header), len(below))):
        own = header[at] if at < len(header) else ""
        under = below[at] if at < len(below) else ""
        upper = own or (upper if under else "")
        names.append(under + upper if under and _plain(under + upper) in _LIKES else under or own)
    return names


def _is_header(found: Mapping[str, tuple[int, ...]]) -> bool:
    return "day" in found and ("amount" in found or ("in" in found and "out" in found))


def _columns(header: Sequence[str], told: Told, where: str) -> dict[str, tuple[int, ...]]:
    """The places of each role: as told, else by the first known name; ColumnError where two columns have it."""
    found: dict[str, tuple[int, ...]] = {}
    for role, name in told.columns.items():
        places = tuple(at for at, own in enumerate(header) if _plain(own) == _plain(name))
        if len(places) > 1:
            raise ColumnError("the column stands twice", where=where, got=repr(name), fix="rename one of the two")
        if places:
            found[role] = places
    taken = {at for places in found.values() for at in places}
    by_name: dict[str, list[int]] = {}
    for at, own in enumerate(header):
        for name in _forms(own) if at not in taken else ():
            by_name.setdefault(name, []).append(at)
    for role, names in NAMES.items():
        if role in found or (role == "amount" and {"in", "out"} <= found.keys()):
            continue
        known = [by_name[name] for name in names if name in by_name]
        if role in _ALL_OF and known:
            found[role] = tuple(sorted({at for places in known for at in places}))
        elif known and len(known[0]) > 1:
            raise ColumnError(
                "two columns of one name", where=where, got=header[known[0][0]], wanted=f"one column for {role}",
                fix="say which is which in the bank map",
            )  # fmt: skip
        elif known:
            found[role] = (known[0][0],)
    return found


def _forms(name: str) -> Iterator[str]:
    """The known names that a header can stand for: all of it, without a unit, or a half of two languages."""
    plain = _plain(name)
    halves = [plain, *re.split(r"[\n/|]|(?<=[\u4e00-\u9fff)])\s*(?=[a-z])|(?<=[a-z)])\s*(?=[\u4e00-\u9fff])", plain)]
    seen = dict.fromkeys(one for half in halves for one in (half.strip(), re.sub(r"\(.*?\)", "", half).strip()))
    return (one for one in seen if one in _LIKES)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().lower()


def _text(cell: Cell) -> str:
    """A cell as text on one line, without what exports put around it to keep spreadsheets from counting."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    text = " ".join(INVISIBLE.sub(" ", unicodedata.normalize("NFKC", str(cell))).split())
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1]
    return text.lstrip("'`").strip()


# --- rows into lines ----------------------------------------------------------------------------------------------


class _Reader:
    """One table with its header found."""

    def __init__(self, rows: Sequence[Sequence[Cell]], source: str, told: Told, layout: _Layout) -> None:
        self.rows, self.source, self.told, self.layout = rows, source, told, layout
        self.titles = self._titles()
        self.lines: list[tuple[int, BankLine]] = []
        self.opening = self._title_fen("opening")
        self.closing = self._title_fen("closing")
        self.account = re.sub("[ -]", "", told.account or self.titles.get("account", ("",))[0])
        named = re.sub("[ -]", "", self.titles.get("account", ("",))[0])
        if named and not self.account.endswith(named):
            what, fix = (
                "the statement is of another account than the bank map says",
                "put the file under its own account",
            )
            raise TableError(what, where=source, got=f"****{named[-4:]}", wanted=f"****{self.account[-4:]}", fix=fix)
        self.totals: list[tuple[int, Sequence[Cell]]] = []
        self.last = 0  # the last row that has a day: what follows is the foot

    def statement(self) -> Statement:
        """All of it, checked."""
        start = self.layout.row + self.layout.rows
        rows = range(start, len(self.rows))
        self.last = next((at for at in reversed(rows) if _is_day(self._cell(self.rows[at], "day"))), 0)
        for at in rows:
            self._row(at, self.rows[at])
        self._check_totals()
        backwards = self._check_balances()
        lines = [line for _, line in (reversed(self.lines) if backwards else self.lines)]
        lines.sort(key=lambda line: line.day)
        first, last = self._days(lines)
        account = self.account or next((line.account for line in lines if line.account), "") or UNNAMED
        kept = tuple(line if line.account else _of(line, account) for line in lines)
        if others := sorted({line.account for line in kept} - {account}):
            got = ", ".join(map(masked, others))
            raise TableError("a statement of several accounts", where=self.source, got=got, fix="one file an account")
        holder = self.told.holder or self.titles.get("holder", ("",))[0]
        return Statement(
            account, first, last, kept, holder, self.told.funds, self.opening, self.closing, where=self.source
        )

    def _titles(self) -> dict[str, tuple[str, ...]]:
        """What the rows above the header say of the account, its holder, the days and the balances."""
        found: dict[str, tuple[str, ...]] = {}
        for at, row in enumerate(self.rows[: self.layout.row + 1]):
            text = " ".join(filter(None, map(_text, row)))
            for name, shape in _TITLES.items() if at < self.layout.row else ():
                if name not in found and (hit := shape.search(text)):
                    found[name] = hit.groups()
            if "万元" in text:
                what, fix = "amounts in 万元", "a statement is in yuan and fen: export it so"
                raise TableError(what, where=self.source, got=text[:80], fix=fix)
            if (money := _MONEY.search(text)) and money[1].upper() not in _YUAN:
                raise TableError("a statement in another currency", where=self.source, got=money[1], wanted="yuan")
        return found

    def _title_fen(self, name: str) -> int | None:
        return _fen(self.titles[name][0], f"{self.source}, title {name}") if name in self.titles else None

    def _days(self, lines: Sequence[BankLine]) -> tuple[date, date]:
        told = self.titles.get("days") or self.titles.get("span")
        start = self.told.start or (_day(told[0], f"{self.source}, title") if told else None)
        end = self.told.end or (_day(told[1], f"{self.source}, title") if told else None)
        if (start is None or end is None) and not lines:
            fix = "say from which day to which it is in the bank map"
            raise TableError("a statement without a line, and without days", where=self.source, fix=fix)
        first, last = start or lines[0].day, end or lines[-1].day
        for line in lines:
            if not first <= line.day <= last:
                got, wanted = line.day, f"{first} to {last}, as the statement says"
                raise CellError("a line outside the days of the statement", where=line.where, got=got, wanted=wanted)
        return first, last

    def _cell(self, row: Sequence[Cell], role: str) -> Cell:
        places = self.layout.columns.get(role, ())
        return row[places[0]] if places and places[0] < len(row) else None

    def _where(self, at: int, role: str = "") -> str:
        row = f"{self.source}, row {at + 1}"
        return f"{row}, column {self.layout.header[self.layout.columns[role][0]]}" if role else row

    def _row(self, at: int, row: Sequence[Cell]) -> None:
        """One row below the header: a line, a balance brought forward, a total, a header printed again, or nothing."""
        texts = [_text(cell) for cell in row]
        said = next(filter(None, texts), "")
        if not said or texts[: len(self.layout.header)] == [*self.layout.header]:
            return
        known = _is_day(self._cell(row, "day"))
        has_amount = any(_text(self._cell(row, role)) for role in ("in", "out", "amount"))
        if known and has_amount:
            line = self._line(at, row)
            if line is not None:
                self.lines.append((at, line))
            return
        words = [text for text in texts if not _AMOUNT.fullmatch(text)]
        if any(_OPENING.search(text) for text in words):
            self.opening = self._balance(at, row, texts, self.opening, "opening")
        elif any(_CLOSING.search(text) for text in words):
            self.closing = self._balance(at, row, texts, self.closing, "closing")
        elif any(_FOOT.search(text) for text in words):
            if any(_ALL.match(text) for text in words):
                self.totals.append((at, row))
        elif known:
            raise CellError("a line without an amount", where=self._where(at), got=", ".join(filter(None, texts))[:80])
        elif has_amount:
            got = _text(self._cell(row, "day")) or "nothing"
            raise CellError(
                "not a day", where=self._where(at, "day"), got=masked(got), wanted="a day, such as 2023-01-05"
            )
        elif at < self.last:
            got = masked(", ".join(filter(None, texts)))[:80]
            raise TableError("a row that is no line and no total", where=self._where(at), got=got)

    def _balance(
        self, at: int, row: Sequence[Cell], texts: Sequence[str], before: int | None, which: str
    ) -> int | None:
        """The balance that a row brings or carries forward; the first opening counts, the last closing."""
        cell = self._cell(row, "balance")
        given = _text(cell)
        if not given:
            numbers = [text for text in texts if _AMOUNT.fullmatch(text)]
            given = numbers[-1] if len(numbers) == 1 else ""
        if not given or (which == "opening" and before is not None):
            return before
        return _fen(given if cell is None else cell, self._where(at))

    def _line(self, at: int, row: Sequence[Cell]) -> BankLine | None:
        fen = self._amount(at, row)
        if not fen:
            return None
        currency = _text(self._cell(row, "currency")).upper()
        if currency not in _YUAN:
            raise CellError("not in yuan", where=self._where(at, "currency"), got=currency, wanted="CNY")
        texts = [_text(row[place]) for place in self.layout.columns.get("text", ()) if place < len(row)]
        balance = self._cell(row, "balance")
        return BankLine(
            re.sub("[ -]", "", self.told.account or _text(self._cell(row, "account")) or self.account),
            _day(self._cell(row, "day"), self._where(at, "day")),
            fen,
            _text(self._cell(row, "name")),
            re.sub("[ -]", "", _text(self._cell(row, "other_account"))),
            _text(self._cell(row, "reference")),
            " ".join(dict.fromkeys(filter(None, texts))),
            _fen(balance, self._where(at, "balance")) if _text(balance) else None,
            self._where(at),
        )

    def _amount(self, at: int, row: Sequence[Cell]) -> int:
        """What came in, or left where below 0. A negative amount in a column takes back one of that column (冲正)."""
        if "amount" not in self.layout.columns:
            both = {role: self._cell(row, role) for role in ("in", "out")}
            into, out = (_fen(cell, self._where(at, role)) if _text(cell) else 0 for role, cell in both.items())
            if into and out:
                got = f"{into} and {out} fen"
                raise CellError(
                    "money in and money out in one line", where=self._where(at), got=got, wanted="one of them"
                )
            return into - out
        fen = _fen(self._cell(row, "amount"), self._where(at, "amount"))
        if "sign" not in self.layout.columns:
            return fen
        sign = _text(self._cell(row, "sign")).upper()
        if sign not in _INTO | _OUT_OF:
            wanted = "借 or 贷, D or C, 支 or 收"
            raise CellError("neither in nor out", where=self._where(at, "sign"), got=repr(sign), wanted=wanted)
        if sign in _INTO and fen < 0:
            raise CellError("in, and below 0", where=self._where(at, "amount"), got=f"{fen} fen", wanted="0 or more")
        return fen if sign in _INTO else -abs(fen)

    def _check_totals(self) -> None:
        """ControlTotalError where the rows do not add up to the total that the statement prints below them."""
        into = sum(line.in_fen for _, line in self.lines)
        out = sum(line.out_fen for _, line in self.lines)
        for at, row in self.totals if "amount" not in self.layout.columns else ():
            for role, reached in (("in", into), ("out", out)):
                cell = self._cell(row, role)
                if _text(cell) and _fen(cell, self._where(at, role)) != reached and not self._has_reversals():
                    got, wanted = f"{reached} fen in the rows above", f"{_text(cell)} yuan"
                    raise ControlTotalError(
                        "the rows are not the total", where=self._where(at, role), got=got, wanted=wanted
                    )

    def _has_reversals(self) -> bool:
        """Whether a column has negative amounts, which some banks count into its total and some into the other."""
        roles = ("in", "out")
        return any(_text(self._cell(self.rows[at], role)).startswith("-") for at, _ in self.lines for role in roles)

    def _check_balances(self) -> bool:
        """Whether the newest line stands first; ControlTotalError at the first line that its balance does not fit."""
        told = [(at, line) for at, line in self.lines if line.balance_fen is not None]
        if len(told) < len(self.lines) or not told:
            return bool(self.lines) and self.lines[0][1].day > self.lines[-1][1].day
        forward = _first_break(told, self.opening)
        backward = _first_break(told[::-1], self.opening)
        backwards = forward is not None and (backward is None or told[0][1].day > told[-1][1].day)
        broken = backward if backwards else forward
        if broken is not None:
            at, line, before = broken
            got, wanted = f"{line.balance_fen} fen", f"{before + line.fen} fen: {before} and {line.fen}"
            what = "the balance does not follow from the one before: a line is missing, or was changed"
            raise ControlTotalError(what, where=self._where(at, "balance"), got=got, wanted=wanted)
        ordered = told[::-1] if backwards else told
        first, last = ordered[0][1], ordered[-1][1]
        if self.opening is None and first.balance_fen is not None:
            self.opening = first.balance_fen - first.fen
        if self.closing is not None and self.closing != last.balance_fen:
            got, wanted = f"{self.closing} fen", f"{last.balance_fen} fen, that of the last line"
            raise ControlTotalError("the closing balance is another", where=self.source, got=got, wanted=wanted)
        self.closing = last.balance_fen
        return backwards


def _first_break(lines: Sequence[tuple[int, BankLine]], opening: int | None) -> tuple[int, BankLine, int] | None:
    """The first line whose balance is not that of the line before and its amount, with that one; None if all are."""
    before = opening
    for at, line in lines:
        if before is not None and line.balance_fen != before + line.fen:
            return at, line, before
        before = line.balance_fen
    return None


def _of(line: BankLine, account: str) -> BankLine:
    return BankLine(
        account,
        line.day,
        line.fen,
        line.name,
        line.other_account,
        line.reference,
        line.text,
        line.balance_fen,
        line.where,
    )


# --- cells --------------------------------------------------------------------------------------------------------


def _is_day(cell: Cell) -> bool:
    if isinstance(cell, date):
        return True
    text = _text(cell)
    return bool(_DAY.fullmatch(text)) or (text.isdecimal() and _SERIALS[0] <= int(text[:9]) <= _SERIALS[1])


def _day(cell: Cell, where: str) -> date:
    """A day in any of the forms that banks write; CellError otherwise."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = _text(cell)
    try:
        if hit := _DAY.fullmatch(text):
            year, month, day = (int(part) for part in hit.groups() if part)
            return near_day(date(year, month, day))
        if text.isdecimal() and _SERIALS[0] <= int(text[:9]) <= _SERIALS[1]:
            return date(1899, 12, 30) + timedelta(days=int(text))
    except (ValueError, DateError):
        pass
    wanted = "a day that exists: 2023-01-05, 2023/1/5, 2023年1月5日, 20230105"
    raise CellError("not a day", where=where, got=repr(masked(text)), wanted=wanted)


def _fen(cell: Cell, where: str) -> int:
    """Fen from an amount as banks write it: with separators, full-width digits, sign or brackets; else CellError.

    A number of a workbook is held to a tenth of a fen, which is far finer than what it loses on its way.

    >>> [_fen(cell, "") for cell in ("￥1,234.50", "（18.00）", "１２．３", "-", 0.1 + 0.2, "1,234.5600")]
    [123450, -1800, 1230, 0, 30, 123456]
    """
    text = f"{cell:.3f}" if isinstance(cell, float) else _text(cell)
    bracketed = text.startswith("(") and text.endswith(")")
    bare = text[1:-1] if bracketed else text
    sign = -1 if bracketed or "-" in bare[:4] else 1  # before the currency or after it
    bare = _CURRENCY.sub("", bare, 1).removesuffix("元").strip()
    if not bare.strip("-—") and len(bare) < 4:
        return 0
    hit = _AMOUNT.fullmatch(bare)
    if not hit or isinstance(cell, bool | date):
        raise CellError("not an amount of yuan", where=where, got=repr(masked(text)), wanted="such as 1,234.50")
    decimals = (hit[2] or "").rstrip("0")
    if len(decimals) > 2:
        raise CellError("an amount finer than a fen", where=where, got=repr(text), wanted="at most two decimals")
    fen = sign * int(hit[1].replace(",", "") + decimals.ljust(2, "0"))
    if abs(fen) > MAX_FEN:
        raise CellError("an amount beyond what a ledger column holds", where=where, got=repr(text))
    return fen


__all__ = ["NAMES", "UNNAMED", "Told", "read_statement", "statement_of"]
