"""The chain of benchmarks/models/chain.nfd in plain Python, for scale: dicts for its state, and
`struct` or scapy for its packets."""

from __future__ import annotations

import csv
from ipaddress import IPv4Network
from pathlib import Path
from struct import Struct

from tables import crc32c, maglev_table

MODELS = Path(__file__).parent / "models"
Flow = tuple[int, int, int, int, int]  # source, destination, their ports, protocol
_POOL = 0xDBA88740
_TCP, _UDP = 6, 17
_HEAD = Struct("!HBxHxxHxBHIIHH")  # from the ethertype on
_CHECKSUMS = {_TCP: 50, _UDP: 40}


def _inside(address: int) -> bool:
    return address >> 24 == 10 or address >> 16 == 0xC0A8


class Chain:
    """NAPT, load balancer, monitor and firewall on flows."""

    def __init__(self) -> None:
        self.next = {_TCP: 0, _UDP: 0}
        self.given: dict[Flow, tuple[int, int]] = {}
        self.host: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.backend: dict[Flow, int] = {}
        self.counts: dict[Flow, list[int]] = {}
        self.maglev = maglev_table()
        with (MODELS / "fw10.csv").open() as stream:
            self.rules = [_rule(row) for row in csv.DictReader(stream)]

    def __call__(self, flow: Flow, size: int) -> Flow | None:
        """The flow that it becomes; None: dropped."""
        sip, dip, sport, dport, proto = flow
        if _inside(sip):
            given = self.given.get(flow)
            if given is None:
                number = self.next[proto]
                if number >> 5 > 64511:
                    return None
                self.next[proto] = number + 1
                given = self.given[flow] = _POOL + (number & 31), 1024 + (number >> 5)
                self.host[(*given, proto)] = sip, sport
            sip, sport = given
        elif _POOL <= dip < _POOL + 32:
            host = self.host.get((dip, dport, proto))
            if host is None:
                return None
            dip, dport = host
        flow = sip, dip, sport, dport, proto
        if not _inside(dip):
            backend = self.backend.get(flow)
            if backend is None:
                data = proto << 112 | sip << 64 | dip << 32 | sport << 16 | dport
                slot = crc32c(data.to_bytes(16, "big")) % len(self.maglev)
                backend = self.backend[flow] = 0xAC100101 + self.maglev[slot]
            flow = sip, backend, sport, dport, proto
        counts = self.counts.get(flow)
        if counts is None:
            counts = self.counts[flow] = [0, 0]
        counts[0] += 1
        counts[1] += size
        return flow if self.accepts(flow) else None

    def accepts(self, flow: Flow) -> bool:
        sip, dip, sport, dport, proto = flow
        for s, sm, d, dm, p, s0, s1, d0, d1, accept in self.rules:
            if (
                sip & sm == s
                and dip & dm == d
                and p in (0, proto)
                and s0 <= sport <= s1
                and d0 <= dport <= d1
            ):
                return bool(accept)
        return False


def _rule(row: dict[str, str]) -> tuple[int, ...]:
    ends: list[int] = []
    for name in ("sip", "dip"):
        network = IPv4Network(row[name].replace("*", "0.0.0.0/0"))
        ends += int(network.network_address), int(network.netmask)
    ports: list[int] = []
    for name in ("sport", "dport"):
        low, _, high = row[name].replace("*", "0-65535").partition("-")
        ports += int(low), int(high or low)
    proto = 0 if row["proto"] == "*" else int(row["proto"])
    return (*ends, proto, *ports, row["action"] == "accept")


def by_struct(chain: Chain, frame: bytes) -> bytes | None:
    """One plain frame; the checksums are updated, not computed anew."""
    ethertype, version, size, fragment, proto, checksum, sip, dip, sport, dport = _HEAD.unpack_from(
        frame, 12
    )
    if ethertype != 0x800 or version != 0x45 or fragment & 0x3FFF or proto not in _CHECKSUMS:
        return None
    flow = sip, dip, sport, dport, proto
    new = chain(flow, size)
    if new is None or new == flow:
        return frame if new else None
    change = new[0] - sip + new[1] - dip
    out = bytearray(frame)
    out[24:26] = _moved(checksum, change).to_bytes(2, "big")
    out[26:38] = (new[0] << 64 | new[1] << 32 | new[2] << 16 | new[3]).to_bytes(12, "big")
    at = _CHECKSUMS[proto]
    old = int.from_bytes(frame[at : at + 2], "big")
    if old or proto == _TCP:
        value = _moved(old, change + new[2] - sport + new[3] - dport)
        value = value or (0xFFFF if proto == _UDP else 0)
        out[at : at + 2] = value.to_bytes(2, "big")
    return bytes(out)


def _moved(checksum: int, change: int) -> int:
    return 0xFFFF - ((0xFFFF - checksum + change) % 0xFFFF or 0xFFFF)


def by_scapy(chain: Chain, frame: bytes) -> bytes | None:
    """One frame, dissected and built again; its addresses as numbers for the chain."""
    from ipaddress import ip_address

    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.l2 import Ether

    packet = Ether(frame)
    ip = packet.getlayer(IP)
    l4 = packet.getlayer(TCP) or packet.getlayer(UDP)
    if ip is None or l4 is None or ip.frag or ip.flags.MF:
        return None
    flow = int(ip_address(ip.src)), int(ip_address(ip.dst)), l4.sport, l4.dport, ip.proto
    new = chain(flow, ip.len)
    if new is None:
        return None
    ip.src, ip.dst = str(ip_address(new[0])), str(ip_address(new[1]))
    l4.sport, l4.dport = new[2], new[3]
    del ip.chksum, l4.chksum
    return bytes(packet)
