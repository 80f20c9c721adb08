"""The TextMate grammar of the editors: it agrees with the parser on what each word is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from textmate import tokenise

from nfverify.lang.parser import parse_partly
from nfverify.lang.source import Source
from nfverify.lang.tokens import comments
from nfverify.lsp import glossary
from nfverify.lsp.names import HEADER
from nfverify.lsp.project import Project
from nfverify.smat.ready import READY

ROOT = Path(__file__).resolve().parents[2]
EDITOR = ROOT / "editors" / "vscode"
GRAMMAR = json.loads((EDITOR / "syntaxes" / "nfd.tmLanguage.json").read_text())
MODELS = sorted(
    path
    for folder in (
        "models",
        "examples",
        *(["tests/pairs"] if os.environ.get("NFVERIFY_SEEK") else []),
    )
    for path in (ROOT / folder).rglob("*.nfd")
)
_OF_KIND = {"n": "constant.numeric", "4": "constant.numeric.address.ipv4",
            "6": "constant.numeric.address.ipv6", "m": "constant.numeric.address.mac",
            "s": "string.quoted"}  # fmt: skip
_OF_SYMBOL = {
    "program": "entity.name.type", "chain": "entity.name.type", "entry": "entity.name.section",
    "rule": "entity.name.constant.rule", "ruleset": "entity.name.constant.ruleset",
    "function": "entity.name.function", "operator": "entity.name.function",
    "property": "entity.name.function", "variable": "variable.other.declaration",
    "local": "variable.other.local", "parameter": "variable.parameter",
    "port": "variable.other.constant.port", "tag": "variable.other.member.tag",
    "instance": "entity.name.type.instance",
}  # fmt: skip


def scopes_of(text: str) -> tuple[list[tuple[str, ...]], int]:
    """The scopes of each character."""
    lines, depth = tokenise(GRAMMAR, text)
    found: list[tuple[str, ...]] = []
    for line, tokens in zip(text.split("\n"), lines, strict=True):
        row: list[tuple[str, ...]] = [()] * (len(line) + 1)
        for start, end, scopes in tokens:
            row[start:end] = [scopes] * (end - start)
        found += row
    return found, depth


def disagreements(path: Path, text: str) -> list[str]:
    """Words that the grammar takes for something else than the parser does."""
    scopes, depth = scopes_of(text)
    parsed = parse_partly(Source(str(path), text))
    assert parsed.tokens is not None
    project = Project([], {path: text})
    wrong = [] if depth == 1 else [f"{depth - 1} rules are open at the end"]

    def expect(start: int, end: int, wanted: str) -> None:
        for at in range(start, end):
            if not any(scope.startswith(wanted) for scope in scopes[at]):
                line = text.count("\n", 0, start) + 1
                wrong.append(f"{line}: {text[start:end]!r} should be {wanted}: {scopes[at]}")
                return

    for comment in comments(parsed.tokens.source):
        lines = text[comment.start : comment.end].split("\n")
        at = comment.start
        for one in lines:
            expect(at, at + len(one.rstrip()), "comment")
            at += len(one) + 1
    tokens = parsed.tokens
    for kind, start, end in zip(tokens, tokens.starts, tokens.ends, strict=True):
        if any(scope.startswith("comment") for scope in scopes[start] if start < end):
            wrong.append(f"{text[start:end]!r} is no comment")
        if kind in _OF_KIND:
            expect(start, end, _OF_KIND[kind])
    for mention in project.names(path).mentions:
        symbol = project.resolve(path, mention)
        if symbol is None:
            continue
        if symbol.kind == "field":
            expect(mention.start, mention.end, "support.type.property-name.field")
        elif symbol.kind == "tag":
            expect(mention.start, mention.end, "variable.other.member.tag")
        elif symbol.kind == "builtin":
            expect(mention.start, mention.end, "support.function")
        elif mention.role == "declaration":
            expect(mention.start, mention.end, _OF_SYMBOL[symbol.kind])
    return wrong


@pytest.mark.parametrize("path", MODELS, ids=lambda path: str(path.relative_to(ROOT)))
def test_grammar_and_parser_agree_on_every_word(path: Path) -> None:
    assert disagreements(path, path.read_text()) == []


ALL = """\
nfd 1;
import "other.nfd";
op scan(bytes, int) -> bool;
func twice(int x, bit<4> y) -> int = x * 2;
tag one, two;
ruleset ACL = {(sip:10.0.0.0/8, iface:in, action:drop), proto:tcp};
program p {
    iface in, out;
    rule LAN = sip:10.0.0.0/8, dport:80-90;
    (IP, int) pair = (10.0.0.1, 3);
    int port = 8;
    bit<8> b = 0xff;
    int hits<sip, dip> = 0;
    set<(IP, port)> seen timeout 30s max 10 evict oldest;
    map<IP, map<IP, int>> pairs max 5 reject;
    init { f_dmy[one] = 1; f_dmy[output] = timer(10ms); }
    every 10ms { port = port + 1; }
    property never: f[sip] == 10.0.0.1 && m'[f'[dip]] > 0 -> dropped || output == 1;
    invariant port >= 0;
    entry first {
        match_flow { f ∈ seen ∧ ¬(f[dip] ⊏ 10.0.0.0/8) && f[sip6] == 2001:db8::1 }
        match_state { not (f[sip] in pairs[f[dip]]) or reverse(f)[sip] mismatches LAN }
        action_state {
            let x = hash(f[sip], 3) % 16;
            choose y in 1..9 where y > 2;
            if (x == 1) { pairs[f[sip]][f[dip]] = port << 2; } else { delete seen[f]; }
            while (port > 0) bound 16 { port--; }
            touch seen[f];
            push vxlan(10.0.0.1, 10.0.0.2, 7); pop vlan;
        }
        action_flow { f[smac] = aa:bb:cc:dd:ee:ff; f[output] := {in, out}; f[dip] = DROP; }
    }
    if (f[TCP] == 1) { pass; } else { drop; }
    resubmit;
}
chain main = p(port = 3).out -> q as last, p -> r;
"""


def test_every_construct_has_its_scope() -> None:
    scopes, depth = scopes_of(ALL)
    assert depth == 1
    assert disagreements(Path("/nowhere/all.nfd"), ALL) == []
    for word, wanted in (
        ("nfd", "keyword.other.version"), ("import", "keyword.control.import"),
        ("op ", "keyword.declaration.op"), ("func", "keyword.declaration.func"),
        ("tag", "keyword.declaration.tag"), ("ruleset", "keyword.declaration.ruleset"),
        ("program", "keyword.declaration.program"), ("iface in", "keyword.declaration.iface"),
        ("rule LAN", "keyword.declaration.rule"), ("init", "keyword.declaration.init"),
        ("every", "keyword.declaration.every"), ("property", "keyword.declaration.property"),
        ("invariant", "keyword.declaration.invariant"), ("entry", "keyword.declaration.entry"),
        ("match_flow", "keyword.control.match"), ("action_state", "keyword.control.action"),
        ("let", "keyword.declaration.let"), ("choose", "keyword.control.choose"),
        ("where", "keyword.control.where"), ("if (", "keyword.control.flow"),
        ("else", "keyword.control.flow"), ("while", "keyword.control.flow"),
        ("bound", "keyword.control.flow"), ("delete", "keyword.control.state"),
        ("touch", "keyword.control.state"), ("push", "keyword.control.header"),
        ("pop ", "keyword.control.header"), ("pass", "keyword.control.output"),
        ("drop;", "keyword.control.output"), ("resubmit", "keyword.control.output"),
        ("chain", "keyword.declaration.chain"), ("timeout", "storage.modifier"),
        ("DROP", "constant.language.output"), ("∈", "keyword.operator.word"),
        ("¬", "keyword.operator.logical"), ("dropped", "variable.language"),
        ("mismatches", "keyword.operator.word"), ("int port", "storage.type"),
        ("IP, int) pair", "storage.type"), ("as last", "keyword.other.as"),
    ):  # fmt: skip
        at = re.search(rf"(?<!\w){re.escape(word)}", ALL)
        assert at is not None, word
        assert any(scope.startswith(wanted) for scope in scopes[at.start()]), (
            word, scopes[at.start()]
        )  # fmt: skip
    port = ALL.index("port = port + 1")
    assert scopes[port][-1] == "variable.other.nfd"  # a name here, though it is a type elsewhere


def test_the_grammar_knows_every_word_of_the_language() -> None:
    text = json.dumps(GRAMMAR, ensure_ascii=False)
    for word in (*glossary.keywords(), *glossary.types(), *HEADER, *glossary.CALLS, *READY):
        whole = word in ("match_flow", "match_state", "action_flow", "action_state")
        wanted = word.split("_")[1] if whole else word
        assert re.search(rf"(?<![a-z]){wanted}(?![a-z])", text), word


def test_the_extension_is_whole() -> None:
    package = json.loads((EDITOR / "package.json").read_text())
    (language,) = package["contributes"]["languages"]
    (grammar,) = package["contributes"]["grammars"]
    assert language["id"] == grammar["language"] == "nfd"
    assert grammar["scopeName"] == GRAMMAR["scopeName"]
    for file in (package["main"], language["configuration"], grammar["path"]):
        assert (EDITOR / file).is_file()
    json.loads((EDITOR / language["configuration"]).read_text())
    kinds = {rule["name"] for rule in _named(GRAMMAR)}
    assert all(name.endswith(".nfd") for name in kinds)
    assert len(kinds) > 80


def _named(rule: object) -> list[dict[str, str]]:
    if isinstance(rule, list):
        return [one for item in rule for one in _named(item)]
    if not isinstance(rule, dict):
        return []
    below = [one for key, item in rule.items() if key != "name" for one in _named(item)]
    return below + ([rule] if "name" in rule and rule["name"] != "NFD" else [])


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_extension_starts_the_server(tmp_path: Path) -> None:
    """In node, with a stand-in for the editor and for the client of the protocol."""
    script = tmp_path / "test.js"
    script.write_text(
        """
