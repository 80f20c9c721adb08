"""Answers in the types of the protocol."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lsprotocol import types as lsp

from nfverify.lang.formatter import format_text
from nfverify.lang.source import ModelError, Source
from nfverify.lsp import colours, complete, hover, outline
from nfverify.lsp.diagnose import Finding
from nfverify.lsp.positions import Encoding, Lines
from nfverify.lsp.project import Place, Project, Symbol, beside
from nfverify.lsp.rename import Edit, renamable, rename

_KINDS: dict[outline.What, lsp.SymbolKind] = {
    "program": lsp.SymbolKind.Class, "chain": lsp.SymbolKind.Module,
    "entry": lsp.SymbolKind.Method, "variable": lsp.SymbolKind.Variable,
    "rule": lsp.SymbolKind.Constant, "port": lsp.SymbolKind.Interface,
    "tag": lsp.SymbolKind.Field, "function": lsp.SymbolKind.Function,
    "event": lsp.SymbolKind.Event, "promise": lsp.SymbolKind.Property,
}  # fmt: skip
_PROPOSED: dict[complete.What, lsp.CompletionItemKind] = {
    "field": lsp.CompletionItemKind.Field, "tag": lsp.CompletionItemKind.Field,
    "variable": lsp.CompletionItemKind.Variable, "function": lsp.CompletionItemKind.Function,
    "keyword": lsp.CompletionItemKind.Keyword, "type": lsp.CompletionItemKind.TypeParameter,
    "class": lsp.CompletionItemKind.Class, "value": lsp.CompletionItemKind.Constant,
    "file": lsp.CompletionItemKind.File,
}  # fmt: skip
_MEANT = re.compile(r"`([^`]{1,60})`.*?; did you mean `([^`]{1,60})`\?")
_UNUSED = frozenset({"unused", "unreachable", "never-read"})


@dataclass(slots=True)
class Places:
    """Characters of files as ranges of the protocol."""

    encoding: Encoding
    uri: Callable[[Path], str]
    _lines: dict[str, Lines] = field(default_factory=dict)

    def range(self, text: str, start: int, end: int) -> lsp.Range:
        lines = self._lines.get(text)
        if lines is None:
            lines = self._lines[text] = Lines(text, self.encoding)
        first, last = lines.position(start), lines.position(max(start, end))
        return lsp.Range(lsp.Position(*first), lsp.Position(*last))

    def location(self, project: Project, path: Path, start: int, end: int) -> lsp.Location:
        return lsp.Location(self.uri(path), self.range(project.text(path), start, end))


def diagnostics(places: Places, findings: Sequence[Finding]) -> list[lsp.Diagnostic]:
    """Findings as the editor underlines them; a place without characters gets one."""
    found = []
    for one in findings:
        end = max(one.end, min(one.start + 1, len(one.text)))
        error = one.severity == "error"
        found.append(
            lsp.Diagnostic(
                places.range(one.text, one.start, end),
                f"{one.message}\nhelp: {one.hint}" if one.hint else one.message,
                lsp.DiagnosticSeverity.Error if error else lsp.DiagnosticSeverity.Warning,
                code=one.code,
                source="nfverify",
                tags=[lsp.DiagnosticTag.Unnecessary] if one.code in _UNUSED else None,
            )
        )
    return found


def corrections(
    places: Places, project: Project, path: Path, found: Sequence[lsp.Diagnostic]
) -> list[lsp.CodeAction]:
    """For each diagnostic that says what was meant, the edit that puts it there."""
    text = project.text(path)
    lines = Lines(text, places.encoding)
    actions = []
    for one in found:
        meant = _MEANT.search(one.message)
        if meant is None or one.source != "nfverify":
            continue
        start = lines.offset(one.range.start.line, one.range.start.character)
        end = lines.offset(one.range.end.line, one.range.end.character)
        at = re.search(rf"(?<!\w){re.escape(meant[1])}(?!\w)", text[start:end])
        if at is None:
            continue
        edit = lsp.TextEdit(places.range(text, start + at.start(), start + at.end()), meant[2])
        actions.append(
            lsp.CodeAction(
                f"Change `{meant[1]}` to `{meant[2]}`",
                kind=lsp.CodeActionKind.QuickFix,
                diagnostics=[one],
                edit=lsp.WorkspaceEdit({places.uri(path): [edit]}),
                is_preferred=True,
            )
        )
    return actions


def hovered(places: Places, project: Project, path: Path, offset: int) -> lsp.Hover | None:
    found = hover.hover(project, path, offset)
    if found is None:
        return None
    content = lsp.MarkupContent(lsp.MarkupKind.Markdown, found.markdown)
    return lsp.Hover(content, places.range(project.text(path), found.start, found.end))


def definitions(places: Places, project: Project, path: Path, offset: int) -> list[lsp.Location]:
    """Where a name is declared; of a tag that nothing declares, where it is assigned."""
    at = project.at(path, offset)
    if at is None:
        return []
    symbol = at[1]
    if symbol.kind == "file":
        target = beside(path, symbol.name.strip('"'))
        there = target is not None and target.is_file()
        start = lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))
        return [lsp.Location(places.uri(target), start)] if there and target else []
    if symbol.kind in ("tag", "port"):
        all_ = project.places(symbol)
        found = [p for p in all_ if p.mention.role == "declaration"]
        return _locations(places, project, found or [p for p in all_ if p.mention.role == "write"])
    declared = project.definition(symbol)
    if declared is None:
        return []
    return [places.location(project, symbol.path, declared.start, declared.end)]


def references(
    places: Places, project: Project, path: Path, offset: int, declarations: bool
) -> list[lsp.Location]:
    at = project.at(path, offset)
    if at is None or at[1].kind in ("file", "builtin"):
        return []
    found = _field_places(project, path, at[1]) or project.places(at[1])
    kept = [p for p in found if declarations or p.mention.role != "declaration"]
    return _locations(places, project, kept)


def highlights(
    places: Places, project: Project, path: Path, offset: int
) -> list[lsp.DocumentHighlight]:
    """The mentions of a name in its own file."""
    at = project.at(path, offset)
    if at is None:
        return []
    text = project.text(path)
    found = _field_places(project, path, at[1]) or project.places(at[1])
    kinds = {"read": lsp.DocumentHighlightKind.Read, "write": lsp.DocumentHighlightKind.Write}
    return [
        lsp.DocumentHighlight(
            places.range(text, place.mention.start, place.mention.end),
            kinds.get(place.mention.role, lsp.DocumentHighlightKind.Text),
        )
        for place in found
        if place.path == path
    ]


def _field_places(project: Project, path: Path, symbol: Symbol) -> list[Place]:
    """The mentions of a header field or built-in in one file: elsewhere they say nothing."""
    if symbol.kind not in ("field", "builtin"):
        return []
    return [Place(path, m) for m in project.names(path).mentions if m.name == symbol.name]


def _locations(places: Places, project: Project, found: Sequence[Place]) -> list[lsp.Location]:
    return [places.location(project, p.path, p.mention.start, p.mention.end) for p in found]


def to_rename(places: Places, project: Project, path: Path, offset: int) -> lsp.Range | None:
    """The name to rename; Refused if it has no name of its own."""
    at = project.at(path, offset)
    if at is None:
        return None
    renamable(at[1])
    return places.range(project.text(path), at[0].start, at[0].end)


def renamed(
    places: Places, project: Project, path: Path, offset: int, name: str
) -> lsp.WorkspaceEdit | None:
    """The edits in all files. Refused."""
    at = project.at(path, offset)
    if at is None:
        return None
    changes: dict[str, list[lsp.TextEdit]] = {}
    for edit in rename(project, at[1], name):
        changes.setdefault(places.uri(edit.path), []).append(_edit(places, project, edit))
    return lsp.WorkspaceEdit(changes)


def _edit(places: Places, project: Project, edit: Edit) -> lsp.TextEdit:
    return lsp.TextEdit(places.range(project.text(edit.path), edit.start, edit.end), edit.text)


def formatted(places: Places, project: Project, path: Path) -> list[lsp.TextEdit] | None:
    """The lines that the canonical form has otherwise; None of a text with errors."""
    text = project.text(path)
    try:
        new = format_text(Source(path.name, text))
    except ModelError:
        return None
    if new == text:
        return []
    start, end = 0, 0
    most = min(len(text), len(new))
    while start < most and text[start] == new[start]:
        start += 1
    while end < most - start and text[-1 - end] == new[-1 - end]:
        end += 1
    start = text.rfind("\n", 0, start) + 1
    after = text.find("\n", len(text) - end)
    end = len(text) - (after + 1 if after >= 0 else len(text))
    edit = lsp.TextEdit(places.range(text, start, len(text) - end), new[start : len(new) - end])
    return [edit]


def symbols(places: Places, project: Project, path: Path) -> list[lsp.DocumentSymbol]:
    text = project.text(path)

    def convert(item: outline.Item) -> lsp.DocumentSymbol:
        return lsp.DocumentSymbol(
            item.name,
            _KINDS[item.what],
            places.range(text, item.start, item.end),
            places.range(text, item.name_start, item.name_end),
            detail=item.detail,
            children=[convert(one) for one in item.inside],
        )

    return [convert(i) for i in outline.outline(project.parsed(path), project.names(path))]


def proposals(places: Places, project: Project, path: Path, offset: int) -> lsp.CompletionList:
    items = [
        lsp.CompletionItem(
            one.label, kind=_PROPOSED[one.what], detail=one.detail or None,
            sort_text=f"{number:04}",
        )
        for number, one in enumerate(complete.complete(project, path, offset))
    ]  # fmt: skip
    return lsp.CompletionList(is_incomplete=False, items=items)


def tokens(places: Places, project: Project, path: Path) -> lsp.SemanticTokens:
    """The words of a file, each relative to the one before; what spans lines is cut into them."""
    text = project.text(path)
    data: list[int] = []
    line, column = 0, 0
    for start, end, kind, bits in colours.words(project, path):
        pieces = text[start:end].split("\n")
        at = start
        for piece in pieces:
            place = places.range(text, at, at + len(piece.rstrip("\r")))
            at += len(piece) + 1
            first, last = place.start, place.end
            if first.line != last.line or last.character <= first.character:
                continue
            step = first.character - (column if first.line == line else 0)
            width = last.character - first.character
            data += [first.line - line, step, width, colours.TYPES.index(kind), bits]
            line, column = first.line, first.character
    return lsp.SemanticTokens(data)
