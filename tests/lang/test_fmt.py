"""`nfverify fmt` as a user meets it, and where comments go."""

import io
import os
import stat
import sys
from pathlib import Path

import pytest

from nfverify.cli.main import main
from nfverify.lang.formatter import format_text
from nfverify.lang.source import Source

UGLY = """# a model
program p{ // begins
int x=0x1F;/* flags */ // of x


// the entry
entry{match_flow{ a and /* inside */ b }
# before the block
action_state{x++; // one more
if(x==1){x=2;} // first
else if(x==2){} else{
// last
drop}}}
// nothing follows the entry
}
// the end
"""
NEAT = """# a model
program p {  // begins
    int x = 0x1f;  /* flags */ // of x

    // the entry
    entry {
        /* inside */
        match_flow   { a && b }
        # before the block
        action_state {
            x = x + 1;  // one more
            if (x == 1) {
                x = 2;
                // first
            } else if (x == 2) {
            } else {
                // last
                drop;
            }
        }
    }
    // nothing follows the entry
}
// the end
"""


def test_comments_keep_their_place() -> None:
    assert format_text(Source("ugly", UGLY)) == NEAT
    assert format_text(Source("neat", NEAT)) == NEAT


def test_comments_behind_neighbouring_lines_stand_in_one_column() -> None:
    table = ", ".join(f"{i}: 10.0.0.{i}" for i in range(5))
    text = f"""program p {{
    int x;                 // one
    map<flow, IP> server;  // two

    int y;  // three
    map<int, IP> t = {{{table}}};  // four
}}
"""
    assert format_text(Source("t", text.replace("  //", " //"))) == text


def test_long_conditions_and_tables_are_broken() -> None:
    terms = " && ".join(f"f[sport] != {i}" for i in range(1000, 1010))
    table = ", ".join(f"{i}: 10.0.0.{i}" for i in range(20))
    source = Source(
        "t", f"program p {{ map<int, IP> t = {{{table}}}; entry {{ match_flow {{ {terms} }} }} }}"
    )
    text = format_text(source)
    assert max(map(len, text.splitlines())) <= 100
    assert "            && f[sport] != 1009\n" in text
    assert "        19: 10.0.0.19\n    };" in text
    assert format_text(Source("t", text)) == text


def test_in_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.nfd"
    path.write_text(UGLY)
    path.chmod(0o640)
    assert main(["fmt", "--check", str(path)]) == 1
    assert path.read_text() == UGLY
    assert main(["fmt", str(path)]) == 0
    assert path.read_text() == NEAT
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["m.nfd"]
    capsys.readouterr()
    assert main(["fmt", "--check", str(path)]) == 0
    assert capsys.readouterr().out == ""


def test_a_wrong_file_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong, right = tmp_path / "wrong.nfd", tmp_path / "right.nfd"
    wrong.write_text("program p { x = 1")
    right.write_text(UGLY)
    assert main(["fmt", str(wrong), str(right)]) == 2
    assert wrong.read_text() == "program p { x = 1"
    assert right.read_text() == NEAT
    assert "wrong.nfd:1:11: error: this `{` is not closed" in capsys.readouterr().err


def test_standard_streams(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(UGLY.encode())))
    assert main(["fmt", "-"]) == 0
    assert capsys.readouterr().out == NEAT
