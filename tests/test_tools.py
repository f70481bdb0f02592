"""The tools around documents: list, show, check, diff, handbook, what-if; what ends; what is wrong said so."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import test_invented
from conftest import EXAMPLES, ROOT
from estate_funds import load_case, load_document
from estate_funds.errors import CaseError, PolicyError
from estate_funds.load import shipped_documents
from estate_funds.policy import Document, parse_document, with_values
from estate_funds.report.diff import changes, diff_text, touched
from estate_funds.report.freshness import ends, expiries, expiries_text, next_expiry
from estate_funds.report.handbook import chapter, handbook
from estate_funds.report.pages import COLUMNS, to_markdown, to_plain
from estate_funds.report.review import warnings
from estate_funds.testing.documents import check_document
from estate_funds.text import width
from estate_funds.whatif import compare, with_changes
from test_cli import estate_funds, golden

wanghai = test_invented.wanghai  # the fixture: a whole case of an invented city, with facts
DONGHU = (ROOT / "src/estate_funds/policies/donghu-2021-17.toml").read_text(encoding="utf-8")
WANGHAI = (ROOT / "tests/invented/wanghai-2025.toml").read_text(encoding="utf-8")
DAY = date(2026, 11, 22)
RATE = "provisions.award.rate[0].tiers[0].value"


def document(text: str, *edits: tuple[str, str]) -> Document:
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return parse_document(text, source="edited.toml")


# --- what ends ---

LAST_TIER = '    { service_years = [5, 5], value = "6.00" },\n]\n'
SECOND_RATE = (
    '\n[[provisions.award.rate]]\nfrom = 2027-01-01\nclause = "五(六)1"\nunit = "CNY/household/month"\nvalue = "20"\n'
)


def test_a_value_that_nothing_follows_ends() -> None:
    ending = document(DONGHU, (LAST_TIER, f"{LAST_TIER}until = 2027-01-01\n"))
    assert [(e.path, e.until, e.clause) for e in ends(ending)] == [
        ("provisions.award.rate[0]", date(2027, 1, 1), "五(六)1")
    ]
    assert next_expiry(ending, date(2026, 12, 31)) == date(2027, 1, 1)
    assert next_expiry(ending, date(2027, 1, 1)) is None
    followed = document(DONGHU, (LAST_TIER, f"{LAST_TIER}until = 2027-01-01\n{SECOND_RATE}"))
    assert ends(followed) == []


@pytest.mark.parametrize(
    ("today", "days", "words"),
    [(date(2026, 10, 2), None, ""), (date(2026, 10, 3), None, "ends in 90 days"), (date(2026, 12, 31), None, "ends in 1 days"),
     (date(2027, 1, 1), None, "no longer in force since 2027-01-01"), (date(2026, 10, 2), 91, "ends in 91 days"), (date(2026, 12, 31), 0, "")],
)  # fmt: skip
def test_the_warning_comes_ninety_days_before(today: date, days: int | None, words: str) -> None:
    ending = document(
        DONGHU, ('from = 2021-01-01\nclause = "二"', 'from = 2021-01-01\nuntil = 2027-01-01\nclause = "二"')
    )
    found = expiries(ending, today) if days is None else expiries(ending, today, days)
    assert bool(found) == bool(words)
    assert all(words in e.said(today) for e in found)


def test_a_permit_is_followed_only_for_its_own_purposes() -> None:
    permit = 'purposes = ["award"]\npayee_classes = ["community"]\ninto = "community-shortfall"\nfrom = {}\n{}clause = "五(六)1"'
    first, later = permit.format("2021-01-01", ""), permit.format("2027-01-01", "")
    old = permit.format("2021-01-01", "until = 2027-01-01\n")
    same = document(DONGHU, (first, f"{old}\n\n[[funds.award-budget.permits]]\n{later}"))
    assert ends(same) == []
    other = document(DONGHU, (first, f"{old}\n\n[[funds.award-budget.permits]]\n{later.replace('award', 'prize', 1)}"))
    assert [e.path for e in ends(other)] == ["funds.award-budget.permits[0]"]


def test_a_run_and_an_explanation_warn_and_are_silent_without_cause(donghu: Path, tmp_path: Path) -> None:
    (donghu / "own.toml").write_text(document_text := DONGHU.replace(
        "from = 2021-01-01\nclause = \"二\"", "from = 2021-01-01\nuntil = 2027-01-01\nclause = \"二\"", 1), encoding="utf-8")  # fmt: skip
    assert "until" in document_text
    case = (donghu / "case.toml").read_text(encoding="utf-8")
    (donghu / "case.toml").write_text(
        case.replace('documents = ["donghu-2021-17"]', 'documents = ["own.toml"]'), encoding="utf-8"
    )
    run = estate_funds("run", donghu, "--out", tmp_path / "out", "--recorded-on", "2026-11-22")
    assert run.returncode == 0, run.stderr
    assert "--- What ends, or has ended\n  东府办发〔2021〕17号: the document ends in 40 days" in run.stdout
    assert expiries_text([load_document("donghu-2021-17")], DAY) == ""


# --- list, show, handbook ---


def test_list_names_every_shipped_document() -> None:
    result = estate_funds("policy", "list", "--on", "2026-11-22")
    assert (result.returncode, result.stderr) == (0, "")
    header, *rows = result.stdout.split("\n\n")[0].splitlines()
    assert [row.split()[0] for row in rows] == shipped_documents()
    assert header.split()[0] == "id"


def test_the_handbook_of_one_document_as_a_person_reads_it() -> None:
    result = estate_funds("policy", "handbook", "donghu-2021-17")
    assert (result.returncode, result.stderr) == (0, "")
    golden("handbook-donghu.md", result.stdout)


INVENTED = [str(path) for path in sorted((ROOT / "tests/invented").glob("*[0-9].toml"))]


@pytest.mark.parametrize("name", [*shipped_documents(), *INVENTED], ids=lambda name: Path(name).stem)
def test_the_handbook_holds_every_value_clause_and_reason(name: str) -> None:
    found = load_document(name)
    page = to_markdown(handbook([found]))
    assert page == to_markdown(handbook([load_document(name)]))
    for text in (*found.clauses.values(), *(u.text for u in found.uncomputed), *(a.text for a in found.assumptions)):
        assert text in page
    for key in (*found.provisions, *found.funds, *found.facts, *found.derived, *found.settings):
        assert f"`{key}`" in page
    assert max(width(line) for line in to_plain(chapter(found)).splitlines()) <= COLUMNS


def test_the_handbook_shows_the_history_of_a_value_and_what_the_case_decides() -> None:
    followed = document(DONGHU, (LAST_TIER, f"{LAST_TIER}until = 2027-01-01\n{SECOND_RATE}"))
    page = to_markdown(chapter(followed))
    assert "| 18.00 CNY/household/month | 2021-01-01 – 2027-01-01 | [五(六)1] |" in page
    assert "| 20.00 CNY/household/month | 2027-01-01 – 今 now | [五(六)1] |" in page
    assert "（设定 setting `pool`，示例 example）" in to_markdown(chapter(document(WANGHAI)))


def test_a_handbook_goes_into_a_file(tmp_path: Path) -> None:
    result = estate_funds("policy", "handbook", "--out", tmp_path / "book.md")
    assert result.returncode == 0
    page = (tmp_path / "book.md").read_text(encoding="utf-8")
    assert all(load_document(name).title in page for name in shipped_documents())
    assert page == estate_funds("policy", "handbook").stdout
    assert estate_funds("policy", "handbook", "--out", tmp_path).returncode == 2


def test_show_is_the_same_chapter_for_a_terminal() -> None:
    result = estate_funds("policy", "show", "donghu-2021-17")
    assert result.returncode == 0
    assert "服务年 service year 1–3" in result.stdout
    assert "`" not in result.stdout


# --- check ---


def write(folder: Path, text: str, cases: str | None = None) -> Path:
    (folder / "new-city.toml").write_text(text, encoding="utf-8")
    if cases is not None:
        (folder / "new-city.cases.toml").write_text(cases, encoding="utf-8")
    return folder / "new-city.toml"


CASES = """[[cases]]
name = "one household"
rules = []
provision = "award"
households = 1
service_start = 2021-01-01
results = ["pass"]
expected = ["216.00"]
"""


def test_a_document_without_fault_passes(tmp_path: Path) -> None:
    result = estate_funds("policy", "check", write(tmp_path, DONGHU, CASES), "--on", "2026-11-22")
    assert result.returncode == 0
    assert result.stdout == "new-city.toml: 东府办发〔2021〕17号, 1 provision, 1 worked case, 0 problems, 0 warnings\n"


def test_check_prints_every_problem_with_the_nearest_name(tmp_path: Path) -> None:
    text = DONGHU.replace('value = "12.00"', "value = 12.0").replace('purpose = "award"', 'purpos = "award"')
    result = estate_funds("policy", "check", write(tmp_path, text))
    assert result.returncode == 1
    assert "3 problems" in result.stdout
    assert "rate[0].tiers[1].value: got 12.0: money and shares are exact, wanted digits in quotes" in result.stdout
    assert "did you mean 'purpose'?" in result.stdout


@pytest.mark.parametrize(
    ("text", "cases", "words"),
    [("format = ", None, "not valid TOML"), (DONGHU, CASES.replace("216.00", "216.01"), "got ['216.00'], wanted ['216.01']"),
     (DONGHU, CASES.replace("households", "housholds"), "did you mean 'households'?"),
     (DONGHU, CASES.replace('"award"', '"awrd"'), "did you mean 'award'?"), (DONGHU, "x", "not valid TOML")],
)  # fmt: skip
def test_what_is_wrong_is_a_problem(tmp_path: Path, text: str, cases: str | None, words: str) -> None:
    result = estate_funds("policy", "check", write(tmp_path, text, cases))
    assert (result.returncode, result.stderr) == (1, "")
    assert words in result.stdout


def test_check_warns_of_what_may_be_meant(tmp_path: Path) -> None:
    cases = (ROOT / "tests/invented/wanghai-2025.cases.toml").read_text(encoding="utf-8")
    path = write(tmp_path, WANGHAI.replace('purposes = ["refund"]', 'purposes = ["repair"]'), cases)
    checked = check_document(path, None, DAY)
    assert checked.problems == ()
    assert [w.split(" is ")[0] for w in checked.warnings if w.startswith("facts")] == ["facts.fee_per_m2"]
    refunds = [w for w in checked.warnings if "refund an advance" in w]
    assert [("'city'" in w, "'district'" in w) for w in refunds] == [(True, False), (False, True)]
    alone = check_document(write(tmp_path / "..", WANGHAI), None, DAY)
    assert alone.warnings[0].startswith("there is no new-city.cases.toml beside it")
    assert sum("has no worked case" in w for w in alone.warnings) == 5


@pytest.mark.parametrize(
    ("edit", "words"),
    [(('purposes = ["award"]', 'purposes = ["award"]\nuntil = 2021-01-02'), "no longer in force since 2021-01-02"),
     (('[funds.outside-gate-service]', '[funds.idle]\ntitle = "x"\nheld_by = ["city"]\ncarry_forward = true\nprovenance = "fifo"\nclause = "二"\n\n[[funds.idle.permits]]\npurposes = ["a"]\npayee_classes = ["b"]\nfrom = 2021-01-01\nclause = "二"\n\n[funds.outside-gate-service]'), "funds.idle: no provision"),
     (("[funds.award-budget]", '[settings.idle]\nkind = "days"\ndefault = 3\nclause = "二"\ntext = "x"\n\n[funds.award-budget]'), "settings.idle is used by nothing"),
     (("[funds.award-budget]", '[parties.idle]\nname = "x"\nclause = "二"\n\n[kinds.idle]\ntext = "x"\nclause = "二"\n\n[funds.award-budget]'), "kinds.idle is used by nothing"),
     (('purposes = ["award"]\npayee_classes = ["community"]', 'purposes = ["award"]\npayee_classes = ["street"]'), "no permit for 'award' to a 'community' into community-shortfall"),
     (('purposes = ["award"]\npayee_classes = ["community"]\ninto = "community-shortfall"', 'purposes = ["award"]\npayee_classes = ["community"]'), "has no permit for 'award'")],
)  # fmt: skip
def test_each_warning(edit: tuple[str, str], words: str) -> None:
    found = warnings(document(DONGHU, edit), DAY, ["award"])
    assert any(words in w for w in found), found


def test_a_file_that_is_missing_ends_with_2(tmp_path: Path) -> None:
    for args in (
        ["check", tmp_path / "none.toml"],
        ["check", write(tmp_path, DONGHU), "--cases", tmp_path / "none.toml"],
        ["show", "donghu-2021"],
        ["diff", "donghu-2021-17", "none.toml"],
        ["handbook", "donghu-2021"],
    ):
        result = estate_funds("policy", *args)
        assert (result.returncode, result.stdout) == (2, ""), args
        assert "Traceback" not in result.stderr
    assert "did you mean 'donghu-2021-17'?" in estate_funds("policy", "show", "donghu-2021").stderr


# --- diff ---


def test_the_difference_as_a_person_reads_it(tmp_path: Path) -> None:
    text = DONGHU.replace(LAST_TIER, f"{LAST_TIER}until = 2027-01-01\n{SECOND_RATE}").replace("days = 30", "days = 40")
    result = estate_funds("policy", "diff", "donghu-2021-17", write(tmp_path, text))
    assert (result.returncode, result.stderr) == (0, "")
    golden("diff-donghu.txt", result.stdout)


def test_the_same_document_differs_in_nothing() -> None:
    assert diff_text(document(DONGHU), document("# a comment\n" + DONGHU)).endswith("the same values throughout")


@pytest.mark.parametrize(
    ("edit", "paths", "provisions"),
    [(('example = "100000.00"', 'example = "90000.00"'), ["settings.pool.example"], {"pool"}),
     (('ratio = ["fee_received", "fee_receivable"]', 'ratio = ["fee_receivable", "fee_received"]'), ["derived.collection_rate.ratio"], {"upkeep"}),
     (('at_least = "0.70"', 'at_least = "0.80"'), ["requirements[0].at_least"], {"upkeep"}),
     (('value = "200000"', 'value = "300000"'), ["ceilings[0].value"], {"works"}),
     (('text = "audited cost"', 'text = "cost"'), ["facts.audited_cost.text"], set()),
     (('"1" = "invented: old', '"1" = "invented: all old'), ["clauses.1"], set()),
     (('title = "city money"', 'title = "money"'), ["funds.city-money.title"], set()),
     (('held_by = ["estate"]\ncarry_forward = true', 'held_by = ["estate"]\ncarry_forward = false'), ["funds.estate-money.carry_forward"], {"upkeep", "rebate", "works"}),
     (("format = 1\n", "format = 1\nuntil = 2030-01-01\n"), ["until"], {"upkeep", "centres", "rebate", "works", "pool"})],
)  # fmt: skip
def test_what_a_change_touches(edit: tuple[str, str], paths: list[str], provisions: set[str]) -> None:
    old, new = document(WANGHAI), document(WANGHAI, edit)
    found = changes(old, new)
    assert [change.path for change in found] == paths
    assert set(touched(old, new, found)) == provisions


@pytest.mark.parametrize("old", shipped_documents())
def test_any_two_documents_can_be_compared(old: str) -> None:
    for new in shipped_documents():
        one, other = load_document(old), load_document(new)
        found = changes(one, other)
        assert bool(found) == (old != new)
        names = {*one.provisions, *other.provisions}
        assert set(touched(one, other, found)) <= names
        assert names <= set(touched(one, other, found)) or old == new  # another id, another document: all of it


def test_a_requirement_that_is_narrowed_touches_those_it_held_for() -> None:
    for_one = ('otherwise = "refuse"\nprovisions = ["upkeep"]', 'otherwise = "refuse"')
    narrow, wide = document(WANGHAI), document(WANGHAI, for_one)
    for old, new in ((narrow, wide), (wide, narrow)):
        assert set(touched(old, new, changes(old, new))) == {*narrow.provisions}


def test_days_of_a_year_and_days_of_a_setting_are_compared_as_they_stand() -> None:
    later = document(WANGHAI, ('from = "03-01"', 'from = "04-01"'))
    found = changes(document(WANGHAI), later)
    assert [(c.path, c.since) for c in found] == [("provisions.works.applications.from", None)]


def test_an_insertion_is_one_change_and_periods_are_those_of_the_versions() -> None:
    first = '    { when = [{ fact = "centre_m2", below = "3000" }], value = "50000" },\n'
    new_first = '    { when = [{ fact = "centre_m2", below = "100" }], value = "1" },\n' + first
    old, new = document(WANGHAI), document(WANGHAI, (first, new_first))
    found = changes(old, new)
    assert [(c.kind, c.path, c.clause, c.since, c.until) for c in found] == [
        ("added", "provisions.centres.rate[0].tiers[0]", "3", date(2025, 1, 1), None)
    ]
    followed = document(DONGHU, (LAST_TIER, f"{LAST_TIER}until = 2027-01-01\n{SECOND_RATE}"))
    assert touched(document(DONGHU), followed, changes(document(DONGHU), followed)) == {
        "award": (date(2027, 1, 1), None)
    }


@settings(deadline=None, max_examples=25)
@given(st.fractions(min_value=0, max_value=100, max_denominator=1_000_000).filter(lambda f: f.denominator < 10**18))
def test_a_changed_value_is_found_and_nothing_else(value: object) -> None:
    old = document(DONGHU)
    new = with_values(old, {RATE: str(value)})
    assert [c.path for c in changes(old, new)] == ([] if str(value) == "18.00" else [RATE])


# --- what-if ---


def test_what_if_by_payer_year_and_estate(donghu: Path) -> None:
    before = {path: path.read_bytes() for path in donghu.rglob("*") if path.is_file()}
    shares = [
        "--set",
        "provisions.award.payers[0].shares.city=2/3",
        "--set",
        "provisions.award.payers[0].shares.district=1/3",
    ]
    result = estate_funds("what-if", donghu, "--set", f"{RATE}=20.00", *shares)
    assert (result.returncode, result.stderr) == (0, "")
    golden("what-if-donghu.txt", result.stdout)
    assert before == {path: path.read_bytes() for path in donghu.rglob("*") if path.is_file()}


def test_what_if_as_json_sums_to_the_totals(donghu: Path) -> None:
    told = json.loads(estate_funds("what-if", donghu, "--set", f"donghu-2021-17/{RATE}=20.00", "--json").stdout)
    for side in ("base", "variant", "difference"):
        sums = {g: sum(row[side] for row in rows.values()) for g, rows in told.items() if g != "totals"}
        assert set(sums.values()) == {told["totals"]["due"][side]}
    # passed years 1 to 3: 960 households x 36 months, and 925 x 24 (the third was failed), 2 yuan more each
    assert told["totals"]["due"]["difference"] == 2 * 100 * (960 * 36 + 925 * 24)


def test_nothing_changed_is_no_difference() -> None:
    case = load_case(EXAMPLES / "donghu")
    found = compare(case, with_changes(case, [f"{RATE}=18.00"]))
    assert all(
        a == b for rows in (found.by_payer, found.by_year, found.by_estate, found.totals) for a, b in rows.values()
    )


def test_another_document_of_the_same_id(donghu: Path, tmp_path: Path) -> None:
    path = write(tmp_path, DONGHU.replace('value = "18.00"', 'value = "20.00"'))
    by_policy = estate_funds("what-if", donghu, "--policy", path)
    assert by_policy.stdout == estate_funds("what-if", donghu, "--set", f"{RATE}=20.00").stdout
    both = estate_funds("what-if", donghu, "--policy", path, "--set", f"{RATE}=18.00").stdout
    assert "+" not in both


def test_facts_and_settings(wanghai: Path) -> None:
    case = load_case(wanghai)
    paid = with_changes(case, ["facts.b.fee_received@2025=70.00", "facts.b.district_paid@2025=1000000.00"])
    assert compare(case, paid).by_provision["wanghai-2025/upkeep"] == (2_400_000, 2_400_000 + 6_000 * 15 * 12)
    one, two = case.registry.facts["b", "fee_received", "2025"], paid.registry.facts["b", "fee_received", "2025"]
    assert one.known_on == two.known_on
    more = with_changes(case, ["settings.wanghai-2025.pool=70000"])
    assert compare(case, more).by_provision["wanghai-2025/pool"] == (6_000_000, 7_000_000)
    new = with_changes(case, ["facts.w2.estimated_cost=1000"])
    assert ("w2", "estimated_cost", "") in new.registry.facts
    assert ("w2", "estimated_cost", "") not in case.registry.facts


def test_many_estates_show_those_that_differ_most() -> None:
    case = load_case(EXAMPLES / "dezhou")
    text = compare(case, with_changes(case, ["provisions.award.rate[0].tiers[1].value=13"])).to_text()
    assert "313 estates of 313 differ" in text
    assert sum(line.startswith("  dz") for line in text.splitlines()) == 12


@pytest.mark.parametrize(
    ("change", "words"),
    [("x", "wanted: PATH=VALUE"), ("=3", "wanted: PATH=VALUE"), ("provisions.awrd.purpose=x", "did you mean 'award'?"),
     ("provisions.award.rate[7].value=1", "known: 0"), ("provisions.award.rate[0]=1", "the path of a value"),
     (f"{RATE}=much", "wanted: digits in quotes"), (f"{RATE}=-1", "0 or more"), ("requirements[0].on_or_before=2022", "a day, YYYY-MM-DD"),
     ("provisions.award.payers[0].shares.city=2/3", "the shares sum to 7/6"), ("donghu/provisions.award.purpose=x", "did you mean 'donghu-2021-17'?"),
     ("settings.donghu-2021-17.uses=[\"a\"]", "known: property_service_uses, shortfall_uses"), ("settings.donghu-2021-17.shortfall_uses=a", "a list of names"),
     ("funds.community-shortfall.permits[0].purposes=[\"a\"]", "change settings.donghu-2021-17.shortfall_uses"), ("facts.yuanyi.lift=yes", "no document of the case asks for this fact")],
)  # fmt: skip
def test_a_change_that_does_not_fit_says_so(change: str, words: str) -> None:
    case = load_case(EXAMPLES / "donghu")
    with pytest.raises((CaseError, PolicyError)) as caught:
        with_changes(case, [change])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [("facts.b.fee_recieved@2025=1", "did you mean 'fee_received'?"), ("facts.b.fee_received=1", "facts.b.fee_received@<period>"),
     ("facts.b.lift@2025=yes", "wanted: facts.b.lift"), ("facts.b.lift=maybe", "wanted: yes, no"), ("facts.w1.lift=yes", "a estate"),
     ("facts.bb.lift=yes", "there is no subject 'bb'"), ("facts.b.fee_received@2025=lots", "not an amount")],
)  # fmt: skip
def test_a_fact_that_does_not_fit_says_so(wanghai: Path, change: str, words: str) -> None:
    result = estate_funds("what-if", wanghai, "--set", change)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr


def test_what_if_with_nothing_to_change_or_a_stranger(donghu: Path, wanghai: Path) -> None:
    assert "nothing to change" in estate_funds("what-if", donghu).stderr
    stranger = estate_funds("what-if", donghu, "--policy", ROOT / "tests/invented/wanghai-2025.toml")
    assert (stranger.returncode, "the case has no document of this id" in stranger.stderr) == (2, True)
    path = write(wanghai, WANGHAI.replace('type = "yes_no"\ntext = "is there', 'type = "text"\ntext = "is there'))
    other = estate_funds("what-if", wanghai, "--policy", path)
    assert other.returncode == 2


def test_help_of_the_tools_is_worth_reading() -> None:
    for command in (["policy"], ["policy", "check"], ["policy", "diff"], ["policy", "handbook"], ["what-if"]):
        assert estate_funds(*command, "--help").returncode == 0
