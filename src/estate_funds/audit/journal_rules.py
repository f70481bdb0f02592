"""Rules about the journal: what needs nothing but its entries, in the order of the report.

They stand in four modules by what they look at: the way of the money, payments, budgets, and who books what when.
"""

from __future__ import annotations

from estate_funds.audit.rules import Rule
from estate_funds.audit.rules_of_budget import BUDGET_RULES
from estate_funds.audit.rules_of_hands import HAND_RULES
from estate_funds.audit.rules_of_money import MONEY_RULES
from estate_funds.audit.rules_of_payments import PAYMENT_RULES

JOURNAL_RULES: tuple[Rule, ...] = (*MONEY_RULES, *PAYMENT_RULES, *BUDGET_RULES, *HAND_RULES)

__all__ = ["JOURNAL_RULES"]
