"""The bundle of a case: books, documents, register and facts in one file that is audited with nothing else.

`packed` makes what lies beside the journal: the tables, under pseudonyms unless told otherwise, the text of every
document, and what a manifest says of both. Before a bundle is finished its case is read back from those very bytes, and
must give the claims and facts that the case itself gives. `audit_bundle` is the other end: nothing is extracted,
executed or fetched, and what a bundle cannot hold, the report says.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from estate_funds import __version__
from estate_funds.audit import AuditReport, Coverage, Finding, audit
from estate_funds.audit.catalogue import RULES
from estate_funds.audit.journal import KEPT_HEADS, Kept, Replayed, SealedCopy, replayed, snapshot_digest
from estate_funds.audit.rules import Rule
from estate_funds.calendar import given_day, parse_day
from estate_funds.case import Case
from estate_funds.checkpoint import Checkpoint
from estate_funds.errors import CaseError, CellError, InputError, SealBroken, UnknownDocument, nearest
from estate_funds.evidence import EvidenceFolder, State, audited
from estate_funds.exchange.bundle import MOST_TABLE_BYTES, MOST_TEXT_BYTES, Beside, Bundle, write_bundle
from estate_funds.exchange.columns import TABLES
from estate_funds.exchange.facts import fact_tables
from estate_funds.exchange.folder import Folder
from estate_funds.exchange.manifest import FORMAT, CaseSeal, Manifest
from estate_funds.exchange.pseudonyms import Named, Tables, pseudonym
from estate_funds.journal import ENTRY_FORMAT, Entry
from estate_funds.ledger import BalanceKey, Ledger
from estate_funds.load import HOUSEHOLD_FILES, document_text, load_case
from estate_funds.merkle import Frontier, within_batch
from estate_funds.text import counted

CASE, POLICIES, PAPERS, CHECKPOINTS = "case/", "policies/", "papers.txt", "checkpoints/"
BLOCKS, SNAPSHOTS = "blocks.txt", "snapshots.txt"
MOST_HOUSEHOLD_BYTES = 1 << 28
PROGRESS_EVERY = 500
_UNSEEN = "a bundle holds the journal, not the database that it was kept in"


# --- the folder of a case within a bundle -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a case inside a bundle."""

    name: str
    read: Callable[[], bytes] | None

    @property
    def suffix(self) -> str:
        """The end of its name, with the dot."""
        return Path(self.name).suffix

    def is_file(self) -> bool:
        """Whether the bundle holds it."""
        return self.read is not None

    def read_bytes(self) -> bytes:
        """All of it."""
        if self.read is None:
            raise InputError("the bundle does not hold it", got=self.name)
        return self.read()


class Packed:
    """The case of a bundle as a `Folder`: `read` gives a member; a name that is not in it leads nowhere."""

    def __init__(
        self, where: str, seal: CaseSeal, papers: Mapping[str, str], held: Iterable[str], read: Callable[[str], bytes]
    ) -> None:
        self.where = where
        self.registry_digest = seal.registry
        self._seal, self._papers, self._read = seal, papers, read
        self._held = sorted(name.removeprefix(CASE) for name in held if name.startswith(CASE))

    def file(self, name: str) -> Member:
        """The table of that name, be it there or not."""
        return Member(name, (lambda: self._read(CASE + name)) if name in self._held else None)

    def names(self) -> list[str]:
        """The names of its tables, in order."""
        return list(self._held)

    def digest(self, name: str) -> str:
        """The digest of a table as the register counted it."""
        if name not in self._seal.files:
            raise InputError("the manifest does not tell the digest of this table", where=self.where, got=name)
        return self._seal.files[name]

    def paper(self, place: str) -> tuple[str, None]:
        """The digest of a source document that a row names, as it was when the bundle was made."""
        if place not in self._papers:
            raise CellError("the bundle does not know this evidence")
        return self._papers[place], None

    def document(self, name: str) -> tuple[str, str]:
        """The text of a document that the case names, which is never one that ships: that may be another by now."""
        member = self._seal.documents.get(name, "")
        if not member.startswith(POLICIES):
            raise UnknownDocument("the bundle does not hold this document", fix=nearest(name, self._seal.documents))
        try:
            return self._read(member).decode("utf-8"), member
        except UnicodeDecodeError:
            raise InputError("a document that is not UTF-8", where=f"{self.where}, {member}") from None


