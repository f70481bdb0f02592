"""The auditor's page as text: what it says first, that nothing of the data can be markup, and that it is always the same."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from conftest import EXAMPLES, HANDS, ROOT, TODAY
from estate_funds import Books, load_case
from estate_funds.audit import AuditReport, Coverage, Finding, Severity
from estate_funds.case import Case
from estate_funds.funds import Account
from estate_funds.journal import Entry, Kind
from estate_funds.provenance import trace
from estate_funds.report import page_data as rooms
from estate_funds.report.audit_words import COVERAGE, SENTENCES, in_chinese
from estate_funds.report.page import asset, library_facts, page
from estate_funds.report.page_data import PageMatter, page_data, verdict_words
from estate_funds.report.page_words import ACCOUNTS, KINDS, WORDS
from estate_funds.vouchers import reverse
from test_ledger_commands import fails, run

HOSTILE = "</script><img src=x onerror=alert(1)><!--\u2028\u2029&amp;"
ALL = Coverage("everything", 3, 3)
PART = Coverage("bank statements matched", 0, 0, "not checked: none are read yet")


def finding(n: int = 0, **changes: Any) -> Finding:
    severity = Severity.ERROR if n % 3 else Severity.WARNING
    made = Finding(f"rule-{n % 7}", severity, f"what {n}", f"entry {n % 70 + 1} (key {n})", "got", "wanted", "donghu-2021-17 五(六)1", n, "clear")  # fmt: skip
    return replace(made, **changes)


def books_of(folder: Path) -> tuple[Case, tuple[Entry, ...], AuditReport]:
    """The Donghu case with three slips of the pen, booked, and its audit."""
    case_folder = Path(shutil.copytree(EXAMPLES / "donghu", folder / "donghu"))
    with Books.open(str(folder / "books.db"), recorded_on=TODAY, origin="donghu.example/award") as books:
        books.run(load_case(case_folder))
        paid = next(e for e in books.entries() if e.draft.key == "disbursement/donghu-2021-17/award/yuaner/5")
        books.post(reverse(paid, on=date(2026, 8, 1), hands=HANDS, narrative="paid by mistake"))
        for file, old, new in (
            ("assessments.csv", "yuanyi,1,pass", "yuanyi,1,fail"),
            ("spending.csv", '"96,000.00"', '"96,000.01"'),
            ("incomes.csv", "i-2022-01,", "i-2022-09,"),
        ):
            text = (case_folder / file).read_text(encoding="utf-8")
            assert old in text
            (case_folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        case = load_case(case_folder)
        return case, tuple(books.entries()), books.audit(case)


def matter(found: tuple[Case, tuple[Entry, ...], AuditReport]) -> PageMatter:
    case, entries, report = found
    return PageMatter(report, entries, "donghu.example/award", TODAY, "0.1.0", case)


def bare(report: AuditReport, entries: Sequence[Entry] = ()) -> PageMatter:
    """A page without a case."""
    return PageMatter(report, entries, "somewhere", TODAY, "0.1.0")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, tuple[Entry, ...], AuditReport]:
    return books_of(tmp_path_factory.mktemp("page"))


class Elements(HTMLParser):
    """The elements of a page, with their attributes and their text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))
        self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[-1][2].append(data)

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(attributes, "".join(text)) for name, attributes, text in self.found if name == tag]


def data_of(made: str) -> dict[str, Any]:
    (text,) = (
        text for attributes, text in Elements(made).all("script") if attributes.get("type") == "application/json"
    )
    told: dict[str, Any] = json.loads(text)
    return told


# --- what it says ---


def test_the_verdict_is_never_clean_over_a_partial_check() -> None:
    words = {
        (gap, n): verdict_words(AuditReport((ALL, PART) if gap else (ALL,), (finding(1),) * n, 0, "")) for gap in (0, 1) for n in (0, 1, 2)
    }  # fmt: skip
    for (gap, n), (zh, en) in words.items():
        assert ("no clean verdict" in en) == bool(gap), (gap, n)
        assert ("不构成无保留的结论" in zh) == bool(gap)
        assert ("All that this audit looks at was checked" in en) == (not gap and not n)
        assert ("均已检查" in zh) == (not gap and not n)
        assert (f"{n} finding" in en) == bool(n)
    assert words[0, 2][1].startswith("2 findings: 2 errors, 0 warnings.")


