"""The columns of every table of a case: what docs/reference/case.md prints and what the readers enforce."""

from __future__ import annotations

from estate_funds.ballots import CHANNELS, CHOICES
from estate_funds.exchange import households
from estate_funds.exchange.tables import Column

ESTATES = (
    Column("estate_id", "id", "stable id of the estate, unique", "yuanyi"),
    Column("name", "text", "name as people know it", "院一"),
    Column("city", "text", "city whose budget pays the city's share", "南昌市"),
    Column("district", "text", "district whose budget pays the district's share", "东湖区"),
    Column("street", "text", "street or town", "公园街道"),
    Column("community", "text", "the one community the estate belongs to", "院一社区"),
    Column("buildings", "count", "number of buildings", "31"),
    Column("floor_area_m2", "area", "floor area in m2 (not 万平方米)", "83700.00"),
    Column("completed_on", "day", "day of completion", "1985-12-31"),
    Column("service_start", "day", "first day of service", "2021-01-01"),
    Column("service_end", "day", "first day without service; empty while it goes on", "2024-03-16", required=False),
    Column(
        "gate",
        "choice",
        "is the estate closed or open; mixed: its buildings differ",
        "closed",
        required=False,
        allowed=("closed", "open", "mixed"),
    ),
    Column("renovated_on", "day", "day on which renovation was accepted", "2020-11-30", required=False),
    Column("office_area_m2", "area", "area of the property office", "130.00", required=False),
    Column("households", "count", "declared number on the first day of service", "960", required=False),
)
HOUSEHOLDS = households.COLUMNS
ASSESSMENTS = (
    Column("subject_id", "id", "an estate_id, a subject_id of subjects.csv, or level/name of a unit", "yuanyi"),
    Column("period", "count", "number of the service year (or the calendar year, if the document claims by it)", "3"),
    Column("result", "text", "a result that the document's gate knows", "pass"),
    Column("result_on", "day", "day of the result: payment is due from it", "2024-01-10"),
    Column("score", "number", "score, where the document divides by scores", "92.5", required=False),
    Column("evidence", "evidence", "as in spending.csv", "assessment-notice:evidence/k-2023.txt", required=False),
)
SUBJECTS = (
    Column("subject_id", "id", "stable id, unique among subjects and estates", "w-2024-01"),
    Column("kind", "text", "a kind that the document declares under [kinds], or household", "incident"),
    Column("name", "text", "name as people know it", "屋面渗漏"),
    Column("place", "text", "an estate_id, or level/name of a unit; empty: its parent's", "yuanyi", required=False),
    Column("parent", "id", "the subject that it is a part of", "w-2024", required=False),
    Column("on", "day", "first day: of the incident, the post, the work", "2024-05-06"),
    Column("until", "day", "first day on which it is no longer there", "2024-12-01", required=False),
)
FACTS = (
    Column("subject_id", "id", "an estate_id, a subject_id, or level/name of a unit", "w-2024-01"),
    Column("fact", "text", "a fact that the document declares under [facts]", "audited_cost"),
    Column("period", "text", "the period, where each has its own: 2024, 2024-Q2, 2024-05, 3", "2024", required=False),
    Column("value", "text", "the value, as its fact wants it: 80,000.00, 70.5%, yes, 2024-05-06", "80,000.00"),
    Column("known_on", "day", "day on which it was established: payment counts from it", "2024-06-30", required=False),
    Column("evidence", "evidence", "as in spending.csv", "audit-report:evidence/w-2024-01.txt", required=False),
)  # fmt: skip
BALLOTS = (
    Column(
        "vote_id", "id", "the vote: a subject of the kind vote; it counts ballots from `on` and before `until`", "v-1"
    ),
    Column("owner_id", "id", "the owner, or the property unit: one vote each", "yuanyi-01-0001"),
    Column("area_m2", "area", "exclusive area of the owner in m2, the same in each ballot", "45.50"),
    Column("channel", "choice", "how it was cast", "paper", allowed=CHANNELS),
    Column("cast_on", "day", "day on which it was cast; the last valid one before the end counts", "2024-05-06"),
    Column("sequence", "count", "which came first, where one owner casts several on a day", "2", required=False),
    Column("choice", "choice", "what it says; abstain takes part, invalid does not", "yes", allowed=CHOICES),
)
HOLIDAYS = (
    Column("day", "day", "a day that differs from the published calendar", "2027-02-08"),
    Column("kind", "choice", "rest day or working day", "rest", allowed=("rest", "work")),
)
SPENDING = (
    Column("spending_id", "id", "id of the payment, unique and stable: it makes posting twice harmless", "s-2022-01"),
    Column("on", "day", "day of payment", "2022-03-18"),
    Column("fund", "text", "the fund that pays: key/level/holder", "community-shortfall/community/院一社区"),
    Column("purpose", "text", "what for: must be permitted by the fund", "cleaning"),
    Column("payee", "text", "a key of [payees] in case.toml", "hongda"),
    Column("amount_yuan", "yuan", "amount in yuan", "38,400.00"),
    Column("evidence", "evidence", "kind:file or kind:sha256:digest, parted by ;", "invoice:evidence/s-2022-01.txt"),
    Column("narrative", "text", "what the voucher says", "street cleaning, first quarter", required=False),
    Column(
        "place", "choice", "where the work was: decides inside or outside the gate", "grounds",
        required=False, allowed=("unit", "grounds", "street"),
    ),
    Column(
        "gate", "choice", "of a mixed estate: is the building that was worked on closed or open", "open",
        required=False, allowed=("closed", "open"),
    ),
)  # fmt: skip
INCOMES = (
    Column("income_id", "id", "id of the receipt, unique and stable", "i-2022-01"),
    Column("on", "day", "day of receipt", "2022-06-30"),
    Column("subject_id", "id", "who earned it: an estate_id, or a subject_id that holds the fund", "yuanyi"),
    Column("source", "text", "a source that the document routes to a fund", "parcel-lockers"),
    Column("amount_yuan", "yuan", "amount in yuan", "6,000.00"),
    Column("evidence", "evidence", "as in spending.csv", "receipt:evidence/i-2022-01.txt", required=False),
)
TRANSFERS = (
    Column("transfer_id", "id", "id of the transfer, unique and stable", "t-2021-01"),
    Column("on", "day", "day on which both budgets change", "2021-07-01"),
    Column("transfer", "text", "a transfer that the document declares", "outside-gate-duty"),
    Column("giver", "text", "the unit whose budget is cut", "城市环境服务中心"),
    Column("taker", "text", "the unit that takes over the duty", "公园街道"),
    Column("annual_amount_yuan", "yuan", "approved amount for a full year", "120,000.00"),
    Column("months", "count", "months of the year that move", "6"),
    Column(
        "moves_yuan",
        "yuan",
        "what moves now, instead of the pro rata part; at most the approved amount a year",
        "30,000.00",
        required=False,
    ),
    Column("evidence", "evidence", "as in spending.csv", "budget-adjustment:evidence/t-2021-01.txt"),
)
FEES = (
    Column("household_id", "id", "the household that paid", "yuanyi-01-0001"),
    Column("fee", "text", "which fee", "property-service"),
    Column("month", "month", "the month that it pays for", "2022-03"),
    Column("amount_yuan", "yuan", "amount in yuan", "45.00"),
)
TABLES = {
    "estates.csv": ESTATES,
    "households.csv": HOUSEHOLDS,
    "assessments.csv": ASSESSMENTS,
    "subjects.csv": SUBJECTS,
    "facts.csv": FACTS,
    "ballots.csv": BALLOTS,
    "holidays.csv": HOLIDAYS,
    "spending.csv": SPENDING,
    "attempts.csv": SPENDING,
    "incomes.csv": INCOMES,
    "transfers.csv": TRANSFERS,
    "fees.csv": FEES,
}
