"""Ethernet frames of every kind, honest and hostile, written byte by byte: nothing of the codec
that they test is used here. About 15 microseconds each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from struct import pack, pack_into, unpack_from

from nfverify.oracles.packed import pack_vxlan

TAGS = (0x8100, 0x88A8)
OTHER_TYPES = (0x0806, 0x88CC, 0x8863, 0x8847, 0x9100, 0x0600, 0x05DC, 0)
OTHER_PROTOS = (0, 2, 4, 41, 47, 50, 51, 59, 89, 132, 253, 255)
EXTENSIONS = (0, 43, 60)
GRE_HEADS = (b"\0\0\x08\0", b"\x20\0\x08\0\0\0\0\x01", b"\0\0\x86\xdd", b"\x80\0\x65\x58\0\0\0\0")
TCP_OPTIONS = (b"\x02\x04\x05\xb4", b"\x01\x01\x08\x0a" + bytes(8), b"\x01" * 4, bytes(40))
MAX_SIZE = 9000  # bytes: a jumbo frame's
FLAGS = (0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0, 0x3F, 0xFF, 0x29)


def checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) & 1:
        data += b"\0"
    number = int.from_bytes(data, "big")
    return 0xFFFF - (number % 0xFFFF or (0xFFFF if number else 0))


@dataclass(slots=True)
class Frames:
    """`rng` decides; `plain` is the share of frames that nothing odd is done to."""

    rng: Random
    plain: float = 0.5

    def frame(self, want: Mapping[str, int], payload: bytes) -> bytes:
        """A frame with these field values where it can have them; what is missing is random.

        `size` makes the payload longer or shorter, up to 9,000 bytes of IP.
        """
        rng = self.rng
        odd = rng.random() >= self.plain
        if "vni" in want:
            inner = self.frame({n: v for n, v in want.items() if n != "vni"}, payload)
            return pack_vxlan(rng, inner, want, odd)
        if "sip6" in want or "dip6" in want:
            kind = 6
        elif "sip" in want or "dip" in want:
            kind = 4
        else:
            roll = rng.random()
            kind = 4 if roll < 0.75 else 6 if roll < 0.94 or not odd else 0
        if kind == 0:
            ethertype, body = want.get("ethertype", rng.choice(OTHER_TYPES)), payload
        elif kind == 4:
            ethertype, body = 0x0800, self._ip4(want, payload, odd)
        else:
            ethertype, body = 0x86DD, self._ip6(want, payload, odd)
        frame = self._link(want, ethertype, odd) + body
        if len(frame) < 60 and rng.random() < 0.3:
            frame += bytes(60 - len(frame))  # the padding of short frames, in no IP length
        return self.spoil(frame) if odd and rng.random() < 0.3 else frame

    def spoil(self, frame: bytes) -> bytes:
        """Cut short, changed in a byte, lengthened, or not a frame at all."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.45:
            return frame[: rng.randrange(min(len(frame), 96) + 1)]
        if roll < 0.8 and frame:
            out = bytearray(frame)
            at = rng.randrange(min(len(out), 80))
            out[at] = rng.choice((0, 0xFF, out[at] ^ 1 << rng.randrange(8), rng.getrandbits(8)))
            return bytes(out)
        if roll < 0.9:
            return frame + rng.randbytes(rng.randrange(1, 40))
        return rng.randbytes(rng.choice((0, 1, 13, 14, 15, 17, 18, 33, 34, 53, 54, 60, 200)))

    def _link(self, want: Mapping[str, int], ethertype: int, odd: bool) -> bytes:
        rng = self.rng
        link = want.get("dmac", 2 + rng.randrange(3)).to_bytes(6, "big")
        link += want.get("smac", 0x020000000001 + rng.randrange(3)).to_bytes(6, "big")
        tags = 0
        if "vlan" in want:
            tags = 1
        elif rng.random() < 0.12:
            tags = rng.choice((1, 1, 2, 2, 3)) if odd else 1
        for number in range(tags):
            vlan = want.get("vlan", rng.randrange(4)) if number == 0 else rng.randrange(4096)
            link += pack("!HH", rng.choice(TAGS), rng.getrandbits(4) << 12 | vlan & 0xFFF)
        return link + pack("!H", ethertype)

    # IP -----------------------------------------------------------------------------------

    def _ip4(self, want: Mapping[str, int], payload: bytes, odd: bool) -> bytes:
        rng = self.rng
        addresses = pack("!II", want.get("sip", 0) & 0xFFFFFFFF, want.get("dip", 0) & 0xFFFFFFFF)
        proto = self._proto(want, 1)
        options, fragment = b"", 0x4000 if rng.random() < 0.5 else 0
        if odd:
            roll = rng.random()
            if roll < 0.15:
                options = rng.choice((b"\x94\x04\0\0", b"\x01" * 8, bytes(40), rng.randbytes(4)))
            elif roll < 0.35:
                # first, in the middle, last
                fragment = rng.choice((0x2000, 0x2000 | rng.randrange(1, 64), rng.randrange(1, 64)))
        room = want["size"] - 20 - len(options) if "size" in want else None
        if fragment & 0x1FFF:
            body = _fitted(payload, room)
        else:
            body = self._transport(want, proto, addresses, payload, odd, 4, room)
        size = 20 + len(options) + len(body)
        if odd and rng.random() < 0.12:
            size = rng.choice((0, 19, 20, 27, 28, 39, 40, size - 1, size + 1, size + 500, 0xFFFF))
        first = 0x45 + len(options) // 4
        if odd and rng.random() < 0.04:
            first = rng.choice((0x44, 0x40, 0x46, 0x4F, 0x55, 0x65, 0x05))
        head = bytearray(
            pack(
                "!BBHHHBBH",
                first,
                want.get("tos", rng.choice((0, 0, 0xB8, 0xFF))),
                want.get("iplen", size) & 0xFFFF,
                want.get("ip_id", rng.getrandbits(16)),
                fragment,
                want.get("ttl", rng.choice((64, 64, 1, 0, 255))),
                proto,
                0,
            )
            + addresses
            + options
        )
        pack_into("!H", head, 10, self._checksum(checksum(bytes(head)), odd))
        return bytes(head) + body

    def _ip6(self, want: Mapping[str, int], payload: bytes, odd: bool) -> bytes:
        rng = self.rng
        addresses = want.get("sip6", 1).to_bytes(16, "big") + want.get("dip6", 2).to_bytes(
            16, "big"
        )
        proto = self._proto(want, 58)
        later, extensions = False, b""
        following = proto
        if odd and rng.random() < 0.5:
            # Written from the last one to the first, since each names what follows.
            for _ in range(rng.choice((1, 1, 2, 3, 7, 8, 9))):
                if rng.random() < 0.25:
                    offset = rng.choice((0, 1, 8, 8, 9, 0xFFF8))
                    later |= offset > 7
                    extensions = pack("!BBHI", following, 0, offset, 7) + extensions
                    following = 44
                else:
                    units = rng.choice((0, 0, 0, 1, 2, 40))
                    extensions = bytes((following, units)) + bytes(6 + 8 * units) + extensions
                    following = rng.choice(EXTENSIONS)
        room = want["size"] - 40 - len(extensions) if "size" in want else None
        if later:
            body = _fitted(payload, room)
        else:
            body = self._transport(want, proto, addresses, payload, odd, 6, room)
        size = len(extensions) + len(body)
        if odd and rng.random() < 0.12:
            size = rng.choice((0, 7, 8, 19, 20, max(0, size - 1), size + 1, size + 500, 0xFFFF))
        version = 6 if not odd or rng.random() < 0.97 else rng.choice((4, 5, 15))
        word = version << 28 | want.get("tos", 0) << 20 | rng.getrandbits(20)
        hops = want.get("ttl", rng.choice((64, 1, 255)))
        return pack("!IHBB", word, size & 0xFFFF, following, hops) + addresses + extensions + body

    def _proto(self, want: Mapping[str, int], icmp: int) -> int:
        if "proto" in want:
            return want["proto"] & 0xFF
        if "icmp_type" in want or "icmp_id" in want:
            return icmp
        roll = self.rng.random()
        if roll < 0.9:
            return 6 if roll < 0.4 else 17 if roll < 0.72 else icmp
        return self.rng.choice((*OTHER_PROTOS, 1, 58))

    # Transport ----------------------------------------------------------------------------

    def _transport(
        self,
        want: Mapping[str, int],
        proto: int,
        addresses: bytes,
        payload: bytes,
        odd: bool,
        version: int,
        room: int | None,
    ) -> bytes:
        """Header and payload, `room` bytes if that can be."""
        rng = self.rng
        pseudo = True
        if proto == 6:
            flags = want.get("flags", rng.choice(FLAGS))
            for bit, name in enumerate(("fin", "syn", "rst", "psh", "ack", "urg")):
                if (value := want.get(f"flag_{name}")) is not None:
                    flags = flags & ~(1 << bit) | (value & 1) << bit
            options = rng.choice(TCP_OPTIONS) if odd and rng.random() < 0.3 else b""
            offset = 5 + len(options) // 4
            if odd and rng.random() < 0.06:
                offset = rng.choice((0, 4, 6, 15))
            head = pack("!HH", want.get("sport", 0) & 0xFFFF, want.get("dport", 0) & 0xFFFF)
            head += pack(
                "!IIBBHHH",
                want.get("seq", rng.choice((0, 1, 0xFFFFFFFF, rng.getrandbits(32)))) & 0xFFFFFFFF,
                want.get("ack_no", rng.getrandbits(32)) & 0xFFFFFFFF,
                offset << 4 | (rng.getrandbits(4) if odd else 0),
                flags & 0xFF,
                want.get("window", rng.choice((0, 1024, 65535))) & 0xFFFF,
                0,
                0,
            )
            head += options
            payload, at = _fitted(payload, room, len(head)), 16
        elif proto == 17:
            payload = _fitted(payload, room, 8)
            length = 8 + len(payload)
            if odd and rng.random() < 0.15:
                length = rng.choice((0, 7, 8, 9, length - 1, length + 1, length + 9, 0xFFFF))
            ends = want.get("sport", 0) & 0xFFFF, want.get("dport", 0) & 0xFFFF
            head, at = pack("!HHHH", *ends, max(0, length) & 0xFFFF, 0), 6
        elif proto in (1, 58):
            kind = want.get("icmp_type", rng.choice((8, 0, 3, 11, 128, 129, 135)))
            code = want.get("icmp_code", rng.randrange(2))
            head = pack(
                "!BBHHH",
                kind & 0xFF,
                code & 0xFF,
                0,
                want.get("icmp_id", rng.randrange(4)) & 0xFFFF,
                want.get("icmp_seq", rng.randrange(4)) & 0xFFFF,
            )
            payload = _fitted(payload, room, 8)
            at, pseudo = 2, version == 6
        elif proto == 47:
            return _fitted(rng.choice(GRE_HEADS) + payload, room)
        else:
            return _fitted(payload, room)
        covered = head + payload
        front = addresses + pack("!BBI", 0, proto, len(covered)) if pseudo else b""
        right = checksum(front + covered)
        if proto == 17 and right == 0:
            right = 0xFFFF
        found = self._checksum(right, odd)
        return covered[:at] + pack("!H", found) + covered[at + 2 :]

    def _checksum(self, right: int, odd: bool) -> int:
        """Mostly right; else absent, all ones, one off, or anything."""
        if not odd or self.rng.random() < 0.7:
            return right
        rng = self.rng
        return rng.choice((0, 0, 0xFFFF, right ^ 1, right ^ 0xFFFF, rng.getrandbits(16)))


