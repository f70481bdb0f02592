"""Checkpoints: the state of a journal as a text that people sign, and proofs that travel with one.

A *checkpoint* (C2SP tlog-checkpoint) names the journal, its size and the root of its hash tree. As a *signed note*
(C2SP signed-note) it carries a line of each who signed: the office that keeps the books, the city, the district, the
auditor. Who holds one can show later that entries were changed or cut off, and needs nothing else for it.

Keys are text too, as Go's golang.org/x/mod/sumdb/note writes them: `name+keyid+base64` for who verifies,
`PRIVATE+KEY+name+keyid+base64` for who signs. Only plain Ed25519 signatures (type 0x01) are made and checked; lines of
unknown keys are kept and ignored. Proofs are written as C2SP tlog-proof (an entry) and as the body of a C2SP
tlog-witness add-checkpoint request (growth). docs/reference/seal.md describes all of it with vectors.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from estate_funds.errors import CheckpointError, SealBroken
from estate_funds.merkle import EMPTY_ROOT, HASH_SIZE, head_text, verify_consistency, verify_inclusion

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = b"\x01"  # the signature type of plain Ed25519 in C2SP signed-note
SIGNATURE_SIZE = 64
MOST_SIGNATURES = 100  # a note with more is refused, as in Go's note package
PROOF_FORMAT = "c2sp.org/tlog-proof@v1"
_MOST_HASHES = 63
_NUMBER = re.compile("0|[1-9][0-9]{0,18}")
_DASH = "— "  # em dash and blank: how a signature line begins
_PRIVATE = "PRIVATE+KEY+"


# --- keys ---


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a key: who it is, and the 32 bytes of an Ed25519 public key.

    >>> key = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    >>> key.name, key.key_id.hex()
    ('PeterNeumann', 'c74f20a3')
    """

    name: str
    public: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.public) != HASH_SIZE:
            raise CheckpointError("not an Ed25519 key", where=self.name, got=f"{len(self.public)} bytes", wanted=32)

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature line names its key."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key back from its text; CheckpointError where it is none, or is mistyped."""
        if text.startswith(_PRIVATE):
            raise CheckpointError(
                "a private key where a public one is wanted", fix="keep it secret, and give the other"
            )
        name, key_id, data = _key_parts(text)
        key = cls(name, data)
        if key.key_id.hex() != key_id:
            raise CheckpointError(
                "the key does not have the id that it is written with", where=name, got=key_id, wanted=key.key_id.hex(),
                fix="copy the whole key again",
            )  # fmt: skip
        return key

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_base64(ED25519 + self.public)}"


@dataclass(frozen=True, slots=True)
class SignerKey:
    """The private half of a key, from a seed of 32 random bytes (RFC 8032, section 5.1.5).

    Its text is a secret: `secret_text` alone gives it, and neither `repr` nor an error shows it.
    """

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.seed) != HASH_SIZE:
            raise CheckpointError("not the seed of an Ed25519 key", where=self.name, wanted="32 bytes")

    @classmethod
    def parse(cls, text: str) -> SignerKey:
        """The key back from its text; CheckpointError where it is none, or is mistyped."""
        try:
            if not text.startswith(_PRIVATE):
                raise CheckpointError("not a private key")
            name, key_id, seed = _key_parts(text.removeprefix(_PRIVATE))
            key = cls(name, seed)
            if key.verifier.key_id.hex() != key_id:
                raise CheckpointError("mistyped")
        except CheckpointError:
            wanted = f"{_PRIVATE}name+keyid+base64, with the id of that key"
            raise CheckpointError("not a key to sign with", wanted=wanted, fix="copy the whole key again") from None
        return key

    @property
    def verifier(self) -> VerifierKey:
        """The public half, to give to whoever verifies."""
        return VerifierKey(self.name, self._key().public_key().public_bytes_raw())

    def secret_text(self) -> str:
        """The key as a text, to be kept where only its owner reads it."""
        return f"{_PRIVATE}{self.name}+{self.verifier.key_id.hex()}+{_base64(ED25519 + self.seed)}"

    def signature(self, message: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature of a message."""
        return self._key().sign(message)

    def _key(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed)


def generate_key(name: str) -> SignerKey:
    """A new key under a name without blanks and plus signs, from the randomness of the operating system."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return SignerKey(name, Ed25519PrivateKey.generate().private_bytes_raw())


def _check_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() or c < " " or "\ud800" <= c <= "\udfff" for c in name):
        raise CheckpointError(
            "not the name of a key", got=ascii(name), wanted="text without blanks and plus signs", fix="hyphens will do"
        )


