"""What would be owed if a value, a fact or a whole document were another: base, variant, difference. Nothing is posted.

variant = with_changes(case, ['provisions.award.rate[0].tiers[0].value=20.00'])
print(compare(case, variant).to_text())

A change is PATH=VALUE. PATH is `<document>/<key path>`, or the key path alone where the case has one document;
`settings.<document>.<name>` for what the case sets; `facts.<subject>.<fact>` or `facts.<subject>.<fact>@<period>`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from estate_funds.assess import Claim, Claims
from estate_funds.case import Case
from estate_funds.errors import CaseError, PolicyError, nearest
from estate_funds.exchange.facts import parse_fact
from estate_funds.load import bind_documents
from estate_funds.money import format_yuan
from estate_funds.policy import Document, bind, read_toml, with_values
from estate_funds.registry import Fact, Facts, Registry
from estate_funds.text import counted, table

MANY = 12  # so many rows of estates are printed; JSON has all of them
_TEXT_KINDS = ("amount", "share", "number")  # settings that are exact numbers, written in quotes


def with_changes(case: Case, changes: Sequence[str], documents: Sequence[Document] = ()) -> Case:
    """The case with other documents of the same id, then with changes, all at once: shares may be moved together.

    Raises CaseError or PolicyError for a path that leads nowhere, with the nearest, and for a value that does not fit.
    """
    case = _with_documents(case, documents)
    values: dict[str, dict[str, object]] = {}
    settings: dict[str, dict[str, Any]] = {}
    facts: list[tuple[str, str]] = []
    for change in changes:
        path, sign, text = change.partition("=")
        if not sign or not path.strip():
            raise CaseError("not a change", got=repr(change), wanted="PATH=VALUE")
        path, text = path.strip(), text.strip()
        if path.startswith("facts.") and not _declares(case, path):
            facts.append((path, text))
        elif found := _setting(case, path):
            document, name = found
            settings.setdefault(document.id, {})[name] = _setting_value(document, name, text)
        else:
            document, key = _place(case, path)
            values.setdefault(document.id, {})[key] = _value(document, key, text)
    made = {name: _revalued(d, values, settings, case) for name, d in case.documents.items()}
    chosen = {name: {**case.file.settings.get(name, {}), **settings.get(name, {})} for name in case.documents}
    file = case.file.model_copy(update={"settings": {name: told for name, told in chosen.items() if told}})
    case = replace(case, file=file, documents=made)
    return replace(case, registry=_with_facts(case, facts)) if facts else case


@dataclass(frozen=True)
class Comparison:
    """Two sets of claims side by side; amounts in fen."""

    base: Claims
    variant: Claims

    def by(self, key: Callable[[Claim], str]) -> dict[str, tuple[int, int]]:
        """What is due in base and variant, by a key of claims, in order of the key."""
        sums: dict[str, list[int]] = {}
        for side, claims in enumerate((self.base, self.variant)):
            for claim in claims:
                sums.setdefault(key(claim), [0, 0])[side] += claim.amount_fen
        return {name: (base, variant) for name, (base, variant) in sorted(sums.items())}

    @property
    def by_payer(self) -> dict[str, tuple[int, int]]:
        """By who pays."""
        base, variant = self.base.shares, self.variant.shares
        return {payer: (base.get(payer, 0), variant.get(payer, 0)) for payer in dict.fromkeys([*base, *variant])}

    @property
    def by_year(self) -> dict[str, tuple[int, int]]:
        """By the calendar year in which the claim period begins."""
        return self.by(lambda claim: str(claim.months.start.year))

    @property
    def by_estate(self) -> dict[str, tuple[int, int]]:
        """By estate; by unit or subject for what belongs to no estate."""
        return self.by(lambda claim: claim.subject.units.get("estate", claim.subject.subject_id))

    @property
    def by_provision(self) -> dict[str, tuple[int, int]]:
        """By provision."""
        return self.by(lambda claim: f"{claim.document}/{claim.provision_id}")

    @property
    def totals(self) -> dict[str, tuple[int, int]]:
        """What is due, and what more would be if every missing fact turned out well."""
        due = self.base.amount_fen, self.variant.amount_fen
        return {"due": due, "pending": (self.base.potential_fen - due[0], self.variant.potential_fen - due[1])}

    def to_text(self) -> str:
        """Tables in yuan: by payer, year, provision and estate, then the totals."""
        blocks = [
            _table("payer", self.by_payer),
            _table("year", self.by_year),
            _table("provision", self.by_provision),
            self._estates(),
            _table("total", self.totals),
        ]
        return "\n\n".join(blocks)

    def _estates(self) -> str:
        rows = self.by_estate
        if len(rows) <= MANY:
            return _table("for", rows)
        changed = {name: pair for name, pair in rows.items() if pair[0] != pair[1]}
        most = sorted(changed, key=lambda name: (-abs(changed[name][1] - changed[name][0]), name))[:MANY]
        shown = _table("for", {name: changed[name] for name in most}) if most else "  for"
        return f"{shown}\n  {counted(len(changed), 'estate')} of {len(rows):,} differ; those that differ most are shown"

    def to_json(self) -> dict[str, Any]:
        """The same in fen: `base`, `variant` and `difference` by payer, year, provision, estate, and in total."""
        groups = {
            "by_payer": self.by_payer,
            "by_year": self.by_year,
            "by_provision": self.by_provision,
            "by_estate": self.by_estate,
            "totals": self.totals,
        }
        return {
            group: {name: {"base": a, "variant": b, "difference": b - a} for name, (a, b) in rows.items()}
            for group, rows in groups.items()
        }


def compare(base: Case, variant: Case) -> Comparison:
    """The claims of two cases side by side."""
    return Comparison(base.claims, variant.claims)


def _table(title: str, rows: Mapping[str, tuple[int, int]]) -> str:
    header = (title, "base", "variant", "difference")
    cells = [(name, format_yuan(a), format_yuan(b), _signed(b - a)) for name, (a, b) in rows.items()]
    return table([header, *cells], right=[1, 2, 3])


def _signed(fen: int) -> str:
    return f"{'+' if fen > 0 else ''}{format_yuan(fen)}"


def _with_documents(case: Case, documents: Sequence[Document]) -> Case:
    """The case with other documents of the same id, the case's settings in them."""
    held = dict(case.documents)
    for document in documents:
        if document.id not in held:
            fix = nearest(document.id, held)
            raise CaseError("the case has no document of this id", got=repr(document.id), fix=fix)
        for name, rule in document.facts.items():
            known = held[document.id].facts.get(name, rule)
            if (known.type, known.of, known.each_period) != (rule.type, rule.of, rule.each_period):
                raise CaseError(
                    f"the document declares the fact {name!r} otherwise than the case has read it",
                    got=f"{rule.type} of {rule.of}",
                    wanted=f"{known.type} of {known.of}",
                    fix="copy the case, name the document there, and compare the two",
                )
        held[document.id] = document
    return replace(case, documents=bind_documents(case.file, held)) if documents else case


