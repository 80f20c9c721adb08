"""Do the expressions of a plan mention only what they may? What they say is proved elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nfverify.fastpath.plan import Class, Path, Plan
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir


def misformed(plan: Plan) -> Iterator[str]:
    """What is wrong with the form of a plan, in words."""
    check = _Check(plan)
    yield from check.exprs("what is served", (*plan.served, plan.kept), state=False)
    for name in plan.key:
        if name not in FIELDS:
            yield f"the key has no field {name}"
    for name in (*plan.epoch, *(w.var for c in plan.classes for w in c.watches)):
        if name not in check.variables:
            yield f"an event of {name}, which is no variable of the chain"
    for class_ in plan.classes:
        yield from check.class_(class_)


class _Check:
    def __init__(self, plan: Plan) -> None:
        self.variables = dict(plan.variables())

    def class_(self, class_: Class) -> Iterator[str]:
        where, names = class_.name, frozenset(v.name for v in class_.values)
        yield from self.exprs(f"the condition of {where}", class_.condition)
        yield from self.exprs(f"the values of {where}", [v.expr for v in class_.values])
        if len(names) < len(class_.values):
            yield f"{where} has two values of one name"
        for watch in class_.watches:
            yield from self.exprs(f"a watch of {where}", watch.keys, names)
            variable = self.variables.get(watch.var)
            if variable is not None and len(variable.keys) != len(watch.keys):
                yield f"a watch of {where} has keys that {watch.var} has not"
        for path in class_.paths:
            yield from self.path(path, f"{where}, {path.name}", names)

    def path(self, path: Path, where: str, names: frozenset[str]) -> Iterator[str]:
        yield from self.exprs(where, (*path.residual, *path.outputs), names)
        yield from self.exprs(where, [e for _, e in path.header.modify], names)
        yield from self.exprs(where, [e for p in path.header.pushes for e in p.args], names)
        for name in (*dict(path.header.modify), *path.header.summed):
            if name not in FIELDS or not FIELDS[name].writable:
                yield f"{where} writes {name}"
        if len(dict(path.header.modify)) < len(path.header.modify):
            yield f"{where} writes a field twice"
        for function in path.functions:
            for write in function.writes:
                values = write.values if isinstance(write, ir.Write) else ()
                yield from self.exprs(where, (*write.keys, *values), names)
                variable = self.variables.get(write.var)
                if variable is None or variable.constant:
                    yield f"{where} writes {write.var}"
        members = [m for group in path.parallel for m in group]
        if len(set(members)) < len(members) or not set(members) <= set(range(len(path.functions))):
            yield f"{where} has groups that are none of its functions"

    def exprs(
        self,
        where: str,
        exprs: Iterable[ir.Expr],
        names: frozenset[str] = frozenset(),
        *,
        state: bool = True,
    ) -> Iterator[str]:
        for node in ir.walk(tuple(exprs)):
            match node:
                case ir.Local(name=name) if name not in names:
                    yield f"{where} mentions {name}, which the record has not"
                case ir.Read(var=var) | ir.Has(var=var) if not state:
                    yield f"{where} depends on {var}"
                case ir.Read(var=var) | ir.Has(var=var) if var not in self.variables:
                    yield f"{where} reads {var}, which is no variable of the chain"
                case ir.Field(name=name) if name not in FIELDS:
                    yield f"{where} reads a field {name}"
                case ir.Tag() | ir.Post() | ir.Dropped() | ir.OutputPort():
                    yield f"{where} mentions what only models may"
                case _:
                    pass
