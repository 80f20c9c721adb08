"""Variables that only timers and a single source, named by the model, ever write: backends' health,
routes, gates. What rests on them changes seldom, and all at once."""

from __future__ import annotations

from collections.abc import Iterator

from nfverify.equivalence.consolidate.rewrite import conjuncts
from nfverify.fastpath.plan import qualified
from nfverify.smat import ir


def controlled(network: ir.Network) -> frozenset[str]:
    """Their names, as plans have them."""
    found: set[str] = set()
    others: set[str] = set()
    for instance in network.instances:
        ticking = {name for timer in instance.program.timers for name, _ in timer.tags}
        for var, control in _writes(instance.program.body, ticking, False):
            (found if control else others).add(qualified(instance.name, var))
    return frozenset(found - others)


def _writes(
    statements: tuple[ir.Stmt, ...], ticking: set[str], control: bool
) -> Iterator[tuple[str, bool]]:
    """Each variable written, and whether under the condition that control is at work."""
    stack = [(s, control) for s in statements]
    while stack:
        statement, inside = stack.pop()
        match statement:
            case ir.Write(var=var) | ir.Delete(var=var) | ir.Touch(var=var):
                yield var, inside
            case ir.If(condition=test, then=then, otherwise=otherwise):
                stack += [(s, inside or _is_control(test, ticking)) for s in then]
                stack += [(s, inside) for s in otherwise]
            case ir.While(body=body):
                stack += [(s, inside) for s in body]
            case ir.Table(entries=entries):
                for entry in entries:
                    within = inside or _is_control(entry.guard, ticking)
                    stack += [(s, within) for s in entry.body]
            case _:
                pass


def _is_control(test: ir.Expr, ticking: set[str]) -> bool:
    return any(_names_control(part, ticking) for part in conjuncts(test))


def _names_control(condition: ir.Expr, ticking: set[str]) -> bool:
    match condition:
        case ir.Compare(op="==", left=left, right=right):
            return any(
                isinstance(b, ir.Const) and _is_source(a, b, ticking)
                for a, b in ((left, right), (right, left))
            )
        case ir.Match(ruleset=ruleset, args=args):
            places = [i for i, a in enumerate(args) if isinstance(a, ir.Field) and a.name == "sip"]
            return any(
                all(row.bounds[i][0] == row.bounds[i][1] for row in ruleset.rows if row.accept)
                for i in places
            )
        case _:
            return False


def _is_source(expr: ir.Expr, value: ir.Const, ticking: set[str]) -> bool:
    while isinstance(expr, ir.Cast):
        expr = expr.operand
    match expr:
        case ir.Field(name="sip"):
            return True
        case ir.Tag(name=name):
            return name in ticking and value.value != 0
        case _:
            return False
