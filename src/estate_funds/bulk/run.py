"""A run over all partitions: on this process, on the cores of this machine, or on a cluster; and on again after a stop.

A task is one partition, and a task that ran twice is harmless: it writes the same bytes under the same name. Totals are
taken from the finished files, once each, so no stop, no dead worker and no second try counts anything twice.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import secrets
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.fs

from estate_funds.bulk.cells import ID, with_id
from estate_funds.bulk.files import Partition, Source, open_source
from estate_funds.bulk.folder import (
    ROWS,
    Job,
    ResultFile,
    bind,
    check_apart,
    check_local,
    check_once,
    finished,
    footer_of,
    forget_totals,
    locked,
    planned,
    whole_file,
    write_ends,
)
from estate_funds.bulk.program import Program
from estate_funds.bulk.reading import read
from estate_funds.bulk.result import Result, exact_sum
from estate_funds.bulk.summing import Summary, Sums
from estate_funds.errors import EstateFundsError, InvariantBroken, OutputError, TableError
from estate_funds.registry import Estate

MOST_TRIES = 3  # of a partition whose worker died
IN_FLIGHT = 2  # tasks for each worker: one that runs, and one that waits for it
_LOOKS = 5  # at a file that another machine has written
# What the future of a cluster raises when a worker is gone; by name, for the library of the cluster may not be here.
_LOST = frozenset({"KilledWorker", "CommClosedError", "FutureCancelledError", "FuturesCancelledError"})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: partitions, rows and bytes done, of how many; what an earlier run did is not among the rows."""

    partitions: int
    of_partitions: int
    rows: int
    size: int
    of_size: int


@dataclass(frozen=True, slots=True)
class Task:
    """One partition, and all that a worker needs for it."""

    program: bytes
    job: Job
    filesystem: pa.fs.FileSystem
    partition: Partition
    out: str
    token: str  # a cluster takes two tasks that are equal for one


def run(
    program: Program,
    source: Source | str | Path,
    out: str | Path,
    *,
    executor: Executor | None = None,
    workers: int = 1,
    ids: bool = True,
    about: Mapping[str, str] | None = None,
    estates: Mapping[str, Estate] | None = None,
    checks: Mapping[str, Callable[[Path], None]] = MappingProxyType({}),
    progress: Callable[[Progress], None] = lambda progress: None,
) -> Summary:
    """Assess every partition into the folder `out`, and write totals when all are there.

    `source` is what `open_source` gives, or an address that it takes. Any `executor` does, and has two tasks at a time
    for each of `workers`. Without one, this process works alone for one worker or one partition, else as many processes
    do, one core each. `about` says of what, for people: document, provision, window. `estates` say where an estate
    lies. Each of `checks`, by name, is asked once in the life of a folder, before any row is assessed: it gets the
    folder, and raises what it finds. Run again, the run goes on where it was stopped, and does nothing twice.

    Raises CellError, ColumnError or TableError for what is wrong with the households; BulkError for a folder that holds
    results of another program or of other households; OutputError where it cannot be written, or another run works in
    it. What is finished stays.
    """
    folder = check_local(out)
    if not isinstance(source, Source):
        source = open_source(source, with_id(program.columns, ids), planned=planned(folder))
    check_apart(folder, source)
    job = Job(program.digest, program.payers, tuple((about or {}).items()), ids, tuple(source.names.items()))
    total, waiting = Sums(), deque[Partition]()
    with locked(folder):
        bind(folder, job, source)
        check_once(folder, checks)
        for partition in source.partitions:
            if (totals := finished(folder, job, partition)) is None:
                waiting.append(partition)
            else:
                total.add(totals)
        before = len(source.partitions) - len(waiting)
        if waiting:
            forget_totals(folder)
            work = _Work(program, job, source, folder, total, progress)
            work.done_before(waiting)
            if executor is None and min(workers, len(waiting)) <= 1:
                work.alone(waiting)
            else:
                with _pool(executor, workers) as pool:
                    work.together(waiting, pool, max(1, workers) * IN_FLIGHT)
        if not total.rows:
            raise TableError("the household files have no rows", where=source.address)
        payers = tuple(program.payers)
        told = dict(about or {})
        summary = Summary(told, payers, total.totals(), estates or {}, len(source.partitions), before, source.absent)
        write_ends(folder, summary)
    return summary


