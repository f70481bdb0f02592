"""The maintenance fund of one mixed building: it runs and audits clean, each house pays its own part, fences hold."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from conftest import EXAMPLES, HANDS, TODAY
from estate_funds import Books, load_case, load_document
from estate_funds.assess import Outcome, Status
from estate_funds.errors import CaseError, CellError, OutsideFence, Overdrawn, PolicyError
from estate_funds.funds import Account
from estate_funds.policy import parse_document
from estate_funds.vouchers import transfer

Edit = Callable[[Path, str, str], None]
CASE = EXAMPLES / "maintenance-fund"
BILL, PARTS = 7_300_001, 12


@pytest.fixture
def qinghe(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CASE, tmp_path / "qinghe"))


@pytest.fixture
def booked(qinghe: Path) -> Path:
    with Books.open(str(qinghe / "books.db"), recorded_on=TODAY) as books:
        books.run(load_case(qinghe))
    return qinghe


def findings(folder: Path) -> list[str]:
    with Books.open(str(folder / "books.db"), create=False) as books:
        return sorted({finding.rule for finding in books.audit(load_case(folder)).findings})


def test_the_case_runs_audits_and_runs_again() -> None:
    case = load_case(CASE)
    with Books.open("memory", recorded_on=TODAY) as books:
        assert books.run(case).kinds["receipt"] == 39
        assert books.audit(case).findings == ()
        assert books.run(case).entries == ()


def test_a_bill_follows_areas_and_sums() -> None:
    case = load_case(CASE)
    (claim,) = [c for c in case.claims if c.provision_id == "repair" and c.status is Status.DUE]
    area = {line.subject_id: line.base for line in claim.lines}
    assert len(area) == PARTS
    assert claim.amount_fen == BILL == sum(share.fen for line in claim.lines for share in line.shares)
    for line in claim.lines:
        assert abs(line.amount_fen - BILL * line.base / sum(area.values())) < 1
    parts = {line.subject_id: {s.payer: (s.holder, s.fen) for s in line.shares} for line in claim.lines}
    assert parts["m-1-01"] == {"house": ("1-101", 677_138)}
    assert parts["m-1-02"]["house"][1] == parts["m-1-06"]["house"][1] + 1  # of equal areas, the smaller id
    assert parts["m-1-12"] == {"unsold-holder": ("开发建设单位或者公有住房单位", 677_138)}
    seller, house = parts["m-1-08"]["seller"][1], parts["m-1-08"]["house"][1]
    deposits = Fraction(3_720_000, 3_720_000 + 615_476)
    assert abs(seller - (seller + house) * deposits) < 1
    assert claim.shares == {"house": 5_041_985, "seller": 1_580_878, "unsold-holder": 677_138}


def test_each_house_pays_its_own_part_and_the_books_say_what_the_bank_says() -> None:
    case = load_case(CASE)
    (claim,) = [c for c in case.claims if c.provision_id == "repair" and c.status is Status.DUE]
    with Books.open("memory", recorded_on=TODAY) as books:
        books.run(case)
        ledger = books.ledger
    for line in claim.lines:
        for share in line.shares:
            if share.payer == "house":
                fund = f"maintenance-fund/house/{share.holder}"
                assert ledger.balance(fund, Account.TRANSFER_OUT, "repair-money/matter/m-1") == share.fen
    assert ledger.available("repair-money/matter/m-1") == 0  # all but the unsold part reached the contractor
    assert ledger.available("maintenance-fund/house/1-shop") == ledger.available("refunds-payable/loss/l-1") == 0
    for house in ("1-102", "2-101", "2-202"):
        stated = case.registry.facts.get((house, "balance", "2022"))
        assert stated is not None
        assert ledger.available(f"maintenance-fund/house/{house}") == stated.value * 100


def test_what_came_in_is_what_was_due() -> None:
    case = load_case(CASE)
    due: dict[tuple[str, str], int] = {}
    names = {"first-deposit": "first-deposit", "first-deposit-public": "first-deposit", "interest": "deposit-interest"}
    for claim in case.claims:
        if claim.provision_id in names and claim.amount_fen:
            key = (claim.subject.subject_id, names[claim.provision_id])
            due[key] = due.get(key, 0) + claim.amount_fen
    received: dict[tuple[str, str], int] = {}
    for row in case.tables["incomes.csv"]:
        key = (row.text("subject_id"), row.text("source"))
        if key[1] in names.values():
            received[key] = received.get(key, 0) + row.whole("amount_yuan")
    assert due == received


def test_replenishment_is_due_of_those_under_thirty_percent() -> None:
    claims = [c for c in load_case(CASE).claims if c.provision_id == "replenishment" and c.amount_fen]
    assert {c.period_key for c in claims} == {"2022"}
    assert [c.subject.subject_id for c in claims] == [f"1-{n}" for n in (101, 102, 201, 202, 301, 302, 401)]


# --- fences ---


def test_what_was_tried_elsewhere_is_refused() -> None:
    case = load_case(CASE)
    with Books.open("memory", recorded_on=TODAY) as books:
        books.run(case)
        answers = [type(books.check(step.draft)).__name__ for step in case.attempts()]
    assert answers == [
        *["OutsideFence"] * 6, *["EvidenceMissing"] * 4, "OutsideFence", "EvidenceMissing",
    ]  # fmt: skip


def test_no_house_pays_for_another(qinghe: Path, edit: Edit) -> None:
    case = load_case(qinghe)
    with Books.open("memory", recorded_on=TODAY) as books:
        books.run(case)
        giver, taker = (case.funds[f"maintenance-fund/house/{house}"] for house in ("2-101", "2-102"))
        draft = transfer(
            giver,
            taker,
            100,
            purpose="repair",
            on=date(2023, 3, 1),
            key="t",
            hands=HANDS,
            clause="18",
            narrative="loan",
        )
        assert isinstance(books.check(draft), OutsideFence)
    edit(qinghe / "incomes.csv", '1-102,first-deposit,"9,462.60"', '1-102,first-deposit,"6,462.60"')
    with (
        Books.open("memory", recorded_on=TODAY) as books,
        pytest.raises(Overdrawn, match="maintenance-fund/house/1-102"),
    ):
        books.run(load_case(qinghe))  # its part is 6,906.26: nobody else's money fills the gap


def test_a_warranty_repair_is_not_paid(qinghe: Path, edit: Edit) -> None:
    claims = {c.subject.subject_id: c for c in load_case(qinghe).claims if c.provision_id == "repair"}
    assert claims["m-3"].status is Status.NOTHING
    assert all("liability is builder; wanted owners" in line.reason for line in claims["m-3"].lines)
    edit(qinghe / "facts.csv", "m-1,liability,,owners", "m-1,liability,,builder")
    assert [c.status for c in load_case(qinghe).claims if c.provision_id == "repair"] == [Status.NOTHING] * 2


def test_what_pays_nothing_does_not_wait_for_a_payee(qinghe: Path, edit: Edit) -> None:
    ramp = [c for c in load_case(qinghe).claims if c.provision_id == "cost-by-area"]
    assert [c.amount_fen for c in ramp] == [165_568, 168_865, 165_567]
    edit(qinghe / "facts.csv", "m-2,creditor,,江城防水工程有限公司,,\n", "")
    assert {c.status for c in load_case(qinghe).claims if c.provision_id == "cost-by-area"} == {Status.PENDING}
    edit(qinghe / "facts.csv", "v-2,agreeing_persons,,9", "v-2,agreeing_persons,,8")  # of 11: not three quarters
    assert {c.status for c in load_case(qinghe).claims if c.provision_id == "cost-by-area"} == {Status.NOTHING}


# --- seeded faults ---


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [("facts.csv", '"73,000.01"', '"72,000.01"', ["wrong-amount"]),
     ("facts.csv", "m-1,liability,,owners", "m-1,liability,,utility", ["ineligible"]),
     ("facts.csv", "v-1,agreeing_persons,,8", "v-1,agreeing_persons,,5", ["vote-short"]),
     ("facts.csv", "v-1,voting_area,,760.00", "v-1,voting_area,,635.05", ["vote-short"]),
     ("facts-lists.csv", "m-1-01,1-101,88.36", "m-1-01,1-101,98.36", ["wrong-amount"]),
     ("facts-lists.csv", "m-1-01,1-101,", "m-1-01,1-102,", ["wrong-split"]),
     ("incomes.csv", '"9,277.80"', '"9,377.80"', ["booked-otherwise"]),
     ("evidence/m-1-acceptance.txt", "2022-09-20", "2022-09-21", ["booked-otherwise"]),
     ("facts.csv", "b1-seller,seller_deposited_on,,2021-03-31", "b1-seller,seller_deposited_on,,2021-04-01", ["deadline-late"])],
)  # fmt: skip
def test_a_seeded_fault_is_found(booked: Path, edit: Edit, file: str, old: str, new: str, found: list[str]) -> None:
    assert findings(booked) == []
    edit(booked / file, old, new)
    assert findings(booked) == found


# --- receipts of whoever holds a fund ---


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [("2021-03-15,1-101,", "2021-03-15,1-109,", ["row 2, column subject_id", "did you mean '1-10"]),
     ("2021-03-15,1-101,", "2021-03-15,qinghe,", ["row 2, column subject_id", "wanted: somebody who holds maintenance-fund: house, seller"]),
     ("2022-06-30,qinghe,", "2022-06-30,street/清河街道,", ["column subject_id", "belongs to no estate"])],
)  # fmt: skip
def test_a_receipt_of_nobody_is_refused(qinghe: Path, edit: Edit, old: str, new: str, words: list[str]) -> None:
    edit(qinghe / "incomes.csv", old, new)
    with pytest.raises(CellError) as caught:
        load_case(qinghe)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_house_receives_in_the_fund_of_its_estate(qinghe: Path, edit: Edit) -> None:
    edit(qinghe / "incomes.csv", "2022-06-30,qinghe,", "2022-06-30,1-101,")
    assert "common-income/estate/qinghe" in load_case(qinghe).funds


def test_an_account_of_no_house_is_refused(qinghe: Path, edit: Edit) -> None:
    edit(qinghe / "facts-lists.csv", "m-1-01,1-101,", "m-1-01,1-109,")
    with pytest.raises(CaseError, match=r"no house of that name in subjects\.csv"):
        load_case(qinghe)


def test_incomes_go_to_a_level_or_a_kind() -> None:
    text = load_text().replace('held_by = ["house", "seller"]', 'held_by = ["bank", "house", "seller"]')
    with pytest.raises(PolicyError, match="by a kind, or by household"):
        parse_document(text, source="x.toml")


def test_who_pays_elsewhere_needs_no_permit_and_who_pays_here_does() -> None:
    own = 'clause = "17"\nshares = { owner = "1" }\nodd_fen_to = "owner"\n\n# --- what the owners decide'
    assert own in load_text()
    here = own.replace("owner =", "house =").replace('"owner"', '"house"')
    with pytest.raises(PolicyError, match="a purpose that maintenance-fund permits"):
        parse_document(load_text().replace(own, here), source="x.toml")


def test_a_part_of_no_house_waits(qinghe: Path, edit: Edit) -> None:
    edit(qinghe / "facts-lists.csv", "m-1-01,1-101,", "m-1-01,,")
    (claim,) = [c for c in load_case(qinghe).claims if c.claim_id.endswith("repair/m-1/once")]
    assert claim.status is Status.PENDING
    assert {line.outcome for line in claim.lines} == {Outcome.PENDING}


def load_text() -> str:
    from importlib import resources

    name = f"{load_document('maintenance-fund-2008').id}.toml"
    return (resources.files("estate_funds.policies") / name).read_text(encoding="utf-8")
