"""The check of a document that somebody writes: does it load, do its worked cases hold, what is worth a second look.

checked = check_document(Path("new-city.toml"), None, date.today())
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from estate_funds.errors import EstateFundsError, PolicyError
from estate_funds.exchange.tables import read_text
from estate_funds.policy import Document, parse_document
from estate_funds.report.review import warnings
from estate_funds.testing.worked_cases import WorkedCase, check_worked_case, read_worked_cases
from estate_funds.text import counted


@dataclass(frozen=True)
class Checked:
    """What a check of one document found: problems are wrong, warnings may be meant."""

    source: str
    document: Document | None
    worked: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def to_text(self) -> str:
        """The findings, a line each, under what was checked."""
        loaded = self.document
        head = f"{self.source}: "
        if loaded:
            provisions = counted(len(loaded.provisions), "provision")
            head += f"{loaded.number}, {provisions}, {counted(self.worked, 'worked case')}, "
        head += f"{counted(len(self.problems), 'problem')}, {counted(len(self.warnings), 'warning')}"
        return "\n".join(
            [head, *(f"  problem: {_indented(p)}" for p in self.problems), *(f"  warning: {w}" for w in self.warnings)]
        )


def check_document(path: Path, cases: Path | None, today: date) -> Checked:
    """Load a document and run its worked cases, by default those in `<name>.cases.toml` beside it.

    Raises an InputError where a file is missing or not UTF-8; everything else that is wrong is a problem of the result.
    """
    text = _read(path)
    beside = cases or path.with_suffix(".cases.toml")
    try:
        document = parse_document(text, source=path.name)
    except PolicyError as error:
        return Checked(path.name, None, 0, error.problems or (str(error),))
    if cases is None and not beside.is_file():
        found = (f"there is no {beside.name} beside it: no worked cases", *warnings(document, today, ()))
        return Checked(path.name, document, 0, (), found)
    listed = _read(beside)
    try:
        worked = read_worked_cases(listed, source=beside.name)
    except PolicyError as error:
        return Checked(path.name, document, 0, error.problems or (str(error),), tuple(warnings(document, today, ())))
    problems = tuple(failure for case in worked for failure in _failures(document, case))
    computed = {name for case in worked for name in (case.provision, *case.provisions)}
    return Checked(path.name, document, len(worked), problems, tuple(warnings(document, today, computed)))


def _failures(document: Document, case: WorkedCase) -> list[str]:
    try:
        return check_worked_case(document, case)
    except EstateFundsError as error:
        return [f"{case.name}: {error}"]


def _read(path: Path) -> str:
    if not path.is_file():
        raise PolicyError("there is no such file", got=str(path))
    return read_text(path)


def _indented(text: str) -> str:
    return "\n    ".join(text.splitlines())
