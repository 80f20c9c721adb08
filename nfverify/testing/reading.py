"""`*.nftest.toml` files to tests, with every mistake at its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from nfverify.lang.source import Diagnostic, ModelError, Source
from nfverify.oracles.engines.table import names as engine_names
from nfverify.packet.fields import FIELDS
from nfverify.smat.report import did_you_mean
from nfverify.testing.places import places
from nfverify.testing.spec import (
    COMPARE,
    NON_IP,
    OBSERVE,
    REFINED,
    VERDICTS,
    AnyTest,
    Common,
    EngineTest,
    EquivTest,
    ReplayTest,
)
from nfverify.testing.toml import read_toml
from nfverify.testing.values import Table

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,79}", re.ASCII)
_KINDS = "`equiv = [A, B]`, `test = MODEL` or `replay = MODEL`"
_COMMON = ("ignore", "non-ip", "ops", "skip", "xfail")
_KEYS: Mapping[str, tuple[str, ...]] = {
    "equiv": (
        *("equiv", "verdict", "observe", "assume", "refine", "depth", "time-limit"),
        *("allow-unknown", *_COMMON),
    ),
    "test": (
        *("test", "engines", "against", "examples", "seconds", "seed", "compare"),
        *("answer-limit", "well-formed", "suite", *_COMMON),
    ),
    "replay": ("replay", "in", "out", "outcome", "state", "suite", "engines", *_COMMON),
}


def read_tests(path: Path) -> list[AnyTest]:
    """The tests of a file, in its order. ModelError with all that is wrong; OSError."""
    document, source = read_toml(path, "strings stand in quotes; `[its-name]` begins a test")
    return _tests(document, source, path.resolve().parent)


def _tests(document: Mapping[str, object], source: Source, folder: Path) -> list[AnyTest]:
    where = places(source.text)
    tests: list[AnyTest] = []
    wrong: list[Diagnostic] = []
    for name, content in document.items():
        table = Table(name, content if isinstance(content, dict) else {}, source, where, folder)
        if not isinstance(content, dict):
            table.wrong(f"`{name[:80]}` stands in no test", "begin one above it: `[its-name]`")
        elif not _NAME.fullmatch(name):
            hint = "letters, digits, `-`, `_`, `.` and `+`, at most 80"
            table.wrong(f"{name[:80]!a} is no name of a test", hint)
        elif (test := _test(table)) is not None:
            tests.append(test)
        wrong += table.diagnostics
    if wrong:
        raise ModelError(*sorted(wrong, key=lambda one: one.span.start))
    return tests


def _test(table: Table) -> AnyTest | None:
    """The test of a table, unless something is wrong with it."""
    kinds = [kind for kind in _KEYS if kind in table.content]
    if len(kinds) != 1:
        message = f"`{table.name}` doesn't say what is tested"
        if kinds:
            message = f"`{table.name}` has `{'` and `'.join(kinds)}`, and is one test"
        meant = [near for key in table.content if (near := did_you_mean(key, _KEYS))]
        hint = f"write {_KINDS}"
        if any(isinstance(value, dict) for value in table.content.values()):
            hint = 'a name with a dot stands in quotes: ["v1.2"]'
        table.wrong(message + (meant[0] if meant and not kinds else ""), hint)
        return None
    (kind,) = kinds
    known = _KEYS[kind]
    for key in table.content:
        if key not in known:
            told = f"is no key of a test with `{kind}`{did_you_mean(key, known)}"
            table.bad(key, told, f"it can have {', '.join(known[1:])}")
    test: AnyTest
    if kind == "equiv":
        test = _equiv(table)
    elif kind == "test":
        test = _engines(table)
    else:
        test = _replay(table)
    return None if table.diagnostics else test


def _common(table: Table) -> Common:
    wire = [name for name, info in FIELDS.items() if info.on_wire]
    ignored = table.choices("ignore", wire, "field on the wire")
    return Common(
        table.name,
        table.span(),
        tuple(name for name in wire if name in ignored),
        table.choice("non-ip", NON_IP),
        tuple(table.path("ops", name) for name in table.texts("ops")),
        table.text("skip") if "skip" in table.content else None,
        table.text("xfail") if "xfail" in table.content else None,
    )


def _equiv(table: Table) -> EquivTest:
    pair = table.texts("equiv")
    if len(pair) != 2:
        table.bad("equiv", "is not two models", 'write equiv = ["a.nfd", "lib:edge"]')
        pair = ("", "")
    refine = table.flag("refine")
    if refine:
        verdict = VERDICTS[REFINED.index(table.choice("verdict", REFINED))]
        if "observe" in table.content:
            table.bad("observe", "and `refine` exclude each other: packets are compared")
    else:
        verdict = table.choice("verdict", VERDICTS)
    return EquivTest(
        _common(table),
        table.model(pair[0], "equiv"),
        table.model(pair[1], "equiv"),
        verdict,
        table.choice("observe", OBSERVE),
        table.texts("assume"),
        refine,
        table.count("depth", 1),
        table.seconds("time-limit"),
        table.flag("allow-unknown"),
    )


def _engine_names(table: Table) -> tuple[str, ...] | None:
    if "engines" not in table.content:
        return None
    known = engine_names()
    found = table.choices("engines", known, "engine")
    if not found and not table.diagnostics:
        table.bad("engines", "names none", f"there are {', '.join(known)}")
    return found


def _engines(table: Table) -> EngineTest:
    if "examples" in table.content and "seconds" in table.content:
        table.bad("seconds", "and `examples` exclude each other")
    engines = _engine_names(table)
    if engines is not None and len(set(engines)) < 2 and "against" not in table.content:
        table.bad("engines", "names one: two executions are needed", "name more, or `against`")
    return EngineTest(
        _common(table),
        table.model(table.text("test"), "test"),
        engines,
        table.text("against") if "against" in table.content else None,
        table.count("examples", 1),
        table.seconds("seconds"),
        table.count("seed", 0),
        table.choices("compare", COMPARE, "comparison"),
        table.seconds("answer-limit"),
        table.flag("well-formed"),
        table.suite("suite"),
        table.folder,
    )


def _replay(table: Table) -> ReplayTest:
    given = [key for key in ("in", "out", "outcome", "state") if key in table.content]
    if "suite" in table.content:
        if given:
            table.bad(given[0], "and `suite` exclude each other: a suite has all of that")
    elif "in" not in given:
        hint = 'write in = "IN.pcap", in = {PORT = "IN.pcap"}, or suite = "DIR"'
        table.wrong(f"`{table.name}` has no packets", hint)
    elif len(given) == 1:
        hint = 'write out = "OUT.pcap", outcome = ["outside", "drop"], or state = "S.json"'
        table.wrong(f"`{table.name}` doesn't say what must come of the packets", hint)
    outcome = None
    if "outcome" in table.content:
        outcome = tuple(_ports(text) for text in table.texts("outcome"))
    return ReplayTest(
        _common(table),
        table.model(table.text("replay"), "replay"),
        table.captures("in") if "in" in table.content else (),
        table.captures("out") if "out" in table.content else None,
        outcome,
        table.path("state", table.text("state")) if "state" in table.content else None,
        table.suite("suite"),
        _engine_names(table),
    )


def _ports(text: str) -> tuple[str, ...]:
    """The ports by which a packet leaves: "drop" for none."""
    if text.strip() == "drop":
        return ()
    return tuple(name.strip() for name in text.split(","))
