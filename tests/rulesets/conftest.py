"""Tiny worlds: pairs of short first-match lists over few ranks, and the truth by enumeration."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, product

import pytest

Rule = tuple[int, ...]  # half-open lo, hi per field, then the action


@dataclass(frozen=True, slots=True)
class Pair:
    """Two lists over ranks 0..dims, each with default drop."""

    dims: tuple[int, ...]
    a: list[Rule]
    b: list[Rule]

    def flat(self) -> tuple[array[int], array[int]]:
        return array("i", chain.from_iterable(self.a)), array("i", chain.from_iterable(self.b))

    def differences(self) -> set[tuple[int, ...]]:
        """Every point where the first matches say otherwise."""
        points = product(*map(range, self.dims))
        return {p for p in points if verdict(self.a, p) != verdict(self.b, p)}


def verdict(rules: list[Rule], point: tuple[int, ...]) -> int:
    for rule in rules:
        if all(lo <= v < hi for lo, hi, v in zip(rule[::2], rule[1::2], point, strict=False)):
            return rule[-1]
    return 0


def random_rule(rng: random.Random, dims: tuple[int, ...]) -> Rule:
    bounds: list[int] = []
    for dim in dims:
        if rng.random() < 0.35:
            bounds += (0, dim)
        else:
            lo = rng.randrange(dim)
            bounds += (lo, rng.randint(lo + 1, dim))
    return (*bounds, int(rng.random() < 0.5))


def disjoint(x: Rule, y: Rule) -> bool:
    return any(x[g] >= y[g + 1] or y[g] >= x[g + 1] for g in range(0, len(x) - 1, 2))


def cut(rule: Rule, g: int, lo: int, hi: int) -> Rule:
    return (*rule[:g], lo, hi, *rule[g + 2 :])


def edited(rng: random.Random, rules: list[Rule], dims: tuple[int, ...], steps: int) -> list[Rule]:
    """Rewritings that keep the meaning, and now and then one that may not."""
    rules = list(rules)
    for _ in range(steps):
        if not rules:
            return rules
        i = rng.randrange(len(rules))
        rule = rules[i]
        wide = [g for g in range(0, len(rule) - 1, 2) if rule[g + 1] - rule[g] > 1]
        match rng.randrange(12):
            case 0 | 1 | 2 if i + 1 < len(rules):
                if rule[-1] == rules[i + 1][-1] or disjoint(rule, rules[i + 1]):
                    rules[i : i + 2] = [rules[i + 1], rule]
            case 3 | 4 | 5 if wide:
                g = rng.choice(wide)
                middle = rng.randrange(rule[g] + 1, rule[g + 1])
                rules[i : i + 1] = [
                    cut(rule, g, rule[g], middle),
                    cut(rule, g, middle, rule[g + 1]),
                ]
            case 6 if wide:  # dead: inside the rule before it
                g = rng.choice(wide)
                rules.insert(i + 1, (*cut(rule, g, rule[g], rule[g] + 1)[:-1], rng.randrange(2)))
            case 7:
                rules.append((*random_rule(rng, dims)[:-1], 0))
            case 8 if rng.random() < 0.3:
                rules[i] = (*rule[:-1], 1 - rule[-1])
            case 9 if rng.random() < 0.3:
                del rules[i]
            case 10 if wide and rng.random() < 0.5:  # in three, without the middle
                g = rng.choice(wide)
                first = rng.randrange(rule[g], rule[g + 1])
                parts = [(rule[g], first), (first + 1, rule[g + 1])]
                rules[i : i + 1] = [cut(rule, g, lo, hi) for lo, hi in parts if lo < hi]
            case 11 if rng.random() < 0.3:
                rules.insert(rng.randrange(len(rules)), rules.pop(i))
    return rules


def mirrored(rules: list[Rule], g: int, half: int, flip: bool) -> list[Rule]:
    """Rules of the lower half of a field, and their copies in the upper half."""
    copies = [
        (*cut(rule, g, rule[g] + half, rule[g + 1] + half)[:-1], rule[-1] ^ flip) for rule in rules
    ]
    return rules + copies


def random_pair(rng: random.Random) -> Pair:
    """Independent lists, edits of one list, or edits of one mirrored with actions flipped."""
    fields = rng.randint(1, 4)
    dims = tuple(rng.choice((1, 2, 2, 3, 4, 4, 6, 8)) for _ in range(fields))
    while max(dims) > 2 and _volume(dims) > 300:
        dims = tuple(max(1, d // 2) for d in dims)
    kind = rng.randrange(5)
    count = rng.choice((0, 1, 2, 4, 8, 14))
    a = [random_rule(rng, dims) for _ in range(count)]
    if kind == 0:
        return Pair(dims, a, [random_rule(rng, dims) for _ in range(count)])
    b = edited(rng, a, dims, rng.randint(0, 12))
    if kind == 1:
        f = rng.randrange(fields)
        wide = (*dims[:f], 2 * dims[f], *dims[f + 1 :])
        flip = rng.random() < 0.8
        a, b = (mirrored(rules, 2 * f, dims[f], flip) for rules in (a, b))
        if rng.random() < 0.5:
            rest = (*(x for d in wide for x in (0, d)), int(rng.random() < 0.5))
            a, b = [*a, rest], [*b, rest]
        return Pair(wide, a, b)
    return Pair(dims, a, b)


def _volume(dims: tuple[int, ...]) -> int:
    volume = 1
    for dim in dims:
        volume *= dim
    return volume


@pytest.fixture(scope="session")
def pairs() -> Callable[[int, int], Iterator[Pair]]:
    """pairs(seed, count): that many pairs, the same for the same seed."""

    def generate(seed: int, count: int) -> Iterator[Pair]:
        rng = random.Random(seed)
        return (random_pair(rng) for _ in range(count))

    return generate
