"""What if: a register reduced once to a few counts, after which a scenario costs a look at those.

    sweep = Sweep.of(program, batches)
    sweep.owed({"rate[0].tiers[0].value": "20.00"}).amount_fen

What is owed for an estate is households x rate x months. So how many households there are for each rate (its version
and tier), number of months and division among payers decides all that other rates and shares would come to. One pass
over the register counts them, as the totals of a program that adds 1 for each household in place of fen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from estate_funds.assess import Line, Outcome
from estate_funds.assess.walk import Priced
from estate_funds.bulk.coding import FITS, DayCodes, used_names
from estate_funds.bulk.counted import Appraiser
from estate_funds.bulk.program import Program
from estate_funds.bulk.result import Totals
from estate_funds.errors import AmountError, BulkError, PolicyError, nearest
from estate_funds.money import FEN_PER_YUAN, parse_rate, parse_share
from estate_funds.policy import Provision, Rate

_CELL = re.compile(r"(\d+)\|(\d+)\|(\d+)/(\d+)")  # place of the rate, of the division, and the months as a ratio
_SHARE = re.compile(r"payers\[(\d+)\]\.shares\.(.+)")


@dataclass(frozen=True)
class Scenario:
    """What would be due in all, and from whom, in fen."""

    shares: Mapping[str, int]

    @property
    def amount_fen(self) -> int:
        """Fen due in all."""
        return sum(self.shares.values())


@dataclass(frozen=True)
class Sweep:
    """A register as counts: how many households are paid at which rate, for how long, by which division.

    `rate`, `split`, `times` and `per` (months or parts of a year as a ratio) and `households` are arrays of one shape.
    """

    provision: Provision
    rate: npt.NDArray[np.int64]  # the place of the value among `paths`
    split: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    per: npt.NDArray[np.int64]
    households: npt.NDArray[np.int64]

    @classmethod
    def of(cls, program: Program, batches: Iterable[pa.RecordBatch]) -> Sweep:
        """One pass over a register. BulkError for a provision by which rows have claims of their own."""
        counting = counter(program)
        return cls.of_totals(program, (counting.assess(batch).totals for batch in batches))

    @classmethod
    def of_totals(cls, program: Program, totals: Iterable[Totals]) -> Sweep:
        """The same from totals of `counter(program)`, wherever its partitions were counted."""
        counts: dict[str, int] = {}
        for (_, _, cell), households in Totals.of(totals).by.items():
            counts[cell] = counts.get(cell, 0) + households
        if sum(counts.values()) >= FITS:
            raise AmountError("more households than 64 bits count", got=sum(counts.values()))
        found = {cell: match.groups() for cell in sorted(counts) if (match := _CELL.fullmatch(cell))}
        columns = np.array([[*map(int, found[cell]), counts[cell]] for cell in found], np.int64).reshape(-1, 5)
        return cls(_provision(program), *(np.ascontiguousarray(column) for column in columns.T))

    # --- scenarios ---

    @cached_property
    def paths(self) -> dict[str, Fraction]:
        """What a scenario may change among rates, by key path in the provision, as the document has it."""
        return dict(_values(self.provision.rate))

    def owed(self, changes: Mapping[str, str | Fraction] | None = None) -> Scenario:
        """What would be due with other values of `rate[n].value`, `rate[n].tiers[n].value`, `payers[n].shares.<payer>`.

        Raises PolicyError for a path that leads nowhere and shares that do not sum to 1; BulkError where a household
        would add no whole number of fen to the claim of its estate, for each payer.
        """
        values, splits = self._changed(changes or {})
        top = np.array([value.numerator for value in values], np.int64)[self.rate] * FEN_PER_YUAN
        bottom = np.array([value.denominator for value in values], np.int64)[self.rate] * self.per
        unit, rest = np.divmod(top * self.times, bottom)
        _check_whole(bool(rest.any()))
        shares: dict[str, int] = {}
        for number, split in enumerate(splits):
            here = self.split == number
            if not here.any():
                continue
            for payer, share in split.items():
                part, rest = np.divmod(unit[here] * share.numerator, share.denominator)
                _check_whole(bool(rest.any()))
                if int(part.max(initial=0)) * int(self.households.sum()) >= FITS:
                    raise AmountError("an amount beyond what a column holds", wanted=f"below {FITS} fen")
                fen = int((part * self.households[here]).sum())
                shares[payer] = shares.get(payer, 0) + fen
        return Scenario(shares)

    def _changed(self, changes: Mapping[str, str | Fraction]) -> tuple[list[Fraction], list[dict[str, Fraction]]]:
        values = dict(self.paths)
        splits = [dict(split.shares) for split in self.provision.payers]
        for path, value in changes.items():
            share = _SHARE.fullmatch(path)
            if path in values:
                values[path] = value if isinstance(value, Fraction) else parse_rate(value)
            elif share and int(share[1]) < len(splits) and share[2] in splits[int(share[1])]:
                splits[int(share[1])][share[2]] = value if isinstance(value, Fraction) else parse_share(value)
            else:
                known = [*values, *(f"payers[{n}].shares.{who}" for n, split in enumerate(splits) for who in split)]
                raise PolicyError("a scenario changes nothing there", got=path, fix=nearest(path, known))
        for number, split in enumerate(splits):
            if any(not 0 <= share <= 1 for share in split.values()):
                raise PolicyError("not a share of one", where=f"payers[{number}].shares", wanted="0 to 1")
            if (whole := sum(split.values(), Fraction(0))) != 1:
                raise PolicyError(f"the shares sum to {whole}", where=f"payers[{number}].shares", wanted="1")
        if any(value < 0 or value.numerator * FEN_PER_YUAN * self._most >= FITS for value in values.values()):
            raise AmountError("a rate below 0, or beyond what a column holds", got=changes)
        return list(values.values()), splits

    @cached_property
    def _most(self) -> int:
        shares = [share.numerator for split in self.provision.payers for share in split.shares.values()]
        return int(self.times.max(initial=1)) * max(1000, *shares)


def counter(program: Program) -> Program:
    """A program whose totals are counts of households, by cell, in place of fen by payer."""
    if program.walk is None or program.worth is None:
        raise BulkError(
            "rows with claims of their own: their rounding depends on each row",
            where=f"{program.document} {program.provision}",
            wanted="a provision that counts the households of estates",
            fix="compile the variant, and run it",
        )
    walk = program.walk
    marked = _marked(walk.provision)
    walk = replace(walk, provision=marked)
    used = used_names(walk.document, walk.provision_id, walk.provision)
    days = DayCodes.of(walk, program.window, used)
    return replace(program, worth=_Counter(walk, program.window, days, used).worth(), walk=None)


class _Counter(Appraiser):
    """Counts where the appraiser adds fen: each value of the rate stands in for itself by its place, 1 and up."""

    def adds(self, priced: Priced, line: Line) -> dict[str, int]:
        if line.outcome is not Outcome.DUE or priced.split is None:
            return {}
        split = next(n for n, one in enumerate(self.walk.provision.payers) if one is priced.split)
        factor = priced.factor
        return {f"{int(priced.rate) - 1}|{split}|{factor.numerator}/{factor.denominator}": 1}


def _provision(program: Program) -> Provision:
    assert program.walk is not None
    return program.walk.provision


def _values(rates: Iterable[Rate]) -> Iterable[tuple[str, Fraction]]:
    for n, rate in enumerate(rates):
        if rate.value is not None:
            yield f"rate[{n}].value", rate.value
        for m, tier in enumerate(rate.tiers):
            yield f"rate[{n}].tiers[{m}].value", tier.value


def _marked(provision: Provision) -> Provision:
    """The provision with 1, 2, 3 … for the values of its rate, rounded to the fen."""
    number, rates = 0, []
    for rate in provision.rate:
        tiers = []
        for tier in rate.tiers:
            number += 1
            tiers.append(tier.model_copy(update={"value": Fraction(number)}))
        number += rate.value is not None
        value = None if rate.value is None else Fraction(number)
        rates.append(rate.model_copy(update={"value": value, "tiers": tuple(tiers)}))
    rule = provision.rounding.model_copy(update={"to": Fraction(1, FEN_PER_YUAN)})
    return provision.model_copy(update={"rate": tuple(rates), "rounding": rule})


def _check_whole(rest: bool) -> None:
    if rest:
        raise BulkError(
            "what one household adds to the claim of its estate is no whole number of fen for each payer",
            wanted="rates and shares by which it is: else each estate rounds its sum",
            fix="compile the variant, and run it",
        )
