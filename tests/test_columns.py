"""The journal in columns: the same entries, the same bytes, and a gate that lets through what the plain one does."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import HANDS
from estate_funds import vouchers
from estate_funds.calendar import Month
from estate_funds.columns import (
    Columns,
    Drafts,
    Lines,
    Papers,
    Remembered,
    Twin,
    canonical,
    entry_rows,
    leaves,
    posting_rows,
    replay_columns,
)
from estate_funds.columns import sealing as sealing_room
from estate_funds.columns.block import SCHEMA
from estate_funds.columns.rules import IN_COLUMNS
from estate_funds.errors import (
    AmountError,
    ColumnError,
    DamagedEntry,
    EstateFundsError,
    EvidenceMissing,
    FuturePeriod,
    InvariantBroken,
    KeyConflict,
    Malformed,
    OutsideFence,
    Overdrawn,
    PeriodClosed,
    PromiseExpired,
    Refusal,
    SameHands,
    Unbalanced,
    UndeclaredCrossing,
    UnknownFund,
)
from estate_funds.funds import Account, Fund, Permit
from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting
from estate_funds.ledger import Ledger, refold, replay
from estate_funds.ledger.kinds import _RULES
from estate_funds.merkle import tree_root
from estate_funds.vouchers import Hands

START = date(2021, 1, 1)
INVOICE = (Evidence("invoice", "0" * 64),)
BOTH = (Evidence("contract", "1" * 64), Evidence("invoice", "2" * 64))
Told = tuple[type[BaseException], str, int]  # error, its text, the entry it was raised of


def permit(purpose: str, to: str, into: str = "", *, since: date = START, until: date | None = None, requires: tuple[str, ...] = ()) -> Permit:  # fmt: skip
    return Permit(purpose, to, into, since, until, requires, "五（六）1")


def fund(fund_id: str, *permits: Permit, carry: bool = True, held: bool = False) -> Fund:
    return Fund(fund_id, f"“{fund_id}”专户", "doc", "1", carry, "fifo", permits, held)


CITY = fund(
    "award/city/南昌市", permit("award", "community", "share"), permit("award", "community", "payee"),
    permit("moved", "community", "share", requires=("invoice",)), permit("works", "enterprise", requires=("invoice",)),
    permit("lent", "community", "share"),
)  # fmt: skip
SHARE = fund(
    "share/community/院一", permit("cleaning", "enterprise", requires=("invoice",), until=date(2022, 3, 1)),
    permit("cleaning", "enterprise", requires=("invoice", "contract"), since=date(2022, 9, 1)),
    permit("works", "enterprise"), permit("moved", "city", "award"),
)  # fmt: skip
SHARE = replace(SHARE, surplus_after_years=1)
LAPSING = fund("yearly/city/南昌市", permit("works", "enterprise", requires=("invoice",)), carry=False)
WATER = fund("water/community/院一", permit("water", "utility"), held=True)
FUNDS = (CITY, SHARE, LAPSING, WATER)


# --- journals ---------------------------------------------------------------------------------------------------------


class Maker:
    """Makes a journal through the plain gate; what the gate refuses is left out."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.entries: list[Entry] = []
        self.day = START

    def book(self, draft: Draft) -> Entry | None:
        try:
            entry = self.ledger.post(draft, recorded=max(self.day, self.ledger.recorded, draft.effective))
        except Refusal:
            return None
        if entry is not None:
            self.entries.append(entry)
        return entry

    def key(self, name: str) -> str:
        return f"{name}/{len(self.entries)}"

    def open(self) -> None:
        for one in FUNDS:
            self.book(vouchers.open_fund(one, on=self.day, hands=HANDS))
        for one in FUNDS:
            give = vouchers.receive if one.held_for_others else vouchers.appropriate
            self.book(give(one, "财政", 50_000, on=self.day, key=f"a/{one.fund_id}", hands=HANDS))

    def step(self, what: int, which: int, fen: int, days: int) -> None:
        self.day += timedelta(days=days)
        paid = [entry for entry in self.entries if entry.draft.kind in (Kind.SPENDING, Kind.DISBURSEMENT)]
        steps: list[Callable[[int, int], None]] = [
            self.receive, self.promise, self.promise, self.spend, self.spend, self.pay_claim, self.transfer,
            self.release, self.reverse, self.year_end, self.lend, self.advance, self.amend,
        ]  # fmt: skip
        if what == len(steps) and paid:
            self.book(
                vouchers.claw_back(
                    paid[which % len(paid)], on=self.day, key=self.key("c"), hands=HANDS, narrative="追回"
                )
            )
        elif what < len(steps):
            steps[what](which, fen)

    def receive(self, which: int, fen: int) -> None:
        one = FUNDS[which % len(FUNDS)]
        self.book(vouchers.receive(one, "快递柜", fen, on=self.day, key=self.key("r"), hands=HANDS))

    def promise(self, which: int, fen: int) -> None:
        one, purpose, to = (
            (CITY, "award", "community"),
            (SHARE, "works", "enterprise"),
            (LAPSING, "works", "enterprise"),
        )[which % 3]
        expires = self.day + timedelta(days=which) if which % 4 == 0 else None
        payee = "院一" if one is CITY else firm(which)
        self.book(
            vouchers.promise(
                one, fen, reference=f"合同/{which % 5}", purpose=purpose, payee=payee, payee_class=to, on=self.day,
                hands=HANDS, expires=expires, key=self.key("e"),
            )
        )  # fmt: skip

    def spend(self, which: int, fen: int) -> None:
        one = (SHARE, LAPSING, CITY, WATER)[which % 4]
        purpose, to = ("water", "utility") if one is WATER else (("cleaning", "works")[which % 2], "enterprise")
        against = f"合同/{which % 5}" if which % 3 else ""
        self.book(
            vouchers.spend(
                one, fen, purpose=purpose, payee=firm(which), payee_class=to, on=self.day, key=self.key("s"),
                hands=(HANDS, Hands("王敏", "李强"))[which % 2], against=against, evidence=(INVOICE, BOTH, ())[which % 3],
            )
        )  # fmt: skip

    def pay_claim(self, which: int, fen: int) -> None:
        giver, taker = CITY.fund_id, SHARE.fund_id
        fen = min(fen, self.ledger.balance(giver, Account.ENCUMBERED, f"合同/{which % 5}")) or fen
        self.book(disbursement(giver, taker, fen, f"合同/{which % 5}", self.day, self.key("d"), out=which % 3 == 0))

    def transfer(self, which: int, fen: int) -> None:
        giver, taker = (SHARE, CITY) if which % 3 == 1 else (CITY, SHARE)
        self.book(
            vouchers.transfer(
                giver, taker, fen, purpose="moved", on=self.day, key=self.key("t"), hands=HANDS, clause="2",
                narrative="划转", evidence=INVOICE,
            )
        )  # fmt: skip

    def release(self, which: int, fen: int) -> None:
        held = sorted((f, d) for f, a, d in self.ledger.balances if a == "encumbered")
        if held:
            one, reference = held[which % len(held)]
            amounts = {one: min(fen, self.ledger.balance(one, Account.ENCUMBERED, reference))}
            self.book(
                vouchers.release(
                    self.ledger,
                    reference,
                    amounts=amounts,
                    on=self.day,
                    key=self.key("rel"),
                    hands=HANDS,
                    narrative="x",
                )
            )

    def reverse(self, which: int, fen: int) -> None:
        entry = self.entries[which * 7 % len(self.entries)]
        if entry.draft.postings:
            self.book(vouchers.reverse(entry, on=self.day, hands=HANDS, narrative="冲销", ledger=self.ledger))

    def year_end(self, which: int, fen: int) -> None:
        """Carry forward and close the year when it is over; now and then open it again."""
        year = self.day.year - 1
        if self.ledger.closed_through >= date(year, 12, 31) or year < START.year:
            return
        for draft in vouchers.carry_forward(self.ledger, year, hands=HANDS):
            self.book(draft)
        self.book(vouchers.close(Month.of(date(year, 12, 1)), on=self.day, hands=HANDS, ledger=self.ledger))
        if which % 3 == 0:
            self.book(
                vouchers.reopen(
                    Month.of(date(year, 12, 1)), on=self.day, key=self.key("open"), hands=HANDS, document="doc", clause="3",
                    narrative="x", evidence=INVOICE,
                )
            )  # fmt: skip

    def lend(self, which: int, fen: int) -> None:
        give = vouchers.lend if which % 2 else vouchers.repay
        funds = (CITY, SHARE) if which % 2 else (SHARE, CITY)
        more: dict[str, object] = {"purpose": "lent", "evidence": INVOICE} if which % 2 else {}
        self.book(
            give(*funds, fen, on=self.day, key=self.key("l"), hands=HANDS, clause="2", narrative="借款", **more)  # type: ignore[arg-type]
        )

    def advance(self, which: int, fen: int) -> None:
        self.book(
            vouchers.advance(
                LAPSING, fen, reference=f"合同/{which % 5}", purpose="works", payee=firm(which), payee_class="enterprise",
                on=self.day, key=self.key("adv"), hands=HANDS, evidence=INVOICE,
            )
        )  # fmt: skip

    def amend(self, which: int, fen: int) -> None:
        one = FUNDS[which % 3]
        fewer = replace(one, permits=one.permits[which % 2 :])
        self.book(vouchers.amend_fund(fewer, on=self.day, key=self.key("amend"), hands=HANDS))


