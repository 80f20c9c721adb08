"""The functions of each table that the code of the NFs calls: pack a key, find, put, delete."""

from __future__ import annotations

from dataclasses import dataclass

from nfverify.cythonized.ctypes_of import carrier, literal, stored
from nfverify.cythonized.function import INDENT
from nfverify.cythonized.layout import TAG_SHIFT, KeyLayout, Part, TableLayout
from nfverify.cythonized.resources import Resources, c_literal
from nfverify.smat.ir import Bits, Bytes, Type, Value

TAG = f"(1ULL << {TAG_SHIFT})"


@dataclass(frozen=True, slots=True)
class TableCode:
    """A table as the generated code names it: `prefix` of its functions and types."""

    prefix: str
    place: str  # in the state: nat.out
    layout: TableLayout

    @staticmethod
    def of(table: TableLayout) -> TableCode:
        return TableCode(table.id, f"{table.owner}.{table.name}", table)

    @property
    def value(self) -> str:
        """The type of its value part."""
        return f"{self.prefix}_value" if self.has_value else "void"

    def find(self, key: str) -> str:
        """A call that looks a packed key up."""
        return f"{self.prefix}_find(S, &{key}{', now' if self.layout.aged else ''})"

    def hinted(self, hint: str, key: str) -> str:
        """The arguments of nf_hinted for a packed key."""
        words, slot = self.layout.key.words, self.layout.slot(self.layout.key)
        return f"&S.{self.place}, {hint}, {key}, {words}, {slot}"

    def out_of_line(self, resources: Resources) -> tuple[str, str]:
        """Functions that look a packed key without an IPv6 part up, and put it, and say where its
        slot is: `(State *, const u64 *key, u8 **hint)`."""
        key, prefix = self.layout.key, self.prefix
        words, slot = key.words, self.layout.slot(key)
        fresh = "".join(
            f"        e->{cell.name} = ({stored(cell.type)}){c_literal(int(default))};\n"
            for member in self.layout.members
            for cell, default in zip(member.cells, member.variable.default, strict=True)
            if default not in (0, b"")
        )
        made = f"    if (created) {{\n{fresh}    }}\n" if fresh else "    (void)created;\n"
        for name, find in (("again", "nf_find({0})"), ("made", "nf_put({0}, &created)")):
            place = f"&S->{self.place}, key, nf_hashn(key, {words}), {words}, {slot}"
            put = name == "made"
            function = f"{prefix}_{name}(State *S, const u64 *key, u8 **hint)"
            resources.once(
                f"NF_COLD {self.value} *{function}\n{{\n"
                + ("    u32 created;\n" if put else "")
                + f"    {self.value} *e = ({self.value} *){find.format(place)};\n"
                + (made if put else "")
                + f"    *hint = nf_hint(e, {words}, S);\n    return e;\n}}"
            )
            extern = f"{self.value}* {prefix}_{name}(State*, const u64*, u8**) noexcept"
            if extern not in resources.externs:
                resources.externs.append(extern)
        return f"{prefix}_again", f"{prefix}_made"

    @property
    def has_value(self) -> bool:
        return bool(self.layout.presence or any(m.cells for m in self.layout.members))

    @property
    def flow_like(self) -> bool:
        """Is the packed key the two words of a packet's flow (and the IPv6 addresses)?"""
        wanted = ((0, 0, 32), (0, 32, 32), (1, 0, 16), (1, 16, 16), (1, 32, 8))
        parts = [p for p in self.layout.key.parts if p.word is not None]
        found = tuple((p.word, p.shift, p.width) for p in parts)
        numbers = all(isinstance(p.type, Bits) and not p.type.signed for p in parts)
        dropped = [i for i, p in enumerate(self.layout.key.parts) if p.word is None]
        return found == wanted and numbers and dropped in ([], [2, 3])


def parameter(type_: Type) -> str:
    """How a scalar of a key is handed over: bytes as their number."""
    return "u32" if isinstance(type_, Bytes) else carrier(type_)


def types(code: TableCode) -> str:
    """The structs of a table."""
    layout = code.layout
    words = max(layout.key.words, layout.wide.words if layout.wide else 0)
    lines = []
    if code.has_value:
        cells = [c for m in layout.members for c in m.cells]
        cells.sort(key=lambda c: c.at)
        lines.append(f"cdef struct {code.value}:")
        lines += [f"{INDENT}{stored(c.type)} {c.name}" for c in cells]
        if layout.presence:
            lines.append(f"{INDENT}u8 {layout.presence.name}")
        lines.append("")
    lines += [f"cdef struct {code.prefix}_key:", f"{INDENT}u64 k[{words}]", f"{INDENT}u64 hash"]
    if layout.wide:
        lines.append(f"{INDENT}u32 wide  # has an IPv6 part: kept in a table of its own")
    return "\n".join(lines) + "\n"


