"""What is owed, to whom, by whom, under which clause, and why: the plain, scalar truth.

Everything here is one of two sums: `rate_times_base` (18 yuan x households x months) or `total_over_weights` (a pool
over scores, a bill over floor areas). `assess` walks one provision over a registry and returns claims whose every line
carries its clause, inputs, arithmetic and result, including the lines that pay nothing. Pure: no clock, no files.

view (facts) -> gates (may it be paid) -> division (among payers) -> walk (sum 1), divide (sum 2) -> limits
"""

from __future__ import annotations

from collections.abc import Sequence

from estate_funds.assess.claim import Claim, Claims, Line, Outcome, Share, Status
from estate_funds.assess.divide import divisions
from estate_funds.assess.limits import apply_limits
from estate_funds.assess.view import View
from estate_funds.assess.walk import Walk, pro_rata
from estate_funds.calendar import Months
from estate_funds.policy import Document
from estate_funds.registry import Assessments, Registry


def assess(
    document: Document,
    provision_id: str,
    registry: Registry,
    assessments: Assessments,
    *,
    window: Months,
    above: Sequence[Document] = (),
    below: Sequence[Document] = (),
) -> Claims:
    """Compute every claim of a provision whose period begins in `window`.

    `above` are documents that replace this provision on the days they are in force, `below` those it replaces. Ceilings
    and once-only keys hold over several provisions: `apply_limits` applies them.

    Raises NoRuleInForce where no version of a value covers its anchor, CellError for an assessment result that the
    document does not know.
    """
    provision = document.provision(provision_id)
    walk = Walk(document, provision_id, provision, registry, assessments, tuple(above), tuple(below))
    return Claims(walk.claims(window) if provision.sum == "rate_times_base" else divisions(walk, window))


__all__ = [
    "Claim",
    "Claims",
    "Line",
    "Outcome",
    "Share",
    "Status",
    "View",
    "apply_limits",
    "assess",
    "pro_rata",
]
