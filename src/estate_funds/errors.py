"""Every error that this library raises, in one tree.

::

    EstateFundsError
    ├── InputError                  what was handed in cannot be read as what it claims to be   (exit 2)
    │   ├── AmountError             not an amount of money, or not one that fen can hold
    │   ├── AllocationError         a total that cannot be divided as asked
    │   ├── DateError               not a date, or dates in an impossible order
    │   ├── PolicyError             a policy document that breaks the language of documents
    │   │   ├── UnknownDocument     no document of that id
    │   │   └── UnknownClause       the document has no such clause
    │   ├── NoRuleInForce           no version of a value covers the date that anchors it
    │   ├── CeilingExceeded         claims exceed a ceiling, and the document refuses the excess
    │   ├── CaseError               case.toml says something impossible
    │   ├── BulkError               a provision that is no sum over rows, or a run that is not this one
    │   ├── CheckpointError         not a checkpoint, or not signed by those who must
    │   └── TableError              a row or a column of a table is wrong
    │       ├── ColumnError         a column is missing, unknown or doubled
    │       ├── CellError           one cell is not what its column wants
    │       ├── DuplicateRow        two rows where one may stand
    │       └── ControlTotalError   the rows do not add up to the published total
    ├── Refusal                     the ledger's gate says no, and why                          (exit 1)
    │   ├── Malformed               not an entry: empty, unclean text, unknown account, wrong shape
    │   ├── Unbalanced              a fund of the entry does not sum to zero
    │   ├── UndeclaredCrossing      money crosses funds without the declared pair
    │   ├── UnknownFund             the fund was never opened, or is opened twice
    │   ├── OutsideFence            purpose, payee class or period outside what the fund permits
    │   ├── EvidenceMissing         the purpose demands evidence that is not there
    │   ├── Overdrawn               a balance would go below zero
    │   ├── PromiseExpired          the last day of the encumbrance that pays is over
    │   ├── SameHands               maker and approver are one person, or one is missing
    │   ├── PeriodClosed            the effective date lies in a closed period
    │   ├── FuturePeriod            the effective date lies after the day of recording
    │   ├── KeyConflict             the idempotency key was used for something else
    │   └── BadReversal             not the mirror, in red or in blue, of an entry that may be reversed
    ├── StoreError                  the database cannot be used                                 (exit 2)
    │   ├── LedgerNotFound          nothing at that address
    │   ├── LedgerFormatError       written by a newer version, or not a ledger at all
    │   ├── DamagedEntry            a row of the journal that this library cannot have written
    │   ├── StoreUnavailable        read-only, full, locked or lost
    │   └── EvidenceError           a source document cannot be kept, read or checked
    │       └── EvidenceAltered     what is kept under a digest is another document
    ├── SealBroken                  the journal is not the one that was signed                  (exit 1)
    ├── Unallocated                 money that no receipt accounts for                          (exit 1)
    ├── OutputError                 a file that was asked for cannot be written                 (exit 2)
    └── FindingsError               an audit found something                                    (exit 1)

    InvariantBroken(AssertionError) a bug of this library, never of its input
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST_SHOWN = 2_000  # characters of a detail: a cell may hold a book
_MOST_COMPARED = 200  # characters of a word that is looked for among others


class EstateFundsError(Exception):
    """What went wrong, where, what stood there, what was wanted, on what ground, and what to do.

    >>> print(EstateFundsError("the rate has no unit", where="new.toml, rate[0].unit", wanted="a unit", fix="add it"))
    the rate has no unit
      where:  new.toml, rate[0].unit
      wanted: a unit
      to do:  add it
    """

    exit_status = 2

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        got: object = None,
        wanted: object = None,
        clause: str = "",
        fix: str = "",
    ) -> None:
        self.what = what
        self.where = where
        self.got = got
        self.wanted = wanted
        self.clause = clause
        self.fix = fix
        super().__init__(what)

    def __str__(self) -> str:
        details = (
            ("where:", self.where),
            ("got:", self.got),
            ("wanted:", self.wanted),
            ("clause:", self.clause),
            ("to do:", self.fix),
        )
        lines = [f"  {label:<7} {shown(detail)}" for label, detail in details if detail not in (None, "")]
        return "\n".join([shown(self.what), *lines])

    def at(self, where: str) -> EstateFundsError:
        """The same error with its place filled in, for a caller that knows the place better."""
        if not self.where:
            self.where = where
        return self


class InputError(EstateFundsError):
    """What was handed in cannot be read as what it claims to be; `problems` lists each fault that was found."""

    problems: tuple[str, ...] = ()


class AmountError(InputError):
    """Not an amount of money, or not one that fen can hold."""


class AllocationError(InputError):
    """A total that cannot be divided as asked."""


class DateError(InputError):
    """Not a date, or dates in an impossible order."""


class PolicyError(InputError):
    """A policy document that breaks the language of documents."""


class UnknownDocument(PolicyError):
    """No document of that id is shipped, and no such file exists."""


class UnknownClause(PolicyError):
    """The document has no such clause."""


class NoRuleInForce(InputError):
    """No version of a value covers the date that anchors it."""


class CeilingExceeded(InputError):
    """Claims exceed a ceiling, and the document neither shares nor queues the excess."""


class CaseError(InputError):
    """case.toml says something impossible."""


class BulkError(InputError):
    """A provision that cannot be assessed row by row, or a folder that holds the results of another run."""


class CheckpointError(InputError):
    """Not a checkpoint, or not signed by those who must."""


class TableError(InputError):
    """A row or a column of a table is wrong."""


class ColumnError(TableError):
    """A column is missing, unknown or doubled."""


class CellError(TableError):
    """One cell is not what its column wants."""


class DuplicateRow(TableError):
    """Two rows where one may stand."""


class ControlTotalError(TableError):
    """The rows do not add up to the published total."""


class Refusal(EstateFundsError):
    """The ledger's gate says no, and why; nothing was changed. `asked` is the draft that it was put to."""

    exit_status = 1
    asked: object = None


