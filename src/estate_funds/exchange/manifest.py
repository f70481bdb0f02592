"""The manifest of a bundle: what it holds, with length and digest, and what whoever opens it must know.

docs/reference/seal.md says what each key means. A later version reads what this one wrote; an older one refuses a
format that it does not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic import Field as Key

from estate_funds.errors import InputError
from estate_funds.policy import Node, as_tuple

MANIFEST = "manifest.json"
FORMAT = "estate_funds bundle 2"  # one without a manifest is of format 1: the journal alone
Hex = Annotated[str, Key(pattern="^[0-9a-f]{64}$")]
Digest = Annotated[str, Key(pattern="^sha256:[0-9a-f]{64}$")]
Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]


class Seal(Node):
    """Length, in bytes, and SHA-256 of a member."""

    bytes: Annotated[int, Key(ge=0)]
    sha256: Hex


class CaseSeal(Node):
    """The case within: digests of its register and documents, and which member holds which document it names.

    `files` are the digests of the tables as the register counted them, which differ from those of the members where
    names are hashed.
    """

    id: str
    registry: Digest
    policies: dict[str, Digest]
    documents: dict[str, str]
    files: dict[str, Hex]


class Pseudonyms(Node):
    """Whether households and owners are named by hashes, how many are, and how many the journal names anyway."""

    hashed: bool
    names: Annotated[int, Key(ge=0)] = 0
    named_by_journal: Annotated[int, Key(ge=0)] = 0
    hidden_facts: Names = ()


class Manifest(Node):
    """What a bundle says of itself. `as_of` is the day on which it was made, by which an audit judges what is due."""

    format: Literal["estate_funds bundle 2"]
    versions: dict[str, str]
    origin: str
    as_of: Annotated[str, Key(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    documents_included: bool
    members: dict[str, Seal]
    case: CaseSeal
    pseudonyms: Pseudonyms


M = TypeVar("M", bound=BaseModel)


def read_model(model: type[M], data: Any, where: str) -> M:
    """Plain values as a model; InputError, with key, for what it is not."""
    try:
        return model.model_validate(data)
    except ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        got = None if isinstance(first.get("input"), dict | list) else repr(first.get("input"))
        raise InputError(
            "not the manifest of a bundle", where=f"{where}, {place}", got=got, wanted=first["msg"]
        ) from None


__all__ = ["FORMAT", "MANIFEST", "CaseSeal", "Manifest", "Pseudonyms", "Seal", "read_model"]
