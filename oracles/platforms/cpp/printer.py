"""The generated code printed as C++ (or as the C of another compiler), function by function."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import assert_never

from nfverify.cythonized.compiler import RUNTIME
from nfverify.oracles.platforms.cpp.lines import (
    INDENT,
    assignment,
    joined,
    laid_out,
    parameter,
    split,
    without_comment,
)
from nfverify.oracles.platforms.cpp.notation import (
    Binary,
    Call,
    CastTo,
    Conditional,
    Expression,
    Index,
    Member,
    Name,
    NotationError,
    Number,
    Unary,
    deep,
    parse,
)

_SIGNATURE = re.compile(
    r"cdef (?P<public>public )?(?P<inline>inline )?(?P<result>(?:const )?\w+\**) (?P<name>\w+)"
    r'(?: "(?P<c>\w+)")?\((?P<parameters>[^()]*)\) noexcept nogil:',
    re.ASCII,
)
_DECLARED = re.compile(
    r"cdef (?P<type>(?:const )?\w+\**) (?P<rest>[A-Za-z_].*)", re.ASCII | re.DOTALL
)
_VARIABLE = re.compile(r"(?P<name>\w+)(?:\[(?P<length>\d+)\])?(?: = (?P<value>.*))?", re.DOTALL)
_FOR = re.compile(r"for (?P<name>\w+) in range\((?P<range>.*)\):", re.DOTALL)
_OPERATORS = {"and": "&&", "or": "||"}
_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is written in front of functions: exported ones, those to be inlined, the others; and
    the null pointer, and the type of truth."""

    exported: str = 'extern "C" '
    inlined: str = "NF_INL "
    internal: str = "static "
    null: str = "nullptr"
    truth: str = "bool"


CPP = Dialect()


@dataclass(frozen=True, slots=True)
class Type:
    """`name`, behind `depth` pointers or arrays."""

    name: str
    depth: int

    @staticmethod
    def of(text: str) -> Type:
        plain = text.removeprefix("const ")
        return Type(plain.rstrip("*"), plain.count("*"))

    def inner(self) -> Type:
        return Type(self.name, self.depth - 1)


_UNKNOWN = Type("", 0)


