"""The SMAT IR: stateful match-action tables as every engine reads them (NFD, §III and Fig. 4).

Names are resolved, every expression is typed, conversions are explicit `Cast`s, configuration is
folded into constants, `func`s are inlined, tuples, flows, sets and nested maps are flattened to
scalars. What is left is small enough to know by heart:

* a state variable maps a tuple of scalars to a tuple of scalars (a plain variable has no keys, a
  set has no values, a nested map has the keys of all its levels);
* an expression is a scalar: bool, bit vector or bytes;
* a program is a list of statements, of which `Table` is the first-match table of entries.

Everything is frozen and compares by structure; spans are left out of equality.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from nfverify.lang import ast
from nfverify.lang.source import NOWHERE, Span
from nfverify.packet.fields import FIELDS, LINK_FIELDS
from nfverify.smat.ruleset import Ruleset

MAX_PASSES = 16  # decision 13: the 17th pass of one packet drops it
MAX_LOOP_BOUND = 1024
MAX_LOOP_PRODUCT = 65536
MAX_CHOICES = 65536  # candidates that one `choose` tries

# Types ------------------------------------------------------------------------------------

Shown = Literal["int", "ip", "ip6", "mac", "port", "time"]


@dataclass(frozen=True, slots=True)
class Bool:
    pass


@dataclass(frozen=True, slots=True)
class Bits:
    """`width` bits; a value is held as a Python int in its own range (negative if signed).

    `shown` says how people read it (10.0.0.1, not 167772161); it has no meaning.
    """

    width: int
    signed: bool = False
    shown: Shown = field(default="int", compare=False)


@dataclass(frozen=True, slots=True)
class Bytes:
    pass


Type = Bool | Bits | Bytes
Value = bool | int | bytes

BOOL = Bool()
INT = Bits(32, signed=True)
IP = Bits(32, shown="ip")
IP6 = Bits(128, shown="ip6")
MAC = Bits(48, shown="mac")
PORT = Bits(16, shown="port")
TIME = Bits(64, shown="time")
BYTES = Bytes()


def zero(type_: Type) -> Value:
    """The value that an absent key or an uninitialised variable reads as."""
    match type_:
        case Bool():
            return False
        case Bits():
            return 0
        case Bytes():
            return b""


def wrap(value: int, type_: Bits) -> int:
    """`value` modulo 2^width, in the range of the type."""
    value &= (1 << type_.width) - 1
    return value - (1 << type_.width) if type_.signed and value >> (type_.width - 1) else value


def field_type(name: str) -> Type:
    """The type of a header field of the current packet."""
    info = FIELDS[name]
    if info.shown == "bytes":
        return BYTES
    return Bits(info.width, shown=info.shown)


# Expressions ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Base of expressions and statements: the text that it comes from."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Const(Node):
    """`name` is the configuration variable or rule that it came from, for people only."""

    value: Value
    type: Type
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Field(Node):
    """A header field of the packet as it is now; 0 or b"" if its header is absent."""

    name: str

    @property
    def type(self) -> Type:
        return field_type(self.name)


@dataclass(frozen=True, slots=True)
class Tag(Node):
    """A tag of the packet: 0 where the packet enters the chain, never on the wire."""

    name: str
    type: Type = INT


@dataclass(frozen=True, slots=True)
class Local(Node):
    """A `let`; names are unique within a program."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Now(Node):
    """The time of the event, ns."""

    type: Type = TIME


@dataclass(frozen=True, slots=True)
class Read(Node):
    """Component `index` of the value of `var` at `keys`; the default if the key is absent."""

    var: str
    keys: tuple[Expr, ...]
    index: int
    type: Type


@dataclass(frozen=True, slots=True)
class Has(Node):
    """Is `keys` in the map or set `var`: assigned and not deleted."""

    var: str
    keys: tuple[Expr, ...]
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class Not(Node):
    operand: Expr
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class And(Node):
    """Conjunction, evaluated left to right, short-circuit; empty is true."""

    operands: tuple[Expr, ...]
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class Or(Node):
    operands: tuple[Expr, ...]
    type: Type = BOOL


