"""What a measured process reports about itself. Imports little: what it imports is part of what is measured."""

from __future__ import annotations

import json
import resource
import sys


def report(**numbers: object) -> None:
    """Print the numbers and this process's peak memory as one JSON object."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_kib = peak // 1024 if sys.platform == "darwin" else peak  # macOS counts bytes, Linux KiB
    print(json.dumps({**numbers, "peak_mib": round(peak_kib / 1024, 1)}))
