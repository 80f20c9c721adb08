"""What nfverify reads that others may have written: each reader as a function of bytes, with seeds.

A reader returns or raises one of REFUSALS; anything else, more than 5 s or 1 GB is a fault.
"""

from __future__ import annotations

import atexit
import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from types import MappingProxyType

import seeds

from nfverify.cli.options import UsageError
from nfverify.gate.baseline import read_baseline
from nfverify.gate.config import read_config
from nfverify.lang.formatter import format_text
from nfverify.lang.parser import decode
from nfverify.lang.render import render as render_all
from nfverify.lang.source import NOWHERE, ModelError
from nfverify.packet import pcap
from nfverify.packet.codec import Malformed, deparse, parse
from nfverify.report import results_json
from nfverify.report.document import dump
from nfverify.report.packets import summary
from nfverify.report.render import render
from nfverify.report.text import text
from nfverify.report.verdict_file import read_verdict
from nfverify.semantics import state_json
from nfverify.semantics.machine import Machine
from nfverify.smat.certificate import BadCertificate, digest
from nfverify.smat.certificate import read as read_certificate
from nfverify.smat.check import check_file
from nfverify.smat.condition import packet_condition
from nfverify.smat.load import load
from nfverify.smat.ruleset import full, load_csv, read_cells
from nfverify.smat.texts import ruleset_text
from nfverify.testing.reading import read_tests

REFUSALS = (ModelError, UsageError, pcap.CaptureError, BadCertificate)
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
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    rules = "sip,dport,action\n10.0.0.0/8,80-90,permit\n*,*,deny\n"
    (folder / "rules.csv").write_text(rules, encoding="ascii")
    return folder


def _file(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


# Models, rulesets ---------------------------------------------------------------------------


@cache
def _few_frames() -> tuple[bytes, ...]:
    return tuple(islice(seeds.frames(), 2))


def model(data: bytes) -> None:
    """Checked, with what is wrong shown; formatted; and, if nothing is wrong, run."""
    path = _file("model.nfd", data)
    found = check_file(str(path))
    render_all(found)
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


def state(data: bytes) -> None:
    """Of `--from`; what is read is written and read as the same."""
    given = state_json.load(seeds.network(), decode("state.json", data).text, "state.json")
    written = state_json.dump(seeds.network(), given)
    if (
        state_json.dump(seeds.network(), state_json.load(seeds.network(), written, "again"))
        != written
    ):
        raise AssertionError("a state that was written is read otherwise")


def tests(data: bytes) -> None:
    """A TOML file of tests."""
    read_tests(_file("nfverify_some.toml", data))


# What nfverify itself writes, and its configuration -----------------------------------------------


def config(data: bytes) -> None:
    """nfverify.toml."""
    read_config(_file("nfverify.toml", data))


def baseline(data: bytes) -> None:
    """nfverify-baseline.toml."""
    read_baseline(_file("nfverify-baseline.toml", data))


def verdict(data: bytes) -> None:
    """What `explain` reads."""
    told = read_verdict(decode("verdict.json", data).text, "verdict.json")
    dump(told.verdict, told.a, told.b)
    text(told.verdict, told.a, told.b)


def results(data: bytes) -> None:
    """What the gate keeps. (Its refusal is a ValueError.)"""
    try:
        found = results_json.load(data.decode())
    except ValueError:
        return
    render("text", found)
    render("sarif", found)


def certificate(data: bytes) -> None:
    """What `check-certificate` reads; a digest that doesn't fit is mended first, or nothing behind
    it would ever be read."""
    with suppress(ValueError, RecursionError):
        document = json.loads(data)
        if isinstance(document, dict) and "digest" in document:
            data = json.dumps(document | {"digest": digest(document)}).encode()
    read_certificate(data)


_WORDS = """
program chain state config entry match_flow match_state action_flow action_state map set list int
bool IP port time flow rule ruleset load import init every timer choose invariant property before
since forall if else while let delete touch drop pass resubmit output iface now hash reverse matches
mismatches in not func op tag timeout max reject evict f[sip] f[dip] f[tag] := == != <= >= && || <<
>> -> 10.0.0.0/8 2001:db8::/32 0xffffffff 4294967296 lan wan
"""
_COLUMNS = "sip dip sip6 dip6 sport dport proto iface action permit deny * /0 /32 -"

_KEYS = """
[gate] [[equiv]] [[diff]] [[prove]] [[test]] [[coverage]] [[mutation]] [[accepted]] name = model a b
old new allow least suite engines packets properties all reason expires time-limit jobs executor
"""
_MEMBERS = """
"version" "verdict" "a" "b" "unknown" "equivalent" "different" "resisting" "packet" "state" "values"
null true 1 -1 1e999 "relation" "keys" "holds" "const" "read" "u32" "key" "==" "and" "or" "not" "if"
"""

READERS = MappingProxyType(
    {
        "model": Reader(model, seeds.models, _WORDS),
        "condition": Reader(condition, seeds.conditions, _WORDS),
        "csv": Reader(csv, seeds.rulesets, _COLUMNS),
        "capture": Reader(capture, seeds.captures),
        "frame": Reader(frame, seeds.frames),
        "state": Reader(state, seeds.states),
        "tests": Reader(tests, seeds.tests),
        "config": Reader(config, seeds.configs, _KEYS),
        "baseline": Reader(baseline, seeds.baselines, _KEYS),
        "verdict": Reader(verdict, seeds.verdicts, _MEMBERS),
        "results": Reader(results, seeds.results),
        "certificate": Reader(certificate, seeds.certificates, _MEMBERS),
    }
)


def _wrong(data: bytes) -> None:
    if data.startswith(b"ab"):
        raise IndexError("planted")


PLANTED = Reader(_wrong, lambda: iter([b"a"]), "ab")
"""One with a fault, to see that it is found; no part of READERS."""
