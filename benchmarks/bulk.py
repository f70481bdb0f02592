"""The bulk core beside its peers: in memory, from Parquet to Parquet, from CSV, and a whole country end to end.

    python benchmarks/bulk.py                    # everything, 100 M households too; results, history, page
    python benchmarks/bulk.py --only award csv   # some sections; the others keep the figures that they have
    python benchmarks/bulk.py --largest 1000000  # nothing above so many households
    python benchmarks/bulk.py --smoke            # small sizes once, for CI: does it still run, and are all equal?
    python benchmarks/bulk.py --render           # docs/benchmarks.md again from the results, nothing measured

`--assert` ends with status 1 where an aim is missed. Peers that are not installed are skipped and named:
`pip install -e ".[bench]"` brings them. docs/benchmarks.md says how it is measured; README.md what else is here.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bulk_page
from harness import (
    HERE,
    KIB,
    RESULTS,
    WORK,
    BenchmarkError,
    Sample,
    arguments,
    machine,
    median,
    print_machine,
    print_table,
    print_written,
    rounds,
    run_child,
    write_result,
)

# A kind of run -> the package it needs; the others need numpy and pyarrow only.
NEEDS = {
    "polars": "polars",
    "polars_dates": "polars",
    "duckdb": "duckdb",
    "openfisca": "openfisca_core",
    "bulk": "estate_funds.bulk.run",
    "bulk_2": "estate_funds.bulk.run",
}
PEERS = {"polars": "polars", "duckdb": "duckdb", "openfisca": "OpenFisca-Core", "numpy": "numpy", "pyarrow": "pyarrow"}
SAMPLED = ("cpu_s", "inside_s", "process_s", "load_s", "grown_mib", "computed_mib", "peak_mib", "children_mib")
FELL_BY = 5  # a figure that is worse than the last one of this machine by more than one in so many is pointed out
HISTORY = "history.jsonl"
Samples = dict[str, list[Sample]]
Section = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """Households of each section, and how often each is measured."""

    award: int = 10_000_000
    openfisca: int = 1_000_000
    curve: tuple[int, ...] = tuple(10**n for n in range(3, 9))
    parquet: int = 10_000_000
    country: tuple[int, ...] = tuple(10**n for n in range(3, 9))
    divide: int = 4_000_000
    csv: int = 10_000_000
    rounds: int = 5

    def no_larger_than(self, most: int) -> Sizes:
        """The same with nothing above `most` households."""
        single = {name: min(getattr(self, name), most) for name in ("award", "openfisca", "parquet", "divide", "csv")}
        several = {name: tuple(n for n in getattr(self, name) if n <= most) for name in ("curve", "country")}
        return replace(self, **single, **several)


SMOKE = Sizes(20_000, 2_000, (1_000, 10_000), 20_000, (1_000, 10_000), 20_000, 20_000, rounds=1)
RUNS_OF_A_SIZE = 3
OPENFISCA_MOST = 1_000_000  # sixty months of more households take gigabytes
WHOLE_MOST = 10_000_000  # so do whole columns in plain NumPy


@dataclass(frozen=True)
class Aim:
    """What must hold: a figure at least, or at most, so large."""

    what: str
    unit: str
    least: float | None = None
    most: float | None = None
    free_cores: int = 0  # held only where so many cores were free when it was measured

    def met(self, value: float) -> bool:
        """Whether the figure is where it must be."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def worse_by_a_fifth(self, value: float, before: float) -> bool:
        """Whether it is worse than it was by more than a fifth."""
        if self.least is not None:
            return value * FELL_BY < before * (FELL_BY - 1)
        return value * (FELL_BY - 1) > before * FELL_BY


