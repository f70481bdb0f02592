"""Entries and drafts in Arrow columns, and the bytes in which a store keeps a block of them.

`Drafts` are to `journal.Draft` and `Columns` to `journal.Entry` what a table is to a row: the same fields, one array
each. What repeats is dictionary-encoded, postings lie flat behind offsets. Whoever holds one of these holds text
without nulls, dictionaries without doubles and dates that a calendar has: the constructors see to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain, pairwise
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from estate_funds.errors import AmountError, ColumnError, DamagedEntry, InvariantBroken, Malformed
from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting
from estate_funds.ledger.checks import check_types
from estate_funds.merkle import BLOCK_LEAVES

BLOCK = BLOCK_LEAVES  # entries that are worked on at a time: their columns fit a cache, their text 32-bit offsets
WORD = pa.dictionary(pa.int32(), pa.string())
LINE = pa.struct([("fund", WORD), ("account", WORD), ("detail", WORD), ("side", WORD), ("amount_fen", pa.int64())])
PAPER = pa.struct([("kind", WORD), ("sha256", pa.string())])
TEXT_FIELDS: Mapping[str, pa.DataType] = {
    "policy": WORD,
    "registry": WORD,
    "kind": WORD,
    "effective": pa.date32(),
    "key": pa.string(),
    "maker": WORD,
    "approver": WORD,
    "narrative": pa.string(),
    "document": WORD,
    "clause": WORD,
    "purpose": WORD,
    "payee": WORD,
    "payee_class": WORD,
    "reference": pa.string(),
}
SCHEMA = pa.schema(
    [
        *(pa.field(name, kind, nullable=False) for name, kind in TEXT_FIELDS.items()),
        pa.field("terms", pa.list_(pa.string()), nullable=False),  # a term an item, its parts parted by tabs
        pa.field("evidence", pa.list_(PAPER), nullable=False),
        pa.field("postings", pa.list_(LINE), nullable=False),
    ]
)
_STORED = pa.schema([pa.field("recorded", pa.date32(), nullable=False), *SCHEMA])
# Blocks that stay and texts of megabytes that go again do not share a pool: Arrow's own gives the latter back to the
# system each time, which then clears the same pages for the next block.
MEMORY = pa.system_memory_pool()
_TYPES = (  # of the fields of a draft, as the plain gate wants them
    dict.fromkeys(TEXT_FIELDS, str)
    | {"kind": Kind, "effective": date}
    | dict.fromkeys(("terms", "evidence", "postings"), tuple)
)
_RECORDS: Mapping[str, Any] = {"evidence": Evidence, "postings": Posting}
_MAGIC = b"estate_funds columns 1\n"
_DIGEST_SIZE = hashlib.sha256().digest_size
_EPOCH = date(1970, 1, 1)
_MOST_COMBINATIONS = 2**62  # that 64 bits can count
_TABLE = 1 << 15  # codes up to which a table is faster than hashing
_DAYS = ((date.min - _EPOCH).days, (date.max - _EPOCH).days)

Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Lines:
    """Postings for `Drafts.of`: `per_entry` says how many each entry has, one number for all or one an entry."""

    per_entry: int | Sequence[int] | Any
    fund: Any
    account: Any
    detail: Any
    side: Any
    amount_fen: Any


@dataclass(frozen=True, slots=True)
class Papers:
    """Evidence for `Drafts.of`: `per_entry` as in `Lines`; the kind of each document and its SHA-256 in hexadecimal."""

    per_entry: int | Sequence[int] | Any
    kind: Any
    sha256: Any


@dataclass(frozen=True, eq=False, slots=True)
class Drafts:
    """Many drafts, one array a field; `batch` has the SCHEMA of this module."""

    batch: pa.RecordBatch

    @classmethod
    def of(
        cls,
        *,
        key: Any,
        postings: Lines,
        evidence: Papers | None = None,
        terms: Sequence[Sequence[str]] | None = None,
        **fields: Any,
    ) -> Drafts:
        """Drafts from columns: an array, a list, or one value that counts for all, for each field of a draft.

        `kind`, `effective`, `maker`, `approver` and `narrative` must be given, as of a draft; the rest is empty where
        it is not. `effective` holds days, `postings.amount_fen` whole numbers of fen (a float is refused), `terms` a
        list of terms an entry, the parts of each parted by tabs. Raises AmountError and ColumnError.

        >>> drafts = Drafts.of(
        ...     kind="encumbrance", effective=date(2024, 3, 1), key=["e/1", "e/2"], maker="王敏", approver="李强",
        ...     narrative="promise", purpose="award", reference=["c/1", "c/2"],
        ...     postings=Lines(
        ...         per_entry=2, fund="budget/city/c", account=["unencumbered", "encumbered"] * 2,
        ...         detail=["2024", "c/1", "2024", "c/2"], side=["D", "C"] * 2, amount_fen=[5, 5, 7, 7],
        ...     ),
        ... )
        >>> len(drafts), drafts.draft(1).postings[1].amount_fen
        (2, 7)
        """
        missing = {"kind", "effective", "maker", "approver", "narrative"} - set(fields)
        unknown = set(fields) - set(TEXT_FIELDS)
        if missing or unknown:
            raise ColumnError("not the columns of drafts", got=", ".join(sorted(fields)), wanted=", ".join(TEXT_FIELDS))
        n = len(key)
        given = {"policy": "", "registry": "", "document": "", "clause": "", "purpose": "", "payee": ""}
        given |= {"payee_class": "", "reference": "", **fields, "key": key}
        made = {name: _column(name, given[name], kind, n) for name, kind in TEXT_FIELDS.items()}
        strange = set(made["kind"].dictionary.to_pylist()) - set(Kind)
        if strange:
            raise ColumnError("not a kind of entry", where="kind", got=", ".join(strange), wanted=", ".join(Kind))
        made["terms"] = _column("terms", terms if terms is not None else [[]] * n, pa.list_(pa.string()), n)
        papers = evidence if evidence is not None else Papers(0, [], [])
        made["evidence"] = _lists(n, papers.per_entry, {"kind": papers.kind, "sha256": papers.sha256}, PAPER)
        lines = {name: getattr(postings, name) for name in ("fund", "account", "detail", "side", "amount_fen")}
        made["postings"] = _lists(n, postings.per_entry, lines, LINE)
        return cls(checked(pa.RecordBatch.from_pydict(made, schema=SCHEMA)))

    @classmethod
    def from_drafts(cls, drafts: Iterable[Draft]) -> Drafts:
        """The same drafts in columns; Malformed, as from the gate, where a field is of a wrong type.

        AmountError or ColumnError where one cannot stand in columns, for an amount is no whole number of 64 bits, or a
        text no Unicode: no gate lets such a draft through.
        """
        rows = list(drafts)
        fields = _fields_of(rows)
        fields["kind"] = [kind.value for kind in fields["kind"]]
        made: dict[str, Any] = {
            name: _column(name, fields[name], kind, len(rows)) for name, kind in TEXT_FIELDS.items()
        }
        if any(
            "\t" in part or "\n" in part for d in rows for term in d.terms for part in (*term, "" if term else "\t")
        ):
            raise ColumnError("a part of a term holds a tab or a line feed, or a term has no parts", where="terms")
        terms = [["\t".join(term) for term in d.terms] for d in rows]
        made["terms"] = _column("terms", terms, pa.list_(pa.string()), len(rows))
        papers = list(chain.from_iterable(fields["evidence"]))
        found = {"kind": [p.kind for p in papers], "sha256": [p.sha256 for p in papers]}
        made["evidence"] = _lists(len(rows), [len(d.evidence) for d in rows], found, PAPER)
        flat = list(chain.from_iterable(fields["postings"]))
        lines = {name: list(map(itemgetter(at), flat)) for at, name in enumerate(Posting._fields)}
        made["postings"] = _lists(len(rows), [len(d.postings) for d in rows], lines, LINE)
        return cls(pa.RecordBatch.from_pydict(made, schema=SCHEMA))

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    @property
    def references(self) -> set[str]:
        """The references, each once."""
        return set(self.batch.column("reference").unique().to_pylist())

    def slice(self, start: int, length: int) -> Drafts:
        """`length` drafts from the one at `start` (from 0) on, without copying."""
        return Drafts(self.batch.slice(start, length))

    def take(self, rows: Any) -> Drafts:
        """The drafts at these places (from 0), in this order."""
        return Drafts(self.batch.take(pa.array(rows, pa.int64())))

    def draft(self, at: int) -> Draft:
        """The draft at a place (from 0); DamagedEntry where its kind is none."""
        return draft_of(self.batch, at)

    def drafts(self) -> list[Draft]:
        """The drafts as values again; DamagedEntry where a kind is none."""
        fields = {name: strings(self.batch.column(name)) for name in TEXT_FIELDS if name not in ("kind", "effective")}
        kinds = [_kind(word) for word in strings(self.batch.column("kind"))]
        days = self.batch.column("effective").to_pylist()
        terms = [tuple(tuple(term.split("\t")) for term in of) for of in self.batch.column("terms").to_pylist()]
        papers = _grouped(self.batch.column("evidence"), Evidence)
        lines = _grouped(self.batch.column("postings"), Posting)
        return [
            Draft(
                kind=kinds[n],
                effective=days[n],
                terms=terms[n],
                evidence=papers[n],
                postings=lines[n],
                **{name: values[n] for name, values in fields.items()},
            )
            for n in range(len(self))
        ]

    def numbered(self, first_seq: int, recorded: date) -> Columns:
        """These drafts as entries that a ledger books one after the other on one day."""
        return Columns(first_seq, constant(recorded, pa.date32(), len(self)), self)


@dataclass(frozen=True, eq=False, slots=True)
class Columns:
    """Consecutive entries of a journal, one array a field; the first has the sequence number `first_seq`."""

    first_seq: int
    recorded: pa.Array
    drafts: Drafts

    @classmethod
    def from_entries(cls, entries: Iterable[Entry]) -> Columns:
        """The same entries in columns; InvariantBroken unless their sequence numbers follow one another."""
        rows = list(entries)
        first = rows[0].seq if rows else 1
        if [entry.seq for entry in rows] != list(range(first, first + len(rows))):
            raise InvariantBroken(f"entries from {first} on do not follow one another")
        recorded = pa.array([entry.recorded for entry in rows], pa.date32())
        return cls(first, recorded, Drafts.from_drafts(entry.draft for entry in rows))

    @classmethod
    def joined(cls, parts: Sequence[Columns]) -> Columns:
        """The entries of all parts in order; InvariantBroken unless their sequence numbers follow one another."""
        for one, other in pairwise(parts):
            if other.first_seq != one.first_seq + len(one):
                raise InvariantBroken(f"entries from {other.first_seq} on do not follow entry {one.first_seq}")
        batches = [part.drafts.batch for part in parts]
        columns = [_joined([batch.column(name) for batch in batches]) for name in SCHEMA.names]
        drafts = Drafts(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
        return cls(parts[0].first_seq, pa.concat_arrays([part.recorded for part in parts]), drafts)

    def __len__(self) -> int:
        return len(self.drafts)

    def slice(self, start: int, length: int) -> Columns:
        """`length` entries from the one at `start` (from 0) on, without copying."""
        return Columns(self.first_seq + start, self.recorded.slice(start, length), self.drafts.slice(start, length))

    def blocks(self, size: int = BLOCK) -> Iterator[Columns]:
        """The entries in pieces of at most `size`."""
        if len(self) <= size:
            yield self
            return
        for start in range(0, len(self), size):
            yield self.slice(start, size)

    def entry(self, at: int) -> Entry:
        """The entry at a place (from 0); DamagedEntry where its kind is none."""
        return Entry(self.first_seq + at, self.recorded[at].as_py(), self.drafts.draft(at))

    def entries(self) -> list[Entry]:
        """The entries as values again; DamagedEntry where a kind is none."""
        days, drafts = self.recorded.to_pylist(), self.drafts.drafts()
        return [
            Entry(seq, day, draft)
            for seq, day, draft in zip(range(self.first_seq, self.first_seq + len(self)), days, drafts, strict=True)
        ]

    # --- as bytes ---

    def to_ipc(self) -> bytes:
        """The block as bytes: the same entries give the same bytes, as long as the Arrow library is the same.

        A first line, the SHA-256 of all that follows, and an Arrow IPC stream of one batch, compressed with LZ4 (which
        is read four times as fast as Zstandard, and is twice as long; rows and their indexes are twenty times as long).
        """
        columns = [_fresh(column) for column in (self.recorded, *self.drafts.batch.columns)]
        schema = _STORED.with_metadata({"first_seq": str(self.first_seq)})
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        with pa.ipc.new_stream(sink, schema, options=options) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
        stream = sink.getvalue()
        return b"".join((_MAGIC, hashlib.sha256(stream).digest(), stream))

    @classmethod
    def from_ipc(cls, blob: bytes) -> Columns:
        """The block back from its bytes; DamagedEntry where these are not what `to_ipc` made.

        That the entries are those that were booked, the tree says, and nothing here.
        """
        head, stream = len(_MAGIC) + _DIGEST_SIZE, memoryview(blob)
        stored = bytes(stream[len(_MAGIC) : head])
        if bytes(stream[: len(_MAGIC)]) != _MAGIC or hashlib.sha256(stream[head:]).digest() != stored:
            raise _damaged("its digest is another")
        try:
            source = pa.BufferReader(pa.py_buffer(stream[head:]))
            options = pa.ipc.IpcReadOptions(use_threads=False)
            with pa.ipc.open_stream(source, options=options, memory_pool=MEMORY) as reader:
                first_seq = int(reader.schema.metadata[b"first_seq"])
                batch = reader.read_next_batch()
            if not batch.schema.equals(_STORED) or first_seq < 1:
                raise ValueError(f"columns {batch.schema.names} from {first_seq} on")
            batch.validate(full=True)
            drafts = checked(batch.select(SCHEMA.names))
            return cls(first_seq, _checked("recorded", batch.column("recorded")), Drafts(drafts))
        except (pa.ArrowException, ColumnError, ValueError, KeyError, TypeError, OSError, StopIteration) as error:
            raise _damaged(str(error)) from None


# --- columns and lists ----------------------------------------------------------------------------------------------


def strings(column: pa.Array) -> list[str]:
    """The texts of a column of text, encoded or not."""
    if not pa.types.is_dictionary(column.type):
        return list(column.to_pylist())
    if len(column) < len(column.dictionary):
        return list(column.dictionary_decode().to_pylist())
    words = np.array([*column.dictionary.to_pylist(), ""], dtype=object)[:-1]  # an array of objects, even if empty
    return list(words[np.asarray(column.indices)].tolist())


def constant(value: Any, kind: pa.DataType, n: int) -> pa.Array:
    """A column of one value."""
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([value], pa.string()))
    return pa.repeat(pa.scalar(value, kind), n)


def flattened(lists: pa.Array) -> tuple[Ints, tuple[pa.Array, ...]]:
    """Offsets from 0 into the items of a list column (one more than rows), and the fields of the items."""
    offsets = np.asarray(lists.offsets).astype(np.int64)
    items = lists.flatten()
    return offsets - offsets[0], tuple(items.flatten()) if pa.types.is_struct(items.type) else (items,)


def trimmed(column: pa.Array) -> pa.Array:
    """An encoded column without most of a dictionary that is larger than the column."""
    return column if len(column.dictionary) <= len(column) else compact(column)


def compact(column: pa.Array) -> pa.Array:
    """An encoded column whose dictionary holds what the column uses and no more, in the order of first use."""
    used = column.indices.dictionary_encode()
    order = np.asarray(used.dictionary)
    if len(order) == len(column.dictionary) and bool((order == np.arange(len(order))).all()):
        return column
    return pa.DictionaryArray.from_arrays(used.indices, column.dictionary.take(used.dictionary))


def codes_of(column: pa.Array) -> tuple[npt.NDArray[Any], int]:
    """A number from 0 for each value of a column of words or of days, and how many numbers there are."""
    if pa.types.is_dictionary(column.type):
        return np.asarray(column.indices), len(column.dictionary)
    numbers = days(column)
    least = int(numbers.min()) if len(numbers) else 0
    return numbers - least, (int(numbers.max()) - least if len(numbers) else 0) + 1


def combined(parts: Sequence[tuple[npt.NDArray[Any], int]]) -> tuple[Places, Places]:
    """The combinations that occur of several columns of codes: the number of each row's, and the first row of each."""
    codes, size = parts[0][0].astype(np.int64), parts[0][1]
    for more, count in parts[1:]:
        if count == 1:
            continue  # which tells nothing apart
        if size * count > _MOST_COMBINATIONS:
            codes, size = _numbered(codes, size)
        codes *= count
        codes += more
        size *= count
    numbers, count = _numbered(codes, size)
    first = np.empty(count, np.int32)
    first[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1, dtype=np.int32)  # of equal ones the last stays
    return numbers.astype(np.int32), first


