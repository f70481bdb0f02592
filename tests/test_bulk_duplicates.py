from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import ROOT
from estate_funds.bulk import duplicates, scratch, sources
from estate_funds.bulk.duplicates import Finding, find_duplicates
from estate_funds.bulk.sources import CsvPart, ParquetPart, Part, Rows, parts_of
from estate_funds.errors import CellError, ColumnError, DuplicateRow, InputError, OutputError, TableError
from estate_funds.exchange.tables import Column, read_table

TWO = tuple(Column(name, "choice", "", "", required=False) for name in ("household_id", "estate_id"))


@dataclass(frozen=True)
class Table:
    """A part in memory, in batches of a size."""

    source: str
    table: tuple[tuple[str, ...], ...]
    group: int | None = None
    programme: str = ""
    size: int = 3
    columns: tuple[str, ...] = ("household_id", "estate_id")

    def rows(self, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Rows]:
        for start in range(0, len(self.table), self.size):
            some = list(zip(*self.table[start : start + self.size], strict=True))
            cells = {name: pa.array(some[self.columns.index(name)], pa.string()) for name in (*columns, *optional)}
            yield Rows(np.arange(start + 1, start + 1 + len(some[0])), pa.record_batch(cells))


def told(findings: Sequence[Finding]) -> list[tuple[object, ...]]:
    places = [(f.first, f.again) for f in findings]
    return [tuple((p.programme, p.source, p.group, p.row, p.estate_id, p.ids) for p in pair) for pair in places]


def plainly(parts: Sequence[Table], key: Sequence[str], across: bool) -> list[tuple[object, ...]]:
    """The plain twin: a dict of first rows."""
    firsts: dict[tuple[str, ...], tuple[object, ...]] = {}
    found = []
    for number, part in enumerate(
        sorted(parts, key=lambda p: (p.programme, p.source, -1 if p.group is None else p.group))
    ):
        for row, cells in enumerate(part.table, start=1):
            ids = tuple(cells[part.columns.index(name)] for name in key)
            place = (part.programme, part.source, part.group, row, cells[part.columns.index("estate_id")], ids)
            compared = tuple(one.strip() for one in ids)
            first = firsts.setdefault(compared, place)
            if first is not place and (not across or first[0] != part.programme):
                found.append((compared, number, row, (first, place)))
    return [pair for *_, pair in sorted(found)]


IDS = st.sampled_from(
    ["h1", "h2", " h1", "h2\u3000", "院一", "院二", "\x1fh1", "H1", "h" * 300, "ｈ1"]
) | st.from_regex(r"[a-d]{1,2}\Z")
PARTS = st.lists(
    st.tuples(st.sampled_from(["", "p", "q"]), st.sampled_from("xyz"), st.sampled_from([None, 0, 1]), st.lists(st.tuples(IDS, st.sampled_from("ab")), max_size=12)),
    max_size=5,
    unique_by=lambda part: part[:3],
).map(lambda parts: [Table(source, tuple(rows), group, programme) for programme, source, group, rows in parts])  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PARTS, st.data())
def test_columns_and_a_dict_find_the_same(tmp_path: Path, parts: list[Table], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([("household_id",), ("household_id", "estate_id")]), label="key")
    across = data.draw(st.booleans(), label="across")
    wanted = plainly(parts, key, across)
    chunked = [Table(p.source, p.table, p.group, p.programme, data.draw(st.integers(1, 13))) for p in parts]
    held = data.draw(st.sampled_from([1, 4, 1_000]), label="pairs held")
    most = data.draw(st.integers(0, 30), label="most")
    before = duplicates._LEAST, duplicates._hashed
    alike = data.draw(st.sampled_from([0, 2, 64]), label="bits of a hash that are kept")
    duplicates._LEAST = held
    duplicates._hashed = lambda cells: before[1](cells) & np.uint64((1 << alike) - 1)
    try:
        found = find_duplicates(
            data.draw(st.permutations(chunked)), key=key, scratch=tmp_path, memory_bytes=0, most=most,
            across_programmes=across, workers=data.draw(st.sampled_from([1, 3])), buckets=data.draw(st.sampled_from([1, 2, 256])),
        )  # fmt: skip
    finally:
        duplicates._LEAST, duplicates._hashed = before
    assert told(found.findings) == wanted[:most]
    assert found.total == len(wanted)
    assert found.rows == sum(len(part.table) for part in parts)
    assert not list(tmp_path.iterdir())


def parquet(path: Path, ids: Sequence[str | None], estates: Sequence[str] | None = None, group: int = 2) -> Path:
    table = {"household_id": pa.array(ids, pa.string())}
    if estates is not None:
        table["estate_id"] = pa.array(estates).dictionary_encode()
    pq.write_table(pa.table(table), path, row_group_size=group)
    return path


