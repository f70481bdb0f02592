"""What the language of documents says beyond one award: each construct on both sides of its edge, and what it refuses."""

from __future__ import annotations

import operator
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import make_estate
from estate_funds.assess import Claims, Outcome, Status, View, apply_limits, assess
from estate_funds.calendar import Month, Months
from estate_funds.errors import AllocationError, CaseError, CeilingExceeded, NoRuleInForce, PolicyError
from estate_funds.money import allocate_within
from estate_funds.policy import Document, bind, parse_document, with_value
from estate_funds.registry import Assessment, Assessments, Fact, Facts, Headcount, Registry, Subject, estate_subject

M = Month.parse
WINDOW = Months(M("2024-01"), M("2026-01"))

DOCUMENT = """
format = 1
id = "town"
number = "1"
title = "t"
issuer = "i"
from = 2024-01-01
clause = "1"
clauses = {{ "1" = "one" }}
{head}

[kinds.work]
text = "a work"
clause = "1"

[facts.cost]
type = "yuan"
of = "work"
text = "cost"
clause = "1"

[facts.paid]
type = "yuan"
of = "work"
text = "what the district paid"
clause = "1"

[facts.posted]
type = "date"
of = "work"
text = "day of the notice"
clause = "1"

[facts.objection]
type = "yes_no"
of = "work"
text = "is an objection open"
clause = "1"

[facts.owner]
type = "text"
of = "work"
text = "the owner"
clause = "1"

[provisions.grant]
title = "grant"
clause = "1"
sum = "rate_times_base"
each = "work"
claim_period = "once"
anchor = "enrolment"
counted_on = "enrolment"
first_month = "any_day"
last_month = "any_day"
rounding = {{ level = "line", mode = "half_up" }}
purpose = "grant"
pays_from = "money"
payee = "street"
{provision}

[[provisions.grant.rate]]
from = 2024-01-01
clause = "1"
unit = "share of cost"
value = "1"

[[provisions.grant.payers]]
from = 2024-01-01
clause = "1"
{payers}

[funds.money]
title = "money"
held_by = ["city", "district", "owner"]
carry_forward = true
provenance = "fifo"
clause = "1"

[[funds.money.permits]]
purposes = ["grant"]
payee_classes = ["street"]
from = 2024-01-01
clause = "1"
{tail}
"""
HALVES = 'shares = { city = "1/2", district = "1/2" }\nodd_fen_to = "district"'


def town(*, head: str = "", provision: str = "", payers: str = HALVES, tail: str = "") -> Document:
    return parse_document(DOCUMENT.format(head=head, provision=provision, payers=payers, tail=tail), source="town.toml")


def registry(works: dict[str, dict[str, Fraction | date | str]], *, on: date = date(2024, 3, 1)) -> Registry:
    estate = make_estate(service_start=date(2024, 1, 1), floor_area_centi_m2=800_000)
    units = estate_subject(estate).units
    subjects = [Subject(name, "work", name, units, on) for name in works]
    facts = Facts((name, fact, "", Fact(value)) for name, told in works.items() for fact, value in told.items())
    counts = {"a": Headcount.from_changes({date(2000, 1, 1): 100})}
    return Registry.build({"a": estate}, counts, subjects=subjects, facts=facts)


def grants(document: Document, works: dict[str, dict[str, Fraction | date | str]]) -> Claims:
    there = registry(works)
    found = assess(document, "grant", there, Assessments(), window=WINDOW)
    return apply_limits(document, there, Assessments(), found)


MEETS = {"at_least": operator.ge, "above": operator.gt, "at_most": operator.le, "below": operator.lt}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(MEETS)), st.integers(0, 40), st.integers(-1, 1))
def test_a_share_of_another_fact_is_compared_as_numbers_are(bound: str, part: int, more: int) -> None:
    """Below, at and above a share: of 40 votes, more than half are 21 and not 20 (Civil Code 1259)."""
    asked = f'[[requirements]]\nfact = "paid"\n{bound} = "{part}/40"\nof = "cost"\notherwise = "refuse"\nclause = "1"\n'
    paid = max(0, part + more)
    claim = grants(town(tail=asked), {"w": {"cost": Fraction(40), "paid": Fraction(paid)}})["w"]
    assert (claim.lines[0].outcome is Outcome.DUE) == MEETS[bound](paid, part)


