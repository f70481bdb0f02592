"""The handbook of a document: every provision in words, every value with its history and clause, in two languages.

Values in, blocks out: `pages` writes them as Markdown (`policy handbook`) or for a terminal (`policy show`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from estate_funds.policy import Dated, Document, Limit, PayerSplit, Provision, Rate, Total, walk
from estate_funds.policy.fences import FundRule
from estate_funds.policy.values import Cited
from estate_funds.report import words
from estate_funds.report.freshness import ends, next_expiry
from estate_funds.report.pages import Block, Grid, Heading, Items, Quote
from estate_funds.report.review import settings_in
from estate_funds.report.words import conditions, name_of, names, number, span
from estate_funds.text import table

_KEPT = {
    "first": "只领一次，先者有效 once, the first stands, per",
    "highest": "就高不重复 the highest alone stands, per",
}
VERSIONS = ("什么 what", "值 value", "起止 from – until", "条款 clause")


def handbook(documents: Sequence[Document]) -> list[Block]:
    """One book of several documents, with a list of them before the first."""
    front: list[Block] = [
        Heading(1, "文件手册 Handbook of documents"),
        "由文件数据生成；金额以元计，止日不含当日。 Generated from the documents as data. Amounts are in yuan; "
        "`until` is the first day no longer in force; what a case has not set stands at its default or example.",
        Grid(
            ("文号 number", "标题 title", "发文机关 issuer", "有效期 in force"),
            tuple((d.number, d.title, d.issuer, span(d.start, d.until)) for d in documents),
        ),
    ]
    return front + [block for document in documents for block in chapter(document)]


def chapter(document: Document) -> list[Block]:
    """One document from its head to its clauses."""
    parts: list[tuple[str, Iterable[Block]]] = [
        ("条件 Who may take part", _requirements(document)),
        ("支付 What is owed", (b for name, p in document.provisions.items() for b in _provision(document, name, p))),
        ("上限 Ceilings, and what is claimed once", _ceilings(document)),
        ("资金 Funds and fences", _funds(document)),
        ("期限 Deadlines, stages and rhythms", _deadlines(document)),
        ("事实 Facts", _facts(document)),
        ("设定 Settings, and their defaults", _settings(document)),
        ("推定 Assumptions", [Items(tuple(f"{a.text} {_at(a)}" for a in document.assumptions))]),
        ("不计算 What nobody can compute", [Items(tuple(f"{u.text} {_at(u)}" for u in document.uncomputed))]),
        ("时效 Freshness", _freshness(document)),
        ("条文 Clauses", [Quote(clause, text) for clause, text in document.clauses.items()]),
    ]
    blocks: list[Block] = [Heading(2, f"{document.number} {document.title}"), _head(document)]
    for title, found in parts:
        if body := [block for block in found if not isinstance(block, Items | Grid) or _filled(block)]:
            blocks += [Heading(3, title), *body]
    return blocks


def _filled(block: Items | Grid) -> bool:
    return bool(block.points if isinstance(block, Items) else block.rows)


def _at(node: Cited) -> str:
    """The clause, and the rules that it answers."""
    return f"[{node.clause}]" + (f" ({', '.join(node.rules)})" if node.rules else "")


def _head(document: Document) -> Items:
    over = [f"优先于 stands over: {names(document.over)}"] if document.over else []
    area = document.territory
    territory = [f"适用地域 territory: {name_of(area.level)} {'、'.join(area.names)} {_at(area)}"] if area else []
    return Items(
        (
            f"标识 id: `{document.id}`",
            f"发文机关 issuer: {document.issuer}",
            f"有效期 in force: {span(document.start, document.until)} [{document.clause}]",
            *over,
            *territory,
        )
    )


def _conditions(document: Document, provision: str) -> Iterator[str]:
    """The requirements that name a provision; those that hold for all, for the name ""."""
    for rule, told in zip(document.requirements, document.written.get("requirements", []), strict=True):
        if provision in (rule.provisions or ("",)):
            said = f"{words.condition(rule)}{_within(document, told)}"
            yield f"条件 condition: {said}：{words.OTHERWISE[rule.otherwise]} {_at(rule)}"


def _requirements(document: Document) -> Iterator[Block]:
    points = list(_conditions(document, ""))
    if document.boundary is not None:
        gate = document.boundary
        points.append(f"“门” the gate: 封闭式 closed `{gate.closed}`, 开放式 open `{gate.open}` {_at(gate)}")
    if document.acting_committee is not None:
        acting = document.acting_committee
        points.append(f"代行职责 an acting committee may: {names(acting.powers)} {_at(acting)}")
    if document.fees is not None:
        points.append(f"不得重复收取 a fee is collected once per {names(document.fees.once_per)} {_at(document.fees)}")
    yield Items(tuple(points))


def documents_text(documents: Sequence[Document], today: date) -> str:
    """The documents in a table: id, in force, provisions, when reviewed, what ends next, number, issuer."""
    header = ("id", "in force", "provisions", "reviewed on", "next to end", "number", "issuer")
    rows = [
        (
            d.id,
            f"{d.start} to {d.until or 'now'}",
            f"{len(d.provisions)}",
            str(d.reviewed_on or "—"),
            str(next_expiry(d, today) or "—"),
            d.number,
            d.issuer,
        )
        for d in documents
    ]
    return table([header, *rows], right=[2])


# --- what is owed ---


def _provision(document: Document, name: str, provision: Provision) -> Iterator[Block]:
    yield Heading(4, f"`{name}` {provision.title}")
    zh, en = words.sum_in_words(document, provision)
    yield f"{zh} {en}"
    own = [node.clause for _, node in walk(provision) if isinstance(node, Cited)]
    for clause in dict.fromkeys(own):
        yield Quote(clause, document.clauses[clause])
    places = settings_in(document.written["provisions"][name])
    dated = ("rate", "total", "payers", "caps", "floors")
    left_open = [f"`{p}`{_by_settings(document, [name])}" for p, name in places.items() if not p.startswith(dated)]
    yield Items((*_particulars(provision), *_conditions(document, name), *_gates(provision), *left_open))
    rows = [
        row
        for path, node in walk(provision)
        if isinstance(node, Dated)
        for row in _version(path, node, places, document)
    ]
    yield Grid(VERSIONS, tuple(rows))


def _particulars(p: Provision) -> Iterator[str]:
    """What does not change with time: whom, when, how rounded, which money."""
    yield f"依据 rests on: {_at(p)}"
    per = f"，每个 one claim for each {name_of(p.claim_per)}" if p.claim_per else ""
    if p.applies_to:
        yield f"只适用于 applies only to: {conditions(p.applies_to)}"
    pool = f"，总额属于 the total belongs to each {name_of(p.pool)}" if p.pool else ""
    yield f"对象 for each: {name_of(p.each)}{per}{pool}"
    yield f"周期 period: {words.PERIODS[p.claim_period]}；{words.ANCHORS[p.anchor]}"
    yield f"计数日 counted on: {words.COUNTED.get(p.counted_on, p.counted_on)}"
    yield f"首末月 first and last month: `{p.first_month}`, `{p.last_month}`"
    level = words.ROUNDING_LEVELS[p.rounding.level]
    yield f"取整 rounded: {level}, `{p.rounding.mode}`, {number(p.rounding.to)} 元 yuan"
    into = f" → `{p.pays_into}`" if p.pays_into else " → 账外支出 out of the books"
    payee = f"，收款 payee {name_of(p.payee)}" if p.payee else ""
    yield f"资金 money: `{p.pays_from}`{into}，用途 purpose `{p.purpose}`{payee}"
    if p.weights:
        yield f"权数 weights: {name_of(p.weights)}"
    for one in p.indicators:
        full = f"满分值 full marks at {number(one.full)}"
        yield f"指标 indicator: {name_of(one.fact)} {number(one.marks)} 分 marks, {full} {_at(one)}"


def _gates(p: Provision) -> Iterator[str]:
    if p.gate:
        passes, fails = names(p.gate.passes), names(p.gate.fails)
        yield f"把关 gate: {name_of(p.gate.fact)} 通过 passes {passes}，不通过 fails {fails} {_at(p.gate)}"
    if p.applications:
        a = p.applications
        yield f"申请 applications: `{a.fact}` {a.first} – {a.last} {_at(a)}"
    if p.notice:
        n = p.notice
        yield f"公示 notice: {n.days} 天 days from `{n.published_on}`, `{n.objection}` = 无异议 no {_at(n)}"
    if p.advance:
        a2 = p.advance
        of = f"`{a2.of}`" if a2.of else "应付额 what is claimed"
        each = f"，{words.PERIODS[a2.each]}" if a2.each else ""
        yield f"预拨 advance: 至多 at most {number(a2.at_most)} × {of}{each}；清算后多退少补 settled after {_at(a2)}"
    if p.pay_within:
        yield f"支付期限 paid within: {p.pay_within.days} 天 days {_at(p.pay_within)}"
    if p.claw_back:
        yield f"追缴 recovered only for: {names(p.claw_back.on)} {_at(p.claw_back)}"


def _version(path: str, node: Dated, places: dict[str, str], document: Document) -> Iterator[tuple[str, ...]]:
    """The rows of one version of one value; what a setting decides says so."""
    for key, what, value in _values(path.partition("[")[0], node):
        settings = [setting for place, setting in places.items() if place.startswith(f"{path}.{key}".rstrip("."))]
        yield what, value + _by_settings(document, settings), span(node.start, node.until), f"[{node.clause}]"


def _values(kind: str, node: Dated) -> Iterator[tuple[str, str, str]]:
    """(key, what, value) for each value that a version holds."""
    if isinstance(node, Rate):
        for key, what, text in words.rate_rows(node):
            yield key, f"标准 rate{f': {what}' if what else ''}", text
        if most := node.base_at_most:
            per = f" × `{most.per}`" if most.per else ""
            yield "base_at_most", f"计费基数上限 at most of `{node.unit.base}`", f"{number(most.value)}{per}"
    elif isinstance(node, Total):
        part = f" × {number(node.share)}" if node.share != 1 else ""
        yield "", "总额 total", (f"{number(node.value)} 元 yuan" if node.value is not None else f"`{node.of}`") + part
    elif isinstance(node, PayerSplit):
        yield "", "承担 who pays" + (f": {conditions(node.when)}" if node.when else ""), _payers(node)
    elif isinstance(node, Limit):
        times = "" if node.per == "each" else f" × {name_of(node.per)}"
        above = f"；超出部分由 what lies above: {name_of(node.excess_to)}" if node.excess_to else ""
        yield "", "上限 cap" if kind == "caps" else "下限 floor", f"{number(node.value)} 元 yuan{times}{above}"


def _payers(split: PayerSplit) -> str:
    first = f"先付 first `{split.first.of}`: {words.shares(split.first.shares)}；其余 the rest: " if split.first else ""
    odd = "尾差归 the odd fen to" if split.odd_fen == "largest_remainder" else "其余取整，余数归 the residue to"
    match_ = split.matching
    matched = (
        f"；按其已付配套 matched as paid by {name_of(match_.payer)} (`{match_.paid}`) {_at(match_)}" if match_ else ""
    )
    return f"{first}{words.shares(split.shares)}；{odd} {name_of(split.odd_fen_to)}{matched}"


def _by_settings(document: Document, found: Iterable[str]) -> str:
    """That the case decides a value, and whether a default or an example stands there until then."""
    said = []
    for name in dict.fromkeys(found):
        setting = document.settings[name]
        taken = "默认 default" if setting.default is not None else "示例 example" if setting.example is not None else ""
        said.append(f"设定 setting `{name}`" + (f"，{taken}" if taken else ""))
    return f"（{'；'.join(said)}）" if said else ""


def _within(document: Document, told: object) -> str:
    """The settings that decide something of a table as written."""
    return _by_settings(document, settings_in(told).values())


# --- fences, days, facts ---


def _ceilings(document: Document) -> Iterator[Block]:
    rows = []
    for rule, told in zip(document.ceilings, document.written.get("ceilings", []), strict=True):
        by = f" × {name_of(rule.by)}" if rule.by else ""
        value = f"{number(rule.value)} 元 yuan" if rule.value is not None else f"`{rule.fact}`"
        what = f"{names(rule.provisions)}: {words.PERIODS[rule.each]}{by}；{words.EXCESS[rule.excess]}"
        rows.append((what, value + _within(document, told), span(rule.start, rule.until), _at(rule)))
    yield Grid(VERSIONS, tuple(rows))
    once = (f"{names(o.provisions)}: {_KEPT[o.keep]} {', '.join(map(name_of, o.key))} {_at(o)}" for o in document.once)
    yield Items(tuple(once))


def _funds(document: Document) -> Iterator[Block]:
    for key, fund in document.funds.items():
        yield Heading(4, f"`{key}` {fund.title}")
        yield Items(tuple(_fund(fund)))
        rows = []
        for permit, told in zip(fund.permits, document.written["funds"][key]["permits"], strict=True):
            uses = names(name for name in permit.purposes if name != "unset") + _within(document, told)
            into = f" → `{permit.into}`" if permit.into else ""
            needs = names(permit.requires) or "–"
            row = (uses, f"{names(permit.payee_classes)}{into}", needs, span(permit.start, permit.until), _at(permit))
            rows.append(row)
        yield Grid(("用途 purposes", "收款 payees", "凭证 evidence", "起止 from – until", "条款 clause"), tuple(rows))
    incomes = [f"{names(i.sources)} → `{i.into}` {_at(i)}" for i in document.incomes]
    transfers = [
        f"{t.title}: `{t.fund}` {name_of(t.giver)} → `{t.into or t.fund}` {name_of(t.taker)}, `{t.purpose}` {_at(t)}"
        for t in document.transfers.values()
    ]
    parties = [f"{name_of(key)}: {party.name} {_at(party)}" for key, party in document.parties.items()]
    for title, points in (
        ("收入 Incomes", incomes),
        ("划转 Transfers", transfers),
        ("账外付款人 Payers outside", parties),
    ):
        if points:
            yield Heading(4, title)
            yield Items(tuple(points))


def _fund(fund: FundRule) -> Iterator[str]:
    yield f"依据 rests on: {_at(fund)}"
    yield f"持有 held by: {', '.join(map(name_of, fund.held_by))}"
    left = "结转 carried forward" if fund.carry_forward else "年末失效 lapses"
    if fund.surplus_after_years:
        years = fund.surplus_after_years
        left += f"，结转满{years}年未用的转为结余 and surplus when unused for {years} years"
    yield f"年末余额 what is left at year end: {left}，`{fund.provenance}`"
    if fund.held_for_others:
        yield "代收款，是负债 held for others: a liability until it is paid on"
    if fund.inside_gate:
        yield "只用于“门”内 only for work inside the gate"


def _deadlines(document: Document) -> Iterator[Block]:
    points = []
    for name, rule in document.deadlines.items():
        length = f"{rule.months} 个月 months" if rule.months else f"{rule.days} 天 days"
        length += _within(document, document.written["deadlines"][name])
        points.append(f"{rule.text} `{rule.after}` + {length} → `{rule.done}` ({name_of(rule.of)}) {_at(rule)}")
    for order in document.orders.values():
        points.append(f"{order.text} `{order.first}` ≤ `{order.then}` ({name_of(order.of)}) {_at(order)}")
    points += [f"{stage.title}: {span(stage.start, stage.until)} {_at(stage)}" for stage in document.stages]
    for rhythm in document.rhythms.values():
        day = f", {rhythm.weekday}" if rhythm.weekday else ""
        points.append(f"{rhythm.text} {words.PERIODS[rhythm.every]}{day} {_at(rhythm)}")
    yield Items(tuple(points))


def _facts(document: Document) -> Iterator[Block]:
    rows = []
    for name, rule in document.facts.items():
        kind = names(rule.values) if rule.values else f"`{rule.type}`"
        each = "，每期 each period" if rule.each_period else ""
        rows.append((f"`{name}`", rule.text, f"{kind} / {name_of(rule.of)}{each}", _at(rule)))
    for name, made in document.derived.items():
        rows.append(
            (
                f"`{name}`",
                made.text,
                words.derivation(made) + _within(document, document.written["derived"][name]),
                _at(made),
            )
        )
    yield Grid(("名 name", "含义 meaning", "类型或算法 type, or how it is derived", "条款 clause"), tuple(rows))
    kinds = (
        f"`{n}`: {k.text}{f' ({name_of(k.part_of)})' if k.part_of else ''} {_at(k)}" for n, k in document.kinds.items()
    )
    yield Items(tuple(kinds))


def _settings(document: Document) -> Iterator[Block]:
    rows = []
    for name, setting in document.settings.items():
        if setting.default is not None:
            value = f"{_plainly(setting.default)}（默认，推定 default, an assumption）"
        else:
            example = f"；示例 example {_plainly(setting.example)}" if setting.example is not None else ""
            value = f"须由个案设定 the case must set it{example}"
        rows.append((f"`{name}`", value, setting.text, _at(setting)))
    yield Grid(("名 name", "值 value", "含义 meaning", "条款 clause"), tuple(rows))


def _plainly(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _freshness(document: Document) -> Iterator[Block]:
    reviewed = document.reviewed_on or "未记录 not recorded"
    found = [f"{e.path}: 止于 not in force from {e.until} on [{e.clause}]" for e in ends(document)]
    yield Items((f"最近核对 last held to its text: {reviewed}", *(found or ["没有将失效的值 no value that ends"])))
