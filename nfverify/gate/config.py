"""nfverify.toml to checks, with every mistake at its place."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from nfverify.gate import spec
from nfverify.gate.spec import AnyCheck, Common, Config
from nfverify.lang.revision import versioned
from nfverify.lang.source import ModelError, Source
from nfverify.packet.fields import FIELDS
from nfverify.report.results import Kind, Place
from nfverify.smat.report import did_you_mean
from nfverify.testing.places import places
from nfverify.testing.spec import COMPARE, NON_IP, OBSERVE
from nfverify.testing.toml import parse_toml, read_toml
from nfverify.testing.values import Table

MAX_CHECKS = 1000
MAX_NAME = 100
_HINT = "strings stand in quotes; `[[equiv]]` begins a check"
_GATE = ("time-limit", "memory-limit", "cross-check", "jobs", "executor", "baseline")
_COMMON = ("name", "time-limit", "memory-limit", "non-ip", "ops")
_PROOF = ("cross-check",)
_TRAFFIC = ("suite", "traces", "least")
_KEYS: Mapping[Kind, tuple[str, ...]] = {
    "check": ("models", "warnings"),
    "equiv": ("a", "b", "observe", "ignore", "assume", "refine", "depth", "invariants", *_PROOF),
    "diff": ("old", "new", "allow", "ignore", "assume", "reload", *_PROOF),
    "prove": ("model", "properties", "assume", *_PROOF),
    "test": (
        *("model", "engines", "against", "packets", "seed", "compare", "ignore", "suite"),
        *("traces", "well-formed", "answer-limit"),
    ),
    "coverage": ("model", "level", *_TRAFFIC),
    "mutation": ("model", *_TRAFFIC, "prove-limit"),
}


def read_config(path: Path) -> Config:
    """The checks of a file, in its order. ModelError with all that is wrong; OSError."""
    document, source = read_toml(path, _HINT)
    return _config(document, source, path)


def parse_config(source: Source, path: Path) -> Config:
    """The same of a text, whose paths are seen from the folder of `path`. ModelError."""
    return _config(parse_toml(source, _HINT), source, path)


def _config(document: Mapping[str, object], source: Source, path: Path) -> Config:
    where, folder = places(source.text), Path(os.path.relpath(path.resolve().parent))

    def table(name: str, content: object) -> Table:
        return Table(
            name, content if isinstance(content, dict) else {}, source, where, folder, "config"
        )

    gate = table("gate", document.get("gate", {}))
    known = ("gate", *_KEYS)
    tables = [gate]
    reading = _Reading(gate)
    found: list[tuple[int, AnyCheck]] = []
    for name, content in document.items():
        if name not in known:
            hint = f"there are [gate] and {', '.join(f'[[{kind}]]' for kind in _KEYS)}"
            tables.append(table(name, content))
            tables[-1].wrong(f"{name[:60]!a} is no kind of check{did_you_mean(name, known)}", hint)
        elif name == "gate":
            if not isinstance(content, dict):
                gate.wrong("`gate` is no table", "write [gate]")
        elif not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
            tables.append(table(name, content))
            tables[-1].wrong(
                f"`{name}` is no list of checks", f"write [[{name}]], with two brackets"
            )
        else:
            for number, item in enumerate(content[: MAX_CHECKS + 1], 1):
                tables.append(table(f"{name}[{number}]", item))
                check = reading.check(next(kind for kind in _KEYS if kind == name), tables[-1])
                found.append((tables[-1].span().start, check))
    config = _gate(gate, folder, path)
    checks = tuple(_named([check for _, check in sorted(found, key=lambda one: one[0])], tables))
    if len(checks) > MAX_CHECKS:
        gate.wrong(f"more than {MAX_CHECKS} checks")
    wrong = [diagnostic for one in tables for diagnostic in one.diagnostics]
    if wrong:
        raise ModelError(*sorted(wrong, key=lambda one: one.span.start))
    if not checks:
        gate.wrong("the file names no check", "begin one: [[equiv]], or let `nfverify init` write")
        raise ModelError(*gate.diagnostics)
    return config(checks)


def _gate(table: Table, folder: Path, path: Path) -> Callable[[tuple[AnyCheck, ...]], Config]:
    _known(table, _GATE, "[gate]")
    jobs = table.count("jobs", 1)
    executor = table.text("executor") if "executor" in table.content else None
    baseline = table.text("baseline") if "baseline" in table.content else spec.BASELINE
    shown = Path(os.path.relpath(path))
    return lambda checks: Config(shown, checks, folder / baseline, jobs, executor)


def _known(table: Table, keys: tuple[str, ...], what: str) -> None:
    for key in table.content:
        if key not in keys:
            near = did_you_mean(key.replace("_", "-"), keys)
            if key.replace("_", "-") in keys:
                near = f"; did you mean `{key.replace('_', '-')}`?"
            table.bad(key[:60], f"is no key of {what}{near}", f"it can have {', '.join(keys)}")


def _named(checks: list[AnyCheck], tables: list[Table]) -> list[AnyCheck]:
    """All checks, the names of which must differ."""
    seen: dict[str, int] = {}
    where = {f"{table.source.name}:{table.span().line}": table for table in tables}
    for check in checks:
        common = check.common
        if common.name in seen:
            table = where[f"{common.place.path}:{common.place.line}"]
            message = f"two checks are named {common.name!a}, the first in line {seen[common.name]}"
            table.wrong(message, 'give them names: name = "…"')
        seen.setdefault(common.name, common.place.line)
    return checks


class _Reading:
    """Tables to checks; `[gate]` has the defaults."""

    def __init__(self, gate: Table) -> None:
        self.time = gate.seconds("time-limit")
        self.memory = gate.size("memory-limit") or spec.DEFAULT_MEMORY
        self.solver = _solver(gate, "")
        self.given: dict[str, int] = {}

    def check(self, kind: Kind, table: Table) -> AnyCheck:
        """One check; what is wrong is noted in the table."""
        _known(table, (*_COMMON, *_KEYS[kind]), f"[[{kind}]]")
        match kind:
            case "check":
                models = tuple(table.model(name, "models") for name in table.texts("models"))
                if not models and not table.diagnostics:
                    table.wrong("the check names no models", 'write models = ["FILE.nfd"]')
                strict = table.choice("warnings", ("allow", "refuse")) == "refuse"
                return spec.Check(self.common(table, kind, *models), models, strict)
            case "equiv":
                return self.equiv(table)
            case "diff":
                return self.diff(table)
            case "prove":
                model = _model(table)
                listed = table.texts("properties") or (spec.ALL,)
                common = self.common(table, kind, model, *listed[listed == (spec.ALL,) :])
                solver = _solver(table, self.solver)
                return spec.Prove(common, model, listed, table.texts("assume"), solver)
            case "test":
                return self.test(table)
            case "coverage":
                model = _model(table)
                level = table.choice("level", spec.LEVELS)
                traffic = _suite(table), _traces(table)
                common = self.common(table, kind, model)
                return spec.Coverage(common, model, level, *traffic, _least(table))
            case "mutation":
                model = _model(table)
                traffic = _suite(table), _traces(table)
                limit = table.seconds("prove-limit") or 10.0
                common = self.common(table, kind, model)
                return spec.Mutation(common, model, *traffic, _least(table), limit)

    def free(self, name: str) -> str:
        """A name of a check that has none: the second of the same is numbered, and so on."""
        count = self.given[name] = self.given.get(name, 0) + 1
        return name if count == 1 else f"{name} ({count})"

    def common(self, table: Table, kind: Kind, *about: str) -> Common:
        span = table.span()
        sends = kind in ("test", "coverage", "mutation")
        default = spec.DEFAULT_TRAFFIC_TIME if sends else spec.DEFAULT_TIME
        named = "name" in table.content
        name = table.text("name") if named else self.free(f"{kind} {' '.join(about)}")
        if "name" in table.content and (len(name) > MAX_NAME or not name.isprintable()):
            table.bad("name", f"is no name: up to {MAX_NAME} printable characters")
        return Common(
            name,
            kind,
            Place(span.source.name, span.line, span.column),
            table.seconds("time-limit") or self.time or default,
            table.size("memory-limit") or self.memory,
            table.choice("non-ip", NON_IP),
            tuple(os.path.normpath(table.path("ops", name)) for name in table.texts("ops")),
            str(table.folder),
        )

    def equiv(self, table: Table) -> spec.Equiv:
        a, b = _revised(table, "a"), _revised(table, "b")
        refine = table.flag("refine")
        if refine and table.content.get("observe") not in (None, "packets"):
            table.bad("observe", "and `refine` exclude each other: packets are compared")
        return spec.Equiv(
            self.common(table, "equiv", a, b),
            a,
            b,
            table.choice("observe", OBSERVE),
            _ignored(table),
            table.texts("assume"),
            refine,
            table.count("depth", 1),
            table.texts("invariants"),
            _solver(table, self.solver),
        )

    def diff(self, table: Table) -> spec.Diff:
        old, new = _revised(table, "old"), _revised(table, "new")
        reload = table.content.get("reload", False)
        if isinstance(reload, bool):
            state = spec.ANY_STATE if reload else spec.NO_RELOAD
        else:
            state = os.path.normpath(table.path("reload", table.text("reload")))
        return spec.Diff(
            self.common(table, "diff", old, new),
            old,
            new,
            table.texts("allow"),
            _ignored(table),
            table.texts("assume"),
            state,
            _solver(table, self.solver),
        )

    def test(self, table: Table) -> spec.Test:
        model = _model(table)
        engines = table.texts("engines") if "engines" in table.content else None
        if engines is not None:
            from nfverify.oracles.engines.table import names

            table.choices("engines", names(), "engine")
            if len(set(engines)) < 2 and "against" not in table.content:
                table.bad("engines", "names one: two are needed", "name more, or `against`")
        return spec.Test(
            self.common(table, "test", model),
            model,
            engines,
            table.text("against") if "against" in table.content else None,
            table.count("packets", 1) or spec.DEFAULT_PACKETS,
            1 if (seed := table.count("seed", 0)) is None else seed,
            table.choices("compare", COMPARE, "comparison"),
            _ignored(table),
            _suite(table),
            _traces(table),
            table.flag("well-formed"),
            table.seconds("answer-limit"),
        )


def _model(table: Table, key: str = "model") -> str:
    name = table.text(key)
    return table.model(name, key) if name else ""


def _revised(table: Table, key: str) -> str:
    """A model or ruleset, or one of a git revision: REV:PATH from the top of the repository, or
    REV:./PATH from the folder of the file."""
    text = table.text(key)
    found = None if not text or (table.folder / text).exists() else versioned(text)
    if found is None:
        return table.model(text, key) if text else ""
    return text


def _ignored(table: Table) -> tuple[str, ...]:
    wire = [name for name, info in FIELDS.items() if info.on_wire]
    chosen = table.choices("ignore", wire, "field on the wire")
    return tuple(name for name in wire if name in chosen)


def _traces(table: Table) -> tuple[str, ...]:
    return tuple(os.path.normpath(table.path("traces", name)) for name in table.texts("traces"))


def _suite(table: Table) -> str | None:
    """A folder of traces; `generated` says that they are made, as None does."""
    if table.content.get("suite") == spec.GENERATED:
        if "traces" in table.content:
            table.bad("traces", 'and suite = "generated" exclude each other')
        return None
    if "suite" not in table.content:
        return None
    folder = table.folder / table.text("suite")
    if not folder.is_dir():
        table.bad("suite", "names no folder", "make one: nfverify gen MODEL -o DIR")
    return os.path.normpath(folder)


def _least(table: Table) -> float:
    if "least" not in table.content:
        table.wrong("the check says not how much is enough", "write least = 0.95")
    return table.share("least") or 0.0


def _solver(table: Table, default: spec.Solver) -> spec.Solver:
    """The second solver; "" for none."""
    if "cross-check" not in table.content:
        return default
    value = table.content["cross-check"]
    if isinstance(value, bool):
        return spec.SOLVERS[0] if value else ""
    return table.choice("cross-check", spec.SOLVERS)
