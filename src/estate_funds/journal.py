"""Postings, drafts and entries, and the exact bytes that an entry is.

A *draft* is what somebody asks to have booked; an *entry* is a draft that the gate let through, with its place in the
journal and the day of recording. The canonical bytes are UTF-8 text, one field a line, specified in
docs/reference/entry-format.md with golden vectors: no escaping is needed, because control characters are refused.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property
from itertools import zip_longest
from typing import NamedTuple

from estate_funds.errors import Malformed
from estate_funds.funds import Terms
from estate_funds.text import INVISIBLE

ENTRY_FORMAT = 1
_TOLD = ("maker\t", "approver\t", "narrative\t")
GENESIS = bytes(32)  # the head of an empty journal


class Kind(StrEnum):
    """What an entry does; each kind may touch only the accounts of its shape (see ledger)."""

    OPEN_FUND = "open_fund"
    AMEND_FUND = "amend_fund"
    APPROPRIATION = "appropriation"
    RECEIPT = "receipt"
    ENCUMBRANCE = "encumbrance"
    RELEASE = "release"
    DISBURSEMENT = "disbursement"
    SPENDING = "spending"
    TRANSFER = "transfer"
    CARRY_FORWARD = "carry_forward"
    CLOSE = "close"
    REVERSAL = "reversal"


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
    def content(self) -> str:
        """The canonical lines of what was asked for: all but where it stands and which snapshots it came from."""
        lines = [
            f"kind\t{self.kind.value}",
            f"effective\t{self.effective}",
            f"key\t{self.key}",
            f"maker\t{self.maker}",
            f"approver\t{self.approver}",
            f"narrative\t{self.narrative}",
            f"document\t{self.document}",
            f"clause\t{self.clause}",
            f"purpose\t{self.purpose}",
            f"payee\t{self.payee}",
            f"payee_class\t{self.payee_class}",
            f"reference\t{self.reference}",
            *("term\t" + "\t".join(term) for term in self.terms),
            *(f"evidence\t{kind}\t{digest}" for kind, digest in self.evidence),
            *(f"posting\t{f}\t{a}\t{d}\t{s}\t{n}" for f, a, d, s, n in self.postings),
        ]
        return "\n".join(lines) + "\n"

    @cached_property
    def content_digest(self) -> bytes:
        """SHA-256 of the lines that decide, which an idempotency key stands for: all but hands and narrative."""
        return hashlib.sha256("\n".join(self.deciding_lines).encode("utf-8")).digest()

    @property
    def deciding_lines(self) -> list[str]:
        """The lines of `content` but for hands and narrative."""
        return [line for line in self.content.split("\n") if not line.startswith(_TOLD)]

    def check_text(self) -> None:
        """Malformed where a field holds a control or invisible character or is not in NFC."""
        content = self.content
        lines = 12 + len(self.terms) + len(self.evidence) + len(self.postings)
        tabs = 12 + sum(map(len, self.terms)) + 2 * len(self.evidence) + 5 * len(self.postings)
        if content.count("\n") != lines or content.count("\t") != tabs:
            raise self._unclean("a line feed or a tab")
        snapshots = self.policy + self.registry
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
        """SHA-256 of a zero byte and the canonical bytes: the leaf hash of RFC 6962, section 2.1."""
        return hashlib.sha256(b"\x00" + self.canonical()).digest()


def difference(one: Draft, other: Draft) -> tuple[str, str]:
    """The first line that decides and in which two drafts differ, for people."""
    pairs = zip_longest(one.deciding_lines, other.deciding_lines, fillvalue="nothing")
    return next(((a.replace("\t", " "), b.replace("\t", " ")) for a, b in pairs if a != b), ("", ""))


def link(head: bytes, leaf: bytes) -> bytes:
    """The head of the journal after an entry: SHA-256 of a two byte, the head before, and the entry's leaf.

    Zero and one are the prefixes of leaves and nodes in RFC 6962, section 2.1; a chain is neither.
    """
    return hashlib.sha256(b"\x02" + head + leaf).digest()
