"""Random networks that push and pop headers all the time, and frames that arrived in tunnels."""

from __future__ import annotations

from random import Random

import hostile_frames

from nfverify.oracles.trace import Event
from nfverify.packet import tunnel
from nfverify.packet.codec import deparse, parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet
from nfverify.smat import ir

PORTS = 3
KINDS: tuple[ir.HeaderKind, ...] = ("vlan", "ipip", "vxlan")
WRITABLE = sorted(name for name, info in FIELDS.items() if info.writable and name != "payload")
READABLE = sorted(FIELDS.keys() - {"payload"})
TESTS = (
    *(("IP4", 1), ("IP6", 1), ("L4", 0), ("FRAG", 1), ("proto", 4), ("proto", 41), ("vlan", 0)),
    *(("dport", 4789), ("vni", 7), ("ttl", 64), ("iface", 1), ("ethertype", 0x86DD)),
)
STATE = (
    ir.StateVar("count", (ir.IP, ir.PORT), (ir.INT,), (0,), "map"),
    ir.StateVar("seen", (ir.Bits(24), ir.Bits(12)), (ir.Bits(8), ir.INT), (0, 0), "map"),
    ir.StateVar("kept", (ir.Bits(8),), (ir.BYTES,), (b"",), "map"),
    ir.StateVar("total", (), (ir.INT,), (0,), "plain"),
)


def network(rng: Random) -> ir.Network:
    """One to three programs in a row, of which a port or two may lead out at once."""
    count = rng.choice((1, 1, 2, 3))
    instances = tuple(ir.Instance(f"n{i}", _program(rng, f"n{i}")) for i in range(count))
    wires = [ir.Wire(i, None, i + 1) for i in range(count - 1)]
    wires += [ir.Wire(i, 2, count - 1) for i in range(count - 2)]
    return ir.Network("wraps", ("a", "b", "c"), instances, tuple(sorted(wires, key=repr)))


def _program(rng: Random, name: str) -> ir.Program:
    body = _statements(rng, rng.choice((2, 4, 6, 10)), 2)
    timers = (ir.InitTimer((("again", 1),), 500),) if rng.random() < 0.2 else ()
    ports = tuple(range(PORTS))
    return ir.Program(name, ports, (), STATE, (), timers, body)


# Statements -------------------------------------------------------------------------------


def _statements(rng: Random, count: int, depth: int) -> tuple[ir.Stmt, ...]:
    found: list[ir.Stmt] = []
    for _ in range(count):
        found += _statement(rng, depth)
    return tuple(found)


def _statement(rng: Random, depth: int) -> tuple[ir.Stmt, ...]:
    roll = rng.random()
    if roll < 0.2:
        return (_push(rng),)
    if roll < 0.4:
        return (ir.Pop(rng.choice(KINDS)),)
    if roll < 0.55:
        name = rng.choice(WRITABLE)
        return (ir.SetField(name, _value(rng, ir.field_type(name))),)
    if roll < 0.63:
        return _payload(rng)
    if roll < 0.75:
        return (_write(rng),)
    if roll < 0.83:
        return _output(rng)
    if depth and roll < 0.93:
        sides = [_statements(rng, rng.choice((1, 2, 3)), depth - 1) for _ in range(2)]
        return (ir.If(_test(rng), sides[0], sides[1] if rng.random() < 0.5 else ()),)
    if depth and roll < 0.97:
        entries = [
            ir.Entry("", (_test(rng),), (), _statements(rng, rng.choice((1, 2)), depth - 1))
            for _ in range(rng.choice((2, 3)))
        ]
        return (ir.Table(tuple(entries)),)
    if depth and roll < 0.985:
        bound = rng.choice((1, 3, 6))
        return (ir.While(_test(rng), bound, _statements(rng, 2, 0)),)
    return (ir.SetTag("again", _value(rng, ir.INT)),)


def _push(rng: Random) -> ir.Push:
    kind = rng.choice(KINDS)
    return ir.Push(kind, tuple(_value(rng, type_) for type_ in ir.PUSHED[kind]))


def _payload(rng: Random) -> tuple[ir.Stmt, ...]:
    """Bytes that are held while headers come and go."""
    payload = ir.Field("payload")
    name = f"held{rng.getrandbits(40)}"
    between = (_push(rng), ir.Pop(rng.choice(KINDS)))
    match rng.randrange(4):
        case 0:
            key, iv = ir.Const(b"key", ir.BYTES), ir.Const(b"", ir.BYTES)
            return (ir.SetField("payload", ir.Apply("Encrypt", (payload, key, iv), ir.BYTES)),)
        case 1:
            back = ir.SetField("payload", ir.Local(name, ir.BYTES))
            return (ir.Let(name, payload), *rng.sample(between, rng.randrange(3)), back)
        case 2:
            key = _value(rng, ir.Bits(8))
            return (ir.Write("kept", (key,), (payload,)),)
        case _:
            key = _value(rng, ir.Bits(8))
            return (ir.SetField("payload", ir.Read("kept", (key,), 0, ir.BYTES)),)


