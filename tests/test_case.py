"""Bad cases: each is refused whole, with file, row, column, got, wanted and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import TODAY
from estate_funds import Books, load_case
from estate_funds.errors import (
    CaseError,
    CellError,
    ColumnError,
    ControlTotalError,
    DateError,
    DuplicateRow,
    EstateFundsError,
    EvidenceMissing,
    KeyConflict,
    OutsideFence,
    Overdrawn,
    PeriodClosed,
    PolicyError,
    Refusal,
    TableError,
    UnknownDocument,
)

Edit = Callable[[Path, str, str], None]

# file, what to replace, by what, error, words that the message must hold
BAD = [
    ("estates.csv", "estate_id,name,city", "estate_id,city", ColumnError, ["estates.csv, row 1", "wanted: name"]),
    ("estates.csv", ",community,", ",comunity,", ColumnError, ["'comunity'", "did you mean 'community'"]),
    ("estates.csv", ",31,83700.00", ",-31,83700.00", CellError, ["row 2, column buildings", "negative"]),
    ("estates.csv", ",31,83700.00", ",31.5,83700.00", CellError, ["row 2, column buildings", "whole number"]),
    ("estates.csv", ",31,83700.00", ",,83700.00", CellError, ["row 2, column buildings", "empty"]),
    ("estates.csv", ",31,83700.00", ",0,83700.00", CellError, ["row 2, column buildings", "1 or more"]),
    ("estates.csv", "83700.00", "0", CellError, ["row 2, column floor_area_m2", "above 0"]),
    ("estates.csv", "83700.00", "8.37", CellError, ["row 2, column floor_area_m2", "万平方米"]),
    ("estates.csv", "83700.00", "83700.005", CellError, ["row 2, column floor_area_m2", "two decimals"]),
    ("estates.csv", "1985-12-31,2021-01-01", "1985-12-32,2021-01-01", CellError, ["row 2, column completed_on", "'1985-12-32'"]),
    ("estates.csv", "1985-12-31,2021-01-01", "2021-06-30,2021-01-01", DateError, ["estates.csv, row 2", "before the estate was completed"]),
    ("estates.csv", ",960\n", ",961\n", ControlTotalError, ["row 2, column households", "got:    960 rows", "wanted: 961"]),
    ("estates.csv", "yuaner,院二", "yuanyi,院二", DuplicateRow, ["in two communities", "rows 2 and 3"]),
    ("estates.csv", ",closed,2020", ",half,2020", CellError, ["row 2, column gate", "closed, open"]),
    ("assessments.csv", "yuanyi,1,pass,2022-01-10", "yuanyi,1,passed,2022-01-10", CellError, ["row 2, column result", "did you mean 'pass'"]),
    ("assessments.csv", "yuanyi,2,pass", "yuanyi,1,fail", DuplicateRow, ["assessed twice", "rows 2 and 3"]),
    ("assessments.csv", "yuanyi,1,pass", "yuanji,1,pass", CellError, ["row 2, column subject_id", "did you mean 'yuanyi'"]),
    ("assessments.csv", "2022-01-10", "2020-01-10", CellError, ["row 2, column result_on", "before the service"]),
    ("assessments.csv", "yuanyi,1,pass", "yuanyi,-1,pass", CellError, ["row 2, column period", "negative"]),
    ("spending.csv", "road-cleaning,hongda", "road-cleaning,hongdaa", CellError, ["row 2, column payee", "did you mean 'hongda'"]),
    ("spending.csv", '"96,000.00"', '"96,000.001"', CellError, ["row 3, column amount_yuan", "finer than a fen"]),
    ("spending.csv", '"96,000.00"', '"-96,000.00"', CellError, ["row 3, column amount_yuan", "above 0"]),
    ("spending.csv", "s-2022-02", "s-2022-01", DuplicateRow, ["stands twice", "rows 3 and 4"]),
    ("spending.csv", "s-2022-01.txt", "s-2022-09.txt", CellError, ["row 3", "not in the case folder"]),
    ("spending.csv", "invoice:evidence/s-2022-01.txt", "invoice:../../secret", CellError, ["not in the case folder"]),
    ("spending.csv", "community/院一社区,cleaning", "community/院九社区,cleaning", CaseError, ["row 3, column fund", "no community of that name"]),
    ("spending.csv", "community-shortfall/community/院一社区,cleaning", "shortfall,cleaning", CaseError, ["no document of the case has such a fund"]),
    ("spending.csv", ",grounds\n", ",\n", CellError, ["row 6, column place", "inside the gate", "clause: donghu-2021-17 一"]),
    ("incomes.csv", "parcel-lockers", "parking", CellError, ["row 2, column source", "known: advertising"]),
    ("transfers.csv", "outside-gate-duty", "inside-gate-duty", CellError, ["row 2, column transfer", "did you mean 'outside-gate-duty'"]),
    ("transfers.csv", ",6,budget", ",18,budget", CellError, ["row 2, column months", "1 to 12"]),
    ("assessments.csv", "yuanyi,1,pass", "yuanyi,2021,pass", CellError, ["row 2, column period", "1 for the first twelve months"]),
    ("estates.csv", "yuanyi,院一", "yuan\u200byi,院一", CellError, ["row 2, column estate_id", "invisible"]),
    ("estates.csv", "yuanyi,院一", "ｙuanyi,院一", CellError, ["row 2, column estate_id", "full-width"]),
    ("estates.csv", ",closed,2020-11-30", ",closed,1980-11-30", DateError, ["renovated before it was completed"]),
    ("estates.csv", ",31,83700.00", ",--5,83700.00", CellError, ["row 2, column buildings", "whole number"]),
    ("estates.csv", "83700.00", "8.37e4", CellError, ["row 2, column floor_area_m2", "not a number"]),
    ("fees.csv", "yuanyi-01-0001,property-service,2022-02", "yuanyi-01-0001,property-service,2022-01", DuplicateRow, ["rows 2 and 3", "not collected twice"]),
    ("case.toml", '"donghu-2021-17/award"', '"donghu-2021-17/reward"', CaseError, ["claims[0]", "did you mean 'donghu-2021-17/award'"]),
    ("case.toml", 'documents = ["donghu-2021-17"]', 'documents = ["donghu-2021-71"]', UnknownDocument, ["did you mean 'donghu-2021-17'"]),
    ("case.toml", "shortfall_uses =", "shortfal_uses =", CaseError, ["no setting", "did you mean 'shortfall_uses'"]),
    ("case.toml", 'shortfall_uses = ["cleaning", "security", "greening", "facility-upkeep", "repair"]', "", CaseError, ["is not set", "each district lists its own"]),
    ("case.toml", "households = 1885", "households = 1886", ControlTotalError, ["published total of households", "wanted: 1886"]),
    ("case.toml", "format = 1", "format = 2", CaseError, ["case.toml, format"]),
    ("case.toml", "[payment]", "[paymnt]", CaseError, ["case.toml, payment", "missing"]),
    ("case.toml", "on = 2022-01-05", "on = 2022-02-30", CaseError, ["not valid TOML"]),
    ("case.toml", 'first = "2021-01"', 'first = "2021-13"', CaseError, ["periods.first", "not a month"]),
    ("case.toml", 'first = "2021-01"', 'first = "2027-01"', CaseError, ["end before they begin"]),
    ("case.toml", 'amount = "203,580.00"', 'amount = "203,580.001"', CaseError, ["appropriations[0].amount", "finer than a fen"]),
    ("case.toml", 'amount = "203,580.00"', "amount = 203580", CaseError, ["appropriations[0].amount", "in quotes"]),
    ("case.toml", 'floor_area_m2 = "164300.00"', "floor_area_m2 = 164300", CaseError, ["control_totals.floor_area_m2", "not an area"]),
    ("spending.csv", "invoice:evidence/s-2022-01.txt", "invoice:sha256:abc", CellError, ["row 3, column evidence", "64 digits"]),
    ("attempts.csv", "a-2,", "a-1,", DuplicateRow, ["rows 2 and 3"]),
    ("case.toml", 'amount = "203,580.00"', "amount = 203580.0", CaseError, ["appropriations[0].amount"]),
    ("case.toml", 'id = "district-2022"', 'id = "city-2022"', CaseError, ["two appropriations with one id"]),
    ("case.toml", '"award-budget/city/南昌市"', '"award-budget/city/九江市"', CaseError, ["no city of that name"]),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "error", "words"), BAD)
def test_a_bad_case_is_refused(
    donghu: Path, edit: Edit, file: str, old: str, new: str, error: type[EstateFundsError], words: list[str]
) -> None:
    edit(donghu / file, old, new)
    with pytest.raises(error) as caught:
        load_case(donghu)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_doubled_household_names_both_rows(donghu: Path, edit: Edit) -> None:
    edit(donghu / "households.csv", "yuanyi-01-0002,yuanyi", "yuanyi-01-0001,yuanyi")
    with pytest.raises(DuplicateRow, match="yuanyi-01-0001 is listed twice") as caught:
        load_case(donghu)
    assert caught.value.where == "households.csv, rows 2 and 3"


def test_no_case_and_two_household_files(donghu: Path, tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="no case here"):
        load_case(tmp_path)
    (donghu / "households.parquet").write_bytes(b"")
    with pytest.raises(CaseError, match="two household files"):
        load_case(donghu)
    (donghu / "households.parquet").unlink()
    (donghu / "estates.csv").unlink()
    with pytest.raises(TableError, match="cannot be read"):
        load_case(donghu)


@pytest.mark.parametrize("text", ['a,"b\nc,d', "a,b\n1\n"])
def test_what_is_no_table(donghu: Path, text: str) -> None:
    (donghu / "fees.csv").write_text(text, encoding="utf-8")
    with pytest.raises(TableError):
        load_case(donghu)


# refused by the gate: nothing of the run is booked
REFUSED = [
    ("spending.csv", "院一社区,cleaning", "院一社区,banquet", OutsideFence, ["spending.csv, row 3", "clause: donghu-2021-17 五(六)1"]),
    ("spending.csv", '"96,000.00"', '"207,360.01"', Overdrawn, ["spending.csv, row 3", "207,360.01 yuan wanted", "at most 207,360.00"]),
    ("spending.csv", ";owners-decision:evidence/resolution-2023-02.txt", "", EvidenceMissing, ["spending.csv, row 6", "owners-decision"]),
    ("spending.csv", ",grounds\n", ",street\n", OutsideFence, ["outside-gate:facility-upkeep"]),
    ("case.toml", 'payee_class = "enterprise"', 'payee_class = "government-office"', OutsideFence, ["to the payee class 'government-office'"]),
    ("case.toml", 'amount = "67,860.00"', 'amount = "67,859.99"', Overdrawn, ["claim donghu-2021-17/award/yuaner/5"]),
    ("case.toml", "李强 (reviewer)", "王敏 (preparer)", Refusal, ["two people"]),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "error", "words"), REFUSED)
def test_a_refused_run_books_nothing(
    donghu: Path, edit: Edit, file: str, old: str, new: str, error: type[EstateFundsError], words: list[str]
) -> None:
    edit(donghu / file, old, new)
    case = load_case(donghu)
    with Books.open(str(donghu / "books.db"), recorded_on=TODAY) as books:
        with pytest.raises(error) as caught:
            books.run(case)
        assert [entry.draft.kind for entry in books.entries()] == ["refusal"]
    for word in words:
        assert word in str(caught.value)
    assert caught.value.exit_status == 1


def test_changes_after_a_run(donghu: Path, edit: Edit) -> None:
    with Books.open(str(donghu / "books.db"), recorded_on=TODAY) as books:
        books.run(load_case(donghu))
        edit(donghu / "spending.csv", '"96,000.00"', '"95,000.00"')
        with pytest.raises(KeyConflict, match="used for something else") as caught:
            books.run(load_case(donghu))
        assert "spending.csv, row 3" in str(caught.value)
        edit(donghu / "spending.csv", '"95,000.00"', '"96,000.00"')
        text = (donghu / "spending.csv").read_text(encoding="utf-8")
        late = text.splitlines()[2].replace("s-2022-01,", "s-late,", 1)
        (donghu / "spending.csv").write_text(text + late + "\n", encoding="utf-8")
        with pytest.raises(PeriodClosed, match="period is closed"):
            books.run(load_case(donghu))
        (donghu / "spending.csv").write_text(text + late.replace("2022-03-18", "2026-03-18") + "\n", encoding="utf-8")
        assert len(books.run(load_case(donghu)).entries) == 1
        kinds = Counter(entry.draft.kind for entry in books.entries())
        assert (kinds.total(), kinds["refusal"]) == (79, 2)


def test_a_missing_result_is_pending_and_paid_once_it_comes(donghu: Path, edit: Edit) -> None:
    row = "yuaner,5,pass,2026-07-10,89\n"
    edit(donghu / "assessments.csv", row, "")
    case = load_case(donghu)
    claim = case.claims["yuaner", 5]
    assert (claim.status, claim.amount_fen, claim.potential_fen) == ("pending", 0, 6_660_000)
    assert "pending" in claim.explain()
    with Books.open(str(donghu / "books.db"), recorded_on=TODAY) as books:
        assert len(books.run(case).entries) == 74
        report = books.audit(case)
        assert report.findings == ()
        assert "1 pending" in report.to_text()
        text = (donghu / "assessments.csv").read_text(encoding="utf-8")
        (donghu / "assessments.csv").write_text(text + row, encoding="utf-8")
        assert len(books.run(load_case(donghu)).entries) == 2
        assert books.audit(load_case(donghu)).findings == ()


def test_what_lies_ahead_of_today_waits(donghu: Path) -> None:
    from datetime import date

    case = load_case(donghu)
    with Books.open("memory", recorded_on=date(2024, 6, 30)) as books:
        posted = books.run(case)
        assert posted.waiting
        assert min(step.draft.effective for step in posted.waiting) > date(2024, 6, 30)
        assert books.audit(case).findings == ()


def test_a_case_without_household_rows_uses_declared_numbers_and_says_so(donghu: Path) -> None:
    (donghu / "households.csv").unlink()
    claim = load_case(donghu).claims["yuanyi", 1]
    assert claim.amount_fen == 20_736_000
    assert "declared" in claim.explain()


def test_a_document_of_ones_own_beside_the_case(donghu: Path, edit: Edit) -> None:
    from importlib import resources

    text = (resources.files("estate_funds.policies") / "donghu-2021-17.toml").read_text(encoding="utf-8")
    (donghu / "own.toml").write_text(
        text.replace('id = "donghu-2021-17"', 'id = "own"').replace("18.00", "20.00"), encoding="utf-8"
    )
    toml = (donghu / "case.toml").read_text(encoding="utf-8")
    (donghu / "case.toml").write_text(
        toml.replace('["donghu-2021-17"]', '["own.toml"]').replace("donghu-2021-17", "own"), encoding="utf-8"
    )
    assert load_case(donghu).claims["yuanyi", 1].amount_fen == 960 * 20 * 12 * 100
    (donghu / "own.toml").write_text("format = 1\nunit = 3\n", encoding="utf-8")
    with pytest.raises(PolicyError, match="not what it should be"):
        load_case(donghu)


def test_two_cases_share_funds_in_one_ledger(donghu: Path, edit: Edit) -> None:
    with Books.open(str(donghu / "books.db"), recorded_on=TODAY) as books:
        first = load_case(donghu)
        books.post(first.opening())
        edit(donghu / "case.toml", "王敏 (preparer)", "another preparer")
        edit(donghu / "case.toml", 'id = "donghu"', 'id = "other"')
        second = load_case(donghu)
        posted = books.post(second.opening())
        assert (len(posted.entries), posted.repeated) == (11, 7)  # the funds are open; the appropriations are others
        text = (donghu / "case.toml").read_text(encoding="utf-8").replace('"repair"]', '"repair", "banquet"]')
        (donghu / "case.toml").write_text(text, encoding="utf-8")
        with pytest.raises(KeyConflict):  # an open fund's fence is not widened by editing a case
            books.post(load_case(donghu).opening())


def test_a_fund_may_be_opened_after_the_periods_before_it_are_closed(donghu: Path, edit: Edit) -> None:
    rows = (donghu / "incomes.csv").read_text(encoding="utf-8")
    late = "i-2026-01,2026-03-31,yuaner,advertising,100.00,\n"
    with Books.open(str(donghu / "books.db"), recorded_on=TODAY) as books:
        books.run(load_case(donghu))
        (donghu / "incomes.csv").write_text(rows + late, encoding="utf-8")
        assert books.run(load_case(donghu)).kinds == {"open_fund": 1, "receipt": 1}
        assert books.audit(load_case(donghu)).findings == ()


def test_blanks_and_empty_rows_in_a_household_file_are_no_fault(donghu: Path, edit: Edit) -> None:
    digest = load_case(donghu).claims.amount_fen
    edit(donghu / "households.csv", "yuanyi-01-0002,yuanyi,", "yuanyi-01-0002, yuanyi ,")
    text = (donghu / "households.csv").read_text(encoding="utf-8")
    (donghu / "households.csv").write_text(text + ",,,,\n", encoding="utf-8")
    assert load_case(donghu).claims.amount_fen == digest


def test_two_documents_that_define_one_fund_are_refused(donghu: Path, edit: Edit) -> None:
    from importlib import resources

    text = (resources.files("estate_funds.policies") / "donghu-2021-17.toml").read_text(encoding="utf-8")
    (donghu / "own.toml").write_text(text.replace('id = "donghu-2021-17"', 'id = "own"'), encoding="utf-8")
    edit(donghu / "case.toml", '["donghu-2021-17"]', '["donghu-2021-17", "own.toml"]')
    edit(donghu / "case.toml", "[payees]", '[settings.own]\nshortfall_uses = ["cleaning"]\n[payees]')
    with pytest.raises(CaseError, match="two documents of the case define"):
        load_case(donghu)


def test_closing_through_another_month_than_december(donghu: Path, edit: Edit) -> None:
    edit(donghu / "case.toml", 'close_through = "2025-12"', 'close_through = "2026-07"')
    with Books.open("memory", recorded_on=TODAY) as books:
        case = load_case(donghu)
        books.run(case)
        assert str(books.ledger.closed_through) == "2026-07-31"
        assert books.audit(case).findings == ()


def test_an_attempt_refused_for_its_date_alone_proves_nothing(donghu: Path, edit: Edit) -> None:
    from estate_funds.report.summary import refused_rightly

    edit(donghu / "attempts.csv", "a-1,2026-08-07", "a-1,2025-08-07")
    with Books.open("memory", recorded_on=TODAY) as books:
        case = load_case(donghu)
        books.run(case)
        answers = [books.check(step.draft) for step in case.attempts()]
    assert [refused_rightly(answer) for answer in answers] == [False, True, True]


@pytest.mark.parametrize(("building", "refused"), [("closed", False), ("open", True), ("", None)])
def test_a_mixed_estate_has_its_gate_by_building(donghu: Path, edit: Edit, building: str, refused: bool | None) -> None:
    """Work on the grounds lies inside the gate of a closed building, and outside that of an open one (一)."""
    edit(donghu / "estates.csv", ",closed,2020", ",mixed,2020")
    (donghu / "attempts.csv").unlink()
    lines = (donghu / "spending.csv").read_text(encoding="utf-8").splitlines()
    rows = [f"{lines[0]},gate", *(f"{line},{building if line.endswith(',grounds') else ''}" for line in lines[1:])]
    (donghu / "spending.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    if refused is None:
        with pytest.raises(CellError, match="closed and open buildings"):
            load_case(donghu)
        return
    with Books.open(str(donghu / "books.db"), recorded_on=TODAY) as books:
        if refused:
            with pytest.raises(OutsideFence, match="may not be spent so"):
                books.run(load_case(donghu))
        else:
            assert len(books.run(load_case(donghu)).entries) == 76
