"""What decides about a row of a register, as small numbers: its estate, its days, its facts.

Two days, or two estates, have one code where no rule can tell them apart. So there are few codes, and what the plain
`assess` says of one row holds for all rows with its codes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.assess.walk import LEAP_DAY, Walk
from estate_funds.bulk.table import CHUNK
from estate_funds.calendar import MONTHS_PER_YEAR, NEAR, Month, Months, end_month, first_month
from estate_funds.errors import CellError, ColumnError, nearest
from estate_funds.policy import BUILT_IN, LEVELS, Bounds, Dated, Document, Provision
from estate_funds.policy import walk as tables
from estate_funds.registry import Estate

Codes = npt.NDArray[np.int64]
Place = Callable[[int, str], str]  # where the cell of a row (from 0) and column is, for messages
EPOCH = date(1970, 1, 1).toordinal()
_MOST_COMPARED = 10_000  # ids among which the nearest is looked for
FITS = 2**62  # below it, the sum and the difference of two still fit into 64 bits
FAR = 2**31 - 1  # a day, counted from 1970, that no table has: on it nobody is removed any more


def in_batch(row: int, column: str) -> str:
    """The place of a cell where nothing is known but the batch; rows count from 1."""
    return f"row {row + 1} of the batch, column {column}"


# --- columns of a batch -------------------------------------------------------------------------------------------


def in_chunks(rows: int) -> Iterator[slice]:
    """The rows of a batch in runs whose temporary columns stay in the cache.

    >>> list(in_chunks(CHUNK + 1)) == [slice(0, CHUNK), slice(CHUNK, CHUNK + 1)]
    True
    """
    return (slice(low, min(low + CHUNK, rows)) for low in range(0, rows, CHUNK))


def from_row(place: Place, first: int) -> Place:
    """The places of a slice that begins with that row."""
    return lambda row, column: place(first + row, column)


def column_of(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    """A column that may be missing; None where it is, and where it has nothing in it at all."""
    at = batch.schema.get_field_index(name)
    if at < 0 or pa.types.is_null(batch.schema.field(at).type):
        return None
    return batch.column(at)


def required_of(batch: pa.RecordBatch, name: str, place: Place) -> pa.Array:
    """A column that is there, with a value in each row: else ColumnError, or CellError for an empty cell."""
    column = column_of(batch, name)
    if column is None:
        raise ColumnError("missing column", where=place(0, name), got=", ".join(batch.schema.names), wanted=name)
    if column.null_count:
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
    ends = pc.min_max(whole).as_py()
    if ends["min"] is not None and not low <= ends["min"] <= ends["max"] <= high:
        row = pc.index(pc.or_(pc.less(whole, low), pc.greater(whole, high)), True).as_py()
        wanted = f"{NEAR[0]} to {NEAR[1]}"
        got = f"day {days[row]} from 1970-01-01"
        raise CellError("a day too far off to reckon with", where=place(row, name), got=got, wanted=wanted)
    return days


def stay_of(batch: pa.RecordBatch, place: Place) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The first day of each row, and the first on which it is gone (FAR: never), in days since 1970.

    CellError for a row that is gone before it comes.
    """
    arrived = days_of(required_of(batch, "registered_on", place), "registered_on", place)
    column = column_of(batch, "removed_on")
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


