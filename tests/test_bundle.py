"""Bundles: the same entries out as went in, the same bytes for the same journal, and nothing half-written."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estate_funds.checkpoint import verify
from estate_funds.errors import CheckpointError, InputError, OutputError, SealBroken
from estate_funds.exchange import bundle as bundles
from estate_funds.exchange.bundle import Bundle, parse_entry, split_journal, write_bundle
from estate_funds.journal import Entry
from estate_funds.ledger import replay
from journals import BOOKS, PAPER, PAPERS, History, full_history

HISTORY = full_history()
TEXT = b"".join(entry.canonical() for entry in HISTORY.entries)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    with Bundle(HISTORY.export(tmp_path / "journal.zip")) as bundle:
        entries = list(bundle.entries())
        assert entries == HISTORY.entries
        ledger = replay(entries)
        assert ledger.balances == bundle.balances() == HISTORY.ledger.balances
        sealed = verify(bundle.checkpoint, bundle.keys)
        assert (sealed.checkpoint.size, sealed.checkpoint.root) == (ledger.tree.size, ledger.tree.root)
        assert set(bundle.evidence()) == {evidence.sha256 for evidence in PAPER.values()}
        assert all(bundle.has_its_digest(digest) for digest in bundle.evidence())
        with pytest.raises(InputError, match="does not hold it"):
            bundle.has_its_digest("0" * 64)


def test_the_members_are_what_the_format_says(tmp_path: Path) -> None:
    with zipfile.ZipFile(HISTORY.export(tmp_path / "journal.zip")) as file:
        documents = sorted(f"evidence/{evidence.sha256}" for evidence in PAPER.values())
        assert file.namelist() == ["checkpoint", "keys.txt", "balances.txt", "journal.txt", *documents]
        assert file.read("journal.txt") == TEXT
        assert file.read("keys.txt").decode() == f"{BOOKS.verifier}\n"
        lines = file.read("balances.txt").decode().splitlines()
        assert lines == sorted(lines)
        assert "budget/city/c\tfunding\ttreasury\t1000000" in lines
        assert file.read(documents[0]) in PAPERS.values()


def test_an_empty_journal_is_a_bundle(tmp_path: Path) -> None:
    with Bundle(History().export(tmp_path / "empty.zip")) as bundle:
        assert list(bundle.entries()) == []
        assert bundle.balances() == {}


def test_the_same_journal_gives_the_same_bytes(tmp_path: Path) -> None:
    one = HISTORY.export(tmp_path / "one.zip").read_bytes()
    assert HISTORY.export(tmp_path / "other.zip").read_bytes() == one
    for name, text in PAPERS.items():
        (tmp_path / PAPER[name].sha256).write_bytes(text)
    from_files = write_bundle(
        tmp_path / "files.zip",
        HISTORY.entries,
        checkpoint=Bundle(tmp_path / "one.zip").checkpoint,
        balances=dict(reversed(HISTORY.ledger.balances.items())),
        keys=[str(BOOKS.verifier)],
        evidence=lambda digest: tmp_path / digest,
    )
    assert from_files.read_bytes() == one


def test_documents_that_are_not_kept_are_left_out(tmp_path: Path) -> None:
    with Bundle(HISTORY.export(tmp_path / "journal.zip", papers=False)) as bundle:
        assert bundle.evidence() == ()


# --- whole or not at all ---


def broken(entries: list[Entry], after: int) -> Iterator[Entry]:
    yield from entries[:after]
    raise ConnectionError("the database is gone")


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, note = tmp_path / "journal.zip", HISTORY.checkpoint().body
    path.write_text("the old one")
    given = {"checkpoint": note, "balances": HISTORY.ledger.balances}
    with pytest.raises(OutputError):  # a ConnectionError is an OSError: nothing is written, and it is said
        write_bundle(path, broken(HISTORY.entries, 9), **given)  # type: ignore[arg-type]
    with pytest.raises(SealBroken, match="not those of the checkpoint") as caught:
        write_bundle(path, HISTORY.entries[:-1], **given)  # type: ignore[arg-type]
    assert str(caught.value.wanted) == HISTORY.checkpoint().head
    with pytest.raises(SealBroken):
        write_bundle(path, [*HISTORY.entries[:3], *HISTORY.entries[4:]], **given)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError):
        write_bundle(path, HISTORY.entries, checkpoint="no checkpoint", balances={})
    with pytest.raises(CheckpointError):
        write_bundle(path, HISTORY.entries, keys=["no key"], **given)  # type: ignore[arg-type]
    with pytest.raises(OutputError, match="cannot be written"):
        write_bundle(path, HISTORY.entries, evidence=lambda digest: tmp_path / "gone", **given)  # type: ignore[arg-type]
    monkeypatch.setattr(bundles, "_write_evidence", disk_full)
    with pytest.raises(OutputError, match="No space left"):
        write_bundle(path, HISTORY.entries, **given)  # type: ignore[arg-type]
    assert left(tmp_path) == ["journal.zip"]
    assert path.read_text() == "the old one"


def disk_full(*arguments: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        HISTORY.export(tmp_path / "file" / "journal.zip")


# --- entries ---


@pytest.mark.parametrize("entry", HISTORY.entries, ids=lambda entry: f"{entry.seq}-{entry.draft.kind}")
def test_every_entry_is_read_back(entry: Entry) -> None:
    assert parse_entry(entry.canonical()) == entry


@pytest.mark.parametrize("spoil", [
    lambda t: b"", lambda t: t[:-1], lambda t: t + b"\n", lambda t: t + t, lambda t: t.replace(b"entry 1", b"entry 2"),
    lambda t: t.replace(b"\nseq\t", b"\nseq\t0"), lambda t: t.replace(b"\nseq\t", b"\nseq\t-"), lambda t: t.replace(b"\n", b"\r\n"),
    lambda t: t.replace(b"\nkind\tspending", b"\nkind\tgift"), lambda t: t.replace(b"\nkind\t", b"\nKind\t"),
    lambda t: t.replace(b"recorded\t2022-03-03", b"recorded\t2022-3-3"), lambda t: t.replace(b"2022-03-03", b"2022-02-30"),
    lambda t: t.replace(b"recorded\t2022-03-03", b"recorded\t20220303"), lambda t: t.replace(b"\nclause\t", b"\nclause\t\t"),
    lambda t: t.replace(b"\t9000\n", b"\t9,000\n"), lambda t: t.replace(b"\t9000\n", b"\t+9000\n"),
    lambda t: t.replace(b"\t9000\n", b"\t09000\n"), lambda t: t.replace(b"\t9000\n", b"\t 9000\n"),
    lambda t: t.replace(b"\t9000\n", b"\t9_000\n"), lambda t: t.replace(b"\t9000\n", b"\t9000\tx\n"),
    lambda t: t.replace(b"\t9000\n", b"\t\xef\xbc\x99000\n"), lambda t: t.replace(b"\t9000\n", b"\t-0\n"), lambda t: t + b"posting\n",
    lambda t: t + b"term\n", lambda t: t + b"evidence\tinvoice\n", lambda t: t + b"unknown\tline\n", lambda t: b"\xff" + t,
    lambda t: t.replace(b"\nmaker\t", b"\nmaker\t\xff"), lambda t: b"\n".join(t.split(b"\n")[:9] + t.split(b"\n")[10:]),
    lambda t: t.replace(b"\npolicy\t\nregistry\t\n", b"\nregistry\t\npolicy\t\n"), lambda t: b"\xef\xbb\xbf" + t,
])  # fmt: skip
def test_other_bytes_are_no_entry(spoil: object) -> None:
    good = next(entry for entry in HISTORY.entries if entry.draft.key == "s2").canonical()
    spoiled = spoil(good)  # type: ignore[operator]
    assert spoiled != good
    with pytest.raises(InputError, match="not the canonical bytes") as caught:
        parse_entry(spoiled)
    assert caught.value.exit_status == 2


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_what_is_read_has_those_very_bytes(data: st.DataObject) -> None:
    """Whatever one byte is changed to: the bytes are refused, or the entry that is read has them."""
    text = bytearray(data.draw(st.sampled_from(HISTORY.entries)).canonical())
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] = data.draw(st.one_of(st.sampled_from(b"\t\n 0-9D"), st.integers(0, 255)))
    try:
        entry = parse_entry(bytes(text))
    except InputError:
        return
    assert entry.canonical() == bytes(text)


@pytest.mark.parametrize("chunk", [1, 7, 21, 22, 23, 64, 1000, 1 << 20])
def test_the_journal_is_cut_at_its_entries_wherever_it_is_read(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "_CHUNK", chunk)
    text = TEXT if chunk > 1 else TEXT[:2500]
    pieces = list(split_journal(io.BytesIO(text)))
    assert b"".join(pieces) == text
    if chunk > 1:
        assert pieces == [entry.canonical() for entry in HISTORY.entries]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(HISTORY.entries)), st.integers(16, 5_000))
def test_the_pieces_of_a_journal_are_its_entries(size: int, chunk: int) -> None:
    whole = [entry.canonical() for entry in HISTORY.entries[:size]]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bundles, "_CHUNK", chunk)
        assert list(split_journal(io.BytesIO(b"".join(whole)))) == whole


def test_an_entry_that_does_not_end_is_not_read_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MOST_ENTRY_BYTES", 1 << 20)
    with pytest.raises(InputError, match="does not end"):
        list(split_journal(io.BytesIO(b"estate_funds entry 1\n" + b"x" * (1 << 22))))


# --- what is no bundle ---


def rewritten(path: Path, **members: bytes | None) -> Path:
    """A bundle with other members; None leaves one out."""
    with zipfile.ZipFile(path) as old:
        content = {name: old.read(name) for name in old.namelist()}
    content |= {name.replace("_", "."): data for name, data in members.items()}  # type: ignore[misc]
    with zipfile.ZipFile(path.with_name("other.zip"), "w") as new:
        for name, data in content.items():
            if data is not None:
                new.writestr(name, data)
    return path.with_name("other.zip")


def test_files_that_are_no_bundle(tmp_path: Path) -> None:
    good = HISTORY.export(tmp_path / "journal.zip")
    text = tmp_path / "text"
    text.write_text("no zip")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(good.read_bytes()[:-100])
    for path in (text, cut, tmp_path / "nothing", tmp_path, rewritten(good, journal_txt=None)):
        with pytest.raises(InputError) as caught:
            Bundle(path)
        assert str(path) in caught.value.where


def test_damage_within_a_bundle_is_an_error_of_the_input(tmp_path: Path) -> None:
    good = HISTORY.export(tmp_path / "journal.zip")
    whole = good.read_bytes()
    place = whole.index(b"journal.txt") + 200
    (tmp_path / "damaged.zip").write_bytes(whole[:place] + bytes(64) + whole[place + 64 :])
    with Bundle(tmp_path / "damaged.zip") as bundle, pytest.raises(InputError, match=r"cannot be read|canonical bytes"):
        list(bundle.entries())
    with (
        Bundle(rewritten(good, journal_txt=TEXT + b"more\n")) as bundle,
        pytest.raises(InputError, match="canonical bytes"),
    ):
        list(bundle.entries())
    with Bundle(rewritten(good, balances_txt=b"a\tb\tc\n")) as bundle, pytest.raises(InputError, match="line 1"):
        bundle.balances()
    with Bundle(rewritten(good, keys_txt=b"\xff")) as bundle, pytest.raises(InputError, match=r"keys\.txt"):
        _ = bundle.keys
