"""Bugs that are planted on purpose: patches of `tests/planted/`, what their heads say, and how one is tried.

A patch begins with its head: in one line the bug, then `why:` and `caught by:` in a line each; the diff follows. It is
applied to a copy of the tree, and the command that it names must fail there, for no other reason than the bug.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "planted"
LIMIT_S = 300  # on a machine with much else to do; each takes a few seconds of its own
_HEAD = re.compile(r"(?P<bug>[^\n]+\.)\nwhy: (?P<why>[^\n]+[.?])\ncaught by: (?P<command>[^\n]+)\n\n--- a/src/")
_COMMAND = re.compile(r"simulate --seed [0-9]+ --steps [0-9]+|pytest tests/test_[a-z_]+\.py::\w+")
_FAILED = re.compile("^FAILED |^=+ FAILURES =+$", re.MULTILINE)
_BROKEN = re.compile("^ERROR |ImportError|ModuleNotFoundError|SyntaxError|NameError|DeadlineExceeded|errors during", re.MULTILINE)  # fmt: skip
_PARTS = ("src", "tests", "examples", "docs", "pyproject.toml", "README.md")


@dataclass(frozen=True)
class Planted:
    """A bug: in a sentence, why somebody makes it, the files it is in, and the command that catches it."""

    path: Path
    bug: str
    why: str
    command: str
    where: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Planted:
        """The head of a patch; ValueError where it is not as it should be."""
        text = path.read_text(encoding="utf-8")
        head = _HEAD.match(text)
        if not head or not _COMMAND.fullmatch(head["command"]):
            raise ValueError(f"{path.name} does not say what it is, why somebody makes it, and what catches it")
        return cls(path, head["bug"], head["why"], head["command"], tuple(re.findall(r"^\+\+\+ b/(\S+)", text, re.M)))

    def apply(self, tree: Path, *, only_try: bool = False) -> None:
        """Plant it in a tree; AssertionError where the patch does not fit exactly."""
        tried = ["--check"] if only_try else []
        done = subprocess.run(
            ["git", "apply", *tried, str(self.path)], cwd=tree, capture_output=True, text=True, check=False,
            env=os.environ | {"GIT_CEILING_DIRECTORIES": str(tree.parent)},
        )  # fmt: skip
        assert done.returncode == 0, f"{self.path.name} does not apply to the tree any more:\n{done.stderr}"


def all_planted() -> list[Path]:
    """The patches, in order of their names."""
    return sorted(FOLDER.glob("*.patch"))


def table() -> str:
    """All of them as the rows of tests/planted/README.md."""
    rows = ["| bug | in | caught by |", "|---|---|---|"]
    for one in map(Planted.read, all_planted()):
        where = ", ".join(f"`{name.removeprefix('src/estate_funds/')}`" for name in one.where)
        rows.append(f"| [{one.path.stem}]({one.path.name}): {one.bug} | {where} | `{one.command}` |")
    return "\n".join(rows) + "\n"


def copied(folder: Path) -> Path:
    """A copy of what a property needs, compiled files with it: they save half of the time."""
    for name in _PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.db", "golden", "planted"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def run(command: str, tree: Path) -> tuple[bool, str]:
    """Run a command in a tree, in a process of its own: whether a property failed, and what was printed.

    AssertionError where it neither passed nor failed: what it names is not there, it did not begin, it did not end.
    """
    first, *rest = command.split()
    if first == "simulate":
        arguments = ["-m", "estate_funds.testing.simulate", *rest]
    else:  # the same examples each time, and none is made smaller
        arguments = ["-m", "pytest", "-x", "--tb=short", "-p", "no:cacheprovider", "-m", "", *rest]
        arguments += ["--hypothesis-profile=planted", "--hypothesis-seed=0"]
    env = os.environ | {"PYTHONPATH": str(tree / "src"), "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tree, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", timeout=LIMIT_S, check=False,
    )  # fmt: skip
    told = f"$ {command}\n{done.stdout}"
    assert done.returncode in (0, 1), told
    if first == "simulate":  # it ends with 1 as well where it was too short to reach everything
        failed = "\nDIVERGENCE\n" in done.stdout
        assert failed or "\nnever reached" in done.stdout or "\nno divergence" in done.stdout, told
    else:
        failed = done.returncode == 1
        assert failed == bool(_FAILED.search(done.stdout)), told
    assert not _BROKEN.search(done.stdout), told
    return failed, told


if __name__ == "__main__":  # to bring tests/planted/README.md up to date
    page = FOLDER / "README.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(text[: text.index("| bug |")] + table(), encoding="utf-8")
