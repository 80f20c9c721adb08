"""`nfverify build` and `nfverify run --engine cython`: each file does what the reference does."""

import os
import subprocess
import sys
from pathlib import Path
from sysconfig import get_path

import pytest

from nfverify.cli.main import main
from nfverify.packet.build import build
from nfverify.packet.fields import Header
from nfverify.packet.pcap import Writer

SECOND = 10**9


def frame(number: int) -> bytes:
    l4 = (Header.UDP, Header.TCP)[number % 2]
    values = {"sip": 0x0A000001 + number % 5, "dip": 0x08080808, "sport": 1000, "dport": 80}
    whole = build(Header.IP4 | l4, {**values, "size": 60})
    return whole[: 10 + number] if number % 9 == 0 else whole


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "in.pcap"
    with path.open("wb") as stream:
        writer = Writer(stream, nanosecond=True)
        for number in range(200):
            one = frame(number)
            writer.write(number * SECOND // 10, one, len(one) + number % 3)
    return path


def reference(model: str, folder: Path, *more: str) -> tuple[bytes, bytes]:
    """What the reference makes of in.pcap: the capture and the state as JSON."""
    files = ["-o", str(folder / "ref.pcap"), "--state", str(folder / "ref.json")]
    assert main(["run", model, str(folder / "in.pcap"), *files, *more, "-q"]) == 0
    return (folder / "ref.pcap").read_bytes(), (folder / "ref.json").read_bytes()


# run --engine cython ----------------------------------------------------------------------


@pytest.mark.parametrize("model", ["lib:napt", "lib:edge", "lib:rate-limiter"])
@pytest.mark.parametrize("more", [[], ["--until", "+5s", "--non-ip", "drop"]], ids=["", "options"])
def test_run_is_the_references(
    model: str,
    more: list[str],
    capture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", model, str(capture), *more]) == 0
    summary = capsys.readouterr().err
    expected = reference(model, tmp_path, *more)
    out, state = tmp_path / "out.pcap", tmp_path / "out.json"
    files = ["-o", str(out), "--state", str(state)]
    assert main(["run", model, str(capture), *files, *more, "--engine", "cython"]) == 0
    assert capsys.readouterr().err == summary
    assert (out.read_bytes(), state.read_bytes()) == expected


@pytest.mark.parametrize("first", ["closures", "cython"])
@pytest.mark.parametrize("second", ["closures", "cython"])
@pytest.mark.parametrize("form", ["json", "bin"])
def test_a_state_goes_on_in_the_other_engine(
    first: str, second: str, form: str, capture: Path, tmp_path: Path
) -> None:
    reference("lib:napt", tmp_path)
    expected = reference("lib:napt", tmp_path, "--from", str(tmp_path / "ref.json"))
    state, out, last = (str(tmp_path / name) for name in (f"s.{form}", "out.pcap", "out.json"))
    command = ["run", "lib:napt", str(capture), "-q"]
    assert main([*command, "--state", state, "--engine", first]) == 0
    assert Path(state).read_bytes().startswith(b"NFVSTATE" if form == "bin" else b"{")
    more = ["--from", state, "-o", out, "--state", last, "--engine", second]
    assert main([*command, *more]) == 0
    assert (Path(out).read_bytes(), Path(last).read_bytes()) == expected


def test_ports_and_standard_streams(capture: Path, tmp_path: Path) -> None:
    made = []
    for engine in ("closures", "cython"):
        out = tmp_path / f"{engine}.pcap"
        command = [sys.executable, "-m", "nfverify", "run", "lib:napt", "--in", "0=-"]
        command += ["--in", f"1={capture}", "--out", "1=-", "--out", f"0={out}", "-q"]
        with capture.open("rb") as stream:
            done = subprocess.run(
                [*command, "--engine", engine], stdin=stream, capture_output=True, check=True
            )
        made.append((done.stdout, out.read_bytes()))
    assert made[0] == made[1]
    assert len(made[0][0]) > 1000


def test_a_capture_that_breaks_off(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture.write_bytes(capture.read_bytes()[:2000])
    said = []
    for engine in ("closures", "cython"):
        out = tmp_path / "out.pcap"
        assert main(["run", "lib:napt", str(capture), "-o", str(out), "--engine", engine]) == 2
        said.append((capsys.readouterr().err, out.read_bytes()))
    assert said[0] == said[1]
    assert "the file ends inside" in said[0][0]


@pytest.mark.parametrize("content", [b"", b"no capture"])
def test_what_is_no_capture(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.pcap").write_bytes(content)
    said = []
    for engine in ("closures", "cython"):
        command = ["run", "lib:napt", str(tmp_path / "in.pcap"), "-o", str(tmp_path / "out.pcap")]
        assert main([*command, "--engine", engine]) == 2
        said.append(capsys.readouterr().err)
        assert not (tmp_path / "out.pcap").exists()
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--engine", "cython", "--trace"], "--trace: compiled code doesn't tell"),
        (["--no-fuse"], "--no-fuse is of compiled code"),
        (["--ops", "x.c"], "--ops FILE.c is of compiled code"),
        (["--engine", "cython", "--ops", "none.c"], "none.c: No such file"),
    ],
)
def test_options_that_do_not_fit(
    more: list[str], said: str, capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "lib:napt", str(capture), *more]) == 2
    assert said in capsys.readouterr().err


def test_ctrl_c_is_heard_while_a_pipe_is_silent(tmp_path: Path) -> None:
    pipe, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "nfverify", "run", "lib:napt", pipe, "-o", out]
    with (
        subprocess.Popen(
            [*command, "--engine", "cython"], stderr=subprocess.PIPE, text=True
        ) as process,
        pipe.open("wb") as stream,
    ):
        Writer(stream, nanosecond=True).write(1, frame(1))
        stream.flush()
        assert process.stderr is not None
        while not list(tmp_path.glob(".out.pcap.*")):
            assert process.poll() is None
        process.send_signal(2)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "nfverify: interrupted\n")
    assert [f.name for f in tmp_path.iterdir()] == ["in.pcap"]


