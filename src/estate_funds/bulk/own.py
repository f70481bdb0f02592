"""What a row is owed that has a claim of its own: a household's fee, its relief, the deposit of a house.

Rows with the same codes (class of estate, first and last day, choices, which bounds their numbers meet) are priced
alike: the plain walk prices the first of them, and says rate, months, and division among payers. Where the price
rests on a number of the row, that number is multiplied, rounded and divided in columns, and the first row must come out
as the plain `assess` has it. What cannot be computed in columns is assessed row by row, each distinct row once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.assess import Claim, Outcome, assess
from estate_funds.assess.walk import Walk
from estate_funds.bulk.coding import (
    EPOCH,
    FAR,
    Coded,
    DayCodes,
    Place,
    Places,
    about_estates,
    column_of,
    estates_of,
    packed,
    stay_of,
)
from estate_funds.bulk.numbers import Exact, NotInColumns, Numbers, divided, exact_of, rounded
from estate_funds.bulk.result import PENDING, Key, Result, Totals
from estate_funds.bulk.wanted import Wanted
from estate_funds.calendar import Months
from estate_funds.errors import AmountError, CellError, InvariantBroken, nearest
from estate_funds.money import FEN_PER_YUAN
from estate_funds.policy import LEVELS, Bounds, PayerSplit
from estate_funds.policy import walk as tables
from estate_funds.policy.facts import NO, YES
from estate_funds.registry import Estate, Fact, Facts, Registry, Subject, Value

ROW = "row"  # the id of a subject that stands for a row
AREA = "floor_area_m2"
_MOST_FEN = 2**62
_MOST_MET = 200_000  # rows or keys whose answer is remembered
_DENSE = 1 << 22  # so many keys are looked up in an array; more are sorted
_MONEY = pa.decimal128(18, 2)
_TYPES = {
    "yuan": _MONEY, "m2": _MONEY, "number": pa.decimal128(18, 6), "share": pa.decimal128(18, 6), "date": pa.date32(),
}  # fmt: skip


# --- columns ----------------------------------------------------------------------------------------------------------


def own_columns(walk: Walk, used: Sequence[str]) -> tuple[Wanted, ...]:
    """The columns of facts of the row, and of what it is part of; `fact@period` where each period has its own."""
    document, provision = walk.document, walk.provision
    chain = [kind for kind in document.kinds_above(provision.each) if kind not in LEVELS]
    found = []
    names = {name for name in used if name in document.facts}
    if "m2" in used and "area_m2" in document.facts and document.facts["area_m2"].of == provision.each:
        names.add("area_m2")
    for name in sorted(names):
        rule = document.facts[name]
        if rule.of in chain:
            about = f"{rule.text} ({', '.join(rule.values) or rule.type})"
            found.append(Wanted(name, _TYPES.get(rule.type, pa.string()), about, required=False))
    if provision.each == "household" and {"m2", AREA} & {*used}:
        found.append(Wanted(AREA, _MONEY, "floor area in m2", required=False))
    return tuple(found)


def own_row(walk: Walk, row: Mapping[str, object]) -> Walk:
    """The walk over a registry that has one row, its estate, and the units it lies in.

    Values are those of the columns by name: days, texts, exact numbers; what is missing or None is not known.
    """
    estate = walk.registry.estates.get(str(row.get("estate_id") or ""))
    return Rows(walk).walk(estate, row)


@dataclass
class Rows:
    """Makes registries of single rows."""

    walk_of_all: Walk
    near: dict[str, list[tuple[str, str, str, Fact]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for (owner, name, period), fact in self.walk_of_all.registry.facts.items():
            self.near.setdefault(owner, []).append((owner, name, period, fact))

    def walk(self, estate: Estate | None, row: Mapping[str, object]) -> Walk:
        """The walk over one row."""
        full = self.walk_of_all
        document, kind = full.document, full.provision.each
        units = {level: estate.unit_at(level) for level in LEVELS} if estate else {}
        start, end = row["registered_on"], row.get("removed_on")
        assert isinstance(start, date)
        assert end is None or isinstance(end, date)
        chain = [one for one in document.kinds_above(kind) if one not in LEVELS]
        ids = [ROW, *(f"{ROW}/{above}" for above in chain[1:])]
        subjects = [
            Subject(own, one, own, units, start, end, parent)
            for own, one, parent in zip(ids, chain, [*ids[1:], ""], strict=True)
        ]
        owners = [estate.estate_id, *(f"{level}/{units[level]}" for level in LEVELS[:-1])] if estate else []
        facts = [fact for owner in owners for fact in self.near.get(owner, ())]
        facts += self._of_row(row, dict(zip(chain, ids, strict=True)))
        known = {key: unit for key, unit in full.registry.units.items() if key in owners}
        estates = {estate.estate_id: estate} if estate else {}
        registry = Registry(estates, {}, subjects={s.subject_id: s for s in subjects}, facts=Facts(facts), units=known)
        return Walk(document, full.provision_id, full.provision, registry, full.assessments, full.above, full.below)

    def _of_row(self, row: Mapping[str, object], owners: Mapping[str, str]) -> Iterator[tuple[str, str, str, Fact]]:
        document = self.walk_of_all.document
        for name, value in row.items():
            if value is None:
                continue
            if name == AREA and self.walk_of_all.provision.each == "household":
                yield ROW, AREA, "", Fact(_value(value))
            elif (rule := document.facts.get(name.partition("@")[0])) is not None and rule.of in owners:
                yield owners[rule.of], name.partition("@")[0], name.partition("@")[2], Fact(_value(value))


def _value(value: object) -> Value:
    return value if isinstance(value, str | date | Fraction) else Fraction(str(value))


# --- what the rows of a key are owed --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Charge:
    """Lines that are priced alike: a number of the row x `rate` fen, rounded, in claims that begin in these months."""

    rate: Fraction
    split: PayerSplit | None  # one of the document's; None: pending
    months: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Due:
    """What the rows of a key are owed: fen, by month and payer, or charges on the number that they are paid by."""

    entries: tuple[tuple[str, str, int], ...] = ()
    charges: tuple[Charge, ...] = ()

    def months_at(self, rate: Fraction, split: PayerSplit | None) -> tuple[str, ...]:
        """The months of the charge at that price."""
        return next((c.months for c in self.charges if c.rate == rate and c.split is split), ())


@dataclass
class Owed:
    """What rows with claims of their own are owed; `met` remembers what was asked for each key."""

    walk: Walk  # over one estate of each class
    window: Months
    places: Places
    first: Coded
    last: Coded
    columns: tuple[Wanted, ...]
    payers: tuple[str, ...]
    base: str  # the number of the row that prices rest on; "" where they do not, or not so simply
    bounds: tuple[Bounds, ...]  # conditions on numbers of the row
    met: dict[object, Due] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "met": {}, "rows": None}

    @classmethod
    def of(cls, walk: Walk, window: Months, days: DayCodes, used: Sequence[str]) -> Owed:
        """Those of a provision; nothing is asked yet."""
        tell = about_estates(walk, used)
        places = Places.of(walk, lambda estate: (*tell(estate)[:1], tuple(tell(estate)[1])))
        columns = own_columns(walk, used)
        numeric = [c.name for c in columns if pa.types.is_decimal(c.type)]
        borders = days.days if days.by_day else [b - EPOCH for b in days.borders]
        payers = tuple(dict.fromkeys(payer for split in walk.provision.payers for payer in split.payers))
        return cls(
            walk=_reduced(walk, places),
            window=window,
            places=places,
            first=Coded.of(days.days, days.first, borders),
            last=Coded.of(days.days, days.last, borders),
            columns=columns,
            payers=payers,
            base=_base(walk, numeric),
            bounds=tuple(_bounds(walk, used, numeric)),
        )

    # --- a batch ---

    def assess(self, ids: pa.Array, batch: pa.RecordBatch, place: Place) -> Result:
        """What each row of a batch is owed."""
        rows = len(batch)
        column = column_of(batch, "estate_id", place, required=bool(len(ids)))
        estates = estates_of(column, ids, place) if column is not None and len(ids) else np.zeros(rows, np.int32)
        classes = self.places.numbers[estates] if len(ids) else estates
        arrived, gone = stay_of(batch, place)
        codes: list[tuple[npt.NDArray[Any] | int, int]] = [(classes, max(len(self.places.first), 1))]
        codes += [(self.first.codes(arrived), len(self.first.days))]
        codes += [(self.last.codes(gone), len(self.last.days) + 1)]
        exact: dict[str, Exact] = {}
        whole = True
        for wanted in self.columns:
            told = column_of(batch, wanted.name, place, required=False)
            if told is None:
                continue
            if pa.types.is_decimal(wanted.type):
                try:
                    exact[wanted.name] = exact_of(told, wanted.name, place)
                    codes.append((exact[wanted.name].known.astype(np.int64), 2))
                except NotInColumns:
                    whole = False
            else:
                codes.append(self._choice(told, wanted, place))
        numbers = Numbers(self.walk.document, exact, classes, self._of_class) if whole else None
        trace = packed(codes, rows)
        try:
            return self._in_columns(ids, batch, estates, trace, codes, numbers)
        except NotInColumns:
            return self._one_by_one(ids, batch, estates, trace)

    def _choice(self, column: pa.Array, wanted: Wanted, place: Place) -> tuple[npt.NDArray[np.int64], int]:
        """The code of a choice, a yes or no, a day, or whether a text is known; 0 for what is not known."""
        rule = self.walk.document.facts[wanted.name]
        known = np.asarray(column.is_valid()).astype(np.int64)
        if rule.type == "date":
            low = -(10**6)
            days = column.view(pa.int32()).fill_null(low).to_numpy(zero_copy_only=False).astype(np.int64)
            return days - low, FAR - low
        if rule.type == "text":
            return known, 2
        allowed = rule.values or (YES, NO)
        found = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
        at = pc.index_in(found.dictionary, value_set=pa.array(allowed, found.dictionary.type))
        codes = at.take(found.indices)
        if codes.null_count != column.null_count:
            odd = np.asarray(codes.is_null()) & np.asarray(column.is_valid())
            row = int(np.argmax(odd))
            got = column[row].as_py()
            raise CellError(
                f"not a value of {wanted.name}", where=place(row, wanted.name), got=repr(got),
                wanted=f"one of {', '.join(allowed)}", fix=nearest(str(got), allowed),
            )  # fmt: skip
        return codes.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) + 1, len(allowed) + 1

    def _of_class(self, name: str) -> list[Fraction | None]:
        """A number that is the same for all rows of a class of estates."""
        found = []
        for estate in self.places.first or (None,):
            row = {"registered_on": self.window.start.first_day}
            walk = Rows(self.walk).walk(estate, row)
            subject = walk.registry.subject(ROW)
            found.append(walk.view(subject, 1, subject.start, self.window.start).number(name))
        return found

    def _in_columns(
        self, ids: pa.Array, batch: pa.RecordBatch, estates: Any, trace: Any, codes: Any, numbers: Numbers | None
    ) -> Result:
        if numbers is None:
            raise NotInColumns
        on = numbers.get(self.base) if self.base else None
        if not self.base and numbers.columns:
            raise NotInColumns
        met = [(numbers.holds(bounds), 3) for bounds in self.bounds]
        radix = 1
        for _, size in (*codes, *met):
            radix *= size
        if radix >= 2**62:
            raise NotInColumns
        key = packed([(trace, 1), *met], len(trace)) if met else trace
        if on is not None and bool((on.parts < 0).any()):
            raise NotInColumns
        keys, first, at = _distinct(key, radix)
        found = []
        for number, row in zip(keys.tolist(), first.tolist(), strict=True):
            found.append(self._asked(number, batch, row, on))
        shares, totals = self._table(found, at, estates, ids)
        if on is not None:
            self._charge(found, at, on, shares, totals, estates, ids)
        return Result(_sum(shares, len(key)), shares, key, Totals(totals, _rows(estates, ids)))

    def _one_by_one(self, ids: pa.Array, batch: pa.RecordBatch, estates: Any, trace: Any) -> Result:
        """Each distinct row once, by the plain assess."""
        names = ["estate_id", "registered_on", "removed_on", *(c.name for c in self.columns)]
        there = [batch.column(name) for name in names if batch.schema.get_field_index(name) >= 0]
        combined: dict[tuple[object, ...], int] = {}
        found: list[Due] = []
        at = np.empty(len(batch), np.int64)
        for row, values in enumerate(zip(*(column.to_pylist() for column in there), strict=True)):
            number = combined.setdefault(values, len(combined))
            if number == len(found):
                found.append(self._asked(values, batch, row, None))
            at[row] = number
        shares, totals = self._table(found, at, estates, ids)
        return Result(_sum(shares, len(batch)), shares, trace, Totals(totals, _rows(estates, ids)))

    # --- one row ---

    def _asked(self, key: object, batch: pa.RecordBatch, row: int, on: Exact | None) -> Due:
        if key not in self.met:
            if len(self.met) >= _MOST_MET:
                self.met.clear()
            self.met[key] = self._ask(batch, row, on)
        return self.met[key]

    def _ask(self, batch: pa.RecordBatch, row: int, on: Exact | None) -> Due:
        """What the plain assess says of a row; its charges, where it is paid by the number `on`."""
        values = {name: batch.column(at)[row].as_py() for at, name in enumerate(batch.schema.names)}
        estate_id = str(values.get("estate_id") or "")
        walk = Rows(self.walk).walk(self._estate(estate_id), values)
        claims = assess(
            walk.document, walk.provision_id, walk.registry, walk.assessments,
            window=self.window, above=walk.above, below=walk.below,
        )  # fmt: skip
        if on is None:
            return Due(tuple(_entries(claims)))
        charges = tuple(self._charges(walk, claims))
        _check(charges, claims, on.at(row), walk)
        return Due((), charges)

    def _estate(self, estate_id: str) -> Estate | None:
        """An estate of the class of a row's: they are alike."""
        if not len(self.places.ids):
            return None
        at = pc.index(self.places.ids, estate_id).as_py()
        return self.places.first[int(self.places.numbers[at])]

    def _charges(self, walk: Walk, claims: Iterable[Claim]) -> Iterator[Charge]:
        found: dict[tuple[Fraction, int], tuple[PayerSplit | None, list[str]]] = {}
        by_number = {claim.number: claim for claim in claims}
        subject = walk.registry.subject(ROW)
        served = walk.served(subject)
        for number in walk.numbers(served, self.window):
            pricing = walk.pricing(subject, served, number, walk.period(served, number))
            if pricing is None:
                continue
            claim = by_number[number]
            for priced, line in zip(pricing.lines, claim.lines, strict=True):
                if line.outcome not in (Outcome.DUE, Outcome.PENDING):
                    continue
                split = priced.split if line.outcome is Outcome.DUE else None
                rate = priced.rate * priced.factor * FEN_PER_YUAN
                found.setdefault((rate, id(split)), (split, []))[1].append(str(claim.months.start))
        for (rate, _), (split, months) in found.items():
            yield Charge(rate, split, tuple(months))

    # --- sums ---

    def _table(self, found: list[Due], at: Any, estates: Any, ids: pa.Array) -> tuple[dict[str, Any], dict[Key, int]]:
        """The fen of each row by payer, from tables over its key; and the totals."""
        shares = {}
        for payer in self.payers:
            fen = [sum(n for _, who, n in due.entries if who == payer) for due in found]
            _check_fen(max(map(abs, fen), default=0) * len(self.payers))
            shares[payer] = np.array(fen, np.int64)[at] if found else np.zeros(0, np.int64)
        by: dict[Key, int] = {}
        if any(due.entries for due in found):
            cells, counts = np.unique(estates.astype(np.int64) * len(found) + at, return_counts=True)
            for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
                estate, number = divmod(cell, len(found))
                for month, payer, fen in found[number].entries:
                    _add(by, (_name(ids, estate), month, payer), fen * count)
        return shares, by

    def _charge(
        self,
        found: list[Due],
        at: Any,
        on: Exact,
        shares: dict[str, Any],
        totals: dict[Key, int],
        estates: Any,
        ids: Any,
    ) -> None:
        """Add what the charges come to: a number of each row times a rate, rounded, divided."""
        for rate, split in _prices(found):
            months = [due.months_at(rate, split) for due in found]
            lists = list(dict.fromkeys(months))
            here = np.flatnonzero(np.array([bool(m) for m in months])[at])
            dealt = self._dealt(on, here, rate, split)
            which = np.array([lists.index(m) for m in months])[at[here]]
            times = np.array([len(m) for m in lists], np.int64)[which]
            group = estates[here].astype(np.int64) * len(lists) + which
            for payer, part in dealt.items():
                most = max(map(len, lists))
                if int(part.max(initial=0)) * len(part) >= _MOST_FEN:
                    raise NotInColumns  # their sum may not fit
                if payer != PENDING:
                    _check_fen((int(shares[payer].max(initial=0)) + int(part.max(initial=0)) * most) * len(self.payers))
                    shares[payer][here] += part * times
                for code, total in _sums(group, part):
                    estate, place = divmod(code, len(lists))
                    for month in lists[place]:
                        _add(totals, (_name(ids, estate), month, payer), total)

    def _dealt(self, on: Exact, here: Any, rate: Fraction, split: PayerSplit | None) -> dict[str, Any]:
        """Fen by payer for some rows: what they are paid by times the rate, rounded, divided; or all of it pending."""
        rule = self.walk.provision.rounding
        exact = Exact(on.parts[here], 1, on.known[here]).times(rate.numerator)
        fen = rounded(exact, rate.denominator * on.scale, rule.mode, int(rule.to * FEN_PER_YUAN))
        return divided(fen, split) if split else {PENDING: fen}


