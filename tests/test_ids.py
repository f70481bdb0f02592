from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import make_estate
from estate_funds.errors import ColumnError, DuplicateRow, InvariantBroken
from estate_funds.exchange import households, ids
from estate_funds.exchange.households import read_households
from estate_funds.exchange.ids import hashes

TEXTS = st.lists(st.text(max_size=12) | st.text("ab", min_size=7, max_size=33) | st.just("x" * 300), max_size=20)
MANY = 3_000_000


@given(TEXTS, st.integers(0, 20), st.integers(0, 20), st.integers(1, 9))
def test_a_hash_depends_on_the_bytes_alone(texts: list[str], cut: int, more: int, rows: int) -> None:
    one_by_one = [int(hashes(pa.array([text], pa.string()))[0]) for text in texts]
    whole = pa.array(texts, pa.string())
    forms = [
        whole,
        whole.cast(pa.large_string()),
        whole.cast(pa.binary()),
        whole.dictionary_encode(),
        pa.chunked_array([whole[:cut], whole[cut:].cast(pa.string())], pa.string()),
        pa.chunked_array([whole[:cut].dictionary_encode(), whole[cut:].dictionary_encode()]),
        pa.concat_arrays([pa.array(["before"]), whole])[1:],
    ]
    before = ids._ROWS
    for ids._ROWS in (rows, before):
        for form in forms:
            assert hashes(form).tolist() == one_by_one
        assert hashes(whole[cut : cut + more]).tolist() == one_by_one[cut : cut + more]


@given(TEXTS)
def test_two_ids_have_two_hashes(texts: list[str]) -> None:
    assert len(set(hashes(pa.array(texts, pa.string())).tolist())) == len(set(texts))


def padded(numbers: pa.Array) -> pa.Array:
    return pc.utf8_lpad(numbers.cast(pa.string()), 9, "0")


@pytest.mark.parametrize("make", [
    lambda n: n.cast(pa.string()),
    padded,
    lambda n: pc.binary_join_element_wise("yuanyi-01-", padded(n), ""),
    lambda n: pc.binary_join_element_wise(padded(n), "-of-the-estate-yuanyi", ""),
    lambda n: pc.binary_join_element_wise("院一小区", n.cast(pa.string()), "号"),
], ids=["as they are", "of one length", "after words", "before words", "not ASCII"])  # fmt: skip
def test_ids_in_sequence_spread(make: object) -> None:
    found = np.sort(hashes(make(pa.array(np.arange(MANY)))))  # type: ignore[operator]
    assert not (found[1:] == found[:-1]).any()
    for shift in (56, 0):  # the bits that choose buckets, and the lowest
        counts = np.bincount((found >> np.uint64(shift) & np.uint64(255)).astype(np.int64), minlength=256)
        assert abs(counts - MANY // 256).max() < 8 * int((MANY // 256) ** 0.5)


def test_one_bit_changes_half_of_the_hash() -> None:
    for length in (1, 7, 8, 9, 15, 16, 17, 40):
        text = bytearray(b"a" * length)
        plain = int(hashes(pa.array([bytes(text)]))[0])
        for bit in range(8 * length):
            other = text.copy()
            other[bit // 8] ^= 1 << bit % 8
            assert 12 <= (plain ^ int(hashes(pa.array([bytes(other)]))[0])).bit_count() <= 52


@pytest.mark.parametrize(
    "texts", [["", "\0"], ["a", "a\0"], ["a" * 8, "a" * 8 + "\0"], ["a" * 256, "a" * 257], ["b" * 9, "b" * 10]]
)
def test_what_is_easily_taken_for_the_same(texts: list[str]) -> None:
    assert len({*hashes(pa.array(texts)).tolist(), *(int(hashes(pa.array([text]))[0]) for text in texts)}) == 2


def test_nothing_at_all() -> None:
    assert hashes(pa.array([], pa.string())).tolist() == []
    assert hashes(pa.chunked_array([], pa.string())).dtype == np.uint64
    assert len(set(hashes(pa.array(["", "", ""])).tolist())) == 1


def test_what_is_not_hashed() -> None:
    for column in (pa.array(["a", None]), pa.array(["a", None]).dictionary_encode()):
        with pytest.raises(InvariantBroken, match="nulls"):
            hashes(column)
    nowhere = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["a", None]))
    with pytest.raises(InvariantBroken, match="nulls"):
        hashes(nowhere)
    unused = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(["a", None]))
    assert hashes(unused).tolist() == hashes(pa.array(["a"])).tolist()
    with pytest.raises(ColumnError, match="as text only"):
        hashes(pa.array([1]))


def test_a_household_file_out_of_order_is_read_although_two_ids_share_a_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(households, "hashes", lambda column: np.array([len(t) for t in column.to_pylist()], np.uint64))
    estates = {"a": make_estate("a")}
    path = tmp_path / "households.csv"
    header = "household_id,estate_id,registered_on\n"
    path.write_text(header + "h2,a,2020-01-01\nh1,a,2020-01-01\nh10,a,2020-01-02\n", encoding="utf-8")
    monkeypatch.setattr(households, "count_households", lambda *_, **__: pytest.fail("the columns are sound"))
    assert read_households(path, estates)["a"].on(date(2020, 1, 2)) == 3
    monkeypatch.undo()
    path.write_text(header + "h2,a,2020-01-01\nh1,a,2020-01-01\nh2,a,2020-01-02\n", encoding="utf-8")
    with pytest.raises(DuplicateRow, match="h2 is listed twice"):
        read_households(path, estates)
