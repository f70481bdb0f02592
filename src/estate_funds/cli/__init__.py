"""The command line: parse, call, print. Exit status: 0 fine, 1 findings or refused, 2 could not run."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from estate_funds import __version__
from estate_funds.cli import bulk, cases, documents, ledgers
from estate_funds.cli.common import PLACE, guarded

app = typer.Typer(
    help="Subsidy and fund accounting: official documents as data, awards to the fen, ring-fenced ledgers that replay.",
    epilog="Exit status: 0 fine, 1 findings or refused, 2 could not run. Amounts are in yuan, files in fen.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # else a docstring is broken where its lines end
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cases.app)
app.add_typer(bulk.app)
app.add_typer(ledgers.app)
app.add_typer(documents.policy, name="policy")


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
    prefix: Annotated[str, typer.Option(help="What the names of a ledger's tables begin with.")] = PLACE.prefix,
    schema: Annotated[str, typer.Option(help="The PostgreSQL schema of a ledger's tables.")] = "",
) -> None:
    """Subsidy and fund accounting: official documents as data, awards to the fen, ring-fenced ledgers that replay."""
    PLACE.prefix, PLACE.schema = prefix, schema


def main() -> None:
    """The entry point."""
    app()
