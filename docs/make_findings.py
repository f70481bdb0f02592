"""Write the tables of docs/findings.md from the rules that an audit asks by default.

python docs/make_findings.py            rewrite the part between the markers
python docs/make_findings.py --check    exit 1 when the page is stale
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from estate_funds.audit.bank_rules import BANK_RULES
from estate_funds.audit.case_rules import CASE_RULES
from estate_funds.audit.catalogue import RULES
from estate_funds.audit.journal_rules import JOURNAL_RULES
from estate_funds.audit.rules import Rule

PAGE = Path(__file__).parent / "findings.md"
BEGIN, END = "<!-- rules:begin -->", "<!-- rules:end -->"
SECTIONS = {
    "Rules about the journal": JOURNAL_RULES,
    "Rules about the case": CASE_RULES,
    "Rules about the bank": BANK_RULES,
}


def render_rules() -> str:
    """A table for each family of rules, and one for those of the catalogue that are of none."""
    known = {rule.name for rules in SECTIONS.values() for rule in rules}
    others = tuple(rule for rule in RULES if rule.name not in known)
    parts = [f"{len(RULES)} rules are asked by default."]
    for title, rules in (SECTIONS | {"Other rules": others}).items():
        if rules:
            parts.append(f"### {title}\n\n{_table(rules)}")
    return "\n\n".join(parts)


def _table(rules: Sequence[Rule]) -> str:
    header = ("rule", "severity", "what it finds", "ground", "example", "what clears it", "needs")
    rows = [header, tuple("---" for _ in header), *map(_cells, rules)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cells(rule: Rule) -> tuple[str, ...]:
    needs = ", ".join(("the journal", *(f"the {name}" for name in rule.needs)))
    cells = (f"`{rule.name}`", rule.severity, rule.says, rule.clause, rule.example or "—", rule.clear, needs)
    return tuple(cell.replace("|", "\\|") for cell in cells)


def page_text(page: str) -> str:
    """The page with the part between the markers made anew; ValueError where a marker is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name}: wanted the markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{render_rules()}\n\n{END}{after}"


def main(check: bool) -> int:
    """Rewrite the page, or only say whether it is stale; the exit status."""
    held = PAGE.read_text(encoding="utf-8")
    made = page_text(held)
    if check:
        if held != made:
            print(f"{PAGE.name} is stale: run python docs/make_findings.py", file=sys.stderr)
        return int(held != made)
    PAGE.write_text(made, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
