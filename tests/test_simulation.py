"""The simulation itself: it is the same from the same seed, finds what is planted, and its disk does what disks do."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random

import pytest

from conftest import HANDS, TODAY
from desk import CITY, FUNDS, QUEUE, SHARE, Desk
from estate_funds import Books
from estate_funds.errors import InvariantBroken, Refusal
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger import checks
from estate_funds.testing import simulate
from estate_funds.testing.events import VERBS
from estate_funds.testing.simulate import EVERYTHING, Outcome, life, live
from estate_funds.testing.simulate.__main__ import main, report
from estate_funds.testing.simulate.blocks import blocks_of
from estate_funds.testing.simulate.disk import (
    FAULTS,
    SECTOR,
    Disk,
    Image,
    Killed,
    Process,
    _Cursor,
    after_power_cut,
    rotten,
)
from estate_funds.testing.simulate.district import FACTS
from estate_funds.testing.simulate.invariants import Invariants
from estate_funds.testing.simulate.life import Divergence, Life
from estate_funds.vouchers import appropriate, open_fund, reverse

# --- lives ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 6, 20])
def test_some_lives(seed: int) -> None:
    lived = live(seed, 700)
    assert lived.failure == ""
    assert lived.steps == 700 or lived.reached["event: days pass"] > 20


def test_the_same_seed_is_the_same_life_whatever_the_order_of_sets() -> None:
    command = [sys.executable, "-c", "from estate_funds.testing.simulate import live; print(live(11, 300))"]
    told = {
        subprocess.run(
            command, env=os.environ | {"PYTHONHASHSEED": str(n)}, capture_output=True, text=True, check=True
        ).stdout
        for n in (1, 2)
    }
    assert len(told) == 1
    assert str(live(11, 300)) in told.pop()


def test_what_was_never_reached_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "4", "--steps", "60"]) == 1
    told = capsys.readouterr().out
    assert "never reached, so nothing was proved of it: " in told
    assert "to do:  more steps" in told
    for wrong in ("-1", "0", "abc", "1e9"):
        with pytest.raises(SystemExit):
            main(["--steps", wrong])
        assert "a whole number, 1 or more, is wanted" in capsys.readouterr().err or wrong == "-1"


def test_a_planted_bug_is_found_and_found_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """A fence that lets everything through; the report says how to see it again."""
    monkeypatch.setattr(checks, "check_fence", lambda ledger, draft: None)
    first = live(5, 2_000)
    assert "seed 5, step " in first.failure
    assert live(5, 2_000).failure.partition(":")[0] == first.failure.partition(":")[0]
    print(report(Outcome(5, failures=[first.failure])))
    assert "python -m estate_funds.testing.simulate --seed 5 --steps 2000" in capsys.readouterr().out


def test_what_is_to_be_reached_is_all_that_there_is() -> None:
    assert (
        len(EVERYTHING)
        == len(set(EVERYTHING))
        == len(Kind) + len(Refusal.__subclasses__()) + len(VERBS) + len(FACTS) + 11
    )


# --- what it found ----------------------------------------------------------------------------------------------------


def test_a_ledger_that_was_opened_anew_takes_its_snapshots_where_the_audit_expects_them(tmp_path: Path) -> None:
    """Seed 1: sums that were nought again counted before a restart, and not after it. Nor is there one of no balance."""
    address = str(tmp_path / "books.db")
    day, funds = date(2022, 1, 5), [replace(SHARE, fund_id=f"share/community/{n}") for n in range(20)]
    with blocks_of(64):
        with Books.open(address, recorded_on=TODAY) as books:
            books.post([open_fund(fund, on=day, hands=HANDS) for fund in funds])
            for fund in funds:
                (given,) = books.post(appropriate(fund, "city", 5, on=day, key=fund.fund_id, hands=HANDS)).entries
                books.post(reverse(given, on=day, hands=HANDS, narrative="an error"))
        for fund in funds:
            with Books.open(address, recorded_on=TODAY) as books:
                books.post(appropriate(fund, "city", 5, on=day, key=f"{fund.fund_id}/2", hands=HANDS))
        with Books.open(address, recorded_on=TODAY) as books:
            books.audit().raise_for_findings()


def test_more_may_come_in_during_a_year_than_a_balance_can_hold(address: str) -> None:
    """Seed 11: no snapshot can say so, and the batch with which one was due was lost to an OverflowError."""
    day, most = date(2022, 1, 5), 2**63 - 1
    with blocks_of(64):
        with Books.open(address, recorded_on=TODAY) as books:
            books.post([open_fund(fund, on=day, hands=HANDS) for fund in FUNDS])
            books.post(appropriate(SHARE, "city", most, on=day, key="first", hands=HANDS))
            books.post(Desk(*FUNDS).moving(SHARE, QUEUE, most, "bridge", on=day))
            books.post(appropriate(SHARE, "district", most, on=day, key="second", hands=HANDS))
            for n in range(32):
                books.post(appropriate(CITY, "city", n + 1, on=day, key=f"c{n}", hands=HANDS))
        with Books.open(address, recorded_on=TODAY) as books:
            assert len(books) == len(FUNDS) + 35
            assert books.ledger.inflows[SHARE.fund_id, 2022] == 2 * most
            books.audit().raise_for_findings()


# --- the invariants, each broken on purpose ---------------------------------------------------------------------------


def booked() -> tuple[Invariants, Desk]:
    """Books with some money, seen by the invariants up to the last entry."""
    desk, seen = Desk(*FUNDS), Invariants()
    desk.fund(SHARE, 1_000)
    desk.spend(SHARE, 100)
    for entry in desk.entries:
        seen.see(entry)
    return seen, desk


def _half_a_transfer(desk: Desk) -> Draft:
    sound = desk.moving(SHARE, FUNDS[0], 10, "refund")
    return replace(sound, postings=sound.postings[:4])


BROKEN: dict[int, list[Callable[[Desk], Draft]]] = {
    1: [lambda desk: replace(d := desk.spending(SHARE, 10), postings=d.postings[:1])],
    2: [lambda desk: desk.spending(SHARE, 901)],
    3: [lambda desk: desk.spending(SHARE, 10, purpose="banquet"), lambda desk: desk.spending(SHARE, 10, on=date(2014, 1, 1))],
    5: [lambda desk: replace(desk.spending(SHARE, 10), key=desk.entries[-1].draft.key)],
    7: [_half_a_transfer],
    9: [lambda desk: replace(desk.spending(SHARE, 10), approver="maker"), lambda desk: replace(desk.spending(SHARE, 10), approver="")],
}  # fmt: skip


@pytest.mark.parametrize(("number", "asked"), [(n, a) for n, asked in BROKEN.items() for a in asked])
def test_each_invariant_is_asked(number: int, asked: Callable[[Desk], Draft]) -> None:
    seen, desk = booked()
    entry = Entry(seen.seq + 1, TODAY, asked(desk))
    with pytest.raises(InvariantBroken, match=f"^invariant {number}:"):
        seen.see(entry)


def test_a_gap_a_closed_period_a_lost_origin_and_a_leaf_that_skips_a_field_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    seen, desk = booked()
    sound = desk.spending(SHARE, 10)
    with pytest.raises(InvariantBroken, match=r"^invariant 4:"):
        seen.see(Entry(seen.seq + 2, TODAY, sound))
    seen.open_from = date(2022, 2, 1)
    with pytest.raises(InvariantBroken, match=r"^invariant 6:"):
        seen.see(Entry(seen.seq + 1, TODAY, sound))
    seen, desk = booked()
    monkeypatch.setattr(seen.origins, "of", lambda seq: ())
    with pytest.raises(InvariantBroken, match=r"^invariant 8:"):
        seen.see(Entry(seen.seq + 1, TODAY, sound))
    seen, desk = booked()
    monkeypatch.setattr(Entry, "leaf", property(lambda self: str(self.draft.postings).encode()))
    with pytest.raises(InvariantBroken, match=r"^invariant 10:"):
        seen.see(Entry(seen.seq + 1, TODAY, sound))
    with pytest.raises(InvariantBroken, match="the balances are not the sums"):
        seen.agree_with({})


# --- the disk ---------------------------------------------------------------------------------------------------------


def written(folder: Path, process: Process) -> Disk:
    """A ledger with one fund, written by a process on a disk of ours."""
    disk = Disk(folder / "books.db")
    disk.running = process
    return disk


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", range(1, 12))
def test_a_process_that_fails_at_a_call_leaves_all_or_nothing(tmp_path: Path, fault: str, at: int) -> None:
    process = Process()
    disk = written(tmp_path, process)
    with disk.mounted():
        books = Books.open(str(disk.path), recorded_on=TODAY)
        books.post(open_fund(SHARE, on=date(2022, 1, 5), hands=HANDS))
        process.will_fail(fault, at)
        given = [appropriate(SHARE, "city", 5, on=date(2022, 1, 5), key=f"g{n}", hands=HANDS) for n in range(3)]
        try:
            books.post(given)
            told = "booked"
        except Killed:
            told = "killed"
        except Exception as error:
            told = type(error).__name__
        process.goes_on()
        assert told in ("booked", "killed", "StoreUnavailable")
        process.is_swept()
        disk.running = Process()
        again = Books.open(str(disk.path), recorded_on=TODAY)
        assert len(again) == 4 if told == "booked" else len(again) in (1, 4)
        again.post(given)
        assert len(again) == 4
        again.audit().raise_for_findings()
        disk.running.is_swept()


def test_a_dead_process_calls_nothing_and_holds_no_lock(tmp_path: Path) -> None:
    process = Process()
    disk = written(tmp_path, process)
    with disk.mounted():
        books = Books.open(str(disk.path), recorded_on=TODAY)
        process.will_fail("killed after a call", 2)
        with pytest.raises(Killed):
            books.post(open_fund(SHARE, on=date(2022, 1, 5), hands=HANDS))
        with pytest.raises(Killed):
            _ = books.ledger
        process.is_swept()
        with sqlite3.connect(disk.path, timeout=0) as other:
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_a_power_cut_leaves_what_was_durable_and_any_of_the_rest() -> None:
    old, new = bytes(8 * SECTOR), bytes([1]) * (8 * SECTOR)
    seen = set()
    for seed in range(200):
        cut = after_power_cut(Image(old, b"head" * 8 + old), Image(old, b"head" * 8 + new), Random(seed))
        assert cut.file == old
        assert set(cut.log[32:]) <= {0, 1}
        seen.add((cut.log[32:].count(1) == 0, cut.log[32:].count(1) == 8 * SECTOR))
    assert seen == {(True, False), (False, True), (False, False)}
    for seed in range(50):  # a checkpoint: the log was durable before the file was written
        cut = after_power_cut(Image(old, b"head" * 8), Image(new, b"head" * 8 + new), Random(seed))
        assert cut.log == b"head" * 8 + new or cut.file == old
    for seed in range(50):  # the log begins anew: the file was durable before
        cut = after_power_cut(Image(new, b"1old" * 8 + old), Image(new, b"2new" * 8 + new), Random(seed))
        assert cut.log.startswith(b"2new")


@pytest.mark.parametrize("level", ["FULL", "NORMAL", "OFF"])
def test_power_cuts_lose_what_no_commit_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """In lives full of faults, cuts tear what a commit wrote; and a store that does not wait for the disk is found out."""
    torn: list[bool] = []
    cut = life.after_power_cut

    def watched(durable: Image, now: Image, random: Random) -> Image:
        left = cut(durable, now, random)
        torn.append(left not in (durable, now))
        return left

    execute = _Cursor.execute
    monkeypatch.setattr(life, "after_power_cut", watched)
    monkeypatch.setattr(
        _Cursor, "execute", lambda self, sql, *args: execute(self, sql.replace("= FULL", f"= {level}"), *args)
    )
    found = []
    for seed in range(1, 7):
        folder = tmp_path / str(seed)
        folder.mkdir()
        lived = Life(seed, folder, faults_every=8)
        try:
            lived.run(400)
        except Divergence as error:
            found.append(str(error))
    assert any(torn)
    assert bool(found) == (level != "FULL"), found


def test_rot_changes_something() -> None:
    sound = Image(bytes(4_096), bytes(4_096))
    assert all(rotten(sound, Random(seed)) != sound for seed in range(50))


# --- a million steps --------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_simulation_reaches_everything_and_finds_nothing() -> None:
    """What CI does a million times, in little: `python -m estate_funds.testing.simulate --steps 1_000_000`."""
    outcome = [*simulate.simulate(40, 30_000, workers=2)][-1]
    assert not outcome.failures, report(outcome)
    assert not outcome.unreached, report(outcome)
    assert {kind.value for kind in Kind} == {n.partition(": ")[2] for n in outcome.reached if n.startswith("verb: ")}