class Malformed(Refusal):
    """Not an entry: empty, unclean text, an unknown account, or postings that its kind cannot have."""


class Unbalanced(Refusal):
    """A fund of the entry does not sum to zero."""


class UndeclaredCrossing(Refusal):
    """Money crosses funds without the declared pair of transfer postings."""


class UnknownFund(Refusal):
    """The fund was never opened, or is opened twice."""


class OutsideFence(Refusal):
    """Purpose, payee class or period outside what the fund permits."""


class EvidenceMissing(Refusal):
    """The purpose demands evidence that is not there."""


class Overdrawn(Refusal):
    """A balance would go below zero."""


class PromiseExpired(Refusal):
    """The last day of the encumbrance that pays is over."""


class SameHands(Refusal):
    """Maker and approver are one person, or one of them is missing."""


class PeriodClosed(Refusal):
    """The effective date lies in a closed period."""


class FuturePeriod(Refusal):
    """The effective date lies after the day of recording."""


class KeyConflict(Refusal):
    """The idempotency key was used for something else."""


class BadReversal(Refusal):
    """Not the mirror of an entry that may be reversed."""


class StoreError(EstateFundsError):
    """The database cannot be used."""


class LedgerNotFound(StoreError):
    """Nothing at that address."""


class LedgerFormatError(StoreError):
    """Written by a newer version of this library, or not a ledger at all."""


class DamagedEntry(StoreError):
    """A row of the journal that this library cannot have written."""


class StoreUnavailable(StoreError):
    """Read-only, full, locked or lost; nothing of the batch was written."""


class EvidenceError(StoreError):
    """A source document cannot be kept, read or checked."""


class EvidenceAltered(EvidenceError):
    """What is kept under a digest is not the document of that digest."""


class SealBroken(EstateFundsError):
    """The journal is not the one that was signed, or a proof does not prove what it should."""

    exit_status = 1


class Unallocated(EstateFundsError):
    """Money of a fund that no receipt of the journal accounts for: an entry is missing, or changed."""

    exit_status = 1


class OutputError(EstateFundsError):
    """A file that was asked for cannot be written."""


class FindingsError(EstateFundsError):
    """An audit found something; `findings` holds what."""

    exit_status = 1
    findings: tuple[object, ...] = ()


class InvariantBroken(AssertionError):
    """A bug of this library, never of its input: please report it with the message."""


def shown(detail: object) -> str:
    """A detail as a message can carry it: not longer than somebody reads, and of characters that every stream takes.

    >>> shown("x" * 5_000)[-30:], shown("\\udc80")
    ('xxx… (5,000 characters in all)', '\\\\udc80')
    """
    text = str(detail)
    if len(text) > _MOST_SHOWN:
        text = f"{text[:_MOST_SHOWN]}… ({len(text):,} characters in all)"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the known word nearest to `word`, or all of them when none is near.

    >>> nearest("comunity", ["community", "district"])
    "did you mean 'community'?"
    >>> nearest("x", ["city", "district"])
    'known: city, district'
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1) if len(word) <= _MOST_COMPARED else []
    if close:
        return f"did you mean {close[0]!r}?"
    some = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f"known: {some}" if names else "none is known"
