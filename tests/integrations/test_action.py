"""The GitHub Action, run as a runner runs it, on a repository whose change it should refuse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from composite import Run, evaluate, expand, run_action

ROOT = Path(__file__).parents[2]
CONFIG = """\
[[diff]]
name = "rules"
old = "origin/main:./acl.nfd"
new = "acl.nfd"
"""
FAKE = """\
#!/bin/bash
# The installer's place: makes a "virtual environment" of the real one, and notes what is installed.
if [ "$3" = venv ]; then mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; exit; fi
if [ "$3" = pip ]; then printf '%s\\n' "$@" >> "$NOTES"; exit; fi
exec REAL "$@"
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shallow clone of a change, as actions/checkout makes it: without the branch main."""
    folder = tmp_path_factory.mktemp("action")
    origin, clone = folder / "origin", folder / "clone"
    origin.mkdir()
    for name in ("acl.nfd", "acl.csv"):
        shutil.copy(ROOT / "examples" / "gate" / name, origin)
    (origin / "nfverify.toml").write_text(CONFIG)
    git(origin, "init", "--quiet", "--initial-branch=main")
    commit(origin)
    git(origin, "switch", "--quiet", "--create", "change")
    rules = (origin / "acl.csv").read_text()
    (origin / "acl.csv").write_text(rules + "accept,10.3.0.0/16,*,*,23,6,lan\n")
    commit(origin)
    git(folder, "clone", "--quiet", "--depth=1", "--branch=change", origin.as_uri(), str(clone))
    return clone


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *who, *words], cwd=folder, env=environment, check=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Another")


def act(clone: Path, tmp_path: Path, base: str = "main", **inputs: str) -> Run:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python").write_text(FAKE.replace("REAL", sys.executable))
    (tools / "python").chmod(0o755)
    (tools / "nfverify").write_text(f'#!/bin/sh\nexec {sys.executable} -P -m nfverify "$@"\n')
    (tools / "nfverify").chmod(0o755)
    passing = tmp_path / "runner"
    passing.mkdir()
    environment = {
        **{name: os.environ[name] for name in ("HOME", "PYTHONPATH") if name in os.environ},
        "PATH": f"{tools}:/usr/bin:/bin",
        "NOTES": str(tmp_path / "installed"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    github = {"base_ref": base, "event": {"repository": {"default_branch": "main"}}}
    return run_action(
        ROOT / "action.yml", clone, passing, inputs=given, github=github, environment=environment
    )


def test_a_change_is_refused_with_annotations_summary_and_reports(
    clone: Path, tmp_path: Path
) -> None:
    found = act(clone, tmp_path)
    assert found.code == 1
    assert found.outputs["exit-code"] == "1"
    assert found.outputs["status"] == "different"
    assert "dport 23" in found.output
    assert "\n::error " in found.output
    assert "dport 23" in found.summary
    reports = Path(found.outputs["reports"])
    assert reports == tmp_path / "runner" / "nfverify-report"
    assert {file.name for file in reports.iterdir()} == {
        f"nfverify.{kind}" for kind in ("json", "sarif", "html", "xml", "md")
    }
    assert json.loads((reports / "nfverify.sarif").read_text())["version"] == "2.1.0"
    assert found.used["actions/upload-artifact@v4"]["path"] == found.outputs["reports"]
    assert found.used["actions/cache@v4"]["restore-keys"] == "nfverify-Linux-"
    assert found.used["actions/setup-python@v5"]["python-version"]
    # What the gate prints isn't obeyed: commands stop before it, and go on only after it.
    lines = found.output.splitlines()
    [stop] = [n for n, line in enumerate(lines) if line.startswith("::stop-commands::")]
    go_on = lines.index(f"::{lines[stop].removeprefix('::stop-commands::')}::")
    assert all(not line.startswith("::") for line in lines[stop + 1 : go_on])
    installed = (tmp_path / "installed").read_text().split()
    assert installed[-1] == str(ROOT)


def test_inputs_are_options(clone: Path, tmp_path: Path) -> None:
    found = act(
        clone,
        tmp_path,
        only="rules\n",
        jobs="1",
        cache="false",
        cross_check="true",
        artifact="",
        python_version="",
        base="",
        package="nfverify==1",
        reports="my reports",
    )
    assert found.code == 1
    assert found.used == {}
    assert found.outputs["reports"] == "my reports"
    assert (clone / "my reports" / "nfverify.html").is_file()
    assert (tmp_path / "installed").read_text().split()[-2:] == ["--", "nfverify==1"]


def test_what_is_wrong_fails_and_still_uploads(clone: Path, tmp_path: Path) -> None:
    for name in ("json", "secrets", "venv", "pip"):
        (clone / f"{name}.py").write_text("open('injected', 'w')")
    found = act(clone, tmp_path, config="$(touch injected); `id`.toml", reports=".")
    assert (clone / "nfverify.toml").is_file()
    assert (found.code, found.outputs["exit-code"], found.outputs["status"]) == (2, "2", "error")
    assert not (clone / "injected").exists()
    assert "actions/upload-artifact@v4" in found.used


def test_a_branch_name_that_is_none_fails(clone: Path, tmp_path: Path) -> None:
    found = act(clone, tmp_path, base="--upload-pack=x y")
    assert found.code != 0
    assert found.outputs["exit-code"] == ""


def test_the_interpreter_of_expressions() -> None:
    context = {"inputs": {"a": "x", "b": ""}, "steps": {}}
    assert evaluate("inputs.b || inputs.a", context) == "x"
    assert evaluate("inputs.a == 'X' && 'yes' || 'no'", context) == "yes"
    assert evaluate("inputs.b != '' && 'yes' || 'no'", context) == "no"
    assert evaluate("startsWith(inputs.a, 'x')", context) is True
    assert expand("<${{ steps.none.outputs.x }}>", context) == "<>"
