"""The worked examples, in C and in Python, held against models of them and against themselves
without SpeedyBox; and the paper's three tests of equivalence (its section VII-C)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest
from boxes import ACK, EXAMPLES, SYN, UDP, BoxEngine, frame
from nfs import NFS, Maglev, Monitor, Snort

from nfverify.cythonized.speedybox import Box
from nfverify.oracles.differential import Contest
from nfverify.oracles.engines.base import Setting
from nfverify.oracles.engines.command import LineProgram
from nfverify.oracles.engines.lines import question
from nfverify.oracles.engines.reference import reference
from nfverify.oracles.returning import Returning
from nfverify.oracles.trace import Event, Trace, monotone
from nfverify.semantics.machine import Machine
from nfverify.smat.load import load

CompileProgram = Callable[..., Path]
CHAINS = {
    "chain1": ("mazunat", "maglev", "monitor", "ipfilter"),
    "chain2": ("ipfilter", "snort", "monitor"),
    "chain3": ("mazunat", "dos", "monitor"),
    "maglev": ("maglev",),
    "snort": ("snort",),
}
FLAGS = {"fast": (), "original": ("--original",), "few": ("--flows", "2")}


def boxed(names: Sequence[str], **options: int) -> Box:
    return Box([NFS[name]() for name in names], **options)


def traces(model: str, seed: int, count: int) -> list[Trace]:
    """Of flows that come again and again, by the constants of a model."""
    network = load(str(EXAMPLES / f"{model}.nfd"))
    found = []
    for number in range(count):
        traffic = Returning(network, Random(f"{seed} {number}"))
        machine = Machine(network)
        events = []
        for _ in range(200):
            event = traffic.event()
            events.append(event)
            traffic.saw(machine.step(*event))
        found.append(monotone(events))
    return found


@pytest.mark.parametrize("model", CHAINS)
def test_chains_do_what_their_models_say(model: str, program: CompileProgram) -> None:
    network = load(str(EXAMPLES / f"{model}.nfd"))
    chain = str(program(EXAMPLES / "chain.c"))
    others = [
        LineProgram(name, (chain, *flags, *CHAINS[model]), ("0", "1"), 30.0)
        for name, flags in FLAGS.items()
    ]
    python = [
        BoxEngine(lambda: boxed(CHAINS[model])),
        BoxEngine(lambda: boxed(CHAINS[model], flows=2)),
    ]
    contest = Contest(network, reference(network, Setting()), (*others, *python))
    for trace in traces(model, 1, 8):
        assert contest.run(trace) is None


@pytest.mark.parametrize("model", CHAINS)
def test_state_is_the_same_without_speedybox(
    model: str, program: CompileProgram, tmp_path: Path
) -> None:
    chain = program(EXAMPLES / "chain.c")
    served = 0
    for trace in traces(model, 2, 8):
        data = b"".join(map(question, trace))
        found = []
        for flags in FLAGS.values():
            state = tmp_path / "state"
            command = [chain, *flags, "--state", state, *CHAINS[model]]
            out = subprocess.run(command, input=data, capture_output=True, check=True).stdout
            *held, counts = state.read_text().splitlines()
            assert counts.endswith("mistaken 0")
            served += int(counts.split()[2])
            found.append((out, held))
        assert found[0] == found[1] == found[2]
    assert served > 300


def test_the_python_examples_keep_the_same_state_without_speedybox() -> None:
    for model, names in CHAINS.items():
        served = 0
        for trace in traces(model, 3, 6):
            boxes = [[NFS[name]() for name in names] for _ in range(3)]
            chains = [Box(boxes[0]), Box(boxes[1], fast=False), Box(boxes[2], flows=2)]
            for event in trace:
                out = {chain.run(event.frame, event.time, event.port) for chain in chains}
                assert len(out) == 1
            for nfs in zip(*boxes, strict=True):
                assert vars(nfs[0]) == vars(nfs[1]) == vars(nfs[2])
            assert chains[0].counts.mistaken == chains[2].counts.mistaken == 0
            served += chains[0].counts.served
        assert served > 60


# Section VII-C -------------------------------------------------------------------------------

ALIKE = ((True, "with SpeedyBox"), (False, "without"))


def test_snort_logs_the_same_on_all_its_branches() -> None:
    logs = []
    for fast, _ in ALIKE:
        snort = Snort()
        box = Box([snort], fast=fast)
        for content in (b"GET /healthcheck cmd.exe", b"GET /etc/passwd", b"login: root", b"hello"):
            for sport in range(2000, 2010):
                for n in range(10):
                    payload = content if n % 3 else b"nothing"
                    sent = frame("10.0.0.1", "10.0.0.2", sport, 80, payload=payload)
                    assert box.run(sent) == sent
        assert box.counts.served == (4 * 100 - 10 if fast else 0)
        logs.append(snort.log)
    assert logs[0] == logs[1]
    assert {action for action, _ in logs[0]} == {"alert", "log"}
    assert len(logs[0]) == 2 * 10 * 6


def test_maglev_moves_a_flow_from_the_sixth_packet_on() -> None:
    left = []
    for fast, _ in ALIKE:
        maglev = Maglev()
        box = Box([maglev], fast=fast)
        out = []
        for n in range(10):
            if n == 5:
                backend = next(iter(maglev.connections.values()))
                failure = frame("192.0.2.9", "10.0.0.9", backend, 9001, proto=UDP)
                assert box.run(failure) is None
            payload = bytes([n]) * 20
            out.append(box.run(frame("10.0.0.1", "198.51.100.1", 2000, 80, payload=payload)))
        left.append(out)
        assert box.counts.events == (1 if fast else 0)
    assert left[0] == left[1]
    backends = [out[30:34] for out in left[0] if out is not None]
    assert backends[:5] == [backends[0]] * 5
    assert backends[5:] == [backends[5]] * 5
    assert backends[0] != backends[5]


def heavy_tailed(rng: Random, flows: int) -> Trace:
    """Flows of the sizes of a data centre's (most are short), with contents for the inspector."""
    contents = (b"", b"hello", b"/etc/passwd", b"login", b"healthcheck", b"cmd.exe")
    waiting: list[tuple[float, bytes]] = []
    for flow in range(flows):
        size = min(60, int(2 * rng.paretovariate(0.9)))
        start, sip, sport = rng.random(), f"10.0.{flow % 7}.{1 + flow % 50}", 1024 + flow
        for n in range(size):
            flags = SYN if n == 0 else ACK if n + 1 < size else ACK | 1
            sent = frame(sip, "198.51.100.1", sport, 80, flags=flags, payload=rng.choice(contents))
            waiting.append((start + n * 0.01, sent))
    waiting.sort()
    return tuple(Event(n * 1000, 0, sent) for n, (_, sent) in enumerate(waiting))


def test_real_chains_send_count_and_log_the_same_while_backends_fail() -> None:
    rng = Random(5)
    trace = list(heavy_tailed(rng, 150))
    for n in range(12):  # a backend fails and returns: a third of the flows
        fails = frame("192.0.2.9", "10.0.0.9", n // 2 % 3, 9001 - n % 2, proto=UDP)
        trace.insert(len(trace) * (n + 1) // 14, Event(0, 0, fails))
    for names in (CHAINS["chain1"], CHAINS["chain2"]):
        results = []
        for fast, _ in ALIKE:
            nfs = [NFS[name]() for name in names]
            box = Box(nfs, fast=fast)
            results.append(([box.run(event.frame) for event in trace], list(map(vars, nfs))))
            counts = box.counts
            if fast:
                assert counts.served > len(trace) // 2
                assert counts.removed > 100
                assert counts.events > 20 or names == CHAINS["chain2"]
        assert results[0] == results[1]
        monitor = next(nf for nf in nfs if isinstance(nf, Monitor))
        assert len(monitor.flows) > 100