def most_bytes(member: str) -> int:
    """How long a member of a case may be: it goes into memory.

    >>> most_bytes("case/case.toml"), most_bytes("case/estates.csv"), most_bytes("case/households.csv")
    (1048576, 67108864, 268435456)
    """
    name = member.removeprefix(CASE)
    if name in HOUSEHOLD_FILES:
        return MOST_HOUSEHOLD_BYTES
    return MOST_TEXT_BYTES if name == "case.toml" or member.startswith(POLICIES) else MOST_TABLE_BYTES


# --- packing ------------------------------------------------------------------------------------------------------


class SealedBlock(Protocol):
    """A sealed block of a store: its number, its first and last entry, the root of the tree over them."""

    @property
    def number(self) -> int: ...
    @property
    def first_seq(self) -> int: ...
    @property
    def last_seq(self) -> int: ...
    @property
    def root(self) -> bytes: ...


def beside_books(
    notes: Iterable[tuple[int, str]],
    blocks: Iterable[SealedBlock],
    snapshots: Iterable[tuple[int, Mapping[BalanceKey, int]]],
) -> dict[str, bytes]:
    """The members that a store adds: checkpoints that were kept (size, note), roots of blocks, digests of snapshots."""
    numbered = enumerate(sorted(notes), start=1)
    members = {f"{CHECKPOINTS}{number:04d}": note.encode("utf-8") for number, (_, note) in numbered}
    members[BLOCKS] = "".join(f"{b.number}\t{b.first_seq}\t{b.last_seq}\t{b.root.hex()}\n" for b in blocks).encode()
    members[SNAPSHOTS] = "".join(f"{seq}\t{snapshot_digest(drawn)}\n" for seq, drawn in snapshots).encode()
    return members


