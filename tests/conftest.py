"""Fixtures: copies of the example cases, small estates and funds, ledgers on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from estate_funds.funds import Fund, Permit
from estate_funds.registry import Estate
from estate_funds.vouchers import Hands

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
TODAY = date(2026, 11, 22)
HANDS = Hands("maker", "approver")

# For tests/test_planted.py: the same examples each time with a seed, in CI as elsewhere, and no search for a smaller one.
settings.register_profile(
    "planted",
    derandomize=False,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    print_blob=False,
)
# Mutants are tried on the same examples on every run, and the first one that fails will do.
settings.register_profile(
    "mutation",
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def donghu(tmp_path: Path) -> Path:
    """A copy of the Donghu case that a test may spoil."""
    return Path(shutil.copytree(EXAMPLES / "donghu", tmp_path / "donghu"))


@pytest.fixture
def dezhou(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / "dezhou", tmp_path / "dezhou"))


@pytest.fixture
def edit() -> Callable[[Path, str, str], None]:
    """Replace text in a file; the text must be there."""

    def replace(path: Path, old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{path.name} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace


def make_estate(estate_id: str = "a", **changes: object) -> Estate:
    values: dict[str, object] = {
        "estate_id": estate_id,
        "name": estate_id.upper(),
        "city": "city",
        "district": "district",
        "street": "street",
        "community": f"community-{estate_id}",
        "floor_area_centi_m2": 800_000,
        "buildings": 2,
        "completed_on": date(1990, 1, 1),
        "service_start": date(2021, 1, 1),
        "renovated_on": date(2020, 12, 1),
    }
    return Estate(**(values | changes))  # type: ignore[arg-type]


def make_fund(fund_id: str = "budget/city/c", *, purposes: tuple[str, ...] = ("award",), classes: tuple[str, ...] = ("community",), requires: tuple[str, ...] = (), carry_forward: bool = True, until: date | None = None, into: str = "") -> Fund:  # fmt: skip
    permits = tuple(Permit(p, c, into, date(2020, 1, 1), until, requires, "1") for p in purposes for c in classes)
    return Fund(fund_id, f"fund {fund_id}", "doc", "1", carry_forward, "fifo", permits)


@pytest.fixture(scope="session")
def postgres_url(estate_funds_postgres: str) -> str:
    """A real server for the session, as everybody gets one from the plugin."""
    return estate_funds_postgres


@pytest.fixture
def fresh_postgres(postgres_url: str) -> str:
    """The address of an empty database on that server."""
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS books WITH (FORCE)")
        connection.execute("CREATE DATABASE books")
    return postgres_url.replace("/postgres?", "/books?")


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty ledger on each store."""
    if request.param == "sqlite":
        return str(tmp_path / "books.db")
    return str(request.getfixturevalue("fresh_postgres"))
