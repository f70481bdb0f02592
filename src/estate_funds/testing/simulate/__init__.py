"""Years of a district in minutes: whatever happens, the books are those of a second ledger, and every invariant holds.

    python -m estate_funds.testing.simulate --seed 7 --steps 100000

Each *life* is a district for five years (`life`): estates enrol, households move, assessments fail, rates are amended
(`district`); money comes in, is promised, paid, lent, claimed back, lapses (`estate_funds.testing.events`); there are
two writers, clocks that are wrong, processes that are killed between any two calls, a disk that fills, tears, forgets
and rots (`disk`). After each step the ledger is held against the model (`estate_funds.testing.model`) and the ten
invariants (`invariants`). Seed and version decide everything: the same numbers give the same steps, on any machine.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import itertools
import os
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from estate_funds.errors import Refusal
from estate_funds.journal import Kind
from estate_funds.testing.events import VERBS
from estate_funds.testing.simulate.blocks import blocks_of
from estate_funds.testing.simulate.disk import FAULTS
from estate_funds.testing.simulate.district import FACTS
from estate_funds.testing.simulate.life import OUTAGES, Divergence, Life

LONGEST = 2_000  # steps of one life; five years are over before, mostly
_BLOCK = 64  # entries of a sealed block
_MEMORY = Path("/dev/shm")  # where writes cost least; what is durable is for the simulation to say


@dataclass
class Outcome:
    """What became of a simulation: steps and lives, what was reached, and what went wrong."""

    seed: int
    steps: int = 0
    lives: int = 0
    elapsed_s: float = 0
    digest: str = ""  # over the heads of all journals that were written
    reached: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def unreached(self) -> list[str]:
        """Verbs, refusals, events and faults that never came up: a simulation without them proves less than it says."""
        return [name for name in EVERYTHING if not self.reached[name]]


# All that a simulation has to come to.
EVERYTHING = (
    *(f"verb: {kind}" for kind in Kind),
    *(f"refusal: {refusal.__name__}" for refusal in Refusal.__subclasses__()),
    *(f"fault: {fault}" for fault in (*FAULTS, *OUTAGES)),
    *(f"event: {what}" for what in (*FACTS, *VERBS, "a power cut after a commit")),
)


class Lived(NamedTuple):
    """What became of one life; `failure` is empty where nothing went wrong."""

    steps: int
    head: str
    reached: Counter[str]
    failure: str = ""


def live(seed: int, steps: int) -> Lived:
    """One life from a seed."""
    place = _MEMORY if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="estate-funds-life-", dir=place) as folder, blocks_of(_BLOCK):
        life = Life(seed, Path(folder))
        gc.disable()  # a life makes few circles, and all of its books are looked through for them
        try:
            life.run(steps)
        except Divergence as found:
            return Lived(life.number, life.head, life.reached, str(found))
        finally:
            gc.enable()
        return Lived(life.number, life.head, life.reached)


def simulate(seed: int, steps: int, *, workers: int = 1) -> Iterator[Outcome]:
    """Lives of the seeds from `seed` on until there were so many steps; the outcome so far after each of them.

    Which lives there are does not depend on `workers`, the number of processes; where it is 1, that is this one.
    """
    outcome, began = Outcome(seed), time.monotonic()
    with contextlib.closing(_lives(seed, min(steps, LONGEST), workers)) as lives:
        while outcome.steps < steps and not outcome.failures:
            lived = next(lives)
            outcome.steps, outcome.lives = outcome.steps + lived.steps, outcome.lives + 1
            outcome.digest = hashlib.sha256(f"{outcome.digest} {lived.head}".encode()).hexdigest()
            outcome.reached.update(lived.reached)
            outcome.failures += [lived.failure] if lived.failure else []
            outcome.elapsed_s = time.monotonic() - began
            yield outcome


def _lives(seed: int, steps: int, workers: int) -> Generator[Lived, None, None]:
    """Life after life, of the seeds from `seed` on."""
    if workers == 1:  # none is begun before it is asked for, so what fails at once ends at once
        yield from (live(number, steps) for number in itertools.count(seed))
    with ProcessPoolExecutor(workers) as pool:
        waiting = [pool.submit(live, seed + ahead, steps) for ahead in range(2 * workers)]
        try:
            for number in itertools.count(seed + len(waiting)):
                yield waiting.pop(0).result()
                waiting.append(pool.submit(live, number, steps))
        finally:
            for future in waiting:
                future.cancel()
