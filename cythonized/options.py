"""How a network is compiled; no option changes what it means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Each optimisation can be switched off; `depth` is how many packets a stage runs behind.

    `count_entries` counts the packets of each entry; `sanitize` builds with ASan and UBSan.
    """

    batch: bool = True
    prefetch: bool = True
    fuse: bool = True
    classifier: bool = True
    count_entries: bool = False
    sanitize: bool = False
    depth: int = 16
    records: int = 0  # that a fast path keeps at most; 0: as many as come
