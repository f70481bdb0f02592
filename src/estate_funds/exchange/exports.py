"""Every format in which a journal leaves the house for the tools of others, by name; `write_export` writes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from estate_funds.errors import InputError, nearest
from estate_funds.exchange.chart import Chart, load_chart
from estate_funds.exchange.gbt24589 import gbt_json, gbt_tables, gbt_xml
from estate_funds.exchange.masking import Mask
from estate_funds.exchange.outline import Outline, Source, outline_of, whole_file
from estate_funds.exchange.plaintext import PLAIN_TEXT
from estate_funds.exchange.saft import saft_lines
from estate_funds.exchange.tabular import write_csv, write_parquet
from estate_funds.exchange.workbook import write_xlsx
from estate_funds.journal import Entry

DEFAULT_CHART = "government"
_BUFFER = 1 << 20  # characters that are written at once


@dataclass(frozen=True, slots=True)
class Format:
    """A format: what it is, the suffix of its file (none for a folder), and whether it needs a chart of accounts."""

    about: str
    suffix: str  # empty for a folder
    needs_chart: bool = False


FORMATS: Mapping[str, Format] = {
    "beancount": Format("a journal for beancount, with its balances as assertions", ".beancount"),
    "hledger": Format("a journal for hledger, with its balances as assertions", ".journal"),
    "ledger": Format("a journal for ledger, with its balances as assertions", ".ledger"),
    "gbt24589-xml": Format("the tables of GB/T 24589, aligned, as XML", ".xml", needs_chart=True),
    "gbt24589-json": Format("the same as JSON", ".json", needs_chart=True),
    "saf-t": Format("the structure of the OECD's SAF-T 2.0, XML", ".xml", needs_chart=True),
    "parquet": Format("a folder of typed tables: entries, postings, balances", ""),
    "csv": Format("a folder of the same tables as CSV", ""),
    "xlsx": Format("a workbook whose totals are live formulas over its postings", ".xlsx"),
}


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: its files, how many entries went in, and how many of them had postings."""

    paths: tuple[Path, ...]
    entries: int
    vouchers: int
    chart: Chart | None


def write_export(
    form: str, out: Path, source: Source, *, unit: str = "", chart: Chart | str | Path = DEFAULT_CHART
) -> Exported:
    """Write a journal in one of `FORMATS`: a file, or a folder of files, whole or not at all.

    `source` gives the same entries, all from the first on, each of the two or three times that it is called. Personal
    data is masked (`exchange.masking`). `unit` is whose books they are. `chart` is a chart of accounts, its id or its
    file, for the formats that need one. InputError for a format or a chart that there is not, OutputError where it does
    not fit into the format or cannot be written.
    """
    if form not in FORMATS:
        raise InputError("there is no such format", got=form, fix=nearest(form, FORMATS))
    told_chart = None
    if FORMATS[form].needs_chart:
        told_chart = chart if isinstance(chart, Chart) else load_chart(chart)
    mask = Mask()

    def masked() -> Iterable[Entry]:
        return mask.entries(source())

    told = outline_of(masked())
    told.funds = {mask.text(fund): mask.text(title) for fund, title in told.funds.items()}
    if form in _FOLDERS:
        paths = _FOLDERS[form](out, told, masked)
    elif form == "xlsx":
        paths = [write_xlsx(out, told, masked)]
    else:
        paths = [_write(out, _lines(form, told, masked, unit, told_chart))]
    return Exported(tuple(paths), told.entries, told.vouchers, told_chart)


_FOLDERS: Mapping[str, Callable[[Path, Outline, Source], list[Path]]] = {"csv": write_csv, "parquet": write_parquet}


def _lines(form: str, told: Outline, source: Source, unit: str, chart: Chart | None) -> Iterator[str]:
    if chart is None:
        return PLAIN_TEXT[form](told, source())
    if form == "saf-t":
        return saft_lines(told, source(), chart, unit=unit)
    tables = gbt_tables(told, source, chart, unit=unit)
    return gbt_xml(tables) if form == "gbt24589-xml" else gbt_json(tables)


def _write(path: Path, lines: Iterable[str]) -> Path:
    with whole_file(path) as file:
        held, size = list[str](), 0
        for line in lines:
            held.append(line)
            size += len(line)
            if size >= _BUFFER:
                file.write("".join(held).encode("utf-8"))
                held, size = [], 0
        file.write("".join(held).encode("utf-8"))
    return path