def firm(which: int) -> str:
    """One firm for most, so that a promise is sometimes to another than who asks to be paid."""
    return "other" if which % 7 == 0 else "firm"


def disbursement(giver: str, taker: str, fen: int, reference: str, on: date, key: str, *, out: bool = False) -> Draft:
    spent = Posting(giver, "expenditure", "award", "D", fen) if out else Posting(giver, "transfer_out", taker, "D", fen)
    postings = [
        spent, Posting(giver, "cash", "", "C", fen), Posting(giver, "encumbered", reference, "D", fen),
        Posting(giver, "expended", "", "C", fen),
    ]  # fmt: skip
    if not out:
        postings += [
            Posting(taker, "cash", "", "D", fen), Posting(taker, "transfer_in", giver, "C", fen),
            Posting(taker, "authority", "", "D", fen), Posting(taker, "unencumbered", str(on.year), "C", fen),
        ]  # fmt: skip
    return Draft(
        kind=Kind.DISBURSEMENT, effective=on, key=key, maker="m", approver="a", narrative="pay", purpose="award",
        payee=taker.split("/")[2], payee_class="community", reference=reference, postings=tuple(postings),
        document="doc", clause="1", policy="sha256:" + "a" * 64, registry="sha256:" + "b" * 64,
    )  # fmt: skip


STEPS = st.lists(
    st.tuples(st.integers(0, 13), st.integers(0, 60), st.integers(1, 4_000), st.sampled_from((0, 0, 1, 9, 40))),
    min_size=20,
    max_size=90,
)


def journal(steps: Iterable[tuple[int, int, int, int]]) -> list[Entry]:
    maker = Maker()
    maker.open()
    for step in steps:
        maker.step(*step)
    return maker.entries


@lru_cache
def steady() -> tuple[Entry, ...]:
    """A journal whose entries, once the funds are open, all pass in columns."""
    maker = Maker()
    maker.open()
    maker.day = date(2022, 1, 5)
    for one in FUNDS:
        give = vouchers.receive if one.held_for_others else vouchers.appropriate
        maker.book(give(one, "财政", 90_000, on=maker.day, key=f"b/{one.fund_id}", hands=HANDS))
    for number in range(12):
        maker.day += timedelta(days=number % 2)
        maker.receive(number % 3, 700 + number)
        maker.book(promised(f"P{number}", 300, maker.day, date(2022, 6, 1) if number % 4 == 1 else None))
        maker.book(spent(200, maker.day, f"s/{number}", against=f"P{number}"))
        maker.book(spent(60, maker.day, f"w/{number}", of=WATER))
        maker.transfer(0, 90)
        maker.book(awarded(f"K{number}", 500, maker.day))
        maker.book(disbursement(CITY.fund_id, SHARE.fund_id, 400, f"K{number}", maker.day, f"d/{number}"))
        maker.book(disbursement(CITY.fund_id, SHARE.fund_id, 30, f"K{number}", maker.day, f"o/{number}", out=True))
        amounts = {CITY.fund_id: 20}
        maker.book(
            vouchers.release(
                maker.ledger,
                f"K{number}",
                amounts=amounts,
                on=maker.day,
                key=f"f/{number}",
                hands=HANDS,
                narrative="less",
            )
        )
    return tuple(maker.entries)


def promised(reference: str, fen: int, on: date, expires: date | None = None, key: str = "") -> Draft:
    return vouchers.promise(
        SHARE, fen, reference=reference, purpose="works", payee="firm", payee_class="enterprise", on=on, hands=HANDS,
        expires=expires, key=key,
    )  # fmt: skip


def awarded(reference: str, fen: int, on: date) -> Draft:
    return vouchers.promise(
        CITY, fen, reference=reference, purpose="award", payee="院一", payee_class="community", on=on, hands=HANDS
    )


def spent(fen: int, on: date, key: str, *, against: str = "", of: Fund = SHARE) -> Draft:
    purpose, to = ("water", "utility") if of is WATER else ("works", "enterprise")
    return vouchers.spend(
        of,
        fen,
        purpose=purpose,
        payee="firm",
        payee_class=to,
        on=on,
        key=key,
        hands=HANDS,
        against=against,
        evidence=BOTH,
    )


# --- comparing the twins ----------------------------------------------------------------------------------------------


def plainly(entries: Sequence[Entry], ledger: Ledger | None = None) -> tuple[Ledger, Told | None]:
    ledger = Ledger() if ledger is None else ledger
    for entry in entries:
        try:
            refold(ledger, entry)
        except (EstateFundsError, InvariantBroken) as error:
            return ledger, (type(error), str(error), entry.seq)
    return ledger, None


def told(error: EstateFundsError | InvariantBroken) -> Told:
    (note,) = error.__notes__
    return type(error), str(error), int(note.removeprefix("entry "))


