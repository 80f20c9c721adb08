"""Classes of a plan from groups of ways: what is recorded, what is watched, what packets do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nfverify.equivalence.fastpath.binding import Recorder
from nfverify.equivalence.fastpath.classes import Fast, Group
from nfverify.equivalence.fastpath.events import Changes, Dependency, dependencies
from nfverify.equivalence.fastpath.policies import Policies
from nfverify.equivalence.fastpath.shape import Shaper
from nfverify.equivalence.fastpath.sight import ON_WIRE, SERVED
from nfverify.equivalence.fastpath.ways import Assignment, Way
from nfverify.equivalence.terms import Term
from nfverify.fastpath.plan import (
    FLOW_KEY,
    Class,
    HeaderAction,
    Path,
    Payload,
    Plan,
    Policy,
    Push,
    SlowPath,
    StateFunction,
    Watch,
)
from nfverify.smat import ir

MAX_VALUES = 4  # of a record of one cache line, beside references into tables


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan but for its network, and the variables that others may change under its records."""

    classes: tuple[Class, ...]
    epoch: tuple[str, ...]
    policies: tuple[tuple[str, Policy], ...]
    slow: tuple[SlowPath, ...]
    watched: frozenset[str]
    heavy: frozenset[int]  # idle ways, by number, for which records are longer than they should

    def plan(self, network: ir.Network, *, plain: bool) -> Plan:
        """The plan of this network."""
        return Plan(
            network,
            SERVED,
            FLOW_KEY,
            self.classes,
            self.epoch,
            self.policies,
            self.slow,
            plain=plain,
        )


@dataclass(frozen=True, slots=True)
class DraftClass:
    """A class, with what it rests on and what of that others may change."""

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
    _made: int = 0
    _epoch: set[str] = field(default_factory=set)
    _heavy: set[int] = field(default_factory=set)

    def draft(self, group: Group) -> DraftClass:
        """The class of a group; how changes are noticed is left open."""
        world = self.shaper.world
        given = tuple(map(world.term, group.condition))
        recorder = Recorder(world, self.hot)
        paths: list[Path] = []
        numbers: list[int] = []
        for number in group.members:
            residual = self._residual(self.fast[number], given)
            if ir.FALSE in residual or not world.possible((*given, *map(world.term, residual))):
                continue
            name = f"path{len(paths)}"
            paths.append(self._path(name, number, given, residual, recorder))
            numbers.append(number)
        values = tuple(recorder.values.values())
        if len(values) > MAX_VALUES:
            self._heavy.update(self._burdens(paths, numbers))
        class_ = Class(f"class{self._made}", group.condition, values, (), tuple(paths))
        self._made += 1
        exprs = (*group.condition, *(v.expr for v in values))
        rests_on = tuple(dependencies(world, exprs, self.hot))
        watched = tuple(d for d in rests_on if self._is_watched(d, group.condition))
        return DraftClass(class_, rests_on, watched)

    def _burdens(self, paths: Sequence[Path], numbers: Sequence[int]) -> Iterator[int]:
        """Idle ways that need values which no other path does."""
        needed = [_locals(path) for path in paths]
        for i, number in enumerate(numbers):
            others = frozenset[str]().union(*(n for j, n in enumerate(needed) if j != i))
            if self.ways[number].idle and not needed[i] <= others:
                yield number

    def _residual(self, way: Fast, given: tuple[Term, ...]) -> tuple[ir.Expr, ...]:
        """What a packet of the class must satisfy: the way's, but for what the class adds."""
        shaper, term = self.shaper, self.shaper.world.term
        own = {term(c).id for c in way.flow}
        about = shaper.about(t for t in given if t.id not in own)
        if all(shaper.about((term(c),)).isdisjoint(about) for c in way.packet):
            return way.packet
        return shaper.shortened(way.packet, given, about)

    def _is_watched(self, dependency: Dependency, condition: Sequence[ir.Expr]) -> bool:
        var = dependency[0]
        if self.policies.forced(var) in ("own", "constant"):
            return False
        if var in self._epoch:
            return True  # one is enough
        found = self.changes.may_change(dependency, condition)
        if found and self.policies.of(var) == "epoch":
            self._epoch.add(var)
        return found

    def finish(self, drafts: Sequence[DraftClass], slow: tuple[SlowPath, ...]) -> Draft:
        """The classes with their watches, and how changes of each variable are noticed."""
        watched: dict[str, bool] = {}
        for draft in drafts:
            watched |= {var: watched.get(var, False) for var, _ in draft.rests_on}
            watched |= {var: True for var, _ in draft.watched}
        epoch = tuple(v for v, w in watched.items() if w and self.policies.of(v) == "epoch")
        classes = tuple(
            replace(
                draft.class_,
                watches=tuple(
                    self._watch(draft.class_, d) for d in draft.watched if d[0] not in epoch
                ),
            )
            for draft in drafts
        )
        names = frozenset(v for v, w in watched.items() if w)
        told = self._told(classes, watched)
        return Draft(classes, epoch, told, slow, names, frozenset(self._heavy))

    def _told(
        self, classes: Sequence[Class], watched: Mapping[str, bool]
    ) -> tuple[tuple[str, Policy], ...]:
        """The policy of each variable that records rest on or fast packets read or write."""
        used = {
            node.var
            for class_ in classes
            for node in ir.walk(tuple(_exprs(class_)))
            if isinstance(node, ir.Read | ir.Has | ir.Write | ir.Delete)
        }
        found: list[tuple[str, Policy]] = []
        for var, variable in self.shaper.world.variables.items():
            idle = not self.changes.writers.get(var) and var not in self.changes.anyhow
            if var not in used:
                continue
            if variable.constant or (var in watched and idle):
                found.append((var, "constant"))
            elif var not in watched:
                found.append((var, "hot"))
            else:
                found.append((var, self.policies.of(var) if watched[var] else "own"))
        return tuple(found)

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
            HeaderAction(
                tuple(modify),
                tuple(n for n, _ in modify),
                pushes=tuple(
                    Push(k, tuple(bound(a, last) for a in args)) for k, args in way.pushes
                ),
            ),
            tuple(bound(o, last) for o in way.outputs),
            way.entries,
        )


def _exprs(class_: Class) -> Iterator[ir.Expr | ir.Stmt]:
    yield from class_.condition
    yield from (v.expr for v in class_.values)
    for path in class_.paths:
        yield from _of_path(path)


def _of_path(path: Path) -> Iterator[ir.Expr | ir.Stmt]:
    yield from path.residual
    for function in path.functions:
        yield from function.writes
    yield from (e for _, e in path.header.modify)
    yield from (a for push in path.header.pushes for a in push.args)
    yield from path.outputs


def _locals(path: Path) -> frozenset[str]:
    """The values that it needs."""
    nodes = ir.walk(tuple(_of_path(path)))
    return frozenset(n.name for n in nodes if isinstance(n, ir.Local))


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
