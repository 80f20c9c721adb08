"""Networks that record which goals they reach (ghost state: a network of the same behaviour).

A goal is one more guarded write to the set REACHED, so that whatever runs, proves or searches a
network can be asked about goals without knowing of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from nfverify.lang.source import Span
from nfverify.oracles.coverage.boundaries import sides, tests
from nfverify.oracles.coverage.conditions import (
    atoms,
    choice,
    conjunction,
    decides,
    disjunction,
    negation,
    plain,
)
from nfverify.oracles.coverage.goals import REACHED, Coverage, Goal, Instrumented, Kind, kinds
from nfverify.semantics.walk import entry_title
from nfverify.smat import ir
from nfverify.smat.unparse import Printer, printer

_NUMBER = ir.Bits(32)


def instrument(network: ir.Network, coverage: Coverage) -> Instrumented:
    """The network with its goals of one level. Same outputs and state, apart from the ghosts."""
    goals: list[Goal] = []
    instances = []
    for instance in network.instances:
        work = _Instance(instance, kinds(coverage), goals, printer(instance.program, network.ports))
        instances.append(ir.Instance(instance.name, work.program()))
    changed = replace(network, instances=tuple(instances))
    return Instrumented(changed, tuple(goals), network)


@dataclass(slots=True)
class _Instance:
    """One instance on its way; `goals` are those of the whole network."""

    instance: ir.Instance
    kinds: frozenset[Kind]
    goals: list[Goal]
    out: Printer
    lets: int = 0
    row: str = ""  # the entry that is being written
    tested: set[ir.Expr] = field(default_factory=set)  # conditions of `?:` in this entry so far

    def program(self) -> ir.Program:
        program = self.instance.program
        ghosts = (ir.StateVar(REACHED, (_NUMBER,), (), (), "set"),)
        return replace(program, state=program.state + ghosts, body=self.statements(program.body))

    def statements(self, nodes: Sequence[ir.Stmt]) -> tuple[ir.Stmt, ...]:
        found: list[ir.Stmt] = []
        for node in nodes:
            found += self.statement(node)
        return tuple(found)

    def statement(self, node: ir.Stmt) -> list[ir.Stmt]:
        """The statement behind what records its goals."""
        match node:
            case ir.Table():
                return self.table(node)
            case ir.If():
                return self.branch(node)
            case ir.While():
                return self.loop(node)
            case _:
                return [*self.values(node), node]

    # Goals --------------------------------------------------------------------------------

    def goal(self, kind: Kind, text: str, span: Span) -> ir.Stmt:
        """What records a new goal."""
        number = len(self.goals)
        self.goals.append(Goal(number, kind, self.instance.name, text, span, self.row))
        return ir.Write(REACHED, (ir.Const(number, _NUMBER),), ())

    def let(self, value: ir.Expr, before: list[ir.Stmt]) -> ir.Expr:
        """A name for a value, which is computed once."""
        if isinstance(value, ir.Const | ir.Local):
            return value
        name = f"%{self.lets}"
        self.lets += 1
        before.append(ir.Let(name, value))
        return ir.Local(name, value.type)

    def when(self, condition: ir.Expr, *then: ir.Stmt) -> list[ir.Stmt]:
        if condition == ir.TRUE:
            return list(then)
        return [ir.If(condition, then, ())] if then and condition != ir.FALSE else []

    # Tables -------------------------------------------------------------------------------

    def table(self, table: ir.Table) -> list[ir.Stmt]:
        before: list[ir.Stmt] = []
        names: dict[ir.Expr, ir.Expr] = {}
        outer = (self.row, self.tested)
        free: ir.Expr = ir.TRUE  # no entry has been taken so far
        entries: list[ir.Entry] = []
        for place, entry in enumerate(table.entries, 1):
            self.row, self.tested = entry_title(entry, place), set()
            guard = self.named(plain(entry.guard), names, before)
            reached = self.goal("entry", "taken", entry.span)
            if "boundary" in self.kinds:
                asked: list[ir.Stmt] = []
                for part in (*entry.match_flow, *entry.match_state):
                    asked += self.values(part)
                asked += self.boundaries(guard, names, entry.span)
                before += self.when(free, *asked)
            entries.append(replace(entry, body=(reached, *self.statements(entry.body))))
            free = self.let(conjunction([free, negation(guard)]), before)
        self.row, self.tested = outer
        if free != ir.FALSE:
            before += self.when(free, self.goal("gap", "no entry taken", table.span))
        return [*before, replace(table, entries=tuple(entries))]

    def named(
        self, condition: ir.Expr, names: dict[ir.Expr, ir.Expr], before: list[ir.Stmt]
    ) -> ir.Expr:
        """A condition over names for its atoms, which are computed once."""
        match condition:
            case ir.Const():
                return condition
            case ir.Not(operand=operand):
                return negation(self.named(operand, names, before))
            case ir.And(operands=operands):
                return conjunction([self.named(o, names, before) for o in operands])
            case ir.Or(operands=operands):
                return disjunction([self.named(o, names, before) for o in operands])
            case ir.Conditional(condition=test, then=then, otherwise=otherwise):
                a, b, c = (self.named(part, names, before) for part in (test, then, otherwise))
                return choice(a, b, c)
            case _:
                if condition not in names:
                    names[condition] = self.let(condition, before)
                return names[condition]

    # Boundaries ---------------------------------------------------------------------------

    def boundaries(
        self, guard: ir.Expr, names: dict[ir.Expr, ir.Expr], span: Span
    ) -> list[ir.Stmt]:
        """Both sides of each atom where it decides the guard."""
        meaning = {name: atom for atom, name in names.items()}
        found: list[ir.Stmt] = []
        for name in atoms(guard):
            atom = meaning.get(name, name)
            text = self.out.natural(atom).text
            asked: list[ir.Stmt] = []
            for side, condition in sides(atom):
                shown = f"{text}: {side}"
                span_ = atom.span if atom.span.source.text else span
                asked += self.when(condition, self.goal("boundary", shown, span_))
            found += self.when(decides(guard, name), *asked)
        return found

    def condition(self, condition: ir.Expr) -> list[ir.Stmt]:
        """Goals of a condition that is tested here."""
        if "boundary" not in self.kinds:
            return []
        before: list[ir.Stmt] = []
        names: dict[ir.Expr, ir.Expr] = {}
        guard = self.named(plain(condition), names, before)
        return [*before, *self.boundaries(guard, names, condition.span)]

    def values(self, node: ir.Expr | ir.Stmt) -> list[ir.Stmt]:
        """Goals of the `?:` in a value that is computed here."""
        if "boundary" not in self.kinds:
            return []
        found: list[ir.Stmt] = []
        for test in tests(node):
            if test not in self.tested:
                self.tested.add(test)
                found += self.condition(test)
        return found

    def branch(self, node: ir.If) -> list[ir.Stmt]:
        before = [*self.values(node.condition), *self.condition(node.condition)]
        text = self.out.natural(node.condition).text
        then, other = (
            (self.goal("entry", f"{word} {text}", node.span), *self.statements(body))
            for word, body in (("if", node.then), ("unless", node.otherwise))
        )
        return [*before, replace(node, then=then, otherwise=other)]

    def loop(self, node: ir.While) -> list[ir.Stmt]:
        """Its condition is tested before the first round and after each."""
        text = self.out.natural(node.condition).text
        tests_ = [*self.values(node.condition), *self.condition(node.condition)]
        entered = self.goal("entry", f"while {text}", node.span)
        skipped = self.goal("entry", f"never while {text}", node.span)
        body = (entered, *self.statements(node.body), *tests_)
        return [
            *tests_,
            *self.when(negation(node.condition), skipped),
            replace(node, body=body),
        ]
