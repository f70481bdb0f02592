"""SAF-T: the structure of the OECD's Standard Audit File for Tax 2.0, for auditors whose tools read that.

Header, MasterFiles (GeneralLedgerAccounts, AnalysisTypeTable) and GeneralLedgerEntries of the schema in appendix B of
the OECD guidance (May 2010). These books know no tax, no customers and no suppliers, so those parts are left out, and
no national variant is claimed. An account of the file is an account of a fund: `AccountID` is the code of a chart of
accounts and a number, `StandardAccountID` the code; the fund and the detail stand in full in AnalysisTypeTable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from estate_funds import __version__
from estate_funds.exchange.chart import Chart
from estate_funds.exchange.outline import Key, Outline, numbered, xml_text, yuan
from estate_funds.funds import BUDGET, NORMAL_SIDE, Account, Side
from estate_funds.journal import Entry

NAMESPACE = "urn:OECD:StandardAuditFile-Taxation/2.00"
FUND, DETAIL, LEDGER_ACCOUNT = "FUND", "DETAIL", "ACCOUNT"
_LONG, _SHORT = 256, 70  # SAFlongtextType, SAFmiddle2textType
_TYPES = {
    Account.CASH: "Asset", Account.ADVANCED: "Asset", Account.RECEIVABLE: "Asset", Account.DUE_FROM: "Asset",
    Account.PAYABLE: "Liability", Account.DUE_TO: "Liability", Account.FUNDING: "Sale", Account.TRANSFER_IN: "Sale",
    Account.RECOVERY: "Sale", Account.EXPENDITURE: "Expense", Account.TRANSFER_OUT: "Expense",
    Account.SURRENDERED: "Expense",
} | dict.fromkeys(BUDGET, "Other")  # fmt: skip


def saft_lines(told: Outline, entries: Iterable[Entry], chart: Chart, *, unit: str) -> Iterator[str]:
    """An audit file, some lines at a time; `told` is the outline of the same entries, `unit` whose books they are."""
    day = told.last or told.recorded or chart.start
    names = _Names(told, chart, day)
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<AuditFile xmlns="{NAMESPACE}">\n'
    yield _header(told, day, unit)
    yield "<MasterFiles>\n<GeneralLedgerAccounts>\n"
    for key in told.accounts:
        yield _account(told, key, names, chart, day)
    yield "</GeneralLedgerAccounts>\n<AnalysisTypeTable>\n"
    for kind, said, ids in ((FUND, "基金 fund", names.funds), (DETAIL, "明细 sub-account", names.details)):
        for text, number in ids.items():
            yield _one(
                "AnalysisTypeTableEntry", AnalysisType=kind, AnalysisTypeDescription=said, AnalysisID=number,
                AnalysisIDDescription=text[:_LONG],
            )  # fmt: skip
    yield "</AnalysisTypeTable>\n</MasterFiles>\n<GeneralLedgerEntries>\n"
    debit = sum(turnover.debit_fen for turnover in told.accounts.values())
    credit = sum(turnover.credit_fen for turnover in told.accounts.values())
    yield f"<NumberOfEntries>{told.vouchers}</NumberOfEntries>\n"
    yield f"<TotalDebit>{yuan(debit)}</TotalDebit>\n<TotalCredit>{yuan(credit)}</TotalCredit>\n"
    yield "<Journal>\n<JournalID>1</JournalID>\n<Description>记账凭证</Description>\n<Type>GL</Type>\n"
    for label, entry in numbered(entries):
        yield _transaction(label, entry, names)
    yield "</Journal>\n</GeneralLedgerEntries>\n</AuditFile>\n"


class _Names:
    """Short ids for what is longer in these books than the schema allows."""

    def __init__(self, told: Outline, chart: Chart, day: date) -> None:
        self.codes = {key: chart.row(key, day).code for key in told.accounts}
        self.accounts = {key: f"{self.codes[key]}.{turnover.number}" for key, turnover in told.accounts.items()}
        self.funds = _counted("F", (fund for fund, _, _ in told.accounts))
        self.details = _counted("D", (detail for _, _, detail in told.accounts if detail))


def _counted(letter: str, texts: Iterable[str]) -> dict[str, str]:
    return {text: f"{letter}{number}" for number, text in enumerate(dict.fromkeys(texts), 1)}


def _header(told: Outline, day: date, unit: str) -> str:
    first = told.first or day
    company = _one("Company", RegistrationNumber="", Name=unit[:_LONG]).replace(
        "</Company>", "<Address><Country>CN</Country></Address></Company>"
    )
    return (
        "<Header>\n<AuditFileVersion>2.00</AuditFileVersion>\n<AuditFileCountry>CN</AuditFileCountry>\n"
        f"<AuditFileDateCreated>{told.recorded or day}</AuditFileDateCreated>\n"
        "<SoftwareCompanyName>estate_funds</SoftwareCompanyName>\n<SoftwareID>estate_funds</SoftwareID>\n"
        f"<SoftwareVersion>{xml_text(__version__)}</SoftwareVersion>\n{company}"
        "<DefaultCurrencyCode>CNY</DefaultCurrencyCode>\n"
        f"<SelectionCriteria><SelectionStartDate>{first}</SelectionStartDate>"
        f"<SelectionEndDate>{day}</SelectionEndDate></SelectionCriteria>\n"
        "<TaxAccountingBasis>Cash Accounting</TaxAccountingBasis>\n</Header>\n"
    )


def _account(told: Outline, key: Key, names: _Names, chart: Chart, day: date) -> str:
    turnover = told.accounts[key]
    fund, account, detail = key
    debit = NORMAL_SIDE[account] == Side.DEBIT
    balance = told.balance_fen(key)
    said = f"{chart.row(key, day).name} {account} {detail} {fund}"
    return _one(
        "Account", AccountID=names.accounts[key], AccountDescription=said[:_LONG],
        StandardAccountID=names.codes[key], GroupingCategory=LEDGER_ACCOUNT, GroupingCode=account,
        AccountType=_TYPES[Account(account)], AccountCreationDate=str(turnover.first),
        **{f"Opening{'Debit' if debit else 'Credit'}Balance": "0.00"},
        **{f"Closing{'Debit' if debit else 'Credit'}Balance": yuan(balance)},
    )  # fmt: skip


def _transaction(label: str, entry: Entry, names: _Names) -> str:
    draft = entry.draft
    day = draft.effective
    lines = []
    for number, (fund, account, detail, side, fen) in enumerate(draft.postings, 1):
        analysis = _one("Analysis", AnalysisType=FUND, AnalysisID=names.funds[fund])
        if detail:
            analysis += _one("Analysis", AnalysisType=DETAIL, AnalysisID=names.details[detail])
        which = "DebitAmount" if side == Side.DEBIT.value else "CreditAmount"
        lines.append(
            f"<Line><RecordID>{number}</RecordID><AccountID>{names.accounts[fund, account, detail]}</AccountID>"
            f"{analysis}<SourceDocumentID>{xml_text(_evidence(entry))}</SourceDocumentID>"
            f"<Description>{xml_text(draft.narrative[:_LONG])}</Description>"
            f"<{which}><Amount>{yuan(fen)}</Amount></{which}></Line>\n"
        )
    head: Mapping[str, str] = {
        "TransactionID": str(entry.seq), "Period": str(day.month), "PeriodYear": str(day.year),
        "TransactionDate": str(day), "SourceID": f"{draft.maker} / {draft.approver}"[:_SHORT],
        "TransactionType": draft.kind.value,
        "Description": f"{label} {draft.document} {draft.clause} {draft.narrative}"[:_LONG],
        "SystemEntryDate": str(entry.recorded), "GLPostingDate": str(day),
    }  # fmt: skip
    told = "".join(f"<{name}>{xml_text(text)}</{name}>" for name, text in head.items())
    return f"<Transaction>{told}\n{''.join(lines)}</Transaction>\n"


def _evidence(entry: Entry) -> str:
    """The first source document, by kind and digest; how many more there are, the schema has no place for."""
    found = entry.draft.evidence
    return f"{found[0].kind[:5]}:{found[0].sha256}"[:_SHORT] if found else ""


def _one(element: str, **fields: str) -> str:
    told = "".join(f"<{name}>{xml_text(text)}</{name}>" for name, text in fields.items())
    return f"<{element}>{told}</{element}>\n"
