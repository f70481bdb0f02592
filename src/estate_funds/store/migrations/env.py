"""What Alembic runs: the migrations, on the connection that was handed to it, in the transaction under way there.

It is started by `estate_funds.store.formats.migrate`, which holds the locks and has looked at the ledger.
"""

from __future__ import annotations

from alembic import context


def migrate() -> None:
    """Run the migrations that were asked for; nothing is begun or committed here."""
    asked = context.config.attributes
    tables = asked["tables"]
    context.configure(
        connection=asked["connection"],
        version_table=tables.version.name,
        version_table_schema=tables.schema or None,
        transactional_ddl=True,  # on SQLite too: the transaction was begun by hand
        tables=tables,
        origin=asked["origin"],
    )
    context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic runs this file
    migrate()
