"""The documents keep their word: commands give what is printed, tables and vectors are those of the code."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import EXAMPLES, ROOT
from estate_funds.merkle import Frontier

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(console|text|toml)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def matches(wanted: list[str], got: list[str]) -> bool:
    """Whether output fits: a line of `...` stands for any lines, `...` within a line for any text."""
    if not wanted:
        return not got
    if wanted[0].strip() == "...":
        return any(matches(wanted[1:], got[skip:]) for skip in range(len(got) + 1))
    pattern = ".*".join(map(re.escape, wanted[0].rstrip().split("...")))
    return bool(got) and re.fullmatch(pattern, got[0].rstrip()) is not None and matches(wanted[1:], got[1:])


def run_console(folder: Path, info: str, text: str) -> None:
    """Run the commands of one block and compare what each prints."""
    status = int(found[1]) if (found := re.search(r"exit=(\d)", info)) else 0
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONUTF8": "1",
        "COLUMNS": "100",
    }
    last = 0
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, wanted = part.partition("\n")
        result = subprocess.run(
            command, shell=True, cwd=folder, env=environment, encoding="utf-8", stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        last = result.returncode or last
        assert matches(wanted.rstrip("\n").split("\n") if wanted.strip() else [], result.stdout.splitlines()), (
            f"$ {command}\n{result.stdout}"
        )
    assert last == status, f"{text}\nended with {last}, wanted {status}"


@pytest.mark.skipif(os.name == "nt", reason="the tutorial is typed into a POSIX shell")
@pytest.mark.parametrize("page", ["docs/tutorial.md", "docs/new-document.md", "docs/audit.md"])
def test_the_commands_of_a_page_print_what_it_shows(page: str, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert sum(kind == "console" for kind, _, _ in blocks) > 5
    for kind, info, text in blocks:
        if kind == "console":
            run_console(tmp_path, info, text)
        elif named := re.search(r"file=(\S+)", info):
            (tmp_path / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / named[1]).write_text(text, encoding="utf-8")


def test_a_console_block_that_lies_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run_console(tmp_path, "", "$ echo one\ntwo\n")
    with pytest.raises(AssertionError):
        run_console(tmp_path, "", "$ false\n")


def test_the_column_tables_are_those_of_the_code() -> None:
    page = (DOCS / "reference" / "case.md").read_text(encoding="utf-8")
    columns = runpy.run_path(str(DOCS / "make_reference.py"))["render_columns"]()
    assert columns.strip() in page, "run: python docs/make_reference.py"


def test_the_page_of_exports_is_that_of_the_code() -> None:
    made = runpy.run_path(str(DOCS / "make_reference.py"))
    page = DOCS / "exports.md"
    assert page.read_text(encoding="utf-8") == made["page_text"](page), "run: python docs/make_reference.py"


def test_the_golden_vectors_of_the_entry_format() -> None:
    vectors = json.loads((DOCS / "reference" / "entry-vectors.json").read_text(encoding="utf-8"))
    page = (DOCS / "reference" / "entry-format.md").read_text(encoding="utf-8")
    tree = Frontier()
    assert len(vectors) >= 2
    for vector in vectors:
        leaf = hashlib.sha256(b"\x00" + vector["canonical"].encode("utf-8")).digest()
        tree.append(leaf)
        assert (leaf.hex(), tree.root.hex()) == (vector["leaf"], vector["root"])
        assert vector["leaf"] in page


def test_the_vectors_are_what_the_library_writes() -> None:
    from datetime import date

    from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting

    for vector in json.loads((DOCS / "reference" / "entry-vectors.json").read_text(encoding="utf-8")):
        first, *lines = vector["canonical"].splitlines()
        assert first == "estate_funds entry 1"
        parts = [tuple(line.split("\t")) for line in lines]
        one = {part[0]: part[1] for part in parts if part[0] not in ("term", "evidence", "posting")}
        draft = Draft(
            kind=Kind(one.pop("kind")),
            effective=date.fromisoformat(one.pop("effective")),
            terms=tuple(part[1:] for part in parts if part[0] == "term"),
            evidence=tuple(Evidence(*part[1:]) for part in parts if part[0] == "evidence"),
            postings=tuple(Posting(*part[1:5], int(part[5])) for part in parts if part[0] == "posting"),
            **{name: value for name, value in one.items() if name not in ("seq", "recorded")},
        )
        entry = Entry(int(one["seq"]), date.fromisoformat(one["recorded"]), draft)
        assert entry.canonical() == vector["canonical"].encode("utf-8")


COVERAGE = runpy.run_path(str(DOCS / "make_coverage.py"))


def test_the_coverage_page_is_made_from_the_documents() -> None:
    page = (DOCS / "coverage.md").read_text(encoding="utf-8")
    assert page == COVERAGE["page_text"](), "run: python docs/make_coverage.py"


def test_every_rule_is_answered_by_a_document() -> None:
    assert len({rule["id"] for rule in COVERAGE["rules"]()}) == 86
    assert COVERAGE["uncovered"]() == []


def test_only_rules_of_the_list_are_cited() -> None:
    known = {rule["id"] for rule in COVERAGE["rules"]()}
    cited = {rule for rule in {*COVERAGE["places"](), *COVERAGE["worked"]()} if re.fullmatch(r"[A-E]\d{2}", rule)}
    assert cited <= known


def test_the_list_of_rules_is_that_of_the_sources() -> None:
    source = ROOT.parent / "shared" / "domain" / "rules.tsv"
    if not source.is_file():
        pytest.skip("the list of rules is not beside the checkout")
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    names = {"id": "id", "source": "document", "section": "clause", "formula": "text"}
    assert [{new: row[old] for old, new in names.items()} for row in rows] == COVERAGE["rules"]()


def test_the_readmes_show_the_same_two_commands() -> None:
    commands = [
        re.findall(r"^python -m pip install .*$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        for name in ("README.md", "README.zh.md")
    ]
    assert commands[0] == commands[1] == [
        "python -m pip install . && estate-funds demo",
        "python -m pip install -e '.[dev]' && pytest -n 2",
    ]  # fmt: skip


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} -> {target}"
