"""Someone else makes the choices: both engines ask the same, and take what they are told."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.packet.codec import build
from nfverify.packet.fields import Header
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.load import load_text

FRAME = build(Header.LINK | Header.IP4 | Header.UDP, {"sip": 0x0A000001, "tos": 3})


@pytest.mark.parametrize("engine", ["walk", "closures"])
def test_a_chooser_is_asked_and_obeyed(engine: str) -> None:
    asked: list[tuple[str, str, range, list[int]]] = []

    def last(
        instance: str, node: ir.Choose, candidates: range, fits: Callable[[int], bool]
    ) -> int | None:
        found = [v for v in candidates if fits(v)]
        asked.append((instance, node.name, candidates, found))
        return found[-1] if found else None

    text = """program nf { int n;
        entry { action_state { choose x in 1..f[tos] * 3 where x != n && x < 8; n = x; }
                action_flow { f[ttl] = x; } } }"""
    machine = Machine(load_text(text), engine=engine, chooser=last)
    sent = [machine.step(t, 0, FRAME)[0].frame[22] for t in range(3)]
    assert sent == [7, 6, 7]
    assert asked[1] == ("nf", "x", range(1, 10), [1, 2, 3, 4, 5, 6])
    machine.clone().step(3, 0, FRAME)
    assert len(asked) == 4
    visits = []
    machine.trace = visits.append
    assert machine.step(3, 0, FRAME)[0].frame[22] == 6
    assert asked[4][:2] == ("nf", "x")


def test_none_drops_with_the_lowest_value() -> None:
    text = """program nf { int n;
        entry { action_state { choose x in 4..9; n = x; } action_flow { f[ttl] = x; } } }"""
    for engine in ("walk", "closures"):
        machine = Machine(load_text(text), engine=engine, chooser=lambda *_: None)
        assert machine.step(0, 0, FRAME) == []
        assert machine.plain() == {"nf": {"n": (4,)}}
        assert machine.counters["no_choice"] == 1


def test_both_engines_ask_the_same() -> None:
    count = 0
    for seed in range(60):
        network = random_network(Random(f"chooser {seed}"), Options(choose=True, statements=5))
        runs = []
        for engine in ("walk", "closures"):
            asked: list[object] = []

            def middle(
                instance: str,
                node: ir.Choose,
                candidates: range,
                fits: Callable[[int], bool],
                asked: list[object] = asked,
            ) -> int | None:
                found = [v for v in candidates[:20] if fits(v)]
                asked.append((instance, node.name, candidates, found))
                return found[len(found) // 2] if found else None

            machine = Machine(network, engine=engine, chooser=middle)
            out = [machine.step(t * 1000, t % 2, FRAME) for t in range(6)]
            runs.append((asked, out, machine.snapshot()))
        assert runs[0] == runs[1], seed
        count += len(runs[0][0])
    assert count > 50
