"""Facts that a document asks for, what it derives from them, and the conditions it sets on them.

A *fact* is a dated value of a subject: an estate, a household, a work, a street. A *derived* fact is computed from
others: a rate of collection, a vote that passed, the class of an estate. A *condition* bounds a fact; 以上 and 以下
include the number (`at_least`, `at_most`), 超过 and 不满 exclude it (`above`, `below`): Civil Code 1259.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from estate_funds.policy.values import Cited, Day, Exact, Name, Names, Node, Positive, Sentence, as_tuple

YES, NO = "yes", "no"
NUMBERS = frozenset({"number", "yuan", "m2", "share"})
# What the register knows of every estate without being told: name -> type.
BUILT_IN = {
    "household": "number",
    "m2": "m2",
    "building": "number",
    "estate": "number",
    "each": "number",
    "floor_area_m2": "m2",
    "buildings": "number",
    "office_area_m2": "m2",
    "completed_on": "date",
    "renovated_on": "date",
    "service_start": "date",
    "gate": "choice",
    "started_on": "date",
    "score": "number",
}


class FactRule(Cited):
    """A fact that a case must bring, in facts.csv: whose, of which type, and whether each period has its own."""

    type: Literal["yes_no", "choice", "number", "yuan", "m2", "share", "date", "text"]
    of: Name = Field(default="estate", description="the kind of subject that has it, or a level such as street")
    text: Sentence
    values: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = ()
    each_period: bool = Field(default=False, description="each claim period has its own value")

    @model_validator(mode="after")
    def _choices(self) -> FactRule:
        if bool(self.values) != (self.type == "choice"):
            raise ValueError("values otherwise: wanted values for a choice, and for nothing else")
        return self


class Bounds(Node):
    """Bounds on one fact; several bounds hold together. `of` makes them shares of another fact."""

    fact: Name
    at_least: Exact | None = None
    above: Exact | None = None
    at_most: Exact | None = None
    below: Exact | None = None
    on_or_after: Day | None = None
    after: Day | None = None
    on_or_before: Day | None = None
    before: Day | None = None
    is_: Names | None = Field(default=None, alias="is")
    of: Name | None = Field(default=None, description="bounds are this share of that fact")
    rounded_to: Exact | None = Field(default=None, description="with `of`: the bound is rounded half-up to this step")

    @model_validator(mode="after")
    def _one_kind(self) -> Bounds:
        kinds = {"number": self.numbers, "date": self.days, "choice": {"is": self.is_} if self.is_ else {}}
        found = [kind for kind, bounds in kinds.items() if bounds]
        if len(found) != 1:
            names = "at_least, above, at_most, below; on_or_after, after, on_or_before, before; is"
            raise ValueError(f"{'no bound' if not found else 'bounds of two kinds'}: wanted one kind of {names}")
        if self.of is not None and found != ["number"]:
            raise ValueError("of beside a date or a choice: wanted it with a number")
        if self.rounded_to is not None and self.of is None:
            raise ValueError("rounded_to alone: wanted it with of")
        if self.fact in BUILT_IN and self.kind != kind_of(BUILT_IN[self.fact]):
            wanted = {"date": "a date", "number": "a number", "choice": "is = [...]"}[kind_of(BUILT_IN[self.fact])]
            raise ValueError(f"a bound of the other kind: wanted {wanted} for {self.fact}")
        low = max((b for n, b in self.numbers.items() if n in ("at_least", "above")), default=None)
        high = min((b for n, b in self.numbers.items() if n in ("at_most", "below")), default=None)
        if low is not None and high is not None and low > high:
            raise ValueError(f"from {low} to {high}: wanted a band that holds something")
        return self

    @property
    def numbers(self) -> dict[str, Exact]:
        """The bounds on a number, by name."""
        named = {"at_least": self.at_least, "above": self.above, "at_most": self.at_most, "below": self.below}
        return {name: bound for name, bound in named.items() if bound is not None}

    @property
    def days(self) -> dict[str, date]:
        """The bounds on a date, by name."""
        named = {
            "on_or_after": self.on_or_after,
            "after": self.after,
            "on_or_before": self.on_or_before,
            "before": self.before,
        }
        return {name: bound for name, bound in named.items() if bound is not None}

    @property
    def kind(self) -> str:
        """What the fact must be: number, date or choice."""
        return "number" if self.numbers else "date" if self.days else "choice"


def kind_of(type_: str) -> str:
    """Whether facts of a type are bounded as a number, a date or a choice."""
    return "number" if type_ in NUMBERS else "date" if type_ == "date" else "choice"


Conditions = Annotated[tuple[Bounds, ...], BeforeValidator(as_tuple)]


class Class(Node):
    """One class of a classification: the first whose conditions all hold; no conditions, all the rest."""

    is_: Name = Field(alias="is")
    when: Conditions = ()


class Valued(Node):
    """A number for what meets conditions: the first whose conditions all hold; no conditions, all the rest."""

    value: Exact
    when: Conditions = ()


class Steps(Node):
    """How many whole units of a size a number holds: 每1万㎡配1人，不足按1人 rounds up."""

    of: Name
    size: Positive
    round: Literal["up", "down"]


class Over(Node):
    """A sum over all subjects of a kind that belong to this one."""

    kind: Name
    fact: Name


class Derived(Cited):
    """A fact computed from others, in exactly one way; what is not known makes the result not known."""

    text: Sentence
    when: Conditions = Field(default=(), description="yes if all hold, else no")
    any_of: Annotated[tuple[Conditions, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="yes if all conditions of one group hold"
    )
    classes: Annotated[tuple[Class, ...], BeforeValidator(as_tuple)] = ()
    values: Annotated[tuple[Valued, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="a number by class"
    )
    steps: Steps | None = None
    sum_over: Over | None = None
    previous: Name | None = Field(default=None, description="the value of that fact in the period before")
    months_between: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="whole months from one date to another"
    )
    rank_of: Name | None = Field(default=None, description="the place among all of its kind, the highest first")
    within: Name | None = Field(
        default=None, description="with rank_of: among those of one unit of this level, or kind"
    )
    count_of: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = Field(default=(), description="how many are yes")
    sum_of: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = ()
    least_of: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = ()
    greatest_of: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = ()
    product_of: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = ()
    difference: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="the first less the others, never below 0"
    )
    ratio: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="the first / the second"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Derived:
        ways = [name for name in WAYS if getattr(self, name)]
        if len(ways) != 1:
            raise ValueError(f"{', '.join(ways) or 'nothing'} together: wanted exactly one of {', '.join(WAYS)}")
        if self.ratio and len(self.ratio) != 2:
            raise ValueError("ratio: wanted two facts, [part, whole]")
        if self.months_between and len(self.months_between) != 2:
            raise ValueError("months_between: wanted two facts, [from, to]")
        if self.within and not self.rank_of:
            raise ValueError("within alone: wanted it with rank_of")
        for conditions in ([c.when for c in self.classes], [v.when for v in self.values]):
            for position, when in enumerate(conditions):
                if not when and position + 1 < len(conditions):
                    raise ValueError(f"place {position + 1} takes all: wanted conditions, or the last place")
        return self

    @property
    def way(self) -> str:
        """The one way in which it is computed."""
        return next(name for name in WAYS if getattr(self, name))

    @property
    def type(self) -> str:
        """The type of the result."""
        return "choice" if self.way in ("when", "any_of", "classes") else "number"

    @property
    def wants(self) -> str:
        """The type of fact that it is computed from, where it is one: number, date or choice."""
        return {"months_between": "date", "count_of": "choice"}.get(self.way, "number" if self.way in NUMERIC else "")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The facts it is computed from."""
        groups = [self.when, *self.any_of, *(c.when for c in self.classes), *(v.when for v in self.values)]
        names = [name for group in groups for b in group for name in (b.fact, b.of) if name]
        single = self.rank_of or self.previous or (self.steps.of if self.steps else None)
        if single:
            return (single,)
        named = self.way in LISTS
        return tuple(dict.fromkeys([*names, *(getattr(self, self.way) if named else ())]))


WAYS = (
    "when",
    "any_of",
    "classes",
    "values",
    "steps",
    "sum_over",
    "previous",
    "months_between",
    "rank_of",
    "count_of",
    "sum_of",
    "least_of",
    "greatest_of",
    "product_of",
    "difference",
    "ratio",
)


LISTS = ("count_of", "sum_of", "least_of", "greatest_of", "product_of", "difference", "ratio", "months_between")
NUMERIC = ("sum_of", "least_of", "greatest_of", "product_of", "difference", "ratio", "rank_of", "steps", "previous")


class Requirement(Cited, Bounds):
    """A condition on everything that a document pays for, or on the provisions that it names.

    `refuse`: not met, nothing is due. `hold`: not met, it waits. `warn`: printed beside the claim.
    """

    otherwise: Literal["refuse", "hold", "warn"]
    provisions: Annotated[tuple[Name, ...], BeforeValidator(as_tuple)] = ()
