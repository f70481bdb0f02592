"""The facade that an application imports: open a ledger, post claims or a case, ask for balances, audit, prove."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from estate_funds import vouchers
from estate_funds.assess import Claim, Status
from estate_funds.audit import AuditReport, Coverage, Finding, audit
from estate_funds.audit.bank import Bank
from estate_funds.audit.catalogue import RULES
from estate_funds.audit.journal import Kept, SealedCopy
from estate_funds.audit.rules import Rule
from estate_funds.calendar import Months, given_day, given_year
from estate_funds.case import Case, PeriodEnd, Posted, Step
from estate_funds.checkpoint import Checkpoint, Growth, Inclusion
from estate_funds.errors import (
    BadReversal,
    CaseError,
    DamagedEntry,
    DateError,
    EstateFundsError,
    InputError,
    KeyConflict,
    Refusal,
    SealBroken,
    UnknownFund,
    nearest,
)
from estate_funds.evidence import EvidenceFolder, folder_beside
from estate_funds.journal import Draft, Entry, Kind, difference
from estate_funds.ledger import BalanceKey, Ledger, attempt_key, changes_of
from estate_funds.ledger.shapes import MIRRORS
from estate_funds.merkle import (
    BLOCK_LEAVES,
    HASH_SIZE,
    Frontier,
    consistency_proof,
    inclusion_proof,
    root_at,
    tree_root,
)
from estate_funds.provenance import Provenance, trace
from estate_funds.report.balances import FundBalance, fund_balances
from estate_funds.report.statement import Statement, statement
from estate_funds.store import PREFIX, Store, ledger_url, sqlite_path, unchanged
from estate_funds.vouchers import Hands

if TYPE_CHECKING:
    from estate_funds.columns import Columns, Drafts

PROGRESS_EVERY = 500
CASE_KEYS = ("appropriation", "receipt", "transfer", "spending")  # kind/case/id: see Case


class Books:
    """A ledger in use. Open it as a context manager; every call that posts lands whole or not at all.

    Any number of processes and threads may use one ledger, each through books of its own.
    """

    def __init__(
        self, store: Store, *, recorded_on: date | None = None, evidence: EvidenceFolder | None = None
    ) -> None:
        self._store = store
        self._recorded_on = None if recorded_on is None else given_day(recorded_on, "recorded_on")
        self._ledger: Ledger | None = None
        self.evidence = evidence

    @classmethod
    def open(
        cls,
        address: str,
        *,
        create: bool = True,
        recorded_on: date | None = None,
        evidence: str | Path | None = None,
        prefix: str = PREFIX,
        schema: str = "",
        origin: str = "",
    ) -> Books:
        """Open a ledger by URL or file path (`memory` for one that is gone at the end), creating it unless told not to.

        `recorded_on` is the day that the books take as today; by default, this machine's. `evidence` is the folder of
        source documents; by default, for a ledger in a file, the one beside it. `prefix` and `schema` say what its
        tables are called, `origin` under which name a new ledger is sealed. Raises StoreError.
        """
        store = Store.open(address, create=create, prefix=prefix, schema=schema, origin=origin)
        file = sqlite_path(ledger_url(address))
        folder = evidence or (folder_beside(file) if file else None)
        return cls(store, recorded_on=recorded_on, evidence=EvidenceFolder(folder) if folder else None)

    @classmethod
    def within(
        cls,
        connection: Connection | Session,
        *,
        create: bool = False,
        recorded_on: date | None = None,
        evidence: str | Path | None = None,
        prefix: str = PREFIX,
        schema: str = "",
    ) -> Books:
        """The books inside a transaction of yours: they land when you commit, and are gone when you roll back.

        What is refused leaves your transaction as it was before the call, with the refusal on record in it.
        """
        store = Store.within(connection, create=create, prefix=prefix, schema=schema)
        return cls(store, recorded_on=recorded_on, evidence=EvidenceFolder(evidence) if evidence else None)

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

        One transaction: a Refusal of any part leaves the books as they were, but for the record of what was refused.
        What is booked already is left alone.
        """
        day = None if on is None else given_day(on, "on")
        items = [what] if isinstance(what, Draft | Step | Claim) else what
        if not isinstance(items, Iterable):
            raise _not_to_be_booked(items)
        steps = (step for item in items for step in _as_steps(item, day, Hands(maker, approver)))
        return self._post(steps, progress, again_on=day or self.today, ahead=_ahead(items))

    def run(self, case: Case, *, progress: Callable[[int], None] | None = None) -> Posted:
        """Book all that a case asks for, in order of days, in one transaction; what lies ahead of today waits.

        The documents of the case are kept in the evidence folder first.
        """
        if not hasattr(case, "steps"):  # whatever has those is booked as a case is
            raise InputError("not a case", where="Books.run", got=_kind_of(case), fix="load it: load_case(folder)")
        self._check_one_case(case)
        due = [step for step in case.steps if _day(step) <= self.today]
        waiting = tuple(s for s in case.steps if isinstance(s, Step) and _day(s) > self.today)
        if self.evidence is not None:
            named = (e.sha256 for step in due if isinstance(step, Step) for e in step.draft.evidence)
            self.evidence.keep(case.evidence_files, named)
        posted = self._post(due, progress, again_on=self.today, ahead=_ahead(due))
        return Posted(posted.entries, posted.repeated, waiting)

    def _check_one_case(self, case: Case) -> None:
        """A ledger is the books of one case: closing a period and the audit speak of all of it."""
        for kind in CASE_KEYS:
            own = f"{kind}/{case.file.id}/"
            first = self._store.first_key(f"{kind}/") or ""
            if first.startswith(own):
                first = self._store.first_key(f"{kind}/", after=own + "\U0010ffff") or ""
            other = first.removeprefix(f"{kind}/").partition("/")[0]
            if first:
                raise CaseError(
                    f"the ledger holds the books of the case {other!r}",
                    where=self._store.url,
                    got=f"the case {case.file.id!r}",
                    fix="give each case a ledger of its own (--ledger)",
                )

    def check(self, draft: Draft) -> Refusal | None:
        """What the gate would say to a draft: the Refusal, or None if it would pass. Nothing is booked."""
        if not isinstance(draft, Draft):
            raise InputError("not a draft", where="Books.check", got=_kind_of(draft), fix="give what a verb made")
        with self._store.reading() as connection:
            ledger = self._catch_up(connection)
            try:
                ledger.check(draft, recorded=self.today)
            except Refusal as refusal:
                return refusal
        return None

    def _post(
        self,
        steps: Iterable[Work],
        progress: Callable[[int], None] | None,
        *,
        again_on: date,
        ahead: Sequence[Draft] = (),
    ) -> Posted:
        entries: list[Entry] = []
        repeated = 0
        try:
            with self._advancing(ahead) as (connection, ledger):
                for done, step in enumerate(steps, start=1):
                    before = len(entries)
                    for draft, origin in _drafts(ledger, step, again_on):
                        entry = None if ledger.is_open(draft) else self._post_one(ledger, draft, origin)
                        entries += [entry] if entry is not None else []
                    repeated += len(entries) == before and isinstance(step, Step)
                    if progress and done % PROGRESS_EVERY == 0:
                        progress(done)
                self._store.append(connection, entries, ledger)
        except Refusal as refusal:
            self.record(refusal)
            raise
        return Posted(tuple(entries), repeated)

    @contextmanager
    def _advancing(self, ahead: Sequence[Draft] = ()) -> Iterator[tuple[Connection, Ledger]]:
        """The transaction of the only writer and a ledger to advance with it, which is nobody's until all has landed.

        Whoever asks these books meanwhile gets what the database has. Where it fails, what was folded is forgotten.
        """
        with self._store.writing() as connection:
            ledger = self._catch_up(connection, ahead)
            self._ledger, size = None, ledger.seq
            try:
                yield connection, ledger
            except Refusal:
                self._ledger = ledger if ledger.seq == size else None
                raise
        self._ledger = ledger

    def _post_one(self, ledger: Ledger, draft: Draft, origin: str) -> Entry | None:
        try:
            return ledger.post(draft, recorded=self.today)
        except EstateFundsError as refusal:
            if isinstance(refusal, KeyConflict):  # say which line differs, where the other draft is booked already
                booked = self._store.entry_by_key(draft.key)
                if booked is not None:
                    refusal.got, refusal.wanted = difference(draft, booked.draft)
            if isinstance(refusal, KeyConflict | BadReversal) and draft.kind in MIRRORS:
                self._tell_reversal(refusal, ledger, draft)
            if isinstance(refusal, Refusal):
                refusal.asked = draft
            if origin:
                refusal.where = f"{origin} ({draft.key})"
            raise

    def _tell_reversal(self, refusal: Refusal, ledger: Ledger, draft: Draft) -> None:
        """Say of a reversal that is refused by which entry it was done, or that something else took its key."""
        if not draft.reference.isdecimal() or not ledger.is_reversed(int(draft.reference)):
            if isinstance(refusal, KeyConflict):
                refusal.fix = "give the reversal a key of its own: reverse(..., key=...), or give it the ledger"
            return
        done = self._store.mirror_of(draft.reference)
        by = f", by entry {done}" if done else ""  # none where it is in this very batch
        refusal.what, refusal.fix = f"entry {draft.reference} is reversed already{by}", "nothing is left to do"

    def post_columns(self, drafts: Drafts) -> int:
        """Book many drafts in columns, as `post` books them one by one; how many were new.

        The same checks, refusals and entries, in a fraction of the time. What is booked already is passed over.
        """
        from estate_funds.columns import Drafts, Twin

        if not isinstance(drafts, Drafts):
            fix = "make them with Drafts.of or Drafts.from_drafts, or give them to Books.post"
            raise InputError("not drafts in columns", where="Books.post_columns", got=_kind_of(drafts), fix=fix)
        try:
            with self._advancing() as (connection, ledger):
                self._store.look_ahead(ledger, drafts.references)
                columns, leaves, _ = Twin(ledger).post(drafts, recorded=self.today)
                self._store.append_columns(connection, columns, ledger, leaves)
        except Refusal as refusal:
            self.record(refusal)
            raise
        return len(columns)

    def record(self, refusal: Refusal) -> None:
        """Put an attempt on record, in a transaction of its own, so that an auditor sees it.

        `post` does so itself. In a transaction of yours that you roll back, the record goes with it: then hand what was
        raised to books of their own, `Books.open(...).record(refusal)`.
        """
        if not isinstance(refusal.asked, Draft):
            return
        try:
            with self._advancing() as (connection, ledger):
                recorded = max(self.today, ledger.recorded)
                entry = ledger.post(vouchers.refused(refusal.asked, refusal, recorded=recorded), recorded=recorded)
                self._store.append(connection, [entry] if entry else [], ledger)
        except EstateFundsError as error:
            refusal.add_note(f"the refusal could not be recorded: {error}")

    # --- reading ---

    @property
    def ledger(self) -> Ledger:
        """The state of the books, from the last snapshot and the journal after it."""
        with self._store.reading() as connection:
            return self._catch_up(connection)

    def _catch_up(self, connection: Connection, ahead: Sequence[Draft] = ()) -> Ledger:
        """The ledger as the database has it now; where that fails, it is read anew next time."""
        ledger, self._ledger = self._ledger, None
        if ledger is None:
            ledger = self._store.load(connection, ahead)
        else:
            try:
                self._store.catch_up(connection, ledger, ahead)
            except DamagedEntry:
                if not self._store.borrowed:
                    raise
                ledger = self._store.load(
                    connection, ahead
                )  # the application took back what these books had posted, perhaps
        self._ledger = ledger
        return ledger

    def entries(self, *, after: int = 0, until: int | None = None) -> Iterator[Entry]:
        """The journal, in order, streamed, or the part of it after one entry and up to another.

        DamagedEntry for one that was changed since: an audit shows them all.
        """
        last = None if until is None else _given_number(until, "entries, until")
        read = self._store.read(after=_given_number(after, "entries, after"), upto=last)
        return (unchanged(stored).entry for stored in read)

    def found_entries(self, until: int) -> Iterator[Entry]:
        """The first entries as the rows have them, changed since or not, up to one that cannot be read: for audits."""
        try:
            for stored in self._store.read(upto=_given_number(until, "found_entries")):
                yield stored.entry
        except DamagedEntry:
            return

    def entry(self, seq: int) -> Entry:
        """One entry by its number; InputError where there is none."""
        found = self._store.entry(_given_number(seq, "entry"))
        if found is None:
            raise InputError("there is no such entry", where=self._store.url, got=seq, wanted=f"1 to {len(self)}")
        return found

    def balances(self) -> list[FundBalance]:
        """Where each fund stands, by fund id."""
        return fund_balances(self.ledger)

    def balance(self, fund: str) -> dict[tuple[str, str], int]:
        """What one fund holds, in fen by account and detail, from the last snapshot and the postings after it.

        UnknownFund for one that was never opened.
        """
        if not isinstance(fund, str):
            raise InputError("not the id of a fund", where="Books.balance", got=_kind_of(fund), wanted="text")
        held = self._store.balances(fund)
        if not held and fund not in (funds := self.ledger.funds):
            raise UnknownFund(f"the fund {fund!r} was never opened", where=self._store.url, fix=nearest(fund, funds))
        return held

    def balances_after(self, seq: int) -> dict[BalanceKey, int]:
        """What every fund held after the entry `seq`, in fen on each account's normal side, without noughts.

        Those of now are at hand; for earlier ones, the journal is read up to that entry.
        """
        ledger = self.ledger
        if _given_number(seq, "balances_after") > ledger.seq:
            raise InputError("there is no such entry", where=self._store.url, got=seq, wanted=f"0 to {ledger.seq}")
        if seq == ledger.seq:
            return dict(ledger.balances)
        held: Counter[BalanceKey] = Counter()
        for entry in self.entries(until=seq):
            for key, fen in changes_of(entry.draft).items():
                held[key] += fen
        return {key: fen for key, fen in held.items() if fen}

    def statement(self, period: Months | str, *, known_on: date | None = None, fund: str | None = None) -> Statement:
        """Each fund, or one, for a period: opening, movements, closing, as the books knew it at the end of a day.

        A period may be text: `2024`, `2024-05`, `2024-05..2024-08`.
        """
        period = Months.parse(period) if isinstance(period, str) else period
        if not isinstance(period, Months):
            wanted = "Months, or 2024, 2024-05, 2024-05..2024-08 as text"
            raise DateError("not a period", where="Books.statement", got=_kind_of(period), wanted=wanted)
        known = None if known_on is None else given_day(known_on, "known_on")
        return statement(self.entries(), period=period, known_on=known, fund=fund)

    def trace(self) -> Provenance:
        """Where every fen that left came from: see provenance.trace."""
        return trace(self.entries())

    def __len__(self) -> int:
        """The number of entries."""
        return self._store.count()

    # --- auditing and proving ---

    def audit(
        self,
        case: Case | None = None,
        *,
        year: int | None = None,
        kept_heads: Iterable[str] = (),
        bank: Bank | None = None,
        rules: Iterable[Rule] = RULES,
        progress: Callable[[int], None] | None = None,
    ) -> AuditReport:
        """Replay the journal from its first entry and, with a case, re-derive every fen of it.

        `year` limits the comparison with the case to claims whose period begins in that calendar year; `kept_heads`
        are heads of earlier audits or checkpoints, through which the journal must still pass. Sealed blocks, snapshots
        and evidence are compared with the entries. `bank` are bank statements, see `exchange.bank_map.read_bank`.
        `rules` are what auditors look for, see `audit.rules`.
        """
        from estate_funds.columns.shelf import shelf_for

        if year is not None:
            given_year(year, "Books.audit, year")
        store = self._store
        with store.reading() as connection:  # one state of the database throughout, whoever posts meanwhile
            stored = store.read_in(connection)
            beside = store.orphans(connection), self._sealed(connection), store.snapshots(connection), store.due
            return audit(
                _counted(stored, progress) if progress else stored,
                case,
                year=year,
                as_of=self.today,
                kept_heads=kept_heads,
                kept=Kept(store.count(connection), *beside, store.altered_guards(connection)),
                evidence=self._audit_evidence if self.evidence is not None else None,
                bank=bank,
                rules=rules,
                shelf=shelf_for(len(self)),
            )

    def bundle(
        self,
        case: Case,
        out: str | Path,
        *,
        salt: bytes | None = None,
        plain: bool = False,
        hide: Iterable[str] = (),
        checkpoints: Iterable[str] = (),
        keys: Iterable[str] = (),
        evidence: bool = False,
    ) -> Path:
        """Write journal, case and what is kept beside both into one file that `audit_bundle` audits with nothing else.

        Households and owners are named by hashes under `salt`, 16 random bytes or more that stay with you; `plain`
        leaves their names. `hide` names facts that are text and say who somebody is. `checkpoints` are notes that the
        journal passed through; one of all its entries takes the place of an unsigned one. `keys` are public keys to put
        in, `evidence` is whether the source documents come along. What is due is judged as of today wherever the bundle
        is audited. Raises SealBroken for a checkpoint of another journal, CaseError for a case that cannot be packed.
        """
        from estate_funds.bundle import Packing

        if (salt is None) != plain:
            fix = "give salt=secrets.token_bytes(32) and keep it, or plain=True"
            raise InputError("either names are hashed under a salt, or they are plain", where="Books.bundle", fix=fix)
        notes = [(self.check_checkpoint(note), note) for note in checkpoints]
        packing = Packing(case, self.today, self.origin, salt, tuple(hide), self.evidence if evidence else None)
        with self._store.reading() as connection:  # one state of the database throughout, whoever posts meanwhile
            ledger, store = self._catch_up(connection), self._store
            entries = (unchanged(stored).entry for stored in store.read_in(connection))
            return packing.write(
                Path(out), entries, ledger, notes, keys, store.blocks(connection), store.snapshots(connection)
            )

    def _sealed(self, connection: Connection) -> Iterator[SealedCopy]:
        for block in self._store.blocks(connection):
            from estate_funds.columns.block import Columns
            from estate_funds.columns.sealing import leaves

            try:
                hashes = leaves(Columns.from_ipc(block.data))
            except DamagedEntry as error:
                yield SealedCopy(block.number, block.first_seq, block.last_seq, b"", error.what)
                continue
            problem = "" if tree_root(hashes) == block.root else "its root is not that of its entries"
            yield SealedCopy(block.number, block.first_seq, block.last_seq, hashes, problem)

    def _audit_evidence(self, entries: Iterable[Entry]) -> tuple[Coverage, Sequence[Finding]]:
        assert self.evidence is not None
        found = self.evidence.audit((e.seq, kind, digest) for e in entries for kind, digest in e.draft.evidence)
        return found.coverage, found.findings

    def verify(self) -> str:
        """Replay the journal from its sealed blocks and the entries after them, every rule and every leaf; its head.

        It is the fast twin of the first part of an audit: seconds for a million entries. It reads the blocks and not
        the rows that they were sealed from, which an audit compares. Raises the Refusal of the first entry that could
        not have come through the gate, SealBroken where a root does not hold, DamagedEntry for what cannot be read.
        """
        from estate_funds.columns import replay_columns

        ledger = Ledger()
        kept = _Roots(ledger)
        with self._store.reading() as connection:
            replay_columns(self._in_columns(connection, kept), each=kept.check_block, ledger=ledger)
        if kept.root and kept.root != ledger.tree.root:
            raise _broken("the root of the tree is not the one that was booked", f"entry {ledger.seq}")
        return ledger.head

    def _in_columns(self, connection: Connection, kept: _Roots) -> Iterator[Columns]:
        """The journal in columns: sealed blocks, then rows; `kept` takes the roots that are stored with them."""
        from estate_funds.columns import Columns, leaves

        last = 0
        for block in self._store.blocks(connection):
            if block.first_seq != last + 1:
                raise _broken("a sealed block is missing", f"block {block.number}")
            kept.blocks[block.first_seq], last = block.root, block.last_seq
            yield Columns.from_ipc(block.data)
        for columns, stored, roots in self._store.read_columns_in(connection, after=last):
            hashes = leaves(columns)
            if hashes != stored:
                pairs = enumerate(zip(hashes, stored, strict=False))
                at = next((at for at, (one, other) in pairs if one != other), len(hashes) - 1)
                where = f"entry {columns.first_seq + divmod(at, HASH_SIZE)[0]}"
                raise _broken("a field of an entry was changed after booking", where)
            kept.root = roots[-1]
            yield columns

    def checkpoint(self, origin: str = "") -> Checkpoint:
        """The state of the journal as others may keep and sign it: whose it is, its size, and the root of its tree.

        `origin` is by default the name that the ledger was given when it was made.
        """
        tree = self.ledger.tree
        return Checkpoint(origin or self.origin, tree.size, tree.root)

    @property
    def origin(self) -> str:
        """The name under which the journal is sealed, as the ledger was given it when it was made."""
        return self._store.origin

    def check_checkpoint(self, note: str, *, origin: str = "") -> Checkpoint:
        """The checkpoint of a note, if this very journal passed through it; SealBroken where it did not.

        It must name the journal: by the name that the ledger was given when it was made, or by `origin`.
        """
        told = Checkpoint.parse(note)
        told.check_origin(origin or self.origin, where=self._store.url)
        size = len(self)
        if told.size > size or root_at(told.size, self._store.subtrees(told.size)) != told.root:
            raise SealBroken(
                "the journal is not the one of the checkpoint",
                where=self._store.url,
                got=self.ledger.head,
                wanted=told.head,
                fix="audit the ledger against this checkpoint, and restore it from a backup",
            )
        return told

    def prove_entry(self, seq: int, note: str) -> Inclusion:
        """That the entry `seq` is in the journal of a checkpoint."""
        size = self.check_checkpoint(note).size
        if not 1 <= _given_number(seq, "prove_entry") <= size:
            raise InputError("the checkpoint does not cover this entry", got=seq, wanted=f"1 to {size}")
        return Inclusion(seq - 1, tuple(inclusion_proof(seq - 1, size, self._store.subtrees(size))), note)

    def prove_growth(self, old: int, note: str) -> Growth:
        """That the journal of a checkpoint begins with the first `old` entries as they were."""
        size = self.check_checkpoint(note).size
        if not 0 <= _given_number(old, "prove_growth") <= size:
            raise InputError("the older checkpoint has more entries", got=old, wanted=f"0 to {size}")
        return Growth(old, tuple(consistency_proof(old, size, self._store.subtrees(size))), note)


