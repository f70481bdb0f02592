"""What a measured process reports about itself. Imports little: what it imports is part of what is measured."""

from __future__ import annotations

import json
import os
import resource
import sys
import time


def report(**numbers: object) -> None:
    """Print the numbers and this process's peak memory as one JSON object."""
    print(json.dumps({**numbers, "peak_mib": Clock.peak_mib()}))


class Clock:
    """Seconds since it was made: of the wall, and of CPU, this process's and that of a database server beside it.

    The server is the one whose first process has the number in POSTMASTER; all it started counts. Only Linux tells.
    """

    def __init__(self) -> None:
        self._server = server_cpu_s()
        self._cpu = time.process_time()
        self._wall = time.perf_counter()

    def read(self, what: str) -> dict[str, float]:
        """`<what>_s` of the wall and `<what>_cpu_s` of CPU."""
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {f"{what}_s": wall, f"{what}_cpu_s": cpu + server_cpu_s() - self._server}

    @staticmethod
    def peak_mib() -> float:
        """This process's peak memory so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak_kib = peak // 1024 if sys.platform == "darwin" else peak  # macOS counts bytes, Linux KiB
        return round(peak_kib / 1024, 1)


def server_cpu_s() -> float:
    """The CPU seconds of a PostgreSQL server so far: of its processes that run, and of those that have ended."""
    first = os.environ.get("POSTMASTER", "")
    if not first or not os.path.isdir(f"/proc/{first}"):
        return 0.0
    ticks = 0
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        # After the name: state, parent, ..., then utime, stime, and those of children that have ended.
        if process == first:
            ticks += sum(map(int, fields[11:15]))
        elif fields[1] == first:
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")
