"""Five years of a district, step by step, from one seed: two writers on one ledger, and a disk under them that fails.

A *step* is one thing that happens: vouchers that are asked for together, a fact of the district that becomes known, a
fault, days that pass. After each, what the writer was told, the balances, and the size of the journal are those of the
model; the ten invariants are asked of every new entry. After each fault the books are opened anew, and must be those of
the model before what was under way, or after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random
from traceback import format_exception
from typing import Any

from estate_funds.audit import Severity
from estate_funds.books import Books
from estate_funds.calendar import Month
from estate_funds.errors import EstateFundsError, InvariantBroken, Refusal, SealBroken, StoreError
from estate_funds.evidence import EvidenceFolder, folder_beside
from estate_funds.journal import Draft
from estate_funds.ledger import Ledger
from estate_funds.merkle import tree_root
from estate_funds.testing import events
from estate_funds.testing.events import HANDS, IDLE, SLIPS, VERBS, Event, Known
from estate_funds.testing.model import Model
from estate_funds.testing.simulate import district
from estate_funds.testing.simulate.disk import (
    FAULTS,
    POWER_CUT,
    Disk,
    Image,
    Killed,
    Process,
    after_power_cut,
    rotten,
)
from estate_funds.testing.simulate.invariants import Invariants
from estate_funds.vouchers import open_fund, refused

BEGINS, YEARS = date(2021, 1, 1), 5
# Of these, what a disk forgets and what rots costs half a second each: less often than the others.
OUTAGES = (POWER_CUT, "disk lies", "disk rots", "clock runs ahead", "clock runs behind")
_PAPERS = ("approval", "audit", "invoice")
_FACTS = ("enrols", "moves", "leaves", "is_assessed", "is_assessed")


class Divergence(InvariantBroken):
    """The books are not what the model says, or an invariant does not hold: a bug, and how to see it again."""


@dataclass
class Clerk:
    """A writer: a process of its own, with a clock of its own."""

    disk: Disk
    process: Process = field(default_factory=Process)
    ahead: int = 0  # days by which its clock is wrong
    today: date = BEGINS
    _books: Books | None = None

    @property
    def clock(self) -> date:
        """What its clock says."""
        return self.today + timedelta(days=self.ahead)

    def starts(self) -> None:
        """A new process; the books are opened when they are first wanted."""
        self.process.is_swept()
        self.process, self._books = Process(), None

    @property
    def books(self) -> Books:
        """The books of this process, opened by it."""
        self.disk.running = self.process
        if self._books is None:
            opened = _Books.open(str(self.disk.path))
            assert isinstance(opened, _Books)
            opened.clerk, self._books = self, opened
        return self._books


class _Books(Books):
    clerk: Clerk

    @property
    def today(self) -> date:
        return self.clerk.clock


@dataclass
class _Kept:
    """Books as they once were: what was on the disk, the model, and a checkpoint that somebody kept outside."""

    image: Image
    model: Model
    note: str


@dataclass
class Life:
    """One district from its first day; `run` makes it live. Everything that happens is drawn from `seed`."""

    seed: int
    folder: Path
    faults_every: int = 150

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.reached: Counter[str] = Counter()
        self.day, self.number = BEGINS, 0
        self.district = district.District(self.random)
        self.disk = Disk(self.folder / "books.db")
        self.model, self.known, self.invariants = Model(), Known(Ledger()), Invariants()
        self.clerks = [Clerk(self.disk), Clerk(self.disk)]  # the second asks now and then
        self.kept: list[_Kept] = []
        self.waiting: list[Draft] = []
        self.last: Clerk | None = None  # whose ledger is known
        busy = [verb for verb in VERBS if verb not in IDLE]
        self.verbs = 3 * (self.random.choices(busy, k=len(busy)) + busy[:: self.random.choice((1, 1, 2, 3))]) + [*IDLE]
        self.slips = self.random.choice((0.02, 0.1, 0.25))

    # --- the loop ---

    def run(self, steps: int) -> Counter[str]:
        """Live so many steps, or five years; what was reached. Raises Divergence."""
        try:
            with self.disk.mounted():
                self._begin()
                while self.number < steps and self.day < date(BEGINS.year + YEARS, 1, 1):
                    self.number += 1
                    self._step()
                self._end()
        except Exception as error:
            kind = "" if isinstance(error, InvariantBroken) else "".join(format_exception(error, limit=-4))
            raise Divergence(f"seed {self.seed}, step {self.number}: {error}\n{kind}".rstrip()) from error
        finally:
            for clerk in self.clerks:
                clerk.process.is_swept()
        return self.reached

    @property
    def head(self) -> str:
        """What names the journal that this life has written."""
        return f"{len(self.model.entries)}:{tree_root(b''.join(e.leaf for e in self.model.entries)).hex()}"

    def _begin(self) -> None:
        self._clock()
        papers = EvidenceFolder(folder_beside(self.disk.path))
        for kind in _PAPERS:
            papers.add_bytes(kind.encode())
        self._put([open_fund(f, on=BEGINS, hands=HANDS) for f in (*events.FUNDS, *district.funds())], self.clerks[0])
        self._put(self.district.appropriations(self.day, "first"), self.clerks[1])

    def _step(self) -> None:
        chance = self.random.random()
        if chance < 1 / self.faults_every:
            self._fails()
        elif chance < 0.06:
            days = self.random.randrange(1, 30)
            border = (Month.of(self.day) + 1).first_day  # a month, a year, a permit ends: seldom hit by chance
            self.day = border if self.random.random() < 0.3 else self.day + timedelta(days=days)
            self._clock()
            self.reached["event: days pass"] += 1
        elif chance < 0.10:
            what = getattr(self.district, self.random.choice(_FACTS))(self.day)
            self.reached[f"event: {what or 'nothing'}"] += 1
        else:
            clerk = self.clerks[self.random.random() < 0.1]
            # Who posts has not looked at the books since the other did: that is for the books to see to.
            self._put(self._waited(self._asked(self.last or clerk)), clerk)
        if self.number % 512 == 0:
            self._look_closely()

    def _clock(self) -> None:
        for clerk in self.clerks:
            clerk.today = self.day

    def _asked(self, clerk: Clerk) -> list[Draft]:
        """What a writer asks for in this step: for the district, or for an event of the books."""
        if clerk is not self.last:
            self.known.ledger, self.last = clerk.books.ledger, clerk
        key, chance, books = f"step/{self.number}", self.random.random(), self.known.ledger
        if chance < 0.06:
            claims = self.district.claims(books, self.day)
            return self._told("claims by the amended rate" if self.district.amended else "claims", claims)
        if chance < 0.08:
            return self._told("appropriations", self.district.appropriations(self.day, key))
        if chance < 0.10:
            return self._told("income", self.district.income(self.day, key))
        if chance < 0.12:
            fund = self.random.choice(events.FUNDS[:2])
            voted = self.district.votes(fund, self.day, key)
            return self._told(f"votes that {'pass' if self.district.passed else 'fail'}", voted)
        slip = self.random.randrange(1, len(SLIPS)) if self.random.random() < self.slips else 0
        event = Event(
            self.random.choice(self.verbs), self.random.randrange(1 << 30), self.random.randrange(1 << 17), slip
        )
        late = self.random.choice((5, 40, 400)) if self.random.random() < 0.05 else 0  # what was forgotten till now
        day = self.day - timedelta(days=late)
        return self._told(event.verb, events.requests(event, self.known, day=day, key=key))

    def _told(self, what: str, drafts: list[Draft]) -> list[Draft]:
        self.reached[f"event: {what}"] += bool(drafts)
        return drafts

    def _waited(self, drafts: list[Draft]) -> list[Draft]:
        """Now and then what was written down in another state of the books, perhaps by the other writer."""
        if self.random.random() < 0.04:
            drafts, self.waiting = self.waiting, drafts
        return drafts

    # --- asking both ---

    def _put(self, drafts: Sequence[Draft], clerk: Clerk) -> None:
        """Put drafts to the books in one transaction, and to the model; both say the same."""
        if drafts:
            one = len(drafts) == 1  # which the model takes whole or not at all
            wanted, after = self._judged(drafts, clerk, self.model if one else self.model.copy())
            refusal = _ask(clerk.books, drafts)
            got = type(refusal).__name__ if refusal else "booked"
            if got != wanted:
                raise InvariantBroken(f"books: {got}, model: {wanted}\n{refusal}\n{drafts}")
            self._settles(after, clerk, refusal)

    def _judged(self, drafts: Sequence[Draft], clerk: Clerk, model: Model) -> tuple[str, Model]:
        """What a model says to drafts that are put to it together, and what the books are after that."""
        try:
            for draft in drafts:
                if not _is_open(model, draft):
                    model.post(draft, recorded=clerk.clock)
        except Refusal as refusal:
            return type(refusal).__name__, self.model
        return "booked", model

    def _settles(self, after: Model, clerk: Clerk, refusal: Refusal | None) -> None:
        """What was asked is done with: the books have it as the model has, each new entry keeps the invariants."""
        self.model = after
        recorded = max(clerk.clock, _last_day(after))
        if refusal is not None:
            self.reached[f"refusal: {type(refusal).__name__}"] += 1
            assert isinstance(refusal.asked, Draft)
            after.post(refused(refusal.asked, refusal, recorded=recorded), recorded=recorded)
        ledger = clerk.books.ledger
        if ledger.seq != len(after.entries):
            raise InvariantBroken(f"the books have {ledger.seq} entries, the model {len(after.entries)}")
        if ledger.balances != after.balances:
            raise InvariantBroken("the books have other balances than the model")
        new = after.entries[self.invariants.seq :]
        for entry in new:
            self.reached[f"verb: {entry.draft.kind}"] += 1
            self.invariants.see(entry)
        self.known.add(new)
        self.known.ledger, self.last = ledger, clerk

    # --- faults ---

    def _fails(self) -> None:
        """One fault: of a process, of the disk, or of a clock."""
        clerk = self.random.choice(self.clerks)
        fault = self.random.choice(2 * (*FAULTS, POWER_CUT, *OUTAGES[-2:]) + OUTAGES[1:3])
        if fault.startswith("clock"):
            struck = self._jumps(clerk, fault)
        elif fault == "disk rots":
            struck = self._rots()
        elif fault == "disk lies":
            struck = self._forgets()
        else:
            struck = self._fails_at(clerk, self._asked(clerk), fault)
        self.reached[f"fault: {fault}"] += struck
        if len(self.kept) < 4 or self.random.random() < 0.2:
            self._keep(clerk)

    def _jumps(self, clerk: Clerk, fault: str) -> bool:
        """The clock of a writer is wrong for one request, and is set right: whoever was ahead holds up the others."""
        clerk.ahead = self.random.choice((1, 1, 3, 20)) if fault.endswith("ahead") else -self.random.choice((1, 2, 400))
        drafts = self._asked(clerk)
        if self.known.ledger.recorded > clerk.clock:
            self.reached["event: recording runs backwards"] += 1
        self._put(drafts, clerk)
        clerk.ahead = 0
        return bool(drafts)

    def _fails_at(self, clerk: Clerk, drafts: Sequence[Draft], fault: str) -> bool:
        """A process fails at one of its next calls while it posts; all that it may leave is nothing, or the whole.

        Whether it failed. Where the power was to fail in a commit and there was none, it fails after it was told so.
        """
        if not drafts:
            return False
        wanted, after = self._judged(drafts, clerk, self.model.copy())
        _ = clerk.books.ledger  # what it does before it begins is not what this is about, most of the time
        process, durable = clerk.process, [self.disk.image()]
        process.committed = lambda: durable.append(self.disk.image())
        process.will_fail(fault, self.random.randrange(1, 3 if fault == POWER_CUT else 8 + 4 * len(drafts)))
        try:
            refusal = _ask(clerk.books, drafts)
            process.goes_on()
            told = type(refusal).__name__ if refusal else "booked"
            self._comes_to(told, wanted, after, clerk, refusal)
            if fault == POWER_CUT:
                self.reached["event: a power cut after a commit"] += 1
                self._loses_power(durable[-1])
                self._agrees(clerk, self.model)
        except StoreError as error:
            self.reached[f"store error: {error.what.split(':')[0]}"] += 1
            self._is_before_or_after(clerk, after, drafts)
        except Killed:
            if fault == POWER_CUT:
                self._loses_power(durable[-1])
            else:
                clerk.starts()
                self.last = None
            self._is_before_or_after(clerk, after, drafts)
        finally:
            process.committed = None
        return process.struck

    def _comes_to(self, told: str, wanted: str, after: Model, clerk: Clerk, refusal: Refusal | None) -> None:
        """The fault did not come, or hit only the record of a refusal, which then says so."""
        if told != wanted:
            raise InvariantBroken(f"books: {told}, model: {wanted}")
        if refusal is not None and any("could not be recorded" in note for note in getattr(refusal, "__notes__", ())):
            self.reached["event: a refusal that could not be recorded"] += 1
            self._agrees(clerk, self.model)
        else:
            self._settles(after, clerk, refusal)

    def _loses_power(self, durable: Image) -> None:
        """All processes are gone; the disk has what was durable, and of what came after, anything."""
        written = self.disk.image()
        self._stops()
        self.disk.restore(after_power_cut(durable, written, self.random))

    def _is_before_or_after(self, clerk: Clerk, after: Model, drafts: Sequence[Draft]) -> None:
        """The books are as before what was under way, or as after it; then it is asked again, and comes to the same."""
        seq = clerk.books.ledger.seq
        if seq == len(after.entries) and after is not self.model:
            self.reached["event: it had landed"] += 1
            self._settles(after, clerk, None)
        elif seq == len(self.model.entries) + 1 and after is self.model:  # the refusal is on record
            self.reached["event: it had landed"] += 1
        else:
            self._agrees(clerk, self.model)
        self._put(drafts, clerk)

    def _agrees(self, clerk: Clerk, model: Model) -> None:
        ledger = clerk.books.ledger
        if (ledger.seq, ledger.balances) != (len(model.entries), model.balances):
            raise InvariantBroken(f"the books recovered to entry {ledger.seq}, the model is at {len(model.entries)}")

    # --- a disk that lies, and one that rots ---

    def _keep(self, clerk: Clerk) -> None:
        """Somebody keeps a checkpoint outside; and this disk may one day be found to have stopped writing here."""
        note = clerk.books.checkpoint().body
        self.kept = [*self.kept[-3:], _Kept(self.disk.image(), self.model.copy(), note)]

    def _forgets(self) -> bool:
        """Commits that were said to be durable are gone: whoever kept a checkpoint sees it, and the work goes on."""
        if not self.kept:
            return False
        newest = self.clerks[0].books.checkpoint().body
        lost = self.random.choice(self.kept)
        self._stops()
        self.disk.restore(lost.image)
        clerk, cut = self.clerks[0], len(lost.model.entries) < len(self.model.entries)
        self._agrees(clerk, lost.model)
        try:
            clerk.books.check_checkpoint(newest)
            seen = False
        except SealBroken:
            seen = True
        if seen != cut:
            raise InvariantBroken(f"entries were lost: {cut}; the checkpoint shows it: {seen}")
        clerk.books.check_checkpoint(lost.note)
        self._goes_back(lost.model, clerk)
        return cut

    def _goes_back(self, model: Model, clerk: Clerk) -> None:
        """The books end earlier: so do the model and the count of the invariants."""
        self.model, self.known, self.invariants = model.copy(), Known(clerk.books.ledger), Invariants()
        self.known.add(model.entries)
        for entry in model.entries:
            self.invariants.see(entry)
        self.kept = [kept for kept in self.kept if len(kept.model.entries) <= len(model.entries)]

    def _rots(self) -> bool:
        """Bytes of a copy of the ledger change: its audit finds it, or nothing that counts has changed."""
        self._stops()
        sound = self.disk.image()
        self.disk.restore(rotten(sound, self.random))
        try:
            books = self.clerks[0].books
            clean = not [
                f for f in books.audit(kept_heads=[self.head], rules=()).findings if f.severity is Severity.ERROR
            ]
            whole = clean and [e.leaf for e in books.entries()] == self.invariants.leaves
            self.reached[f"event: rot {'changed nothing that counts' if clean else 'was found by the audit'}"] += 1
            if clean and not (whole and books.ledger.balances == self.model.balances):
                raise InvariantBroken("the books rotted, and their audit is clean")
        except EstateFundsError as error:
            self.reached[f"event: rot was found: {type(error).__name__}"] += 1
        self._stops()
        self.disk.restore(sound)
        return True

    def _stops(self) -> None:
        """All processes end; new ones begin."""
        self.last = None
        for clerk in self.clerks:
            clerk.starts()

    # --- a closer look ---

    def _look_closely(self) -> None:
        """Both writers see the same, and the state is the model's in every part."""
        self.invariants.agree_with(self.model.balances)
        for clerk in self.clerks:
            self._agrees(clerk, self.model)
            ledger = clerk.books.ledger
            if ledger.funds != self.model.funds:
                raise InvariantBroken("the books have other funds than the model")
            self._remembers(ledger)

    def _remembers(self, ledger: Ledger) -> None:
        """What a ledger keeps beside its balances, and what decides on what lapses, is what the model has."""
        for fund, account, reference in self.model.balances:
            if account == "encumbered":
                promise, naive = ledger.promise(fund, reference), self.model.promises[fund, reference]
                if promise is None or (promise.year, promise.expires, promise.to) != naive[:3]:
                    raise InvariantBroken(f"{fund} has promised {reference}: {promise}, by the model {naive}")
        for (fund, year), fen in ledger.inflows.items():
            if max(0, fen) != self.model.inflow(fund, [year]):
                raise InvariantBroken(f"{fund} has other inflows of {year} than by the model: {fen}")

    def _end(self) -> None:
        """The whole journal, as it is on the disk, is the model's; it replays, from blocks and entry by entry."""
        self._look_closely()
        self._stops()
        books = self.clerks[0].books
        stored = [(entry.seq, entry.recorded, entry.leaf) for entry in books.entries()]
        if stored != [(entry.seq, entry.recorded, entry.leaf) for entry in self.model.entries]:
            raise InvariantBroken("the journal on the disk is not that of the model")
        if self.seed % 8 == 0 and books.verify() != self.head:
            raise InvariantBroken("the sealed blocks replay to another head")
        found = [f for f in books.audit(kept_heads=[self.head], rules=()).findings if f.severity is Severity.ERROR]
        if found:
            raise InvariantBroken(f"the audit of sound books finds {found[:3]}")


def _ask(books: Books, drafts: Sequence[Draft]) -> Refusal | None:
    try:
        books.post(list(drafts))
    except Refusal as refusal:
        return refusal
    return None


def _is_open(model: Model, draft: Draft) -> bool:
    """A draft that opens a fund which is open already, with the same words, is not put to the gate."""
    name: Any = next((term[1] for term in draft.terms if term[:1] == ("fund",)), None)
    fund = model.funds.get(name) if draft.kind == "open_fund" else None
    return fund is not None and (fund.to_terms(), fund.document, fund.clause) == (
        draft.terms,
        draft.document,
        draft.clause,
    )


def _last_day(model: Model) -> date:
    return model.entries[-1].recorded if model.entries else date.min
