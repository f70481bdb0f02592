"""Every planted bug is caught by a property, and by nothing that fails without it.

`pytest -m long tests/test_planted.py` plants each patch of tests/planted/ in a copy of the tree and runs what its head
names. To bring the table of tests/planted/README.md up to date: `python tests/planted.py`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from planted import FOLDER, ROOT, Planted, all_planted, copied, run, table

PATCHES = pytest.mark.parametrize("path", all_planted(), ids=lambda path: path.stem)
# What any list has to have.
NAMED = (
    "month-thirteenth-still-first-year",
    "odd-fen-to-the-wrong-side",
    "fence-ignores-transfers",
    "balance-before-the-batch",
    "leaf-skips-a-field",
)
COMMANDS = sorted({Planted.read(path).command for path in all_planted()})


@PATCHES
def test_a_patch_says_what_it_is_and_fits(path: Path) -> None:
    planted = Planted.read(path)
    assert all(name.startswith("src/") for name in planted.where)
    assert len(planted.bug) < 160
    planted.apply(ROOT, only_try=True)


def test_the_list_is_whole_and_the_page_shows_it() -> None:
    names = {path.stem for path in all_planted()}
    assert len(names) >= 36
    assert names >= set(NAMED)
    assert (FOLDER / "README.md").read_text(encoding="utf-8").endswith(table())


@pytest.mark.long
@PATCHES
def test_a_planted_bug_is_caught(path: Path, tmp_path: Path) -> None:
    planted, tree = Planted.read(path), copied(tmp_path)
    planted.apply(tree)
    failed, told = run(planted.command, tree)
    assert failed, f"{planted.bug}\nnobody saw it:\n{told}"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which nothing is planted."""
    return copied(tmp_path_factory.mktemp("sound"))


@pytest.mark.long
@pytest.mark.parametrize("command", COMMANDS)
def test_what_catches_them_passes_without_them(command: str, sound: Path) -> None:
    failed, told = run(command, sound)
    assert not failed, told