def in_columns(entries: Sequence[Entry], sizes: Sequence[int] = (10_000,)) -> tuple[Twin, Told | None]:
    twin, at = Twin(Ledger()), 0
    while at < len(entries):
        for size in sizes:
            try:
                twin.refold(Columns.from_entries(entries[at : at + size]))
            except (EstateFundsError, InvariantBroken) as error:
                return twin, told(error)
            at += size
    return twin, None


def replayed(entries: Sequence[Entry], size: int) -> Told | None:
    columns = Columns.from_entries(entries)
    try:
        replay_columns(columns.slice(at, size) for at in range(0, len(columns), size))
    except (EstateFundsError, InvariantBroken) as error:
        return told(error)
    return None


def assert_same(plain: Ledger, twin: Ledger, entries: Iterable[Entry]) -> None:
    for name in ("funds", "balances", "inflows", "reversed", "promises", "closed_through", "recorded", "seq", "tree"):
        assert getattr(twin, name) == getattr(plain, name), name
    for entry in entries:
        if entry.seq <= plain.seq:
            assert twin.key(entry.draft.key) == plain.key(entry.draft.key)
            assert twin.entry(entry.seq) == plain.entry(entry.seq)


def renumbered(drafts: Iterable[tuple[date, Draft]]) -> list[Entry]:
    return [Entry(seq, recorded, draft) for seq, (recorded, draft) in enumerate(drafts, start=1)]


# --- the same entries and bytes ---------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_a_journal_in_columns_is_the_same_journal(steps: list[tuple[int, int, int, int]], sizes: list[int]) -> None:
    entries = journal(steps)
    columns = Columns.from_entries(entries)
    assert columns.entries() == entries
    assert [columns.entry(at) for at in range(len(columns))] == entries
    assert canonical(columns) == [entry.canonical() for entry in entries]
    assert leaves(columns) == b"".join(entry.leaf for entry in entries)
    start = min(sizes[0], len(entries) - 1)
    part = columns.slice(start, sizes[-1])
    assert part.entries() == entries[start : start + sizes[-1]]
    assert canonical(part) == [entry.canonical() for entry in part.entries()]
    assert part.to_ipc() == Columns.from_entries(part.entries()).to_ipc()
    assert Columns.from_ipc(part.to_ipc()).entries() == part.entries()
    plain, _ = plainly(entries)
    twin, refused = in_columns(entries, sizes)
    assert refused is None
    assert_same(plain, twin.ledger, entries)
    if not any(entry.draft.kind in (Kind.AMEND_FUND, Kind.CLOSE, Kind.REOPEN) for entry in entries):
        assert twin.in_columns >= sum(entry.draft.kind in IN_COLUMNS - {Kind.RELEASE} for entry in entries) * 3 // 4
    assert replayed(entries, sizes[0]) is None


def test_the_steady_journal_passes_in_columns() -> None:
    entries = steady()
    twin, refused = in_columns(entries)
    assert refused is None
    assert {entry.draft.kind for entry in entries} == (IN_COLUMNS - {Kind.ADVANCE}) | {Kind.OPEN_FUND}
    assert twin.in_columns == len(entries) - len(FUNDS)
    assert_same(replay(entries), twin.ledger, entries)


FIELDS = st.text(
    st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]) | st.sampled_from("院一（）“”、é\u0301ﬁ\u3000"),
    max_size=8,
)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_any_text_keeps_its_bytes(data: st.DataObject) -> None:
    names = [name for name in SCHEMA.names if name not in ("kind", "effective", "terms", "evidence", "postings")]
    drafts = [
        Draft(
            kind=data.draw(st.sampled_from(list(Kind))),
            effective=data.draw(st.dates()),
            terms=tuple(map(tuple, data.draw(st.lists(st.lists(FIELDS, min_size=1, max_size=3), max_size=2)))),
            evidence=tuple(Evidence(*pair) for pair in data.draw(st.lists(st.tuples(FIELDS, FIELDS), max_size=2))),
            postings=tuple(
                Posting(*line)
                for line in data.draw(
                    st.lists(st.tuples(FIELDS, FIELDS, FIELDS, FIELDS, st.integers(-(2**63), 2**63 - 1)), max_size=3)
                )
            ),
            **{name: data.draw(FIELDS) for name in names},
        )
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    entries = [Entry(seq, data.draw(st.dates()), draft) for seq, draft in enumerate(drafts, start=7)]
    columns = Columns.from_ipc(Columns.from_entries(entries).to_ipc())
    assert columns.first_seq == 7
    assert columns.entries() == entries
    assert canonical(columns) == [entry.canonical() for entry in entries]


def test_a_block_of_more_text_than_offsets_can_tell_is_built_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = steady()[:40]
    whole = sealing_room._text

    def short(block: Columns, prefix: str) -> tuple[pa.Buffer, list[int]]:
        if len(block) > 7:
            raise pa.ArrowInvalid("offset overflow")
        return whole(block, prefix)

    monkeypatch.setattr(sealing_room, "_text", short)
    assert leaves(Columns.from_entries(entries)) == b"".join(entry.leaf for entry in entries)


def test_a_block_is_cut_from_a_large_table_without_it() -> None:
    columns = Columns.from_entries(steady())
    assert len(columns.slice(3, 5).to_ipc()) < len(columns.to_ipc()) * 0.7
    assert [len(block) for block in columns.blocks(60)] == [60, len(columns) - 60]
    assert next(Columns.from_entries([]).blocks()).entries() == []
    assert leaves(Columns.from_entries([])) == b""


def test_entries_that_do_not_follow_are_no_columns() -> None:
    with pytest.raises(InvariantBroken):
        Columns.from_entries([steady()[0], steady()[2]])


# --- damage -----------------------------------------------------------------------------------------------------------


def test_every_damaged_byte_is_noticed() -> None:
    blob = Columns.from_entries(steady()[:12]).to_ipc()
    for at in range(0, len(blob), 17):
        with pytest.raises(DamagedEntry):
            Columns.from_ipc(blob[:at] + bytes([blob[at] ^ 0x10]) + blob[at + 1 :])
    for cut in (b"", blob[:20], blob[:-1], blob + b"\0"):
        with pytest.raises(DamagedEntry):
            Columns.from_ipc(cut)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_forged_block_is_refused_or_has_other_leaves(data: st.DataObject) -> None:
    entries = steady()[:12]
    blob = bytearray(Columns.from_entries(entries).to_ipc())
    head = blob.index(b"\n") + 1 + 32
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(head, len(blob) - 1))
        blob[at] = data.draw(st.integers(0, 255))
    forged = bytes(blob[: head - 32]) + hashlib.sha256(blob[head:]).digest() + bytes(blob[head:])
    try:
        columns = Columns.from_ipc(forged)
        hashes = leaves(columns)
        decoded = columns.entries()
    except DamagedEntry:
        return
    assert hashes == b"".join(entry.leaf for entry in decoded)
    assert (hashes == leaves(Columns.from_entries(entries))) == (decoded == list(entries))


# --- the twin refuses what the plain gate refuses ---------------------------------------------------------------------


