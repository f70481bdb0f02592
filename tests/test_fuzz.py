"""Whatever is read: only typed errors come out, soon, and within some memory. The rule is in fuzz.py, what reads in readers.py."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from estate_funds.errors import EstateFundsError, InputError, InvariantBroken, StoreError
from fuzz import CORPUS, Broken, Reader, at_most, hold
from readers import READERS
from spoil import SHAPES, spoiled

KEPT = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
LARGEST = 8 << 10  # bytes of a kept input
INDEX = CORPUS / "index.tsv"
ALWAYS_MS, LONG_MS = 220, 1_800  # for each reader


def hold_or_keep(reader: Reader, data: bytes) -> None:
    """The rule; where it is broken, the input is kept in a file, which ends as the smallest that breaks it."""
    try:
        hold(reader, data)
    except BaseException as error:
        kept = Path(tempfile.gettempdir(), "estate-funds-fuzz", reader.name)
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(data)
        error.add_note(
            f"the input is in {kept}: mend what it broke, move it to {CORPUS / reader.name}/what-it-did, and say so in {INDEX.name}"
        )
        raise


def examples(reader: Reader, milliseconds: int) -> int:
    return max(3, milliseconds // reader.cost)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_only_typed_errors_come_out_of_what_is_spoiled(reader: Reader) -> None:
    """The same inputs in every run, so that nobody's change fails by another's luck."""
    run(reader, examples(reader, ALWAYS_MS), derandomize=True)


@pytest.mark.long
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_nor_out_of_many_more_that_differ_from_run_to_run(reader: Reader) -> None:
    run(reader, examples(reader, LONG_MS), derandomize=False)


def run(reader: Reader, count: int, *, derandomize: bool) -> None:
    @settings(
        max_examples=count,
        derandomize=derandomize,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(spoiled(reader.shape, reader.seeds()))
    def over(data: bytes) -> None:
        hold_or_keep(reader, data)

    over()


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_once_crashed_is_refused(path: Path) -> None:
    wanted, _ = told()[f"{path.parent.name}/{path.name}"]
    assert hold(READERS[path.parent.name], path.read_bytes()) == wanted


@cache
def told() -> dict[str, tuple[str, str]]:
    """What the index says of each kept input: by what it is refused now, and what it did."""
    lines = (line.split("\t") for line in INDEX.read_text(encoding="utf-8").splitlines())
    return {name: (wanted, did) for name, wanted, did in lines}


def test_what_is_kept_is_small_and_says_what_it_did() -> None:
    assert [*told()] == [f"{path.parent.name}/{path.name}" for path in KEPT]
    assert all(did for _, did in told().values())
    for path in KEPT:
        assert path.parent.name in READERS, f"no reader {path.parent.name}"
        assert path.stat().st_size <= LARGEST, f"{path} is of {path.stat().st_size} bytes"


def test_every_reader_has_seeds_of_a_known_shape() -> None:
    for reader in READERS.values():
        assert reader.shape in SHAPES
        assert all(isinstance(seed, bytes) for seed in reader.seeds())
        assert reader.seeds(), reader.name


# --- the rule itself ---


def reading(read: Callable[[], object]) -> Reader:
    return Reader("x", "text", lambda: [b""], lambda data, folder: read())


def raising(error: BaseException) -> Callable[[], object]:
    def read() -> object:
        raise error

    return read


def test_a_reader_may_return_and_may_refuse() -> None:
    assert hold(reading(lambda: "fine"), b"") == "read"
    assert hold(reading(raising(InputError("no"))), b"") == "InputError"
    assert hold(reading(lambda: [lambda: "fine", raising(InputError("no"))]), b"") == "InputError"


@pytest.mark.parametrize("error", [KeyError("x"), InvariantBroken("x"), RecursionError("x"), SystemExit(1)])
def test_nothing_else_may_come_out(error: BaseException) -> None:
    with pytest.raises(type(error)):
        hold(reading(raising(error)), b"")
    with pytest.raises(type(error)):
        hold(reading(lambda: [raising(error)]), b"")


class Long(InputError):
    """An error whose message nobody reads to its end."""

    def __str__(self) -> str:
        return "x" * 100_000


@pytest.mark.parametrize("error", [StoreError("x"), EstateFundsError("x"), Long("x")])
def test_nor_an_error_of_another_branch_or_a_message_without_an_end(error: EstateFundsError) -> None:
    with pytest.raises(Broken):
        hold(reading(raising(error)), b"")


def test_nor_may_it_take_long() -> None:
    def spin() -> None:
        while True:
            try:
                time.process_time()
            except Exception:  # a reader that swallows everything
                continue

    with pytest.raises(Broken, match="processor time"), at_most(0.1, 100):
        spin()


def test_nor_much_memory() -> None:
    with pytest.raises(Broken, match="MiB of memory"), at_most(10, 20):
        assert (
            sum(b"x" * (64 << 20)) > 0
            if not Path("/proc/self/clear_refs").exists()
            else len(bytearray(b"x") * (64 << 20))
        )
