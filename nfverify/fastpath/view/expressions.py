"""Expressions of a plan as people read them: over the arriving packet `f` and the chain's state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nfverify.fastpath.plan import HeaderAction, Plan, StateFunction
from nfverify.packet.fields import FLOW_FIELDS
from nfverify.smat import ir
from nfverify.smat.rebuild import mapped_expr
from nfverify.smat.unparse import Printer, Reading


@dataclass
class PlanPrinter(Printer):
    """Texts over all instances of a chain, state by its qualified name. A flow that differs from
    the packet's own is written as `f{sip = r0}`."""

    network_ports: tuple[str, ...] = ()

    def key_text(self, var: str, keys: Sequence[ir.Expr]) -> str:
        """A key of a variable, in brackets; nothing for a variable without keys."""
        return self._key(var, keys)

    def port_text(self, port: ir.Expr) -> str:
        """Where a packet leaves, by the names of the chain's ports."""
        match port:
            case ir.Const(value=int() as number) if number < len(self.network_ports):
                return self.network_ports[number]
            case ir.Conditional(condition=test, then=then, otherwise=other):
                return f"{self.text(test)} ? {self.port_text(then)} : {self.port_text(other)}"
            case _:
                return self.text(port)

    def _compare(self, expr: ir.Compare) -> Reading:
        match expr:
            case ir.Compare(
                op="==" | "!=" as op, left=ir.Field(name="iface"), right=ir.Const(value=int() as n)
            ) if n < len(self.network_ports):
                text = f"f[iface] {op} {self.network_ports[n]}"
                return replace(Printer._compare(self, expr), text=text)
            case _:
                return Printer._compare(self, expr)

    def _flow(self, exprs: Sequence[ir.Expr]) -> str:
        plain = Printer._flow(self, exprs)
        if plain:
            return plain
        changed = [
            f"{name} = {self.text(expr, ir.field_type(name))}"
            for name, expr in zip(FLOW_FIELDS, exprs, strict=True)
            if not _is_own(name, expr)
        ]
        return f"f{{{', '.join(changed)}}}" if changed else "f"


def _is_own(name: str, expr: ir.Expr) -> bool:
    """Is it the packet's own field? (Records serve IPv4, where the addresses of IPv6 are 0.)"""
    if isinstance(expr, ir.Const):
        return name in ("sip6", "dip6") and expr.value == 0
    return isinstance(expr, ir.Field) and expr.name == name


def plan_printer(plan: Plan) -> PlanPrinter:
    """For the expressions of a plan."""
    return PlanPrinter(
        state={name: replace(variable, name=name) for name, variable in plan.variables()},
        operators={o.name: o for i in plan.network.instances for o in i.program.operators},
        network_ports=plan.network.ports,
    )


def function_lines(out: PlanPrinter, function: StateFunction) -> list[str]:
    """One line for each write; the instance's own variables by their plain names."""
    own = f"{function.instance}."
    state = out.state | {
        name.removeprefix(own): replace(v, name=name.removeprefix(own))
        for name, v in out.state.items()
        if name.startswith(own)
    }
    local = replace(out, state=state)
    return [_write_line(local, write, own) for write in function.writes]


def _write_line(out: PlanPrinter, write: ir.Write | ir.Delete, own: str) -> str:
    def short(node: ir.Expr) -> ir.Expr:
        match node:
            case ir.Read(var=var) | ir.Has(var=var):
                return replace(node, var=var.removeprefix(own))
            case _:
                return node

    keys = tuple(mapped_expr(key, short) for key in write.keys)
    var = write.var.removeprefix(own)
    if isinstance(write, ir.Delete):
        return out.statement(ir.Delete(var, keys))[0].removesuffix(";")
    values = tuple(mapped_expr(value, short) for value in write.values)
    match values:
        case [
            ir.Arithmetic(op="+" | "-" as op, left=ir.Read() as old, right=right, type=type_)
        ] if old.var == var and old.keys == keys:
            return f"{out.text(old)} {op}= {out.text(right, type_)}"
        case _:
            return out.statement(ir.Write(var, keys, values))[0].removesuffix(";")


def header_lines(out: Printer, header: HeaderAction) -> list[tuple[str, str]]:
    """The kind (decap, modify, encap) and text of each step."""
    found: list[tuple[str, str]] = [("decap", kind) for kind in header.pops]
    for name, expr in header.modify:
        found.append(("modify", f"{name} = {out.text(expr, ir.field_type(name))}"))
    for push in header.pushes:
        types = ir.PUSHED[push.kind]
        args = [out.text(a, t) for a, t in zip(push.args, types, strict=True)]
        found.append(("encap", f"{push.kind}({', '.join(args)})"))
    return found


def size_of(type_: ir.Type) -> int:
    """Bytes in a record; of a string: its place."""
    match type_:
        case ir.Bool():
            return 1
        case ir.Bits(width=width):
            return next((n for n in (1, 2, 4, 8) if width <= 8 * n), -(-width // 8))
        case ir.Bytes():
            return 8
