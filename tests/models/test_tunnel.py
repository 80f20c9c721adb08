"""The VXLAN gateway between two sites: what one sends, the other gets."""

from __future__ import annotations

from model_bench import OUTSIDE, Bench, ip, tcp

from nfverify.packet.codec import Packet, deparse, parse
from nfverify.packet.tunnel import inside
from nfverify.semantics.machine import Machine
from nfverify.smat.load import load_text

HOST, FAR = "10.9.9.9", "10.2.1.7"


def sent(packet: Packet | None) -> bytes:
    assert packet is not None
    return deparse(packet)


def gateway() -> Bench:
    return Bench("lib:vxlan")


def test_packets_for_other_sites_go_into_their_tunnels() -> None:
    frame = tcp(HOST, 5000, FAR, 80, "S")
    there = gateway().send(frame)
    assert there is not None
    assert (there.sip, there.dip, there.vni) == (ip("203.0.113.1"), ip("198.51.100.1"), 5001)
    inner = inside(there)
    assert inner is not None
    assert inner.frame == frame
    assert gateway().send(tcp(HOST, 1, "192.0.2.9", 80)) is None


def answer(vtep: str, source: str, **written: int) -> bytes:
    """What the gateway of a site sends, for one of its hosts."""
    text = "program far {{ entry {{ action_flow {{ push vxlan({0}, 203.0.113.1, 5001); }} }} }}"
    machine = Machine(load_text(text.format(vtep)))
    packet = parse(machine.step(0, 0, tcp(source, 80, HOST, 5000, "SA"))[0].frame)
    assert isinstance(packet, Packet)
    for name, value in written.items():
        setattr(packet, name, value)
    return deparse(packet)


def test_the_other_end_gets_in_with_what_is_its_own() -> None:
    back = gateway().send(answer("198.51.100.1", FAR), OUTSIDE)
    assert sent(back) == tcp(FAR, 80, HOST, 5000, "SA")
    assert gateway().send(answer("198.51.100.1", "10.2.2.7"), OUTSIDE) is None, "another site's"
    assert gateway().send(answer("192.0.2.77", FAR), OUTSIDE) is None, "no site's"
    assert gateway().send(answer("198.51.100.1", FAR, dip=5), OUTSIDE) is None
    assert gateway().send(tcp(FAR, 80, HOST, 5000), OUTSIDE) is None, "not in a tunnel"
