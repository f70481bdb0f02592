"""What the auditor's page shows, as plain values: texts and whole fen, from a report, a journal and a case.

Lists that grow with the journal have a limit each, and say how many there are in all: the page never leaves out in
silence. A finding is never left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from estate_funds.assess import Claim
from estate_funds.audit import AuditReport, Finding, Severity
from estate_funds.audit.catalogue import RULES
from estate_funds.audit.rules import Rule, paid_fen
from estate_funds.calendar import Month
from estate_funds.case import Case
from estate_funds.errors import EstateFundsError
from estate_funds.funds import NORMAL_SIDE, Account, Side
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger.shapes import DEFINING, MIRRORS
from estate_funds.provenance import Provenance, Ways, trace
from estate_funds.provenance.ways import LEFT, SOURCE, USE, whole
from estate_funds.report.audit_words import RULES as RULE_NAMES
from estate_funds.report.audit_words import in_chinese
from estate_funds.report.balances import balances_of
from estate_funds.report.vouchers import number_vouchers
from estate_funds.text import counted
from estate_funds.vouchers import REFUND

PAGE_FORMAT = 1
MOST_VOUCHERS = 5_000
MOST_FUNDS = 300  # with a line a month each; more are drawn together
MOST_OF_SIDE = 200  # of what one side of a bank reconciliation has alone
MOST_OF_CLAIM = 10  # entries that a finding about a claim leads to
MOST_PARTS = 200  # of where one voucher's money came from
_EXACT = 1 << 53  # what a number of JavaScript holds; more is written as text
_ENTRY = re.compile(r"\bentry ([0-9]{1,18})\b")
_SERIES = (Account.CASH.value, Account.UNENCUMBERED.value, Account.ENCUMBERED.value)


@dataclass(frozen=True)
class PageMatter:
    """What a page is made of: an audit's report, the journal that it is about, and, where there is one, its case.

    `entries` are as they were found, changed or not. `origin` is the journal's name, `as_of` the day of the audit,
    `version` that of the program. `rules` are those that were asked. `positions` are bank reconciliation statements
    (余额调节表) as plain values: `accounts`, `on`, `bank_fen`, `books_fen`, `books_only` and `bank_only` (each `day`,
    `fen`, `what`), `bank_adjusted_fen`, `books_adjusted_fen`, `difference_fen`.
    """

    report: AuditReport
    entries: Sequence[Entry]
    origin: str
    as_of: date
    version: str
    case: Case | None = None
    rules: Sequence[Rule] = RULES
    positions: Sequence[Mapping[str, Any]] = ()

    @cached_property
    def by_seq(self) -> Mapping[int, Entry]:
        """The entries by their numbers."""
        return {entry.seq: entry for entry in self.entries}

    @cached_property
    def claims(self) -> Mapping[str, Claim]:
        """The claims of the case by their ids."""
        return {claim.claim_id: claim for claim in self.case.claims} if self.case else {}

    @cached_property
    def of_claims(self) -> Mapping[str, list[int]]:
        """The entries that refer to each claim."""
        found: dict[str, list[int]] = {}
        for entry in self.entries:
            if entry.draft.reference in self.claims and entry.draft.postings:
                found.setdefault(entry.draft.reference, []).append(entry.seq)
        return found

    @cached_property
    def traced(self) -> Provenance | str:
        """Where the money came from, or why that cannot be said of this journal."""
        try:
            return trace(self.entries)
        except EstateFundsError as error:
            return f"{error.what}, {error.where}"
        except Exception as error:  # whatever rows that somebody changed do to it
            return f"{type(error).__name__}: {error}"


def page_data(about: PageMatter) -> dict[str, Any]:
    """All that the page shows. The same matter gives the same values, in the same order."""
    texts = _Clauses(about.case)
    found = [_finding(finding, about, texts) for finding in about.report.findings]
    vouchers = _vouchers(about, {seq for one in found for seq in one["entries"]}, texts)
    return {
        "format": PAGE_FORMAT,
        "origin": about.origin,
        "case": about.case.file.id if about.case else "",
        "as_of": str(about.as_of),
        "coverage": _coverage(about.report),
        "verdict": dict(zip(("zh", "en"), verdict_words(about.report), strict=True)),
        "standing": "found" if about.report.findings else "partial" if _gaps(about.report) else "clean",
        "rules": _rules(about),
        "findings": found,
        "funds": _funds(about.entries),
        "bank": [_position(one) for one in about.positions],
        "ways": _all_ways(about),
        "estates": _estates(about, found),
        "vouchers": vouchers,
        "clauses": texts.listed(),
        "receipt": _receipt(about),
    }


def verdict_words(report: AuditReport) -> tuple[str, str]:
    """The verdict in Chinese and English. Over a partial check it never reads as clean.

    >>> verdict_words(AuditReport((), (), 0, ""))[1]
    'No finding. All that this audit looks at was checked.'
    """
    gaps, number = _gaps(report), len(report.findings)
    errors = sum(finding.severity is Severity.ERROR for finding in report.findings)
    if number:
        zh = f"共有 {number:,} 项发现：差错 {errors:,} 项，提示 {number - errors:,} 项。"
        en = f"{counted(number, 'finding')}: {counted(errors, 'error')}, {counted(number - errors, 'warning')}."
    elif gaps:
        zh, en = "在已检查的范围内没有发现。", "No finding in what was checked."
    else:
        return "没有发现。本审计所列项目均已检查。", "No finding. All that this audit looks at was checked."
    if gaps:
        zh += f"另有 {gaps} 项未检查或只检查了一部分（见上），不构成无保留的结论。"
        items = "1 item was" if gaps == 1 else f"{gaps} items were"
        en += f" {items} not checked, or only in part (see above): this is no clean verdict."
    return zh, en


def _gaps(report: AuditReport) -> int:
    return sum(not covered.complete for covered in report.coverage)


def _coverage(report: AuditReport) -> list[dict[str, Any]]:
    return [
        {
            "what": covered.what,
            "zh": RULE_NAMES.get(covered.rule, "") if covered.rule else in_chinese(covered.what),
            "rule": covered.rule,
            "checked": covered.checked,
            "of": covered.of,
            "note": covered.note,
            "note_zh": in_chinese(covered.note),
            "complete": covered.complete,
        }
        for covered in report.coverage
    ]


def _rules(about: PageMatter) -> dict[str, dict[str, str]]:
    """What each rule that found something, or was asked, is called."""
    said = {rule.name: {"en": rule.says, "clause": rule.clause} for rule in about.rules}
    for name in dict.fromkeys(finding.rule for finding in about.report.findings):
        said.setdefault(name, {"en": "", "clause": ""})
    return {name: told | {"zh": RULE_NAMES.get(name, "")} for name, told in said.items()}


# --- findings -----------------------------------------------------------------------------------------------------


def _finding(finding: Finding, about: PageMatter, texts: _Clauses) -> dict[str, Any]:
    """A finding with what it can be filtered by: the entries that it is about, their funds, the estate."""
    entries = list(finding.entries) or [int(seq) for seq in _ENTRY.findall(f"{finding.where} {finding.what}")]
    claim = about.claims.get(finding.where)
    drafts = [about.by_seq[seq].draft for seq in entries if seq in about.by_seq]
    claim = claim or next((about.claims[d.reference] for d in drafts if d.reference in about.claims), None)
    if claim is not None and not entries:
        entries = about.of_claims.get(claim.claim_id, [])[:MOST_OF_CLAIM]
        drafts = [about.by_seq[seq].draft for seq in entries]
    estate = finding.subject if about.case is not None and finding.subject in about.case.registry.estates else ""
    if claim is not None and not estate:
        estate = claim.subject.units.get("estate", "") or claim.subject.subject_id
    return {
        "rule": finding.rule, "severity": finding.severity.value,
        "what": finding.what, "what_zh": in_chinese(finding.what), "where": finding.where,
        "got": finding.got, "got_zh": in_chinese(finding.got),
        "wanted": finding.wanted, "wanted_zh": in_chinese(finding.wanted),
        "clear": finding.clear, "clear_zh": in_chinese(finding.clear),
        "clause": texts.named(finding.clause), "fen": _number(finding.amount_fen), "entries": entries,
        "estate": estate, "funds": sorted({posting.fund for draft in drafts for posting in draft.postings}),
    }  # fmt: skip


class _Clauses:
    """Every clause that the page names, with its words where the case has them."""

    def __init__(self, case: Case | None) -> None:
        self._documents = case.documents if case else {}
        self._named: dict[str, tuple[str, str]] = {}

    def named(self, clause: str) -> str:
        """Take note of `document clause` as findings write it; the text as given."""
        if clause:
            document, _, rest = clause.partition(" ")
            self._named.setdefault(clause, (document, rest) if document in self._documents else ("", clause))
        return clause

    def listed(self) -> list[dict[str, str]]:
        """All of them, in order of document and clause."""
        return [self._one(name, *self._named[name]) for name in sorted(self._named)]

    def _one(self, name: str, document_id: str, clause: str) -> dict[str, str]:
        document = self._documents.get(document_id)
        told = {"title": document.title, "number": document.number} if document else {"title": "", "number": ""}
        return {"name": name, "clause": clause, "text": document.clauses.get(clause, "") if document else ""} | told


# --- funds over time ----------------------------------------------------------------------------------------------


def _funds(entries: Sequence[Entry]) -> dict[str, Any]:
    """Where each fund stands, and its cash, available and promised money at the end of each month."""
    titles: dict[str, str] = {}
    held: dict[tuple[str, str, str], int] = {}
    moved: dict[str, dict[Month, list[int]]] = {}
    for entry in entries:
        if entry.draft.kind in DEFINING:
            terms = {term[0]: term[1] for term in entry.draft.terms if len(term) == 2}
            titles[terms.get("fund", "")] = terms.get("title", "")
        for fund, account, detail, side, fen in entry.draft.postings:
            change = fen if side == NORMAL_SIDE.get(account) else -fen
            held[fund, account, detail] = held.get((fund, account, detail), 0) + change
            titles.setdefault(fund, "")
            if account in _SERIES:
                months = moved.setdefault(fund, {})
                sums = months.setdefault(Month.of(entry.draft.effective), [0, 0, 0])
                sums[_SERIES.index(account)] += change
    grouped = len(moved) > MOST_FUNDS
    lines = _drawn_together(moved) if grouped else moved
    every = sorted({month for months in moved.values() for month in months})
    span = _months(every[0], every[-1]) if every else []
    return {
        "months": [str(month) for month in span],
        "grouped": grouped,
        "lines": [{"fund": fund, "series": _ends(lines[fund], span)} for fund in sorted(lines)],
        "total": _ends(next(iter(_drawn_together(moved, depth=0).values()), {}), span),
        "balances": [
            [at.fund, at.title]
            + [_number(n) for n in (at.received_fen, at.paid_fen, at.cash_fen, at.encumbered_fen, at.available_fen)]
            for at in balances_of(held, titles)
        ],
    }  # fmt: skip


def _months(first: Month, last: Month) -> list[Month]:
    found = [first]
    while found[-1] < last and len(found) < 2_400:
        found.append(found[-1] + 1)
    return found


def _drawn_together(
    moved: Mapping[str, Mapping[Month, Sequence[int]]], *, depth: int = 2
) -> dict[str, dict[Month, list[int]]]:
    """The changes of funds summed by the first parts of their ids: by key and level, or all."""
    found: dict[str, dict[Month, list[int]]] = {}
    for fund, months in moved.items():
        own = found.setdefault("/".join(fund.split("/")[:depth]), {})
        for month, sums in months.items():
            own[month] = [a + b for a, b in zip(own.get(month, (0, 0, 0)), sums, strict=True)]
    return found


def _ends(months: Mapping[Month, Sequence[int]], span: Sequence[Month]) -> list[list[Any]]:
    """The balances at the end of each month: cash, available, encumbered."""
    now, ends = [0, 0, 0], list[list[Any]]()
    for month in span:
        now = [a + b for a, b in zip(now, months.get(month, (0, 0, 0)), strict=True)]
        ends.append([_number(fen) for fen in now])
    return ends


_POSITION = ("bank_fen", "bank_adjusted_fen", "books_fen", "books_adjusted_fen", "difference_fen")


def _position(one: Mapping[str, Any]) -> dict[str, Any]:
    """A bank reconciliation statement: what one side has alone, and the two balances, with it and without."""
    alone = {
        side: [[item["day"], item["what"], _number(item["fen"])] for item in one[side][:MOST_OF_SIDE]]
        for side in ("books_only", "bank_only")
    }
    more = sum(max(0, len(one[side]) - MOST_OF_SIDE) for side in alone)
    return (
        {"accounts": one["accounts"], "on": one["on"], "more": more} | alone | {n: _number(one[n]) for n in _POSITION}
    )


# --- the money's way ----------------------------------------------------------------------------------------------


def _all_ways(about: PageMatter) -> dict[str, Any]:
    traced = about.traced
    if isinstance(traced, str):
        return {"untraced": traced}
    return {by: ways_data(whole(about.entries, traced, by=by)) for by in ("purpose", "payee")}


def ways_data(ways: Ways) -> dict[str, Any]:
    """Places and links of a picture as plain values, with the sums that tie: sources = spent + left."""
    places = {node: number for number, node in enumerate(ways.nodes)}
    return {
        "nodes": [
            {"kind": n.kind, "name": n.name, "many": n.many, "fen": _number(max(ways.into(n), ways.out_of(n)))}
            for n in places
        ],
        "links": [[places[link.giver], places[link.taker], _number(link.fen)] for link in ways.links],
        "totals": [_number(ways.total(kind)) for kind in (SOURCE, USE, LEFT)],
    }


# --- estates ------------------------------------------------------------------------------------------------------


def _estates(about: PageMatter, found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each estate or other subject of the case that has a claim or a finding: its claims, what was paid, findings."""
    if about.case is None:
        return []
    paid = _paid(about.entries)
    named: dict[str, list[Claim]] = {}
    for claim in about.case.claims:
        named.setdefault(claim.subject.units.get("estate", "") or claim.subject.subject_id, []).append(claim)
    numbers: dict[str, int] = {}
    for finding in found:
        if finding["estate"]:
            numbers[finding["estate"]] = numbers.get(finding["estate"], 0) + 1
    estates = about.case.registry.estates
    rows = []
    for name in sorted({*named, *(name for name in numbers if name in estates)}):
        claims, estate = named.get(name, []), estates.get(name)
        units = [estate.district, estate.street, estate.community] if estate else []
        title = estate.name if estate else claims[0].subject.name
        lines = [_claim_row(claim, paid) for claim in claims]
        owed, given = sum(c.amount_fen for c in claims), sum(paid.get(c.claim_id, 0) for c in claims)
        rows.append({
            "id": name, "name": title, "units": units, "findings": numbers.get(name, 0), "claims": lines,
            "owed": _number(owed), "paid": _number(given),
        })  # fmt: skip
    return rows


