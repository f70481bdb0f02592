"""The facts of a row, column by column, and the plain walk over one row.

A *field* is a column of facts: `balance`, or `balance@2024` where each period has its own. What decides by yes or no,
by a choice or a day becomes a code; a number stays an exact number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.assess.view import previous_period
from estate_funds.assess.walk import Walk, period_number
from estate_funds.bulk.coding import EPOCH, Coded, Place, bounds_in, column_of, days_of, is_text
from estate_funds.bulk.numbers import Exact, NotInColumns, exact_of
from estate_funds.bulk.wanted import Wanted
from estate_funds.calendar import NEAR, Months
from estate_funds.errors import CellError, ColumnError, nearest
from estate_funds.money import FEN_PER_YUAN, MAX_FEN
from estate_funds.policy import LEVELS, NUMBERS
from estate_funds.policy.facts import NO, YES
from estate_funds.registry import CENTI_M2, Estate, Fact, Facts, Registry, Subject, Value

ROW = "(row)"  # the id of a subject that stands for a row
AREA = "floor_area_m2"
_MOST_YEARS = 30  # service years with columns of their own
_ALL_DAYS = range(NEAR[0].toordinal() - EPOCH, NEAR[1].toordinal() - EPOCH + 1)
_NO_DAY = -(10**7)
_MONEY = pa.decimal128(18, 2)
_SIX_PLACES = pa.decimal128(18, 6)
_TYPES = {"yuan": _MONEY, "m2": _MONEY, "number": _SIX_PLACES, "share": _SIX_PLACES, "date": pa.date32()}
_FINEST = {"yuan": FEN_PER_YUAN, "area": CENTI_M2}  # parts of one that a number of the type may have
Code = tuple[npt.NDArray[Any] | int, int]  # of each row, and how many there are


# --- fields ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """A column of facts. `names` are those that it may have in a batch, the first is the one it should have.

    `type` is that of the fact; "area" is the floor area of a household, which no document declares.
    """

    names: tuple[str, ...]
    fact: str
    period: str
    of: str  # the kind that has it
    type: str
    about: str
    choices: tuple[str, ...] = ()
    days: Coded | None = None

    @property
    def wanted(self) -> Wanted:
        """The column as a program asks for it."""
        kind = _MONEY if self.type == "area" else _TYPES.get(self.type, pa.string())
        return Wanted(self.names[0], kind, self.about, required=False, few=pa.types.is_string(kind))

    @property
    def is_number(self) -> bool:
        """Whether its cells are numbers."""
        return self.type in NUMBERS or self.type == "area"

    @property
    def codes(self) -> int:
        """How many codes its cells have; of a number, whether it is known."""
        if self.is_number:
            return 2
        if self.days is not None:
            return self.days.size + 1
        return len(self.choices) + 1 + (self.type == "text")

    def column(self, batch: pa.RecordBatch) -> tuple[str, pa.Array | None]:
        """Its name in a batch, and its cells, if there are any."""
        for name in self.names:
            if (column := column_of(batch, name)) is not None:
                return name, column
        return self.names[0], None

    def number(self, batch: pa.RecordBatch, place: Place) -> Exact | None:
        """Its cells as exact numbers; CellError for one that is none of its type. Raises NotInColumns."""
        name, column = self.column(batch)
        if column is None:
            return None
        try:
            found = exact_of(column, name, place)
            wrong = _wrong_parts(found, self.type)
        except NotInColumns:
            for row, value in enumerate(column.to_pylist()):
                self._refuse(value, place(row, name))
            raise
        if bool(wrong.any()):
            row = int(np.argmax(wrong))
            self._refuse(found.at(row), place(row, name))
        return found

    def _refuse(self, value: Any, where: str) -> None:
        """CellError for a number that a table of that type would not take either."""
        number = None if value is None else Fraction(value)
        for met, what, wanted in _limits(self.type):
            if number is not None and not met(number):
                raise CellError(what, where=where, got=str(value), wanted=wanted)

    def code(self, batch: pa.RecordBatch, place: Place) -> Code:
        """The code of each cell, 0 for what is not known; CellError for what is no value of the fact."""
        name, column = self.column(batch)
        if column is None:
            return 0, self.codes
        if self.days is not None:
            days = days_of(column, name, place, absent=_NO_DAY)
            return np.where(days == _NO_DAY, 0, self.days.codes(days) + 1), self.codes
        return self._choice(column, name, place), self.codes

    def _choice(self, column: pa.Array, name: str, place: Place) -> npt.NDArray[np.int64]:
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        if not is_text(encoded.dictionary.type):
            raise ColumnError("the column has another type", where=place(0, name), got=str(column.type), wanted="texts")
        at = pc.index_in(encoded.dictionary, value_set=pa.array(self.choices, encoded.dictionary.type))
        known = column.is_valid().to_numpy(zero_copy_only=False)
        codes: npt.NDArray[np.int64] = (
            at.take(encoded.indices).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
        )
        odd = known & (codes == 0)
        if self.type == "text":
            return np.where(odd, len(self.choices) + 1, codes)
        if bool(odd.any()):
            row = int(np.argmax(odd))
            got = column[row].as_py()
            raise CellError(
                f"not a value of {self.fact}", where=place(row, name), got=repr(got),
                wanted=f"one of {', '.join(self.choices)}", fix=nearest(str(got), self.choices),
            )  # fmt: skip
        return codes


def _limits(kind: str) -> Iterator[tuple[Callable[[Fraction], bool], str, str]]:
    """What holds of numbers of a type, what is wrong with one of which it does not hold, and what is wanted."""
    yield lambda number: number >= 0, "a negative number", "0 or more"
    if kind == "area":
        yield lambda area: area > 0, "an area must be above 0", "square metres, such as 83700.00"
        yield lambda area: area * CENTI_M2 <= MAX_FEN, "an area beyond 64 bits", "square metres"
    if kind == "share":
        yield lambda share: share <= 1, "not a share of one", "0 to 1"
    if kind in _FINEST:
        yield lambda number: (number * _FINEST[kind]).denominator == 1, "finer than a hundredth", "at most two decimals"


def _wrong_parts(found: Exact, kind: str) -> npt.NDArray[np.bool_]:
    """Where a number is none of its type; the same in columns."""
    wrong = found.parts < 0
    if kind == "area":
        wrong |= (found.parts == 0) | (found.parts > MAX_FEN * found.scale // CENTI_M2)
    if kind == "share":
        wrong |= found.parts > found.scale
    if found.scale > _FINEST.get(kind, found.scale):
        wrong |= found.parts % (found.scale // _FINEST[kind]) != 0
    return wrong & found.known


def fields_of(walk: Walk, window: Months, used: Sequence[str]) -> tuple[Field, ...]:
    """The columns of facts of a row, and of what it is part of."""
    document, provision = walk.document, walk.provision
    chain = [kind for kind in document.kinds_above(provision.each) if kind not in LEVELS]
    found = []
    for name in used:
        rule = document.facts.get(name)
        if rule is None or rule.of not in chain:
            continue
        keys = period_keys(walk, window, used) if rule.each_period else [""]
        choices = rule.values or ((YES, NO) if rule.type == "yes_no" else _named(walk, used, name))
        days = _day_codes(walk, used, name) if rule.type == "date" else None
        about = f"{rule.text} ({', '.join(rule.values) or rule.type})"
        for key in keys:
            own = (f"{name}@{key}",) if key else (name,)
            names = (*own, name) if key and len(keys) == 1 else own
            found.append(Field(names, name, key, rule.of, rule.type, about, choices, days))
    if provision.each == "household" and {"m2", AREA} & {*used}:
        found.append(Field((AREA,), AREA, "", "household", "area", "floor area in m2"))
    return tuple(found)


def claim_numbers(walk: Walk, window: Months) -> Sequence[int]:
    """The numbers of all claim periods that may begin in a window; at least one.

    Of service years, those up to the last tier of the rate, at most 30.
    """
    kind = walk.provision.claim_period
    if kind == "once" or not len(window):
        return (1,)
    if kind == "service_year":
        last = max(rate.years or _MOST_YEARS for rate in walk.provision.rate)
        return range(1, min(last, _MOST_YEARS) + 1)
    return range(period_number(kind, window.start), period_number(kind, window.end + -1) + 1)


def period_keys(walk: Walk, window: Months, used: Sequence[str]) -> list[str]:
    """Those periods as people write them, and before them the ones that a document looks back to."""
    keys = [walk.key(number) for number in claim_numbers(walk, window)]
    for name in used:
        rule = walk.document.derived.get(name)
        before = previous_period(keys[0]) if rule is not None and rule.previous else None
        keys = [before, *keys] if before else keys
    return keys


def _named(walk: Walk, used: Sequence[str], name: str) -> tuple[str, ...]:
    """The texts that conditions ask for: others are alike."""
    document, gate = walk.document, walk.provision.gate
    nodes = [walk.provision, *document.requirements, *(document.derived[n] for n in used if n in document.derived)]
    texts = [text for bounds in bounds_in(*nodes) if bounds.fact == name for text in bounds.is_ or ()]
    texts += [*gate.passes, *gate.fails] if gate is not None and gate.fact == name else []
    return tuple(dict.fromkeys([*texts, YES, NO]))


def _day_codes(walk: Walk, used: Sequence[str], name: str) -> Coded:
    """Codes of the days of a fact: each day its own where months are reckoned from it, else between which bounds."""
    document, rule = walk.document, walk.provision.applications
    derived = [document.derived[n] for n in used if n in document.derived]
    if any(name in one.months_between for one in derived):
        return Coded.each(_ALL_DAYS)
    nodes = [walk.provision, *document.requirements, *derived]
    borders = {day for bounds in bounds_in(*nodes) if bounds.fact == name for day in bounds.days.values()}
    cuts = sorted({day.toordinal() - EPOCH + after for day in borders for after in (0, 1)})
    days = np.arange(_ALL_DAYS.start, _ALL_DAYS.stop)
    passed = np.searchsorted(cuts, days, side="right")
    if rule is not None and rule.fact == name:  # which day of the year it is, in 12 months of at most 31 days
        months = days.astype("datetime64[D]").astype("datetime64[M]")
        day = days - months.astype("datetime64[D]").astype(np.int64)
        passed = (passed * 12 + months.astype(np.int64) % 12) * 31 + day
    found, table = np.unique(passed, return_inverse=True)
    return Coded(_ALL_DAYS.start, table.astype(np.int32), len(found))


# --- the plain walk over one row ------------------------------------------------------------------------------------


@dataclass
class Rows:
    """Makes registries of single rows: a row, what it is part of, its estate, and the units that lies in."""

    walk_of_all: Walk
    fields: Sequence[Field]
    near: dict[str, list[tuple[str, str, str, Fact]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for (owner, name, period), fact in self.walk_of_all.registry.facts.items():
            self.near.setdefault(owner, []).append((owner, name, period, fact))

    def walk(self, estate: Estate | None, row: Mapping[str, object]) -> Walk:
        """The walk over one row: days, texts, exact numbers by name of column; what is None is not known.

        A row without an estate lies in a city, a district, a street and a community of no other name.
        """
        full = self.walk_of_all
        units = (
            {level: estate.unit_at(level) for level in LEVELS} if estate else {level: level for level in LEVELS[:-1]}
        )
        start, end = row["registered_on"], row.get("removed_on")
        assert isinstance(start, date)
        assert end is None or isinstance(end, date)
        chain = [one for one in full.document.kinds_above(full.provision.each) if one not in LEVELS]
        ids = [ROW, *(f"{ROW}/{above}" for above in chain[1:])]
        subjects = [
            Subject(own, one, own, units, start, end, parent)
            for own, one, parent in zip(ids, chain, [*ids[1:], ""], strict=True)
        ]
        owners = [units["estate"], *(f"{level}/{units[level]}" for level in LEVELS[:-1])] if estate else []
        facts = [fact for owner in owners for fact in self.near.get(owner, ())]
        facts += self._of_row(row, dict(zip(chain, ids, strict=True)))
        known = {key: unit for key, unit in full.registry.units.items() if key in owners}
        estates = {estate.estate_id: estate} if estate else {}
        registry = Registry(estates, {}, subjects={s.subject_id: s for s in subjects}, facts=Facts(facts), units=known)
        return Walk(
            full.document, full.provision_id, full.provision, registry, full.assessments, full.above, full.below
        )

    def _of_row(self, row: Mapping[str, object], owners: Mapping[str, str]) -> Iterator[tuple[str, str, str, Fact]]:
        for one in self.fields:
            value = next((row[name] for name in one.names if row.get(name) is not None), None)
            if value is not None:
                yield owners[one.of], one.fact, one.period, Fact(_value(value))


def _value(value: object) -> Value:
    return value if isinstance(value, str | date | Fraction) else Fraction(str(value))
