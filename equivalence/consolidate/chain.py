"""`consolidate`: a chain of NFs as one program with one table (NFD, VII-D)."""

from __future__ import annotations

import time
from dataclasses import replace

from nfverify.equivalence.consolidate.conditions import Conditions
from nfverify.equivalence.consolidate.execute import Executor
from nfverify.equivalence.consolidate.naming import Renaming, Taken, rename_all, word
from nfverify.equivalence.consolidate.path import EndPass, Enter, Path, prepend
from nfverify.equivalence.consolidate.rewriter import Rewriter, refusal
from nfverify.equivalence.consolidate.solving import Possible
from nfverify.equivalence.consolidate.table import map_expressions, table
from nfverify.equivalence.consolidate.timers import Start, timers_of
from nfverify.equivalence.problem import bypass
from nfverify.equivalence.provable import check_provable
from nfverify.equivalence.terms import Term
from nfverify.semantics.engine import check_supported
from nfverify.smat import ir

MAX_ROWS = 2_000
SECONDS = 60.0


def consolidate(
    network: ir.Network,
    *,
    max_rows: int = MAX_ROWS,
    seconds: float = SECONDS,
    distinct_lets: bool = True,
) -> ir.Program:
    """One program that does what `network` does. The solver, which leaves out what can't happen,
    gets at most `seconds`. Raises ModelError: what can't be one table, or not one of `max_rows`.

    Without `distinct_lets` entries may share names for their `let`s: for a text, not for engines.
    """
    check_provable(network)
    for instance in network.instances:
        check_supported(instance.program)
    ports = _ports(network)
    renamings = rename_all(network)
    timers = timers_of(network)
    variables = {
        v.name: v
        for instance, renaming in zip(network.instances, renamings, strict=True)
        for v in map(renaming.variable, instance.program.state)
    }
    frame = ir.Program(
        word(network.name, "chain"),
        ports,
        (),
        tuple(variables.values()),
        (),
        tuple(t for timer in timers for t in timer.timers),
        (),
        operators=_operators(network),
    )
    count = max(2, len(network.ports))
    default_port = tuple(frame.default_port(i) for i in range(count))
    sees_non_ip = any(i.program.sees_non_ip for i in network.instances) or any(
        bypass(network, i) != port for i, port in enumerate(default_port)
    )
    deadline = time.monotonic() + seconds
    conditions = Conditions(variables, count, not sees_non_ip, Possible(deadline))
    rewriter = Rewriter(network, renamings, tuple(t.tags for t in timers), conditions)
    executor = Executor(rewriter, ports, default_port, sees_non_ip, max_rows)
    starts = [
        _dummy(index, instance.program, start, conditions.term(start.marker))
        for index, instance in enumerate(network.instances)
        for start in timers[index].starts
    ]
    rows = executor.run([*starts, Path((Enter(network.ingress), None), network.ingress)])
    taken = _taken(network, renamings)
    program = replace(
        frame,
        init=_init(rewriter, taken),
        body=(table(rows, taken, distinct_lets=distinct_lets),),
        invariants=_invariants(rewriter),
    )
    if sees_non_ip and not program.sees_non_ip:
        program = _seeing_non_ip(program)
    return replace(program, config=_config(network, rewriter, program))


def _dummy(index: int, program: ir.Program, start: Start, marked: Term) -> Path:
    """Where the path of a dummy begins: in its own NF."""
    return Path(
        prepend((*program.body, EndPass()), None),
        index,
        dummy=True,
        guard=(start.marker,),
        guard_terms=(marked,),
        context=(marked,),
        tags={name: ir.Const(value, ir.INT) for name, value in start.known.items()},
    )


def as_network(program: ir.Program, network: ir.Network) -> ir.Network:
    """The consolidated program in the place of the chain."""
    return ir.Network(network.name, network.ports, (ir.Instance(program.name, program),), ())


def _ports(network: ir.Network) -> tuple[int, ...]:
    """The ports of the chain, if an NF of it declares any."""
    if len(network.instances) == 1:
        return network.instances[0].program.ports
    if any(i.program.ports for i in network.instances):
        return tuple(range(len(network.ports)))
    return ()


