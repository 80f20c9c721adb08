"""The language server as an editor sees it: a real client, a process, its standard streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest
from editor import WAIT, Editor, play
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from nfverify.lsp.positions import Encoding, Lines
from nfverify.lsp.server import REQUEST_FAILED

SHARED = """\
rule LAN = sip:10.0.0.0/8;
int limit = 3;
func twice(int x) -> int = x * 2;
"""
MAIN = """\
import "shared.nfd";
program guard {
    ruleset BLOCK = load("block.csv");
    map<IP, int> hits;
    entry blocked {
        match_flow { f matches BLOCK }
        action_flow { drop; }
    }
    entry counted {
        match_flow { f matches LAN && f[TCP] == 1 }
        match_state { hits[f[sip]] < twice(limit) }
        action_state { hits[f[sip]] = hits[f[sip]] + 1; }
        action_flow { f[seen] = 1; pass; }
    }
    entry others { action_flow { f[seen] = 0; drop; } }
}
program reader {
    entry { match_flow { f[seen] == 1 } action_flow { pass; } }
    entry { action_flow { drop; } }
}
chain main = guard(limit = 4) -> reader;
"""
BLOCK = "sip,dport\n192.0.2.0/24,25\n"
LIMITED = MAIN.replace("(limit = 4)", "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files that belong together."""
    (tmp_path / "shared.nfd").write_text(SHARED)
    (tmp_path / "main.nfd").write_text(LIMITED)
    (tmp_path / "block.csv").write_text(BLOCK)
    return tmp_path


def at(text: str, word: str, number: int = 1, encoding: Encoding = "utf-16") -> lsp.Position:
    """Where a word stands the `number`th time, one character into it."""
    start = -1
    for _ in range(number):
        start = text.index(word, start + 1)
    return lsp.Position(*Lines(text, encoding).position(start + 1))


def texts(found: list[lsp.Diagnostic]) -> str:
    return "\n".join(d.message for d in found)


