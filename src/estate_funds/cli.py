"""The command line: parse, call, print. Exit status: 0 fine, 1 findings or refused, 2 could not run."""

from __future__ import annotations

import functools
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from estate_funds import __version__
from estate_funds.errors import EstateFundsError, InvariantBroken

if TYPE_CHECKING:
    from estate_funds.policy import Document

P = ParamSpec("P")

app = typer.Typer(
    help="Subsidy and fund accounting: official documents as data, awards to the fen, ring-fenced ledgers that replay.",
    epilog="Exit status: 0 fine, 1 findings or refused, 2 could not run. Amounts are in yuan, files in fen.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

policy = typer.Typer(
    help="Documents as data: list, show, check, compare, and print them as a handbook.", no_args_is_help=True
)
app.add_typer(policy, name="policy")

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
DOCUMENT = "The id of a shipped document, or a TOML file."


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
    from estate_funds.report.freshness import expiries_text

    with _waiting("reading the case"):
        loaded = load_case(case)
    print(loaded.explain(estate, year=year))
    if ending := expiries_text([*loaded.documents.values()], _day(None)):
        print(f"\n--- What ends, or has ended\n{ending}")


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
def calendar(
    case: CaseArgument,
    year: Annotated[int, typer.Option(help="The calendar year to print.", min=1990, max=2100)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the days as JSON.")] = False,
    recorded_on: DayOption = None,
) -> None:
    """Print the deadlines, stages and recurring duties of a year, in order of days.

    Holidays are those published, put right by holidays.csv; for years not published yet weekends only, with a warning.
    """
    from estate_funds.load import load_case
    from estate_funds.report.duties import calendar_json, calendar_text

    with _waiting("reading the case"):
        loaded = load_case(case)
    today = (recorded_on or datetime.now().astimezone()).date()
    if as_json:
        print(json.dumps(calendar_json(loaded, year, today), ensure_ascii=False, indent=2))
    else:
        print(calendar_text(loaded, year, today))


@app.command("what-if")
@guarded
def what_if(
    case: CaseArgument,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="A value of a document, settings.DOCUMENT.NAME, or facts.SUBJECT.FACT[@PERIOD]; may be given again.",
        ),
    ] = None,
    documents: Annotated[
        list[Path] | None, typer.Option("--policy", help="A TOML file that replaces the document of the same id.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON, in fen.")] = False,
) -> None:
    """Compare what is owed with what would be, if values, facts or a document were others. Posts nothing."""
    from estate_funds.load import load_case, load_document
    from estate_funds.whatif import compare, with_changes

    if not changes and not documents:
        raise typer.BadParameter("nothing to change: wanted --set PATH=VALUE, or --policy FILE")
    with _waiting("reading the case"):
        base = load_case(case)
    variant = with_changes(base, changes or [], [load_document(str(path)) for path in documents or []])
    with _waiting("comparing"):
        found = compare(base, variant)
        said = json.dumps(found.to_json(), ensure_ascii=False, indent=2) if as_json else found.to_text()
    print(said)


@policy.command("list")
@guarded
def list_documents(on: AsOfOption = None) -> None:
    """List the documents that ship with the library: in force, provisions, when reviewed, what ends next."""
    from estate_funds.report.freshness import expiries_text
    from estate_funds.report.handbook import documents_text

    found = _documents([])
    print(documents_text(found, _day(on)))
    if ending := expiries_text(found, _day(on)):
        print(f"\n--- What ends, or has ended\n{ending}")


@policy.command()
@guarded
def show(document: Annotated[str, typer.Argument(metavar="ID", help=DOCUMENT)]) -> None:
    """Print one document: who may take part, what is owed, by whom, from which fund, on which clause."""
    from estate_funds.report.handbook import chapter
    from estate_funds.report.pages import to_plain

    print(to_plain(chapter(_documents([document])[0])).strip())


@policy.command()
@guarded
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A document as TOML.")],
    cases: Annotated[
        Path | None, typer.Option(help="Its worked cases; by default NAME.cases.toml beside NAME.toml.")
    ] = None,
    on: AsOfOption = None,
) -> None:
    """Check a document: all that is wrong with it, whether its worked cases hold, and what is worth a second look.

    Exit status 1 when anything is wrong; warnings alone leave it at 0.
    """
    from estate_funds.testing.documents import check_document

    checked = check_document(file, cases, _day(on))
    print(checked.to_text())
    raise typer.Exit(1 if checked.problems else 0)


@policy.command()
@guarded
def diff(
    old: Annotated[str, typer.Argument(metavar="A", help=DOCUMENT)],
    new: Annotated[str, typer.Argument(metavar="B", help=DOCUMENT)],
) -> None:
    """Print what changed from A to B, by key path and clause, and which provisions and periods that touches."""
    from estate_funds.report.diff import diff_text

    print(diff_text(*_documents([old, new])))


@policy.command()
@guarded
def handbook(
    documents: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help=f"{DOCUMENT} All, if none.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write; by default, print.")] = None,
) -> None:
    """Write documents as one readable handbook in Chinese and English, as Markdown."""
    from estate_funds.report.files import write_whole
    from estate_funds.report.handbook import handbook as book
    from estate_funds.report.pages import to_markdown

    text = to_markdown(book(_documents(documents or [])))
    if out is None:
        print(text, end="")
    else:
        print(f"written: {write_whole(out, text)}")


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


def _day(given: datetime | None) -> date:
    """The day given, or today."""
    return (given or datetime.now().astimezone()).date()


def _documents(named: list[str]) -> list[Document]:
    """Documents by id or file; all that are shipped where none is named."""
    from estate_funds.load import load_document, shipped_documents

    return [load_document(name) for name in named or shipped_documents()]


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
    summary = run_text(case, posted, vouchers, balances, answers, report, books.today)
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
