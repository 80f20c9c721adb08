"""The data header: the state's structs as C, and what describes them to hosts (nf_core.h)."""

from __future__ import annotations

from collections.abc import Sequence

from nfverify.cythonized import fastdrive
from nfverify.cythonized.ctypes_of import stored
from nfverify.cythonized.layout import (
    TAG_SHIFT,
    InstanceLayout,
    KeyLayout,
    Part,
    Plain,
    TableLayout,
    size,
)
from nfverify.cythonized.plan import Plan
from nfverify.cythonized.resources import Resources, array, c_literal
from nfverify.cythonized.tables import TableCode
from nfverify.packet.fields import FIELDS
from nfverify.semantics.state_binary import rows
from nfverify.smat.ir import Bits, Bool, Bytes, Now, StateVar, Type, Value, walk

_SHOWN = {"ip": 1, "ip6": 2, "mac": 3}


def field_type(name: str) -> str:
    """The C type of a field that the network writes."""
    width = FIELDS[name].width
    return "nf_slice" if name == "payload" else f"u{max(32, 8 * size(Bits(width)))}"


# Structs ------------------------------------------------------------------------------------


def structs(plan: Plan, resources: Resources) -> list[str]:
    """`STRUCT NAME { … }` of the values, keys, NFs, packet and state, as (name, members)."""
    return [
        f"typedef struct {name} {{\n"
        + "".join(f"    {ctype} {member};\n" for ctype, member in members)
        + f"}}{_aligned(plan, name, members)} {name};"
        for name, members in members_of(plan, resources)
    ]


def _aligned(plan: Plan, name: str, members: list[tuple[str, str]]) -> str:
    """A ring's packets have a power of two as their size, so that it is addressed by a mask."""
    if name == "fast_room":
        return " __attribute__((aligned(16)))"
    if name != "Packet" or not (plan.simple and plan.depth):
        return ""
    least = sum(_room(ctype, member) for ctype, member in members)
    return f" __attribute__((aligned({max(64, 1 << (least - 1).bit_length())})))"


def _room(ctype: str, member: str) -> int:
    """Bytes of a member, at most."""
    one = {"nf_head": 48, "nf_slice": 16, "u128": 16, "i32": 4, "u32": 4, "u16": 2, "u8": 1}
    count = int(member.partition("[")[2].rstrip("]") or 1)
    return one.get(ctype, 8) * count


