"""Commands on a ledger as their users meet them: seal, prove, verify, export, look back, put right, migrate."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from typer.testing import CliRunner

import test_migrations
from conftest import EXAMPLES, HANDS, ROOT, TODAY
from estate_funds import Books, load_case, vouchers
from estate_funds.checkpoint import Checkpoint, SignerKey
from estate_funds.cli import app
from estate_funds.cli.common import Place
from estate_funds.errors import OutsideFence, StoreUnavailable
from estate_funds.evidence import State
from estate_funds.exchange.bundle import Bundle
from estate_funds.ledger import replay
from estate_funds.store import PREFIX, Store
from estate_funds.vouchers import reverse, spend
from test_cli import golden

LEDGER, ORIGIN = "books.db", "donghu.example/award"
COMMUNITY = "community-shortfall/community/院一社区"
BY = ["--maker", "王敏", "--approver", "李强", "--recorded-on", "2026-11-23"]
WHY = ["--reason", "wrong account", *BY]
BOTH = ["--key", "city.pub", "--key", "audit.pub"]
APPROVED = ["--document", "donghu-2021-17", "--clause", "四(二)", "--approval", "approval.txt"]
RUNNER = CliRunner(env={"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1"})


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


def run(*args: object) -> Said:
    result = RUNNER.invoke(app, [str(arg) for arg in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def done(*args: object) -> str:
    """What a command printed that ended well."""
    said = run(*args)
    assert said.status == 0, said.err
    return said.out


def fails(status: int, words: str, *args: object) -> Said:
    said = run(*args)
    assert said.status == status, said
    assert words in said.err
    return said


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Donghu books, a checkpoint of them that city and auditor signed, then a refusal and a reversal."""
    folder = tmp_path_factory.mktemp("sealed")
    for name in ("city", "audit"):
        key = SignerKey(f"{name}.example", hashlib.sha256(name.encode()).digest())
        folder.joinpath(f"{name}.key").write_text(f"{key.secret_text()}\n", encoding="utf-8")
        folder.joinpath(f"{name}.pub").write_text(f"{key.verifier}\n", encoding="utf-8")
    folder.joinpath("approval.txt").write_text("The bureau allows it.\n", encoding="utf-8")
    Store.open(str(folder / LEDGER), origin=ORIGIN).close()
    with Books.open(str(folder / LEDGER), recorded_on=TODAY) as books:
        books.run(load_case(EXAMPLES / "donghu"))
        ledger, city = folder / LEDGER, ("--sign", folder / "city.key")
        done("checkpoint", ledger, *city, "--out", folder / "one")
        audit = ("--sign", folder / "audit.key", "--cosign", folder / "one")
        done("checkpoint", ledger, *audit, "--out", folder / "kept")
        fund, to = books.ledger.funds[COMMUNITY], {"payee": "江边酒楼", "payee_class": "restaurant"}
        with pytest.raises(OutsideFence):
            books.post(spend(fund, 50_000, purpose="banquet", on=TODAY, key="spending/b", hands=HANDS, **to))
        books.post(reverse(books.entry(74), on=TODAY, hands=HANDS, narrative="wrong bank account"))
        done("checkpoint", ledger, *city, "--out", folder / "now")
    return folder