def test_coverage_comes_before_the_verdict_and_that_before_findings(found: Any) -> None:
    made = page(matter(found))
    order = [attributes["id"] for attributes, _ in Elements(made).all("section")]
    assert order[:3] == ["coverage", "verdict", "findings"]
    script = asset("page.js")
    draw = script[script.index("  function draw() {") :]
    assert draw.index("drawCoverage") < draw.index("drawVerdict") < draw.index("drawFindings")


def test_every_finding_is_there_with_what_it_leads_to(found: Any) -> None:
    case, _, report = found
    told = data_of(page(matter(found)))
    assert [(f["rule"], f["fen"], f["where"]) for f in told["findings"]] == [
        (f.rule, f.amount_fen, f.where) for f in report.findings
    ]
    by_rule = {f["rule"]: f for f in told["findings"]}
    assert by_rule["withheld"]["estate"] == "yuaner"
    assert "yuanyi" in {f["estate"] for f in told["findings"]}  # a payment for a year that was failed
    assert by_rule["no-source"]["entries"] == [19]
    assert by_rule["booked-otherwise"]["funds"] == ["community-shortfall/community/院一社区"]
    listed = {row["seq"] for row in told["vouchers"]["rows"]}
    clauses = {row["name"]: row for row in told["clauses"]}
    for f in told["findings"]:
        assert set(f["entries"]) <= listed
        assert not f["clause"] or f["clause"] in clauses
        assert f["what_zh"], f["what"]
    assert clauses["donghu-2021-17 五(六)1"]["text"] == case.documents["donghu-2021-17"].clauses["五(六)1"]
    assert told["standing"] == "found"


def test_a_finding_says_itself_what_it_is_about(found: Any) -> None:
    case, entries, report = found
    one = finding(5, entries=(17, 10), subject="yuaner", where="elsewhere")
    odd = finding(6, where="nowhere", subject="a payee")
    told = page_data(matter((case, entries, replace(report, findings=(one, odd)))))["findings"]
    assert (told[0]["entries"], told[0]["estate"]) == ([17, 10], "yuaner")
    assert "award-budget/city/南昌市" in told[0]["funds"]
    assert (told[1]["entries"], told[1]["estate"], told[1]["funds"]) == ([], "", [])


def test_funds_and_ways_tie_with_the_books(found: Any) -> None:
    _, entries, _ = found
    told = page_data(matter(found))
    with Books.open("memory", recorded_on=TODAY) as books:
        books.post([entry.draft for entry in entries if entry.draft.kind is not Kind.REFUSAL])
        balances = books.balances()
        ledger = books.ledger
    assert [row[0] for row in told["funds"]["balances"]] == [b.fund for b in balances]
    assert [row[4] for row in told["funds"]["balances"]] == [b.cash_fen for b in balances]
    for line in told["funds"]["lines"]:
        for place, account in enumerate((Account.CASH, Account.UNENCUMBERED, Account.ENCUMBERED)):
            held = sum(fen for key, fen in ledger.balances.items() if key[:2] == (line["fund"], account.value))
            assert line["series"][-1][place] == held
    assert told["funds"]["total"][-1] == [
        sum(line["series"][-1][place] for line in told["funds"]["lines"]) for place in range(3)
    ]
    assert len(told["funds"]["months"]) == len(told["funds"]["total"])
    traced = trace(entries)
    for by in ("purpose", "payee"):
        sources, spent, left = told["ways"][by]["totals"]
        assert sources == spent + left == sum(fen for _, fen in traced.receipts())


POSITION = {
    "accounts": ["6222…01"], "on": "2024-01-31", "bank_fen": 120_000, "books_fen": 100_000, "difference_fen": 0,
    "books_only": [{"day": "2024-01-30", "fen": -30_000, "what": HOSTILE, "where": "entry 5"}],
    "bank_only": [{"day": "2024-01-29", "fen": -10_000, "what": "fee", "where": "row 2"}],
    "bank_adjusted_fen": 90_000, "books_adjusted_fen": 90_000,
}  # fmt: skip


def test_bank_reconciliations_stand_as_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    about = replace(bare(AuditReport((ALL,), (), 0, "")), positions=[POSITION])
    (told,) = page_data(about)["bank"]
    assert told["books_only"] == [["2024-01-30", HOSTILE, -30_000]]
    assert (told["bank_fen"], told["books_adjusted_fen"], told["difference_fen"], told["more"]) == (
        120_000,
        90_000,
        0,
        0,
    )
    monkeypatch.setattr(rooms, "MOST_OF_SIDE", 0)
    (told,) = page_data(about)["bank"]
    assert (told["books_only"], told["more"]) == ([], 2)


