"""How long it takes to replay a million entries from sealed blocks: read, all invariants, every leaf, the root.

    python benchmarks/replay.py                # a million entries of two shapes, five rounds
    python benchmarks/replay.py --smoke        # twenty thousand, one round

Everything on one core; each round is a fresh process, and seconds are of CPU. The journals are made once, off the
clock, and kept in work/.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from harness import (
    HERE,
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
    run_python,
    summary,
    write_result,
)

ENTRIES, SMOKE_ENTRIES = 1_000_000, 20_000
SHAPES = {
    "contracts": "three promises under one reference, paid together",
    "promises": "each promise under its own reference, one of three is ever paid",
}
POSTINGS_PER_ENTRY = 2.5
WANTED = {"cpu_s": 4.0, "peak_mib": 1_000_000_000 / 2**20}
METHOD = (
    "Each round is a fresh process, after one that is not measured; Arrow has one thread. whole: replay_columns from "
    "the blobs in an SQLite file to the ledger and its tree, CPU seconds without imports, and peak memory. "
    "stages: parts of it alone (canonical builds the bytes, leaves builds and hashes them); checks is what remains of "
    "whole after decode, leaves and tree. plain: the first 20 000 entries through the plain gate, as entries in memory."
)
STAGES = ("decode_s", "canonical_s", "leaves_s", "tree_s")


def check(samples: Mapping[str, Sequence[Sample]], shape: str, entries: int) -> dict[str, Any]:
    """BenchmarkError unless every round replayed everything to one root, and both gates agreed."""
    whole, stages, plain = (samples[f"{shape} {kind}"] for kind in ("whole", "stages", "plain"))
    heads = {run["head"] for run in whole} | {f"{entries}:{run['root']}" for run in stages}
    if len(heads) != 1 or not all(run["same"] and run["in_columns"] > 0.99 * run["sample"] for run in plain):
        raise BenchmarkError(f"the rounds disagree: heads {heads}")
    return {
        "head": heads.pop(),
        **{name: whole[0][name] for name in ("entries", "open_balances", "promises")},
        **{name: stages[0][name] for name in ("blocks", "bytes")},
    }


def with_checks(stages: Sequence[Sample], whole: Sequence[Sample]) -> list[Sample]:
    """The stages with what the checks, and all that is kept, take: what is left of the whole."""
    return [
        {**part, "checks_s": run["cpu_s"] - part["decode_s"] - part["leaves_s"] - part["tree_s"]}
        for part, run in zip(stages, whole, strict=True)
    ]


def numbers(samples: Mapping[str, Sequence[Sample]], shape: str) -> dict[str, Any]:
    """Medians and spread of one shape."""
    whole, plain = samples[f"{shape} whole"], samples[f"{shape} plain"]
    stages = with_checks(samples[f"{shape} stages"], whole)
    gates = ({"s": run["plain_s"]} for run in plain), ({"s": run["columns_s"]} for run in plain)
    return {
        "whole": summary(whole, "cpu_s", "wall_s", "peak_mib"),
        "stages": summary(stages, *STAGES, "checks_s"),
        "sample": summary(plain, "plain_s", "columns_s"),
        "plain_over_columns": ratio(*map(list, gates), "s"),
    }


def result(samples: Mapping[str, Sequence[Sample]], options: argparse.Namespace) -> dict[str, Any]:
    """The machine-readable result."""
    return {
        "benchmark": "replay",
        "date": str(options.date),
        "machine": options.machine,
        "method": METHOD,
        "repeat": options.repeat,
        "input": {"entries": options.entries, "postings_per_entry": POSTINGS_PER_ENTRY, "shapes": SHAPES},
        "wanted": WANTED,
        "checks": {shape: check(samples, shape, options.entries) for shape in SHAPES},
        "numbers": {shape: numbers(samples, shape) for shape in SHAPES},
    }


def show(samples: Mapping[str, Sequence[Sample]], measured: Mapping[str, Any]) -> None:
    """The result for people."""
    print_machine(measured["machine"])
    print(f"{measured['input']['entries']:,} entries, {measured['repeat']} rounds; both gates agree, one root")
    for shape, words in SHAPES.items():
        whole, plain = samples[f"{shape} whole"], samples[f"{shape} plain"]
        stages = with_checks(samples[f"{shape} stages"], whole)
        rows: list[tuple[object, ...]] = [("", "CPU s")]
        rows.append(("whole", f"{median(whole, 'cpu_s'):.2f}"))
        rows += [(f"  {name[:-2]}", f"{median(stages, name):.2f}") for name in ("decode_s", "leaves_s")]
        rows.append(("    of it canonical bytes", f"{median(stages, 'canonical_s'):.2f}"))
        rows += [(f"  {name[:-2]}", f"{median(stages, name):.2f}") for name in ("tree_s", "checks_s")]
        rows.append(("plain gate over columns", f"{median(plain, 'plain_s') / median(plain, 'columns_s'):.1f} x"))
        print_table(f"{shape}: {words} (peak {median(whole, 'peak_mib'):,.0f} MiB)", rows)


def main() -> None:
    """Make the journals, measure, check, write, print."""
    parser = arguments(__doc__ or "", repeat=5, smoke=f"{SMOKE_ENTRIES:,} entries")
    parser.add_argument("--entries", type=int, default=ENTRIES, help="entries of a journal (default %(default)s)")
    options = parser.parse_args()
    if options.smoke:
        options.entries, options.repeat = SMOKE_ENTRIES, 1
    WORK.mkdir(exist_ok=True)
    options.machine = machine()
    kinds = {}
    for shape in SHAPES:
        path = WORK / f"journal-{options.entries}-{shape}.db"
        if not path.exists():
            run_python(HERE / "children" / "make_journal.py", path, str(options.entries), shape)
        kinds |= {f"{shape} {mode}": ("replay_blocks", path, mode) for mode in ("whole", "stages", "plain")}
    samples = rounds(kinds, options.repeat)
    measured = result(samples, options)
    path = write_result(measured, out=options.out, smoke=options.smoke)
    show(samples, measured)
    print_written(path)


if __name__ == "__main__":
    main()
