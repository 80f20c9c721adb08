"""A first nfverify.toml, written from what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from nfverify.gate.config import parse_config
from nfverify.gate.finding import Found, Model
from nfverify.gate.spec import FILE
from nfverify.lang.source import Source
from nfverify.testing.toml import quoted

LEAST = 0.9
_WIDTH = 96


def first_config(found: Found) -> str:
    """The text of a config, which can be read. ModelError if it can't: a fault."""
    text = "\n".join(_lines(found)).rstrip() + "\n"
    parse_config(Source(FILE, text), Path(FILE))
    return text


def _lines(found: Found) -> Iterator[str]:
    yield "# What must hold before anything is deployed: `nfverify gate` runs all of it."
    yield "# `nfverify init` wrote it, and it is yours: docs/gate.md says what can stand here."
    yield ""
    yield "[gate]"
    yield "time-limit = 60  # s, for each check"
    yield "# jobs = 4  # checks at once (default: as many as processors)"
    yield "# cross-check = true  # a second solver confirms each proof"
    if found.more:
        yield ""
        yield f"# {found.more} files more are not named here: there are too many."
    if found.files:
        yield from _section("Models without errors.", "check")
        yield from _list("models", found.files)
    if found.broken:
        yield from _section("These have errors: mend them, or take them out.", "check")
        yield 'name = "models with errors"'
        yield from _list("models", found.broken)
    yield from _diffs(found)
    yield from _proofs(found)
    yield from _traffic(found)


def _section(about: str, kind: str) -> Iterator[str]:
    yield ""
    yield f"# {about}"
    yield f"[[{kind}]]"


def _list(key: str, values: Sequence[str]) -> Iterator[str]:
    flat = f"{key} = [{', '.join(map(quoted, values))}]"
    if len(flat) <= _WIDTH:
        yield flat
        return
    yield f"{key} = ["
    yield from (f"    {quoted(value)}," for value in values)
    yield "]"


def _diffs(found: Found) -> Iterator[str]:
    """What the working tree changes against the branch."""
    models = [model for model in found.models if model.file in found.tracked]
    rulesets = [path for path in found.rulesets if path in found.tracked]
    if models or rulesets:
        yield ""
        yield f"# What changes of the traffic, against {_comment(found.base)}. What is wanted:"
        yield "# nfverify gate --accept ID --reason TEXT --expires YYYY-MM-DD"
    for number, target in enumerate((*(model.target for model in models), *rulesets)):
        if number:
            yield ""
        yield "[[diff]]"
        yield f"old = {quoted(f'{found.base}:./{target}')}"
        yield f"new = {quoted(target)}"
    if not models and not rulesets:
        example = [*found.rulesets, *(model.target for model in found.models), "edge.nfd"][0]
        yield ""
        yield "# What a change does to traffic; there is no branch here that has the files."
        yield "# [[diff]]"
        yield f"# old = {_comment(quoted(f'origin/main:./{example}'))}"
        yield f"# new = {_comment(quoted(example))}"


def _proofs(found: Found) -> Iterator[str]:
    stating = [model for model in found.models if model.states]
    for model in stating:
        yield from _section("The properties that the model states.", "prove")
        yield f"model = {quoted(model.target)}"
        yield 'properties = "all"'
    if found.models and not stating:
        yield ""
        yield "# No model states a property yet: docs/properties.md has those with names."
        yield "# [[prove]]"
        yield f"# model = {_comment(quoted(found.models[0].target))}"
        yield '# properties = ["never_loops"]'
    yield ""
    yield "# Two models that must do the same, for every sequence of packets."
    yield "# [[equiv]]"
    yield '# a = "a.nfd"'
    yield '# b = "b.nfd"'


def _traffic(found: Found) -> Iterator[str]:
    captures = found.captures
    for model in found.models:
        yield from _section("Engines that do the same, on packets aimed at the model.", "test")
        yield f"model = {quoted(model.target)}"
        yield "packets = 1000"
        if not found.compiler:
            yield 'engines = ["reference", "symbolic"]  # "cython" needs gcc'
        if captures:
            yield from _list("traces", captures)
    for folder, name in found.suites:
        model_of = _model(found.models, name)
        if model_of is not None:
            yield from _section("How much of the model the suite reaches.", "coverage")
            yield f"model = {quoted(model_of.target)}"
            yield f"suite = {quoted(folder)}"
            yield f"least = {LEAST}"
    if found.models:
        target = _comment(quoted(found.models[0].target))
        yield ""
        yield "# How many small mistakes the model's traces notice; it takes minutes."
        yield "# [[mutation]]"
        yield f"# model = {target}"
        yield '# suite = "generated"'
        yield f"# least = {LEAST}"
        yield "# time-limit = 600"
    if found.tests:
        yield ""
        yield "# pytest runs these: " + ", ".join(map(_comment, found.tests))


def _model(models: Sequence[Model], name: str) -> Model | None:
    return next((model for model in models if model.network.name == name), None)


def _comment(text: str) -> str:
    """On the line of a comment; paths are printable already."""
    return "".join(c if c.isprintable() else "�" for c in text)
