"""Signed notes against the vectors of C2SP and of Go's note package; checkpoints, cosigning, and proofs that travel."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate_funds.checkpoint import (
    Checkpoint,
    Growth,
    Inclusion,
    Note,
    SignerKey,
    VerifierKey,
    generate_key,
    parse_note,
    sign,
    verify,
)
from estate_funds.errors import CheckpointError, SealBroken
from estate_funds.merkle import EMPTY_ROOT, Subtrees, consistency_proof, inclusion_proof, leaf_hash, root_at

# golang.org/x/mod, sumdb/note/note_test.go and the documentation of note.go
PETER_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
ENOCH_LINE = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
)
# C2SP signed-note, the example of verifier keys
EXAMPLE = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
# A checkpoint of the Go checksum database, as in transparency-dev/formats, log/checkpoint_test.go; its key is built
# into the go command.
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB_NOTE = (
    "go.sum database tree\n6476701\nmb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=\n\n"
    "— sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=\n"
)

BOOKS, CITY, DISTRICT, AUDITOR = (
    SignerKey(name, hashlib.sha256(name.encode()).digest())
    for name in ("nanchang.example/award", "南昌市财政局", "东湖区财政局", "auditor.example")
)
LEAVES = [leaf_hash(str(n).encode()) for n in range(20)]
TREE = Subtrees(len(LEAVES), lambda start, count: b"".join(LEAVES[start : start + count]))


def at(size: int, origin: str = "nanchang.example/award") -> Checkpoint:
    return Checkpoint(origin, size, root_at(size, TREE))


def keys(*texts: str) -> list[VerifierKey]:
    return [VerifierKey.parse(text) for text in texts]


# --- keys ---


@pytest.mark.parametrize("text", [PETER, ENOCH, EXAMPLE, SUMDB])
def test_published_verifier_keys_read_and_write(text: str) -> None:
    key = VerifierKey.parse(text)
    assert str(key) == text
    assert key.key_id.hex() == text.split("+")[1]


def test_a_published_signer_key_has_the_published_public_half() -> None:
    key = SignerKey.parse(PETER_SECRET)
    assert str(key.verifier) == PETER
    assert key.secret_text() == PETER_SECRET


@pytest.mark.parametrize(("text", "parse"), [(PETER, VerifierKey.parse), (PETER_SECRET, SignerKey.parse)])
def test_mangled_keys_are_refused(text: str, parse: object) -> None:
    """The manglings of note_test.go: every part of the text, and every byte of it one higher."""
    parts = [text[i:j] for i in range(len(text) + 1) for j in range(i + 1, len(text) + 1)]
    parts.remove(text)
    raised = [text[:i] + chr(ord(text[i]) + 1) + text[i + 1 :] for i in range(len(text))]
    for mangled in (*parts, *raised, "", text + "\n", text + "=", text.upper()):
        with pytest.raises(CheckpointError):
            parse(mangled)  # type: ignore[operator]


def test_keys_of_the_wrong_length_or_type_are_refused() -> None:
    for text in (
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ):
        with pytest.raises(CheckpointError):
            VerifierKey.parse(text)
    with pytest.raises(CheckpointError):
        VerifierKey("a", b"short")
    with pytest.raises(CheckpointError):
        SignerKey("a", b"short")


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\u3000b", "a\nb", "a\x01b", "\ud800"])
def test_a_name_has_no_blanks_and_no_plus(name: str) -> None:
    with pytest.raises(CheckpointError, match="name of a key"):
        generate_key(name)


def test_a_new_key_signs_and_verifies_and_is_never_shown() -> None:
    key, other = generate_key("南昌市财政局"), generate_key("南昌市财政局")
    assert key != other
    assert SignerKey.parse(key.secret_text()) == key
    assert VerifierKey.parse(str(key.verifier)) == key.verifier
    secret = key.secret_text().split("+", 4)[4]  # base64 has plus signs too
    assert secret not in repr(key) + str(key)
    assert repr(key.seed) not in repr(key)
    assert verify(sign(at(3), key), [key.verifier]).signers == (key.verifier,)


@pytest.mark.parametrize(
    "spoil", [lambda t: t[:-8], lambda t: t[3:], lambda t: t.replace("+PeterNeumann+c74f20a3", "")]
)
def test_an_error_about_a_private_key_does_not_show_it(spoil: object) -> None:
    with pytest.raises(CheckpointError) as caught:
        SignerKey.parse(spoil(PETER_SECRET))  # type: ignore[operator]
    assert "YEKFALVFGy" not in str(caught.value)
    with pytest.raises(CheckpointError, match="private key where a public one") as caught:
        VerifierKey.parse(PETER_SECRET)
    assert "YEKFALVFGy" not in str(caught.value)


# --- signed notes, on the texts of the vectors (which are no checkpoints) ---


def verified_lines(note: str | bytes, *trusted: str) -> list[str]:
    """Who of the trusted has signed any note."""
    told = parse_note(note)
    known = {(key.name, key.key_id): key for key in keys(*trusted)}
    found = []
    for line in told.signatures:
        key = known.get((line.name, line.key_id))
        if key is not None:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

            Ed25519PublicKey.from_public_bytes(key.public).verify(line.data, told.body.encode())
            found.append(key.name)
    return found


def test_the_published_notes_verify() -> None:
    assert verified_lines(TEXT + "\n" + PETER_LINE + ENOCH_LINE, PETER, ENOCH) == ["PeterNeumann", "EnochRoot"]
    assert verified_lines(EXAMPLE_NOTE, EXAMPLE) == ["example.com/foo"]
    assert str(parse_note(EXAMPLE_NOTE)) == EXAMPLE_NOTE


def test_the_published_signature_is_made_byte_for_byte() -> None:
    key = SignerKey.parse(PETER_SECRET)
    line = "— PeterNeumann " + base64.b64encode(key.verifier.key_id + key.signature(TEXT.encode())).decode() + "\n"
    assert line == PETER_LINE


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT + "\n",
        TEXT + "\n" + PETER_LINE[:-1],
        "\x01" + TEXT + "\n" + PETER_LINE,
        TEXT
        + "\n"
        + "— Bad Name x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=",
        TEXT + "\n" + PETER_LINE + "Unexpected line.\n",
        TEXT + "\n" + PETER_LINE * 101,
        TEXT + "\n" + PETER_LINE.replace("—", "-"),
        TEXT + "\n" + "— PeterNeumann x08g\n",
        TEXT + "\n" + "— PeterNeumann \n",
        TEXT + "\n" + PETER_LINE.replace("\n", "\r\n"),
        (TEXT + "\n" + PETER_LINE).encode() + b"\xff",
        TEXT + "\n\n" + PETER_LINE + "\n",
        "",
        "\ud800\n\n" + PETER_LINE,
    ],
)
def test_malformed_notes_are_refused(text: str | bytes) -> None:
    """Those of note_test.go, and more."""
    with pytest.raises(CheckpointError):
        parse_note(text)


def test_base64_has_one_form() -> None:
    for spoiled in (
        PETER_LINE.replace("AM=", "AN="),
        PETER_LINE.replace("=\n", "\n"),
        PETER_LINE.replace("=\n", "==\n"),
    ):
        with pytest.raises(CheckpointError, match="not base64"):
            parse_note(TEXT + "\n" + spoiled)


# --- checkpoints ---


def test_a_checkpoint_of_another_log_verifies() -> None:
    checkpoint, signers = verify(SUMDB_NOTE, keys(SUMDB), origin="go.sum database tree")
    assert (checkpoint.size, checkpoint.extensions) == (6476701, ())
    assert [key.name for key in signers] == ["sum.golang.org"]
    assert checkpoint.body + "\n" == SUMDB_NOTE[: len(checkpoint.body) + 1]
    for digit in "023456789":
        with pytest.raises(CheckpointError, match="does not fit the text"):
            verify(SUMDB_NOTE.replace("6476701", f"647670{digit}"), keys(SUMDB))


def test_the_body_is_what_the_specification_says() -> None:
    checkpoint = Checkpoint("a", 2, bytes(32), ("more", "and more"))
    assert checkpoint.body == "a\n2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nmore\nand more\n"
    assert Checkpoint.parse(checkpoint.body) == checkpoint == Checkpoint.parse(sign(checkpoint, CITY))
    assert checkpoint.head == "2:" + "00" * 32


@pytest.mark.parametrize(
    "body",
    [
        "",
        "a\n",
        "a\n1\n",
        f"a\n1\n{'A' * 43}=",  # the last line does not end
        f"a\n01\n{'A' * 43}=\n",
        f"a\n-1\n{'A' * 43}=\n",
        f"a\n+1\n{'A' * 43}=\n",
        f"a\n１\n{'A' * 43}=\n",
        f"a\n9999999999999999999\n{'A' * 43}=\n",
        f"a\n0\n{'A' * 43}=\n",  # not the root of the empty tree
        f"\n1\n{'A' * 43}=\n",
        f"a\n1\n{'A' * 43}\n",
        f"a\n1\n{'A' * 42}B=\n",
        "a\n1\nAAAA\n",
        f"a\n1\n{'A' * 43}=\n\n",
        f"a\n1\n{'A' * 43}=\n\nx\n",
        f"a\t\n1\n{'A' * 43}=\n",
        f"a\r\n1\r\n{'A' * 43}=\r\n",
    ],
)
def test_what_is_no_checkpoint(body: str) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(body)


@pytest.mark.parametrize("values", [("", 1), ("a\nb", 1), ("\ud800", 1), ("a", -1), ("a", 2**63), ("a", 0)])
def test_an_impossible_checkpoint_cannot_be_made(values: tuple[str, int]) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint(*values, bytes(32))
    with pytest.raises(CheckpointError):
        Checkpoint("a", 1, bytes(32), ("",))


def test_a_note_within_a_note_is_no_checkpoint() -> None:
    inner = sign(at(3), CITY)
    outer = str(Note(inner, parse_note(sign(at(3), CITY)).signatures))
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        Checkpoint.parse(outer)
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        verify(outer, [CITY.verifier])


# --- signing together ---


def test_city_district_and_auditor_add_a_line_each() -> None:
    note = ""
    signers = (BOOKS, CITY, DISTRICT, AUDITOR)
    for signer in signers:
        note = sign(at(7), signer, note=note)
    trusted = [key.verifier for key in signers]
    assert note.startswith(at(7).body + "\n— nanchang.example/award ")
    assert [line.name for line in parse_note(note).signatures] == [key.name for key in signers]
    assert verify(note, trusted).signers == tuple(trusted)
    assert verify(note.encode(), trusted[:2]).signers == tuple(trusted[:2])
    assert sign(at(7), CITY, note=note).count("\n— ") == 4  # the line of the same key is replaced, at the end
    assert sign(at(7), BOOKS, note=at(7).body) == sign(at(7), BOOKS)


def test_unknown_lines_are_kept_and_ignored() -> None:
    note = sign(at(7), CITY)
    strange = PETER_LINE.replace("PeterNeumann", "南昌市财政局")  # the name of a known key, the id of another
    mixed = note + strange + ENOCH_LINE
    assert verify(mixed, [CITY.verifier]).signers == (CITY.verifier,)
    assert strange in sign(at(7), AUDITOR, note=mixed)


def test_too_few_signatures() -> None:
    trusted = [key.verifier for key in (CITY, DISTRICT, AUDITOR)]
    note = sign(at(7), CITY)
    assert verify(note, trusted, required=1).checkpoint == at(7)
    with pytest.raises(CheckpointError, match="not signed by those who must") as caught:
        verify(note, trusted, required=2)
    assert caught.value.got == "南昌市财政局"
    with pytest.raises(CheckpointError, match="nobody known"):
        verify(sign(at(7), BOOKS), trusted, required=1)
    assert verify(sign(at(7), AUDITOR, note=note), trusted, required=2).signers == (trusted[0], trusted[2])
    for number in (0, -1, 4):
        with pytest.raises(CheckpointError, match="number of trusted keys"):
            verify(note, trusted, required=number)
    with pytest.raises(CheckpointError, match="number of trusted keys"):
        verify(note, [])


def test_one_key_counts_once_whatever_it_is_called() -> None:
    alias = SignerKey("alias", CITY.seed)
    note = sign(at(7), alias, note=sign(at(7), CITY))
    note += note.splitlines(keepends=True)[-1]
    trusted = [CITY.verifier, CITY.verifier, alias.verifier, AUDITOR.verifier]
    with pytest.raises(CheckpointError, match="not signed by those who must"):
        verify(note, trusted, required=2)
    with pytest.raises(CheckpointError, match="number of trusted keys"):
        verify(note, trusted, required=3)


def test_a_line_of_a_known_key_that_does_not_fit_refuses_the_whole_note() -> None:
    good, other = sign(at(7), CITY), sign(at(8), CITY)
    line = other.splitlines(keepends=True)[-1]
    for spoiled in (good + line, at(7).body + "\n" + line + good.splitlines(keepends=True)[-1]):
        with pytest.raises(CheckpointError, match="does not fit the text"):
            verify(spoiled, [CITY.verifier])
    short = base64.b64encode(CITY.verifier.key_id + bytes(63)).decode()
    with pytest.raises(CheckpointError, match="does not fit the text"):
        verify(good + f"— {CITY.name} {short}\n", [CITY.verifier])


def test_a_foreign_checkpoint_is_refused() -> None:
    with pytest.raises(CheckpointError, match="another journal") as caught:
        verify(sign(at(7), CITY), [CITY.verifier], origin="dezhou.example")
    assert (caught.value.got, caught.value.wanted) == ("nanchang.example/award", "dezhou.example")
    assert caught.value.exit_status == 2
    for other in (at(8), at(7, "dezhou.example")):
        with pytest.raises(CheckpointError, match="of another checkpoint"):
            sign(other, AUDITOR, note=sign(at(7), CITY))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_changed_byte_of_a_note_passes(data: st.DataObject) -> None:
    note = sign(at(17), CITY).encode()
    place = data.draw(st.integers(0, len(note) - 1))
    changed = bytearray(note)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CheckpointError):
        verify(bytes(changed), [CITY.verifier])


# --- proofs that travel ---


def inclusion(index: int, size: int) -> Inclusion:
    return Inclusion(index, tuple(inclusion_proof(index, size, TREE)), sign(at(size), CITY))


def growth(old: int, size: int) -> Growth:
    return Growth(old, tuple(consistency_proof(old, size, TREE)), sign(at(size), CITY))


def test_a_proof_of_inclusion_is_a_tlog_proof() -> None:
    proof = inclusion(3, 6)
    text = str(proof)
    assert text.splitlines()[:2] == ["c2sp.org/tlog-proof@v1", "index 3"]
    assert text.splitlines()[5:8] == ["", "nanchang.example/award", "6"]
    assert Inclusion.parse(text) == Inclusion.parse(text.replace("index 3", "extra AAAA\nindex 3")) == proof
    assert proof.verify(LEAVES[3]) == at(6)
    with pytest.raises(SealBroken):
        proof.verify(LEAVES[2])
    assert Inclusion.parse(str(inclusion(0, 1))).verify(LEAVES[0]) == at(1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("c2sp.org/tlog-proof@v1", "c2sp.org/tlog-proof@v2"),
        ("index 3", "index 03"),
        ("index 3", "index"),
        ("index 3", "old 3"),
        ("index 3\n", ""),
        ("index 3", "extra A\nindex 3"),
        ("index 3", "index 3\nAAAA!"),
        ("index 3", "index 3\n" + "A" * 43 + "=" + ("\n" + "A" * 43 + "=") * 63),
        ("\n\n", "\n"),
        ("award\n6", "award\n06"),
    ],
)
def test_malformed_proofs_are_refused(old: str, new: str) -> None:
    text = str(inclusion(3, 6))
    assert old in text
    with pytest.raises(CheckpointError):
        Inclusion.parse(text.replace(old, new))


def test_a_proof_of_growth_is_a_witness_request() -> None:
    proof = growth(7, 20)
    assert str(proof).startswith("old 7\n")
    assert Growth.parse(str(proof)) == proof
    assert proof.verify(at(7)) == at(20)
    assert growth(0, 20).verify(Checkpoint(at(1).origin, 0, EMPTY_ROOT)) == at(20)
    with pytest.raises(SealBroken, match="another size"):
        proof.verify(at(8))
    with pytest.raises(SealBroken, match="does not begin with"):
        proof.verify(Checkpoint(at(1).origin, 7, bytes(32)))
    with pytest.raises(SealBroken, match="another journal"):
        proof.verify(at(7, "dezhou.example"))
    with pytest.raises(SealBroken, match="shorter"):
        Growth(20, (), sign(at(7), CITY)).verify(at(20))


def test_the_example_of_the_witness_specification_is_read() -> None:
    """C2SP tlog-witness, the example of an add-checkpoint request."""
    text = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""
    proof = Growth.parse(text)
    assert (proof.old, len(proof.hashes), Checkpoint.parse(proof.note).size) == (20852014, 4, 20852163)
    assert str(proof) == text


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_changed_byte_of_a_proof_passes(data: st.DataObject) -> None:
    """Whatever is changed, the text is refused, the proof breaks, or the signature does."""
    old, size = 5, 13
    text = data.draw(st.sampled_from([str(inclusion(old, size)), str(growth(old, size))]), label="text").encode()
    place = data.draw(st.integers(0, len(text) - 1))
    changed = bytearray(text)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((CheckpointError, SealBroken)):
        if text.startswith(b"old"):
            grown = Growth.parse(bytes(changed))
            grown.verify(at(old))
            verify(grown.note, [CITY.verifier])
        else:
            proof = Inclusion.parse(bytes(changed))
            proof.verify(LEAVES[old])
            verify(proof.note, [CITY.verifier])


def test_the_library_is_loaded_only_when_a_key_is_used() -> None:
    import subprocess
    import sys

    code = "import sys, estate_funds.checkpoint; print('cryptography' in sys.modules)"
    path = str(Path(__file__).parents[1] / "src")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    assert done.stdout == "False\n"
