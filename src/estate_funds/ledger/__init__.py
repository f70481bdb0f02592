"""The ledger: state, the gate in front of it, and replay through the same gate."""

from estate_funds.ledger.gate import Ledger, changes_of, refold, replay
from estate_funds.ledger.records import (
    PAYMENTS,
    BalanceKey,
    Booked,
    Past,
    Promise,
    add_to,
    attempt_key,
    booked_of,
    expiry,
    grown,
    lapsed,
    mirror,
    release_key,
    renewed,
    swapped,
)
from estate_funds.ledger.shapes import SHAPES

__all__ = [
    "PAYMENTS",
    "SHAPES",
    "BalanceKey",
    "Booked",
    "Ledger",
    "Past",
    "Promise",
    "add_to",
    "attempt_key",
    "booked_of",
    "changes_of",
    "expiry",
    "grown",
    "lapsed",
    "mirror",
    "refold",
    "release_key",
    "renewed",
    "replay",
    "swapped",
]
