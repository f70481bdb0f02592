"""Look-ups by key: the same as a loop over rows, in chunks, and never outside the table."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estate_funds.bulk import table as module
from estate_funds.bulk.table import Table, narrow
from estate_funds.errors import InputError


@given(
    radices=st.lists(st.integers(1, 300), min_size=1, max_size=3).filter(lambda r: prod(r) <= 90_000),
    payers=st.integers(0, 3),
    rows=st.integers(0, 50),
    big=st.booleans(),
    data=st.data(),
)
def test_rows_get_what_their_keys_have(
    radices: list[int], payers: int, rows: int, big: bool, data: st.DataObject
) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    shares = [random.integers(0, 2**40 if big else 1000, prod(radices)) for _ in range(payers)]
    amounts = sum(shares) if shares else random.integers(0, 9, prod(radices))
    table = Table(tuple(radices), narrow(amounts.tolist()), tuple(narrow(share.tolist()) for share in shares))
    kinds = [np.int64, np.int16, np.uint16, np.int32]
    codes = [random.integers(0, radix, rows).astype(kinds[at % 4]) for at, radix in enumerate(radices)]
    places = [int(np.ravel_multi_index([int(code[row]) for code in codes], radices)) for row in range(rows)]
    wanted = [[int(column[place]) for place in places] for column in (amounts, *shares)]
    before, module.CHUNK = module.CHUNK, 7
    try:
        assert [column.tolist() for column in table.take(codes)] == wanted
    finally:
        module.CHUNK = before
    given_out = [np.empty(rows, column.dtype) for column in (table.amounts, *table.shares)]
    assert table.take(codes, given_out) is given_out
    assert [column.tolist() for column in given_out] == wanted


@pytest.mark.parametrize("code", [[0, 2], [-1, 0], [0, 255]])
def test_a_code_outside_the_table_is_refused(code: list[int]) -> None:
    table = Table((2, 2), narrow([1, 2, 3, 4]), ())
    with pytest.raises(InputError, match="does not have"):
        table.take([np.array([0, 1]), np.array(code)])
    with pytest.raises(InputError, match="not the codes"):
        table.take([np.array([0, 1])])


@pytest.mark.parametrize(
    ("amounts", "shares", "words"),
    [([1, 2, 3], (), "another size"), ([1, 2], ([1, 2, 3],), "another size"), ([1, 2], ([1, 1],), "do not sum")],
)
def test_a_table_is_whole(amounts: list[int], shares: tuple[list[int], ...], words: str) -> None:
    made: Any = tuple(narrow(share) for share in shares)
    with pytest.raises(InputError, match=words):
        Table((2,), narrow(amounts), made)
