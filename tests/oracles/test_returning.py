"""Traffic of few flows: the same for a seed, few flows at a time, packets that come again."""

from __future__ import annotations

from collections import Counter
from random import Random

from hand_plan import network

from nfverify.oracles.returning import Returning
from nfverify.packet.codec import Packet, parse


def test_flows_come_again() -> None:
    one, other = (Returning(network(), Random(7)) for _ in range(2))
    events = [one.event() for _ in range(300)]
    assert events == [other.event() for _ in range(300)]
    packets = [p for p in (parse(e.frame) for e in events) if isinstance(p, Packet)]
    flows = Counter((p.sip, p.dip, p.sport, p.dport, p.proto) for p in packets)
    assert sum(count for _, count in flows.most_common(20)) > 150
    assert len({p.flag_syn for p in packets}) == 2
