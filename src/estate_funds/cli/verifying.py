"""What `estate-funds verify` does with a ledger, a bundle, a proof or a checkpoint: print what was covered.

And what `estate-funds checkpoint` asks before one who has no ledger signs what a bundle or a proof carries.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from enum import StrEnum
from io import StringIO
from pathlib import Path

from estate_funds.checkpoint import PROOF_FORMAT, Checkpoint, Growth, Inclusion, VerifierKey, parse_note
from estate_funds.checkpoint import verify as verify_note
from estate_funds.cli.common import open_books, read_bytes, read_checkpoint, read_text, refuse_folder
from estate_funds.errors import CheckpointError, InputError, LedgerNotFound, SealBroken
from estate_funds.exchange.tables import is_there
from estate_funds.merkle import leaf_hash
from estate_funds.text import counted


class Thing(StrEnum):
    """What can be verified."""

    LEDGER = "a ledger"
    BUNDLE = "a bundle"
    INCLUSION = "a proof of an entry"
    GROWTH = "a proof of growth"
    CHECKPOINT = "a checkpoint"


# Which options say something of each; --key of all.
OPTIONS: dict[Thing, tuple[str, ...]] = {
    Thing.LEDGER: ("--checkpoint", "--required"),
    Thing.BUNDLE: ("--checkpoint", "--since", "--required"),
    Thing.INCLUSION: ("--entry-text", "--required"),
    Thing.GROWTH: ("--since", "--required"),
    Thing.CHECKPOINT: ("--required",),
}


def thing(what: str) -> Thing:
    """Which of them an address or a file is, by its first bytes."""
    if not is_there(what):
        refuse_folder(what)
        if what.endswith(".zip"):
            read_bytes(Path(what))  # InputError: it is not there
        if what.strip() and "://" not in what:
            nothing = "there is no ledger at this address, nor another file"
            raise LedgerNotFound(nothing, where=what, fix="check the path")
        return Thing.LEDGER
    with Path(what).open("rb") as file:
        head = file.read(len(PROOF_FORMAT))
    if head.startswith(b"SQLite format 3"):
        return Thing.LEDGER
    if head.startswith(b"PK\x03\x04"):
        return Thing.BUNDLE
    if head == PROOF_FORMAT.encode():
        return Thing.INCLUSION
    return Thing.GROWTH if head.startswith(b"old ") else Thing.CHECKPOINT


def verify_ledger(address: str, trusted: Sequence[VerifierKey], required: int | None, note: Path | None) -> int:
    """Every entry of a ledger through the gate and the tree, from its sealed blocks; and a checkpoint that was kept."""
    with open_books(address) as books:
        print(f"journal: {counted(len(books), 'entry', 'entries')}, head {books.verify()}")
        print("  held: every entry passes the gate, every leaf and the root of the tree")
        if note is not None:
            text, told = read_checkpoint(note)
            books.check_checkpoint(text)
            print(f"  held: the journal passes through the checkpoint {told.head}")
            _signatures(trusted, required, text)
    print("  not compared: rows with sealed blocks, snapshots, source documents, a case: see estate-funds audit")
    return 0


def verify_bundle(
    bundle: Path, trusted: Sequence[VerifierKey], required: int | None, note: Path | None, since: Path | None
) -> int:
    """A bundle, by the verifier that shares nothing with this library.

    It holds every key that it is given to have signed, so where fewer are `required`, it is given those that have.
    """
    from estate_funds.exchange.bundle import Bundle
    from estate_funds.verifier import main

    given, note_text = trusted, read_text(note) if note else ""
    if given and not note:
        with Bundle(bundle) as held:
            note_text = held.checkpoint
    if required is not None:
        trusted = _signers(given, required, note_text)
    arguments = [str(bundle)]
    for key in trusted:
        arguments += ["--key", str(key)]
    arguments += ["--checkpoint", str(note)] if note else []
    arguments += ["--old", str(since)] if since else []
    with redirect_stdout(StringIO()) as covered:
        status = main(arguments)
    said = covered.getvalue()
    signed = sum(_has_signed(key, note_text) for key in given)
    if signed < len(given):  # it says how many it was asked for, and not how many of them have signed
        said = said.replace(f"signatures  {len(trusted)}\n", f"signatures  {signed} of {len(given)}\n", 1)
    print(said, end="")
    return status


def _has_signed(key: VerifierKey, note: str) -> bool:
    try:
        return bool(verify_note(note, [key]).signers)
    except CheckpointError:
        return False


def verify_inclusion(proof: Path, trusted: Sequence[VerifierKey], required: int | None, entry: Path | None) -> int:
    """A proof that an entry is in the journal of a checkpoint."""
    if entry is None:
        raise InputError("a proof of an entry needs the entry", fix="name the file of its text with --entry-text")
    found = Inclusion.parse(read_text(proof))
    told = found.verify(leaf_hash(read_bytes(entry)))
    print(f"held: the entry is number {found.index + 1} of {told.size} in the journal {told.origin}, head {told.head}")
    return _signatures(trusted, required, found.note)


def verify_growth(proof: Path, trusted: Sequence[VerifierKey], required: int | None, since: Path | None) -> int:
    """A proof that a journal grew out of an older checkpoint."""
    if since is None:
        raise InputError("a proof of growth needs the older checkpoint", fix="name its file with --since")
    text, old = read_checkpoint(since)
    growth = Growth.parse(read_text(proof))
    new = growth.verify(old)
    print(f"held: the first {old.size} of the {new.size} entries of {new.origin} are what they were")
    print(f"  then {old.head}")
    print(f"  now  {new.head}")
    return _signatures(trusted, required, text, growth.note)


def carried(kind: Thing, what: Path, note: Path | None, since: Path | None) -> tuple[str, Checkpoint]:
    """The checkpoint that a bundle or a proof of growth carries, or `note` of the same journal, once it is verified.

    What was covered and found is said on standard error. SealBroken where something does not hold, InputError for what
    cannot show that a checkpoint is true.
    """
    if kind is Thing.BUNDLE:
        from estate_funds.exchange.bundle import Bundle

        with Bundle(what) as held:
            text = held.checkpoint
        with redirect_stdout(sys.stderr):
            status = verify_bundle(what, (), None, note, since)
        if status:
            failed, said = (InputError, "cannot be read") if status == 2 else (SealBroken, "does not hold")
            raise failed(f"the bundle {said}: nothing was signed", where=str(what), fix="see what is said of it")
    elif kind is Thing.GROWTH and since is not None:
        growth = Growth.parse(read_text(what))
        grown, text = growth.verify(read_checkpoint(since)[1]), growth.note
        if note and (told := read_checkpoint(note)[1]) != grown:
            what_else = "the note is of another checkpoint than the proof"
            raise InputError(what_else, where=str(note), got=f"{told.origin} {told.head}", wanted=grown.head)
    else:
        what_else = "neither a ledger, nor what shows that a checkpoint is true"
        wanted = "a ledger, a bundle, or with --since a proof of growth"
        fix = "ask for a bundle (export), or a proof that the journal grew out of what you signed (prove --since)"
        raise InputError(what_else, where=str(what), wanted=wanted, fix=fix)
    return read_checkpoint(note) if note else (text, Checkpoint.parse(text))


def unverified(note: str, trusted: Sequence[VerifierKey], own: VerifierKey) -> list[str]:
    """Whose lines of a note that `own` signs too nobody has verified; SealBroken unless all trusted keys have signed.

    They are kept: a signed note may hold lines of keys that a reader does not know (C2SP signed-note).
    """
    if trusted:
        _signers(trusted, None, note)
    if "\n\n" not in note:  # nobody has signed it
        return []
    known = {(key.name, key.key_id) for key in (*trusted, own)}
    return [line.name for line in parse_note(note).signatures if (line.name, line.key_id) not in known]


def verify_checkpoint(note: Path, trusted: Sequence[VerifierKey], required: int | None) -> int:
    """Who has signed a checkpoint."""
    text = read_text(note)
    try:
        told = Checkpoint.parse(text)
    except CheckpointError as error:
        wanted = "a ledger, a bundle, a proof or a checkpoint"
        fix = error.fix
        raise InputError("this cannot be verified", where=str(note), got=error.what, wanted=wanted, fix=fix) from None
    print(f"checkpoint of {told.origin}: {counted(told.size, 'entry', 'entries')}, head {told.head}")
    return _signatures(trusted, required, text)


def _signatures(trusted: Sequence[VerifierKey], required: int | None, *notes: str) -> int:
    """Say who of those who are trusted has signed each note; SealBroken where it is not enough of them."""
    if not trusted:
        print("signatures were not checked: no --key was given", file=sys.stderr)
        return 0
    for note in notes:
        signers = _signers(trusted, required, note)
        print(f"  signed by {', '.join(key.name for key in signers)}: checkpoint {Checkpoint.parse(note).head}")
    return 0


def _signers(trusted: Sequence[VerifierKey], required: int | None, note: str) -> Sequence[VerifierKey]:
    """Who of those who are trusted has signed a note; SealBroken where it is not enough of them."""
    told = Checkpoint.parse(note)
    if note == told.body:
        names = ", ".join(key.name for key in trusted)
        raise SealBroken("the checkpoint is not signed", where=f"{told.origin} {told.head}", wanted=names)
    parse_note(note)
    try:
        return verify_note(note, trusted, required=required).signers
    except CheckpointError as error:  # it is a note: who signed is what does not hold
        got, wanted = error.got, error.wanted
        raise SealBroken(error.what, where=error.where, got=got, wanted=wanted, fix=error.fix) from None
