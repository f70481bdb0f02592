"""What all commands share: arguments, errors as messages and exit status, progress."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from estate_funds.errors import EstateFundsError, InputError, InvariantBroken, LedgerNotFound, Refusal
from estate_funds.exchange.tables import is_there

if TYPE_CHECKING:
    from estate_funds.books import Books
    from estate_funds.checkpoint import Checkpoint

P = ParamSpec("P")

CaseArgument = Annotated[
    Path, typer.Argument(metavar="CASE", help="Folder with a case.toml (see docs/reference/case.md).")
]
DayOption = Annotated[
    datetime | None,
    typer.Option(
        "--recorded-on", formats=["%Y-%m-%d"], help="The day that the books take as today; by default, today."
    ),
]


AsOfOption = Annotated[
    datetime | None,
    typer.Option("--on", formats=["%Y-%m-%d"], help="The day taken as today, for what ends; by default, today."),
]
_EVIDENCE = "Folder of the source documents; by default, LEDGER.evidence beside a file."
EvidenceOption = Annotated[Path | None, typer.Option("--evidence", help=_EVIDENCE)]
EvidenceThereOption = Annotated[Path | None, typer.Option("--evidence", help=_EVIDENCE, exists=True, file_okay=False)]
LedgerArgument = Annotated[
    str, typer.Argument(metavar="LEDGER", help="A ledger: a file, sqlite:///file, or postgresql://…")
]


@dataclass(slots=True)
class Place:
    """How the tables of a ledger are called, as the options before the command say."""

    prefix: str = "estate_funds_"  # store.PREFIX, which takes long to import
    schema: str = ""


PLACE = Place()


def open_books(
    ledger: str,
    *,
    create: bool = False,
    evidence: Path | None = None,
    recorded_on: datetime | None = None,
    origin: str = "",
) -> Books:
    """The books at an address, new ones sealed as `origin`; LedgerNotFound, with a hint, for a folder."""
    from estate_funds.books import Books

    refuse_folder(ledger)
    _refuse_bundle(ledger)
    return Books.open(
        ledger,
        create=create,
        evidence=evidence,
        recorded_on=recorded_on.date() if recorded_on else None,
        prefix=PLACE.prefix,
        schema=PLACE.schema,
        origin=origin,
    )


def _refuse_bundle(ledger: str) -> None:
    if is_there(ledger):
        with Path(ledger).open("rb") as file:
            if file.read(2) == b"PK":
                fix = "audit and verify read bundles; this command wants the ledger"
                raise LedgerNotFound("this is a bundle, not a ledger", where=ledger, fix=fix)


def refuse_folder(ledger: str) -> None:
    """LedgerNotFound for a folder, such as that of a case whose ledger is meant."""
    if ledger and is_there(ledger, Path.is_dir):
        inside = [path for path in (Path(ledger, "out", "ledger.db"), Path(ledger, "ledger.db")) if path.is_file()]
        fix = f"did you mean {inside[0]}?" if inside else "name the ledger's file, or its URL"
        raise LedgerNotFound("this is a folder, not a ledger", where=ledger, fix=fix)


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn this library's errors into a message on standard error and an exit status."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except EstateFundsError as error:
            name = type(error).__name__
            print(f"{'refused' if error.exit_status == 1 else 'error'} ({name}): {error}", file=sys.stderr)
            for note in _notes(error):
                print(f"  noted:  {note}", file=sys.stderr)
            raise typer.Exit(error.exit_status) from None
        except KeyboardInterrupt:
            print("interrupted: a batch is booked whole or not at all; run again to go on", file=sys.stderr)
            raise typer.Exit(2) from None
        except InvariantBroken as error:
            print(f"a bug of estate_funds, please report it: {error}", file=sys.stderr)
            raise typer.Exit(2) from None

    return run


def _notes(error: EstateFundsError) -> list[str]:
    """What else is to be said of an error: of an attempt that the gate refused, that it is on record."""
    notes: list[str] = getattr(error, "__notes__", [])
    if isinstance(error, Refusal) and error.asked is not None and not notes:
        return ["the attempt is on record in the journal: estate-funds refusals LEDGER"]
    return notes


def day_of(given: datetime | None) -> date:
    """The day given, or today."""
    return (given or datetime.now().astimezone()).date()


def read_bytes(path: Path) -> bytes:
    """A file; InputError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError("the file cannot be read", where=str(path), got=error.strerror) from None


def read_text(path: Path) -> str:
    """A file as text, its line ends as they are; InputError where it cannot be read."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("the file is not text", where=str(path), wanted="UTF-8") from None


def read_checkpoint(path: Path) -> tuple[str, Checkpoint]:
    """The text of a checkpoint's file, and what it says; CheckpointError, with the file, where it is none."""
    from estate_funds.checkpoint import Checkpoint

    text = read_text(path)
    try:
        return text, Checkpoint.parse(text)
    except EstateFundsError as error:
        raise error.at(str(path)) from None


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A spinner on a terminal's standard error; nothing when piped."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal's standard error; nothing when piped."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
