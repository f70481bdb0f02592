"""Rules about the case."""

from __future__ import annotations

from estate_funds.audit.rules import Rule

CASE_RULES: tuple[Rule, ...] = ()

__all__ = ["CASE_RULES"]
