"""What stands at a character of a model: its type, its declaration, its meaning in words."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from nfverify.lang import ast
from nfverify.lang.phrases import (
    print_chain_node,
    print_expr,
    print_rule,
    print_type,
    print_variable,
)
from nfverify.lsp import glossary
from nfverify.lsp.locals import local_type
from nfverify.lsp.names import Definition, Mention
from nfverify.lsp.project import Project, Symbol, beside
from nfverify.lsp.words import entry_in_words, value
from nfverify.smat.program import assigned_names

MAX_TEXT = 4000


@dataclass(frozen=True, slots=True)
class Hover:
    """Markdown about the characters start..end."""

    start: int
    end: int
    markdown: str


def hover(project: Project, path: Path, offset: int) -> Hover | None:
    """What is known about the word at a character; None if it is nothing of the language."""
    found = project.at(path, offset)
    if found is not None:
        mention, symbol = found
        text = _symbol(project, path, mention, symbol)
        return Hover(mention.start, mention.end, text[:MAX_TEXT]) if text else None
    tokens = project.parsed(path).tokens
    if tokens is None:
        return None
    at = bisect_right(tokens.starts, offset) - 1
    if at < 0 or not tokens.starts[at] <= offset <= tokens.ends[at]:
        return None
    word = tokens.texts[at]
    tree = project.parsed(path).tree
    if word == "entry" and tree is not None:
        entry = _entry_at(tree, tokens.starts[at])
        if entry is not None:
            return Hover(tokens.starts[at], tokens.ends[at], entry[:MAX_TEXT])
    known = glossary.WORDS.get(word) or (
        f"`{word}`: {glossary.TYPES[word]}" if word in glossary.TYPES else ""
    )
    return Hover(tokens.starts[at], tokens.ends[at], known) if known else None


def _entry_at(tree: ast.File, start: int) -> str | None:
    """The entry that begins at a character, in words."""
    for program in tree.items:
        if not isinstance(program, ast.Program):
            continue
        table: list[ast.Entry] = []
        tables = [table]
        for item in program.items:
            if isinstance(item, ast.Entry):
                table.append(item)
            elif isinstance(item, ast.Statement):
                table = []
                tables.append(table)
        for entries in tables:
            for number, entry in enumerate(entries, 1):
                if entry.span.start == start:
                    return "\n".join(entry_in_words(entry, number, len(entries)))
    return None


def _symbol(project: Project, path: Path, mention: Mention, symbol: Symbol) -> str:
    match symbol.kind:
        case "field":
            return glossary.field_meaning(symbol.name)
        case "builtin":
            return glossary.call_meaning(symbol.name)
        case "tag":
            return f"`f[{symbol.name}]: int`: a tag, which travels with the packet; 0 at first"
        case "port":
            return f"`{symbol.name}`: a port of the network"
        case "file":
            return _file(path, symbol.name)
        case _:
            definition = project.definition(symbol)
            if definition is None:
                return ""
            text = _declared(project, symbol, definition)
            where = "" if symbol.path == path else f"\n\nin {symbol.path.name}"
            return text + where


def _file(path: Path, name: str) -> str:
    target = beside(path, name.strip('"'))
    there = target is not None and target.is_file()
    return f"`{_plain(name)}`" + ("" if there else ": there is no such file")


def _declared(project: Project, symbol: Symbol, definition: Definition) -> str:
    node = definition.node
    match node:
        case ast.Variable():
            return _variable(project, symbol, node)
        case ast.Rule(value=rule):
            return f"`rule {symbol.name} = {_plain(print_rule(rule))}`: all of these tests"
        case ast.Ruleset(file=str() as file):
            return f"`ruleset {symbol.name}`: the rules of `{_plain(file)}`"
        case ast.Ruleset(rules=rules):
            count = len(rules or ())
            return f"`ruleset {symbol.name}`: any of {count} rule{'s' * (count != 1)}"
        case ast.Function(parameters=parameters) | ast.Property(parameters=parameters) if (
            definition.kind == "parameter"
        ):
            (own,) = [print_type(type_) for type_, name in parameters if name == symbol.name][:1]
            what = "for all values of it" if isinstance(node, ast.Property) else "a parameter"
            return f"`{own} {symbol.name}`: {what}"
        case ast.Function(body=body):
            return f"{_signature(node)}\n\n= `{_plain(print_expr(body))}`"
        case ast.Operator(parameters=parameters, result=result):
            types = ", ".join(print_type(type_) for type_ in parameters)
            text = f"`op {symbol.name}({types}) -> {print_type(result)}`"
            return f"{text}: a pure operator that you supply with `--ops`"
        case ast.Let():
            type_ = local_type(project, symbol.path, node)
            return f"`let {_typed(symbol.name, type_)}`: {value(node.value)}, as it is there"
        case ast.Choose():
            type_ = local_type(project, symbol.path, node)
            bounds = f"from {value(node.low)} to {value(node.high)}"
            return f"`choose {_typed(symbol.name, type_)}`: any that fits {bounds}"
        case ast.Program(items=items):
            return _program(symbol.name, items)
        case ast.Chain(paths=paths):
            routes = ", ".join(" -> ".join(map(print_chain_node, path)) for path in paths)
            return f"`chain {symbol.name} = {_plain(routes)}`"
        case ast.ChainNode(name=name):
            return f"`{symbol.name}`: an instance of `{name}`, with state of its own"
        case ast.Entry():
            tree = project.parsed(symbol.path).tree
            return (_entry_at(tree, node.span.start) if tree else None) or ""
        case ast.Property(expr=expr):
            return f"`property {symbol.name}`: `{_plain(print_expr(expr))}`"
        case _:
            return f"`{symbol.name}`: {definition.kind}"


def _variable(project: Project, symbol: Symbol, node: ast.Variable) -> str:
    text = f"```nfd\n{print_variable(node)[:500]}\n```\n"
    tree = project.parsed(symbol.path).tree
    inside: tuple[ast.Node, ...] = ()
    for item in tree.items if tree else ():
        if isinstance(item, ast.Program) and any(one is node for one in item.items):
            inside = item.items
    if not inside:
        return f"{text}configuration of all programs of the file: nothing assigns it"
    if symbol.name not in set(assigned_names(inside)):  # type: ignore[arg-type]
        return f"{text}configuration: nothing assigns it; a chain can set it"
    keyed = " for each value of these fields" if node.granularity else ""
    return f"{text}state{keyed}: the actions of its program assign it"


def _typed(name: str, type_: str) -> str:
    return f"{name}: {type_}" if type_ else name


def _signature(node: ast.Function) -> str:
    parameters = ", ".join(f"{print_type(type_)} {name}" for type_, name in node.parameters)
    return f"`func {node.name}({parameters}) -> {print_type(node.result)}`"


def _program(name: str, items: tuple[ast.Node, ...]) -> str:
    entries = [item for item in items if isinstance(item, ast.Entry)]
    state = [i for i in items if isinstance(i, ast.Variable)]
    lines = [f"`program {name}`: {_count(len(entries), 'entry', 'entries')}, "
             f"{_count(len(state), 'variable', 'variables')}"]  # fmt: skip
    lines += [f"- `{_plain(print_variable(variable))[:120]}`" for variable in state[:12]]
    return "\n".join(lines)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _plain(text: str) -> str:
    return text.replace("`", "'")[:400]
