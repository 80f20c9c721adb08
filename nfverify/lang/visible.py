"""Text that others wrote, made harmless for terminals: what they would obey is shown instead.

Names of files, strings of models and payloads may hold escape sequences (ECMA-48), characters that
turn the direction of writing (Unicode UAX #9), and lines that a build server takes for commands.
"""

from __future__ import annotations

import json
import re
from unicodedata import category

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Categories of Unicode that are obeyed, or that nobody sees."""
_ODD = re.compile(r"[^\x20-\x7e]")
_ALONE = re.compile("[\ud800-\udfff]")
_ODD_BUT_LINES = re.compile(r"[^\n\x20-\x7e]")
_BYTE = 0xDC00  # + b: the byte b of a file name that is no UTF-8 (PEP 383)
# What build servers look for in output: `::name …::` at the start of a line, `##[…]`, `##name[…]`.
_COMMAND = re.compile(r"^(\s*):(?=:\s*[A-Za-z][\w-]*(?:[ \t][^\n]*?)?::)", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##(?=\w*\[)")


def one_line(text: str) -> str:
    """A name or value within a line: every hidden character as an escape, line ends too."""
    return text if text.isprintable() else _ODD.sub(_shown, text)


def several_lines(text: str) -> str:
    """A whole text: hidden characters but line ends as escapes, no commands of build servers."""
    text = _ODD_BUT_LINES.sub(_shown, text)
    if "::" in text:
        text = _COMMAND.sub(r"\1\\x3a", text)
    return _OLD_COMMAND.sub(r"#\\x23", text) if "##" in text else text


def in_json(text: str) -> str:
    """Text of JSON: hidden characters as JSON escapes them; half of a pair, which is no text and
    which readers refuse, as in a string of Python."""
    text = _ALONE.sub(lambda match: escaped(match[0]).replace("\\", r"\\"), text)
    return _ODD_BUT_LINES.sub(_shown_in_json, text)


def _shown_in_json(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1] if hidden(match[0]) else match[0]


def _shown(match: re.Match[str]) -> str:
    return escaped(match[0]) if hidden(match[0]) else match[0]


def hidden(char: str) -> bool:
    """Would a terminal obey it, or does nobody see it? Or is it no character at all (Unicode,
    23.7), which XML can't hold?"""
    return category(char) in HIDDEN or ord(char) & 0xFFFE == 0xFFFE


def escaped(char: str) -> str:
    r"""A character as in a string of Python: `\n`, `\x1b`, `\u202e`."""
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if _BYTE + 0x80 <= code < _BYTE + 0x100:
        return f"\\x{code - _BYTE:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