def _operators(network: ir.Network) -> tuple[ir.Operator, ...]:
    found: dict[str, ir.Operator] = {}
    for instance in network.instances:
        for operator in instance.program.operators:
            if found.setdefault(operator.name, operator) != operator:
                raise refusal(
                    f"two NFs of {network.name} declare different operators {operator.name}",
                    operator.span,
                    "give one of them another name",
                )
    return tuple(found.values())


def _taken(network: ir.Network, renamings: tuple[Renaming, ...]) -> Taken:
    """The names that a `let` of the table must not hide."""
    names = {o.name for i in network.instances for o in i.program.operators}
    for renaming in renamings:
        names.update(renaming.variables.values(), renaming.config.values())
        names.update(ruleset.name for ruleset in renaming.rulesets.values())
    return Taken(names)


def _init(rewriter: Rewriter, taken: Taken) -> tuple[ir.Stmt, ...]:
    """The `init`s one after the other; the packet that they see has no field and no tag."""
    statements: list[ir.Stmt] = []
    for index, instance in enumerate(rewriter.network.instances):
        path = Path(None, index, dummy=True)
        statements += _renamed(rewriter, path, instance.program.init, taken)
    return tuple(statements)


def _renamed(
    rewriter: Rewriter, path: Path, statements: tuple[ir.Stmt, ...], taken: Taken
) -> tuple[ir.Stmt, ...]:
    found: list[ir.Stmt] = []
    for statement in statements:
        changed = map_expressions(statement, lambda e: rewriter.kept(path, e))
        match changed:
            case ir.SetField():
                continue
            case ir.SetTag(name=name):
                changed = replace(changed, name=rewriter.tag_name(path, name))
            case ir.Write(var=var) | ir.Delete(var=var):
                changed = replace(changed, var=rewriter.variable(path, var))
            case ir.Let(name=name):
                path.renamed[name] = taken.fresh(name)
                changed = replace(changed, name=path.renamed[name])
            case ir.If(then=then, otherwise=otherwise):
                changed = replace(
                    changed,
                    then=_renamed(rewriter, path, then, taken),
                    otherwise=_renamed(rewriter, path, otherwise, taken),
                )
            case ir.While(body=body):
                changed = replace(changed, body=_renamed(rewriter, path, body, taken))
            case ir.Table(entries=entries):
                changed = ir.Table(
                    tuple(
                        ir.Entry(
                            e.name,
                            tuple(rewriter.kept(path, c) for c in e.match_flow),
                            tuple(rewriter.kept(path, c) for c in e.match_state),
                            _renamed(rewriter, path, e.body, taken),
                        )
                        for e in entries
                    )
                )
            case _:
                pass
        found.append(changed)
    return tuple(found)


def _invariants(rewriter: Rewriter) -> tuple[ir.Invariant, ...]:
    """What was true of an NF's state is true of it here. (Properties are of one NF's packets.)"""
    return tuple(
        ir.Invariant(rewriter.kept(Path(None, index), invariant.expr))
        for index, instance in enumerate(rewriter.network.instances)
        for invariant in instance.program.invariants
    )


def _seeing_non_ip(program: ir.Program) -> ir.Program:
    """Frames that are not IP enter only what mentions a link field (decision 20): mention one."""
    (first, *others) = (e for s in program.body if isinstance(s, ir.Table) for e in s.entries)
    taken = Taken({n.name for n in ir.walk(program.body) if isinstance(n, ir.Let)})
    mention = ir.Let(taken.fresh("ethertype"), ir.Field("ethertype"))
    first = replace(first, body=(mention, *first.body))
    return replace(program, body=(ir.Table((first, *others)),))


def _config(network: ir.Network, rewriter: Rewriter, program: ir.Program) -> tuple[ir.Config, ...]:
    """The configuration that the table still mentions."""
    mentioned = {n.name for n in ir.walk(program.init + program.body) if isinstance(n, ir.Const)}
    return tuple(
        replace(config, name=renaming.config[config.name])
        for instance, renaming in zip(network.instances, rewriter.renamings, strict=True)
        for config in instance.program.config
        if renaming.config[config.name] in mentioned
    )
