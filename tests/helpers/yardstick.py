"""The yardstick's functions on bytes, written apart from the models in benchmarks/models/: a frame
in, the frame that comes out or None. And traffic for them, with answers to what the NAPT sends.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from random import Random
from struct import pack, pack_into, unpack_from
from typing import NamedTuple, Protocol

MODELS = Path(__file__).parents[2] / "benchmarks" / "models"
TCP, UDP = 6, 17
POOL = 0xDBA88740  # 219.168.135.64
SLOTS, BACKENDS = 65537, 100


class Flow(NamedTuple):
    sip: int
    dip: int
    sport: int
    dport: int
    proto: int

    def reverse(self) -> Flow:
        return Flow(self.dip, self.sip, self.dport, self.sport, self.proto)


class Function(Protocol):
    def __call__(self, frame: bytes) -> bytes | None: ...


# Frames -----------------------------------------------------------------------------------


def place(frame: bytes) -> int | None:
    """Where the IPv4 header begins; None for what isn't IPv4."""
    at = 14
    while frame[at - 2 : at] == b"\x81\x00":
        at += 4
    return at if frame[at - 2 : at] == b"\x08\x00" else None


def is_ip(frame: bytes) -> bool:
    return frame[12:14] in (b"\x08\x00", b"\x86\xdd") or frame[12:14] == b"\x81\x00"


def flow_of(frame: bytes) -> Flow | None:
    """Of TCP and UDP over IPv4 that is no fragment."""
    at = place(frame)
    if (
        at is None
        or frame[at + 9] not in (TCP, UDP)
        or unpack_from("!H", frame, at + 6)[0] & 0x3FFF
    ):
        return None
    l4 = at + (frame[at] & 15) * 4
    sip, dip = unpack_from("!II", frame, at + 12)
    sport, dport = unpack_from("!HH", frame, l4)
    return Flow(sip, dip, sport, dport, frame[at + 9])


def ones_sum(data: bytes) -> int:
    """The Internet checksum, word by word."""
    total = 0
    for word in range(0, len(data) - 1, 2):
        total += data[word] << 8 | data[word + 1]
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def rewritten(frame: bytes, flow: Flow) -> bytes:
    """With the addresses and ports of the flow, all checksums computed anew."""
    out = bytearray(frame)
    at = place(frame)
    assert at is not None
    l4 = at + (frame[at] & 15) * 4
    end = at + unpack_from("!H", frame, at + 2)[0]
    pack_into("!II", out, at + 12, flow.sip, flow.dip)
    pack_into("!HH", out, l4, flow.sport, flow.dport)
    pack_into("!H", out, at + 10, 0)
    pack_into("!H", out, at + 10, ones_sum(out[at:l4]))
    checksum = l4 + (16 if flow.proto == TCP else 6)
    if flow.proto == UDP and frame[checksum : checksum + 2] == b"\0\0":
        return bytes(out)
    pack_into("!H", out, checksum, 0)
    pseudo = pack("!IIHH", flow.sip, flow.dip, flow.proto, end - l4)
    value = ones_sum(pseudo + out[l4:end])
    pack_into("!H", out, checksum, value or (0xFFFF if flow.proto == UDP else 0))
    return bytes(out)


def inside(address: int) -> bool:
    return address >> 24 == 10 or address >> 16 == 0xC0A8


# Functions --------------------------------------------------------------------------------


class Mon:
    def __init__(self) -> None:
        self.counts: dict[Flow, tuple[int, int]] = {}  # of IPv4

    def __call__(self, frame: bytes) -> bytes | None:
        at = place(frame)
        if at is not None:
            sip, dip, fragment = *unpack_from("!II", frame, at + 12), frame[at + 7]
            bare = fragment or frame[at + 9] not in (TCP, UDP)
            l4 = at + (frame[at] & 15) * 4
            sport, dport = (0, 0) if bare else unpack_from("!HH", frame, l4)
            flow = Flow(sip, dip, sport, dport, frame[at + 9])
            packets, size = self.counts.get(flow, (0, 0))
            self.counts[flow] = packets + 1, size + unpack_from("!H", frame, at + 2)[0]
        return frame


