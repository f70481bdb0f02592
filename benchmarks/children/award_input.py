"""The input of the award and nothing else: what memory it takes before anything is computed.

Usage: award_input.py TASK ROWS
"""

from __future__ import annotations

import sys

from award import TASKS, households
from measure import report

started, passed = households(TASKS[sys.argv[1]], int(sys.argv[2]))
report(rows=len(started), bytes=started.nbytes + passed.nbytes)
