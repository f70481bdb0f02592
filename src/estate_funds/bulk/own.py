"""What a row is owed that has a claim of its own: a household's fee, its relief, the deposit of a house.

Rows with the same codes (class of estate, first and last day, choices, which bounds their numbers meet) are priced
alike: the plain walk prices the first of them, and says rate, months, and division among payers. Where the price
rests on a number of the row, that number is multiplied, rounded and divided in columns, and the first row must come out
as the plain `assess` has it. What cannot be computed in columns is assessed row by row, each distinct row once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from threading import RLock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from estate_funds.assess import Claims, Outcome, assess
from estate_funds.assess.walk import Walk
from estate_funds.bulk.coding import (
    EPOCH,
    FITS,
    Coded,
    DayCodes,
    Ids,
    Place,
    Places,
    about_estates,
    bounds_in,
    from_row,
    in_chunks,
    packed,
    priced_by,
    required_of,
    stay_of,
)
from estate_funds.bulk.known import Charge, Constants, Due, Known, Price
from estate_funds.bulk.numbers import Exact, NotInColumns, Numbers, Plan, divided, rounded
from estate_funds.bulk.result import PENDING, Result
from estate_funds.bulk.rows import AREA, ROW, Code, Field, Rows, claim_numbers, fields_of
from estate_funds.bulk.tally import Tally
from estate_funds.calendar import Months
from estate_funds.errors import AmountError, BulkError, EstateFundsError, InvariantBroken
from estate_funds.money import FEN_PER_YUAN, MAX_FEN
from estate_funds.policy import LEVELS, Bounds, PayerSplit
from estate_funds.registry import Assessments, Estate, Facts, Registry

_MOST_MET = 200_000  # rows or keys whose answer is remembered
_SPARSE = 8  # so many times more codes than rows are sorted, not counted in an array
_OUTCOMES = 3  # a condition is met, is not, or nobody knows
Fen = npt.NDArray[np.int64]
At = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Owed:
    """What rows with claims of their own are owed; `met` remembers what was asked."""

    walk: Walk  # over one estate of each class
    window: Months
    ids: Ids
    places: Places
    first: Coded
    last: Coded
    fields: tuple[Field, ...]
    payers: tuple[str, ...]
    plan: Plan
    base: str  # the number of the row that prices rest on; "" where they rest on none
    bounds: tuple[Bounds, ...]  # conditions on numbers of the row
    constants: tuple[str, ...]  # numbers in those that are the same for all rows of a key
    in_columns: bool  # else every row is assessed by itself
    met: Met = field(default_factory=lambda: Met(), repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "met": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, met=Met())

    @classmethod
    def of(cls, walk: Walk, window: Months, days: DayCodes, used: Sequence[str]) -> Owed:
        """Those of a provision; nothing is asked yet. BulkError where rows differ in too many ways."""
        tell = about_estates(walk, used)
        places = Places.of(walk, lambda estate: (*tell(estate)[:1], tuple(tell(estate)[1])))
        borders = [b - EPOCH for b in days.borders]
        fields = fields_of(walk, window, used)
        plan = _plan(walk, window, fields)
        bounds = tuple(_bounds(walk, used, plan))
        found = cls(
            walk=_reduced(walk, places),
            window=window,
            ids=Ids(pa.array(list(walk.registry.estates), pa.string())),
            places=places,
            first=Coded.each(days.days) if days.by_day else Coded.of(days.days, days.first, borders),
            last=Coded.of(days.ends, days.last),
            fields=fields,
            payers=tuple(dict.fromkeys(payer for split in walk.provision.payers for payer in split.payers)),
            plan=plan,
            bounds=bounds,
            **_computed(walk, plan, bounds),
        )
        if found.keys * _OUTCOMES ** len(bounds) >= FITS:
            raise BulkError(
                "rows differ in more ways than 64 bits tell apart",
                where=f"{walk.document.id} {walk.provision_id}",
                got=", ".join(f"{one.names[0]} {found.codes_of(one)}" for one in fields),
                fix="assess it as a case: estate-funds run",
            )
        return found

    @property
    def keys(self) -> int:
        """How many keys there may be."""
        sizes = [max(len(self.places.first), 1), self.first.size, self.last.size]
        return prod([*sizes, *(self.codes_of(one) for one in self.fields)])

    def codes_of(self, one: Field) -> int:
        """How many codes a field has: where rows are assessed one by one, their numbers are told apart anyhow."""
        return 1 if one.is_number and not self.in_columns else one.codes

    # --- a batch ---

    def assess(self, batch: pa.RecordBatch, place: Place) -> Result:
        """What each row of a batch is owed."""
        rows = len(batch)
        estates = np.zeros(rows, np.int32)
        if len(self.ids):
            estates = self.ids.numbers(required_of(batch, "estate_id", place), place)
        tally = Tally(self.ids, estates, self.window, self.payers)
        shares = {payer: np.zeros(rows, np.int64) for payer in self.payers}
        trace, amounts = np.empty(rows, np.int64), np.zeros(rows, np.int64)
        for part in in_chunks(rows):
            piece = batch.slice(part.start, part.stop - part.start)
            chunk = Chunk(self, piece, estates[part], tally.at[part], from_row(place, part.start), tally)
            trace[part] = chunk.trace
            for payer, fen in chunk.assess().items():
                shares[payer][part] = fen
                np.add(amounts[part], fen, out=amounts[part])
        return Result(amounts, shares, trace, tally.totals())


class Met:
    """What was asked so far, in this process; forgotten, where that is too much to remember."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.rows: dict[object, Due] = {}
        self._maker: Rows | None = None
        self._known: Known | None = None
        self._constants: Constants | None = None

    def walk(self, owed: Owed, estate: Estate | None, row: Mapping[str, object]) -> Walk:
        """The plain walk over one row."""
        if self._maker is None:
            self._maker = Rows(owed.walk, owed.fields)
        return self._maker.walk(estate, row)

    def known(self, owed: Owed) -> Known:
        """By key, bounds included."""
        if self._known is None or self._known.count > _MOST_MET:
            self._known = Known(owed.keys * _OUTCOMES ** len(owed.bounds), owed.payers)
        return self._known

    def constants(self, owed: Owed) -> Constants:
        """By key, bounds left out."""
        if self._constants is None or len(self._constants.met) > _MOST_MET:
            self._constants = Constants(owed.keys, owed.constants)
        return self._constants


