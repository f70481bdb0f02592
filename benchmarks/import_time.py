"""What `import estate_funds` costs, over an interpreter that does nothing; and that it imports nothing heavy.

    python benchmarks/import_time.py

Ends with status 1 where the import takes LIMIT_S or longer, or brings a heavy package in.
"""

from __future__ import annotations

import sys
from typing import Any

from harness import (
    Sample,
    arguments,
    machine,
    median,
    print_machine,
    print_table,
    print_written,
    ratio,
    run_python,
    summary,
    write_result,
)

LIMIT_S = 0.3
HEAVY = ("sqlmodel", "sqlalchemy", "pyarrow", "numpy", "pydantic", "babel")
KINDS = {"bare": "pass", "package": "import estate_funds"}
METHOD = (
    "Fresh processes in turns, after one of each that is not measured: python -c 'import estate_funds' and python -c "
    "pass. over_bare_s: the difference of the medians."
)


def measure(repeat: int) -> dict[str, list[Sample]]:
    """Process seconds by kind."""
    samples: dict[str, list[Sample]] = {kind: [] for kind in KINDS}
    for number in range(repeat + 1):
        for kind, code in KINDS.items():
            elapsed_s, _ = run_python("-c", code)
            if number:
                samples[kind].append({"process_s": elapsed_s})
    return samples


def heavy_imports() -> list[str]:
    """Which of the heavy packages are loaded once the package is."""
    _, printed = run_python("-c", f"import estate_funds, sys; print(*(n for n in {HEAVY!r} if n in sys.modules))")
    return printed.split()


def main() -> None:
    """Measure, write, print, and fail where a promise is broken."""
    options = arguments(__doc__ or "", repeat=10).parse_args()
    described = machine()
    samples, heavy = measure(options.repeat), heavy_imports()
    over_bare_s = median(samples["package"], "process_s") - median(samples["bare"], "process_s")
    measured: dict[str, Any] = {
        "benchmark": "import_time",
        "date": str(options.date),
        "machine": described,
        "method": METHOD,
        "repeat": options.repeat,
        "input": dict(KINDS),
        "checks": {"heavy_imports": heavy, "limit_s": LIMIT_S},
        "numbers": {
            **{kind: summary(runs, "process_s") for kind, runs in samples.items()},
            "over_bare_s": round(over_bare_s, 4),
        },
        "ratios": {"process_package_over_bare": ratio(samples["package"], samples["bare"], "process_s")},
    }
    path = write_result(measured, out=options.out, smoke=False)
    print_machine(described)
    seconds = {kind: median(runs, "process_s") for kind, runs in samples.items()} | {"import alone": over_bare_s}
    print_table(f"Medians of {options.repeat} rounds, s", [(name, f"{s:.3f}") for name, s in seconds.items()])
    print_written(path)
    if over_bare_s >= LIMIT_S or heavy:
        sys.exit(
            f"importing took {over_bare_s:.3f} s (limit {LIMIT_S} s) and loaded {', '.join(heavy) or 'nothing heavy'}"
        )


if __name__ == "__main__":
    main()
