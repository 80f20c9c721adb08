"""Random network functions as people write them: maps filed under flows, addresses and ports,
several of them alike, tested, read, counted up, deleted and renewed under first-match
entries that rewrite headers on the way. What optimisations assume is what goes on here."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from nfverify.oracles.programs.expressions import Options
from nfverify.packet.fields import FLOW_FIELDS
from nfverify.smat import ir
from nfverify.smat.ruleset import Row, Ruleset

REVERSED = ("dip", "sip", "dip6", "sip6", "dport", "sport", "proto")
SHAPES: tuple[tuple[tuple[str, ...], ...], ...] = (
    (FLOW_FIELDS, REVERSED),
    (("sip", "dip", "sport", "dport", "proto"), ("dip", "sip", "dport", "sport", "proto")),
    (("sip",), ("dip",)),
    (("sip6",), ("dip6",)),
    (("sip", "dip"), ("dip", "sip")),
    (("sip", "sport"), ("dip", "dport")),
    (("sport", "proto"), ("dport", "proto")),
    (("sip", "dip", "sip6", "dip6"), ("dip", "sip", "dip6", "sip6")),
    (("smac",), ("dmac",)),
    (("smac", "vlan"), ("dmac", "vlan")),
)
VALUES: tuple[ir.Type, ...] = (
    ir.INT, ir.INT, ir.INT, ir.IP, ir.PORT, ir.BOOL, ir.TIME, ir.Bits(8), ir.IP6, ir.BYTES,
)  # fmt: skip
PUBLIC = 0xCB007107
DEFAULT = Options()
COMPARED = (
    ("iface", 0),
    ("proto", 6),
    ("proto", 17),
    ("L4", 1),
    ("FRAG", 0),
    ("IP6", 1),
    ("flag_syn", 1),
    ("dport", 80),
    ("dip", PUBLIC),
    ("icmp_type", 8),
    ("ttl", 64),
)


@dataclass(slots=True)
class Flows:
    """Makes one program after the other; `rng` decides everything."""

    rng: Random
    options: Options = DEFAULT
    keys: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    state: list[ir.StateVar] = field(default_factory=list)
    locals: list[ir.Local] = field(default_factory=list)
    made: int = 0

    def declare(self) -> None:
        """Maps of one or two shapes, and a counter."""
        rng, options = self.rng, self.options
        self.state.clear()
        self.keys.clear()
        shapes = rng.sample(SHAPES, rng.choice((1, 1, 2, 3)))
        for number in range(rng.choice((1, 2, 3, 4, 6))):
            shape = rng.choice(shapes)
            kind = rng.choice(("map", "map", "map", "set", "granular"))
            count = 0 if kind == "set" else rng.choice((1, 1, 2, 4)) if kind == "map" else 1
            values = tuple(rng.choice(VALUES) for _ in range(count))
            default = tuple(ir.zero(t) for t in values)
            if rng.random() < 0.3:
                default = tuple(self.constant(t) for t in values)
            timeout = rng.choice((None, None, None, 1000, 50_000)) if options.timeouts else None
            capacity = rng.choice((None, None, None, 2, 30)) if options.capacities else None
            name = f"m{number}"
            self.keys[name] = shape
            self.state.append(
                ir.StateVar(
                    name,
                    tuple(ir.field_type(f) for f in shape[0]),
                    values,
                    default,
                    kind,  # type: ignore[arg-type]  # one of the kinds
                    granularity=shape[0] if kind == "granular" else (),
                    timeout=timeout,
                    capacity=capacity,
                    overflow=rng.choice(("reject", "evict oldest")) if capacity else "reject",
                )
            )
        self.state.append(ir.StateVar("next", (), (ir.INT,), (1024,), "plain"))

    def constant(self, type_: ir.Type) -> ir.Value:
        match type_:
            case ir.Bool():
                return True
            case ir.Bits():
                return ir.wrap(self.rng.choice((1, 5, 80, PUBLIC, 1 << 70)), type_)
            case ir.Bytes():
                return self.rng.choice((b"a", b"xyz"))

    # Expressions --------------------------------------------------------------------------

    def key(self, name: str) -> tuple[ir.Expr, ...]:
        forward, backward = self.keys[name]
        fields = forward if self.rng.random() < 0.75 else backward
        parts: list[ir.Expr] = [ir.Field(f) for f in fields]
        if "sport" in fields and "sip6" not in fields and self.rng.random() < 0.3:
            at = fields.index("sport")
            parts[at] = ir.Arithmetic("|", ir.Field("sport"), ir.Field("icmp_id"), ir.PORT)
        if self.rng.random() < 0.05:
            at = self.rng.randrange(len(parts))
            parts[at] = ir.Const(0, parts[at].type)
        return tuple(parts)

    def maps(self) -> list[ir.StateVar]:
        return [v for v in self.state if v.keys]

    def read(self, type_: ir.Type) -> ir.Expr | None:
        """A value of this type from state, converted if it must be."""
        rng = self.rng
        found = [(v, i) for v in self.state for i, t in enumerate(v.values) if _like(t, type_)]
        if not found:
            return None
        variable, index = rng.choice(found)
        keys = self.key(variable.name) if variable.keys else ()
        stored = variable.values[index]
        read: ir.Expr = ir.Read(variable.name, keys, index, stored)
        return read if stored == type_ else ir.Cast(read, type_)

    def value(self, type_: ir.Type) -> ir.Expr:
        rng = self.rng
        read = self.read(type_)
        known = [v for v in self.locals if v.type == type_]
        if known and rng.random() < 0.3:
            return rng.choice(known)
        match type_:
            case ir.Bool():
                return self.test() if rng.random() < 0.5 else ir.Const(rng.random() < 0.5, type_)
            case ir.Bytes():
                return ir.Field("payload") if rng.random() < 0.5 else ir.Const(b"lo", type_)
            case ir.Bits():
                roll = rng.random()
                if read is not None and roll < 0.6:
                    if roll < 0.4:
                        one = ir.Const(ir.wrap(rng.choice((1, 1, 3, -1)), type_), type_)
                        return ir.Arithmetic(rng.choice(("+", "+", "-", "^")), read, one, type_)
                    return read
                names = ("sip", "dport", "size", "sip6", "smac", "ttl", "iface")
                if roll < 0.8:
                    return ir.Cast(ir.Field(rng.choice(names)), type_)
                if roll < 0.85 and type_ == ir.TIME:
                    return ir.Now()
                if roll < 0.9:
                    words = tuple(ir.Field(n) for n in rng.choice((FLOW_FIELDS, REVERSED)))
                    return ir.Cast(ir.Apply("hash", words, ir.Bits(32)), type_)
                return ir.Const(self.constant(type_), type_)

    def test(self) -> ir.Expr:
        """Of state: is a key there, is a value this or that."""
        rng, maps = self.rng, self.maps()
        variable = rng.choice(maps)
        roll = rng.random()
        if roll < 0.5 or not variable.values:
            found: ir.Expr = ir.Has(variable.name, self.key(variable.name))
            return ir.Not(found) if rng.random() < 0.4 else found
        numbers = [(i, t) for i, t in enumerate(variable.values) if isinstance(t, ir.Bits)]
        if not numbers:
            return ir.Has(variable.name, self.key(variable.name))
        index, type_ = rng.choice(numbers)
        read = ir.Read(variable.name, self.key(variable.name), index, type_)
        op = rng.choice(("==", "!=", "<", "<="))
        return ir.Compare(op, read, ir.Const(ir.wrap(rng.randrange(4), type_), type_))  # type: ignore[arg-type]

    def flow_test(self) -> ir.Expr:
        rng = self.rng
        roll = rng.random()
        if roll < 0.15:
            columns = ("sip", "dip", "dport", "proto")
            rows = []
            for _ in range(rng.choice((1, 3, 40))):
                low = rng.choice((0x0A000000, 0xC0A80000, 0))
                bits = rng.choice((8, 16, 32))
                port = rng.choice(((0, 65535), (80, 80), (1024, 65535), (53, 90)))
                proto = rng.choice(((0, 255), (6, 6), (17, 17)))
                bounds = ((low, low | (1 << bits) - 1), (0, 0xFFFFFFFF), port, proto)
                rows.append(Row(rng.random() < 0.6, bounds))
            return ir.Match(Ruleset("acl", columns, tuple(rows)), tuple(map(ir.Field, columns)))
        name, number = rng.choice(COMPARED)
        constant = ir.Const(number, ir.field_type(name))
        return ir.Compare("==" if rng.random() < 0.6 else "!=", ir.Field(name), constant)

    # Statements ---------------------------------------------------------------------------

    def action(self, depth: int) -> ir.Stmt:
        rng = self.rng
        roll = rng.random()
        variable = rng.choice(self.maps())
        keys = self.key(variable.name)
        if roll < 0.4:
            return ir.Write(variable.name, keys, tuple(self.value(t) for t in variable.values))
        if roll < 0.5:
            return ir.Delete(variable.name, keys)
        if roll < 0.55 and variable.aged:
            return ir.Touch(variable.name, keys)
        if roll < 0.6:
            number = ir.Read("next", (), 0, ir.INT)
            more = ir.Arithmetic("+", number, ir.Const(1, ir.INT), ir.INT)
            return ir.Write("next", (), (more,))
        if roll < 0.66:
            self.made += 1
            type_ = rng.choice((ir.INT, ir.IP, ir.PORT))
            value = self.value(type_)
            self.locals.append(ir.Local(f"l{self.made}", type_))
            return ir.Let(f"l{self.made}", value)
        if roll < 0.72 and depth:
            scope = len(self.locals)
            then = tuple(self.action(depth - 1) for _ in range(rng.randrange(1, 3)))
            del self.locals[scope:]
            other = tuple(self.action(depth - 1) for _ in range(rng.randrange(2)))
            del self.locals[scope:]
            return ir.If(self.test(), then, other)
        if roll < 0.8:
            return ir.SetOutput(rng.choice((ir.Drop(), ir.Forward(), self.port())))
        names = ("sip", "dip", "sport", "dport", "ttl", "tos", "sip6", "icmp_id", "ip_id", "seq",
                 "vlan", "dmac", "proto", "flag_syn", "window")  # fmt: skip
        name = rng.choice(names[:4] if rng.random() < 0.6 else names)
        return ir.SetField(name, self.value(ir.field_type(name)))

    def port(self) -> ir.Output:
        return ir.Ports((ir.Const(self.rng.randrange(2), ir.PORT),))

    def program(self, name: str) -> ir.Program:
        self.declare()
        entries = []
        for number in range(self.rng.choice((1, 2, 4, 7))):
            self.locals.clear()
            flow = tuple(self.flow_test() for _ in range(self.rng.choice((0, 1, 1, 2))))
            state = tuple(self.test() for _ in range(self.rng.choice((0, 1, 1, 2))))
            body = tuple(self.action(2) for _ in range(self.rng.choice((0, 1, 2, 3, 5))))
            entries.append(ir.Entry(f"e{number}", flow, state, body))
        tables: list[ir.Stmt] = [ir.Table(tuple(entries))]
        if len(entries) > 2 and self.rng.random() < 0.3:
            tables = [ir.Table(tuple(entries[:2])), ir.Table(tuple(entries[2:]))]
        return ir.Program(name, (), (), tuple(self.state), (), (), tuple(tables))


def _like(stored: ir.Type, wanted: ir.Type) -> bool:
    if isinstance(stored, ir.Bits):
        return isinstance(wanted, ir.Bits)
    return stored == wanted


def flow_chain(rng: Random, count: int, options: Options = DEFAULT) -> ir.Network:
    """A pipeline of such functions."""
    maker = Flows(rng, options)
    programs = [maker.program(f"p{k}") for k in range(count)]
    return ir.Network(
        "flows",
        ("left", "right"),
        tuple(ir.Instance(p.name, p) for p in programs),
        tuple(ir.Wire(k, None, k + 1) for k in range(count - 1)),
    )