def test_estates_show_what_is_owed_and_what_stands_paid(found: Any) -> None:
    told = {row["id"]: row for row in page_data(matter(found))["estates"]}
    assert (told["yuaner"]["owed"], told["yuaner"]["paid"], told["yuaner"]["findings"]) == (59_940_000, 53_280_000, 1)
    assert told["yuanyi"]["paid"] - told["yuanyi"]["owed"] == 20_736_000
    assert [row[3] for row in told["yuaner"]["claims"]] == ["due", "due", "nothing due", "due", "due"]
    assert page_data(bare(AuditReport((), (), 0, "")))["estates"] == []


def test_the_receipt_names_all_that_it_rests_on(found: Any) -> None:
    case, _, report = found
    told = data_of(page(matter(found)))["receipt"]
    assert (told["head"], told["entries"]) == (report.head, 77)
    assert told["policies"] == [[d.id, d.number, d.digest] for _, d in sorted(case.documents.items())]
    assert told["registry_sha256"] == case.registry_digest
    assert told["library_sha256"] == library_facts()["sha256"]
    changed = replace(report, findings=report.findings[1:])
    assert page_data(replace(matter(found), report=changed))["receipt"]["report_sha256"] != told["report_sha256"]


def test_lists_have_limits_that_are_said_and_findings_have_none(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "MOST_VOUCHERS", 5)
    monkeypatch.setattr(rooms, "MOST_FUNDS", 2)
    case, entries, report = found
    about = matter(
        (case, entries, replace(report, findings=tuple(finding(n, entries=(74,), where="x") for n in range(9))))
    )
    told = page_data(about)
    assert len(told["findings"]) == 9
    assert (told["vouchers"]["listed"], len(told["vouchers"]["rows"])) == (5, 5)
    assert told["vouchers"]["of"] == sum(bool(entry.draft.postings) for entry in entries)
    assert 74 in {row["seq"] for row in told["vouchers"]["rows"]}
    assert told["funds"]["grouped"]
    assert "community-shortfall/community" in {line["fund"] for line in told["funds"]["lines"]}


def test_a_journal_that_cannot_be_traced_says_so(found: Any) -> None:
    case, entries, report = found
    without = tuple(entry for entry in entries if entry.draft.kind is not Kind.APPROPRIATION)
    told = page_data(matter((case, without, report)))
    assert told["ways"]["untraced"].startswith("money of outside-gate-service")
    broken = replace(
        entries[9], draft=replace(entries[9].draft, postings=(entries[9].draft.postings[0]._replace(account="?"),))
    )
    assert page(matter((case, (*entries[:9], broken, *entries[10:]), report)))


# --- hostile data ---


def hostile(found: tuple[Case, tuple[Entry, ...], AuditReport]) -> PageMatter:
    case, entries, report = found
    bad = finding(1, rule=HOSTILE, what=HOSTILE, where=HOSTILE, got=HOSTILE, wanted=HOSTILE, clause=HOSTILE, clear=HOSTILE, subject=HOSTILE)  # fmt: skip
    draft = replace(entries[17].draft, narrative=HOSTILE, payee=HOSTILE, purpose=HOSTILE, maker=HOSTILE)
    changed = (*entries[:17], replace(entries[17], draft=draft), *entries[18:])
    report = replace(
        report, findings=(*report.findings, bad), coverage=(*report.coverage, Coverage(HOSTILE, 0, 1, HOSTILE))
    )
    return replace(matter((case, changed, report)), origin=HOSTILE)


def test_no_text_of_data_becomes_markup(found: Any) -> None:
    clean, bad = (Elements(page(about)) for about in (matter(found), hostile(found)))
    assert [(tag, sorted(a)) for tag, a, _ in clean.found] == [(tag, sorted(a)) for tag, a, _ in bad.found]
    assert not {tag for tag, _, _ in bad.found} & {"img", "iframe", "object", "link", "base"}
    told = data_of(page(hostile(found)))
    assert (told["origin"], told["findings"][-1]["what"]) == (HOSTILE, HOSTILE)