def _revalued(
    document: Document, values: Mapping[str, dict[str, object]], settings: Mapping[str, dict[str, Any]], case: Case
) -> Document:
    if document.id in values:
        document = with_values(document, values[document.id])
    if document.id in settings:
        document = bind(document, {**case.file.settings.get(document.id, {}), **settings[document.id]})
    return document


# --- paths and values ---


def _place(case: Case, path: str) -> tuple[Document, str]:
    """The document and the key path within it."""
    name, slash, key = path.partition("/")
    if slash and name in case.documents:
        return case.documents[name], key
    if len(case.documents) == 1 and not slash:
        return next(iter(case.documents.values())), path
    places = [f"{known}/…" for known in case.documents]
    raise CaseError(
        "which document is meant?", got=repr(path), wanted=" or ".join(places), fix=nearest(name, case.documents)
    )


def _declares(case: Case, path: str) -> bool:
    """Whether `facts.x.y` is a key of the one document's own table [facts.x], and not a fact of a subject."""
    parts = path.split(".")
    told = [d.written.get("facts", {}) for d in case.documents.values()]
    return len(told) == 1 and len(parts) == 3 and parts[2] in told[0].get(parts[1], {})


def _setting(case: Case, path: str) -> tuple[Document, str] | None:
    """The document and the setting that `settings.<document>.<name>` means."""
    section, _, rest = path.partition(".")
    document, _, name = rest.partition(".")
    if section != "settings" or document not in case.documents:
        return None
    if name not in case.documents[document].settings:
        fix = nearest(name, case.documents[document].settings)
        raise PolicyError(f"{document} has no setting {name!r}", got=repr(path), fix=fix)
    return case.documents[document], name


def _setting_value(document: Document, name: str, text: str) -> Any:
    return _unquoted(text) if document.settings[name].kind in _TEXT_KINDS else _as_toml(text)


def _value(document: Document, key: str, text: str) -> object:
    """The text in the type of the value that it replaces: an exact number needs no quotes here."""
    held: Any = document.written
    for part in key.replace("]", "").replace("[", ".").split("."):
        try:
            held = held[int(part) if isinstance(held, list) else part]
        except (KeyError, IndexError, ValueError, TypeError):
            return text  # a path that leads nowhere: with_values says so, with the nearest
    if isinstance(held, dict) and set(held) == {"setting"}:
        raise PolicyError(
            "the document leaves this value to a setting",
            got=repr(key),
            fix=f"change settings.{document.id}.{held['setting']}",
        )
    return _unquoted(text) if isinstance(held, str) else _as_toml(text)


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def _as_toml(text: str) -> Any:
    try:
        return read_toml(f"value = {text}")["value"]
    except ValueError:
        return text


def _with_facts(case: Case, facts: Iterable[tuple[str, str]]) -> Registry:
    """The register with facts replaced or added; the day on which a fact was known stays."""
    held, registry = dict(case.registry.facts), case.registry
    rules = {known: rule for d in case.documents.values() for known, rule in d.facts.items()}
    for path, text in facts:
        whose, _, period = path.removeprefix("facts.").partition("@")
        subject, _, name = whose.rpartition(".")
        if name not in rules:
            what = "no document of the case asks for this fact"
            raise CaseError(what, got=repr(path), wanted="facts.<subject>.<fact>", fix=nearest(name, rules))
        found, rule = registry.subject(subject), rules[name]
        if found.kind != rule.of:
            raise CaseError(
                f"{name} is a fact of another kind", got=f"{subject}, a {found.kind}", wanted=f"a {rule.of}"
            )
        if rule.each_period != bool(period):
            wanted = f"{path}@<period>" if rule.each_period else path.partition("@")[0]
            raise CaseError("a period is missing, or one too many", got=repr(path), wanted=wanted)
        earlier = held.get((subject, name, period))
        value = parse_fact(rule, _unquoted(text), path)
        held[subject, name, period] = Fact(value, earlier.known_on if earlier else None, path)
    return registry.with_subjects(registry.subjects.values(), Facts((*key, fact) for key, fact in held.items()))
