"""Small networks whose goals need one method each: traces are replayed here by a machine of their
own, and what is proved unreachable is."""

from collections.abc import Iterable

from ir_build import add, c, chain, entry, field_is, get, i, plain, program, put, table

from nfverify.equivalence.reach.outcome import Open, Outcome, Reached, Unreachable
from nfverify.equivalence.reach.script import Loop, Script, expand, length
from nfverify.equivalence.reach.settle import settle
from nfverify.equivalence.reach.target import REACHED, Target, focused, goals_of
from nfverify.packet.codec import deparse
from nfverify.semantics.machine import Machine
from nfverify.smat import ir

NUMBER = ir.Bits(32)
RECORDS = ir.StateVar(REACHED, (NUMBER,), (), (), "set")


def reached(number: int) -> ir.Write:
    """What records a goal."""
    return ir.Write(REACHED, (c(number, NUMBER),), ())


def goal(number: int, when: ir.Expr) -> ir.If:
    return ir.If(when, (reached(number),), ())


def above(name: str, bound: int) -> ir.Compare:
    return ir.Compare("<=", i(bound), get(name))


def one(
    *body: ir.Stmt, state: tuple[ir.StateVar, ...] = (), timers: tuple[ir.InitTimer, ...] = ()
) -> ir.Network:
    return chain(program(*body, state=(*state, RECORDS), timers=timers))


def outcomes(network: ir.Network, **more: object) -> dict[int, Outcome]:
    """Each goal with what became of it; what is said to be reached is replayed from frames."""
    found: dict[int, Outcome] = {}
    goals = goals_of(network)
    for outcome in settle(Target(network, **more), goals):  # type: ignore[arg-type]
        if isinstance(outcome, Reached):
            assert outcome.goals <= on_frames(network, outcome.script)
            new: Iterable[int] = outcome.goals
        else:
            new = (outcome.goal,)
        for number in new:
            assert number not in found
            found[number] = outcome
    assert found.keys() == goals
    return found


def on_frames(network: ir.Network, script: Script) -> frozenset[int]:
    machine = Machine(network)
    for arrival in expand(script):
        machine.step(arrival.time, arrival.port, deparse(arrival.packet))
    return frozenset(key[0] for rows in machine.live(REACHED) for key in rows)


def test_one_packet_reaches_what_needs_no_state() -> None:
    network = one(
        goal(0, field_is("dport", 443)),
        goal(1, field_is("sip6", 7)),
        goal(2, ir.And((field_is("sport", 1), field_is("sport", 2)))),
    )
    found = outcomes(network)
    for number in (0, 1):
        outcome = found[number]
        assert isinstance(outcome, Reached)
        assert length(outcome.script) == 1
    assert isinstance(found[2], Unreachable)
    assert found[2].method == "one step"


def test_the_bounded_search_says_what_is_shortest() -> None:
    """Two knocks on one port, then one on another: three packets, and not fewer."""
    stage = get("stage")

    def knock(before: int, port: int) -> ir.Entry:
        on = (ir.Compare("==", stage, i(before)), field_is("dport", port))
        return entry(put("stage", i(before + 1)), on=on, name=f"knock {before}")

    network = one(
        goal(0, above("stage", 3)),
        table(knock(0, 7000), knock(1, 7000), knock(2, 8000)),
        state=(plain("stage"),),
    )
    outcome = outcomes(network)[0]
    assert isinstance(outcome, Reached)
    assert length(outcome.script) == 4
    assert outcome.minimal or outcome.method == "seeds"


def counter(step: ir.Expr, *goals: ir.Stmt) -> ir.Network:
    """Counts what goes to port 80."""
    hit = entry(put("n", add(get("n"), step)), on=(field_is("dport", 80),))
    return one(*goals, table(hit), state=(plain("n"),))


def test_thresholds_are_reached_by_repetition() -> None:
    network = counter(i(1), goal(0, above("n", 100)), goal(1, above("n", 5000)))
    found = outcomes(network)
    for number, packets in ((0, 101), (1, 5001)):
        outcome = found[number]
        assert isinstance(outcome, Reached)
        assert outcome.method == "accelerated"
        assert length(outcome.script) == packets
        assert len(outcome.script) <= 3


def test_bytes_are_counted_with_large_packets() -> None:
    size = ir.Cast(ir.Field("size"), ir.INT)
    found = outcomes(counter(size, goal(0, above("n", 1_000_000))))
    outcome = found[0]
    assert isinstance(outcome, Reached)
    assert length(outcome.script) <= 17


