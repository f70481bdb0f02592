"""A journal with every kind of entry, through the gate, for the tests of what is exported and verified."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from conftest import HANDS, make_fund
from estate_funds.calendar import Month
from estate_funds.checkpoint import Checkpoint, SignerKey, sign
from estate_funds.errors import Refusal
from estate_funds.exchange.bundle import write_bundle
from estate_funds.funds import PAYEE, Account, Permit
from estate_funds.journal import Draft, Entry, Evidence, Kind
from estate_funds.ledger import Ledger
from estate_funds.vouchers import (
    advance,
    amend_fund,
    appropriate,
    carry_forward,
    claw_back,
    close,
    lend,
    open_fund,
    promise,
    receive,
    recover,
    refused,
    release,
    reopen,
    repay,
    reverse,
    settle,
    spend,
    surrender,
    transfer,
    waive,
)
from estate_funds.vouchers.drafting import D, arriving, line, liquidating

ORIGIN = "nanchang.example/award"
BOOKS, AUDITOR = (SignerKey(name, hashlib.sha256(name.encode()).digest()) for name in (ORIGIN, "审计局"))

PAPERS = {name: f"the text of the {name}".encode() for name in ("invoice", "audit", "approval")}
PAPER = {name: Evidence(name, hashlib.sha256(text).hexdigest()) for name, text in PAPERS.items()}
START = date(2020, 1, 1)
CITY = replace(
    make_fund("budget/city/c", purposes=("award", "moved"), classes=("community",), into="share", carry_forward=False),
    permits=(
        Permit("award", "community", "share", START, None, (), "1"),
        Permit("moved", "community", "share", START, date(2030, 1, 1), (), "2"),
        Permit("relief", "household", PAYEE, START, None, (), "3"),
    ),
)
SHARE = replace(
    make_fund("share/community/k"),
    permits=(
        Permit("cleaning", "enterprise", "", START, None, ("invoice",), "4"),
        Permit("repair", "enterprise", "", START, None, ("invoice", "audit"), "5"),
        Permit("refund", "city", "budget", START, None, (), "6"),
    ),
    surplus_after_years=2,
)
OTHER = replace(make_fund("share/community/m"), permits=(Permit("bridge", "community", "share", START, None, (), "7"),))
HELD = replace(make_fund("water/community/k", purposes=("water",), classes=("utility",)), held_for_others=True)


@dataclass
class History:
    """A ledger and the entries that it let through."""

    ledger: Ledger = field(default_factory=Ledger)
    entries: list[Entry] = field(default_factory=list)

    def book(self, draft: Draft, recorded: date | None = None) -> Entry:
        entry = self.ledger.post(draft, recorded=max(recorded or draft.effective, self.ledger.recorded))
        assert entry is not None
        self.entries.append(entry)
        return entry

    def book_all(self, drafts: Iterable[Draft], recorded: date | None = None) -> list[Entry]:
        return [self.book(draft, recorded) for draft in drafts]

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(ORIGIN, self.ledger.tree.size, self.ledger.tree.root)

    def export(self, path: Path, *, note: str = "", papers: bool = True) -> Path:
        found = {PAPER[name].sha256: text for name, text in PAPERS.items()} if papers else {}
        return write_bundle(
            path,
            self.entries,
            checkpoint=note or sign(self.checkpoint(), BOOKS),
            balances=self.ledger.balances,
            keys=[str(BOOKS.verifier)],
            evidence=found.get,
        )


def papers(*names: str) -> tuple[Evidence, ...]:
    return tuple(PAPER[name] for name in names)


def claim_paid(on: date, fen: int) -> Draft:
    """A claim of the community, paid out of the city's budget into the share that it holds."""
    giver, taker = CITY.fund_id, SHARE.fund_id
    spent = line(giver, Account.TRANSFER_OUT, D, fen, taker)
    moves = (*liquidating(giver, spent, fen, "claim-1"), *arriving(taker, Account.TRANSFER_IN, giver, fen, on))
    return Draft(
        kind=Kind.DISBURSEMENT, effective=on, key="disbursement/claim-1", maker="王敏", approver="李强", narrative="award",
        document="doc", clause="1", purpose="award", payee="k", payee_class="community", reference="claim-1", postings=moves,
        policy="sha256:" + "c" * 64, registry="sha256:" + "d" * 64,
    )  # fmt: skip


