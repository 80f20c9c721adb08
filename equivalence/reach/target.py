"""The network whose goals are to be reached, cut down to the goals that are still open."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from nfverify.equivalence.audit import Audit
from nfverify.equivalence.concrete import Reality
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.predicates import RulesetPlan, matches_of
from nfverify.equivalence.problem import Options, Problem, Side
from nfverify.equivalence.provable import check_provable
from nfverify.equivalence.reach.script import Script
from nfverify.equivalence.state import State
from nfverify.equivalence.terms import Term
from nfverify.lang.source import ModelError
from nfverify.semantics.operators import Function
from nfverify.smat import ir

REACHED = "%reached"
GHOST = "%"
"""State whose name begins so belongs to goals; no model can have it."""

AGES = 1_000_000.0  # seconds: no deadline
SPELLED = 600
"""Rules up to which a list is spelled out for the solver."""


@dataclass(frozen=True, slots=True)
class Target:
    """An instrumented network. `replay` says which goals a script reaches on the reference; None:
    the network's own machine does. `deadline` is of time.monotonic()."""

    network: ir.Network
    operators: Mapping[str, Function] = field(default_factory=dict)
    drop_non_ip: bool = False
    replay: Callable[[Script], frozenset[int]] | None = None
    deadline: float = field(default_factory=lambda: time.monotonic() + AGES)
    notify: Callable[[str], None] = lambda text: None
    audit: Audit | None = None

    def focused(self, goals: Collection[int]) -> Target:
        """The same behaviour, with nothing recorded but these goals."""
        return replace(self, network=focused(self.network, goals))

    def reality(self) -> Reality:
        """What the uninterpreted functions of the encoding really are."""
        rulesets = {m.ruleset.digest: m.ruleset for m in matches_of(self.network)}
        return Reality(rulesets, self.operators)


def goals_of(network: ir.Network) -> frozenset[int]:
    """The numbers of all goals that a network records."""
    return frozenset(
        number
        for instance in network.instances
        for node in ir.walk(instance.program.body)
        if (number := recorded(node)) is not None
    )


def recorded(node: ir.Expr | ir.Stmt | ir.Entry) -> int | None:
    """The goal that a statement records."""
    match node:
        case ir.Write(var=name, keys=(ir.Const(value=value),)) if name == REACHED:
            return int(value)
        case _:
            return None


def conditions(network: ir.Network) -> dict[int, tuple[str, ir.Expr]]:
    """The instance and the condition under which each goal is recorded, where it has one."""
    found: dict[int, tuple[str, ir.Expr]] = {}
    for instance in network.instances:
        for node in ir.walk(instance.program.body):
            if isinstance(node, ir.If) and len(node.then) == 1:
                number = recorded(node.then[0])
                if number is not None:
                    found[number] = (instance.name, node.condition)
    return found


def problem_of(target: Target) -> Problem:
    """The network as the one side of a problem whose other side lets everything through."""
    network = target.network
    ports = tuple(range(len(network.ports))) if len(network.ports) >= 2 else ()
    nothing = ir.Program("nothing", ports, (), (), (), (), ())
    other = ir.Network("nothing", network.ports, (ir.Instance("nothing", nothing),), ())
    # A frame that no NF looks at reaches nothing.
    blind = not any(i.program.sees_non_ip for i in network.instances)
    options = Options(drop_non_ip=target.drop_non_ip or blind)
    rulesets = {m.ruleset.digest: m.ruleset for m in matches_of(network)}
    spelled = {d for d, r in rulesets.items() if len(r.rows) <= SPELLED}
    plan = RulesetPlan(rulesets=rulesets, spelled=spelled)
    return Problem(Side("a", network), Side("b", other), options, plan, target.audit)


def supported(target: Target) -> str:
    """Why the solver can say nothing about the network; empty if it can."""
    try:
        check_provable(target.network, headers=True)
    except ModelError as error:
        return str(error)
    return ""


def hits(problem: Problem, state: State) -> dict[int, Term]:
    """When each goal was recorded since the log of REACHED was emptied."""
    terms = state.terms
    found: dict[int, list[Term]] = {}
    for instance in problem.a.network.instances:
        for entry in state.logs.get(problem.a.qualify(instance.name, REACHED), ()):
            (key,) = entry.keys
            if not key.is_const or entry.values is None:
                raise Unsupported("a goal without a number", instance.program.span)
            found.setdefault(int(key.data), []).append(entry.guard)
    return {number: terms.any(guards) for number, guards in sorted(found.items())}


def forget_hits(problem: Problem, state: State) -> State:
    """The state with an empty log of REACHED, which nothing reads."""
    state = state.fork()
    for instance in problem.a.network.instances:
        state.logs.pop(problem.a.qualify(instance.name, REACHED), None)
    return state


# Focus --------------------------------------------------------------------------------------


def focused(network: ir.Network, goals: Collection[int], ghosts: bool = False) -> ir.Network:
    """The network with other goals' records left out, and state that only these need (with
    `ghosts`, all state stays)."""
    wanted = frozenset(goals)
    programs: dict[int, ir.Program] = {}
    instances = []
    for instance in network.instances:
        program = programs.get(id(instance.program))
        if program is None:
            program = programs[id(instance.program)] = _focused(instance.program, wanted, ghosts)
        instances.append(ir.Instance(instance.name, program))
    return replace(network, instances=tuple(instances))


def _focused(program: ir.Program, goals: frozenset[int], ghosts: bool) -> ir.Program:
    def unwanted_goal(statement: ir.Stmt) -> bool:
        number = recorded(statement)
        return number is not None and number not in goals

    body = _without(program.body, unwanted_goal)
    read = {n.var for n in ir.walk(body) if isinstance(n, ir.Read | ir.Has)}
    idle = {
        v.name
        for v in program.state
        if v.name.startswith(GHOST) and v.name not in (REACHED, *read) and not ghosts
    }

    def idle_write(statement: ir.Stmt) -> bool:
        return isinstance(statement, ir.Write | ir.Delete) and statement.var in idle

    init = _without(program.init, idle_write)
    body = _without(body, idle_write)
    while True:
        used = {n.name for n in ir.walk(body) if isinstance(n, ir.Local)}
        shorter = _without(
            body,
            lambda s, used=used: (  # type: ignore[misc]  # mypy can't infer it
                isinstance(s, ir.Let) and s.name.startswith(GHOST) and s.name not in used
            ),
        )
        if shorter == body:
            break
        body = shorter
    state = tuple(v for v in program.state if v.name not in idle)
    return replace(program, state=state, init=init, body=body)


def _without(body: tuple[ir.Stmt, ...], gone: Callable[[ir.Stmt], bool]) -> tuple[ir.Stmt, ...]:
    kept: list[ir.Stmt] = []
    for statement in body:
        if gone(statement):
            continue
        match statement:
            case ir.If(then=then, otherwise=otherwise):
                then, otherwise = _without(then, gone), _without(otherwise, gone)
                if then or otherwise:
                    kept.append(replace(statement, then=then, otherwise=otherwise))
            case ir.While(body=inner):
                kept.append(replace(statement, body=_without(inner, gone)))
            case ir.Table(entries=entries):
                rows = tuple(replace(e, body=_without(e.body, gone)) for e in entries)
                kept.append(replace(statement, entries=rows))
            case _:
                kept.append(statement)
    return tuple(kept)
