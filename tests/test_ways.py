"""Traces forwards from a receipt, and the money's way as a picture: every sum ties with the trace that it is made of."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from conftest import EXAMPLES, TODAY
from estate_funds import Books, load_case
from estate_funds.errors import InputError, InvariantBroken, Refusal
from estate_funds.provenance import Link, Node, Ways, trace
from estate_funds.provenance.ways import BACK, FUND, LEFT, MOST_FUNDS, MOST_USES, SOURCE, USE, whole
from estate_funds.report.sankey import node_label, sankey_svg
from estate_funds.report.traces import entry_number, trace_entry
from test_ledger_commands import done, fails, run
from test_provenance import CITY, FUNDS, QUEUE, SHARE, STEPS, Journal, attempt

SVG = "{http://www.w3.org/2000/svg}"


def sums(journal: Journal) -> None:
    """What every picture and every forward trace of a journal must tie with."""
    flows = journal.traced.by_source()
    forward = [journal.traced.forward(entry.seq) for entry in journal.entries]
    for name in ("received", "spent"):
        assert sum(getattr(f, f"{name}_fen") for f in forward) == sum(getattr(flow, name) for flow in flows.values())
    assert sum(f.left_fen for f in forward) == sum(flow.held for flow in flows.values())
    assert sum(f.made_good_fen for f in forward) == 0
    for by in ("purpose", "payee"):
        ways = whole(journal.entries, journal.traced, by=by)
        for source, flow in flows.items():
            assert ways.out_of(Node(SOURCE, source)) == flow.received
        assert ways.total(USE) == sum(flow.spent for flow in flows.values())
        for fund in FUNDS:
            assert ways.into(Node(LEFT, fund.fund_id)) == sum(p.fen for p in journal.traced.held(fund.fund_id))
        assert ways.total(SOURCE) == ways.total(USE) + ways.total(LEFT)
        assert acyclic(ways)
    for entry in journal.entries:
        found = trace_entry(journal.entries, journal.traced, entry.seq)
        ways = found.ways()
        assert acyclic(ways)
        if found.onward is not None:
            assert (ways.total(USE), ways.total(LEFT)) == (found.onward.spent_fen, found.onward.left_fen)
        elif found.out:
            assert ways.total(USE) == ways.total(SOURCE) == sum(part.fen for part in found.out)
        json.dumps(found.to_json())
        ET.fromstring(found.to_svg(locale="zh"))


def acyclic(ways: Ways) -> bool:
    """Whether no place leads to itself: takers are taken away until none is left."""
    links = list(ways.links)
    while links:
        givers = {link.giver for link in links}
        rest = [link for link in links if link.taker in givers]
        if len(rest) == len(links):
            return False
        links = rest
    return True


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_every_random_journal_ties(steps: list[tuple[str, int, int, int, int]]) -> None:
    journal = Journal()
    for fund in FUNDS:
        journal.fund(fund, "city", 100)
    for step in steps:
        try:
            attempt(journal, *step)
        except Refusal:
            continue
    sums(journal)


def test_a_receipt_forwards_over_two_funds() -> None:
    journal = Journal()
    came = journal.fund(CITY, "city", 100)
    journal.move(CITY, SHARE, 60)
    paid = journal.pay(SHARE, 25)
    found = journal.traced.forward(came.seq)
    assert [(seq, part.fund, part.fen) for seq, part in found.spent] == [(paid.seq, SHARE.fund_id, 25)]
    assert [(part.fund, part.fen) for part in found.left] == [(CITY.fund_id, 40), (SHARE.fund_id, 35)]
    journal.reverse(paid)
    found = journal.traced.forward(came.seq)
    assert (found.received_fen, found.spent_fen, found.left_fen, found.made_good_fen) == (100, 0, 100, 0)
    sums(journal)


def test_a_receipt_undone_after_use_is_made_good_by_another() -> None:
    journal = Journal()
    wrong, other = journal.fund(QUEUE, "city", 100), journal.fund(QUEUE, "lockers", 100)
    journal.pay(QUEUE, 60)
    journal.reverse(wrong)
    gone, stands = journal.traced.forward(wrong.seq), journal.traced.forward(other.seq)
    assert (gone.received_fen, gone.made_good_fen, gone.spent_fen, gone.left_fen) == (0, 60, 60, 0)
    assert (stands.received_fen, stands.made_good_fen, stands.spent_fen, stands.left_fen) == (100, -60, 0, 40)
    told = [trace_entry(journal.entries, journal.traced, seq).to_text() for seq in (wrong.seq, other.seq)]
    assert "undone since" in told[0]
    assert "other receipts stand in for 0.60 of it" in told[0]
    assert "0.60 of it stand in for other receipts" in told[1]
    sums(journal)


def test_a_circle_is_cut_at_the_smaller_crossing_and_nothing_is_netted() -> None:
    journal = Journal()
    journal.fund(CITY, "city", 100)
    journal.move(CITY, SHARE, 80)
    journal.move(SHARE, CITY, 30, purpose="refund")
    links = whole(journal.entries, journal.traced).links
    city, share = Node(FUND, CITY.fund_id), Node(FUND, SHARE.fund_id)
    assert Link(city, share, 80) in links
    assert Link(share, Node(BACK, CITY.fund_id, 1), 30) in links
    assert Link(Node(BACK, CITY.fund_id), city, 30) in links
    sums(journal)


def test_a_fund_that_loses_a_fen_is_a_bug() -> None:
    fund = Node(FUND, "a/b/c")
    with pytest.raises(InvariantBroken, match="2 fen came in, and 1 went out"):
        Ways((Link(Node(SOURCE, "s"), fund, 2), Link(fund, Node(USE, "u"), 1)))


def test_many_funds_and_uses_are_drawn_together_to_the_fen() -> None:
    funds = [replace(QUEUE, fund_id=f"share/community/{n}") for n in range(MOST_FUNDS + 1)]
    journal = Journal(*funds)
    for n, fund in enumerate(funds):
        journal.fund(fund, f"source {n}", 100 + n)
        journal.pay(fund, 10)
    ways = whole(journal.entries, journal.traced)
    assert Node(FUND, "share/community", many=len(funds)) in ways.nodes
    assert Node(SOURCE, "", many=len(funds) - MOST_USES) in ways.nodes
    assert ways.total(SOURCE) == sum(100 + n for n in range(len(funds)))
    assert (ways.total(USE), ways.total(LEFT)) == (10 * len(funds), ways.total(SOURCE) - 10 * len(funds))
    assert node_label(Node(FUND, "share/community", many=25), "zh") == "share/community（25 个基金）"


def test_the_picture_is_well_formed_escaped_and_the_same_each_time() -> None:
    hostile = '</svg><script>alert(1)</script>&"'
    fund = Node(FUND, f"a/b/{hostile}")
    ways = Ways((Link(Node(SOURCE, hostile), fund, 3), Link(fund, Node(USE, "u"), 2), Link(fund, Node(LEFT, "l"), 1)))
    made = sankey_svg(ways, hostile)
    assert made == sankey_svg(ways, hostile)
    root = ET.fromstring(made)
    assert {node.tag.removeprefix(SVG) for node in root.iter()} == {"svg", "title", "rect", "text", "path"}
    assert hostile in {node.text for node in root.iter(f"{SVG}title")}
    assert "无资金" in sankey_svg(Ways(()), "none", locale="zh")


# --- the command ---


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traced")
    with Books.open(str(folder / "books.db"), recorded_on=TODAY) as books:
        books.run(load_case(EXAMPLES / "donghu"))
    return folder / "books.db"


def test_the_published_award_is_traced_both_ways(booked: Path) -> None:
    with Books.open(str(booked), create=False) as books:
        entries = list(books.entries())
    traced = trace(entries)
    ways = whole(entries, traced)
    assert ways.total(SOURCE) == sum(fen for _, fen in traced.receipts()) == 158_892_000
    assert ways.total(SOURCE) == ways.total(USE) + ways.total(LEFT)
    paid = next(e for e in entries if e.draft.evidence and any(not part.into for part in traced.of(e.seq)))
    (part,) = traced.of(paid.seq)
    told = json.loads(done("trace", booked, "--receipt", part.receipt.seq, "--json"))["receipt"]
    (row,) = (spent for spent in told["spent"] if spent["entry"] == paid.seq)
    assert (row["fen"], row["payee"]) == (part.fen, paid.draft.payee)
    assert row["documents"] == [{"kind": kind, "sha256": digest} for kind, digest in paid.draft.evidence]
    assert told["received_fen"] + told["made_good_fen"] == told["spent_fen"] + told["left_fen"]
    text = done("trace", booked, "--receipt", part.receipt.seq)
    assert f"receipt {part.receipt.seq} (2021-07 记-001): 120,000.00 of city and district treasuries" in text
    assert paid.draft.evidence[0].sha256[:12] in text


def test_a_voucher_is_named_by_its_entry_or_its_number(booked: Path, tmp_path: Path) -> None:
    by_entry = done("trace", booked, 10)
    assert by_entry == done("trace", booked, "--voucher", "10") == done("trace", booked, "--voucher", "2021-09-记-001")
    assert (
        by_entry
        == done("trace", booked, "--voucher", "2021-09 记-001")
        == done("trace", booked, "--voucher", "2021-09-1")
    )
    said = run("trace", booked, "--voucher", "10", "--svg", tmp_path / "way.svg", "--zh", "--json")
    assert said.status == 0
    assert "written" in said.err
    assert json.loads(said.out)["out"][0]["receipt"]["source"] == "city and district treasuries"
    assert "28,000.00" in (tmp_path / "way.svg").read_text(encoding="utf-8")


def test_what_is_named_wrongly_is_said(booked: Path) -> None:
    fails(2, "2021-09 has the vouchers 1 to 1", "trace", booked, "--voucher", "2021-09-2")
    fails(2, "1999-01 has no vouchers", "trace", booked, "--voucher", "1999-01-1")
    fails(2, "not a voucher", "trace", booked, "--voucher", "first")
    fails(2, "there is no such entry", "trace", booked, "--voucher", "999")
    fails(2, "the entry brought no money from outside", "trace", booked, "--receipt", "10")
    for asked in ([], [1, "--receipt", 8], ["--voucher", "1", "--receipt", 8]):
        fails(2, "wanted one of ENTRY", "trace", booked, *asked)
    with pytest.raises(InputError):
        trace_entry([], trace([]), 1)
    assert entry_number([], "7") == 7
