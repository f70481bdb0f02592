"""The language: one official document as data. Nothing here knows any document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from estate_funds.errors import PolicyError, UnknownClause, nearest
from estate_funds.policy.facts import BUILT_IN, Derived, FactRule, Requirement
from estate_funds.policy.fences import (
    Assumption,
    Boundary,
    Deadline,
    FundRule,
    IncomeRule,
    OncePer,
    Order,
    Party,
    Powers,
    Rhythm,
    Setting,
    Stage,
    TransferRule,
    Uncomputed,
)
from estate_funds.policy.sums import Ceiling, Once, Provision
from estate_funds.policy.values import LEVELS, Cited, Name, NearDay, Node, Sentence, as_tuple


class KindRule(Cited):
    """A kind of subject that is neither an estate nor a level: a work, an incident, a post."""

    text: Sentence
    part_of: Name | None = Field(default=None, description="the kind that it is a part of")


class Territory(Cited):
    """Where a document holds: units of one level, by name; without it, everywhere in the case."""

    level: Literal["city", "district", "street", "community", "estate"]
    names: Annotated[tuple[Sentence, ...], BeforeValidator(as_tuple), Field(min_length=1)]


class Document(Node):
    """One official document as data."""

    format: Literal[1]
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    number: Sentence
    title: Sentence
    issuer: Sentence
    start: NearDay = Field(alias="from")
    until: NearDay | None = None
    reviewed_on: NearDay | None = Field(default=None, description="the day on which somebody last held it to its text")
    over: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="documents whose provisions and funds of the same name this one replaces"
    )
    territory: Territory | None = None
    clause: Sentence
    clauses: dict[str, Sentence] = Field(min_length=1)
    assumptions: Annotated[tuple[Assumption, ...], BeforeValidator(as_tuple)] = ()
    settings: dict[Name, Setting] = {}
    parties: dict[Name, Party] = {}
    kinds: dict[Name, KindRule] = {}
    facts: dict[Name, FactRule] = {}
    derived: dict[Name, Derived] = {}
    requirements: Annotated[tuple[Requirement, ...], BeforeValidator(as_tuple)] = ()
    boundary: Boundary | None = None
    acting_committee: Powers | None = None
    fees: OncePer | None = None
    provisions: dict[Name, Provision] = {}
    ceilings: Annotated[tuple[Ceiling, ...], BeforeValidator(as_tuple)] = ()
    once: Annotated[tuple[Once, ...], BeforeValidator(as_tuple)] = ()
    funds: dict[Name, FundRule] = {}
    transfers: dict[Name, TransferRule] = {}
    incomes: Annotated[tuple[IncomeRule, ...], BeforeValidator(as_tuple)] = ()
    deadlines: dict[Name, Deadline] = {}
    orders: dict[Name, Order] = {}
    stages: Annotated[tuple[Stage, ...], BeforeValidator(as_tuple)] = ()
    rhythms: dict[Name, Rhythm] = {}
    uncomputed: Annotated[tuple[Uncomputed, ...], BeforeValidator(as_tuple)] = ()

    @model_validator(mode="after")
    def _ordered(self) -> Document:
        if self.until is not None and self.until <= self.start:
            raise ValueError(f"until {self.until}: wanted a day after from, {self.start}")
        if self.id in self.over:
            raise ValueError(f"{self.id} over itself: wanted another document")
        return self

    _digest: str = PrivateAttr("")
    _text_digest: str = PrivateAttr("")
    _source: dict[str, Any] = PrivateAttr(default_factory=dict)  # as written, settings not yet put in
    _uses: dict[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)  # setting -> where it stands
    _chosen: dict[str, Any] = PrivateAttr(default_factory=dict)  # what a case has set

    @property
    def digest(self) -> str:
        """SHA-256 of the document's exact bytes, and of what a case has set in it."""
        return self._digest

    @property
    def text_digest(self) -> str:
        """SHA-256 of the document's exact bytes alone, to compare with a file."""
        return self._text_digest

    @property
    def written(self) -> dict[str, Any]:
        """The tables and values as the file has them, settings not yet put in."""
        return self._source

    def in_force(self, day: date) -> bool:
        """Whether the document holds on a day."""
        return self.start <= day and (self.until is None or day < self.until)

    def covers(self, units: Mapping[str, str]) -> bool:
        """Whether the document holds for what belongs to these units."""
        return self.territory is None or units.get(self.territory.level) in self.territory.names

    def provision(self, name: str) -> Provision:
        """The provision of that name; PolicyError with the nearest name otherwise."""
        if name not in self.provisions:
            raise PolicyError(f"{self.id} has no provision {name!r}", fix=nearest(name, self.provisions))
        return self.provisions[name]

    def fund(self, name: str) -> FundRule:
        """The fund of that name; PolicyError with the nearest name otherwise."""
        if name not in self.funds:
            raise PolicyError(f"{self.id} has no fund {name!r}", fix=nearest(name, self.funds))
        return self.funds[name]

    def quote(self, clause: str) -> str:
        """The text of a clause; UnknownClause otherwise."""
        if clause not in self.clauses:
            raise UnknownClause(f"{self.id} has no clause {clause!r}", fix=nearest(clause, self.clauses))
        return self.clauses[clause]

    def fact_type(self, name: str) -> str | None:
        """The type of a fact, declared, derived or built in; None for a name that is none."""
        if name in self.facts:
            return self.facts[name].type
        return self.derived[name].type if name in self.derived else BUILT_IN.get(name)

    def behind(self, names: Iterable[str]) -> list[str]:
        """Facts, with all that the derived ones among them are computed from."""
        found: dict[str, None] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = None
                waiting += self.derived[name].inputs if name in self.derived else ()
        return list(found)

    def settled(self, chosen: Mapping[str, object]) -> dict[str, Any]:
        """Every setting with the case's choice or its default; PolicyError for an unknown or a missing one."""
        for name in chosen:
            if name not in self.settings:
                raise PolicyError(f"{self.id} has no setting {name!r}", fix=nearest(name, self.settings))
        values = {}
        for name, setting in self.settings.items():
            value: Any = chosen.get(name, setting.default)
            if value is None:
                raise PolicyError(
                    f"the setting {name!r} is not set",
                    clause=f"{self.id} {setting.clause}",
                    wanted=setting.text,
                    fix=f"write {name} = ... under [settings] in case.toml",
                )
            if wrong := setting.problem(value):
                raise PolicyError(
                    f"the setting {name!r} is not of its kind, {setting.kind}",
                    clause=f"{self.id} {setting.clause}",
                    got=repr(value),
                    wanted=wrong,
                )
            values[name] = tuple(value) if isinstance(value, list) else value
        return values

    def assumptions_for(self, provision: Provision) -> list[Assumption]:
        """The assumptions that touch a provision, and the defaults that stand in it unset.

        By rule, by clause, or, where an assumption names no rule, all of them.
        """
        stated = [
            a
            for a in self.assumptions
            if not a.rules
            or set(a.rules) & set(provision.rules)
            or (a.clause == provision.clause and not provision.rules)
        ]
        return stated + list(self._defaults_in(provision))

    def _defaults_in(self, provision: Provision) -> Iterator[Assumption]:
        own = {name for name, p in self.provisions.items() if p is provision}
        touching = {f"requirements[{n}].": r.provisions for n, r in enumerate(self.requirements)}
        touching |= {f"ceilings[{n}].": c.provisions for n, c in enumerate(self.ceilings)}
        places = ["derived.", *(f"provisions.{name}." for name in own)]
        places += [place for place, names in touching.items() if not names or own & {*names}]
        places += [f"funds.{fund}." for fund in (provision.pays_from, provision.pays_into) if fund]
        for name, setting in self.settings.items():
            used = any(path.startswith(place) for path in self._uses.get(name, ()) for place in places)
            if used and name not in self._chosen:
                taken = setting.stand_in
                shown = ", ".join(taken) if isinstance(taken, list | tuple) else taken
                text = f"{name} is left open and not set: taken as {shown}. {setting.text}"
                yield Assumption(clause=setting.clause, rules=setting.rules, text=text)

    def kinds_above(self, kind: str) -> list[str]:
        """A kind and what contains it: the kinds it is part of, its estate, its levels."""
        if kind in LEVELS:
            return list(reversed(LEVELS[: LEVELS.index(kind) + 1]))
        chain = [kind]
        while chain[-1] in self.kinds and self.kinds[chain[-1]].part_of and len(chain) <= len(self.kinds):
            chain.append(str(self.kinds[chain[-1]].part_of))
        return chain + [level for level in reversed(LEVELS) if level not in chain]


__all__ = ["LEVELS", "Document", "KindRule"]
