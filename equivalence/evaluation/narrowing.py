"""From what a step may do to what agrees with what was seen: which choices that leaves.

What came out is read as equations over the terms of the step, which mostly fix a choice outright;
the solver is asked only about what is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from nfverify.equivalence.evaluation.decisions import assume
from nfverify.equivalence.evaluation.ground import GroundTerms, Unclear, put_in
from nfverify.equivalence.evaluation.scene import Scene
from nfverify.equivalence.evaluation.solving import (
    Model,
    Solving,
    conjuncts,
    pins,
    related,
    symbols,
)
from nfverify.equivalence.evaluation.verdicts import Made
from nfverify.equivalence.evaluation.wire import rewritten, wire_fields
from nfverify.equivalence.evaluation.worlds import World
from nfverify.equivalence.symbolic import Chosen
from nfverify.equivalence.terms import Term
from nfverify.packet.packet import Packet
from nfverify.smat import ir

WRITTEN = re.compile(r"choose\s+(\w+)")
MOST_WAYS = 64
TRIES = 32  # candidates that are looked at before the solver is asked
MOST_VARIANTS = 400  # of one step: which of its undetermined conditions hold


class Seen(NamedTuple):
    """A frame that came out; without a time, any will do."""

    time: int | None
    port: int
    frame: bytes


class Mismatch(Exception):
    """This variant can't be what happened."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A variant of a step that agrees with what was seen."""

    scene: Scene
    conditions: list[Term]
    known: Model
    made: tuple[Made, ...]
    left: tuple[Seen, ...]


class _Step(NamedTuple):
    """A variant of a step: `none` says of the choices that it comes to whether nothing fitted."""

    world: World
    left: tuple[Seen, ...]
    scene: Scene
    literals: tuple[Term, ...]
    none: Mapping[int, bool]
    chosen: Sequence[Chosen]
    packet: Packet
    last: bool


