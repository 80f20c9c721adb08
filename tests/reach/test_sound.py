"""What is proved unreachable is not reached: not in traps where only carelessness proves it, not by
aimed traffic on random networks. Faults put into the prover fall into the traps."""

from collections.abc import Callable
from random import Random

import prover_faults as faults
import pytest
from ir_build import (
    RESUBMIT,
    add,
    c,
    chain,
    entry,
    field_is,
    get,
    i,
    plain,
    program,
    put,
    table,
    udp,
)

from nfverify.equivalence import shares
from nfverify.equivalence.expressions import Unsupported
from nfverify.equivalence.reach import proofs
from nfverify.equivalence.reach.outcome import Reached, Unreachable
from nfverify.equivalence.reach.proofs import Prover
from nfverify.equivalence.reach.settle import settle
from nfverify.equivalence.reach.target import REACHED, Target, goals_of
from nfverify.equivalence.templates import Templates
from nfverify.oracles.coverage.instrument import instrument
from nfverify.oracles.programs.expressions import Options
from nfverify.oracles.programs.networks import random_network
from nfverify.oracles.traffic import Traffic
from nfverify.semantics.machine import Machine
from nfverify.smat import ir
from nfverify.smat.load import load, load_text

NUMBER = ir.Bits(32)
RECORDS = ir.StateVar(REACHED, (NUMBER,), (), (), "set")
SIP, DIP = ir.Field("sip"), ir.Field("dip")
SEEN = ir.StateVar("seen", (ir.IP,), (ir.INT,), (0,), "map")
BYTE = ir.Bits(8)


def goal(number: int, *when: ir.Expr) -> ir.If:
    return ir.If(ir.And(when), (ir.Write(REACHED, (c(number, NUMBER),), ()),), ())


def is_(name: str, value: int) -> ir.Compare:
    return ir.Compare("==", get(name), i(value))


def one(*body: ir.Stmt, state: tuple[ir.StateVar, ...] = (), **more: object) -> ir.Network:
    return chain(program(*body, state=(*state, RECORDS), **more))  # type: ignore[arg-type]


def nothing_happened() -> ir.Network:
    """True at the start only."""
    return one(goal(0, is_("x", 5)), put("x", i(0)), state=(plain("x", value=5),))


def init_counts() -> ir.Network:
    return one(goal(0, is_("x", 5)), put("x", i(0)), state=(plain("x"),), init=(put("x", i(5)),))


def declared_entry() -> ir.Network:
    held = ir.StateVar("m", (ir.IP,), (ir.INT,), (0,), "map", entries=(((7,), (3,)),))
    found = ir.Compare("==", get("m", keys=(SIP,)), i(3))
    return one(goal(0, found), put("m", i(0), (DIP,)), state=(held,))


def only_a_timer() -> ir.Network:
    beat = entry(
        put("x", i(1)),
        ir.SetOutput(ir.Delay(c(1000, ir.TIME))),
        on=(ir.Compare("==", ir.Tag("T"), i(1)),),
    )
    timers = (ir.InitTimer((("T", 1),), 1000),)
    return one(goal(0, is_("x", 1)), table(beat), state=(plain("x"),), timers=timers)


def same_key_by_chance() -> ir.Network:
    """What is written at the source is read at the destination."""
    return one(
        put("seen", i(1), (SIP,)),
        goal(0, ir.Compare("==", get("seen", keys=(DIP,)), i(1))),
        put("seen", i(0), (SIP,)),
        state=(SEEN,),
    )


def two_steps() -> ir.Network:
    first = entry(put("a", i(1)), on=(field_is("dport", 1),))
    second = entry(put("b", i(1)), on=(field_is("dport", 2), is_("a", 1)))
    return one(goal(0, is_("b", 1)), table(first, second), state=(plain("a"), plain("b")))


def second_pass() -> ir.Network:
    again = entry(put("x", i(1)), RESUBMIT, on=(is_("x", 0),))
    then = entry(put("x", i(0)))
    return one(goal(0, is_("x", 1)), table(again, then), state=(plain("x"),))


def wraps() -> ir.Network:
    """A byte that is never taken down, and is 0 again some time."""
    n = ir.StateVar("n", (), (BYTE,), (0,), "plain")
    value = get("n", BYTE)
    return one(
        goal(0, ir.Compare("==", value, c(0, BYTE)), is_("begun", 1)),
        put("n", add(value, c(1, BYTE))),
        put("begun", i(1)),
        state=(n, plain("begun")),
    )


def not_ip() -> ir.Network:
    return one(
        goal(0, ir.Compare("==", ir.Field("IP4"), c(0, ir.Bits(1))), field_is("sip6", 0),
             field_is("ethertype", 0x0806))
    )  # fmt: skip


def behind_another() -> ir.Network:
    first = program(ir.SetField("dport", c(9, ir.PORT)))
    second = program(goal(0, field_is("dport", 9), field_is("proto", 6)), state=(RECORDS,))
    return chain(first, second)


def by_the_other_port() -> ir.Network:
    return one(goal(0, field_is("iface", 1), field_is("vlan", 5), field_is("FRAG", 1)))


def time_passes() -> ir.Network:
    now = ir.Now()
    since = ir.StateVar("since", (), (ir.TIME,), (0,), "plain")
    gone = ir.Arithmetic("-", now, get("since", ir.TIME), ir.TIME)
    return one(
        goal(0, is_("begun", 1), ir.Compare("<=", c(10**12, ir.TIME), gone)),
        put("since", now),
        put("begun", i(1)),
        state=(since, plain("begun")),
    )


