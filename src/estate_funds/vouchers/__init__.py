"""The verbs: each turns plain values into a draft, and posts nothing itself.

* funds: `open_fund`, `amend_fund`, `appropriate`, `receive`, `transfer`, `lend`, `repay`, `carry_forward`, `surrender`,
  `close`, `reopen`;
* claims: `encumber`, `disburse`, `refunds`;
* contracts: `promise`, `advance`, `spend`, `settle`, `release`, `expire`;
* corrections: `reverse` (in red, or in blue for an earlier year), `claw_back`, `recover`, `waive`, `refused`.
"""

from estate_funds.vouchers import contracts
from estate_funds.vouchers.claims import REFUND, claim_key, disburse, encumber, payee_fund, payer_funds, refunds
from estate_funds.vouchers.contracts import promise_key
from estate_funds.vouchers.corrections import claw_back, recover, refused, reverse, waive
from estate_funds.vouchers.drafting import Hands, verb
from estate_funds.vouchers.funds import (
    amend_fund,
    appropriate,
    carry_forward,
    close,
    lend,
    open_fund,
    receive,
    reopen,
    repay,
    surrender,
    transfer,
)

advance, promise, spend = verb(contracts.advance), verb(contracts.promise), verb(contracts.spend)
expire, release, settle = verb(contracts.expire), verb(contracts.release), verb(contracts.settle)

__all__ = [
    "REFUND",
    "Hands",
    "advance",
    "amend_fund",
    "appropriate",
    "carry_forward",
    "claim_key",
    "claw_back",
    "close",
    "disburse",
    "encumber",
    "expire",
    "lend",
    "open_fund",
    "payee_fund",
    "payer_funds",
    "promise",
    "promise_key",
    "receive",
    "recover",
    "refunds",
    "refused",
    "release",
    "reopen",
    "repay",
    "reverse",
    "settle",
    "spend",
    "surrender",
    "transfer",
    "waive",
]
