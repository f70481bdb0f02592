"""The main path beside its bare cost: a million household rows read, assessed, posted, audited, against only read.

    python benchmarks/main_path.py              # one million households, five rounds
    python benchmarks/main_path.py --smoke      # twenty thousand, one round: does it still run, and tie?

Every measurement is a fresh process; the bare read and the whole path take turns. See README.md for how to read it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
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
    remove_ledgers,
    rounds,
    run_child,
    summary,
    write_result,
)

HOUSEHOLDS, SMOKE_HOUSEHOLDS = 1_000_000, 20_000
FEN_PER_HOUSEHOLD = 18 * 12 * 100
STAGES = ("import_s", "load_s", "assess_s", "post_s", "audit_s")
SPLIT = ("assess_in_load_s", "drafts_in_load_s")
AIMS = {"whole_over_bare": 3.0, "peak_mib": 1536.0}
METHOD = (
    "Each measurement is a fresh process; the kinds take turns within a round, after one round that is not measured. "
    "process_s: from before the interpreter starts until it has ended. inside_s: without interpreter and imports. "
    "bare: pyarrow.csv.read_csv of households.csv, all columns, types inferred. bare_1: the same with "
    "pyarrow.set_cpu_count(1). whole: load_case, claims, Books.open(sqlite file).run(case), audit(case)."
)

Samples = Mapping[str, Sequence[Sample]]


def prepare(households: int, days: str, order: str) -> tuple[Path, dict[str, Any]]:
    """The folder of the case, made if it is not there, and what is in it."""
    folder = WORK / f"case-{households}-{days}-{order}"
    made = folder / "made.json"
    if not made.is_file():  # written last: a case that was broken off is made again
        print(f"making a case of {households:,} households ...", file=sys.stderr)
        described = run_child("make_case", folder, str(households), days, order)
        del described["process_s"]
        made.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return folder, json.loads(made.read_text(encoding="utf-8"))


def measure(folder: Path, repeat: int) -> dict[str, list[Sample]]:
    """All rounds. A whole path begins without a ledger."""
    households = folder / "households.csv"
    return rounds(
        {
            "bare": ("bare_read", households),
            "whole": ("whole_path", folder, WORK / "whole.db"),
            "bare_1": ("bare_read", households, "1"),
            "split": ("whole_path", folder, WORK / "split.db", "split"),
        },
        repeat,
        before=remove_ledgers,
    )


def check(samples: Samples, households: int) -> dict[str, int]:
    """BenchmarkError unless every run computed, booked and found what the hand calculation says."""
    wanted_fen = households * FEN_PER_HOUSEHOLD
    halves = {"city": wanted_fen // 2, "district": wanted_fen // 2}
    for run in [*samples["whole"], *samples["split"]]:
        found = (run["amount_fen"], run["shares_fen"], run["paid_fen"], run["findings"], run["waiting"])
        if found != (wanted_fen, halves, wanted_fen, [], 0):
            raise BenchmarkError(f"got {found}, wanted {wanted_fen} fen in halves {halves}, all paid, and no finding")
    for run in [*samples["bare"], *samples["bare_1"]]:
        if run["rows"] != households:
            raise BenchmarkError(f"the bare read found {run['rows']} rows, wanted {households}")
    first = samples["whole"][0]
    return {"amount_fen": wanted_fen, "claims": first["claims"], "entries": first["entries"], "findings": 0}


def result(
    samples: Samples, case: Mapping[str, Any], checks: Mapping[str, int], options: argparse.Namespace
) -> dict[str, Any]:
    """The machine-readable result."""
    bare, whole = samples["bare"], samples["whole"]
    return {
        "benchmark": "main_path",
        "date": str(options.date),
        "machine": options.machine,
        "method": METHOD,
        "repeat": options.repeat,
        "input": dict(case),
        "checks": dict(checks),
        "numbers": {
            "bare": summary(bare, "process_s", "inside_s", "import_s", "peak_mib"),
            "bare_1": summary(samples["bare_1"], "process_s", "inside_s", "import_s", "peak_mib"),
            "whole": summary(whole, "process_s", "inside_s", *STAGES, "peak_mib"),
            "within_load": summary(samples["split"], *SPLIT),
        },
        "ratios": {
            "process_whole_over_bare": ratio(whole, bare, "process_s"),
            "process_whole_over_bare_1": ratio(whole, samples["bare_1"], "process_s"),
            "inside_whole_over_bare": ratio(whole, bare, "inside_s"),
            "inside_whole_over_bare_1": ratio(whole, samples["bare_1"], "inside_s"),
            "peak_whole_over_bare": ratio(whole, bare, "peak_mib"),
        },
        "aims": AIMS,
    }


def show(samples: Samples, measured: Mapping[str, Any]) -> None:
    """The result for people."""
    case, checks = measured["input"], measured["checks"]
    print_machine(measured["machine"])
    print(
        f"{case['households']:,} households in {case['estates']:,} estates (registered: {case['registered']}, "
        f"{case['order']}); {measured['repeat']} rounds; {checks['claims']:,} claims, {checks['entries']:,} entries; "
        f"{checks['amount_fen'] // 100:,} yuan as by hand, no finding"
    )
    names = {"bare": "bare read", "bare_1": "bare read, one thread", "whole": "whole path"}
    print_table(
        "Medians",
        [("", "process s", "inside s", "peak MiB")]
        + [
            (
                name,
                *(f"{median(samples[kind], n):.3f}" for n in ("process_s", "inside_s")),
                f"{median(samples[kind], 'peak_mib'):,.0f}",
            )
            for kind, name in names.items()
        ],
    )
    stages = [(stage.removesuffix("_s"), f"{median(samples['whole'], stage):.3f}") for stage in STAGES]
    stages[2:2] = [(f"  of it {n.split('_')[0]}", f"{median(samples['split'], n):.3f}") for n in SPLIT]
    print_table("Stages of the whole path, s (loading assesses and drafts already, to refuse before posting)", stages)
    rows = [("", "of medians", "min", "max")]
    rows += [
        (n.replace("_", " "), f"{r['of_medians']:.2f}", f"{r['min']:.2f}", f"{r['max']:.2f}")
        for n, r in measured["ratios"].items()
    ]
    print_table(
        f"Ratios (aim: whole over bare at most {AIMS['whole_over_bare']}, peak under {AIMS['peak_mib']:,.0f} MiB)", rows
    )


def main() -> None:
    """Prepare, measure, check, write, print."""
    parser = arguments(__doc__ or "", repeat=5, smoke=f"{SMOKE_HOUSEHOLDS:,} households")
    parser.add_argument("--households", type=int, default=HOUSEHOLDS, help="rows of the register (default %(default)s)")
    parser.add_argument("--registered", choices=("spread", "one"), default="spread", help="days of registration")
    parser.add_argument("--order", choices=("sorted", "shuffled"), default="sorted", help="order of the register")
    options = parser.parse_args()
    if options.smoke:
        options.households, options.repeat = SMOKE_HOUSEHOLDS, 1
    folder, case = prepare(options.households, options.registered, options.order)
    options.machine = machine()
    samples = measure(folder, options.repeat)
    remove_ledgers()
    measured = result(samples, case, check(samples, options.households), options)
    path = write_result(measured, out=options.out, smoke=options.smoke)
    show(samples, measured)
    print_written(path)


if __name__ == "__main__":
    main()