def relief_paid(on: date, fen: int) -> Draft:
    """A claim that is paid to somebody outside the books."""
    spent = line(CITY.fund_id, Account.EXPENDITURE, D, fen, "relief")
    return Draft(
        kind=Kind.DISBURSEMENT, effective=on, key="disbursement/claim-2", maker="王敏", approver="李强", narrative="relief",
        document="doc", clause="3", purpose="relief", payee="张三", payee_class="household", reference="claim-2",
        postings=liquidating(CITY.fund_id, spent, fen, "claim-2"),
    )  # fmt: skip


def repair(on: date, **more: object) -> dict[str, object]:
    return {"purpose": "repair", "payee": "firm", "payee_class": "enterprise", "on": on, "hands": HANDS, **more}


def first_year(history: History) -> None:
    """2022: every kind but those of a year end and after."""
    book = history.book
    for fund in (CITY, SHARE, OTHER, HELD):
        book(open_fund(fund, on=date(2021, 1, 1), hands=HANDS, policy="sha256:" + "a" * 64), date(2022, 1, 3))
    book(
        appropriate(
            CITY, "treasury", 1_000_000, on=date(2022, 1, 5), key="a1", hands=HANDS, evidence=papers("approval")
        )
    )
    book(receive(SHARE, "lockers", 200_000, on=date(2022, 1, 5), key="r1", hands=HANDS))
    book(receive(HELD, "", 700, on=date(2022, 1, 6), key="r2", hands=HANDS))
    book(
        spend(HELD, 300, purpose="water", payee="w", payee_class="utility", on=date(2022, 1, 7), key="w1", hands=HANDS)
    )
    claim = {"on": date(2022, 2, 1), "hands": HANDS, "payee_class": "community", "payee": "k", "purpose": "award"}
    book(promise(CITY, 200_000, reference="claim-1", **claim))  # type: ignore[arg-type]
    book(promise(CITY, 100_000, reference="claim-1", key="more", **claim))  # type: ignore[arg-type]
    paid = book(claim_paid(date(2022, 2, 2), 300_000))
    household = claim | {"payee_class": "household", "payee": "张三", "purpose": "relief"}
    book(promise(CITY, 900, reference="claim-2", **household))  # type: ignore[arg-type]
    book(relief_paid(date(2022, 2, 3), 800))
    book(release(history.ledger, "claim-2", on=date(2022, 2, 4), hands=HANDS, narrative="less was needed"))
    cleaning = {"purpose": "cleaning", "payee": "firm", "payee_class": "enterprise", "hands": HANDS}
    spent = book(spend(SHARE, 10_000, on=date(2022, 3, 1), key="s1", evidence=papers("invoice"), **cleaning))  # type: ignore[arg-type]
    book(reverse(spent, on=date(2022, 3, 2), hands=HANDS, narrative="booked twice"))
    book(spend(SHARE, 9_000, on=date(2022, 3, 3), key="s2", evidence=papers("invoice"), **cleaning))  # type: ignore[arg-type]
    contract = repair(date(2022, 4, 1), reference="contract-7", expires=date(2022, 12, 1))
    book(promise(SHARE, 100_000, **contract))  # type: ignore[arg-type]
    contract = repair(date(2022, 5, 1), reference="contract-7", key="adv", evidence=papers("invoice"))
    advanced = book(advance(SHARE, 40_000, **contract))  # type: ignore[arg-type]
    both = papers("invoice", "audit")
    history.book_all(
        settle(history.ledger, SHARE, 30_000, advanced, on=date(2022, 6, 1), key="set", hands=HANDS, evidence=both)
    )
    book(recover(advanced, SHARE, 6_000, on=date(2022, 6, 2), key="rec", hands=HANDS, narrative="paid back"))
    approved = {
        "hands": HANDS,
        "document": "doc",
        "clause": "9",
        "evidence": papers("approval"),
        "narrative": "approved",
    }
    book(waive(advanced, {SHARE.fund_id: 4_000}, on=date(2022, 6, 3), key="wai", **approved))  # type: ignore[arg-type]
    more = repair(date(2022, 6, 4), reference="contract-8")
    book(promise(SHARE, 50_000, **more))  # type: ignore[arg-type]
    more = repair(date(2022, 6, 5), reference="contract-8", key="adv8", evidence=papers("invoice"))
    ahead = book(advance(SHARE, 20_000, **more))  # type: ignore[arg-type]
    history.book_all(
        settle(history.ledger, SHARE, 45_000, ahead, on=date(2022, 6, 6), key="set8", hands=HANDS, evidence=both)
    )
    book(claw_back(paid, {CITY.fund_id: 50_000}, on=date(2022, 7, 1), key="cb", hands=HANDS, narrative="audited"))
    book(recover(paid, CITY, 20_000, giver=SHARE, on=date(2022, 7, 2), key="rec2", hands=HANDS, narrative="given back"))
    moved = {"hands": HANDS, "clause": "2", "narrative": "moved"}
    book(transfer(CITY, SHARE, 1_000, purpose="moved", on=date(2022, 8, 1), key="t1", **moved))  # type: ignore[arg-type]
    book(receive(OTHER, "income", 5_000, on=date(2022, 8, 1), key="r8", hands=HANDS))
    lent = {"on": date(2022, 8, 2), "key": "l1", "evidence": papers("approval"), **moved}
    book(lend(OTHER, SHARE, 5_000, purpose="bridge", **lent))  # type: ignore[arg-type]
    book(repay(SHARE, OTHER, 2_000, on=date(2022, 8, 3), key="l2", **moved))  # type: ignore[arg-type]
    book(amend_fund(replace(SHARE, title="共享收益"), on=date(2022, 9, 1), key="amend", hands=HANDS))
    beyond = spend(SHARE, 10**9, on=date(2022, 9, 2), key="s3", evidence=papers("invoice"), **cleaning)  # type: ignore[arg-type]
    try:
        history.ledger.check(beyond, recorded=date(2022, 9, 2))
    except Refusal as refusal:
        book(refused(beyond, refusal, recorded=date(2022, 9, 2)))


