"""Firewalls, detectors and limiters let through and drop what a network engineer expects."""

import pytest
from model_bench import MS, OUTSIDE, SECOND, Bench, frame, ip, ping, tcp, udp

from nfverify.packet.fields import Header

A, B, SERVER = "10.1.1.1", "10.1.1.2", "93.184.216.34"
A6, B6, SERVER6 = "fd00::1", "fd00::2", "2001:db8::1"
PAIRS = pytest.mark.parametrize(
    ("a", "b", "server"), [(A, B, SERVER), (A6, B6, SERVER6)], ids=["v4", "v6"]
)


def test_firewall_drops_what_is_listed() -> None:
    wall = Bench("lib:firewall")
    assert not wall.passes(tcp(A, 1, SERVER, 23))
    assert not wall.passes(tcp(A6, 1, SERVER6, 23))
    assert not wall.passes(tcp(SERVER, 1, "192.168.1.3", 22))
    assert not wall.passes(tcp("203.0.113.7", 1, SERVER, 25))
    assert not wall.passes(ping("192.0.2.200", A, 1))
    assert wall.passes(udp(A, 1, SERVER, 23))
    assert wall.passes(tcp(A, 1, SERVER, 22))
    assert wall.passes(tcp(A, 1, SERVER, 25))
    assert wall.passes(frame(None, A, SERVER, proto=6, fragment=True)), "no port to see"


@PAIRS
def test_stateful_firewall_lets_answers_in(a: str, b: str, server: str) -> None:
    wall = Bench("lib:firewall-stateful")
    answer = tcp(server, 80, a, 5000, "SA")
    assert not wall.passes(answer, OUTSIDE)
    assert wall.passes(tcp(a, 5000, server, 80, "S"))
    assert wall.passes(answer, OUTSIDE)
    assert not wall.passes(tcp(server, 81, a, 5000), OUTSIDE), "another port"
    assert not wall.passes(udp(server, 80, a, 5000), OUTSIDE), "another protocol"
    assert not wall.passes(tcp(server, 80, b, 5000), OUTSIDE), "another host"


def test_stateful_firewall_and_pings() -> None:
    wall = Bench("lib:firewall-stateful")
    assert not wall.passes(ping(SERVER, A, 1), OUTSIDE)
    assert wall.passes(ping(A, SERVER, 1))
    assert wall.passes(ping(SERVER, A, 1, reply=True), OUTSIDE)


def test_monitor_counts_each_flow() -> None:
    monitor = Bench("lib:monitor")
    for data in (b"", b"four"):
        assert monitor.passes(udp(A, 1, SERVER, 53, payload=data))
    assert monitor.passes(udp(SERVER, 53, A, 1), OUTSIDE)
    assert monitor.passes(udp(A6, 1, SERVER6, 53))
    there = (ip(A), ip(SERVER), 0, 0, 1, 53, 17)
    back = (ip(SERVER), ip(A), 0, 0, 53, 1, 17)
    six = (0, 0, ip(A6), ip(SERVER6), 1, 53, 17)
    assert monitor.state("monitor", "packets") == {there: (2,), back: (1,), six: (1,)}
    assert monitor.state("monitor", "bytes") == {there: (60,), back: (28,), six: (48,)}


def test_rate_limiter_refills_every_10_ms() -> None:
    limiter = Bench("lib:rate-limiter")
    full = udp(A, 1, SERVER, 9, size=1500)
    start = 5 * SECOND
    assert [limiter.passes(full, at=start) for _ in range(11)] == [True] * 10 + [False]
    assert not limiter.passes(full, at=start + 10 * MS - 1)
    assert [limiter.passes(full, at=start + 10 * MS) for _ in range(11)] == [True] * 10 + [False]
    # Tokens are not saved up over an idle second.
    assert sum(limiter.passes(full, at=start + SECOND) for _ in range(99)) == 10


def test_rate_limiter_lets_small_packets_use_what_is_left() -> None:
    limiter = Bench("lib:rate-limiter")
    assert limiter.passes(udp(A, 1, SERVER, 9, size=14_000))
    assert not limiter.passes(udp(A, 1, SERVER, 9, size=1_001))
    assert limiter.passes(udp(A6, 1, SERVER6, 9, size=1_000))
    assert not limiter.passes(udp(A, 1, SERVER, 9, size=28))


@PAIRS
def test_heavy_hitter_may_send_1000_packets_a_second(a: str, b: str, server: str) -> None:
    detector = Bench("lib:heavy-hitter")
    start = 3 * SECOND
    packet = udp(a, 1, server, 9)
    assert [detector.passes(packet, at=start) for _ in range(1001)] == [True] * 1000 + [False]
    assert detector.passes(udp(b, 1, server, 9)), "others are not to blame"
    assert not detector.passes(packet, at=start + SECOND - 1)
    assert detector.passes(packet, at=start + SECOND), "a new window"


@PAIRS
def test_super_spreader_may_open_connections_to_100_hosts(a: str, b: str, server: str) -> None:
    detector = Bench("lib:super-spreader")
    prefix = server.rpartition(":" if ":" in server else ".")[0] + (":" if ":" in server else ".")
    hosts = [f"{prefix}{n}" for n in range(10, 111)]
    assert [detector.passes(tcp(a, 1, h, 80, "S")) for h in hosts] == [True] * 100 + [False]
    assert detector.passes(tcp(a, 2, hosts[0], 443, "S")), "a host that it knows"
    assert detector.passes(tcp(a, 1, hosts[-1], 80, "A")), "no attempt"
    assert detector.passes(tcp(a, 80, hosts[-1], 1, "SA")), "an answer"
    assert detector.passes(tcp(b, 1, hosts[-1], 80, "S")), "others are not to blame"
    assert not detector.passes(tcp(a, 1, hosts[-1], 80, "SF")), "a SYN with FIN is a SYN"


