"""Journals that are sound and hard to carry: every kind of entry, in text and numbers that break what is careless.

    journal = Journal()
    journal.opens(Opening(fund=1, text=3))
    entries = journal.books(Happening("pays", fen=120, text=7))

Whoever keeps entries elsewhere, or writes them out for another system, has to carry whatever the gate lets through:
quotes and commas, a leading `=`, blanks at the end, names that differ in case alone, 2^63 - 1 fen, red amounts below 0,
an entry of two hundred lines. These journals are made of numbers, so that Hypothesis can cut them to what breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from estate_funds.errors import Refusal
from estate_funds.funds import Account, Fund, holder_of
from estate_funds.journal import Draft, Entry, Evidence, Kind
from estate_funds.ledger import Ledger
from estate_funds.testing.events import FUNDS, HANDS, REFERENCES, VERBS, Event, Known, permit, requests
from estate_funds.vouchers import amend_fund, appropriate, carry_forward, open_fund, refused
from estate_funds.vouchers.drafting import arriving

LARGEST_FEN = 2**63 - 1
LONG_TEXT = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(3_000))  # 9,000 bytes, and nothing to compress
# Text that a field may hold; * is where a plain word stands. What shows most comes first.
TEXTS: tuple[str, ...] = (
    "*", "* ", " *", '"*"', "=*", "*,", ",*;", "'*", "*'", '*"', "+*", "-*", "@*", "a  *", "*\\", "\\n*", "#*", ";*",
    "*:*", "|*", "%s*", "{*}", "<b>*&amp;", "`*", "--*", "/*", "*!", "$*", "(*)", "[*]", "~*", "^*", "?*", "院一*",
    "\u3000*", "*\u3000", "\u00a0*", "Ａ１*", "*ﬁ①", "𠮷*", "*🏠", "é*", "ß*", "İ*", "“*”", "NULL", "None", "nan",
    "true", "0", "007", "1e3", "-1.50", "1,000.00", "2024-01-01", "K", "k", "ｋ", "k ", LONG_TEXT,
)  # fmt: skip
# Much of it at once, to be found soon; what is found is then cut to one of those above.
_MIXED = (
    "='*\",;:#|\\%s{}<&>\u3000🏠\u00a0é①  x ",
    "\u3000\"*'',;--|\\n$1{0}&amp;ＡßİＫ\u3000",
    f" +1,5  *;'“”/[]()~^`?!\u00a0{LONG_TEXT} ",
    "-*-\u00a0",
)
_PATTERNS = TEXTS + _MIXED
_ONE_IN_THREE = 3 * len(TEXTS)
_LONGEST_NAME = 200  # of keys, funds, sources, references: an index of a database may hold no longer ones
_DAYS = (0, 0, 0, 0, 0, 0, 1, 1, 40, 370)
_MANY = 50
_LARGE = (2**31, 2**53, 2**62)  # and one more is booked
_SMALL, _AMOUNTS, _PICKS = 100, 112, 2**13
_MONEY = (120_000, 99, 2**53 + 1, LARGEST_FEN, 0)
PAYEES = ("宏达物业", "安居维修队")  # whom events pay who need not hold a fund
DAY_ONE = date(2021, 1, 4)


class Opening(NamedTuple):
    """A fund is opened, and money comes in; the numbers choose among the funds of `events`, the texts, some amounts."""

    fund: int = 0
    money: int = 0
    text: int = 0


class Happening(NamedTuple):
    """An event of `events`, in odd text, some days after the one before. One that is refused may go on record."""

    verb: str
    pick: int = 0
    fen: int = 1
    text: int = 0
    days: int = 0
    recorded: bool = False


def dressed(word: str, text: int, *, longest: int = len(LONG_TEXT)) -> str:
    """A word in one of the odd texts.

    >>> dressed("roof", 0), dressed("roof", 4), dressed("roof", TEXTS.index("NULL"))
    ('roof', '=roof', 'NULL')
    """
    return _PATTERNS[text % len(_PATTERNS)].replace("*", word)[:longest]


def _named(word: str, text: int) -> str:
    return dressed(word, text, longest=_LONGEST_NAME)


class Journal:
    """A journal as it grows: the ledger, and the entries that it let through.

    >>> journal = Journal()
    >>> [entry.draft.kind.value for entry in journal.opens(Opening(fund=2))]
    ['open_fund', 'receipt']
    >>> (paid,) = journal.books(Happening("pays", fen=2, text=4))
    >>> paid.draft.narrative, paid.draft.payee
    ('=repair: 宏达物业', '=宏达物业')
    """

    def __init__(self) -> None:
        self.known = Known(Ledger())
        self.day = DAY_ONE
        self.asked = 0

    def __repr__(self) -> str:
        return f"<a journal of {len(self.entries)} entries>"

    @property
    def ledger(self) -> Ledger:
        """The state that the entries fold to."""
        return self.known.ledger

    @property
    def entries(self) -> list[Entry]:
        """All of them, in order."""
        return self.known.entries

    def opens(self, opening: Opening) -> list[Entry]:
        """Open a fund, and put some money into it. Nothing, where it is open already."""
        fund, text = FUNDS[opening.fund % len(FUNDS)], opening.text
        key, level, holder = holder_of(fund.fund_id)
        named = replace(
            fund,
            fund_id=f"{key}/{level}/{_named(holder, text)}",
            title=dressed(fund.title, text),
            permits=tuple(replace(p, purpose=_named(p.purpose, text)) for p in fund.permits),
        )
        booked = self._post([open_fund(named, on=self.day, hands=HANDS)], text)
        money = _MONEY[opening.money % len(_MONEY)]
        if booked and money:
            told: dict[str, Any] = {"on": self.day, "key": self._key(text), "hands": HANDS, "kind": Kind.RECEIPT}
            booked += self._post([appropriate(named, "owners", money, **told)], text)
        return booked

    def books(self, happening: Happening) -> list[Entry]:
        """Book what happens, and give its entries; none where the gate refuses it and it does not go on record.

        A year that is over ends first. Where there is nothing yet, a fund is opened; where a verb finds nothing to do,
        what has to come before it happens instead.
        """
        text, ended = happening.text, self.day.year
        self.day += timedelta(days=happening.days)
        if not self.ledger.funds:
            return self.opens(Opening(happening.pick, happening.fen - 1, text))
        booked: list[Entry] = []
        for year in range(ended, self.day.year):
            booked += self._post(carry_forward(self.ledger, year, hands=HANDS), text)
        key, verb = self._key(text), happening.verb
        while not (drafts := self._asked_by(happening._replace(verb=verb), key)) and verb != "receives":
            verb = BEFORE.get(verb, "receives")
        return booked + self._post([_dressed_draft(d, text) for d in drafts], text, recorded=happening.recorded)

    def _asked_by(self, happening: Happening, key: str) -> list[Draft]:
        verb, pick, fen, *_ = happening
        if verb in WIDE:
            fund = list(self.ledger.funds.values())[pick % len(self.ledger.funds)]
            return [WIDE[verb](fund, fen, self.day, key)]
        return requests(Event(verb, pick, fen), self.known, day=self.day, key=key)

    def _key(self, text: int) -> str:
        self.asked += 1
        one, another = _named(f"e{self.asked}", text), _named("e", text)
        return one if one != another else f"{one}{self.asked}"

    def _post(self, drafts: list[Draft], text: int, *, recorded: bool = False) -> list[Entry]:
        """The entries of drafts, up to the first that the gate refuses."""
        booked = []
        for draft in drafts:
            told = replace(
                draft, narrative=dressed(draft.narrative, text), maker=dressed(draft.maker, text),
                document=dressed(draft.document, text) if draft.document else "",
            )  # fmt: skip
            try:
                entry = self.ledger.post(told, recorded=self.day)
            except Refusal as refusal:
                if recorded and (entry := self._record(told, refusal)):
                    booked.append(entry)
                break
            if entry is not None:
                self.known.add([entry])
                booked.append(entry)
        return booked

    def _record(self, asked: Draft, refusal: Refusal) -> Entry | None:
        entry = self.ledger.post(refused(asked, refusal, recorded=self.day), recorded=self.day)
        self.known.add([entry] if entry is not None else [])
        return entry


# --- odd text where the gate lets it through --------------------------------------------------------------------------


def _dressed_draft(draft: Draft, text: int) -> Draft:
    """A draft whose words are free, in odd text: what later entries refer to they find in the books."""
    kind = draft.kind
    if not text:
        return draft
    if draft.evidence and kind not in (Kind.REVERSAL, Kind.CORRECTION):
        draft = replace(draft, evidence=(*draft.evidence, Evidence(dressed("note", text), "0" * 64)))
    if kind in (Kind.APPROPRIATION, Kind.RECEIPT):
        return _detailed(draft, Account.FUNDING, lambda source: _named(source, text))
    if kind is Kind.ENCUMBRANCE and draft.reference in REFERENCES:
        reference = _named(draft.reference, text)
        draft = replace(_detailed(draft, Account.ENCUMBERED, lambda _: reference), reference=reference)
    free = kind is Kind.ENCUMBRANCE or (kind is Kind.SPENDING and not draft.reference)
    return replace(draft, payee=dressed(draft.payee, text)) if free and draft.payee in PAYEES else draft


def _detailed(draft: Draft, account: Account, change: Callable[[str], str]) -> Draft:
    lines = (p._replace(detail=change(p.detail)) if p.account == account.value else p for p in draft.postings)
    return replace(draft, postings=tuple(lines))


# --- entries with many lines ------------------------------------------------------------------------------------------


def _receives_from_many(fund: Fund, fen: int, day: date, key: str) -> Draft:
    """One entry of two hundred lines: what fifty sources gave."""
    one = appropriate(fund, "owner", 1, on=day, key=key, hands=HANDS)
    account, detail = Account(one.postings[1].account), one.postings[1].detail
    sources = [f"{detail} {n}" if detail else "" for n in range(_MANY)]
    lines = (arriving(fund.fund_id, account, source, 1 + (fen + n) % 7, day) for n, source in enumerate(sources))
    return replace(one, postings=tuple(line for some in lines for line in some))


def _gets_many_permits(fund: Fund, fen: int, day: date, key: str) -> Draft:
    """One entry of fifty terms more: a fence with a permit for each purpose."""
    more = [permit(f"purpose {fen + n}", "enterprise", requires=("invoice",) * (n % 3)) for n in range(_MANY)]
    return amend_fund(replace(fund, permits=(*fund.permits, *more)), on=day, key=key, hands=HANDS)


WIDE: Mapping[str, Callable[[Fund, int, date, str], Draft]] = {
    "receives_from_many": _receives_from_many,
    "gets_many_permits": _gets_many_permits,
}


# What has to come before, where there is nothing to do for a verb.
BEFORE: Mapping[str, str] = {
    "repays": "lends", "recovers": "claims_back", "waives": "claims_back", "claims_back": "pays", "settles": "advances",
    "advances": "promises", "keeps_a_promise": "promises", "releases": "promises", "lets_expire": "promises",
    "reverses_what_is_seldom_reversed": "releases",
}  # fmt: skip


# --- strategies -------------------------------------------------------------------------------------------------------

_SKIPPED = ("opens", "repeats", "uses_a_key_again", "ends_the_year")  # which add nothing to these journals
_SELDOM = (
    "lends", "repays", "claims_back", "recovers", "waives", "settles", "surrenders", "transfers",
    "reverses_what_is_seldom_reversed", "awards", "keeps_a_promise", "repays", "lends", "recovers",
)  # fmt: skip
_PLAIN = ("receives", "pays", "reverses", "promises")
HAPPENING_VERBS = (*dict.fromkeys((*_PLAIN, *(v for v in VERBS if v not in _SKIPPED), *WIDE)), *_SELDOM, *_PLAIN)


TOLD = st.integers(0, 10 * _ONE_IN_THREE - 1)  # text and days of an event
NUMBERS = st.integers(0, _PICKS * 2 * _AMOUNTS - 1)  # which, how much, and whether it goes on record


def happenings() -> st.SearchStrategy[Happening]:
    """Events of every verb, in odd text or plain."""
    return st.builds(happening_of, st.sampled_from(HAPPENING_VERBS), TOLD, NUMBERS)


def happening_of(verb: str, told: int, number: int) -> Happening:
    """An event of a verb and two numbers: drawn in few steps, it can be dropped whole from a history that fails."""
    (text, days), (rest, amount) = divmod(told, 10), divmod(number, _AMOUNTS)
    pick, recorded = divmod(rest, 2)
    fen = 1 + amount if amount < _SMALL else _LARGE[amount % len(_LARGE)]
    return Happening(verb, pick, fen, _text(text), _DAYS[days], recorded == 1)


def _text(number: int) -> int:
    """A third are odd in one way, a third are plain, a third are odd in many ways."""
    one, many = len(TEXTS), len(_MIXED)
    return number if number < one else 0 if number < 2 * one else one + number % many


@st.composite
def journals(draw: st.DrawFn) -> Journal:
    """Journals: some funds are opened, and up to 64 events happen."""
    journal = Journal()
    for fund in range(len(FUNDS)):
        money = draw(st.integers(0, len(_MONEY)))  # none of them opens the fund
        if money:
            journal.opens(Opening(fund, money - 1, _text(draw(st.integers(0, _ONE_IN_THREE - 1)))))
    chapters = st.lists(st.lists(happenings(), max_size=8), max_size=8)  # one list would mostly be a short one
    for happening in [happening for chapter in draw(chapters) for happening in chapter]:
        journal.books(happening)
    return journal


def story(journal: Journal) -> str:
    """A journal for people: an entry a line, then its lines.

    >>> journal = Journal()
    >>> _ = journal.opens(Opening())
    >>> print(story(journal))
    1 open_fund 2021-01-04 'open fund budget/city/c: fund budget/city/c'
    2 receipt 2021-01-04 'receipt of owners to budget/city/c'
        D 120000 'budget/city/c' cash ''
        C 120000 'budget/city/c' funding 'owners'
        D 120000 'budget/city/c' authority ''
        C 120000 'budget/city/c' unencumbered '2021'
    """
    lines = []
    for entry in journal.entries:
        draft = entry.draft
        lines.append(f"{entry.seq} {draft.kind} {draft.effective} {_short(draft.narrative)}")
        lines += [
            f"    {p.side} {p.amount_fen} {_short(p.fund)} {p.account} {_short(p.detail)}" for p in draft.postings
        ]
    return "\n".join(lines)


def _short(text: str) -> str:
    return repr(text) if len(text) <= 80 else f"{text[:20]!r}... ({len(text)} characters)"
