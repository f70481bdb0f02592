"""How fast a batch is booked on SQLite, and how fast an audit replays it.

    python benchmarks/posting.py                # twenty thousand spendings, five rounds
    python benchmarks/posting.py --smoke        # five hundred, one round

One fund, one transaction, four postings an entry; every entry passes the whole gate, when it is booked and again in the
audit. Each round is a fresh process on a fresh ledger.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
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
    summary,
    write_result,
)

SPENDINGS, SMOKE_SPENDINGS = 20_000, 500
OPENING_ENTRIES = 2  # the fund and its appropriation, which the audit replays as well
METHOD = (
    "Each round is a fresh process on a fresh SQLite file, after one that is not measured. Drafts are made first, "
    "off the clock. post_s: Books.post of all drafts in one transaction. audit_s: Books.audit() without a case, the "
    "replay of the whole journal through the gate and its hashes."
)
RATES = {"entries_per_s": ("entries", "post_s"), "postings_per_s": ("postings", "post_s")}
RATES["replayed_entries_per_s"] = ("replayed", "audit_s")


def check(samples: Sequence[Sample], spendings: int) -> dict[str, int]:
    """BenchmarkError unless every round booked everything, emptied the fund, and found nothing."""
    for run in samples:
        found = (run["entries"], run["replayed"], run["left_fen"], run["paid_fen"] - run["total_fen"], run["findings"])
        if found != (spendings, spendings + OPENING_ENTRIES, 0, 0, []):
            raise BenchmarkError(f"got {found}, wanted {spendings} entries, an empty fund, and no finding")
    return {"amount_fen": samples[0]["total_fen"], "entries": spendings, "findings": 0}


def with_rates(sample: Sample) -> Sample:
    """The sample with what it did a second."""
    return {**sample, **{name: sample[done] / sample[seconds] for name, (done, seconds) in RATES.items()}}


def result(samples: Sequence[Sample], options: argparse.Namespace) -> dict[str, Any]:
    """The machine-readable result."""
    as_posted = [{"s": run["post_s"]} for run in samples]
    as_audited = [{"s": run["audit_s"]} for run in samples]
    return {
        "benchmark": "posting",
        "date": str(options.date),
        "machine": options.machine,
        "method": METHOD,
        "repeat": options.repeat,
        "input": {"spendings": options.spendings, "funds": 1, "postings_per_entry": 4},
        "checks": check(samples, options.spendings),
        "numbers": {"batch": summary(samples, "process_s", "post_s", "audit_s", *RATES, "peak_mib")},
        "ratios": {"audit_over_post": ratio(as_audited, as_posted, "s")},
    }


def show(samples: Sequence[Sample], measured: dict[str, Any]) -> None:
    """The result for people."""
    print_machine(measured["machine"])
    print(
        f"{measured['input']['spendings']:,} spendings of one fund; {measured['repeat']} rounds; all paid, no finding"
    )
    rows = [
        ("", "s", "entries/s", "postings/s"),
        ("post", f"{median(samples, 'post_s'):.3f}", *(f"{median(samples, n):,.0f}" for n in list(RATES)[:2])),
        ("audit replay", f"{median(samples, 'audit_s'):.3f}", f"{median(samples, 'replayed_entries_per_s'):,.0f}"),
    ]
    print_table(f"Medians (peak {median(samples, 'peak_mib'):,.0f} MiB)", rows)


def main() -> None:
    """Measure, check, write, print."""
    parser = arguments(__doc__ or "", repeat=5, smoke=f"{SMOKE_SPENDINGS:,} spendings")
    parser.add_argument("--spendings", type=int, default=SPENDINGS, help="entries of the batch (default %(default)s)")
    options = parser.parse_args()
    if options.smoke:
        options.spendings, options.repeat = SMOKE_SPENDINGS, 1
    WORK.mkdir(exist_ok=True)
    options.machine = machine()
    batch = {"batch": ("post_batch", WORK / "posting.db", str(options.spendings))}
    samples = [with_rates(run) for run in rounds(batch, options.repeat, before=remove_ledgers)["batch"]]
    remove_ledgers()
    measured = result(samples, options)
    path = write_result(measured, out=options.out, smoke=options.smoke)
    show(samples, measured)
    print_written(path)


if __name__ == "__main__":
    main()
