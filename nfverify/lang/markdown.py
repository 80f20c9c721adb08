"""Text that others wrote in Markdown (CommonMark, GFM): no markup, HTML, links or mentions."""

from __future__ import annotations

import re

from nfverify.lang.visible import one_line

_MARKUP = re.compile(r"[\\`*_{}\[\]<>()~|$!#&]")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# What GitHub links without any markup: people, issues, addresses of the web.
_MENTION = re.compile(r"([@#])(?=\w)")
_ADDRESS = re.compile(r"\b(https?|ftp|mailto|xmpp|www)([:.])", re.IGNORECASE)
_LIST = re.compile(r"^([0-9]*)([-+=.])(?=[-+=\s]|$)")  # or a line under a heading
_RUN = re.compile(r"`+")


def prose(text: str) -> str:
    """Words on one line, fit for a cell of a table. Comments break what would be linked."""
    text = _MARKUP.sub(_plain, one_line(text))
    text = _MENTION.sub(r"\1<!-- -->", text)
    text = _ADDRESS.sub(r"\1<!-- -->\2", text)
    return _LIST.sub(r"\1\\\2", text.lstrip())


def _plain(match: re.Match[str]) -> str:
    char = match[0]
    return _HTML.get(char) or f"\\{char}"


def code(text: str) -> str:
    """A name or value in backticks, fit for a cell of a table."""
    text = one_line(text).replace("|", r"\|") or " "
    fence = "`" * (max((len(run) for run in _RUN.findall(text)), default=0) + 1)
    pad = " " if "`" in (text[0], text[-1]) or (text[0] == text[-1] == " " and text.strip()) else ""
    return f"{fence}{pad}{text}{pad}{fence}"
