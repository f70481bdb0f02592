"""Sum 2 in columns: every part is that of the plain `allocate`, in every group, for any order of rows."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from estate_funds.bulk import divide
from estate_funds.bulk.bills import divide_bills, divide_stream, whole_groups
from estate_funds.bulk.divide import divide_groups
from estate_funds.errors import (
    AllocationError,
    CellError,
    ColumnError,
    DuplicateRow,
    EstateFundsError,
    InvariantBroken,
    TableError,
)
from estate_funds.money import allocate

MOST = 2**63 - 1
Parts = list[int]


def plain(totals: Iterable[int], group: list[int], weights: list[int], ids: list[str]) -> Parts:
    """The plain twin: `allocate` in each group by itself."""
    parts = [0] * len(group)
    for number, total in enumerate(totals):
        rows = [row for row, its in enumerate(group) if its == number]
        if sum(weights[row] for row in rows):
            split = allocate(total, {ids[row]: weights[row] for row in rows})
            for row in rows:
                parts[row] = split[ids[row]]
    return parts


def divided(totals: list[int], group: list[int], weights: list[int], ids: list[str] | None = None) -> Parts:
    """`divide_groups` of lists."""
    texts = None if ids is None else pa.array(ids, pa.string())
    parts = divide_groups(np.array(totals, np.int64), np.array(group, np.int32), np.array(weights, np.int64), texts)
    assert parts.dtype == np.int64
    return parts.tolist()


@pytest.mark.parametrize(
    ("total", "weights", "ids", "wanted"),
    [
        (100, [1, 1, 1], "abc", [34, 33, 33]),  # the odd fen to the first id
        (100, [1, 1, 1], "cba", [33, 33, 34]),
        (101, [1, 1, 1], "cab", [33, 34, 34]),
        (100, [2, 1, 1, 2], "abcd", [33, 17, 17, 33]),  # remainders 1/3 2/3 2/3 1/3
        (1, [7, 7, 7, 7], "dbca", [0, 0, 0, 1]),  # one fen over many
        (1, [7, 8, 7, 7], "abcd", [0, 1, 0, 0]),
        (3, [0, 0, 5], "abc", [0, 0, 3]),  # no weight, no part
        (5, [0, 1, 1, 0], "abcd", [0, 3, 2, 0]),
        (777, [12_345], "a", [777]),  # alone
        (-100, [1, 1, 1], "bca", [-33, -33, -34]),  # the mirror image: the same row is the odd one
        (0, [3, 0, 4], "abc", [0, 0, 0]),
        (0, [0, 0], "ab", [0, 0]),
        (40_716_000, [8_716, 9_000, 12_555], "abc", [11_723_453, 12_105_448, 16_887_099]),
    ],
)
def test_one_group(total: int, weights: list[int], ids: str, wanted: Parts) -> None:
    assert divided([total], [0] * len(weights), weights, list(ids)) == wanted
    assert sum(wanted) == total
    assert plain([total], [0] * len(weights), weights, list(ids)) == wanted


@pytest.mark.parametrize("total", [MOST, MOST - 1, -MOST, -MOST - 1, 2**62, 2**53 + 1, 10**15 + 1])
@pytest.mark.parametrize(
    "weights",
    [
        [8_716, 9_000, 12_555],  # floor areas in centi-m2
        [1],
        [1, 1],
        [1, 1, 1],
        [MOST],
        [MOST, MOST],  # their sum does not fit a sign
        [MOST, MOST, MOST],  # nor 64 bits at all
        [MOST, 1, 0],
        [2**32 - 1, 2**32, 2**32 + 1],
        [2**40 + 7, 2**40 + 7, 3],
        [10**12 + 1, 10**6, 10**6, 1],
    ],
)
def test_the_edges_of_64_bits(total: int, weights: list[int]) -> None:
    ids = ["d", "b", "c", "a"][: len(weights)]
    wanted = plain([total], [0] * len(weights), weights, ids)
    assert divided([total], [0] * len(weights), weights, ids) == wanted
    assert sum(wanted) == total
    # The same beside plain neighbours, which are divided in columns.
    group, all_weights = [0, 0] + [1] * len(weights) + [2, 2], [2, 1, *weights, 5, 5]
    names = ["y", "x", *ids, "q", "p"]
    got = divided([100, total, 101], group, all_weights, names)
    assert got == [67, 33, *wanted, 50, 51]


def test_ids_go_by_code_points_as_python_sorts_them() -> None:
    ids = ["\U00020000", "\uffee", "10", "9", "一", "a", "Z", "é"]
    for total in range(1, len(ids)):
        assert divided([total], [0] * len(ids), [5] * len(ids), ids) == plain(
            [total], [0] * len(ids), [5] * len(ids), ids
        )


def test_without_ids_equal_remainders_go_by_the_order_of_rows() -> None:
    assert divided([101, 100], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1]) == [51, 34, 50, 33, 33]
    assert divided([MOST], [0, 0], [MOST, MOST]) == [2**62, 2**62 - 1]


def test_groups_without_rows_and_rows_without_groups() -> None:
    assert divided([0, 7, 0], [1], [3], ["a"]) == [7]
    assert divided([], [], [], []) == []
    assert divided([0], [], [], []) == []


IDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=3)
FEN = st.one_of(st.integers(-200, 200), st.integers(-(10**10), 10**10), st.integers(-MOST - 1, MOST))
WEIGHTS = st.one_of(
    st.integers(0, 2), st.sampled_from([8_716, 9_000, 12_555]), st.integers(0, 2**40), st.integers(0, MOST)
)


@st.composite
def sums(draw: st.DrawFn) -> tuple[list[int], list[int], list[int], list[str]]:
    """Totals, and rows of groups, weights and ids; a group that has no weight has no total."""
    totals = draw(st.lists(FEN, min_size=1, max_size=5))
    rows = st.tuples(st.integers(0, len(totals) - 1), draw(st.sampled_from([WEIGHTS, st.integers(0, 3)])))
    ids = draw(st.lists(IDS, unique=True, max_size=24))
    found = draw(st.lists(rows, min_size=len(ids), max_size=len(ids)))
    weighed = {number for number, weight in found if weight}
    totals = [total if number in weighed else 0 for number, total in enumerate(totals)]
    return totals, [number for number, _ in found], [weight for _, weight in found], ids


@given(sums(), st.randoms(use_true_random=False))
def test_every_part_is_that_of_the_plain_twin_in_any_order_of_rows(drawn: Any, chance: Any) -> None:
    totals, group, weights, ids = drawn
    wanted = plain(totals, group, weights, ids)
    assert divided(totals, group, weights, ids) == wanted
    order = list(range(len(ids)))
    chance.shuffle(order)
    moved = [[column[row] for row in order] for column in (group, weights, ids, wanted)]
    assert divided(totals, *moved[:3]) == moved[3]
    order.sort(key=lambda row: group[row])
    moved = [[column[row] for row in order] for column in (group, weights, ids, wanted)]
    assert divided(totals, *moved[:3]) == moved[3]
    for number, total in enumerate(totals):
        assert sum(part for part, its in zip(wanted, group, strict=True) if its == number) == total


@pytest.mark.parametrize("layouts", [1, 6, 1_000_000])
@pytest.mark.parametrize("scale", [1, 10**9])
def test_many_blocks_of_many_groups(layouts: int, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(divide, "_ROWS_A_BLOCK", 64)
    chance = np.random.default_rng(layouts)
    counts = np.append(chance.integers(0, 40, 120), 700)
    group = np.repeat(np.arange(len(counts)), counts)
    weights = chance.integers(4_000, 4_000 + layouts, len(group)) * scale
    totals = np.where(counts > 0, chance.integers(-(10**7), 10**7, len(counts)) * scale, 0)
    ids = [f"h{number:04d}" for number in chance.permutation(len(group))]
    wanted = plain(totals.tolist(), group.tolist(), weights.tolist(), ids)
    assert divide_groups(totals, group, weights, pa.array(ids)).tolist() == wanted
    order = chance.permutation(len(group))
    for texts in (pa.array(ids).take(order), pa.chunked_array([pa.array(ids[:9]), pa.array(ids[9:])]).take(order)):
        assert divide_groups(totals, group[order], weights[order], texts).tolist() == np.array(wanted)[order].tolist()


def test_more_groups_than_sixteen_bits_count() -> None:
    groups = 70_000
    group = np.concatenate((np.arange(groups), np.arange(groups)[::-1]))
    ids = pa.array([f"{half}" for half in "ab" for _ in range(groups)])
    parts = divide_groups(np.full(groups, 3), group, np.ones(2 * groups, np.int64), ids)
    assert (parts == np.repeat([2, 1], groups)).all()


@pytest.mark.parametrize("below", [9, 2**16, 2**16 + 1, 2**61, 2**62])
def test_numbers_of_any_size_are_sorted_stably(below: int) -> None:
    numbers = np.array([8, 3, 8, 0, 3, 8])
    assert divide._stable(numbers, below).tolist() == [3, 1, 4, 0, 2, 5]


ROW = np.zeros(2, np.int32)
ONES = np.ones(2, np.int64)
TEN = np.array([10])


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: divide_groups(TEN, np.array([0, 1]), ONES), CellError, ["row 2, column group", "got:    1", "0 to 0"]),
        (lambda: divide_groups(TEN, np.array([-1, 0]), ONES), CellError, ["row 1, column group"]),
        (lambda: divide_groups(TEN, ROW, np.array([1, -1])), CellError, ["negative", "row 2, column weight", "-1"]),
        (lambda: divide_groups(TEN, ROW, ONES, pa.array(["a", None])), CellError, ["row 2, column id", "empty"]),
        (lambda: divide_groups(TEN, ROW, np.array([2**63, 1], np.uint64)), CellError, ["row 1, column weight", "64 bits"]),
        (lambda: divide_groups(TEN, ROW, ONES, pa.array([1, 2])), ColumnError, ["column id", "int64", "string"]),
        (lambda: divide_groups(TEN, ROW, ONES.astype(object)), ColumnError, ["column weight", "object"]),
        (lambda: divide_groups(TEN.astype("f8"), ROW, ONES), ColumnError, ["column total_fen", "float64"]),
        (lambda: divide_groups(TEN, ROW.reshape(1, 2), ONES), ColumnError, ["column group", "(1, 2)"]),
        (lambda: divide_groups(TEN, ROW[:1], ONES), TableError, ["unequal", "1 group numbers, 2 weights"]),
        (lambda: divide_groups(TEN, ROW, ONES, pa.array(["a"])), TableError, ["unequal", "1 ids"]),
        (lambda: divide_groups(TEN, ROW, ONES, names=[]), TableError, ["unequal", "0 names"]),
        (lambda: divide_groups(TEN, ROW, 0 * ONES), AllocationError, ["group 0", "10 fen"]),
        (lambda: divide_groups(TEN, ROW, 0 * ONES, names=["roof"]), AllocationError, ["group roof", "10 fen"]),
        (lambda: divide_groups(np.array([1, 5]), ROW, ONES), AllocationError, ["group 1", "5 fen"]),
        (lambda: divide_groups(TEN, ROW[:0], ONES[:0]), AllocationError, ["group 0"]),
    ],
)  # fmt: skip
def test_what_is_refused(call: Callable[[], object], kind: type[EstateFundsError], words: list[str]) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    for word in words:
        assert word in str(caught.value)


def test_a_group_without_weight_is_found_among_wide_ones() -> None:
    wide = [MOST, MOST]
    with pytest.raises(AllocationError, match="group 1"):
        divided([1, -4, 1], [0, 0, 1, 2, 2], [*wide, 0, *wide])
    assert divided([1, 0, 1], [0, 0, 1, 2, 2], [*wide, 0, *wide]) == [1, 0, 0, 1, 0]


# --- bills ------------------------------------------------------------------------------------------------------------


def bill_table(**totals: int) -> pa.Table:
    return pa.table({"bill_id": pa.array(totals), "total_fen": pa.array(totals.values(), pa.int64())})


def line_table(*lines: tuple[str, str, int]) -> pa.Table:
    bill, household, area = zip(*lines, strict=True) if lines else ((), (), ())
    columns = pa.array(bill, pa.string()), pa.array(household, pa.string()), pa.array(area, pa.int64())
    return pa.table(dict(zip(("bill_id", "household_id", "floor_area_centi_m2"), columns, strict=True)))


BILLS = bill_table(roof=100_001, lift=-50, paint=0)
LINES = line_table(
    ("lift", "1-01", 8_000), ("lift", "1-02", 8_000), ("lift", "1-03", 4_000), ("roof", "1-02", 9_000), ("roof", "1-01", 9_000)
)  # fmt: skip


def test_bills_come_back_with_parts_and_proof() -> None:
    done = divide_bills(BILLS, LINES)
    assert done.lines.drop_columns("part_fen").equals(LINES)
    assert done.lines["part_fen"].to_pylist() == [-20, -20, -10, 50_000, 50_001]
    assert done.proof.to_pylist() == [
        {"bill_id": "roof", "total_fen": 100_001, "households": 2, "floor_area_centi_m2": 18_000, "parts_fen": 100_001},
        {"bill_id": "lift", "total_fen": -50, "households": 3, "floor_area_centi_m2": 20_000, "parts_fen": -50},
        {"bill_id": "paint", "total_fen": 0, "households": 0, "floor_area_centi_m2": 0, "parts_fen": 0},
    ]


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=["large", "view", "words"]
)  # fmt: skip
def test_texts_of_any_arrow_type(kind: pa.DataType) -> None:
    cast = LINES.set_column(0, "bill_id", LINES["bill_id"].cast(kind)).set_column(
        1, "household_id", LINES["household_id"].cast(kind)
    )
    wanted = divide_bills(BILLS, LINES)
    assert divide_bills(BILLS, cast).lines["part_fen"].equals(wanted.lines["part_fen"])
    pieces = divide_stream(BILLS.slice(0, 2), [cast])
    assert pa.concat_tables(piece.lines for piece in pieces)["part_fen"].equals(wanted.lines["part_fen"])


TWICE = line_table(("roof", "b", 1), ("roof", "a", 1), ("lift", "b", 1), ("roof", "b", 1))
FLAT = line_table(("roof", "a", 1), ("lift", "a", 1))
NULL = pa.array([None, 1], pa.int64())


@pytest.mark.parametrize(
    ("bills", "lines", "kind", "words"),
    [
        (BILLS, TWICE, DuplicateRow, ["lines, row 4", "b of roof"]),
        (pa.concat_tables([BILLS, BILLS]), LINES, DuplicateRow, ["bills, row 4", "roof"]),
        (BILLS, line_table(("roof", "a", 1), ("lift", "a", 1), ("door", "a", 1)), CellError, ["lines, row 3, column bill_id", "door"]),
        (BILLS, line_table(("roof", "a", 1), ("lift", "a", -1)), CellError, ["lines, row 2", "negative", "-1"]),
        (BILLS, line_table(("roof", "a", 1), ("lift", "a", 0)), AllocationError, ["group lift", "-50 fen"]),
        (BILLS, line_table(("roof", "a", 1)), AllocationError, ["group lift"]),
        (BILLS, line_table(), AllocationError, ["group roof"]),
        (BILLS, FLAT.set_column(2, "floor_area_centi_m2", NULL), CellError, ["lines, row 1, column floor_area_centi_m2"]),
        (BILLS, FLAT.set_column(1, "household_id", pa.array(["a", None])), CellError, ["lines, row 2, column household_id"]),
        (BILLS, FLAT.set_column(0, "bill_id", pa.DictionaryArray.from_arrays([0, 1], ["roof", None])), CellError, ["lines, row 2, column bill_id"]),
        (BILLS.set_column(1, "total_fen", pa.array([1, 2, None])), LINES, CellError, ["bills, row 3, column total_fen"]),
        (BILLS.set_column(1, "total_fen", pa.array([1.0, 2.0, 3.0])), LINES, ColumnError, ["bills, column total_fen", "double"]),
        (BILLS.set_column(0, "bill_id", pa.array([1, 2, 3])), LINES, ColumnError, ["bills, column bill_id", "int64"]),
        (BILLS.drop_columns("total_fen"), LINES, ColumnError, ["bills", "missing", "total_fen"]),
        (BILLS, FLAT.append_column("bill_id", pa.array(["a", "b"])), ColumnError, ["lines", "twice", "bill_id"]),
        (BILLS, FLAT.append_column("part_fen", NULL), ColumnError, ["lines, column part_fen"]),
        (bill_table(roof=1), line_table(("roof", "a", MOST), ("roof", "b", 1)), AllocationError, ["64 bits", "bill roof"]),
    ],
)  # fmt: skip
def test_bills_that_are_refused(
    bills: pa.Table, lines: pa.Table, kind: type[EstateFundsError], words: list[str]
) -> None:
    with pytest.raises(kind) as caught:
        divide_bills(bills, lines)
    assert type(caught.value) is kind
    for word in words:
        assert word in str(caught.value)


def test_the_largest_areas_that_a_proof_can_sum() -> None:
    lines = line_table(("roof", "a", MOST - 1), ("roof", "b", 1), ("lift", "a", MOST))
    done = divide_bills(bill_table(roof=MOST, lift=1), lines)
    assert done.lines["part_fen"].to_pylist() == [MOST - 1, 1, 1]
    assert done.proof["floor_area_centi_m2"].to_pylist() == [MOST, MOST]


def test_a_part_that_went_astray_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("estate_funds.bulk.bills.divide_groups", lambda *_, **__: np.zeros(5, np.int64))
    with pytest.raises(InvariantBroken, match="roof"):
        divide_bills(BILLS, LINES)


# --- streams ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from("abcdé"), max_size=20), st.lists(st.integers(0, 20), max_size=5))
def test_a_stream_is_cut_at_the_borders_of_groups_only(keys: list[str], cuts: list[int]) -> None:
    table = pa.table({"bill_id": pa.array(sorted(keys), pa.string()), "at": pa.array(range(len(keys)), pa.int64())})
    bounds = sorted({0, *(cut for cut in cuts if cut <= len(keys)), len(keys)})
    batches = [table.slice(a, b - a) for a, b in zip([0, *bounds], [*bounds, len(keys)], strict=True)]
    pieces = list(whole_groups(batches, "bill_id"))
    assert [at for piece in pieces for at in piece["at"].to_pylist()] == list(range(len(keys)))
    seen = [set(piece["bill_id"].to_pylist()) for piece in pieces]
    assert all(seen)
    assert sum(map(len, seen)) == len(set(keys))


@given(sums(), st.integers(1, 7))
def test_a_stream_divides_as_the_whole(drawn: Any, size: int) -> None:
    totals, group, weights, ids = drawn
    totals = [max(total, -MOST) for total in totals]
    weights = [weight >> 6 for weight in weights]  # sums that a proof can hold
    weighed = {number for number, weight in zip(group, weights, strict=True) if weight}
    bills = bill_table(**{f"b{n}": total if n in weighed else 0 for n, total in reversed(list(enumerate(totals)))})
    lines = line_table(*sorted((f"b{n}", i, w) for n, i, w in zip(group, ids, weights, strict=True)))
    whole = divide_bills(bills, lines)
    pieces = list(divide_stream(bills, lines.to_batches(max_chunksize=size)))
    assert pa.concat_tables(piece.lines for piece in pieces).to_pylist() == whole.lines.to_pylist()
    proof = pa.concat_tables(piece.proof for piece in pieces).to_pylist()
    assert proof == sorted(whole.proof.to_pylist(), key=lambda row: str(row["bill_id"]))


def test_a_stream_says_where_it_stops() -> None:
    first, second = LINES.slice(0, 3), LINES.slice(3)
    with pytest.raises(TableError, match="not in order") as caught:
        list(whole_groups([second, first], "bill_id"))
    assert "row 3" in str(caught.value)
    with pytest.raises(TableError, match="not in order") as caught:
        list(whole_groups([pa.concat_tables([first, second, first])], "bill_id"))
    assert "row 6" in str(caught.value)
    wrong = LINES.set_column(2, "floor_area_centi_m2", pa.array([1, 1, 1, 1, -1]))
    with pytest.raises(CellError) as cell:
        list(divide_stream(BILLS, wrong.to_batches(max_chunksize=2)))
    assert "row 5" in str(cell.value)
    with pytest.raises(AllocationError, match="nothing to divide by") as bare:
        list(divide_stream(bill_table(roof=1, lift=1, wall=7), [LINES]))
    assert "wall" in str(bare.value)
    with pytest.raises(AllocationError, match="nothing to divide by") as bare:
        list(divide_stream(bill_table(roof=1, door=9, lift=1), [LINES]))
    assert "door" in str(bare.value)
    with pytest.raises(DuplicateRow) as twice:
        list(divide_stream(pa.concat_tables([BILLS, BILLS]), [LINES]))
    assert "bills, row 4" in str(twice.value)


# --- no float -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["divide", "bills"])
def test_nothing_here_can_become_a_float(name: str) -> None:
    """No float, no true division, no array that is made without saying of what: numpy would make it one of floats."""
    text = (ROOT / "src" / "estate_funds" / "bulk" / f"{name}.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), node.lineno
        assert not (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)), node.lineno
        assert not (isinstance(node, ast.Name) and node.id == "float"), node.lineno
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith(("float", "mean", "divide_", "true_divide")), node.lineno
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("zeros", "ones", "empty")
        ):
            assert len(node.args) == 2, f"line {node.lineno}: of what?"
