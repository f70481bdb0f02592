"""The summary of a run: documents, registry, awards, vouchers, balances, refusals, audit. Values in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from estate_funds.assess import Claim, Claims, Outcome, Status
from estate_funds.audit import AuditReport
from estate_funds.case import Case, Posted
from estate_funds.errors import EvidenceMissing, OutsideFence, Overdrawn, Refusal
from estate_funds.money import format_yuan
from estate_funds.report.balances import FundBalance
from estate_funds.report.duties import duties_text, judgements_text, tallies_text
from estate_funds.report.freshness import expiries_text
from estate_funds.report.vouchers import Voucher, voucher_text
from estate_funds.text import counted, table

FEW = 3  # so many payers are all shown; of more, those that owe something
MANY = 12  # above so many estates or funds, a table is summed up one level higher


def documents_text(case: Case) -> str:
    """The documents of a case, the clauses that its claims rest on, and what was assumed."""
    rows = []
    for document in case.documents.values():
        rows += [f"{document.number}  {document.title}", f"  {document.issuer}; {document.text_digest[:23]}…"]
        said: dict[str, None] = {}
        for name in case.file.claims:
            if name.split("/")[0] != document.id:
                continue
            provision = document.provision(name.split("/")[1])
            quote = f"  [{provision.clause}] {document.quote(provision.clause)}"
            rows += [f"  {name}: {provision.title}", *([] if quote in said else [quote])]
            said[quote] = None
            assumed = [f"  assumed [{a.clause}] {a.text}" for a in document.assumptions_for(provision)]
            rows += [row for row in assumed if row not in said]
            said |= dict.fromkeys(assumed)
    return "\n".join(rows)


def registry_text(case: Case) -> str:
    """Control totals, beside the published ones where the case has them."""
    totals = case.registry.totals
    published = case.file.control_totals
    wanted = published.as_totals() if published else {}
    rows: list[tuple[str, ...]] = [("", "registry", "published", "")]
    for name, value in totals.items():
        area = name.endswith("_centi_m2")
        shown = (f"{value / 100:,.2f}" if area else f"{value:,}", "—")
        if name in wanted:
            shown = (shown[0], f"{wanted[name] / 100:,.2f}" if area else f"{wanted[name]:,}")
        rows.append((name.replace("_centi_m2", " (m2)").replace("_", " "), *shown, "ties" if name in wanted else ""))
    return table(rows, right=[1, 2]) + (f"\n  source: {published.source}" if published else "")


def awards_text(claims: Claims) -> str:
    """What is owed, a table for each provision."""
    if not claims:
        return ""
    parts = _by(claims, lambda c: (f"{c.document}/{c.provision_id}", c.provision.title))
    if len(parts) <= 1:
        return _awards(claims)
    tables = [f"{name}: {title}\n{_awards(Claims(part))}" for (name, title), part in parts.items()]
    booked = sum(fen for claim in claims for payer, fen in claim.shares.items() if payer in claim.booked)
    return "\n\n".join([*tables, f"in all, from the funds of these books: {format_yuan(booked)}"])


def _awards(claims: Claims) -> str:
    """By subject and period, or by district and year where there are many; payers beside it."""
    owing = {payer for claim in claims for payer in claim.shares}
    named = [payer for claim in claims for split in claim.provision.payers for payer in split.payers]
    payers = [p for p in dict.fromkeys([*named, *sorted(owing)]) if p in owing or len(set(named)) <= FEW]
    header = ("due to", "period", *payers, "total", "")
    subjects = {claim.subject.subject_id for claim in claims}
    rows: list[tuple[str, ...]] = []
    if len(subjects) <= MANY:
        for claim in claims:
            rows.append(
                (
                    f"{claim.subject.subject_id} {claim.subject.name}",
                    " ".join(filter(None, (f"{claim.months}", claim.part))),
                    *_amounts([claim], payers),
                    _why(claim),
                )
            )
    else:
        for unit, group in _by(claims, lambda c: (c.subject.units.get("district", ""),)).items():
            notes = _counts(group)
            rows.append(
                (*unit, f"{len({c.subject.subject_id for c in group})} {_what(group)}", *_amounts(group, payers), notes)
            )
        for period, group in _by(claims, lambda c: (str(c.months),)).items():
            rows.append(("all", *period, *_amounts(group, payers), _counts(group)))
    total = ("total", "", *_amounts(list(claims), payers), "")
    text = table([header, *rows, total], right=range(2, 3 + len(payers)))
    waiting = claims.potential_fen - claims.amount_fen
    if waiting > 0:
        text += f"\n  pending: {format_yuan(waiting)} more, if every missing result turns out well"
    return text


def vouchers_text(posted: Posted, vouchers: Sequence[Voucher]) -> str:
    """How many entries of each kind were booked, and one payment in full."""
    new = ", ".join(f"{count:,} {kind}" for kind, count in sorted(posted.kinds.items()))
    rows = [f"  {counted(len(posted.entries), 'new entry', 'new entries')}: {new}" if new else "  nothing new"]
    if posted.repeated:
        rows.append(f"  {posted.repeated:,} stood already and were left alone")
    if posted.waiting:
        first = min(step.draft.effective for step in posted.waiting)
        rows.append(f"  {counted(len(posted.waiting), 'step')} ahead of today, the first on {first}: waiting")
    paid = next((v for v in vouchers if v.entry.draft.kind == "disbursement"), None)
    if paid and new:
        rows += ["  one of them in full:", *("  " + line for line in voucher_text(paid).splitlines())]
    return "\n".join(rows)


def balances_text(balances: Sequence[FundBalance]) -> str:
    """Where each fund stands; funds of one kind and level summed up where there are many."""
    if not balances:
        return ""
    header = ("fund", "received", "paid out", "cash", "encumbered", "available")
    groups: dict[str, list[FundBalance]] = {}
    for balance in balances:
        key, level, _ = balance.fund.split("/", 2)
        of_kind = sum(b.fund.startswith(f"{key}/{level}/") for b in balances) if len(balances) > MANY else 1
        name = f"{key}/{level}/… ({of_kind} funds)" if of_kind > 1 else balance.fund
        groups.setdefault(name, []).append(balance)
    rows = [(name, *(format_yuan(n) for n in _sums(group))) for name, group in groups.items()]
    return table([header, *rows], right=range(1, 6))


def refused_rightly(refusal: Refusal | None) -> bool:
    """Whether an attempt was refused for what it asks, not for its date or its hands."""
    return isinstance(refusal, OutsideFence | EvidenceMissing | Overdrawn)


def attempts_text(answers: Iterable[tuple[str, Refusal | None]]) -> str:
    """What was tried only to see it refused, and what the gate said."""
    blocks = []
    for origin, refusal in answers:
        said = str(refusal) if refusal else "NOT REFUSED, and it should have been"
        if refusal and not refused_rightly(refusal):
            said = f"refused, but not for what it asks ({type(refusal).__name__}): date it into an open period\n{said}"
        blocks.append(f"  {origin}: " + "\n    ".join(said.splitlines()))
    return "\n".join(blocks)


def run_text(
    case: Case,
    posted: Posted,
    vouchers: Sequence[Voucher],
    balances: Sequence[FundBalance],
    answers: Sequence[tuple[str, Refusal | None]],
    report: AuditReport,
    today: date,
) -> str:
    """The whole summary, section by section, as of a day."""
    note = f"({case.file.note})" if case.file.note else ""
    sections = [
        ("What the document says", documents_text(case)),
        ("What ends, or has ended", expiries_text([*case.documents.values()], today)),
        ("Registry", registry_text(case)),
        ("How the owners voted", tallies_text(case)),
        ("What is to be done, and by when", duties_text(case, today)),
        ("Who meets what", judgements_text(case, today)),
        ("What is owed by all facts of the case, in yuan", awards_text(case.claims)),
        ("What was booked", vouchers_text(posted, vouchers)),
        ("Where each fund stands, in yuan", balances_text(balances)),
        ("What was tried and refused", attempts_text(answers)),
        ("Audit: the journal replayed, every claim re-assessed", "  " + report.to_text().replace("\n", "\n  ")),
    ]
    head = "\n".join(filter(None, [f"=== {case.file.title}", note]))
    return "\n\n".join([head, *(f"--- {title}\n{body}" for title, body in sections if body)])


def _by(claims: Iterable[Claim], key: object) -> dict[tuple[str, ...], list[Claim]]:
    groups: dict[tuple[str, ...], list[Claim]] = {}
    for claim in claims:
        groups.setdefault(key(claim), []).append(claim)  # type: ignore[operator]
    return groups


def _amounts(claims: Sequence[Claim], payers: Sequence[str]) -> list[str]:
    parts = [sum(claim.shares.get(payer, 0) for claim in claims) for payer in payers]
    return [format_yuan(fen) for fen in (*parts, sum(claim.amount_fen for claim in claims))]


def _why(claim: Claim) -> str:
    if claim.status is Status.DUE:
        return ""
    line = next((x for x in claim.lines if x.outcome is not Outcome.DUE), None)
    return f"{claim.status}: {line.reason.split(';')[0].split(' [')[0]}" if line else ""


def _counts(claims: Sequence[Claim]) -> str:
    counts = {status: sum(claim.status is status for claim in claims) for status in (Status.PENDING, Status.NOTHING)}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


def _what(claims: Sequence[Claim]) -> str:
    """What the claims are for, in the plural."""
    kinds = sorted({claim.subject.kind for claim in claims})
    return " and ".join(kind + "s" for kind in kinds)


def _sums(group: Sequence[FundBalance]) -> list[int]:
    rows = [(b.received_fen, b.paid_fen, b.cash_fen, b.encumbered_fen, b.available_fen) for b in group]
    return [sum(column) for column in zip(*rows, strict=True)]
