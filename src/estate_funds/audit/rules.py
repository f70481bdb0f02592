"""What a rule of an audit is: a name, what it rests on, what it looks at, and a function of values that finds.

A rule is asked only when all that it needs is there; else the report says that it was not, and why. One more is ten
lines:

    def _round_sums(about: Material, rule: Rule) -> Iterator[Finding]:
        for entry in about.payments:
            if (fen := paid_fen(entry)) >= 1_000_000_00 and fen % 1_000_000_00 == 0:
                yield rule.found("a payment of whole millions", entry, amount_fen=fen)

    ROUND_SUMS = Rule(
        "round-sums", Severity.WARNING, "Payments of whole millions.", "审计法 34", "show the invoice",
        over=lambda about: about.payments, find=_round_sums,
    )
    report = books.audit(case, rules=[*RULES, ROUND_SUMS])
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Protocol, TypeVar, overload

from estate_funds.assess import Claim, Claims
from estate_funds.audit.paid import Paid, payments
from estate_funds.audit.report import Coverage, Finding, Severity
from estate_funds.ballots import Tally
from estate_funds.duties import Due, Ordered
from estate_funds.funds import Account, Side
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger import Ledger
from estate_funds.policy import Document
from estate_funds.registry import Assessments, Fee, Households, Registry

T = TypeVar("T")
_UNDOING = (Kind.REVERSAL, Kind.CORRECTION)
_INCOME = (Account.FUNDING, Account.PAYABLE)


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
    @property
    def documents(self) -> Mapping[str, Document]: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def assessments(self) -> Assessments: ...
    @property
    def fees(self) -> Sequence[Fee]: ...
    @property
    def tallies(self) -> Sequence[Tally]: ...
    @property
    def households(self) -> Households: ...
    def orderings(self, today: date) -> Iterable[Ordered]: ...


class Chosen(Sequence[Entry]):
    """Some entries of a journal by their places in it, for one that is too long to hold them all as values."""

    def __init__(self, entries: Sequence[Entry], places: Iterable[int]) -> None:
        self._entries, self._places = entries, array("Q", places)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Entry]:
        return map(self._entries.__getitem__, self._places)

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Entry]: ...
    def __getitem__(self, at: int | slice) -> Entry | Sequence[Entry]:
        if isinstance(at, slice):
            return Chosen(self._entries, self._places[at])
        return self._entries[self._places[at]]


def _chosen(entries: Sequence[Entry], keep: Callable[[Entry], bool]) -> Sequence[Entry]:
    """The entries to keep: at hand where the whole journal is, else by their places."""
    if isinstance(entries, list | tuple):
        return tuple(filter(keep, entries))
    return Chosen(entries, (place for place, entry in enumerate(entries) if keep(entry)))


@dataclass(frozen=True)
class Material:
    """What rules look at: the journal and its ledger after the last entry, the day, and what else there is.

    `case` is what the books were booked from, `bank` what its statements were matched to, an
    `audit.reconcile.Reconciled`; None where there is none. `year` is the calendar year in which the periods of claims
    begin that were asked for; None, all.
    """

    entries: Sequence[Entry]
    ledger: Ledger
    as_of: date
    case: AuditedCase | None = None
    bank: Any = None
    year: int | None = None

    @cached_property
    def _made(self) -> dict[Callable[[Material], Any], Any]:
        return {}

    def once(self, make: Callable[[Material], T]) -> T:
        """What several rules make of the material, made once: the value of a function that it is named by."""
        if make not in self._made:
            self._made[make] = make(self)
        made: T = self._made[make]
        return made

    @cached_property
    def standing(self) -> Sequence[Entry]:
        """The entries that count: none that was undone, and none that undoes."""
        undone = self.ledger.reversed
        return _chosen(self.entries, lambda e: e.seq not in undone and e.draft.kind not in _UNDOING)

    @cached_property
    def payments(self) -> Sequence[Entry]:
        """The standing entries by which money left the books, or a fund for another that takes it on a claim."""
        return _chosen(self.standing, lambda e: e.draft.kind is Kind.DISBURSEMENT)

    def entry(self, seq: int) -> Entry:
        """The entry of a number, which is there."""
        return self._by_seq[seq]

    @cached_property
    def _by_seq(self) -> dict[int, Entry]:
        return {entry.seq: entry for entry in self.entries}

    @cached_property
    def paid(self) -> Mapping[str, Paid]:
        """What was paid for each claim and is not claimed back, by the id of the claim."""
        return payments(self.entries)

    @cached_property
    def paid_claims(self) -> tuple[Claim, ...]:
        """The claims of the case, those of `year` where it was asked for, for which something is paid and not back."""
        claims = self.case.claims.where(year=self.year) if self.case is not None else ()
        return tuple(c for c in claims if (paid := self.paid.get(c.claim_id)) and paid.standing)

    @cached_property
    def receipts(self) -> Sequence[Entry]:
        """The standing entries by which money came into the books."""
        return _chosen(
            self.standing, lambda e: any(p.account in _INCOME and p.side == Side.CREDIT for p in e.draft.postings)
        )


@dataclass(frozen=True)
class Rule:
    """One thing that auditors look for: `says` what, `clause` on which ground, `clear` what would settle a finding.

    `over` gives what it looks at, one by one, which the coverage counts; `find` is given the material and the rule.
    `needs` names what else must be there: "case", "bank". `example` is one that it finds, for docs/findings.md.
    """

    name: str
    severity: Severity
    says: str
    clause: str
    clear: str
    over: Callable[[Material], Sequence[object]]
    find: Callable[[Material, Rule], Iterable[Finding]]
    needs: tuple[str, ...] = ()
    example: str = ""

    def found(
        self, what: str, *entries: Entry, where: str = "", got: str = "", wanted: str = "", clause: str = "",
        amount_fen: int = 0, subject: str = "",
    ) -> Finding:  # fmt: skip
        """A finding of this rule about some entries, or about another place that `where` names."""
        place = where or ", ".join(f"entry {entry.seq} ({entry.draft.key})" for entry in entries)
        return Finding(
            self.name, self.severity, what, place, got, wanted, clause or self.clause, amount_fen, self.clear,
            tuple(entry.seq for entry in entries), subject,
        )  # fmt: skip


def asked(rules: Iterable[Rule], about: Material) -> Iterator[tuple[Coverage, Sequence[Finding]]]:
    """What each rule covers and finds; of one whose needs are not met, that it was not asked, and why."""
    for rule in rules:
        lacking = [name for name in rule.needs if getattr(about, name) is None]
        if lacking:
            what = " and no ".join({"bank": "bank statement"}.get(name, name) for name in lacking)
            note = f"not checked: no {what} was given"
            yield Coverage(rule.says, 0, 0, note, rule.name), ()
            continue
        looked_at = len(rule.over(about))
        yield Coverage(rule.says, looked_at, looked_at, rule=rule.name), tuple(rule.find(about, rule))


def paid_fen(entry: Entry) -> int:
    """The cash, in fen, that an entry takes out of its funds.

    >>> from estate_funds.journal import Posting
    >>> out = [Posting("f/city/a", Account.CASH, "", Side.CREDIT, 5)]
    >>> out += [Posting("f/city/a", Account.EXPENDITURE, "p", Side.DEBIT, 5)]
    >>> day, who = date(2024, 2, 1), {"maker": "m", "approver": "a", "narrative": "n"}
    >>> paid_fen(Entry(7, day, Draft(kind=Kind.DISBURSEMENT, effective=day, key="k", postings=tuple(out), **who)))
    5
    """
    return sum(p.amount_fen for p in entry.draft.postings if p.account == Account.CASH and p.side == Side.CREDIT)


__all__ = ["Material", "Rule", "asked", "paid_fen"]