def _check_fen(fen: int) -> None:
    if fen >= _MOST_FEN:
        raise AmountError("an amount beyond what a column holds", got=f"up to {fen} fen", wanted=f"below {_MOST_FEN}")


def _prices(found: Iterable[Due]) -> list[tuple[Fraction, PayerSplit | None]]:
    """Each rate and division once."""
    return list({(c.rate, id(c.split)): (c.rate, c.split) for due in found for c in due.charges}.values())


def _check(charges: Sequence[Charge], claims: Iterable[Claim], value: Fraction | None, walk: Walk) -> None:
    """The first row of a key comes out by its charges as the plain assess has it, or this is a bug."""
    due = pending = 0
    for charge in charges:
        fen = walk.provision.rounding.round((value or Fraction(0)) * charge.rate) * len(charge.months)
        due, pending = (due + fen, pending) if charge.split else (due, pending + fen)
    wanted = (sum(c.amount_fen for c in claims), sum(c.potential_fen - c.amount_fen for c in claims))
    if (due, pending) != wanted:
        raise InvariantBroken(f"charges come to {due} and {pending} fen, by the plain assess {wanted}")


def _entries(claims: Iterable[Claim]) -> Iterator[tuple[str, str, int]]:
    for claim in claims:
        month = str(claim.months.start)
        for payer, fen in claim.shares.items():
            yield month, payer, fen
        waiting = sum(line.potential_fen for line in claim.lines if line.outcome is Outcome.PENDING)
        if waiting:
            yield month, PENDING, waiting


