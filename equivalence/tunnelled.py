"""Traffic in tunnels, and broken tunnels, for models that push and pop headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from nfverify.packet import tunnel
from nfverify.packet.codec import Malformed, deparse, parse
from nfverify.packet.packet import Packet

ADDRESSES = (0x0A000001, 0x0A000002, 0xC0A80001)
VNIS = (0, 1, 7, 0xFFFFFF)
VIDS = (0, 1, 5, 4095)
_PORT = 50_000
_MOST = 3  # headers around a packet
_MARKS = (b"\x88\xa8\x30", b"\x81\x00\xe0", b"\x81\x00\x10")  # TPID and PCP of an outer tag
_FRAGMENTS = (b"\x20\0", b"\0\x02")  # the first, a later one


def wrapped(rng: Random, packet: Packet, pools: Mapping[str, Sequence[int]]) -> Packet:
    """The packet behind a few headers, parsed as it would come in; some are broken or odd."""
    made = packet.copy()

    def one(name: str, plain: Sequence[int]) -> int:
        return rng.choice((*pools.get(name, ()), *plain))

    for _ in range(rng.randint(1, _MOST)):
        match rng.choice(("vlan", "ipip", "ipip", "vxlan", "vxlan", "ttl")):
            case "vlan":
                tunnel.push_vlan(made, one("vlan", VIDS))
            case "ipip":
                tunnel.push_ipip(made, one("sip", ADDRESSES), one("dip", ADDRESSES))
            case "vxlan":
                vni = one("vni", VNIS)
                ends = one("sip", ADDRESSES), one("dip", ADDRESSES)
                tunnel.push_vxlan(made, *ends, vni, _PORT)
            case _:
                made.ttl = rng.choice((1, 2, 63)) if made.ttl else 0
    frame = deparse(made)
    dice = rng.random()
    if dice < 0.1:
        at = rng.randrange(12, len(frame))
        frame = frame[:at] + rng.randbytes(1) + frame[at + 1 :]
    elif dice < 0.15:
        frame = frame[: rng.randrange(14, len(frame) + 1)]
    elif dice < 0.2:
        frame += rng.randbytes(3)
    elif dice < 0.25 and made.type_at > 12:
        frame = frame[:12] + rng.choice(_MARKS) + frame[15:]
    elif dice < 0.28 and made.IP4:
        frame = frame[: made.ip_at + 6] + rng.choice(_FRAGMENTS) + frame[made.ip_at + 8 :]
    elif dice < 0.3:
        frame = frame[:12] + b"\x81\x00\x00\x07" * 3 + frame[12:]
    found = parse(frame)
    return packet if isinstance(found, Malformed) else found
