"""benchmarks/bulk.py without measuring: aims, history and the page, from made-up results."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import bulk
import bulk_page

MACHINE = {"cpu": "a cpu", "cores": 2, "memory_gib": 8.0, "load_before": [0.1, 0, 0], "python": "3.11", "numpy": "2.0"}


def result(rate: float = 200.0, parquet: float = 1.2, load: float = 0.1) -> dict[str, Any]:
    about = {"date": "2026-01-02", "commit": "abc", "machine": {**MACHINE, "load_before": [load]}, "rounds": 1}
    cpu = {"cpu_s": {"value": 0.001}, "inside_s": {"value": 0.001}}
    points = {"copy": {"1000": 1e-6, "10000": 4e-6}, "ours": {"1000": 9e-6, "10000": 3e-5}}
    whole = {"1000": {"process_s": 0.2, "peak_mib": 90.0}}
    return {
        "benchmark": "bulk",
        "sections": {
            "award": {
                **about,
                "rows": 1000,
                "kinds": {"copy": cpu, "ours": cpu},
                "figures": {"award_rate": {"value": rate, "min": rate, "max": rate}},
                "missing": {"polars": "polars is not installed"},
                "checks": {"fen": {"amount": 123_456_789}, "equal": ["ours", "numpy_chunks"]},
            },
            "curve": {**about, "points": points, "missing": {}, "figures": {}},
            "parquet": {
                **about,
                "rows": 1000,
                "kinds": {"copy": cpu},
                "figures": {"parquet": {"value": parquet}, "workers": {"value": 1.1}},
                "missing": {},
            },
            "country": {
                **about,
                "points": {"bulk": whole, "copy": whole},
                "made": {"1000": {"bytes": 9000}},
                "missing": {},
                "figures": {},
            },
        },
    }


def test_the_page_says_what_was_measured_missed_and_skipped() -> None:
    page = bulk_page.page(result(rate=100.0), bulk.AIMS)
    row = next(line for line in page.splitlines() if line.startswith("| award of a claim year in memory"))
    assert "at least 150 M households/s" in row
    assert "**missed**" in row
    assert "not measured" in page  # CSV, for one
    assert "Skipped: Polars expression, polars is not installed." in page
    assert "1,234,567.89 yuan" in page


def test_a_page_without_results_is_a_page() -> None:
    page = bulk_page.page({"sections": {}}, bulk.AIMS)
    assert page.count("| not measured |") == len(bulk.AIMS)
    ET.fromstring(bulk_page.plot({"sections": {}}))


def test_the_plot_is_svg_that_needs_nothing_else() -> None:
    text = bulk_page.plot(result())
    tree = ET.fromstring(text)
    assert {element.tag.rpartition("}")[2] for element in tree.iter()} == {
        "svg",
        "title",
        "rect",
        "text",
        "path",
        "circle",
    }
    assert "href" not in text
    labels = [element.text for element in tree.iter() if element.tag.endswith("text")]
    assert "estate_funds, in memory" in labels
    assert "estate_funds, Parquet, all" in labels


def test_labels_do_not_cover_each_other() -> None:
    places = sorted(bulk_page.apart({"a": 430.0, "b": 431.0, "c": 100.0, "d": 101.0}).values())
    assert all(below - above >= bulk_page.LABEL_GAP for above, below in pairwise(places))


@pytest.mark.parametrize(
    ("parquet", "load", "wanted"),
    [
        pytest.param(1.2, 0.1, ["two workers"], id="two free cores"),
        pytest.param(1.2, 1.5, [], id="workers are not judged on a busy machine"),
        pytest.param(1.3, 1.5, ["Parquet to Parquet"], id="a time is"),
    ],
)
def test_missed_aims(parquet: float, load: float, wanted: list[str]) -> None:
    lines = bulk.missed(result(parquet=parquet, load=load))
    assert [any(line.startswith(start) for line in lines) for start in wanted] == [True] * len(wanted)
    assert len(lines) == len(wanted)


def test_the_history_says_what_is_worse_by_a_fifth(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append = bulk.compare_and_append
    assert append(path, result(rate=200.0, parquet=1.0), ["award", "parquet"]) == []
    assert append(path, result(rate=170.0, parquet=1.2), ["award", "parquet"]) == []
    fell = append(path, result(rate=130.0, parquet=1.6), ["award", "parquet"])
    assert [line.partition(":")[0] for line in fell] == [bulk.AIMS["award_rate"].what, bulk.AIMS["parquet"].what]
    assert "was 170.0 on 2026-01-02 at abc" in fell[0]
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 9
    assert lines[0] == {
        "date": "2026-01-02", "machine": "a cpu, 2 cores, 8.0 GiB", "commit": "abc", "benchmark": "bulk/award",
        "ratio": "award_rate", "rows": 1000, "value": 200.0,
    }  # fmt: skip


def test_linear_is_told_from_more_than_linear() -> None:
    def points(second: float) -> dict[str, dict[str, float]]:
        return {str(n): {"process_s": 0.5 + 1e-7 * n * (second if n > 100 else 1)} for n in (10, 100, 1000)}

    assert bulk.bend(points(1.0)) == pytest.approx(1.0)
    assert bulk.bend(points(1.5)) > 1.4
