"""Of `unknown`: lines that decide the question, found by a wider search and then tried."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from nfverify.equivalence.assumption import check_satisfiable
from nfverify.equivalence.components import Components
from nfverify.equivalence.explain.answer import Advice, Lacking
from nfverify.equivalence.explain.learned import learned, stored
from nfverify.equivalence.explain.lines import Line, model_line, pair_text
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.induction import Induction, Proved
from nfverify.equivalence.prove import Run, begin, decided, relate
from nfverify.equivalence.question import Question
from nfverify.equivalence.relation import Candidate
from nfverify.equivalence.simulate import FULL, Traffic
from nfverify.equivalence.solver import OutOfTime
from nfverify.equivalence.verdict import Different, Equivalent, Resisting, Unknown, Verdict
from nfverify.lang.source import ModelError, Source
from nfverify.packet.codec import Malformed, parse
from nfverify.semantics.engine import Context
from nfverify.semantics.walk import moments
from nfverify.smat import ir
from nfverify.smat.condition import packet_condition
from nfverify.smat.pairwise import pair_claim
from nfverify.smat.unparse import expr_text
from nfverify.smat.values import Misfit

TRIAL = 10.0  # s for an assumption that is tried
MAX_GUARDS = 12
FALLBACK_GUARDS = ("f[IP6] == 0", "f[proto] == 6", "f[proto] == 17", "f[FRAG] == 0")
_NAME = {Equivalent: "equivalent", Different: "different", Unknown: "unknown"}

Paste = Callable[[Sequence[tuple[str, Line]]], tuple[ir.Network, ir.Network]]
"""Both models with lines of `a` and `b` put in. ModelError if they aren't lines of the language."""


@dataclass(frozen=True, slots=True)
class Open:
    """A question that got no answer: as asked, and what is known of it."""

    a: ir.Network
    b: ir.Network
    question: Question
    reason: str
    depth: int
    resisting: Resisting | None
    paste: Paste


def lacking(open_: Open, notify: Callable[[str], None]) -> Lacking:
    """What was not excluded, and what decides it. Raises ModelError, as `equivalent`."""
    search = _Search(open_, notify)
    try:
        search.run()
    except OutOfTime:
        search.notes.append("time ran out while lines were looked for")
    return Lacking(
        open_.reason,
        open_.depth,
        search.resisting or open_.resisting,
        tuple(search.advice),
        tuple(search.notes),
    )


