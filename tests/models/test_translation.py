"""NAPT and the load balancers do what a network engineer expects of them."""

from collections import Counter

import pytest
from model_bench import INSIDE, OUTSIDE, Bench, frame, ip, ping, tcp, udp
from scapy.layers.l2 import Ether

from nfverify.packet.codec import Packet
from nfverify.packet.fields import Header
from nfverify.smat.load import load

CLIENT, OTHER, SERVER, PUBLIC = "10.1.1.1", "10.1.1.2", "93.184.216.34", "203.0.113.7"
VIP = "198.51.100.1"
BACKENDS = [ip(f"192.168.1.{n}") for n in (1, 2, 3, 4)]


def source(packet: Packet | None) -> tuple[int, int] | None:
    return packet and (packet.sip, packet.sport)


def target(packet: Packet | None) -> tuple[int, int] | None:
    return packet and (packet.dip, packet.dport)


# NAPT


def test_napt_gives_each_inside_endpoint_one_port() -> None:
    nat = Bench("lib:napt")
    assert source(nat.send(udp(CLIENT, 5000, SERVER, 53))) == (ip(PUBLIC), 1024)
    assert source(nat.send(udp(CLIENT, 5000, SERVER, 53))) == (ip(PUBLIC), 1024)
    assert source(nat.send(udp(CLIENT, 5000, "8.8.8.8", 53))) == (ip(PUBLIC), 1024)
    assert source(nat.send(udp(CLIENT, 5001, SERVER, 53))) == (ip(PUBLIC), 1025)
    assert source(nat.send(udp(OTHER, 5000, SERVER, 53))) == (ip(PUBLIC), 1026)
    assert source(nat.send(tcp(CLIENT, 5000, SERVER, 53))) == (ip(PUBLIC), 1027)


def test_napt_maps_answers_back() -> None:
    nat = Bench("lib:napt")
    nat.send(tcp(CLIENT, 5000, SERVER, 80, "S"))
    back = nat.send(tcp(SERVER, 80, PUBLIC, 1024, "SA"), OUTSIDE)
    assert target(back) == (ip(CLIENT), 5000)
    assert source(back) == (ip(SERVER), 80)
    assert nat.send(tcp(SERVER, 80, PUBLIC, 1025), OUTSIDE) is None, "a port nobody has"
    assert nat.send(udp(SERVER, 80, PUBLIC, 1024), OUTSIDE) is None, "of another protocol"


def test_napt_maps_pings_by_identifier() -> None:
    nat = Bench("lib:napt")
    for client, number, public in ((CLIENT, 7, 1024), (OTHER, 7, 1025), (CLIENT, 7, 1024)):
        out = nat.send(ping(client, SERVER, number))
        assert out is not None
        assert (out.sip, out.icmp_id, out.icmp_type) == (ip(PUBLIC), public, 8)
    back = nat.send(ping(SERVER, PUBLIC, 1025, reply=True), OUTSIDE)
    assert back is not None
    assert (back.dip, back.icmp_id) == (ip(OTHER), 7)
    assert nat.send(ping(SERVER, PUBLIC, 1025), OUTSIDE) is None, "a request from outside"


def test_napt_drops_what_it_cannot_map() -> None:
    nat = Bench("lib:napt")
    unreachable = {"icmp_type": 3, "icmp_code": 1}
    assert nat.send(frame(Header.ICMP, CLIENT, SERVER, **unreachable)) is None
    assert nat.send(frame(Header.ICMP, SERVER, PUBLIC, **unreachable), OUTSIDE) is None
    assert nat.send(frame(None, CLIENT, SERVER, proto=50)) is None, "ESP"
    assert nat.send(frame(None, CLIENT, SERVER, proto=17, fragment=True)) is None, "later fragment"
    first = frame(Header.UDP, CLIENT, SERVER, sport=5000, dport=53, fragment=True)
    assert nat.send(first) is None
    assert nat.state("napt", "next") == {(): (1024,)}, "nothing of this uses up a port"


def test_napt_leaves_other_traffic_alone() -> None:
    nat = Bench("lib:napt")
    assert nat.passes(tcp(SERVER, 80, "192.0.2.1", 80), OUTSIDE)
    assert nat.passes(tcp("2001:db8::1", 80, "2001:db8::2", 1024))


def test_napt_ends_with_its_pool() -> None:
    nat = Bench("lib:napt")
    nat.machine.restore({"napt": {"next": {(): (65535,)}}})
    assert source(nat.send(udp(CLIENT, 1, SERVER, 53))) == (ip(PUBLIC), 65535)
    assert nat.send(udp(CLIENT, 2, SERVER, 53)) is None
    assert source(nat.send(udp(CLIENT, 1, SERVER, 53))) == (ip(PUBLIC), 65535)


