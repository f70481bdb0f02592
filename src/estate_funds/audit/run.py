"""Replay the journal through the gate, re-derive what the case says, and compare, entry by entry and fen by fen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date

from estate_funds.assess import Claims, Status
from estate_funds.audit.bank import Bank
from estate_funds.audit.catalogue import RULES
from estate_funds.audit.claims import claim_findings
from estate_funds.audit.journal import Kept, Replayed, Shelf, StoredEntry, replayed
from estate_funds.audit.paid import Paid, is_refund
from estate_funds.audit.reconcile import reconcile
from estate_funds.audit.report import AuditReport, Coverage, Finding, Severity
from estate_funds.audit.rules import AuditedCase, Material, Rule, asked
from estate_funds.duties import Due, State
from estate_funds.errors import EstateFundsError
from estate_funds.funds import Account, Side
from estate_funds.journal import Draft, Entry, Kind, difference
from estate_funds.ledger import Ledger
from estate_funds.provenance import trace
from estate_funds.text import counted

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
    bank: Bank | None = None,
    rules: Iterable[Rule] = RULES,
    shelf: Shelf | None = None,
) -> AuditReport:
    """Audit a journal, alone or against the case that it was booked from.

    `year` limits the comparison to claims whose period begins in that calendar year. `as_of` is the day by which what
    is due must be booked: by default the last day of recording. `kept_heads` are heads that were kept from earlier
    audits or checkpoints, through which the journal must still pass. `kept` is what the store holds beside the entries;
    `evidence` looks at the documents that the entries name. `bank` are bank statements, which are matched with the
    entries; InputError where they name a fund that was never opened. `rules` are asked last, see `audit.rules`.
    `shelf`, empty, is what the entries are kept in; by default, a list. A journal that was replayed already, otherwise,
    is taken as it is.
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
    today = as_of or books.ledger.recorded
    matched = None if bank is None else reconcile(books.entries, books.ledger.funds, bank, today)
    about = Material(books.entries, books.ledger, today, case, matched, year)
    if case is None:
        note = "not checked: no case was given"
        coverage += [
            Coverage(what, 0, 0, note) for what in ("claims re-assessed", "facts of the case booked as they stand")
        ]
    else:
        coverage += _compare(books, case, about.paid, year, today)
    for covered, found in asked(rules, about):
        coverage.append(covered)
        books.findings += found
    if matched is None:
        coverage.append(Coverage("bank statements matched", 0, 0, "not checked: no bank statement was given"))
    else:
        coverage += matched.coverage()
    return AuditReport(tuple(coverage), tuple(books.findings), len(books.entries), books.ledger.head, matched, today)


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


def _compare(
    books: Replayed, case: AuditedCase, paid: Mapping[str, Paid], year: int | None, as_of: date
) -> list[Coverage]:
    claims = case.claims.where(year=year)
    for claim in claims:
        books.findings += claim_findings(claim, paid.get(claim.claim_id), case, as_of)
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
            len(case.claims),
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
            yield Finding(
                "no-claim", ERROR, what, where, draft.reference, amount_fen=amount, clear=clear, entries=(entry.seq,)
            )
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
            yield Finding(
                "wrong-entry", ERROR, what, where, got, asked, amount_fen=amount, clear=clear, entries=(entry.seq,)
            )
        if claim.status in (Status.DUE, Status.REFUND) and tuple(draft.evidence) != claim.evidence:
            what, clear = f"the {draft.kind} rests on other documents than the claim now does", "see which is right"
            got, asked = map(_papers, (draft.evidence, claim.evidence))
            yield Finding("other-evidence", WARNING, what, where, got, asked, clear=clear, entries=(entry.seq,))


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


def _papers(named: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{kind} {digest[:12]}" for kind, digest in named) or "none"


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
            books.findings.append(
                Finding("not-booked", ERROR, what, where, "", "", "", amount, clear, (entry.seq,) if entry else ())
            )
        elif not _same(entry.draft, step.draft, books.ledger):
            what = f"booked otherwise than the case says (entry {entry.seq})"
            got, wanted = difference(entry.draft, step.draft)
            booked_fen = sum(p.amount_fen for p in entry.draft.postings if p.account == Account.CASH)
            amount = abs(booked_fen - amount) or amount
            clear = "correct the case, or reverse the entry"
            books.findings.append(
                Finding("booked-otherwise", ERROR, what, where, got, wanted, "", amount, clear, (entry.seq,))
            )
    checked = {Kind.OPEN_FUND, Kind.APPROPRIATION, Kind.RECEIPT, Kind.SPENDING, Kind.TRANSFER}
    checked |= {Kind.ADVANCE, Kind.SETTLEMENT, Kind.LOAN}
    own = (
        e
        for e in books.entries
        if e.draft.kind in checked
        and e.draft.key not in known
        and e.draft.effective <= as_of
        and e.seq not in books.ledger.reversed
        and not is_refund(e.draft)
    )
    for entry in own:
        amount = sum(p.amount_fen for p in entry.draft.postings if p.account == Account.CASH)
        what, clear = "booked, and nowhere in the case", "add the row it rests on to the case, or reverse it"
        where = f"entry {entry.seq} ({entry.draft.key})"
        books.findings.append(
            Finding("no-source", ERROR if amount else WARNING, what, where, "", "", "", amount, clear, (entry.seq,))
        )
    every = len(list(case.facts))
    note = f"{every - len(steps)} lie after {as_of}" if every > len(steps) else ""
    return Coverage("facts of the case booked as they stand", len(steps), every, note)


def _same(booked: Draft, wanted: Draft, ledger: Ledger) -> bool:
    """Whether an entry is what the case asks for; of a fund, whether the definition in force is."""
    if wanted.kind is Kind.OPEN_FUND:
        return ledger.is_open(wanted)
    return booked.content_digest == wanted.content_digest
