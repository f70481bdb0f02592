"""What was paid for a claim against what it comes to: each way in which the two can differ, by a name of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from estate_funds.assess import Claim, Outcome, Status, View
from estate_funds.audit.paid import Paid, Way
from estate_funds.audit.report import Finding, Severity
from estate_funds.audit.rules import AuditedCase
from estate_funds.audit.votes import LAW, Shortfall, by_vote, shortfall
from estate_funds.money import format_yuan
from estate_funds.text import counted
from estate_funds.vouchers import payee_fund, payer_funds

ERROR, WARNING = Severity.ERROR, Severity.WARNING
# Every way in which payments and claim can differ, by name.
CHECKS = {
    "withheld": "Due, and not paid within the time limit of the document.",
    "unpaid": "Due, without a time limit, and not booked by the day that the case plans.",
    "late": "Paid after the time limit.",
    "early": "Paid before the day that decides.",
    "notice-short": "Paid while the public notice ran, or in spite of an objection.",
    "failed-assessment": "Paid although the assessment was failed, then or later.",
    "unassessed": "Paid although there is no result, or a division still waits for one.",
    "ineligible": "Paid although a requirement of the document is not met, or not known to be.",
    "vote-short": "Paid on a vote that lacks its quorum or its majority.",
    "claimed-twice": "Paid although something with the same key was claimed before.",
    "paid-not-due": "Paid, and nothing is due for another reason.",
    "matching-missing": "One payer has paid its share, and another nothing, after the last day for it.",
    "matching-late": "One payer paid in time, another after the last day.",
    "wrong-split": "The sum is right, and the payers' shares are not.",
    "overpaid-advance": "An advance above what the document allows.",
    "wrong-amount": "Any other difference.",
}
_CITED = re.compile(r"\[([^\[\]]+)\]")  # a clause in why a line pays nothing: the last decides
_UNASSESSED = re.compile("no .* yet: |the division waits for ")  # how assessment says that a result is not known


def claim_findings(claim: Claim, paid: Paid | None, case: AuditedCase, as_of: date) -> Iterator[Finding]:
    """What is wrong with the payments of one claim, as things stand on a day."""
    paid = paid or Paid()
    owed = (
        {(fund, payee_fund(claim)): fen for fund, fen in payer_funds(claim).items()}
        if claim.status in (Status.DUE, Status.REFUND)
        else {}
    )
    got = paid.standing
    clause, latest = f"{claim.document} {claim.provision.clause}", case.latest_pay_day(claim)
    planned = case.pay_day(claim)
    if got and got != owed:
        last = latest or planned
        if not _in_parts(got, owed) or last is None or as_of > last:
            yield _unequal(claim, paid, owed, case)
    elif owed and not got and latest is not None and as_of > latest:
        yield _found(
            claim, paid, "withheld", ERROR, f"due, and not paid by {as_of}", "nothing", f"by {latest}",
            _limit(claim), claim.amount_fen, "pay it",
        )  # fmt: skip
    elif owed and not got and latest is None and planned is not None and as_of > planned:
        yield _found(
            claim, paid, "unpaid", WARNING, f"due, and not booked by {as_of}", "nothing", f"on {planned}", clause,
            claim.amount_fen, "run the case again, or say why it is not paid",
        )  # fmt: skip
    elif owed and got and paid.on is not None and claim.decided_on is not None and paid.on < claim.decided_on:
        yield _early(claim, paid, paid.on, claim.decided_on, case)
    elif owed and latest is not None and paid.on is not None and paid.on > latest:
        yield _late(claim, paid, paid.on, latest)


def _found(
    claim: Claim, paid: Paid, rule: str, severity: Severity, what: str, got: str, wanted: str, clause: str, fen: int,
    clear: str,
) -> Finding:  # fmt: skip
    return Finding(
        rule, severity, what, claim.claim_id, got, wanted, clause, fen, clear, tuple(paid.entries),
        claim.subject.subject_id,
    )  # fmt: skip


def _limit(claim: Claim) -> str:
    within = claim.provision.pay_within
    return f"{claim.document} {within.clause if within else claim.provision.clause}"


# --- another amount -----------------------------------------------------------------------------------------------


def _in_parts(got: Mapping[Way, int], owed: Mapping[Way, int]) -> bool:
    """Whether some payers have paid what they owe, and the others nothing."""
    return bool(got) and got.items() < owed.items() and min(owed.values()) > 0


def _unequal(claim: Claim, paid: Paid, owed: Mapping[Way, int], case: AuditedCase) -> Finding:
    got = paid.standing
    excess = sum(got.values()) - sum(owed.values())
    clause = f"{claim.document} {claim.provision.clause}"
    if not owed:
        rule, clause = _not_due(claim, case)
        what = f"paid although {claim.status}: {_why(claim)}"
        clear = "claim the payment back, or show what makes it due"
        return _found(claim, paid, rule, ERROR, what, _ways(got), "nothing", clause, excess, clear)
    split = next((s.clause for s in claim.provision.payers), claim.provision.clause)
    if _in_parts(got, owed):
        missing = {way: fen for way, fen in owed.items() if way not in got}
        what = f"matching money is missing: {', '.join(giver for giver, _ in sorted(missing))} paid nothing"
        clear = "pay the share that is missing"
        rule, clause, excess = "matching-missing", f"{claim.document} {split}", sum(missing.values())
    elif not excess and {way[1] for way in got} == {way[1] for way in owed}:
        excess = sum(max(0, fen - owed.get(way, 0)) for way, fen in got.items())
        what, clear = "the payers' shares are not those of the document", "reverse the payment and divide it anew"
        rule, clause = "wrong-split", f"{claim.document} {split}"
    elif claim.part == "advance" and excess > 0:
        rule, what, clear = "overpaid-advance", "more was advanced than the document allows", "take back the excess"
        advance = claim.provision.advance
        clause = f"{claim.document} {advance.clause}" if advance else clause
    elif short := _short_line(claim, case):
        rule, what = "vote-short", f"paid on the vote {short.vote.subject_id}, which does not carry it: {short.got}"
        clause, clear = LAW, "claim the payment back, or hold a vote that carries it"
    else:
        rule, what = "wrong-amount", "the payment is not what the document gives"
        clear = "reverse the payment and book the right one"
    return _found(claim, paid, rule, ERROR, what, _ways(got), _ways(owed), clause, excess, clear)


def _not_due(claim: Claim, case: AuditedCase) -> tuple[str, str]:
    """The name of a payment that is not due, and the clause that it stands against."""
    clause, reason = f"{claim.document} {claim.provision.clause}", _why(claim)
    outcomes = {line.outcome for line in claim.lines}
    cited = f"{claim.document} {found[-1]}" if (found := _CITED.findall(reason)) else clause
    gate, notice = claim.provision.gate, claim.provision.notice
    if shortfall(case, claim) or _short_line(claim, case):
        return "vote-short", LAW
    if Outcome.FAILED in outcomes and gate is not None and gate.fact == "assessment":
        return "failed-assessment", cited
    if Outcome.FAILED in outcomes and gate is not None and by_vote(case.documents[claim.document], gate.fact):
        return "vote-short", cited
    if gate is not None and Outcome.PENDING in outcomes and _UNASSESSED.match(reason):
        return "unassessed", cited
    if "; once for each" in reason:
        return "claimed-twice", cited
    if notice is not None and cited == f"{claim.document} {notice.clause}" and Outcome.PENDING in outcomes:
        return "notice-short", cited
    if outcomes & {Outcome.INELIGIBLE, Outcome.PENDING, Outcome.FAILED}:
        return "ineligible", cited
    return "paid-not-due", cited


def _short_line(claim: Claim, case: AuditedCase) -> Shortfall | None:
    """Of a claim with several subjects: the vote that fails one that is not due."""
    for line in claim.lines:
        own = line.subject_id == claim.subject.subject_id or line.outcome is not Outcome.INELIGIBLE
        if not own and (short := shortfall(case, claim, case.registry.subject(line.subject_id))):
            return short
    return None


def _why(claim: Claim) -> str:
    """Why a claim pays nothing: what its first line says that is not due, or else its first line."""
    told = [line.reason for line in claim.lines if line.outcome is not Outcome.DUE]
    return next(iter([*told, *(line.reason for line in claim.lines)]), "it has no line")


def _ways(amounts: Mapping[Way, int]) -> str:
    return "; ".join(f"{giver} -> {taker} {format_yuan(fen)}" for (giver, taker), fen in sorted(amounts.items()))


# --- another day --------------------------------------------------------------------------------------------------


def _early(claim: Claim, paid: Paid, on: date, decided: date, case: AuditedCase) -> Finding:
    notice = claim.provision.notice
    if notice is not None:
        document = case.documents[claim.document]
        view = View(document, case.registry, case.assessments, claim.subject, claim.period_key, on)
        published = view.day(notice.published_on)
        if published is not None and on <= (last := published + timedelta(days=notice.days)):
            run = counted(max(0, (on - published).days), "day")
            what = f"paid {run} into a public notice of {notice.days}"
            clear = "let the notice run out, and show that nobody objected"
            return _found(
                claim, paid, "notice-short", ERROR, what, str(on), f"after {last}",
                f"{claim.document} {notice.clause}", paid.fen, clear,
            )  # fmt: skip
    what = f"paid {counted((decided - on).days, 'day')} before the decision"
    clear, clause = "explain on what ground it was paid", f"{claim.document} {claim.provision.clause}"
    return _found(claim, paid, "early", ERROR, what, str(on), f"from {decided}", clause, claim.amount_fen, clear)


def _late(claim: Claim, paid: Paid, on: date, latest: date) -> Finding:
    late = {way: day for way, day in paid.days.items() if day > latest and paid.ways.get(way)}
    clear = "explain the delay in the file; it cannot be undone"
    if late and len(late) < len(paid.standing):
        fen = sum(paid.ways[way] for way in late)
        what = f"matching money {counted((on - latest).days, 'day')} late: {', '.join(way[0] for way in sorted(late))}"
        return _found(claim, paid, "matching-late", WARNING, what, str(on), f"by {latest}", _limit(claim), fen, clear)
    what = f"paid {counted((on - latest).days, 'day')} late"
    return _found(
        claim, paid, "late", WARNING, what, str(on), f"by {latest}", _limit(claim), claim.amount_fen, clear
    )  # fmt: skip


__all__ = ["CHECKS", "claim_findings"]
