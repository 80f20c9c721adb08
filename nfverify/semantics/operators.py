"""The operators of a model: the built-in ones (decisions 11 and 12), and the user's own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path

from nfverify.lang.source import Diagnostic, ModelError, Source, Span
from nfverify.semantics.values import number
from nfverify.smat.ir import Apply, Bits, Bool, Bytes, Type, Value, wrap

Function = Callable[..., Value]
KEY_BYTES = 16  # AES-128


def murmur3(data: bytes, seed: int = 0) -> int:
    """MurmurHash3_x86_32 (Appleby, smhasher)."""
    h = seed
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        h ^= _scramble(int.from_bytes(data[at : at + 4], "little"))
        h = (h << 13 | h >> 19) & 0xFFFFFFFF
        h = (h * 5 + 0xE6546B64) & 0xFFFFFFFF
    h ^= _scramble(int.from_bytes(data[whole:], "little"))
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16


def _scramble(k: int) -> int:
    k = k * 0xCC9E2D51 & 0xFFFFFFFF
    k = (k << 15 | k >> 17) & 0xFFFFFFFF
    return k * 0x1B873593 & 0xFFFFFFFF


def hash_of(types: tuple[Type, ...]) -> Function:
    """`hash` over arguments of these types: murmur3 of their big-endian 32-bit words, seed 0."""
    widths = tuple(t.width if isinstance(t, Bits) else 1 for t in types)

    def hash_(*values: Value) -> Value:
        return murmur3(b"".join(map(_words, values, widths)))

    return hash_


def _words(value: Value, width: int) -> bytes:
    """Zero-extended to whole words; a string of bytes likewise, at its front."""
    if isinstance(value, bytes):
        return bytes(-len(value) % 4) + value
    return (value & (1 << width) - 1).to_bytes(-(-width // 32) * 4, "big")


def pattern_match(data: bytes, *patterns: bytes) -> bool:
    """Does any of the patterns occur in `data`?"""
    return any(pattern in data for pattern in patterns)


def aes_ctr(data: bytes, key: Value, iv: Value = 0) -> bytes:
    """AES-128 in counter mode, which is its own inverse. A key or iv that isn't 16 bytes long is
    cut, or filled with zero bytes at its end."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    context = Cipher(algorithms.AES(_block(key)), modes.CTR(_block(iv))).encryptor()
    return bytes(context.update(data) + context.finalize())


def _block(value: Value) -> bytes:
    if isinstance(value, bytes):
        return value[:KEY_BYTES].ljust(KEY_BYTES, b"\0")
    return (number(value) & (1 << 8 * KEY_BYTES) - 1).to_bytes(KEY_BYTES, "big")


def resolve(node: Apply, user: Mapping[str, Function]) -> Function:
    """The function that an application calls. ModelError if there is none."""
    match node.op:
        case "hash":
            return hash_of(tuple(arg.type for arg in node.args))
        case "PatternMatch":
            return pattern_match
        case "Encrypt" | "Decrypt":
            if importlib.util.find_spec("cryptography") is None:
                raise _error(
                    "operator-crypto",
                    f"{node.op} needs the package cryptography",
                    node.span,
                    "pip install 'nfverify[crypto]'",
                )
            return aes_ctr
    if node.op not in user:
        raise _error(
            "operator-missing",
            f"operator {node.op} has no Python function",
            node.span,
            f"name a file that defines {node.op} by --ops FILE.py",
        )
    return _checked(node, user[node.op])


def _checked(node: Apply, function: Function) -> Function:
    """The user's function, its result brought to the declared type; its faults are the model's."""

    def call(*values: Value) -> Value:
        try:
            result = function(*values)
        except Exception as error:
            what = f"operator {node.op} raised {type(error).__name__}: {error}"
            raise _error("operator-failed", what, node.span) from error
        match node.type, result:
            case Bool(), bool():
                return result
            case Bits() as bits, int():
                return wrap(int(result), bits)
            case Bytes(), bytes():
                return result
        what = f"operator {node.op} returned {type(result).__name__}"
        raise _error("operator-type", what, node.span, f"it is declared as {_shown(node.type)}")

    return call


def _shown(type_: Type) -> str:
    match type_:
        case Bool():
            return "bool"
        case Bits(width=width, signed=signed):
            return f"{'int' if signed else 'unsigned'} of {width} bits"
        case Bytes():
            return "bytes"


def load_operators(path: Path) -> dict[str, Function]:
    """The public functions of a Python file that the user named. ModelError if it doesn't run."""
    source = Source(str(path), "")
    spec = importlib.util.spec_from_file_location("nfverify_user_operators", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise _error("operator-file", "not a Python file", Span(source, 0, 0))
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        what = f"the file of operators raised {type(error).__name__}: {error}"
        raise _error("operator-file", what, Span(source, 0, 0)) from error
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value) and not name.startswith("_")
    }


def _error(code: str, message: str, span: Span, hint: str = "") -> ModelError:
    return ModelError(Diagnostic("error", code, message, span, hint))
