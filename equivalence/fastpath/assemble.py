"""Classes of a plan from groups of ways: what is recorded, what is watched, what packets do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from nfverify.equivalence.fastpath.binding import Recorder
from nfverify.equivalence.fastpath.classes import Fast, Group
from nfverify.equivalence.fastpath.events import Changes, Dependency, dependencies
from nfverify.equivalence.fastpath.explore import Assignment, Way
from nfverify.equivalence.fastpath.policies import Policies
from nfverify.equivalence.fastpath.shape import Shaper
from nfverify.equivalence.fastpath.sight import ON_WIRE
from nfverify.equivalence.terms import Term
from nfverify.fastpath.plan import (
    Class,
    HeaderAction,
    Path,
    Payload,
    Policy,
    StateFunction,
    Value,
    Watch,
)
from nfverify.smat import ir


@dataclass(frozen=True, slots=True)
class Draft:
    """A class, with what it rests on that others may change."""

    class_: Class
    rests_on: tuple[Dependency, ...]
    watched: tuple[Dependency, ...]


@dataclass(slots=True)
class Assembler:
    """Makes the classes of one plan."""

    shaper: Shaper
    hot: frozenset[str]
    changes: Changes
    policies: Policies
    fast: Mapping[int, Fast]
    ways: Sequence[Way]
    _rested: dict[str, bool] = field(default_factory=dict)  # cold variables: watched?
    _made: int = 0

    def draft(self, group: Group) -> Draft:
        """The class of a group; how changes are noticed is left open."""
        world = self.shaper.world
        given = tuple(map(world.term, group.condition))
        recorder = Recorder(world, self.hot)
        paths: list[Path] = []
        for number in group.members:
            residual = self.shaper.shortened(self.fast[number].packet, given)
            if ir.FALSE in residual or not world.possible((*given, *map(world.term, residual))):
                continue
            name = f"path{len(paths)}"
            paths.append(self._path(name, number, given, residual, recorder))
        values = tuple(recorder.values.values())
        class_ = Class(f"class{self._made}", group.condition, values, (), tuple(paths))
        self._made += 1
        exprs = (*group.condition, *(v.expr for v in values))
        rests_on = tuple(dependencies(world, exprs, self.hot))
        watched = tuple(d for d in rests_on if self._is_watched(d, group.condition))
        return Draft(class_, rests_on, watched)

    def _is_watched(self, dependency: Dependency, condition: Sequence[ir.Expr]) -> bool:
        if self.policies.forced(dependency[0]) in ("own", "constant"):
            return False
        return self.changes.may_change(dependency, condition)

    def finish(self, drafts: Sequence[Draft]) -> tuple[tuple[Class, ...], tuple[str, ...]]:
        """The classes with their watches, and the variables of the epoch."""
        for draft in drafts:
            for var, _ in draft.rests_on:
                self._rested.setdefault(var, False)
            for var, _ in draft.watched:
                self._rested[var] = True
        epoch = tuple(v for v, w in self._rested.items() if w and self.policies.of(v) == "epoch")
        classes = tuple(
            replace(
                draft.class_,
                watches=tuple(
                    self._watch(draft.class_, d) for d in draft.watched if d[0] not in epoch
                ),
            )
            for draft in drafts
        )
        return classes, epoch

    def told(self, classes: Sequence[Class]) -> tuple[tuple[str, Policy], ...]:
        """The policy of each variable that records rest on or fast packets read or write."""
        used = {
            node.var
            for class_ in classes
            for path in class_.paths
            for node in ir.walk(
                (*path.residual, *(w for f in path.functions for w in f.writes),
                 *(e for _, e in path.header.modify), *path.outputs)
            )
            if isinstance(node, ir.Read | ir.Has | ir.Write | ir.Delete)
        }  # fmt: skip
        found: list[tuple[str, Policy]] = []
        for var, variable in self.shaper.world.variables.items():
            if var in self._rested:
                policy: Policy = "own"
                if self._rested[var]:
                    policy = self.policies.of(var)
                elif not self.changes.writers.get(var) and var not in self.changes.anyhow:
                    policy = "constant"
                found.append((var, policy))
            elif variable.constant:
                if var in used or self._reads(classes, var):
                    found.append((var, "constant"))
            elif var in used:
                found.append((var, "hot"))
        return tuple(found)

    def _reads(self, classes: Sequence[Class], var: str) -> bool:
        exprs = tuple(e for c in classes for e in (*c.condition, *(v.expr for v in c.values)))
        return any(isinstance(n, ir.Read | ir.Has) and n.var == var for n in ir.walk(exprs))

    def _watch(self, class_: Class, dependency: Dependency) -> Watch:
        """Keys that the record holds are taken from it."""
        world = self.shaper.world
        held = {(world.term(v.expr).id, v.expr.type): v for v in class_.values}

        def shown(key: ir.Expr) -> ir.Expr:
            value = held.get((world.term(key).id, key.type))
            return key if value is None else ir.Local(value.name, value.expr.type)

        return Watch(dependency[0], tuple(map(shown, dependency[1])))

    # Paths --------------------------------------------------------------------------------

    def _path(
        self,
        name: str,
        number: int,
        given: tuple[Term, ...],
        residual: tuple[ir.Expr, ...],
        recorder: Recorder,
    ) -> Path:
        way = self.ways[number]
        known = (*given, *map(self.shaper.world.term, residual))

        def bound(expr: ir.Expr, instance: str) -> ir.Expr:
            return recorder.bound(self.shaper.folded(expr, known), instance)

        last = way.entries[-1][0] if way.entries else ""
        functions = tuple(
            StateFunction(
                instance,
                tuple(_write(w, lambda e, i=instance: bound(e, i)) for w in writes),
                _payload(way, instance, writes),
            )
            for instance, writes in _by_instance(way).items()
        )
        modify = []
        if way.outputs:
            for field_name, value in way.fields:
                folded = self.shaper.folded(value, known)
                if field_name in ON_WIRE and folded != ir.Field(field_name):
                    modify.append((field_name, recorder.bound(folded, last)))
        return Path(
            name,
            tuple(recorder.bound(c, last) for c in residual),
            functions,
            HeaderAction(tuple(modify), tuple(n for n, _ in modify)),
            tuple(bound(o, last) for o in way.outputs),
            way.entries,
        )


def _by_instance(way: Way) -> dict[str, list[Assignment]]:
    found: dict[str, list[Assignment]] = {}
    for write in way.writes:
        found.setdefault(write.instance, []).append(write)
    return found


def _write(write: Assignment, bound: object) -> ir.Write | ir.Delete:
    assert callable(bound)
    keys = tuple(bound(k) for k in write.keys)
    if write.values is None:
        return ir.Delete(write.var, keys)
    return ir.Write(write.var, keys, tuple(bound(v) for v in write.values))


def _payload(way: Way, instance: str, writes: Sequence[Assignment]) -> Payload:
    exprs = tuple(e for w in writes for e in (*w.keys, *(w.values or ())))
    reads = any(isinstance(n, ir.Field) and n.name == "payload" for n in ir.walk(exprs))
    return "read" if reads else "ignore"


__all__ = ["Assembler", "Draft", "Value"]
