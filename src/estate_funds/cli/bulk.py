"""The command `bulk`: every household of a register assessed, a partition at a time, and gone on with after a stop."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from estate_funds.cli.common import EvidenceOption, guarded, open_books, waiting
from estate_funds.errors import CaseError, ColumnError, InputError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from estate_funds.bulk.files import Source
    from estate_funds.bulk.program import Program
    from estate_funds.bulk.run import Progress
    from estate_funds.bulk.summing import Summary
    from estate_funds.case import Case

app = typer.Typer()

SAY_EVERY = 30  # seconds, where nobody watches a terminal
MANY_CITIES = 40  # above so many, the table is left to the files


@app.command()
@guarded
def bulk(
    what: Annotated[
        str, typer.Argument(metavar="CASE_OR_POLICY", help="A case folder, or a policy document by its id or file.")
    ],
    households: Annotated[
        str, typer.Option(help="CSV or Parquet of households: a file, a folder of either, or a URL of one.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for the results; the same again goes on.")] = None,
    claim: Annotated[str, typer.Option(help="DOCUMENT/PROVISION, where the case claims several.")] = "",
    window: Annotated[
        str, typer.Option(metavar="MONTHS", help="Periods that begin in: 2024, 2024-05, 2021-01..2025-12.")
    ] = "",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default, one a core.")] = None,
    cluster: Annotated[str, typer.Option(metavar="ADDRESS", help="The scheduler of a Dask cluster.")] = "",
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=ITS_NAME", help="What a column is called in the files; may be given again."),
    ] = None,
    no_ids: Annotated[bool, typer.Option("--no-ids", help="Leave household_id out of the results.")] = False,
    no_duplicates: Annotated[
        bool, typer.Option("--no-duplicates", help="Do not look for households that stand twice.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="These are some of the households: do not tie them to the estates.")
    ] = False,
    show_columns: Annotated[
        bool, typer.Option("--show-columns", help="Print the columns that the provision reads, and do nothing else.")
    ] = False,
    explain: Annotated[
        str, typer.Option(metavar="HOUSEHOLD_ID", help="Print every line of one household, and do nothing else.")
    ] = "",
    post: Annotated[str, typer.Option(metavar="LEDGER", help="Book what is due into this ledger.")] = "",
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="With --post: the day of payment; what is decided later waits."),
    ] = None,
    maker: Annotated[str, typer.Option(help="With --post: who makes the entries; by default, as the case says.")] = "",
    approver: Annotated[str, typer.Option(help="With --post: who approves them.")] = "",
    evidence: EvidenceOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON, in fen.")] = False,
) -> None:
    """Assess a register of households of any size, file by file, and write what each is owed, and totals.

    Run again, it goes on where it was stopped. Reads only the columns that the provision rests on. Totals appear when
    all files are done; they are the same bytes however the register is cut, and by however many workers.
    """
    with _interruptible():
        with waiting("reading the documents"):
            subject = _subject(what, claim, window)
        names = dict(_renamed(one) for one in columns or [])
        if show_columns or explain:
            print(_columns(subject) if show_columns else _explained(subject, households, names, explain))
            return
    if out is None:
        raise typer.BadParameter("wanted --out FOLDER, or --explain HOUSEHOLD_ID")
    if post and (subject.case is None or on is None):
        raise typer.BadParameter("--post wants a case, whose funds pay, and --on DAY")
    with _interruptible():
        source = _source(subject, households, names, ids=not (no_ids and no_duplicates), out=out)
        summary = _run(subject, source, out, workers or os.cpu_count() or 1, cluster, no_ids, no_duplicates, partial)
    if not as_json:
        print(_text(summary, out, in_columns=subject.program.in_columns))
    posted = _post(subject, source, summary, post, on, maker, approver, evidence) if post else {}
    if as_json:
        told = {**summary.to_json(), "partitions": summary.partitions, "done_before": summary.done_before, **posted}
        print(json.dumps(told, ensure_ascii=False, indent=2))
    elif post:
        print(f"  booked into {post}: {_counted(posted)}")


# --- what is assessed ---


@dataclass(frozen=True)
class _Subject:
    """A program, and the case that it is of; a document alone has none."""

    program: Program
    case: Case | None

    @property
    def claim(self) -> str:
        """The claim, as DOCUMENT/PROVISION."""
        return f"{self.program.document}/{self.program.provision}"

    @property
    def about(self) -> dict[str, str]:
        """What the results are of, for people."""
        program = self.program
        told = {"document": program.document, "provision": program.provision, "window": str(program.window)}
        return {"case": self.case.file.id, **told} if self.case else told


def _subject(what: str, claim: str, window: str) -> _Subject:
    from estate_funds.bulk.program import compile_case, compile_provision
    from estate_funds.calendar import Months
    from estate_funds.exchange.tables import is_there
    from estate_funds.load import load_case, load_document
    from estate_funds.policy import bind
    from estate_funds.registry import Assessments, Registry

    months = Months.parse(window) if window else None
    if is_there(what, Path.is_dir):
        case = load_case(what, households=False)
        return _Subject(compile_case(case, claim, window=months), case)
    document = bind(load_document(what), {})
    provision = claim.removeprefix(f"{document.id}/") or _only([*document.provisions], document.id)
    if months is None:
        raise typer.BadParameter("a document alone has no periods: wanted --window MONTHS")
    nowhere = Registry.build({}, {}, counted=False)
    return _Subject(compile_provision(document, provision, nowhere, Assessments(), window=months), None)


def _only(provisions: list[str], document: str) -> str:
    if len(provisions) != 1:
        raise CaseError(
            f"{document} has {len(provisions)} provisions",
            wanted=f"one of {', '.join(provisions)}",
            fix="name one: --claim",
        )
    return provisions[0]


def _renamed(pair: str) -> tuple[str, str]:
    name, _, its_name = pair.partition("=")
    if not name or not its_name:
        raise typer.BadParameter(f"--columns {pair}: wanted NAME=ITS_NAME, such as household_id=房号")
    return name, its_name


def _source(subject: _Subject, households: str, names: Mapping[str, str], *, ids: bool, out: Path | None) -> Source:
    from estate_funds.bulk.cells import with_id
    from estate_funds.bulk.files import open_source
    from estate_funds.bulk.folder import planned
    from estate_funds.errors import nearest

    wanted = with_id(subject.program.columns, ids)
    known = [column.name for column in wanted]
    for name in names:
        if name not in known:
            raise InputError("the provision rests on no such column", got=repr(name), fix=nearest(name, known))
    with waiting("looking through the households"):
        source = open_source(households, wanted, names=names, planned=planned(out) if out else ())
    if missing := [name for name in subject.program.rests_on if name in source.absent]:
        raise ColumnError(
            "a column that amounts rest on is in no file",
            where=households,
            wanted=", ".join(missing),
            fix=f"write it, or say what it is called there: --columns {missing[0]}=ITS_NAME",
        )
    return source


# --- the run ---


def _run(
    subject: _Subject,
    source: Source,
    out: Path,
    workers: int,
    cluster: str,
    no_ids: bool,
    no_duplicates: bool,
    partial: bool,
) -> Summary:
    from estate_funds.bulk.posting import tied
    from estate_funds.bulk.run import run

    def ids(folder: Path) -> None:
        with waiting("looking for households that stand twice"):
            _check_duplicates(source, folder, workers)

    def ties(folder: Path) -> None:
        if subject.case is not None:
            with waiting("counting the households of each estate"):
                tied(subject.case, source)

    checks = {} if no_duplicates else {"ids": ids}
    if not partial:
        checks["ties"] = ties

    with _executor(cluster) as (executor, cores), _progress() as progress:
        return run(
            subject.program,
            source,
            out,
            executor=executor,
            workers=cores or workers,
            ids=not no_ids,
            about=subject.about,
            estates=subject.case.registry.estates if subject.case else {},
            checks=checks,
            progress=progress,
        )


def _check_duplicates(source: Source, folder: Path, workers: int) -> None:
    """DuplicateRow where a household stands twice; all that were found are in duplicates.txt then."""
    from estate_funds.bulk.cells import ID
    from estate_funds.bulk.duplicates import find_duplicates
    from estate_funds.bulk.folder import write_text
    from estate_funds.bulk.parts import parts_of_source

    found = find_duplicates(parts_of_source(source), key=[ID], scratch=folder, workers=workers)
    if found.findings:
        write_text(folder / "duplicates.txt", "".join(f"{one}\n" for one in found.findings))
    found.raise_for_findings()


@contextmanager
def _executor(cluster: str) -> Iterator[tuple[Executor | None, int]]:
    """The executor of a cluster, and its cores; none where no cluster is named."""
    if not cluster:
        yield None, 0
        return
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "a cluster needs Dask, which is not installed",
            where=f"--cluster {cluster}",
            fix="python -m pip install 'estate_funds[cluster]', here and on its machines",
        ) from None
    try:
        client = Client(cluster, timeout=30)
    except (OSError, ValueError) as error:
        raise InputError("the cluster does not answer", where=f"--cluster {cluster}", got=str(error)) from None
    with client:
        yield client.get_executor(), sum(client.nthreads().values())


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM ends a run as ctrl-C does: what is finished stays, and both say so."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted: what is finished stays; run the same again to go on", file=sys.stderr)
        raise typer.Exit(2) from None
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """How far a run is, on standard error: a line that is renewed on a terminal, else one now and then."""
    if not sys.stderr.isatty():
        yield _Now(print_to=lambda line: print(line, file=sys.stderr, flush=True), every=SAY_EVERY).tell
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield _Now(print_to=status.update, every=0).tell


@dataclass
class _Now:
    """Says how far a run is, not more often than every so many seconds."""

    print_to: Callable[[str], Any]
    every: int
    began: int = field(default_factory=time.monotonic_ns)
    said: int = field(default_factory=time.monotonic_ns)
    before: int = -1  # bytes that were done when the run began

    def tell(self, now: Progress) -> None:
        """Say it, if it is time."""
        at = time.monotonic_ns()
        self.before = now.size if self.before < 0 else self.before
        if at - self.said < self.every * 10**9:
            return
        self.said = at
        self.print_to(progress_text(now, now.size - self.before, at - self.began))


def progress_text(now: Progress, size: int, elapsed_ns: int) -> str:
    """A line on how far a run is: `size` bytes were done in so many nanoseconds.

    >>> from estate_funds.bulk.run import Progress
    >>> progress_text(Progress(2, 8, 2_000_000, 200, 800), 200, 4 * 10**9)
    '2 of 8 partitions, 2,000,000 rows, 500,000 rows a second, 0:00:12 left'
    """
    seconds = max(1, elapsed_ns // 10**9)
    done = f"{now.partitions:,} of {now.of_partitions:,} partitions, {now.rows:,} rows"
    line = f"{done}, {now.rows // seconds:,} rows a second"
    if not size or now.size >= now.of_size:
        return line
    left = (now.of_size - now.size) * seconds // size
    return f"{line}, {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"


# --- what is printed ---


def _text(summary: Summary, out: Path, *, in_columns: bool = True) -> str:
    from estate_funds.money import format_yuan
    from estate_funds.text import counted, table

    head = ["city", "households", *summary.payers, "due", "pending"]
    cities = summary.by_unit("city") if summary.estates else []
    rows = [
        [
            city["city"],
            f"{city['households']:,}",
            *(format_yuan(fen) for fen in city["shares"].values()),
            format_yuan(city["due_fen"]),
            format_yuan(city["pending_fen"]),
        ]
        for city in (cities if len(cities) <= MANY_CITIES else [])
    ]
    shares = [format_yuan(fen) for fen in summary.shares.values()]
    whole = [format_yuan(summary.amount_fen), format_yuan(summary.pending_fen)]
    rows.append(["in all", f"{summary.rows:,}", *shares, *whole])
    about = ", ".join(summary.about.values())
    done = f", {summary.done_before:,} of them before" if summary.done_before else ""
    lines = [f"What is owed by {about}, in yuan", table([head, *rows], right=range(1, len(head)))]
    facts = [name for name in summary.absent if name != "removed_on"]  # without it, nobody has left
    if facts:
        lines.append(f"  not in the files, so not known of any household: {', '.join(facts)}")
    if not in_columns:
        lines.append("  the provision is none for columns: each distinct row was assessed by itself")
    lines.append(f"  {counted(summary.partitions, 'partition')}{done}; results, totals and summary.json in {out}")
    return "\n".join(lines)


def _columns(subject: _Subject) -> str:
    """The columns that a provision reads, for the person who writes the files."""
    from estate_funds.text import table

    rows = [["column", "type", "needed", "what it says"]]
    for one in subject.program.columns:
        needed = "yes" if one.required or one.name in subject.program.rests_on else "no"
        rows.append([one.name, str(one.type), needed, one.about])
    return table(rows)


def _explained(subject: _Subject, households: str, names: Mapping[str, str], household: str) -> str:
    """Where a household stands, and every line of what it is owed."""
    from estate_funds.bulk.reading import find_row

    source = _source(subject, households, names, ids=True, out=None)
    with waiting(f"looking for {household}"):
        found = find_row(source, subject.program.columns, household)
    if found is None:
        raise CaseError(f"there is no household {household!r}", where=households)
    where, row = found
    return f"{where}\n{subject.program.explain(row)}"


# --- booking ---


def _post(
    subject: _Subject,
    source: Source,
    summary: Summary,
    ledger: str,
    on: datetime | None,
    maker: str,
    approver: str,
    evidence: Path | None,
) -> dict[str, Any]:
    from estate_funds.bulk.posting import due_claims

    assert subject.case is not None
    assert on is not None
    people = subject.case.file.people
    with waiting("assessing the estates by their headcounts"):
        claims = due_claims(subject.case, subject.claim, subject.program.window, source, summary)
    decided = [claim for claim in claims if claim.decided_on is None or claim.decided_on <= on.date()]
    with open_books(ledger, evidence=evidence) as books:
        posted = books.post(decided, on=on.date(), maker=maker or people.maker, approver=approver or people.approver)
    waiting_ = len(claims) - len(decided)
    return {"claims": len(decided), "waiting": waiting_, "entries": len(posted.entries), "repeated": posted.repeated}


def _counted(posted: Mapping[str, int]) -> str:
    from estate_funds.text import counted

    stood = f"; {counted(posted['repeated'], 'step')} stood already" if posted["repeated"] else ""
    wait = f"; {counted(posted['waiting'], 'claim')} decided after that day" if posted["waiting"] else ""
    new = counted(posted["entries"], "new entry", "new entries")
    return f"{counted(posted['claims'], 'claim')} due, {new}{stood}{wait}"
