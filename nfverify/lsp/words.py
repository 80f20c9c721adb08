"""An entry in words: which packets it takes, and what it does with them."""

from __future__ import annotations

from collections.abc import Sequence

from nfverify.lang import ast
from nfverify.lang.phrases import print_expr, print_rule
from nfverify.lsp.glossary import BITS, FIELD_WORDS
from nfverify.packet.fields import FIELDS

MAX_LINES = 24
MAX_CODE = 120
_COMPARED = {
    "==": "is", "!=": "is not", "<": "is below", "<=": "is at most", ">": "is above",
    ">=": "is at least",
}  # fmt: skip


def entry_in_words(entry: ast.Entry, number: int, count: int) -> list[str]:
    """Lines of markdown about the entry that stands at `number` (from 1) of `count`."""
    name = f"Entry `{entry.name}`" if entry.name else "Entry"
    before = "" if number == 1 else "no entry above takes it"
    tests = [
        part
        for block in entry.blocks
        if isinstance(block, ast.MatchBlock) and block.condition is not None
        for part in _conjuncts(block.condition)
    ]
    lines = [f"**{name}**, {number} of {count}: takes a packet"]
    conditions = ([before] if before else []) + [condition(test) for test in tests]
    if not conditions:
        lines[0] += ", whatever it is."
    else:
        lines[0] += " if"
        lines += [f"- {text}" for text in conditions]
    statements = [s for b in entry.blocks if isinstance(b, ast.ActionBlock) for s in b.body]
    lines += ["", "and then, in this order,"]
    lines += [f"{i}. {text}" for i, text in enumerate(map(action, statements), 1)]
    if not any(_decides(s) for s in statements):
        lines.append(f"{len(statements) + 1}. forwards it")
    if len(lines) > MAX_LINES:
        lines = [*lines[:MAX_LINES], f"- … and {len(lines) - MAX_LINES} more"]
    return lines


def _conjuncts(test: ast.Expr) -> Sequence[ast.Expr]:
    return test.operands if isinstance(test, ast.Logical) and test.op == "&&" else (test,)


def condition(test: ast.Expr) -> str:
    """A condition as a clause."""
    match test:
        case ast.Binary(op="matches" | "mismatches" as op, left=left, right=right):
            what = "it" if left == ast.Name("f") else value(left)
            verb = "matches" if op == "matches" else "does not match"
            return f"{what} {verb} {value(right)}"
        case ast.Binary(op="in" | "not in" as op, left=left, right=right):
            return f"{value(left)} is {'not ' if op == 'not in' else ''}in {value(right)}"
        case ast.Binary(
            op="==" | "!=" as op, left=ast.FieldRef(name=name), right=ast.Number() as n
        ):
            if (name in BITS or name.startswith("flag_")) and n.value in (0, 1):
                return _bit(name, (n.value == 1) == (op == "=="))
            return f"{value(test.left)} {_COMPARED[op]} {value(n)}"
        case ast.Binary(op=op, left=left, right=right) if op in _COMPARED:
            return f"{value(left)} {_COMPARED[op]} {value(right)}"
        case ast.Logical(op="||" | "&&" as op, operands=operands):
            word = " or " if op == "||" else " and "
            return word.join(_within(operand) for operand in operands)
        case ast.Unary(op="!" | "~", operand=ast.Binary(op="in", left=left, right=right)):
            return f"{value(left)} is not in {value(right)}"
        case ast.Unary(op="!" | "~", operand=ast.Binary(op="matches", left=left, right=right)):
            return condition(ast.Binary("mismatches", left, right))
        case ast.Unary(op="!" | "~", operand=operand):
            return f"not: {condition(operand)}"
        case _:
            return f"{value(test)} holds"


def _within(test: ast.Expr) -> str:
    """A part of a longer condition, in parentheses if it has parts itself."""
    text = condition(test)
    return f"({text})" if isinstance(test, ast.Logical) else text


def _bit(name: str, yes: bool) -> str:
    if name not in BITS:
        return f"its {FIELD_WORDS[name]} is {'' if yes else 'not '}set"
    if name == "L4":
        return f"it {'has' if yes else 'lacks'} a whole TCP, UDP or ICMP header"
    what = {"IP4": "IPv4", "IP6": "IPv6", "FRAG": "a fragment"}.get(name, name)
    return f"it is {'' if yes else 'not '}{what}"


