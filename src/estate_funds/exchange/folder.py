"""What a case is read from: a folder of files, be it a directory or what a bundle holds.

Readers ask a `Folder` for its files by name and never look beside it, so what a case names cannot lead elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from estate_funds.errors import CellError, UnknownDocument
from estate_funds.exchange.tables import File, file_digest, is_there, read_text


class Folder(Protocol):
    """The files of a case."""

    @property
    def where(self) -> str:
        """What it is called in messages."""

    @property
    def registry_digest(self) -> str:
        """What identified the register when the books were booked, where the tables cannot say so; else empty."""

    def file(self, name: str) -> File:
        """The file of a name at the top of the folder, be it there or not."""

    def names(self) -> list[str]:
        """The names of the files at its top, in order."""

    def digest(self, name: str) -> str:
        """SHA-256 of a file's bytes, in hexadecimal, as the register counts them."""

    def paper(self, place: str) -> tuple[str, Path | None]:
        """The digest of a source document that a row names, and its file; None where only the digest is here.

        CellError, without a place, where there is none.
        """

    def document(self, name: str) -> tuple[str, str] | None:
        """The text of a policy document and what it is called in messages; None where it is one that ships."""


class Directory:
    """A folder on a disk.

    >>> Directory(Path("examples/donghu")).names()[:2]
    ['assessments.csv', 'attempts.csv']
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def where(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def registry_digest(self) -> str:
        """Nothing: its tables say it."""
        return ""

    def file(self, name: str) -> Path:
        """The path of a file of that name."""
        return self.path.joinpath(name)

    def names(self) -> list[str]:
        """The names of its files, in order."""
        return sorted(path.name for path in self.path.iterdir() if path.is_file())

    def digest(self, name: str) -> str:
        """SHA-256 of the bytes of a file, in hexadecimal."""
        return file_digest(self.path.joinpath(name))

    def paper(self, place: str) -> tuple[str, Path | None]:
        """The digest and the path of a file inside the folder; CellError where it is none, or empty."""
        try:
            path = self.path.joinpath(place).resolve()
            if not path.is_relative_to(self.path.resolve()) or not path.is_file():
                raise CellError("the evidence is not in the case folder")
            if not path.stat().st_size:
                raise CellError("an empty file is no evidence")
            return file_digest(path), path
        except (OSError, ValueError, RuntimeError) as error:  # no path at all, or links in a circle
            why = getattr(error, "strerror", None) or error
            raise CellError(f"the evidence cannot be read: {why}") from None

    def document(self, name: str) -> tuple[str, str] | None:
        """The text of a `.toml` file, relative to the folder; UnknownDocument where it is not there."""
        if not name.endswith(".toml"):
            return None
        path = self.path.joinpath(name)
        if not is_there(path):
            raise UnknownDocument("there is no such document file", got=str(path))
        return read_text(path), path.name


__all__ = ["Directory", "Folder"]
