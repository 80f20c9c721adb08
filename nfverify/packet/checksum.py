"""The Internet checksum: computed whole (RFC 1071) and updated incrementally (RFC 1624, eqn. 3)."""

from __future__ import annotations


def internet_checksum(data: bytes) -> int:
    """Of the 16-bit words of `data`, a zero byte added if it is odd."""
    if len(data) % 2:
        data += b"\0"
    total = int.from_bytes(data, "big")  # 2**16 = 1 modulo 0xffff, so the big number is the sum
    folded = total % 0xFFFF
    return 0xFFFF - (folded or (0xFFFF if total else 0))


def update_checksum(checksum: int, old: bytes, new: bytes) -> int:
    """~(~HC + Σ(~m + m')) over the 16-bit words that differ; `checksum` itself if none does.

    `old` and `new` are the covered bytes before and after, equally long, aligned to a word.
    """
    if old == new:
        return checksum
    if len(old) % 2:
        old, new = old + b"\0", new + b"\0"
    # Each ~m + m' is m' - m modulo 0xffff, and so is the difference of the whole numbers.
    change = int.from_bytes(new, "big") - int.from_bytes(old, "big")
    folded = (0xFFFF - checksum + change) % 0xFFFF
    if folded:
        return 0xFFFF - folded
    # A sum that is a multiple of 0xffff folds to 0xffff, unless it is 0: each term was 0.
    return 0xFFFF if checksum == 0xFFFF and _only_zeroed(old, new) else 0


def _only_zeroed(old: bytes, new: bytes) -> bool:
    """Whether each word that differs went from 0xffff to 0."""
    return all(
        old[i : i + 2] == new[i : i + 2]
        or (old[i : i + 2] == b"\xff\xff" and new[i : i + 2] == b"\0\0")
        for i in range(0, len(old), 2)
    )