@dataclass(frozen=True)
class Packing:
    """How a case is packed: `as_of` is the day of the audit; a `salt` hides names, and none leaves them plain.

    `hide` names facts that are text and say who somebody is. `documents` is the folder of the source documents, where
    they are to come along.
    """

    case: Case
    as_of: date
    origin: str
    salt: bytes | None = None
    hide: tuple[str, ...] = ()
    documents: EvidenceFolder | None = None

    def __post_init__(self) -> None:
        if isinstance(self.case.folder, Packed):
            what = "a case that came out of a bundle is not packed again"
            raise CaseError(what, where=self.case.folder.where, fix="load the folder that the bundle was made from")
        known = {name for d in self.case.documents.values() for name, rule in d.facts.items() if rule.type == "text"}
        for name in self.hide:
            if name not in known:
                raise InputError("not a fact that is text", where="hide", got=repr(name), fix=nearest(name, known))
        if self.salt is not None:
            pseudonym("", self.salt)  # InputError, before anything is written

    def tables(self) -> tuple[Tables, dict[str, str]]:
        """The tables of the case as they stand, a household file in columns as rows, and their digests."""
        folder, files, digests = self.case.folder, dict[str, bytes](), dict[str, str]()
        names = [name for name in ("case.toml", *TABLES, "households.parquet") if folder.file(name).is_file()]
        for name in dict.fromkeys([*names, *fact_tables(folder)]):
            held = folder.file(name)
            as_rows = name == "households.parquet" and self.salt is not None
            kept = "households.csv" if as_rows else name
            files[kept] = _in_rows(held) if as_rows else held.read_bytes()
            if name in ("estates.csv", *HOUSEHOLD_FILES):
                digests[kept] = folder.digest(name)
        rules = {name: rule for d in self.case.documents.values() for name, rule in d.facts.items()}
        texts = frozenset(name for name, rule in rules.items() if rule.type == "text")
        return Tables(files, texts, frozenset(self.hide)), digests

    def write(
        self,
        out: Path,
        entries: Iterable[Entry],
        ledger: Ledger,
        notes: Sequence[tuple[Checkpoint, str]],
        keys: Iterable[str],
        blocks: Iterable[SealedBlock],
        snapshots: Iterable[tuple[int, Mapping[BalanceKey, int]]],
    ) -> Path:
        """Write the bundle of a journal, the ledger after it, and what a store keeps beside it.

        `notes` are checkpoints that the journal passed through; one of all its entries takes the place of an unsigned
        one.
        """
        now = Checkpoint(self.origin, ledger.tree.size, ledger.tree.root)
        tables, digests = self.tables()
        named, folder = Named(tables.persons() if self.salt is not None else set()), self.documents
        more = beside_books([(told.size, note) for told, note in notes], blocks, snapshots)
        return write_bundle(
            out,
            named.watched(entries),
            checkpoint=next((note for told, note in notes if told.head == now.head), now.body),
            balances=ledger.balances,
            keys=keys,
            evidence=lambda digest: folder.place(digest) if folder is not None and folder.has(digest) else None,
            beside=lambda: self._beside(tables, digests, named, more),
        )

    def _beside(self, tables: Tables, digests: dict[str, str], named: Named, more: Mapping[str, bytes]) -> Beside:
        persons = named.persons
        left = named.found | (persons & (tables.public() | _fund_parts(self.case)))
        hidden = persons - left
        salt = self.salt or b""
        names = {text: pseudonym(text, salt) for text in sorted(hidden)}
        if not names:  # nothing to hide: every table byte for byte
            tables, digests = replace(self, salt=None).tables()
        files = tables.rewritten(lambda text: names.get(text, text)) if names else dict(tables.files)
        members = {CASE + name: data for name, data in sorted(files.items())}
        for name, data in members.items():
            if len(data) > (most := most_bytes(name)):
                got, wanted = f"{len(data):,} bytes", f"{most:,} at most"
                raise CaseError("a file that is too long for a bundle", where=name, got=got, wanted=wanted)
        documents = {}
        for name in self.case.file.documents:
            text, _ = document_text(name, self.case.folder)
            digest = f"sha256:{hashlib.sha256(text.encode('utf-8')).hexdigest()}"
            own = next((d.id for d in self.case.documents.values() if d.text_digest == digest), None)
            if own is None:
                raise CaseError("a document was changed after it was read", where=name, fix="load the case again")
            documents[name] = f"{POLICIES}{own}.toml"
            members[documents[name]] = text.encode("utf-8")
        papers = sorted(self.case.papers.places.items())
        if broken := [place for place, _ in papers if "\n" in place]:
            raise CaseError("a file of evidence with a line feed in its name", got=repr(broken[0]), fix="rename it")
        members[PAPERS] = "".join(f"{digest}\t{place}\n" for place, digest in papers).encode("utf-8")
        members |= more
        seal = CaseSeal(
            id=self.case.file.id,
            registry=self.case.registry_digest,
            policies=self.case.policy_digests,
            documents=documents,
            files=digests,
        )
        _check_same(self.case, Packed("the bundle", seal, dict(papers), members, members.__getitem__), names)
        told: dict[str, object] = {
            "format": FORMAT,
            "versions": {"estate_funds": __version__, "entry": str(ENTRY_FORMAT), "case": str(self.case.file.format)},
            "origin": self.origin,
            "as_of": str(self.as_of),
            "documents_included": self.documents is not None,
            "case": seal.model_dump(),
            "pseudonyms": {
                "hashed": self.salt is not None,
                "names": len(names),
                "named_by_journal": len(left),
                "hidden_facts": sorted(self.hide),
            },
        }
        return Beside(members, told)


def _in_rows(held: Any) -> bytes:
    """A household file in columns as one in rows, each cell as the reader of households takes it."""
    from estate_funds.exchange.households import household_cells

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(household_cells(held))
    return text.getvalue().encode("utf-8")


def _fund_parts(case: Case) -> set[str]:
    """The holders of the funds that case.toml names, and whom it pays."""
    funds = [a.fund for a in case.file.appropriations]
    return {part for fund in funds for part in fund.split("/")} | {payee.name for payee in case.file.payees.values()}


def _check_same(case: Case, packed: Folder, names: Mapping[str, str]) -> None:
    """The case that a bundle holds gives the very claims and facts of the case; CaseError where it does not."""
    try:
        again = load_case(packed)
    except InputError as error:
        raise CaseError("the case cannot be read back from the bundle", where=packed.where, got=error) from None

    def told(one: Case, renamed: Mapping[str, str]) -> list[tuple[object, ...]]:
        def under(text: str) -> str:
            return "/".join(renamed.get(part, part) for part in text.split("/"))

        claims = sorted(
            (
                under(c.claim_id),
                c.status,
                c.amount_fen,
                c.potential_fen,
                str(c.decided_on),
                under(c.payee),
                str(c.shares),
            )
            for c in one.claims
        )
        return [*claims, *((step.draft.key, step.draft.content_digest) for step in one.facts)]

    if told(case, names) != told(again, {}) or case.policy_digests != again.policy_digests:
        raise CaseError(
            "the case of the bundle is not the case: names decide an amount, or a file was changed meanwhile",
            where=case.folder.where,
            fix="load the case again; if that does not help, pack it with plain names",
        )


