"""The syntax tree of an .nfd file, with both spellings of the language already made one.

Nodes are frozen and compare by structure; spans are left out of equality, so that
parse(print(tree)) == tree. Nothing here is resolved or typed: that is smat's work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nfverify.lang.source import NOWHERE, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Base of all nodes: where it stands."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)


# Types ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamedType(Node):
    """bool int IP IP6 MAC port time bytes flow rule ruleset."""

    name: str


@dataclass(frozen=True, slots=True)
class BitType(Node):
    width: int


@dataclass(frozen=True, slots=True)
class SetType(Node):
    element: Type


@dataclass(frozen=True, slots=True)
class MapType(Node):
    key: Type
    value: Type


@dataclass(frozen=True, slots=True)
class TupleType(Node):
    items: tuple[Type, ...]


Type = NamedType | BitType | SetType | MapType | TupleType

# Expressions ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(Node):
    """An integer; `unit` is "" or one of ns us ms s m h (value is as written, before the unit)."""

    value: int
    unit: str = ""
    hexadecimal: bool = False


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    value: bool


@dataclass(frozen=True, slots=True)
class Address4(Node):
    """An IPv4 address, or a prefix if `length` is given; host bits are kept as written."""

    value: int
    length: int | None = None


@dataclass(frozen=True, slots=True)
class Address6(Node):
    value: int
    length: int | None = None


@dataclass(frozen=True, slots=True)
class MacAddress(Node):
    value: int


@dataclass(frozen=True, slots=True)
class String(Node):
    """A double-quoted literal: bytes (UTF-8), or a file name."""

    value: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A variable, rule, port or `f`; `primed` is the value after the step (properties only)."""

    name: str
    primed: bool = False


@dataclass(frozen=True, slots=True)
class FieldRef(Node):
    """f[name], f'[name] or f_dmy[name]."""

    name: str
    packet: Literal["f", "f'", "f_dmy"] = "f"


@dataclass(frozen=True, slots=True)
class Index(Node):
    """base[index]: a map, a granular variable, or a component of a tuple or flow."""

    base: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class SetLiteral(Node):
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class MapLiteral(Node):
    items: tuple[tuple[Expr, Expr], ...]


@dataclass(frozen=True, slots=True)
class TupleLiteral(Node):
    """(a, b, …), two or more."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Range(Node):
    """lo-hi in a rule."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Wildcard(Node):
    """* in a rule."""


@dataclass(frozen=True, slots=True)
class RuleField(Node):
    """One test of a rule: field:value."""

    name: str
    value: Number | Range | Wildcard | Address4 | Address6 | Name


@dataclass(frozen=True, slots=True)
class RuleLiteral(Node):
    """sip:10.0.0.0/8, dport:80-90, proto:tcp — a conjunction of tests."""

    fields: tuple[RuleField, ...]


UnaryOp = Literal["!", "~", "-"]
# "!" is `! not ¬` (bool only); "~" is logical on bool, bitwise on numbers.


@dataclass(frozen=True, slots=True)
class Unary(Node):
    op: UnaryOp
    operand: Expr


BinaryOp = Literal[
    "+", "-", "*", "/", "%", "|", "&", "^", "\\", "<<", ">>",
    "==", "!=", "<", "<=", ">", ">=", "in", "not in", "matches", "mismatches",
]  # fmt: skip
# "|" is also set union and "&" intersection (∪ ∩); "=" read as equality in a match is "==".


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`single_equals` remembers `=` for `==`, which is warned about and not printed."""

    op: BinaryOp
    left: Expr
    right: Expr
    single_equals: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Logical(Node):
    """&& || ->; n-ary for && and ||, so long conjunctions stay flat. "->" (properties) has two."""

    op: Literal["&&", "||", "->"]
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Call(Node):
    """name(args): a built-in or user operator, func, timer, reverse, load, hash, NAT, …"""

    name: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Keyword(Node):
    """DROP, IFACE, resubmit, or ε as a value of an output assignment (ε is DROP)."""

    name: Literal["DROP", "IFACE", "resubmit"]


Expr = (
    Number | Boolean | Address4 | Address6 | MacAddress | String | Name | FieldRef | Index
    | SetLiteral | MapLiteral | TupleLiteral | RuleLiteral
    | Unary | Binary | Logical | Conditional | Call | Keyword
)  # fmt: skip

# Statements -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assign(Node):
    """target = value. `x++`, `x--` are kept as `x = x + 1`, `x = x - 1`."""

    target: Expr
    value: Expr


@dataclass(frozen=True, slots=True)
class Pass(Node):
    pass


@dataclass(frozen=True, slots=True)
class Drop(Node):
    pass


@dataclass(frozen=True, slots=True)
class Resubmit(Node):
    pass


@dataclass(frozen=True, slots=True)
class ExprStatement(Node):
    """A bare expression: no effect (warned)."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class Let(Node):
    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Choose(Node):
    """choose name in low..high where condition."""

    name: str
    low: Expr
    high: Expr
    where: Expr | None