def value(expr: ast.Expr) -> str:
    """A value as a noun."""
    match expr:
        case ast.FieldRef(name=name, packet="f") if name in FIELD_WORDS:
            return f"its {FIELD_WORDS[name]}"
        case ast.FieldRef(name=name, packet="f") if name not in FIELDS and name not in BITS:
            return f"its tag `{name}`"
        case ast.Name(name="f"):
            return "its flow"
        case ast.Name(name="now"):
            return "the time"
        case ast.Call(name="reverse", args=(ast.Name(name="f"),)):
            return "its flow reversed"
        case ast.RuleLiteral():
            return f"`{_cut(print_rule(expr))}`"
        case ast.Index(index=ast.Number()):
            return code(expr)
        case ast.Index(base=base, index=index) if _mapped(base):
            return f"{value(base)} of {value(index)}"
        case ast.Number(value=number, unit=""):
            return str(number)
        case ast.TupleLiteral(items=items) if len(items) <= 4:
            return f"({', '.join(value(item) for item in items)})"
        case _:
            return code(expr)


def action(statement: ast.Statement) -> str:
    """What a statement does, as a verb phrase."""
    match statement:
        case ast.Pass():
            return "forwards it"
        case ast.Drop() | ast.Assign(value=ast.Keyword(name="DROP")):
            return "drops it"
        case ast.Resubmit() | ast.Assign(value=ast.Keyword(name="resubmit")):
            return "puts it through this program again"
        case ast.Assign(target=ast.FieldRef(name="output"), value=to):
            return _output(to)
        case ast.Assign(target=ast.FieldRef(name=name), value=given) if name in FIELD_WORDS:
            return f"sets its {FIELD_WORDS[name]} to {value(given)}"
        case ast.Assign(target=ast.FieldRef(name=name), value=given):
            return f"sets its tag `{name}` to {value(given)}"
        case ast.Assign(target=target, value=ast.Binary(left=left) as change) if left == target:
            return _changed(target, change)
        case ast.Assign(target=target, value=given):
            return f"sets {value(target)} to {value(given)}"
        case ast.Delete(target=ast.Index(base=base, index=index)):
            return f"forgets {value(index)} in {value(base)}"
        case ast.Delete(target=target):
            return f"forgets {value(target)}"
        case ast.Touch(target=target):
            return f"keeps {value(target)} from its time-out"
        case ast.Push(kind=kind):
            return f"puts a {kind} header in front of it"
        case ast.Pop(kind=kind):
            return f"takes its {kind} header off"
        case ast.Let(name=name, value=given):
            return f"calls {value(given)} `{name}`"
        case ast.Choose(name=name, low=low, high=high):
            return f"chooses `{name}` from {value(low)} to {value(high)}"
        case ast.If(condition=test, then=then, otherwise=otherwise):
            text = f"if {condition(test)}: {_block(then)}"
            return f"{text}; else: {_block(otherwise)}" if otherwise else text
        case ast.While(condition=test, bound=bound, body=body):
            return f"while {condition(test)}, at most {bound} times: {_block(body)}"
        case ast.ExprStatement():
            return "does nothing (an expression alone)"


def _changed(target: ast.Expr, change: ast.Binary) -> str:
    """x = x + 1, s = s | {a}."""
    what = value(target)
    match change:
        case ast.Binary(op="+" | "-" as op, right=right):
            return f"{'raises' if op == '+' else 'lowers'} {what} by {value(right)}"
        case ast.Binary(op="|", right=ast.SetLiteral(items=items)):
            return f"adds {', '.join(value(item) for item in items)} to {what}"
        case ast.Binary(op="\\", right=ast.SetLiteral(items=items)):
            return f"takes {', '.join(value(item) for item in items)} out of {what}"
        case _:
            return f"sets {what} to {code(change)}"


def _block(statements: Sequence[ast.Statement]) -> str:
    shown = [action(s) for s in statements[:4] if not isinstance(s, ast.If | ast.While)]
    more = len(statements) - len(shown)
    return ", ".join(shown + ([f"and {more} more"] if more else [])) or "nothing"


def _output(to: ast.Expr) -> str:
    match to:
        case ast.Call(name="timer", args=(delay,)):
            return f"takes it off the wire and gives it to this program again after {value(delay)}"
        case ast.Keyword(name="IFACE"):
            return "forwards it"
        case ast.SetLiteral(items=items):
            return f"sends copies of it to {', '.join(value(item) for item in items)}"
        case ast.Name(name="f"):
            return "forwards it"
        case _:
            return f"sends it to {value(to)}"


def _decides(statement: ast.Statement) -> bool:
    match statement:
        case ast.Pass() | ast.Drop() | ast.Resubmit():
            return True
        case ast.Assign(target=ast.FieldRef(name="output")) | ast.Assign(value=ast.Keyword()):
            return True
        case _:
            return False


def _mapped(base: ast.Expr) -> bool:
    while isinstance(base, ast.Index):
        base = base.base
    return isinstance(base, ast.Name) and base.name not in ("f", "f_dmy")


def code(expr: ast.Expr) -> str:
    """An expression as it is written."""
    return f"`{_cut(print_expr(expr))}`"


def _cut(text: str) -> str:
    text = text.replace("`", "'")
    return text if len(text) <= MAX_CODE else text[: MAX_CODE - 1] + "…"
