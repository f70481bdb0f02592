"""Entries put right in red and blue, what is refused, chains, and what no verb may be given."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from conftest import HANDS, TODAY
from desk import AGENCY, D1, INVOICE, QUEUE, SHARE, Desk, state
from estate_funds.errors import (
    BadReversal,
    EvidenceMissing,
    KeyConflict,
    Malformed,
    OutsideFence,
    Overdrawn,
    Refusal,
    UnknownFund,
)
from estate_funds.funds import BUDGET, NORMAL_SIDE, Account
from estate_funds.journal import Draft, Entry, Kind
from estate_funds.vouchers import refused, spend
from ready import DAY, NEXT, advanced, funded, paid

# --- red and blue -----------------------------------------------------------------------------------------------------


def everything(desk: Desk) -> dict[str, Callable[[], Draft]]:
    """One sound draft of each kind that moves money or budget, in an order in which each can be booked."""
    made: dict[str, Entry] = {}

    def remember(name: str, draft: Draft) -> Draft:
        made[name] = replace(desk.entries[-1], seq=desk.ledger.seq + 1, draft=draft)
        return draft

    return {
        "appropriation": lambda: desk.fund(SHARE, 5_000).draft and replace(desk.entries[-1].draft, key=desk.key),
        "receipt": lambda: replace(desk.fund(QUEUE, 5_000, kind=Kind.RECEIPT).draft, key=desk.key),
        "encumbrance": lambda: desk.promising(SHARE, 1_000, "works"),
        "advance": lambda: remember("advance", desk.advancing(SHARE, 400, "works")),
        "settlement": lambda: desk.settling(SHARE, 500, made["advance"])[0],
        "release": lambda: desk.releasing("works", amounts={SHARE.fund_id: 100}, key=desk.key),
        "spending": lambda: remember("spending", desk.spending(SHARE, 300)),
        "claw_back": lambda: desk.claiming(made["spending"]),
        "waiver": lambda: desk.waiving(made["spending"], {SHARE.fund_id: 100}),
        "recovery": lambda: desk.collecting(made["spending"], SHARE, 150),
        "loan": lambda: desk.lending(SHARE, QUEUE, 700),
        "repayment": lambda: desk.repaying(QUEUE, SHARE, 200),
        "transfer": lambda: desk.moving(QUEUE, SHARE, 100, "refund"),
    }


@pytest.mark.parametrize("blue", [False, True], ids=["red", "blue"])
def test_every_kind_is_put_right_once_in_red_this_year_and_in_blue_later(blue: bool) -> None:
    desk = Desk()
    booked = [(name, desk.book(draft())) for name, draft in everything(desk).items()]
    assert {entry.draft.kind.value for _, entry in booked} == {name for name, _ in booked}
    if blue:
        desk.close_year(2022)
    day = NEXT if blue else D1
    for _, entry in reversed(booked):
        before = dict(desk.ledger.balances)
        draft = desk.reversing(entry, on=day, ledger=desk.ledger)
        assert draft.kind is (Kind.CORRECTION if blue else Kind.REVERSAL)
        mirror = desk.book(draft)
        desk.refuses(replace(draft, key="again"), BadReversal, "already reversed")
        with pytest.raises(BadReversal, match="cannot be reversed"):
            desk.ledger.check(desk.reversing(mirror, on=day), recorded=TODAY)
        changed = {k: desk.ledger.balances.get(k, 0) - before.get(k, 0) for k in {*before, *desk.ledger.balances}}
        undone: dict[tuple[str, str, str], int] = {}
        for fund, account, detail, side, fen in entry.draft.postings:
            key = (fund, account, str(day.year) if account == "unencumbered" else detail)
            undone[key] = undone.get(key, 0) + (-fen if side == NORMAL_SIDE[account] else fen)
        assert {k: v for k, v in changed.items() if v} == {k: v for k, v in undone.items() if v}
    desk.replays()


def test_red_is_for_this_year_and_blue_for_an_earlier_one() -> None:
    desk, payment = paid(600)
    desk.end_year(2022)
    for on in (date(2022, 12, 31), NEXT):
        draft = desk.reversing(payment, on=on)
        for kind in (Kind.REVERSAL, Kind.CORRECTION):
            if kind is not draft.kind:
                with pytest.raises(Refusal):
                    desk.ledger.check(replace(draft, kind=kind), recorded=TODAY)
    desk.book(desk.reversing(payment, on=NEXT))
    assert desk.has(SHARE, Account.UNENCUMBERED, "2023") == 1_000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reference": "1"}, "no entry of this number"), ({"reference": "999"}, "no entry of this number"), ({"reference": ""}, "no entry of this number"),
        ({"reference": "7"}, "not the mirror"), ({"postings": ()}, "not the mirror"),
    ],
)  # fmt: skip
def test_a_reversal_names_the_entry_that_it_mirrors(change: dict[str, object], words: str) -> None:
    desk, payment = paid(600)
    desk.refuses(replace(desk.reversing(payment), **change), BadReversal, words)


def test_a_mirror_that_differs_in_one_posting_is_none() -> None:
    desk, payment = paid(600)
    draft = desk.reversing(payment)
    for at, posting in enumerate(draft.postings):
        before, after = draft.postings[:at], draft.postings[at + 1 :]
        for odd in ((posting._replace(amount_fen=-599),), (posting._replace(fund=QUEUE.fund_id),), ()):
            desk.refuses(replace(draft, postings=(*before, *odd, *after)), BadReversal, "not the mirror")


# --- what is refused is on record -------------------------------------------------------------------------------------


def refusal_of(desk: Desk, draft: Draft) -> Refusal:
    with pytest.raises(Refusal) as caught:
        desk.ledger.check(draft, recorded=TODAY)
    return caught.value


def odd_drafts(desk: Desk) -> dict[str, Draft]:
    sound = desk.spending(SHARE, 10)
    first, *others = sound.postings
    return {
        "outside the fence": replace(sound, purpose="banquet"),
        "control characters": replace(sound, narrative="a\nposting\tshare\tcash\t\tC\t1\x00\u202e"),
        "a tab in a detail": replace(sound, postings=(first._replace(detail="a\tb"), *others)),
        "surrogates": replace(sound, payee="\ud800"),
        "not normal": replace(sound, payee="e\u0301"),
        "a number for a key": replace(sound, key=7),  # type: ignore[arg-type]
        "no maker": replace(sound, maker=None),  # type: ignore[arg-type]
        "no kind": replace(sound, kind="spending"),  # type: ignore[arg-type]
        "text for postings": replace(sound, postings="cash"),  # type: ignore[arg-type]
        "postings of two": replace(sound, postings=((1, 2),)),  # type: ignore[arg-type]
        "a float": replace(sound, postings=(first._replace(amount_fen=1.5), *others)),  # type: ignore[arg-type]
        "a number beyond print": replace(sound, postings=(first._replace(amount_fen=10**5_000), *others)),
        "a megabyte": replace(sound, narrative="钱" * 1_000_000, purpose="x" * 1_000_000),
        "terms of a megabyte": replace(sound, terms=(("x" * 1_000_000,),)),
        "everything empty": Draft(kind=Kind.SPENDING, effective=D1, key="", maker="", approver="", narrative=""),
    }


@pytest.mark.parametrize("name", odd_drafts(Desk()))
def test_a_refusal_is_recorded_once_a_day_and_moves_nothing(name: str) -> None:
    desk = funded()
    draft = odd_drafts(desk)[name]
    refusal = refusal_of(desk, draft)
    record = refused(draft, refusal, recorded=TODAY)
    before = dict(desk.ledger.balances)
    entry = desk.book(record)
    assert desk.ledger.balances == before
    assert entry.draft.terms[0] == ("refused", type(refusal).__name__)
    assert len(entry.canonical()) < 60_000
    assert desk.ledger.post(refused(draft, refusal_of(desk, draft), recorded=TODAY), recorded=TODAY) is None
    tomorrow = TODAY + DAY
    assert desk.ledger.post(refused(draft, refusal, recorded=tomorrow), recorded=tomorrow) is not None


def test_a_record_says_what_was_asked_and_why_not() -> None:
    desk = funded()
    draft = desk.spending(SHARE, 10, purpose="banquet", payee="hotel")
    record = refused(draft, refusal_of(desk, draft), recorded=TODAY)
    assert ("clause", "doc 1") in record.terms
    assert ("got", "for the purpose 'banquet'") in record.terms
    assert ("asked", "payee", "hotel") in record.terms
    assert ("asked", "posting", SHARE.fund_id, "cash", "", "C", "10") in record.terms
    assert (record.payee, record.maker) == ("hotel", "maker")


def test_two_attempts_that_differ_are_two_records() -> None:
    desk = funded()
    keys = set()
    for changes in ({"payee": "a"}, {"payee": "b"}, {"payee": "a", "narrative": "please"}):
        draft = replace(desk.spending(SHARE, 10, purpose="banquet", payee="x"), key="k", **changes)
        keys.add(refused(draft, refusal_of(desk, draft), recorded=TODAY).key)
    assert len(keys) == 3


def test_a_record_by_hand_says_what_it_records() -> None:
    desk = funded()
    draft = desk.spending(SHARE, 10, purpose="banquet")
    record = refused(draft, refusal_of(desk, draft), recorded=TODAY)
    desk.refuses(replace(record, terms=()), Malformed, "needs terms")
    desk.refuses(replace(record, terms=(("note", "x"),)), Malformed, "not what a refusal says")
    desk.refuses(replace(record, terms=((),)), Malformed)
    desk.refuses(replace(record, postings=draft.postings), Malformed, "has no postings")
    desk.refuses(replace(record, key="mine"), Malformed, "key of a refusal")
    desk.book(record)
    desk.refuses(desk.reversing(desk.entries[-1], on=TODAY), BadReversal, "no entry of this number")


# --- chains -----------------------------------------------------------------------------------------------------------


def test_a_chain_is_posted_link_by_link_and_thrown_away_where_one_fails() -> None:
    desk, ahead = advanced(400)
    whole = state(desk.ledger)
    chain = desk.settling(SHARE, 300, ahead)
    assert [draft.kind for draft in chain] == [Kind.SETTLEMENT, Kind.CLAW_BACK, Kind.RELEASE]
    for broken in range(len(chain)):
        trial = copy.deepcopy(desk.ledger)
        links = [replace(d, approver=d.maker) if at == broken else d for at, d in enumerate(chain)]
        with pytest.raises(Refusal):
            for link in links:
                trial.post(link, recorded=TODAY)
        assert trial.seq == desk.ledger.seq + broken
        assert state(desk.ledger) == whole
    desk.chain(chain)
    desk.replays()


def test_links_out_of_order_are_refused_where_they_rest_on_each_other() -> None:
    desk = funded((SHARE, 1_000))
    promised, spent = desk.promising(SHARE, 100, "works"), desk.spending(SHARE, 100, against="works")
    desk.refuses(spent, Overdrawn)
    desk.chain((promised, spent))
    assert [desk.ledger.post(draft, recorded=TODAY) for draft in (promised, spent)] == [None, None]


# --- unknown words, odd amounts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"purpose": "banquet"}, OutsideFence), ({"purpose": ""}, OutsideFence), ({"payee_class": "official"}, OutsideFence),
        ({"payee_class": ""}, OutsideFence), ({"payee": ""}, Malformed), ({"evidence": ()}, EvidenceMissing),
        ({"evidence": (INVOICE,)}, EvidenceMissing), ({"against": "nobody"}, Overdrawn),
    ],
)  # fmt: skip
def test_words_that_the_fund_does_not_know(change: dict[str, object], error: type[Refusal]) -> None:
    desk = funded()
    desk.refuses(desk.spending(SHARE, 10, **change), error)


@pytest.mark.parametrize("fund", ["nobody/x/y", "share", "share/community/", "share/community/K", ""])
def test_a_fund_that_was_never_opened(fund: str) -> None:
    desk = funded()
    draft = desk.spending(SHARE, 10)
    desk.refuses(
        replace(draft, postings=tuple(p._replace(fund=fund) for p in draft.postings)), UnknownFund, "never opened"
    )


@pytest.mark.parametrize("account", ["", "bank", "CASH", "cash ", "funding", "transfer_out", "due_to", "surrendered"])
def test_an_account_that_the_kind_does_not_have(account: str) -> None:
    desk = funded()
    draft = desk.spending(SHARE, 10)
    postings = (draft.postings[0]._replace(account=account), *draft.postings[1:])
    desk.refuses(replace(draft, postings=postings), Malformed, "account")


VERBS: dict[str, Callable[[Desk, int], Draft]] = {
    "promise": lambda desk, fen: desk.promising(SHARE, fen, "x"),
    "advance": lambda desk, fen: desk.advancing(SHARE, fen, "works"),
    "spend": lambda desk, fen: desk.spending(SHARE, fen),
    "spend against": lambda desk, fen: desk.spending(SHARE, fen, against="works"),
    "release": lambda desk, fen: desk.releasing("works", amounts={SHARE.fund_id: fen}, key="x"),
    "lend": lambda desk, fen: desk.lending(SHARE, QUEUE, fen),
    "repay": lambda desk, fen: desk.repaying(QUEUE, SHARE, fen),
    "move": lambda desk, fen: desk.moving(QUEUE, SHARE, fen, "refund"),
    "claim back": lambda desk, fen: desk.claiming(desk.entries[-1], {SHARE.fund_id: fen}),
    "collect": lambda desk, fen: desk.collecting(desk.entries[-1], SHARE, fen),
    "waive": lambda desk, fen: desk.waiving(desk.entries[-1], {SHARE.fund_id: fen}),
    "surrender": lambda desk, fen: desk.surrendering(SHARE, fen, on=D1),
}


@pytest.mark.parametrize("verb", VERBS)
def test_amounts_that_make_no_sense_and_amounts_beyond_all(verb: str) -> None:
    desk = funded((SHARE, 2_000), (QUEUE, 2_000))
    desk.promise(SHARE, 500, "works")
    desk.spend(SHARE, 500)
    for fen in (0, -1, True, 2**63, 1.0, "1", None):
        draft = VERBS[verb](desk, fen)  # type: ignore[arg-type]
        refusal = desk.refuses(draft, Malformed)
        assert "whole number of fen" in str(refusal)
    desk.refuses(VERBS[verb](desk, 2**63 - 1), Overdrawn)


def test_an_agency_spends_what_it_collected_and_nothing_else() -> None:
    desk = Desk()
    desk.fund(AGENCY, 1_000, source="water-fee", kind=Kind.RECEIPT)
    remit = {"purpose": "remit", "payee": "water", "payee_class": "utility"}
    desk.promise(AGENCY, 400, "june", **remit)
    desk.refuses(desk.advancing(AGENCY, 100, "june", **remit), Malformed, "holds money for others")
    payment = desk.book(desk.spending(AGENCY, 400, against="june", **remit))
    desk.refuses(desk.claiming(payment), Malformed, "holds money for others")
    assert desk.has(AGENCY, Account.PAYABLE) == desk.has(AGENCY, Account.CASH) == 600
    desk.book(desk.reversing(payment))
    assert desk.has(AGENCY, Account.ENCUMBERED, "june") == 400


def test_the_same_twice_is_once_and_other_content_under_the_key_is_refused() -> None:
    desk, payment = paid(600)
    desk.book(desk.claiming(payment))
    claim = desk.entries[-1].draft
    assert desk.ledger.post(replace(claim, maker="x", narrative="again"), recorded=TODAY) is None
    desk.refuses(replace(claim, clause="other"), KeyConflict, "used for something else")
    sound = spend(SHARE, 1, purpose="repair", payee="a", payee_class="enterprise", on=D1, key=claim.key, hands=HANDS)
    desk.refuses(sound, KeyConflict)


def test_no_kind_leaves_money_and_budget_of_a_fund_apart() -> None:
    """Each account of the budget is touched only by kinds that say so: none makes budget out of nothing."""
    desk = Desk()
    for name, draft in everything(desk).items():
        made = draft()
        without = tuple(p for p in made.postings if p.account not in BUDGET)
        if name not in ("encumbrance", "release", "claw_back", "waiver"):
            desk.refuses(replace(made, postings=without), Refusal, "do not move together|no budget stands for")
        desk.book(made)
