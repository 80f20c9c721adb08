"""Results of checks that were run before, by all that they rest on: a private folder of JSON.

A key is what is known before anything is read: the check, nfverify itself, the solvers, the
revisions of git. Under it stand the lists of files that earlier runs read; with the content of
these, it names the result. Only results that are certain are kept.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from nfverify.cythonized.cache import default_folder, private
from nfverify.gate.recording import Input, input_of
from nfverify.gate.spec import AnyCheck
from nfverify.report.results import Result
from nfverify.report.results_json import result_document, result_from

FOLDER = "gate"
KEPT = ("passed", "different")
MAX_LISTS = 8
MAX_ENTRY = 64 << 20  # bytes
MAX_TOTAL = 256 << 20


@dataclass(slots=True)
class Cache:
    """The results below a folder. BuildError if it isn't fit to be trusted."""

    folder: Path

    @staticmethod
    def default() -> Cache:
        """Beside the cache of builds."""
        return Cache(default_folder() / FOLDER)

    def find(self, key: str, check: AnyCheck) -> tuple[Result, tuple[Input, ...]] | None:
        """The result of a check, if it was run on just these files before."""
        self._open()
        for paths in self._lists(key):
            try:
                inputs = tuple(input_of(path) for path in paths)
            except OSError:
                continue
            found = self._result(_name(key, inputs), check)
            if found is not None:
                return found, inputs
        return None

    def add(self, key: str, inputs: tuple[Input, ...], result: Result) -> None:
        """Keeps a result, if it is one that can be kept."""
        if result.status not in KEPT:
            return
        self._open()
        name = _name(key, inputs)
        paths = [one.path for one in inputs]
        self._write(name, {"name": name, "result": result_document(result)})
        lists = [paths, *(one for one in self._lists(key) if one != paths)]
        self._write(key, {"name": key, "lists": lists[:MAX_LISTS]})
        self._trim()

    def files(self, key: str) -> set[str]:
        """What recorded runs read."""
        return {path for paths in self._lists(key) for path in paths}

    def clear(self) -> tuple[int, int]:
        """Removes everything; how many entries there were, and their bytes."""
        if self.folder.is_dir():
            self._open()  # what is behind a link is not ours
        found = list(self._entries())
        for _, _, path in found:
            path.unlink(missing_ok=True)
        return len(found), sum(size for _, size, _ in found)

    def usage(self) -> tuple[int, int]:
        """How many entries there are, and their bytes."""
        found = list(self._entries())
        return len(found), sum(size for _, size, _ in found)

    # ---------------------------------------------------------------------------------------

    def _open(self) -> None:
        private(self.folder.parent)
        private(self.folder)

    def _lists(self, key: str) -> list[list[str]]:
        data = self._read(key)
        lists = data.get("lists") if data is not None else None
        if not isinstance(lists, list) or len(lists) > MAX_LISTS:
            return []
        return [
            paths
            for paths in lists
            if isinstance(paths, list) and all(isinstance(path, str) for path in paths)
        ]

    def _result(self, name: str, check: AnyCheck) -> Result | None:
        data = self._read(name)
        if data is None:
            return None
        try:
            result = result_from(data.get("result"))
        except ValueError:
            return None
        mine = (check.common.name, check.common.kind)
        if (result.name, result.kind) != mine or result.status not in KEPT:
            return None
        with suppress(OSError):
            os.utime(self._path(name))
        return result

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _read(self, name: str) -> dict[str, object] | None:
        """An entry that is whole and stands under its own name; else it is removed."""
        path = self._path(name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return None
        with open(descriptor, "rb") as stream:
            data = stream.read(MAX_ENTRY + 1)
        digest, _, body = data.partition(b"\n")
        document: object = None
        if len(data) <= MAX_ENTRY and digest == sha256(body).hexdigest().encode():
            with suppress(ValueError, RecursionError):
                document = json.loads(body)
        if isinstance(document, dict) and document.get("name") == name:
            return document
        path.unlink(missing_ok=True)
        return None

    def _write(self, name: str, document: object) -> None:
        body = json.dumps(document, ensure_ascii=True).encode()
        if len(body) > MAX_ENTRY:
            return
        descriptor, part = tempfile.mkstemp(prefix="part-", dir=self.folder)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(sha256(body).hexdigest().encode() + b"\n" + body)
            with suppress(FileNotFoundError):  # somebody has just emptied the cache
                os.replace(part, self._path(name))
        finally:
            with suppress(FileNotFoundError):
                os.unlink(part)

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        for pattern in ("*.json", "part-*"):
            for path in self.folder.glob(pattern):
                with suppress(OSError):
                    status = path.lstat()
                    yield status.st_mtime, status.st_size, path

    def _trim(self) -> None:
        """Removes what was used longest ago, until the rest fits."""
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        for _, size, path in entries:
            if total <= MAX_TOTAL:
                return
            path.unlink(missing_ok=True)
            total -= size


def _name(key: str, inputs: Sequence[Input]) -> str:
    """Of the result for a key and the files that it was made from."""
    told = [key, *(f"{one.path}\0{one.real}\0{one.digest}" for one in inputs)]
    return sha256("\n".join(told).encode("utf-8", "surrogateescape")).hexdigest()
