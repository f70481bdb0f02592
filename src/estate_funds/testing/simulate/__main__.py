"""The command: `python -m estate_funds.testing.simulate --seed N --steps M`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from estate_funds import __version__
from estate_funds.testing.simulate import LONGEST, Outcome, simulate

_SHOWN_EVERY_S = 10


def main(arguments: list[str] | None = None) -> int:
    """Simulate, and say what was reached; 0 where all is well, 1 for a divergence or something that never came up."""
    told = "Live through districts, five years each, and hold the ledger against the model and the ten invariants."
    status = "Exit status: 0 all is well; 1 a divergence, or something that never came up; 2 wrong arguments."
    parser = argparse.ArgumentParser("python -m estate_funds.testing.simulate", description=told, epilog=status)
    parser.add_argument("--seed", type=_number, default=1, help="of the first life; the next ones count on (1)")
    parser.add_argument("--steps", type=_some, default=30_000, help="how many, at the least (30,000)")
    parser.add_argument("--workers", type=_some, default=1, help="processes; what they find does not depend on it (1)")
    asked = parser.parse_args(arguments)
    print(f"estate_funds {__version__}, seed {asked.seed}, {asked.steps:,} steps")
    outcome, shown = Outcome(asked.seed), time.monotonic()
    for outcome in simulate(asked.seed, asked.steps, workers=asked.workers):
        if time.monotonic() - shown > _SHOWN_EVERY_S:
            shown = time.monotonic()
            print(f"  {outcome.steps:,} steps, {_rate(outcome)} a second", file=sys.stderr, flush=True)
    print(report(outcome))
    return 1 if outcome.failures or outcome.unreached else 0


def report(outcome: Outcome) -> str:
    """What was done, what was reached, and what went wrong."""
    lines = [f"{outcome.lives:,} lives, {outcome.steps:,} steps, {_rate(outcome)} a second"]
    lines.append(f"their journals: sha256:{outcome.digest}")
    groups: dict[str, Counter[str]] = {}
    for name, count in (+outcome.reached).items():
        group, _, what = name.partition(": ")
        groups.setdefault(group, Counter())[what] += count
    for group, found in sorted(groups.items()):
        lines.append(f"\n{group}s ({sum(found.values()):,})")
        lines += [
            f"  {count:>9,}  {what}" for what, count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
        ]
    if outcome.unreached:
        lines.append("\nnever reached, so nothing was proved of it: " + ", ".join(outcome.unreached))
        lines.append("  to do:  more steps, or another seed")
    for failure in outcome.failures:
        seed = failure.partition("seed ")[2].partition(",")[0]
        lines.append(f"\nDIVERGENCE\n{failure}")
        again = f"python -m estate_funds.testing.simulate --seed {seed} --steps {LONGEST}"
        lines.append(f"  to see it again with estate_funds {__version__}:  {again}")
    if not (outcome.failures or outcome.unreached):
        lines.append("\nno divergence: every step left the books as the model has them, and every invariant held")
    return "\n".join(lines)


def _rate(outcome: Outcome) -> str:
    return f"{outcome.steps / max(outcome.elapsed_s, 1e-9):,.0f}"


def _number(text: str, least: int = 0) -> int:
    digits = text.replace("_", "").replace(",", "")
    if not digits.isdecimal() or int(digits) < least:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number, {least} or more, is wanted")
    return int(digits)


def _some(text: str) -> int:
    return _number(text, least=1)


if __name__ == "__main__":
    sys.exit(main())