@dataclass
class Chunk:
    """Some rows of a batch, few enough for the cache. `at` is the place of each row's estate in the tally."""

    owed: Owed
    batch: pa.RecordBatch
    estates: npt.NDArray[np.int32]
    at: At
    place: Place
    tally: Tally
    numbers: dict[str, Exact] = field(init=False)
    whole: bool = field(init=False)  # whether all numbers fit into columns
    trace: npt.NDArray[np.int64] = field(init=False)
    asked: list[tuple[int, Mapping[str, int]]] = field(default_factory=list)  # rows whose shares are known beforehand

    def __post_init__(self) -> None:
        self.numbers, self.whole = {}, True
        self.classes = self.owed.places.numbers[self.estates] if len(self.owed.ids) else self.estates
        self.trace = packed(self._codes(), len(self.batch))

    def _codes(self) -> Iterator[Code]:
        owed = self.owed
        arrived, gone = stay_of(self.batch, self.place)
        yield self.classes, 1
        yield owed.first.codes(arrived), owed.first.size
        yield owed.last.codes(gone), owed.last.size
        for one in owed.fields:
            if not one.is_number:
                yield one.code(self.batch, self.place)
                continue
            known: Any = 0
            try:
                if (found := one.number(self.batch, self.place)) is not None:
                    self.numbers[one.names[0]] = found
                    known = found.known
            except NotInColumns:
                self.whole, (_, column) = False, one.column(self.batch)
                known = column.is_valid().to_numpy(zero_copy_only=False) if column is not None else 0
            if owed.in_columns:
                yield known, one.codes

    def assess(self) -> Mapping[str, Fen]:
        """The fen of each row by payer; totals go to the tally."""
        with self.owed.met.lock:
            try:
                if self.whole and self.owed.in_columns:
                    return self._in_columns()
            except NotInColumns:
                pass
            return self._one_by_one()

    # --- in columns ---

    def _in_columns(self) -> Mapping[str, Fen]:
        """Nothing is added to the tally before it is certain that all fits."""
        owed, rows = self.owed, len(self.batch)
        numbers = Numbers(owed.plan, self.numbers, self._constant, rows)
        met = [(numbers.holds(bounds), _OUTCOMES) for bounds in owed.bounds]
        on = numbers.get(owed.base) if owed.base else None
        if on is not None and bool((on.parts < 0).any()):
            raise NotInColumns
        known = owed.met.known(owed)
        key = packed([(self.trace, 1), *met], rows) if met else self.trace
        due = known.keys.numbers(key, lambda row: known.add(self._ask(row, on)))
        if on is None:
            return self._looked_up(known, due)
        return self._charged(known, due, on)

    def _constant(self, name: str) -> Exact:
        """A number that is the same for all rows of a key."""
        found = self.owed.met.constants(self.owed)
        at = found.keys.numbers(self.trace, lambda row: found.add(self._constants_of(row)))
        column = found.column(name)
        return Exact(column.parts[at], column.scale, column.known[at])

    def _looked_up(self, known: Known, due: At) -> Mapping[str, Fen]:
        """The fen of each row from the tables of its key, and for each estate the rows of each key times its fen."""
        if known.most >= FITS or not self.tally.make_room(known.most * len(due)):
            raise NotInColumns
        cells, counts = _counted(self.at * known.count + due, len(self.tally.estates) * known.count)
        estate, number = np.divmod(cells, known.count)
        place, slot, fen = known.entries(number)
        self.tally.add(estate[place], slot, fen * counts[place])
        return {payer: column.array[due] for payer, column in known.shares.items()}

    def _charged(self, known: Known, due: At, on: Exact) -> Mapping[str, Fen]:
        """A number of each row times the rates of its key, rounded, divided."""
        dealt = [self._dealt(price, due, on) for price in known.prices.values() if price.rate]
        most = sum(one.most for one in dealt)
        if most >= FITS or not self.tally.make_room(most * len(due)):
            raise NotInColumns
        shares = {payer: np.zeros(len(due), np.int64) for payer in known.shares}
        for one in dealt:
            times = one.often[one.which]
            for payer in shares.keys() & one.parts.keys():
                shares[payer][one.rows] += one.parts[payer] * times
        for row, wanted in self.asked:
            found = {payer: int(fen[row]) for payer, fen in shares.items()}
            if found != {payer: wanted.get(payer, 0) for payer in shares}:
                raise InvariantBroken(f"columns come to {found}, the plain assess to {dict(wanted)}")
        for one in dealt:
            for payer, fen in one.parts.items():
                self.tally.add_lists(self.at[one.rows], one.which, fen, one.times, payer)
        return shares

    def _dealt(self, price: Price, due: At, on: Exact) -> Dealt:
        """Fen by payer for the rows that have a price: their number times the rate; or all of it pending."""
        rule = self.owed.walk.provision.rounding
        which = price.which.array[due]
        rows: Any = slice(None)
        if not which.all():
            rows = np.flatnonzero(which)
            which = which[rows]
        exact = Exact(on.parts[rows], 1, on.known[rows]).times(price.rate.numerator)
        fen = rounded(exact, price.rate.denominator * on.scale, rule.mode, int(rule.to * FEN_PER_YUAN))
        parts = divided(fen, price.split) if price.split else {PENDING: fen}
        return Dealt(rows, which, price.times(len(self.owed.window)), parts)

    # --- row by row ---

    def _one_by_one(self) -> Mapping[str, Fen]:
        """Each distinct row once, by the plain assess."""
        met, numbers = self.owed.met.rows, [one for one in self.owed.fields if one.is_number]
        if len(met) > _MOST_MET:
            met.clear()
        columns = [column.to_pylist() for one in numbers if (column := one.column(self.batch)[1]) is not None]
        names = tuple(one.names[0] for one in numbers if one.column(self.batch)[1] is not None)
        shares = {payer: np.zeros(len(self.batch), np.int64) for payer in self.owed.payers}
        for row, values in enumerate(zip(self.trace.tolist(), *columns, strict=True)):
            key = (names, values)
            if key not in met:
                met[key] = self._ask(row, None)
            for payer, fen in met[key].shares.items():
                shares[payer][row] = fen
            for slot, fen in met[key].entries:
                self.tally.add_one(int(self.at[row]), slot, fen)
        return shares

    # --- one row ---

    def _walk(self, row: int) -> Walk:
        values = {name: self.batch.column(at)[row].as_py() for at, name in enumerate(self.batch.schema.names)}
        estate = self.owed.places.first[int(self.classes[row])] if len(self.owed.ids) else None
        return self.owed.met.walk(self.owed, estate, values)

    def _constants_of(self, row: int) -> tuple[Fraction | None, ...]:
        """Numbers that are the same for all rows of a key; what is wrong with one matters only to who asks for it."""
        walk, window = self._walk(row), self.owed.window
        subject = walk.registry.subject(ROW)
        number = claim_numbers(walk, window)[0]  # where there are others, the numbers are the same in each
        view = walk.view(subject, number, subject.start, window.start)
        try:
            return tuple(view.number(name) for name in self.owed.constants)
        except EstateFundsError:
            raise NotInColumns from None

    def _ask(self, row: int, on: Exact | None) -> Due:
        """What the plain assess says of a row; its charges, where it is paid by the number `on`."""
        walk = self._walk(row)
        where = self.place(row, next((one.names[0] for one in self.owed.fields if one.is_number), "registered_on"))
        try:
            claims = assess(
                walk.document, walk.provision_id, walk.registry, walk.assessments,
                window=self.owed.window, above=walk.above, below=walk.below,
            )  # fmt: skip
        except EstateFundsError as error:
            error.where = f"{where}; {error.where}" if error.where else where
            raise
        due = self._entered(claims)
        if sum(due.shares.values()) > MAX_FEN:
            raise AmountError(
                "more is due than 64 bits hold", where=where, got=f"{claims.amount_fen} fen", wanted=f"{MAX_FEN} fen"
            )
        if on is None:
            return due
        charges = tuple(_charges(walk, claims, self.owed.window))
        _check(charges, claims, on.at(row), walk)
        self.asked.append((row, due.shares))
        return Due(charges=charges)

    def _entered(self, claims: Claims) -> Due:
        """Fen by slot and by payer."""
        entries: dict[int, int] = {}
        shares: dict[str, int] = {}
        for claim in claims:
            for payer, fen in claim.shares.items():
                shares[payer] = shares.get(payer, 0) + fen
                _add(entries, self.tally.slot(claim.months.start, payer), fen)
            waiting = sum(line.potential_fen for line in claim.lines if line.outcome is Outcome.PENDING)
            _add(entries, self.tally.slot(claim.months.start, PENDING), waiting)
        return Due(tuple((slot, fen) for slot, fen in entries.items() if fen), shares)


