"""The verbs: each turns plain values into a draft, and posts nothing itself.

open_fund -> appropriate / receive -> encumber -> disburse -> spend -> carry_forward -> close; `release` frees a
promise, `transfer` moves budget and money between funds, `reverse` books the red-letter mirror (红字冲销) of an entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from estate_funds.assess import Claim, Status
from estate_funds.calendar import Month
from estate_funds.errors import CaseError
from estate_funds.funds import Account, Fund, Side, fund_id, holder_of
from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting
from estate_funds.ledger import Ledger, attempt_key, mirror

D, C = Side.DEBIT.value, Side.CREDIT.value
REFUND = "refund"  # the purpose that a fund must permit to give an advance back


@dataclass(frozen=True, slots=True)
class Hands:
    """Who made a voucher and who approved it (制单, 审核): two people."""

    maker: str
    approver: str


def _received(fund: str, source_account: Account, detail: str, amount_fen: int, on: date) -> tuple[Posting, ...]:
    """Money arrives in a fund, and with it the authority to spend it."""
    return (
        Posting(fund, Account.CASH.value, "", D, amount_fen),
        Posting(fund, source_account.value, detail, C, amount_fen),
        Posting(fund, Account.AUTHORITY.value, "", D, amount_fen),
        Posting(fund, Account.UNENCUMBERED.value, str(on.year), C, amount_fen),
    )


def _crossing(giver: str, taker: str, amount_fen: int, on: date) -> tuple[Posting, ...]:
    """Budget and money leave one fund and arrive in another."""
    return (
        Posting(giver, Account.TRANSFER_OUT.value, taker, D, amount_fen),
        Posting(giver, Account.CASH.value, "", C, amount_fen),
        Posting(giver, Account.UNENCUMBERED.value, str(on.year), D, amount_fen),
        Posting(giver, Account.AUTHORITY.value, "", C, amount_fen),
        *_received(taker, Account.TRANSFER_IN, giver, amount_fen, on),
    )


def open_fund(fund: Fund, *, on: date, hands: Hands, policy: str = "") -> Draft:
    """Open a ring-fenced fund: its fence becomes an entry, so that replay needs no document."""
    return _definition(Kind.OPEN_FUND, fund, on, f"open/{fund.fund_id}", hands, policy)


def amend_fund(fund: Fund, *, on: date, key: str, hands: Hands, policy: str = "") -> Draft:
    """Give an open fund another fence from now on: a new list of uses, an amended document."""
    return _definition(Kind.AMEND_FUND, fund, on, key, hands, policy)


def _definition(kind: Kind, fund: Fund, on: date, key: str, hands: Hands, policy: str) -> Draft:
    return Draft(
        kind=kind,
        effective=on,
        key=key,
        maker=hands.maker,
        approver=hands.approver,
        narrative=f"{kind.value.replace('_', ' ')} {fund.fund_id}: {fund.title}",
        document=fund.document,
        clause=fund.clause,
        policy=policy,
        terms=fund.to_terms(),
    )


def appropriate(
    fund: Fund,
    source: str,
    amount_fen: int,
    *,
    on: date,
    key: str,
    hands: Hands,
    narrative: str = "",
    evidence: Iterable[Evidence] = (),
    kind: Kind = Kind.APPROPRIATION,
) -> Draft:
    """Appropriate budget to a fund, with the money (预算拨款); `receive` is the same for income that the fund earns.

    What a fund receives for others is a liability.
    """
    account = Account.PAYABLE if fund.held_for_others else Account.FUNDING
    return Draft(
        kind=kind,
        effective=on,
        key=key,
        maker=hands.maker,
        approver=hands.approver,
        narrative=narrative or f"{kind.value} of {source} to {fund.fund_id}",
        document=fund.document,
        clause=fund.clause,
        evidence=tuple(evidence),
        postings=_received(fund.fund_id, account, "" if fund.held_for_others else source, amount_fen, on),
    )


def receive(
    fund: Fund, source: str, amount_fen: int, *, on: date, key: str, hands: Hands, narrative: str = "",
    evidence: Iterable[Evidence] = (),
) -> Draft:  # fmt: skip
    """Receive income into the fund that it belongs to."""
    return appropriate(
        fund, source, amount_fen, on=on, key=key, hands=hands, narrative=narrative, evidence=evidence, kind=Kind.RECEIPT
    )


def payer_funds(claim: Claim) -> dict[str, int]:
    """The funds that a claim is paid from, and what each owes in fen; below 0 for a refund.

    Payers that hold no fund in these books pay elsewhere, and are left out.
    """
    funds: dict[str, int] = {}
    for line in claim.lines:
        for share in line.shares:
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
    return Draft(
        kind=kind,
        effective=on,
        key=attempt_key(claim_key(claim, kind), attempt),
        maker=hands.maker,
        approver=hands.approver,
        narrative=f"{kind.value} of {claim.provision_id} to {claim.payee}, {claim.subject.name} {claim.months}",
        document=claim.document,
        clause=claim.provision.clause,
        policy=claim.policy_digest,
        registry=claim.registry_digest,
        purpose=claim.provision.purpose,
        payee=claim.payee,
        payee_class=claim.payee_class,
        reference=claim.claim_id,
        postings=postings,
    )


def encumber(claim: Claim, *, on: date, hands: Hands, attempt: int = 1) -> Draft:
    """Promise a claim: each payer's share moves from available to encumbered, under the claim's id.

    `attempt` counts on after a reversal (see `Ledger.attempt`), so that the same claim can be booked again.
    """
    postings = tuple(
        posting
        for payer, fen in payer_funds(claim).items()
        if fen > 0
        for posting in (
            Posting(payer, Account.UNENCUMBERED.value, str(on.year), D, fen),
            Posting(payer, Account.ENCUMBERED.value, claim.claim_id, C, fen),
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
        spent = (Account.TRANSFER_OUT.value, taker) if taker else (Account.EXPENDITURE.value, purpose)
        postings += (
            Posting(payer, *spent, D, fen),
            Posting(payer, Account.CASH.value, "", C, fen),
            Posting(payer, Account.ENCUMBERED.value, claim.claim_id, D, fen),
            Posting(payer, Account.EXPENDED.value, "", C, fen),
        )
        postings += _received(taker, Account.TRANSFER_IN, payer, fen, on) if taker else ()
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
            Draft(
                kind=Kind.TRANSFER,
                effective=on,
                key=attempt_key(f"{REFUND}/{claim.claim_id}/{level}/{holder}", attempt),
                maker=hands.maker,
                approver=hands.approver,
                narrative=f"refund of {claim.provision_id} by {claim.payee}, {claim.subject.name}",
                document=claim.document,
                clause=claim.provision.advance.clause if claim.provision.advance else claim.provision.clause,
                policy=claim.policy_digest,
                registry=claim.registry_digest,
                purpose=REFUND,
                payee=holder,
                payee_class=level,
                reference=claim.claim_id,
                postings=_crossing(giver, taker, -fen, on),
            )
        )
    return drafts


def release(claim_id: str, funds: Mapping[str, int], *, on: date, key: str, hands: Hands, narrative: str) -> Draft:
    """Free what is encumbered for a claim that will not be paid: fen by fund."""
    postings = tuple(
        posting
        for fund, fen in funds.items()
        for posting in (
            Posting(fund, Account.ENCUMBERED.value, claim_id, D, fen),
            Posting(fund, Account.UNENCUMBERED.value, str(on.year), C, fen),
        )
    )
    return Draft(
        kind=Kind.RELEASE,
        effective=on,
        key=key,
        maker=hands.maker,
        approver=hands.approver,
        narrative=narrative,
        reference=claim_id,
        postings=postings,
    )


def spend(
    fund: Fund,
    amount_fen: int,
    *,
    purpose: str,
    payee: str,
    payee_class: str,
    on: date,
    key: str,
    hands: Hands,
    narrative: str = "",
    evidence: Iterable[Evidence] = (),
) -> Draft:
    """Spend from a restricted fund for a purpose, to a payee of a class, on evidence; or pay on what it holds."""
    spent = (Account.PAYABLE.value, "") if fund.held_for_others else (Account.EXPENDITURE.value, purpose)
    return Draft(
        kind=Kind.SPENDING,
        effective=on,
        key=key,
        maker=hands.maker,
        approver=hands.approver,
        narrative=narrative or f"{purpose}: {payee}",
        document=fund.document,
        clause=fund.clause,
        purpose=purpose,
        payee=payee,
        payee_class=payee_class,
        evidence=tuple(evidence),
        postings=(
            Posting(fund.fund_id, *spent, D, amount_fen),
            Posting(fund.fund_id, Account.CASH.value, "", C, amount_fen),
            Posting(fund.fund_id, Account.UNENCUMBERED.value, str(on.year), D, amount_fen),
            Posting(fund.fund_id, Account.EXPENDED.value, "", C, amount_fen),
        ),
    )


def transfer(
    giver: Fund,
    taker: Fund,
    amount_fen: int,
    *,
    purpose: str,
    on: date,
    key: str,
    hands: Hands,
    clause: str,
    narrative: str,
    evidence: Iterable[Evidence] = (),
) -> Draft:
    """Move budget and money from one fund to another: the giver is cut by what the taker gets, on the same day."""
    _, level, holder = taker.fund_id.split("/", 2)
    return Draft(
        kind=Kind.TRANSFER,
        effective=on,
        key=key,
        maker=hands.maker,
        approver=hands.approver,
        narrative=narrative,
        document=giver.document,
        clause=clause,
        purpose=purpose,
        payee=holder,
        payee_class=level,
        evidence=tuple(evidence),
        postings=_crossing(giver.fund_id, taker.fund_id, amount_fen, on),
    )


def reverse(entry: Entry, *, on: date, hands: Hands, narrative: str) -> Draft:
    """The red-letter mirror of an entry: negative amounts on the same sides, dated into an open period."""
    return Draft(
        kind=Kind.REVERSAL,
        effective=on,
        key=f"reversal/{entry.seq}",
        maker=hands.maker,
        approver=hands.approver,
        narrative=narrative,
        document=entry.draft.document,
        clause=entry.draft.clause,
        reference=str(entry.seq),
        postings=mirror(entry.draft.postings, on.year),
    )


def carry_forward(ledger: Ledger, year: int, *, hands: Hands) -> list[Draft]:
    """What each fund has left of a budget year goes on to the next (结转), or lapses where its document says so."""
    drafts = []
    for fund in sorted(ledger.funds.values(), key=lambda f: f.fund_id):
        left = ledger.balance(fund.fund_id, Account.UNENCUMBERED, str(year))
        if not left:
            continue
        onward = (
            Posting(fund.fund_id, Account.UNENCUMBERED.value, str(year + 1), C, left)
            if fund.carry_forward
            else Posting(fund.fund_id, Account.AUTHORITY.value, "", C, left)
        )
        drafts.append(
            Draft(
                kind=Kind.CARRY_FORWARD,
                effective=date(year, 12, 31),
                key=f"carry-forward/{year}/{fund.fund_id}",
                maker=hands.maker,
                approver=hands.approver,
                narrative=f"{'carry forward' if fund.carry_forward else 'lapse'} of {year}: {fund.fund_id}",
                document=fund.document,
                clause=fund.clause,
                postings=(Posting(fund.fund_id, Account.UNENCUMBERED.value, str(year), D, left), onward),
            )
        )
    return drafts


def close(through: Month, *, on: date, hands: Hands) -> Draft:
    """Close every period up to and including a month (结账): nothing dated earlier is booked any more."""
    return Draft(
        kind=Kind.CLOSE,
        effective=on,
        key=f"close/{through}",
        maker=hands.maker,
        approver=hands.approver,
        narrative=f"close through {through}",
        terms=(("through", str(through)),),
    )
