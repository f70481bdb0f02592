"""Entries, postings and balances as tables: CSV for anybody, Parquet with types for those who compute.

Three tables that a key joins: `entries` has a row an entry, `postings` a row a line of it (`seq` is the entry), and
`balances` a row an account, as these books have it after the last entry. Amounts stand twice: in whole fen, to reckon
with, and in yuan with two decimals, to read. The columns of each are data, and documented from it in docs/exports.md.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from estate_funds.errors import OutputError
from estate_funds.exchange.outline import Outline, Source, labelled, whole_files, yuan
from estate_funds.funds import NORMAL_SIDE
from estate_funds.journal import Entry
from estate_funds.text import harmless

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 1 << 16  # rows of a row group
Row = tuple[Any, ...]


class Field(NamedTuple):
    """A column of an export: its name, its type (text, number, day, fen, yuan, total), and what it holds."""

    name: str
    type: str
    about: str


ENTRIES = (
    Field("seq", "number", "the number of the entry, from 1 without gaps"),
    Field("voucher", "text", "the voucher within the month of `effective`: 记-001; empty where nothing is posted"),
    Field("kind", "text", "what the entry does: receipt, disbursement, reversal …"),
    Field("effective", "day", "the day on which it counts"),
    Field("recorded", "day", "the day on which the books came to know it"),
    Field("narrative", "text", "摘要"),
    Field("document", "text", "the document that it rests on"),
    Field("clause", "text", "the clause of it"),
    Field("purpose", "text", "what the money is for"),
    Field("payee", "text", "who is paid; the name of a person is masked"),
    Field("payee_class", "text", "as what"),
    Field("reference", "text", "the claim, the contract, or the entry that it cancels"),
    Field("maker", "text", "制单人"),
    Field("approver", "text", "审核人"),
    Field("key", "text", "the name under which it was asked for"),
    Field("policy", "text", "digest of the document that the amount was computed from"),
    Field("registry", "text", "digest of the register and facts"),
    Field("evidence", "text", "source documents: kind:sha256, with blanks between"),
)  # fmt: skip
POSTINGS = (
    Field("seq", "number", "the entry"),
    Field("line", "number", "the line of it, from 1"),
    Field("effective", "day", "the day on which the entry counts"),
    Field("fund", "text", "the fund, key/level/holder"),
    Field("account", "text", "the account within the fund"),
    Field("detail", "text", "the sub-account: source, purpose, claim, budget year, other fund"),
    Field("side", "text", "D for debit (借), C for credit (贷)"),
    Field("amount_fen", "fen", "the amount in fen; below 0 in a reversal (红字)"),
    Field("amount", "yuan", "the same in yuan"),
)
BALANCES = (
    Field("fund", "text", "the fund"),
    Field("account", "text", "the account within it"),
    Field("detail", "text", "the sub-account"),
    Field("side", "text", "the side on which its balance stands"),
    Field("debit_fen", "total", "all its debits, in fen"),
    Field("credit_fen", "total", "all its credits, in fen"),
    Field("balance_fen", "fen", "the balance, on that side"),
    Field("balance", "yuan", "the same in yuan"),
)
TABLES: Mapping[str, Sequence[Field]] = {"entries": ENTRIES, "postings": POSTINGS, "balances": BALANCES}


def entry_rows(entries: Iterable[Entry]) -> Iterator[Row]:
    """A row an entry, of `ENTRIES`."""
    for label, entry in labelled(entries):
        d = entry.draft
        evidence = " ".join(f"{kind}:{digest}" for kind, digest in d.evidence)
        yield (
            entry.seq, label, d.kind.value, d.effective, entry.recorded, d.narrative, d.document, d.clause, d.purpose,
            d.payee, d.payee_class, d.reference, d.maker, d.approver, d.key, d.policy, d.registry, evidence,
        )  # fmt: skip


def posting_rows(entries: Iterable[Entry]) -> Iterator[Row]:
    """A row a posting, of `POSTINGS`."""
    for entry in entries:
        day = entry.draft.effective
        for line, (fund, account, detail, side, fen) in enumerate(entry.draft.postings, 1):
            yield entry.seq, line, day, fund, account, detail, side, fen, yuan(fen)


def balance_rows(told: Outline) -> Iterator[Row]:
    """A row an account, of `BALANCES`, in the order of funds, accounts and details."""
    for key in sorted(told.accounts):
        turnover, fen = told.accounts[key], told.balance_fen(key)
        side = NORMAL_SIDE[key[1]]
        yield *key, str(side), turnover.debit_fen, turnover.credit_fen, fen, yuan(fen)


def _rows(told: Outline, source: Source) -> dict[str, Callable[[], Iterator[Row]]]:
    return {
        "entries": lambda: entry_rows(source()),
        "postings": lambda: posting_rows(source()),
        "balances": lambda: balance_rows(told),
    }


# --- CSV ---


def write_csv(folder: Path, told: Outline, source: Source) -> list[Path]:
    """Write entries.csv, postings.csv and balances.csv into a folder, all of them or none; OutputError.

    UTF-8 with the mark that Excel asks for; a text that a spreadsheet would run gets a `'` in front (`text.harmless`).
    """
    paths = [_in_folder(folder, f"{name}.csv") for name in TABLES]
    rows = _rows(told, source)
    with whole_files(paths) as files:
        for file, (name, fields) in zip(files, TABLES.items(), strict=True):
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=False)
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow([field.name for field in fields])
            amounts = [field.type in ("fen", "yuan", "total", "number") for field in fields]
            for row in rows[name]():
                writer.writerow([c if a else harmless(c) for c, a in zip(row, amounts, strict=True)])
            text.detach()
    return paths


# --- Parquet ---


def write_parquet(folder: Path, told: Outline, source: Source) -> list[Path]:
    """Write entries.parquet, postings.parquet and balances.parquet into a folder, all of them or none; OutputError.

    Fen are int64, totals of fen decimal128(38, 0), yuan decimal128(19, 2), days date32; OutputError where it does not
    fit.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = [_in_folder(folder, f"{name}.parquet") for name in TABLES]
    rows = _rows(told, source)
    with whole_files(paths) as files:
        for file, (name, fields) in zip(files, TABLES.items(), strict=True):
            schema = pa.schema([pa.field(f.name, _arrow_type(f.type), nullable=False) for f in fields])
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                made = rows[name]()
                while batch := list(islice(made, _BATCH)):
                    writer.write_batch(_batch(batch, fields, schema))
    return paths


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    types = {"text": pa.string(), "day": pa.date32(), "yuan": pa.decimal128(19, 2), "total": pa.decimal128(38, 0)}
    return types.get(kind, pa.int64())


def _batch(rows: Sequence[Row], fields: Sequence[Field], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = []
    for at, field in enumerate(fields):
        cells = [row[at] for row in rows]
        try:
            values = [Decimal(cell) for cell in cells] if field.type in ("yuan", "total") else cells
            columns.append(pa.array(values, schema.types[at]))
        except (pa.ArrowException, OverflowError) as error:
            fix = "export it as csv or plain text, which hold amounts of any size"
            raise OutputError("an amount beyond what the column holds", where=field.name, got=error, fix=fix) from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _in_folder(folder: Path, name: str) -> Path:
    if folder.exists() and not folder.is_dir():
        raise OutputError(
            "the export is a folder of tables, and there is a file", where=str(folder), fix="name a folder"
        )
    return folder.joinpath(name)
