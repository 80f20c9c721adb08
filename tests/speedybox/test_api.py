"""What the calls of the API come to: header actions, state functions, events, flows."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable

import pytest
from boxes import ACK, FIN, RST, UDP, frame

from nfverify.cythonized.speedybox import (
    Action,
    Box,
    Field,
    Go,
    Header,
    Packet,
    Payload,
    localmat_add_HA,
    localmat_add_SF,
    nf_extract_fid,
    register_event,
)
from nfverify.packet.codec import parse
from nfverify.packet.packet import Packet as Parsed

A = frame("10.0.0.1", "10.0.0.2", 1000, 80, payload=b"hello")


class NF:
    """An NF made of a function; `seen` counts the packets that it saw itself."""

    def __init__(self, process: Callable[[Packet], None]) -> None:
        self.does, self.seen = process, 0

    def process(self, packet: Packet) -> None:
        self.seen += 1
        self.does(packet)


def forward(packet: Packet) -> None:
    localmat_add_HA(nf_extract_fid(packet), Action.FORWARD)


def modify(field: Field, value: int) -> Callable[[Packet], None]:
    def process(packet: Packet) -> None:
        localmat_add_HA(nf_extract_fid(packet), Action.MODIFY, field, value)
        packet.set(field, value)

    return process


def drop(packet: Packet) -> None:
    localmat_add_HA(nf_extract_fid(packet), Action.DROP)
    packet.drop()


def encap(header: Header, *args: int) -> Callable[[Packet], None]:
    def process(packet: Packet) -> None:
        localmat_add_HA(nf_extract_fid(packet), Action.ENCAP, header, *args)
        packet.encap(header, *args)

    return process


def decap(header: Header) -> Callable[[Packet], None]:
    def process(packet: Packet) -> None:
        localmat_add_HA(nf_extract_fid(packet), Action.DECAP, header)
        packet.decap(header)

    return process


def counting(log: list[int], field: Field = Field.SIZE, type_: Payload = Payload.IGNORE) -> NF:
    def count(packet: Packet) -> None:
        log.append(packet.get(field))

    def process(packet: Packet) -> None:
        localmat_add_SF(nf_extract_fid(packet), count, type_)
        count(packet)

    return NF(process)


def parsed(out: bytes | None) -> Parsed:
    assert out is not None
    packet = parse(out)
    assert isinstance(packet, Parsed)
    return packet


def test_a_later_value_of_a_field_wins() -> None:
    values = (3 << 24, 5 << 24)
    box = Box([NF(modify(Field.DIP, value)) for value in values])
    out = [box.run(A) for _ in range(3)]
    assert out[0] == out[1] == out[2]
    assert parsed(out[2]).dip == values[1]
    assert box.counts.served == 2


def test_a_drop_wins_and_state_before_it_is_kept() -> None:
    before: list[int] = []
    behind: list[int] = []
    box = Box([counting(before), NF(drop), counting(behind)])
    assert [box.run(A) for _ in range(5)] == [None] * 5
    assert (len(before), len(behind), box.counts.served) == (5, 0, 4)


def test_an_nf_between_sees_what_those_before_it_write() -> None:
    seen: list[int] = []
    nfs = [NF(modify(Field.TTL, 9)), counting(seen, Field.TTL), NF(modify(Field.TTL, 3))]
    box = Box(nfs)
    assert [parsed(box.run(A)).ttl for _ in range(3)] == [3, 3, 3]
    assert seen == [9, 9, 9]
    assert box.counts.served == 2


@pytest.mark.parametrize("header", Header)
def test_a_header_put_in_front_and_taken_off_leaves_no_trace_but_is_seen_between(
    header: Header,
) -> None:
    seen: list[int] = []
    args = (7,) if header == Header.VLAN else (1, 2, 7)
    field = {Header.VLAN: Field.VLAN, Header.VXLAN: Field.VNI, Header.IPIP: Field.SIP}[header]
    nfs = [NF(encap(header, *args)), counting(seen, field), NF(decap(header))]
    box = Box(nfs)
    assert [box.run(A) for _ in range(4)] == [A] * 4
    assert seen == [1 if header == Header.IPIP else 7] * 4
    assert [nf.seen for nf in nfs] == [1, 1, 1]


def test_a_header_that_stays_is_put_in_front_of_each_packet() -> None:
    box, plain = (Box([NF(encap(Header.VXLAN, 1, 2, 7))], fast=fast) for fast in (True, False))
    for n in range(4):
        sent = frame("10.0.0.1", "10.0.0.2", 1000, 80, payload=bytes(n))
        assert box.run(sent) == plain.run(sent) != sent
    assert box.counts.served == 3


def test_a_payload_is_written_and_read_in_order() -> None:
    seen: list[bytes] = []

    def upper(packet: Packet) -> None:
        packet.write_payload(packet.payload.upper())

    def read(packet: Packet) -> None:
        seen.append(packet.payload)

    def both(packet: Packet) -> None:
        fid = nf_extract_fid(packet)
        for function, type_ in ((upper, Payload.WRITE), (read, Payload.READ)):
            localmat_add_SF(fid, function, type_)
            function(packet)

    box = Box([NF(both)])
    out = [box.run(A) for _ in range(3)]
    assert len(set(out)) == 1
    assert parsed(out[0]).payload == b"HELLO"
    assert seen == [b"HELLO"] * 3


def test_a_state_function_that_may_drop_keeps_the_packet_from_those_behind() -> None:
    behind: list[int] = []

    def judge(packet: Packet) -> Go:
        return Go.STOP if b"bad" in packet.payload else Go.GO

    def process(packet: Packet) -> None:
        localmat_add_SF(nf_extract_fid(packet), judge, Payload.READ | Payload.MAY_DROP)
        if judge(packet) == Go.STOP:
            packet.drop()

    box = Box([NF(process), counting(behind)])
    bad = frame("10.0.0.1", "10.0.0.2", 1000, 80, payload=b"a bad one")
    assert [box.run(sent) for sent in (A, bad, A)] == [A, None, A]
    assert (len(behind), box.counts.served) == (2, 2)


def test_an_event_replaces_the_header_action_before_the_packet() -> None:
    packets: list[int] = []

    def count(packet: Packet) -> None:
        packets.append(packet.get(Field.SIZE))

    def third(packet: Packet) -> bool:
        return len(packets) == 2

    def process(packet: Packet) -> None:
        fid = nf_extract_fid(packet)
        localmat_add_SF(fid, count, Payload.IGNORE)
        register_event(fid, third, (), Action.DROP)
        count(packet)

    box = Box([NF(process), NF(forward)])
    assert [box.run(A) for _ in range(4)] == [A, A, None, None]
    assert (len(packets), box.counts.events) == (4, 1)  # the function stays


def test_an_event_without_update_shows_the_nf_the_packet() -> None:
    table = [1]

    def process(packet: Packet) -> None:
        fid, port = nf_extract_fid(packet), table[0]
        register_event(fid, lambda packet, then: table[0] != then, (port,))
        localmat_add_HA(fid, Action.MODIFY, Field.DPORT, port)
        packet.set(Field.DPORT, port)

    box = Box([NF(process)])
    ports = []
    for n in range(6):
        table[0] = 1 + n // 3
        ports.append(parsed(box.run(A)).dport)
    assert ports == [1, 1, 1, 2, 2, 2]
    assert box.counts.served == 4


def test_nfs_behind_an_event_see_the_packet_as_it_then_is() -> None:
    """The second NF's row hangs on what the first one writes."""
    target = [5]

    def balance(packet: Packet) -> None:
        fid, dip = nf_extract_fid(packet), target[0]
        register_event(fid, lambda packet, then: target[0] != then, (dip,), Action.NONE, again)
        localmat_add_HA(fid, Action.MODIFY, Field.DIP, dip)
        packet.set(Field.DIP, dip)

    def again(packet: Packet, then: int) -> None:
        fid = nf_extract_fid(packet)
        localmat_add_HA(fid, Action.MODIFY, Field.DIP, target[0])

    def block(packet: Packet) -> None:
        (drop if packet.get(Field.DIP) == 6 else forward)(packet)

    box = Box([NF(balance), NF(block)])
    assert box.run(A) == box.run(A) is not None
    target[0] = 6
    assert [box.run(A), box.run(A)] == [None, None]


