"""Make a journal of many entries and keep it as sealed blocks of columns, in an SQLite file.

Usage: make_journal.py FILE ENTRIES SHAPE

Of four entries three are encumbrances (two postings each) and one is a payment (four postings) of what was promised
some time before, on an invoice; one in a thousand is the reversal of a payment. SHAPE is `contracts` (the three are
under one reference, and the payment is of all they promise) or `promises` (each is under its own, and one of three is
ever paid, so half a million of a million entries stay open). Nothing is drawn at random: the same arguments give the
same journal. It is made without the gate; the replay that is measured says whether it could have come through it.
"""

from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from estate_funds.columns import BLOCK, Columns, Drafts, Lines, Papers
from estate_funds.funds import Fund, Permit, fund_id
from estate_funds.journal import Draft, Entry
from estate_funds.vouchers import Hands, appropriate, open_fund

DISTRICTS = ("东湖区", "西湖区", "青云谱区", "青山湖区", "新建区", "红谷滩区")
PROGRAMMES = {
    "property-award": "物业服务考核奖补资金",
    "lift-renewal": "老旧住宅电梯更新补助资金",
    "water-renewal": "二次供水设施改造资金",
    "community-shortfall": "老旧小区物业服务补差资金",
    "emergency-repair": "应急维修周转资金",
    "greening": "小区绿化提升资金",
}
PURPOSES = ("service", "repair", "renewal")
HANDS = (Hands("王敏", "李强"), Hands("周芳", "李强"), Hands("陈建国", "刘洋"))
NAMES = (
    "宏达", "万佳", "绿城", "安居", "恒信", "中环", "金源", "和谐", "永泰", "华安", "嘉信", "东方", "瑞丰",
    "长青", "兴业", "顺达", "康居", "龙泰", "新城", "银海", "博雅", "盛世", "明珠", "天成", "远洋",
)  # fmt: skip
FIRMS = tuple(f"{name}物业服务有限公司第{number}分公司" for number in range(1, 13) for name in NAMES)
DOCUMENT, CLAUSE = "donghu-2021-17", "五（六）1"
POLICY, REGISTRY = (f"sha256:{hashlib.sha256(name).hexdigest()}" for name in (b"policy", b"registry"))
YEAR, DAYS = 2023, 360
FIRST_DAY = np.datetime64(f"{YEAR}-01-02")
GROUP, REVERSED_EVERY, BEHIND = 4, 250, 60  # entries of a group; groups; groups between promise and payment
ENOUGH_FEN = 10**15


Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Journal:
    """The plan of a journal: `start` entries that open and endow the funds, then groups of four.

    `together` says whether the promises of a group are under one reference.
    """

    funds: tuple[Fund, ...]
    start: int
    entries: int
    together: bool

    def block(self, first: int, count: int) -> Drafts:
        """Drafts of the entries from `first` on (sequence numbers, after the start)."""
        at = np.arange(first - self.start - 1, first - self.start - 1 + count)
        group, place = np.divmod(at, GROUP)
        red, pays = (place == 0) & _reversing(group), place == GROUP - 1
        owed = np.maximum(group - red - BEHIND, 0)  # the group of which a payment, or what reverses one, pays a promise
        early = (pays | red) & (group - red < BEHIND)  # nothing was promised so long ago: paid of what is available
        about = np.where(pays | red, owed, group)
        contract = about if self.together else 3 * about + np.where(pays | red, 1, place)
        fen = _fen(3 * about + place)
        paid = sum(np.where(_reversing(owed) & (n == 0), 0, _fen(3 * owed + n)) for n in range(3))
        fen = np.where(pays | red, paid if self.together else _fen(3 * owed + 1), fen)
        number = np.where(pays, group, 3 * group + place).tolist()
        kind = np.where(red, "reversal", np.where(pays, "spending", "encumbrance")).tolist()
        keys = [f"{k}/{YEAR}/{n:07d}" for k, n in zip(kind, number, strict=True)]
        contracts = [f"合同-{YEAR}-{n:07d}" for n in contract.tolist()]
        firm = _chosen(FIRMS, contract * 7)
        purpose = _chosen(PURPOSES, contract)
        target = (self.start + group * GROUP).tolist()  # the last entry of the group before
        references = [
            str(t) if r else ("" if e else c)
            for r, e, t, c in zip(red.tolist(), early.tolist(), target, contracts, strict=True)
        ]
        words = np.where(red, "冲销", np.where(pays, "支付", "预留")).tolist()
        invoices = [hashlib.sha256(keys[n].encode()).hexdigest() for n in np.flatnonzero(pays).tolist()]
        days = FIRST_DAY + at * DAYS // max(1, self.entries)
        return Drafts.of(
            kind=kind,
            effective=days.astype("datetime64[D]").astype(object).tolist(),
            key=keys,
            maker=_chosen([h.maker for h in HANDS], contract).tolist(),
            approver=_chosen([h.approver for h in HANDS], contract).tolist(),
            narrative=[f"{w}{f}第{n:07d}号" for w, f, n in zip(words, firm.tolist(), number, strict=True)],
            document=DOCUMENT,
            clause=CLAUSE,
            policy=POLICY,
            registry=REGISTRY,
            purpose=np.where(red, "", purpose).tolist(),
            payee=np.where(red, "", firm).tolist(),
            payee_class=np.where(red, "", "enterprise").tolist(),
            reference=references,
            evidence=Papers(pays.astype(int), "invoice", invoices),
            postings=self._lines(pays | red, early, np.where(red, -fen, fen), contract, contracts),
        )

    def _lines(self, four: Flags, early: Flags, fen: Ints, contract: Ints, contracts: list[str]) -> Lines:
        """Four lines of what is paid, two of what is promised."""
        counts = np.where(four, 4, 2)
        accounts, details, sides = [], [], []
        purposes = _chosen(PURPOSES, contract).tolist()
        for paid, soon, use, reference in zip(four.tolist(), early.tolist(), purposes, contracts, strict=True):
            if not paid:
                accounts += ["unencumbered", "encumbered"]
                details += [str(YEAR), reference]
                sides += ["D", "C"]
            else:
                accounts += ["expenditure", "cash", "unencumbered" if soon else "encumbered", "expended"]
                details += [use, "", str(YEAR) if soon else reference, ""]
                sides += ["D", "C", "D", "C"]
        payer = _chosen([fund.fund_id for fund in self.funds], contract)
        return Lines(counts, np.repeat(payer, counts).tolist(), accounts, details, sides, np.repeat(fen, counts))


