"""Which constructs of the IR a network uses, by name; and all that there are."""

from __future__ import annotations

from itertools import product
from typing import get_args

from nfverify.packet.fields import FIELDS
from nfverify.smat import ir
from nfverify.smat.ruleset import COLUMNS

SIZES = (8, 16, 32, 64, 128)
NUMBERS = ("bit", *(f"{sign}{part}{size}" for sign, part, size in product("us", "=<", SIZES)))
TYPES = (*NUMBERS, "bool", "bytes")
RULES = ("0", "1", "2..32", "33..64", "65..")
_IN_PROPERTIES = {"Post", "Dropped", "OutputPort", "OutOfBounds", "Since", "Total"}


def type_name(type_: ir.Type) -> str:
    """Its class: sign, whether it fills the machine's word, and which; `u<32` is bit<17>, say."""
    match type_:
        case ir.Bool():
            return "bool"
        case ir.Bytes():
            return "bytes"
        case ir.Bits(width=1, signed=False):
            return "bit"
        case ir.Bits(width=width, signed=signed):
            size = next(s for s in SIZES if width <= s)
            return f"{'s' if signed else 'u'}{'=' if width == size else '<'}{size}"


def all_constructs() -> set[str]:
    """What 500 programs must have between them."""
    nodes = {t.__name__ for t in (*get_args(ir.Expr), *get_args(ir.Stmt))} - _IN_PROPERTIES
    found = set(nodes)
    found |= {f"{op} {t}" for op in get_args(ir.ArithmeticOp) for t in NUMBERS}
    found |= {f"{op} {t}" for op in get_args(ir.CompareOp) for t in NUMBERS}
    found |= {f"{op} {t}" for op in ("==", "!=") for t in ("bool", "bytes")}
    found |= {f"cast {a} to {b}" for a in (*NUMBERS, "bool") for b in (*NUMBERS, "bool")}
    found |= {f"{what} {t}" for what in ("key", "value", "let") for t in TYPES if t != "let bytes"}
    found -= {"let bytes"}
    found |= {f"read {name}" for name in FIELDS}
    found |= {f"write {name}" for name, info in FIELDS.items() if info.writable}
    found |= {f"{kind} variable" for kind in ("plain", "map", "set", "granular", "constant")}
    found |= {"timeout", "max reject", "max evict oldest", "timeout and max", "entries", "default"}
    found |= {f"{n} keys" for n in range(5)} | {f"{n} values" for n in range(4)}
    found |= {f"output {n}" for n in ("Forward", "Drop", "Resubmit")}
    found |= {"no port", "one port", "two ports", "computed port", "delay", "computed delay"}
    found |= {f"operator {n}" for n in ("hash", "PatternMatch", "Encrypt", "Decrypt", "user")}
    found |= {f"{n} rules" for n in RULES} | {f"column {n}" for n in COLUMNS}
    found |= {"init", "init timer", "table in table", "wire of a port", "wire of the rest"}
    return found


def constructs(network: ir.Network) -> set[str]:
    found: set[str] = set()
    for wire in network.wires:
        found.add("wire of the rest" if wire.port is None else "wire of a port")
    for program in {id(i.program): i.program for i in network.instances}.values():
        found |= {"init"} if program.init else set()
        found |= {"init timer"} if program.timers else set()
        for variable in program.state:
            found |= _variable(variable)
        for node in ir.walk(program.init + program.body):
            found |= {type(node).__name__} | _details(node)
    return found - {"Entry"}


def _variable(variable: ir.StateVar) -> set[str]:
    kind = "constant" if variable.constant else variable.kind
    found = {f"{kind} variable", f"{len(variable.keys)} keys", f"{len(variable.values)} values"}
    found |= {f"key {type_name(t)}" for t in variable.keys}
    found |= {f"value {type_name(t)}" for t in variable.values}
    found |= {"entries"} if variable.entries else set()
    found |= {"default"} if variable.keys and any(variable.default) else set()
    found |= {"timeout"} if variable.timeout is not None else set()
    if variable.capacity is not None:
        found.add(f"max {variable.overflow}")
        found |= {"timeout and max"} if variable.timeout is not None else set()
    return found


def _details(node: ir.Expr | ir.Stmt | ir.Entry) -> set[str]:
    match node:
        case ir.Arithmetic(op=op, type=type_):
            return {f"{op} {type_name(type_)}"}
        case ir.Compare(op=op, left=left):
            return {f"{op} {type_name(left.type)}"}
        case ir.Cast(operand=operand, type=type_):
            return {f"cast {type_name(operand.type)} to {type_name(type_)}"}
        case ir.Field(name=name):
            return {f"read {name}"}
        case ir.SetField(name=name):
            return {f"write {name}"}
        case ir.Let(value=value):
            return {f"let {type_name(value.type)}"}
        case ir.Match(ruleset=ruleset):
            return {f"{_size(len(ruleset.rows))} rules", *(f"column {c}" for c in ruleset.columns)}
        case ir.Apply(op=op):
            built_in = op in ("hash", "PatternMatch", "Encrypt", "Decrypt")
            return {f"operator {op if built_in else 'user'}"}
        case ir.Table(entries=entries):
            inner = any(isinstance(n, ir.Table) for e in entries for n in ir.walk(e.body))
            return {"table in table"} if inner else set()
        case ir.SetOutput(output=output):
            return _output(output)
    return set()


def _size(rows: int) -> str:
    return next(n for n, most in zip(RULES, (0, 1, 32, 64, 1 << 20), strict=True) if rows <= most)


def _output(output: ir.Output) -> set[str]:
    match output:
        case ir.Ports(ports=ports):
            found = {("no port", "one port", "two ports")[min(len(ports), 2)]}
            computed = any(not isinstance(p, ir.Const) for p in ports)
            return found | ({"computed port"} if computed else set())
        case ir.Delay(delay=delay):
            return {"delay"} if isinstance(delay, ir.Const) else {"computed delay"}
        case _:
            return {f"output {type(output).__name__}"}
