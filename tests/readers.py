"""Everything of this library that reads, a line each in READERS, and how its user reads it (see fuzz.py for the rule)."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import io
import json
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from datetime import date
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from conftest import EXAMPLES, HANDS, ROOT, TODAY
from estate_funds import Books, audit_bundle, load_case, vouchers
from estate_funds import verifier as independent
from estate_funds.calendar import Month, Months, parse_day
from estate_funds.case import Case
from estate_funds.checkpoint import Checkpoint, Growth, Inclusion, SignerKey, VerifierKey, parse_note, sign, verify
from estate_funds.columns import Columns
from estate_funds.columns import leaves as leaves_of
from estate_funds.errors import (
    InputError,
    InvariantBroken,
    Refusal,
    SealBroken,
    StoreError,
    Unallocated,
)
from estate_funds.exchange import columns as tables
from estate_funds.exchange.bundle import Bundle, parse_entry, split_journal
from estate_funds.exchange.evidence import EvidenceFiles
from estate_funds.exchange.facts import parse_fact
from estate_funds.exchange.tables import parse_number
from estate_funds.journal import Entry
from estate_funds.ledger import Ledger, refold
from estate_funds.load import load_document
from estate_funds.merkle import Frontier, Subtrees, consistency_proof, inclusion_proof
from estate_funds.money import parse_rate, parse_share, parse_yuan
from estate_funds.policy import FactRule
from estate_funds.provenance import trace
from estate_funds.report.diff import diff_text
from estate_funds.report.duties import calendar_text
from estate_funds.report.handbook import handbook
from estate_funds.report.pages import to_markdown, to_plain
from estate_funds.report.statement import statement
from estate_funds.report.summary import run_text
from estate_funds.report.vouchers import number_vouchers
from estate_funds.store import Store
from estate_funds.store.tables import tables_of
from estate_funds.testing.documents import check_document
from estate_funds.testing.worked_cases import check_worked_case, read_worked_cases
from estate_funds.whatif import compare, with_changes
from fuzz import Reader, Thunk, command, put, text_of
from journals import AUDITOR, BOOKS, ORIGIN, SHARE, History, first_year, full_history

POLICIES = (ROOT / "src" / "estate_funds" / "policies", ROOT / "tests" / "invented")


# --- documents ---


def policies(*ids: str) -> list[bytes]:
    """The text of documents, shipped and invented."""
    paths = sorted(path for folder in POLICIES for path in folder.glob("*.toml") if ".cases" not in path.name)
    return [path.read_bytes() for path in paths if not ids or path.stem in ids]


def _cases_of(name: str) -> Path | None:
    return next((path for folder in POLICIES if (path := folder / f"{name}.cases.toml").is_file()), None)


def _id_in(data: bytes, before: bytes = b"id = ") -> str:
    found = re.search(before + rb'"?([a-z0-9-]+)', data)
    return found[1].decode() if found else ""


def read_policy(data: bytes, folder: Path) -> list[Thunk]:
    path, cases = put(folder, "new-city.toml", data), _cases_of(_id_in(data))
    check_document(path, cases, TODAY).to_text()
    document = load_document(str(path))
    donghu = load_document("donghu-2021-17")
    return [
        lambda: to_markdown(handbook([document])),
        lambda: to_plain(handbook([document])),
        lambda: diff_text(document, donghu),
        lambda: diff_text(donghu, document),
        command("policy", "check", path),
    ]


def worked_cases() -> list[bytes]:
    """Worked cases, each headed by a comment that names its document."""
    paths = sorted(path for folder in POLICIES for path in folder.glob("*.cases.toml"))
    return [f"# of {path.name.removesuffix('.cases.toml')}\n".encode() + path.read_bytes() for path in paths]


def read_cases(data: bytes, folder: Path) -> list[Thunk]:
    name = _id_in(data, b"# of ")
    documents = {path.stem: path for place in POLICIES for path in place.glob("*.toml")}
    document = load_document(str(documents.get(name, documents["donghu-2021-17"])))
    cases = read_worked_cases(text_of(data), source="x.cases.toml")
    return [lambda case=case: check_worked_case(document, case) for case in cases[:40]]  # type: ignore[misc]


# --- cases ---


@cache
def _copies(example: str) -> Path:
    folder = _scratch() / example
    shutil.copytree(EXAMPLES / example, folder)
    text = (folder / "case.toml").read_text(encoding="utf-8")  # its document a file of the folder, to be spoiled there
    named = re.search(r'^documents = \["([a-z0-9-]+)"', text, re.M)
    assert named
    shutil.copy(POLICIES[0] / f"{named[1]}.toml", folder / "document.toml")
    (folder / "case.toml").write_text(
        text.replace(f'documents = ["{named[1]}"', 'documents = ["document.toml"'), "utf-8"
    )
    return folder


@cache
def _scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-cases-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def case_file(example: str, file: str, seed: bytes = b"", *, cost: int = 60) -> Reader:
    """A reader of one file of an example case, all of which is then loaded, explained, booked and audited."""

    def seeds() -> list[bytes]:
        return [seed or (_copies(example) / file).read_bytes()]

    def read(data: bytes, _: Path) -> list[Thunk]:
        path = _copies(example) / file
        before = path.read_bytes() if path.is_file() else None
        try:
            path.write_bytes(data)
            return use_case(path.parent)
        finally:
            path.unlink() if before is None else path.write_bytes(before)

    shape = "toml" if file.endswith(".toml") else file.rpartition(".")[2]
    return Reader(f"case-{example}-{file.replace('.', '-')}", shape, seeds, read, (InputError, Refusal), cost)


def use_case(folder: Path) -> list[Thunk]:
    """All that the commands do with a case, here in one process and on a ledger in memory."""
    case = load_case(folder)
    run_text_of(case)
    named = [*case.registry.estates, *case.registry.subjects][:3]
    return [
        *(lambda name=name: case.explain(name) for name in named),  # type: ignore[misc]
        lambda: calendar_text(case, 2024, TODAY),
        lambda: calendar_text(case, 1990, TODAY),
        lambda: calendar_text(case, 2100, TODAY),
    ]


def run_text_of(case: Case) -> str:
    """What `estate-funds run` computes and prints of a case."""
    with Books.open("memory", recorded_on=TODAY) as books:
        posted = books.run(case)
        answers = [(s.origin, books.check(s.draft)) for s in case.attempts() if s.draft.effective <= books.today]
        report = books.audit(case)
        vouchers = list(number_vouchers(books.entries()))
        return run_text(case, posted, vouchers, books.balances(), answers, report, books.today)


def parquet() -> bytes:
    """The households of Donghu as Parquet."""
    table = pyarrow.csv.read_csv(EXAMPLES / "donghu" / "households.csv")
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())


def read_parquet(data: bytes, _: Path) -> list[Thunk]:
    folder = _copies("donghu")
    hidden = folder / "households.csv"
    text = hidden.read_bytes()
    hidden.unlink()
    try:
        put(folder, "households.parquet", data)
        return use_case(folder)
    finally:
        (folder / "households.parquet").unlink()
        hidden.write_bytes(text)


def read_run(data: bytes, folder: Path) -> list[Thunk]:
    """case.toml through the commands themselves."""
    case = folder / "case"
    shutil.copytree(_copies("xx-district"), case)
    put(case, "case.toml", data)
    return [
        command("run", case, "--ledger", folder / "books.db", "--recorded-on", str(TODAY)),
        command("explain", case, "hexi"),
        command("audit", folder / "books.db", "--case", case),
        command("calendar", case, "--year", "2024"),
        command("what-if", case, "--set", "provisions.emergency.payers[0].x=1"),
    ]


def read_change(data: bytes, _: Path) -> list[Thunk]:
    text = text_of(data)
    example = "donghu" if "donghu" in text or "yuan" in text else "xx-district"
    case = _loaded(example)
    variant = with_changes(case, [text])
    compared = compare(case, variant)
    return [compared.to_text, compared.to_json]


@cache
def _loaded(example: str) -> Case:
    return load_case(EXAMPLES / example)


# --- seals ---


@cache
def _history() -> History:
    return full_history()


@cache
def _short() -> History:
    history = History()
    first_year(history)
    return history


@cache
def bundles() -> list[bytes]:
    """Two journals, exported."""
    with tempfile.TemporaryDirectory() as folder:
        return [history.export(Path(folder) / "x.zip").read_bytes() for history in (_short(), _history())]


def read_bundle(data: bytes, folder: Path) -> list[Thunk]:
    path = put(folder, "x.zip", data)
    with Bundle(path) as bundle:
        _ = bundle.checkpoint, bundle.keys, bundle.balances()
        for digest in bundle.evidence():
            bundle.has_its_digest(digest)
        read_entries(bundle.entries())
    return []


def case_bundles() -> list[bytes]:
    """A bundle with its case."""
    return [(ROOT / "tests" / "golden" / "bundle-2.zip").read_bytes()]


def read_case_bundle(data: bytes, folder: Path) -> list[Thunk]:
    path = put(folder, "x.zip", data)
    report = audit_bundle(path)
    return [report.to_text, command("audit", path)]


def read_zip(data: bytes, folder: Path) -> list[Thunk]:
    """A bundle through the verifier of one file, by itself and as the commands call it."""
    path, key = put(folder, "x.zip", data), str(BOOKS.verifier)
    old, signer = put(folder, "old", notes()[0]), put(folder, "key", BOOKS.secret_text().encode())
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        status = independent.main([str(path), "--key", key])

    def verdict() -> None:
        if status:
            raise {1: SealBroken, 2: InputError}[status](f"exit status {status}")

    return [
        verdict,
        command("verify", path),
        command("verify", path, "--key", key, "--required", 1),
        command("verify", path, "--since", old),
        command("checkpoint", path, "--sign", signer, "--cosign", old),
    ]


def read_entries(entries: Iterable[Entry]) -> None:
    """Entries from outside, through the gate, in columns, traced, drawn up."""
    ledger, held = Ledger(), []
    try:
        for entry in entries:
            refold(ledger, entry)
            held.append(entry)
    except InvariantBroken as error:  # documented of `replay`: not an entry that may follow
        if "cannot follow" not in str(error):
            raise
    except Refusal:
        pass
    leaves_of(Columns.from_entries(held))
    made = trace(held)
    for entry in held:
        made.to_text(entry.seq)
    statement(held, period=Months.parse("2022")).to_text()


def journals() -> list[bytes]:
    """The text of journals."""
    return [b"".join(entry.canonical() for entry in history.entries) for history in (_short(), _history())]


def read_journal(data: bytes, _: Path) -> None:
    read_entries(parse_entry(piece) for piece in split_journal(io.BytesIO(data)))


def notes() -> list[bytes]:
    """Checkpoints: signed by one, by two, by nobody."""
    made = _history().checkpoint()
    one = sign(made, BOOKS)
    return [note.encode() for note in (one, sign(made, AUDITOR, note=one), made.body)]


def read_note(data: bytes, folder: Path) -> list[Thunk]:
    path, key = put(folder, "note", data), put(folder, "key", BOOKS.secret_text().encode())
    trusted = [BOOKS.verifier, AUDITOR.verifier]
    ledger = _ledger(folder)
    return [
        lambda: parse_note(data),
        lambda: verify(data, trusted, required=1),
        lambda: sign(_history().checkpoint(), AUDITOR, note=data),
        command("verify", path, "--key", trusted[0]),
        command("verify", ledger, "--checkpoint", path),
        command("audit", ledger, "--checkpoint", path),
        command("checkpoint", ledger, "--sign", key, "--cosign", path),
        command("prove", ledger, "--entry", 1, "--checkpoint", path),
        command("export", ledger, folder / "y.zip", "--checkpoint", path),
    ]


def proofs() -> list[bytes]:
    """Proofs of an entry and of growth."""
    leaves = [entry.leaf for entry in _history().entries]
    size, note = len(leaves), notes()[0].decode()
    inside = Inclusion(6, tuple(inclusion_proof(6, size, _tree())), note)
    return [str(inside).encode(), str(Growth(20, tuple(consistency_proof(20, size, _tree())), note)).encode()]


@cache
def _tree() -> Subtrees:
    leaves = [entry.leaf for entry in _history().entries]
    return Subtrees(len(leaves), lambda start, count: b"".join(leaves[start : start + count]))


def read_proof(data: bytes, folder: Path) -> list[Thunk]:
    path = put(folder, "proof", data)
    entry = put(folder, "entry", _history().entries[6].canonical())
    old = put(folder, "old", sign_at(20).encode())
    return [
        lambda: Inclusion.parse(data).verify(_history().entries[6].leaf),
        lambda: Growth.parse(data).verify(_checkpoint_at(20)),
        command("verify", path, "--entry-text", entry),
        command("verify", path, "--since", old),
    ]


def _checkpoint_at(size: int) -> Checkpoint:
    tree = Frontier()
    for entry in _history().entries[:size]:
        tree.append(entry.leaf)
    return Checkpoint(ORIGIN, size, tree.root)


def sign_at(size: int) -> str:
    """The signed checkpoint of a size."""
    return sign(_checkpoint_at(size), BOOKS)


def keys() -> list[bytes]:
    """Keys to verify and to sign with."""
    return [
        text.encode() for text in (str(BOOKS.verifier), BOOKS.secret_text(), f"{BOOKS.verifier}\n{AUDITOR.verifier}\n")
    ]


def read_key(data: bytes, folder: Path) -> list[Thunk]:
    path, note = put(folder, "key", data), put(folder, "note", notes()[0])
    out = [command("verify", note, "--key", text_of(data))] if b"\0" not in data else []
    return [
        *out,
        lambda: VerifierKey.parse(text_of(data)),
        lambda: SignerKey.parse(text_of(data)),
        command("verify", note, "--key", path),
        command("checkpoint", _ledger(folder), "--sign", path),
        command("keygen", "--out", folder / "new", "--", text_of(data)),
    ]


# --- ledgers ---


@cache
def ledgers() -> list[bytes]:
    """A ledger in a file."""
    with tempfile.TemporaryDirectory() as folder:
        path, history = Path(folder) / "books.db", _history()
        store = Store.open(str(path), origin="nanchang.example/award")
        with store.writing() as connection:
            store.append(connection, history.entries, history.ledger)
        store.close()
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute("VACUUM INTO ?", (f"{folder}/alone.db",))
        return [Path(folder, "alone.db").read_bytes()]


def _ledger(folder: Path) -> Path:
    path = folder / "sound.db"
    return path if path.is_file() else put(folder, "sound.db", ledgers()[0])


def read_ledger(data: bytes, folder: Path) -> list[Thunk]:
    return use_ledger(put(folder, "books.db", data))


def use_ledger(path: Path) -> list[Thunk]:
    """All that the commands do with a ledger."""

    def books(use: Callable[[Books], object]) -> Thunk:
        def run() -> None:
            with Books.open(str(path), create=False, recorded_on=TODAY) as opened:
                use(opened)

        return run

    draft = vouchers.receive(SHARE, "more", 5, on=TODAY, key="more", hands=HANDS)
    return [
        books(lambda b: b.audit().to_text()),
        books(lambda b: b.verify()),
        books(lambda b: (b.balances(), b.origin, len(b), b.checkpoint())),
        books(lambda b: b.balance(SHARE.fund_id)),
        books(lambda b: b.statement("2022", known_on=date(2023, 1, 10)).to_text()),
        books(lambda b: [b.trace().to_text(e.seq) for e in b.entries()]),
        books(lambda b: (b.entry(7), b.balances_after(9), b.prove_entry(3, notes()[2].decode()))),
        books(lambda b: b.prove_growth(20, notes()[2].decode())),
        books(lambda b: b.check(draft)),
        books(lambda b: vouchers.reverse(b.entry(12), on=TODAY, hands=HANDS, narrative="x", ledger=b.ledger)),
        command("refusals", path),
        command("export", path, path.with_name("out.zip")),
        command("statement", path, "--period", "2022", "--json"),
        command("migrate", path),
        books(lambda b: b.post(draft)),
    ]


TABLES = ("entry", "posting", "meta", "version", "snapshot")


def read_rows(data: bytes, folder: Path) -> list[Thunk]:
    """A ledger whose rows were changed by somebody's SQL: a list of [table, column, row, value], numbers as they come."""
    try:
        changes = [(int(t), int(c), int(r), value) for t, c, r, value in json.loads(data)]
    except (ValueError, TypeError):
        return []
    path = put(folder, "books.db", ledgers()[0])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        for change in changes:
            with contextlib.suppress(sqlite3.Error, OverflowError):  # what the tables themselves refuse
                _change(database, *change)
    return use_ledger(path)