def _numbered(codes: Ints, size: int) -> tuple[Ints, int]:
    """Codes below `size` as numbers without gaps, and how many numbers there are."""
    if size <= _TABLE:
        table = np.zeros(size, np.int64)
        table[codes] = 1
        np.cumsum(table, out=table)
        return table[codes] - 1, int(table[-1]) if size else 0
    met = pa.array(codes).dictionary_encode()
    return np.asarray(met.indices).astype(np.int64), len(met.dictionary)


def relisted(offsets: Ints, fields: Sequence[pa.Array], kind: pa.DataType) -> pa.Array:
    """The list column of these fields."""
    items = pa.StructArray.from_arrays(fields, fields=list(kind)) if pa.types.is_struct(kind) else fields[0]
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), items)


def _joined(columns: Sequence[pa.Array]) -> pa.Array:
    """Columns one after the other; of encoded ones with one dictionary."""
    if not pa.types.is_list(columns[0].type):
        return pa.concat_arrays(columns)
    parts = [flattened(column) for column in columns]
    ends, last = [np.zeros(1, np.int64)], 0
    for offsets, _ in parts:
        ends.append(offsets[1:] + last)
        last += int(offsets[-1])
    fields = [pa.concat_arrays(list(field)) for field in zip(*(fields for _, fields in parts), strict=True)]
    return relisted(np.concatenate(ends), fields, columns[0].type.value_type)


