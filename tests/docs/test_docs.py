"""Every command shown in a README.md and docs/ runs here, and prints what the page says it prints.

docs/contributing.md describes the format. NFVERIFY_UPDATE_DOCS=1 writes the real output into the
pages where it differs.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "models/README.md")),
    *sorted((ROOT / "docs").glob("**/*.md")),
    *sorted((ROOT / "examples").glob("**/*.md")),
]
UPDATE = bool(os.environ.get("NFVERIFY_UPDATE_DOCS"))
# What cannot run in a test: it fetches the project, or would start this suite again.
NOT_RUN = re.compile(
    r"(git clone|cd|sudo apt-get|make (test|check|bench|dist|docs|fuzz|lock|soak|clean))\b.*"
)
FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<body>.*?)^```\s*$", re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"\s+# exit: (\d+)$")
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")


@dataclass(slots=True)
class Command:
    """A command as the page shows it, and the output shown below it (none: any output)."""

    shown: list[str]
    output: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        return "\n".join(EXIT.sub("", line[2:]) for line in self.shown)

    @property
    def code(self) -> int:
        end = EXIT.search(self.shown[-1])
        return int(end[1]) if end else 0

    def matches(self, actual: list[str]) -> bool:
        """`...` alone stands for any lines, within a line for any text."""
        pattern = "".join(
            r"(?:.*\n)*?"
            if line.strip() == "..."
            else ".*?".join(map(re.escape, line.rstrip().split("..."))) + r"\n"
            for line in self.output
        )
        return not self.output or bool(re.fullmatch(pattern, "".join(f"{a}\n" for a in actual)))


def commands(body: str) -> list[Command]:
    """`$ ` starts a command, `> ` continues one that ends in a backslash, the rest is output."""
    found: list[Command] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append(Command([line]))
        elif not found:
            pytest.fail(f"a console block begins with output: {line!r}")
        elif line.startswith("> ") and found[-1].shown[-1].endswith("\\"):
            found[-1].shown.append(line)
        else:
            found[-1].output.append(line)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project as after `make`, in a folder where a page's commands may write."""
    for entry in ROOT.iterdir():
        if entry.name == "examples":
            shutil.copytree(entry, tmp_path / entry.name)
        elif entry.name not in {".venv", ".git", "build", "dist"}:
            (tmp_path / entry.name).symlink_to(entry)
    venv = tmp_path / ".venv"
    venv.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith("."):
            (venv / entry.name).symlink_to(entry)
    for stamp in (".run", ".dev"):
        (venv / stamp).touch()
    return tmp_path


def run(line: str, folder: Path) -> tuple[int, list[str]]:
    """Exit code and output (both streams) of a command typed in that folder."""
    drop = {"MAKEFLAGS", "MAKELEVEL", "PYTHONPATH", "NFVERIFY_DEBUG", "PYTEST_ADDOPTS"}
    drop |= {"CI", "BUILD_NUMBER"}  # pytest says more where it finds these
    env = {name: value for name, value in os.environ.items() if name not in drop}
    path = f"{folder / '.venv/bin'}:{env['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=env | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )
    return done.returncode, [a.rstrip() for a in done.stdout.decode(errors="replace").splitlines()]


def problems(info: list[str], body: str, folder: Path) -> Iterator[tuple[str, Command | None]]:
    """Do what the block says; what went wrong, and the command with its real output."""
    match info:
        case [_, name] if name.startswith("file="):
            target = folder / name.removeprefix("file=")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(body, encoding="utf-8")
        case ["console"]:
            for command in commands(body):
                code, actual = run(command.line, folder)
                if code != command.code or not command.matches(actual):
                    told = f"$ {command.line}\n  exit code {code}, shown as {command.code}; output:"
                    yield "\n  | ".join([told, *actual]), Command(command.shown, actual)
        case ["sh" | "bash" | "shell"]:
            for line in body.splitlines():
                if not NOT_RUN.fullmatch(line):
                    yield f"no test runs this, use a console block: {line}", None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_do_what_the_page_shows(page: Path, project: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found: list[str] = []
    for block in FENCE.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        for problem, command in problems(block["info"].split(), block["body"], project):
            found.append(f"{page.name}:{line}: {problem}")
            if command is not None:
                write_back(page, command)
    assert not found, "\n".join(found)


def write_back(page: Path, command: Command) -> None:
    """With NFVERIFY_UPDATE_DOCS, put the real output below the command in the page."""
    if UPDATE:
        shown = "\n".join(command.shown)
        after = re.compile(rf"^{re.escape(shown)}\n(?:(?!\$ |```).*\n)*", re.MULTILINE)
        new = "\n".join([shown, *command.output, ""])
        text = page.read_text(encoding="utf-8")
        page.write_text(after.sub(lambda _: new, text, count=1), encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The names that a page's headings get as link targets."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    wrong: list[str] = []
    for link in LINK.findall(text):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert not wrong


@pytest.mark.parametrize(
    ("shown", "actual", "same"),
    [
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], ["a"], False),
        (["a"], ["a", "b"], False),
        (["a", "..."], ["a", "b", "c"], True),
        (["...", "c"], ["a", "b", "c"], True),
        (["a", "...", "b"], ["a", "b"], True),
        (["a", "...", "d"], ["a", "b", "c"], False),
        (["in ... s, (x)"], ["in 0.25 s, (x)"], True),
        (["in ... s, (x)"], ["in 0.25 s, x"], False),
        (["a.c"], ["abc"], False),
        ([], ["anything"], True),
    ],
)
def test_shown_output_is_really_compared(shown: list[str], actual: list[str], same: bool) -> None:
    assert Command(["$ x"], shown).matches(actual) is same


def test_a_console_block_is_read_and_run(project: Path) -> None:
    block = "$ echo one; \\\n> exit 3  # exit: 3\none\n$ pwd\n$ false\n"
    first, second, third = commands(block)
    assert (first.code, first.output) == (3, ["one"])
    assert run(first.line, project) == (3, ["one"])
    assert run(second.line, project) == (0, [str(project)])
    assert [told for told, _ in problems(["console"], block, project)] == [
        f"$ {third.line}\n  exit code 1, shown as 0; output:"
    ]


def test_a_shell_block_cannot_hide_commands(project: Path) -> None:
    body = "make test\ncd nfverify\nnfverify equiv a b\n"
    assert [told for told, _ in problems(["sh"], body, project)] == [
        "no test runs this, use a console block: nfverify equiv a b"
    ]
