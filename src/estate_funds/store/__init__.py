"""The journal on disk, in SQLite or PostgreSQL: rows to query, sealed blocks to replay, snapshots to start from.

Rows never leave this room; entries do. Entries are only ever added: triggers in the database forbid UPDATE and DELETE.
Each row keeps the leaf of its entry, and the last row of each batch the root of the tree over all leaves, so a change
that slips past the triggers is found by replay. The tables are described in docs/reference/store.md.
"""

from estate_funds.store.database import ledger_url, sqlite_path
from estate_funds.store.formats import Migrated
from estate_funds.store.past import StoredPast
from estate_funds.store.rows import INFLOW, Block, Snapshot, Stored, unchanged
from estate_funds.store.store import Store
from estate_funds.store.tables import FORMAT, PREFIX

__all__ = [
    "FORMAT",
    "INFLOW",
    "PREFIX",
    "Block",
    "Migrated",
    "Snapshot",
    "Store",
    "Stored",
    "StoredPast",
    "ledger_url",
    "sqlite_path",
    "unchanged",
]
