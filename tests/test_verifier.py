"""The independent verifier, held against the library: what the one refuses, the other finds, entry by entry."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import random
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import HANDS, ROOT, make_fund
from estate_funds import verifier
from estate_funds.calendar import Month
from estate_funds.checkpoint import Checkpoint, sign, verify
from estate_funds.errors import EstateFundsError, InvariantBroken
from estate_funds.exchange.bundle import Bundle, parse_entry
from estate_funds.funds import Account, Permit
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger import PAYMENTS, Ledger, refold
from estate_funds.merkle import tree_root
from estate_funds.vouchers import (
    advance,
    appropriate,
    carry_forward,
    claw_back,
    close,
    lend,
    open_fund,
    promise,
    recover,
    release,
    reopen,
    repay,
    reverse,
    settle,
    spend,
    surrender,
    transfer,
    waive,
)  # fmt: skip
from journals import AUDITOR, BOOKS, ORIGIN, History, full_history, papers

FILE = ROOT / "src" / "estate_funds" / "verifier.py"
HISTORY = full_history()
KEY = str(BOOKS.verifier)


def fence(*into: str) -> tuple[Permit, ...]:
    """One purpose for everybody who may take."""
    who = ("enterprise", "community", "city")
    return tuple(
        Permit("p", c, key, date(2000, 1, 1), None, ("invoice",) * (not key), "1") for c in who for key in ("", *into)
    )


# --- what it is ---


def test_it_is_one_short_file_of_the_standard_library() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert text.count("\n") <= 410
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert all(name.split(".")[0] in sys.stdlib_module_names for name in names), names


def run(*arguments: object, module: bool = False) -> subprocess.CompletedProcess[str]:
    """The verifier in a process of its own; as a file it sees nothing but the standard library."""
    start = [sys.executable, "-m", "estate_funds.verifier"] if module else [sys.executable, "-I", "-S", str(FILE)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1"}
    return subprocess.run([*start, *map(str, arguments)], capture_output=True, encoding="utf-8", env=environment, check=False)  # fmt: skip


@pytest.mark.parametrize("module", [False, True])
def test_a_whole_journal_with_every_kind_verifies(tmp_path: Path, module: bool) -> None:
    assert {entry.draft.kind for entry in HISTORY.entries} == set(Kind)
    bundle = HISTORY.export(tmp_path / "journal.zip")
    old = tmp_path / "old"
    old.write_text(sign(at(20), BOOKS), encoding="utf-8")
    done = run(bundle, "--key", KEY, "--old", old, module=module)
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"journal     {ORIGIN}: {len(HISTORY.entries)} entries, 1 of them refusals",
        f"seal        {HISTORY.ledger.head}, and 1 older checkpoints",
        "signatures  1",
        f"contents    {len(HISTORY.ledger.balances)} balances, 3 of 3 documents",
        "findings    0",
    ]


def at(size: int) -> Checkpoint:
    """The checkpoint when the journal had so many entries."""
    ledger = Ledger()
    for entry in HISTORY.entries[:size]:
        refold(ledger, entry)
    return Checkpoint(ORIGIN, size, ledger.tree.root)


def check(bundle: Path, *arguments: object) -> int:
    return verifier.main([str(bundle), *map(str, arguments)])


def test_without_a_key_it_says_that_no_signature_was_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(HISTORY.export(tmp_path / "journal.zip", note=HISTORY.checkpoint().body)) == 0
    assert "not checked: no --key was given" in capsys.readouterr().out


def test_documents_may_stay_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(HISTORY.export(tmp_path / "journal.zip", papers=False)) == 0
    assert "0 of 3 documents" in capsys.readouterr().out


def test_an_empty_journal(tmp_path: Path) -> None:
    assert check(History().export(tmp_path / "empty.zip"), "--key", KEY) == 0


# --- what is sealed ---


def rewritten(bundle: Path, **members: bytes | None) -> Path:
    """Another bundle with other members, underscores for dots; None leaves one out."""
    with zipfile.ZipFile(bundle) as old:
        content: dict[str, bytes | None] = {name: old.read(name) for name in old.namelist()}
    content |= {name.replace("_", "."): data for name, data in members.items()}
    other = bundle.with_name(f"other-{len(list(bundle.parent.iterdir()))}.zip")
    with zipfile.ZipFile(other, "w") as new:
        for name, data in content.items():
            if data is not None:
                new.writestr(name, data)
    return other


def library_refuses(bundle: Path) -> bool:
    """Whether the library, on its own way through the bundle, finds it is not what was signed."""
    with Bundle(bundle) as opened:
        ledger = Ledger()
        try:
            for entry in opened.entries():
                refold(ledger, entry)
            sealed = verify(opened.checkpoint, [BOOKS.verifier], origin=ORIGIN).checkpoint
            same = (sealed.size, sealed.root) == (ledger.tree.size, ledger.tree.root)
            return not same or opened.balances() != ledger.balances
        except (EstateFundsError, InvariantBroken):
            return True


def test_both_refuse_every_changed_line_of_a_sealed_journal(tmp_path: Path) -> None:
    """Whatever a line says now: the root is another, even where the rules are kept."""
    bundle = HISTORY.export(tmp_path / "journal.zip")
    lines = b"".join(TEXTS).split(b"\n")[:-1]
    rng = random.Random(4)
    for place in rng.sample(range(len(lines)), 60):
        changed = rng.choice([[], [lines[place]] * 2, [lines[place] + b"1"], [lines[place][:-1]]])
        text = b"\n".join([*lines[:place], *changed, *lines[place + 1 :], b""])
        other = rewritten(bundle, journal_txt=text)
        assert library_refuses(other)
        assert check(other, "--key", KEY) == 1, lines[place]


def test_entries_cut_off_added_or_rewritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = HISTORY.export(tmp_path / "journal.zip")
    again = replace(HISTORY.entries[-1], seq=len(TEXTS) + 1, draft=replace(HISTORY.entries[-1].draft, key="again"))
    for texts in (
        TEXTS[:-1],
        [*TEXTS, again.canonical()],
        TEXTS[:10] + TEXTS[11:],
        [TEXTS[1], TEXTS[0], *TEXTS[2:]],
        [],
    ):
        other = rewritten(bundle, journal_txt=b"".join(texts))
        assert library_refuses(other)
        assert check(other, "--key", KEY) == 1
        assert f"are not those of {ORIGIN} {len(TEXTS)}" in capsys.readouterr().out


def test_a_journal_that_was_rewritten_and_signed_again_fails_against_an_older_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It keeps every rule and has every signature; only who held an older checkpoint can tell."""
    kept, held = HISTORY.export(tmp_path / "kept.zip"), tmp_path / "held"
    held.write_text(sign(at(30), AUDITOR), encoding="utf-8")
    other = History()
    for entry in HISTORY.entries[:29]:
        other.book(replace(entry.draft, narrative=entry.draft.narrative + " (later)"), entry.recorded)
    short = other.export(tmp_path / "short.zip")
    for entry in HISTORY.entries[29:]:
        other.book(entry.draft, entry.recorded)
    rewritten_one = other.export(tmp_path / "rewritten.zip")
    assert check(kept, "--key", KEY, "--old", held) == 0
    for bundle in (short, rewritten_one):
        assert check(bundle, "--key", KEY) == 0
        capsys.readouterr()
        assert check(bundle, "--key", KEY, "--old", held) == 1
        assert f"are not those of {ORIGIN} 30, or do not begin so" in capsys.readouterr().out
    held.write_text(sign(at(30), AUDITOR).replace(ORIGIN, "elsewhere"), encoding="utf-8")
    assert check(kept, "--key", KEY, "--old", held) == 1


