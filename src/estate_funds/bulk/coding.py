"""What decides about a row of a register, as small numbers: its estate, its days, its facts.

Two days, or two estates, have one code where no rule can tell them apart. So there are few codes, and what the plain
`assess` says of one row holds for all rows with its codes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.assess.walk import Walk
from estate_funds.calendar import NEAR, Month, Months, end_month, first_month
from estate_funds.errors import CellError, ColumnError, nearest
from estate_funds.policy import BUILT_IN, LEVELS, Dated, Document, Provision
from estate_funds.registry import Estate

Codes = npt.NDArray[np.int64]
Place = Callable[[int, str], str]  # where the cell of a row (from 0) and column is, for messages
EPOCH = date(1970, 1, 1).toordinal()
FAR = NEAR[1].toordinal() - EPOCH + 1  # the day, counted from 1970, on which nobody is removed any more


def in_batch(row: int, column: str) -> str:
    """The place of a cell where nothing is known but the batch; rows count from 1."""
    return f"row {row + 1} of the batch, column {column}"


# --- columns of a batch -------------------------------------------------------------------------------------------


def column_of(batch: pa.RecordBatch, name: str, place: Place, *, required: bool = True) -> pa.Array | None:
    """A column; None for one that may be missing. ColumnError for a missing one, CellError for an empty cell."""
    at = batch.schema.get_field_index(name)
    if at < 0:
        if required:
            raise ColumnError("missing column", where=place(0, name), got=", ".join(batch.schema.names), wanted=name)
        return None
    column = batch.column(at)
    if required and column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise CellError("the cell is empty", where=place(row, name), wanted=f"a value of {name}")
    return column


def days_of(column: pa.Array, name: str, place: Place, *, absent: int = FAR) -> npt.NDArray[np.int32]:
    """Days since 1970-01-01, int32 of shape (rows,); `absent` where there is none. CellError for a far-off day."""
    if not pa.types.is_date32(column.type):
        raise ColumnError(
            "the column has another type", where=place(0, name), got=str(column.type), wanted="date32: days"
        )
    whole = column.view(pa.int32())
    days: npt.NDArray[np.int32] = pc.fill_null(whole, absent).to_numpy(zero_copy_only=False)
    low, high = (day.toordinal() - EPOCH for day in NEAR)
    if len(days) and not low <= int(days.min()) <= int(days.max()) <= max(high, absent):
        row = int(np.argmax((days < low) | ((days > high) & (days != absent))))
        wanted = f"{NEAR[0]} to {NEAR[1]}"
        got = f"day {days[row]} from 1970-01-01"
        raise CellError("a day too far off to reckon with", where=place(row, name), got=got, wanted=wanted)
    return days


def stay_of(batch: pa.RecordBatch, place: Place) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The first day of each row, and the first on which it is gone (FAR: never), in days since 1970.

    CellError for a row that is gone before it comes.
    """
    arrived = days_of(column_of(batch, "registered_on", place), "registered_on", place)
    column = column_of(batch, "removed_on", place, required=False)
    if column is None or column.null_count == len(column):
        return arrived, np.full(len(arrived), FAR, np.int32)
    gone = days_of(column, "removed_on", place)
    if bool((gone <= arrived).any()):
        at = int(np.argmax(gone <= arrived))
        first, last = (date.fromordinal(int(days[at]) + EPOCH) for days in (arrived, gone))
        raise CellError(
            "a household is removed before it is registered",
            where=place(at, "removed_on"),
            got=last,
            wanted=f"after registered_on {first}, or empty",
        )
    return arrived, gone


