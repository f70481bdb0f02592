"""Commands on a ledger: seal and prove, look back, put right, carry away."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from estate_funds.cli.common import (
    PLACE,
    DayOption,
    EvidenceOption,
    EvidenceThereOption,
    LedgerArgument,
    day_of,
    guarded,
    open_books,
    read_checkpoint,
    read_text,
    refuse_folder,
    waiting,
)
from estate_funds.errors import CheckpointError, DateError, InputError
from estate_funds.exchange.tables import is_there
from estate_funds.text import counted, table

if TYPE_CHECKING:
    from estate_funds.books import Books
    from estate_funds.checkpoint import Checkpoint, SignerKey, VerifierKey
    from estate_funds.journal import Draft
    from estate_funds.vouchers import Hands

app = typer.Typer()

OutOption = Annotated[Path | None, typer.Option(help="File to write; by default, print.")]
KeysOption = Annotated[
    list[str] | None,
    typer.Option("--key", help="A public key that is trusted, or a file with one a line; may be given again."),
]
MakerOption = Annotated[str, typer.Option(help="Who makes the entry.")]
ApproverOption = Annotated[str, typer.Option(help="Who approves it: somebody else.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why: the narrative of the entry.")]
OnOption = Annotated[
    datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="The day on which it counts; by default, today.")
]
EntryArgument = Annotated[int, typer.Argument(metavar="ENTRY", help="The number of the entry.", min=1)]


# --- seal ---------------------------------------------------------------------------------------------------------


@app.command()
@guarded
def keygen(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is, without blanks: city.example")],
    out: Annotated[Path, typer.Option(help="File for the private key; it must not exist.")],
) -> None:
    """Make a key to sign checkpoints with: the private half goes into OUT, the public half is printed."""
    from estate_funds.checkpoint import generate_key

    key = generate_key(name)
    try:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(key.secret_text() + "\n")
    except OSError as error:
        raise InputError(
            "the key cannot be written", where=str(out), got=error.strerror, fix="name a new file"
        ) from None
    print(f"the private key is in {out}: who reads it signs in your name", file=sys.stderr)
    print(key.verifier)


@app.command()
@guarded
def checkpoint(
    ledger: Annotated[
        str, typer.Argument(metavar="LEDGER", help="A ledger; for one who has none, a bundle or a proof of growth.")
    ],
    origin: Annotated[
        str, typer.Option(help="What the journal is called; by default, the name that it was given when it was made.")
    ] = "",
    signer: Annotated[
        Path | None, typer.Option("--sign", help="The private key to sign with; without one, no signature.")
    ] = None,
    cosign: Annotated[
        Path | None, typer.Option(help="With --sign: a checkpoint that others have signed, to be signed too.")
    ] = None,
    since: Annotated[
        Path | None, typer.Option(help="The checkpoint that you signed last: the journal must have grown out of it.")
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--key", help="The public key of one who must have signed before, or a file of them; may be given again."
        ),
    ] = None,
    out: OutOption = None,
) -> None:
    """Write down the state of the journal, the size and root of its tree, as a note that others sign and keep.

    Whoever holds it can show later that an entry was cut off or rewritten. City, district and auditor sign one after
    the other: each gives the note of the one before as --cosign. What is signed is compared with the ledger first; of a
    bundle all is verified, with --since of a proof that the journal grew out of that checkpoint. Signatures
    of the keys that are given are verified; those of others are kept, and named as not verified.
    """
    from estate_funds.cli import verifying
    from estate_funds.cli.verifying import Thing

    kind = verifying.thing(ledger)
    if (cosign or kind in (Thing.BUNDLE, Thing.GROWTH)) and not signer:
        what = "--cosign" if cosign else f"the checkpoint of {kind}"
        raise typer.BadParameter(f"{what} is there to be signed: wanted --sign too")
    if keys and not cosign and kind is Thing.LEDGER:
        raise typer.BadParameter("a key has signed a note: wanted --cosign too")
    key, trusted = _signer(signer) if signer else None, _keys(keys or [])
    before = read_checkpoint(since)[1] if since is not None else None
    if cosign is not None:
        read_checkpoint(cosign)  # InputError or CheckpointError, before anything is verified
    if kind is not Thing.LEDGER:
        note, told = verifying.carried(kind, Path(ledger), cosign, since)
    else:
        with open_books(ledger) as books:
            name = origin or books.origin
            note, told = read_checkpoint(cosign) if cosign else ("", books.checkpoint(name))
            for path, one in ((cosign, told), (since, before)):
                if path is not None and one is not None:
                    one.check_origin(name, where=str(path), fix=f"if that journal is meant: --origin {one.origin}")
                    books.check_checkpoint(one.body, origin=name)
    told.check_origin(origin or told.origin, where=str(cosign or ledger))
    others = verifying.unverified(note, trusted, key.verifier) if key else []
    _put(_signed(told, key, note) if key else told.body, out)
    if out is not None:
        print(f"checkpoint of {told.origin}: {counted(told.size, 'entry', 'entries')}, head {told.head}")
        too = " too" if note not in ("", told.body) else ""
        print(f"signed by {key.name}{too}" if key else "not signed: no --sign was given")
    for name in others:
        said = f"not verified, for no --key was given: the signature of {name}"
        print(said, file=sys.stderr if out is None else None)  # standard output is the note, where no file is named


def _signer(path: Path) -> SignerKey:
    from estate_funds.checkpoint import SignerKey

    try:
        return SignerKey.parse(read_text(path).strip())
    except CheckpointError as error:
        raise error.at(str(path)) from None


def _signed(told: Checkpoint, key: SignerKey, note: str) -> str:
    from estate_funds.checkpoint import sign

    return sign(told, key, note=note)


@app.command()
@guarded
def prove(
    ledger: LedgerArgument,
    checkpoint: Annotated[Path, typer.Option(help="The checkpoint that it is proved under.")],
    entry: Annotated[int | None, typer.Option(help="Prove that the entry of this number is in the journal.")] = None,
    since: Annotated[
        Path | None, typer.Option(help="Prove that the journal grew out of this older checkpoint.")
    ] = None,
    entry_text: Annotated[
        Path | None, typer.Option(help="With --entry: file to write the entry itself into, whose bytes are proved.")
    ] = None,
    out: OutOption = None,
) -> None:
    """Prove to somebody without the ledger that an entry is in it, or that nothing was rewritten since a checkpoint."""
    if (entry is None) == (since is None):
        raise typer.BadParameter("wanted one of --entry NUMBER and --since CHECKPOINT")
    if entry_text and entry is None:
        raise typer.BadParameter("--entry-text is for a proof of an entry: wanted --entry")
    note, _ = read_checkpoint(checkpoint)
    with open_books(ledger) as books:
        if entry is not None:
            proof = str(books.prove_entry(entry, note))
            if entry_text is not None:
                _put(books.entry(entry).canonical().decode("utf-8"), entry_text)
        elif since is not None:
            old = read_checkpoint(since)[1]
            growth = books.prove_growth(old.size, note)
            growth.verify(old)  # SealBroken where it did not grow out of it
            proof = str(growth)
    _put(proof, out)


@app.command()
@guarded
def verify(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="A ledger, a bundle, a proof, or a checkpoint.")],
    keys: KeysOption = None,
    required: Annotated[
        int | None, typer.Option(help="How many of the keys must have signed; by default, all.", min=1)
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint that a ledger has passed through, or that a bundle is of.")
    ] = None,
    since: Annotated[
        Path | None, typer.Option(help="The older checkpoint that a proof or a bundle grew out of.")
    ] = None,
    entry_text: Annotated[Path | None, typer.Option(help="The entry that a proof is about, as prove wrote it.")] = None,
) -> None:
    """Verify a ledger (every leaf, the root, every rule of the gate), a bundle, a proof, or a checkpoint.

    Signatures are compared with the keys that you trust; without any, that is said. Exit status 1 where something does
    not hold, 2 where it cannot be read.
    """
    from estate_funds.cli import verifying
    from estate_funds.cli.verifying import OPTIONS, Thing

    trusted, kind, path = _keys(keys or []), verifying.thing(what), Path(what)
    given = {"--required": required, "--checkpoint": checkpoint, "--since": since, "--entry-text": entry_text}
    for name, value in given.items():
        if value is not None and name not in OPTIONS[kind]:
            raise typer.BadParameter(f"{name} says nothing about {kind}")
    if kind is Thing.LEDGER and trusted and checkpoint is None:
        raise typer.BadParameter("a key signs a checkpoint: wanted --checkpoint too")
    if required is not None and required > len({key.public for key in trusted}):
        raise typer.BadParameter(f"{counted(required, 'signature')} required, and fewer keys given with --key")
    if kind is Thing.LEDGER:
        status = verifying.verify_ledger(what, trusted, required, checkpoint)
    elif kind is Thing.BUNDLE:
        status = verifying.verify_bundle(path, trusted, required, checkpoint, since)
    elif kind is Thing.INCLUSION:
        status = verifying.verify_inclusion(path, trusted, required, entry_text)
    elif kind is Thing.GROWTH:
        status = verifying.verify_growth(path, trusted, required, since)
    else:
        status = verifying.verify_checkpoint(path, trusted, required)
    raise typer.Exit(status)


@app.command()
@guarded
def export(
    ledger: LedgerArgument,
    path: Annotated[Path | None, typer.Argument(metavar="[PATH]", help="What to write; the same as --out.")] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="bundle (a .zip for the verifier), beancount, hledger, ledger, gbt24589-xml, gbt24589-json, saf-t, "
            "parquet, csv, xlsx.",
        ),
    ] = "bundle",
    out: Annotated[Path | None, typer.Option(help="The file to write; for parquet and csv, a folder.")] = None,
    chart: Annotated[
        str, typer.Option(help="Chart of accounts of gbt24589 and saf-t: a shipped one, or a .toml file of your own.")
    ] = "",
    unit: Annotated[
        str, typer.Option(help="Whose books they are, for gbt24589 and saf-t; by default, the name of the journal.")
    ] = "",
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="The signed checkpoint to put in, with the journal up to it; by default, unsigned."),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option("--key", help="The public key of one who signed, or a file with one a line, to put in as well."),
    ] = None,
    evidence: EvidenceThereOption = None,
    with_evidence: Annotated[
        bool, typer.Option("--with-evidence/--without-evidence", help="Whether to put the source documents in.")
    ] = True,
) -> None:
    """Write the journal for the tools of others: sealed for a verifier, or in a format that they read.

    A bundle holds the journal up to a checkpoint as it is, and anybody can verify it with a short program of his own.
    In every other format, personal data is masked. The options from --checkpoint on are those of a bundle.
    """
    from estate_funds.cli import exporting

    target = path if out is None else out
    if target is None or (path is not None and out is not None):
        raise typer.BadParameter("wanted what to write, once: PATH or --out PATH")
    if form != "bundle":
        if checkpoint or keys or evidence or not with_evidence:
            raise typer.BadParameter(f"this option is for a bundle, not for {form}")
        exporting.export_format(ledger, target, form, chart=chart, unit=unit)
        return
    if chart or unit:
        raise typer.BadParameter("--chart and --unit are for gbt24589 and saf-t, not for a bundle")
    exporting.export_bundle(ledger, target, checkpoint, _keys(keys or []), evidence, with_evidence=with_evidence)


@app.command()
@guarded
def bundle(
    ledger: LedgerArgument,
    case: Annotated[Path, typer.Option(help="The case that the ledger was booked from.")],
    out: Annotated[Path, typer.Option(help="The .zip to write.")],
    plain: Annotated[
        bool, typer.Option("--plain", help="Leave the names of households and owners as they are; it says so.")
    ] = False,
    salt: Annotated[
        Path | None,
        typer.Option(help="File of the salt that names are hashed under; made where it is not there; OUT.salt."),
    ] = None,
    hide: Annotated[
        list[str] | None,
        typer.Option(metavar="FACT", help="A fact that is text and says who somebody is: hashed too; may be repeated."),
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A checkpoint to put in, which audits then ask for; may be given again."),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option("--key", help="The public key of one who signed, or a file with one a line, to put in as well."),
    ] = None,
    evidence: EvidenceThereOption = None,
    with_evidence: Annotated[
        bool, typer.Option("--with-evidence/--without-evidence", help="Whether to put the source documents in.")
    ] = False,
    recorded_on: DayOption = None,
) -> None:
    """Write books and case as one file that is audited with nothing else, households and owners under pseudonyms.

    Whoever gets it: estate-funds audit OUT. The salt stays with you: it shows who is who, and makes the same bundle
    again.
    """
    from estate_funds.load import load_case

    if plain and (salt or hide):
        raise typer.BadParameter("--salt and --hide are for hashed names, and --plain leaves them")
    notes = [read_checkpoint(path)[0] for path in checkpoints or []]
    with open_books(ledger, evidence=evidence, recorded_on=recorded_on) as books, waiting("writing the bundle"):
        loaded = load_case(case)
        secret = None if plain else _salt(salt or out.with_name(f"{out.name}.salt"))
        path = books.bundle(
            loaded, out, salt=secret, plain=plain, hide=hide or (), checkpoints=notes,
            keys=[str(key) for key in _keys(keys or [])], evidence=with_evidence,
        )  # fmt: skip
    _tell_bundle(path, None if plain else salt or out.with_name(f"{out.name}.salt"))


def _salt(path: Path) -> bytes:
    """The salt in a file, in hexadecimal; a new one, which only its owner can read, where there is no such file."""
    import secrets

    if not is_there(path):
        made = secrets.token_bytes(32)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(made.hex() + "\n")
        except OSError as error:
            raise InputError("the salt cannot be written", where=str(path), got=error.strerror) from None
        return made
    try:
        return bytes.fromhex(read_text(path).strip())
    except ValueError:
        raise InputError("not a salt", where=str(path), wanted="hexadecimal digits, as bundle wrote them") from None


def _tell_bundle(path: Path, salt: Path | None) -> None:
    """What a bundle holds, as its manifest says."""
    from estate_funds.exchange.bundle import Bundle

    with Bundle(path) as made:
        manifest, documents = made.manifest, len(made.evidence())
    assert manifest is not None
    names = manifest.pseudonyms
    print(f"written: {path}")
    print(f"case {manifest.case.id}, journal {manifest.origin}, to be audited as of {manifest.as_of}")
    if salt is None:
        print("names of households and owners are plain")
    else:
        left = f"; {names.named_by_journal} that the journal names are plain" if names.named_by_journal else ""
        print(f"{counted(names.names, 'name')} hashed{left}; the salt is in {salt}: it stays with you")
    print(f"{counted(documents, 'source document')} put in")


# --- look back ----------------------------------------------------------------------------------------------------


@app.command()
@guarded
def refusals(ledger: LedgerArgument) -> None:
    """List the attempts that the gate refused, with the reason and the clause."""
    from estate_funds.report.refusals import refusals_text

    with open_books(ledger) as books:
        print(refusals_text(books.entries()))


@app.command()
@guarded
def trace(
    ledger: LedgerArgument,
    entry: Annotated[
        int | None, typer.Argument(metavar="[ENTRY]", help="The number of the entry; or say --voucher.", min=1)
    ] = None,
    voucher: Annotated[
        str, typer.Option(help="An entry by its number or its voucher: 74, or 2024-05-记-003, or 2024-05-3.")
    ] = "",
    receipt: Annotated[
        int | None, typer.Option(help="An appropriation or receipt: what became of its money.", min=1)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, in fen.")] = False,
    svg: Annotated[Path | None, typer.Option(help="File for a picture of the money's way.")] = None,
    zh: Annotated[bool, typer.Option("--zh", help="The picture in Chinese.")] = False,
) -> None:
    """Say where the money of a payment came from: every receipt, its source, and its way through the funds.

    Of an appropriation or a receipt, say forwards which payments it paid, on which documents, and what is left of it.
    """
    from estate_funds.provenance import trace as traced
    from estate_funds.report.files import write_whole
    from estate_funds.report.traces import entry_number, trace_entry

    if sum((entry is not None, voucher != "", receipt is not None)) != 1:
        raise typer.BadParameter("wanted one of ENTRY, --voucher NUMBER and --receipt NUMBER")
    with open_books(ledger) as books:
        named = entry or receipt or entry_number(books.entries(), voucher)
        books.entry(named)  # InputError where there is none
        with waiting("tracing"):
            journal = list(books.entries())
            found = trace_entry(journal, traced(journal), named, receipt=receipt is not None)
    print(json.dumps(found.to_json(), ensure_ascii=False, indent=2) if as_json else found.to_text())
    if svg is not None:
        print(f"written: {write_whole(svg, found.to_svg(locale='zh' if zh else 'en'))}", file=sys.stderr)


@app.command()
@guarded
def statement(
    ledger: LedgerArgument,
    period: Annotated[str, typer.Option(help="2024, 2024-05, or 2024-05..2024-08.")],
    known_on: Annotated[
        datetime | None,
        typer.Option("--known-on", formats=["%Y-%m-%d"], help="As the books knew it on this day; by default, all."),
    ] = None,
    compared_with: Annotated[
        datetime | None,
        typer.Option("--compare", formats=["%Y-%m-%d"], help="Say what changed since the books of this earlier day."),
    ] = None,
    fund: Annotated[str, typer.Option(help="Only this fund.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, in fen.")] = False,
) -> None:
    """Print each fund for a period: opening, movements, closing, as the books knew it on a day."""
    from estate_funds.calendar import Months
    from estate_funds.report.statement import Comparison, Statement, compare
    from estate_funds.report.statement import statement as drawn_up

    try:
        months, known = Months.parse(period), known_on.date() if known_on else None
    except DateError as error:
        wanted = "2024, 2024-05, or 2024-05..2024-08"
        raise DateError("not a period", where="--period", got=error.got, wanted=wanted) from None
    made: Statement | Comparison
    with open_books(ledger) as books:
        if compared_with is not None:
            earlier = compared_with.date()
            made = compare(books.entries(), period=months, earlier=earlier, known_on=known, fund=fund or None)
        else:
            made = drawn_up(books.entries(), period=months, known_on=known, fund=fund or None)
    print(json.dumps(made.to_json(), ensure_ascii=False, indent=2) if as_json else made.to_text())


# --- put right ----------------------------------------------------------------------------------------------------


@app.command()
@guarded
def reverse(
    ledger: LedgerArgument,
    entry: EntryArgument,
    reason: ReasonOption,
    maker: MakerOption,
    approver: ApproverOption,
    on: OnOption = None,
    recorded_on: DayOption = None,
) -> None:
    """Cancel an entry, all of it: in red within its year, by a blue correction for one of an earlier year."""
    from estate_funds import vouchers

    with open_books(ledger, recorded_on=recorded_on) as books:
        wrong, day = books.entry(entry), day_of(on or recorded_on)
        hands = _hands(maker, approver)
        draft = vouchers.reverse(wrong, on=day, hands=hands, narrative=reason, ledger=books.ledger)
        _post(books, draft, f"cancels entry {entry}: {wrong.draft.narrative}, of {wrong.draft.effective}")


@app.command()
@guarded
def reopen(
    ledger: LedgerArgument,
    month: Annotated[str, typer.Argument(metavar="MONTH", help="The first month to open again: 2024-05.")],
    document: Annotated[str, typer.Option(help="The id of the document that allows it.")],
    clause: Annotated[str, typer.Option(help="Its clause.")],
    approval: Annotated[Path, typer.Option(help="The approval, as a file: kept and named by the entry.")],
    reason: ReasonOption,
    maker: MakerOption,
    approver: ApproverOption,
    recorded_on: DayOption = None,
    evidence: EvidenceOption = None,
) -> None:
    """Open closed months again, from MONTH on, on an approval that the books keep."""
    from estate_funds import vouchers
    from estate_funds.calendar import Month
    from estate_funds.journal import Evidence

    first = Month.parse(month)
    with open_books(ledger, evidence=evidence, recorded_on=recorded_on) as books:
        if books.evidence is None:
            raise InputError("there is no evidence folder to keep the approval in", fix="name one with --evidence")
        digest = books.evidence.add(approval)
        draft = vouchers.reopen(
            first,
            on=day_of(recorded_on),
            key=f"reopen/{first}/{digest[:16]}",
            hands=_hands(maker, approver),
            document=document,
            clause=clause,
            narrative=reason,
            evidence=(Evidence("approval", digest),),
        )
        _post(books, draft, f"opens {first} and what follows; approval sha256:{digest}")


@app.command()
@guarded
def migrate(ledger: LedgerArgument) -> None:
    """Bring a ledger of an older format to the one that this version reads: all of it, or nothing.

    Make a backup first, and let nobody write to it meanwhile.
    """
    from estate_funds.store import Store

    refuse_folder(ledger)
    with waiting("migrating"):
        done = Store.migrate(ledger, prefix=PLACE.prefix, schema=PLACE.schema)
    said = (
        f"of format {done.format} already: nothing was done"
        if done.found == done.format
        else (f"migrated from format {done.found} to {done.format}")
    )
    print(
        f"{said}; {counted(done.entries, 'entry', 'entries')}, {counted(done.blocks, 'sealed block')}, head {done.head}"
    )


# --- shared -------------------------------------------------------------------------------------------------------


def _hands(maker: str, approver: str) -> Hands:
    from estate_funds.vouchers import Hands

    return Hands(maker, approver)


def _post(books: Books, draft: Draft, meaning: str) -> None:
    """Book a draft, and print what it does, line by line."""
    from estate_funds.money import format_yuan

    posted = books.post(draft)
    if not posted.entries:
        print("booked already: nothing was done")
    for booked in posted.entries:
        print(f"entry {booked.seq}: {booked.draft.kind}, effective {booked.draft.effective}\n  {meaning}")
        rows = [("fund", "account", "debit", "credit")] if booked.draft.postings else []
        for fund, account, detail, side, fen in booked.draft.postings:
            amounts = (format_yuan(fen), "") if side == "D" else ("", format_yuan(fen))
            rows.append((fund, f"{account} ({detail})" if detail else account, *amounts))
        if rows:
            print(table(rows, right=(2, 3)))


def _keys(named: list[str]) -> list[VerifierKey]:
    """Public keys, each given as itself or as a file with one a line."""
    from estate_funds.checkpoint import VerifierKey

    found = []
    for name in named:
        is_file = is_there(name)
        for line in filter(None, map(str.strip, read_text(Path(name)).splitlines() if is_file else [name])):
            try:
                found.append(VerifierKey.parse(line))
            except CheckpointError as error:
                error.where = name if is_file else "--key"  # not the text: it may be a private key
                error.fix = error.fix or "give NAME+ID+BASE64 as keygen printed it, or a file that holds it"
                raise
    return found


def _put(text: str, out: Path | None) -> None:
    """Print, or write a whole file."""
    from estate_funds.report.files import write_whole

    if out is None:
        print(text, end="" if text.endswith("\n") else "\n")
    else:
        print(f"written: {write_whole(out, text)}")
