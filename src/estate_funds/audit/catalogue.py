"""All rules that an audit asks by default, in the order in which the report has them."""

from __future__ import annotations

from estate_funds.audit.bank_rules import BANK_RULES
from estate_funds.audit.case_rules import CASE_RULES
from estate_funds.audit.journal_rules import JOURNAL_RULES

RULES = (*JOURNAL_RULES, *CASE_RULES, *BANK_RULES)

__all__ = ["RULES"]
