"""Programs under test: the line protocol, captures, and the ways in which a program can fail."""

import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tested_programs import FORWARD

from nfverify.oracles.engines import command
from nfverify.oracles.engines.base import UNTOLD, Run
from nfverify.oracles.engines.command import CommandError
from nfverify.oracles.engines.lines import NotAnAnswer, answer, question
from nfverify.oracles.tester import Options, Result, contest_of, examine
from nfverify.oracles.trace import Event
from nfverify.packet.codec import build
from nfverify.packet.fields import Header
from nfverify.semantics.machine import Output
from nfverify.smat.load import load_text

Program = Callable[[str], str]
UDP = build(Header.IP4 | Header.UDP, {"sip": 1, "dip": 2, "sport": 3, "dport": 4})
EVENTS = tuple(Event(n * 1000, n % 2, UDP) for n in range(6))


def each(body: str) -> str:
    """A program that does this for each packet."""
    return "import os\nfor n, now, port, frame in ask():\n" + textwrap.indent(body, "    ")


PORTS = ("0", "1")


def run(text: str, events: tuple[Event, ...] = EVENTS, silence: float = 5.0) -> Run:
    return command.program(text, PORTS, silence).run(events)


def against(text: str, model: str = FORWARD, **options: object) -> Result:
    chosen = Options(engines=("reference",), against=text, examples=300, **options)
    return examine(load_text(model), chosen)


# Lines ------------------------------------------------------------------------------------


def test_question() -> None:
    assert question(Event(17, 1, b"\x00\xab")) == b"17 1 00ab\n"
    assert question(Event(0, 0, b"")) == b"0 0 -\n"


@pytest.mark.parametrize(
    ("line", "outputs"),
    [
        (b"", []),
        (b"-", []),
        (b"\r", []),
        (b"1 00ab", [(UNTOLD, 1, b"\x00\xab")]),
        (b"1 00AB\r", [(UNTOLD, 1, b"\x00\xab")]),
        (b"0,1 ff", [(UNTOLD, 0, b"\xff"), (UNTOLD, 1, b"\xff")]),
        (b"1 ff 0@5 -", [(UNTOLD, 1, b"\xff"), (5, 0, b"")]),
    ],
)
def test_answers(line: bytes, outputs: list[tuple[int, int, bytes]]) -> None:
    assert answer(line, PORTS) == tuple(Output(*out) for out in outputs)


@pytest.mark.parametrize(
    "line",
    [
        b"1",
        b" 1 ff",
        b"1  ff",
        b"1 ff ",
        b"2 ff",
        b"-1 ff",
        b"1, ff",
        b"1 f",
        b"1 0xff",
        b"1 f\xc3\xa9",
        b"\xff",
        b"1@4611686018427387904 ff",
        b"1@ ff",
        b"1\tff",
        b"1 " + b"00" * 262145,
        b"1 " + b" ".join([b"ff 1"] * 1024) + b" ff",
    ],
)
def test_what_is_no_answer(line: bytes) -> None:
    with pytest.raises(NotAnAnswer):
        answer(line, PORTS)


def test_answers_need_not_be_flushed(program: Program) -> None:
    """All lines are there before the program ends."""
    text = "out = []\nfor n, now, port, frame in ask(): out.append(f'{1 - port} {frame.hex()}')\n"
    found = run(program(text + "print('\\n'.join(out))"))
    assert found.failure is None
    assert found.steps == tuple((Output(UNTOLD, 1 - e.port, e.frame),) for e in EVENTS)


def test_much_in_both_directions(program: Program) -> None:
    """More than pipes hold, read and written at once."""
    events = tuple(Event(n, 0, bytes(9000)) for n in range(200))
    found = run(program(each("say((1, frame))")), events)
    assert found.failure is None
    assert len(found.steps) == 200


def test_session(program: Program) -> None:
    session = command.program(program(each("say((n % 2, frame))")), PORTS, 5.0).start()
    out = [session.step(event) for event in EVENTS[:2]]
    session.close()
    assert out == [(Output(UNTOLD, 0, UDP),), (Output(UNTOLD, 1, UDP),)]


# Failures ---------------------------------------------------------------------------------

