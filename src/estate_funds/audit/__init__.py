"""The auditor's side: replay the journal, re-assess from policy and registry, compare. Values in, values out."""

from estate_funds.audit.report import AuditReport, Coverage, Finding, Severity
from estate_funds.audit.run import audit

__all__ = ["AuditReport", "Coverage", "Finding", "Severity", "audit"]
