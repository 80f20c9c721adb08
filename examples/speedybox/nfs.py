"""SpeedyBox's five NFs and the one of its Fig. 3, as in the C of this folder."""

from __future__ import annotations

from ipaddress import IPv4Address as Ip

from nfverify.cythonized.speedybox import (
    Action,
    Field,
    Headers,
    Packet,
    Payload,
    localmat_add_HA,
    localmat_add_SF,
    nf_extract_fid,
    register_event,
)

PORTS = Headers.TCP | Headers.UDP


def has_ports(packet: Packet) -> bool:
    """Whether these NFs do anything with it: unfragmented TCP and UDP over IPv4."""
    headers = packet.headers
    return bool(headers & Headers.IP4 and headers & PORTS and not headers & Headers.FRAG)


def flow_of(packet: Packet) -> tuple[int, int]:
    """The flow of a packet, as it is now: addresses; protocol and ports."""
    sip, dip, sport, dport, proto = (
        packet.get(field) for field in (Field.SIP, Field.DIP, Field.SPORT, Field.DPORT, Field.PROTO)
    )
    return sip << 32 | dip, proto << 32 | sport << 16 | dport


class MazuNat:
    """Flows of 10.0.0.0/8 leave from one address by ports of their own; their answers return."""

    PUBLIC = int(Ip("203.0.113.7"))

    def __init__(self) -> None:
        self.ports: dict[tuple[int, int], int] = {}
        self.hosts: dict[tuple[int, int], tuple[int, int]] = {}
        self.next = 1024

    def process(self, packet: Packet) -> None:
        fid = nf_extract_fid(packet)
        if not has_ports(packet):
            return
        if packet.get(Field.SIP) >> 24 == 10:
            port = self._port(packet)
            if port is None:
                localmat_add_HA(fid, Action.DROP)
                packet.drop()
                return
            localmat_add_HA(fid, Action.MODIFY, Field.SIP, self.PUBLIC)
            localmat_add_HA(fid, Action.MODIFY, Field.SPORT, port)
            packet.set(Field.SIP, self.PUBLIC)
            packet.set(Field.SPORT, port)
        elif packet.get(Field.DIP) == self.PUBLIC:
            inside = packet.get(Field.DPORT), packet.get(Field.PROTO)
            if inside not in self.hosts:  # until somebody gets that port
                register_event(fid, self.known, inside)
                localmat_add_HA(fid, Action.DROP)
                packet.drop()
                return
            host, port = self.hosts[inside]
            localmat_add_HA(fid, Action.MODIFY, Field.DIP, host)
            localmat_add_HA(fid, Action.MODIFY, Field.DPORT, port)
            packet.set(Field.DIP, host)
            packet.set(Field.DPORT, port)
        else:
            localmat_add_HA(fid, Action.FORWARD)

    def _port(self, packet: Packet) -> int | None:
        flow = flow_of(packet)
        if flow not in self.ports:
            if self.next > 65535:
                return None
            source = packet.get(Field.SIP), packet.get(Field.SPORT)
            self.ports[flow] = self.next
            self.hosts[self.next, packet.get(Field.PROTO)] = source
            self.next += 1
        return self.ports[flow]

    def known(self, packet: Packet, port: int, proto: int) -> bool:
        return (port, proto) in self.hosts


class Maglev:
    """A consistent hash picks a backend; a connection stays with it until it fails."""

    VIP = int(Ip("198.51.100.1"))
    POOL = int(Ip("172.16.0.1"))
    CONTROL = int(Ip("192.0.2.9"))
    TABLE = ((1, 0, 2), (0, 2, 1), (1, 0, 2), (0, 1, 2), (2, 0, 1), (2, 0, 1), (0, 1, 2))

    def __init__(self) -> None:
        self.connections: dict[tuple[int, int], int] = {}
        self.failed: set[int] = set()

    def process(self, packet: Packet) -> None:
        if not has_ports(packet):
            return
        dport = packet.get(Field.DPORT)
        udp = packet.get(Field.PROTO) == 17
        if packet.get(Field.SIP) == self.CONTROL and udp and dport in (9000, 9001):
            backend = packet.get(Field.SPORT)  # no row: each of these is to be seen
            if backend < 3:
                (self.failed.add if dport == 9001 else self.failed.discard)(backend)
            packet.drop()
        elif packet.get(Field.DIP) != self.VIP:
            localmat_add_HA(nf_extract_fid(packet), Action.FORWARD)
        else:
            flow = flow_of(packet)
            self.serve(packet, *flow)
            if flow in self.connections and self.connections[flow] not in self.failed:
                packet.set(Field.DIP, self.POOL + self.connections[flow])
            else:
                packet.drop()

    def serve(self, packet: Packet, addresses: int, ports: int, _: int = 0) -> None:
        """The connection's row: to its backend, and what is to happen when that fails."""
        fid, flow = nf_extract_fid(packet), (addresses, ports)
        if self.connections.get(flow, -1) in self.failed or flow not in self.connections:
            alive = [b for b in self._slot(addresses >> 32, ports >> 16 & 0xFFFF) if self._lives(b)]
            if not alive:
                register_event(fid, self.any_lives)
                localmat_add_HA(fid, Action.DROP)
                return
            self.connections[flow] = alive[0]
        backend = self.connections[flow]
        register_event(fid, self.has_failed, (*flow, backend), Action.NONE, self.serve)
        localmat_add_HA(fid, Action.MODIFY, Field.DIP, self.POOL + backend)

    def _slot(self, sip: int, sport: int) -> tuple[int, ...]:
        return self.TABLE[murmur((sip, sport)) % len(self.TABLE)]

    def _lives(self, backend: int) -> bool:
        return backend not in self.failed

    def has_failed(self, packet: Packet, addresses: int, ports: int, backend: int) -> bool:
        """Or is another one: a NAT may let two flows look like one."""
        return backend in self.failed or self.connections[addresses, ports] != backend

    def any_lives(self, packet: Packet) -> bool:
        return len(self.failed) < 3