ArithmeticOp = Literal["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """Both operands and the result have one `Bits` type; wraps modulo 2^width.

    x / 0 = x % 0 = 0; both truncate toward zero; shifts by the width or more give 0 (the amount is
    read as unsigned); >> is arithmetic on a signed type. (language.md)
    """

    op: ArithmeticOp
    left: Expr
    right: Expr
    type: Type


CompareOp = Literal["==", "!=", "<", "<="]


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """Both operands have one type; == and != on any, < and <= on `Bits` with its own sign."""

    op: CompareOp
    left: Expr
    right: Expr
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    condition: Expr
    then: Expr
    otherwise: Expr
    type: Type


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """By value, as in C: truncates or extends (by the sign of the operand's type); a bool is 0 or
    1; to bool is `!= 0`."""

    operand: Expr
    type: Type


@dataclass(frozen=True, slots=True)
class Match(Node):
    """Does the first rule that matches accept? `args` are the values of `ruleset.columns`."""

    ruleset: Ruleset
    args: tuple[Expr, ...]
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class Apply(Node):
    """A pure operator. Built in: hash, PatternMatch, Encrypt, Decrypt; else one of
    `Program.operators`. For hash, `args` are as written and their types decide the words."""

    op: str
    args: tuple[Expr, ...]
    type: Type


@dataclass(frozen=True, slots=True)
class Post(Node):
    """In a property: a Field, Tag, Read or Has as it is after the step."""

    operand: Expr

    @property
    def type(self) -> Type:
        return self.operand.type


@dataclass(frozen=True, slots=True)
class Dropped(Node):
    """In a property: nothing came out."""

    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class OutputPort(Node):
    """In a property: the port by which the packet came out; 65535 if nothing did."""

    type: Type = PORT


@dataclass(frozen=True, slots=True)
class OutOfBounds(Node):
    """In a property: the step asked for a 17th pass, or for one round more than a loop's bound."""

    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class Since(Node):
    """In a property: `begun` held at an earlier step, and `held` at each one after that."""

    held: Expr
    begun: Expr
    type: Type = BOOL


@dataclass(frozen=True, slots=True)
class Total(Node):
    """In a property: the sum of `amount` (64 bits, wraps) over the steps of the running interval of
    `period` ns, this one included; the first interval begins with the first packet."""

    amount: Expr
    period: int
    type: Type = Bits(64)


Expr = (
    Const | Field | Tag | Local | Now | Read | Has | Not | And | Or | Arithmetic | Compare
    | Conditional | Cast | Match | Apply | Post | Dropped | OutputPort | OutOfBounds | Since | Total
)  # fmt: skip

TRUE = Const(True, BOOL)
FALSE = Const(False, BOOL)

# Outputs and statements -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forward:
    """To the wired successor, else by the other side (decision 22): what a pass begins with."""


@dataclass(frozen=True, slots=True)
class Drop:
    pass


@dataclass(frozen=True, slots=True)
class Ports:
    """A copy to each port, in this order. A value that is no port of the program drops the packet
    for good and counts `bad_port`."""

    ports: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Resubmit:
    """Through the same program again once the pass is over."""


@dataclass(frozen=True, slots=True)
class Delay:
    """timer(delay): resubmit as it is when the pass is over, `delay` ns later."""

    delay: Expr


Output = Forward | Drop | Ports | Resubmit | Delay


@dataclass(frozen=True, slots=True)
class SetField(Node):
    """Ignored if the header is absent. A payload of another length drops the packet for good and
    counts `payload_length`."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class SetTag(Node):
    name: str
    value: Expr


TUNNELS = frozenset({"ipip", "vxlan"})  # the headers that hold a packet, not only a tag
HeaderKind = ast.HeaderKind
PUSHED: dict[HeaderKind, tuple[Type, ...]] = {
    "vlan": (Bits(12),),
    "ipip": (IP, IP),
    "vxlan": (IP, IP, Bits(24)),
}


@dataclass(frozen=True, slots=True)
class Push(Node):
    """Puts a header in front: an 802.1Q tag (its VID), IPv4 (source, destination; RFC 2003), or
    Ethernet, IPv4, UDP and VXLAN (source, destination, VNI; RFC 7348). `args` have the types of
    PUSHED. What can't be pushed, and what drops the packet for good: `nfverify.packet.tunnel`."""

    kind: HeaderKind
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Pop(Node):
    """Takes the outermost header of that kind off; nothing if it isn't there."""

    kind: HeaderKind


@dataclass(frozen=True, slots=True)
class SetOutput(Node):
    """The last one of a pass wins (decision 3)."""

    output: Output


@dataclass(frozen=True, slots=True)
class Write(Node):
    """Assigns all components and makes the key present; keys and values are read before."""

    var: str
    keys: tuple[Expr, ...]
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Delete(Node):
    var: str
    keys: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Touch(Node):
    """Makes a present key the one assigned last, now, with the value that it has (decision 16);
    nothing if the key is absent."""

    var: str
    keys: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Let(Node):
    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Choose(Node):
    """Binds a local to a value of low..high (inclusive) that satisfies `where`: engines take the
    first of MAX_CHOICES. None: the local is `low`, and the packet drops for good (`no_choice`)."""

    name: str
    type: Type
    low: Expr
    high: Expr
    where: Expr


@dataclass(frozen=True, slots=True)
class If(Node):
    condition: Expr
    then: tuple[Stmt, ...]
    otherwise: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class While(Node):
    """At most `bound` rounds; a condition still true then drops the packet for good (the rest of
    the pass runs, a later `pass` doesn't take it back) and counts `loop_limit`."""

    condition: Expr
    bound: int
    body: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Entry(Node):
    """A row: conjuncts over the packet, conjuncts that read state, statements in textual order."""

    name: str
    match_flow: tuple[Expr, ...]
    match_state: tuple[Expr, ...]
    body: tuple[Stmt, ...]

    @property
    def guard(self) -> Expr:
        return And(self.match_flow + self.match_state)


@dataclass(frozen=True, slots=True)
class Table(Node):
    """Adjacent entries: the first whose guard holds in the state and packet at entry to the table
    runs; if none does, nothing happens."""

    entries: tuple[Entry, ...]


Stmt = (
    SetField | SetTag | Push | Pop | SetOutput | Write | Delete | Touch | Let | Choose | If | While
    | Table
)  # fmt: skip

# Programs and networks --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StateVar(Node):
    """A total map from `keys` to `values` with a finite set of present keys.

    A plain variable has no keys and is always present; a set has no values. `default` is what an
    absent key reads as (for a plain variable: its initial value). `entries` are present at the
    start. A `constant` variable is a table that nothing assigns.

    Whatever `timeout` ns or longer ago was assigned last is absent. A new key beyond `capacity`
    present ones is not assigned (`reject`), or takes the place of the key assigned longest ago. A
    variable with either is never constant.
    """

    name: str
    keys: tuple[Type, ...]
    values: tuple[Type, ...]
    default: tuple[Value, ...]
    kind: Literal["plain", "map", "set", "granular"]
    entries: tuple[tuple[tuple[Value, ...], tuple[Value, ...]], ...] = ()
    granularity: tuple[str, ...] = ()
    constant: bool = False
    timeout: int | None = None  # ns
    capacity: int | None = None
    overflow: Literal["reject", "evict oldest"] = "reject"

    @property
    def aged(self) -> bool:
        """Does it matter when, or in which order, its keys were assigned?"""
        return self.timeout is not None or self.capacity is not None


@dataclass(frozen=True, slots=True)
class Config(Node):
    """A configuration variable, for people: its value is already folded in everywhere."""

    name: str
    type: Type
    value: Value


@dataclass(frozen=True, slots=True)
class InitTimer(Node):
    """A dummy packet (all fields 0) with tags, due `delay` ns after the first packet's stamp."""

    tags: tuple[tuple[str, int], ...]
    delay: int


@dataclass(frozen=True, slots=True)
class Invariant(Node):
    """True of every reachable state, for all values of the packet fields that it mentions."""

    expr: Expr


@dataclass(frozen=True, slots=True)
class Property(Node):
    """True of every step, for all values of `variables`, which `expr` has as locals; if it reads
    state alone, true of every state. `title` is what people wrote of a ready-made one; `premise` is
    the left side of `->`."""

    name: str
    expr: Expr
    variables: tuple[tuple[str, Type], ...] = ()
    title: str = field(default="", compare=False)
    premise: Expr | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Operator(Node):
    """A user-supplied pure operator."""

    name: str
    parameters: tuple[Type, ...]
    result: Type


@dataclass(frozen=True, slots=True)
class Program(Node):
    """One NF. `ports` are the numbers of its declared ports in its network, in the order of the
    declaration; () if it declares none (then 0 and 1, and a packet leaves by the other side)."""

    name: str
    ports: tuple[int, ...]
    config: tuple[Config, ...]
    state: tuple[StateVar, ...]
    init: tuple[Stmt, ...]
    timers: tuple[InitTimer, ...]
    body: tuple[Stmt, ...]
    invariants: tuple[Invariant, ...] = ()
    properties: tuple[Property, ...] = ()
    operators: tuple[Operator, ...] = ()

    def variable(self, name: str) -> StateVar:
        return next(v for v in self.state if v.name == name)

    def default_port(self, ingress: int) -> int:
        """Where a forwarded packet leaves by default (decision 22)."""
        first, second = self.ports[:2] if self.ports else (0, 1)
        return second if ingress == first else first

    @property
    def sees_non_ip(self) -> bool:
        """Does it touch a link-layer field, so that non-IP frames enter it (decision 20)? Pushing
        and popping tags and VXLAN do, IPv4 in IPv4 doesn't."""
        return any(
            (isinstance(n, Field | SetField) and n.name in LINK_FIELDS)
            or (isinstance(n, Push | Pop) and n.kind != "ipip")
            for n in walk(self.body)
        )


@dataclass(frozen=True, slots=True)
class Instance:
    """A mention of an NF in a chain, with state of its own."""

    name: str
    program: Program


@dataclass(frozen=True, slots=True)
class Wire:
    """Outputs of instance `source` by `port` go to instance `target`; port None is every port that
    no other wire of the source names, the default among them."""

    source: int
    port: int | None
    target: int


@dataclass(frozen=True, slots=True)
class Network:
    """A chain or graph of NFs (a single NF is one instance): itself an NF.

    `ports` are the names of the network's ports, numbered by position; packets enter `ingress`.
    Instances stand in topological order of the wires. An output by a port without a wire leaves.
    """

    name: str
    ports: tuple[str, ...]
    instances: tuple[Instance, ...]
    wires: tuple[Wire, ...]
    ingress: int = 0

    def successor(self, instance: int, port: int) -> int | None:
        """Which instance gets what `instance` sends by `port`; None if it leaves the network."""
        default = None
        for wire in self.wires:
            if wire.source == instance:
                if wire.port == port:
                    return wire.target
                if wire.port is None:
                    default = wire.target
        return default


# Traversal --------------------------------------------------------------------------------


def children(node: Expr | Stmt | Entry) -> tuple[Expr | Stmt | Entry, ...]:
    """The direct parts of an expression, statement or entry, in order of evaluation."""
    match node:
        case (
            Const() | Field() | Tag() | Local() | Now() | Dropped() | OutputPort() | OutOfBounds()
            | Pop()
        ):  # fmt: skip
            return ()
        case Read(keys=keys) | Has(keys=keys) | Delete(keys=keys) | Touch(keys=keys):
            return keys
        case Not(operand=operand) | Cast(operand=operand) | Post(operand=operand):
            return (operand,)
        case And(operands=operands) | Or(operands=operands):
            return operands
        case Arithmetic(left=left, right=right) | Compare(left=left, right=right):
            return (left, right)
        case Since(held=held, begun=begun):
            return (held, begun)
        case Total(amount=amount):
            return (amount,)
        case Conditional(condition=condition, then=then, otherwise=otherwise):
            return (condition, then, otherwise)
        case Match(args=args) | Apply(args=args) | Push(args=args):
            return args
        case SetField(value=value) | SetTag(value=value) | Let(value=value):
            return (value,)
        case SetOutput(output=Ports(ports=ports)):
            return ports
        case SetOutput(output=Delay(delay=delay)):
            return (delay,)
        case SetOutput():
            return ()
        case Write(keys=keys, values=values):
            return keys + values
        case Choose(low=low, high=high, where=where):
            return (low, high, where)
        case If(condition=test, then=body, otherwise=other):
            return (test, *body, *other)
        case While(condition=test, body=body):
            return (test, *body)
        case Entry(match_flow=flow, match_state=state, body=body):
            return (*flow, *state, *body)
        case Table(entries=entries):
            return entries


def walk(nodes: tuple[Expr | Stmt | Entry, ...]) -> Iterator[Expr | Stmt | Entry]:
    """Every node below `nodes`, themselves included, in textual order."""
    stack = list(reversed(nodes))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(children(node)))
