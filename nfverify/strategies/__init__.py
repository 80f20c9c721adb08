"""Hypothesis strategies for packets, flows, traces, states and programs, aimed at a model."""

from nfverify.strategies.flows import flows, icmp_echoes, tcp_sessions, udp_exchanges
from nfverify.strategies.frame import Frame, frame
from nfverify.strategies.programs import networks, programs
from nfverify.strategies.states import states
from nfverify.strategies.traces import bursts, events, packets, traces

__all__ = [
    "Frame",
    "bursts",
    "events",
    "flows",
    "frame",
    "icmp_echoes",
    "networks",
    "packets",
    "programs",
    "states",
    "tcp_sessions",
    "traces",
    "udp_exchanges",
]
