"""What is wrong with a model, and odd about it, as far as no solver is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise, product

from nfverify.lang import ast
from nfverify.lang.files import DISK, Files
from nfverify.lang.source import Diagnostic, ModelError, Span
from nfverify.packet.fields import FIELDS, PROTOCOL_BITS
from nfverify.smat import ir
from nfverify.smat.load import Module, open_target
from nfverify.smat.network import build
from nfverify.smat.program import Lowered, all_statements, declared
from nfverify.smat.report import Report, in_order
from nfverify.smat.scope import nearest_field

Check = Callable[[ir.Network], Iterable[Diagnostic]]
"""A further check of a model without errors, say one that needs a solver."""

Node = ir.Expr | ir.Stmt | ir.Entry

MAX_ATOMS = 10  # of a table, for the proof that it has no gap


def check_file(
    path: str, *, extra_checks: Sequence[Check] = (), files: Files = DISK
) -> list[Diagnostic]:
    """All that is wrong with a model, and odd about it, in the order of the text.

    With `extra_checks`, gaps are left to them. Never raises ModelError.
    """
    report = Report()
    networks: list[ir.Network] = []
    try:
        module, _ = open_target(report, str(path), files=files)
        networks = _networks(report, module)
        if not report.errors:
            _unused_at_top(report, module)
    except ModelError as error:
        with suppress(ModelError):  # which says that there are enough of them
            report.include(error)
    if report.errors:
        return in_order([*report.errors, *report.warnings])
    shown = {d.span.source.name for d in report.warnings} | {module.source.name}
    shown -= {other.source.name for other in module.reach()[1:]}
    found = [d for d in report.warnings if d.span.source.name in shown]
    for network in networks:
        for check in extra_checks:
            found.extend(check(network))
        if not extra_checks:
            for instance in network.instances:
                found.extend(gaps(instance.program))
    unique = {(d.code, d.span.source.name, d.span.start, d.message): d for d in found}
    return in_order([d for d in unique.values() if d.span.source.name in shown])


def _networks(report: Report, module: Module) -> list[ir.Network]:
    """The network of each program and chain of the file; warnings of each program."""
    networks: list[ir.Network] = []
    used: set[str] = set()
    lowered: list[Lowered] = []
    for item in module.own().values():
        before = len(report.errors)
        try:
            network, programs = build(report, item, module)
        except ModelError as error:
            report.include(error)
            continue
        if len(report.errors) == before:
            networks.append(network)
        for one in programs:
            used |= one.used
            if isinstance(item, ast.Program):
                lowered.append(one)
    if not report.errors:
        written = _written_tags(module)
        for one in lowered:
            _program(report, one, written)
        _unused_tags(report, module, {tag for one in lowered for tag in one.tags_read})
        for name, span in _top_names(module):
            if name not in used and module.own():
                report.warn(span, "unused", f"`{name}` is never used")
    return networks


# Unused things ----------------------------------------------------------------------------


def _top_names(module: Module) -> Iterator[tuple[str, Span]]:
    for item in module.file.items:
        if isinstance(item, ast.Variable | ast.Rule | ast.Ruleset | ast.Function | ast.Operator):
            yield item.name, item.span


def _unused_at_top(report: Report, module: Module) -> None:
    """Names of the file that a program of it hides."""
    outer = {name for name, _ in _top_names(module)}
    for item in module.own().values():
        if isinstance(item, ast.Program):
            for inner in item.items:
                for name in declared(inner):
                    if name in outer:
                        message = f"`{name}` hides the one at the top of the file"
                        report.warn(inner.span, "hidden", message)


def _written_tags(module: Module) -> set[str]:
    return {
        target.name
        for reached in module.reach()
        for item in reached.file.items
        if not isinstance(item, ast.Chain | ast.Import)
        for node in all_statements(item.items if isinstance(item, ast.Program) else [item])
        if isinstance(node, ast.Assign)
        for target in [node.target]
        if isinstance(target, ast.FieldRef)
    }


def _unused_tags(report: Report, module: Module, read: set[str]) -> None:
    """Tags that are declared or assigned in this file and never read."""
    for item in module.file.items:
        if isinstance(item, ast.Chain | ast.Import):
            continue
        items = item.items if isinstance(item, ast.Program) else (item,)
        for one in items:
            if isinstance(one, ast.Tag):
                for name in one.names:
                    if name not in read:
                        report.warn(one.span, "unused", f"the tag `{name}` is never read")
                        read = read | {name}
        for node in all_statements(items):
            if isinstance(node, ast.Assign) and isinstance(node.target, ast.FieldRef):
                name = node.target.name
                if name in read or name in FIELDS or name in (*PROTOCOL_BITS, "output"):
                    continue
                if node.value != ast.Keyword("DROP"):
                    near = nearest_field(name)
                    hint = f"did you mean the field `{near}`?" if near else ""
                    message = f"the tag `{name}` is never read"
                    report.warn(node.target.span, "unused", message, hint)
                    read = read | {name}


def _program(report: Report, lowered: Lowered, written_tags: set[str]) -> None:
    """The warnings of one program."""
    program, node = lowered.program, lowered.node
    nodes = list(_nodes(program))
    read = {n.var for n in nodes if isinstance(n, ir.Read | ir.Has)}
    written = {n.var for n in nodes if isinstance(n, ir.Write)}
    state = {variable.name: variable for variable in program.state}
    for item in node.items:
        for name in declared(item):
            if isinstance(item, ast.Interfaces) or name in read:
                continue
            variable = state.get(name)
            if name not in lowered.used:
                report.warn(item.span, "unused", f"`{name}` is never used")
            elif variable is not None and not variable.constant:
                report.warn(item.span, "never-read", f"`{name}` is written and never read")
        if isinstance(item, ast.Variable):
            _granularity(report, item)
        if isinstance(item, ast.Entry):
            _repeated_blocks(report, item)
    for name, variable in state.items():
        unassigned = variable.constant or (variable.aged and name not in written)
        if unassigned and name in read and not variable.entries:
            message = f"`{name}` is never assigned: it is constant, and empty"
            report.warn(variable.span, "never-assigned", message)
    for name, span in lowered.tags_read.items():
        if name not in written_tags:
            message = f"the tag `{name}` is only read: it is always 0"
            report.warn(span, "tag", message, "assign it, or correct the name")
    _ports(report, program, nodes)
    _lets(report, nodes)
    for statement in program.body:
        if isinstance(statement, ir.Table):
            _entries(report, statement)
            for entry in statement.entries:
                _rewritten_keys(report, entry.body)


def _repeated_blocks(report: Report, entry: ast.Entry) -> None:
    """Two blocks of one kind in a row, which are one."""
    for first, second in pairwise(entry.blocks):
        if type(first) is type(second) and first.kind == second.kind:
            what = "match" if isinstance(second, ast.MatchBlock) else "action"
            message = f"a second `{what}_{second.kind}` right after the first"
            report.warn(second.span, "repeated-block", message, "write them as one block")


def _nodes(program: ir.Program) -> Iterator[Node]:
    claims = [i.expr for i in program.invariants] + [p.expr for p in program.properties]
    return ir.walk((*program.init, *program.body, *claims))


def _granularity(report: Report, item: ast.Variable) -> None:
    for four, six in (("sip", "sip6"), ("dip", "dip6")):
        if four in item.granularity and six not in item.granularity:
            message = f"all IPv6 hosts share one instance of `{item.name}`"
            report.warn(item.span, "granularity", message, f"add {six} to {four}")


def _ports(report: Report, program: ir.Program, nodes: list[Node]) -> None:
    if len(program.ports) < 3:
        return
    outputs = [n.output for n in nodes if isinstance(n, ir.SetOutput)]
    if not any(isinstance(output, ir.Ports) for output in outputs):
        message = f"{len(program.ports)} ports, and no action names one: only two are used"
        report.warn(program.span, "ports", message, "write f[output] = PORT;")


def _lets(report: Report, nodes: list[Node]) -> None:
    used = {node.name for node in nodes if isinstance(node, ir.Local)}
    lets = [node for node in nodes if isinstance(node, ir.Let)]
    read = {node.span for node in lets if node.name in used}
    for node in lets:
        if node.name not in used and node.span not in read:
            report.warn(node.span, "unused", "this `let` is never used")


# Tables -----------------------------------------------------------------------------------


def _entries(report: Report, table: ir.Table) -> None:
    """Rows behind one that takes everything, or that say the same again."""
    seen: set[frozenset[ir.Expr]] = set()
    names: set[str] = set()
    caught: ir.Entry | None = None
    for entry in table.entries:
        if entry.name and entry.name in names:
            report.warn(entry.span, "duplicate", f"another entry is called `{entry.name}`")
        names.add(entry.name)
        if caught is not None:
            message = f"no packet gets here: the entry in line {caught.span.line} takes all"
            report.warn(entry.span, "unreachable", message)
            continue
        parts = frozenset(entry.match_flow + entry.match_state)
        if parts in seen:
            message = "an entry before has the same match, so no packet gets here"
            report.warn(entry.span, "duplicate-entry", message)
        seen.add(parts)
        if not parts:
            caught = entry


def _rewritten_keys(report: Report, body: tuple[ir.Stmt, ...]) -> None:
    """State keyed by a field that the same entry has written before (decision 5), or by one of a
    header that it has pushed."""
    written: set[str] = set()
    pushed = ""
    for statement in body:
        for node in ir.walk((statement,)):
            if isinstance(node, ir.Write | ir.Delete | ir.Touch):
                fields = {f.name for f in ir.walk(node.keys) if isinstance(f, ir.Field)}
                if fields & written:
                    names = ", ".join([f"f[{name}]" for name in sorted(fields & written)])
                    message = f"`{node.var}` is keyed by {names}, which is rewritten already"
                    hint = f"assign `{node.var}` first, or keep the old value by `let`"
                    report.warn(node.span, "rewritten-key", message, hint)
                elif pushed and fields:
                    names = ", ".join([f"f[{name}]" for name in sorted(fields)])
                    message = f"`{node.var}` is keyed by {names} of the {pushed} header just pushed"
                    hint = f"assign `{node.var}` first, or keep the old value by `let`"
                    report.warn(node.span, "rewritten-key", message, hint)
            if isinstance(node, ir.SetField):
                written.add(node.name)
            if isinstance(node, ir.Push | ir.Pop) and node.kind in ir.TUNNELS:
                written.clear()
                pushed = node.kind if isinstance(node, ir.Push) else ""


def gaps(program: ir.Program) -> Iterator[Diagnostic]:
    """Tables that may leave a packet to no entry: those not seen at once to be complete."""
    for statement in program.body:
        if isinstance(statement, ir.Table) and not complete(statement):
            span = statement.entries[-1].span
            message = "a packet that no entry matches is forwarded unchanged"
            hint = "end with `entry { action_flow { pass; } }` or `drop`"
            yield Diagnostic("warning", "gap", message, span, hint)


def complete(table: ir.Table) -> bool:
    """Is the disjunction of the guards true whatever its atoms are? (True is certain.)"""
    guards = [entry.guard for entry in table.entries]
    if any(not entry.match_flow and not entry.match_state for entry in table.entries):
        return True
    atoms: Counter[ir.Expr] = Counter()
    for guard in guards:
        _atoms(guard, atoms)
        if len(atoms) > MAX_ATOMS:
            return False
    names = list(atoms)
    return all(
        any(_holds(guard, dict(zip(names, values, strict=True))) for guard in guards)
        for values in product((False, True), repeat=len(names))
    )


def _atoms(expr: ir.Expr, found: Counter[ir.Expr]) -> None:
    match expr:
        case ir.And(operands=operands) | ir.Or(operands=operands):
            for operand in operands:
                _atoms(operand, found)
        case ir.Not(operand=operand):
            _atoms(operand, found)
        case ir.Const():
            pass
        case ir.Compare():
            found[_positive(expr)[0]] += 1
        case _:
            found[expr] += 1


def _positive(expr: ir.Compare) -> tuple[ir.Compare, bool]:
    """An atom that says the same, or the contrary (then False)."""
    match expr.op:
        case "!=":
            return ir.Compare("==", expr.left, expr.right), False
        case "<=":
            return ir.Compare("<", expr.right, expr.left), False
        case _:
            return expr, True


def _holds(expr: ir.Expr, atoms: dict[ir.Expr, bool]) -> bool:
    match expr:
        case ir.And(operands=operands):
            return all(_holds(operand, atoms) for operand in operands)
        case ir.Or(operands=operands):
            return any(_holds(operand, atoms) for operand in operands)
        case ir.Not(operand=operand):
            return not _holds(operand, atoms)
        case ir.Const(value=value):
            return bool(value)
        case ir.Compare():
            atom, same = _positive(expr)
            return atoms[atom] == same
        case _:
            return atoms[expr]
