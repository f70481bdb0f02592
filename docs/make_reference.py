"""Write the column tables of docs/reference/case.md from the columns that the readers enforce.

python docs/make_reference.py            rewrite the part between the markers
python docs/make_reference.py --check    exit 1 when the page is stale
"""

from __future__ import annotations

import sys
from pathlib import Path

from estate_funds.exchange.columns import TABLES
from estate_funds.exchange.tables import Column

PAGE = Path(__file__).parent / "reference" / "case.md"
BEGIN, END = "<!-- columns:begin -->", "<!-- columns:end -->"
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


def page_text(page: str) -> str:
    """The page with the part between the markers made anew; ValueError where a marker is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name}: wanted the markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{render_columns()}\n\n{END}{after}"


def main(check: bool) -> int:
    """Rewrite the page, or only say whether it is stale; the exit status."""
    held = PAGE.read_text(encoding="utf-8")
    made = page_text(held)
    if check:
        if held != made:
            print(f"{PAGE.name} is stale: run python docs/make_reference.py", file=sys.stderr)
        return int(held != made)
    PAGE.write_text(made, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