def test_the_rules_of_the_kinds_in_columns_are_those_that_it_knows() -> None:
    assert set(_RULES) & IN_COLUMNS == {Kind.ENCUMBRANCE, Kind.RELEASE}


CHANGES: list[Callable[[Draft, int], object]] = [
    lambda d, n: replace(d, effective=d.effective + timedelta(days=(1, -1, 400, -400)[n % 4])),
    lambda d, n: replace(d, maker=d.approver),
    lambda d, n: replace(d, key=d.key + "x"),
    lambda d, n: replace(d, narrative=("", "a\u200bb", "e\u0301")[n % 3]),
    lambda d, n: replace(d, purpose=("", "works", "cleaning", "award")[n % 4]),
    lambda d, n: replace(d, payee=("", " ", "院二")[n % 3]),
    lambda d, n: replace(d, payee_class=("", "community", "enterprise")[n % 3]),
    lambda d, n: replace(d, reference=("", "合同/1", "3", "K1")[n % 4]),
    lambda d, n: replace(d, evidence=((), INVOICE, BOTH, (Evidence("", "0" * 64),), (Evidence("invoice", "0"),))[n % 5]),
    lambda d, n: replace(d, terms=((("expires", "2022-01-01"),), (("expires",),), (), (("until", "x"),))[n % 4]),
    lambda d, n: replace(d, document=""),
    lambda d, n: replace(d, clause=""),
    lambda d, n: replace(d, kind=list(Kind)[n % len(Kind)]),
    lambda d, n: replace(d, postings=d.postings[:-1]),
    lambda d, n: replace(d, postings=d.postings[::-1]),
    lambda d, n: replace(d, postings=(*d.postings, *d.postings)),
    lambda d, n: _line(d, n, lambda p: p._replace(amount_fen=(p.amount_fen + 1, 0, -p.amount_fen, 2**63 - 1)[n % 4])),
    lambda d, n: _line(d, n, lambda p: p._replace(side=("D", "C", "X")[n % 3])),
    lambda d, n: _line(d, n, lambda p: p._replace(account=(*Account, "gold")[n % 17])),
    lambda d, n: _line(d, n, lambda p: p._replace(fund=(CITY.fund_id, SHARE.fund_id, WATER.fund_id, "a/b/c")[n % 4])),
    lambda d, n: _line(d, n, lambda p: p._replace(detail=("", "2021", "2022", "合同/2", SHARE.fund_id)[n % 5])),
    lambda d, n: replace(d, postings=tuple(p._replace(amount_fen=p.amount_fen * (1 + n * 97)) for p in d.postings)),
    lambda d, n: replace(d, postings=tuple(p._replace(amount_fen=0) for p in d.postings)),
]  # fmt: skip


def _line(draft: Draft, number: int, change: Callable[[Posting], Posting]) -> Draft:
    if not draft.postings:
        return draft
    at = number % len(draft.postings)
    return replace(draft, postings=(*draft.postings[:at], change(draft.postings[at]), *draft.postings[at + 1 :]))


def corrupted(entries: Sequence[Entry], change: int, at: int, number: int) -> list[Entry]:
    drafts = [(entry.recorded, entry.draft) for entry in entries]
    if change < len(CHANGES):
        changed = CHANGES[change](drafts[at][1], number)
        assert isinstance(changed, Draft)
        drafts[at] = (drafts[at][0], changed)
    elif change == len(CHANGES):
        del drafts[at]
    elif change == len(CHANGES) + 1:
        drafts.insert(at, drafts[number % len(drafts)])
    elif change == len(CHANGES) + 2:
        drafts[at] = (drafts[at][0] + timedelta(days=(1, -1, 30)[number % 3]), drafts[at][1])
    else:
        other = (at + 1 + number % 5) % len(drafts)
        drafts[at], drafts[other] = drafts[other], drafts[at]
    return renumbered(drafts)


def assert_twins_agree(entries: Sequence[Entry], sizes: Sequence[int]) -> Told | None:
    plain, refused = plainly(entries)
    twin, also = in_columns(entries, sizes)
    assert also == refused
    assert_same(plain, twin.ledger, entries[:0])
    assert replayed(entries, sizes[0]) == refused
    return refused


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(STEPS, st.lists(st.tuples(st.integers(0, len(CHANGES) + 3), st.integers(0, 9_999), st.integers(0, 60)), min_size=4, max_size=4))  # fmt: skip
def test_both_gates_refuse_the_same_of_a_changed_journal(
    steps: list[tuple[int, int, int, int]], changes: list[tuple[int, int, int]]
) -> None:
    entries = journal(steps)
    for change, at, number in changes:
        assert_twins_agree(corrupted(entries, change, at % len(entries), number), (10_000,))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, len(CHANGES) + 3),
    st.integers(len(FUNDS), len(steady()) - 1),
    st.integers(0, 60),
    st.sampled_from((10_000, 13)),
)
def test_both_gates_refuse_the_same_of_a_changed_steady_journal(change: int, at: int, number: int, size: int) -> None:
    assert_twins_agree(corrupted(steady(), change, at, number), (size,))


ENDS = [date(2022, 6, 1), date(2022, 3, 1), date(2022, 9, 1)]  # of promises; of a permit; before another begins


def test_both_gates_say_the_same_about_the_days_on_which_something_ends() -> None:
    """On each of these days, the day before and the day after: what is kept, added to, and paid by hand."""
    for day in (end + timedelta(days=days) for end in ENDS for days in (-1, 0, 1)):
        words: dict[str, Any] = {"purpose": "cleaning", "payee": "firm", "payee_class": "enterprise", "on": day}
        for draft in (
            spent(5, day, "late", against="P1"),
            promised("P1", 5, day, key="late"),
            vouchers.spend(SHARE, 5, key="late", hands=HANDS, evidence=INVOICE, **words),
            vouchers.promise(SHARE, 5, reference="late", hands=HANDS, **words),
        ):
            assert_twins_agree([*steady(), Entry(len(steady()) + 1, day, draft)], (10_000,))


def only(kind: Kind) -> int:
    """The place of an entry of a kind in the steady journal: one of SHARE, or a payment out of CITY."""
    nth = {Kind.RECEIPT: 3, Kind.DISBURSEMENT: 5}.get(kind, 4)
    return [at for at, entry in enumerate(steady()) if entry.draft.kind is kind][nth]


def change_lines(draft: Draft, **by_account: object) -> Draft:
    """The draft with other values in the postings of each account: fields of Posting."""
    changed = [p._replace(**by_account.get(p.account, {})) for p in draft.postings]  # type: ignore[arg-type]
    return replace(draft, postings=tuple(changed))


def scaled(draft: Draft, fen: int) -> Draft:
    return replace(draft, postings=tuple(p._replace(amount_fen=fen) for p in draft.postings))


