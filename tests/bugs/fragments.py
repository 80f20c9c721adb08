# Bug: a later fragment's payload is read as if it began with the ports.
from nf import BUG, TCP, UDP, serve


def handle(packet, now, port):
    if packet.fragment and packet.l4 is None and not (BUG and packet.proto in (TCP, UDP)):
        return True
    if BUG and packet.proto in (TCP, UDP):
        return packet.word(packet.behind_ip + 2) == 80
    return packet.ports[1] == 80


serve(handle)
