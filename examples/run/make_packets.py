"""Writes packets.pcap: what the pages about running a model use."""

from pathlib import Path

from nfverify.packet.codec import build
from nfverify.packet.fields import Header
from nfverify.packet.pcap import Writer

CLIENT, SERVER, PUBLIC = 0x0A000005, 0xC6336401, 0xCB007107
IP_TCP = Header.LINK | Header.IP4 | Header.TCP
IP_UDP = Header.LINK | Header.IP4 | Header.UDP
ARP = bytes.fromhex("ffffffffffff0200000000010806") + bytes(28)


def main() -> None:
    """Four packets and an ARP frame, 1 ms apart; the fourth packet is cut inside its IP header."""
    there = {"sip": CLIENT, "dip": SERVER, "ttl": 64}
    syn = build(IP_TCP, {**there, "sport": 40000, "dport": 80, "flag_syn": 1})
    query = build(IP_UDP, {**there, "sport": 5000, "dport": 53, "payload": b"who is it?"})
    back = build(
        IP_TCP, {"sip": SERVER, "dip": PUBLIC, "ttl": 64, "sport": 80, "dport": 1024, "flag_ack": 1}
    )
    with (Path(__file__).parent / "packets.pcap").open("wb") as stream:
        writer = Writer(stream, nanosecond=False)
        for number, frame in enumerate((syn, query, ARP, query[:20], back)):
            writer.write(1_000_000 * number, frame)


if __name__ == "__main__":
    main()
