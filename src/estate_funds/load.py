"""Reading a case folder: everything is read and checked before anything is computed or posted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from importlib import resources
from pathlib import Path

from estate_funds.calendar import working_days
from estate_funds.case import Case
from estate_funds.errors import (
    CaseError,
    CellError,
    DateError,
    DuplicateRow,
    PolicyError,
    TableError,
    UnknownDocument,
    nearest,
)
from estate_funds.exchange import columns
from estate_funds.exchange.ballots import ballot_facts, tallies
from estate_funds.exchange.case_file import CaseFile
from estate_funds.exchange.evidence import EvidenceFiles
from estate_funds.exchange.facts import fact_tables, read_facts, read_subjects, with_households
from estate_funds.exchange.folder import Directory, Folder
from estate_funds.exchange.tables import File, Row, read_table, read_text
from estate_funds.policy import Document, bind, parse_document, parse_toml
from estate_funds.registry import (
    NO_HOUSEHOLDS,
    Assessment,
    Assessments,
    Estate,
    Fact,
    Facts,
    Households,
    Registry,
    Subject,
    collect_estates,
)

READ_WHOLE = (
    "assessments.csv", "ballots.csv", "spending.csv", "attempts.csv", "incomes.csv", "transfers.csv", "fees.csv",
)  # fmt: skip
HOUSEHOLD_FILES = ("households.csv", "households.parquet")
LAST_SERVICE_YEAR = 100  # a larger period is a calendar year in the wrong column


def load_case(folder: str | Path | Folder, *, households: bool = True) -> Case:
    """Read a case folder and check all of it: case.toml, its documents, and every table beside it.

    Without `households`, the rows of the register lie elsewhere: its household file is left alone, no estate needs
    any, control totals of households are not asked for, and nothing is assessed yet.

    Raises an InputError (CaseError, PolicyError, ColumnError, CellError, DuplicateRow, ControlTotalError) that names
    file, row and column. docs/reference/case.md describes the folder.
    """
    folder = Directory(Path(folder)) if isinstance(folder, str | Path) else folder
    path = folder.file("case.toml")
    if not path.is_file():
        raise CaseError(
            "there is no case here", where=folder.where, wanted="a folder with a case.toml", fix="see examples/donghu"
        )
    file = parse_toml(CaseFile, read_text(path), source="case.toml", error=CaseError)
    documents = {d.id: d for d in (_document(name, folder) for name in file.documents)}
    documents = bind_documents(file, documents)
    tables = {name: tuple(_read(folder, name)) for name in READ_WHOLE}
    papers = EvidenceFiles(folder)
    registry = _load_registry(folder, file, documents, tables["ballots.csv"], papers, households)
    if folder.registry_digest:
        registry = replace(registry, digest=folder.registry_digest)
    _check_tables(tables, documents)
    named = (name.partition("/") for name in file.claims)
    claimed_by = {str(documents[document].provision(provision).claim_period) for document, _, provision in named}
    rows = _assessment_rows(tables["assessments.csv"], registry, claimed_by, papers)
    assessments = Assessments(rows, source="assessments.csv")
    case = Case(
        folder, file, documents, registry, assessments, papers, tables, _working_days(folder),
        _households(folder) if households else NO_HOUSEHOLDS,
    )  # fmt: skip
    case.check(drafts=households)
    return case


def load_document(name: str, *, folder: Path | None = None) -> Document:
    """A shipped document by its id, or one from a TOML file (relative to `folder`).

    >>> load_document("donghu-2021-17").number
    '东府办发〔2021〕17号'
    """
    return _document(name, Directory(folder or Path()))


def _document(name: str, folder: Folder) -> Document:
    text, source = document_text(name, folder)
    return parse_document(text, source=source)


def document_text(name: str, folder: Folder) -> tuple[str, str]:
    """The text of a document that a case names, and what it is called in messages; UnknownDocument for none."""
    if (own := folder.document(name)) is not None:
        return own
    if name not in (known := shipped_documents()):
        raise UnknownDocument(f"no document {name!r} is shipped", fix=nearest(name, known))
    entry = resources.files("estate_funds.policies") / f"{name}.toml"
    return entry.read_bytes().decode("utf-8"), entry.name


def shipped_documents() -> list[str]:
    """The ids of the documents that ship with the library."""
    names = (entry.name for entry in resources.files("estate_funds.policies").iterdir())
    return sorted(n.removesuffix(".toml") for n in names if n.endswith(".toml") and not n.endswith(".cases.toml"))


def bind_documents(file: CaseFile, documents: Mapping[str, Document]) -> dict[str, Document]:
    """Every name of case.toml leads somewhere; the documents with the settings of the case in them."""
    for position, name in enumerate(file.claims):
        where = f"case.toml, claims[{position}]"
        document, _, provision = name.partition("/")
        if document not in documents or provision not in documents[document].provisions:
            known = [f"{d.id}/{p}" for d in documents.values() for p in d.provisions]
            raise CaseError("no such document or provision", where=where, got=repr(name), fix=nearest(name, known))
    for name in file.settings:
        if name not in documents:
            raise CaseError("no such document", where=f"case.toml, settings.{name}", fix=nearest(name, documents))
    bound = {}
    for loaded in documents.values():
        try:
            bound[loaded.id] = bind(loaded, file.settings.get(loaded.id, {}))
        except PolicyError as error:
            raise CaseError(
                error.what,
                where=f"case.toml, settings.{loaded.id}",
                got=error.got,
                wanted=error.wanted,
                clause=error.clause,
                fix=error.fix,
            ) from None
    _check_one_home(documents)
    _check_standing(file, documents)
    ids = [a.id for a in file.appropriations]
    if doubled := {i for i in ids if ids.count(i) > 1}:
        raise CaseError(
            "two appropriations with one id", where="case.toml, appropriations", got=", ".join(sorted(doubled))
        )
    if file.periods.last < file.periods.first:
        raise CaseError(
            "periods that end before they begin",
            where="case.toml, periods",
            got=f"{file.periods.first} to {file.periods.last}",
        )
    return bound


def _check_standing(file: CaseFile, documents: Mapping[str, Document]) -> None:
    """Nothing is claimed twice, and no document stands over one that stands over it."""
    if doubled := {name for name in file.claims if file.claims.count(name) > 1}:
        raise CaseError("a provision claimed twice", where="case.toml, claims", got=", ".join(sorted(doubled)))
    for document in documents.values():
        seen, waiting = set(), list(document.over)
        while waiting:
            name = waiting.pop()
            if name == document.id:
                raise CaseError(
                    "documents that stand over each other",
                    where="case.toml, documents",
                    got=f"{document.id} and {', '.join(document.over)}",
                    fix="only the one that replaces the other says over",
                )
            if name in documents and name not in seen:
                seen.add(name)
                waiting += documents[name].over


def _check_one_home(documents: Mapping[str, Document]) -> None:
    """A fund, a source of income and a transfer belong to one document of the case, or to the one that stands over."""
    homes: dict[tuple[str, str], str] = {}
    for document in documents.values():
        names = [("fund", key) for key in document.funds] + [("transfer", key) for key in document.transfers]
        names += [("rule on", "fees")] if document.fees else []
        names += [("income", source) for income in document.incomes for source in income.sources]
        for name in names:
            other = homes.setdefault(name, document.id)
            if other != document.id and not {other, document.id} & {*document.over, *documents[other].over}:
                raise CaseError(
                    f"two documents of the case define the {name[0]} {name[1]!r}",
                    where="case.toml, documents",
                    got=f"{other} and {document.id}",
                    fix="rename it in one of them, or say over = [...] in the one that stands above",
                )


def _load_registry(
    folder: Folder,
    file: CaseFile,
    documents: Mapping[str, Document],
    ballots: tuple[Row, ...],
    papers: EvidenceFiles,
    households: bool,
) -> Registry:
    path = folder.file("estates.csv")
    estates = collect_estates((_estate(row) for row in read_table(path, columns.ESTATES)), source="estates.csv")
    named = [folder.file(name) for name in HOUSEHOLD_FILES] if households else []
    found = [p for p in named if p.is_file()]
    if len(found) > 1:
        raise CaseError(
            "two household files", where=folder.where, got="households.csv and households.parquet", fix="keep one"
        )
    headcounts = {}
    if found:
        from estate_funds.exchange.households import read_households

        headcounts = read_households(found[0], estates)
        if not headcounts:
            fix = "fill it in, or delete it: then the declared numbers of estates.csv are used, and printed as such"
            raise TableError("the household file has no rows", where=found[0].name, fix=fix)
    digests = {p.name: folder.digest(p.name) for p in (path, *found)}
    registry = Registry.build(estates, headcounts, source="estates.csv", source_digests=digests, counted=households)
    registry = _with_subjects(registry, documents, found, ballots, papers)
    if file.control_totals is not None:
        published = file.control_totals.as_totals()
        if not households:
            published.pop("households", None)
        registry.tie_to(published, source=f"case.toml, control_totals ({file.control_totals.source})")
    return registry


def _with_subjects(
    bare: Registry,
    documents: Mapping[str, Document],
    households: list[File],
    ballots: tuple[Row, ...],
    papers: EvidenceFiles,
) -> Registry:
    """The register with subjects and facts, where the case has any."""
    folder = papers.folder
    subjects: list[Subject] = []
    facts: list[tuple[str, str, str, Fact]] = []
    kinds = {p.each for d in documents.values() for p in d.provisions.values()}
    kinds |= {rule.of for d in documents.values() for rule in d.facts.values()}
    if households and "household" in kinds:
        from estate_funds.exchange.households import household_rows

        subjects, facts = with_households(household_rows(households[0]), bare)
    if (path := folder.file("subjects.csv")).is_file():
        subjects += read_subjects(path, bare, documents.values())
    if not subjects and not ballots and not fact_tables(folder):
        return bare
    known = replace(bare, subjects={s.subject_id: s for s in subjects})
    facts += read_facts(folder, known, documents.values(), papers)
    if ballots:
        known = replace(known, facts=Facts(facts))
        facts += ballot_facts(tallies(ballots, known, documents.values()), known, documents.values())
    return bare.with_subjects(subjects, Facts(facts))


def _households(folder: Folder) -> Households:
    """The household file, to be asked again for single rows."""
    found = [file for name in ("households.csv", "households.parquet") if (file := folder.file(name)).is_file()]
    if not found:
        return NO_HOUSEHOLDS
    from estate_funds.exchange.households import HouseholdFile

    return HouseholdFile(found[0])


def _working_days(folder: Folder) -> Callable[[date], bool]:
    """The published calendar of holidays, with the days of holidays.csv put right."""
    rows = _read(folder, "holidays.csv")
    return working_days({row.day("day"): row.text("kind") == "work" for row in rows})


def _estate(row: Row) -> Estate:
    if "/" in row.text("estate_id"):
        raise CellError("an id holds a slash", where=f"{row.where}, column estate_id", got=repr(row.text("estate_id")))
    try:
        return Estate(
            estate_id=row.text("estate_id"),
            name=row.text("name"),
            city=row.text("city"),
            district=row.text("district"),
            street=row.text("street"),
            community=row.text("community"),
            floor_area_centi_m2=row.whole("floor_area_m2"),
            buildings=row.whole("buildings"),
            completed_on=row.day("completed_on"),
            service_start=row.day("service_start"),
            service_end=row.optional_day("service_end"),
            gate=row.text("gate") or "open",
            renovated_on=row.optional_day("renovated_on"),
            office_area_centi_m2=row.optional_whole("office_area_m2"),
            declared_households=row.optional_whole("households"),
            row=row.number,
        )
    except DateError as error:
        raise error.at(row.where) from None


def _read(folder: Folder, name: str) -> Iterator[Row]:
    path = folder.file(name)
    return read_table(path, columns.TABLES[name]) if path.is_file() else iter(())


def _assessment_rows(
    rows: tuple[Row, ...], registry: Registry, claimed_by: set[str], papers: EvidenceFiles
) -> Iterator[Assessment]:
    for row in rows:
        subject_id = row.text("subject_id")
        try:
            started = registry.subject(subject_id).start
        except CaseError as error:
            raise CellError(
                "the row names no estate, unit or subject",
                where=f"{row.where}, column subject_id",
                got=repr(subject_id),
                wanted="an estate_id of estates.csv, or another subject",
                fix=error.fix,
            ) from None
        score = row.optional_number("score")
        if row.day("result_on") <= started:
            raise CellError(
                "the result is dated before the service that it assesses",
                where=f"{row.where}, column result_on",
                got=row.day("result_on"),
                wanted=f"after {started}, when it started",
            )
        if row.whole("period") > LAST_SERVICE_YEAR and "service_year" in claimed_by:
            raise CellError(
                "no service year has such a number",
                where=f"{row.where}, column period",
                got=row.whole("period"),
                wanted="1 for the first twelve months of service, 2 for the next",
            )
        yield Assessment(
            subject_id,
            row.whole("period"),
            row.text("result"),
            row.day("result_on"),
            score,
            row.number,
            papers.read(row.text("evidence"), f"{row.where}, column evidence"),
        )


def _check_tables(tables: Mapping[str, tuple[Row, ...]], documents: Mapping[str, Document]) -> None:
    keys: dict[str, tuple[str, ...]] = {
        "spending.csv": ("spending_id",),
        "incomes.csv": ("income_id",),
        "transfers.csv": ("transfer_id",),
        "attempts.csv": ("spending_id",),
    }
    for document in documents.values():
        if document.fees is not None:
            known = [column.name for column in columns.FEES if column.type in ("text", "id", "month")]
            for name in document.fees.once_per:
                if name not in known:
                    where = f"{document.id}, fees.once_per"
                    raise PolicyError(
                        "fees.csv has no such column", where=where, got=repr(name), fix=nearest(name, known)
                    )
            keys["fees.csv"] = document.fees.once_per
    for name, parts in keys.items():
        seen: dict[tuple[str, ...], int] = {}
        for row in tables[name]:
            key = tuple(row.text(part) for part in parts)
            if seen.setdefault(key, row.number) != row.number:
                raise DuplicateRow(
                    f"{' '.join(key)} stands twice",
                    where=f"{name}, rows {seen[key]} and {row.number}",
                    wanted=f"each {', '.join(parts)} once",
                    fix="delete one of the two" if name != "fees.csv" else "a fee is not collected twice: refund it",
                )


__all__ = ["document_text", "load_case", "load_document", "shipped_documents"]
