"""Events: which writes may change what a record rests on (SpeedyBox, the Event Table).

Where no packet of another flow and no timer can change a key as long as the record's condition
holds, there is no event to watch for: the flow's own slow packets record it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.consolidate.rewrite import negation
from nfverify.equivalence.fastpath.effects import idle
from nfverify.equivalence.fastpath.sight import SERVED, Sight, World
from nfverify.equivalence.fastpath.ways import Writer
from nfverify.equivalence.terms import Term
from nfverify.fastpath.plan import FLOW_KEY
from nfverify.smat import ir

Dependency = tuple[str, tuple[ir.Expr, ...]]


def dependencies(
    world: World, exprs: Sequence[ir.Expr], hot: Collection[str]
) -> Iterator[Dependency]:
    """The keys of cold variables that the expressions read, each once."""
    seen: set[tuple[str, tuple[int, ...]]] = set()
    for node in ir.walk(tuple(exprs)):
        if not isinstance(node, ir.Read | ir.Has):
            continue
        if node.var in hot or world.variables[node.var].constant:
            continue
        key = (node.var, tuple(world.term(k).id for k in node.keys))
        if key not in seen:
            seen.add(key)
            yield node.var, node.keys


@dataclass(slots=True)
class Changes:
    """Who can change a key that a record rests on."""

    world: World
    writers: Mapping[str, Sequence[Writer]]
    anyhow: Collection[str]
    plain: bool  # others may look like packets that are served
    _other: Sight | None = None
    _facts: dict[tuple[str, int], tuple[Term, ...]] = field(default_factory=dict)
    _asked: dict[str, frozenset[str]] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    _answers: dict[tuple[str, tuple[int, ...], frozenset[int]], bool] = field(default_factory=dict)

    def may_change(self, dependency: Dependency, condition: Sequence[ir.Expr]) -> bool:
        """Can another flow or a timer change the key while the condition holds?"""
        var, keys = dependency
        if var in self.anyhow:
            return True
        mine = tuple(map(self.world.term, keys))
        about = self._about(var)
        told = [self.world.term(c) for c in condition if not _state(c) or _state(c) & about]
        question = (var, tuple(k.id for k in mine), frozenset(t.id for t in told))
        if question not in self._answers:
            count = len(self.writers.get(var, ()))
            last = self._last.get(var, 0)  # who could before, likely can again
            order = sorted(range(count), key=lambda n: (n != last, n))
            guilty = next((n for n in order if self._may(var, mine, n, told)), None)
            self._answers[question] = guilty is not None
            self._last[var] = last if guilty is None else guilty
        return self._answers[question]

    def _about(self, var: str) -> frozenset[str]:
        """The variables that its writers ask for: only of these need the record's say anything."""
        if var not in self._asked:
            conditions = (c for w in self.writers.get(var, ()) for c in w.conditions)
            self._asked[var] = frozenset({var}).union(*map(_state, conditions))
        return self._asked[var]

    def _may(
        self, var: str, keys: tuple[Term, ...], number: int, condition: Sequence[Term]
    ) -> bool:
        """Can this writer make its write, to this key, and change it?"""
        write = self.writers[var][number].assignment
        same = (
            self.world.terms.eq(self.other(a), b) for a, b in zip(write.keys, keys, strict=True)
        )
        return self.world.possible((*condition, *self._writing(var, number), *same))

    def _writing(self, var: str, number: int) -> tuple[Term, ...]:
        """Another packet (or a timer) makes the write, which changes something."""
        if (var, number) not in self._facts:
            writer, terms, other = self.writers[var][number], self.world.terms, self.other
            change = negation(idle(self.world.variables[var], writer.assignment))
            facts = [*map(other, writer.conditions), other(change)]
            if writer.served:
                facts += [*map(other, SERVED), terms.not_(self._own())]
            elif writer.served is False and not self.plain:
                facts.append(terms.not_(other.all(SERVED)))
            self._facts[var, number] = tuple(facts)
        return self._facts[var, number]

    def _own(self) -> Term:
        packet, other = self.world.packet.fields, self.other.packet.fields
        terms = self.world.terms
        return terms.all(terms.eq(packet[name], other[name]) for name in FLOW_KEY)

    @property
    def other(self) -> Sight:
        """A packet of any kind."""
        if self._other is None:
            self._other = Sight(self.world, self.world.arriving("q ", None), "q ")
        return self._other


def _state(expr: ir.Expr) -> frozenset[str]:
    """The variables that it reads."""
    return frozenset(n.var for n in ir.walk((expr,)) if isinstance(n, ir.Read | ir.Has))
