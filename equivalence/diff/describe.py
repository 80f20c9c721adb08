"""Classes of packets in words: who decides, what becomes of them, which they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nfverify.equivalence.diff.answer import Decider, PacketClass
from nfverify.equivalence.diff.grouping import PORT, Grouping, Key, Place, entries_of, entry_content
from nfverify.equivalence.diff.lists import joined_cells
from nfverify.equivalence.diff.partition import Partition
from nfverify.equivalence.diff.rulesets import ChangedList
from nfverify.equivalence.diff.run import FILTER
from nfverify.equivalence.diff.wording import (
    box_text,
    earlier_text,
    listed,
    outcome_text,
    rule_decider,
)
from nfverify.equivalence.simulate import Pair as Machines
from nfverify.equivalence.simulate import Trace
from nfverify.equivalence.verdict import Counterexample
from nfverify.semantics.tracing import Visit
from nfverify.smat import ir

FEW = 3  # boxes of a class that are named without being asked for
_NAMES = {"a": "old", "b": "new"}


@dataclass(frozen=True, slots=True)
class Describer:
    """What the words are about; `boxes` is how many are listed of a class."""

    grouping: Grouping
    machines: Machines
    boxes: int
    parts: Partition | None = None

    @property
    def networks(self) -> tuple[ir.Network, ir.Network]:
        a, b = self.grouping.problem.sides
        return a.network, b.network

    @property
    def lists(self) -> tuple[ChangedList, ...]:
        return self.grouping.lists

    @property
    def alone(self) -> bool:
        """Are two rulesets compared, and no models?"""
        return self.networks[0].name == FILTER

    def described(self, key: Key, trace: Trace, shown: Counterexample, exact: bool) -> PacketClass:
        """A class with its example. If `exact`, all packets that its rules decide are in it."""
        shown = replace(shown, differences=tuple(map(as_old_and_new, shown.differences)))
        places = key.places or self.parting(trace)
        last = shown.events[-1]
        deciders = (
            self.decider("a", key, places, last.a.rules),
            self.decider("b", key, places, last.b.rules),
        )
        plain = PacketClass(*deciders, *self.outcomes(key, shown), example=shown)
        ports = self.networks[0].ports
        numbers = [(c, n) for c, n in zip(self.lists, key.pairs, strict=True) if n is not None]
        if len(numbers) != 1:
            return self.with_points(plain, key) if exact else plain
        changed, number = numbers[0]
        diff, pair = changed.diff, changed.diff.pairs[number]
        boxes = diff.boxes(pair) if self.boxes else []
        return replace(
            plain,
            region=box_text(diff.region(pair), ports),
            excluded=earlier_text(diff.old, diff.new, diff.earlier(pair)),
            count=pair.count if exact and not diff.stopped else None,
            boxes=tuple(box_text(box, ports) for box in boxes[: self.boxes]),
            left_out=max(0, len(boxes) - self.boxes) if self.boxes else 0,
        )

    def with_points(self, plain: PacketClass, key: Key) -> PacketClass:
        """The points that the entries of a class decide, if they are boxes."""
        numbers = []
        for letter, network in zip("ab", self.networks, strict=True):
            titles = {title for side, _, title in key.places if side == letter}
            numbers.append(
                [n for n, (_, title, _) in enumerate(entries_of(network)) if title in titles]
            )
        if self.parts is None or any(len(found) > 1 for found in numbers):
            return plain
        first, second = (found[0] if found else -1 for found in numbers)
        cells = self.parts.cells.get((first, second), [])
        if not cells:
            return plain
        ports = self.networks[0].ports
        texts = [box_text(self.parts.task.bounds(cell), ports) for cell in joined_cells(cells)]
        more = f", or {len(texts) - FEW} boxes more" if len(texts) > FEW else ""
        return replace(
            plain,
            region=" or ".join(texts[:FEW]) + more,
            count=self.parts.count((first, second)),
            boxes=tuple(texts[: self.boxes]),
            left_out=max(0, len(texts) - self.boxes) if self.boxes else 0,
        )

    def outcomes(self, key: Key, shown: Counterexample) -> tuple[str, str]:
        """What became of the packets, and what becomes of them now."""
        last = shown.events[-1]
        if self.alone:
            old, new = ("accepted" if s.outputs else "dropped" for s in (last.a, last.b))
            return old, new
        ports = PORT in key.seen
        old, new = (outcome_text(last, side, ports) for side in (last.a, last.b))
        fields = [name for name in key.seen if name != PORT]
        if fields:
            return old, f"{new} with another {listed(fields)}"
        return old, new if old != new else f"{new}, but not the same"

    def parting(self, trace: Trace) -> frozenset[Place]:
        """Where entries agree: those of the first instance that makes something else of the
        packet."""
        run = self.machines.clone()
        for arrival in trace[:-1]:
            run.step(arrival)
        visits: list[list[Visit]] = [[], []]
        for machine, seen in zip(run.machines, visits, strict=True):
            machine.trace = seen.append
        run.step(trace[-1])
        for two in zip(*([v for v in seen if not v.dummy] for seen in visits), strict=False):
            x, y = two
            if (x.fields, x.outcome, x.headers) != (y.fields, y.outcome, y.headers):
                return frozenset(
                    (letter, v.instance, entry)
                    for letter, v in zip("ab", two, strict=True)
                    for entry in v.entries
                )
        return frozenset()

    def decider(
        self,
        letter: str,
        key: Key,
        places: frozenset[Place],
        seen: Sequence[tuple[str, int]],
    ) -> Decider:
        """The entries that decide on one side, and the changed rules before them; `seen` are the
        rules that decided the example, by file and line."""
        network = self.networks[0 if letter == "a" else 1]
        single = len(network.instances) == 1
        found = [
            (title if single else f"{instance}: {title}", entry)
            for instance, title, entry in entries_of(network)
            if (letter, instance, title) in places
        ]
        text = ", ".join(name for name, _ in found) or "no entry"
        rules = []
        for changed, number in zip(self.lists, key.pairs, strict=True):
            if number is not None:
                pair = changed.diff.pairs[number]
                old, new = (changed.diff.old, pair.old), (changed.diff.new, pair.new)
                name = "" if self.alone else changed.name
                rules.append(rule_decider(*(old if letter == "a" else new), name))
        if rules:
            said = "; ".join(r.text for r in rules)
            text = said if self.alone else f"{said} ({text})"
        elif any(map(_asks, found)):
            by = [f"{file}:{line}" for file, line in seen if file and line]
            text += f" (in the example by {by[-1]})" if by else ""
        file, line = (rules[0].file, rules[0].line) if rules else ("", 0)
        content = (*(entry_content(e) for _, e in found), *(r.content for r in rules))
        return Decider(text, repr(content), found[-1][1].span if found else None, file, line)


def _asks(named: tuple[str, ir.Entry]) -> bool:
    """Does an entry ask a ruleset?"""
    return any(isinstance(node, ir.Match) for node in ir.walk((named[1],)))


def as_old_and_new(difference: str) -> str:
    """The words of a replay, whose sides are a and b."""
    return re.sub(r"(^|: |, )([ab]) ", lambda m: f"{m[1]}{_NAMES[m[2]]} ", difference)
