"""A provision of a case, compiled for rows of households.

Two ways a register is paid for. Where the document counts the households of an estate (`counted`), a row is worth what
it adds to its estate's claims. Where each household, house or other kind has a claim of its own (`own`), a row is the
subject. Either way the plain `assess` says what one row of each kind is owed, and the columns only look it up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from estate_funds.assess import assess
from estate_funds.assess.walk import Walk
from estate_funds.bulk.coding import DayCodes, Place, in_batch, used_names
from estate_funds.bulk.counted import Appraiser, Worth, alone, assess_counted
from estate_funds.bulk.own import Owed, own_columns, own_row
from estate_funds.bulk.result import Result
from estate_funds.bulk.wanted import Wanted
from estate_funds.calendar import Months
from estate_funds.case import Case
from estate_funds.errors import BulkError, CaseError, nearest
from estate_funds.policy import Document
from estate_funds.registry import Assessments, Headcount, Registry

_BASE = (
    Wanted("estate_id", pa.string(), "an estate_id of estates.csv"),
    Wanted("registered_on", pa.date32(), "first day in the register"),
    Wanted("removed_on", pa.date32(), "first day no longer in it; null while it is", required=False),
)


@dataclass(frozen=True)
class Program:
    """A compiled provision: what it wants to know of a row, who pays, and what a row is owed.

    `digest` binds what it rests on: documents, estates, assessments, facts, provision, window. Programs travel to other
    processes; there they assess, and only the one that was compiled here explains.
    """

    document: str
    provision: str
    window: Months
    columns: tuple[Wanted, ...]
    payers: tuple[str, ...]
    digest: str
    ids: pa.Array  # of estates, string
    worth: Worth | None  # of a household that an estate counts
    owed: Owed | None  # of a row that has a claim of its own
    walk: Walk | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "walk": None}  # a worker needs no register

    def assess(self, batch: pa.RecordBatch, *, place: Place = in_batch) -> Result:
        """What each row is owed in the window.

        `batch` has the columns of `columns`, ids of estates as strings or dictionary-encoded. Raises ColumnError, and
        CellError for the first wrong cell, at `place(row, column)`, rows from 0.
        """
        if self.worth is not None:
            return assess_counted(self.worth, self.ids, batch, place)
        assert self.owed is not None
        return self.owed.assess(self.ids, batch, place)

    def explain(self, row: Mapping[str, object]) -> str:
        """The claims of one row, every line with clause, inputs and arithmetic, as the plain `assess` explains them.

        `row` has the values of `columns` by name: texts, days, exact numbers. Of a household that an estate counts, the
        claims of the estate are shown as if it had no other.
        """
        if self.walk is None:
            raise BulkError("this program came from another process", fix="explain where it was compiled")
        return "\n".join(claim.explain() for claim in self._claims(row))

    def _claims(self, row: Mapping[str, object]) -> Sequence[Any]:
        assert self.walk is not None
        walk = self.walk
        if self.owed is not None:
            walk = own_row(walk, row)
        else:
            estates = walk.registry.estates
            name = str(row.get("estate_id"))
            if name not in estates:
                raise CaseError(f"there is no estate {name!r}", fix=nearest(name, estates))
            walk = alone(walk, estates[name])
            first, last = row.get("registered_on"), row.get("removed_on")
            changes = {first: 1, **({last: -1} if last else {})}
            counts = {name: Headcount.from_changes(changes)}  # type: ignore[arg-type]
            walk = replace(walk, registry=replace(walk.registry, headcounts=counts))
        return assess(
            walk.document, walk.provision_id, walk.registry, walk.assessments,
            window=self.window, above=walk.above, below=walk.below,
        )  # fmt: skip


def compile_case(case: Case, claim: str = "", *, window: Months | None = None) -> Program:
    """A claim of a case, `document/provision`, compiled; the only one where none is named, over the case's periods.

    BulkError for a provision that no rows can be assessed by one by one; CaseError for a claim that the case has not.
    """
    claims = list(case.file.claims)
    if not claim and len(claims) == 1:
        (claim,) = claims
    if claim not in claims:
        raise CaseError(
            "the case makes no such claim" if claim else "the case makes several claims",
            got=claim or None,
            wanted=f"one of {', '.join(claims)}",
            fix=nearest(claim, claims) if claim else "name one: --claim",
        )
    name, provision = claim.split("/")
    beside = [d for d in case.documents.values() if provision in d.provisions]
    document = case.documents[name]
    return compile_provision(
        document,
        provision,
        case.registry,
        case.assessments,
        window=window or Months(case.file.periods.first, case.file.periods.last + 1),
        above=[d for d in beside if document.id in d.over],
        below=[d for d in beside if d.id in document.over],
    )


def compile_provision(
    document: Document,
    provision_id: str,
    registry: Registry,
    assessments: Assessments,
    *,
    window: Months,
    above: Sequence[Document] = (),
    below: Sequence[Document] = (),
) -> Program:
    """The same for a provision, an estate register, and assessments: see `assess`, which it is held equal to."""
    provision = document.provision(provision_id)
    walk = Walk(document, provision_id, provision, registry, assessments, tuple(above), tuple(below))
    used = used_names(document, provision_id, provision)
    _check(walk, used)
    payers = tuple(dict.fromkeys(payer for split in provision.payers for payer in split.payers))
    worth, owed = None, None
    columns: tuple[Wanted, ...] = _BASE if registry.estates else _BASE[1:]
    days = DayCodes.of(walk, window, used)
    if provision.each == "estate":
        worth = Appraiser(walk, window, days, used).worth()
    else:
        columns = (*columns, *own_columns(walk, used))
        owed = Owed.of(walk, window, days, used)
    ids = pa.array(list(registry.estates), pa.string())
    digest = _digest(walk, window)
    return Program(document.id, provision_id, window, columns, payers, digest, ids, worth, owed, walk)


def _digest(walk: Walk, window: Months) -> str:
    told = [walk.provision_id, str(window), *(d.digest for d in (walk.document, *walk.above, *walk.below))]
    told.append(walk.registry.digest)
    for key in sorted(walk.assessments):
        one = walk.assessments[key]
        told.append(f"{key}\t{one.result}\t{one.result_on}\t{one.score}")
    return "sha256:" + hashlib.sha256("\n".join(told).encode()).hexdigest()


def _check(walk: Walk, used: Sequence[str]) -> None:
    """BulkError for what makes one row depend on others, or a claim on other claims."""
    document, provision = walk.document, walk.provision
    where, fix = f"{document.id} {walk.provision_id}", "assess it as a case: estate-funds run"
    names = {walk.provision_id, f"{document.id}/{walk.provision_id}"}
    if provision.sum != "rate_times_base":
        raise BulkError("a total that is divided, no rate x base", where=where, fix="divide it: bulk.divide")
    over_several = [rule.provisions for rule in document.ceilings] + [rule.provisions for rule in document.once]
    for listed in over_several:
        if names & {*listed}:
            raise BulkError("a ceiling, or a key that is paid once, over several claims", where=where, fix=fix)
    for name in used:
        if name in document.derived and document.derived[name].way in ("sum_over", "rank_of"):
            raise BulkError(f"{name} depends on others than the row", where=where, fix=fix)
    if provision.advance is not None:
        raise BulkError("an advance, which depends on what was known when", where=where, fix=fix)
    if provision.each == "estate":
        _check_counted(walk, where, fix)


def _check_counted(walk: Walk, where: str, fix: str) -> None:
    """What an estate is owed is a sum over its households: nothing bounds it, and nothing asks how many there are."""
    document, provision = walk.document, walk.provision
    bases = {rate.unit.base for rate in provision.rate}
    if bases != {"household"}:
        wanted = "household: what else an estate is paid by does not stand in its rows"
        raise BulkError("the base is no number of households", where=where, got=sorted(bases), wanted=wanted, fix=fix)
    splits = provision.payers
    bound = {
        "a cap": bool(provision.caps),
        "a floor": bool(provision.floors),
        "slices": any(rate.slices for rate in provision.rate),
        "base_at_most": any(rate.base_at_most for rate in provision.rate),
        "a first part": any(split.first for split in splits),
        "matching": any(split.matching for split in splits),
    }
    if found := [name for name, there in bound.items() if there]:
        raise BulkError("what an estate is owed is no sum over its households", where=where, got=found, fix=fix)
    asked = [b for rate in provision.rate for tier in rate.tiers for b in tier.when]
    asked += [b for split in splits for b in split.when] + [*provision.applies_to]
    asked += [r for r in document.requirements if not r.provisions or walk.provision_id in r.provisions]
    names = [name for b in asked for name in (b.fact, b.of) if name]
    names += [provision.gate.fact] if provision.gate and provision.gate.fact != "assessment" else []
    if "household" in document.behind(names):
        raise BulkError("a condition on the number of households", where=where, fix=fix)
