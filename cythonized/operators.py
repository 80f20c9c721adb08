"""Operators in compiled code: C of the built-in ones, and calls of the user's C or Python.

An operator in C has the model's types as u8 (bool), u8 … u64, unsigned __int128 and their signed
twins (the smallest that holds the width), and nf_slice. One that returns bytes takes an nf_arena *
before its arguments, and returns memory that it took from there by nf_arena_take.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nfverify.cythonized.ctypes_of import carrier
from nfverify.lang.source import Diagnostic, ModelError
from nfverify.semantics.operators import KEY_BYTES
from nfverify.smat.ir import Apply, Bits, Bool, Bytes, Const, Network, Type, Value, walk

BUILT_IN = ("hash", "PatternMatch", "Encrypt", "Decrypt")
MAX_LITERAL = 1024  # bytes of a pattern that Hyperscan gets

Shape = tuple[str, tuple[Type | tuple[Value, Type], ...], Type]


@dataclass(frozen=True, slots=True)
class OperatorCode:
    """An application as a C function: `function(nf_core *, the arguments at `arguments`)`.

    `header` defines it, behind nf_core.h; `extern` declares it for Cython. `initialiser` is "" or
    an `int (void)` that is called before the first use: 0, or -1: no memory.
    """

    function: str
    header: str
    extern: str
    arguments: tuple[int, ...]
    initialiser: str = ""
    libraries: tuple[str, ...] = ()


def shape(node: Apply) -> Shape:
    """Applications of one shape are one function: operator, types, and constants built into it."""
    folded = node.op in ("PatternMatch", "Encrypt", "Decrypt")
    parts = [
        (arg.value, arg.type) if folded and at and isinstance(arg, Const) else arg.type
        for at, arg in enumerate(node.args)
    ]
    return node.op, tuple(parts), node.type


def user_applications(network: Network) -> tuple[Apply, ...]:
    """One application of each shape of the user's operators: the order of nf_core.operators."""
    found: dict[Shape, Apply] = {}
    for instance in network.instances:
        for node in walk(instance.program.init + instance.program.body):
            if isinstance(node, Apply) and node.op not in BUILT_IN:
                found.setdefault(shape(node), node)
    return tuple(found.values())


def operator_code(node: Apply, name: str, index: int = 0) -> OperatorCode:
    """An application as a function of this name; `index` among `user_applications`."""
    match node.op:
        case "hash":
            return _hash(node, name)
        case "PatternMatch":
            return _pattern_match(node, name)
        case "Encrypt" | "Decrypt":
            return _encrypt(node, name)
    return _user(node, name, index)


def _code(
    node: Apply,
    name: str,
    arguments: Sequence[int],
    body: Sequence[str],
    *,
    data: str = "",
    initialiser: str = "",
    libraries: tuple[str, ...] = (),
) -> OperatorCode:
    """The function around `body`, whose parameters are a0, a1, … by the number of the argument."""
    types = {at: carrier(node.args[at].type) for at in arguments}
    result = carrier(node.type)
    named = ", ".join(["nf_core *core", *(f"{t} a{at}" for at, t in types.items())])
    text = "".join(f"    {line}\n" for line in ("(void)core;", *body))
    extern = f"{result} {name}({', '.join(['nf_core*', *types.values()])}) noexcept"
    header = f"{data}NF_INL {result} {name}({named})\n{{\n{text}}}\n"
    return OperatorCode(name, header, extern, tuple(arguments), initialiser, libraries)


# Built in ---------------------------------------------------------------------------------


