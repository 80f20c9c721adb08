# Bug: the state is written before it is known that the packet is dropped.
from nf import BUG, TCP, serve

opened = set()


def handle(packet, now, port):
    source, target = packet.ends
    if port == 1:
        return (target, source) in opened
    if BUG:
        opened.add((source, target))
    if packet.proto == TCP and packet.ports[1] == 25:
        return False
    opened.add((source, target))
    return True


serve(handle)
