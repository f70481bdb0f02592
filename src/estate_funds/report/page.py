"""The auditor's page: one HTML file in Chinese and English that needs no network and can fetch nothing.

The template, style, script and charting library are files under report/assets, joined here. What comes from data stands
in one block of JSON, whose text cannot end it, and the script puts it in as text, never as markup. A policy within the
page (Content-Security-Policy) lets it run these very scripts, by their digests, and load nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from html import escape
from importlib import resources
from typing import Any

from estate_funds.errors import InvariantBroken
from estate_funds.report.page_data import PageMatter, page_data
from estate_funds.report.page_words import ACCOUNTS, KINDS, WORDS

_UNSAFE = "<>&\u2028\u2029"  # what could end the block of JSON, or be read as something else in it


def page(about: PageMatter) -> str:
    """The page as HTML. The same matter gives the same bytes."""
    library = library_facts()
    data = page_data(about) | {"words": WORDS, "kinds": KINDS, "accounts": ACCOUNTS}
    data["receipt"] |= {"library": f"{library['name']} {library['version']}", "library_sha256": library["sha256"]}
    data["receipt"]["data_sha256"] = hashlib.sha256(_json(data).encode("utf-8")).hexdigest()
    style, script, charts = asset("page.css"), asset("page.js"), asset(library["file"])
    for name, text in (("page.css", style), ("page.js", script), (library["file"], charts)):
        if any(mark in text.lower() for mark in ("</script", "</style", "<!--")):
            raise InvariantBroken(f"{name} would end its own element")
    allowed = " ".join(f"'sha256-{_digest(text)}'" for text in (charts, script))
    parts = {
        "policy": (
            f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; connect-src 'none'; "
            "img-src 'none'; font-src 'none'; base-uri 'none'; form-action 'none'"
        ),
        "title": escape(f"{WORDS['title'][0]} {WORDS['title'][1]} · {about.origin}"),
        "style": style,
        "data": _json(data),
        "charts": charts,
        "script": script,
    }
    made, template = [], asset("page.html")
    for number, piece in enumerate(template.split("@@")):  # text, name, text, name, ..., text
        made.append(parts[piece] if number % 2 else piece)
    return "".join(made)


def _json(data: dict[str, Any]) -> str:
    """JSON that can stand in a script element: what could end it is written by its number."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for unsafe in _UNSAFE:  # by far faster than one translation
        text = text.replace(unsafe, f"\\u{ord(unsafe):04x}")
    return text


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


@lru_cache(maxsize=8)
def asset(name: str) -> str:
    """A file of report/assets as text."""
    return resources.files("estate_funds.report").joinpath("assets", name).read_text(encoding="utf-8")


def library_facts() -> dict[str, Any]:
    """Name, version, file, sha256 and licence of the charting library that is bundled in."""
    facts: dict[str, Any] = json.loads(asset("echarts.json"))
    return facts


__all__ = ["PageMatter", "asset", "library_facts", "page"]