DISALLOWED: list[tuple[str, Kind, Callable[[Draft], Draft], type[Refusal]]] = [
    ("an invisible character", Kind.SPENDING, lambda d: replace(d, payee="fi\u200brm"), Malformed),
    ("a line feed", Kind.RECEIPT, lambda d: replace(d, narrative="a\nb"), Malformed),
    ("a tab in a word that repeats", Kind.RECEIPT, lambda d: replace(d, clause="a\tb"), Malformed),
    ("not in normal form C", Kind.SPENDING, lambda d: replace(d, narrative="e\u0301"), Malformed),
    ("policy in disguise", Kind.TRANSFER, lambda d: replace(d, policy="\ufeff"), Malformed),
    ("a key that is used", Kind.SPENDING, lambda d: replace(d, key="s/0"), KeyConflict),
    ("recorded before it counts", Kind.SPENDING, lambda d: replace(d, effective=date(2022, 2, 28)), FuturePeriod),
    ("no key", Kind.RECEIPT, lambda d: replace(d, key=""), Malformed),
    ("no narrative", Kind.RECEIPT, lambda d: replace(d, narrative=""), Malformed),
    ("one pair of hands", Kind.RECEIPT, lambda d: replace(d, maker="Approver "), SameHands),
    ("no approver", Kind.RECEIPT, lambda d: replace(d, approver=""), SameHands),
    ("terms", Kind.RECEIPT, lambda d: replace(d, terms=(("expires", "2030-01-01"),)), Malformed),
    ("other terms", Kind.ENCUMBRANCE, lambda d: replace(d, terms=(("until", "2030-01-01"),)), Malformed),
    ("two terms", Kind.ENCUMBRANCE, lambda d: replace(d, terms=(("expires", "2030-01-01"),) * 2), Malformed),
    ("a promise without a reference", Kind.ENCUMBRANCE, lambda d: replace(change_lines(d, encumbered={"detail": ""}), reference=""), Malformed),
    ("a promise that is over", Kind.ENCUMBRANCE, lambda d: replace(d, terms=(("expires", "2022-01-01"),)), Malformed),
    ("no postings", Kind.SPENDING, lambda d: replace(d, postings=()), Malformed),
    ("an account of another kind", Kind.SPENDING, lambda d: replace(d, kind=Kind.APPROPRIATION), Malformed),
    ("an account that is none", Kind.SPENDING, lambda d: change_lines(d, expended={"account": "spent"}), Malformed),
    ("the other side", Kind.RECEIPT, lambda d: change_lines(d, cash={"side": "C"}), Malformed),
    ("no side", Kind.RECEIPT, lambda d: change_lines(d, cash={"side": "x"}), Malformed),
    ("another reference", Kind.ENCUMBRANCE, lambda d: change_lines(d, encumbered={"detail": "other"}), Malformed),
    ("another purpose", Kind.SPENDING, lambda d: change_lines(d, expenditure={"detail": "cleaning"}), Malformed),
    ("cash in parts", Kind.RECEIPT, lambda d: change_lines(d, cash={"detail": "bank"}), Malformed),
    ("money without a document", Kind.RECEIPT, lambda d: replace(d, document=""), Malformed),
    ("money without a clause", Kind.SPENDING, lambda d: replace(d, clause=""), Malformed),
    ("the budget of another year", Kind.RECEIPT, lambda d: change_lines(d, unencumbered={"detail": "2023"}), Malformed),
    ("nothing", Kind.SPENDING, lambda d: scaled(d, 0), Malformed),
    ("less than nothing", Kind.SPENDING, lambda d: scaled(d, -5), Malformed),
    ("a fund that was never opened", Kind.RECEIPT, lambda d: replace(d, postings=tuple(p._replace(fund="a/b/c") for p in d.postings)), UnknownFund),
    ("a fen too much", Kind.SPENDING, lambda d: change_lines(d, cash={"amount_fen": 199}), Unbalanced),
    ("balanced over two funds", Kind.RECEIPT, lambda d: change_lines(d, funding={"fund": LAPSING.fund_id}), Unbalanced),
    ("cash without budget", Kind.RECEIPT, lambda d: replace(d, postings=d.postings[:2]), Unbalanced),
    ("budget without cash", Kind.RECEIPT, lambda d: replace(d, postings=d.postings[2:]), Unbalanced),
    ("income of money that is held", Kind.RECEIPT, lambda d: replace(d, postings=tuple(p._replace(fund=WATER.fund_id) for p in d.postings)), Malformed),
    ("a liability of a fund that has none", Kind.RECEIPT, lambda d: change_lines(d, funding={"account": "payable"}), Malformed),
    ("half a transfer", Kind.TRANSFER, lambda d: replace(d, postings=d.postings[:4]), UndeclaredCrossing),
    ("a transfer to a third fund", Kind.TRANSFER, lambda d: change_lines(d, transfer_out={"detail": LAPSING.fund_id}), UndeclaredCrossing),
    ("a fund that gives and takes", Kind.TRANSFER, lambda d: replace(d, postings=tuple(p._replace(fund=CITY.fund_id) for p in change_lines(d, transfer_out={"detail": CITY.fund_id}).postings)), UndeclaredCrossing),
    ("evidence without a kind", Kind.SPENDING, lambda d: replace(d, evidence=(Evidence("", "0" * 64),)), Malformed),
    ("half a digest", Kind.SPENDING, lambda d: replace(d, evidence=(Evidence("invoice", "0" * 63),)), Malformed),
    ("a digest in capitals", Kind.SPENDING, lambda d: replace(d, evidence=(Evidence("invoice", "A" * 64),)), Malformed),
    ("a purpose that no permit names", Kind.ENCUMBRANCE, lambda d: replace(d, purpose="banquet"), OutsideFence),
    ("a class that no permit names", Kind.ENCUMBRANCE, lambda d: replace(d, payee_class="official"), OutsideFence),
    ("a purpose that is over", Kind.ENCUMBRANCE, lambda d: replace(d, purpose="cleaning", effective=date(2022, 3, 1)), OutsideFence),
    ("a payee who has no such fund", Kind.TRANSFER, lambda d: replace(d, payee="院二"), OutsideFence),
    ("nobody", Kind.SPENDING, lambda d: replace(d, payee=" "), Malformed),
    ("what may only go to a fund", Kind.DISBURSEMENT, lambda d: replace(change_lines(d, expenditure={"detail": "moved"}), purpose="moved", evidence=INVOICE), OutsideFence),
    ("no evidence", Kind.TRANSFER, lambda d: replace(d, evidence=()), EvidenceMissing),
    ("other evidence", Kind.TRANSFER, lambda d: replace(d, evidence=(Evidence("contract", "0" * 64),)), EvidenceMissing),
    ("more cash than there is", Kind.TRANSFER, lambda d: scaled(d, 200_000), Overdrawn),
    ("more than was promised", Kind.SPENDING, lambda d: scaled(d, 301), Overdrawn),
    ("more than is available", Kind.ENCUMBRANCE, lambda d: scaled(d, 150_000), Overdrawn),
    ("more than 64 bits hold", Kind.RECEIPT, lambda d: scaled(d, 2**63 - 1), Overdrawn),
    ("a release of what was not promised", Kind.RELEASE, lambda d: scaled(d, 500), Overdrawn),
    ("a release that lapses", Kind.RELEASE, lambda d: change_lines(d, unencumbered={"account": "authority", "detail": ""}), Malformed),
]  # fmt: skip


