"""Commands on documents: list, show, check, compare, handbook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estate_funds.cli.common import AsOfOption, day_of, guarded

if TYPE_CHECKING:
    from estate_funds.policy import Document

DOCUMENT = "The id of a shipped document, or a TOML file."
policy = typer.Typer(
    help="Documents as data: list, show, check, compare, and print them as a handbook.", no_args_is_help=True
)


@policy.command("list")
@guarded
def list_documents(on: AsOfOption = None) -> None:
    """List the documents that ship with the library: in force, provisions, when reviewed, what ends next."""
    from estate_funds.report.freshness import expiries_text
    from estate_funds.report.handbook import documents_text

    found = _documents([])
    print(documents_text(found, day_of(on)))
    if ending := expiries_text(found, day_of(on)):
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

    checked = check_document(file, cases, day_of(on))
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


def _documents(named: list[str]) -> list[Document]:
    """Documents by id or file; all that are shipped where none is named."""
    from estate_funds.load import load_document, shipped_documents

    return [load_document(name) for name in named or shipped_documents()]