def _sums(group: npt.NDArray[np.int64], fen: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """The sum of each group, by its number."""
    if not len(fen):
        return
    if bool((group[1:] < group[:-1]).any()):
        order = np.argsort(group, kind="stable")
        group, fen = group[order], fen[order]
    begin = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    yield from zip(group[begin].tolist(), np.add.reduceat(fen, begin).tolist(), strict=True)


def _rows(estates: Any, ids: pa.Array) -> dict[str, int]:
    numbers, counts = np.unique(estates, return_counts=True)
    return {_name(ids, n): count for n, count in zip(numbers.tolist(), counts.tolist(), strict=True)}


def _name(ids: pa.Array, number: int) -> str:
    return str(ids[number].as_py()) if len(ids) else ""


def _add(by: dict[Key, int], key: Key, fen: int) -> None:
    if fen:
        by[key] = by.get(key, 0) + fen


def _sum(shares: Mapping[str, npt.NDArray[np.int64]], rows: int) -> npt.NDArray[np.int64]:
    return sum(shares.values(), np.zeros(rows, np.int64))


def _distinct(key: npt.NDArray[np.int64], radix: int) -> tuple[Any, Any, Any]:
    """The distinct keys, the first row of each, and the place of each row's key among them."""
    if radix > _DENSE:
        return np.unique(key, return_index=True, return_inverse=True)
    first = np.full(radix, -1, np.int64)
    first[key[::-1]] = np.arange(len(key) - 1, -1, -1)
    keys = np.flatnonzero(first >= 0)
    place = np.empty(radix, np.int32)
    place[keys] = np.arange(len(keys))
    return keys, first[keys], place[key]


def _reduced(walk: Walk, places: Places) -> Walk:
    """The walk over one estate of each class alone, to travel light."""
    full = walk.registry
    estates = {estate.estate_id: estate for estate in places.first}
    names = {f"{level}/{e.unit_at(level)}" for e in places.first for level in LEVELS[:-1]} | {*estates}
    facts = Facts((o, n, p, fact) for (o, n, p), fact in full.facts.items() if o in names)
    units = {key: unit for key, unit in full.units.items() if key in names}
    registry = Registry(estates, {}, facts=facts, units=units)
    return Walk(walk.document, walk.provision_id, walk.provision, registry, walk.assessments, walk.above, walk.below)


def _base(walk: Walk, numeric: Sequence[str]) -> str:
    """The number that prices rest on, where it is one of the row, and nothing else is done to it than times a rate."""
    provision = walk.provision
    bases = {rate.unit.base for rate in provision.rate}
    plain = (
        len(bases) == 1
        and not provision.caps
        and not provision.floors
        and provision.rounding.level == "line"
        and not any(rate.slices or rate.base_at_most for rate in provision.rate)
        and not any(split.first or split.matching for split in provision.payers)
        and not walk.grouped
    )
    (base, *_) = bases
    base = AREA if base == "m2" and provision.each == "household" else base
    base = "area_m2" if base == "m2" and "area_m2" in numeric else base
    behind = walk.document.behind([base])
    return base if plain and any(name in numeric for name in behind) else ""


def _bounds(walk: Walk, used: Sequence[str], numeric: Sequence[str]) -> Iterator[Bounds]:
    """Every condition that rests on a number of the row."""
    document = walk.document
    own = [r for r in document.requirements if not r.provisions or walk.provision_id in r.provisions]
    nodes = [walk.provision, *own, *(document.derived[name] for name in used if name in document.derived)]
    for node in nodes:
        for _, table in tables(node):
            if isinstance(table, Bounds):
                names = document.behind([name for name in (table.fact, table.of) if name])
                if any(name in numeric or name in ("m2", AREA) for name in names):
                    yield table
