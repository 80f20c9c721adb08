"""Generated code printed as C++ means what it means in Cython's notation."""

import ast
import operator
import subprocess
from pathlib import Path
from random import Random

import pytest
from platforms import needs

from nfverify.oracles.platforms.cpp.notation import NotationError, parse
from nfverify.oracles.platforms.cpp.printer import Printer

VALUES = {"a": 0, "b": 1, "c": 2, "d": 7}
_BINARY = ("+", "-", "*", "|", "&", "^", "==", "!=", "<", "<=", ">", ">=", "and", "or")
_COMPARE = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
}


def _text(rng: Random, depth: int) -> str:
    """A random expression; brackets stand by chance, so that precedence decides."""
    kind = rng.randrange(8) if depth else 0
    if kind < 2:
        return rng.choice([*VALUES, "0U", "1U", "3U"])

    def part() -> str:
        text = _text(rng, depth - 1)
        return f"({text})" if rng.random() < 0.4 else text

    if kind == 2:
        return f"not {part()}"
    if kind == 3:
        return f"{part()} if {part()} else {part()}"
    if kind == 4:
        return f"{part()} << {rng.randrange(4)}"
    return f"{part()} {rng.choice(_BINARY)} {part()}"


def _worked(node: ast.expr) -> int:
    """The value in C's arithmetic on u32; truths are 0 and 1, those of `and` and `or`, too."""
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Name(id=name):
            return VALUES[name]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return int(not _worked(operand))
        case ast.BoolOp(op=op, values=parts):
            found = [bool(_worked(part)) for part in parts]
            return int(all(found) if isinstance(op, ast.And) else any(found))
        case ast.IfExp(test=test, body=then, orelse=otherwise):
            return _worked(then if _worked(test) else otherwise)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return int(_COMPARE[type(op)](_worked(left), _worked(right)))
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_worked(left), _worked(right)) & 0xFFFFFFFF
    raise AssertionError(ast.dump(node))


def _readable(text: str) -> bool:
    """Does Python read it as one comparison at most; chains of them are refused."""
    try:
        tree = ast.parse(text.replace("U", ""), mode="eval")
    except SyntaxError:  # `a == not b`
        return False
    return all(len(n.ops) == 1 for n in ast.walk(tree) if isinstance(n, ast.Compare))


@needs("linux")
def test_expressions_mean_the_same(tmp_path: Path) -> None:
    rng = Random(6)
    texts = [text for _ in range(1500) if _readable(text := _text(rng, 4)) and len(text) > 8]
    assert len(texts) > 500
    printed = [Printer().expression(text) for text in texts]
    source = tmp_path / "all.cpp"
    lines = "\n".join(f'    printf("%u\\n", (unsigned)({text}));' for text in printed)
    constants = "".join(f"volatile unsigned {name} = {v};\n" for name, v in VALUES.items())
    source.write_text(f"#include <cstdio>\n{constants}int main()\n{{\n{lines}\n}}\n")
    program = str(tmp_path / "all")
    subprocess.run(["g++", "-std=c++17", "-w", "-o", program, str(source)], check=True)
    said = subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()
    wanted = [_worked(ast.parse(text.replace("U", ""), mode="eval").body) for text in texts]
    assert list(map(int, said)) == wanted


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("p.head.at", "p->head.at"),
        ("<Packet*>core", "(Packet *)core"),
        ("(<Packet*>core)[0].head", "((Packet *)core)[0].head"),
        ("&p.head", "&p->head"),
        ("p[3].head", "p[3].head"),
        ("e != NULL and not x.y", "e != nullptr && !x.y"),
        ("<u32>a & 3U if b == 1 else c + d", "b == 1 ? ((u32)a & 3U) : (c + d)"),
    ],
)
def test_members_and_casts(text: str, printed: str) -> None:
    printer = Printer()
    printer.text("cdef void f(Packet* p, nf_core* core) noexcept nogil:\n    core.now = 1\n")
    assert printer.expression(text) == printed


@pytest.mark.parametrize("text", ["a < b < c", "a +", "f(a", "a ? b : c", "lambda: 1", "<u8*", ""])
def test_what_the_generator_does_not_write_is_refused(text: str) -> None:
    with pytest.raises(NotationError):
        parse(text)


@pytest.mark.parametrize("opening", ["(", "not ", "f(", "-", "a if b else "])
def test_depth_is_bounded(opening: str) -> None:
    with pytest.raises(NotationError):
        parse(opening * 5000 + "a")


def test_a_loop_whose_body_changes_its_bound_is_refused() -> None:
    text = """cdef void f(u32 n) noexcept nogil:
    cdef u32 i
    for i in range(n):
        n += 1
"""
    with pytest.raises(NotationError, match="changes the bound"):
        Printer().text(text)


def test_blocks() -> None:
    text = """cdef i32 f(u32 n) noexcept nogil:
    cdef u32 unused = 0
    cdef i32 out = -1
    if n == 1:  # one
        out = 1
    elif n == 2:
        while True:
            break
    else:
        pass
    return out
"""
    assert (
        Printer().text(text)
        == """static i32 f(u32 n)
{
    i32 out = -1;
    if (n == 1) {  // one
        out = 1;
    } else if (n == 2) {
        while (true) {
            break;
        }
    } else {
    }
    return out;
}
"""
    )


def test_what_is_only_assigned_is_declared() -> None:
    text = """cdef void f(State* S) noexcept nogil:
    cdef void* e = NULL
    cdef u32 spare = 0
    e = g(S)  # evict oldest
    # spare
"""
    assert Printer().text(text).splitlines() == [
        "static void f(State *S)",
        "{",
        "    void *e = nullptr;",
        "    e = g(S);  // evict oldest",
        "    // spare",
        "}",
    ]
