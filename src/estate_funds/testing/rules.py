"""What a draft alone shows of the rules of docs/reference/entry-format.md, said plainly, for the model of a ledger."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date

from estate_funds.calendar import Month, parse_day
from estate_funds.errors import InputError, Malformed, Refusal, SameHands, UndeclaredCrossing
from estate_funds.funds import NORMAL_SIDE, Permit
from estate_funds.journal import Draft, Kind, Posting

LARGEST = 2**63 - 1
MIRRORS = (Kind.REVERSAL, Kind.CORRECTION)
TERMED = (Kind.OPEN_FUND, Kind.AMEND_FUND, Kind.CLOSE, Kind.REOPEN, Kind.REFUSAL)
PAYMENTS = (Kind.DISBURSEMENT, Kind.SPENDING, Kind.ADVANCE, Kind.SETTLEMENT)
# Accounts that a kind may touch: on the debit side, on the credit side.
SHAPES: dict[Kind, tuple[str, str]] = {
    Kind.APPROPRIATION: ("cash authority", "funding unencumbered"),
    Kind.RECEIPT: ("cash authority", "funding payable unencumbered"),
    Kind.ENCUMBRANCE: ("unencumbered", "encumbered"),
    Kind.RELEASE: ("encumbered", "unencumbered authority"),
    Kind.DISBURSEMENT: (
        "transfer_out expenditure encumbered cash authority",
        "cash expended transfer_in unencumbered",
    ),
    Kind.ADVANCE: ("advanced encumbered", "cash expended"),
    Kind.SETTLEMENT: ("expenditure encumbered", "advanced cash expended"),
    Kind.SPENDING: ("expenditure payable unencumbered encumbered", "cash expended"),
    Kind.TRANSFER: ("transfer_out unencumbered cash authority", "cash authority transfer_in unencumbered"),
    Kind.LOAN: ("due_from unencumbered cash authority", "cash authority due_to unencumbered"),
    Kind.REPAYMENT: ("due_to unencumbered cash authority", "cash authority due_from unencumbered"),
    Kind.CLAW_BACK: ("receivable", "recovery"),
    Kind.RECOVERY: ("cash authority transfer_out unencumbered", "receivable unencumbered cash authority"),
    Kind.WAIVER: ("recovery", "receivable"),
    Kind.CARRY_FORWARD: ("unencumbered", "unencumbered authority"),
    Kind.SURRENDER: ("surrendered", "cash"),
}
TEXTS = (
    "key", "maker", "approver", "narrative", "document", "clause", "policy", "registry", "purpose", "payee",
    "payee_class", "reference",
)  # fmt: skip
REFUSED_RANGES = (
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069),
    (0x200B, 0x200D), (0x2060, 0x2065), (0x206A, 0x206F), (0xFEFF, 0xFEFF), (0x2028, 0x2029), (0xD800, 0xDFFF),
    (0xFFF9, 0xFFFB),
)  # fmt: skip


REFUSED = re.compile("[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in REFUSED_RANGES) + "]")


def demand(holds: object, error: type[Refusal], wanted: str) -> None:
    """Raise the refusal where a rule does not hold."""
    if not holds:
        raise error(wanted)


def moved_by(posting: Posting) -> int:
    """What a posting adds to its balance on the normal side."""
    return posting.amount_fen if posting.side == NORMAL_SIDE[posting.account] else -posting.amount_fen


def change(postings: Iterable[Posting], fund: str, account: str, detail: str | None = None) -> int:
    """What postings add to an account of a fund, on its normal side."""
    own = [p for p in postings if (p.fund, p.account) == (fund, account)]
    return sum(moved_by(p) for p in own if detail in (None, p.detail))


def amount(postings: Iterable[Posting], side: str, *, fund: str | None = None, account: str | None = None) -> int:
    """The sum of the amounts on one side: of a fund, of an account, or of all."""
    own = [p for p in postings if p.side == side and fund in (None, p.fund) and account in (None, p.account)]
    return sum(p.amount_fen for p in own)


def turned(posting: Posting, year: int, *, red: bool) -> Posting:
    """The mirror of a posting: negated in red, with the sides swapped in blue."""
    fund, account, detail, side, fen = posting
    detail = str(year) if account == "unencumbered" else detail
    return (
        Posting(fund, account, detail, side, -fen)
        if red
        else Posting(fund, account, detail, "CD"["DC".index(side)], fen)
    )


def decides(draft: Draft) -> tuple[object, ...]:
    """What a key stands for."""
    lines = draft.terms, draft.evidence, draft.postings
    said = draft.document, draft.clause, draft.purpose, draft.payee, draft.payee_class, draft.reference
    return draft.kind, draft.effective, draft.key, said, lines


def check_text(draft: Draft) -> None:
    """Check 1: values of the types that have a text, and clean text."""
    demand(type(draft.kind) is Kind and type(draft.effective) is date, Malformed, "a kind and a day")
    for lines, width in ((draft.terms, None), (draft.evidence, 2), (draft.postings, 5)):
        demand(isinstance(lines, tuple), Malformed, "a tuple of lines")
        for line in lines:
            demand(isinstance(line, tuple) and width in (None, len(line)), Malformed, "a line of so many fields")
    texts = [getattr(draft, name) for name in TEXTS]
    texts += [part for term in draft.terms for part in term] + [part for line in draft.evidence for part in line]
    texts += [part for line in draft.postings for part in line[:4]]
    demand({type(text) for text in texts} == {str}, Malformed, "text")
    demand(not REFUSED.search(" ".join(texts)), Malformed, "visible text")
    normal = all(text.isascii() or unicodedata.is_normalized("NFC", text) for text in texts)
    demand(normal, Malformed, "text in normal form C")
    demand(all(draft.terms), Malformed, "a term has a part")
    demand(
        all(type(line[4]) is int and abs(line[4]) <= LARGEST for line in draft.postings), Malformed, "64 bits of fen"
    )


def check_hands(draft: Draft) -> None:
    """Check 4: key and narrative are there, and two different names."""
    demand(draft.key and draft.narrative, Malformed, "a key and a narrative")
    if draft.kind is not Kind.REFUSAL:
        maker, approver = bare(draft.maker), bare(draft.approver)
        demand(maker and approver and maker != approver, SameHands, "two different names")


def bare(name: str) -> str:
    """A name as names are compared."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in folded if not letter.isspace() and not REFUSED.search(letter))


