"""Exports for the tools of others: every balance arrives in every format, text does no harm, persons are masked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import export_readers as read
from conftest import ROOT
from estate_funds.books import Books
from estate_funds.cli import app
from estate_funds.errors import CaseError, InputError, OutputError
from estate_funds.exchange import workbook
from estate_funds.exchange.chart import load_chart, parse_chart, shipped_charts
from estate_funds.exchange.exports import FORMATS, write_export
from estate_funds.exchange.masking import Mask
from estate_funds.exchange.outline import again, numbered, outline_of, whole_files, yuan
from estate_funds.exchange.plaintext import account_key, account_name, plain_text
from estate_funds.exchange.tabular import TABLES
from estate_funds.funds import Account
from estate_funds.journal import Entry
from estate_funds.ledger import replay
from estate_funds.report.vouchers import number_vouchers
from estate_funds.testing.exporters import check_exporter, debits_above_zero, exporter_test, with_postings
from estate_funds.testing.hard_journals import Journal, journals
from estate_funds.text import harmless
from journals import HELD, full_history

FAST = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
CHART = load_chart("government")
READERS: dict[str, Callable[[Path], Iterator[read.Line]]] = {
    "beancount": read.plain_lines,
    "hledger": read.plain_lines,
    "ledger": read.plain_lines,
    "gbt24589-xml": lambda path: read.gbt_lines(path, CHART),
    "gbt24589-json": lambda path: read.gbt_lines(path, CHART),
    "saf-t": read.saft_lines,
    "parquet": read.parquet_lines,
    "csv": read.csv_lines,
    "xlsx": read.xlsx_lines,
}


@pytest.fixture(scope="module")
def history() -> tuple[Entry, ...]:
    return tuple(full_history().entries)


def masked(key: read.Key, fen: int) -> tuple[read.Key, int]:
    """Debits above 0, under the names that the mask leaves: 2^53 as a purpose looks like the number of a card."""
    text = Mask().text
    fund, account, detail = key
    return debits_above_zero((text(fund), account, text(detail)), fen)


def exported(form: str, out: Path, entries: Sequence[Entry], **more: str) -> Path:
    write_export(form, out, again(entries), unit="南昌市", **more)
    return out


def held_to_the_contract(form: str, out: Path, entries: Sequence[Entry]) -> None:
    lines = READERS[form]
    check_exporter(
        entries, lambda given: exported(form, out, given), lambda path: read.sums(lines(path)), view=masked,
        balances_on=lambda path, day: read.sums(lines(path), day),
        number=lambda path: len({number for number, *_ in lines(path)}), counted=with_postings,
    )  # fmt: skip


def test_every_format_has_a_reader_here() -> None:
    assert set(READERS) == set(FORMATS)


@pytest.mark.parametrize("form", FORMATS)
def test_a_history_with_every_kind_arrives(form: str, history: Sequence[Entry], tmp_path: Path) -> None:
    held_to_the_contract(form, tmp_path / "out", history)


@pytest.mark.parametrize("form", FORMATS)
def test_a_journal_without_entries_is_exported(form: str, tmp_path: Path) -> None:
    held_to_the_contract(form, tmp_path / "out", ())


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "xlsx"])
def test_an_export_keeps_the_contract(form: str, tmp_path: Path) -> None:
    lines = READERS[form]
    test = exporter_test(
        lambda given: exported(form, tmp_path / "out", given), lambda path: read.sums(lines(path)),
        view=masked, balances_on=lambda path, day: read.sums(lines(path), day),
        number=lambda path: len({number for number, *_ in lines(path)}), counted=with_postings,
    )  # fmt: skip
    FAST(test)()


def test_a_workbook_keeps_the_contract_or_says_that_it_cannot(tmp_path: Path) -> None:
    seen = set()

    @settings(FAST, max_examples=12)
    @given(journal=journals())
    def test(journal: Journal) -> None:
        told = outline_of(journal.entries)
        largest = max((max(t.debit_fen, t.credit_fen) for t in told.accounts.values()), default=0)
        seen.add(largest > workbook.MOST_FEN)
        if largest > workbook.MOST_FEN:
            with pytest.raises(OutputError, match="15 digits"):
                exported("xlsx", tmp_path / "out.xlsx", journal.entries)
        else:
            held_to_the_contract("xlsx", tmp_path / "out.xlsx", journal.entries)

    test()
    assert seen == {True, False}


@pytest.mark.long
@pytest.mark.parametrize("form", [form for form in FORMATS if form != "xlsx"])
def test_an_export_keeps_the_contract_with_many_journals(form: str, tmp_path: Path) -> None:
    many = settings(FAST, max_examples=60, derandomize=False)
    lines = READERS[form]
    export = lambda given: exported(form, tmp_path / "out", given)  # noqa: E731
    many(exporter_test(export, lambda path: read.sums(lines(path)), view=masked))()


# --- what is in an export besides its amounts -------------------------------------------------------------------------


def test_the_outline_is_the_ledger(history: Sequence[Entry]) -> None:
    ledger = replay(history)
    told = outline_of(history)
    assert told.balances() == {key: fen for key, fen in ledger.balances.items() if fen}
    assert told.entries == len(history)
    assert told.funds["share/community/k"] == "共享收益"


def test_vouchers_have_the_numbers_of_the_report(history: Sequence[Entry]) -> None:
    wanted = [voucher.label for voucher in number_vouchers(history)]
    assert [f"{entry.draft.effective:%Y-%m} {label}" for label, entry in numbered(history)] == wanted


@pytest.mark.parametrize("form", ["gbt24589-xml", "gbt24589-json"])
def test_the_periods_of_gbt_add_up(form: str, history: Sequence[Entry], tmp_path: Path) -> None:
    path = exported(form, tmp_path / "out", history)
    assert read.gbt_closing(path, CHART) == outline_of(history).balances()


def test_gbt_has_its_tables_and_says_what_it_is(history: Sequence[Entry], tmp_path: Path) -> None:
    path = exported("gbt24589-xml", tmp_path / "out", history)
    assert "aligned" in path.read_text(encoding="utf-8")[:300]
    assert "conformant" not in path.read_text(encoding="utf-8")
    found = read.gbt(path)
    assert list(found) == ["公共档案", "总账"]
    assert list(found["公共档案"]) == ["电子账簿", "会计期间", "记账凭证类型", "币种", "自定义档案项"]
    assert list(found["总账"]) == ["总账基础信息", "会计科目", "科目辅助核算", "记账凭证", "科目余额及发生额"]
    assert len(found["公共档案"]["会计期间"]) == 36
    accounts = {row["科目编号"]: row for row in found["总账"]["会计科目"]}
    assert accounts["1002"]["科目名称"] == "银行存款"
    assert (accounts["121802"]["科目级次"], accounts["121802"]["科目编号来源"]) == ("2", "U")
    for table in ("记账凭证", "科目余额及发生额"):
        assert {row["科目编号"] for row in found["总账"][table]} <= set(accounts)
    assert found == read.gbt(exported("gbt24589-json", tmp_path / "other", history))


def test_each_voucher_of_gbt_balances_in_money_and_in_budget(history: Sequence[Entry], tmp_path: Path) -> None:
    sums: dict[tuple[str, bool], int] = {}
    for row in read.gbt(exported("gbt24589-json", tmp_path / "out", history))["总账"]["记账凭证"]:
        key = (row["分录序号"], row["科目编号"].startswith("9"))
        sums[key] = sums.get(key, 0) + read.fen_of(row["借方本币金额"]) - read.fen_of(row["贷方本币金额"])
    assert set(sums.values()) == {0}
    assert len(sums) > 40


def test_saft_has_the_structure_and_ties(history: Sequence[Entry], tmp_path: Path) -> None:
    import xml.etree.ElementTree as ET

    root = ET.fromstring(exported("saf-t", tmp_path / "out", history).read_text(encoding="utf-8"))
    names = {"f": "urn:OECD:StandardAuditFile-Taxation/2.00"}
    assert [read.bare(part.tag) for part in root] == ["Header", "MasterFiles", "GeneralLedgerEntries"]
    assert [read.bare(part.tag) for part in root[0]] == [
        "AuditFileVersion", "AuditFileCountry", "AuditFileDateCreated", "SoftwareCompanyName", "SoftwareID",
        "SoftwareVersion", "Company", "DefaultCurrencyCode", "SelectionCriteria", "TaxAccountingBasis",
    ]  # fmt: skip
    booked = root.findall(".//f:Transaction", names)
    assert root.findtext(".//f:NumberOfEntries", None, names) == str(len(booked)) == str(outline_of(history).vouchers)
    for side in ("Debit", "Credit"):
        amounts = [read.fen_of(e.text or "") for e in root.iterfind(f".//f:{side}Amount/f:Amount", names)]
        assert root.findtext(f".//f:Total{side}", None, names) == yuan(sum(amounts))
    told = outline_of(history)
    for account, key in zip(root.iterfind(".//f:Account", names), told.accounts, strict=True):
        closing = account.findtext("f:ClosingDebitBalance", None, names)
        closing = closing or account.findtext("f:ClosingCreditBalance", None, names)
        assert closing == yuan(told.balance_fen(key))
        assert len(account.findtext("f:AccountDescription", "", names)) <= 256
    assert {e.findtext("f:AccountType", None, names) for e in root.iterfind(".//f:Account", names)} == {
        "Asset", "Liability", "Sale", "Expense", "Other",
    }  # fmt: skip


def test_tables_carry_every_field_of_an_entry(history: Sequence[Entry], tmp_path: Path) -> None:
    exported("csv", tmp_path / "csv", history)
    exported("parquet", tmp_path / "parquet", history)
    rows = pq.read_table(tmp_path / "parquet" / "entries.parquet").to_pylist()
    assert rows == [
        {name: {"seq": int, "effective": date.fromisoformat, "recorded": date.fromisoformat}.get(name, str)(cell) for name, cell in row.items()}
        for row in read.csv_rows(tmp_path / "csv" / "entries.csv")
    ]  # fmt: skip
    assert len(rows) == len(history)
    for row, entry in zip(rows, history, strict=True):
        draft = entry.draft
        for name in ("document", "clause", "purpose", "reference", "maker", "approver", "key", "policy"):
            assert row[name] == getattr(draft, name)
        assert row["narrative"] == draft.narrative.replace("张三", "张*")
        assert row["evidence"].split() == [f"{kind}:{digest}" for kind, digest in draft.evidence]
    for name, fields in TABLES.items():
        assert pq.read_schema(tmp_path / "parquet" / f"{name}.parquet").names == [field.name for field in fields]
    told = {(r["fund"], r["account"], r["detail"]): r["balance_fen"] for r in pq.read_table(tmp_path / "parquet" / "balances.parquet").to_pylist()}  # fmt: skip
    assert {key: fen for key, fen in told.items() if fen} == replay(history).balances


def test_plain_text_carries_what_an_entry_says(history: Sequence[Entry], tmp_path: Path) -> None:
    spent = next(entry for entry in history if entry.draft.key == "s2")
    digest = spent.draft.evidence[0].sha256
    bean = exported("beancount", tmp_path / "b", history).read_text(encoding="utf-8")
    block = next(block for block in bean.split("\n\n") if 'key: "s2"' in block)
    for line_ in (
        f'  entry: "{spent.seq}"', '  kind: "spending"', f'  maker: "{spent.draft.maker}"', '  purpose: "cleaning"',
        f'  approver: "{spent.draft.approver}"', f'  evidence-1: "invoice sha256 {digest}"', '  document: "doc"', '  kind: "spending"',
    ):  # fmt: skip
        assert line_ in block.split("\n")
    journal = exported("hledger", tmp_path / "h", history).read_text(encoding="utf-8")
    assert f"    ; evidence-1: invoice sha256 {digest}" in journal
    assert len(re.findall(r"^; entry \d+ ", journal, re.MULTILINE)) == sum(not e.draft.postings for e in history)
    assert '  clause: "1"' in bean.split("\n")
    assert re.search(r"^2023-02-0\d \* \(\d+\) ", journal, re.MULTILINE)


# --- names and text ---------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=90)


@settings(FAST, max_examples=200)
@given(fund=st.tuples(TEXT, TEXT, TEXT).map("/".join), account=st.sampled_from([a.value for a in Account]), detail=TEXT)
def test_names_of_accounts_are_reversible_and_legal(fund: str, account: str, detail: str) -> None:
    name = account_name(fund, account, detail)
    assert account_key(name) == (fund, account, detail)
    for part in name.split(":"):
        assert re.fullmatch("[A-Z][A-Za-z0-9\u4e00-\u9fa5-]*", part)
        assert len(part.encode()) < 256


@settings(FAST, max_examples=200)
@given(text=TEXT)
def test_text_for_ledger_means_nothing_and_comes_back(text: str) -> None:
    plain = plain_text(text)
    assert unquote(plain) == text
    assert not set(plain) & set(";|:[]{}*!\"'=@#^~\\<>\t\u3000")
    assert "  " not in plain
    assert plain == plain.strip()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1"])
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


def dangerous() -> tuple[Entry, ...]:
    """A journal whose texts would run, break out, or open a tag."""
    journal = full_history().entries
    spoiled = '=HYPERLINK("http://x")</Description><script>&amp;'
    return tuple(
        Entry(e.seq, e.recorded, replace(e.draft, narrative=spoiled, payee="@cmd" if e.draft.payee else "", maker="+1"))
        for e in journal
    )


def test_no_cell_runs_and_no_tag_opens(tmp_path: Path) -> None:
    entries = dangerous()
    out = exported("csv", tmp_path / "csv", entries)
    text = (out / "entries.csv").read_text(encoding="utf-8")
    assert "'=HYPERLINK" in text
    assert not re.search(r'(^|,)"?[=+@]', text, re.MULTILINE)
    book = exported("xlsx", tmp_path / "x.xlsx", entries)
    cells = [cell for row in read.sheet_rows(book, "凭证", formulas=True) for cell in row.values()]
    assert any(isinstance(cell, str) and cell.startswith("'=HYPERLINK") for cell in cells)
    assert not [cell for cell in cells if isinstance(cell, str) and cell.startswith(("=", "+", "@"))]
    for form in ("gbt24589-xml", "saf-t"):
        held_to_the_contract(form, tmp_path / form, entries)
        assert "<script" not in (tmp_path / form).read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["gbt24589-xml", "saf-t", "hledger", "csv", "xlsx"])
def test_what_xml_forbids_does_not_break_a_file(form: str, history: Sequence[Entry], tmp_path: Path) -> None:
    odd = [Entry(e.seq, e.recorded, replace(e.draft, narrative="a\uffff]]>\ufffe<b", maker="\u2028")) for e in history]
    held_to_the_contract(form, tmp_path / "out", odd)


# --- the workbook -----------------------------------------------------------------------------------------------------


def column_of(rows: Sequence[Mapping[str, object]], span: str) -> list[object]:
    """The cells of a range such as '分录'!$I$2:$I$9."""
    found = re.fullmatch(r"'[^']+'!\$([A-Z])\$2:\$([A-Z])\$(\d+)", span)
    assert found is not None
    assert found[1] == found[2]
    assert int(found[3]) == len(rows) + 1
    return [row[found[1]] for row in rows]


def test_the_formulas_of_a_workbook_tie(history: Sequence[Entry], tmp_path: Path) -> None:
    path = exported("xlsx", tmp_path / "x.xlsx", history)
    told = outline_of(history)
    lines = read.sheet_rows(path, "分录")
    formulas, values = read.sheet_rows(path, "科目余额", formulas=True), read.sheet_rows(path, "科目余额")
    assert len(formulas) == len(told.accounts)
    for at, (row, shown) in enumerate(zip(formulas, values, strict=True), 2):
        totals = []
        for letter in "FG":
            found = re.fullmatch(rf"=SUMIFS\(([^,]+),([^,]+),\$A{at}\)/100", row[letter])
            assert found is not None
            pairs = zip(column_of(lines, found[2]), column_of(lines, found[1]), strict=True)
            totals.append(sum(fen or 0 for number, fen in pairs if number == row["A"]))  # type: ignore[misc]
            assert round(shown[letter] * 100) == totals[-1]
        key = (read.told_text(row["B"]), row["C"], read.told_text(row["D"]))
        balance = totals[0] - totals[1] if row["E"] == "D" else totals[1] - totals[0]
        assert balance == told.balance_fen(key) == round(row["I"] * 100) == round(shown["H"] * 100)
        assert row["J"] == f"=ROUND(H{at}-I{at},2)"
    funds = {read.told_text(row["B"]): row for row in read.sheet_rows(path, "基金")}
    assert funds["share/community/k"]["C"] == "共享收益"
    ledger = replay(history)
    for fund, row in funds.items():
        assert round(row["D"] * 100) == round(row["E"] * 100) == ledger.balances.get((fund, "cash", ""), 0)


def test_a_workbook_freezes_its_headers(history: Sequence[Entry], tmp_path: Path) -> None:
    from openpyxl import load_workbook

    book = load_workbook(exported("xlsx", tmp_path / "x.xlsx", history))
    assert book.sheetnames == ["说明", "基金", "科目余额", "凭证", "分录"]
    assert {book[name].freeze_panes for name in book.sheetnames[1:]} == {"A2"}
    assert "every balance ties" in str(book["说明"]["A7"].value)


def test_what_a_workbook_cannot_hold_is_refused(history: Sequence[Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(workbook, "MOST_ROWS", 100)
    with pytest.raises(OutputError, match="more rows"):
        exported("xlsx", tmp_path / "x.xlsx", history)
    monkeypatch.setattr(workbook, "MOST_ROWS", 10**6)
    monkeypatch.setitem(__import__("sys").modules, "xlsxwriter", None)
    with pytest.raises(OutputError, match="XlsxWriter"):
        exported("xlsx", tmp_path / "x.xlsx", history)
    assert not list(tmp_path.iterdir())


def test_a_long_text_in_a_workbook_says_that_it_was_cut(history: Sequence[Entry], tmp_path: Path) -> None:
    entry = history[4]
    long = Entry(entry.seq, entry.recorded, replace(entry.draft, narrative="长" * 40_000))
    path = exported("xlsx", tmp_path / "x.xlsx", (*history[:4], long))
    assert any("40,000 characters" in str(row["F"]) for row in read.sheet_rows(path, "凭证"))


# --- masks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("id 11010519491231002X", "id 110*************2X"),
        ("id 110105491231002 old", "id 110**********02 old"),
        ("call 13812345678, then 13912345678", "call 138****5678, then 139****5678"),
        ("card 6222020200112233445", "card ****3445"),
        ("invoice 12345678", "invoice 12345678"),
        ("2024-01-01 and 20240101", "2024-01-01 and 20240101"),
        ("sha 3f13812345678ab", "sha 3f13812345678ab"),
        ("amount 138123456789", "amount 138123456789"),
    ],
)
def test_numbers_that_name_a_person_are_masked(text: str, masked: str) -> None:
    assert Mask().text(text) == masked


@settings(FAST, max_examples=100)
@given(numbers=st.lists(st.integers(13_800_000_000, 13_800_999_999).map(str), max_size=30))
def test_a_mask_never_makes_one_of_two(numbers: list[str]) -> None:
    mask = Mask()
    texts = [*numbers, "138****0000", "138****0001~2"]
    masked = [mask.text(text) for text in texts]
    assert len(set(masked)) == len(set(texts))
    assert [mask.text(text) for text in texts] == masked
    assert not {text for text in masked if re.search(r"\d{11}", text)}


def personal() -> tuple[Entry, ...]:
    """A journal in which persons are named: as payee, in a narrative, in a detail."""
    changed = []
    for e in full_history().entries:
        draft = e.draft
        if draft.payee_class == "household":
            draft = replace(draft, narrative="救助 张三 11010519491231002X")
        postings = tuple(p._replace(detail="owner 13812345678") if p.detail == "late" else p._replace(detail="owner 13899995678") if p.detail == "income" else p for p in draft.postings)  # fmt: skip
        changed.append(Entry(e.seq, e.recorded, replace(draft, postings=postings)))
    return tuple(changed)


def everything_in(out: Path) -> str:
    """All text of an export, whatever holds it."""
    if out.is_dir():
        tables = [path for path in out.iterdir() if path.suffix == ".parquet"]
        return "".join(str(pq.read_table(path).to_pylist()) for path in tables) + "".join(
            path.read_text(encoding="utf-8") for path in out.iterdir() if path.suffix == ".csv"
        )
    if out.suffix == ".xlsx":
        return "".join(str(read.sheet_rows(out, name)) for name in ("基金", "科目余额", "凭证", "分录"))
    return out.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", FORMATS)
def test_no_export_names_a_person(form: str, tmp_path: Path) -> None:
    entries = personal()
    out = exported(form, tmp_path / f"out{FORMATS[form].suffix}", entries)
    text = everything_in(out)
    assert not re.search("张三|11010519491231002X|13812345678|13899995678", text)
    if form != "saf-t":  # which has no place for a payee
        assert "张*" in text or "张%2A" in text
    lines = read.sums(READERS[form](out))
    details = {key[2]: fen for key, fen in lines.items() if key[1] == "funding" and key[0] == "share/community/m"}
    assert details == {"owner 138****5678": -5_000, "owner 138****5678~2": -70}


def test_a_bundle_keeps_every_word(tmp_path: Path) -> None:
    assert "bundle" not in FORMATS  # it is sealed: a mask would break it, and the page of exports says so


# --- charts -----------------------------------------------------------------------------------------------------------


def test_the_shipped_charts_know_every_account_and_say_what_nobody_checked() -> None:
    for name in shipped_charts():
        chart = load_chart(name)
        assert chart.chart_id == name
        for account in Account:
            row = chart.row(("f", account.value, "x"), date(2024, 1, 1))
            assert chart.level(row.code) == (2 if len(row.code) > 4 else 1)
        assert chart.unverified
    maintenance = load_chart("maintenance-fund-2020")
    assert maintenance.row(("f", "funding", "interest"), date(2024, 1, 1)).code == "4101"
    assert maintenance.row(("f", "funding", "owners"), date(2024, 1, 1)).code == "4001"
    assert all(row.source != "P" for row in maintenance.rows)


def own_chart(**changes: object) -> dict[str, object]:
    rows = [
        {"account": a.value, "code": f"{1000 + n}", "name": a.value, "type": "资产", "source": "own"}
        for n, a in enumerate(Account)
    ]
    return {"id": "own", "title": "t", "document": "d", "from": date(2020, 1, 1), "code_lengths": [4], "accounts": rows} | changes  # fmt: skip


def test_a_code_may_change_on_a_day() -> None:
    rows = own_chart()["accounts"]
    assert isinstance(rows, list)
    older = rows[0] | {"code": "0001", "until": date(2021, 12, 31)}
    chart = parse_chart(own_chart(accounts=[older, *rows]))
    assert chart.row(("f", "cash", ""), date(2021, 12, 31)).code == "0001"
    assert chart.row(("f", "cash", ""), date(2022, 1, 1)).code == "1000"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"colour": 1}, "unknown key"),
        ({"code_lengths": []}, "not a chart"),
        ({"from": "2020"}, "not a chart"),
        ({"accounts": 7}, "lists no accounts"),
        ({"accounts": []}, "without a code"),
        ({"accounts": [{"account": "cash"}]}, "not complete"),
        ({"accounts": [{"account": "cahs", "code": "1", "name": "n", "type": "t", "source": "P"}]}, "no account"),
        ({"accounts": [{"account": "cash", "code": "1", "name": "n", "type": "t", "source": "?"}]}, "source is wrong"),
        ({"accounts": [{"account": "cash", "code": "一", "name": "n", "type": "t", "source": "P"}]}, "source is wrong"),
        ({"accounts": [{"account": "cash", "code": "1", "name": "n", "type": "t", "source": "P", "day": 1}]}, "unknown key"),
        ({"accounts": [{"account": "cash", "code": "1", "name": "n", "type": "t", "source": "P", "from": 1}]}, "from or until"),
        ({"accounts": [{"account": a, "code": "1", "name": "n", "type": "t", "source": "P"} for a in ("cash", "funding")]}, "two accounts"),
        ({"code_lengths": [2]}, "longer than"),
    ],
)  # fmt: skip
def test_a_wrong_chart_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(CaseError, match=said):
        parse_chart(own_chart(**change))


@pytest.mark.parametrize("name", ["goverment", "none.toml", "../x"])
def test_a_chart_that_is_not_there_is_said(name: str) -> None:
    with pytest.raises(InputError):
        load_chart(name)


def test_a_chart_of_ones_own_is_a_file(history: Sequence[Entry], tmp_path: Path) -> None:
    shipped = ROOT / "src/estate_funds/exchange/charts/government.toml"
    own = tmp_path / "own.toml"
    own.write_text(shipped.read_text(encoding="utf-8").replace('"1002"', '"1012"'), encoding="utf-8")
    path = exported("gbt24589-json", tmp_path / "out", history, chart=str(own))
    assert "1012" in {row["科目编号"] for row in read.gbt(path)["总账"]["记账凭证"]}
    own.write_text("id = ", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        load_chart(own)


# --- files and the command --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_appears_whole_or_not_at_all(form: str, history: Sequence[Entry], tmp_path: Path) -> None:
    out = tmp_path / "out"
    exported(form, out, history)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    times = 0

    def failing() -> Iterable[Entry]:
        nonlocal times
        times += 1
        yield from history[:30]
        if times > 1:
            raise RuntimeError("the database is gone")

    with pytest.raises(RuntimeError):
        write_export(form, out, failing)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_place_that_cannot_be_written_is_said(history: Sequence[Entry], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for form in FORMATS:
        with pytest.raises(OutputError):
            exported(form, tmp_path / "file" / "below", history)
    with pytest.raises(OutputError, match="folder"):
        exported("csv", tmp_path / "file", history)
    with pytest.raises(OutputError), whole_files([tmp_path]):
        pass
    with pytest.raises(InputError, match="no such format"):
        exported("pdf", tmp_path / "x", history)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "books.db"
    from estate_funds.vouchers import open_fund, receive
    from journals import HANDS

    with Books.open(str(path), recorded_on=date(2024, 1, 5), origin="city.example/water") as books:
        books.post(open_fund(HELD, on=date(2024, 1, 5), hands=HANDS))
        books.post(receive(HELD, "", 123_456, on=date(2024, 1, 5), key="r", hands=HANDS))
    return path


def command(*args: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["export", *map(str, args)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize("form", ["bundle", *FORMATS])
def test_the_command_writes_each_format(form: str, ledger: Path, tmp_path: Path) -> None:
    status, said = command(ledger, "--format", form, "--out", tmp_path / "out")
    assert status == 0, said
    assert "written: " in said
    assert "head 2:" in said
    assert (tmp_path / "out").exists()
    if form in READERS:
        found = read.sums(READERS[form](tmp_path / "out"))
        assert found["water/community/k", "cash", ""] == 123_456


def test_the_command_takes_a_chart_and_a_unit(ledger: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    status, said = command(
        ledger, out, "--format", "gbt24589-json", "--chart", "maintenance-fund-2020", "--unit", "专户"
    )
    assert status == 0
    assert "19 of 19 codes not verified" in said
    assert json.loads(out.read_text(encoding="utf-8"))["公共档案"]["电子账簿"][0]["会计核算单位"] == "专户"
    command(ledger, out, "--format", "gbt24589-json")
    assert (
        json.loads(out.read_text(encoding="utf-8"))["公共档案"]["电子账簿"][0]["会计核算单位"] == "city.example/water"
    )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "wanted what to write"),
        (["a", "--out", "b"], "wanted what to write"),
        (["a", "--format", "pdf"], "no such format"),
        (["a", "--format", "bean-count"], "did you mean 'beancount'"),
        (["a", "--format", "csv", "--chart", "government"], "not for csv"),
        (["a", "--chart", "government"], "not for a bundle"),
        (["a", "--format", "csv", "--key", "k"], "for a bundle"),
        (["a", "--format", "csv", "--without-evidence"], "for a bundle"),
        (["a", "--format", "saf-t", "--chart", "none"], "no such chart"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(args: list[str], said: str, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    status, output = command(ledger, *args)
    assert status == 2
    assert said in " ".join(output.split())
    assert not list(tmp_path.iterdir())