@dataclass(slots=True)
class Printer:
    """Prints whole generated texts. `structs` are the members of the structs it knows."""

    dialect: Dialect = CPP
    structs: dict[str, dict[str, Type]] = field(default_factory=dict)
    results: dict[str, Type] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # functions that C calls otherwise
    scope: dict[str, Type] = field(default_factory=dict)

    # Texts ----------------------------------------------------------------------------------

    def text(self, generated: str) -> str:
        """The functions of a generated module, behind declarations of those called before."""
        self._learn((RUNTIME / "nf.pxd").read_text(encoding="utf-8"))
        lines = joined(generated.split("\n"))
        self._learn(generated)
        for line in lines:
            if match := _SIGNATURE.fullmatch(line):
                self.results[match["name"]] = Type.of(match["result"])
                self.names[match["name"]] = match["c"] or match["name"]
        found: list[str] = []
        at = next((i for i, line in enumerate(lines) if line[:1] not in ("", "#")), 0)
        while at < len(lines):
            line = lines[at]
            at += 1
            if line.startswith("cdef extern") or line.startswith("from "):
                while at < len(lines) and (lines[at].startswith(" ") or not lines[at]):
                    at += 1
            elif match := _SIGNATURE.fullmatch(line):
                body = []
                while at < len(lines) and (lines[at].startswith(INDENT) or not lines[at]):
                    body.append(lines[at])
                    at += 1
                while body and not body[-1]:
                    body.pop()
                found += [*self.function(match, body), ""]
            elif line.startswith("#"):
                found += [f"// {line.lstrip('# ')}", ""]
            elif line:
                raise NotationError(f"between functions: {line!r}")
        return "\n".join([*self._forward(lines), *found]).rstrip() + "\n"

    def _learn(self, text: str) -> None:
        """The structs that a text declares."""
        members: dict[str, Type] | None = None
        for line in text.split("\n"):
            if match := re.fullmatch(r"\s+ctypedef struct (\w+):", line):
                members = self.structs.setdefault(match[1], {})
            elif members is not None and (
                match := re.fullmatch(r"\s{8}((?:const )?\w+\**) (\w+)(?:\[\d+\])?", line)
            ):
                array = line.rstrip().endswith("]")
                of = Type.of(match[1])
                members[match[2]] = Type(of.name, of.depth + array)
            else:
                members = None
                if match := re.fullmatch(
                    r"\s{4}((?:const )?\w+\**) (\w+)\(.*\)(?: noexcept)?", line
                ):
                    self.results[match[2]] = Type.of(match[1])

    def _forward(self, lines: list[str]) -> list[str]:
        """Declarations of functions that are called before they stand in the text."""
        defined: set[str] = set()
        wanted: dict[str, str] = {}
        signatures = {m["name"]: m for line in lines if (m := _SIGNATURE.fullmatch(line))}
        for line in lines:
            if match := _SIGNATURE.fullmatch(line):
                defined.add(match["name"])
                continue
            for name in re.findall(r"\b(\w+)\(", line):
                if name in signatures and name not in defined and not signatures[name]["public"]:
                    wanted.setdefault(name, f"{self.head(signatures[name])};")
        return [*wanted.values(), ""] if wanted else []

    # Functions ------------------------------------------------------------------------------

    def head(self, match: re.Match[str]) -> str:
        """A function's signature."""
        dialect = self.dialect
        front = dialect.internal
        if match["public"]:
            front = dialect.exported
        elif match["c"]:  # the header declares it, with its linkage
            front = ""
        elif match["inline"]:
            front = dialect.inlined
        parameters = ", ".join(
            self.typed(*parameter(p)) for p in match["parameters"].split(", ") if p
        )
        name = self.names[match["name"]]
        return f"{front}{self.typed(match['result'], name)}({parameters or 'void'})"

    def function(self, match: re.Match[str], body: list[str]) -> list[str]:
        """A whole function, from its lines in the generated text."""
        self.scope = {}
        for part in match["parameters"].split(", "):
            if part:
                text, name = parameter(part)
                self.scope[name] = Type.of(text)
        whole = "\n".join(without_comment(line)[0] for line in body)
        lines = [*laid_out("", self.head(match)), "{"]
        stack: list[int] = []
        for number, line in enumerate(body):
            if not line:
                continue
            depth = (len(line) - len(line.lstrip())) // len(INDENT)
            text, comment = without_comment(line.strip())
            continues = text.startswith(("elif ", "else:"))
            while stack and stack[-1] >= depth:
                stack.pop()
                if not (continues and (not stack or stack[-1] < depth)):
                    lines.append(INDENT * (len(stack) + 1) + "}")
            pad = INDENT * depth
            if not text:
                lines.append(f"{pad}// {comment}")
                continue
            if text.startswith("cdef "):
                lines += [pad + declared for declared in self.declaration(text, whole, comment)]
                continue
            printed = self.statement(text, body[number + 1 :], depth)
            if printed:
                lines += laid_out(pad, printed, comment)
            if text.endswith(":"):
                stack.append(depth)
        while stack:
            stack.pop()
            lines.append(INDENT * (len(stack) + 1) + "}")
        return [*lines, "}"]

    def declaration(self, text: str, whole: str, comment: str) -> list[str]:
        """Variables; one that nothing uses is left out."""
        match = _DECLARED.fullmatch(text)
        if match is None:
            raise NotationError(text)
        lines = []
        tail = f"  // {comment}" if comment else ""
        for part in split(match["rest"]):
            variable = _VARIABLE.fullmatch(part)
            if variable is None:
                raise NotationError(text)
            of = Type.of(match["type"])
            name, length, value = variable["name"], variable["length"], variable["value"]
            self.scope[name] = Type(of.name, of.depth + (length is not None))
            uses = len(re.findall(rf"(?<![.\w]){name}\b", whole))
            if uses < 2 and (value is None or "(" not in value):
                continue
            brackets = f"[{length}]" if length else ""
            initial = f" = {self.expression(value)}" if value else ""
            lines.append(f"{self.typed(match['type'], name)}{brackets}{initial};{tail}")
            tail = ""
        return lines

    def statement(self, text: str, after: list[str], depth: int) -> str:
        """One statement, or the head of a block."""
        if text == "pass":
            return ""
        if text in ("break", "continue", "return"):
            return f"{text};"
        if text == "else:":
            return "} else {"
        for word, head in (("if", "if"), ("elif", "} else if"), ("while", "while")):
            if text.startswith(f"{word} ") and text.endswith(":"):
                test = text[len(word) + 1 : -1]
                return f"{head} ({'true' if test == 'True' else self.expression(test)}) {{"
        if match := _FOR.fullmatch(text):
            return self._for(match, after, depth)
        if text.startswith("return "):
            return f"return {self.expression(text[7:])};"
        if assigned := assignment(text):
            target, op, value = assigned
            return f"{self.expression(target)} {op} {self.expression(value)};"
        return f"{self.expression(text)};"

    def _for(self, match: re.Match[str], after: list[str], depth: int) -> str:
        ends = split(match["range"])
        first, end = ("0", ends[0]) if len(ends) == 1 else ends
        name = match["name"]
        inside = []
        for line in after:
            if line and not line.startswith(INDENT * (depth + 1)):
                break
            inside.append(line.strip())
        for line in inside:  # C evaluates the bound in each round, Cython once
            assigned = assignment(without_comment(line)[0])
            if assigned and assigned[0] in {name, *re.findall(r"\w+", end)}:
                raise NotationError(f"{line!r} changes the bound of {match[0]!r}")
        bound = self.inside(parse(end), "<")
        return f"for ({name} = {self.expression(first)}; {name} < {bound}; {name}++) {{"

    # Expressions ----------------------------------------------------------------------------

    def expression(self, text: str) -> str:
        """An expression, without brackets around it."""
        with deep():
            return self.shown(parse(text))

    def shown(self, node: Expression) -> str:
        match node:
            case Name(text=text):
                if text == "NULL":
                    return self.dialect.null
                return self.names.get(text, text)
            case Number(text=text):
                return text
            case Call(function=Name(text="sizeof"), arguments=(of,)):
                return f"sizeof({self.shown(of)})"
            case Call(function=function, arguments=arguments):
                return f"{self.base(function)}({', '.join(map(self.shown, arguments))})"
            case Index(base=base, at=at):
                return f"{self.base(base)}[{self.shown(at)}]"
            case Member(base=base, name=name):
                arrow = "->" if self.type(base).depth else "."
                return f"{self.base(base)}{arrow}{name}"
            case Unary(op=op, operand=operand):
                return ("!" if op == "not" else op) + self.tight(operand)
            case CastTo(type=type_, operand=operand):
                while isinstance(operand, CastTo) and operand.type == type_:
                    operand = operand.operand
                return f"({self.typed(type_)}){self.tight(operand)}"
            case Conditional(test=test, then=then, otherwise=otherwise):
                parts = [self.inside(part, "?") for part in (test, then, otherwise)]
                return f"{parts[0]} ? {parts[1]} : {parts[2]}"
            case Binary(op=op, left=left, right=right):
                op = _OPERATORS.get(op, op)
                second = self.inside(right, op, right=True)
                return f"{self.inside(left, op)} {op} {second}"
            case _:
                assert_never(node)

    def typed(self, type_: str, name: str = "") -> str:
        """A type and a name as C writes them: `u8 *frame`."""
        text = type_.rstrip("*")
        stars = "*" * (len(type_) - len(text))
        text = re.sub(r"\bbint\b", self.dialect.truth, text)
        return f"{text} {stars}{name}".rstrip()

    def base(self, node: Expression) -> str:
        """As what is called, indexed, or has a member."""
        text = self.shown(node)
        return text if isinstance(node, Name | Call | Index | Member) else f"({text})"

    def tight(self, node: Expression) -> str:
        """As the operand of what binds closest."""
        text = self.shown(node)
        loose = isinstance(node, Binary | Conditional)
        return f"({text})" if loose else text

    def inside(self, node: Expression, op: str, *, right: bool = False) -> str:
        """As an operand, in brackets unless that is plain to see."""
        text = self.shown(node)
        if isinstance(node, Conditional):
            return f"({text})"
        if isinstance(node, Binary):
            inner = _OPERATORS.get(node.op, node.op)
            same = inner == op and op in ("&&", "||", "|", "&", "^", "+", "*") and not right
            compared = op in ("&&", "||", "?") and inner in _COMPARISONS
            if not same and not compared:
                return f"({text})"
        return text

    def type(self, node: Expression) -> Type:
        """What an expression points to; nothing where that isn't known."""
        match node:
            case Name(text=text):
                return self.scope.get(text, _UNKNOWN)
            case Call(function=Name(text=text)):
                return self.results.get(text, _UNKNOWN)
            case Index(base=base):
                return self.type(base).inner()
            case Member(base=base, name=name):
                return self.structs.get(self.type(base).name, {}).get(name, _UNKNOWN)
            case Unary(op="&", operand=operand):
                of = self.type(operand)
                return Type(of.name, of.depth + 1)
            case CastTo(type=type_):
                return Type.of(type_)
            case Binary(op="+" | "-", left=left):
                return self.type(left)
            case Conditional(then=then):
                return self.type(then)
            case Number() | Call() | Unary() | Binary():
                return _UNKNOWN
            case _:
                assert_never(node)
