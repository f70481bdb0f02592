from __future__ import annotations

import json
import tomllib
from datetime import date
from fractions import Fraction
from importlib import resources

import jsonschema
import pytest

from estate_funds import load_document
from estate_funds.errors import NoRuleInForce, PolicyError, UnknownClause, UnknownDocument
from estate_funds.load import shipped_documents
from estate_funds.policy import json_schema, parse_document, version_on
from estate_funds.testing.worked_cases import WorkedCase, check_worked_case, read_worked_cases

POLICIES = resources.files("estate_funds.policies")
DONGHU = (POLICIES / "donghu-2021-17.toml").read_text(encoding="utf-8")


def worked() -> list[tuple[str, WorkedCase]]:
    found = []
    for name in shipped_documents():
        source = f"{name}.cases.toml"
        cases = read_worked_cases((POLICIES / source).read_text(encoding="utf-8"), source=source)
        assert cases, f"{source} has no case"
        found += [(name, case) for case in cases]
    return found


@pytest.mark.parametrize(("name", "case"), worked(), ids=lambda v: v if isinstance(v, str) else v.name)
def test_worked_cases(name: str, case: WorkedCase) -> None:
    assert check_worked_case(load_document(name), case) == []


def test_a_wrong_worked_case_is_found() -> None:
    case = next(case for name, case in worked() if name == "donghu-2021-17")
    wrong = case.model_copy(update={"expected": ("216.01", *case.expected[1:]), "shares": {"city": "1.00"}})
    assert len(check_worked_case(load_document("donghu-2021-17"), wrong)) == 2


# what the loader refuses: (what to replace, by what, key path in the message, words in the message)
REFUSED = [
    ('unit = "CNY/household/month"\n', "", "provisions.award.rate[0].unit", "missing"),
    ('"CNY/household/month"', '"yuan"', "provisions.award.rate[0].unit", "CNY/household/month"),
    ('"CNY/household/month"', '"CNY/household"', "provisions.award.rate[0].unit", "CNY/household/month"),
    ("[1, 3]", "[1, 4]", "provisions.award.rate[0]", "overlap in tiers"),
    ("[4, 4]", "[5, 5]", "provisions.award.rate[0]", "gap in tiers"),
    ("[1, 3]", "[2, 3]", "provisions.award.rate[0]", "gap in tiers"),
    ("[4, 4]", "[5, 4]", "provisions.award.rate[0].tiers[1]", "first, last"),
    ('city = "1/2", district', 'city = "1/3", district', "provisions.award.payers[0]", "sum to 5/6"),
    ('"1/2", district = "1/2"', '"3/2", district = "-1/2"', "provisions.award.payers[0]", "above 0"),
    ('odd_fen_to = "district"', 'odd_fen_to = "distrct"', "provisions.award.payers[0]", "did you mean 'district'"),
    ('odd_fen_to = "district"', 'od_fen_to = "district"', "provisions.award.payers[0].odd_fen_to", "missing"),
    ('title = "以奖代补', 'titel = "x"\ntitle = "以奖代补', "provisions.award.titel", "did you mean 'title'"),
    ('days = 30, clause = "四(二)"', 'days = 30, clause = "四(三)"', "provisions.award.pay_within.clause", "did you mean '四(二)'"),
    ('days = 30, clause = "四(二)"', "days = 30", "provisions.award.pay_within.clause", "missing"),
    ('value = "12.00"', "value = 12.0", "provisions.award.rate[0].tiers[1].value", "quotes"),
    ('value = "12.00"', 'value = "twelve"', "provisions.award.rate[0].tiers[1].value", "not an exact number"),
    ("on_or_before = 2022-12-31", 'on_or_before = "2022-12-31"', "requirements[0].on_or_before", "a day, YYYY-MM-DD without quotes"),
    ("on_or_before = 2022-12-31", 'at_least = "5"', "requirements[0]", "a date for renovated_on"),
    ('pays_from = "award-budget"', 'pays_from = "award-bugdet"', "provisions.award.pays_from", "did you mean 'award-budget'"),
    ('setting = "shortfall_uses"', 'setting = "uses"', "setting", "a key of [settings]"),
    ('passes = ["pass"]', 'passes = ["pass", "fail"]', "provisions.award.gate", "both passes and fails"),
    ('anchor = "enrolment"', 'anchor = "birth"', "provisions.award.anchor", "enrolment"),
    ('mode = "half_up"', 'mode = "nearest"', "provisions.award.rounding.mode", "half_even"),
    ("carry_forward = true", 'carry_forward = "yes"', "funds.award-budget.carry_forward", "true or false"),
    ("carry_forward = true", "carry_forward = false\nsurplus_after_years = 2", "funds.award-budget", "carries forward"),
    ('value = "12.00"', 'value = "-12.00"', "provisions.award.rate[0].tiers[1].value", "0 or more"),
    ('into = "community-shortfall"\nfrom', 'into = "shortfall"\nfrom', "funds.award-budget.permits[0].into", "a key of [funds]"),
    ("format = 1", "format = 2", "format", "1"),
    ("from = 2021-01-01\nclause = \"五(六)1\"\nunit", "start = 2021-01-01\nclause = \"五(六)1\"\nunit", "rate[0].from", "missing"),
    ("format = 1", 'format = 1\ndigest = "x"', "digest", "a key of this table"),
    ('pays_into = "community-shortfall"', 'pays_into = "outside-gate-service"', "provisions.award.pays_into", "held by one of"),
    ('purpose = "award"', 'purpose = "awards"', "provisions.award.purpose", "did you mean 'award'"),
    ('giver = "provider"', 'giver = "providr"', "transfers.outside-gate-duty.giver", "did you mean 'provider'"),
    ('sources = ["parking-public-road"]', 'sources = ["advertising"]', "incomes", "each source once"),
    ('shares = { city = "1/2", district', 'shares = { town = "1/2", district', "provisions.award.payers", "a holder of"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "path", "words"), REFUSED)
