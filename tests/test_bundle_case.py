"""The bundle with its case: audited with nothing else, to the same findings, whoever made it and whatever is in it."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import hostile
from conftest import EXAMPLES, ROOT, TODAY
from estate_funds import Books, audit_bundle, load_case, verifier
from estate_funds import load as loading
from estate_funds.audit import AuditReport, Finding, audit
from estate_funds.audit.journal import Kept, SealedCopy
from estate_funds.audit.rules import Material, Rule
from estate_funds.bundle import open_case
from estate_funds.case import Case
from estate_funds.cli import main
from estate_funds.errors import CaseError, EstateFundsError, InputError, SealBroken
from estate_funds.exchange.bundle import Bundle
from estate_funds.exchange.pseudonyms import Named, Tables, pseudonym
from estate_funds.ledger import Ledger, refold
from estate_funds.merkle import tree_root
from estate_funds.store import Stored, writer
from journals import full_history

SALT = bytes(range(32))
UNSEEN = {
    "rows and triggers of the database beside the journal", "source documents compared with their digests",
    "digest of the register, from its tables", "nothing cut off or rewritten since a head that was kept",
}  # fmt: skip
Edit = Callable[[Path, str, str], None]


def books_of(case: Case, folder: Path) -> Books:
    books = Books.open(
        str(folder / "books.db"), recorded_on=TODAY, evidence=folder / "papers", origin="journal.example"
    )
    books.run(case)
    return books


def found(report: AuditReport) -> str:
    return json.dumps(report.to_json()["findings"], ensure_ascii=False)


def lines(report: AuditReport, without: set[str]) -> list[object]:
    return [line for line in report.coverage if line.what not in without]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small bundle with pseudonyms."""
    folder = tmp_path_factory.mktemp("good")
    case = load_case(EXAMPLES / "xx-district")
    with books_of(case, folder) as books:
        return books.bundle(case, folder / "good.zip", salt=SALT)


# --- the same as the ledger ---


@pytest.mark.parametrize("name", ["donghu", "xx-district", "maintenance-fund", "changchun"])
def test_a_bundle_says_what_the_ledger_says(name: str, tmp_path: Path) -> None:
    case = load_case(EXAMPLES / name)
    with books_of(case, tmp_path) as books:
        note = books.checkpoint().body
        ledger = books.audit(case, kept_heads=[books.ledger.head])
        plain = books.bundle(case, tmp_path / "plain.zip", plain=True, evidence=True, checkpoints=[note])
        hashed = books.bundle(case, tmp_path / "hashed.zip", salt=SALT, checkpoints=[note])
    shutil.rmtree(tmp_path / "papers")
    (tmp_path / "books.db").unlink()
    whole, without_names = audit_bundle(plain), audit_bundle(hashed)
    assert found(whole) == found(without_names) == found(ledger)
    assert (whole.head, whole.entries) == (without_names.head, without_names.entries) == (ledger.head, ledger.entries)
    own = {
        "rows and triggers of the database beside the journal",
        "nothing cut off or rewritten since a head that was kept",
    }
    assert lines(whole, own) == lines(ledger, own)
    assert lines(without_names, UNSEEN) == lines(ledger, UNSEEN)
    assert {line.what for line in whole.coverage} - {line.what for line in ledger.coverage} == own - {
        "nothing cut off or rewritten since a head that was kept"
    }
    (kept,) = (line for line in whole.coverage if line.what.startswith("nothing cut off"))
    assert (kept.checked, kept.of) == (1, 1)
    assert "came with the bundle" in kept.note
    assert json.dumps(audit_bundle(hashed).to_json()) == json.dumps(without_names.to_json())
    assert str(tmp_path) not in json.dumps(without_names.to_json())
    assert verifier.main([str(plain)]) == verifier.main([str(hashed)]) == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "rule"),
    [("assessments.csv", "yuanyi,1,pass", "yuanyi,1,fail", "failed-assessment"), ("spending.csv", '"96,000.00"', '"96,000.01"', "booked-otherwise"),
     ("incomes.csv", "i-2022-01,", "i-2022-09,", "no-source"), ("assessments.csv", "yuanyi,1,pass,2022-01-10", "yuanyi,1,pass,2021-12-10", "late")],
)  # fmt: skip
def test_what_is_wrong_is_found_in_the_bundle_too(
    donghu: Path, edit: Edit, tmp_path: Path, file: str, old: str, new: str, rule: str
) -> None:
    with books_of(load_case(donghu), tmp_path) as books:
        edit(donghu / file, old, new)
        case = load_case(donghu)
        ledger = books.audit(case)
        bundle = books.bundle(case, tmp_path / "b.zip", salt=SALT)
    assert rule in {finding.rule for finding in ledger.findings}
    assert found(audit_bundle(bundle)) == found(ledger)


