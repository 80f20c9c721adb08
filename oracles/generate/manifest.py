"""Suites as files: traces and what must come out as captures, the end state, and a manifest.

A folder holds `manifest.json`, `coverage.md`, `coverage.json`, and for trace 1 the folder `0001`:
`in/` with the packets that arrive, `out/` with those that must come out (captures as
`nfverify.oracles.trace` writes them), and `state.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from nfverify.equivalence.reach.script import VARIATIONS, Loop, Script
from nfverify.equivalence.simulate import Arrival
from nfverify.packet.codec import Malformed, deparse, parse

VERSION = 1
NAME = "manifest.json"
MAX_MANIFEST = 64 << 20  # bytes that are read
MAX_PACKETS = 1 << 22  # of a suite, loops written out

Json: TypeAlias = Any  # json.loads


class BadManifest(ValueError):
    """A manifest that says what can't be; the message says where."""


@dataclass(frozen=True, slots=True)
class Item:
    """One trace of a suite: its script, the numbers of the goals for which it is there, how it was
    found, and how many packets of its end are probes."""

    name: str
    script: Script
    goals: tuple[int, ...]
    method: str
    probes: int = 0


def script_json(script: Script) -> list[Json]:
    """A script as JSON: packets as [ns, port, frame], repetitions as objects."""
    found: list[Json] = []
    for part in script:
        if isinstance(part, Loop):
            found.append(
                {
                    "repeat": part.count,
                    "vary": part.vary,
                    "gap": part.gap,
                    "packet": _packet(part.arrival),
                }
            )
        else:
            found.append(_packet(part))
    return found


def _packet(arrival: Arrival) -> Json:
    return [arrival.time, arrival.port, deparse(arrival.packet).hex()]


def script_from(data: Json, where: str) -> Script:
    """The script that `script_json` wrote. BadManifest."""
    found: list[Arrival | Loop] = []
    total = 0
    for number, part in enumerate(_list(data, where)):
        place = f"{where}[{number}]"
        if isinstance(part, dict):
            count = _number(part.get("repeat"), f"{place}.repeat", MAX_PACKETS)
            gap = _number(part.get("gap", 0), f"{place}.gap", 1 << 61)
            vary = part.get("vary")
            if vary not in VARIATIONS:
                raise BadManifest(f"{place}.vary: one of {', '.join(VARIATIONS)} is expected")
            arrival = _arrival(part.get("packet"), f"{place}.packet")
            if count < 1 or arrival.time + count * gap >= 1 << 62:
                raise BadManifest(f"{place}: at least once, and before 2^62 ns")
            found.append(Loop(arrival, vary, count, gap))
            total += count
        else:
            found.append(_arrival(part, place))
            total += 1
        if total > MAX_PACKETS:
            raise BadManifest(f"{where}: over {MAX_PACKETS:,} packets")
    return tuple(found)


def _arrival(data: Json, where: str) -> Arrival:
    if not isinstance(data, list) or len(data) != 3 or not isinstance(data[2], str):
        raise BadManifest(f"{where}: [ns, port, frame in hexadecimal digits] is expected")
    time = _number(data[0], f"{where}[0]", (1 << 62) - 1)
    port = _number(data[1], f"{where}[1]", 0xFFFF)
    try:
        packet = parse(bytes.fromhex(data[2]))
    except ValueError as error:
        raise BadManifest(f"{where}[2]: no hexadecimal digits") from error
    if isinstance(packet, Malformed):
        raise BadManifest(f"{where}[2]: malformed frame: {packet.reason}")
    return Arrival(time, port, packet)


def dump(head: Mapping[str, Json], goals: Sequence[Json], items: Sequence[Item]) -> str:
    """The text of a manifest: one goal and one packet a line, so that differences read well."""
    lines = ["{"]
    lines += [f'  "{key}": {json.dumps(value)},' for key, value in head.items()]
    lines.append('  "goals": [')
    lines += _joined(f"    {json.dumps(goal)}" for goal in goals)
    lines.append("  ],")
    lines.append('  "traces": [')
    lines += _joined(_item(item) for item in items)
    lines += ["  ]", "}", ""]
    return "\n".join(lines)


def _item(item: Item) -> str:
    packets = ",\n".join(f"      {json.dumps(part)}" for part in script_json(item.script))
    fields = {
        "name": item.name,
        "goals": list(item.goals),
        "method": item.method,
        "probes": item.probes,
    }
    head = ", ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in fields.items())
    return f'    {{{head}, "packets": [\n{packets}\n    ]}}'


def _joined(texts: Iterator[str]) -> list[str]:
    return [",\n".join(texts)]


def load(text: str) -> tuple[Mapping[str, Json], tuple[Item, ...]]:
    """The head of a manifest, its goals included, and its traces. BadManifest."""
    if len(text) > MAX_MANIFEST:
        raise BadManifest(f"over {MAX_MANIFEST >> 20} MB")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadManifest(f"not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise BadManifest(f"no manifest of version {VERSION}")
    items = []
    for number, trace in enumerate(_list(data.get("traces"), "traces")):
        where = f"traces[{number}]"
        if not isinstance(trace, dict):
            raise BadManifest(f"{where}: an object is expected")
        script = script_from(trace.get("packets"), f"{where}.packets")
        goals = _list(trace.get("goals", []), f"{where}.goals")
        items.append(
            Item(
                str(trace.get("name", number + 1)),
                script,
                tuple(_number(g, f"{where}.goals", 1 << 31) for g in goals),
                str(trace.get("method", "")),
                _number(trace.get("probes", 0), f"{where}.probes", MAX_PACKETS),
            )
        )
    return {key: value for key, value in data.items() if key != "traces"}, tuple(items)


def _list(data: Json, where: str) -> list[Json]:
    if not isinstance(data, list):
        raise BadManifest(f"{where}: a list is expected")
    return data


def _number(data: Json, where: str, most: int) -> int:
    if isinstance(data, bool) or not isinstance(data, int) or not 0 <= data <= most:
        raise BadManifest(f"{where}: a number from 0 to {most} is expected")
    return data
