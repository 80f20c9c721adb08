"""`nfverify equiv` whatever happens to its prover: never a wrong answer, nothing half-written."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PAIRS = Path(__file__).parents[1] / "pairs"
NFVERIFY = [sys.executable, "-m", "nfverify", "equiv"]
PATIENCE = 60
FAR = """
program far {{
    int x;
    entry late {{ match_state {{ x == {} }} action_flow {{ drop; }} }}
    entry turn {{ action_state {{ x = x * 1664525 + 1013904223; }} }}
}}
"""


@pytest.fixture
def far(tmp_path: Path) -> list[str]:
    """A pair that nothing decides: the value comes after some 2^31 packets."""
    paths = []
    for value in (1234567, 7654321):
        path = tmp_path / f"{value}.nfd"
        path.write_text(FAR.format(value))
        paths.append(str(path))
    return paths


@contextmanager
def started(*args: str | Path) -> Iterator[subprocess.Popen[str]]:
    """The command in the background, once its prover is at work."""
    process = subprocess.Popen(
        [*NFVERIFY, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        prover(process.pid)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with process:  # closes its pipes
            process.wait()


def prover(pid: int) -> int:
    """The process id of the child, once it leads a group of its own and has loaded the solver."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        with suppress(OSError):
            if children and "libz3" in Path(f"/proc/{children[0]}/maps").read_text():
                return int(children[0])
        time.sleep(0.02)
    raise AssertionError("no child has begun to prove")


def gone(pid: int) -> bool:
    """Is a process no more, or only waits to be counted?"""
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_the_time_limit_holds_for_a_solver_that_is_stuck(far: list[str]) -> None:
    """A stopped process answers nothing and hears nothing, as one deep in a solver."""
    begun = time.monotonic()
    with started(*far, "--time-limit", "4", "--format", "json") as process:
        child = prover(process.pid)
        os.kill(child, signal.SIGSTOP)
        out, err = process.communicate(timeout=PATIENCE)
        assert gone(child)
    found = json.loads(out)
    assert (process.returncode, found["verdict"], err) == (3, "unknown", "")
    assert found["reason"].startswith("time ran out after 4 s")
    # The contract itself, not speed: a limit is kept within 1 s, starting Python aside.
    assert 4 <= found["seconds"] < 5
    assert time.monotonic() - begun > 4


def test_what_was_known_is_kept(far: list[str]) -> None:
    with started(*far, "--time-limit", "6", "--format", "json") as process:
        child = prover(process.pid)
        time.sleep(3)
        os.kill(child, signal.SIGKILL)
        out, _ = process.communicate(timeout=PATIENCE)
    found = json.loads(out)
    assert (process.returncode, found["verdict"]) == (3, "unknown")
    assert found["reason"].startswith("internal error: the prover was ended by SIGKILL")
    assert found["depth"] >= 1


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT"])
def test_a_prover_that_dies_is_no_answer(far: list[str], name: str) -> None:
    with started(*far) as process:
        os.kill(prover(process.pid), signal.Signals[name])
        out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    assert out.startswith(f"unknown: internal error: the prover was ended by {name}")


def test_ctrl_c_leaves_nothing_behind(far: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with started(*far, "--save", folder) as process:
        child = prover(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        assert gone(child)
    assert (process.returncode, out, err) == (130, "", "nfverify: interrupted\n")
    assert not folder.exists()


def test_the_prover_does_not_outlive_the_command(far: list[str]) -> None:
    with started(*far) as process:
        child = prover(process.pid)
        process.kill()
        process.wait()
        assert gone(child)


@pytest.mark.parametrize("limit", ["40M", "150M"])
def test_the_memory_limit(limit: str) -> None:
    """Too little to load the solver, to think, to prove: unknown, and why."""
    command = [*NFVERIFY, "lib:edge", "lib:edge-table", "--memory-limit", limit]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (3, "")
    first = done.stdout.splitlines()[0]
    assert first.startswith(f"unknown: the memory limit of {limit.removesuffix('M')} MB is reached")


@pytest.mark.parametrize(
    ("does", "code", "says"),
    [
        ("os._exit(0)", 3, "internal error: the prover ended without a verdict"),
        ("x = bytes(1 << 50)", 2, "operator g raised MemoryError"),
        ("1 / 0", 2, "operator g raised ZeroDivisionError"),
    ],
)
def test_operators_that_misbehave(tmp_path: Path, does: str, code: int, says: str) -> None:
    models = [tmp_path / "a.nfd", tmp_path / "b.nfd"]
    for number, model in enumerate(models):
        body = f"op g(int) -> int; entry {{ action_flow {{ f[ttl] = g({number}); }} }}"
        model.write_text(f"program m {{ {body} }}")
    ops = tmp_path / "ops.py"
    ops.write_text(f"import os, sys\ndef g(x):\n    {does}\n    return 1\n")
    done = subprocess.run(
        [*NFVERIFY, *models, "--ops", ops],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_itself_loads_no_solver(tmp_path: Path) -> None:
    model = tmp_path / "m.nfd"
    model.write_text("program m { entry { } }")
    code = "import sys; from nfverify.cli.main import main; main(sys.argv[1:])\n"
    code += "print(*{'z3', 'rich', 'scapy', 'hypothesis', 'numpy'} & set(sys.modules), 'none')"
    command = [sys.executable, "-c", code, "equiv", "-q", model, "lib:firewall"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.stdout.startswith("different: ")
    assert done.stdout.splitlines()[-1] == "none"


def test_an_answer_longer_than_a_pipe_holds(tmp_path: Path) -> None:
    """A hundred packets with what became of them."""
    text = "program m {{ int n; entry {{ match_state {{ n >= {} }} action_flow {{ drop; }} }}"
    text += " entry {{ action_state {{ n = n + 1; }} action_flow {{ f[output] = {{0, 1}}; }} }} }}"
    models = [tmp_path / "a.nfd", tmp_path / "b.nfd"]
    for model, limit in zip(models, (120, 121), strict=True):
        model.write_text(text.format(limit))
    command = [*NFVERIFY, *models, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 1, done.stderr
    assert len(done.stdout) > 1 << 16
    assert len(json.loads(done.stdout)["counterexample"]["events"]) >= 121


# On a terminal ----------------------------------------------------------------------------


@pytest.mark.parametrize("plain", [False, True])
def test_a_terminal_shows_colour_and_progress(far: list[str], plain: bool) -> None:
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"}
    command = [*NFVERIFY, *far, "--time-limit", "1.5"]
    main_end, terminal = pty.openpty()
    process = subprocess.Popen(
        command, stdout=terminal, stderr=terminal, env=env | ({"NO_COLOR": "1"} if plain else {})
    )
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # how a terminal ends
        while select.select([main_end], [], [], PATIENCE)[0]:
            shown += os.read(main_end, 1 << 16)
    os.close(main_end)
    assert process.wait(PATIENCE) == 3
    assert b"unknown" in shown
    assert (b"\x1b[1;33munknown" in shown) is not plain
    assert b"search" in shown or b"induction" in shown or b"simulation" in shown
