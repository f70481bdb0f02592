"""Replay the journal through the gate, re-derive what the case says, and compare, entry by entry and fen by fen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from estate_funds.assess import Claim, Claims, Status
from estate_funds.audit.report import AuditReport, Coverage, Finding, Severity
from estate_funds.duties import Due, State
from estate_funds.errors import DamagedEntry, EstateFundsError, InvariantBroken
from estate_funds.funds import Account
from estate_funds.journal import GENESIS, Draft, Entry, Kind, difference, link
from estate_funds.ledger import Ledger, refold
from estate_funds.money import format_yuan
from estate_funds.text import counted
from estate_funds.vouchers import REFUND, payee_fund, payer_funds

ERROR, WARNING = Severity.ERROR, Severity.WARNING


class StoredEntry(Protocol):
    """An entry with the hashes stored beside it."""

    @property
    def entry(self) -> Entry: ...
    @property
    def leaf(self) -> bytes: ...
    @property
    def head(self) -> bytes: ...


class AuditedStep(Protocol):
    """Something that a case asks to have booked."""

    @property
    def draft(self) -> Draft: ...
    @property
    def origin(self) -> str: ...


class AuditedCase(Protocol):
    """What an audit needs of a case."""

    @property
    def claims(self) -> Claims: ...
    @property
    def registry_digest(self) -> str: ...
    @property
    def policy_digests(self) -> Mapping[str, str]: ...
    def latest_pay_day(self, claim: Claim) -> date | None: ...
    def pay_day(self, claim: Claim) -> date | None: ...
    def duties(self, today: date) -> Iterable[Due]: ...
    @property
    def facts(self) -> Iterable[AuditedStep]: ...


@dataclass(slots=True)
class _Books:
    """What replay leaves behind for the comparison."""

    ledger: Ledger = field(default_factory=Ledger)
    entries: list[Entry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    verified: int = 0
    passed: int = 0
    heads: set[str] = field(default_factory=set)  # of the journal, those that somebody asked for


def audit(
    stored: Iterable[StoredEntry],
    case: AuditedCase | None = None,
    *,
    year: int | None = None,
    as_of: date | None = None,
    kept_head: str = "",
    held: int | None = None,
    orphans: int = 0,
) -> AuditReport:
    """Audit a journal, alone or against the case that it was booked from.

    `year` limits the comparison to claims whose period begins in that calendar year. `as_of` is the day by which what
    is due must be booked: by default the last day of recording. `kept_head` is a head that was kept from an earlier
    audit, through which the journal must still pass. `held` is the number of entries that the store holds, `orphans`
    that of posting rows that belong to no entry.
    """
    books = _replay(stored, kept_head)
    if orphans:
        what = f"{orphans} posting rows belong to no entry"
        books.findings.append(
            Finding("stray-postings", ERROR, what, "postings", clear="restore the journal from a backup")
        )
    total = len(books.entries) if held is None else held
    coverage = [
        Coverage("entries through the gate again", books.passed, total),
        Coverage("entries whose hash and link hold", books.verified, total),
    ]
    if not kept_head:
        note = "not checked: give the head of an earlier audit; without one, a cut tail does not show"
        coverage.append(Coverage("nothing cut off at the end", 0, 0, note))
    else:
        coverage.append(
            Coverage("nothing cut off at the end", 1, 1, "the journal passes through the head that was kept")
        )
        if kept_head not in books.heads:
            what = "the journal does not pass through the head that was kept"
            coverage[-1] = Coverage("nothing cut off at the end", 1, 1)
            clear = "restore the journal: entries were cut off or rewritten since"
            books.findings.append(Finding("cut-off", ERROR, what, "journal", "other heads", kept_head, clear=clear))
    if case is None:
        note = "not checked: no case was given"
        coverage += [
            Coverage(what, 0, 0, note) for what in ("claims re-assessed", "facts of the case booked as they stand")
        ]
    else:
        coverage += _compare(books, case, year, as_of or books.ledger.recorded)
    coverage.append(Coverage("bank statements matched", 0, 0, "not checked: none are read yet"))
    return AuditReport(tuple(coverage), tuple(books.findings), total, books.ledger.head.hex())


# --- replay -------------------------------------------------------------------------------------------------------


def _replay(stored: Iterable[StoredEntry], kept_head: str) -> _Books:
    books = _Books()
    head = GENESIS
    books.heads = {head.hex()} & {kept_head}
    for item in _readable(stored, books):
        entry, where = item.entry, f"entry {item.entry.seq} ({item.entry.draft.key})"
        if entry.seq != books.ledger.seq + 1:
            missing = counted(entry.seq - books.ledger.seq - 1, "entry", "entries")
            what = f"{missing} missing before entry {entry.seq}; what follows may be its consequence"
            books.findings.append(Finding("gap", ERROR, what, where, clear="restore the journal from a backup"))
            books.ledger.seq = entry.seq - 1
        if entry.leaf != item.leaf:
            _tampered(books, "a field of the entry was changed after booking", where, entry.leaf, item.leaf)
        elif link(head, item.leaf) != item.head:
            _tampered(books, "the entry does not follow the one before it", where, link(head, item.leaf), item.head)
        else:
            books.verified += 1
        head = item.head
        books.heads |= {head.hex()} & {kept_head}
        _through_the_gate(books, entry, where)
        books.entries.append(entry)
    return books


def _readable(stored: Iterable[StoredEntry], books: _Books) -> Iterator[StoredEntry]:
    try:
        yield from stored
    except DamagedEntry as error:
        what = f"{error.what}; nothing after it was checked"
        books.findings.append(
            Finding("unreadable", ERROR, what, error.what, got=str(error.got), clear="restore the journal")
        )


def _tampered(books: _Books, what: str, where: str, computed: bytes, held: bytes) -> None:
    finding = Finding(
        "tampered", ERROR, what, where, held.hex(), computed.hex(), clear="restore the journal from a backup"
    )
    books.findings.append(finding)


def _through_the_gate(books: _Books, entry: Entry, where: str) -> None:
    try:
        refold(books.ledger, entry)
        books.passed += 1
    except (EstateFundsError, InvariantBroken, ValueError, KeyError) as error:
        what = f"the gate refuses it: {error.what if isinstance(error, EstateFundsError) else error}"
        got, wanted, clause = (str(getattr(error, name, None) or "") for name in ("got", "wanted", "clause"))
        finding = Finding(
            "refused", ERROR, what, where, got, wanted, clause, clear="reverse it, and find out how it got in"
        )
        books.findings.append(finding)
        try:  # go on as if it stood, so that one fault is not reported a hundred times
            books.ledger.advance(entry)
        except (EstateFundsError, ValueError, KeyError):
            books.ledger.seq = entry.seq


# --- comparison ---------------------------------------------------------------------------------------------------

Paid = dict[str, dict[tuple[str, str], int]]  # claim -> (from fund, to fund) -> fen


def _compare(books: _Books, case: AuditedCase, year: int | None, as_of: date) -> list[Coverage]:
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
    stale = sum(e.draft.registry not in ("", case.registry_digest) for e in books.entries)
    stale += sum(e.draft.policy not in ("", case.policy_digests.get(e.draft.document)) for e in books.entries)
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
    """What was paid for each claim, from which fund to which, reversals taken off, and the day of the last payment."""
    paid: Paid = {}
    paid_on: dict[str, date] = {}
    booked: dict[str, Draft] = {}  # seq -> payment or refund
    for entry in entries:
        draft = entry.draft
        if draft.kind is Kind.DISBURSEMENT or is_refund(draft):
            booked[str(entry.seq)] = draft
        elif draft.kind is not Kind.REVERSAL or draft.reference not in booked:
            continue
        if draft.kind is Kind.DISBURSEMENT:
            paid_on[draft.reference] = draft.effective
        first = booked[draft.reference] if draft.kind is Kind.REVERSAL else draft
        amounts = paid.setdefault(first.reference, {})
        for posting in draft.postings:
            if posting.account in (Account.TRANSFER_OUT, Account.EXPENDITURE):
                way = (posting.fund, posting.detail if posting.account == Account.TRANSFER_OUT else "")
                way, sign = (way[::-1], -1) if is_refund(first) else (way, 1)
                amounts[way] = amounts.get(way, 0) + sign * posting.amount_fen
    return paid, paid_on


def _unclaimed(books: _Books, claims: Claims) -> Iterator[Finding]:
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


def _ways(amounts: Mapping[tuple[str, str], int]) -> str:
    return "; ".join(f"{giver} -> {taker} {format_yuan(fen)}" for (giver, taker), fen in sorted(amounts.items()))


def _compare_facts(books: _Books, case: AuditedCase, as_of: date) -> Coverage:
    """Appropriations, receipts, transfers, spendings and fences: each booked exactly as its row says."""
    booked = {entry.draft.key: entry for entry in books.entries}
    steps = [step for step in case.facts if step.draft.effective <= as_of]
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
    known = {step.draft.key for step in steps}
    checked = (Kind.OPEN_FUND, Kind.APPROPRIATION, Kind.RECEIPT, Kind.SPENDING, Kind.TRANSFER)
    own = [
        e
        for e in books.entries
        if e.draft.kind in checked
        and e.draft.key not in known
        and e.seq not in books.ledger.reversed
        and not is_refund(e.draft)
    ]
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