def apply(text: str, edits: list[lsp.TextEdit], encoding: Encoding = "utf-16") -> str:
    lines = Lines(text, encoding)
    places = [
        (lines.offset(e.range.start.line, e.range.start.character),
         lines.offset(e.range.end.line, e.range.end.character), e.new_text)
        for e in edits
    ]  # fmt: skip
    for start, end, new in sorted(places, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def test_errors_are_those_of_unsaved_text_also_in_imports_and_rulesets(
    folder: Path,
) -> None:
    async def scene(editor: Editor) -> None:
        editor.open("main.nfd")
        await editor.messages("main.nfd", lambda found: not found)
        editor.change("main.nfd", LIMITED.replace("hits[f[sip]] <", "hots[f[sip]] <"))
        found = await editor.messages("main.nfd", bool)
        assert texts(found).startswith("unknown name `hots`; did you mean `hits`?")
        assert found[0].range == lsp.Range(lsp.Position(10, 22), lsp.Position(10, 26))
        assert found[0].severity == lsp.DiagnosticSeverity.Error
        actions = await editor.client.text_document_code_action_async(
            lsp.CodeActionParams(
                editor.document("main.nfd"), found[0].range, lsp.CodeActionContext(found)
            )
        )
        (action,) = actions or ()
        assert isinstance(action, lsp.CodeAction)
        assert action.title == "Change `hots` to `hits`"
        assert action.edit is not None
        (edit,) = (action.edit.changes or {})[editor.uri("main.nfd")]
        assert (edit.range, edit.new_text) == (found[0].range, "hits")
        editor.change("main.nfd", LIMITED)
        await editor.messages("main.nfd", lambda found: not found)
        editor.open("shared.nfd", SHARED + "int limit = ;\n")
        assert "expected an expression" in texts(await editor.messages("shared.nfd", bool))
        editor.close("shared.nfd")  # what is unsaved is gone, and the disk counts again
        await editor.messages("shared.nfd", lambda found: not found)
        editor.open("block.csv", BLOCK + "192.0.2.9,http\n")
        found = await editor.messages("block.csv", bool)
        assert found[0].range.start.line == 2
        editor.change("block.csv", BLOCK)
        await editor.messages("block.csv", lambda found: not found)
        (folder / "shared.nfd").write_text(SHARED.replace("LAN", "WAN"))
        event = lsp.FileEvent(editor.uri("shared.nfd"), lsp.FileChangeType.Changed)
        editor.client.workspace_did_change_watched_files(lsp.DidChangeWatchedFilesParams([event]))
        assert "unknown rule `LAN`" in texts(await editor.messages("main.nfd", bool))
        editor.close("main.nfd")
        await editor.messages("main.nfd", lambda found: not found)

    play(folder, scene)


def test_what_only_a_solver_can_tell_comes_later(tmp_path: Path) -> None:
    text = (
        "program p {\n    entry { match_flow { f[ttl] < 9 } action_flow { drop; } }\n"
        "    entry { match_flow { f[ttl] < 5 } action_flow { pass; } }\n"
        "    entry { action_flow { pass; } }\n}\n"
    )
    (tmp_path / "p.nfd").write_text(text)

    async def scene(editor: Editor) -> None:
        editor.open("p.nfd")
        found = await editor.messages("p.nfd", bool)
        assert "no packet" in texts(found)
        assert found[0].range.start.line == 2
        assert list(found[0].tags or ()) == [lsp.DiagnosticTag.Unnecessary]

    play(tmp_path, scene)


def test_a_text_without_a_file_has_errors_too(tmp_path: Path) -> None:
    uri = "untitled:Untitled-1"
    text = 'import "a.nfd";\nprogram p { entry { action_flow { pas; } } }\n'

    async def scene(editor: Editor) -> None:
        document = lsp.TextDocumentItem(uri, "nfd", 0, text)
        editor.client.text_document_did_open(lsp.DidOpenTextDocumentParams(document))
        async with asyncio.timeout(WAIT), editor.news:
            await editor.news.wait_for(lambda: bool(editor.found.get(uri)))
        assert "there is no file 'a.nfd'" in texts(editor.found[uri])

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("word", "number", "expected"),
    [
        ("entry counted", 1, "- it matches `LAN`\n- it is TCP\n- `hits` of its source address is"),
        ("entry counted", 1, "1. raises `hits` of its source address by 1\n2. sets its tag `seen`"),
        ("hits", 2, "map<IP, int> hits;\n```\nstate: the actions of its program assign it"),
        ("sip", 1, "`f[sip]: IP`, 32 bits: source address of IPv4; 0 where that header is absent"),
        ("LAN", 1, "`rule LAN = sip:10.0.0.0/8`: all of these tests\n\nin shared.nfd"),
        ("limit", 1, "int limit = 3;\n```\nconfiguration"),
        ("twice", 1, "`func twice(int x) -> int`\n\n= `x * 2`"),
        ("seen", 1, "a tag, which travels with the packet"),
        ("guard", 2, "`program guard`: 3 entries, 1 variable"),
        ("drop", 1, "Drops the packet."),
        ("match_state", 1, "A condition of the entry"),
    ],
)
def test_hover_says_types_and_meanings(word: str, number: int, expected: str, folder: Path) -> None:
    """Without a process: the same function answers."""
    from nfverify.lsp.hover import hover
    from nfverify.lsp.project import Project

    project = Project([folder], {})
    lines = Lines(LIMITED, "utf-32")
    place = at(LIMITED, word, number, "utf-32")
    found = hover(project, folder / "main.nfd", lines.offset(place.line, place.character))
    assert found is not None
    assert expected in found.markdown


def test_definitions_references_and_names_across_files(folder: Path) -> None:
    async def scene(editor: Editor) -> None:
        client, document = editor.client, editor.document("main.nfd")
        editor.open("main.nfd")

        async def defined(word: str, number: int = 1) -> list[tuple[str, int]]:
            params = lsp.DefinitionParams(document, at(LIMITED, word, number))
            found = await client.text_document_definition_async(params)
            assert isinstance(found, list | tuple)
            return [
                (Path(place.uri).name, place.range.start.line)
                for place in found
                if isinstance(place, lsp.Location)
            ]

        assert await defined("LAN") == [("shared.nfd", 0)]
        assert await defined("twice") == [("shared.nfd", 2)]
        assert await defined("hits", 3) == [("main.nfd", 3)]
        assert await defined("guard", 2) == [("main.nfd", 1)]
        assert await defined("shared.nfd") == [("shared.nfd", 0)]
        assert await defined("block.csv") == [("block.csv", 0)]
        assert await defined("seen", 3) == [("main.nfd", 12), ("main.nfd", 14)]
        assert await defined("sip") == []
        context = lsp.ReferenceContext(include_declaration=True)
        place = at(LIMITED, "limit")
        params = lsp.ReferenceParams(context, document, place)
        found = await client.text_document_references_async(params)
        assert found is not None
        assert sorted(Path(one.uri).name for one in found) == ["main.nfd", "shared.nfd"]
        hover = await client.text_document_hover_async(lsp.HoverParams(document, place))
        assert hover is not None
        marks = await client.text_document_document_highlight_async(
            lsp.DocumentHighlightParams(document, at(LIMITED, "hits"))
        )
        assert marks is not None
        assert len(marks) == 4

    play(folder, scene)