def functions(code: TableCode, resources: Resources) -> str:
    """Pack, hash, prefetch, find, put and delete."""
    parts = [_pack(code)]
    if code.flow_like:
        parts.append(_pack_flow(code))
    parts += [_hash(code), _find(code)]
    if not code.layout.aged and not code.layout.constant:
        parts += [_home(code), _at(code)]
    if not code.layout.constant:
        parts += [_put(code, resources), _delete(code)]
        if code.layout.aged:
            parts.append(_touch(code))
    parts.append(_prefetch(code))
    return "\n".join(parts)


def _head(result: str, name: str, *parameters: str) -> str:
    return f"cdef inline {result} {name}({', '.join(parameters)}) noexcept nogil:"


def _pack(code: TableCode) -> str:
    layout = code.layout
    arguments = [f"{parameter(t)} a{i}" for i, t in enumerate(layout.types)]
    head = _head("void", f"{code.prefix}_pack", f"{code.prefix}_key* k", *arguments)
    lines = [head]
    if layout.wide:
        wide = " | ".join(f"(a{i} != 0)" for i, p in enumerate(layout.key.parts) if p.word is None)
        lines += [f"{INDENT}k.wide = {wide}", f"{INDENT}if k.wide:"]
        lines += [INDENT * 2 + line for line in _words(layout.wide)]
        lines.append(f"{INDENT}else:")
        lines += [INDENT * 2 + line for line in _words(layout.key)]
    else:
        lines += [INDENT + line for line in _words(layout.key)]
    return "\n".join(lines) + "\n"


def _words(key: KeyLayout) -> list[str]:
    terms: dict[int, list[str]] = {word: [] for word in range(key.words)}
    for i, part in enumerate(key.parts):
        if part.word is None:
            continue
        if part.width > 64:
            text = f"a{i}" if part.width == 128 else f"(<u128>a{i} & {_mask(part.width)})"
            terms[part.word].append(f"nf_low({text})")
            terms[part.word + 1].append(f"nf_high({text})")
            continue
        terms[part.word].append(_shifted(f"a{i}", part))
    terms[key.words - 1].append(TAG)
    return [f"k.k[{word}] = {' | '.join(found) or '0'}" for word, found in terms.items()]


def _mask(width: int) -> str:
    return literal((1 << width) - 1, Bits(max(width, 8)))


def _shifted(text: str, part: Part) -> str:
    if part.net:
        text = f"nf_swap{part.width}({text})"
    elif isinstance(part.type, Bits) and part.type.signed:
        text = f"(<u64>{text} & {_mask(part.width)})"
    text = f"<u64>{text}"
    return f"{text} << {part.shift}" if part.shift else text


def _pack_flow(code: TableCode) -> str:
    """From the words of a flow as they stand in a packet's head."""
    layout = code.layout
    arguments = ["u64 a", "u64 b"] + (["u128 sip6", "u128 dip6"] if layout.wide else [])
    lines = [_head("void", f"{code.prefix}_pack_flow", f"{code.prefix}_key* k", *arguments)]
    lines.append(f"{INDENT}k.k[0] = a")
    narrow = f"k.k[1] = b | {TAG}"
    if layout.wide:
        lines += [f"{INDENT}k.wide = (sip6 != 0) | (dip6 != 0)", f"{INDENT}if k.wide:"]
        words = ["nf_low(sip6)", "nf_high(sip6)", "nf_low(dip6)", "nf_high(dip6)", f"b | {TAG}"]
        lines += [f"{INDENT * 2}k.k[{i}] = {text}" for i, text in enumerate(words, 1)]
        lines += [f"{INDENT}else:", f"{INDENT * 2}{narrow}"]
    else:
        lines.append(INDENT + narrow)
    return "\n".join(lines) + "\n"


def _hash_text(key: KeyLayout) -> str:
    if key.words <= 2:
        return f"nf_hash{key.words}({', '.join(f'k.k[{i}]' for i in range(key.words))})"
    return f"nf_hashn(k.k, {key.words})"


def _either(code: TableCode, wide: str, narrow: str) -> list[str]:
    if not code.layout.wide:
        return [INDENT + narrow]
    return [f"{INDENT}if k.wide:", INDENT * 2 + wide, f"{INDENT}else:", INDENT * 2 + narrow]


def _hash(code: TableCode) -> str:
    layout = code.layout
    head = _head("void", f"{code.prefix}_hash", f"{code.prefix}_key* k")
    wide = f"k.hash = {_hash_text(layout.wide)}" if layout.wide else ""
    return "\n".join([head, *_either(code, wide, f"k.hash = {_hash_text(layout.key)}")]) + "\n"


