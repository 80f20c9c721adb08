"""Models as a revision of a git repository has them: REVISION:path, as `git show` reads it.

The path is from the top of the repository, or from here if it begins with `./` or `../`. Nothing
before the colon (`:path`) is what is staged. Imports and loads come from the same revision.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import NoReturn

from nfverify.lang.source import NOWHERE, Diagnostic, ModelError

SUFFIXES = (".nfd", ".csv")
SECONDS = 60  # that git may take for one answer
LINK, FOLDER = "120000", "040000"


@dataclass(frozen=True, slots=True)
class Versioned:
    """A target in a revision: `path` as written, and the NF or chain in it ("" for the default)."""

    revision: str
    path: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.revision}:{self.path}"


def versioned(target: str) -> Versioned | None:
    """The parts of REVISION:path.nfd, REVISION:path.nfd:NAME or REVISION:path.csv; None if the
    target is anything else: a file that is there, or one of the library."""
    if target == "-" or target.startswith("lib:") or os.path.exists(target):
        return None
    at = _colon(target)
    if at < 0:
        return None
    revision, path = target[:at], target[at + 1 :]
    if path.endswith(SUFFIXES):
        return Versioned(revision, path)
    path, colon, name = path.rpartition(":")
    if colon and path.endswith(".nfd"):
        return Versioned(revision, path, name)
    return None


def _colon(target: str) -> int:
    """Where the revision ends, -1 if there is none; a colon in braces, as in HEAD^{/fix: x}, is its
    own."""
    depth = 0
    for at, letter in enumerate(target):
        depth += (letter == "{") - (letter == "}")
        if letter == ":" and depth <= 0:
            return at
    return -1


def commit_of(revision: str, folder: Path) -> str:
    """What pins a revision: the full hash of its commit; of what is staged, a digest of all of it.
    `folder` lies in the repository. Raises ModelError."""
    if not revision:
        return "staged " + sha256(_git(folder, "ls-files", "--stage", "-z")).hexdigest()
    if revision.startswith("-") or any(not c.isprintable() for c in revision):
        _fail(f"{revision[:60]!a} is no revision")
    asked = "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    try:
        return _git(folder, "rev-parse", *asked).decode("ascii", "replace").split()[-1]
    except _GitError as error:
        if error.said:
            _fail(f"git: {error.said}")
        _fail(f"git knows no revision {revision[:60]!a}", "a branch, tag or commit, as in HEAD~1")


class _GitError(Exception):
    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


@dataclass(frozen=True, slots=True)
class Revision:
    """The files of one revision, under a `root` that no disk has. Raises ModelError when made."""

    revision: str
    folder: Path
    commit: str = field(init=False)
    prefix: str = field(init=False)  # from the top of the repository to `folder`

    def __post_init__(self) -> None:
        try:
            prefix = _git(self.folder, "rev-parse", "--show-prefix")
        except _GitError as error:
            _fail(f"git: {error.said or 'this is no repository'}")
        object.__setattr__(self, "prefix", os.fsdecode(prefix).removesuffix("\n"))
        object.__setattr__(self, "commit", commit_of(self.revision, self.folder))

    @property
    def root(self) -> Path:
        return Path(f"/git {self.commit}")

    def place(self, path: str) -> Path:
        """Where a path as the user wrote it stands below `root`. Raises ModelError."""
        parts: list[str] = []
        start = self.prefix if path.startswith(("./", "../")) else ""
        for part in PurePosixPath(start, path).parts:
            if part == "..":
                if not parts:
                    _fail(f"{path[:60]!a} leaves the repository")
                parts.pop()
            else:
                parts.append(part)
        place = self.root.joinpath(*parts)
        if path.startswith("/") or any(not c.isprintable() for c in path):
            _fail(f"{path[:60]!a} is no path in a repository")
        if not self.is_file(place):
            self._missing(path)
        return place

    def _missing(self, path: str) -> NoReturn:
        hint = ""
        if self.prefix and not path.startswith(("./", "../")):
            beside = self.root / self.prefix / path
            if self.is_file(beside):
                hint = f"did you mean {self.revision}:./{path}? Paths are from the repository's top"
        what = f"revision {self.revision[:60]}" if self.revision else "what is staged"
        _fail(f"{what} has no file {path[:200]!a}", hint)

    # The protocol `Files` ---------------------------------------------------------------------

    def is_file(self, path: Path) -> bool:
        found = self._entry(path)
        return found is not None and found[0] not in (LINK, FOLDER)

    def read(self, path: Path, limit: int) -> bytes:
        """The content, cut after `limit` bytes. OSError."""
        found = self._entry(path)
        if found is None or found[0] == FOLDER:
            raise FileNotFoundError(None, "there is no such file in that revision")
        if found[0] == LINK:
            raise OSError(None, "it is a symbolic link in that revision")
        try:
            return _git(self.folder, "cat-file", "blob", found[1], limit=limit)
        except _GitError as error:
            raise OSError(None, f"git: {error.said}") from None

    def names(self, folder: Path, suffix: str) -> list[str]:
        inside = folder.relative_to(self.root)
        found = self._list(f"{inside}/" if inside.parts else "")
        return [name.rpartition("/")[2] for _, _, name in found if name.endswith(suffix)]

    def _entry(self, path: Path) -> tuple[str, str] | None:
        """Mode and object of a file, None if there is none."""
        if not path.is_relative_to(self.root):
            return None
        name = str(path.relative_to(self.root))
        return next(((mode, o) for mode, o, found in self._list(name) if found == name), None)

    def _list(self, path: str) -> list[tuple[str, str, str]]:
        """Mode, object and path of what is at a path, in a folder with `/` at the end."""
        if self.revision:
            which: Sequence[str] = ("ls-tree", "-z", "--full-tree", self.commit, "--", path)
        else:
            which = ("ls-files", "--stage", "-z", "--full-name", "--", f":/{path}")
        try:
            listed = _git(self.folder, *which[:-1], *(which[-1:] if path else ()))
        except _GitError:
            return []
        found = []
        for row in listed.split(b"\0")[:-1]:
            about, _, name = row.partition(b"\t")
            words = about.decode("ascii").split()
            if self.revision or words[2] == "0":
                found.append((words[0], words[2 if self.revision else 1], os.fsdecode(name)))
        return found


def _git(folder: Path, *words: str, limit: int = 1 << 27) -> bytes:
    """What git prints, cut after `limit` bytes. Raises ModelError without git, else _GitError."""
    literal = () if words[0] == "ls-files" else ("--literal-pathspecs",)
    command = ["git", "--no-pager", *literal, *words]
    quiet = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **quiet}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    except FileNotFoundError:
        _fail("there is no git here, or no such folder", "REVISION:path is read by git")
    with process:
        try:
            if words[0] == "cat-file":
                assert process.stdout is not None
                data, told = process.stdout.read(limit), b""
                if len(data) == limit:  # more than was asked for: enough
                    process.kill()
                    return data
                process.wait(SECONDS)
            else:
                data, told = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            _fail(f"git took over {SECONDS} s")
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        said = told.decode("utf-8", "replace").strip().partition("\n")[0]
        raise _GitError(said.removeprefix("fatal: "))
    return data


def _fail(message: str, hint: str = "") -> NoReturn:
    raise ModelError(Diagnostic("error", "git", message, NOWHERE, hint))
