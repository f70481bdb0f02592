"""The facade that an application imports: open a ledger, post claims or a whole case, ask for balances, audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from sqlalchemy import Connection

from estate_funds import vouchers
from estate_funds.assess import Claim, Status
from estate_funds.audit import AuditReport, audit
from estate_funds.case import Case, Step, YearEnd
from estate_funds.errors import EstateFundsError, Refusal
from estate_funds.funds import Account
from estate_funds.journal import Draft, Entry
from estate_funds.ledger import Ledger, refold
from estate_funds.store import Store
from estate_funds.vouchers import Hands

PROGRESS_EVERY = 500


@dataclass(frozen=True, slots=True)
class Posted:
    """What a call of `post` or `run` did: the new entries, how many stood already, how many must wait for their day."""

    entries: tuple[Entry, ...]
    repeated: int = 0
    waiting: tuple[Step, ...] = ()

    @property
    def kinds(self) -> Counter[str]:
        """How many new entries of each kind."""
        return Counter(entry.draft.kind.value for entry in self.entries)


@dataclass(frozen=True, slots=True)
class FundBalance:
    """Where a fund stands, in fen: received = paid out + cash, and cash = encumbered + available (+ lapsed)."""

    fund: str
    title: str
    received_fen: int
    paid_fen: int
    cash_fen: int
    encumbered_fen: int
    available_fen: int


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
        steps: list[Step | YearEnd] = []
        for item in items:
            if isinstance(item, Claim):
                steps += _claim_steps(item, on, Hands(maker, approver))
            else:
                steps.append(item if isinstance(item, Step) else Step(item, ""))
        return self._post(steps, progress)

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

    def _post(self, steps: Iterable[Step | YearEnd], progress: Callable[[int], None] | None) -> Posted:
        entries: list[Entry] = []
        repeated = 0
        today = self.today
        try:
            with self._store.writing() as connection:
                ledger = self._catch_up(connection)
                head = ledger.head
                for done, step in enumerate(steps, start=1):
                    for draft, origin in self._drafts(ledger, step):
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

    def _drafts(self, ledger: Ledger, step: Step | YearEnd) -> Iterator[tuple[Draft, str]]:
        if isinstance(step, Step):
            yield step.draft, step.origin
        elif ledger.closed_through < step.through.last_day:
            origin = f"end of {step.through}"
            for draft in vouchers.carry_forward(ledger, step.through.year, hands=step.hands):
                yield draft, origin
            yield vouchers.close(step.through, on=step.effective, hands=step.hands), origin

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
        ledger = self.ledger
        sums: dict[tuple[str, str], int] = {}
        for (fund, account, _), fen in ledger.balances.items():
            sums[fund, account] = sums.get((fund, account), 0) + fen

        def total(fund: str, *accounts: Account) -> int:
            return sum(sums.get((fund, account.value), 0) for account in accounts)

        return [
            FundBalance(
                fund=fund,
                title=ledger.funds[fund].title,
                received_fen=total(fund, Account.FUNDING, Account.TRANSFER_IN),
                paid_fen=total(fund, Account.EXPENDITURE, Account.TRANSFER_OUT),
                cash_fen=total(fund, Account.CASH),
                encumbered_fen=total(fund, Account.ENCUMBERED),
                available_fen=total(fund, Account.UNENCUMBERED),
            )
            for fund in sorted(ledger.funds)
        ]

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


def _day(step: Step | YearEnd) -> date:
    return step.effective if isinstance(step, YearEnd) else step.draft.effective


def _claim_steps(claim: Claim, on: date | None, hands: Hands) -> Iterator[Step]:
    if claim.status is Status.DUE:
        paid_on = on or claim.decided_on or claim.months.end.first_day
        yield Step(vouchers.encumber(claim, on=paid_on, hands=hands), claim.claim_id)
        yield Step(vouchers.disburse(claim, on=paid_on, hands=hands), claim.claim_id)


def _post_one(ledger: Ledger, draft: Draft, origin: str, today: date) -> Entry | None:
    try:
        return ledger.post(draft, recorded=today)
    except EstateFundsError as refusal:
        if origin:
            refusal.where = f"{origin} ({refusal.where or draft.key})"
        raise


__all__ = ["Books", "FundBalance", "Posted"]