def test_a_household_twice_is_found_with_both_rows(tmp_path: Path) -> None:
    east = parquet(tmp_path / "east.parquet", ["h1", "h2", "h3", "h4", "h5"], ["a", "a", "b", "b", "c"])
    (tmp_path / "west.csv").write_text(
        '\ufeffhousehold_id,estate_id\nh9,d\n\n  \n,\n"h\n8",d\nh4,d\nh7,d\nh7,d\n', encoding="utf-8"
    )
    found = find_duplicates(
        parts_of([tmp_path / "west.csv", east], root=tmp_path), key=["household_id"], scratch=tmp_path / "scratch"
    )
    assert [str(one) for one in found.findings] == [
        "household_id h4 is listed in two estates: east.parquet, row group 1, row 4 (estate b) and west.csv, row 7 (estate d)",
        "household_id h7 is listed twice: west.csv, row 8 (estate d) and west.csv, row 9 (estate d)",
    ]
    assert (found.rows, found.total) == (10, 2)
    with pytest.raises(DuplicateRow, match="h4 is listed in two estates") as caught:
        found.raise_for_findings()
    assert caught.value.problems == tuple(map(str, found.findings))
    assert not (tmp_path / "scratch").exists()  # it all fitted


def test_a_resident_in_two_programmes_is_found_with_both(tmp_path: Path) -> None:
    rows = (("r1", "a"), ("r2", "a"), ("r2", "a"))
    columns = ("resident_id", "estate_id")
    parts = [
        Table("subsidy.parquet", rows, 0, "subsidy", columns=columns),
        Table("loans.csv", (("r0", "b"), ("r2", "b"), ("r3", "b"), ("r3", "c")), None, "loans", columns=columns),
    ]
    found = find_duplicates(parts, key=["resident_id"], scratch=tmp_path, across_programmes=True)
    first = "resident_id r2 is listed in two programmes: loans.csv, row 2 (estate b, programme loans) and "
    assert [str(one) for one in found.findings] == [
        first + "subsidy.parquet, row group 0, row 2 (estate a, programme subsidy)",
        first + "subsidy.parquet, row group 0, row 3 (estate a, programme subsidy)",
    ]
    every = find_duplicates(parts, key=["resident_id"], scratch=tmp_path)
    assert [one.how for one in every.findings] == ["in two programmes", "in two programmes", "in two estates"]


def test_numbers_and_categories_are_read_as_text_and_no_estate_is_needed(tmp_path: Path) -> None:
    pq.write_table(pa.table({"household_id": [7, 8, 7]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"household_id": pa.array(["8", "9"]).dictionary_encode()}), tmp_path / "b.parquet")
    found = find_duplicates(
        parts_of([tmp_path / "a.parquet", tmp_path / "b.parquet"], root=tmp_path),
        key=["household_id"],
        scratch=tmp_path,
    )
    assert [(one.key, one.again.source, one.again.row) for one in found.findings] == [
        (("7",), "a.parquet", 3),
        (("8",), "b.parquet", 1),
    ]


