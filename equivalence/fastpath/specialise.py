"""Terms rebuilt under what is known to hold: most of a chain's step folds away for one class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from nfverify.equivalence.layers import SymbolicPacket, Tags
from nfverify.equivalence.state import LogEntry, State
from nfverify.equivalence.symbolic import Emission
from nfverify.equivalence.terms import Term, Terms
from nfverify.semantics.operators import murmur3

_COMPARISONS = ("ult", "ule", "slt", "sle")


class Known:
    """Terms whose value is known, and everything rebuilt with that."""

    def __init__(self, terms: Terms, facts: Iterable[Term]) -> None:
        self.terms = terms
        self._known: dict[int, Term] = {}
        self._done: dict[int, Term] = {}
        for fact in facts:
            self._learn(fact, True)

    def _learn(self, fact: Term, value: bool) -> None:
        terms, stack = self.terms, [(fact, value)]
        while stack:
            term, truth = stack.pop()
            if term.is_const:
                continue
            self._known.setdefault(term.id, terms.boolean(truth))
            if term.op == "not":
                stack.append((term.args[0], not truth))
            elif term.op == ("all" if truth else "any"):
                stack.extend((a, truth) for a in term.args)
            elif term.op == "eq" and truth:
                for one, other in (term.args, term.args[::-1]):
                    if other.is_const and not one.is_const:
                        self._known.setdefault(one.id, other)

    def __call__(self, root: Term) -> Term:
        """A term that equals `root` wherever the facts hold."""
        known, done = self._known, self._done
        stack = [(root, False)]
        while stack:
            term, expanded = stack.pop()
            if term.id in done:
                continue
            if term.id in known:
                done[term.id] = known[term.id]
            elif not term.args:
                done[term.id] = term
            elif expanded:
                made = rebuilt(self.terms, term, [done[a.id] for a in term.args])
                done[term.id] = known.get(made.id, made)
            else:
                stack.append((term, True))
                stack.extend((a, False) for a in term.args if a.id not in done)
        return done[root.id]

    def all(self, roots: Sequence[Term]) -> tuple[Term, ...]:
        return tuple(map(self, roots))

    def emission(self, emission: Emission) -> Emission:
        """What came out, where the facts hold."""
        packet = emission.packet
        fields = {name: self(term) for name, term in packet.fields.items()}
        there = {header: self(term) for header, term in packet.present.items()}
        layer = packet.layer
        if layer is not None:  # what is inside doesn't count: `rest` is all bytes of it
            tags = Tags(*self.all(layer.tags.terms()))
            layer = replace(layer, tags=tags, rest=self(layer.rest), inside=())
        after = SymbolicPacket(there, fields, {}, layer)
        return Emission(self(emission.guard), self(emission.port), after)

    def state(self, state: State) -> State:
        """The state where the facts hold: writes whose guards are false then are gone."""
        plain = {name: self.all(values) for name, values in state.plain.items()}
        logs: dict[str, tuple[LogEntry, ...]] = {}
        for name, log in state.logs.items():
            kept = []
            for entry in log:
                guard = self(entry.guard)
                if guard is not self.terms.false:
                    values = None if entry.values is None else self.all(entry.values)
                    kept.append(LogEntry(guard, self.all(entry.keys), values))
            if kept:
                logs[name] = tuple(kept)
        return State(state.terms, state.variables, state.base, plain, logs)


def rebuilt(terms: Terms, term: Term, args: Sequence[Term]) -> Term:
    """The same operator over other arguments."""
    match term.op:
        case "uf" if term.data == f"hash{len(args)}" and all(a.is_const for a in args):
            return terms.const(murmur3(b"".join(a.data.to_bytes(4, "big") for a in args)), 32)
        case "uf":
            return terms.uf(term.data, args, term.width)
        case "not":
            return terms.not_(args[0])
        case "all":
            return terms.all(args)
        case "any":
            return terms.any(args)
        case "ite":
            return terms.ite(*args)
        case "eq":
            return terms.eq(*args)
        case "trunc" | "zext" | "sext":
            return terms.resize(args[0], term.width, term.op == "sext")
        case op if op in _COMPARISONS:
            return terms.compare(op, *args)
        case op:
            return terms.binary(op, *args)


def substituted(terms: Terms, roots: Sequence[Term], put: Mapping[Term, Term]) -> list[Term]:
    """The roots with terms in the place of others."""
    known = Known(terms, ())
    known._known.update({old.id: new for old, new in put.items()})
    return [known(root) for root in roots]
