"""Write the tables of docs/reference/case.md and docs/exports.md from the columns, formats and charts of the code.

python docs/make_reference.py            rewrite the parts between the markers
python docs/make_reference.py --check    exit 1 when a page is stale
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from estate_funds.exchange.chart import load_chart, shipped_charts
from estate_funds.exchange.columns import TABLES
from estate_funds.exchange.exports import FORMATS
from estate_funds.exchange.tables import Column
from estate_funds.exchange.tabular import TABLES as EXPORTED

DOCS = Path(__file__).parent
HEADER = ("column", "type and unit", "required", "allowed values", "example", "meaning")
TYPES = {
    "text": "text",
    "id": "id: plain characters, no full-width ones",
    "choice": "text",
    "evidence": "evidence list",
    "day": "day, YYYY-MM-DD",
    "month": "month, YYYY-MM",
    "count": "whole number, 1 or more",
    "number": "number",
    "area": "m2 above 0, at most 2 decimals",
    "yuan": "yuan above 0, at most 2 decimals",
}


def render_columns() -> str:
    """One section a table, as Markdown; tables that share their columns point to the first of them."""
    sections: list[str] = []
    first_of: dict[int, str] = {}
    for name, columns in TABLES.items():
        twin = first_of.setdefault(id(columns), name)
        body = _table(columns) if twin == name else f"The same columns as [{twin}](#{twin.replace('.', '')})."
        sections.append(f"### {name}\n\n{body}")
    return "\n\n".join(sections)


def _table(columns: tuple[Column, ...]) -> str:
    rows = [HEADER, tuple("---" for _ in HEADER), *(_cells(column) for column in columns)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cells(column: Column) -> tuple[str, ...]:
    allowed = ", ".join(f"`{value}`" for value in column.allowed)
    cells = (
        f"`{column.name}`",
        TYPES[column.type],
        "yes" if column.required else "no",
        allowed or "any",
        f"`{column.example}`",
        column.about,
    )
    return tuple(cell.replace("|", "\\|") for cell in cells)


def render_formats() -> str:
    """The formats of an export."""
    rows = [
        (f"`{name}`", told.about, f"a file, `{told.suffix}`" if told.suffix else "a folder")
        for name, told in FORMATS.items()
    ]
    return _markdown(("`--format`", "what it is", "what it writes"), rows)


def render_tables() -> str:
    """The columns of exported tables."""
    types = {"text": "text", "number": "whole number", "day": "day", "fen": "fen", "total": "fen", "yuan": "yuan"}
    sections = (
        f"### {name}\n\n"
        + _markdown(("column", "type", "meaning"), [(f"`{f.name}`", types[f.type], f.about) for f in fields])
        for name, fields in EXPORTED.items()
    )
    return "\n\n".join(sections)


def render_charts() -> str:
    """The codes of the shipped charts of accounts."""
    sections = []
    for chart in map(load_chart, shipped_charts()):
        rows = [
            (r.code, r.name, f"`{r.account}`" + (f": {', '.join(r.details)}" if r.details else ""), r.source)
            for r in chart.rows
        ]
        title = f"### `{chart.chart_id}`\n\n{chart.title}, {chart.document}, from {chart.start}."
        sections.append(f"{title}\n\n" + _markdown(("code", "name", "account", "source"), rows))
    return "\n\n".join(sections)


def _markdown(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


PAGES: Mapping[Path, Mapping[str, Callable[[], str]]] = {
    DOCS / "reference" / "case.md": {"columns": render_columns},
    DOCS / "exports.md": {"formats": render_formats, "tables": render_tables, "charts": render_charts},
}


def page_text(page: Path) -> str:
    """A page with the parts between its markers made anew; ValueError where a marker is missing."""
    text = page.read_text(encoding="utf-8")
    for name, render in PAGES[page].items():
        before, begin, rest = text.partition(f"<!-- {name}:begin -->")
        _, end, after = rest.partition(f"<!-- {name}:end -->")
        if not begin or not end:
            raise ValueError(f"{page.name}: wanted the markers {name}:begin and {name}:end")
        text = f"{before}{begin}\n\n{render()}\n\n{end}{after}"
    return text


def main(check: bool) -> int:
    """Rewrite the pages, or only say whether one is stale; the exit status."""
    status = 0
    for page in PAGES:
        made = page_text(page)
        if not check:
            page.write_text(made, encoding="utf-8", newline="\n")
        elif page.read_text(encoding="utf-8") != made:
            print(f"{page.name} is stale: run python docs/make_reference.py", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
