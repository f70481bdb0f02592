"""A .zip that somebody sent: opened only when nothing in it can surprise whoever reads it.

Nothing is ever extracted. Before a member is read, the directory of the archive is looked through: how many members,
how they are called, where they lie, how large they say they are. What is refused there costs no memory.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import IO

from estate_funds.errors import InputError
from estate_funds.text import INVISIBLE

# What a broken archive makes zipfile raise; RuntimeError where a member is encrypted, or of a version not known here.
UNREADABLE = (OSError, EOFError, zlib.error, zipfile.BadZipFile, struct.error, ValueError, RuntimeError, OverflowError)
MOST_MEMBERS = 300_000  # each costs whoever opens it some 600 bytes of memory
MOST_DIRECTORY_BYTES = 1 << 26
MOST_NAME_BYTES = 255
MOST_RATIO, ALWAYS_BYTES = 500, 1 << 20  # deflated entries of a journal are a tenth to a hundredth of their text
_WAYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others make a thousand times a thousand bytes of one
_END, _END_BYTES, _LOCAL_BYTES = b"PK\x05\x06", 22, 30
_FAR, _FAR_END, _WIDE_16, _WIDE_32 = b"PK\x06\x07", b"PK\x06\x06", 0xFFFF, 0xFFFFFFFF
_LOCKED = 0x1 | 0x40 | 0x2000  # flags: encrypted, strongly encrypted, its directory hidden
_ONE_NAME = re.compile(r'[^/\\:*?"<>|\x00-\x1f\x7f]+')


class Archive:
    """An archive that is open for reading, its members by name; use it with `with`.

    InputError where the file is none, is damaged, or holds what no bundle has: a name that leads elsewhere or stands
    twice, a link, a member that is encrypted, packed in another way, says that it is larger than it can be, or shares
    its bytes with another.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            told = self._check_end()
            self._zip = zipfile.ZipFile(path)
        except UNREADABLE as error:
            raise self.damaged("", error) from None
        try:
            self._check_members(told)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()

    @property
    def names(self) -> list[str]:
        """The names of all members, as they lie."""
        return self._zip.namelist()

    def size(self, name: str) -> int:
        """How many bytes a member has; InputError where there is none."""
        return self._info(name).file_size

    def open(self, name: str) -> IO[bytes]:
        """A member, to be read in pieces; what does not have its checksum is an error at its end."""
        try:
            return self._zip.open(self._info(name))
        except UNREADABLE as error:
            raise self.damaged(name, error) from None

    def read(self, name: str, most_bytes: int) -> bytes:
        """All of a member; InputError where it has more than `most_bytes`."""
        if self.size(name) > most_bytes:
            where, wanted = f"{self.path}, {name}", f"{most_bytes:,} bytes at most"
            raise InputError("a member that is too long", where=where, got=f"{self.size(name):,} bytes", wanted=wanted)
        try:
            with self.open(name) as file:
                return file.read(most_bytes)
        except UNREADABLE as error:
            raise self.damaged(name, error) from None

    def damaged(self, name: str, error: object) -> InputError:
        """The error of an archive, or of a member, that cannot be read."""
        where = f"{self.path}, {name}" if name else str(self.path)
        return InputError("the bundle cannot be read", where=where, got=error, fix="export it again, or copy it again")

    # --- what is looked at before anything is read ---

    def _info(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._zip.getinfo(name)
        except KeyError:
            raise InputError("the bundle does not hold it", where=str(self.path), got=name) from None

    def _check_end(self) -> int:
        """The number of members, once that and the length of their directory are no more than memory holds."""
        with self.path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise zipfile.BadZipFile("it does not begin with a member")
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _END_BYTES))
            end = file.read()
            if len(end) < _END_BYTES or end[:4] != _END or end[-2:] != b"\0\0":
                raise zipfile.BadZipFile("its directory does not stand at its end")
            members, length = struct.unpack("<10xHL6x", end)
            if members == _WIDE_16 or length == _WIDE_32:
                file.seek(max(0, size - _END_BYTES - 20))
                far = file.read(20)
                if far[:4] == _FAR:
                    file.seek(struct.unpack("<8xQ4x", far)[0])
                    told = file.read(56)
                    if told[:4] != _FAR_END or len(told) < 56:
                        raise zipfile.BadZipFile("its directory is not where it says")
                    members, length = struct.unpack("<32xQQ8x", told)
        if members > MOST_MEMBERS or length > MOST_DIRECTORY_BYTES:
            raise self._refused(
                "", "more members than a bundle may have", f"{members:,}, in {length:,} bytes", f"{MOST_MEMBERS:,}"
            )
        return int(members)

    def _check_members(self, told: int) -> None:
        members = sorted(self._zip.infolist(), key=lambda one: one.header_offset)
        if len(members) != told:
            raise self._refused("", "not as many members as it says", f"{len(members):,}", f"{told:,}")
        seen: set[str] = set()
        free = 0  # the first byte that belongs to no member so far
        for one in members:
            self._check_name(one)
            if one.filename in seen:
                raise self._refused(one.filename, "a member stands twice", one.filename, "each name once")
            seen.add(one.filename)
            self._check_kind(one)
            if one.header_offset < free:
                raise self._refused(one.filename, "members that share their bytes", one.filename, "each its own bytes")
            free = one.header_offset + _LOCAL_BYTES + len(one.filename.encode()) + one.compress_size
        if free > self._zip.start_dir:
            raise self._refused("", "members that share their bytes with the directory", f"byte {free:,}", "none")

    def _check_name(self, one: zipfile.ZipInfo) -> None:
        name = one.filename
        parts = name.split("/")
        plain = (
            name == one.orig_filename
            and all(_ONE_NAME.fullmatch(part) and part not in (".", "..") for part in parts)
            and unicodedata.is_normalized("NFC", name)
            and not INVISIBLE.search(name)
        )
        if not plain or len(name.encode("utf-8", "replace")) > MOST_NAME_BYTES:
            wanted = "a relative name of visible characters, without `..`"
            raise self._refused("", "a name that no member of a bundle has", ascii(one.orig_filename), wanted)

    def _check_kind(self, one: zipfile.ZipInfo) -> None:
        kind = stat.S_IFMT(one.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise self._refused(one.filename, "a member that is no plain file", oct(kind), "a plain file")
        if one.flag_bits & _LOCKED:
            raise self._refused(one.filename, "a member that is encrypted", "encrypted", "not encrypted")
        if one.compress_type not in _WAYS:
            got = f"type {one.compress_type}"
            raise self._refused(one.filename, "a member that is neither stored nor deflated", got, "stored or deflated")
        if one.file_size > ALWAYS_BYTES + MOST_RATIO * one.compress_size:
            got = f"{one.file_size:,} bytes from {one.compress_size:,}"
            wanted = f"{MOST_RATIO} times as many at most"
            raise self._refused(one.filename, "a member that says it is larger than it can be", got, wanted)

    def _refused(self, name: str, what: str, got: str, wanted: str) -> InputError:
        where = f"{self.path}, {name}" if name else str(self.path)
        return InputError(what, where=where, got=got, wanted=wanted, fix="do not trust whoever made it")


__all__ = ["UNREADABLE", "Archive"]
