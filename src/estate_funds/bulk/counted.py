"""What is owed for an estate by counting its households, household by household.

An estate's claim is 1,885 households x 18 yuan x 12 months: each household that was counted adds 216 yuan to it. The
plain `assess` says for an estate with one household what each day of counting is worth; a household is worth the sum
over the days on which it was there, from the first to the last: one difference of two look-ups.

That a claim is such a sum is checked, not assumed: no caps, no floors, whole fen for each household and each payer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from estate_funds.assess import Line, Outcome
from estate_funds.assess.settlement import with_advance
from estate_funds.assess.walk import Priced, Walk
from estate_funds.bulk.coding import (
    EPOCH,
    FAR,
    FITS,
    DayCodes,
    Ids,
    Place,
    about_estates,
    in_chunks,
    local_numbers,
    packed,
    required_of,
    stay_of,
)
from estate_funds.bulk.result import PENDING, Result, Totals
from estate_funds.calendar import Months
from estate_funds.errors import AmountError, BulkError
from estate_funds.money import MAX_FEN
from estate_funds.registry import Estate, Headcount, Registry, estate_subject

ONE = Headcount((1,), (1,))  # one household, from the first day of the calendar on
_OWN_START = -(10**6)  # a day of counting that is the estate's own first day, whichever that is

Entry = tuple[str, str, int]  # the month in which the claim begins, payer or PENDING, fen
Piece = tuple[tuple[int, tuple[Entry, ...]], ...]  # by day of counting (since 1970): what who is there adds


@dataclass(frozen=True)
class Class:
    """What a household adds to the claims of an estate of a class, by day of counting, in order of days.

    `fen` has shape (days, columns), int64, or Python's integers where 64 bits are too few; `of` says of which month and
    payer a column is.
    """

    fen: npt.NDArray[Any]
    of: tuple[tuple[str, str], ...]

    @classmethod
    def of_piece(cls, piece: Piece) -> Class:
        """A piece as a matrix."""
        columns = list(dict.fromkeys((month, payer) for _, entries in piece for month, payer, _ in entries))
        found = np.zeros((len(piece), len(columns)), object)
        for row, (_, entries) in enumerate(piece):
            for month, payer, fen in entries:
                found[row, columns.index((month, payer))] += fen
        fits = max((abs(fen) for fen in found.flat), default=0) < FITS
        return cls(found.astype(np.int64) if fits else found, tuple(columns))

    @property
    def most(self) -> int:
        """The largest magnitude among its fen."""
        return int(abs(self.fen).max(initial=0))

    def running(self, payer: str) -> list[int]:
        """What one payer pays for who is there on the first so many days, from 0 days on."""
        own = [at for at, (_, who) in enumerate(self.of) if who == payer]
        return [*accumulate(map(int, self.fen[:, own].sum(axis=1)), initial=0)]


@dataclass(frozen=True)
class Worth:
    """What the days of counting are worth, by class of estates.

    `days` has a row for each list of days: how many of them lie before each day, from `low` on. `numbers` (of classes),
    `row`, `start` and `base` are arrays over estates; `sums` has for each payer the running sums of fen over the days
    of each class, from 0 on, one class after the other.
    """

    ids: Ids
    classes: tuple[Class, ...]
    low: int
    days: npt.NDArray[np.int32]  # shape (lists, span)
    numbers: npt.NDArray[np.int32]
    row: npt.NDArray[np.int64]  # where the list of the estate begins in `days`, flat
    start: npt.NDArray[np.int32]  # its first day, where that is a day of counting; else FAR
    base: npt.NDArray[np.int64]  # where its class begins in `sums`
    sums: Mapping[str, npt.NDArray[np.int64]]

    @cached_property
    def most(self) -> int:
        """One more than the most days of counting of an estate."""
        return 1 + max((len(one.fen) for one in self.classes), default=0)

    @cached_property
    def most_fen(self) -> int:
        """The largest magnitude of what a household adds to an estate, over all days."""
        return self.most * max((one.most for one in self.classes), default=0)

    @cached_property
    def length(self) -> npt.NDArray[np.int32]:
        """How many days of counting each estate has."""
        return np.array([len(one.fen) for one in self.classes], np.int32)[self.numbers]

    @cached_property
    def whole(self) -> dict[str, npt.NDArray[np.int64]]:
        """What a household of each estate is worth to each payer that is there on all its days of counting."""
        return {payer: sums[self.base + self.length] - sums[self.base] for payer, sums in self.sums.items()}

    @cached_property
    def _ends(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The first day of counting of each estate, and the last; FAR and long ago where it has none."""
        low, span = self.low, self.days.shape[1]
        table = self.days.reshape(-1)
        first = np.array([np.searchsorted(row, 1) for row in self.days])[self.row // span] + low - 1
        last = np.array([np.searchsorted(row, row[-1]) for row in self.days])[self.row // span] + low - 1
        listed = table[self.row + span - 1] > 0
        own = self.start != FAR
        opens = np.where(own, self.start, np.where(listed, first, FAR))
        closes = np.where(listed, last, np.where(own, self.start, -FAR))
        return opens.astype(np.int32), closes.astype(np.int32)

    def assess(self, batch: pa.RecordBatch, place: Place) -> Result:
        """What each row of a batch adds to the claims of its estate."""
        rows = len(batch)
        estates = self.ids.numbers(required_of(batch, "estate_id", place), place)
        arrived, gone = stay_of(batch, place)
        shares = {payer: np.empty(rows, np.int64) for payer in self.sums}
        trace = np.empty(rows, np.int64)
        opens, closes = self._ends
        all_stay = not rows or int(gone.min()) == FAR
        parts: list[npt.NDArray[np.int64]] = []
        alike = packed([(self.numbers, 1), (0, self.most), (self.length, self.most)], len(self.numbers))
        for part in in_chunks(rows):
            here = estates[part].astype(np.intp)
            odd = arrived[part] > opens.take(here)
            if not all_stay:
                odd |= gone[part] <= closes.take(here)
            for payer, whole in self.whole.items():
                np.take(whole, here, out=shares[payer][part], mode="clip")  # `raise` would copy the result
            np.take(alike, here, out=trace[part], mode="clip")
            parts.append(np.flatnonzero(odd) + part.start)
        some = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        first, last = self._partly(some, estates[some], arrived[some], gone[some], shares, trace)
        first_payer, *others = shares.values()
        amounts = first_payer.copy()
        for other in others:
            np.add(amounts, other, out=amounts)
        return Result(amounts, shares, trace, self._totals(estates, estates[some], first, last))

    def _partly(
        self, some: Any, estates: Any, arrived: Any, gone: Any, shares: Mapping[str, Any], trace: Any
    ) -> tuple[Any, Any]:
        """The rows that came late or left early: from which day of counting to which they were there."""
        row, start, base = self.row[estates], self.start[estates], self.base[estates]
        first, last = self._before(arrived, row, start), self._before(gone, row, start)
        for payer, sums in self.sums.items():
            shares[payer][some] = sums[base + last] - sums[base + first]
        codes = [(self.numbers[estates], 1), (first, self.most), (last, self.most)]
        trace[some] = packed(codes, len(some))
        return first, last

    def _before(self, days: npt.NDArray[np.int32], row: npt.NDArray[np.int64], start: Any) -> npt.NDArray[np.int32]:
        """How many days of counting of its estate lie before a day of each row."""
        at = np.clip(days, self.low, self.low + self.days.shape[1] - 1)
        np.subtract(at, self.low, out=at)
        found: npt.NDArray[np.int32] = self.days.reshape(-1)[row + at]
        np.add(found, days > start, out=found)
        return found

    def _totals(self, estates: npt.NDArray[np.int32], some: Any, first: Any, last: Any) -> Totals:
        """Households that were there on each day of counting, times what the day is worth.

        `some` are the estates of the rows that were not there on all days, from the `first` to the `last` of theirs.
        """
        if not len(estates):
            return Totals()
        most, wide = self.most, self.most_fen * len(estates) >= FITS
        numbers, at = local_numbers(estates)
        rows = np.bincount(at, minlength=len(numbers))
        place = np.searchsorted(numbers, some)
        size = len(numbers) * most
        moves = np.bincount(place * most + first, minlength=size) - np.bincount(place * most + last, minlength=size)
        moves = moves.reshape(-1, most)
        others = rows - np.bincount(place, minlength=len(numbers))
        moves[:, 0] += others
        moves[np.arange(len(numbers)), self.length[numbers]] -= others
        there = np.cumsum(moves, axis=1)
        here = np.flatnonzero(rows)
        found, names = self._worth(there[here], numbers[here], wide=wide), self.ids.named
        return Totals(names, self._keys, numbers[here].astype(np.int64), rows[here], *found)

    @cached_property
    def _keys(self) -> tuple[tuple[str, str], ...]:
        """The month and payer of what estates are owed, each once."""
        return tuple(sorted({key for one in self.classes for key in one.of}))

    @cached_property
    def _cells(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Any, npt.NDArray[np.int64]]:
        """What is not nought in the matrices of the classes, by key: day, key, fen; and where a class begins."""
        place = {key: at for at, key in enumerate(self._keys)}
        days, keys, fen, begins = [], [], [], [0]
        for one in self.classes:
            columns = sorted(range(len(one.of)), key=lambda at: one.of[at])
            column, day = np.nonzero(one.fen.T[columns])
            days.append(day)
            keys.append(np.array([place[one.of[at]] for at in columns], np.int64)[column])
            fen.append(one.fen.T[columns][column, day])
            begins.append(begins[-1] + len(day))
        return np.concatenate(days), np.concatenate(keys), np.concatenate(fen), np.array(begins)

    def _worth(self, there: Any, estates: Any, *, wide: bool) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
        """The cells of estates by how many were there on each day, and their fen; in Python's integers where wide."""
        days, keys, fen, begins = self._cells
        classes = self.numbers[estates]
        count = begins[classes + 1] - begins[classes]
        row = np.repeat(np.arange(len(estates)), count)
        at = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(begins[classes], count)
        cells = estates[row].astype(np.int64) * max(1, len(self._keys)) + keys[at]
        if not len(cells):
            return cells, np.zeros(0, np.int64)
        counts = there[row, days[at]]
        worth = counts.astype(object) * fen[at] if wide else counts * fen[at]
        new = np.flatnonzero(np.diff(cells, prepend=-1))
        sums = np.add.reduceat(worth, new)
        some = sums != 0
        return cells[new][some], sums[some]


# --- what the plain assess says of an estate with one household -----------------------------------------------------


@dataclass
class Appraiser:
    """Asks the plain walk once for each claim period that differs."""

    walk: Walk
    window: Months
    days: DayCodes
    used: Sequence[str]
    pieces: dict[object, Piece] = field(default_factory=dict)

    def worth(self) -> Worth:
        """Of all estates of the registry."""
        tell = about_estates(self.walk, self.used)
        classes: dict[Piece, int] = {}
        lists: dict[tuple[int, ...], int] = {}
        numbers, rows, starts = [], [], []
        for estate in self.walk.registry.estates.values():
            piece = self._of_estate(estate, *tell(estate))
            own = bool(piece) and piece[0][0] == _OWN_START
            numbers.append(classes.setdefault(piece, len(classes)))
            rows.append(lists.setdefault(tuple(day for day, _ in piece[own:]), len(lists)))
            starts.append(estate.service_start.toordinal() - EPOCH if own else FAR)
        low, table = _before_each_day(list(lists))
        found = [Class.of_piece(piece) for piece in classes]
        bases = np.cumsum([0, *(len(one.fen) + 1 for one in found)])
        return Worth(
            ids=Ids(pa.array(list(self.walk.registry.estates), pa.string())),
            classes=tuple(found),
            low=low,
            days=table,
            numbers=np.array(numbers, np.int32),
            row=np.array(rows, np.int64) * table.shape[1],
            start=np.array(starts, np.int32),
            base=bases[np.array(numbers, np.int64)],
            sums=self._sums(found),
        )

    def _sums(self, classes: Sequence[Class]) -> dict[str, npt.NDArray[np.int64]]:
        """The running sums of each payer, one class after the other; AmountError where a household gets too much."""
        payers = dict.fromkeys(payer for split in self.walk.provision.payers for payer in split.payers)
        running = {payer: [fen for one in classes for fen in one.running(payer)] for payer in payers}
        most = max(map(sum, zip(*running.values(), strict=True)), default=0)
        if most > MAX_FEN:
            where = f"{self.walk.document.id} {self.walk.provision_id}"
            raise AmountError(
                "a household adds more than 64 bits hold", where=where, got=f"{most} fen", wanted=f"{MAX_FEN} fen"
            )
        return {payer: np.array(fen, np.int64) for payer, fen in running.items()}

    def _of_estate(self, estate: Estate, static: object, results: Sequence[tuple[int, int, object]]) -> Piece:
        """All claim periods of an estate, one after the other, their days of counting in order."""
        served = self.walk.served(estate_subject(estate))
        start, end = estate.service_start, estate.service_end
        own = (self.days.first(start), self.days.counted(start), self.days.last(end))
        found: dict[int, list[Entry]] = {}
        for number in self.walk.numbers(served, self.window):
            period = self.walk.period(served, number)
            asked = number if self.walk.provision.claim_period == "service_year" else period.start.year
            key = (own, static, number, tuple(r for r in results if r[1] == asked))
            if key not in self.pieces:
                self.pieces[key] = tuple(self._piece(estate, number, period))
            for day, entries in self.pieces[key]:
                found.setdefault(day, []).extend(entries)
        return tuple((day, tuple(found[day])) for day in sorted(found))

    def _piece(self, estate: Estate, number: int, period: Months) -> Iterator[tuple[int, tuple[Entry, ...]]]:
        """What one household is worth in a claim period, by day of counting."""
        walk = alone(self.walk, estate)
        subject = walk.registry.subject(estate.estate_id)
        served = walk.served(subject)
        pricing = walk.pricing(subject, served, number, period)
        if pricing is None:
            return
        found = walk.found(pricing, period)
        if walk.grouped:
            group = found.view.owner(str(walk.provision.claim_per)) or ""
            claim = walk.seal_group(group, number, [(found.view, period, found.lines)])
        else:
            (claim,) = with_advance(walk, number, found)
        month = str(claim.months.start)
        for priced, line, counted in zip(pricing.lines, claim.lines, pricing.counted, strict=True):
            added = self.adds(priced, line)
            day = _OWN_START if counted <= estate.service_start else counted.toordinal() - EPOCH
            if any(added.values()):
                yield day, tuple((month, payer, fen) for payer, fen in sorted(added.items()))

    def adds(self, priced: Priced, line: Line) -> dict[str, int]:
        """The fen that one household adds to a line, by payer; BulkError where that is no whole number for each."""
        if line.outcome not in (Outcome.DUE, Outcome.PENDING):
            return {}
        rule = self.walk.provision.rounding
        whole = rule.level == "household" or rule.round(priced.exact_fen) == priced.exact_fen
        if not whole or any((share.share * line.amount_fen).denominator != 1 for share in line.shares):
            raise BulkError(
                "what one household adds to the claim of its estate is no whole number of fen for each payer",
                where=f"{self.walk.document.id} {self.walk.provision_id}, {line.subject_id} {line.months}",
                got=f"{priced.exact_fen} fen, {' '.join(f'{s.payer} {s.share}' for s in line.shares)}",
                wanted="whole fen: the sum is rounded, and has no parts by household",
                fix="assess the estates: estate-funds run",
            )
        if line.outcome is Outcome.PENDING:
            return {PENDING: line.potential_fen}
        return {share.payer: share.fen for share in line.shares}


def alone(walk: Walk, estate: Estate) -> Walk:
    """The walk over a registry of this estate and the units it lies in, with one household that is always there."""
    full = walk.registry
    subject = estate_subject(estate)
    units = {key: unit for key, unit in full.units.items() if subject.units.get(unit.kind) == unit.name}
    small = Registry({estate.estate_id: estate}, {estate.estate_id: ONE}, facts=full.facts, units=units)
    return Walk(walk.document, walk.provision_id, walk.provision, small, walk.assessments, walk.above, walk.below)


def _before_each_day(lists: list[tuple[int, ...]]) -> tuple[int, npt.NDArray[np.int32]]:
    """The first of all days, and for each list of days how many of them lie before each day from then on."""
    every = [day for days in lists for day in days]
    low, high = (min(every), max(every) + 1) if every else (0, 0)
    table = np.zeros((max(len(lists), 1), high - low + 1), np.int32)
    for at, days in enumerate(lists):
        for day in days:
            table[at, day - low + 1 :] += 1
    return low, table
