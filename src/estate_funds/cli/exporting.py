"""What `export` does: a sealed bundle, or a journal in a format of others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from estate_funds.cli.common import open_books, read_checkpoint, waiting
from estate_funds.errors import InputError, nearest
from estate_funds.text import counted

if TYPE_CHECKING:
    from estate_funds.checkpoint import VerifierKey


def export_bundle(
    ledger: str,
    out: Path,
    checkpoint: Path | None,
    keys: Sequence[VerifierKey],
    evidence: Path | None,
    *,
    with_evidence: bool,
) -> None:
    """Write the journal, up to a checkpoint, as one file for the verifier."""
    from estate_funds.exchange.bundle import write_bundle

    with open_books(ledger, evidence=evidence) as books, waiting("writing the bundle"):
        note, told = read_checkpoint(checkpoint) if checkpoint else ("", books.checkpoint())
        told.check_origin(books.origin, where=str(checkpoint))
        folder = books.evidence if with_evidence else None
        named: dict[str, Path | None] = {}

        def place(digest: str) -> Path | None:
            named[digest] = folder.place(digest) if folder is not None and folder.has(digest) else None
            return named[digest]

        path = write_bundle(
            out,
            books.entries(until=told.size),
            checkpoint=note or told.body,
            balances=books.balances_after(min(told.size, len(books))),
            keys=[str(key) for key in keys],
            evidence=place,
        )
    print(f"written: {path}")
    print(f"journal {told.origin}: {counted(told.size, 'entry', 'entries')}, head {told.head}")
    held = sum(found is not None for found in named.values())
    print(f"{held} of {counted(len(named), 'source document')} put in")


def export_format(ledger: str, out: Path, form: str, *, chart: str, unit: str) -> None:
    """Write the journal in a format of others, and say what went in and what nobody has verified."""
    from estate_funds.exchange.exports import DEFAULT_CHART, FORMATS, write_export

    if form not in FORMATS:
        raise InputError("there is no such format", got=form, fix=nearest(form, ["bundle", *FORMATS]))
    if (chart or unit) and not FORMATS[form].needs_chart:
        raise typer.BadParameter(f"--chart and --unit are for gbt24589 and saf-t, not for {form}")
    with open_books(ledger) as books, waiting(f"writing {form}"):
        told = books.checkpoint()  # what is booked meanwhile stays out: the journal is read more than once
        done = write_export(
            form, out, lambda: books.entries(until=told.size), unit=unit or books.origin, chart=chart or DEFAULT_CHART
        )
    for path in done.paths:
        print(f"written: {path}")
    print(f"journal: {counted(done.entries, 'entry', 'entries')}, {done.vouchers:,} with postings, head {told.head}")
    if done.chart is not None:
        unverified, codes = len(done.chart.unverified), counted(len(done.chart.rows), "code")
        print(
            f"chart {done.chart.chart_id} ({done.chart.document}): {unverified} of {codes} not verified: see the chart"
        )