@pytest.mark.parametrize(("change", "kind", "error"), [case[2:3] + case[1:2] + case[3:] for case in DISALLOWED], ids=[case[0] for case in DISALLOWED])  # fmt: skip
def test_the_twin_refuses(change: Callable[[Draft], Draft], kind: Kind, error: type[Refusal]) -> None:
    at = only(kind)
    draft, recorded = change(steady()[at].draft), steady()[at].recorded
    if error is not FuturePeriod:
        recorded = max(recorded, draft.effective)
    entries = [*steady()[:at], Entry(at + 1, recorded, draft)]
    refused = assert_twins_agree(entries, (10_000,))
    assert refused is not None
    assert (refused[0], refused[2]) == (error, at + 1)


def test_a_closed_period_takes_no_entry_and_an_open_one_does() -> None:
    maker = Maker()
    maker.open()
    maker.day = date(2022, 2, 3)
    for draft in vouchers.carry_forward(maker.ledger, 2021, hands=HANDS):
        maker.book(draft)
    assert maker.book(vouchers.close(Month.of(date(2022, 1, 1)), on=maker.day, hands=HANDS))
    maker.receive(0, 5)
    late = vouchers.receive(SHARE, "x", 1, on=date(2022, 1, 31), key="late", hands=HANDS)
    entries = [*maker.entries, Entry(len(maker.entries) + 1, maker.day, late)]
    refused = assert_twins_agree(entries, (10_000,))
    assert refused is not None
    assert refused[0] is PeriodClosed
    twin, _ = in_columns(maker.entries, (len(FUNDS),))
    assert twin.in_columns == len(FUNDS) + 1


@pytest.mark.parametrize("again", [False, True], ids=["paid", "added to"])
def test_an_expired_promise_is_not_kept(again: bool) -> None:
    maker = Maker()
    maker.open()
    maker.book(promised("P", 300, maker.day, date(2021, 6, 1)))
    day = date(2021, 6, 2)
    draft = promised("P", 20, day, key="more") if again else spent(20, day, "s", against="P")
    for split in (10_000, len(maker.entries)):
        entries = [*maker.entries, Entry(len(maker.entries) + 1, day, draft)]
        refused = assert_twins_agree(entries, (split,))
        assert refused is not None
        assert refused[0] is PromiseExpired


@pytest.mark.parametrize("size", [1, 3, 100])
def test_what_is_promised_to_one_is_not_paid_to_another(size: int) -> None:
    """Within a block and over blocks; and a promise made anew, to another, pays him and nobody else."""
    maker = Maker()
    maker.open()
    maker.book(promised("P", 300, START))
    maker.book(spent(100, START, "s/1", against="P"))
    maker.book(vouchers.release(maker.ledger, "P", on=START, hands=HANDS, narrative="x"))
    maker.book(replace(promised("P", 300, START, key="again"), payee="other"))
    maker.book(replace(spent(100, START, "s/2", against="P"), payee="other"))
    assert len(maker.entries) == 2 * len(FUNDS) + 5
    assert assert_twins_agree(maker.entries, [size]) is None
    for number in (-4, -2, -1):
        wrong = list(maker.entries)
        wrong[number] = replace(wrong[number], draft=replace(wrong[number].draft, payee="third"))
        refused = assert_twins_agree(wrong, [size])
        if wrong[number].draft.kind is Kind.SPENDING:
            assert refused is not None
            assert refused[0] is OutsideFence


def test_money_that_comes_later_pays_for_nothing_before_it() -> None:
    maker = Maker()
    for one in FUNDS:
        maker.book(vouchers.open_fund(one, on=maker.day, hands=HANDS))
    money = vouchers.receive(SHARE, "x", 500, on=maker.day, key="money", hands=HANDS)
    payment = spent(500, maker.day, "payment")
    one_by_one = [(maker.day, entry.draft) for entry in maker.entries]
    assert assert_twins_agree(renumbered([*one_by_one, (maker.day, money), (maker.day, payment)]), (99,)) is None
    refused = assert_twins_agree(renumbered([*one_by_one, (maker.day, payment), (maker.day, money)]), (99,))
    assert refused is not None
    assert (refused[0], refused[2]) == (Overdrawn, len(FUNDS) + 1)


def test_an_entry_that_comes_back_to_a_fund_is_left_to_the_plain_gate() -> None:
    entries = list(steady())
    at = only(Kind.TRANSFER)
    lines = entries[at].draft.postings
    woven = tuple(line for pair in zip(lines[:4], lines[4:], strict=True) for line in pair)
    entries[at] = replace(entries[at], draft=replace(entries[at].draft, postings=woven))
    twin, refused = in_columns(entries)
    assert refused is None
    assert twin.in_columns == len(entries) - len(FUNDS) - 1
    assert_same(plainly(entries)[0], twin.ledger, entries)


def test_amounts_whose_sums_could_outgrow_64_bits_are_left_to_the_plain_gate() -> None:
    maker = Maker()
    maker.open()
    maker.book(vouchers.receive(SHARE, "x", 2**62, on=maker.day, key="much", hands=HANDS))
    twin, refused = in_columns(maker.entries)
    assert (refused, twin.in_columns) == (None, 0)
    more = vouchers.receive(SHARE, "x", 2**62, on=maker.day, key="more", hands=HANDS)
    entries = [*maker.entries, Entry(len(maker.entries) + 1, maker.day, more)]
    refused = assert_twins_agree(entries, (10_000,))
    assert refused is not None
    assert refused[0] is Overdrawn


def test_the_same_entry_twice_is_no_journal() -> None:
    entries = steady()
    twice = renumbered([(e.recorded, e.draft) for e in [*entries, entries[-1]]])
    refused = assert_twins_agree(twice, (50,))
    assert refused is not None
    assert refused[0] is InvariantBroken


def test_a_gap_between_blocks_is_no_journal() -> None:
    entries = steady()
    columns = Columns.from_entries(entries)
    for start, gap in ((60, 1), (60, -1)):
        after = columns.slice(start + gap, 20)
        with pytest.raises((Refusal, InvariantBroken)) as caught:
            replay_columns([columns.slice(0, start), after])
        assert caught.value.__notes__ == [f"entry {start + gap + 1}"]


def test_a_block_with_a_kind_that_is_none_is_damaged() -> None:
    columns = Columns.from_entries(steady()[:20])
    batch = columns.drafts.batch
    kinds = pa.array(["gift"] * len(columns)).dictionary_encode()
    forged = Drafts(batch.set_column(batch.schema.get_field_index("kind"), SCHEMA.field("kind"), kinds))
    with pytest.raises(DamagedEntry, match="not a kind"):
        replay_columns([Columns(1, columns.recorded, forged)])
    with pytest.raises(DamagedEntry, match="not a kind"):
        forged.drafts()


# --- posting ----------------------------------------------------------------------------------------------------------


def drafts_of(entries: Iterable[Entry]) -> Drafts:
    return Drafts.from_drafts(entry.draft for entry in entries)


