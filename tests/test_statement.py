"""Two axes of time: the same period stated as it was known on different days, to the fen, and why it differs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import HANDS, make_fund
from estate_funds.calendar import Months
from estate_funds.errors import DateError, InputError, InvariantBroken, Refusal
from estate_funds.funds import Account, Fund, Permit
from estate_funds.journal import Draft, Entry
from estate_funds.ledger import Ledger, replay
from estate_funds.report.statement import Comparison, FundStatement, Statement, compare, statement
from estate_funds.vouchers import (
    amend_fund,
    appropriate,
    carry_forward,
    open_fund,
    promise,
    receive,
    reverse,
    spend,
    transfer,
)

GOLDEN = Path(__file__).parent / "golden"
BUDGET = make_fund("budget/city/c", purposes=("award",), into="share")
SHARE = make_fund("share/community/k", purposes=("cleaning", "repair"), classes=("enterprise",))
CONTRACT = {"reference": "contract/1", "purpose": "repair", "payee": "firm", "payee_class": "enterprise"}


class Journal:
    """Drafts booked through the gate, each recorded on a day."""

    def __init__(self, *funds: Fund, on: date = date(2021, 12, 1)) -> None:
        self.ledger, self.entries = Ledger(), list[Entry]()
        for fund in funds:
            self.book(open_fund(fund, on=on, hands=HANDS), on)

    def book(self, draft: Draft, recorded: date) -> Entry:
        entry = self.ledger.post(draft, recorded=recorded)
        assert entry is not None
        self.entries.append(entry)
        return entry

    def receive(self, fen: int, on: date, recorded: date, source: str = "lockers") -> Entry:
        return self.book(receive(SHARE, source, fen, on=on, key=self.key, hands=HANDS), recorded)

    def pay(self, fen: int, on: date, recorded: date, purpose: str = "cleaning") -> Entry:
        told = {"purpose": purpose, "payee": "firm", "payee_class": "enterprise"}
        return self.book(spend(SHARE, fen, on=on, key=self.key, hands=HANDS, **told), recorded)  # type: ignore[arg-type]

    @property
    def key(self) -> str:
        return f"k{len(self.entries)}"


def day(month: int, number: int, year: int = 2022) -> date:
    return date(year, month, number)


@pytest.fixture
def late() -> list[Entry]:
    """January is booked in January; a receipt of January comes to light in February, a wrong payment in March."""
    journal = Journal(BUDGET, SHARE)
    journal.book(appropriate(BUDGET, "city", 1_000, on=day(1, 3), key="a", hands=HANDS), day(1, 3))
    journal.book(
        transfer(
            BUDGET, SHARE, 400, purpose="award", on=day(1, 5), key="t", hands=HANDS, clause="1", narrative="award"
        ),
        day(1, 5),
    )
    journal.receive(100, day(1, 10), day(1, 10))
    wrong = journal.pay(70, day(1, 20), day(1, 20))
    journal.receive(50, day(1, 25), day(2, 10))  # late
    journal.book(promise(SHARE, 200, **CONTRACT, on=day(2, 12), hands=HANDS), day(2, 12))  # type: ignore[arg-type]
    journal.book(reverse(wrong, on=day(1, 31), hands=HANDS, narrative="another fund's invoice"), day(3, 5))
    journal.pay(30, day(3, 6), day(3, 6), purpose="repair")
    return journal.entries


def of(stated: Statement, fund: Fund) -> FundStatement:
    return next(found for found in stated.funds if found.fund.fund_id == fund.fund_id)


def cash(stated: Statement) -> tuple[int, int, int]:
    return of(stated, SHARE).total(Account.CASH)


@pytest.mark.parametrize(
    ("known_on", "period", "amounts"),
    [
        (day(1, 4), "2022-01", (0, 0, 0)),
        (day(1, 5), "2022-01", (0, 400, 400)),
        (day(1, 31), "2022-01", (0, 430, 430)),
        (day(2, 9), "2022-01", (0, 430, 430)),
        (day(2, 10), "2022-01", (0, 480, 480)),  # the late receipt, known from its recording on
        (day(3, 4), "2022-01", (0, 480, 480)),
        (day(3, 5), "2022-01", (0, 550, 550)),  # the reversal
        (None, "2022-01", (0, 550, 550)),
        (day(1, 31), "2022-02", (430, 0, 430)),
        (day(2, 28), "2022-02", (480, 0, 480)),
        (day(3, 31), "2022-02", (550, 0, 550)),
        (day(2, 28), "2022-03", (480, 0, 480)),
        (None, "2022-03", (550, -30, 520)),
        (None, "2022-01..2022-03", (0, 520, 520)),
        (None, "2022", (0, 520, 520)),
        (None, "2021", (0, 0, 0)),
        (None, "2023", (520, 0, 520)),
    ],
)
def test_a_period_as_known_on_a_day(
    late: list[Entry], known_on: date | None, period: str, amounts: tuple[int, int, int]
) -> None:
    assert cash(statement(late, period=Months.parse(period), known_on=known_on)) == amounts


def test_movements_by_account_detail_and_kind(late: list[Entry]) -> None:
    stated = of(statement(late, period=Months.parse("2022-01..2022-03")), SHARE)
    found = {line.name: (line.opening_fen, dict(line.movements), line.closing_fen) for line in stated.lines}
    assert found == {
        "cash": (0, {"receipt": 150, "reversal": 70, "spending": -100, "transfer": 400}, 520),
        "funding (lockers)": (0, {"receipt": 150}, 150),
        "transfer_in (budget/city/c)": (0, {"transfer": 400}, 400),
        "expenditure (cleaning)": (0, {"reversal": -70, "spending": 70}, 0),
        "expenditure (repair)": (0, {"spending": 30}, 30),
        "authority": (0, {"receipt": 150, "transfer": 400}, 550),
        "unencumbered (2022)": (0, {"encumbrance": -200, "receipt": 150, "reversal": 70, "spending": -100, "transfer": 400}, 320),
        "encumbered": (0, {"encumbrance": 200}, 200),
        "expended": (0, {"reversal": -70, "spending": 100}, 30),
    }  # fmt: skip
    given = of(statement(late, period=Months.parse("2022-01"), known_on=day(1, 31)), BUDGET)
    assert given.total(Account.TRANSFER_OUT) == (0, 400, 400)


def test_promises_are_summed_up_over_claims() -> None:
    journal = Journal(SHARE)
    journal.receive(1_000, day(1, 3), day(1, 3))
    for n in range(3):
        told = CONTRACT | {"reference": f"c/{n}"}
        journal.book(promise(SHARE, 100, **told, on=day(1, 4), hands=HANDS), day(1, 4))  # type: ignore[arg-type]
    (line,) = [
        n
        for n in statement(journal.entries, period=Months.parse("2022-01")).funds[0].lines
        if n.account == "encumbered"
    ]
    assert (line.detail, line.closing_fen) == ("", 300)


def test_a_fund_is_stated_as_it_was_defined_then() -> None:
    journal = Journal(SHARE)
    journal.receive(100, day(1, 10), day(1, 10))
    journal.book(amend_fund(replace(SHARE, title="renamed"), on=day(1, 11), key="m", hands=HANDS), day(4, 1))
    titles = [
        statement(journal.entries, period=Months.parse("2022-01"), known_on=d).funds[0].fund.title
        for d in (day(3, 31), day(4, 1))
    ]
    assert titles == ["fund share/community/k", "renamed"]


def test_one_fund_alone_and_one_that_is_not_open(late: list[Entry]) -> None:
    period = Months.parse("2022-01")
    whole, alone = statement(late, period=period), statement(late, period=period, fund=SHARE.fund_id)
    assert alone.funds == (of(whole, SHARE),)
    with pytest.raises(InputError, match="no fund 'share/community/x' is open") as caught:
        statement(late, period=period, fund="share/community/x")
    assert caught.value.fix == "did you mean 'share/community/k'?"
    with pytest.raises(InputError, match="is open"):
        statement(late, period=period, known_on=date(2021, 1, 1), fund=SHARE.fund_id)


def test_entries_are_read_once_and_no_further_than_known(late: list[Entry]) -> None:
    read = []

    def entries() -> Iterator[Entry]:
        for entry in late:
            read.append(entry.seq)
            yield entry

    stated = statement(entries(), period=Months.parse("2022-01"), known_on=day(1, 31))
    assert stated.entries == 6
    assert read == [1, 2, 3, 4, 5, 6, 7]


def test_a_year_end_moves_budget_on_but_no_cash() -> None:
    journal = Journal(SHARE)
    journal.receive(100, day(1, 10), day(1, 10))
    for draft in carry_forward(journal.ledger, 2022, hands=HANDS):
        journal.book(draft, day(1, 5, 2023))
    known = statement(journal.entries, period=Months.parse("2023"), known_on=day(1, 5, 2023))
    not_yet = statement(journal.entries, period=Months.parse("2023"), known_on=day(1, 4, 2023))
    assert {line.name: line.opening_fen for line in known.funds[0].lines if line.account == "unencumbered"} == {
        "unencumbered (2023)": 100
    }
    assert {line.name: line.opening_fen for line in not_yet.funds[0].lines if line.account == "unencumbered"} == {
        "unencumbered (2022)": 100
    }
    assert known.funds[0].total(Account.CASH) == not_yet.funds[0].total(Account.CASH) == (100, 0, 100)


# what changed between two days of knowledge


def test_what_changed_entry_by_entry(late: list[Entry]) -> None:
    found = compare(late, period=Months.parse("2022-01"), earlier=day(1, 31), known_on=day(3, 31))
    assert [(x.seq, x.kind, x.undoes, x.in_period, dict(x.changes)[SHARE.fund_id, "cash", ""]) for x in found.late] == [
        (7, "receipt", None, True, 50),
        (9, "reversal", 6, True, 70),
    ]
    lines = {
        (c.after or c.before).name: (c.before and c.before.closing_fen, c.after and c.after.closing_fen)
        for c in found.changed
    }  # type: ignore[union-attr]
    assert lines["cash"] == (430, 550)
    assert lines["expenditure (cleaning)"] == (70, 0)
    assert found.before == statement(late, period=Months.parse("2022-01"), known_on=day(1, 31))
    assert found.after == statement(late, period=Months.parse("2022-01"), known_on=day(3, 31))


def test_what_came_late_shows_in_the_opening_of_later_periods(late: list[Entry]) -> None:
    found = compare(late, period=Months.parse("2022-02"), earlier=day(2, 9))
    assert [(x.seq, x.in_period) for x in found.late] == [(7, False), (8, True), (9, False)]
    (line,) = [c for c in found.changed if c.after is not None and c.after.account == "cash"]
    assert line.before is not None
    assert line.after is not None
    assert (line.before.opening_fen, line.after.opening_fen) == (430, 550)


def test_nothing_changed_and_days_the_wrong_way_round(late: list[Entry]) -> None:
    found = compare(late, period=Months.parse("2022-01"), earlier=day(2, 10), known_on=day(3, 4))
    assert (found.late, found.changed) == ((), ())
    assert "the statements agree" in found.to_text()
    with pytest.raises(DateError, match="known earlier"):
        compare(late, period=Months.parse("2022-01"), earlier=day(3, 4), known_on=day(2, 10))


def test_a_fund_that_only_the_later_day_knows(late: list[Entry]) -> None:
    found = compare(late, period=Months.parse("2022-01"), earlier=date(2021, 1, 1), fund=SHARE.fund_id)
    assert found.before.funds == ()
    assert len(found.after.funds) == 1


# at random, against a replay of what was known

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["receive", "pay", "reverse"]), st.integers(1, 90), st.integers(0, 70), st.integers(0, 9)
    ),
    max_size=25,
)


def booked(steps: Iterable[tuple[str, int, int, int]]) -> list[Entry]:
    """Entries recorded from January on, each up to seventy days after the day on which it counts."""
    journal, today = Journal(SHARE), day(1, 1)
    for verb, fen, lag, wait in steps:
        today += timedelta(days=wait)
        on = max(day(1, 1), today - timedelta(days=lag))
        wrong = journal.entries[fen % len(journal.entries)]
        try:
            if verb == "receive":
                journal.receive(fen, on, today)
            elif verb == "pay":
                journal.pay(fen, on, today)
            elif not journal.ledger.is_reversed(wrong.seq):
                journal.book(reverse(wrong, on=on, hands=HANDS, narrative="wrong"), today)
        except Refusal:
            continue
    return journal.entries


@given(STEPS, st.integers(0, 250), st.integers(1, 8))
def test_a_statement_is_the_ledger_of_what_was_known(
    steps: list[tuple[str, int, int, int]], after: int, month: int
) -> None:
    entries, known_on = booked(steps), day(1, 1) + timedelta(days=after)
    known = [entry for entry in entries if entry.recorded <= known_on]
    year = statement(entries, period=Months.parse("2022"), known_on=known_on).funds
    assert year == statement(known, period=Months.parse("2022")).funds
    ledger = replay(known)
    for found in year:
        for line in found.lines:
            assert line.closing_fen == ledger.balance(found.fund.fund_id, Account(line.account), line.detail)
    first, second = (
        statement(entries, period=Months.parse(f"2022-{m:02}"), known_on=known_on) for m in (month, month + 1)
    )
    for one, two in zip(first.funds, second.funds, strict=True):
        for account in Account:
            assert one.total(account)[2] == two.total(account)[0], "one period's closing is the next one's opening"
            opening, movement, closing = one.total(account)
            assert opening + movement == closing


@given(STEPS, st.integers(0, 120), st.integers(0, 120), st.integers(1, 9))
def test_the_late_entries_are_the_whole_difference(
    steps: list[tuple[str, int, int, int]], after: int, later: int, month: int
) -> None:
    entries, earlier = booked(steps), day(1, 1) + timedelta(days=after)
    known_on, period = earlier + timedelta(days=later), Months.parse(f"2022-{month:02}")
    found = compare(entries, period=period, earlier=earlier, known_on=known_on)  # checks itself: see below
    assert found.before == statement(entries, period=period, known_on=earlier)
    assert found.after == statement(entries, period=period, known_on=known_on)
    assert all(earlier < one.recorded <= known_on for one in found.late)


# broken on purpose


def test_a_journal_that_does_not_balance_is_not_stated(late: list[Entry]) -> None:
    first, *rest = late[3].draft.postings
    broken = replace(late[3], draft=replace(late[3].draft, postings=(first._replace(amount_fen=401), *rest)))
    with pytest.raises(InvariantBroken, match="debits exceed credits by 1 fen"):
        statement([*late[:3], broken], period=Months.parse("2022"))


def test_a_difference_that_nothing_explains_is_a_bug(late: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    from estate_funds.report import statement as module

    monkeypatch.setattr(module, "_late", lambda entry, changes, period: module.Late(entry.seq, "receipt", day(1, 1), day(1, 1), "", None, True, ()))  # fmt: skip
    with pytest.raises(InvariantBroken, match="do not explain"):
        compare(late, period=Months.parse("2022-01"), earlier=day(1, 31))


# for people and machines


def golden(name: str, text: str) -> None:
    """Compare with the golden file; with UPDATE_GOLDEN=1, write it instead, and read the difference before committing."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text + "\n", encoding="utf-8")
    assert text + "\n" == path.read_text(encoding="utf-8")