def _fitted(payload: bytes, room: int | None, head: int = 0) -> bytes:
    """Lengthened with zeros or cut to `room` less `head` bytes, if that can be."""
    if room is None or not head <= room <= MAX_SIZE:
        return payload
    return (payload + bytes(room))[: room - head]


def answer(frame: bytes) -> bytes:
    """The frame that the receiver would send back: addresses and ports swapped, which keeps its
    checksums, and an echo request made its reply. Frames that are no IP come back as they are."""
    at = 14
    if len(frame) < at + 20:
        return frame
    ethertype = unpack_from("!H", frame, 12)[0]
    while ethertype in TAGS and at < 22:
        ethertype = unpack_from("!H", frame, at + 2)[0]
        at += 4
    out = bytearray(frame)
    out[0:6], out[6:12] = frame[6:12], frame[0:6]
    if ethertype == 0x0800 and len(frame) >= at + 20:
        out[at + 12 : at + 16], out[at + 16 : at + 20] = (
            out[at + 16 : at + 20],
            out[at + 12 : at + 16],
        )
        proto, l4 = frame[at + 9], at + (frame[at] & 15) * 4
    elif ethertype == 0x86DD and len(frame) >= at + 40:
        out[at + 8 : at + 24], out[at + 24 : at + 40] = (
            out[at + 24 : at + 40],
            out[at + 8 : at + 24],
        )
        proto, l4 = frame[at + 6], at + 40
    else:
        return frame
    if proto in (6, 17) and len(frame) >= l4 + 4:
        out[l4 : l4 + 2], out[l4 + 2 : l4 + 4] = frame[l4 + 2 : l4 + 4], frame[l4 : l4 + 2]
    elif proto == 1 and len(frame) >= l4 + 4 and frame[l4] == 8:
        out[l4] = 0
        total = unpack_from("!H", frame, l4 + 2)[0] + 0x0800
        pack_into("!H", out, l4 + 2, (total & 0xFFFF) + (total >> 16))
    return bytes(out)
