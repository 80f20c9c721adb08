"""Operators in compiled code against the reference's, under sanitizers."""

import ctypes
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nfverify.cythonized.callbacks import PythonOperators
from nfverify.cythonized.ctypes_of import carrier
from nfverify.cythonized.operators import (
    OperatorCode,
    c_source,
    operator_code,
    shape,
    user_applications,
)
from nfverify.lang.source import ModelError
from nfverify.semantics.operators import aes_ctr, hash_of, pattern_match, resolve
from nfverify.smat.ir import (
    BOOL,
    BYTES,
    IP,
    IP6,
    Apply,
    Bits,
    Const,
    Expr,
    Instance,
    Local,
    Network,
    Program,
    SetTag,
    Type,
    Value,
    wrap,
)

CompileC = Callable[..., Path]
Call = Callable[..., Value]

MAIN = """
/* Reads the arguments of call after call, and writes its result: 16 bytes for a number, little-
 * endian; 8 bytes of length and the bytes for a string. Ends with 1 where the run would end. */
#include <stdio.h>
NF_INL void take(u8 *to, u64 n)
{
    if (n && fread(to, 1, n, stdin) != n) exit(0);
}
NF_INL u128 number(void)
{
    u8 slot[16];
    take(slot, 16);
    return nf_passed_number(slot);
}
NF_INL nf_slice string(void)
{
    u8 length[8];
    take(length, 8);
    u8 *data = malloc(nf_ld64(length) + 1); /* of just this size, so that ASan sees more */
    take(data, nf_ld64(length));
    return (nf_slice){data, nf_ld64(length)};
}
static nf_core core;
int main(void)
{
    if (INITIALISER) return 2;
    for (;;) {
        ARGUMENTS
        RESULT = CALL;
        if (core.error) return 1;
        WRITE
        nf_arena_reset(&core.scratch);
        RELEASE
    }
}
"""


def typed(types: Sequence[Type]) -> tuple[Expr, ...]:
    return tuple(Local(f"a{i}", t) for i, t in enumerate(types))


def literals(*values: bytes) -> tuple[Expr, ...]:
    return tuple(Const(v, BYTES) for v in values)


def program_of(code: OperatorCode, node: Apply) -> str:
    reads, releases = [], []
    for at in code.arguments:
        type_ = node.args[at].type
        if type_ == BYTES:
            reads.append(f"nf_slice a{at} = string();")
            releases.append(f"free((void *)(uintptr_t)a{at}.data);")
        else:
            reads.append(f"{carrier(type_)} a{at} = ({carrier(type_)})number();")
    writes = "u8 slot[16]; nf_pass_number(slot, (u128)r); fwrite(slot, 1, 16, stdout);"
    if node.type == BYTES:
        writes = "fwrite(&r.length, 1, 8, stdout); fwrite(r.data, 1, r.length, stdout);"
    elif isinstance(node.type, Bits) and node.type.signed:
        writes = writes.replace("(u128)", "(u128)(i128)")
    given = ", ".join(["&core", *(f"a{at}" for at in code.arguments)])
    text = MAIN.replace("INITIALISER", f"{code.initialiser}()" if code.initialiser else "0")
    text = text.replace("ARGUMENTS", " ".join(reads)).replace("RELEASE", " ".join(releases))
    text = text.replace("RESULT", f"{carrier(node.type)} r").replace("WRITE", writes)
    text = text.replace("CALL", f"f({given})")
    return f'#include "nf_core.h"\n#include "nf_ops.h"\n{code.header}{text}'


def slot(value: Value) -> bytes:
    if isinstance(value, bytes):
        return len(value).to_bytes(8, "little") + value
    return (int(value) % (1 << 128)).to_bytes(16, "little")


