"""Verbs of a claim: promise it, pay it, give an advance back."""

from __future__ import annotations

from datetime import date

from estate_funds.assess import Claim, Status
from estate_funds.errors import CaseError
from estate_funds.funds import Account, fund_id, holder_of
from estate_funds.journal import Draft, Evidence, Kind, Posting
from estate_funds.ledger import attempt_key
from estate_funds.vouchers.drafting import C, D, Hands, arriving, budget_year, crossing, draft_of, line, liquidating

REFUND = "refund"  # the purpose that a fund must permit to give an advance back


def payer_funds(claim: Claim) -> dict[str, int]:
    """The funds that a claim is paid from, and what each owes in fen; below 0 for a refund.

    Payers that hold no fund in these books pay elsewhere, and are left out.
    """
    funds: dict[str, int] = {}
    for claimed in claim.lines:
        for share in claimed.shares:
            if share.payer in claim.booked:
                fund = fund_id(claim.provision.pays_from, share.payer, share.holder)
                funds[fund] = funds.get(fund, 0) + share.fen
    return {fund: fen for fund, fen in funds.items() if fen}


def payee_fund(claim: Claim) -> str:
    """The restricted fund that a claim is paid into; empty where the money leaves the books."""
    into = claim.provision.pays_into
    return fund_id(into, claim.payee_class, claim.payee) if into else ""


def claim_key(claim: Claim, kind: Kind) -> str:
    """The idempotency key under which a claim is encumbered or paid for the first time."""
    return f"{kind.value}/{claim.claim_id}"


def _claim_draft(
    claim: Claim, kind: Kind, on: date, hands: Hands, postings: tuple[Posting, ...], attempt: int
) -> Draft:
    if claim.status not in (Status.DUE, Status.REFUND):
        raise CaseError(f"the claim {claim.claim_id} is not due", got=claim.status, wanted="a claim that is due")
    return draft_of(
        kind,
        attempt_key(claim_key(claim, kind), attempt),
        f"{kind.value} of {claim.provision_id} to {claim.payee}, {claim.subject.name} {claim.months}",
        on=on,
        hands=hands,
        document=claim.document,
        clause=claim.provision.clause,
        policy=claim.policy_digest,
        registry=claim.registry_digest,
        purpose=claim.provision.purpose,
        payee=claim.payee,
        payee_class=claim.payee_class,
        reference=claim.claim_id,
        evidence=_documents(claim),
        postings=postings,
    )


def _documents(claim: Claim) -> tuple[Evidence, ...]:
    """What decided the claim is what it is promised and paid on."""
    return tuple(Evidence(*document) for document in claim.evidence)


def encumber(claim: Claim, *, on: date, hands: Hands, attempt: int = 1) -> Draft:
    """Promise a claim: each payer's share moves from available to encumbered, under the claim's id.

    `attempt` counts on after a reversal or a release (see `Ledger.attempt`), so that a claim can be booked again.
    """
    postings = tuple(
        posting
        for payer, fen in payer_funds(claim).items()
        if fen > 0
        for posting in (
            line(payer, Account.UNENCUMBERED, D, fen, budget_year(on)),
            line(payer, Account.ENCUMBERED, C, fen, claim.claim_id),
        )
    )
    return _claim_draft(claim, Kind.ENCUMBRANCE, on, hands, postings, attempt)


def disburse(claim: Claim, *, on: date, hands: Hands, attempt: int = 1) -> Draft:
    """Pay an encumbered claim into the payee's restricted fund, both sides of every crossing in one entry; or out."""
    postings: list[Posting] = []
    taker, purpose = payee_fund(claim), claim.provision.purpose
    for payer, fen in payer_funds(claim).items():
        if fen < 0:
            continue  # see refunds
        account, detail = (Account.TRANSFER_OUT, taker) if taker else (Account.EXPENDITURE, purpose)
        postings += liquidating(payer, line(payer, account, D, fen, detail), fen, claim.claim_id)
        postings += arriving(taker, Account.TRANSFER_IN, payer, fen, on) if taker else ()
    return _claim_draft(claim, Kind.DISBURSEMENT, on, hands, tuple(postings), attempt)


def refunds(claim: Claim, *, on: date, hands: Hands, attempt: int = 1) -> list[Draft]:
    """Give back what was advanced beyond what is owed: the payee's fund is cut by what each payer's gets."""
    drafts = []
    giver = payee_fund(claim)
    for taker, fen in payer_funds(claim).items():
        if fen >= 0:
            continue
        _, level, holder = holder_of(taker)
        drafts.append(
            draft_of(
                Kind.TRANSFER,
                attempt_key(f"{REFUND}/{claim.claim_id}/{level}/{holder}", attempt),
                f"refund of {claim.provision_id} by {claim.payee}, {claim.subject.name}",
                on=on,
                hands=hands,
                document=claim.document,
                clause=claim.provision.advance.clause if claim.provision.advance else claim.provision.clause,
                policy=claim.policy_digest,
                registry=claim.registry_digest,
                purpose=REFUND,
                payee=holder,
                payee_class=level,
                reference=claim.claim_id,
                evidence=_documents(claim),
                postings=crossing(giver, taker, -fen, on),
            )
        )
    return drafts
