"""A small interpreter of GitHub's composite actions: enough to run action.yml as a runner would.

Steps that run are run by bash with GitHub's flags, and with the files of the environment; steps
that use another action are noted with their inputs. Expressions: contexts, `&&`, `||`, `==`, `!=`,
strings, `always()`, `startsWith()`.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_TOKEN = re.compile(r"\s*(?:(&&|\|\||==|!=|[(),])|'((?:[^']|'')*)'|([A-Za-z_][\w-]*(?:\.[\w-]+)*))")
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


@dataclass
class Run:
    """What became of an action: steps by name, and `code`, which is 0 if none failed."""

    code: int = 0
    output: str = ""
    summary: str = ""
    used: dict[str, dict[str, str]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)


def run_action(
    file: Path,
    folder: Path,
    passing: Path,
    *,
    inputs: Mapping[str, str],
    github: Mapping[str, Any],
    environment: Mapping[str, str],
) -> Run:
    """Run an action in `folder`, with `passing` as the runner's folder."""
    action = yaml.safe_load(file.read_text())
    context: dict[str, Any] = {
        "github": {"action_path": str(file.parent), "run_id": "7", "run_attempt": "1", **github},
        "runner": {"os": "Linux", "temp": str(passing)},
        "steps": {},
        "inputs": {},
    }
    unknown = set(inputs) - set(action["inputs"])
    assert not unknown, unknown
    for name, about in action["inputs"].items():
        default = expand(str(about.get("default", "")), context)
        context["inputs"][name] = inputs.get(name, default)
    files = {
        name: passing / name.lower()
        for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
    }
    for path in files.values():
        path.write_text("")
    variables = {**environment, "RUNNER_TEMP": str(passing), "GITHUB_ACTIONS": "true", "CI": "true"}
    variables |= {name: str(path) for name, path in files.items()}
    found = Run()
    for step in action["runs"]["steps"]:
        condition = str(step.get("if", "success()"))
        match = re.fullmatch(r"\s*\$\{\{(.*)\}\}\s*", condition, re.DOTALL)
        text = match[1] if match else condition
        if ("always()" not in text and found.code) or not truthy(evaluate(text, context)):
            found.skipped.append(step["name"])
        elif "uses" in step:
            given = {name: expand(str(v), context) for name, v in step.get("with", {}).items()}
            found.used[step["uses"]] = given
        else:
            assert step["shell"] == "bash"
            more = {name: expand(str(v), context) for name, v in step.get("env", {}).items()}
            assert "${{" not in step["run"], "an expression in a script is an injection"
            script = passing / "step.sh"
            script.write_text(step["run"])
            command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]
            done = subprocess.run(
                command, cwd=folder, env={**variables, **more}, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            found.output += done.stdout
            found.code = found.code or done.returncode
            lines = files["GITHUB_OUTPUT"].read_text().splitlines()
            if "id" in step:
                said = dict(line.split("=", 1) for line in lines)
                context["steps"][step["id"]] = {"outputs": said}
            files["GITHUB_OUTPUT"].write_text("")
            added = files["GITHUB_PATH"].read_text().splitlines()
            variables["PATH"] = os.pathsep.join([*reversed(added), environment["PATH"]])
    found.summary = files["GITHUB_STEP_SUMMARY"].read_text()
    for name, about in action["outputs"].items():
        found.outputs[name] = expand(about["value"], context)
    return found


def expand(text: str, context: Mapping[str, Any]) -> str:
    """A text with its expressions replaced by their values."""
    return _EXPRESSION.sub(lambda match: shown(evaluate(match[1], context)), text)


def shown(value: object) -> str:
    return {True: "true", False: "false", None: ""}.get(value, str(value))  # type: ignore[call-overload,no-any-return]


def truthy(value: object) -> bool:
    return value not in ("", None, False)


def evaluate(text: str, context: Mapping[str, Any]) -> object:
    """The value of an expression."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        assert match, text[at:]
        kinds = ("sign", "string", "name")
        [(kind, value)] = [
            (kind, value) for kind, value in zip(kinds, match.groups(), strict=True)
            if value is not None
        ]  # fmt: skip
        tokens.append((kind, value.replace("''", "'") if kind == "string" else value))
        at = match.end()
    value = _either(tokens, context)
    assert not tokens, tokens
    return value


def _either(tokens: list[tuple[str, str]], context: Mapping[str, Any]) -> object:
    value = _both(tokens, context)
    while tokens[:1] == [("sign", "||")]:
        tokens.pop(0)
        other = _both(tokens, context)
        value = value if truthy(value) else other
    return value


def _both(tokens: list[tuple[str, str]], context: Mapping[str, Any]) -> object:
    value = _compared(tokens, context)
    while tokens[:1] == [("sign", "&&")]:
        tokens.pop(0)
        other = _compared(tokens, context)
        value = other if truthy(value) else value
    return value


def _compared(tokens: list[tuple[str, str]], context: Mapping[str, Any]) -> object:
    value = _single(tokens, context)
    if tokens[:1] in ([("sign", "==")], [("sign", "!=")]):
        _, sign = tokens.pop(0)
        other = _single(tokens, context)
        return (shown(value).lower() == shown(other).lower()) == (sign == "==")
    return value


def _single(tokens: list[tuple[str, str]], context: Mapping[str, Any]) -> object:
    kind, value = tokens.pop(0)
    if kind == "string":
        return value
    assert kind == "name", value
    if tokens[:1] == [("sign", "(")]:
        tokens.pop(0)
        arguments = []
        while tokens[0] != ("sign", ")"):
            arguments.append(_either(tokens, context))
            if tokens[0] == ("sign", ","):
                tokens.pop(0)
        tokens.pop(0)
        match value, arguments:
            case "always" | "success", []:
                return True
            case "startsWith", [str(whole), str(part)]:
                return whole.lower().startswith(part.lower())
        raise AssertionError(f"no function {value}")
    found: Any = context
    for name in value.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found  # type: ignore[no-any-return]
