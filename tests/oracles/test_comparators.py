"""What of an output counts."""

from random import Random

import pytest

from nfverify.oracles.comparators import Comparison, hide
from nfverify.oracles.engines.base import UNTOLD, Failure, Run
from nfverify.oracles.frames import Frames
from nfverify.packet.codec import Malformed, build, deparse, parse
from nfverify.packet.fields import FIELDS, Header
from nfverify.semantics.machine import Output

EXACT = Comparison()
FLOWS = Comparison.of(["per-flow"])
L2_TTL = Comparison.of(["l2-ttl"])
WIRE = [name for name, info in FIELDS.items() if info.on_wire and name not in ("size", "payload")]


def udp(**values: int) -> bytes:
    return build(Header.IP4 | Header.UDP, {"sip": 1, "dip": 2, "sport": 3, "dport": 4, **values})


def out(frame: bytes, port: int = 1, time: int = 5) -> Output:
    return Output(time, port, frame)


def run(*steps: list[Output], flat: bool = False, failure: Failure | None = None) -> Run:
    return Run(tuple(map(tuple, steps)), flat=flat, failure=failure)


def test_exact() -> None:
    one = out(udp())
    assert EXACT.parted(run([one], []), run([one], [])) is None
    for other in (out(udp(ttl=63)), out(udp(), port=0), out(udp(), time=6)):
        found = EXACT.parted(run([], [one]), run([], [other]))
        assert found is not None
        assert found.at == 1
    assert EXACT.parted(run([one]), run([one, one])) is not None
    assert EXACT.parted(run([one]), run([out(udp(), UNTOLD, UNTOLD)])) is None


def test_l2_and_ttl() -> None:
    plain, tagged = udp(ttl=7), udp(ttl=9, smac=5, dmac=6)
    assert L2_TTL.alike(out(plain), out(tagged))
    with_tag = build(
        Header.IP4 | Header.UDP | Header.VLAN,
        {"sip": 1, "dip": 2, "sport": 3, "dport": 4, "vlan": 9},
    )
    assert L2_TTL.alike(out(plain), out(with_tag))
    assert not L2_TTL.alike(out(plain), out(udp(tos=1)))
    assert not L2_TTL.alike(out(plain), out(udp(sport=9)))
    arp, other = build(Header.LINK, {"ethertype": 0x806}), build(Header.LINK, {"ethertype": 0x807})
    assert not L2_TTL.alike(out(arp), out(other))


def test_a_wrong_checksum_shows_where_it_covers_nothing_ignored() -> None:
    bad = bytearray(udp())
    bad[40] ^= 1
    assert not EXACT.alike(out(udp()), out(bytes(bad)))
    assert not Comparison.of([], ["ttl"]).alike(out(udp()), out(bytes(bad)))
    assert Comparison.of([], ["sport"]).alike(out(udp()), out(bytes(bad)))


def test_flows_keep_their_order() -> None:
    a1, a2, b = (out(udp(ip_id=n, sip=s)) for n, s in ((1, 1), (2, 1), (3, 9)))
    left = run([a1], [a2], [b])
    assert FLOWS.parted(left, run([b, a1], [a2], [])) is None
    found = FLOWS.parted(left, run([a2], [a1], [b]))
    assert found is not None
    assert found.at == 0
    found = FLOWS.parted(left, run([b], [a1], []))
    assert found is not None
    assert found.at == 1
    assert FLOWS.parted(left, run([b], [a1, a2, a2], [])) is not None
    assert FLOWS.parted(left, run([b], [a1], [], failure=Failure("crash", ""))) is None


def test_flat_runs() -> None:
    a, b = out(udp(), time=UNTOLD), out(udp(ttl=1), 0, UNTOLD)
    left = run([a], [], [b, a])
    assert EXACT.parted(left, run([b, a, a], flat=True)) is None  # each port in its order
    assert EXACT.parted(left, run([a._replace(port=UNTOLD)], flat=True)) is not None
    untold = [o._replace(port=UNTOLD) for o in (a, b, a)]
    assert EXACT.parted(left, run(untold, flat=True)) is None
    assert EXACT.parted(left, run(untold[::-1], flat=True)) is None
    found = EXACT.parted(left, run([*untold, untold[0]], flat=True))
    assert found is not None
    assert found.at == 2


@pytest.mark.parametrize("name", WIRE)
def test_hidden_fields_and_nothing_else(name: str) -> None:
    """Any other value of the field makes the same view; any other field makes another."""
    rng, frames = Random(name), Frames(Random(1), 0.7)
    comparison = Comparison.of([], [name])
    seen = 0
    for _ in range(120):
        kind = rng.choice(("sip", "sip6"))
        packet = parse(frames.frame({kind: rng.getrandbits(32)}, b"payload"))
        if isinstance(packet, Malformed):
            continue
        for field in WIRE:
            info = FIELDS[field]
            if packet.bits & info.headers.value and field != "ethertype":
                other = packet.copy()
                setattr(other, field, getattr(packet, field) ^ 1 << rng.randrange(info.width))
                changed = deparse(other)
                if isinstance(parse(changed), Malformed) or field in ("proto", "iplen"):
                    continue
                same = comparison.view(packet.frame) == comparison.view(changed)
                assert same == (field == name), field
                seen += field == name
    assert seen or name in ("proto", "iplen", "ethertype")


def test_hide_keeps_the_length() -> None:
    frames = Frames(Random(2), 0.3)
    for _ in range(500):
        packet = parse(frames.frame({}, b"x" * 30))
        if not isinstance(packet, Malformed):
            assert len(hide(packet, tuple(FIELDS))) == len(packet.frame)


def test_names() -> None:
    for names in (["exact"], ["per-flow", "l2-ttl"], ["renaming"]):
        comparison = Comparison.of(names)
        assert comparison.names == tuple(names)
        assert Comparison.of(comparison.names, comparison.ignore) == comparison