def estates_of(column: pa.Array, ids: pa.Array, place: Place) -> npt.NDArray[np.int32]:
    """The number of each row's estate among `ids`, int32 of shape (rows,); CellError for an estate that is none."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    known = pc.index_in(encoded.dictionary, value_set=ids)
    numbers = known.take(encoded.indices)
    if numbers.null_count:
        row = pc.index(pc.is_null(numbers), True).as_py()
        got = column[row].as_py()
        raise CellError(
            "the row names an estate that is not in estates.csv",
            where=place(row, "estate_id"),
            got=repr(got),
            wanted="an estate_id of estates.csv",
            fix=nearest(str(got), ids.to_pylist()) if len(ids) < 10_000 else "",
        )
    found: npt.NDArray[np.int32] = numbers.to_numpy()
    return found


def packed(codes: Iterable[tuple[npt.NDArray[Any] | int, int]], rows: int) -> Codes:
    """One number a row for several codes, each with its radix; the first counts most."""
    key = np.zeros(rows, np.int64)
    for code, radix in codes:
        np.multiply(key, radix, out=key)
        np.add(key, code, out=key)
    return key


# --- what a provision asks about ------------------------------------------------------------------------------------


def names_in(node: object) -> Iterator[str]:
    """Every text in a table of a document: whatever is the name of a fact is among them."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            yield from names_in(key)
            yield from names_in(value)
    elif isinstance(node, list | tuple | set | frozenset):
        for value in node:
            yield from names_in(value)


def used_names(document: Document, provision_id: str, provision: Provision) -> list[str]:
    """Every fact that may decide about a provision, with those behind it, in alphabetical order."""
    own = [r for r in document.requirements if not r.provisions or provision_id in r.provisions]
    told = {name for node in (provision, *own) for name in names_in(node.model_dump())}
    told |= {rate.unit.base for rate in provision.rate}
    known = told & {*document.facts, *document.derived, *BUILT_IN}
    return sorted(document.behind(sorted(known)))


# --- days -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DayCodes:
    """Codes of first and last days: the months that count, and between which versions of rules a day lies.

    Exact days decide only where `by_day` says so.
    """

    walk: Walk
    window: Months
    borders: tuple[int, ...]  # the days (ordinals) on which a version of anything begins or ends
    by_day: bool = False

    @classmethod
    def of(cls, walk: Walk, window: Months, used: Sequence[str]) -> DayCodes:
        """Those of a provision in a window."""
        provision = walk.provision
        versions: list[Dated] = [*provision.rate, *provision.payers, *provision.caps, *provision.floors]
        spans = [(d.start, d.until) for d in (walk.document, *walk.above, *walk.below)]
        spans += [(version.start, version.until) for version in versions]
        days = {day for span in spans for day in span if day is not None}
        return cls(walk, window, tuple(sorted(day.toordinal() for day in days)), "started_on" in used)

    def first(self, day: date) -> tuple[int, ...]:
        """What there is to tell of a first day."""
        if self.by_day:
            return (day.toordinal(),)
        month = first_month(day, self.walk.provision.first_month)
        if self.calendar and month < self.window.start:  # claimed before: whatever begins earlier is not in the window
            month = self.window.start + -1
        return (min(month, self.window.end).ordinal, bisect_right(self.borders, day.toordinal()))

    @property
    def calendar(self) -> bool:
        """Whether only the calendar decides, so that all that began before the window is alike."""
        return not self.walk.by_service_year and self.walk.provision.claim_period != "service_year"

    @property
    def days(self) -> range:
        """The days, since 1970, that may differ: those before have the code of the first, those after of the last."""
        first = (self.window.start + -1).first_day.toordinal() if self.calendar else NEAR[0].toordinal()
        first = min([first, *(border - 1 for border in self.borders)])
        last = max([(self.window.end + 15).first_day.toordinal(), *(border + 40 for border in self.borders)])
        return range(max(first, NEAR[0].toordinal()) - EPOCH, min(last, NEAR[1].toordinal()) - EPOCH + 1)

    def last(self, day: date | None) -> int:
        """What there is to tell of the first day on which something is no longer there: the month that ends it."""
        latest = self.window.end + 12  # a claim that begins in the window may go on for a year
        if day is None:
            return latest.ordinal
        month = end_month(day, self.walk.provision.last_month)
        return min(max(month, self.window.start + -1), latest).ordinal


