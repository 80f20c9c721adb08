"""Certificates of equivalence written: models, options, relation, obligations, in one document.

What is written is proved by `nfverify.checker`, which knows nothing of how it was found.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nfverify
from nfverify.equivalence.certificate import SATISFIABLE
from nfverify.equivalence.predicates import RulesetPlan
from nfverify.equivalence.problem import Options, Problem, Side
from nfverify.equivalence.verdict import Proof
from nfverify.lang.files import DISK
from nfverify.smat import ir
from nfverify.smat.certificate import FORMAT, VERSION, digest
from nfverify.smat.load import LIBRARY, choose, library_path, open_module, open_target
from nfverify.smat.network import build
from nfverify.smat.relating import Claim, claim_document, variables
from nfverify.smat.report import Report


@dataclass(frozen=True, slots=True)
class Recorded:
    """The disk; what is read of it is kept."""

    seen: dict[Path, bytes] = field(default_factory=dict)

    def is_file(self, path: Path) -> bool:
        return DISK.is_file(path)

    def read(self, path: Path, limit: int) -> bytes:
        found = DISK.read(path, limit)
        self.seen[path.resolve()] = found
        return found

    def names(self, folder: Path, suffix: str) -> list[str]:
        return DISK.names(folder, suffix)


@dataclass(frozen=True, slots=True)
class Whole:
    """A model with the texts of all files that it consists of: `file` and what that names."""

    network: ir.Network
    file: str
    name: str | None
    files: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        return {"file": self.file, "name": self.name, "files": dict(sorted(self.files.items()))}


def whole(target: str, ports: Sequence[str] = ()) -> Whole:
    """The model of FILE, FILE:NAME or lib:NAME, with its texts. Raises ModelError."""
    report, disk = Report(), Recorded()
    if target.startswith(LIBRARY):
        path, name = library_path(report, target)
        module = open_module(report, path, disk)
    else:
        module, name = open_target(report, target, files=disk)
    network, _ = build(report, *choose(report, module, name), ports)
    report.stop()
    assert module.folder is not None  # a file, not standard input
    files = {p.relative_to(module.folder).as_posix(): d.decode() for p, d in disk.seen.items()}
    return Whole(network, Path(module.source.name).resolve().name, name, files)


def certificate(
    a: Whole, b: Whole, options: Options, assumed: Sequence[str], proof: Proof
) -> dict[str, Any]:
    """The certificate of a proof; `assumed` are the texts of --assume."""
    problem = Problem(Side("a", a.network), Side("b", b.network), options, RulesetPlan())
    same = proof.method == "reflexivity"
    relation = tuple(identity(a.network)) if same else proof.claims
    pairs = problem.state_pairs() if options.observe_state else ()
    names = [side.file if side.name is None else f"{side.file}:{side.name}" for side in (a, b)]
    what = "send the same packets" + (", and leave the same state," if pairs else "")
    found: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "nfverify": nfverify.__version__,
        "claim": f"{names[0]} and {names[1]} {what} for every sequence of packets",
        "a": a.document(),
        "b": b.document(),
        "options": {
            "observe": "packets+state" if pairs else "packets",
            "state": [list(pair) for pair in pairs],
            "ignore": list(options.ignore),
            "assume": list(assumed),
            "non_ip": "drop" if options.drop_non_ip else "bypass",
        },
        "relation": [claim_document(claim) for claim in relation],
        "obligations": list(obligations(problem, len(relation))),
    }
    return found | {"digest": digest(found)}


def certificate_text(document: Mapping[str, Any]) -> str:
    """The document as JSON, a claim of the relation on each line."""
    lines = []
    for name, value in document.items():
        shown = json.dumps(value, indent=1).replace("\n", "\n ")
        if name == "relation" and value:
            shown = "[\n" + ",\n".join(f"  {json.dumps(claim)}" for claim in value) + "\n ]"
        lines.append(f" {json.dumps(name)}: {shown}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def obligations(problem: Problem, claims: int) -> Iterator[str]:
    """The names of all that is to be proved of a relation of so many claims."""
    events = ["packet", *(f"tick {period} ns" for period in problem.periods())]
    numbers = [f"({n + 1})" for n in range(claims)]
    yield from (f"{number} initially" for number in numbers)
    yield "equal outputs"
    if problem.options.observe_state:
        pairs = problem.state_pairs()
        yield from (f"equal {name} after {event}" for event in events for name, _ in pairs)
    yield from (f"{number} after {event}" for number in numbers for event in events)
    yield SATISFIABLE


def identity(a: ir.Network) -> Iterator[Claim]:
    """The relation of a network with itself: all of the state is the same."""
    for name, variable in variables("a", a).items():
        if variable.constant:
            continue
        keys = tuple(ir.Local(f"k{i}", t) for i, t in enumerate(variable.keys))
        other = f"b.{name.partition('.')[2]}"
        if keys:
            yield Claim(variable.keys, ir.Compare("==", ir.Has(name, keys), ir.Has(other, keys)))
        for index, type_ in enumerate(variable.values):
            one, two = (ir.Read(n, keys, index, type_) for n in (name, other))
            yield Claim(variable.keys, ir.Compare("==", one, two))