AIMS = {
    "award_rate": Aim("award of a claim year in memory, one core", "M households/s", least=150),
    "award_over_copy": Aim("the same over a NumPy copy of the same columns", "of its rate", least=0.15),
    "openfisca": Aim("1 M households x 60 months, over OpenFisca", "times its rate", least=100),
    "openfisca_memory": Aim("memory of it over OpenFisca's", "of its memory", most=0.1),
    "openfisca_growth": Aim("memory that computing it adds over OpenFisca's, imports aside", "of its memory", most=0.1),
    "polars": Aim("over the rule as a Polars expression, one core", "times its rate", least=5),
    "duckdb": Aim("over the rule as DuckDB SQL, one core", "times its rate", least=10),
    "copy_over_polars": Aim("a bare copy, which computes nothing, over Polars", "times its rate"),
    "parquet": Aim("Parquet to Parquet with totals, over a bare pyarrow copy", "times its time", most=1.25),
    "workers": Aim("two workers over one", "times its rate", least=1.8, free_cores=2),
    "country_memory": Aim("most memory end to end, at any size", "MB", most=1_300),
    "country_linear": Aim("time for each further household, 10 M to the largest over 1 M to 10 M", "times", most=1.1),
    "divide_rate": Aim("area allocation in groups, one core", "M households/s", least=10),
    "csv": Aim("CSV of households in, over pyarrow's own reading, in order of ids", "times its time", most=2),
    "csv_shuffled": Aim("the same, shuffled", "times its time", most=2),
    "csv_typed": Aim("over its reading of the four columns alone, types given", "times its time"),
}


# --- measuring --------------------------------------------------------------------------------------------------------


