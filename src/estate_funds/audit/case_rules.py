"""Rules about the case: what auditors of such programmes find when they hold its papers against the books."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from estate_funds.assess import Claim, Status, View
from estate_funds.assess.view import number_text
from estate_funds.audit.case_dates import DATE_ORDER
from estate_funds.audit.case_people import DUPLICATE_HOUSEHOLD, FEE_MOVED_OUT, FEE_TWICE, MOVED_OUT
from estate_funds.audit.case_votes import VOTE_FORGED, VOTE_SHORT
from estate_funds.audit.report import Finding, Severity
from estate_funds.audit.rules import AuditedCase, Material, Rule
from estate_funds.funds import Account, Side
from estate_funds.journal import Entry
from estate_funds.money import FEN_PER_YUAN, format_yuan, round_fen
from estate_funds.policy import Document
from estate_funds.registry import Fact
from estate_funds.text import counted
from estate_funds.vouchers import payer_funds

NEEDS = ("case",)
BUDGET_LAW = "预算法 57"

# --- matching money -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lacking:
    """A share of a claim for which its payer had no money by the day it was due, and the day on which it had."""

    claim: Claim
    payer: str
    fen: int
    last: date
    clause: str
    funded_on: date | None = None
    funded_by: Entry | None = None


def _shared(about: Material) -> list[Claim]:
    """The claims that are due from several payers, or matched by one."""
    if about.case is None:
        return []
    due = about.case.claims.where(year=about.year, status=Status.DUE)
    return [c for c in due if len(payer_funds(c)) > 1 or any(split.matching for split in c.provision.payers)]


def _lacking(about: Material) -> list[_Lacking]:
    """The shares of claims that had no money on the day on which they were due, while others had."""
    return list(_unfunded(about))


def _unfunded(about: Material) -> Iterator[_Lacking]:
    case = about.case
    if case is None:
        return
    cash = _Cash(about.entries)
    for claim in about.once(_shared):
        last = case.latest_pay_day(claim) or case.pay_day(claim)
        if last is None or about.as_of <= last:
            continue
        paid, funds = about.paid.get(claim.claim_id), payer_funds(claim)
        yield from _unmatched(case, claim, last, booked=paid is not None and bool(paid.standing))
        if paid is not None and paid.standing:
            in_part = len(paid.standing) < len(funds)
            if in_part or paid.on is None or paid.on <= last:
                continue  # in time; or in part, and who is missing shows in what was paid
        short = {fund: fen for fund, fen in funds.items() if cash.on(fund, last) < fen}
        if len(short) < len(funds):
            clause = f"{claim.document} {claim.provision.payers[0].clause}"
            for fund, fen in short.items():
                entry = cash.reached(fund, fen, last, about.as_of)
                day = entry.draft.effective if entry is not None else None
                yield _Lacking(claim, fund, fen, last, clause, day, entry)


def _unmatched(case: AuditedCase, claim: Claim, last: date, *, booked: bool) -> Iterator[_Lacking]:
    """Where a document lets others pay only as far as one has paid: what that one has not, here or elsewhere."""
    for split in claim.provision.payers:
        rule = split.matching
        if rule is None or (booked and rule.payer in claim.booked):
            continue  # its share was paid from these books
        document = case.documents[claim.document]
        view = View(document, case.registry, case.assessments, claim.subject, claim.period_key, last)
        paid, own = view.number(rule.paid), claim.shares.get(rule.payer, 0)
        missing = own - round_fen((paid or 0) * FEN_PER_YUAN)
        if paid is not None and missing > 0:
            yield _Lacking(claim, rule.payer, missing, last, f"{claim.document} {rule.clause}")


class _Cash:
    """The cash of funds by day, and the entries that brought it."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._moves: dict[str, list[tuple[date, int, Entry]]] = {}
        self._running: dict[str, tuple[list[date], list[int]]] = {}
        for entry in entries:
            for posting in entry.draft.postings:
                if posting.account == Account.CASH:
                    fen = posting.amount_fen if posting.side == Side.DEBIT else -posting.amount_fen
                    self._moves.setdefault(posting.fund, []).append((entry.draft.effective, fen, entry))
        for fund, moves in self._moves.items():
            moves.sort(key=lambda move: (move[0], move[2].seq))
            total, sums = 0, []
            for _, fen, _ in moves:
                total += fen
                sums.append(total)
            self._running[fund] = [day for day, _, _ in moves], sums

    def on(self, fund: str, day: date) -> int:
        """What a fund had at the end of a day."""
        days, sums = self._running.get(fund, ([], []))
        at = bisect_right(days, day)
        return sums[at - 1] if at else 0

    def reached(self, fund: str, fen: int, after: date, until: date) -> Entry | None:
        """The first entry after a day with which a fund had so much."""
        _, sums = self._running.get(fund, ([], []))
        for (day, _, entry), total in zip(self._moves.get(fund, ()), sums, strict=True):
            if after < day <= until and total >= fen:
                return entry
        return None


