"""Mutation testing: what decides about money is changed in thousands of small ways, and the tests must notice each.

    python -m pip install -e '.[mutation]'
    python tests/mutation.py money merkle ledger assess     # or one of them, or a module: ledger/gate.py

mutmut makes the mutants. The tests are collected once; for each mutant a fork of that process puts the changed function
in the place of the other, and runs the tests that reach it, the fastest first, until one fails. With `--tables` it is
what stands outside functions that is changed, each time for a run of the tests of its own. No file is changed.

What was found is kept in mutants/: `--again` tries only what survived, `--under 0.5` leaves slower tests out, `--list`
prints what survived. docs/reference/mutants.md says why each that is left may stay.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import signal
import sys
import textwrap
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from itertools import takewhile
from pathlib import Path
from types import CodeType, FrameType, FunctionType

import pytest
from _pytest.doctest import DoctestItem
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "estate_funds"
OUT = ROOT / "mutants"
CITIES = ("changchun", "city_template", "jingbalu", "maintenance_fund", "xx_district")
TESTS = {  # no database, no other process
    "money": ("money",),
    "merkle": ("merkle",),
    "ledger": (
        "ledger", "verbs_claims_and_loans", "verbs_corrections", "verbs_periods", "verbs_promises", "records", "thieves", "model",
        "histories",
    ),
    "assess": (
        "assess", "bounds", "claim", "divide", "division", "gates", "limits", "settlement", "view", "walk",
        "language", "invented", *CITIES,
    ),
}  # fmt: skip
OPTIONS = [
    "-o", "addopts=", "-q", "-m", "not long", "-p", "no:cacheprovider", "--hypothesis-profile=mutation",
    "-o", "doctest_optionflags=NORMALIZE_WHITESPACE ELLIPSIS",
]  # fmt: skip
# What only puts amounts and facts into words.
SHOWING = {
    "_odd_fields", "_no_amount", "_shown", "_outside", "_overdrawn", "_listed", "_largest", "explain", "_row", "said",
    "waits_for", "_based", "plural", "number_text", "how_counted", "__repr__",
}  # fmt: skip
DECORATOR = re.compile(r"^( *)@(?!dataclass).*$", re.MULTILINE)


@dataclass(frozen=True)
class Mutant:
    module: str  # ledger/gate.py
    function: str  # Ledger.check
    line: int
    change: str
    text: str  # of the changed function, or of the whole module where it stands in none

    @property
    def name(self) -> str:
        return f"{self.module}:{self.line} {self.function or 'the module'}: {self.change}"

    def target(self) -> FunctionType:
        """The function as the library holds it, out of whatever decorates it."""
        found: object = import_module(
            "estate_funds." + self.module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        )
        for part in self.function.split("."):
            found = vars(found)[part]
        for inner in ("fget", "func", "__wrapped__", "__func__"):
            found = getattr(found, inner, found)
        assert isinstance(found, FunctionType), self.name
        return found

    def install(self) -> None:
        target, made = self.target(), dict[str, FunctionType]()
        exec(compile(self.text, self.name, "exec"), target.__globals__, made)  # annotations stay text, as in this file
        (new,) = made.values()
        target.__code__, target.__defaults__, target.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__


def mutants_of(path: Path) -> Iterator[Mutant]:
    """All mutants of a module; those in functions that are decorated too."""
    import libcst as cst
    from libcst.metadata import MetadataWrapper, PositionProvider
    from mutmut.mutation import file_mutation, mutators

    def one_way(node: cst.BaseString) -> list[cst.BaseString]:
        """Of the ways to spoil a string, the first: who reads it must see it."""
        return list(mutators.operator_string(node))[:1]

    file_mutation.mutation_operators = [
        (kind, one_way if operator is mutators.operator_string else operator)
        for kind, operator in mutators.mutation_operators
    ]  # fmt: skip
    original = path.read_text(encoding="utf-8")
    source = DECORATOR.sub(r"\1# decorated", original)
    module, mutations, _, _ = file_mutation.create_mutations(str(path), source)
    lines = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
    places: dict[cst.CSTNode | None, str] = {}
    for statement in module.body:
        if isinstance(statement, cst.FunctionDef):
            places[statement] = statement.name.value
        if isinstance(statement, cst.ClassDef):
            methods = [one for one in statement.body.body if isinstance(one, cst.FunctionDef)]
            places |= {one: f"{statement.name.value}.{one.name.value}" for one in methods}
    seen = Counter[str]()
    for found in mutations:
        place = places.get(found.contained_by_top_level_function, "")
        if place.rpartition(".")[2] in SHOWING:
            continue
        function = found.contained_by_top_level_function if place else None
        changed = (function or module).deep_replace(found.original_node, found.mutated_node)
        text = textwrap.dedent(module.code_for_node(changed)).strip("\n")
        if function is None:
            decorators = iter([found.group().strip() for found in DECORATOR.finditer(original)])
            text = re.sub("# decorated", lambda _: next(decorators), text)  # noqa: B023
        line = (lines.get(found.original_node) or lines[function or module]).start.line
        change = shown(module.code_for_node(found.original_node), module.code_for_node(found.mutated_node))
        seen[f"{line} {change}"] += 1
        again = f" ({seen[f'{line} {change}']})" if seen[f"{line} {change}"] > 1 else ""
        yield Mutant(str(path.relative_to(SOURCE)), place, line, change + again, text)


def shown(old: str, new: str) -> str:
    """A change in a few characters: what differs, and a little around it."""
    one, other = (re.findall(r"\w+|\s|\W", " ".join(text.split())) for text in (old, new))
    start = alike(one, other)
    end = min(alike(one[::-1], other[::-1]), len(one) - start, len(other) - start)
    around = (
        slice(max(0, start - 6), len(one) - max(0, end - 6)),
        slice(max(0, start - 6), len(other) - max(0, end - 6)),
    )
    parts = ["".join(text[cut]).strip() for text, cut in zip((one, other), around, strict=True)]
    return " -> ".join(part if len(part) <= 90 else f"{part[:60]} ... {part[-25:]}" for part in parts)


def alike(one: list[str], other: list[str]) -> int:
    """With how many words both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


