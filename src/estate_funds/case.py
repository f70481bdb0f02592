"""A case: one programme's documents, registry and facts; what is owed, and what is to be booked.

`Case.assess` computes; `Case.steps` turns claims and facts into the drafts of the ledger in order of their days.
Nothing here reads a table (see `load`), and nothing posts (see `books`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from estate_funds import vouchers
from estate_funds.assess import Claim, Claims, Status, apply_limits, assess, pro_rata
from estate_funds.ballots import Tally
from estate_funds.calendar import MONTHS_PER_YEAR, Month, Months, deadline, is_weekday
from estate_funds.duties import Due, Judgement, Occasion, Ordered, deadlines, judgements, occasions, orderings
from estate_funds.errors import CaseError, CellError, nearest
from estate_funds.exchange.ballots import tallies
from estate_funds.exchange.case_file import CaseFile
from estate_funds.exchange.evidence import EvidenceFiles
from estate_funds.exchange.folder import Folder
from estate_funds.exchange.tables import Row
from estate_funds.funds import PAYEE, Fund, Permit, fund_id, holder_of
from estate_funds.journal import Draft, Entry, Evidence
from estate_funds.money import format_yuan
from estate_funds.policy import LEVELS, Document
from estate_funds.policy.fences import IncomeRule
from estate_funds.registry import NO_HOUSEHOLDS, Assessments, Fee, Households, Registry, Subject
from estate_funds.text import counted
from estate_funds.vouchers import Hands


@dataclass(frozen=True, slots=True)
class Step:
    """Something to be booked, and the row of the case that asks for it, or the claim."""

    draft: Draft
    origin: str
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """What a call of `Books.post` or `run` did: new entries, how many stood already, which steps wait for their day."""

    entries: tuple[Entry, ...]
    repeated: int = 0
    waiting: tuple[Step, ...] = ()

    @property
    def kinds(self) -> Counter[str]:
        """How many new entries of each kind."""
        return Counter(entry.draft.kind.value for entry in self.entries)


@dataclass(frozen=True, slots=True)
class PeriodEnd:
    """Close a month and all before it; a December first carries forward what is left, as the ledger then knows."""

    through: Month
    hands: Hands

    @property
    def effective(self) -> date:
        """The day on which the closing entry itself counts."""
        return self.through.last_day + timedelta(days=1)


@dataclass(frozen=True)
class Case:
    """A loaded case: checked, and ready to be assessed."""

    folder: Folder
    file: CaseFile
    documents: Mapping[str, Document]
    registry: Registry
    assessments: Assessments
    papers: EvidenceFiles
    tables: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    working_days: Callable[[date], bool] = is_weekday
    households: Households = NO_HOUSEHOLDS

    # --- what is owed ---

    @cached_property
    def claims(self) -> Claims:
        """Every claim of the case."""
        window = Months(self.file.periods.first, self.file.periods.last + 1)
        claims = Claims(claim for name in self.file.claims for claim in self.claims_of(name, window))
        for document in self.documents.values():
            claims = apply_limits(document, self.registry, self.assessments, claims)
        return claims

    def claims_of(self, name: str, window: Months) -> Claims:
        """The claims of one provision, `document/provision`, whose period begins in a window.

        Limits over several provisions are not applied. A document that stands over another replaces its provisions of
        the same name.
        """
        document, provision = self._document_of(name), name.split("/")[1]
        beside = [d for d in self.documents.values() if provision in d.provisions]
        return assess(
            document,
            provision,
            self.registry,
            self.assessments,
            window=window,
            above=[d for d in beside if document.id in d.over],
            below=[d for d in beside if d.id in document.over],
        )

    @cached_property
    def standing(self) -> tuple[Document, ...]:
        """The documents of the case, those that stand over others first."""
        depth: dict[str, int] = {}

        def below(document: Document) -> int:
            if document.id not in depth:
                depth[document.id] = 0  # a circle ends here
                under = (self.documents[name] for name in document.over if name in self.documents)
                depth[document.id] = 1 + max(map(below, under), default=0)
            return depth[document.id]

        return tuple(sorted(self.documents.values(), key=below, reverse=True))

    def assess(self, *, year: int | None = None) -> Claims:
        """What is owed, to whom, under which clause: all claims, or those whose period begins in a calendar year."""
        return self.claims.where(year=year)

    def explain(self, estate_id: str, *, year: int | None = None, locale: str = "en") -> str:
        """Every line of a subject's claims, or of all in an estate: clause, inputs, arithmetic, result, assumptions."""
        self._subject(estate_id)
        claims = self.claims.where(year=year)

        def own(claim: Claim) -> bool:
            return estate_id in (claim.subject.subject_id, claim.subject.units.get("estate"))

        if not any(own(claim) for claim in claims):
            years = sorted({claim.months.start.year for claim in self.claims if own(claim)})
            when = f" begins in {year}" if year is not None else ""
            raise CaseError(
                f"no claim period of {estate_id}{when or ' lies in the periods of the case'}", wanted=years or None
            )
        found = claims.of(estate_id)
        notes = []
        for name in dict.fromkeys(f"{c.document}/{c.provision_id}" for c in found):
            document = self._document_of(name)
            provision = document.provision(name.split("/")[1])
            notes.append(f"{document.number} {provision.clause}: {document.quote(provision.clause)}")
            if provision.claw_back is not None:
                notes.append(f"recovered only for {', '.join(provision.claw_back.on)} [{provision.claw_back.clause}]")
            notes += [f"assumption [{a.clause}]: {a.text}" for a in document.assumptions_for(provision)]
        return "\n".join([*(claim.explain(locale=locale) for claim in found), "", *notes])

    def _subject(self, subject_id: str) -> Subject:
        try:
            return self.registry.subject(subject_id)
        except CaseError:
            what = "the case has no estate, unit or subject"
            known = [*self.registry.estates, *self.registry.subjects]
            raise CaseError(f"{what} {subject_id!r}", fix=nearest(subject_id, known)) from None

    # --- what is to be done, and who meets what ---

    def duties(self, today: date) -> tuple[Due, ...]:
        """Every deadline of the documents for every subject that has it, as it stands on a day."""
        known, days = (self.registry, self.assessments), self.working_days
        return tuple(
            due
            for document in self.documents.values()
            for due in deadlines(document, *known, today=today, working_day=days, above=self._above(document))
        )

    def occasions(self, first: date, last: date) -> tuple[Occasion, ...]:
        """Every time that the rhythms of the documents are set for, both days included, in order of days."""
        found = [
            occasion
            for document in self.documents.values()
            for occasion in occasions(document, first, last, working_day=self.working_days, above=self._above(document))
        ]
        return tuple(sorted(found, key=lambda occasion: occasion.due_on))

    def orderings(self, today: date) -> tuple[Ordered, ...]:
        """Every pair of days that a document orders and that the case knows, as they are, up to a day."""
        return tuple(
            one
            for document in self.documents.values()
            for one in orderings(document, self.registry, self.assessments, today=today)
        )

    @cached_property
    def fees(self) -> tuple[Fee, ...]:
        """What households paid in fees, month by month: the rows of fees.csv."""
        return tuple(
            Fee(row.text("household_id"), row.text("fee"), row.text("month"), row.whole("amount_yuan"), row.where)
            for row in self.tables.get("fees.csv", ())
        )

    def judgements(self, today: date) -> tuple[Judgement, ...]:
        """Every requirement and derived fact of the documents, for everything that can have it."""
        return tuple(
            judgement
            for document in self.documents.values()
            for judgement in judgements(document, self.registry, self.assessments, today=today)
        )

    @cached_property
    def tallies(self) -> tuple[Tally, ...]:
        """The votes of ballots.csv, counted; the ballots that do not count stand beside those that do."""
        return tallies(self.tables.get("ballots.csv", ()), self.registry, self.documents.values())

    def _above(self, document: Document) -> list[Document]:
        return [d for d in self.documents.values() if document.id in d.over]

    # --- what is to be booked ---

    @property
    def hands(self) -> Hands:
        """Maker and approver of the case."""
        return Hands(self.file.people.maker, self.file.people.approver)

    def pay_day(self, claim: Claim) -> date | None:
        """The day on which the case pays a claim that is due, or books its refund."""
        if claim.status not in (Status.DUE, Status.REFUND):
            return None
        decided = claim.decided_on or claim.months.end.first_day
        return decided + timedelta(days=self.file.payment.days_after_decision)

    def latest_pay_day(self, claim: Claim) -> date | None:
        """The last day of the document's time limit for paying a claim; None where it sets none."""
        limit = claim.provision.pay_within
        if limit is None or claim.decided_on is None:
            return None
        return deadline(claim.decided_on, days=limit.days, working_day=self.working_days)

    def opening(self) -> list[Step]:
        """The funds of the case, opened, and its appropriations."""
        return [*self._fund_steps(), *self._appropriation_steps()]

    @cached_property
    def steps(self) -> tuple[Step | PeriodEnd, ...]:
        """Everything that the case asks to have booked, in order of days."""
        steps: list[Step | PeriodEnd] = [*self.facts, *self._claim_steps()]
        if self.file.close_through is not None:
            last = self.file.close_through
            ends = [_december(year) for year in range(self._first_day.year, last.year)]
            steps += [PeriodEnd(month, self.hands) for month in (*ends, last)]
        return tuple(sorted(steps, key=_order))  # stable: what shares a day keeps the order of the list above

    @cached_property
    def facts(self) -> tuple[Step, ...]:
        """The steps that do not follow from a claim: funds, appropriations, receipts, transfers, spendings."""
        return (*self.opening(), *self._fact_steps())

    @property
    def evidence_files(self) -> Mapping[str, Path]:
        """The file that stands for each digest, of all documents that the case names as files; those of attempts too.

        What is named by its digest alone is not among them.
        """
        self.check()
        return MappingProxyType(self.papers.files)

    @property
    def registry_digest(self) -> str:
        """What identifies the registry of this case."""
        return self.registry.digest

    @property
    def policy_digests(self) -> dict[str, str]:
        """What identifies each document of this case."""
        return {document.id: document.digest for document in self.documents.values()}

    def check(self, *, drafts: bool = True) -> None:
        """Make every draft once: an InputError for a row that cannot become one, before anything is posted.

        Without `drafts`, only whether each document holds somewhere.
        """
        for document in self.documents.values():
            if (place := document.territory) is not None:
                known = self._holders[place.level]
                if not known & {*place.names}:
                    raise CaseError(
                        f"{document.id} holds nowhere in this case",
                        where=f"{document.id}, territory.names",
                        got=", ".join(place.names),
                        wanted=f"a {place.level} of estates.csv",
                        fix=nearest(place.names[0], known),
                    )
        if drafts:
            _ = self.steps, self.attempts()

    def attempts(self) -> list[Step]:
        """The spendings of attempts.csv: each must be refused, and none is ever posted."""
        return [self._spending(row, prefix="attempt") for row in self.tables.get("attempts.csv", ())]

    @cached_property
    def funds(self) -> dict[str, Fund]:
        """Every fund that the case touches, by id, as its document and settings define it."""
        wanted: dict[str, str] = {a.fund: f"case.toml, appropriation {a.id}" for a in self.file.appropriations}
        for claim in self.claims:
            if claim.status in (Status.DUE, Status.REFUND) and (paying := vouchers.payer_funds(claim)):
                taker = [vouchers.payee_fund(claim)] if claim.provision.pays_into else []
                wanted |= dict.fromkeys([*paying, *taker], claim.claim_id)
        for name in ("spending.csv", "attempts.csv"):
            wanted |= {row.text("fund"): f"{row.where}, column fund" for row in self.tables.get(name, ())}
        for row in self.tables.get("incomes.csv", ()):
            wanted[self._income_fund(row)] = row.where
        for row in self.tables.get("transfers.csv", ()):
            wanted |= dict.fromkeys(self._transfer_funds(row), row.where)
        return {fund: self._define(fund, origin) for fund, origin in sorted(wanted.items())}

    # --- inside ---

    def _document_of(self, name: str) -> Document:
        return self.documents[name.split("/")[0]]

    @cached_property
    def _holders(self) -> dict[str, set[str]]:
        """Who can hold a fund at each level, by name, and of each kind, by id."""
        found = {level: {estate.unit_at(level) for estate in self.registry.estates.values()} for level in LEVELS}
        for subject in self.registry.subjects.values():
            found.setdefault(subject.kind, set()).add(subject.subject_id)
        return found

    @cached_property
    def _first_day(self) -> date:
        days = [self.file.periods.first.first_day, *(a.on for a in self.file.appropriations)]
        days += [
            row.day("on")
            for name in ("incomes.csv", "spending.csv", "transfers.csv")
            for row in self.tables.get(name, ())
        ]
        return min(days)

    def _define(self, fund: str, origin: str) -> Fund:
        parts = fund.split("/", 2)
        holding = [d for d in self.standing if parts[0] in d.funds]
        if len(holding) > 1:  # a local document's fences hold in its territory
            holding = [d for d in holding if d.covers(self._units_of(*parts[1:]))] or holding[-1:]
        if len(parts) != 3 or not all(parts) or not holding or parts[1] not in holding[0].funds[parts[0]].held_by:
            known = [
                f"{key}/{level}/<holder>"
                for d in self.documents.values()
                for key in d.funds
                for level in d.funds[key].held_by
            ]
            raise CaseError(
                "no document of the case has such a fund", where=origin, got=repr(fund), fix=nearest(fund, known)
            )
        if parts[1] in LEVELS or any(parts[1] in d.kinds for d in self.documents.values()):
            holders = self._holders.get(parts[1], set())
            if parts[2] not in holders:
                raise CaseError(
                    f"no {parts[1]} of that name in {'estates' if parts[1] in LEVELS else 'subjects'}.csv",
                    where=origin,
                    got=repr(fund),
                    fix=nearest(parts[2], holders),
                )
        return _standing_fund([define_fund(d, *holder_of(fund)) for d in holding], holding)

    def _units_of(self, *holder: str) -> Mapping[str, str]:
        """What the holder of a fund belongs to; nothing, for one that the register does not know."""
        known = self.registry.units.get("/".join(holder)) or self.registry.subjects.get(holder[-1])
        if known is None and holder[-1] in self.registry.estates:
            known = self.registry.subject(holder[-1])
        return known.units if known else {}

    def _fund_steps(self) -> Iterator[Step]:
        for fund in self.funds.values():
            document = self.documents[fund.document]
            first = min(d.start for d in self.documents.values() if holder_of(fund.fund_id)[0] in d.funds)
            draft = vouchers.open_fund(fund, on=first, hands=self.hands, policy=document.digest)
            yield Step(draft, fund.fund_id)

    def _appropriation_steps(self) -> Iterator[Step]:
        for a in self.file.appropriations:
            origin = f"case.toml, appropriation {a.id}"
            yield Step(
                vouchers.appropriate(
                    self.funds[a.fund],
                    a.source,
                    a.amount,
                    on=a.on,
                    key=f"appropriation/{self.file.id}/{a.id}",
                    hands=self.hands,
                    evidence=self.papers.read(a.evidence, f"{origin}, evidence"),
                ),
                origin,
            )

    def _claim_steps(self) -> Iterator[Step]:
        for claim in self.claims:
            paid_on = self.pay_day(claim)
            if paid_on is None:
                continue
            decided, origin = claim.decided_on or paid_on, f"claim {claim.claim_id}"
            if any(fen > 0 for fen in vouchers.payer_funds(claim).values()):
                yield Step(vouchers.encumber(claim, on=decided, hands=self.hands), origin, claim)
                yield Step(vouchers.disburse(claim, on=paid_on, hands=self.hands), origin, claim)
            for draft in vouchers.refunds(claim, on=paid_on, hands=self.hands):
                yield Step(draft, origin, claim)

    def _fact_steps(self) -> Iterator[Step]:
        for row in self.tables.get("incomes.csv", ()):
            self._check_income(row)
            draft = vouchers.receive(
                self.funds[self._income_fund(row)],
                row.text("source"),
                row.whole("amount_yuan"),
                on=row.day("on"),
                key=f"receipt/{self.file.id}/{row.text('income_id')}",
                hands=self.hands,
                evidence=self._evidence(row),
            )
            yield Step(draft, row.where)
        for row in self.tables.get("transfers.csv", ()):
            yield self._transfer(row)
        for row in self.tables.get("spending.csv", ()):
            yield self._spending(row)

    def _evidence(self, row: Row) -> tuple[Evidence, ...]:
        return self.papers.read(row.text("evidence"), f"{row.where}, column evidence")

    def _check_income(self, row: Row) -> None:
        """An income comes with the documents that its source asks for."""
        _, rule = self._income_rule(row)
        held = {evidence.kind for evidence in self._evidence(row)}
        if not held.issuperset(rule.requires):
            raise CellError(
                f"income of {row.text('source')} is received only on evidence",
                where=f"{row.where}, column evidence",
                got=", ".join(sorted(held)) or "none",
                wanted=", ".join(rule.requires),
                clause=rule.clause,
            )

    def _income_rule(self, row: Row) -> tuple[Document, IncomeRule]:
        """What rules an income: of the documents that hold where it was earned, the one that stands above."""
        source, units = row.text("source"), self._units_of(row.text("subject_id"))
        routes = [(document, rule) for document in self.standing for rule in document.incomes]
        ruling = [(document, rule) for document, rule in routes if source in rule.sources]
        if not ruling:
            known = sorted({name for _, rule in routes for name in rule.sources})
            raise CellError(
                "no document of the case says which fund this income belongs to",
                where=f"{row.where}, column source",
                got=repr(source),
                wanted=", ".join(known) or "a document with [[incomes]]",
                fix=nearest(source, known),
            )
        return next((route for route in ruling if route[0].covers(units)), ruling[0])

    def _income_fund(self, row: Row) -> str:
        """The fund of the subject itself, where its kind holds one; else that of the unit that it belongs to."""
        document, rule = self._income_rule(row)
        key, held_by = rule.into, document.fund(rule.into).held_by
        try:
            subject = self._subject(row.text("subject_id"))
            own = subject.kind in held_by and subject.kind not in LEVELS
            role = subject.kind if subject.kind in held_by else held_by[0]
            return fund_id(key, role, subject.subject_id if own else subject.unit_at(role))
        except CaseError as error:
            where, wanted = f"{row.where}, column subject_id", f"somebody who holds {key}: {', '.join(held_by)}"
            raise CellError(error.what, where=where, wanted=wanted, fix=error.fix) from None

    def _transfer_funds(self, row: Row) -> tuple[str, str]:
        name = row.text("transfer")
        rules = {key: rule for d in reversed(self.standing) for key, rule in d.transfers.items()}
        if name not in rules:
            raise CellError(
                "no document declares this transfer",
                where=f"{row.where}, column transfer",
                got=repr(name),
                fix=nearest(name, rules),
            )
        rule = rules[name]
        return (
            f"{rule.fund}/{rule.giver}/{row.text('giver')}",
            f"{rule.into or rule.fund}/{rule.taker}/{row.text('taker')}",
        )

    def _transfer(self, row: Row) -> Step:
        giver, taker = (self.funds[fund] for fund in self._transfer_funds(row))
        rule = self.documents[giver.document].transfers[row.text("transfer")]
        months = row.whole("months")
        if months > MONTHS_PER_YEAR:
            where = f"{row.where}, column months"
            raise CellError("more months than a year has", where=where, got=months, wanted=f"1 to {MONTHS_PER_YEAR}")
        amount_fen = row.optional_whole("moves_yuan") or pro_rata(
            row.whole("annual_amount_yuan"), months, rule.rounding
        )
        self._check_approved(row)
        draft = vouchers.transfer(
            giver,
            taker,
            amount_fen,
            purpose=rule.purpose,
            on=row.day("on"),
            key=f"transfer/{self.file.id}/{row.text('transfer_id')}",
            hands=self.hands,
            clause=rule.clause,
            narrative=f"{rule.title}, {months}/12 of the approved year",
            evidence=self._evidence(row),
        )
        return Step(draft, row.where)

    def _check_approved(self, row: Row) -> None:
        """What moves under one approval, row by row of a year, stays within the approved amount."""
        names = ("transfer", "giver", "taker")
        same = [
            other
            for other in self.tables["transfers.csv"]
            if other.number <= row.number
            and other.optional_whole("moves_yuan")
            and other.day("on").year == row.day("on").year
            and [other.text(n) for n in names] == [row.text(n) for n in names]
        ]
        moved, approved = sum(other.whole("moves_yuan") for other in same), row.whole("annual_amount_yuan")
        if moved > approved:
            raise CellError(
                "more moves than was approved",
                where=f"{row.where}, column moves_yuan",
                got=f"{format_yuan(moved)} yuan in {counted(len(same), 'row')} of {row.day('on').year}",
                wanted=f"at most {format_yuan(approved)} yuan, the approved amount",
                fix="move less, or get the budget adjustment approved first",
            )

    def _spending(self, row: Row, prefix: str = "spending") -> Step:
        payee = self.file.payees.get(row.text("payee"))
        if payee is None:
            raise CellError(
                "the payee is not in case.toml",
                where=f"{row.where}, column payee",
                got=repr(row.text("payee")),
                wanted="a key of [payees]",
                fix=nearest(row.text("payee"), self.file.payees),
            )
        fund = self.funds[row.text("fund")]
        draft = vouchers.spend(
            fund,
            row.whole("amount_yuan"),
            purpose=self._purpose(fund, row),
            payee=payee.name,
            payee_class=payee.payee_class,
            on=row.day("on"),
            key=f"{prefix}/{self.file.id}/{row.text('spending_id')}",
            hands=self.hands,
            narrative=row.text("narrative"),
            evidence=self._evidence(row),
        )
        return Step(draft, row.where)

    def _purpose(self, fund: Fund, row: Row) -> str:
        """The purpose, marked as outside the gate where the document's boundary says so: no permit names that."""
        key, level, holder = holder_of(fund.fund_id)
        document = self.documents[fund.document]
        purpose = row.text("purpose")
        if not document.funds[key].inside_gate or document.boundary is None or level != "estate":
            return purpose
        if not row.text("place"):
            raise CellError(
                f"{key} pays only for work inside the gate: say where the work was",
                where=f"{row.where}, column place",
                wanted="unit, grounds or street",
                clause=f"{document.id} {document.boundary.clause}",
            )
        places = ("unit", "grounds", "street")
        kind = self.registry.estates[holder].gate
        if kind == "mixed" and not row.text("gate"):
            raise CellError(
                f"{holder} has closed and open buildings: say which kind was worked on",
                where=f"{row.where}, column gate",
                wanted="closed or open",
                clause=f"{document.id} {document.boundary.clause}",
            )
        gate: str = getattr(document.boundary, row.text("gate") if kind == "mixed" else kind)
        inside = places.index(row.text("place")) <= places.index(gate)
        return purpose if inside else f"outside-gate:{purpose}"


