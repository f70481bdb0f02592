"""The audit of cases finds each seeded fraud under its name, with its amount and clause, and no look-alike."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from case_corpus import CORPUS, Specimen, audited, honest, told
from conftest import EXAMPLES, ROOT, TODAY
from estate_funds import Books, load_case, load_document
from estate_funds.audit import Severity
from estate_funds.audit.case_rules import CASE_RULES
from estate_funds.audit.claims import CHECKS
from estate_funds.audit.rules import Material, Rule
from estate_funds.duties import orderings
from estate_funds.errors import PolicyError
from estate_funds.exchange.households import HouseholdFile
from estate_funds.journal import Kind
from estate_funds.policy import parse_document

FAULTS = [one for one in CORPUS if one.rule]
ALIKE = [one for one in CORPUS if not one.rule]


@pytest.mark.parametrize("one", FAULTS, ids=lambda one: one.name)
def test_a_fault_is_found_under_its_name(one: Specimen, tmp_path: Path) -> None:
    report, keys = audited(one, tmp_path)
    found = [told(finding, keys) for finding in report.findings if finding.rule == one.rule]
    assert found == list(one.found)
    assert {finding.rule for finding in report.findings} == {one.rule, *one.also}
    assert all(finding.what and finding.clear for finding in report.findings)


@pytest.mark.parametrize("one", ALIKE, ids=lambda one: one.name)
def test_a_look_alike_is_not_flagged(one: Specimen, tmp_path: Path) -> None:
    report, _ = audited(one, tmp_path)
    assert report.findings == ()


def test_the_corpus_is_large_and_every_rule_has_its_fault() -> None:
    assert len(FAULTS) >= 50
    assert len(ALIKE) >= 40
    seeded = {one.rule for one in FAULTS}
    assert {rule.name for rule in CASE_RULES} <= seeded
    assert set(CHECKS) <= seeded
    assert len({one.name for one in CORPUS}) == len(CORPUS)


# What the public reports of auditors name, and the rule under which its like is found here.
PUBLIC_CASES = {
    "late payment": "late", "withheld payment": "withheld", "matching money missing": "matching-missing",
    "progress paid beyond the contract": "overpaid-advance", "final accounts before completion": "date-order",
    "a vote announced before the count": "date-order", "a start before the contract": "date-order",
    "duplicate households": "duplicate-household", "ineligible households": "ineligible",
    "money diverted to offices": "no-source", "receipts on private accounts": "not-booked",
    "forged votes": "vote-forged", "payment in spite of a poor assessment": "failed-assessment",
    "a lost unit": "fact-unit-slip",
}  # fmt: skip


@pytest.mark.parametrize("rule", sorted(set(PUBLIC_CASES.values())))
def test_public_cases_have_their_like(rule: str) -> None:
    assert any(one.rule == rule for one in FAULTS)


# --- rules and what they are asked --------------------------------------------------------------------------------


def test_without_a_case_no_rule_about_cases_is_asked_and_the_coverage_says_so() -> None:
    coverage = {one.rule: one for one in honest("donghu").audit().coverage}
    for rule in CASE_RULES:
        assert coverage[rule.name].note == "not checked: no case was given"
        assert not coverage[rule.name].complete


def test_the_coverage_counts_what_each_rule_looked_at() -> None:
    report = honest("changchun").audit(load_case(EXAMPLES / "changchun"))
    looked = {one.rule: one.checked for one in report.coverage}
    assert (looked["vote-short"], looked["vote-forged"]) == (2, 3)
    assert looked["date-order"] > 20
    assert looked["fee-twice"] == 0


@pytest.mark.parametrize(
    "name", ["donghu", "changchun", "city-template", "maintenance-fund", "xx-district", "jingbalu"]
)
def test_the_shipped_cases_have_no_finding_and_the_same_report_twice(name: str) -> None:
    case = load_case(EXAMPLES / name)
    report = honest(name).audit(case)
    assert report.findings == ()
    assert honest(name).audit(load_case(EXAMPLES / name)).to_json() == report.to_json()


def test_a_rule_of_ones_own_sees_the_case() -> None:
    def find(about: Material, rule: Rule):  # type: ignore[no-untyped-def]
        for claim in about.paid_claims:
            entries = [about.entry(seq) for seq in about.paid[claim.claim_id].entries]
            yield rule.found("paid", *entries, amount_fen=about.paid[claim.claim_id].fen)

    rule = Rule("paid", Severity.WARNING, "Paid.", "none", "nothing", lambda about: about.paid_claims, find, ("case",))
    report = honest("donghu").audit(load_case(EXAMPLES / "donghu"), rules=[rule])
    assert len(report.findings) == 9
    assert sum(finding.amount_fen for finding in report.findings) == 1_428_840_00
    assert {finding.rule for finding in report.findings} == {"paid"}
    year = honest("donghu").audit(load_case(EXAMPLES / "donghu"), rules=[rule], year=2023).findings
    assert [finding.where.partition(" ")[0] for finding in year] == ["entry"]


def test_findings_of_the_comparison_name_their_entries() -> None:
    case = load_case(EXAMPLES / "donghu")
    with Books.open("memory", recorded_on=TODAY) as books:
        books.run(case)
        drafts = [entry.draft for entry in books.entries()]
    spoiled = [replace(d, clause="九九") if d.kind is Kind.DISBURSEMENT else d for d in drafts]
    with Books.open("memory", recorded_on=TODAY) as books:
        books.post(spoiled)
        findings = books.audit(case).findings
        assert [books.entry(seq).draft.kind for f in findings for seq in f.entries] == [Kind.DISBURSEMENT] * 9


# --- the papers behind the rules ----------------------------------------------------------------------------------


def test_documents_order_days_as_data() -> None:
    text = (ROOT / "src/estate_funds/policies/city-template-2.toml").read_text(encoding="utf-8")
    case = load_case(EXAMPLES / "city-template")
    document = load_document("city-template-2")
    assert set(document.orders) == {"survey-result", "final-accounts"}
    found = {one.name for one in case.orderings(TODAY)}
    assert found == {"survey", "survey-of-unfinished", "set-up", "survey-result", "final-accounts"}
    early = list(
        orderings(case.documents["city-template-2"], case.registry, case.assessments, today=date(2024, 10, 30))
    )
    assert [(one.name, one.subject.subject_id) for one in early] == [("survey-of-unfinished", "mianfang")]
    with pytest.raises(PolicyError, match=r"orders\.final-accounts\.then"):
        parse_document(text.replace('then = "audited_cost"', 'then = "audited_costs"'), source="x")
    with pytest.raises(PolicyError, match=r"orders\.final-accounts\.of"):
        parse_document(text.replace('of = "line"\nfirst', 'of = "lines"\nfirst'), source="x")


def test_a_household_file_says_the_same_as_csv_and_as_parquet(tmp_path: Path) -> None:
    rows = [
        "a-01-0001,e,2001-01-01,",
        "Ａ 1.1,f,2001-01-01,",
        "a-1-2,e,2001-01-01,2010-01-01",
        "a-1-02,e,2010-01-01,",
        "b,e,2001-01-01,",
    ]
    path = tmp_path / "households.csv"
    path.write_text("household_id,estate_id,registered_on,removed_on\n" + "\n".join(rows) + "\n", encoding="utf-8")
    told = [(one.household_id, one.row, other.household_id, other.row) for one, other in HouseholdFile(path).doubled()]
    assert told == [("a-01-0001", 2, "Ａ 1.1", 3)]
    assert HouseholdFile(path).named({"b", "c"})["b"].row == 6
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(path), tmp_path / "households.parquet")
    (pair,) = HouseholdFile(tmp_path / "households.parquet").doubled()
    assert [(one.household_id, one.row) for one in pair] == [("a-01-0001", 1), ("Ａ 1.1", 2)]
    assert HouseholdFile().doubled() == []
    assert HouseholdFile().named({"b"}) == {}


# --- the page -----------------------------------------------------------------------------------------------------


def test_the_page_for_auditors_names_every_rule_with_its_severity() -> None:
    page = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
    reference = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    for rule in CASE_RULES:
        assert f"| `{rule.name}` | {rule.severity} |" in page
    for name in {*CHECKS, *(rule.name for rule in CASE_RULES)}:
        assert re.search(rf"\| `{name}`", page), name
        assert f"`{name}`" in reference, name