def test_documents_that_are_lost_or_altered_are_found_in_the_bundle(tmp_path: Path) -> None:
    case = load_case(EXAMPLES / "donghu")
    with books_of(case, tmp_path) as books:
        assert books.evidence is not None
        gone, other = sorted(books.evidence)[:2]
        books.evidence.place(gone).unlink()
        books.evidence.place(other).chmod(0o644)
        books.evidence.place(other).write_text("another", encoding="utf-8")
        ledger = books.audit(case)
        bundle = books.bundle(case, tmp_path / "b.zip", plain=True, evidence=True)
    assert sorted({f.rule for f in ledger.findings}) == ["evidence-altered", "evidence-missing"]
    assert found(audit_bundle(bundle)) == found(ledger)


def test_a_refused_attempt_and_a_rule_of_ones_own_come_along(tmp_path: Path) -> None:
    case = load_case(EXAMPLES / "donghu")
    own = Rule(
        "any-payment", "warning", "Payments.", "1", "none", lambda about: about.payments,  # type: ignore[arg-type]
        lambda about, rule: [rule.found("a payment", entry) for entry in about.payments],
    )  # fmt: skip
    with books_of(case, tmp_path) as books:
        with pytest.raises(EstateFundsError):
            books.post(case.attempts()[0])
        ledger = books.audit(case, rules=[own])
        bundle = books.bundle(case, tmp_path / "b.zip", salt=SALT)
    report = audit_bundle(bundle, rules=[own])
    assert found(report) == found(ledger)
    assert [f.rule for f in report.findings] == ["any-payment"] * len(report.findings) != []
    assert "refused attempts on record" in {line.what for line in report.coverage}


def test_the_day_of_the_bundle_judges_what_is_due(tmp_path: Path) -> None:
    case = load_case(EXAMPLES / "donghu")
    with Books.open("memory", recorded_on=date(2024, 6, 30)) as books:
        books.run(case)
        bundle = books.bundle(case, tmp_path / "b.zip", salt=SALT)
        assert found(audit_bundle(bundle)) == found(books.audit(case)) == "[]"
    assert "withheld" in found(audit_bundle(bundle, as_of=TODAY))
    assert "withheld" in found(audit_bundle(bundle, load_case(EXAMPLES / "donghu"), as_of=TODAY))


# --- what is in it ---


def test_the_same_books_give_the_same_bytes_on_any_store(address: str, tmp_path: Path, good: Path) -> None:
    case = load_case(EXAMPLES / "xx-district")
    opened = Books.open(address, recorded_on=TODAY, evidence=tmp_path / "papers", origin="journal.example")
    with opened as books:
        books.run(case)
        again = books.bundle(case, tmp_path / "again.zip", salt=SALT)
        other = books.bundle(case, tmp_path / "other.zip", salt=SALT[::-1])
    assert again.read_bytes() == good.read_bytes() != other.read_bytes()


def test_nobody_is_named_and_everybody_is_counted(tmp_path: Path) -> None:
    case = load_case(EXAMPLES / "donghu")
    with (EXAMPLES / "donghu" / "households.csv").open(encoding="utf-8") as file:
        names = {row["household_id"] for row in csv.DictReader(file)}
    with books_of(case, tmp_path) as books:
        bundle = books.bundle(case, tmp_path / "b.zip", salt=SALT)
    content = hostile.content_of(bundle.read_bytes())
    everything = b"\n".join(content.values()).decode("utf-8")
    assert not [name for name in names if name in everything]
    rows = list(csv.DictReader(io.StringIO(content["case/households.csv"].decode())))
    assert len({row["household_id"] for row in rows}) == len(rows) == len(names) == 1885
    assert rows[0]["household_id"] == pseudonym("yuanyi-01-0001", SALT)
    fees = {row["household_id"] for row in csv.DictReader(io.StringIO(content["case/fees.csv"].decode()))}
    assert fees <= {row["household_id"] for row in rows}
    for name in ("case.toml", "estates.csv", "spending.csv"):
        assert content[f"case/{name}"] == (EXAMPLES / "donghu" / name).read_bytes()
    manifest = json.loads(content["manifest.json"])
    assert manifest["pseudonyms"] == {"hashed": True, "hidden_facts": [], "named_by_journal": 0, "names": 1885}
    assert manifest["case"]["registry"] == open_case(bundle).registry_digest == case.registry_digest