def test_renaming_reaches_all_files_and_refuses_what_would_change_a_meaning(
    folder: Path,
) -> None:
    (folder / "other.nfd").write_text(
        'import "shared.nfd";\nprogram other { entry { match_flow { f matches LAN } action_flow '
        "{ pass; } } entry { action_flow { drop; } } }\n"
    )

    async def scene(editor: Editor) -> None:
        client, document = editor.client, editor.document("main.nfd")
        editor.open("main.nfd")

        async def rename(word: str, name: str, number: int = 1) -> dict[str, str]:
            """The texts of the files that the edits change, as they are then."""
            params = lsp.RenameParams(document, at(LIMITED, word, number), name)
            edit = await client.text_document_rename_async(params)
            assert edit is not None
            assert edit.changes is not None
            return {
                Path(uri).name: apply((folder / Path(uri).name).read_text(), list(edits))
                for uri, edits in edit.changes.items()
            }

        changed = await rename("LAN", "INSIDE")
        assert sorted(changed) == ["main.nfd", "other.nfd", "shared.nfd"]
        assert changed["shared.nfd"] == SHARED.replace("LAN", "INSIDE")
        assert changed["main.nfd"] == LIMITED.replace("LAN", "INSIDE")
        assert await rename("seen", "marked", 2) == {"main.nfd": LIMITED.replace("seen", "marked")}
        assert await rename("hits", "limits") == {"main.nfd": LIMITED.replace("hits", "limits")}
        for word, name, why in (
            ("hits", "limit", "is taken"),  # would hide the configuration that `counted` reads
            ("hits", "BLOCK", "is taken"),
            ("hits", "f", "is a word of the language"),
            ("hits", "9x", "a name is letters"),
            ("hits", "a b", "a name is letters"),
            ("seen", "sport", "is a header field"),
            ("sip", "source", "it is a header field"),
            ("twice", "hash", "is built in"),
        ):
            with pytest.raises(JsonRpcException, match=why):
                await rename(word, name)
        with pytest.raises(JsonRpcException, match="it is a header field"):
            await client.text_document_prepare_rename_async(
                lsp.PrepareRenameParams(document, at(LIMITED, "sip"))
            )
        editor.change("main.nfd", LIMITED.replace("pass;", "pass"[:-1] + ";;x = ;"))
        with pytest.raises(JsonRpcException, match="has errors"):
            await rename("LAN", "INSIDE")

    play(folder, scene)