def _key_parts(text: str) -> tuple[str, str, bytes]:
    """Name, key id in hexadecimal and the 32 bytes of a key's text."""
    name, _, rest = text.partition("+")
    key_id, _, data = rest.partition("+")
    _check_name(name)
    typed = _unbase64(data, name)
    if typed[:1] != ED25519 or len(typed) != 1 + HASH_SIZE:
        raise CheckpointError("not an Ed25519 key", where=name, wanted="name+keyid+base64 of 0x01 and 32 bytes")
    return name, key_id, typed[1:]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str, where: str) -> bytes:
    """The bytes of base64 text in the one form that RFC 4648, section 4, writes them."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or _base64(data) != text:
        raise CheckpointError("not base64", where=where)
    return data


# --- checkpoints and notes ---


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a journal: whose it is, how many entries it has, and the root of their hash tree.

    >>> print(Checkpoint("nanchang.example/award", 0, EMPTY_ROOT).body, end="")
    nanchang.example/award
    0
    47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for line in (self.origin, *self.extensions):
            if not isinstance(line, str) or not line or any(c < " " or "\ud800" <= c <= "\udfff" for c in line):
                what = "a line of a checkpoint is empty or holds a control character"
                raise CheckpointError(what, got=ascii(line), wanted="visible text")
        if not 0 <= self.size < 1 << 63 or len(self.root) != HASH_SIZE or (not self.size and self.root != EMPTY_ROOT):
            raise CheckpointError("not the size and root of a tree", where=self.origin, got=self.head)

    @property
    def head(self) -> str:
        """Size and root as people write them."""
        return head_text(self.size, self.root)

    @property
    def body(self) -> str:
        """The text that is signed: origin, size, root in base64, extension lines; each ends with a line feed."""
        return "".join(f"{line}\n" for line in (self.origin, str(self.size), _base64(self.root), *self.extensions))

    def check_origin(self, origin: str, *, where: str = "", fix: str = "take a checkpoint of this journal") -> None:
        """SealBroken where this is a checkpoint of another journal than `origin`."""
        if self.origin != origin:
            raise SealBroken("a checkpoint of another journal", where=where, got=self.origin, wanted=origin, fix=fix)

    @classmethod
    def parse(cls, text: str | bytes) -> Checkpoint:
        """The checkpoint of a note, signed or the body alone. No signature is checked: see `verify`."""
        whole = _decoded(text)
        return cls.of_body(parse_note(whole).body if "\n\n" in whole else whole)

    @classmethod
    def of_body(cls, body: str) -> Checkpoint:
        """The checkpoint of the text that is signed; CheckpointError where it is none."""
        lines = body.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]) or not _NUMBER.fullmatch(lines[1]):
            raise CheckpointError(
                "not a checkpoint", wanted="an origin, a size, a root in base64, each on a line that ends"
            )
        return cls(lines[0], int(lines[1]), _unbase64(lines[2], f"{lines[0]}, root"), tuple(lines[3:-1]))


class Signature(NamedTuple):
    """A signature line of a note: who signed, with which key, and what the key made of the text."""

    name: str
    key_id: bytes
    data: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {_base64(self.key_id + self.data)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the lines of those who signed it, read but not verified."""

    body: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return "".join((self.body, "\n", *map(str, self.signatures)))