def _reversing(group: Ints) -> Flags:
    """The groups that begin with the reversal of the payment before."""
    return np.asarray(group % REVERSED_EVERY == REVERSED_EVERY - 1)


def _fen(promise: Ints) -> Ints:
    """Uneven amounts between 100 and 90 000 yuan."""
    return np.asarray(10_001 + promise * 7_919 % 9_000_000)


def _chosen(words: Sequence[str], number: Ints) -> npt.NDArray[np.object_]:
    """The words in turn."""
    return np.array(words, dtype=object)[number % len(words)]


def beginning() -> Iterator[Draft]:
    """Open each fund and endow it."""
    on = date(YEAR, 1, 1)
    for fund in funds():
        yield open_fund(fund, on=on, hands=HANDS[0])
    for fund in funds():
        yield appropriate(fund, "市财政局", ENOUGH_FEN, on=on, key=f"appropriation/{fund.fund_id}", hands=HANDS[0])


def funds() -> Iterator[Fund]:
    """Six programmes in six districts."""
    permits = tuple(
        Permit(purpose, "enterprise", "", date(2021, 1, 1), None, ("invoice",), CLAUSE) for purpose in PURPOSES
    )
    for key, title in PROGRAMMES.items():
        for district in DISTRICTS:
            yield Fund(fund_id(key, "district", district), district + title, DOCUMENT, CLAUSE, True, "fifo", permits)


def blocks(entries: int, shape: str) -> Iterator[Columns]:
    """The journal in blocks."""
    opening = list(beginning())
    journal = Journal(tuple(funds()), len(opening), entries, shape == "contracts")
    for first in range(1, entries + 1, BLOCK):
        count = min(BLOCK, entries + 1 - first)
        if first == 1:
            drafts = opening + journal.block(len(opening) + 1, count - len(opening)).drafts()
            yield Columns.from_entries(
                Entry(seq, max(date(YEAR, 1, 1), draft.effective), draft) for seq, draft in enumerate(drafts, start=1)
            )
        else:
            made = journal.block(first, count)
            yield Columns(first, made.batch.column("effective"), made)


def main(path: Path, entries: int, shape: str) -> None:
    """Write the blocks."""
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)
    with sqlite3.connect(partial) as connection:
        connection.execute("CREATE TABLE block (number INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        for number, columns in enumerate(blocks(entries, shape)):
            connection.execute("INSERT INTO block VALUES (?, ?)", (number, columns.to_ipc()))
    connection.close()
    partial.rename(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
