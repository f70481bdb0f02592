"""Pages as blocks, and the two ways to write them out: Markdown, and plain text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from estate_funds.text import table, width

COLUMNS = 100  # of a terminal


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a level, 1 to 4."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list of points."""

    points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with its header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of the document, and the clause they stand in."""

    clause: str
    text: str


Block = Heading | Items | Grid | Quote | str


def to_markdown(blocks: Iterable[Block]) -> str:
    """The blocks as Markdown."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def to_plain(blocks: Iterable[Block]) -> str:
    """The blocks as plain text, wrapped for a terminal that shows Chinese characters two columns wide."""
    return "\n".join(_plain(block) for block in blocks)


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {text}"
        case Items(points):
            return "\n".join(f"- {point}" for point in points)
        case Quote(clause, text):
            return f"> **[{clause}]** {text}"
        case Grid(header, rows):
            lines = [header, tuple("---" for _ in header), *rows]
            return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)
    return block


def _plain(block: Block) -> str:
    match block:
        case Heading(level, text):
            if level > 2:
                return "\n" + _wrapped(_bare(text), "--- ", "    ")
            return f"\n{_wrapped(_bare(text), '', '')}\n{'=' * min(width(_bare(text)), COLUMNS)}"
        case Items(points):
            return "\n".join(_wrapped(_bare(point), "  - ", "    ") for point in points)
        case Quote(clause, text):
            return _wrapped(f"[{clause}] {text}", "  | ", "  | ")
        case Grid(header, rows):
            return _grid([header, *rows])
    return _wrapped(_bare(block), "  ", "  ")


def _grid(rows: Sequence[tuple[str, ...]]) -> str:
    """A table where it fits the terminal, else a point for each row."""
    bare = [tuple(_bare(cell) for cell in row) for row in rows]
    whole = table(bare)
    if max(width(line) for line in whole.splitlines()) <= COLUMNS:
        return whole
    return "\n".join(_wrapped(" | ".join(filter(None, row)), "  - ", "    ") for row in bare)


def _bare(text: str) -> str:
    return text.replace("**", "").replace("`", "")


def _wrapped(text: str, first: str, later: str) -> str:
    """Text wrapped to the terminal; a Chinese text may break after any character."""
    if width(text) == len(text):
        return textwrap.fill(text, COLUMNS, initial_indent=first, subsequent_indent=later)
    lines, line = [], first
    for word in _pieces(text):
        if width(line + word.rstrip()) > COLUMNS and line.strip():
            lines.append(line.rstrip())
            line = later + word.lstrip()
        else:
            line += word
    return "\n".join([*lines, line.rstrip()])


def _pieces(text: str) -> list[str]:
    """Words with the blank after them; each wide character is a piece of its own."""
    pieces: list[str] = []
    for char in text:
        if pieces and width(char) == 1 and width(pieces[-1][-1]) == 1 and pieces[-1][-1] != " ":
            pieces[-1] += char
        else:
            pieces.append(char)
    return pieces
