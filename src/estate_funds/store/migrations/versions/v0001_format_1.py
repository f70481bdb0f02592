"""Format 1: entries linked in a chain, each with the head of the journal after it.

Ledgers of this format stand at this version without saying so; it is here to be the ground of what follows.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXTS = (
    "recorded", "policy", "registry", "kind", "effective", "key", "maker", "approver", "narrative", "document",
    "clause", "purpose", "payee", "payee_class", "reference", "terms", "evidence",
)  # fmt: skip
_WORDS = "entries are never edited or deleted: reverse them"


def upgrade() -> None:
    """The tables of format 1, empty."""
    tables = op.get_context().opts["tables"]
    prefix, schema = tables.prefix, tables.schema or None
    op.create_table(
        f"{prefix}meta",
        sa.Column("only", sa.Integer, primary_key=True),
        sa.Column("format", sa.Integer, nullable=False),
        schema=schema,
        sqlite_strict=True,
    )
    op.create_table(
        f"{prefix}entry",
        sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False, unique=name == "key") for name in _TEXTS),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        schema=schema,
        sqlite_strict=True,
    )
    op.create_table(
        f"{prefix}posting",
        sa.Column("seq", _BIG, primary_key=True, autoincrement=False),
        sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("fund", "account", "detail", "side")),
        sa.Column("amount_fen", _BIG, nullable=False),
        schema=schema,
        sqlite_strict=True,
    )
    names = (f"{prefix}entry", f"{prefix}posting")
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers(names, tables.qualified)
    else:
        _postgresql_triggers(names, f"{prefix}append_only", tables.qualified)
    op.execute(f'INSERT INTO {tables.qualified(f"{prefix}meta")} ("only", format) VALUES (1, 1)')


def _sqlite_triggers(names: tuple[str, str], qualified) -> None:  # type: ignore[no-untyped-def]
    same = ("seq = NEW.seq OR key = NEW.key", "seq = NEW.seq AND line = NEW.line")
    for name, there in zip(names, same, strict=True):
        stop = f"BEGIN SELECT RAISE(ABORT, '{_WORDS}'); END"
        op.execute(f"CREATE TRIGGER {qualified(f'{name}_no_update')} BEFORE UPDATE ON {name} {stop}")
        op.execute(f"CREATE TRIGGER {qualified(f'{name}_no_delete')} BEFORE DELETE ON {name} {stop}")
        op.execute(
            f"CREATE TRIGGER {qualified(f'{name}_no_replace')} BEFORE INSERT ON {name} "
            f"WHEN EXISTS (SELECT 1 FROM {name} WHERE {there}) {stop}"
        )


def _postgresql_triggers(names: tuple[str, str], function: str, qualified) -> None:  # type: ignore[no-untyped-def]
    op.execute(
        f"CREATE FUNCTION {qualified(function)}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_WORDS}'; END $$"
    )
    for name in names:
        op.execute(
            f"CREATE TRIGGER {name}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {qualified(name)} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {qualified(function)}()"
        )