def is_there(package: str) -> bool:
    """Whether a package can be imported; it is not imported, so that this process stays small."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def take_turns(kinds: Mapping[str, Sequence[str | Path]], repeat: int) -> tuple[Samples, dict[str, str]]:
    """Samples of the kinds that can run, and why the others cannot."""
    missing = {kind: NEEDS[kind] for kind in kinds if kind in NEEDS and not is_there(NEEDS[kind])}
    left = {kind: child for kind, child in kinds.items() if kind not in missing}
    return rounds(left, repeat), {kind: f"{package} is not installed" for kind, package in missing.items()}


def award_kinds(task: str, rows: int) -> dict[str, Sequence[str]]:
    """The children that compute the award, with their arguments; ours and what it is held against first."""
    kinds: dict[str, Sequence[str]] = {
        "copy": ("award_copy", task, str(rows)),
        "ours": ("award_ours", task, str(rows)),
        "numpy_chunks": ("award_numpy", task, str(rows), "chunks"),
        "polars": ("award_polars", task, str(rows)),
        "duckdb": ("award_duckdb", task, str(rows)),
    }
    if rows <= WHOLE_MOST:
        kinds["numpy_whole"] = ("award_numpy", task, str(rows), "whole")
    return kinds


def check_equal(samples: Samples) -> dict[str, Any]:
    """BenchmarkError unless all kinds computed the same fen for each row; what they computed."""
    found = {
        kind: (run["sha256"], run["fen"])
        for kind, runs in samples.items()
        for run in runs
        if "sha256" in run and kind != "copy"
    }
    wanted = found["numpy_chunks"]
    for kind, got in found.items():
        if got != wanted:
            raise BenchmarkError(f"{kind} computed {got}, the closed form {wanted}")
    return {"fen": wanted[1], "sha256": wanted[0], "equal": sorted(found)}


def award(sizes: Sizes) -> Section:
    """One claim year in memory, beside a copy, plain NumPy, Polars and DuckDB."""
    kinds = {**award_kinds("year", sizes.award), "polars_dates": ("award_polars", "year", str(sizes.award), "dates")}
    kinds["program"] = ("award_ours", "year", str(sizes.award), "program")
    samples, missing = take_turns(kinds, sizes.rounds)
    ours = samples["ours"]
    figures = {
        "award_rate": of_each(ours, lambda run: run["rows"] / run["cpu_s"] / 1e6),
        "award_over_copy": over(samples["copy"], ours, "cpu_s"),
        **{peer: over(samples[peer], ours, "cpu_s") for peer in ("polars", "duckdb") if peer in samples},
    }
    if "polars" in samples:
        figures["copy_over_polars"] = over(samples["polars"], samples["copy"], "cpu_s")
    return section(sizes.award, samples, figures, missing, checks=check_equal(samples))


def openfisca(sizes: Sizes) -> Section:
    """Sixty months in memory, beside OpenFisca; memory is what a run peaks at above one that only makes the input."""
    rows = sizes.openfisca
    kinds = {"input": ("award_input", "sixty", str(rows)), "openfisca": ("award_openfisca", "sixty", str(rows))}
    samples, missing = take_turns({**kinds, **award_kinds("sixty", rows)}, sizes.rounds)
    input_mib = median(samples["input"], "peak_mib")
    for runs in samples.values():
        for run in runs:
            run["over_input_mib"] = run.get("computed_mib", run["peak_mib"]) - input_mib
    figures = {}
    if "openfisca" in samples:
        figures["openfisca"] = over(samples["openfisca"], samples["ours"], "cpu_s")
        figures["openfisca_memory"] = over(samples["ours"], samples["openfisca"], "over_input_mib")
        figures["openfisca_growth"] = over(samples["ours"], samples["openfisca"], "grown_mib")
    made = section(rows, samples, figures, missing, checks=check_equal(samples))
    if "openfisca" in samples:
        made["checks"]["openfisca_float_total_off_fen"] = samples["openfisca"][0]["float_total_off_fen"]
        made["checks"]["openfisca_months"] = samples["openfisca"][0]["months"]
    return made


def curve(sizes: Sizes) -> Section:
    """Cost of the award against size, every kind; OpenFisca (sixty months) up to a million."""
    points: dict[str, dict[str, float]] = {}
    missing: dict[str, str] = {}
    for rows in sizes.curve:
        kinds = award_kinds("year", rows)
        samples, missing = take_turns(kinds, runs_of(sizes))
        check_equal(samples)
        if rows <= OPENFISCA_MOST:
            more, lacking = take_turns({"openfisca": ("award_openfisca", "sixty", str(rows))}, runs_of(sizes))
            samples |= more
            missing |= lacking
        for kind, runs in samples.items():
            points.setdefault(kind, {})[str(rows)] = digits(median(runs, "cpu_s"))
    return {"points": points, "missing": missing, "figures": {}}


def parquet(sizes: Sizes) -> Section:
    """Parquet to Parquet beside a bare copy."""
    folder, case = bulk_case(sizes.parquet)
    samples, missing = take_turns(parquet_kinds(folder), sizes.rounds)
    checks = check_rows(folder, case, [name for name in ("bulk",) if name in samples])
    figures = {}
    if "bulk" in samples:
        figures["parquet"] = over(samples["bulk"], samples["copy"], "cpu_s")
    return section(sizes.parquet, samples, figures, missing, checks=checks, made=case)


def parquet_kinds(folder: Path, *, two: bool = False) -> dict[str, Sequence[str | Path]]:
    """Ours with one worker, with two, and the bare copy: of ours, where it is there, else of the expected results."""
    households, out = folder / "households", WORK / "out"
    kinds: dict[str, Sequence[str | Path]] = {
        "bulk": ("bulk_ours", folder, households, out / "bulk", "1"),
        "bulk_2": ("bulk_ours", folder, households, out / "bulk_2", "2"),
    }
    results = out / "bulk" / "rows" if is_there(NEEDS["bulk"]) else folder / "expected"
    kinds["copy"] = ("parquet_copy", households, results, out / "copy")
    if not two:
        del kinds["bulk_2"]
    return kinds


def check_rows(folder: Path, case: Mapping[str, Any], outs: Sequence[str]) -> dict[str, Any]:
    """Every row of a result held against the hand calculation, and that one against the plain assess where small."""
    checks: dict[str, Any] = {"fen": {name: case[name] for name in ("amount_fen", "city_fen", "district_fen")}}
    for name in outs:
        found = run_child("check_results", folder / "expected", WORK / "out" / name / "rows")
        if found["rows"] != case["rows"] or found["fen"] != checks["fen"]:
            raise BenchmarkError(f"{name}: got {found['rows']} rows and {found['fen']} fen, wanted {case}")
    checks["equal"] = list(outs)
    return checks


def country(sizes: Sizes) -> Section:
    """End to end at every size, in one process with one worker: the interpreter, the case, all rows, the totals.

    At the largest size with two workers too: their start must not count.
    """
    points: dict[str, dict[str, dict[str, float]]] = {}
    missing: dict[str, str] = {}
    made = {}
    figures: dict[str, Any] = {}
    for rows in sizes.country:
        folder, case = bulk_case(rows)
        made[str(rows)] = case
        largest = rows == max(sizes.country)
        samples, missing = take_turns(parquet_kinds(folder, two=largest), runs_of(sizes))
        check_rows(folder, case, [name for name in ("bulk", "bulk_2") if name in samples])
        if largest and "bulk" in samples:
            figures["workers"] = over(samples["bulk"], samples["bulk_2"], "inside_s")
        for kind, runs in samples.items():
            points.setdefault(kind, {})[str(rows)] = {
                name: digits(median(runs, name)) for name in ("process_s", "inside_s", "cpu_s", "peak_mib")
            }
    if ours := points.get("bulk"):
        most_mb = max(point["peak_mib"] for point in ours.values()) * KIB * KIB / 1e6
        figures["country_memory"] = {"value": digits(most_mb)}
        if len(ours) > 2:
            figures["country_linear"] = {"value": digits(bend(ours))}
    return {"points": points, "made": made, "missing": missing, "figures": figures}


def bend(points: Mapping[str, Mapping[str, float]]) -> float:
    """Seconds for each further household between the two largest sizes, over those between the two before.

    What costs the same at every size (the interpreter, imports) would make plain seconds a household fall with size,
    and hide a time that grows faster than the rows do.
    """
    (a, at_a), (b, at_b), (c, at_c) = [(int(rows), points[rows]["process_s"]) for rows in sorted(points, key=int)[-3:]]
    return ((at_c - at_b) / (c - b)) / ((at_b - at_a) / (b - a))


def divide(sizes: Sizes) -> Section:
    """Sum 2 in columns: totals divided over the areas of many groups, beside a plain NumPy idiom in the same child."""
    samples, missing = take_turns({"divide": ("divide", str(sizes.divide))}, sizes.rounds)
    runs = samples["divide"]
    if not all(run["parts_sum"] and run["as_allocate"] and all(run["same_parts"].values()) for run in runs):
        raise BenchmarkError("the parts of a bill do not sum to its total, or are not those of the plain division")
    figures = {"divide_rate": of_each(runs, lambda run: run["rows_a_second"]["ours"] / 1e6)}
    return section(sizes.divide, samples, figures, missing, checks={"groups": runs[0]["groups"]})


def csv(sizes: Sizes) -> Section:
    """A CSV of households in, duplicates checked, beside pyarrow's own reading, both on one thread."""
    folder, _ = bulk_case(sizes.csv)
    kinds: dict[str, Sequence[str | Path]] = {}
    for order in ("sorted", "shuffled"):
        path = folder / f"households-{order}.csv"
        if not path.is_file():
            run_child("make_bulk_csv", folder / "households", path, order)
        for kind in ("bare", "typed", "ours"):
            kinds[f"{kind}_{order}"] = ("csv_read", kind, folder / "estates.csv", path, "1")
    samples, missing = take_turns(kinds, sizes.rounds)
    there = {run["there"] for runs in samples.values() for run in runs}
    if len(there) != 1:
        raise BenchmarkError(f"the readers count different households at the end: {sorted(there)}")
    figures = {
        "csv": over(samples["ours_sorted"], samples["bare_sorted"], "cpu_s"),
        "csv_shuffled": over(samples["ours_shuffled"], samples["bare_shuffled"], "cpu_s"),
        "csv_typed": over(samples["ours_sorted"], samples["typed_sorted"], "cpu_s"),
    }
    return section(sizes.csv, samples, figures, missing, checks={"there_at_the_end": there.pop()})


