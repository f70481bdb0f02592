"""Rules about the bank."""

from __future__ import annotations

from estate_funds.audit.rules import Rule

BANK_RULES: tuple[Rule, ...] = ()

__all__ = ["BANK_RULES"]