yuan = st.integers(0, 10**9).map(lambda fen: Fraction(fen, 100))


@given(yuan, st.lists(st.integers(1, 9), min_size=2, max_size=2), st.sampled_from(["largest_remainder", "residue"]))
def test_the_parts_of_every_payer_sum_and_the_odd_fen_goes_where_the_document_says(
    cost: Fraction, parts: list[int], odd: str
) -> None:
    whole = sum(parts)
    shares = f'shares = {{ city = "{parts[0]}/{whole}", district = "{parts[1]}/{whole}" }}'
    document = town(payers=f'{shares}\nodd_fen_to = "district"\nodd_fen = "{odd}"')
    claim = grants(document, {"w": {"cost": cost}})["w"]
    assert sum(claim.shares.values()) == claim.amount_fen == cost * 100
    exact = cost * 100 * parts[0] / whole
    larger = odd == "largest_remainder" and exact % 1 > Fraction(1, 2)  # of equal ones the district's counts as larger
    assert claim.shares.get("city", 0) == exact // 1 + larger


FIRST = """first = { of = "paid", shares = { owner = "1" }, odd_fen_to = "owner" }
shares = { city = "1" }
odd_fen_to = "city"
"""


@given(yuan, yuan)
def test_a_first_part_is_paid_first_and_the_rest_is_never_below_nought(cost: Fraction, paid: Fraction) -> None:
    claim = grants(town(payers=FIRST), {"w": {"cost": cost, "paid": paid, "owner": "某厂"}})["w"]
    assert claim.shares.get("owner", 0) == min(cost, paid) * 100
    assert claim.shares.get("city", 0) == max(Fraction(0), cost - paid) * 100
    assert {share.holder for line in claim.lines for share in line.shares} <= {"某厂", "city"}


MATCHED = HALVES + '\nmatching = { payer = "district", paid = "paid", clause = "1" }'


@pytest.mark.parametrize(
    ("paid", "city", "district"),
    [("50.00", 5000, 5000), ("50.01", 5000, 5000), ("49.99", 4999, 5000), ("0.00", 0, 5000), ("10.00", 1000, 5000)],
)
def test_what_the_other_side_has_not_paid_is_not_matched(paid: str, city: int, district: int) -> None:
    claim = grants(town(payers=MATCHED), {"w": {"cost": Fraction(100), "paid": Fraction(paid)}})["w"]
    assert (claim.shares.get("city", 0), claim.shares["district"]) == (city, district)
    assert claim.amount_fen == city + district


def test_a_match_that_fails_is_recovered_when_it_was_advanced() -> None:
    """The city advanced its half; the district never paid: the city's money comes back."""
    advance = 'advance = { at_most = "1", of = "cost", clause = "1" }\npays_into = "money"'
    document = town(provision=advance.replace('pays_into = "money"', 'pays_into = "taken"'), payers=MATCHED, tail=TAKEN)
    works: dict[str, dict[str, Fraction | date | str]] = {"w": {"cost": Fraction(100), "paid": Fraction(0)}}
    first, final = grants(document, works)
    assert first.shares == {"city": 5000, "district": 5000}
    assert final.shares == {"city": -5000, "district": 0}
    assert final.status is Status.REFUND


TAKEN = """
[funds.taken]
title = "taken"
held_by = ["street"]
carry_forward = true
provenance = "fifo"
clause = "1"

[[funds.taken.permits]]
purposes = ["refund"]
payee_classes = ["city", "district"]
into = "money"
from = 2024-01-01
clause = "1"
"""

LATER = """
[[requirements]]
fact = "paid"
at_least = "50"
otherwise = "refuse"
clause = "1"
"""


