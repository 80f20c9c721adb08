"""Hypothesis strategies for packets, flows, traces, states and programs, aimed at a model."""

from nfverify.strategies.frame import Frame, frame
from nfverify.strategies.traces import events, packets, traces

__all__ = ["Frame", "events", "frame", "packets", "traces"]
