"""What is owed for an estate by counting its households, household by household.

An estate's claim is 1,885 households x 18 yuan x 12 months: each household that was counted adds 216 yuan to it. The
plain `assess` says for an estate with one household what each day of counting is worth; a household is worth the sum
over the days on which it was there, from the first to the last: one difference of two look-ups.

That a claim is such a sum is checked, not assumed: no caps, no floors, whole fen for each household and each payer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
    DayCodes,
    Place,
    about_estates,
    column_of,
    estates_of,
    stay_of,
)
from estate_funds.bulk.result import PENDING, Key, Result, Totals
from estate_funds.calendar import Months
from estate_funds.errors import AmountError, BulkError
from estate_funds.registry import Estate, Headcount, Registry, estate_subject

ONE = Headcount((1,), (1,))  # one household, from the first day of the calendar on
_OWN_START = -(10**6)  # a day of counting that is the estate's own first day, whichever that is
_MOST_FEN = 2**62  # of a running sum: so the difference of two always fits

Entry = tuple[str, str, int]  # the month in which the claim begins, payer or PENDING, fen
Piece = tuple[tuple[int, tuple[Entry, ...]], ...]  # by day of counting (since 1970): what who is there adds


@dataclass(frozen=True)
class Worth:
    """What the days of counting are worth, by class of estates.

    `days` has a row for each list of days: how many of them lie before each day, from `low` on. `classes` to `base` are
    arrays over estates; `sums` has for each payer the running sums of fen over the days of each class, from 0 on, one
    class after the other.
    """

    pieces: tuple[Piece, ...]  # of each class, in order of days
    low: int
    days: npt.NDArray[np.int32]  # shape (lists, span)
    classes: npt.NDArray[np.int32]
    row: npt.NDArray[np.int64]  # where the list of the estate begins in `days`, flat
    start: npt.NDArray[np.int32]  # its first day, where that is a day of counting; else FAR
    length: npt.NDArray[np.int64]  # how many days of counting it has
    base: npt.NDArray[np.int64]  # where its class begins in `sums`
    sums: dict[str, npt.NDArray[np.int64]]

    @property
    def most(self) -> int:
        """One more than the most days of counting of an estate."""
        return 1 + max(map(len, self.pieces), default=0)


def assess_counted(worth: Worth, ids: pa.Array, batch: pa.RecordBatch, place: Place) -> Result:
    """What each row of a batch adds to the claims of its estate."""
    estates = estates_of(column_of(batch, "estate_id", place), ids, place)
    arrived, gone = stay_of(batch, place)
    row, start, base = worth.row[estates], worth.start[estates], worth.base[estates]
    first, last = _before(worth, arrived, row, start), _before(worth, gone, row, start)
    shares = {payer: sums[base + last] - sums[base + first] for payer, sums in worth.sums.items()}
    amounts = sum(shares.values(), np.zeros(len(estates), np.int64))
    most = worth.most
    trace = (worth.classes[estates].astype(np.int64) * most + first) * most + last
    return Result(amounts, shares, trace, _totals(worth, ids, estates, first, last))


def _before(worth: Worth, days: npt.NDArray[np.int32], row: Any, start: Any) -> npt.NDArray[np.int64]:
    """How many days of counting of its estate lie before a day of each row."""
    at = np.clip(days, worth.low, worth.low + worth.days.shape[1] - 1)
    found: npt.NDArray[np.int64] = worth.days.reshape(-1)[row + (at - worth.low)] + (days > start)
    return found


def _totals(worth: Worth, ids: pa.Array, estates: Any, first: Any, last: Any) -> Totals:
    """Households that were there on each day of counting, times what the day is worth."""
    if not len(estates):
        return Totals()
    low, most = int(estates.min()), worth.most
    span = int(estates.max()) - low + 1
    numbers: npt.NDArray[Any] = np.arange(low, low + span)
    at = estates - low
    if span > 4 * len(estates):  # few rows from all over the country
        numbers, at = np.unique(estates, return_inverse=True)
    size = len(numbers) * most
    come = np.bincount(at * most + first, minlength=size).reshape(-1, most)
    go = np.bincount(at * most + last, minlength=size).reshape(-1, most)
    there, rows = np.cumsum(come - go, axis=1), come.sum(axis=1)
    by: dict[Key, int] = {}
    households: dict[str, int] = {}
    for place in np.flatnonzero(rows).tolist():
        number = int(numbers[place])
        estate_id = ids[number].as_py()
        households[estate_id] = int(rows[place])
        for (_, entries), count in zip(worth.pieces[worth.classes[number]], there[place].tolist(), strict=False):
            for month, payer, fen in entries:
                key = (estate_id, month, payer)
                by[key] = by.get(key, 0) + fen * count
    return Totals({key: fen for key, fen in by.items() if fen}, households)


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
        payers = dict.fromkeys(payer for split in self.walk.provision.payers for payer in split.payers)
        return _worth(list(classes), list(lists), numbers, rows, starts, list(payers))

    def _of_estate(self, estate: Estate, static: object, results: Sequence[tuple[int, int, object]]) -> Piece:
        """All claim periods of an estate, one after the other, their days of counting in order."""
        served = self.walk.served(estate_subject(estate))
        own = (self.days.first(estate.service_start), self.days.last(estate.service_end))
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
        pricing, found = walk.pricing(subject, served, number, period), walk.lines(subject, served, number, period)
        if pricing is None or found is None:
            return
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
        whole = self.walk.provision.rounding.round(priced.exact_fen) == priced.exact_fen
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


def _worth(
    classes: list[Piece],
    lists: list[tuple[int, ...]],
    numbers: list[int],
    rows: list[int],
    starts: list[int],
    payers: list[str],
) -> Worth:
    every = [day for days in lists for day in days]
    low, high = (min(every), max(every) + 1) if every else (0, 0)
    table = np.zeros((max(len(lists), 1), high - low + 1), np.int32)
    for at, days in enumerate(lists):
        for day in days:
            table[at, day - low + 1 :] += 1
    lengths = np.array([len(piece) for piece in classes], np.int64)
    bases = np.concatenate([[0], np.cumsum(lengths + 1)])
    of = np.array(numbers, np.int64)
    return Worth(
        pieces=tuple(classes),
        low=low,
        days=table,
        classes=np.array(numbers, np.int32),
        row=np.array(rows, np.int64) * table.shape[1],
        start=np.array(starts, np.int32),
        length=lengths[of],
        base=bases[of],
        sums={payer: _running(classes, payer) for payer in payers},
    )


def _running(classes: list[Piece], payer: str) -> npt.NDArray[np.int64]:
    found = []
    for piece in classes:
        days = [sum(fen for _, who, fen in entries if who == payer) for _, entries in piece]
        found += [0, *accumulate(days)]
    if any(abs(fen) > _MOST_FEN for fen in found):
        raise AmountError("an amount beyond what a column holds", got=f"{max(found)} fen", wanted=f"{_MOST_FEN} fen")
    return np.array(found, np.int64)