def check_lines(draft: Draft) -> None:
    """Check 5, for all kinds but mirrors: postings where the kind has them, their accounts, sides and details."""
    debit, credit = SHAPES.get(draft.kind, ("", ""))
    demand(bool(draft.postings) == bool(debit), Malformed, "postings where the kind has them")
    for p in draft.postings:
        allowed = {"D": debit, "C": credit}.get(p.side, "").split()
        demand(p.account in allowed, Malformed, "accounts and sides of the kind")
        if p.account in ("encumbered", "advanced", "receivable", "recovery"):
            demand(p.detail == draft.reference, Malformed, "the detail is the reference")
        if p.account == "expenditure":
            demand(p.detail == draft.purpose, Malformed, "the detail is the purpose")
        if p.account in ("cash", "authority", "expended"):
            demand(p.detail == "", Malformed, "no detail")


def is_day(text: str) -> bool:
    """Whether a text is a day of the calendar."""
    try:
        parse_day(text)
    except InputError:
        return False
    return True


def is_month(text: str) -> bool:
    """Whether a text is a month of the calendar, which goes on after it."""
    try:
        month = Month.parse(text)
    except InputError:
        return False
    return month.year >= 1 and (month + 1).year <= 9999


def check_terms(draft: Draft, recorded: date) -> None:
    """Check 8: the terms of every kind but those of a fund."""
    kind, terms = draft.kind, draft.terms
    words = [term[0] if term else "" for term in terms]
    if kind in (Kind.OPEN_FUND, Kind.AMEND_FUND):
        return
    paired = all(len(term) == 2 for term in terms if term[:1] != ("asked",))
    said = paired
    if kind in (Kind.CLOSE, Kind.REOPEN):
        said = paired and words == ["through" if kind is Kind.CLOSE else "from"] and is_month(terms[0][1])
    elif kind is Kind.ENCUMBRANCE and terms:
        said = paired and words == ["expires"] and is_day(terms[0][1]) and parse_day(terms[0][1]) >= draft.effective
    elif kind is Kind.REFUSAL:
        order = "refused what (got )?(wanted )?(clause )?(asked )+"
        said = paired and re.fullmatch(order, "".join(word + " " for word in words)) is not None
        demand(re.fullmatch(f"refusal/{recorded}/[0-9a-f]{{24}}", draft.key), Malformed, "the key of a refusal")
    demand(said, Malformed, "the terms of the kind")


