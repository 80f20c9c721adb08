"""Hostile input: an error with its place, exit 2, never a traceback, in bounded time and memory."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

MEMORY = 500 << 20
MIB = 1 << 20


def check(path: Path) -> str:
    """What fmt --check says on standard error about a model that it must refuse."""
    done = subprocess.run(
        [sys.executable, "-m", "nfverify", "fmt", "--check", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


DEEP = 10_000
HOSTILE = {
    "words": ("a " * (5 * MIB // 2), ":1:600001: error: the file has more than 300,000 words"),
    "digits": ("1" * 5 * MIB, ":1:1: error: expected a declaration"),
    "dots": ("1." * (5 * MIB // 2), ":1:1: error: expected a declaration"),
    "colons": ("a:" * (5 * MIB // 2), "error: the file has more than 300,000 words"),
    "comments": ("/*" * (5 * MIB // 2), "error: "),
    "escapes": ('"' + "\\" * 5 * MIB, ":1:1: error: this string is never closed"),
    "statements": ("program p { " + "x=1;" * MIB, "error: the file has more than 300,000 words"),
    "errors": ("program p { " + "x y {} " * 40_000 + "}", ":1:13: error: expected an entry"),
    "NULs": ("\0" * 5 * MIB, ":1:1: error: a NUL byte"),
    "NUL": ("program p {\n    int x\0;\n}", ":2:10: error: a NUL byte"),
    "braces": ("program p { " + "{" * DEEP, ":1:76: error: brackets are nested more than 64"),
    "parentheses": (f"program p {{ x = {'(' * DEEP}1{')' * DEEP}; }}", "more than 64 deep"),
    "indices": (f"program p {{ x = {'m[' * DEEP}1{']' * DEEP}; }}", "more than 64 deep"),
    "prefixes": (f"program p {{ x = {'!' * DEEP}a; }}", "nested more than 100 deep"),
    "nots": (f"program p {{ x = {'not ' * DEEP}a; }}", "nested more than 100 deep"),
    "sums": (f"program p {{ x = {'a + ' * DEEP}a; }}", "nested more than 100 deep"),
    "ternaries": (f"program p {{ x = {'a ? b : ' * DEEP}a; }}", "nested more than 100 deep"),
    "postfixes": (f"program p {{ x = a{'[1]' * DEEP}; }}", "nested more than 100 deep"),
    "implications": (f"invariant {'a -> ' * DEEP}a;", "nested more than 100 deep"),
    "types": (f"{'set<' * DEEP}IP{'>' * DEEP} x;", ":1:69: error: the type is nested more than 16"),
    "else ifs": (f"program p {{ {'if (a) {} else ' * DEEP}{{}} }}", "more than 64 `else if`s"),
    "ifs": (f"program p {{ {'if (a) {' * 40}{'}' * 40} }}", "blocks are nested more than 24 deep"),
    "blocks": (f"program p {{ {'if (a) {' * DEEP}{'}' * DEEP} }}", "nested more than 64 deep"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text(name: str, tmp_path: Path) -> None:
    text, expected = HOSTILE[name]
    path = tmp_path / "hostile.nfd"
    path.write_text(text)
    assert expected in check(path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bytes.nfd"
    path.write_bytes("// é\nprogram é".encode() + b"\xff\xfe {}")
    assert ":2:10: error: the byte 0xff is not UTF-8" in check(path)


def test_junk(tmp_path: Path) -> None:
    path = tmp_path / "junk.nfd"
    state, junk = 1, bytearray()
    while len(junk) < 5 * MIB:  # printable, the same each time
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        junk += bytes(32 + b % 95 for b in state.to_bytes(8, "big")) * 16 + b"\n"
    path.write_bytes(bytes(junk))
    assert ": error: " in check(path)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.nfd"
    with path.open("wb") as stream:
        stream.truncate(17 * MIB)
    assert ": error: the file is larger than 16 MiB" in check(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.nfd", "No such file or directory"),
        ("", "it is a directory"),
        ("/dev/zero", "it is not a regular file"),
    ],
)
def test_what_is_no_file(name: str, message: str, tmp_path: Path) -> None:
    assert message in check(tmp_path / name)
