"""Headers that compiled networks push and pop are those that the reference pushes and pops."""

from random import Random

import ir_wraps
import pytest
from agreement import describe, difference, record_events, shrink
from engines import compiled, optimised
from ir_build import F, add, c, chain, delay, get, i, out, program, put, udp

import nfverify
from nfverify.cythonized.sharding import shard_key
from nfverify.lang.source import ModelError
from nfverify.packet.build import build
from nfverify.packet.codec import parse
from nfverify.packet.fields import Header
from nfverify.packet.packet import Packet
from nfverify.packet.pcap import Writer, read
from nfverify.semantics.machine import Machine
from nfverify.semantics.state_binary import dump
from nfverify.smat import ir

SEEDS = range(10)
VXLAN = ir.Push("vxlan", (c(1, ir.IP), c(2, ir.IP), c(7, ir.Bits(24))))
IPIP = ir.Push("ipip", (c(1, ir.IP), c(2, ir.IP)))
PLAIN = udp()


def tag(vid: int) -> ir.Push:
    return ir.Push("vlan", (c(vid, ir.Bits(12)),))


def sent(network: ir.Network, *frames: bytes) -> list[list[bytes]]:
    """What the build sends, which is what the reference sends."""
    nf, machine = nfverify.compile(network), Machine(network)
    made = nf.process(frames, [0] * len(frames))
    expected = [machine.step(0, 0, frame) for frame in frames]
    assert [list(map(tuple, step)) for step in made] == [list(map(tuple, s)) for s in expected]
    assert {k: v for k, v in nf.counters.items() if v} == {
        k: v for k, v in machine.counters.items() if v
    }
    return [[output.frame for output in step] for step in made]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks_agree(seed: int) -> None:
    network = ir_wraps.network(Random(seed))
    trace = record_events(network, ir_wraps.events(Random(seed), 400), rest=5000)
    with optimised("-O1"):
        maker = compiled()
        found = difference(trace, maker, Random(seed))
        if found is not None:
            raise AssertionError(describe(shrink(found, maker)))


def test_a_frame_grows_by_the_header() -> None:
    ((frame,),) = sent(chain(program(VXLAN)), PLAIN)
    outer = parse(frame)
    assert isinstance(outer, Packet)
    assert frame[50:] == PLAIN
    assert (outer.sip, outer.dip, outer.proto, outer.dport, outer.vni) == (1, 2, 17, 4789, 7)
    assert outer.size == 36 + len(PLAIN)


def test_what_was_pushed_comes_back_with_what_was_written_before() -> None:
    """A checksum of 0xffff is updated once, from the arriving to the departing packet."""
    odd = bytearray(PLAIN)
    odd[24:26] = b"\xff\xff"
    written = ir.SetField("ttl", c(9, ir.Bits(8)))
    for push, pop in ((VXLAN, "vxlan"), (IPIP, "ipip")):
        through = chain(program(written, push, ir.SetField("ttl", c(1, ir.Bits(8))), ir.Pop(pop)))
        assert sent(through, PLAIN, bytes(odd)) == sent(chain(program(written)), PLAIN, bytes(odd))


def test_each_way_to_fail_is_counted() -> None:
    large = build(Header.IP4 | Header.UDP, {"payload": bytes(65_500)})
    deep = program(tag(1), tag(2), tag(3))
    many = program(IPIP, IPIP, IPIP, IPIP, ir.Pop("ipip"))
    inside = program(ir.SetField("payload", ir.Local("x", ir.BYTES)), ir.Pop("ipip"))
    short = build(Header.IP4, {"proto": 4, "payload": b"no packet"})
    assert sent(chain(deep), PLAIN) == [[]]
    assert sent(chain(many), PLAIN) == [[]]
    assert sent(chain(program(VXLAN)), large) == [[]]
    assert sent(chain(program(ir.Pop("ipip"))), short) == [[]]
    kept = program(ir.Let("x", F("payload")), *inside.body)
    assert sent(chain(kept), short) == [[]]


