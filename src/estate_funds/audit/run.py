"""Replay the journal through the gate, re-derive what the case says, and compare, entry by entry and fen by fen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from estate_funds.assess import Claim, Claims, Status
from estate_funds.audit.catalogue import RULES
from estate_funds.audit.journal import Kept, Replayed, Shelf, StoredEntry, replayed
from estate_funds.audit.report import AuditReport, Coverage, Finding, Severity
from estate_funds.audit.rules import AuditedCase, Material, Rule, asked
from estate_funds.duties import Due, State
from estate_funds.errors import EstateFundsError
from estate_funds.funds import Account, Side
from estate_funds.journal import Draft, Entry, Kind, difference
from estate_funds.ledger import Ledger
from estate_funds.money import format_yuan
from estate_funds.provenance import trace
from estate_funds.text import counted
from estate_funds.vouchers import REFUND, payee_fund, payer_funds

ERROR, WARNING = Severity.ERROR, Severity.WARNING


def audit(
    stored: Iterable[StoredEntry] | Replayed,
    case: AuditedCase | None = None,
    *,
    year: int | None = None,
    as_of: date | None = None,
    kept_heads: Iterable[str] = (),
    kept: Kept | None = None,
    evidence: Callable[[Iterable[Entry]], tuple[Coverage, Sequence[Finding]]] | None = None,
    bank: Any = None,
    rules: Iterable[Rule] = RULES,
    shelf: Shelf | None = None,
) -> AuditReport:
    """Audit a journal, alone or against the case that it was booked from.

    `year` limits the comparison to claims whose period begins in that calendar year. `as_of` is the day by which what
    is due must be booked: by default the last day of recording. `kept_heads` are heads that were kept from earlier
    audits or checkpoints, through which the journal must still pass. `kept` is what the store holds beside the entries;
    `evidence` looks at the documents that the entries name. `bank` are the lines of bank statements. `rules` are asked
    last, see `audit.rules`. `shelf`, empty, is what the entries are kept in; by default, a list. A journal that
    was replayed already, otherwise, is taken as it is.
    """
    books = stored if isinstance(stored, Replayed) else replayed(stored, kept_heads, kept, shelf)
    coverage = books.coverage
    coverage.append(_traced(books))
    if evidence is None:
        coverage.append(
            Coverage("source documents compared with their digests", 0, 0, "not checked: there is no evidence folder")
        )
    else:
        covered, found = evidence(books.entries)
        coverage.append(covered)
        books.findings += found
    if case is None:
        note = "not checked: no case was given"
        coverage += [
            Coverage(what, 0, 0, note) for what in ("claims re-assessed", "facts of the case booked as they stand")
        ]
    else:
        coverage += _compare(books, case, year, as_of or books.ledger.recorded)
    about = Material(books.entries, books.ledger, as_of or books.ledger.recorded, case, bank)
    for covered, found in asked(rules, about):
        coverage.append(covered)
        books.findings += found
    coverage.append(Coverage("bank statements matched", 0, 0, "not checked: none are read yet"))
    return AuditReport(tuple(coverage), tuple(books.findings), len(books.entries), books.ledger.head)


def _traced(books: Replayed) -> Coverage:
    """Every fen that went out, traced to the receipts that it came from; a finding where it cannot be."""
    what = "money that went out traced to its receipts"
    paid = 0

    def counting() -> Iterator[Entry]:
        nonlocal paid
        for entry in books.entries:
            paid += any(p.account == Account.CASH and p.side == Side.CREDIT for p in entry.draft.postings)
            yield entry

    entries = counting()
    try:
        trace(entries)
    except Exception as error:  # whatever rows that somebody changed do to it
        why = error.what if isinstance(error, EstateFundsError) else str(error)
        where = error.where if isinstance(error, EstateFundsError) else "journal"
        clear = "see what else was found: the gate lets none such through"
        books.findings.append(Finding("unallocated", ERROR, why, where, clear=clear))
        for _ in entries:  # the rest counts too
            pass
        return Coverage(what, 0, paid)
    return Coverage(what, paid, paid)


# --- comparison ---------------------------------------------------------------------------------------------------

_SPENT = (Account.TRANSFER_OUT, Account.EXPENDITURE)
_UNDOING = (Kind.REVERSAL, Kind.CORRECTION, Kind.CLAW_BACK)
Paid = dict[str, dict[tuple[str, str], int]]  # claim -> (from fund, to fund) -> fen


def _compare(books: Replayed, case: AuditedCase, year: int | None, as_of: date) -> list[Coverage]:
    claims = case.claims.where(year=year)
    paid, paid_on = _payments(books.entries)
    for claim in claims:
        books.findings += _claim_findings(claim, paid.get(claim.claim_id, {}), paid_on.get(claim.claim_id), case, as_of)
    books.findings += _unclaimed(books, case.claims)
    pending = sum(claim.status is Status.PENDING for claim in claims)
    notes = [f"{pending} pending: not paid, not nought"] if pending else []
    ahead = sum(
        (latest := case.latest_pay_day(c)) is not None and latest > as_of and c.claim_id not in paid for c in claims
    )
    if ahead:
        notes.append(f"{ahead} not payable before {as_of} is over")
    if year is not None:
        notes.append(f"only those that begin in {year}")
    registry, policies = ("", case.registry_digest), case.policy_digests
    stale = sum(
        (e.draft.registry not in registry) + (e.draft.policy not in ("", policies.get(e.draft.document)))
        for e in books.entries
    )
    if stale:
        notes.append(f"{stale} entries were booked from an earlier state of registry or policy")
    coverage = [
        Coverage(
            "claims re-assessed, paid amounts and shares compared",
            len(claims),
            len(case.claims) if year is None else len(claims),
            "; ".join(notes),
        )
    ]
    duties = [d for d in case.duties(as_of) if year is None or (d.due_on is not None and d.due_on.year == year)]
    books.findings += _deadline_findings(duties)
    if duties:
        idle = sum(duty.due_on is None for duty in duties)
        coverage.append(Coverage("deadlines counted", len(duties), len(duties), f"{idle} not started" if idle else ""))
    if year is None:
        coverage.append(_compare_facts(books, case, as_of))
    else:
        coverage.append(
            Coverage("facts of the case booked as they stand", 0, 0, f"not checked: only {year} was asked for")
        )
    return coverage


def _payments(entries: Iterable[Entry]) -> tuple[Paid, dict[str, date]]:
    """What was paid for each claim and is not claimed back, from which fund to which, and the day of the last payment.

    Reversals and corrections are taken off; what was claimed back and then waived stays claimed back.
    """
    paid: Paid = {}
    paid_on: dict[str, date] = {}
    booked: dict[str, Draft] = {}  # seq -> payment or refund
    for entry in entries:
        draft = entry.draft
        if draft.kind is Kind.DISBURSEMENT or is_refund(draft):
            booked[str(entry.seq)] = draft
        elif draft.kind not in _UNDOING or draft.reference not in booked:
            continue
        if draft.kind is Kind.DISBURSEMENT:
            paid_on[draft.reference] = draft.effective
        first = booked[draft.reference] if draft.kind in _UNDOING else draft
        amounts = paid.setdefault(first.reference, {})
        for way, fen in _moved(draft, first):
            way, fen = (way[::-1], -fen) if is_refund(first) else (way, fen)
            amounts[way] = amounts.get(way, 0) + fen
    return paid, paid_on


def _moved(draft: Draft, first: Draft) -> Iterator[tuple[tuple[str, str], int]]:
    """From which fund to which how much a payment moved, or what undoes it took off."""
    into = {
        p.fund: p.detail if p.account == Account.TRANSFER_OUT else "" for p in first.postings if p.account in _SPENT
    }
    for posting in draft.postings:
        if posting.account in _SPENT:
            sign = 1 if posting.side == Side.DEBIT else -1
            yield (posting.fund, into[posting.fund]), sign * posting.amount_fen
        elif posting.account == Account.RECEIVABLE and draft.kind is Kind.CLAW_BACK:
            yield (posting.fund, into[posting.fund]), -posting.amount_fen


def _unclaimed(books: Replayed, claims: Claims) -> Iterator[Finding]:
    """Promises and payments for claims that the case does not know, or not as the claim says."""
    known = {claim.claim_id: claim for claim in claims}
    for entry in books.entries:
        draft = entry.draft
        of_claim = draft.kind in (Kind.ENCUMBRANCE, Kind.DISBURSEMENT) or is_refund(draft)
        if not of_claim or entry.seq in books.ledger.reversed:
            continue
        claim, where = known.get(draft.reference), f"entry {entry.seq} ({draft.key})"
        amount = sum(p.amount_fen for p in draft.postings if p.account in (Account.TRANSFER_OUT, Account.ENCUMBERED))
        if claim is None:
            what, clear = f"a {draft.kind} for a claim that the case does not know", "reverse it, or correct the case"
            yield Finding("no-claim", ERROR, what, where, draft.reference, amount_fen=amount, clear=clear)
            continue
        if is_refund(draft):
            continue  # its amount is compared with the claim's
        said = (draft.document, draft.clause, draft.purpose, draft.payee_class, draft.payee)
        rule = claim.provision
        wanted = (claim.document, rule.clause, rule.purpose, claim.payee_class, claim.payee)
        if said != wanted or not draft.policy or not draft.registry:
            what, clear = f"the {draft.kind} is not that of the claim", "reverse it and book the right one"
            digests = "" if draft.policy and draft.registry else "; no digest of policy or registry"
            got, asked = " ".join(said) + digests, " ".join(wanted)
            yield Finding("wrong-entry", ERROR, what, where, got, asked, amount_fen=amount, clear=clear)
        if claim.status in (Status.DUE, Status.REFUND) and tuple(draft.evidence) != claim.evidence:
            what, clear = f"the {draft.kind} rests on other documents than the claim now does", "see which is right"
            got, asked = map(_papers, (draft.evidence, claim.evidence))
            yield Finding("other-evidence", WARNING, what, where, got, asked, clear=clear)


def _claim_findings(
    claim: Claim, paid: Mapping[tuple[str, str], int], paid_on: date | None, case: AuditedCase, as_of: date
) -> Iterator[Finding]:
    owed = (
        {(fund, payee_fund(claim)): fen for fund, fen in payer_funds(claim).items()}
        if claim.status in (Status.DUE, Status.REFUND)
        else {}
    )
    got = {way: fen for way, fen in paid.items() if fen}
    clause = f"{claim.document} {claim.provision.clause}"
    latest = case.latest_pay_day(claim)
    within = claim.provision.pay_within
    limit = f"{claim.document} {within.clause}" if within else clause
    if got and got != owed:
        excess = sum(got.values()) - sum(owed.values())
        rule = "wrong-amount" if owed else "paid-not-due"
        what = "the payment is not what the document gives" if owed else f"paid although {claim.status}"
        clear = "reverse the payment and book the right one"
        yield Finding(rule, ERROR, what, claim.claim_id, _ways(got), _ways(owed) or "nothing", clause, excess, clear)
    elif owed and not got and latest is not None and as_of > latest:
        what, wanted = f"due, and not paid by {as_of}", f"by {latest}"
        yield Finding("withheld", ERROR, what, claim.claim_id, "nothing", wanted, limit, claim.amount_fen, "pay it")
    elif owed and not got and latest is None and (planned := case.pay_day(claim)) is not None and as_of > planned:
        what, clear = f"due, and not booked by {as_of}", "run the case again, or say why it is not paid"
        yield Finding(
            "unpaid", WARNING, what, claim.claim_id, "nothing", f"on {planned}", clause, claim.amount_fen, clear
        )
    elif owed and got and paid_on is not None and claim.decided_on is not None and paid_on < claim.decided_on:
        what, wanted = f"paid {(claim.decided_on - paid_on).days} days before the decision", f"from {claim.decided_on}"
        clear = "explain on what ground it was paid"
        yield Finding("early", ERROR, what, claim.claim_id, str(paid_on), wanted, clause, claim.amount_fen, clear)
    elif owed and latest is not None and paid_on is not None and paid_on > latest:
        what = f"paid {(paid_on - latest).days} days late"
        clear = "explain the delay in the file; it cannot be undone"
        yield Finding(
            "late", WARNING, what, claim.claim_id, str(paid_on), f"by {latest}", limit, claim.amount_fen, clear
        )


def _deadline_findings(duties: Iterable[Due]) -> Iterator[Finding]:
    """What a document wanted done by a day, and was not, or not by then."""
    for duty in duties:
        where = f"{duty.document} {duty.name}, {duty.subject.subject_id}" + (f" {duty.period}" if duty.period else "")
        days, clause = counted(duty.days, "day"), f"{duty.document} {duty.rule.clause}"
        if duty.state is State.MISSED:
            what, clear = f"{days} overdue: {duty.rule.text}", f"do it, and give its day as {duty.rule.done}"
            yield Finding("deadline-missed", ERROR, what, where, "not done", f"by {duty.due_on}", clause, clear=clear)
        elif duty.state is State.LATE:
            what, clear = f"{days} late: {duty.rule.text}", "explain the delay in the file; it cannot be undone"
            got, wanted = str(duty.done_on), f"by {duty.due_on}"
            yield Finding("deadline-late", WARNING, what, where, got, wanted, clause, clear=clear)


def is_refund(draft: Draft) -> bool:
    """Whether an entry gives back what was advanced on a claim."""
    return draft.kind is Kind.TRANSFER and draft.purpose == REFUND and bool(draft.reference)


def _papers(named: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{kind} {digest[:12]}" for kind, digest in named) or "none"


def _ways(amounts: Mapping[tuple[str, str], int]) -> str:
    return "; ".join(f"{giver} -> {taker} {format_yuan(fen)}" for (giver, taker), fen in sorted(amounts.items()))


def _compare_facts(books: Replayed, case: AuditedCase, as_of: date) -> Coverage:
    """Appropriations, receipts, transfers, spendings and fences: each booked exactly as its row says."""
    steps = [step for step in case.facts if step.draft.effective <= as_of]
    known = {step.draft.key for step in steps}
    booked = {entry.draft.key: entry for entry in books.entries if entry.draft.key in known}
    for step in steps:
        entry = booked.get(step.draft.key)
        where = f"{step.origin} ({step.draft.key})"
        amount = sum(p.amount_fen for p in step.draft.postings if p.account == Account.CASH)
        if entry is None or entry.seq in books.ledger.reversed:
            what = "a fact of the case is not booked" if entry is None else f"booked as entry {entry.seq}, and reversed"
            clear = "run the case again" if entry is None else "take the row out of the case, or give it a new id"
            books.findings.append(Finding("not-booked", ERROR, what, where, amount_fen=amount, clear=clear))
        elif not _same(entry.draft, step.draft, books.ledger):
            what = f"booked otherwise than the case says (entry {entry.seq})"
            got, wanted = difference(entry.draft, step.draft)
            clear = "correct the case, or reverse the entry"
            books.findings.append(
                Finding("booked-otherwise", ERROR, what, where, got, wanted, amount_fen=amount, clear=clear)
            )
    checked = {Kind.OPEN_FUND, Kind.APPROPRIATION, Kind.RECEIPT, Kind.SPENDING, Kind.TRANSFER}
    checked |= {Kind.ADVANCE, Kind.SETTLEMENT, Kind.LOAN}
    own = (
        e
        for e in books.entries
        if e.draft.kind in checked
        and e.draft.key not in known
        and e.seq not in books.ledger.reversed
        and not is_refund(e.draft)
    )
    for entry in own:
        amount = sum(p.amount_fen for p in entry.draft.postings if p.account == Account.CASH)
        what, clear = "booked, and nowhere in the case", "add the row it rests on to the case, or reverse it"
        where = f"entry {entry.seq} ({entry.draft.key})"
        books.findings.append(
            Finding("no-source", ERROR if amount else WARNING, what, where, amount_fen=amount, clear=clear)
        )
    every = len(list(case.facts))
    note = f"{every - len(steps)} lie after {as_of}" if every > len(steps) else ""
    return Coverage("facts of the case booked as they stand", len(steps), every, note)


def _same(booked: Draft, wanted: Draft, ledger: Ledger) -> bool:
    """Whether an entry is what the case asks for; of a fund, whether the definition in force is."""
    if wanted.kind is Kind.OPEN_FUND:
        return ledger.is_open(wanted)
    return booked.content_digest == wanted.content_digest
