"""Households that count twice, or no more; fees collected twice."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from estate_funds.assess import Claim
from estate_funds.audit.report import Finding, Severity
from estate_funds.audit.rules import Material, Rule
from estate_funds.calendar import Month
from estate_funds.money import round_fen
from estate_funds.policy import LEVELS
from estate_funds.registry import Fee, Household
from estate_funds.text import counted

NEEDS = ("case",)
FALSE_CLAIMS = "财政违法行为处罚处分条例 14"
UNJUST = "民法典 985"  # whoever got something without a legal ground gives it back


# --- households that claims are about -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Linked:
    """A paid claim that is about one household of the register."""

    claim: Claim
    household: Household


def linked(about: Material) -> list[Linked]:
    """The paid claims about single households: their subject is one, has its id as a name, or names it in a fact."""
    case = about.case
    if case is None:
        return []
    claims = [claim for claim in about.paid_claims if claim.subject.kind not in LEVELS]
    texts = {n for d in case.documents.values() for n, rule in d.facts.items() if rule.type == "text"}
    wanted = {claim.subject.subject_id for claim in claims}
    named: dict[str, set[str]] = {}
    for subject, name, period in case.registry.facts if claims else ():
        if subject in wanted and name in texts:
            named.setdefault(subject, set()).add(str(case.registry.facts[subject, name, period].value))
    ids = {
        claim.subject.subject_id: {claim.subject.subject_id, claim.subject.name}
        | named.get(claim.subject.subject_id, set())
        for claim in claims
    }
    known = case.households.named({one for group in ids.values() for one in group})
    return [
        Linked(claim, known[one]) for claim in claims for one in sorted(ids[claim.subject.subject_id]) if one in known
    ]


def _counted(about: Material) -> list[object]:
    """The estates whose households are counted from rows, and the claims about single households."""
    return [*about.case.registry.headcounts, *about.once(linked)] if about.case is not None else []


# --- twice --------------------------------------------------------------------------------------------------------


def _find_double(about: Material, rule: Rule) -> Iterator[Finding]:
    case = about.case
    if case is None:
        return
    for one, other in case.households.doubled():
        claims = [claim for claim in about.paid_claims if claim.subject.subject_id == other.estate_id]
        shares = {claim.claim_id: fen for claim in claims if (fen := _for_one(claim, other))}
        entries = [about.entry(seq) for claim_id in shares for seq in about.paid[claim_id].entries]
        places = f"{one.household_id} (row {one.row}) and {other.household_id} (row {other.row})"
        apart = f" in {one.estate_id} and in {other.estate_id}" if one.estate_id != other.estate_id else ""
        yield rule.found(
            f"one household in two rows{apart}", *entries, where=f"households, rows {one.row} and {other.row}",
            got=places, wanted="each property unit in one row", amount_fen=sum(shares.values()),
            subject=other.household_id,
        )  # fmt: skip
    yield from _two_claims(about, rule)


def _for_one(claim: Claim, household: Household) -> int:
    """What a claim pays for one household more, as far as it was there."""
    exact = Fraction(0)
    for line in claim.lines:
        there = household.registered_on < line.months.end.first_day
        gone = household.removed_on is not None and household.removed_on <= line.months.start.first_day
        if line.measure == "household" and line.base and there and not gone:
            exact += Fraction(line.amount_fen, line.base)
    return round_fen(exact)


def _two_claims(about: Material, rule: Rule) -> Iterator[Finding]:
    """One household paid twice for one purpose and time, under two subjects or two documents."""
    first: dict[tuple[str, str], list[Claim]] = {}
    for one in about.once(linked):
        claim = one.claim
        known = first.setdefault((one.household.household_id, claim.provision.purpose), [])
        before = next((c for c in known if len(c.months & claim.months) and c.part == claim.part), None)
        known.append(claim)
        if before is None or before.claim_id == claim.claim_id:
            continue
        paid = about.paid[claim.claim_id]
        entries = [about.entry(s) for c in (before, claim) for s in about.paid[c.claim_id].entries]
        yield rule.found(
            f"{one.household.household_id} is paid twice for {claim.provision.purpose}", *entries,
            where=f"{before.claim_id} and {claim.claim_id}", got=f"{before.claim_id} and {claim.claim_id}",
            wanted="one of them", clause=f"{claim.document} {claim.provision.clause}", amount_fen=paid.fen,
            subject=one.household.household_id,
        )  # fmt: skip


DUPLICATE_HOUSEHOLD = Rule(
    "duplicate-household", Severity.ERROR,
    "One household counts twice, its id in two spellings, or is paid on two claims for one purpose.",
    FALSE_CLAIMS, "take one row out, or claim one payment back", over=_counted, find=_find_double, needs=NEEDS,
    example="yuanyi-0101 and ＹＵＡＮＹＩ-0101 both count.",
)  # fmt: skip

# --- no more ------------------------------------------------------------------------------------------------------


def _find_moved(about: Material, rule: Rule) -> Iterator[Finding]:
    for one in about.once(linked):
        gone, claim = one.household.removed_on, one.claim
        after = sum(month.first_day >= gone for month in claim.months) if gone is not None else 0
        if not after:
            continue
        paid = about.paid[claim.claim_id]
        entries = [about.entry(seq) for seq in paid.entries]
        fen = round_fen(Fraction(paid.fen * after, len(claim.months)))
        yield rule.found(
            f"paid for {counted(after, 'month')} after {one.household.household_id} had moved out", *entries,
            where=claim.claim_id, got=f"{claim.months}", wanted=f"until {gone}",
            clause=f"{claim.document} {claim.provision.clause}", amount_fen=fen, subject=claim.subject.subject_id,
        )  # fmt: skip


MOVED_OUT = Rule(
    "moved-out", Severity.ERROR, "A household was paid for months in which it was no longer in the register.",
    FALSE_CLAIMS, "claim back what was paid for those months",
    over=lambda about: about.once(linked), find=_find_moved, needs=NEEDS,
    example="Relief paid for May to December to a household that left in April.",
)  # fmt: skip

# --- fees ---------------------------------------------------------------------------------------------------------


def _fees(about: Material) -> list[Fee]:
    return list(about.case.fees) if about.case is not None else []


def _plain(text: str) -> str:
    """A name as it is meant: width, case, blanks and dashes do not tell two apart."""
    return re.sub(r"[\s\-_./·—–]+", "-", unicodedata.normalize("NFKC", text).casefold().strip())


def _fee_clause(about: Material) -> str:
    rules = (d for d in about.case.documents.values() if d.fees is not None) if about.case is not None else ()
    return next((f"{d.id} {d.fees.clause}" for d in rules if d.fees is not None), UNJUST)


def _find_fees(about: Material, rule: Rule) -> Iterator[Finding]:
    seen: dict[tuple[str, str, str], Fee] = {}
    for fee in _fees(about):
        first = seen.setdefault((_plain(fee.household_id), _plain(fee.fee), fee.month), fee)
        if first is fee:
            continue
        yield rule.found(
            f"{fee.household_id} paid {fee.fee} for {fee.month} twice", where=f"{first.where} and {fee.where}",
            got=f"{first.household_id} {first.fee} and {fee.household_id} {fee.fee}", wanted="each month once",
            clause=_fee_clause(about), amount_fen=fee.amount_fen, subject=fee.household_id,
        )  # fmt: skip


def _find_fees_after(about: Material, rule: Rule) -> Iterator[Finding]:
    fees = _fees(about)
    known = about.case.households.named({fee.household_id for fee in fees}) if about.case is not None else {}
    for fee in fees:
        gone: date | None = known[fee.household_id].removed_on if fee.household_id in known else None
        if gone is not None and gone <= Month.parse(fee.month).first_day:
            yield rule.found(
                f"{fee.household_id} paid {fee.fee} for {fee.month} and was no longer there", where=fee.where,
                got=fee.month, wanted=f"until {gone}", amount_fen=fee.amount_fen, subject=fee.household_id,
            )  # fmt: skip


FEE_TWICE = Rule(
    "fee-twice", Severity.ERROR, "A fee was collected twice from one household for one month.", UNJUST,
    "give one of the two back", over=_fees, find=_find_fees, needs=NEEDS,
    example="The fee of 2024-05 of one flat stands twice.",
)  # fmt: skip
FEE_MOVED_OUT = Rule(
    "fee-moved-out", Severity.WARNING, "A fee was collected for a month in which the household was no longer there.",
    UNJUST, "give it back, or correct the register", over=_fees, find=_find_fees_after, needs=NEEDS,
    example="A fee for June from a household that left in May.",
)  # fmt: skip

__all__ = ["DUPLICATE_HOUSEHOLD", "FEE_MOVED_OUT", "FEE_TWICE", "MOVED_OUT", "Linked", "linked"]
