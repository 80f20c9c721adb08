"""Programs in the foreground: they get the signals that nfverify gets, and end with it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STARTED = """
import sys
from pathlib import Path
from nfverify.oracles.platforms.child import foreground
sys.exit(foreground(Path(sys.executable), ["-c", sys.argv[1]]))
"""
WAITS = """
import os, signal, sys, time
def end(number, frame):
    print("ended by", signal.Signals(number).name, flush=True)
    os._exit(128 + number)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, end)
print(os.getpid(), flush=True)
time.sleep(60)
"""


def started(body: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STARTED, body], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_passed_on(number: signal.Signals) -> None:
    with started(WAITS) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.stdout.readline() == f"ended by {number.name}\n"
    assert process.returncode == 128 + number


def test_it_ends_with_us() -> None:
    """Even where nothing can be passed on."""
    with started(WAITS) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 20
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(child)


def alive(number: int) -> bool:
    """A process that has ended, and that nobody waits for, has ended."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_exit_codes() -> None:
    for body, code in (("import sys; sys.exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)):
        with started(body) as process:
            pass
        assert process.returncode == code
