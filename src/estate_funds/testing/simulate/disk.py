"""A disk and the processes that write on it: any call may be the last, and what was not made durable may be lost.

A ledger in a SQLite file is worked by *processes* within this one. Each call into the driver is counted, and a process
may be told to fail at one of them: it is killed before or after the call, or the call fails as on a full, broken or
locked disk. A power cut comes in the middle of a commit and kills all processes: of what that commit wrote, each sector
may have reached the disk or not. A disk that lies has said of commits that they are durable which were not: they are
gone as well.

What SQLite makes durable, and when (synchronous = FULL with a write-ahead log): a commit ends when the log is on the
disk. A checkpoint copies pages into the file only then, and the log begins anew only when those are on the disk too;
its new header is made durable before what follows it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Engine, event

T = TypeVar("T")
SECTOR = 512  # bytes that a disk writes at once, or not at all; sometimes only a part of them
_HEADER = 32  # bytes of the log that say when it began
_FAILURES = {
    "disk full": "database or disk is full",
    "disk error": "disk I/O error",
    "locked": "database is locked",
}
FAULTS = ("killed before a call", "killed after a call", *_FAILURES)
POWER_CUT = "power cut"
_FULL = 2  # of PRAGMA synchronous: a commit waits until the log is on the disk


class Killed(BaseException):
    """The process ends here. No handler of the library takes it for an error of its own."""


class Image(NamedTuple):
    """What is on the disk: the file and its write-ahead log."""

    file: bytes
    log: bytes


class Process:
    """One process with its connections: it counts its calls into the driver, and fails at one of them if told so."""

    def __init__(self) -> None:
        self.connections: list[_Connection] = []
        self.calls = 0
        self.fault, self.at = "", 0
        self.struck = self.dead = False
        self.committed: Callable[[], None] | None = None  # told after each commit that is durable

    def will_fail(self, fault: str, at: int) -> None:
        """Fail by one of FAULTS at the call that comes as the number `at` from now; by POWER_CUT, in that commit."""
        self.fault, self.at, self.struck = fault, at + (0 if fault == POWER_CUT else self.calls), False

    def goes_on(self) -> None:
        """Forget a fault that has not come."""
        self.fault = ""

    def commit(self, commit: Callable[[], None], is_durable: Callable[[], bool]) -> None:
        """Commit; the power fails in it, if it is its turn, when all is written and nothing of it is durable yet."""
        self.call(commit)
        if self.fault == POWER_CUT:
            self.at -= 1
            if not self.at:
                self.die()
        if self.committed is not None and is_durable():
            self.committed()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Make one call into the driver, or fail at it."""
        self.before()
        result = function(*args)
        self.after()
        return result

    def before(self) -> None:
        """Count a call, and fail before it if it is its turn."""
        if self.dead:
            raise Killed
        self.calls += 1
        if self._is_due and self.fault != "killed after a call":
            if self.fault in _FAILURES:
                self.struck, message = True, _FAILURES[self.fault]
                self.fault = ""
                raise sqlite3.OperationalError(message)
            self.die()

    def after(self) -> None:
        """Fail after a call if it is its turn."""
        if self._is_due:
            self.die()

    @property
    def _is_due(self) -> bool:
        return self.fault in FAULTS and self.calls >= self.at

    def die(self) -> None:
        """The end of the process."""
        self.fault, self.struck, self.dead = "", True, True
        raise Killed

    def is_swept(self) -> None:
        """Close what the system closes of a process that is gone: locks end, what was not committed is undone."""
        self.dead = True
        for connection in self.connections:
            connection.really_close()
        self.connections.clear()


class _Connection(sqlite3.Connection):
    process: Process | None = None

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()

    def cursor(self, factory: Any = None) -> Any:
        made = super().cursor(factory or _Cursor)
        self.cursors.add(made)
        return made

    def commit(self) -> None:
        if self.process is None:
            super().commit()
        else:
            self.process.commit(super().commit, self._is_durable)

    def _is_durable(self) -> bool:
        return bool(sqlite3.Cursor(self).execute("PRAGMA synchronous").fetchone()[0] >= _FULL)

    def rollback(self) -> None:
        if self.process is None or not self.process.dead:
            super().rollback()

    def close(self) -> None:
        if self.process is None or not self.process.dead:
            super().close()

    def really_close(self) -> None:
        with contextlib.suppress(sqlite3.ProgrammingError):  # it is closed already
            for cursor in list(self.cursors):
                cursor.close()  # a statement that somebody still holds would keep the connection, and its lock
            super().rollback()
            super().close()