@pytest.mark.parametrize(
    ("known_on", "due"),
    [(date(2024, 12, 31), {"once/advance": 3000, "once": -3000}), (date(2024, 2, 1), {"once": 0})],
)
def test_an_advance_is_judged_by_what_was_known_on_its_day(known_on: date, due: dict[str, int]) -> None:
    """What is known later does not undo it: the settlement asks for it back; what was known before never paid it."""
    advance = 'advance = { at_most = "0.3", of = "cost", clause = "1" }\npays_into = "taken"'
    document = town(provision=advance, tail=TAKEN + LATER)
    there = registry({"w": {"cost": Fraction(100)}})
    facts = Facts([("w", "cost", "", Fact(Fraction(100))), ("w", "paid", "", Fact(Fraction("49.99"), known_on))])
    known = Registry.build(there.estates, there.headcounts, subjects=there.subjects.values(), facts=facts)
    claims = assess(document, "grant", known, Assessments(), window=WINDOW)
    assert {c.claim_id.removeprefix("town/grant/w/"): c.amount_fen for c in claims} == due


def test_what_no_gate_asks_for_does_not_decide() -> None:
    """The estate's assessment is not this provision's: a notice that has run decides alone."""
    works: dict[str, dict[str, Fraction | date | str]] = {
        "w": {"cost": Fraction(100), "posted": date(2024, 4, 1), "objection": "no"}
    }
    there = registry(works)
    results = Assessments([Assessment("a", 2024, "pass", date(2025, 1, 10))])
    claim = assess(town(provision=NOTICE), "grant", there, results, window=WINDOW)["w"]
    assert claim.decided_on == date(2024, 4, 9)


NOTICE = 'notice = { days = 7, published_on = "posted", objection = "objection", clause = "1" }'


@pytest.mark.parametrize(
    ("objection", "status", "decided"),
    [("no", Status.DUE, date(2024, 4, 9)), ("yes", Status.PENDING, None)],
)
def test_a_notice_runs_its_days_and_an_objection_holds(objection: str, status: Status, decided: date | None) -> None:
    """Published on 1 April: the day itself is not counted, the seventh is the 8th, the 9th decides."""
    works: dict[str, dict[str, Fraction | date | str]] = {
        "w": {"cost": Fraction(100), "posted": date(2024, 4, 1), "objection": objection}
    }
    claim = grants(town(provision=NOTICE), works)["w"]
    assert (claim.status, claim.decided_on) == (status, decided)
    assert grants(town(provision=NOTICE), {"w": {"cost": Fraction(100)}})["w"].status is Status.PENDING


CEILING = '[[ceilings]]\nprovisions = ["grant"]\nfrom = 2024-01-01\nvalue = "100.00"\nexcess = "{excess}"\nclause = "1"'


@pytest.mark.parametrize(
    ("excess", "costs", "due"),
    [
        ("pro_rata", ["60", "40"], [6000, 4000]),
        ("pro_rata", ["60.01", "40"], [6000, 4000]),
        ("pro_rata", ["150", "50"], [7500, 2500]),
        ("in_order", ["60", "40.01"], [6000, 4000]),
        ("in_order", ["150", "50"], [10000, 0]),
    ],
)
def test_a_ceiling_is_kept_to_the_fen(excess: str, costs: list[str], due: list[int]) -> None:
    document = town(tail=CEILING.format(excess=excess))
    claims = grants(document, {f"w{n}": {"cost": Fraction(cost)} for n, cost in enumerate(costs)})
    assert [c.amount_fen for c in claims] == due
    assert all(sum(c.shares.values()) == c.amount_fen for c in claims)


def test_a_ceiling_that_refuses_and_one_that_waits_for_what_is_pending() -> None:
    works: dict[str, dict[str, Fraction | date | str]] = {
        "w0": {"cost": Fraction(60)},
        "w1": {"cost": Fraction("40.01")},
    }
    with pytest.raises(CeilingExceeded, match=r"100\.01 yuan"):
        grants(town(tail=CEILING.format(excess="refuse")), works)
    held = town(
        tail=CEILING.format(excess="pro_rata")
        + '\n[[requirements]]\nfact = "posted"\non_or_after = 2024-01-01\notherwise = "refuse"\nclause = "1"\n'
    )
    works["w0"]["posted"] = date(2024, 2, 1)
    assert [c.status for c in grants(held, works)] == [Status.PENDING, Status.PENDING]
    works["w1"]["posted"] = date(2023, 12, 31)
    assert [c.amount_fen for c in grants(held, works)] == [6000, 0]


