"""The rules of the journal find every seeded fraud of the corpus, and no innocent case that looks like one."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import EXAMPLES, HANDS, ROOT, TODAY
from estate_funds import Books, load_case
from estate_funds.audit import Finding
from estate_funds.audit.catalogue import RULES
from estate_funds.audit.journal_rules import JOURNAL_RULES
from estate_funds.audit.rules import Material, Rule, asked
from estate_funds.audit.rules_of_hands import back_dating, voucher_gaps
from estate_funds.audit.rules_of_money import odd_fen, one_sided_chance, simplest_share
from estate_funds.audit.rules_of_payments import split_payments
from estate_funds.errors import Refusal
from estate_funds.journal import Entry
from estate_funds.ledger import Ledger
from estate_funds.report.vouchers import number_vouchers
from fraud_corpus import CASES, CITY, DISTRICT, REPAIR, Seeded, Town, day
from journals import full_history

FRAUDS = [case for case in CASES if not case.innocent]
INNOCENT = [case for case in CASES if case.innocent]
names = [rule.name for rule in JOURNAL_RULES]


def findings(about: Material, rules: Iterable[Rule] = RULES) -> list[Finding]:
    return [finding for _, found in asked(rules, about) for finding in found]


def test_the_corpus_is_broad_enough() -> None:
    frauds, look_alikes = (Counter(case.rule for case in cases) for cases in (FRAUDS, INNOCENT))
    assert len(FRAUDS) >= 50
    assert all(frauds[name] >= 3 and look_alikes[name] >= 2 for name in names)
    assert set(frauds) | set(look_alikes) == set(names)
    assert len(names) == len(set(names)) == 16


@pytest.mark.parametrize("case", FRAUDS, ids=lambda case: f"{case.rule}-{case.name}")
def test_every_fraud_is_found(case: Seeded) -> None:
    about = case.material()
    found = [finding for finding in findings(about) if finding.rule == case.rule]
    assert found, "not found"
    for finding in found:
        assert finding.clause
        assert finding.clear
        assert finding.entries
        assert set(finding.entries) <= {entry.seq for entry in about.entries}
        assert finding.amount_fen >= 0


@pytest.mark.parametrize("case", INNOCENT, ids=lambda case: f"{case.rule}-{case.name}")
def test_no_look_alike_is_found(case: Seeded) -> None:
    assert findings(case.material()) == []


@pytest.mark.parametrize(
    ("name", "fen", "entries"),
    [("repair_money_pays_a_banquet_through_two_funds", 3_000_000, 4),
     ("only_a_part_of_the_office_money_is_the_owners", 800_000, 4),
     ("three_invoices_of_48_000_in_ten_days", 14_440_000, 3), ("one_invoice_is_paid_by_two_funds", 960_000, 2),
     ("a_last_instalment_of_50_yuan", 49_995_000, 2), ("a_contract_is_promised_again_when_it_is_paid_up", 3_000_000, 2),
     ("it_comes_back_in_two_parts", 7_850_000, 3), ("half_a_million_lies_for_three_years", 50_000_000, 1),
     ("a_tenth_of_a_yearly_budget", 88_000_000, 1), ("one_district_of_four_bears_every_odd_fen", 12, 12),
     ("repair_money_lies_in_the_fund_of_the_neighbour", 5_000_000, 3)],
)  # fmt: skip
def test_what_a_finding_says(name: str, fen: int, entries: int) -> None:
    (case,) = [case for case in FRAUDS if case.name == name]
    (finding,) = [finding for finding in findings(case.material()) if finding.rule == case.rule]
    assert (finding.amount_fen, len(finding.entries)) == (fen, entries)


def test_who_approved_the_opening_is_said() -> None:
    (case,) = [case for case in FRAUDS if case.name == "a_year_is_opened_again_for_a_payment"]
    (finding,) = [finding for finding in findings(case.material()) if finding.rule == case.rule]
    assert "approved by 李强" in finding.what
    assert finding.clause == "批复7号 2"


# --- parameters ---------------------------------------------------------------------------------------------------


def test_the_threshold_is_a_parameter() -> None:
    town = Town()
    town.get(REPAIR, 90_000, day(1))
    for n in range(2):
        town.pay(REPAIR, 19_000, day(3, 1 + n))
    about = town.material()
    assert findings(about) == []
    assert [f.rule for f in findings(about, [split_payments([20_000_00])])] == ["split-payments"]
    assert findings(about, [split_payments([20_000_00], days=0)]) == []
    assert findings(about, [split_payments([40_000_00])]) == []  # together they stay below it
    assert findings(about, [split_payments([24_000_00])]) == []  # not just below


def test_the_odd_fen_that_a_document_gives_away() -> None:
    town = Town()
    for payer in (CITY, DISTRICT):
        town.grant(payer, 10_000, day(1))
    for n in range(11):
        town.award({CITY: 60_000 + n, DISTRICT: 60_001 + n}, day(2, 1 + n))
    about, clause = town.material(), ("办法〔2020〕3号", "5")
    assert findings(about) == []  # nothing says whose it is
    (found,) = findings(about, [odd_fen(given_to={clause: "budget/city"})])
    assert (found.amount_fen, found.subject) == (11, DISTRICT.fund_id)
    assert findings(about, [odd_fen(given_to={clause: "budget/district"})]) == []
    assert findings(about, [odd_fen(bound=Fraction(1, 4_000), given_to={clause: "budget/city"})]) == []


def test_the_sign_test() -> None:
    assert one_sided_chance(9, 9) > Fraction(1, 1_000) >= one_sided_chance(10, 10)
    assert one_sided_chance(0, 7) == 1
    thirds = [split(n) for n in range(1_000, 1_020) for split in [lambda n: (None, (n + 1) // 3, n - (n + 1) // 3)]]
    assert simplest_share(thirds) == Fraction(1, 3)  # type: ignore[arg-type]
    assert simplest_share([(None, 1, 99), (None, 99, 1)]) is None  # type: ignore[list-item]


def test_the_lag_and_the_length_of_a_series_are_parameters() -> None:
    (late,) = [case for case in INNOCENT if case.name == "a_bill_of_december_is_booked_in_january"]
    assert [f.rule for f in findings(late.material(), [back_dating(days=7)])] == ["back-dating"]
    (gap,) = [case for case in FRAUDS if case.name == "a_voucher_is_missing"]
    assert findings(gap.material(), [voucher_gaps(least=12)]) == []


# --- what holds for all -------------------------------------------------------------------------------------------


def test_the_examples_have_no_finding_of_the_journal() -> None:
    for name in ("donghu", "changchun", "city-template", "maintenance-fund", "xx-district"):
        with Books.open("memory", recorded_on=TODAY) as books:
            books.run(load_case(EXAMPLES / name))
            report = books.audit(rules=JOURNAL_RULES)
        assert report.findings == (), name
        covered = [c for c in report.coverage if c.rule]
        assert [c.rule for c in covered] == list(names)
        assert all(c.complete for c in covered)


def test_an_audit_asks_the_rules() -> None:
    with Books.open("memory", recorded_on=TODAY) as books:
        town = Town()
        (case,) = [case for case in FRAUDS if case.name == "one_invoice_is_paid_in_march_and_in_may"]
        case.build(town)
        books.post([entry.draft for entry in town.entries])
        assert [f.rule for f in books.audit().findings] == ["same-invoice"]
        assert books.audit(rules=()).findings == ()


def test_numbers_of_vouchers_are_without_gaps() -> None:
    numbers: dict[object, list[int]] = {}
    for voucher in number_vouchers(full_history().entries):
        numbers.setdefault(voucher.month, []).append(voucher.number)
    assert len(numbers) > 10
    assert all(of_month == list(range(1, len(of_month) + 1)) for of_month in numbers.values())


@cache
def journal(number: int) -> tuple[Entry, ...]:
    """The entries of a case; after the last one, a journal with every kind of entry."""
    return tuple(CASES[number].material().entries if number < len(CASES) else full_history().entries)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rules_never_raise_whatever_somebody_wrote_into_the_rows(data: st.DataObject) -> None:
    entries = [*journal(data.draw(st.integers(0, len(CASES))))]
    texts = st.sampled_from(["", "/", "a/b", "repair/estate/院一", "0", "99999999999999999999", "Ａ", "记-5", "１２"])
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(entries) - 1))
        draft = entries[at].draft
        change: dict[str, Any] = {}
        field = data.draw(
            st.sampled_from(["key", "payee", "maker", "reference", "effective", "postings", "terms", "evidence"])
        )
        if field == "effective":
            change[field] = data.draw(st.sampled_from([date.min, date.max, date(2024, 2, 29)]))
        elif field == "postings":
            lines = [
                p._replace(
                    amount_fen=data.draw(st.sampled_from([-5, 0, 1, p.amount_fen, 2**62])),
                    fund=data.draw(st.just(p.fund) | texts),
                    account=data.draw(st.just(p.account) | texts),
                    detail=data.draw(st.just(p.detail) | texts),
                )
                for p in draft.postings
            ]
            change[field] = tuple(lines[: data.draw(st.integers(0, len(lines)))])
        elif field == "terms":
            change[field] = data.draw(
                st.sampled_from([(), (("permit",),), (("from", "x"),), (("asked", "key"),), ((),)])
            )
        elif field == "evidence":
            change[field] = ()
        else:
            change[field] = data.draw(texts)
        entries[at] = Entry(entries[at].seq, entries[at].recorded, replace(draft, **change))
    ledger = Ledger()
    for entry in entries:
        try:
            ledger.advance(entry)
        except Exception:
            ledger.seq = entry.seq
    findings(Material(entries, ledger, TODAY), JOURNAL_RULES)


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_findings_do_not_depend_on_the_order_of_a_dict(random: Any) -> None:
    case = random.choice(FRAUDS)
    about = case.material()
    shuffled = list(about.ledger.balances.items())
    random.shuffle(shuffled)
    funds = list(about.ledger.funds.items())
    random.shuffle(funds)
    other = case.material()
    other.ledger.balances, other.ledger.funds = dict(shuffled), dict(funds)
    assert findings(about) == findings(other)


def test_findings_are_the_same_bytes_whatever_the_hash_seed() -> None:
    code = "import fraud_corpus as c; print(ascii(c.as_json()))"
    made = []
    for seed in ("1", "2"):
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), *sys.path]),
        }
        made.append(
            subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout
        )
    assert made[0] == made[1]
    assert len(made[0]) > 10_000


def test_random_histories() -> None:
    from estate_funds.testing.events import FUNDS, SLIPS, VERBS, Event, Known, requests
    from estate_funds.vouchers import appropriate, open_fund

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.builds(Event, st.sampled_from(sorted(VERBS)), st.integers(0, 1 << 20), st.integers(1, 5_000), st.integers(0, len(SLIPS) - 1)),
            min_size=5, max_size=30,
        )
    )  # fmt: skip
    def never_raises(events: list[Event]) -> None:
        known, today = Known(Ledger()), date(2024, 3, 1)
        drafts = [open_fund(fund, on=today, hands=HANDS) for fund in FUNDS]
        drafts += [appropriate(f, "city treasury", 90_000, on=today, key=f.fund_id, hands=HANDS) for f in FUNDS[:-1]]
        for number, event in enumerate([None, *events]):
            for draft in requests(event, known, day=today, key=f"e{number}") if event else drafts:
                try:
                    entry = known.ledger.post(draft, recorded=today)
                except Refusal:
                    break
                known.add([entry] if entry else [])
        about = Material(known.entries, known.ledger, TODAY)
        assert findings(about) == findings(about)

    never_raises()


# --- the page -----------------------------------------------------------------------------------------------------


def test_every_rule_of_the_journal_has_an_example_and_a_ground() -> None:
    for rule in JOURNAL_RULES:
        assert re.fullmatch("[a-z]+(-[a-z]+)*", rule.name)
        assert rule.says.endswith(".")
        assert rule.example.endswith(".")
        assert rule.clause
        assert rule.clear


def test_the_tables_of_the_page_are_those_of_the_rules() -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    made = runpy.run_path(str(ROOT / "docs" / "make_findings.py"))["page_text"](page)
    assert page == made, "run: python docs/make_findings.py"
    assert all(f"| `{rule.name}` |" in page for rule in RULES)
    left_alone = page[page.index("## What they leave alone") : page.index("## Other figures")]
    assert all(f"`{name}`" in left_alone for name in names)


def test_the_rule_of_the_page_finds() -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    names: dict[str, Any] = {}
    exec(blocks[0], names)
    town = Town()
    town.get(REPAIR, 5_000_000, day(1))
    town.pay(REPAIR, 2_000_000, day(3))
    town.pay(REPAIR, 1_234_567, day(6))
    assert [f.amount_fen for f in findings(town.material(), [names["ROUND_SUMS"]])] == [200_000_000]