def _claim_row(claim: Claim, paid: Mapping[str, int]) -> list[Any]:
    return [
        f"{claim.document}/{claim.provision_id}", claim.period_key or "", str(claim.months), claim.status.value,
        _number(claim.amount_fen), _number(paid.get(claim.claim_id, 0)), str(claim.decided_on or ""),
        f"{claim.document} {claim.provision.clause}",
    ]  # fmt: skip


def _paid(entries: Iterable[Entry]) -> dict[str, int]:
    """The fen that stand paid on each claim: payments that were not undone, less refunds and what was claimed back."""
    paid: dict[str, int] = {}
    booked: dict[str, Draft] = {}
    undone = {entry.draft.reference for entry in entries if entry.draft.kind in MIRRORS}
    for entry in entries:
        draft = entry.draft
        if str(entry.seq) in undone:
            continue
        if draft.kind is Kind.DISBURSEMENT:
            booked[str(entry.seq)] = draft
            paid[draft.reference] = paid.get(draft.reference, 0) + paid_fen(entry)
        elif draft.kind is Kind.TRANSFER and draft.purpose == REFUND and draft.reference:
            paid[draft.reference] = paid.get(draft.reference, 0) - paid_fen(entry)
        elif draft.kind is Kind.CLAW_BACK and draft.reference in booked:
            claim = booked[draft.reference].reference
            back = sum(p.amount_fen for p in draft.postings if p.account == Account.RECEIVABLE)
            paid[claim] = paid.get(claim, 0) - back
    return paid


