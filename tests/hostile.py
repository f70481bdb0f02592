"""Bundles that somebody made to harm whoever opens them, each from a good one; and a child that opens them all."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

Content = dict[str, bytes]
CENTRAL = b"PK\x01\x02"


def content_of(data: bytes) -> Content:
    """The members of an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(content: Content, *, way: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", way) as file:
        for name, data in content.items():
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, way)
    return out.getvalue()


def sealed(content: Content, change: Callable[[dict], None] = lambda manifest: None) -> Content:  # type: ignore[type-arg]
    """The members with a manifest that fits them: a forger makes one too."""
    manifest = json.loads(content["manifest.json"])
    manifest["members"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in content.items()
        if name != "manifest.json" and not name.startswith("evidence/")
    }
    change(manifest)
    return content | {"manifest.json": json.dumps(manifest, ensure_ascii=False).encode()}


def with_member(content: Content, name: str, data: bytes) -> bytes:
    return zipped(sealed(content | {name: data}))


def edited(content: Content, name: str, old: str, new: str) -> bytes:
    text = content[name].decode()
    assert old in text, (name, old)
    return with_member(content, name, text.replace(old, new, 1).encode())


def manifest_of(content: Content, text: bytes) -> bytes:
    return zipped(content | {"manifest.json": text})


def told(content: Content, **keys: object) -> bytes:
    return zipped(sealed(content, lambda manifest: manifest.update(keys)))


def named(content: Content, name: str) -> bytes:
    """An archive with one more member, whatever it is called: zipfile itself would not write some of these."""
    stand_in = "Q" * len(name.encode("utf-8", "surrogateescape"))
    raw = name.encode("utf-8", "surrogateescape")
    made = zipped(content | {stand_in: b"x"}).replace(stand_in.encode(), raw)
    if not raw.isascii():  # say that it is UTF-8, in both headers
        for head, offset in ((b"PK\x03\x04", 6), (CENTRAL, 8)):
            at = made.rindex(head, 0, made.rindex(raw) if head == CENTRAL else made.index(raw))
            made = made[: at + offset] + struct.pack("<H", 0x800) + made[at + offset + 2 :]
    return made


def in_directory(data: bytes, name: str, offset: int, raw: bytes) -> bytes:
    """A field of the directory's record of a member overwritten."""
    at = data.rindex(name.encode()) - 46
    assert data[at : at + 4] == CENTRAL
    return data[: at + offset] + raw + data[at + offset + len(raw) :]


def doubled(content: Content) -> bytes:
    return zipped(content | {"Q" * len("balances.txt"): b"x"}).replace(b"Q" * len("balances.txt"), b"balances.txt")


def overlapping(data: bytes) -> bytes:
    """A record of the directory that leads to the bytes of another member."""
    return in_directory(data, "case/case.toml", 42, struct.pack("<I", 0))


def at_the_end(data: bytes, members: int, far: bool = False) -> bytes:
    """The end of the directory, which says that there are so many members."""
    end = data.rindex(b"PK\x05\x06")
    if not far:
        return data[: end + 8] + struct.pack("<HH", members, members) + data[end + 12 :]
    size, offset = struct.unpack("<LL", data[end + 12 : end + 20])
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, members, members, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    return data[:end] + record + locator + data[end : end + 8] + b"\xff\xff\xff\xff" + data[end + 12 :]


