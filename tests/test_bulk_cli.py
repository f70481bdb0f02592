"""The command `bulk` as its user meets it: the real program on the example cases, and what it says when it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from conftest import EXAMPLES, TODAY
from estate_funds import Books, load_case
from estate_funds.bulk import duplicates
from estate_funds.bulk.files import Cut, open_source
from estate_funds.bulk.posting import count_source
from estate_funds.bulk.run import Progress
from estate_funds.bulk.wanted import STAYS
from estate_funds.calendar import Months
from estate_funds.errors import InvariantBroken
from estate_funds.exchange.households import read_households

DONGHU = EXAMPLES / "donghu" / "households.csv"
DEZHOU = EXAMPLES / "dezhou" / "households.parquet"


@pytest.fixture(autouse=True)
def few_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


def bulk(*args: str | Path) -> Any:
    from typer.testing import CliRunner

    from estate_funds.cli import app

    return CliRunner().invoke(app, ["bulk", *map(str, args)], catch_exceptions=False)


def without_households(name: str, folder: Path) -> Path:
    """A case whose register is too large to lie in its folder."""
    case = Path(shutil.copytree(EXAMPLES / name, folder / name))
    for path in case.glob("households.*"):
        path.unlink()
    return case


@pytest.mark.parametrize(("name", "households"), [("donghu", DONGHU), ("dezhou", DEZHOU)])
def test_a_register_is_owed_what_its_case_is_owed(name: str, households: Path, tmp_path: Path) -> None:
    case = load_case(EXAMPLES / name)
    result = bulk(without_households(name, tmp_path), "--households", households, "--out", tmp_path / "out", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    told = json.loads(result.stdout)
    assert (told["due_fen"], told["shares"]) == (case.claims.amount_fen, case.claims.shares)
    assert told["pending_fen"] == case.claims.potential_fen - case.claims.amount_fen
    by_estate = {
        row["estate_id"]: row["due_fen"] for row in pq.read_table(tmp_path / "out" / "estates.parquet").to_pylist()
    }
    assert by_estate == {one: sum(c.amount_fen for c in case.claims.of(one)) for one in case.registry.estates}


def test_what_a_person_reads(tmp_path: Path) -> None:
    args = (EXAMPLES / "donghu", "--households", DONGHU, "--out", tmp_path / "out")
    first = bulk(*args)
    assert first.stdout.splitlines()[:4] == [
        "What is owed by donghu, donghu-2021-17, award, 2021-01..2026-06, in yuan",
        "  city    households        city    district           due  pending",
        "  南昌市       1,885  714,420.00  714,420.00  1,428,840.00     0.00",
        "  in all       1,885  714,420.00  714,420.00  1,428,840.00     0.00",
    ]
    assert "1 partition; results" in first.stdout
    again = bulk(*args)
    assert again.stdout == first.stdout.replace("1 partition;", "1 partition, 1 of them before;")


def test_one_household_is_explained(tmp_path: Path) -> None:
    args = (EXAMPLES / "donghu", "--households", DONGHU, "--explain")
    result = bulk(*args, "yuaner-01-0003")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("households.csv, row ")
    assert "1 household x 18.00 x 12 months" in result.stdout
    missing = bulk(*args, "nobody")
    assert missing.exit_code == 2
    assert "there is no household 'nobody'" in missing.stderr


def test_columns_by_other_names_without_ids(tmp_path: Path) -> None:
    lines = DONGHU.read_text(encoding="utf-8-sig").splitlines()
    header = lines[0].replace("estate_id", "小区").replace("household_id", "房号")
    (tmp_path / "a.csv").write_text("\n".join([header, *lines[1:]]), encoding="utf-8")
    args = [EXAMPLES / "donghu", "--households", tmp_path / "a.csv", "--columns", "estate_id=小区"]
    refused = bulk(*args, "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert "error (ColumnError): missing column" in refused.stderr
    done = bulk(*args, "--out", tmp_path / "out", "--no-ids", "--no-duplicates", "--json")
    assert json.loads(done.stdout)["due_fen"] == 142_884_000
    assert "household_id" not in pq.read_table(tmp_path / "out" / "rows" / "a.csv.parquet").column_names
    named = bulk(*args, "--columns", "household_id=房号", "--out", tmp_path / "named", "--json")
    assert json.loads(named.stdout)["due_fen"] == 142_884_000
    assert "no such column" in bulk(*args, "--columns", "estate=x", "--out", tmp_path / "named").stderr
    assert bulk(*args, "--columns", "estate_id", "--out", tmp_path / "named").exit_code == 2


def test_a_household_that_stands_twice_is_found_before_anything_is_assessed(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    lines = DONGHU.read_text(encoding="utf-8-sig").splitlines()
    (folder / "a.csv").write_text("\n".join(lines[:1000]), encoding="utf-8")
    (folder / "b.csv").write_text("\n".join([lines[0], *lines[1000:], lines[7]]), encoding="utf-8")
    args = [EXAMPLES / "donghu", "--households", folder, "--out", tmp_path / "out"]
    refused = bulk(*args)
    assert refused.exit_code == 2
    assert "error (DuplicateRow)" in refused.stderr
    assert "a.csv, row 8" in refused.stderr
    assert "b.csv, row 888" in refused.stderr
    assert "a.csv, row 8" in (tmp_path / "out" / "duplicates.txt").read_text(encoding="utf-8")
    assert not (tmp_path / "out" / "rows").exists()
    assert json.loads(bulk(*args, "--no-duplicates", "--partial", "--json").stdout)["households"] == 1886


def test_a_register_ties_to_what_its_estates_declare(tmp_path: Path) -> None:
    lines = DONGHU.read_text(encoding="utf-8-sig").splitlines()
    (tmp_path / "a.csv").write_text("\n".join(lines[:1500]), encoding="utf-8")
    args = [EXAMPLES / "donghu", "--households", tmp_path / "a.csv", "--out", tmp_path / "out"]
    refused = bulk(*args)
    assert refused.exit_code == 2
    assert "error (ControlTotalError)" in refused.stderr
    assert refused.stdout == ""
    assert not (tmp_path / "out" / "rows").exists()
    assert json.loads(bulk(*args, "--partial", "--json").stdout)["households"] == 1499
    again = bulk(*args, "--json")
    assert "error (ControlTotalError)" in again.stderr, "a run that was not asked is asked the next time"


def test_what_was_refused_is_mended_and_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    lines = DONGHU.read_text(encoding="utf-8-sig").splitlines()
    (folder / "a.csv").write_text("\n".join(lines[:1000]), encoding="utf-8")
    (folder / "b.csv").write_text("\n".join([lines[0], *lines[1000:], lines[7]]), encoding="utf-8")
    args = [EXAMPLES / "donghu", "--households", folder, "--out", tmp_path / "out"]
    assert "DuplicateRow" in bulk(*args).stderr
    (folder / "b.csv").write_text("\n".join([lines[0], "x,yuanyi,2021-13-01,,", *lines[1000:]]), encoding="utf-8")
    wrong = bulk(*args, "--no-duplicates", "--partial")
    assert "b.csv, row 2, column registered_on" in wrong.stderr
    assert [path.name for path in (tmp_path / "out" / "rows").iterdir()] == ["a.csv.parquet"]
    (folder / "b.csv").write_text("\n".join([lines[0], *lines[1000:]]), encoding="utf-8")
    told = json.loads(bulk(*args, "--json").stdout)
    assert (told["done_before"], told["due_fen"]) == (1, 142_884_000)
    (folder / "b.csv").write_text("\n".join([lines[0], *lines[1001:]]), encoding="utf-8")
    assert "the file was changed" in bulk(*args).stderr


FEE = """
format = 1
id = "fee"
number = "1"
title = "fee"
issuer = "city"
from = 2020-01-01
clause = "1"
[clauses]
"1" = "text"
[parties.owner]
name = "owner"
clause = "1"
[funds.fees]
title = "fees"
held_by = ["city"]
permits = [{ purposes = ["fee"], payee_classes = ["household"], from = 2015-01-01, clause = "1" }]
carry_forward = true
provenance = "fifo"
clause = "1"
[provisions.fee]
title = "fee"
clause = "1"
sum = "rate_times_base"
each = "household"
payee = "subject"
claim_period = "month"
anchor = "service_month"
counted_on = "month_start"
first_month = "any_day"
last_month = "any_day"
rounding = { level = "line", mode = "half_up" }
purpose = "fee"
pays_from = "fees"
rate = [{ from = 2020-01-01, clause = "1", unit = "CNY/m2/month", value = "1.755" }]
payers = [{ from = 2020-01-01, clause = "1", shares = { owner = "1" }, odd_fen_to = "owner" }]
"""


def test_a_document_alone_says_which_columns_it_reads(tmp_path: Path) -> None:
    (tmp_path / "fee.toml").write_text(FEE, encoding="utf-8")
    rows = tmp_path / "rows.csv"
    rows.write_text("household_id,registered_on,area\nh1,2020-01-01,90.00\nh2,2020-01-01,88.88\n", encoding="utf-8")
    args = [tmp_path / "fee.toml", "--households", rows, "--window", "2024", "--out", tmp_path / "out"]
    shown = bulk(*args, "--show-columns").stdout
    assert [line.split()[0] for line in shown.splitlines()[1:]] == ["registered_on", "removed_on", "floor_area_m2"]
    assert [line.split()[2] for line in shown.splitlines()[1:3]] == ["yes", "no"]
    assert "yes" in shown.splitlines()[3]
    assert "a column that amounts rest on is in no file" in bulk(*args).stderr
    told = json.loads(bulk(*args, "--columns", "floor_area_m2=area", "--json").stdout)
    assert told["due_fen"] == 12 * (15795 + 15598)  # 90 x 1.755 = 157.95; 88.88 x 1.755 = 155.9844


def test_duplicates_are_found_in_every_row_group(tmp_path: Path) -> None:
    from estate_funds.bulk.cells import ID_COLUMN
    from estate_funds.bulk.parts import parts_of_source

    table = pq.read_table(DEZHOU)
    pq.write_table(pa.concat_tables([table, table.slice(100, 1)]), tmp_path / "a.parquet", row_group_size=5_000)
    wanted: list[Any] = [ID_COLUMN, *STAYS]
    parts = parts_of_source(open_source(tmp_path / "a.parquet", wanted, cut=Cut(rows=12_000)))
    assert [part.group for part in parts] == list(range(8))
    found = duplicates.find_duplicates(parts, key=["household_id"], scratch=tmp_path)
    assert (found.rows, str(found.findings[0].first).partition(" (")[0]) == (
        35_306, "a.parquet, row group 0, row 101",
    )  # fmt: skip
    assert str(found.findings[0].again).startswith("a.parquet, row group 7, row 35306")
    pa.csv.write_csv(table, tmp_path / "b.csv")
    parts = parts_of_source(open_source(tmp_path / "b.csv", wanted, cut=Cut(size=200_000)))
    assert [(part.group, len(part.partitions) > 3) for part in parts] == [(None, True)]
    assert duplicates.find_duplicates(parts, key=["household_id"], scratch=tmp_path).rows == 35_305


# --- a document alone ---


def test_a_document_alone_needs_no_estates(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("household_id,registered_on,area_m2\nh1,2020-01-01,80.00\n", encoding="utf-8")
    args = ["maintenance-fund-2008", "--households", tmp_path / "a.csv", "--out", tmp_path / "out"]
    assert "one of first-deposit" in bulk(*args, "--window", "2023").stderr
    assert "wanted --window" in bulk(*args, "--claim", "first-deposit").stderr
    for claim in ("first-deposit", "maintenance-fund-2008/first-deposit"):
        result = bulk(*args, "--claim", claim, "--window", "2023", "--json")
        assert (result.exit_code, result.stderr) == (0, "")
    told = json.loads(result.stdout)
    assert (told["households"], told["about"]["provision"], told["done_before"]) == (1, "first-deposit", 1)
    assert "tenure" in told["absent_columns"]


def test_what_cannot_be_asked(tmp_path: Path) -> None:
    case = EXAMPLES / "donghu"
    assert bulk(case, "--households", DONGHU).exit_code == 2
    assert bulk(case, "--households", DONGHU, "--out", tmp_path, "--post", "x.db").exit_code == 2
    assert "no document 'donghoo'" in bulk("donghoo", "--households", DONGHU, "--out", tmp_path).stderr
    assert (
        "no such file or folder of households"
        in bulk(case, "--households", tmp_path / "none.csv", "--out", tmp_path).stderr
    )
    assert "makes no such claim" in bulk(case, "--households", DONGHU, "--out", tmp_path, "--claim", "a/b").stderr
    assert "not a month" in bulk(case, "--households", DONGHU, "--out", tmp_path, "--window", "soon").stderr


def test_a_cluster_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    args = (EXAMPLES / "donghu", "--households", DONGHU, "--out", tmp_path / "out", "--cluster", "tcp://127.0.0.1:1")
    refused = bulk(*args)
    assert refused.exit_code == 2
    assert "pip install 'estate_funds[cluster]'" in refused.stderr


@pytest.mark.filterwarnings("ignore")
def test_on_a_cluster(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options, local_directory=str(tmp_path)) as cluster:
        args = (EXAMPLES / "dezhou", "--households", DEZHOU, "--cluster", cluster.scheduler_address, "--json")
        result = bulk(*args, "--out", tmp_path / "out")
    assert json.loads(result.stdout)["due_fen"] == 3_050_352_000


# --- booking ---


POST = ("--window", "2022", "--on", "2023-07-25")


def opened_ledger(folder: Path, name: str = "donghu") -> Path:
    with Books.open(str(folder / "ledger.db"), recorded_on=TODAY) as books:
        books.post(load_case(EXAMPLES / name).opening())
    return folder / "ledger.db"


def test_what_is_due_and_decided_is_booked_once_through_the_gate(tmp_path: Path) -> None:
    ledger = opened_ledger(tmp_path)
    case = without_households("donghu", tmp_path)
    args = (case, "--households", DONGHU, "--out", tmp_path / "out", "--window", "2022", "--post", ledger)
    result = bulk(*args, "--on", "2023-01-25")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "1 claim due, 2 new entries; 1 claim decided after that day" in result.stdout
    later = json.loads(bulk(*args, "--on", "2023-07-25", "--json").stdout)
    assert [later[key] for key in ("claims", "waiting", "entries", "repeated")] == [2, 0, 2, 2]
    assert "0 new entries; 4 steps stood already" in bulk(*args, "--on", "2023-07-25").stdout
    with Books.open(str(ledger), create=False) as books:
        paid = [entry.draft for entry in books.entries() if entry.draft.kind == "disbursement"]
        assert {draft.maker for draft in paid} == {"王敏 (preparer)"}
        assert books.audit(load_case(EXAMPLES / "donghu"), year=2022, rules=()).findings == ()


def test_the_gate_refuses_what_no_budget_covers_and_one_person_in_both_roles(tmp_path: Path) -> None:
    ledger = opened_ledger(tmp_path)
    args = (EXAMPLES / "donghu", "--households", DONGHU, "--post", ledger)
    refused = bulk(*args, "--out", tmp_path / "all", "--on", "2023-02-01")
    assert refused.exit_code == 1
    assert "refused (Overdrawn)" in refused.stderr
    assert "1,428,840.00" in refused.stdout
    refused = bulk(*args, *POST, "--out", tmp_path / "out", "--maker", "a", "--approver", "a")
    assert "refused (SameHands)" in refused.stderr


def test_rows_that_each_have_a_claim_are_not_booked_by_estate(tmp_path: Path) -> None:
    from estate_funds.bulk.posting import due_claims
    from estate_funds.errors import BulkError

    case = load_case(EXAMPLES / "maintenance-fund")
    source = open_source(DONGHU, STAYS)
    with pytest.raises(BulkError, match="books take claims of estates"):
        due_claims(case, "maintenance-fund-2008/first-deposit", Months.parse("2022"), source, None)  # type: ignore[arg-type]


def test_nothing_is_booked_where_columns_and_plain_sums_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = opened_ledger(tmp_path)
    args = (EXAMPLES / "donghu", "--households", DONGHU, "--out", tmp_path / "out", "--no-duplicates", *POST)
    bulk(*args)
    short = DONGHU.read_text(encoding="utf-8-sig").splitlines()[:-1]
    (tmp_path / "households.csv").write_text("\n".join(short), encoding="utf-8")
    counted = count_source(
        open_source(tmp_path / "households.csv", STAYS), load_case(EXAMPLES / "donghu").registry.estates
    )
    monkeypatch.setattr("estate_funds.bulk.posting.count_source", lambda *_: counted)
    with Books.open(str(ledger), create=False) as books:
        before = len(books)
    result = bulk(*args, "--post", ledger)
    assert result.exit_code == 2
    assert "nothing was posted" in result.stderr or "do not tie" in result.stderr
    with Books.open(str(ledger), create=False) as books:
        assert len(books) == before


def test_check_equal_says_which_estate_and_period() -> None:
    from estate_funds.bulk.posting import check_equal
    from estate_funds.bulk.result import Totals
    from estate_funds.bulk.summing import Summary

    own = {("a", "2024-01", "city"): 5, ("a", "2024-01", "pending"): 7, ("a", "2024-01", "district"): 6}
    summary = Summary({}, ("city", "district"), Totals.of_fen(own, {"a": 1}), {}, 1, 0)
    check_equal({("a", "2024-01"): 11, ("b", "2024-01"): 0}, summary)
    with pytest.raises(
        InvariantBroken, match=r"estate a, period from 2024-01: 0\.12 yuan by its headcounts, 0\.11 by its rows"
    ):
        check_equal({("a", "2024-01"): 12}, summary)
    with pytest.raises(InvariantBroken, match="estate b"):
        check_equal({("a", "2024-01"): 11, ("b", "2024-01"): 1}, summary)


@pytest.mark.parametrize(("name", "households"), [("donghu", DONGHU), ("dezhou", DEZHOU)])
@pytest.mark.parametrize("at_once", [1, 1 << 22])
def test_a_register_in_parts_is_counted_as_one_file_is(
    name: str, households: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("estate_funds.bulk.posting._AT_ONCE", at_once)
    estates = load_case(EXAMPLES / name).registry.estates
    wanted = read_households(households, estates)
    found = count_source(open_source(households, STAYS, cut=Cut(rows=5_000, size=10_000)), estates)
    assert found.keys() == wanted.keys()
    for estate_id, headcount in wanted.items():
        for day in {*map(date.fromordinal, headcount.days), date(2020, 1, 1), date(2030, 1, 1)}:
            assert found[estate_id].on(day) == headcount.on(day)


# --- how it is stopped ---


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_is_stopped_and_gone_on_with(number: int, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    lines = DONGHU.read_text(encoding="utf-8-sig").splitlines()
    for n in range(1, len(lines), 4):
        (folder / f"{n:05}.csv").write_text("\n".join([lines[0], *lines[n : n + 4]]), encoding="utf-8")
    args = [str(a) for a in (EXAMPLES / "donghu", "--households", folder, "--out", tmp_path / "out", "--workers", 1)]
    running = subprocess.Popen([sys.executable, "-m", "estate_funds.cli", "bulk", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip
    while running.poll() is None and len([*tmp_path.glob("out/rows/*.parquet")]) < 3:
        time.sleep(0.01)
    running.send_signal(number)
    stdout, stderr = running.communicate()
    assert (running.returncode, stdout) == (2, "")
    assert "interrupted: what is finished stays; run the same again to go on" in stderr
    told = json.loads(bulk(*args, "--json").stdout)
    assert told["done_before"] >= 3
    assert told["due_fen"] == 142_884_000


def test_progress_is_said_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    from estate_funds.cli.bulk import _Now

    said: list[str] = []
    often, seldom = _Now(said.append, every=0), _Now(said.append, every=1_000)
    for now in (often, seldom):
        for done in range(3):
            now.tell(Progress(done, 2, done * 5, done * 10, 20))
    assert [line.partition(",")[0] for line in said] == [f"{n} of 2 partitions" for n in range(3)]
    assert said[1].endswith("left")
    assert "left" not in said[2]
