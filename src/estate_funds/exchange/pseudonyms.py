"""Households and owners under other names: what a bundle holds of a register, without saying who they are.

A pseudonym is HMAC-SHA-256 of the text under a salt that stays with whoever keeps the books. The same text has the same
pseudonym in every table, so what stands twice still stands twice and every count still ties. What the sealed journal
itself names cannot be hidden by hashing it elsewhere: it is left as it is, and counted.
"""

from __future__ import annotations

import csv
import hmac
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from estate_funds.errors import InputError
from estate_funds.exchange.tables import decoded
from estate_funds.journal import Entry

PERSONS: Mapping[str, tuple[str, ...]] = {  # columns that always name somebody
    "households.csv": ("household_id",),
    "fees.csv": ("household_id",),
    "ballots.csv": ("owner_id",),
}
IDS: Mapping[str, tuple[str, ...]] = {  # columns that may name a household, among other things
    "subjects.csv": ("subject_id", "parent", "name"),
    "assessments.csv": ("subject_id",),
    "incomes.csv": ("subject_id",),
}
_FACTS = ("subject_id", "value")
_PUBLIC = ("spending.csv", "attempts.csv", "transfers.csv")  # what they name goes into the journal
LEAST_SALT_BYTES = 16
_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a case as bytes, by name, and the facts that are text: `hidden` are those that name somebody."""

    files: Mapping[str, bytes]
    text_facts: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()

    def persons(self) -> set[str]:
        """Every text that names a household, an owner, or somebody in a hidden fact."""
        found: set[str] = set()
        for name, columns in PERSONS.items():
            found.update(cell for column in columns for cell in self._column(name, column))
        for row in self._rows("subjects.csv"):
            if row.get("kind") == "household":
                found |= {row.get("subject_id", ""), row.get("name", "")}
        for name in filter(_is_facts, self.files):
            for row in self._rows(name):
                found |= {cell for column, cell in row.items() if self._fact(name, column, row) in self.hidden}
        return found - {""}

    def rewritten(self, renamed: Callable[[str], str]) -> dict[str, bytes]:
        """The tables with every text that has another name under that; a table without one byte for byte as it was."""
        return {name: self._rewritten(name, renamed) for name in self.files}

    def _rewritten(self, name: str, renamed: Callable[[str], str]) -> bytes:
        if not (name in PERSONS or name in IDS or _is_facts(name)):
            return self.files[name]
        records = self._records(name)
        header = [cell.strip() for cell in next(records, [])]
        text, changed = io.StringIO(), False
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        for cells in records:
            row = dict(zip(header, map(str.strip, cells), strict=False))
            for place, column in enumerate(header[: len(cells)]):
                if self._may_name(name, column, row) and (other := renamed(cells[place].strip())) != cells[place]:
                    changed = changed or other != cells[place].strip()
                    cells[place] = other
            writer.writerow(cells)
        return text.getvalue().encode("utf-8") if changed else self.files[name]

    def _may_name(self, name: str, column: str, row: Mapping[str, str]) -> bool:
        if _is_facts(name):
            return column == "subject_id" or self._fact(name, column, row) in self.text_facts
        return column in (*PERSONS.get(name, ()), *IDS.get(name, ()))

    def _fact(self, name: str, column: str, row: Mapping[str, str]) -> str:
        """The fact that a cell of a table of facts is the value of; empty where it is none."""
        if name == "facts.csv":
            return row.get("fact", "") if column == "value" else ""
        return column

    def _column(self, name: str, column: str) -> Iterator[str]:
        return (row[column] for row in self._rows(name) if row.get(column))

    def _rows(self, name: str) -> Iterator[dict[str, str]]:
        records = self._records(name)
        header = [cell.strip() for cell in next(records, [])]
        return (dict(zip(header, map(str.strip, cells), strict=False)) for cells in records)

    def _records(self, name: str) -> Iterator[list[str]]:
        if name not in self.files:
            return iter(())
        return csv.reader(io.StringIO(decoded(self.files[name], name), newline=""), strict=True)

    def public(self) -> set[str]:
        """The parts of what spendings and transfers name, which stands or will stand in the journal."""
        found: set[str] = set()
        for name in _PUBLIC:
            for row in self._rows(name):
                for column in ("fund", "payee", "giver", "taker"):
                    found.update(_parts(row.get(column, "")))
        return found


def _is_facts(name: str) -> bool:
    return name.startswith("facts") and name.endswith(".csv")


class Named:
    """Which of some texts the entries of a journal name, in a fund, a payee, a key, a reference or a detail."""

    def __init__(self, persons: set[str]) -> None:
        self.persons = persons
        self.found: set[str] = set()

    def watched(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries, looked at as they pass."""
        for entry in entries:
            if self.persons:
                self._look(entry)
            yield entry

    def _look(self, entry: Entry) -> None:
        draft = entry.draft
        texts = {draft.key, draft.payee, draft.reference}
        for posting in draft.postings:
            texts |= {posting.fund, posting.detail}
        texts.update(part for term in draft.terms for part in term)
        for text in texts:
            self.found.update(self.persons.intersection(_parts(text)))


def _parts(text: str) -> list[str]:
    return [text, *text.split("/")] if "/" in text else [text]


def pseudonym(text: str, salt: bytes) -> str:
    """The name of somebody in a bundle: `p-` and 32 hexadecimal digits; InputError for a salt that is too short.

    >>> pseudonym("yuanyi-01-0001", bytes(16))
    'p-3453e1e6cd685a1c31adbd52b306dc4d'
    """
    if len(salt) < LEAST_SALT_BYTES:
        wanted = f"{LEAST_SALT_BYTES} bytes or more, drawn at random"
        raise InputError("a salt that can be guessed", got=f"{len(salt)} bytes", wanted=wanted)
    return f"p-{hmac.digest(salt, text.encode('utf-8'), 'sha256').hex()[:_DIGITS]}"


__all__ = ["Named", "Tables", "pseudonym"]
