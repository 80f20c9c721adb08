"""The ready-made properties' meanings, from the prover's own list."""

from __future__ import annotations


def meaning(name: str) -> str:
    """What a ready-made property promises; "" if there is none of that name."""
    return ""


def names() -> tuple[str, ...]:
    return ()
