"""What others wrote reaches every format, and is obeyed in none."""

import json
import re
from html.parser import HTMLParser
from unicodedata import category
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt
from some_results import HOSTILE, some_results

from nfverify.lang.visible import HIDDEN
from nfverify.report import escape
from nfverify.report.render import FORMATS, render

BAD = some_results(HOSTILE)
COMMAND = re.compile(r"^\s*::\s*[a-z-]+(\s.*)?::|##(vso)?\[", re.MULTILINE)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_hidden_and_everything_is_utf8(name: str) -> None:
    text = render(name, BAD)
    text.encode()
    assert {c for c in text if category(c) in HIDDEN or c == "\ufffe"} == {"\n"}
    assert "x1b[31m" in text or "x1b%5B31m" in text or "u001b[31m" in text  # and nothing is lost


@pytest.mark.parametrize("name", ["text", "json", "junit", "markdown", "sarif"])
def test_no_line_is_a_command_of_a_build_server(name: str) -> None:
    lines = render(name, BAD)
    if name in ("json", "sarif", "junit", "markdown"):  # files: what counts is how lines begin
        assert not [line for line in lines.splitlines() if line.lstrip().startswith("::")]
    else:
        assert COMMAND.findall(lines) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error::x", r"\x3a:error::x"),
        ("a\n  ::set-output name=x::y", "a\n  \\x3a:set-output name=x::y"),
        ("##[debug]x", r"#\x23[debug]x"),
        ("##vso[task.complete]x", r"#\x23vso[task.complete]x"),
        ("::1 → ::2", "::1 → ::2"),  # addresses
        ("fe80::1 → ff02::1", "fe80::1 → ff02::1"),
        ("a\tb\r\n\x1b[2J", "a\\tb\\r\n\\x1b[2J"),
        ("é ∈ ∪ 日本 ü", "é ∈ ∪ 日本 ü"),
    ],
)
def test_several_lines(text: str, shown: str) -> None:
    assert escape.several_lines(text) == shown


class Page(HTMLParser):
    """Tags and attributes of a page, and the texts of its scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_html_holds_no_element_or_link_of_others() -> None:
    plain, bad = Page(), Page()
    plain.feed(render("html", some_results()))
    bad.feed(render("html", BAD))
    assert [tag for tag, _ in bad.tags] == [tag for tag, _ in plain.tags]
    for tag, attributes in bad.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert "src" not in attributes
        link = attributes.get("href")
        if link is not None:
            assert tag == "a"
            assert re.fullmatch(r"#[a-z0-9-]+|data:application/vnd\.tcpdump\.pcap;base64,.+", link)
            name = attributes.get("download", "x.pcap")
            assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{,90}\.pcap|x.pcap", name or "")


def test_markdown_holds_no_markup_of_others() -> None:
    reader = MarkdownIt("commonmark").enable("table")
    trees = [reader.parse(render("markdown", results)) for results in (some_results(), BAD)]
    plain, bad = ([t.type for t in tree] for tree in trees)
    assert bad == plain  # headings, tables, lists: the same blocks
    for token in trees[1]:
        for child in token.children or ():
            assert child.type in ("text", "code_inline", "html_inline") or child.type in (
                "strong_open", "strong_close", "em_open", "em_close",
            ), child  # fmt: skip
            if child.type == "html_inline":
                assert child.content == "<!-- -->"
            if child.type == "text":  # nobody is mentioned, nothing is linked
                assert not re.search(r"@\w|#\w|https?:|www\.", child.content)


def test_xml_keeps_what_was_written() -> None:
    tree = ElementTree.fromstring(render("junit", BAD))
    shown = escape.one_line(HOSTILE)
    assert shown in tree.attrib["name"]
    names = [case.attrib["name"] for case in tree.iter("testcase")]
    assert f"nat{shown}" in names


def test_sarif_messages_have_no_links_and_no_placeholders() -> None:
    (run,) = json.loads(render("sarif", BAD))["runs"]
    for result in run["results"]:
        text = result["message"]["text"]
        assert "](" not in text
        assert not re.search(r"(?<!\{)\{(\{\{)*[0-9]+\}", text)


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("models/a b.nfd", "models/a%20b.nfd"),
        ("./x/../y.nfd", "y.nfd"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("/etc/x\udc80", "file:///etc/x%80"),
        ("a\x00\ud800\n", "a%00%5Cud800%0A"),
        ("//host/share", "file:////host/share"),
    ],
)
def test_paths_in_sarif(path: str, uri: str) -> None:
    assert escape.uri(path) == uri


@pytest.mark.parametrize(
    ("text", "name"), [("../../etc/x", "x"), ("", "unnamed"), ("..", "unnamed"), ("a/b\n.", "b-.")]
)
def test_names_of_files(text: str, name: str) -> None:
    assert escape.file_name(text) == name


@pytest.mark.parametrize("text", ["", "`", "``", " ` ", "a`b``c", " x ", "|", "a\nb", "\\|"])
def test_code_in_markdown_is_what_it_was(text: str) -> None:
    reader = MarkdownIt("commonmark").enable("table")
    tree = reader.parse(f"| x |\n| - |\n| {escape.markdown_code(text)} |\n")
    cell = next(t for t in tree[10:] if t.type == "inline")
    (code,) = [child.content for child in cell.children or () if child.type == "code_inline"]
    assert code.strip() == escape.one_line(text).strip()


PROSE = [
    "*a*", "[a](b)", "<b>", "- x", "1. x", "2) x", "# x", "~~~", "a  ", "&amp;", "---", "===",
    "    x", "10.0.0.1", "-1", "=", "_a_", "$x$", "\\*",
]  # fmt: skip


@pytest.mark.parametrize("text", PROSE)
def test_prose_in_markdown_is_what_it_was(text: str) -> None:
    tree = MarkdownIt("commonmark").enable("strikethrough").parse(escape.markdown(text))
    assert [t.type for t in tree] == ["paragraph_open", "inline", "paragraph_close"]
    texts = [child.content for child in tree[1].children or () if child.type != "html_inline"]
    assert "".join(texts) == text.strip()