def full_history() -> History:
    """Every kind of entry at least once, over two years."""
    history = History()
    first_year(history)
    book, day = history.book, date(2023, 1, 10)
    book(
        promise(
            CITY,
            5_000,
            reference="late",
            purpose="award",
            payee="k",
            payee_class="community",
            on=date(2022, 12, 1),
            hands=HANDS,
        )
    )
    history.book_all(carry_forward(history.ledger, 2022, hands=HANDS), day)
    book(close(Month.parse("2022-12"), on=day, hands=HANDS))
    book(release(history.ledger, "late", on=date(2023, 1, 12), hands=HANDS, narrative="not claimed"))
    book(
        surrender(CITY, "treasury", 1_500, on=date(2023, 2, 1), key="sur", hands=HANDS, clause="8", narrative="lapsed")
    )
    wrong = next(entry for entry in history.entries if entry.draft.key == "s2")
    book(reverse(wrong, on=date(2023, 2, 2), hands=HANDS, narrative="the wrong fund"))
    book(
        reopen(
            Month.parse("2022-12"), on=date(2023, 2, 3), key="reopen", hands=HANDS, document="doc", clause="9",
            narrative="an audit found more", evidence=papers("approval"),
        )
    )  # fmt: skip
    book(receive(OTHER, "late", 70, on=date(2022, 12, 30), key="r9", hands=HANDS), date(2023, 2, 3))
    history.book_all(carry_forward(history.ledger, 2022, hands=HANDS), date(2023, 2, 3))
    book(close(Month.parse("2022-12"), on=date(2023, 2, 4), hands=HANDS, ledger=history.ledger))
    book(receive(SHARE, "lockers", 10_000, on=date(2023, 3, 1), key="r10", hands=HANDS))
    history.book_all(carry_forward(history.ledger, 2023, hands=HANDS), date(2024, 1, 5))
    book(close(Month.parse("2023-12"), on=date(2024, 1, 5), hands=HANDS))
    history.book_all(carry_forward(history.ledger, 2024, hands=HANDS), date(2025, 1, 5))  # surplus after two years
    return history
