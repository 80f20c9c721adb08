"""A model of the library on a bench: frames go in by hand, parsed packets come out."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

from nfverify.packet.codec import Packet, build, parse
from nfverify.packet.fields import Header
from nfverify.semantics.machine import Machine
from nfverify.smat.load import load

MS = 1_000_000
SECOND = 1_000 * MS
INSIDE, OUTSIDE = 0, 1


def ip(text: str) -> int:
    return int(ip_address(text))


def frame(
    l4: Header | None, src: str, dst: str, *, fragment: bool = False, **fields: int | bytes
) -> bytes:
    """An IPv4 or IPv6 frame with these addresses."""
    four = isinstance(ip_address(src), IPv4Address)
    present = Header.IP4 if four else Header.IP6
    if l4 is not None:
        present |= l4
    if fragment:
        present |= Header.FRAG
    ends = ("sip", "dip") if four else ("sip6", "dip6")
    return build(present, {ends[0]: ip(src), ends[1]: ip(dst), **fields})


def tcp(
    src: str, sport: int, dst: str, dport: int, flags: str = "", **fields: int | bytes
) -> bytes:
    """`flags` are letters of SAFRPU."""
    names = {"S": "syn", "A": "ack", "F": "fin", "R": "rst", "P": "psh", "U": "urg"}
    bits = {f"flag_{names[letter]}": 1 for letter in flags}
    return frame(Header.TCP, src, dst, sport=sport, dport=dport, **bits, **fields)


def udp(src: str, sport: int, dst: str, dport: int, **fields: int | bytes) -> bytes:
    return frame(Header.UDP, src, dst, sport=sport, dport=dport, **fields)


def ping(src: str, dst: str, number: int, *, reply: bool = False) -> bytes:
    kind = 0 if reply else 8
    return frame(Header.ICMP, src, dst, icmp_type=kind, icmp_id=number, icmp_seq=1)


class Bench:
    """`load(target)`, run; time stands still unless `at` (ns) is given."""

    def __init__(self, target: str) -> None:
        self.machine = Machine(load(target))
        self.now = 0

    def fresh(self) -> Bench:
        """Another one in the same state."""
        other = Bench.__new__(Bench)
        other.machine, other.now = self.machine.clone(), self.now
        return other

    def send(self, data: bytes, port: int = INSIDE, at: int | None = None) -> Packet | None:
        """What comes out, by the other port; None if it was dropped."""
        frames = self.frames(data, port, at)
        if not frames:
            return None
        packet = parse(frames[0])
        assert isinstance(packet, Packet)
        return packet

    def frames(self, data: bytes, port: int = INSIDE, at: int | None = None) -> list[bytes]:
        if at is not None:
            self.now = at
        outputs = self.machine.step(self.now, port, data)
        assert all(output.port == 1 - port for output in outputs)
        assert len(outputs) <= 1
        return [output.frame for output in outputs]

    def passes(self, data: bytes, port: int = INSIDE, at: int | None = None) -> bool:
        """Does it come out, and unchanged?"""
        frames = self.frames(data, port, at)
        assert frames in ([], [data])
        return bool(frames)

    def state(self, instance: str, variable: str) -> dict[tuple[object, ...], tuple[object, ...]]:
        return self.machine.snapshot()[instance][variable]
