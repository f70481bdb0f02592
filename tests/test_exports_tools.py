"""What tools that we did not write make of the exports: bean-check, hledger and ledger, every balance to the fen.

Each tool reads the file, checks the balances that it asserts, and says its own balances, which are compared with those
of the ledger. The tools come from Debian (hledger, ledger) and from requirements/tools.txt (beancount); `.ci/run`
installs them, and where one is missing its tests are skipped.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from conftest import EXAMPLES, TODAY
from estate_funds import Books, load_case
from estate_funds.exchange.exports import write_export
from estate_funds.exchange.masking import Mask
from estate_funds.exchange.outline import again
from estate_funds.exchange.plaintext import account_key, account_name
from estate_funds.funds import NORMAL_SIDE
from estate_funds.journal import Entry
from estate_funds.ledger import replay
from estate_funds.testing.hard_journals import HAPPENING_VERBS, Happening, Journal, Opening, journals
from journals import full_history

Key = tuple[str, str, str]
BEAN = """
import json, sys
from beancount import loader
from beancount.core import data
entries, errors, _ = loader.load_file(sys.argv[1])
sums = {}
for entry in entries:
    if isinstance(entry, data.Transaction):
        for posting in entry.postings:
            key = (posting.account, posting.units.currency)
            sums[key] = sums.get(key, 0) + posting.units.number
