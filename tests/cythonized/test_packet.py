"""The runtime's parse, fields and deparse are the codec's, under ASan and UBSan."""

from __future__ import annotations

import os
import re
import struct
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import hostile_frames
import pytest

from nfverify.packet.codec import Malformed, build, deparse, parse
from nfverify.packet.fields import FIELDS, Header
from nfverify.packet.packet import Packet

SOURCE = Path(__file__).parent / "c" / "packet_driver.c"
SEEDS = int(os.environ.get("NFVERIFY_PACKET_SEEDS", "6"))  # of 4,000 frames each
FLOW = ("sip", "dip", "sport", "dport", "proto")
UNDER_IP4 = {"tos", "ttl", "iplen", "ip_id", "sip", "dip", "proto"}
ON_LINK = {"dmac", "smac", "ethertype", "vlan", "size"}
FIELD_LISTS = ("FLOW", "PUT", "READ_ONLY")
PAYLOAD, PUT_FLOW = 254, 255


def driver_fields() -> list[str]:
    """The fields in the order of the driver's numbers."""
    text = SOURCE.read_text().replace("\\\n", " ")
    found = []
    for name in FIELD_LISTS:
        (line,) = re.findall(rf"#define {name}\(X\)(.*)", text)
        found += re.findall(r"X\((\w+)\)", line)
    return found


NAMES = driver_fields()
NUMBER = {name: i for i, name in enumerate(NAMES)}


@dataclass(frozen=True, slots=True)
class Case:
    """A frame, and the writes to it: names in order, of the values in `written`."""

    frame: bytes
    iface: int
    names: tuple[str, ...]
    written: Packet | Malformed
    rng_bits: int  # what else is put and covered, and the buffer's alignment

    def request(self) -> bytes:
        parts = []
        flow = sum(1 << FLOW.index(name) for name in self.names if name in FLOW)
        covers = int(any(n in UNDER_IP4 for n in self.names))
        covers |= 2 * any(n not in ON_LINK for n in self.names)
        ordered = [*self.names, "put flow"] if self.rng_bits & 1 else ["put flow", *self.names]
        for name in ordered:
            if name == "put flow":
                parts.append(bytes((PUT_FLOW,)))
            elif name == "payload":
                assert isinstance(self.written, Packet)
                data = self.written.payload
                parts.append(struct.pack("<BI", PAYLOAD, len(data)) + data)
            else:
                value = getattr(self.written, name)
                parts.append(bytes((NUMBER[name],)) + value.to_bytes(16, "little"))
        which = flow | (self.rng_bits >> 1 & self.rng_bits >> 6 & 31)
        covers |= 1 if which & 19 else 0
        covers |= 2 if which else 0
        covers |= self.rng_bits >> 11 & self.rng_bits >> 13 & 3
        start = struct.pack("<I", len(self.frame)) + self.frame
        rest = struct.pack("<HBBBB", self.iface, self.rng_bits >> 15 & 7, which, covers, len(parts))
        return start + rest + b"".join(parts)


def case(rng: Random, frame: bytes) -> Case:
    written = parse(frame)
    names: list[str] = []
    iface = rng.getrandbits(16)
    if isinstance(written, Packet):
        names = hostile_frames.writes(rng, written)
    return Case(frame, iface, tuple(names), written, rng.getrandbits(18))


