"""The text of types, expressions, rules and short declarations, which layout puts into lines."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import assert_never

from nfverify.lang import ast
from nfverify.lang.expressions import (
    ARROW,
    COMPARE,
    INFIX,
    OPEN,
    OR,
    SHIFT,
    TERNARY,
    TIGHT,
)
from nfverify.lang.heads import BLOCKS, DECLARATIONS, STATEMENTS
from nfverify.lang.types import TYPE_WORDS

WIDTH = 100
INDENT = "    "
_HEADS = frozenset({*DECLARATIONS, *STATEMENTS, *TYPE_WORDS, *BLOCKS, "entry", "else"})
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0", '"': '\\"', "\\": "\\\\"}
_HEX = frozenset("0123456789abcdefABCDEF")


# Types ------------------------------------------------------------------------------------


def print_type(type_: ast.Type) -> str:
    """bit<8>, map<IP, int>, (IP, port), …"""
    match type_:
        case ast.NamedType(name):
            return name
        case ast.BitType(width):
            return f"bit<{width}>"
        case ast.SetType(element):
            return f"set<{print_type(element)}>"
        case ast.MapType(key, value):
            return f"map<{print_type(key)}, {print_type(value)}>"
        case ast.TupleType(items):
            return f"({', '.join(map(print_type, items))})"
    assert_never(type_)


# Expressions ------------------------------------------------------------------------------


def print_expr(expr: ast.Expr, minimum: int = OPEN) -> str:
    """The text of an expression, in parentheses if it binds looser than `minimum`."""
    text, precedence = _print(expr)
    return f"({text})" if precedence < minimum else text


def _print(expr: ast.Expr) -> tuple[str, int]:
    """The text and its precedence; what needs no parentheses anywhere has TIGHT + 1."""
    match expr:
        case ast.Unary(op, operand):
            text = print_expr(operand, TIGHT)
            return (f"{op}({text})" if op == text[0] == "-" else op + text), TIGHT
        case ast.Binary(op, left, right):
            precedence = _precedence(op)
            before = print_expr(left, precedence + (precedence == COMPARE))
            return f"{before} {op} {print_expr(right, precedence + 1)}", precedence
        case ast.Logical("->", operands):
            *first, last = operands
            parts = [print_expr(o, ARROW + 1) for o in first] + [print_expr(last, ARROW)]
            return " -> ".join(parts), ARROW
        case ast.Logical(op, operands):
            precedence = _precedence(op)
            return f" {op} ".join(print_expr(o, precedence + 1) for o in operands), precedence
        case ast.Conditional(condition, then, otherwise):
            test = print_expr(condition, OR)
            return f"{test} ? {print_expr(then)} : {print_expr(otherwise, TERNARY)}", TERNARY
        case _:
            return _print_atom(expr), TIGHT + 1


def _precedence(op: str) -> int:
    match op:
        case "not in":
            return COMPARE
        case ">>":
            return SHIFT
        case _:
            return INFIX[op][1]


def _print_atom(
    expr: ast.Number | ast.Boolean | ast.Address4 | ast.Address6 | ast.MacAddress | ast.String
    | ast.Name | ast.FieldRef | ast.Index | ast.SetLiteral | ast.MapLiteral | ast.TupleLiteral
    | ast.RuleLiteral | ast.Call | ast.Keyword,
) -> str:  # fmt: skip
    match expr:
        case ast.Number(value, unit, hexadecimal):
            return hex(value) if hexadecimal else f"{value}{unit}"
        case ast.Boolean(value):
            return "true" if value else "false"
        case ast.Address4() | ast.Address6():
            return _address(expr)
        case ast.MacAddress(value):
            return value.to_bytes(6, "big").hex(":")
        case ast.String(value):
            return print_string(value)
        case ast.Name(name, primed):
            return name + "'" * primed
        case ast.FieldRef(name, packet):
            return f"{packet}[{name}]"
        case ast.Index(base, index):
            inner = print_expr(index)
            # f[x] is a field; the component x of the flow is f[(x)].
            if isinstance(base, ast.Name) and base.name in ("f", "f_dmy"):
                inner = f"({inner})" if _is_word(inner) else inner
            return f"{print_expr(base, TIGHT + 1)}[{inner}]"
        case ast.SetLiteral(items):
            return f"{{{', '.join(map(print_expr, items))}}}"
        case ast.MapLiteral(pairs):
            return f"{{{', '.join(print_pair(key, value) for key, value in pairs)}}}"
        case ast.TupleLiteral(items):
            return f"({', '.join(map(print_expr, items))})"
        case ast.RuleLiteral():
            return f"({print_rule(expr)})"
        case ast.Call(name, args):
            return f"{name}({', '.join(map(print_expr, args))})"
        case ast.Keyword(keyword):
            return keyword
    assert_never(expr)


def _is_word(text: str) -> bool:
    return text.replace("_", "w").isalnum() and not text[0].isdigit()


def print_pair(key: ast.Expr, value: ast.Expr) -> str:
    """key: value; an IPv6 key that ends in colons is kept apart."""
    text = print_expr(key)
    return f"{text}{' ' * text.endswith(':')}: {print_expr(value)}"


def print_rule(rule: ast.RuleLiteral) -> str:
    """sip:10.0.0.0/8, dport:80-90"""
    return ", ".join(map(_rule_field, rule.fields))


def _rule_field(field: ast.RuleField) -> str:
    match field.value:
        case ast.Wildcard():
            value = "*"
        case ast.Range(low, high):
            value = f"{low}-{high}"
        case _ as other:
            value = _print_atom(other)
    # `ab:1::2` would be read as one IPv6 address.
    return f"{field.name}:{' ' * _HEX.issuperset(field.name)}{value}"


def _address(address: ast.Address4 | ast.Address6) -> str:
    kind = IPv4Address if isinstance(address, ast.Address4) else IPv6Address
    text = str(kind(address.value))
    return text if address.length is None else f"{text}/{address.length}"


def print_string(value: str) -> str:
    """A string in double quotes; lone surrogates stand for bytes and are written so."""
    return '"' + "".join(map(_character, value)) + '"'


def _character(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x20 or code == 0x7F else char


# Pieces of declarations and statements ----------------------------------------------------


def print_simple(statement: ast.Assign | ast.ExprStatement) -> str:
    """An assignment or bare expression. One that would begin like something else is bracketed."""
    match statement:
        case ast.Assign(target, value):
            text = print_expr(target)
            if isinstance(target, ast.Call) and target.name in _HEADS:
                text = f"({text})"
            return f"{text} = {print_expr(value)};"
        case ast.ExprStatement(expr):
            text = print_expr(expr)
            word = text[
                : next((i for i, c in enumerate(text) if not c.isalnum() and c != "_"), None)
            ]
            return f"({text});" if word in _HEADS or text.startswith("(") else f"{text};"
    assert_never(statement)


def print_variable(variable: ast.Variable) -> str:
    """int hits<sip, dip> = 0;  map<IP, int> seen timeout 30s max 100 evict oldest;"""
    parts = [print_type(variable.type), variable.name]
    if variable.granularity:
        parts[-1] += f"<{', '.join(variable.granularity)}>"
    if variable.value is not None:
        parts.append(f"= {print_expr(variable.value)}")
    if variable.timeout is not None:
        parts.append(f"timeout {print_expr(variable.timeout)}")
    if variable.capacity is not None:
        parts.append(f"max {variable.capacity}")
    if variable.overflow is not None:
        parts.append(variable.overflow)
    return " ".join(parts) + ";"


def print_chain_node(node: ast.ChainNode) -> str:
    """nat(pub = 203.0.113.7).out as n"""
    text = node.name
    if node.overrides:
        text += f"({', '.join(f'{name} = {print_expr(value)}' for name, value in node.overrides)})"
    if node.port is not None:
        text += f".{node.port}"
    return text if node.alias is None else f"{text} as {node.alias}"
