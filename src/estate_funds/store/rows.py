"""Rows and entries: the statements of one ledger, run on the driver itself; the way of an entry to its row and back.

Statements go to the driver (sqlite3, psycopg) and not through SQLAlchemy's compiler: for one entry at a time that
halves the cost, for many it is three times as fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection

from estate_funds.errors import AmountError, ColumnError, DamagedEntry
from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting
from estate_funds.merkle import BLOCK_LEAVES
from estate_funds.store.tables import Tables

if TYPE_CHECKING:
    from estate_funds.columns import Columns

Row = Sequence[Any]
BATCH = 2_000  # entries read at a time
_AT_ONCE = 900  # values in one statement, below the limit of any SQLite
_SEQ, _SEQ_AND_LINE = itemgetter(0), itemgetter(0, 1)
INFLOW = "inflow"  # the account under which a snapshot keeps what came in during a year
# In the order of the columns between `effective` and `terms`.
PLAIN = (
    "key", "maker", "approver", "narrative", "document", "clause", "purpose", "payee", "payee_class", "reference",
)  # fmt: skip


class Stored(NamedTuple):
    """An entry as the database holds it, with the hashes beside it: `root` at the end of a batch, or `within_batch`."""

    entry: Entry
    leaf: bytes
    root: bytes


class StoredColumns(NamedTuple):
    """Consecutive entries as the database holds them, in columns, with their leaves, 32 bytes each, and their roots."""

    columns: Columns
    leaves: bytes
    roots: list[bytes]


class Block(NamedTuple):
    """8192 consecutive entries, sealed: `data` is an Arrow IPC stream (see columns), `root` that of their subtree."""

    number: int
    first_seq: int
    last_seq: int
    root: bytes
    data: bytes


class Snapshot(NamedTuple):
    """All balances that were not 0 after an entry, (fund, account, detail) -> fen; the account `inflow` is by year."""

    seq: int
    fen: dict[tuple[str, str, str], int]


class Statements:
    """The statements of one ledger in the words of one database; `?` stands for a value."""

    def __init__(self, tables: Tables, dialect: str) -> None:
        self.tables = tables
        self.mark = "?" if dialect == "sqlite" else "%s"
        self._names = {
            table: tables.qualified(getattr(tables, table).name)
            for table in ("meta", "entry", "posting", "block", "snapshot", "version")
        }
        self._fields = {"fields": ", ".join(self.columns("entry")), "lines": ", ".join(self.columns("posting"))}
        self._cached = lru_cache(maxsize=256)(self._compose)
        self.insert = {table: self._insert(table) for table in self._names}

    def __call__(self, text: str) -> str:
        """A statement with the names of this ledger's tables, `{entry}` and the like, and the driver's marks."""
        return self._cached(text)

    def _compose(self, text: str) -> str:
        return text.format(**self._fields, **self._names).replace("?", self.mark)

    def _insert(self, table: str) -> str:
        """The statement that adds a row, values in the order of the table's columns."""
        names = self.columns(table)
        return self(f"INSERT INTO {{{table}}} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})")

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns, quoted: `only` is a word of PostgreSQL's."""
        return [f'"{column.name}"' for column in getattr(self.tables, table).columns]


