"""An independent verifier of exported journals: one file, the standard library, nothing of the rest of this package.

    python verifier.py BUNDLE.zip [--key VERIFIER_KEY]... [--checkpoint FILE] [--old FILE]...

It asks all that docs/reference/seal.md and entry-format.md demand (see `Journal.check`), with code of its own, and ends
with 0 for nothing found, 1 for something found, 2 for a bundle, a key or a checkpoint that cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import unicodedata
import zipfile
from collections import Counter, namedtuple
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FIELDS = "seq recorded policy registry kind effective key maker approver narrative document clause purpose payee"
HEAD = [*FIELDS.split(), "payee_class", "reference"]
NUMBER, DAY = "[1-9][0-9]{0,18}", "[0-9]{4}-[0-9]{2}-[0-9]{2}"
SEEN = "[^\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
ENTRY = re.compile(  # the grammar of an entry: 17 lines, then terms, evidence and postings
    f"estate_funds entry 1\nseq\t({NUMBER})\n"
    + "".join(f"{name}\t({DAY if name in ('recorded', 'effective') else SEEN + '*'})\n" for name in HEAD[1:])
    + f"(?:term(?:\t{SEEN}*)+\n)*(?:evidence\t{SEEN}+\t[0-9a-f]{{64}}\n)*"
    f"(?:posting(?:\t{SEEN}*){{3}}\t[DC]\t-?{NUMBER}\n)*"
)
FUND = re.compile(  # the grammar of the terms that define a fund
    f"fund\t(?P<id>[^/\t\n]+/[^/\t\n]+/[^\t\n]+)\ntitle\t{SEEN}*\ncarry_forward\t(?:yes|(?P<lapses>no))\n"
    "provenance\t(?:fifo|proportional)\n"
    "(?(lapses)|(?:(?P<others>held_for_others\tyes\n)|surplus_after_years\t(?P<years>[1-9][0-9]?)\n)?)"
    f"(?:permit(?:\t{SEEN}*){{3}}\t{DAY}\t(?:{DAY})?\t(?:[^,\t\n]+(?:,[^,\t\n]+)*)?\t{SEEN}*\n)*"
)
BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?"
NOTE = re.compile(  # the grammar of a checkpoint: origin, size, root, more lines; then signature lines
    "(?P<body>(?P<origin>[^\x00-\x1f]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>(?=[^\n]{44}\n)" + BASE64 + ")\n"
    "(?:[^\x00-\x1f]+\n)*)(?:\n(?P<lines>(?:\u2014 [^\\s+]+ " + BASE64 + "\n)+))?"
)
BLANK = "[\\s\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
BUDGET = {"authority", "unencumbered", "encumbered", "expended"}  # the other accounts are money
DEBIT = {"cash", "transfer_out", "expenditure", "surrendered", "advanced", "receivable", "due_from", "authority"}
IN, OUT = "cash:D authority:D unencumbered:C ", "cash:C unencumbered:D authority:C "
PAID, CROSSED = "cash:C encumbered:D expended:C ", "transfer_out:D transfer_in:C "
SHAPES = {  # which accounts each kind may touch, on which side
    "open_fund": "", "amend_fund": "", "close": "", "reopen": "", "refusal": "",
    "appropriation": IN + "funding:C", "receipt": IN + "funding:C payable:C",
    "encumbrance": "unencumbered:D encumbered:C", "release": "encumbered:D unencumbered:C authority:C",
    "disbursement": IN + PAID + CROSSED + "expenditure:D", "advance": PAID + "advanced:D",
    "settlement": PAID + "expenditure:D advanced:C", "spending": PAID + "unencumbered:D expenditure:D payable:D",
    "transfer": IN + OUT + CROSSED,
    "loan": IN + OUT + "due_from:D due_to:C", "repayment": IN + OUT + "due_to:D due_from:C",
    "recovery": IN + OUT + "transfer_out:D receivable:C", "carry_forward": "unencumbered:D unencumbered:C authority:C",
    "claw_back": "receivable:D recovery:C", "waiver": "recovery:D receivable:C", "surrender": "surrendered:D cash:C",
}  # fmt: skip
MIRRORS, FENCE = {"reversal", "correction"}, {"cash:C", "encumbered:C", "expenditure:D", "transfer_out:D", "due_from:D"}
APPROVED, BOUND, REFUSED = {"waiver", "reopen", "loan"}, ("encumbered", "advanced"), ("refused", "refusal/")
GIVEN = ("funding", "transfer_in", "transfer_out", "surrendered")
UNBACKED = MIRRORS | {"carry_forward", "release", "surrender"}  # a lapse leaves cash behind, a surrender takes it away
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, BASE = -121665 * pow(121666, -1, P) % P, bytes([0x58] + [0x66] * 31)
Posting = namedtuple("Posting", "fund account detail side fen")


def must(kept: Any, broken: str) -> Any:
    """What is kept; where nothing is, a ValueError that says what is broken."""
    if kept:
        return kept
    raise ValueError(broken)


def signed(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature is that of a public key over a message (RFC 8032, section 5.1)."""

    def plus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        t = D * a[0] * b[0] * a[1] * b[1]
        return (a[0] * b[1] + a[1] * b[0]) * pow(1 + t, -1, P) % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, P) % P

    def point(data: bytes) -> tuple[int, int]:
        sign, y = data[31] >> 7, int.from_bytes(data, "little") & (1 << 255) - 1
        square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
        x = pow(square, P + 3 >> 3, P)
        x = x if (x * x - square) % P == 0 else x * pow(2, P - 1 >> 2, P) % P
        must(y < P and (x * x - square) % P == 0 and (x or not sign), "a key that is no point of the curve")
        return (x if x & 1 == sign else P - x), y

    at, scalar, base, (x, y) = (0, 1), int.from_bytes(signature[32:], "little"), point(BASE), point(public)
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    for bit in range(255, -1, -1):
        at = plus(at, at)
        at = plus(at, base) if scalar >> bit & 1 else at
        at = plus(at, (P - x, y)) if k >> bit & 1 else at
    return len(signature) == 64 and scalar < L and (at[1] | (at[0] & 1) << 255).to_bytes(32, "little") == signature[:32]


