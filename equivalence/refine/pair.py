"""Both machines side by side: A chooses by a policy or a script, B follows a strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from nfverify.equivalence.problem import Problem, Side
from nfverify.equivalence.refine.hands import Fits, Free, Hand, Policy, Scripted, first
from nfverify.equivalence.refine.witness import (
    Did,
    Else,
    Listed,
    OfPlain,
    OfWrite,
    Place,
    Strategy,
    Witness,
    matchings,
    witness_value,
)
from nfverify.equivalence.simulate import Arrival, Pair, Trace
from nfverify.packet.packet import Packet
from nfverify.semantics.engine import Chooser
from nfverify.semantics.machine import Emission, Machine
from nfverify.semantics.tracing import Visit
from nfverify.smat import ir

Made = tuple[int | None, ...]
"""What was chosen at an event, in order; None is that nothing fitted."""


@dataclass(slots=True)
class RefinePair(Pair):
    """`hands` choose for the machines. `made` are A's choices so far, by event, `made_by_b` those
    of B; `sent` is what A sent last."""

    hands: tuple[Hand, Hand] = field(default_factory=lambda: (Hand(), Hand()))
    strategy: Strategy = Strategy(())  # noqa: RUF009  # frozen
    policy: Policy = "first"
    script: Sequence[Made] | None = None  # instead of the policy
    made: list[Made] = field(default_factory=list)
    made_by_b: list[Made] = field(default_factory=list)
    sent: list[Emission] = field(default_factory=list)
    _free: Free = field(init=False)

    def __post_init__(self) -> None:
        super(RefinePair, self).__post_init__()
        self._free = Free(self.policy)

    def clone(self) -> RefinePair:
        """From the beginning: nothing is chosen yet."""
        return self.like(self.strategy, self.policy, self.script)

    def like(
        self, strategy: Strategy, policy: Policy = "first", script: Sequence[Made] | None = None
    ) -> RefinePair:
        """The same machines, driven otherwise."""
        a, b = self.machines
        return RefinePair(
            self.problem, (a.clone(), b.clone()), self.hands, strategy, policy, script
        )

    def copied(self) -> RefinePair:
        """As it is now; a policy begins anew."""
        other = self.clone()
        other.made, other.made_by_b = list(self.made), list(self.made_by_b)
        return other

    def step(self, arrival: Arrival) -> tuple[bool, list[Packet]]:
        """Can B, by its strategy, not follow? Also what came out of A. Misfit of a script."""
        a, b = self.machines
        did = Did(packet=arrival.packet, number=len(self.made))
        witnesses: list[Witness] = [w for _, w in self.strategy.witnesses]
        witnesses += [w.then for w in witnesses if isinstance(w, Listed)]
        witnesses += [w for e in witnesses if isinstance(e, Else) for w in (e.first, e.second)]
        plain = any(isinstance(w, OfPlain) for w in witnesses)
        if plain:
            did.before = self._plain()
        if any(isinstance(w, OfWrite) for w in witnesses):
            a.trace = self._record(did)
        made: list[int | None] = []
        self.hands[0].decide = self._deciding(did, made)
        try:
            out_a = a.emit(arrival.packet, arrival.time, arrival.port)
        finally:
            a.trace = None
            self.hands[0].decide = first
        self.made.append(tuple(made))
        self.sent = out_a
        if plain:
            did.after = self._plain()
        did.sent = out_a[0].packet if out_a else None
        did.matching = self._matching(did, arrival, out_a)
        lost: list[str] = []
        by_b: list[int | None] = []
        self.hands[1].decide = self._following(did, lost, by_b)
        try:
            out_b = b.emit(arrival.packet, arrival.time, arrival.port)
        finally:
            self.hands[1].decide = first
        self.made_by_b.append(tuple(by_b))
        differs = bool(lost) or not self.same(out_a, out_b)
        return differs, [e.packet for e in out_a]

    def _matching(self, did: Did, arrival: Arrival, out: Sequence[Emission]) -> Mapping[Place, int]:
        """The first values, of those that the strategy tries, with which B sends the same."""
        tried = matchings(self.strategy)
        for values in tried:
            did.matching = values
            lost: list[str] = []
            self.hands[1].decide = self._following(did, lost, [])
            try:
                sent = self.machines[1].clone().emit(arrival.packet, arrival.time, arrival.port)
            finally:
                self.hands[1].decide = first
            if not lost and self.same(out, sent):
                return values
        return tried[0] if tried else {}

    def listed(self, trace: Trace, made: Sequence[Made], then: Strategy) -> Strategy:
        """The strategy that chooses for B as in a run of it, and then as another one."""
        machine, values = (
            self.machines[1].clone(),
            {place: [0] * len(trace) for place, _ in then.witnesses},
        )
        for number, (arrival, script) in enumerate(zip(trace, made, strict=True)):
            scripted = Scripted(script)

            def decide(
                instance: str,
                node: ir.Choose,
                candidates: range,
                fits: Fits,
                number: int = number,
                scripted: Scripted = scripted,
            ) -> int | None:
                value = scripted(instance, node, candidates, fits)
                shown = candidates.start if value is None else value
                values[instance, node.name][number] = shown
                return value

            self.hands[1].decide = decide
            try:
                machine.emit(arrival.packet, arrival.time, arrival.port)
            finally:
                self.hands[1].decide = first
        return Strategy(
            tuple(
                (place, Listed(tuple(values[place]), w.then if isinstance(w, Listed) else w))
                for place, w in then.witnesses
            )
        )

    def _deciding(self, did: Did, made: list[int | None]) -> Chooser:
        decide: Chooser = self._free
        if self.script is not None:
            number = len(self.made)
            decide = Scripted(self.script[number] if number < len(self.script) else ())

        def deciding(instance: str, node: ir.Choose, candidates: range, fits: Fits) -> int | None:
            value = decide(instance, node, candidates, fits)
            made.append(value)
            did.chosen[instance, node.name] = candidates.start if value is None else value
            return value

        return deciding

    def _following(self, did: Did, lost: list[str], made: list[int | None]) -> Chooser:
        def following(instance: str, node: ir.Choose, candidates: range, fits: Fits) -> int | None:
            witness = self.strategy.at((instance, node.name))
            value = witness_value(witness, (instance, node.name), did, candidates, node.type, fits)
            if value not in candidates or not fits(value):
                other = next(filter(fits, candidates), None)
                if other is not None:
                    lost.append(node.name)
                made.append(other)
                return other
            made.append(value)
            return value

        return following

    def _plain(self) -> dict[str, tuple[ir.Value, ...]]:
        found = {}
        for side, machine in zip(self.problem.sides, self.machines, strict=True):
            for instance, variables in machine.plain().items():
                for name, values in variables.items():
                    found[side.qualify(instance, name)] = values
        return found

    def _record(self, did: Did) -> Callable[[Visit], None]:
        side: Side = self.problem.a

        def record(visit: Visit) -> None:
            for write in visit.state:
                name = side.qualify(visit.instance, write.variable)
                did.written[name] = (*write.key, *(write.after or ()))

        return record


def refine_pair(
    problem: Problem, machines: Callable[[ir.Network, Chooser], Machine], strategy: Strategy
) -> RefinePair:
    """Fresh machines of both sides with hands of their own."""
    hands = Hand(), Hand()
    a, b = (machines(s.network, h) for s, h in zip(problem.sides, hands, strict=True))
    return RefinePair(problem, (a, b), hands, strategy)