SECTIONS: dict[str, Callable[[Sizes], Section]] = {
    "award": award,
    "openfisca": openfisca,
    "curve": curve,
    "parquet": parquet,
    "country": country,
    "divide": divide,
    "csv": csv,
}


def bulk_case(rows: int) -> tuple[Path, dict[str, Any]]:
    """The case of so many households, made if it is not there, and what is in it; small ones agree with `assess`."""
    folder = WORK / f"bulk-{rows}"
    made = folder / "made.json"
    if not made.is_file():  # written last: a case that was broken off is made again
        print(f"making a case of {rows:,} households ...", file=sys.stderr)
        case = run_child("make_bulk_case", folder, str(rows))
        del case["process_s"]
        if rows <= SMOKE.parquet:
            check_with_assess(folder, case)
        made.write_text(json.dumps(case, indent=2) + "\n", encoding="utf-8")
    return folder, json.loads(made.read_text(encoding="utf-8"))


def check_with_assess(folder: Path, case: Mapping[str, Any]) -> None:
    """BenchmarkError unless the plain assess of the case owes what was worked out while it was made."""
    plain = run_child("bulk_plain", folder, WORK / "plain")
    wanted = {"city": case["city_fen"], "district": case["district_fen"]}
    if (plain["amount_fen"], plain["shares_fen"]) != (case["amount_fen"], wanted):
        raise BenchmarkError(f"the plain assess owes {plain}, worked out was {case}")


