"""The types of the language, and how their values are laid out as scalars of the IR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nfverify.lang import ast
from nfverify.lang.source import Span
from nfverify.packet.fields import FLOW_FIELDS
from nfverify.smat import ir

MAX_WIDTH = 128
MAX_SCALARS = 64  # of one key or value

NAMED: dict[str, ir.Type] = {
    "bool": ir.BOOL,
    "int": ir.INT,
    "IP": ir.IP,
    "IP6": ir.IP6,
    "MAC": ir.MAC,
    "port": ir.PORT,
    "time": ir.TIME,
    "bytes": ir.BYTES,
}


@dataclass(frozen=True, slots=True)
class Tuple:
    items: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """(sip, dip, sip6, dip6, sport, dport, proto), an absent one 0 (decision 8)."""


@dataclass(frozen=True, slots=True)
class Set:
    element: Type


@dataclass(frozen=True, slots=True)
class Map:
    key: Type
    value: Type


Fail = Callable[[Span, str, str, str], Exception]
"""Notes an error (span, code, message, hint) and gives what is to be raised for it."""

Type = ir.Type | Tuple | Flow | Set | Map

FLOW = Flow()
FLOW_LAYOUT = tuple([ir.field_type(name) for name in FLOW_FIELDS])


def layout(type_: Type) -> tuple[ir.Type, ...]:
    """The scalars that a value of the type consists of; for a map or set, those of its values."""
    match type_:
        case Tuple(items=items):
            return tuple([scalar for item in items for scalar in layout(item)])
        case Flow():
            return FLOW_LAYOUT
        case Set():
            return ()
        case Map(value=value):
            return layout(value)
        case _:
            return (type_,)


def key_layout(type_: Type) -> tuple[ir.Type, ...]:
    """The scalars of the keys of all levels of a map or set; () for anything else."""
    match type_:
        case Set(element=element):
            return layout(element)
        case Map(key=key, value=value):
            return layout(key) + key_layout(value)
        case _:
            return ()


def resolve(node: ast.Type, fail: Fail) -> Type:
    """The type that the text names. `fail(span, code, message, hint)` is called if it is wrong."""
    type_ = _resolve(node, fail)
    if len(layout(type_)) + len(key_layout(type_)) > MAX_SCALARS:
        raise fail(
            node.span, "type", f"a type of more than {MAX_SCALARS} scalars", "use a smaller tuple"
        )
    return type_


def _resolve(node: ast.Type, fail: Fail) -> Type:
    match node:
        case ast.NamedType(name="flow"):
            return FLOW
        case ast.NamedType(name=name) if name in NAMED:
            return NAMED[name]
        case ast.NamedType(name=("rule" | "ruleset") as name):
            raise fail(node.span, "type", f"a {name} is no value", f"write `{name} NAME = …;`")
        case ast.NamedType(name=name):
            from nfverify.smat.report import did_you_mean

            hint = did_you_mean(name, (*NAMED, "flow", "set", "map", "bit"))
            known = "the types are bool int bit<N> IP IP6 MAC port time bytes flow set map"
            raise fail(node.span, "unknown-type", f"unknown type `{name}`{hint}", known)
        case ast.BitType(width=width):
            if not 1 <= width <= MAX_WIDTH:
                message = f"bit<{width}>: a width is from 1 to {MAX_WIDTH}"
                raise fail(node.span, "width", message, "")
            return ir.Bits(width)
        case ast.TupleType(items=items):
            return Tuple(tuple([_value(item, "an item of a tuple", fail) for item in items]))
        case ast.SetType(element=element):
            return Set(_value(element, "an element of a set", fail))
        case ast.MapType(key=key, value=value):
            of_key, of_value = _value(key, "a key of a map", fail), _resolve(value, fail)
            if isinstance(of_value, Set):
                hint = f"use set<({show(of_key)}, {show(of_value.element)})>"
                raise fail(value.span, "type", "a set can't be a value of a map", hint)
            return Map(of_key, of_value)


def _value(node: ast.Type, what: str, fail: Fail) -> Type:
    type_ = _resolve(node, fail)
    if isinstance(type_, Set | Map):
        hint = "a nested map is map<K, map<L, V>>; a tuple key is map<(K, L), V>"
        raise fail(node.span, "type", f"{show(type_)} can't be {what}", hint)
    return type_


def show(type_: Type) -> str:
    """The type as a model spells it."""
    match type_:
        case ir.Bool():
            return "bool"
        case ir.Bytes():
            return "bytes"
        case ir.Bits(width=32, signed=True):
            return "int"
        case ir.Bits(width=width, shown=shown):
            named = {"ip": 32, "ip6": 128, "mac": 48, "port": 16, "time": 64}
            if named.get(shown) == width:
                return {"ip": "IP", "ip6": "IP6", "mac": "MAC"}.get(shown, shown)
            return f"bit<{width}>"
        case Tuple(items=items):
            return f"({', '.join(map(show, items))})"
        case Flow():
            return "flow"
        case Set(element=element):
            return f"set<{show(element)}>"
        case Map(key=key, value=value):
            return f"map<{show(key)}, {show(value)}>"


# Numbers convert as in C, by value --------------------------------------------------------


def promote(type_: ir.Bits) -> ir.Bits:
    """What an operand narrower than 32 bits is computed as: int."""
    return ir.INT if type_.width < 32 else type_


def common(left: ir.Bits, right: ir.Bits) -> ir.Bits:
    """The type of an operation on two numbers: int, or unsigned at the larger width."""
    left, right = promote(left), promote(right)
    if left == right:
        return left if left.shown != "int" else right
    wider = left if left.width > right.width or right.signed else right
    return ir.Bits(max(left.width, right.width), shown=wider.shown if not wider.signed else "int")
