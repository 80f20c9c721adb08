"""Text that others wrote, as each format of reports must have it.

Names of files, strings of models, payloads and outputs of programs reach reports. `one_line` and
`several_lines` are for terminals and for all formats; the rest is of one format each.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from urllib.parse import quote

from nfverify.lang.visible import one_line, several_lines

__all__ = [
    "command_data", "command_property", "file_name", "inside", "markdown", "markdown_block",
    "markdown_code", "one_line", "sarif_message", "several_lines", "uri",
]  # fmt: skip

_MARKUP = re.compile(r"[\\`*_{}\[\]<>()~|$!#&]")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# What GitHub links without any markup: people, issues, addresses of the web.
_MENTION = re.compile(r"([@#])(?=\w)")
_ADDRESS = re.compile(r"\b(https?|ftp|mailto|xmpp|www)([:.])", re.IGNORECASE)
_LIST = re.compile(r"^([0-9]*)([-+=.])(?=[-+=\s]|$)")  # or a line under a heading
_END = "\n"
_RUN = re.compile(r"`+")
_PLAIN_NAME = re.compile(r"[^A-Za-z0-9._-]")
MAX_NAME = 80  # characters of a file's name


# Markdown ---------------------------------------------------------------------------------


def markdown(text: str) -> str:
    """Prose on one line of Markdown (CommonMark, GFM): no markup, no HTML, no links, no mentions;
    fit for a cell of a table. Comments break what would be linked without any markup."""
    text = _MARKUP.sub(_plain, one_line(text))
    text = _MENTION.sub(r"\1<!-- -->", text)
    text = _ADDRESS.sub(r"\1<!-- -->\2", text)
    return _LIST.sub(r"\1\\\2", text.lstrip())


def _plain(match: re.Match[str]) -> str:
    char = match[0]
    return _HTML.get(char) or f"\\{char}"


def markdown_code(text: str) -> str:
    """A name or value in backticks, fit for a cell of a table."""
    text = one_line(text).replace("|", r"\|") or " "
    fence = "`" * (max((len(run) for run in _RUN.findall(text)), default=0) + 1)
    pad = " " if "`" in (text[0], text[-1]) or (text[0] == text[-1] == " " and text.strip()) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def markdown_block(text: str) -> str:
    """Lines in a fenced block."""
    text = several_lines(text)
    fence = "`" * max(3, *(len(run) + 1 for run in _RUN.findall(text)), 3)
    return f"{fence}text\n{text.removesuffix(_END)}\n{fence}"


# GitHub's workflow commands ---------------------------------------------------------------


def command_data(text: str) -> str:
    """The message of a workflow command; its line ends stay line ends."""
    text = "\n".join(one_line(line) for line in text.split("\n"))
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """The value of a property of a workflow command."""
    return command_data(one_line(text)).replace(":", "%3A").replace(",", "%2C")


# SARIF ------------------------------------------------------------------------------------


def sarif_message(text: str) -> str:
    """The text of a message: no embedded links, no placeholders (SARIF 2.1.0, 3.11)."""
    text = several_lines(text).replace("](", "] (")
    return text.replace("{", "{{").replace("}", "}}")


def uri(path: str) -> str:
    """A path as a reference (RFC 3986): relative to the working folder if it is inside it."""
    name = inside(path)
    prefix = "file://" if os.path.isabs(name) else ""
    return prefix + quote(os.fsencode(_readable(name)))


def inside(path: str) -> str:
    """A path relative to the working folder if it is inside it."""
    if os.path.isabs(path):
        relative = os.path.relpath(path)
        return os.path.normpath(path) if relative.startswith(os.pardir) else relative
    return os.path.normpath(path)


def _readable(path: str) -> str:
    """Without what no file's name can hold."""
    return "".join(
        one_line(char) if "\ud800" <= char <= "\udc7f" or "\udd00" <= char <= "\udfff" else char
        for char in path
    )


# Files ------------------------------------------------------------------------------------


def file_name(text: str) -> str:
    """A name made of another's text: a plain one, in this folder."""
    plain = _PLAIN_NAME.sub("-", PurePosixPath(text).name).lstrip(".-")[:MAX_NAME]
    return plain or "unnamed"
