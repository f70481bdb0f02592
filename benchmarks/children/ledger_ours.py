"""What a ledger is measured doing, through the Python API: post a batch, post one by one, replay, tell a balance.

Usage: ledger_ours.py make     LEDGER SHAPE PLANNED UPTO     a ledger of UPTO entries, in batches
       ledger_ours.py columns  LEDGER SHAPE PLANNED COUNT    Books.post_columns of the next COUNT drafts, in one call
       ledger_ours.py drafts   LEDGER SHAPE PLANNED COUNT    Books.post of as many Draft objects, in one call
       ledger_ours.py singles  LEDGER SHAPE PLANNED COUNT    Books.post of each, durable before the next is asked for
       ledger_ours.py verify   LEDGER SAMPLE    Books.verify, and the plain replay of the first SAMPLE entries
       ledger_ours.py balance  LEDGER           Books.balance of each fund
       ledger_ours.py heads    LEDGER SIZE...   the head of the journal when it had so many entries

The journal is that of make_journal.py with PLANNED entries; drafts are made before the clock starts.
"""

from __future__ import annotations

import statistics
import sys
import time
from datetime import date
from itertools import islice

import pyarrow as pa
from make_journal import YEAR, Journal, beginning, funds
from measure import Clock, report

from estate_funds import Books
from estate_funds.columns import Drafts
from estate_funds.ledger import replay
from estate_funds.merkle import head_text, root_at
from estate_funds.store import Store

RECORDED_ON = date(YEAR, 12, 31)
BATCH = 1 << 17  # entries that `make` posts at a time
FIRST_BATCH = 1 << 13


def plan(shape: str, planned: int) -> Journal:
    """The journal of make_journal.py: which draft comes after which."""
    return Journal(tuple(funds()), len(list(beginning())), planned, together=shape == "contracts")


def open_books(address: str) -> Books:
    """The books on the day of recording of all benchmarks."""
    return Books.open(address, recorded_on=RECORDED_ON)


def make(address: str, shape: str, planned: int, upto: int) -> None:
    """Open and endow the funds, and post up to an entry, in more than one batch."""
    journal = plan(shape, planned)
    with open_books(address) as books:
        clock = Clock()
        books.post(beginning())
        sizes = [FIRST_BATCH - len(books)]
        while len(books) < upto:
            count = min(sizes.pop() if sizes else BATCH, upto - len(books))
            books.post_columns(journal.block(len(books) + 1, count))
        report(**clock.read("make"), entries=len(books), head=books.ledger.head)


def columns(address: str, shape: str, planned: int, count: int) -> None:
    """The next drafts in one batch, in columns."""
    with open_books(address) as books:
        drafts = plan(shape, planned).block(len(books) + 1, count)
        postings = len(drafts.batch.column("postings").flatten())
        clock = Clock()
        posted = books.post_columns(drafts)
        taken = clock.read("post")
        report(**taken, entries=posted, postings=postings, head=books.ledger.head)


def drafts(address: str, shape: str, planned: int, count: int) -> None:
    """The next drafts in one batch, as objects; and what it would take to put them into columns instead."""
    with open_books(address) as books:
        made = plan(shape, planned).block(len(books) + 1, count).drafts()
        clock = Clock()
        posted = books.post(made)
        taken = clock.read("post")
        clock = Clock()
        Drafts.from_drafts(made)
        taken |= clock.read("into_columns")
        postings = sum(len(draft.postings) for draft in made)
        report(**taken, entries=len(posted.entries), postings=postings, head=books.ledger.head)


def singles(address: str, shape: str, planned: int, count: int) -> None:
    """The next drafts, each in a call and a transaction of its own."""
    with open_books(address) as books:
        made = plan(shape, planned).block(len(books) + 1, count).drafts()
        before = books.ledger.seq  # read before the clock starts, as a service that runs has
        clock = Clock()
        for draft in made:
            books.post(draft)
        taken = clock.read("post")
        report(**taken, entries=len(books) - before, head=books.ledger.head)


def verify(address: str, sample: str) -> None:
    """The replay of all, and the plain gate on some; the CPU of the whole process as well, with all its imports."""
    with Books.open(address, create=False) as books:
        clock = Clock()
        head = books.verify()
        taken = clock.read("verify")
        peak = Clock.peak_mib()
        whole_cpu_s = time.process_time()
        entries = list(islice(books.entries(), int(sample)))
        clock = Clock()
        replay(entries)
        taken |= clock.read("plain")
        report(
            **taken, whole_cpu_s=whole_cpu_s, verify_peak_mib=peak, entries=len(books), head=head, sample=len(entries)
        )


def balance(address: str) -> None:
    """Balances of all funds, the first call of a fresh process apart; and how long until something can be posted."""
    asked = [fund.fund_id for fund in funds()]
    with Books.open(address, create=False) as books:
        took, held = [], []
        for fund in [*asked, *asked]:
            clock = Clock()
            held.append(len(books.balance(fund)))
            took.append(1000 * clock.read("call")["call_s"])
        clock = Clock()
        _ = books.ledger
        loaded = clock.read("load")
        later = {"later_ms": statistics.median(took[1:]), "most_ms": max(took[1:])}
        report(first_ms=took[0], **later, details=max(held), **loaded)


def heads(address: str, *sizes: str) -> None:
    """What the head was at each size, from the tree of the whole."""
    store = Store.open(address, create=False)
    found = {size: head_text(int(size), root_at(int(size), store.subtrees(int(size)))) for size in sizes}
    store.close()
    report(heads=found)


if __name__ == "__main__":
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    verb, ledger, *rest = sys.argv[1:]
    posting = {"make": make, "columns": columns, "drafts": drafts, "singles": singles}
    if verb in posting:
        shape, planned, count = rest
        posting[verb](ledger, shape, int(planned), int(count))
    else:
        {"verify": verify, "balance": balance, "heads": heads}[verb](ledger, *rest)