def broken_sum(data: bytes) -> bytes:
    """A byte of a member's packed content that is another."""
    at = data.index(b"case/case.toml") + 40
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def bombs(good: bytes) -> dict[str, tuple[bytes, str]]:
    """Each hostile bundle by a name, and what of the error is wanted."""
    c = content_of(good)
    c["manifest.json"] = c.pop("manifest.json")
    zeros = 24 << 20
    deep = b'{"format": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    wide = b"subject_id,fact,value\n" + bytes(range(32, 90)) * (1 << 20) + b"\n"  # 58 MiB; twice that is too long
    return {
        "no archive": (b"journal\n" * 100, "cannot be read"),
        "nothing": (b"", "cannot be read"),
        "cut off": (good[: 2 * len(good) // 3], "cannot be read"),
        "something before it": (b"#!/bin/sh\nrm -rf /\n" + good, "does not begin with a member"),
        "something behind it": (good + b"rm -rf /\n", "does not stand at its end"),
        "a path out of it": (named(c, "case/../../../tmp/pwned"), "a name that no member"),
        "dots alone": (named(c, ".."), "a name that no member"),
        "an absolute path": (named(c, "/etc/cron.d/pwned"), "a name that no member"),
        "a drive": (named(c, "C:pwned.txt"), "a name that no member"),
        "a backslash": (named(c, "case\\..\\pwned"), "a name that no member"),
        "a NUL in a name": (named(c, "case.toml\0.txt"), "a name that no member"),
        "a name in disguise": (named(c, "case/\u202ecsv.exe"), "a name that no member"),
        "a name in pieces": (named(c, "case/e\u0301.csv"), "a name that no member"),
        "a name without end": (named(c, "x" * 300), "a name that no member"),
        "a folder": (named(c, "case/folder/"), "a name that no member"),
        "one name twice": (doubled(c), "stands twice"),
        "a link": (in_directory(good, "case/case.toml", 38, struct.pack("<I", 0o120777 << 16)), "no plain file"),
        "a device": (in_directory(good, "case/case.toml", 38, struct.pack("<I", 0o020666 << 16)), "no plain file"),
        "encrypted": (in_directory(good, "case/case.toml", 8, struct.pack("<H", 1)), "encrypted"),
        "packed by bzip2": (zipped(c, way=zipfile.ZIP_BZIP2), "neither stored nor deflated"),
        "packed by lzma": (zipped(c, way=zipfile.ZIP_LZMA), "neither stored nor deflated"),
        "packed in no known way": (
            in_directory(good, "case/case.toml", 10, struct.pack("<H", 97)), "neither stored nor deflated",
        ),
        "a bomb of zeros": (with_member(c, "journal.txt", bytes(zeros)), "larger than it can be"),
        "a bomb among the evidence": (zipped(c | {"evidence/" + "0" * 64: bytes(zeros)}), "larger than it can be"),
        "an absurd size": (
            in_directory(zipped(c), "case/case.toml", 24, struct.pack("<I", 0xFFFFFFF0)), "larger than it can be",
        ),
        "bytes that two members share": (overlapping(zipped(c)), "share their bytes|cannot be read"),
        "members in millions": (at_the_end(good, 0xFFF0_0000, far=True), "more members than"),
        "members that are not there": (at_the_end(good, 40_000), "as many members as it says"),
        "a sum that is wrong": (broken_sum(zipped(c, way=zipfile.ZIP_STORED)), "cannot be read"),
        "a manifest that is no JSON": (manifest_of(c, b"{"), "not the manifest"),
        "a manifest in another encoding": (manifest_of(c, c["manifest.json"].decode().encode("utf-16")), "not the manifest"),
        "a manifest within itself": (manifest_of(c, deep), "not the manifest"),
        "a key that stands twice": (manifest_of(c, b'{"format": 1, "format": 2}'), "not the manifest"),
        "a number of a million digits": (manifest_of(c, b'{"format": ' + b"9" * 10**6 + b"}"), "not the manifest"),
        "a list for a manifest": (manifest_of(c, b"[]"), "does not read"),
        "a manifest without end": (manifest_of(c, b'"' + b"x" * (5 << 20) + b'"'), "larger than it can be|too long"),
        "a later format": (told(c, format="estate_funds bundle 3"), "does not read"),
        "a key that nobody knows": (told(c, run="rm -rf /"), "not the manifest"),
        "a day that is none": (told(c, as_of="2026-02-31"), "not a date|no day|exist|2026-02-31"),
        "a negative length": (told(c, members={"checkpoint": {"bytes": -1, "sha256": "0" * 64}}), "not the manifest"),
        "a forged table": (zipped(c | {"case/estates.csv": c["case/estates.csv"] + b"\n"}), "not the one of the manifest"),
        "a forged journal": (zipped(c | {"journal.txt": c["journal.txt"] * 2}), "not the one of the manifest"),
        "a member that nobody names": (zipped(c | {"case/facts-more.csv": b"subject_id\n"}), "no manifest names"),
        "a member that is gone": (zipped({n: d for n, d in c.items() if n != "case/facts.csv"}), "lacks a member"),
        "a bundle in a bundle": (zipped(c | {"inner.zip": good}), "no manifest names"),
        "a bundle for a table": (with_member(c, "case/facts.csv", good), "not UTF-8|not a CSV|column"),
        "a document beside it": (
            edited(c, "case/case.toml", 'documents = ["', 'documents = ["../../../../etc/passwd.toml", "'),
            "does not hold this document",
        ),
        "a document that ships": (
            edited(c, "case/case.toml", 'documents = ["', 'documents = ["donghu-2021-17", "'), "does not hold this",
        ),
        "another member for a document": (
            zipped(sealed(c, lambda m: m["case"]["documents"].update({"xx-district-2024": "case/case.toml"}))),
            "does not hold this document",
        ),
        "evidence beside it": (
            edited(c, "case/spending.csv", "invoice:evidence/", "invoice:../../../../etc/passwd;invoice:evidence/"),
            "does not know this evidence",
        ),
        "another document": (edited(c, "policies/xx-district-2024.toml", "format = 1", "format = 1 "), "not those of the"),
        "a register that is another": (
            zipped(sealed(c, lambda m: (m["pseudonyms"].update(names=0), m["case"].update(registry="sha256:" + "0" * 64)))),
            "counted|of the manifest",
        ),
        "a case.toml without end": (with_member(c, "case/case.toml", wide[: 3 << 20]), "too long"),
        "a case.toml too deep": (with_member(c, "case/case.toml", b"a = " + b"[" * 9_000), "TOML"),
        "a table without end": (zipped(sealed(c | {"case/facts.csv": wide * 2}), way=zipfile.ZIP_STORED), "too long"),
        "a table in GB18030": (
            with_member(c, "case/estates.csv", c["case/estates.csv"].decode().encode("gb18030")), "not UTF-8",
        ),
        "a document in UTF-16": (
            with_member(c, "policies/xx-district-2024.toml", "id = 1".encode("utf-16")), "not UTF-8",
        ),
        "a block that is none": (with_member(c, "blocks.txt", b"0\t1\t8192\tzz\n"), "not a line"),
        "a snapshot that is none": (with_member(c, "snapshots.txt", b"-5\t" + b"0" * 64 + b"\n"), "not a line"),
        "a line without end": (with_member(c, "snapshots.txt", b"x" * (3 << 20)), "larger than|does not end"),
        "a checkpoint that is none": (with_member(c, "checkpoint", b"x\n"), "checkpoint"),
        "entries that are none": (with_member(c, "journal.txt", b"estate_funds entry 1\nseq\t1\n"), "canonical bytes"),
    }  # fmt: skip


def peak_kib() -> int:
    """The most memory that this process has had, in KiB; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def main(folder: Path) -> None:
    """Audit every bundle of a folder within bounds, and print what came of it; whatever writes or calls out is refused."""
    from estate_funds import EstateFundsError, audit_bundle

    audit_bundle(folder / "good.zip")  # every module is loaded from here on

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if writes or event.split(".")[0] in ("socket", "subprocess", "shutil", "tempfile", "exec") or event in (
            "os.system", "os.exec", "os.mkdir", "os.rename", "os.remove", "os.symlink", "os.posix_spawn", "os.fork",
        ):  # fmt: skip
            print(json.dumps(["FORBIDDEN", event, repr(arguments)[:200]]))

    before = peak_kib()
    sys.addaudithook(watch)
    for path in sorted(folder.glob("*.zip")):
        try:
            report = audit_bundle(path)
            print(json.dumps([path.stem, "audited", [f.rule for f in report.findings]]))
        except EstateFundsError as error:
            print(json.dumps([path.stem, type(error).__name__, str(error)]))
        except BaseException as error:
            print(json.dumps([path.stem, f"UNTYPED {type(error).__name__}", str(error)]))
    print(json.dumps(["memory", "", peak_kib() - before]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