def _find_missing(about: Material, rule: Rule) -> Iterator[Finding]:
    for one in about.once(_lacking):
        if one.funded_by is None:
            what = f"matching money is missing: {one.payer} does not have its share"
            yield rule.found(
                what, where=one.claim.claim_id, got="nothing of it", wanted=f"{format_yuan(one.fen)} by {one.last}",
                clause=one.clause, amount_fen=one.fen, subject=one.claim.subject.subject_id,
            )  # fmt: skip


def _find_late(about: Material, rule: Rule) -> Iterator[Finding]:
    for one in about.once(_lacking):
        if one.funded_by is not None and one.funded_on is not None:
            days = counted((one.funded_on - one.last).days, "day")
            yield rule.found(
                f"matching money {days} late: {one.payer}", one.funded_by, where=one.claim.claim_id,
                got=str(one.funded_on), wanted=f"by {one.last}", clause=one.clause, amount_fen=one.fen,
                subject=one.claim.subject.subject_id,
            )  # fmt: skip


MATCHING_MISSING = Rule(
    "matching-missing", Severity.ERROR,
    "One payer of a claim has its share and another has not by the day on which it is due.",
    BUDGET_LAW, "appropriate the share that is missing, and pay the claim",
    over=lambda about: about.once(_shared), find=_find_missing, needs=NEEDS,
    example="The city paid its half of an award, the district never did.",
)  # fmt: skip
MATCHING_LATE = Rule(
    "matching-late", Severity.WARNING,
    "One payer of a claim had its share in time and another only after the day on which it was due.",
    BUDGET_LAW, "explain the delay in the file; it cannot be undone",
    over=lambda about: about.once(_shared), find=_find_late, needs=NEEDS,
    example="The district paid its half four months after the city.",
)  # fmt: skip

# --- a lost 万 -----------------------------------------------------------------------------------------------------

WAN = 10_000
_COMPARED = ("ratio", "least_of", "greatest_of", "difference")


def _compared(document: Document) -> Iterator[tuple[str, str, str]]:
    """Pairs of facts of one unit that a document compares, and the clause that does."""
    pairs: list[tuple[str, str | None, str]] = []
    for derived in document.derived.values():
        names: tuple[str, ...] = getattr(derived, derived.way) if derived.way in _COMPARED else ()
        pairs += [(names[0], other, derived.clause) for other in names[1:]]
        bounds = [*derived.when, *(one for group in derived.any_of for one in group)]
        pairs += [(one.fact, one.of, derived.clause) for one in bounds]
    pairs += [(rule.fact, rule.of, rule.clause) for rule in document.requirements]
    for one, other, clause in {(pair[0], pair[1]): pair for pair in pairs}.values():
        rules = document.facts.get(one), document.facts.get(other or "")
        if other and rules[0] and rules[1] and (rules[0].type, rules[0].of) == (rules[1].type, rules[1].of):
            yield one, other, clause


class _Beside(NamedTuple):
    """Two figures of one subject and period that a document compares."""

    subject: str
    names: tuple[str, str]
    facts: tuple[Fact, Fact]
    clause: str


def _beside(about: Material) -> list[_Beside]:
    if about.case is None:
        return []
    facts, found = about.case.registry.facts, []
    of_name: dict[str, list[tuple[str, str]]] = {}
    for subject, name, period in facts:
        of_name.setdefault(name, []).append((subject, period))
    for document in about.case.documents.values():
        for one, other, clause in _compared(document):
            for subject, period in of_name.get(one, ()):
                if (second := facts.get((subject, other, period))) is not None:
                    both = facts[subject, one, period], second
                    found.append(_Beside(subject, (one, other), both, f"{document.id} {clause}"))
    return found


def _find_slips(about: Material, rule: Rule) -> Iterator[Finding]:
    for pair in about.once(_beside):
        low, *more = sorted(fact.value for fact in pair.facts if isinstance(fact.value, Fraction))
        high = more[0] if more else low
        if low > 0 and WAN <= 2 * Fraction(high, low) <= 4 * WAN:
            values = " and ".join(number_text(fact.value) for fact in pair.facts if isinstance(fact.value, Fraction))
            yield rule.found(
                f"{' and '.join(pair.names)} of {pair.subject} differ by some {WAN:,} times: one looks like 万",
                where=" and ".join(fact.where for fact in pair.facts if fact.where) or pair.subject,
                got=values, wanted="both in one unit", clause=pair.clause, subject=pair.subject,
            )  # fmt: skip


FACT_UNIT_SLIP = Rule(
    "fact-unit-slip", Severity.WARNING,
    "Two figures that a document compares differ by about ten thousand: one was written in 万.",
    "会计基础工作规范 52", "look at the papers, write both in one unit",
    over=lambda about: about.once(_beside), find=_find_slips, needs=NEEDS,
    example="A contract of 38 and final accounts of 380,000: one of them is in 万元.",
)  # fmt: skip

CASE_RULES: tuple[Rule, ...] = (
    MATCHING_MISSING, MATCHING_LATE, DATE_ORDER, VOTE_SHORT, VOTE_FORGED, DUPLICATE_HOUSEHOLD, MOVED_OUT, FEE_TWICE,
    FEE_MOVED_OUT, FACT_UNIT_SLIP,
)  # fmt: skip

__all__ = ["CASE_RULES", "FACT_UNIT_SLIP", "MATCHING_LATE", "MATCHING_MISSING"]
