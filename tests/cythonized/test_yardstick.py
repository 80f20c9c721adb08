"""The models in benchmarks/models/ are the yardstick's functions: each gives what a plain function
on bytes gives, written apart from it (tests/helpers/yardstick.py)."""

import csv
from collections.abc import Callable
from functools import cache

import pytest
from yardstick import (
    MODELS,
    POOL,
    TCP,
    Chain,
    Flow,
    Function,
    Fw,
    Lb,
    Mon,
    Napt,
    Sfw,
    maglev,
    packet,
    traffic,
)

from nfverify.cythonized.host import compile as compile_
from nfverify.semantics.machine import Machine
from nfverify.smat.ir import Network, Table
from nfverify.smat.load import load

FUNCTIONS: dict[str, Callable[[], Function]] = {
    "mon": Mon,
    "napt": Napt,
    "lb": Lb,
    "sfw5": Sfw,
    "fw10": lambda: Fw("fw10.csv"),
    "fw1000": lambda: Fw("fw1000.csv"),
    "chain": lambda: Chain(Napt(transit=True), Lb(), Mon(), Fw("fw10.csv")),
}


@cache
def network(name: str) -> Network:
    return load(str(MODELS / f"{name}.nfd"))


@cache
def packets() -> tuple[bytes, ...]:
    return tuple(traffic(4000))


@pytest.mark.parametrize("engine", ["cython", "closures"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_same_packets(name: str, engine: str) -> None:
    function = FUNCTIONS[name]()
    times = range(len(packets()))
    if engine == "cython":
        out = compile_(network(name)).process(packets(), times)
    else:
        machine = Machine(network(name), engine=engine)
        out = [machine.step(time, 0, frame) for time, frame in zip(times, packets(), strict=True)]
    passed = 0
    for number, (frame, outputs) in enumerate(zip(packets(), out, strict=True)):
        wanted = function(frame)
        assert [o.frame for o in outputs] == ([wanted] if wanted else []), f"packet {number}"
        passed += wanted is not None
    assert len(packets()) // 10 < passed
    assert passed < len(packets()) or name == "mon"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_traffic_reaches_every_entry(name: str) -> None:
    machine = Machine(network(name))
    taken: set[tuple[str, str]] = set()
    machine.trace = lambda visit: taken.update((visit.instance, title) for title in visit.entries)
    for number, frame in enumerate(packets()):
        machine.step(number, 0, frame)
    entries = {
        (instance.name, entry.name)
        for instance in network(name).instances
        for table in instance.program.body
        if isinstance(table, Table)
        for entry in table.entries
    }
    unreached = {("napt", "full")}  # below
    if name == "chain":  # the NAPT drops these
        unreached |= {("lb", "unbalanced"), ("fw10", "unjudged")}
    assert taken == entries - unreached


def test_the_monitor_counts_alike() -> None:
    machine, function = Machine(network("mon")), Mon()
    for number, frame in enumerate(packets()):
        machine.step(number, 0, frame)
        function(frame)
    state = machine.snapshot()["mon"]
    assert sum(key[0] != 0 for key in state["count"]) == len(function.counts)
    for flow, counts in function.counts.items():
        assert (
            state["count"][flow.sip, flow.dip, 0, 0, flow.sport, flow.dport, flow.proto] == counts
        )


def test_the_last_port_of_the_pool() -> None:
    machine = Machine(network("napt"))
    last = 64512 * 32 - 1
    machine.restore({"napt": {"next": {(TCP,): (last,)}}})
    function = Napt(used=last)
    first, second = (packet(Flow(0x0A000001, 0x10000001, port, 80, TCP)) for port in (1, 2))
    out = [output.frame for output in machine.step(0, 0, first)]
    assert out == [function(first)]
    assert out == [packet(Flow(POOL + 31, 0x10000001, 65535, 80, TCP))]
    assert machine.step(1, 0, second) == []
    assert function(second) is None


def test_maglev_table() -> None:
    with (MODELS / "maglev.csv").open() as stream:
        rows = [(int(row["slot"]), int(row["backend"])) for row in csv.DictReader(stream)]
    assert rows == list(enumerate(maglev()))
