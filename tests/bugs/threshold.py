# Bug: `>=` for `==`.
from collections import Counter

from nf import BUG, serve

count = Counter()


def handle(packet, now, port):
    source, _ = packet.ends
    before = count[source]
    count[source] += 1
    return not (before >= 2 if BUG else before == 2)


serve(handle)