print(json.dumps([len(errors), [(*key, str(number)) for key, number in sums.items()]]))
"""


def run(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, encoding="utf-8", env=environment, check=False
    )
    assert not check or (done.returncode == 0 and not done.stderr), done.stderr[:4_000] + done.stdout[:2_000]
    return done


def fen_of(amount: str) -> tuple[int, str]:
    """Fen and unit of an amount such as -12.30 CNY; a tool leaves out the decimals of 0."""
    found = re.fullmatch(r"(-?)(\d+)(?:\.(\d\d))? ?(CNY|BUDGET)?", amount)
    assert found is not None, amount
    return int(f"{found[1]}{found[2]}{found[3] or '00'}"), found[4] or ""


def by_beancount(path: Path) -> dict[str, int]:
    tool = Path(shutil.which("bean-check") or "")
    run(tool, path)
    errors, told = json.loads(run(tool.parent / "python", "-c", BEAN, path).stdout)
    assert errors == 0
    return {name: fen_of(f"{number} {unit}")[0] for name, unit, number in told}


def by_hledger(path: Path) -> dict[str, int]:
    run("hledger", "-f", path, "check", "--strict")
    told = run("hledger", "-f", path, "balance", "--flat", "--empty", "--no-total", "--output-format=csv").stdout
    return {row["account"]: fen_of(row["balance"])[0] for row in csv.DictReader(io.StringIO(told))}


def by_ledger(path: Path) -> dict[str, int]:
    form = "%(account)\t%(amount)\n"
    told = run(
        "ledger", "--args-only", "-f", path, "balance", "--flat", "--empty", "--no-total", "--balance-format", form
    )
    return {name: fen_of(amount)[0] for name, amount in (line.split("\t") for line in told.stdout.splitlines())}


TOOLS: Mapping[str, tuple[str, Callable[[Path], dict[str, int]]]] = {
    "beancount": ("bean-check", by_beancount), "hledger": ("hledger", by_hledger), "ledger": ("ledger", by_ledger),
}  # fmt: skip


@pytest.fixture(params=list(TOOLS))
def form(request: pytest.FixtureRequest) -> str:
    if shutil.which(TOOLS[request.param][0]) is None:
        pytest.skip(f"{TOOLS[request.param][0]} is not installed")
    return str(request.param)


def ours(entries: Sequence[Entry]) -> dict[Key, int]:
    """Every balance of the ledger, debits above 0."""
    held = replay(entries).balances
    return {key: fen if NORMAL_SIDE[key[1]] == "D" else -fen for key, fen in held.items() if fen}


def compare(form: str, entries: Sequence[Entry], path: Path) -> None:
    write_export(form, path, again(entries))
    told = TOOLS[form][1](path)
    theirs = {account_key(name): fen for name, fen in told.items() if fen}
    text = Mask().text  # a purpose may look like the number of a card
    assert theirs == {
        (text(fund), account, text(detail)): fen for (fund, account, detail), fen in ours(entries).items()
    }


@cache
def booked(name: str) -> tuple[Entry, ...]:
    with Books.open("memory", recorded_on=TODAY) as books:
        books.run(load_case(EXAMPLES / name))
        return tuple(books.entries())


CASES = sorted(path.parent.name for path in EXAMPLES.glob("*/case.toml"))
LARGE = "dezhou"  # 4,778 entries, which take each tool some seconds


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.long] * (n == LARGE)) for n in CASES])
def test_a_shipped_example_has_the_same_balances_there(form: str, name: str, tmp_path: Path) -> None:
    compare(form, booked(name), tmp_path / f"books.{form}")


def test_a_history_with_every_kind_has_the_same_balances_there(form: str, tmp_path: Path) -> None:
    compare(form, full_history().entries, tmp_path / f"books.{form}")


@cache
def lives() -> tuple[tuple[Entry, ...], ...]:
    """Some long journals in text that is hard to carry, the same each time."""
    found = []
    for seed in range(6):
        journal = Journal()
        for fund in range(3):
            journal.opens(Opening(fund, seed, 17 * seed + 29 * fund))
        for n in range(60):
            verb = HAPPENING_VERBS[(7 * n + 13 * seed) % len(HAPPENING_VERBS)]
            journal.books(Happening(verb, n, 1 + 31 * n + seed, 11 * n + seed, days=(n + seed) % 40))
        found.append(tuple(journal.entries))
    return tuple(found)


@pytest.mark.parametrize("seed", range(6))
def test_a_journal_that_is_hard_to_carry_has_the_same_balances_there(form: str, seed: int, tmp_path: Path) -> None:
    entries = lives()[seed]
    assert len(entries) > 30
    compare(form, entries, tmp_path / f"books.{form}")


@pytest.mark.long
def test_drawn_journals_have_the_same_balances_there(form: str, tmp_path: Path) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(journal=journals())
    def test(journal: Journal) -> None:
        compare(form, journal.entries, tmp_path / f"books.{form}")

    test()


def test_a_fen_too_much_is_found_there(form: str, tmp_path: Path) -> None:
    """The assertions in the file: a posting that was changed, and one that two others were changed with."""
    path = tmp_path / f"books.{form}"
    write_export(form, path, again(full_history().entries))
    text = path.read_text(encoding="utf-8")
    cash = account_name("share/community/k", "cash", "")
    funding = account_name("share/community/k", "funding", "lockers")
    first = f"{cash}  2000.00 CNY"
    assert first in text
    for changes in ([(first, f"{cash}  2000.01 CNY")], [(first, f"{cash}  2000.01 CNY"), (f"{funding}  -2000.00 CNY", f"{funding}  -2000.01 CNY")]):  # fmt: skip
        spoiled = text
        for old, new in changes:
            assert old in spoiled
            spoiled = spoiled.replace(old, new, 1)
        path.write_text(spoiled, encoding="utf-8")
        command = {"beancount": ["bean-check", path], "hledger": ["hledger", "-f", path, "check"], "ledger": ["ledger", "--args-only", "-f", path, "balance"]}[form]  # fmt: skip
        assert run(*command, check=False).returncode != 0


def test_what_an_entry_says_arrives_there(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"books.{form}"
    entries = full_history().entries
    write_export(form, path, again(entries))
    digest = next(entry for entry in entries if entry.draft.key == "s2").draft.evidence[0].sha256
    wanted = ("invoice sha256 " + digest, "spending")
    if form == "beancount":
        code = "import sys; from beancount import loader; print([e.meta for e in loader.load_file(sys.argv[1])[0]])"
        python = Path(shutil.which("bean-check") or "").parent / "python"
        told = run(python, "-c", code, path).stdout
    elif form == "hledger":
        told = run("hledger", "-f", path, "tags", "--values").stdout
    else:
        told = run("ledger", "--args-only", "-f", path, "tags", "--values").stdout
    for text in wanted:
        assert text in told
