"""Writes the tables that the models load, into models/: fw10.csv and fw1000.csv from the
yardstick's rules, maglev.csv and crc32c.csv by the yardstick's algorithms.

Run as `python benchmarks/tables.py YARDSTICK`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

SLOTS = 65537
BACKENDS = 100
START = 0x9E3779B9


def crc_table() -> list[int]:
    """What CRC-32C (reflected) adds for each byte."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC = crc_table()


def crc32c(data: bytes, start: int = START) -> int:
    """The checksum as the processor's instruction computes it: nothing is inverted."""
    for byte in data:
        start = start >> 8 ^ CRC[(start ^ byte) & 0xFF]
    return start


def maglev_table(slots: int = SLOTS, backends: int = BACKENDS) -> list[int]:
    """The backend of each slot (Maglev, section 3.4): each takes its next free slot in turn."""
    offsets = [crc32c((i * 7919 + 1).to_bytes(8, "little")) % slots for i in range(backends)]
    skips = [
        crc32c((i * 104729 + 2).to_bytes(8, "little")) % (slots - 1) + 1 for i in range(backends)
    ]
    table, tried = [-1] * slots, [0] * backends
    for turn in range(slots):
        backend = turn % backends
        while True:
            slot = (offsets[backend] + tried[backend] * skips[backend]) % slots
            tried[backend] += 1
            if table[slot] < 0:
                break
        table[slot] = backend
    return table


def rules(text: str) -> list[str]:
    """Lines of the yardstick's form (`A 10.0.0.0/8 0.0.0.0/0 6 0 65535 80 80`) as CSV."""
    lines = ["action,sip,dip,proto,sport,dport"]
    for line in text.splitlines():
        action, sip, dip, proto, *ports = line.split()
        low_s, high_s, low_d, high_d = map(int, ports)
        lines.append(
            ",".join(
                (
                    "accept" if action == "A" else "drop",
                    _address(sip),
                    _address(dip),
                    "*" if proto == "0" else proto,
                    _range(low_s, high_s),
                    _range(low_d, high_d),
                )
            )
        )
    return lines


def _address(text: str) -> str:
    return "*" if text.endswith("/0") else text


def _range(low: int, high: int) -> str:
    if (low, high) == (0, 65535):
        return "*"
    return str(low) if low == high else f"{low}-{high}"


def main() -> None:
    """Write the four files."""
    yardstick, here = Path(sys.argv[1]), Path(__file__).parent / "models"

    def write(name: str, lines: Iterable[str]) -> None:
        (here / name).write_text("\n".join(lines) + "\n")

    for count in (10, 1000):
        write(f"fw{count}.csv", rules((yardstick / f"rules{count}.txt").read_text()))
    write("crc32c.csv", ["byte,adds", *(f"{b},0x{v:08x}" for b, v in enumerate(CRC))])
    write("maglev.csv", ["slot,backend", *(f"{s},{b}" for s, b in enumerate(maglev_table()))])


if __name__ == "__main__":
    main()