def test_signatures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note = sign(HISTORY.checkpoint(), AUDITOR, note=sign(HISTORY.checkpoint(), BOOKS))
    bundle, both = HISTORY.export(tmp_path / "journal.zip", note=note), ["--key", KEY, "--key", AUDITOR.verifier]
    assert check(bundle, *both) == 0
    outside = tmp_path / "note"
    outside.write_text(sign(HISTORY.checkpoint(), AUDITOR), encoding="utf-8")
    assert check(bundle, "--key", AUDITOR.verifier, "--checkpoint", outside) == 0
    capsys.readouterr()
    assert check(bundle, *both, "--checkpoint", outside) == 1
    assert f"{ORIGIN} has not signed" in capsys.readouterr().out
    # the name and the id of a known key, the signature of another text
    line = sign(at(3), BOOKS).splitlines()[-1]
    outside.write_text(f"{HISTORY.checkpoint().body}\n{line}\n", encoding="utf-8")
    assert check(bundle, "--key", KEY, "--checkpoint", outside) == 1
    assert f"the signature of {ORIGIN} does not fit" in capsys.readouterr().out


def test_what_cannot_be_read_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = HISTORY.export(tmp_path / "journal.zip")
    text, cut = tmp_path / "text", tmp_path / "cut.zip"
    text.write_text("neither a bundle nor a checkpoint")
    cut.write_bytes(bundle.read_bytes()[:-50])
    for arguments in (
        (text,), (cut,), (tmp_path / "nothing",), (tmp_path,), (rewritten(bundle, journal_txt=None),),
        (rewritten(bundle, balances_txt=None),), (bundle, "--key", "no key"), (bundle, "--key", KEY[:-4]),
        (bundle, "--key", KEY.replace("+", "+0", 1)), (bundle, "--old", text), (bundle, "--checkpoint", text),
        (bundle, "--checkpoint", tmp_path / "nothing"), (rewritten(bundle, checkpoint=b"\xff"),),
        (rewritten(bundle, checkpoint=HISTORY.checkpoint().body.replace("\n", "\r\n").encode()),),
    ):  # fmt: skip
        assert check(*arguments) == 2, arguments
        output = capsys.readouterr()
        assert "cannot be verified" in output.err
        assert output.out == ""


