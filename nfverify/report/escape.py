"""Text that others wrote, as each format of reports must have it.

Names of files, strings of models, payloads and outputs of programs reach reports. `one_line` and
`several_lines` are for terminals and for all formats, `markdown` is prose in Markdown and
`markdown_code` a name or value; the rest is of one format each.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from urllib.parse import quote

from nfverify.lang.markdown import code as markdown_code
from nfverify.lang.markdown import prose as markdown
from nfverify.lang.visible import one_line, several_lines

__all__ = [
    "command_data", "command_property", "file_name", "inside", "markdown", "markdown_code",
    "one_line", "sarif_message", "several_lines", "uri",
]  # fmt: skip

_PLAIN_NAME = re.compile(r"[^A-Za-z0-9._-]")
MAX_NAME = 80  # characters of a file's name


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
