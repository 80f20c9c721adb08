# Bug: whom an inside host has spoken to may come in by every port.
from nf import BUG, serve

opened = set()


def handle(packet, now, port):
    flow, reply = packet.flow, packet.reply
    if BUG:
        flow, reply = flow[:2], reply[:2]
    if port == 0:
        opened.add(flow)
        return True
    return reply in opened


serve(handle)