class Kept(dict[str, object]):
    """The names of a doctest, which is run more than once."""

    def clear(self) -> None:
        pass


class Trial:
    """Runs in the place of the test loop: learns which tests reach what, then tries one mutant after the other."""

    def __init__(self, mutants: list[Mutant], under: float, known: dict[str, str], kept: Path) -> None:
        self.mutants, self.under, self.found, self.kept = mutants, under, known, kept
        self.reach: dict[CodeType, list[tuple[float, int]]] = {mutant.target().__code__: [] for mutant in mutants}
        self.killers: dict[CodeType, Counter[int]] = defaultdict(Counter)  # of a function: they are asked first

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed or not session.items:
            raise session.Failed("the tests cannot be collected")
        self.learn(session.items)
        if self.outcome(None) != "survived":
            raise pytest.exit("with nothing changed, a test fails that did not fail the first time")
        for tried in gc.get_objects():
            if hasattr(type(tried), "cache_clear"):
                tried.cache_clear()  # what the right functions gave is forgotten
        gc.freeze()
        start = time.monotonic()
        for number, mutant in enumerate(self.mutants, start=1):
            self.found[mutant.name] = self.outcome(mutant)
            if number % 50 == 0 or number == len(self.mutants):
                seconds, counts = time.monotonic() - start, dict(Counter(self.found.values()))
                print(f"\n{number} of {len(self.mutants)} in {seconds:.0f} s: {counts}", flush=True)
                write(self.kept, self.found)
        return True

    def learn(self, items: list[pytest.Item]) -> None:
        """Which tests reach which function, and how long each takes."""
        self.items = items
        for number, item in enumerate(items):
            hits: set[CodeType] = set()

            def trace(frame: FrameType, event: str, argument: object, hits: set[CodeType] = hits) -> None:
                if frame.f_code in self.reach:
                    hits.add(frame.f_code)

            if isinstance(item, DoctestItem):  # which forgets its names when it has run
                item.dtest.globs = Kept(item.dtest.globs)
            start = time.process_time()
            sys.settrace(trace)
            reports = runtestprotocol(item, log=False, nextitem=items[number + 1] if number + 1 < len(items) else None)
            sys.settrace(None)
            if any(report.failed for report in reports):
                raise pytest.exit(f"{item.nodeid} fails without a mutant\n{reports[1].longreprtext}")
            seconds = time.process_time() - start
            for code in hits:
                self.reach[code].append((seconds, number))

    def outcome(self, mutant: Mutant | None) -> str:
        reached = (
            self.reach[mutant.target().__code__] if mutant else {one for some in self.reach.values() for one in some}
        )
        killers = self.killers[mutant.target().__code__] if mutant else Counter[int]()
        tests = [one for one in reached if one[0] < self.under]
        tests.sort(key=lambda one: (-killers[one[1]], one))
        if not tests:
            return "not reached"
        sys.stdout.flush()
        told, telling = os.pipe()
        child = os.fork()
        if not child:
            self.attempt(mutant, tests, telling)
        os.close(telling)
        with os.fdopen(told) as pipe:
            killer = pipe.read()
        status = os.waitpid(child, 0)[1]
        killers.update([int(killer)] if killer else [])
        if os.WIFSIGNALED(status):
            return "killed, by time"
        return {0: "survived", 1: "killed"}.get(os.WEXITSTATUS(status), "error")

    def attempt(self, mutant: Mutant | None, tests: list[tuple[float, int]], telling: int) -> None:
        """In a process of its own: 0 where no test fails. A test that takes ten times as long is ended, and so is it."""
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            if mutant is not None:
                mutant.install()
            for place, (seconds, number) in enumerate(tests):
                signal.setitimer(signal.ITIMER_PROF, 1 + 10 * seconds)
                following = self.items[tests[place + 1][1]] if place + 1 < len(tests) else None
                reports = runtestprotocol(self.items[number], log=False, nextitem=following)
                if any(report.failed for report in reports):
                    os.write(telling, str(number).encode())
                    os._exit(1)
            os._exit(0)
        except BaseException as problem:
            os.write(2, f"{mutant and mutant.name}: {problem!r}\n".encode())
            os._exit(3)


