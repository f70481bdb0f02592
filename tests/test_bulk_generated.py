"""Columns against the plain assess over generated documents, and over every provision that is shipped."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from bulk_documents import (
    WINDOWS,
    Asked,
    Row,
    asked,
    batch_of,
    counted_documents,
    own_documents,
    plainly,
    rows_of,
    sums,
)
from estate_funds import policies
from estate_funds.assess import assess
from estate_funds.bulk.program import Program, compile_document, compile_provision
from estate_funds.bulk.result import Result, Totals
from estate_funds.calendar import Month, Months, parse_day
from estate_funds.errors import BulkError, EstateFundsError
from estate_funds.policy import Document, bind, parse_document
from estate_funds.registry import Assessments, Facts, Registry
from estate_funds.testing.worked_cases import CASE, WorkedCase, _bound, _registry, _results, read_worked_cases

many = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def compiled(one: Asked) -> Program | EstateFundsError:
    """The program, or the error of the plain assess that compiling met: estates are assessed there."""
    try:
        return compile_provision(
            one.document, one.name, one.registry, one.results, window=one.window, above=one.above, below=one.below
        )
    except EstateFundsError as error:
        return error


def agree(one: Asked, data: st.DataObject) -> None:
    """Whatever is drawn, columns and plain assess come to the same fen, or stop at the same error, or bulk refuses."""
    program = compiled(one)
    if isinstance(program, BulkError):
        event(f"refused: {program.what}")
        return
    if isinstance(program, EstateFundsError):
        assert type(_raised(lambda: plainly(one, []))) is type(program)
        return
    check(one, program, data)


def check(one: Asked, program: Program, data: st.DataObject) -> None:
    """Drawn rows, by columns and by the plain assess."""
    rows = data.draw(rows_of(program, one))
    wrong = _raised(lambda: plainly(one, rows))
    found = _raised(lambda: program.assess(batch_of(program, rows)))
    assert type(found) is type(wrong), (found, wrong)
    if wrong is None:
        result = program.assess(batch_of(program, rows))
        check_rows(one, rows, result)
        check_cuts(program, rows, result, data)
        how = "in columns" if program.worth or (program.owed and program.owed.in_columns) else "row by row"
        event(f"agrees, {how}" if result.totals.by else f"agrees on nothing of {len(rows)} rows")


def check_rows(one: Asked, rows: Sequence[Row], result: Result) -> None:
    """Each row, and all of them."""
    alone = [plainly(one.near(row), [row]) for row in rows]
    for at, claims in enumerate(alone):
        shares: Counter[str] = Counter()
        for claim in claims:
            shares.update(claim.shares)
        assert int(result.amounts[at]) == claims.amount_fen, rows[at]
        assert {p: int(fen[at]) for p, fen in result.shares.items() if fen[at]} == {
            p: n for p, n in shares.items() if n
        }
    whole = plainly(one, rows)
    assert result.totals.amount_fen == whole.amount_fen
    if one.document.provision(one.name).claim_per is None:
        assert result.totals.by == sums(whole)
    else:
        by: Counter[tuple[str, str, str]] = Counter()
        for row, claims in zip(rows, alone, strict=True):
            for (_, month, payer), fen in sums(claims).items():
                by[str(row["estate_id"]), month, payer] += fen
        assert result.totals.by == by
    assert result.totals.households == Counter(str(row.get("estate_id", "")) for row in rows)


def check_cuts(program: Program, rows: Sequence[Row], result: Result, data: st.DataObject) -> None:
    """The same from another process, in any order and cut anywhere."""
    program = pickle.loads(pickle.dumps(program))
    order = data.draw(st.permutations(range(len(rows))))
    cut = data.draw(st.integers(0, len(rows)))
    parts = [program.assess(batch_of(program, [rows[n] for n in some])) for some in (order[:cut], order[cut:])]
    assert Totals.of(part.totals for part in parts).to_json() == result.totals.to_json()
    assert [n for part in parts for n in part.amounts.tolist()] == [int(result.amounts[n]) for n in order]
    assert [n for part in parts for n in part.trace.tolist()] == [int(result.trace[n]) for n in order]


def _raised(what: object) -> EstateFundsError | None:
    try:
        what()  # type: ignore[operator]
    except EstateFundsError as error:
        return error
    return None


@given(one=asked(counted_documents()), data=st.data())
@many
def test_estates_counted_by_rows_are_owed_as_drawn_documents_say(one: Asked, data: st.DataObject) -> None:
    agree(one, data)


@given(one=asked(own_documents()), data=st.data())
@many
def test_rows_with_claims_of_their_own_are_owed_as_drawn_documents_say(one: Asked, data: st.DataObject) -> None:
    agree(one, data)


@given(document=own_documents(), window=WINDOWS, data=st.data())
@settings(many, max_examples=40)
def test_rows_of_a_document_alone_lie_in_no_estate(document: Document, window: Months, data: st.DataObject) -> None:
    try:
        program = compile_document(document, "award", window=window)
    except BulkError as error:
        event(f"refused: {error.what}")
        return
    one = Asked(document, Registry({}, {}), Assessments(), window)
    assert "estate_id" not in [column.name for column in program.columns]
    check(one, program, data)


# --- shipped documents ------------------------------------------------------------------------------------------------

POLICIES = Path(policies.__file__).parent
SHIPPED = {
    path.stem: parse_document(path.read_text(encoding="utf-8"), source=path.name)
    for path in sorted(POLICIES.glob("*.toml"))
    if ".cases" not in path.name
}
BESIDE = "a ceiling, or a key that is paid once, over several claims"
REFUSED = {  # what depends on more than a row; all other provisions compile
    "changchun-2021-12": dict.fromkeys(
        ["emergency-repair", "emergency", "reward-grassroots", "reward-committees", "reward-firms"], BESIDE
    ),
    "city-template-2": dict.fromkeys(
        ["environment", "listed", "housing", "pole-by-heads", "pole-by-metres", "utilities"], BESIDE
    )
    | dict.fromkeys(["service-fee", "posts"], "the base is no number of households"),
    "civil-code": dict.fromkeys(["cost-by-area", "cost-by-agreement"], "a total that is divided, no rate x base"),
    "maintenance-fund-2008": dict.fromkeys(["repair", "interest"], "a total that is divided, no rate x base"),
    "xx-district-2024": dict.fromkeys(["reward-grassroots", "reward-committees", "reward-firms", "emergency"], BESIDE),
}
PROVISIONS = [
    (key, name, REFUSED.get(key, {}).get(name, "")) for key, document in SHIPPED.items() for name in document.provisions
]
BY_NAME = pytest.mark.parametrize(
    ("key", "name", "refused"), PROVISIONS, ids=[f"{key}/{name}" for key, name, _ in PROVISIONS]
)


def shipped(key: str) -> Document:
    """A shipped document with stand-ins for what a case has to set."""
    document = SHIPPED[key]
    return bind(document, {name: one.stand_in for name, one in document.settings.items() if one.default is None})


@BY_NAME
def test_every_shipped_provision_agrees_or_is_refused(key: str, name: str, refused: str) -> None:
    @settings(many, max_examples=12)
    @given(one=asked(st.just(shipped(key)), name), data=st.data())
    def held(one: Asked, data: st.DataObject) -> None:
        program = compiled(one)
        assert (program.what if isinstance(program, BulkError) else "") == refused
        agree(one, data)

    held()


def cases() -> Iterator[tuple[str, str, WorkedCase]]:
    for key, document in SHIPPED.items():
        path = POLICIES / f"{key}.cases.toml"
        for case in read_worked_cases(path.read_text(encoding="utf-8"), source=path.name):
            for name in dict.fromkeys([*case.provisions, *([case.provision] if case.provision else [])]):
                if name not in REFUSED.get(document.id, {}) and not case.refused:
                    yield key, name, case


@pytest.mark.parametrize(("key", "name", "case"), list(cases()), ids=lambda one: getattr(one, "name", one))
def test_worked_cases_come_out_by_columns(key: str, name: str, case: WorkedCase) -> None:
    document, start = _bound(SHIPPED[key], case), Month.of(case.service_start)
    window = Months(start, start + max(12 * (len(case.expected) - 1) + 1, 0))
    if case.first:
        window = Months(Month.parse(case.first), Month.parse(case.last or case.first) + 1)
    whole = _registry(document, case)
    facts = Facts((*at, fact) for at, fact in whole.facts.items() if at[0] not in whole.subjects)
    one = Asked(document, replace(whole, headcounts={}, subjects={}, facts=facts), _results(case), window, name=name)
    program = compiled(one)
    if any(result.subject != CASE for result in case.assessments):
        assert isinstance(program, BulkError)
        assert program.what == "rows are assessed one by one"
        return
    assert isinstance(program, Program)
    rows = counted_rows(case) if one.each == "estate" else own_rows(whole, one.each)
    wanted = sums(assess(document, name, whole, _results(case), window=window))
    found = program.assess(batch_of(program, rows)).totals.by
    assert found == {(CASE, month, payer): fen for (_, month, payer), fen in wanted.items()}


def counted_rows(case: WorkedCase) -> list[Row]:
    """The households of a worked case: who leaves first came first."""
    rows = [{"estate_id": CASE, "registered_on": date(1990, 1, 1)} for _ in range(case.households)]
    for day, net in sorted(case.changes.items()):
        rows += [{"estate_id": CASE, "registered_on": parse_day(day)} for _ in range(net)]
        for row in [row for row in rows if "removed_on" not in row][: max(-net, 0)]:
            row["removed_on"] = parse_day(day)
    return list(rows)


def own_rows(registry: Registry, kind: str) -> list[Row]:
    """The subjects of a kind as rows, with the facts of what they are part of."""
    rows = []
    for subject in registry.of_kind(kind):
        row: dict[str, object] = {"estate_id": CASE, "registered_on": subject.start, "removed_on": subject.end}
        above = subject
        while above is not None:
            for (owner, name, period), fact in registry.facts.items():
                if owner == above.subject_id:
                    row[f"{name}@{period}" if period else name] = fact.value
            above = registry.subjects.get(above.parent)  # type: ignore[assignment]
        rows.append({name: decimal(value) for name, value in row.items()})
    return list(rows)


def decimal(value: object) -> object:
    """An exact number as a column takes it."""
    return Decimal(value.numerator) / value.denominator if isinstance(value, Fraction) else value
