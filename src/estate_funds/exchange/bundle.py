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
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from estate_funds.calendar import parse_day
from estate_funds.checkpoint import Checkpoint, VerifierKey
from estate_funds.errors import DateError, InputError, OutputError, SealBroken
from estate_funds.exchange.archive import UNREADABLE, Archive
from estate_funds.exchange.manifest import FORMAT, MANIFEST, Manifest, read_model
from estate_funds.journal import ENTRY_FORMAT, Draft, Entry, Evidence, Kind, Posting
from estate_funds.merkle import Frontier, head_text, leaf_hash

BalanceKey = tuple[str, str, str]  # fund, account, detail

CHECKPOINT, KEYS, BALANCES, JOURNAL, EVIDENCE = "checkpoint", "keys.txt", "balances.txt", "journal.txt", "evidence/"
_FIRST_LINE = f"estate_funds entry {ENTRY_FORMAT}\n".encode()
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a .zip can say
_CHUNK = 1 << 20
MOST_ENTRY_BYTES = 1 << 26  # an entry without an end would fill the memory of whoever reads it
MOST_MANIFEST_BYTES, MOST_TABLE_BYTES = 1 << 22, 1 << 26
MOST_TEXT_BYTES = 1 << 20  # so would a checkpoint, or a line
_FIELDS = (
    "policy", "registry", "kind", "effective", "key", "maker", "approver", "narrative", "document", "clause", "purpose",
    "payee", "payee_class", "reference",
)  # fmt: skip
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


@dataclass(frozen=True, slots=True)
class Beside:
    """What a bundle holds beside its journal: members by name, and what the manifest says of the whole."""

    members: Mapping[str, bytes]
    told: Mapping[str, object]