def test_copies_wrap_by_themselves() -> None:
    """Of two copies one is tagged in place, and the other must not see it."""
    first = program(VXLAN, out(0, 1), ports=(0, 1))
    second = program(tag(5), ir.SetField("ttl", c(3, ir.Bits(8))), ir.Pop("vxlan"), ports=(0, 1))
    wires = (ir.Wire(0, 0, 1),)
    instances = (ir.Instance("a", first), ir.Instance("b", second))
    network = ir.Network("two", ("0", "1"), instances, wires)
    ((one, other),) = sent(network, PLAIN)
    assert one == PLAIN
    assert other[50:] == PLAIN


def test_a_packet_that_waits_is_the_frame_that_it_has_become() -> None:
    """It may be pushed into four more, and its state goes to the reference and back."""
    wait = ir.If(
        ir.Compare("==", ir.Tag("waited"), i(0)), (ir.SetTag("waited", i(1)), delay(1000)), ()
    )
    network = chain(program(VXLAN, ir.SetField("dip", c(9, ir.IP)), wait))
    nf, machine = nfverify.compile(network), Machine(network)
    assert nf.process([PLAIN], [0]) == [[]] == [machine.step(0, 0, PLAIN)]
    state = nf.save()
    assert nf.save_binary() == dump(network, machine.save())
    again = Machine(network, state=state)
    expected = again.advance(5000)
    assert list(map(tuple, nf.advance(5000))) == list(map(tuple, expected))
    assert len(expected) == 1
    assert len(expected[0].frame) == len(PLAIN) + 100


def test_tags_in_a_loop_take_no_memory() -> None:
    """A frame that is the packet's own is tagged where it lies."""
    turns = ir.While(
        ir.Compare("<", ir.Tag("n"), i(1000)),
        1024,
        (ir.SetTag("n", add(ir.Tag("n"), i(1))), tag(1), ir.Pop("vlan")),
    )
    large = build(Header.IP4 | Header.UDP, {"payload": bytes(60_000)})
    assert sent(chain(program(turns)), large) == [[large]]


def test_captures_keep_the_length_on_the_wire(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """What a snap length cut off is missing behind the pushed header, too."""
    source, target = tmp_path / "in.pcap", tmp_path / "out.pcap"
    cut = build(Header.IP4 | Header.UDP, {"payload": bytes(200)})
    with source.open("wb") as stream:
        Writer(stream, nanosecond=True).write(1, cut[:100], len(cut))
    nfverify.compile(chain(program(VXLAN, tag(1)))).run_pcap(source, target)
    with read(target) as records:
        (record,) = records
    assert (len(record.frame), record.original_length) == (154, len(cut) + 54)


# Workers ----------------------------------------------------------------------------------


def counting(*before: ir.Stmt) -> ir.Network:
    """Packets of each source, behind these statements."""
    state = ir.StateVar("n", (ir.IP,), (ir.INT,), (0,), "map")
    one = add(get("n", keys=(F("sip"),)), i(1))
    return chain(program(*before, put("n", one, (F("sip"),)), state=(state,)))


def test_workers_know_no_field_behind_a_tunnel() -> None:
    assert shard_key(counting()).fields == shard_key(counting(tag(1))).fields
    for change in (VXLAN, IPIP, ir.Pop("vxlan"), ir.Pop("ipip")):
        with pytest.raises(ModelError):
            shard_key(counting(change))


def test_workers_push_and_pop_as_one_does() -> None:
    inside = (tag(5), VXLAN, ir.Pop("vxlan"), IPIP)
    counted = counting().instances[0].program
    network = chain(counted, program(*inside))
    machine, nf = Machine(network), nfverify.compile(network, workers=2)
    rng = Random(3)
    frames = [ir_wraps.frame(rng) for _ in range(300)]
    made = nf.process(frames, [0] * 300)
    expected = [machine.step(0, 0, frame) for frame in frames]
    assert [list(map(tuple, s)) for s in made] == [list(map(tuple, s)) for s in expected]
    assert nf.counters == machine.counters
