"""A Sankey picture as SVG, drawn from whole numbers alone: the same ways give the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from estate_funds.money import format_yuan
from estate_funds.provenance.ways import BACK, LEFT, SOURCE, USE, Link, Node, Ways
from estate_funds.text import width

WORDS = {
    "en": {"left": "left in {}", "back": "again: {}", "rest": "{} others", "many": "{} ({} funds)", "none": "no money"},
    "zh": {"left": "结存于 {}", "back": "回流：{}", "rest": "其余 {} 项", "many": "{}（{} 个基金）", "none": "无资金"},
}
COLORS = {SOURCE: "#2f5d8a", "fund": "#4b7f52", USE: "#8a5a2b", LEFT: "#8c8c8c", BACK: "#a33b3b"}
_COLUMN, _BAR, _GAP, _TOP = 300, 14, 26, 46  # pixels: from column to column, of a bar, between bars, above them
_FONT = "'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC',sans-serif"


@dataclass(slots=True)
class _Box:
    """Where a place is drawn."""

    column: int
    top: int = 0
    height: int = 0
    came: int = 0  # how much of its height is taken, on each side
    went: int = 0


def node_label(node: Node, locale: str = "en") -> str:
    """What a place is called.

    >>> node_label(Node("left", "share/community/院一")), node_label(Node("use", "", many=7), "zh")
    ('left in share/community/院一', '其余 7 项')
    """
    words = WORDS[locale]
    if not node.name:
        return words["rest"].format(node.many)
    name = words["many"].format(node.name, node.many) if node.many > 1 else node.name
    return words[node.kind].format(name) if node.kind in (LEFT, BACK) else name


def sankey_svg(ways: Ways, title: str, *, locale: str = "en", height: int = 520) -> str:
    """The picture of ways as an SVG document; amounts in yuan. Text from data is escaped, and nothing is fetched.

    `height` in pixels is that of the highest column without its gaps.
    """
    boxes = _placed(ways, height)
    wide = _COLUMN * (1 + max((box.column for box in boxes.values()), default=0)) + 40
    tall = max((box.top + box.height for box in boxes.values()), default=_TOP) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {tall}" width="{wide}" height="{tall}" role="img"'
        f' font-family="{_FONT}" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{wide}" height="{tall}" fill="#ffffff"/>',
        f'<text x="20" y="24" font-size="15" fill="#222222">{escape(title)}</text>',
    ]
    if not boxes:
        parts.append(f'<text x="20" y="{_TOP}" fill="#222222">{WORDS[locale]["none"]}</text>')
    unit = _unit(ways, boxes, height)
    parts += [_link(link, boxes, unit, locale) for link in ways.links]
    parts += [_node(node, box, ways, locale) for node, box in boxes.items()]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _placed(ways: Ways, height: int) -> dict[Node, _Box]:
    """Every place in its column: one right of all that give to it; what is an end stands in the last column."""
    columns = _columns(ways)
    boxes = {node: _Box(column) for node, column in columns.items()}
    unit = _unit(ways, boxes, height)
    center: dict[Node, int] = {}
    for column in range(max(columns.values(), default=-1) + 1):
        members = [node for node in columns if columns[node] == column]
        givers = {node: [link for link in ways.links if link.taker == node] for node in members}

        def middle(node: Node, givers: Mapping[Node, list[Link]] = givers) -> int:
            fen = sum(link.fen for link in givers[node])
            return sum(center[link.giver] * link.fen for link in givers[node]) // fen if fen else 0

        top = _TOP
        for node in sorted(members, key=lambda n: (middle(n), -ways.out_of(n), n)):
            box = boxes[node]
            box.top, box.height = top, _height(max(ways.into(node), ways.out_of(node)), unit)
            center[node] = top + box.height // 2
            top += box.height + _GAP
    return boxes


def _columns(ways: Ways) -> dict[Node, int]:
    columns = dict.fromkeys(ways.nodes, 0)
    for _ in columns:  # at most as often as the longest way has places
        moved = False
        for link in ways.links:
            if columns[link.taker] <= columns[link.giver]:
                columns[link.taker], moved = columns[link.giver] + 1, True
        if not moved:
            break
    gives = {link.giver for link in ways.links}
    last = max(columns.values(), default=0)
    return {node: column if node in gives else last for node, column in columns.items()}


def _unit(ways: Ways, boxes: Mapping[Node, _Box], height: int) -> tuple[int, int]:
    """(pixels, fen): a fen is so many pixels high as the fullest column allows."""
    full: dict[int, int] = {}
    for node, box in boxes.items():
        full[box.column] = full.get(box.column, 0) + max(ways.into(node), ways.out_of(node))
    return height, max(full.values(), default=1)


def _height(fen: int, unit: tuple[int, int]) -> int:
    return max(1, fen * unit[0] // unit[1])


def _link(link: Link, boxes: Mapping[Node, _Box], unit: tuple[int, int], locale: str) -> str:
    giver, taker, thick = boxes[link.giver], boxes[link.taker], _height(link.fen, unit)
    x1, x2 = 20 + giver.column * _COLUMN + _BAR, 20 + taker.column * _COLUMN
    y1, y2 = giver.top + giver.went + thick // 2, taker.top + taker.came + thick // 2
    giver.went += thick
    taker.came += thick
    half = (x1 + x2) // 2
    said = f"{node_label(link.giver, locale)} → {node_label(link.taker, locale)}: {format_yuan(link.fen)}"
    return (
        f'<path d="M{x1},{y1} C{half},{y1} {half},{y2} {x2},{y2}" fill="none" stroke="{COLORS[link.giver.kind]}"'
        f' stroke-opacity="0.28" stroke-width="{thick}"><title>{escape(said)}</title></path>'
    )


def _node(node: Node, box: _Box, ways: Ways, locale: str) -> str:
    x, fen = 20 + box.column * _COLUMN, max(ways.into(node), ways.out_of(node))
    label, amount = node_label(node, locale), format_yuan(fen)
    parts = node.name.split("/", 2)  # whose fund it is comes first, as it is what tells two apart
    shown = node_label(node._replace(name=f"{parts[2]} · {parts[0]}"), locale) if len(parts) > 2 else label
    while width(shown) > 36:
        shown = shown[:-2] + "…"
    return (
        f'<rect x="{x}" y="{box.top}" width="{_BAR}" height="{box.height}" fill="{COLORS[node.kind]}">'
        f"<title>{escape(f'{label}: {amount}')}</title></rect>"
        f'<text x="{x + _BAR + 5}" y="{box.top + 11}" fill="#222222">{escape(shown)}</text>'
        f'<text x="{x + _BAR + 5}" y="{box.top + 24}" fill="#555555">{amount}</text>'
    )


__all__ = ["node_label", "sankey_svg"]
