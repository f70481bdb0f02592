"""Runs over partitions: the same bytes however they are cut, worked on, stopped and gone on with; what is refused."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bulk_stand_in import BASE_FEN, COLUMNS, SCHEMA, Result, StandIn, estates, rows, table, write_csv, write_parquet
from estate_funds.bulk.cells import ID_COLUMN
from estate_funds.bulk.files import Cut, Source, open_source
from estate_funds.bulk.folder import locked, planned
from estate_funds.bulk.result import Totals
from estate_funds.bulk.run import Progress, run
from estate_funds.bulk.summing import Summary
from estate_funds.errors import (
    BulkError,
    CellError,
    DuplicateRow,
    InputError,
    InvariantBroken,
    OutputError,
    TableError,
)

ROWS = rows(1_200)
SMALL = Cut(rows=200, size=5_000)
ABOUT = {"document": "donghu", "provision": "award", "window": "2021-01..2021-12"}
ENDS = ("totals.csv", "totals.parquet", "estates.csv", "estates.parquet", "summary.json")
WANTED: tuple[Any, ...] = (*COLUMNS, ID_COLUMN)
TESTS = Path(__file__).parent


def digests(out: Path, names: tuple[str, ...] = ENDS) -> dict[str, str]:
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names}


def tree(out: Path) -> dict[str, str]:
    """Every file of a folder of results but the lock, by name and digest."""
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return digests(out, tuple(name for name in found if name != ".lock"))


def opened(address: Path, cut: Cut = SMALL, out: Path | None = None) -> Source:
    return open_source(address, WANTED, cut=cut, planned=planned(out) if out else ())


def go(source: Source, out: Path, program: Any = StandIn(), **options: Any) -> Summary:  # noqa: B008
    return run(program, source, out, **({"about": ABOUT, "estates": estates()} | options))


@pytest.fixture
def households(tmp_path: Path) -> Path:
    return write_parquet(tmp_path / "in" / "a.parquet", ROWS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of one run without incident."""
    folder = tmp_path_factory.mktemp("whole")
    go(opened(write_parquet(folder / "in" / "a.parquet", ROWS)), folder / "out")
    return folder / "out"


# --- what comes out ---