@pytest.fixture
def chinese() -> list[Entry]:
    """A city, a community with income of its own, a late receipt, and a payment from the wrong fund."""
    into = (Permit("award", "community", "community-shortfall", date(2020, 1, 1), None, (), "五(六)1"),)
    city = replace(
        make_fund("award-budget/city/南昌市"),
        title="以奖代补资金",
        permits=into,
        document="donghu-2021-17",
        clause="五(六)1",
    )
    share = replace(
        make_fund("community-shortfall/community/院一社区", purposes=("cleaning", "repair"), classes=("enterprise",)),
        title="社区经费",
        document="donghu-2021-17",
        clause="五(六)1",
    )
    journal = Journal(city, share)
    told = {"payee": "宏达", "payee_class": "enterprise", "hands": HANDS}
    journal.book(appropriate(city, "city", 40_716_000, on=day(1, 3), key="a", hands=HANDS), day(1, 3))
    journal.book(
        transfer(
            city,
            share,
            10_368_000,
            purpose="award",
            on=day(1, 12),
            key="t",
            hands=HANDS,
            clause="五(六)1",
            narrative="奖励资金",
        ),
        day(1, 12),
    )
    wrong = journal.book(spend(share, 2_800_000, purpose="cleaning", on=day(1, 20), key="s1", **told), day(1, 20))  # type: ignore[arg-type]
    journal.book(promise(share, 5_836_050, reference="contract/7", purpose="repair", on=day(1, 25), **told), day(1, 25))  # type: ignore[arg-type]
    journal.book(
        receive(share, "parcel-lockers", 600_000, on=day(1, 28), key="r", hands=HANDS, narrative="快递柜"), day(2, 14)
    )
    journal.book(reverse(wrong, on=day(1, 31), hands=HANDS, narrative="发票属于院二社区"), day(3, 2))
    journal.book(
        spend(share, 3_000_050, purpose="repair", on=day(3, 9), key="s2", against="contract/7", **told), day(3, 9)
    )  # type: ignore[arg-type]
    return journal.entries