# Recording -----------------------------------------------------------------------------------


def test_a_flow_of_which_an_nf_says_nothing_is_not_recorded() -> None:
    nfs = [NF(forward), NF(lambda packet: None)]
    box = Box(nfs)
    assert [box.run(A) for _ in range(3)] == [A] * 3
    assert [nf.seen for nf in nfs] == [3, 3]


def test_a_row_that_says_another_thing_than_was_done_is_not_used() -> None:
    def wrong(packet: Packet) -> None:
        localmat_add_HA(nf_extract_fid(packet), Action.MODIFY, Field.DPORT, 81)
        packet.set(Field.DPORT, 82)

    def silent(packet: Packet) -> None:
        forward(packet)
        packet.drop()

    for process in (wrong, silent):
        box = Box([NF(process)])
        assert len({box.run(A) for _ in range(3)}) == 1
        assert (box.counts.served, box.counts.mistaken) == (0, 3)


def test_flows_are_told_apart_by_their_whole_tuple() -> None:
    fids: dict[int, bytes] = {}

    def number(packet: Packet) -> None:
        forward(packet)
        fids[nf_extract_fid(packet)] = sent

    box = Box([NF(number)])
    for n in range(3000):
        sent = frame(f"10.0.{n >> 8}.{n & 255}", "10.0.0.2", 1000, 80)
        box.run(sent)
    assert len(fids) == 3000 == box.counts.recorded