@pytest.fixture
def desk(sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in."""
    folder = Path(shutil.copytree(sealed, tmp_path / "desk"))
    monkeypatch.chdir(folder)
    return folder


def tamper(path: Path, *statements: str) -> None:
    """Change a ledger as somebody would who owns its file, and hides that the triggers were off."""
    connection = sqlite3.connect(path)
    with connection:
        triggers = connection.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        left = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for _, table, sql in triggers:
            if table in left:
                connection.execute(sql)
    connection.close()


def cut(path: Path, last: int) -> None:
    tamper(path, *(f"DELETE FROM estate_funds_{table} WHERE seq > {last}" for table in ("entry", "posting")))


FOREIGN = "other/x"


def renamed(desk: Path) -> None:
    """The checkpoint that was kept, as if it were that of another journal."""
    note = (desk / "kept").read_text(encoding="utf-8")
    (desk / "foreign").write_text(note.replace(f"{ORIGIN}\n", f"{FOREIGN}\n", 1), encoding="utf-8")


# --- keys and checkpoints ---


def test_a_key_is_made_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = run("keygen", "city.example", "--out", "city.key")
    secret = Path("city.key").read_text(encoding="utf-8")
    assert said.status == 0
    assert said.out == f"{SignerKey.parse(secret.strip()).verifier}\n"
    assert said.err == "the private key is in city.key: who reads it signs in your name\n"
    assert secret.strip() not in said.out + said.err
    if os.name != "nt":
        assert stat.S_IMODE(Path("city.key").stat().st_mode) == 0o600
    fails(2, "File exists", "keygen", "other.example", "--out", "city.key")
    assert Path("city.key").read_text(encoding="utf-8") == secret
    fails(2, "not the name of a key", "keygen", "city finance", "--out", "other.key")
    fails(2, "No such file or directory", "keygen", "city", "--out", "none/city.key")
    assert [path.name for path in tmp_path.iterdir()] == ["city.key"]


def test_a_checkpoint_as_a_person_reads_it(desk: Path) -> None:
    golden("checkpoint.txt", (desk / "kept").read_text(encoding="utf-8"))
    unsigned = done("checkpoint", LEDGER)
    assert unsigned.splitlines()[:2] == [ORIGIN, "78"]
    assert done("checkpoint", LEDGER, "--origin", "another").startswith("another\n78\n")
    said = done("checkpoint", LEDGER, "--sign", "audit.key", "--cosign", "now", "--since", "kept", "--out", "both")
    assert said.startswith(f"written: both\ncheckpoint of {ORIGIN}: 78 entries, head 78:")
    assert "signed by audit.example too\n" in said
    assert "signed by city.example, audit.example" in done("verify", "both", *BOTH)


@pytest.mark.parametrize(
    ("status", "words", "args"),
    [(2, "not a checkpoint\n  where:  city.pub", ["--cosign", "city.pub", "--sign", "city.key"]),
     (2, "wanted --sign too", ["--cosign", "kept"]),
     (2, "not a key to sign with\n  where:  city.pub", ["--sign", "city.pub"]),
     (2, "the file cannot be read\n  where:  none", ["--sign", "none"]),
     (2, "cannot be read\n  where:  none", ["--cosign", "none", "--sign", "city.key"]),
     (1, "of another journal\n  where:  kept", ["--cosign", "kept", "--sign", "city.key", "--origin", "else"]),
     (1, "of another journal\n  where:  foreign", ["--cosign", "foreign", "--sign", "city.key"]),
     (1, "to do:  if that journal is meant: --origin other/x", ["--since", "foreign"]),
     (2, "not a checkpoint\n  where:  approval.txt", ["--since", "approval.txt"])],
)  # fmt: skip
def test_what_is_not_signed(desk: Path, status: int, words: str, args: list[str]) -> None:
    renamed(desk)
    assert fails(status, words, "checkpoint", LEDGER, *args, "--out", "new").out == ""
    assert not (desk / "new").exists()


def test_nobody_signs_a_journal_that_was_cut_or_a_checkpoint_that_was_edited(desk: Path) -> None:
    now = (desk / "now").read_text(encoding="utf-8")
    (desk / "edited").write_text(now.replace("\n78\n", "\n77\n"), encoding="utf-8")
    signs = ["--sign", "audit.key", "--out", "new"]
    fails(1, "the journal is not the one of the checkpoint", "checkpoint", LEDGER, "--cosign", "edited", *signs)
    cut(desk / LEDGER, 77)
    fails(1, "wanted: 78:", "checkpoint", LEDGER, "--cosign", "now", *signs)
    fails(1, "wanted: 78:", "checkpoint", LEDGER, "--since", "now", *signs)
    assert not (desk / "new").exists()


def test_who_has_no_ledger_signs_what_a_bundle_holds(desk: Path) -> None:
    done("export", LEDGER, "b.zip", "--checkpoint", "now")
    (desk / LEDGER).unlink()
    said = run("checkpoint", "b.zip", "--sign", "audit.key", "--since", "kept")
    assert "78 entries, 1 of them refusals" in said.err
    assert "findings    0" in said.err
    (desk / "both").write_text(said.out, encoding="utf-8")
    assert said.out.startswith((desk / "now").read_text(encoding="utf-8"))  # with one more line
    assert "signed by city.example, audit.example" in done("verify", "both", *BOTH)
    done("checkpoint", "b.zip", "--sign", "audit.key", "--cosign", "now", "--out", "same")
    assert (desk / "same").read_text(encoding="utf-8") == said.out
    done("checkpoint", "b.zip", "--sign", "audit.key", "--out", "new")
    assert done("verify", "b.zip", *BOTH, "--checkpoint", "both").count("findings    0") == 1


def test_who_signs_too_sees_whose_signatures_were_verified(desk: Path) -> None:
    done("export", LEDGER, "b.zip", "--checkpoint", "now")
    done("prove", LEDGER, "--since", "kept", "--checkpoint", "now", "--out", "growth")
    said = "not verified, for no --key was given: the signature of city.example\n"
    shown = ["growth", "--since", "kept"], ["b.zip"], [LEDGER, "--cosign", "now"]
    for what in shown:
        signs = ["checkpoint", *what, "--sign", "audit.key"]
        assert run(*signs).err.endswith(said)
        assert done(*signs, "--out", "both").endswith(said)
        assert not run(*signs, "--key", "city.pub", "--out", "both").out.endswith(said)
        fails(1, "audit.example", *signs, "--key", "audit.pub")  # who has not signed before
    fails(2, "wanted --cosign too", "checkpoint", LEDGER, "--sign", "audit.key", "--key", "city.pub")


def test_nobody_signs_after_a_false_signature_of_one_he_knows(desk: Path) -> None:
    done("checkpoint", LEDGER, "--origin", "another", "--sign", "city.key", "--out", "another")
    (desk / "false").write_text(
        (desk / "another").read_text(encoding="utf-8").replace("another\n", f"{ORIGIN}\n", 1), encoding="utf-8"
    )
    done("export", LEDGER, "b.zip", "--checkpoint", "false")
    signs = ["--sign", "audit.key", "--key", "city.pub", "--out", "new"]
    for what in (["b.zip"], ["b.zip", "--cosign", "false"], [LEDGER, "--cosign", "false"]):
        fails(1, "the signature of city.example does not fit the text", "checkpoint", *what, *signs)
        assert not (desk / "new").exists()
    done("export", LEDGER, "bare.zip")
    fails(1, "the checkpoint is not signed", "checkpoint", "bare.zip", *signs)


def test_who_has_no_ledger_signs_what_has_grown_out_of_what_he_signed(desk: Path) -> None:
    done("prove", LEDGER, "--since", "kept", "--checkpoint", "now", "--out", "growth")
    (desk / LEDGER).unlink()
    done("checkpoint", "growth", "--sign", "audit.key", "--since", "kept", "--out", "both")
    assert "signed by city.example, audit.example" in done("verify", "both", *BOTH)


@pytest.mark.parametrize(
    ("status", "words", "args"),
    [(1, "the bundle does not hold", ["edited.zip", "--sign", "audit.key"]),
     (1, "the bundle does not hold", ["b.zip", "--sign", "audit.key", "--since", "forged"]),
     (1, "the bundle does not hold", ["b.zip", "--sign", "audit.key", "--cosign", "kept"]),
     (2, "wanted --sign too", ["b.zip"]),
     (2, "cannot be read\n  where:  none", ["b.zip", "--sign", "audit.key", "--cosign", "none"]),
     (2, "not a checkpoint\n  where:  city.pub", ["b.zip", "--sign", "audit.key", "--cosign", "city.pub"]),
     (2, "the bundle cannot be read", ["half.zip", "--sign", "audit.key"]),
     (1, "of another journal\n", ["growth", "--sign", "audit.key", "--since", "foreign"]),
     (1, "of another journal\n  where:  b.zip", ["b.zip", "--sign", "audit.key", "--origin", "else"]),
     (2, "wanted --sign too", ["growth", "--since", "kept"]),
     (1, "", ["growth", "--sign", "audit.key", "--since", "forged"]),
     (2, "nor what shows that a checkpoint is true", ["growth", "--sign", "audit.key"]),
     (2, "the note is of another checkpoint", ["growth", "--sign", "audit.key", "--since", "kept", "--cosign", "one"]),
     (2, "nor what shows that a checkpoint is true", ["kept", "--sign", "audit.key"])],
)  # fmt: skip
def test_who_has_no_ledger_signs_nothing_else(desk: Path, status: int, words: str, args: list[str]) -> None:
    done("export", LEDGER, "b.zip", "--checkpoint", "now")
    done("prove", LEDGER, "--since", "kept", "--checkpoint", "now", "--out", "growth")
    edited(desk / "b.zip", "journal.txt", lambda data: data.replace(b"9600000", b"6900000", 1))
    (desk / "half.zip").write_bytes((desk / "b.zip").read_bytes()[:5000])
    renamed(desk)
    forged = Checkpoint("donghu.example/award", 70, bytes(32))
    (desk / "forged").write_text(forged.body, encoding="utf-8")
    said = fails(status, words, "checkpoint", *args, "--out", "new")
    assert said.out == ""
    assert not (desk / "new").exists()


# --- proofs ---


def test_an_entry_is_proved_to_somebody_without_the_ledger(desk: Path) -> None:
    said = done("prove", LEDGER, "--entry", 74, "--checkpoint", "kept", "--out", "proof", "--entry-text", "entry")
    assert said == "written: entry\nwritten: proof\n"
    assert done("prove", LEDGER, "--entry", 74, "--checkpoint", "kept") == (desk / "proof").read_text(encoding="utf-8")
    (desk / LEDGER).unlink()
    held = done("verify", "proof", "--entry-text", "entry", *BOTH)
    assert held.startswith(f"held: the entry is number 74 of 76 in the journal {ORIGIN}, head 76:")
    assert "signed by city.example, audit.example: checkpoint 76:" in held
    unasked = run("verify", "proof", "--entry-text", "entry")
    assert (unasked.status, unasked.err) == (0, "signatures were not checked: no --key was given\n")
    edited = (desk / "entry").read_text(encoding="utf-8").replace("3456000", "4356000")
    (desk / "edited").write_text(edited, encoding="utf-8")
    fails(1, "not the one that was sealed there", "verify", "proof", "--entry-text", "edited", *BOTH)
    fails(2, "name the file of its text with --entry-text", "verify", "proof")
    fails(2, "--since says nothing about a proof of an entry", "verify", "proof", "--since", "now")
    (desk / "half").write_text(
        "\n".join((desk / "proof").read_text(encoding="utf-8").splitlines()[:4]), encoding="utf-8"
    )
    fails(2, "not a proof", "verify", "half", "--entry-text", "entry")


def test_growth_is_proved_and_rewriting_shows(desk: Path) -> None:
    done("prove", LEDGER, "--since", "kept", "--checkpoint", "now", "--out", "proof")
    held = done("verify", "proof", "--since", "kept", "--key", "city.pub")
    assert held.startswith(f"held: the first 76 of the 78 entries of {ORIGIN} are what they were\n  then 76:")
    fails(1, "audit.example", "verify", "proof", "--since", "kept", *BOTH)  # who has not signed the newer one
    fails(1, "the proof is from another size", "verify", "proof", "--since", "now")
    fails(2, "name its file with --since", "verify", "proof")
    fails(2, "the older checkpoint has more entries", "prove", LEDGER, "--since", "now", "--checkpoint", "kept")
    renamed(desk)
    fails(1, "a checkpoint of another journal", "verify", "proof", "--since", "foreign")
    fails(1, "a checkpoint of another journal", "prove", LEDGER, "--since", "foreign", "--checkpoint", "now")


@pytest.mark.parametrize("command", [["verify"], ["audit"], ["export", "out.zip"], ["prove", "--entry", "1"]])
def test_a_checkpoint_of_another_journal_says_nothing_of_this_one(desk: Path, command: list[str]) -> None:
    renamed(desk)
    words = f"a checkpoint of another journal(.|\n)*got:    {FOREIGN}\n  wanted: {ORIGIN}"
    said = run(command[0], LEDGER, *command[1:], "--checkpoint", "foreign")
    assert said.status == 1
    assert re.search(words, said.err)
    assert not (desk / "out.zip").exists()


def test_a_journal_is_sealed_under_another_name_where_that_is_said(desk: Path) -> None:
    renamed(desk)
    said = done("checkpoint", LEDGER, "--since", "foreign", "--origin", FOREIGN)
    assert said.startswith(f"{FOREIGN}\n78\n")


@pytest.mark.parametrize(
    ("words", "args"),
    [("got:    79\n  wanted: 1 to 78", ["--entry", "79", "--checkpoint", "now"]),
     ("got:    77\n  wanted: 1 to 76", ["--entry", "77", "--checkpoint", "kept"]),
     ("got:    0", ["--entry", "0", "--checkpoint", "kept"]),
     ("wanted one of --entry", ["--checkpoint", "kept"]),
     ("wanted one of --entry", ["--checkpoint", "now", "--entry", "1", "--since", "kept"]),
     ("wanted --entry", ["--checkpoint", "now", "--since", "kept", "--entry-text", "e"]),
     ("not a checkpoint\n  where:  city.pub", ["--entry", "1", "--checkpoint", "city.pub"]),
     ("Missing option '--checkpoint'", ["--entry", "1"])],
)  # fmt: skip
def test_what_is_not_proved(desk: Path, words: str, args: list[str]) -> None:
    assert fails(2, words, "prove", LEDGER, *args).out == ""


# --- verify ---


def test_a_verified_ledger_as_a_person_reads_it(desk: Path) -> None:
    said = run("verify", LEDGER, "--checkpoint", "kept", *BOTH)
    assert (said.status, said.err) == (0, "")
    golden("verify.txt", said.out)


@pytest.mark.parametrize(
    ("status", "words", "args"),
    [(1, "got:    city.example\n  wanted: 2 of city.example, audit.example", ["one", *BOTH]),
     (1, "the checkpoint is not signed", ["unsigned", "--key", "city.pub"]),
     (1, "does not fit the text", ["edited", "--key", "city.pub"]),
     (1, "got:    nobody known", ["kept", "--key", "other.pub"]),
     (2, "a private key where a public one is wanted\n  where:  city.key", ["kept", "--key", "city.key"]),
     (2, "where:  --key", ["kept", "--key", "city.example+00000000+nonsense"]),
     (2, "2 signatures required, and fewer keys", ["kept", "--key", "city.pub", "--required", "2"]),
     (2, "this cannot be verified\n  where:  approval.txt", ["approval.txt"]),
     (2, "line feeds alone", ["windows", "--key", "city.pub"]),
     (2, "the file is not text", ["noise"]),
     (2, "there is no ledger at this address", ["none"]),
     (2, "there is no ledger at this address", ["none", "--since", "kept"]),
     (2, "the file cannot be read\n  where:  none.zip", ["none.zip"]),
     (2, "did you mean", ["books"]),
     (2, "wanted --checkpoint too", [LEDGER, "--key", "city.pub"]),
     (2, "--entry-text says nothing about a ledger", [LEDGER, "--entry-text", "kept"])],
)  # fmt: skip
def test_what_does_not_verify(desk: Path, status: int, words: str, args: list[str]) -> None:
    note = (desk / "kept").read_text(encoding="utf-8")
    (desk / "unsigned").write_text(note.partition("\n\n")[0] + "\n", encoding="utf-8")
    (desk / "edited").write_text(note.replace("\n76\n", "\n75\n"), encoding="utf-8")
    (desk / "windows").write_text(note, encoding="utf-8", newline="\r\n")
    (desk / "noise").write_bytes(b"\xff\xfe")
    (desk / "books").mkdir()
    shutil.copy(desk / LEDGER, desk / "books" / "ledger.db")
    other = SignerKey("city.example", hashlib.sha256(b"not the city").digest())
    (desk / "other.pub").write_text(str(other.verifier), encoding="utf-8")
    said = fails(status, words, "verify", *args)
    assert (desk / "city.key").read_text(encoding="utf-8").strip() not in said.err


def test_a_private_key_is_not_shown_again(desk: Path) -> None:
    secret = (desk / "city.key").read_text(encoding="utf-8").strip()
    assert secret not in fails(2, "a private key", "verify", "kept", "--key", secret).err
    assert secret not in fails(2, "not a key to sign with", "checkpoint", LEDGER, "--sign", "audit.pub").err


def test_a_checkpoint_that_enough_have_signed(desk: Path) -> None:
    assert "signed by city.example: checkpoint 76:" in done("verify", "one", *BOTH, "--required", "1")
    (desk / "keys").write_text(f"{Path('city.pub').read_text()}\n{Path('audit.pub').read_text()}", encoding="utf-8")
    assert "signed by city.example, audit.example" in done("verify", "kept", "--key", "keys")


def test_a_cut_ledger_is_sound_in_itself_and_fails_against_what_was_kept(desk: Path) -> None:
    cut(desk / LEDGER, 77)
    assert "every entry passes the gate" in done("verify", LEDGER)
    assert done("audit", LEDGER).startswith("journal: 77 entries")
    assert "passes through the checkpoint 76:" in done("verify", LEDGER, "--checkpoint", "kept")
    fails(1, "wanted: 78:", "verify", LEDGER, "--checkpoint", "now")
    audited = run("audit", LEDGER, "--checkpoint", "kept", "--checkpoint", "now")
    assert audited.status == 1
    assert (
        "[error] cut-off: the journal does not pass through what was kept: entries are missing at the end"
        in audited.out
    )
    assert "verdict: 1 finding (1 error)" in audited.out


@pytest.mark.parametrize(
    ("statement", "words"),
    [("UPDATE estate_funds_entry SET payee = 'somebody else' WHERE seq = 10", "changed after booking"),
     ("UPDATE estate_funds_posting SET amount_fen = amount_fen + 1 WHERE seq = 10", "changed after booking"),
     ("UPDATE estate_funds_entry SET root = zeroblob(32) WHERE seq = 78", "the root of the tree"),
     ("DELETE FROM estate_funds_entry WHERE seq = 5", "")],
)  # fmt: skip
def test_a_changed_ledger_does_not_verify(desk: Path, statement: str, words: str) -> None:
    tamper(desk / LEDGER, statement)
    said = run("verify", LEDGER)
    assert said.status in (1, 2)
    assert words in said.err
    assert run("audit", LEDGER).status == 1


# --- bundles ---


def edited(path: Path, member: str, change: Callable[[bytes], bytes]) -> str:
    """A copy of a bundle with one member changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile("edited.zip", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name == member else data)
    return "edited.zip"


def test_a_bundle_is_verified_and_an_edited_one_is_not(desk: Path) -> None:
    said = done("export", LEDGER, "b.zip", "--checkpoint", "now", "--key", "city.pub")
    assert said.startswith(f"written: b.zip\njournal {ORIGIN}: 78 entries, head 78:")
    assert said.endswith("12 of 12 source documents put in\n")
    held = done("verify", "b.zip", "--key", "city.pub", "--since", "kept", "--checkpoint", "now")
    assert "findings    0" in held
    for member, old, new in (
        ("journal.txt", b"9600000", b"6900000"), ("balances.txt", b"\t", b" "), ("checkpoint", b"\n78\n", b"\n77\n"),
        ("journal.txt", "王敏".encode(), "王忠".encode()),
    ):  # fmt: skip
        changed = edited(desk / "b.zip", member, lambda data, old=old, new=new: data.replace(old, new, 1))  # type: ignore[misc]
        assert run("verify", changed).status in (1, 2), member
    assert run("verify", "b.zip", "--key", "audit.pub").status == 1
    fails(2, "--entry-text says nothing about a bundle", "verify", "b.zip", "--entry-text", "kept")
    note = (desk / "kept").read_text(encoding="utf-8")
    (desk / "longer").write_text(note.replace("\n76\n", "\n79\n"), encoding="utf-8")
    (desk / "other").write_text(note.replace("\n76\n", "\n75\n"), encoding="utf-8")
    for checkpoint in ("longer", "other"):
        fails(1, "the entries are not those of the checkpoint", "export", LEDGER, "old.zip", "--checkpoint", checkpoint)
        assert not (desk / "old.zip").exists()


def test_a_bundle_of_the_journal_as_it_was_signed(desk: Path) -> None:
    said = done("export", LEDGER, "old.zip", "--checkpoint", "kept")
    assert f"journal {ORIGIN}: 76 entries, head 76:" in said
    held = done("verify", "old.zip", *BOTH)
    assert "76 entries, 0 of them refusals" in held
    assert "findings    0" in held
    with Bundle(desk / "old.zip") as bundle, Books.open(LEDGER) as books:
        ledger = replay(bundle.entries())
        assert bundle.balances() == ledger.balances == books.balances_after(76) != books.ledger.balances
        assert books.balances_after(0) == {}
        assert books.balances_after(78) == books.ledger.balances
        assert [entry.seq for entry in books.entries(after=74, until=76)] == [75, 76]


def test_a_bundle_that_enough_have_signed(desk: Path) -> None:
    done("export", LEDGER, "out.zip", "--checkpoint", "now")  # which city alone has signed
    assert "audit.example has not signed" in run("verify", "out.zip", *BOTH).out
    assert "signatures  1 of 2\n" in run("verify", "out.zip", *BOTH).out
    assert "signatures  1 of 2\n" in done("verify", "out.zip", *BOTH, "--required", 1)
    assert "signatures  1\n" in done("verify", "out.zip", "--key", "city.pub")
    for note in ((), ("--checkpoint", "now")):
        fails(1, "not signed by those who must", "verify", "out.zip", *BOTH, "--required", 2, *note)
    fails(1, "not signed by those who must", "verify", "out.zip", "--key", "audit.pub", "--required", 1)
    fails(2, "fewer keys given", "verify", "out.zip", "--required", 1)
    done("export", LEDGER, "bare.zip")
    fails(1, "the checkpoint is not signed", "verify", "bare.zip", *BOTH, "--required", 1)


def test_the_verifier_stands_alone(desk: Path) -> None:
    done("export", LEDGER, "b.zip", "--checkpoint", "now")
    shutil.copy(ROOT / "src/estate_funds/verifier.py", "verifier.py")
    public = Path("city.pub").read_text(encoding="utf-8").strip()
    alone = [sys.executable, "-I", "-S", "verifier.py"]
    env = os.environ | {"PYTHONUTF8": "1"}
    told = subprocess.run(
        [*alone, "b.zip", "--key", public, "--old", "kept"], capture_output=True, env=env, check=False
    )
    assert (told.returncode, told.stderr) == (0, b"")
    assert told.stdout.decode().replace("\r\n", "\n") == done("verify", "b.zip", "--key", "city.pub", "--since", "kept")
    other = edited(desk / "b.zip", "journal.txt", lambda data: data.replace(b"9600000", b"6900000", 1))
    assert subprocess.run([*alone, other], capture_output=True, env=env, check=False).returncode == 1
    assert subprocess.run([*alone, "kept"], capture_output=True, env=env, check=False).returncode == 2


def test_documents_that_are_not_kept_are_counted(desk: Path) -> None:
    next((desk / "books.db.evidence").glob("*/*")).unlink()
    assert "11 of 12 source documents put in" in done("export", LEDGER, "b.zip")
    assert "0 of 12 source documents put in" in done("export", LEDGER, "b.zip", "--without-evidence")
    fails(2, "does not exist", "export", LEDGER, "b.zip", "--evidence", "none")
    fails(2, "does not exist", "audit", LEDGER, "--evidence", "none")
    audited = run("audit", LEDGER)
    assert audited.status == 1
    assert "[error] evidence-missing: the" in audited.out


# --- look back ---


def test_refusals_as_a_person_reads_them(desk: Path) -> None:
    fails(1, "two people", "reverse", LEDGER, 10, *WHY, "--approver", " 王敏")
    golden("refusals.txt", done("refusals", LEDGER))
    cut(desk / LEDGER, 76)
    assert done("refusals", LEDGER) == "0 refusals\n"


def test_a_trace_as_a_person_reads_it(desk: Path) -> None:
    golden("trace.txt", done("trace", LEDGER, 10) + done("trace", LEDGER, 74))
    assert done("trace", LEDGER, 1) == "entry 1: no cash goes out or comes back\n"
    fails(2, "there is no such entry", "trace", LEDGER, 79)
    fails(2, "ENTRY", "trace", LEDGER, "seventy")


def test_a_statement_on_both_axes(desk: Path) -> None:
    said = done("statement", LEDGER, "--period", "2026", "--fund", COMMUNITY)
    assert said.startswith("statement for 2026-01..2026-12, as known by all entries; 78 entries")
    told = json.loads(done("statement", LEDGER, "--period", "2026-01..2026-11", "--known-on", "2026-11-21", "--json"))
    assert (told["known_on"], told["entries"]) == ("2026-11-21", 0)
    compared = done("statement", LEDGER, "--period", "2026", "--compare", "2026-11-21", "--fund", COMMUNITY)
    assert "entries in between" in compared
    wanted = "where:  --period\n  got:    '2026-13'\n  wanted: 2024, 2024-05, or"
    fails(2, wanted, "statement", LEDGER, "--period", "2026-13")
    fails(2, "known: award-budget", "statement", LEDGER, "--period", "2026", "--fund", "x/y/z")
    fails(2, "Missing option '--period'", "statement", LEDGER)


# --- put right ---


def test_an_entry_of_an_earlier_year_is_cancelled_in_blue(desk: Path) -> None:
    said = done("reverse", LEDGER, 10, *WHY)
    golden("reverse.txt", said)
    assert done("reverse", LEDGER, 10, *WHY) == "booked already: nothing was done\n"
    found = "entry 10 is reversed already, by entry 79\n  where:  entry 79"
    later = fails(1, found, "reverse", LEDGER, 10, *WHY, "--recorded-on", "2026-11-24")
    assert "noted:  the attempt is on record in the journal: estate-funds refusals" in later.err
    assert done("audit", LEDGER, "--checkpoint", "now").startswith("journal: 80 entries")


def test_an_entry_of_this_year_is_cancelled_in_red(desk: Path) -> None:
    said = done("reverse", LEDGER, 76, *WHY)
    assert said.startswith("entry 79: reversal, effective 2026-11-23\n  cancels entry 76: ")
    assert "-" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("status", "words", "args"),
    [(2, "there is no such entry\n  where:  sqlite:///books.db\n  got:    99\n  wanted: 1 to 78", [99, *WHY]),
     (2, "ENTRY", [0, *WHY]), (1, "carry_forward cannot be reversed", [40, *WHY]), (1, "entry 74 is reversed already", [74, *WHY]),
     (1, "reversal cannot be reversed", [78, *WHY]), (1, "BadReversal", [1, *WHY]),
     (1, "PeriodClosed", [10, *WHY, "--on", "2025-12-31"]), (1, "FuturePeriod", [10, *WHY, "--on", "2026-11-30"]),
     (1, "the day of recording", [10, *WHY, "--recorded-on", "2026-11-01"]), (1, "SameHands", [10, *WHY, "--approver", "王敏"]),
     (2, "Missing option '--reason'", [10, *BY]), (1, "Malformed", [10, "--reason", "", *BY])],
)  # fmt: skip
def test_what_is_not_cancelled(desk: Path, status: int, words: str, args: list[object]) -> None:
    said = run("reverse", LEDGER, *args)
    assert said.status == status, said
    assert words in said.err
    with Books.open(LEDGER, create=False) as books:
        assert len(books) == (78 if status == 2 else 79)  # the refusal