def test_balances_and_documents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = HISTORY.export(tmp_path / "journal.zip")
    with zipfile.ZipFile(bundle) as file:
        balances, documents = (
            file.read("balances.txt"),
            [name for name in file.namelist() if name.startswith("evidence/")],
        )
    for spoiled_text in (balances[:-2] + b"9\n", balances + balances, b"\n".join(balances.split(b"\n")[1:]), b""):
        assert check(rewritten(bundle, balances_txt=spoiled_text)) == 1
        assert "balances.txt does not hold the balances" in capsys.readouterr().out
    for members in (
        {documents[0]: b"another text"},
        {"evidence/" + "0" * 64: b"x"},
        {"more": b""},
        {"evidence/../x": b""},
    ):
        assert check(rewritten(bundle, **members)) == 1
        assert "is not what a bundle holds, or not the document" in capsys.readouterr().out
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(bundle, "a") as file:
        file.writestr("journal.txt", b"")
    assert check(bundle) == 1


def test_what_follows_a_finding_is_looked_at_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One entry that is no entry, one that breaks a rule: both are named, and not everything after them."""
    texts = [*TEXTS]
    texts[9] = texts[9].replace(b"\nkey\t", b"\nkee\t")
    texts[20] = re.sub(b"\napprover\t[^\n]*", b"\napprover\t" + HISTORY.entries[20].draft.maker.encode(), texts[20])
    assert check(rewritten(HISTORY.export(tmp_path / "journal.zip"), journal_txt=b"".join(texts))) == 1
    found = capsys.readouterr().out
    assert "entry 10: the lines are not those of an entry" in found
    assert "entry 21: maker and approver are not two people" in found
    assert "entry 56" not in found


# --- Ed25519 ---

# RFC 8032, section 7.1: tests 1, 2, 3 and "SHA(abc)": secret, public, message, signature
VECTORS = [
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
    ("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     hashlib.sha512(b"abc").hexdigest(),
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"),
]  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS, ids=["1", "2", "3", "SHA(abc)"])
def test_ed25519_as_published(vector: tuple[str, str, str, str]) -> None:
    secret, public, message, signature = map(bytes.fromhex, vector)
    assert Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw() == public
    assert verifier.signed(public, message, signature)
    assert not verifier.signed(public, message + b"x", signature)
    higher = int.from_bytes(signature[32:], "little") + verifier.L  # the same point, in a form that is not allowed
    assert not verifier.signed(public, message, signature[:32] + higher.to_bytes(32, "little"))
    for place in range(0, 64, 5):
        flipped = bytearray(signature)
        flipped[place] ^= 1 << place % 8
        assert not verifier.signed(public, message, bytes(flipped))


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.integers(0, 511))
def test_ed25519_as_the_library_signs(seed: bytes, message: bytes, bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert verifier.signed(public, message, signature)
    flipped = (int.from_bytes(signature, "big") ^ 1 << bit).to_bytes(64, "big")
    assert not verifier.signed(public, message, flipped)
    for wrong in (b"", signature[:-1], signature + b"\x00"):
        assert not verifier.signed(public, message, wrong)


def test_a_key_that_is_no_point_of_the_curve_is_refused() -> None:
    for public in (
        b"\x02" + bytes(31),
        b"\xff" * 32,
        b"\x01" + bytes(30) + b"\x80",
    ):  # off it, not reduced, minus nought
        with pytest.raises(ValueError, match="no point of the curve"):
            verifier.signed(public, b"", bytes(64))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 100])
def test_the_tree_is_that_of_the_library(size: int) -> None:
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(size)]
    assert verifier.root_of(leaves) == tree_root(b"".join(leaves))


# --- entry by entry, against the gate ---


class Both:
    """The library's ledger and the verifier's journal, side by side."""

    def __init__(self, entries: list[Entry] | None = None) -> None:
        self.ledger, self.journal = Ledger(), verifier.Journal()
        for entry in entries or []:
            assert self.refused(entry.canonical()) == ""
            self.fold(entry.canonical())

    def fold(self, text: bytes) -> None:
        self.ledger.advance(parse_entry(text))
        self.journal.fold(verifier.Entry(text))

    def refused(self, text: bytes) -> str:
        """Why both refuse an entry; nothing where both take it."""
        why = what = ""
        try:
            entry = parse_entry(text)
            if self.ledger.check(entry.draft, recorded=entry.recorded) != entry:
                why = "a gap, or the same entry twice"
        except EstateFundsError as error:
            why = f"{type(error).__name__}: {error}"
        try:
            self.journal.check(verifier.Entry(text))
        except ValueError as error:
            what = str(error)
        assert bool(why) == bool(what), f"library: {why}\nverifier: {what}\n{text.decode('utf-8', 'replace')}"
        return why

    def same(self) -> bool:
        """Whether both hold the same balances, open funds and fences."""
        held = {key: fen for key, fen in self.journal.balances.items() if fen}
        return held == self.ledger.balances and set(self.journal.funds) == set(self.ledger.funds)


TEXTS = [entry.canonical() for entry in HISTORY.entries]


def test_both_take_every_entry_of_the_history() -> None:
    both = Both(HISTORY.entries)
    assert both.same()
    assert both.ledger.balances == HISTORY.ledger.balances


def respelled(line: str, others: list[str]) -> list[str]:
    """What a line could be changed to: other values of the same name, near numbers, other sides and accounts, nothing."""
    name, *parts = line.split("\t")
    changed = [line + "x", line + "\t", name, "", line.replace("\t", " ", 1), *others]
    for at_, part in enumerate(parts):
        for other in (
            "",
            part + "x",
            "D" if part == "C" else "C" if part == "D" else "-" + part,
            *ACCOUNTS * (at_ == 1),
        ):
            changed.append("\t".join([name, *parts[:at_], other, *parts[at_ + 1 :]]))
        if re.fullmatch("-?[0-9]+", part):
            for number in (int(part) + 1, int(part) - 1, 2 * int(part), -int(part), 2**63, 0):
                changed.append("\t".join([name, *parts[:at_], str(number), *parts[at_ + 1 :]]))
        if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", part):
            day = date.fromisoformat(part)
            for days in (-400, -1, 1, 31, 400, 4000):
                changed.append("\t".join([name, *parts[:at_], str(day + timedelta(days)), *parts[at_ + 1 :]]))
    return [one for one in dict.fromkeys(changed) if one != line]


ACCOUNTS = tuple(Account)
NUMBERS = pytest.mark.parametrize("number", range(len(TEXTS)), ids=lambda n: f"{n + 1}-{HISTORY.entries[n].draft.kind}")


@NUMBERS
def test_no_single_line_is_changed_without_both_agreeing(number: int) -> None:
    """Each line of each entry, left out, doubled, or changed in each of its parts."""
    both = Both(HISTORY.entries[:number])
    lines = TEXTS[number].decode().split("\n")[:-1]
    tried = 0
    for place, line in enumerate(lines):
        name = line.split("\t")[0]
        others = [o for text in TEXTS[::5] for o in text.decode().split("\n") if o.split("\t")[0] == name]
        for changed in [[], [line, line], *([one] for one in respelled(line, sorted(set(others))))]:
            both.refused("\n".join([*lines[:place], *changed, *lines[place + 1 :], ""]).encode())
            tried += 1
    assert tried > 200


@NUMBERS
def test_no_line_of_another_entry_is_put_in_without_both_agreeing(number: int) -> None:
    """Terms, evidence and postings that an entry should not have."""
    both = Both(HISTORY.entries[:number])
    lines = TEXTS[number].decode().split("\n")[:-1]
    more = {
        line
        for text in TEXTS
        for line in text.decode().split("\n")
        if line.split("\t")[0] in ("term", "evidence", "posting")
    }
    for line in sorted(more):
        for place in {17, len(lines)}:
            both.refused("\n".join([*lines[:place], line, *lines[place:], ""]).encode())


WORDS = sorted({part for text in TEXTS for line in text.decode().split("\n") for part in line.split("\t")[1:]})


@NUMBERS
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_word_is_changed_throughout_without_both_agreeing(number: int, data: st.DataObject) -> None:
    """A fund, a day, an amount, a reference, replaced wherever an entry has it, so that it still balances."""
    both = Both(HISTORY.entries[:number])
    text = TEXTS[number].decode()
    for _ in range(data.draw(st.integers(1, 3))):
        mine = sorted(
            {part for line in text.split("\n") for part in line.split("\t")[1:]} | {"2022", "2023", "\t-", "\tC\t"}
        )
        old = data.draw(st.sampled_from(mine))
        new = data.draw(st.one_of(st.sampled_from(WORDS), st.sampled_from(list(Kind)), st.integers(1, 10**6).map(str)))
        text = re.sub(f"(?<=[\\t]){re.escape(old)}(?=[\\t\\n-])", lambda _, new=new: new, text)
    both.refused(text.encode())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_histories_with_entries_left_out_doubled_or_moved(data: st.DataObject) -> None:
    """Numbered anew and all recorded late, so that only what entries need of each other is left."""
    entries = list(HISTORY.entries)
    for _ in range(data.draw(st.integers(1, 5))):
        one, other = data.draw(st.integers(0, len(entries) - 1)), data.draw(st.integers(0, len(entries) - 1))
        what = data.draw(st.sampled_from(["leave out", "move", "double"]))
        moved = entries[other] if what == "double" else entries.pop(one)
        if what != "leave out":
            key = f"{moved.draft.key}/again" if what == "double" else moved.draft.key
            entries.insert(min(one, other), replace(moved, draft=replace(moved.draft, key=key)))
    both, numbers = Both(), {}
    for entry in entries:
        text = renumbered(entry, both.ledger.seq + 1, numbers)
        if not both.refused(text):
            both.fold(text)
            numbers[str(entry.seq)] = str(both.ledger.seq)
    assert both.same()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_wrong_with_one_entry_is_found_wherever_it_stands(data: st.DataObject) -> None:
    """The first, the last, any: sealed as it is, so that nothing but the rule can tell."""
    size = data.draw(st.integers(1, len(HISTORY.entries)))
    place = data.draw(st.integers(0, size) | st.just(size - 1))
    entries, ledger, bundle = list(HISTORY.entries[:size]), Ledger(), io.BytesIO()
    if place < size:
        entries[place] = replace(entries[place], draft=replace(entries[place].draft, narrative=""))
    for entry in entries:
        ledger.advance(entry)
    balances = "".join("\t".join((*key, f"{fen}\n")) for key, fen in sorted(ledger.balances.items()))
    texts = {"journal.txt": b"".join(entry.canonical() for entry in entries), "balances.txt": balances.encode()}
    with zipfile.ZipFile(bundle, "w") as made:
        for name, text in ({"checkpoint": b"", "keys.txt": b""} | texts).items():
            made.writestr(name, text)
    with zipfile.ZipFile(bundle) as made:
        note = Checkpoint(ORIGIN, size, ledger.tree.root).body.encode()
        _, found = verifier.verify(made, note, [], [])
    assert [one.partition(":")[0] for one in found] == [f"entry {place + 1}"] * (place < size)


def renumbered(entry: Entry, seq: int, numbers: dict[str, str]) -> bytes:
    """The entry in another place, and what it says of other entries by their new numbers."""
    draft = entry.draft
    postings = tuple(p._replace(detail=numbers.get(p.detail, p.detail)) for p in draft.postings)
    draft = replace(draft, reference=numbers.get(draft.reference, draft.reference), postings=postings)
    return Entry(seq, date(2026, 1, 1), draft).canonical()


# --- histories that nobody thought of ---

ACTS = {
    "appropriate": 6, "promise": 6, "spend": 6, "advance": 4, "release": 3, "transfer": 3, "lend": 3, "repay": 3, "surrender": 4,
    "carry forward": 4, "close": 1, "reopen": 1, "reverse": 8, "settle": 6, "claw back": 6, "waive": 4, "recover": 5,
}  # fmt: skip
FUNDS = (
    replace(make_fund("a/city/c"), carry_forward=False, permits=fence("b")),
    replace(make_fund("b/community/k"), surplus_after_years=1, permits=fence("a", "b")),
    replace(make_fund("b/community/m"), permits=fence("b")),
    replace(make_fund("w/community/k"), held_for_others=True, permits=fence()),
)


def stocked() -> tuple[Both, Callable[[Draft], str]]:
    """The funds, open and with money; and how to post to both, which says why it is refused."""
    both, day = Both(), date(2022, 3, 1)

    def post(draft: Draft) -> str:
        text = Entry(both.ledger.seq + 1, day, draft).canonical()
        why = both.refused(text)
        if not why:
            both.fold(text)
        return why.split("\n")[0]

    for fund in FUNDS:
        assert not post(open_fund(fund, on=day, hands=HANDS))
    for fund in FUNDS[:3]:
        assert not post(appropriate(fund, "s1", 1000, on=day, key=f"a-{fund.fund_id}", hands=HANDS))
    return both, post


TO_FIRM = {"purpose": "p", "payee": "firm", "payee_class": "enterprise", "on": date(2022, 3, 1), "hands": HANDS}


def test_amounts_of_the_wrong_sign() -> None:
    both, post = stocked()
    good = appropriate(FUNDS[1], "s1", 100, on=date(2022, 3, 1), key="k", hands=HANDS)
    assert "above 0" in post(negated(good))
    assert not post(good)
    red = reverse(Entry(both.ledger.seq, date(2022, 3, 1), good), on=date(2022, 3, 1), hands=HANDS, narrative="n")
    assert post(negated(red))
    assert not post(red)


def negated(draft: Draft) -> Draft:
    return replace(draft, postings=tuple(p._replace(amount_fen=-p.amount_fen) for p in draft.postings))


def test_cash_both_ways_in_one_entry() -> None:
    """Two funds of one holder that give each other as much as they take: nobody would ask for the cash."""
    _, post = stocked()
    day = date(2022, 3, 1)
    one, other = (replace(FUNDS[2], fund_id=f"{key}/community/k", permits=fence("x", "y")) for key in "xy")
    for fund in (one, other):
        assert not post(open_fund(fund, on=day, hands=HANDS))
        assert not post(appropriate(fund, "s1", 1000, on=day, key=fund.fund_id, hands=HANDS))
    there, back = (
        transfer(giver, taker, 10, purpose="p", on=day, key="t", hands=HANDS, clause="1", narrative="n")
        for giver, taker in ((one, other), (other, one))
    )
    why = post(replace(there, postings=there.postings + back.postings))
    assert why == "UndeclaredCrossing: a fund gives and takes cash in one entry"
    assert not post(there)


def test_what_is_released_is_released_as_its_fund_has_it() -> None:
    both, post = stocked()
    for fund in FUNDS[:2]:
        assert not post(promise(fund, 50, reference=fund.fund_id, **TO_FIRM))
    both.ledger.recorded = date(2022, 3, 1)
    for fund in FUNDS[:2]:
        for on in (date(2022, 3, 1), date(2023, 3, 1)):
            right = release(both.ledger, fund.fund_id, on=on, hands=HANDS, narrative="n")
            late = fund is FUNDS[0] and on.year == 2023
            freed = ("authority", "") if late else ("unencumbered", str(on.year))
            assert right.postings[1][1:3] == freed
            wrong = ("unencumbered", str(on.year)) if late else ("authority", "")
            other = replace(
                right, postings=(right.postings[0], right.postings[1]._replace(account=wrong[0], detail=wrong[1]))
            )
            assert not both.refused(Entry(both.ledger.seq + 1, on, right).canonical())
            assert "not what a release does" in both.refused(Entry(both.ledger.seq + 1, on, other).canonical())


def test_what_is_collected_is_what_arrives() -> None:
    """A fund that settles its own receivable with what it gives to another collects less than it says."""
    both, post = stocked()
    one, other = FUNDS[1], FUNDS[2]
    paid = [spend(fund, 100, key="s", evidence=papers("invoice"), **TO_FIRM) for fund in (one, other)]
    spent = replace(paid[0], postings=paid[0].postings + paid[1].postings)
    assert not post(spent)
    entry = Entry(both.ledger.seq, date(2022, 3, 1), spent)
    common = {"on": date(2022, 3, 1), "hands": HANDS, "narrative": "n"}
    assert not post(claw_back(entry, {one.fund_id: 100, other.fund_id: 60}, key="c", **common))
    good = recover(entry, other, 60, giver=one, purpose="p", key="r", **common)
    arriving = recover(entry, one, 40, key="r", **common).postings
    given = good.postings[0]
    more = (given, arriving[0], arriving[1]._replace(amount_fen=100), *arriving[2:], *good.postings[4:])
    assert post(replace(good, postings=more)).endswith("collects what arrives")
    assert not post(good)


@pytest.mark.parametrize("seed", range(30))
def test_random_acts(seed: int) -> None:
    """Verbs in any order, days running on: both take or refuse each act, and end with the same books."""
    rng, both, entries, day = random.Random(seed), Both(), list[Entry](), date(2022, 1, 1)
    opening = [open_fund(fund, on=day, hands=HANDS) for fund in FUNDS]
    for step in range(400):
        day += timedelta(rng.choices([0, 3, 30, 150, 366], [80, 10, 3, 1, 1])[0])
        try:
            drafts = [opening.pop()] if opening else act(rng, both.ledger, entries, day, f"key-{step}")
        except (EstateFundsError, ValueError):
            continue
        for draft in drafts:
            entry = Entry(
                both.ledger.seq + 1, day, spoiled(rng, draft) if rng.random() < 0.1 and not opening else draft
            )
            if not both.refused(entry.canonical()):
                both.fold(entry.canonical())
                entries.append(entry)
    assert both.same()
    assert {key: fen for key, fen in both.journal.inflows.items() if fen} == {
        k: n for k, n in both.ledger.inflows.items() if n
    }
    promises = {
        (fund, reference): (p.year, str(p.expires or ""), p.before or 0, p.to, p.since)
        for (fund, _, reference), p in both.ledger.promises.items()
    }
    assert both.journal.promises == promises
    assert len(entries) > 25


def test_random_acts_come_to_every_kind() -> None:
    """Else they would show little."""
    seen: Counter[Kind] = Counter()
    refold_one = Both.fold

    def counting(self: Both, text: bytes) -> None:
        seen[parse_entry(text).draft.kind] += 1
        refold_one(self, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Both, "fold", counting)
        for seed in range(8):
            test_random_acts(seed)
    missing = set(Kind) - set(seen) - {Kind.AMEND_FUND, Kind.RECEIPT, Kind.DISBURSEMENT, Kind.REFUSAL}
    assert not missing, seen


def act(rng: random.Random, ledger: Ledger, entries: list[Entry], day: date, key: str) -> list[Draft]:
    """One act, with whatever it needs drawn from little."""
    fund, other = rng.sample(FUNDS[:3], 2) if rng.random() < 0.95 else rng.sample(FUNDS, 2)
    fen, ref = rng.choice([100, 50, 30, 7]), rng.choice(["r1", "r2"])
    on = day - timedelta(rng.choice([0, 0, 0, 0, 20, 300]))
    known = [e for e in entries[-40:] if e.draft.postings and e.draft.kind not in (Kind.REVERSAL, Kind.CORRECTION)]
    common = {"on": on, "key": key, "hands": HANDS, "narrative": key}
    to = {"purpose": "p", "payee": rng.choice(["firm"] * 9 + ["other"]), "payee_class": "enterprise", **common}
    paper, decided = {"evidence": papers("invoice")}, {"document": "d", "clause": "1", "evidence": papers("approval")}
    years = sorted({int(d) for _, a, d in ledger.balances if a == "unencumbered"})[:1] * 4
    months = rng.choice([1, 1, 2, 12])
    paid = [e for e in known if e.draft.kind in PAYMENTS] or known
    ahead = [e for e in known if e.draft.kind is Kind.ADVANCE] or known
    claimed = [
        e
        for e in entries
        if any(f == fund.fund_id and a == "receivable" and d == str(e.seq) for f, a, d in ledger.balances)
    ]
    acts: dict[str, Callable[[], Draft | list[Draft]]] = {
        "appropriate": lambda: appropriate(fund, rng.choice(["s1", "s2"]), 10 * fen, **common),
        "promise": lambda: promise(
            fund, 3 * fen, reference=ref, expires=rng.choice([None, on + timedelta(20), on + timedelta(500)]), **to
        ),
        "spend": lambda: spend(fund, fen, against=rng.choice(["", ref]), **to, **paper),
        "advance": lambda: advance(fund, fen, reference=ref, **to, **paper),
        "release": lambda: release(ledger, ref, on=on, hands=HANDS, narrative="n"),
        "transfer": lambda: transfer(fund, other, fen, purpose="p", clause="1", **common),
        "lend": lambda: lend(fund, other, fen, purpose="p", clause="1", **common, **paper),
        "repay": lambda: repay(fund, other, fen, clause="1", **common),
        "surrender": lambda: surrender(fund, rng.choice(["s1", "s2", other.fund_id]), fen, clause="1", **common),
        "carry forward": lambda: carry_forward(ledger, rng.choice([day.year, *years]), hands=HANDS),
        "close": lambda: close(Month.of(day) + -months, on=on, hands=HANDS, ledger=ledger),
        "reopen": lambda: reopen(Month.of(day) + -months, **common, **decided),
        "reverse": lambda: reverse(
            rng.choice(known), on=on, hands=HANDS, narrative="n", ledger=rng.choice([ledger, ledger, None])
        ),
        "settle": lambda: settle(
            ledger, fund, fen, rng.choice(ahead), on=on, key=key, hands=HANDS, evidence=papers("invoice")
        ),
        "claw back": lambda: claw_back(rng.choice(paid), rng.choice([None, {fund.fund_id: fen}]), **common),
        "waive": lambda: waive(rng.choice(claimed or known), {fund.fund_id: fen}, **common, **decided),
        "recover": lambda: recover(
            rng.choice(claimed or known), fund, fen, giver=rng.choice([None, other]), purpose="p", **common
        ),
    }
    try:
        made = acts[rng.choices(list(ACTS), list(ACTS.values()))[0]]()
    except IndexError:
        return []
    return made if isinstance(made, list) else [made]


def spoiled(rng: random.Random, draft: Draft) -> Draft:
    """The draft with one thing changed."""
    how = rng.choice(["evidence", "payee", "side", "account", "day", "postings", "reference", "fund", "amount"])
    if how == "evidence":
        return replace(draft, evidence=())
    if how == "payee":
        return replace(draft, payee="k", payee_class="community")
    if how == "day":
        return replace(draft, effective=draft.effective - timedelta(365))
    if how == "reference":
        return replace(draft, reference=rng.choice(["", "1", "5", "r1", "r2"]))
    if how == "postings" or not draft.postings:
        return replace(draft, postings=draft.postings + draft.postings)
    index = rng.randrange(len(draft.postings))
    one = draft.postings[index]
    other = {
        "side": one._replace(side="C" if one.side == "D" else "D"),
        "account": one._replace(account=rng.choice(ACCOUNTS).value),
        "fund": one._replace(fund=rng.choice(FUNDS).fund_id),
        "amount": one._replace(amount_fen=one.amount_fen + 1),
    }[how]
    return replace(draft, postings=(*draft.postings[:index], other, *draft.postings[index + 1 :]))
