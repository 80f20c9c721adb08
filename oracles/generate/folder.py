"""A suite as a folder: written whole, or not at all; read again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import chain
from pathlib import Path

import nfverify
from nfverify.equivalence.reach.script import Script
from nfverify.oracles.coverage.goals import REACHED
from nfverify.oracles.generate import manifest, table
from nfverify.oracles.generate.manifest import BadManifest as BadManifest
from nfverify.oracles.generate.manifest import Item, Json
from nfverify.oracles.generate.outcome import Generated
from nfverify.oracles.generate.packets import events
from nfverify.oracles.trace import Event, Trace, captures, port_names
from nfverify.semantics.machine import Machine
from nfverify.semantics.operators import Function
from nfverify.semantics.state_json import dump as dump_state
from nfverify.smat import ir

COVERAGE = ("coverage.md", "coverage.json")


class NotReproduced(AssertionError):
    """A trace that was about to be written does not do what it is for: an internal error."""


def digest(network: ir.Network) -> str:
    """Names a network by its content, wherever its text stands."""
    return blake2b(repr(network).encode(), digest_size=16).hexdigest()


def save(
    folder: Path, found: Generated, model: str, operators: Mapping[str, Function] | None = None
) -> None:
    """Writes a suite; an earlier one in the folder goes. FileExistsError if the folder holds
    anything else. Every trace is replayed on the reference first, as its files say it."""
    functions = operators or {}
    _write(folder, chain(_suite(found, functions), _tables(found, model)))


def save_tests(
    folder: Path,
    network: ir.Network,
    items: Sequence[Item],
    model: str,
    operators: Mapping[str, Function] | None = None,
) -> None:
    """Writes traces that have no goals, such as those that tell mutants apart."""
    _write(folder, _tests(network, items, model, operators or {}))


def _write(folder: Path, content: Iterable[tuple[str, bytes]]) -> None:
    """All files, or none; the manifest, which makes it a suite, last."""
    check_target(folder)
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f".new.{os.getpid()}"
    try:
        for name, data in content:
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        with suppress(FileNotFoundError):
            (folder / manifest.NAME).unlink()  # from here on it is no suite until all is there
        for old in _ours(folder):
            shutil.rmtree(old)
        for path in sorted(new.iterdir(), key=lambda path: path.name == manifest.NAME):
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def check_target(folder: Path) -> None:
    """FileExistsError for what is no folder, and for a folder with other things than a suite."""
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(0, "it is there, and is no folder", str(folder))
    if folder.is_dir() and any(folder.iterdir()) and not (folder / manifest.NAME).is_file():
        raise FileExistsError(0, "the folder is not empty, and holds no suite", str(folder))


def _ours(folder: Path) -> list[Path]:
    return [p for p in folder.iterdir() if p.is_dir() and p.name.isdecimal() and len(p.name) >= 4]


def _suite(found: Generated, operators: Mapping[str, Function]) -> Iterator[tuple[str, bytes]]:
    for item in found.items:
        trace = events(item.script)
        out, files = _item(found.instrumented.original, item, trace, operators)
        _check(found, item, trace, out, operators)
        yield from files


def _tests(
    network: ir.Network, items: Sequence[Item], model: str, operators: Mapping[str, Function]
) -> Iterator[tuple[str, bytes]]:
    for item in items:
        yield from _item(network, item, events(item.script), operators)[1]
    head = {**_head(network, model), "coverage": "mutants"}
    yield manifest.NAME, manifest.dump(head, [], items).encode()


def _item(
    network: ir.Network, item: Item, trace: Trace, operators: Mapping[str, Function]
) -> tuple[list[Event], list[tuple[str, bytes]]]:
    """What comes out of a trace, and its files."""
    names = port_names(network)
    machine = Machine(network, operators=operators)
    out: list[Event] = []
    for event in trace:
        out += [Event(*output) for output in machine.step(*event)]
    files = [
        (f"{item.name}/{part}/{name}", data)
        for part, rows in (("in", trace), ("out", tuple(out)))
        for name, data in captures(rows, names).items()
    ]
    state = dump_state(network, machine.save()).encode()
    return out, [*files, (f"{item.name}/state.json", state)]


def _tables(found: Generated, model: str) -> Iterator[tuple[str, bytes]]:
    goals = table.goals_json(found)
    yield "coverage.md", table.markdown(found).encode()
    yield "coverage.json", (json.dumps(goals, indent=1) + "\n").encode()
    head = {
        **_head(found.instrumented.original, model),
        "coverage": found.coverage,
        "seed": found.seed,
    }
    yield manifest.NAME, manifest.dump(head, goals, found.items).encode()


def _head(network: ir.Network, model: str) -> dict[str, Json]:
    return {
        "version": manifest.VERSION,
        "nfverify": nfverify.__version__,
        "model": model,
        "network": network.name,
        "digest": digest(network),
        "ports": list(port_names(network)),
    }


def _check(
    found: Generated,
    item: Item,
    trace: Trace,
    out: list[Event],
    operators: Mapping[str, Function],
) -> None:
    """The frames reach the goals, and the network that records goals does as the original."""
    machine = Machine(found.instrumented.network, operators=operators)
    same = [Event(*output) for event in trace for output in machine.step(*event)]
    missing = set(item.goals) - reached(machine)
    if missing or same != out:
        raise NotReproduced(f"trace {item.name} does not reach goals {sorted(missing)}")


def reached(machine: Machine) -> frozenset[int]:
    """The goals that a machine of an instrumented network has recorded."""
    return frozenset(
        int(number)
        for variables in machine.snapshot().values()
        for (number,) in variables.get(REACHED, ())
    )


# Reading ----------------------------------------------------------------------------------


def load(folder: Path) -> tuple[Mapping[str, Json], tuple[Item, ...]]:
    """The manifest of a folder that `save` wrote. BadManifest, OSError."""
    path = folder / manifest.NAME
    if path.stat().st_size > manifest.MAX_MANIFEST:
        raise BadManifest(f"{path}: over {manifest.MAX_MANIFEST >> 20} MB")
    try:
        return manifest.load(path.read_text())
    except (BadManifest, UnicodeDecodeError) as error:
        raise BadManifest(f"{path}: {error}") from error


def traces(folder: Path, network: ir.Network) -> tuple[Trace, ...]:
    """The traces of a suite's manifest, loops written out. BadManifest, OSError."""
    _, items = load(folder)
    ports = max(2, len(network.ports))
    found = []
    for item in items:
        trace = events(item.script)
        if any(event.port >= ports for event in trace):
            raise BadManifest(f"{folder}: trace {item.name}: {network.name} has {ports} ports")
        found.append(trace)
    return tuple(found)


def scripts(folder: Path) -> tuple[Script, ...]:
    """The same with their loops."""
    return tuple(item.script for item in load(folder)[1])