def test_a_period_is_opened_again_on_an_approval(desk: Path) -> None:
    fails(1, "PeriodClosed", "reverse", LEDGER, 64, *WHY, "--on", "2025-12-30")
    said = done("reopen", LEDGER, "2025-12", *APPROVED, *WHY)
    digest = hashlib.sha256((desk / "approval.txt").read_bytes()).hexdigest()
    assert said == (
        f"entry 80: reopen, effective 2026-11-23\n  opens 2025-12 and what follows; approval sha256:{digest}\n"
    )
    assert done("reopen", LEDGER, "2025-12", *APPROVED, *WHY) == "booked already: nothing was done\n"
    audited = done("audit", LEDGER)
    assert "closed periods opened again: 1 of 1 (entry 80)" in audited
    assert "source documents compared with their digests: 13 of 13" in audited


@pytest.mark.parametrize(
    ("status", "words", "args"),
    [(2, "not a month", ["2025", *APPROVED, *WHY]), (1, "the period is not closed", ["2026-05", *APPROVED, *WHY]),
     (2, "there is no such document", ["2025-06", *APPROVED, *WHY, "--approval", "none.txt"]),
     (2, "an empty document is no evidence", ["2025-06", *APPROVED, *WHY, "--approval", "empty.txt"]),
     (1, "SameHands", ["2025-06", *APPROVED, *WHY, "--maker", "李强"]),
     (1, "Malformed", ["2025-06", *APPROVED, *WHY, "--clause", ""]),
     (2, "Missing option '--approval'", ["2025-06", "--document", "d", "--clause", "c", *WHY])],
)  # fmt: skip
def test_what_is_not_opened_again(desk: Path, status: int, words: str, args: list[str]) -> None:
    (desk / "empty.txt").touch()
    fails(status, words, "reopen", LEDGER, *args)
    with Books.open(LEDGER, create=False) as books:
        assert books.ledger.closed_through == date(2025, 12, 31)


