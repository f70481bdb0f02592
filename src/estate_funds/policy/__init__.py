"""What a policy document can say, and the strict reading of one.

A document is TOML. Loading refuses an unknown key, a missing citation, a rate without a unit, a share that does not
sum, tiers or dated values with a gap or an overlap, a name that points nowhere: each with file, key path, got and
wanted. A new city's document is a new file. `docs/reference/policy.md` explains each key; `policies/policy.schema.json`
lets an editor check and complete.

values -> facts -> sums, fences -> language (one document) -> names -> reading
"""

from estate_funds.policy.facts import BUILT_IN, NUMBERS, Bounds, Conditions, Derived, FactRule, Requirement
from estate_funds.policy.language import Document
from estate_funds.policy.names import walk
from estate_funds.policy.reading import (
    bind,
    json_schema,
    parse_document,
    parse_toml,
    read_toml,
    with_value,
    with_values,
)
from estate_funds.policy.sums import PERIODS, Advance, Ceiling, Limit, Once, PayerSplit, Provision, Rate, Total
from estate_funds.policy.values import LEVELS, MOST_DAYS, Dated, Names, NearDay, Node, Sentence, as_tuple, version_on

__all__ = [
    "BUILT_IN",
    "LEVELS",
    "MOST_DAYS",
    "NUMBERS",
    "PERIODS",
    "Advance",
    "Bounds",
    "Ceiling",
    "Conditions",
    "Dated",
    "Derived",
    "Document",
    "FactRule",
    "Limit",
    "Names",
    "NearDay",
    "Node",
    "Once",
    "PayerSplit",
    "Provision",
    "Rate",
    "Requirement",
    "Sentence",
    "Total",
    "as_tuple",
    "bind",
    "json_schema",
    "parse_document",
    "parse_toml",
    "read_toml",
    "version_on",
    "walk",
    "with_value",
    "with_values",
]
