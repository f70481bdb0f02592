"""Format 2: the hash tree of RFC 6962 instead of the chain, sealed blocks, snapshots, and indexes to look things up by.

The chain is verified first, each head of it being the SHA-256 of a two byte, the head before (32 zero bytes at the
beginning) and the leaf of the entry. Leaves stay what they are, so the tree seals the very entries that the chain did.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import TEXT

from estate_funds.columns import Columns
from estate_funds.errors import DamagedEntry
from estate_funds.journal import Entry, Posting
from estate_funds.merkle import Frontier, tree_root
from estate_funds.store.rows import entry_of

revision = "0002"
down_revision = "0001"

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
_TEXTS = (
    "recorded", "policy", "registry", "kind", "effective", "key", "maker", "approver", "narrative", "document",
    "clause", "purpose", "payee", "payee_class", "reference", "terms", "evidence",
)  # fmt: skip
_LINE_TEXTS = ("fund", "account", "detail", "side")
_WORDS = "entries are never edited or deleted: reverse them"
_BLOCK = 8192
_BATCH = 2_000
# The rows that may not be replaced, by table.
_SAME = {
    "meta": "EXISTS (SELECT 1 FROM {name} WHERE only = NEW.only)",
    "entry": "NEW.seq <= (SELECT max(seq) FROM {name}) OR EXISTS (SELECT 1 FROM {name} WHERE key = NEW.key)",
    "posting": "EXISTS (SELECT 1 FROM {name} WHERE seq = NEW.seq AND line = NEW.line)",
    "block": "EXISTS (SELECT 1 FROM {name} WHERE number = NEW.number)",
    "snapshot": (
        "EXISTS (SELECT 1 FROM {name} WHERE seq = NEW.seq AND fund = NEW.fund AND account = NEW.account "
        "AND detail = NEW.detail)"
    ),
}


def upgrade() -> None:
    """Verify the chain, seal what it linked, and bring the tables to format 2."""
    options = op.get_context().opts
    tables, connection = options["tables"], op.get_bind()
    prefix, schema = tables.prefix, tables.schema

    def name(table: str) -> str:
        return tables.qualified(f"{prefix}{table}")  # type: ignore[no-any-return]

    _create("block", prefix, schema)
    _create("snapshot", prefix, schema)
    tree, first = _verify(connection, name)
    # Checkpoints are signed under this name: that of a migrated ledger is told by its first entry.
    origin = options["origin"] or f"estate-funds/{first.hex()[:16] or secrets.token_hex(8)}"
    new = {"origin": origin, "last": tree.size, "root": tree.root, "within": tree.size.to_bytes(8, "big")}
    if connection.dialect.name == "sqlite":
        _rebuild_sqlite(connection, prefix, schema, new)
    else:
        _alter_postgresql(connection, prefix, name, new)
    governing = "kind IN ('open_fund', 'amend_fund', 'close', 'reopen')"
    for table, index, columns, where in (
        ("entry", "reference", ["reference"], "reference != ''"),
        ("entry", "governing", ["seq"], governing),
        ("posting", "fund", ["fund", "seq"], None),
    ):
        partial = sa.text(where) if where else None
        op.create_index(
            f"{prefix}{table}_{index}",
            f"{prefix}{table}",
            columns,
            schema=schema or None,
            sqlite_where=partial,
            postgresql_where=partial,
        )
    _triggers(connection.dialect.name, prefix, name)


def _create(table: str, prefix: str, schema: str) -> None:
    """One table of format 2."""
    columns: dict[str, list[Any]] = {
        "meta": [
            sa.Column("only", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("format", sa.Integer, nullable=False),
            sa.Column("origin", _TEXT, nullable=False),
        ],
        "entry": [
            sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
            *(sa.Column(name, _TEXT, nullable=False, unique=name == "key") for name in _TEXTS),
            sa.Column("leaf", sa.LargeBinary, nullable=False),
            sa.Column("root", sa.LargeBinary, nullable=False),
        ],
        "posting": [
            sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
            sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
            *(sa.Column(name, _TEXT, nullable=False) for name in _LINE_TEXTS),
            sa.Column("amount_fen", _BIG, nullable=False),
        ],
        "block": [
            sa.Column("number", _BIG, primary_key=True, autoincrement=False),
            sa.Column("first_seq", _BIG, nullable=False),
            sa.Column("last_seq", _BIG, nullable=False),
            sa.Column("root", sa.LargeBinary, nullable=False),
            sa.Column("data", sa.LargeBinary, nullable=False),
        ],
        "snapshot": [
            sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
            *(sa.Column(name, _TEXT, primary_key=True) for name in ("fund", "account", "detail")),
            sa.Column("fen", _BIG, nullable=False),
        ],
    }
    clustered = {"sqlite_with_rowid": False} if table in ("posting", "snapshot") else {}
    op.create_table(f"{prefix}{table}", *columns[table], schema=schema or None, sqlite_strict=True, **clustered)


# --- the chain ---


def _verify(connection: Connection, name: Any) -> tuple[Frontier, bytes]:
    """Follow the chain and seal complete blocks; the tree and the first leaf. DamagedEntry where it does not hold."""
    tree, head, first, waiting = Frontier(), bytes(32), b"", []
    for entry, leaf, linked in _entries(connection, name):
        head = hashlib.sha256(b"\x02" + head + entry.leaf).digest()
        if entry.seq != tree.size + 1 or entry.leaf != leaf or head != linked:
            raise _broken(f"entry {entry.seq} ({entry.draft.key})", "its hash, or its link to the entry before it")
        first = first or leaf
        tree.append(leaf)
        waiting.append(entry)
        if len(waiting) == _BLOCK:
            _seal(connection, name("block"), waiting)
            waiting = []
    orphans = f"SELECT min(seq) FROM {name('posting')} WHERE seq NOT IN (SELECT seq FROM {name('entry')})"
    stray = connection.execute(sa.text(orphans)).scalar()
    if stray is not None:
        raise _broken(f"postings of entry {stray}", "there is no such entry")
    return tree, first


def _entries(connection: Connection, name: Any) -> Iterator[tuple[Entry, bytes, bytes]]:
    """The journal of format 1: each entry, the leaf stored for it, and the head after it."""
    columns = ", ".join(("seq", *_TEXTS, "leaf", "head"))
    rows_after = sa.text(f"SELECT {columns} FROM {name('entry')} WHERE seq > :last ORDER BY seq LIMIT {_BATCH}")
    lines_between = sa.text(
        f"SELECT seq, {', '.join(_LINE_TEXTS)}, amount_fen FROM {name('posting')} "
        "WHERE seq BETWEEN :first AND :last ORDER BY seq, line"
    )
    last = 0
    while rows := connection.execute(rows_after, {"last": last}).all():
        first, last = rows[0][0], rows[-1][0]
        postings: dict[int, list[Posting]] = {}
        for seq, *fields in connection.execute(lines_between, {"first": first, "last": last}).all():
            postings.setdefault(seq, []).append(Posting(*fields))
        for row in rows:
            yield entry_of(row, postings.get(row[0], ())), bytes(row[-2]), bytes(row[-1])


def _seal(connection: Connection, block: str, entries: list[Entry]) -> None:
    statement = sa.text(f"INSERT INTO {block} VALUES (:number, :first, :last, :root, :data)")
    first, last = entries[0].seq, entries[-1].seq
    root = tree_root(b"".join(entry.leaf for entry in entries))
    data = Columns.from_entries(entries).to_ipc()
    number = (first - 1) >> (_BLOCK.bit_length() - 1)
    connection.execute(statement, {"number": number, "first": first, "last": last, "root": root, "data": data})


def _broken(where: str, why: str) -> DamagedEntry:
    return DamagedEntry(
        "the chain of the journal does not hold, and is not migrated",
        where=where,
        got=why,
        fix="audit it with the version of estate_funds that wrote it, and restore the ledger from a backup",
    )


# --- the tables ---


def _rebuild_sqlite(connection: Connection, prefix: str, schema: str, new: dict[str, object]) -> None:
    """New tables, filled from the old ones: SQLite cannot change a table to one without row ids."""
    place = f"{schema}." if schema else ""
    texts, lines = ", ".join(_TEXTS), ", ".join(("seq", "line", *_LINE_TEXTS, "amount_fen"))
    fill = {
        "meta": "(only, format, origin) SELECT only, 2, :origin FROM {old}",
        "entry": (
            f"(seq, {texts}, leaf, root) SELECT seq, {texts}, leaf, "
            "CASE WHEN seq = :last THEN :root ELSE :within END FROM {old} ORDER BY seq"
        ),
        "posting": f"({lines}) SELECT {lines} FROM {{old}} ORDER BY seq, line",
    }
    for table, statement in fill.items():
        old = f"{prefix}{table}_format_1"
        op.rename_table(f"{prefix}{table}", old, schema=schema or None)
        _create(table, prefix, schema)
        text = f"INSERT INTO {place}{prefix}{table} {statement.format(old=place + old)}"
        used = {key: value for key, value in new.items() if f":{key}" in text}
        connection.execute(sa.text(text), used)
        op.drop_table(old, schema=schema or None)  # and its triggers with it


def _alter_postgresql(connection: Connection, prefix: str, name: Any, new: dict[str, object]) -> None:
    entry, posting, meta = name("entry"), name("posting"), name("meta")
    for table in ("entry", "posting"):
        op.execute(f"DROP TRIGGER {prefix}{table}_append_only ON {name(table)}")
    for table, texts in ((entry, _TEXTS), (posting, _LINE_TEXTS)):
        op.execute(f"ALTER TABLE {table} " + ", ".join(f'ALTER {text} TYPE text COLLATE "C"' for text in texts))
    within = bytes(new["within"]).hex()  # type: ignore[call-overload]
    op.execute(f"ALTER TABLE {entry} DROP head, ADD root bytea NOT NULL DEFAULT '\\x{within}'")
    connection.execute(
        sa.text(f"UPDATE {entry} SET root = :root WHERE seq = :last"), {k: new[k] for k in ("root", "last")}
    )
    op.execute(f"ALTER TABLE {entry} ALTER root DROP DEFAULT")
    op.execute(f'ALTER TABLE {meta} ALTER "only" DROP DEFAULT, ADD origin text COLLATE "C" NOT NULL DEFAULT \'\'')
    op.execute(f"DROP SEQUENCE IF EXISTS {name('meta_only_seq')}")
    connection.execute(sa.text(f"UPDATE {meta} SET format = 2, origin = :origin"), {"origin": new["origin"]})
    op.execute(f"ALTER TABLE {meta} ALTER origin DROP DEFAULT")
    op.execute(f"ALTER TABLE {name('block')} ALTER COLUMN data SET STORAGE EXTERNAL")


def _triggers(dialect: str, prefix: str, name: Any) -> None:
    if dialect != "sqlite":
        op.execute(
            f"CREATE OR REPLACE FUNCTION {name('append_only')}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{_WORDS}'; END $$"
        )
    for table, there in _SAME.items():
        plain, stop = f"{prefix}{table}", f"BEGIN SELECT RAISE(ABORT, '{_WORDS}'); END"
        if dialect == "sqlite":
            op.execute(f"CREATE TRIGGER {name(f'{table}_no_update')} BEFORE UPDATE ON {plain} {stop}")
            op.execute(f"CREATE TRIGGER {name(f'{table}_no_delete')} BEFORE DELETE ON {plain} {stop}")
            op.execute(
                f"CREATE TRIGGER {name(f'{table}_no_replace')} BEFORE INSERT ON {plain} "
                f"WHEN {there.format(name=plain)} {stop}"
            )
        else:
            op.execute(
                f"CREATE TRIGGER {plain}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name(table)} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {name('append_only')}()"
            )
            op.execute(f"ALTER TABLE {name(table)} ENABLE ALWAYS TRIGGER {plain}_append_only")