@dataclass(frozen=True)
class Ids:
    """The ids of all estates; the number of an estate is its place among them."""

    texts: pa.Array  # string

    def __getstate__(self) -> dict[str, Any]:
        return {"texts": self.texts}

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {text: number for number, text in enumerate(self.texts.to_pylist())}

    @cached_property
    def named(self) -> pa.Array:
        """The ids by number; an empty one alone where there are no estates."""
        return self.texts if len(self.texts) else pa.array([""], pa.string())

    def number(self, text: str) -> int:
        """The number of an estate that there is."""
        return self._numbers[text]

    def numbers(self, column: pa.Array, place: Place) -> npt.NDArray[np.int32]:
        """The number of each row's estate, int32 of shape (rows,); CellError for an estate that is none."""
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        if not is_text(encoded.dictionary.type):
            raise ColumnError(
                "the column has another type", where=place(0, "estate_id"), got=str(column.type), wanted="texts"
            )
        indices = encoded.indices.to_numpy(zero_copy_only=False)
        known = np.full(len(encoded.dictionary), -1, np.int32)
        named = np.ones(len(known), np.bool_)
        if len(known) > len(indices) >> 5:  # a dictionary may list the estates of the whole country
            named[:] = False
            named[indices] = True
        texts = encoded.dictionary.filter(pa.array(named)).to_pylist()
        known[named] = [self._numbers.get(text, -1) for text in texts]
        found: npt.NDArray[np.int32] = known.take(indices)
        if len(found) and int(found.min()) < 0:
            row = int(np.argmax(found < 0))
            got = column[row].as_py()
            raise CellError(
                "the row names an estate that is not in estates.csv",
                where=place(row, "estate_id"),
                got=repr(got),
                wanted="an estate_id of estates.csv",
                fix=nearest(str(got), self._numbers) if len(self) < _MOST_COMPARED else "",
            )
        return found


