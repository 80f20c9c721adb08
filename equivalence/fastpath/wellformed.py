"""Do the expressions of a plan mention only what they may? What they say is proved elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from nfverify.fastpath.plan import Class, Path, Plan
from nfverify.packet.fields import FIELDS
from nfverify.smat import ir


def misformed(plan: Plan) -> Iterator[str]:
    """What is wrong with the form of a plan, in words."""
    check = _Check(plan)
    yield from check.truths("what is served", (*plan.served, plan.kept), state=False)
    for name in plan.key:
        if name not in FIELDS:
            yield f"the key has no field {name}"
    for name in plan.epoch:
        if name not in check.variables:
            yield f"an event of {name}, which is no variable of the chain"
    for class_ in plan.classes:
        yield from check.class_(class_)


class _Check:
    """Names and types, of which the solver knows nothing: to it a term is so many bits."""

    def __init__(self, plan: Plan) -> None:
        self.variables = dict(plan.variables())

    def class_(self, class_: Class) -> Iterator[str]:
        where = class_.name
        values = {v.name: v.expr.type for v in class_.values}
        yield from self.truths(f"the condition of {where}", class_.condition)
        yield from self.exprs(f"the values of {where}", [v.expr for v in class_.values])
        if len(values) < len(class_.values):
            yield f"{where} has two values of one name"
        for watch in class_.watches:
            yield from self.exprs(f"a watch of {where}", watch.keys, values)
            yield from self.row(f"a watch of {where}", watch.var, watch.keys)
        for path in class_.paths:
            yield from self.path(path, f"{where}, {path.name}", values)

    def path(self, path: Path, where: str, values: Mapping[str, ir.Type]) -> Iterator[str]:
        yield from self.truths(where, path.residual, values)
        header = path.header
        yield from self.exprs(where, path.outputs, values)
        if not all(isinstance(e.type, ir.Bits) for e in path.outputs):
            yield f"{where} has a port that is no number"
        for push in header.pushes:
            yield from self.exprs(where, push.args, values)
            if tuple(e.type for e in push.args) != ir.PUSHED.get(push.kind):
                yield f"{where} pushes a {push.kind} with what it has not"
        for name, expr in header.modify:
            yield from self.exprs(where, (expr,), values)
            if name not in FIELDS or not FIELDS[name].writable:
                yield f"{where} writes {name}"
            elif expr.type != ir.field_type(name):
                yield f"{where} writes a value of another type to {name}"
        if len(dict(header.modify)) < len(header.modify):
            yield f"{where} writes a field twice"
        for function in path.functions:
            for write in function.writes:
                yield from self.write(write, where, values)
        members = [m for group in path.parallel for m in group]
        if len(set(members)) < len(members) or not set(members) <= set(range(len(path.functions))):
            yield f"{where} has groups that are none of its functions"

    def write(
        self, write: ir.Write | ir.Delete, where: str, values: Mapping[str, ir.Type]
    ) -> Iterator[str]:
        given = write.values if isinstance(write, ir.Write) else ()
        yield from self.exprs(where, (*write.keys, *given), values)
        yield from self.row(where, write.var, write.keys)
        variable = self.variables.get(write.var)
        if variable is None or variable.constant:
            yield f"{where} writes {write.var}"
        elif isinstance(write, ir.Write) and variable.values != tuple(e.type for e in given):
            yield f"{where} writes values of other types to {write.var}"

    def row(self, where: str, var: str, keys: Sequence[ir.Expr]) -> Iterator[str]:
        """Are these keys of the variable?"""
        variable = self.variables.get(var)
        if variable is None:
            yield f"{where} is about {var}, which is no variable of the chain"
        elif variable.keys != tuple(k.type for k in keys):
            yield f"{where} has keys that {var} has not"

    def truths(
        self,
        where: str,
        exprs: Iterable[ir.Expr],
        values: Mapping[str, ir.Type] = MappingProxyType({}),
        *,
        state: bool = True,
    ) -> Iterator[str]:
        exprs = tuple(exprs)
        yield from self.exprs(where, exprs, values, state=state)
        if any(e.type != ir.BOOL for e in exprs):
            yield f"{where} holds what is neither true nor false"

    def exprs(
        self,
        where: str,
        exprs: Iterable[ir.Expr],
        values: Mapping[str, ir.Type] = MappingProxyType({}),
        *,
        state: bool = True,
    ) -> Iterator[str]:
        for node in ir.walk(tuple(exprs)):
            match node:
                case ir.Local(name=name) if name not in values:
                    yield f"{where} mentions {name}, which the record has not"
                case ir.Read(var=var) | ir.Has(var=var) if not state:
                    yield f"{where} depends on {var}"
                case ir.Read(var=var, keys=keys) | ir.Has(var=var, keys=keys):
                    yield from self.row(where, var, keys)
                case ir.Field(name=name) if name not in FIELDS:
                    yield f"{where} reads a field {name}"
                    return
                case (
                    ir.Tag() | ir.Post() | ir.Dropped() | ir.OutputPort() | ir.OutOfBounds()
                    | ir.Since() | ir.Total()
                ):  # fmt: skip
                    yield f"{where} mentions what only models may"
                case _:
                    pass
            if not self.typed(node, values):
                yield f"{where} has an expression whose types don't fit"

    def typed(self, node: ir.Expr | ir.Stmt | ir.Entry, values: Mapping[str, ir.Type]) -> bool:
        """Do the parts have the types that the node needs?"""
        match node:
            case ir.Local(name=name, type=type_):
                return name not in values or values[name] == type_
            case ir.Read(var=var, index=index, type=type_):
                variable = self.variables.get(var)
                return variable is None or variable.values[index : index + 1] == (type_,)
            case ir.Not(operand=operand):
                return operand.type == ir.BOOL
            case ir.And(operands=operands) | ir.Or(operands=operands):
                return all(o.type == ir.BOOL for o in operands)
            case ir.Arithmetic(left=left, right=right, type=type_):
                return isinstance(type_, ir.Bits) and left.type == right.type == type_
            case ir.Compare(left=left, right=right):
                return left.type == right.type
            case ir.Conditional(condition=test, then=then, otherwise=other, type=type_):
                return test.type == ir.BOOL and then.type == other.type == type_
            case ir.Const(value=value, type=type_):
                return fits(value, type_)
            case _:
                return True


def fits(value: ir.Value, type_: ir.Type) -> bool:
    """Is it a value of the type?"""
    match type_:
        case ir.Bool():
            return isinstance(value, bool)
        case ir.Bytes():
            return isinstance(value, bytes)
        case ir.Bits():
            plain = isinstance(value, int) and not isinstance(value, bool)
            return plain and ir.wrap(int(value), type_) == value
