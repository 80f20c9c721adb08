"""Names in generated code: a model's own where they can't mean anything else, always unique."""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass, field

_PLAIN = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9_]", re.ASCII)
MAX_NAME = 60

# Keywords of C, C++ and Cython, and the lower-case macros of the C library's headers and of ours.
_C = """
    auto break case char const continue default do double else enum extern float for goto if inline
    int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while asm typeof bool true false complex imaginary
    cdef cpdef cimport ctypedef cppclass bint object include nogil gil noexcept public readonly api
    inline fused by new del operator except print exec self none
    alignas alignof and_eq bitand bitor catch char8_t char16_t char32_t co_await co_return co_yield
    compl concept consteval constexpr constinit const_cast decltype delete dynamic_cast explicit
    export friend mutable namespace not_eq nullptr or_eq private protected reinterpret_cast requires
    static_assert static_cast template this thread_local throw typeid typename using virtual wchar_t
    xor xor_eq memcpy memset memmove
    linux unix i386 errno stdin stdout stderr assert offsetof alloca environ main signbit isnan
    isinf isfinite isnormal isgreater isless isunordered fpclassify setjmp va_list va_start va_end
    va_arg va_copy major minor makedev
    u8 u16 u32 u64 u128 i8 i16 i32 i64 i128
    core ring head fast out packet state network nf order stamp nothing
"""
RESERVED = frozenset(_C.split()) | {*keyword.kwlist, *keyword.softkwlist, *dir(builtins)}


def identifier(name: str) -> str:
    """An ASCII identifier that reads as `name`, and is no keyword or macro: anything but plain
    lower case ends in an underscore."""
    text = _UNSAFE.sub("_", name)[:MAX_NAME]
    safe = (
        text == name
        and _PLAIN.fullmatch(text) is not None
        and text not in RESERVED
        and not text.startswith(("nf_", "pyx", "st_", "si_", "sa_", "s6_"))
    )
    if safe:
        return text
    return f"{text}_" if text[:1].isalpha() else f"x{text}_"


@dataclass(slots=True)
class Names:
    """Hands out identifiers, each once."""

    taken: set[str] = field(default_factory=set)

    def new(self, name: str) -> str:
        """`name` as an identifier; with a number behind it if it is taken."""
        base = text = identifier(name)
        number = 2
        while text in self.taken:
            text = f"{base}_{number}"
            number += 1
        self.taken.add(text)
        return text


def comment(text: str) -> str:
    """Text of a model on one line, for a comment: printable ASCII, at most 100 characters."""
    line = " ".join(text.split())
    shown = "".join(c if " " <= c <= "~" else "?" for c in line)
    return shown if len(shown) <= 100 else shown[:97] + "..."