def results(data: bytes, type_: Type) -> list[Value]:
    found: list[Value] = []
    while data:
        if type_ == BYTES:
            length = int.from_bytes(data[:8], "little")
            found.append(data[8 : 8 + length])
            data = data[8 + length :]
            continue
        number = int.from_bytes(data[:16], "little")
        if isinstance(type_, Bits):
            whole = number - (1 << 128) if number >> 127 else number
            assert whole == wrap(whole, type_), "not in the range of its type"
            found.append(whole)
        else:
            found.append({0: False, 1: True}[number])
        data = data[16:]
    return found


class Runner:
    """One application, compiled: `run` gives its result for each tuple of arguments."""

    def __init__(self, compile_c: CompileC, folder: Path, node: Apply, user: str = "") -> None:
        self.node, self.code = node, operator_code(node, "f")
        source = folder / "operator.c"
        source.write_text(program_of(self.code, node))
        extra = []
        if user:
            extra = [str(folder / "user.c")]
            (folder / "user.c").write_text(c_source(network_of(node), "mine.c", user))
        self.program = compile_c(source, libraries=self.code.libraries, flags=tuple(extra))

    def run(self, cases: Sequence[Sequence[Value]]) -> list[Value]:
        given = b"".join(slot(case[at]) for case in cases for at in self.code.arguments)
        done = subprocess.run([self.program], input=given, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return results(done.stdout, self.node.type)


Compiled = Callable[..., Runner]


@pytest.fixture
def compiled(compile_c: CompileC, tmp_path: Path) -> Compiled:
    def one(node: Apply, user: str = "") -> Runner:
        return Runner(compile_c, tmp_path, node, user)

    return one


def network_of(*nodes: Apply) -> Network:
    body = tuple(SetTag("t", node) for node in nodes)
    program = Program("p", (), (), (), (), (), body)
    return Network("p", ("a", "b"), (Instance("p", program),), ())


def drawn(type_: Type, rng: random.Random) -> Value:
    if type_ == BYTES:
        return rng.randbytes(rng.choice((0, 1, 3, 4, 7, 8, 40)))
    if isinstance(type_, Bits):
        return wrap(rng.choice((0, 1, -1, rng.getrandbits(128), 1 << type_.width - 1)), type_)
    return rng.random() < 0.5


# hash -------------------------------------------------------------------------------------

FLOW = (IP, IP, IP6, IP6, Bits(16), Bits(16), Bits(8))


@pytest.mark.parametrize(
    "types",
    [
        FLOW,
        (Bits(32, signed=True), BOOL, Bits(1), Bits(7, signed=True), Bits(33, signed=True)),
        (Bits(48), Bits(64), Bits(65), Bits(96), Bits(97, signed=True), Bits(128, signed=True)),
        (BYTES,),
        (BYTES, Bits(12), BYTES),
    ],
)
def test_hash(types: tuple[Type, ...], compiled: Compiled) -> None:
    rng = random.Random(1)
    cases = [[drawn(t, rng) for t in types] for _ in range(500)]
    found = compiled(Apply("hash", typed(types), Bits(32))).run(cases)
    assert found == [hash_of(types)(*case) for case in cases]


def test_hash_of_words(compile_c: CompileC, tmp_path: Path) -> None:
    """What the generator calls for numbers."""
    source = tmp_path / "words.c"
    source.write_text(
        '#include <stdio.h>\n#include "nf_ops.h"\nint main(void) { u32 w[40];\n'
        "for (u32 i = 0; i < 40; i++) w[i] = i * 0x9e3779b9u;\n"
        'for (u32 n = 0; n < 40; n++) printf("%u ", nf_hash_words(w, n));\nreturn 0; }\n'
    )
    words = [i * 0x9E3779B9 & 0xFFFFFFFF for i in range(40)]
    wanted = [hash_of((IP,) * n)(*words[:n]) for n in range(40)]
    done = subprocess.run([compile_c(source)], capture_output=True, text=True, check=True)
    assert [int(n) for n in done.stdout.split()] == wanted


# PatternMatch -----------------------------------------------------------------------------

TEXTS = (b"", b"a", b"abc", b"xxabcxx", b"ABC", b"ab\0cd", b"\0", b"abab", b"aab" * 50, b"(a.c)")


@pytest.mark.parametrize(
    "patterns",
    [
        (),
        (b"",),
        (b"abc",),
        (b"abc", b"bcx"),
        (b"ab", b"abc", b"bc", b"b", b"x\0"),  # some hold another one
        (b"b\0c", b"\0\0"),
        (b"(a.c)", b"[^x]", b"a|b", b".*", b"\\w", b"$"),
        (b"", b"abc", b"bcx"),
        (b"aba", b"bab", b"baab"),
        (b"x" * 1500, b"y" * 1024, b"abcd"),
        tuple(bytes([i, j]) for i in range(40) for j in range(20)),
        (b"aa", b"aa"),
    ],
)
def test_pattern_match(patterns: tuple[bytes, ...], compiled: Compiled) -> None:
    rng = random.Random(len(patterns))
    texts = [*TEXTS, *patterns, b"z" * 3000, b"x" * 1499, b"x" * 1500]
    for pattern in patterns[:20]:
        texts += [b"--" + pattern, pattern[:-1], pattern[1:] + b"-", pattern.swapcase()]
        at = rng.randrange(60)
        texts.append(rng.randbytes(at) + pattern + rng.randbytes(60 - at))
    texts += [bytes(rng.choices(b"ab\0", k=rng.randrange(12))) for _ in range(300)]
    node = Apply("PatternMatch", (*typed((BYTES,)), *literals(*patterns)), BOOL)
    runner = compiled(node)
    several = len({*patterns}) > 1 and b"" not in patterns
    assert runner.code.libraries == (("hs",) if several else ())
    found = runner.run([(text,) for text in texts])
    assert found == [pattern_match(text, *patterns) for text in texts]


def test_patterns_that_are_not_constant(compiled: Compiled) -> None:
    node = Apply("PatternMatch", (*typed((BYTES, BYTES)), *literals(b"key", b"\xff\xfe")), BOOL)
    rng = random.Random(4)
    cases = [
        tuple(bytes(rng.choices(b"keyo", k=rng.randrange(most))) for most in (9, 3))
        for _ in range(300)
    ]
    wanted = [pattern_match(text, part, b"key", b"\xff\xfe") for text, part in cases]
    assert compiled(node).run(cases) == wanted


# Encrypt, Decrypt -------------------------------------------------------------------------

KEY = b"0123456789abcdef"


@pytest.mark.parametrize(
    ("key", "iv"),
    [
        (Const(KEY, BYTES), Const(1, Bits(32))),
        (Const(b"short", BYTES), Const(b"longer than sixteen bytes", BYTES)),
        (Const(KEY, BYTES), Const(-1, Bits(32, signed=True))),
        (BYTES, BYTES),
        (Const(KEY, BYTES), Bits(32, signed=True)),
        (BYTES, Bits(17)),
        (BYTES, Bits(128)),
    ],
)
@pytest.mark.parametrize("op", ["Encrypt", "Decrypt"])
def test_encrypt(op: str, key: Const | Type, iv: Const | Type, compiled: Compiled) -> None:
    args = [p if isinstance(p, Const) else Local(f"a{i}", p) for i, p in enumerate((key, iv), 1)]
    rng = random.Random(2)
    keys = [rng.randbytes(n) for n in (0, 3, 16, 20)]

    def more(arg: Const | Local) -> Value:
        if isinstance(arg, Const):
            return arg.value
        return rng.choice(keys) if arg.type == BYTES else drawn(arg.type, rng)

    lengths = [*range(70), 1000, 70_000]
    cases = [[rng.randbytes(length), *map(more, args)] for length in lengths]
    found = compiled(Apply(op, (*typed((BYTES,)), *args), BYTES)).run(cases)
    assert found == [aes_ctr(bytes(d), k, v) for d, k, v in cases if isinstance(d, bytes)]


# The user's -------------------------------------------------------------------------------

SIGNED_5 = Bits(5, signed=True)
IN_C = """
#include <string.h>
u8 odd(i32 n) { return n & 1 ? 6 : 0; }
i8 least(u8 n) { return (i8)n; }
u16 folded(unsigned __int128 x) { return (u16)(x ^ x >> 64); }
i64 scaled(u8 yes, i64 n) { return yes ? n * 3 : -n; }
nf_slice twice(nf_arena *arena, nf_slice s)
{
    u8 *data = nf_arena_take(arena, 2 * s.length);
    if (!data) return (nf_slice){NULL, 1};
    if (s.length) memcpy(data, s.data, s.length), memcpy(data + s.length, s.data, s.length);
    return (nf_slice){data, 2 * s.length};
}
u32 none(void) { return 7; }
"""


def _folded(x: int) -> int:
    return x ^ x >> 64


IN_PYTHON: dict[str, Callable[..., Value]] = {
    "odd": lambda n: bool(n & 1),
    "least": lambda n: n,
    "folded": _folded,
    "scaled": lambda yes, n: n * 3 if yes else -n,
    "twice": lambda s: s + s,
    "none": lambda: 7,
}
USER = [
    Apply("odd", typed((Bits(32, signed=True),)), BOOL),
    Apply("least", typed((Bits(8),)), SIGNED_5),
    Apply("folded", typed((IP6,)), Bits(13)),
    Apply("scaled", typed((BOOL, Bits(40, signed=True))), Bits(40, signed=True)),
    Apply("twice", typed((BYTES,)), BYTES),
    Apply("none", (), Bits(32)),
]


def cases_of(node: Apply) -> list[list[Value]]:
    rng = random.Random(3)
    return [[drawn(arg.type, rng) for arg in node.args] for _ in range(200 if node.args else 0)]


@pytest.mark.parametrize("node", USER[:-1], ids=lambda node: node.op)
def test_operators_in_c(node: Apply, compiled: Compiled) -> None:
    cases = cases_of(node)
    function = resolve(node, IN_PYTHON)
    assert compiled(node, IN_C).run(cases) == [function(*case) for case in cases]


def test_another_signature_is_an_error_that_says_which(tmp_path: Path) -> None:
    source = tmp_path / "user.c"
    source.write_text(c_source(network_of(*USER), "mine.c", "\nu32 odd(u64 n) { return n & 1; }"))
    include = Path(sys.modules["nfverify.cythonized"].__path__[0]) / "runtime"
    done = subprocess.run(
        ["gcc", "-std=gnu11", f"-I{include}", "-c", "-o", "/dev/null", str(source)],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode
    assert "mine.c:2:5: error: conflicting types for 'odd'" in done.stderr
    assert "previous declaration of 'odd' with type 'u8(i32)'" in done.stderr


def test_two_signatures_of_one_name_cannot_be_in_c() -> None:
    other = Apply("odd", typed((IP,)), BOOL)
    with pytest.raises(ModelError, match="operator odd has two signatures here"):
        c_source(network_of(USER[0], other), "mine.c", "")


# Python, called from a library as a compiled network would.

LIBRARY = """
i32 call(void *table, const u8 *given, u8 *made)
{
    static nf_core core;
    core.operators = table;
    core.error = 0;
    (void)given;
    ARGUMENTS
    RESULT = CALL;
    WRITE
    return core.error;
}
"""


def library_of(node: Apply, index: int) -> str:
    code = operator_code(node, "f", index)
    reads = []
    for at in code.arguments:
        if node.args[at].type == BYTES:
            where = f"(const u8 *)(uintptr_t)nf_ld64(given + {16 * at})"
            reads.append(f"nf_slice a{at} = {{{where}, nf_ld64(given + {16 * at + 8})}};")
        else:
            ctype = carrier(node.args[at].type)
            reads.append(f"{ctype} a{at} = ({ctype})nf_passed_number(given + {16 * at});")
    signed = isinstance(node.type, Bits) and node.type.signed
    write = f"nf_pass_number(made, (u128){'(i128)' if signed else ''}r);"
    if node.type == BYTES:
        write = "nf_pass_bytes(made, r);"
    text = LIBRARY.replace("ARGUMENTS", " ".join(reads)).replace("WRITE", write)
    given = ", ".join(["&core", *(f"a{at}" for at in code.arguments)])
    text = text.replace("RESULT", f"{carrier(node.type)} r").replace("CALL", f"f({given})")
    return f'#include "nf_core.h"\n{code.header}{text}'


class Loaded:
    def __init__(self, compile_c: CompileC, folder: Path, node: Apply, index: int) -> None:
        source = folder / "operator.c"
        source.write_text(library_of(node, index))
        self.node = node
        self.library = ctypes.CDLL(str(compile_c(source, shared=True)))

    def call(self, operators: PythonOperators | None, case: Sequence[Value]) -> Value:
        kept = [ctypes.create_string_buffer(v, len(v) or 1) for v in case if isinstance(v, bytes)]
        strings = iter(kept)
        given = b""
        for value in case:
            if isinstance(value, bytes):
                address = ctypes.addressof(next(strings))
                given += address.to_bytes(8, "little") + len(value).to_bytes(8, "little")
            else:
                given += slot(value)
        made = ctypes.create_string_buffer(16)
        table = ctypes.c_void_p(operators.address if operators else None)
        self.error = self.library.call(table, given, made)
        if self.node.type == BYTES:
            address, length = (int.from_bytes(made.raw[at : at + 8], "little") for at in (0, 8))
            return ctypes.string_at(address, length)
        (value,) = results(made.raw, self.node.type)
        return value


@pytest.mark.parametrize("node", USER, ids=lambda node: node.op)
def test_operators_in_python(node: Apply, compile_c: CompileC, tmp_path: Path) -> None:
    applications = user_applications(network_of(*USER))
    assert applications == tuple(USER)
    operators = PythonOperators(applications, IN_PYTHON)
    loaded = Loaded(compile_c, tmp_path, node, applications.index(node))
    function = resolve(node, IN_PYTHON)
    for case in [*cases_of(node)[:100], *([[]] if not node.args else [])]:
        assert loaded.call(operators, case) == function(*case)
        assert loaded.error == 0
    assert operators.error is None


def test_operators_in_python_that_fail(compile_c: CompileC, tmp_path: Path) -> None:
    node = USER[0]

    def wrong(n: int) -> int:
        return n  # not a bool

    def ends(n: int) -> bool:
        raise KeyboardInterrupt

    loaded = Loaded(compile_c, tmp_path, node, 0)
    for function, kind in (
        (wrong, ModelError),
        (ends, KeyboardInterrupt),
        (lambda n: n < 1 // 0, ModelError),
    ):
        operators = PythonOperators([node], {"odd": function})
        assert loaded.call(operators, [3]) is False
        assert loaded.error == -4
        assert isinstance(operators.error, kind)
    loaded.call(None, [3])
    assert loaded.error == -4  # there is no function at all
    loaded.call(PythonOperators([node], {}), [3])
    assert loaded.error == -4


def test_operators_in_python_from_several_threads(compile_c: CompileC, tmp_path: Path) -> None:
    node = USER[4]
    loaded = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        loaded.append(Loaded(compile_c, tmp_path / name, node, 0))
    operators = [PythonOperators([node], IN_PYTHON) for _ in loaded]
    found: dict[int, list[Value]] = {}

    def run(number: int) -> None:
        text = bytes([number]) * 50
        found[number] = [loaded[number].call(operators[number], [text]) for _ in range(300)]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == bytes([n]) * 100 for n, results_ in found.items() for result in results_)


def test_applications_of_one_shape_are_one() -> None:
    one, two = (Apply("odd", (Local(n, IP),), BOOL) for n in "xy")
    assert shape(one) == shape(two)
    first = Apply("PatternMatch", (*typed((BYTES,)), *literals(b"a")), BOOL)
    second = Apply("PatternMatch", (*typed((BYTES,)), *literals(b"b")), BOOL)
    assert shape(first) != shape(second)
    assert user_applications(network_of(one, first, two)) == (one,)