def test_drafts_are_posted_as_the_plain_gate_posts_them() -> None:
    entries = steady()
    drafts = [entry.draft for entry in entries]
    again = replace(drafts[9], maker="somebody", approver="else", narrative="again")
    batch = [*drafts[:30], drafts[3], again, *drafts[30:]]
    day = entries[-1].recorded
    plain, twin = Ledger(), Twin(Ledger())
    wanted = [entry for draft in batch if (entry := plain.post(draft, recorded=day))]
    posted = twin.post(Drafts.from_drafts(batch), recorded=day)
    assert posted.columns.entries() == wanted
    assert posted.leaves == b"".join(entry.leaf for entry in wanted)
    assert list(posted.drafts) == [*range(30), *range(32, len(batch))]
    assert_same(plain, twin.ledger, wanted)
    once_more = twin.post(Drafts.from_drafts(batch), recorded=day)
    assert (len(once_more.columns), once_more.leaves, list(once_more.drafts)) == (0, b"", [])
    assert_same(plain, twin.ledger, wanted)
    late = spent(1, day, "late")
    assert twin.post(Drafts.from_drafts([batch[0], late]), recorded=day).columns.entry(0) == plain.post(
        late, recorded=day
    )


@pytest.mark.parametrize("where", ["in the batch", "in the ledger", "in its past"])
def test_a_key_that_was_used_for_something_else_is_refused(where: str) -> None:
    entries = steady()
    drafts, day = [entry.draft for entry in entries], entries[-1].recorded
    other = replace(drafts[-1], key=drafts[20].key)
    ledger = Ledger()
    if where == "in the ledger":
        for entry in entries[:40]:
            refold(ledger, entry)
    twin = Twin(ledger)
    if where == "in its past":
        twin.post(Drafts.from_drafts(drafts[:40]), recorded=day)
    with pytest.raises(KeyConflict) as caught:
        twin.post(Drafts.from_drafts([*drafts[:60], other]), recorded=day)
    assert (caught.value.where, caught.value.asked) == ("entry 21", other)
    assert twin.ledger.seq == 60


def test_what_was_posted_in_columns_can_be_reversed() -> None:
    entries = steady()
    twin = Twin(Ledger())
    day = entries[-1].recorded
    twin.post(drafts_of(entries), recorded=day)
    paid = twin.ledger.past
    assert isinstance(paid, Remembered)
    entry = Entry(only(Kind.SPENDING) + 1, day, paid.draft(only(Kind.SPENDING) + 1))
    undo = vouchers.reverse(entry, on=day, hands=HANDS, narrative="冲销")
    plain, _ = plainly([replace(e, recorded=day) for e in entries])
    assert twin.post(Drafts.from_drafts([undo]), recorded=day).columns.entry(0) == plain.post(undo, recorded=day)
    assert_same(plain, twin.ledger, entries)
    with pytest.raises(KeyError):
        paid.draft(10_000)


def test_a_batch_that_repeats_a_booked_draft_with_a_dirty_narrative_is_refused() -> None:
    entries = steady()
    twin = Twin(Ledger())
    twin.post(drafts_of(entries), recorded=entries[-1].recorded)
    dirty = replace(entries[-1].draft, narrative="a\u200bb")
    with pytest.raises(Malformed):
        twin.post(Drafts.from_drafts([dirty]), recorded=entries[-1].recorded)


def test_the_past_is_asked_for_keys_and_promises_at_once_where_it_can_be() -> None:
    """As when books are loaded from a snapshot: what came before is looked up."""
    entries = steady()
    half = only(Kind.SPENDING)
    plain, _ = plainly(entries[:half])
    whole, _ = plainly(entries[:half])
    for one in (plain, whole):
        keys, booked = dict(one.keys), dict(one.booked)
        promises = {(fund, reference): promise for (fund, _, reference), promise in one.promises.items()}
        one.past = (OneByOne if one is plain else AtOnce)(keys, booked, promises)
        one.keys.clear(), one.booked.clear(), one.promises.clear()
    twin = Twin(whole)
    twin.refold(Columns.from_entries(entries[half:]))
    assert twin.in_columns == len(entries) - half
    assert isinstance(whole.past, Remembered)
    assert isinstance(whole.past.before, AtOnce)
    assert whole.past.before.asked_singly == 0
    plainly(entries[half:], plain)
    assert_same(plain, whole, entries)


class OneByOne:
    """A past such as a store has."""

    def __init__(self, keys: dict, booked: dict, promises: dict) -> None:  # type: ignore[type-arg]
        self._keys, self._booked, self._promises = keys, booked, promises
        self.asked_singly = 0

    def key(self, key: str) -> tuple[int, bytes] | None:
        self.asked_singly += 1
        return self._keys.get(key)

    def booked(self, seq: int):  # type: ignore[no-untyped-def]
        return self._booked.get(seq)

    def reversed(self, seq: int) -> bool:
        return False

    def promise(self, fund: str, reference: str):  # type: ignore[no-untyped-def]
        self.asked_singly += 1
        return self._promises.get((fund, reference))


class AtOnce(OneByOne):
    def keys(self, keys: Sequence[str]) -> dict[str, int]:
        return {key: self._keys[key][0] for key in keys if key in self._keys}

    def promises(self, pairs):  # type: ignore[no-untyped-def]
        return {pair: self._promises[pair] for pair in pairs if pair in self._promises}


# --- columns that a caller brings -------------------------------------------------------------------------------------


def receipts(n: int = 3, **changes: object) -> Drafts:
    lines = {
        "per_entry": 4,
        "fund": SHARE.fund_id,
        "account": ["cash", "funding", "authority", "unencumbered"] * n,
        "detail": ["", "x", "", "2022"] * n,
        "side": ["D", "C"] * 2 * n,
        "amount_fen": np.repeat(np.arange(1, n + 1), 4),
    }
    fields: dict[str, object] = {
        "kind": Kind.RECEIPT, "effective": date(2022, 1, 5), "key": [f"r/{number}" for number in range(n)], "maker": "王敏",
        "approver": "李强", "narrative": "收入", "document": "doc", "clause": "1",
    }  # fmt: skip
    fields |= {name: value for name, value in changes.items() if name not in lines}
    lines |= {name: value for name, value in changes.items() if name in lines}
    return Drafts.of(postings=Lines(**lines), **fields)  # type: ignore[arg-type]