def test_format_outline_colours_and_completion(folder: Path) -> None:
    async def scene(editor: Editor) -> None:
        client, document = editor.client, editor.document("main.nfd")
        untidy = LIMITED.replace("    entry blocked", "entry   blocked")
        editor.open("main.nfd", untidy)
        options = lsp.FormattingOptions(tab_size=4, insert_spaces=True)
        params = lsp.DocumentFormattingParams(document, options)
        edits = await client.text_document_formatting_async(params)
        assert edits is not None
        tidy = apply(untidy, list(edits))
        editor.change("main.nfd", tidy)
        assert list(await client.text_document_formatting_async(params) or ()) == []
        editor.change("main.nfd", tidy + "}")
        assert await client.text_document_formatting_async(params) is None
        editor.change("main.nfd", LIMITED)

        outline = await client.text_document_document_symbol_async(
            lsp.DocumentSymbolParams(document)
        )
        assert outline is not None
        assert [item.name for item in outline] == ["guard", "reader", "main"]
        guard = outline[0]
        assert isinstance(guard, lsp.DocumentSymbol)
        inside = [child.name for child in guard.children or ()]
        assert inside == ["BLOCK", "hits", "entry blocked", "entry counted", "entry others"]

        tokens = await client.text_document_semantic_tokens_full_async(
            lsp.SemanticTokensParams(document)
        )
        assert tokens is not None
        assert len(tokens.data) % 5 == 0
        assert len(tokens.data) > 300

        async def proposed(text: str) -> list[str]:
            editor.change("main.nfd", text)
            place = lsp.Position(*Lines(text).position(len(text)))
            found = await client.text_document_completion_async(
                lsp.CompletionParams(document, place)
            )
            assert isinstance(found, lsp.CompletionList)
            return [item.label for item in found.items]

        head = LIMITED[: LIMITED.index("drop;")]
        assert {"sip", "seen", "output"} <= set(await proposed(head + "f["))
        names = await proposed(head)
        assert {"hits", "BLOCK", "LAN", "twice", "hash", "drop"} <= set(names)
        assert await proposed('import "') == ["shared.nfd"]
        assert await proposed('ruleset A = load("') == ["block.csv"]
        assert await proposed("// no words in a comm") == []

    play(folder, scene)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_columns_are_counted_as_the_editor_counts_them(encoding: Encoding, tmp_path: Path) -> None:
    comment = "/* 😀 \u2028 é */"
    text = f"program p {{ int hits;\n{comment} entry {{ action_state {{ hits = hits + 1; }} }} }}\n"

    async def scene(editor: Editor) -> None:
        (tmp_path / "p.nfd").write_text(text)
        editor.open("p.nfd")
        params = lsp.RenameParams(
            editor.document("p.nfd"), at(text, "hits", 3, encoding), "counted"
        )
        edit = await editor.client.text_document_rename_async(params)
        assert edit is not None
        assert edit.changes is not None
        (edits,) = edit.changes.values()
        assert apply(text, list(edits), encoding) == text.replace("hits", "counted")

    play(tmp_path, scene, [encoding])


HOSTILE = (
    "",
    "\0\x1b[2J\r\r\n\ud800\U0010ffff",
    "program p {" * 3000,
    "{" * 100_000,
    "program p { entry { match_flow { " + "(" * 5000 + "1" + ")" * 5000 + " } } }",
    "program p { entry { match_flow { " + "!" * 5000 + "true } } }",
    "program p { int " + "x" * 100_000 + " = 1; }",
    'import "../../../../etc/passwd";\nimport "' + "a/" * 3000 + '.nfd";',
    "program \u202e { }",
    "/*" + "*" * 50_000,
    '"' * 20_000,
    "program p { " + "if (true) { " * 500 + "}" * 500 + " }",
    "chain a = b;\nchain b = a;\n" + "chain c = " + "a -> " * 3000 + "a;",
    "program p {\n" + "    int x;\n" * 5000 + "}",
    'import "self.nfd";\nprogram p { ruleset R = load("/dev/zero"); }',
    "// \u2028\u0085\x0b\x0c\r" * 1000,
)


def test_no_text_harms_the_server(tmp_path: Path) -> None:
    good = "program p {\n    entry { action_flow { pas; } }\n}\n"

    async def scene(editor: Editor) -> None:
        client, document = editor.client, editor.document("self.nfd")
        editor.open("self.nfd", "")
        codes = {REQUEST_FAILED}
        for text in HOSTILE:
            editor.change("self.nfd", text)
            for place in (
                lsp.Position(0, 0),
                lsp.Position(0, 40),
                lsp.Position(1, 2**31 - 1),
                lsp.Position(2**31 - 1, 0),
            ):
                asked: list[Awaitable[object]] = [
                    client.text_document_hover_async(lsp.HoverParams(document, place)),
                    client.text_document_definition_async(lsp.DefinitionParams(document, place)),
                    client.text_document_completion_async(lsp.CompletionParams(document, place)),
                    client.text_document_rename_async(lsp.RenameParams(document, place, "x")),
                ]
                for answer in asked:
                    try:
                        await answer
                    except JsonRpcException as error:
                        codes.add(error.code)
            await client.text_document_document_symbol_async(lsp.DocumentSymbolParams(document))
            await client.text_document_semantic_tokens_full_async(
                lsp.SemanticTokensParams(document)
            )
            options = lsp.FormattingOptions(tab_size=4, insert_spaces=True)
            await client.text_document_formatting_async(
                lsp.DocumentFormattingParams(document, options)
            )
        assert codes == {REQUEST_FAILED}
        editor.change("self.nfd", good)
        await editor.messages("self.nfd", lambda found: "`pas`" in texts(found))

    play(tmp_path, scene)
