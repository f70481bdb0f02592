"""Write docs/coverage.md: each rule of docs/rules.csv, and where the shipped documents compute or enforce it.

python docs/make_coverage.py            write the page
python docs/make_coverage.py --check    exit 1 when the page is stale

A rule is answered where a table of a document cites its id (`rules = ["C02"]`). An assumption alone answers none;
what a setting decides is answered where the setting stands.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from estate_funds import load_document
from estate_funds.load import shipped_documents
from estate_funds.policy import Document
from estate_funds.report.review import settings_in
from estate_funds.testing.worked_cases import read_worked_cases

DOCS = Path(__file__).parent
PAGE, RULES = DOCS / "coverage.md", DOCS / "rules.csv"
POLICIES = DOCS.parent / "src" / "estate_funds" / "policies"
# Sections of a document -> what citing a rule there means; the later of two statuses is the stronger.
STATUS = {
    "uncomputed": "listed",
    "deadlines": "deadline", "orders": "deadline",
    "stages": "deadline", "rhythms": "deadline", "pay_within": "deadline",
    "funds": "fund", "incomes": "fund", "transfers": "fund",
    "requirements": "gate", "derived": "gate", "facts": "gate", "boundary": "gate", "acting_committee": "gate",
    "fees": "gate", "gate": "gate", "once": "gate", "notice": "gate", "applications": "gate",
    "provisions": "computed", "ceilings": "computed",
}  # fmt: skip
ORDER = ("computed", "gate", "fund", "deadline", "listed")
# What the library keeps for every document, and no document needs a table for: rule -> (status, where).
KEPT_BY_CODE = {
    "C12": ("gate", "register", "an estate in two communities is refused, with both rows"),
}
Place = tuple[str, str, str]  # status, document, key path or reason


def rules() -> list[dict[str, str]]:
    """The rules: id, document, clause, text."""
    with RULES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def places() -> dict[str, list[Place]]:
    """Rule -> every place that answers it."""
    found: dict[str, list[Place]] = {rule: [place] for rule, place in KEPT_BY_CODE.items()}
    for name in shipped_documents():
        document = load_document(name)
        for rule, path in _cited(document):
            status = next((STATUS[part] for part in reversed(_parts(path)) if part in STATUS), None)
            if status:
                found.setdefault(rule, []).append((status, document.id, _where(document, path)))
    return found


def worked() -> dict[str, int]:
    """Rule -> how many worked cases cite it."""
    counts: dict[str, int] = {}
    for path in sorted(POLICIES.glob("*.cases.toml")):
        for case in read_worked_cases(path.read_text(encoding="utf-8"), source=path.name):
            for rule in case.rules:
                counts[rule] = counts.get(rule, 0) + 1
    return counts


def uncovered() -> list[str]:
    """The rules that nothing answers yet."""
    answered = places()
    return [rule["id"] for rule in rules() if rule["id"] not in answered]


def page_text() -> str:
    """The whole page."""
    listed, answered, counts = rules(), places(), worked()
    rows = "\n".join(_row(rule, answered.get(rule["id"], []), counts.get(rule["id"], 0)) for rule in listed)
    done = sum(rule["id"] in answered for rule in listed)
    alone = sum({status for status, *_ in answered.get(rule["id"], [])} == {"listed"} for rule in listed)
    return f"""# Coverage of the rules

Made by `python docs/make_coverage.py` from [rules.csv](rules.csv) and the shipped documents; do not edit it by hand.

Answered: {done} of {len(listed)}, of which {alone} are listed with the reason why nobody can compute them.

| status | means |
|---|---|
| computed | an amount rests on it: a provision or a ceiling cites it |
| gate | it decides whether something is paid or passes: a requirement, a derived fact, a check of the register |
| fund | it fences money: a fund, its permits, an income, a transfer |
| deadline | it sets a day: a deadline, a stage, a rhythm, a time limit for payment |
| listed | the document says it and nobody can compute it; the reason stands under `uncomputed` |
| not yet | nothing in the library claims to do it |

| rule | document and clause | status | where | worked cases | what the rule says |
|---|---|---|---|---|---|
{rows}
"""


def _row(rule: Mapping[str, str], found: list[Place], cases: int) -> str:
    statuses = [status for status in ORDER if any(status == s for s, *_ in found)]
    homes = dict.fromkeys(home for _, home, _ in found)
    where = "<br>".join(f"{home}: {_shortest([w for _, h, w in found if h == home])}" for home in homes)
    whence, status = f"{rule['document']} {rule['clause']}", ", ".join(statuses) or "not yet"
    cells = (rule["id"], whence, status, where or "—", str(cases or "—"), rule["text"])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cited(document: Document) -> Iterator[tuple[str, str]]:
    """(rule, key path) for each citation; one at a setting counts where the setting stands."""
    used: dict[str, list[str]] = {}
    for path, setting in settings_in({k: v for k, v in document.written.items() if k != "settings"}).items():
        used.setdefault(setting, []).append(path)
    for path, ids in _rules_in(document.written, ""):
        stands = used.get(path.split(".")[1], []) if path.startswith("settings.") else [path]
        for rule in ids:
            yield from ((rule, place) for place in stands)


def _rules_in(node: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(node, dict):
        if isinstance(node.get("rules"), list):
            yield path, node["rules"]
        for key, value in node.items():
            yield from _rules_in(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for n, value in enumerate(node):
            yield from _rules_in(value, f"{path}[{n}]")


def _parts(path: str) -> list[str]:
    """The sections on a path: the first key, and within a provision the table that is meant."""
    keys = [key.split("[")[0] for key in path.split(".")]
    return [keys[0], *keys[2:]] if keys[0] == "provisions" else keys[:1]


def _where(document: Document, path: str) -> str:
    """The key path, with the fact of a requirement; the reason, where a document lists what it does not compute."""
    section, _, rest = path.partition("[")
    if section not in ("uncomputed", "requirements"):
        return f"`{path}`"
    number = int(rest.partition("]")[0])
    if section == "uncomputed":
        return document.uncomputed[number].text
    return f"`requirements[{number}]` ({document.requirements[number].fact})"


def _shortest(found: list[str]) -> str:
    """Places in a row, without those inside another."""
    bare = [place.rstrip("`") for place in found]
    kept = [p for p, b in zip(found, bare, strict=True) if not any(b.startswith((o + ".", o + "[")) for o in bare)]
    return ", ".join(dict.fromkeys(kept))


def main(check: bool) -> int:
    """Write the page, or only say whether it is stale; the exit status."""
    made = page_text()
    if check:
        stale = not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != made
        if stale:
            print(f"{PAGE.name} is stale: run python docs/make_coverage.py", file=sys.stderr)
        return int(stale)
    PAGE.write_text(made, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
