"""parse ∘ print is the identity on trees; fmt is idempotent and loses neither tree nor comments."""

import random

from ast_strategies import files, properties, statements
from hypothesis import given, settings
from hypothesis import strategies as st

from nfverify.lang import ast
from nfverify.lang.elements import MAX_BLOCK_DEPTH, MAX_BLOCKS
from nfverify.lang.expressions import MAX_DEPTH
from nfverify.lang.faults import MAX_ERRORS
from nfverify.lang.formatter import format_text
from nfverify.lang.parser import parse
from nfverify.lang.printer import print_expr, print_file, print_statement
from nfverify.lang.render import render
from nfverify.lang.source import Diagnostic, ModelError, Source
from nfverify.lang.tokens import comments


def read(text: str) -> ast.File:
    return parse(Source("test", text))


@given(files)
@settings(max_examples=250)
def test_parse_print_is_the_identity(file: ast.File) -> None:
    text = print_file(file)
    assert read(text) == file
    assert print_file(read(text)) == text


@given(properties)
@settings(max_examples=250)
def test_expressions_print_and_parse(expr: ast.Expr) -> None:
    assert read(f"invariant {print_expr(expr)};").items == (ast.Invariant(expr),)


@given(statements)
def test_statements_print_and_parse(statement: ast.Statement) -> None:
    (program,) = read(f"program p {{ {print_statement(statement)} }}").items
    assert isinstance(program, ast.Program)
    assert program.items == (statement,)


DAMAGE = (*"{}()[]<>;:,.=+-*/%|&^\\!~?'\"#0 \n", "entry", "if", "::", "∪", "0x", "/*", "\0", "ç")


@given(files, st.lists(st.tuples(st.floats(0, 1), st.sampled_from(DAMAGE) | st.none()), max_size=4))
@settings(max_examples=300)
def test_damaged_text_is_read_or_refused(
    file: ast.File, damage: list[tuple[float, str | None]]
) -> None:
    """A sign more or less: a tree that prints and parses, or errors that have a place."""
    text = print_file(file)
    for where, sign in damage:
        at = int(where * len(text))
        text = text[:at] + (text[at + 3 :] if sign is None else sign + text[at:])
    errors: tuple[Diagnostic, ...] = ()
    try:
        tree = read(text)
    except ModelError as error:
        errors = error.diagnostics
    if errors:
        assert len(errors) <= MAX_ERRORS
        assert all(0 <= d.span.start <= d.span.end <= len(text) for d in errors)
        assert render(errors).startswith("test:")
    else:
        assert read(print_file(tree)) == tree
        assert read(format_text(Source("test", text))) == tree


def test_the_deepest_programs() -> None:
    """What the limits allow is read, printed and formatted without touching Python's."""
    blocks, terms = MAX_BLOCKS - 1, MAX_DEPTH - 2
    links = MAX_BLOCK_DEPTH - blocks - 1
    inner = f"x = {'a + ' * terms}a; if (a) {{}}{' else if (a) {}' * links}"
    for opening in ("if (a) {", "while (a) bound 2 {"):
        text = f"program p {{ entry {{ action_flow {{ {opening * (blocks - 1)}{inner}"
        text += "}" * (blocks - 1) + " } } }"
        tree = read(text)
        assert read(print_file(tree)) == tree
        assert read(format_text(Source("test", text))) == tree


COMMENTS = ("// a", "# b", "/* c */", "/* d\n   ** e */", "/***/", "//", "// {", "/* } */")


@given(files, st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_format_keeps_tree_and_comments(file: ast.File, chance: random.Random) -> None:
    text = _with_comments(print_file(file), chance)
    source = Source("test", text)
    formatted = format_text(source)
    assert read(formatted) == file
    assert format_text(Source("test", formatted)) == formatted
    assert _comments(formatted) == _comments(text)


def _comments(text: str) -> list[str]:
    source = Source("test", text)
    return sorted(" ".join(text[c.start : c.end].split()) for c in comments(source))


def _with_comments(text: str, chance: random.Random) -> str:
    """Comments at random places: between lines, behind them, and inside them."""
    lines: list[str] = []
    for line in text.split("\n"):
        above = range(chance.choice((0, 0, 0, 0, 1, 2)))
        lines += [" " * chance.randrange(6) + chance.choice(COMMENTS) for _ in above]
        if chance.random() < 0.1:
            lines.append("")
        if chance.random() < 0.2 and '"' not in line:
            at = line.find(chance.choice(" ,;={"))
            if at >= 0:
                line = f"{line[:at]} /* inside */ {line[at:]}" if line[at] != "=" else line
        if chance.random() < 0.2:
            line += " " + chance.choice(COMMENTS)
        lines.append(line)
    return "\n".join(lines)