def test_results_stand_in_the_order_of_the_rows_and_carry_nothing_else(households: Path, tmp_path: Path) -> None:
    summary = go(opened(households), tmp_path / "out")
    files = sorted((tmp_path / "out" / "rows").iterdir())
    assert [path.name for path in files] == [f"a.{n:04}.parquet" for n in range(1, 7)]
    found = pa.concat_tables([pq.read_table(path) for path in files])
    assert found.column_names == ["household_id", "amount_fen", "city_fen", "district_fen", "trace"]
    assert found["household_id"].to_pylist() == [row["household_id"] for row in ROWS]
    wanted = [BASE_FEN + int(row["floor_area_m2"]) for row in ROWS]
    assert found["amount_fen"].to_pylist() == wanted
    assert found["city_fen"].to_pylist() == [fen // 2 for fen in wanted]
    assert (summary.rows, summary.amount_fen) == (1_200, sum(wanted))
    assert b"13800000000" not in b"".join(path.read_bytes() for path in files)


def test_a_file_of_results_says_of_what_it_is(households: Path, tmp_path: Path) -> None:
    go(opened(households), tmp_path / "out")
    told = pq.read_metadata(tmp_path / "out" / "rows" / "a.0002.parquet").metadata
    said = {key.decode().removeprefix("estate_funds."): value.decode() for key, value in told.items()}
    assert {key: said[key] for key in ABOUT} == ABOUT
    assert (said["program"], said["rows"]) == ("sha256:stand-in", "200")
    assert json.loads(said["input"]).keys() == {"name", "start", "end", "stamp"}
    assert Totals.from_json(said["totals"]).rows == 200


def test_without_ids(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table(ROWS).drop_columns(["household_id"]), path)
    go(open_source(path, COLUMNS), tmp_path / "out", ids=False)
    found = pq.read_table(tmp_path / "out" / "rows" / "a.parquet")
    assert found.column_names == ["amount_fen", "city_fen", "district_fen", "trace"]
    assert len(found) == 1_200


def test_the_tables_of_totals_add_up(whole: Path) -> None:
    totals, by_estate = pq.read_table(whole / "totals.parquet"), pq.read_table(whole / "estates.parquet")
    summary = json.loads((whole / "summary.json").read_text(encoding="utf-8"))
    due = sum(BASE_FEN + int(row["floor_area_m2"]) for row in ROWS)
    assert sum(totals["fen"].to_pylist()) == sum(by_estate["due_fen"].to_pylist()) == summary["due_fen"] == due
    assert totals.column_names == ["city", "district", "street", "community", "estate_id", "month", "payer", "fen"]
    assert (summary["households"], summary["estates"], summary["about"]) == (1_200, 4, ABOUT)
    assert [(city["city"], city["households"]) for city in summary["cities"]] == [("c1", 857), ("c2", 343)]
    assert sum(city["shares"]["city"] for city in summary["cities"]) == summary["shares"]["city"]
    csv = (whole / "totals.csv").read_text(encoding="utf-8-sig").splitlines()
    assert csv[0] == "city,district,street,community,estate_id,month,payer,fen"
    assert [int(line.rpartition(",")[2]) for line in csv[1:]] == totals["fen"].to_pylist()


def cut_in_one(folder: Path) -> Path:
    return write_parquet(folder / "a.parquet", ROWS, group=5_000)


def cut_in_csv(folder: Path) -> Path:
    return write_csv(folder / "a.csv", ROWS)


def cut_in_many(folder: Path) -> Path:
    for n in range(0, 1_200, 100):
        (write_csv if n % 200 else write_parquet)(
            folder / f"k={n}" / f"p.{'csv' if n % 200 else 'parquet'}", ROWS[n : n + 100]
        )
    return folder


def cut_and_shuffled(folder: Path) -> Path:
    other = random.Random(1).sample(ROWS, len(ROWS))
    write_parquet(folder / "b.parquet", other[:500], group=37)
    write_csv(folder / "a.csv", other[500:])
    return folder


@pytest.mark.parametrize("cut", [cut_in_one, cut_in_csv, cut_in_many, cut_and_shuffled])
@pytest.mark.parametrize("threads", [0, 3])
def test_totals_are_the_same_bytes_however_the_households_are_cut(
    cut: Callable[[Path], Path], threads: int, whole: Path, tmp_path: Path
) -> None:
    source = opened(cut(tmp_path / "in"))
    if threads:
        with ThreadPoolExecutor(threads) as executor:
            go(source, tmp_path / "out", executor=executor, workers=threads)
    else:
        go(source, tmp_path / "out")
    assert digests(tmp_path / "out") == digests(whole)


def test_two_processes_give_the_same_bytes(households: Path, whole: Path, tmp_path: Path) -> None:
    seen: list[Progress] = []
    go(opened(households), tmp_path / "out", workers=2, progress=seen.append)
    assert digests(tmp_path / "out") == digests(whole)
    assert [one.partitions for one in seen] == [*range(7)]
    assert (seen[0].rows, seen[-1].rows, seen[-1].size == seen[-1].of_size) == (0, 1_200, True)


def test_an_address_is_a_source(households: Path, tmp_path: Path) -> None:
    for address in (households, str(households), f"file://{households}"):
        assert run(StandIn(), address, tmp_path / "out").rows == 1_200


# --- going on ---


def test_a_second_run_does_nothing_again(households: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(opened(households), out)
    before = {path: path.stat().st_mtime_ns for path in (out / "rows").iterdir()}
    summary = go(opened(households, out=out), out)
    assert (summary.partitions, summary.done_before) == (6, 6)
    assert {path: path.stat().st_mtime_ns for path in (out / "rows").iterdir()} == before
    assert digests(out) == digests(whole)


def test_what_is_missing_or_damaged_is_done_again_and_nothing_else(
    households: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    go(opened(households), out)
    files = sorted((out / "rows").iterdir())
    wanted = tree(out)
    files[1].unlink()
    files[3].write_bytes(files[3].read_bytes()[:-20])
    shutil.copy(files[0], files[4])  # whole, and of another partition
    (out / "rows" / ".a.0002.parquet.1234.part").write_bytes(b"half")
    (out / ".summary.json.1234.part").write_bytes(b"half")
    kept = {n: files[n].stat().st_mtime_ns for n in (0, 2, 5)}
    summary = go(opened(households, out=out), out)
    assert summary.done_before == 3
    assert {n: files[n].stat().st_mtime_ns for n in kept} == kept
    assert tree(out) == wanted


def test_totals_do_not_stand_beside_files_that_are_missing(households: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(opened(households), out)
    (out / "rows" / "a.0003.parquet").unlink()

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(opened(households, out=out), out, progress=stop)
    assert not [name for name in ENDS if (out / name).exists()]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_keeps_what_is_finished(households: Path, whole: Path, tmp_path: Path, workers: int) -> None:
    def stop(progress: Progress) -> None:
        if progress.partitions == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(opened(households), tmp_path / "out", progress=stop, workers=workers)
    assert not (tmp_path / "out" / "summary.json").exists()
    assert not [path for path in (tmp_path / "out").rglob(".*") if path.name.endswith(".part")]
    summary = go(opened(households), tmp_path / "out")
    assert summary.done_before >= 2
    assert digests(tmp_path / "out") == digests(whole)


SCRIPT = """
import sys
from pathlib import Path
from bulk_stand_in import StandIn
from test_bulk_run import go, opened

if __name__ == "__main__":
    go(opened(Path(sys.argv[1])), Path(sys.argv[2]), StandIn(delay_ms=int(sys.argv[4])), workers=int(sys.argv[3]))
"""


def process(
    folder: Path, households: Path, out: Path, workers: int = 1, delay_ms: int = 30, **options: Any
) -> subprocess.Popen[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(script), str(households), str(out), str(workers), str(delay_ms)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


def wait_until(there: Callable[[], bool], seconds: int = 60) -> None:
    for _ in range(seconds * 100):
        if there():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def finished_in(out: Path) -> int:
    return len([path for path in out.glob("rows/*.parquet") if not path.name.startswith(".")])


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize(("workers", "after", "moment"), [(1, 0, 0), (1, 1, 10), (1, 3, 25), (2, 1, 5), (2, 3, 15)])
def test_a_run_that_is_killed_goes_on_to_the_same_bytes(
    households: Path, whole: Path, tmp_path: Path, workers: int, after: int, moment: int
) -> None:
    out = tmp_path / "out"
    killed = process(tmp_path, households, out, workers)
    wait_until(lambda: (out / "run.json").exists() and finished_in(out) >= after)
    time.sleep(moment / 1000)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (out / "summary.json").exists()
    done = {path: path.stat().st_mtime_ns for path in out.glob("rows/[!.]*")}
    summary = go(opened(households, out=out), out)
    assert summary.done_before >= after
    if workers == 1:  # of two, one may outlive its parent by a moment
        assert {path: path.stat().st_mtime_ns for path in done} == done
    go(opened(households), tmp_path / "undisturbed")
    assert tree(out) == tree(tmp_path / "undisturbed")
    assert digests(out) == digests(whole)


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_is_killed_again_and_again_comes_to_an_end(households: Path, tmp_path: Path, workers: int) -> None:
    out, chance, kills = tmp_path / "out", random.Random(workers), 0
    while not (out / "summary.json").exists():
        before, killed = finished_in(out), process(tmp_path, households, out, workers, delay_ms=150)
        wait_until(lambda: finished_in(out) > before or killed.poll() is not None)  # noqa: B023 - asked at once
        time.sleep(chance.uniform(0, 0.1))
        if killed.poll() is None:
            kills += 1
            killed.kill()
        killed.communicate()
    assert kills
    go(opened(households), tmp_path / "undisturbed")
    assert tree(out) == tree(tmp_path / "undisturbed")


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_workers_end_with_the_run_that_is_killed(households: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed = process(tmp_path, households, out, 2, delay_ms=100)
    wait_until(lambda: finished_in(out) >= 1)
    children = Path(f"/proc/{killed.pid}/task/{killed.pid}/children")
    if not children.exists():
        killed.kill()
        killed.communicate()
        pytest.skip("no /proc")
    pids = children.read_text().split()
    killed.kill()
    killed.communicate()
    wait_until(lambda: not any(alive(pid) for pid in pids))


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


# --- workers that die ---


def test_a_worker_that_dies_is_replaced(households: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(opened(households), out, StandIn(dies=str(tmp_path / "dead")), workers=2)
    assert (tmp_path / "dead").exists()
    assert digests(out) == digests(whole)


def test_a_partition_that_kills_its_workers_is_named(tmp_path: Path) -> None:
    for n in range(3):
        write_parquet(tmp_path / "in" / f"{n}.parquet", ROWS[n * 100 :][:100])
    with pytest.raises(OutputError, match="died, 3 times") as error:
        go(opened(tmp_path / "in"), tmp_path / "out", StandIn(dies=str(tmp_path / "dead"), always=True), workers=2)
    assert error.value.where.endswith(".parquet, from row 1")


class KilledWorker(Exception):
    """What a cluster raises, by name."""


@dataclass
class Flaky(Executor):
    """An executor that loses tasks, before or after they ran."""

    lost: int
    before: bool
    cancels: bool = False
    error: type[Exception] = KilledWorker

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        losing, self.lost = self.lost > 0, self.lost - 1
        if losing and not self.before:
            work(*args, **kwargs)
        if losing and self.cancels:
            future.cancel()
            future.set_running_or_notify_cancel()
        elif losing:
            future.set_exception(self.error("gone"))
        else:
            try:
                future.set_result(work(*args, **kwargs))
            except Exception as error:
                future.set_exception(error)
        return future


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("cancels", [True, False])
def test_a_task_that_ran_twice_is_counted_once(
    households: Path, whole: Path, tmp_path: Path, before: bool, cancels: bool
) -> None:
    go(opened(households), tmp_path / "out", executor=Flaky(2, before, cancels), workers=2)
    assert digests(tmp_path / "out") == digests(whole)


def test_a_worker_is_not_lost_for_ever(households: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="died, 3 times") as error:
        go(opened(households), tmp_path / "out", executor=Flaky(99, before=True), workers=2)
    assert error.value.got == "KilledWorker: gone"
    with pytest.raises(OutputError, match="died, 3 times") as error:
        go(opened(households), tmp_path / "out", executor=Flaky(99, before=True, cancels=True), workers=2)
    assert error.value.got == "cancelled"
    with pytest.raises(ZeroDivisionError):  # a bug is told as it is
        go(opened(households), tmp_path / "out", executor=Flaky(99, before=True, error=ZeroDivisionError))


class Elsewhere(Executor):
    """Workers that do not write where the run looks."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(200)
        return future


def test_workers_on_machines_without_the_folder_are_noticed(
    households: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("estate_funds.bulk.run._LOOKS", 1)
    with pytest.raises(OutputError, match="not what a worker says") as error:
        go(opened(households), tmp_path / "out", executor=Elsewhere())
    assert "in common" in error.value.fix


# --- what is refused ---


def test_an_unknown_estate_is_named_and_what_is_finished_stays(tmp_path: Path) -> None:
    bad = [dict(row) for row in ROWS]
    bad[750]["estate_id"] = "nowhere"
    source = opened(write_parquet(tmp_path / "in" / "a.parquet", bad))
    for workers in (1, 2):
        with pytest.raises(CellError, match="an unknown estate") as error:
            go(source, tmp_path / "out", workers=workers)
        assert error.value.where == "a.parquet, row group 7, row 751, column estate_id"
        assert finished_in(tmp_path / "out") >= 3
        assert not (tmp_path / "out" / "summary.json").exists()


def test_no_rows_at_all(tmp_path: Path) -> None:
    pq.write_table(table([]), tmp_path / "a.parquet")
    write_csv(tmp_path / "b.csv", [])
    pq.write_table(pa.Table.from_batches([], SCHEMA), tmp_path / "c.parquet")
    with pytest.raises(TableError, match="have no rows"):
        go(opened(tmp_path), tmp_path.with_name("out"))
    assert not (tmp_path.with_name("out") / "summary.json").exists()
    write_csv(tmp_path / "d.csv", ROWS[:3])
    assert go(opened(tmp_path), tmp_path.with_name("out-2")).rows == 3


def test_a_folder_is_bound_to_a_program_its_options_and_its_households(households: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(opened(households), out)
    wanted = tree(out)
    attempts: list[tuple[str, Callable[[], object]]] = [
        ("of another program", lambda: go(opened(households), out, StandIn(digest="sha256:other"))),
        ("with other columns", lambda: go(opened(households), out, ids=False)),
        ("with other about", lambda: go(opened(households), out, about={})),
        ("of other households", lambda: go(opened(households, Cut()), out)),
        ("of other households", lambda: go(opened(write_csv(tmp_path / "b.csv", ROWS)), out)),
    ]
    for message, attempt in attempts:
        with pytest.raises(BulkError, match=message):
            attempt()
    assert tree(out) == wanted


def test_a_file_that_was_changed_between_runs_is_refused(households: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(opened(households), out)
    wanted = tree(out)
    os.utime(households, ns=(1, 1))
    with pytest.raises(BulkError, match="the file was changed since the run began") as error:
        go(opened(households, out=out), out)
    assert error.value.where == "a.parquet"
    write_parquet(households.with_name("b.parquet"), ROWS[:10])
    with pytest.raises(BulkError):
        go(opened(households.parent, out=out), out)
    assert tree(out) == wanted


def test_a_folder_that_is_no_such_folder(households: Path, tmp_path: Path) -> None:
    source = opened(households.parent)
    with pytest.raises(InputError, match="not to a URL"):
        go(source, "s3://bucket/out")  # type: ignore[arg-type]
    for inside in (households.parent, households.parent / "out"):
        with pytest.raises(OutputError, match="lies in the folder of households"):
            go(source, inside)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        go(source, tmp_path / "file")
    with pytest.raises(OutputError, match="cannot be written"):
        go(source, tmp_path / "file" / "out")
    foreign = tmp_path / "foreign"
    (foreign / "rows").mkdir(parents=True)
    with pytest.raises(BulkError, match="no run of this library"):
        go(source, foreign)
    for text in ("{", "{}", '{"format": 2, "partitions": []}', "[]"):
        (foreign / "run.json").write_text(text)
        with pytest.raises(BulkError, match="not the manifest of a run"):
            go(source, foreign)


def test_a_folder_that_may_not_be_written(households: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> int:  # as root, every folder can be written
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "out"))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(OutputError, match="cannot be written"):
        go(opened(households), tmp_path / "out")


def test_two_runs_at_once(households: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = process(tmp_path, households, out, delay_ms=150)
    wait_until(lambda: finished_in(out) >= 1)
    with pytest.raises(OutputError, match="another run works in this folder") as error:
        go(opened(households), out)
    assert f"process {first.pid}, since 2" in str(error.value.got)
    _, said = first.communicate()
    assert first.returncode == 0, said
    assert digests(out) == digests(whole)


def test_the_lock_of_a_process_that_is_gone_is_taken_over(households: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".lock").write_text('{"host": "elsewhere", "process": 1, "since": "2024-01-01"}')
    go(opened(households), out)
    assert (out / ".lock").read_text() == ""
    with locked(out):
        assert json.loads((out / ".lock").read_text())["process"] == os.getpid()
        with pytest.raises(OutputError, match="another run"), locked(out):
            pass
        (out / ".lock").write_text("")
        with pytest.raises(OutputError, match="has not said its name"):
            go(opened(households), out)


FULL = """
import resource, signal, sys
from pathlib import Path
from estate_funds.errors import OutputError
from test_bulk_run import go, opened

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    go(opened(Path(sys.argv[1])), Path(sys.argv[2]))
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
@pytest.mark.parametrize("size", [0, 500, 3_000, 5_500])
def test_a_full_disk_leaves_nothing_half_written(households: Path, whole: Path, tmp_path: Path, size: int) -> None:
    out = tmp_path / "out"
    script = tmp_path / "full.py"
    script.write_text(FULL, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    said = subprocess.run([sys.executable, script, households, out, str(size)], env=environment, capture_output=True, text=True, check=True)  # fmt: skip
    assert "cannot be written" in said.stdout, said.stderr
    assert not [path for path in out.rglob(".*") if path.name.endswith(".part")]
    assert not (out / "summary.json").exists()
    go(opened(households, out=out), out)
    assert digests(out) == digests(whole)


def test_a_check_is_asked_once_in_the_life_of_a_folder(households: Path, tmp_path: Path) -> None:
    asked: list[Path] = []

    def finds(out: Path) -> None:
        asked.append(out)
        if len(asked) == 1:
            raise DuplicateRow("twice")

    with pytest.raises(DuplicateRow):
        go(opened(households), tmp_path / "out", checks={"ids": finds})
    assert finished_in(tmp_path / "out") == 0
    for _ in range(2):
        go(opened(households), tmp_path / "out", checks={"ids": finds})
    assert len(asked) == 2


# --- programs that lie ---


@dataclass(frozen=True)
class Lying(StandIn):
    how: str = ""

    def assess(self, batch: pa.RecordBatch, *, place: Callable[[int, str], str]) -> Result:
        found = super().assess(batch, place=place)
        changes: Mapping[str, Callable[[], Mapping[str, Any]]] = {
            "shares": lambda: {"shares": dict(found.shares) | {"city": found.shares["city"] + 1}},
            "floats": lambda: {"amounts": found.amounts.astype(np.float64)},
            "totals": lambda: {"totals": Totals.of_fen({}, found.totals.households)},
            "rows": lambda: {"totals": replace(found.totals, counts=found.totals.counts + 1)},
        }
        return replace(found, **changes[self.how]())


@pytest.mark.parametrize("how", ["shares", "floats", "totals", "rows"])
def test_results_that_do_not_hold_together_are_not_written(households: Path, tmp_path: Path, how: str) -> None:
    with pytest.raises(InvariantBroken):
        go(opened(households), tmp_path / "out", Lying(how=how))
    assert finished_in(tmp_path / "out") == 0


# --- a cluster ---


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *sys.path]))
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options, local_directory=str(tmp_path)) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore")
def test_a_worker_of_a_cluster_is_killed_mid_run(cluster: Any, households: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pids = cluster.run(os.getpid)
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.partitions >= 1 and not killed:
            killed.append(next(iter(pids.values())))
            os.kill(killed[0], signal.SIGKILL)

    go(opened(households), out, StandIn(delay_ms=200), executor=cluster.get_executor(), workers=2, progress=kill)
    assert killed
    assert digests(out) == digests(whole)


@pytest.mark.filterwarnings("ignore")
def test_a_partition_that_kills_every_worker_of_a_cluster_ends_the_run(cluster: Any, tmp_path: Path) -> None:
    write_parquet(tmp_path / "in" / "a.parquet", ROWS[:100])
    program = StandIn(dies=str(tmp_path / "dead"), always=True)
    with pytest.raises(OutputError, match="died, 3 times"):
        go(opened(tmp_path / "in"), tmp_path / "out", program, executor=cluster.get_executor(), workers=2)
