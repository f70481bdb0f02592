"""Journals for beancount, hledger and ledger: anyone re-checks the books with a tool that we did not write.

All three get the same account names, of characters that each of them takes. A fund is a sub-tree:

    Assets:Fund-award-budget:Level-city:Holder-南昌市:Cash
    Equity:Budget:Fund-award-budget:Level-city:Holder-南昌市:Unencumbered:Detail-2024

Money is in `CNY`. The budget (平行记账) stands under `Equity:Budget` in a commodity of its own, `BUDGET`, of which one
is one yuan of budget: so no report adds what may be spent to what is there. At the end stand the balances that these
books have, as assertions of the tool's own kind: a tool that adds up differently says so by itself.

Names are reversible (`account_key`): what is neither an ASCII letter or digit, nor a hyphen, nor a common Chinese
character, and the letter X, is written as X, its code point in hexadecimal, X. What is longer than 80 characters goes
on in a part `More-`. Text of entries is quoted as beancount does, and for hledger and ledger percent-encoded where it
would mean something to them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache

from estate_funds.exchange.outline import Key, Outline, labelled, yuan
from estate_funds.funds import BUDGET, Account, Side
from estate_funds.journal import Entry

MONEY_UNIT, BUDGET_UNIT = "CNY", "BUDGET"
_ROOTS = {
    Account.CASH: "Assets",
    Account.ADVANCED: "Assets",
    Account.RECEIVABLE: "Assets",
    Account.DUE_FROM: "Assets",
    Account.PAYABLE: "Liabilities",
    Account.DUE_TO: "Liabilities",
    Account.FUNDING: "Income",
    Account.TRANSFER_IN: "Income",
    Account.RECOVERY: "Income",
    Account.EXPENDITURE: "Expenses",
    Account.TRANSFER_OUT: "Expenses",
    Account.SURRENDERED: "Expenses",
} | dict.fromkeys(BUDGET, "Equity:Budget")
_LEAVES = {account.value: account.value.title().replace("_", "") for account in Account}
_ACCOUNTS = {leaf: account for account, leaf in _LEAVES.items()}
_PARTS = ("Fund-", "Level-", "Holder-")
_ESCAPED = re.compile("[^A-WYZa-z0-9\u4e00-\u9fa5-]")  # X is what an escape begins and ends with
_ESCAPE = re.compile("X([0-9a-f]+)X")
# What hledger or ledger read as something else in a description or a tag: all but letters, digits and a few marks.
_MEANT = re.compile(r"[^\w ./()（），。、—-]|^ | (?= )| $")
_LONGEST_PART = 80  # characters; ledger takes 255 bytes between two colons
_MORE = ":More-"
_PIECE = 600  # characters of text on a line; ledger reads lines of 4,095 bytes
_SHORT = 120


# --- names ---


@lru_cache(maxsize=1 << 16)
def account_name(fund: str, account: str, detail: str) -> str:
    """The name of an account in a plain-text journal.

    >>> account_name("share/community/院一 A", "expenditure", "repair")
    'Expenses:Fund-share:Level-community:Holder-院一X20XA:Expenditure:Detail-repair'
    """
    parts = [_part(prefix, text) for prefix, text in zip(_PARTS, fund.split("/", 2), strict=False)]
    told = [_part("Detail-", detail)] if detail else []
    return ":".join([_ROOTS[Account(account)], *parts, _LEAVES[account], *told])


def account_key(name: str) -> Key:
    """Fund, account and detail of a name that `account_name` made; ValueError or KeyError for another one.

    >>> account_key("Expenses:Fund-share:Level-community:Holder-院一X20XA:Expenditure:Detail-repair")
    ('share/community/院一 A', 'expenditure', 'repair')
    """
    parts = name.removeprefix("Equity:").replace(_MORE, "").split(":")[1:]
    detail = parts.pop().removeprefix("Detail-") if parts[-1].startswith("Detail-") else ""
    account = _ACCOUNTS[parts.pop()]
    fund = [part.removeprefix(prefix) for prefix, part in zip(_PARTS, parts, strict=False)]
    return "/".join(map(_unescaped, fund)), account, _unescaped(detail)


def _part(prefix: str, text: str) -> str:
    """A part of a name; what is longer than ledger takes goes on in a part below."""
    told = prefix + _ESCAPED.sub(lambda found: f"X{ord(found[0]):x}X", text)
    return _MORE.join(told[start : start + _LONGEST_PART] for start in range(0, len(told), _LONGEST_PART))


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def plain_text(text: str) -> str:
    """Text that hledger and ledger read as nothing but text; `unquote` of urllib.parse gives it back.

    >>> from urllib.parse import unquote
    >>> plain_text("roof; 3 % of it: paid"), unquote(plain_text(" roof; "))
    ('roof%3B 3 %25 of it%3A paid', ' roof; ')
    """
    return _MEANT.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


# --- journals ---


def beancount_lines(told: Outline, entries: Iterable[Entry]) -> Iterator[str]:
    """A beancount file, some lines at a time.

    `told` is the outline of the same entries. Beancount sorts by day, so the order of the journal is in `entry`.
    """
    first = told.first or date.min
    yield '; written by estate_funds; accounts, amounts and texts: docs/exports.md\noption "title" "estate_funds"\n'
    yield f'option "operating_currency" "{MONEY_UNIT}"\n\n'
    for unit in (MONEY_UNIT, BUDGET_UNIT):
        yield f"{first} commodity {unit}\n"
    for key, turnover in told.accounts.items():
        yield f"{turnover.first} open {account_name(*key)} {_unit(key[1])}\n"
    for label, entry in labelled(entries):
        draft = entry.draft
        if not label:
            yield f"\n; {_without_postings(entry)}\n"
            continue
        payee = f"{_quoted(draft.payee)} " if draft.payee else ""
        lines = [f"\n{draft.effective} * {payee}{_quoted(draft.narrative)}\n"]
        lines += [f"  {name}: {_quoted(text)}\n" for name, text in _facts(entry, label) if name != "paid-to"]
        lines += [f"  {name}  {amount}\n" for name, amount in _postings(entry)]
        yield "".join(lines)
    if (after := _day_after(told)) is not None:
        yield "\n; the balances of these books\n"
        for key, turnover in told.accounts.items():
            # Beancount lets a balance be off by twice its tolerance, which is a whole fen: none is allowed here.
            yield f"{after} balance {account_name(*key)} {yuan(turnover.net_fen)} ~ 0.00 {_unit(key[1])}\n"


def hledger_lines(told: Outline, entries: Iterable[Entry]) -> Iterator[str]:
    """A journal for hledger, some lines at a time; `told` is the outline of the same entries."""
    yield "; written by estate_funds; accounts, amounts and texts: docs/exports.md\ndecimal-mark .\n"
    for unit in (MONEY_UNIT, BUDGET_UNIT):
        yield f"commodity 1000.00 {unit}\n"
    yield from _journal(told, entries)


def ledger_lines(told: Outline, entries: Iterable[Entry]) -> Iterator[str]:
    """A journal for ledger, some lines at a time; `told` is the outline of the same entries."""
    yield "; written by estate_funds; accounts, amounts and texts: docs/exports.md\n"
    for unit in (MONEY_UNIT, BUDGET_UNIT):
        yield f"commodity {unit}\n    format 1000.00 {unit}\n"
    yield from _journal(told, entries)


def _journal(told: Outline, entries: Iterable[Entry]) -> Iterator[str]:
    """What hledger and ledger have in common: accounts, transactions with tags, and the balances at the end."""
    for key in told.accounts:
        yield f"account {account_name(*key)}\n"
    for label, entry in labelled(entries):
        if not label:
            yield f"\n; {_without_postings(entry)}\n"
            continue
        draft = entry.draft
        lines = [f"\n{draft.effective} * ({entry.seq}) {plain_text(_short(draft.narrative))}\n"]
        for name, text in _facts(entry, label):
            lines += [f"    ; {tag}: {plain_text(piece)}\n" for tag, piece in _pieces(name, text)]
        lines += [f"    {name}  {amount}\n" for name, amount in _postings(entry)]
        yield "".join(lines)
    if (after := _day_after(told)) is not None:
        yield f"\n{after} * the balances of these books\n"
        for key, turnover in told.accounts.items():
            unit = _unit(key[1])
            yield f"    {account_name(*key)}  0.00 {unit} = {yuan(turnover.net_fen)} {unit}\n"


PLAIN_TEXT: dict[str, Callable[[Outline, Iterable[Entry]], Iterator[str]]] = {
    "beancount": beancount_lines,
    "hledger": hledger_lines,
    "ledger": ledger_lines,
}


# --- parts of an entry ---


def _without_postings(entry: Entry) -> str:
    """An entry that moves nothing, as a comment: so the numbers of entries have no gap."""
    draft = entry.draft
    return f"entry {entry.seq} {draft.kind} {draft.effective} {plain_text(_short(draft.narrative))}"


def _facts(entry: Entry, label: str) -> list[tuple[str, str]]:
    """What an entry says beside its amounts; names that all three tools take, and none that means something to one."""
    draft = entry.draft
    told = [
        ("entry", str(entry.seq)), ("voucher", f"{draft.effective:%Y-%m} {label}"), ("kind", draft.kind.value),
        ("recorded", str(entry.recorded)), ("document", draft.document), ("clause", draft.clause),
        ("purpose", draft.purpose), ("paid-to", draft.payee), ("paid-class", draft.payee_class),
        ("reference", draft.reference), ("maker", draft.maker), ("approver", draft.approver), ("key", draft.key),
        ("policy", draft.policy), ("registry", draft.registry),
    ]  # fmt: skip
    told += [(f"evidence-{n}", f"{kind} sha256 {digest}") for n, (kind, digest) in enumerate(draft.evidence, 1)]
    if len(draft.narrative) > _SHORT:
        told.append(("narrative", draft.narrative))
    return [(name, text) for name, text in told if text]


def _pieces(name: str, text: str) -> Iterator[tuple[str, str]]:
    """A text in pieces of a length that a line holds."""
    if len(text) <= _PIECE:
        yield name, text
        return
    for number, start in enumerate(range(0, len(text), _PIECE), 1):
        yield f"{name}-{number}", text[start : start + _PIECE]


def _postings(entry: Entry) -> Iterator[tuple[str, str]]:
    for fund, account, detail, side, fen in entry.draft.postings:
        signed = fen if side == Side.DEBIT.value else -fen
        yield account_name(fund, account, detail), f"{yuan(signed)} {_unit(account)}"


def _unit(account: str) -> str:
    return BUDGET_UNIT if account in BUDGET else MONEY_UNIT


def _short(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _day_after(told: Outline) -> date | None:
    return None if told.last is None or told.last == date.max else told.last + timedelta(days=1)
