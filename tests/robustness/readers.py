"""What nfverify reads that others may have written: each reader as a function of bytes, with seeds.

A reader returns or raises one of REFUSALS; anything else, more than 5 s or 1 GB is a fault.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from struct import pack
from tempfile import mkdtemp
from types import MappingProxyType

from nfverify.cli.options import UsageError
from nfverify.lang.formatter import format_text
from nfverify.lang.parser import decode
from nfverify.lang.render import render
from nfverify.lang.source import NOWHERE, ModelError
from nfverify.packet import pcap
from nfverify.packet.codec import Malformed, deparse, parse
from nfverify.report.packets import summary
from nfverify.semantics import state_json
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.check import check_file
from nfverify.smat.condition import packet_condition
from nfverify.smat.load import load
from nfverify.smat.ruleset import full, load_csv, read_cells
from nfverify.smat.texts import ruleset_text
from nfverify.testing.reading import read_tests

ROOT = Path(__file__).resolve().parents[2]
REFUSALS = (ModelError, UsageError, pcap.CaptureError)
PACKETS = 64  # of a capture that are looked at closely
Function = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Reader:
    """`seeds` gives inputs to begin with; `words` are tokens that mutations put in, with spaces."""

    run: Function
    seeds: Callable[[], Iterator[bytes]]
    words: str = ""


@cache
def _folder() -> Path:
    """A folder of this process with a ruleset that models may load."""
    folder = Path(mkdtemp(prefix="nfverify-fuzz-"))
    rules = "sip,dport,action\n10.0.0.0/8,80-90,permit\n*,*,deny\n"
    (folder / "rules.csv").write_text(rules, encoding="ascii")
    return folder


def clean_up() -> None:
    """Removes the folder of this process."""
    shutil.rmtree(_folder(), ignore_errors=True)


def _file(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


# Models, rulesets ---------------------------------------------------------------------------


@cache
def _few_frames() -> tuple[bytes, ...]:
    return tuple(islice(_frames(), 2))


def model(data: bytes) -> None:
    """Checked, with what is wrong shown; formatted; and, if nothing is wrong, run."""
    path = _file("model.nfd", data)
    found = check_file(str(path))
    render(found)
    if any(d.severity == "error" for d in found):
        return
    format_text(decode("model.nfd", data))
    machine = Machine(load(str(path)))
    for number, data in enumerate(_few_frames()):
        machine.step(1000 * number, number & 1, data)


def condition(data: bytes) -> None:
    """Of --assume."""
    packet_condition(decode("--assume", data), ("lan", "wan"))


def csv(data: bytes) -> None:
    """As a ruleset and as a constant table."""
    _file("some.csv", data)
    read_cells("some.csv", _folder(), NOWHERE)
    ruleset = load_csv("some.csv", _folder(), {"lan": 0, "wan": 1}, NOWHERE)
    ruleset.accepts([full(column)[0] for column in ruleset.columns])
    ruleset_text("some", ruleset)


# Traffic, states ------------------------------------------------------------------------------


def capture(data: bytes) -> None:
    """To the end; the first packets are parsed, shown and written again."""
    for number, record in enumerate(pcap.read(io.BytesIO(data))):
        if number < PACKETS:
            frame(record.frame)


def frame(data: bytes) -> None:
    """Parsed, shown, and written as it was."""
    packet = parse(data)
    summary(data)
    if not isinstance(packet, Malformed) and deparse(packet) != data:
        raise AssertionError("a packet that nothing changed is written otherwise")


@cache
def _network() -> ir.Network:
    return load("lib:edge")


def state(data: bytes) -> None:
    """Of `--from`; what is read is written and read as the same."""
    given = state_json.load(_network(), decode("state.json", data).text, "state.json")
    written = state_json.dump(_network(), given)
    if state_json.dump(_network(), state_json.load(_network(), written, "again")) != written:
        raise AssertionError("a state that was written is read otherwise")


def tests(data: bytes) -> None:
    """A TOML file of tests."""
    read_tests(_file("nfverify_some.toml", data))


# Seeds ------------------------------------------------------------------------------------------


def _texts(*patterns: str, most: int = 20_000) -> Iterator[bytes]:
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            data = path.read_bytes()
            if len(data) <= most:
                yield data


def _models() -> Iterator[bytes]:
    yield from _texts("models/**/*.nfd", "examples/**/*.nfd", "tests/wrong/**/*.nfd", most=6000)
    yield b'ruleset r = load("rules.csv");\nprogram p { entry { match_flow { f matches r; } } }\n'


def _rulesets() -> Iterator[bytes]:
    for data in _texts("examples/**/*.csv", "tests/**/*.csv", most=1 << 24):
        yield b"".join(data.splitlines(keepends=True)[:12])


def _conditions() -> Iterator[bytes]:
    yield b"f[sip] in 10.0.0.0/8 && iface == lan"
    yield b"(f[dport] & 0xff) == 80 || !(f[proto] == 6) && f[sip6] != 2001:db8::1"
    yield b"now < 5 s && f[ttl] * 2 - 1 <= 64 && f[smac] == 02:00:00:00:00:01"


def _frames() -> Iterator[bytes]:
    for data in _captures():
        for record in islice(pcap.read(io.BytesIO(data)), 12):
            yield record.frame


def _captures() -> Iterator[bytes]:
    yield from _texts("examples/**/*.pcap", "examples/**/*.pcapng")
    # A pcapng of one section, interface and packet.
    blocks = (
        (0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        (1, pack("<HHI", 1, 0, 1 << 18)),
        (6, pack("<IIIII", 0, 0, 9, 14, 14) + bytes.fromhex("ff" * 6 + "00" * 6 + "88b50000")),
    )
    yield b"".join(
        pack("<II", kind, len(body) + 12) + body + pack("<I", len(body) + 12)
        for kind, body in blocks
    )


def _states() -> Iterator[bytes]:
    machine = Machine(_network())
    for number, data in enumerate(_frames()):
        machine.step(10**9 + number, 0, data)
        yield state_json.dump(_network(), machine.save()).encode()


def _tests() -> Iterator[bytes]:
    yield from _texts("examples/**/*.toml", "tests/plugin/**/*.toml", "docs/**/*.toml")
    document = {"equiv": ["lib:edge", "lib:edge"], "time-limit": 5}
    yield b"[one]\n" + b"".join(f"{k} = {json.dumps(v)}\n".encode() for k, v in document.items())
    yield b'[two]\ntest = "lib:nat"\nengines = ["cython"]\nexamples = 100\n'
    yield b'[three]\nreplay = "lib:nat"\nin = "in.pcap"\nout = { lan = "out.pcap" }\n'


_WORDS = """
program chain state config entry match_flow match_state action_flow action_state map set list int
bool IP port time flow rule ruleset load import init every timer choose invariant property before
since forall if else while let delete touch drop pass resubmit output iface now hash reverse matches
mismatches in not func op tag timeout max reject evict f[sip] f[dip] f[tag] := == != <= >= && || <<
>> -> 10.0.0.0/8 2001:db8::/32 0xffffffff 4294967296 lan wan
"""
_COLUMNS = "sip dip sip6 dip6 sport dport proto iface action permit deny * /0 /32 -"

READERS = MappingProxyType(
    {
        "model": Reader(model, _models, _WORDS),
        "condition": Reader(condition, _conditions, _WORDS),
        "csv": Reader(csv, _rulesets, _COLUMNS),
        "capture": Reader(capture, _captures),
        "frame": Reader(frame, _frames),
        "state": Reader(state, _states),
        "tests": Reader(tests, _tests),
    }
)
