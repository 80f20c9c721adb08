"""Random networks with every construct that an engine executes: all of `oracles.programs`, wide
and odd types, bytes in keys and values, keys of many parts, constant tables, long rulesets, user
operators, encryption; many programs side by side, so that one build of a network tests all."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from nfverify.oracles.programs.expressions import NUMBERS, Options
from nfverify.oracles.programs.networks import Maker
from nfverify.packet.fields import FIELDS, FLOW_FIELDS
from nfverify.smat import ir
from nfverify.smat.ruleset import COLUMNS, Row, Ruleset

WIDE: tuple[ir.Bits, ...] = (
    *NUMBERS,
    *(ir.Bits(width) for width in (3, 7, 12, 17, 24, 31, 33, 63, 65, 100, 127)),
    *(ir.Bits(width, signed=True) for width in (1, 2, 8, 13, 16, 31, 33, 48, 64, 65, 127, 128)),
)
HOSTS = (0x0A000001, 0x0A000002, 0xC0A80101, 0)
OPERATORS = (
    ir.Operator("mix", (ir.INT, ir.IP), ir.IP),
    ir.Operator("turned", (ir.BYTES,), ir.BYTES),
    ir.Operator("odd", (ir.Bits(128),), ir.BOOL),
    ir.Operator("wide", (ir.BYTES, ir.Bits(13, signed=True)), ir.Bits(127, signed=True)),
)


def mix(a: int, b: int) -> int:
    return (a * 31 + b) & 0xFFFFFFFF


def turned(data: bytes) -> bytes:
    return data[::-1]


def odd(number: int) -> bool:
    return number % 2 == 1


def wide(data: bytes, number: int) -> int:
    return int.from_bytes(data[:16], "big") * number


FUNCTIONS = {"mix": mix, "turned": turned, "odd": odd, "wide": wide}


@dataclass(slots=True)
class Wide(Maker):
    """As its base; `user` allows the operators that FUNCTIONS holds."""

    user: bool = True
    crypto: bool = True
    used: dict[str, ir.Operator] = field(default_factory=dict)

    def any_type(self) -> ir.Type:
        roll = self.rng.random()
        return ir.BOOL if roll < 0.1 else self.rng.choice(NUMBERS if roll < 0.5 else WIDE)

    def constant(self, type_: ir.Type) -> ir.Const:
        """Now and then an address that the traffic has."""
        if type_ in (ir.IP, ir.Bits(32)) and self.rng.random() < 0.4:
            return ir.Const(self.rng.choice(HOSTS), type_)
        return Maker.constant(self, type_)

    # Expressions --------------------------------------------------------------------------

    def _makers(self, type_: ir.Type) -> list:  # type: ignore[type-arg]  # of methods
        makers = Maker._makers(self, type_)
        if type_ == ir.BYTES and self.options.operators:
            makers += [self._crypt] if self.crypto else []
        if self.user and any(op.result == type_ for op in OPERATORS):
            makers.append(self._user)
        return makers

    def _user(self, type_: ir.Type, depth: int) -> ir.Expr:
        op = self.rng.choice([op for op in OPERATORS if op.result == type_])
        self.used[op.name] = op
        args = tuple(self.expression(t, min(depth, 2) - 1) for t in op.parameters)
        return ir.Apply(op.name, args, op.result)

    def _crypt(self, type_: ir.Type, depth: int) -> ir.Expr:
        rng = self.rng
        key: ir.Expr = ir.Const(b"0123456789abcdef", ir.BYTES)
        if rng.random() < 0.3:
            key = ir.Const(rng.getrandbits(128), ir.Bits(128))
        counter = self.expression(ir.Bits(128), 1)
        if rng.random() < 0.3:
            counter = ir.Const(rng.randbytes(rng.choice((3, 16, 20))), ir.BYTES)
        data: ir.Expr = ir.Field("payload")
        if rng.random() < 0.3:
            data = self.expression(ir.BYTES, 0)
        return ir.Apply(rng.choice(("Encrypt", "Decrypt")), (data, key, counter), ir.BYTES)

    def _match(self, type_: ir.Type, depth: int) -> ir.Expr:
        """A short list, or one of up to 600 rules; prefixes, ranges, single values, wildcards."""
        rng = self.rng
        columns = tuple(rng.sample(COLUMNS, rng.randrange(1, 6)))
        count = rng.choice((0, 1, 2, 5, 20, 33, 64, 65)) if rng.random() < 0.95 else 600
        rows = []
        for _ in range(count):
            bounds = tuple(self._bounds(column) for column in columns)
            rows.append(Row(rng.random() < 0.5, bounds))
        args = tuple(
            ir.Field(c) if rng.random() < 0.9 else self.expression(ir.field_type(c), 1)
            for c in columns
        )
        return ir.Match(Ruleset("r", columns, tuple(rows)), args)

    def _bounds(self, column: str) -> tuple[int, int]:
        rng, width = self.rng, FIELDS[column].width
        top = (1 << width) - 1
        near = rng.choice(
            (*HOSTS, 0x20010DB8 << 96 | 1, 6, 17, 53, 80, 1024, rng.getrandbits(width))
        )
        near &= top
        roll = rng.random()
        if roll < 0.25:
            return 0, top
        if roll < 0.5:
            return near, near
        if roll < 0.8:
            host = rng.randrange(width + 1)
            low = near >> host << host
            return low, low | (1 << host) - 1
        other = min(top, near + rng.choice((1, 5, 1000, 1 << max(0, width - 3))))
        return near, other

    # State --------------------------------------------------------------------------------

    def _keys(self) -> tuple[ir.Type, ...]:
        rng = self.rng
        roll = rng.random()
        if roll < 0.2:
            return tuple(ir.field_type(name) for name in FLOW_FIELDS)
        if roll < 0.35:
            return (ir.BYTES,) if roll < 0.27 else (ir.IP, ir.BYTES, ir.BOOL)
        if roll < 0.45:
            return rng.choice(((ir.IP6,), (ir.IP6, ir.IP6), (ir.IP6, ir.PORT)))
        if roll < 0.7:
            return rng.choice(((ir.IP,), (ir.IP, ir.IP), (ir.IP, ir.PORT), (ir.MAC,), (ir.TIME,)))
        return tuple(rng.choice((*WIDE, ir.BOOL)) for _ in range(rng.randrange(1, 5)))

    def variable(self, name: str) -> ir.StateVar:
        rng = self.rng
        kind = rng.choice(("plain", "map", "map", "set", "granular"))
        keys = () if kind == "plain" else self._keys()
        granularity: tuple[str, ...] = ()
        if kind == "granular":
            granularity = tuple(
                rng.sample([n for n in FIELDS if n != "payload"], rng.randrange(1, 6))
            )
            keys = tuple(ir.field_type(n) for n in granularity)
        count = 0 if kind == "set" else rng.choice((1, 1, 2, 3, 5)) if kind == "map" else 1
        types = (*WIDE, ir.BOOL, ir.BOOL, ir.BYTES, ir.BYTES)
        values = tuple(rng.choice(types) for _ in range(count))
        default = tuple(ir.zero(t) for t in values)
        if not keys or rng.random() < 0.4:
            default = tuple(self.constant(t).value for t in values)
        entries = {}
        if keys and not any(default) and rng.random() < 0.7:
            for _ in range(rng.choice((1, 2, 9))):
                key = tuple(self.constant(t).value for t in keys)
                entries[key] = tuple(self.constant(t).value for t in values)
        constant = kind == "map" and bool(entries) and rng.random() < 0.25
        timeout = capacity = None
        if keys and not constant:
            if self.options.timeouts and rng.random() < 0.25:
                timeout = rng.choice((1, 40, 60, 61, 1000))
            if self.options.capacities and rng.random() < 0.25:
                capacity = rng.choice((1, 2, 3, 12))
                entries = dict(list(entries.items())[:capacity])
        return ir.StateVar(
            name,
            keys,
            values,
            default,
            kind,  # type: ignore[arg-type]  # one of the kinds
            tuple(entries.items()),
            granularity,
            constant,
            timeout=timeout,
            capacity=capacity,
            overflow=rng.choice(("reject", "evict oldest")) if capacity else "reject",
        )

    def _at(self, variable: ir.StateVar, depth: int) -> tuple[ir.Expr, ...]:
        """A key: of the packet where it can be, so that it comes again."""
        names = variable.granularity
        if variable.keys == tuple(ir.field_type(n) for n in FLOW_FIELDS):
            names = FLOW_FIELDS
            if self.rng.random() < 0.3:
                names = ("dip", "sip", "dip6", "sip6", "dport", "sport", "proto")
        if names and self.rng.random() < 0.8:
            return tuple(ir.Field(name) for name in names)
        return tuple(self.expression(t, depth) for t in variable.keys)

    def _read(self, variable: ir.StateVar, type_: ir.Type, depth: int) -> ir.Expr:
        index = self.rng.choice([i for i, t in enumerate(variable.values) if t == type_])
        return ir.Read(variable.name, self._at(variable, min(depth, 1) - 1), index, type_)

    def _has(self, type_: ir.Type, depth: int) -> ir.Expr:
        maps = [v for v in self.state if v.keys]
        if not maps:
            return self.constant(type_)
        variable = self.rng.choice(maps)
        return ir.Has(variable.name, self._at(variable, min(depth - 1, 1)))

    def _write(self, depth: int) -> ir.Stmt:
        written = [v for v in self.state if not v.constant]
        if not written:
            return self._set_tag(depth)
        variable = self.rng.choice(written)
        keys = self._at(variable, 1)
        if variable.keys and self.rng.random() < 0.25:
            return ir.Delete(variable.name, keys)
        return ir.Write(variable.name, keys, tuple(self.expression(t) for t in variable.values))

    def _output(self, depth: int) -> ir.Stmt:
        """Delays are never 0: a packet that waits so for ever is a test of its own."""
        made = Maker._output(self, depth)
        if isinstance(made, ir.SetOutput) and isinstance(made.output, ir.Delay):
            one = ir.Const(self.rng.choice((3, 50, 1000)), ir.TIME)
            return ir.SetOutput(ir.Delay(ir.Arithmetic("|", made.output.delay, one, ir.TIME)))
        return made

    def program(self, name: str, ports: tuple[int, ...] = ()) -> ir.Program:
        self.used.clear()
        made = Maker.program(self, name, ports)
        init = tuple(s for s in made.init if isinstance(s, ir.Write | ir.Delete))
        return ir.Program(
            made.name,
            made.ports,
            made.config,
            made.state,
            init,
            made.timers,
            made.body,
            operators=tuple(self.used.values()),
        )


# Networks ---------------------------------------------------------------------------------


def fan(programs: list[ir.Program], count: int) -> ir.Network:
    """Port k leads to program k, and from there out: many programs in one build."""
    port = ir.Cast(ir.Field("iface"), ir.PORT)
    divide = ir.Program(
        "divide",
        tuple(range(count)),
        (),
        (),
        (),
        (),
        (ir.SetOutput(ir.Ports((port,))), ir.If(_link(), (), ())),
    )
    instances = (ir.Instance("divide", divide), *(ir.Instance(p.name, p) for p in programs))
    wires = tuple(ir.Wire(0, k, k + 1) for k in range(len(programs)))
    return ir.Network("fan", tuple(f"port{k}" for k in range(count)), instances, wires)


def _link() -> ir.Expr:
    """A test of a link-layer field: frames that are no IP are divided, too."""
    return ir.Compare("==", ir.Field("vlan"), ir.Const(1, ir.Bits(12)))


def wide_network(rng: Random, options: Options, count: int, *, user: bool = True) -> ir.Network:
    """`count` programs side by side, each with its own port to come in by; in half of them some are
    wired one behind the other."""
    maker = Wide(rng, options, user=user)
    ports = tuple(range(max(count, options.ports)))
    programs = [maker.program(f"p{k}", rng.choice(((), ports))) for k in range(count)]
    network = fan(programs, len(ports))
    if rng.random() < 0.5:
        more = {
            (source, rng.choice((None, *ports))): rng.randrange(source + 1, count + 1)
            for source in range(1, count)
            if rng.random() < 0.3
        }
        wires = (*network.wires, *(ir.Wire(s, p, t) for (s, p), t in more.items()))
        network = ir.Network(network.name, network.ports, network.instances, wires)
    return network