# --- vouchers -----------------------------------------------------------------------------------------------------


def _vouchers(about: PageMatter, wanted: set[int], texts: _Clauses) -> dict[str, Any]:
    """The vouchers, all of them or as many as have room, those of findings first; and other entries that these name."""
    labels = {voucher.entry.seq: voucher.label for voucher in number_vouchers(about.entries)}
    seqs = [seq for seq in about.by_seq if seq in wanted]
    seqs += [seq for seq in labels if seq not in wanted]
    chosen = sorted(seqs[:MOST_VOUCHERS])
    rows = [_voucher(about.by_seq[seq], labels.get(seq, ""), about, texts) for seq in chosen]
    return {"of": len(labels), "listed": sum(seq in labels for seq in chosen), "rows": rows}


def _voucher(entry: Entry, label: str, about: PageMatter, texts: _Clauses) -> dict[str, Any]:
    draft, traced = entry.draft, about.traced
    parts = () if isinstance(traced, str) else traced.of(entry.seq)
    return {
        "seq": entry.seq, "label": label, "day": str(draft.effective), "recorded": str(entry.recorded),
        "fen": _number(_moved_fen(draft)), "kind": str(draft.kind.value), "narrative": draft.narrative,
        "clause": texts.named(" ".join(filter(None, (draft.document, draft.clause)))),
        "purpose": draft.purpose, "payee": draft.payee, "maker": draft.maker, "approver": draft.approver,
        "reference": draft.reference, "evidence": [[kind, digest[:16]] for kind, digest in draft.evidence],
        "lines": [[p.fund, p.account, p.detail, *_sides(p.side, p.amount_fen)] for p in draft.postings],
        "parts_of": len(parts),
        "parts": [
            [_number(p.fen), p.receipt.source, p.receipt.seq, " → ".join(fund for _, fund in p.way)]
            for p in parts[:MOST_PARTS]
        ],
    }  # fmt: skip


