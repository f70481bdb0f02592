"""A provision of a case, compiled for rows of households.

Two ways a register is paid for. Where the document counts the households of an estate (`counted`), a row is worth what
it adds to its estate's claims. Where each household, house or other kind has a claim of its own (`own`), a row is the
subject. Either way the plain `assess` says what one row of each kind is owed, and the columns only look it up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa

from estate_funds.assess import Claims, assess
from estate_funds.assess.walk import Walk
from estate_funds.bulk.coding import DayCodes, Place, asked_names, in_batch, used_names
from estate_funds.bulk.counted import Appraiser, Worth, alone
from estate_funds.bulk.own import Owed
from estate_funds.bulk.result import Result
from estate_funds.bulk.rows import Rows, fields_of
from estate_funds.bulk.wanted import STAYS, Wanted
from estate_funds.calendar import Months
from estate_funds.case import Case
from estate_funds.errors import BulkError, CaseError, InputError, nearest
from estate_funds.policy import LEVELS, Ceiling, Document, Once
from estate_funds.registry import Assessments, Estate, Headcount, Registry


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
    worth: Worth | None  # of a household that an estate counts
    owed: Owed | None  # of a row that has a claim of its own
    rests_on: tuple[str, ...] = ()  # columns without which nothing is priced
    walk: Walk | None = field(default=None, repr=False, compare=False)

    @property
    def in_columns(self) -> bool:
        """Whether rows are assessed in columns; else each distinct row by itself, some thousand a second."""
        return self.owed is None or self.owed.in_columns

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "walk": None}  # a worker needs no register

    def assess(self, batch: pa.RecordBatch, *, place: Place = in_batch) -> Result:
        """What each row is owed in the window.

        `batch` has the columns of `columns`, ids of estates as strings or dictionary-encoded. Raises ColumnError, and
        CellError for the first wrong cell, at `place(row, column)`, rows from 0.
        """
        if not isinstance(batch, pa.RecordBatch):
            got, fix = type(batch).__name__, "a table has them: table.to_batches()"
            raise InputError("not a batch of rows", got=got, wanted="a pyarrow.RecordBatch", fix=fix)
        how = self.worth if self.worth is not None else self.owed
        assert how is not None
        return how.assess(batch, place)

    def explain(self, row: Mapping[str, object]) -> str:
        """The claims of one row, every line with clause, inputs and arithmetic, as the plain `assess` explains them.

        `row` has the values of `columns` by name: texts, days, exact numbers; InputError for one of another kind. Of a
        household that an estate counts, the claims of the estate are shown as if it had no other.
        """
        if self.walk is None:
            raise BulkError("this program came from another process", fix="explain where it was compiled")
        for column in self.columns:
            _check_value(column, row.get(column.name))
        return "\n".join(claim.explain() for claim in self._claims(row))

    def _claims(self, row: Mapping[str, object]) -> Claims:
        assert self.walk is not None
        estates = self.walk.registry.estates
        name = str(row.get("estate_id") or "")
        if estates and name not in estates:
            raise CaseError(f"there is no estate {name!r}", fix=nearest(name, estates))
        if self.owed is not None:
            walk = Rows(self.walk, self.owed.fields).walk(estates.get(name), row)
        else:
            walk = _with_row(self.walk, estates[name], row)
        return assess(
            walk.document, walk.provision_id, walk.registry, walk.assessments,
            window=self.window, above=walk.above, below=walk.below,
        )  # fmt: skip


def _check_value(column: Wanted, value: object) -> None:
    """InputError for a value of another kind than the column's."""
    kind = column.type
    if pa.types.is_date32(kind):
        fits, wanted = isinstance(value, date) and not isinstance(value, datetime), "a datetime.date"
    elif pa.types.is_string(kind):
        fits, wanted = isinstance(value, str), "a text"
    elif pa.types.is_boolean(kind):
        fits, wanted = isinstance(value, bool), "True or False"
    else:
        fits, wanted = isinstance(value, (int, Decimal, Fraction)), "an int, Decimal or Fraction"
    if value is not None and not fits:
        raise InputError("not a value of the column", where=column.name, got=repr(value), wanted=f"{wanted}, or None")


def _with_row(walk: Walk, estate: Estate, row: Mapping[str, object]) -> Walk:
    """The walk over an estate that has one household, from its first day on to its last."""
    walk = alone(walk, estate)
    first, last = row.get("registered_on"), row.get("removed_on")
    changes = {first: 1, **({last: -1} if last else {})}
    counts = {estate.estate_id: Headcount.from_changes(changes)}  # type: ignore[arg-type]
    return replace(walk, registry=replace(walk.registry, headcounts=counts))


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
    _check_alone([*case.documents.values()], name, provision)
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