def _fresh(column: pa.Array) -> pa.Array:
    """The column in memory of its own, without anything of the table that it was cut from, not even behind its end."""
    if pa.types.is_dictionary(column.type):
        own = compact(column)
        return pa.DictionaryArray.from_arrays(_fresh(own.indices), _fresh(own.dictionary))
    if pa.types.is_list(column.type):
        offsets, fields = flattened(column)
        return relisted(offsets, [_fresh(field) for field in fields], column.type.value_type)
    return pa.concat_arrays([column, column.slice(0, 0)])  # of one array it would be that very array


def checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with dictionaries that hold no text twice; ColumnError where something is missing, or no day."""
    columns = [_checked(name, batch.column(name)) for name in SCHEMA.names]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _checked(name: str, column: pa.Array) -> pa.Array:
    if column.null_count:
        raise ColumnError("a value is missing", where=name)
    if pa.types.is_dictionary(column.type):
        words = column.dictionary
        if words.null_count:
            raise ColumnError("a value is missing", where=name)
        if len(words) > 1 and len(words.unique()) != len(words):
            return column.dictionary_decode().dictionary_encode()
    elif pa.types.is_date32(column.type) and len(column):
        ends = pc.min_max(column.cast(pa.int32())).as_py()
        if ends["min"] < _DAYS[0] or ends["max"] > _DAYS[1]:
            raise ColumnError("not a day that the calendar has", where=name)
    elif pa.types.is_list(column.type):
        offsets, fields = flattened(column)
        sound = [_checked(name, field) for field in fields]
        if any(one is not other for one, other in zip(sound, fields, strict=True)):
            return relisted(offsets, sound, column.type.value_type)
    return column


def _column(name: str, given: Any, kind: pa.DataType, n: int) -> pa.Array:
    """One column from what a caller gave: a value for all, a list, or an array."""
    single = isinstance(given, (str, date))
    if kind == pa.int64() and not single:
        given = _whole(name, given)
    try:
        if single:
            return constant(given, kind, n)
        made = given if isinstance(given, pa.Array) else pa.array(given)
        if pa.types.is_null(made.type):
            made = made.cast(kind)
        elif pa.types.is_dictionary(kind) and not pa.types.is_dictionary(made.type):
            made = made.cast(pa.string()).dictionary_encode()
        made = made.cast(kind)
        made.validate(full=True)
    except (pa.ArrowException, UnicodeError, TypeError, OverflowError) as error:
        wrong = AmountError if kind == pa.int64() else ColumnError
        raise wrong("a column does not hold what it should", where=name, got=str(error), wanted=str(kind)) from None
    if len(made) != n:
        raise ColumnError("columns of different lengths", where=name, got=len(made), wanted=n)
    return made


def _whole(name: str, given: Any) -> Any:
    """The amounts as they are; AmountError where one is no whole number, which a cast would hide."""
    if isinstance(given, pa.Array):
        whole = pa.types.is_integer(given.type)
    elif isinstance(given, np.ndarray):
        whole = given.dtype.kind in "iu"
    else:
        given = list(given)
        whole = set(map(type, given)) <= {int}
    if not whole:
        raise AmountError("an amount is a whole number of fen", where=name, wanted="integers")
    return given if len(given) else pa.array([], pa.int64())


def _fields_of(rows: Sequence[Draft]) -> dict[str, list[Any]]:
    """The fields of drafts, a sequence each; Malformed where one is of a wrong type.

    The types of all are looked at column by column, which costs half of asking draft by draft; only where they are not
    the plain ones is each draft asked, as the gate asks it.
    """
    for strange in () if _are(rows, Draft) else (row for row in rows if not isinstance(row, Draft)):
        got, wanted = f"a {type(strange).__name__}", "a Draft as `estate_funds.journal` declares it"
        raise Malformed("not a draft", got=got, wanted=wanted, fix="give what a verb of estate_funds.vouchers made")
    found = {name: [getattr(row, name) for row in rows] for name in _TYPES}
    sound = all(_are(found[name], kind) for name, kind in _TYPES.items())
    for name, record in (("terms", tuple), ("evidence", Evidence), ("postings", Posting)):
        sound = sound and _are(chain.from_iterable(found[name]), record)
    if sound:
        texts = chain(chain.from_iterable(found["terms"]), chain.from_iterable(found["evidence"]))
        sound = _are(chain.from_iterable(texts), str)
        sound = sound and all(_are(map(itemgetter(at), chain.from_iterable(found["postings"])), str) for at in range(4))
    if not sound:
        for row in rows:
            check_types(row)
    return found


def _are(values: Iterable[object], kind: type) -> bool:
    return {kind}.issuperset(map(type, values))


def _lists(n: int, per_entry: Any, fields: Mapping[str, Any], kind: pa.StructType) -> pa.Array:
    counts = np.full(n, per_entry, np.int64) if isinstance(per_entry, int) else np.asarray(per_entry, np.int64)
    if len(counts) != n or (n and counts.min() < 0):
        raise ColumnError("not a number of lines for each entry", got=len(counts), wanted=n)
    offsets = np.zeros(n + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    columns = [_column(field.name, fields[field.name], field.type, int(offsets[-1])) for field in kind]
    return relisted(offsets, columns, kind)


def _grouped(lists: pa.Array, record: Any) -> list[tuple[Any, ...]]:
    """The items of a list column as tuples of records, a tuple a row."""
    offsets, fields = flattened(lists)
    values = [strings(field) if pa.types.is_dictionary(field.type) else field.to_pylist() for field in fields]
    items = list(map(record, *values))
    ends = offsets.tolist()
    return [tuple(items[start:end]) for start, end in pairwise(ends)]


def draft_of(batch: pa.RecordBatch, at: int, names: Iterable[str] = SCHEMA.names) -> Draft:
    """The draft in one row of columns, by the fields of these names; the others are empty."""
    fields: dict[str, Any] = dict.fromkeys(TEXT_FIELDS, "")
    for name in names:
        column = batch.column(name)
        if name == "terms":
            fields[name] = tuple(tuple(term.split("\t")) for term in column[at].as_py())
        elif name in _RECORDS:
            fields[name] = _items(column, at, _RECORDS[name])
        else:
            fields[name] = column[at].as_py()
    return Draft(**fields | {"kind": _kind(fields["kind"])})


def _items(lists: pa.Array, at: int, record: Any) -> tuple[Any, ...]:
    """The items of one row of a list column; value by value, which for few is faster than by columns."""
    fields = lists[at].values.flatten()
    return tuple(record(*(field[number].as_py() for field in fields)) for number in range(len(fields[0])))


def _kind(word: str) -> Kind:
    try:
        return Kind(word)
    except ValueError:
        raise DamagedEntry("not a kind of entry", got=repr(word), wanted=", ".join(Kind)) from None


def days(column: pa.Array) -> npt.NDArray[np.int32]:
    """A column of days as days since 1970-01-01."""
    return np.asarray(column.cast(pa.int32()))


def to_day(number: int) -> date:
    """The day that is so many days after 1970-01-01."""
    return _EPOCH + timedelta(days=number)


def from_day(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def _damaged(reason: str) -> DamagedEntry:
    return DamagedEntry(
        "a block of the journal cannot be read", got=reason, wanted="what this library wrote", fix="restore a backup"
    )
