"""The state of the books from the database: a ledger from the last snapshot and the entries after it, and balances.

A snapshot is trusted to save time, never to save the proof: the tree is built again from sealed roots and leaves and
must be the one whose root stands with the entry, every entry after the snapshot passes the gate again, and the audit
rebuilds each snapshot from the first entry on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from estate_funds.errors import (
    AmountError,
    ColumnError,
    EstateFundsError,
    InvariantBroken,
    LedgerFormatError,
    StoreError,
)
from estate_funds.funds import NORMAL_SIDE
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger import Ledger, refold
from estate_funds.ledger.kinds import closing_day, defined
from estate_funds.ledger.shapes import DEFINING
from estate_funds.merkle import BLOCK_LEAVES, HASH_SIZE, Batches, Frontier
from estate_funds.store.past import StoredPast
from estate_funds.store.rows import (
    INFLOW,
    Row,
    Statements,
    Stored,
    blob,
    damaged,
    read_governing,
    read_one,
    read_rows,
    run,
    stored_of,
)
from estate_funds.store.tables import FORMAT
from estate_funds.store.writer import last_snapshot, leaves

Reading = Callable[[], AbstractContextManager[Connection]]
_NOTHING = (FORMAT, 0, b"")
_LAST = "SELECT (SELECT format FROM {meta}), seq, root FROM {entry} ORDER BY seq DESC LIMIT 1"
_LAST_AND_ASKED = (
    "SELECT (SELECT format FROM {meta}), seq, root, EXISTS (SELECT 1 FROM {entry} WHERE key = ?), "
    "EXISTS (SELECT 1 FROM {entry} WHERE reference = ? AND reference <> '') FROM {entry} ORDER BY seq DESC LIMIT 1"
)
_MANY = 256  # entries: for fewer, columns cost more than they save


def load(connection: Connection, sql: Statements, reading: Reading, ahead: Sequence[Draft] = ()) -> Ledger:
    """The ledger as the whole journal leaves it. DamagedEntry where snapshot, roots and entries do not fit together."""
    since = last_snapshot(connection, sql)
    ledger = _from_snapshot(connection, sql, since, reading) if since else Ledger()
    catch_up(connection, sql, ledger, ahead)
    return ledger


def catch_up(connection: Connection, sql: Statements, ledger: Ledger, ahead: Sequence[Draft] = ()) -> None:
    """Fold what others booked since, through the gate; each leaf, and each root that is stored, must be right.

    What the gate will ask of the drafts that are `ahead` is asked now, to save a round trip for each question. Raises
    DamagedEntry, LedgerFormatError where the ledger was migrated meanwhile.
    """
    ahead = [draft for draft in ahead if _is_plain(draft)]
    past = past_of(ledger)
    asked = (ahead[0].key, ahead[0].reference) if past is not None and len(ahead) == 1 else ()
    last = sql(_LAST_AND_ASKED if asked else _LAST)
    number, seq, root, *there = run(connection, last, asked).fetchone() or _NOTHING
    if past is not None:
        past.within(connection)
        if len(ahead) > 1:
            past.look_ahead({draft.key for draft in ahead}, {draft.reference for draft in ahead})
        elif there:
            past.unused_keys, past.unused_references = (
                frozenset([text] if not used else []) for text, used in zip(asked, there, strict=True)
            )
    if number != FORMAT:
        raise LedgerFormatError(
            "the ledger was migrated while it was in use",
            got=f"format {number}",
            wanted=f"format {FORMAT}",
            fix="start again with the version of estate_funds that migrated it",
        )
    if seq < ledger.seq:
        raise damaged(f"entry {ledger.seq}", f"the journal ends with entry {seq}: what came after it is gone")
    if seq > ledger.seq:
        _fold(connection, sql, ledger)
    elif seq and blob(root) != ledger.tree.root:
        raise damaged(f"entry {seq}", "the root of the tree is another one than it was")


def past_of(ledger: Ledger) -> StoredPast | None:
    """What a ledger looks up in the store, if it was loaded from a snapshot."""
    past: object = ledger.past
    while past is not None and not isinstance(past, StoredPast):
        past = getattr(past, "before", None)  # under what a ledger remembers in columns
    return past


def _is_plain(draft: Draft) -> bool:
    """Whether key and reference are texts that any database takes; whatever else they are, the gate says."""
    texts: tuple[object, ...] = (draft.key, draft.reference)
    return all(type(text) is str and text.isprintable() for text in texts)


def _fold(connection: Connection, sql: Statements, ledger: Ledger) -> None:
    batches = Batches()
    for rows, lines in read_rows(connection, sql, after=ledger.seq, size=BLOCK_LEAVES):
        if len(rows) >= _MANY:
            _fold_columns(ledger, rows, lines, batches)
        if rows[-1][0] > ledger.seq:
            left = ([row for row in part if row[0] > ledger.seq] for part in (rows, lines))
            _fold_entries(ledger, stored_of(*left), batches)
    if batches.end:
        raise damaged(f"entry {ledger.seq}", f"its batch ends with entry {batches.end}, which is not there")


def _fold_columns(ledger: Ledger, rows: Sequence[Row], lines: Sequence[Row], batches: Batches) -> None:
    """Fold rows in columns, up to the first in which something may be wrong: what that is, the plain gate says."""
    from estate_funds.columns import Twin, columns_of
    from estate_funds.columns import leaves as leaves_of

    try:
        columns = columns_of(rows, lines)
    except (ColumnError, AmountError):
        return
    start = ledger.seq
    hashes, tree, grown, ends = leaves_of(columns), ledger.tree.copy(), ledger.tree.copy(), [batches.end]
    for at, row in enumerate(rows):
        leaf = hashes[at * HASH_SIZE : (at + 1) * HASH_SIZE]
        tree.append(leaf)
        kept = blob(row[-1])
        if leaf != blob(row[-2]) or not batches.holds(row[0], kept, tree.root if len(kept) == HASH_SIZE else b""):
            break
        ends.append(batches.end)
    try:
        if columns.first_seq == start + 1:
            Twin(ledger).refold(columns.slice(0, len(ends) - 1))
    except StoreError:
        raise
    except (EstateFundsError, InvariantBroken, ValueError, KeyError):
        pass
    batches.end = ends[ledger.seq - start]
    grown.extend(hashes[: (ledger.seq - start) * HASH_SIZE])
    if grown != ledger.tree:
        raise InvariantBroken(f"entries up to {ledger.seq} have other leaves in columns than by themselves")


def _fold_entries(ledger: Ledger, entries: Iterable[Stored], batches: Batches) -> None:
    for entry, leaf, root in entries:
        where = f"entry {entry.seq} ({entry.draft.key})"
        try:
            refold(ledger, entry)
        except StoreError:
            raise
        except (EstateFundsError, InvariantBroken, ValueError, KeyError) as error:
            raise damaged(where, str(error).splitlines()[0]) from None
        if leaf != entry.leaf or not batches.holds(entry.seq, root, ledger.tree.root):
            raise damaged(where, "its hash, or the root of the tree up to it, does not hold")


def _from_snapshot(connection: Connection, sql: Statements, since: int, reading: Reading) -> Ledger:
    past = StoredPast(sql, reading, since)
    stored = read_one(connection, sql, "seq = ?", since)
    if stored is None:
        raise damaged(f"snapshot after entry {since}", "there is no such entry")
    ledger = Ledger(seq=since, recorded=stored.entry.recorded, past=past, tree=tree_at(connection, sql, since))
    if stored.root != ledger.tree.root:
        raise damaged(f"entry {since}", "sealed roots and leaves do not make the root that stands with it")
    rows = run(connection, sql("SELECT fund, account, detail, fen FROM {snapshot} WHERE seq = ?"), (since,))
    for fund, account, detail, fen in rows.fetchall():
        if account == INFLOW:
            if not re.fullmatch("[0-9]{1,4}", detail):
                raise damaged(f"snapshot after entry {since}", f"{detail!r} is no year")
            ledger.inflows[fund, int(detail)] = fen
        else:
            ledger.balances[fund, account, detail] = fen
    for entry in read_governing(connection, sql, upto=since):
        _govern(ledger, entry)
    return ledger


def _govern(ledger: Ledger, entry: Entry) -> None:
    try:
        if entry.draft.kind in DEFINING:
            fund = defined(entry.draft)
            ledger.funds[fund.fund_id] = fund
        elif entry.draft.kind in (Kind.CLOSE, Kind.REOPEN):
            ledger.closed_through = closing_day(entry.draft)
    except (EstateFundsError, ValueError, KeyError, IndexError) as error:
        raise damaged(f"entry {entry.seq} ({entry.draft.key})", str(error).splitlines()[0]) from None


def tree_at(connection: Connection, sql: Statements, size: int) -> Frontier:
    """The tree over the first `size` entries, from the roots of sealed blocks and the leaves after them."""
    tree = Frontier()
    roots = sql("SELECT root FROM {block} WHERE last_seq <= ? ORDER BY number")
    for (root,) in run(connection, roots, (size,)).fetchall():
        tree.join(blob(root), BLOCK_LEAVES)
    tree.extend(leaves(connection, sql, tree.size + 1, size))
    if tree.size != size:
        raise damaged(f"entries up to {size}", f"there are the leaves of {tree.size} only")
    return tree


# --- balances ---


def balances_of(connection: Connection, sql: Statements, fund: str) -> dict[tuple[str, str], int]:
    """What a fund's accounts hold, (account, detail) -> fen on the account's normal side, without those that hold 0."""
    since = last_snapshot(connection, sql)
    kept = sql("SELECT account, detail, fen FROM {snapshot} WHERE seq = ? AND fund = ?")
    balances = {
        (account, detail): fen
        for account, detail, fen in run(connection, kept, (since, fund)).fetchall()
        if account != INFLOW
    }
    after = sql(  # in two halves: the sum of one side may well exceed 64 bits where no balance does
        "SELECT account, detail, side, sum(amount_fen >> 32), sum(amount_fen & 4294967295) FROM {posting} "
        "WHERE fund = ? AND seq > ? GROUP BY account, detail, side"
    )
    for account, detail, side, high, low in run(connection, after, (fund, since)).fetchall():
        if account not in NORMAL_SIDE:
            raise damaged(f"a posting of {fund}", f"there is no account {account!r}")
        fen = (int(high) << 32) + int(low)
        change = fen if side == NORMAL_SIDE[account] else -fen
        balances[account, detail] = balances.get((account, detail), 0) + change
    return {key: fen for key, fen in balances.items() if fen}