@settings(max_examples=200)
@given(
    st.integers(0, 10**7),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 100), min_size=1),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10**6)),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10**6)),
)
def test_bounded_parts_keep_their_bounds_and_never_exceed_the_total(
    total: int, weights: dict[str, int], low: dict[str, int], more: dict[str, int]
) -> None:
    low = {k: v for k, v in low.items() if weights.get(k)}
    high = {k: low.get(k, 0) + v for k, v in more.items() if k in weights}
    if sum(low.values()) > total:
        with pytest.raises(AllocationError):
            allocate_within(total, weights, low=low, high=high)
        return
    parts = allocate_within(total, weights, low=low, high=high)
    assert sum(parts.values()) <= total
    assert all(parts[k] >= v for k, v in low.items())
    assert all(parts[k] <= v for k, v in high.items())
    if any(weights[k] and k not in high for k in weights):
        assert sum(parts.values()) == total


def test_a_local_document_over_a_general_one_and_a_later_over_an_earlier() -> None:
    general = parse_document(
        DOCUMENT.format(head="", provision="", payers=HALVES, tail="").replace("2024-01-01", "2023-01-01"), source="x"
    )
    local = parse_document(
        DOCUMENT.format(head='over = ["town"]', provision="", payers=HALVES, tail="")
        .replace('id = "town"', 'id = "ward"')
        .replace('value = "1"', 'value = "2"'),
        source="y",
    )
    for on, due in ((date(2023, 12, 31), (10000, None)), (date(2024, 1, 1), (None, 20000))):
        there = registry({"w": {"cost": Fraction(100)}}, on=on)
        window = Months(M("2023-01"), M("2025-01"))
        found = assess(general, "grant", there, Assessments(), window=window, above=[local])
        other = assess(local, "grant", there, Assessments(), window=window, below=[general])
        assert (found.amount_fen or None, other.amount_fen or None) == due
    with pytest.raises(NoRuleInForce, match="ward is not in force"):
        assess(local, "grant", registry({"w": {}}, on=date(2023, 12, 31)), Assessments(), window=window)


SETTING = '[settings.part]\nkind = "share"\nexample = "1/2"\nclause = "1"\ntext = "the share"'


def test_a_setting_stands_wherever_a_value_may() -> None:
    text = DOCUMENT.format(head=SETTING, provision="", payers=HALVES, tail="")
    document = parse_document(text.replace('value = "1"', 'value = { setting = "part" }'), source="x")
    assert grants(bind(document, {"part": "3/4"}), {"w": {"cost": Fraction(100)}})["w"].amount_fen == 7500
    assert bind(document, {"part": "3/4"}).digest != bind(document, {"part": "1/2"}).digest
    for chosen, words in (
        ({}, "is not set"),
        ({"part": "x"}, "not of its kind"),
        ({"prt": "1"}, "did you mean 'part'"),
    ):
        with pytest.raises(PolicyError, match=words):
            bind(document, chosen)
    changed = with_value(bind(document, {"part": "1"}), "provisions.grant.payers[0].shares.city", "1/2")
    assert changed.digest != document.digest
    with pytest.raises(PolicyError, match="did you mean 'grant'"):
        with_value(document, "provisions.grnt.title", "x")