const Module = require('module'), load = Module._load, said = [];
class LanguageClient {
  constructor(id, name, server, client) { said.push([id, name, server, client]); }
  start() { said.push('start'); return Promise.resolve(); }
  stop() { said.push('stop'); return Promise.resolve(); }
  dispose() {}
}
const settings = {get: (name, other) => ({command: ['nfverify', '--no-color']}[name] ?? other)};
const vscode = {
  workspace: {getConfiguration: () => settings, createFileSystemWatcher: p => p},
  commands: {registerCommand: (name, run) => { said.push(name); return {dispose() {}, run}; }},
  window: {showErrorMessage: text => said.push(text)},
};
Module._load = (name, ...more) => name === 'vscode' ? vscode :
  name === 'vscode-languageclient/node' ? {LanguageClient, TransportKind: {stdio: 0}} :
  load(name, ...more);
const extension = require(process.argv[2]);
(async () => {
  await extension.activate({subscriptions: []});
  await extension.deactivate();
  console.log(JSON.stringify(said));
})();
"""
    )
    main = EDITOR / json.loads((EDITOR / "package.json").read_text())["main"]
    ended = subprocess.run(
        ["node", script, main], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    said = json.loads(ended.stdout)
    (made,) = [one for one in said if isinstance(one, list)]
    assert made[2]["command"] == "nfverify"
    assert made[2]["args"] == ["--no-color", "lsp", "--stdio"]
    assert {one["language"] for one in made[3]["documentSelector"]} == {"nfd", "csv"}
    assert [one for one in said if one in ("start", "stop")] == ["start", "stop"]
