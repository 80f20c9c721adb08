"""Refinement: every behaviour of one network is allowed by another, which may choose."""