def test_a_statement_as_a_person_reads_it(chinese: list[Entry]) -> None:
    golden("statement-january.txt", statement(chinese, period=Months.parse("2022-01"), known_on=day(1, 31)).to_text())
    golden("statement-quarter.txt", statement(chinese, period=Months.parse("2022-01..2022-03")).to_text())


def test_a_comparison_as_a_person_reads_it(chinese: list[Entry]) -> None:
    found = compare(chinese, period=Months.parse("2022-01"), earlier=day(1, 31), known_on=day(3, 31))
    golden("statement-compared.txt", found.to_text())


def test_nothing_booked_by_then(chinese: list[Entry]) -> None:
    text = statement(chinese, period=Months.parse("2020")).to_text()
    assert text.endswith("nothing is booked that counts by then")


def test_plain_values(late: list[Entry]) -> None:
    stated = json.loads(
        json.dumps(statement(late, period=Months.parse("2022-01"), known_on=day(1, 31), fund=SHARE.fund_id).to_json())
    )
    assert stated["period"] == {"first_day": "2022-01-01", "last_day": "2022-01-31"}
    assert (stated["known_on"], stated["entries"]) == ("2022-01-31", 6)
    assert stated["funds"][0]["lines"][0] == {
        "account": "cash", "detail": "", "opening_fen": 0, "movements_fen": {"receipt": 100, "spending": -70, "transfer": 400}, "closing_fen": 430,
    }  # fmt: skip
    found: Comparison = compare(late, period=Months.parse("2022-01"), earlier=day(1, 31))
    plain = json.loads(json.dumps(found.to_json()))
    assert plain["known_on"] == {"before": "2022-01-31", "after": None}
    assert plain["late"][0]["changes"][0] == {"fund": SHARE.fund_id, "account": "cash", "detail": "", "fen": 50}
    assert plain["changed"][0]["before"]["closing_fen"] == 430
