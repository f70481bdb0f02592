"""Source documents: kept whole under their digest or not at all, found again, brought by claims, missed when gone."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import EXAMPLES, ROOT, TODAY, make_estate
from estate_funds import Books, load_case
from estate_funds import evidence as module
from estate_funds.assess import Claim, Claims, View, apply_limits, assess
from estate_funds.audit.report import Severity
from estate_funds.case import Case, Step
from estate_funds.errors import CellError, EvidenceAltered, EvidenceError, EvidenceMissing, PolicyError
from estate_funds.evidence import EvidenceFolder, State, folder_beside
from estate_funds.exchange import folder as reading
from estate_funds.journal import Kind
from estate_funds.policy import Document, parse_document
from estate_funds.registry import Assessment, Assessments, Fact, Facts, Registry, Subject, estate_subject
from test_language import WINDOW, town

Edit = Callable[[Path, str, str], None]
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
NOBODY = 65534
posix = pytest.mark.skipif(os.name == "nt", reason="rights and links of POSIX")


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "books.db.evidence")


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    (tmp_path / "paper.txt").write_bytes(b"abc")
    return tmp_path / "paper.txt"


def partials(folder: EvidenceFolder) -> list[str]:
    return [name for name in os.listdir(folder.path) if name.startswith(".partial-")]


def tamper(folder: EvidenceFolder, digest: str, content: bytes) -> Path:
    place = folder.place(digest)
    place.chmod(0o644)
    place.write_bytes(content)
    return place


# --- keeping and reading ---


def test_a_document_lies_under_its_digest_read_only(folder: EvidenceFolder, paper: Path) -> None:
    assert folder.add(paper) == ABC
    place = folder.path / "ba" / ABC[2:]
    assert folder.place(ABC) == place
    assert place.read_bytes() == b"abc"
    assert list(folder) == [ABC]
    with folder.open(ABC) as found:
        assert found.read() == b"abc"
    umask = os.umask(0)
    os.umask(umask)
    assert os.name == "nt" or stat.S_IMODE(place.stat().st_mode) == 0o444 & ~umask
    assert partials(folder) == []


def test_a_document_is_kept_once(folder: EvidenceFolder, paper: Path) -> None:
    folder.add(paper)
    before = folder.place(ABC).stat()
    assert folder.add(paper) == folder.add_bytes(b"abc") == folder.add(paper, digest=ABC) == ABC
    assert folder.place(ABC).stat().st_ino == before.st_ino
    assert folder.place(ABC).stat().st_mtime_ns == before.st_mtime_ns
    assert partials(folder) == []


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=6), st.integers(1, 64))
@settings(max_examples=25, deadline=None)
def test_what_was_added_is_what_is_held(documents: list[bytes], chunk: int) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        folder = EvidenceFolder(Path(name) / "evidence")
        for number, content in enumerate(documents):
            source = Path(name) / str(number)
            source.write_bytes(content)
            assert folder.add(source) == digest_of(content)
        assert list(folder) == sorted({digest_of(content) for content in documents})
        for content in documents:
            assert folder.check(digest_of(content)) is State.HELD
            with folder.open(digest_of(content)) as found:
                assert found.read() == content


@posix
def test_the_umask_is_kept_to(folder: EvidenceFolder) -> None:
    umask = os.umask(0o077)
    try:
        folder.add_bytes(b"abc")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(folder.place(ABC).stat().st_mode) == 0o400


def test_nothing_is_made_before_something_is_added(folder: EvidenceFolder) -> None:
    assert (folder.check(ABC), folder.has(ABC), list(folder)) == (State.MISSING, False, [])
    assert not folder.path.exists()
    with pytest.raises(EvidenceError, match="no such document is kept"):
        folder.open(ABC)


@posix
def test_a_link_is_kept_as_what_it_leads_to(folder: EvidenceFolder, paper: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(paper)
    assert folder.add(tmp_path / "link") == ABC
    assert not folder.place(ABC).is_symlink()
    paper.unlink()
    assert folder.check(ABC) is State.HELD
    with pytest.raises(EvidenceError, match="no such document"):
        folder.add(tmp_path / "link")


@posix
def test_what_is_no_document_is_refused(folder: EvidenceFolder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_bytes(b"")
    for name, words in (
        ("pipe", "a device or a pipe"),
        (".", "a folder"),
        ("gone.pdf", "no such document"),
        ("empty/x", "no such document"),
        ("empty", "an empty document is no evidence"),
    ):
        with pytest.raises(EvidenceError, match=words) as refused:
            folder.add(tmp_path / name)
        assert refused.value.where == str(tmp_path / name)
    with pytest.raises(EvidenceError, match="empty"):
        folder.add_bytes(b"")
    assert list(folder) == partials(folder) == []


def test_a_document_that_changed_since_it_was_hashed_is_refused(folder: EvidenceFolder, paper: Path) -> None:
    paper.write_bytes(b"abd")
    with pytest.raises(EvidenceError, match="changed since it was hashed") as refused:
        folder.add(paper, digest=ABC)
    assert (refused.value.got, refused.value.wanted) == (digest_of(b"abd"), ABC)
    assert list(folder) == partials(folder) == []


@pytest.mark.parametrize("digest", ["", "abc", ABC.upper(), f"{ABC}0", f"../../{ABC[6:]}", f"{ABC[:63]}\n"])
def test_what_is_no_digest_leads_nowhere(folder: EvidenceFolder, digest: str) -> None:
    for ask in (folder.place, folder.check, folder.open, folder.has):
        with pytest.raises(EvidenceError, match="not a SHA-256 digest"):
            ask(digest)


# --- what somebody else did ---


def test_an_altered_document_is_found_and_never_overwritten(folder: EvidenceFolder, paper: Path) -> None:
    folder.add(paper)
    place = tamper(folder, ABC, b"abd")
    assert folder.check(ABC) is State.ALTERED
    for ask in (lambda: folder.add(paper), lambda: folder.add(paper, digest=ABC), lambda: folder.open(ABC)):
        with pytest.raises(EvidenceAltered, match="another document"):
            ask()
    assert place.read_bytes() == b"abd"
    assert partials(folder) == []


@posix
@pytest.mark.parametrize("stand_in", ["link", "folder", "pipe"])
def test_what_stands_in_for_a_document_is_not_followed(
    folder: EvidenceFolder, paper: Path, stand_in: str, tmp_path: Path
) -> None:
    place = folder.place(ABC)
    place.parent.mkdir(parents=True)
    if stand_in == "link":
        place.symlink_to(paper)  # the right bytes, and somebody else's to change
    elif stand_in == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)
    folder = EvidenceFolder(folder.path)
    assert folder.check(ABC) is State.ALTERED
    with pytest.raises(EvidenceAltered):
        folder.add(paper)


def test_a_file_in_the_way(folder: EvidenceFolder, paper: Path, tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="is no folder"):
        EvidenceFolder(paper)
    folder.path.mkdir()
    (folder.path / "ba").write_text("x")
    assert folder.check(ABC) is State.MISSING
    with pytest.raises(EvidenceError, match="no folder stands in the way"):
        folder.add(paper)
    with pytest.raises(EvidenceError, match="no folder stands in the way"):
        EvidenceFolder(paper / "evidence").add_bytes(b"x")


def test_a_folder_that_vanishes_is_not_made_anew(folder: EvidenceFolder, paper: Path) -> None:
    folder.add(paper)
    shutil.move(folder.path, folder.path.with_name("unplugged"))
    for ask in (lambda: folder.add(paper), lambda: folder.check(ABC), lambda: folder.open(ABC)):
        with pytest.raises(EvidenceError, match="the evidence folder is gone"):
            ask()
    assert not folder.path.exists()
    assert EvidenceFolder(folder.path).check(ABC) is State.MISSING  # who never saw it cannot know


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "quota"), (errno.EACCES, "no permission"),
     (errno.EROFS, "read-only file system"), (errno.ENOENT, "is gone"), (errno.EIO, "cannot be used")],
)  # fmt: skip
@pytest.mark.parametrize("call", ["fsync", "fdopen"])
def test_what_the_system_refuses_is_said_and_leaves_nothing(
    folder: EvidenceFolder, paper: Path, number: int, words: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.add_bytes(b"before")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(module.os, call, refuse)
        with pytest.raises(EvidenceError, match=words) as refused:
            folder.add(paper)
    assert refused.value.exit_status == 2
    assert list(folder) == [digest_of(b"before")]
    assert partials(folder) == []
    assert folder.add(paper) == ABC


@posix
def test_a_full_disk(tmp_path: Path) -> None:
    """A limit of the system on the size of files, which the kernel enforces as it does a full disk."""
    code = (
        "import resource, signal, sys\n"
        "from estate_funds.evidence import EvidenceFolder\n"
        "from estate_funds.errors import EvidenceError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "folder = EvidenceFolder(sys.argv[1])\n"
        "folder.add_bytes(b'small')\n"
        "try:\n    folder.add_bytes(bytes(5_000_000))\n"
        "except EvidenceError as error:\n    print(error.what)\n"
    )
    asked = [sys.executable, "-c", code, str(tmp_path / "evidence")]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert said == "the document is larger than the file system allows\n"
    folder = EvidenceFolder(tmp_path / "evidence")
    assert (list(folder), partials(folder)) == ([digest_of(b"small")], [])


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@posix
def test_without_permission(open_folder: Path) -> None:
    folder = EvidenceFolder(open_folder / "evidence")
    secret = folder.add_bytes(b"secret")
    folder.place(secret).chmod(0)
    folder.path.chmod(0o555)
    (open_folder / "closed").mkdir(mode=0o700)
    (open_folder / "paper").write_bytes(b"abc")
    (open_folder / "paper").chmod(0)
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(EvidenceError, match="no permission to use the evidence folder"):
            folder.add_bytes(b"abc")
        with pytest.raises(EvidenceError, match="no permission"):
            folder.check(secret)
        assert [fault.state for fault in folder.audit([(1, "note", secret)]).faults] == [State.UNREADABLE]
        with pytest.raises(EvidenceError, match="the document cannot be read"):
            folder.add(open_folder / "paper")
        if was == 0:
            with pytest.raises(EvidenceError, match="no permission"):
                EvidenceFolder(open_folder / "closed" / "evidence").add_bytes(b"abc")
    finally:
        os.seteuid(was)
        folder.path.chmod(0o755)


def test_a_file_system_without_links(folder: EvidenceFolder, paper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(module, "_WITHOUT_OVERWRITING", no_links)
    assert folder.add(paper) == folder.add(paper) == ABC
    tamper(folder, ABC, b"abd")
    with pytest.raises(EvidenceAltered):
        folder.add(paper)
    assert folder.place(ABC).read_bytes() == b"abd"
    assert partials(folder) == []


def test_partial_files_are_ignored_and_swept(folder: EvidenceFolder, paper: Path) -> None:
    folder.add(paper)
    young, old = (folder.path / f".partial-{name}" for name in ("young", "old"))
    young.write_bytes(b"half a docu")
    old.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * module.SWEPT_AFTER_S,) * 2)
    assert list(folder) == [ABC]
    assert folder.audit([(1, "note", ABC)]).strays == ()
    EvidenceFolder(folder.path).add_bytes(b"the first that is added sweeps")
    assert partials(folder) == [young.name]
    assert (folder.sweep(older_than_s=0), partials(folder)) == (1, [])


# --- several processes, and the end of one ---

WRITER = """
import sys
from estate_funds.evidence import EvidenceFolder
folder, first = EvidenceFolder(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(first, first + int(sys.argv[3])):
    folder.add_bytes(number.to_bytes(4, "big") * 50_000)
    print(number, flush=True)
"""


def writer(folder: EvidenceFolder, first: int, count: int) -> subprocess.Popen[str]:
    asked = [sys.executable, "-c", WRITER, str(folder.path), str(first), str(count)]
    started = subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def test_two_processes_add_the_same_documents_at_once(folder: EvidenceFolder) -> None:
    writers = [writer(folder, 0, 60) for _ in range(3)]
    for one in writers:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in writers:
        _, said = one.communicate(timeout=120)
        assert (one.returncode, said) == (0, "")
    wanted = {digest_of(number.to_bytes(4, "big") * 50_000) for number in range(60)}
    assert set(folder) == wanted
    assert all(folder.check(digest) is State.HELD for digest in wanted)
    assert partials(folder) == []


@posix
def test_a_kill_at_any_point_leaves_no_half_document(folder: EvidenceFolder) -> None:
    chance = random.Random(20240501)
    said: list[int] = []
    for attempt in range(16):
        one = writer(folder, attempt * 1000, 1000)
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
        time.sleep(chance.uniform(0, 0.03))
        one.send_signal(signal.SIGKILL)
        output, _ = one.communicate(timeout=60)
        said += [int(line) for line in output.split("\n")[:-1]]
        assert all(folder.check(digest) is State.HELD for digest in folder)
    kept = set(folder)
    assert said
    assert {digest_of(number.to_bytes(4, "big") * 50_000) for number in said} <= kept
    folder.sweep(older_than_s=0)
    assert partials(folder) == []
    assert set(folder) == kept


# --- audit ---


def test_an_audit_of_the_folder(folder: EvidenceFolder) -> None:
    held, gone, other, unnamed = (folder.add_bytes(content) for content in (b"held", b"gone", b"other", b"unnamed"))
    folder.place(gone).unlink()
    tamper(folder, other, b"othxr")
    (folder.path / "desktop.ini").write_text("x")
    (folder.path / "ab").mkdir(exist_ok=True)
    (folder.path / "ab" / "note.txt").write_text("x")
    named = [
        (1, "invoice", held),
        (2, "photos", gone),
        (3, "photos", held),
        (4, "contract", other),
        (5, "photos", gone),
    ]
    found = folder.audit(iter(named))
    assert (found.documents, found.held) == (3, 1)
    assert [tuple(fault) for fault in found.faults] == [
        (gone, "photos", State.MISSING, (2, 5)),
        (other, "contract", State.ALTERED, (4,)),
    ]
    assert sorted(found.strays) == sorted(["ab/note.txt", "desktop.ini", f"{unnamed[:2]}/{unnamed[2:]}"])
    assert [(f.rule, f.severity, f.where, f.wanted) for f in found.findings] == [
        ("evidence-missing", Severity.ERROR, "entry 2 and 1 other", f"sha256:{gone}"),
        ("evidence-altered", Severity.ERROR, "entry 4", f"sha256:{other}"),
    ]
    assert found.coverage.complete
    assert "3 files in the folder that no entry names" in found.coverage.note


def test_an_audit_of_a_folder_that_is_gone_gives_one_finding(folder: EvidenceFolder, tmp_path: Path) -> None:
    digests = [folder.add_bytes(str(n).encode()) for n in range(50)]
    named = [(seq, "invoice", digest) for seq, digest in enumerate(digests, start=3)]
    (tmp_path / "empty").mkdir()
    for there in (EvidenceFolder(tmp_path / "never"), EvidenceFolder(tmp_path / "empty")):
        found = there.audit(named)
        (finding,) = found.findings
        assert (len(found.faults), found.coverage.of) == (50, 50)
        assert (finding.rule, finding.severity, finding.where) == (
            "evidence-missing",
            Severity.ERROR,
            "entry 3 and 49 others",
        )
        assert "none of the 50 source documents" in finding.what
    folder.place(digests[0]).unlink()
    assert len(folder.audit(named).findings) == 1
    for digest in digests[1:-1]:
        folder.place(digest).unlink()
    assert len(folder.audit(named).findings) == 49  # for one is there
    (alone,) = EvidenceFolder(tmp_path / "never").audit(named[:1]).findings
    assert alone.wanted == f"sha256:{digests[0]}"


def test_an_audit_reads_each_document_once(folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = folder.add_bytes(b"abc")
    asked: list[str] = []
    check = folder.check
    monkeypatch.setattr(folder, "check", lambda digest: asked.append(digest) or check(digest))
    found = folder.audit((seq, "survey", digest) for seq in range(1000))
    assert (asked, found.documents, found.faults) == ([digest], 1, ())


def test_an_audit_goes_on(folder: EvidenceFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = folder.add_bytes(b"first"), folder.add_bytes(b"second")
    check = folder.check

    def unreadable(digest: str) -> State:
        if digest == first:
            raise EvidenceError("a bad sector")
        return check(digest)

    monkeypatch.setattr(folder, "check", unreadable)
    found = folder.audit([(1, "note", first), (2, "note", "../../etc/passwd"), (3, "note", second)])
    assert [(f.state, f.entries) for f in found.faults] == [(State.UNREADABLE, (1,)), (State.MISSING, (2,))]
    assert (found.coverage.checked, found.coverage.of) == (2, 3)
    assert EvidenceFolder(folder.path.with_name("never")).audit([(1, "note", first)]).faults[0].state == "missing"


@posix
def test_the_check_without_this_library_that_the_page_shows(folder: EvidenceFolder) -> None:
    page = (ROOT / "docs" / "reference" / "evidence.md").read_text(encoding="utf-8")
    command = re.search(r"```sh\n(.*?)```", page, re.DOTALL)
    assert command is not None
    digests = [folder.add_bytes(content) for content in (b"one", b"two")]

    def run() -> tuple[int, list[str]]:
        said = subprocess.run(["sh", "-c", command[1]], cwd=folder.path, capture_output=True, text=True, check=False)
        return said.returncode, said.stdout.splitlines()

    status, lines = run()
    assert (status, sorted(lines)) == (0, sorted(f"./{d[:2]}/{d[2:]}: OK" for d in digests))
    tamper(folder, digests[0], b"three")
    status, lines = run()
    assert status != 0
    assert f"./{digests[0][:2]}/{digests[0][2:]}: FAILED" in lines


# --- what a case brings ---


@pytest.fixture
def district(tmp_path: Path) -> Path:
    """A copy of the case with emergency repairs: three incidents whose facts name documents."""
    return Path(shutil.copytree(EXAMPLES / "xx-district", tmp_path / "xx-district"))


@pytest.fixture
def qinghe(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / "maintenance-fund", tmp_path / "qinghe"))


def of_claims(case: Case) -> list[Step]:
    return [step for step in case.steps if isinstance(step, Step) and step.claim is not None]


def kinds(claim: Claim) -> list[str]:
    return [kind for kind, _ in claim.evidence]


def test_a_claim_brings_the_documents_of_the_facts_that_decided_it() -> None:
    case = load_case(EXAMPLES / "xx-district")
    claim = next(c for c in case.claims if c.claim_id == "xx-district-2024/emergency/i-1/once")
    names = {"acceptance": "i-1-acceptance", "incident-report": "i-1-incident-report", "invoice": "i-1-invoice"}
    files = {kind: EXAMPLES / "xx-district" / "evidence" / f"{name}.txt" for kind, name in names.items()}
    assert claim.evidence == tuple((kind, digest_of(path.read_bytes())) for kind, path in sorted(files.items()))
    for step in of_claims(case):
        assert step.claim is not None
        assert step.draft.evidence == step.claim.evidence
    booked = {step.draft.kind for step in of_claims(case) if step.draft.evidence}
    assert booked == {Kind.ENCUMBRANCE, Kind.DISBURSEMENT, Kind.TRANSFER}  # the last is a refund


def test_a_share_of_a_total_brings_the_documents_of_the_total() -> None:
    case = load_case(EXAMPLES / "maintenance-fund")
    assert [kinds(c) for c in case.claims if c.provision_id == "repair" and c.amount_fen] == [["audit-report"]]
    interest = [c for c in case.claims if c.provision_id == "interest"]
    assert {(c.number, digest) for c in interest for _, digest in c.evidence} == {
        (year, digest_of((EXAMPLES / f"maintenance-fund/evidence/interest-{year}.txt").read_bytes()))
        for year in (2021, 2022)
    }


def test_amounts_and_days_do_not_depend_on_evidence(district: Path) -> None:
    table = district / "facts.csv"
    before = load_case(district).claims
    bare = [line.rpartition(",")[0] + "," for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    header = table.read_text(encoding="utf-8").splitlines()[0]
    table.write_text("\n".join([header, *bare]) + "\n", encoding="utf-8")
    after = load_case(district).claims
    assert any(c.evidence for c in before)
    assert not any(c.evidence for c in after)
    assert [(c.claim_id, c.shares, c.decided_on) for c in before] == [
        (c.claim_id, c.shares, c.decided_on) for c in after
    ]


def test_the_register_is_another_when_a_document_is() -> None:
    estate = make_estate(declared_households=100)

    def digest(*evidence: tuple[str, str]) -> str:
        facts = Facts([("a", "cost", "", Fact(Fraction(1), None, "", evidence))])
        return Registry.build({"a": estate}, {}, facts=facts).digest

    assert len({digest(), digest(("note", ABC)), digest(("bill", ABC)), digest(("note", "0" * 64))}) == 4


CASE_FAULTS = [
    ("facts.csv", "invoice:evidence/i-1-invoice.txt", "invoice:evidence/none.txt", ["facts.csv, row 6, column evidence", "not in the case folder"]),
    ("facts.csv", "invoice:evidence/i-1-invoice.txt", "invoice:../../secret", ["row 6, column evidence", "not in the case folder"]),
    ("facts.csv", "invoice:evidence/i-1-invoice.txt", "evidence/i-1-invoice.txt", ["row 6, column evidence", "neither a file nor a digest"]),
    ("facts.csv", "invoice:evidence/i-1-invoice.txt", "invoice:sha256:abc", ["row 6, column evidence", "64 digits"]),
    ("facts.csv", "invoice:evidence/i-1-invoice.txt", "invoice:evidence", ["row 6, column evidence", "not in the case folder"]),
    ("spending.csv", "invoice:evidence/i-1-invoice.txt", "invoice:evidence/none.txt", ["spending.csv, row 2, column evidence"]),
    ("evidence/i-1-invoice.txt", None, "", ["row 6, column evidence", "empty file is no evidence"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "words"), CASE_FAULTS)
def test_evidence_of_a_case_that_is_none(
    district: Path, edit: Edit, name: str, old: str | None, new: str, words: list[str]
) -> None:
    if old is None:
        (district / name).write_text(new)
    else:
        edit(district / name, old, new)
    with pytest.raises(CellError) as refused:
        load_case(district)
    for word in words:
        assert word in str(refused.value)


def test_a_document_that_cannot_be_read(district: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = reading.file_digest

    def refuse(path: Path) -> str:
        if path.suffix == ".csv":  # a table of the register
            return digest(path)
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(reading, "file_digest", refuse)
    with pytest.raises(CellError, match="cannot be read: Permission denied") as refused:
        load_case(district)
    assert refused.value.where == "facts.csv, row 3, column evidence"


def test_a_file_is_hashed_once_however_many_rows_name_it(district: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    digest = reading.file_digest
    monkeypatch.setattr(reading, "file_digest", lambda path: asked.append(path.name) or digest(path))
    load_case(district).check()
    assert "i-1-invoice.txt" in asked
    assert len(asked) == len(set(asked))


def test_a_document_by_its_digest_alone(district: Path, edit: Edit, folder: EvidenceFolder) -> None:
    edit(district / "facts.csv", "invoice:evidence/i-2-invoice.txt", f"invoice:sha256:{ABC}; note: sha256:{ABC}")
    with pytest.raises(CellError, match="not in the case folder"):
        load_case(district)
    edit(district / "facts.csv", "note: sha256", "note:sha256")
    case = load_case(district)
    claim = next(c for c in case.claims if c.claim_id == "xx-district-2024/emergency/i-2/once")
    assert [kind for kind, digest in claim.evidence if digest == ABC] == ["invoice", "note"]
    assert ABC not in case.evidence_files
    named = [e.sha256 for step in case.steps if isinstance(step, Step) for e in step.draft.evidence]
    assert folder.keep(case.evidence_files, named) == (ABC,)
    assert set(folder) == {*named} - {ABC}


def test_the_row_of_a_wide_table_rests_on_its_evidence(qinghe: Path) -> None:
    table = qinghe / "facts-balances.csv"
    header, first, *rest = table.read_text(encoding="utf-8").splitlines()
    (qinghe / "evidence" / "ledger-card.txt").write_text("card")
    lines = [f"{header},evidence", f"{first},ledger-card:evidence/ledger-card.txt", *(f"{line}," for line in rest)]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    case = load_case(qinghe)
    subject, names = first.split(",")[0], header.split(",")[1:]
    proved = {key: fact.evidence for key, fact in case.registry.facts.items() if fact.evidence}
    wide = {key for key, evidence in proved.items() if evidence == (("ledger-card", digest_of(b"card")),)}
    assert wide
    assert {(key[0], key[1] in names) for key in wide} == {(subject, True)}


def test_two_rows_that_agree_rest_on_the_documents_of_both() -> None:
    facts = Facts(
        ("w", "cost", "", Fact(Fraction(1), None, f"row {n}", evidence))
        for n, evidence in enumerate([(("bill", ABC),), (), (("photo", ABC), ("bill", ABC))])
    )
    assert facts["w", "cost", ""].evidence == (("bill", ABC), ("photo", ABC))
    assert facts["w", "cost", ""].where == "row 0"
    results = Assessments(
        Assessment("a", 1, "pass", date(2024, 1, 1), None, row, evidence)
        for row, evidence in enumerate([(("notice", ABC),), (("appeal", ABC),)])
    )
    assert results["a", 1].evidence == (("notice", ABC), ("appeal", ABC))


# --- which facts decided ---


def works(*known: tuple[str, str, Fraction | date | str, str]) -> Registry:
    """Works of one estate; each fact is proved by a document whose kind is given, none where it is empty."""
    estate = make_estate(service_start=date(2024, 1, 1), declared_households=100)
    units = estate_subject(estate).units
    names = dict.fromkeys(subject for subject, *_ in known if subject.startswith("w"))
    subjects = [Subject(name, "work", name, units, date(2024, 3, 1)) for name in names]
    facts = Facts(
        (who, name, "", Fact(value, None, "", ((kind, ABC),) if kind else ())) for who, name, value, kind in known
    )
    return Registry.build({"a": estate}, {}, subjects=subjects, facts=facts)


def granted(document: Document, there: Registry) -> Claims:
    found = assess(document, "grant", there, Assessments(), window=WINDOW)
    return apply_limits(document, there, Assessments(), found)


def test_what_was_not_asked_for_proves_nothing() -> None:
    there = works(
        ("w1", "cost", Fraction(9), "bill"), ("w1", "owner", "x", "deed"), ("w1", "paid", Fraction(1), "slip")
    )
    assert [kinds(c) for c in granted(town(), there)] == [["bill"]]


def test_a_payer_that_a_fact_names_is_proved() -> None:
    shares = 'shares = { city = "1/2", owner = "1/2" }\nodd_fen_to = "city"'
    there = works(("w1", "cost", Fraction(9), "bill"), ("w1", "owner", "x", "deed"))
    assert [kinds(c) for c in granted(town(payers=shares), there)] == [["bill", "deed"]]


def test_a_claim_for_many_brings_the_documents_of_all() -> None:
    there = works(
        ("w1", "cost", Fraction(9), "bill-1"), ("w2", "cost", Fraction(3), "bill-2"), ("w3", "cost", Fraction(3), "")
    )
    assert [kinds(c) for c in granted(town(provision='claim_per = "estate"'), there)] == [["bill-1", "bill-2"]]


def test_who_is_ranked_brings_its_own_documents_and_who_sums_those_of_all() -> None:
    ranked = '[derived.place]\ntext = "place"\nrank_of = "cost"\nwithin = "estate"\nclause = "1"'
    held = '[[requirements]]\nfact = "place"\nat_most = "2"\notherwise = "refuse"\nclause = "1"'
    there = works(("w1", "cost", Fraction(9), "bill-1"), ("w2", "cost", Fraction(3), "bill-2"))
    assert [kinds(c) for c in granted(town(tail=f"{ranked}\n\n{held}"), there)] == [["bill-1"], ["bill-2"]]
    summed = '[derived.costs]\ntext = "all"\nsum_over = { kind = "work", fact = "cost" }\nclause = "1"'
    view = View(town(tail=summed), there, Assessments(), there.subject("a"), "", date(2024, 7, 1))
    assert (view.value("costs"), view.evidence) == (12, {("bill-1", ABC), ("bill-2", ABC)})


def test_a_warning_decides_nothing() -> None:
    warned = '[[requirements]]\nfact = "paid"\nat_least = "1"\notherwise = "warn"\nclause = "1"'
    there = works(("w1", "cost", Fraction(9), "bill"), ("w1", "paid", Fraction(0), "slip"))
    (claim,) = granted(town(tail=warned), there)
    assert (kinds(claim), len(claim.warnings)) == (["bill"], 1)


def test_a_claim_that_a_ceiling_cuts_rests_on_the_ceiling() -> None:
    budget = '[facts.budget]\ntype = "yuan"\nof = "district"\ntext = "budget"\nclause = "1"'
    ceiling = (
        '[[ceilings]]\nfrom = 2024-01-01\nclause = "1"\nprovisions = ["grant"]\nby = "district"\n'
        'each = "all"\nfact = "budget"\nexcess = "in_order"'
    )
    there = works(
        ("w1", "cost", Fraction(9), "bill-1"), ("w2", "cost", Fraction(3), "bill-2"),
        ("district/district", "budget", Fraction(10), "notice"),
    )  # fmt: skip
    claims = granted(town(tail=f"{budget}\n\n{ceiling}"), there)
    assert [(c.amount_fen, kinds(c)) for c in claims] == [(900, ["bill-1"]), (100, ["bill-2", "notice"])]


# --- the gate, and the books ---

PERMIT = 'purposes = ["emergency-repair"]\npayee_classes = ["street"]\n'


def asking(district: Path, edit: Edit, *required: str) -> Path:
    """The case under a document of its own, whose fund pays emergency repairs only on evidence."""
    own = district / "own.toml"
    shutil.copy(ROOT / "src/estate_funds/policies/xx-district-2024.toml", own)
    edit(own, PERMIT, f"{PERMIT}requires = [{', '.join(map(repr, required))}]\n")
    edit(district / "case.toml", 'documents = ["xx-district-2024"]', 'documents = ["own.toml"]')
    return district


def test_a_fund_may_pay_a_claim_only_on_evidence(district: Path, edit: Edit) -> None:
    case = load_case(asking(district, edit, "invoice"))
    required = {p.requires for fund in case.funds.values() for p in fund.permits if p.purpose == "emergency-repair"}
    assert ("invoice",) in required
    steps = {(s.draft.kind, s.origin): s.draft for s in of_claims(case)}
    assert steps[Kind.DISBURSEMENT, "claim xx-district-2024/emergency/i-1/once"].evidence
    with pytest.raises(EvidenceMissing) as refused, Books.open("memory", recorded_on=TODAY) as books:
        books.run(case)  # the advance to i-2 was approved on no document
    assert "emergency/i-2" in refused.value.where
    assert (refused.value.wanted, refused.value.clause) == ("invoice", "xx-district-2024 七(四)2")


def test_a_claim_that_brings_what_its_fund_asks_for_is_paid(district: Path, edit: Edit) -> None:
    asking(district, edit, "approval")
    (district / "evidence" / "approval.txt").write_text("approved")
    table = district / "facts.csv"
    text = re.sub(r"^(i-\d,(?:advance_approved|invoiced),.*),[^,]*$", r"\1,approval:evidence/approval.txt", table.read_text(encoding="utf-8"), flags=re.MULTILINE)  # fmt: skip
    table.write_text(text, encoding="utf-8")
    case = load_case(district)
    with Books.open("memory", recorded_on=TODAY) as books:
        entries = books.run(case).entries
        paid = [e.draft for e in entries if e.draft.kind is Kind.DISBURSEMENT and "/emergency/" in e.draft.key]
        assert paid
        assert all("approval" in {e.kind for e in draft.evidence} for draft in paid)
        assert books.audit(case).findings == ()
        assert books.run(case).entries == ()


def test_a_document_that_means_nothing_is_still_refused(district: Path, edit: Edit) -> None:
    own = asking(district, edit, "invoice") / "own.toml"
    edit(own, "requires = ['invoice']", "requires = [1]")
    with pytest.raises(PolicyError):
        parse_document(own.read_text(encoding="utf-8"), source="own.toml")


def noticed(donghu: Path, notice: str) -> Case:
    """The case with a notice that proves its first assessment."""
    (donghu / "evidence" / "notice.txt").write_text(notice)
    table = donghu / "assessments.csv"
    header, first, *rest = table.read_text(encoding="utf-8").splitlines()
    if "evidence" not in header:
        lines = [f"{header},evidence", f"{first},assessment-notice:evidence/notice.txt", *(f"{line}," for line in rest)]
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_case(donghu)


def test_a_claim_brings_the_notice_of_its_assessment(donghu: Path) -> None:
    case = noticed(donghu, "passed")
    first = case.tables["assessments.csv"][0]
    proved = [(c.subject.subject_id, c.number, c.evidence) for c in case.claims if c.evidence]
    notice = ("assessment-notice", digest_of(b"passed"))
    assert proved == [(first.text("subject_id"), first.whole("period"), (notice,))]
    (donghu / "evidence" / "notice.txt").unlink()
    with pytest.raises(CellError, match="not in the case folder") as refused:
        load_case(donghu)
    assert refused.value.where == "assessments.csv, row 2, column evidence"


def test_a_paid_claim_is_left_alone_when_its_document_changes(donghu: Path, folder: EvidenceFolder) -> None:
    case = noticed(donghu, "passed")
    with Books.open("memory", recorded_on=TODAY) as books:
        entries = books.run(case).entries
        named = [(e.seq, kind, digest) for e in entries for kind, digest in e.draft.evidence]
        assert [kind for _, kind, _ in named].count("assessment-notice") == 2  # promised, and paid
        assert folder.keep(case.evidence_files, (digest for _, _, digest in named)) == ()
        again = noticed(donghu, "passed, corrected")
        assert books.run(again).entries == ()
    assert folder.audit(named).faults == ()  # what was booked is what is kept
    assert digest_of(b"passed, corrected") in again.evidence_files
    with pytest.raises(EvidenceError, match="changed since it was hashed"):
        EvidenceFolder(folder.path.with_name("late")).keep(case.evidence_files, (digest for _, _, digest in named))


def test_every_document_of_a_case_lands_in_the_folder(folder: EvidenceFolder) -> None:
    assert folder_beside("x/ledger.db") == Path("x/ledger.db.evidence")
    for name in ("donghu", "maintenance-fund", "changchun"):
        case = load_case(EXAMPLES / name)
        with Books.open("memory", recorded_on=TODAY) as books:
            entries = books.run(case).entries
        named = [(e.seq, kind, digest) for e in entries for kind, digest in e.draft.evidence]
        assert named
        assert folder.keep(case.evidence_files, (digest for _, _, digest in named)) == ()
        found = folder.audit(named)
        assert found.faults == ()
        assert found.held == found.documents == len({digest for _, _, digest in named})
