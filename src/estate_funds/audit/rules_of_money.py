"""Rules about the way of the money: diverted by a chain of transfers, mixed with other money, who bears the odd fen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb
from typing import NamedTuple

from estate_funds.audit.moves import C, key_of, paying
from estate_funds.audit.report import Finding, Severity
from estate_funds.audit.rules import Material, Rule
from estate_funds.funds import Account, holder_of
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.ledger.shapes import DEFINING
from estate_funds.money import format_yuan
from estate_funds.provenance import Part, Provenance, trace
from estate_funds.vouchers import payer_funds

ERROR, WARNING = Severity.ERROR, Severity.WARNING
_BY_HAND = (Kind.TRANSFER, Kind.LOAN)
_HANDED = (Account.TRANSFER_OUT.value, Account.DUE_FROM.value)
_MOST_WEIGHT = 1_000  # no document divides by a finer share
_MOST_NAMED = 20  # entries of one finding
Payers = tuple[str, str]  # the funds, or the levels, of two payers


# --- the fence of where the money came from -----------------------------------------------------------------------


@dataclass(slots=True)
class _Fence:
    """For what, and into which funds, a fund was ever let pay: what no version of it permits was never permitted."""

    purposes: set[str] = field(default_factory=set)
    into: set[str] = field(default_factory=set)


class _Ways:
    """The fences of a journal and who handed money to whom."""

    def __init__(self, about: Material) -> None:
        self.fences: dict[str, _Fence] = {}
        self.drafts: dict[int, Draft] = {}
        takers: dict[str, set[str]] = defaultdict(set)
        by_hand = set[str]()
        for entry in about.entries:
            draft = entry.draft
            if draft.kind in DEFINING:
                self._define(draft)
            for giver, account, taker, _, _ in draft.postings:
                if account in _HANDED:
                    takers[giver].add(taker)
                    self.drafts[entry.seq] = draft
                    if draft.kind in _BY_HAND:
                        by_hand.add(giver)
        self.any = any(taker in by_hand for then in takers.values() for taker in then)  # what came was handed on

    def _define(self, draft: Draft) -> None:
        fund = next((term[1] for term in draft.terms if len(term) == 2 and term[0] == "fund"), "")
        fence = self.fences.setdefault(fund, _Fence())
        for term in draft.terms:
            if len(term) > 3 and term[0] == "permit":
                fence.purposes.add(term[1])
                fence.into.add(term[3])

    def _lets_in(self, origin: str, fund: str) -> bool:
        """Whether a fund may pay into another by its own fence."""
        fence = self.fences.get(origin)
        return fence is None or (key_of(fund) in fence.into and key_of(fund) != key_of(origin))

    def astray(self, part: Part, purpose: str = "") -> bool:
        """Whether money went by hand, through a fund that its own may pay into, where its own may not pay.

        Money that came home did not, nor what is spent for a purpose of its own fund, save by another holder of such a
        fund; nor what went the whole way for purposes of its own fund: a subsidy that is handed down.
        """
        funds = [fund for _, fund in part.way]
        if len(funds) < 3 or funds[-1] in funds[:-1]:
            return False
        steps = [self.drafts.get(seq) for seq, _ in part.way[2:]]
        if not any(draft is not None and draft.kind in _BY_HAND for draft in steps):
            return False
        origin, last = funds[0], funds[-1]
        if self._lets_in(origin, last):
            return False
        if key_of(origin) == key_of(last):
            return True
        own = self.fences[origin].purposes
        return purpose not in own and not all(draft is not None and draft.purpose in own for draft in steps)


def _standing_fen(part: Part) -> int:
    """What of a part did not come back, and nothing else stands in for."""
    return max(0, part.fen - part.back_fen - sum(max(0, stand_in.fen) for stand_in in part.made_good))


def _traced(about: Material) -> Provenance | None:
    try:
        return trace(about.entries)
    except Exception:  # whatever rows that somebody changed do to it: the finding `unallocated` says so
        return None


def _sums(parts: Sequence[Part]) -> dict[tuple[str, str], tuple[int, list[int]]]:
    """(origin, fund) -> fen that went astray, and the entries of their ways."""
    sums: dict[tuple[str, str], tuple[int, list[int]]] = {}
    for part in parts:
        pair = (part.way[0][1], part.fund)
        fen, seqs = sums.get(pair, (0, []))
        if len(seqs) < _MOST_NAMED:
            seqs += [seq for seq, _ in part.way if seq not in seqs]
        sums[pair] = (fen + _standing_fen(part), seqs)
    return {pair: (fen, sorted(seqs)[:_MOST_NAMED]) for pair, (fen, seqs) in sorted(sums.items()) if fen}


def _diversion(about: Material, rule: Rule) -> Iterator[Finding]:
    ways = about.once(_Ways)
    traced = about.once(_traced) if ways.any else None
    if traced is None:
        return
    numbered = {entry.seq: entry for entry in about.entries}
    for entry in paying(about):
        draft = entry.draft
        parts = [p for p in traced.of(entry.seq) if not p.into and ways.astray(p, draft.purpose)]
        for (origin, fund), (fen, seqs) in _sums(parts).items():
            fence = ", ".join(sorted(filter(None, ways.fences[origin].purposes))) or "nothing"
            path = " > ".join(f for _, f in next(p.way for p in parts if (p.way[0][1], p.fund) == (origin, fund)))
            yield rule.found(
                f"money of {origin} paid for {draft.purpose} by way of other funds",
                entry, *(numbered[seq] for seq in seqs if seq in numbered and seq != entry.seq),
                got=f"{path}, to {draft.payee}", wanted=f"{origin} pays for {fence}",
                clause=_clause(about, origin, rule), amount_fen=fen, subject=draft.payee,
            )  # fmt: skip


def _commingling(about: Material, rule: Rule) -> Iterator[Finding]:
    ways = about.once(_Ways)
    traced = about.once(_traced) if ways.any else None
    if traced is None:
        return
    numbered = {entry.seq: entry for entry in about.entries}
    cash: dict[str, int] = defaultdict(int)
    parts: list[Part] = []
    for part in traced.held_in_all():
        cash[part.fund] += part.fen
        if ways.astray(part):
            parts.append(part)
    for (origin, fund), (fen, seqs) in _sums(parts).items():
        yield rule.found(
            f"{fund} holds money of {origin}, whose fence does not let it in",
            *(numbered[seq] for seq in seqs if seq in numbered),
            got=f"{format_yuan(fen)} of {format_yuan(cash[fund])} yuan", wanted=f"money of {origin} in its own fund",
            clause=_clause(about, origin, rule), amount_fen=fen, subject=fund,
        )  # fmt: skip


def _clause(about: Material, origin: str, rule: Rule) -> str:
    fund = about.ledger.funds.get(origin)
    return f"{rule.clause}; {fund.document} {fund.clause}" if fund else rule.clause


# --- the odd fen --------------------------------------------------------------------------------------------------


class _Split(NamedTuple):
    """What two payers paid of one amount."""

    entry: Entry
    one_fen: int
    other_fen: int


class _Judged(NamedTuple):
    """A split with a fen to spare: on whom it fell (1: the first payer), and whether on the wrong one."""

    entry: Entry
    side: int
    wrong: bool


def odd_fen(*, bound: Fraction = Fraction(1, 1_000), given_to: Mapping[tuple[str, str], str] | None = None) -> Rule:
    """The rule that finds odd fen that always fall on the payer to whom the clause does not give them.

    Who that is, `given_to` says by document and clause: the key and level of a fund, as "award-budget/district"; else
    the claims of the case; else, where several pairs of payers share under one clause, what most of them do. A sign
    test decides: where a fair coin would fall so one-sidedly with a chance of more than `bound`, there is no finding.
    By default that is ten entries of ten. Where nothing says whose the odd fen is, nobody is found.
    """
    told = given_to or {}

    def find(about: Material, rule: Rule) -> Iterator[Finding]:
        for pair, judged in _judged(about, told):
            yield from _one_sided(pair, judged, bound, rule)

    return Rule(
        "odd-fen", WARNING, "Of many amounts divided between two payers, the odd fen always falls on the wrong one.",
        "the document's clause on the odd fen; the sign test: custom",
        "divide as the clause says, and settle the difference between the payers",
        over=lambda about: [one for _, judged in _judged(about, told) for one in judged], find=find,
        example="Twelve awards of an odd number of fen, half each: twelve times the district pays the fen that "
        "its clause gives to the city.",
    )  # fmt: skip


def _splits(about: Material) -> dict[tuple[str, ...], dict[Payers, list[_Split]]]:
    """Document, clause and the levels of two payers -> the two funds -> what they paid together."""
    found: dict[tuple[str, ...], dict[Payers, list[_Split]]] = defaultdict(lambda: defaultdict(list))
    for entry in paying(about):
        parts: dict[str, int] = {}
        for fund, account, _, side, fen in entry.draft.postings:
            if account == Account.CASH.value and side == C:
                parts[fund] = parts.get(fund, 0) + fen
        if len(parts) == 2 and all(fen > 0 and fund.count("/") > 1 for fund, fen in parts.items()):
            one, other = sorted(parts)
            levels = ("/".join(holder_of(fund)[:2]) for fund in (one, other))
            group = found[(entry.draft.document, entry.draft.clause, *levels)]
            group[one, other].append(_Split(entry, parts[one], parts[other]))
    return found


def simplest_share(splits: Sequence[_Split]) -> Fraction | None:
    """The simplest share of the first payer from which every one of the splits is less than a fen away; None if none.

    >>> splits = [_Split(None, 50, 51), _Split(None, 34, 33), _Split(None, 1001, 1000)]
    >>> simplest_share(splits)
    Fraction(1, 2)
    """
    low, high = Fraction(0), Fraction(1)
    for _, one, other in splits:
        low, high = max(low, Fraction(one - 1, one + other)), min(high, Fraction(one + 1, one + other))
    if low >= high:
        return None
    left, right = (0, 1), (1, 0)  # the Stern-Brocot tree between 0 and infinity
    while left[1] + right[1] <= _MOST_WEIGHT:
        middle = (left[0] + right[0], left[1] + right[1])
        found = Fraction(*middle)
        if low < found < high:
            return found
        left, right = (middle, right) if found <= low else (left, middle)
    return None


def _sides(splits: Sequence[_Split], share: Fraction) -> list[tuple[_Split, int]]:
    """The splits with a fen to spare, and on whom it fell: 1 on the first payer, -1 on the other."""
    found = []
    for split in splits:
        exact = share * (split.one_fen + split.other_fen)
        if exact.denominator > 1:
            found.append((split, 1 if split.one_fen > exact else -1))
    return found


def _majority(sides: Mapping[Payers, Sequence[tuple[_Split, int]]]) -> int:
    """On whom most pairs of payers let the odd fen fall; 0 where there is one pair, or no majority."""
    votes = [sum(side for _, side in found) for found in sides.values() if found]
    return _sign(sum(map(_sign, votes))) if len(votes) > 2 else 0


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def one_sided_chance(against: int, of: int) -> Fraction:
    """The chance that a fair coin falls `against` times or more of `of`: the sign test.

    >>> one_sided_chance(11, 11), one_sided_chance(1, 1)
    (Fraction(1, 2048), Fraction(1, 2))
    """
    return Fraction(sum(comb(of, k) for k in range(against, of + 1)), 2**of)


def _judged(about: Material, told: Mapping[tuple[str, str], str]) -> Iterator[tuple[Payers, list[_Judged]]]:
    """The splits with a fen to spare of which something says whose it is, by their two payers."""
    claims = {claim.claim_id: claim for claim in about.case.claims} if about.case is not None else {}
    for (document, clause, *levels), pairs in about.once(_splits).items():
        share = simplest_share([one for splits in pairs.values() for one in splits])
        if share is None:
            continue
        sides = {pair: _sides(splits, share) for pair, splits in pairs.items()}
        taker = told.get((document, clause), "")
        given = (1 if taker == levels[0] else -1) if taker in levels else _majority(sides)
        for pair, found in sides.items():
            judged = []
            for split, side in found:
                claim = claims.get(split.entry.draft.reference)
                owed = payer_funds(claim).get(pair[0]) if claim is not None and not taker else None
                if owed is not None or given:
                    wrong = owed != split.one_fen if owed is not None else side != given
                    judged.append(_Judged(split.entry, side, wrong))
            yield pair, judged


def _one_sided(pair: Payers, judged: Sequence[_Judged], bound: Fraction, rule: Rule) -> Iterator[Finding]:
    for side in (1, -1):
        wrong = [one.entry for one in judged if one.wrong and one.side == side]
        if wrong and _unlikely(len(wrong), len(judged), bound):
            bearer, other = pair if side > 0 else pair[::-1]
            yield rule.found(
                f"{bearer} bore the odd fen of {len(wrong)} of {len(judged)} amounts", *wrong[:20],
                got=f"{bearer} and not {other}", wanted=f"the odd fen on {other}, as the clause has it",
                amount_fen=len(wrong), subject=bearer,
            )  # fmt: skip


def _unlikely(against: int, of: int, bound: Fraction) -> bool:
    """Whether the sign test rejects chance; for many entries by the square of the distance from the middle."""
    if of <= 2_000:
        return one_sided_chance(against, of) <= bound
    return 2 * against > of and (2 * against - of) ** 2 > 16 * of  # four standard deviations


MONEY_RULES = (
    Rule(
        "diversion", ERROR, "Money paid for what its own fund may not pay for, by a chain of transfers.",
        "物业管理条例 60; 财政违法行为处罚处分条例 14", "bring it back to the fund that it came from",
        over=paying, find=_diversion,
        example="The repair fund lends to the common income, that moves the money to the office fund, that pays a "
        "banquet.",
    ),
    Rule(
        "commingling", ERROR, "A fund holds money that the fence of the fund where it came from does not let in.",
        "物业管理条例 60; Order 165 (money of each fund is kept apart)", "move it back to the fund that it came from",
        over=lambda about: sorted(about.ledger.funds), find=_commingling,
        example="Repair money of estate one lies, by way of the common income, in the repair fund of estate two.",
    ),
    odd_fen(),
)  # fmt: skip

__all__ = ["MONEY_RULES", "odd_fen", "one_sided_chance", "simplest_share"]