T = TypeVar("T")


class _Roots:
    """The roots that are stored beside a journal, compared as its replay passes them."""

    def __init__(self, ledger: Ledger) -> None:
        self.blocks: dict[int, bytes] = {}  # by the first entry of a sealed block
        self.root = b""  # of the tree after the last entry
        self._ledger = ledger  # that the journal is folded into
        self._tree = Frontier()  # of the roots that are kept with sealed blocks

    def check_block(self, columns: Columns, leaves: bytes) -> None:
        """SealBroken where the entries of a sealed block do not make the root that was kept for it."""
        root = self.blocks.get(columns.first_seq)
        if root is None:
            return
        if len(columns) == BLOCK_LEAVES:
            self._tree.join(root, BLOCK_LEAVES)
        if self._tree != self._ledger.tree:
            raise _broken("a sealed block does not have the root that was kept", f"from entry {columns.first_seq} on")


def _broken(what: str, where: str) -> SealBroken:
    fix = "audit the ledger, and restore it from a backup"
    return SealBroken(what, where=where, fix=fix)


def _counted(items: Iterable[T], progress: Callable[[int], None]) -> Iterator[T]:
    for number, item in enumerate(items, start=1):
        yield item
        if number % PROGRESS_EVERY == 0:
            progress(number)


Work = Step | PeriodEnd


