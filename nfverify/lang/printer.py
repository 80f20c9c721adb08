"""Syntax tree to canonical text: parse(print_file(tree)) == tree."""

from __future__ import annotations

from nfverify.lang import ast
from nfverify.lang.layout import layout, statement_layout
from nfverify.lang.phrases import print_expr, print_type

__all__ = ["print_expr", "print_file", "print_statement", "print_type"]


def print_file(file: ast.File) -> str:
    """The canonical text of a file, without comments."""
    lines: list[str] = []
    for piece in layout(file):
        if piece.gap and lines:
            lines.append("")
        lines.append(piece.text)
    return "".join(line + "\n" for line in lines)


def print_statement(statement: ast.Statement) -> str:
    """The canonical text of one statement, without a newline at its end."""
    return "\n".join(piece.text for piece in statement_layout(statement))
