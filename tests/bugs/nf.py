"""What the Python network functions of this folder share: reading frames, and the line protocol.

Written from the RFCs, without nfverify. A frame whose headers are cut or contradict themselves is
dropped; a frame that is neither IPv4 nor IPv6 goes out by the other port as it came.
"""

import sys

TCP, UDP = 6, 17
BUG = "--bug" in sys.argv


class Malformed(Exception):
    pass


class Packet:
    """A frame and where its headers are; `l4` is None where there is no TCP, UDP or ICMP header."""

    def __init__(self, frame):
        self.data = bytearray(frame)
        self.version, self.proto, self.l4, self.later, self.fragment = 0, 0, None, False, False
        self.tag = None  # where the outer VLAN tag's control information stands
        if len(frame) < 14:
            raise Malformed
        self.ip = 14
        if self.word(12) in (0x8100, 0x88A8):
            self.need(18)
            self.tag, self.ip = 14, 18
            if self.word(16) in (0x8100, 0x88A8):
                self.need(22)
                self.ip = 22
        ethertype = self.word(self.ip - 2)
        if ethertype == 0x0800:
            self.ip4()
        elif ethertype == 0x86DD:
            self.ip6()

    def need(self, length):
        if len(self.data) < length:
            raise Malformed

    def word(self, at):
        return int.from_bytes(self.data[at : at + 2], "big")

    def long(self, at):
        return int.from_bytes(self.data[at : at + 4], "big")

    def ip4(self):
        self.need(self.ip + 20)
        header = (self.data[self.ip] & 15) * 4
        size = self.word(self.ip + 2)
        if self.data[self.ip] >> 4 != 4 or header < 20 or size < header:
            raise Malformed
        self.need(self.ip + header)
        self.version, self.proto, self.size = 4, self.data[self.ip + 9], size
        self.end = min(len(self.data), self.ip + size)
        offset = self.word(self.ip + 6)
        self.fragment, self.later = bool(offset & 0x3FFF), bool(offset & 0x1FFF)
        self.transport(self.ip + header, 1)

    def ip6(self):
        self.need(self.ip + 40)
        if self.data[self.ip] >> 4 != 6:
            raise Malformed
        self.version, self.size = 6, self.word(self.ip + 4) + 40
        self.end = min(len(self.data), self.ip + self.size)
        proto, at = self.data[self.ip + 6], self.ip + 40
        for _ in range(8):
            if proto not in (0, 43, 44, 60):
                break
            if at + 8 > self.end:
                raise Malformed
            length = 8 if proto == 44 else (self.data[at + 1] + 1) * 8
            if at + length > self.end:
                raise Malformed
            if proto == 44:
                self.fragment |= bool(self.word(at + 2) & 0xFFF9)
                self.later |= bool(self.word(at + 2) & 0xFFF8)
            proto, at = self.data[at], at + length
            if self.later:
                break
        self.proto = proto
        self.transport(at, 58)

    def transport(self, at, icmp):
        self.behind_ip = at
        least = {TCP: 20, UDP: 8, icmp: 8}.get(self.proto)
        if self.later or least is None:
            return
        if at + least > self.end:
            raise Malformed
        if self.proto == TCP:
            header = (self.data[at + 12] >> 4) * 4
            if header < 20 or at + header > self.end:
                raise Malformed
        self.l4 = at

    # Fields: 0 where the header is absent.

    @property
    def sip(self):
        return self.long(self.ip + 12) if self.version == 4 else 0

    @property
    def dip(self):
        return self.long(self.ip + 16) if self.version == 4 else 0

    @property
    def ends(self):
        """Source and destination: an address of both versions, the absent one as zeros."""
        at, length = (self.ip + 12, 4) if self.version == 4 else (self.ip + 8, 16)
        data = bytes(self.data)
        source, target = data[at : at + length], data[at + length : at + 2 * length]
        if self.version == 4:
            return source.ljust(20, b"\0"), target.ljust(20, b"\0")
        return source.rjust(20, b"\0"), target.rjust(20, b"\0")

    @property
    def ports(self):
        if self.l4 is None or self.proto not in (TCP, UDP):
            return 0, 0
        return self.word(self.l4), self.word(self.l4 + 2)

    @property
    def flow(self):
        return (*self.ends, *self.ports, self.proto)

    @property
    def reply(self):
        """The flow of an answer."""
        (source, target), (sport, dport) = self.ends, self.ports
        return target, source, dport, sport, self.proto

    @property
    def flags(self):
        return self.data[self.l4 + 13] & 0x3F if self.l4 is not None and self.proto == TCP else 0


def serve(handle, every_frame=False):
    """Each packet of standard input through `handle(packet, now, port)`: may it pass?

    `TIME PORT HEX` in, `PORT HEX` or nothing out. Time does not run backwards.
    """
    latest = 0
    for line in sys.stdin:
        time, port, *data = line.split()
        latest, other = max(latest, int(time)), 1 - int(port)
        try:
            packet = Packet(bytes.fromhex("" if data == ["-"] else data[0]))
            bypasses = packet.version == 0 and not every_frame
            passes = bypasses or handle(packet, latest, int(port))
        except Malformed:
            passes = False
        print(f"{other} {packet.data.hex()}" if passes else "", flush=True)