# --- the ledger itself ---


def test_a_ledger_of_an_older_format_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    test_migrations.write_format_1("old.db", test_migrations.entries(20))
    refused = fails(2, "the ledger is of another format", "audit", "old.db")
    assert "estate-funds migrate LEDGER" in refused.err
    said = done("migrate", "old.db")
    assert said.startswith("migrated from format 1 to 2; 20 entries, 0 sealed blocks, head 20:")
    assert done("migrate", "old.db").startswith("of format 2 already: nothing was done; 20 entries")
    assert f"head {said.split()[-1]}" in done("verify", "old.db")


READING = (["audit"], ["verify"], ["checkpoint"], ["refusals"], ["trace", "1"], ["statement", "--period", "2024"],
           ["migrate"], ["reverse", "1", *WHY])  # fmt: skip


@pytest.mark.parametrize(
    ("words", "statements"),
    [("half-migrated", ["UPDATE estate_funds_meta SET format = 1"]), ("half-migrated", ["DELETE FROM estate_funds_version"]),
     ("got:    format 3", ["UPDATE estate_funds_meta SET format = 3", "UPDATE estate_funds_version SET version_num = '0003'"]),
     ("the database holds no ledger", ["DROP TABLE estate_funds_meta"])],
)  # fmt: skip
def test_a_ledger_of_another_format_is_left_alone(desk: Path, words: str, statements: list[str]) -> None:
    tamper(desk / LEDGER, *statements)
    before = hashlib.sha256((desk / LEDGER).read_bytes()).digest()
    for command, *args in READING:
        said = fails(2, words, command, LEDGER, *args)
        assert "to do:" in said.err or "wanted:" in said.err
    assert hashlib.sha256((desk / LEDGER).read_bytes()).digest() == before


