"""The warnings that need a solver, in a process of their own, which can be ended at any time.

Run as `python -m nfverify.lsp.solving`: a question as JSON on standard input, findings as JSON on
standard output.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nfverify.lsp.diagnose import Diagnosis, Finding, diagnose

TIME = 20.0  # s
MEMORY = 4 << 30  # bytes of address space


async def solved(path: Path, texts: Mapping[Path, str]) -> Diagnosis | None:
    """The diagnosis of a model with what a solver tells; None if it could not be made in TIME."""
    question = {"path": str(path), "texts": {str(p): text for p, text in texts.items()}}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "nfverify.lsp.solving",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(TIME):
            answer, _ = await process.communicate(json.dumps(question).encode())
        return _read(json.loads(answer), texts) if process.returncode == 0 else None
    except (TimeoutError, ValueError, KeyError, TypeError):
        return None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _read(answer: dict[str, Any], texts: Mapping[Path, str]) -> Diagnosis:
    found = {
        Path(name): [Finding(**finding) for finding in findings]
        for name, findings in answer["found"].items()
    }
    return Diagnosis(found, frozenset(map(Path, answer["seen"])), answer["broken"])


def main() -> None:
    """Answer one question."""
    from nfverify.equivalence.check import solver_checks

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    question = json.load(sys.stdin)
    texts = {Path(name): text for name, text in question["texts"].items()}
    diagnosis = diagnose(Path(question["path"]), texts, solver_checks)
    found = {
        str(path): [asdict(finding) for finding in findings]
        for path, findings in diagnosis.found.items()
    }
    seen = [str(path) for path in diagnosis.seen]
    print(json.dumps({"found": found, "seen": seen, "broken": diagnosis.broken}))


if __name__ == "__main__":
    main()
