"""Names and renaming over the library, without a process."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfverify.lsp.names import Mention
from nfverify.lsp.positions import Encoding, Lines
from nfverify.lsp.project import Project, Symbol
from nfverify.lsp.rename import Refused, applied, rename
from nfverify.lsp.words import entry_in_words
from nfverify.smat.load import load_text

LIBRARY = Path(__file__).resolve().parents[2] / "models"
MODELS = sorted(path.stem for path in LIBRARY.glob("*.nfd"))


def opened(name: str) -> tuple[Project, Path]:
    path = LIBRARY / f"{name}.nfd"
    return Project([], {path: path.read_text()}), path


def symbols(project: Project, path: Path) -> dict[Symbol, Mention]:
    """What the names of a file stand for, in the order of the text."""
    found: dict[Symbol, Mention] = {}
    for mention in project.names(path).mentions:
        symbol = project.resolve(path, mention)
        assert symbol is not None, mention
        found.setdefault(symbol, mention)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_each_name_of_the_library_stands_for_something(name: str) -> None:
    project, path = opened(name)
    text = path.read_text()
    for symbol, mention in symbols(project, path).items():
        assert text[mention.start : mention.end] == symbol.name


@pytest.mark.parametrize("name", ["napt", "rate-limiter", "maglev", "super-spreader", "vxlan"])
def test_a_name_renamed_and_renamed_back_leaves_the_text_and_the_meaning(
    name: str, tmp_path: Path
) -> None:
    text = (LIBRARY / f"{name}.nfd").read_text()
    path = tmp_path / "model.nfd"
    project = Project([tmp_path], {path: text})
    before = load_text(text)
    for symbol in symbols(project, path):
        if symbol.kind in ("field", "builtin", "file", "operator"):
            with pytest.raises(Refused):
                rename(project, symbol, "zebra")
            continue
        texts = applied(project, rename(project, symbol, "zebra"))
        assert texts[path].count("zebra") >= 1
        after = Project([tmp_path], texts)
        again = Symbol(symbol.kind, "zebra", symbol.path, symbol.start)
        moved = [s for s in symbols(after, path) if (s.kind, s.name) == (again.kind, "zebra")]
        assert applied(after, rename(after, moved[0], symbol.name)) == {path: text}
        network = load_text(texts[path])
        assert repr(network).replace("zebra", symbol.name) == repr(before)


@pytest.mark.parametrize("name", MODELS)
def test_each_entry_of_the_library_has_words(name: str) -> None:
    from nfverify.lang import ast

    project, path = opened(name)
    tree = project.parsed(path).tree
    assert tree is not None
    for program in tree.items:
        entries = [e for e in getattr(program, "items", ()) if isinstance(e, ast.Entry)]
        for number, entry in enumerate(entries, 1):
            lines = entry_in_words(entry, number, len(entries))
            assert len(lines) >= 4
            assert all(line.count("`") % 2 == 0 for line in lines)


SHADOWS = """\
int x = 1;
program p {
    int y = 2;
    map<IP, int> m;
    entry {
        match_flow { f[ttl] > x }
        action_state { let x = y; m[f[sip]] = x; }
    }
    entry { action_state { m[f[dip]] = x; let y = x; let z = y; m[f[sip]] = z + y; } }
}
program q { int x = 5; entry { match_flow { f[ttl] == x } action_flow { drop; } } }
"""


def test_scopes_hide_what_stands_around_them() -> None:
    path = Path("/nowhere/p.nfd")
    project = Project([], {path: SHADOWS})
    homes: dict[str, list[int]] = {}
    for mention in project.names(path).mentions:
        symbol = project.resolve(path, mention)
        if symbol is not None and symbol.name in ("x", "y"):
            line = SHADOWS.count("\n", 0, symbol.start) + 1
            homes.setdefault(symbol.name, []).append(line)
    assert homes["x"] == [1, 1, 7, 7, 1, 1, 11, 11]
    assert homes["y"] == [3, 3, 9, 9, 9]


def test_parts_of_flows_are_fields_and_keys_are_names() -> None:
    path = Path("/nowhere/p.nfd")
    text = (
        "program p { IP sip = 10.0.0.1; map<IP, int> m; map<int, flow> g; entry { action_state { "
        "m[sip] = 1; let h = reverse(f); m[h[sip]] = 2; m[g[3][sip]] = 3; } } }\n"
    )
    project = Project([], {path: text})
    kinds = [
        symbol.kind
        for mention in project.names(path).mentions
        if mention.name == "sip" and (symbol := project.resolve(path, mention))
    ]
    assert kinds == ["variable", "variable", "field", "field"]


def test_locals_and_parameters_have_types() -> None:
    from nfverify.lsp.hover import hover

    path = Path("/nowhere/p.nfd")
    text = (
        "func g(bit<4> y) -> int = y + 1;\nprogram p { int n; entry { action_state { "
        "let h = reverse(f); let s = f[size]; choose c in 1..9 where c > s; n = c; "
        "let z = (f[sip], s); } } }\n"
    )
    project = Project([], {path: text})
    for word, expected in (
        ("h =", "`let h: flow`: its flow reversed, as it is there"),
        ("s =", "`let s: bit<17>`: its size in bytes, as it is there"),
        ("s;", "`let s: bit<17>`"),
        ("c in", "`choose c: int`: any that fits from 1 to 9"),
        ("z =", "`let z: (IP, bit<17>)`"),
        ("y +", "`bit<4> y`: a parameter"),
    ):
        found = hover(project, path, text.index(word))
        assert found is not None
        assert found.markdown.startswith(expected), found.markdown


def test_ready_made_properties_say_what_they_promise() -> None:
    from nfverify.lsp.hover import hover

    path = Path("/nowhere/p.nfd")
    text = (
        "rule LAN = sip:10.0.0.0/8;\nproperty no_unsolicited(LAN);\n"
        "property mine(IP a, flow k): f == k && f[sip] == a -> !before(f == k);\n"
        "program p { entry { action_flow { drop; } } }\n"
    )
    project = Project([], {path: text})
    found = hover(project, path, text.index("no_unsolicited") + 3)
    assert found is not None
    assert found.markdown.startswith("`property no_unsolicited(IN)`: ")
    for name, count in (("k", 3), ("a", 2), ("LAN", 2)):
        at = text.rindex(name, 0, text.index("before" if name != "LAN" else ");"))
        symbol = project.at(path, at)
        assert symbol is not None
        assert len(project.places(symbol[1])) == count, name


CHARACTERS = st.text(alphabet="a\n\r😀é\u2028 \ud800", max_size=12)


@given(CHARACTERS, st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_positions_and_offsets_are_inverse(text: str, encoding: Encoding) -> None:
    lines = Lines(text, encoding)
    for offset in range(len(text) + 1):
        inside = text[max(0, offset - 1) : offset + 1] == "\r\n"
        line, column = lines.position(offset)
        assert lines.offset(line, column) == (offset - 1 if inside else offset)
    assert lines.offset(99, 0) == len(text)
    assert lines.offset(-1, 5) == 0
    assert lines.offset(0, 10**9) == len(text.split("\n")[0].split("\r")[0])
