"""The library's chains, and the table that one of them was consolidated to by hand."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from model_bench import OUTSIDE, Bench, frame, ip, ping, tcp, udp

from nfverify.packet.codec import Packet
from nfverify.packet.fields import Header
from nfverify.smat.ir import Table
from nfverify.smat.load import load

ROOT = Path(__file__).parents[2]
FAULT = str(ROOT / "examples/edge/edge-table-fault.nfd")
CLIENT, SERVER, PUBLIC, VIP = "10.1.1.1", "93.184.216.34", "203.0.113.7", "198.51.100.1"
TABLES = pytest.mark.parametrize("target", ["lib:edge", "lib:edge-table"])


def ends(packet: Packet | None) -> tuple[int, int, int, int] | None:
    return packet and (packet.sip, packet.sport, packet.dip, packet.dport)


@TABLES
def test_edge_there_and_back_again(target: str) -> None:
    edge = Bench(target)
    there = edge.send(tcp(CLIENT, 5000, VIP, 80, "S"))
    assert ends(there) == (ip(PUBLIC), 1024, ip("192.168.1.1"), 80)
    back = edge.send(tcp("192.168.1.1", 80, PUBLIC, 1024, "SA"), OUTSIDE)
    assert ends(back) == (ip(VIP), 80, ip(CLIENT), 5000)
    assert ends(edge.send(tcp(SERVER, 9, VIP, 80), OUTSIDE)) == (
        ip(SERVER),
        9,
        ip("192.168.1.2"),
        80,
    )
    assert ends(edge.send(tcp("192.168.1.2", 80, SERVER, 9))) == (ip(VIP), 80, ip(SERVER), 9)
    assert ends(edge.send(tcp(CLIENT, 5000, SERVER, 80))) == (ip(PUBLIC), 1024, ip(SERVER), 80)


@TABLES
def test_edge_firewall_sees_translated_packets(target: str) -> None:
    edge = Bench(target)
    assert edge.send(tcp(CLIENT, 1, VIP, 22)) is None, "SSH to a server, through the VIP"
    assert edge.send(tcp(CLIENT, 1, SERVER, 25)) is None, "mail from behind the NAT"
    assert edge.send(tcp(CLIENT, 1, SERVER, 22)) is not None
    assert edge.send(ping("192.0.2.1", VIP, 1), OUTSIDE) is None


def test_edge_monitor_counts_what_the_firewall_drops() -> None:
    edge = Bench("lib:edge")
    assert edge.send(tcp(CLIENT, 1, SERVER, 23)) is None
    assert edge.state("monitor", "packets") == {(ip(PUBLIC), ip(SERVER), 0, 0, 1024, 23, 6): (1,)}


def traffic(seed: int, count: int) -> list[tuple[int, bytes]]:
    """Packets that meet each other: few addresses and ports, answers to what may have gone out."""
    random = Random(seed)
    hosts = [CLIENT, PUBLIC, VIP, SERVER, "192.0.2.9", "192.168.1.1"]
    ports = [22, 23, 25, 80, 1024, 1025]
    packets: list[tuple[int, bytes]] = []
    for _ in range(count):
        if packets and random.random() < 0.3:
            packets.append(random.choice(packets))
            continue
        src, dst = random.choice(hosts), random.choice(hosts)
        match random.randrange(12):
            case 0:
                data = ping(src, dst, random.choice(ports), reply=random.random() < 0.5)
            case 1:
                data = frame(None, src, dst, proto=random.choice((6, 17, 50)), fragment=True)
            case 2:
                data = frame(Header.ICMP, src, dst, icmp_type=3)
            case 3:
                data = tcp("2001:db8::1", 5000, "2001:db8::2", random.choice(ports))
            case 4 | 5 | 6:
                data = udp(src, random.choice(ports), dst, random.choice(ports))
            case _:
                data = tcp(src, random.choice(ports), dst, random.choice(ports))
        packets.append((random.randrange(2), data))
    return packets


RARE = [
    # somebody outside has claimed to be the NAT, with the port that is given out next
    [(1, tcp(PUBLIC, 1024, VIP, 22)), (0, tcp(CLIENT, 1, VIP, 22))],
    [(1, tcp(PUBLIC, 1024, VIP, 80)), (0, tcp(CLIENT, 1, VIP, 80))],
    # a server's answer to a client that uses port 23
    [(0, tcp(CLIENT, 23, SERVER, 80)), (1, tcp("192.168.1.1", 80, PUBLIC, 1024))],
]
STATE = [
    (instance, variable)
    for instance, variables in {
        "napt": ["next", "mapping", "inside"],
        "lb": ["conn", "turn"],
        "monitor": ["packets", "bytes"],
    }.items()
    for variable in variables
]


def test_edge_and_its_table_do_the_same() -> None:
    taken: Counter[str] = Counter()
    chains, tables = Bench("lib:edge"), Bench("lib:edge-table")
    for number, packets in enumerate([*(traffic(seed, 120) for seed in range(60)), *RARE]):
        chain, table = chains.fresh(), tables.fresh()
        table.machine.trace = lambda visit: taken.update(visit.entries)
        if number == 0:  # a pool that is nearly used up
            chain.machine.restore({"napt": {"next": {(): (65534,)}}})
            table.machine.restore({"edge_table": {"napt_next": {(): (65534,)}}})
        for port, data in packets:
            assert table.frames(data, port) == chain.frames(data, port)
        for instance, variable in STATE:
            held = table.state("edge_table", f"{instance}_{variable}")
            assert held == chain.state(instance, variable)
    (rows,) = load("lib:edge-table").instances[0].program.body
    assert isinstance(rows, Table)
    assert [row.name for row in rows.entries if not taken[row.name]] == []


def test_the_planted_fault_takes_three_packets() -> None:
    chain, table = Bench("lib:edge"), Bench(FAULT)
    sent = [
        udp(CLIENT, 5000, SERVER, 53),
        udp(CLIENT, 5000, VIP, 53),
        udp(CLIENT, 5000, VIP, 54),
    ]
    answers = [(chain.frames(data), table.frames(data)) for data in sent]
    assert [a == b for a, b in answers] == [True, True, False]


def test_inspect_counts_only_what_is_clean() -> None:
    inspect = Bench("lib:inspect")
    assert inspect.send(tcp(CLIENT, 1, SERVER, 23)) is None
    assert inspect.send(tcp(CLIENT, 1, SERVER, 80, payload=b"<script>")) is None
    assert inspect.passes(tcp(CLIENT, 1, SERVER, 80, payload=b"<p>"))
    assert list(inspect.state("monitor", "packets").values()) == [(1,)]


def test_lb_with_blacklist_drops_before_it_balances() -> None:
    lb = Bench("lib:lb-blacklist")
    assert lb.send(tcp("192.0.2.1", 1, VIP, 80)) is None
    assert lb.send(tcp(SERVER, 1, VIP, 23)) is None
    first = lb.send(tcp(SERVER, 1, VIP, 80))
    assert first is not None
    assert first.dip == ip("192.168.1.1"), "the dropped ones used up no turn"