def _write(rng: Random) -> ir.Stmt:
    match rng.randrange(4):
        case 0:
            keys: tuple[ir.Expr, ...] = (ir.Field("sip"), ir.Field("dport"))
            one = ir.Arithmetic("+", ir.Read("count", keys, 0, ir.INT), _int(1), ir.INT)
            return ir.Write("count", keys, (one,))
        case 1:
            keys = (ir.Field("vni"), ir.Field("vlan"))
            return ir.Write("seen", keys, (ir.Field("tos"), _value(rng, ir.INT)))
        case 2:
            return ir.Delete("seen", (ir.Field("vni"), ir.Field("vlan")))
        case _:
            sizes = ir.Cast(ir.Field("size"), ir.INT)
            total = ir.Arithmetic("+", ir.Read("total", (), 0, ir.INT), sizes, ir.INT)
            return ir.Write("total", (), (total,))


def _output(rng: Random) -> tuple[ir.Stmt, ...]:
    """Sent again, or held, only so often as a tag says."""
    again = ir.Tag("again")
    fewer = ir.Compare("<", again, _int(3))
    count = ir.SetTag("again", ir.Arithmetic("+", again, _int(1), ir.INT))
    match rng.randrange(5):
        case 0:
            return (ir.If(fewer, (count, ir.SetOutput(ir.Resubmit())), ()),)
        case 1:
            delay = ir.SetOutput(ir.Delay(ir.Const(rng.choice((0, 300)), ir.TIME)))
            return (ir.If(fewer, (count, delay), ()),)
        case 2:
            return (ir.If(_test(rng), (ir.SetOutput(ir.Drop()),), ()),)
        case _:
            ports = rng.choices(range(PORTS), k=rng.choice((1, 2, 3)))
            wanted = tuple(ir.Const(port, ir.PORT) for port in ports)
            return (ir.SetOutput(ir.Ports(wanted)),)


# Expressions ------------------------------------------------------------------------------


def _int(value: int) -> ir.Const:
    return ir.Const(value, ir.INT)


def _test(rng: Random) -> ir.Expr:
    name, value = rng.choice(TESTS)
    return ir.Compare(
        rng.choice(("==", "!=")), ir.Field(name), ir.Const(value, ir.field_type(name))
    )


def _value(rng: Random, type_: ir.Type) -> ir.Expr:
    assert isinstance(type_, ir.Bits)
    if rng.random() < 0.5:
        field = ir.Field(rng.choice(READABLE))
        return field if field.type == type_ else ir.Cast(field, type_)
    value = rng.choice((0, 1, 4, 7, 41, 64, 4789, 0x86DD, 0xFFFF, rng.getrandbits(128)))
    return ir.Const(ir.wrap(value, type_), type_)


# Frames -----------------------------------------------------------------------------------


def frame(rng: Random) -> bytes:
    """A frame of any kind, in up to four tunnels, and perhaps damaged there."""
    found = hostile_frames.frame(rng)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        packet = parse(found)
        if isinstance(packet, Packet):
            _wrap(rng, packet)
            if rng.random() < 0.1:
                packet.proto, packet.dport = rng.choice(((4, 4789), (41, 4789), (17, 4789)))
            found = deparse(packet)
    if found and rng.random() < 0.15:
        at = rng.randrange(len(found))
        found = found[:at] + bytes((rng.choice((0, 4, 5, 0x45, 0xFF)),)) + found[at + 1 :]
    if rng.random() < 0.1:
        found = found[: rng.randrange(len(found) + 1)]
    return found


def _wrap(rng: Random, packet: Packet) -> None:
    match rng.choice(KINDS):
        case "vlan":
            tunnel.push_vlan(packet, rng.getrandbits(12))
        case "ipip":
            tunnel.push_ipip(packet, rng.choice((1, 2)), rng.getrandbits(32))
        case "vxlan":
            tunnel.push_vxlan(packet, 1, rng.getrandbits(32), rng.choice((7, 7, 1 << 23)), 50_000)


def events(rng: Random, count: int) -> list[Event]:
    """Arrivals by any port, some at once, some far apart."""
    time = 0
    found = []
    for _ in range(count):
        time += rng.choice((0, 0, 1, 100, 400, 1000))
        found.append(Event(time, rng.randrange(PORTS), frame(rng)))
    return found
