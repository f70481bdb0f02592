"""Rules about the journal."""

from __future__ import annotations

from estate_funds.audit.rules import Rule

JOURNAL_RULES: tuple[Rule, ...] = ()

__all__ = ["JOURNAL_RULES"]
