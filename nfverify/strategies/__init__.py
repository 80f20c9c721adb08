"""Hypothesis strategies: packets, flows, traces, states and programs, aimed at a model."""
