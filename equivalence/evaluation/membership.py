"""Is what came out of a network something that it may do, whatever it chooses?

A trace is followed in all worlds that it leaves possible. A world is a state in which choices that
nothing has shown yet are symbols. A step is run over its terms: what came out then fixes the
choices, mostly by plain equations; the solver is asked only about what these leave open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from nfverify.equivalence.evaluation.ground import (
    Change,
    GroundTerms,
    Unclear,
    ground_aged,
    moved,
    part,
    put_in,
)
from nfverify.equivalence.evaluation.meaning import Meaning
from nfverify.equivalence.evaluation.narrowing import MOST_WAYS, Leaf, Narrowing, Seen
from nfverify.equivalence.evaluation.passes import build
from nfverify.equivalence.evaluation.scene import Scene, scene_of
from nfverify.equivalence.evaluation.solving import Model, Solving, related, symbols
from nfverify.equivalence.evaluation.verdicts import Allowed, Judgement, Made, NotAllowed, Undecided
from nfverify.equivalence.evaluation.worlds import Waiting, World, state_of, world_of
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.packets import HEADERS, SymbolicPacket, width_of
from nfverify.equivalence.symbolic import Choice, Chosen, Executor
from nfverify.equivalence.terms import Term
from nfverify.packet.codec import Malformed, deparse, parse
from nfverify.packet.fields import FIELDS
from nfverify.packet.packet import IP4, IP6, Packet
from nfverify.semantics.engine import Context
from nfverify.semantics.machine import MAX_TIME, Machine, RunawayError
from nfverify.semantics.state import SavedState
from nfverify.smat import ir
from nfverify.smat.ruleset import Ruleset

MOST_FIRINGS = 1000  # of timers between two packets, if they choose or depend on choices
SOON = 20  # firings after which the machine is asked to do the rest
MOST_TERMS = 300_000  # in a table, before the next one is begun


class _Chose(Exception):
    """A timer came to a choice."""


def _refuse(*_: object) -> int | None:
    raise _Chose


class _Way(NamedTuple):
    """A world on its way through an event."""

    world: World
    left: tuple[Seen, ...]
    made: tuple[Made, ...]


@dataclass(slots=True)
class Membership:
    """Follows one trace of a network from a state."""

    network: ir.Network
    context: Context
    non_ip: Literal["bypass", "drop"]
    state: SavedState
    worlds: list[World] = field(init=False)
    broken: str = ""  # why it can't go on
    _terms: GroundTerms = field(init=False)
    _solving: Solving = field(init=False)
    _narrowing: Narrowing = field(init=False)
    _executor: Executor = field(init=False)
    _meanings: list[Meaning] = field(init=False)
    _machine: Machine | None = None
    _choices: int = 0
    _base: tuple[Term, ...] = ()  # conditions of the world in hand
    _reasons: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        programs = {id(i.program): i.program for i in self.network.instances}.values()
        self._meanings = [Meaning(p, self.context) for p in programs]
        for meaning in self._meanings:
            for node in ir.walk(meaning.program.init + meaning.program.body):
                if isinstance(node, ir.Match):
                    meaning.rulesets[node.ruleset.digest] = node.ruleset
        self._begin()
        self.worlds = [world_of(self.network, self.state, self.context.tags)]

    def _begin(self) -> None:
        """A new table of terms."""
        terms = self._terms = GroundTerms(self._meanings)
        self._solving = Solving(terms)
        self._narrowing = Narrowing(terms, self._solving)

        def encode(ruleset: Ruleset, args: tuple[Term, ...]) -> Term:
            return terms.uf(f"ruleset {ruleset.digest}", args, 0)

        self._executor = Executor(
            terms, self.network, lambda i, v: f"{i}.{v}", encode, self._feasible,
            self.non_ip == "drop", self._choose, ground_aged(terms), holding=True,
        )  # fmt: skip

    def _choose(self, choice: Choice) -> tuple[Term, Term]:
        assert isinstance(choice.node.type, ir.Bits)
        self._choices += 1
        value = self._terms.var(f"choice {self._choices}", choice.node.type.width)
        return value, self._terms.var(f"none {self._choices}", 0)

    def _feasible(self, term: Term) -> bool:
        if term.is_const:
            return bool(term.data)
        asked = self._terms.base.expand([term]) if self._terms.base is not None else [term]
        return self._solving.model([*related(self._base, asked), *asked]) is not None

    def copy(self) -> Membership:
        """An independent one that has followed the same trace."""
        other = Membership(self.network, self.context, self.non_ip, self.state)
        worlds: list[World] = []
        for world in self.worlds:
            copied = world.copy()
            copied.move(lambda roots: moved(other._terms, roots))
            worlds.append(copied)
        other.worlds, other.broken, other._choices = worlds, self.broken, self._choices
        return other

    # Events -------------------------------------------------------------------------------

    def observe(self, time: int, port: int, frame: bytes, seen: Sequence[Seen]) -> Judgement:
        """The judgement on an event; afterwards the worlds that it leaves possible."""
        if self.broken:
            return Undecided(self.broken)
        if not 0 <= time < MAX_TIME:
            raise ValueError(f"time {time} is not in 0..2^62-1")
        if not 0 <= port < self.context.ports:
            raise ValueError(f"the network has no port {port}")
        self._reasons = {}
        try:
            ways = self._event(time, port, frame, tuple(seen))
        except Unclear as error:
            self.broken = str(error)
            return Undecided(self.broken)
        except Unsupported as error:
            self.broken = f"beyond what can be followed: {error}"
            return Undecided(self.broken)
        if not ways:
            self.broken = "an earlier event was not allowed"
            return NotAllowed(
                "; or ".join(self._reasons) or "nothing that it may choose gives this"
            )
        self.worlds = [way.world for way in ways]
        known = len(self.worlds) == 1 and not self.worlds[0].unknown()
        return Allowed(_common([way.made for way in ways]), known)

    def _event(self, time: int, port: int, frame: bytes, seen: tuple[Seen, ...]) -> list[_Way]:
        if len(self._terms) > MOST_TERMS:
            self._begin()
            for world in self.worlds:
                world.move(lambda roots: moved(self._terms, roots))
        packet = parse(frame)
        enters = not isinstance(packet, Malformed) and (
            self.non_ip == "bypass" or bool(packet.bits & (IP4 | IP6))
        )
        ways: list[_Way] = []
        for world in self.worlds:
            ways += self._until(world, time, seen)
        if not enters or isinstance(packet, Malformed):
            return self._distinct(w for w in ways if self._all_seen(w))
        fields = {name: getattr(packet, name) for name in FIELDS} | {"iface": port}
        found: list[_Way] = []
        for way in ways:
            arrival = Waiting(way.world.now or 0, -1, self.network.ingress, packet, fields, {})
            found += self._step(way, arrival, last=True)
        return self._distinct(found)

    def _all_seen(self, way: _Way) -> bool:
        if way.left:
            self._reasons["nothing may come out of this frame"] = None
        return not way.left

    def _until(self, world: World, time: int, seen: tuple[Seen, ...]) -> list[_Way]:
        """The timers due until `time`, after `init` if nothing has come before."""
        first = _Way(world, seen, ())
        ways = self._start(first, time) if world.now is None else [first]
        done: list[_Way] = []
        firings = 0
        while ways:
            way = ways.pop()
            at = max(time, way.world.now or 0)
            if not way.world.timers or way.world.timers[0].due > at:
                way.world.now = at
                done.append(way)
                continue
            firings += 1
            if firings == SOON and len(ways) == 0 and not way.world.unknown():
                hurried = self._hurried(way, at)
                if hurried is not None:
                    done += hurried
                    continue
            if firings > MOST_FIRINGS:
                raise Unclear(f"timers fire over {MOST_FIRINGS:,} times between two packets")
            timer, *rest = way.world.timers
            way.world.timers, way.world.now = tuple(rest), timer.due
            ways += self._step(way, timer, last=False)
            if len(ways) > MOST_WAYS:
                raise Unclear("too many ways in which it may have gone")
        return done

    def _hurried(self, way: _Way, time: int) -> list[_Way] | None:
        """All timers until a time, by the machine, which needn't fire each; None if one of them
        comes to a choice."""
        world, tags = way.world, self.context.tags
        if self._machine is None:
            self._machine = Machine(
                self.network, operators=self.context.operators, engine=build, chooser=_refuse
            )
        self._machine.restore(state_of(self.network, world, tags, list))
        try:
            out = [Seen(e.time, e.port, deparse(e.packet)) for e in self._machine.wait(time)]
        except _Chose:
            return None
        except RunawayError as error:
            raise Unclear(str(error)) from error
        for expected, seen in zip(out, way.left, strict=False):
            if seen != expected._replace(time=expected.time if seen.time is not None else None):
                self._reasons[f"a timer sends another frame at {expected.time} ns"] = None
                return []
        if len(out) > len(way.left):
            self._reasons[f"timers send {len(out)} frames before this packet"] = None
            return []
        after = world_of(self.network, self._machine.save(), tags)
        return [_Way(after, way.left[len(out) :], way.made)]

    def _start(self, way: _Way, time: int) -> list[_Way]:
        """`init`, and the first timers."""
        world = way.world
        world.now = time
        for name, rows in world.holdings.rows.items():
            if world.holdings.variables[name].aged:
                for key, row in rows.items():
                    rows[key] = (*row[:-1], time)
        state = world.holdings.state(self._terms, time)
        self._base = world.conditions
        state = self._executor.initial(state, self._terms.const(time, 64))
        scene, chosen = scene_of(self._executor, state, ())
        found = self._narrowed(way, scene, chosen, Packet(), last=False)
        for after in found:
            for index, instance in enumerate(self.network.instances):
                for timer in instance.program.timers:
                    dummy = Packet()
                    fields = {name: getattr(dummy, name) for name in FIELDS}
                    tags = {name: value & 0xFFFFFFFF for name, value in timer.tags}
                    after.world.hold(time + timer.delay, index, dummy, fields, tags)
        return found

    def _distinct(self, ways: Iterable[_Way]) -> list[_Way]:
        found: list[_Way] = []
        for way in ways:
            twin = next((i for i, w in enumerate(found) if w.world.same(way.world)), None)
            if twin is None:
                found.append(way)
            else:
                found[twin] = found[twin]._replace(made=_common([found[twin].made, way.made]))
            if len(found) > MOST_WAYS:
                raise Unclear("too many ways in which it may have gone")
        return found

    # Steps --------------------------------------------------------------------------------

    def _step(self, way: _Way, arrival: Waiting, *, last: bool) -> list[_Way]:
        """A packet enters an instance: all ways in which that agrees with what was seen. If what
        is not known of the state is in the way, each state that it may be is looked at alone."""
        try:
            return self._run(way, arrival, last=last)
        except Unclear:
            if not way.world.unknown():
                raise
        return [
            after
            for world in self._each(way.world)
            for after in self._run(way._replace(world=world), arrival, last=last)
        ]

    def _each(self, world: World) -> Iterator[World]:
        """The states that a world may be, of which nothing is unknown."""
        asked = symbols(world.unknown())
        for model in self._solving.all_models(world.conditions, asked, MOST_WAYS):
            known = world.copy()
            known.move(self._putting_in(model))
            known.holdings.settle_logs(known.holdings.logs)
            known.conditions = ()
            yield known

    def _run(self, way: _Way, arrival: Waiting, *, last: bool) -> list[_Way]:
        world, terms, executor = way.world, self._terms, self._executor
        now = world.now or 0
        state = world.holdings.state(terms, now)
        self._base = world.conditions
        packet = arrival.packet
        present = {h: terms.boolean(bool(packet.bits & h.value)) for h in HEADERS}
        fields = {n: terms.raw(v, width_of(n)) for n, v in arrival.fields.items()}
        tags = {n: terms.raw(v, 32) for n, v in arrival.tags.items()}
        symbolic = SymbolicPacket(present, fields, tags)
        at = terms.const(now, 64)
        if packet.bits:
            state, out = executor.resumed_step(arrival.instance, state, symbolic, at)
        else:
            state, out = executor.dummy_step(arrival.instance, state, symbolic, at), []
        scene, chosen = scene_of(executor, state, out)
        return self._narrowed(way, scene, chosen, packet, last=last)

    def _narrowed(
        self, way: _Way, scene: Scene, chosen: Sequence[Chosen], packet: Packet, *, last: bool
    ) -> list[_Way]:
        leaves = self._narrowing.leaves(
            way.world, way.left, scene, chosen, packet, last=last, reasons=self._reasons
        )
        worlds = [way.world, *(way.world.copy() for _ in leaves[1:])]
        return [
            self._after(_Way(world, leaf.left, way.made + leaf.made), leaf, packet)
            for world, leaf in zip(worlds, leaves, strict=False)
        ]

    def _after(self, way: _Way, leaf: Leaf, packet: Packet) -> _Way:
        """The world after a leaf."""
        world, terms, scene = way.world, self._terms, leaf.scene

        def change(roots: Sequence[Term]) -> list[Term]:
            return put_in(terms, roots, leaf.known)

        world.holdings.change_rows(change)
        world.holdings.settle(scene.plain, scene.logs)
        world.timers = tuple(w.by(change) for w in world.timers)
        for held in scene.held:
            if held.guard.data:
                fields = {n: part(t) for n, t in held.packet.fields.items()}
                tags = {n: part(t) for n, t in held.packet.tags.items()}
                due = (world.now or 0) + int(held.delay.data)
                world.hold(due, held.instance, packet, fields, tags)
        world.conditions = tuple(related(leaf.conditions, world.unknown()))
        return way

    # States -------------------------------------------------------------------------------

    def states(self, most: int) -> Iterator[SavedState]:
        """Up to `most` of the states that are possible now, all of them if they are fewer, each
        once in each way that it may have gone. Unclear if the solver gives up."""
        terms = self._terms
        for world in self.worlds:
            unknown = world.unknown()
            more = list(world.conditions)
            while most > 0:
                model = self._solving.model(more)
                if model is None:
                    break
                for symbol in symbols(unknown):
                    model.setdefault(symbol.id, terms.raw(0, symbol.width))
                yield state_of(self.network, world, self.context.tags, self._putting_in(model))
                most -= 1
                values = put_in(terms, unknown, model)
                pairs = zip(unknown, values, strict=True)
                more.append(terms.not_(terms.all(terms.eq(t, v) for t, v in pairs)))

    def _putting_in(self, model: Model) -> Change:
        return lambda roots: put_in(self._terms, roots, model)


def _common(made: Sequence[tuple[Made, ...]]) -> tuple[Made, ...]:
    """The choices of an event over all the ways in which it may have gone."""
    first = made[0]
    if all(m == first for m in made):
        return first
    longest = max(made, key=len)
    return tuple(Made(m.instance, m.name, None, known=False) for m in longest)
