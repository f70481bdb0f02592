"""Subsidy and fund accounting: official documents as data, awards to the fen, ring-fenced ledgers that replay.

    case = load_case("examples/donghu")           # documents, registry, facts
    claims = case.assess(year=2023)               # what is owed, to whom, under which clause
    with Books.open("books.db") as books:
        books.run(case)                           # appropriations, payments, spendings, year ends
        books.audit(case).raise_for_findings()

Names load on first use, so that importing the package is light.
PYTEST_DONT_REWRITE: an application may import this package, which has a plugin for pytest, before it starts pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from estate_funds.assess import Claim, Claims
    from estate_funds.books import Books
    from estate_funds.bundle import audit_bundle
    from estate_funds.case import Case
    from estate_funds.errors import EstateFundsError, FindingsError, InputError, Refusal, StoreError
    from estate_funds.load import load_case, load_document
    from estate_funds.money import allocate, format_yuan, parse_yuan
    from estate_funds.registry import Assessment, Assessments, Estate, Household, Registry

__version__ = "0.1.0"

_HOMES = {
    "bundle": ("audit_bundle",),
    "assess": ("Claim", "Claims"),
    "books": ("Books",),
    "case": ("Case",),
    "load": ("load_case", "load_document"),
    "errors": ("EstateFundsError", "FindingsError", "InputError", "Refusal", "StoreError"),
    "money": ("allocate", "format_yuan", "parse_yuan"),
    "registry": ("Assessment", "Assessments", "Estate", "Household", "Registry"),
}
_HOME_OF = {name: room for room, names in _HOMES.items() for name in names}

__all__ = [
    "Assessment",
    "Assessments",
    "Books",
    "Case",
    "Claim",
    "Claims",
    "Estate",
    "EstateFundsError",
    "FindingsError",
    "Household",
    "InputError",
    "Refusal",
    "Registry",
    "StoreError",
    "__version__",
    "allocate",
    "audit_bundle",
    "format_yuan",
    "load_case",
    "load_document",
    "parse_yuan",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'estate_funds' has no attribute {name!r}")
    value = getattr(import_module(f"estate_funds.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