def runs_of(sizes: Sizes) -> int:
    """How often a size of a curve is measured."""
    return min(RUNS_OF_A_SIZE, sizes.rounds)


# --- figures ----------------------------------------------------------------------------------------------------------


def digits(number: float, count: int = 4) -> float:
    """A number to four digits."""
    return float(f"{number:.{count}g}")


def of_each(runs: Sequence[Sample], figure: Callable[[Sample], float]) -> dict[str, float]:
    """A figure of runs: median, least and most."""
    each = [figure(run) for run in runs]
    return {"value": digits(statistics.median(each)), "min": digits(min(each)), "max": digits(max(each))}


def over(numerator: Sequence[Sample], denominator: Sequence[Sample], name: str) -> dict[str, float]:
    """The ratio of medians, and the least and most of the rounds taken one by one."""
    each = [a[name] / b[name] for a, b in zip(numerator, denominator, strict=True)]
    ratio = median(numerator, name) / median(denominator, name)
    return {"value": digits(ratio), "min": digits(min(each)), "max": digits(max(each))}


def section(
    rows: int, samples: Samples, figures: Mapping[str, Any], missing: Mapping[str, str], **more: object
) -> Section:
    """What is kept of a section: median, least and most of each number of each kind."""
    kinds = {
        kind: {
            name: of_each(runs, lambda run, name=name: run[name])  # type: ignore[misc]
            for name in (*SAMPLED, "over_input_mib")
            if name in runs[0]
        }
        for kind, runs in samples.items()
    }
    return {"rows": rows, "kinds": kinds, "figures": dict(figures), "missing": dict(missing), **more}


def figures_of(result: Mapping[str, Any]) -> dict[str, float]:
    """Every figure that was measured, by name."""
    found = {}
    for part in result["sections"].values():
        found |= {name: figure["value"] for name, figure in part["figures"].items()}
    return found


def missed(result: Mapping[str, Any]) -> list[str]:
    """Aims that were measured and not met."""
    lines = []
    for part in result["sections"].values():
        free = part["machine"]["cores"] - part["machine"]["load_before"][0]
        for name, figure in part["figures"].items():
            aim = AIMS[name]
            if not aim.met(figure["value"]) and free >= aim.free_cores - 0.5:
                lines.append(f"{aim.what}: {figure['value']:,} {aim.unit}, aim {bulk_page.bound(aim)}")
    return lines


# --- history ----------------------------------------------------------------------------------------------------------


def commit() -> str:
    """The commit that is measured, with a plus where files differ from it."""
    asked = [["git", "rev-parse", "--short=12", "HEAD"], ["git", "status", "--porcelain", "--untracked-files=no"]]
    try:
        done = [subprocess.run(c, cwd=HERE, capture_output=True, text=True, check=True).stdout.strip() for c in asked]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done[0] + ("+" if done[1] else "")


def machine_name(about: Mapping[str, Any]) -> str:
    """What makes two runs comparable."""
    return f"{about['cpu']}, {about['cores']} cores, {about['memory_gib']} GiB"


def compare_and_append(path: Path, result: Mapping[str, Any], measured: Sequence[str]) -> list[str]:
    """Add a line a figure to the history; what is worse by a fifth than the last one of this machine and size."""
    earlier = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    last = {(line["machine"], line["ratio"], line["rows"]): line for line in earlier}
    fell, lines = [], []
    for name in measured:
        part = result["sections"][name]
        where = machine_name(part["machine"])
        for ratio, figure in part["figures"].items():
            rows = part.get("rows") or max(map(int, part["made"]))
            value, before = figure["value"], last.get((where, ratio, rows))
            if before and AIMS[ratio].worse_by_a_fifth(value, before["value"]):
                was = f"{before['value']:,} on {before['date']} at {before['commit']}"
                fell.append(f"{AIMS[ratio].what}: {value:,} {AIMS[ratio].unit}, was {was}")
            line = {"date": part["date"], "machine": where, "commit": part["commit"], "benchmark": f"bulk/{name}"}
            lines.append(json.dumps({**line, "ratio": ratio, "rows": rows, "value": value}, ensure_ascii=False))
    with path.open("a", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in lines)
    return fell


