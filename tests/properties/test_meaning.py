"""What a property means in a step: the terms held against the reference, on random networks."""

from collections.abc import Iterator
from random import Random

import pytest

from nfverify.equivalence.concrete import Reality
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.oracle import Assignment
from nfverify.equivalence.problem import CLOCK
from nfverify.equivalence.properties.happening import Watched, kept
from nfverify.equivalence.properties.player import Judge, Player
from nfverify.equivalence.properties.preparing import prepared
from nfverify.equivalence.properties.question import Question
from nfverify.equivalence.simulate import START, Arrival, Snapshot, Traffic
from nfverify.equivalence.terms import Terms
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

ANY = Options(statements=3, depth=2, choose=False, timeouts=False, capacities=False)
FIELDS = ("sip", "dip", "sport", "dport", "proto", "ttl", "iface", "size", "IP4", "FRAG")
SEEDS = range(60)


def condition(rng: Random, network: ir.Network, depth: int) -> ir.Expr:
    """A random condition of a property over the variables `k` and `n`."""
    if depth:
        a, b = (condition(rng, network, depth - 1) for _ in range(2))
        match rng.randrange(6):
            case 0:
                return ir.And((a, b))
            case 1:
                return ir.Or((a, b))
            case 2:
                return ir.Not(a)
            case 3 | 4:
                return ir.Since(rng.choice((ir.TRUE, a)), b)
            case _:
                size = ir.Cast(ir.Field("size"), ir.Bits(64))
                none = ir.Const(0, ir.Bits(64))
                amount = ir.Conditional(a, size, none, ir.Bits(64))
                total = ir.Total(amount, rng.choice((1, 5, 100)))
                return ir.Compare("<", total, ir.Const(rng.choice((50, 200)), ir.Bits(64)))
    return leaf_of(rng, network)


def leaf_of(rng: Random, network: ir.Network) -> ir.Expr:
    name = rng.choice(FIELDS)
    here: ir.Expr = ir.Field(name)
    match rng.randrange(6):
        case 0:
            return rng.choice((ir.Dropped(), ir.OutOfBounds()))
        case 1:
            return ir.Compare("==", ir.OutputPort(), ir.Const(rng.randrange(2), ir.PORT))
        case 2:
            return ir.Compare(rng.choice(("==", "!=")), here, ir.Post(here))
        case 3:
            return ir.Compare("==", ir.Field("sip"), ir.Local("k", ir.IP))
        case 4 if len(network.instances) == 1:
            found = list(state_of(rng, network.instances[0].program))
            return rng.choice(found) if found else ir.TRUE
        case _:
            return ir.Compare("<", ir.Cast(here, ir.INT), ir.Local("n", ir.INT))


def state_of(rng: Random, program: ir.Program) -> Iterator[ir.Expr]:
    """Tests of state before and after the step."""
    for variable in program.state:
        if variable.constant:
            continue
        keys = tuple(ir.Cast(ir.Field("sip"), t) for t in variable.keys)
        if not all(isinstance(t, ir.Bits) for t in variable.keys):
            continue
        if variable.keys:
            there = ir.Has(variable.name, keys)
            yield rng.choice((there, ir.Post(there)))
        for index, type_ in enumerate(variable.values):
            if isinstance(type_, ir.Bits):
                read = ir.Read(variable.name, keys, index, type_)
                yield ir.Compare("==", read, ir.Post(read))


@pytest.mark.parametrize("seed", SEEDS)
def test_terms_mean_what_the_reference_says(seed: int) -> None:
    rng = Random(seed)
    network = random_network(rng, ANY)
    variables = (("k", ir.IP), ("n", ir.INT))
    claim = ir.Property("p", condition(rng, network, 2), variables)
    watched, problem, constants = prepared(network, claim, Question())
    terms = Terms()
    model = Watched(problem, terms, watch=watched)
    pre, _ = model.arbitrary_state()
    try:
        event = model.packet_event(pre, "packet")
    except Unsupported:
        pytest.skip("outside the symbolic semantics")
    reads = frozenset(n.var for n in ir.walk((claim.expr,)) if isinstance(n, ir.Read | ir.Has))
    single = len(network.instances) == 1
    state = network.instances[0].program.state if single else ()
    player = Player(Machine(network), state, reads)
    judge = Judge(watched, state, problem.port_count, {})
    traffic = Traffic(problem, constants, Random(seed))
    source = traffic.packets([])
    values: dict[str, ir.Value] = {"k": rng.choice((0x0A000001, 0)), "n": rng.choice((1, 64, 80))}
    watcher = judge.watcher(values)
    time = START
    for _ in range(25):
        time += traffic.rng.choice((0, 1, 3, 7))
        arrival = Arrival(time, traffic.rng.randrange(problem.port_count), next(source))
        player.machine.wait(time, start=True)
        before = snapshot_of(player, problem, {**watcher.values, **watcher.kept})
        happening = player.step(arrival)
        restart(watcher.judge, watcher, happening, before)
        assignment = Assignment(terms, pre, before, Reality({}, {}))
        assignment.values[f"{CLOCK}.0"] = time
        assert event.packet is not None
        assignment.arrive(event.packet, event.now, arrival)
        fine = watcher.see(happening)
        if not happening.timer_out_of_bounds or not watched.of_timers:
            assert assignment.evaluate([model.broken["packet"]]) == [not fine]
        for past in watched.pasts:
            (term,) = event.post.plain[kept(past.name)]
            assert assignment.evaluate([term]) == [watcher.kept[past.name]], past


def snapshot_of(player: Player, problem: object, mine: dict[str, ir.Value]) -> Snapshot:
    found: Snapshot = {CLOCK: {(): (player.machine.now or 0,)}}
    for instance, variables in player.machine.snapshot().items():
        for name, content in variables.items():
            found[problem.a.qualify(instance, name)] = content  # type: ignore[attr-defined]
    found.update({kept(n): {(): (v,)} for n, v in mine.items()})
    return found


def restart(judge: Judge, watcher: object, happening: object, before: Snapshot) -> None:
    """An interval that ended before this packet: the looker-on's timer has set its total to 0."""
    for past in judge.watch.pasts:
        if isinstance(past.node, ir.Total):
            number = (happening.now - happening.start) // past.node.period  # type: ignore[attr-defined]
            if watcher._interval.get(past.name) != number:  # type: ignore[attr-defined]
                before[kept(past.name)] = {(): (0,)}
