"""An engine of the machine whose passes evaluate the terms of the symbolic semantics.

The symbolic pass of a program is made once, over a state and packet of symbols, and written as a
Python function: first the tests that decide, then what is left of the terms where these are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from nfverify.equivalence.evaluation.decisions import assume, first_decision
from nfverify.equivalence.evaluation.effects import (
    Effect,
    effects_of,
    outcome_lines,
    outcome_roots,
)
from nfverify.equivalence.evaluation.folding import Folding
from nfverify.equivalence.evaluation.literals import LiteralTerms
from nfverify.equivalence.evaluation.meaning import Meaning
from nfverify.equivalence.evaluation.stores import aged_maps, state_before
from nfverify.equivalence.evaluation.writer import Known, Symbolic, Writer, count_uses
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.packets import HEADERS, SymbolicPacket, width_of
from nfverify.equivalence.symbolic import Choice, Executor
from nfverify.equivalence.terms import Term, Terms, subterms
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import Packet
from nfverify.semantics.engine import (
    FORWARD,
    Compiled,
    Context,
    Counters,
    Outcome,
    Pass,
    Store,
    Tags,
)
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

MOST_TERMS = 40_000  # of a pass: loops are unrolled
MOST_DEPTH = 30  # of tests inside each other
MOST_LEAVES = 300
MOST_WORK = 150_000  # terms that were looked at for the sake of the tests, all together


def build(program: ir.Program, context: Context) -> Compiled:
    """The engine. ModelError if an operator is missing."""
    return Compiled(_pass(program, context, program.init), _pass(program, context, program.body))


def _pass(program: ir.Program, context: Context, statements: tuple[ir.Stmt, ...]) -> Pass:
    if not statements:
        return _nothing
    if any(isinstance(node, ir.Push | ir.Pop) for node in ir.walk(statements)):
        return Folding(program, context, statements).run
    try:
        return _compile(program, context, statements)
    except Unsupported:  # loops that unroll to too much
        return Folding(program, context, statements).run


def symbolic_packet(terms: Terms, tags: Sequence[str]) -> SymbolicPacket:
    """A packet of symbols; absent fields are 0 by their values."""
    present = {h: terms.var(f"header {h.value}", 0) for h in HEADERS}
    fields = {name: terms.var(f"field {name}", width_of(name)) for name in FIELDS}
    return SymbolicPacket(present, fields, {t: terms.var(f"tag {t}", 32) for t in tags})


def _nothing(packet: Packet, tags: Tags, now: int, store: Store, counters: Counters) -> Outcome:
    return FORWARD


def _compile(program: ir.Program, context: Context, statements: tuple[ir.Stmt, ...]) -> Pass:
    terms = LiteralTerms()
    meaning = Meaning(program, context)
    choices: dict[int, Symbolic] = {}

    def choose(choice: Choice) -> tuple[Term, Term]:
        type_ = choice.node.type
        assert isinstance(type_, ir.Bits)
        value = terms.var(f"choice {choice.number}", type_.width)
        none = terms.var(f"none {choice.number}", 0)
        symbolic = Symbolic(choice, value, none, choice.fits(value))
        choices[value.id] = choices[none.id] = symbolic
        return value, none

    def encode(ruleset: Ruleset, args: tuple[Term, ...]) -> Term:
        meaning.rulesets[ruleset.digest] = ruleset
        return terms.uf(f"ruleset {ruleset.digest}", args, 0)

    instance = ir.Instance(program.name, program)
    network = ir.Network(program.name, ("",) * context.ports, (instance,), ())
    executor = Executor(
        terms, network, lambda _, var: var, encode, chooser=choose, aged=aged_maps(terms),
        max_terms=MOST_TERMS,
    )  # fmt: skip
    before = state_before(terms, program)
    packet = symbolic_packet(terms, list(context.tags))
    after = executor.single_pass(instance, statements, before, packet, terms.var("now", 64))
    if len(terms) > MOST_TERMS:
        raise Unsupported("a pass of so many terms", program.span)
    effects = list(effects_of(executor, before, packet.fields, after, meaning))
    function = _Function(terms, Writer(meaning, choices))
    return function.compile(effects, outcome_roots(after))


@dataclass(slots=True)
class _Function:
    """The text of one pass."""

    terms: Terms
    writer: Writer
    _leaves: int = 0
    _work: int = 0

    def compile(self, effects: Sequence[Effect], outcome: tuple[Term, ...]) -> Pass:
        writer, roots = self.writer, [*outcome, *(r for e in effects for r in e.roots)]
        asked = [t for t in subterms(roots) if t.op == "var" and t.id not in writer.choices]
        for it in writer.choices.values():
            inside = subterms((it.fits, it.choice.low, it.choice.high))
            asked += [t for t in inside if t.op == "var" and t.id not in writer.choices]
        for term in dict.fromkeys(asked):
            if not term.data.startswith("count "):
                name = writer.name("v")
                writer.line(1, f"{name} = {writer.meaning.symbol(term.data)}")
                writer.inputs[term.id] = name
        self._decide(effects, outcome, {}, 1)
        head = ["def run(packet, tags, now, store, counters):"]
        head += [f"    {name} = U" for name in writer.unknown]
        scope: dict[str, object] = {**writer.meaning.objects, "U": object()}
        code = compile("\n".join([*head, *writer.lines, ""]), "<terms>", "exec")
        exec(code, scope)
        return cast(Pass, scope["run"])

    def _decide(
        self, effects: Sequence[Effect], outcome: tuple[Term, ...], known: Known, depth: int
    ) -> None:
        """Tests, deepest first, until none is left to decide or the budget is spent."""
        while True:
            effects = [e for e in effects if e.guard.data is not False]
            roots = [*outcome, *(r for e in effects for r in e.roots)]
            test = self._next_test(effects, outcome)
            spent = self._leaves >= MOST_LEAVES or self._work >= MOST_WORK
            if test is None or depth > MOST_DEPTH or spent:
                self._leaf(effects, outcome, roots, known, depth)
                return
            uses = count_uses(roots)
            self._work += 2 * len(uses)
            [text] = self.writer.texts([test], uses, known, depth)
            self.writer.line(depth, f"if {text}:")
            then = self._split(effects, outcome, assume(self.terms, roots, test, True))
            self._decide(*then, dict(known), depth + 1)
            effects, outcome = self._split(effects, outcome, assume(self.terms, roots, test, False))

    def _next_test(self, effects: Sequence[Effect], outcome: Sequence[Term]) -> Term | None:
        conditions = [*outcome[:3], *outcome[4::2], *(e.guard for e in effects)]
        for condition in conditions:
            if not condition.is_const:
                return first_decision(condition)
        values = (outcome[3], *outcome[5::2], *(v for e in effects for v in e.values))
        for value in values:
            if value.op == "ite":
                return first_decision(value.args[0])
        return None

    def _split(
        self, effects: Sequence[Effect], outcome: tuple[Term, ...], roots: Sequence[Term]
    ) -> tuple[list[Effect], tuple[Term, ...]]:
        at = len(outcome)
        rest = []
        for effect in effects:
            guard, *values = roots[at : at + 1 + len(effect.values)]
            at += 1 + len(effect.values)
            rest.append(Effect(guard, tuple(values), effect.lines, effect.original))
        return rest, tuple(roots[: len(outcome)])

    def _leaf(
        self,
        effects: Sequence[Effect],
        outcome: Sequence[Term],
        roots: Sequence[Term],
        known: Known,
        depth: int,
    ) -> None:
        """All values first, as they depend on what the effects change."""
        self._leaves += 1
        writer = self.writer
        effects = [e for e in effects if e.values != e.original]
        roots = [*outcome, *(r for e in effects for r in e.roots)]
        texts = writer.texts(roots, count_uses(roots), known, depth)
        for i, root in enumerate(roots):
            if not root.is_const and not texts[i].isidentifier():
                name = writer.name("r")
                writer.line(depth, f"{name} = {texts[i]}")
                texts[i] = name
        at = len(outcome)
        for effect in effects:
            lines = effect.lines(texts[at + 1 : at + 1 + len(effect.values)])
            deeper = depth
            if effect.guard.data is not True:
                writer.line(depth, f"if {texts[at]}:")
                deeper += 1
            for line in lines:
                writer.line(deeper, line)
            at += 1 + len(effect.values)
        for line in outcome_lines(outcome, texts[: len(outcome)]):
            writer.line(depth, line)