@dataclass(slots=True)
class _Work:
    """The work of a run, and what is done of it."""

    program: Program
    job: Job
    source: Source
    folder: Path
    total: Sums
    progress: Callable[[Progress], None]
    state: Progress = Progress(0, 0, 0, 0, 0)

    def done_before(self, waiting: deque[Partition]) -> None:
        left, size = sum(partition.size for partition in waiting), self.source.size
        done, count = len(self.source.partitions) - len(waiting), len(self.source.partitions)
        self.state = Progress(done, count, 0, size - left, size)
        self.progress(self.state)

    def count(self, partition: Partition, rows: int) -> None:
        """Take the totals of a partition that is done from its file."""
        for look in range(_LOOKS):
            totals = finished(self.folder, self.job, partition)
            if totals is not None and totals.rows == rows:
                break
            time.sleep(min(look, 1))  # the file of another machine may not be seen at once
        else:
            path = self.folder.joinpath(ROWS, partition.result)
            raise OutputError(
                "the file of results is not what a worker says that it wrote",
                where=str(path),
                wanted=f"{rows:,} rows",
                fix="all workers write into one folder: give --out a path that all machines have in common",
            )
        self.total.add(totals)
        state = self.state
        self.state = replace(
            state, partitions=state.partitions + 1, rows=state.rows + rows, size=state.size + partition.size
        )
        self.progress(self.state)

    def alone(self, waiting: deque[Partition]) -> None:
        while waiting:
            partition = waiting.popleft()
            self.count(
                partition, assess_partition(self.program, self.job, self.source.filesystem, partition, self.folder)
            )

    def together(self, waiting: deque[Partition], pool: _Pool, most: int) -> None:
        """Partitions on an executor, a few at a time; those that a worker may have died of are tried one by one."""
        program, out = pickle.dumps(self.program), str(self.folder.absolute())
        running, tries, suspects = dict[Future[int], Partition](), Counter[Partition](), set[Partition]()
        try:
            while waiting or running:
                while waiting and len(running) < (1 if suspects else most):
                    partition = waiting.popleft()
                    task = Task(program, self.job, self.source.filesystem, partition, out, secrets.token_hex(8))
                    running[pool.submit(assess_task, task)] = partition
                done, _ = wait(running, timeout=1, return_when=FIRST_COMPLETED)
                for future in done:
                    partition = running.pop(future)
                    rows = _rows_of(future)
                    if rows is not None:
                        suspects.discard(partition)
                        self.count(partition, rows)
                        continue
                    tries[partition] += 1
                    suspects.add(partition)
                    waiting.appendleft(partition)
                    if tries[partition] >= MOST_TRIES:
                        raise _worker_died(partition, future)
        finally:
            for future in running:
                future.cancel()


def _rows_of(future: Future[int]) -> int | None:
    """The rows of a task that is done; None where its worker was lost."""
    try:
        return future.result()
    except (BrokenExecutor, CancelledError):
        return None
    except EstateFundsError:
        raise
    except Exception as error:
        if type(error).__name__ in _LOST:
            return None
        raise


def _worker_died(partition: Partition, future: Future[int]) -> OutputError:
    error = None if future.cancelled() else future.exception()
    return OutputError(
        f"the workers that had this partition died, {MOST_TRIES} times",
        where=f"{partition.name}, from row {partition.first_row}",
        got=f"{type(error).__name__}: {error}" if error else "cancelled",
        fix="it may need more memory than there is: fewer workers, or smaller files; a script of yours that starts "
        "workers does so under `if __name__ == '__main__':`",
    )