def deleted_again() -> ir.Network:
    """Absent, though touched: presence is no value."""
    return one(
        goal(0, is_("begun", 1), ir.Not(ir.Has("seen", (c(7, ir.IP),)))),
        table(
            entry(ir.Delete("seen", (SIP,)), on=(field_is("dport", 1),)),
            entry(put("seen", i(0), (SIP,))),
        ),
        put("begun", i(1)),
        state=(SEEN, plain("begun")),
    )


TRAPS = (
    nothing_happened, init_counts, declared_entry, only_a_timer, same_key_by_chance, two_steps,
    second_pass, wraps, not_ip, behind_another, by_the_other_port, time_passes, deleted_again,
)  # fmt: skip


def proved(network: ir.Network) -> set[int]:
    """What induction alone proves unreachable, without traffic that would show that it is not."""
    goals = goals_of(network)
    machine = Machine(network)
    machine.step(1, 0, udp())
    found = set()
    for thrifty in (True, False):
        prover = Prover(Target(network), goals, [machine], thrifty)
        found |= {p.goal for p in (*prover.one_step(), *prover.by_induction())}
    return found


@pytest.mark.parametrize("trap", TRAPS)
def test_no_trap_is_proved(trap: Callable[[], ir.Network]) -> None:
    network = trap()
    assert proved(network) == set()
    (found,) = settle(Target(network), goals_of(network))
    assert isinstance(found, Reached)


FAULTS: tuple[tuple[faults.Fault, Callable[[], ir.Network]], ...] = (
    (faults.no_initial_check, nothing_happened),
    (faults.wrong_initial_check, nothing_happened),
    (faults.timers_are_no_events, only_a_timer),
    (faults.one_goal_forgotten, two_steps),
    (faults.dropped_stays_assumed, two_steps),
    (faults.keys_never_alias, same_key_by_chance),
    (faults.init_never_runs, init_counts),
)


@pytest.mark.parametrize(("fault", "trap"), FAULTS)
def test_traps_have_teeth(
    fault: faults.Fault, trap: Callable[[], ir.Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(monkeypatch)
    monkeypatch.setattr(proofs, "certify", shares.certify)
    assert proved(trap()) == {0}


LEASE = """
program lease {
    map<IP, int> out;
    entry give { match_state { ~(f[sip] in out) } action_state { out[f[sip]] = 1; } }
    entry back { match_flow { f[dport] == 9 } action_state { delete out[f[sip]]; } }
    entry use { action_flow { pass; } }
}"""


def test_what_holds_of_a_toucher_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gave it back touched the address last: that it is still out would rule out a new lease.
    The relation may speak of touchers only."""
    instrumented = instrument(load_text(LEASE), "pairs")
    again = next(g for g in instrumented.goals if g.entry == "give" and g.after == "back")
    monkeypatch.setattr(Templates, "generate", lambda self: iter(()))

    def proved_so() -> list[Unreachable]:
        prover = Prover(Target(instrumented.network), frozenset({again.number}))
        return list(prover.by_induction())

    assert proved_so() == []
    (found,) = settle(Target(instrumented.network), {again.number})
    assert isinstance(found, Reached)
    faults.one_goal_forgotten(monkeypatch)
    monkeypatch.setattr(proofs, "certify", shares.certify)
    (wrong,) = proved_so()
    assert any("%last" in text for text in wrong.relation)


def attack(network: ir.Network, seed: int, packets: int) -> set[int]:
    """The goals that aimed traffic reaches, in short traces."""
    found: set[int] = set()
    machine, traffic = Machine(network), Traffic(network, Random(seed))
    for number in range(packets):
        if number % 60 == 0:
            machine = Machine(network)
        event = traffic.event()
        traffic.saw(machine.step(*event))
        found |= {key[0] for rows in machine.live(REACHED) for key in rows}
    return found


PROVABLE = Options(
    choose=False, timeouts=False, capacities=False, operators=False,
    statements=2, depth=2, variables=2,
)  # fmt: skip


@pytest.mark.parametrize("timers", [False, True])
def test_traffic_reaches_nothing_that_was_proved_unreachable(timers: bool) -> None:
    proofs_seen = 0
    options = PROVABLE if timers else Options(**{**vars_of(PROVABLE), "timers": False})
    for seed in (0, 2, 3, 4, 6, 7, 8, 10, 11, 14):
        level = "full" if seed % 2 else "boundaries"
        network = instrument(random_network(Random(seed), options), level).network  # type: ignore[arg-type]
        goals = goals_of(network)
        try:
            prover = Prover(Target(network), goals, checks=15)
        except Unsupported:
            continue
        unreachable = {p.goal for p in (*prover.one_step(), *prover.by_induction())}
        proofs_seen += len(unreachable)
        assert not unreachable & attack(network, seed, 300), seed
    assert proofs_seen > 3


def vars_of(options: Options) -> dict[str, object]:
    return {name: getattr(options, name) for name in Options.__dataclass_fields__}


@pytest.mark.parametrize("name", ["lb", "dns-amplification"])
def test_library_proofs_stand_up_to_traffic(name: str) -> None:
    network = instrument(load(f"lib:{name}"), "full").network
    unreachable = set()
    for outcome in settle(Target(network), goals_of(network)):
        if isinstance(outcome, Unreachable):
            assert all(o.result == "proved" for o in outcome.obligations)
            unreachable.add(outcome.goal)
    assert unreachable
    assert not unreachable & attack(network, 3, 1500)
