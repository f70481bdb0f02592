"""Whether the triggers that forbid edits stand as they were made, and no others.

Who means to edit takes them away first, and may forget to put them back, or put back something that looks like them.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection

from estate_funds.store.rows import Statements, run
from estate_funds.store.tables import WORDS, Tables, finishing

_STATEMENT_BEFORE = 58  # pg_trigger.tgtype: before UPDATE, DELETE and TRUNCATE, once a statement
_POSTGRESQL = (
    "SELECT c.relname, t.tgname, t.tgenabled, t.tgtype, p.prosrc FROM pg_trigger AS t "
    "JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid "
    "WHERE NOT t.tgisinternal AND c.oid IN ({regclasses})"
)
Guards = dict[str, str]  # trigger -> all that makes it what it is


def altered_guards(connection: Connection, sql: Statements) -> list[str]:
    """The triggers on the tables of a ledger that are missing, others than they were, or not this library's."""
    sqlite = connection.dialect.name == "sqlite"
    found = (_in_sqlite if sqlite else _in_postgresql)(connection, sql)
    wanted = (_of_sqlite if sqlite else _of_postgresql)(sql.tables)
    return sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))


def _of_sqlite(tables: Tables) -> Guards:
    statements = (_plain(statement) for statement in finishing(tables, "sqlite"))
    return {_name(statement): statement for statement in statements}


def _in_sqlite(connection: Connection, sql: Statements) -> Guards:
    tables = sql.tables
    names = ", ".join(f"'{table.name}'" for table in tables.journal)
    catalogue = tables.qualified("sqlite_master")
    asked = f"SELECT sql FROM {catalogue} WHERE type = 'trigger' AND tbl_name IN ({names})"
    statements = (_plain(statement) for (statement,) in run(connection, asked).fetchall())
    return {_name(statement): statement for statement in statements}


def _name(statement: str) -> str:
    return statement.split(" ")[2]


def _plain(statement: str) -> str:
    """A statement without what does not matter: blanks, quotes around names, and the schema that it was made in."""
    plain = re.sub(r"\s+", " ", statement.replace('"', "")).strip()
    return re.sub(r"^CREATE TRIGGER \w+\.", "CREATE TRIGGER ", plain)


def _of_postgresql(tables: Tables) -> Guards:
    body = f" BEGIN RAISE EXCEPTION '{WORDS}'; END "
    names = [table.name for table in tables.journal]
    return {f"{name}_append_only": str((name, "A", _STATEMENT_BEFORE, body)) for name in names}


def _in_postgresql(connection: Connection, sql: Statements) -> Guards:
    regclasses = ", ".join(f"'{sql.tables.qualified(table.name)}'::regclass" for table in sql.tables.journal)
    rows = run(connection, _POSTGRESQL.format(regclasses=regclasses)).fetchall()
    text = [[part.decode() if isinstance(part, bytes) else part for part in row] for row in rows]
    return {name: str((table, enabled, kind, body)) for table, name, enabled, kind, body in text}
