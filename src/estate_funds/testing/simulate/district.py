"""A district: estates that enrol, households that move, results of assessments, amendments, votes; and what is owed.

What is owed is worked out twice: by `assess` from the document, and by `owed` from its words alone, in Fractions. The
document is donghu-2021-17, of which this district amends the rate once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache
from importlib import resources
from random import Random

from estate_funds.assess import Claim, Status, assess
from estate_funds.ballots import CHANNELS, CHOICES, Ballot, tally
from estate_funds.calendar import Month, Months
from estate_funds.case import define_fund
from estate_funds.errors import InvariantBroken
from estate_funds.funds import Fund
from estate_funds.journal import Draft, Kind
from estate_funds.ledger import Ledger, attempt_key
from estate_funds.policy import Document, bind, parse_document
from estate_funds.registry import Assessment, Assessments, Estate, Headcount, Registry
from estate_funds.testing.events import HANDS, paper
from estate_funds.vouchers import appropriate, disburse, encumber, receive, spend

AMENDED_ON = date(2023, 5, 1)
COMMUNITIES = ("院一", "院二", "院三")
_MOST_ESTATES = 12
_AMENDMENT = """
[[provisions.award.rate]]
from = 2023-05-01
clause = "五(六)1"
unit = "CNY/household/month"
tiers = [
    { service_years = [1, 3], value = "17.35" },
    { service_years = [4, 4], value = "11.25" },
    { service_years = [5, 5], value = "6.00" },
]
"""
# fen per household and month by service year, for who enrolled before the amendment, and from its day on.
_RATES = ((1800, 1800, 1800, 1200, 600), (1735, 1735, 1735, 1125, 600))


# What happens in a district beside the books.
FACTS = (
    "an estate enrols", "households move", "an estate leaves", "a year is assessed: pass", "a year is assessed: fail",
    "claims", "claims by the amended rate", "votes that pass", "votes that fail", "appropriations", "income",
    "days pass",
)  # fmt: skip


@lru_cache(maxsize=1)
def document() -> Document:
    """The document with its amendment, and the uses that this district lists."""
    text = (resources.files("estate_funds") / "policies" / "donghu-2021-17.toml").read_text(encoding="utf-8")
    before, head, after = text.partition("[[provisions.award.payers]]")
    parsed = parse_document(f"{before}{_AMENDMENT}\n{head}{after}", source="donghu-2021-17, amended")
    return bind(parsed, {"shortfall_uses": ["cleaning", "security", "repair"]})


@lru_cache(maxsize=1)
def funds() -> tuple[Fund, ...]:
    """The award budgets of city and district, and the shortfall fund of each community."""
    budgets = [define_fund(document(), "award-budget", *held) for held in (("city", "南昌市"), ("district", "东湖区"))]
    shares = [define_fund(document(), "community-shortfall", "community", name) for name in COMMUNITIES]
    return (*budgets, *shares)


@dataclass
class Enrolled:
    """An estate of the programme: how many households came or went on which day, and the result of each year."""

    estate_id: str
    community: str
    start: date
    end: date | None = None
    moves: dict[date, int] = field(default_factory=dict)
    results: dict[int, Assessment] = field(default_factory=dict)

    def households(self, day: date) -> int:
        """How many there are on a day."""
        return sum(net for on, net in self.moves.items() if on <= day)


@dataclass
class District:
    """The estates as they are known; every method is something that happens, drawn from `random`.

    Those of facts say what it was, in the words of FACTS, or nothing where it could not be.
    """

    random: Random
    estates: list[Enrolled] = field(default_factory=list)
    amended = passed = False  # whether the last claim was by the amended rate, and the last vote passed

    # --- what happens ---

    def enrols(self, day: date) -> str:
        """An estate begins service, on the first of this month or in between."""
        if len(self.estates) >= _MOST_ESTATES:
            return ""
        start = day.replace(day=1) if self.random.random() < 0.7 else day
        one = Enrolled(f"estate-{len(self.estates) + 1}", self.random.choice(COMMUNITIES), start)
        one.moves[date(1990, 1, 1)] = self.random.randrange(20, 400)
        one.moves[day] = self.random.randrange(1, 4)  # who comes on the day of enrolment counts
        self.estates.append(one)
        return "an estate enrols"

    def moves(self, day: date) -> str:
        """Households come, or leave."""
        if not self.estates:
            return ""
        one = self.random.choice(self.estates)
        net = self.random.randrange(-3, 6)
        one.moves[day] = one.moves.get(day, 0) + max(net, 1 - one.households(day))
        return "households move"

    def leaves(self, day: date) -> str:
        """An estate ends its service."""
        staying = [one for one in self.estates if one.end is None and one.start < day]
        if not staying or self.random.random() > 0.3:
            return ""
        one, first = self.random.choice(staying), self.random.choice((day, day.replace(day=1)))
        one.end = first if first > one.start else day  # today, or with the month that is over
        return "an estate leaves"

    def is_assessed(self, day: date) -> str:
        """The community of an estate gets its result for a service year that is over: passed, or failed."""
        waiting = [(one, k) for one in self.estates for k in range(1, 6) if k not in one.results and _over(one, k, day)]
        if not waiting:
            return ""
        one, year = self.random.choice(waiting)
        result = "fail" if self.random.random() < 0.2 else "pass"
        one.results[year] = Assessment(one.estate_id, year, result, day)
        return f"a year is assessed: {result}"

    # --- what is asked for ---

    def claims(self, ledger: Ledger, day: date) -> list[Draft]:
        """What an estate is owed and was not paid yet: promised and paid, once the district's own sum agrees."""
        if not self.estates:
            return []
        one = self.random.choice(self.estates)
        claims = self.assess(one, day)
        for claim in claims:
            self.check(one, claim)
        for claim in claims:
            drafts = [] if claim.status is not Status.DUE else _booked(claim, ledger, day)
            if drafts:
                self.amended = one.start >= AMENDED_ON
                return drafts
        return []

    def assess(self, one: Enrolled, day: date) -> list[Claim]:
        """Every claim of an estate, by the document."""
        estate = Estate(
            one.estate_id, one.estate_id, "南昌市", "东湖区", "street", one.community,
            floor_area_centi_m2=8_000 * one.households(day), buildings=3, completed_on=date(1990, 1, 1),
            service_start=one.start, service_end=one.end, renovated_on=date(2020, 12, 31),
        )  # fmt: skip
        registry = Registry.build({one.estate_id: estate}, {one.estate_id: Headcount.from_changes(one.moves)})
        window = Months(Month.of(one.start), Month.of(day) + 1)
        return list(assess(document(), "award", registry, Assessments(one.results.values()), window=window))

    def check(self, one: Enrolled, claim: Claim) -> None:
        """InvariantBroken where the document, as computed, does not owe what its words say."""
        wanted = owed(one, claim.number)
        got = claim.amount_fen, claim.shares.get("city", 0), claim.shares.get("district", 0)
        if got != wanted:
            raise InvariantBroken(f"{claim.claim_id} owes {got}, by the words of the document {wanted}\n{one}")

    def votes(self, fund: Fund, day: date, key: str) -> list[Draft]:
        """The owners vote on a repair (Civil Code 278: half of persons and area of two thirds); what passes is paid."""
        owners = range(self.random.randrange(3, 9))
        cast = [
            Ballot(key, f"owner-{n}", 6_000 + n, self.random.choice(CHANNELS), day, self.random.choice(CHOICES))
            for n in owners
            if self.random.random() < 0.9
        ]
        area = Fraction(sum(6_000 + n for n in owners), 100)
        found = tally(
            key, cast, opens=day, closes=day + timedelta(days=1), total_persons=Fraction(len(owners)), total_area=area
        )
        valid = [b for b in cast if b.choice != "invalid"]
        agree = [b for b in valid if b.choice == "yes"]
        counted = (found.voting_persons, found.agreeing_persons, found.voting_area, found.agreeing_area)
        wanted = (len(valid), len(agree), *(Fraction(sum(b.area_centi_m2 for b in bs), 100) for bs in (valid, agree)))
        if counted != wanted:
            raise InvariantBroken(f"a vote counts {counted}, one by one it is {wanted}")
        passed = 3 * len(valid) >= 2 * len(owners) and 2 * len(agree) > len(valid)
        self.passed = passed
        papers = [paper("invoice"), *([paper("audit")] if passed else [])]
        words = {"purpose": "repair", "payee": "安居维修队", "payee_class": "enterprise"}
        return [spend(fund, self.random.randrange(1, 5_000), evidence=papers, on=day, key=key, hands=HANDS, **words)]

    def appropriations(self, day: date, key: str) -> list[Draft]:
        """City and district appropriate for the year."""
        fen = self.random.randrange(1_000_000, 30_000_000)
        return [
            appropriate(fund, f"{level} treasury", fen, on=day, key=f"{key}/{level}", hands=HANDS)
            for fund, level in zip(funds(), ("city", "district"), strict=False)
        ]

    def income(self, day: date, key: str) -> list[Draft]:
        """A community rents out places along the public road."""
        fund = self.random.choice(funds()[2:])
        return [receive(fund, "parking-public-road", self.random.randrange(1, 90_000), on=day, key=key, hands=HANDS)]


