# Bug: behind a second VLAN tag nothing is recognised, so it passes.
from nf import BUG, TCP, serve


def handle(packet, now, port):
    if BUG and packet.ip == 22:
        return True
    return not (packet.proto == TCP and packet.ports[1] == 23)


serve(handle)