def write(kept: Path, found: dict[str, str]) -> None:
    kept.write_text(json.dumps(found, indent=0, ensure_ascii=False), encoding="utf-8")


def outcome_of_table(mutant: Mutant, tests: list[str]) -> str:
    """In a process of its own, before the library is imported: the tests over the changed module."""
    child = os.fork()
    if not child:
        path, text = str(SOURCE / mutant.module), mutant.text
        read = SourceFileLoader.get_code

        def get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
            return compile(text, path, "exec", dont_inherit=True) if loader.path == path else read(loader, name)

        SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        signal.setitimer(signal.ITIMER_PROF, 300)
        os._exit(int(pytest.main(["-x", *OPTIONS, *tests]) != 0))
    status = os.waitpid(child, 0)[1]
    return "killed, by time" if os.WIFSIGNALED(status) else "killed" if os.WEXITSTATUS(status) else "survived"


def paths_of(name: str) -> list[Path]:
    place = SOURCE / name if (SOURCE / name).exists() else SOURCE / f"{name}.py"
    return sorted(place.glob("*.py")) if place.is_dir() else [place]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(TESTS), help="money, merkle, ledger, assess, or a module")
    parser.add_argument("--again", action="store_true", help="only what survived, or was not reached, the last time")
    parser.add_argument(
        "--under", type=float, default=float("inf"), help="only tests that take less than so many seconds"
    )
    parser.add_argument("--tests", nargs="+", metavar="NAME", help="these tests instead of all of the target's")
    parser.add_argument("--tables", action="store_true", help="what stands outside functions, instead of them")
    parser.add_argument("--list", action="store_true", help="run nothing; print what survived")
    options = parser.parse_args()
    os.chdir(ROOT)
    OUT.mkdir(exist_ok=True)
    for name in options.names:
        tests = [f"tests/test_{one}.py" for one in options.tests or TESTS[re.split("[/.]", name)[0]]]
        kept = OUT / f"{name}{'-tables' * options.tables}.json".replace("/", "-")
        known: dict[str, str] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        if not options.list:
            every = [m for path in paths_of(name) for m in mutants_of(path) if bool(m.function) is not options.tables]
            known = {m.name: known[m.name] for m in every if options.again and m.name in known}
            mutants = [m for m in every if not known.get(m.name, "").startswith("killed")]
            if options.tables:
                same = Mutant(every[0].module, "", 0, "nothing", (SOURCE / every[0].module).read_text(encoding="utf-8"))
                if outcome_of_table(same, tests) != "survived":
                    sys.exit(f"{name}: with nothing changed, a test fails")
                known |= {mutant.name: outcome_of_table(mutant, tests) for mutant in mutants}
                write(kept, known)
            elif mutants:
                child = os.fork()  # one target does not see what another has imported
                if not child:
                    trial = Trial(mutants, options.under, known, kept)
                    places = [*tests, *(str(path) for path in paths_of(name))]
                    status = pytest.main(["--doctest-modules", *OPTIONS, *places], plugins=[trial])
                    os._exit(status if len(known) < len(every) else 0)
                if os.waitpid(child, 0)[1]:
                    sys.exit(f"{name}: the tests did not run")
                known = json.loads(kept.read_text(encoding="utf-8"))
        for module in dict.fromkeys(mutant.partition(":")[0] for mutant in known):
            outcomes = {mutant: outcome for mutant, outcome in known.items() if mutant.startswith(f"{module}:")}
            print(f"{module}: {len(outcomes)} mutants, {dict(Counter(outcomes.values()))}", flush=True)
            for mutant, outcome in outcomes.items():
                if not outcome.startswith("killed"):
                    print(f"  {outcome}: {mutant}")


if __name__ == "__main__":
    main()
