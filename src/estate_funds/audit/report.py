"""What an audit says: first what it covered, then what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

from estate_funds.errors import FindingsError
from estate_funds.money import format_yuan
from estate_funds.text import counted

if TYPE_CHECKING:
    from estate_funds.audit.reconcile import Reconciled


class Severity(StrEnum):
    """An error is money or books that are wrong; a warning is a rule not kept."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, and what would clear it.

    `entries` are the numbers of the entries that it is about, `subject` the estate, household or payee, where there is.
    """

    rule: str
    severity: Severity
    what: str
    where: str
    got: str = ""
    wanted: str = ""
    clause: str = ""
    amount_fen: int = 0
    clear: str = ""
    entries: tuple[int, ...] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """One thing that an audit looks at: how much of it was checked, and why not the rest.

    `rule` is the name of the rule that looked, where one did.
    """

    what: str
    checked: int
    of: int
    note: str = ""
    rule: str = ""

    @property
    def complete(self) -> bool:
        """Whether all of it was checked."""
        return self.checked == self.of and not self.note.startswith("not checked")


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Coverage, findings, the head of the journal that they are about, and what bank statements were matched to.

    `as_of` is the day by which what is due was judged.
    """

    coverage: tuple[Coverage, ...]
    findings: tuple[Finding, ...]
    entries: int
    head: str
    bank: Reconciled | None = None
    as_of: date | None = None

    @property
    def verdict(self) -> str:
        """In one line; a clean verdict over a partial check says that it is partial."""
        # What a rule needs and has not got, a line of its own says is missing.
        partial = [c.what for c in self.coverage if not (c.complete or c.rule)]
        if self.findings:
            errors = sum(f.severity is Severity.ERROR for f in self.findings)
            found = f"{counted(len(self.findings), 'finding')} ({counted(errors, 'error')})"
            return found + (f"; not covered: {', '.join(partial)}" if partial else "")
        return (
            f"no finding in what was covered; not covered: {', '.join(partial)}"
            if partial
            else "no finding, all covered"
        )

    def raise_for_findings(self) -> None:
        """FindingsError when there is any finding."""
        if self.findings:
            error = FindingsError(f"the audit found something: {self.verdict}", got="\n" + findings_text(self.findings))
            error.findings = self.findings
            raise error

    def to_text(self) -> str:
        """For people: coverage, findings, verdict."""
        rows = [
            f"  {c.what}: {c.checked:,} of {c.of:,}" + (f" ({c.note})" if c.note else "")
            for c in (*(c for c in self.coverage if not c.rule), *_rules_in_short(self.coverage))
        ]
        found = findings_text(self.findings)
        head = f"journal: {counted(self.entries, 'entry', 'entries')}, head {self.head}"
        head += f" (judged as of {self.as_of})" if self.as_of else ""
        parts = [head, "coverage", *rows, *(["findings", found] if found else [])]
        if self.bank is not None and self.bank.positions:
            parts += ["bank reconciliation", self.bank.to_text()]
        return "\n".join([*parts, f"verdict: {self.verdict}"])

    def to_json(self) -> dict[str, object]:
        """For programs: the same, as plain values."""
        said: dict[str, object] = {
            "verdict": self.verdict,
            "entries": self.entries,
            "head": self.head,
            "as_of": str(self.as_of or ""),
            "coverage": [asdict(c) | {"complete": c.complete} for c in self.coverage],
            "findings": [asdict(f) for f in self.findings],
        }
        return said if self.bank is None else said | {"bank": self.bank.to_json()}


def _rules_in_short(coverage: Sequence[Coverage]) -> list[Coverage]:
    """One line for all rules: how many of them were asked, and why the others were not."""
    rules = [c for c in coverage if c.rule]
    why: dict[str, list[str]] = {}
    for one in rules:
        if not one.complete:
            why.setdefault(one.note.removeprefix("not checked: "), []).append(one.rule)
    left = "; ".join(f"{len(names)} not asked: {reason}" for reason, names in why.items())
    asked = sum(one.complete for one in rules)
    return [Coverage("rules of what auditors look for", asked, len(rules), left)] if rules else []


def findings_text(findings: Sequence[Finding]) -> str:
    """Findings one below the other, in the order in which they were found."""
    blocks = []
    for f in findings:
        amount = f"  {format_yuan(f.amount_fen)} yuan" if f.amount_fen else ""
        lines = [f"  [{f.severity}] {f.rule}: {f.what}{amount}", f"    where:  {f.where}"]
        details = (("got:", f.got), ("wanted:", f.wanted), ("clause:", f.clause), ("clears:", f.clear))
        lines += [f"    {label:<7} {text}" for label, text in details if text]
        blocks.append("\n".join(lines))
    return "\n".join(blocks)
