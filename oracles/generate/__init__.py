"""Suites of traces that reach every goal of a model."""
