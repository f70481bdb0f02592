"""Every household of a register at once: the columnar twin of `assess`, over Arrow batches and any number of workers.

A provision of a case is *compiled* (`program`): the plain `assess` is asked once for each of the few ways in which
rows differ, and what it says is kept in integer tables. A row of the register then costs a few look-ups, however many
months, tiers and versions there are. What rests on numbers of the row itself, such as its area, is computed exactly in
columns (`numbers`). Totals are counts times tables, in integers: the same bytes for any order and partitioning.

coding (a row's codes) -> counted, own (what each code is owed) -> program -> files, run (partitions, executors)
beside them: divide, bills (sum 2 in groups), sweep (what if), duplicates (the same unit twice), table (bare look-ups)
"""