def _call(code: TableCode, function: str, wide: bool, *more: str) -> str:
    layout = code.layout
    key = layout.wide if wide and layout.wide else layout.key
    table = f"&S.{code.place}{'_wide' if wide else ''}"
    kind = "nf_aged_" if layout.aged else "nf_"
    sizes = [str(key.words)] if layout.aged else [str(key.words), str(layout.slot(key))]
    return f"{kind}{function}({', '.join([table, 'k.k', 'k.hash', *sizes, *more])})"


def _now(code: TableCode) -> list[str]:
    return ["u64 now"] if code.layout.aged else []


def _find(code: TableCode) -> str:
    pointer = f"{code.value}*"
    head = _head(pointer, f"{code.prefix}_find", "State* S", f"{code.prefix}_key* k", *_now(code))
    now = ["now"] if code.layout.aged else []
    wide = f"return <{pointer}>{_call(code, 'find', True, *now)}"
    narrow = f"return <{pointer}>{_call(code, 'find', False, *now)}"
    return "\n".join([head, *_either(code, wide, narrow)]) + "\n"


def _home(code: TableCode) -> str:
    head = _head("u8*", f"{code.prefix}_home", "State* S", f"{code.prefix}_key* k")
    slot = code.layout.slot(code.layout.key)
    return f"{head}\n{INDENT}return nf_place(&S.{code.place}, k.hash, {slot})\n"


def _at(code: TableCode) -> str:
    """A look-up from a key's home, for keys without an IPv6 part."""
    pointer, layout = f"{code.value}*", code.layout
    head = _head(pointer, f"{code.prefix}_at", "u8* home", f"{code.prefix}_key* k")
    sizes = f"{layout.key.words}, {layout.slot(layout.key)}"
    return f"{head}\n{INDENT}return <{pointer}>nf_find_at(home, k.k, {sizes})\n"


def _put(code: TableCode, resources: Resources) -> str:
    """Of the key's slot, made with the defaults if it wasn't there."""
    pointer = f"{code.value}*"
    head = _head(pointer, f"{code.prefix}_put", "State* S", f"{code.prefix}_key* k", *_now(code))
    now = ["now"] if code.layout.aged else []
    lines = [head, f"{INDENT}cdef u32 created = 0", f"{INDENT}cdef {pointer} e"]
    lines += _either(
        code,
        f"e = <{pointer}>{_call(code, 'put', True, *now, '&created')}",
        f"e = <{pointer}>{_call(code, 'put', False, *now, '&created')}",
    )
    fresh = [
        f"{INDENT * 2}e.{cell.name} = {stored_constant(default, cell.type, resources)}"
        for member in code.layout.members
        for cell, default in zip(member.cells, member.variable.default, strict=True)
        if default not in (0, b"")
    ]
    if fresh:
        test = "created and e != NULL" if code.layout.aged else "created"
        lines += [f"{INDENT}if {test}:", *fresh]
    lines.append(f"{INDENT}return e")
    return "\n".join(lines) + "\n"


def stored_constant(value: Value, type_: Type, resources: Resources) -> str:
    """A constant as it stands in state."""
    if isinstance(value, bytes):
        if not value:
            return "0"
        return f"nf_intern(&S.core.pool, nf_slice_of({resources.string(value)}, {len(value)}))"
    return literal(value, type_)


def _delete(code: TableCode) -> str:
    head = _head("void", f"{code.prefix}_del", "State* S", f"{code.prefix}_key* k")
    wide, narrow = _call(code, "del", True), _call(code, "del", False)
    return "\n".join([head, *_either(code, wide, narrow)]) + "\n"


def _touch(code: TableCode) -> str:
    head = _head("void", f"{code.prefix}_touch", "State* S", f"{code.prefix}_key* k", "u64 now")
    wide, narrow = _call(code, "touch", True, "now"), _call(code, "touch", False, "now")
    return "\n".join([head, *_either(code, wide, narrow)]) + "\n"


def _prefetch(code: TableCode) -> str:
    layout = code.layout
    head = _head("void", f"{code.prefix}_prefetch", "State* S", f"{code.prefix}_key* k")
    kind = "nf_aged_prefetch" if layout.aged else "nf_prefetch"

    def call(wide: bool) -> str:
        key = layout.wide if wide and layout.wide else layout.key
        slot = "" if layout.aged else f", {layout.slot(key)}"
        return f"{kind}(&S.{code.place}{'_wide' if wide else ''}, k.hash{slot})"

    return "\n".join([head, *_either(code, call(True), call(False))]) + "\n"
