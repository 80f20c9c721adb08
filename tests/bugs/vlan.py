# Bug: all sixteen bits behind the tag's type are taken for the VLAN, its priority among them.
from nf import BUG, serve


def handle(packet, now, port):
    vlan = 0 if packet.tag is None else packet.word(packet.tag)
    if not BUG:
        vlan &= 0xFFF
    return vlan != 20


serve(handle, every_frame=True)
