# Bug: `==` for `>=`, as in a published model: at the limit one packet is lost, then none.
from collections import Counter

from nf import BUG, UDP, serve

count = Counter()


def handle(packet, now, port):
    if packet.proto != UDP:
        return True
    source, _ = packet.ends
    before = count[source]
    count[source] += 1
    return not (before == 2 if BUG else before >= 2)


serve(handle)