def owed(one: Enrolled, year: int) -> tuple[int, int, int]:
    """What the words of the document owe an estate for a service year: in all, by the city, by the district, in fen.

    18 yuan a household and month for three years, 12 in the fourth, 6 in the fifth (五(六)1), by the schedule of the
    day of enrolment; households are counted on the first day of the service year; half and half, the odd fen to the
    district; nothing for a year that is not passed.
    """
    result = one.results.get(year)
    if result is None or result.result != "pass" or not 1 <= year <= 5:
        return 0, 0, 0
    first = one.start.year * 12 + one.start.month - 1 + 12 * (year - 1)
    months = 12
    if one.end is not None:
        last = one.end - timedelta(days=1)
        months = max(0, min(12, last.year * 12 + last.month - 1 - first + 1))
    counted_on = max(one.start, date(first // 12, first % 12 + 1, 1))
    rate = Fraction(_RATES[one.start >= AMENDED_ON][year - 1])
    due = rate * months * one.households(counted_on)
    city = int(due * Fraction(1, 2))
    return int(due), city, int(due) - city


def _over(one: Enrolled, year: int, day: date) -> bool:
    first = Month.of(one.start) + 12 * year
    return first.first_day <= day


def _booked(claim: Claim, ledger: Ledger, day: date) -> list[Draft]:
    """A claim promised and paid, as far as that does not stand already; after a reversal, the next attempt."""
    drafts = []
    for kind, verb in ((Kind.ENCUMBRANCE, encumber), (Kind.DISBURSEMENT, disburse)):
        key = f"{kind.value}/{claim.claim_id}"
        attempt = ledger.attempt(key)
        if ledger.key(attempt_key(key, attempt)) is None:
            drafts.append(verb(claim, on=day, hands=HANDS, attempt=attempt))
    return drafts