# --- who works ---


class _Pool:
    """An executor of the caller's; or processes of our own, made anew when one of them dies."""

    def __init__(self, executor: Executor | None, workers: int) -> None:
        self._given, self._workers = executor, workers
        self._own: ProcessPoolExecutor | None = None

    def submit(self, work: Callable[[Task], int], task: Task) -> Future[int]:
        if self._given is not None:
            return self._given.submit(work, task)
        try:
            return self._processes().submit(work, task)
        except BrokenExecutor:
            self.close()
            return self._processes().submit(work, task)

    def _processes(self) -> ProcessPoolExecutor:
        if self._own is None:
            self._own = ProcessPoolExecutor(
                self._workers, mp_context=multiprocessing.get_context("spawn"), initializer=begin_worker
            )
        return self._own

    def close(self) -> None:
        """Wait for what runs, and let the processes go."""
        if self._own is not None:
            self._own.shutdown(wait=True, cancel_futures=True)
            self._own = None


@contextmanager
def _pool(executor: Executor | None, workers: int) -> Iterator[_Pool]:
    pool = _Pool(executor, workers)
    try:
        yield pool
    finally:
        pool.close()


def begin_worker() -> None:
    """What a process of our own does first: one core, no ear for ctrl-C, and an end when its parent has one."""
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


# --- the work ---


def assess_task(task: Task) -> int:
    """A partition, in whatever process: how many rows it had."""
    return assess_partition(_loaded(task.program), task.job, task.filesystem, task.partition, Path(task.out))


@lru_cache(maxsize=2)
def _loaded(program: bytes) -> Program:
    loaded: Program = pickle.loads(program)
    return loaded


def assess_partition(program: Program, job: Job, filesystem: pa.fs.FileSystem, partition: Partition, out: Path) -> int:
    """Assess the rows of a partition into its file of results, which appears when it is whole: how many rows."""
    wanted = with_id(program.columns, job.ids)
    own = [column.name for column in program.columns]
    sums, paid = Sums(), dict.fromkeys(program.payers, 0)
    with whole_file(out.joinpath(ROWS, partition.result)) as file:
        results = ResultFile(file, job)
        try:
            for block in read(filesystem, partition, wanted, dict(job.names)):
                if not len(block.columns):
                    continue
                result = program.assess(block.columns.select(own), place=block.cell)
                _check(result, len(block.columns), program.payers, block.place(0))
                ids = [block.columns[ID]] if job.ids else []
                shares = [result.shares[payer] for payer in program.payers]
                results.write([*ids, *map(pa.array, (result.amounts, *shares, result.trace))])
                sums.add(result.totals)
                for payer, share in zip(program.payers, shares, strict=True):
                    paid[payer] += exact_sum(share)
            totals = sums.totals()
            if totals.shares != {payer: fen for payer, fen in paid.items() if fen} or totals.rows != results.rows:
                raise InvariantBroken(f"{partition.name}: the totals are not those of the rows")
            results.finish(footer_of(job, partition, results.rows, totals.to_json()))
        except BaseException:
            results.abandon()
            raise
    return results.rows


def _check(result: Result, rows: int, payers: tuple[str, ...], where: str) -> None:
    """InvariantBroken unless the shares of each row sum to its amount."""
    columns = [result.amounts, *(result.shares[payer] for payer in payers), result.trace]
    if any(column.dtype != np.int64 or column.shape != (rows,) for column in columns):
        raise InvariantBroken(f"{where}: results are int64 of shape ({rows},)")
    left = result.amounts.copy()
    for payer in payers:
        left -= result.shares[payer]
    if left.any():
        raise InvariantBroken(f"{where}: the shares do not sum to the amount")


__all__ = ["Progress", "assess_partition", "run"]