# --- prices -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dealt:
    """What a price comes to: fen by payer for `rows` of a chunk, each as often as its list of months is long."""

    rows: Any  # places, or a slice
    which: At  # the list of each
    times: npt.NDArray[np.int64]  # how often each list has each month, of shape (lists, months)
    parts: Mapping[str, Fen]

    @property
    def often(self) -> npt.NDArray[np.int64]:
        """How many months each list has."""
        found: npt.NDArray[np.int64] = self.times.sum(axis=1)
        return found

    @property
    def most(self) -> int:
        """What all payers of all months of a row owe at most."""
        return sum(int(fen.max(initial=0)) for fen in self.parts.values()) * int(self.often.max(initial=0))


def _charges(walk: Walk, claims: Claims, window: Months) -> Iterator[Charge]:
    """The charges of a row, from the lines of its claims before rounding."""
    found: dict[tuple[Fraction, int], tuple[PayerSplit | None, list[int]]] = {}
    subject = walk.registry.subject(ROW)
    served = walk.served(subject)
    for claim in claims:
        pricing = walk.pricing(subject, served, claim.number, walk.period(served, claim.number))
        if pricing is None:
            raise InvariantBroken(f"a claim that has no price: {claim.claim_id}")
        if walk.provision.rounding.level == "claim" and len(pricing.lines) > 1:
            raise NotInColumns  # the sum is rounded, and divided among lines
        for priced, line in zip(pricing.lines, claim.lines, strict=True):
            if line.outcome in (Outcome.DUE, Outcome.PENDING):
                split = priced.split if line.outcome is Outcome.DUE else None
                rate = priced.rate * priced.factor * FEN_PER_YUAN
                months = found.setdefault((rate, id(split)), (split, []))[1]
                months.append(claim.months.start - window.start)
    for (rate, _), (split, months) in found.items():
        yield Charge(rate, split, tuple(months))


