"""The journal in Arrow columns: its blocks, their leaves, and the fast twin of the gate."""

from estate_funds.columns.block import BLOCK, Columns, Drafts, Lines, Papers
from estate_funds.columns.copying import entry_copy, posting_copy
from estate_funds.columns.past import Remembered
from estate_funds.columns.rows import columns_of, entry_rows, posting_rows
from estate_funds.columns.sealing import canonical, leaves
from estate_funds.columns.twin import Posted, Twin, replay_columns

__all__ = [
    "BLOCK",
    "Columns",
    "Drafts",
    "Lines",
    "Papers",
    "Posted",
    "Remembered",
    "Twin",
    "canonical",
    "columns_of",
    "entry_copy",
    "entry_rows",
    "leaves",
    "posting_copy",
    "posting_rows",
    "replay_columns",
]
