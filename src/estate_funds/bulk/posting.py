"""From the results of a run to claims that the books take: the register as counts, assessed once more by the plain way.

Books hold claims of estates, not of households. So the rows are reduced to headcounts by estate and day, the plain
`assess` says what each estate is owed, and only where that is, to the fen, what the run came to, is there anything to
post.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.assess import Claim, Status
from estate_funds.bulk.files import Source
from estate_funds.bulk.reading import read
from estate_funds.bulk.summing import Summary
from estate_funds.calendar import Months
from estate_funds.case import Case
from estate_funds.errors import BulkError, InvariantBroken
from estate_funds.exchange.households import changes, headcounts
from estate_funds.money import format_yuan
from estate_funds.registry import Headcount, Registry

_AT_ONCE = 1 << 22  # changes that are kept before they are added up


@dataclass(frozen=True)
class _Stay:
    """A column that is needed to count."""

    name: str
    type: pa.DataType
    required: bool = True


STAYS = (_Stay("estate_id", pa.string()), _Stay("registered_on", pa.date32()), _Stay("removed_on", pa.date32(), False))


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
    register = case.registry
    registry = Registry.build(
        register.estates,
        count_source(source, register.estates),
        source="estates.csv",
        subjects=register.subjects.values(),
        facts=register.facts,
    )
    claims = replace(case, registry=registry).claims_of(name, window)
    owed: dict[tuple[str, str], int] = {}
    for claim in claims:
        key = claim.subject.subject_id, str(claim.months.start)
        owed[key] = owed.get(key, 0) + claim.amount_fen
    check_equal(owed, summary)
    return [claim for claim in claims if claim.status is Status.DUE]


def check_equal(owed: Mapping[tuple[str, str], int], summary: Summary) -> None:
    """InvariantBroken unless estates are owed, by month in which the period begins, what a run came to."""
    came_to: dict[tuple[str, str], int] = {}
    for (estate_id, month, what), fen in summary.sums.by.items():
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
    """Headcounts by estate of all rows of a source, in columns; estates that no register has are left out."""
    known, kept = list(estates), _Changes()
    value_set = pa.array(known, pa.string())
    for partition in source.partitions:
        for block in read(source.filesystem, partition, STAYS, source.names):
            table = pa.Table.from_batches([block.columns])
            there = pc.is_in(table["estate_id"], value_set=value_set)
            if len(table := table.filter(there)):
                kept.add(*(np.asarray(column) for column in changes(table, known)))
    key, change = kept.added_up()
    return headcounts(pa.array(key), pa.array(change), known)


class _Changes:
    """Changes by estate and day, which are added up when they become many."""

    def __init__(self) -> None:
        self._keys: list[npt.NDArray[np.int64]] = []
        self._numbers: list[npt.NDArray[np.int64]] = []
        self._held, self._least = 0, 0

    def add(self, key: npt.NDArray[np.int64], number: npt.NDArray[np.int64]) -> None:
        self._keys.append(key)
        self._numbers.append(number)
        self._held += len(key)
        if self._held > max(_AT_ONCE, 2 * self._least):
            key, number = self.added_up()
            self._keys, self._numbers, self._held, self._least = [key], [number], len(key), len(key)

    def added_up(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Each key once, in order, and how many came less how many left."""
        if not self._keys:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        keys, numbers = np.concatenate(self._keys), np.concatenate(self._numbers)
        order = np.argsort(keys, kind="stable")
        keys, numbers = keys[order], numbers[order]
        first = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        return keys[first], np.add.reduceat(numbers, first)


__all__ = ["STAYS", "check_equal", "count_source", "due_claims"]
