"""Where the names of a model stand: what each declares or mentions, and in which scope."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Literal

from nfverify.lang import ast
from nfverify.lang.expressions import RESERVED
from nfverify.lang.parser import Parsed
from nfverify.lang.source import Span
from nfverify.packet.fields import FIELDS, FLOW_FIELDS, PROTOCOL_BITS
from nfverify.smat.ruleset import PROTOCOLS

Kind = Literal[
    "program", "chain", "instance", "variable", "rule", "ruleset", "port", "operator", "function",
    "tag", "field", "local", "parameter", "entry", "property", "file", "builtin",
]  # fmt: skip
Space = Literal["value", "call", "nf", "override", "exit", "packet", "port", "own", "file"]
"""Where a name is looked up: values and functions of the scope, NFs, an NF's configuration or
ports, the packet, ports alone, nowhere else (`own`: it is a declaration), the folder."""

Role = Literal["declaration", "write", "read"]
SPECIAL = frozenset({*RESERVED, "now", "dropped", "output"})
HEADER = frozenset({*FIELDS, *PROTOCOL_BITS, "output"})


@dataclass(frozen=True, slots=True)
class Definition:
    """A declared name: `start..end` is the name itself; visible from character `since` on."""

    kind: Kind
    name: str
    start: int
    end: int
    node: ast.Node
    since: int = -1


@dataclass(slots=True)
class Scope:
    """Names that are visible between two characters; 0 is the file's own scope."""

    parent: int
    start: int
    end: int
    owner: str = ""  # the program, chain or function
    names: dict[str, list[Definition]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in the text."""

    start: int
    end: int
    name: str
    space: Space
    scope: int
    role: Role
    node: ast.Node
    of: str = ""  # for override and exit: the NF


@dataclass(frozen=True, slots=True)
class Names:
    """All names of one file, in the order of the text."""

    mentions: tuple[Mention, ...]
    scopes: tuple[Scope, ...]
    imports: tuple[str, ...]

    def at(self, offset: int) -> Mention | None:
        """The mention that holds a character or ends there."""
        after = bisect_left(self.mentions, offset + 1, key=lambda m: m.start)
        for mention in reversed(self.mentions[max(0, after - 2) : after]):
            if mention.start <= offset <= mention.end:
                return mention
        return None

    def local(self, mention: Mention, kinds: frozenset[Kind]) -> Definition | None:
        """What a name of this file stands for, as far as the file itself says."""
        at = mention.scope
        while at >= 0:
            scope = self.scopes[at]
            found = [
                d
                for d in scope.names.get(mention.name, ())
                if d.kind in kinds and d.since <= mention.start
            ]
            if found:
                return found[-1] if found[-1].since >= 0 else found[0]
            at = scope.parent
        return None


def names_of(parsed: Parsed) -> Names:
    """The names of a file that could be read at least in part."""
    if parsed.tree is None or parsed.tokens is None:
        return Names((), (Scope(-1, 0, 0),), ())
    reader = _Reader(parsed)
    reader.file(parsed.tree)
    mentions = sorted(reader.mentions, key=lambda m: (m.start, m.end))
    unique = [m for i, m in enumerate(mentions) if i == 0 or m.start != mentions[i - 1].start]
    return Names(tuple(unique), tuple(reader.scopes), tuple(reader.imports))


_PARTS = {
    name: tuple([f.name for f in fields(kind) if f.name != "span"])
    for name, kind in vars(ast).items()
    if isinstance(kind, type) and issubclass(kind, ast.Node)
}


def parts(node: object) -> Iterator[ast.Node]:
    """The nodes directly below a node, in the order of its fields."""
    if isinstance(node, ast.Node):
        for name in _PARTS[type(node).__name__]:
            yield from _nodes(getattr(node, name))


def _nodes(value: object) -> Iterator[ast.Node]:
    if isinstance(value, ast.Node):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _nodes(item)


class _Reader:
    """Walks a tree beside its tokens: the tree knows what a name is, the tokens where it is."""

    def __init__(self, parsed: Parsed) -> None:
        assert parsed.tokens is not None
        self.tokens = parsed.tokens
        self.mentions: list[Mention] = []
        self.scopes: list[Scope] = [Scope(-1, 0, len(parsed.tokens.source.text))]
        self.imports: list[str] = []

    # Places -----------------------------------------------------------------------------

    def _token(self, start: int) -> int:
        """The first token that begins at a character or after it."""
        return min(bisect_left(self.tokens.starts, start), len(self.tokens.texts) - 1)

    def _mention(
        self, at: int, space: Space, scope: int, role: Role, node: ast.Node, of: str = ""
    ) -> None:
        tokens = self.tokens
        self.mentions.append(
            Mention(
                tokens.starts[at], tokens.ends[at], tokens.texts[at], space, scope, role, node, of
            )
        )

    def _declare(self, at: int, kind: Kind, scope: int, node: ast.Node, since: int = -1) -> None:
        tokens = self.tokens
        name = tokens.texts[at]
        found = Definition(kind, name, tokens.starts[at], tokens.ends[at], node, since)
        self.scopes[scope].names.setdefault(name, []).append(found)
        space: Space = "port" if kind == "port" else "packet" if kind == "tag" else "own"
        self._mention(at, space, scope, "declaration", node)

    def _inner(self, scope: int, span: Span, owner: str = "") -> int:
        self.scopes.append(Scope(scope, span.start, span.end, owner))
        return len(self.scopes) - 1

    # Declarations -----------------------------------------------------------------------

    def file(self, tree: ast.File) -> None:
        for item in tree.items:
            first = self._token(item.span.start)
            match item:
                case ast.Import():
                    self.imports.append(item.file)
                    self._mention(first + 1, "file", 0, "read", item)
                case ast.Program():
                    self._declare(first + 1, "program", 0, item)
                    inner = self._inner(0, item.span, item.name)
                    for part in item.items:
                        self._item(part, inner)
                case ast.Chain():
                    self._declare(first + 1, "chain", 0, item)
                    self._chain(item, self._inner(0, item.span, item.name))
                case _:
                    self._item(item, 0)

    def _item(self, item: ast.Node, scope: int) -> None:
        """A declaration, entry or statement, at the top of a file or in a program."""
        first = self._token(item.span.start)
        match item:
            case ast.Variable():
                at = self._token(item.type.span.end)
                self._declare(at, "variable", scope, item)
                for offset in range(len(item.granularity)):
                    self._mention(at + 2 + 2 * offset, "packet", scope, "read", item)
                self._children(item, scope)
            case ast.Rule():
                self._declare(first + 1, "rule", scope, item)
                self._children(item, scope)
            case ast.Ruleset():
                self._declare(first + 1, "ruleset", scope, item)
                if item.file is not None:
                    self._mention(first + 5, "file", scope, "read", item)
                self._children(item, scope)
            case ast.Interfaces(names=names):
                for number in range(len(names)):
                    self._declare(first + 1 + 2 * number, "port", scope, item)
            case ast.Tag(names=names):
                for number in range(len(names)):
                    self._declare(first + 1 + 2 * number, "tag", scope, item)
            case ast.Operator():
                self._declare(first + 1, "operator", scope, item)
            case ast.Function():
                self._declare(first + 1, "function", scope, item)
                inner = self._inner(scope, item.span, item.name)
                for type_, _ in item.parameters:
                    self._declare(self._token(type_.span.end), "parameter", inner, item)
                self._walk(item.body, inner)
            case ast.Entry():
                if item.name is not None:
                    self._declare(first + 1, "entry", self._inner(scope, item.span), item)
                inner = self._inner(scope, item.span)
                for block in item.blocks:
                    self._children(block, scope if isinstance(block, ast.MatchBlock) else inner)
            case ast.Init() | ast.Every():
                self._children(item, self._inner(scope, item.span))
            case ast.Property():
                inner = self._inner(scope, item.span)
                self._declare(first + 1, "property", inner, item)
                for type_, _ in item.parameters:
                    self._declare(self._token(type_.span.end), "parameter", inner, item)
                self._walk(item.expr, inner)
            case ast.ReadyMade():
                self._mention(first + 1, "call", scope, "read", item)
                self._children(item, scope)
            case _:
                self._walk(item, scope)

    def _chain(self, chain: ast.Chain, scope: int) -> None:
        for path in chain.paths:
            for node in path:
                at = self._token(node.span.start)
                self._mention(at, "nf", scope, "read", node)
                self._chain_node(node, scope, at, path[-1].span.end)

    def _chain_node(self, node: ast.ChainNode, scope: int, first: int, since: int) -> None:
        """The names of a mention; the instance that it names is one for the paths from `since`."""
        tokens = self.tokens
        depth, at = 0, first + 1
        while tokens.starts[at] < node.span.end and at < len(tokens.texts) - 1:
            text = tokens.texts[at]
            if text in ("(", "[", "{"):
                depth += 1
            elif text in (")", "]", "}"):
                depth -= 1
            elif depth == 1 and tokens[at] == "w" and tokens.texts[at + 1] in ("=", ":="):
                self._mention(at, "override", scope, "read", node, node.name)
            elif depth == 0 and text == "as":
                self._declare(at + 1, "instance", scope, node, since)
                at += 1
            elif depth == 0 and text == "." and tokens[at + 1] == "w":
                self._mention(at + 1, "exit", scope, "read", node, node.name)
                at += 1
            at += 1
        for _, value in node.overrides:
            self._walk(value, 0)

    # Statements and expressions ---------------------------------------------------------

    def _children(self, node: ast.Node, scope: int) -> None:
        for part in parts(node):
            self._walk(part, scope)

    def _walk(self, node: ast.Node, scope: int, role: Role = "read") -> None:
        first = self._token(node.span.start)
        match node:
            case ast.Name(name=name):
                if name not in SPECIAL:
                    self._mention(first, "value", scope, role, node)
            case ast.FieldRef(packet=packet):
                self._mention(first + (3 if packet == "f'" else 2), "packet", scope, role, node)
            case ast.Index(base=base, index=index):
                self._walk(base, scope, role)
                if isinstance(index, ast.Name) and index.name in FLOW_FIELDS:
                    space: Space = "packet" if self._is_flow(base, scope) else "value"
                    self._mention(self._token(index.span.start), space, scope, "read", index)
                else:
                    self._walk(index, scope)
            case ast.Call(args=args):
                self._mention(first, "call", scope, "read", node)
                for arg in args:
                    if node.name == "load" and isinstance(arg, ast.String):
                        at = self._token(arg.span.start)
                        self._mention(at, "file", scope, "read", arg)
                    self._walk(arg, scope)
            case ast.RuleField(name=name, value=value):
                if name in HEADER:
                    self._mention(first, "packet", scope, "read", node)
                if isinstance(value, ast.Name) and not (
                    name == "proto" and value.name.lower() in PROTOCOLS
                ):
                    where: Space = "port" if name == "iface" else "value"
                    self._mention(self._token(value.span.start), where, scope, "read", value)
            case ast.Assign(target=target, value=value):
                self._walk(target, scope, "write")
                self._walk(value, scope)
            case ast.Delete(target=target) | ast.Touch(target=target):
                self._walk(target, scope, "write")
            case ast.Let(value=value):
                self._walk(value, scope)
                self._declare(first + 1, "local", scope, node, node.span.end)
            case ast.Choose():
                self._walk(node.low, scope)
                self._walk(node.high, scope)
                self._declare(first + 1, "local", scope, node, node.high.span.end)
                if node.where is not None:
                    self._walk(node.where, scope)
            case ast.If():
                self._walk(node.condition, scope)
                for body in (node.then, node.otherwise):
                    inner = self._inner(scope, node.span)
                    for statement in body:
                        self._walk(statement, inner)
            case ast.While():
                self._walk(node.condition, scope)
                inner = self._inner(scope, node.span)
                for statement in node.body:
                    self._walk(statement, inner)
            case ast.Number() | ast.String() | ast.Keyword() | ast.Boolean():
                pass
            case _:
                self._children(node, scope)

    def _is_flow(self, base: ast.Node, scope: int) -> bool:
        """Is `base[sip]` a part of a flow, and not a map at a variable called sip?"""
        levels = 0
        while isinstance(base, ast.Index):
            base, levels = base.base, levels + 1
        match base:
            case ast.Name(name="f"):
                return True
            case ast.Call(name="reverse" | "NAT"):
                return levels == 0
            case ast.Name(name=name):
                found = self._visible(name, scope)
                if isinstance(found, ast.Let):
                    return self._is_flow(found.value, scope) if found.name != name else levels == 0
                type_ = found.type if isinstance(found, ast.Variable) else None
                if isinstance(found, ast.Variable) and found.granularity:
                    levels -= 1
                while levels > 0 and isinstance(type_, ast.MapType):
                    type_, levels = type_.value, levels - 1
                return levels <= 0 and type_ == ast.NamedType("flow")
            case _:
                return False

    def _visible(self, name: str, scope: int) -> ast.Node | None:
        while scope >= 0:
            if found := self.scopes[scope].names.get(name):
                return found[-1].node
            scope = self.scopes[scope].parent
        return None
