"""The columns that a program reads."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Wanted:
    """A column: its Arrow type, what it says, whether it has to be there.

    A number is decimal128(18, places) or an integer; a program takes any decimal of up to 18 digits.
    """

    name: str
    type: pa.DataType
    about: str
    required: bool = True
    few: bool = False  # few texts, each in many rows: read as a dictionary


# Where a household is, from when, and until when.
STAYS = (
    Wanted("estate_id", pa.string(), "an estate_id of estates.csv", few=True),
    Wanted("registered_on", pa.date32(), "first day in the register"),
    Wanted("removed_on", pa.date32(), "first day no longer in it; null while it is", required=False),
)
