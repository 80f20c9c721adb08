"""The frame of the command line: help, exit codes, and what happens when things go wrong."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nfverify.cli import main as frame
from nfverify.cli.main import COMMANDS, main
from nfverify.lang.source import Diagnostic, ModelError, Source, Span

NFVERIFY = [sys.executable, "-m", "nfverify"]
NAMES = [command.name for command in COMMANDS]
NO_ARGUMENTS = ("gate", "init", "lsp", "platforms", "watch")


def nfverify(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NFVERIFY, *args],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command() -> None:
    done = nfverify("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for command in COMMANDS:
        assert f"  {command.name} " in done.stdout
        assert command.help in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: nfverify {name}")
    assert "--quiet" in out
    assert "--no-color" in out


@pytest.mark.parametrize("name", [n for n in NAMES if n not in NO_ARGUMENTS])
def test_a_command_without_its_arguments_is_wrong(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"nfverify {name}: error: the following arguments are required" in captured.err


NO_MODEL = (*NO_ARGUMENTS, "cache", "completion", "run")


@pytest.mark.parametrize("name", [n for n in NAMES if n not in NO_MODEL])
def test_a_missing_model_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "no such.nfd")
    more = {
        "bench": [missing],
        "diff": [missing],
        "equiv": [missing],
        "certify": [missing, "-o", str(tmp_path / "out.json")],
        "consolidate": ["-o", str(tmp_path / "out.nfd")],
    }
    assert main([name, missing, *more.get(name, [])]) == 2
    captured = capsys.readouterr()
    assert "no such.nfd" in (captured.out if name == "check" else captured.err)


@pytest.mark.parametrize(
    "args", [["frobnicate"], ["--frobnicate"], ["equiv", "lib:edge", "lib:edge", "--frobnicate"]]
)
def test_what_is_unknown_is_an_error(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    assert "frobnicate" in capsys.readouterr().err


def test_no_command_prints_the_help_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "commands:" in captured.err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    import nfverify

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"nfverify {nfverify.__version__}\n"


def test_wrong_model_is_shown_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "wrong.nfd"
    model.write_text("program p { entry { action_flow { f[sport] = sprot; } } }\n")
    assert main(["show", str(model)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{model}:1:46: error: " in captured.err
    assert "f[sport] = sprot;" in captured.err  # the line itself, with the span marked


def test_output_closed_early_is_no_verdict() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*NFVERIFY, "--help"], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_interrupt_ends_with_130_and_leaves_no_half_written_file(tmp_path: Path) -> None:
    """The capture is a named pipe, so that opening it shows that the command is at work."""
    capture, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    os.mkfifo(capture)
    command = [*NFVERIFY, "run", "lib:firewall", capture, "-o", out]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        writer = None
        while writer is None and process.poll() is None:
            try:
                writer = os.open(capture, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # ENXIO: nobody reads it yet
                time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    if writer is not None:
        os.close(writer)
    assert (process.returncode, err) == (130, "nfverify: interrupted\n")
    assert not out.exists()


class _Broken(Exception):
    pass


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("NFVERIFY_DEBUG", raising=False)
    return monkeypatch


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """No command has a fault to call on, so one is put in the place of all commands."""

    def raise_it(argv: list[str]) -> int:
        raise error

    monkeypatch.setattr(frame, "_dispatch", raise_it)


@pytest.mark.parametrize(
    "error", [_Broken("a\nb"), AssertionError(), MemoryError(), RecursionError("deep"), OSError(5)]
)
def test_a_fault_of_ours_is_one_line_and_no_verdict(
    error: Exception, failing: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_with(failing, error)
    assert main(["equiv", "a", "b"]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(f"nfverify: internal error: {type(error).__name__}: ")
    assert "NFVERIFY_DEBUG=1" in line


def test_debugging_shows_the_traceback(
    failing: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing.setenv("NFVERIFY_DEBUG", "1")
    fail_with(failing, _Broken("why"))
    assert main([]) == 4
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "raise_it" in err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "nfverify: interrupted"),
        (FileNotFoundError(2, "No such file or directory", "x.pcap"), 2, "x.pcap: No such file"),
        (OSError(28, "No space left on device", "out.pcap"), 2, "out.pcap: No space left"),
        (
            ModelError(Diagnostic("error", "e", "it is odd", Span(Source("m.nfd", "abc"), 1, 2))),
            2,
            "m.nfd:1:2",
        ),
    ],
    ids=["interrupt", "missing", "full", "model"],
)
def test_faults_of_the_world_have_their_own_codes(
    error: BaseException,
    code: int,
    said: str,
    failing: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fail_with(failing, error)
    assert main(["run"]) == code
    assert said in capsys.readouterr().err


def test_a_terminal_without_unicode_gets_escapes(tmp_path: Path) -> None:
    done = nfverify("show", str(tmp_path / "⊏.nfd"), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 2
    assert "\\u228f.nfd" in done.stderr