def fault(note: Any, key: str) -> str:
    """What is wrong with the signature of a verifier key under a checkpoint; nothing where it has signed."""
    name, key_id, text = (*key.split("+", 2), "", "")[:3]
    public = base64.b64decode(text if re.fullmatch(BASE64, text) else "")
    own_id = hashlib.sha256(f"{name}\n".encode() + public).digest()[:4]
    must(len(public) == 33 and public[0] == 1 and own_id.hex() == key_id, f"not a verifier key: {key}")
    lines = [line.split(" ") for line in (note["lines"] or "").split("\n")[:-1]]
    own = [raw[4:] for _, signer, text in lines if signer == name and (raw := base64.b64decode(text))[:4] == own_id]
    fits = own and all(signed(public[1:], note["body"].encode(), one) for one in own)
    return "" if fits else f"the signature of {name} does not fit" if own else f"{name} has not signed"


def root_of(nodes: list[bytes]) -> bytes:
    """The root of the RFC 6962 tree over leaf hashes: it splits at the largest power of two below their number."""
    if len(nodes) < 2:
        return nodes[0] if nodes else hashlib.sha256().digest()
    split = 1 << (len(nodes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + root_of(nodes[:split]) + root_of(nodes[split:])).digest()


def _day(text: str) -> Any:
    return must(str(date.fromisoformat(text)) == text and text, f"not a day: {text}")


class Entry(SimpleNamespace):
    """An entry taken apart, its fields by their names; a ValueError where the bytes are not those of an entry."""

    def __init__(self, data: bytes) -> None:
        found = must(ENTRY.fullmatch(text := data.decode("utf-8")), "the lines are not those of an entry").groups()
        must(unicodedata.is_normalized("NFC", text), "text that is not in normal form C")
        one, rows = dict(zip(HEAD, found, strict=False)), [line.split("\t") for line in text.split("\n")]
        super().__init__(**one)
        self.seq, self.recorded, self.year = int(one["seq"]), _day(one["recorded"]), int(_day(self.effective)[:4])
        self.to = self.purpose, self.payee_class, self.payee
        self.terms, self.evidence = ([row[1:] for row in rows if row[0] == name] for name in ("term", "evidence"))
        self.until = self.term("expires") if self.kind == "encumbrance" and self.terms else ""
        self.postings = [Posting._make([*row[1:5], int(row[5])]) for row in rows if row[0] == "posting"]
        self.funds, self.used = {p.fund for p in self.postings}, {f"{p.account}:{p.side}" for p in self.postings}
        self.sums, self.changes, self.unbacked = Counter[Any](), Counter[Any](), Counter[Any]()
        for p in self.postings:
            change = p.fen if (p.side == "D") == (p.account in DEBIT) else -p.fen
            self.sums[p.fund, p.account, p.side] += p.fen
            self.changes[p[:3]] += change  # of balances; `unbacked` is cash that no budget stands for
            self.unbacked[p.fund] += {"cash": 1, "unencumbered": -1, "encumbered": -1}.get(p.account, 0) * change

    def mirrored(self, count: int) -> bytes:  # a digest of the first postings, the same for an entry and its mirror
        own, sign, blue = self.postings[:count], -1 if self.kind == "reversal" else 1, self.kind == "correction"
        rows = [(*p[:2], p[1] == "unencumbered" or p[2], (p[3] == "D") ^ blue, sign * p[4]) for p in own]
        return hashlib.sha256(repr(rows).encode()).digest()

    def term(self, name: str, suffix: str = "") -> str:
        must([row[:-1] for row in self.terms] == [[name]] and _day(self.terms[0][1] + suffix), f"no term {name}")
        return self.terms[0][1]

    def fund(self) -> Any:  # what it opens or amends; of each permit: purpose, class, into, first day, end, evidence
        found = must(FUND.fullmatch("".join("\t".join(row) + "\n" for row in self.terms)), "the terms define no fund")
        rows = [row for row in self.terms if row[0] == "permit"]
        must(all(_day(row[4]) and _day(row[5] or row[4]) for row in rows), "not a period")
        return found, [(*row[1:5], row[5] or "9999", set(filter(None, row[6].split(",")))) for row in rows]


class Journal:
    """The state that the entries fold to, and the checks that each must pass on the way."""

    def __init__(self) -> None:
        self.seq, self.recorded, self.open = 0, "", ""  # the first month that is open
        self.keys, self.reversed, self.funds, self.permits = set[str](), set[str](), dict[str, Any](), dict[str, Any]()
        self.balances, self.unbacked, self.inflows, self.owed = (Counter[Any]() for _ in range(4))
        self.booked: dict[str, Any] = {}  # number -> digest of its mirror, postings, kind, year, paid, reference
        self.promises: dict[Any, Any] = {}  # fund, reference -> year, last day, first year, what it binds, since when

    def check(self, e: Entry) -> None:  # what an entry must keep; a ValueError with the first thing that it does not
        must(e.seq == self.seq + 1, f"it does not follow entry {self.seq}")
        must(e.key and e.narrative and e.key not in self.keys, "no narrative, no key, or one used before")
        must(self.recorded <= e.recorded >= e.effective, "recorded before the last entry, or before it counts")
        must(e.effective[:7] >= self.open or e.kind == "open_fund", "its period is closed")
        hands = [re.sub(BLANK, "", unicodedata.normalize("NFKC", name).casefold()) for name in (e.maker, e.approver)]
        must(e.kind == "refusal" or (all(hands) and hands[0] != hands[1]), "maker and approver are not two people")
        must(e.kind == "encumbrance" or bool(e.terms) == (SHAPES.get(e.kind) == ""), "terms, or none, against its kind")
        rests = e.kind in APPROVED | {"claw_back", "open_fund", "amend_fund"} or e.used & {"cash:D", "cash:C"}
        approved = e.document and e.clause and (e.evidence or e.kind not in APPROVED)
        must(approved or not rests, "without a document, a clause or an approval")
        gaps: Counter[Any] = Counter()
        for p in e.postings:
            must(p.fund in self.funds, f"the fund {p.fund} was never opened")
            must((p.fen < 0) == (e.kind == "reversal") and abs(p.fen) < 1 << 63, "an amount of a wrong sign or size")
            must(p.account != "unencumbered" or e.kind == "carry_forward" or p.detail == str(e.year), "another year")
            own = (p.account == "payable") == bool(self.funds[p.fund]["others"])
            must(own or p.account in BUDGET | {"cash"}, "money held for others, or not, in a fund of another sort")
            gaps[p.fund, p.account in BUDGET] += p.fen if p.side == "D" else -p.fen
        must(not any(gaps.values()), "it does not balance within each fund")
        *_, paid_in, _, under = self.booked.get(e.reference, (e.year, 0, ""))
        for fund, gap in e.unbacked.items():  # what is recovered late stays cash, as far as its budget has lapsed
            made = self.promises.get((fund, under), (paid_in, "", 0))
            back = e.changes[fund, "cash", ""] * (e.kind == "recovery" and (fund, "receivable", "C") in e.sums)
            late = self.lapsed(fund, back, min(paid_in, made[2] or made[0]), e.year)
            must(gap == late or e.kind in UNBACKED, "money and budget do not move together")
            must(gap >= 0 or gap + self.unbacked[fund] >= 0, "cash that budget stands for")
        (self.check_mirror if e.kind in MIRRORS else self.check_shape)(e)
        for key, change in e.changes.items():
            (fund, account, part), left = key, self.balances[key] + change
            must(0 <= left < 1 << 63, f"{' '.join(key)} goes below 0, or beyond 64 bits")
            paid = self.booked[part][4][fund] if part in self.booked and part not in self.reversed else 0
            must(account != "recovery" or change <= 0 or left <= paid, "more is claimed back than was paid")
            gave, came, went, back = (self.balances[fund, a, part] + e.changes[fund, a, part] for a in GIVEN)
            broken = gave + max(0, came - went) < back and e.kind in MIRRORS | {"surrender"}
            must(not broken, f"more goes back to {part} than it gave")

    def check_mirror(self, e: Entry) -> None:
        mirrored, count, kind, year, paid, _ = self.booked.get(e.reference, (b"", 0, "", 0, Counter(), ""))
        must(count and kind not in MIRRORS | {"carry_forward"} and e.reference not in self.reversed, "no entry to undo")
        must(year == e.year if e.kind == "reversal" else year < e.year, "red puts this year right, blue an earlier one")
        must(mirrored == e.mirrored(count), "not the mirror of the entry that it names")
        freed: Counter[str] = Counter()  # what blue frees of budget that has lapsed lapses again
        for p in e.postings[: count * (e.kind == "correction")]:
            freed[p.fund] += (p.account == "unencumbered") * (p.fen if p.side == "C" else -p.fen)
        gone = {fund: self.lapsed(fund, fen, year, e.year) for fund, fen in freed.items()}
        ways = (("unencumbered", str(e.year), "DC"), ("authority", "", "CD"))
        rest = [(fund, *way[:2], way[2][fen < 0], abs(fen)) for fund, fen in gone.items() if fen for way in ways]
        must(e.postings[count:] == rest, "not the budget that has lapsed")
        bound = {self.promises.get(p[:3:2], (0,))[-1] for p in e.postings if p.account in BOUND}
        claimed = any(self.balances[fund, "recovery", e.reference] for fund in paid)
        must(int(e.reference) >= max(bound, default=0) and not claimed, "promised to another since, or claimed back")

    def check_shape(self, e: Entry) -> None:
        shape = set(SHAPES.get(e.kind, "no such kind").split())
        must(e.used <= shape and bool(e.used) == bool(shape), "accounts that are not those of its kind")
        told = dict.fromkeys(("encumbered", "advanced", "receivable", "recovery"), e.reference)
        told |= dict.fromkeys(("cash", "authority", "expended"), "") | {"expenditure": e.purpose}
        must(all(p.detail == told.get(p.account, p.detail) for p in e.postings), "a wrong detail")
        must(not any(e.sums[fund, "cash", "D"] and e.sums[fund, "cash", "C"] for fund in e.funds), "cash both ways")
        for out, back in (("transfer_out", "transfer_in"), ("due_from", "due_to")):
            pairs = Counter({(fund, to): fen for (fund, account, to), fen in e.changes.items() if account == out})
            taken = {(giver, fund): fen for (fund, account, giver), fen in e.changes.items() if account == back}
            if e.kind == "recovery":  # what another fund gives settles the receivable
                taken = {pair: e.sums[pair[1], "receivable", "C"] for pair in pairs}
            pairs.subtract(taken)
            must(not any(pairs.values()) and (e.kind != "recovery" or len(pairs) < 2), f"{out} without its other half")
        given = {(p.fund, p.detail) for p in e.postings if p.account in ("transfer_out", "due_from") and p.side == "D"}
        held, promise = {kind for kind, _ in e.evidence}, e.kind == "encumbrance"
        fenced = {p.fund for p in e.postings if f"{p.account}:{p.side}" in FENCE}
        for fund in fenced if e.kind not in ("repayment", "surrender") else ():
            into = {to.split("/")[0] for giver, to in given if giver == fund}
            into |= {"payee" * (e.kind == "disbursement")} if not into or e.sums[fund, "expenditure", "D"] else set()
            valid = [
                needs for *who, to, start, until, needs in self.permits[fund]
                if who == [e.purpose, e.payee_class] and (promise or {to} == into)
                and (start <= e.effective < until or (e.kind == "settlement" and not e.sums[fund, "cash", "C"]))
            ]  # fmt: skip
            enough = any(held if e.kind == "advance" and needs else needs <= held for needs in valid)
            must(valid and e.payee.strip() and (promise or enough), f"outside the fence of {fund}, or without evidence")
        must(all(a != b and b.split("/", 2)[1:] == [e.payee_class, e.payee] for a, b in given), "not to the payee")
        self.check_kind(e)

    def check_kind(self, e: Entry) -> None:  # periods, promises, year ends, advances, what is lent and given back
        if e.kind in ("open_fund", "amend_fund"):
            fund, before = e.fund()[0], self.funds.get(e.fund()[0]["id"], e.fund()[0])
            owes = any(n for k, n in self.balances.items() if k[0] == fund["id"] and k[1][:4] == "due_")
            other = owes and before.group("lapses", "years") != fund.group("lapses", "years")
            other = other or (self.balances[fund["id"], "cash", ""] and before["others"] != fund["others"])
            must((fund["id"] in self.funds) == (e.kind == "amend_fund") and not other, "open, or not, or holds money")
        elif e.kind == "close":
            through = e.term("through", "-01")
            budget = [k for k, n in self.balances.items() if n and k[1] == "unencumbered" and f"{k[2]}-12" <= through]
            must(e.effective[:7] > through >= self.open and not budget, "not over, closed before, or with budget left")
        elif e.kind == "surrender":
            given = all(any(self.balances[p.fund, a, e.payee] for a in GIVEN[:2]) for p in e.postings)
            must(given and e.payee.strip() and {p.detail for p in e.postings} <= {e.payee, ""}, "not to its source")
        told = e.kind != "refusal" or ((e.terms[0][0], e.key[:8]) == REFUSED and e.effective >= self.recorded)
        must(told and (e.kind != "reopen" or e.term("from", "-01") < self.open), "no refusal, or a month not closed")
        must((e.reference or e.kind != "encumbrance") and (e.until or "~") >= e.effective, "unnamed, or expired")
        for p in (p for p in e.postings if p.account in BOUND):
            year, last, _, to, _ = self.promises.get(p[:3:2], (e.year, "", 0, e.to, 0))
            free = e.kind == "release" or not any(self.balances[p.fund, name, p.detail] for name in BOUND)
            held = p.account == "encumbered" and self.balances[p[:3]]
            old = held and e.kind == "encumbrance" and self.funds[p.fund]["lapses"] and year != e.year
            fits = to == e.to and not old and not (held and last and e.effective > last)
            must(free or fits, f"promised otherwise, in {year}, or until {last}")
            gone = self.lapsed(p.fund, e.sums[p.fund, "encumbered", "D"], year, e.year)
            must(e.kind != "release" or e.sums[p.fund, "authority", "C"] == gone, f"{gone} fen have lapsed")
        for fund in e.funds if e.kind in ("loan", "carry_forward", "settlement", "recovery") else ():
            year, rules, left = e.year, self.funds[fund], self.balances[fund, "unencumbered", str(e.year)]
            lent, owed = e.sums[fund, "due_from", "D"], e.sums[fund, "due_to", "C"]
            bad = e.kind == "loan" and ((rules["lapses"] and (lent or owed)) or (lent and (rules["years"] or owed)))
            must(not bad, "it lends or borrows what it may not keep")
            kept = left - self.lapsed(fund, left, 0, year)
            ways = [("unencumbered", str(year), "D", left), ("unencumbered", str(year + 1), "C", kept)]
            ways = [way for way in (*ways, ("authority", "", "C", left - kept)) if way[3]]
            ends = e.effective[4:] == "-12-31" and [p[1:] for p in e.postings if p.fund == fund] == ways
            ends = ends and not any(self.balances[fund, "unencumbered", str(before)] for before in range(year))
            must(e.kind != "carry_forward" or ends, f"not how {fund} ends a year")
            advanced, arrived = self.balances[fund, "advanced", e.reference], e.sums[fund, "cash", "D"]
            must(e.kind != "settlement" or 0 < advanced == e.sums[fund, "advanced", "C"], "not the whole advance")
            must(e.kind != "recovery" or arrived == e.sums[fund, "receivable", "C"], "collected is what arrives")

    def lapsed(self, fund: str, fen: int, since: int, year: int) -> int:  # at a year's end, or of what was used before
        lapses, years = self.funds[fund]["lapses"], int(self.funds[fund]["years"] or 0)
        left = fen + sum(self.balances[fund, "unencumbered", str(y)] for y in range(since or year + 1, year + 1))
        fresh = max(0, sum(self.inflows[fund, y] for y in range(year + 1 - bool(since) - years, year + 1)))
        return 0 if since >= year else fen if lapses else max(0, min(fen, left - fresh - self.owed[fund])) * (years > 0)

    def fold(self, e: Entry) -> None:
        self.seq, self.recorded = e.seq, e.recorded
        self.keys.add(e.key)
        mirrors, blue = e.kind in MIRRORS, e.kind == "correction"
        count, kind, since = self.booked[e.reference][1:4] if mirrors else (None, e.kind, e.year)
        for p in e.postings:
            year, last, first, to, bound = self.promises.get(p[:3:2], (0, "", 0, e.to, 0))
            if p.account == "encumbered" and mirrors and first and (p.side == "C") == (p.fen > 0):
                self.promises[p[:3:2]] = first, last, 0, to, bound  # what was promised before may be back
            elif p.account == "encumbered" and e.kind == "encumbrance" and self.balances[p[:3]]:
                self.promises[p[:3:2]] = min(year, e.year), e.until or last, first, to, bound
            elif p.account == "encumbered" and e.kind == "encumbrance":  # a new promise: nothing is left of the old one
                first, bound = first or year, bound if to == e.to else e.seq
                self.promises[p[:3:2]] = e.year, e.until, first * (first < e.year), e.to, bound
            self.owed[p.fund] += (p.account == "due_to") * (p.fen if p.side == "C" else -p.fen)
        for p in e.postings[:count] if kind not in ("loan", "repayment", "recovery") else ():
            if p.account == "authority" and p.side == "DC"[blue]:
                self.inflows[p.fund, since] += -p.fen if blue else p.fen
        for (fund, account, giver), fen in e.changes.items():  # what comes back from another fund is not new
            net = self.balances[fund, "transfer_in", giver] - self.balances[fund, "transfer_out", giver]
            if account == "transfer_in":
                self.inflows[fund, since] += max(0, net + fen) - max(0, net) - fen
        self.balances.update(e.changes)
        self.unbacked.update(e.unbacked)
        if e.kind in ("open_fund", "amend_fund"):
            fund, permits = e.fund()
            self.funds[fund["id"]], self.permits[fund["id"]] = fund, permits
        elif e.kind in ("close", "reopen"):  # what follows a month is greater than its name and a plus
            self.open = e.term("through", "-01") + "+" if e.kind == "close" else e.term("from", "-01")
        self.reversed |= {e.reference} if mirrors else set()
        paid = Counter({fund: -e.changes[fund, "cash", ""] for fund in e.funds if PAID in SHAPES.get(e.kind, "")})
        self.booked[str(e.seq)] = e.mirrored(len(e.postings)), len(e.postings), e.kind, e.year, +paid, e.reference


def verify(bundle: Any, note: bytes, keys: list[str], old: list[bytes]) -> tuple[list[str], list[str]]:
    """What was covered, and what was found."""

    def entries(file: Any, held: bytes = b"") -> Any:  # an entry begins at its first line
        while must(len(held) < 1 << 26, "an entry that does not end") and (chunk := file.read(1 << 20)):
            *whole, held = re.split(b"(?<=\n)(?=estate_funds entry 1\n)", held + chunk)
            yield from whole
        yield from [held] if held else []

    journal, leaves, named = Journal(), list[bytes](), set[str]()
    checkpoint, *older = [must(NOTE.fullmatch(one.decode()), "not a checkpoint") for one in (note, *old)]
    findings = [broken for key in keys if (broken := fault(checkpoint, key))]
    for data in entries(bundle.open("journal.txt")):
        leaves.append(hashlib.sha256(b"\x00" + data).digest())
        try:
            e = Entry(data)
            named |= {digest for _, digest in e.evidence}
            try:
                journal.check(e)
            finally:
                journal.fold(e)
        except (ValueError, LookupError) as error:
            findings.append(f"entry {len(leaves)}: {error}")
    for one in (checkpoint, *older):
        grown, root = len(leaves) - int(one["size"]), base64.b64encode(root_of(leaves[: int(one["size"])])).decode()
        if grown < 0 or (grown and one is checkpoint) or (one["origin"], one["root"]) != (checkpoint["origin"], root):
            findings.append(f"{len(leaves)} entries are not those of {one['origin']} {one['size']}, or do not begin so")
    told = b"".join("\t".join((*key, f"{fen}\n")).encode() for key, fen in sorted(journal.balances.items()) if fen)
    findings += ["balances.txt does not hold the balances"] * (told != bundle.open("balances.txt").read(len(told) + 1))
    held, digests = Counter(bundle.namelist()), {f"evidence/{digest}": digest for digest in named}
    own = dict.fromkeys(("checkpoint", "keys.txt", "balances.txt", "journal.txt"), "")
    if "manifest.json" in held:  # it names every other member that is no document, with its digest
        seals = json.loads(bundle.open("manifest.json").read(1 << 22))["members"]
        own |= {"manifest.json": ""} | {name: str(seal["sha256"]) for name, seal in seals.items()}
    for name, times in held.items():
        wanted = own.get(name, digests.get(name))
        whole = wanted == "" or wanted == hashlib.file_digest(bundle.open(name), "sha256").hexdigest()
        if times > 1 or not whole:
            findings.append(f"{name} is not what a bundle holds, or not the document that an entry names")
    findings += [f"{name} of the manifest is missing" for name in sorted(own.keys() - held.keys())]
    came = sum(name in digests for name in held)
    refusals = sum(booked[2] == "refusal" for booked in journal.booked.values())
    return [
        f"journal     {checkpoint['origin']}: {len(leaves)} entries, {refusals} of them refusals",
        f"seal        {len(leaves)}:{root_of(leaves).hex()}, and {len(older)} older checkpoints",
        f"signatures  {len(keys)}" if keys else "signatures  not checked: no --key was given",
        f"contents    {told.count(10)} balances, {came} of {len(named)} documents"
        + (f", {len(own) - 5} members of a case" if "manifest.json" in held else ""),
    ], findings


def main(arguments: list[str] | None = None) -> int:
    """Verify a bundle, print what was covered and found, and give the exit status."""
    parser = argparse.ArgumentParser(description="Verify an exported journal.")
    parser.add_argument("bundle")
    parser.add_argument("--key", action="append", default=[], help="a verifier key that must have signed")
    parser.add_argument("--checkpoint", help="a file, instead of the checkpoint in the bundle")
    parser.add_argument("--old", action="append", default=[], help="a file with an older checkpoint")
    asked = parser.parse_args(arguments)
    try:
        with zipfile.ZipFile(asked.bundle) as bundle:
            must({one.compress_type for one in bundle.infolist()} <= {0, 8}, "a member neither stored nor deflated")
            note = Path(asked.checkpoint).read_bytes() if asked.checkpoint else bundle.open("checkpoint").read(1 << 20)
            covered, findings = verify(bundle, note, asked.key, [Path(name).read_bytes() for name in asked.old])
    except Exception as error:  # whatever it is, nothing was verified
        print(f"{asked.bundle} cannot be verified: {error}", file=sys.stderr)
        return 2
    print("\n".join([*covered, f"findings    {len(findings)}", *(f"  {one}" for one in findings[:20])]))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