def test_the_script_puts_nothing_in_as_markup() -> None:
    script = asset("page.js")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch(", "XMLHttpRequest", "import(", "srcdoc"):  # fmt: skip
        assert way not in script, way
    assert not re.search(r"https?://", script + asset("page.css") + asset("page.html"))
    assert "url(" not in asset("page.css")
    assert "@import" not in asset("page.css")


def test_the_page_lets_itself_load_nothing_and_run_its_own_scripts_only(found: Any) -> None:
    elements = Elements(page(matter(found)))
    (policy,) = (a["content"] for a, _ in elements.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["connect-src"] == rules["img-src"] == rules["font-src"] == "'none'"
    scripts = [text for attributes, text in elements.all("script") if "type" not in attributes]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]
    assert all("src" not in a and "href" not in a for _, a, _ in elements.found)


# --- sameness, words, library ---


def test_the_same_matter_gives_the_same_bytes(found: Any, tmp_path: Path) -> None:
    first = page(matter(found))
    assert first == page(matter(found))
    assert first == page(matter(books_of(tmp_path)))  # made anew, in another folder


def test_both_languages_are_complete() -> None:
    used = set(re.findall(r'\bt\("([a-z_]+)"', asset("page.js")))
    assert used <= set(WORDS), used - set(WORDS)
    for name, (zh, en) in WORDS.items():
        assert zh, name
        assert en, name
        assert set(re.findall(r"\{\d\}", zh)) == set(re.findall(r"\{\d\}", en)), name
    assert not set(Kind) - set(KINDS)
    assert not set(Account) - set(ACCOUNTS)
    for pattern, chinese in SENTENCES:
        assert chinese
        assert pattern.groups >= len(set(re.findall(r"\\(\d)", chinese)))


def test_a_rule_is_called_by_its_chinese_name_its_sentence_or_its_own_name() -> None:
    asked = (
        Coverage("Paid late.", 3, 3, rule="late"),
        Coverage("Somebody's.", 0, 0, "not checked: no case was given", "own"),
    )
    told = page_data(bare(AuditReport(asked, (finding(1, rule="own"),), 0, "")))
    assert [(c["zh"], c["rule"], c["complete"]) for c in told["coverage"]] == [
        ("逾期支付", "late", True),
        ("", "own", False),
    ]
    assert told["coverage"][1]["note_zh"] == "未检查：未提供案卷"
    assert told["rules"]["own"]["zh"] == ""
    assert in_chinese("paid 3 days late") == "逾期 3 天支付"
    assert in_chinese(f"paid 3 days late{' ' * 500}") == ""


def test_what_the_audit_itself_says_has_chinese_words(found: Any) -> None:
    _, _, report = found
    for covered in report.coverage:
        if not covered.rule:
            assert in_chinese(covered.what), covered.what
            assert not covered.note or in_chinese(covered.note), covered.note
    assert in_chinese("not checked: no case was given; 3 not started") == "未检查：未提供案卷；3 项尚未开始"
    assert in_chinese("somebody's own sentence") == ""
    assert all(COVERAGE.values())


def test_the_charting_library_is_the_one_that_is_named() -> None:
    facts, folder = library_facts(), ROOT / "src" / "estate_funds" / "report" / "assets"
    data = (folder / facts["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == facts["sha256"]
    assert f'"{facts["version"]}"'.encode() in data
    for name in facts["license_files"]:
        assert (folder / name).stat().st_size > 100
    assert "Apache License" in (folder / facts["license_files"][0]).read_text(encoding="utf-8")


def test_numbers_beyond_what_a_browser_holds_are_text() -> None:
    told = page_data(bare(AuditReport((ALL,), (finding(0, amount_fen=2**53), finding(0, amount_fen=-(2**60))), 0, "")))
    assert [f["fen"] for f in told["findings"]] == [str(2**53), str(-(2**60))]


# --- the command ---


def test_the_command_writes_the_page_also_of_a_ledger_that_was_changed(donghu: Path, tmp_path: Path) -> None:
    ledger, out = donghu / "books.db", tmp_path / "sub" / "page.html"
    with Books.open(str(ledger), recorded_on=TODAY) as books:
        books.run(load_case(donghu))
    said = run("audit", ledger, "--case", donghu, "--page", out)
    assert "written: " in said.err
    assert data_of(out.read_text(encoding="utf-8"))["case"] == "donghu"
    connection = sqlite3.connect(ledger)
    connection.execute("DROP TRIGGER estate_funds_entry_no_update")
    connection.execute("UPDATE estate_funds_entry SET narrative = '</script>' WHERE seq = 10")
    connection.commit()
    connection.close()
    assert run("audit", ledger, "--page", out).status == 1
    told = data_of(out.read_text(encoding="utf-8"))
    assert ("tampered", [10]) in [(f["rule"], f["entries"]) for f in told["findings"]]
    fails(2, "cannot be written", "audit", ledger, "--page", ledger / "page.html")
