"""Hypothesis strategies in the words of this library, for tests of what reads, writes or uses it.

    from hypothesis import given
    from estate_funds.testing import strategies as ef

    @given(ef.journals(min_size=10))
    def test_my_export_loses_nothing(journal): ...

Plural nouns; options by keyword, refused by Hypothesis' InvalidArgument where they do not go together. Each says what
it shrinks to, and `simplest` shows it. docs/testing.md has a table of all.

values -> documents, spoiled, registers -> ledgers
"""

from estate_funds.testing.strategies.documents import document_texts, documents
from estate_funds.testing.strategies.ledgers import (
    SIGNER,
    bundle_of,
    bundles,
    drafts,
    events,
    funds,
    histories,
    journals,
    permits,
    play,
)
from estate_funds.testing.strategies.registers import (
    assessments,
    ballots,
    cohorts,
    estates,
    households,
    registries,
)
from estate_funds.testing.strategies.spoiled import SPOILS, BarelyInvalid, barely_invalid_documents
from estate_funds.testing.strategies.values import (
    amounts,
    days,
    months,
    periods,
    rates,
    service_years,
    simplest,
    yuan_texts,
)

__all__ = [
    "SIGNER",
    "SPOILS",
    "BarelyInvalid",
    "amounts",
    "assessments",
    "ballots",
    "barely_invalid_documents",
    "bundle_of",
    "bundles",
    "cohorts",
    "days",
    "document_texts",
    "documents",
    "drafts",
    "estates",
    "events",
    "funds",
    "histories",
    "households",
    "journals",
    "months",
    "periods",
    "permits",
    "play",
    "rates",
    "registries",
    "service_years",
    "simplest",
    "yuan_texts",
]
