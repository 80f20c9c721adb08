"""Where can two lists that share most of their rules differ? Only inside a few boxes.

If a point fares differently, its first matches r and s are not both in both lists, or r comes
before s in one and after it in the other. So it lies in the box of a rule that only one list has,
or where two common rules of opposite actions and inverted order overlap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nfverify.equivalence.rulesets.ranks import Ranked

BLOCK = 2048  # rules per block of bit masks: bounds their memory
MOST = 40_000  # common rules above which their order is not looked at


def regions(a: Sequence[Ranked], b: Sequence[Ranked], limit: int) -> list[Ranked] | None:
    """Boxes that hold every difference of the two lists; None if there are over `limit`."""
    live_a, live_b = _live(a), _live(b)
    place = {rule: number for number, rule in enumerate(live_b)}
    common = [rule for rule in live_a if rule in place]
    found = {rule[:-1]: None for rule in live_a if rule not in place}
    found.update({rule[:-1]: None for rule in set(live_b).difference(common)})
    if len(found) > limit or len(common) > MOST:
        return None
    for r, s in inverted(common, [place[rule] for rule in common]):
        starts = zip(r[:-1:2], s[:-1:2], strict=True)
        ends = zip(r[1::2], s[1::2], strict=True)
        box = [
            x
            for (r0, s0), (r1, s1) in zip(starts, ends, strict=True)
            for x in (max(r0, s0), min(r1, s1))
        ]
        found[tuple(box)] = None
        if len(found) > limit:
            return None
    return sorted(found)


def _live(rules: Sequence[Ranked]) -> list[Ranked]:
    """Without rules whose very box stands earlier: no point reaches them."""
    first: dict[Ranked, Ranked] = {}
    for rule in rules:
        first.setdefault(rule[:-1], rule)
    return list(first.values())


def inverted(rules: Sequence[Ranked], places: Sequence[int]) -> Iterator[tuple[Ranked, Ranked]]:
    """Pairs of overlapping rules of opposite actions whose order `places` inverts."""
    descending = sorted(range(len(rules)), key=places.__getitem__, reverse=True)
    for start in range(0, len(rules), BLOCK):
        block = _Block.build(rules[start : start + BLOCK])
        later = 0  # the block's rules that have a greater place than rule i
        for i in descending:
            number = i - start
            if number > 0:
                rule = rules[i]
                mask = later & block.opposite[rule[-1]]
                if number < BLOCK:
                    mask &= (1 << number) - 1
                if mask:
                    mask = block.overlapping(rule, mask)
                while mask:
                    low = mask & -mask
                    yield rules[start + low.bit_length() - 1], rule
                    mask ^= low
            if 0 <= number < BLOCK:
                later |= 1 << number


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Finds the rules that meet a box, in their order."""

    blocks: list[_Block]

    @staticmethod
    def of(rules: Sequence[Ranked]) -> Overlaps:
        starts = range(0, len(rules), BLOCK)
        return Overlaps([_Block.build(rules[start : start + BLOCK]) for start in starts])

    def meeting(self, box: Ranked) -> Iterator[int]:
        """The numbers of the rules that have a point in a box (whose last element is left out)."""
        for number, block in enumerate(self.blocks):
            mask = block.overlapping(box, -1)
            while mask:
                low = mask & -mask
                yield number * BLOCK + low.bit_length() - 1
                mask ^= low


@dataclass(frozen=True, slots=True)
class _Block:
    """Bit i stands for rule i: those of the other action; per field, those that begin before and
    those that end after a rank."""

    opposite: tuple[int, int]
    fields: list[tuple[list[int], list[int], list[int], list[int]]]

    @staticmethod
    def build(rules: Sequence[Ranked]) -> _Block:
        accepts = sum(1 << i for i, rule in enumerate(rules) if rule[-1])
        everyone = (1 << len(rules)) - 1
        fields = []
        for g in range(0, len(rules[0]) - 1, 2):
            starts, begun = _prefixes([rule[g] for rule in rules])
            ends, ended = _prefixes([rule[g + 1] for rule in rules])
            fields.append((starts, begun, ends, [everyone ^ mask for mask in ended]))
        return _Block((accepts, everyone ^ accepts), fields)

    def overlapping(self, rule: Ranked, mask: int) -> int:
        """Those of `mask` whose boxes meet the rule's."""
        for (starts, begun, ends, going), lo, hi in zip(
            self.fields, rule[:-1:2], rule[1::2], strict=True
        ):
            mask &= begun[bisect_left(starts, hi)] & going[bisect_right(ends, lo)]
            if not mask:
                return 0
        return mask


def _prefixes(values: Sequence[int]) -> tuple[list[int], list[int]]:
    """The distinct values, ascending, and the mask of what lies before each place among them."""
    at: dict[int, int] = {}
    for i, value in enumerate(values):
        at[value] = at.get(value, 0) | 1 << i
    ascending = sorted(at)
    masks = [0]
    for value in ascending:
        masks.append(masks[-1] | at[value])
    return ascending, masks
