"""Estates, households and assessments: the dated facts that a claim is computed from.

One independent property unit is one household (一个独立产权单元为一户). Amounts need only *how many* households an
estate had on a day, so a registry keeps counts by day, not the rows: `count_households` reduces rows one by one,
`exchange.households` does the same over columns, and the two are held equal by a property.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Protocol

from estate_funds.errors import CaseError, CellError, ControlTotalError, DateError, DuplicateRow, nearest
from estate_funds.policy import LEVELS

CENTI_M2 = 100
AREA_PER_HOUSEHOLD_M2 = (15, 1000)  # outside it, a count or a unit (万) is far likelier wrong than right


@dataclass(frozen=True, slots=True)
class Estate:
    """A residential estate (小区), in exactly one community; `row` is its line in the file it came from."""

    estate_id: str
    name: str
    city: str
    district: str
    street: str
    community: str
    floor_area_centi_m2: int
    buildings: int
    completed_on: date
    service_start: date
    service_end: date | None = None  # first day without service
    gate: str = "open"  # closed, open, or mixed by building: what 'the gate' means depends on it
    renovated_on: date | None = None
    office_area_centi_m2: int | None = None
    declared_households: int | None = None
    row: int = 0

    def __post_init__(self) -> None:
        if self.service_start < self.completed_on:
            raise DateError(
                f"service of {self.estate_id} starts before the estate was completed",
                got=f"service_start {self.service_start}",
                wanted=f"on or after completed_on {self.completed_on}",
            )
        if self.renovated_on is not None and self.renovated_on < self.completed_on:
            raise DateError(
                f"{self.estate_id} was renovated before it was completed",
                got=f"renovated_on {self.renovated_on}",
                wanted=f"on or after completed_on {self.completed_on}",
            )
        if self.service_end is not None and self.service_end <= self.service_start:
            raise DateError(
                f"service of {self.estate_id} ends before it starts",
                got=f"service_end {self.service_end}",
                wanted=f"after service_start {self.service_start}",
            )

    def in_service(self, day: date) -> bool:
        """Whether the estate is served on a day."""
        return self.service_start <= day and (self.service_end is None or day < self.service_end)

    def unit_at(self, level: str) -> str:
        """The name of the unit that the estate belongs to at a level: its city, district, street, community, itself."""
        if level not in LEVELS:
            raise CaseError(f"no such level: {level!r}", fix=nearest(level, LEVELS))
        return self.estate_id if level == "estate" else str(getattr(self, level))

    def fact(self, name: str) -> date | Fraction | None:
        """A fact by the name that documents use; areas in m2; None where the file leaves it open."""
        if name.endswith("_area_m2"):
            centi: int | None = getattr(self, name.removesuffix("_m2") + "_centi_m2")
            return None if centi is None else Fraction(centi, CENTI_M2)
        value: date | int | None = getattr(self, name)
        return Fraction(value) if isinstance(value, int) else value


@dataclass(frozen=True, slots=True)
class Subject:
    """Anything that is paid for or judged: an estate, a street, a household, a work, an incident, a post.

    `units` names what it belongs to at each level, its estate by id; `parent` is the subject that it is a part of.
    """

    subject_id: str
    kind: str
    name: str
    units: Mapping[str, str]
    start: date
    end: date | None = None  # first day on which it is no longer there
    parent: str = ""
    row: int = 0

    def there_on(self, day: date) -> bool:
        """Whether it is there on a day."""
        return self.start <= day and (self.end is None or day < self.end)

    def unit_at(self, level: str) -> str:
        """The unit that it belongs to at a level; CaseError where it belongs to none."""
        if level not in self.units:
            raise CaseError(
                f"{self.kind} {self.subject_id} belongs to no {level}",
                wanted=f"a {level}" if level in LEVELS else f"one of {', '.join(LEVELS)}",
                fix="give it a place of that level, or one below" if level in LEVELS else nearest(level, LEVELS),
            )
        return self.units[level]


def estate_subject(estate: Estate) -> Subject:
    """An estate as a subject, from its first day of service to its last."""
    units = {level: estate.unit_at(level) for level in LEVELS}
    return Subject(
        estate.estate_id, "estate", estate.name, units, estate.service_start, estate.service_end, "", estate.row
    )


Value = Fraction | date | str
Documents = tuple[tuple[str, str], ...]  # what something rests on: kind and SHA-256 of each document


@dataclass(frozen=True, slots=True)
class Fact:
    """The value of a fact, the day on which it was known, the row that says so, and the documents that prove it."""

    value: Value
    known_on: date | None = None
    where: str = ""
    evidence: Documents = ()


class Facts(Mapping[tuple[str, str, str], Fact]):
    """Facts by subject, name and period ("" for a fact that does not change); two rows that differ are refused.

    Two rows that agree are one, which rests on the documents of both.
    """

    def __init__(self, rows: Iterable[tuple[str, str, str, Fact]] = ()) -> None:
        self._by_key: dict[tuple[str, str, str], Fact] = {}
        for subject, name, period, fact in rows:
            earlier = self._by_key.setdefault((subject, name, period), fact)
            if (earlier.value, earlier.known_on) != (fact.value, fact.known_on):
                raise DuplicateRow(
                    f"{name} of {subject} is given twice, and differently",
                    where=f"{earlier.where} and {fact.where}",
                    got=f"{earlier.value} and {fact.value}",
                    wanted=f"one value{f' for {period}' if period else ''}",
                    fix="delete the row that was overruled",
                )
            if fact.evidence != earlier.evidence:
                documents = _together(earlier.evidence, fact.evidence)
                self._by_key[subject, name, period] = replace(earlier, evidence=documents)

    def __getitem__(self, key: tuple[str, str, str]) -> Fact:
        return self._by_key[key]

    def __iter__(self) -> Iterator[tuple[str, str, str]]:
        return iter(self._by_key)

    def __len__(self) -> int:
        return len(self._by_key)


@dataclass(frozen=True, slots=True)
class Household:
    """One property unit of an estate, from a day on and until one (the first day it is no longer there)."""

    household_id: str
    estate_id: str
    registered_on: date
    removed_on: date | None = None
    row: int = 0


class Households(Protocol):
    """The rows of a household file, asked for the few that somebody needs."""

    def named(self, ids: Collection[str], /) -> Mapping[str, Household]:
        """The households of some ids, as far as they are known."""

    def doubled(self) -> Iterable[tuple[Household, Household]]:
        """Pairs of rows that are one household written in two ways."""


class _NoHouseholds:
    def named(self, ids: Collection[str], /) -> Mapping[str, Household]:
        return {}

    def doubled(self) -> Iterable[tuple[Household, Household]]:
        return ()


NO_HOUSEHOLDS = _NoHouseholds()


@dataclass(frozen=True, slots=True)
class Fee:
    """A fee that one household paid for one month (`2022-03`), in fen; `where` is its row."""

    household_id: str
    fee: str
    month: str
    amount_fen: int
    where: str = ""


@dataclass(frozen=True, slots=True)
class Headcount:
    """How many households an estate has from each day on.

    >>> Headcount.from_changes({date(2021, 1, 1): 10, date(2023, 5, 1): -1}).on(date(2023, 5, 1))
    9
    """

    days: Sequence[int]  # proleptic ordinals of the days on which the count changes, ascending
    running: Sequence[int]  # running sums of arrivals less departures, from `before` on
    before: int = 0

    @classmethod
    def from_changes(cls, changes: Mapping[date, int]) -> Headcount:
        """Running counts from net arrivals per day."""
        days = sorted(changes)
        return cls([day.toordinal() for day in days], list(accumulate(changes[day] for day in days)))

    def on(self, day: date) -> int:
        """The count on a day; 0 before the first."""
        position = bisect_right(self.days, day.toordinal())
        return self.running[position - 1] - self.before if position else 0


def count_households(rows: Iterable[Household], estates: Mapping[str, Estate], *, source: str) -> dict[str, Headcount]:
    """Check household rows and reduce them to counts; the plain twin of the columnar reader.

    Raises DuplicateRow, with both rows, for a household listed twice or in two estates; CellError for an unknown
    estate or a removal before registration.
    """
    seen: dict[str, Household] = {}
    changes: dict[str, dict[date, int]] = {}
    for household in rows:
        where = f"{source}, row {household.row}"
        earlier = seen.setdefault(household.household_id, household)
        if earlier is not household:
            raise duplicate_household(earlier, household, source)
        if household.estate_id not in estates:
            raise unknown_estate(household.estate_id, estates, where)
        of_estate = changes.setdefault(household.estate_id, {})
        of_estate[household.registered_on] = of_estate.get(household.registered_on, 0) + 1
        if household.removed_on is not None:
            if household.removed_on <= household.registered_on:
                raise removed_too_early(household, source)
            of_estate[household.removed_on] = of_estate.get(household.removed_on, 0) - 1
    return {estate_id: Headcount.from_changes(of_estate) for estate_id, of_estate in changes.items()}


def duplicate_household(first: Household, second: Household, source: str) -> DuplicateRow:
    """The refusal of a household that stands in two rows."""
    twice = "in two estates" if first.estate_id != second.estate_id else "twice"
    return DuplicateRow(
        f"household {first.household_id} is listed {twice}",
        where=f"{source}, rows {first.row} and {second.row}",
        got=f"{first.estate_id} (row {first.row}) and {second.estate_id} (row {second.row})",
        wanted="each property unit in one row",
        fix="find out which row is right and delete the other",
    )


def unknown_estate(estate_id: str, estates: Iterable[str], where: str) -> CellError:
    """The refusal of a row that points to no estate."""
    return CellError(
        "the row names an estate that is not in estates.csv",
        where=f"{where}, column estate_id",
        got=repr(estate_id),
        wanted="an estate_id of estates.csv",
        fix=nearest(estate_id, estates),
    )


def removed_too_early(household: Household, source: str) -> CellError:
    """The refusal of a household that leaves before it came."""
    return CellError(
        f"household {household.household_id} is removed before it is registered",
        where=f"{source}, row {household.row}, column removed_on",
        got=household.removed_on,
        wanted=f"after registered_on {household.registered_on}, or empty",
    )


@dataclass(frozen=True, slots=True)
class Assessment:
    """The result of one performance assessment (考核): of an estate's community, or another subject, for one period.

    For a provision that claims by service year, `period` is its number; else it is the calendar year.
    """

    subject_id: str
    period: int
    result: str
    result_on: date
    score: Fraction | None = None
    row: int = 0
    evidence: Documents = ()


def _together(one: Documents, other: Documents) -> Documents:
    return tuple(dict.fromkeys([*one, *other]))


def _said(assessment: Assessment) -> str:
    score = f" with {float(assessment.score):g}" if assessment.score is not None else ""
    return f"{assessment.result} on {assessment.result_on}{score}"


class Assessments(Mapping[tuple[str, int], Assessment]):
    """Assessments by subject and period; two rows that agree are one, as of Facts; two that differ are refused."""

    def __init__(self, rows: Iterable[Assessment] = (), *, source: str = "assessments") -> None:
        self._by_key: dict[tuple[str, int], Assessment] = {}
        for row in rows:
            earlier = self._by_key.setdefault((row.subject_id, row.period), row)
            said, says = ((a.result, a.result_on, a.score) for a in (earlier, row))
            if said != says:
                raise DuplicateRow(
                    f"{row.subject_id} is assessed twice for period {row.period}, and differently",
                    where=f"{source}, rows {earlier.row} and {row.row}",
                    got=f"{_said(earlier)} (row {earlier.row}) and {_said(row)} (row {row.row})",
                    wanted="one result, one day, one score",
                    fix="delete the row that was overruled",
                )
            if row.evidence != earlier.evidence:
                documents = _together(earlier.evidence, row.evidence)
                self._by_key[row.subject_id, row.period] = replace(earlier, evidence=documents)

    def __getitem__(self, key: tuple[str, int]) -> Assessment:
        return self._by_key[key]

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return iter(self._by_key)

    def __len__(self) -> int:
        return len(self._by_key)


def collect_estates(rows: Iterable[Estate], *, source: str) -> dict[str, Estate]:
    """Estates by id; DuplicateRow, with both rows, for an estate listed twice or in two communities."""
    estates: dict[str, Estate] = {}
    for estate in rows:
        earlier = estates.setdefault(estate.estate_id, estate)
        if earlier is estate:
            continue
        split = earlier.community != estate.community
        raise DuplicateRow(
            f"estate {estate.estate_id} is listed {'in two communities' if split else 'twice'}",
            where=f"{source}, rows {earlier.row} and {estate.row}",
            got=f"{earlier.community} (row {earlier.row}) and {estate.community} (row {estate.row})",
            wanted="each estate in one row and in exactly one community",
            fix="delete the row that is wrong",
        )
    return estates


@dataclass(frozen=True)
class Registry:
    """A snapshot of estates, household counts, other subjects and facts; `digest` identifies it, files included."""

    estates: Mapping[str, Estate]
    headcounts: Mapping[str, Headcount]
    source_digests: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""
    subjects: Mapping[str, Subject] = field(default_factory=dict)  # all but estates and units
    facts: Facts = field(default_factory=Facts)
    units: Mapping[str, Subject] = field(default_factory=dict)  # level/name -> city, district, street, community
    counted: bool = True  # whether every estate must have households

    @classmethod
    def build(
        cls,
        estates: Mapping[str, Estate],
        headcounts: Mapping[str, Headcount],
        *,
        source: str = "estates",
        source_digests: Mapping[str, str] | None = None,
        subjects: Iterable[Subject] = (),
        facts: Facts | None = None,
        counted: bool = True,
    ) -> Registry:
        """Check what can only be checked across tables (declared counts, plausible areas) and seal the snapshot.

        `counted=False` is for estates whose households are counted later: nothing is asked of their numbers.
        """
        _check_units(estates.values(), source)
        for estate in estates.values():
            if headcounts and estate.estate_id not in headcounts:
                raise CellError(
                    f"estate {estate.estate_id} has no row in the household file",
                    where=f"{source}, row {estate.row}",
                    wanted="household rows for every estate, or for none",
                )
            if counted:
                _check_counts(estate, headcounts.get(estate.estate_id), source)
        digests = dict(source_digests or {})
        others = {subject.subject_id: subject for subject in subjects}
        facts = facts or Facts()
        digest = _digest(estates, headcounts, digests, others, facts)
        return cls(estates, headcounts, digests, digest, others, facts, units_of(estates.values()), counted)

    def with_subjects(self, subjects: Iterable[Subject], facts: Facts) -> Registry:
        """The same estates and households with other subjects and facts."""
        return Registry.build(
            self.estates,
            self.headcounts,
            source_digests=self.source_digests,
            subjects=subjects,
            facts=facts,
            counted=self.counted,
        )

    def of_kind(self, kind: str) -> Sequence[Subject]:
        """Every subject of a kind: estates, the units of a level, or rows of subjects.csv."""
        return self._by_kind.get(kind, ())

    def subject(self, subject_id: str) -> Subject:
        """A subject by its id: an estate, `level/unit`, or a row of subjects.csv; CaseError for none."""
        if subject_id not in self._by_id:
            raise CaseError(f"there is no subject {subject_id!r}", fix=nearest(subject_id, self._by_id))
        return self._by_id[subject_id]

    def owner(self, subject: Subject, kind: str) -> str | None:
        """The id of the subject itself, of what contains it, of its estate or unit, that is of a kind."""
        if kind == subject.kind:
            return subject.subject_id
        if kind in LEVELS:
            unit = subject.units.get(kind)
            return unit if kind == "estate" or unit is None else f"{kind}/{unit}"
        above = self.subjects.get(subject.parent)
        while above is not None and above.kind != kind:
            above = self.subjects.get(above.parent)
        return above.subject_id if above else None

    def members(self, kind: str, owner_kind: str, owner_id: str | None) -> Sequence[Subject]:
        """Every subject of a kind that belongs to a subject of another; to none, for None."""
        if (kind, owner_kind) not in self._members:
            found: dict[str | None, list[Subject]] = {}
            for subject in self.of_kind(kind):
                found.setdefault(self.owner(subject, owner_kind), []).append(subject)
            self._members[kind, owner_kind] = found
        return self._members[kind, owner_kind].get(owner_id, ())

    def estates_in(self, subject: Subject) -> list[Estate]:
        """The estates that a unit holds; of anything smaller, the one it lies in."""
        if "estate" in subject.units:
            return [self.estates[subject.units["estate"]]]
        return [self.estates[member.subject_id] for member in self.members("estate", subject.kind, subject.subject_id)]

    @cached_property
    def _by_id(self) -> dict[str, Subject]:
        estates = {key: estate_subject(estate) for key, estate in self.estates.items()}
        return {**self.subjects, **self.units, **estates}

    @cached_property
    def _by_kind(self) -> dict[str, list[Subject]]:
        found: dict[str, list[Subject]] = {}
        for subject in self._by_id.values():
            found.setdefault(subject.kind, []).append(subject)
        return found

    @cached_property
    def _members(self) -> dict[tuple[str, str], dict[str | None, list[Subject]]]:
        return {}  # (kind, kind of the owner) -> owner -> subjects: filled by `members`

    def households(self, estate_id: str, day: date) -> int:
        """The number of households of an estate on a day; the declared number where no rows are kept."""
        headcount = self.headcounts.get(estate_id)
        if headcount is None:
            return self.estates[estate_id].declared_households or 0
        return headcount.on(day)

    @property
    def totals(self) -> dict[str, int]:
        """Control totals: estates, buildings, households ever registered and present at service start, centi-m2."""
        return {
            "estates": len(self.estates),
            "buildings": sum(e.buildings for e in self.estates.values()),
            "households": sum(self.households(e.estate_id, e.service_start) for e in self.estates.values()),
            "floor_area_centi_m2": sum(e.floor_area_centi_m2 for e in self.estates.values()),
        }

    def tie_to(self, published: Mapping[str, int], *, source: str) -> None:
        """ControlTotalError unless every published total is met exactly."""
        for name, wanted in published.items():
            if self.totals[name] != wanted:
                raise ControlTotalError(
                    f"the registry does not tie to the published total of {name}",
                    where=source,
                    got=self.totals[name],
                    wanted=wanted,
                    fix="find the missing or doubled rows, or correct [control_totals] with its source",
                )


def units_of(estates: Iterable[Estate]) -> dict[str, Subject]:
    """The units of every level above estates, each in service since its first estate is."""
    found: dict[str, Subject] = {}
    for estate in estates:
        for depth, level in enumerate(LEVELS[:-1], start=1):
            key = f"{level}/{estate.unit_at(level)}"
            units = {above: estate.unit_at(above) for above in LEVELS[:depth]}
            start = min(found[key].start, estate.service_start) if key in found else estate.service_start
            found[key] = Subject(key, level, estate.unit_at(level), units, start)
    return found


def _check_units(estates: Iterable[Estate], source: str) -> None:
    """Funds are held by units of a name: two units of one level must not share it."""
    above: dict[tuple[str, str], tuple[str, Estate]] = {}
    for estate in estates:
        units = [estate.unit_at(level) for level in LEVELS[:-1]]
        for depth, level in enumerate(LEVELS[1:-1], start=1):
            path = " / ".join(units[:depth])
            known, first = above.setdefault((level, units[depth]), (path, estate))
            if known != path:
                raise DuplicateRow(
                    f"two units of the level {level} have the name {units[depth]!r}",
                    where=f"{source}, rows {first.row} and {estate.row}",
                    got=f"in {known} and in {path}",
                    wanted="names that tell them apart: each holds funds of its own",
                    fix=f"write {units[depth - 1]}{units[depth]} in one of them",
                )


def _check_counts(estate: Estate, headcount: Headcount | None, source: str) -> None:
    where = f"{source}, row {estate.row}"
    households = headcount.on(estate.service_start) if headcount else estate.declared_households
    if households is None:
        raise CellError(
            f"estate {estate.estate_id} has no households",
            where=f"{where}, column households",
            wanted="rows in the household file, or a declared number",
        )
    if estate.declared_households is not None and households != estate.declared_households:
        raise ControlTotalError(
            f"the household rows of {estate.estate_id} do not tie to its declared number",
            where=f"{where}, column households",
            got=f"{households} rows on {estate.service_start}, the first day of service",
            wanted=estate.declared_households,
            fix="find the missing or doubled rows, or correct the declared number",
        )
    if not households:
        return
    low, high = AREA_PER_HOUSEHOLD_M2
    per_household = Fraction(estate.floor_area_centi_m2, CENTI_M2 * households)
    if not low <= per_household <= high:
        lost_wan = low <= per_household * 10_000 <= high
        raise CellError(
            f"the floor area of {estate.estate_id} is implausible: {float(per_household):,.2f} m2 a household",
            where=f"{where}, column floor_area_m2",
            got=f"{estate.floor_area_centi_m2 / CENTI_M2:,.2f} m2 for {households} households",
            wanted=f"{low} to {high} m2 a household",
            fix="the figure looks like 万平方米: multiply it by 10 000" if lost_wan else "check the area and the count",
        )


def _digest(
    estates: Mapping[str, Estate],
    headcounts: Mapping[str, Headcount],
    source_digests: Mapping[str, str],
    subjects: Mapping[str, Subject],
    facts: Facts,
) -> str:
    hasher = hashlib.sha256()
    for name in sorted(source_digests):
        hasher.update(f"file\t{name}\t{source_digests[name]}\n".encode())
    for estate_id in sorted(estates):
        estate = estates[estate_id]
        values = [str(getattr(estate, name)) for name in Estate.__dataclass_fields__ if name != "row"]
        hasher.update(("estate\t" + "\t".join(values) + "\n").encode())
        if estate_id in headcounts and not source_digests:  # else the files' digests say it
            count = headcounts[estate_id]
            steps = "\t".join(f"{day}={number}" for day, number in zip(count.days, count.running, strict=True))
            hasher.update(f"households\t{estate_id}\t{count.before}\t{steps}\n".encode())
    for key in sorted(subjects):
        one = subjects[key]
        units = " ".join(f"{level}={unit}" for level, unit in one.units.items())
        told = (key, one.kind, one.name, units, one.start, one.end, one.parent)
        hasher.update(("subject\t" + "\t".join(map(str, told)) + "\n").encode())
    for subject, name, period in sorted(facts):
        fact = facts[subject, name, period]
        documents = "".join(f"\t{kind}:{digest}" for kind, digest in sorted(fact.evidence))
        line = f"fact\t{subject}\t{name}\t{period}\t{fact.value}\t{fact.known_on or ''}{documents}\n"
        hasher.update(line.encode())
    return "sha256:" + hasher.hexdigest()
