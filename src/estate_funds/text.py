"""Plain-text layout that knows how wide a Chinese character is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

# Control characters, zero-width and direction marks, line separators, surrogates: a fixed list, so that a later Unicode
# version judges an old text as the version that took it in did.
INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)

# What a spreadsheet runs begins with one of these, a blank that it drops before one, or the mark of text itself.
_RUN = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "'")  # a Chinese input method writes the wide ones


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun, in the singular or the plural.

    >>> counted(1, "entry", "entries"), counted(1200, "finding")
    ('1 entry', '1,200 findings')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def width(text: str) -> int:
    """Columns that a text takes in a terminal.

    >>> width("院一 yuan")
    9
    """
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """The text filled with blanks to a number of columns."""
    blanks = " " * max(0, columns - width(text))
    return blanks + text if right else text + blanks


def harmless(cell: object) -> object:
    """Text that a spreadsheet would run as a formula, made plain text; anything else as it is.

    What begins with the mark of that gets another one: so who takes one away has every text back.

    >>> harmless("=1+1"), harmless("'a"), harmless("院一"), harmless(-5)
    ("'=1+1", "''a", '院一', -5)
    """
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in _RUN else cell


def table(rows: Iterable[Sequence[str]], *, right: Sequence[int] = (), indent: str = "  ") -> str:
    """Rows laid out in columns; the column numbers in `right` are right-aligned.

    >>> print(table([("fund", "fen"), ("a", "12")], right=[1]))
      fund  fen
      a      12
    """
    cells = [tuple(row) for row in rows]
    widths = [max(width(row[i]) for row in cells) for i in range(len(cells[0]))] if cells else []
    lines = (
        "  ".join(pad(c, w, right=i in right) for i, (c, w) in enumerate(zip(r, widths, strict=True))) for r in cells
    )
    return "\n".join(indent + line.rstrip() for line in lines)
