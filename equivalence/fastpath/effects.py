"""Which writes of a way change anything, and which variables its packets write again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from nfverify.equivalence.consolidate.rewrite import comparison, conjunction, negation
from nfverify.equivalence.fastpath.binding import fixed
from nfverify.equivalence.fastpath.sight import Sight, World
from nfverify.equivalence.fastpath.ways import Assignment, Way, Writer
from nfverify.equivalence.terms import Term
from nfverify.fastpath.plan import FLOW_KEY
from nfverify.smat import ir

WRITES = "writes"  # so begins the reason of a way that is slow where its writes change something
VARYING = ", each time anew"  # so it ends if the way is slow even where they don't


def idle(variable: ir.StateVar, write: Assignment) -> ir.Expr:
    """Is the variable as the write would make it?"""
    there = ir.Has(write.var, write.keys) if variable.keys else ir.TRUE
    if write.values is None:
        return negation(there)
    same = (
        comparison("==", ir.Read(write.var, write.keys, i, type_), value)
        for i, (type_, value) in enumerate(zip(variable.values, write.values, strict=True))
    )
    return conjunction((there, *same))


def split(world: World, ways: Sequence[Way]) -> list[Way]:
    """Ways whose plain assignments change nothing apart from those where one does."""
    found: list[Way] = []
    for way in ways:
        found.extend((way,) if way.slow else _split(world, way))
    return found


def _split(world: World, way: Way) -> Iterator[Way]:
    plain = [w for w in way.writes if is_plain(way, w)]
    if plain:
        nothing = conjunction(tuple(idle(world.variables[w.var], w) for w in plain))
        context = [*map(world.term, way.conditions)]
        if world.possible((*context, world.term(nothing))):
            left = tuple(w for w in way.writes if w not in plain)
            conditions = (*way.conditions, nothing)
            yield replace(way, conditions=conditions, writes=left, idle=True)
            change = negation(nothing)
            if world.possible((*context, world.term(change))):
                yield replace(way, conditions=(*way.conditions, change))
            return
    yield way


def is_plain(way: Way, write: Assignment) -> bool:
    """Is it a deletion, or the only write to its variable, that only the flow and other variables
    decide? Then the way can be told from those where it changes nothing."""
    others = [w for w in way.writes if w.var == write.var and w is not write]
    alone = write.values is None and all(w.values is None for w in others)
    return (alone or not others) and all(_is_foreseen(w) for w in (write, *others))


def _is_foreseen(write: Assignment) -> bool:
    exprs = (*write.keys, *(write.values or ()))
    own = any(isinstance(n, ir.Read | ir.Has) and n.var == write.var for n in ir.walk(exprs))
    return not own and all(fixed(e, frozenset()) for e in exprs)


@dataclass(slots=True)
class Heat:
    """Hot variables: those that packets of a flow on a way write again and again (the least
    fixed point). Only speed depends on it."""

    world: World
    ways: Sequence[Way]
    cold: AbstractSet[str]
    hot: set[str] = field(default_factory=set)
    _again: Sight | None = None
    _steady: dict[int, bool] = field(default_factory=dict)

    def find(self, start: AbstractSet[str]) -> frozenset[str]:
        """With those of `start`; never those of `cold`."""
        self.hot = set(start)
        before = -1
        while before < len(self.hot):
            before = len(self.hot)
            for number, way in enumerate(self.ways):
                new = {w.var for w in way.writes if self._goes_on(w)} - self.hot - self.cold
                if new and not way.slow and self.steady(number):
                    self.hot.update(new)
        return frozenset(self.hot)

    def _goes_on(self, write: Assignment) -> bool:
        exprs = (*write.keys, *(write.values or ()))
        own = any(isinstance(n, ir.Read | ir.Has) and n.var == write.var for n in ir.walk(exprs))
        return own or not all(fixed(e, self.hot) for e in exprs)

    def steady(self, number: int) -> bool:
        """May a flow take the way twice in a row?"""
        if number not in self._steady:
            world, way = self.world, self.ways[number]
            writes: dict[str, list[tuple[tuple[Term, ...], tuple[Term, ...] | None]]] = {}
            for write in way.writes:
                keys = tuple(map(world.term, write.keys))
                values = None if write.values is None else tuple(map(world.term, write.values))
                writes.setdefault(write.var, []).append((keys, values))
            log = {name: tuple(each) for name, each in writes.items()}
            again = replace(self._second(), writes=log, _done={})
            both = [*map(world.term, way.conditions), *map(again, way.conditions)]
            self._steady[number] = world.possible(both)
        return self._steady[number]

    def _second(self) -> Sight:
        """The next packet of the flow."""
        if self._again is None:
            world, terms = self.world, self.world.terms
            packet = world.arriving("2 ", True)
            self._again = Sight(world, packet, "2 ")
            for name in FLOW_KEY:
                world.possible.add(terms.eq(world.packet.fields[name], packet.fields[name]))
            world.possible.add(terms.compare("ule", world.now(), self._again.now()))
        return self._again


def of_variable(writers: Sequence[Writer]) -> Mapping[str, tuple[Writer, ...]]:
    """The writers of each variable."""
    found: dict[str, list[Writer]] = {}
    for writer in writers:
        found.setdefault(writer.assignment.var, []).append(writer)
    return {name: tuple(each) for name, each in found.items()}
