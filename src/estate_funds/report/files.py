"""The tables written beside a ledger: claims, vouchers, balances. Each file appears whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from estate_funds.assess import Claims
from estate_funds.audit import AuditReport
from estate_funds.errors import OutputError
from estate_funds.report.balances import FundBalance
from estate_funds.report.vouchers import Voucher
from estate_funds.text import harmless

CLAIM_COLUMNS = (
    "claim_id", "subject_id", "subject", "district", "community", "months", "service_year", "formula", "clause",
    "outcome", "reason", "amount_fen", "potential_fen", "shares",
)  # fmt: skip
VOUCHER_COLUMNS = (
    "voucher", "seq", "effective", "recorded", "kind", "narrative", "document", "clause", "fund", "account", "detail",
    "debit_fen", "credit_fen", "purpose", "payee", "maker", "approver", "reference", "key",
)  # fmt: skip
BALANCE_COLUMNS = ("fund", "title", "received_fen", "paid_fen", "cash_fen", "encumbered_fen", "available_fen")


def write_results(
    folder: Path,
    *,
    claims: Claims,
    vouchers: Sequence[Voucher],
    balances: Sequence[FundBalance],
    report: AuditReport,
    summary: str,
) -> list[Path]:
    """Write claims.csv, vouchers.csv, balances.csv, audit.json and summary.txt; OutputError where that fails."""
    texts = {
        "claims.csv": _csv(CLAIM_COLUMNS, _claim_rows(claims)),
        "vouchers.csv": _csv(VOUCHER_COLUMNS, _voucher_rows(vouchers)),
        "balances.csv": _csv(BALANCE_COLUMNS, ([getattr(b, name) for name in BALANCE_COLUMNS] for b in balances)),
        "audit.json": json.dumps(report.to_json(), ensure_ascii=False, indent=2) + "\n",
        "summary.txt": summary + "\n",
    }
    return [write_whole(folder / name, text) for name, text in texts.items()]


def make_folder(folder: Path) -> None:
    """Make the folder of results before anything is booked, so that it cannot fail after; OutputError otherwise."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".part"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            "the folder of results cannot be written",
            where=str(folder),
            got=error.strerror,
            fix="name another with --out",
        ) from None


def write_whole(path: Path, text: str) -> Path:
    """Write a file under another name and rename it: a reader sees the old file or the new one, never a part."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="")
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):  # there is none where its folder is no folder
            part.unlink(missing_ok=True)
        raise OutputError(
            "the file cannot be written",
            where=str(path),
            got=error.strerror,
            fix="free some space, or name another folder with --out",
        ) from None
    return path


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return "\ufeff" + buffer.getvalue()  # without the mark, Excel on a Chinese Windows reads UTF-8 as GBK


def _claim_rows(claims: Claims) -> Iterable[Sequence[object]]:
    for claim in claims:
        units = claim.subject.units
        for line in claim.lines:
            shares = " ".join(f"{share.payer}={share.fen}" for share in line.shares)
            yield (
                claim.claim_id, line.subject_id, claim.subject.name, units.get("district", ""),
                units.get("community", ""), str(line.months),
                line.service_year, line.formula, line.clause, line.outcome.value, line.reason, line.amount_fen,
                line.potential_fen, shares,
            )  # fmt: skip


def _voucher_rows(vouchers: Sequence[Voucher]) -> Iterable[Sequence[object]]:
    for voucher in vouchers:
        entry, draft = voucher.entry, voucher.entry.draft
        for fund, account, detail, side, fen in draft.postings:
            debit, credit = (fen, "") if side == "D" else ("", fen)
            yield (
                voucher.label, entry.seq, draft.effective, entry.recorded, draft.kind.value, draft.narrative,
                draft.document, draft.clause, fund, account, detail, debit, credit, draft.purpose, draft.payee,
                draft.maker, draft.approver, draft.reference, draft.key,
            )  # fmt: skip
