"""Random histories over every verb: whatever is asked in whatever order, the gate lets nothing through that breaks a rule.

After each step, all that must always hold is computed anew from balances and entries. Drafts are also spoiled at random,
one field or one posting at a time, and put to the gate: it books what is sound, and refuses the rest by a Refusal.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from conftest import HANDS, TODAY
from desk import AGENCY, APPROVAL, CITY, INVOICE, LAPSING, PAPERS, QUEUE, SHARE, TWO_YEARS, Desk, permit, state
from estate_funds.calendar import Month
from estate_funds.errors import InputError, Refusal
from estate_funds.funds import BUDGET, MONEY, NORMAL_SIDE, Account, Fund
from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting
from estate_funds.ledger import Ledger, attempt_key, replay
from estate_funds.ledger.shapes import MIRRORS
from estate_funds.vouchers import amend_fund, appropriate, carry_forward, close, expire, open_fund, refused
from estate_funds.vouchers.drafting import arriving, line, liquidating

LENT = replace(QUEUE, permits=(*QUEUE.permits, permit("bridge", "city", "year"), permit("bridge", "community", "two")))
FUNDS = (CITY, SHARE, LENT, LAPSING, TWO_YEARS, AGENCY)
AMOUNTS = st.one_of(st.integers(1, 80), st.integers(1, 80), st.integers(1, 80), st.sampled_from([300, 1_000, 2**62]))
ANY_FUND = st.sampled_from(FUNDS)
OWN_FUND = st.sampled_from(FUNDS[:-1])  # AGENCY holds money for others
REFERENCES = st.sampled_from(["works", "roof"])
PICKS = st.integers(0, 300)
SOURCES = st.sampled_from(["city", "district", ""])

# What a spoiled draft holds in place of what a verb wrote.
ODD_TEXT = (
    "",
    " ",
    "x",
    "1",
    "6",
    "9" * 18,
    "9" * 19,
    "2022",
    "share/community/k",
    "works",
    "\n",
    "\ud800",
    "e\u0301",
    "D",
    "C",
    "X",
    None,
    7,
)
ODD_DAYS = (date.min, date(2020, 12, 31), date(2021, 6, 1), date(2022, 12, 31), date(2024, 2, 29), date(2030, 1, 1), date.max, None, datetime(2022, 1, 5))  # fmt: skip # noqa: DTZ001
ODD_TERMS = ((), (("expires", "2022-06-30"),), (("expires", "x"),), (("through", "2022-12"),), (("from", "0001-01"),), (("refused", "x"),), ((),), None)  # fmt: skip
ODD_EVIDENCE = ((), (INVOICE,), PAPERS, APPROVAL, (Evidence("", "0" * 64),), (Evidence("invoice", "0"),), None)
ODD_AMOUNTS = (0, 1, -1, 299, 2**63 - 1, 2**63, 10**5_000, True, 1.0, None, "1")
TEXTS = ("key", "maker", "approver", "narrative", "document", "clause", "policy", "registry", "purpose", "payee", "payee_class", "reference")  # fmt: skip
SPOILED: dict[str, tuple[object, ...]] = {
    "kind": (*Kind, "spending", None), "effective": ODD_DAYS, "terms": ODD_TERMS, "evidence": ODD_EVIDENCE,
} | dict.fromkeys(TEXTS, ODD_TEXT)  # fmt: skip
SPOILED_LINES: dict[str, tuple[object, ...]] = {
    "fund": (*(fund.fund_id for fund in FUNDS), *ODD_TEXT), "account": (*(a.value for a in Account), *ODD_TEXT),
    "detail": (*(fund.fund_id for fund in FUNDS), "2021", "2023", "repair", *ODD_TEXT), "side": ("D", "C", "X", "", None),
    "amount_fen": ODD_AMOUNTS,
}  # fmt: skip


def first(entry: Entry, account: Account) -> Posting:
    """The first line of an entry on an account, in whatever order its lines are."""
    return next((p for p in entry.draft.postings if p.account == account), entry.draft.postings[0])


class Histories(RuleBasedStateMachine):
    """Everything that the verbs can ask for, by day and year, closed and opened again."""

    @initialize()
    def start(self) -> None:
        self.desk, self.day, self.last = Desk(*FUNDS), date(2021, 1, 1), date(2021, 1, 1)
        self.asked: list[Draft] = []
        self.everybody_gets_something(2_000)
        for fund in (SHARE, LENT, LAPSING, TWO_YEARS):
            self.ask(self.desk.promising(fund, 300, "works", on=self.day))

    @property
    def ledger(self) -> Ledger:
        return self.desk.ledger

    @property
    def entries(self) -> list[Entry]:
        return self.desk.entries

    def ask(self, *drafts: Draft) -> None:
        """Put drafts to the gate: booked, or refused with nothing changed and a record that can be booked."""
        for draft in drafts:
            self.asked.append(draft)
            before = state(self.ledger)
            try:
                entry = self.ledger.post(draft, recorded=TODAY)
            except Refusal as refusal:
                assert state(self.ledger) == before
                self.ledger.check(refused(draft, refusal, recorded=TODAY), recorded=TODAY)
                assert state(self.ledger) == before
                return  # a chain ends where a link is refused
            self.entries.extend([entry] if entry else [])

    def picked(self, pick: int, *kinds: Kind) -> Entry | None:
        found = [e for e in self.entries if e.draft.kind in kinds] if kinds else self.entries
        return found[-1 - pick % len(found)] if found else None

    # --- money in, promises, payments ---

    @rule(fund=ANY_FUND, fen=AMOUNTS, source=SOURCES, kind=st.sampled_from([Kind.APPROPRIATION, Kind.RECEIPT]))
    def comes_in(self, fund: Fund, fen: int, source: str, kind: Kind) -> None:
        self.ask(appropriate(fund, source, fen, on=self.day, key=self.desk.key, hands=HANDS, kind=kind))

    @rule(fen=st.integers(1, 3_000))
    def everybody_gets_something(self, fen: int) -> None:
        for fund in FUNDS:
            self.ask(appropriate(fund, "city", fen, on=self.day, key=self.desk.key, hands=HANDS, kind=Kind.RECEIPT))

    @rule(fund=ANY_FUND, fen=AMOUNTS, reference=REFERENCES, days=st.sampled_from([None, 0, 30, 400, -1]))
    def promises(self, fund: Fund, fen: int, reference: str, days: int | None) -> None:
        expires = None if days is None else self.day + timedelta(days=days)
        words = {"purpose": "remit", "payee_class": "utility"} if fund is AGENCY else {}
        self.ask(self.desk.promising(fund, fen, reference, on=self.day, expires=expires, **words))

    @rule(fund=ANY_FUND, fen=AMOUNTS, against=st.sampled_from(["", "works", "roof"]), purpose=st.sampled_from(["repair", "cleaning", "repair", "banquet"]), papers=st.sampled_from([PAPERS, PAPERS, PAPERS, ()]))  # fmt: skip
    def spends(self, fund: Fund, fen: int, against: str, purpose: str, papers: tuple[Evidence, ...]) -> None:
        words = {"purpose": "remit", "payee_class": "utility"} if fund is AGENCY else {"purpose": purpose}
        self.ask(self.desk.spending(fund, fen, against=against, on=self.day, evidence=papers, **words))

    @rule(pick=PICKS, fen=AMOUNTS)
    def advances(self, pick: int, fen: int) -> None:
        fund, reference = self.promised(pick)
        self.ask(self.desk.advancing(fund, fen, reference, on=self.day))

    @rule(pick=PICKS, fen=AMOUNTS)
    def keeps_a_promise(self, pick: int, fen: int) -> None:
        fund, reference = self.promised(pick)
        self.ask(self.desk.spending(fund, fen, against=reference, on=self.day))

    def promised(self, pick: int) -> tuple[Fund, str]:
        """A promise that stands, of those whose fund may pay for repairs."""
        standing = sorted(key for key in self.of(Account.ENCUMBERED) if key[1] != "claim" and key[0] != AGENCY.fund_id)
        fund, reference = standing[pick % len(standing)] if standing else (SHARE.fund_id, "works")
        return self.ledger.funds[fund], reference

    @rule(pick=PICKS, audited=st.integers(0, 400))
    def settles(self, pick: int, audited: int) -> None:
        ahead = self.picked(pick, Kind.ADVANCE)
        if ahead is not None:
            fund = self.ledger.funds[first(ahead, Account.ADVANCED).fund]
            same = [
                e for e in self.entries if e.draft.kind is Kind.ADVANCE and e.draft.reference == ahead.draft.reference
            ]
            try:
                self.ask(*self.desk.settling(fund, audited, ahead, on=self.day))
            except InputError:  # it paid less than is to come back: all that was advanced counts
                assert len(same) > 1 or self.ledger.balance(fund.fund_id, Account.RECOVERY, str(ahead.seq))

    @rule(reference=st.sampled_from(["works", "roof", "claim"]), part=st.one_of(st.none(), AMOUNTS), fund=ANY_FUND)
    def releases(self, reference: str, part: int | None, fund: Fund) -> None:
        changes = {} if part is None else {"amounts": {fund.fund_id: part}, "key": self.desk.key}
        try:
            self.ask(self.desk.releasing(reference, on=self.day, **changes))
        except InputError:
            assert not any(a == Account.ENCUMBERED and d == reference for _, a, d in self.ledger.balances)

    @rule()
    def lets_expire(self) -> None:
        for draft in expire(self.ledger, on=self.day, hands=HANDS):
            self.ask(draft)

    # --- between funds ---

    @rule(fen=AMOUNTS)
    def awards(self, fen: int) -> None:
        key = attempt_key("encumbrance/claim", self.ledger.attempt("encumbrance/claim"))
        key = self.desk.key if self.ledger.key(key) else key
        whom = {"purpose": "award", "payee": "k", "payee_class": "community"}
        self.ask(self.desk.promising(CITY, fen, "claim", on=self.day, key=key, **whom))

    @rule(fen=AMOUNTS, out_of_the_books=st.booleans())
    def disburses(self, fen: int, out_of_the_books: bool) -> None:
        words = {"purpose": "grant" if out_of_the_books else "award", "payee": "k", "payee_class": "community"}
        account, detail = ("expenditure", "grant") if out_of_the_books else ("transfer_out", SHARE.fund_id)
        given = line(CITY.fund_id, Account(account), "D", fen, detail)
        taken = () if out_of_the_books else arriving(SHARE.fund_id, Account.TRANSFER_IN, CITY.fund_id, fen, self.day)
        postings = (*liquidating(CITY.fund_id, given, fen, "claim"), *taken)
        self.ask(replace(self.desk.promising(CITY, fen, "claim", on=self.day, **words), kind=Kind.DISBURSEMENT, postings=postings))  # fmt: skip

    @rule(giver=OWN_FUND, taker=OWN_FUND, fen=AMOUNTS)
    def moves(self, giver: Fund, taker: Fund, fen: int) -> None:
        self.ask(self.desk.moving(giver, taker, fen, "refund", on=self.day))

    @rule(pair=st.sampled_from([(SHARE, LENT), (TWO_YEARS, LENT), (LENT, LAPSING), (LENT, TWO_YEARS), (LAPSING, LENT), (LENT, SHARE)]), fen=AMOUNTS)  # fmt: skip
    def lends(self, pair: tuple[Fund, Fund], fen: int) -> None:
        lender, borrower = pair
        self.ask(self.desk.lending(lender, borrower, fen, on=self.day))

    @rule(pick=PICKS, fen=AMOUNTS)
    def repays(self, pick: int, fen: int) -> None:
        loan = self.picked(pick, Kind.LOAN)
        if loan is not None:
            due = first(loan, Account.DUE_FROM)
            lender, borrower = self.ledger.funds[due.fund], self.ledger.funds[due.detail]
            self.ask(self.desk.repaying(borrower, lender, fen, on=self.day))

    # --- put right ---

    @rule(pick=PICKS, part=st.one_of(st.none(), AMOUNTS))
    def claims_back(self, pick: int, part: int | None) -> None:
        paid = self.picked(pick, Kind.SPENDING, Kind.DISBURSEMENT, Kind.ADVANCE, Kind.SETTLEMENT)
        if paid is not None:
            self.ask(self.desk.claiming(paid, part and {first(paid, Account.CASH).fund: part}, on=self.day))

    @rule(pick=PICKS, fen=AMOUNTS, giver=st.sampled_from([None, None, SHARE, LENT]))
    def recovers(self, pick: int, fen: int, giver: Fund | None) -> None:
        claim = self.picked(pick, Kind.CLAW_BACK)
        if claim is not None:
            paid = self.entries[int(claim.draft.reference) - 1]
            taker = self.ledger.funds[first(claim, Account.RECEIVABLE).fund]
            held = self.ledger.balance(taker.fund_id, Account.RECEIVABLE, claim.draft.reference)
            self.ask(self.desk.collecting(paid, taker, fen if fen < 50 else max(1, held), giver=giver, on=self.day))

    @rule(pick=PICKS, fen=AMOUNTS)
    def waives(self, pick: int, fen: int) -> None:
        claim = self.picked(pick, Kind.CLAW_BACK)
        if claim is not None:
            paid, fund = self.entries[int(claim.draft.reference) - 1], first(claim, Account.RECEIVABLE).fund
            held = self.ledger.balance(fund, Account.RECEIVABLE, claim.draft.reference)
            self.ask(self.desk.waiving(paid, {fund: fen if fen < 50 else max(1, held)}, on=self.day))

    @rule(pick=PICKS, knows=st.booleans())
    def reverses(self, pick: int, knows: bool) -> None:
        entry = self.picked(pick)
        assert entry is not None
        self.ask(self.desk.reversing(entry, on=self.day, ledger=self.ledger if knows else None))

    @rule(pick=PICKS)
    def reverses_a_mirrored_kind(self, pick: int) -> None:
        entry = self.picked(pick, Kind.RELEASE, Kind.WAIVER, Kind.RECOVERY, Kind.LOAN, Kind.REPAYMENT, Kind.SETTLEMENT, Kind.SURRENDER)  # fmt: skip
        if entry is not None:
            self.ask(self.desk.reversing(entry, on=self.day, ledger=self.ledger))

    @rule(pick=PICKS)
    def repeats(self, pick: int) -> None:
        entry, seq = self.picked(pick), self.ledger.seq
        assert entry is not None
        self.ask(entry.draft)
        assert self.ledger.seq == seq

    @rule(pick=PICKS, fen=AMOUNTS, source=SOURCES)
    def surrenders(self, pick: int, fen: int, source: str) -> None:
        funds = [fund for fund in FUNDS if self.ledger.surplus_cash(fund.fund_id)] or [SHARE]
        fund = funds[pick % len(funds)]
        self.ask(self.desk.surrendering(fund, fen if fen < 50 else max(1, self.ledger.surplus_cash(fund.fund_id)), source, on=self.day))  # fmt: skip

    @rule(pick=PICKS)
    def records_what_was_refused(self, pick: int) -> None:
        if not self.asked:
            return
        draft = self.asked[-1 - pick % len(self.asked)]
        try:
            self.ledger.check(draft, recorded=TODAY)
        except Refusal as refusal:
            self.ask(refused(draft, refusal, recorded=TODAY))

    # --- time ---

    @rule(days=st.integers(1, 200))
    def days_pass(self, days: int) -> None:
        self.day = min(self.day + timedelta(days=days), date(self.day.year, 12, 31))

    @rule(closes=st.booleans(), patience=st.integers(0, 3))
    def ends_the_year(self, closes: bool, patience: int) -> None:
        if patience or self.day.year >= TODAY.year - 1:
            return
        year = self.day.year
        self.ask(*carry_forward(self.ledger, year, hands=HANDS))
        self.day = self.last = max(self.last, date(year + 1, 1, 1))
        if closes:
            self.ask(close(Month.parse(f"{year}-12"), on=self.day, hands=HANDS, ledger=self.ledger))

    @rule(months=st.integers(0, 15))
    def opens_again(self, months: int) -> None:
        if self.ledger.closed_through > date(2021, 1, 31):
            first = Month.of(self.ledger.closed_through) + -months
            self.ask(self.desk.reopening(str(first), on=self.last))
            self.day = min(self.last, max(date(2021, 1, 1), self.ledger.closed_through + timedelta(days=1)))

    @rule(fund=ANY_FUND, wide=st.booleans(), patience=st.integers(0, 3))
    def is_amended(self, fund: Fund, wide: bool, patience: int) -> None:
        if patience:
            return
        more = (*fund.permits, permit("bridge", "city", "year"), permit("refund", "community", "queue"))
        self.ask(amend_fund(replace(fund, permits=more if wide else fund.permits), on=self.day, key=self.desk.key, hands=HANDS))  # fmt: skip

    # --- spoiled drafts ---

    @rule(pick=PICKS, name=st.sampled_from(sorted(SPOILED)), which=PICKS)
    def spoils_a_field(self, pick: int, name: str, which: int) -> None:
        if self.asked:
            draft = replace(self.asked[-1 - pick % min(12, len(self.asked))], key=self.desk.key)
            self.ask(replace(draft, **{name: SPOILED[name][which % len(SPOILED[name])]}))

    @rule(pick=PICKS, at=PICKS, name=st.sampled_from(sorted(SPOILED_LINES)), which=PICKS, twice=st.booleans())
    def spoils_a_line(self, pick: int, at: int, name: str, which: int, twice: bool) -> None:
        """One line, or two in the same way: what balances on its own is the harder to see."""
        lines = [d for d in self.asked[-12:] if isinstance(d.postings, tuple) and d.postings]
        if not lines:
            return
        draft = replace(lines[-1 - pick % len(lines)], key=self.desk.key)
        postings, odd = list(draft.postings), SPOILED_LINES[name][which % len(SPOILED_LINES[name])]
        for place in (at, at + 1) if twice else (at,):
            postings[place % len(postings)] = postings[place % len(postings)]._replace(**{name: odd})
        self.ask(replace(draft, postings=tuple(postings)))

    @rule(pick=PICKS, other=PICKS, how=st.sampled_from(["joined", "doubled", "cut", "turned", "swapped"]))
    def spoils_the_lines(self, pick: int, other: int, how: str) -> None:
        lines = [d for d in self.asked[-12:] if isinstance(d.postings, tuple) and d.postings]
        if not lines:
            return
        draft = replace(lines[-1 - pick % len(lines)], key=self.desk.key)
        more: tuple[Posting, ...] = lines[-1 - other % len(lines)].postings
        postings = {
            "joined": (*draft.postings, *more), "doubled": (*draft.postings, *draft.postings),
            "cut": draft.postings[: other % len(draft.postings)], "turned": draft.postings[::-1], "swapped": more,
        }[how]  # fmt: skip
        self.ask(replace(draft, postings=postings))

    # --- what always holds ---

    def of(self, account: Account) -> dict[tuple[str, str], int]:
        return {(fund, detail): fen for (fund, a, detail), fen in self.ledger.balances.items() if a == account}

    @invariant()
    def nothing_is_below_zero_and_every_fund_balances(self) -> None:
        balances = self.ledger.balances
        assert all(0 < fen < 2**63 for fen in balances.values())
        for fund in self.ledger.funds.values():
            for family in (MONEY, BUDGET):
                sides = Counter[str]()
                for (name, account, _), fen in balances.items():
                    if name == fund.fund_id and account in family:
                        sides[NORMAL_SIDE[account]] += fen
                assert sides["D"] == sides["C"]
            surplus = self.ledger.surplus_cash(fund.fund_id)
            assert surplus == 0 if fund.carry_forward and not fund.surplus_after_years else surplus >= 0

    @invariant()
    def what_was_given_was_taken(self) -> None:
        """Outright, to settle a receivable, or as a loan: pair by pair."""
        assert self.of(Account.DUE_FROM) == {(to, fund): fen for (fund, to), fen in self.of(Account.DUE_TO).items()}
        given = Counter(self.of(Account.TRANSFER_OUT))
        given.subtract({(giver, fund): fen for (fund, giver), fen in self.of(Account.TRANSFER_IN).items()})
        given.subtract(self.recovered_from_funds())
        assert not any(given.values())

    def recovered_from_funds(self) -> Counter[tuple[str, str]]:
        kinds = {entry.seq: entry.draft.kind for entry in self.entries}
        found = Counter[tuple[str, str]]()
        for entry in self.entries:
            draft = entry.draft
            kind = kinds[int(draft.reference)] if draft.kind in MIRRORS else draft.kind
            for fund, account, detail, side, fen in draft.postings if kind is Kind.RECOVERY else ():
                if account == Account.TRANSFER_OUT:
                    found[fund, detail] += fen if side == "D" else -fen
        return found

    @invariant()
    def no_more_is_claimed_back_or_given_back_than_was_paid(self) -> None:
        receivable, recovery = self.of(Account.RECEIVABLE), self.of(Account.RECOVERY)
        assert all(fen <= recovery.get(key, 0) for key, fen in receivable.items())
        for (fund, seq), fen in recovery.items():
            assert int(seq) not in self.ledger.reversed
            assert fen <= dict(self.ledger.booked[int(seq)].paid)[fund]
        funding = self.of(Account.FUNDING)
        assert all(fen <= funding[key] for key, fen in self.of(Account.SURRENDERED).items())
        assert all(source for _, source in self.of(Account.SURRENDERED))

    @invariant()
    def every_promise_is_known(self) -> None:
        for fund, reference in self.of(Account.ENCUMBERED):
            assert self.ledger.promise(fund, reference) is not None

    @invariant()
    def nothing_was_booked_into_what_is_closed(self) -> None:
        for entry in self.entries[-3:]:
            assert entry.draft.effective <= TODAY
        for _, account, year in self.ledger.balances:
            assert account != Account.UNENCUMBERED or date(int(year), 12, 31) > self.ledger.closed_through

    @invariant()
    def replay_gives_the_same_books(self) -> None:
        if len(self.entries) % 8 == 0:
            assert state(replay(self.entries)) == state(self.ledger)

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.desk.replays()


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)


# --- what came first is used first ------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 60)), min_size=1, max_size=8), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_what_lapses_is_what_is_left_of_the_oldest_layers(years: list[tuple[int, int]], allowed: int) -> None:
    """Held against layers of money by year, spent from the oldest on: those carried forward `allowed` times lapse."""
    fund = replace(TWO_YEARS, surplus_after_years=allowed)
    desk, layers = Desk(fund), dict[int, int]()
    for year, (came, wanted) in enumerate(years, start=2016):
        if came:
            desk.fund(fund, came, on=date(year, 3, 1))
            layers[year] = came
        spent = min(wanted, sum(layers.values()))
        if spent:
            desk.spend(fund, spent, on=date(year, 6, 1))
        for layer in sorted(layers):
            part = min(layers[layer], spent)
            layers[layer], spent = layers[layer] - part, spent - part
        old = sum(fen for layer, fen in layers.items() if layer <= year - allowed)
        assert desk.ledger.lapsing(fund.fund_id, year) == old
        desk.close_year(year)
        layers = {layer: fen for layer, fen in layers.items() if layer > year - allowed}
        assert desk.free(fund) == sum(layers.values())


# --- one field at a time ----------------------------------------------------------------------------------------------


def kinds_of(entries: Iterable[Entry]) -> set[Kind]:
    return {entry.draft.kind for entry in entries}


def test_each_field_of_each_kind_spoiled_in_each_way_is_booked_or_refused() -> None:
    """All of them, one after the other, where the random histories take some."""
    desk = Desk(*FUNDS)
    for fund in FUNDS:
        desk.fund(fund, 5_000, on=date(2022, 1, 5), kind=Kind.RECEIPT)
    desk.promise(SHARE, 1_000, "works")
    ahead = desk.book(desk.advancing(SHARE, 100, "works"))
    paid = desk.spend(SHARE, 300)
    desk.book(desk.claiming(paid, {SHARE.fund_id: 100}))
    lent = desk.book(desk.lending(SHARE, LENT, 100))
    desk.end_year(2021)
    whom = {"purpose": "award", "payee": "k", "payee_class": "community"}
    on = date(2022, 1, 5)
    drafts = [
        desk.entries[7].draft, desk.promising(CITY, 10, "claim", expires=on, **whom), desk.spending(SHARE, 10),
        desk.spending(SHARE, 10, against="works"), desk.advancing(SHARE, 10, "works"), desk.settling(SHARE, 150, ahead)[0],
        desk.releasing("works"), desk.claiming(paid, {SHARE.fund_id: 1}), desk.waiving(paid, {SHARE.fund_id: 1}),
        desk.collecting(paid, SHARE, 1), desk.lending(SHARE, LENT, 1), desk.repaying(LENT, SHARE, 1),
        desk.moving(LENT, SHARE, 1, "refund"), desk.reversing(lent), desk.reversing(lent, on=date(2023, 1, 5)),
        desk.surrendering(LAPSING, 1, on=on), carry_forward(desk.ledger, 2022, hands=HANDS)[0],
        close(Month.parse("2021-12"), on=on, hands=HANDS), desk.reopening("2021-12", on=on),
        open_fund(replace(SHARE, fund_id="x/y/z"), on=on, hands=HANDS), amend_fund(SHARE, on=on, key="amended", hands=HANDS),
    ]  # fmt: skip
    assert len({draft.kind for draft in drafts}) >= 18
    passed = 0
    for draft in drafts:
        spoiled = [replace(draft, key=f"odd/{name}", **{name: odd}) if name != "key" else replace(draft, key=odd) for name, odds in SPOILED.items() for odd in odds]  # type: ignore[arg-type] # fmt: skip
        for at, posting in enumerate(draft.postings):
            before, after = draft.postings[:at], draft.postings[at + 1 :]
            spoiled += [replace(draft, key="odd", postings=(*before, posting._replace(**{name: odd}), *after)) for name, odds in SPOILED_LINES.items() for odd in odds]  # fmt: skip
        for one in spoiled:
            try:
                entry = desk.ledger.check(one, recorded=TODAY)
            except Refusal:
                continue
            else:
                passed += entry is not None
                trial = copy.deepcopy(desk.ledger)
                trial.post(one, recorded=TODAY)
                trial.check(refused(one, Refusal("x"), recorded=TODAY), recorded=TODAY)
    assert passed > 20