def members_of(plan: Plan, resources: Resources) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every struct of the network with its members, as (C type, name)."""
    found: list[tuple[str, list[tuple[str, str]]]] = []
    for table in plan.tables():
        code = TableCode.of(table)
        if code.has_value:
            cells = sorted((c for m in table.members for c in m.cells), key=lambda c: c.at)
            members = [(stored(c.type), c.name) for c in cells]
            if table.presence:
                members.append(("u8", table.presence.name))
            found.append((code.value, members))
        words = max(table.key.words, table.wide.words if table.wide else 0)
        key = [("u64", f"k[{words}]"), ("u64", "hash")]
        if table.wide:
            key.append(("u32", "wide"))
        found.append((f"{code.prefix}_key", key))
    found += [(f"{instance.name}_state", _instance(instance)) for instance in plan.instances]
    found.append(("Packet", packet(plan, resources.probes)))
    if plan.fast:
        found += fastdrive.structs(plan.fast, resources.memo)
    found.append(("State", state(plan)))
    return found


def _instance(instance: InstanceLayout) -> list[tuple[str, str]]:
    cells = [c for p in instance.plains for c in sorted(p.cells, key=lambda c: c.at)]
    members = [(stored(c.type), c.name) for c in cells]
    for table in instance.tables:
        ctype = "nf_aged" if table.aged else "nf_table"
        members.append((ctype, table.name))
        if table.wide:
            members.append((ctype, f"{table.name}_wide"))
    return members or [("u8", "nothing")]


def packet(plan: Plan, probes: int) -> list[tuple[str, str]]:
    """A packet on its way; `at` of its head is 2 * NF + plain, or NF_IDLE."""
    members = [("nf_head", "head")]
    if plan.simple:
        members.append(("i32*", "verdict"))
    if plan.timed:
        members.append(("u64", "time"))
    if probes:
        members += [("u8*", f"home[{probes}]"), ("u8", f"which[{probes}]")]
    if plan.tags:
        members.append(("i32", f"tags[{len(plan.tags)}]"))
    members += [(field_type(name), f"f_{name}") for name in plan.held]
    if not plan.simple:
        members.append(("u8", "plain"))
        members += [("u32", "cause"), ("u32", "origin"), ("u32", "original")]
        members += [("u64", "delay"), ("u32", "copies"), ("i32", f"ports[{max(1, plan.copies)}]")]
        members.append(("i32", "port"))
    if plan.wraps:
        members.append(("nf_wraps", "wraps"))
    return members


def state(plan: Plan) -> list[tuple[str, str]]:
    members = [("nf_core", "core")]
    members += fastdrive.members(plan)
    members += [(f"{i.name}_state", i.name) for i in plan.instances]
    if plan.depth and plan.simple:
        members += [
            ("u32", "ring_block"),
            ("u32", "ring_filled"),
            ("u32", "ring_ported"),
            ("Packet", f"ring[{plan.ring}]"),
        ]
        members += [("nf_form", f"form[{max(1, sum(1 for _ in plan.tables()))}]")]
    if not plan.simple:
        members += [("Packet*", "stack"), ("u32", "stack_depth"), ("u32", "stack_room")]
        members += [("u32", "cause")]
    return members


# Descriptors --------------------------------------------------------------------------------


def describe(plan: Plan, resources: Resources) -> str:
    """`nf_info_data` and what it points to."""
    lines: list[str] = []
    variables = _variables(plan, resources, lines)
    ports = plan.network.ports or ("0", "1")
    fields = [
        f"{{{c_string(n)}, offsetof(Packet, f_{n}), {0 if n == 'payload' else _bytes(n)}}}"
        if n in plan.held
        else f"{{{c_string(n)}, 0, 0}}"  # in the packet's head
        for n in plan.written
    ]
    timers = not plan.simple
    tags = "offsetof(Packet, tags)" if plan.tags else "0"
    constants = sum(1 for _ in _constants(plan, resources))
    lines += [
        f"static const char *const nf_ports_data[] = {{{_strings(ports)}}};",
        "static const nf_instance nf_instances_data[] = {"
        + ", ".join(f"{{{c_string(i.title)}, {int(_tells_time(i))}}}" for i in plan.instances)
        + "};",
        f"static const char *const nf_tags_data[] = {{{_strings(sorted(plan.tags))}}};",
        f"static const char *const nf_entries_data[] = {{{_strings(resources.entries)}}};",
        f"static const nf_field nf_fields_data[] = {{{', '.join(fields) or '{NULL, 0, 0}'}}};",
        "static const nf_info nf_info_data = {",
        f"    NF_ABI, {c_string(plan.network.name)}, {len(ports)}, {len(plan.instances)},"
        f" {variables}, {len(plan.tags)}, {len(plan.written)}, {len(resources.entries)},",
        f"    nf_ports_data, nf_instances_data, {constants}, nf_variables_data, nf_tags_data,",
        "    nf_fields_data, nf_entries_data,",
        f"    {int(plan.simple)}, {int(timers)}, sizeof(State), sizeof(Packet), {tags},",
        "};",
    ]
    return "\n".join(lines) + "\n"


def _strings(texts: Sequence[str]) -> str:
    return ", ".join(map(c_string, texts)) or "NULL"


def _tells_time(instance: InstanceLayout) -> bool:
    program = instance.program
    reads = any(isinstance(node, Now) for node in walk(program.body))
    return reads or any(variable.aged for variable in program.state)


def _bytes(name: str) -> int:
    return {"u32": 4, "u64": 8, "u128": 16}[field_type(name)]


def c_string(text: str) -> str:
    """A literal of C, whatever the text holds."""
    escaped = "".join(
        chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode()
    )
    return f'"{escaped}"'


def _constants(plan: Plan, resources: Resources) -> list[tuple[InstanceLayout, TableLayout]]:
    return [
        (instance, table)
        for instance in plan.instances
        for table in instance.tables
        if table.constant and resources.dense(table) is None
    ]


def _variables(plan: Plan, resources: Resources, lines: list[str]) -> int:
    """The array of descriptors, constants last; how many are not constant."""
    found: list[str] = []
    count = 0
    for instance in plan.instances:
        for variable in instance.program.state:
            if not variable.constant:
                found.append(_variable(instance, variable, resources, lines, count))
                count += 1
    for instance, table in _constants(plan, resources):
        number = len(found)
        variable = table.members[0].variable
        found.append(_variable(instance, variable, resources, lines, number))
    found += ["    {}"] * 2  # so that no compiler takes an index for one beyond an empty array
    body = ",\n".join(found)
    lines.append(f"static const nf_variable nf_variables_data[] = {{\n{body}\n}};")
    return count


def _variable(
    instance: InstanceLayout,
    variable: StateVar,
    resources: Resources,
    lines: list[str],
    number: int,
) -> str:
    home = instance.home(variable.name)
    prefix = f"nf_v{number}"
    title = f"    {{{c_string(instance.title)}, {c_string(variable.name)}"
    if isinstance(home, Plain):
        _plain(prefix, home, resources, lines)
        first = min(home.cells, key=lambda c: c.at)
        place = f"offsetof(State, {instance.name}.{first.name})"
        return (
            f"{title}, NF_PLAIN, 0xff, 0, 0, {len(home.cells)}, NULL, {prefix}_values, NULL,"
            f" {place}, 0, 0, 0, 0, 0, {home.value_bytes}, (const u8 *)&{prefix}_defaults, NULL,"
            " NULL, NULL, 0}"
        )
    table, member = home
    code = TableCode.of(table)
    lines.append(_components(f"{prefix}_keys", [_key(p) for p in table.key.parts]))
    lines.append(_blank(f"{prefix}_blank", table.key))
    wide_keys = wide_blank = "NULL"
    wide_at, wide_words, wide_slot = "0", 0, 0
    if table.wide:
        lines.append(_components(f"{prefix}_wide", [_key(p) for p in table.wide.parts]))
        lines.append(_blank(f"{prefix}_wide_blank", table.wide))
        wide_keys, wide_blank = f"{prefix}_wide", f"{prefix}_wide_blank"
        wide_at = f"offsetof(State, {code.place}_wide)"
        wide_words, wide_slot = table.wide.words, table.slot(table.wide)
    lines.append(_components(f"{prefix}_values", [_cell(c.type, c.at) for c in member.cells]))
    defaults = "NULL"
    if code.has_value:
        defaults = f"(const u8 *)&{prefix}_defaults"
        lines.append(
            f"static const {code.value} {prefix}_defaults = {{{_defaults(table, resources)}}};"
        )
    entries = "NULL"
    if variable.entries:
        data = rows(variable, variable.entries)
        lines.append(array("u8", f"{prefix}_entries", data))
        entries = f"{prefix}_entries"
    kind = "NF_AGED" if table.aged else "NF_TABLE"
    presence = 0xFF if member.presence is None else member.presence
    presence_at = table.presence.at if table.presence else 0
    return (
        f"{title}, {kind}, {presence}, {presence_at}, {len(variable.keys)},"
        f" {len(variable.values)}, {prefix}_keys, {prefix}_values, {wide_keys},"
        f" offsetof(State, {code.place}), {wide_at}, {table.key.words}, {table.slot(table.key)},"
        f" {wide_words}, {wide_slot}, {table.value_bytes}, {defaults}, {prefix}_blank,"
        f" {wide_blank}, {entries}, {len(variable.entries)}}}"
    )


def _plain(prefix: str, home: Plain, resources: Resources, lines: list[str]) -> None:
    lines.append(_components(f"{prefix}_values", [_cell(c.type, c.at) for c in home.cells]))
    ordered = sorted(zip(home.cells, home.variable.default, strict=True), key=lambda r: r[0].at)
    members = "".join(f"    {stored(c.type)} {c.name};\n" for c, _ in ordered)
    values = ", ".join(_value(v, c.type, resources) for c, v in ordered)
    lines.append(f"static const struct {{\n{members}}} {prefix}_defaults = {{{values}}};")


def _defaults(table: TableLayout, resources: Resources) -> str:
    pairs = [
        (cell, value)
        for member in table.members
        for cell, value in zip(member.cells, member.variable.default, strict=True)
    ]
    pairs.sort(key=lambda pair: pair[0].at)
    values = [_value(value, cell.type, resources) for cell, value in pairs]
    return ", ".join(values + (["0"] if table.presence else []))


def _value(value: Value, type_: Type, resources: Resources) -> str:
    if isinstance(value, bytes):
        return str(resources.default(value))
    return f"({stored(type_)}){c_literal(int(value))}"


def _blank(name: str, key: KeyLayout) -> str:
    words = [0] * (key.words - 1) + [1 << TAG_SHIFT]
    return array("u64", name, words)


def _components(name: str, items: list[str]) -> str:
    return f"static const nf_component {name}[] = {{{', '.join(items) or '{}'}}};"


def _kind(type_: Type) -> tuple[str, int, int, int]:
    match type_:
        case Bool():
            return "NF_BOOL", 0, 1, 0
        case Bits(width=width, signed=signed, shown=shown):
            return "NF_BITS", int(signed), width, _SHOWN.get(shown, 0)
        case Bytes():
            return "NF_BYTES", 0, 32, 0


def _key(part: Part) -> str:
    kind, signed, width, shown = _kind(part.type)
    word = "NF_NOT_STORED" if part.word is None else str(part.word)
    net = width if part.net else 0
    return f"{{{kind}, {signed}, {width}, {net}, {word}, {part.shift}, 0, {shown}}}"


def _cell(type_: Type, at: int) -> str:
    kind, signed, width, shown = _kind(type_)
    return f"{{{kind}, {signed}, {width}, 0, 0, 0, {at}, {shown}}}"