class Napt:
    def __init__(self, transit: bool = False, used: int = 0) -> None:
        self.transit = transit
        self.next = {TCP: used, UDP: used}
        self.given: dict[Flow, tuple[int, int]] = {}
        self.host: dict[tuple[int, int, int], tuple[int, int]] = {}

    def __call__(self, frame: bytes) -> bytes | None:
        flow = flow_of(frame)
        if flow is None:
            return None if is_ip(frame) else frame
        if inside(flow.sip):
            if flow not in self.given:
                number = self.next[flow.proto]
                address, port = POOL + number % 32, 1024 + number // 32
                if port > 65535:
                    return None
                self.next[flow.proto] += 1
                self.given[flow] = address, port
                self.host[address, port, flow.proto] = flow.sip, flow.sport
            address, port = self.given[flow]
            return rewritten(frame, flow._replace(sip=address, sport=port))
        if POOL <= flow.dip < POOL + 32:
            host = self.host.get((flow.dip, flow.dport, flow.proto))
            return host and rewritten(frame, flow._replace(dip=host[0], dport=host[1]))
        return frame if self.transit else None


class Lb:
    def __init__(self) -> None:
        self.table = maglev()
        self.backend: dict[Flow, int] = {}

    def __call__(self, frame: bytes) -> bytes | None:
        flow = flow_of(frame)
        if flow is None:
            return None if is_ip(frame) else frame
        if inside(flow.dip):
            return frame
        if flow not in self.backend:
            addresses = pack("!IIHH", flow.sip, flow.dip, flow.sport, flow.dport)
            slot = crc32c(bytes((0, flow.proto, 0, 0)) + addresses) % SLOTS
            self.backend[flow] = 0xAC100101 + self.table[slot]
        return rewritten(frame, flow._replace(dip=self.backend[flow]))


class Sfw:
    def __init__(self) -> None:
        self.seen: set[Flow] = set()

    def __call__(self, frame: bytes) -> bytes | None:
        flow = flow_of(frame)
        if flow is None:
            return None if is_ip(frame) else frame
        if inside(flow.sip):
            self.seen.add(flow)
            return frame
        return frame if flow.reverse() in self.seen else None


class Fw:
    """A linear scan of a rules file."""

    def __init__(self, file: str) -> None:
        with (MODELS / file).open() as stream:
            self.rules = [
                (
                    IPv4Network(row["sip"].replace("*", "0.0.0.0/0")),
                    IPv4Network(row["dip"].replace("*", "0.0.0.0/0")),
                    {TCP, UDP} if row["proto"] == "*" else {int(row["proto"])},
                    ports(row["sport"]),
                    ports(row["dport"]),
                    row["action"] == "accept",
                )
                for row in csv.DictReader(stream)
            ]
        self.known: dict[Flow, bool] = {}

    def __call__(self, frame: bytes) -> bytes | None:
        flow = flow_of(frame)
        if flow is None:
            return None if is_ip(frame) else frame
        if flow not in self.known:
            self.known[flow] = self.accepts(flow)
        return frame if self.known[flow] else None

    def accepts(self, flow: Flow) -> bool:
        for sip, dip, protos, sports, dports, accept in self.rules:
            masked = int(sip.netmask) & flow.sip, int(dip.netmask) & flow.dip
            if (
                masked == (int(sip.network_address), int(dip.network_address))
                and flow.proto in protos
                and flow.sport in sports
                and flow.dport in dports
            ):
                return accept
        return False


def ports(text: str) -> range:
    if text == "*":
        return range(65536)
    low, _, high = text.partition("-")
    return range(int(low), int(high or low) + 1)


class Chain:
    def __init__(self, *parts: Function) -> None:
        self.parts = parts

    def __call__(self, frame: bytes) -> bytes | None:
        out: bytes | None = frame
        for part in self.parts:
            out = out and part(out)
        return out


def crc32c(data: bytes, register: int = 0x9E3779B9) -> int:
    """Bit by bit: the reflected Castagnoli polynomial, nothing inverted."""
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register


def preferences(backend: int) -> Iterator[int]:
    """The slots that a backend asks for, in order."""
    slot = crc32c((backend * 7919 + 1).to_bytes(8, "little")) % SLOTS
    skip = crc32c((backend * 104729 + 2).to_bytes(8, "little")) % (SLOTS - 1) + 1
    while True:
        yield slot
        slot = (slot + skip) % SLOTS