# build ------------------------------------------------------------------------------------


def emitted(kind: str, folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[Path]:
    assert main(["build", "lib:napt", "-o", str(folder), "--emit", kind, *more]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    paths = [Path(line) for line in captured.out.splitlines()]
    assert sorted(paths) == sorted(folder.iterdir())
    return paths


def test_pyx_is_to_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pyx, header = emitted("pyx", tmp_path / "new" / "folder", capsys)
    assert (pyx.name, header.name) == ("napt.pyx", "napt.h")
    text = pyx.read_text()
    assert "(napt.nfd)" in text
    assert "out_known, line 28" in text


def test_so_is_a_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from nfverify.cythonized.built import Built
    from nfverify.cythonized.library import Library

    (path,) = emitted("so", tmp_path, capsys)
    with Built(Library(path)) as function:
        assert function.process([frame(1)], [1])[0]


def without_python() -> dict[str, str]:
    return {"PATH": "/nowhere"}


@pytest.mark.parametrize("more", [[], ["--sanitize"]], ids=["", "sanitize"])
def test_exe_is_a_program(
    more: list[str], capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = reference("lib:napt", tmp_path)
    capsys.readouterr()
    (program,) = emitted("exe", tmp_path / "bin", capsys, *more)
    out, state = tmp_path / "out.pcap", tmp_path / "out.json"
    command = [program, capture, "-o", out, "--state", state]
    done = subprocess.run(command, env=without_python(), capture_output=True, text=True, check=True)
    assert "200 packets in" in done.stderr
    assert (out.read_bytes(), state.read_bytes()) == expected
    needs = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    assert "python" not in needs


def test_c_is_one_file_that_its_first_lines_compile(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = reference("lib:napt", tmp_path)
    capsys.readouterr()
    (source,) = emitted("c", tmp_path / "c", capsys)
    text = source.read_text()
    (program,) = (line for line in text.splitlines()[:5] if "A program:" in line)
    (library,) = (line for line in text.splitlines()[:5] if "A library:" in line)
    includes = f"-I{get_path('include')}"
    for line in (program, library):
        command = line.partition(":")[2].replace("$(python3-config --includes)", includes)
        subprocess.run(["sh", "-c", command], cwd=source.parent, check=True)
    out = tmp_path / "out.pcap"
    command = [str(tmp_path / "c" / "napt"), str(capture), "-o", str(out)]
    subprocess.run(command, env=without_python(), capture_output=True, check=True)
    assert out.read_bytes() == expected[0]
    assert (tmp_path / "c" / "napt.so").is_file()


def test_wheel_is_a_package_of_its_own(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = reference("lib:napt", tmp_path)
    capsys.readouterr()
    (wheel,) = emitted("wheel", tmp_path / "dist", capsys)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = ["-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check"]
    subprocess.run([python, *pip, wheel], check=True)
    code = """
import sys
import nf_napt
assert "nfverify" not in sys.modules
with nf_napt.NetworkFunction() as nf:
    print(nf.run_pcap(sys.argv[1], sys.argv[2]))
    print(nf.save_json(), end="")
    state = nf.save_binary()
    nf.reset()
    nf.load_binary(state)
    assert nf.save_binary() == state
"""
    out = tmp_path / "out.pcap"
    command = [python, "-c", code, capture, out]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, check=True
    )
    passed, _, state = done.stdout.partition("\n")
    assert passed.startswith("Passed(arrived=200, left=")
    assert (out.read_bytes(), state.encode()) == expected


def test_a_wheel_is_the_same_file_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (first,), (second,) = (emitted("wheel", tmp_path / name, capsys) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_several_kinds_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = ["--emit", "pyx", "--emit", "so", "--emit", "so"]
    assert main(["build", "lib:firewall", "-o", str(tmp_path), *kinds, "--no-prefetch"]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert names == ["firewall.pyx", "firewall.h", "firewall.so"]


# Operators --------------------------------------------------------------------------------

OPERATORS = """
op odd(int) -> bool;
program p {
    int n = 0;
    entry count { action_state { n = n + 1; } }
    entry odds { match_state { odd(n); } action_flow { drop; } }
}
"""
IN_C = "#include <stdint.h>\nuint8_t odd(int32_t n) { return n & 1; }\n"
IN_PYTHON = "def odd(n):\n    return n % 2 == 1\n"


@pytest.fixture
def ops(tmp_path: Path) -> Path:
    (tmp_path / "p.nfd").write_text(OPERATORS)
    (tmp_path / "ops.c").write_text(IN_C)
    (tmp_path / "ops.py").write_text(IN_PYTHON)
    return tmp_path


def test_operators_in_c_and_python(ops: Path, capture: Path) -> None:
    in_python = ["--ops", str(ops / "ops.py")]
    expected = reference(str(ops / "p.nfd"), ops, *in_python)
    for given in (["--ops", str(ops / "ops.c")], in_python):
        files = ["-o", str(ops / "out.pcap"), "--state", str(ops / "out.json")]
        command = ["run", str(ops / "p.nfd"), str(capture), *files, *given, "-q"]
        assert main([*command, "--engine", "cython"]) == 0
        made = (ops / "out.pcap").read_bytes(), (ops / "out.json").read_bytes()
        assert made == expected


def test_a_program_with_operators_in_c(ops: Path, capture: Path) -> None:
    expected = reference(str(ops / "p.nfd"), ops, "--ops", str(ops / "ops.py"))
    given = ["--emit", "exe", "-o", str(ops), "--ops", str(ops / "ops.c")]
    assert main(["build", str(ops / "p.nfd"), *given]) == 0
    (program,) = (f for f in ops.iterdir() if f.stem in ("p", "p_") and not f.suffix)
    command = [program, capture, "-o", ops / "out.pcap"]
    subprocess.run(command, env=without_python(), capture_output=True, check=True)
    assert (ops / "out.pcap").read_bytes() == expected[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "operator odd has no Python function"),
        (["--ops", "ops.py"], "ops.py: what runs without nfverify needs its operators in C"),
        (["--ops", "bad.c"], "bad.c:1:"),
    ],
)
def test_operators_that_do_not_fit(
    given: list[str],
    said: str,
    ops: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ops)
    (ops / "bad.c").write_text("odd(\n")
    before = sorted(ops.iterdir())
    assert main(["build", "p.nfd", "--emit", "exe", *given]) == 2
    assert said in capsys.readouterr().err
    assert sorted(ops.iterdir()) == before


# What is not there ------------------------------------------------------------------------


def test_without_a_compiler_one_line_says_what_to_install(tmp_path: Path) -> None:
    """Only the interpreter is on the PATH."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    command = [sys.executable, "-m", "nfverify", "build", "lib:napt", "-o", str(tmp_path)]
    done = subprocess.run(
        command,
        env={**os.environ, "PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "apt-get install gcc" in line


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["build", "lib:napt", "-o", str(tmp_path / "file" / "x")]) == 2
    assert "Not a directory" in capsys.readouterr().err
