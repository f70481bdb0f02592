"""The partitions of a source as parts in which `duplicates` looks for ids that stand twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from estate_funds.bulk.files import Partition, Source
from estate_funds.bulk.reading import read
from estate_funds.bulk.sources import Rows
from estate_funds.bulk.wanted import Wanted


@dataclass(frozen=True)
class SourcePart:
    """One row group of a Parquet file, or a whole CSV file, of a source."""

    of: Source
    partitions: tuple[Partition, ...]
    group: int | None
    programme: str = ""

    @property
    def source(self) -> str:
        """The file, by the name that messages give it."""
        return self.partitions[0].name

    def rows(self, columns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[Rows]:
        """The rows in order: `columns`, and those of `optional` that the files have."""
        there = [name for name in optional if name not in self.of.absent]
        wanted = [Wanted(name, pa.string(), "an id") for name in columns]
        wanted += [Wanted(name, pa.string(), "", required=False) for name in there]
        for partition in self.partitions:
            for block in read(self.of.filesystem, partition, wanted, self.of.names):
                yield Rows(np.asarray(block.numbers, np.int64), block.columns)


def parts_of_source(source: Source, *, programme: str = "") -> list[SourcePart]:
    """Every row group of the Parquet files, and every CSV file, of a source."""
    found: list[SourcePart] = []
    for partition in source.partitions:
        if partition.is_parquet:
            row = partition.first_row
            for group, rows in zip(range(partition.start, partition.end), partition.groups, strict=True):
                one = replace(partition, start=group, end=group + 1, first_row=row)
                found.append(SourcePart(source, (one,), group, programme))
                row += rows
        elif found and found[-1].group is None and found[-1].source == partition.name:
            found[-1] = replace(found[-1], partitions=(*found[-1].partitions, partition))
        else:
            found.append(SourcePart(source, (partition,), None, programme))
    return found


__all__ = ["SourcePart", "parts_of_source"]