# --- all of it --------------------------------------------------------------------------------------------------------


def versions() -> dict[str, str]:
    """Versions of the peers that are there."""
    found = {}
    for name, package in PEERS.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            continue
    return found


def measure(names: Sequence[str], sizes: Sizes, options: argparse.Namespace, earlier: Mapping[str, Any]) -> Section:
    """The result: sections measured now, and those that were measured before."""
    sections = dict(earlier.get("sections", {}))
    os.environ["PYTHONHASHSEED"] = "0"
    about = {**machine(), **versions()}  # the load before the first section: afterwards it is our own
    for name in names:
        print(f"{name} ...", file=sys.stderr)
        sections[name] = {
            "date": str(options.date),
            "commit": commit(),
            "machine": about,
            "rounds": sizes.rounds,
            **SECTIONS[name](sizes),
        }
    return {
        "benchmark": "bulk",
        "date": str(options.date),
        "sections": {name: sections[name] for name in SECTIONS if name in sections},
        "aims": {n: {"what": a.what, "unit": a.unit, "least": a.least, "most": a.most} for n, a in AIMS.items()},
    }


def show(result: Mapping[str, Any], measured: Sequence[str]) -> None:
    """The figures for people."""
    for name in measured:
        part = result["sections"][name]
        rows = [
            (
                AIMS[n].what,
                f"{f['value']:,}",
                AIMS[n].unit,
                bulk_page.bound(AIMS[n]),
                "" if AIMS[n].met(f["value"]) else "missed",
            )
            for n, f in part["figures"].items()
        ]
        if rows:
            print_table(name, [("", "median", "", "aim", ""), *rows])
        for kind, why in part["missing"].items():
            print(f"  {kind} was skipped: {why}")


def write_page(result: Mapping[str, Any], beside: Path) -> Path:
    """The page and its plot, in a folder."""
    page = beside / "benchmarks.md"
    plot = page.with_suffix("") / "cost.svg"
    plot.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(bulk_page.page(result, AIMS), encoding="utf-8")
    plot.write_text(bulk_page.plot(result), encoding="utf-8")
    return page


def main() -> None:
    """Measure what is asked for, write the results, the history and the page, say what was missed and what fell."""
    parser = arguments(__doc__ or "", repeat=Sizes.rounds, smoke="small sizes")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="sections to measure")
    parser.add_argument("--largest", type=int, default=max(Sizes.country), help="most households (default %(default)s)")
    parser.add_argument("--render", action="store_true", help="write the page again from the results, measure nothing")
    parser.add_argument("--assert", dest="asserts", action="store_true", help="status 1 where an aim is missed")
    options = parser.parse_args()
    results, pages = (WORK, WORK) if options.smoke else (RESULTS, HERE.parent / "docs")
    if options.out:  # an aside: history and page beside it, the published ones left alone
        results = pages = options.out.parent
    published = options.out or (WORK / "bulk-smoke.json" if options.smoke else RESULTS / "bulk.json")
    earlier = json.loads(published.read_text(encoding="utf-8")) if published.is_file() else {"sections": {}}
    if options.render:
        print_written(write_page(earlier, pages))
        return
    sizes = SMOKE if options.smoke else replace(Sizes(), rounds=options.repeat).no_larger_than(options.largest)
    WORK.mkdir(exist_ok=True)
    result = measure(options.only, sizes, options, {} if options.smoke else earlier)
    print_machine(result["sections"][options.only[0]]["machine"])
    show(result, options.only)
    path = write_result(result, out=options.out, smoke=options.smoke)
    fell = compare_and_append(results / HISTORY, result, options.only)
    print_written(path)
    print_written(write_page(result, pages))
    for line in fell:
        print(f"fell by more than a fifth since the last run on this machine: {line}")
    if options.asserts and (lines := missed(result)):
        raise SystemExit("\n".join(("aims that were missed:", *lines)))


if __name__ == "__main__":
    main()