class Monitor:
    """Packets and bytes of each flow."""

    def __init__(self) -> None:
        self.flows: dict[tuple[int, int], tuple[int, int]] = {}

    def process(self, packet: Packet) -> None:
        if has_ports(packet):
            flow = flow_of(packet)
            localmat_add_SF(nf_extract_fid(packet), self.count, Payload.IGNORE, *flow)
            self.count(packet, *flow)

    def count(self, packet: Packet, addresses: int, ports: int) -> None:
        packets, size = self.flows.get((addresses, ports), (0, 0))
        self.flows[addresses, ports] = packets + 1, size + packet.get(Field.SIZE)


class IpFilter:
    """A list of rules, read from the top; what one of them names is dropped."""

    # source, its mask, destination, its mask, destination port, protocol; 0: any
    RULES = (
        (0, 0, 0, 0, 23, 6),
        (0, 0, int(Ip("172.16.0.0")), 0xFFFFFFF0, 22, 6),
        (int(Ip("192.0.2.0")), 0xFFFFFF00, 0, 0, 0, 0),
        (0, 0, int(Ip("10.0.0.0")), 0xFF000000, 53, 17),
    )

    def process(self, packet: Packet) -> None:
        if not has_ports(packet):
            return
        fid = nf_extract_fid(packet)
        if self.blocks(*flow_of(packet)):
            localmat_add_HA(fid, Action.DROP)
            packet.drop()
        else:
            localmat_add_HA(fid, Action.FORWARD)

    def blocks(self, addresses: int, ports: int) -> bool:
        sip, dip, dport, proto = (
            addresses >> 32,
            addresses & 0xFFFFFFFF,
            ports & 0xFFFF,
            ports >> 32,
        )
        return any(
            sip & sip_mask == rule_sip
            and dip & dip_mask == rule_dip
            and rule_dport in (0, dport)
            and rule_proto in (0, proto)
            for rule_sip, sip_mask, rule_dip, dip_mask, rule_dport, rule_proto in self.RULES
        )


class Snort:
    """The first rule whose content is in the payload says what becomes of the packet's record."""

    RULES = (
        ("pass", b"healthcheck"),
        ("alert", b"/etc/passwd"),
        ("alert", b"cmd.exe"),
        ("log", b"login"),
    )

    def __init__(self) -> None:
        self.log: list[tuple[str, tuple[int, int]]] = []

    def process(self, packet: Packet) -> None:
        if has_ports(packet):
            flow = flow_of(packet)
            localmat_add_SF(nf_extract_fid(packet), self.inspect, Payload.READ, *flow)
            self.inspect(packet, *flow)

    def inspect(self, packet: Packet, *flow: int) -> None:
        payload = packet.payload
        action = next((action for action, content in self.RULES if content in payload), "pass")
        if action != "pass":
            self.log.append((action, (flow[0], flow[1])))


class Dos:
    """SYNs of each flow; beyond a threshold it is dropped. What passes goes to port 8080."""

    THRESHOLD = 2
    PORT = 8080

    def __init__(self) -> None:
        self.syns: dict[tuple[int, int], int] = {}

    def process(self, packet: Packet) -> None:
        if not has_ports(packet):
            return
        fid, flow = nf_extract_fid(packet), flow_of(packet)
        if self.over(packet, *flow):
            self.stop(packet)
            packet.drop()
            return
        register_event(fid, self.over, flow, Action.NONE, self.stop)
        localmat_add_SF(fid, self.count, Payload.IGNORE, *flow)
        localmat_add_HA(fid, Action.MODIFY, Field.DPORT, self.PORT)
        self.count(packet, *flow)
        packet.set(Field.DPORT, self.PORT)

    def count(self, packet: Packet, *flow: int) -> None:
        key = flow[0], flow[1]
        self.syns[key] = self.syns.get(key, 0) + (packet.get(Field.FLAGS) >> 1 & 1)

    def over(self, packet: Packet, *flow: int) -> bool:
        return self.syns.get((flow[0], flow[1]), 0) > self.THRESHOLD

    def stop(self, packet: Packet, *flow: int) -> None:
        localmat_add_HA(nf_extract_fid(packet), Action.DROP)


def murmur(words: tuple[int, ...]) -> int:
    """murmur3-32 (x86, seed 0) of 32-bit words, each big-endian: `hash` of the language."""
    h = 0
    for word in words:
        k = int.from_bytes(word.to_bytes(4, "big"), "little") * 0xCC9E2D51 & 0xFFFFFFFF
        k = (k << 15 | k >> 17) * 0x1B873593 & 0xFFFFFFFF
        h ^= k
        h = (h << 13 | h >> 19) * 5 + 0xE6546B64 & 0xFFFFFFFF
    h ^= 4 * len(words)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = (h ^ h >> shift) * factor & 0xFFFFFFFF
    return h ^ h >> 16


NFS = {
    "dos": Dos,
    "ipfilter": IpFilter,
    "maglev": Maglev,
    "mazunat": MazuNat,
    "monitor": Monitor,
    "snort": Snort,
}
