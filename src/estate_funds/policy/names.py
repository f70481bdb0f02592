"""Names that must lead somewhere: clauses, funds, facts, kinds, payers. Pydantic checks shapes; this checks meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from estate_funds.errors import nearest
from estate_funds.policy.facts import BUILT_IN, NUMBERS, Bounds, kind_of
from estate_funds.policy.language import Document
from estate_funds.policy.sums import Provision
from estate_funds.policy.values import LEVELS, Cited

Problem = tuple[str, object, str, str]  # key path, got, wanted, what to do


def check_names(document: Document) -> Iterator[Problem]:
    """Every name of a document that points nowhere, or to something of another kind."""
    for path, node in walk(document, ""):
        if isinstance(node, Cited | Document) and node.clause not in document.clauses:
            place = f"{path}.clause".lstrip(".")
            yield place, node.clause, "a key of [clauses]", nearest(node.clause, document.clauses)
        if isinstance(node, Bounds):
            yield from _bounds(document, path, node)
    yield from _funds(document)
    yield from _kinds(document)
    yield from _cycles(document)
    for name, provision in document.provisions.items():
        yield from _payers(document, name, provision)
        yield from _facts(document, name, provision)
    yield from _lists(document)


def _bounds(document: Document, path: str, bounds: Bounds) -> Iterator[Problem]:
    for key, fact in (("fact", bounds.fact), ("of", bounds.of)):
        if fact is None:
            continue
        found = document.fact_type(fact)
        if found is None:
            yield f"{path}.{key}", fact, "a fact", nearest(fact, _fact_names(document))
            continue
        if kind_of(found) != bounds.kind:
            yield f"{path}.{key}", fact, f"a fact that is a {bounds.kind}; this is {found}", ""
    rule = document.facts.get(bounds.fact)
    allowed = {"yes_no": ("yes", "no"), "choice": rule.values if rule else ()}.get(rule.type if rule else "", ())
    if bounds.fact in document.derived:
        derived = document.derived[bounds.fact]
        allowed = tuple(c.is_ for c in derived.classes) or ("yes", "no")
    for choice in bounds.is_ or ():
        if allowed and choice not in allowed:
            yield f"{path}.is", choice, f"one of {', '.join(allowed)}", nearest(choice, allowed)


def _fact_names(document: Document) -> list[str]:
    return [*document.facts, *document.derived, *BUILT_IN]


def _funds(document: Document) -> Iterator[Problem]:
    """Funds that are named and not there; levels and holders that no estate, or no fund, has."""
    pointers = [(f"provisions.{n}.pays_from", p.pays_from) for n, p in document.provisions.items()]
    pointers += [(f"provisions.{n}.pays_into", p.pays_into) for n, p in document.provisions.items() if p.pays_into]
    pointers += [(f"transfers.{n}.fund", t.fund) for n, t in document.transfers.items()]
    pointers += [(f"transfers.{n}.into", t.into) for n, t in document.transfers.items() if t.into]
    pointers += [(f"incomes[{i}].into", income.into) for i, income in enumerate(document.incomes)]
    pointers += [
        (f"funds.{name}.permits[{number}].into", permit.into)
        for name, rule in document.funds.items()
        for number, permit in enumerate(rule.permits)
        if permit.into
    ]
    for path, fund in pointers:
        if fund not in document.funds:
            yield path, fund, "a key of [funds]", nearest(fund, document.funds)
    for index, income in enumerate(document.incomes):
        level = document.funds[income.into].held_by[0] if income.into in document.funds else LEVELS[0]
        if level not in (*LEVELS, *document.kinds, "household"):
            wanted = f"a fund held by one of {', '.join(LEVELS)}, by a kind, or by household"
            yield f"incomes[{index}].into", f"held by {level}", wanted, ""
    for name, transfer in document.transfers.items():
        for role, holder, key in (
            ("giver", transfer.giver, transfer.fund),
            ("taker", transfer.taker, transfer.into or transfer.fund),
        ):
            held = document.funds[key].held_by if key in document.funds else ()
            if held and holder not in held:
                yield f"transfers.{name}.{role}", holder, f"a holder of {key}", nearest(holder, held)


def _payers(document: Document, name: str, provision: Provision) -> Iterator[Problem]:
    """Everybody who pays holds the paying fund, or stands outside the books; a permit exists; the payee is somebody."""
    source = document.funds.get(provision.pays_from)
    held = source.held_by if source else ()
    outside = {*document.parties, *(n for n, rule in document.facts.items() if rule.type == "text")}
    payers = dict.fromkeys(p for split in provision.payers for p in split.payers)
    payers |= dict.fromkeys(limit.excess_to for limit in provision.caps if limit.excess_to)
    for payer in payers:
        if held and payer not in held and payer not in outside:
            wanted = f"a holder of {provision.pays_from}, a key of [parties], or a fact that is a text"
            yield f"provisions.{name}.payers", payer, wanted, nearest(payer, [*held, *outside])
        elif payer in held and not _is_somebody(document, provision, payer):
            wanted = f"one of {', '.join(LEVELS)}, the kind paid for, a party, or a fact that is a text"
            yield f"provisions.{name}.payers", payer, wanted, nearest(payer, LEVELS)
    purposes = {p for permit in (source.permits if source else ()) for p in permit.purposes}
    by_setting = any(path.startswith(f"funds.{provision.pays_from}.") for p in document._uses.values() for path in p)
    booked = not {*payers}.isdisjoint(held)  # who pays elsewhere needs no permit
    if booked and purposes and not by_setting and purposes != {"unset"} and provision.purpose not in purposes:
        wanted = f"a purpose that {provision.pays_from} permits"
        yield f"provisions.{name}.purpose", provision.purpose, wanted, nearest(provision.purpose, purposes)
    taker = document.funds.get(provision.pays_into) if provision.pays_into else None
    payee = provision.payee or (taker.held_by[0] if taker else "")
    if taker and payee not in taker.held_by and provision.payee != "subject":
        yield f"provisions.{name}.payee", payee, f"a holder of {provision.pays_into}", nearest(payee, taker.held_by)
    elif payee and not _is_somebody(document, provision, payee):
        path = f"provisions.{name}.{'payee' if provision.payee else 'pays_into'}"
        got = payee if provision.payee else f"held by {payee}"
        yield path, got, f"a fund held by one of {', '.join(LEVELS)}, or by the kind, party or fact that is paid", ""


def _is_somebody(document: Document, provision: Provision, role: str) -> bool:
    """Whether a unit, a party or a name can be found for a role."""
    kinds = {provision.each, provision.claim_per, "subject", *LEVELS}
    fact = document.facts.get(role)
    return role in kinds or role in document.parties or (fact is not None and fact.type == "text")


def _facts(document: Document, name: str, provision: Provision) -> Iterator[Problem]:
    """Facts that a provision names: there, of the right type, and of something that its subject belongs to."""
    numbers = [(f"rate[{i}].unit", r.unit.base) for i, r in enumerate(provision.rate)]
    numbers += [
        (f"rate[{i}].base_at_most.per", r.base_at_most.per)
        for i, r in enumerate(provision.rate)
        if r.base_at_most and r.base_at_most.per
    ]
    numbers += [("weights", provision.weights)] if provision.weights else []
    numbers += [(f"indicators[{i}].fact", x.fact) for i, x in enumerate(provision.indicators)]
    numbers += [(f"caps[{i}].per", x.per) for i, x in enumerate(provision.caps)]
    numbers += [(f"floors[{i}].per", x.per) for i, x in enumerate(provision.floors)]
    numbers += [(f"total[{i}].of", t.of) for i, t in enumerate(provision.total) if t.of]
    numbers += [(f"payers[{i}].first.of", s.first.of) for i, s in enumerate(provision.payers) if s.first]
    numbers += [(f"payers[{i}].matching.paid", s.matching.paid) for i, s in enumerate(provision.payers) if s.matching]
    if provision.advance:
        named = [("advance.asked", provision.advance.asked), ("advance.of", provision.advance.of)]
        numbers += [(path, fact) for path, fact in named if fact]
    wanted = [(path, fact, "a number") for path, fact in numbers]
    if provision.applications:
        wanted.append(("applications.fact", provision.applications.fact, "a date"))
    if provision.notice:
        wanted.append(("notice.published_on", provision.notice.published_on, "a date"))
        wanted.append(("notice.objection", provision.notice.objection, "a choice"))
    if provision.gate and provision.gate.fact != "assessment":
        wanted.append(("gate.fact", provision.gate.fact, "a choice"))
    for path, fact, kind in wanted:
        found = document.fact_type(fact)
        if found is None:
            yield f"provisions.{name}.{path}", fact, "a fact", nearest(fact, _fact_names(document))
        elif kind != f"a {kind_of(found)}":
            yield f"provisions.{name}.{path}", fact, f"a fact that is {kind}; this is {found}", ""
    yield from _reachable(document, name, provision, [fact for _, fact, _ in wanted])
    yield from _own(document, name, provision)
    for i, rate in enumerate(provision.rate):
        if rate.unit.is_share and document.fact_type(rate.unit.base) not in ("yuan", "number", None):
            found = document.fact_type(rate.unit.base)
            yield f"provisions.{name}.rate[{i}].unit", rate.unit.base, f"a fact in yuan; this is {found}", ""
    if provision.claim_period == "once":
        for fact in document.behind([f for _, f, _ in wanted]):
            if fact in document.facts and document.facts[fact].each_period:
                place = f"provisions.{name}"
                yield place, fact, "a fact without each_period: what is claimed once has no period", ""


def _own(document: Document, name: str, provision: Provision) -> Iterator[Problem]:
    """What is used up by a claim must be the claim's own: a street's amount would be used once for every estate."""
    own = [("first.of", s.first.of) for s in provision.payers if s.first]
    own += [("matching.paid", s.matching.paid) for s in provision.payers if s.matching]
    for key, fact in own:
        rule = document.facts.get(fact)
        if rule is not None and rule.of != provision.each:
            wanted = f"a fact of each {provision.each}; {fact} is one of {rule.of}, and would count for all"
            yield f"provisions.{name}.payers.{key}", fact, wanted, ""


def _reachable(document: Document, name: str, provision: Provision, facts: Iterable[str]) -> Iterator[Problem]:
    conditions = [b for tier in provision.rate for t in tier.tiers for b in t.when]
    conditions += [b for split in provision.payers for b in split.when]
    conditions += provision.applies_to
    used = [*facts, *(b.fact for b in conditions), *(b.of for b in conditions if b.of)]
    above = {*document.kinds_above(provision.each), provision.pool}
    for fact in document.behind(used):
        rule = document.facts.get(fact)
        if rule is not None and rule.of not in above:
            wanted = f"a fact of {', '.join(k for k in above if k)}; {fact} is one of {rule.of}"
            yield f"provisions.{name}", fact, wanted, ""


def _kinds(document: Document) -> Iterator[Problem]:
    """Kinds of subjects that are named and not declared."""
    known = {*document.kinds, *LEVELS, "household"}
    pointers = [(f"provisions.{n}.each", p.each) for n, p in document.provisions.items()]
    pointers += [(f"provisions.{n}.claim_per", p.claim_per) for n, p in document.provisions.items() if p.claim_per]
    pointers += [(f"provisions.{n}.pool", p.pool) for n, p in document.provisions.items() if p.pool]
    pointers += [(f"facts.{n}.of", rule.of) for n, rule in document.facts.items()]
    pointers += [(f"kinds.{n}.part_of", rule.part_of) for n, rule in document.kinds.items() if rule.part_of]
    pointers += [(f"deadlines.{n}.of", rule.of) for n, rule in document.deadlines.items()]
    pointers += [(f"orders.{n}.of", rule.of) for n, rule in document.orders.items()]
    pointers += [(f"ceilings[{i}].by", rule.by) for i, rule in enumerate(document.ceilings) if rule.by]
    pointers += [(f"derived.{n}.within", rule.within) for n, rule in document.derived.items() if rule.within]
    pointers += [(f"derived.{n}.sum_over.kind", r.sum_over.kind) for n, r in document.derived.items() if r.sum_over]
    for path, kind in pointers:
        if kind not in known:
            yield path, kind, "a key of [kinds], a level, or household", nearest(kind, known)
    for name, provision in document.provisions.items():
        above = document.kinds_above(provision.each)
        for key in ("claim_per", "pool"):
            kind = getattr(provision, key)
            if kind and kind in known and kind not in above:
                yield f"provisions.{name}.{key}", kind, f"something that holds a {provision.each}", ""
    for name in sorted({*document.facts} & {*document.derived} | {*document.facts, *document.derived} & {*BUILT_IN}):
        yield f"facts.{name}", name, "another name: it is derived, or known of every estate", ""


def _cycles(document: Document) -> Iterator[Problem]:
    for name, rule in document.derived.items():
        for fact in rule.inputs:
            found = document.fact_type(fact)
            if found is None:
                yield f"derived.{name}.{rule.way}", fact, "a fact", nearest(fact, _fact_names(document))
            elif rule.wants and rule.wants != kind_of(found):
                yield f"derived.{name}.{rule.way}", fact, f"a fact that is a {rule.wants}; this is {found}", ""
        if rule.previous in BUILT_IN:
            yield (
                f"derived.{name}.previous",
                rule.previous,
                "a fact with each_period: what the register knows has none",
                "",
            )
        if rule.sum_over is not None and document.fact_type(rule.sum_over.fact) not in NUMBERS:
            place, fact = f"derived.{name}.sum_over.fact", rule.sum_over.fact
            yield place, fact, "a fact that is a number", nearest(fact, _fact_names(document))
        if name in document.behind(rule.inputs):
            yield f"derived.{name}", name, "a fact that is not derived from itself", ""


def _lists(document: Document) -> Iterator[Problem]:
    """Lists of provisions, and dated facts of deadlines; each source of income once."""
    lists = [(f"requirements[{i}].provisions", r.provisions) for i, r in enumerate(document.requirements)]
    lists += [(f"ceilings[{i}].provisions", c.provisions) for i, c in enumerate(document.ceilings)]
    lists += [(f"once[{i}].provisions", o.provisions) for i, o in enumerate(document.once)]
    for path, names in lists:
        for name in names:
            if "/" not in name and name not in document.provisions:
                yield path, name, "a key of [provisions]", nearest(name, document.provisions)
    for i, once in enumerate(document.once):
        for key in once.key:
            if key not in ("subject", "period", *LEVELS) and document.fact_type(key) is None:
                yield f"once[{i}].key", key, "subject, period, a level, or a fact", nearest(key, _fact_names(document))
    for i, ceiling in enumerate(document.ceilings):
        if ceiling.fact is not None and document.fact_type(ceiling.fact) not in NUMBERS:
            yield f"ceilings[{i}].fact", ceiling.fact, "a fact that is a number", nearest(ceiling.fact, document.facts)
    for name, rule in document.deadlines.items():
        for key, fact in (("after", rule.after), ("done", rule.done)):
            if document.fact_type(fact) != "date":
                yield f"deadlines.{name}.{key}", fact, "a fact that is a date", nearest(fact, _fact_names(document))
    for name, order in document.orders.items():
        for key, fact in (("first", order.first), ("then", order.then)):
            if document.fact_type(fact) is None:
                yield f"orders.{name}.{key}", fact, "a fact", nearest(fact, _fact_names(document))
    sources = [source for income in document.incomes for source in income.sources]
    for source in sorted({s for s in sources if sources.count(s) > 1}):
        yield "incomes", source, "each source once", "decide which fund it belongs to"


def walk(node: object, path: str = "") -> Iterator[tuple[str, BaseModel]]:
    """Every table of a document, or of a part of one, with its key path."""
    if isinstance(node, BaseModel):
        yield path, node
        for name, field in type(node).model_fields.items():
            yield from walk(getattr(node, name), f"{path}.{field.alias or name}".lstrip("."))
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, f"{path}.{key}")
    elif isinstance(node, tuple):
        for index, value in enumerate(node):
            yield from walk(value, f"{path}[{index}]")
