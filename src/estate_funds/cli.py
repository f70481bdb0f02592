"""The command line: parse, call, print. Exit status: 0 fine, 1 findings or refused, 2 could not run."""

from __future__ import annotations

import functools
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, ParamSpec

import typer

from estate_funds import __version__
from estate_funds.errors import EstateFundsError, InvariantBroken

P = ParamSpec("P")

app = typer.Typer(
    help="Subsidy and fund accounting: official documents as data, awards to the fen, ring-fenced ledgers that replay.",
    epilog="Exit status: 0 fine, 1 findings or refused, 2 could not run. Amounts are in yuan, files in fen.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

CaseArgument = Annotated[
    Path, typer.Argument(metavar="CASE", help="Folder with a case.toml (see docs/reference/case.md).")
]
DayOption = Annotated[
    datetime | None,
    typer.Option(
        "--recorded-on", formats=["%Y-%m-%d"], help="The day that the books take as today; by default, today."
    ),
]


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn this library's errors into a message on standard error and an exit status."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except EstateFundsError as error:
            name = type(error).__name__
            print(f"{'refused' if error.exit_status == 1 else 'error'} ({name}): {error}", file=sys.stderr)
            raise typer.Exit(error.exit_status) from None
        except KeyboardInterrupt:
            print("interrupted: a batch is booked whole or not at all; run again to go on", file=sys.stderr)
            raise typer.Exit(2) from None
        except InvariantBroken as error:
            print(f"a bug of estate_funds, please report it: {error}", file=sys.stderr)
            raise typer.Exit(2) from None

    return run


@app.command()
@guarded
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the ledgers, tables and copies of the cases.")] = Path(
        "estate-funds-demo"
    ),
    recorded_on: DayOption = None,
) -> None:
    """Show the whole job on two real sets of published figures: Donghu's award, and what it would cost Dezhou.

    Works offline and writes only into --out. A second run finds everything booked already, and says so.
    """
    status = 0
    for name in ("donghu", "dezhou"):
        status = max(status, _run(examples() / name, None, out / name, recorded_on))
        print()
        if not (out / name / "case").exists():
            shutil.copytree(examples() / name, out / name / "case")
    print(
        f"Written into {out}: for each case a ledger.db, claims, vouchers, balances, the audit, and a copy of the case."
    )
    print("Try next:")
    print(f"  estate-funds explain {out}/donghu/case yuaner --year 2023    why a failed year paid nothing")
    print(f"  estate-funds audit {out}/donghu/ledger.db --case {out}/donghu/case")
    print(f"  change a figure in {out}/donghu/case and audit again: what no longer fits is found")
    raise typer.Exit(status)


@app.command()
@guarded
def run(
    case: CaseArgument,
    ledger: Annotated[
        str | None,
        typer.Option(
            help="Ledger to post into: a file or URL (sqlite:///…, postgresql://…); by default OUT/ledger.db."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the results; by default CASE/out.")] = None,
    recorded_on: DayOption = None,
) -> None:
    """Assess a case, book everything that it asks for, and audit the ledger.

    All of it is booked in one transaction, or nothing. Running it again books only what is new. Writes claims.csv,
    vouchers.csv, balances.csv, audit.json and summary.txt into OUT.
    """
    raise typer.Exit(_run(case, ledger, out or case / "out", recorded_on))


@app.command()
@guarded
def explain(
    case: CaseArgument,
    estate: Annotated[str, typer.Argument(metavar="ESTATE", help="An estate_id of estates.csv.")],
    year: Annotated[int | None, typer.Option(help="Only claims whose period begins in this calendar year.")] = None,
) -> None:
    """Print every line of an estate's claims: clause, inputs, arithmetic, result, and why a year paid nothing."""
    from estate_funds.load import load_case

    with _waiting("reading the case"):
        loaded = load_case(case)
    print(loaded.explain(estate, year=year))


@app.command()
@guarded
def audit(
    ledger: Annotated[str, typer.Argument(metavar="LEDGER", help="A ledger: file or URL.")],
    case: Annotated[
        Path | None, typer.Option(help="The case it was booked from: claims and facts are re-derived.")
    ] = None,
    year: Annotated[
        int | None, typer.Option(help="With --case: compare only claims whose period begins in this calendar year.")
    ] = None,
    head: Annotated[
        str,
        typer.Option(metavar="HEX", help="The head printed by an earlier audit: shows whether anything was cut off."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print coverage and findings as JSON.")] = False,
) -> None:
    """Replay a ledger from its first entry through the gate; with --case, re-assess and compare every fen.

    Says first what was covered, then what was found. Exit status 1 when anything was found.
    """
    from estate_funds.books import Books
    from estate_funds.load import load_case

    with Books.open(ledger, create=False) as books:
        with _waiting("reading the case"):
            loaded = load_case(case) if case else None
        with _bar("replaying", len(books)) as progress:
            report = books.audit(loaded, year=year, kept_head=head, progress=progress)
    print(json.dumps(report.to_json(), ensure_ascii=False, indent=2) if as_json else report.to_text())
    raise typer.Exit(1 if report.findings else 0)


@app.command()
@guarded
def schema() -> None:
    """Print the JSON Schema of policy documents, so that an editor completes and checks them."""
    from estate_funds.policy import json_schema

    print(json.dumps(json_schema(), ensure_ascii=False, indent=2))


def _version(value: bool) -> None:
    if value:
        print(f"estate-funds {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Subsidy and fund accounting: official documents as data, awards to the fen, ring-fenced ledgers that replay."""


def _run(folder: Path, ledger: str | None, out: Path, recorded_on: datetime | None) -> int:
    """Assess, book, audit, write, print; the exit status."""
    from estate_funds.books import Books
    from estate_funds.load import load_case
    from estate_funds.report.files import make_folder, write_results
    from estate_funds.report.summary import refused_rightly, run_text
    from estate_funds.report.vouchers import number_vouchers

    with _waiting(f"reading {folder}"):
        case = load_case(folder)
    make_folder(out)
    with Books.open(ledger or str(out / "ledger.db"), recorded_on=recorded_on.date() if recorded_on else None) as books:
        with _bar("booking", len(case.steps)) as progress:
            posted = books.run(case, progress=progress)
        answers = [(s.origin, books.check(s.draft)) for s in case.attempts() if s.draft.effective <= books.today]
        with _bar("auditing", len(books)) as progress:
            report = books.audit(case, progress=progress)
        vouchers, balances = list(number_vouchers(books.entries())), books.balances()
    summary = run_text(case, posted, vouchers, balances, answers, report)
    write_results(out, claims=case.claims, vouchers=vouchers, balances=balances, report=report, summary=summary)
    print(summary)
    return 1 if report.findings or not all(refused_rightly(answer) for _, answer in answers) else 0


def examples() -> Path:
    """The folder of the shipped cases: inside the installed package, or at the top of a checkout."""
    inside = Path(str(resources.files("estate_funds"))) / "examples"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "examples"


@contextmanager
def _waiting(what: str) -> Iterator[None]:
    """A spinner on a terminal's standard error; nothing when piped."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal's standard error; nothing when piped."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
