"""How inputs are spoiled: edits that know what a table, a TOML file, an archive or a note is made of.

An edit is four small numbers, so that Hypothesis shrinks a spoiled input to a few small edits of a small seed, and any
other source of numbers can drive it too. `spoiled` is the strategy, `spoil` applies edits; nothing here knows a reader.
"""

from __future__ import annotations

import csv
import io
import json
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st


class Edit(NamedTuple):
    """What to do (`how`), where (`at`), with what other place (`to`) or what odd value (`odd`); each taken modulo."""

    how: int
    at: int
    to: int
    odd: int


Edits = Callable[[bytes, Edit], bytes]

# In the order in which shrinking prefers them: what a person might type comes before what only malice writes.
ODD = [
    "", "0", "-1", "x", " ", "1", "yes", "no", "1/3", "1/0", "-0", "0.1", "0.001", "1,2", "2024", "2024-05", "2024-Q2",
    "0001-01-01", "0001-01-02", "9999-12-31", "9999-12-01", "2023-02-29", "10000-01-01", "0000-01-01", "0000-01", "9999-12",
    "0001-01", "9999", "0000", "20240101", "2024-W01-1", "99", "100", "1000000000", "2147483648", "999999999999999",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1" + "0" * 30, "9" * 18, "9" * 17 + ".99",
    "0.000000001", "0." + "0" * 17 + "1", "1e5", "1e308", "nan", "inf", "-inf", "1_000", "+1", "½", "１２３", "٣", "²", "2024-0５",
    "２０２４-０１-０１", "a/b", "a/b/c", "//", "/", "..", "../../x", "a;b", "a:b", "a:sha256:" + "0" * 64, ";", ":", "=1+1",
    "%", "101%", "%s", "{}", "{0}", "\\", "'", '"', '""', ",", "\t", "\n", "\r", "\r\n", "\n\n", "\0", "\x1b[31m", "\x7f", "\x85",
    "\u00a0", "\u200b", "\u2028", "\u202e", "\ufeff", "\ufffe", "e\u0301", "ﬁ", "\U0001f600", "\U000e0001", "\ud800", "\udcff",
    "x" * 300, "9" * 5000, "x" * 140_000,
]  # fmt: skip
TOML_ODD = [
    '""', '"x"', "0", "1", "-1", "true", "false", "[]", "{}", '["x"]', '["x", "x"]', "[0]", "[[]]", "{ x = 1 }", '{ setting = "x" }',
    '"0"', '"-1"', '"1/0"', '"1/3"', '"0.5"', '"2"', '"100000000000000000"', '"999999999999999999"', '"0.000000000000000001"',
    '"2024"', '"2024-05"', '"0000-01"', '"0001-01"', '"9999-12"', '"9999-12-31"', "0001-01-01", "9999-12-31", "2023-02-29",
    "2024-01-01", "07:32:00", "1979-05-27T07:32:00Z", "1979-05-27T07:32:00", "1.5", "nan", "inf", "-inf", "1e308", "-0",
    "9223372036854775807", "9223372036854775808", "1000000000", "1000000", "10000", "1" + "0" * 30, "0x7fffffffffffffff", "9" * 5000,
    "{ x.y.z = 1, x.y.w = 2 }", "''", "'''\n'''", '"""\\\n"""', '"\\u0000"', '"\\ud800"', '"\\U0010ffff"', '"\\u202e"', '"１"',
    '"../../x"', '"a/b"', '"a/b/c"', '"city"', '"estate"', "[" * 300 + "]" * 300, "{x=" * 300 + "1" + "}" * 300, '"' + "9" * 5000 + '"',
    '"' + "x" * 140_000 + '"',
]  # fmt: skip
_TOKEN = re.compile(r'"[^"\n]*"|\b\d{4}-\d\d(?:-\d\d)?\b|\btrue\b|\bfalse\b|(?<![\w.-])-?\d+\b')


def odd_bytes(edit: Edit) -> bytes:
    """The odd value of an edit; lone surrogates stand as the bytes that somebody else's encoder writes."""
    return ODD[edit.odd % len(ODD)].encode("utf-8", "surrogatepass")