def compile_document(document: Document, provision_id: str, *, window: Months) -> Program:
    """A provision of a document without a case: rows have no estate, and totals stand under the estate "".

    Such a row lies in a city, district, street and community that are no particular ones. BulkError where estates are
    paid, or the document holds only in some places.
    """
    where = f"{document.id} {provision_id}"
    if document.provision(provision_id).each == "estate":
        raise BulkError(
            "an estate is paid by its households", where=where, wanted="a case, which has estates", fix="compile_case"
        )
    if document.territory is not None:
        raise BulkError(
            "the document holds only in some places", where=where, got=", ".join(document.territory.names),
            wanted="a case, which says where estates lie", fix="compile_case",
        )  # fmt: skip
    return compile_provision(document, provision_id, Registry({}, {}), Assessments(), window=window)


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
    if not isinstance(window, Months):
        wanted, fix = "a calendar.Months", 'Months.parse("2024-01..2024-12")'
        raise InputError("not a window of months", got=repr(window), wanted=wanted, fix=fix)
    provision = document.provision(provision_id)
    walk = Walk(document, provision_id, provision, registry, assessments, tuple(above), tuple(below))
    used = used_names(document, provision_id, provision)
    _check_alone([document], document.id, provision_id)
    _check(walk, used)
    worth, owed = None, None
    columns: tuple[Wanted, ...] = STAYS if registry.estates else STAYS[1:]
    days = DayCodes.of(walk, window, used)
    if provision.each == "estate":
        worth = Appraiser(walk, window, days, used).worth()
    else:
        columns = (*columns, *(field.wanted for field in fields_of(walk, window, used)))
        owed = Owed.of(walk, window, days, used)
    return Program(
        document=document.id,
        provision=provision_id,
        window=window,
        columns=columns,
        payers=tuple(dict.fromkeys(payer for split in provision.payers for payer in split.payers)),
        digest=_digest(walk, window),
        worth=worth,
        owed=owed,
        rests_on=tuple(_priced_by(walk, columns)) if owed is not None else (),
        walk=walk,
    )


def _priced_by(walk: Walk, columns: Sequence[Wanted]) -> Iterator[str]:
    """The columns behind what the rates multiply."""
    behind = {*walk.document.behind(sorted({rate.unit.base for rate in walk.provision.rate}))}
    areas = {"floor_area_m2", "area_m2"} if "m2" in behind else set()
    for column in columns:
        if column.name.partition("@")[0] in behind | areas:
            yield column.name


def _digest(walk: Walk, window: Months) -> str:
    told = [walk.provision_id, str(window), *(d.digest for d in (walk.document, *walk.above, *walk.below))]
    told.append(walk.registry.digest)
    for key in sorted(walk.assessments):
        one = walk.assessments[key]
        told.append(f"{key}\t{one.result}\t{one.result_on}\t{one.score}")
    return "sha256:" + hashlib.sha256("\n".join(told).encode()).hexdigest()


# --- what cannot be compiled ------------------------------------------------------------------------------------------

_AS_CASE = "assess it as a case: estate-funds run"


def _check_alone(documents: Sequence[Document], document: str, provision: str) -> None:
    """BulkError for a provision whose claims are bounded together with others."""
    for one in documents:
        own = {f"{document}/{provision}", *([provision] if one.id == document else ())}
        over: list[Ceiling | Once] = [*one.ceilings, *one.once]
        for rule in over:
            if own & {*rule.provisions}:
                raise BulkError(
                    "a ceiling, or a key that is paid once, over several claims",
                    where=f"{document} {provision}",
                    got=f"{one.id} {rule.clause}: {', '.join(rule.provisions)}",
                    fix=_AS_CASE,
                )


def _check(walk: Walk, used: Sequence[str]) -> None:
    """BulkError for what makes one row depend on others, or on what does not stand in rows."""
    document, provision = walk.document, walk.provision
    where = f"{document.id} {walk.provision_id}"
    if provision.sum != "rate_times_base":
        raise BulkError("a total that is divided, no rate x base", where=where, fix="divide it: bulk.divide")
    if provision.each in LEVELS[:-1]:
        raise BulkError(f"a {provision.each} is paid, which is no row", where=where, fix=_AS_CASE)
    for name in used:
        if name in document.derived and document.derived[name].way in ("sum_over", "rank_of"):
            raise BulkError(f"{name} depends on others than the row", where=where, fix=_AS_CASE)
    if provision.advance is not None:
        raise BulkError("an advance, which depends on what was known when", where=where, fix=_AS_CASE)
    if provision.each == "estate":
        _check_counted(walk, where)
    elif provision.each != "household" and "household" in used:
        raise BulkError("the number of households of an estate, which is no row's", where=where, fix=_AS_CASE)
    elif walk.assessed or "score" in used:
        units = {*walk.registry.estates, *walk.registry.units}
        own = next((one.subject_id for one in walk.assessments.values() if one.subject_id not in units), None)
        if own or provision.claim_period == "service_year":
            wanted = "results by estate and calendar year: rows have no columns for results of their own"
            raise BulkError("rows are assessed one by one", where=where, got=own, wanted=wanted, fix=_AS_CASE)


def _check_counted(walk: Walk, where: str) -> None:
    """What an estate is owed is a sum over its households: nothing bounds it, and nothing asks how many there are."""
    provision = walk.provision
    bases = {rate.unit.base for rate in provision.rate}
    if bases != {"household"}:
        wanted = "household: what else an estate is paid by does not stand in its rows"
        got = sorted(bases)
        raise BulkError("the base is no number of households", where=where, got=got, wanted=wanted, fix=_AS_CASE)
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
        raise BulkError("what an estate is owed is no sum over its households", where=where, got=found, fix=_AS_CASE)
    if "household" in walk.document.behind(asked_names(walk.document, walk.provision_id, provision)):
        raise BulkError("a condition on the number of households", where=where, fix=_AS_CASE)