def parse_note(text: str | bytes) -> Note:
    """A signed note taken apart; CheckpointError where it is none. No signature is checked: see `verify`."""
    whole = _decoded(text)
    body, blank, lines = whole.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise CheckpointError("not a signed note", wanted="a text, an empty line, and signature lines, each ended")
    rows = lines[:-1].split("\n")
    if len(rows) > MOST_SIGNATURES:
        raise CheckpointError("too many signatures", got=len(rows), wanted=f"at most {MOST_SIGNATURES}")
    return Note(body + "\n", tuple(map(_signature, rows)))


def _decoded(text: str | bytes) -> str:
    if not isinstance(text, str | bytes):
        raise CheckpointError("not a note", got=f"a {type(text).__name__}: {text!r}"[:80], wanted="text")
    try:
        whole = text.decode("utf-8") if isinstance(text, bytes) else text.encode("utf-8").decode("utf-8")
    except UnicodeError:
        raise CheckpointError("not a note: not UTF-8") from None
    control = next((c for c in whole if c < " " and c != "\n"), "")
    if control:
        fix = "save it with line feeds alone, as it was signed" if control == "\r" else ""
        raise CheckpointError("a note has no control characters", got=ascii(control), fix=fix)
    return whole


def _signature(line: str) -> Signature:
    name, _, data = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH):
        raise CheckpointError("not a signature line", got=line, wanted="— name base64")
    _check_name(name)
    raw = _unbase64(data, f"signature of {name}")
    if len(raw) < 5:
        raise CheckpointError("not a signature", where=name, got=f"{len(raw)} bytes")
    return Signature(name, raw[:4], raw[4:])


def sign(checkpoint: Checkpoint, key: SignerKey, *, note: str | bytes = "") -> str:
    """The signed note of a checkpoint, with the lines of those who signed before in `note`, and this key's after them.

    A line of the same key is replaced. CheckpointError where `note` is of another checkpoint. Whoever signs should have
    verified before that the journal grew out of the one that he signed last: see `Growth`.
    """
    before: Sequence[Signature] = ()
    if note:
        told = Checkpoint.parse(note)
        if told != checkpoint:
            raise CheckpointError(
                "the note is of another checkpoint",
                got=f"{told.origin} {told.head}",
                wanted=f"{checkpoint.origin} {checkpoint.head}",
            )
        before = parse_note(note).signatures if _decoded(note) != checkpoint.body else ()
    mine = (key.name, key.verifier.key_id)
    own = Signature(*mine, key.signature(checkpoint.body.encode("utf-8")))
    return str(Note(checkpoint.body, (*(one for one in before if one[:2] != mine), own)))


class Verified(NamedTuple):
    """A checkpoint, and the trusted keys that have signed it."""

    checkpoint: Checkpoint
    signers: tuple[VerifierKey, ...]