def _ahead(items: Iterable[object]) -> Sequence[Draft]:
    """The drafts of what is to be booked, where that can be looked through twice."""
    if not isinstance(items, Sequence):
        return ()
    drafts = (item.draft if isinstance(item, Step) else item for item in items)
    return [draft for draft in drafts if isinstance(draft, Draft)]


def _as_steps(item: Draft | Step | Claim, on: date | None, hands: Hands) -> Iterator[Step]:
    """What is asked for as steps: a claim that is due is promised and paid."""
    if isinstance(item, Claim):
        day, origin = on or item.decided_on or item.months.end.first_day, f"claim {item.claim_id}"
        if item.status is Status.DUE and vouchers.payer_funds(item):
            yield Step(vouchers.encumber(item, on=day, hands=hands), origin, item)
            yield Step(vouchers.disburse(item, on=day, hands=hands), origin, item)
        for draft in vouchers.refunds(item, on=day, hands=hands):
            yield Step(draft, origin, item)
        return
    step = item if isinstance(item, Step) else Step(item, "")
    if not isinstance(step.draft, Draft):
        raise _not_to_be_booked(step.draft)
    yield step


def _not_to_be_booked(what: object) -> InputError:
    fix = "give what a verb of estate_funds.vouchers or Case.assess made; what comes in columns goes to post_columns"
    wanted = "a Draft, a Step or a Claim, or several of them"
    return InputError("not something to book", where="Books.post", got=_kind_of(what), wanted=wanted, fix=fix)


def _kind_of(what: object) -> str:
    """What somebody gave instead of what was wanted, in a line."""
    return "None" if what is None else f"a {type(what).__name__}: {repr(what)[:80]}"


def _given_number(value: object, where: str) -> int:
    """The number of an entry as a caller gave it, or 0 for before the first; InputError for anything else."""
    if type(value) is not int or not 0 <= value < 1 << 63:
        wanted = "a whole number, not below 0"
        raise InputError("not the number of an entry", where=f"Books.{where}", got=_kind_of(value), wanted=wanted)
    return value


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
        yield vouchers.close(work.through, on=work.effective, hands=work.hands, ledger=ledger), origin


def _attempt(ledger: Ledger, step: Step, claim: Claim, again_on: date) -> Draft | None:
    """A claim's draft, unless one stands booked; after a reversal, the next attempt, on the day given for it.

    What stands is left alone even where the claim has changed since: the audit says what it should be.
    """
    draft, attempt = step.draft, ledger.attempt(step.draft.key)
    if ledger.key(attempt_key(draft.key, attempt)) is not None:
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


__all__ = ["Books", "FundBalance", "Posted"]
