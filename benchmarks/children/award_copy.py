"""The bare cost: NumPy copies the columns of the award, the two that are read and the three that are written.

Usage: award_copy.py TASK ROWS
"""

from __future__ import annotations

import numpy as np
from award import Columns, Task, measure, outputs

Pairs = list[tuple[np.ndarray, np.ndarray]]


def prepare(task: Task, started: np.ndarray, passed: np.ndarray) -> Pairs:
    """Each column with room for its copy, the pages of which are there."""
    return [(column, np.full_like(column, 1)) for column in (started, passed, *outputs(len(started)))]


def copy(pairs: Pairs) -> Columns:
    """Copy, and compute nothing."""
    for column, room in pairs:
        np.copyto(room, column)
    _, _, (_, amount), (_, city), (_, district) = pairs
    return amount, city, district


measure(prepare, copy)
