"""Commands on a case: demo, run, explain, audit, calendar, what-if."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estate_funds.cli.common import (
    CaseArgument,
    DayOption,
    EvidenceOption,
    EvidenceThereOption,
    bar,
    day_of,
    guarded,
    open_books,
    read_checkpoint,
    waiting,
)

if TYPE_CHECKING:
    from estate_funds.audit import AuditReport
    from estate_funds.audit.bank import Bank
    from estate_funds.case import Case
    from estate_funds.checkpoint import Checkpoint
    from estate_funds.journal import Entry

app = typer.Typer()


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
        status = max(status, run_case(examples() / name, None, out / name, recorded_on))
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
    print(
        f"  estate-funds checkpoint {out}/donghu/ledger.db    what others keep, to see later that nothing was cut off"
    )
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
    evidence: EvidenceOption = None,
) -> None:
    """Assess a case, book everything that it asks for, and audit the ledger.

    All of it is booked in one transaction, or nothing but the record of what was refused. Running it again books only
    what is new. Writes claims.csv, vouchers.csv, balances.csv, audit.json and summary.txt into OUT.
    """
    raise typer.Exit(run_case(case, ledger, out or case / "out", recorded_on, evidence))


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

    with waiting("reading the case"):
        loaded = load_case(case)
    print(loaded.explain(estate, year=year))
    if ending := expiries_text([*loaded.documents.values()], day_of(None)):
        print(f"\n--- What ends, or has ended\n{ending}")


@app.command()
@guarded
def audit(
    ledger: Annotated[
        str, typer.Argument(metavar="LEDGER", help="A ledger: a file, sqlite:///file, or postgresql://…; or a bundle.")
    ],
    case: Annotated[
        Path | None, typer.Option(help="The case it was booked from: claims and facts are re-derived.")
    ] = None,
    year: Annotated[
        int | None, typer.Option(help="With --case: compare only claims whose period begins in this calendar year.")
    ] = None,
    heads: Annotated[
        list[str] | None,
        typer.Option(
            "--head",
            metavar="NUMBER:HEX",
            help="A head printed by an earlier audit, which the journal must still pass through; may be given again.",
        ),
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A checkpoint that was kept, likewise. Its signatures: estate-funds verify."),
    ] = None,
    evidence: EvidenceThereOption = None,
    statements: Annotated[
        list[Path] | None,
        typer.Option("--bank", help="A bank statement, CSV or workbook, to match with the books; may be given again."),
    ] = None,
    bank_map: Annotated[
        Path | None, typer.Option(help="With --bank: which account holds which funds, and more (docs/bank.md).")
    ] = None,
    recorded_on: DayOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print coverage and findings as JSON.")] = False,
    page: Annotated[
        Path | None, typer.Option(help="File for a page to read and to print, in Chinese and English: one HTML file.")
    ] = None,
) -> None:
    """Replay a ledger from its first entry through the gate; with --case, re-assess and compare every fen.

    A bundle is audited against the case that it holds, and needs nothing else. With --bank, each line of the statements
    is matched with the entries. Says first what was covered, then what was found. Exit status 1 on any finding.
    """
    from estate_funds.cli.verifying import Thing, thing
    from estate_funds.load import load_case

    if bank_map is not None and not statements:
        raise typer.BadParameter("--bank-map is about statements: wanted --bank too")
    told = [(path, read_checkpoint(path)[1]) for path in checkpoints or []]
    kept = [*(heads or []), *(one.head for _, one in told)]
    in_bundle = thing(ledger) is Thing.BUNDLE
    if in_bundle and evidence is not None:
        raise typer.BadParameter("--evidence is for a ledger: a bundle brings its own documents")
    if year is not None and case is None and not in_bundle:
        raise typer.BadParameter("--year is about the claims of a case: wanted --case too")
    bank = _bank(statements, bank_map) if statements else None
    if in_bundle:
        report = _audit_bundle(Path(ledger), case, year, kept, told, recorded_on, bank, page)
    else:
        with open_books(ledger, evidence=evidence, recorded_on=recorded_on) as books:
            for path, one in told:
                one.check_origin(books.origin, where=str(path))
            with waiting("reading the case"):
                loaded = load_case(case) if case else None
            with bar("replaying", len(books)) as progress:
                report = books.audit(loaded, year=year, kept_heads=kept, bank=bank, progress=progress)
            if page is not None:
                write_page(page, report, books.found_entries(report.entries), books.origin, books.today, loaded)
    print(json.dumps(report.to_json(), ensure_ascii=False, indent=2) if as_json else report.to_text())
    if page is not None:
        print(f"written: {page}", file=sys.stderr)
    raise typer.Exit(1 if report.findings else 0)


def _bank(statements: list[Path], bank_map: Path | None) -> Bank:
    from estate_funds.exchange.bank_map import read_bank

    with waiting("reading the statements"):
        return read_bank(statements, bank_map)


def _audit_bundle(
    path: Path, folder: Path | None, year: int | None, kept: list[str], told: list[tuple[Path, Checkpoint]],
    recorded_on: datetime | None, bank: Bank | None, page: Path | None,
) -> AuditReport:  # fmt: skip
    """Audit a bundle; its own checkpoint says how much there is to replay, and whose it is."""
    from estate_funds.bundle import audit_bundle, case_of
    from estate_funds.calendar import parse_day
    from estate_funds.checkpoint import Checkpoint
    from estate_funds.exchange.bundle import Bundle
    from estate_funds.load import load_case

    case = load_case(folder) if folder else None
    with Bundle(path) as opened:
        sealed = Checkpoint.parse(opened.checkpoint)
    for file, one in told:
        one.check_origin(sealed.origin, where=str(file))
    as_of = recorded_on.date() if recorded_on else None
    if as_of is None:
        print("judged as of the day on which the bundle was made; --recorded-on DAY asks of another", file=sys.stderr)
    with bar("replaying", sealed.size) as progress:
        report = audit_bundle(path, case, year=year, as_of=as_of, kept_heads=kept, bank=bank, progress=progress)
    if page is not None:
        with Bundle(path) as opened:
            manifest, entries = opened.manifest, list(opened.entries())
            own = case_of(opened, manifest) if case is None and manifest is not None else case
            made = parse_day(manifest.as_of) if manifest is not None else max(entry.recorded for entry in entries)
            write_page(page, report, entries, sealed.origin, as_of or made, own)
    return report


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

    with waiting("reading the case"):
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
    with waiting("reading the case"):
        base = load_case(case)
    variant = with_changes(base, changes or [], [load_document(str(path)) for path in documents or []])
    with waiting("comparing"):
        found = compare(base, variant)
        said = json.dumps(found.to_json(), ensure_ascii=False, indent=2) if as_json else found.to_text()
    print(said)


def write_page(
    out: Path, report: AuditReport, entries: Iterable[Entry], origin: str, as_of: date, case: Case | None = None
) -> None:
    """Write the page of an audit; OutputError where that fails."""
    from estate_funds import __version__
    from estate_funds.report.files import write_whole
    from estate_funds.report.page import PageMatter
    from estate_funds.report.page import page as drawn

    positions = [one.to_json() for one in report.bank.positions] if report.bank is not None else []
    with waiting("drawing the page"):
        write_whole(
            out, drawn(PageMatter(report, tuple(entries), origin, as_of, __version__, case, positions=positions))
        )


def run_case(
    folder: Path, ledger: str | None, out: Path, recorded_on: datetime | None, evidence: Path | None = None
) -> int:
    """Assess, book, audit, write, print; the exit status."""
    from estate_funds.load import load_case
    from estate_funds.report.files import make_folder, write_results
    from estate_funds.report.summary import refused_rightly, run_text
    from estate_funds.report.vouchers import number_vouchers

    with waiting(f"reading {folder}"):
        case = load_case(folder)
    make_folder(out)
    address = ledger or str(out / "ledger.db")
    opened = open_books(address, create=True, evidence=evidence, recorded_on=recorded_on, origin=case.file.id)
    with opened as books:
        with bar("booking", len(case.steps)) as progress:
            posted = books.run(case, progress=progress)
        answers = [(s.origin, books.check(s.draft)) for s in case.attempts() if s.draft.effective <= books.today]
        with bar("auditing", len(books)) as progress:
            report = books.audit(case, progress=progress)
        vouchers, balances = list(number_vouchers(books.entries())), books.balances()
    summary = run_text(case, posted, vouchers, balances, answers, report, books.today)
    write_results(out, claims=case.claims, vouchers=vouchers, balances=balances, report=report, summary=summary)
    print(summary)
    return 1 if report.findings or not all(refused_rightly(answer) for _, answer in answers) else 0


def examples() -> Path:
    """The folder of the shipped cases: inside the installed package, or at the top of a checkout."""
    inside = Path(str(resources.files("estate_funds"))) / "examples"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "examples"
