"""From the results of a run to claims that the books take: the register as counts, assessed once more by the plain way.

Books hold claims of estates, not of households. So the rows are reduced to headcounts by estate and day, the plain
`assess` says what each estate is owed, and only where that is, to the fen, what the run came to, is there anything to
post.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.assess import Claim, Status
from estate_funds.bulk.coding import EPOCH
from estate_funds.bulk.files import Source
from estate_funds.bulk.reading import read
from estate_funds.bulk.summing import Summary
from estate_funds.bulk.wanted import STAYS
from estate_funds.calendar import Months
from estate_funds.case import Case
from estate_funds.errors import BulkError, InvariantBroken
from estate_funds.money import format_yuan
from estate_funds.registry import Headcount, Registry

_AT_ONCE = 1 << 22  # changes that are kept before they are added up
_LOW_32 = (1 << 32) - 1
Integers = npt.NDArray[np.int64]


def due_claims(case: Case, name: str, window: Months, source: Source, summary: Summary) -> list[Claim]:
    """The claims of estates that are due by the rows of a source, for the claim `document/provision` of a case.

    `summary` is that of a run over the same source. BulkError where the document pays each household, not the estate;
    InvariantBroken where the plain assess does not come to the fen to what the run did, by estate and month.
    """
    document, _, provision_id = name.partition("/")
    provision = case.documents[document].provision(provision_id)
    if provision.each != "estate":
        raise BulkError(
            f"the claims are those of each {provision.each}, and books take claims of estates",
            where=name,
            wanted="a provision that is claimed by the estate",
            fix="post the claims of a case with its households in it: estate-funds run",
        )
    if provision.claim_per not in (None, provision.each):
        raise BulkError(
            f"one claim stands for all estates of a {provision.claim_per}, and totals are those of each estate",
            where=name,
            fix="post the claims of a case with its households in it: estate-funds run",
        )
    claims = replace(case, registry=tied(case, source)).claims_of(name, window)
    owed: dict[tuple[str, str], int] = {}
    for claim in claims:
        key = claim.subject.subject_id, str(claim.months.start)
        owed[key] = owed.get(key, 0) + claim.amount_fen
    check_equal(owed, summary)
    return [claim for claim in claims if claim.status is Status.DUE]


def tied(case: Case, source: Source) -> Registry:
    """The register of a case with the rows of a source counted; an error where they do not tie, as `load_case` has it.

    ControlTotalError where estates declare other numbers of households, or a published total is another; CellError for
    an estate without a row, or whose area cannot be that of so many households.
    """
    register = case.registry
    counts = count_source(source, register.estates)
    subjects, facts = register.subjects.values(), register.facts
    found = Registry.build(register.estates, counts, source="estates.csv", subjects=subjects, facts=facts)
    if (published := case.file.control_totals) is not None:
        found.tie_to(published.as_totals(), source=f"case.toml, control_totals ({published.source})")
    return found


def check_equal(owed: Mapping[tuple[str, str], int], summary: Summary) -> None:
    """InvariantBroken unless estates are owed, by month in which the period begins, what a run came to."""
    came_to: dict[tuple[str, str], int] = {}
    for (estate_id, month, what), fen in summary.owed.by.items():
        if what in summary.payers:
            came_to[estate_id, month] = came_to.get((estate_id, month), 0) + fen
    for key in sorted({*owed, *came_to}):
        plain, bulk = owed.get(key, 0), came_to.get(key, 0)
        if plain != bulk:
            raise InvariantBroken(
                f"estate {key[0]}, period from {key[1]}: {format_yuan(plain)} yuan by its headcounts, "
                f"{format_yuan(bulk)} by its rows; nothing was posted"
            )


def count_source(source: Source, estates: Mapping[str, object]) -> dict[str, Headcount]:
    """Headcounts by estate of all rows of a source, in columns; rows of estates that no register has are left out."""
    known, kept = list(estates), _Changes()
    names = pa.array(known, pa.string())
    for partition in source.partitions:
        for block in read(source.filesystem, partition, STAYS, source.names):
            places = pc.index_in(block.columns["estate_id"], value_set=names).cast(pa.int64())
            for name, sign in (("registered_on", 1), ("removed_on", -1)):
                days = block.columns[name].cast(pa.int32()).cast(pa.int64())
                keys = pc.drop_null(pc.add(pc.shift_left(places, 32), pc.add(days, EPOCH)))
                kept.add(np.asarray(keys), sign)
    return _headcounts(*kept.added_up(), known)


class _Changes:
    """Arrivals and departures by estate and day, which are added up when they become many.

    The key of a change is one int64: the estate's position, then the day's ordinal in the low 32 bits.
    """

    def __init__(self) -> None:
        self._parts: list[tuple[Integers, Integers]] = []
        self._held, self._least = 0, 0

    def add(self, keys: Integers, sign: int) -> None:
        """One change for each key: somebody came (1), or left (-1)."""
        found, number = np.unique(keys, return_counts=True)
        self._parts.append((found, sign * number.astype(np.int64)))
        self._held += len(found)
        if self._held > max(_AT_ONCE, 2 * self._least):
            self._parts = [self.added_up()]
            self._held = self._least = len(self._parts[0][0])

    def added_up(self) -> tuple[Integers, Integers]:
        """Each key once, in order, and how many came less how many left."""
        keys = np.concatenate([np.empty(0, np.int64), *(part for part, _ in self._parts)])
        numbers = np.concatenate([np.empty(0, np.int64), *(part for _, part in self._parts)])
        if not len(keys):
            return keys, numbers
        order = np.argsort(keys, kind="stable")
        keys, numbers = keys[order], numbers[order]
        first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        return keys[first], np.add.reduceat(numbers, first)


def _headcounts(keys: Integers, numbers: Integers, estates: Sequence[str]) -> dict[str, Headcount]:
    """The slice of each estate that has rows, as running counts."""
    ends = np.searchsorted(keys, np.arange(1, len(estates) + 1, dtype=np.int64) << 32).tolist()
    days, running = keys & _LOW_32, np.cumsum(numbers)
    found, start = {}, 0
    for estate_id, end in zip(estates, ends, strict=True):
        if end > start:
            before = int(running[start - 1]) if start else 0
            found[estate_id] = Headcount(days[start:end].tolist(), running[start:end].tolist(), before)
        start = end
    return found


__all__ = ["check_equal", "count_source", "due_claims", "tied"]