@pytest.mark.parametrize("data", [b"", b"odd", bytes(range(200))], ids=len)
def test_napt_keeps_checksums_right(data: bytes) -> None:
    nat = Bench("lib:napt")
    sent = [tcp(CLIENT, 5000, SERVER, 80, "S", payload=data), ping(CLIENT, SERVER, 9)]
    sent.append(udp(CLIENT, 5000, SERVER, 53, payload=data))
    for out in (nat.frames(f)[0] for f in sent):
        parsed = Ether(out)
        for layer in ("IP", "TCP", "UDP", "ICMP"):
            if layer in parsed:
                del parsed[layer].chksum
        assert bytes(parsed) == out


# Load balancers


def test_lb_takes_turns_and_keeps_connections() -> None:
    lb = Bench("lib:lb")
    seen = [lb.send(tcp("9.9.9.9", port, VIP, 80)) for port in (1, 2, 3, 4, 5, 1, 2)]
    assert [p and p.dip for p in seen] == [BACKENDS[n] for n in (0, 1, 2, 3, 0, 0, 1)]
    assert all(p and (p.sip, p.dport) == (ip("9.9.9.9"), 80) for p in seen)


def test_lb_hides_its_servers() -> None:
    lb = Bench("lib:lb")
    back = lb.send(tcp("192.168.1.3", 80, "9.9.9.9", 1), OUTSIDE)
    assert source(back) == (ip(VIP), 80)


def test_lb_minds_its_own_business() -> None:
    lb = Bench("lib:lb")
    assert lb.passes(tcp("9.9.9.9", 1, "198.51.100.2", 80))
    assert lb.passes(tcp("2001:db8::1", 1, "2001:db8::2", 80))
    assert lb.send(frame(None, "9.9.9.9", VIP, proto=17, fragment=True)) is None
    assert lb.state("lb", "turn") == {(): (0,)}


def populate(live: list[int]) -> list[int]:
    """Maglev, §3.4, pseudocode 1, for the (offset, skip) of its Table 1."""
    slots = 7
    permutation = [[(o + j * s) % slots for j in range(slots)] for o, s in ((3, 4), (0, 2), (3, 1))]
    entry = [-1] * slots
    following = dict.fromkeys(live, 0)
    while -1 in entry:
        for backend in live:
            if -1 not in entry:
                break
            while entry[permutation[backend][following[backend]]] != -1:
                following[backend] += 1
            entry[permutation[backend][following[backend]]] = backend
    return entry


def test_maglev_table_is_the_algorithms() -> None:
    (table,) = (v for v in load("lib:maglev").instances[0].program.state if v.name == "table")
    entries = {keys: values[0] for keys, values in table.entries}
    assert entries == {
        (live, slot): backend
        for live in range(1, 8)
        for slot, backend in enumerate(populate([b for b in range(3) if live >> b & 1]))
    }


def report(backend: int, *, alive: bool, sender: str = "10.255.0.1") -> bytes:
    return udp(sender, 9, VIP, (7100 if alive else 7000) + backend)


def servers(lb: Bench, ports: range) -> dict[int, int | None]:
    outputs = {port: lb.send(tcp("9.9.9.9", port, VIP, 80)) for port in ports}
    return {port: packet and packet.dip for port, packet in outputs.items()}


def test_maglev_spreads_and_keeps_connections() -> None:
    lb = Bench("lib:maglev")
    first = servers(lb, range(1, 400))
    assert servers(lb, range(1, 400)) == first
    assert all(Counter(first.values())[backend] > 70 for backend in BACKENDS[:3])


def test_maglev_moves_only_the_connections_of_a_failed_backend() -> None:
    lb = Bench("lib:maglev")
    before = servers(lb, range(1, 200))
    assert lb.send(report(1, alive=False)) is None, "a report goes no further"
    after = servers(lb, range(1, 200))
    assert BACKENDS[1] not in after.values()
    assert all(after[p] == before[p] for p in before if before[p] != BACKENDS[1])
    lb.send(report(1, alive=True))
    assert servers(lb, range(1, 200)) == after, "connections stay where they went"
    assert BACKENDS[1] in servers(lb, range(1000, 1100)).values()


def test_maglev_without_backends_drops() -> None:
    lb = Bench("lib:maglev")
    for backend in range(3):
        lb.send(report(backend, alive=False))
    assert lb.send(tcp("9.9.9.9", 1, VIP, 80)) is None
    assert lb.passes(tcp("9.9.9.9", 1, "198.51.100.2", 80))


def test_maglev_believes_only_its_controller() -> None:
    lb = Bench("lib:maglev")
    lb.send(report(0, alive=False, sender="9.9.9.9"))
    assert lb.state("maglev", "alive") == {(): (7,)}
    assert lb.send(frame(None, "9.9.9.9", VIP, proto=17, fragment=True), INSIDE) is None
