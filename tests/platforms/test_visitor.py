"""The generator's walk over SMATs: what overrides a callback sees every symbol of its kind."""

from pathlib import Path

import pytest

from nfverify.cythonized.body import Body
from nfverify.cythonized.fold import folded_network
from nfverify.cythonized.generate import generate
from nfverify.cythonized.visitor import Visitor
from nfverify.oracles.platforms.cpp import Cpp
from nfverify.oracles.platforms.cpp.printer import Printer
from nfverify.smat.ir import (
    Apply,
    Delete,
    Entry,
    Expr,
    Network,
    Stmt,
    Table,
    Touch,
    Write,
    walk,
)
from nfverify.smat.load import load

MODELS = sorted((Path(__file__).parents[2] / "models").glob("*.nfd"))


class Seen(Visitor):
    """Notes what it is called for, and writes it as ever."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.matches: list[Entry] = []
        self.states: list[Stmt] = []
        self.operators: list[Apply] = []

    def visit_entry(self, body: Body, entry: Entry) -> None:
        self.entries.append(entry)
        super().visit_entry(body, entry)

    def visit_match(self, body: Body, entry: Entry) -> str:
        self.matches.append(entry)
        return super().visit_match(body, entry)

    def visit_action_state(self, body: Body, node: Write | Delete | Touch) -> None:
        self.states.append(node)
        super().visit_action_state(body, node)

    def visit_operator(self, body: Body, node: Apply) -> str:
        self.operators.append(node)
        return super().visit_operator(body, node)


def _inside(network: Network) -> list[Expr | Stmt | Entry]:
    """All nodes, once for each instance, as they are generated."""
    return [
        node
        for instance in folded_network(network).instances
        for node in walk(instance.program.init + instance.program.body)
    ]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_symbol_is_visited(path: Path) -> None:
    network = load(str(path))
    seen = Seen()
    generate(network, visitor=seen)
    nodes = _inside(network)
    entries = [e for n in nodes if isinstance(n, Table) for e in n.entries]
    assert sorted(e.span.start for e in seen.entries) == sorted(e.span.start for e in entries)
    assert sorted(e.span.start for e in seen.matches) == sorted(e.span.start for e in entries)
    states = [n for n in nodes if isinstance(n, Write | Delete | Touch)]
    assert len(seen.states) == len(states)
    applied = {n.op for n in nodes if isinstance(n, Apply)}
    assert {n.op for n in seen.operators} == applied


class Audited(Cpp):
    """A platform that counts what entries are taken and state is assigned."""

    name = "audited"
    text = "plain C++ with an audit"

    def visit_entry(self, body: Body, entry: Entry) -> None:
        body.emit(f'audit_entry("{entry.name}")')
        super().visit_entry(body, entry)

    def visit_action_state(self, body: Body, node: Write | Delete | Touch) -> None:
        super().visit_action_state(body, node)
        body.emit(f'audit_state("{node.var}")')


def test_what_a_platform_adds_stands_where_the_symbol_is() -> None:
    network = load("lib:napt")
    made = generate(network, visitor=Audited())
    lines = [line.strip() for line in Printer().text(made.pyx).splitlines()]
    for entry in ("untranslatable", "out_known", "out_new", "out_full", "in_known", "other"):
        assert f'audit_entry("{entry}");' in lines
    written = lines.index('audit_state("mapping");')
    assert lines[written - 1] == "e->mapping = v;"
