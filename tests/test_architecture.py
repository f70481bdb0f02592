"""The house plan, held by reading the imports: rooms in order, pure rooms pure, heavy libraries where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

SOURCE = ROOT / "src" / "estate_funds"
# A room may import only rooms before it.
ROOMS = [
    "errors", "text", "money", "calendar", "policy", "policies", "registry", "assess", "duties", "ballots", "merkle", "checkpoint",
    "funds", "journal", "ledger", "vouchers", "provenance", "audit", "columns", "store", "evidence", "exchange", "case", "load",
    "bundle", "whatif", "bulk", "report", "books", "testing", "verifier", "cli",
]  # fmt: skip
PURE = ROOMS[: ROOMS.index("audit") + 1]
IMPURE = {
    "os",
    "io",
    "pathlib",
    "random",
    "time",
    "sqlite3",
    "sqlalchemy",
    "sqlmodel",
    "pyarrow",
    "numpy",
    "typer",
    "rich",
    "secrets",
    "uuid",
}
ONLY_IN = {
    "pyarrow": {"exchange", "columns", "store", "bulk"},
    "numpy": {"columns", "store", "exchange", "bulk"},
    "cryptography": {"checkpoint"},
    "xlsxwriter": {"exchange"},
    "alembic": {"store"},
    "python_calamine": {"exchange"},
    "sqlmodel": {"store"},
    "sqlalchemy": {"store", "books", "testing"},
    "typer": {"cli"},
    "rich": {"cli"},
    "hypothesis": {"testing"},
    "pytest": {"testing"},
}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            if node.module == "estate_funds":
                found |= {f"estate_funds.{alias.name}" for alias in node.names}
    return found


FILES = sorted(p for p in SOURCE.rglob("*.py") if room_of(p) not in ("__init__", "examples"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_one_way_only(path: Path) -> None:
    room = room_of(path)
    assert room in ROOMS, f"{room} is not in the house plan"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "estate_funds" and len(parts) > 1 and parts[1] in ROOMS and parts[1] != room:
            assert ROOMS.index(parts[1]) < ROOMS.index(room), f"{room} imports {parts[1]}, which comes after it"
        for library, rooms in ONLY_IN.items():
            if parts[0] == library:
                assert room in rooms, f"{room} imports {library}"
        if room in PURE:
            assert parts[0] not in IMPURE, f"{room} is pure and imports {name}"


@pytest.mark.parametrize("path", [p for p in FILES if room_of(p) in PURE], ids=lambda p: str(p.relative_to(SOURCE)))
def test_pure_rooms_ask_no_clock_and_open_no_file(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("today", "now", "utcnow", "environ"), f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("open", "print", "input"), f"{path.name}:{node.lineno}"


def test_posted_money_depends_on_no_rule() -> None:
    waiting, reached = ["journal", "ledger"], set()
    while waiting:
        room = waiting.pop()
        if room not in reached:
            reached.add(room)
            files = [path for path in FILES if room_of(path) == room]
            waiting += [n.split(".")[1] for path in files for n in imports(path) if n.startswith("estate_funds.")]
    assert not {"policy", "registry", "assess"} & reached


def test_no_float_and_no_stray_division_touches_money() -> None:
    for path in FILES:
        if room_of(path) in ("money", "assess", "registry", "report", "columns"):
            continue  # the two sums, plausibility of areas, printing, and places in arrays
        if room_of(path) == "testing" and path.name not in ("model.py", "rules.py"):
            continue  # sizes of what is drawn, chances and seconds; the second ledger divides nothing either
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.FloorDiv):
                left = node.left
                path_join = room_of(path) == "cli" or path.name in ("load.py", "case.py", "files.py", "scratch.py")
                in_arrays = room_of(path) == "bulk" and isinstance(node.op, ast.FloorDiv)  # of whole numbers
                assert path_join or in_arrays or room_of(path) == "calendar", (
                    f"{path.name}:{node.lineno} divides {ast.dump(left)[:40]}"
                )
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), f"{path.name}:{node.lineno}"


def test_the_package_is_light_to_import() -> None:
    code = "import sys, estate_funds; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("sqlmodel", "sqlalchemy", "pyarrow", "numpy", "pydantic", "babel", "typer"):
        assert f"'{heavy}'" not in loaded


def test_the_face_is_complete_and_unknown_names_fail() -> None:
    import estate_funds

    assert set(estate_funds.__all__) <= set(dir(estate_funds))
    for name in estate_funds.__all__:
        assert getattr(estate_funds, name) is not None
    with pytest.raises(AttributeError):
        _ = estate_funds.nothing


def test_public_names_have_docstrings_and_modules_are_of_a_readable_size() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        assert ast.get_docstring(tree), path.name
        assert text.count("\n") <= 700, f"{path.name} has outgrown its room"
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 70, f"{path.name}: {node.name} is too long"
