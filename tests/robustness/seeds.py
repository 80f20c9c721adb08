"""Inputs with which fuzzing begins: right ones, from the repository or made here."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from struct import pack
from tempfile import TemporaryDirectory

from nfverify.cli.main import main
from nfverify.equivalence.verdict import (
    Counterexample,
    Different,
    Emitted,
    Equivalent,
    Event,
    Held,
    Obligation,
    Proof,
    Report,
    Resisting,
    SideOfEvent,
    Unknown,
)
from nfverify.packet import pcap
from nfverify.report import results_json
from nfverify.report.document import dump
from nfverify.report.results import (
    Change,
    Example,
    Outcome,
    Place,
    Ratio,
    Result,
    Results,
    Series,
    Step,
)
from nfverify.semantics import state_json
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.load import load

ROOT = Path(__file__).resolve().parents[2]


@cache
def network() -> ir.Network:
    """That states are of."""
    return load("lib:edge")


def _texts(*patterns: str, most: int = 20_000) -> Iterator[bytes]:
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            data = path.read_bytes()
            if len(data) <= most:
                yield data


def models() -> Iterator[bytes]:
    """Of the library, the examples, and wrong ones."""
    yield from _texts("models/**/*.nfd", "examples/**/*.nfd", "tests/wrong/**/*.nfd", most=6000)
    yield b'ruleset r = load("rules.csv");\nprogram p { entry { match_flow { f matches r; } } }\n'


def rulesets() -> Iterator[bytes]:
    """The first lines of each list."""
    for data in _texts("examples/**/*.csv", "tests/**/*.csv", most=1 << 24):
        yield b"".join(data.splitlines(keepends=True)[:12])


def conditions() -> Iterator[bytes]:
    """As --assume takes them."""
    yield b"f[sip] matches 10.0.0.0/8 && f[iface] == lan"
    yield b"(f[dport] & 0xff) == 80 || !(f[proto] == 6) && f[sip6] != 2001:db8::1"
    yield b"now < 5s && f[ttl] * 2 - 1 <= 64 && f[smac] == 02:00:00:00:00:01"


def frames() -> Iterator[bytes]:
    """The first of each capture."""
    for data in captures():
        for record in islice(pcap.read(io.BytesIO(data)), 12):
            yield record.frame


def captures() -> Iterator[bytes]:
    """A pcap, and a pcapng of one section, interface and packet."""
    yield from _texts("examples/**/*.pcap", "examples/**/*.pcapng")
    blocks = (
        (0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        (1, pack("<HHI", 1, 0, 1 << 18)),
        (6, pack("<IIIII", 0, 0, 9, 14, 14) + bytes.fromhex("ff" * 6 + "00" * 6 + "88b50000")),
    )
    yield b"".join(
        pack("<II", kind, len(body) + 12) + body + pack("<I", len(body) + 12)
        for kind, body in blocks
    )


def states() -> Iterator[bytes]:
    """After each of a few packets."""
    machine = Machine(network())
    for number, data in enumerate(frames()):
        machine.step(10**9 + number, 0, data)
        yield state_json.dump(network(), machine.save()).encode()


def tests() -> Iterator[bytes]:
    """A table of each kind."""
    yield from _texts("examples/**/*.toml", "tests/plugin/**/*.toml", "docs/**/*.toml")
    document = {"equiv": ["lib:edge", "lib:edge"], "time-limit": 5}
    yield b"[one]\n" + b"".join(f"{k} = {json.dumps(v)}\n".encode() for k, v in document.items())
    yield b'[two]\ntest = "lib:nat"\nengines = ["reference", "cython"]\nexamples = 100\n'
    yield b'[three]\nreplay = "lib:nat"\nin = "in.pcap"\nout = { lan = "out.pcap" }\n'


def configs() -> Iterator[bytes]:
    """One of each kind of check."""
    yield from _texts("examples/**/nfverify*.toml")
    yield b"""
[gate]
time-limit = 20
jobs = 2
[[equiv]]
name = "same"
a = "a.nfd"
b = "lib:edge"
observe = "packets+state"
ignore = ["ttl"]
assume = ["f[IP4] == 1"]
[[diff]]
old = "HEAD~1:edge.nfd"
new = "edge.nfd"
allow = ["0123456789abcdef"]
[[prove]]
model = "lib:napt"
properties = ["nat_is_injective"]
[[test]]
model = "lib:edge"
engines = ["reference", "cython"]
packets = 1000
[[coverage]]
model = "lib:edge"
suite = "generated"
least = 0.95
[[mutation]]
model = "lib:edge"
least = 0.9
"""


def baselines() -> Iterator[bytes]:
    """One accepted difference."""
    yield from _texts("examples/**/nfverify-baseline.toml")
    yield b"""
[[accepted]]
check = "same"
change = "0123456789abcdef"
reason = "as agreed"
expires = 2030-01-01
"""


def verdicts() -> Iterator[bytes]:
    """One of each kind."""
    report = Report("a", "b", "packets", ("ttl",), "f[IP4] == 1", "bypass", ("a note",), 1.5)
    frame = next(frames())
    out = SideOfEvent((Emitted(5, "1", frame),), ("nf: line 5",))
    example = Counterexample(
        (Event(5, "0", frame, out, SideOfEvent((), ())),), True, 0, ("ttl: a 1, b 2",)
    )
    proof = Proof("induction", 2, ("a.n == b.n",), (Obligation("(1)", 0.1, "proved"),))
    state = (Held("a.n", ("1",), ("2",)), Held("b.m", (), None))
    step = Resisting("equal outputs", "packet", 5, "0", frame, state, out, out, ("ttl",))
    for one in (
        Equivalent(report, proof),
        Different(report, example),
        Unknown(report, "time ran out", 3, (Obligation("(1)", 0.1, "unknown"),), step),
    ):
        yield dump(one, "lib:edge", "b.nfd").encode()


def results() -> Iterator[bytes]:
    """One that has everything."""
    place = Place("a.nfd", 1, 2, 3, 4, "says")
    out = Outcome("a", (Emitted(5, "1", b"\0" * 20),), ("entry",))
    example = Example((Step(5, "0", b"\0" * 20, (out,)),), ("ttl",))
    change = Change(
        "id", "old", "new", "drop", "pass", "10.0.0.0/8", count=1 << 80, example=example
    )
    one = Result(
        "name", "diff", "different", "title", ("a", "b"), ("line",), 1.0, False, (place,),
        (example,), (change,), (Ratio("entries", 1, 2, 0.5, (place,)),),
        (Series("t", "x", "y", ((1.0, 2.0),)),), ("a.n == b.n",), "reason",
    )  # fmt: skip
    yield results_json.dump(Results("all", "1", (one,))).encode()


def certificates() -> Iterator[bytes]:
    """Of two small models."""
    yield from _texts("tests/trust/**/*.json", "examples/**/*.cert.json", most=1 << 20)
    a, b = (ROOT / f"tests/pairs/renamed.{side}.nfd" for side in "ab")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "certificate.json"
        if main(["--quiet", "certify", str(a), str(b), "-o", str(path)]) == 0:
            yield path.read_bytes()