def test_two_tiers_that_fit_and_none_that_does() -> None:
    text = DOCUMENT.format(head="", provision="", payers=HALVES, tail="").replace(
        'value = "1"\n',
        'tiers = [{ when = [{ fact = "paid", at_most = "10" }], value = "1" }, { when = [{ fact = "paid", at_least = "10", below = "20" }], value = "0.5" }]\n',
    )
    document = parse_document(text, source="x")
    for paid, due in (("9.99", 10000), ("10.01", 5000), ("19.99", 5000)):
        assert grants(document, {"w": {"cost": Fraction(100), "paid": Fraction(paid)}})["w"].amount_fen == due
    for paid, words in (("10", "2 tiers of the rate fit w"), ("20", "no tiers of the rate fit w")):
        with pytest.raises(NoRuleInForce, match=words):
            grants(document, {"w": {"cost": Fraction(100), "paid": Fraction(paid)}})
    claim = grants(document, {"w": {"cost": Fraction(100)}})["w"]
    assert (claim.lines[0].outcome, claim.lines[0].reason) == (Outcome.PENDING, "waits for paid")


REFUSED = [
    ({"provision": 'advance = { asked = "cst", at_most = "1", of = "cost", clause = "1" }\npays_into = "taken"', "tail": TAKEN}, "did you mean 'cost'"),
    ({"provision": 'advance = { asked = "cost", at_most = "1", of = "cost", clause = "1" }'}, "an advance out of the books"),
    ({"provision": NOTICE.replace('"posted"', '"cost"')}, "a fact that is a date"),
    ({"provision": 'applications = { fact = "posted", from = "13-01", to = "06-30", clause = "1" }'}, "text of the form"),
    ({"provision": 'gate = { fact = "cost", passes = ["a"], fails = ["b"], clause = "1" }'}, "a fact that is a choice"),
    ({"provision": 'caps = [{ from = 2024-01-01, value = "1", per = "posted", clause = "1" }]'}, "a fact that is a number"),
    ({"provision": 'claim_per = "work"\npool = "work"'}, "neither total nor weights nor pool"),
    ({"provision": 'claim_per = "wrk"'}, "a key of \\[kinds\\]"),
    ({"payers": 'shares = { city = "1/2", nobody = "1/2" }\nodd_fen_to = "city"'}, "a holder of money"),
    ({"payers": HALVES + '\nmatching = { payer = "street", paid = "paid", clause = "1" }'}, "one that pays a share"),
    ({"payers": HALVES + '\nwhen = [{ fact = "objection", is = ["maybe"] }]'}, "one of yes, no"),
    ({"payers": HALVES + '\nwhen = [{ fact = "objection", at_least = "1" }]'}, "a fact that is a number"),
    ({"payers": HALVES + '\nwhen = [{ fact = "cost" }]'}, "wanted|one kind of"),
    ({"payers": HALVES + '\nwhen = [{ fact = "cost", at_least = "2", at_most = "1" }]'}, "a band that holds something"),
    ({"tail": CEILING.format(excess="pro_rata").replace("grant", "grnt")}, "did you mean 'grant'"),
    ({"tail": CEILING.format(excess="pro_rata").replace('value = "100.00"', 'fact = "cost"')}, "the level whose fact it is"),
    ({"tail": '[[once]]\nprovisions = ["grant"]\nkey = ["blocks"]\nclause = "1"'}, "subject, period, a level, or a fact"),
    ({"tail": '[derived.x]\nclause = "1"\ntext = "x"\nratio = ["x", "cost"]'}, "not derived from itself"),
    ({"tail": '[derived.x]\nclause = "1"\ntext = "x"\nratio = ["cost"]'}, "part, whole"),
    ({"tail": '[derived.x]\nclause = "1"\ntext = "x"\nratio = ["cost", "paid"]\nsum_of = ["cost"]'}, "exactly one of"),
    ({"tail": '[deadlines.d]\nclause = "1"\ntext = "d"\nof = "work"\nafter = "cost"\ndone = "posted"\ndays = 3'}, "a fact that is a date"),
    ({"tail": '[facts.household]\nclause = "1"\ntext = "x"\ntype = "number"'}, "another name"),
    ({"tail": '[facts.grade]\nclause = "1"\ntext = "x"\ntype = "choice"'}, "values for a choice"),
    ({"tail": '[settings.s]\nkind = "amount"\nclause = "1"\ntext = "s"'}, "a default, or an example"),
    ({"tail": '[settings.s]\nkind = "day"\nclause = "1"\ntext = "s"\ndefault = "2024"'}, "a day, YYYY-MM-DD"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "words"), REFUSED)
