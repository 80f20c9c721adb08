"""Diagnostics as text: the line, the marks under the span, what would be right."""

from nfverify.lang.render import MAX_WIDTH, render, render_diagnostic
from nfverify.lang.source import BUILTIN, Diagnostic, Source, Span


def show(text: str, start: int, end: int, hint: str = "") -> list[str]:
    span = Span(Source("m.nfd", text), start, end)
    return render_diagnostic(Diagnostic("error", "syntax", "wrong", span, hint)).split("\n")


def test_line_and_marks() -> None:
    assert show("program p {\n  itn x;\n}\n", 14, 17, "try `int`") == [
        "m.nfd:2:3: error: wrong",
        "2 |   itn x;",
        "  |   ^^^",
        "  = help: try `int`",
    ]


def test_empty_span_and_end_of_text() -> None:
    assert show("x = 1", 5, 5)[1:] == ["1 | x = 1", "  |      ^"]
    assert show("x\n", 2, 2) == ["m.nfd:2:1: error: wrong", "2 |", "  | ^"]


def test_span_of_several_lines_is_marked_to_the_end_of_the_first() -> None:
    assert show("ab (\n c )", 3, 9)[1:] == ["1 | ab (", "  |    ^"]


def test_tabs_and_wide_characters() -> None:
    assert show("\tx = y;", 5, 6)[1:] == ["1 |     x = y;", "  |         ^"]
    assert show('"漢字" x', 5, 6)[1:] == ['1 | "漢字" x', "  |        ^"]
    assert show("e\u0301 x", 3, 4)[2] == "  |   ^"


def test_long_lines_are_cut_around_the_span() -> None:
    head, line, marks = show("a" * 500 + " here " + "b" * 500, 501, 505)
    assert head == "m.nfd:1:502: error: wrong"
    assert len(line) <= MAX_WIDTH + 6
    at = marks.index("^")
    assert line[at : at + 4] == "here"
    assert line.startswith("1 | …")
    assert line.endswith("…")


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    line = show("x = \x1b[31m\u202e;", 4, 5)[1]
    assert "\x1b" not in line
    assert "\u202e" not in line


def test_places_without_a_text() -> None:
    nowhere = Diagnostic("warning", "w", "odd", Span(BUILTIN, 0, 0))
    missing = Diagnostic("error", "file", "no such file", Span(Source("m.nfd", ""), 0, 0))
    assert render([nowhere, missing]) == "warning: odd\nm.nfd:1:1: error: no such file\n"
