"""Personal data made unreadable before anything is exported: numbers that name a person, and names of persons paid.

Journals are written for the office that keeps them; exports leave the house. So every export but the sealed bundle
goes through a mask first: resident ids, mobile numbers and the numbers of bank cards in any text, and the name of a
payee who is a person. A mask never makes one of two: balances of different details stay different.

What an id spells out stays readable, a name in the id of a claim for one. Ids are for pseudonyms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from estate_funds.journal import Draft, Entry

# Classes of payees who are natural persons, as the shipped documents and the worked cases name them.
PERSONS = frozenset({"household", "owner", "person", "resident", "staff"})
_DAY = "(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_NUMBER = re.compile(
    "(?<![0-9A-Za-z])(?:"
    f"(?P<resident>[1-9][0-9]{{5}}(?:(?:18|19|20)[0-9]{{2}}{_DAY}[0-9]{{3}}[0-9Xx]|[0-9]{{2}}{_DAY}[0-9]{{3}}))"
    "|(?P<mobile>1[3-9][0-9]{9})|(?P<card>[0-9]{16,19})"
    ")(?![0-9A-Za-z])"
)


class Mask:
    """A mask for one export: the same text is masked alike throughout, and two texts never become one.

    >>> mask = Mask()
    >>> mask.text("refund to 13812345678, id 11010519491231002X")
    'refund to 138****5678, id 110*************2X'
    >>> mask.text("card 6222020200112233445"), mask.text("contract 7")
    ('card ****3445', 'contract 7')
    """

    def __init__(self) -> None:
        self._of: dict[str, str] = {}  # text -> masked; only what was changed, or looks as if it were
        self._taken: dict[str, str] = {}  # masked -> text

    def text(self, text: str) -> str:
        """The text with every number in it masked that names a person."""
        if len(text) < 11 and "**" not in text:
            return text
        known = self._of.get(text)
        if known is not None:
            return known
        masked = _NUMBER.sub(_starred, text)
        return text if masked == text and "**" not in text else self._kept(text, masked)

    def name(self, name: str) -> str:
        """The name of a person: its first character, and stars.

        >>> mask = Mask()
        >>> mask.name("张三丰"), mask.name("张无忌"), mask.name("张三丰")
        ('张**', '张**~2', '张**')
        """
        return self._of.get(name) or self._kept(name, name[:1] + "*" * max(1, min(len(name), 4) - 1))

    def _kept(self, text: str, masked: str) -> str:
        number, one = 1, masked
        while self._taken.setdefault(one, text) != text:
            number += 1
            one = f"{masked}~{number}"
        self._of[text] = one
        return one

    def draft(self, draft: Draft) -> Draft:
        """A draft with its texts masked; the very draft where nothing in it names a person."""
        text, changes = self.text, dict[str, str]()
        for field in ("key", "maker", "approver", "narrative", "document", "purpose", "payee", "reference"):
            told: str = getattr(draft, field)
            if (masked := text(told)) != told:
                changes[field] = masked
        if draft.payee_class in PERSONS and draft.payee:
            changes["payee"] = self.name(draft.payee)
            if len(draft.payee) > 1 and draft.payee in draft.narrative:
                changes["narrative"] = text(draft.narrative.replace(draft.payee, changes["payee"]))
        postings = tuple(p._replace(fund=text(p.fund), detail=text(p.detail)) for p in draft.postings)
        if not changes and postings == draft.postings:
            return draft
        return replace(draft, postings=postings, **changes)  # type: ignore[arg-type]

    def entries(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Entries with their texts masked, one by one."""
        for entry in entries:
            draft = self.draft(entry.draft)
            yield entry if draft is entry.draft else Entry(entry.seq, entry.recorded, draft)


def _starred(found: re.Match[str]) -> str:
    text = found[0]
    if found["resident"]:
        return f"{text[:3]}{'*' * (len(text) - 5)}{text[-2:]}"
    return f"{text[:3]}****{text[-4:]}" if found["mobile"] else f"****{text[-4:]}"