def test_a_document_that_means_nothing_is_refused(parts: dict[str, str], words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        town(**parts)


def test_a_subject_that_lies_nowhere_has_no_street() -> None:
    there = registry({})
    loose = Subject("w", "work", "w", {"city": "city"}, date(2024, 3, 1))
    known = Registry.build(
        there.estates, there.headcounts, subjects=[loose], facts=Facts([("w", "cost", "", Fact(Fraction(1)))])
    )
    with pytest.raises(CaseError, match="belongs to no district"):
        assess(town(), "grant", known, Assessments([Assessment("w", 2024, "x", date(2024, 5, 1))]), window=WINDOW)


def test_the_language_knows_no_city() -> None:
    source = Path(__file__).parents[1] / "src" / "estate_funds"
    for path in [*(source / "policy").rglob("*.py"), *(source / "assess").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert not any(name in text for name in ("donghu", "changchun", "jingbalu", "xx-district"))


def test_a_territory_that_is_nowhere_is_refused(tmp_path: Path) -> None:
    import shutil

    from estate_funds import load_case

    folder = Path(shutil.copytree(Path(__file__).parents[1] / "examples" / "donghu", tmp_path / "donghu"))
    shipped = Path(__file__).parents[1] / "src" / "estate_funds" / "policies" / "donghu-2021-17.toml"
    territory = '\n[territory]\nlevel = "street"\nnames = ["公园街"]\nclause = "二"\n\n[clauses]'
    text = shipped.read_text(encoding="utf-8").replace("\n[clauses]", territory, 1)
    (folder / "local.toml").write_text(text, encoding="utf-8")
    case = (folder / "case.toml").read_text(encoding="utf-8")
    (folder / "case.toml").write_text(case.replace('["donghu-2021-17"]', '["local.toml"]'), encoding="utf-8")
    with pytest.raises(CaseError, match="did you mean '公园街道'"):
        load_case(folder)


def test_what_rests_on_several_subjects_is_decided_when_the_last_is_known() -> None:
    ranked = '[derived.place]\ntext = "place"\nrank_of = "cost"\nwithin = "estate"\nclause = "1"'
    held = '[[requirements]]\nfact = "place"\nat_most = "2"\notherwise = "refuse"\nclause = "1"'
    summed = '[derived.costs]\ntext = "all"\nsum_over = { kind = "work", fact = "cost" }\nclause = "1"'
    costs = {"w1": (Fraction(3), date(2024, 6, 1)), "w2": (Fraction(2), date(2024, 5, 1))}
    bare = registry({name: {} for name in costs})
    facts = Facts((name, "cost", "", Fact(value, known)) for name, (value, known) in costs.items())
    there = bare.with_subjects(bare.subjects.values(), facts)

    together = assess(town(provision='claim_per = "estate"'), "grant", there, Assessments(), window=WINDOW)
    assert [c.decided_on for c in together] == [date(2024, 6, 1)]
    each = assess(town(tail=f"{ranked}\n\n{held}"), "grant", there, Assessments(), window=WINDOW)
    assert [c.decided_on for c in each] == [date(2024, 6, 1)] * 2
    view = View(town(tail=summed), there, Assessments(), there.subject("a"), "", date(2024, 7, 1))
    assert (view.value("costs"), view.days) == (5, {"cost": date(2024, 6, 1)})


def test_the_register_knows_what_belongs_to_what() -> None:
    works = registry({"w1": {}, "w2": {}})
    estate = works.subject("a")
    assert [s.subject_id for s in works.members("work", "estate", "a")] == ["w1", "w2"]
    assert works.members("work", "estate", "b") == works.of_kind("post") == ()
    assert works.estates_in(works.subject("street/street")) == works.estates_in(estate) == [works.estates["a"]]
    assert works.owner(works.subject("w1"), "street") == "street/street"
