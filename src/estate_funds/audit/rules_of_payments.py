"""Rules about payments: split under a threshold, on one invoice twice, a lost 万, beyond a contract, there and back."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from estate_funds.audit.moves import Moved, claimed_back, leaves, median, paid, paying, promised, received
from estate_funds.audit.report import Finding, Severity
from estate_funds.audit.rules import Material, Rule
from estate_funds.journal import Entry, Kind
from estate_funds.money import format_yuan

ERROR, WARNING = Severity.ERROR, Severity.WARNING
WAN = 10_000
# 50,000 and 100,000 yuan are custom; the others are those above which a service, goods, or works are put out to tender.
THRESHOLDS_FEN = tuple(yuan * 100 for yuan in (50_000, 100_000, 1_000_000, 2_000_000, 4_000_000))
INVOICES = ("invoice", "bill", "发票", "账单")
APPROVALS = ("approval", "tender", "审批", "批复", "招标", "中标")


def _is_a(kind: str, words: Iterable[str]) -> bool:
    return any(word in kind.casefold() for word in words)


# --- split under a threshold --------------------------------------------------------------------------------------


def split_payments(
    thresholds_fen: Sequence[int] = THRESHOLDS_FEN, *, days: int = 14, approvals: Sequence[str] = APPROVALS
) -> Rule:
    """The rule that finds payments split under one of `thresholds_fen`, each within `days` of the one before.

    Just below is four fifths of the threshold or more, and together they reach it. What was paid on one promise of at
    least the threshold is no split, nor is a payment that brings a document whose kind has a word of `approvals`.
    """

    def find(about: Material, rule: Rule) -> Iterator[Finding]:
        groups: dict[tuple[str, str, str], list[Moved]] = defaultdict(list)
        for one in paid(about):
            own = one.draft.kind is not Kind.DISBURSEMENT and one.party  # the amount of a claim is the document's
            if own and not any(_is_a(kind, approvals) for kind, _ in one.draft.evidence):
                groups[one.fund, one.party, one.draft.purpose].append(one)
        promises = _promised_in_all(about)
        for group in groups.values():
            if len(group) > 1:
                group.sort(key=lambda one: (one.day, one.entry.seq))
                for threshold in thresholds_fen:
                    yield from _splits(group, threshold, days, promises, rule)

    return Rule(
        "split-payments", WARNING,
        "Several payments to one payee for one purpose within days, each just below a threshold that they pass "
        "together.",
        "政府采购法 28 (article not verified); thresholds: custom, and 必须招标的工程项目规定 5 (not verified)",
        "show the approval or tender that covers them together, or that they are separate purchases",
        over=paying, find=find,
        example="Three payments of 48,000.00 to one firm for repairs in ten days, where 50,000.00 needs an approval.",
    )  # fmt: skip


def _splits(
    group: Sequence[Moved], threshold: int, days: int, promises: dict[tuple[str, str], int], rule: Rule
) -> Iterator[Finding]:
    near = [one for one in group if threshold * 4 <= one.fen * 5 and one.fen < threshold]
    runs: list[list[Moved]] = []
    for one in near:
        if runs and (one.day - runs[-1][-1].day).days <= days:
            runs[-1].append(one)
        else:
            runs.append([one])
    for run in runs:
        total, references = sum(one.fen for one in run), {one.draft.reference for one in run}
        whole = promises.get((run[0].fund, run[0].draft.reference), 0) if len(references) == 1 else 0
        if len(run) > 1 and total >= threshold and whole < threshold:
            what = f"{len(run)} payments from {run[0].day} to {run[-1].day}, each just below the threshold"
            got = ", ".join(format_yuan(one.fen) for one in run[:10])
            yield rule.found(
                what, *(one.entry for one in run), got=got, wanted=f"one approval at {format_yuan(threshold)} yuan",
                amount_fen=total, subject=run[0].draft.payee,
            )  # fmt: skip


def _promised_in_all(about: Material) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for one in promised(about):
        sums[one.fund, one.draft.reference] += one.fen
    return sums


# --- the same invoice ---------------------------------------------------------------------------------------------


def same_invoice(kinds: Sequence[str] = INVOICES) -> Rule:
    """The rule that finds two payments on one document, of which the kind has a word of `kinds`.

    Parts of one contract or claim are paid under its reference: an advance and its settlement, the shares of two
    payers. Under one reference, only the same amount from the same fund is taken for a second payment.
    """

    def find(about: Material, rule: Rule) -> Iterator[Finding]:
        on: dict[str, list[Moved]] = defaultdict(list)
        for one in paid(about):
            if leaves(one):  # what a fund of these books took, it pays on by the same invoice
                for digest in dict.fromkeys(digest for kind, digest in one.draft.evidence if _is_a(kind, kinds)):
                    on[digest].append(one)
        reported = set[tuple[int, ...]]()
        for digest, payments in on.items():
            twice = _twice(payments) if len({one.entry.seq for one in payments}) > 1 else []
            numbers = tuple(dict.fromkeys(one.entry.seq for one in twice))
            if len(numbers) > 1 and numbers not in reported:  # an entry may bring several invoices
                reported.add(numbers)
                entries = {one.entry.seq: one.entry for one in twice}
                beyond = sum(one.fen for one in twice if one.entry.seq != numbers[0])
                funds = dict.fromkeys(one.fund for one in twice)
                yield rule.found(
                    f"{len(numbers)} payments on one document", *entries.values(),
                    got=f"document {digest[:12]}, paid by {', '.join(funds)}", wanted="one payment, or one reference",
                    amount_fen=beyond, subject=twice[0].draft.payee,
                )  # fmt: skip

    return Rule(
        "same-invoice", ERROR, "One invoice paid twice, from one fund or from two.",
        "财政违法行为处罚处分条例 14",
        "reverse or claim back the second payment, or book the parts under one reference",
        over=paying, find=find,
        example="An invoice of 9,600.00 paid by the common income in March, and by the repair fund in May.",
    )  # fmt: skip


def _twice(payments: Sequence[Moved]) -> list[Moved]:
    """Those of the payments on one document that are no parts of one thing."""
    if len({one.draft.reference for one in payments}) > 1 or not payments[0].draft.reference:
        return list(payments)
    same: dict[tuple[str, int, str], list[Moved]] = defaultdict(list)
    for one in payments:
        same[one.fund, one.fen, one.draft.kind].append(one)
    return next((group for group in same.values() if len(group) > 1), [])


# --- a lost 万 ----------------------------------------------------------------------------------------------------


def unit_slip(*, at_least_fen: int = 100) -> Rule:
    """The rule that finds amounts 10 000 times another of their kind, of which the smaller is at least `at_least_fen`.

    Payments and promises of one fund for one purpose to one payee are of a kind, and receipts of a fund from a source:
    exactly 10 000 times any, or within a fifth of 10 000 times the median of three others or more that lie close
    together.
    """

    def find(about: Material, rule: Rule) -> Iterator[Finding]:
        groups: dict[tuple[str, ...], list[Moved]] = defaultdict(list)
        for one in (*paid(about), *(one for one in promised(about) if one.fen > 0)):
            groups["out", one.fund, one.party, one.draft.purpose].append(one)
        for one in received(about):
            groups["in", one.fund, one.party, one.draft.kind].append(one)
        for group in groups.values():
            if len(group) > 1:
                yield from _slips([one for one in group if one.fen >= at_least_fen], rule)

    return Rule(
        "unit-slip", ERROR, "An amount 10 000 times, or a ten-thousandth of, its promise or its like (a lost 万).",
        "会计法 9 (article not verified)", "compare with the invoice; reverse it, and book the amount of the document",
        over=lambda about: (*paying(about), *about.receipts), find=find,
        example="A contract of 500,000.00 yuan, and a payment of 50.00 for its last instalment.",
    )  # fmt: skip


def _slips(group: Sequence[Moved], rule: Rule) -> Iterator[Finding]:
    of_amount: dict[int, list[Moved]] = defaultdict(list)
    for one in group:
        of_amount[one.fen].append(one)
    slipped = set[int]()
    for fen, small in of_amount.items():
        large = of_amount.get(fen * WAN)
        if large:
            few, many = (small, large) if len(small) <= len(large) else (large, small)
            slipped |= {fen, fen * WAN}
            yield _slip(few, many[0].fen, many[0].entry, rule)
    amounts = sorted(one.fen for one in group)
    if len(amounts) < 4 or amounts[-1] < amounts[0] * 1_000:
        return
    middle = median(amounts)
    close = bisect_right(amounts, 2 * middle) - bisect_left(amounts, divmod(middle + 1, 2)[0])
    if close < 3 or close * 4 < len(amounts) * 3:
        return
    like = next(one.entry for one in group if one.fen == middle)
    for fen, some in of_amount.items():
        raised, whole = min(fen, middle) * WAN, max(fen, middle)
        if fen not in slipped and abs(raised - whole) * 5 <= whole:
            yield _slip(some, middle, like, rule)


def _slip(some: Sequence[Moved], other_fen: int, like: Entry, rule: Rule) -> Finding:
    fen, first = some[0].fen, some[0]
    way = "a ten-thousandth of" if fen < other_fen else "10 000 times"
    return rule.found(
        f"an amount that is {way} another of its kind", *dict.fromkeys([*(one.entry for one in some), like]),
        got=format_yuan(fen), wanted=f"about {format_yuan(other_fen)}, as entry {like.seq}",
        amount_fen=abs(other_fen - fen), subject=first.draft.payee,
    )  # fmt: skip


# --- beyond the contract ------------------------------------------------------------------------------------------


class _Contract:
    """What was promised and paid under a reference by a fund."""

    def __init__(self) -> None:
        self.original = self.promised = self.paid = 0
        self.payments: list[Entry] = []
        self.anew = True  # nothing is promised, or what was has been released
        self.since: date | None = None  # the day of the first promise

    def promise(self, one: Moved) -> None:
        """Count a promise: it belongs to the contract where nothing was left of the one before, or on its day."""
        self.promised += one.fen
        if one.fen < 0:
            self.anew = self.promised <= self.paid
        elif self.anew or self.since == one.day:
            self.original = max(self.original, self.promised)
            self.anew, self.since = False, one.day


def overpaid_progress(*, beyond_percent: int = 10) -> Rule:
    """The rule that finds contracts of which more was paid than was promised at first and `beyond_percent` of it.

    What was promised first is all that was promised on the first day, or anew after the rest was released. A payment
    that names no promise and brings the contract of one is a payment under it. What was claimed back is taken off.
    """

    def find(about: Material, rule: Rule) -> Iterator[Finding]:
        for (fund, reference), contract in _contracts(about).items():
            limit = contract.original * (100 + beyond_percent)
            if contract.original and contract.paid * 100 > limit:
                yield rule.found(
                    f"more was paid under {reference} than its contract and {beyond_percent} % of it",
                    *contract.payments[-20:], got=f"{format_yuan(contract.paid)} yuan from {fund}",
                    wanted=f"at most {format_yuan(divmod(limit, 100)[0])} yuan",
                    amount_fen=contract.paid - contract.original, subject=contract.payments[-1].draft.payee,
                )  # fmt: skip

    return Rule(
        "overpaid-progress", ERROR, "Advances and payments under one reference beyond what its contract promised.",
        "政府采购法 49 (10 % for additions; article not verified)",
        "show the supplement to the contract and who approved it, or claim back what was paid beyond it",
        over=paying, find=find,
        example="A contract of 100,000.00, promised again for 30,000.00 when it was paid up, and 130,000.00 paid.",
    )  # fmt: skip


def _contracts(about: Material) -> dict[tuple[str, str], _Contract]:
    """(fund, reference) -> the contract, for all references of which something but a claim was paid."""
    own = [one for one in paid(about) if one.draft.kind is not Kind.DISBURSEMENT]
    named, back = dict[tuple[str, str, str], str](), claimed_back(about)
    for one in own:
        if one.draft.reference:
            for digest in _contract_papers(one.entry):
                named.setdefault((one.fund, one.party, digest), one.draft.reference)
    contracts: dict[tuple[str, str], _Contract] = {}
    payments: list[tuple[int, Moved, str]] = []
    for one in own:
        found = (named.get((one.fund, one.party, digest), "") for digest in _contract_papers(one.entry))
        reference = one.draft.reference or next(filter(None, found), "")
        if reference:
            contracts.setdefault((one.fund, reference), _Contract())
            payments.append((one.entry.seq, one, reference))
    promises = [(one.entry.seq, one, "") for one in promised(about)]
    for seq, one, paid_under in sorted([*promises, *payments], key=lambda event: event[0]):
        contract = contracts.get((one.fund, paid_under or one.draft.reference))
        if contract is None:
            continue
        if paid_under:
            contract.paid += one.fen - back.get((one.fund, str(seq)), 0)
            contract.payments.append(one.entry)
        else:
            contract.promise(one)
    return contracts


def _contract_papers(entry: Entry) -> list[str]:
    return [digest for kind, digest in entry.draft.evidence if _is_a(kind, ("contract", "合同"))]


# --- there and back -----------------------------------------------------------------------------------------------


class _Open(NamedTuple):
    """A payment that has not come back yet, sorted by its amount."""

    fen: int
    number: int


def round_trip(*, days: int = 60, at_least_fen: int = 100_000) -> Rule:
    """The rule that finds payments of which four fifths or more come back from their payee within `days`.

    In one receipt, or in up to four that are all that the payee paid in these days. Income that began before the payee
    was first paid, or that comes more often than it is paid, is regular: rent, a fee. Claims that are collected back
    are no receipts.
    """

    def find(about: Material, rule: Rule) -> Iterator[Finding]:
        came: dict[str, list[Moved]] = defaultdict(list)
        for one in received(about):
            if one.party:
                came[one.party].append(one)
        went: dict[str, list[Moved]] = defaultdict(list)
        for one in paid(about):
            if one.party in came and one.fen >= at_least_fen:
                went[one.party].append(one)
        for party, payments in went.items():
            payments.sort(key=lambda one: (one.day, one.entry.seq))
            receipts = sorted(came[party], key=lambda one: (one.day, one.entry.seq))
            for payment, back in _trips(payments, _irregular(payments, receipts), days):
                fen = sum(one.fen for one in back)
                yield rule.found(
                    f"{format_yuan(fen)} yuan came back within {(back[-1].day - payment.day).days} days from the payee",
                    payment.entry, *dict.fromkeys(one.entry for one in back), got=f"paid {format_yuan(payment.fen)}",
                    wanted="a payment that stays paid", amount_fen=fen, subject=payment.draft.payee,
                )  # fmt: skip

    return Rule(
        "round-trip", WARNING, "Money paid to somebody comes back as a receipt from the same party within days.",
        "财政违法行为处罚处分条例 14",
        "show what the receipt was for; book what was paid back as a recovery of the payment",
        over=paying, find=find,
        example="A firm is paid 80,000.00 for repairs; 20 days later it pays 76,000.00 in as a sponsor.",
    )  # fmt: skip


def _irregular(payments: Sequence[Moved], receipts: Sequence[Moved]) -> list[Moved]:
    """Receipts of amounts that did not come before the first payment, nor more often than there are payments."""
    times: dict[int, int] = defaultdict(int)
    for one in receipts:
        times[one.fen] += 1 if one.day >= payments[0].day else len(payments) + 1
    return [one for one in receipts if times[one.fen] <= len(payments) and one.day >= payments[0].day]


def _trips(payments: Sequence[Moved], receipts: Sequence[Moved], days: int) -> Iterator[tuple[Moved, Sequence[Moved]]]:
    """Each payment with what came back of it: each receipt stands for one payment."""
    open_ones: list[_Open] = []
    back: dict[int, Sequence[Moved]] = {}
    used, oldest, next_one = set[int](), 0, 0
    for place, receipt in enumerate(receipts):
        while next_one < len(payments) and payments[next_one].day <= receipt.day:
            insort(open_ones, _Open(payments[next_one].fen, next_one))
            next_one += 1
        while oldest < next_one and (receipt.day - payments[oldest].day).days > days:
            gone = bisect_left(open_ones, _Open(payments[oldest].fen, oldest))
            if gone < len(open_ones) and open_ones[gone].number == oldest:
                del open_ones[gone]
            oldest += 1
        at = bisect_left(open_ones, _Open(receipt.fen, -1))
        if at < len(open_ones) and open_ones[at].fen * 4 <= receipt.fen * 5:
            back[open_ones[at].number] = [receipt]
            used.add(place)
            del open_ones[at]
    dates = [one.day for one in receipts]
    for number, payment in enumerate(payments):
        if number not in back:
            start = bisect_left(dates, payment.day)
            few = []
            for place in range(start, min(start + 5, len(receipts))):
                if (receipts[place].day - payment.day).days <= days:
                    few.append(place)
            total = sum(receipts[place].fen for place in few)
            if 1 < len(few) < 5 and not used & set(few) and payment.fen * 4 <= total * 5 and total <= payment.fen:
                back[number] = [receipts[place] for place in few]
                used |= set(few)
    return ((payments[number], found) for number, found in sorted(back.items()))


PAYMENT_RULES = (split_payments(), same_invoice(), unit_slip(), overpaid_progress(), round_trip())

__all__ = [
    "PAYMENT_RULES", "THRESHOLDS_FEN", "overpaid_progress", "round_trip", "same_invoice",
    "split_payments", "unit_slip",
]  # fmt: skip
