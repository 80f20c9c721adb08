"""Diagnostics of the open models, some time after the last change: first what is known at once,
then what a solver tells."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nfverify.lsp.diagnose import Diagnosis, Finding, diagnose
from nfverify.lsp.solving import solved

PAUSE = 0.2  # s after a change
SOLVER_PAUSE = 1.0  # s more, before the solver is asked

Show = Callable[[Path, list[Finding]], None]
"""Shows all findings of a file, in place of those before."""

Ask = Callable[[Callable[[], Diagnosis]], Awaitable[Diagnosis]]
"""Runs in the worker's thread."""


@dataclass(slots=True)
class Publisher:
    """What was found for each open model, and what is under way."""

    show: Show
    ask: Ask
    texts: Mapping[Path, str]  # of open documents, as they are
    solver: bool = True
    _found: dict[Path, Diagnosis] = field(default_factory=dict)
    _running: dict[Path, asyncio.Task[None]] = field(default_factory=dict)
    _shown: dict[Path, list[Finding]] = field(default_factory=dict)

    def changed(self, path: Path) -> None:
        """A file has another text, or is there, or is gone."""
        for model in self.texts:
            known = self._found.get(model)
            if model.suffix != ".csv" and (model == path or known is None or path in known.seen):
                self._start(model)

    def closed(self, path: Path) -> None:
        """A model is no longer open: what it said is taken back."""
        if task := self._running.pop(path, None):
            task.cancel()
        if self._found.pop(path, None) is not None:
            self._show_all()
        self.changed(path)

    def stop(self) -> None:
        """Ends what is under way."""
        for task in self._running.values():
            task.cancel()

    def _start(self, model: Path) -> None:
        if task := self._running.get(model):
            task.cancel()
        self._running[model] = asyncio.get_running_loop().create_task(self._check(model))

    async def _check(self, model: Path) -> None:
        await asyncio.sleep(PAUSE)
        texts = dict(self.texts)
        self._take(model, await self.ask(lambda: diagnose(model, texts)))
        if not self.solver or self._found[model].broken:
            return
        await asyncio.sleep(SOLVER_PAUSE)
        try:
            diagnosis = await solved(model, texts)
        except OSError as error:  # no process could be started: the rest stands
            print(f"nfverify: the solver was not asked: {error}", file=sys.stderr)
            return
        if diagnosis is not None:
            self._take(model, diagnosis)

    def _take(self, model: Path, diagnosis: Diagnosis) -> None:
        if model in self.texts:
            self._found[model] = diagnosis
            self._show_all()

    def _show_all(self) -> None:
        """Each file's findings, of all models that have some there, each once."""
        now: dict[Path, dict[Finding, None]] = {}
        for diagnosis in self._found.values():
            for path, findings in diagnosis.found.items():
                now.setdefault(path, {}).update(dict.fromkeys(findings))
        for path in {**self._shown, **now, **self._found}:
            findings = list(now.get(path, {}))
            if findings != self._shown.get(path):
                self.show(path, findings)
            if findings or path in self._found:
                self._shown[path] = findings
            else:
                self._shown.pop(path, None)