def run(connection: Connection, statement: str, values: Sequence[object] = ()) -> Any:
    """Run a statement on the driver; its cursor."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement, values)
    except UnicodeDecodeError as error:  # not even a name of the schema can be read
        raise damaged("the database", str(error)) from None
    return cursor


def run_among(
    connection: Connection, sql: Statements, text: str, among: Iterable[object], *values: object
) -> list[Row]:
    """The rows of a statement in which ` AMONG` after a column stands for: is one of these. It comes before all `?`."""
    found: list[Row] = []
    wanted = [value for value in among if not (isinstance(value, str) and "\0" in value)]  # which no row can hold
    if wanted and connection.dialect.name == "postgresql":
        array, value = _array(wanted)
        return list(run(connection, sql(text.replace("AMONG", f"= ANY({array})")), (value, *values)).fetchall())
    for at in range(0, len(wanted), _AT_ONCE):
        some = wanted[at : at + _AT_ONCE]
        marks = f"IN ({', '.join('?' * len(some))})"
        found += run(connection, sql(text.replace("AMONG", marks)), (*some, *values)).fetchall()
    return found


def _array(values: list[object]) -> tuple[str, object]:
    """Values as an array of PostgreSQL: how a statement has it, and its parameter. One text costs a tenth of a list."""
    texts = [value for value in values if isinstance(value, str)]
    joined = "\n".join(texts)
    if joined and len(texts) == len(values) == joined.count("\n") + 1:
        return "string_to_array(?, chr(10))", joined
    return "?", values


def damaged(where: str, why: str) -> DamagedEntry:
    """The error for a journal that was changed by other hands than this library's."""
    return DamagedEntry(
        "the ledger was changed behind the library's back, and takes no more entries",
        where=where,
        got=why,
        fix="run estate-funds audit to see all of it, and restore the ledger from a backup",
    )


def blob(value: object) -> bytes:
    """What a column of bytes holds; where somebody made it something else, bytes that are the hash of nothing."""
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else repr(value).encode()


# --- entries ---


def entry_row(entry: Entry, root: bytes) -> tuple[object, ...]:
    """An entry as a row, in the order of the table's columns."""
    draft = entry.draft
    return (
        entry.seq,
        entry.recorded.isoformat(),
        draft.policy,
        draft.registry,
        draft.kind.value,
        draft.effective.isoformat(),
        draft.key,
        draft.maker,
        draft.approver,
        draft.narrative,
        draft.document,
        draft.clause,
        draft.purpose,
        draft.payee,
        draft.payee_class,
        draft.reference,
        "\n".join(["\t".join(term) for term in draft.terms]),
        "\n".join(["\t".join(evidence) for evidence in draft.evidence]),
        entry.leaf,
        root,
    )


def line_rows(entry: Entry) -> list[tuple[object, ...]]:
    """The lines of an entry as rows."""
    return [(entry.seq, line, *posting) for line, posting in enumerate(entry.draft.postings, start=1)]


def entry_of(row: Sequence[Any], postings: Iterable[Posting]) -> Entry:
    """The entry of a row. DamagedEntry where no entry can have become it."""
    seq, recorded, policy, registry, kind, effective, *plain, terms, evidence, _, _ = row
    try:
        draft = Draft(
            kind=Kind(kind),
            effective=_day(effective),
            policy=policy,
            registry=registry,
            terms=tuple([tuple(line.split("\t")) for line in terms.split("\n")]) if terms else (),
            evidence=tuple([Evidence(*line.split("\t")) for line in evidence.split("\n")]) if evidence else (),
            postings=tuple(postings),
            **dict(zip(PLAIN, plain, strict=True)),
        )
        return Entry(seq, _day(recorded), draft)
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedEntry(
            f"entry {seq} cannot be read back", got=str(error), wanted="what this library wrote"
        ) from None


def _day(text: str) -> date:
    """A day as this library writes it: ISO 8601 knows other ways, which would read as the same day."""
    day = date.fromisoformat(text)
    if day.isoformat() != text:
        raise ValueError(f"{text!r} is not how a day is written")
    return day


def read_entries(
    connection: Connection, sql: Statements, *, after: int = 0, upto: int | None = None
) -> Iterator[Stored]:
    """The journal in order, from the entry after `after` to `upto`, streamed in batches."""
    for rows, lines in read_rows(connection, sql, after=after, upto=upto):
        yield from stored_of(rows, lines)


def read_columns(
    connection: Connection, sql: Statements, *, after: int = 0, upto: int | None = None
) -> Iterator[StoredColumns]:
    """The same in columns, a few thousand at a time. DamagedEntry where no entry can have become a row."""
    for rows, lines in read_rows(connection, sql, after=after, upto=upto, size=BLOCK_LEAVES):
        yield columns_of_rows(rows, lines)


