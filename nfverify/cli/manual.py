"""Manual pages, from the same parsers that read the command line.

`python -m nfverify.cli.manual DIR` writes nfverify.1 and a page for each command; it needs nothing
but the standard library, so that a build can run it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nfverify
from nfverify.cli.main import COMMANDS, full_parser

_WIDE = 78  # columns that argparse may use for a synopsis


def pages() -> dict[str, str]:
    """The pages by their file names."""
    parser = full_parser()
    (commands,) = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    found = {"nfverify.1": _overview(parser)}
    for command in COMMANDS:
        found[f"nfverify-{command.name}.1"] = _page(
            command.name, command.help, commands.choices[command.name]
        )
    return found


def _overview(parser: argparse.ArgumentParser) -> str:
    about, _, rest = (parser.description or "").partition("\n\ncommands:")
    _, _, notes = rest.rpartition("\n\n")
    lines = [
        *_head("nfverify", "prove network functions equal, and all that follows from it"),
        ".SH SYNOPSIS",
        ".B nfverify",
        _text("[-h] [--version] [-q] [--no-color] COMMAND ..."),
        ".SH DESCRIPTION",
        *_paragraphs(about),
        ".PP",
        *_paragraphs(notes),
        ".SH COMMANDS",
    ]
    for command in COMMANDS:
        lines += [".TP", f".BR nfverify\\-{_text(command.name)} (1)", _text(command.help)]
    lines += [*_options(parser), *_status(parser.epilog or "")]
    return "\n".join([*lines, *_environment(), ""])


def _page(name: str, help_: str, parser: argparse.ArgumentParser) -> str:
    usage = parser.format_usage().removeprefix("usage: ")
    words = " ".join(usage.split()).removeprefix(parser.prog).strip()
    lines = [
        *_head(f"nfverify-{name}", help_),
        ".SH SYNOPSIS",
        f".B {_text(parser.prog)}",
        _text(words),
        ".SH DESCRIPTION",
        *_paragraphs(parser.description or ""),
        *_options(parser),
        *_status(parser.epilog or ""),
        ".SH SEE ALSO",
        ".BR nfverify (1)",
        "",
    ]
    return "\n".join(lines)


def _head(name: str, help_: str) -> list[str]:
    title = _text(name.upper())
    return [
        f'.TH {title} 1 "" "nfverify {_text(nfverify.__version__)}" "nfverify"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(help_)}",
    ]


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The arguments and options, group by group as --help has them."""
    for group in parser._action_groups:
        actions = [a for a in group._group_actions if _shown(a)]
        if not actions:
            continue
        yield f".SH {_text((group.title or 'options').upper())}"
        if group.description:
            yield from _paragraphs(group.description)
        for action in actions:
            yield ".TP"
            yield _heading(parser, action)
            formatter = parser._get_formatter()
            text = formatter._expand_help(action) if action.help else ""
            yield from _paragraphs(text or "\\&")


def _shown(action: argparse.Action) -> bool:
    hidden = action.help == argparse.SUPPRESS
    return not hidden and not isinstance(action, argparse._SubParsersAction)


def _heading(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = parser._get_formatter()
    if not action.option_strings:
        return f".I {_text(formatter._format_args(action, action.dest))}"
    names = ", ".join(rf"\fB{_text(name)}\fR" for name in action.option_strings)
    if action.nargs == 0:
        return names
    value = formatter._format_args(action, action.dest.upper())
    return rf"{names} \fI{_text(value)}\fR"


def _status(epilog: str) -> list[str]:
    """The epilog, with its part about exit codes as a section of its own."""
    notes, found, codes = epilog.partition("Exit codes:")
    lines = [".SH NOTES", *_paragraphs(notes)] if notes.strip() else []
    if found:
        lines += [".SH EXIT STATUS", *_paragraphs(codes.strip())]
    return lines


def _environment() -> list[str]:
    return [
        ".SH ENVIRONMENT",
        *(".TP", ".B NO_COLOR", "Plain text."),
        *(".TP", ".B NFVERIFY_DEBUG", "Say where an internal error happened."),
    ]


def _paragraphs(text: str) -> list[str]:
    """Text as it is filled; indented lines stay as they are."""
    lines: list[str] = []
    kept = False
    for line in text.strip("\n").split("\n"):
        indented = line.startswith("  ")
        if indented != kept:
            lines.append(".nf" if indented else ".fi")
            kept = indented
        if line.strip():
            lines.append(line if line == "\\&" else _text(line.rstrip()))
        elif lines and lines[-1] != ".PP":
            lines.append(".PP")
    while lines and lines[-1] == ".PP":
        lines.pop()
    return lines + ([".fi"] if kept else [])


def _text(text: str) -> str:
    """Text that roff takes as it is."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    plain = re.sub(r"[^\x20-\x7e]", lambda found: f"\\[u{ord(found[0]):04X}]", plain)
    return f"\\&{plain}" if plain[:1] in (".", "'") else plain


def write(folder: Path) -> None:
    """Write all pages into a folder, in place of those that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("nfverify*.1"):
        old.unlink()
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
