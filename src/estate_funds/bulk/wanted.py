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
