"""The whole path through the Python API: load, assess, post, audit.

Usage: whole_path.py CASE_FOLDER LEDGER [split]

Loading a case assesses it and makes every draft, so that a faulty row is refused before anything is posted. With
`split`, the two are timed once more on a fresh copy of the case after everything else, to say how much of loading they
are; such a run is not counted as a whole path.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

RECORDED_ON = date(2022, 12, 31)  # after the last payment of the case, and the same on every machine

start = time.perf_counter()
from estate_funds import Books, load_case  # noqa: E402 - the import is measured

imported = time.perf_counter()
case = load_case(sys.argv[1])
loaded = time.perf_counter()
claims = case.claims
amount_fen, shares = claims.amount_fen, claims.shares
assessed = time.perf_counter()
ledger = Path(sys.argv[2])
with Books.open(f"sqlite:///{ledger}", recorded_on=RECORDED_ON) as books:
    posted = books.run(case)
    booked = time.perf_counter()
    report = books.audit(case)
    audited = time.perf_counter()
    paid_fen = sum(b.received_fen for b in books.balances() if b.fund.startswith("community-shortfall/"))

split = {}
if sys.argv[3:] == ["split"]:
    fresh = replace(case)  # the same facts, nothing computed yet
    before = time.perf_counter()
    _ = fresh.claims
    between = time.perf_counter()
    _ = fresh.steps
    split = {"assess_in_load_s": between - before, "drafts_in_load_s": time.perf_counter() - between}

import measure  # noqa: E402 - after the clock has stopped

measure.report(
    import_s=imported - start,
    load_s=loaded - imported,
    assess_s=assessed - loaded,
    post_s=booked - assessed,
    audit_s=audited - booked,
    inside_s=audited - imported,
    claims=len(claims),
    amount_fen=amount_fen,
    shares_fen=shares,
    paid_fen=paid_fen,
    entries=len(posted.entries),
    waiting=len(posted.waiting),
    findings=[str(finding) for finding in report.findings],
    **split,
)