@pytest.mark.parametrize("empty", [None, "", "  ", "\u3000"])
def test_an_empty_id_is_refused_with_its_place(tmp_path: Path, empty: str | None) -> None:
    path = parquet(tmp_path / "a.parquet", ["h1", "h2", "h3", empty, "h5"])
    with pytest.raises(CellError, match="the cell is empty") as caught:
        find_duplicates(parts_of([path], root=tmp_path), key=["household_id"], scratch=tmp_path, workers=2)
    assert caught.value.where == "a.parquet, row group 1, row 4, column household_id"
    csv = tmp_path / "a.csv"
    csv.write_text(f"estate_id,household_id\na,h1\n\na,{empty or ''}\n", encoding="utf-8")
    with pytest.raises(CellError, match="the cell is empty") as caught:
        find_duplicates([CsvPart(csv, name="a.csv")], key=["household_id"], scratch=tmp_path)
    assert caught.value.where == "a.csv, row 4, column household_id"


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [("household,estate_id\nh,a\n", ColumnError, "did you mean 'household'"),
     ("household_id,household_id\nh,a\n", ColumnError, "stands twice"),
     ("household_id,estate_id\nh,a\n\nh2,a,b\n", TableError, "row 4"),
     ("household_id,estate_id\n" + "h,a\n" * 9_000 + "h,\udcff\n", TableError, "not a CSV file"),
     ("household_\udcff\n", TableError, "not UTF-8")],
)  # fmt: skip
def test_files_that_are_none_to_read(tmp_path: Path, text: str, error: type[InputError], words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(error) as caught:
        find_duplicates([CsvPart(path)], key=["household_id"], scratch=tmp_path)
    assert words in str(caught.value)


def test_parts_that_are_none_to_read(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 no")
    for make in (lambda: list(parts_of([broken])), lambda: list(ParquetPart(broken, 0).rows(["household_id"]))):
        with pytest.raises(TableError, match="not a Parquet file"):
            make()
    with pytest.raises(TableError, match="cannot be read"):
        list(CsvPart(tmp_path / "none.csv").rows(["household_id"]))
    pq.write_table(pa.table({"household_id": [1.5]}), tmp_path / "float.parquet")
    with pytest.raises(ColumnError, match="another type"):
        list(ParquetPart(tmp_path / "float.parquet", 0).rows(["household_id"]))
    one = Table("x", (("h1", "a"),))
    with pytest.raises(InputError, match="given twice"):
        find_duplicates([one, one], key=["household_id"], scratch=tmp_path)
    for key in ([], ["household_id", "household_id"]):
        with pytest.raises(InputError, match="each once"):
            find_duplicates([one], key=key, scratch=tmp_path)
    with pytest.raises(ValueError, match="power of two"):
        find_duplicates([one], key=["household_id"], scratch=tmp_path, buckets=3)


def test_a_full_disk_is_told_with_its_place_and_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []

    def full(path: Path, pairs: scratch.Pairs) -> None:
        written.append(path)
        if len(written) > 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        path.write_bytes(pairs.tobytes())

    monkeypatch.setattr(scratch, "_append", full)
    part = Table("x", tuple((f"h{n}", "a") for n in range(5_000)), size=500)
    with pytest.raises(OutputError, match="cannot take the hashes") as caught:
        find_duplicates([part], key=["household_id"], scratch=tmp_path, memory_bytes=0)
    assert caught.value.where == str(written[2])
    assert not list(tmp_path.iterdir())
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.undo()
    with pytest.raises(OutputError, match="cannot take the hashes"):
        find_duplicates([part], key=["household_id"], scratch=file, memory_bytes=0)


def test_only_parts_that_hold_a_hash_twice_are_read_again(tmp_path: Path) -> None:
    read: list[str] = []

    class Watched(Table):
        def rows(self, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Rows]:
            read.append(self.source)
            yield from super().rows(columns, optional)

    parts: list[Part] = [Watched(name, ((f"h{name}", "a"), ("h" if name in "bd" else name, "a"))) for name in "abcd"]
    assert find_duplicates(parts, key=["household_id"], scratch=tmp_path).total == 1
    assert read == ["a", "b", "c", "d", "b", "d"]


MEASURE = """
import resource, sys, tracemalloc
from collections.abc import Iterator
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.compute as pc
from estate_funds.bulk.duplicates import find_duplicates
from estate_funds.bulk.sources import Rows

class Made:
    source, group, programme = "made", None, ""
    def __init__(self, rows, same): self.total, self.same = rows, same
    def rows(self, columns, optional=()):
        for start in range(0, self.total, 1 << 16):
            n = np.arange(start, min(start + (1 << 16), self.total))
            # two rows far apart share an id, and one id fills a part of the register, if asked
            ids = np.where(n == self.total - 1, 1, np.where(n % 100 < self.same, 0, n))
            yield Rows(n + 1, pa.record_batch({"household_id": pc.binary_join_element_wise("yuanyi-", pa.array(ids).cast(pa.string()), "")}))

rows, same, memory = map(int, sys.argv[1:4])
find_duplicates([Made(100_000, same)], key=["household_id"], scratch=Path(sys.argv[4]), memory_bytes=memory)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = find_duplicates([Made(rows, same)], key=["household_id"], scratch=Path(sys.argv[4]), memory_bytes=memory)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, found.total, len(found.findings))
"""


@pytest.mark.parametrize("same", [0, 30])
def test_memory_is_bounded_whatever_the_size(tmp_path: Path, same: int) -> None:
    rows, memory = 5_000_000, 1 << 24  # 60 MB of hashes, 500 MB of text
    command = [sys.executable, "-c", MEASURE, str(rows), str(same), str(memory), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "src")})
    grown_kib, total, kept = map(int, done.stdout.split())
    assert total == (rows // 100 * same - 1 if same else 1)
    assert kept == min(total, 1_000)
    assert (
        grown_kib < 4 * memory // 1024
    )  # what is not bounded grows by 15 times as much; Arrow keeps some that it got back
    assert not list(tmp_path.iterdir())


LINES = st.lists(st.sampled_from(["h1,a", '"h\n2",b', "", "  ", ",", ' , "', "h3,", ",b", '"h,4",a']), max_size=14)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, st.sampled_from(["\n", "\r\n"]), st.integers(32, 64))
def test_rows_of_a_csv_file_are_numbered_as_the_plain_reader_does(
    tmp_path: Path, lines: list[str], end: str, block: int
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(end.join(["household_id,estate_id", *lines]).encode())
    try:
        plain = [(row.number, row.text("household_id"), row.text("estate_id")) for row in read_table(path, TWO)]
    except TableError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "_BLOCK", block)
        read = [
            (int(number), (unit or "").strip(), (estate or "").strip())
            for rows in CsvPart(path).rows(["household_id", "estate_id"])
            for number, unit, estate in zip(rows.numbers, *(column.to_pylist() for column in rows.cells), strict=True)
        ]
    assert read == plain
