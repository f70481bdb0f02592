"""The command line as its user meets it: what it prints (golden), what it writes, how it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT

GOLDEN = Path(__file__).parent / "golden"
COMMAND = [sys.executable, "-m", "estate_funds.cli"]
DAY = ["--recorded-on", "2026-11-22"]


def estate_funds(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONUTF8": "1", "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}
    return subprocess.run(
        [*COMMAND, *map(str, args)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=cwd,
        env=environment,
        check=False,
    )


def golden(name: str, text: str) -> None:
    """Compare with the golden file; with UPDATE_GOLDEN=1, write it instead, and read the difference before committing."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo")
    result = estate_funds("demo", "--out", "out", *DAY, cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    return folder, result.stdout


def test_the_demo_as_a_person_reads_it(demo: tuple[Path, str]) -> None:
    golden("demo.txt", demo[1])


def test_the_demo_writes_what_it_says_and_can_be_run_again(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    for name in ("donghu", "dezhou"):
        written = {path.name for path in (folder / "out" / name).iterdir()}
        assert written >= {
            "ledger.db",
            "claims.csv",
            "vouchers.csv",
            "balances.csv",
            "audit.json",
            "summary.txt",
            "case",
        }
        assert not [path for path in written if path.endswith(".part")]
    again = estate_funds("demo", "--out", "out", *DAY, cwd=folder)
    assert again.returncode == 0
    assert again.stdout.count("nothing new") == 2
    assert "4,778" in again.stdout


def test_what_the_demo_suggests_works(demo: tuple[Path, str], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(demo[0] / "out", tmp_path / "out")).parent
    explained = estate_funds("explain", "out/donghu/case", "yuaner", "--year", "2023", cwd=folder)
    assert explained.returncode == 0
    golden("explain-yuaner-2023.txt", explained.stdout)
    clean = estate_funds("audit", "out/donghu/ledger.db", "--case", "out/donghu/case", cwd=folder)
    assert clean.returncode == 0
    spending = folder / "out/donghu/case/spending.csv"
    spending.write_text(spending.read_text(encoding="utf-8").replace("96,000.00", "69,000.00"), encoding="utf-8")
    day = ("--recorded-on", "2026-11-22")
    found = estate_funds("audit", "out/donghu/ledger.db", "--case", "out/donghu/case", *day, cwd=folder)
    assert found.returncode == 1
    golden("audit-finding.txt", found.stdout)


def test_explain_a_whole_estate(demo: tuple[Path, str]) -> None:
    result = estate_funds("explain", demo[0] / "out/donghu/case", "yuanyi")
    golden("explain-yuanyi.txt", result.stdout)


def test_run_a_case_into_a_ledger_and_a_folder(donghu: Path, tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path / 'own.db'}"
    first = estate_funds("run", donghu, "--ledger", ledger, "--out", tmp_path / "results", *DAY)
    assert (first.returncode, first.stderr) == (0, "")
    assert (tmp_path / "results" / "summary.txt").read_text(encoding="utf-8") == first.stdout
    second = estate_funds("run", donghu, "--ledger", ledger, "--out", tmp_path / "results", *DAY)
    assert "nothing new" in second.stdout
    report = estate_funds("audit", ledger, "--case", donghu, "--json", "--recorded-on", "2026-11-22")
    assert json.loads(report.stdout)["findings"] == []
    assert json.loads(report.stdout) == json.loads((tmp_path / "results" / "audit.json").read_text(encoding="utf-8"))
    total = sum(int(row.split(",")[-3]) for row in (tmp_path / "results" / "claims.csv").read_text().splitlines()[1:])
    assert total == 142_884_000


def test_run_on_postgresql(donghu: Path, tmp_path: Path, fresh_postgres: str) -> None:
    result = estate_funds("run", donghu, "--ledger", fresh_postgres, "--out", tmp_path / "out", *DAY)
    assert (result.returncode, result.stderr) == (0, "")
    audited = estate_funds("audit", fresh_postgres, "--case", donghu)
    assert (audited.returncode, audited.stderr) == (0, "")
    assert "76 of 76" in audited.stdout


def test_the_audit_compares_with_a_head_that_was_kept(demo: tuple[Path, str]) -> None:
    ledger = demo[0] / "out/donghu/ledger.db"
    head = json.loads(estate_funds("audit", ledger, "--json").stdout)["head"]
    assert estate_funds("audit", ledger, "--head", head).returncode == 0
    other = estate_funds("audit", ledger, "--head", f"76:{'0' * 63}1")
    assert other.returncode == 1
    assert "cut-off: the journal does not pass through what was kept: entries were rewritten" in other.stdout
    longer = estate_funds("audit", ledger, "--head", f"77:{'0' * 63}1", "--head", head)
    assert longer.returncode == 1
    assert "entries are missing at the end" in longer.stdout
    malformed = estate_funds("audit", ledger, "--head", "0" * 63 + "1")
    assert (malformed.returncode, malformed.stdout) == (2, "")
    assert "wanted: NUMBER:HEX" in malformed.stderr


def test_an_earlier_day_leaves_the_attempts_for_later(donghu: Path) -> None:
    result = estate_funds("run", donghu, "--out", donghu / "out", "--recorded-on", "2025-06-30")
    assert (result.returncode, result.stderr) == (0, "")
    assert "ahead of today" in result.stdout


def test_a_refusal_ends_with_1_and_books_nothing_but_itself(
    donghu: Path, edit: Callable[[Path, str, str], None], tmp_path: Path
) -> None:
    edit(donghu / "spending.csv", "院一社区,cleaning", "院一社区,banquet")
    result = estate_funds("run", donghu, "--out", tmp_path / "out", *DAY)
    assert result.returncode == 1
    assert result.stdout == ""
    golden("refused.txt", result.stderr)
    audited = estate_funds("audit", tmp_path / "out" / "ledger.db").stdout
    assert "entries through the gate again: 1 of 1" in audited
    assert "refused attempts on record: 1 of 1 (entry 1)" in audited
    assert not (tmp_path / "out" / "claims.csv").exists()


def test_what_passes_though_it_should_be_refused_ends_with_1(
    donghu: Path, edit: Callable[[Path, str, str], None]
) -> None:
    edit(donghu / "attempts.csv", "banquet", "cleaning")
    edit(donghu / "case.toml", 'payee_class = "supplier"', 'payee_class = "enterprise"')
    result = estate_funds("run", donghu, "--out", donghu / "out", *DAY)
    assert result.returncode == 1
    assert "NOT REFUSED, and it should have been" in result.stdout


def test_bad_input_ends_with_2_and_a_message_worth_reading(
    donghu: Path, edit: Callable[[Path, str, str], None]
) -> None:
    edit(donghu / "estates.csv", ",community,", ",comunity,")
    result = estate_funds("run", donghu, "--out", donghu / "results", *DAY)
    assert (result.returncode, result.stdout) == (2, "")
    golden("bad-column.txt", result.stderr)
    assert not (donghu / "results").exists()


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [(["audit", "none.db"], 2, "there is no ledger"), (["run", "nowhere"], 2, "no case here"),
     (["explain", "CASE", "yuansan"], 2, "did you mean 'yuan"), (["explain", "CASE", "yuanyi", "--year", "1999"], 2, "[2021, 2022"),
     (["run", "CASE", "--ledger", "nosuch://x"], 2, "not an address"), (["run"], 2, "CASE"), (["frobnicate"], 2, "No such command"),
     (["run", "CASE", "--out", "CASE/case.toml"], 2, "cannot be written"), (["run", "CASE", "--recorded-on", "tomorrow"], 2, "")],
)  # fmt: skip
def test_what_could_not_run(donghu: Path, tmp_path: Path, args: list[str], status: int, words: str) -> None:
    result = estate_funds(*(arg.replace("CASE", str(donghu)) for arg in args), cwd=tmp_path)
    assert result.returncode == status
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_help_is_worth_reading() -> None:
    for command in ([], ["demo"], ["run"], ["explain"], ["audit"], ["schema"], ["checkpoint"], ["verify"]):
        result = estate_funds(*command, "--help")
        assert result.returncode == 0
    assert "Exit status" in estate_funds("--help").stdout
    assert estate_funds("--version").stdout.startswith("estate-funds ")


def test_the_schema_command_prints_the_published_schema() -> None:
    published = (ROOT / "src/estate_funds/policies/policy.schema.json").read_text(encoding="utf-8")
    assert estate_funds("schema").stdout == published


def test_cells_that_a_spreadsheet_would_run_are_made_harmless(
    donghu: Path, edit: Callable[[Path, str, str], None]
) -> None:
    edit(donghu / "estates.csv", "yuanyi,院一,", "yuanyi,=cmd(),")
    estate_funds("run", donghu, "--out", donghu / "out", *DAY)
    text = (donghu / "out" / "claims.csv").read_text(encoding="utf-8")
    assert ",'=cmd()," in text
