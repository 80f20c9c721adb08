"""Short spellings for IR that tests build by hand, and frames to feed it."""

from __future__ import annotations

import struct

from nfverify.smat import ir

F = ir.Field


def i(value: int) -> ir.Const:
    """An `int`."""
    return ir.Const(value, ir.INT)


def c(value: int, type_: ir.Bits) -> ir.Const:
    """A number of another type."""
    return ir.Const(value, type_)


def field_is(name: str, value: int) -> ir.Compare:
    """`f[name] == value`."""
    type_ = ir.field_type(name)
    assert isinstance(type_, ir.Bits)
    return ir.Compare("==", F(name), ir.Const(value, type_))


def plain(name: str, type_: ir.Type = ir.INT, value: ir.Value = 0) -> ir.StateVar:
    """A variable without keys."""
    return ir.StateVar(name, (), (type_,), (value,), "plain")


def get(name: str, type_: ir.Type = ir.INT, keys: tuple[ir.Expr, ...] = ()) -> ir.Read:
    """Its value."""
    return ir.Read(name, keys, 0, type_)


def put(name: str, value: ir.Expr, keys: tuple[ir.Expr, ...] = ()) -> ir.Write:
    """An assignment to it."""
    return ir.Write(name, keys, (value,))


def add(left: ir.Expr, right: ir.Expr, op: ir.ArithmeticOp = "+") -> ir.Arithmetic:
    """`left op right` in the type of `left`."""
    return ir.Arithmetic(op, left, right, left.type)


def out(*ports: int) -> ir.SetOutput:
    """Copies to these ports."""
    return ir.SetOutput(ir.Ports(tuple(ir.Const(p, ir.PORT) for p in ports)))


DROP = ir.SetOutput(ir.Drop())
PASS = ir.SetOutput(ir.Forward())
RESUBMIT = ir.SetOutput(ir.Resubmit())


def delay(ns: int) -> ir.SetOutput:
    """`timer(ns)`."""
    return ir.SetOutput(ir.Delay(ir.Const(ns, ir.TIME)))


def entry(*body: ir.Stmt, on: tuple[ir.Expr, ...] = (), name: str = "e") -> ir.Entry:
    """A row of a table."""
    return ir.Entry(name, on, (), body)


def table(*entries: ir.Entry) -> ir.Table:
    """A first-match table."""
    return ir.Table(entries)


def program(
    *body: ir.Stmt,
    state: tuple[ir.StateVar, ...] = (),
    init: tuple[ir.Stmt, ...] = (),
    timers: tuple[ir.InitTimer, ...] = (),
    ports: tuple[int, ...] = (),
    name: str = "nf",
    operators: tuple[ir.Operator, ...] = (),
) -> ir.Program:
    """An NF."""
    return ir.Program(name, ports, (), state, init, timers, body, operators=operators)


def chain(*programs: ir.Program, ports: tuple[str, ...] = ("0", "1")) -> ir.Network:
    """NFs one after the other, called n0, n1, …; a single NF too."""
    return ir.Network(
        "chain",
        ports,
        tuple(ir.Instance(f"n{k}", p) for k, p in enumerate(programs)),
        tuple(ir.Wire(k, None, k + 1) for k in range(len(programs) - 1)),
    )


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1]))
    total += data[-1] << 8 if len(data) & 1 else 0
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(
    sip: int = 0x0A000001,
    dip: int = 0x0A000002,
    sport: int = 1000,
    dport: int = 2000,
    payload: bytes = b"hello",
) -> bytes:
    """An Ethernet, IPv4 and UDP frame with right checksums."""
    length = 8 + len(payload)
    pseudo = struct.pack("!IIBBH", sip, dip, 0, 17, length)
    head = struct.pack("!HHH", sport, dport, length)
    total = checksum(pseudo + head + b"\0\0" + payload) or 0xFFFF
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + length, 7, 0, 64, 17, 0, sip, dip)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    link = bytes.fromhex("0200000000020200000000010800")
    return link + ip + head + struct.pack("!H", total) + payload


def arp() -> bytes:
    """An Ethernet frame that is no IP."""
    return bytes.fromhex("ffffffffffff0200000000010806") + bytes(28)