def verify(
    note: str | bytes, trusted: Iterable[VerifierKey], *, required: int | None = None, origin: str = ""
) -> Verified:
    """The checkpoint of a note that enough of the trusted keys have signed: all of them, or `required`.

    Lines of unknown keys are ignored; a key counts once, under whatever names. CheckpointError where the note is
    malformed, is of another journal than `origin`, holds a line of a trusted key that does not verify, or is signed by
    too few.
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in trusted:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise CheckpointError("two keys with one name and one id", where=f"{key.name}+{key.key_id.hex()}")
    hands = len({key.public for key in known.values()})
    needed = hands if required is None else required
    if not 1 <= needed <= hands:
        raise CheckpointError("no such number of trusted keys", got=needed, wanted=f"1 to {hands}", fix="name the keys")
    told = parse_note(note)
    checkpoint = Checkpoint.of_body(told.body)
    if origin and checkpoint.origin != origin:
        raise CheckpointError("a checkpoint of another journal", got=checkpoint.origin, wanted=origin)
    signers: dict[bytes, VerifierKey] = {}
    for line in told.signatures:
        signer = known.get((line.name, line.key_id))
        if signer is None:
            continue
        if not _holds(signer, line.data, told.body.encode("utf-8")):
            raise CheckpointError(
                f"the signature of {signer.name} does not fit the text",
                where=f"{checkpoint.origin} {checkpoint.head}",
                fix="ask for the checkpoint again: this text is not the one that was signed",
            )
        signers[signer.public] = signer
    if len(signers) < needed:
        raise CheckpointError(
            "the checkpoint is not signed by those who must",
            where=f"{checkpoint.origin} {checkpoint.head}",
            got=", ".join(key.name for key in signers.values()) or "nobody known",
            wanted=f"{needed} of {', '.join(key.name for key in known.values())}",
        )
    return Verified(checkpoint, tuple(signers.values()))


def _holds(key: VerifierKey, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return len(signature) == SIGNATURE_SIZE


# --- proofs that travel ---


@dataclass(frozen=True, slots=True)
class Inclusion:
    """That an entry is in the journal of a checkpoint, as one text (C2SP tlog-proof, version 1).

    `index` counts from 0: entry 1 of the journal is leaf 0. `note` is the checkpoint, signed or the body alone.
    """

    index: int
    hashes: tuple[bytes, ...]
    note: str

    def __str__(self) -> str:
        return _proof_text((PROOF_FORMAT, f"index {self.index}"), self.hashes, self.note)

    @classmethod
    def parse(cls, text: str | bytes) -> Inclusion:
        """The proof back from its text; CheckpointError where it is none. Extra data is read over."""
        whole = _decoded(text)
        first, _, rest = whole.partition("\n")
        if first != PROOF_FORMAT:
            raise CheckpointError("not a proof of inclusion", got=first[:80], wanted=PROOF_FORMAT)
        if rest.startswith("extra "):
            extra, _, rest = rest.partition("\n")
            _unbase64(extra.removeprefix("extra "), "extra data of the proof")
        return cls(*_proof_parts(rest, "index"))

    def verify(self, leaf: bytes) -> Checkpoint:
        """The checkpoint under which the entry with this leaf hash is sealed; SealBroken where it is not."""
        checkpoint = Checkpoint.parse(self.note)
        verify_inclusion(self.index, checkpoint.size, leaf, self.hashes, checkpoint.root)
        return checkpoint


@dataclass(frozen=True, slots=True)
class Growth:
    """That a journal grew out of an older checkpoint, as one text (the body of a C2SP tlog-witness request).

    `old` is the size then; `note` is the newer checkpoint, signed or the body alone.
    """

    old: int
    hashes: tuple[bytes, ...]
    note: str

    def __str__(self) -> str:
        return _proof_text((f"old {self.old}",), self.hashes, self.note)

    @classmethod
    def parse(cls, text: str | bytes) -> Growth:
        """The proof back from its text; CheckpointError where it is none."""
        return cls(*_proof_parts(_decoded(text), "old"))

    def verify(self, old: Checkpoint) -> Checkpoint:
        """The newer checkpoint, if its journal begins with the entries of `old`; SealBroken where it does not."""
        checkpoint = Checkpoint.parse(self.note)
        checkpoint.check_origin(old.origin)
        if self.old != old.size:
            raise SealBroken("the proof is from another size", where=old.origin, got=self.old, wanted=old.size)
        verify_consistency(old.size, checkpoint.size, self.hashes, old.root, checkpoint.root)
        return checkpoint


def _proof_text(head: Sequence[str], hashes: Sequence[bytes], note: str) -> str:
    return "".join(f"{line}\n" for line in (*head, *map(_base64, hashes), "")) + note


def _proof_parts(text: str, word: str) -> tuple[int, tuple[bytes, ...], str]:
    """The number after a word, the hashes, and the note that follows the first empty line."""
    head, blank, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    name, _, number = first.partition(" ")
    if not blank or name != word or not _NUMBER.fullmatch(number):
        raise CheckpointError("not a proof", got=first[:80], wanted=f"'{word}' and a number, hashes, an empty line")
    if len(lines) > _MOST_HASHES:
        raise CheckpointError("more hashes than a tree is high", got=len(lines), wanted=f"at most {_MOST_HASHES}")
    Checkpoint.parse(note)
    return int(number), tuple(_unbase64(line, "hash of the proof") for line in lines), note