class _Cursor(sqlite3.Cursor):
    connection: _Connection

    def execute(self, sql: str, *args: Any) -> Any:
        process = self.connection.process
        return super().execute(sql, *args) if process is None else process.call(super().execute, sql, *args)

    def executemany(self, sql: str, rows: Iterable[Any]) -> Any:
        process = self.connection.process
        return super().executemany(sql, rows if process is None else _each(process, rows))


def _each(process: Process, rows: Iterable[T]) -> Iterator[T]:
    for row in rows:
        process.before()
        yield row
        process.after()


class Disk:
    """The disk under a ledger in one SQLite file, and the process that runs on it now."""

    def __init__(self, path: Path) -> None:
        self.path, self.log = path, path.with_name(path.name + "-wal")
        self.running: Process | None = None

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Disk]:
        """While it is mounted, connections to the file are those of the process that runs."""
        event.listen(Engine, "do_connect", self._connect)
        try:
            yield self
        finally:
            event.remove(Engine, "do_connect", self._connect)

    def _connect(self, dialect: Any, record: Any, args: list[Any], given: dict[str, Any]) -> Any:
        if self.running is None or not args or args[0] != str(self.path):
            return None
        self.running.before()
        connection = sqlite3.connect(*args, factory=_Connection, **given)
        connection.process = self.running
        self.running.connections.append(connection)
        return connection

    def image(self) -> Image:
        """What a process that reads would see of the disk now."""
        return Image(*(path.read_bytes() if path.exists() else b"" for path in (self.path, self.log)))

    def restore(self, image: Image) -> None:
        """Put an image on the disk; no process may run."""
        for path in self.path.parent.glob(f"{self.path.name}*"):
            if path.is_file():
                path.unlink()
        for path, content in zip((self.path, self.log), image, strict=True):
            if content:
                path.write_bytes(content)


def after_power_cut(durable: Image, written: Image, random: Random) -> Image:
    """What may be on the disk after a power cut: all that was durable, and of what was written since, any of it.

    Either the commit had not ended: then parts of the log are there; or a checkpoint was under way: then all of the log
    is, and parts of the file.
    """
    if durable.file != written.file and random.random() < 0.5:
        return Image(_mixed(durable.file, written.file, random), written.log)
    begun_anew = durable.log[:_HEADER] != written.log[:_HEADER]
    file = written.file if begun_anew else durable.file  # the log begins anew when the file has it all
    log = _mixed(durable.log, written.log, random)
    return Image(file, written.log[:_HEADER] + log[_HEADER:] if begun_anew else log)


def _mixed(before: bytes, now: bytes, random: Random) -> bytes:
    """What was written in order up to a point within a sector; or any of the sectors; or all, or nothing."""
    size = max(len(before), len(now))
    old, new = before.ljust(size, b"\0"), now.ljust(size, b"\0")
    changed = [at for at in range(0, size, SECTOR) if old[at : at + SECTOR] != new[at : at + SECTOR]]
    how = random.choice(("in order", "any", "any", "none", "all"))
    if not changed or how == "none":
        return before
    if how == "in order":
        cut = random.choice(changed) + random.randrange(SECTOR)
        return new[:cut] + old[cut:]
    mixed = bytearray(old)
    for at in changed:
        if how == "all" or random.random() < 0.5:
            mixed[at : at + SECTOR] = new[at : at + SECTOR]
    return bytes(mixed)


def rotten(image: Image, random: Random) -> Image:
    """The image with a few bytes changed, in the file or in the log."""
    which = random.choice([n for n in (0, 1) if image[n]])
    content = bytearray(image[which])
    for _ in range(random.choice((1, 1, 8))):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    return image._replace(**{Image._fields[which]: bytes(content)})
