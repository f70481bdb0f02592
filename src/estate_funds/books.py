"""The facade that an application imports: open a ledger, post claims or a whole case, ask for balances, audit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection

from estate_funds import vouchers
from estate_funds.assess import Claim, Status
from estate_funds.audit import AuditReport, audit
from estate_funds.case import Case, PeriodEnd, Posted, Step
from estate_funds.errors import CaseError, DamagedEntry, EstateFundsError, InvariantBroken, KeyConflict, Refusal
from estate_funds.journal import Draft, Entry, Kind, difference
from estate_funds.ledger import Ledger, attempt_key, refold
from estate_funds.report.balances import FundBalance, fund_balances
from estate_funds.store import Store
from estate_funds.vouchers import Hands

PROGRESS_EVERY = 500
CASE_KEYS = ("appropriation", "receipt", "transfer", "spending")  # kind/case/id: see Case


class Books:
    """A ledger in use. Open it as a context manager; every call that posts lands whole or not at all."""

    def __init__(self, store: Store, *, recorded_on: date | None = None) -> None:
        self._store = store
        self._recorded_on = recorded_on
        self._ledger: Ledger | None = None

    @classmethod
    def open(cls, address: str, *, create: bool = True, recorded_on: date | None = None) -> Books:
        """Open a ledger by URL or file path (`memory` for one that is gone at the end), creating it unless told not to.

        `recorded_on` is the day that the books take as today; by default, this machine's. Raises StoreError.
        """
        return cls(Store.open(address, create=create), recorded_on=recorded_on)

    def __enter__(self) -> Books:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the database back."""
        self._store.close()

    @property
    def today(self) -> date:
        """The day of recording."""
        return self._recorded_on or datetime.now().astimezone().date()

    # --- posting ---

    def post(
        self,
        what: Draft | Step | Claim | Iterable[Draft | Step | Claim],
        *,
        on: date | None = None,
        maker: str = "",
        approver: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> Posted:
        """Book drafts, steps, or claims; of claims, those that are due are encumbered and paid on the day `on`.

        One transaction: a Refusal of any part leaves the books as they were. What is booked already is left alone.
        """
        items = [what] if isinstance(what, Draft | Step | Claim) else what
        steps = (step for item in items for step in _as_steps(item, on, Hands(maker, approver)))
        return self._post(steps, progress, again_on=on or self.today)

    def run(self, case: Case, *, progress: Callable[[int], None] | None = None) -> Posted:
        """Book all that a case asks for, in order of days, in one transaction; what lies ahead of today waits."""
        self._check_one_case(case)
        due = [step for step in case.steps if _day(step) <= self.today]
        waiting = tuple(s for s in case.steps if isinstance(s, Step) and _day(s) > self.today)
        posted = self._post(due, progress, again_on=self.today)
        return Posted(posted.entries, posted.repeated, waiting)

    def _check_one_case(self, case: Case) -> None:
        """A ledger is the books of one case: closing a period and the audit speak of all of it."""
        for key in self.ledger.keys:
            kind, _, rest = key.partition("/")
            other = rest.partition("/")[0]
            if kind in CASE_KEYS and other != case.file.id:
                raise CaseError(
                    f"the ledger holds the books of the case {other!r}",
                    where=self._store.url,
                    got=f"the case {case.file.id!r}",
                    fix="give each case a ledger of its own (--ledger)",
                )

    def check(self, draft: Draft) -> Refusal | None:
        """What the gate would say to a draft: the Refusal, or None if it would pass. Nothing is booked."""
        try:
            self.ledger.check(draft, recorded=max(self.today, self.ledger.recorded))
        except Refusal as refusal:
            return refusal
        return None

    def _post(self, steps: Iterable[Work], progress: Callable[[int], None] | None, *, again_on: date) -> Posted:
        entries: list[Entry] = []
        repeated = 0
        try:
            with self._store.writing() as connection:
                ledger = self._catch_up(connection)
                head = ledger.head
                for done, step in enumerate(steps, start=1):
                    before = len(entries)
                    for draft, origin in _drafts(ledger, step, again_on):
                        entry = None if ledger.is_open(draft) else self._post_one(connection, ledger, draft, origin)
                        entries += [entry] if entry is not None else []
                    repeated += len(entries) == before and isinstance(step, Step)
                    if progress and done % PROGRESS_EVERY == 0:
                        progress(done)
                self._store.append(connection, entries, head)
        except BaseException:
            self._ledger = None  # the database rolled back; what was folded ahead of it is forgotten
            raise
        return Posted(tuple(entries), repeated)

    def _post_one(self, connection: Connection, ledger: Ledger, draft: Draft, origin: str) -> Entry | None:
        try:
            return ledger.post(draft, recorded=self.today)
        except EstateFundsError as refusal:
            if isinstance(refusal, KeyConflict):  # say which line differs, where the other draft is booked already
                seq = ledger.keys[draft.key][0]
                for stored in islice(self._store.read_in(connection, after=seq - 1), 1):
                    refusal.got, refusal.wanted = difference(draft, stored.entry.draft)
            if origin:
                refusal.where = f"{origin} ({draft.key})"
            raise

    # --- reading ---

    @property
    def ledger(self) -> Ledger:
        """The state of the books, folded from the journal and brought up to date."""
        with self._store.reading() as connection:
            return self._catch_up(connection)

    def _catch_up(self, connection: Connection) -> Ledger:
        ledger = self._ledger or Ledger()
        for stored in self._store.read_in(connection, after=ledger.seq):
            try:
                refold(ledger, stored.entry)
            except (EstateFundsError, InvariantBroken, ValueError, KeyError) as error:
                raise _damaged(stored.entry, str(error).splitlines()[0]) from None
            if (stored.leaf, stored.head) != (stored.entry.leaf, ledger.head):
                raise _damaged(stored.entry, "its hash, or its link to the entry before it, does not hold")
        self._ledger = ledger
        return ledger

    def entries(self) -> Iterator[Entry]:
        """The journal, in order, streamed."""
        return (stored.entry for stored in self._store.read())

    def balances(self) -> list[FundBalance]:
        """Where each fund stands, by fund id."""
        return fund_balances(self.ledger)

    def audit(
        self,
        case: Case | None = None,
        *,
        year: int | None = None,
        kept_head: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> AuditReport:
        """Replay the journal from its first entry and, with a case, re-derive every fen of it.

        `year` limits the comparison with the case to claims whose period begins in that calendar year; `kept_head` is
        the head printed by an earlier audit, through which the journal must still pass.
        """
        stored = self._store.read()
        return audit(
            _counted(stored, progress) if progress else stored,
            case,
            year=year,
            as_of=self.today,
            kept_head=kept_head,
            held=len(self),
            orphans=self._store.orphans(),
        )

    def __len__(self) -> int:
        """The number of entries."""
        return self._store.count()


T = TypeVar("T")


def _counted(items: Iterable[T], progress: Callable[[int], None]) -> Iterator[T]:
    for number, item in enumerate(items, start=1):
        yield item
        if number % PROGRESS_EVERY == 0:
            progress(number)


Work = Step | PeriodEnd


def _as_steps(item: Draft | Step | Claim, on: date | None, hands: Hands) -> Iterator[Step]:
    """What is asked for as steps: a claim that is due is promised and paid."""
    if isinstance(item, Claim):
        day, origin = on or item.decided_on or item.months.end.first_day, f"claim {item.claim_id}"
        if item.status is Status.DUE and vouchers.payer_funds(item):
            yield Step(vouchers.encumber(item, on=day, hands=hands), origin, item)
            yield Step(vouchers.disburse(item, on=day, hands=hands), origin, item)
        for draft in vouchers.refunds(item, on=day, hands=hands):
            yield Step(draft, origin, item)
    else:
        yield item if isinstance(item, Step) else Step(item, "")


def _drafts(ledger: Ledger, work: Work, again_on: date) -> Iterator[tuple[Draft, str]]:
    """What a piece of work comes to, given where the ledger stands."""
    if isinstance(work, Step):
        draft = work.draft if work.claim is None else _attempt(ledger, work, work.claim, again_on)
        if draft is not None:
            yield draft, work.origin
    elif ledger.closed_through < work.through.last_day:
        origin = f"end of {work.through}"
        if work.through.is_december:
            for draft in vouchers.carry_forward(ledger, work.through.year, hands=work.hands):
                yield draft, origin
        yield vouchers.close(work.through, on=work.effective, hands=work.hands), origin


def _attempt(ledger: Ledger, step: Step, claim: Claim, again_on: date) -> Draft | None:
    """A claim's draft, unless one stands booked; after a reversal, the next attempt, on the day given for it.

    What stands is left alone even where the claim has changed since: the audit says what it should be.
    """
    draft, attempt = step.draft, ledger.attempt(step.draft.key)
    if attempt_key(draft.key, attempt) in ledger.keys:
        return None
    if attempt == 1:
        return draft
    hands = Hands(draft.maker, draft.approver)
    if draft.kind is Kind.TRANSFER:
        again = vouchers.refunds(claim, on=again_on, hands=hands, attempt=attempt)
        return next((d for d in again if (d.payee_class, d.payee) == (draft.payee_class, draft.payee)), None)
    verb = vouchers.encumber if draft.kind is Kind.ENCUMBRANCE else vouchers.disburse
    return verb(claim, on=again_on, hands=hands, attempt=attempt)


def _day(step: Step | PeriodEnd) -> date:
    return step.effective if isinstance(step, PeriodEnd) else step.draft.effective


def _damaged(entry: Entry, why: str) -> DamagedEntry:
    return DamagedEntry(
        "the ledger was changed behind the library's back, and takes no more entries",
        where=f"entry {entry.seq} ({entry.draft.key})",
        got=why,
        fix="run estate-funds audit to see all of it, and restore the ledger from a backup",
    )


__all__ = ["Books", "FundBalance", "Posted"]