@dataclass(frozen=True)
class Coded:
    """Codes of days by look-up: `table[day - low]`, days outside as the nearest inside; `days[code]` is one of each."""

    low: int
    table: npt.NDArray[np.int32]
    days: tuple[int, ...]

    @classmethod
    def of(cls, days: range, tell: Callable[[date], object], borders: Iterable[int] = ()) -> Coded:
        """Codes for what `tell` says of each day (since 1970) of a range; it changes on `borders` and within months.

        What a month counts changes after its first day, and on its sixteenth: see `calendar.MonthRule`.
        """
        codes: dict[object, int] = {}
        table = np.empty(len(days), np.int32)
        first: list[int] = []
        cuts = sorted({days.start, days.stop, *_month_days(days), *(b for b in borders if b in days)})
        for begin, end in pairwise(cuts):
            code = codes.setdefault(tell(date.fromordinal(begin + EPOCH)), len(codes))
            if code == len(first):
                first.append(begin)
            table[begin - days.start : end - days.start] = code
        return cls(days.start, table, tuple(first))

    def codes(self, days: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """The code of each day, int32 of shape (rows,)."""
        at = np.clip(days, self.low, self.low + len(self.table) - 1)
        np.subtract(at, self.low, out=at)
        return self.table[at]


def _month_days(days: range) -> Iterator[int]:
    month, last = Month.of(date.fromordinal(days.start + EPOCH)), days.stop + EPOCH
    while (first := month.first_day.toordinal()) < last:
        yield from (day - EPOCH for day in (first, first + 1, first + 15) if day - EPOCH in days)
        month += 1


# --- estates --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Places:
    """Estates by class: those of one class are alike in all that a provision asks about them.

    `numbers` is the class of each estate, int32 of shape (estates,), in the order of the registry; `first` names one
    estate of each class.
    """

    ids: pa.Array
    numbers: npt.NDArray[np.int32]
    first: tuple[Estate, ...]

    @classmethod
    def of(cls, walk: Walk, tell: Callable[[Estate], object]) -> Places:
        """Classes by what `tell` says of each estate."""
        classes: dict[object, int] = {}
        first: list[Estate] = []
        numbers = []
        for estate in walk.registry.estates.values():
            number = classes.setdefault(tell(estate), len(classes))
            if number == len(first):
                first.append(estate)
            numbers.append(number)
        return cls(pa.array(list(walk.registry.estates), pa.string()), np.array(numbers, np.int32), tuple(first))


Told = tuple[object, list[tuple[int, int, object]]]


def about_estates(walk: Walk, used: Sequence[str]) -> Callable[[Estate], Told]:
    """What a provision may ask about an estate and the units it lies in, its days of service left out.

    First what always holds, then the results of assessments: of whom (0 the estate), of which period, what they say.
    """
    provision, registry = walk.provision, walk.registry
    facts: dict[str, list[tuple[str, str, object]]] = {}
    dated = provision.anchor == "decision"
    for (owner, name, period), fact in registry.facts.items():
        if name in used:
            facts.setdefault(owner, []).append((name, period, (fact.value, fact.known_on if dated else None)))
    own = [name for name in used if name in BUILT_IN and name in _OF_ESTATES]
    scored = "score" in used or provision.weights == "score"
    results: dict[str, list[tuple[int, object]]] = {}
    for (owner, number), one in walk.assessments.items():
        told = (one.result, one.score if scored else None, one.result_on if dated else None)
        results.setdefault(owner, []).append((number, told))
    documents = [d for d in (walk.document, *walk.above, *walk.below) if d.territory is not None]

    def tell(estate: Estate) -> Told:
        units = {level: estate.unit_at(level) for level in LEVELS}
        owners = [estate.estate_id, *(f"{level}/{units[level]}" for level in LEVELS[:-1])]
        always = (
            tuple(getattr(estate, _OF_ESTATES[name]) for name in own),
            tuple(document.covers(units) for document in documents),
            tuple((n, *sorted(facts[owner], key=str)) for n, owner in enumerate(owners) if owner in facts),
        )
        return always, [(n, *one) for n, owner in enumerate(owners) for one in sorted(results.get(owner, ()))]

    return tell


_OF_ESTATES = {
    "m2": "floor_area_centi_m2",
    "building": "buildings",
    "floor_area_m2": "floor_area_centi_m2",
    "buildings": "buildings",
    "office_area_m2": "office_area_centi_m2",
    "completed_on": "completed_on",
    "renovated_on": "renovated_on",
    "service_start": "service_start",
    "gate": "gate",
}