ANSWER = "say((1 - port, frame))"
FAILURES = {
    "crash": (f"if n == 2: raise SystemExit(3)\n{ANSWER}", "exit status 3"),
    "killed": (f"if n == 2: os.abort()\n{ANSWER}", "SIGABRT"),
    "short": (f"if n == 2: sys.exit()\n{ANSWER}", "2 answers"),
    "garbage": (f"if n == 2: print('?', flush=True)\nelse: {ANSWER}", "'?'"),
    "chatty": (f"{ANSWER}\nif n == 5: print('bye', flush=True)", "more than 6"),
    "half": (f"if n == 5: sys.stdout.write('1 ')\nelse: {ANSWER}", "inside a line"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(program: Program, name: str) -> None:
    body, words = FAILURES[name]
    found = run(program(each(body)))
    assert found.failure is not None
    assert words in found.failure.what
    kinds = {"killed": "crash", "garbage": "output", "chatty": "output", "half": "short"}
    assert found.failure.kind == kinds.get(name, name)
    assert len(found.steps) == {"chatty": 6, "half": 5}.get(name, 2)


def test_what_it_said_is_kept(program: Program) -> None:
    found = run(program("print('x' * 10000 + 'why', file=sys.stderr); raise KeyError('oh')"))
    assert found.failure is not None
    assert "KeyError: 'oh'" in found.failure.said
    assert len(found.failure.said) <= 4096


def test_hang(program: Program) -> None:
    found = run(program(each(f"if n == 2: time.sleep(60)\n{ANSWER}")), silence=0.5)
    assert found.failure is not None
    assert found.failure.kind == "hang"
    assert len(found.steps) == 2


def test_no_end_of_output(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nfverify.oracles.engines.process.MAX_OUTPUT", 1 << 20)
    found = run(program("while True: print('-' * 1000)"))
    assert found.failure is not None
    assert found.failure.kind == "output"


def test_children_are_ended(program: Program, tmp_path: Path) -> None:
    """What a hanging program started doesn't outlive it."""
    pid = tmp_path / "pid"
    body = f"""
import subprocess
p = subprocess.Popen(['sleep', '60'])
open({str(pid)!r}, 'w').write(str(p.pid))
"""
    assert run(program(body + "time.sleep(60)"), silence=0.5).failure is not None
    status = Path(f"/proc/{pid.read_text()}/status")
    assert _gone(status)


def _gone(status: Path) -> bool:
    """Killed, and sooner or later no more than a zombie."""
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        try:
            if "State:\tZ" in status.read_text():
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_without_pidfd(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old kernels and sandboxes don't have them."""

    def missing(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("os.pidfd_open", missing)
    assert run(program(each(ANSWER))).failure is None
    found = run(program(each(ANSWER) + "\nos.close(1)\ntime.sleep(60)"), silence=0.3)
    assert found.failure is not None
    assert found.failure.kind == "hang"


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(OSError, match="no-such-program"):
        run("./no-such-program")


@pytest.mark.parametrize("name", FAILURES)
def test_failures_are_findings(program: Program, name: str) -> None:
    """Shrunk like the others: one packet is enough, but where the third is needed."""
    body = FAILURES[name][0].replace("n == 5", "n >= 0")
    result = against(program(each(body.replace("n == 2", "port == 1"))))
    assert result.finding is not None
    assert result.finding.divergence.kind in ("crash", "short", "output")
    assert len(result.finding.divergence.trace) == 1


def test_hang_is_a_finding(program: Program) -> None:
    text = program(each(f"if len(frame) > 200: time.sleep(60)\n{ANSWER}"))
    result = against(text, silence=1.0, well_formed=True)
    assert result.finding is not None
    assert result.finding.divergence.kind == "hang"
    assert len(result.finding.divergence.trace) == 1


# Captures ---------------------------------------------------------------------------------

COPY = "import shutil; shutil.copy(sys.argv[1], sys.argv[2])"


def test_capture_program(program: Program) -> None:
    """It is sent what comes by port 0 only."""
    result = against(program(COPY) + " {in} {out}", well_formed=True)
    assert result.finding is None
    assert result.packets == 300


def test_captures_of_ports(program: Program) -> None:
    text = program("import shutil; a = sys.argv; shutil.copy(a[1], a[4]); shutil.copy(a[2], a[3])")
    found = against(text + " {in:0} {in:1} {out:0} {out:1}", well_formed=True)
    assert found.finding is None
    wrong = program("import shutil; a = sys.argv; shutil.copy(a[1], a[3]); shutil.copy(a[2], a[4])")
    found = against(wrong + " {in:0} {in:1} {out:0} {out:1}", well_formed=True)
    assert found.finding is not None
    assert len(found.finding.divergence.trace) == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("pass", "short"),
        ("open(sys.argv[2], 'w').write('hello')", "output"),
        ("import os, shutil; shutil.copy(sys.argv[1], sys.argv[2]); os.abort()", "crash"),
        ("d = open(sys.argv[1], 'rb').read(); open(sys.argv[2], 'wb').write(d[:-1])", "output"),
        ("d = open(sys.argv[1], 'rb').read(); open(sys.argv[2], 'wb').write(d[:24])", "outputs"),
    ],
)
def test_capture_programs_that_fail(program: Program, body: str, kind: str) -> None:
    result = against(program(body) + " {in} {out}")
    assert result.finding is not None
    assert result.finding.divergence.kind == kind
    assert len(result.finding.divergence.trace) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("", "'", "nf {in}", "nf {out}", "nf {in:x} {out}"),
        *("nf {in} {in:0} {out}", "nf {in} {out} {out:0}"),
    ],
)
def test_wrong_commands(text: str) -> None:
    with pytest.raises(CommandError):
        command.program(text, PORTS, 1.0)


def test_no_shell(tmp_path: Path) -> None:
    """Words are words."""
    text = f"{sys.executable} -c 'import sys; print(sys.argv[1:])' '; touch {tmp_path}/x' '$HOME'"
    found = run(text, ())
    assert not (tmp_path / "x").exists()
    assert found.failure is not None  # an answer to no question


def test_renaming_needs_a_session(program: Program) -> None:
    from nfverify.oracles.comparators import Comparison

    with pytest.raises(CommandError):
        against(program(COPY) + " {in} {out}", comparison=Comparison.of(["renaming"]))


def test_only_what_did_it_is_run_again(program: Program) -> None:
    """A program that differs once, and not again, is unsettled, and no finding."""
    mark = "import os; f = sys.argv[0] + '.was'; first = not os.path.exists(f); open(f, 'w')\n"
    text = program(mark + each(f"if first and n == 5: say()\nelse: {ANSWER}"))
    network = load_text(FORWARD)
    options = Options(engines=("reference",), against=text, examples=60, well_formed=True)
    contest = contest_of(network, options)
    assert contest.others[0].run(EVENTS).failure is None  # writes the mark
    assert examine(network, options).finding is None
    Path(text.split()[-1] + ".was").unlink()
    result = examine(network, options)
    assert result.finding is None
    assert len(result.unsettled) == 1