@pytest.mark.parametrize("flag", [FIN, RST])
def test_fin_and_rst_remove_a_flow(flag: int) -> None:
    nf = NF(forward)
    box = Box([nf])
    last = frame("10.0.0.1", "10.0.0.2", 1000, 80, flags=flag | ACK)
    for sent in (A, A, last, A, A):
        assert box.run(sent) == sent
    assert (nf.seen, box.counts.removed) == (3, 1)


def test_a_full_table_forgets_flows_and_nothing_else() -> None:
    totals: dict[int, int] = {}

    def count(packet: Packet, sport: int) -> None:
        totals[sport] = totals.get(sport, 0) + 1

    def process(packet: Packet) -> None:
        sport = packet.get(Field.SPORT)
        localmat_add_SF(nf_extract_fid(packet), count, Payload.IGNORE, sport)
        count(packet, sport)

    box = Box([NF(process)], flows=10)
    for n in range(3000):
        box.run(frame("10.0.0.1", "10.0.0.2", 1 + n % 25 * (n % 3), 80))
    assert sum(totals.values()) == 3000
    assert box.counts.evicted > 100
    assert box.counts.served > 100


def test_all_rows_can_be_outdated() -> None:
    port = [1]
    nf = NF(lambda packet: modify(Field.DPORT, port[0])(packet))
    box = Box([nf])
    ports = []
    for n in range(6):
        if n == 3:
            port[0] = 2
            box.outdate_all()
        ports.append(parsed(box.run(A)).dport)
    assert ports == [1, 1, 1, 2, 2, 2]
    assert nf.seen == 2


def test_other_frames_than_plain_ones_see_all_nfs() -> None:
    nf = NF(forward)
    box = Box([nf])
    tagged = A[:12] + b"\x81\0\0\5" + A[12:]
    for _ in range(3):
        assert box.run(tagged) == tagged
    assert nf.seen == 3
    assert box.run(b"\0" * 10) is None  # malformed
    assert box.run(A[:12] + b"\x08\x06" + bytes(46)) == A[:12] + b"\x08\x06" + bytes(46)
    assert nf.seen == 3


# What Python may get wrong -------------------------------------------------------------------


def test_what_an_nf_raises_comes_out_of_run() -> None:
    def fails(packet: Packet) -> None:
        raise LookupError("no such thing")

    box = Box([NF(fails)])
    with pytest.raises(LookupError, match="no such thing"):
        box.run(A)
    nf = NF(forward)
    box = Box([nf])
    assert box.run(A) == A


def test_wrong_arguments_are_refused() -> None:
    def read_only(packet: Packet) -> None:
        packet.set(Field.PROTO, UDP)

    def longer(packet: Packet) -> None:
        packet.write_payload(packet.payload + b"!")

    def many(packet: Packet) -> None:
        localmat_add_SF(nf_extract_fid(packet), print, Payload.READ, 1, 2, 3, 4)

    for wrong in (read_only, longer, many):
        with pytest.raises(ValueError, match=r"can't be written|keeps its length|at most 3"):
            Box([NF(wrong)]).run(A)
    with pytest.raises(ValueError, match="too long"):
        Box([NF(forward)] * 33)
    with pytest.raises(ValueError, match="0 flows"):
        Box([], flows=0)


def test_a_chain_that_nobody_holds_goes() -> None:
    box = Box([NF(forward)])
    box.run(A)
    gone = weakref.ref(box)
    del box
    gc.collect()
    assert gone() is None
