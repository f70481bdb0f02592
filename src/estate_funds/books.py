"""The facade that an application imports: open a ledger, post claims or a whole case, ask for balances, audit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from sqlalchemy import Connection

from estate_funds import vouchers
from estate_funds.assess import Claim, Status
from estate_funds.audit import AuditReport, audit
from estate_funds.case import Case, PeriodEnd, Posted, Step
from estate_funds.errors import EstateFundsError, Refusal
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger import Ledger, attempt_key, refold
from estate_funds.report.balances import FundBalance, fund_balances
from estate_funds.store import Store
from estate_funds.vouchers import Hands

PROGRESS_EVERY = 500


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
        return self._post((_as_step(item, on, Hands(maker, approver)) for item in items), progress)

    def run(self, case: Case, *, progress: Callable[[int], None] | None = None) -> Posted:
        """Book all that a case asks for, in order of days, in one transaction; what lies ahead of today waits."""
        due = [step for step in case.steps if _day(step) <= self.today]
        waiting = tuple(s for s in case.steps if isinstance(s, Step) and _day(s) > self.today)
        posted = self._post(due, progress)
        return Posted(posted.entries, posted.repeated, waiting)

    def check(self, draft: Draft) -> Refusal | None:
        """What the gate would say to a draft: the Refusal, or None if it would pass. Nothing is booked."""
        try:
            self.ledger.check(draft, recorded=max(self.today, self.ledger.recorded))
        except Refusal as refusal:
            return refusal
        return None

    def _post(self, steps: Iterable[Work], progress: Callable[[int], None] | None) -> Posted:
        entries: list[Entry] = []
        repeated = 0
        today = self.today
        try:
            with self._store.writing() as connection:
                ledger = self._catch_up(connection)
                head = ledger.head
                for done, step in enumerate(steps, start=1):
                    for draft, origin in _drafts(ledger, step, today):
                        entry = None if ledger.is_open(draft) else _post_one(ledger, draft, origin, today)
                        if entry is None:
                            repeated += 1
                        else:
                            entries.append(entry)
                    if progress and done % PROGRESS_EVERY == 0:
                        progress(done)
                self._store.append(connection, entries, head)
        except BaseException:
            self._ledger = None  # the database rolled back; what was folded ahead of it is forgotten
            raise
        return Posted(tuple(entries), repeated)

    # --- reading ---

    @property
    def ledger(self) -> Ledger:
        """The state of the books, folded from the journal and brought up to date."""
        with self._store.reading() as connection:
            return self._catch_up(connection)

    def _catch_up(self, connection: Connection) -> Ledger:
        ledger = self._ledger or Ledger()
        for stored in self._store.read_in(connection, after=ledger.seq):
            refold(ledger, stored.entry)
        self._ledger = ledger
        return ledger

    def entries(self) -> Iterator[Entry]:
        """The journal, in order, streamed."""
        return (stored.entry for stored in self._store.read())

    def balances(self) -> list[FundBalance]:
        """Where each fund stands, by fund id."""
        return fund_balances(self.ledger)

    def audit(
        self, case: Case | None = None, *, year: int | None = None, progress: Callable[[int], None] | None = None
    ) -> AuditReport:
        """Replay the journal from its first entry and, with a case, re-derive every fen of it.

        `year` limits the comparison with the case to claims whose period begins in that calendar year.
        """
        stored = self._store.read()
        return audit(_counted(stored, progress) if progress else stored, case, year=year, orphans=self._store.orphans())

    def __len__(self) -> int:
        """The number of entries."""
        return self._store.count()


T = TypeVar("T")


def _counted(items: Iterable[T], progress: Callable[[int], None]) -> Iterator[T]:
    for number, item in enumerate(items, start=1):
        yield item
        if number % PROGRESS_EVERY == 0:
            progress(number)


@dataclass(frozen=True, slots=True)
class _Payment:
    """A claim to be paid on a day, unless it stands paid; after a reversal it is paid anew."""

    claim: Claim
    on: date
    hands: Hands


Work = Step | PeriodEnd | _Payment


def _as_step(item: Draft | Step | Claim, on: date | None, hands: Hands) -> Work:
    if isinstance(item, Claim):
        return _Payment(item, on or item.decided_on or item.months.end.first_day, hands)
    return item if isinstance(item, Step) else Step(item, "")


def _drafts(ledger: Ledger, work: Work, today: date) -> Iterator[tuple[Draft, str]]:
    """What a piece of work comes to, given where the ledger stands."""
    if isinstance(work, Step):
        yield from _step(ledger, work, today)
    elif isinstance(work, _Payment):
        if work.claim.status is Status.DUE:
            yield from _payment(ledger, work)
    elif ledger.closed_through < work.through.last_day:
        origin = f"end of {work.through}"
        if work.through.is_december:
            for draft in vouchers.carry_forward(ledger, work.through.year, hands=work.hands):
                yield draft, origin
        yield vouchers.close(work.through, on=work.effective, hands=work.hands), origin


def _step(ledger: Ledger, step: Step, today: date) -> Iterator[tuple[Draft, str]]:
    """The step as the case dates it; what was reversed since is booked anew, today, unless that stands already."""
    attempt = ledger.attempt(step.draft.key) if step.claim is not None else 1
    if step.claim is None or attempt == 1:
        yield step.draft, step.origin
    elif attempt_key(step.draft.key, attempt) not in ledger.keys:
        verb = vouchers.encumber if step.draft.kind is Kind.ENCUMBRANCE else vouchers.disburse
        hands = Hands(step.draft.maker, step.draft.approver)
        yield verb(step.claim, on=today, hands=hands, attempt=attempt), step.origin


def _payment(ledger: Ledger, work: _Payment) -> Iterator[tuple[Draft, str]]:
    claim, origin = work.claim, f"claim {work.claim.claim_id}"
    promise = vouchers.claim_key(claim, Kind.ENCUMBRANCE)
    attempt = ledger.attempt(promise)
    if attempt_key(promise, attempt) not in ledger.keys:
        yield vouchers.encumber(claim, on=work.on, hands=work.hands, attempt=attempt), origin
    attempt = ledger.attempt(vouchers.claim_key(claim, Kind.DISBURSEMENT))
    yield vouchers.disburse(claim, on=work.on, hands=work.hands, attempt=attempt), origin


def _day(step: Step | PeriodEnd) -> date:
    return step.effective if isinstance(step, PeriodEnd) else step.draft.effective


def _post_one(ledger: Ledger, draft: Draft, origin: str, today: date) -> Entry | None:
    try:
        return ledger.post(draft, recorded=today)
    except EstateFundsError as refusal:
        if origin:
            refusal.where = f"{origin} ({refusal.where or draft.key})"
        raise


__all__ = ["Books", "FundBalance", "Posted"]
