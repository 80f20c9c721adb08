"""Traffic for the programs of benchmarks/xdp: plain frames of 64 bytes, aimed at each model."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from struct import pack

LAN, PUBLIC, VIP = 0x0A000000, 0xCB007107, 0xC6336401
SERVERS, BLOCKED = 0xC0A80101, 0xC0000200
FIRST = 1024  # the first public port of the NAT
Flow = tuple[int, int, int, int, int]  # source, destination, ports, protocol


def frame(flow: Flow) -> bytes:
    """Ethernet, IPv4, TCP or UDP, with right checksums, 64 bytes."""
    source, destination, sport, dport, protocol = flow
    length = 50
    payload = length - 20 - (20 if protocol == 6 else 8)
    pseudo = pack(">IIHH", source, destination, protocol, length - 20)
    if protocol == 6:
        layer = pack(">HHIIBBHHH", sport, dport, 1, 1, 0x50, 0x10, 512, 0, 0) + bytes(payload)
        at = 16
    else:
        layer = pack(">HHHH", sport, dport, length - 20, 0) + bytes(payload)
        at = 6
    check = pack(">H", _sum(pseudo + layer) or 0xFFFF)
    layer = layer[:at] + check + layer[at + 2 :]
    header = pack(">BBHHHBBHII", 0x45, 0, length, 1, 0, 64, protocol, 0, source, destination)
    header = header[:10] + pack(">H", _sum(header)) + header[12:]
    return bytes.fromhex("02000000000202000000000108 00") + header + layer


def _sum(data: bytes) -> int:
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def trace(model: str, flows: int, packets: int, seed: int = 1) -> Sequence[bytes]:
    """Packets of so many flows: each flow's first one in order, then any, a third of them answers
    where the model has some."""
    random = Random(seed)
    sides = [_flow(model, number, random) for number in range(flows)]
    made = [(frame(there), frame(back)) for there, back in sides]
    found = [there for there, _ in made]
    while len(found) < packets:
        there, back = made[random.randrange(flows)]
        found.append(back if random.random() < 1 / 3 else there)
    return found[:packets]


def _flow(model: str, number: int, random: Random) -> tuple[Flow, Flow]:
    """A flow as it comes, and what answers it as that comes."""
    protocol = 17 if random.random() < 0.2 else 6
    host = LAN | number + 1
    server = 0x10000000 + random.randrange(1 << 28)
    sport, dport = random.randrange(1024, 65536), random.choice((53, 80, 443, 8080))
    match model:
        case "nat":
            there = (host, server, sport, dport, protocol)
            return there, (server, PUBLIC, dport, FIRST + number, protocol)
        case "lb":
            there = (server, VIP, sport, dport, protocol)
            return there, (SERVERS + number % 4, server, dport, sport, protocol)
        case "firewall":
            if random.random() < 0.2:
                return (BLOCKED | number % 256, host, sport, dport, protocol), (
                    *(server, host, sport, 23),
                    protocol,
                )
    there = (host, server, sport, dport, protocol)
    return there, (server, host, dport, sport, protocol)