def local_numbers(estates: npt.NDArray[np.int32]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """The estates of some rows in order, perhaps with some between, and the place of each row's estate among them.

    >>> [part.tolist() for part in local_numbers(np.array([7, 9, 7], np.int32))]
    [[7, 8, 9], [0, 2, 0]]
    """
    if not len(estates):
        return estates, estates.astype(np.int64)
    low, high = int(estates.min()), int(estates.max())
    if high - low <= 4 * len(estates):
        return np.arange(low, high + 1), np.subtract(estates, low, dtype=np.int64)
    return np.unique(estates, return_inverse=True)  # few rows from all over the country


def is_text(kind: pa.DataType) -> bool:
    """Whether an Arrow type is one of texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def packed(codes: Iterable[tuple[npt.NDArray[Any] | int, int]], rows: int) -> Codes:
    """One number a row for several codes, each with its radix; the first counts most."""
    key = np.zeros(rows, np.int64)
    for code, radix in codes:
        np.multiply(key, radix, out=key)
        np.add(key, code, out=key)
    return key


# --- what a provision asks about ------------------------------------------------------------------------------------


def used_names(document: Document, provision_id: str, provision: Provision) -> list[str]:
    """Every fact that may decide about a provision, with those behind it, in alphabetical order."""
    names = {*asked_names(document, provision_id, provision), *priced_by(provision)}
    if "m2" in document.behind(names) and "area_m2" in document.facts:
        names.add("area_m2")
    return sorted(document.behind(sorted(names)))


def asked_names(document: Document, provision_id: str, provision: Provision) -> set[str]:
    """The facts that conditions bound, that gates ask for, and that name who pays or is paid."""
    own = [r for r in document.requirements if not r.provisions or provision_id in r.provisions]
    names = {name for bounds in bounds_in(provision, *own) for name in (bounds.fact, bounds.of) if name}
    fund = document.funds.get(provision.pays_into or "")
    roles = [provision.payee, *(fund.held_by if fund else ()), *(cap.excess_to for cap in provision.caps)]
    roles += [payer for split in provision.payers for payer in split.payers]
    roles += [provision.gate.fact] if provision.gate else []
    roles += [provision.applications.fact] if provision.applications else []
    roles += [provision.notice.published_on, provision.notice.objection] if provision.notice else []
    return names | {name for name in roles if name in document.facts or name in document.derived}


def priced_by(provision: Provision) -> list[str]:
    """The numbers that amounts rest on: bases, what caps and floors are times, first parts, what was matched."""
    names = [rate.unit.base for rate in provision.rate]
    names += [rate.base_at_most.per for rate in provision.rate if rate.base_at_most and rate.base_at_most.per]
    names += [limit.per for limit in (*provision.caps, *provision.floors)]
    names += [split.first.of for split in provision.payers if split.first]
    names += [split.matching.paid for split in provision.payers if split.matching]
    return list(dict.fromkeys(names))


def bounds_in(*nodes: object) -> Iterator[Bounds]:
    """Every condition in some tables of a document."""
    return (table for node in nodes for _, table in tables(node) if isinstance(table, Bounds))


# --- days -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DayCodes:
    """Codes of first and last days: the months that count, and between which versions of rules a day lies.

    Exact days decide only where `by_day` says so. The days may be those of estates, or of rows.
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

    def counted(self, start: date) -> tuple[int, bool]:
        """What there is to tell of an estate's first day where households are counted on a day of each year.

        It is the year of the first such day from then on (before, they are counted on the estate's own first day), and
        whether the estate begins on that very day.
        """
        rule = self.walk.provision.counted_on
        if "-" not in rule:
            return 0, False
        number, day = (int(part) for part in rule.split("-"))
        month = Month(start.year * MONTHS_PER_YEAR + number - 1)
        counted = month.last_day if (number, day) == LEAP_DAY else month.first_day.replace(day=day)
        return max(start.year + (counted < start), self.window.start.year), counted == start

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
        """The first days, since 1970, that may differ: those before are alike, and so are those after."""
        ever = self.by_day or not self.calendar
        first = NEAR[0].toordinal() if ever else (self.window.start + -1).first_day.toordinal()
        first = min([first, *(border - 1 for border in self.borders)])
        last = max([(self.window.end + 15).first_day.toordinal(), *(border + 40 for border in self.borders)])
        return range(max(first, NEAR[0].toordinal()) - EPOCH, min(last, NEAR[1].toordinal()) - EPOCH + 1)

    @property
    def ends(self) -> range:
        """The same of days on which something is no longer there."""
        first, last = ((self.window.start + -1).first_day, (self.window.end + 15).first_day)
        return range(first.toordinal() - EPOCH, last.toordinal() - EPOCH + 1)

    def last(self, day: date | None) -> int:
        """What there is to tell of the first day on which something is no longer there: the month that ends it."""
        latest = self.window.end + 12  # a claim that begins in the window may go on for a year
        if day is None:
            return latest.ordinal
        month = end_month(day, self.walk.provision.last_month)
        return min(max(month, self.window.start + -1), latest).ordinal


@dataclass(frozen=True)
class Coded:
    """Codes of days by look-up: `table[day - low]`, below `size`; days outside have the code of the nearest inside."""

    low: int
    table: npt.NDArray[np.int32]
    size: int

    @classmethod
    def of(cls, days: range, tell: Callable[[date], object], borders: Iterable[int] = ()) -> Coded:
        """Codes for what `tell` says of each day (since 1970) of a range; it changes on `borders` and within months.

        What a month counts changes after its first day, and on its sixteenth: see `calendar.MonthRule`.
        """
        codes: dict[object, int] = {}
        table = np.empty(len(days), np.int32)
        cuts = sorted({days.start, days.stop, *_month_days(days), *(b for b in borders if b in days)})
        for begin, end in pairwise(cuts):
            code = codes.setdefault(tell(date.fromordinal(begin + EPOCH)), len(codes))
            table[begin - days.start : end - days.start] = code
        return cls(days.start, table, len(codes))

    @classmethod
    def each(cls, days: range) -> Coded:
        """Each day has a code of its own."""
        return cls(days.start, np.arange(len(days), dtype=np.int32), len(days))

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
        return cls(np.array(numbers, np.int32), tuple(first))


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
    decisive = scored or (provision.gate is not None and provision.gate.fact == "assessment")
    for (owner, number), one in walk.assessments.items() if decisive else ():
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