def _pick(edit: Edit, ways: Sequence[Callable[[], bytes]]) -> bytes:
    return ways[edit.how // 4 % len(ways)]()


# --- any bytes ---


def edit_bytes(data: bytes, edit: Edit) -> bytes:
    """Flip a bit, put a value in, cut, double, move or end early."""
    at, to = (place % (len(data) + 1) for place in edit[1:3])
    low, high = sorted((at, to))
    flipped = data[:at] + bytes([b ^ 1 << edit.odd % 8 for b in data[at : at + 1]]) + data[at + 1 :]
    ways = [
        lambda: data[:at] + odd_bytes(edit) + data[at:],
        lambda: flipped,
        lambda: data[:at],
        lambda: data[:low] + data[high:],
        lambda: data[:high] + data[low:],
        lambda: data[low:] + data[:low],
        lambda: data[:at] + bytes([edit.odd % 256]) + data[at + 1 :],
        lambda: data[:at] + bytes(8) + data[at + 8 :],
        lambda: data[:at] + b"\xff" * 8 + data[at + 8 :],
        lambda: b"\xef\xbb\xbf" + data,
        lambda: data.decode("utf-8", "replace").encode("utf-16"),
        lambda: data.replace(b"\n", b"\r\n"),
    ]
    return _pick(edit, ways)


def edit_text(data: bytes, edit: Edit) -> bytes:
    """One value: another instead of it, or within it."""
    return odd_bytes(edit) if edit.how % 4 == 0 else edit_bytes(data, edit)


def _rearranged(items: list[bytes], edit: Edit) -> list[bytes]:
    """Items without one, with one doubled, with two swapped, or with all from one place on gone."""
    if not items:
        return items
    at, to = edit.at % len(items), edit.to % len(items)
    kept = list(items)
    match edit.odd % 5:
        case 0:
            del kept[at]
        case 1:
            kept.insert(to, kept[at])
        case 2:
            kept[at], kept[to] = kept[to], kept[at]
        case 3:
            kept[at] = kept[to]
        case _:
            kept = kept[: at + 1]
    return kept


def edit_lines(data: bytes, edit: Edit) -> bytes:
    """Lines rearranged, or a word of one replaced by an odd one or by another word."""
    lines = data.split(b"\n")
    if edit.how % 4 == 0:
        return b"\n".join(_rearranged(lines, edit))
    words = [m.span() for m in re.finditer(rb"[^\s+]+", data)]
    if edit.how % 4 == 3 or not words:
        return edit_bytes(data, edit)
    start, end = words[edit.at % len(words)]
    other = words[edit.to % len(words)]
    return data[:start] + (odd_bytes(edit) if edit.how % 4 == 1 else data[slice(*other)]) + data[end:]


# --- TOML ---


def edit_toml(data: bytes, edit: Edit) -> bytes:
    """A value replaced by an odd one or by another of the file, a key by another key, or lines rearranged."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return edit_bytes(data, edit)
    tokens = [m.span() for m in _TOKEN.finditer(text)]
    match edit.how % 8:
        case 0 | 1 | 2 if tokens:
            start, end = tokens[edit.at % len(tokens)]
            new = TOML_ODD[edit.odd % len(TOML_ODD)]
        case 3 | 4 if tokens:
            start, end = tokens[edit.at % len(tokens)]
            new = text[slice(*tokens[edit.to % len(tokens)])]
        case 5 if keys := [m.span(1) for m in re.finditer(r"^ *([\w.-]+) *=|^\[+([\w.-]+)", text, re.M) if m[1]]:
            start, end = keys[edit.at % len(keys)]
            new = text[slice(*keys[edit.to % len(keys)])]
        case 6:
            return b"\n".join(_rearranged(data.split(b"\n"), edit))
        case _:
            return edit_bytes(data, edit)
    return (text[:start] + new + text[end:]).encode("utf-8", "surrogatepass")


# --- tables ---


def edit_csv(data: bytes, edit: Edit) -> bytes:
    """A cell, a header, a row or a column replaced, dropped, doubled or moved."""
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error):
        return edit_bytes(data, edit)
    if len(rows) < 2 or not rows[0] or edit.how % 8 == 7:
        return edit_bytes(data, edit)
    row = rows[1 + edit.at % (len(rows) - 1)]
    column = edit.to % len(rows[0])
    if column < len(row) and edit.how % 8 < 4:
        row[column] = ODD[edit.odd % len(ODD)]
    elif column < len(row) and edit.how % 8 == 4:  # the value that another row has there
        other = rows[1 + edit.odd % (len(rows) - 1)]
        row[column] = other[column] if column < len(other) else ""
    elif edit.how % 8 == 5:
        texts = _rearranged([json.dumps(r).encode() for r in rows], edit)
        rows = [json.loads(t) for t in texts]
    else:
        order = _rearranged([str(i).encode() for i in range(len(rows[0]))], edit)
        rows = [[r[int(i)] if int(i) < len(r) else "" for i in order] for r in rows]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode("utf-8", "surrogatepass")


_TYPES = [pa.string(), pa.large_string(), pa.binary(), pa.int64(), pa.float64(), pa.bool_(), pa.date32(), pa.date64(),
          pa.timestamp("ns"), pa.timestamp("us", tz="UTC"), pa.decimal128(38, 2), pa.dictionary(pa.int32(), pa.string()),
          pa.list_(pa.string()), pa.struct([("x", pa.int64())]), pa.null(), pa.time64("us"), pa.duration("s")]  # fmt: skip


def edit_parquet(data: bytes, edit: Edit) -> bytes:
    """A column of another type, name or place, empty cells, rows dropped or doubled; else other bytes."""
    if edit.how % 8 == 7:
        return edit_bytes(data, edit)
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError):
        return edit_bytes(data, edit)
    if not table.num_columns or not table.num_rows:
        return edit_bytes(data, edit)
    column, row = edit.at % table.num_columns, edit.to % table.num_rows
    name, kind = table.column_names[column], _TYPES[edit.odd % len(_TYPES)]
    values = table[name].to_pylist()
    match edit.how % 8:
        case 0 | 1:
            try:
                changed = table[name].cast(kind)
            except (pa.ArrowException, ValueError):
                changed = pa.nulls(table.num_rows, kind)
            table = table.set_column(column, name, changed)
        case 2 | 3:
            values[row] = ODD[edit.odd % len(ODD)].encode("utf-8", "replace").decode() if edit.how % 8 == 2 else None
            kind = pa.string() if edit.how % 8 == 2 else table[name].type
            texts = values if kind == table[name].type else [None if v is None else str(v) for v in values]
            table = table.set_column(column, name, pa.array(texts, kind))
        case 4:
            table = table.drop_columns([name]) if edit.odd % 2 else table.append_column(name, table[name])
        case 5:
            table = pa.concat_tables([table, table.slice(row, edit.odd % 3)])
        case _:
            table = table.slice(0, edit.odd % 2 * row)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


# --- archives ---


def _members(data: bytes) -> list[tuple[str, bytes, int]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if sum(info.file_size for info in infos) > 1 << 22:
            raise zipfile.BadZipFile("a bomb")
        return [(info.filename, archive.read(info), info.compress_type) for info in infos]


def pack(members: Sequence[tuple[str, bytes, int]]) -> bytes:
    """A .zip of members: name, content and way of compression."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")  # of two members with one name: that is what is wanted
        for name, content, way in members:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = way
            archive.writestr(info, content)
    return buffer.getvalue()