def maglev() -> list[int]:
    wanted = [preferences(backend) for backend in range(BACKENDS)]
    table: dict[int, int] = {}
    while len(table) < SLOTS:
        backend = len(table) % BACKENDS
        table[next(slot for slot in wanted[backend] if slot not in table)] = backend
    return [table[slot] for slot in range(SLOTS)]


# Traffic ----------------------------------------------------------------------------------


def packet(flow: Flow, size: int = 50, options: int = 0, vlan: bool = False) -> bytes:
    """A frame of the flow, with right checksums."""
    head = b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01" + (b"\x81\0\0\x05" if vlan else b"") + b"\x08\0"
    ip = pack(
        "!BBHHHBBHII", 0x45 + options, 0, size, 7, 0x4000, 64, flow.proto, 0, flow.sip, flow.dip
    )
    ip += bytes(options * 4)
    rest = size - len(ip)
    l4 = pack("!HH", flow.sport, flow.dport)
    l4 += pack("!IIBBHHH", 1, 2, 0x50, 16, 99, 0, 0) if flow.proto == TCP else pack("!HH", rest, 1)
    body = bytes(i * 37 & 255 for i in range(rest - len(l4)))
    return rewritten(head + ip + l4 + body, flow)


def odd(rng: Random, flow: Flow) -> bytes:
    """What the functions drop, or (not IP) leave alone."""
    frame = bytearray(packet(flow))
    match rng.randrange(6):
        case 0:
            frame[20] |= 0x20  # more fragments
        case 1:
            frame[21] |= 5  # a later one
        case 2:
            frame[23] = 1
        case 3:
            frame[23] = 47
        case 4:
            return bytes(frame[:12]) + b"\x08\x06" + bytes(frame[14:])
        case 5:
            six = pack("!IHBB", 6 << 28, 20, UDP, 64) + bytes(range(32)) + bytes(frame[34:54])
            return bytes(frame[:12]) + b"\x86\xdd" + six
    pack_into("!H", frame, 24, 0)
    pack_into("!H", frame, 24, ones_sum(frame[14:34]))
    return bytes(frame)


def traffic(count: int, seed: int = 1) -> list[bytes]:
    """Flows from and to the inside, their answers, answers to the NAPT's own, and odd frames."""
    rng = Random(seed)
    napt = Napt()
    flows: list[Flow] = []
    frames: list[bytes] = []
    ends = (
        lambda: 0x0A000000 + rng.randrange(1 << 24),
        lambda: 0x0A420000 + rng.randrange(1 << 16),
        lambda: 0xC0A80000 + rng.randrange(1 << 16),
        lambda: 0xC0A81600 + rng.randrange(256),
        lambda: 0x10000000 + rng.randrange(1 << 28),
        lambda: POOL + rng.randrange(40),
        lambda: 0x2F000000 + rng.randrange(1 << 24),
    )
    for _ in range(count):
        chance = rng.random()
        if chance < 0.3 or not flows:
            flow = Flow(
                rng.choice(ends)(),
                rng.choice(ends)(),
                rng.randrange(1 << 16),
                rng.choice((22, 53, 80, 161, 443, 8080, rng.randrange(1 << 16))),
                rng.choice((TCP, UDP)),
            )
            flows.append(flow)
        else:
            flow = rng.choice(flows)
            flow = flow.reverse() if chance < 0.5 else flow
        if chance > 0.95:
            frames.append(odd(rng, flow))
            continue
        frame = packet(flow, rng.choice((50, 50, 77)), rng.choice((0, 0, 2)), rng.random() < 0.1)
        if flow.proto == UDP and rng.random() < 0.1:
            at = (place(frame) or 0) + (frame[place(frame) or 0] & 15) * 4
            frame = frame[: at + 6] + b"\0\0" + frame[at + 8 :]
        frames.append(frame)
        sent = napt(frame)
        answer = flow_of(sent) if sent else None
        if answer is not None and inside(flow.sip) and rng.random() < 0.3:
            flows.append(answer.reverse())
    return frames