def test_super_spreader_does_not_count_below_zero() -> None:
    detector = Bench("lib:super-spreader")
    for port in range(50):
        assert detector.passes(tcp(A, port, SERVER, 80, "FA"))
    hosts = [f"93.184.216.{n}" for n in range(101)]
    assert sum(detector.passes(tcp(A, 1, h, 80, "S")) for h in hosts) == 100


@PAIRS
def test_syn_flood_of_half_open_connections(a: str, b: str, server: str) -> None:
    detector = Bench("lib:syn-flood")
    syns = [tcp(a, port, server, 80, "S") for port in range(1, 102)]
    assert [detector.passes(syn) for syn in syns] == [True] * 100 + [False]
    assert detector.passes(syns[0]), "a retransmission"
    assert detector.passes(tcp(server, 80, a, 1, "SA"), OUTSIDE)
    assert not detector.passes(syns[100]), "the server's half does not complete it"
    assert detector.passes(tcp(a, 1, server, 80, "A"))
    assert detector.passes(syns[100])
    assert not detector.passes(tcp(a, 999, server, 80, "S"))
    assert detector.passes(tcp(a, 2, server, 80, "R"))
    assert detector.passes(tcp(a, 999, server, 80, "S"))
    assert detector.passes(tcp(b, 1, server, 80, "S")), "others are not to blame"


def test_syn_flood_is_not_paid_for_by_a_download() -> None:
    detector = Bench("lib:syn-flood")
    detector.passes(tcp(A, 1, SERVER, 80, "S"))
    for _ in range(200):
        assert detector.passes(tcp(A, 1, SERVER, 80, "A"))
    syns = [tcp(A, port, SERVER, 80, "S") for port in range(2, 103)]
    assert sum(detector.passes(syn) for syn in syns) == 100


@PAIRS
def test_udp_flood_blocks_for_ten_seconds(a: str, b: str, server: str) -> None:
    detector = Bench("lib:udp-flood")
    start = 7 * SECOND
    packet = udp(a, 1, server, 9)
    assert sum(detector.passes(packet, at=start) for _ in range(1100)) == 1000
    assert detector.passes(tcp(a, 1, server, 9)), "TCP is another matter"
    assert detector.passes(udp(b, 1, server, 9)), "others are not to blame"
    assert not detector.passes(packet, at=start + 10 * SECOND - 1)
    assert detector.passes(packet, at=start + 10 * SECOND)


def test_udp_flood_counts_later_fragments() -> None:
    detector = Bench("lib:udp-flood")
    later = frame(None, A, SERVER, proto=17, fragment=True)
    assert sum(detector.passes(later) for _ in range(1001)) == 1000


@PAIRS
def test_dns_response_needs_its_query(a: str, b: str, server: str) -> None:
    guard = Bench("lib:dns-amplification")
    response = udp(server, 53, a, 5353)
    assert not guard.passes(response, OUTSIDE)
    assert guard.passes(udp(a, 5353, server, 53))
    assert not guard.passes(udp(server, 53, a, 5354), OUTSIDE), "another port"
    assert not guard.passes(udp(server, 53, b, 5353), OUTSIDE), "another host"
    assert guard.passes(response, OUTSIDE)
    assert not guard.passes(response, OUTSIDE), "one query, one response"


def test_dns_guard_leaves_other_traffic_alone() -> None:
    guard = Bench("lib:dns-amplification")
    assert guard.passes(tcp(SERVER, 53, A, 5353), OUTSIDE)
    assert guard.passes(udp(SERVER, 123, A, 123), OUTSIDE)
    assert guard.passes(ping(SERVER, A, 1), OUTSIDE)


@PAIRS
def test_ids_drops_attacks_and_then_their_source(a: str, b: str, server: str) -> None:
    ids = Bench("lib:ids")
    clean = tcp(a, 1, server, 80, payload=b"GET /index.html")
    attack = tcp(a, 1, server, 80, payload=b"GET /../../etc/passwd HTTP/1.0")
    for _ in range(3):
        assert ids.passes(clean)
        assert not ids.passes(attack)
    assert not ids.passes(clean)
    assert ids.passes(tcp(b, 1, server, 80, payload=b"GET /"))
    assert not ids.passes(udp(b, 1, server, 80, payload=b"cmd.exe"))


def test_encrypted_at_one_end_is_decrypted_at_the_other() -> None:
    pytest.importorskip("cryptography")
    here, there = Bench("lib:encrypt"), Bench("lib:decrypt")
    secret = b"attack at dawn, or a little later"
    for number in (1, 2):
        sent = tcp("10.1.0.5", 1, "10.2.0.5", 2, payload=secret, seq=number)
        (hidden,) = here.frames(sent)
        assert len(hidden) == len(sent)
        assert secret not in hidden
        assert there.frames(hidden) == [sent]
    for other in (
        tcp("10.1.0.5", 1, SERVER, 2, payload=secret),
        ping("10.1.0.5", "10.2.0.5", 1),
        tcp(A6, 1, B6, 2, payload=secret),
        frame(Header.UDP, "10.1.0.5", "10.2.0.5", fragment=True, payload=secret),
    ):
        assert here.passes(other)
