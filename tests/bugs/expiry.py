# Bug: expiry off by one: at exactly five seconds the flow is still there.
from nf import BUG, serve

SECONDS = 10**9
last = {}


def handle(packet, now, port):
    if port == 0:
        last[packet.flow] = now
        return True
    if packet.reply not in last:
        return False
    age = now - last[packet.reply]
    return age <= 5 * SECONDS if BUG else age < 5 * SECONDS


serve(handle)