def test_the_loader_refuses(old: str, new: str, path: str, words: str) -> None:
    assert old in DONGHU
    with pytest.raises(PolicyError) as caught:
        parse_document(DONGHU.replace(old, new, 1), source="new-city.toml")
    message = str(caught.value)
    assert "new-city.toml, " in message
    assert path in message
    assert words in message


def test_an_impossible_date_is_refused_with_its_line() -> None:
    with pytest.raises(PolicyError, match="not valid TOML") as caught:
        parse_document(DONGHU.replace("2022-12-31", "2022-02-30"), source="new-city.toml")
    assert "line" in str(caught.value.got)


RATE = """[[provisions.award.rate]]
from = 2021-01-01
"""
AMENDED = """[[provisions.award.rate]]
from = {start}
{until}clause = "五(六)1"
unit = "CNY/household/month"
value = "20.00"

[[provisions.award.payers]]"""


def amended(first_until: str, start: str, until: str = "") -> str:
    text = DONGHU.replace(RATE, RATE + (f"until = {first_until}\n" if first_until else ""))
    return text.replace(
        "[[provisions.award.payers]]", AMENDED.format(start=start, until=until and f"until = {until}\n")
    )


@pytest.mark.parametrize(
    ("first_until", "start", "until", "words"),
    [("2023-01-01", "2023-02-01", "", "gap between until 2023-01-01"), ("2023-03-01", "2023-02-01", "", "overlap between until 2023-03-01"),
     ("", "2021-01-01", "", "overlaps the one from 2021-01-01"), ("", "2020-01-01", "", "overlaps the one from 2021-01-01"),
     ("2020-12-31", "2023-02-01", "", "a day after from")],
)  # fmt: skip
def test_dated_values_leave_no_gap_and_do_not_overlap(first_until: str, start: str, until: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        parse_document(amended(first_until, start, until), source="new-city.toml")


def test_the_version_in_force() -> None:
    rates = parse_document(amended("2023-01-01", "2023-01-01", "2025-01-01"), source="x").provisions["award"].rate
    assert version_on(rates, date(2022, 12, 31), "rate").in_year(1) == 18
    assert version_on(rates, date(2023, 1, 1), "rate").in_year(9) == 20
    for day in (date(2020, 12, 31), date(2025, 1, 1)):
        with pytest.raises(NoRuleInForce, match="no version of the rate"):
            version_on(rates, day, "the rate")


def test_all_problems_are_listed_at_once() -> None:
    text = DONGHU.replace('unit = "CNY/household/month"\n', "").replace('odd_fen_to = "district"', "")
    with pytest.raises(PolicyError) as caught:
        parse_document(text, source="new-city.toml")
    assert len(caught.value.problems) == 2


def test_tiers_as_the_document_says_them() -> None:
    rate = load_document("donghu-2021-17").provisions["award"].rate[0]
    assert [rate.in_year(n) for n in range(1, 7)] == [18, 18, 18, 12, 6, None]
    assert all(isinstance(rate.in_year(n), Fraction) for n in range(1, 6))


def test_the_digest_is_of_the_exact_bytes() -> None:
    one, other = parse_document(DONGHU, source="x"), parse_document(DONGHU + "\n", source="x")
    assert one.digest.startswith("sha256:")
    assert one.digest != other.digest
    assert one.digest == load_document("donghu-2021-17").digest


def test_names_that_point_nowhere() -> None:
    document = load_document("donghu-2021-17")
    with pytest.raises(UnknownClause, match="五"):
        document.quote("五(九)")
    with pytest.raises(PolicyError, match="no provision"):
        document.provision("reward")
    with pytest.raises(PolicyError, match="is not set"):
        document.settled({})
    with pytest.raises(PolicyError, match="no setting"):
        document.settled({"shortfall_use": ["x"]})
    with pytest.raises(UnknownDocument, match="did you mean 'donghu-2021-17'"):
        load_document("donghu-2021-71")


def test_the_published_schema_is_the_language_and_accepts_what_the_loader_accepts() -> None:
    published = json.loads((POLICIES / "policy.schema.json").read_text(encoding="utf-8"))
    assert published == json_schema(), "run: estate-funds schema > src/estate_funds/policies/policy.schema.json"
    as_json = json.loads(json.dumps(tomllib.loads(DONGHU), default=str))
    jsonschema.validate(as_json, published)
    as_json["provisions"]["award"]["titel"] = "x"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(as_json, published)
