"""What bench_cython.py measures besides the table: where the time of the chain goes, what each
optimisation brings, captures from file to file, and other ways to run the same chain."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter, perf_counter_ns
from typing import IO

from chart import Panel
from expert import TRACES, Yardstick
from pages import table
from python_chain import Chain, by_scapy, by_struct

from nfverify.cythonized.bench import BURST, LINE, PASSES, Traffic, clock, measure
from nfverify.cythonized.bench import resident as resident_bytes
from nfverify.cythonized.compiler import arguments
from nfverify.cythonized.emit import emit
from nfverify.cythonized.host import NetworkFunction
from nfverify.cythonized.host import compile as compile_
from nfverify.cythonized.options import Options
from nfverify.cythonized.toolchain import toolchain
from nfverify.semantics.machine import Machine
from nfverify.smat.load import load

MODELS = Path(__file__).parent / "models"
STAGES = ("parsed", "upto_napt", "upto_lb", "upto_mon", "chain1")
RESIDENT = 256  # flows whose state fits in the first caches
TIMES = 5  # the trace, in a capture to be run from file to file
HASHES = 3  # lookups by flow of a packet that passes all of the chain
FLOWS = 10_240_000  # to be filled in: batches of BURST, SIZES among them
SIZES = (1_024_000, FLOWS)
SWITCHES = ("batch", "prefetch", "fuse", "classifier")
SLOW = ("fw1000", "no classifier")  # a thousand rules one after the other: once will do
SCALE = {"reference": 20_000, "dicts": 20_000, "scapy": 1_000}


@dataclass(frozen=True, slots=True)
class Part:
    """Lines to print, and the figures in them."""

    lines: list[str]
    figures: dict[str, object]


def _ns(function: NetworkFunction, traffic: Traffic, passes: int = PASSES) -> float:
    return measure(function, traffic, passes=passes, enough=0, timed=False).ns


def resident(yardstick: Yardstick, name: str, packets: int) -> Traffic:
    """As many packets as the trace, at random of a few of its flows: the same mix, and whatever is
    looked up is in the cache."""
    whole = yardstick.traffic(name, packets)
    flows: dict[bytes, bytes] = {}
    for index in range(min(packets, 50_000)):
        frame = whole.frame(index)
        flows.setdefault(frame[23:24] + frame[26:38], frame)
    rng = Random(1)
    some = rng.sample(list(flows.values()), min(RESIDENT, len(flows)))
    return Traffic(rng.choices(some, k=packets), range(packets))


def hash_ns() -> float:
    """One hash of a flow, of many that are computed at once."""
    tools = toolchain()
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "hash"
        source = Path(__file__).parent / "c" / "hash.c"
        command = [tools.path, *arguments(tools), str(source), "-o", str(program)]
        subprocess.run(command, check=True)
        runs = [subprocess.run([program], check=True, capture_output=True) for _ in range(3)]
    return median(float(run.stdout.split()[0].partition(b"=")[2]) for run in runs)


def breakdown(yardstick: Yardstick, traces: Sequence[str], rounds: int, packets: int) -> Part:
    """Where the time of the chain goes, by differences between builds and between traces."""
    target = str(MODELS / "stages.nfd")
    functions = {stage: compile_(f"{target}:{stage}") for stage in STAGES}
    one_hash = hash_ns()
    kinds: dict[str, dict[str, float]] = {}
    stages: dict[str, dict[str, float]] = {}
    for name in traces:
        whole, few = yardstick.traffic(name, packets), resident(yardstick, name, packets)
        ns: dict[tuple[str, bool], list[float]] = {}
        for _ in range(rounds):
            for stage, function in functions.items():
                for traffic in (whole, few):
                    ns.setdefault((stage, traffic is few), []).append(_ns(function, traffic))
        middle = {case: median(values) for case, values in ns.items()}
        total, hit, parsed = (
            middle[case] for case in (("chain1", False), ("chain1", True), ("parsed", True))
        )
        hashes = one_hash * HASHES
        kinds[name] = {
            "parse": parsed,
            "hash": hashes,
            "action": hit - parsed - hashes,
            "miss": total - hit,
        }
        on_trace = [middle[stage, False] for stage in STAGES]
        steps = [b - a for a, b in zip([0.0, *on_trace], on_trace, strict=False)]
        stages[name] = dict(zip(("parse", "napt", "lb", "mon", "fw10"), steps, strict=True))
    lines = [f"chain, ns/packet by kind ({one_hash:.2f} ns a hash, {HASHES} hashes)"]
    lines += _table(kinds)
    lines += ["chain, ns/packet that each NF adds", *_table(stages)]
    return Part(lines, {"kinds": kinds, "stages": stages, "hash": one_hash})


def _table(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    columns = list(next(iter(rows.values())))
    head = f"{'':12}{''.join(f'{c:>10}' for c in columns)}{'all':>10}"
    body = [
        f"{name:12}{''.join(f'{row[c]:>10.1f}' for c in columns)}{sum(row.values()):>10.1f}"
        for name, row in rows.items()
    ]
    return [head, *body]


def breakdown_chart(
    figures: object, draw: Callable[[str, Sequence[str], Sequence[Panel], str], str]
) -> str:
    """The kinds of `breakdown`, stacked."""
    assert isinstance(figures, Mapping)
    kinds: Mapping[str, Mapping[str, float]] = figures["kinds"]
    names = list(next(iter(kinds.values())))
    rows = {TRACES[trace]: tuple(row.values()) for trace, row in kinds.items()}
    title = "Where the time of the 4-NF chain goes"
    return draw(title, names, [Panel("chain", rows)], "ns each packet")


def markdown(found: Mapping[str, object]) -> dict[str, str]:
    """The tables of docs/performance.md, of the parts that were measured."""
    blocks = {}
    for part, kind, digits in (
        ("breakdown", "kinds", 1),
        ("breakdown", "stages", 1),
        ("switches", "ns", 1),
        ("files", "ns", 2),
        ("scale", "ns", 0),
    ):
        figures = found.get(part)
        if isinstance(figures, Mapping):
            rows: Mapping[str, Mapping[str, float]] = figures[kind]
            head = ["", *(TRACES.get(c, c) for c in next(iter(rows.values())))]
            lines = [
                [TRACES.get(name, name), *(f"{value:,.{digits}f}" for value in row.values())]
                for name, row in rows.items()
            ]
            blocks[part if kind == "ns" else kind] = table(head, lines)
    if "growth" in found:
        blocks["growth"] = _growth_sentences(found["growth"])
    return blocks


def _growth_sentences(figures: object) -> str:
    assert isinstance(figures, Mapping)
    longest: Sequence[float] = figures["longest_ms"]
    memory: Mapping[str, int] = figures["bytes"]
    sizes = ", ".join(f"{value / 1e6:.0f} MB with {int(n):,} flows" for n, value in memory.items())
    return (
        f"The longest that a batch of {BURST} waited: **{median(longest):.2f} ms** in the median"
        f" ({min(longest):.2f} to {max(longest):.2f}). The process grew by {sizes}."
    )


def switches(yardstick: Yardstick, traces: Sequence[str], rounds: int, packets: int) -> Part:
    """How much longer a packet takes with each optimisation switched off."""
    every = Options()
    choices = {"all on": every, **{f"no {s}": replace(every, **{s: False}) for s in SWITCHES}}
    cases = [("chain", c) for c in choices] + [("mon", c) for c in list(choices)[:3]]
    cases += [("fw1000", "all on"), ("fw1000", "no classifier")]
    functions = {
        (model, choice): compile_(MODELS / f"{model}.nfd", options=choices[choice])
        for model, choice in cases
    }
    figures: dict[str, dict[str, float]] = {}
    for name in traces:
        traffic = yardstick.traffic(name, packets)
        ns: dict[tuple[str, str], list[float]] = {case: [] for case in cases}
        for number in range(rounds):
            for case in cases:
                if case != SLOW or not number:
                    passes = 1 if case == SLOW else PASSES
                    ns[case].append(_ns(functions[case], traffic, passes))
        for (model, choice), values in ns.items():
            figures.setdefault(f"{model}: {choice}", {})[name] = median(values)
    lines = ["ns/packet with each optimisation off"]
    lines.append(f"{'':26}{''.join(f'{name:>12}' for name in traces)}")
    lines += [
        f"{case:26}{''.join(f'{row[name]:>12.1f}' for name in traces)}"
        for case, row in figures.items()
    ]
    return Part(lines, {"ns": figures})


def files(yardstick: Yardstick, traces: Sequence[str], rounds: int, packets: int) -> Part:
    """A capture through the chain's program, beside the chain from memory plus `cat`, in tmpfs.

    The capture is the trace several times over, and from memory come as many passes; both start
    without state.
    """
    network = load(str(MODELS / "chain.nfd"))
    function = compile_(network)
    figures: dict[str, dict[str, float]] = {}
    lines = [f"{'capture to capture, ns':24}{'program':>10}{'memory':>10}{'cat':>8}{'ratio':>8}"]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        (program,) = emit(network, Options(), (), "exe", Path(folder))
        source, out = Path(folder) / "in.pcap", Path(folder) / "out.pcap"
        for name in traces:
            whole = yardstick.trace(name).read_bytes()
            source.write_bytes(whole[:24] + whole[24 : 24 + 80 * packets] * TIMES)
            traffic = yardstick.traffic(name, packets)
            ns: dict[str, list[float]] = {"program": [], "memory": [], "cat": []}
            for _ in range(rounds):
                ns["program"].append(_wall([str(program), str(source), "-o", str(out)]))
                sample = measure(function, traffic, passes=TIMES - 1, enough=0, timed=False)
                took = sample.first + (TIMES - 1) * sample.ns
                ns["memory"].append(took * packets)
                with out.open("wb") as stream:
                    ns["cat"].append(_wall(["cat", str(source)], stream))
            row = {kind: median(values) / packets / TIMES for kind, values in ns.items()}
            row["ratio"] = row["program"] / (row["memory"] + row["cat"])
            figures[name] = row
            missed = "  missed (at most 1.60)" if row["ratio"] > 1.6 else ""
            lines.append(
                f"{name:24}{row['program']:>10.1f}{row['memory']:>10.1f}{row['cat']:>8.1f}"
                f"{row['ratio']:>8.2f}{missed}"
            )
    return Part(lines, {"ns": figures})


def _wall(command: Sequence[str], stdout: IO[bytes] | None = None) -> float:
    """ns until the command is done."""
    began = perf_counter_ns()
    to = subprocess.DEVNULL if stdout is None else stdout
    subprocess.run(command, check=True, stdout=to, stderr=subprocess.DEVNULL)
    return perf_counter_ns() - began


def growth(yardstick: Yardstick, traces: Sequence[str], rounds: int, packets: int) -> Part:
    """The monitor's table filled with flows, a batch at a time: the longest that a batch waits, and
    what the table takes. (The trace is of no importance here.)"""
    function = compile_(MODELS / "mon.nfd")
    frame = yardstick.traffic(traces[0], 1).frame(0)
    longest: list[float] = []
    memory: dict[int, int] = {}
    for _ in range(2 * rounds):
        waits, memory = _fill(function, frame)
        longest.append(max(waits) / 1e6)
    middle = median(longest)
    megabytes = memory[SIZES[0]] / 1e6
    missed = ("" if middle <= 2 else "  missed (at most 2 ms)") + (
        "" if megabytes <= 96 else "  missed (at most 96 MB)"
    )
    lines = [
        f"filling {FLOWS:,} flows, the longest wait of a batch of {BURST}, ms: median {middle:.2f}"
        f" of {', '.join(f'{ms:.2f}' for ms in sorted(longest))}{missed}",
        *(f"{flows:,} flows: {memory[flows] / 1e6:.0f} MB" for flows in memory),
    ]
    return Part(lines, {"longest_ms": longest, "bytes": {str(k): v for k, v in memory.items()}})


def _fill(function: NetworkFunction, frame: bytes) -> tuple[list[int], dict[int, int]]:
    """ns of each batch until there are FLOWS flows; the memory of the table at SIZES."""
    function.reset()
    traffic = Traffic([frame] * BURST, range(BURST))
    traffic.frames.put(29, bytes(range(BURST)), LINE)  # the end of the source
    once = clock(function, traffic, BURST)
    empty = resident_bytes()
    waits: list[int] = []
    memory: dict[int, int] = {}
    for batch in range(FLOWS // BURST):
        for at, byte in enumerate(batch.to_bytes(4, "big"), 30):
            traffic.frames.put(at, bytes([byte]) * BURST, LINE)  # the destination
        waits.append(once())
        if (batch + 1) * BURST in SIZES:
            memory[(batch + 1) * BURST] = resident_bytes() - empty
    return waits, memory


def scale(yardstick: Yardstick, traces: Sequence[str], rounds: int, packets: int) -> Part:
    """The same chain by the reference semantics, by dicts and struct, and by scapy."""
    network = load(str(MODELS / "chain.nfd"))
    figures: dict[str, dict[str, float]] = {kind: {} for kind in SCALE}
    for name in traces:
        traffic = yardstick.traffic(name, max(SCALE.values()))
        frames = [traffic.frame(index) for index in range(traffic.count)]
        seconds: dict[str, list[float]] = {kind: [] for kind in SCALE}
        for _ in range(min(rounds, 3)):
            for kind, count in SCALE.items():
                run = _runner(kind, network)
                began = perf_counter()
                for frame in frames[:count]:
                    run(frame)
                seconds[kind].append((perf_counter() - began) / count * 1e9)
        for kind, values in seconds.items():
            figures[kind][name] = median(values)
    lines = [
        "the chain otherwise, ns/packet (from an empty state, so with every flow's first packet)"
    ]
    lines.append(f"{'':26}{''.join(f'{name:>12}' for name in traces)}")
    lines += [
        f"{kind:26}{''.join(f'{row[name]:>12,.0f}' for name in traces)}"
        for kind, row in figures.items()
    ]
    return Part(lines, {"ns": figures})


def _runner(kind: str, network: object) -> Callable[[bytes], object]:
    from nfverify.smat.ir import Network

    if kind == "reference":
        assert isinstance(network, Network)
        made = Machine(network)
        return lambda frame: made.step(0, 0, frame)
    chain, way = Chain(), by_struct if kind == "dicts" else by_scapy
    return lambda frame: way(chain, frame)


PARTS: dict[str, Callable[[Yardstick, Sequence[str], int, int], Part]] = {
    "breakdown": breakdown,
    "switches": switches,
    "files": files,
    "growth": growth,
    "scale": scale,
}