@dataclass(frozen=True, slots=True)
class Narrowing:
    """Of the steps over one table of terms."""

    terms: GroundTerms
    solving: Solving

    def leaves(
        self,
        world: World,
        left: tuple[Seen, ...],
        scene: Scene,
        chosen: Sequence[Chosen],
        packet: Packet,
        *,
        last: bool,
        reasons: dict[str, None],
    ) -> list[Leaf]:
        """The variants of a step that agree with what is left to be seen; `reasons` gets why the
        others don't. With `last`, all of it must come out now."""
        found: list[Leaf] = []
        for variant, literals, none in self._variants(scene, chosen):
            step = _Step(world, left, variant, literals, none, chosen, packet, last)
            for given in self._given(step, found, reasons):
                try:
                    found += list(self._leaves(step, given))
                except Mismatch as error:
                    reasons[str(error)] = None
        return found

    def _given(self, step: _Step, found: list[Leaf], reasons: dict[str, None]) -> list[Model]:
        """Adds the leaves of a step; or gives values of its choices, for each of which they can be
        told alone."""
        try:
            found += list(self._leaves(step, {}))
        except Mismatch as error:
            reasons[str(error)] = None
        except Unclear:
            asked = [step.chosen[i].value for i, nothing in step.none.items() if not nothing]
            if not asked:
                raise
            return self.solving.all_models(self._plain_conditions(step), asked, MOST_WAYS)
        return []

    def _plain_conditions(self, step: _Step) -> list[Term]:
        """What the choices of a step must meet, as far as it can be written out."""
        base, known = self.terms.base, _nones(self.terms, step)
        assert base is not None
        fits = [
            step.chosen[i].choice.fits(step.chosen[i].value)
            for i, nothing in step.none.items()
            if not nothing
        ]
        found: list[Term] = []
        for condition in conjuncts(put_in(self.terms, [*step.world.conditions, *fits], known)):
            with suppress(Unclear):
                found += put_in(self.terms, base.expand([condition]), known)
        return found

    def _variants(
        self, scene: Scene, chosen: Sequence[Chosen]
    ) -> Iterator[tuple[Scene, tuple[Term, ...], dict[int, bool]]]:
        """The scene with each condition that decides what happens known, what that supposes, and
        which of the choices had nothing that fitted."""
        count = 0
        stack: list[tuple[Scene, tuple[Term, ...], dict[int, bool]]] = [(scene, (), {})]
        while stack:
            here, literals, none = stack.pop()
            place = next(
                (
                    i
                    for i, guard in enumerate(here.guards)
                    if not guard.is_const or (guard.data and i not in none)
                ),
                None,
            )
            if place is not None and here.guards[place].is_const:
                for nothing in (True, False):
                    decided = self._assumed(here, chosen[place].none, nothing)
                    stack.append((decided, literals, none | {place: nothing}))
                continue
            guards = [*here.guards, *(e.guard for e in here.emissions)]
            guards += [h.guard for h in here.held]
            open_ = next((g for g in guards if not g.is_const), None)
            if open_ is None:
                count += 1
                if count > MOST_VARIANTS:
                    raise Unclear("too much of a step depends on choices")
                yield here, literals, none
                continue
            for holds in (False, True):
                literal = open_ if holds else self.terms.not_(open_)
                stack.append((self._assumed(here, open_, holds), (*literals, literal), none))
            if len(stack) > MOST_VARIANTS:
                raise Unclear("too much of a step depends on choices")

    def _assumed(self, scene: Scene, condition: Term, holds: bool) -> Scene:
        return scene.rebuilt(assume(self.terms, scene.terms(), condition, holds))

    def _leaves(self, step: _Step, given: Model) -> Iterator[Leaf]:
        """What a variant needs to agree with what was seen. Mismatch if it can't."""
        terms, base = self.terms, self.terms.base
        assert base is not None
        world, scene, none, chosen = step.world, step.scene, step.none, step.chosen
        known: Model = _nones(terms, step) | given
        equations, left = self._match(step)
        fresh = [*step.literals, *equations]
        conditions = self._settled([*world.conditions, *fresh], known)
        for place, nothing in none.items():
            if not nothing:
                conditions = self._settled(
                    [*conditions, *self._bounds(chosen[place], conditions, known)], known
                )
                value = known.get(chosen[place].value.id, chosen[place].value)
                [fits] = put_in(terms, [chosen[place].choice.fits(value)], known)
                if fits is terms.false:
                    raise Mismatch(_unfit(value, chosen[place]))
                conditions = self._settled([*conditions, fits], known)
        conditions = self._consistent(world, base.expand(conditions), known)
        for extra in self._none_fits(none, chosen, conditions, known):
            every = known | extra
            rest = [t for t in put_in(terms, conditions, every) if t is not terms.true]
            if extra:
                rest = self._consistent(world, rest, every)
            narrowed = scene.rebuilt(
                put_in(terms, base.expand(put_in(terms, scene.terms(), every)), every)
            )
            made = tuple(_made(chosen[i], none[i], every) for i in none)
            yield Leaf(narrowed, rest, every, made, left)

    def _bounds(self, chosen: Chosen, conditions: Sequence[Term], known: Model) -> Iterator[Term]:
        """The value of a choice whose last bits are known, where its range holds one such."""
        choice, value, type_ = chosen.choice, chosen.value, chosen.choice.node.type
        low, high = put_in(self.terms, [choice.low, choice.high], known)
        if value.id in known or not (low.is_const and high.is_const):
            return
        assert isinstance(type_, ir.Bits)
        start, end = ir.wrap(low.data, type_), ir.wrap(high.data, type_)
        end = min(end, start + ir.MAX_CHOICES - 1)
        for condition in conditions:
            if condition.op == "eq":
                bits, number = sorted(condition.args, key=lambda t: t.is_const)
                if number.is_const and bits.op == "trunc" and bits.args[0] is value:
                    step = 1 << bits.width
                    first = start + (number.data - start) % step
                    if first > end:
                        raise Mismatch(f"{number.data} is outside the range of `choose`")
                    if first + step > end:
                        yield self.terms.eq(value, self.terms.const(first, type_.width))

    def _none_fits(
        self,
        none: Mapping[int, bool],
        chosen: Sequence[Chosen],
        conditions: Sequence[Term],
        known: Model,
    ) -> Iterator[Model]:
        """What earlier choices must have been for nothing to have fitted, where that is so."""
        terms, base = self.terms, self.terms.base
        assert base is not None
        models: list[Model] = [{}]
        for place, nothing in none.items():
            if not nothing:
                continue
            it = chosen[place]
            asked = terms.var("candidate", it.value.width)
            found: list[Model] = []
            for model in models:
                given = known | model
                if self._tried(it, given):
                    continue
                [fits] = base.expand(put_in(terms, [it.choice.fits(asked)], given))
                [fits] = put_in(terms, [fits], given)
                others = [s for s in symbols([fits]) if s is not asked]
                there = [t for t in put_in(terms, conditions, given) if t is not terms.true]
                ways = self.solving.all_models(there, others, MOST_WAYS) if others else [{}]
                found += [
                    model | way
                    for way in ways
                    if self.solving.model(put_in(terms, [fits], way)) is None
                ]
            models = found
            if not models:
                raise Mismatch(f"something fits `choose {_name(it)}`")
        yield from models

    def _tried(self, chosen: Chosen, given: Model) -> bool:
        """Does one of a few candidates surely fit? Mostly one does, and no solver is needed."""
        low, high = put_in(self.terms, [chosen.choice.low, chosen.choice.high], given)
        if not (low.is_const and high.is_const):
            return False
        span = (high.data - low.data) % (1 << low.width)
        numbers = dict.fromkeys(low.data + span * i // TRIES for i in range(TRIES + 1))
        candidates = [self.terms.const(n, low.width) for n in numbers]
        return any(
            put_in(self.terms, [chosen.choice.fits(c)], given)[0] is self.terms.true
            for c in candidates
        )

    def _settled(self, conditions: Iterable[Term], known: Model) -> list[Term]:
        """Conditions with what they say outright put in, and added to `known`."""
        terms = self.terms
        rest = conjuncts(put_in(terms, list(conditions), known))
        while True:
            if any(t is terms.false for t in rest):
                raise Mismatch("nothing that it may have chosen gives this")
            new = pins(terms, rest)
            if not new:
                return rest
            known.update(new)
            rest = conjuncts(put_in(terms, rest, known))

    def _consistent(self, world: World, conditions: Sequence[Term], known: Model) -> list[Term]:
        """The conditions, if they can all hold, with what they leave no choice about put in."""
        rest = self._settled(conditions, known)
        old = {t.id for t in world.conditions}
        fresh = [t for t in rest if t.id not in old]
        if not fresh:
            return rest
        asked = related(rest, fresh)
        model = self.solving.model(asked)
        if model is None:
            raise Mismatch("nothing that it may have chosen gives this")
        known.update(self.solving.fixed(asked, model))
        return self._settled(rest, known)

    def _match(self, step: _Step) -> tuple[list[Term], tuple[Seen, ...]]:
        """The equations between what comes out and what was seen."""
        world, left, scene, packet = step.world, step.left, step.scene, step.packet
        terms = self.terms
        out = [e for e in scene.emissions if e.guard.data]
        if len(out) > len(left) or (step.last and len(out) < len(left)):
            raise Mismatch(f"{_frames(len(out))} may come out, not {_frames(len(left))}")
        equations: list[Term] = []
        for emission, seen in zip(out, left, strict=False):
            if seen.time is not None and seen.time != world.now:
                raise Mismatch(f"the time of an output is {world.now} ns, not {seen.time}")
            self._equal("the port", emission.port, seen.port, equations)
            fields = rewritten(packet, seen.frame)
            if fields is None:
                raise Mismatch("bytes that no field holds, or a checksum, or the length differ")
            for name in wire_fields(packet):
                self._equal(name, emission.packet.fields[name], getattr(fields, name), equations)
        for held in scene.held:
            if held.guard.data and not held.delay.is_const:
                raise Unclear("how long a timer waits depends on a choice")
        return [e for e in equations if e is not terms.true], left[len(out) :]

    def _equal(self, name: str, term: Term, value: int | bytes, equations: list[Term]) -> None:
        equation = self.terms.eq(term, self.terms.raw(value, term.width))
        if equation is self.terms.false:
            can = f"is {term.data!r}" if term.is_const else "is something else"
            raise Mismatch(f"{name} {can}, not {value!r}")
        equations.append(equation)


def _nones(terms: GroundTerms, step: _Step) -> Model:
    """What a variant says of whether anything fitted."""
    return {step.chosen[i].none.id: terms.boolean(n) for i, n in step.none.items()}


def _made(chosen: Chosen, nothing: bool, known: Model) -> Made:
    node, instance = chosen.choice.node, chosen.choice.instance
    if nothing:
        return Made(instance, _name(chosen), None)
    value = known.get(chosen.value.id)
    assert isinstance(node.type, ir.Bits)
    if value is None:
        return Made(instance, _name(chosen), None, known=False)
    return Made(instance, _name(chosen), ir.wrap(int(value.data), node.type))


def _unfit(value: Term, chosen: Chosen) -> str:
    node = chosen.choice.node
    assert isinstance(node.type, ir.Bits)
    if not value.is_const:
        return f"nothing fits `choose {_name(chosen)}`"
    return f"{ir.wrap(value.data, node.type)} doesn't fit `choose {_name(chosen)}`"


def _name(chosen: Chosen) -> str:
    """A choice's name as it is written; lowering makes names unique."""
    node = chosen.choice.node
    written = WRITTEN.match(node.span.source.text, node.span.start)
    return written[1] if written else node.name


def _frames(count: int) -> str:
    return "nothing" if not count else "1 frame" if count == 1 else f"{count} frames"
