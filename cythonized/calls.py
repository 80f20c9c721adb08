"""Calls of operators: `hash`, pattern matching, encryption, the user's own."""

from __future__ import annotations

from nfverify.cythonized.body import Body
from nfverify.cythonized.ctypes_of import literal, variable
from nfverify.cythonized.layout import width_of
from nfverify.smat.ir import Apply, Bits, Bytes


def operator_call(body: Body, node: Apply) -> str:
    """The text of a call; arguments that need memory of their own are computed before."""
    if node.op == "hash" and not any(isinstance(a.type, Bytes) for a in node.args):
        return _hash(body, node)
    function, arguments = body.resources.operator(node)
    given = [body.value(node.args[at]) for at in arguments]
    call = f"{function}({', '.join(['&S.core', *given])})"
    result = body.temporary(variable(node.type), "r", call)
    with body.function.block("if S.core.error != NF_OK:"):
        body.emit("return NF_DROP  # the run ends here: nothing more is written")
    return result


def _hash(body: Body, node: Apply) -> str:
    """murmur3 over the arguments' 32-bit words, the high word of each first (decision 12)."""
    words: list[str] = []
    for argument in node.args:
        text = body.value(argument)
        width = width_of(argument.type)
        count = -(-width // 32)
        wide = {1: "u32", 2: "u64"}.get(count, "u128")
        masked = f"<{wide}>{text}"
        if isinstance(argument.type, Bits) and argument.type.signed and width != 32 * count:
            masked = f"({masked} & {literal((1 << width) - 1, Bits(32 * count))})"
        if count > 1:
            masked = body.temporary(wide, "word", masked)
        words += [
            f"<u32>({masked} >> {32 * i})" if i else f"<u32>{masked}"
            for i in reversed(range(count))
        ]
    name = body.function.declare("u32", "words", length=max(1, len(words)))
    body.emit(*(f"{name}[{i}] = {word}" for i, word in enumerate(words)))
    return f"nf_hash_words({name}, {len(words)})"
