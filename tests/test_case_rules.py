"""The audit of cases finds each seeded fraud under its name, with its amount and clause, and no look-alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from case_corpus import CORPUS, Specimen, audited, told

FAULTS = [one for one in CORPUS if one.rule]
ALIKE = [one for one in CORPUS if not one.rule]


@pytest.mark.parametrize("one", FAULTS, ids=lambda one: one.name)
def test_a_fault_is_found_under_its_name(one: Specimen, tmp_path: Path) -> None:
    report, keys = audited(one, tmp_path)
    found = [told(finding, keys) for finding in report.findings if finding.rule == one.rule]
    assert found == list(one.found)
    assert {finding.rule for finding in report.findings} == {one.rule, *one.also}


@pytest.mark.parametrize("one", ALIKE, ids=lambda one: one.name)
def test_a_look_alike_is_not_flagged(one: Specimen, tmp_path: Path) -> None:
    report, _ = audited(one, tmp_path)
    assert report.findings == ()