def test_drafts_from_columns_are_the_drafts_that_they_say() -> None:
    wanted = [
        replace(
            vouchers.receive(SHARE, "x", fen, on=date(2022, 1, 5), key=f"r/{fen - 1}", hands=Hands("王敏", "李强")),
            narrative="收入",
        )
        for fen in (1, 2, 3)
    ]
    assert receipts().drafts() == wanted
    papers = Papers([0, 2, 1], ["invoice", "contract", "invoice"], ["0" * 64] * 3)
    drafts = receipts(evidence=papers, terms=[[], ["expires\t2022-01-01"], []], key=pa.array(["a", "b", "c"]))
    assert [len(draft.evidence) for draft in drafts.drafts()] == [0, 2, 1]
    assert drafts.draft(1).terms == (("expires", "2022-01-01"),)
    assert Drafts.of(kind="receipt", effective=[], key=[], maker="", approver="", narrative="", postings=Lines(0, [], [], [], [], [])).drafts() == []  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"amount_fen": [1.0] * 12}, AmountError),
        ({"amount_fen": np.ones(12)}, AmountError),
        ({"amount_fen": [True] * 12}, AmountError),
        ({"amount_fen": [2**63] * 12}, AmountError),
        ({"amount_fen": pa.array([1.5] * 12)}, AmountError),
        ({"amount_fen": [1] * 11}, ColumnError),
        ({"amount_fen": pa.array([1] * 11 + [None])}, ColumnError),
        ({"per_entry": [4, 4]}, ColumnError),
        ({"per_entry": [13, -1, 0]}, ColumnError),
        ({"key": ["a", "b", None]}, ColumnError),
        ({"maker": ["a", "b"]}, ColumnError),
        ({"narrative": ["a", "b", "\ud800"]}, ColumnError),
        ({"effective": ["never"] * 3}, ColumnError),
        ({"effective": "2025-03-01"}, ColumnError),
        ({"amount_fen": "5"}, AmountError),
        ({"kind": ["gift"] * 3}, ColumnError),
        ({"amount": 3}, ColumnError),
    ],
)
def test_columns_that_are_no_drafts(changes: dict[str, object], error: type[EstateFundsError]) -> None:
    with pytest.raises(error):
        receipts(**changes)


def test_drafts_without_a_column_that_all_have() -> None:
    with pytest.raises(ColumnError):
        Drafts.of(key=["a"], kind="receipt", postings=Lines(0, [], [], [], [], []))


SOUND = steady()[-1].draft


@pytest.mark.parametrize(
    "draft",
    [
        scaled(steady()[-1].draft, 2**63), scaled(steady()[-1].draft, 1.0), scaled(steady()[-1].draft, True),  # type: ignore[arg-type]
        replace(steady()[-1].draft, payee="\ud800"), replace(steady()[-1].draft, terms=(("a\tb",),)),
        replace(steady()[-1].draft, terms=((),)),
    ],
)  # fmt: skip
def test_drafts_that_columns_cannot_hold_are_refused_by_the_plain_gate_too(draft: Draft) -> None:
    with pytest.raises((AmountError, ColumnError)):
        Drafts.from_drafts([draft])
    with pytest.raises(Malformed):
        plainly(steady())[0].check(draft, recorded=date(2026, 1, 1))


@pytest.mark.parametrize(
    "draft",
    [
        None, "receipt", replace(SOUND, kind="receipt"), replace(SOUND, effective=None),
        replace(SOUND, effective=datetime(2024, 3, 1, 12)), replace(SOUND, effective="2024-03-01"),  # noqa: DTZ001
        *(replace(SOUND, **{name: wrong}) for name in ("key", "payee", "policy", "reference") for wrong in (None, 5, b"x")),
        *(replace(SOUND, **{name: wrong}) for name in ("terms", "evidence", "postings") for wrong in (None, [], "x", (None,), (5,), ("ab",))),
        replace(SOUND, terms=(("expires", None),)), replace(SOUND, terms=(["expires", "2030-01-01"],)),
        replace(SOUND, evidence=(("invoice", "0" * 64),)), replace(SOUND, evidence=(Evidence("invoice", 5),)),
        replace(SOUND, postings=tuple(map(tuple, SOUND.postings))),
        replace(SOUND, postings=(SOUND.postings[0]._replace(fund=None), *SOUND.postings[1:])),
        replace(SOUND, postings=(SOUND.postings[0]._replace(side=5), *SOUND.postings[1:])),
    ],
)  # fmt: skip
def test_fields_of_wrong_types_are_refused_as_by_the_plain_gate(draft: Draft) -> None:
    with pytest.raises(Malformed, match=r"a field is of a wrong type|not a draft"):
        Drafts.from_drafts([SOUND, draft])
    if isinstance(draft, Draft):
        with pytest.raises(Malformed, match="a field is of a wrong type"):
            Ledger().check(draft, recorded=date(2026, 1, 1))


def test_a_text_of_a_finer_type_is_a_text() -> None:
    finer = replace(SOUND, payee_class=Account.CASH)
    assert Drafts.from_drafts([finer]).draft(0) == finer


def test_dictionaries_that_hold_a_word_twice_are_made_anew() -> None:
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["王敏", "王敏"]))
    assert len(receipts(maker=twice).batch.column("maker").dictionary) == 1


# --- rows -------------------------------------------------------------------------------------------------------------


def test_rows_hold_what_the_entries_do(tmp_path: object) -> None:
    entries = journal([(1, 4, 30, 1), (3, 1, 20, 0), (3, 2, 20, 0), (6, 0, 10, 0), (8, 3, 1, 1)])
    columns = Columns.from_entries(entries)
    rows = list(entry_rows(columns, leaves(columns), b"root"))
    assert rows == list(entry_rows(columns, root=b"root"))
    for row, entry in zip(rows, entries, strict=True):
        draft = entry.draft
        assert row == (
            entry.seq, str(entry.recorded), draft.policy, draft.registry, draft.kind.value, str(draft.effective), draft.key,
            draft.maker, draft.approver, draft.narrative, draft.document, draft.clause, draft.purpose, draft.payee,
            draft.payee_class, draft.reference, "\n".join("\t".join(term) for term in draft.terms),
            "\n".join("\t".join(paper) for paper in draft.evidence), entry.leaf, b"root" if entry is entries[-1] else b"",
        )  # fmt: skip
    wanted = [(e.seq, number, *p) for e in entries for number, p in enumerate(e.draft.postings, start=1)]
    assert list(posting_rows(columns)) == wanted
    with sqlite3.connect(":memory:") as connection:
        connection.execute(
            "CREATE TABLE posting (seq INTEGER, line INTEGER, f TEXT, a TEXT, d TEXT, s TEXT, n INTEGER) STRICT"
        )
        connection.executemany("INSERT INTO posting VALUES (?, ?, ?, ?, ?, ?, ?)", posting_rows(columns))


# --- replay -----------------------------------------------------------------------------------------------------------


def test_a_replay_shows_each_block_and_its_leaves() -> None:
    entries = steady()
    columns, seen = Columns.from_entries(entries), []
    ledger = replay_columns(columns.blocks(30), each=lambda block, hashes: seen.append((block.first_seq, hashes)))
    assert [first for first, _ in seen] == list(range(1, len(entries) + 1, 30))
    assert tree_root(b"".join(hashes for _, hashes in seen)) == ledger.tree.root == replay(entries).tree.root
    assert_same(replay(entries), ledger, entries)
    assert all(one < other for one, other in pairwise(first for first, _ in seen))


def test_a_replay_of_nothing_is_an_empty_ledger() -> None:
    assert replay_columns([]).head == Ledger().head


def test_a_replay_says_of_a_key_that_was_used_before_what_the_plain_one_says() -> None:
    """Though it asks for the keys last, and something later is wrong as well."""
    entries = list(steady())
    entries[70] = replace(entries[70], draft=replace(entries[70].draft, key=entries[30].draft.key))
    broken = list(entries)
    broken[90] = replace(broken[90], draft=scaled(broken[90].draft, 10**9))
    for journal_of in (entries, broken):
        refused = assert_twins_agree(journal_of, (40,))
        assert refused is not None
        assert (refused[0], refused[2]) == (KeyConflict, 71)
