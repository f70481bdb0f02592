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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Protocol

from estate_funds.assess import Claim, Claims
from estate_funds.audit.report import Coverage, Finding, Severity
from estate_funds.duties import Due
from estate_funds.funds import Account, Side
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger import Ledger

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


@dataclass(frozen=True)
class Material:
    """What rules look at: the journal and its ledger after the last entry, the day, and what else there is.

    `case` is what the books were booked from, `bank` the lines of bank statements; None where there is none.
    """

    entries: Sequence[Entry]
    ledger: Ledger
    as_of: date
    case: AuditedCase | None = None
    bank: Any = None

    @cached_property
    def standing(self) -> tuple[Entry, ...]:
        """The entries that count: none that was undone, and none that undoes."""
        undone = self.ledger.reversed
        return tuple(e for e in self.entries if e.seq not in undone and e.draft.kind not in _UNDOING)

    @cached_property
    def payments(self) -> tuple[Entry, ...]:
        """The standing entries by which money left the books, or a fund for another that takes it on a claim."""
        return tuple(entry for entry in self.standing if entry.draft.kind is Kind.DISBURSEMENT)

    @cached_property
    def receipts(self) -> tuple[Entry, ...]:
        """The standing entries by which money came into the books."""
        return tuple(
            entry
            for entry in self.standing
            if any(
                p.account in (Account.FUNDING, Account.PAYABLE) and p.side == Side.CREDIT for p in entry.draft.postings
            )
        )


@dataclass(frozen=True)
class Rule:
    """One thing that auditors look for: `says` what, `clause` on which ground, `clear` what would settle a finding.

    `over` gives what it looks at, one by one, which the coverage counts; `find` is given the material and the rule.
    `needs` names what else must be there: "case", "bank".
    """

    name: str
    severity: Severity
    says: str
    clause: str
    clear: str
    over: Callable[[Material], Sequence[object]]
    find: Callable[[Material, Rule], Iterable[Finding]]
    needs: tuple[str, ...] = ()

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
            note = f"not checked: no {' and no '.join(lacking)} was given"
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