def test_a_household_file_in_columns_goes_in_as_rows(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    folder = Path(shutil.copytree(EXAMPLES / "donghu", tmp_path / "case"))
    with (folder / "households.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = {name: [row[name] or None for row in rows] for name in ("household_id", "estate_id", "building")}
    days = {
        name: [date.fromisoformat(row[name]) if row[name] else None for row in rows]
        for name in ("registered_on", "removed_on")
    }
    (folder / "households.csv").unlink()
    pq.write_table(pa.table(table | days), folder / "households.parquet")
    case = load_case(folder)
    with books_of(case, tmp_path) as books:
        hashed, plain = (
            books.bundle(case, tmp_path / "h.zip", salt=SALT), books.bundle(case, tmp_path / "p.zip", plain=True),
        )  # fmt: skip
        assert found(audit_bundle(hashed)) == found(audit_bundle(plain)) == found(books.audit(case))
    assert "case/households.csv" in hostile.content_of(hashed.read_bytes())
    assert (
        hostile.content_of(plain.read_bytes())["case/households.parquet"]
        == (folder / "households.parquet").read_bytes()
    )


def tables(**files: str) -> dict[str, bytes]:
    return {f"{name.replace('_', '-')}.csv": text.encode() for name, text in files.items()}


def test_one_text_has_one_name_in_every_table() -> None:
    files = tables(
        households="household_id,estate_id\n h-1 ,e\nh-2,e\n",
        fees='month,household_id\n2024-01,h-1\n2024-01,"h-1"\n',
        ballots="vote_id,owner_id\nv,王五\nv,h-2\n",
        subjects="subject_id,kind,name,parent\nh-3,household,李四,\nw,work,h-1 roof,h-1\n",
        facts="subject_id,fact,value\nh-1,area,h-2\nw,owner,h-2\nw,tenant,赵六\n",
        facts_more="subject_id,owner,area\n\nh-3,王五,h-1\n",
        estates="estate_id\nh-1\n",
    )
    given = Tables(files, frozenset({"owner", "tenant"}), frozenset({"tenant"}))
    assert given.persons() == {"h-1", "h-2", "h-3", "王五", "李四", "赵六"}
    made = {
        name: data.decode()
        for name, data in given.rewritten(
            lambda text: {t: t.upper() + "!" for t in given.persons()}.get(text, text)
        ).items()
    }
    assert made["households.csv"] == "household_id,estate_id\nH-1!,e\nH-2!,e\n"
    assert made["fees.csv"] == "month,household_id\n2024-01,H-1!\n2024-01,H-1!\n"
    assert made["ballots.csv"] == "vote_id,owner_id\nv,王五!\nv,H-2!\n"
    assert made["subjects.csv"] == "subject_id,kind,name,parent\nH-3!,household,李四!,\nw,work,h-1 roof,H-1!\n"
    assert made["facts.csv"] == "subject_id,fact,value\nH-1!,area,h-2\nw,owner,H-2!\nw,tenant,赵六!\n"
    assert made["facts-more.csv"] == "subject_id,owner,area\n\nH-3!,王五!,h-1\n"  # row numbers stay
    assert made["estates.csv"] == "estate_id\nh-1\n"
    assert given.rewritten(lambda text: text) == files  # byte for byte


def test_what_the_journal_names_is_left() -> None:
    named = Named({"c", "share", "k", "w-9", "claim-1"})
    assert len(list(named.watched(full_history().entries))) == len(full_history().entries)
    assert named.found == {"c", "share", "k", "claim-1"}


def test_names_that_decide_an_amount_are_not_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = load_case(EXAMPLES / "donghu")
    with books_of(case, tmp_path) as books:
        monkeypatch.setattr(Tables, "rewritten", lambda self, renamed: {**self.files, "households.csv": b"".join(
            self.files["households.csv"].splitlines(keepends=True)[:-1])})  # fmt: skip
        with pytest.raises(CaseError):
            books.bundle(case, tmp_path / "b.zip", salt=SALT)
    assert not list(tmp_path.glob("b.zip*"))


def test_a_file_that_changed_after_it_was_read_is_not_packed(donghu: Path, edit: Edit, tmp_path: Path) -> None:
    case = load_case(donghu)
    with books_of(case, tmp_path) as books:
        edit(donghu / "spending.csv", '"96,000.00"', '"96,000.01"')
        with pytest.raises(CaseError, match="not the case"):
            books.bundle(case, tmp_path / "b.zip", salt=SALT)


def test_what_is_asked_of_the_call(tmp_path: Path, good: Path) -> None:
    case = load_case(EXAMPLES / "changchun")
    with Books.open("memory", recorded_on=TODAY) as books:
        for options in (
            {},
            {"salt": SALT, "plain": True},
            {"salt": b"short"},
            {"salt": SALT, "hide": ["no-such-fact"]},
        ):
            with pytest.raises(InputError):
                books.bundle(case, tmp_path / "b.zip", **options)  # type: ignore[arg-type]
        with pytest.raises(CaseError, match="out of a bundle"):
            books.bundle(open_case(good), tmp_path / "b.zip", plain=True)
        with pytest.raises(SealBroken):
            books.bundle(
                case,
                tmp_path / "b.zip",
                salt=SALT,
                checkpoints=["another\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"],
            )
    assert list(tmp_path.iterdir()) == []


def test_the_documents_are_those_of_the_bundle(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later version may ship another text, or none."""
    monkeypatch.setattr(loading, "shipped_documents", list)
    monkeypatch.setattr(loading.resources, "files", lambda name: pytest.fail("a document that ships was read"))
    assert (
        open_case(good).policy_digests
        == json.loads(hostile.content_of(good.read_bytes())["manifest.json"])["case"]["policies"]
    )


# --- older and forged ---


def test_a_bundle_of_the_journal_alone_is_audited(tmp_path: Path) -> None:
    history = full_history()
    report = audit_bundle(history.export(tmp_path / "journal.zip"), rules=())
    assert (report.head, found(report)) == (history.ledger.head, "[]")
    assert {"claims re-assessed", "facts of the case booked as they stand"} <= {
        c.what for c in report.coverage if not c.complete
    }
    with pytest.raises(InputError, match="holds no case"):
        open_case(tmp_path / "journal.zip")


def test_the_golden_bundle_is_read_for_ever() -> None:
    path = ROOT / "tests" / "golden" / "bundle-2.zip"
    report, wanted = audit_bundle(path, rules=()), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert report.to_json()["findings"] == wanted["findings"]
    assert (report.head, report.entries) == (wanted["head"], wanted["entries"])
    covered = {line.what: [line.checked, line.of] for line in report.coverage}
    assert {what: covered.get(what) for what in wanted["coverage"]} == wanted["coverage"]
    assert verifier.main([str(path)]) == 0


def forged(good: Path, path: Path, name: str, data: bytes) -> Path:
    path.write_bytes(hostile.with_member(hostile.content_of(good.read_bytes()), name, data))
    return path


def test_a_forger_who_makes_the_manifest_anew_is_found_by_the_seal(good: Path, tmp_path: Path) -> None:
    content = hostile.content_of(good.read_bytes())
    journal = content["journal.txt"]
    first = re.search(rb"posting\t[^\n]*\tcash\t\tD\t([0-9]+)\n", journal)
    assert first is not None
    cut = journal[: journal.rindex(b"estate_funds entry 1\n")]
    for name, data in (("cut", cut), ("more", journal.replace(first[1], first[1] + b"0"))):
        report = audit_bundle(forged(good, tmp_path / f"{name}.zip", "journal.txt", data))
        assert {"tampered", "cut-off"} & {finding.rule for finding in report.findings}, name
        assert verifier.main([str(tmp_path / f"{name}.zip")]) == 1
    report = audit_bundle(forged(good, tmp_path / "s.zip", "snapshots.txt", b"5\t" + b"0" * 64 + b"\n"))
    assert [finding.rule for finding in report.findings] == ["snapshot"]
    report = audit_bundle(
        forged(good, tmp_path / "k.zip", "checkpoints/0001", content["checkpoint"].replace(b"\n43\n", b"\n42\n"))
    )
    assert [finding.rule for finding in report.findings] == ["cut-off"]


def test_the_verifier_holds_members_against_the_manifest(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = hostile.content_of(good.read_bytes())
    for name, changed in {
        "altered": content | {"case/estates.csv": b"x"}, "added": content | {"case/more.csv": b"x"},
        "gone": {member: data for member, data in content.items() if member != "papers.txt"},
    }.items():  # fmt: skip
        (tmp_path / "b.zip").write_bytes(hostile.zipped(changed))
        assert verifier.main([str(tmp_path / "b.zip")]) == 1, name
        assert "findings    1\n" in capsys.readouterr().out


def test_hostile_bundles_are_refused_and_leave_nothing_behind(good: Path, tmp_path: Path) -> None:
    bombs = hostile.bombs(good.read_bytes())
    assert len(bombs) > 50
    shutil.copy(good, tmp_path / "good.zip")
    for name, (data, _) in bombs.items():
        (tmp_path / f"{name}.zip").write_bytes(data)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    done = subprocess.run([sys.executable, str(ROOT / "tests" / "hostile.py"), str(tmp_path)], capture_output=True, encoding="utf-8", check=True)  # fmt: skip
    said = [json.loads(line) for line in done.stdout.splitlines()]
    for name, kind, text in said[:-1]:
        if name == "good":
            assert kind == "audited"
            continue
        assert kind in ("InputError", "SealBroken", "TableError", "ColumnError", "CellError", "CaseError", "PolicyError", "UnknownDocument", "CheckpointError", "DateError"), (name, kind, text)  # fmt: skip
        assert re.search(bombs[name][1], text), (name, kind, text)
    assert {name for name, _, _ in said[:-1]} == {*bombs, "good"}
    assert said[-1][2] < 200_000, "more than 200 MB for a bundle of kilobytes"
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


# --- long journals ---


def test_a_long_journal_is_audited_from_columns_to_the_same_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = load_case(EXAMPLES / "donghu")
    seen = list[tuple[int, int, str]]()

    def look(about: Material, rule: Rule) -> list[Finding]:
        chosen = (about.standing, about.payments, about.receipts)
        seen.append((len(chosen[0]), len(chosen[1]), chosen[2][-1].draft.key + chosen[2][:1][0].draft.key))
        return [rule.found("seen", entry) for some in chosen for entry in some]

    rule = Rule("seen", "warning", "All.", "1", "none", lambda about: about.entries, look)  # type: ignore[arg-type]
    with books_of(case, tmp_path) as books:
        bundle = books.bundle(case, tmp_path / "b.zip", salt=SALT)
    values = audit_bundle(bundle, rules=[rule])
    monkeypatch.setattr("estate_funds.columns.shelf.MOST_AS_VALUES", 0)
    monkeypatch.setattr("estate_funds.columns.shelf.BLOCK", 7)
    assert audit_bundle(bundle, rules=[rule]) == values
    with Books.open(str(tmp_path / "books.db"), recorded_on=TODAY, evidence=tmp_path / "papers") as books:
        assert books.audit(case, rules=[rule]).findings == values.findings
    assert seen[0] == seen[1] == seen[2]


def test_a_long_journal_that_is_forged_is_replayed_plainly(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = hostile.content_of(good.read_bytes())["journal.txt"]
    last = journal.rindex(b"estate_funds entry 1\n")
    for number, data in enumerate((journal[:last], journal + journal[last:], journal.replace(b"maker\t", b"maker\t-"))):
        path = forged(good, tmp_path / f"{number}.zip", "journal.txt", data)
        plain = audit_bundle(path)
        with monkeypatch.context() as patched:
            patched.setattr("estate_funds.columns.shelf.MOST_AS_VALUES", 0)
            assert audit_bundle(path) == plain
        assert plain.findings


def test_what_nobody_could_open_is_not_written(donghu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with books_of(load_case(donghu), tmp_path) as books:
        monkeypatch.setattr("estate_funds.exchange.archive.MOST_MEMBERS", 10)
        with pytest.raises(InputError, match="more members"):
            books.bundle(load_case(donghu), tmp_path / "b.zip", salt=SALT)
        monkeypatch.undo()
        monkeypatch.setattr("estate_funds.bundle.MOST_TABLE_BYTES", 100)
        with pytest.raises(CaseError, match="too long"):
            books.bundle(load_case(donghu), tmp_path / "b.zip", salt=SALT)
        monkeypatch.undo()
        (donghu / "facts-a:b.csv").write_text("subject_id\n", encoding="utf-8")
        with pytest.raises(InputError, match="a name that no member"):
            books.bundle(load_case(donghu), tmp_path / "b.zip", salt=SALT)
    assert not list(tmp_path.glob("b.zip*"))


def test_snapshots_are_held_against_the_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SNAPSHOT_ENTRIES", 20)
    case = load_case(EXAMPLES / "donghu")
    with books_of(case, tmp_path) as books:
        bundle = books.bundle(case, tmp_path / "b.zip", salt=SALT)
        ledger = books.audit(case)
    with Bundle(bundle) as opened:
        assert [line.split("\t")[0] for line in opened.lines("snapshots.txt")] == ["76"]
    report = audit_bundle(bundle)
    (drawn,) = (line for line in report.coverage if line.what.startswith("snapshots"))
    assert drawn in ledger.coverage
    assert drawn.checked == drawn.of == 1
    assert found(report) == found(ledger) == "[]"


def test_roots_of_sealed_blocks_are_held_against_the_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estate_funds.audit.journal.BLOCK_LEAVES", 4)
    entries, ledger, stored = full_history().entries[:9], Ledger(), list[Stored]()
    for entry in entries:
        refold(ledger, entry)
        stored.append(Stored(entry, entry.leaf, ledger.tree.root))
    roots = [tree_root(b"".join(entry.leaf for entry in entries[at : at + 4])) for at in (0, 4)]

    def rules(*sealed: SealedCopy) -> list[str]:
        report = audit(stored, kept=Kept(9, sealed=sealed), rules=())
        return [finding.what for finding in report.findings if finding.rule == "block"]

    first, second = (SealedCopy(n, 4 * n + 1, 4 * n + 4, b"", root=root) for n, root in enumerate(roots))
    assert rules(first, second) == []
    assert rules(first) == ["a sealed block is missing"]
    assert rules(first, replace(second, root=roots[0])) == [
        "a sealed block differs: its root is not that of the entries"
    ]


# --- the command ---


def ran(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped, pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["estate-funds", *map(str, arguments)])
        main()
    said = capsys.readouterr()
    return int(stopped.value.code or 0), said.out, said.err


def test_the_command_and_the_audit_of_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case, ledger, out = EXAMPLES / "donghu", tmp_path / "books.db", tmp_path / "b.zip"
    with Books.open(str(ledger), recorded_on=TODAY, origin="donghu.example") as books:
        books.run(load_case(case))
    status, said, _ = ran(capsys, "bundle", ledger, "--case", case, "--out", out, "--recorded-on", TODAY)
    assert (status, said.splitlines()[1:3]) == (0, [
        f"case donghu, journal donghu.example, to be audited as of {TODAY}",
        f"1,885 names hashed; the salt is in {out}.salt: it stays with you",
    ])  # fmt: skip
    first = out.read_bytes()
    assert (tmp_path / "b.zip.salt").stat().st_mode & 0o077 == 0
    ran(capsys, "bundle", ledger, "--case", case, "--out", out, "--recorded-on", TODAY)
    assert out.read_bytes() == first  # under the same salt
    status, told, _ = ran(capsys, "audit", out, "--json")
    assert status == 0
    assert told == json.dumps(audit_bundle(out).to_json(), ensure_ascii=False, indent=2) + "\n"
    status, own, _ = ran(capsys, "audit", ledger, "--case", case, "--recorded-on", TODAY, "--json")
    assert json.loads(own)["findings"] == json.loads(told)["findings"]
    status, said, _ = ran(capsys, "verify", out)
    assert (status, "members of a case" in said) == (0, True)
    assert ran(capsys, "audit", out, "--evidence", tmp_path)[0] == 2
    assert ran(capsys, "bundle", ledger, "--case", case, "--out", out, "--plain", "--salt", "x")[0] == 2
    (tmp_path / "bad.salt").write_text("no salt", encoding="utf-8")
    assert ran(capsys, "bundle", ledger, "--case", case, "--out", out, "--salt", tmp_path / "bad.salt")[0] == 2
    status, said, _ = ran(capsys, "bundle", ledger, "--case", case, "--out", out, "--plain", "--with-evidence")
    assert (status, said.splitlines()[2:]) == (
        0,
        ["names of households and owners are plain", "12 source documents put in"],
    )
    with zipfile.ZipFile(out) as plain:
        assert b"yuanyi-01-0001" in plain.read("case/households.csv")