# --- auditing -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of a bundle, and what stands for the root that a store keeps beside it."""

    entry: Entry
    leaf: bytes
    root: bytes


def audit_bundle(
    path: str | Path,
    case: Case | None = None,
    *,
    year: int | None = None,
    as_of: date | None = None,
    kept_heads: Iterable[str] = (),
    bank: Any = None,
    rules: Iterable[Rule] = RULES,
    progress: Callable[[int], None] | None = None,
) -> AuditReport:
    """Audit a bundle, of any format, against the case that it holds, or another one that is given.

    Everything else is as for `Books.audit`. What is due is judged as of the day on which the bundle was made, unless
    `as_of` says otherwise: so the same bundle gives the same report on any day. Raises InputError for what is no sound
    bundle, SealBroken for one that is not what its manifest says.
    """
    with Bundle(Path(path)) as bundle:
        manifest = bundle.manifest
        day = given_day(as_of, "as_of") if as_of is not None else parse_day(manifest.as_of) if manifest else None
        if manifest is None:
            bundle.check_plain()
        own = case if case is not None or manifest is None else case_of(bundle, manifest)
        sealed = Checkpoint.parse(bundle.checkpoint)
        own_notes = checkpoints_of(bundle)
        heads = [*kept_heads, *(one.head for one in own_notes)]
        report = audit(
            _replayed(bundle, sealed, heads, progress),
            own,
            year=year,
            as_of=day,
            evidence=_documents(bundle),
            bank=bank,
            rules=rules,
        )
    if case is None and manifest is not None and manifest.pseudonyms.names:
        names = counted(manifest.pseudonyms.names, "name")
        note = f"not checked: {names} hashed; whoever has the salt can make the bundle again, and compare"
        line = Coverage("digest of the register, from its tables", 0, 1, note)
        report = replace(report, coverage=(*report.coverage, line))
    return _told_apart(report, len(own_notes))


def _replayed(
    bundle: Bundle, sealed: Checkpoint, heads: Sequence[str], progress: Callable[[int], None] | None
) -> Replayed:
    """The journal of a bundle through the gate; a long one in columns, unless something is wrong with it."""
    snapshots = _snapshots(bundle)
    drawn = {seq for seq, _ in snapshots}

    def kept() -> Kept:
        sealed_blocks = _blocks(bundle) if bundle.manifest is not None else None
        due = drawn.__contains__
        return Kept(
            sealed.size,
            sealed=sealed_blocks,
            snapshots=iter(snapshots),
            due=lambda ledger, since: due(ledger.seq),
            unseen=_UNSEEN,
        )

    from estate_funds.columns.replaying import replayed_in_columns
    from estate_funds.columns.shelf import shelf_for

    shelf = shelf_for(sealed.size)
    if shelf is None:
        return replayed(_stored(bundle, sealed, drawn, progress), heads, kept())
    entries = _told(bundle, progress)
    found = replayed_in_columns(entries, sealed.size, sealed.root, heads, kept(), drawn)
    return replayed(_stored(bundle, sealed, drawn, None), heads, kept(), shelf) if found is None else found


def _told_apart(report: AuditReport, own: int) -> AuditReport:
    """Say of checkpoints that came with what they vouch for that they did: their signatures are what counts."""
    more = f"; {own} came with the bundle: see who signed with verify"
    lines = (replace(c, note=c.note + more) if own and c.what == KEPT_HEADS else c for c in report.coverage)
    return replace(report, coverage=tuple(lines))


def open_case(path: str | Path) -> Case:
    """The case that a bundle holds; InputError where it holds none."""
    with Bundle(Path(path)) as bundle:
        if bundle.manifest is None:
            what = "a bundle of the journal alone holds no case"
            raise InputError(what, where=str(path), fix="make one with: estate-funds bundle LEDGER --case CASE")
        return case_of(bundle, bundle.manifest)


