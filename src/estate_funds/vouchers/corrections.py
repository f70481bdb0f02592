"""Verbs that put things right: reverse, claim back, collect, waive; and the record of what was refused."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import date

from estate_funds.calendar import given_day
from estate_funds.errors import Refusal
from estate_funds.funds import Account, Fund, holder_of
from estate_funds.journal import Draft, Entry, Evidence, Kind, Posting
from estate_funds.ledger import Ledger, booked_of, lapsed, mirror, swapped
from estate_funds.ledger.records import REFUSED
from estate_funds.text import INVISIBLE
from estate_funds.vouchers.drafting import C, D, Hands, arriving, draft_of, leaving, line, unused_key, verb

_LONGEST = 2_000  # characters of a text that is refused, and so recorded


@verb
def reverse(
    entry: Entry, *, on: date, hands: Hands, narrative: str, ledger: Ledger | None = None, key: str = ""
) -> Draft:
    """Put an entry right: within its year in red, negative on the same sides (红字冲销); an earlier year's in blue.

    The blue correcting voucher (蓝字更正) has the sides swapped. Give the ledger where a fund may carry nothing
    forward, or not for ever: its budget of that year has lapsed, and what the correction frees of it lapses in the same
    voucher. Without a `key`, it is booked as `reversal/` and the number of the entry; where the ledger is given and
    something else was booked so, under the next key that is free.
    Source: 会计基础工作规范 51.
    """
    red = entry.draft.effective.year == given_day(on, "on").year
    postings = (mirror if red else swapped)(entry.draft.postings, on.year)
    if ledger is not None and not red:
        since = entry.draft.effective.year
        postings += lapsed(postings, on.year, lambda fund, fen: ledger.lapsed(fund, fen, since, on.year))
    return draft_of(
        Kind.REVERSAL if red else Kind.CORRECTION,
        key or _reversal_key(entry, ledger),
        narrative,
        on=on,
        hands=hands,
        document=entry.draft.document,
        clause=entry.draft.clause,
        reference=str(entry.seq),
        postings=postings,
    )


def _reversal_key(entry: Entry, ledger: Ledger | None) -> str:
    """The key that stays the same when the entry is reversed already; before, one that is not used."""
    key = f"reversal/{entry.seq}"
    return key if ledger is None or ledger.is_reversed(entry.seq) else unused_key(ledger, key)


@verb
def claw_back(
    entry: Entry,
    amounts: Mapping[str, int] | None = None,
    *,
    on: date,
    key: str,
    hands: Hands,
    narrative: str,
    document: str = "",
    clause: str = "",
    evidence: Iterable[Evidence] = (),
) -> Draft:
    """Claim back what a payment paid (追回): a receivable of each fund that paid, of all of it or of `amounts` in fen.

    It rests on the clause that is given, by default on that of the payment.
    """
    asked = dict(booked_of(entry.draft).paid) if amounts is None else amounts
    return _on_receivable(Kind.CLAW_BACK, entry, asked, (D, C), on, key, hands, narrative, document, clause, evidence)


@verb
def waive(
    entry: Entry,
    amounts: Mapping[str, int],
    *,
    on: date,
    key: str,
    hands: Hands,
    narrative: str,
    document: str,
    clause: str,
    evidence: Iterable[Evidence],
) -> Draft:
    """Give up what was claimed back of a payment (豁免), on an approval that the entry names and holds."""
    return _on_receivable(Kind.WAIVER, entry, amounts, (C, D), on, key, hands, narrative, document, clause, evidence)


def _on_receivable(
    kind: Kind,
    entry: Entry,
    amounts: Mapping[str, int],
    sides: tuple[str, str],
    on: date,
    key: str,
    hands: Hands,
    narrative: str,
    document: str,
    clause: str,
    evidence: Iterable[Evidence],
) -> Draft:
    paid, seq = entry.draft, str(entry.seq)
    postings = tuple(
        posting
        for fund, fen in amounts.items()
        for posting in (
            line(fund, Account.RECEIVABLE, sides[0], fen, seq),
            line(fund, Account.RECOVERY, sides[1], fen, seq),
        )
    )
    return draft_of(
        kind,
        key,
        narrative,
        on=on,
        hands=hands,
        document=document or paid.document,
        clause=clause or paid.clause,
        payee=paid.payee,
        payee_class=paid.payee_class,
        reference=seq,
        evidence=tuple(evidence),
        postings=postings,
    )


@verb
def recover(
    entry: Entry,
    taker: Fund,
    amount_fen: int,
    *,
    on: date,
    key: str,
    hands: Hands,
    narrative: str,
    giver: Fund | None = None,
    purpose: str = "refund",
    evidence: Iterable[Evidence] = (),
    ledger: Ledger | None = None,
) -> Draft:
    """Collect what a fund claimed back of a payment: from outside, or from a `giver` whose fence permits it.

    Give the ledger where the taker carries nothing forward, or not for ever: of budget that has lapsed since it paid,
    cash alone comes back, which is surplus, to be surrendered.
    """
    _, level, holder = holder_of(taker.fund_id)
    seq = str(entry.seq)
    postings: tuple[Posting, ...] = arriving(taker.fund_id, Account.RECEIVABLE, seq, amount_fen, on)
    gone = ledger.recovering(taker.fund_id, entry.seq, amount_fen, given_day(on, "recover, on").year) if ledger else 0
    if gone:
        budget = tuple(p._replace(amount_fen=amount_fen - gone) for p in postings[2:])
        postings = (*postings[:2], *(budget if amount_fen > gone else ()))
    if giver is not None:
        postings = (*leaving(giver.fund_id, Account.TRANSFER_OUT, taker.fund_id, amount_fen, on), *postings)
    return draft_of(
        Kind.RECOVERY,
        key,
        narrative,
        on=on,
        hands=hands,
        document=entry.draft.document,
        clause=entry.draft.clause,
        purpose=purpose if giver else "",
        payee=holder if giver else "",
        payee_class=level if giver else "",
        reference=seq,
        evidence=tuple(evidence),
        postings=postings,
    )


def refused(draft: Draft, refusal: Refusal, *, recorded: date) -> Draft:
    """The record of an attempt that the gate refused: what was asked, line by line, and why not.

    The same attempt, refused again on the same day for the same reason, has the same key: it is recorded once.
    """
    lines = _asked(draft)
    reason = [("refused", type(refusal).__name__), ("what", refusal.what)]
    for name in ("got", "wanted", "clause"):
        said = getattr(refusal, name)
        reason += [(name, _said(said))] if said is not None and said != "" else []
    digest = hashlib.sha256("\n".join([*lines, *map(str, reason)]).encode("utf-8", "surrogatepass")).hexdigest()
    terms = [*reason, *(("asked", *asked.split("\t")) for asked in lines)]
    return Draft(
        kind=Kind.REFUSAL,
        effective=recorded,
        key=f"{REFUSED}{recorded}/{digest[:24]}",
        maker=_visible(draft.maker),
        approver=_visible(draft.approver),
        narrative=_visible(f"refused: {refusal.what}"),
        document=_visible(draft.document),
        clause=_visible(draft.clause),
        purpose=_visible(draft.purpose),
        payee=_visible(draft.payee),
        payee_class=_visible(draft.payee_class),
        reference=_visible(draft.reference),
        terms=tuple(tuple(_visible(part) for part in term) for term in terms),
    )


def _asked(draft: Draft) -> list[str]:
    """The lines of what was asked for, or its fields where they are of such types that they have no lines."""
    try:
        return draft.content.split("\n")[:-1]
    except (AttributeError, TypeError, ValueError):
        return [f"{field.name}\t{_said(getattr(draft, field.name))}" for field in fields(draft)]


def _said(value: object) -> str:
    try:
        return str(value)
    except ValueError:  # a number of more digits than Python prints
        return f"unprintable {type(value).__name__}"


def _visible(value: object) -> str:
    """Text that an entry may hold: in normal form C, what cannot be seen written out, and of a length to be read."""
    text = _said(value)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}... ({len(text)} characters)"
    if text.isascii() and text.isprintable():
        return text
    shown = INVISIBLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
    return unicodedata.normalize("NFC", shown)
