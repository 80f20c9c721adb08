"""Figures into a page of the documentation: tables between `<!-- NAME -->` and `<!-- / -->`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In markdown; all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fill(page: Path, blocks: Mapping[str, str]) -> None:
    """Replaces the named blocks of a page; KeyError if it has no place for one."""
    text = page.read_text()
    for name, content in blocks.items():
        before, opened, rest = text.partition(f"<!-- {name} -->\n")
        _, closed, after = rest.partition("\n<!-- / -->")
        if not closed:
            raise KeyError(f"{page.name} has no place for {name}")
        text = before + opened + content + closed + after
    page.write_text(text)