def test_what_takes_billions_of_packets_is_unknown_with_their_number() -> None:
    found = outcomes(counter(i(1), goal(0, ir.Compare("<", get("n"), i(0)))))
    outcome = found[0]
    assert isinstance(outcome, Open)
    assert outcome.packets is not None
    assert 2**31 <= outcome.packets <= 2**31 + 2
    assert outcome.depth >= 4


def test_pools_need_another_packet_each_time() -> None:
    """A port for each source, 300 in all: one packet again and again takes one only."""
    key = (ir.Field("sip"), ir.Field("sport"))
    known = ir.Has("given", key)
    ports = ir.StateVar("given", (ir.IP, ir.PORT), (ir.INT,), (0,), "map")
    network = one(
        table(
            entry(on=(known,), name="known"),
            entry(
                put("given", get("next"), key),
                put("next", add(get("next"), i(1))),
                on=(ir.Compare("<", get("next"), i(300)),),
                name="new",
            ),
            entry(reached(0), name="full"),
        ),
        state=(plain("next"), ports),
    )
    outcome = outcomes(network)[0]
    assert isinstance(outcome, Reached)
    assert length(outcome.script) == 301
    loop = next(part for part in outcome.script if isinstance(part, Loop))
    assert loop.vary != "none"


def test_induction_proves_what_no_single_step_does() -> None:
    """A flag that is only set together with another."""
    body = table(entry(put("a", i(1)), put("b", i(1)), on=(field_is("dport", 9),)))
    odd = ir.And((above("a", 1), ir.Not(above("b", 1))))
    network = one(goal(0, odd), goal(1, above("a", 1)), body, state=(plain("a"), plain("b")))
    found = outcomes(network)
    assert isinstance(found[1], Reached)
    proof = found[0]
    assert isinstance(proof, Unreachable)
    assert proof.method == "induction"
    assert proof.relation
    assert all(o.result == "proved" for o in proof.obligations)


def test_timers_reach_goals_and_are_not_forgotten_in_proofs() -> None:
    """What a packet never does, the timer does: no proof may leave it out."""
    tick = ir.InitTimer((("T", 1),), 1000)
    beat = entry(
        put("ticked", i(1)),
        ir.SetOutput(ir.Delay(c(1000, ir.TIME))),
        on=(ir.Compare("==", ir.Tag("T"), i(1)),),
    )
    network = one(
        goal(0, above("ticked", 1)),
        goal(1, above("ticked", 2)),
        table(beat),
        state=(plain("ticked"),),
        timers=(tick,),
    )
    found = outcomes(network)
    assert isinstance(found[0], Reached)
    assert isinstance(found[1], Unreachable)


def test_a_chain_is_one_network() -> None:
    """The second NF sees only what the first lets through, as it was rewritten."""
    first = program(
        table(entry(ir.SetField("dport", c(8080, ir.PORT)), on=(field_is("dport", 80),))),
        state=(),
    )
    second = program(
        goal(0, field_is("dport", 8080)), goal(1, field_is("dport", 80)), state=(RECORDS,)
    )
    found = outcomes(chain(first, second))
    assert isinstance(found[0], Reached)
    assert isinstance(found[1], Unreachable)


def test_a_hash_must_have_its_real_value() -> None:
    digest = ir.Arithmetic(
        "%", ir.Apply("hash", (ir.Field("sport"),), NUMBER), c(7, NUMBER), NUMBER
    )
    network = one(*[goal(n, ir.Compare("==", digest, c(n, NUMBER))) for n in range(7)])
    assert all(isinstance(o, Reached) for o in outcomes(network).values())


def test_what_the_solver_cannot_read_is_left_open() -> None:
    aged = ir.StateVar("seen", (ir.IP,), (), (), "set", timeout=10**9)
    network = one(
        goal(0, ir.Has("seen", (ir.Field("sip"),))),
        ir.Write("seen", (ir.Field("sip"),), ()),
        state=(aged,),
    )
    outcome = outcomes(network)[0]
    assert isinstance(outcome, Open)
    assert "timeout" in outcome.reason


def test_the_same_from_run_to_run() -> None:
    network = counter(i(1), goal(0, above("n", 40)), goal(1, field_is("dport", 22)))

    def run() -> list[object]:
        return [
            [(a.time, a.port, deparse(a.packet)) for a in expand(o.script)]
            if isinstance(o, Reached)
            else o.goal
            for o in settle(Target(network), goals_of(network))
        ]

    assert run() == run()


def test_focus_leaves_out_other_goals_only() -> None:
    network = counter(i(1), goal(0, above("n", 40)), goal(1, field_is("dport", 22)))
    cut = focused(network, {1})
    assert goals_of(cut) == {1}
    assert [v.name for v in cut.instances[0].program.state] == ["n", REACHED]
    assert cut.instances[0].program.body[-1] == network.instances[0].program.body[-1]
