"""docs/benchmarks.md and its plot, from results/bulk.json: text in, text out, nothing is measured here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Protocol

Points = Mapping[str, Mapping[str, float]]
NANO, MILLI, MEGA = 1e9, 1e3, 1e6
NAMES = {
    "copy": "bare copy",
    "ours": "estate_funds, by codes (`Table`)",
    "program": "estate_funds, rows of a register (`Program.assess`), with totals",
    "numpy_chunks": "NumPy, closed form in chunks",
    "numpy_whole": "NumPy, closed form over whole columns",
    "polars": "Polars expression",
    "polars_dates": "Polars expression on a date and five flags",
    "duckdb": "DuckDB SQL",
    "openfisca": "OpenFisca, sixty months",
    "input": "the input alone",
    "bulk": "estate_funds, one worker",
    "bulk_2": "estate_funds, two workers",
    "divide": "estate_funds, division in groups",
    "bare_sorted": "pyarrow alone, in order of ids",
    "typed_sorted": "pyarrow, four columns of given types, in order of ids",
    "typed_shuffled": "pyarrow, four columns of given types, shuffled",
    "ours_sorted": "read_households, in order of ids",
    "bare_shuffled": "pyarrow alone, shuffled",
    "ours_shuffled": "read_households, shuffled",
}
TITLES = {
    "award": "One claim year in memory",
    "openfisca": "Sixty months in memory",
    "parquet": "From Parquet to Parquet",
    "divide": "Areas divided in groups",
    "csv": "CSV in",
}
ABOUT = {
    "award": (
        "The claim of the one service year that begins in 2026, for households whose service began in any of 84 months "
        "and of whose five years any were passed. Copied are the columns that are read (3 bytes) and those that are "
        "written (12 bytes)."
    ),
    "openfisca": (
        "Every claim of a service year that begins in 2021 to 2025, for households whose service began in a January. "
        "OpenFisca has a monthly variable of each household, parameters by date and a flag for each year, and computes "
        "sixty months, each for all households at once; setting the input is not counted. Memory is the peak of the "
        "process above that of one that only makes the input, imports included."
    ),
    "parquet": (
        "A folder of files of a million households each, ids, estate and two days read, ids, amount, two shares and "
        "trace written, both with zstd; totals by estate and month beside them. The bare copy reads and writes the "
        "very same columns with pyarrow and computes nothing; both on one thread. Loading the case is `load`, and not "
        "in the ratio."
    ),
    "divide": "A bill each over the floor areas of its households, exact in every group, ties by id.",
    "csv": (
        "`read_households` reads ids, estate and two days, checks every cell and that no id stands twice, and counts "
        "by estate and day. Beside it `pyarrow.csv.read_csv` as it is, all five columns, and of those four alone with "
        "their types given. One thread."
    ),
}
INTRO = """# Benchmarks of the bulk core

<!-- Written by `python benchmarks/bulk.py`, from benchmarks/results/bulk.json; `--render` writes it again. -->

What a row of a register costs, beside what it costs with other tools and beside only copying it. All of it, the
results and this page, comes from one command:

    pip install -e ".[bench]"
    python benchmarks/bulk.py

The rule is Donghu's award (18, 18, 18, 12, 6 yuan per household and month over five service years, passed years only,
half city, half district, the odd fen to the district). Every peer writes it in its own best way, and its total and a
digest of all its rows must equal the others' to the fen: a run in which they do not is an error, not a number.
"""
METHOD = """## How it is measured

* Each measurement is a fresh process; the kinds take turns within a round, after one round that is not counted. Figures
  are medians of rounds; ratios are of medians, and the range is of single rounds. Where it is wide, the median deserves
  little trust.
* In memory, the computation alone is timed, from the columns to the columns, many times in a process where it is short;
  input, imports, compiling a rule and bringing the input into a peer's own form are not.
* What runs on one core is measured in CPU seconds of the whole process, which a busy neighbour disturbs less; workers
  and whole commands in seconds of the wall. `results/bulk.json` has both.
* These are shared machines, and noisy, by a fifth or more: compare ratios, not seconds. The load beside each section
  says what else was running.
* `results/history.jsonl` has a line for every figure of every run; a run says what fell by more than a fifth since the
  last one on the same machine.