def define_fund(document: Document, key: str, level: str, holder: str) -> Fund:
    """The fund of a holder as a document, the case's settings in it, defines it."""
    rule = document.fund(key)
    claimed = {p.purpose for p in document.provisions.values() if p.pays_from == key and not p.pays_into}
    permits = []
    for permit in rule.permits:
        for purpose in permit.purposes:
            into = permit.into or (PAYEE if purpose in claimed else "")  # what is claimed is not spent by hand
            for payee_class in permit.payee_classes:
                permits.append(
                    Permit(purpose, payee_class, into, permit.start, permit.until, permit.requires, permit.clause)
                )
    return Fund(
        fund_id(key, level, holder),
        rule.title,
        document.id,
        rule.clause,
        rule.carry_forward,
        rule.provenance,
        tuple(permits),
        rule.held_for_others,
        rule.surplus_after_years or 0,
    )


def _standing_fund(funds: list[Fund], documents: list[Document]) -> Fund:
    """One fund that several documents define, the one that stands above first: below, what it permits on other days."""
    fund = funds[0]
    permits = list(fund.permits)
    for depth, lower in enumerate(funds[1:], start=1):
        for permit in lower.permits:
            spans = [(permit.start, permit.until)]
            for above in documents[:depth]:
                spans = [rest for span in spans for rest in _outside(span, above.start, above.until)]
            permits += [replace(permit, start=first, until=last) for first, last in spans]
    return replace(fund, permits=tuple(permits))


def _outside(span: tuple[date, date | None], first: date, last: date | None) -> Iterator[tuple[date, date | None]]:
    """What of a run of days lies outside another; None is without an end."""
    start, end = span
    if start < first:
        yield start, first if end is None or end > first else end
    if last is not None and (end is None or last < end):
        yield max(start, last), end


def _december(year: int) -> Month:
    return Months.calendar_year(year).end + -1


def _order(step: Step | PeriodEnd) -> tuple[date, int]:
    return (step.effective, 0) if isinstance(step, PeriodEnd) else (step.draft.effective, 1)