def _moved_fen(draft: Draft) -> int:
    """The cash that an entry takes out of funds, else what it brings in, else what it promises or takes note of."""
    sums = {
        (cash, side): sum(
            p.amount_fen for p in draft.postings if (p.account == Account.CASH) == cash and p.side == side
        )
        for cash in (True, False)
        for side in (Side.CREDIT, Side.DEBIT)
    }
    return sums[True, Side.CREDIT] or sums[True, Side.DEBIT] or sums[False, Side.DEBIT]


def _sides(side: str, fen: int) -> tuple[Any, Any]:
    return (_number(fen), "") if side == Side.DEBIT else ("", _number(fen))


# --- the receipt of the run ---------------------------------------------------------------------------------------


def _receipt(about: PageMatter) -> dict[str, Any]:
    """Which program said this of which journal, by which documents: enough to have it said again."""
    report = json.dumps(about.report.to_json(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    documents = [about.case.documents[name] for name in sorted(about.case.documents)] if about.case else []
    return {
        "program": f"estate_funds {about.version}",
        "head": about.report.head,
        "entries": about.report.entries,
        "report_sha256": hashlib.sha256(report.encode("utf-8")).hexdigest(),
        "registry_sha256": about.case.registry_digest if about.case else "",
        "policies": [[document.id, document.number, document.digest] for document in documents],
    }


def _number(fen: int) -> int | str:
    """Fen as JSON: as text where a number of JavaScript would not hold it."""
    return fen if -_EXACT < fen < _EXACT else str(fen)


__all__ = ["PAGE_FORMAT", "PageMatter", "page_data", "verdict_words", "ways_data"]