def _check(charges: Iterable[Charge], claims: Claims, value: Fraction | None, walk: Walk) -> None:
    """The first row of a key comes out by its charges as the plain assess has it, or this is a bug."""
    due = pending = 0
    for charge in charges:
        fen = walk.provision.rounding.round((value or Fraction(0)) * charge.rate) * len(charge.months)
        due, pending = (due + fen, pending) if charge.split else (due, pending + fen)
    wanted = (sum(c.amount_fen for c in claims), sum(c.potential_fen - c.amount_fen for c in claims))
    if (due, pending) != wanted:
        raise InvariantBroken(f"charges come to {due} and {pending} fen, by the plain assess {wanted}")


def _add(entries: dict[int, int], slot: int, fen: int) -> None:
    entries[slot] = entries.get(slot, 0) + fen


def _counted(codes: npt.NDArray[np.int64], size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The codes that are there, in order, and how often each is; all are below `size`."""
    if size > _SPARSE * len(codes):
        return np.unique(codes, return_counts=True)
    counts = np.bincount(codes, minlength=size)
    there = np.flatnonzero(counts)
    return there, counts[there]


# --- what is computed in columns ------------------------------------------------------------------------------------


def _plan(walk: Walk, window: Months, fields: Sequence[Field]) -> Plan:
    """Which names are numbers of the row, and which have another value in each claim period."""
    each = walk.provision.each
    numbers = claim_numbers(walk, window)
    own = walk.key(numbers[0]) if len(numbers) == 1 else None
    columns = {}
    for one in fields:
        if one.is_number and one.period in ("", own or one.period):
            columns[one.fact] = one.names[0]
            if one.fact == AREA or (one.fact == "area_m2" and one.of == each != "household"):
                columns["m2"] = one.names[0]
    periodic = {name for name, rule in walk.document.facts.items() if rule.each_period and own is None}
    return Plan(walk.document, columns, frozenset({"score", *periodic}))


def _bounds(walk: Walk, used: Sequence[str], plan: Plan) -> Iterator[Bounds]:
    """Every condition on a number of the row that decides about fen."""
    document = walk.document
    own = [r for r in document.requirements if not r.provisions or walk.provision_id in r.provisions]
    own = [rule for rule in own if rule.otherwise != "warn"]
    derived = [document.derived[name] for name in used if name in document.derived]
    for bounds in dict.fromkeys(bounds_in(walk.provision, *own, *derived)):
        if bounds.numbers and any(plan.touches(name) for name in (bounds.fact, bounds.of) if name):
            yield bounds


def _computed(walk: Walk, plan: Plan, bounds: Sequence[Bounds]) -> dict[str, Any]:
    """What is computed in columns: the base, numbers that are the same for all rows of a key, or nothing at all."""
    provision = walk.provision
    priced = [name for name in priced_by(provision) if plan.touches(name)]
    plain = (
        not provision.caps
        and not provision.floors
        and not any(rate.slices or rate.base_at_most for rate in provision.rate)
        and not any(split.first or split.matching for split in provision.payers)
        and priced_by(provision) == priced
        and len(priced) == 1
    )
    try:
        if priced and not plain:
            raise NotInColumns
        names = [name for one in bounds for name in plan.constants_of(one)]
        names += [name for base in priced for name in plan.constants(base)]
    except NotInColumns:
        return {"base": "", "constants": (), "in_columns": False}
    return {"base": "".join(priced), "constants": tuple(dict.fromkeys(names)), "in_columns": True}


def _reduced(walk: Walk, places: Places) -> Walk:
    """The walk over one estate of each class alone, to travel light."""
    full = walk.registry
    estates = {estate.estate_id: estate for estate in places.first}
    names = {f"{level}/{e.unit_at(level)}" for e in places.first for level in LEVELS[:-1]} | {*estates}
    facts = Facts((o, n, p, fact) for (o, n, p), fact in full.facts.items() if o in names)
    units = {key: unit for key, unit in full.units.items() if key in names}
    results = Assessments(one for one in walk.assessments.values() if one.subject_id in names)
    registry = Registry(estates, {}, facts=facts, units=units)
    return Walk(walk.document, walk.provision_id, walk.provision, registry, results, walk.above, walk.below)