@dataclass(slots=True)
class _Search:
    open_: Open
    notify: Callable[[str], None]
    resisting: Resisting | None = None
    advice: list[Advice] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def run(self) -> None:
        question = self.open_.question
        run = begin(self.open_.a, self.open_.b, question, self.notify)
        check_satisfiable(run.problem, run.deadline)
        different = run.simulated(Traffic(run.problem, run.constants), FULL)
        if different is not None:
            self.told(different)
            return
        for thrifty in (True, False):
            relation = self.related(run, thrifty)
            if relation is not None:
                self.advise(run, relation)
                return
        if self.open_.resisting is None:
            self.resisting = run.resisting()
        self.guarded(run)

    def told(self, verdict: Verdict) -> None:
        self.notes.append(f"asked again, it is decided as it is: {_NAME[type(verdict)]}")

    # Invariants -----------------------------------------------------------------------------

    def related(self, run: Run, thrifty: bool) -> tuple[Candidate, ...] | None:
        """The conjuncts of a proof, of all candidates there are."""
        assert run.simulation is not None
        snapshots = run.simulation.snapshots
        try:
            induction = Induction(
                run.problem, snapshots, deadline=run.deadline, thrifty=thrifty, notify=self.notify
            )
        except Unsupported as exception:
            self.notes.append(f"no proof can be had: {exception}")
            return None
        step = induction.step
        parts = Components(run.problem, run.constants, set(step.relevant), set(step.presence))
        more = [*stored(run.problem.sides, parts.all), *learned(parts.all, snapshots)]
        found = relate(run.problem, run.constants, induction, snapshots, False, more)
        if not isinstance(found, Proved):
            run.failed = found
            return None
        certified = run.certified(found, induction)
        return found.relation if isinstance(certified, Equivalent) else None

    def advise(self, run: Run, relation: Sequence[Candidate]) -> None:
        """The conjuncts that no template has, as lines; what comes of them is tried."""
        new = [c for c in relation if c.shape == "learned"]
        if not new:
            self.notes.append("asked again, it is decided as it is: equivalent")
            return
        variables = run.problem.variables()
        lines: list[tuple[str, Line]] = []
        texts: list[str] = []
        claims: list[ir.Expr] = []
        for candidate in new:
            side = next((s for s in run.problem.sides if _about(candidate, s.letter)), None)
            line = None if side is None else model_line(side, candidate)
            if side is not None and line is not None:
                lines.append((side.letter, line))
                continue
            text = pair_text(candidate, variables)
            if text is None:
                self.notes.append("what decides it can't be written in the language")
                return
            texts.append(text)
            claims.append(_claim(text, variables))
        verdict = self.tried(lines, claims)
        if not isinstance(verdict, Equivalent):
            self.notes.append(f"lines were found, but with them it is {_NAME[type(verdict)]}")
            return
        for letter, line in lines:
            side_of = "a" if letter == "a" else "b"
            advice = Advice("invariant", side_of, line.text, line.program, "equivalent")  # type: ignore[arg-type]  # a or b
            self.advice.append(advice)
        for text in texts:
            self.advice.append(Advice("relation", "both", text, None, "equivalent"))

    def tried(self, lines: Sequence[tuple[str, Line]], claims: Sequence[ir.Expr]) -> Verdict:
        """The question once more, with the lines pasted in."""
        self.notify("trying the lines")
        a, b = self.open_.paste(lines)
        question = self.open_.question
        options = question.options
        options = replace(options, proposed=(*options.proposed, *claims))
        return decided(begin(a, b, replace(question, options=options), self.notify))

    # Guards ---------------------------------------------------------------------------------

    def guarded(self, run: Run) -> None:
        """Conditions on arriving packets that leave out the step that resists."""
        step = self.resisting or self.open_.resisting
        for text, expr in guards(run, step):
            self.notify(f"trying an assumption: {text}")
            options = run.problem.options
            both = expr if options.assume is None else ir.And((options.assume, expr))
            left = min(TRIAL, run.deadline - time.monotonic())
            if left <= 0:
                raise OutOfTime
            question = replace(
                self.open_.question,
                options=replace(options, assume=both),
                time_limit=left,
                started=time.monotonic(),
            )
            verdict = decided(begin(self.open_.a, self.open_.b, question, self.notify))
            if isinstance(verdict, Equivalent) and not _vacuous(verdict):
                self.advice.append(Advice("guard", "both", text, None, "equivalent"))
                return


def _about(candidate: Candidate, letter: str) -> bool:
    return all(name.startswith(f"{letter}.") for name in candidate.variables)


def _vacuous(verdict: Equivalent) -> bool:
    return any("ever forwarded" in note for note in verdict.report.notes)


def _claim(text: str, variables: dict[str, ir.StateVar]) -> ir.Expr:
    """The text as `--invariant` reads it, so that what is shown is what was tried."""
    return pair_claim(Source("--invariant", text), variables)


def guards(run: Run, step: Resisting | None) -> Iterator[tuple[str, ir.Expr]]:
    """Conditions that are false of the packet of the step, as `--assume` takes them: what entries
    ask of a packet, then plain ones."""
    packet = None if step is None or step.frame is None else parse(step.frame)
    if step is None or packet is None or isinstance(packet, Malformed):
        return
    ports = run.problem.a.network.ports
    if step.port in ports:
        packet.iface = ports.index(step.port)
    asked: dict[ir.Expr, None] = {}
    for side in run.problem.sides:
        for instance in side.network.instances:
            for node in ir.walk(instance.program.body):
                if isinstance(node, ir.Entry):
                    of_packet = [c for c in node.match_flow if _of_packet(c)]
                    asked |= dict.fromkeys(map(ir.Not, of_packet))
                    asked |= dict.fromkeys(of_packet)
    count = 0
    for text in (*map(_text, asked), *FALLBACK_GUARDS):
        try:
            expr = packet_condition(Source("--assume", text), ports)
        except ModelError:  # names of the program that it is of
            continue
        at = moments((), (expr,), Context(run.problem.port_count, {}, {}))
        if not at(packet, step.time, [], {}).value(expr):
            yield text, expr
            count += 1
            if count == MAX_GUARDS:
                return


def _text(expr: ir.Expr) -> str:
    try:
        return expr_text(expr)
    except Misfit:  # a width that the language has no literals of
        return ""


def _of_packet(expr: ir.Expr) -> bool:
    """Is it of the arriving packet alone?"""
    return not any(
        isinstance(n, ir.Read | ir.Has | ir.Tag | ir.Local | ir.Apply | ir.Match)
        for n in ir.walk((expr,))
    )