def _hash(node: Apply, name: str) -> OperatorCode:
    """murmur3 of the arguments' 32-bit words, the high word of each first."""
    lines = ["u32 h = 0;", "u64 length = 0;"]
    for at, arg in enumerate(node.args):
        if isinstance(arg.type, Bytes):
            lines.append(f"h = nf_murmur_string(h, a{at}, &length);")
            continue
        width = arg.type.width if isinstance(arg.type, Bits) else 1
        words = -(-width // 32)
        for word in reversed(range(words)):
            value = f"(u32)((u128)a{at} >> {32 * word})" if words > 1 else f"(u32)a{at}"
            bits = min(32, width - 32 * word)
            mask = f" & {(1 << bits) - 1:#x}u" if bits < 32 else ""
            lines.append(f"h = nf_murmur_step(h, {value}{mask});")
        lines.append(f"length += {4 * words};")
    lines.append("return nf_murmur_end(h, length);")
    return _code(node, name, range(len(node.args)), lines, data='#include "nf_ops.h"\n')


def _pattern_match(node: Apply, name: str) -> OperatorCode:
    """One string, or a few that aren't constant, by looking for each; several by Hyperscan."""
    head = '#include "nf_ops.h"\n'
    constant = {arg.value for arg in node.args[1:] if isinstance(arg, Const)}
    patterns = _shortest([p for p in constant if isinstance(p, bytes)])
    others = [at for at, arg in enumerate(node.args) if at and not isinstance(arg, Const)]
    if b"" in patterns:
        return _code(node, name, (0,), ["(void)a0;", "return 1;"], data=head)
    long = [p for p in patterns if len(p) > MAX_LITERAL]
    short = [p for p in patterns if len(p) <= MAX_LITERAL]
    tests = [f"nf_contains(a0, a{at})" for at in others]
    data: list[str] = []
    initialiser = ""
    libraries: tuple[str, ...] = ()
    if len(short) == 1:
        long.append(short.pop())
    for number, pattern in enumerate(long):
        data.append(f"static const u8 {name}_text_{number}[] = {_bytes(pattern)};\n")
        slice_ = f"(nf_slice){{{name}_text_{number}, {len(pattern)}}}"
        tests.append(f"nf_contains(a0, {slice_})")
    if short:
        initialiser, libraries = f"{name}_init", ("hs",)
        head = '#include "nf_match.h"\n'
        tests.append(f"nf_match(&{name}_patterns, a0)")
        data.append(_database(name, short, initialiser))
    lines = [f"return {' || '.join(tests)};"] if tests else ["(void)a0;", "return 0;"]
    return _code(
        node,
        name,
        (0, *others),
        lines,
        data=head + "".join(data),
        initialiser=initialiser,
        libraries=libraries,
    )


def _shortest(patterns: Iterable[bytes]) -> list[bytes]:
    """Those that hold no other one, for where they occur so does that; sorted."""
    kept: list[bytes] = []
    for pattern in sorted(set(patterns), key=lambda p: (len(p), p)):
        if not any(other in pattern for other in kept):
            kept.append(pattern)
    return kept


def _database(name: str, patterns: Sequence[bytes], initialiser: str) -> str:
    strings = "".join(
        f"static const u8 {name}_pattern_{i}[] = {_bytes(p)};\n" for i, p in enumerate(patterns)
    )
    places = ", ".join(f"(const char *){name}_pattern_{i}" for i in range(len(patterns)))
    return (
        f"{strings}static const char *const {name}_data[] = {{{places}}};\n"
        f"static const size_t {name}_lengths[] = {{{', '.join(str(len(p)) for p in patterns)}}};\n"
        f"static nf_patterns {name}_patterns = {{.data = {name}_data, .lengths = {name}_lengths, "
        f".count = {len(patterns)}, .shortest = {min(map(len, patterns))}}};\n"
        f"NF_COLD int {initialiser}(void) {{ return nf_patterns_open(&{name}_patterns); }}\n"
    )


def _encrypt(node: Apply, name: str) -> OperatorCode:
    lines = []
    data = f'#include "nf_crypto.h"\nstatic nf_ciphers {name}_ciphers;\n'
    arguments = [0]
    blocks = []
    for at, what in ((1, "key"), (2, "iv")):
        arg = node.args[at]
        blocks.append(f"{name}_{what}" if isinstance(arg, Const) else what)
        if isinstance(arg, Const):
            data += f"static const u8 {name}_{what}[] = {_bytes(_block(arg.value))};\n"
            continue
        arguments.append(at)
        lines.append(f"u8 {what}[{KEY_BYTES}];")
        if isinstance(arg.type, Bytes):
            lines.append(f"nf_block_of_bytes({what}, a{at});")
        else:
            lines.append(f"nf_block_of_number({what}, {_extended(arg.type, f'a{at}')});")
    call = f"nf_aes_ctr(&{name}_ciphers, &core->scratch, a0, {', '.join(blocks)})"
    lines += [
        f"nf_slice out = {call};",
        "if (nf_unlikely(!out.data)) core->error = NF_NO_MEMORY;",
        "return out;",
    ]
    return _code(node, name, arguments, lines, data=data, libraries=("crypto",))


def _block(value: Value) -> bytes:
    """A constant key or iv, as `semantics.operators.aes_ctr` reads it."""
    if isinstance(value, bytes):
        return value[:KEY_BYTES].ljust(KEY_BYTES, b"\0")
    return (int(value) & (1 << 8 * KEY_BYTES) - 1).to_bytes(KEY_BYTES, "big")


# The user's -------------------------------------------------------------------------------


def _user(node: Apply, name: str, index: int) -> OperatorCode:
    """The user's function in C where the build has one, else the one in Python, else a failure."""
    first = "&core->scratch, " if isinstance(node.type, Bytes) else ""
    given = ", ".join(f"a{at}" for at in range(len(node.args)))
    result = carrier(node.type)
    lines = [
        f"if (nf_op_{node.op}) {{",
        f"    {_c_type(node.type)} r = nf_op_{node.op}({(first + given).removesuffix(', ')});",
        *(f"    {line}" for line in _brought(node.type, "r")),
        "}",
        f"u8 given[{max(1, len(node.args))} * 16] = {{0}}, made[16] = {{0}};",
        *(_passed(arg.type, at) for at, arg in enumerate(node.args)),
        "const nf_python_operator *table = (const nf_python_operator *)core->operators;",
        f"i32 failed = !table || !table[{index}] || table[{index}](given, made);",
    ]
    if isinstance(node.type, Bytes):
        lines += [
            "nf_slice out = {made, 0};",
            "if (!failed) out = nf_passed_bytes(&core->scratch, made, &failed);",
        ]
    else:
        lines.append(f"{result} out = ({result})nf_passed_number(made);")
    lines += ["if (nf_unlikely(failed)) core->error = NF_OPERATOR;", "return out;"]
    return _code(
        node, name, range(len(node.args)), lines, data='#include "nf_ops.h"\n' + _weak(node)
    )


def _passed(type_: Type, at: int) -> str:
    if isinstance(type_, Bytes):
        return f"nf_pass_bytes(given + {16 * at}, a{at});"
    return f"nf_pass_number(given + {16 * at}, {_extended(type_, f'a{at}')});"


def _extended(type_: Type, text: str) -> str:
    signed = isinstance(type_, Bits) and type_.signed
    return f"(u128)(i128){text}" if signed else f"(u128){text}"


def _brought(type_: Type, name: str) -> list[str]:
    """Returns a result of the user's, in the range of its type."""
    match type_:
        case Bool():
            return [f"return {name} != 0;"]
        case Bytes():
            fails = f"core->error = NF_NO_MEMORY, {name}.length = 0"
            return [f"if (nf_unlikely(!{name}.data && {name}.length)) {fails};", f"return {name};"]
        case Bits(width=width):
            ctype = _c_type(type_)
            spare = int(ctype[1:]) - width
            if not spare:
                return [f"return {name};"]
            up = f"({ctype})((u{ctype[1:]}){name} << {spare})"  # and down again: as the sign says
            return [f"return ({ctype})({up} >> {spare});"]


def _c_type(type_: Type) -> str:
    return "u8" if isinstance(type_, Bool) else carrier(type_)


def prototype(node: Apply, prefix: str = "") -> str:
    """The function that a C file of operators has to define for an application."""
    types = ["nf_arena *"] if isinstance(node.type, Bytes) else []
    types += [_c_type(arg.type) for arg in node.args]
    return f"{_c_type(node.type)} {prefix}{node.op}({', '.join(types) or 'void'})"


def _weak(node: Apply) -> str:
    """NULL where no C file defines it. The symbol has a name that no library has."""
    marks = '__attribute__((weak, visibility("hidden")))'
    return f"NF_C {prototype(node, 'nf_op_')} {marks};\n"


def c_source(network: Network, name: str, text: str) -> str:
    """A C file of the user's operators behind what the model says of them, so that the compiler
    refuses another signature. ModelError if the model has two of one name."""
    lines = ['#include "nf_bytes.h"']
    declared: dict[str, Apply] = {}
    for node in user_applications(network):
        other = declared.setdefault(node.op, node)
        if prototype(other) != prototype(node):
            what = f"operator {node.op} has two signatures here, and C functions have one"
            hint = f"{prototype(other)};  {prototype(node)}"
            raise ModelError(Diagnostic("error", "operator-types", what, node.span, hint))
        if other is node:
            lines.append(f'#line {max(1, node.span.line)} "{_escaped(node.span.source.name)}"')
            symbol = f'__asm__("nf_op_{node.op}") __attribute__((visibility("hidden")))'
            lines.append(f"{prototype(node)} {symbol};")
    return "\n".join([*lines, f'#line 1 "{_escaped(name)}"', text])


def _escaped(name: str) -> str:
    return "".join(c if c.isprintable() and c not in '"\\?' else "_" for c in name)


def _bytes(value: bytes) -> str:
    """An array's initialiser."""
    rows = [value[at : at + 24] for at in range(0, len(value), 24)]
    return "{" + ",\n    ".join(",".join(map(str, row)) for row in rows) + "}"
