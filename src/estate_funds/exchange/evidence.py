"""The evidence columns of a case: which documents a row rests on, and which file stands for which digest."""

from __future__ import annotations

import re
from pathlib import Path

from estate_funds.errors import CellError
from estate_funds.exchange.folder import Directory, Folder
from estate_funds.journal import Evidence

_BY_DIGEST = re.compile("sha256:([0-9a-f]{64})")


class EvidenceFiles:
    """Reads evidence lists of one case; each file is hashed once, however many rows name it.

    `files` says which file stands for which digest; of two files with the same bytes, the first that was named.
    """

    def __init__(self, folder: Folder | Path) -> None:
        self.folder: Folder = Directory(folder) if isinstance(folder, Path) else folder
        self.files: dict[str, Path] = {}
        self._lists: dict[str, tuple[Evidence, ...]] = {}
        self.places: dict[str, str] = {}  # the digest of each file, by how the rows name it

    def read(self, text: str, where: str) -> tuple[Evidence, ...]:
        """The documents of a list `kind:file; kind:sha256:digest`, in its order; `where` is its place, for messages.

        Raises CellError for an item that is neither, a file that is not in the case folder, cannot be read or is empty.
        """
        if text not in self._lists:
            items = filter(None, (part.strip() for part in text.split(";")))
            self._lists[text] = tuple(self._item(item, where) for item in items)
        return self._lists[text]

    def _item(self, item: str, where: str) -> Evidence:
        kind, _, place = item.partition(":")
        if kind and (found := _BY_DIGEST.fullmatch(place)):
            return Evidence(kind, found[1])
        if not kind or not place:
            raise _refused("neither a file nor a digest", item, where)
        if place not in self.places:
            self.places[place] = self._hashed(place, item, where)
        return Evidence(kind, self.places[place])

    def _hashed(self, place: str, item: str, where: str) -> str:
        try:
            digest, path = self.folder.paper(place)
        except CellError as error:
            raise _refused(error.what, item, where) from None
        if path is not None:
            self.files.setdefault(digest, path)
        return digest


def _refused(what: str, item: str, where: str) -> CellError:
    wanted = "kind:file inside the folder of the case, or kind:sha256: and 64 digits of the digest"
    return CellError(what, where=where, got=repr(item), wanted=wanted)
