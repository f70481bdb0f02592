"""The tables of GB/T 24589 (会计核算软件数据接口), as XML or JSON: aligned with the standard, not conformant.

The names of tables and fields are those that third-party exporters write; nobody has compared them with the purchased
text of the standard, and what it asks for and these books do not have (quantities, settlement papers, the set of
statements) is left out. So the header says `aligned`.

公共档案 has 电子账簿, 会计期间, 记账凭证类型, 币种, 自定义档案项;
总账 has 总账基础信息, 会计科目, 科目辅助核算, 记账凭证, 科目余额及发生额.
Codes are those of a chart of accounts (`exchange.chart`); the fund is 辅助项1, the sub-account 辅助项2. Amounts are
yuan as exact decimals; what is red (红字) is below 0 on its side. 科目余额及发生额 has a row for each period in which
an account moved.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta

from estate_funds import __version__
from estate_funds.exchange.chart import Chart, ChartRow
from estate_funds.exchange.outline import Key, Outline, Source, numbered, xml_text, yuan
from estate_funds.funds import Side

Row = Mapping[str, str]
Table = tuple[str, str, Iterable[Row]]  # section, table, rows
ALIGNED = "aligned with GB/T 24589; not compared with its text"
NAMESPACE = "urn:estate-funds:gbt24589-aligned:1"
AUXILIARY = (("1", "基金"), ("2", "明细"))
_MONTHS = 12


def gbt_tables(told: Outline, source: Source, chart: Chart, *, unit: str) -> Iterator[Table]:
    """The tables of a journal, each with its section and rows; `unit` is whose books they are (会计核算单位)."""
    day = told.last or told.recorded or chart.start
    codes = {key: chart.row(key, day).code for key in told.accounts}
    public, ledger = "公共档案", "总账"
    yield public, "电子账簿", [_book(told, day, unit)]
    yield public, "会计期间", _periods(told)
    yield public, "记账凭证类型", [{"记账凭证类型编号": "1", "记账凭证类型名称": "记账凭证", "记账凭证类型简称": "记"}]
    yield public, "币种", [{"币种编码": "CNY", "币种名称": "人民币"}]
    yield public, "自定义档案项", ({"档案编码": code, "档案名称": name} for code, name in AUXILIARY)
    yield ledger, "总账基础信息", [_basics(chart)]
    yield ledger, "会计科目", _accounts(chart, day)
    yield ledger, "科目辅助核算", _auxiliary(chart, day)
    yield ledger, "记账凭证", _vouchers(source, codes)
    yield ledger, "科目余额及发生额", _movements(source, codes, chart)


def gbt_xml(tables: Iterable[Table]) -> Iterator[str]:
    """The tables as XML: a section an element, in it a table an element for each row, in it a field an element."""
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<会计核算数据 xmlns="{NAMESPACE}" 说明="{ALIGNED}">\n'
    open_section = ""
    for section, name, rows in tables:
        if section != open_section:
            yield (f"</{open_section}>\n" if open_section else "") + f"<{section}>\n"
            open_section = section
        for row in rows:
            fields = "".join(f"<{field}>{xml_text(text)}</{field}>" for field, text in row.items())
            yield f"<{name}>{fields}</{name}>\n"
    yield f"</{open_section}>\n</会计核算数据>\n"


def gbt_json(tables: Iterable[Table]) -> Iterator[str]:
    """The tables as JSON: sections, in them tables, in them rows a line; every value is text."""
    yield '{"说明": ' + json.dumps(ALIGNED)
    open_section = ""
    for section, name, rows in tables:
        if section != open_section:
            yield ("}" if open_section else "") + f',\n"{section}": {{'
        yield ("," if section == open_section else "") + f'\n"{name}": ['
        open_section = section
        between = "\n"
        for row in rows:
            yield between + json.dumps(row, ensure_ascii=False)
            between = ",\n"
        yield "]"
    yield "}}\n"


def _book(told: Outline, day: date, unit: str) -> Row:
    return {
        "电子账簿编号": "1",
        "电子账簿名称": "总账",
        "会计核算单位": unit,
        "本位币": "CNY",
        "会计年度": str(day.year),
        "开发单位": "estate_funds",
        "版本号": __version__,
        "标准版本号": ALIGNED,
        "记账凭证数": str(told.vouchers),
    }


def _periods(told: Outline) -> Iterator[Row]:
    """The months of every year from the first to the last day on which something counts."""
    if told.first is None or told.last is None:
        return
    for year in range(told.first.year, told.last.year + 1):
        for month in range(1, _MONTHS + 1):
            start = date(year, month, 1)
            end = date(year, month, 31) if month == _MONTHS else date(year, month + 1, 1) - timedelta(days=1)
            yield {
                "会计年度": str(year), "会计期间号": str(month), "会计期间起始日期": f"{start:%Y%m%d}",
                "会计期间结束日期": f"{end:%Y%m%d}",
            }  # fmt: skip


def _basics(chart: Chart) -> Row:
    return {
        "会计制度": chart.title,
        "会计制度文号": chart.document,
        "会计基础": "收付实现制",
        "会计科目编号规则": "-".join(map(str, chart.code_lengths)),
        "记账凭证编号规则": "按月连续编号",
        "会计期间数": str(_MONTHS),
    }


def _accounts(chart: Chart, day: date) -> Iterator[Row]:
    """The codes of the day; 科目编号来源 says which of them nobody has compared with a published text."""
    for row in sorted(_in_force(chart, day), key=lambda row: row.code):
        yield {
            "科目编号": row.code, "科目名称": row.name, "科目级次": str(chart.level(row.code)), "科目类型": row.type,
            "余额方向": row.side, "科目编号来源": row.source,
        }  # fmt: skip


def _auxiliary(chart: Chart, day: date) -> Iterator[Row]:
    for row in sorted(_in_force(chart, day), key=lambda row: row.code):
        for code, name in AUXILIARY:
            yield {"科目编号": row.code, "辅助项编号": code, "辅助项名称": name, "对应档案": code}


def _in_force(chart: Chart, day: date) -> Iterable[ChartRow]:
    seen: dict[str, ChartRow] = {}
    for row in chart.rows:
        if row.start <= day <= row.until:
            seen.setdefault(row.code, row)
    return seen.values()


def _vouchers(source: Source, codes: Mapping[Key, str]) -> Iterator[Row]:
    for label, entry in numbered(source()):
        draft = entry.draft
        day = draft.effective
        head = {
            "记账凭证日期": f"{day:%Y%m%d}", "会计年度": str(day.year), "会计期间号": str(day.month),
            "记账凭证类型编号": "1", "记账凭证编号": label.partition("-")[2].lstrip("0"),
        }  # fmt: skip
        tail = {
            "附件数": str(len(draft.evidence)), "制单人": draft.maker, "审核人": draft.approver, "记账人": "",
            "记账标志": "1", "作废标志": "0", "来源系统": "estate_funds", "分录序号": str(entry.seq),
            "业务类型": draft.kind.value, "登记日期": f"{entry.recorded:%Y%m%d}", "依据文件": draft.document,
            "依据条款": draft.clause, "收款人": draft.payee, "业务编号": draft.reference,
            "原始凭证摘要": " ".join(f"{kind}:{digest}" for kind, digest in draft.evidence),
        }  # fmt: skip
        for line, (fund, account, detail, side, fen) in enumerate(draft.postings, 1):
            debit, credit = (yuan(fen), "0.00") if side == Side.DEBIT.value else ("0.00", yuan(fen))
            yield head | {
                "记账凭证行号": str(line), "记账凭证摘要": draft.narrative, "科目编号": codes[fund, account, detail],
                "辅助项1": fund, "辅助项2": detail, "币种": "CNY", "借方原币金额": debit, "借方本币金额": debit,
                "贷方原币金额": credit, "贷方本币金额": credit, "汇率": "1",
            } | tail  # fmt: skip


def _movements(source: Source, codes: Mapping[Key, str], chart: Chart) -> Iterator[Row]:
    """A row for each account and month in which it moved: opening, debits, credits, closing."""
    moved: dict[tuple[int, int], dict[Key, list[int]]] = defaultdict(dict)
    for entry in source():
        day = entry.draft.effective
        for fund, account, detail, side, fen in entry.draft.postings:
            sums = moved[day.year, day.month].setdefault((fund, account, detail), [0, 0])
            sums[side == Side.CREDIT.value] += fen
    sides = {row.code: row.side for row in chart.rows}
    standing: dict[Key, int] = {}
    for (year, month), accounts in sorted(moved.items()):
        for key in sorted(accounts, key=lambda key: (codes[key], key)):
            debit, credit = accounts[key]
            opening = standing.get(key, 0)
            closing = standing[key] = opening + debit - credit
            side = sides[codes[key]]
            sign = 1 if side == "借" else -1
            yield {
                "会计年度": str(year), "会计期间号": str(month), "科目编号": codes[key], "辅助项1": key[0],
                "辅助项2": key[2], "币种": "CNY", "期初余额方向": side, "期初原币余额": yuan(sign * opening),
                "期初本币余额": yuan(sign * opening), "借方原币发生额": yuan(debit), "借方本币发生额": yuan(debit),
                "贷方原币发生额": yuan(credit), "贷方本币发生额": yuan(credit), "期末余额方向": side,
                "期末原币余额": yuan(sign * closing), "期末本币余额": yuan(sign * closing),
            }  # fmt: skip