def read_rows(
    connection: Connection, sql: Statements, *, after: int, upto: int | None = None, size: int = BATCH
) -> Iterator[tuple[list[Row], list[Row]]]:
    """The rows of entries and those of their postings, `size` entries at a time."""
    bound = "" if upto is None else f" AND seq <= {upto:d}"
    entries = sql(f"SELECT {{fields}} FROM {{entry}} WHERE seq > ?{bound} ORDER BY seq LIMIT {size}")
    last = after
    while rows := run(connection, entries, (last,)).fetchall():
        first, last = rows[0][0], rows[-1][0]
        yield rows, _lines_between(connection, sql, first, last)
        if len(rows) < size:
            break


def read_governing(connection: Connection, sql: Statements, *, upto: int) -> Iterator[Entry]:
    """The entries up to `upto` that open and amend funds, close periods and open them again; they have no postings."""
    kinds = "kind IN ('open_fund', 'amend_fund', 'close', 'reopen')"  # as in the index, which is used only then
    found = run(connection, sql(f"SELECT {{fields}} FROM {{entry}} WHERE {kinds} AND seq <= ? ORDER BY seq"), (upto,))
    for row in found.fetchall():
        yield unchanged(Stored(entry_of(row, ()), blob(row[-2]), b"")).entry


def read_one(
    connection: Connection, sql: Statements, where: str, value: object, *, upto: int | None = None
) -> Stored | None:
    """The entry of which `where` holds, such as `seq = ?`, if it is not after `upto`."""
    row = run(connection, sql(f"SELECT {{fields}} FROM {{entry}} WHERE {where}"), (value,)).fetchone()
    if row is None or (upto is not None and row[0] > upto):
        return None
    return unchanged(next(stored_of([row], _lines_between(connection, sql, row[0], row[0]))))


def unchanged(stored: Stored) -> Stored:
    """An entry that is about to decide something; DamagedEntry where a field of it was changed after booking."""
    if stored.entry.leaf != stored.leaf:
        raise damaged(f"entry {stored.entry.seq} ({stored.entry.draft.key})", "its hash does not hold")
    return stored


def read_some(connection: Connection, sql: Statements, seqs: Iterable[int]) -> Iterator[Stored]:
    """The entries of these numbers, in order."""
    wanted = sorted(seqs)
    rows = run_among(connection, sql, "SELECT {fields} FROM {entry} WHERE seq AMONG", wanted)
    lines = run_among(connection, sql, "SELECT {lines} FROM {posting} WHERE seq AMONG", wanted)
    yield from stored_of(sorted(rows, key=_SEQ), sorted(lines, key=_SEQ_AND_LINE))


def _lines_between(connection: Connection, sql: Statements, first: int, last: int) -> list[Row]:
    statement = sql("SELECT {lines} FROM {posting} WHERE seq BETWEEN ? AND ? ORDER BY seq, line")
    found: list[Row] = run(connection, statement, (first, last)).fetchall()
    return found


def stored_of(rows: Sequence[Row], lines: Iterable[Row]) -> Iterator[Stored]:
    """The entries of rows and of the rows of their postings."""
    postings: dict[int, list[Posting]] = {}
    for seq, line, *fields in lines:
        before = postings.setdefault(seq, [])
        before.append(Posting(*fields))
        if line != len(before):
            raise DamagedEntry(f"entry {seq} cannot be read back", got=f"line {line}", wanted=f"line {len(before)}")
    for row in rows:
        yield Stored(entry_of(row, postings.get(row[0], ())), blob(row[-2]), blob(row[-1]))


def columns_of_rows(rows: Sequence[Row], lines: Sequence[Row]) -> StoredColumns:
    """The same in columns; through entries one by one where a field is not as columns have it."""
    from estate_funds.columns import Columns, columns_of

    try:
        columns = columns_of(rows, lines)
    except (ColumnError, AmountError):
        entries = [stored.entry for stored in stored_of(rows, lines)]
        for before, entry in pairwise(entries):
            if entry.seq != before.seq + 1:
                raise damaged(f"entry {entry.seq}", f"it stands after entry {before.seq}") from None
        columns = Columns.from_entries(entries)
    return StoredColumns(columns, b"".join([blob(row[-2]) for row in rows]), [blob(row[-1]) for row in rows])
