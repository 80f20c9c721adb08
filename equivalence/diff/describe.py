"""Classes of packets in words: who decides, what becomes of them, which they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from nfverify.equivalence.diff.answer import Decider, PacketClass
from nfverify.equivalence.diff.explore import Key
from nfverify.equivalence.diff.lists import joined_cells
from nfverify.equivalence.diff.partition import Partition
from nfverify.equivalence.diff.rulesets import ChangedList
from nfverify.equivalence.diff.run import FILTER
from nfverify.equivalence.diff.wording import box_text, earlier_text, outcome_text, rule_decider
from nfverify.equivalence.verdict import Counterexample, Event, SideOfEvent
from nfverify.semantics.walk import entry_title
from nfverify.smat import ir, rebuild
from nfverify.smat.ruleset import Ruleset

FEW = 3  # boxes of a class that are named without being asked for
_NAMES = {"a": "old", "b": "new"}


@dataclass(frozen=True, slots=True)
class Describer:
    """What the words are about; `boxes` is how many are listed of a class."""

    old: ir.Network
    new: ir.Network
    lists: tuple[ChangedList, ...]
    boxes: int
    parts: Partition | None = None

    def described(self, key: Key, shown: Counterexample, exact: bool) -> PacketClass:
        """A class with its example. If `exact`, all packets that its rules decide are in it."""
        shown = replace(shown, differences=tuple(map(as_old_and_new, shown.differences)))
        last = shown.events[-1]
        outcomes = self.outcome(last, last.a), self.outcome(last, last.b)
        if outcomes[0] == outcomes[1]:
            outcomes = outcomes[0], f"{outcomes[1]}, but {'; '.join(shown.differences[:3])}"
        deciders = self.decider("a", key, last), self.decider("b", key, last)
        plain = PacketClass(*deciders, *outcomes, example=shown)
        numbers = [(c, n) for c, n in zip(self.lists, key.pairs, strict=True) if n is not None]
        if len(numbers) != 1:
            return self.with_points(plain, key) if exact else plain
        changed, number = numbers[0]
        diff, pair = changed.diff, changed.diff.pairs[number]
        ports = self.old.ports
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
        places = [
            [n for n, (_, title, _) in enumerate(entries_of(network)) if (letter, title) in taken]
            for letter, network in (("a", self.old), ("b", self.new))
            for taken in [{(side, entry) for side, _, entry in key.taken}]
        ]
        if self.parts is None or any(len(found) > 1 for found in places):
            return plain
        first, second = (found[0] if found else -1 for found in places)
        cells = self.parts.cells.get((first, second), [])
        if not cells:
            return plain
        boxes = [self.parts.task.bounds(cell) for cell in joined_cells(cells)]
        texts = [box_text(box, self.old.ports) for box in boxes]
        more = f", or {len(texts) - FEW} boxes more" if len(texts) > FEW else ""
        return replace(
            plain,
            region=" or ".join(texts[:FEW]) + more,
            count=self.parts.count((first, second)),
            boxes=tuple(texts[: self.boxes]),
            left_out=max(0, len(texts) - self.boxes) if self.boxes else 0,
        )

    def outcome(self, event: Event, side: SideOfEvent) -> str:
        """What became of the last packet; of a ruleset alone, what its rule says."""
        if self.old.name == FILTER:
            return "accepted" if side.outputs else "dropped"
        return outcome_text(event, side)

    def decider(self, letter: str, key: Key, last: Event) -> Decider:
        """The entries that a packet takes on one side, and the changed rule before them."""
        network, side = (self.old, last.a) if letter == "a" else (self.new, last.b)
        alone = len(network.instances) == 1
        names = [e.partition(": ")[2] if alone else e for e in side.entries]
        text = ", ".join(names) or "no entry"
        entries = [
            entry
            for instance, title, entry in entries_of(network)
            if (letter, instance, title) in key.taken
        ]
        rules = []
        for changed, number in zip(self.lists, key.pairs, strict=True):
            if number is not None:
                pair = changed.diff.pairs[number]
                old, new = (changed.diff.old, pair.old), (changed.diff.new, pair.new)
                name = "" if network.name == FILTER else changed.name
                rules.append(rule_decider(*(old if letter == "a" else new), name))
        if rules:
            said = "; ".join(r.text for r in rules)
            text = said if network.name == FILTER else f"{said} ({text})"
        file, line = (rules[0].file, rules[0].line) if rules else ("", 0)
        content = repr((*map(entry_content, entries), *(r.content for r in rules)))
        return Decider(text, content, entries[-1].span if entries else None, file, line)


def entries_of(network: ir.Network) -> Iterator[tuple[str, str, ir.Entry]]:
    """Every entry with the name of its instance and its title."""
    for instance in network.instances:
        for node in ir.walk(instance.program.body):
            if isinstance(node, ir.Table):
                for place, entry in enumerate(node.entries, 1):
                    yield instance.name, entry_title(entry, place), entry


def as_old_and_new(difference: str) -> str:
    """The words of a replay, whose sides are a and b."""
    return re.sub(r"(^|: |, )([ab]) ", lambda m: f"{m[1]}{_NAMES[m[2]]} ", difference)


def entry_content(entry: ir.Entry) -> str:
    """What an entry is, wherever it stands and whatever is in its rulesets."""

    def bare(node: rebuild.Part) -> rebuild.Part:
        if not isinstance(node, ir.Match):
            return node
        return replace(node, ruleset=Ruleset(node.ruleset.name, node.ruleset.columns, ()))

    changed = rebuild.mapped(entry, bare)
    assert isinstance(changed, ir.Entry)
    return repr((changed.match_flow, changed.match_state, changed.body))
