"""Postings, drafts and entries, and the exact bytes that an entry is.

A *draft* is what somebody asks to have booked; an *entry* is a draft that the gate let through, with its place in the
journal and the day of recording. The canonical bytes are UTF-8 text, one field a line, specified in
docs/reference/entry-format.md with golden vectors: no escaping is needed, because control characters are refused.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from itertools import zip_longest
from typing import NamedTuple

from estate_funds.errors import Malformed
from estate_funds.funds import Terms
from estate_funds.merkle import leaf_hash
from estate_funds.text import INVISIBLE

ENTRY_FORMAT = 1
# What nearly every text is made of, and nothing that is refused: printable ASCII, Chinese characters and punctuation.
# None of it combines with anything, so such a text is in normal form C.
_PLAIN = re.compile("[\t\n -~·—‘’“”…\u3000-\u3020\u4000-\u9fff\uff01-\uff5e￥]*")


class Kind(StrEnum):
    """What an entry does; each kind may touch only the accounts of its shape (see ledger.shapes)."""

    OPEN_FUND = "open_fund"
    AMEND_FUND = "amend_fund"
    APPROPRIATION = "appropriation"
    RECEIPT = "receipt"
    ENCUMBRANCE = "encumbrance"
    RELEASE = "release"
    DISBURSEMENT = "disbursement"
    ADVANCE = "advance"
    SETTLEMENT = "settlement"
    SPENDING = "spending"
    TRANSFER = "transfer"
    LOAN = "loan"
    REPAYMENT = "repayment"
    CLAW_BACK = "claw_back"
    RECOVERY = "recovery"
    WAIVER = "waiver"
    CARRY_FORWARD = "carry_forward"
    SURRENDER = "surrender"
    CLOSE = "close"
    REOPEN = "reopen"
    REVERSAL = "reversal"
    CORRECTION = "correction"
    REFUSAL = "refusal"


class Posting(NamedTuple):
    """One line of an entry; `amount_fen` is above 0, save in a reversal, where it is below (red-letter, 红字)."""

    fund: str
    account: str
    detail: str
    side: str
    amount_fen: int


class Evidence(NamedTuple):
    """A source document (原始凭证) by kind and digest."""

    kind: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What somebody asks to have booked. `key` makes asking twice harmless.

    `policy` and `registry` are the digests of what the amount was computed from; `reference` names the claim, the
    reversed entry's sequence number, or the like.
    """

    kind: Kind
    effective: date
    key: str
    maker: str
    approver: str
    narrative: str
    document: str = ""
    clause: str = ""
    policy: str = ""
    registry: str = ""
    purpose: str = ""
    payee: str = ""
    payee_class: str = ""
    reference: str = ""
    terms: Terms = ()
    evidence: tuple[Evidence, ...] = ()
    postings: tuple[Posting, ...] = ()

    @cached_property
    def _lines(self) -> tuple[str, str, str]:
        """The canonical lines up to the key, of hands and narrative, and from the document on."""
        told = f"maker\t{self.maker}\napprover\t{self.approver}\nnarrative\t{self.narrative}\n"
        rest = [
            f"document\t{self.document}\nclause\t{self.clause}\npurpose\t{self.purpose}\npayee\t{self.payee}\n"
            f"payee_class\t{self.payee_class}\nreference\t{self.reference}\n"
        ]
        rest += ["term\t" + "\t".join(term) + "\n" for term in self.terms]
        rest += [f"evidence\t{kind}\t{digest}\n" for kind, digest in self.evidence]
        rest += [f"posting\t{f}\t{a}\t{d}\t{s}\t{n}\n" for f, a, d, s, n in self.postings]
        return f"kind\t{self.kind.value}\neffective\t{self.effective}\nkey\t{self.key}\n", told, "".join(rest)

    @cached_property
    def content(self) -> str:
        """The canonical lines of what was asked for: all but where it stands and which snapshots it came from."""
        return "".join(self._lines)

    @cached_property
    def content_digest(self) -> bytes:
        """SHA-256 of the lines that decide, which an idempotency key stands for: all but hands and narrative."""
        before, _, after = self._lines
        return hashlib.sha256((before + after).encode("utf-8")).digest()

    @property
    def deciding_lines(self) -> list[str]:
        """The lines of `content` but for hands and narrative."""
        before, _, after = self._lines
        return (before + after).split("\n")

    def check_text(self) -> None:
        """Malformed where a field holds a control or invisible character or is not in NFC."""
        content = self.content
        lines = 12 + len(self.terms) + len(self.evidence) + len(self.postings)
        tabs = 12 + sum(map(len, self.terms)) + 2 * len(self.evidence) + 5 * len(self.postings)
        if content.count("\n") != lines or content.count("\t") != tabs:
            raise self._unclean("a line feed or a tab")
        snapshots = self.policy + self.registry
        if _PLAIN.fullmatch(content) and (snapshots.isascii() and snapshots.isprintable()):
            return
        found = INVISIBLE.search(content.replace("\n", "").replace("\t", "")) or INVISIBLE.search(snapshots)
        if found:
            raise self._unclean(ascii(found[0]))
        if not unicodedata.is_normalized("NFC", content + snapshots):
            raise Malformed("a field is not in Unicode normal form C", where=self.key, fix="normalise it to NFC")

    def _unclean(self, got: str) -> Malformed:
        return Malformed(
            "a field holds a control or invisible character",
            where=self.key.encode("unicode_escape").decode(),
            got=got,
            wanted="visible text on one line",
        )


@dataclass(frozen=True)
class Entry:
    """A draft with its place in the journal: the sequence number and the day when the books came to know it."""

    seq: int
    recorded: date
    draft: Draft

    def canonical(self) -> bytes:
        """The bytes that are hashed, now and for ever: docs/reference/entry-format.md."""
        head = (
            f"estate_funds entry {ENTRY_FORMAT}\n"
            f"seq\t{self.seq}\n"
            f"recorded\t{self.recorded}\n"
            f"policy\t{self.draft.policy}\n"
            f"registry\t{self.draft.registry}\n"
        )
        return (head + self.draft.content).encode("utf-8")

    @cached_property
    def leaf(self) -> bytes:
        """The hash of the canonical bytes as a leaf of the tree: RFC 6962, section 2.1."""
        return leaf_hash(self.canonical())


def difference(one: Draft, other: Draft) -> tuple[str, str]:
    """The first line that decides and in which two drafts differ, for people."""
    pairs = zip_longest(one.deciding_lines, other.deciding_lines, fillvalue="nothing")
    return next(((a.replace("\t", " "), b.replace("\t", " ")) for a, b in pairs if a != b), ("", ""))
