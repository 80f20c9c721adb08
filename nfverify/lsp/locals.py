"""The types of `let`s and `choose`s, which nothing declares: from the lowered program."""

from __future__ import annotations

from pathlib import Path

from nfverify.lang import ast
from nfverify.lang.source import ModelError
from nfverify.lsp.project import Project, Unsaved
from nfverify.smat import ir
from nfverify.smat.load import open_module
from nfverify.smat.network import build
from nfverify.smat.report import Report
from nfverify.smat.texts import type_text


def local_type(project: Project, path: Path, node: ast.Let | ast.Choose) -> str:
    """The type of a local as the language writes it; "" of a model with errors."""
    report = Report()
    try:
        module = open_module(report, str(path), Unsaved(project.texts))
        for item in module.own().values():
            if not isinstance(item, ast.Program) or not _within(node, item):
                continue
            _, lowered = build(report, item, module)
            found = [type_ for one in lowered for type_ in _types(one.program, node)]
            return type_text(found) if found else ""
    except ModelError:
        pass
    return ""


def _within(node: ast.Node, program: ast.Program) -> bool:
    return program.span.start <= node.span.start < program.span.end


def _types(program: ir.Program, node: ast.Let | ast.Choose) -> list[ir.Type]:
    """Of its parts: a flow has seven."""
    return [
        one.type if isinstance(one, ir.Choose) else one.value.type
        for one in ir.walk((*program.init, *program.body))
        if isinstance(one, ir.Let | ir.Choose) and one.span.start == node.span.start
    ]
