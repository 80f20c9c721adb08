"""A chain and its table run side by side on the reference semantics, on traffic aimed at them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from nfverify.equivalence.consolidate import as_network
from nfverify.equivalence.constants import collect
from nfverify.packet.codec import build, parse
from nfverify.packet.fields import FIELDS, Header
from nfverify.packet.packet import Malformed, Packet
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

LINK, VLAN, IP4, IP6 = Header.LINK, Header.VLAN, Header.IP4, Header.IP6
SHAPES = (
    *[(LINK | IP4 | Header.TCP, 6)] * 6,
    *[(LINK | IP4 | Header.UDP, 17)] * 3,
    *[(LINK | IP4 | Header.ICMP, 1)] * 2,
    (LINK | IP4 | Header.TCP | Header.FRAG, 6),
    (LINK | IP4 | Header.FRAG, 17),
    (LINK | VLAN | IP4 | Header.TCP, 6),
    (LINK | IP4, 47),
    (LINK | IP6 | Header.TCP, 6),
    (LINK | IP6 | Header.UDP, 17),
    (LINK | IP6 | Header.ICMP, 58),
    (LINK, 0),
    (LINK | VLAN, 0),
)
PLAIN = {
    "sip": (0x0A000001, 0x0A000002, 0xC0A80101, 0x08080808),
    "dip": (0x08080808, 0xC6336401, 0xCB007107),
    "sip6": (1, 2),
    "dip6": (2, 3),
    "sport": (1000, 1024, 1025, 0),
    "dport": (80, 22, 1024, 1025),
    "payload": (b"", b"abc", b"cmd.exe", b"x" * 40),
    "vlan": (0, 1, 5),
    "proto": (),
    "iplen": (),
    "size": (),
    "ethertype": (),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two networks part, and on what."""

    step: int
    what: str


def fresh(rng: random.Random, pools: dict[str, list[int | bytes]]) -> bytes | None:
    present, proto = rng.choice(SHAPES)
    values: dict[str, int | bytes] = {"proto": proto} if present & (IP4 | IP6) else {}
    for name, pool in pools.items():
        if FIELDS[name].headers & present and pool and rng.random() < 0.9:
            values[name] = rng.choice(pool)
    try:
        return build(present, values)
    except ValueError:
        return None


def reply(packet: Packet) -> bytes | None:
    values = {
        name: getattr(packet, name)
        for name, info in FIELDS.items()
        if info.on_wire and info.headers & packet.present and name not in ("iplen", "size")
    }
    for a, b in (("sip", "dip"), ("sip6", "dip6"), ("sport", "dport")):
        if a in values:
            values[a], values[b] = values[b], values[a]
    try:
        return build(packet.present, values)
    except ValueError:
        return None


def traffic(
    rng: random.Random, networks: tuple[ir.Network, ...], outputs: list[bytes]
) -> Iterator[bytes]:
    constants = collect((networks[0], networks[1])).fields
    pools: dict[str, list[int | bytes]] = {}
    for name, info in FIELDS.items():
        if info.on_wire and info.writable:
            found: set[int | bytes] = set(PLAIN.get(name, (0, 1, 8)))
            other = {"s": "d", "d": "s"}.get(name[0], "") + name[1:]
            if PLAIN.get(name) != ():
                for value in {*constants.get(name, ()), *constants.get(other, ())}:
                    limit = 1 << info.width
                    found.update(v for v in (value - 1, value, value + 1) if 0 <= v < limit)
            pools[name] = sorted(found, key=repr)
    seen: list[bytes] = []
    while True:
        dice, frame = rng.random(), None
        if seen and dice < 0.3:
            frame = rng.choice(seen[-10:])
        elif outputs and dice < 0.5:
            packet = parse(rng.choice(outputs[-10:]))
            frame = None if isinstance(packet, Malformed) else reply(packet)
        frame = frame or fresh(rng, pools)
        if frame is not None:
            seen.append(frame)
            yield frame


def run(
    chain: ir.Network, table: ir.Network, *, packets: int = 2000, seed: int = 1, lap: int = 250
) -> Difference | None:
    """The first difference in what comes out, or in variables that both have (decision 21)."""
    rng = random.Random(seed)
    outputs: list[bytes] = []
    source = traffic(rng, (chain, table), outputs)
    first = Machine(chain).snapshot()
    fresh_machines = Machine(chain), Machine(table)
    for step in range(packets):
        if step % lap == 0:
            a, b = (m.clone() for m in fresh_machines)
            now = 10**9
        now += rng.choice((0, 0, 1, 1000, 10**6, 7 * 10**6, 10**8))
        frame, port = next(source), rng.randrange(max(2, len(chain.ports)))
        ours, theirs = a.step(now, port, frame), b.step(now, port, frame)
        if ours != theirs:
            return Difference(step, f"{frame.hex()} by {port}: {ours} or {theirs}")
        outputs += [o.frame for o in ours]
        (merged,) = b.snapshot().values()
        for instance, variables in a.snapshot().items():
            for name, content in variables.items():
                # In a text, what no row assigns is configuration (language.md).
                other = merged.get(name if len(chain.instances) == 1 else f"{instance}_{name}")
                other = first[instance][name] if other is None else other
                if content != other:
                    return Difference(step, f"{instance}.{name} is {content} or {other}")
    return None


@pytest.fixture(scope="session")
def drive() -> Callable[..., Difference | None]:
    return run


@pytest.fixture(scope="session")
def compare() -> Callable[..., Difference | None]:
    """Of a chain with a program in its place."""

    def of(chain: ir.Network, program: ir.Program, **options: int) -> Difference | None:
        return run(chain, as_network(program, chain), **options)

    return of
