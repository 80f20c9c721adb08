"""Platforms that run a model natively: one folder each, found by entry points (NFD, §V)."""
