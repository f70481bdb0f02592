"""The bundle: a journal up to a checkpoint in one .zip, for an auditor who trusts neither this library nor a database.

It holds the canonical bytes of every entry (`journal.txt`), the checkpoint that seals them (`checkpoint`), the public
keys of those who sign (`keys.txt`, a convenience: trust comes from outside), every balance that is not zero
(`balances.txt`), and the documents that entries rest on (`evidence/`). docs/reference/seal.md describes each to the
byte; `python -m estate_funds.verifier` verifies one on its own, with the standard library alone.

Entries are written and read one by one, so a journal of any length passes through. The same content gives the same
bytes: members stand in one order, under one date.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from estate_funds.calendar import parse_day
from estate_funds.checkpoint import Checkpoint, VerifierKey
from estate_funds.errors import DateError, InputError, OutputError, SealBroken
from estate_funds.journal import ENTRY_FORMAT, Draft, Entry, Evidence, Kind, Posting
from estate_funds.merkle import Frontier, head_text

BalanceKey = tuple[str, str, str]  # fund, account, detail

CHECKPOINT, KEYS, BALANCES, JOURNAL, EVIDENCE = "checkpoint", "keys.txt", "balances.txt", "journal.txt", "evidence/"
_FIRST_LINE = f"estate_funds entry {ENTRY_FORMAT}\n".encode()
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a .zip can say
_CHUNK = 1 << 20
MOST_ENTRY_BYTES = 1 << 26  # an entry without an end would fill the memory of whoever reads it
MOST_TEXT_BYTES = 1 << 20  # so would a checkpoint, or a line
_FIELDS = (
    "policy", "registry", "kind", "effective", "key", "maker", "approver", "narrative", "document", "clause", "purpose",
    "payee", "payee_class", "reference",
)  # fmt: skip
# What a broken archive makes zipfile raise; RuntimeError where a member is encrypted, or of a version not known here.
_UNREADABLE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, struct.error, ValueError, RuntimeError)
_WAYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others make a thousand times a thousand bytes of one
_NUMBER = re.compile("0|-?[1-9][0-9]{0,18}")


# --- an entry and its bytes ---


def parse_entry(data: bytes) -> Entry:
    """The entry of canonical bytes; InputError where they are none.

    It reads what `Entry.canonical` writes and nothing else: the entry that it gives has these very bytes. Whether the
    journal may hold it is for the gate to say.

    >>> from datetime import date
    >>> draft = Draft(kind=Kind.CLOSE, effective=date(2024, 2, 1), key="k", maker="m", approver="a", narrative="n")
    >>> parse_entry(Entry(7, date(2024, 2, 2), draft).canonical()).seq
    7
    """
    try:
        lines = [line.split("\t") for line in data.decode("utf-8").split("\n")]
        one = dict(lines[1:17])
        rest = lines[17:-1]
        draft = Draft(
            **{name: one[name] for name in _FIELDS if name not in ("kind", "effective")},
            kind=Kind(one["kind"]),
            effective=parse_day(one["effective"]),
            terms=tuple(tuple(parts) for name, *parts in rest if name == "term"),
            evidence=tuple(Evidence(*parts) for name, *parts in rest if name == "evidence"),
            postings=tuple(_posting(*parts) for name, *parts in rest if name == "posting"),
        )
        entry = Entry(_counted(one["seq"]), parse_day(one["recorded"]), draft)
        whole = entry.canonical() == data
    except (KeyError, ValueError, TypeError, IndexError, DateError):
        whole = False
    if not whole:
        wanted = "the lines of docs/reference/entry-format.md"
        raise InputError("not the canonical bytes of an entry", got=ascii(data[:200])[1:], wanted=wanted)
    return entry


def _posting(fund: str, account: str, detail: str, side: str, amount: str) -> Posting:
    return Posting(fund, account, detail, side, _number(amount))


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _counted(text: str) -> int:
    return -_number(f"-{text}")  # without a sign of its own


def split_journal(file: IO[bytes]) -> Iterator[bytes]:
    """The bytes of each entry of a journal text, read in pieces; an entry starts at its line `estate_funds entry 1`.

    Together they are the whole text. InputError where an entry does not end within 64 MiB.
    """
    held = b""
    while chunk := file.read(_CHUNK):
        first, *others = (held + chunk).split(b"\n" + _FIRST_LINE)
        pieces = [first, *(_FIRST_LINE + other for other in others)]
        for piece in pieces[:-1]:
            yield piece + b"\n"
        held = pieces[-1]
        if len(held) > MOST_ENTRY_BYTES:
            raise InputError(
                "an entry does not end", got=ascii(held[:80])[1:], wanted=f"{MOST_ENTRY_BYTES} bytes at most"
            )
    if held:
        yield held


# --- writing ---


def write_bundle(
    path: Path,
    entries: Iterable[Entry],
    *,
    checkpoint: str,
    balances: Mapping[BalanceKey, int],
    keys: Iterable[str] = (),
    evidence: Callable[[str], bytes | Path | None] = lambda digest: None,
) -> Path:
    """Write a journal as a bundle, whole or not at all.

    `checkpoint` is a note of all these entries, signed or the body alone; `balances` are those after its last entry, in
    fen, zeros left out; `keys` are verifier keys; `evidence` gives the document of a digest, or the file that holds it,
    or None where it is not kept. A document is written as it is found: whether it has its digest, the verifier says.

    CheckpointError where the checkpoint or a key is none, SealBroken where the entries are not those of the checkpoint,
    OutputError where the file cannot be written.
    """
    sealed = Checkpoint.parse(checkpoint)
    texts = {
        CHECKPOINT: checkpoint,
        KEYS: "".join(f"{VerifierKey.parse(key)}\n" for key in keys),
        BALANCES: "".join(f"{fund}\t{account}\t{detail}\t{fen}\n" for (fund, account, detail), fen in _told(balances)),
    }
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w") as bundle:
            for name, text in texts.items():
                with _member(bundle, name) as file:
                    file.write(text.encode("utf-8"))
            digests = _write_journal(bundle, entries, sealed)
            for digest in sorted(digests):
                _write_evidence(bundle, digest.hex(), evidence(digest.hex()))
        os.replace(part, path)
    except OSError as error:
        raise OutputError(
            "the bundle cannot be written",
            where=str(error.filename or path),
            got=error.strerror,
            fix="free some space, or name another file",
        ) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return path


def _told(balances: Mapping[BalanceKey, int]) -> list[tuple[BalanceKey, int]]:
    return sorted((key, fen) for key, fen in balances.items() if fen)


def _member(bundle: zipfile.ZipFile, name: str) -> IO[bytes]:
    """A member to write to: deflated, of any length, and the same for the same content on any system."""
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # as written on Unix, wherever it is written
    info.external_attr = 0o644 << 16
    return bundle.open(info, "w", force_zip64=True)


def _write_journal(bundle: zipfile.ZipFile, entries: Iterable[Entry], sealed: Checkpoint) -> set[bytes]:
    """Write the entries, and give the digests of the evidence that they name."""
    tree = Frontier()
    digests: set[bytes] = set()
    with _member(bundle, JOURNAL) as file:
        for entry in entries:
            file.write(entry.canonical())
            tree.append(entry.leaf)
            digests.update(bytes.fromhex(one.sha256) for one in entry.draft.evidence)
    if (tree.size, tree.root) != (sealed.size, sealed.root):
        raise SealBroken(
            "the entries are not those of the checkpoint",
            where=sealed.origin,
            got=head_text(tree.size, tree.root),
            wanted=sealed.head,
            fix="make a checkpoint of the journal as it is now; if it names the same size, the journal was changed",
        )
    return digests


def _write_evidence(bundle: zipfile.ZipFile, digest: str, document: bytes | Path | None) -> None:
    if document is None:
        return
    with _member(bundle, EVIDENCE + digest) as file:
        if isinstance(document, bytes):
            file.write(document)
        else:
            with document.open("rb") as source:
                shutil.copyfileobj(source, file, _CHUNK)


# --- reading ---


class Bundle:
    """A bundle that is open for reading; use it with `with`. InputError where the file is none, or is damaged.

    Nothing is verified by reading: fold `entries()` through `ledger.replay`, and verify `checkpoint` with keys that you
    have from elsewhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except _UNREADABLE as error:
            raise self._damaged("", error) from None
        names = self._zip.namelist()
        missing = [name for name in (CHECKPOINT, KEYS, BALANCES, JOURNAL) if names.count(name) != 1]
        if missing:
            self.close()
            raise InputError("not a bundle", where=str(path), got=names[:8], wanted=f"one {missing[0]} in it")

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()

    @property
    def checkpoint(self) -> str:
        """The note that came with the journal, not verified."""
        return self._text(CHECKPOINT)

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """The keys that came with the journal; they are worth as much as where the bundle came from."""
        return tuple(VerifierKey.parse(line) for line in self._text(KEYS).splitlines())

    def entries(self) -> Iterator[Entry]:
        """The entries, one by one, in the order of the journal."""
        try:
            with self._open(JOURNAL) as file:
                for data in split_journal(file):
                    yield parse_entry(data)
        except _UNREADABLE as error:
            raise self._damaged(JOURNAL, error) from None

    def balances(self) -> dict[BalanceKey, int]:
        """The balances that came with the journal, in fen on each account's normal side."""
        found: dict[BalanceKey, int] = {}
        for number, line in enumerate(self._lines(BALANCES), 1):
            try:
                fund, account, detail, fen = line.split("\t")
                found[fund, account, detail] = _counted(fen)
            except ValueError:
                where = f"{self.path}, {BALANCES}, line {number}"
                raise InputError("not a balance", where=where, got=line, wanted="fund, account, detail, fen") from None
        return found

    def _lines(self, name: str) -> Iterator[str]:
        """The lines of a member that end, one by one, each without its end."""
        try:
            with self._open(name) as file:
                while line := file.readline(MOST_TEXT_BYTES):
                    if not line.endswith(b"\n"):
                        where, wanted = f"{self.path}, {name}", f"{MOST_TEXT_BYTES} bytes at most"
                        raise InputError("a line does not end", where=where, got=ascii(line[:80])[1:], wanted=wanted)
                    yield line[:-1].decode("utf-8")
        except _UNREADABLE as error:
            raise self._damaged(name, error) from None

    def evidence(self) -> tuple[str, ...]:
        """The digests under which documents came along."""
        return tuple(name.removeprefix(EVIDENCE) for name in self._zip.namelist() if name.startswith(EVIDENCE))

    def has_its_digest(self, digest: str) -> bool:
        """Whether the document that came along under a digest has it."""
        seen = hashlib.sha256()
        try:
            with self._open(EVIDENCE + digest) as file:
                while chunk := file.read(_CHUNK):
                    seen.update(chunk)
        except _UNREADABLE as error:
            raise self._damaged(EVIDENCE + digest, error) from None
        return seen.hexdigest() == digest

    def _text(self, name: str) -> str:
        try:
            with self._open(name) as file:
                text = file.read(MOST_TEXT_BYTES + 1).decode("utf-8")
        except _UNREADABLE as error:
            raise self._damaged(name, error) from None
        if len(text) > MOST_TEXT_BYTES:
            where, wanted = f"{self.path}, {name}", f"{MOST_TEXT_BYTES} bytes at most"
            raise InputError("a text that is too long", where=where, got=text[:80], wanted=wanted)
        return text

    def _open(self, name: str) -> IO[bytes]:
        try:
            found = self._zip.getinfo(name)
            if found.compress_type not in _WAYS:
                raise zipfile.BadZipFile(f"it is neither stored nor deflated, but of type {found.compress_type}")
            return self._zip.open(found)
        except KeyError:
            raise InputError("the bundle does not hold it", where=str(self.path), got=name) from None
        except _UNREADABLE as error:
            raise self._damaged(name, error) from None

    def _damaged(self, name: str, error: Exception) -> InputError:
        where = f"{self.path}, {name}" if name else str(self.path)
        return InputError("the bundle cannot be read", where=where, got=error, fix="export it again, or copy it again")