@pytest.mark.parametrize("command", [args[0] for args in READING])
def test_what_is_no_ledger(desk: Path, command: str) -> None:
    rest = next(args[1:] for args in READING if args[0] == command)
    assert "did you mean" in fails(2, "this is a folder", command, make_case_folder(desk), *rest).err
    fails(2, "there is no ledger at this address", command, "none.db", *rest)
    if command not in ("verify", "checkpoint"):  # which ask what the file is
        fails(2, "no SQLite database", command, "approval.txt", *rest)


def make_case_folder(desk: Path) -> str:
    (desk / "case" / "out").mkdir(parents=True)
    shutil.copy(desk / LEDGER, desk / "case" / "out" / "ledger.db")
    return "case"


def test_a_read_only_ledger_is_read_and_takes_no_entry(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    for command, *args in READING[:-2]:
        done(command, LEDGER, *args)
    said = fails(2, "attempt to write a readonly database", "reverse", LEDGER, 10, *WHY)
    assert "to do:  make the file and its folder writable" in said.err
    assert "on record" not in said.err


def test_a_refusal_that_cannot_be_recorded_says_so(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(Store, "append", full)
    said = fails(1, "SameHands", "reverse", LEDGER, 10, *WHY, "--approver", "王敏")
    assert "noted:  the refusal could not be recorded: the disk is full" in said.err


def test_tables_of_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Place().prefix == PREFIX
    made = ("run", EXAMPLES / "donghu", "--ledger", "office.db", "--out", "out", "--recorded-on", "2026-11-22")
    done("--prefix", "award_", *made)
    fails(2, "the database holds no ledger", "audit", "office.db")
    assert done("--prefix", "award_", "audit", "office.db").startswith("journal: 76 entries")
    assert done("--prefix", "award_", "migrate", "office.db").startswith("of format 2 already")
    fails(2, "SQLite has no schemas", "--schema", "finance", "audit", "office.db")
    fails(2, "not a prefix for tables", "--prefix", "a b", "audit", "office.db")


def test_a_schema_and_an_evidence_folder_on_postgresql(fresh_postgres: str, tmp_path: Path) -> None:
    made = ("run", EXAMPLES / "donghu", "--ledger", fresh_postgres, "--out", tmp_path, "--recorded-on", "2026-11-22")
    done("--schema", "finance", *made, "--evidence", tmp_path / "papers")
    read = ("--schema", "finance", "audit", fresh_postgres)
    assert "source documents compared with their digests: 12 of 12" in done(*read, "--evidence", tmp_path / "papers")
    assert "not checked: there is no evidence folder" in done(*read)
    assert "76 entries" in done("--schema", "finance", "verify", fresh_postgres)
    fails(2, "the database holds no ledger", "audit", fresh_postgres)
    reopens = ("reopen", fresh_postgres, "2025-06", "--document", "d", "--clause", "c", "--approval", __file__, *WHY)
    fails(2, "name one with --evidence", "--schema", "finance", *reopens)


# --- the reference ---


def test_the_reference_names_every_command_and_option() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    sections = {part.split("\n")[0].split()[0]: part for part in page.split("\n## ")[1:]}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        if name != "policy":
            for option in (o for parameter in command.params for o in parameter.opts if o.startswith("--")):
                assert option == "--help" or f"`{option}" in sections[name], f"{name} {option}"


def test_the_reference_names_every_finding_of_an_audit() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/estate_funds/audit").glob("*.py"))
    rules = {
        *re.findall(r'Finding\(\s*"([a-z-]+)"', code),
        *(f"evidence-{state}" for state in State if state != "held"),
    }
    assert len(rules) > 20
    assert [rule for rule in sorted(rules) if f"`{rule}`" not in page] == []


def test_the_reference_names_every_verb() -> None:
    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8")
    verbs = {name for name in vouchers.__all__ if name.islower()} - {"claim_key", "payee_fund", "payer_funds"}
    assert [verb for verb in sorted(verbs) if f"`{verb}(" not in page] == []