def _change(database: sqlite3.Connection, table: int, row: int, column: int, value: object) -> None:
    name = "estate_funds_" + TABLES[table // 4 % len(TABLES)]
    columns = [found[1] for found in database.execute(f"PRAGMA table_info({name})")]
    keys = [found[1] for found in database.execute(f"PRAGMA table_info({name})") if found[5]] or ["rowid"]
    rows = database.execute(f"SELECT {', '.join(keys)} FROM {name}").fetchall()
    if not rows:
        added, mark = (
            (value, "?") if not isinstance(value, str) else (value.encode("utf-8", "surrogatepass"), "CAST(? AS TEXT)")
        )
        database.execute(f"INSERT INTO {name} VALUES (20, 'x', 'cash', '', {mark})", (added,))
        return
    where = " AND ".join(f'"{key}" = ?' for key in keys)
    key = rows[row % len(rows)]
    if value == "BLOB":
        value = b"\xff\x00"
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        database.execute(
            f'UPDATE {name} SET "{columns[column % len(columns)]}" = CAST(? AS TEXT) WHERE {where}', (text, *key)
        )
    elif value is None and table % 4:
        database.execute(f"DELETE FROM {name} WHERE {where}", key)
    else:
        database.execute(f'UPDATE {name} SET "{columns[column % len(columns)]}" = ? WHERE {where}', (value, *key))


_BLOCK_HEAD = len(b"estate_funds columns 1\n") + 32


def blocks() -> list[bytes]:
    """A block of entries in columns, as a ledger keeps it."""
    return [Columns.from_entries(_short().entries).to_ipc()[_BLOCK_HEAD:]]


def read_block(data: bytes, _: Path) -> None:
    """An Arrow stream under the digest that it has, as whoever changes one would store it."""
    columns = Columns.from_ipc(b"estate_funds columns 1\n" + hashlib.sha256(data).digest() + data)
    leaves_of(columns)
    columns.entries()


def read_address(data: bytes, folder: Path) -> list[Thunk]:
    """The address of a ledger; nothing is made there, and nobody on a network is asked."""
    text = text_of(data)
    if "postgres" in text:
        return []
    _ledger(folder)

    def there(open_it: Callable[[], Books]) -> Thunk:
        def run() -> None:
            with contextlib.chdir(folder), open_it() as books:
                len(books)

        return run

    return [there(lambda: Books.open(text, create=False)), there(lambda: Books.open("sound.db", create=False, prefix=text)),
            there(lambda: Books.open("sound.db", create=False, schema=text)), there(lambda: Books.open("memory", origin=text)),
            *([] if "\0" in text else [command("verify", folder / text), command("--prefix", text, "refusals", folder / "sound.db")])]  # fmt: skip


def read_head(data: bytes, folder: Path) -> list[Thunk]:
    text = text_of(data)
    with Books.open(str(_ledger(folder)), create=False, recorded_on=TODAY) as books:
        books.audit(kept_heads=[text]).to_text()
    return [command("audit", _ledger(folder), "--head", text)]


# --- values ---


def value(name: str, parse: Callable[[str], object], *seeds: str) -> Reader:
    """A reader of one value that somebody types."""
    return Reader(name, "text", lambda: [seed.encode() for seed in seeds], lambda data, _: parse(text_of(data)), cost=5)


FACT_TYPES = ("yes_no", "number", "yuan", "m2", "share", "date", "text")


def read_fact(text: str) -> list[Thunk]:
    rules = [FactRule.model_validate({"clause": "1", "type": kind, "text": "x"}) for kind in FACT_TYPES]
    rules.append(FactRule.model_validate({"clause": "1", "type": "choice", "text": "x", "values": ["a", "b"]}))
    return [lambda rule=rule: parse_fact(rule, text, "here") for rule in rules]  # type: ignore[misc]


def read_papers(text: str) -> object:
    return EvidenceFiles(_copies("donghu")).read(text, "here")


def read_period(data: bytes, folder: Path) -> list[Thunk]:
    text = text_of(data)
    ledger = _ledger(folder)
    return [
        lambda: [month.first_day for month in [*Months.parse(text)][:2]],
        lambda: statement(_history().entries, period=Months.parse(text)).to_text(),
        command("statement", ledger, f"--period={text}"),
        command("statement", ledger, "--period=2022", f"--known-on={text}"),
        command("reopen", ledger, "--document=d", "--clause=1", f"--approval={ledger}", "--reason=x", "--maker=a",
                "--approver=b", "--", text),
    ]  # fmt: skip


def _header(file: str, *rows: str) -> bytes:
    return "\n".join([",".join(column.name for column in tables.TABLES[file]), *rows, ""]).encode()


CASES = (InputError, Refusal)
SEALS = (InputError, SealBroken)
BOOKED = (InputError, StoreError, SealBroken, Refusal, Unallocated)

# Everything that reads, a line each. A reader of bank statements, say, is one more line here.
READERS = {
    reader.name: reader
    for reader in (
        Reader("policy", "toml", policies, read_policy, cost=120),
        Reader("worked-cases", "toml", worked_cases, read_cases, cost=60),
        *(case_file(example.name, "case.toml") for example in sorted(EXAMPLES.iterdir()) if (example / "evidence").is_dir()),
        *(case_file(name, "document.toml") for name in ("changchun", "city-template", "donghu", "xx-district", "maintenance-fund")),
        case_file("donghu", "estates.csv"),
        case_file("xx-district", "estates.csv"),
        case_file("donghu", "households.csv"),
        Reader("households-parquet", "parquet", lambda: [parquet()], read_parquet, CASES, 60),
        case_file("donghu", "assessments.csv"),
        case_file("xx-district", "assessments.csv"),
        case_file("changchun", "subjects.csv"),
        case_file("xx-district", "subjects.csv"),
        case_file("changchun", "facts.csv"),
        case_file("xx-district", "facts.csv"),
        case_file("jingbalu", "facts-stations.csv", cost=20),
        case_file("city-template", "facts-fees.csv", cost=100),
        case_file("maintenance-fund", "facts-houses.csv"),
        case_file("xx-district", "ballots.csv"),
        case_file("xx-district", "holidays.csv", _header("holidays.csv", "2024-05-11,rest", "2024-05-01,work")),
        case_file("donghu", "spending.csv"),
        case_file("donghu", "attempts.csv"),
        case_file("changchun", "incomes.csv"),
        case_file("donghu", "transfers.csv"),
        case_file("donghu", "fees.csv"),
        Reader("run", "toml", lambda: [(_copies("xx-district") / "case.toml").read_bytes()], read_run, cost=300),
        Reader("change", "text", lambda: CHANGES, read_change, CASES, cost=30),
        Reader("bundle", "zip", bundles, read_bundle, cost=30),
        Reader("case-bundle", "zip", case_bundles, read_case_bundle, SEALS, cost=100),
        Reader("verifier", "zip", bundles, read_zip, SEALS, cost=100),
        Reader("journal", "lines", journals, read_journal, cost=20),
        Reader("note", "lines", notes, read_note, SEALS, cost=150),
        Reader("proof", "lines", proofs, read_proof, SEALS, cost=20),
        Reader("key", "lines", keys, read_key, cost=30),
        Reader("ledger", "bytes", ledgers, read_ledger, BOOKED, cost=150),
        Reader("ledger-rows", "rows", lambda: [b"[]"], read_rows, BOOKED, cost=150),
        Reader("block", "bytes", blocks, read_block, (InputError, StoreError), cost=10),
        Reader("address", "text", lambda: [b"sound.db", b"sqlite:///sound.db", b"memory", b"mysql://a:b@c/d", b"p_"], read_address, BOOKED, cost=20),
        Reader("head", "text", lambda: [_history().ledger.head.encode()], read_head, BOOKED, cost=40),
        Reader("period", "text", lambda: [b"2022", b"2022-05", b"2022-05..2022-08"], read_period, cost=40),
        value("yuan", parse_yuan, "1,234.50", "￥18", "0.05 元", "CNY 1"),
        value("rate", parse_rate, "18.00", "1/3", "-5"),
        value("share", parse_share, "70.5%", "1/3", "0.705"),
        value("number", parse_number, "92.5", "3"),
        value("day", parse_day, "2024-02-29"),
        value("month", lambda text: (Month.parse(text).first_day, Month.parse(text).last_day), "2024-02"),
        value("fact", read_fact, "80,000.00", "yes", "2024-05-06", "141/200", "70.5%"),
        value("papers", read_papers, "invoice:evidence/s-2022-01.txt; report:sha256:" + "ab" * 32),
        value("prefix", lambda text: (tables_of(text, ""), tables_of("x", text)), "estate_funds_", "public"),
        value("document", load_document, "donghu-2021-17", "new.toml"),
    )
}  # fmt: skip
CHANGES = [change.encode() for change in (
    "donghu-2021-17/provisions.award.rate[0].tiers[0].value=20.00", "provisions.emergency.payers[0].clause=x",
    "settings.xx-district-2024.reward_pool=100000.00", "facts.w-2024-01.audited_cost=80000", "settings.donghu-2021-17.property_service_uses=[\"a\"]",
)]  # fmt: skip
