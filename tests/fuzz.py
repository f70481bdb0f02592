"""The rule that everything keeps that reads: whatever bytes come, only typed errors come out. What reads is in readers.py.

A reader returns, or raises an error of `errors.py` of the branches that it names; within seconds, within some memory, and
in a message that somebody can read. `test_fuzz.py` holds it over the corpus and over spoiled seeds (see `spoil.py`).
"""

from __future__ import annotations

import contextlib
import io
import re
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType

from typer.main import get_command

from estate_funds.cli import app
from estate_funds.errors import EstateFundsError, InputError, InvariantBroken

CORPUS = Path(__file__).parent / "corpus"
SECONDS = 10  # of processor time, for one input
MEMORY_MIB = 300  # that an input may take for itself
MOST_SAID = 20_000  # characters of a message: more is no message
Thunk = Callable[[], object]


@dataclass(frozen=True)
class Reader:
    """One way in: its seeds, the shape of their edits (see spoil.SHAPES), and how its user reads them.

    `read` gets the bytes and an empty folder. It may give further things to do with what was read, each under the rule.
    """

    name: str
    shape: str
    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[bytes, Path], Sequence[Thunk] | object]
    raises: tuple[type[EstateFundsError], ...] = (InputError,)
    cost: int = 5  # milliseconds, about: how many examples fit


# --- the rule ---


class Broken(AssertionError):
    """A reader broke the rule."""


class TooLong(BaseException):  # past every `except Exception` on the way
    """An input took too long."""


def hold(reader: Reader, data: bytes) -> str:
    """Read the bytes; the first error that came out, by its name, or `read`.

    Broken, or what came out instead of a typed error, where the rule is broken.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, at_most(SECONDS, MEMORY_MIB):
        first, found = _kept(reader, lambda: reader.read(data, Path(folder)))
        others = [_kept(reader, thunk)[0] for thunk in (found if isinstance(found, list) else ())]
    return next(filter(None, (first, *others)), "read")


def _kept(reader: Reader, thunk: Thunk) -> tuple[str, object]:
    """The name of the error, which must be one that the reader may raise, and what was read otherwise."""
    try:
        return "", thunk()
    except EstateFundsError as error:
        name = type(error).__name__
        if not isinstance(error, reader.raises):
            raise Broken(f"{name} is not of {[kind.__name__ for kind in reader.raises]}") from error
        if len(str(error)) > MOST_SAID or any(len(problem) > MOST_SAID for problem in getattr(error, "problems", ())):
            raise Broken(f"a message of {len(str(error))} characters") from error
        str(error).encode("utf-8")  # or a log could not take it
        return name, None


@contextmanager
def at_most(seconds: float, mib: int) -> Iterator[None]:
    """Processor time and memory that may be used meanwhile, where the system can tell."""

    def stop(_: int, __: FrameType | None) -> None:
        raise TooLong(f"more than {seconds} seconds of processor time")

    timed = hasattr(signal, "setitimer")
    before = _memory_mib()
    if timed:
        old = signal.signal(signal.SIGPROF, stop)
        signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    except TooLong as error:
        raise Broken(str(error)) from error
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, old)
    used = _memory_mib(peak=True) - before
    if used > mib:
        raise Broken(f"{used} MiB of memory")


def _memory_mib(*, peak: bool = False) -> int:
    """What the process holds, or held at most since that was asked last; 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        found = re.search(r"VmHWM:\s+(\d+)" if peak else r"VmRSS:\s+(\d+)", status)
        if not peak:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    except OSError:
        return 0
    return int(found[1]) // 1024 if found else 0


# --- commands ---


@cache
def _app() -> Callable[..., object]:
    return get_command(app)


def command(*arguments: object) -> Thunk:
    """A command line, which must end with a documented exit status and without a traceback."""

    def run() -> None:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", how) for how in ("strict", "backslashreplace"))
        status: object = None
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                _app()([str(argument) for argument in arguments], prog_name="estate-funds")
            except SystemExit as end:
                status = end.code
        out.flush()
        err.flush()
        said = err.buffer.getvalue().decode()  # type: ignore[attr-defined]
        if "a bug of estate_funds" in said:
            raise InvariantBroken(f"{arguments[0]}: {said}")
        if status not in (0, 1, 2) or (len(said) > 2 * MOST_SAID and not said.startswith("Usage:")):
            raise Broken(
                f"{arguments[0]}: exit status {status}, {len(said)} characters on standard error: {said[:500]}"
            )

    return run


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def text_of(data: bytes) -> str:
    """What a command line makes of bytes that are no text."""
    return data.decode("utf-8", "surrogateescape")
