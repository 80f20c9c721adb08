"""A network's state laid out as a build would, at random, for the C driver of the state tests."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from nfverify.packet.fields import FIELDS
from nfverify.semantics.engine import number_tags
from nfverify.semantics.state_binary import rows
from nfverify.smat import ir

SHOWN = {"ip": 1, "ip6": 2, "mac": 3}
ROOM = 512  # bytes for a table in the state; at least the size of any
NONE = (1 << 64) - 1
IN_HEAD = ("sip", "dip", "sport", "dport", "proto")


def hexed(data: bytes) -> str:
    return "x" + data.hex()


@dataclass
class Part:
    """A component: kind, signed, width, net, word, shift, at, shown."""

    type: ir.Type
    net: int = 0
    word: int = 0
    shift: int = 0
    at: int = 0

    @property
    def bits(self) -> int:
        match self.type:
            case ir.Bits(width=width):
                return width
            case ir.Bool():
                return 1
        return 32

    @property
    def size(self) -> int:
        return next(s for s in (1, 2, 4, 8, 16) if self.bits <= 8 * s)

    def text(self) -> str:
        kind, signed, width, shown = {ir.Bool: 0, ir.Bits: 1, ir.Bytes: 2}[type(self.type)], 0, 0, 0
        if isinstance(self.type, ir.Bits):
            signed, width = int(self.type.signed), self.type.width
            shown = SHOWN.get(self.type.shown, 0)
        return f"{kind} {signed} {width} {self.net} {self.word} {self.shift} {self.at} {shown}"


def part(rng: Random, type_: ir.Type) -> Part:
    free = isinstance(type_, ir.Bits) and not type_.signed and type_.width in (16, 32)
    return Part(type_, type_.width if free and rng.random() < 0.5 else 0)


def packed_key(rng: Random, types: tuple[ir.Type, ...], *, wide: bool) -> tuple[list[Part], int]:
    """Components in words; bit 63 of the last word is kept free. Not wide: long ones left out."""
    found, words, used = [], 0, 64
    for type_ in types:
        p = part(rng, type_)
        if p.bits > 64 and not wide:
            p.word = 255
        elif p.bits > 64:
            p.word, words, used = words, words + 2, 64
        else:
            if used + p.bits > 64 or rng.random() < 0.3:
                words, used = words + 1, 0
            p.word, p.shift, used = words - 1, used, used + p.bits
        found.append(p)
    return found, words + (used > 63 or not words)


def blank(words: int) -> bytes:
    return bytes(8 * words - 1) + b"\x80"


def slot(words: int, value_bytes: int) -> int:
    least = 8 * words + value_bytes
    return next((s for s in (8, 16, 32, 64) if least <= s), (least + 15) // 16 * 16)


def stored(p: Part, value: ir.Value) -> bytes:
    if isinstance(value, bytes):
        assert not value  # the only string whose number is known before
        value = 0
    bits = int(value) & (1 << p.bits) - 1
    if p.net:
        return bits.to_bytes(p.size, "big")
    signed = isinstance(p.type, ir.Bits) and p.type.signed
    return int(value).to_bytes(p.size, "little", signed=signed)


def describe(rng: Random, network: ir.Network) -> str:
    """The text that the driver reads."""
    lines: list[str] = []
    at = 0
    for instance in network.instances:
        fusable: dict[tuple[ir.Type, ...], list[ir.StateVar]] = {}
        groups: list[list[ir.StateVar]] = []
        for variable in instance.program.state:
            if variable.constant:
                continue
            group = fusable.get(variable.keys)
            if group and len(group) < 8 and not variable.aged and rng.random() < 0.6:
                group.append(variable)
                continue
            groups.append([variable])
            if variable.keys and not variable.aged:
                fusable[variable.keys] = groups[-1]
        described = {}
        for group in groups:
            names = [v.name for v in group]
            described |= zip(names, table(rng, instance.name, group, at), strict=True)
            at += 2 * ROOM if group[0].keys else 4096
        lines += [described[v.name] for v in instance.program.state if not v.constant]
    programs = tuple(i.program for i in network.instances)
    tags = sorted(number_tags(programs))
    written = {
        n.name for p in programs for n in ir.walk(p.init + p.body) if isinstance(n, ir.SetField)
    }
    fields, packet = [], 64
    for name in FIELDS:
        if name in written and name not in IN_HEAD:
            size = next(s for s in (1, 2, 4, 8, 16) if FIELDS[name].width <= 8 * s)
            payload = name == "payload"
            packet = (packet + 15) // 16 * 16
            fields.append(f"{hexed(name.encode())} {packet} {0 if payload else size}")
            packet += 16
        elif name in written:
            fields.append(f"{hexed(name.encode())} 0 4")
    head = [
        f"{len(network.ports)} {at} {packet + 4 * len(tags)} {packet}",
        f"{len(network.instances)} " + " ".join(hexed(i.name.encode()) for i in network.instances),
        f"{len(tags)} " + " ".join(hexed(t.encode()) for t in tags),
        f"{len(fields)} " + " ".join(fields),
        str(len(lines)),
    ]
    return "\n".join([*head, *lines]) + "\n"


def table(rng: Random, instance: str, group: list[ir.StateVar], at: int) -> list[str]:
    """The variables of one table, or one without keys."""
    first = group[0]
    long = any(isinstance(t, ir.Bits) and t.width > 64 for t in first.keys)
    split = long and not first.aged and rng.random() < 0.5
    keys, words = packed_key(rng, first.keys, wide=not split)
    wide, wide_words = packed_key(rng, first.keys, wide=True) if split else ([], 0)
    fused = len(group) > 1
    values, end = [], int(fused)
    for variable in group:
        values.append([part(rng, t) for t in variable.values])
        for p in values[-1]:
            p.at = (end + p.size - 1) // p.size * p.size
            end = p.at + p.size
    memory = bytearray(end)
    for variable, parts in zip(group, values, strict=True):
        for p, value in zip(parts, variable.default, strict=True):
            memory[p.at : p.at + p.size] = stored(p, value)
    found = []
    for number, (variable, parts) in enumerate(zip(group, values, strict=True)):
        timeout = NONE if variable.timeout is None else variable.timeout
        capacity = NONE if variable.capacity is None else variable.capacity
        kind = 2 if variable.aged else 1 if variable.keys else 0
        cells = [
            hexed(instance.encode()), hexed(variable.name.encode()), kind, at,
            number if fused else 255, 0, words, slot(words, end),
            at + ROOM, wide_words, slot(wide_words, end), end,
            timeout, capacity, int(variable.overflow != "reject"),
            len(variable.keys), len(variable.values),
            *(p.text() for p in keys), *(p.text() for p in parts), *(p.text() for p in wide),
            hexed(blank(words)), hexed(blank(wide_words) if split else b""), hexed(bytes(memory)),
            len(variable.entries), hexed(rows(variable, variable.entries)),
        ]  # fmt: skip
        found.append(" ".join(map(str, cells)))
    return found
