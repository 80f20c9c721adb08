"""Networks that record which goals they reach (ghost state: a network of the same behaviour).

A goal is one more guarded write to the set REACHED, so that whatever runs, proves or searches a
network can be asked about goals without knowing of them.
"""

from __future__ import annotations

import re
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
from nfverify.oracles.coverage.pairs import Pairs, Place, settled
from nfverify.oracles.coverage.rows import Ask, rules
from nfverify.oracles.coverage.units import Keys, units
from nfverify.oracles.coverage.values import telling
from nfverify.semantics.walk import entry_title
from nfverify.smat import ir
from nfverify.smat.unparse import Printer, printer

MAX_OVERLAPS = 4  # later rows that one row is held against

_NUMBER = ir.Bits(32)
_ROUNDS = ir.Bits(16)
Names = dict[ir.Expr, ir.Expr]  # of atoms: the locals that hold them


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
    pairs: Pairs | None = None
    place: Place = field(default_factory=lambda: Place(0, {}))
    lets: int = 0
    units: int = 0  # so far
    row: str = ""  # the entry that is being written
    asked: set[ir.Expr] = field(default_factory=set)  # `?:` with goals in this entry so far
    told: dict[ir.Expr, ir.Stmt] = field(default_factory=dict)  # values, and what records them

    def program(self) -> ir.Program:
        program = self.instance.program
        ghosts: tuple[ir.StateVar, ...] = (ir.StateVar(REACHED, (_NUMBER,), (), (), "set"),)
        if "pair" in self.kinds:
            keys = Keys.of(program)
            self.pairs = Pairs(keys, units(program, keys, self.out), self.pair, self.let)
            ghosts += self.pairs.ghosts()
        body = (*self.statements(program.body), *settled(self.place))
        return replace(program, state=program.state + ghosts, body=body)

    def statements(self, nodes: Sequence[ir.Stmt]) -> tuple[ir.Stmt, ...]:
        found: list[ir.Stmt] = []
        for node in nodes:
            found += self.statement(node)
            self.place.changed(node)
        return tuple(found)

    def statement(self, node: ir.Stmt) -> list[ir.Stmt]:
        """The statement with what records its goals."""
        match node:
            case ir.Table():
                return [*settled(self.place), *self.table(node)]
            case ir.If():
                return self.branch(node)
            case ir.While():
                return self.loop(node)
            case ir.Choose():  # its condition is about the choice
                before = self.noted(node.low, node.high)
                return [*before, node, *self.noted(node.where), *self.choice(node)]
            case _:
                return [*self.noted(node), node]

    def noted(self, *parts: ir.Expr | ir.Stmt) -> list[ir.Stmt]:
        """The goals of what is computed here, and of the keys that are touched."""
        return [*self.conditionals(*parts), *self.telling(*parts), *self.touched(*parts)]

    def inner(
        self,
        body: Sequence[ir.Stmt],
        *first: ir.Stmt,
        guard: Sequence[ir.Expr] = (),
        again: bool = False,
    ) -> tuple[ir.Stmt, ...]:
        """The statements of a unit inside this one, behind those that come first."""
        outer, self.place = self.place, self.place.inside(self.number(), again=again)
        touched = self.touched(*guard)
        found = (*first, *touched, *self.statements(body), *settled(self.place))
        self.place = outer
        return found

    def number(self) -> int:
        self.units += 1
        return self.units

    # Goals --------------------------------------------------------------------------------

    def goal(self, kind: Kind, text: str, span: Span, after: str = "") -> ir.Stmt:
        """What records a new goal."""
        number = len(self.goals)
        self.goals.append(Goal(number, kind, self.instance.name, text, span, self.row, after))
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

    # Tables and branches ------------------------------------------------------------------

    def table(self, table: ir.Table) -> list[ir.Stmt]:
        before: list[ir.Stmt] = []
        names: Names = {}
        guards = [self.named(plain(entry.guard), names, before) for entry in table.entries]
        outer = self.row, self.asked, self.told
        free: ir.Expr = ir.TRUE  # no entry has been taken so far
        entries: list[ir.Entry] = []
        for index, (entry, guard) in enumerate(zip(table.entries, guards, strict=True)):
            self.row, self.asked, self.told = entry_title(entry, index + 1), set(), {}
            first = [self.goal("entry", "taken", entry.span)]
            before += self.when(
                free,
                *self.conditionals(entry.guard),
                *self.boundaries(guard, names, entry.span),
            )
            first += self.telling(entry.guard)
            before += self.overlaps(conjunction([free, guard]), guards, table.entries, index)
            body = self.inner(entry.body, *first, guard=(entry.guard,))
            entries.append(replace(entry, body=body))
            free = self.let(conjunction([free, negation(guard)]), before)
        self.row, self.asked, self.told = outer
        before += (
            self.when(free, self.goal("gap", "no entry taken", table.span))
            if free != ir.FALSE
            else []
        )
        return [*before, replace(table, entries=tuple(entries))]

    def branch(self, node: ir.If) -> list[ir.Stmt]:
        before = [*self.noted(node.condition), *self.condition(node.condition)]
        before += settled(self.place)
        text = self.out.natural(node.condition).text
        then, other = (
            self.inner(body, self.goal("entry", f"{word} {text}", node.span))
            for word, body in (("if", node.then), ("unless", node.otherwise))
        )
        return [*before, replace(node, then=then, otherwise=other)]

    def loop(self, node: ir.While) -> list[ir.Stmt]:
        """Its condition is tested before the first round and after each."""
        text = self.out.natural(node.condition).text
        tested = [*self.conditionals(node.condition), *self.condition(node.condition)]
        tested += self.telling(node.condition)
        before = [*tested, *self.touched(node.condition)]
        before += settled(self.place)
        skipped = self.goal("entry", f"never while {text}", node.span)
        before += self.when(negation(node.condition), skipped)
        entered = self.goal("entry", f"while {text}", node.span)
        body = [*self.inner(node.body, entered, again=True), *tested]
        if "value" in self.kinds:
            rounds = ir.Local(f"%{self.lets}", _ROUNDS)
            self.lets += 1
            before.append(ir.Let(rounds.name, ir.Const(0, _ROUNDS)))
            more = ir.Arithmetic("+", rounds, ir.Const(1, _ROUNDS), _ROUNDS)
            last = ir.Compare("==", rounds, ir.Const(node.bound, _ROUNDS))
            full = self.goal("value", f"while {text}: {node.bound} rounds", node.span)
            over = self.goal("value", f"while {text}: over its bound", node.span)
            at_last = [full, *self.when(node.condition, over)]
            body += [ir.Let(rounds.name, more), *self.when(last, *at_last)]
        return [*before, replace(node, body=tuple(body))]

    # Boundaries ---------------------------------------------------------------------------

    def named(self, condition: ir.Expr, names: Names, before: list[ir.Stmt]) -> ir.Expr:
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

    def boundaries(self, guard: ir.Expr, names: Names, span: Span) -> list[ir.Stmt]:
        """Both sides of each atom where it decides the guard."""
        if "boundary" not in self.kinds:
            return []
        meaning = {name: atom for atom, name in names.items()}
        found: list[ir.Stmt] = []
        for name in atoms(guard):
            atom = meaning.get(name, name)
            text = self.out.natural(atom).text
            where = atom.span if atom.span.source.text else span

            ask = self.asking(f"{text}: ", where)
            asked = [statement for side in sides(atom) for statement in ask(*side)]
            if isinstance(atom, ir.Match):
                asked += rules(atom, self.asking("", where), self.let)
            found += self.when(decides(guard, name), *asked)
        return found

    def asking(self, text: str, span: Span) -> Ask:
        def ask(side: str, condition: ir.Expr) -> list[ir.Stmt]:
            return self.when(condition, self.goal("boundary", f"{text}{side}", span))

        return ask

    def condition(self, condition: ir.Expr) -> list[ir.Stmt]:
        """Goals of a condition that is tested here."""
        if "boundary" not in self.kinds:
            return []
        before: list[ir.Stmt] = []
        names: Names = {}
        guard = self.named(plain(condition), names, before)
        return [*before, *self.boundaries(guard, names, condition.span)]

    def conditionals(self, *parts: ir.Expr | ir.Stmt) -> list[ir.Stmt]:
        """Goals of the `?:` in what is computed here."""
        found: list[ir.Stmt] = []
        for test in tests(parts) if "boundary" in self.kinds else ():
            if test not in self.asked:
                self.asked.add(test)
                found += self.condition(test)
        return found

    # Values, overlaps, pairs --------------------------------------------------------------

    def telling(self, *parts: ir.Expr | ir.Stmt) -> list[ir.Stmt]:
        """Goals of the values that are read here."""
        if "value" not in self.kinds:
            return []
        found: list[ir.Stmt] = []
        for value, text, condition in telling(parts, self.instance.program, self.out):
            if value not in self.told:
                self.told[value] = self.goal("value", text, value.span)
            found += self.when(condition, self.told[value])
        return found

    def choice(self, node: ir.Choose) -> list[ir.Stmt]:
        """Goals of a choice that was made: nothing fits, or not the first candidate."""
        if "value" not in self.kinds:
            return []
        name = re.sub(r"_[0-9]+$", "", node.name)
        other = ir.Compare("!=", ir.Local(node.name, node.type), node.low)
        none = self.goal("value", f"nothing fits {name}", node.span)
        later = self.goal("value", f"{name} is not the first candidate", node.span)
        return [*self.when(negation(node.where), none), *self.when(other, later)]

    def overlaps(
        self, taken: ir.Expr, guards: Sequence[ir.Expr], entries: Sequence[ir.Entry], index: int
    ) -> list[ir.Stmt]:
        """An entry is taken while a later one would match, too."""
        if "overlap" not in self.kinds:
            return []
        own = _conjuncts(guards[index])
        asked: list[ir.Stmt] = []
        for later in range(index + 1, min(len(guards), index + 1 + MAX_OVERLAPS)):
            other = _conjuncts(guards[later])
            if all(part in own for part in other) or any(negation(p) in own for p in other):
                continue  # always so, or never
            text = f"taken while {entry_title(entries[later], later + 1)} matches, too"
            goal = self.goal("overlap", text, entries[index].span)
            asked += self.when(guards[later], goal)
        return self.when(taken, *asked)

    def touched(self, *parts: ir.Expr | ir.Stmt) -> list[ir.Stmt]:
        return [] if self.pairs is None else self.pairs.touched(self.place, parts)

    def pair(self, text: str, span: Span, after: str) -> ir.Stmt:
        return self.goal("pair", text, span, after)


def _conjuncts(guard: ir.Expr) -> tuple[ir.Expr, ...]:
    if guard == ir.TRUE:
        return ()
    return guard.operands if isinstance(guard, ir.And) else (guard,)
