"""Readers of exports, written from the description of each format and not from the writers: what the other side gets."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from openpyxl import load_workbook

from estate_funds.exchange.chart import Chart
from estate_funds.exchange.plaintext import account_key

Key = tuple[str, str, str]
Line = tuple[int, date, Key, int]  # entry, day, account, fen with debits above 0
DAY = re.compile(r"(\d{4}-\d\d-\d\d) \*")
POSTING = re.compile(r" +([A-Z]\S*:\S+)  (-?)(\d+)\.(\d\d) (CNY|BUDGET)")


def fen_of(yuan: str) -> int:
    exact = Decimal(yuan) * 100
    assert exact == int(exact)
    return int(exact)


def sums(lines: Iterator[Line], until: date = date.max) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for _, day, key, fen in lines:
        if day <= until:
            found[key] = found.get(key, 0) + fen
    return {key: fen for key, fen in found.items() if fen}


def plain_lines(path: Path) -> Iterator[Line]:
    """beancount, hledger and ledger alike: a day and a flag, then an account and an amount a line."""
    day, number = date.min, 0
    for text in path.read_text(encoding="utf-8").split("\n"):
        if (found := DAY.match(text)) and not text.endswith("* the balances of these books"):
            day, number = date.fromisoformat(found[1]), number + 1
        elif found := POSTING.fullmatch(text):
            name, sign, yuan, fen, unit = found.groups()
            key = account_key(name)
            assert (unit == "BUDGET") == (key[1] in ("authority", "unencumbered", "encumbered", "expended"))
            yield number, day, key, int(f"{sign}{yuan}{fen}")


def gbt(path: Path) -> dict[str, dict[str, list[dict[str, str]]]]:
    """Sections, tables and rows, from XML or JSON."""
    text = path.read_text(encoding="utf-8")
    if text.startswith("{"):
        return {name: tables for name, tables in json.loads(text).items() if name != "说明"}
    found: dict[str, dict[str, list[dict[str, str]]]] = {}
    for section in ET.fromstring(text):
        tables = found.setdefault(bare(section.tag), {})
        for row in section:
            tables.setdefault(bare(row.tag), []).append({bare(field.tag): field.text or "" for field in row})
    return found


def bare(tag: str) -> str:
    return tag.rpartition("}")[2]


def gbt_lines(path: Path, chart: Chart) -> Iterator[Line]:
    accounts = {row.code: row.account for row in chart.rows}
    for row in gbt(path)["总账"].get("记账凭证", []):
        told = row["记账凭证日期"]
        day = date(int(told[:4]), int(told[4:6]), int(told[6:]))
        fen = fen_of(row["借方本币金额"]) - fen_of(row["贷方本币金额"])
        yield int(row["分录序号"]), day, (row["辅助项1"], accounts[row["科目编号"]], row["辅助项2"]), fen


def gbt_closing(path: Path, chart: Chart) -> dict[Key, int]:
    """The last closing balance of each account, on its own side; each opening is the closing before."""
    accounts = {row.code: row.account for row in chart.rows}
    closing: dict[Key, int] = {}
    for row in gbt(path)["总账"].get("科目余额及发生额", []):
        key = (row["辅助项1"], accounts[row["科目编号"]], row["辅助项2"])
        opening, fen = fen_of(row["期初本币余额"]), fen_of(row["期末本币余额"])
        assert opening == closing.get(key, 0)
        moved = fen_of(row["借方本币发生额"]) - fen_of(row["贷方本币发生额"])
        assert fen == opening + (moved if row["期末余额方向"] == "借" else -moved)
        closing[key] = fen
    return {key: fen for key, fen in closing.items() if fen}


def saft_lines(path: Path) -> Iterator[Line]:
    names = {"f": "urn:OECD:StandardAuditFile-Taxation/2.00"}
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    said = {
        row.findtext("f:AnalysisID", "", names): row.findtext("f:AnalysisIDDescription", "", names)
        for row in root.iterfind(".//f:AnalysisTypeTableEntry", names)
    }
    accounts = {
        row.findtext("f:AccountID", "", names): row.findtext("f:GroupingCode", "", names)
        for row in root.iterfind(".//f:Account", names)
    }
    for booked in root.iterfind(".//f:Transaction", names):
        day = date.fromisoformat(booked.findtext("f:TransactionDate", "", names))
        for line in booked.iterfind("f:Line", names):
            debit = line.findtext("f:DebitAmount/f:Amount", None, names)
            fen = fen_of(debit) if debit is not None else -fen_of(line.findtext("f:CreditAmount/f:Amount", "", names))
            fund, *detail = (said[one.text or ""] for one in line.iterfind("f:Analysis/f:AnalysisID", names))
            key = (fund, accounts[line.findtext("f:AccountID", "", names)], detail[0] if detail else "")
            yield int(booked.findtext("f:TransactionID", "", names)), day, key, fen


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [{name: cell.removeprefix("'") for name, cell in row.items()} for row in csv.DictReader(file)]


def csv_lines(folder: Path) -> Iterator[Line]:
    for row in csv_rows(folder / "postings.csv"):
        fen = int(row["amount_fen"])
        assert fen == fen_of(row["amount"])
        key = (row["fund"], row["account"], row["detail"])
        yield int(row["seq"]), date.fromisoformat(row["effective"]), key, fen if row["side"] == "D" else -fen


def parquet_lines(folder: Path) -> Iterator[Line]:
    for row in pq.read_table(folder / "postings.parquet").to_pylist():
        assert row["amount_fen"] == row["amount"] * 100
        fen = row["amount_fen"] if row["side"] == "D" else -row["amount_fen"]
        yield row["seq"], row["effective"], (row["fund"], row["account"], row["detail"]), fen


def sheet_rows(path: Path, sheet: str, *, formulas: bool = False) -> list[Mapping[str, Any]]:
    """The rows of a sheet of a workbook, by the letters of columns."""
    with path.open("rb") as file:  # whatever it is called
        book = load_workbook(file, read_only=True, data_only=not formulas)
        rows = list(book[sheet].iter_rows(min_row=2, values_only=True))
        book.close()
    return [dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", row, strict=False)) for row in rows]


def told_text(cell: Any) -> str:
    return "" if cell is None else str(cell).removeprefix("'")


def xlsx_lines(path: Path) -> Iterator[Line]:
    for row in sheet_rows(path, "分录"):
        key = (told_text(row["D"]), told_text(row["E"]), told_text(row["F"]))
        fen = (row["J"] or 0) - (row["K"] or 0)
        assert round(Decimal(str(row["G"] or 0)) * 100) - round(Decimal(str(row["H"] or 0)) * 100) == fen
        yield row["A"], row["C"].date(), key, fen
