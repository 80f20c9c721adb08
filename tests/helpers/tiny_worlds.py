"""Pairs of tiny models decided twice: by exhaustive exploration, and by the prover."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from tiny_explore import TooLarge, explore
from tiny_programs import World, network, random_programs, random_world
from tiny_rewrites import (
    MUTATIONS,
    REWRITES,
    apply_some,
    identity,
    introduce_let,
    split_entry,
    swap_entries,
    table_to_if,
)

from nfverify.equivalence.problem import Options
from nfverify.equivalence.prove import Question, equivalent
from nfverify.equivalence.verdict import Different, Equivalent, Unknown, Verdict
from nfverify.smat import ir

SECONDS = 3.0
TIMED = 0.1  # how many have timers and a few instants
STATE_TOO = 0.25  # of those whose variables stayed as they were
KEEPS_VARIABLES = {
    f.__name__
    for f in (*MUTATIONS, split_entry, swap_entries, table_to_if, introduce_let, identity)
}
MAX_STATES = 1500


@dataclass(frozen=True, slots=True)
class Pair:
    """Two networks of one world, how the second was made, and the length of the shortest trace
    that tells them apart (None: there is none, of any length)."""

    seed: str
    world: World
    a: ir.Network
    b: ir.Network
    how: tuple[str, ...]
    kind: Literal["rewrite", "mutation"]
    state_too: bool  # is the state compared, too?
    shortest: int | None


Agreement = Literal["equivalent", "different", "unknown", "wrong"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the prover said of a pair; `note` says what is wrong, or why it is unknown."""

    pair: Pair
    agreement: Agreement
    note: str
    seconds: float


def make_pair(seed: str, kind: Literal["rewrite", "mutation"]) -> Pair | None:
    """A pair by its seed; None if its world is too large, or nothing could be changed."""
    rng = Random(seed)
    timed = rng.random() < TIMED
    world = random_world(rng, timed)
    programs = random_programs(rng, world, timed)
    if kind == "rewrite":
        others, how = apply_some(programs, rng, REWRITES, rng.choice((1, 1, 2, 3)))
    else:
        others, how = apply_some(programs, rng, MUTATIONS, 1)
        if rng.random() < 0.3:
            others, more = apply_some(others, rng, REWRITES, 1)
            how += more
    if not how:
        return None
    a, b = network(programs), network(others)
    stateful = any(p.state for p in programs) and KEEPS_VARIABLES.issuperset(how)
    state_too = stateful and rng.random() < STATE_TOO
    try:
        found = explore(a, b, world.events, MAX_STATES, state_too)
    except TooLarge:
        return None
    # What is decided by one packet is not left out, but need not be most.
    telling = found.telling if kind == "rewrite" else (found.shortest or 0) > 1
    if not telling and rng.random() < 0.8:
        return None
    return Pair(seed, world, a, b, tuple(how), kind, state_too, found.shortest)


def pairs(seed: str, count: int) -> Iterator[Pair]:
    """As many pairs as asked for, half of them rewrites and half mutations, by one seed."""
    found = attempt = 0
    while found < count:
        kind: Literal["rewrite", "mutation"] = "mutation" if found % 2 else "rewrite"
        pair = make_pair(f"{seed}.{attempt}", kind)
        attempt += 1
        if pair is not None:
            found += 1
            yield pair


def prove(pair: Pair, seconds: float = SECONDS) -> Verdict:
    """What the prover says of the pair, of packets of its world only."""
    options = Options(assume=pair.world.assumption, observe_state=pair.state_too)
    return equivalent(pair.a, pair.b, Question(options=options, time_limit=seconds))


def judge(pair: Pair, verdict: Verdict) -> tuple[Agreement, str]:
    """Does a verdict agree with what the exploration found?"""
    truth = pair.shortest
    match verdict:
        case Equivalent(proof=proof):
            if truth is not None:
                return "wrong", f"proved by {proof.relation}, but {truth} packets tell them apart"
            if any(o.result != "proved" for o in proof.obligations):
                return "wrong", "an obligation of the proof was not proved"
            return "equivalent", ""
        case Different(counterexample=trace):
            length = len(trace.events)
            if truth is None:
                return "wrong", f"told apart by {length} packets, but they are equivalent"
            if length < truth:
                return "wrong", f"told apart by {length} packets, but the shortest is {truth}"
            if trace.minimal and length != truth:
                return "wrong", f"{length} packets called shortest, but {truth} do"
            if trace.excluded >= truth:
                return "wrong", f"excludes {trace.excluded} packets, but {truth} do"
            timed = any(i.program.timers for n in (pair.a, pair.b) for i in n.instances)
            if not trace.minimal and not timed:
                return "wrong", f"{length} packets are the shortest, but it does not know"
            return "different", ""
        case Unknown(reason=reason, depth=depth):
            if truth is not None and depth >= truth:
                return "wrong", f"excludes {depth} packets, but {truth} do"
            return "unknown", reason


def decide(pair: Pair, seconds: float = SECONDS) -> Outcome:
    """Both decisions, held against each other."""
    started = time.monotonic()
    try:
        agreement, note = judge(pair, prove(pair, seconds))
    except Exception as error:  # whatever it is, it is this pair's result
        agreement, note = "wrong", f"{type(error).__name__}: {error}"
    return Outcome(pair, agreement, note, time.monotonic() - started)