@dataclass(frozen=True, slots=True)
class Delete(Node):
    target: Expr


@dataclass(frozen=True, slots=True)
class Touch(Node):
    target: Expr


HeaderKind = Literal["vlan", "ipip", "vxlan"]


@dataclass(frozen=True, slots=True)
class Push(Node):
    """push kind(arg, …): a header in front of the packet."""

    kind: HeaderKind
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Pop(Node):
    """pop kind: the outermost header off."""

    kind: HeaderKind


@dataclass(frozen=True, slots=True)
class If(Node):
    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class While(Node):
    condition: Expr
    bound: int
    body: tuple[Statement, ...]


Statement = (
    Assign | Pass | Drop | Resubmit | ExprStatement | Let | Choose | Delete | Touch | Push | Pop
    | If | While
)  # fmt: skip

# Entries and declarations -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MatchBlock(Node):
    """match_flow or match_state; several conditions are conjoined (an empty one is true)."""

    kind: Literal["flow", "state"]
    condition: Expr | None


@dataclass(frozen=True, slots=True)
class ActionBlock(Node):
    kind: Literal["flow", "state"]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Entry(Node):
    """One row of the table; `entry NAME { … }` names it (our extension)."""

    blocks: tuple[MatchBlock | ActionBlock, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """State or configuration: type, optional granularity, initial value, time-out, capacity."""

    type: Type
    name: str
    granularity: tuple[str, ...] = ()
    value: Expr | None = None
    timeout: Number | None = None
    capacity: int | None = None
    overflow: Literal["reject", "evict oldest"] | None = None


@dataclass(frozen=True, slots=True)
class Rule(Node):
    name: str
    value: RuleLiteral


@dataclass(frozen=True, slots=True)
class Ruleset(Node):
    """ruleset NAME = {rule, …};  (names or literals)  or  = load("file.csv");"""

    name: str
    rules: tuple[RuleLiteral | Name, ...] | None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Interfaces(Node):
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tag(Node):
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operator(Node):
    """op name(T, …) -> T;"""

    name: str
    parameters: tuple[Type, ...]
    result: Type


@dataclass(frozen=True, slots=True)
class Function(Node):
    """func name(T x, …) -> T = expr;"""

    name: str
    parameters: tuple[tuple[Type, str], ...]
    result: Type
    body: Expr


@dataclass(frozen=True, slots=True)
class Init(Node):
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Every(Node):
    period: Number
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Property(Node):
    """property name: expr;  or  property name(T x, …): expr;  for all values of x, …"""

    name: str
    expr: Expr
    parameters: tuple[tuple[Type, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ReadyMade(Node):
    """property name(argument, …);  one of the ready-made properties."""

    name: str
    arguments: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Invariant(Node):
    expr: Expr


Declaration = (
    Variable | Rule | Ruleset | Interfaces | Tag | Operator | Function | Init | Every
    | Property | ReadyMade | Invariant
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Program(Node):
    """One NF: declarations, entries and statements in the order of the text."""

    name: str
    items: tuple[Declaration | Entry | Statement, ...]


@dataclass(frozen=True, slots=True)
class ChainNode(Node):
    """A mention of an NF: NAME(overrides)[.port] [as ALIAS]."""

    name: str
    overrides: tuple[tuple[str, Expr], ...] = ()
    alias: str | None = None
    port: str | None = None


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """chain NAME = path, path, …;  each path is a -> b -> c. In a graph, a mention by alias or by
    the name of a node already mentioned in the same chain after a comma is that same instance."""

    name: str
    paths: tuple[tuple[ChainNode, ...], ...]


@dataclass(frozen=True, slots=True)
class Import(Node):
    file: str


@dataclass(frozen=True, slots=True)
class File(Node):
    """A whole file; `version` is the number after `nfd`, if stated."""

    items: tuple[Import | Declaration | Program | Chain, ...]
    version: int | None = None
