"""Frauds and slips in cases, one in each specimen, and innocent look-alikes: copies of the shipped cases, spoilt a little.

A specimen takes a shipped case, may change its papers or its steps before it is booked, books it, and may change its
papers afterwards: the audit then holds those against the books. `rule` is what must be found, once for each of `found`;
a look-alike has none, and nothing at all may be found. `also` are findings that follow from the same fault.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from conftest import EXAMPLES, HANDS, TODAY
from estate_funds import Books, load_case
from estate_funds.audit import AuditReport, Finding
from estate_funds.case import Case, PeriodEnd, Step
from estate_funds.funds import Permit
from estate_funds.journal import Evidence, Posting
from estate_funds.vouchers import amend_fund, spend

Steps = Sequence[Step | PeriodEnd]
Edit = tuple[str, str, str]  # file, old text, new text; an old text of "" makes the file


@dataclass(frozen=True)
class Found:
    """One finding that must be there: where, how much, on which clause, and the keys of its entries."""

    where: str
    fen: int
    clause: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Specimen:
    """One spoilt case, or one that only looks so."""

    name: str
    case: str
    rule: str = ""
    found: tuple[Found, ...] = ()
    also: tuple[str, ...] = ()
    before: tuple[Edit, ...] = ()
    steps: Callable[[Steps], Steps] | None = None
    books: Callable[[Books, Case], None] | None = None
    after: tuple[Edit, ...] = ()
    year: int | None = None


def edit(folder: Path, edits: Iterable[Edit]) -> None:
    """Change files of a case; each old text must be there."""
    for name, old, new in edits:
        path = folder / name
        text = path.read_text(encoding="utf-8") if old else ""
        assert old in text, f"{name} does not hold {old!r}"
        path.write_text(text.replace(old, new, 1) if old else new, encoding="utf-8")


def copied(case: str, folder: Path, edits: Iterable[Edit]) -> Path:
    """A copy of a shipped case with edits."""
    target = folder / case
    if not target.exists():
        shutil.copytree(EXAMPLES / case, target)
    edit(target, edits)
    return target


@cache
def honest(case: str) -> Books:
    """The books of a shipped case as it stands: to be read, not written."""
    books = Books.open("memory", recorded_on=TODAY)
    books.run(load_case(EXAMPLES / case))
    return books


def booked(one: Specimen, folder: Path) -> Books:
    """The books of a specimen."""
    if not one.before and one.steps is None and one.books is None:
        return honest(one.case)
    case = load_case(copied(one.case, folder, one.before))
    books = Books.open("memory", recorded_on=TODAY)
    steps = one.steps(case.steps) if one.steps else case.steps
    books.run(SimpleNamespace(file=case.file, steps=steps, evidence_files={}))  # type: ignore[arg-type]
    if one.books is not None:
        one.books(books, case)
    return books


def audited(one: Specimen, folder: Path) -> tuple[AuditReport, dict[int, str]]:
    """The audit of a specimen against its papers as they now stand, and the key of each entry by its number."""
    books = booked(one, folder)
    case = load_case(copied(one.case, folder, one.after))
    keys = {entry.seq: entry.draft.key for entry in books.entries()}
    return books.audit(case, year=one.year), keys


def told(finding: Finding, keys: dict[int, str]) -> Found:
    """A finding as the corpus says it."""
    return Found(finding.where, finding.amount_fen, finding.clause, tuple(keys[seq] for seq in finding.entries))


# --- ways to spoil the steps --------------------------------------------------------------------------------------


def _key(step: Step | PeriodEnd) -> str:
    return step.draft.key if isinstance(step, Step) else ""


def without(*parts: str) -> Callable[[Steps], Steps]:
    """Nobody books the steps whose keys hold one of these."""
    return lambda steps: [step for step in steps if not any(part in _key(step) for part in parts)]


def only(*parts: str) -> Callable[[Steps], Steps]:
    """Nothing is booked but the funds and the steps whose keys begin with one of these."""
    return lambda steps: [step for step in steps if _key(step).startswith(("open/", *parts))]


def changed(part: str, **changes: Any) -> Callable[[Steps], Steps]:
    """The steps whose keys hold a part are booked with other fields, each in its place by its day."""

    def spoil(steps: Steps) -> Steps:
        made = [
            replace(step, draft=replace(step.draft, **changes))
            if isinstance(step, Step) and part in _key(step)
            else step
            for step in steps
        ]
        return sorted(made, key=lambda s: (s.effective, 0) if isinstance(s, PeriodEnd) else (s.draft.effective, 1))

    return spoil


def reposted(part: str, change: Callable[[tuple[Posting, ...]], tuple[Posting, ...]]) -> Callable[[Steps], Steps]:
    """The steps whose keys hold a part are booked with other postings."""

    def spoil(steps: Steps) -> Steps:
        return [
            replace(step, draft=replace(step.draft, postings=change(step.draft.postings)))
            if isinstance(step, Step) and part in _key(step)
            else step
            for step in steps
        ]

    return spoil


def both(*changes: Callable[[Steps], Steps]) -> Callable[[Steps], Steps]:
    """Several of these."""

    def spoil(steps: Steps) -> Steps:
        for change in changes:
            steps = change(steps)
        return steps

    return spoil


def _by_payer(postings: tuple[Posting, ...]) -> Iterable[tuple[str, Posting]]:
    """Each posting with the fund that pays: what comes in stands behind it."""
    payer = ""
    for posting in postings:
        payer = posting.fund if posting.fund.startswith("award-budget/") else payer
        yield payer, posting


def _of(payer: str) -> Callable[[tuple[Posting, ...]], tuple[Posting, ...]]:
    """Only what one payer pays, and what it brings to the payee."""
    return lambda postings: tuple(posting for fund, posting in _by_payer(postings) if fund == payer)


def _shifted(fen: int) -> Callable[[tuple[Posting, ...]], tuple[Posting, ...]]:
    """The city pays so many fen more, the district so many less."""
    return lambda postings: tuple(
        posting._replace(amount_fen=posting.amount_fen + (fen if "/city/" in fund else -fen))
        for fund, posting in _by_payer(postings)
    )


# --- Donghu: an award shared by city and district -----------------------------------------------------------------

AWARD = "donghu-2021-17 五(六)1"
YEAR3 = "donghu-2021-17/award/yuanyi/3"
PAID3 = f"disbursement/{YEAR3}"
RESULT1 = "yuanyi,1,pass,2022-01-10"


def _dinner(books: Books, case: Case) -> None:
    """The fence of a fund is widened behind the back of the case, and an office is paid through the gap."""
    fund = case.funds["community-shortfall/community/院一社区"]
    office = Permit("office-costs", "supplier", "", date(2021, 1, 1), None, ("invoice",), "none")
    wider = replace(fund, permits=(*fund.permits, office))
    books.post(amend_fund(wider, on=date(2026, 7, 1), key="wider", hands=HANDS))
    books.post(
        spend(wider, 6_800_00, purpose="office-costs", payee="滕王阁酒楼", payee_class="supplier", on=date(2026, 7, 2),
              key="dinner", hands=HANDS, narrative="year-end dinner", evidence=(Evidence("invoice", "a" * 64),))
    )  # fmt: skip


def _paid(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"disbursement/{key}" for key in keys)


YUANYI = [f"donghu-2021-17/award/yuanyi/{n}" for n in range(1, 6)]
YUANER = [f"donghu-2021-17/award/yuaner/{n}" for n in (1, 2, 4, 5)]
DISTRICT = "award-budget/district/东湖区"
TWO_YEARS = ("appropriation/donghu/city-2022", "appropriation/donghu/district-2022")
FIRST_YEAR = (*TWO_YEARS, "encumbrance/donghu-2021-17/award/yuanyi/1", "disbursement/donghu-2021-17/award/yuanyi/1",
              "encumbrance/donghu-2021-17/award/yuaner/1", "disbursement/donghu-2021-17/award/yuaner/1")  # fmt: skip
LATE_JUNE = changed("/yuanyi/1", effective=date(2022, 6, 10))

DONGHU = [
    Specimen(
        "withheld although the year was passed", "donghu", "withheld",
        (Found("donghu-2021-17/award/yuaner/3", 199_800_00, "donghu-2021-17 四(二)"),),
        after=(("assessments.csv", "yuaner,3,fail", "yuaner,3,pass"),),
    ),
    Specimen("passed, and paid on the last day", "donghu", steps=changed(PAID3, effective=date(2024, 2, 9))),
    Specimen(
        "paid a day late", "donghu", "late", (Found(YEAR3, 207_360_00, "donghu-2021-17 四(二)", (PAID3,)),),
        steps=changed(PAID3, effective=date(2024, 2, 10)),
    ),
    Specimen(
        "paid the day before the result", "donghu", "early", (Found(YEAR3, 207_360_00, AWARD, (PAID3,)),),
        steps=changed(YEAR3, effective=date(2024, 1, 9)),
    ),
    Specimen("paid on the day of the result", "donghu", steps=changed(YEAR3, effective=date(2024, 1, 10))),
    Specimen(
        "paid although the assessment was failed", "donghu", "failed-assessment",
        (Found(YUANYI[0], 207_360_00, AWARD, _paid(YUANYI[:1])),),
        after=(("assessments.csv", "yuanyi,1,pass", "yuanyi,1,fail"),),
    ),
    Specimen("a higher score of a year that was passed anyway", "donghu",
             after=(("assessments.csv", f"{RESULT1},88", f"{RESULT1},99"),)),
    Specimen(
        "paid without any assessment", "donghu", "unassessed",
        (Found(YUANYI[0], 207_360_00, AWARD, _paid(YUANYI[:1])),),
        after=(("assessments.csv", f"{RESULT1},88\n", ""),),
    ),
    Specimen(
        "an estate renovated too late for the programme", "donghu", "ineligible",
        tuple(Found(key, fen, "donghu-2021-17 二", _paid([key])) for key, fen in zip(
            YUANYI, (207_360_00, 207_360_00, 207_360_00, 138_240_00, 69_120_00), strict=True)),
        after=(("estates.csv", "2020-11-30", "2023-01-01"),),
    ),
    Specimen("an estate renovated on the last day", "donghu", after=(("estates.csv", "2020-11-30", "2022-12-31"),)),
    Specimen(
        "a fen more from the city, a fen less from the district", "donghu", "wrong-split",
        (Found(YEAR3, 1, AWARD, (PAID3,)),), steps=reposted(YEAR3, _shifted(1)),
        before=(("case.toml", 'amount = "203,580.00"', 'amount = "203,580.01"'),),
    ),
    Specimen(
        "the city pays its half and the district does not", "donghu", "matching-missing",
        (Found(YEAR3, 103_680_00, AWARD, (PAID3,)),), steps=reposted(PAID3, _of("award-budget/city/南昌市")),
    ),
    Specimen(
        "the district never appropriates its half", "donghu", "matching-missing",
        (Found(YUANYI[0], 103_680_00, AWARD), Found(YUANER[0], 99_900_00, AWARD)),
        also=("withheld", "idle-appropriation"), steps=only(TWO_YEARS[0]), year=2021,
    ),
    Specimen(
        "the district appropriates its half four months late", "donghu", "matching-late",
        (Found(YUANYI[0], 103_680_00, AWARD, (TWO_YEARS[1],)),), also=("late", "withheld"), year=2021,
        steps=both(
            only(*TWO_YEARS, *FIRST_YEAR[2:4]), LATE_JUNE, changed(TWO_YEARS[1], effective=date(2022, 6, 1)),
        ),
    ),
    Specimen(
        "paid late, with both halves there in time", "donghu", "late",
        (Found(YUANYI[0], 207_360_00, "donghu-2021-17 四(二)", _paid(YUANYI[:1])),), also=("withheld",), year=2021,
        steps=both(only(*TWO_YEARS, *FIRST_YEAR[2:4]), LATE_JUNE),
    ),
    Specimen("both halves come on the last day, and are paid on it", "donghu", year=2021, steps=both(
        only(*FIRST_YEAR),
        changed("encumbrance/donghu-2021-17/award/yuanyi/1", effective=date(2022, 1, 25)),
        changed("/donghu/city-2022", effective=date(2022, 1, 10)),
        changed("/donghu/district-2022", effective=date(2022, 1, 25)),
    )),
    Specimen(
        "a year assessed before it was over", "donghu", "date-order",
        (Found("yuanyi 1", 207_360_00, AWARD, _paid(YUANYI[:1])),),
        after=(("assessments.csv", RESULT1, "yuanyi,1,pass,2021-12-28"),),
    ),
    Specimen("a year assessed on its last day", "donghu",
             after=(("assessments.csv", RESULT1, "yuanyi,1,pass,2021-12-31"),)),
    Specimen(
        "one household under two spellings of its id", "donghu", "duplicate-household",
        (Found("households, rows 2 and 3", 864_00, "财政违法行为处罚处分条例 14", _paid(YUANYI)),),
        after=(("households.csv", "yuanyi-01-0002,", "YUANYI_1-1,"),),
    ),
    Specimen("ids that differ in a letter", "donghu", after=(("households.csv", "yuanyi-01-0002,", "yuanyi-01a-0001,"),)),
    Specimen(
        "one household in two estates", "donghu", "duplicate-household",
        (Found("households, rows 2 and 1886", 648_00, "财政违法行为处罚处分条例 14", _paid(YUANER)),),
        after=(("households.csv", "yuaner-29-0032,", "ｙｕａｎｙｉ-01-0001,"),),
    ),
    Specimen("a unit that came back under another id before the programme began", "donghu", after=(
        ("households.csv", "yuanyi-01-0003,yuanyi,1,2020-06-30,\n",
         "yuanyi-01-0003,yuanyi,1,2020-06-30,2020-12-15\nyuanyi-99-0001,yuanyi,1,2020-06-30,\n"),
        ("households.csv", "yuanyi-01-0004,yuanyi,1,2020-06-30,", "YUANYI_1-3,yuanyi,1,2020-12-15,"),
    )),
    Specimen(
        "a fee collected twice under two names", "donghu", "fee-twice",
        (Found("fees.csv, row 2 and fees.csv, row 5", 45_00, "donghu-2021-17 五(六)"),),
        after=(("fees.csv", "yuanyi-01-0002,property-service,2022-01,45.00\n",
                "yuanyi-01-0002,property-service,2022-01,45.00\nyuanyi-01-0001,Property Service,2022-01,45.00\n"),),
    ),
    Specimen("another fee for the same month, and the same fee for another", "donghu", after=(
        ("fees.csv", "yuanyi-01-0002,property-service,2022-01,45.00\n",
         "yuanyi-01-0002,property-service,2022-01,45.00\nyuanyi-01-0001,parking,2022-01,45.00\n"
         "yuanyi-01-0001,property-service,2022-03,45.00\n"),)),
    Specimen(
        "a fee of a household that had left", "donghu", "fee-moved-out",
        (Found("fees.csv, row 4", 45_00, "民法典 985"),),
        after=(("households.csv", "yuanyi-01-0002,yuanyi,1,2020-06-30,", "yuanyi-01-0002,yuanyi,1,2020-06-30,2026-08-01"),
               ("fees.csv", "yuanyi-01-0002,property-service,2022-01", "yuanyi-01-0002,property-service,2026-08")),
    ),
    Specimen("the fee of the last month", "donghu", after=(
        ("households.csv", "yuanyi-01-0002,yuanyi,1,2020-06-30,", "yuanyi-01-0002,yuanyi,1,2020-06-30,2026-08-01"),
        ("fees.csv", "yuanyi-01-0002,property-service,2022-01", "yuanyi-01-0002,property-service,2026-07"))),
    Specimen(
        "a fence widened for an office, and the office paid", "donghu", "no-source",
        (Found("entry 78 (dinner)", 6_800_00, "", ("dinner",)),), also=("booked-otherwise",), books=_dinner,
    ),
]  # fmt: skip

# --- Changchun: votes, incidents, deposits ------------------------------------------------------------------------

CC = "changchun-2021-12"
USE1, DEPOSIT1 = f"{CC}/income-use/use-1/once", f"{CC}/deposit/deposit-1/once"
REPAIR1, RELIEF2 = f"{CC}/emergency-repair/application-1/once", f"{CC}/emergency/relief-2/once"
VOTE1 = "vote-1,2022-03-21,480,36000.00,320,24000.00,170,12500.00,none"
APPLICATION1 = "application-1,2022-08-18,committee,none,yes,2022-08-15,2022-08-18"

CHANGCHUN = [
    Specimen(
        "one owner short of two thirds taking part", "changchun", "vote-short",
        (Found(USE1, 15_000_00, "民法典 278", _paid([USE1])),),
        after=(("facts-votes.csv", VOTE1, VOTE1.replace(",320,", ",319,")),),
    ),
    Specimen("one owner more than two thirds taking part", "changchun",
             after=(("facts-votes.csv", VOTE1, VOTE1.replace(",320,", ",321,")),)),
    Specimen(
        "exactly half of those taking part agree", "changchun", "vote-short",
        (Found(USE1, 15_000_00, "民法典 278", _paid([USE1])),),
        after=(("facts-votes.csv", VOTE1, VOTE1.replace(",170,", ",160,")),),
    ),
    Specimen("one more than half agree", "changchun",
             after=(("facts-votes.csv", VOTE1, VOTE1.replace(",170,", ",161,")),)),
    Specimen(
        "three quarters wanted, and one short of them", "changchun", "vote-short",
        (Found(DEPOSIT1, 200_000_00, f"{CC} 14", _paid([DEPOSIT1])),),
        after=(("facts-votes.csv", "150,10500.00,none", "149,10500.00,none"),),
    ),
    Specimen(
        "a decision that the street revoked", "changchun", "ineligible",
        (Found(USE1, 15_000_00, f"{CC} 10", _paid([USE1])),),
        after=(("facts-votes.csv", VOTE1, VOTE1.replace("none", "revoked")),),
    ),
    Specimen(
        "more yes than ballots", "changchun", "vote-forged", (Found("vote-1", 15_000_00, "民法典 278", _paid([USE1])),),
        after=(("facts-votes.csv", VOTE1, VOTE1.replace(",170,", ",330,")),),
    ),
    Specimen("everybody who votes says yes", "changchun",
             after=(("facts-votes.csv", VOTE1, VOTE1.replace(",170,12500.00", ",320,24000.00")),)),
    Specimen(
        "an incident that the emergency procedure is not for", "changchun", "ineligible",
        (Found(REPAIR1, 12_000_00, f"{CC} 15(2)", _paid([REPAIR1])),),
        after=(("facts-incidents.csv", "roof-leak", "other"),),
    ),
    Specimen("another cause that it is for", "changchun", after=(("facts-incidents.csv", "roof-leak", "sewer-blockage"),)),
    Specimen(
        "one invoice under two funds", "changchun", "claimed-twice",
        (Found(RELIEF2, 8_000_00, f"{CC} 18(2)", _paid([RELIEF2])),),
        after=(("facts-incidents.csv", "2022-0825", "2022-0817"),),
    ),
    Specimen("an invoice with a number that is nearly the same", "changchun",
             after=(("facts-incidents.csv", "2022-0825", "2022-08170"),)),
    Specimen(
        "reviewed before it was applied for", "changchun", "date-order",
        (Found("application-1", 12_000_00, f"{CC} 15", _paid([REPAIR1])),),
        after=(("facts-applications.csv", APPLICATION1, APPLICATION1.replace("2022-08-15,2022-08-18", "2022-08-15,2022-08-12")),),
    ),
    Specimen("reviewed on the day of the application", "changchun", after=(
        ("facts-applications.csv", APPLICATION1, APPLICATION1.replace("2022-08-15,2022-08-18", "2022-08-15,2022-08-15")),)),
    Specimen(
        "an application from before the incident", "changchun", "date-order",
        (Found("application-1", 12_000_00, f"{CC} 15(2)", _paid([REPAIR1])),),
        after=(("subjects.csv", "incident-1,2022-08-15", "incident-1,2022-08-11"),),
    ),
    Specimen("an application on the day of the incident", "changchun",
             after=(("subjects.csv", "incident-1,2022-08-15", "incident-1,2022-08-12"),)),
    Specimen(
        "deposits a day late", "changchun", "deadline-late", (Found(f"{CC} deposit, deposit-1", 0, f"{CC} 14"),),
        after=(("facts-deposits.csv", "2022-07-10", "2022-07-20"),),
    ),
    Specimen("deposits on the last day", "changchun", after=(("facts-deposits.csv", "2022-07-10", "2022-07-19"),)),
    Specimen(
        "rent that reached no account of the books", "changchun", "not-booked",
        (Found("incomes.csv, row 4 (receipt/changchun/i-3)", 9_000_00, ""),), steps=without("receipt/changchun/i-3"),
    ),
    Specimen("rent that comes only next year", "changchun", after=(
        ("incomes.csv", "i-5,2022-07-10", "i-6,2027-08-20,songyuan,premises-rent,\"9,000.00\",receipt:evidence/i-3.txt\ni-5,2022-07-10"),)),
    Specimen(
        "support that was approved and not paid", "changchun", "unpaid",
        (Found(f"{CC}/support/support-1/once", 60_000_00, f"{CC} 11"),), steps=without("/support/support-1"),
        also=("idle-appropriation",),
    ),
]  # fmt: skip

# --- XX district: rewards by vote, emergency repairs with advances -----------------------------------------------

XX = "xx-district-2024"
REPAIR = f"{XX}/emergency/i-1/once"
ADVANCE2 = f"{XX}/emergency/i-2/once/advance"
FIRM = f"{XX}/reward-firms/hongda/2024"
VOTE_HEPAN = "v-hepan,2024-08-16,240,20000.00,160,13400.00,121,9000.00"
COMMON = [("hongxing", 24), ("xiangyang", 100), ("hepan", 240), ("xinyuan", 110)]


def _households(estates: Iterable[tuple[str, int]], gone: str = "", until: str = "") -> str:
    """Rows of households, one of whom left on a day while another came the day before the estate was served."""
    lines = ["household_id,estate_id,registered_on,removed_on"]
    for estate, number in estates:
        for n in range(1, number + 1):
            name = f"{estate}-{n:02}"
            lines.append(f"{name},{estate},2001-01-01,{until if name == gone else ''}")
        if gone.startswith(estate) and until < "2024-11-01":
            lines.append(f"{estate}-new,{estate},{until},")
    return "\n".join(lines) + "\n"


XX_DISTRICT = [
    Specimen(
        "more advanced than half of the estimate", "xx-district", "overpaid-advance",
        (Found(ADVANCE2, 10_000_00, f"{XX} 七(四)2", _paid([ADVANCE2])),), also=("wrong-amount",),
        after=(("facts.csv", 'i-2,estimated_cost,,"100,000.00"', 'i-2,estimated_cost,,"80,000.00"'),),
    ),
    Specimen("less asked for, and just what was advanced", "xx-district",
             after=(("facts.csv", '"60,000.00"', '"50,000.00"'),)),
    Specimen(
        "a repair for a cause that nobody listed", "xx-district", "ineligible",
        (Found(REPAIR, 37_200_51, f"{XX} 七(四)2", _paid([REPAIR])),),
        after=(("facts.csv", "i-1,cause,,roof-leakage", "i-1,cause,,lift-repair"),),
    ),
    Specimen("another listed cause", "xx-district", after=(("facts.csv", "i-1,cause,,roof-leakage", "i-1,cause,,pipe-repair"),)),
    Specimen(
        "a fen more than the audit accepted", "xx-district", "wrong-amount",
        (Found(REPAIR, 1, f"{XX} 七(四)2", _paid([REPAIR])),), after=(("facts.csv", '"37,200.51"', '"37,200.50"'),),
    ),
    Specimen("invoiced higher, audited the same", "xx-district", after=(("facts.csv", '"38,500.55"', '"38,600.55"'),)),
    Specimen(
        "an invoice from before the incident", "xx-district", "date-order",
        (Found("i-1", 37_200_51, f"{XX} 七(四)2", _paid([REPAIR])),),
        after=(("facts.csv", '"38,500.55",2024-09-11', '"38,500.55",2024-08-19'),),
    ),
    Specimen("an invoice of the day of the incident", "xx-district",
             after=(("facts.csv", '"38,500.55",2024-09-11', '"38,500.55",2024-08-20'),)),
    Specimen(
        "a result announced before the ballots were in", "xx-district", "date-order",
        (Found("v-hepan", 40_622_89, "民法典 278", _paid([FIRM])),),
        after=(("facts-votes.csv", "v-hepan,2024-08-16", "v-hepan,2024-08-10"),),
    ),
    Specimen("a result announced on the last evening", "xx-district",
             after=(("facts-votes.csv", "v-hepan,2024-08-16", "v-hepan,2024-08-15"),)),
    Specimen(
        "a firm at work before the vote that hired it was over", "xx-district", "date-order",
        (Found("c-hepan", 40_622_89, f"{XX} 七(四)1", _paid([FIRM])),),
        after=(("subjects.csv", "v-hepan,2024-09-01", "v-hepan,2024-08-05"),),
    ),
    Specimen("a firm at work from the last day on", "xx-district",
             after=(("subjects.csv", "v-hepan,2024-09-01", "v-hepan,2024-08-15"),)),
    Specimen(
        "a quorum lower than the law's, set by the case", "xx-district", "vote-short",
        (Found(FIRM, 40_622_89, "民法典 278", _paid([FIRM])),),
        before=(("case.toml", 'advance_share = "1/2"', 'advance_share = "1/2"\nquorum = "1/2"'),),
        after=(("facts-votes.csv", VOTE_HEPAN, VOTE_HEPAN.replace(",160,", ",130,")),),
    ),
    Specimen("a lower quorum that nobody made use of", "xx-district",
             before=(("case.toml", 'advance_share = "1/2"', 'advance_share = "1/2"\nquorum = "1/2"'),)),
    Specimen(
        "more votes than the estate has households", "xx-district", "vote-forged",
        (Found("v-hepan", 40_622_89, "民法典 278", _paid([FIRM])),),
        after=(("facts-votes.csv", VOTE_HEPAN, VOTE_HEPAN.replace("240,20000.00,160", "300,20000.00,241")),),
    ),
    Specimen("all households vote", "xx-district",
             after=(("facts-votes.csv", VOTE_HEPAN, VOTE_HEPAN.replace(",160,", ",240,").replace(",121,", ",130,")),)),
    Specimen(
        "a ballot of somebody who had moved out", "xx-district", "vote-forged",
        (Found("v-hongxing", 4_143_53, "民法典 278", _paid([FIRM])),),
        after=(("households.csv", "", _households(COMMON, "hongxing-05", "2024-09-01")),),
    ),
    Specimen("a ballot of somebody who moved out later", "xx-district",
             after=(("households.csv", "", _households(COMMON, "hongxing-05", "2025-01-01")),)),
    Specimen(
        "a fee twice where no document says once", "xx-district", "fee-twice",
        (Found("fees.csv, row 2 and fees.csv, row 3", 5_00, "民法典 985"),),
        after=(("fees.csv", "", "household_id,fee,month,amount_yuan\nh-1,refuse,2024-03,5.00\nh-1,refuse,2024-03,5.00\n"),),
    ),
    Specimen("two households pay the same fee", "xx-district", after=(
        ("fees.csv", "", "household_id,fee,month,amount_yuan\nh-1,refuse,2024-03,5.00\nh-2,refuse,2024-03,5.00\n"),)),
    Specimen(
        "an area written in 万", "xx-district", "fact-unit-slip",
        (Found("facts-district.csv, row 2 (socialised_m2) and facts-district.csv, row 2 (listed_m2)", 0, f"{XX} 二.2"),),
        after=(("facts-district.csv", "29920.00", "2.99"),),
    ),
    Specimen("an area that is a tenth", "xx-district", after=(("facts-district.csv", "29920.00", "2992.00"),)),
]  # fmt: skip

# --- template 2: works, reliefs, stations -------------------------------------------------------------------------

CT = "city-template-2"
GREENING, DRAINAGE = f"{CT}/environment/ly-greening/once", f"{CT}/environment/ly-drainage/once/advance"
CIVIL = f"{CT}/environment/ly-civil/once"
RELIEF1, RELIEF3 = f"{CT}/relief/r-1/2025", f"{CT}/relief/r-3/2025"
ESTATES = [("liuyin", 400), ("huaian", 120), ("mianfang", 100)]
R1, R3 = "r-1,relief,住户甲", "r-3,relief,住户丙"
NAMED = (("subjects.csv", R1, "r-1,relief,liuyin-01"), ("subjects.csv", R3, "r-3,relief,huaian-01"))

CITY_TEMPLATE = [
    Specimen(
        "progress paid beyond the contract", "city-template", "overpaid-advance",
        (Found(DRAINAGE, 30_000_00, f"{CT} 八.2", _paid([DRAINAGE])),), also=("wrong-amount",),
        after=(("facts-lines.csv", '"300,000.00","95,000.00"', '"200,000.00","95,000.00"'),),
    ),
    Specimen("a higher claim for progress, capped all the same", "city-template",
             after=(("facts-lines.csv", '"300,000.00","95,000.00"', '"300,000.00","96,000.00"'),)),
    Specimen(
        "final accounts audited before the works were taken over", "city-template", "date-order",
        (Found("ly-greening", 60_000_00, f"{CT} 八.2", _paid([GREENING])),),
        after=(("facts-lines.csv", '"60,000.00",2024-11-15', '"60,000.00",2024-09-30'),),
    ),
    Specimen("final accounts on the day of the takeover", "city-template",
             after=(("facts-lines.csv", '"60,000.00",2024-11-15', '"60,000.00",2024-10-08'),)),
    Specimen(
        "the result of a survey published before it was closed", "city-template", "date-order",
        (Found("liuyin", 0, f"{CT} 六(二)1"),), after=(("facts-estates.csv", "2024-11-08,2024-11-11", "2024-11-08,2024-11-05"),),
    ),
    Specimen("the result published on the day of the closing", "city-template",
             after=(("facts-estates.csv", "2024-11-08,2024-11-11", "2024-11-08,2024-11-08"),)),
    Specimen(
        "works beyond the budget of the year", "city-template", "paid-not-due",
        (Found(CIVIL, 190_000_00, f"{CT} 六(一)2", _paid([CIVIL])),),
        after=(("facts.csv", '"1,020,000.56"', '"830,000.56"'),),
    ),
    Specimen("a budget of the year that was known a day earlier", "city-template",
             after=(("facts.csv", '"1,020,000.56",2024-01-05', '"1,020,000.56",2024-01-04'),)),
    Specimen(
        "a relief paid while its notice was running", "city-template", "notice-short",
        (Found(RELIEF1, 144_00, f"{CT} 八.3", _paid([RELIEF1])),), steps=changed("/relief/r-1/", effective=date(2025, 3, 10)),
    ),
    Specimen("a relief paid the day after its notice", "city-template", steps=changed("/relief/r-1/", effective=date(2025, 3, 11))),
    Specimen(
        "a relief paid in spite of an objection", "city-template", "notice-short",
        (Found(RELIEF1, 144_00, f"{CT} 八.3", _paid([RELIEF1])),),
        after=(("facts-reliefs.csv", "r-1,2025,288.00,yes,2025-03-03,no", "r-1,2025,288.00,yes,2025-03-03,yes"),),
    ),
    Specimen(
        "a relief for a household that had moved out", "city-template", "moved-out",
        (Found(RELIEF1, 144_00, f"{CT} 七.3", _paid([RELIEF1])),),
        after=(*NAMED, ("households.csv", "", _households(ESTATES, "liuyin-01", "2024-10-01"))),
    ),
    Specimen(
        "a relief of a year in the middle of which the household moved out", "city-template", "moved-out",
        (Found(RELIEF1, 72_00, f"{CT} 七.3", _paid([RELIEF1])),),
        after=(*NAMED, ("households.csv", "", _households(ESTATES, "liuyin-01", "2025-07-01"))),
    ),
    Specimen("a relief of a household that moved out at the end of the year", "city-template",
             after=(*NAMED, ("households.csv", "", _households(ESTATES, "liuyin-01", "2026-01-01")))),
    Specimen(
        "one household under two reliefs", "city-template", "duplicate-household",
        (Found(f"{RELIEF1} and {RELIEF3}", 135_01, f"{CT} 七.3", _paid([RELIEF1, RELIEF3])),),
        after=(NAMED[0], ("subjects.csv", R3, "r-3,relief,liuyin-01"), ("households.csv", "", _households(ESTATES))),
    ),
    Specimen("two households with a relief each", "city-template", after=(*NAMED, ("households.csv", "", _households(ESTATES)))),
    Specimen(
        "a reward for what was assessed as good, not excellent", "city-template", "failed-assessment",
        (Found(f"{CT}/reward/c-station/2025", 5_000_00, f"{CT} 八.3", _paid([f"{CT}/reward/c-station/2025"])),),
        after=(("assessments.csv", "c-station,2025,excellent", "c-station,2025,good"),),
    ),
]  # fmt: skip

# --- the maintenance fund -----------------------------------------------------------------------------------------

MF = "maintenance-fund-2008"
ROOF = f"{MF}/repair/m-1/once"
SHORT_VOTE = ("facts.csv", "v-1,agreeing_persons,,8", "v-1,agreeing_persons,,5")

MAINTENANCE = [
    Specimen(
        "a repair on a vote without a majority", "maintenance-fund", "vote-short",
        (Found(ROOF, 66_228_63, "民法典 278", _paid([ROOF])),), after=(SHORT_VOTE,),
    ),
    Specimen("a repair without a majority, by the emergency procedure", "maintenance-fund", after=(
        SHORT_VOTE, ("facts.csv", "m-1,emergency_applied,,no", "m-1,emergency_applied,,yes"),
        ("facts.csv", "m-1,danger_proven,,no", "m-1,danger_proven,,yes"))),
    Specimen(
        "a repair that the builder must bear", "maintenance-fund", "ineligible",
        (Found(ROOF, 66_228_63, f"{MF} 25", _paid([ROOF])),), after=(("facts.csv", "m-1,liability,,owners", "m-1,liability,,builder"),),
    ),
    Specimen(
        "a bill audited before the owners decided", "maintenance-fund", "date-order",
        (Found("m-1", 66_228_63, f"{MF} 22", _paid([ROOF])),),
        after=(("facts.csv", '"73,000.01",2022-09-20', '"73,000.01",2022-04-29'),),
    ),
    Specimen("a bill audited on the day of the decision", "maintenance-fund",
             after=(("facts.csv", '"73,000.01",2022-09-20', '"73,000.01",2022-04-30'),)),
    Specimen(
        "the seller's deposit never came", "maintenance-fund", "deadline-missed",
        (Found(f"{MF} seller-deposit, b1-seller", 0, f"{MF} 12"),),
        after=(("facts.csv", "b1-seller,seller_deposited_on,,2021-03-31,,\n", ""),),
    ),
    Specimen("the seller's deposit came on the day of the proceeds", "maintenance-fund",
             after=(("facts.csv", "b1-seller,seller_deposited_on,,2021-03-31", "b1-seller,seller_deposited_on,,2021-03-01"),)),
    Specimen(
        "a part of the bill borne by another house", "maintenance-fund", "wrong-split",
        (Found(ROOF, 6_771_38, f"{MF} 20", _paid([ROOF])),), after=(("facts-lists.csv", "m-1-01,1-101,", "m-1-01,1-102,"),),
    ),
]  # fmt: skip

CORPUS: list[Specimen] = [*DONGHU, *CHANGCHUN, *XX_DISTRICT, *CITY_TEMPLATE, *MAINTENANCE]