def defines_a_fund(terms: tuple[tuple[str, ...], ...]) -> bool:
    """Whether terms are exactly those of a fund, in their order."""
    singles = [term for term in terms if term[:1] != ("permit",)]
    permits = terms[len(singles) :]
    shape = "fund title carry_forward provenance (held_for_others )?(surplus_after_years )?"
    if any(len(term) != 2 for term in singles) or any(term[:1] != ("permit",) or len(term) != 8 for term in permits):
        return False
    said = {term[0]: term[1] for term in singles}
    return (
        re.fullmatch(shape, "".join(term[0] + " " for term in singles)) is not None
        and re.fullmatch("[^/]+/[^/]+/.+", said["fund"]) is not None
        and said["carry_forward"] in ("yes", "no")
        and said["provenance"] in ("fifo", "proportional")
        and said.get("held_for_others", "yes") == "yes"
        and re.fullmatch("[1-9][0-9]*", said.get("surplus_after_years", "1")) is not None
        and all(is_day(term[4]) and (term[5] == "" or is_day(term[5])) for term in permits)
        and all(term[6] == "" or all(term[6].split(",")) for term in permits)
    )


def in_force(permit: Permit, day: date) -> bool:
    """Whether a permit is in force on a day."""
    return permit.start <= day and (permit.until is None or day < permit.until)


def has_evidence(draft: Draft, permit: Permit) -> bool:
    """Whether a draft brings the evidence that a permit requires; an advance brings some of it."""
    if draft.kind is Kind.ADVANCE:
        return not permit.requires or bool(draft.evidence)
    return set(permit.requires) <= {kind for kind, _ in draft.evidence}


def check_crossings(draft: Draft) -> None:
    """Check 7: what leaves one fund for another arrives there, both sides in one entry."""
    lines = draft.postings
    for fund in {p.fund for p in lines}:
        both = amount(lines, "D", fund=fund, account="cash") and amount(lines, "C", fund=fund, account="cash")
        demand(not both, UndeclaredCrossing, "no fund takes and gives cash")
    crossing = ("transfer_in", "transfer_out", "due_from", "due_to")
    names = {p.fund for p in lines} | {p.detail for p in lines if p.account in crossing}
    for giver in names:
        for taker in names:
            given, lent = change(lines, giver, "transfer_out", taker), change(lines, giver, "due_from", taker)
            taken, borrowed = change(lines, taker, "transfer_in", giver), change(lines, taker, "due_to", giver)
            demand(lent == borrowed, UndeclaredCrossing, "due from the one, due to the other")
            if draft.kind is Kind.RECOVERY and given:
                taken = amount(lines, "C", fund=taker, account="receivable")
            demand(given == taken, UndeclaredCrossing, "what the one gives, the other takes")
    if draft.kind is Kind.RECOVERY:
        givers = {p.fund for p in lines if p.account == "transfer_out"}
        demand(len(givers) < 2, UndeclaredCrossing, "one fund gives")