def write_bundle(
    path: Path,
    entries: Iterable[Entry],
    *,
    checkpoint: str,
    balances: Mapping[BalanceKey, int],
    keys: Iterable[str] = (),
    evidence: Callable[[str], bytes | Path | None] = lambda digest: None,
    beside: Callable[[], Beside] | None = None,
) -> Path:
    """Write a journal as a bundle, whole or not at all.

    `checkpoint` is a note of all these entries, signed or the body alone; `balances` are those after its last entry, in
    fen, zeros left out; `keys` are verifier keys; `evidence` gives the document of a digest, or the file that holds it,
    or None where it is not kept. A document is written as it is found: whether it has its digest, the verifier says.
    `beside`, asked once the journal is written, gives more members, and makes it a bundle with a manifest.

    CheckpointError where the checkpoint or a key is none, SealBroken where the entries are not those of the checkpoint,
    InputError where it holds what `Bundle` would refuse, OutputError where the file cannot be written.
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
            seals: dict[str, dict[str, object]] = {}
            for name, text in texts.items():
                _write_member(bundle, name, text.encode("utf-8"), seals)
            digests = _write_journal(bundle, entries, sealed, seals)
            if beside is not None:
                more = beside()
                for name, data in more.members.items():
                    _write_member(bundle, name, data, seals)
                manifest = {**more.told, "members": seals}
                text = json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=1) + "\n"
                _write_member(bundle, MANIFEST, text.encode("utf-8"), {})
            for digest in sorted(digests):
                _write_evidence(bundle, digest.hex(), evidence(digest.hex()))
        Bundle(part).close()  # InputError for what nobody could open: too many documents, a name that none may have
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


def _write_member(bundle: zipfile.ZipFile, name: str, data: bytes, seals: dict[str, dict[str, object]]) -> None:
    with _member(bundle, name) as file:
        file.write(data)
    seals[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _write_journal(
    bundle: zipfile.ZipFile, entries: Iterable[Entry], sealed: Checkpoint, seals: dict[str, dict[str, object]]
) -> set[bytes]:
    """Write the entries, and give the digests of the evidence that they name."""
    tree, whole, length = Frontier(), hashlib.sha256(), 0
    digests: set[bytes] = set()
    with _member(bundle, JOURNAL) as file:
        for entry in entries:
            data = entry.canonical()
            file.write(data)
            whole.update(data)
            length += len(data)
            tree.append(leaf_hash(data))
            digests.update(bytes.fromhex(one.sha256) for one in entry.draft.evidence)
    seals[JOURNAL] = {"bytes": length, "sha256": whole.hexdigest()}
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

    Opening looks through the directory of the archive (see `archive`), and with a manifest holds every member but the
    journal and the documents against it: SealBroken where one is another, missing, or not named. Nothing else is
    verified by reading: fold `entries()` through `ledger.replay`, and verify `checkpoint` with keys that you have from
    elsewhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._archive = Archive(path)
        try:
            names = set(self._archive.names)
            missing = [name for name in (CHECKPOINT, KEYS, BALANCES, JOURNAL) if name not in names]
            if missing:
                raise InputError("not a bundle", where=str(path), got=sorted(names)[:8], wanted=f"{missing[0]} in it")
            self.manifest = self._read_manifest() if MANIFEST in names else None
            if self.manifest is not None:
                self._check_members(self.manifest, names)
        except BaseException:
            self.close()
            raise

    def _read_manifest(self) -> Manifest:
        where = f"{self.path}, {MANIFEST}"
        try:
            text = self._archive.read(MANIFEST, MOST_MANIFEST_BYTES).decode("utf-8")
            data = json.loads(text, object_pairs_hook=_each_once)
        except (ValueError, RecursionError) as error:
            raise InputError("not the manifest of a bundle", where=where, got=error, wanted="JSON in UTF-8") from None
        told = data.get("format") if isinstance(data, dict) else None
        if told != FORMAT:
            what = "a bundle of a format that this version does not read"
            raise InputError(what, where=where, got=told, wanted=FORMAT, fix="open it with a newer version")
        return read_model(Manifest, data, where)

    def _check_members(self, manifest: Manifest, names: set[str]) -> None:
        """Each member is as the manifest says; the journal and the documents are hashed when they are read."""
        wanted = {*manifest.members, MANIFEST}
        for name in sorted(wanted ^ {one for one in names if not one.startswith(EVIDENCE)}):
            what = "the bundle lacks a member of its manifest" if name in wanted else "a member that no manifest names"
            raise self._broken(what, name)
        for name, seal in manifest.members.items():
            if name == JOURNAL:
                continue
            found = self._digest(name)
            if (self._archive.size(name), found) != (seal.bytes, seal.sha256):
                raise self._broken("a member is not the one of the manifest", name, found, seal.sha256)

    def _broken(self, what: str, name: str, got: str = "", wanted: str = "") -> SealBroken:
        return SealBroken(what, where=f"{self.path}, {name}", got=got, wanted=wanted, fix="ask for the bundle again")

    def member(self, name: str, most_bytes: int = MOST_TABLE_BYTES) -> bytes:
        """A member that goes into memory whole; InputError where it is longer than that may be."""
        return self._archive.read(name, most_bytes)

    def lines(self, name: str) -> Iterator[str]:
        """The lines of a member, one by one, each without its end; InputError for one that does not end."""
        return self._lines(name)

    def members(self, under: str) -> list[str]:
        """The names of the members in a folder of the bundle, without that, in order."""
        return sorted(name.removeprefix(under) for name in self._archive.names if name.startswith(under))

    def __enter__(self) -> Bundle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._archive.close()

    @property
    def checkpoint(self) -> str:
        """The note that came with the journal, not verified."""
        return self._text(CHECKPOINT)

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """The keys that came with the journal; they are worth as much as where the bundle came from."""
        return tuple(VerifierKey.parse(line) for line in self._text(KEYS).splitlines())

    def entries(self) -> Iterator[Entry]:
        """The entries, one by one, in the order of the journal.

        SealBroken at the end where the journal is not the one of the manifest.
        """
        whole, length = hashlib.sha256(), 0
        try:
            with self._open(JOURNAL) as file:
                for data in split_journal(file):
                    whole.update(data)
                    length += len(data)
                    yield parse_entry(data)
        except UNREADABLE as error:
            raise self._damaged(JOURNAL, error) from None
        seal = self.manifest.members[JOURNAL] if self.manifest is not None else None
        if seal is not None and (length, whole.hexdigest()) != (seal.bytes, seal.sha256):
            raise self._broken("a member is not the one of the manifest", JOURNAL, whole.hexdigest(), seal.sha256)

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
        except UNREADABLE as error:
            raise self._damaged(name, error) from None

    def check_plain(self) -> None:
        """InputError where a bundle without a manifest holds more than a journal: its manifest was taken out."""
        plain = (CHECKPOINT, KEYS, BALANCES, JOURNAL)
        if odd := sorted(name for name in self._archive.names if name not in plain and not name.startswith(EVIDENCE)):
            what, fix = "members that no manifest names", "ask for the bundle again"
            raise InputError(what, where=str(self.path), got=odd[:8], wanted=MANIFEST, fix=fix)

    def evidence(self) -> tuple[str, ...]:
        """The digests under which documents came along."""
        return tuple(name.removeprefix(EVIDENCE) for name in self._archive.names if name.startswith(EVIDENCE))

    def has_its_digest(self, digest: str) -> bool:
        """Whether the document that came along under a digest has it."""
        return self._digest(EVIDENCE + digest) == digest

    def _digest(self, name: str) -> str:
        seen = hashlib.sha256()
        try:
            with self._open(name) as file:
                while chunk := file.read(_CHUNK):
                    seen.update(chunk)
        except UNREADABLE as error:
            raise self._damaged(name, error) from None
        return seen.hexdigest()

    def _text(self, name: str) -> str:
        data = self._archive.read(name, MOST_TEXT_BYTES)
        try:
            return data.decode("utf-8")
        except ValueError as error:
            raise self._damaged(name, error) from None

    def _open(self, name: str) -> IO[bytes]:
        return self._archive.open(name)

    def _damaged(self, name: str, error: Exception) -> InputError:
        return self._archive.damaged(name, error)


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key that stands twice")
    return found
