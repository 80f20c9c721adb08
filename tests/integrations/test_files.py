"""What other programs read: against their schemas, and run where they can be."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "gate"
GITLAB = ROOT / "integrations" / "gitlab" / "nfverify.gitlab-ci.yml"
HOOKS: dict[str, dict[str, Any]] = {
    hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
}


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-actions", [ROOT / "action.yml"]),
        ("vendor.github-workflows", [EXAMPLE / ".github" / "workflows" / "gate.yml"]),
        ("vendor.gitlab-ci", [GITLAB, EXAMPLE / ".gitlab-ci.yml"]),
    ],
)
def test_files_fit_the_schemas_of_those_who_read_them(schema: str, files: list[Path]) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def run(command: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "NO_COLOR": "1", **more}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def tools(tmp_path: Path) -> str:
    """A search path on which `nfverify` is this one."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "nfverify").write_text(f'#!/bin/sh\nexec {sys.executable} -m nfverify "$@"\n')
    (folder / "nfverify").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


# GitLab -------------------------------------------------------------------------------------


def test_the_gitlab_job_runs(tmp_path: Path, tools: str) -> None:
    """Its lines as a runner's shell has them, in a project of one check."""
    template = yaml.safe_load(GITLAB.read_text())
    job = template["nfverify"]
    project = tmp_path / "project"
    venv = project / ".cache" / "venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "nfverify").write_text(f'#!/bin/sh\nexec {sys.executable} -m nfverify "$@"\n')
    (venv / "pip").write_text('#!/bin/sh\necho "$@" > ../installed\n')
    for file in venv.iterdir():
        file.chmod(0o755)
    (tmp_path / "tools" / "python").write_text("#!/bin/sh\n")  # the environment is there already
    (tmp_path / "tools" / "python").chmod(0o755)
    shutil.copy(EXAMPLE / "edge-table.nfd", project)
    shutil.copy(EXAMPLE / "acl.csv", project)
    (project / "nfverify.toml").write_text('[[check]]\nmodels = ["edge-table.nfd"]\n')
    who = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "*.nfd"], ["commit", "-q", "-m", "One"]):
        assert run(["git", *who, *words], project).returncode == 0
    run(["git", "remote", "add", "origin", project.as_uri()], project)
    given = {**template["variables"], **job["variables"], "CI_PROJECT_DIR": str(project)}
    given = {name: text.replace("$CI_PROJECT_DIR", str(project)) for name, text in given.items()}
    given |= {"CI_DEFAULT_BRANCH": "main", "PATH": tools}
    lines = [*job["before_script"], *job["script"]]
    script = "set -eo pipefail\n" + "\n".join(lines)
    done = run(["bash", "-c", script], project, **given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "installed").read_text() == "install --quiet nfverify\n"
    assert run(["git", "rev-parse", "origin/main"], project).returncode == 0
    made = {str(path.relative_to(project)) for path in (project / "nfverify-report").iterdir()}
    assert job["artifacts"]["reports"]["junit"] in made
    assert len(made) == 5
    # A wrong file fails the job.
    (project / "edge-table.nfd").write_text("program {")
    assert run(["bash", "-c", script], project, **given).returncode == 2


# pre-commit ---------------------------------------------------------------------------------


def hook(name: str, folder: Path, tools: str) -> subprocess.CompletedProcess[str]:
    """A hook on all files of a folder, as pre-commit calls it."""
    about = HOOKS[name]
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    chosen = [text for text in names if re.search(about["files"], text)]
    assert chosen
    more = chosen if about.get("pass_filenames", True) else []
    cache = str(folder.parent / "cache")
    return run([*shlex.split(about["entry"]), *more], folder, PATH=tools, XDG_CACHE_HOME=cache)


def test_hooks_are_of_a_python_package_with_that_command() -> None:
    assert all(about["language"] == "python" for about in HOOKS.values())
    assert all(about["entry"].split()[0] == "nfverify" for about in HOOKS.values())
    config = yaml.safe_load((EXAMPLE / ".pre-commit-config.yaml").read_text())
    assert {one["id"] for one in config["repos"][0]["hooks"]} <= set(HOOKS)


def test_hooks_do_what_they_say(tmp_path: Path, tools: str) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("edge-table.nfd", "acl.csv"):
        shutil.copy(EXAMPLE / name, folder)
    (folder / "nfverify.toml").write_text('[[check]]\nmodels = ["edge-table.nfd"]\n')
    for name in HOOKS:
        done = hook(name, folder, tools)
        assert done.returncode == 0, done.stdout + done.stderr
    model = folder / "edge-table.nfd"
    tidy = model.read_text()
    model.write_text(tidy.replace("    entry", "  entry"))
    hook("nfverify-fmt", folder, tools)  # pre-commit fails when a hook changes a file
    assert model.read_text() == tidy
    model.write_text(tidy.replace("sent[f] = 1;", "sent[f] = ;"))
    for name in ("nfverify-check", "nfverify-gate"):
        done = hook(name, folder, tools)
        assert done.returncode == 2
        assert "edge-table.nfd:13" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "path", "runs"),
    [
        ("nfverify-gate", "models/a.nfd", True),
        ("nfverify-gate", "nfverify.toml", True),
        ("nfverify-gate", "edge/nfverify-baseline.toml", True),
        ("nfverify-gate", "rules.csv", True),
        ("nfverify-gate", "not-nfverify.toml", False),
        ("nfverify-gate", "README.md", False),
        ("nfverify-check", "a.nfd", True),
        ("nfverify-check", "a.nfd.orig", False),
    ],
)
def test_which_files_run_a_hook(name: str, path: str, runs: bool) -> None:
    assert bool(re.search(HOOKS[name]["files"], path)) == runs


# Docker -------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """Those of the Dockerfile: name and the rest, lines joined, comments gone."""
    text = "\n".join(
        line
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if not line.lstrip().startswith("#")
    )
    lines = text.replace("\\\n", " ").splitlines()
    found = [line.split(maxsplit=1) for line in lines if line.strip()]
    return [(name, rest) for name, rest in found]


def test_the_image_is_built_from_what_is_pinned_and_runs_as_nobody() -> None:
    found = instructions()
    assert [name for name, _ in found][:2] == ["ARG", "FROM"]
    [base] = [rest for name, rest in found if name == "ARG"]
    assert re.fullmatch(r"BASE=python:3\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base)
    assert all(rest.startswith("${BASE}") for name, rest in found if name == "FROM")
    assert "ADD" not in dict(found)
    installs = [rest for name, rest in found if name == "RUN" and "pip install" in rest]
    assert all("--require-hashes" in rest or "--no-deps" in rest for rest in installs)
    last = dict(found)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    assert json.loads(last["ENTRYPOINT"]) == ["nfverify"]
    assert [name for name, _ in found].index("USER") > max(
        n for n, (name, _) in enumerate(found) if name == "RUN"
    )


def test_the_image_has_what_the_package_is_built_from() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY"]
    sources = {word for words in copied for word in words if not word.startswith("-")}
    assert {"requirements.lock", "."} <= sources
    needed = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "nfverify",
              "equivalence", "cythonized", "oracles", "models")  # fmt: skip
    assert not set(needed) & set(ignored)
    assert all((ROOT / name).exists() for name in needed)