def edit_zip(data: bytes, edit: Edit) -> bytes:
    """A member edited, renamed, doubled, dropped, compressed otherwise; its header at odds with it; else other bytes."""
    try:
        members = _members(data)
    except Exception:  # whatever a broken archive raises
        return edit_bytes(data, edit)
    if not members or edit.how % 8 == 7:
        return edit_bytes(data, edit)
    place = edit.at % len(members)
    name, content, way = members[place]
    match edit.how % 8:
        case 0 | 1 | 2 | 3:  # the journal and the balances hold what matters most
            place = next((i for i, m in enumerate(members) if m[0] == "journal.txt" and edit.how % 2), place)
            name, content, way = members[place]
            members[place] = (name, edit_lines(content, Edit(edit.how // 8, edit.to, edit.at // 7, edit.odd)), way)
        case 4:
            others = ["journal.txt", "checkpoint", "../x", "/etc/x", "evidence/", "evidence/x", "x" * 300, "\u202e", ""]
            members[place] = (others[edit.odd % len(others)], content, way)
        case 5:
            members.insert(edit.to % (len(members) + 1), members[place]) if edit.odd % 2 else members.pop(place)
        case _:
            if edit.odd % 2:
                return _with_header(data, edit)
            ways = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
            members[place] = (name, content, ways[edit.to % 4])
    return pack(members)


def _with_header(data: bytes, edit: Edit) -> bytes:
    """A field of a local or central header overwritten: flags, way of compression, sums, sizes, lengths, offsets."""
    heads = [m.start() for m in re.finditer(rb"PK\x01\x02|PK\x03\x04|PK\x05\x06", data)]
    start = heads[edit.at % len(heads)] + 4 + 2 * (edit.to % 20)
    value = struct.pack("<H", (0, 1, 8, 99, 0xFFFF, 0x800, 0x41)[edit.odd // 2 % 7])
    return data[:start] + value + data[start + 2 :]


# --- rows of a database ---


def edit_rows(data: bytes, edit: Edit) -> bytes:
    """One more statement of a list of them, as JSON: [table, column, row, value]; see the reader of ledgers' rows."""
    try:
        before = json.loads(data)
    except ValueError:
        before = []
    texts: list[object] = [*ODD[:-1], None, 0, -1, 2**63 - 1, 1.5, "BLOB", 0, 1, 2]
    return json.dumps([*before, [edit.how, edit.at, edit.to, texts[edit.odd % len(texts)]]]).encode()


SHAPES: dict[str, Edits] = {
    "text": edit_text,
    "lines": edit_lines,
    "toml": edit_toml,
    "csv": edit_csv,
    "parquet": edit_parquet,
    "zip": edit_zip,
    "rows": edit_rows,
    "bytes": edit_bytes,
}


def spoil(shape: str, data: bytes, edits: Sequence[Edit]) -> bytes:
    """The data after the edits, one after the other."""
    for edit in edits:
        data = SHAPES[shape](data, edit)
    return data


_PLACE = st.integers(0, 1 << 16)
_EDIT = st.builds(Edit, st.integers(0, 255), _PLACE, _PLACE, st.integers(0, 255))


def spoiled(shape: str, seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Seeds after one to four edits; now and then bytes that were never right."""
    edited = st.builds(
        lambda seed, edits: spoil(shape, seed, edits), st.sampled_from(seeds), st.lists(_EDIT, min_size=1, max_size=4)
    )
    return st.one_of(edited, edited, edited, edited, st.binary(max_size=64)) if shape != "rows" else edited