def check(program: Path, cases: Iterable[Case]) -> tuple[int, int, int]:
    """(malformed, accepted by the fast parse without, and with writes to come)."""
    cases = list(cases)
    done = subprocess.run(
        [program], input=b"".join(c.request() for c in cases), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    out, at = done.stdout, 0
    malformed = fast = fast_writes = 0
    for c in cases:
        bad, plain, plain_writes, bits = out[at : at + 4]
        at += 4
        malformed, fast, fast_writes = malformed + bad, fast + plain, fast_writes + plain_writes
        p = parse(c.frame)
        assert bad == isinstance(p, Malformed), (c.frame.hex(), p)
        if isinstance(p, Malformed):
            continue
        p.iface = c.iface
        assert bits == p.bits, c.frame.hex()
        assert plain == is_plain(p), c.frame.hex()
        assert plain_writes == (plain and not has_ones_checksum(p)), c.frame.hex()
        for name in NAMES:
            value = int.from_bytes(out[at : at + 16], "little")
            at += 16
            assert value == getattr(p, name), (name, c.frame.hex())
        (length,) = struct.unpack_from("<I", out, at)
        at += 4 + length
        assert out[at - length : at] == p.payload, c.frame.hex()
        rewritten = out[at : at + len(c.frame)]
        at += len(c.frame)
        assert isinstance(c.written, Packet)
        assert rewritten == deparse(c.written), (c.frame.hex(), c.names, c.written)
    assert at == len(out)
    return malformed, fast, fast_writes


def is_plain(p: Packet) -> bool:
    expected = Header.LINK | Header.IP4
    return (
        p.present in {expected | Header.TCP, expected | Header.UDP}
        and p.frame[14] == 0x45
        and len(p.frame) >= 54
    )


def has_ones_checksum(p: Packet) -> bool:
    at = [24, 50] if p.present & Header.TCP else [24]
    return any(p.frame[i : i + 2] == b"\xff\xff" for i in at)


@pytest.fixture(scope="module")
def program(compile_c) -> Path:  # type: ignore[no-untyped-def]
    return compile_c(SOURCE)  # type: ignore[no-any-return]


def test_the_driver_has_every_field() -> None:
    assert sorted(NAMES) == sorted(FIELDS.keys() - {"payload"})


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_frames_and_writes(program: Path, seed: int) -> None:
    rng = Random(seed)
    cases = [case(rng, hostile_frames.frame(rng)) for _ in range(4000)]
    malformed, fast, fast_writes = check(program, cases)
    assert malformed > 200
    assert fast > fast_writes > 500


def test_each_prefix_of_each_kind(program: Path) -> None:
    rng = Random(7)
    frames = [hostile_frames.frame(rng) for _ in range(150)]
    check(program, (case(rng, f[:n]) for f in frames for n in range(min(len(f), 150))))


def test_random_bytes(program: Path) -> None:
    rng = Random(8)
    kinds = (b"\x08\0", b"\x86\xdd", b"\x81\0", b"\x08\0\x45", b"\x86\xdd\x60")
    check(
        program,
        (
            case(rng, rng.randbytes(12) + rng.choice(kinds) + rng.randbytes(rng.randrange(150)))
            for _ in range(4000)
        ),
    )


def test_checksums_under_random_writes(program: Path) -> None:
    """Every fifth checksum, of UDP and TCP frames whose words are near 0 and 0xffff."""
    rng = Random(9)
    values: dict[str, int | bytes] = {"sip": 0xFFFF0000, "dip": 0xFFFF, "sport": 0xFFFF}
    for present, at in ((Header.UDP, 40), (Header.TCP, 50)):
        frame = bytearray(build(Header.IP4 | present, values | {"payload": bytes(20)}))
        cases = []
        for checksum in range(0, 65536, 5):
            frame[at : at + 2] = struct.pack("!H", checksum)
            frame[24:26] = struct.pack("!H", checksum * 3 & 0xFFFF)
            cases.append(case(rng, bytes(frame)))
        check(program, cases)


WORDS = [("sport", "dport"), ("icmp_id", "icmp_seq"), ("iplen", "ip_id"), ("window", "sport")]


@pytest.mark.parametrize("names", WORDS)
@pytest.mark.parametrize("ip", [Header.IP4, Header.IP6])
@pytest.mark.parametrize("l4", [Header.TCP, Header.UDP, Header.ICMP])
def test_checksums_of_0xffff_under_changes_that_cancel(
    program: Path, names: tuple[str, str], ip: Header, l4: Header
) -> None:
    """a -> b and ~a -> ~b, and to and from 0 and 0xffff: the sums alike, the words not."""
    rng = Random(12)
    cases = []
    for _ in range(200):
        x, y = rng.choice((0, 0xFFFF, rng.getrandbits(16))), rng.choice((0, 0xFFFF, 0x1234))
        before = parse(build(ip | l4, {"payload": b"end"}))
        assert isinstance(before, Packet)
        setattr(before, names[0], x)
        setattr(before, names[1], rng.choice((0xFFFF - x, 0xFFFF, 0)))
        whole = bytearray(deparse(before))
        if ip is Header.IP4:
            whole[24:26] = rng.choice((b"\xff\xff", b"\0\0"))
        at = before.l4_at + {Header.TCP: 16, Header.UDP: 6, Header.ICMP: 2}[l4]
        whole[at : at + 2] = rng.choice((b"\xff\xff", b"\xff\xff", b"\0\0"))
        written = parse(bytes(whole))
        if isinstance(written, Packet):
            setattr(written, names[0], y)
            setattr(written, names[1], rng.choice((0xFFFF - y, 0xFFFF, 0)))
            cases.append(Case(bytes(whole), 0, names, written, rng.getrandbits(18)))
    check(program, cases)


def test_a_payload_of_another_length_is_not_written(program: Path) -> None:
    for present in (Header.TCP, Header.UDP, Header.ICMP, Header(0)):
        for ip in (Header.IP4, Header.IP6):
            frame = build(ip | present, {"payload": b"twenty bytes of data"})
            written = parse(frame)
            assert isinstance(written, Packet)
            for payload in (b"", b"short", b"one byte more than it"):
                written.payload = payload
                request = Case(frame, 0, ("payload",), written, 0).request()
                done = subprocess.run([program], input=request, capture_output=True, check=True)
                assert done.stdout.endswith(frame)


@pytest.mark.parametrize("present", [Header.TCP, Header.UDP, Header.ICMP, Header(0)])
@pytest.mark.parametrize("ip", [Header.IP4, Header.IP6])
def test_large_frames(program: Path, ip: Header, present: Header) -> None:
    rng = Random(10)
    for length in (65000, 64999):
        frame = build(ip | present, {"payload": b"\xff" * length})
        for padding in (0, 1, 262144 - len(frame)):
            check(program, [case(rng, frame + bytes(padding)) for _ in range(3)])


def test_extension_headers_of_the_largest_size(program: Path) -> None:
    rng = Random(11)
    for proto in (0, 6, 17, 58):
        chain = b"".join(bytes((60, 255)) + rng.randbytes(2046) for _ in range(7))
        chain += bytes((proto, 255)) + rng.randbytes(2046)
        l4 = rng.randbytes(12) + b"\x50" + rng.randbytes(27)
        head = struct.pack("!IHBB", 6 << 28, len(chain) + len(l4), 60, 64) + rng.randbytes(32)
        frame = rng.randbytes(12) + b"\x86\xdd" + head + chain + l4
        check(program, [case(rng, frame[:n]) for n in range(len(frame) - 45, len(frame) + 1)])
