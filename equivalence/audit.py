"""What is done about obligations besides Z3's answer: a second solver is asked, files are written.

A query that the second solver cannot confirm in time is no proof; one that it contradicts is a
fault of nfverify or of a solver, and ends everything (`Disagreement`). Loads no solver.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import mkdtemp

from nfverify.equivalence.asking import Ask, Name, opened
from nfverify.equivalence.smtlib import Expected, script
from nfverify.equivalence.terms import Term
from nfverify.equivalence.verdict import Obligation

SECONDS = 30.0
NO_QUERY = "both sides are the same model: no solver was asked, so there is nothing to confirm"


class Disagreement(Exception):
    """Two solvers give different answers to one query: neither can be believed."""


@dataclass(frozen=True, slots=True)
class Audit:
    """`solver` is asked for each query within `seconds`; all are written to `folder`. `about` are
    lines on the question, for the head of each file."""

    solver: Name | None = None
    folder: Path | None = None
    seconds: float = SECONDS
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """Something a verdict rests on: the assertions together have the answer `expected`. It belongs
    to an obligation; `cases` are conditions of which one always holds."""

    obligation: int
    claims: str
    assertions: tuple[Term, ...]
    expected: Expected = "unsat"
    cases: tuple[Term, ...] = ()


@dataclass(slots=True)
class Ledger:
    """The queries of one certificate, by obligation; without an audit none is kept. `about` are
    lines for the head of each file."""

    audit: Audit | None
    about: tuple[str, ...] = ()
    queries: list[Query] = field(default_factory=list)

    def note(self, query: Callable[[], Query]) -> None:
        if self.audit is not None:
            self.queries.append(query())

    def settle(
        self,
        obligations: Sequence[Obligation],
        deadline: float,
        notify: Callable[[str], None] = lambda text: None,
    ) -> tuple[Obligation, ...]:
        """The obligations as they stand after the audit; what is not confirmed is `unknown`. An
        obligation without queries follows from how the terms are written. Raises Disagreement."""
        audit = self.audit
        if audit is None or any(o.result != "proved" for o in obligations):
            return tuple(obligations)
        scripts = list(self._scripts(audit, obligations))
        if audit.folder is not None:
            write(audit.folder, [(name, text) for name, text, _ in scripts])
        if audit.solver is None:
            return tuple(obligations)
        shown = solver_name(audit.solver)
        found = [replace(o, confirmed=shown) for o in obligations]
        with opened(audit.solver) as ask:
            for (name, text, query), number in zip(
                scripts, range(1, len(scripts) + 1), strict=True
            ):
                notify(f"{audit.solver}: query {number} of {len(scripts)}")
                answer = self._confirm(ask, name, text, query, deadline)
                if answer != query.expected:
                    n = query.obligation
                    reason = f"{shown} did not confirm it: {answer}"
                    found[n] = replace(obligations[n], result="unknown", reason=reason)
        return tuple(found)

    def _scripts(
        self, audit: Audit, obligations: Sequence[Obligation]
    ) -> Iterator[tuple[str, str, Query]]:
        total = len(self.queries)
        for number, query in enumerate(self.queries, 1):
            title = obligations[query.obligation].name
            head = (f"nfverify: query {number} of {total}", query.claims, f"Obligation: {title}")
            text = script(
                query.assertions, query.expected, "\n".join((*head, *audit.about, *self.about))
            )
            yield f"{number:03d}-{slug(title)}.smt2", text, query

    def _confirm(self, ask: Ask, name: str, text: str, query: Query, deadline: float) -> str:
        """The second solver's answer, or why there is none; by cases if it has none at once."""
        assert self.audit is not None
        answer = ask(text, min(self.audit.seconds, deadline - time.monotonic()))
        contradicts(self.audit, answer, query.expected, name, text)
        if answer in ("sat", "unsat") or not query.cases:
            return answer
        for number, case in enumerate(query.cases, 1):
            claims = f"{query.claims}\nCase {number} of {len(query.cases)}"
            part = script((*query.assertions, case), "unsat", claims)
            answer = ask(part, min(self.audit.seconds, deadline - time.monotonic()))
            contradicts(self.audit, answer, "unsat", name, part)
            if answer != "unsat":
                return answer
        return "unsat"


def unconfirmed(obligations: Sequence[Obligation]) -> str:
    """Why a proof that Z3 found is none, in words; empty if a second solver was content."""
    without = [o for o in obligations if o.reason]
    if not without:
        return ""
    count = f"{len(obligations) - len(without)} of {len(obligations)}"
    return f"{count} obligations are confirmed; {without[0].name}: {without[0].reason}"


def contradicts(audit: Audit, answer: str, expected: str, name: str, text: str) -> None:
    """Raises Disagreement if an answer is the opposite; the query is kept in a file."""
    if answer not in ("sat", "unsat") or answer == expected:
        return
    folder = audit.folder or Path(mkdtemp(prefix="nfverify-disagreement-"))
    path = folder / name
    with suppress(OSError):
        path.write_text(text, encoding="utf-8")
    assert audit.solver is not None
    raise Disagreement(f"Z3 says {expected}, {solver_name(audit.solver)} says {answer}: {path}")


def slug(name: str) -> str:
    """The name of an obligation as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "obligation"


def solver_name(name: Name) -> str:
    """Name and version."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return name


def write(folder: Path, files: Sequence[tuple[str, str]]) -> None:
    """Adds the files of a certificate to a folder; those of the second begin with c2. OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    before = {p.name.split("-")[0] for p in folder.glob("*.smt2") if p.name[0] == "c"}
    first = not any(folder.glob("*.smt2"))
    prefix = "" if first else f"c{len(before) + 2}-"
    for name, text in files:
        part = folder / f".{prefix}{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / f"{prefix}{name}")
