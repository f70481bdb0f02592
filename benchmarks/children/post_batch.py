"""Post synthetic spendings of one fund in one batch on SQLite, then audit the journal by replay.

Usage: post_batch.py LEDGER SPENDINGS

The drafts are made before the clock starts: what is measured is the gate, the hashes and the database.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta

from estate_funds import Books, load_document
from estate_funds.case import define_fund
from estate_funds.funds import Fund
from estate_funds.journal import Draft, Evidence
from estate_funds.policy import bind
from estate_funds.vouchers import Hands, appropriate, open_fund, spend

RECORDED_ON = date(2022, 12, 31)
OPENED_ON, FIRST_DAY = date(2022, 1, 4), date(2022, 1, 5)
HANDS = Hands("王敏 (preparer)", "李强 (reviewer)")
USES = ("cleaning", "security", "greening", "facility-upkeep", "repair")


def community_fund() -> Fund:
    """The restricted fund of one community, as the Donghu document defines it."""
    document = bind(load_document("donghu-2021-17"), {"shortfall_uses": USES})
    return define_fund(document, "community-shortfall", "community", "院一社区")


def amount_fen(number: int) -> int:
    """Uneven amounts between 100.01 and 1 000.00 yuan."""
    return 10_001 + number * 7_919 % 90_000


def spendings(fund: Fund, count: int) -> Iterator[Draft]:
    """Payments over the year, in order of days, each on its own invoice."""
    for number in range(count):
        yield spend(
            fund,
            amount_fen(number),
            purpose=USES[number % len(USES)],
            payee="宏达物业服务有限公司",
            payee_class="enterprise",
            on=FIRST_DAY + timedelta(days=number * 350 // count),
            key=f"spending/benchmark/{number:06d}",
            hands=HANDS,
            evidence=(Evidence("invoice", hashlib.sha256(str(number).encode()).hexdigest()),),
        )


def main(ledger: str, count: int) -> None:
    """Fund the fund, post the batch, audit, report."""
    fund = community_fund()
    total_fen = sum(map(amount_fen, range(count)))
    drafts = list(spendings(fund, count))
    with Books.open(f"sqlite:///{ledger}", recorded_on=RECORDED_ON) as books:
        books.post(open_fund(fund, on=OPENED_ON, hands=HANDS))
        books.post(appropriate(fund, "treasury", total_fen, on=OPENED_ON, key="appropriation/benchmark", hands=HANDS))
        start = time.perf_counter()
        posted = books.post(drafts)
        booked = time.perf_counter()
        audited = books.audit()
        done = time.perf_counter()
        (balance,) = books.balances()
    from measure import report  # beside this file, whichever folder a checker starts from

    report(
        post_s=booked - start,
        audit_s=done - booked,
        entries=len(posted.entries),
        postings=sum(len(entry.draft.postings) for entry in posted.entries),
        replayed=audited.entries,
        total_fen=total_fen,
        paid_fen=balance.paid_fen,
        left_fen=balance.available_fen,
        findings=[str(finding) for finding in audited.findings],
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
