"""The bank map, a few lines of TOML that say what statements do not: funds, columns, names. See docs/bank.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from estate_funds.audit.bank import MOST_DAYS, Bank
from estate_funds.errors import InputError, nearest
from estate_funds.exchange.bank import NAMES, Told, read_statement
from estate_funds.exchange.tables import read_text
from estate_funds.policy import NearDay, Node, Sentence, as_tuple
from estate_funds.policy.reading import parse_toml

Names = Annotated[tuple[Sentence, ...], BeforeValidator(as_tuple)]
Days = Annotated[int, Field(ge=0, le=MOST_DAYS)]


class StatementFile(Node):
    """What is to be known of the statements whose file is called so; `file` may have * and ?."""

    file: Sentence
    account: str = ""
    holder: str = ""
    funds: Names = ()
    start: NearDay | None = None
    end: NearDay | None = None
    columns: dict[str, Sentence] = {}


class BankMap(Node):
    """What a bank map says."""

    days: Days = 10
    late_days: Days = 92
    banking_days: Days = 3
    names: dict[str, Names] = {}
    statements: Annotated[tuple[StatementFile, ...], BeforeValidator(as_tuple)] = ()


def read_bank(paths: Iterable[str | Path], bank_map: str | Path | None = None) -> Bank:
    """Bank statements from files, with what a bank map says of them: for `Books.audit(bank=...)`.

    Raises TableError and its kin for what is not understood in a statement, InputError for a map that is not one or
    that speaks of a file which is not given.
    """
    files = [Path(path) for path in paths]
    told = _read_map(Path(bank_map)) if bank_map is not None else BankMap()
    for role in sorted({role for one in told.statements for role in one.columns}):
        if role not in NAMES:
            raise InputError(
                "not a column that a statement has", where=str(bank_map), got=role, fix=nearest(role, NAMES)
            )
    for one in told.statements:
        if not any(fnmatchcase(path.name, one.file) for path in files):
            given = ", ".join(path.name for path in files)
            raise InputError("a statement of the map is not given", where=str(bank_map), got=given, wanted=one.file)
    return Bank(
        tuple(read_statement(path, _told(path.name, told.statements)) for path in files),
        dict(told.names),
        days=told.days,
        late_days=max(told.days, told.late_days),
        banking_days=told.banking_days,
    )


def _read_map(path: Path) -> BankMap:
    return parse_toml(BankMap, read_text(path), source=path.name, error=InputError)


def _told(name: str, said: Sequence[StatementFile]) -> Told:
    """What the map says of a file: the first table whose name fits."""
    for one in said:
        if fnmatchcase(name, one.file):
            return Told(one.account, one.holder, one.funds, one.start, one.end, one.columns)
    return Told()


__all__ = ["BankMap", "StatementFile", "read_bank"]
