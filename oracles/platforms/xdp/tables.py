"""Tables of state as BPF hash maps: their keys and values as structs that bpftool shows, and the
functions by which the network looks keys up, assigns and deletes them.

Addresses stand in keys as bytes in network order, all other numbers in host order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nfverify.cythonized.ctypes_of import carrier, stored
from nfverify.cythonized.layout import KeyLayout, TableLayout
from nfverify.cythonized.resources import c_literal
from nfverify.cythonized.tables import TableCode
from nfverify.oracles.platforms.xdp.keys import key_parts
from nfverify.smat.ir import Bits

# What tables' names may not begin with or end in: maps stand beside functions and types called so.
_TAKEN = re.compile(
    r"^(?:bpf|fire)_|(?:^|_)(?:pass|visit|front|init|odd|state|key|value|find|put|del|add|pack|flow|"
    r"hash|fresh|insert|expire|oldest|look|touch|restamp|sink|bytes|wide)$"
)


def map_name(table: TableLayout, *, wide: bool = False) -> str:
    """The map of a table, or that of its keys with 128-bit parts."""
    name = f"{table.id}_" if _TAKEN.search(table.id) else table.id
    return f"{name}_wide" if wide else name


# C ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MapCode:
    """A table of `capacity` keys. `counted`: it overflows where the model would have room."""

    code: TableCode
    capacity: int
    counted: bool

    @property
    def layout(self) -> TableLayout:
        return self.code.layout

    @property
    def value(self) -> str:
        return f"{self.code.prefix}_value"

    @property
    def key_bytes(self) -> int:
        """Of a key on its way."""
        narrow = key_parts(self.layout, self.layout.key)[1]
        wide = self.layout.wide
        return narrow if wide is None else key_parts(self.layout, wide)[1] + 8

    @property
    def map(self) -> str:
        return map_name(self.layout)

    def text(self) -> str:
        """Structs, maps and functions."""
        layout, prefix = self.layout, self.code.prefix
        keys = [(layout.key, "")] + ([(layout.wide, "_wide")] if layout.wide else [])
        parts = [self._value_struct()]
        if layout.wide:
            parts += [
                _key_struct(layout, k, f"{prefix}{s or '_narrow'}_bytes") for k, s in keys if k
            ]
            parts.append(
                f"typedef struct {prefix}_key {{\n    union {{\n"
                f"        {prefix}_narrow_bytes narrow;\n        {prefix}_wide_bytes wide_bytes;\n"
                f"    }};\n    u32 wide; /* has an IPv6 part: kept in a map of its own */\n"
                f"}} {prefix}_key;\n"
            )
        else:
            parts.append(_key_struct(layout, layout.key, f"{prefix}_key"))
        for key, suffix in keys:
            assert key is not None
            struct = f"{prefix}{suffix or '_narrow'}_bytes" if layout.wide else f"{prefix}_key"
            name = map_name(layout, wide=bool(suffix))
            parts.append(_map(name, struct, self.value, self.capacity))
        if not layout.constant:
            parts.append(f"static {self.value} {prefix}_sink NF_UNUSED; /* what finds no room */\n")
        parts += [self._pack(), *([self._pack_flow()] if self.code.flow_like else [])]
        parts.append(self._find())
        if not layout.constant:
            parts += [self._add(), self._put(), self._delete()]
            if layout.aged:
                parts.append(self._touch())
        return "\n".join(parts)

    def members(self) -> list[tuple[str, str]]:
        """Of the value's struct, as (C type, name)."""
        layout = self.layout
        cells = sorted((c for m in layout.members for c in m.cells), key=lambda c: c.at)
        found = [(stored(c.type), c.name) for c in cells]
        if layout.presence:
            found.append(("u8", layout.presence.name))
        if layout.aged:
            found += [("u64", "stamp"), ("u64", "order")]
        return found or [("u8", "nothing")]

    def _value_struct(self) -> str:
        lines = "".join(f"    {ctype} {name};\n" for ctype, name in self.members())
        return f"typedef struct {self.value} {{\n{lines}}} {self.value};\n"

    # Keys -----------------------------------------------------------------------------------

    def _fill(self, key: KeyLayout, front: str) -> list[str]:
        """Statements that fill a key's struct from a0, a1, …"""
        lines = []
        for part in key_parts(self.layout, key)[0]:
            place = front + part.name
            argument = f"a{part.argument}"
            match part.ctype, part.count:
                case _ if part.argument is None:
                    lines.append(f"memset({place}, 0, {part.count});")
                case "u8", 4:
                    lines.append(f"nf_put32({place}, {argument});")
                case "u8", 6:
                    lines.append(f"nf_put48({place}, {argument});")
                case "u8", 16:
                    lines.append(f"nf_put128({place}, {argument});")
                case "u64", 2:
                    unsigned = f"(u128){argument}"
                    width = part.type.width if isinstance(part.type, Bits) else 128
                    if width < 128 and isinstance(part.type, Bits) and part.type.signed:
                        unsigned = f"((u128){argument} & {c_literal((1 << width) - 1)})"
                    lines.append(f"{place}[0] = nf_low({unsigned});")
                    lines.append(f"{place}[1] = nf_high({unsigned});")
                case _:
                    lines.append(f"{place} = ({part.ctype}){argument};")
        return lines

    def _pack(self) -> str:
        layout, prefix = self.layout, self.code.prefix
        given = [f"{carrier(t)} a{i}" for i, t in enumerate(layout.types)]
        head = f"NF_INL void {prefix}_pack({', '.join([f'{prefix}_key *k', *given])})\n{{\n"
        if layout.wide is None:
            return head + _lines(self._fill(layout.key, "k->")) + "}\n"
        absent = " | ".join(
            f"(a{i} != 0)" for i, p in enumerate(layout.key.parts) if p.word is None
        )
        return (
            f"{head}    k->wide = {absent};\n    if (k->wide) {{\n"
            + _lines(self._fill(layout.wide, "k->wide_bytes."), 2)
            + "    } else {\n"
            + _lines(self._fill(layout.key, "k->narrow."), 2)
            + "    }\n}\n"
        )

    def _pack_flow(self) -> str:
        """From the words of a flow as they stand in a packet's head."""
        prefix, wide = self.code.prefix, self.layout.wide

        def words(front: str, key: KeyLayout) -> list[str]:
            parts = key_parts(self.layout, key)[0]
            names = {p.argument: p.name for p in parts if p.argument is not None}
            last = len(self.layout.types) - 1
            lines = [f"nf_st64({front}{names[0]}, a);"]
            if wide and key is wide:
                lines += [
                    f"nf_put128({front}{names[2]}, sip6);",
                    f"nf_put128({front}{names[3]}, dip6);",
                ]
            lines += [
                f"{front}{names[last - 2]} = nf_swap16((u16)b);",
                f"{front}{names[last - 1]} = nf_swap16((u16)(b >> 16));",
                f"{front}{names[last]} = (u8)(b >> 32);",
            ]
            pads = [p for p in parts if p.argument is None]
            return lines + [f"memset({front}{p.name}, 0, {p.count});" for p in pads]

        if wide is None:
            head = f"NF_INL void {prefix}_pack_flow({prefix}_key *k, u64 a, u64 b)\n{{\n"
            return head + _lines(words("k->", self.layout.key)) + "}\n"
        head = (
            f"NF_INL void {prefix}_pack_flow({prefix}_key *k, u64 a, u64 b, u128 sip6, u128 dip6)\n"
        )
        return (
            f"{head}{{\n    k->wide = (sip6 != 0) | (dip6 != 0);\n    if (k->wide) {{\n"
            + _lines(words("k->wide_bytes.", wide), 2)
            + "    } else {\n"
            + _lines(words("k->narrow.", self.layout.key), 2)
            + "    }\n}\n"
        )

    # Calls ----------------------------------------------------------------------------------

    def _either(self, call: str, front: str, tail: str = ";") -> str:
        """`call` has {map} and {key}."""
        if not self.layout.wide:
            return f"    {front}{call.format(map=f'&{self.map}', key='k')}{tail}\n"
        wide = call.format(map=f"&{map_name(self.layout, wide=True)}", key="&k->wide_bytes")
        narrow = call.format(map=f"&{self.map}", key="&k->narrow")
        return (
            f"    if (k->wide)\n        {front}{wide}{tail}\n"
            f"    else\n        {front}{narrow}{tail}\n"
        )

    @property
    def _now(self) -> str:
        return ", u64 now" if self.layout.aged else ""

    def _find(self) -> str:
        prefix, value = self.code.prefix, self.value
        timeout = self.layout.members[0].variable.timeout
        text = (
            f"NF_INL {value} *{prefix}_find(State *S, {prefix}_key *k{self._now})\n{{\n"
            f"    {value} *e;\n" + self._either("bpf_map_lookup_elem({map}, {key})", "e = ")
        )
        if timeout is not None:
            text += f"    if (e && now - e->stamp >= {timeout}ULL)\n        e = NULL;\n"
        return text + "    return e;\n}\n"

    def _fresh(self) -> str:
        """A value that was never assigned."""
        lines = ["memset(e, 0, sizeof *e);"]
        for member in self.layout.members:
            for cell, default in zip(member.cells, member.variable.default, strict=True):
                if default not in (0, b"", False):
                    assert not isinstance(default, bytes)
                    literal = c_literal(int(default))
                    lines.append(f"e->{cell.name} = ({stored(cell.type)}){literal};")
        if self.layout.aged:
            lines += ["e->stamp = now;", "e->order = ++S->core.order;"]
        given = ", u64 now" if self.layout.aged else ""
        return (
            f"NF_INL void {self.code.prefix}_fresh(State *S, {self.value} *e{given})\n{{\n"
            f"{_lines(lines)}}}\n"
        )

    def _add(self) -> str:
        """A key that isn't there: its value, NULL if a full map rejects it."""
        prefix, value, layout = self.code.prefix, self.value, self.layout
        variable = layout.members[0].variable
        now = ", now" if layout.aged else ""
        text = [self._fresh()]
        insert = self._either("bpf_map_update_elem({map}, {key}, made, BPF_NOEXIST)", "failed = ")
        found = self._either("bpf_map_lookup_elem({map}, {key})", "e = ")
        text.append(
            f"NF_INL {value} *{prefix}_insert(State *S, {prefix}_key *k, const {value} *made)\n"
            f"{{\n    {value} *e;\n    long failed;\n{insert}"
            f"    if (failed && failed != NF_FULL)\n        S->core.overflow++;\n"
            f"    if (failed)\n        return NULL;\n{found}    return e;\n}}\n"
        )
        lines = [
            f"{value} made, *e;",
            f"{prefix}_fresh(S, &made{now});",
            f"e = {prefix}_insert(S, k, &made);",
            "if (e)",
            "    return e;",
        ]
        again = [f"e = {prefix}_insert(S, k, &made);", "if (e)", "    return e;"]
        if variable.timeout is not None:
            text.append(self._expire(variable.timeout))
            lines += [f"bpf_for_each_map_elem(&{self.map}, {prefix}_expire, &now, 0);", *again]
        if variable.capacity is not None and not self.counted:
            if variable.overflow == "reject":
                lines.append("return NULL;")
            else:
                text.append(self._oldest())
                lines += [
                    f"{prefix}_oldest oldest = {{.order = ~0ULL}};",
                    f"bpf_for_each_map_elem(&{self.map}, {prefix}_look, &oldest, 0);",
                    f"bpf_map_delete_elem(&{self.map}, &oldest.key);",
                    *again,
                ]
        if lines[-1] != "return NULL;":
            lines += ["S->core.overflow++;", f"return &{prefix}_sink;"]
        head = f"NF_COLD {value} *{prefix}_add(State *S, {prefix}_key *k{self._now})\n{{\n"
        return "\n".join([*text, f"{head}{_lines(lines)}}}\n"])

    def _expire(self, timeout: int) -> str:
        prefix = self.code.prefix
        return (
            f"static long {prefix}_expire(void *map, const void *key, {self.value} *e, u64 *now)\n"
            f"{{\n    if (*now - e->stamp >= {timeout}ULL)\n"
            f"        bpf_map_delete_elem(&{self.map}, key);\n    return 0;\n}}\n"
        )

    def _oldest(self) -> str:
        prefix = self.code.prefix
        return (
            f"typedef struct {prefix}_oldest {{\n    u64 order;\n    {prefix}_key key;\n"
            f"}} {prefix}_oldest;\n\n"
            f"static long {prefix}_look(void *map, const {prefix}_key *key, {self.value} *e,"
            f" {prefix}_oldest *found)\n{{\n    if (e->order < found->order) {{\n"
            "        found->order = e->order;\n        found->key = *key;\n    }\n"
            "    return 0;\n}\n"
        )

    def _put(self) -> str:
        prefix, value, layout = self.code.prefix, self.value, self.layout
        now = ", now" if layout.aged else ""
        head = f"NF_INL {value} *{prefix}_put(State *S, {prefix}_key *k{self._now})\n{{\n"
        found = self._either("bpf_map_lookup_elem({map}, {key})", "e = ")
        lines = f"    {value} *e;\n{found}"
        lines += f"    if (!e)\n        return {prefix}_add(S, k{now});\n"
        timeout = layout.members[0].variable.timeout
        if timeout is not None:
            lines += (
                f"    if (now - e->stamp >= {timeout}ULL)\n        {prefix}_fresh(S, e, now);\n"
            )
        if layout.aged:
            lines += "    e->stamp = now;\n    e->order = ++S->core.order;\n"
        return f"{head}{lines}    return e;\n}}\n"

    def _delete(self) -> str:
        prefix = self.code.prefix
        head = f"NF_INL void {prefix}_del(State *S, {prefix}_key *k)\n{{\n"
        return head + self._either("bpf_map_delete_elem({map}, {key})", "") + "}\n"

    def _touch(self) -> str:
        prefix = self.code.prefix
        return (
            f"NF_INL void {prefix}_touch(State *S, {prefix}_key *k, u64 now)\n{{\n"
            f"    {self.value} *e = {prefix}_find(S, k, now);\n    if (e) {{\n"
            "        e->stamp = now;\n        e->order = ++S->core.order;\n    }\n}\n"
        )


def _lines(lines: list[str], depth: int = 1) -> str:
    return "".join(f"{'    ' * depth}{line}\n" for line in lines)


def _key_struct(layout: TableLayout, key: KeyLayout, name: str) -> str:
    parts, _ = key_parts(layout, key)
    members = "".join(f"    {part.declared}\n" for part in parts)
    return f"typedef struct {name} {{\n{members}}} __attribute__((aligned(8))) {name};\n"


def _map(name: str, key: str, value: str, capacity: int) -> str:
    return (
        "struct {\n    __uint(type, BPF_MAP_TYPE_HASH);\n"
        f"    __uint(max_entries, {capacity});\n    __type(key, {key});\n"
        f'    __type(value, {value});\n}} {name} SEC(".maps");\n'
    )