* Files are read from the page cache after the first round: disks are not measured.
"""


class Bounded(Protocol):
    """What the page needs of an aim."""

    what: str
    unit: str
    least: float | None
    most: float | None

    def met(self, value: float) -> bool:
        """Whether a figure is where it must be."""


def bound(aim: Bounded) -> str:
    """The aim in words."""
    if aim.least is None and aim.most is None:
        return "no aim,"
    return f"at least {aim.least:,}" if aim.least is not None else f"at most {aim.most:,}"


def page(result: Mapping[str, Any], aims: Mapping[str, Bounded]) -> str:
    """The whole page."""
    parts = [INTRO, "## What must hold\n", aims_table(result, aims)]
    sections = result["sections"]
    if "curve" in sections or "country" in sections:
        parts += ["## Cost against size\n", f"![Cost of a household against the number of households]({PLOT})\n"]
        parts += [curve_table(sections), country_table(sections)]
    parts += [section_text(name, sections[name]) for name in TITLES if name in sections]
    parts += [METHOD, machines(sections) if sections else ""]
    return "\n".join(part for part in parts if part)


PLOT = "benchmarks/cost.svg"


def table(rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown, its first row the head."""
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines = [head, ["---", *("---:" for _ in head[1:])], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def aims_table(result: Mapping[str, Any], aims: Mapping[str, Bounded]) -> str:
    """Each aim with the figure, or why there is none."""
    figures = {n: figure for part in result["sections"].values() for n, figure in part["figures"].items()}
    rows: list[Sequence[object]] = [("what", "aim", "measured", "single rounds", "")]
    for name, aim in aims.items():
        figure = figures.get(name)
        if figure is None:
            rows.append((aim.what, f"{bound(aim)} {aim.unit}", "not measured", "", ""))
            continue
        spread = f"{figure['min']:,} to {figure['max']:,}" if "min" in figure else ""
        met = "" if aim.met(figure["value"]) else "**missed**"
        rows.append((aim.what, f"{bound(aim)} {aim.unit}", f"{figure['value']:,}", spread, met))
    return table(rows)


def section_text(name: str, part: Mapping[str, Any]) -> str:
    """A section: what was computed, a table of the kinds, what was skipped."""
    lines = [f"## {TITLES[name]}\n", f"{ABOUT[name]} {part['rows']:,} households, rounds: {part['rounds']}.\n"]
    kinds = part["kinds"]
    columns = (
        ("cpu_s", "CPU ms"),
        ("inside_s", "wall ms"),
        ("load_s", "load ms"),
        ("over_input_mib", "MiB over input"),
    )
    shown = [(key, title) for key, title in columns if any(key in kind for kind in kinds.values())]
    rows: list[Sequence[object]] = [("", *(title for _, title in shown), "M households/s")]
    for kind, numbers in kinds.items():
        cells = [cell(numbers[key]["value"], key) if key in numbers else "" for key, _ in shown]
        rate = f"{part['rows'] / numbers['cpu_s']['value'] / MEGA:,.1f}" if "cpu_s" in numbers else ""
        rows.append((NAMES.get(kind, kind), *cells, rate if kind != "bulk_2" else ""))
    if kinds:
        lines.append(table(rows))
    lines += notes(part)
    return "\n".join(lines)


def cell(value: float, key: str) -> str:
    """A number as the tables show it: seconds in milliseconds."""
    return f"{value * MILLI:,.1f}" if key.endswith("_s") else f"{value:,.0f}"


def notes(part: Mapping[str, Any]) -> Iterable[str]:
    """What is said under a table."""
    checks = part.get("checks", {})
    if checks.get("equal"):
        names = ", ".join(NAMES.get(kind, kind) for kind in checks["equal"])
        total = checks["fen"].get("amount", checks["fen"].get("amount_fen"))
        yield f"Equal in every row, {total // 100:,}.{total % 100:02d} yuan in all: {names}.\n"
    if off := checks.get("openfisca_float_total_off_fen"):
        yield (
            "OpenFisca's money is float32. Its rows are right to the fen, being small; its own sum over all households "
            f"is off by {off:,} fen.\n"
        )
    for kind, why in part["missing"].items():
        yield f"Skipped: {NAMES.get(kind, kind)}, {why}.\n"


def curve_table(sections: Mapping[str, Any]) -> str:
    """Nanoseconds a household in memory, by size."""
    points: Points = sections.get("curve", {}).get("points", {})
    if not points:
        return ""
    sizes = sorted({size for kind in points.values() for size in kind}, key=int)
    rows: list[Sequence[object]] = [("nanoseconds of CPU a household", *(short(int(size)) for size in sizes))]
    for kind, at in points.items():
        rows.append((NAMES[kind], *(f"{at[s] / int(s) * NANO:,.1f}" if s in at else "" for s in sizes)))
    return "In memory, one claim year (OpenFisca: sixty months), one core:\n\n" + table(rows)


def country_table(sections: Mapping[str, Any]) -> str:
    """End to end from Parquet, by size."""
    part = sections.get("country", {})
    points = part.get("points", {})
    if not points:
        return ""
    rows: list[Sequence[object]] = [("households", "files, MB", "ours, s", "peak MiB", "bare copy, s", "peak MiB")]
    for size, made in part["made"].items():
        kinds = [points.get(kind, {}).get(size) for kind in ("bulk", "copy")]
        cells = [x for at in kinds for x in ((f"{at['process_s']:,.2f}", f"{at['peak_mib']:,.0f}") if at else ("", ""))]
        rows.append((f"{int(size):,}", f"{made['bytes'] / MEGA:,.1f}", *cells))
    text = "End to end from Parquet, one worker, the interpreter and its imports, the case and the totals included:\n\n"
    return text + table(rows) + "".join(f"\n{line}" for line in notes(part))


def machines(sections: Mapping[str, Any]) -> str:
    """What each section was measured on."""
    lines = ["## Machine and versions\n"]
    rows: list[Sequence[object]] = [("section", "day", "commit", "machine", "load before")]
    for name, part in sections.items():
        on = part["machine"]
        where = f"{on['cpu']}, {on['cores']} cores, {on['memory_gib']} GiB"
        rows.append((name, part["date"], part["commit"], where, on["load_before"][0]))
    lines.append(table(rows))
    used = ("python", "numpy", "pyarrow", "polars", "duckdb", "openfisca")
    found = sorted({f"{n} {p['machine'][n]}" for p in sections.values() for n in used if n in p["machine"]})
    return "\n".join([*lines, f"Versions: {', '.join(found)}.\n"])


def short(size: int) -> str:
    """1 k, 10 M."""
    for unit, name in ((10**6, "M"), (10**3, "k")):
        if size >= unit:
            return f"{size // unit} {name}"
    return str(size)


# --- the plot ---------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 860, 460
LEFT, RIGHT, TOP, BOTTOM = 64, 236, 44, 52
LABEL_GAP = 16
COLOURS = {
    "ours": "#b3261e", "bulk": "#b3261e", "copy": "#8a8a8a", "bare": "#8a8a8a", "numpy_chunks": "#4e79a7",
    "numpy_whole": "#76a5d0", "polars": "#7a5195", "duckdb": "#c78a00", "openfisca": "#2e7d4f",
}  # fmt: skip
DASHED = ("bulk", "bare")
LABELS = {
    "ours": "estate_funds, in memory", "copy": "NumPy copy", "numpy_chunks": "NumPy, chunks",
    "numpy_whole": "NumPy, whole columns", "polars": "Polars", "duckdb": "DuckDB", "openfisca": "OpenFisca, 60 months",
    "bulk": "estate_funds, Parquet, all", "bare": "pyarrow copy, Parquet, all",
}  # fmt: skip


def plot(result: Mapping[str, Any]) -> str:
    """Nanoseconds a household against households, both on logarithmic axes, as SVG that needs nothing else."""
    lines = plotted(result["sections"])
    sizes = [size for line in lines.values() for size, _ in line] or [1, 10]
    costs = [cost for line in lines.values() for _, cost in line] or [1, 10]
    across = scale(min(sizes), max(sizes), LEFT, WIDTH - RIGHT)
    low, high = 10 ** math.floor(math.log10(min(costs))), 10 ** math.ceil(math.log10(max(costs)))
    down = scale(low, high, HEIGHT - BOTTOM, TOP)
    drawn = [grid_line(LEFT, down(y), WIDTH - RIGHT, down(y), time_text(y), "y") for y in powers(low, high)]
    drawn += [grid_line(across(x), TOP, across(x), HEIGHT - BOTTOM, short(x), "x") for x in powers(*ends(sizes))]
    at_end = {kind: down(line[-1][1]) for kind, line in lines.items()}
    for kind, y in apart(at_end).items():
        places = [(across(size), down(cost)) for size, cost in lines[kind]]
        drawn.append(curve(kind, places, y))
    title = "Cost of a household against the number of households"
    return SVG.format(width=WIDTH, height=HEIGHT, title=title, left=LEFT, drawn="\n".join(drawn), x=LEFT, y=HEIGHT - 12)


SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" \
role="img" font-family="sans-serif" font-size="12" fill="#222">
<title>{title}</title>
<rect width="{width}" height="{height}" fill="#fff"/>
<text x="{left}" y="24" font-size="15">{title}</text>
{drawn}
<text x="{x}" y="{y}" fill="#555">households; solid: in memory, CPU; dashed: end to end, seconds of the wall</text>
</svg>
"""


def plotted(sections: Mapping[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """Kind -> (households, nanoseconds a household), by size."""
    kinds: dict[str, Mapping[str, float]] = dict(sections.get("curve", {}).get("points", {}))
    for kind, name in (("bulk", "bulk"), ("copy", "bare")):
        if at := sections.get("country", {}).get("points", {}).get(kind):
            kinds[name] = {size: numbers["process_s"] for size, numbers in at.items()}
    return {
        kind: [(int(size), at[size] / int(size) * NANO) for size in sorted(at, key=int)] for kind, at in kinds.items()
    }


def scale(low: float, high: float, begin: float, end: float) -> Any:
    """Where a number lies between two places, by its logarithm."""
    span = math.log10(high / low) or 1.0
    return lambda number: begin + (end - begin) * math.log10(number / low) / span


def ends(numbers: Sequence[int]) -> tuple[int, int]:
    """The least and the most."""
    return min(numbers), max(numbers)


def powers(low: float, high: float) -> list[Any]:
    """Powers of ten from low to high."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [10**n for n in range(first, last + 1)]


def time_text(nanoseconds: float) -> str:
    """1 ns, 10 µs."""
    for unit, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if nanoseconds >= unit:
            return f"{nanoseconds / unit:g} {name}"
    return f"{nanoseconds:g} ns"


def apart(places: Mapping[str, float]) -> dict[str, float]:
    """The same places, from the top down, so far apart that labels do not cover each other."""
    moved: dict[str, float] = {}
    lowest = -math.inf
    for kind, y in sorted(places.items(), key=lambda item: item[1]):
        lowest = max(y, lowest + LABEL_GAP)
        moved[kind] = lowest
    overflow = max(0.0, lowest - (HEIGHT - BOTTOM))
    return {kind: y - overflow for kind, y in moved.items()}


def grid_line(x1: float, y1: float, x2: float, y2: float, text: str, axis: str) -> str:
    """A line of the grid with its label."""
    label = (
        f'<text x="{x1 - 8:.1f}" y="{y1 + 4:.1f}" text-anchor="end">{escape(text)}</text>'
        if axis == "y"
        else f'<text x="{x2:.1f}" y="{y2 + 18:.1f}" text-anchor="middle">{escape(text)}</text>'
    )
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#ddd"/>{label}'


def curve(kind: str, places: Sequence[tuple[float, float]], label_y: float) -> str:
    """A line with its points, and its name beside the last one."""
    colour, (end_x, end_y) = COLOURS[kind], places[-1]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    dash = ' stroke-dasharray="6 4"' if kind in DASHED else ""
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places)
    x = WIDTH - RIGHT + 22
    lead = f'<path d="M{end_x + 4:.1f} {end_y:.1f}L{x - 4:.1f} {label_y:.1f}" stroke="{colour}" stroke-width="0.6"/>'
    name = f'<text x="{x}" y="{label_y + 4:.1f}" fill="{colour}">{escape(LABELS[kind])}</text>'
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>{dots}{lead}{name}'
