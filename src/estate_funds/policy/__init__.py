"""What a policy document can say, and the strict reading of one.

A document is TOML. Loading refuses an unknown key, a missing citation, a rate without a unit, a share that does not
sum, tiers or dated values with a gap or an overlap, a name that points nowhere: each with file, key path, got and
wanted. A new city's document is a new file. `docs/reference/policy.md` explains each key; `policies/policy.schema.json`
lets an editor check and complete.
"""

from estate_funds.policy.language import (
    LEVELS,
    Document,
    Measure,
    Names,
    Node,
    PayerSplit,
    Provision,
    Rate,
    Requirement,
    Sentence,
    SettingRef,
    as_tuple,
    version_on,
)
from estate_funds.policy.reading import json_schema, parse_document, parse_toml

__all__ = [
    "LEVELS",
    "Document",
    "Measure",
    "Names",
    "Node",
    "PayerSplit",
    "Provision",
    "Rate",
    "Requirement",
    "Sentence",
    "SettingRef",
    "as_tuple",
    "json_schema",
    "parse_document",
    "parse_toml",
    "version_on",
]
