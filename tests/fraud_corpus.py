"""Small books with one seeded fraud or slip each, and innocent ones that look like it: what the rules of an audit are tried on.

Each case fills a `Town` through the ordinary verbs. What the gate would refuse is written past it, by `forge`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

from estate_funds.audit.journal_rules import JOURNAL_RULES
from estate_funds.audit.rules import Material, asked
from estate_funds.calendar import Month
from estate_funds.errors import Refusal
from estate_funds.funds import Account, Fund, Permit
from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting
from estate_funds.ledger import Ledger
from estate_funds.money import allocate
from estate_funds.vouchers import (
    Hands,
    advance,
    appropriate,
    carry_forward,
    claw_back,
    close,
    lend,
    open_fund,
    promise,
    receive,
    refused,
    release,
    reopen,
    repay,
    reverse,
    settle,
    spend,
    transfer,
)
from estate_funds.vouchers.drafting import D, arriving, line, liquidating

HANDS = Hands("王敏", "李强")
FIRM = {"payee": "宏达物业", "payee_class": "enterprise"}


def day(month: int, of: int = 1, year: int = 2024) -> date:
    """A day of 2024, or of another year."""
    return date(year, month, of)


def paper(kind: str, text: str) -> Evidence:
    """A document by what it says."""
    return Evidence(kind, hashlib.sha256(text.encode()).hexdigest())


def _permit(purpose: str, payee_class: str = "enterprise", into: str = "", requires: tuple[str, ...] = ()) -> Permit:
    return Permit(purpose, payee_class, into, date(2015, 1, 1), None, requires, f"on {purpose}")


def _fund(fund_id: str, *permits: Permit, **changes: Any) -> Fund:
    fund = Fund(fund_id, f"fund {fund_id}", "办法〔2020〕3号", "12", True, "fifo", permits)
    return replace(fund, **changes)


REPAIR = _fund("repair/estate/院一", _permit("roof"), _permit("lift"), _permit("bridge", "estate", "common"))
NEIGHBOUR = _fund("repair/estate/院二", _permit("roof"), _permit("refund", "estate", "common"))
COMMON = _fund(
    "common/estate/院一", _permit("cleaning"), _permit("roof"), _permit("support", "community", "office"),
    _permit("bridge", "estate", "repair"), _permit("roof", "estate", "works"),
)  # fmt: skip
WORKS = _fund("works/estate/院一", _permit("roof"))
OFFICE = _fund("office/community/园一", _permit("banquet"), _permit("cleaning"))
CITY = _fund("budget/city/南市", _permit("award", "community", "share"), _permit("works"))
DISTRICT = _fund("budget/district/东区", _permit("award", "community", "share"))
WEST = _fund("budget/district/西区", _permit("award", "community", "share"))
SHARE = _fund("share/community/园一", _permit("cleaning"), _permit("award", "estate", "common"))
YEARLY = _fund("yearly/city/南市", _permit("works"), carry_forward=False)
FUNDS = (REPAIR, NEIGHBOUR, COMMON, WORKS, OFFICE, CITY, DISTRICT, WEST, SHARE, YEARLY)


class Town:
    """Books of an estate, its neighbour, its community, and the budgets that pay them."""

    def __init__(self) -> None:
        self.ledger, self.entries, self.today, self.count = Ledger(), list[Entry](), date(2020, 1, 1), 0
        self.hands = HANDS
        for fund in FUNDS:
            self.post(open_fund(fund, on=self.today, hands=HANDS))

    # --- booking ---

    def key(self) -> str:
        """A key that is no number of a series."""
        self.count += 1
        return f"{hashlib.sha256(str(self.count).encode()).hexdigest()[:8]}-x"

    def post(self, draft: Draft, recorded: date | None = None) -> Entry:
        """Book through the gate; on the day of the entry, or on which the books are already."""
        self.today = max(self.today, recorded or draft.effective)
        entry = self.ledger.post(draft, recorded=self.today)
        assert entry is not None, draft.key
        self.entries.append(entry)
        return entry

    def forge(self, draft: Draft, recorded: date | None = None) -> Entry:
        """Write what the gate refuses past it."""
        self.today = max(self.today, recorded or draft.effective)
        try:
            self.ledger.check(draft, recorded=self.today)
        except Refusal:
            entry = Entry(self.ledger.seq + 1, self.today, draft)
            self.ledger.advance(entry)
            self.entries.append(entry)
            return entry
        raise AssertionError(f"the gate takes {draft.key}: post it")

    def material(self, as_of: date | None = None) -> Material:
        """What the rules are given."""
        return Material(self.entries, self.ledger, as_of or self.today)

    # --- verbs in short; amounts in yuan ---

    def _told(self, on: date, key: str) -> dict[str, Any]:
        return {"on": on, "key": key or self.key(), "hands": self.hands}

    def get(self, fund: Fund, yuan: int | float, on: date, source: str = "业主", key: str = "") -> Entry:
        return self.post(receive(fund, source, round(yuan * 100), **self._told(on, key)))

    def grant(self, fund: Fund, yuan: int, on: date, key: str = "") -> Entry:
        return self.post(appropriate(fund, "财政局", yuan * 100, **self._told(on, key)))

    def paying(self, fund: Fund, yuan: int | float, on: date, purpose: str = "roof", *, key: str = "", against: str = "", papers: Sequence[Evidence] = (), **to: str) -> Draft:  # fmt: skip
        return spend(
            fund, round(yuan * 100), purpose=purpose, against=against, evidence=papers, **self._told(on, key),
            **(FIRM | to),
        )  # fmt: skip

    def pay(self, fund: Fund, yuan: int | float, on: date, purpose: str = "roof", *, booked: date | None = None, **more: Any) -> Entry:  # fmt: skip
        return self.post(self.paying(fund, yuan, on, purpose, **more), booked)

    def promise(self, fund: Fund, yuan: int | float, reference: str, on: date, key: str = "", purpose: str = "roof") -> Entry:  # fmt: skip
        return self.post(
            promise(fund, round(yuan * 100), reference=reference, purpose=purpose, **self._told(on, key), **FIRM)
        )

    def advance(self, fund: Fund, yuan: int, reference: str, on: date, papers: Sequence[Evidence] = ()) -> Entry:
        told = self._told(on, "")
        return self.post(
            advance(fund, yuan * 100, reference=reference, purpose="roof", evidence=papers, **told, **FIRM)
        )

    def settle(self, fund: Fund, yuan: int, paid: Entry, on: date, papers: Sequence[Evidence] = ()) -> None:
        for draft in settle(self.ledger, fund, yuan * 100, paid, evidence=papers, **self._told(on, "")):
            self.post(draft)

    def lend(self, lender: Fund, borrower: Fund, yuan: int, on: date) -> Entry:
        told = {"purpose": "bridge", "clause": "4", "narrative": "loan", "evidence": [paper("approval", str(on))]}
        return self.post(lend(lender, borrower, yuan * 100, **told, **self._told(on, "")))  # type: ignore[arg-type]

    def repay(self, borrower: Fund, lender: Fund, yuan: int, on: date) -> Entry:
        told = {"clause": "4", "narrative": "loan paid back"}
        return self.post(repay(borrower, lender, yuan * 100, **told, **self._told(on, "")))

    def move(self, giver: Fund, taker: Fund, yuan: int, purpose: str, on: date) -> Entry:
        told = {"purpose": purpose, "clause": "1", "narrative": "moved"}
        return self.post(transfer(giver, taker, yuan * 100, **told, **self._told(on, "")))

    def reverse(self, entry: Entry, on: date) -> Entry:
        return self.post(reverse(entry, on=on, hands=self.hands, narrative="booked by mistake"))

    def claim_back(self, entry: Entry, on: date) -> Entry:
        return self.post(claw_back(entry, narrative="paid twice", **self._told(on, "")))

    def release(self, reference: str, on: date) -> Entry:
        return self.post(release(self.ledger, reference, on=on, hands=self.hands, narrative="less was needed"))

    def award(self, shares: dict[Fund, int], on: date, *, clause: str = "5") -> Entry:
        """A claim of the community, promised and paid by its payers; amounts in fen."""
        reference = f"claim/{self.key()}"
        told: dict[str, Any] = {
            "effective": on, "maker": self.hands.maker, "approver": self.hands.approver, "document": "办法〔2020〕3号",
            "clause": clause, "purpose": "award", "payee": "园一", "payee_class": "community", "reference": reference,
            "evidence": (paper("assessment", reference),), "policy": "p", "registry": "r",
        }  # fmt: skip
        budget = str(on.year)
        held: list[Posting] = []
        moves: list[Posting] = []
        for fund, fen in shares.items():
            held += [line(fund.fund_id, Account.UNENCUMBERED, D, fen, budget), line(fund.fund_id, Account.ENCUMBERED, "C", fen, reference)]  # fmt: skip
            spent = line(fund.fund_id, Account.TRANSFER_OUT, D, fen, SHARE.fund_id)
            moves += [*liquidating(fund.fund_id, spent, fen, reference)]
            moves += [*arriving(SHARE.fund_id, Account.TRANSFER_IN, fund.fund_id, fen, on)]
        self.post(Draft(kind=Kind.ENCUMBRANCE, key=f"encumbrance/{reference}", narrative="award promised", postings=tuple(held), **told))  # fmt: skip
        return self.post(Draft(kind=Kind.DISBURSEMENT, key=f"disbursement/{reference}", narrative="award paid", postings=tuple(moves), **told))  # fmt: skip

    def close(self, month: str, on: date) -> Entry:
        return self.post(close(Month.parse(month), on=on, hands=self.hands, ledger=self.ledger))

    def carry(self, *years: int) -> None:
        """End years."""
        for year in years:
            for draft in carry_forward(self.ledger, year, hands=self.hands):
                self.post(draft, date(year + 1, 1, 5))

    def close_year(self, year: int) -> None:
        self.carry(year)
        self.close(f"{year}-12", date(year + 1, 1, 5))

    def reopen(self, month: str, on: date) -> Entry:
        approval = [paper("approval", month)]
        told = {"document": "批复7号", "clause": "2", "narrative": "a bill was lost", "evidence": approval}
        return self.post(reopen(Month.parse(month), **self._told(on, ""), **told))  # type: ignore[arg-type]

    def refuse(self, draft: Draft) -> Entry:
        """Ask for what the gate refuses, and put that on record."""
        self.today = max(self.today, draft.effective)
        try:
            self.ledger.check(draft, recorded=self.today)
        except Refusal as refusal:
            return self.post(refused(draft, refusal, recorded=self.today))
        raise AssertionError(f"the gate takes {draft.key}")


@dataclass(frozen=True)
class Seeded:
    """One case: the rule that must find it, or that it looks like; whether it is innocent; how it is made."""

    rule: str
    innocent: bool
    name: str
    build: Callable[[Town], None]
    as_of: date | None = None

    def material(self) -> Material:
        """A town with this case in its books."""
        town = Town()
        self.build(town)
        return town.material(self.as_of)


def as_json() -> str:
    """All findings of all cases, for a comparison of runs."""
    about = (case.material() for case in CASES)
    found = (finding for material in about for _, some in asked(JOURNAL_RULES, material) for finding in some)
    return json.dumps([asdict(finding) for finding in found], ensure_ascii=False)


CASES: list[Seeded] = []
Build = Callable[[Town], None]


def _case(rule: str, innocent: bool, as_of: date | None) -> Callable[[Build], Build]:
    def add(build: Build) -> Build:
        CASES.append(Seeded(rule, innocent, build.__name__.lstrip("_"), build, as_of))
        return build

    return add


def fraud(rule: str, as_of: date | None = None) -> Callable[[Build], Build]:
    """A case that the rule must find."""
    return _case(rule, False, as_of)


def innocent(rule: str, as_of: date | None = None) -> Callable[[Build], Build]:
    """A case that looks like what the rule finds, and that no rule may find."""
    return _case(rule, True, as_of)


# --- the way of the money -----------------------------------------------------------------------------------------


@fraud("diversion")
def repair_money_pays_a_banquet_through_two_funds(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.lend(REPAIR, COMMON, 50_000, day(2))
    t.move(COMMON, OFFICE, 40_000, "support", day(3))
    t.pay(OFFICE, 30_000, day(4), "banquet", payee="酒店")


@fraud("diversion")
def repair_money_cleans_the_office(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.lend(REPAIR, COMMON, 50_000, day(2))
    t.move(COMMON, OFFICE, 40_000, "support", day(3))
    t.pay(OFFICE, 20_000, day(4), "cleaning")
    t.pay(OFFICE, 20_000, day(7), "cleaning")


@fraud("diversion")
def the_roof_of_the_neighbour_is_repaired(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.lend(REPAIR, COMMON, 50_000, day(2))
    t.lend(COMMON, NEIGHBOUR, 50_000, day(3))
    t.pay(NEIGHBOUR, 45_000, day(4))


@fraud("diversion")
def only_a_part_of_the_office_money_is_the_owners(t: Town) -> None:
    t.get(OFFICE, 10_000, day(1), "街道")
    t.get(REPAIR, 90_000, day(1))
    t.lend(REPAIR, COMMON, 50_000, day(2))
    t.move(COMMON, OFFICE, 40_000, "support", day(3))
    t.pay(OFFICE, 18_000, day(4), "banquet", payee="酒店")


@fraud("diversion")
def an_award_is_handed_on_to_the_office(t: Town) -> None:
    t.grant(CITY, 50_000, day(1))
    t.award({CITY: 5_000_000}, day(2))
    t.move(SHARE, COMMON, 40_000, "award", day(3))
    t.move(COMMON, OFFICE, 40_000, "support", day(4))
    t.pay(OFFICE, 39_000, day(5), "banquet", payee="酒店")


@innocent("diversion")
def a_loan_between_two_estates_is_paid_back_before_anything_is_spent(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.lend(REPAIR, COMMON, 50_000, day(2))
    t.repay(COMMON, REPAIR, 50_000, day(3))
    t.pay(REPAIR, 80_000, day(4))


@innocent("diversion")
def common_income_of_its_own_supports_the_office(t: Town) -> None:
    t.get(COMMON, 90_000, day(1), "停车费")
    t.move(COMMON, OFFICE, 40_000, "support", day(2))
    t.pay(OFFICE, 30_000, day(3), "banquet", payee="酒店")


@innocent("diversion")
def borrowed_repair_money_repairs_a_roof_two_funds_on(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.lend(REPAIR, COMMON, 50_000, day(2))
    t.move(COMMON, WORKS, 50_000, "roof", day(3))
    t.pay(WORKS, 50_000, day(4))


@innocent("diversion")
def an_award_is_handed_down_to_the_estate(t: Town) -> None:
    t.grant(CITY, 50_000, day(1))
    t.award({CITY: 5_000_000}, day(2))
    t.move(SHARE, COMMON, 40_000, "award", day(3))
    t.pay(COMMON, 30_000, day(4), "cleaning")


@fraud("commingling")
def repair_money_lies_in_the_fund_of_the_neighbour(t: Town) -> None:
    t.get(NEIGHBOUR, 20_000, day(1), "业主二")
    t.get(REPAIR, 90_000, day(1))
    t.lend(REPAIR, COMMON, 50_000, day(2))
    t.lend(COMMON, NEIGHBOUR, 50_000, day(3))


@fraud("commingling")
def repair_money_lies_in_the_office(t: Town) -> None:
    t.get(OFFICE, 10_000, day(1), "街道")
    t.get(REPAIR, 90_000, day(1))
    t.lend(REPAIR, COMMON, 50_000, day(2))
    t.move(COMMON, OFFICE, 25_000, "support", day(3))


@fraud("commingling")
def an_award_lies_in_the_office(t: Town) -> None:
    t.grant(CITY, 50_000, day(1))
    t.award({CITY: 5_000_000}, day(2))
    t.move(SHARE, COMMON, 40_000, "award", day(3))
    t.move(COMMON, OFFICE, 40_000, "support", day(4))


@innocent("commingling")
def two_incomes_of_one_fund(t: Town) -> None:
    t.get(COMMON, 20_000, day(1), "停车费")
    t.get(COMMON, 10_000, day(2), "广告")
    t.get(REPAIR, 90_000, day(2))


@innocent("commingling")
def a_loan_to_the_neighbour_came_home(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.lend(REPAIR, COMMON, 50_000, day(2))
    t.lend(COMMON, NEIGHBOUR, 50_000, day(3))
    t.repay(NEIGHBOUR, COMMON, 50_000, day(4))
    t.repay(COMMON, REPAIR, 50_000, day(5))


@innocent("commingling")
def a_loan_that_the_fence_names_is_still_out(t: Town) -> None:
    t.get(COMMON, 10_000, day(1), "停车费")
    t.get(REPAIR, 90_000, day(1))
    t.lend(REPAIR, COMMON, 50_000, day(2))


def _awards(t: Town, district: Fund, odd_to: Fund | None, times: int, *, year: int = 2024) -> None:
    """Awards of an odd number of fen, half each; the odd one to a payer, or to each in turn."""
    for payer in (CITY, district):
        t.grant(payer, 20_000, day(2, year=year))
    for n in range(times):
        total = 120_001 + 2 * n
        taker = odd_to or (CITY, district)[n % 2]
        shares = allocate(total, {CITY.fund_id: 1, district.fund_id: 1}, first=[taker.fund_id])
        t.award({fund: shares[fund.fund_id] for fund in (CITY, district)}, day(2, 1, year) + timedelta(days=n))


OTHERS = tuple(_fund(f"budget/district/{name}区", _permit("award", "community", "share")) for name in "南北")


@fraud("odd-fen")
def one_district_of_four_bears_every_odd_fen(t: Town) -> None:
    for fund in OTHERS:
        t.post(open_fund(fund, on=day(1), hands=HANDS))
    for district, taker in ((DISTRICT, CITY), (OTHERS[0], CITY), (OTHERS[1], CITY), (WEST, WEST)):
        _awards(t, district, taker, 12)


@fraud("odd-fen")
def the_city_bears_every_odd_fen_of_one_district(t: Town) -> None:
    for fund in OTHERS:
        t.post(open_fund(fund, on=day(1), hands=HANDS))
    for district in (WEST, *OTHERS):
        _awards(t, district, district, 12)
    _awards(t, DISTRICT, CITY, 14)


@fraud("odd-fen")
def all_but_one_odd_fen_fall_on_one_district(t: Town) -> None:
    for fund in OTHERS:
        t.post(open_fund(fund, on=day(1), hands=HANDS))
    for district in (DISTRICT, *OTHERS):
        _awards(t, district, CITY, 11)
    _awards(t, WEST, WEST, 20)
    _awards(t, WEST, CITY, 1)


@innocent("odd-fen")
def the_document_gives_every_odd_fen_to_the_district(t: Town) -> None:
    for district in (DISTRICT, WEST):
        _awards(t, district, district, 15)


@innocent("odd-fen")
def the_odd_fen_falls_on_each_in_turn(t: Town) -> None:
    for fund in OTHERS:
        t.post(open_fund(fund, on=day(1), hands=HANDS))
    for district in (DISTRICT, *OTHERS):
        _awards(t, district, CITY, 12)
    _awards(t, WEST, None, 14)


@innocent("odd-fen")
def five_odd_fen_on_one_side_may_be_chance(t: Town) -> None:
    for fund in OTHERS:
        t.post(open_fund(fund, on=day(1), hands=HANDS))
    for district in (DISTRICT, *OTHERS):
        _awards(t, district, CITY, 11)
    _awards(t, WEST, WEST, 5)


# --- payments -----------------------------------------------------------------------------------------------------


@fraud("split-payments")
def three_invoices_of_48_000_in_ten_days(t: Town) -> None:
    t.get(REPAIR, 200_000, day(1))
    for n, yuan in enumerate((48_000, 48_500, 47_900)):
        t.pay(REPAIR, yuan, day(3, 1 + 5 * n), papers=[paper("invoice", f"a{n}")])


@fraud("split-payments")
def two_halves_of_a_tender(t: Town) -> None:
    t.get(REPAIR, 3_000_000, day(1))
    for n in range(2):
        t.pay(REPAIR, 950_000, day(3, 1 + 6 * n), papers=[paper("invoice", f"b{n}")])


@fraud("split-payments")
def two_contracts_for_one_roof(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    for n, yuan in enumerate((99_000, 98_700)):
        t.promise(REPAIR, yuan, f"contract-{n}", day(3, 1 + n))
        t.pay(REPAIR, yuan, day(3, 11 + n), against=f"contract-{n}")


@fraud("split-payments")
def the_payee_is_written_in_two_ways(t: Town) -> None:
    t.get(REPAIR, 200_000, day(1))
    t.pay(REPAIR, 49_000, day(3, 1), payee="Hong Da")
    t.pay(REPAIR, 49_500, day(3, 4), payee="ＨＯＮＧ ＤＡ")


@innocent("split-payments")
def monthly_cleaning_below_the_threshold(t: Town) -> None:
    t.get(COMMON, 600_000, day(1), "停车费")
    for month in range(1, 13):
        t.pay(COMMON, 48_000, day(month, 25), "cleaning", papers=[paper("invoice", f"c{month}")])


@innocent("split-payments")
def parts_of_one_contract_above_the_threshold(t: Town) -> None:
    t.get(REPAIR, 200_000, day(1))
    t.promise(REPAIR, 145_000, "contract-1", day(2))
    for n, yuan in enumerate((48_000, 48_500, 48_400)):
        t.pay(REPAIR, yuan, day(3, 1 + 5 * n), against="contract-1")


@innocent("split-payments")
def two_payments_to_two_firms(t: Town) -> None:
    t.get(REPAIR, 200_000, day(1))
    t.pay(REPAIR, 48_000, day(3, 1))
    t.pay(REPAIR, 48_500, day(3, 3), payee="安居工程")


@innocent("split-payments")
def each_part_was_put_out_to_tender(t: Town) -> None:
    t.get(REPAIR, 200_000, day(1))
    for n, yuan in enumerate((48_000, 48_500)):
        t.pay(REPAIR, yuan, day(3, 1 + n), papers=[paper("invoice", f"d{n}"), paper("tender", "one")])


@fraud("same-invoice")
def one_invoice_is_paid_in_march_and_in_may(t: Town) -> None:
    t.get(COMMON, 90_000, day(1))
    for month in (3, 5):
        t.pay(COMMON, 9_600, day(month), "cleaning", papers=[paper("invoice", "e")])


@fraud("same-invoice")
def one_invoice_is_paid_by_two_funds(t: Town) -> None:
    t.get(COMMON, 90_000, day(1))
    t.get(REPAIR, 90_000, day(1))
    t.pay(COMMON, 9_600, day(3), papers=[paper("invoice", "f")])
    t.pay(REPAIR, 9_600, day(5), papers=[paper("invoice", "f"), paper("audit", "f")])


@fraud("same-invoice")
def one_invoice_is_paid_under_two_contracts(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    for n in range(2):
        t.promise(REPAIR, 9_600, f"contract-{n}", day(2))
        t.pay(REPAIR, 9_600, day(3 + n), against=f"contract-{n}", papers=[paper("增值税发票", "g")])


@fraud("same-invoice")
def one_invoice_is_paid_twice_under_one_contract(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.promise(REPAIR, 40_000, "contract-1", day(2))
    for n in range(2):
        t.pay(REPAIR, 9_600, day(3 + n), against="contract-1", papers=[paper("invoice", "h")])


@fraud("same-invoice")
def the_second_payment_is_a_little_less(t: Town) -> None:
    t.get(COMMON, 90_000, day(1))
    t.pay(COMMON, 9_600, day(3), papers=[paper("invoice", "i")])
    t.pay(COMMON, 9_480, day(6), papers=[paper("invoice", "i")], payee="宏达二部")


@innocent("same-invoice")
def an_advance_and_its_settlement(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.promise(REPAIR, 40_000, "contract-1", day(2))
    paid = t.advance(REPAIR, 12_000, "contract-1", day(3), [paper("invoice", "j")])
    t.settle(REPAIR, 38_000, paid, day(6), [paper("invoice", "j"), paper("audit", "j")])


@innocent("same-invoice")
def a_payment_is_reversed_and_booked_anew(t: Town) -> None:
    t.get(COMMON, 90_000, day(1))
    wrong = t.pay(COMMON, 9_600, day(3), "cleaning", papers=[paper("invoice", "k")])
    t.reverse(wrong, day(4))
    t.pay(COMMON, 9_600, day(4, 2), papers=[paper("invoice", "k")])


@innocent("same-invoice")
def two_funds_share_one_bill_under_one_reference(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.get(NEIGHBOUR, 90_000, day(1), "业主二")
    for fund, yuan in ((REPAIR, 6_000), (NEIGHBOUR, 6_000)):
        t.promise(fund, yuan, "bill-1", day(2), key=f"bill-1 of {fund.fund_id}")
        t.pay(fund, yuan, day(3), against="bill-1", papers=[paper("invoice", "l")])


@innocent("same-invoice")
def one_contract_and_an_invoice_each_month(t: Town) -> None:
    t.get(COMMON, 90_000, day(1))
    for month in range(2, 7):
        t.pay(COMMON, 3_000, day(month), "cleaning", papers=[paper("contract", "m"), paper("invoice", f"m{month}")])


@innocent("same-invoice")
def what_was_paid_twice_is_claimed_back(t: Town) -> None:
    t.get(COMMON, 90_000, day(1))
    t.pay(COMMON, 9_600, day(3), papers=[paper("invoice", "n")])
    again = t.pay(COMMON, 9_600, day(4), papers=[paper("invoice", "n")])
    t.claim_back(again, day(5))


@fraud("unit-slip")
def a_last_instalment_of_50_yuan(t: Town) -> None:
    t.get(REPAIR, 900_000, day(1))
    t.promise(REPAIR, 500_000, "contract-1", day(2))
    t.pay(REPAIR, 50, day(3), against="contract-1")


@fraud("unit-slip")
def a_month_of_cleaning_without_its_wan(t: Town) -> None:
    t.get(COMMON, 900_000, day(1))
    for month, yuan in enumerate((12_000, 12_400, 1.22, 12_100, 12_600), start=2):
        t.pay(COMMON, yuan, day(month), "cleaning")


@fraud("unit-slip")
def rent_that_came_in_10_000_times(t: Town) -> None:
    for month, yuan in enumerate((800, 800, 8_000_000, 800), start=1):
        t.get(COMMON, yuan, day(month), "基站")


@fraud("unit-slip")
def a_promise_of_ten_thousand_times_the_bill(t: Town) -> None:
    t.get(REPAIR, 900_000_000, day(1))
    t.promise(REPAIR, 350_000_000, "contract-1", day(2))
    t.pay(REPAIR, 35_000, day(3), against="contract-1")


@innocent("unit-slip")
def a_small_part_of_a_large_contract(t: Town) -> None:
    t.get(REPAIR, 900_000, day(1))
    t.promise(REPAIR, 500_000, "contract-1", day(2))
    t.pay(REPAIR, 300, day(3), against="contract-1")
    t.pay(REPAIR, 400_000, day(4), against="contract-1")


@innocent("unit-slip")
def a_fee_of_one_yuan_and_a_bill_of_12_000_to_two_payees(t: Town) -> None:
    t.get(COMMON, 900_000, day(1))
    for month in range(2, 6):
        t.pay(COMMON, 12_000, day(month), "cleaning")
        t.pay(COMMON, 1.20, day(month, 2), "cleaning", payee="银行")


@innocent("unit-slip")
def amounts_that_always_vary_widely(t: Town) -> None:
    t.get(COMMON, 900_000, day(1))
    for month, yuan in enumerate((1.30, 95, 800, 7_000, 13_500), start=2):
        t.pay(COMMON, yuan, day(month), "cleaning")


@fraud("overpaid-progress")
def a_contract_is_promised_again_when_it_is_paid_up(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.promise(REPAIR, 100_000, "contract-1", day(2))
    t.pay(REPAIR, 100_000, day(3), against="contract-1")
    t.promise(REPAIR, 30_000, "contract-1", day(4), key="more of contract-1")
    t.pay(REPAIR, 30_000, day(5), against="contract-1")


@fraud("overpaid-progress")
def progress_payments_run_ahead_of_the_contract(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.promise(REPAIR, 60_000, "contract-1", day(2))
    for n, month in enumerate((3, 4, 5)):
        t.promise(REPAIR, 20_000, "contract-1", day(month), key=f"addition {n} to contract-1")
        t.pay(REPAIR, 33_000, day(month, 5), against="contract-1")


@fraud("overpaid-progress")
def a_payment_beside_the_contract_rests_on_it(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.promise(REPAIR, 100_000, "contract-1", day(2))
    t.pay(REPAIR, 100_000, day(3), against="contract-1", papers=[paper("contract", "o")])
    t.pay(REPAIR, 25_000, day(5), papers=[paper("contract", "o")])


@fraud("overpaid-progress")
def a_payment_past_the_gate_exceeds_the_promise(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.promise(REPAIR, 100_000, "contract-1", day(2))
    t.pay(REPAIR, 90_000, day(3), against="contract-1")
    t.forge(t.paying(REPAIR, 40_000, day(4), against="contract-1"))


@innocent("overpaid-progress")
def a_supplement_of_eight_percent(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.promise(REPAIR, 100_000, "contract-1", day(2))
    t.pay(REPAIR, 100_000, day(3), against="contract-1")
    t.promise(REPAIR, 8_000, "contract-1", day(4), key="supplement of contract-1")
    t.pay(REPAIR, 8_000, day(5), against="contract-1")


@innocent("overpaid-progress")
def a_contract_is_released_and_promised_anew(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.promise(REPAIR, 30_000, "contract-1", day(2))
    t.release("contract-1", day(3))
    t.promise(REPAIR, 90_000, "contract-1", day(3, 5), key="contract-1 anew")
    t.pay(REPAIR, 90_000, day(4), against="contract-1")


@innocent("overpaid-progress")
def an_advance_settled_below_the_contract(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.promise(REPAIR, 100_000, "contract-1", day(2))
    paid = t.advance(REPAIR, 30_000, "contract-1", day(3))
    t.settle(REPAIR, 96_000, paid, day(6))


@innocent("overpaid-progress")
def a_contract_promised_by_two_orders_on_one_day(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.promise(REPAIR, 50_000, "contract-1", day(2))
    t.promise(REPAIR, 45_000, "contract-1", day(2), key="second order of contract-1")
    t.pay(REPAIR, 95_000, day(3), against="contract-1")


@fraud("round-trip")
def a_firm_sponsors_what_it_was_paid(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.pay(REPAIR, 80_000, day(3))
    t.get(COMMON, 76_000, day(3, 21), "宏达物业")


@fraud("round-trip")
def it_comes_back_in_two_parts(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.pay(REPAIR, 80_000, day(3))
    t.get(REPAIR, 40_000, day(3, 11), "宏达物业")
    t.get(REPAIR, 38_500, day(3, 25), "宏达物业")


@fraud("round-trip")
def it_goes_there_and_back_twice(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    for month in (3, 6):
        t.pay(REPAIR, 20_000, day(month), payee="Anju Ltd.")
        t.get(OFFICE, 18_000, day(month, 9), "ＡＮＪＵ ltd")


@innocent("round-trip")
def a_firm_rents_a_room_and_is_paid_for_cleaning(t: Town) -> None:
    t.get(COMMON, 300_000, day(1))
    for month in range(1, 8):
        t.get(COMMON, 8_000, day(month, 2), "宏达物业")
        t.pay(COMMON, 9_000, day(month, 25), "cleaning")


@innocent("round-trip")
def a_payment_by_mistake_comes_back_as_a_recovery(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    wrong = t.pay(REPAIR, 80_000, day(3))
    t.claim_back(wrong, day(3, 2))


@innocent("round-trip")
def a_firm_pays_a_small_fine(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.pay(REPAIR, 80_000, day(3))
    t.get(COMMON, 2_000, day(3, 21), "宏达物业")


@innocent("round-trip")
def a_firm_buys_scrap_half_a_year_later(t: Town) -> None:
    t.get(REPAIR, 300_000, day(1))
    t.pay(REPAIR, 8_000, day(3))
    t.get(COMMON, 7_000, day(9, 21), "宏达物业")


# --- budgets ------------------------------------------------------------------------------------------------------


@fraud("idle-appropriation", date(2025, 1, 10))
def half_a_million_lies_for_three_years(t: Town) -> None:
    t.grant(CITY, 500_000, day(5, year=2021))


@fraud("idle-appropriation", date(2025, 1, 10))
def a_second_budget_lies_after_the_first_is_used(t: Town) -> None:
    t.grant(CITY, 100_000, day(1, year=2020))
    t.pay(CITY, 100_000, day(3, year=2020), "works")
    t.grant(CITY, 300_000, day(5, year=2021))


@fraud("idle-appropriation", date(2025, 3, 1))
def it_is_used_in_the_third_year(t: Town) -> None:
    t.grant(CITY, 500_000, day(11, year=2020))
    t.carry(2020, 2021, 2022)
    t.pay(CITY, 450_000, day(5, year=2023), "works")


@innocent("idle-appropriation", date(2025, 1, 10))
def it_is_used_in_the_second_year(t: Town) -> None:
    t.grant(CITY, 500_000, day(11, year=2021))
    t.carry(2021, 2022)
    t.promise(CITY, 450_000, "contract-1", day(12, 1, 2023), purpose="works")


@innocent("idle-appropriation", date(2025, 1, 10))
def income_of_the_owners_waits_for_a_repair(t: Town) -> None:
    t.get(REPAIR, 500_000, day(5, year=2020))


@innocent("idle-appropriation", date(2024, 12, 31))
def it_has_two_years_less_a_day(t: Town) -> None:
    t.grant(CITY, 500_000, day(11, year=2022))


@innocent("idle-appropriation", date(2025, 1, 10))
def it_lapsed_with_its_year(t: Town) -> None:
    t.grant(YEARLY, 500_000, day(11, year=2021))
    t.close_year(2021)


@innocent("idle-appropriation", date(2025, 1, 10))
def a_rest_of_900_yuan(t: Town) -> None:
    t.grant(CITY, 900, day(5, year=2021))


@fraud("weak-utilisation", date(2025, 1, 10))
def a_tenth_of_a_yearly_budget(t: Town) -> None:
    t.grant(YEARLY, 1_000_000, day(1))
    t.pay(YEARLY, 120_000, day(6), "works")


@fraud("weak-utilisation", date(2025, 1, 10))
def most_of_it_is_promised_and_released_in_december(t: Town) -> None:
    t.grant(YEARLY, 1_000_000, day(1))
    t.promise(YEARLY, 700_000, "contract-1", day(6), purpose="works")
    t.pay(YEARLY, 200_000, day(7), "works", against="contract-1")
    t.release("contract-1", day(12))


@fraud("weak-utilisation", date(2025, 1, 10))
def a_budget_carried_forward_is_hardly_touched(t: Town) -> None:
    t.grant(CITY, 1_000_000, day(1, year=2023))
    t.carry(2023)
    t.pay(CITY, 60_000, day(6), "works")


@innocent("weak-utilisation", date(2025, 1, 10))
def a_budget_of_november(t: Town) -> None:
    t.grant(YEARLY, 1_000_000, day(11))
    t.pay(YEARLY, 60_000, day(12), "works")


@innocent("weak-utilisation", date(2025, 1, 10))
def promised_by_the_end_of_the_year(t: Town) -> None:
    t.grant(YEARLY, 1_000_000, day(1))
    t.promise(YEARLY, 600_000, "contract-1", day(12), purpose="works")


@innocent("weak-utilisation", date(2025, 1, 10))
def awards_of_a_year_are_paid_in_the_next(t: Town) -> None:
    t.grant(CITY, 1_000_000, day(1, year=2023))
    t.carry(2023)
    t.pay(CITY, 900_000, day(2), "works")


@innocent("weak-utilisation", date(2024, 12, 31))
def the_year_is_not_over(t: Town) -> None:
    t.grant(YEARLY, 1_000_000, day(1))


# --- who, when, and under which number ----------------------------------------------------------------------------


def _by(t: Town, maker: str, approver: str) -> None:
    t.hands = Hands(maker, approver)


@fraud("same-hands")
def one_name_in_two_widths(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    _by(t, "WangMin", "ｗａｎｇ ｍｉｎ")
    t.forge(t.paying(REPAIR, 5_000, day(2)))


@fraud("same-hands")
def one_name_with_a_dot(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    _by(t, "王·敏", "王敏")  # the gate takes this one
    t.pay(REPAIR, 5_000, day(2))


@fraud("same-hands")
def one_name_with_a_hyphen_receives(t: Town) -> None:
    _by(t, "zhang-wei", "Zhang.Wei")
    t.get(REPAIR, 90_000, day(1))


@fraud("same-hands")
def the_very_same_name(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    _by(t, "王敏", "王敏")
    t.forge(t.paying(REPAIR, 5_000, day(2)))


@innocent("same-hands")
def two_people_of_one_family_name(t: Town) -> None:
    _by(t, "王敏", "王敏华")
    t.get(REPAIR, 90_000, day(1))
    t.pay(REPAIR, 5_000, day(2))


@innocent("same-hands")
def what_one_person_asked_for_was_refused(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    _by(t, "王敏", "王敏")
    t.refuse(t.paying(REPAIR, 5_000, day(2)))


@fraud("swapped-hands")
def promise_and_payment_by_the_same_two(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.promise(REPAIR, 40_000, "contract-1", day(2))
    _by(t, "李强", "王敏")
    t.pay(REPAIR, 40_000, day(3), against="contract-1")


@fraud("swapped-hands")
def advance_and_payment_by_the_same_two(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    _by(t, "陈静", "赵磊")
    t.promise(REPAIR, 40_000, "contract-1", day(2))
    _by(t, "王敏", "李强")
    t.pay(REPAIR, 10_000, day(3), against="contract-1")
    _by(t, "李 强", "王敏")
    t.pay(REPAIR, 20_000, day(4), against="contract-1")


@fraud("swapped-hands")
def the_settlement_is_approved_by_who_made_the_advance(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.promise(REPAIR, 40_000, "contract-1", day(2))
    paid = t.advance(REPAIR, 12_000, "contract-1", day(3))
    _by(t, "李强", "王敏")
    t.settle(REPAIR, 38_000, paid, day(6))


@innocent("swapped-hands")
def they_swap_roles_on_another_contract(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.promise(REPAIR, 30_000, "contract-1", day(2))
    t.pay(REPAIR, 30_000, day(3), against="contract-1")
    _by(t, "李强", "王敏")
    t.promise(REPAIR, 20_000, "contract-2", day(4))
    t.pay(REPAIR, 20_000, day(5), against="contract-2")


@innocent("swapped-hands")
def a_third_person_approves_the_payment(t: Town) -> None:
    t.get(REPAIR, 90_000, day(1))
    t.promise(REPAIR, 40_000, "contract-1", day(2))
    _by(t, "李强", "赵磊")
    t.pay(REPAIR, 40_000, day(3), against="contract-1")


def _months(t: Town, year: int, first: int, last: int) -> None:
    """Income each month, booked on its day."""
    for month in range(first, last + 1):
        t.get(COMMON, 1_000 + 37 * month, day(month, 15, year), "停车费")


@fraud("back-dating")
def a_payment_of_april_is_dated_into_december(t: Town) -> None:
    _months(t, 2023, 1, 12)
    _months(t, 2024, 1, 4)
    t.pay(COMMON, 3_000, date(2023, 12, 20), booked=day(4, 20))


@fraud("back-dating")
def an_income_is_dated_back_two_months(t: Town) -> None:
    _months(t, 2024, 1, 8)
    t.post(receive(COMMON, "广告", 500_000, on=day(6, 2), key="ad", hands=HANDS), day(8, 20))


@fraud("back-dating")
def one_of_many_in_their_time(t: Town) -> None:
    _months(t, 2023, 1, 12)
    t.carry(2023)
    for month in range(2, 11):
        t.pay(COMMON, 300 + month, day(month, 3), "cleaning")
    t.pay(COMMON, 2_000, day(3, 30), booked=day(10, 9))


@innocent("back-dating")
def a_bill_of_december_is_booked_in_january(t: Town) -> None:
    _months(t, 2023, 1, 12)
    t.get(COMMON, 1_500, day(1, 8), "停车费")
    t.pay(COMMON, 3_000, date(2023, 12, 28), booked=day(1, 12))


@innocent("back-dating")
def bills_always_come_two_months_late(t: Town) -> None:
    t.get(COMMON, 90_000, day(1, year=2023), "停车费")
    for month in range(3, 13):
        t.get(COMMON, 1_000 + 37 * month, day(month, 15), "停车费")
        t.pay(COMMON, 500 + month, day(month - 2, 20), "cleaning", booked=day(month, 16))


@innocent("back-dating")
def a_year_is_booked_at_once(t: Town) -> None:
    late = day(2, 1, 2025)
    for month in range(1, 13):
        t.post(receive(COMMON, "停车费", 100_000 + month, on=day(month, 15), key=f"in{month}x", hands=HANDS), late)
    for month in range(2, 12):
        t.pay(COMMON, 500 + month, day(month, 20), "cleaning", booked=late)


@fraud("after-close")
def a_payment_into_a_closed_year(t: Town) -> None:
    _months(t, 2023, 1, 12)
    t.close_year(2023)
    t.forge(t.paying(COMMON, 3_000, date(2023, 12, 28)), day(1, 9))


@fraud("after-close")
def an_income_into_a_closed_month(t: Town) -> None:
    _months(t, 2024, 1, 6)
    t.close("2024-05", day(6, 20))
    t.forge(receive(COMMON, "广告", 50_000, on=day(5, 30), key="ad", hands=HANDS), day(6, 25))


@fraud("after-close")
def a_reversal_into_a_closed_month(t: Town) -> None:
    _months(t, 2024, 1, 6)
    wrong = t.pay(COMMON, 1_000, day(6, 16), "cleaning")
    t.close("2024-06", day(7, 2))
    t.forge(reverse(wrong, on=day(6, 30), hands=HANDS, narrative="wrong"), day(7, 9))


@innocent("after-close")
def what_is_late_is_dated_into_the_open_month(t: Town) -> None:
    _months(t, 2024, 1, 6)
    t.close("2024-05", day(6, 20))
    t.pay(COMMON, 700, day(6, 21), "cleaning")


@innocent("after-close")
def a_fund_is_opened_with_a_day_of_a_closed_year(t: Town) -> None:
    _months(t, 2023, 1, 12)
    t.close_year(2023)
    t.post(open_fund(OTHERS[0], on=date(2023, 5, 1), hands=HANDS), day(1, 9))


@fraud("reopened-period")
def a_year_is_opened_again_for_a_payment(t: Town) -> None:
    _months(t, 2023, 1, 12)
    t.close_year(2023)
    t.reopen("2023-12", day(1, 10))
    t.post(receive(COMMON, "广告", 300_000, on=date(2023, 12, 29), key="ad", hands=HANDS), day(1, 11))
    t.pay(COMMON, 3_000, date(2023, 12, 30), booked=day(1, 11))


@fraud("reopened-period")
def a_month_is_opened_twice_for_incomes(t: Town) -> None:
    _months(t, 2024, 1, 6)
    t.close("2024-05", day(6, 16))
    for n in (18, 22):
        t.reopen("2024-05", day(6, n))
        t.post(receive(COMMON, "广告", 5_000 + n, on=day(5, 30), key=f"ad{n}x", hands=HANDS), day(6, n))
        t.close("2024-05", day(6, n + 1))


@fraud("reopened-period")
def opened_again_and_never_closed(t: Town) -> None:
    _months(t, 2024, 1, 6)
    t.close("2024-05", day(6, 16))
    t.reopen("2024-04", day(6, 18))
    t.pay(COMMON, 200, day(5, 20), "cleaning", booked=day(6, 19))
    t.pay(COMMON, 201, day(5, 24), "cleaning", booked=day(6, 20))


@innocent("reopened-period")
def opened_again_and_nothing_was_found_to_book(t: Town) -> None:
    _months(t, 2024, 1, 6)
    t.close("2024-05", day(6, 16))
    t.reopen("2024-05", day(6, 18))
    t.close("2024-05", day(6, 19))
    t.pay(COMMON, 200, day(6, 20), "cleaning")


@innocent("reopened-period")
def what_is_booked_is_dated_after_the_period(t: Town) -> None:
    _months(t, 2024, 1, 6)
    t.close("2024-05", day(6, 16))
    t.reopen("2024-05", day(6, 18))
    t.pay(COMMON, 200, day(6, 18), "cleaning")


@fraud("voucher-gaps")
def a_voucher_is_missing(t: Town) -> None:
    for n in [n for n in range(1, 13) if n != 7]:
        t.get(COMMON, 1_000 + 10 * n, day(1, 2 * n + 1), "停车费", key=f"记-2024-{n:03d}")


@fraud("voucher-gaps")
def two_vouchers_are_missing(t: Town) -> None:
    t.get(COMMON, 90_000, day(1))
    for n in [n for n in range(1, 21) if n not in (11, 12)]:
        t.pay(COMMON, 100 + n, day(2, n + 3), "cleaning", key=f"付字{n}")


@fraud("voucher-gaps")
def a_number_runs_against_the_months(t: Town) -> None:
    for n in range(1, 11):
        t.post(
            receive(COMMON, "停车费", 100_000 + n, on=day(1 if n == 8 else (n + 3) // 2, 20), key=f"收-{n}", hands=HANDS),
            day((n + 3) // 2, 20 + n % 2),
        )  # fmt: skip


@innocent("voucher-gaps")
def the_missing_voucher_was_refused(t: Town) -> None:
    for n in range(1, 13):
        if n == 7:
            t.refuse(t.paying(COMMON, 999_999, day(1, 15), key="记-2024-007"))
        else:
            t.get(COMMON, 1_000 + 10 * n, day(1, 2 * n + 1), "停车费", key=f"记-2024-{n:03d}")


@innocent("voucher-gaps")
def a_reversed_voucher_keeps_its_number(t: Town) -> None:
    t.get(COMMON, 90_000, day(1))
    for n in range(1, 9):
        entry = t.pay(COMMON, 100 + n, day(2, 2 * n), "cleaning", key=f"付字{n}")
        if n == 5:
            t.reverse(entry, day(2, 11))


@innocent("voucher-gaps")
def the_number_is_the_month_and_july_had_no_income(t: Town) -> None:
    for month in [month for month in range(1, 13) if month != 7]:
        t.get(COMMON, 1_000 + 10 * month, day(month, 3), "停车费", key=f"lockers-2024-{month:02d}")


@innocent("voucher-gaps")
def numbers_of_orders_of_which_few_are_ours(t: Town) -> None:
    t.get(COMMON, 90_000, day(1))
    for n, order in enumerate((1_207, 1_344, 1_391, 1_502, 1_640, 1_777)):
        t.pay(COMMON, 100 + n, day(2 + n), "cleaning", key=f"order-{order}")