def case_of(bundle: Bundle, manifest: Manifest) -> Case:
    """The case within an open bundle; SealBroken where its digests are not those of the manifest."""
    seal = manifest.case
    papers = dict(line.partition("\t")[::2][::-1] for line in bundle.lines(PAPERS))

    folder = Packed(
        str(bundle.path), seal, papers, manifest.members, lambda name: bundle.member(name, most_bytes(name))
    )
    if not manifest.pseudonyms.names:
        folder.registry_digest = ""  # its tables say it
        for name, digest in seal.files.items():
            held = manifest.members.get(CASE + name)
            if held is None or held.sha256 != digest:
                raise _other("a table is not the one that the register counted", bundle, name, digest)
    case = load_case(folder)
    if case.policy_digests != seal.policies:
        got = ", ".join(f"{name} {digest}" for name, digest in sorted(case.policy_digests.items()))
        raise _other("the documents are not those of the manifest", bundle, got, str(seal.policies))
    if case.registry_digest != seal.registry:
        raise _other("the register is not the one of the manifest", bundle, case.registry_digest, seal.registry)
    return case


def _other(what: str, bundle: Bundle, got: str, wanted: str) -> SealBroken:
    return SealBroken(what, where=str(bundle.path), got=got, wanted=wanted, fix="ask for the bundle again")


def checkpoints_of(bundle: Bundle) -> list[Checkpoint]:
    """The checkpoints that somebody kept and put in, oldest first; CheckpointError for none."""
    names = bundle.members(CHECKPOINTS)
    return [Checkpoint.parse(bundle.member(CHECKPOINTS + name, MOST_TEXT_BYTES)) for name in names]


def _stored(
    bundle: Bundle, sealed: Checkpoint, drawn: set[int], progress: Callable[[int], None] | None
) -> Iterator[_Entry]:
    """The entries, one batch up to each snapshot and up to the end, whose root is that of the checkpoint."""
    tree, ends = Frontier(), sorted({*drawn, sealed.size})
    for number, entry in enumerate(_told(bundle, progress), start=1):
        leaf = entry.leaf
        tree.append(leaf)
        while ends and ends[0] < number:
            ends.pop(0)
        if number == sealed.size:
            root = sealed.root
        elif not ends:
            root = b""  # beyond the checkpoint: of nobody's journal
        else:
            root = tree.root if ends[0] == number else within_batch(ends[0])
        yield _Entry(entry, leaf, root)


def _told(bundle: Bundle, progress: Callable[[int], None] | None) -> Iterator[Entry]:
    for number, entry in enumerate(bundle.entries(), start=1):
        yield entry
        if progress is not None and number % PROGRESS_EVERY == 0:
            progress(number)


def _snapshots(bundle: Bundle) -> list[tuple[int, str]]:
    return [(int(seq), digest) for seq, digest in _records(bundle, SNAPSHOTS, 1, 2)]


def _blocks(bundle: Bundle) -> Iterator[SealedCopy]:
    for number, first, last, root in _records(bundle, BLOCKS, 3, 4):
        yield SealedCopy(int(number), int(first), int(last), b"", root=bytes.fromhex(root))


def _records(bundle: Bundle, name: str, numbers: int, parts: int) -> Iterator[list[str]]:
    """The lines of a member of so many numbers and then a digest; InputError for another line."""
    if bundle.manifest is None:
        return
    for at, line in enumerate(bundle.lines(name), start=1):
        found = line.split("\t")
        sound = len(found) == parts and all(p.isascii() and p.isdecimal() and len(p) < 19 for p in found[:numbers])
        if not sound or len(found[-1]) != 64 or set(found[-1]) - set("0123456789abcdef"):
            where, wanted = f"{bundle.path}, {name}, line {at}", f"{counted(numbers, 'number')} and a digest"
            raise InputError("not a line of this member", where=where, got=line, wanted=wanted)
        yield found


def _documents(bundle: Bundle) -> Callable[[Iterable[Entry]], tuple[Coverage, Sequence[Finding]]]:
    """What looks at the source documents: those that came along, or that none did."""
    held = bundle.evidence()
    came = bool(held) if bundle.manifest is None else bundle.manifest.documents_included

    def state_of(digest: str) -> State:
        if digest not in kept:
            return State.MISSING
        return State.HELD if bundle.has_its_digest(digest) else State.ALTERED

    def compared(entries: Iterable[Entry]) -> tuple[Coverage, Sequence[Finding]]:
        named = ((entry.seq, kind, digest) for entry in entries for kind, digest in entry.draft.evidence)
        if not came and (of := len({digest for _, _, digest in named})):
            what, note = "source documents compared with their digests", "the bundle holds their digests alone"
            return Coverage(what, 0, of, f"not checked: {note}"), ()
        found = audited(named, state_of, ((digest, digest) for digest in held))
        return found.coverage, found.findings

    kept = set(held)
    return compared


__all__ = ["Packed", "Packing", "audit_bundle", "case_of", "open_case"]
