"""What comes out: lines, claims, and how they explain themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from estate_funds.calendar import Months
from estate_funds.errors import CaseError, nearest
from estate_funds.money import allocate, format_yuan
from estate_funds.policy import Provision
from estate_funds.registry import Documents, Subject
from estate_funds.text import pad


class Outcome(StrEnum):
    """What became of a line."""

    DUE = "due"
    PENDING = "pending"  # a fact is missing: not paid, and not nought either
    FAILED = "failed"  # the assessment was failed: pays 0, nothing is caught up
    ENDED = "ended"  # after the last service year of the schedule
    INELIGIBLE = "ineligible"  # a requirement of the document is not met


class Status(StrEnum):
    """What became of a claim."""

    DUE = "due"
    PENDING = "pending"
    NOTHING = "nothing due"
    REFUND = "refund due"  # more was advanced than is owed


class Share(NamedTuple):
    """What one payer owes of a line: its role, its share, the fen, and who it is."""

    payer: str
    share: Fraction
    fen: int
    holder: str


@dataclass(frozen=True, slots=True)
class Line:
    """One run of months in which nothing changes: base x rate x months, or a share of a total.

    `amount_fen` is what is due now; `potential_fen` what would be due if the missing fact turned out well.
    """

    subject_id: str
    months: Months
    service_year: int
    base: Fraction  # households, m2, yuan, 1 an estate, or a weight
    measure: str
    rate: Fraction  # yuan per unit, or a share; for a share of a total, the total in yuan
    formula: str
    outcome: Outcome
    reason: str
    clause: str
    amount_fen: int
    potential_fen: int
    shares: tuple[Share, ...]  # in the document's order

    def turned(self, outcome: Outcome, reason: str) -> Line:
        """The line with another outcome, nothing of it due now."""
        possible = self.potential_fen if outcome is Outcome.PENDING else 0
        return replace(self, outcome=outcome, reason=reason, amount_fen=0, potential_fen=possible, shares=())

    def cut_to(self, fen: int, payers: frozenset[str], reason: str) -> Line:
        """The line with less due from some payers, by their shares; what others pay stays."""
        cut = [n for n, share in enumerate(self.shares) if share.payer in payers]
        exact = len({share.payer for share in self.shares}) == len(self.shares) and self.measure != "advance"
        weights = {n: self.shares[n].share if exact else Fraction(self.shares[n].fen) for n in cut}
        parts = allocate(fen, weights) if any(weights.values()) else {}
        shares = tuple(share._replace(fen=parts.get(n, share.fen)) for n, share in enumerate(self.shares))
        due = sum(share.fen for share in shares)
        note = f"{self.reason}; {reason}" if self.reason else reason
        return replace(self, amount_fen=due, potential_fen=due, shares=shares, reason=note)


@dataclass(frozen=True, slots=True)
class Claim:
    """An entitlement of one subject for one claim period, with the trace of how it came about."""

    document: str
    policy_digest: str
    registry_digest: str
    provision: Provision
    provision_id: str
    subject: Subject
    number: int  # the service year, the calendar year, or a running number of the quarter or month
    period_key: str  # the same as people write it: 3, 2023, 2023-Q2, 2023-05; empty for what is claimed once
    months: Months
    lines: tuple[Line, ...]
    payee_class: str  # the level that is paid, community or street, or a class of payees
    payee: str
    booked: frozenset[str]  # payers that hold a fund in these books; others pay elsewhere
    decided_on: date | None
    warnings: tuple[str, ...] = ()
    part: str = ""  # "advance" for what is paid before the final amount is known
    evidence: Documents = ()  # of the facts and results that were asked for: sorted, each once

    @property
    def claim_id(self) -> str:
        """Stable over time: document, provision, subject, period."""
        parts = (self.document, self.provision_id, self.subject.subject_id, self.period_key or "once", self.part)
        return "/".join(filter(None, parts))

    @property
    def amount_fen(self) -> int:
        """What is due; below 0 where an advance is to be refunded."""
        return sum(line.amount_fen for line in self.lines)

    @property
    def potential_fen(self) -> int:
        """What would be due if every missing fact turned out well."""
        return sum(line.potential_fen for line in self.lines)

    @property
    def shares(self) -> dict[str, int]:
        """What each payer owes, in fen; the parts sum to `amount_fen`."""
        parts: dict[str, int] = {}
        for line in self.lines:
            for share in line.shares:
                parts[share.payer] = parts.get(share.payer, 0) + share.fen
        return parts

    @property
    def status(self) -> Status:
        """Pending while any line is; then due, a refund, or nothing due."""
        if any(line.outcome is Outcome.PENDING for line in self.lines):
            return Status.PENDING
        if self.amount_fen < 0:
            return Status.REFUND
        return Status.DUE if self.amount_fen else Status.NOTHING

    @property
    def period_name(self) -> str:
        """The period as people call it."""
        if self.provision.claim_period == "service_year":
            return f"service year {self.number}"
        return " ".join(filter(None, (self.period_key or "once", self.part)))

    def explain(self, *, locale: str = "en") -> str:
        """Every line with clause, inputs, arithmetic and result, and why a line pays nothing.

        An amount in brackets is not due yet: it would be, if the missing fact turned out well.
        """
        title = f"{self.subject.subject_id} {self.subject.name}  {self.period_name}: {self.months}"
        rows = [_row(title, "", format_yuan(self.amount_fen, locale=locale, currency=True), self.status)]
        for line in self.lines:
            pending = line.outcome is Outcome.PENDING
            amount = format_yuan(line.potential_fen if pending else line.amount_fen, locale=locale)
            whose = f"{line.subject_id}: " if line.subject_id != self.subject.subject_id else ""
            text = f"  {whose}{line.formula}"
            rows.append(_row(text, line.clause, f"({amount})" if pending else amount, line.outcome))
            rows.append(f"    {line.reason}")
            if line.shares:
                parts = [f"{s.payer} {s.share} {format_yuan(s.fen, locale=locale)}" for s in line.shares]
                rows.append(f"    {'   '.join(parts)}")
        rows.extend(f"    warning: {warning}" for warning in self.warnings)
        return "\n".join(rows)


def _row(text: str, clause: str, amount: str, outcome: str) -> str:
    return f"{pad(text, 52)}{pad(clause, 18)} {amount:>18}  {outcome}"


class Claims(Sequence[Claim]):
    """Claims in order of subject and period; `claims["yuanyi"]` finds the one of a subject, or of an estate.

    Raises CaseError where there is none, or several and no period is said: `claims["yuanyi", 3]`.
    """

    def __init__(self, claims: Iterable[Claim]) -> None:
        self._claims = tuple(claims)
        self._of: dict[str, list[Claim]] = {}
        for claim in self._claims:
            for key in {claim.subject.subject_id, claim.subject.units.get("estate", claim.subject.subject_id)}:
                self._of.setdefault(key, []).append(claim)

    def __len__(self) -> int:
        return len(self._claims)

    def __iter__(self) -> Iterator[Claim]:
        return iter(self._claims)

    def __getitem__(self, key: object) -> Claim:  # type: ignore[override]
        if isinstance(key, int):
            return self._claims[key]
        subject_id, number = key if isinstance(key, tuple) else (key, None)
        found = [c for c in self.of(subject_id) if number in (None, c.number, c.period_key)]
        if len(found) != 1:
            numbers = [claim.number for claim in self.of(subject_id)]
            raise CaseError(
                f"{subject_id} has {len(found)} such claims", got=key, wanted=f"one of the periods {numbers}"
            )
        return found[0]

    def of(self, subject_id: str) -> tuple[Claim, ...]:
        """All claims of a subject; of an estate, also those of what lies in it."""
        if subject_id not in self._of:
            raise CaseError(f"no claim of an estate or subject {subject_id!r}", fix=nearest(subject_id, self._of))
        return tuple(self._of[subject_id])

    def where(self, *, year: int | None = None, status: Status | None = None) -> Claims:
        """The claims whose period begins in a calendar year, or that have a status."""
        return Claims(c for c in self if year in (None, c.months.start.year) and status in (None, c.status))

    @property
    def amount_fen(self) -> int:
        """What is due in all."""
        return sum(claim.amount_fen for claim in self)

    @property
    def potential_fen(self) -> int:
        """What would be due if every missing fact turned out well."""
        return sum(claim.potential_fen for claim in self)

    @property
    def shares(self) -> dict[str, int]:
        """What each payer owes in all, in fen."""
        parts: dict[str, int] = {}
        for claim in self:
            for payer, fen in claim.shares.items():
                parts[payer] = parts.get(payer, 0) + fen
        return parts

    def explain(self, *, locale: str = "en") -> str:
        """The explanation of each claim, one below the other."""
        return "\n".join(claim.explain(locale=locale) for claim in self)
