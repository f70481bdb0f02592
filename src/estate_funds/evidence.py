"""Source documents (原始凭证) by SHA-256: each is kept under its digest, whole or not at all, and never changed.

The document of digest `abcdef…` lies at `ab/cdef…` in the folder, read-only. It is written beside, under a name that
nobody looks for, made durable, and then given its name in one step: a kill leaves a partial file that is swept later,
never half a document. An entry names the digest, the digest is in the hash tree, so whoever holds the tree can tell
that a document is the one that was approved. docs/reference/evidence.md describes the folder.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from estate_funds.audit.report import Coverage, Finding, Severity
from estate_funds.errors import EvidenceAltered, EvidenceError
from estate_funds.text import counted

CHUNK = 1 << 20  # bytes read at a time: a scan may be larger than the memory
SWEPT_AFTER_S = 3600  # a writer that lives touches its partial file with each chunk
READ_ONLY = 0o444  # less what the umask takes away
_PARTIAL = ".partial-"
_DIGEST = re.compile("[0-9a-f]{64}")
_FAN_OUT = 2  # digits of the digest that name the sub-folder: 256 of them
_WITHOUT_OVERWRITING = os.rename if os.name == "nt" else os.link  # FileExistsError where the name is taken
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV}  # a file system without links


class State(StrEnum):
    """What became of the document of a digest."""

    HELD = "held"
    MISSING = "missing"
    ALTERED = "altered"
    UNREADABLE = "unreadable"  # it may be whole: nobody could look


class Fault(NamedTuple):
    """A document that is not kept as the journal names it: what it is, what became of it, which entries rest on it."""

    sha256: str
    kind: str
    state: State
    entries: tuple[int, ...]  # sequence numbers


@dataclass(frozen=True, slots=True)
class EvidenceAudit:
    """The documents that a journal names, looked for in a folder.

    `documents` counts distinct digests, `held` those that are there and whole; `strays` are the files that no entry
    names, which is no fault: a run that was killed, or refused, may leave some.
    """

    documents: int
    held: int
    faults: tuple[Fault, ...]
    strays: tuple[str, ...]

    @property
    def coverage(self) -> Coverage:
        """How many of the documents were looked for, and read where they are there."""
        unread = len({fault.sha256 for fault in self.faults if fault.state is State.UNREADABLE})
        note = f"{counted(len(self.strays), 'file')} in the folder that no entry names" if self.strays else ""
        what = "source documents compared with their digests"
        return Coverage(what, self.documents - unread, self.documents, note)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """An error for each document that is missing, altered or unreadable; one where the whole folder is missing."""
        gone = not self.held and not self.strays and all(fault.state is State.MISSING for fault in self.faults)
        return (_all_missing(self),) if gone and self.documents > 1 else tuple(map(_finding, self.faults))


class EvidenceFolder:
    """A content-addressed folder of source documents; made when the first is added.

    Any number of processes may add to one folder at once. Every method raises EvidenceError where the folder cannot be
    used: full, no permission, gone since it was first seen.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._seen = self._there()
        self._swept = False
        if not self._seen and os.path.lexists(self.path):
            raise EvidenceError("the evidence folder is no folder", where=str(self.path), fix="name another place")

    def place(self, digest: str) -> Path:
        """Where the document of a digest lies, if it is kept; EvidenceError for what is no digest."""
        if not _DIGEST.fullmatch(digest):
            raise EvidenceError("not a SHA-256 digest", got=repr(digest), wanted="64 hexadecimal digits, lower case")
        return self.path.joinpath(digest[:_FAN_OUT], digest[_FAN_OUT:])

    def _there(self) -> bool:
        with _explained(self.path):
            return self.path.is_dir()

    # --- keeping ---

    def add(self, path: str | Path, *, digest: str = "") -> str:
        """Keep a copy of a file, and say its digest; of a link, a copy of what it leads to.

        Given the `digest` that the file had, a file that was changed since is refused, and one whose document is kept
        already is not read again. Raises EvidenceError for what is not a file, cannot be read or is empty,
        EvidenceAltered where another document is kept under the digest.
        """
        if digest and self.check(digest) is State.HELD:
            return digest
        with _document(Path(path)) as source:
            return self._keep(_chunks(source, str(path)), digest, str(path))

    def add_bytes(self, content: bytes, *, digest: str = "") -> str:
        """Keep a document that is in memory, such as an upload; otherwise as `add`."""
        return self._keep((content,), digest, f"{counted(len(content), 'byte')} in memory")

    def keep(self, files: Mapping[str, Path], named: Iterable[str]) -> tuple[str, ...]:
        """Keep the documents of the digests `named`, from the `files` by digest; the digests that nobody has.

        Call it before the entries that name them are committed: a crash in between leaves a document too many, which
        does no harm, and never an entry without its document. What is there already is not read again: an audit does.
        """
        absent = [digest for digest in dict.fromkeys(named) if not self.has(digest)]
        for digest in absent:
            if digest in files:
                self.add(files[digest], digest=digest)
        return tuple(digest for digest in absent if digest not in files)

    def sweep(self, *, older_than_s: int = SWEPT_AFTER_S) -> int:
        """Delete the partial files of processes that were killed, and say how many."""
        before, swept = time.time() - older_than_s, 0
        with _explained(self.path):
            for entry in _scan(self.path):
                with suppress(FileNotFoundError):  # another process swept it, or has just given it its name
                    if entry.name.startswith(_PARTIAL) and entry.stat(follow_symlinks=False).st_mtime <= before:
                        _discard(Path(entry.path))
                        swept += 1
        return swept

    def _keep(self, chunks: Iterable[bytes], wanted: str, where: str) -> str:
        self._be_there()
        hasher = hashlib.sha256()
        partial = self.path.joinpath(_PARTIAL + secrets.token_hex(16))
        with _explained(self.path):
            try:
                with os.fdopen(_created(partial), "wb") as file:
                    for chunk in chunks:
                        hasher.update(chunk)
                        file.write(chunk)
                    digest = _checked(hasher.hexdigest(), file.tell(), wanted, where)
                    file.flush()
                    os.fsync(file.fileno())
                self._give_name(partial, digest)
            finally:
                _discard(partial)
        return digest

    def _be_there(self) -> None:
        """The folder, made on first use; one that was there and is gone is not made anew: a share was lost."""
        if not self._there():
            if self._seen:
                raise _gone(self.path)
            with _explained(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                _sync_folder(self.path.parent)
        self._seen = True
        if not self._swept:
            self._swept = True
            with suppress(EvidenceError):  # somebody else's, perhaps: no reason not to add
                self.sweep()

    def _give_name(self, partial: Path, digest: str) -> None:
        """The last step, which cannot overwrite: a name that is taken must stand for the same document."""
        place = self.place(digest)
        place.parent.mkdir(exist_ok=True)
        try:
            _WITHOUT_OVERWRITING(partial, place)
        except FileExistsError:
            self._must_be_whole(digest)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(place):
                self._must_be_whole(digest)
            else:
                os.replace(partial, place)  # a race between the two lines ends with the same document twice written
        for folder in (place.parent, self.path):  # also where another process made either, and has not come so far
            _sync_folder(folder)

    def _must_be_whole(self, digest: str) -> None:
        if self.check(digest) is not State.HELD:
            raise _altered(self.place(digest), digest)

    # --- reading ---

    def open(self, digest: str) -> BufferedReader:
        """The document of a digest, for reading from its first byte; it is compared with its digest before.

        Raises EvidenceError where it is not kept, EvidenceAltered where something else is.
        """
        found = self._opened(digest)
        if isinstance(found, State):
            if found is State.ALTERED:
                raise _altered(self.place(digest), digest)
            where, fix = str(self.path), "put the document back: its digest says which it is"
            raise EvidenceError("no such document is kept", where=where, wanted=digest, fix=fix)
        try:
            with _explained(self.path):
                whole = hashlib.file_digest(found, "sha256").hexdigest() == digest
                found.seek(0)
            if not whole:
                raise _altered(self.place(digest), digest)
        except BaseException:
            found.close()
            raise
        return found

    def has(self, digest: str) -> bool:
        """Whether something is kept under a digest; it is not read, so `check` may know better."""
        with _explained(self.path):
            return os.path.lexists(self.place(digest))

    def check(self, digest: str) -> State:
        """Whether the document of a digest is held, missing or altered; every byte of it is read."""
        found = self._opened(digest)
        if isinstance(found, State):
            return found
        with found, _explained(self.path):
            return State.HELD if hashlib.file_digest(found, "sha256").hexdigest() == digest else State.ALTERED

    def _opened(self, digest: str) -> BufferedReader | State:
        """The file under a digest; a link, a folder or a pipe in its place is another's, and not followed."""
        place = self.place(digest)
        if self._seen and not self._there():
            raise _gone(self.path)
        with _explained(place):
            try:
                if not stat.S_ISREG(os.lstat(place).st_mode):
                    return State.ALTERED
                return place.open("rb")
            except (FileNotFoundError, NotADirectoryError):
                return State.MISSING

    def __iter__(self) -> Iterator[str]:
        """The digests of all that is kept, in order; nothing is read."""
        return (digest for digest, _ in self._files() if digest)

    def _files(self) -> Iterator[tuple[str, str]]:
        """Each file's digest, empty for a name that is none, and its name within the folder."""
        with _explained(self.path):
            for entry in _scan(self.path):
                inside = entry.is_dir(follow_symlinks=False) and re.fullmatch(f"[0-9a-f]{{{_FAN_OUT}}}", entry.name)
                names = [f"{entry.name}/{one.name}" for one in _scan(entry.path)] if inside else [entry.name]
                for name in names:
                    digest = name.replace("/", "", 1)
                    if not name.startswith(_PARTIAL):
                        yield digest if inside and _DIGEST.fullmatch(digest) else "", name

    # --- audit ---

    def audit(self, named: Iterable[tuple[int, str, str]]) -> EvidenceAudit:
        """Look for every document that entries name: (sequence number, kind, digest), in any order, taken once.

        Each document is read once, however many entries name it.
        """
        return audited(named, self._state, self._files())

    def _state(self, digest: str) -> State:
        """As `check`, but an audit goes on past what cannot be read, and past what is no digest and so kept nowhere."""
        if not _DIGEST.fullmatch(digest):
            return State.MISSING
        try:
            return self.check(digest)
        except EvidenceError:
            return State.UNREADABLE


def audited(
    named: Iterable[tuple[int, str, str]], state_of: Callable[[str], State], kept: Iterable[tuple[str, str]]
) -> EvidenceAudit:
    """What became of the documents that entries name: (sequence number, kind, digest), in any order, taken once.

    `state_of` is asked once for each digest; `kept` is all that is there: the digest, and its name.
    """
    states: dict[str, State] = {}
    faults: dict[tuple[str, str], list[int]] = {}
    for seq, kind, digest in named:
        if digest not in states:
            states[digest] = state_of(digest)
        if states[digest] is not State.HELD:
            faults.setdefault((digest, kind), []).append(seq)
    held = sum(state is State.HELD for state in states.values())
    found = tuple(Fault(digest, kind, states[digest], tuple(seqs)) for (digest, kind), seqs in faults.items())
    return EvidenceAudit(len(states), held, found, tuple(name for digest, name in kept if digest not in states))


def folder_beside(database: str | Path) -> Path:
    """Where the documents of a ledger in a file lie, unless somebody says otherwise: beside it.

    >>> folder_beside("books/donghu.db").name
    'donghu.db.evidence'
    """
    database = Path(database)
    return database.with_name(f"{database.name}.evidence")


_SAID = {  # what became of it, what was found, what clears it
    State.MISSING: ("is not in the evidence folder", "nothing", "put it back: its digest says which it is"),
    State.ALTERED: ("is not what was booked", "another document", "restore it from a backup; find out who changed it"),
    State.UNREADABLE: ("cannot be read", "no answer", "let the auditor read it, and audit again"),
}


def _finding(fault: Fault) -> Finding:
    first, more = fault.entries[0], len(fault.entries) - 1
    where = f"entry {first}" + (f" and {counted(more, 'other')}" if more else "")
    what, got, clear = _SAID[fault.state]
    rule, wanted = f"evidence-{fault.state}", f"sha256:{fault.sha256}"
    return Finding(rule, Severity.ERROR, f"the {fault.kind} {what}", where, got, wanted, clear=clear)


def _all_missing(found: EvidenceAudit) -> Finding:
    entries = sorted({seq for fault in found.faults for seq in fault.entries})
    where = f"entry {entries[0]}" + (f" and {counted(len(entries) - 1, 'other')}" if len(entries) > 1 else "")
    what = f"none of the {found.documents} source documents is in the evidence folder: it is empty, or not there"
    clear = "see that it is the right folder, and its disk or share is there; or put the documents back"
    wanted = counted(found.documents, "document")
    return Finding(f"evidence-{State.MISSING}", Severity.ERROR, what, where, "nothing", wanted, clear=clear)


def _checked(digest: str, size: int, wanted: str, where: str) -> str:
    """The digest of what was read; nothing, and what was changed since somebody hashed it, are no evidence."""
    if not size:
        raise EvidenceError("an empty document is no evidence", where=where, fix="name the document itself")
    if wanted and digest != wanted:
        fix = "load the case again: its entries are to name what is there now"
        raise EvidenceError(
            "the document was changed since it was hashed", where=where, got=digest, wanted=wanted, fix=fix
        )
    return digest


@contextmanager
def _document(path: Path) -> Iterator[BufferedReader]:
    """A file to be kept, open for reading; what would block or never end is not opened."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a device or a pipe"
            raise EvidenceError("not a file", where=str(path), got=kind, wanted="a document")
        source = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise EvidenceError("there is no such document", where=str(path), fix="check the name") from None
    except OSError as error:
        raise _unreadable(error, str(path)) from None
    with source:
        yield source


def _chunks(source: BufferedReader, where: str) -> Iterator[bytes]:
    try:
        while chunk := source.read(CHUNK):
            yield chunk
    except OSError as error:
        raise _unreadable(error, where) from None


def _scan(folder: str | Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, in order of names; nothing where the folder is not there."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []


def _created(partial: Path) -> int:
    """A file that is new and read-only from the start; whoever made it may still write."""
    return os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), READ_ONLY)


def _discard(partial: Path) -> None:
    with suppress(FileNotFoundError):  # it has its name, or was never made
        if os.name == "nt":
            os.chmod(partial, stat.S_IWRITE)  # what is read-only cannot be deleted there
        os.unlink(partial)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system lets one do so."""
    if os.name == "nt":
        return  # a folder cannot be opened there
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- messages ---

_WHY = {
    errno.ENOSPC: ("the disk is full: the document was not kept", "make room and run again; what is kept stands"),
    errno.EDQUOT: ("the quota is used up: the document was not kept", "make room and run again; what is kept stands"),
    errno.EFBIG: ("the document is larger than the file system allows", "keep the evidence folder elsewhere"),
    errno.EACCES: ("no permission to use the evidence folder", "see who owns it, and with which rights"),
    errno.EPERM: ("no permission to use the evidence folder", "see who owns it, and with which rights"),
    errno.EROFS: ("the evidence folder is on a read-only file system", "keep it where it can be written"),
    errno.ENOTDIR: ("something that is no folder stands in the way", "move it away"),
    errno.EEXIST: ("something that is no folder stands in the way", "move it away"),
}


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """An error of the system as one of this library."""
    try:
        yield
    except FileNotFoundError:
        raise _gone(path) from None
    except OSError as error:
        what, fix = _WHY.get(error.errno or 0, ("the evidence folder cannot be used", "see what the system says"))
        raise EvidenceError(what, where=str(path), got=error.strerror, fix=fix) from None


def _gone(path: Path) -> EvidenceError:
    fix = "see that the disk or the share is there; it is not made anew, or documents would seem lost"
    return EvidenceError("the evidence folder is gone", where=str(path), fix=fix)


def _unreadable(error: OSError, where: str) -> EvidenceError:
    return EvidenceError("the document cannot be read", where=where, got=error.strerror, fix="see who may read it")


def _altered(place: Path, digest: str) -> EvidenceAltered:
    return EvidenceAltered(
        "what is kept under this digest is another document",
        where=str(place),
        wanted=f"sha256:{digest}",
        fix="restore it from a backup, and find out who changed it; nothing was overwritten",
    )


__all__ = ["EvidenceAudit", "EvidenceFolder", "Fault", "State", "audited", "folder_beside"]
